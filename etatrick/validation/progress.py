"""Telling a person how far a run is: a bar with the time left, or one line per part without a terminal."""

import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TextIO, final

from etatrick.validation.claim import Part


class _Clock:
    """Estimates the time left from the parts' stated costs and the pace so far, however many run at once."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.total = sum(part.seconds for part in parts)
        self.done = 0.0
        self.kept = 0.0
        self.began = time.monotonic()
        self.running: dict[int, tuple[Part, float]] = {}

    def start(self, part: Part) -> None:
        self.running[id(part)] = (part, 0.0)

    def advance(self, part: Part, fraction: float) -> None:
        self.running[id(part)] = (part, min(1.0, max(0.0, fraction)))

    def finish(self, part: Part, reused: bool) -> None:
        self.running.pop(id(part), None)
        self.done += part.seconds
        self.kept += part.seconds * reused

    @property
    def reached(self) -> float:
        return self.done + sum(part.seconds * fraction for part, fraction in self.running.values())

    @property
    def fraction(self) -> float:
        return min(1.0, self.reached / self.total) if self.total else 1.0

    @property
    def left(self) -> str:
        """The time left in words."""
        ran = self.reached - self.kept
        pace = (time.monotonic() - self.began) / ran if ran > 1.0 else 1.0
        seconds = max(0, round((self.total - self.reached) * pace))
        return f"about {seconds // 60} min {seconds % 60:02d} s left" if seconds >= 60 else f"about {seconds} s left"


@final
class BarWatcher:
    """A bar on a terminal; use as a context manager."""

    def __init__(self, parts: Sequence[Part], stream: TextIO) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, Progress, TextColumn

        self._clock = _Clock(parts)
        columns = (
            TextColumn("{task.fields[title]}"),
            BarColumn(),
            TextColumn("{task.percentage:>3.0f} %"),
            TextColumn("{task.fields[left]}"),
        )
        self._progress = Progress(*columns, console=Console(file=stream))
        self._task = self._progress.add_task("", total=1.0, title="starting", left="")

    def __enter__(self) -> "BarWatcher":
        self._progress.start()
        return self

    def __exit__(self, *exception: object) -> None:
        self._progress.stop()

    def start(self, part: Part) -> None:
        """Begin a part."""
        self._clock.start(part)
        self._show(part)

    def advance(self, part: Part, fraction: float) -> None:
        """Move within a part."""
        self._clock.advance(part, fraction)
        self._show(part)

    def finish(self, part: Part, *, reused: bool) -> None:
        """End a part."""
        self._clock.finish(part, reused)
        others = [other for other, _ in self._clock.running.values()]
        self._show(others[0] if others else part)

    def note(self, text: str) -> None:
        """Say a sentence above the bar."""
        self._progress.console.print(text, markup=False, highlight=False)

    def _show(self, part: Part) -> None:
        others = len(self._clock.running) - 1
        title = f"{part.title} (and {others} more)" if others > 0 else part.title
        shown = {"title": title, "left": self._clock.left}
        self._progress.update(self._task, completed=self._clock.fraction, **shown)  # type: ignore[arg-type]


@final
class LineWatcher:
    """One line per part that runs, and one for all that are kept; use as a context manager."""

    def __init__(self, parts: Sequence[Part], stream: TextIO) -> None:
        self._clock, self._stream = _Clock(parts), stream
        self._kept = 0

    def __enter__(self) -> "LineWatcher":
        return self

    def __exit__(self, *exception: object) -> None:
        if self._kept:
            self.note(f"{self._kept} parts are kept from an earlier run")
        self._stream.flush()

    def start(self, part: Part) -> None:
        """Begin a part."""
        self._clock.start(part)

    def advance(self, part: Part, fraction: float) -> None:
        """Move within a part."""
        self._clock.advance(part, fraction)

    def finish(self, part: Part, *, reused: bool) -> None:
        """End a part."""
        self._clock.finish(part, reused)
        if reused:
            self._kept += 1
        else:
            self.note(f"[{round(100 * self._clock.fraction):3d} %, {self._clock.left}] {part.title}")

    def note(self, text: str) -> None:
        """Say a sentence."""
        print(text, file=self._stream, flush=True)


@contextmanager
def watching(parts: Sequence[Part], stream: TextIO) -> Iterator[BarWatcher | LineWatcher]:
    """Tell how far a run is, by a bar on a terminal and by lines elsewhere.

    Parameters
    ----------
    parts : sequence of Part
        All parts of the run.
    stream : text stream
        Usually standard error.
    """
    with (BarWatcher if stream.isatty() else LineWatcher)(parts, stream) as watcher:
        yield watcher
