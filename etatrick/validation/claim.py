"""A claim of the literature and the ways to settle it, run part by part so that nothing finished is lost."""

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, Protocol, final, get_args

from etatrick.errors import InputError
from etatrick.validation.evidence import COLUMNS, NOT_ATTEMPTED, ColumnName, Evidence, Finding

Level = Literal["quick", "full"]
Relation = Literal["equal", "upper", "lower", "limit", "iff", "refuted", "corrected"]
Results = Mapping[str, Any]


class Progress(Protocol):
    """Told how far the part under way has come: a fraction between 0 and 1."""

    def __call__(self, fraction: float) -> None:
        """Report the fraction done."""


class Store(Protocol):
    """Keeps results of finished parts; see :class:`etatrick.validation.store.DirectoryStore`."""

    def load(self, key: tuple[str, ...]) -> dict[str, Any] | None:
        """Return what was saved under `key`, or None."""

    def save(self, key: tuple[str, ...], result: dict[str, Any]) -> None:
        """Keep `result` under `key`; the write is atomic."""


class Watcher(Protocol):
    """Follows a run: which part starts, how far it is, and that it ended."""

    def start(self, part: "Part") -> None:
        """Begin a part (also one whose stored result is used)."""

    def advance(self, part: "Part", fraction: float) -> None:
        """Move within a part."""

    def finish(self, part: "Part", *, reused: bool) -> None:
        """End a part."""


@final
class Finished(dict[str, Any]):
    """Results of the parts that a part needs, by name.

    Examples
    --------
    >>> Finished(fit={"error": 0.1})["proof"]
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: finished['proof']: this part does not say that it needs it; write \
Part(..., needs=('proof',)).
    """

    def __missing__(self, name: str) -> Any:
        remedy = f"write Part(..., needs=({name!r},))"
        raise InputError(f"finished[{name!r}]", "this part does not say that it needs it", remedy)

    @classmethod
    def of(cls, part: "Part", results: Results) -> "Finished":
        """Return those of the results that the part needs."""
        return cls({name: results[name] for name in part.needs})


@final
@dataclass(frozen=True)
class Setting:
    """How to run: level, torch device, whom to tell of progress, results of the parts needed, and a data folder."""

    level: Level = "quick"
    device: str = "cpu"
    progress: Progress = lambda fraction: None
    finished: Results = field(default_factory=Finished)
    data: str = ""  # a folder of IDX files; empty: the data that ship with scikit-learn, or a download where needed


@final
@dataclass(frozen=True)
class Part:
    """One resumable piece of work.

    Parameters
    ----------
    name, title : str
        Its key within the claim, and what a progress bar calls it.
    run : callable
        Takes a :class:`Setting`, returns JSON-ready results.
    seconds : float
        A rough cost at level "quick" on two cores, from which the time left is estimated.
    needs : tuple of str
        The earlier parts of its route whose results it finds in ``setting.finished``, or that it must not run beside,
        as a part that measures time; all others may run at the same time.
    """

    name: str
    title: str
    run: Callable[[Setting], dict[str, Any]]
    seconds: float = 1.0
    needs: tuple[str, ...] = ()


@final
@dataclass(frozen=True)
class Route:
    """One way to settle a claim: the parts to run, and the conclusion drawn from their results.

    Raises
    ------
    InputError
        If a part needs one that does not stand before it.
    """

    parts: tuple[Part, ...]
    conclude: Callable[[Results], Finding]

    def __post_init__(self) -> None:
        earlier: list[str] = []
        for part in self.parts:
            for name in part.needs:
                if name not in earlier:
                    rule = f"the parts before {part.name!r} are {', '.join(map(repr, earlier)) or 'none'}"
                    raise InputError(f"needs={part.needs!r}", rule, "name earlier parts of the same route")
            earlier.append(part.name)


@final
@dataclass(frozen=True)
class Absent:
    """A route that a claim does not take, and why."""

    reason: str
    parts: tuple[Part, ...] = ()

    def conclude(self, results: Results) -> Finding:
        """Return the finding *unknown*, with the reason."""
        return Finding("unknown", NOT_ATTEMPTED, summary=self.reason)


