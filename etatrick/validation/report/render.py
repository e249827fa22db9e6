"""Writing a report: everything is drawn and rendered first, then put on disk file by file."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import final

from etatrick.validation.evidence import Evidence
from etatrick.validation.files import FIGURES, JSON, PAGE, prepare, write
from etatrick.validation.report.document import document, encoded
from etatrick.validation.report.figures import Draw, drawings
from etatrick.validation.report.page import page


@final
@dataclass(frozen=True)
class ReportFiles:
    """The files of a report: the page, the JSON document, and the figures (SVG and PNG)."""

    page: Path
    json: Path
    figures: tuple[Path, ...]


def write_report(
    entries: Sequence[Evidence], out: Path, *, draw: Draw, command: str = "etatrick verify"
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
    drawn = drawings(entries, draw)
    html = page(entries, drawn, content).encode("utf-8", "replace")
    figures = tuple(
        write(out / FIGURES / f"{drawing.stem}.{kind}", image)
        for drawing in drawn.values()
        for kind, image in (("svg", drawing.svg), ("png", drawing.png))
    )
    return ReportFiles(write(out / PAGE, html), write(out / JSON, encoded(content)), figures)
