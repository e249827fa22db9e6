"""Deep linear networks trained with dropout: where random starts end, and their singular values."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def deep_linear_training(data: Mapping[str, Any]) -> "Figure":
    """Draw the objective of every start relative to the optimum, and singular values beside both predictions.

    Parameters
    ----------
    data : mapping
        Of the experiment ``deep-linear``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    runs = data["descent"]["runs"]
    figure, axes = canvas(2, height=3.6, width=4.6)
    axes[0].set_yscale("symlog", linthresh=0.1)
    axes[0].margins(y=0.08)
    names = [name.replace(", d", "\nd").replace(", λ", "\nλ") for name in runs]
    for place, run in enumerate(runs.values()):
        ends = 100 * (np.array(run["objectives"]) / run["optimum"] - 1)
        spread = place + np.linspace(-0.25, 0.25, len(ends))
        axes[0].plot(spread, ends, "o", color=COLOURS[0], markersize=3, alpha=0.7, label=None if place else "starts")
        gap = 100 * (run["surrogate"] / run["optimum"] - 1)
        axes[0].plot([place - 0.3, place + 0.3], [gap, gap], color=COLOURS[1], linewidth=2.0,
                     label=None if place else "convex surrogate")  # fmt: skip
        best = run["values"][int(np.argmin(run["objectives"]))]
        inside = place + np.linspace(-0.3, 0.3, len(best))
        for values, mark, colour, size, name in (
            (run["targets"], "_", GREY, 9, "target"),
            (run["surrogate_values"], "x", COLOURS[1], 6, "surrogate"),
            (run["predicted"], "o", COLOURS[2], 8, "predicted"),
            (best, ".", COLOURS[6], 6, "best start"),
        ):
            fill = "none" if mark == "o" else colour
            axes[1].plot(inside, values, mark, color=colour, markersize=size, markerfacecolor=fill,
                         label=None if place else name)  # fmt: skip
    axes[0].axhline(0, color=GREY, linestyle=DASHES[3], linewidth=1.0)
    label(axes[0], "where starts end (0: predicted optimum)", "", "objective over the optimum, %")
    label(axes[1], "singular values of the product", "", "singular value")
    for ax in axes:
        ax.set_xticks(range(len(names)), names, fontsize=7)
    largest = max(max(run["targets"]) for run in runs.values())
    axes[1].set_ylim(-0.05 * largest, 1.2 * largest)
    legend(axes[0])
    legend(axes[1], loc="upper center", ncols=4)
    return figure
