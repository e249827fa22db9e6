"""Running claims with progress and kept results, and writing what they yield."""

import difflib
import json
import re
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, final

from etatrick.errors import InputError
from etatrick.validation.backends import open_pool
from etatrick.validation.claim import Claim
from etatrick.validation.code_version import digest, fingerprint
from etatrick.validation.evidence import Evidence
from etatrick.validation.files import write
from etatrick.validation.progress import watching
from etatrick.validation.run_lock import locked
from etatrick.validation.running import Effort, RouteOutcome, Runner, digest_of, disk_error
from etatrick.validation.store import DirectoryStore
from etatrick.validation.subjects import Subject, claim_subject

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from etatrick.validation.report import ReportFiles

PARTS: Final = "parts"
WRITTEN: Final = "report.written"


@final
@dataclass(frozen=True)
class Plan:
    """How a run is carried out; what it finds does not depend on it.

    Parameters
    ----------
    effort : Effort
        Level, device and data.
    jobs : int
        How many parts run at once.
    backend : str
        Who starts the processes; see :func:`etatrick.validation.backends.open_pool`.
    budget : float, optional
        Seconds after which a part is stopped.
    fresh : bool
        Whether kept results are replaced.
    """

    effort: Effort = field(default_factory=Effort)
    jobs: int = 1
    backend: str = "processes"
    budget: float | None = None
    fresh: bool = False


def run_subjects(subjects: Sequence[Subject], folder: Path, plan: Plan) -> dict[tuple[str, str], RouteOutcome]:
    """Run the parts of claims or experiments, telling of it on standard error; finished ones stay in `folder`.

    Parameters
    ----------
    subjects : sequence of Subject
    folder : Path
    plan : Plan

    Returns
    -------
    dict
        Outcomes by subject id and column.

    Raises
    ------
    InputError
        If the plan cannot be carried out, or the folder cannot take a result.
    """
    parts = [part for subject in subjects for route in subject.routes.values() for part in route.parts]
    runner: list[Runner] = []
    pool = open_pool(plan.backend, plan.jobs, plan.budget, lambda *news: runner[0].told(*news), subjects)
    with watching(parts, sys.stderr) as watcher:
        runner.append(Runner(DirectoryStore(folder), plan.effort, watcher, fresh=plan.fresh))
        return runner[0].run(subjects, pool)


def verify_claims(
    claims: Sequence[Claim],
    out: Path,
    plan: Plan,
    *,
    command: str,
    origins: Mapping[str, tuple[str, ...]] | None = None,
) -> "tuple[list[Evidence], ReportFiles]":
    """Settle claims with a progress bar and write the report.

    Parameters
    ----------
    claims : sequence of Claim
    out : Path
        An existing, writable folder; finished parts are kept in ``out/parts``.
    plan : Plan
        How it is run. With one job and no budget the parts run in this process.
    command : str
        Shown in the report.
    origins : mapping of str to tuple of str, optional
        By claim id, where another process finds a claim that is not in the ledger.

    Returns
    -------
    entries : list of Evidence
    files : ReportFiles

    Raises
    ------
    InputError
        If another run works in `out`, the plan cannot be carried out, or the disk does not take a file.
    """
    places = origins or {}
    subjects = [claim_subject(claim, places.get(claim.id, ("ledger",))) for claim in claims]
    with locked(out / PARTS):
        outcomes = run_subjects(subjects, out / PARTS, plan)
        entries = [_entry(claim, plan, outcomes) for claim in claims]
        try:
            return entries, _report(entries, out, command, plan.jobs)
        except OSError as error:
            raise disk_error(out, error) from None


def _entry(claim: Claim, plan: Plan, outcomes: Mapping[tuple[str, str], RouteOutcome]) -> Evidence:
    """Return the ledger entry for what became of a claim's parts."""
    of = {column: outcomes[claim.id, column] for column in claim.routes}
    findings = {column: of[column].conclude(route) for column, route in claim.routes.items()}
    seconds = {name: spent for outcome in of.values() for name, spent in outcome.seconds.items()}
    return claim.entry(plan.effort.level, findings, seconds)


