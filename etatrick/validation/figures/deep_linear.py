"""Deep linear dropout: the exact optimum beside the convex surrogate, and where a single direction survives."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def deep_shrinkage_data() -> dict[str, Any]:
    """Return singular values of the optimum and of the surrogate along the odds, m = (3, 2, 1), two layers of four.

    Returns
    -------
    dict
        ``odds`` (p,), ``exact`` and ``surrogate`` (p, 3), ``objective`` and ``bound`` (p,).
    """
    from etatrick.numerics.deep.optimum import deep_dropout_minimizer

    odds = np.linspace(0.01, 2.5, 120)
    found = [deep_dropout_minimizer(np.diag([3.0, 2.0, 1.0]), (4, 4), float(rate)) for rate in odds]
    return {
        "odds": odds.tolist(),
        "exact": [best.singular_values.tolist() for best in found],
        "surrogate": [np.asarray(best.surrogate_singular_values).tolist() for best in found],
        "objective": [best.objective for best in found],
        "bound": [best.surrogate for best in found],
    }


def deep_shrinkage(data: Mapping[str, Any]) -> "Figure":
    """Draw singular values against the odds of dropping, and the gap between optimum and surrogate.

    Parameters
    ----------
    data : mapping
        As from :func:`deep_shrinkage_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(2)
    exact, surrogate = np.array(data["exact"]), np.array(data["surrogate"])
    for j, colour in zip(range(exact.shape[1]), COLOURS, strict=False):
        axes[0].plot(data["odds"], exact[:, j], color=colour, linewidth=1.6, label=f"exact, direction {j + 1}")
        axes[0].plot(data["odds"], surrogate[:, j], color=colour, linestyle=DASHES[1], linewidth=1.0)
    gap = 100 * (np.array(data["objective"]) / np.array(data["bound"]) - 1)
    axes[1].plot(data["odds"], gap, color=COLOURS[0], linewidth=1.6)
    label(axes[0], "singular values (dashed: surrogate)", "odds of dropping, per layer", "singular value")
    label(axes[1], "optimum above the surrogate", "odds of dropping, per layer", "percent")
    legend(axes[0])
    return figure


def deep_phase_data() -> dict[str, Any]:
    """Return the rank of the optimum over odds and the ratio m₂/m₁, with both rank-one lines.

    Returns
    -------
    dict
        ``odds`` (p,), ``ratios`` (q,), ``ranks`` (p, q), ``threshold`` and ``condition`` (p,).
    """
    from etatrick.numerics.deep.phase import phase_diagram

    found = phase_diagram((4, 4), np.linspace(0.05, 3, 30), np.linspace(0.02, 1, 25), directions=4)
    return {
        "odds": found.odds.tolist(),
        "ratios": found.ratios.tolist(),
        "ranks": found.ranks.tolist(),
        "threshold": found.threshold.tolist(),
        "condition": found.condition.tolist(),
    }


def deep_phase(data: Mapping[str, Any]) -> "Figure":
    """Draw the phase diagram: rank of the optimum, the exact rank-one line and the sufficient condition.

    Parameters
    ----------
    data : mapping
        As from :func:`deep_phase_data`.

    Returns
    -------
    matplotlib.figure.Figure
    """
    figure, axes = canvas(1, height=3.4, width=4.8)
    ranks = np.array(data["ranks"])
    edges = np.arange(ranks.min(), ranks.max() + 2) - 0.5
    filled = axes[0].contourf(data["odds"], data["ratios"], ranks.T, levels=edges, cmap="Blues", alpha=0.7)
    bar = figure.colorbar(filled, ax=axes[0], ticks=np.arange(ranks.min(), ranks.max() + 1))
    bar.set_label("rank of the optimum", fontsize=8)
    axes[0].plot(data["odds"], data["threshold"], color=COLOURS[1], linewidth=1.6, label="rank one up to here")
    axes[0].plot(
        data["odds"],
        data["condition"],
        color=COLOURS[6],
        linestyle=DASHES[1],
        linewidth=1.2,
        label="sufficient condition",
    )
    label(axes[0], "singular values 1, q, q², q³; two layers of four", "odds of dropping, per layer", "ratio q")
    legend(axes[0], loc="lower right")
    return figure
