"""Running a claim: the order of its parts, what is reused, what an interruption keeps, and what watchers hear."""

from pathlib import Path
from typing import Any

import pytest

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Claim, Part, Results, Route, Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.ledger import claims
from etatrick.validation.store import DirectoryStore

NAMES = ("a", "b", "c", "d", "e")


class Laboratory:
    """A claim of five parts in three routes that records what happens to it."""

    def __init__(self, absent: bool = False) -> None:
        self.log: list[str] = []
        self.settings: dict[str, Setting] = {}
        self.failing: dict[str, BaseException] = {}
        observe = Absent("too dear") if absent else self.route("d", "e")
        self.claim = Claim(
            "lab/claim", "Title", "$x$", "nowhere", "equal",
            self.route("a"), self.route("b", "c"), observe, {"x": "x > 0"},
        )  # fmt: skip

    def route(self, *names: str) -> Route:
        needs = {"c": ("b",)}
        parts = [Part(name, f"do {name}", self.work(name), needs=needs.get(name, ())) for name in names]
        return Route(tuple(parts), self.conclude)

    def work(self, name: str) -> Any:
        def run(setting: Setting) -> dict[str, Any]:
            self.log.append(name)
            self.settings[name] = setting
            setting.progress(0.5)
            if name in self.failing:
                raise self.failing[name]
            return {"value": name.upper(), "saw": sorted(setting.finished)}

        return run

    def conclude(self, results: Results) -> Finding:
        self.log.append("conclude " + "".join(results))
        return Finding("checked", "looked", summary=" ".join(r["value"] for r in results.values()), data=results)


class Ear:
    """Writes down what a watcher is told."""

    def __init__(self) -> None:
        self.heard: list[str] = []

    def start(self, part: Part) -> None:
        self.heard.append(f"start {part.name}")

    def advance(self, part: Part, fraction: float) -> None:
        self.heard.append(f"{part.name} {fraction}")

    def finish(self, part: Part, *, reused: bool) -> None:
        self.heard.append(f"finish {part.name}{' reused' if reused else ''}")


def test_parts_run_in_order_and_each_route_concludes_from_its_own() -> None:
    lab = Laboratory()
    evidence = lab.claim.run()
    assert lab.log == ["a", "conclude a", "b", "c", "conclude bc", "d", "e", "conclude de"]
    assert [finding.summary for finding in evidence.findings.values()] == ["A", "B C", "D E"]
    assert [part.name for part in lab.claim.parts] == list(NAMES)
    assert evidence.holds
    assert set(evidence.seconds) == set(NAMES)
    assert (evidence.claim, evidence.level, evidence.parameters) == ("lab/claim", "quick", {"x": "x > 0"})


def test_a_part_is_told_how_to_run_and_what_it_needs_of_its_route() -> None:
    lab = Laboratory()
    lab.claim.run("full", device="cuda:1")
    assert {(s.level, s.device) for s in lab.settings.values()} == {("full", "cuda:1")}
    assert {name: dict(s.finished) for name, s in lab.settings.items()} == {
        "a": {},
        "b": {},
        "c": {"b": {"value": "B", "saw": []}},
        "d": {},
        "e": {},  # which does not say that it needs d
    }


def test_a_result_that_was_not_asked_for_names_the_remedy() -> None:
    with pytest.raises(InputError, match=r"needs=\('d',\)"):
        Setting().finished["d"]


@pytest.mark.parametrize("needs", [("later",), ("itself",), ("nobody",)])
def test_a_part_can_need_earlier_parts_only(needs: tuple[str, ...]) -> None:
    lab = Laboratory()
    parts = (Part("first", "t", lab.work("first")), Part("itself", "t", lab.work("itself"), needs=needs),
             Part("later", "t", lab.work("later")))  # fmt: skip
    with pytest.raises(InputError, match="the parts before 'itself' are 'first'"):
        Route(parts, lab.conclude)


def test_a_part_cannot_add_to_the_results_of_its_route() -> None:
    lab = Laboratory()

    def greedy(setting: Setting) -> dict[str, Any]:
        setting.finished["forged"] = {"value": "F"}  # type: ignore[index]
        return {"value": "C", "saw": []}

    solve = Route((lab.claim.solve.parts[0], Part("c", "forge", greedy)), lab.conclude)
    Claim("lab/x", "t", "s", "s", "equal", Absent("-"), solve, Absent("-")).run()
    assert "conclude bc" in lab.log


def test_watchers_hear_every_part() -> None:
    lab, ear = Laboratory(), Ear()
    lab.claim.run(watcher=ear)
    assert ear.heard == [line for name in NAMES for line in (f"start {name}", f"{name} 0.5", f"finish {name}")]


