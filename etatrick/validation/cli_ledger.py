"""Commands of the ledger: claims, verify, diff, experiment and figure. Imports stay inside commands."""

import os
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

import click

from etatrick.errors import InputError
from etatrick.validation.command_group import EXIT_CODES, as_json, command_line, show
from etatrick.validation.printing import claims_text, diff_text, experiment_text, experiments_text, verify_text

if TYPE_CHECKING:
    from etatrick.validation.claim import Claim
    from etatrick.validation.verification import Plan

VERIFY: Final = f"""
\b
Examples:
  etatrick verify
  etatrick verify flip-side/log-sum-duality --level full --device cuda
  etatrick verify mine.py --jobs 4 --budget 60
{EXIT_CODES}"""
DIFF: Final = """
\b
Exit codes:
  0  every claim of OLD has the same verdicts in NEW
  1  a verdict changed or a claim is gone (with --strict: or a number or a library changed, or a claim is new)
  2  bad input
"""
RUN: Final[tuple[Callable[..., Any], ...]] = (
    click.option("--level", type=click.Choice(["quick", "full"]), default="quick", show_default=True, help="Effort."),
    click.option("--device", default="auto", show_default=True, help="auto, cpu, cuda, …: where networks train."),
    click.option("--jobs", type=int, default=None, metavar="N",
                 help="Parts that run at once.  [as many as cores; 1 for an experiment on a GPU]"),
    click.option("--backend", type=click.Choice(["processes", "loky", "dask", "ray"]), default="processes",
                 show_default=True, help="Who starts the processes."),
    click.option("--budget", type=float, default=None, metavar="SECONDS",
                 help="Stop a part after this time; its column is then unknown.  [none]"),
    click.option("--data", default="", metavar="DIR", help="Folder of IDX files (MNIST and the like)."),
    click.option("--fresh", is_flag=True, help="Run everything again, replacing what is kept."),
)  # fmt: skip


def running(command: Callable[..., Any]) -> Callable[..., Any]:
    """Give a command the options of a run."""
    for option in reversed(RUN):
        command = option(command)
    return command


@click.command()
@as_json
def claims(as_json: bool) -> None:
    """List the claims of the ledger."""
    from etatrick.validation.ledger import claims as ledger

    rows = [
        {
            **{key: getattr(claim, key) for key in ("id", "title", "source", "relation", "statement")},
            "parts": [part.name for part in claim.parts],
        }
        for claim in ledger.values()
    ]
    show(as_json, {"claims": rows}, claims_text)


@click.command(epilog=VERIFY)
@click.argument("names", nargs=-1, metavar="[CLAIM|FILE.py]…")
@running
@click.option("--out", default="report", show_default=True, metavar="DIR", help="Folder of the report.")
@as_json
def verify(names: tuple[str, ...], out: str, as_json: bool, **options: Any) -> None:
    """Settle claims (all of the ledger by default) and write the report.

    Each claim is derived, solved and observed, part by part, several at once; finished parts are kept in DIR/parts and
    used again, so an interrupted run goes on where it stopped. A part that fails, crashes or exceeds its budget leaves
    its column unknown with the reason. A FILE.py of your own, with claims or penalties, is run as Python code.
    """
    from etatrick.validation.files import prepare
    from etatrick.validation.verification import verify_claims

    chosen, origins = _chosen(names)
    target = prepare(Path(out))
    entries, files = verify_claims(chosen, target, _plan(**options), command=command_line(), origins=origins)
    summary = {
        "report": str(files.page),
        "claims": {
            entry.claim: {column: finding.label for column, finding in entry.findings.items()} for entry in entries
        },
    }
    show(as_json, summary, verify_text)
    sys.exit(0 if all(entry.holds for entry in entries) else 1)