@final
@dataclass(frozen=True)
class Claim:
    """A statement from the literature with up to three ways to settle it.

    Parameters
    ----------
    id : str
        ``source/short-name``.
    title, statement : str
        A short title, and the statement with LaTeX inside ``$…$``.
    source : str
        Paper and place.
    relation : {"equal", "upper", "lower", "limit", "iff", "refuted", "corrected"}
        What kind of statement it is; *refuted*: it fails; *corrected*: it fails as published and holds as corrected.
    derive, solve, observe : Route or Absent
        The three routes.
    parameters : mapping of str to str
        Parameters of the statement and their domains.
    tolerance : str
        The tolerance class of its numbers and the bound, in words.
    corrected : str
        For a statement that fails: the one that does hold.

    Examples
    --------
    >>> from etatrick.validation import claims
    >>> claims["flip-side/log-sum-duality"].relation
    'equal'
    """

    id: str
    title: str
    statement: str
    source: str
    relation: Relation
    derive: Route | Absent
    solve: Route | Absent
    observe: Route | Absent
    parameters: Mapping[str, str] = field(default_factory=dict)
    tolerance: str = ""
    corrected: str = ""

    def __post_init__(self) -> None:
        names = [part.name for part in self.parts]
        if len(set(names)) < len(names):  # a part's name is its key in the store
            raise ValueError(f"parts of {self.id} share a name: {names}")

    @property
    def routes(self) -> dict[ColumnName, Route | Absent]:
        """The routes by the column of the ledger they fill."""
        return dict(zip(COLUMNS, (self.derive, self.solve, self.observe), strict=True))

    @property
    def parts(self) -> tuple[Part, ...]:
        """Every part of every route, in the order in which they run."""
        return tuple(part for route in self.routes.values() for part in route.parts)

    def run(
        self,
        level: Level = "quick",
        *,
        device: str = "cpu",
        store: Store | None = None,
        watcher: Watcher | None = None,
    ) -> Evidence:
        """Settle the claim by every route it has.

        Parameters
        ----------
        level : {"quick", "full"}
            The effort.
        device : str
            A torch device for the networks.
        store : Store, optional
            Where finished parts are kept and found again.
        watcher : Watcher, optional
            Told of each part.

        Returns
        -------
        Evidence
            The ledger entry.
        """
        if level not in get_args(Level):
            raise InputError(f"level = {level}", "is no level", f"choose one of: {', '.join(get_args(Level))}")
        findings: dict[ColumnName, Finding] = {}
        seconds: dict[str, float] = {}
        for column, route in self.routes.items():
            results: dict[str, Any] = {}
            for part in route.parts:
                began = time.perf_counter()
                setting = Setting(level, device, finished=Finished.of(part, results))
                results[part.name], reused = settle(part, (self.id, part.name, level, device), setting, store, watcher)
                seconds[part.name] = 0.0 if reused else round(time.perf_counter() - began, 3)
            findings[column] = route.conclude(results)
        return self.entry(level, findings, seconds)

    def entry(self, level: Level, findings: Mapping[ColumnName, Finding], seconds: Mapping[str, float]) -> Evidence:
        """Return the ledger entry with these findings, by column, and the seconds spent on each part."""
        return Evidence(
            self.id, self.title, self.statement, self.source, self.relation, self.parameters, level,
            findings["derived"], findings["solved"], findings["observed"], seconds, self.tolerance, self.corrected,
        )  # fmt: skip


def settle(
    part: Part, key: tuple[str, ...], setting: Setting, store: Store | None, watcher: Watcher | None
) -> tuple[dict[str, Any], bool]:
    """Return a part's result and whether it was stored already; a new one is run, stored and told of.

    Parameters
    ----------
    part : Part
    key : tuple of str
        Where the store keeps the result.
    setting : Setting
        Its progress is told to the watcher, if there is one.
    store, watcher : optional
        Where finished parts are kept, and who is told of them.

    Returns
    -------
    result : dict
    reused : bool
    """
    if watcher:
        watcher.start(part)
        setting = replace(setting, progress=partial(watcher.advance, part))
    result = store.load(key) if store else None
    reused = result is not None
    if result is None:
        result = part.run(setting)
        if store:
            store.save(key, result)
    if watcher:
        watcher.finish(part, reused=reused)
    return result, reused


__all__ = [
    "Absent",
    "Claim",
    "Finished",
    "Level",
    "Part",
    "Progress",
    "Results",
    "Route",
    "Setting",
    "Store",
    "Watcher",
    "settle",
]
