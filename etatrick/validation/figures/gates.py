"""Gates against ℓ0: how often each method ends at the best of all subsets."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def gates_l0(data: Mapping[str, Any]) -> "Figure":
    """Draw the share of problems solved, with its interval, per method and family of problems.

    Parameters
    ----------
    data : mapping
        The data of the finding: ``rates``.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(2, height=2.9, width=4.2)
    for ax, (family, rates), colour in zip(axes, data["rates"].items(), COLOURS, strict=False):
        names = list(rates)
        share, low, high = np.array([rates[name] for name in names]).T
        at = np.arange(len(names))[::-1]
        ax.hlines(at, low, high, color=colour, linewidth=1.6)
        ax.plot(share, at, "o", color=colour, markersize=6)
        ax.set_yticks(at, names if ax is axes[0] else [""] * len(names), fontsize=8)
        ax.set_xlim(-0.03, 1.03)
        label(ax, f"{family} columns", "share of problems at the best subset", "")
    return figure
