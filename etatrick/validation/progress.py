"""Telling a person how far a verification is: a bar with the time left, or one line per part without a terminal."""

import time
from collections.abc import Sequence
from typing import TextIO, final

from etatrick.validation.claim import Part


class _Clock:
    """Estimates the time left from the parts' stated costs and the pace of those that really ran."""

    def __init__(self, parts: Sequence[Part]) -> None:
        self.total = sum(part.seconds for part in parts)
        self.done = self.ran = self.spent = 0.0
        self.began = time.monotonic()
        self.current = 0.0

    def start(self) -> None:
        self.began, self.current = time.monotonic(), 0.0

    def finish(self, part: Part, reused: bool) -> None:
        self.done += part.seconds
        self.current = 0.0
        if not reused:
            self.ran += part.seconds
            self.spent += time.monotonic() - self.began

    def fraction(self, part: Part | None = None) -> float:
        extra = part.seconds * self.current if part else 0.0
        return min(1.0, (self.done + extra) / self.total) if self.total else 1.0

    def left(self, part: Part) -> str:
        """Return the time left in words."""
        ran = self.ran + part.seconds * self.current
        spent = self.spent + time.monotonic() - self.began
        pace = spent / ran if ran > 1.0 else 1.0
        seconds = max(0, round((self.total - self.done - part.seconds * self.current) * pace))
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
        self._clock.start()
        self._show(part)

    def advance(self, part: Part, fraction: float) -> None:
        """Move within a part."""
        self._clock.current = fraction
        self._show(part)

    def finish(self, part: Part, *, reused: bool) -> None:
        """End a part."""
        self._clock.finish(part, reused)
        self._progress.update(self._task, completed=self._clock.fraction())

    def _show(self, part: Part) -> None:
        shown = {"title": part.title, "left": self._clock.left(part)}
        self._progress.update(self._task, completed=self._clock.fraction(part), **shown)  # type: ignore[arg-type]


@final
class LineWatcher:
    """One line per part; use as a context manager."""

    def __init__(self, parts: Sequence[Part], stream: TextIO) -> None:
        self._clock, self._stream = _Clock(parts), stream

    def __enter__(self) -> "LineWatcher":
        return self

    def __exit__(self, *exception: object) -> None:
        self._stream.flush()

    def start(self, part: Part) -> None:
        """Begin a part."""
        self._clock.start()
        percent = round(100 * self._clock.fraction())
        print(f"[{percent:3d} %, {self._clock.left(part)}] {part.title}", file=self._stream, flush=True)

    def advance(self, part: Part, fraction: float) -> None:
        """Move within a part."""
        self._clock.current = fraction

    def finish(self, part: Part, *, reused: bool) -> None:
        """End a part."""
        self._clock.finish(part, reused)
        if reused:
            print("        kept from an earlier run", file=self._stream, flush=True)
