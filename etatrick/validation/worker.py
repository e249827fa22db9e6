"""A process of its own for parts: reads one JSON order per line, writes what becomes of it, one JSON line each."""

import contextlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, TextIO

from etatrick.errors import shortened
from etatrick.validation.claim import Finished, Progress, Setting

PAUSE: Final = 0.2  # seconds between two notices of progress


def perform(order: Mapping[str, Any], tell: Progress) -> dict[str, Any]:
    """Run one part and return what became of it, whatever it raises.

    Parameters
    ----------
    order : mapping
        ``origin``, ``subject``, ``part``, ``level``, ``device``, ``data``, and ``finished``, the results it needs.
    tell : callable
        Takes the fraction done.

    Returns
    -------
    dict
        ``result`` (plain JSON data) or ``failure`` (a sentence without its subject), and ``seconds``.

    Examples
    --------
    >>> order = {"origin": ["ledger"], "subject": "nobody/nothing", "part": "", "level": "quick", "device": "cpu"}
    >>> perform(order, print)["failure"]
    'raised KeyError: nobody/nothing'
    """
    from etatrick.validation.subjects import subjects_of

    try:
        part = subjects_of(tuple(order["origin"]))[order["subject"]].part(order["part"])
    except Exception as error:
        return {"failure": sentence(error), "seconds": 0.0}
    return attempt(part.run, order, tell)


def attempt(work: Callable[[Any], Any], order: Mapping[str, Any], tell: Progress) -> dict[str, Any]:
    """Run the callable of a part as :func:`perform` does."""
    began = time.perf_counter()
    outcome: dict[str, Any]
    try:
        setting = Setting(order["level"], order["device"], tell, Finished(order["finished"]), order["data"])
        outcome = {"result": json.loads(json.dumps(work(setting)))}
        if not isinstance(outcome["result"], dict):
            raise TypeError(f"the part returned {type(outcome['result']).__name__}, not a dict")
    except (Exception, SystemExit) as error:
        outcome = {"failure": sentence(error)}
    return {**outcome, "seconds": round(time.perf_counter() - began, 3)}


def sentence(error: BaseException) -> str:
    """Return what an exception says, on one line, such as ``raised ValueError: no``."""
    text = error.args[0] if isinstance(error, KeyError) and error.args else error
    return shortened(f"raised {type(error).__name__}: {text}".rstrip(": "), 300)


def main() -> None:
    """Serve orders from standard input until it ends, which it does when the parent dies."""
    replies = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)  # what a part prints must not mix with the replies
    orders = os.fdopen(os.dup(0), encoding="utf-8")
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    inbox: list[str] = []
    arrived = threading.Semaphore(0)

    def listen() -> None:
        for line in orders:
            inbox.append(line)
            arrived.release()
        _end()

    threading.Thread(target=listen, daemon=True).start()
    with contextlib.suppress(BrokenPipeError):
        while True:
            arrived.acquire()
            _serve(json.loads(inbox.pop(0)), replies)


def _serve(order: Mapping[str, Any], replies: TextIO) -> None:
    from etatrick.validation.subjects import subjects_of

    last = 0.0

    def tell(fraction: float) -> None:
        nonlocal last
        if time.monotonic() - last > PAUSE:
            last = time.monotonic()
            _write(replies, {"fraction": float(fraction)})

    with contextlib.suppress(Exception):  # perform reports it
        subjects_of(tuple(order["origin"]))
    _write(replies, {"began": True})
    if "torch" in sys.modules:
        sys.modules["torch"].set_num_threads(1)
    _write(replies, perform(order, tell))


def _write(replies: TextIO, content: Mapping[str, Any]) -> None:
    replies.write(json.dumps(content) + "\n")
    replies.flush()


def _end() -> None:
    """End with every process that a part started: this one leads its own session."""
    if hasattr(os, "killpg") and os.getpgrp() == os.getpid():
        os.killpg(0, signal.SIGKILL)
    os._exit(1)


if __name__ == "__main__":
    main()
