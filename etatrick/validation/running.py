"""Running the parts of many claims: side by side unless one needs another, each kept as it finishes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, final

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Finished, Level, Part, Results, Route, Watcher
from etatrick.validation.code_version import code_version, digest, read_graph, write_graph
from etatrick.validation.evidence import Finding
from etatrick.validation.pools import Event, Pool
from etatrick.validation.store import DirectoryStore
from etatrick.validation.subjects import Subject
from etatrick.validation.worker import sentence

FAILED: Final = "not finished"
GRAPH: Final = "imports.graph"


class Observer(Watcher, Protocol):
    """A watcher that is also told what a person should know."""

    def note(self, text: str) -> None:
        """Say one sentence."""


@final
@dataclass(frozen=True)
class Effort:
    """How every part of a run is run: level, torch device, and a folder of data files (empty for the default)."""

    level: Level = "quick"
    device: str = "cpu"
    data: str = ""


@final
@dataclass(frozen=True)
class RouteOutcome:
    """What became of a route: its parts' results and seconds, and the sentence on the part that failed, if any."""

    results: Mapping[str, dict[str, Any]]
    seconds: Mapping[str, float]
    failure: str = ""

    def conclude(self, route: Route | Absent) -> Finding:
        """Return the route's finding, *unknown* with the reason if a part or the conclusion itself failed."""
        if self.failure:
            return Finding("unknown", FAILED, summary=self.failure)
        try:
            return route.conclude(self.results)
        except Exception as error:
            return Finding("unknown", FAILED, summary=f"Drawing the conclusion {sentence(error)}.")


