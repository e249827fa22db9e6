"""A time budget for symbolic work: past it the work stops and the caller goes on with numbers."""

import ctypes
import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import cache
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

AGAIN = 0.2  # seconds after which the alarm rings again, should a handler have swallowed it
TICK = 0.005  # seconds between two looks at the clock for other threads, and until an alarm rings after a finaliser
MARGIN = 0.02  # seconds by which an alarm may ring early
WEAK = ("weakref.py", "_weakrefset.py")  # whose callbacks lose what is raised in them


class OutOfTimeError(BaseException):
    """The budget was used up before the symbolic step ended.

    Not an ``Exception``, so that a broad handler inside the symbolic library cannot swallow it.
    """


@contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Stop the enclosed symbolic work after `seconds` of wall time.

    In the main thread of systems with interval timers an alarm interrupts the work; in other threads a timer has the
    interpreter raise the error there. Both act between two steps of the interpreter, so within compiled code only
    once it returns.

    Parameters
    ----------
    seconds : float
        The time allowed, in seconds; not positive means that no time is left.

    Raises
    ------
    OutOfTimeError
        When the time is up.

    Examples
    --------
    >>> with budget(5.0):
    ...     1 + 1
    2
    """
    if seconds <= 0:
        raise OutOfTimeError
    if threading.current_thread() is not threading.main_thread() or not hasattr(signal, "setitimer"):
        with _raised_in_this_thread(seconds):
            yield
        return

    over = False

    def stop(signum: int, frame: FrameType | None) -> None:
        if over:
            return
        if not _in_finaliser(frame):
            raise OutOfTimeError
        signal.setitimer(signal.ITIMER_REAL, TICK, AGAIN)  # what is raised there would be lost

    began = time.monotonic()
    outer, _ = signal.getitimer(signal.ITIMER_REAL)
    previous = signal.signal(signal.SIGALRM, stop)
    try:
        try:
            signal.setitimer(signal.ITIMER_REAL, min(seconds, outer) if outer else seconds, AGAIN)
            yield
        finally:
            over = True
    finally:  # twice, because the alarm may ring on entering the first
        over = True
        # an enclosing budget goes on running with what is left of it
        left = max(outer - (time.monotonic() - began), 1e-3) if outer else 0.0
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
        signal.setitimer(signal.ITIMER_REAL, left, AGAIN)


_registered: dict[object, tuple[int, float]] = {}  # what must end when, by thread
_lock, _wake = threading.Lock(), threading.Event()


@contextmanager
def _raised_in_this_thread(seconds: float) -> Iterator[None]:
    """Have the watch raise OutOfTimeError in this thread after `seconds`, and again should it be swallowed."""
    token = object()
    try:
        _registered[token] = (threading.get_ident(), time.monotonic() + seconds)
        _start_watch()
        _wake.set()
        yield
    finally:
        while token in _registered:
            with suppress(OutOfTimeError), _lock:  # from here on nothing is raised; what is pending is withdrawn
                _registered.pop(token, None)
                _raise_in(threading.get_ident(), None)


def _raise_in(thread: int, error: type[BaseException] | None) -> None:
    ctypes.pythonapi.PyThreadState_SetAsyncExc(ctypes.c_ulong(thread), error and ctypes.py_object(error))


@cache
def _start_watch() -> None:
    threading.Thread(target=_watch, name="etatrick-budgets", daemon=True).start()


def _watch() -> None:
    """Look every few milliseconds for work in other threads whose time is up."""
    while _wake.wait():
        _wake.clear()
        while _registered:
            time.sleep(TICK)
            with _lock:
                for token, (thread, deadline) in list(_registered.items()):
                    if time.monotonic() >= deadline and not _in_finaliser(sys._current_frames().get(thread)):
                        _registered[token] = (thread, time.monotonic() + AGAIN)
                        _raise_in(thread, OutOfTimeError)


def _in_finaliser(frame: FrameType | None) -> bool:
    """Tell whether the interrupted code is a callback of the collector or of weak references, or a finaliser."""
    of_the_collector = {getattr(callback, "__code__", None) for callback in gc.callbacks}
    while frame is not None:
        code = frame.f_code
        if code in of_the_collector or code.co_name == "__del__" or code.co_filename.endswith(WEAK):
            return True
        frame = frame.f_back
    return False


def attempt(seconds: float, compute: Callable[[], T]) -> tuple[T | None, str]:
    """Try symbolic work that may run out of time or defeat the symbolic library.

    Parameters
    ----------
    seconds : float
        The time allowed.
    compute : callable
        The work.

    Returns
    -------
    result : object or None
    reason : str
        Empty if the work was done, otherwise why not.

    Raises
    ------
    OutOfTimeError
        If an enclosing budget is used up first.

    Examples
    --------
    >>> attempt(5.0, lambda: 1 + 1)
    (2, '')
    >>> attempt(5.0, lambda: 1 / 0)
    (None, 'the symbolic library gave up (ZeroDivisionError)')
    """
    began = time.monotonic()
    try:
        with budget(seconds):
            return compute(), ""
    except OutOfTimeError:
        # what sympy was deducing when it was interrupted must not be remembered as undecidable
        from sympy.core.cache import clear_cache

        clear_cache()
        if time.monotonic() - began < seconds - MARGIN:  # not this budget but an enclosing one is used up
            raise
        return None, "out of time"
    except (
        ArithmeticError,
        AttributeError,
        LookupError,
        NotImplementedError,
        RecursionError,
        TypeError,
        ValueError,
    ) as e:
        # on expressions beyond its reach sympy raises any of these
        return None, f"the symbolic library gave up ({type(e).__name__})"
