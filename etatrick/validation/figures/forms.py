"""The four forms of a duality as curves."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etatrick.validation.figures.style import COLOURS, canvas, label

if TYPE_CHECKING:
    from matplotlib.figure import Figure


def duality_forms(data: Mapping[str, Any]) -> "Figure":
    """Draw Ω, η̂, f and α.

    Parameters
    ----------
    data : mapping
        ``data["curves"]`` with x, penalty, eta_hat, alpha, eta and dual.

    Returns
    -------
    matplotlib.figure.Figure
    """
    curves = data["curves"]
    figure, axes = canvas(4, height=2.4, width=2.5)
    panels = (
        ("penalty", "x", "penalty", r"$|w|$", r"$\Omega$"),
        ("weight rule", "x", "eta_hat", r"$|w|$", r"$\hat\eta$"),
        ("dual", "eta", "dual", r"$\eta$", r"$f$"),
        ("retain probability", "x", "alpha", r"$|w|$", r"$\alpha$"),
    )
    for ax, (title, x, y, x_label, y_label) in zip(axes, panels, strict=True):
        ax.plot(curves[x], curves[y], color=COLOURS[0], linewidth=1.8)
        label(ax, title, x_label, y_label)
        ax.set_xlim(left=0)
        ax.set_ylim(bottom=0)
    axes[3].set_ylim(0, 1)
    return figure