@click.command(epilog=DIFF)
@click.argument("old", metavar="OLD")
@click.argument("new", metavar="NEW")
@click.option("--tolerance", default=1e-9, show_default=True, help="Numbers may differ by this times 1 + |old|.")
@click.option("--strict", is_flag=True, help="Exit with 1 for any change.")
@as_json
def diff(old: str, new: str, tolerance: float, strict: bool, as_json: bool) -> None:
    """Compare two reports: verdicts, numbers, claims and libraries that changed.

    OLD and NEW are folders that `etatrick verify` wrote, or their report.json.
    """
    from etatrick.validation.comparison import compare_reports, read_report

    found = compare_reports(read_report(Path(old)), read_report(Path(new)), tolerance)
    show(as_json, found.to_json(), diff_text)
    sys.exit(0 if found.settles_the_same and not (strict and found.differs) else 1)


@click.command(epilog=EXIT_CODES)
@click.argument("names", nargs=-1, metavar="[NAME]…")
@running
@click.option("--out", default="experiments", show_default=True, metavar="DIR", help="Folder for the files.")
@as_json
def experiment(names: tuple[str, ...], out: str, as_json: bool, **options: Any) -> None:
    """Run published experiments again; without a name, list them.

    Writes NAME.json (all numbers), NAME.md (tables, ours beside the published values) and the figures as SVG and PNG.
    Finished parts are kept in DIR/parts. The level "full" is the paper's setting and may take hours on a CPU.
    """
    from etatrick.validation import experiment_files
    from etatrick.validation.experiments.registry import reproductions
    from etatrick.validation.files import prepare_folder

    chosen = [reproductions[name] for name in dict.fromkeys(names)]
    if not chosen:
        listed = {"experiments": experiment_files.listing(reproductions.values())}
        show(as_json, listed, experiments_text)
        return
    plan = _plan(**options)
    if options["jobs"] is None and plan.effort.device != "cpu":
        plan = replace(plan, jobs=1)  # parts side by side would share the memory of one GPU
    found = experiment_files.run_experiments(chosen, prepare_folder(Path(out)), plan)
    results = {name: experiment_files.summary(finding, files) for name, (finding, files) in found.items()}
    show(as_json, {"experiments": results}, experiment_text)
    sys.exit(0 if all(finding.holds for finding, _ in found.values()) else 1)


@click.command()
@click.argument("name")
@click.option("--from", "source", default="report/report.json", show_default=True, help="A report's JSON.")
@click.option("--out", default=None, metavar="FILE", help="Where to write it (.svg, .png, .pdf).  [NAME.svg]")
@as_json
def figure(name: str, source: str, out: str | None, as_json: bool) -> None:
    """Draw a figure of the gallery, or one of a report again, as a vector file by default."""
    from etatrick.validation.verification import redraw

    written = redraw(name, Path(source), Path(out or f"{name}.svg"))
    show(as_json, {"figure": str(written)}, lambda data: f"wrote {data['figure']}")


def _chosen(names: tuple[str, ...]) -> "tuple[list[Claim], dict[str, tuple[str, ...]]]":
    """Return the claims that names mean, each once, and where those from files are found again."""
    from etatrick.validation.ledger import claims as ledger
    from etatrick.validation.user_claims import claims_in, is_file_name, place_of

    if not names:
        return ledger.values(), {}
    chosen: dict[str, Claim] = {}
    origins: dict[str, tuple[str, ...]] = {}
    for name in dict.fromkeys(names):
        path = Path(name).resolve()
        for claim in claims_in(path) if is_file_name(name) else [ledger[name]]:
            if claim.id in chosen:
                raise InputError(
                    place_of(path, claim.id), f"a second claim has the id {claim.id}", "give it its own id"
                )
            chosen[claim.id] = claim
            if is_file_name(name):
                origins[claim.id] = ("file", str(path))
    return list(chosen.values()), origins


def _plan(
    level: Any, device: str, jobs: int | None, backend: str, budget: float | None, data: str, fresh: bool
) -> "Plan":
    from etatrick.validation.running import Effort
    from etatrick.validation.verification import Plan, chosen_device

    if data and not Path(data).is_dir():
        raise InputError(data, "is no folder", "name the folder in which the data files lie")
    folder = str(Path(data).resolve()) if data else ""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    effort = Effort(level, chosen_device(device), folder)
    return Plan(effort, cores if jobs is None else jobs, backend, budget, fresh)
