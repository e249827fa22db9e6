"""The templates of the report and what they share: filters, style, script, and how a claim's columns are shown."""

import json
from base64 import b64encode
from collections.abc import Mapping
from hashlib import sha256
from html import escape
from importlib import resources
from typing import TYPE_CHECKING, Any, Final

from etatrick.theory.verdict import MEANING
from etatrick.validation.evidence import COLUMNS, Cell, ColumnName, Evidence, Finding, Table
from etatrick.validation.report import wording
from etatrick.validation.report.figures import Drawing, Place
from etatrick.validation.report.mathml import inline, to_mathml

if TYPE_CHECKING:
    from jinja2 import Environment

SHOWN_DATA: Final = 600  # characters of a finding's data that its page shows


def environment(document: Mapping[str, Any]) -> "Environment":
    """Return the templates, with what every page of one report shares.

    Parameters
    ----------
    document : mapping
        The JSON document: when, with which versions and by which command the report was made.

    Returns
    -------
    jinja2.Environment
        It escapes all text; a name that is not defined is an error.
    """
    from jinja2 import DictLoader, Environment, StrictUndefined
    from markupsafe import Markup

    folder = resources.files(__package__) / "templates"
    files = {file.name: file.read_text("utf-8") for file in folder.iterdir() if file.is_file()}
    made = Environment(
        autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True, loader=DictLoader(files)
    )
    made.filters.update(
        prose=lambda text: Markup(inline(text)),
        formula=lambda latex: Markup(to_mathml(latex, display=True)),
        number=wording.number,
        parameter=wording.parameter,
        element_text=lambda text: Markup(escape(text, quote=False)),  # quotes matter in attributes only
    )
    made.tests["numeric"] = _is_number
    digest = b64encode(sha256(files["filter.js"].encode()).digest()).decode()
    made.globals.update(
        document=document,
        script=Markup(files["filter.js"]),
        script_hash=f"sha256-{digest}",
        columns=COLUMNS,
        routes=wording.ROUTE,
        marks=wording.MARK,
        meanings=MEANING,
    )
    return made


def style() -> bytes:
    """Return the style sheet that all pages share."""
    return (resources.files(__package__) / "templates" / "style.css").read_bytes()


def column(name: ColumnName, finding: Finding, index: int, drawn: Mapping[Place, Drawing]) -> dict[str, Any]:
    """Return what a template shows of one finding.

    Parameters
    ----------
    name : {"derived", "solved", "observed"}
    finding : Finding
    index : int
        The claim's place in the ledger.
    drawn : mapping
        The drawings of the whole ledger.

    Returns
    -------
    dict
        With `label`, the verdict's word or ``absent`` where the claim does not take this route.
    """
    pictures = [(picture, drawn[index, name, at]) for at, picture in enumerate(finding.pictures)]
    evidence = (finding.formulas, finding.tables, pictures, finding.domain, finding.detail, finding.witness)
    return {
        "name": name,
        "finding": finding,
        "applies": finding.attempted,
        "label": finding.label,
        "shown": any(evidence),
        "heading": wording.HOW[name],
        "pictures": pictures,
        "tables": [(table, _numeric_columns(table)) for table in finding.tables],
        "certificate": _data(finding.data),
    }


def snippet(entry: Evidence) -> str:
    """Return the lines that settle this claim again in a notebook."""
    level = "" if entry.level == "quick" else f'"{entry.level}"'
    return (
        "from etatrick.validation import claims\n"
        f"evidence = claims[{json.dumps(entry.claim, ensure_ascii=False)}].run({level})\n"
        'print(evidence.derived, evidence.solved, evidence.observed, sep="\\n")'
    )


def _data(data: Mapping[str, Any]) -> dict[str, str] | None:
    """Return a finding's data as text, cut where it is long, and its size in words; None where there is none."""
    from etatrick.validation.report.document import finite

    if not data:
        return None
    text = json.dumps(finite(data), ensure_ascii=False, indent=1)
    shown = text if len(text) <= SHOWN_DATA else f"{text[:SHOWN_DATA]}\n…"
    return {"text": shown, "size": f"{len(text):,} characters".replace(",", "\u202f")}


def _numeric_columns(table: Table) -> list[bool]:
    """Which columns hold numbers only, and are set flush right."""
    return [
        bool(table.rows) and all(at < len(row) and _is_number(row[at]) for row in table.rows)
        for at in range(len(table.columns))
    ]


def _is_number(value: Cell) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool))
