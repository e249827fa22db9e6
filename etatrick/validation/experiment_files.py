"""Running published experiments part by part, and their files: tables, data, and figures ready for a paper."""

import io
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.evidence import Cell, Finding, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.files import write
from etatrick.validation.run_lock import locked
from etatrick.validation.running import RouteOutcome, disk_error
from etatrick.validation.subjects import experiment_subject
from etatrick.validation.verification import PARTS, Plan, run_subjects

if TYPE_CHECKING:
    from matplotlib.figure import Figure

KINDS: Final = ("svg", "png")
REPEATABLE: Final[Any] = {"svg.hashsalt": "etatrick"}  # two drawings of the same data are equal
UNDATED: Final[dict[str, dict[str, Any]]] = {"svg": {"Date": None}, "png": {"Software": None}}


def run_experiments(experiments: Sequence[Experiment], out: Path, plan: Plan) -> dict[str, tuple[Finding, list[Path]]]:
    """Run experiments with progress, reusing kept parts, and write the files of each as soon as all are through.

    Parameters
    ----------
    experiments : sequence of Experiment
    out : Path
        An existing, writable folder; finished parts are kept in ``out/parts``.
    plan : Plan

    Returns
    -------
    dict
        By name, the finding and the files: ``NAME.json``, ``NAME.md``, ``NAME-FIGURE.svg`` and ``.png``.

    Raises
    ------
    InputError
        If another run works in `out`, the plan cannot be carried out, or the disk does not take a file.
    """
    subjects = [experiment_subject(experiment) for experiment in experiments]
    found = {}
    with locked(out / PARTS):
        outcomes = run_subjects(subjects, out / PARTS, plan)
        for experiment in experiments:
            outcome = outcomes[experiment.name, "experiment"]
            timed = {name: {**result, "seconds": outcome.seconds[name]} for name, result in outcome.results.items()}
            finding = RouteOutcome(timed, outcome.seconds, outcome.failure).conclude(experiment.route)
            try:
                found[experiment.name] = finding, write_experiment(experiment, finding, outcome, out, plan)
            except OSError as error:
                raise disk_error(out, error) from None
    return found


def write_experiment(
    experiment: Experiment, finding: Finding, outcome: RouteOutcome, out: Path, plan: Plan
) -> list[Path]:
    """Write the files of one experiment, each in one step.

    Parameters
    ----------
    experiment : Experiment
    finding : Finding
    outcome : RouteOutcome
        For the seconds.
    out : Path
    plan : Plan

    Returns
    -------
    list of Path
    """
    from etatrick.validation.figures import draw
    from etatrick.validation.report.document import encoded, finite, versions

    written = []
    pictures: dict[str, str] = {}
    for picture in finding.pictures:
        figure = draw(picture.name, finding.data)
        pictures[picture.name] = f"{experiment.name}-{picture.name}"
        written += [write(out / f"{pictures[picture.name]}.{kind}", _bytes(figure, kind)) for kind in KINDS]
    stated = {key: getattr(experiment, key) for key in ("name", "title", "question", "source")}
    effort = {"level": plan.effort.level, "device": plan.effort.device}
    spent = {"seconds": dict(outcome.seconds), "versions": versions()}
    content = {**stated, **effort, "finding": finding.to_json(), **spent}
    written.append(write(out / f"{experiment.name}.json", encoded(finite(content))))
    written.append(write(out / f"{experiment.name}.md", markdown(experiment, finding, pictures, effort).encode()))
    return written


def markdown(experiment: Experiment, finding: Finding, pictures: dict[str, str], effort: dict[str, str]) -> str:
    """Return an experiment's page in Markdown: question, verdict, tables (ours beside the published), figures.

    Parameters
    ----------
    experiment : Experiment
    finding : Finding
    pictures : dict
        File names without ending, by picture name.
    effort : dict
        What was run: level and device.
    """
    lines = [f"# {experiment.title}", "", experiment.question, "", f"Source: {experiment.source}.", "",
             f"Run: {', '.join(f'{key} {value}' for key, value in effort.items())}.", "",
             f"**{finding.status}**: {finding.summary}"]  # fmt: skip
    lines += ["", finding.detail] if finding.detail else []
    for table in finding.tables:
        lines += ["", f"## {table.caption}", "", *_rows(table)]
    for picture in finding.pictures:
        lines += ["", f"![{_escaped(picture.alt)}]({pictures[picture.name]}.svg)", "", picture.caption]
    return "\n".join(lines) + "\n"


def _rows(table: Table) -> list[str]:
    heads = [_escaped(head) for head in table.columns]
    rows = [f"| {' | '.join(_cell(cell) for cell in row)} |" for row in table.rows]
    return [f"| {' | '.join(heads)} |", f"|{'---|' * len(heads)}", *rows]


def _cell(cell: Cell) -> str:
    if isinstance(cell, float):
        return f"{cell:.4g}"
    return "–" if cell is None else _escaped(str(cell))


def _escaped(text: str) -> str:
    return text.replace("|", r"\|").replace("\n", " ")


def _bytes(figure: "Figure", kind: str) -> bytes:
    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context(REPEATABLE):
        figure.savefig(stream, format=kind, dpi=200, metadata=UNDATED[kind])
    return stream.getvalue()


def listing(experiments: Sequence[Experiment]) -> list[dict[str, Any]]:
    """Return what the command line lists about experiments.

    Parameters
    ----------
    experiments : sequence of Experiment

    Returns
    -------
    list of dict

    Examples
    --------
    >>> listing([])
    []
    """
    return [
        {**{key: getattr(experiment, key) for key in ("name", "title", "question", "source")},
         "parts": [part.name for part in experiment.route.parts],
         "seconds": sum(part.seconds for part in experiment.route.parts)}
        for experiment in experiments
    ]  # fmt: skip


def summary(finding: Finding, files: Sequence[Path]) -> dict[str, Any]:
    """Return what the command line says about one experiment that was run."""
    return {"status": finding.status, "summary": finding.summary, "files": [str(file) for file in files]}
