"""The report's pages: the overview of all claims, and one page for each claim."""

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from etatrick.validation.evidence import COLUMNS, Evidence
from etatrick.validation.files import PAGES
from etatrick.validation.report import wording
from etatrick.validation.report.figures import Drawing, Place
from etatrick.validation.report.rendering import column, environment, snippet


def pages(
    entries: Sequence[Evidence], drawn: Mapping[Place, Drawing], document: Mapping[str, Any]
) -> tuple[str, dict[str, str]]:
    """Return the HTML of the overview and of the claims' pages; pages refer to the style sheet and the figures.

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
    overview : str
    claims : dict of str to str
        The claims' pages by file name.
    """
    templates = environment(document)
    taken: set[str] = set()
    shown = [_shown(entry, index, drawn, taken) for index, entry in enumerate(entries)]
    counts = Counter((part["name"], part["label"]) for claim in shown for part in claim["columns"])
    groups = wording.families(shown, lambda claim: str(claim["entry"].claim))
    overview = templates.get_template("index.html.j2").render(
        root="", groups=groups,
        counts=counts, relations=sorted({entry.relation for entry in entries}), total=len(entries),
    )  # fmt: skip
    page = templates.get_template("claim.html.j2")
    around = [None, *(claim for _, claims in groups for claim in claims), None]
    made = {
        claim["name"]: page.render(
            **{**claim, "previous": before, "next": after}, root="../", snippet=snippet(claim["entry"]),
            relation=wording.RELATION.get(claim["entry"].relation, claim["entry"].relation),
            shell=f"etatrick verify {wording.quoted(claim['entry'].claim)}",
            total=sum(claim["entry"].seconds.values()),
        )
        for before, claim, after in zip(around, around[1:], around[2:], strict=False) if claim
    }  # fmt: skip
    return overview, {claim["name"]: made[claim["name"]] for claim in shown}


def _shown(entry: Evidence, index: int, drawn: Mapping[Place, Drawing], taken: set[str]) -> dict[str, Any]:
    name = f"{wording.unique(wording.slug(entry.claim), taken)}.html"
    return {
        "entry": entry,
        "title": entry.title,
        "name": name,
        "file": f"{PAGES}/{name}",
        "columns": [column(part, entry.findings[part], index, drawn) for part in COLUMNS],
        "words": " ".join((entry.claim, entry.title, entry.statement, entry.source)).lower(),
    }
