"""Where parts run: in this process, or in processes of their own that can be stopped when their time is up."""

import json
import os
import queue
import signal
import subprocess
import sys
import tempfile
import threading
import time
from abc import ABC, abstractmethod
from collections import deque
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any, Final, final

from etatrick.errors import shortened
from etatrick.validation.claim import Progress
from etatrick.validation.code_version import root
from etatrick.validation.worker import perform

Order = Mapping[str, Any]
THREADS: Final = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS", "NUMEXPR_NUM_THREADS")
MEMORY: Final = {"MALLOC_MMAP_THRESHOLD_": str(2**30), "MALLOC_TRIM_THRESHOLD_": str(2**32)}
"""Linux' allocator then uses freed tensors again: a step of 64 LeNets takes three quarters as long."""
START: Final = 120.0  # seconds that a process may take to import what it runs, on top of the budget
KILLED: Final = {"SIGKILL": "; the system kills a process that asks for too much memory"}


@final
@dataclass(frozen=True)
class Event:
    """News of an order: ``fraction`` done, or its ``outcome`` as :func:`etatrick.validation.worker.perform` says."""

    ticket: int
    fraction: float | None = None
    outcome: Mapping[str, Any] | None = None


class Pool(ABC):
    """Takes orders as long as a place is free and tells what becomes of them."""

    @property
    @abstractmethod
    def is_free(self) -> bool:
        """Whether another order can be taken now."""

    @abstractmethod
    def submit(self, ticket: int, order: Order) -> None:
        """Take an order, which events name by its ticket."""

    @abstractmethod
    def wait(self) -> list[Event]:
        """Return the next events, at least one; orders must be under way."""

    @abstractmethod
    def close(self) -> list[Event]:
        """Stop everything and return outcomes that had already arrived."""


@final
class InlinePool(Pool):
    """Runs each order at once in this process, on one thread as everywhere else.

    Parameters
    ----------
    run : callable, optional
        Takes an order and ``tell``; looks the part up by its origin when left out.
    progress : callable, optional
        Told the fraction done while a part runs.
    """

    def __init__(
        self,
        run: Callable[[Order, Progress], dict[str, Any]] = perform,
        progress: Callable[[int, float], None] = lambda ticket, fraction: None,
    ) -> None:
        self._run, self._progress = run, progress
        self._orders: deque[tuple[int, Order]] = deque()

    @property
    def is_free(self) -> bool:
        """Whether no order waits."""
        return not self._orders

    def submit(self, ticket: int, order: Order) -> None:
        """Take an order; it runs in :meth:`wait`."""
        self._orders.append((ticket, order))

    def wait(self) -> list[Event]:
        """Run the order."""
        ticket, order = self._orders.popleft()
        with one_thread():
            outcome = self._run(order, lambda fraction: self._progress(ticket, fraction))
        return [Event(ticket, outcome=outcome)]

    def close(self) -> list[Event]:
        """Forget orders that wait."""
        self._orders.clear()
        return []


@final
class ProcessPool(Pool):
    """Runs orders in processes that stay for the next order and are killed when an order exceeds its budget.

    Parameters
    ----------
    jobs : int
        How many processes; each starts when it is needed.
    budget : float, optional
        Seconds per order, not counting imports.
    """

    def __init__(self, jobs: int, budget: float | None = None) -> None:
        self._jobs, self._budget = jobs, budget
        self._news: queue.Queue[tuple[Process, str | None]] = queue.Queue()
        self._idle: list[Process] = []
        self._busy: dict[Process, tuple[int, float]] = {}

    @property
    def is_free(self) -> bool:
        """Whether a process has nothing to do."""
        return len(self._busy) < self._jobs

    def submit(self, ticket: int, order: Order) -> None:
        """Hand an order to an idle process, or to a new one."""
        process = self._idle.pop() if self._idle else Process(self._news)
        self._busy[process] = (ticket, time.monotonic() + (self._budget or 0.0) + START)
        process.send(order)

    def wait(self) -> list[Event]:
        """Return the next event."""
        while True:
            left = min((deadline for _, deadline in self._busy.values()), default=0.0) - time.monotonic()
            try:
                process, line = self._news.get(timeout=max(0.0, left) if self._budget is not None else None)
            except queue.Empty:
                if events := self._stop_late():
                    return events
                continue
            if (event := self._read(process, line)) is not None:
                return [event]

    def close(self) -> list[Event]:
        """Kill every process; results that had already been written are returned."""
        events = []
        with suppress(queue.Empty):
            while True:
                event = self._read(*self._news.get_nowait())
                events += [event] if event is not None and event.outcome is not None else []
        for process in (*self._idle, *self._busy):
            process.kill()
        self._idle.clear()
        self._busy.clear()
        return events

    def _read(self, process: "Process", line: str | None) -> Event | None:
        if process not in self._busy:  # killed before its last words were read, or died with nothing to do
            if line is None and process in self._idle:
                self._idle.remove(process)
                process.kill()
            return None
        ticket, _ = self._busy[process]
        if line is None:
            del self._busy[process]
            return Event(ticket, outcome={"failure": process.last_words(), "seconds": 0.0})
        news = json.loads(line)
        if "began" in news:
            self._busy[process] = (ticket, time.monotonic() + (self._budget or 0.0))
            return None
        if "fraction" in news:
            return Event(ticket, fraction=news["fraction"])
        del self._busy[process]
        self._idle.append(process)
        return Event(ticket, outcome=news)

    def _stop_late(self) -> list[Event]:
        now, events = time.monotonic(), []
        for process, (ticket, deadline) in list(self._busy.items()):
            if deadline <= now:
                process.kill()
                del self._busy[process]
                failure = f"exceeded its budget of {self._budget:g} s"
                events.append(Event(ticket, outcome={"failure": failure, "seconds": self._budget}))
        return events


