"""Trained runs of structured dropout: DropBlock factorisation, DropConnect, and last layers of nonlinear networks."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure

MARKS: Final = ("o", "s", "^", "D")
SHOWN: Final = 12  # singular values per panel


def dropblock_training(data: Mapping[str, Any]) -> "Figure":
    """Draw objectives along training, and singular values of the predictions on the closed form.

    Parameters
    ----------
    data : mapping
        Of the experiment ``dropblock-factorisation``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    runs = data["stochastic"]["runs"]
    figure, axes = canvas(3)
    widest = list(runs)[-1]
    adapted = {name: run for name, run in runs[widest].items() if "θ(d)" in name}
    for (name, run), colour, mark in zip(adapted.items(), COLOURS, MARKS, strict=False):
        axes[0].plot(run["steps"], run["one_draw"], mark, color=colour, markersize=3, label=name.split(",")[0])
        axes[0].plot(run["steps"], run["deterministic"], color=colour, linewidth=1.2)
        axes[0].axhline(run["minimum"], color=colour, linestyle=DASHES[3], linewidth=1.0)
        _values(axes[1], run["values"], run["predicted"], colour, mark, name.split(",")[0])
    for (width, named), colour, mark in zip(runs.items(), COLOURS, MARKS, strict=False):
        for name, fill in (("r = 1, θ(d)", colour), ("r = 1, fixed θ", "white")):
            run = named[name]
            _values(axes[2], run["values"], run["predicted"], colour, mark, f"d = {width}, {name[7:]}", fill)
    targets = data["stochastic"]["targets"][:SHOWN]
    for ax in axes[1:]:
        ax.plot(range(1, len(targets) + 1), targets, color=GREY, linestyle=DASHES[1], linewidth=1.0, label="data")
    axes[0].set_xscale("log")
    label(axes[0], f"d = {widest}: marks masked, lines deterministic", "steps (dotted: global minimum)", "objective")
    label(axes[1], f"d = {widest}, θ(d): marks trained, lines theory", "index", "singular value")
    label(axes[2], "dropout: θ(d) and fixed θ", "index", "singular value")
    for ax in axes:
        legend(ax)
    return figure


def _values(ax: Any, values: Any, predicted: Any, colour: str, mark: str, name: str, fill: str = "") -> None:
    """Add the mean over seeds as marks, the range as bars, and the prediction as a line."""
    array, line = np.array(values)[:, :SHOWN], np.array(predicted)[:SHOWN]
    index, mean = np.arange(1, array.shape[1] + 1), array.mean(0)
    ax.errorbar(index, mean, yerr=[mean - array.min(0), array.max(0) - mean], fmt=mark, color=colour, markersize=4,
                markerfacecolor=fill or colour, linewidth=1.0, label=name)  # fmt: skip
    ax.plot(index, line, color=colour, linewidth=1.0)


def dropconnect_training(data: Mapping[str, Any]) -> "Figure":
    """Draw singular values after training with Dropout and DropConnect on Dropout's closed form.

    Parameters
    ----------
    data : mapping
        Of the experiment ``dropconnect-dropout``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(len(data["runs"]))
    for ax, (name, runs) in zip(axes, data["runs"].items(), strict=True):
        predicted = np.array(next(iter(runs.values()))["predicted"])[:SHOWN]
        index = np.arange(1, len(predicted) + 1)
        ax.bar(index, predicted, width=0.7, color="#dddddd", label="Dropout's closed form")
        for place, (method, run) in enumerate(runs.items()):
            array = np.array(run["values"])[:, :SHOWN]
            mean = array.mean(0)
            ax.errorbar(index + 0.18 * (place - 1), mean, yerr=[mean - array.min(0), array.max(0) - mean],
                        fmt=MARKS[place], color=COLOURS[place], markersize=4, label=method)  # fmt: skip
        ax.set_xticks(index)
        ax.set_ylim(top=1.45 * float(predicted.max()))
        label(ax, f"{name} inputs", "index", "singular value of the predictions")
        legend(ax, loc="upper right")
    return figure


def last_layer_values(data: Mapping[str, Any]) -> "Figure":
    """Draw singular values of trained networks' predictions on those of the lower bound.

    Parameters
    ----------
    data : mapping
        Of the experiment ``last-layer``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    runs = {**data["small"]["runs"], **data["digits"]["runs"]}
    layouts = list(dict.fromkeys(name.rsplit(", ", 1)[0] for name in data["small"]["runs"]))
    panels = [*layouts, *data["digits"]["runs"]]
    figure, axes = canvas(len(panels), width=2.9)
    for ax, title in zip(axes, panels, strict=True):
        named = {n: rows[0] for n, rows in runs.items() if n.startswith(title)}
        bound = next(iter(named.values()))["singular_values_at_the_bound"][:SHOWN]
        index = np.arange(1, len(bound) + 1)
        ax.plot(index, bound, color=GREY, linewidth=2.0, label="at the bound")
        for place, (name, row) in enumerate(named.items()):
            kind = "ReLU" if "ReLU" in name else "linear"
            text = f"{kind} features, {100 * row['relative_excess']:+.2g} %"
            ax.plot(index, row["singular_values"][:SHOWN], MARKS[place], color=COLOURS[place], markersize=5, label=text)
        ax.set_xticks(index)
        label(ax, title, "index", "singular value" if ax is axes[0] else "")
        legend(ax)
    return figure