def _report(entries: Sequence[Evidence], out: Path, command: str, jobs: int) -> "ReportFiles":
    """Write the report, unless the one that lies there says the same and was drawn by the same code."""
    from etatrick.validation.figures import draw
    from etatrick.validation.report import ReportFiles, write_report

    content = digest(digest_of({"entries": [entry.to_json() for entry in entries]}), command, fingerprint())
    note = out / PARTS / WRITTEN
    try:
        kept = json.loads(note.read_text(encoding="utf-8"))
        files = {name: _paths(out, value) for name, value in kept["files"].items()}
        if kept["content"] == content and kept["bytes"] == _sizes(files.values()):
            return ReportFiles(**files)
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        pass  # none was written, or it is not whole any more
    note.unlink(missing_ok=True)
    written = write_report(entries, out, draw=draw, command=command, jobs=jobs)
    named = {name: _names(out, value) for name, value in vars(written).items()}
    record = {"content": content, "files": named, "bytes": _sizes(vars(written).values())}
    write(note, json.dumps(record).encode())
    return written


def _names(out: Path, value: Any) -> Any:
    return str(value.relative_to(out)) if isinstance(value, Path) else [_names(out, entry) for entry in value]


def _paths(out: Path, value: Any) -> Any:
    return out / value if isinstance(value, str) else tuple(_paths(out, entry) for entry in value)


def _sizes(values: Any) -> list[Any]:
    return [value.stat().st_size if isinstance(value, Path) else _sizes(value) for value in values]


def chosen_device(name: str) -> str:
    """Return a torch device that works here: for ``auto``, a GPU if there is one.

    Raises
    ------
    InputError
        If torch does not know the device or cannot use it.
    """
    if name == "auto" and _built_for_cpu():
        return "cpu"
    import torch

    if name == "auto":
        return "cuda" if torch.cuda.is_available() else "cpu"
    try:
        torch.zeros(1, device=name)
    except (RuntimeError, AssertionError, NotImplementedError):
        raise InputError(f"device {name}", "torch cannot use it on this machine", "use --device auto") from None
    return name


def _built_for_cpu() -> bool:
    """Whether the installed torch knows no GPU, by its version file: importing it takes longer than a kept report."""
    found = find_spec("torch")
    try:
        text = Path(found.origin if found and found.origin else "").with_name("version.py").read_text(encoding="utf-8")
    except (OSError, ValueError):
        return False
    return all(re.search(rf"^{name}\b[^=\n]*= None$", text, re.MULTILINE) for name in ("cuda", "hip"))


def redraw(name: str, source: Path, target: Path) -> Path:
    """Draw a figure of the gallery, or one of a report by its file's stem, and write it to `target`.

    Raises
    ------
    InputError
        If the report cannot be read, holds no such figure, or the target's format is not known.
    """
    from etatrick.validation.figures import GALLERY, draw
    from etatrick.validation.report.figures import named

    if target.suffix not in (".svg", ".png", ".pdf"):
        raise InputError(str(target), "must end in .svg, .png or .pdf", f"choose {target.stem}.svg")
    if name in GALLERY:
        return _written(draw(name, GALLERY[name]()), target)
    try:
        claims: list[dict[str, Any]] = json.loads(source.read_text(encoding="utf-8"))["claims"]
        entries = [Evidence.from_json(claim) for claim in claims]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(str(source), "is not a report's JSON", "run etatrick verify first") from None
    found: dict[str, tuple[str, Mapping[str, Any]]] = {}
    for (index, column, position), stem in named(entries).items():
        finding = entries[index].findings[column]
        found[stem] = finding.pictures[position].name, finding.data
        found.setdefault(finding.pictures[position].name, found[stem])  # the first of that name
    if name not in found:
        near = difflib.get_close_matches(name, found, n=3, cutoff=0.4) or sorted(found)
        raise InputError(name, "is no figure of this report", f"choose one of: {', '.join(near) or 'none'}")
    return _written(draw(*found[name]), target)


def _written(figure: "Figure", target: Path) -> Path:
    try:
        figure.savefig(target, dpi=200)
    except OSError as error:
        raise InputError(str(target), f"cannot be written ({error.strerror})", "choose another file") from None
    return target
