"""A time budget for symbolic work: past it the work stops and the caller goes on with numbers."""

import signal
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType
from typing import TypeVar

T = TypeVar("T")

AGAIN = 0.2  # seconds after which the alarm rings again, should a handler have swallowed it
MARGIN = 0.02  # seconds by which an alarm may ring early


class OutOfTimeError(BaseException):
    """The budget was used up before the symbolic step ended.

    Not an ``Exception``, so that a broad handler inside the symbolic library cannot swallow it.
    """


@contextmanager
def budget(seconds: float) -> Iterator[None]:
    """Stop the enclosed symbolic work after `seconds` of wall time.

    The limit acts in the main thread on systems with interval timers; elsewhere the work runs unbounded,
    because Python offers no way to interrupt another thread.

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
        yield
        return

    over = False

    def stop(signum: int, frame: FrameType | None) -> None:
        if not over and not _in_finaliser(frame):  # an exception raised there would be lost; the alarm rings again
            raise OutOfTimeError

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


def _in_finaliser(frame: FrameType | None) -> bool:
    """Tell whether the interrupted code runs within a garbage collector's callback or a finaliser."""
    while frame is not None:
        if frame.f_code.co_name in ("gc_callback", "__del__"):
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
