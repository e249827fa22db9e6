"""Figures of claims: two routes to the same numbers, and trained models beside exact values."""

from collections.abc import Mapping
from textwrap import wrap
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, GREY, label, legend, panes

if TYPE_CHECKING:
    from matplotlib.figure import Figure

FLOOR = 1e-17  # where an error of 0 is drawn
COLUMNS = 4
WIDEST = 30  # characters of a line of a panel's title
LINE = 0.16  # inches that such a line takes
TICKS = 8
MARKERS = 12  # along a curve; all draws are on it


def claim_numbers(data: Mapping[str, Any]) -> "Figure":
    """Draw the differences between two routes in increasing order, beside the tolerance and the control.

    Parameters
    ----------
    data : mapping
        As kept by :func:`etatrick.validation.routes.numbers`: ``pairs`` and perhaps ``control``, rows of stated,
        computed and place; ``relation``, ``tolerance``, and ``other``, what the control is.

    Returns
    -------
    matplotlib.figure.Figure
    """
    from etatrick.validation.routes.numeric import Pair

    figure, (ax,) = panes(1, height=2.6, width=4.6)
    limit = max(data["tolerance"], FLOOR)
    largest = limit
    groups = [("pairs", "as stated", COLOURS[0], "o"), ("control", data.get("other", "other formula"), COLOURS[1], "^")]
    for key, name, colour, marker in groups:
        if key not in data:
            continue
        pairs = [Pair(*row) for row in data[key] if np.isfinite([_number(row[0]), _number(row[1])]).all()]
        errors = np.maximum(np.sort([pair.error(data["relation"]) for pair in pairs]), FLOOR)
        ax.plot(np.arange(1, len(errors) + 1), errors, marker=marker, markevery=max(1, len(errors) // MARKERS),
                markersize=3.5, linewidth=1, color=colour, label=name)  # fmt: skip
        largest = max([largest, *errors[-1:]])
    if len(data["pairs"]) <= TICKS:
        ax.set_xticks(np.arange(1, len(data["pairs"]) + 1))
    ax.axhline(limit, color=GREY, linestyle="--", linewidth=1, label="tolerance")
    ax.set_ylim(FLOOR / 3, 1e3 * largest)  # room for the legend; before the scale, which refuses equal limits
    ax.set_yscale("log")
    ax.minorticks_off()
    label(ax, "difference of the two routes, in increasing order", "draw", "scaled difference")
    legend(ax, loc="upper left", ncols=3)
    return figure


def claim_trials(data: Mapping[str, Any]) -> "Figure":
    """Draw trained minus exact values per trial, with confidence intervals and the margin.

    Parameters
    ----------
    data : mapping
        As kept by :func:`etatrick.validation.routes.trained`: ``trials`` by name, each with ``lower``, ``upper`` and
        ``expected``; ``margin``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    trials = dict(list(data["trials"].items())[:COLUMNS])
    titles = [[*wrap(name, WIDEST), f"(expected: {trial['expected']})"] for name, trial in trials.items()]
    above = LINE * (max(map(len, titles)) - 1)
    figure, axes = panes(len(trials), height=2.6 + above, width=2.8)
    figure.subplots_adjust(top=1 - (2 * LINE + above) / (2.6 + above))
    for ax, title, trial in zip(axes, titles, trials.values(), strict=True):
        lower, upper = (np.asarray(trial[key], dtype=np.float64) for key in ("lower", "upper"))
        middle = (lower + upper) / 2
        places = np.arange(1, len(middle) + 1)
        colour = COLOURS[0] if trial["expected"] == "agrees" else COLOURS[1]
        ax.axhspan(-data["margin"], data["margin"], color="#e0e0e0", zorder=0)
        ax.errorbar(places, middle, yerr=(upper - lower) / 2, fmt="o", color=colour, markersize=3.5, linewidth=1)
        label(ax, "\n".join(title), "coordinate", "trained − exact")
        ax.set_xlim(0.5, len(places) + 0.5)
        ax.set_xticks(places[:: -(-len(places) // TICKS)])
    return figure


def _number(value: Any) -> float:
    return float("nan") if value is None else float(value)
