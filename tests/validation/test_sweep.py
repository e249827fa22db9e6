"""Sweeps: the same results from every backend, kept as they finish, resumed, and failures that end only themselves."""

import time
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.validation.store import DirectoryStore
from etatrick.validation.sweeping import BACKENDS, SweepResult, divmod_of, sweep

GRID = {"a": [7, 8], "b": [2, 0, 3]}


def outcomes(results: list[SweepResult]) -> list[Any]:
    return [(result.point, result.result, result.failure.partition("\n")[0]) for result in results]


def wanted() -> list[Any]:
    zero = "ZeroDivisionError: integer division or modulo by zero"
    return [
        ({"a": a, "b": b}, {"quotient": a // b, "rest": a % b} if b else None, "" if b else zero)
        for a in GRID["a"]
        for b in GRID["b"]
    ]


def test_threads_return_the_grid_in_order_and_keep_failures_apart() -> None:
    seen: list[float] = []
    assert outcomes(sweep(divmod_of, GRID, backend="threading", progress=seen.append)) == wanted()
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_processes_return_the_same() -> None:
    assert outcomes(sweep(divmod_of, GRID, backend="loky")) == wanted()


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.filterwarnings("ignore::ResourceWarning")
def test_dask_on_this_machine_returns_the_same(tmp_path: Path) -> None:
    pytest.importorskip("distributed")
    store = DirectoryStore(tmp_path)
    assert outcomes(sweep(divmod_of, GRID, backend="dask", store=store)) == wanted()
    again = sweep(divmod_of, GRID, backend="threading", store=store)
    assert [result.reused for result in again] == [True, False, True] * 2


CALLS: list[tuple[int, float]] = []


def noted(x: int, y: float = 0.0) -> dict[str, Any]:
    """Note each call, and stop the whole sweep at 3 the first time."""
    CALLS.append((x, y))
    if x == 3 and CALLS.count((x, y)) == 1:
        raise RuntimeError("the machine went away")
    return {"square": x * x, "values": [y] * x}


def test_results_are_kept_as_they_finish_and_only_the_missing_are_run_again(tmp_path: Path) -> None:
    CALLS.clear()
    store, grid = DirectoryStore(tmp_path), {"x": [1, 2, 3, 4]}
    first = sweep(noted, grid, backend="threading", jobs=1, store=store)
    assert [result.result is None for result in first] == [False, False, True, False]
    assert "the machine went away" in first[2].failure
    assert "noted" in first[2].failure  # the traceback says where
    CALLS[:] = [(3, 0.0)]
    second = sweep(noted, grid, backend="threading", store=DirectoryStore(tmp_path))
    assert CALLS == [(3, 0.0), (3, 0.0)]
    assert [result.reused for result in second] == [True, True, False, True]
    assert [result.result and result.result["square"] for result in second] == [1, 4, 9, 16]


class Killed(BaseException):
    pass


def test_a_sweep_stopped_in_the_middle_keeps_what_was_finished(tmp_path: Path) -> None:
    def stop(fraction: float) -> None:
        if fraction >= 0.5:
            raise Killed

    store, grid = DirectoryStore(tmp_path), {"a": [5, 6, 7, 8], "b": [2]}
    with pytest.raises(Killed):
        sweep(divmod_of, grid, backend="threading", jobs=1, store=store, progress=stop)
    reused = [result.reused for result in sweep(divmod_of, grid, backend="threading", store=store)]
    assert reused[:2] == [True, True]


def slow_then_fast(x: int) -> dict[str, Any]:
    time.sleep(0.2 if x == 0 else 0.0)
    return {"x": x}


def test_the_order_of_arrival_does_not_matter() -> None:
    found = sweep(slow_then_fast, {"x": [0, 1, 2]}, backend="threading")
    assert [result.result for result in found] == [{"x": 0}, {"x": 1}, {"x": 2}]


def arrays(x: int) -> dict[str, Any]:
    return {"x": np.arange(x)}


def test_a_result_that_cannot_be_kept_is_a_failure_of_its_point() -> None:
    (found,) = sweep(arrays, {"x": [3]}, backend="threading")
    assert found.result is None
    assert found.failure.startswith("TypeError")


def test_a_backend_that_is_unknown_or_not_installed_is_refused() -> None:
    with pytest.raises(InputError, match=r"backend = mpi.*loky, threading, dask, ray"):
        sweep(divmod_of, GRID, backend="mpi")


def test_a_missing_package_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(BACKENDS, "ray", "no_such_package")
    with pytest.raises(InputError, match=r"backend = ray: needs the package no_such_package; install"):
        sweep(divmod_of, GRID, backend="ray")


def test_functions_that_other_processes_cannot_import_are_refused() -> None:
    def local(a: int, b: int) -> dict[str, Any]:
        return {}

    functions: list[Any] = [lambda a, b: {}, local, partial(divmod_of, a=1)]
    for function in functions:
        with pytest.raises(InputError, match="top level of a module"):
            sweep(function, GRID)


@pytest.mark.parametrize(
    "grid", [{}, {"a": []}, {"a": [np.arange(2)]}, {"a": [object()]}], ids=["none", "empty", "array", "object"]
)
def test_a_grid_without_points_or_of_other_objects_is_refused(grid: dict[str, Any]) -> None:
    with pytest.raises(InputError, match="grid"):
        sweep(divmod_of, grid)


def test_the_number_of_jobs_must_be_positive() -> None:
    with pytest.raises(InputError, match="jobs = 0"):
        sweep(divmod_of, GRID, jobs=0)
