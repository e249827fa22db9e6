"""Running parts where joblib's loky, Dask or Ray places them; budgets and crashes stay with a process of ours there."""

import os
import queue
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future
from functools import partial
from typing import Any, Final, final

from etatrick.errors import InputError
from etatrick.validation.claim import Progress
from etatrick.validation.pools import Event, InlinePool, Order, Pool, ProcessPool
from etatrick.validation.subjects import Subject
from etatrick.validation.worker import attempt

BACKENDS: Final = ("processes", "loky", "dask", "ray")
Submit = Callable[[Order, float | None], "Future[dict[str, Any]]"]


def open_pool(
    backend: str,
    jobs: int,
    budget: float | None,
    progress: Callable[[int, float], None],
    subjects: Sequence[Subject] = (),
) -> Pool:
    """Return a pool.

    Parameters
    ----------
    backend : {"processes", "loky", "dask", "ray"}
        Who starts the processes. ``dask`` joins the cluster whose address ``DASK_SCHEDULER_ADDRESS`` names, otherwise
        it starts one here; likewise ``ray`` with ``RAY_ADDRESS``.
    jobs : int
        How many parts run at once. One job of "processes" without a budget runs in this process.
    budget : float or None
        Seconds per part.
    progress : callable
        Told ticket and fraction done by parts that run in this process.
    subjects : sequence of Subject
        What will run: in this process they need no place where another one could find them.

    Raises
    ------
    InputError
        If a number is out of range, or the backend is unknown or not installed.

    Examples
    --------
    >>> type(open_pool("processes", 1, None, print)).__name__
    'InlinePool'
    """
    if jobs < 1:
        raise InputError(f"jobs = {jobs}", "must be a whole number ≥ 1", "pass --jobs 2, say")
    if budget is not None and not 0 < budget < float("inf"):
        raise InputError(f"budget = {budget}", "must be a number of seconds > 0", "pass --budget 60, say")
    if backend == "processes":
        in_process = jobs == 1 and budget is None
        return InlinePool(partial(_perform_here, subjects), progress) if in_process else ProcessPool(jobs, budget)
    starters = {"loky": _loky, "dask": _dask, "ray": _ray}
    if backend not in starters:
        raise InputError(f"backend = {backend}", "is not known", f"choose one of: {', '.join(BACKENDS)}")
    try:
        submit, end = starters[backend](jobs)
    except ImportError:
        package = {"dask": "dask[distributed]"}.get(backend, backend)
        remedy = f"install it (pip install '{package}') or use --backend processes"
        raise InputError(f"backend {backend}", "is not installed here", remedy) from None
    return FuturesPool(submit, end, jobs, budget)


def _perform_here(subjects: Sequence[Subject], order: Order, tell: Progress) -> dict[str, Any]:
    found = next(subject for subject in subjects if subject.id == order["subject"])
    return attempt(found.part(order["part"]).run, order, tell)


@final
class FuturesPool(Pool):
    """Runs orders through anything that returns a :class:`concurrent.futures.Future` for one.

    Parameters
    ----------
    submit : callable
        Takes an order and a budget.
    end : callable
        Shuts the backend down.
    jobs : int
    budget : float or None
    """

    def __init__(self, submit: Submit, end: Callable[[], object], jobs: int, budget: float | None) -> None:
        self._submit, self._end, self._jobs, self._budget = submit, end, jobs, budget
        self._done: queue.Queue[tuple[int, Future[dict[str, Any]]]] = queue.Queue()
        self._under_way = 0

    @property
    def is_free(self) -> bool:
        """Whether fewer orders are under way than jobs were asked for."""
        return self._under_way < self._jobs

    def submit(self, ticket: int, order: Order) -> None:
        """Hand an order to the backend."""
        self._under_way += 1
        future = self._submit(order, self._budget)
        future.add_done_callback(lambda done: self._done.put((ticket, done)))

    def wait(self) -> list[Event]:
        """Return the next outcome."""
        return [self._event(*self._done.get())]

    def close(self) -> list[Event]:
        """Shut the backend down; outcomes that had arrived are returned."""
        events = []
        while not self._done.empty():
            events.append(self._event(*self._done.get()))
        self._end()
        return events

    def _event(self, ticket: int, done: "Future[dict[str, Any]]") -> Event:
        self._under_way -= 1
        try:
            return Event(ticket, outcome=done.result())
        except Exception as error:  # the backend's own failure, a lost machine say
            failure = f"was lost by the backend ({type(error).__name__}: {error})"
            return Event(ticket, outcome={"failure": failure, "seconds": 0.0})


_HERE: Final = threading.local()  # a process for each thread of a backend's worker


def perform_there(order: Order, budget: float | None) -> dict[str, Any]:
    """Run an order in a process of its own, which stays for the next one; called wherever the backend runs it.

    Examples
    --------
    >>> order = {"origin": ["ledger"], "subject": "nobody/nothing", "part": "", "level": "quick", "device": "cpu"}
    >>> perform_there(order, None)["failure"]
    'raised KeyError: nobody/nothing'
    """
    pools: dict[float | None, ProcessPool] = vars(_HERE).setdefault("pools", {})
    pool = pools.setdefault(budget, ProcessPool(1, budget))
    pool.submit(0, order)
    while True:
        for event in pool.wait():
            if event.outcome is not None:
                return dict(event.outcome)


def _loky(jobs: int) -> tuple[Submit, Callable[[], object]]:
    from joblib.externals.loky import get_reusable_executor  # type: ignore[import-untyped, unused-ignore]

    executor = get_reusable_executor(max_workers=jobs, timeout=60)

    def submit(order: Order, budget: float | None) -> "Future[dict[str, Any]]":
        found: Future[dict[str, Any]] = executor.submit(perform_there, order, budget)
        return found

    return submit, lambda: executor.shutdown(wait=True, kill_workers=True)


def _dask(jobs: int) -> tuple[Submit, Callable[[], object]]:
    from distributed import Client

    local = {"n_workers": jobs, "threads_per_worker": 1, "processes": True, "dashboard_address": None}
    connect: Any = Client
    client = connect(**({} if os.environ.get("DASK_SCHEDULER_ADDRESS") else local))
    executor = client.get_executor(pure=False)
    return lambda order, budget: executor.submit(perform_there, order, budget), client.close


def _ray(jobs: int) -> tuple[Submit, Callable[[], object]]:
    import ray  # type: ignore[import-not-found, import-untyped, unused-ignore]

    ray.init(address=os.environ.get("RAY_ADDRESS"), num_cpus=None if os.environ.get("RAY_ADDRESS") else jobs)
    remote = ray.remote(perform_there)
    return lambda order, budget: remote.remote(order, budget).future(), ray.shutdown
