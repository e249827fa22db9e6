"""Backends: the same results from loky, Dask and our own processes, budgets and crashes contained in each."""

import json
from pathlib import Path
from typing import Any

import pytest

from etatrick.errors import InputError
from etatrick.validation.backends import BACKENDS, open_pool
from etatrick.validation.claim import Absent, Claim, Part, Route, Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.pools import MEMORY, THREADS, InlinePool, one_thread
from etatrick.validation.running import RouteOutcome
from etatrick.validation.subjects import claim_subject
from etatrick.validation.user_claims import claims_in
from etatrick.validation.verification import Plan, run_subjects

SOURCE = """
import os, signal, time
from etatrick.validation.claim import Absent, Claim, Part, Route
from etatrick.validation.evidence import Finding

def first(setting):
    setting.progress(0.5)
    return {"x": 1.5, "threads": os.environ.get("OMP_NUM_THREADS"), "memory": os.environ.get("MALLOC_TRIM_THRESHOLD_")}

def second(setting):
    return {"x": setting.finished["first"]["x"] * 2}

def killed(setting):
    os.kill(os.getpid(), signal.SIGKILL)

def hangs(setting):
    time.sleep(600)

def conclude(results):
    return Finding("checked", "by hand", summary="s", data=results)

def route(*works):
    names = [work.__name__ for work in works]
    parts = [Part(name, name, work, 1, tuple(names[:i])) for i, (name, work) in enumerate(zip(names, works))]
    return Route(tuple(parts), conclude)

C = Claim("tiny/c", "t", "$1$", "s", "equal", route(first, second), route(killed), route(hangs))
"""


def outcomes(folder: Path, plan: Plan) -> dict[str, RouteOutcome]:
    folder.mkdir()
    file = folder / "tiny.py"
    file.write_text(SOURCE)
    subjects = [claim_subject(claim, ("file", str(file))) for claim in claims_in(file)]
    return {column: found for (_, column), found in run_subjects(subjects, folder / "parts", plan).items()}


@pytest.mark.parametrize("backend", ["processes", "loky", pytest.param("dask", marks=pytest.mark.slow)])
@pytest.mark.filterwarnings("ignore")  # of Dask's own event loop
def test_every_backend_gives_the_same_and_contains_crashes(
    tmp_path: Path, backend: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    monkeypatch.delenv("MALLOC_TRIM_THRESHOLD_", raising=False)
    if backend == "dask":
        pytest.importorskip("distributed")
    found = outcomes(tmp_path / "run", Plan(jobs=2, backend=backend, budget=1.5))
    memory = "65536" if backend == "dask" else MEMORY["MALLOC_TRIM_THRESHOLD_"]  # Dask sets it, and that stands
    first = {"x": 1.5, "threads": "1", "memory": memory}
    assert dict(found["derived"].results) == {"first": first, "second": {"x": 3.0}}
    assert "killed by SIGKILL" in found["solved"].failure
    assert "exceeded its budget of 1.5 s" in found["observed"].failure


def test_a_backend_that_is_not_installed_names_the_remedy(monkeypatch: pytest.MonkeyPatch) -> None:
    for backend, module, package in (("ray", "ray", "'ray'"), ("dask", "distributed", "'dask[distributed]'")):
        monkeypatch.setitem(__import__("sys").modules, module, None)
        with pytest.raises(InputError, match="not installed") as caught:
            open_pool(backend, 1, None, lambda *_: None)
        assert f"pip install {package}" in str(caught.value)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize(("jobs", "budget"), [(0, None), (1, 0.0), (1, -3.0), (1, float("nan"))])
def test_numbers_out_of_range_are_refused_first(backend: str, jobs: int, budget: float | None) -> None:
    with pytest.raises(InputError):
        open_pool(backend, jobs, budget, lambda *_: None)


def test_in_process_progress_is_told_and_results_are_plain_json(tmp_path: Path) -> None:
    told: list[float] = []

    def work(setting: Setting) -> dict[str, Any]:
        setting.progress(0.25)
        return {"pair": (1, 2), "none": None}

    route = Route((Part("a", "a", work),), lambda results: Finding("checked", "by hand", summary="s"))
    subject = claim_subject(Claim("x/y", "t", "$1$", "s", "equal", route, Absent("-"), Absent("-")))
    pool = open_pool("processes", 1, None, lambda ticket, fraction: told.append(fraction), [subject])
    assert isinstance(pool, InlinePool)
    order = {"subject": "x/y", "part": "a", "level": "quick", "device": "cpu", "data": "", "finished": {}}
    pool.submit(7, order)
    assert not pool.is_free
    (event,) = pool.wait()
    assert event.outcome is not None
    assert json.dumps(event.outcome["result"]) == '{"pair": [1, 2], "none": null}'
    assert (event.ticket, told, pool.is_free) == (7, [0.25], True)


def test_one_thread_and_back(monkeypatch: pytest.MonkeyPatch) -> None:
    import os

    import torch

    monkeypatch.setenv(THREADS[0], "3")
    monkeypatch.delenv(THREADS[1], raising=False)
    before = torch.get_num_threads()
    with one_thread():
        assert torch.get_num_threads() == 1
        assert [os.environ[name] for name in THREADS] == ["1"] * len(THREADS)
    assert (torch.get_num_threads(), os.environ[THREADS[0]]) == (before, "3")
    assert THREADS[1] not in os.environ
