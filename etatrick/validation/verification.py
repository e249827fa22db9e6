"""Running claims with progress and kept results, and writing what they yield."""

import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from etatrick.errors import InputError
from etatrick.validation.claim import Claim, Level
from etatrick.validation.evidence import COLUMNS, Evidence
from etatrick.validation.progress import BarWatcher, LineWatcher
from etatrick.validation.store import DirectoryStore

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etatrick.validation.report import ReportFiles


def verify_claims(
    claims: Sequence[Claim], out: Path, *, level: Level, device: str, command: str
) -> "tuple[list[Evidence], ReportFiles]":
    """Settle claims with a progress bar and write the report.

    Parameters
    ----------
    claims : sequence of Claim
    out : Path
        An existing, writable folder; finished parts are kept in ``out/parts``.
    level : {"quick", "full"}
    device : str
        A torch device.
    command : str
        Shown in the report.

    Returns
    -------
    entries : list of Evidence
    files : ReportFiles
    """
    from etatrick.validation.figures import draw
    from etatrick.validation.report import write_report

    store = DirectoryStore(out / "parts")
    parts = [part for claim in claims for part in claim.parts]
    watcher_type = BarWatcher if sys.stderr.isatty() else LineWatcher
    with watcher_type(parts, sys.stderr) as watcher:
        entries = [claim.run(level, device=device, store=store, watcher=watcher) for claim in claims]
    return entries, write_report(entries, out, draw=draw, command=command)


def chosen_device(name: str) -> str:
    """Return a torch device that works here: for ``auto``, a GPU if there is one.

    Raises
    ------
    InputError
        If torch does not know the device or cannot use it.
    """
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device {name}", "torch cannot use it on this machine", "use --device auto") from None
    return name


def redraw(name: str, source: Path, target: Path) -> Path:
    """Draw the figure `name` of the gallery, or from a report's JSON, and write it to `target`.

    Raises
    ------
    InputError
        If the report cannot be read, holds no such figure, or the target's format is not known.
    """
    from etatrick.validation.figures import GALLERY, draw

    if target.suffix not in (".svg", ".png", ".pdf"):
        raise InputError(str(target), "must end in .svg, .png or .pdf", f"choose {target.stem}.svg")
    if name in GALLERY:
        return _written(draw(name, GALLERY[name]()), target)
    try:
        claims: list[dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))["claims"]
        entries = [Evidence.from_json(claim) for claim in claims]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(str(source), "is not a report's JSON", "run etatrick verify first") from None
    found = {
        picture.name: finding.data
        for entry in entries
        for finding in (entry.findings[column] for column in COLUMNS)
        for picture in finding.pictures
    }
    if name not in found:
        raise InputError(name, "is no figure of this report", f"choose one of: {', '.join(found) or 'none'}")
    return _written(draw(name, found[name]), target)


def _written(figure: "Figure", target: Path) -> Path:
    try:
        figure.savefig(target, dpi=200)
    except OSError as error:
        raise InputError(str(target), f"cannot be written ({error.strerror})", "choose another file") from None
    return target
