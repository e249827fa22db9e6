"""The noise recipe: weights trained with both gradients beside the exact optima, and the factor between penalties."""

from collections.abc import Mapping
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

SHOWN = "3/2"


def noise_recipe(data: Mapping[str, Any]) -> "Figure":
    """Draw trained minus exact weights at q = 3/2, and the measured factor against 2/q.

    Parameters
    ----------
    data : mapping
        The data of the finding: ``optima``, ``training``, ``ratios`` and ``margin``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(2, height=3.2, width=4.4)
    _weights(axes[0], data)
    _factors(axes[1], data["ratios"])
    return figure


def _weights(ax: "Axes", data: Mapping[str, Any]) -> None:
    exact, trained = data["optima"]["coefs"][SHOWN], data["training"]["coefs"][SHOWN]
    base = np.array(exact["differentiated"])
    position = np.arange(1, len(base) + 1)
    ax.axhspan(-data["margin"], data["margin"], color=GREY, alpha=0.18, linewidth=0)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.plot(position, np.array(exact["detached"]) - base, "x", color="black", markersize=7,
            label="exact: penalty 2/q times as large")  # fmt: skip
    for name, colour, marker in zip(trained, COLOURS, "os", strict=False):
        gaps = np.array(trained[name]) - base
        ax.vlines(position, gaps.min(0), gaps.max(0), color=colour, linewidth=1.2)
        ax.plot(position, gaps.mean(0), marker, color=colour, markersize=4, label=f"trained, {name}")
    ax.set_xticks(position)
    low, high = ax.get_ylim()
    ax.set_ylim(low, high + 0.4 * (high - low))  # room for the legend
    label(ax, f"q = {SHOWN}: weights less the optimum of V/2\n(margin of agreement shaded)", "coordinate", "difference")
    legend(ax, loc="upper left")


def _factors(ax: "Axes", ratios: Mapping[str, Any]) -> None:
    grid = np.linspace(0.9, 2.1, 100)
    ax.plot(grid, 2 / grid, color=COLOURS[2], linewidth=1.6, label="theory: 2/q")
    degrees = [float(Fraction(q)) for q in ratios]
    values = [np.array(ratios[q]) for q in ratios]
    means, low, high = ([float(f(v)) for v in values] for f in (np.mean, np.min, np.max))
    ax.vlines(degrees, low, high, color=COLOURS[1], linewidth=1.2)
    ax.plot(degrees, means, "o", color=COLOURS[1], markersize=5, label="trained: mean and range over seeds")
    label(ax, "penalty with detached noise\nover penalty with differentiated noise", "degree q", "factor")
    legend(ax, loc="upper right")
