"""The report's page: what the template shows, gathered from the ledger and the drawings."""

import json
from base64 import b64encode
from collections import Counter
from collections.abc import Mapping, Sequence
from importlib import resources
from typing import Any

from etatrick.theory.verdict import MEANING
from etatrick.validation.evidence import COLUMNS, Cell, ColumnName, Evidence, Finding, Table
from etatrick.validation.report import wording
from etatrick.validation.report.figures import Drawing, Place
from etatrick.validation.report.mathml import inline, to_mathml


def page(entries: Sequence[Evidence], drawn: Mapping[Place, Drawing], document: Mapping[str, Any]) -> str:
    """Return the page as HTML that refers to nothing outside itself.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.
    drawn : mapping
        The drawings, from :func:`etatrick.validation.report.figures.drawings`.
    document : mapping
        The JSON document: when, with which versions and by which command the report was made.

    Returns
    -------
    str
        The whole page.
    """
    from jinja2 import Environment, StrictUndefined
    from markupsafe import Markup

    files = resources.files(__package__) / "templates"
    environment = Environment(autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
    environment.filters.update(
        prose=lambda text: Markup(inline(text)),
        formula=lambda latex: Markup(to_mathml(latex, display=True)),
        number=wording.number,
        data_uri=_data_uri,
    )
    environment.tests["numeric"] = _is_number
    taken = {"top", "main", "verdicts", "overview", "made-with"}
    counts = Counter(finding.status for entry in entries for finding in entry.findings.values())
    return environment.from_string((files / "page.html.j2").read_text("utf-8")).render(
        style=Markup((files / "style.css").read_text("utf-8")),
        document=document,
        claims=[_claim(entry, index, drawn, taken) for index, entry in enumerate(entries)],
        columns=COLUMNS,
        routes=wording.ROUTE,
        marks=wording.MARK,
        meanings=MEANING,
        counts=counts,
    )


def _claim(entry: Evidence, index: int, drawn: Mapping[Place, Drawing], taken: set[str]) -> dict[str, Any]:
    anchor = wording.unique(f"claim-{wording.slug(entry.claim)}", taken)
    return {
        "entry": entry,
        "anchor": anchor,
        "relation": wording.RELATION.get(entry.relation, entry.relation),
        "columns": [
            _column(name, entry.findings[name], wording.unique(f"{anchor}-{name}", taken), index, drawn, taken)
            for name in COLUMNS
        ],
        "snippet": _snippet(entry),
        "total": sum(entry.seconds.values()),
    }


def _column(
    name: ColumnName,
    finding: Finding,
    anchor: str,
    index: int,
    drawn: Mapping[Place, Drawing],
    taken: set[str],
) -> dict[str, Any]:
    pictures = [(picture, drawn[index, name, at]) for at, picture in enumerate(finding.pictures)]
    shown = (finding.formulas, finding.tables, pictures, finding.domain, finding.detail, finding.witness)
    return {
        "name": name,
        "finding": finding,
        "anchor": anchor,
        "evidence": wording.unique(f"{anchor}-evidence", taken) if any(shown) else None,
        "heading": wording.HOW[name],
        "pictures": pictures,
        "tables": [(table, _numeric_columns(table)) for table in finding.tables],
    }


def _numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers only, and are set flush right."""
    return [
        bool(table.rows) and all(at < len(row) and _is_number(row[at]) for row in table.rows)
        for at in range(len(table.columns))
    ]


def _is_number(value: Cell) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))


def _snippet(entry: Evidence) -> str:
    level = "" if entry.level == "quick" else f'"{entry.level}"'
    return (
        "from etatrick.validation import claims\n"
        f"evidence = claims[{json.dumps(entry.claim, ensure_ascii=False)}].run({level})\n"
        'print(evidence.derived, evidence.solved, evidence.observed, sep="\\n")'
    )


def _data_uri(svg: bytes) -> str:
    return f"data:image/svg+xml;base64,{b64encode(svg).decode()}"
