"""The time budget: it stops work that will not stop itself, nests, and leaves no alarm behind."""

import gc
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from functools import partial

import pytest

from etatrick.theory import Duality, derive
from etatrick.theory.budget import OutOfTimeError, attempt, budget


@pytest.fixture(autouse=True)
def no_alarm_left_behind() -> Iterator[None]:
    """After every test the timer is off and the handler is the one from before."""
    before = signal.getsignal(signal.SIGALRM)
    yield
    assert signal.getitimer(signal.ITIMER_REAL)[0] == 0.0
    assert signal.getsignal(signal.SIGALRM) is before


def spin(seconds: float = 5.0) -> None:
    """Work for a while, as symbolic code does: in Python, with a broad handler in every round."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        try:
            sum(range(200))
        except Exception:
            continue


def test_work_within_the_budget_is_left_alone() -> None:
    with budget(5.0):
        total = sum(range(1000))
    assert total == 499500


def test_work_past_the_budget_is_stopped() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTimeError), budget(0.1):
        spin()
    assert time.monotonic() - began < 1.0


def test_a_broad_handler_does_not_swallow_the_alarm() -> None:
    assert not issubclass(OutOfTimeError, Exception)
    with pytest.raises(OutOfTimeError), budget(0.1):
        spin()


def test_a_handler_that_swallows_everything_meets_the_next_alarm() -> None:
    swallowed = 0
    began = time.monotonic()

    def stubborn() -> None:
        nonlocal swallowed
        while time.monotonic() - began < 5.0:
            try:
                spin(1.0)
            except BaseException:
                swallowed += 1
                if swallowed == 2:
                    raise

    with pytest.raises(OutOfTimeError), budget(0.1):
        stubborn()
    assert swallowed == 2
    assert time.monotonic() - began < 2.0


@pytest.mark.parametrize("seconds", [0.0, -1.0])
def test_no_time_left_runs_nothing(seconds: float) -> None:
    ran = False
    with pytest.raises(OutOfTimeError), budget(seconds):
        ran = True
    assert not ran


def test_an_inner_budget_ends_first_and_the_outer_goes_on() -> None:
    began = time.monotonic()

    def both() -> None:
        with pytest.raises(OutOfTimeError), budget(0.1):
            spin()
        assert time.monotonic() - began < 0.35
        spin()

    with pytest.raises(OutOfTimeError), budget(0.4):
        both()
    assert 0.35 < time.monotonic() - began < 1.2


def test_an_outer_budget_cuts_a_longer_inner_one() -> None:
    began = time.monotonic()
    with pytest.raises(OutOfTimeError), budget(0.1), budget(10.0):
        spin()
    assert time.monotonic() - began < 1.0


def test_the_outer_alarm_still_rings_when_the_inner_swallowed_its_own() -> None:
    began = time.monotonic()

    def outer() -> None:
        with budget(0.2):
            with suppress(OutOfTimeError), budget(10.0):  # a caller that goes on with numbers
                spin()
            spin()

    with pytest.raises(OutOfTimeError):
        outer()
    assert time.monotonic() - began < 1.0


def test_three_levels() -> None:
    began = time.monotonic()
    with suppress(OutOfTimeError), budget(0.3):
        for _ in range(100):  # goes on when a step is cut, as `derive` does with the steps that remain
            with suppress(OutOfTimeError), budget(0.2), budget(0.05):
                spin()
    assert 0.2 < time.monotonic() - began < 1.2


def test_many_short_budgets_leak_nothing() -> None:
    for _ in range(2000):
        with budget(1.0):
            pass


def test_alarms_right_at_the_end_leak_nothing() -> None:
    for k in range(200):
        with suppress(OutOfTimeError), budget(1e-4 + 1e-6 * k):
            time.sleep(1e-4)
    time.sleep(0.25)


def test_errors_of_the_work_pass_through() -> None:
    with pytest.raises(KeyError), budget(5.0):
        raise KeyError("x")


def in_thread(work: Callable[[], object]) -> list[object]:
    """Run `work` in a thread of its own and return what it returned or raised."""
    results: list[object] = []

    def run() -> None:
        try:
            results.append(work())
        except BaseException as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join(20.0)
    assert not thread.is_alive()
    return results


def test_work_in_another_thread_is_stopped_too() -> None:
    began = time.monotonic()
    assert in_thread(lambda: attempt(0.1, spin)) == [(None, "out of time")]
    assert time.monotonic() - began < 2.0


def test_budgets_nest_in_another_thread() -> None:
    inner = in_thread(lambda: attempt(10.0, lambda: (attempt(0.1, spin), attempt(10.0, lambda: 2))))
    assert inner == [(((None, "out of time"), (2, "")), "")]
    outer = in_thread(lambda: attempt(0.2, lambda: attempt(10.0, spin)))
    assert outer == [(None, "out of time")]


def test_nothing_is_raised_after_work_in_another_thread() -> None:
    """A timer that rings at the very end must not hit what comes next."""

    def many() -> int:
        count = 0
        for k in range(60):
            with suppress(OutOfTimeError), budget(0.0005 * (1 + k % 5)):
                sum(range(20000))
            count += 1
        return count

    assert in_thread(many) == [60]


def test_derive_is_bounded_in_another_thread() -> None:
    began = time.monotonic()
    (found,) = in_thread(lambda: derive(eta_hat="exp(w)*w + log(1+w)", time_limit=0.4))
    assert isinstance(found, Duality)
    assert time.monotonic() - began < 5.0


@pytest.mark.parametrize("run", [in_thread, lambda work: [work()]], ids=["another thread", "this thread"])
def test_nothing_is_raised_in_callbacks_of_the_collector(
    run: Callable[[Callable[[], object]], list[object]], monkeypatch: pytest.MonkeyPatch
) -> None:
    """There it would be lost, and reported as an error that nobody handles."""
    lost: list[object] = []
    monkeypatch.setattr(sys, "unraisablehook", lost.append)

    def slow(phase: str, info: dict[str, int]) -> None:
        end = time.monotonic() + 0.01
        while time.monotonic() < end:
            pass

    def collect() -> None:
        end = time.monotonic() + 5.0
        while time.monotonic() < end:
            gc.collect(0)
            sum(range(500_000))

    gc.callbacks.append(slow)
    try:
        for seconds in (0.05 + 0.003 * k for k in range(12)):  # alarms that fall into callbacks, and between them
            assert run(partial(attempt, seconds, collect)) == [(None, "out of time")]
    finally:
        gc.callbacks.remove(slow)
    assert not lost


def test_a_foreign_alarm_handler_is_restored() -> None:
    rung: list[int] = []
    previous = signal.signal(signal.SIGALRM, lambda number, frame: rung.append(number))
    try:
        signal.setitimer(signal.ITIMER_REAL, 0.2)
        with budget(5.0):
            time.sleep(0.01)
        time.sleep(0.3)
        assert rung
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0.0)
        signal.signal(signal.SIGALRM, previous)
