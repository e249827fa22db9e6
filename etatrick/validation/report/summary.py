"""The ledger as Markdown, for a README: the counts of verdicts, and one line for each claim."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etatrick.theory.verdict import MEANING
from etatrick.validation.evidence import COLUMNS, Evidence
from etatrick.validation.report import wording


def summary(entries: Sequence[Evidence], document: Mapping[str, Any]) -> str:
    """Return the ledger as Markdown.

    Parameters
    ----------
    entries : sequence of Evidence
        The ledger.
    document : mapping
        The JSON document of the report.

    Returns
    -------
    str
        Two tables, of counts and of claims.

    Examples
    --------
    >>> summary([], {"command": "etatrick verify", "created": "2026-01-01T00:00:00+00:00", "etatrick": "0.1.0"})[:18]
    '# Ledger of claims'
    """
    counts = Counter(
        (name, finding.status) for entry in entries for name, finding in entry.findings.items() if finding.attempted
    )
    lines = [
        "# Ledger of claims",
        "",
        f"{len(entries)} claims, settled on {document['created'][:10]} by `{document['command']}` "
        f"(etatrick {document['etatrick']}).",
        "",
        "| verdict | " + " | ".join(COLUMNS) + " |",
        "|---|" + "---:|" * len(COLUMNS),
        *(f"| {status} | " + " | ".join(str(counts[name, status]) for name in COLUMNS) + " |" for status in MEANING),
        "",
        "| claim | relation | " + " | ".join(COLUMNS) + " |",
        "|---|---|" + "---|" * len(COLUMNS),
        *map(_line, entries),
    ]
    return "\n".join(lines) + "\n"


def _line(entry: Evidence) -> str:
    words = [finding.status if finding.attempted else "—" for finding in entry.findings.values()]
    title = wording.markdown(entry.title)
    return f"| {title} (`{entry.claim}`) | {entry.relation} | " + " | ".join(words) + " |"
