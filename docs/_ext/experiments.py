"""Write the page of published experiments from the registry and from the committed results of full runs.

``{experiments}`` stands for a section per registered experiment: its question and source, and where
``docs/experiments/NAME.json`` is there, what `etatrick experiment NAME` found, with its tables and figures.
"""

import json
from pathlib import Path
from typing import Any, Final

from docutils import nodes
from ledger import escaped, parsed
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

FOLDER: Final = "experiments"
KINDS: Final = ("svg", "png")
NOT_RUN: Final = "*Not run in full yet.*"


def section(experiment: Any, folder: Path) -> str:
    """Return the section of an experiment as Markdown, with its results if its file is in the folder."""
    lines = [f"(experiment-{experiment.name})=", f"## {escaped(experiment.title)}", "", escaped(experiment.question)]
    lines += ["", f"Source: {escaped(experiment.source)}."]
    stored = folder / f"{experiment.name}.json"
    if not stored.exists():
        return "\n".join([*lines, "", f"{NOT_RUN} `etatrick experiment {experiment.name}` runs it.", ""])
    found = json.loads(stored.read_text(encoding="utf-8"))
    return "\n".join([*lines, "", *results(found, folder), ""])


def results(found: dict[str, Any], folder: Path) -> list[str]:
    """Return what a stored run found: the verdict, tables of ours beside the published values, figures."""
    from etatrick.validation.report.wording import MARK

    finding = found["finding"]
    command = f"`etatrick experiment {found['name']} --level {found['level']}`"
    lines = [f"**{MARK[finding['status']]} {finding['status']}.** {escaped(finding['summary'])}", ""]
    lines += [escaped(finding["detail"]), ""] if finding["detail"] else []
    if found["level"] != "full":
        lines += [f"{NOT_RUN} These are the results of the quick form.", ""]
    for shown in finding["tables"]:
        lines += [*table(shown), ""]
    for picture in finding["pictures"]:
        lines += [*figure(picture, found["name"], folder), ""]
    minutes = sum(found["seconds"].values()) / 60
    return [*lines, f"{command} on {escaped(found['device'])}, {minutes:.0f} minutes of one process."]


def table(shown: dict[str, Any]) -> list[str]:
    """Return a table with its caption."""
    from etatrick.validation.report.wording import number

    rows = [f"| {' | '.join(escaped(number(cell)) for cell in row)} |" for row in shown["rows"]]
    heads = " | ".join(escaped(head) for head in shown["columns"])
    return [escaped(shown["caption"]), "", f"| {heads} |", f"|{'---|' * len(shown['columns'])}", *rows]


def figure(picture: dict[str, str], name: str, folder: Path) -> list[str]:
    """Return a figure with its caption and alternative text; nothing where no file was committed."""
    files = [f"{name}-{picture['name']}.{kind}" for kind in KINDS]
    there = [file for file in files if (folder / file).exists()]
    if not there:
        return []
    alt = " ".join(picture["alt"].split())
    return [
        f"```{{figure}} {FOLDER}/{there[0]}",
        f":alt: {alt}",
        ":width: 46rem",
        "",
        escaped(picture["caption"]),
        "```",
    ]


class ExperimentsDirective(SphinxDirective):
    """All registered experiments, in the order of the registry."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page."""
        from etatrick.validation import reproductions

        self.env.note_reread()  # a results file may have been added since
        folder = Path(self.env.srcdir) / FOLDER
        return parsed(self, "\n".join(section(reproductions[name], folder) for name in reproductions))


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directive."""
    app.add_directive("experiments", ExperimentsDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
