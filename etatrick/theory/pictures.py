"""Figures that show themselves in a notebook without pyplot."""

import io
from typing import final

from matplotlib.figure import Figure


@final
class _Drawing(Figure):
    """A figure with a PNG for notebooks."""

    def _repr_png_(self) -> bytes:
        buffer = io.BytesIO()
        self.savefig(buffer, format="png", dpi=110)
        return buffer.getvalue()


def blank(width: float, height: float, layout: str | None = None) -> Figure:
    r"""Return an empty figure that a notebook shows as an image.

    Parameters
    ----------
    width, height : float
        Inches.
    layout : str, optional
        A layout engine of matplotlib.

    Returns
    -------
    matplotlib.figure.Figure

    Examples
    --------
    >>> blank(1, 1)._repr_png_()[:4]
    b'\x89PNG'
    """
    return _Drawing(figsize=(width, height), layout=layout)  # type: ignore[arg-type, unused-ignore]
