"""The figures of a report: each picture is drawn once, as a vector and as a raster image."""

from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass
from io import BytesIO
from multiprocessing import get_context
from typing import TYPE_CHECKING, Any, TypeAlias, final

from etatrick.validation.evidence import COLUMNS, ColumnName, Evidence
from etatrick.validation.report.vector import compact
from etatrick.validation.report.wording import slug, unique

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Draw: TypeAlias = "Callable[[str, Mapping[str, Any]], Figure]"
Place = tuple[int, ColumnName, int]  # entry, column, picture
DPI = 140
FEW = 8  # figures that are not worth starting processes for
COLOURS = 48  # of a raster image; its few hues and their edges need no more


@final
@dataclass(frozen=True)
class Drawing:
    """A drawn picture: the stem of its file names, its two forms, and its size in CSS pixels."""

    stem: str
    svg: bytes
    png: bytes
    width: int
    height: int


def named(entries: Sequence[Evidence]) -> dict[Place, str]:
    """Return the stem of every picture's file name, unique in the report.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.

    Returns
    -------
    dict
        The stems by entry, column and position.
    """
    taken: set[str] = set()
    return {
        (index, column, position): unique(f"{slug(entry.claim)}-{slug(picture.name)}", taken)
        for index, entry in enumerate(entries)
        for column in COLUMNS
        for position, picture in enumerate(entry.findings[column].pictures)
    }


def drawings(entries: Sequence[Evidence], draw: Draw, jobs: int = 1) -> dict[Place, Drawing]:
    """Draw every picture of every finding.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.
    draw : callable
        Takes a picture's name and its finding's data, returns a figure.
    jobs : int
        How many processes draw; with more than one, `draw` must be found by name in a module.

    Returns
    -------
    dict
        The drawings by entry, column and position.  The same data give the same SVG, byte for byte.
    """
    wanted = []
    for (index, column, position), stem in named(entries).items():
        finding = entries[index].findings[column]
        wanted.append(((index, column, position), (stem, draw, finding.pictures[position].name, finding.data)))
    if jobs == 1 or len(wanted) < FEW:
        return {place: _drawn(job) for place, job in wanted}
    with ProcessPoolExecutor(jobs, mp_context=get_context("spawn")) as pool:
        try:
            done = list(pool.map(_drawn, [job for _, job in wanted], chunksize=4))
        except BrokenProcessPool:  # killed, or a script without a guard of its main module: the report is not lost
            done = [_drawn(job) for _, job in wanted]
    return {place: drawing for (place, _), drawing in zip(wanted, done, strict=True)}


def _drawn(job: tuple[str, Draw, str, Mapping[str, Any]]) -> Drawing:
    stem, draw, name, data = job
    return _saved(stem, draw(name, data))


def _saved(stem: str, figure: "Figure") -> Drawing:
    from matplotlib import rc_context

    svg, png = BytesIO(), BytesIO()
    engine = figure.get_layout_engine()
    if engine is not None:  # laid out once for both files; searching for room takes most of the time
        engine.execute(figure)
        figure.set_layout_engine("none")
    width, height = (round(96 * inches) for inches in figure.get_size_inches())
    # text stays text: a quarter of the size, and a journal can set it in its own font
    with rc_context({"svg.hashsalt": "etatrick", "svg.fonttype": "none"}):
        figure.savefig(svg, format="svg", metadata={"Date": None})
        figure.savefig(png, format="png", dpi=DPI)
    figure.clear()
    return Drawing(stem, compact(svg.getvalue(), stem), _indexed(png.getvalue()), width, height)


def _indexed(png: bytes) -> bytes:
    """Return the raster image with a palette, a third of the size."""
    from PIL import Image

    out = BytesIO()
    with Image.open(BytesIO(png)) as image:
        image.convert("RGB").quantize(COLOURS, dither=Image.Dither.NONE).save(out, "png", optimize=True, dpi=(DPI, DPI))
    return out.getvalue()
