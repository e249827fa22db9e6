"""Exact and quadratic GLM dropout penalties along the scale of the weights, and trained models beside both optima."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure


def glm_dropout(data: Mapping[str, Any]) -> "Figure":
    """Draw the collapse of the quadratic penalty and the trained coefficients.

    Parameters
    ----------
    data : mapping
        The data of the finding: ``collapse``, ``optima`` and ``training``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(3, height=3.2, width=3.7)
    curves = data["collapse"]
    _curves(axes[0], curves["scale"], curves["single"], "one feature, δ = ½", "t = xw")
    axes[0].plot(curves["peak"], curves["height"], "o", color=COLOURS[1], markersize=4)
    axes[0].annotate(f"|t| = {curves['peak']:.3f}", (curves["peak"], curves["height"]), fontsize=7.5,
                     xytext=(14, 3), textcoords="offset points", ha="left")  # fmt: skip
    legend(axes[0], loc="center right")
    _curves(axes[1], curves["scale"], curves["three"], "x = (1, −1, 2), w ∝ (0.8, 0.5, 0.4)", "scale of w")
    _trained(axes[2], data)
    return figure


def _curves(ax: "Axes", scale: Any, pairs: Any, title: str, x: str) -> None:
    exact, quadratic = np.array(pairs).T
    ax.plot(scale, exact, color=COLOURS[0], linewidth=1.6, label="exact")
    ax.plot(scale, quadratic, color=COLOURS[1], linestyle=DASHES[1], linewidth=1.6, label="quadratic")
    label(ax, title, x, "penalty of one example")


def _trained(ax: "Axes", data: Mapping[str, Any]) -> None:
    position = 0.0
    ticks: list[tuple[float, str]] = []
    ax.axhline(0, color=GREY, linewidth=0.8)
    for name, coefs in data["training"]["coefs"].items():
        exact, quadratic = (np.array(data["optima"][name][kind]) for kind in ("exact", "quadratic"))
        gaps = np.array(coefs) - exact
        at = position + np.arange(len(exact))
        margin = data["tests"]["comparisons"][f"{name} → exact optimum"]["margin"]
        ax.fill_between([at[0] - 0.5, at[-1] + 0.5], -margin, margin, color=GREY, alpha=0.18, linewidth=0)
        first = not ticks
        ax.plot(at, quadratic - exact, "x", color=COLOURS[1], markersize=6,
                label="quadratic optimum" if first else None)  # fmt: skip
        ax.vlines(at, gaps.min(0), gaps.max(0), color=COLOURS[0], linewidth=1.2)
        ax.plot(at, gaps.mean(0), "o", color=COLOURS[0], markersize=4,
                label="trained: mean and range" if first else None)  # fmt: skip
        ticks.append((float(at.mean()), name.replace(", ", "\n")))
        position = float(at[-1]) + 2.0
    ax.set_xticks([tick for tick, _ in ticks], [text for _, text in ticks], fontsize=8)
    label(ax, "coefficients less the exact optimum\n(margin of agreement shaded)", "", "difference")
    legend(ax, loc="lower right")
