"""Running the parts of many claims: in order within a route, side by side otherwise, each kept as it finishes."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any, Final, Protocol, final

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Level, Part, Results, Route, Watcher
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


@dataclass
class _Chain:
    """A route under way."""

    subject: Subject
    column: str
    parts: tuple[Part, ...]
    results: dict[str, dict[str, Any]] = field(default_factory=dict)
    seconds: dict[str, float] = field(default_factory=dict)
    failure: str = ""
    titles: dict[str, Part] = field(default_factory=dict)
    keys: dict[str, tuple[tuple[str, ...], str]] = field(default_factory=dict)

    @property
    def next_part(self) -> Part | None:
        left = self.parts[len(self.results) :]
        return left[0] if left and not self.failure else None

    @property
    def shown(self) -> Part:
        """The next part under a title that names the claim, for people who follow many at once."""
        part = self.next_part
        assert part is not None
        if part.name not in self.titles:
            self.titles[part.name] = replace(part, title=f"{self.subject.id}: {part.title}")
        return self.titles[part.name]

    @property
    def cost(self) -> float:
        return sum(part.seconds for part in self.parts[len(self.results) :])


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
        self._tickets: dict[int, _Chain] = {}
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
        chains = [
            _Chain(subject, column, route.parts)
            for subject in subjects
            for column, route in subject.routes.items()
        ]  # fmt: skip
        try:
            ready = [chain for chain in chains if self._reuse(chain)]
            ready.sort(key=lambda chain: chain.cost)  # the dearest is started first, from the end of the list
            if ready:
                self._keep_graph()
            while ready or self._tickets:
                while ready and pool.is_free:
                    self._start(ready.pop(), pool)
                ready += [chain for event in pool.wait() if (chain := self._take(event)) and self._reuse(chain)]
                ready.sort(key=lambda chain: chain.cost)
        finally:
            for event in pool.close():
                self._take(event)
        return {(c.subject.id, c.column): RouteOutcome(c.results, c.seconds, c.failure) for c in chains}

    def told(self, ticket: int, fraction: float) -> None:
        """Pass on how far an order is."""
        chain = self._tickets.get(ticket)
        if chain is not None and chain.next_part is not None:
            self._watcher.advance(chain.shown, fraction)

    def _reuse(self, chain: _Chain) -> bool:
        """Take kept results as far as they reach; return whether a part remains to be run."""
        while (part := chain.next_part) is not None:
            kept = None if self._fresh else self._store.load(*self._key(chain, part))
            for note in self._store.notes[self._noted :]:
                self._watcher.note(note)
            self._noted = len(self._store.notes)
            if kept is None:
                return True
            shown = chain.shown
            self._watcher.start(shown)
            chain.results[part.name], chain.seconds[part.name] = kept["result"], kept["seconds"]
            self._watcher.finish(shown, reused=True)
        return False

    def _start(self, chain: _Chain, pool: Pool) -> None:
        part = chain.next_part
        assert part is not None
        self._watcher.start(chain.shown)
        order = {"origin": chain.subject.origin, "subject": chain.subject.id, "part": part.name,
                 **vars(self._effort), "finished": chain.results}  # fmt: skip
        ticket = id(chain)
        self._tickets[ticket] = chain
        pool.submit(ticket, order)

    def _take(self, event: Event) -> _Chain | None:
        """Note what an event says; return the chain if it goes on."""
        if event.fraction is not None:
            self.told(event.ticket, event.fraction)
            return None
        assert event.outcome is not None
        chain = self._tickets.pop(event.ticket)
        part = chain.next_part
        assert part is not None
        shown = chain.shown
        chain.seconds[part.name] = event.outcome["seconds"]
        if "failure" in event.outcome:
            chain.failure = f"The part “{part.title}” {event.outcome['failure']}."
            self._watcher.note(f"{chain.subject.id}, {chain.column}: {chain.failure}")
        else:
            key, version = self._key(chain, part)
            chain.results[part.name] = event.outcome["result"]
            self._keep(key, dict(event.outcome), version)
        self._watcher.finish(shown, reused=False)
        return None if chain.failure else chain

    def _key(self, chain: _Chain, part: Part) -> tuple[tuple[str, ...], str]:
        """Return key and version, as they are before the part runs: it may change what it holds."""
        if part.name in chain.keys:
            return chain.keys[part.name]
        subject, effort = chain.subject, self._effort
        key = (subject.origin[0], subject.id, part.name, effort.level, effort.device)
        version = digest(code_version(part.run), digest_of(chain.results), digest_of(dict(subject.parameters)),
                         *data_files(effort.data))  # fmt: skip
        chain.keys[part.name] = key, version
        return key, version

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
