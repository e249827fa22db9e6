"""LeNet-300-100: non-zeros and validation error per epoch for every method that was run."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

LOWEST = 1e-3  # fractions below this are drawn here


def lenet_trajectories(data: Mapping[str, Any]) -> "Figure":
    """Draw the non-zero fraction by the mask and the validation error per epoch, mean and range over seeds.

    Parameters
    ----------
    data : mapping
        The results by method name; optionally ``predicted``, the epochs of cliffs by method name.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from etatrick.validation.experiments.lenet_published import TABLE

    names = [name for name, part in data.items() if isinstance(part, Mapping) and "nonzero" in part]
    figure, axes = canvas(2, height=4.2, width=5.2)
    for index, name in enumerate(names):
        style: dict[str, Any] = {
            "color": COLOURS[index % len(COLOURS)],
            "linestyle": DASHES[(index // len(COLOURS) + index) % len(DASHES)],
        }
        for ax, measure in zip(axes, ("nonzero", "error"), strict=True):
            values = np.maximum(np.array(data[name][measure]), LOWEST)
            epochs = np.arange(1, len(values) + 1)
            ax.fill_between(epochs, values.min(1), values.max(1), color=style["color"], alpha=0.15, linewidth=0)
            ax.plot(epochs, values.mean(1), label=name, linewidth=1.4, **style)
        if name in TABLE and data[name].get("level") == "full":
            last = len(data[name]["nonzero"])
            for ax, value in zip(axes, (TABLE[name].nonzero, TABLE[name].validation_error), strict=True):
                ax.plot([last * 1.03], [value], "D", color=style["color"], markersize=4, clip_on=False)
    for epoch in sorted(set(data.get("predicted", {}).values()))[:1]:
        axes[0].axvline(epoch, color=GREY, linewidth=0.9, linestyle=":")
        axes[0].annotate("predicted cliff", (epoch, 1.2 * LOWEST), fontsize=7, color=GREY, rotation=90,
                         ha="right", va="bottom")  # fmt: skip
    label(axes[0], "non-zero weights (diamonds in the full form: published)", "epoch", "fraction (log scale)")
    label(axes[1], "validation error", "epoch", "fraction misclassified (log scale)")
    axes[0].set_yscale("log")
    axes[0].set_ylim(LOWEST, 1.3)
    axes[1].set_yscale("log")
    axes[1].set_yticks([0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0], ["0.01", "0.02", "0.05", "0.1", "0.2", "0.5", "1"])
    axes[1].minorticks_off()
    legend(axes[1], loc="upper right", ncols=2)
    return figure
