"""Runs of many claims: equal however they are spread, resumed after any kill, and never ended by one part."""

import json
import os
import random
import re
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Claim, Part, Route, Setting
from etatrick.validation.evidence import Evidence, Finding
from etatrick.validation.run_lock import NAME, locked
from etatrick.validation.running import Effort, Runner
from etatrick.validation.store import DirectoryStore
from etatrick.validation.user_claims import claims_in
from etatrick.validation.verification import Plan, run_subjects, verify_claims

LEDGER = Path(__file__).with_name("small_ledger.py")
PARTS = 6 * 3 + 3
KILLS = 20


def settle(
    out: Path, plan: Plan, claims: list[Claim] | None = None, file: Path = LEDGER
) -> tuple[list[Evidence], dict[str, Any]]:
    """Run claims of a file and return the entries and the report's JSON without dates and seconds."""
    chosen = claims_in(file) if claims is None else claims
    out.mkdir(exist_ok=True)
    origins = {claim.id: ("file", str(file)) for claim in chosen}
    entries, files = verify_claims(chosen, out, plan, command="etatrick verify", origins=origins)
    return entries, undated(files.json)


def undated(path: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(path.read_text())
    del content["created"]
    for claim in content["claims"]:
        del claim["seconds"]
    return content


def as_bytes(content: dict[str, Any]) -> bytes:
    return json.dumps(content, indent=1).encode()


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    return settle(tmp_path_factory.mktemp("reference") / "out", Plan())[1]


# --- the same report, however it came about ------------------------------------------------------------------------


def test_one_process_and_three_give_the_same_report(tmp_path: Path, undisturbed: dict[str, Any]) -> None:
    entries, report = settle(tmp_path / "out", Plan(jobs=3))
    assert as_bytes(report) == as_bytes(undisturbed)
    assert all(entry.holds for entry in entries)
    assert all(spent >= 0 for entry in entries for spent in entry.seconds.values())


def test_a_second_run_runs_nothing_and_leaves_the_report_alone(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    first, _ = settle(tmp_path / "out", Plan())
    before = (tmp_path / "out" / "index.html").stat().st_mtime_ns

    def never(*_: Any) -> Any:
        raise AssertionError("a part ran")

    monkeypatch.setattr("etatrick.validation.backends.attempt", never)
    second, _ = settle(tmp_path / "out", Plan())
    assert second == first
    assert (tmp_path / "out" / "index.html").stat().st_mtime_ns == before
    assert f"{PARTS} parts are kept" in capsys.readouterr().err


def test_a_report_that_was_damaged_is_written_again(tmp_path: Path) -> None:
    settle(tmp_path / "out", Plan())
    page = tmp_path / "out" / "index.html"
    whole = page.read_bytes()
    page.write_bytes(whole[:-100])
    settle(tmp_path / "out", Plan())
    assert len(page.read_bytes()) == len(whole)


def test_fresh_runs_everything_again(tmp_path: Path) -> None:
    out, marks = tmp_path / "out", tmp_path / "marks"

    def work(setting: Setting) -> dict[str, Any]:
        with marks.open("a") as stream:
            stream.write("ran\n")
        return {}

    route = Route((Part("a", "a", work),), lambda results: Finding("checked", "by hand", summary="s"))
    claim = Claim("x/y", "t", "$1$", "s", "equal", route, Absent("-"), Absent("-"))
    for plan, expected in ((Plan(), 1), (Plan(), 1), (Plan(fresh=True), 2), (Plan(), 2)):
        settle(out, plan, [claim])
        assert len(marks.read_text().splitlines()) == expected


# --- killed at random ------------------------------------------------------------------------------------------------


LAUNCHER = """
import os, signal, sys, time
from pathlib import Path
import matplotlib.figure, etatrick.validation.report.render, etatrick.validation.figures
from etatrick.validation.code_version import code_version, fingerprint
from etatrick.validation.user_claims import claims_in
from etatrick.validation.verification import Plan, verify_claims

file, out = Path(sys.argv[1]), Path(sys.argv[2])
out.mkdir()
claims = claims_in(file)
origins = {claim.id: ("file", str(file)) for claim in claims}
fingerprint()
for claim in claims:  # what every child would do again
    for part in claim.parts:
        code_version(part.run)
for number, moment in enumerate(map(float, sys.argv[3:])):
    hear, say = os.pipe()
    child = os.fork()
    if child == 0:
        os.setsid()
        os.write(say, b"!")
        jobs = 2 if number % 5 == 4 else 1
        verify_claims(claims, out, Plan(jobs=jobs), command="etatrick verify", origins=origins)
        os._exit(0)
    os.read(hear, 1)
    time.sleep(moment * (6 if number % 5 == 4 else 1))  # processes take longer to begin
    os.killpg(child, signal.SIGKILL)
    print(os.waitpid(child, 0)[1], len(list((out / "parts").glob("*.json"))), flush=True)
"""


@pytest.mark.slow
@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs fork")
def test_killed_at_random_the_resumed_report_is_the_undisturbed_one(
    tmp_path: Path, undisturbed: dict[str, Any]
) -> None:
    """Twenty kills of the whole process group at moments fixed by a seed; what was finished is never run again."""
    out, marks = tmp_path / "out", tmp_path / "marks"
    generator = random.Random(20)
    moments = [str(generator.uniform(0.0, 0.3)) for _ in range(KILLS)]
    run = subprocess.run(
        [sys.executable, "-c", LAUNCHER, str(LEDGER), str(out), *moments], text=True, capture_output=True, check=True,
        env={**os.environ, "SMALL_LEDGER_PAUSE": "0.15", "SMALL_LEDGER_MARKS": str(marks), "OMP_NUM_THREADS": "1"},
    )  # fmt: skip
    ends = [tuple(map(int, line.split())) for line in run.stdout.splitlines()]
    assert len(ends) == KILLS
    assert [kept for _, kept in ends] == sorted(kept for _, kept in ends)  # nothing finished is lost
    assert sum(status == signal.SIGKILL for status, _ in ends) >= KILLS // 4  # later runs may end before their moment
    report = settle(out, Plan())[1]
    assert as_bytes(report) == as_bytes(undisturbed)
    ran = marks.read_text().splitlines() if marks.exists() else []
    assert len(ran) - len(set(ran)) <= 2 * KILLS  # only what was under way at a kill


# --- one part is not the run's end -----------------------------------------------------------------------------------

TROUBLE = """
import os, signal, sys, time
from etatrick.validation.claim import Absent, Claim, Part, Route
from etatrick.validation.evidence import Finding

def fine(setting):
    return {"x": 1}

def raises(setting):
    raise ValueError("no\\nsuch luck")

def memory(setting):
    raise MemoryError("64 GiB")

def leaves(setting):
    sys.exit(3)

def killed(setting):
    os.kill(os.getpid(), signal.SIGKILL)

def aborts(setting):
    os.abort()

def hangs(setting):
    time.sleep(600)

def no_json(setting):
    return {"x": {1, 2}}

def no_dict(setting):
    return [1]

def prints(setting):
    print("x" * 100_000)
    os.write(1, b"{}\\n")
    return {"x": 2}

def conclude(results):
    return Finding("checked", "by hand", summary="done", data=results)

def strange(results):
    raise KeyError("lost")

def claim(work, end=conclude):
    first = Route((Part("first", "go ahead", fine), Part("second", work.__name__, work, 0.5)), end)
    other = Route((Part("other", "go on", fine),), conclude)
    return Claim("trouble/" + work.__name__ + end.__name__[:1], "t", "$1$", "s", "equal", first, other, Absent("-"))

CLAIMS = [claim(w) for w in (fine, raises, memory, leaves, no_json, no_dict, PROCESS)] + [claim(fine, strange)]
"""
REASONS = {
    "trouble/raisesc": "raised ValueError: no such luck",
    "trouble/memoryc": "raised MemoryError: 64 GiB",
    "trouble/leavesc": "raised SystemExit: 3",
    "trouble/no_jsonc": "raised TypeError",
    "trouble/no_dictc": "list, not a dict",
    "trouble/killedc": "killed by SIGKILL",
    "trouble/abortsc": "killed by SIGABRT",
    "trouble/hangsc": "exceeded its budget of 0.5 s",
    "trouble/fines": "raised KeyError: lost",
}


@pytest.mark.parametrize(
    ("names", "plan"),
    [("prints", Plan()), ("prints, killed, aborts, hangs", Plan(jobs=2, budget=0.5))],
    ids=["in process", "processes"],
)
def test_a_failure_is_the_verdict_of_its_column_alone(
    tmp_path: Path, names: str, plan: Plan, capfd: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "trouble.py"
    file.write_text(TROUBLE.replace("PROCESS", names))
    entries, _ = settle(tmp_path / "out", plan, file=file)
    for entry in entries:
        assert entry.solved.status == "checked"
        if entry.claim in REASONS:
            assert (entry.derived.status, entry.derived.method) == ("unknown", "not finished")
            assert REASONS[entry.claim] in entry.derived.summary
            assert not entry.holds
        else:
            assert entry.derived.status == "checked", entry.derived.summary
    assert sum(entry.claim in REASONS for entry in entries) == len(entries) - 2
    told = capfd.readouterr().err
    assert told.count("raised ValueError: no such luck") == 1


def test_failures_are_tried_again_and_the_other_parts_are_kept(tmp_path: Path) -> None:
    """First b fails, which c needs."""
    folder = str(tmp_path)

    def work(name: str) -> Any:
        def run(setting: Setting) -> dict[str, Any]:
            _LOG.append(name)
            if name == "b" and not Path(folder, "healthy").exists():
                raise RuntimeError("not yet")
            return {}

        return run

    parts = tuple(Part(name, name, work(name), needs=("b",) if name == "c" else ()) for name in "abcd")
    claim = Claim("x/y", "t", "$1$", "s", "equal", Route(parts, _concluded), Absent("-"), Absent("-"))
    _LOG.clear()
    (entry,), _ = settle(tmp_path / "out", Plan(), [claim])
    assert "not yet" in entry.derived.summary
    assert sorted(_LOG) == ["a", "b", "d"]
    Path(folder, "healthy").touch()
    _LOG.clear()
    (entry,), _ = settle(tmp_path / "out", Plan(), [claim])
    assert entry.holds
    assert _LOG == ["b", "c"]


ROUTE = """
import os, time
from pathlib import Path
from etatrick.validation.claim import Absent, Claim, Part, Route
from etatrick.validation.evidence import Finding

FOLDER = Path(os.environ["TOGETHER"])

def both(name, other):
    def run(setting):
        (FOLDER / name).touch()
        until = time.monotonic() + 60
        while not (FOLDER / other).exists():
            if time.monotonic() > until:
                raise TimeoutError(f"{other} never ran beside {name}")
            time.sleep(0.01)
        return {"name": name}
    return run

def last(setting):
    return {"name": "".join(setting.finished)}

def fails(pause):
    def run(setting):
        time.sleep(pause)
        raise ValueError(f"after {pause} s")
    return run

def conclude(results):
    return Finding("checked", "by hand", summary=" ".join(result["name"] for result in results.values()))

TOGETHER = Claim("x/together", "t", "$1$", "s", "equal", Route((
    Part("a", "a", both("a", "b"), 0.1), Part("b", "b", both("b", "a"), 9), Part("c", "c", last, 1, ("b", "a"))),
    conclude), Absent("-"), Absent("-"))
FAILING = Claim("x/failing", "t", "$1$", "s", "equal", Route((
    Part("slow", "slow", fails(0.5), 1), Part("fast", "fast", fails(0.0), 1)), conclude), Absent("-"), Absent("-"))
"""


def test_parts_of_a_route_run_side_by_side_unless_one_needs_another(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each of two parts waits for the other; results come in the order of the parts, whichever ended first."""
    monkeypatch.setenv("TOGETHER", str(tmp_path))
    file = tmp_path / "together.py"
    file.write_text(ROUTE)
    entries, _ = settle(tmp_path / "out", Plan(jobs=2), file=file)
    found = {entry.claim: entry.derived.summary for entry in entries}
    assert found["x/together"] == "a b ba"
    assert "“slow” raised ValueError: after 0.5 s" in found["x/failing"]  # the first in order, not in time


def test_the_part_that_most_wait_for_starts_first(tmp_path: Path) -> None:
    """A part costs what it takes and what the longest line of parts after it takes."""
    ran: list[str] = []

    def work(name: str) -> Any:
        def run(setting: Setting) -> dict[str, Any]:
            ran.append(name)
            return {}

        return run

    seconds = {"short": 1.0, "long": 5.0, "root": 2.0, "leaf": 4.0}
    parts = tuple(Part(n, n, work(n), s, ("root",) if n == "leaf" else ()) for n, s in seconds.items())
    claim = Claim("x/y", "t", "$1$", "s", "equal", Route(parts, _concluded), Absent("-"), Absent("-"))
    settle(tmp_path / "out", Plan(), [claim])
    assert ran == ["root", "long", "leaf", "short"]


# --- what a part depends on ------------------------------------------------------------------------------------------


def test_a_changed_constant_runs_that_part_and_what_needs_it(tmp_path: Path) -> None:

    def work(name: str, constant: float) -> Any:
        def run(setting: Setting) -> dict[str, Any]:
            _LOG.append(name)
            return {"x": constant}

        return run

    def claim(constant: float) -> Claim:
        needs = {"c": ("b",)}
        parts = [Part(n, n, work(n, constant if n == "b" else 0.0), needs=needs.get(n, ())) for n in "abcd"]
        solve = Route(tuple(parts), _concluded)
        return Claim("x/y", "t", "$1$", "s", "equal", Route((Part("z", "z", work("z", 0.0)),), _concluded), solve,
                     Absent("-"))  # fmt: skip

    for constant, expected in ((1.0, "zabcd"), (1.0, ""), (2.0, "bc"), (1.0, "bc")):
        _LOG.clear()
        settle(tmp_path / "out", Plan(), [claim(constant)])
        assert "".join(sorted(_LOG)) == "".join(sorted(expected))


_LOG: list[str] = []


def _concluded(results: Any) -> Finding:
    return Finding("checked", "by hand", summary="s", data=results)


@pytest.mark.parametrize("change", ["data", "level", "device", "parameters"])
def test_results_are_kept_per_data_level_device_and_parameters(tmp_path: Path, change: str) -> None:
    folder = tmp_path / "data"
    folder.mkdir()
    (folder / "file").write_text("1")

    def work(setting: Setting) -> dict[str, Any]:
        _LOG.append(f"{setting.level} {setting.device} {bool(setting.data)}")
        return {}

    def run(effort: Effort, domain: str) -> None:
        route = Route((Part("a", "a", work),), _concluded)
        claim = Claim("x/y", "t", "$1$", "s", "equal", route, Absent("-"), Absent("-"), {"x": domain})
        settle(tmp_path / "out", Plan(effort), [claim])

    _LOG.clear()
    base = Effort(data=str(folder))
    run(base, "x > 0")
    run(base, "x > 0")
    assert _LOG == ["quick cpu True"]
    if change == "data":
        (folder / "file").write_text("22")
    changed = {"level": Effort("full", "cpu", str(folder)), "device": Effort("quick", "meta", str(folder))}
    run(changed.get(change, base), "x > 1" if change == "parameters" else "x > 0")
    assert len(_LOG) == 2


def test_damaged_and_stale_results_are_said_once_and_run_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], undisturbed: dict[str, Any]
) -> None:
    settle(tmp_path / "out", Plan())
    kept = sorted((tmp_path / "out" / "parts").glob("file.*.json"))
    for path in kept[:3]:
        path.write_bytes(path.read_bytes()[:-7])
    for path in kept[3:6]:
        path.write_text(re.sub(r'"version": "\w+"', '"version": "0"', path.read_text()))
    capsys.readouterr()
    _, report = settle(tmp_path / "out", Plan())
    told = capsys.readouterr().err
    assert told.count("cannot be read are run again") == 1
    assert told.count("other code, libraries or earlier results") == 1
    assert as_bytes(report) == as_bytes(undisturbed)


# --- the folder --------------------------------------------------------------------------------------------------


def test_two_runs_in_one_folder_are_refused(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib\nfrom etatrick.validation.run_lock import locked\n"
        f"with locked(pathlib.Path({str(tmp_path / 'out' / 'parts')!r})):\n"
        "    print('held', flush=True)\n    sys.stdin.read()\n"
    )
    (tmp_path / "out").mkdir()
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    ) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "held\n"
        with pytest.raises(InputError, match=rf"process {other.pid}"):
            settle(tmp_path / "out", Plan())
        other.kill()
        other.wait()
    assert settle(tmp_path / "out", Plan())[0][0].holds  # the lock of a dead process is no lock


def test_a_lock_file_that_nobody_holds_is_taken_over(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text('{"pid": 1}')
    with locked(tmp_path), pytest.raises(InputError, match=f"process {os.getpid()}"), locked(tmp_path):
        pass
    with locked(tmp_path):
        pass


@pytest.mark.parametrize("jobs", [1, 2])
def test_a_full_disk_is_one_sentence_and_loses_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, jobs: int
) -> None:
    real = DirectoryStore.save
    written: list[int] = []

    def full(self: DirectoryStore, *arguments: Any) -> None:
        if len(written) == 4:
            raise OSError(28, "No space left on device")
        written.append(1)
        real(self, *arguments)

    monkeypatch.setattr(DirectoryStore, "save", full)
    with pytest.raises(InputError, match="No space left on device") as caught:
        settle(tmp_path / "out", Plan(jobs=jobs))
    assert "\n" not in str(caught.value)
    monkeypatch.undo()
    assert len(list((tmp_path / "out" / "parts").glob("file.*.json"))) == 4
    assert all(entry.holds for entry in settle(tmp_path / "out", Plan())[0])


def test_a_disk_that_is_full_for_the_report_is_one_sentence(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*_: Any, **__: Any) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("etatrick.validation.report.write_report", full)
    with pytest.raises(InputError, match="No space left on device"):
        settle(tmp_path / "out", Plan())
    assert len(list((tmp_path / "out" / "parts").glob("file.*.json"))) == PARTS


# --- plans that cannot be ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "plan",
    [Plan(jobs=0), Plan(jobs=-1), Plan(budget=0.0), Plan(budget=float("nan")), Plan(budget=float("inf")),
     Plan(backend="threads")],
)  # fmt: skip
def test_a_plan_that_cannot_be_is_refused_before_anything_runs(tmp_path: Path, plan: Plan) -> None:
    with pytest.raises(InputError):
        settle(tmp_path / "out", plan)
    assert not list((tmp_path / "out" / "parts").glob("*.json"))


def test_an_interrupt_keeps_what_arrived_and_stops_the_processes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    finished: list[str] = []
    real = Runner._keep

    def interrupted(self: Runner, key: tuple[str, ...], outcome: dict[str, Any], version: str) -> None:
        real(self, key, outcome, version)
        finished.append(key[2])
        if len(finished) == 3:
            raise KeyboardInterrupt

    monkeypatch.setattr(Runner, "_keep", interrupted)
    with pytest.raises(KeyboardInterrupt):
        settle(tmp_path / "out", Plan(jobs=2))
    assert len(list((tmp_path / "out" / "parts").glob("file.*.json"))) == len(finished) >= 3


def test_nothing_to_run_is_no_error(tmp_path: Path) -> None:
    assert run_subjects([], tmp_path, Plan(jobs=2)) == {}