@final
class Process:
    """One process that runs orders; what it writes arrives in a queue, None at its end."""

    def __init__(self, news: "queue.Queue[tuple[Process, str | None]]") -> None:
        paths = [str(root().parent), os.environ.get("PYTHONPATH", "")]
        environment = {**MEMORY, **os.environ, **dict.fromkeys(THREADS, "1"), "PYTHONHASHSEED": "0", "PYTHONUTF8": "1",
                       "PYTHONPATH": os.pathsep.join(filter(None, paths))}  # fmt: skip
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115 (closed with the process)
        self._process = subprocess.Popen(
            [sys.executable, "-P", "-m", "etatrick.validation.worker"], stdin=subprocess.PIPE, stdout=subprocess.PIPE,
            stderr=self._errors, env=environment, text=True, encoding="utf-8", start_new_session=True,
        )  # fmt: skip
        self._reader = threading.Thread(target=self._listen, args=(news,), daemon=True)
        self._reader.start()

    def send(self, order: Order) -> None:
        """Hand an order over; a process that is dead already says so through the queue."""
        assert self._process.stdin is not None
        with suppress(BrokenPipeError):
            self._process.stdin.write(json.dumps(order) + "\n")
            self._process.stdin.flush()

    def kill(self) -> None:
        """End the process and what it started, and wait for that."""
        with suppress(ProcessLookupError):
            if hasattr(os, "killpg"):
                os.killpg(self._process.pid, signal.SIGKILL)
            else:
                self._process.kill()
        self._close()

    def last_words(self) -> str:
        """Return why the process ended."""
        code = self._process.wait()
        self._errors.seek(0)
        lines = self._errors.read().decode(errors="replace").strip().splitlines()
        self._close()
        with suppress(ValueError):
            name = signal.Signals(-code).name
            return f"was killed by {name}{KILLED.get(name, '')}"
        return shortened(f"ended its process with code {code}{f': {lines[-1]}' if lines else ''}", 300)

    def _listen(self, news: "queue.Queue[tuple[Process, str | None]]") -> None:
        assert self._process.stdout is not None
        with suppress(ValueError):  # the stream is closed under it
            for line in self._process.stdout:
                if line.endswith("\n"):  # not the half line of a process that was killed while writing
                    news.put((self, line))
        news.put((self, None))

    def _close(self) -> None:
        self._process.wait()
        self._reader.join()
        for stream in (self._process.stdin, self._process.stdout, self._errors):
            if stream is not None:
                with suppress(BrokenPipeError):
                    stream.close()


@contextmanager
def one_thread() -> Iterator[None]:
    """Compute on one thread within a ``with`` statement, so that sums do not depend on how many there are."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped, unused-ignore]

    torch = sys.modules.get("torch")
    threads = torch.get_num_threads() if torch else 0
    before = {name: os.environ.get(name) for name in THREADS}
    os.environ.update(dict.fromkeys(THREADS, "1"))  # for libraries that are loaded within
    if torch:
        torch.set_num_threads(1)
    try:
        with threadpool_limits(limits=1):
            yield
    finally:
        if torch:
            torch.set_num_threads(threads)
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
