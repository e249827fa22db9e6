"""Comparing two reports: what changed is listed, what did not is not, and the exit code says whether it matters."""

import copy
import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from etatrick.errors import InputError
from etatrick.validation import cli
from etatrick.validation.comparison import compare_reports, read_report
from etatrick.validation.evidence import Evidence, Finding, Table
from etatrick.validation.report.document import document


def entry(claim: str, status: Any = "checked") -> Evidence:
    witness = {"w": 0.5} if status == "refuted" else {}
    table = Table("t", ("name", "value"), (("gap", 1e-3), ("none", None)))
    finding = Finding(status, "by hand", witness=witness, summary="s", tables=(table,),
                      data={"gap": 1e-3, "curve": [1.0, 2.0, 3.0], "word": "a", "ok": True})  # fmt: skip
    return Evidence(claim, "t", "$1$", "s", "equal", {}, "quick", finding, finding, finding, {"a": 1.0})


@pytest.fixture
def old() -> dict[str, Any]:
    content = document([entry("a/one"), entry("a/two"), entry("a/three", "refuted")], "etatrick verify")
    return dict(json.loads(json.dumps(content)))


@pytest.fixture
def new(old: dict[str, Any]) -> dict[str, Any]:
    return copy.deepcopy(old)


def run(tmp_path: Path, old: dict[str, Any], new: dict[str, Any], *options: str) -> Result:
    for name, content in (("old", old), ("new", new)):
        (tmp_path / name).mkdir(exist_ok=True)
        (tmp_path / name / "report.json").write_text(json.dumps(content))
    return CliRunner().invoke(cli.main, ["diff", str(tmp_path / "old"), str(tmp_path / "new/report.json"), *options])


def test_reports_that_differ_in_dates_and_seconds_are_the_same(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
    new["created"], new["claims"][0]["seconds"] = "2020-01-01", {"a": 99.0}
    result = run(tmp_path, old, new, "--strict")
    assert result.exit_code == 0
    assert result.output.startswith("nothing changed")


def test_a_changed_verdict_is_told_and_exits_with_1(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    new["claims"][1]["solved"]["status"] = "unknown"
    result = run(tmp_path, old, new)
    assert result.exit_code == 1
    assert "verdict   a/two, solved: checked → unknown" in result.output
    found = json.loads(run(tmp_path, old, new, "--json").output)
    assert found["verdicts"] == [{"claim": "a/two", "column": "solved", "old": "checked", "new": "unknown"}]
    assert (found["same"], found["numbers"]) == (False, [])


@pytest.mark.parametrize(
    ("place", "value", "tolerance", "changed"),
    [
        ("data.gap", 1e-3 + 1e-8, 1e-9, True),
        ("data.gap", 1e-3 + 1e-8, 1e-7, False),
        ("data.gap", 1e-3, 0.0, False),
        ("data.gap", float("nan"), 1.0, True),
        ("data.curve.1", 2.1, 1e-2, True),
        ("data.word", "b", 1.0, True),
        ("data.ok", False, 1.0, True),
        ("data.ok", 1, 1.0, False),
        ("tables.0.rows.0.1", 2e-3, 1e-9, True),
        ("data.curve", [1.0, 2.0], 1.0, True),
        ("data.curve", [1.0, 2.0, 3.0, 4.0], 1.0, True),
        ("data.gap", None, 1.0, True),
    ],
)
def test_numbers_are_compared_wherever_they_stand(
    old: dict[str, Any], new: dict[str, Any], place: str, value: Any, tolerance: float, changed: bool
) -> None:
    target: Any = new["claims"][0]["derived"]
    *path, last = [int(step) if step.isdigit() else step for step in place.split(".")]
    for step in path:
        target = target[step]
    target[last] = value
    found = compare_reports(old, new, tolerance)
    assert found.settles_the_same
    assert [number.place.startswith(place) for number in found.numbers] == [True] * changed
    assert found.differs == changed


def test_a_moved_witness_is_a_changed_number(old: dict[str, Any], new: dict[str, Any]) -> None:
    new["claims"][2]["derived"]["witness"]["w"] = 0.75
    (number,) = compare_reports(old, new).numbers
    assert (number.claim, number.place, number.old, number.new) == ("a/three", "witness.w", 0.5, 0.75)
    assert number.difference == 0.25 / 1.5


def test_claims_and_libraries_that_come_and_go(tmp_path: Path, old: dict[str, Any], new: dict[str, Any]) -> None:
    new["claims"][0]["claim"] = "a/new"
    new["libraries"]["numpy"] = "99.0"
    result = run(tmp_path, old, new)
    assert result.exit_code == 1
    assert "missing   a/one" in result.output
    assert "new       a/new" in result.output
    assert f"library   numpy: {old['libraries']['numpy']} → 99.0" in result.output
    more = copy.deepcopy(old)
    more["claims"].append({**more["claims"][0], "claim": "a/more"})
    assert run(tmp_path, old, more).exit_code == 0
    assert run(tmp_path, old, more, "--strict").exit_code == 1


def test_many_numbers_are_cut_in_text_and_whole_in_json(
    tmp_path: Path, old: dict[str, Any], new: dict[str, Any]
) -> None:
    old["claims"][0]["solved"]["data"]["curve"] = [float(i) for i in range(100)]
    new["claims"][0]["solved"]["data"]["curve"] = [float(i) + 0.1 * i for i in range(100)]
    result = run(tmp_path, old, new)
    assert (result.exit_code, result.output.count("number  ")) == (0, 20)
    assert "79 more numbers" in result.output
    assert result.output.splitlines()[0].startswith("number    a/one, solved, data.curve.99: 99 → 108.9")  # largest
    assert len(json.loads(run(tmp_path, old, new, "--json").output)["numbers"]) == 99


@pytest.mark.parametrize("content", ["", "[]", "{}", '{"schema": "other", "claims": []}', "null",
                                     '{"schema": "etatrick-report", "claims": [{"claim": "a/b"}]}'])  # fmt: skip
def test_a_file_that_is_no_report_is_refused(tmp_path: Path, content: str) -> None:
    (tmp_path / "report.json").write_text(content)
    with pytest.raises(InputError, match="is not a report"):
        read_report(tmp_path)


@pytest.mark.parametrize("tolerance", [-1.0, float("nan"), float("inf")])
def test_a_tolerance_that_is_none_is_refused(old: dict[str, Any], tolerance: float) -> None:
    with pytest.raises(InputError):
        compare_reports(old, old, tolerance)
