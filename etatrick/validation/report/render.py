"""Writing a report: everything is drawn and rendered first, then put on disk file by file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from etatrick.validation.evidence import Evidence
from etatrick.validation.files import FIGURES, JSON, PAGE, PAGES, STYLE, SUMMARY, forget, prepare, write
from etatrick.validation.report.document import document, encoded
from etatrick.validation.report.figures import Draw, drawings
from etatrick.validation.report.pages import pages
from etatrick.validation.report.rendering import style
from etatrick.validation.report.summary import summary


@final
@dataclass(frozen=True)
class ReportFiles:
    """The files of a report: overview, style, a page per claim, JSON, Markdown summary, figures (SVG and PNG)."""

    page: Path
    style: Path
    json: Path
    summary: Path
    claims: tuple[Path, ...]
    figures: tuple[Path, ...]


def write_report(
    entries: Sequence[Evidence], out: Path, *, draw: Draw, command: str = "etatrick verify", jobs: int = 1
) -> ReportFiles:
    """Write the ledger of claims into the folder `out`; what else lies there stays as it is.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger, in the order in which it is shown.
    out : pathlib.Path
        The folder; it is created when it is missing.
    draw : callable
        Takes a picture's name and its finding's data, returns a :class:`matplotlib.figure.Figure`.
    command : str
        What reproduces the report on a command line.
    jobs : int
        How many processes draw; with more than one, `draw` must be found by name in a module.

    Returns
    -------
    ReportFiles
        Where the files are.

    Raises
    ------
    InputError
        If `out` cannot take a report; nothing is drawn or written then.

    Examples
    --------
    >>> import tempfile
    >>> from matplotlib.figure import Figure
    >>> with tempfile.TemporaryDirectory() as folder:
    ...     files = write_report([], Path(folder), draw=lambda name, data: Figure())
    >>> files.page.name, files.json.name, files.figures
    ('index.html', 'report.json', ())
    """
    prepare(out)
    content = document(entries, command)
    drawn = drawings(entries, draw, jobs)
    overview, claims = pages(entries, drawn, content)
    figures = tuple(
        write(out / FIGURES / f"{drawing.stem}.{kind}", image)
        for drawing in drawn.values()
        for kind, image in (("svg", drawing.svg), ("png", drawing.png))
    )
    written = tuple(write(out / PAGES / name, html.encode("utf-8", "replace")) for name, html in claims.items())
    forget(out / PAGES, written)
    return ReportFiles(
        write(out / PAGE, overview.encode("utf-8", "replace")),
        write(out / STYLE, style()),
        write(out / JSON, encoded(content)),
        write(out / SUMMARY, summary(entries, content).encode("utf-8", "replace")),
        written,
        figures,
    )