def test_a_second_run_reuses_everything_and_says_so(tmp_path: Path) -> None:
    lab, ear = Laboratory(), Ear()
    first = lab.claim.run(store=DirectoryStore(tmp_path))
    lab.log.clear()
    second = lab.claim.run(store=DirectoryStore(tmp_path), watcher=ear)
    assert lab.log == ["conclude a", "conclude bc", "conclude de"]
    assert ear.heard == [line for name in NAMES for line in (f"start {name}", f"finish {name} reused")]
    assert second.findings == first.findings
    assert set(second.seconds.values()) == {0.0}


@pytest.mark.parametrize("where", ["level", "device"])
def test_a_result_is_not_reused_at_another_level_or_device(tmp_path: Path, where: str) -> None:
    lab, store = Laboratory(), DirectoryStore(tmp_path)
    lab.claim.run(store=store)
    lab.log.clear()
    lab.claim.run("full" if where == "level" else "quick", device="other" if where == "device" else "cpu", store=store)
    assert [name for name in lab.log if name in NAMES] == list(NAMES)


@pytest.mark.parametrize(
    "failure", [RuntimeError("no"), KeyboardInterrupt(), SystemExit(3)], ids=["error", "interrupt", "exit"]
)
@pytest.mark.parametrize("index", range(5))
def test_after_an_interruption_finished_parts_are_not_run_again(
    tmp_path: Path, failure: BaseException, index: int
) -> None:
    lab, store = Laboratory(), DirectoryStore(tmp_path)
    lab.failing = {NAMES[index]: failure}
    with pytest.raises(type(failure)):
        lab.claim.run(store=store)
    assert [name for name in lab.log if name in NAMES] == list(NAMES[: index + 1])
    lab.failing, lab.log = {}, []
    evidence = lab.claim.run(store=DirectoryStore(tmp_path))
    assert [name for name in lab.log if name in NAMES] == list(NAMES[index:])
    assert evidence.findings == Laboratory().claim.run().findings
    assert [path.suffix for path in tmp_path.iterdir()] == [".json"] * 5


def test_a_watcher_that_is_interrupted_loses_nothing(tmp_path: Path) -> None:
    class Impatient(Ear):
        def finish(self, part: Part, *, reused: bool) -> None:
            if part.name == "c" and not reused:
                raise KeyboardInterrupt

    lab, store = Laboratory(), DirectoryStore(tmp_path)
    with pytest.raises(KeyboardInterrupt):
        lab.claim.run(store=store, watcher=Impatient())
    lab.log.clear()
    lab.claim.run(store=store, watcher=Impatient())
    assert [name for name in lab.log if name in NAMES] == ["d", "e"]


def test_a_lost_result_alone_is_run_again(tmp_path: Path) -> None:
    lab, store = Laboratory(), DirectoryStore(tmp_path)
    lab.claim.run(store=store)
    (lost,) = tmp_path.glob("*.c.quick.cpu.*")
    lost.write_bytes(lost.read_bytes()[:-5])
    lab.log.clear()
    lab.claim.run(store=store)
    assert [name for name in lab.log if name in NAMES] == ["c"]


def test_a_route_not_taken_is_unknown_with_its_reason() -> None:
    evidence = Laboratory(absent=True).claim.run()
    assert evidence.observed.status == "unknown"
    assert evidence.observed.summary == "too dear"
    assert evidence.observed.method == "not attempted"
    assert set(evidence.seconds) == set("abc")


@pytest.mark.parametrize("level", ["fast", "", None])
def test_an_unknown_level_is_refused_before_anything_runs(level: Any) -> None:
    lab = Laboratory()
    with pytest.raises(InputError):
        lab.claim.run(level)
    assert lab.log == []


def test_two_parts_of_one_name_are_refused() -> None:
    """They would share one stored result."""
    lab = Laboratory()
    with pytest.raises((InputError, ValueError)):
        Claim("lab/x", "t", "s", "s", "equal", lab.route("a"), lab.route("a"), Absent("-"))


# --- the ledger ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("claim", claims.values(), ids=lambda claim: claim.id)
def test_entries_of_the_ledger_are_well_formed(claim: Claim) -> None:
    names = [part.name for part in claim.parts]
    assert len(set(names)) == len(names)
    assert claims[claim.id] is claim
    assert claim.id.count("/") == 1
    assert all(part.title and part.seconds > 0 for part in claim.parts)
    assert claim.statement.count("$") % 2 == 0
    assert all((claim.title, claim.source, claim.parameters))
    assert set(claim.routes) == {"derived", "solved", "observed"}
