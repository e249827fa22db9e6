"""One look for all figures: sizes, colours that colour-blind readers can tell apart, and markers beside colour."""

from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure

# Okabe and Ito's palette without its yellow, which is too pale on white
COLOURS: Final = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#56B4E9", "#E69F00", "#000000")
DASHES: Final = ("-", "--", "-.", ":", (0, (5, 1)), (0, (1, 1)), (0, (3, 1, 1, 1)))
GREY: Final = "#666666"
LEFT: Final = 0.75  # inches for the labels of a vertical axis


def canvas(panels: int, height: float = 3.0, width: float = 3.6) -> "tuple[Figure, list[Axes]]":
    """Return a figure with panels side by side, outside pyplot.

    Parameters
    ----------
    panels : int
        Number of panels.
    height, width : float
        Size of one panel in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    from etatrick.theory.pictures import blank

    figure = blank(width * panels, height, layout="constrained")
    axes = figure.subplots(1, panels, squeeze=False)[0]
    for ax in axes:
        _tidy(ax)
    return figure, list(axes)


def panes(panels: int, height: float = 2.8, width: float = 3.4) -> "tuple[Figure, list[Axes]]":
    """Return panels as :func:`canvas` does, with fixed margins: drawn in a third of the time, for one-line labels.

    Parameters
    ----------
    panels : int
        Number of panels.
    height, width : float
        Size of one panel in inches.

    Returns
    -------
    figure : matplotlib.figure.Figure
    axes : list of matplotlib.axes.Axes
    """
    from etatrick.theory.pictures import blank

    figure = blank(width * panels, height)
    axes = figure.subplots(1, panels, squeeze=False)[0]
    inner = width - LEFT - 0.1
    figure.subplots_adjust(
        left=LEFT / (width * panels), right=1 - 0.1 / (width * panels), bottom=0.5 / height, top=1 - 0.32 / height,
        wspace=(LEFT + 0.1) / inner,
    )  # fmt: skip
    for ax in axes:
        _tidy(ax)
    return figure, list(axes)


def _tidy(ax: "Axes") -> None:
    ax.spines[["top", "right"]].set_visible(False)
    ax.grid(visible=True, color="#e6e6e6", linewidth=0.6)
    ax.set_axisbelow(True)
    ax.tick_params(which="both", labelsize=8)


def label(ax: "Axes", title: str, x: str, y: str) -> None:
    """Set a panel's title and axis labels."""
    ax.set_title(title, fontsize=9, loc="left")
    ax.set_xlabel(x, fontsize=9)
    ax.set_ylabel(y, fontsize=9)


def legend(ax: "Axes", **options: Any) -> None:
    """Add a small legend without a frame."""
    ax.legend(fontsize=7.5, frameon=False, **options)
