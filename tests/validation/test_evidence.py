"""Findings and evidence: what they require, and that they come back from JSON as they went."""

import json
from dataclasses import replace
from typing import Any

import pytest

from etatrick.theory.verdict import Verdict
from etatrick.validation.evidence import COLUMNS, Evidence, Finding, Formula, Picture, Table

FULL = Finding(
    "refuted",
    "looked",
    "x > 0",
    {"x": 1.5, "λ": -1e-300},
    "because",
    summary="No: x = 1.5.",
    formulas=(Formula(r"\Omega(w)", "penalty"), Formula("f", "dual")),
    tables=(Table("Caption", ("name", "value"), (("a", 1.5), ("b", None), ("c", True), ("d", 3), ("e", "λ"))),),
    pictures=(Picture("name", "caption", "alt"),),
    data={"list": [1, 2.5, None], "nested": {"λ": [True]}},
)
PLAIN = Finding("proved", "algebra")


def evidence(**changes: Any) -> Evidence:
    plain = Evidence(
        "source/claim", "Title", "$x$", "Paper", "equal", {"ε": "ε > 0"}, "quick",
        PLAIN, replace(PLAIN, status="checked"), replace(PLAIN, status="certified"), {"part": 1.25},
    )  # fmt: skip
    return replace(plain, **changes)


@pytest.mark.parametrize("finding", [FULL, PLAIN], ids=["full", "plain"])
def test_a_finding_comes_back_from_json(finding: Finding) -> None:
    assert Finding.from_json(json.loads(json.dumps(finding.to_json()))) == finding


@pytest.mark.parametrize("column", COLUMNS)
def test_evidence_comes_back_from_json(column: str) -> None:
    entry = evidence(**{column: FULL})
    again = Evidence.from_json(json.loads(json.dumps(entry.to_json())))
    assert again == entry
    assert again.to_json() == entry.to_json()
    assert isinstance(again.findings["derived"].formulas, tuple)


def test_what_a_finding_says_about_itself_survives() -> None:
    again = Finding.from_json(FULL.to_json())
    assert not again.holds
    assert str(again) == str(FULL)
    assert isinstance(again, Verdict)


def test_a_refutation_needs_a_witness() -> None:
    with pytest.raises(ValueError, match="witness"):
        Finding("refuted", "looked", summary="No.")
    with pytest.raises(ValueError, match="witness"):
        Finding.from_json({**FULL.to_json(), "witness": {}})


def test_an_unknown_status_is_refused() -> None:
    with pytest.raises(ValueError, match="maybe"):
        Finding("maybe", "looked")  # type: ignore[arg-type]


def test_evidence_holds_only_if_every_route_does() -> None:
    assert evidence().holds
    for column in COLUMNS:
        assert not evidence(**{column: FULL}).holds
        assert not evidence(**{column: Finding("unknown", "looked")}).holds


def test_json_says_whether_it_holds_but_reading_recomputes_it() -> None:
    data = evidence().to_json()
    assert data["holds"] is True
    data["solved"] = FULL.to_json()
    assert not Evidence.from_json(data).holds


def test_json_does_not_share_its_mappings() -> None:
    entry = evidence(derived=FULL)
    data = entry.to_json()
    data["derived"]["data"]["new"] = data["derived"]["witness"]["new"] = data["seconds"]["new"] = 1
    data["parameters"]["new"] = "1"
    assert entry == evidence(derived=FULL)
