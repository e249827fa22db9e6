"""The conformance of a claim as an assertion: well formed, readable, repeatable, honest."""

import json
import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, get_args

if TYPE_CHECKING:
    from etatrick.validation.claim import Claim, Level
    from etatrick.validation.evidence import Evidence, Finding

IDENTIFIER = re.compile(r"[^\s/]+/[^\s/]+")


def check_claim(claim: "Claim", level: "Level" = "quick", device: str = "cpu") -> "Evidence":
    """Assert that a claim is fit for the ledger; it is run twice.

    It is *well formed*: an id ``source/short-name``, title, statement, source, domains of its parameters, a reason for
    each route not taken. *Readable*: every formula in the statement and the findings can be typeset. *Repeatable*: both
    runs return the same JSON data. *Honest*: each finding says how it was reached and on which figures, a refutation
    has a finite witness, tables are whole, and pictures exist. Whether the claim holds is not asked.

    Parameters
    ----------
    claim : Claim
    level : {"quick", "full"}
    device : str

    Returns
    -------
    Evidence
        What the claim's routes found.

    Raises
    ------
    AssertionError
        With one line for each thing that is wrong.

    Examples
    --------
    >>> from etatrick.testing import check_claim
    >>> from etatrick.validation.claim import Absent, Claim
    >>> empty = Claim("mine", "Nothing", "$x", "", "equal", Absent("-"), Absent("-"), Absent("-"))
    >>> check_claim(empty)
    Traceback (most recent call last):
    ...
    AssertionError: the claim mine is not fit for the ledger:
      the id is not of the form source/short-name
      it has no source
      the dollar signs of the statement do not pair
      no route settles it
    """
    _raise(claim, _form(claim))
    first, second = (_run(claim, level, device) for _ in range(2))
    if first != second:
        routes = [column for column in first if first[column] != second[column]]
        _raise(claim, [f"two runs differ in the route {route}: seed every generator" for route in routes])
    evidence = _evidence(claim, level, first)
    _raise(claim, [f"{column}: {fault}" for column, finding in evidence.findings.items() for fault in _found(finding)])
    return evidence


def _raise(claim: "Claim", faults: Any) -> None:
    found = list(faults)
    if found:
        raise AssertionError("\n  ".join([f"the claim {claim.id} is not fit for the ledger:", *found]))


def _form(claim: "Claim") -> Iterator[str]:
    from etatrick.validation.claim import Absent, Relation

    if not IDENTIFIER.fullmatch(claim.id):
        yield "the id is not of the form source/short-name"
    for what in ("title", "statement", "source"):
        if not getattr(claim, what).strip():
            yield f"it has no {what}"
    if claim.relation not in get_args(Relation):
        yield f"the relation {claim.relation} is none of {', '.join(get_args(Relation))}"
    yield from _formulas(claim.statement, "the statement")
    for name, domain in claim.parameters.items():
        if not name.strip() or not domain.strip():
            yield f"the parameter {name!r} has no domain"
    for column, route in claim.routes.items():
        if isinstance(route, Absent) and not route.reason.strip():
            yield f"the route {column} is absent without a reason"
        elif not isinstance(route, Absent) and not route.parts:
            yield f"the route {column} has no part"
    for part in claim.parts:
        if not part.name.strip() or not part.title.strip() or not part.seconds > 0:
            yield f"the part {part.name!r} needs a name, a title and a cost above 0"
    if all(isinstance(route, Absent) for route in claim.routes.values()):
        yield "no route settles it"


def _formulas(text: str, where: str) -> Iterator[str]:
    """Yield what is wrong with the formulas between the dollar signs of a text."""
    from etatrick.validation.report.mathml import SEGMENT, to_mathml

    if len(re.findall(r"(?<!\\)\$", text)) % 2:
        yield f"the dollar signs of {where} do not pair"
    for latex in SEGMENT.findall(text):
        if not to_mathml(latex, display=False).startswith("<math"):
            yield f"a formula of {where} cannot be typeset: {latex}"


def _run(claim: "Claim", level: "Level", device: str) -> dict[str, Any]:
    """Return the results of every route as plain JSON data."""
    from etatrick.validation.claim import Setting

    found: dict[str, Any] = {}
    for column, route in claim.routes.items():
        results: dict[str, Any] = {}
        for part in route.parts:
            result: Any = part.run(Setting(level, device, finished=dict(results)))
            try:
                results[part.name] = json.loads(json.dumps(result))
            except (TypeError, ValueError) as error:
                _raise(claim, [f"the part {part.name} returns what is not JSON: {error}"])
            if not isinstance(result, dict):
                _raise(claim, [f"the part {part.name} returns {type(result).__name__}, not a dict"])
        found[column] = results
    # as text, so that a value that is no number equals itself
    return {column: json.dumps(results, sort_keys=True) for column, results in found.items()}


def _evidence(claim: "Claim", level: "Level", results: dict[str, str]) -> "Evidence":
    findings = {column: route.conclude(json.loads(results[column])) for column, route in claim.routes.items()}
    return claim.entry(level, findings, {})


def _found(finding: "Finding") -> Iterator[str]:
    from math import isfinite

    from etatrick.validation.figures import catalogue
    from etatrick.validation.report.document import finite
    from etatrick.validation.report.mathml import to_mathml

    if not finding.summary.strip():
        yield "the finding has no summary"
    if not finding.method.strip():
        yield "the finding does not say how it was reached"
    if finding.holds and not finding.attempted:
        yield "the finding holds though nothing was attempted"
    if not all(isinstance(value, int | float) and isfinite(value) for value in finding.witness.values()):
        yield "the witness is not made of finite numbers"
    for formula in finding.formulas:
        if not to_mathml(formula.latex, display=True).startswith("<math"):
            yield f"a formula cannot be typeset: {formula.latex}"
        left, _, right = formula.latex.partition(" = ")
        if left.strip() == right.strip():
            yield f"a formula shows the same on both sides: {formula.latex} ({formula.caption})"
    for table in finding.tables:
        if any(len(row) != len(table.columns) for row in table.rows):
            yield f"the table “{table.caption}” has rows that do not fit its columns"
    for picture in finding.pictures:
        if picture.name not in catalogue:
            yield f"there is no figure {picture.name}"
        if not picture.alt.strip():
            yield f"the picture {picture.name} has no text that stands in for it"
    try:
        finite(finding.to_json())
    except TypeError as error:
        yield f"the finding is not JSON: {error}"
