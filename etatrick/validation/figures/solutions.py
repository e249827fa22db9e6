"""Coefficient paths and the certificates of every point on them."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.validation.figures.style import COLOURS, DASHES, GREY, canvas, label, legend

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

FLOOR = 1e-18  # certificates that are exactly 0 are drawn here


def coefficient_paths(data: Mapping[str, Any]) -> "Figure":
    """Draw the log-sum path, the lasso path, and both paths' certificates against λ.

    Parameters
    ----------
    data : mapping
        ``data["log-sum path"]`` and ``data["lasso path"]`` as the experiments return them.

    Returns
    -------
    matplotlib.figure.Figure
    """
    log_sum, lasso = data["log-sum path"], data["lasso path"]
    figure, axes = canvas(3)
    _paths(axes[0], log_sum, "log-sum", log_sum["names"])
    _paths(axes[1], lasso, "lasso (convex twin)", log_sum["names"])
    handles, names = axes[0].get_legend_handles_labels()
    figure.legend(handles, names, loc="outside lower left", ncols=10, fontsize=7.5, frameon=False)
    series = (
        ("log-sum: KKT residual", log_sum["lams"], log_sum["kkt"], "o"),
        ("lasso: relative duality gap", lasso["lams"], lasso["relative_gap"], "s"),
        ("lasso: difference from cvxpy", lasso["lams"], lasso["cvxpy"], "^"),
    )
    for (name, lams, values, marker), colour in zip(series, COLOURS, strict=False):
        shown = np.maximum(np.array(values), FLOOR)
        axes[2].loglog(lams, shown, marker, markersize=3.5, color=colour, label=name, fillstyle="none")
    axes[2].axhline(1e-10, color=GREY, linewidth=1, linestyle="--")
    axes[2].text(axes[2].get_xlim()[1], 1.3e-10, "tolerance 1e-10", fontsize=7, color=GREY, ha="right")
    axes[2].set_ylim(FLOOR / 2, 1e-7)
    label(axes[2], f"certificates (0 drawn at {FLOOR:g})", r"$\lambda$", "")
    legend(axes[2], loc="upper left")
    return figure


def _paths(ax: "Axes", part: Mapping[str, Any], title: str, names: list[str]) -> None:
    coefs = np.array(part["coefs"])
    for index, name in enumerate(names):
        style = {"color": COLOURS[index % len(COLOURS)], "linestyle": DASHES[index % 3 if index < 7 else 3]}
        ax.semilogx(part["lams"], coefs[:, index], linewidth=1.3, label=name, **style)
    label(ax, title, r"$\lambda$", r"$w_j$")