@dataclass(eq=False)
class _Course:
    """A route under way: what its parts gave, and which of them wait for others."""

    subject: Subject
    column: str
    parts: tuple[Part, ...]
    waiting: list[Part] = field(init=False)
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failures: dict[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.waiting = list(self.parts)

    def released(self) -> list[Part]:
        """Take those that wait for nothing any more; what needs a part that failed waits for ever."""
        free = [part for part in self.waiting if self.results.keys() >= set(part.needs)]
        self.waiting = [part for part in self.waiting if part not in free]
        return free

    def cost(self, part: Part) -> float:
        """Return the seconds of a part and of the longest line of parts that wait for it."""
        return part.seconds + max((self.cost(other) for other in self.parts if part.name in other.needs), default=0.0)

    @property
    def outcome(self) -> RouteOutcome:
        """What became of the route, in the order of its parts, whichever ended first."""
        names = [part.name for part in self.parts]
        results = {name: self.results[name] for name in names if name in self.results}
        seconds = {name: self.seconds[name] for name in names if name in self.seconds}
        failure = next((self.failures[name] for name in names if name in self.failures), "")
        return RouteOutcome(results, seconds, failure)


@dataclass(eq=False)
class _Job:
    """A part that can run: the results it needs, and its key and version as they are before it runs."""

    course: _Course
    part: Part
    finished: Finished
    key: tuple[str, ...]
    version: str

    def __post_init__(self) -> None:
        self.cost = self.course.cost(self.part)
        title = f"{self.course.subject.id}: {self.part.title}"  # for people who follow many claims at once
        self.shown = replace(self.part, title=title)


@final
class Runner:
    """Settles the parts of subjects, reusing what is kept.

    Parameters
    ----------
    store : DirectoryStore
        Where every part is kept as soon as it is finished.
    effort : Effort
    watcher : Observer
    fresh : bool
        Whether kept results are replaced instead of used.
    """

    def __init__(self, store: DirectoryStore, effort: Effort, watcher: Observer, *, fresh: bool = False) -> None:
        self._store, self._effort, self._watcher, self._fresh = store, effort, watcher, fresh
        self._under_way: dict[int, _Job] = {}
        self._noted = 0

    def run(self, subjects: Sequence[Subject], pool: Pool) -> dict[tuple[str, str], RouteOutcome]:
        """Run everything that is not kept.

        Parameters
        ----------
        subjects : sequence of Subject
        pool : Pool
            Where the parts run; it is closed at the end, also after an interrupt, when what had arrived is kept.

        Returns
        -------
        dict
            Outcomes by subject id and column.

        Raises
        ------
        InputError
            If a result cannot be kept, for want of space on the disk, say.
        """
        read_graph(self._store.root / GRAPH)
        courses = [
            _Course(subject, column, route.parts)
            for subject in subjects
            for column, route in subject.routes.items()
        ]  # fmt: skip
        try:
            ready = [job for course in courses for job in self._released(course)]
            if ready:
                self._keep_graph()
            while ready or self._under_way:
                ready.sort(key=lambda job: -job.cost)  # the dearest first
                while ready and pool.is_free:
                    self._start(ready.pop(0), pool)
                ready += [
                    job for event in pool.wait() if (course := self._take(event)) for job in self._released(course)
                ]
        finally:
            for event in pool.close():
                self._take(event)
        return {(course.subject.id, course.column): course.outcome for course in courses}

    def told(self, ticket: int, fraction: float) -> None:
        """Pass on how far an order is."""
        if ticket in self._under_way:
            self._watcher.advance(self._under_way[ticket].shown, fraction)

    def _released(self, course: _Course) -> list[_Job]:
        """Take kept results as far as they reach; return what can now be run."""
        jobs = []
        free = course.released()
        while free:
            job = self._job(course, free.pop(0))
            kept = None if self._fresh else self._store.load(job.key, job.version)
            for note in self._store.notes[self._noted :]:
                self._watcher.note(note)
            self._noted = len(self._store.notes)
            if kept is None:
                jobs.append(job)
                continue
            self._watcher.start(job.shown)
            course.results[job.part.name], course.seconds[job.part.name] = kept["result"], kept["seconds"]
            self._watcher.finish(job.shown, reused=True)
            free += course.released()
        return jobs

    def _job(self, course: _Course, part: Part) -> _Job:
        subject, effort = course.subject, self._effort
        finished = Finished.of(part, course.results)
        key = (subject.origin[0], subject.id, part.name, effort.level, effort.device)
        version = digest(code_version(part.run), digest_of(finished), digest_of(dict(subject.parameters)),
                         *data_files(effort.data))  # fmt: skip
        return _Job(course, part, finished, key, version)

    def _start(self, job: _Job, pool: Pool) -> None:
        self._watcher.start(job.shown)
        order = {"origin": job.course.subject.origin, "subject": job.course.subject.id, "part": job.part.name,
                 **vars(self._effort), "finished": job.finished}  # fmt: skip
        self._under_way[id(job)] = job
        pool.submit(id(job), order)

    def _take(self, event: Event) -> _Course | None:
        """Note what an event says; return the route of a part that ended."""
        if event.fraction is not None:
            self.told(event.ticket, event.fraction)
            return None
        assert event.outcome is not None
        job = self._under_way.pop(event.ticket)
        course, name = job.course, job.part.name
        course.seconds[name] = event.outcome["seconds"]
        if "failure" in event.outcome:
            course.failures[name] = f"The part “{job.part.title}” {event.outcome['failure']}."
            self._watcher.note(f"{course.subject.id}, {course.column}: {course.failures[name]}")
        else:
            course.results[name] = event.outcome["result"]
            self._keep(job.key, dict(event.outcome), job.version)
        self._watcher.finish(job.shown, reused=False)
        return course

    def _keep(self, key: tuple[str, ...], outcome: dict[str, Any], version: str) -> None:
        try:
            self._store.save(key, outcome, version)
        except OSError as error:
            raise disk_error(self._store.root, error) from None

    def _keep_graph(self) -> None:
        try:
            self._store.root.mkdir(parents=True, exist_ok=True)
            write_graph(self._store.root / GRAPH)
        except OSError as error:
            raise disk_error(self._store.root, error) from None


def disk_error(folder: Path, error: OSError) -> InputError:
    """Return what to tell a user whose disk does not take a file.

    Examples
    --------
    >>> print(disk_error(Path("report"), OSError(28, "No space left on device")))
    report: cannot be written (No space left on device); make room or choose another folder with --out: finished \
parts are kept, and the same command goes on from there.
    """
    remedy = "make room or choose another folder with --out: finished parts are kept, and the same command goes on"
    return InputError(str(folder), f"cannot be written ({error.strerror or error})", f"{remedy} from there")


def digest_of(results: Results) -> str:
    """Return a digest of JSON-ready data."""
    return digest(json.dumps(results, sort_keys=True))


def data_files(folder: str) -> Iterable[str]:
    """Return the names, sizes and times of the files in a folder of data, on which results depend."""
    if not folder:
        return []
    files = sorted(path for path in Path(folder).rglob("*") if path.is_file())
    return [f"{path.name} {path.stat().st_size} {path.stat().st_mtime_ns}" for path in files]
