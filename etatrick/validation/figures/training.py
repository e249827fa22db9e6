"""Trained models beside the theory: coefficients against exact optima, and network trajectories with bands."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

PANELS = (
    ("gaussian", "adaptive Gaussian → log-sum"),
    ("bernoulli", "floored Bernoulli → clamped log-sum"),
    ("linear control", "fixed rate (control) → log-sum"),
)


def linear_agreement(data: Mapping[str, Any]) -> "Figure":
    """Draw trained coefficients minus the exact optimum, with the margin shaded.

    Parameters
    ----------
    data : mapping
        The results of the three linear runs by part name.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(3, height=2.9, width=3.3)
    for ax, (part, title), colour in zip(axes, PANELS, COLOURS, strict=False):
        _differences(ax, data[part], title, colour)
    axes[0].set_ylabel("trained − exact coefficient", fontsize=9)
    return figure


def _differences(ax: "Axes", result: Mapping[str, Any], title: str, colour: str) -> None:
    gaps = np.array(result["coefs"]) - np.array(result["target"])
    test = result["agreement"]
    position = np.arange(gaps.shape[1])
    ax.axhspan(-test["margin"], test["margin"], color=GREY, alpha=0.18, linewidth=0)
    ax.axhline(0, color=GREY, linewidth=0.8)
    ax.vlines(position, gaps.min(0), gaps.max(0), color=colour, linewidth=1.2)
    ax.plot(position, gaps.mean(0), "o", color=colour, markersize=4)
    ax.set_xticks(position, result["names"], fontsize=7)
    label(ax, f"{title}\n{test['outcome']} ({test['seeds']} seeds, margin ±{test['margin']:.3f})", "", "")


def digits_training(data: Mapping[str, Any]) -> "Figure":
    """Draw the non-zero fraction and the test error per epoch, mean and range over seeds.

    Parameters
    ----------
    data : mapping
        The trajectories by method name, and ``data["reference"]``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    names = [name for name, part in data.items() if isinstance(part, Mapping) and "nonzero" in part]
    figure, axes = canvas(2, height=3.4, width=4.6)
    for index, name in enumerate(names):
        style: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[index % len(DASHES)],
        }
        for ax, measure in zip(axes, ("nonzero", "error"), strict=True):
            values = np.array(data[name][measure])
            epochs = np.arange(1, len(values) + 1)
            ax.fill_between(epochs, values.min(1), values.max(1), color=style["color"], alpha=0.15, linewidth=0)
            ax.plot(epochs, values.mean(1), label=name, linewidth=1.5, **style)
    label(axes[0], "non-zero weights", "epoch", "fraction")
    label(axes[1], "test error", "epoch", "fraction misclassified (log scale)")
    axes[0].set_ylim(0, 1.03)
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.02, 0.05, 0.1, 0.2, 0.5, 1.0], ["0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    axes[1].minorticks_off()
    legend(axes[0], loc="lower left")
    return figure
