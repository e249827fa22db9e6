"""The figures of a report: each picture is drawn once, as a vector and as a raster image."""

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from io import BytesIO
from typing import TYPE_CHECKING, Any, TypeAlias, final

from etatrick.validation.evidence import COLUMNS, ColumnName, Evidence
from etatrick.validation.report.wording import slug, unique

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw: TypeAlias = "Callable[[str, Mapping[str, Any]], Figure]"
Place = tuple[int, ColumnName, int]  # entry, column, picture
DPI = 150
COLOURS = 96  # of a raster image; its few hues and their edges need no more


@final
@dataclass(frozen=True)
class Drawing:
    """A drawn picture: the stem of its file names, its two forms, and its size in CSS pixels."""

    stem: str
    svg: bytes
    png: bytes
    width: int
    height: int


def drawings(entries: Sequence[Evidence], draw: Draw) -> dict[Place, Drawing]:
    """Draw every picture of every finding.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.
    draw : callable
        Takes a picture's name and its finding's data, returns a figure.

    Returns
    -------
    dict
        The drawings by entry, column and position.  The same data give the same SVG, byte for byte.
    """
    taken: set[str] = set()
    drawn: dict[Place, Drawing] = {}
    for index, entry in enumerate(entries):
        for column in COLUMNS:
            finding = entry.findings[column]
            for position, picture in enumerate(finding.pictures):
                stem = unique(f"{slug(entry.claim)}-{slug(picture.name)}", taken)
                drawn[index, column, position] = _saved(stem, draw(picture.name, finding.data))
    return drawn


def _saved(stem: str, figure: "Figure") -> Drawing:
    from matplotlib import rc_context

    svg, png = BytesIO(), BytesIO()
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    # text stays text: a quarter of the size, and a journal can set it in its own font
    with rc_context({"svg.hashsalt": "etatrick", "svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
        figure.savefig(png, format="png", dpi=DPI)
    figure.clear()
    return Drawing(stem, _rounded(svg.getvalue()), _indexed(png.getvalue()), width, height)


def _rounded(svg: bytes) -> bytes:
    """Return the drawing with coordinates to a hundredth of a point."""
    return re.sub(rb"-?\d+\.\d{3,}", lambda number: b"%.2f" % float(number[0]), svg)


def _indexed(png: bytes) -> bytes:
    """Return the raster image with a palette, a third of the size."""
    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "png", optimize=True, dpi=(DPI, DPI))
    return out.getvalue()
