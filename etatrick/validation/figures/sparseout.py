"""Sparseout in pictures: sparsity and scale of activations against q, and what a training step costs."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def sparseout_hoyer(data: Mapping[str, Any]) -> "Figure":
    """Draw Hoyer sparsity and mean norm of hidden vectors against q, for each gradient and kind of decoder.

    Parameters
    ----------
    data : mapping
        Of the experiment ``sparseout-hoyer``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from matplotlib.ticker import LogFormatter

    figure, axes = canvas(4, width=2.9)
    exponents = data["exponents"]
    for pair, (part, title) in enumerate((("toy", "synthetic data"), ("images", "images"))):
        for index, (variant, run) in enumerate(data[part].items()):
            for ax, measure in zip(axes[2 * pair : 2 * pair + 2], ("hoyer", "size"), strict=True):
                array = np.array(run[measure])
                ax.errorbar(exponents, array.mean(0), yerr=array.std(0, ddof=1), color=COLOURS[index],
                            linestyle=DASHES[index], marker="os^D"[index], markersize=3.5, linewidth=1.3,
                            label=variant)  # fmt: skip
        label(axes[2 * pair], title, "q", "Hoyer sparsity")
        label(axes[2 * pair + 1], title, "q", "mean ‖h‖")
        axes[2 * pair + 1].set_yscale("log")
        axes[2 * pair + 1].yaxis.set_major_formatter("{x:g}")
        axes[2 * pair + 1].yaxis.set_minor_formatter(LogFormatter())
    legend(axes[0])
    return figure


def sparseout_step_time(data: Mapping[str, Any]) -> "Figure":
    """Draw step times as ratios to plain backprop, ours as bars and the published ones as marks.

    Parameters
    ----------
    data : mapping
        Of the experiment ``sparseout-step-time``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(len(data["ratios"]), width=4.2)
    for ax, (width, ratios) in zip(axes, data["ratios"].items(), strict=True):
        names = list(ratios)
        published = data["published"][width]
        place = list(range(len(names)))
        ax.barh(place, [ratios[name] for name in names], color=COLOURS[4], height=0.6)
        for at, name in zip(place, names, strict=True):
            right = max(ratios[name], published.get(name, 0) / published[names[0]])
            ax.text(right * 1.15, at, f"{ratios[name]:.2f}", va="center", fontsize=7.5)
        marked = [name for name in names if name in published]
        ax.plot([published[n] / published[names[0]] for n in marked], [names.index(n) for n in marked], "D",
                color=COLOURS[1], markersize=5, label="published, GTX 1080")  # fmt: skip
        ax.set_xscale("log")
        ax.set_xlim(0.8, 3 * max(ratios.values()))
        ax.set_yticks(place, [name.replace(" (", "\n(") for name in names], fontsize=7.5)
        ax.invert_yaxis()
        label(ax, f"{width} hidden units", "step time / backprop", "")
        legend(ax, loc="upper right")
    return figure
