"""`sweep`: one function at every point of a grid, in parallel through joblib; results are kept as they finish."""

import hashlib
import itertools
import json
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from etatrick.errors import InputError, shortened

if TYPE_CHECKING:
    from etatrick.validation.store import DirectoryStore

BACKENDS: Final = {"loky": "joblib", "threading": "joblib", "dask": "distributed", "ray": "ray"}


@final
@dataclass(frozen=True)
class SweepResult:
    """What the function returned at one point, or why it failed there.

    Parameters
    ----------
    point : dict
        The function's arguments.
    result : dict or None
        What it returned; None when it failed.
    failure : str
        The error's type and text, and its traceback; empty when there is none.
    reused : bool
        Whether the result was found in the store.
    """

    point: dict[str, Any]
    result: dict[str, Any] | None
    failure: str = ""
    reused: bool = False


def sweep(
    function: Callable[..., dict[str, Any]],
    grid: Mapping[str, Sequence[Any]],
    *,
    backend: str = "loky",
    jobs: int = 2,
    store: "DirectoryStore | None" = None,
    progress: Callable[[float], None] = lambda fraction: None,
) -> list[SweepResult]:
    """Call a function at every point of a grid, several at once, on this machine or on a cluster.

    Each result is stored when it arrives, so that a sweep that was killed, or failed at some points, goes on with what
    is missing. A failure is that point's result and does not end the sweep; failures are tried again next time.

    Parameters
    ----------
    function : callable
        Takes the grid's names as keywords and returns JSON-ready data (a dict). Other processes import it, so it is
        defined at the top level of a module.
    grid : mapping of str to sequence
        JSON-ready values; points are their product, the last name varying fastest.
    backend : {"loky", "threading", "dask", "ray"}
        What runs the calls. ``dask`` uses the current ``distributed.Client``, or starts one on this machine.
    jobs : int
        Calls at a time, ≥ 1.
    store : DirectoryStore, optional
        Keeps results by function and point, for the same version of this package.
    progress : callable
        Called with the fraction of points done.

    Returns
    -------
    list of SweepResult
        In the order of the grid.

    Raises
    ------
    InputError
        If the backend is unknown or not installed, the grid is empty or not JSON-ready, jobs < 1, or the function is
        a lambda, a local function or a partial.

    Examples
    --------
    >>> found = sweep(divmod_of, {"a": [7, 8], "b": [2, 0]}, backend="threading")
    >>> [result.result for result in found]
    [{'quotient': 3, 'rest': 1}, None, {'quotient': 4, 'rest': 0}, None]
    >>> found[1].failure.splitlines()[0]
    'ZeroDivisionError: integer division or modulo by zero'
    """
    points = _points(grid)
    if not (isinstance(jobs, int) and jobs >= 1):
        raise InputError(f"jobs = {jobs}", "must be an integer ≥ 1", "choose e.g. jobs=2")
    name = _name(function)
    kept = [None if store is None else store.load(_key(name, point)) for point in points]
    found = {k: SweepResult(points[k], r["result"], reused=True) for k, r in enumerate(kept) if r is not None}
    progress(len(found) / len(points))
    with _parallel(backend, jobs) as parallel:
        from joblib import delayed

        left = [k for k in range(len(points)) if k not in found]
        for k, result, failure in parallel(delayed(_call)(k, function, points[k]) for k in left):
            if store is not None and not failure:
                store.save(_key(name, points[k]), {"point": points[k], "result": result})
            found[k] = SweepResult(points[k], result, failure)
            progress(len(found) / len(points))
    return [found[k] for k in range(len(points))]


def divmod_of(a: int, b: int) -> dict[str, Any]:
    """Return quotient and rest: what the example of :func:`sweep` calls.

    Examples
    --------
    >>> divmod_of(7, 2)
    {'quotient': 3, 'rest': 1}
    """
    quotient, rest = divmod(a, b)
    return {"quotient": quotient, "rest": rest}


def _points(grid: Mapping[str, Sequence[Any]]) -> list[dict[str, Any]]:
    points = [dict(zip(grid, values, strict=True)) for values in itertools.product(*grid.values())]
    if not grid or not points:
        raise InputError(f"grid = {dict(grid)}", "has no point", 'pass e.g. {"lam": [1e-3, 1e-2]}')
    try:
        json.dumps(points)
    except (TypeError, ValueError) as error:
        raise InputError("grid", f"its values must be JSON-ready ({error})", "pass numbers and strings") from None
    return points


def _name(function: Callable[..., Any]) -> str:
    """Return where other processes import the function from; its results are stored under this name."""
    name = getattr(function, "__qualname__", type(function).__name__ + "(…)")
    if "<" in name or "(" in name or not callable(function):
        rule = "is not defined at the top level of a module, where other processes could import it"
        raise InputError(name, rule, "write it as a plain function and put what it needs in the grid")
    return f"{function.__module__}.{name}"


def _key(name: str, point: Mapping[str, Any]) -> tuple[str, ...]:
    return ("sweep", name, hashlib.sha256(json.dumps(point, sort_keys=True).encode()).hexdigest()[:16])


def _call(
    index: int, function: Callable[..., dict[str, Any]], point: dict[str, Any]
) -> tuple[int, dict[str, Any] | None, str]:
    """Run one point wherever the backend put it; errors come back as text, which always travels."""
    try:
        result = function(**point)
        json.dumps(result)
    except Exception as error:
        last = "".join(traceback.format_exception(error)[-6:])
        return index, None, f"{type(error).__name__}: {shortened(str(error))}\n{last}"
    return index, result, ""


@contextmanager
def _parallel(backend: str, jobs: int) -> "Iterator[Callable[..., Any]]":
    """Open a joblib pool whose results come as they finish."""
    if backend not in BACKENDS:
        raise InputError(f"backend = {backend}", "is no backend", f"choose one of {', '.join(BACKENDS)}")
    try:
        import joblib

        __import__(BACKENDS[backend])
    except ImportError:
        package = BACKENDS[backend] if backend != "dask" else "dask[distributed]"
        remedy = f"install {package}, or choose backend='loky'"
        raise InputError(f"backend = {backend}", f"needs the package {BACKENDS[backend]}", remedy) from None
    with _cluster(backend, jobs), joblib.parallel_config(backend=backend):
        yield joblib.Parallel(n_jobs=jobs, return_as="generator_unordered")


@contextmanager
def _cluster(backend: str, jobs: int) -> "Iterator[None]":
    """Give Dask a client and Ray its joblib backend; the other backends need nothing."""
    if backend == "ray":
        from ray.util.joblib import register_ray

        register_ray()
    if backend != "dask":
        yield
        return
    from distributed import Client, get_client

    try:
        get_client()
        client = None
    except ValueError:
        client = Client(n_workers=jobs, threads_per_worker=1, dashboard_address=None)
    try:
        yield
    finally:
        if client is not None:
            client.close()
