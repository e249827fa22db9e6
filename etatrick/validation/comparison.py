"""Two reports side by side: verdicts, numbers and claims that changed, and the libraries behind them."""

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from itertools import zip_longest
from pathlib import Path
from typing import Any, Final, final

from etatrick.errors import InputError
from etatrick.validation.evidence import COLUMNS
from etatrick.validation.files import JSON

TOLERANCE: Final = 1e-9
PLACES: Final = ("witness", "tables", "data")


@final
@dataclass(frozen=True)
class ChangedVerdict:
    """A column of a claim whose verdict is another."""

    claim: str
    column: str
    old: str
    new: str


@final
@dataclass(frozen=True)
class ChangedNumber:
    """A number of a finding that differs by more than the tolerance, or a place that only one report has.

    Parameters
    ----------
    claim, column, place : str
        Where it stands, e.g. ``data.gap.0``.
    old, new : float, str, bool or None
    difference : float
        |new − old| / (1 + |old|); infinite where that is no number.
    """

    claim: str
    column: str
    place: str
    old: Any
    new: Any
    difference: float


@final
@dataclass(frozen=True)
class Difference:
    """What changed between two reports.

    Parameters
    ----------
    verdicts : tuple of ChangedVerdict
    numbers : tuple of ChangedNumber
        In claims that both reports hold.
    missing, added : tuple of str
        Claims that only the old or only the new report holds.
    libraries : mapping of str to tuple of str
        Old and new version where they differ.
    tolerance : float
    """

    verdicts: tuple[ChangedVerdict, ...]
    numbers: tuple[ChangedNumber, ...]
    missing: tuple[str, ...]
    added: tuple[str, ...]
    libraries: Mapping[str, tuple[str, str]]
    tolerance: float

    @property
    def settles_the_same(self) -> bool:
        """Whether no verdict changed and no claim is gone."""
        return not self.verdicts and not self.missing

    @property
    def differs(self) -> bool:
        """Whether anything changed at all."""
        return bool(self.verdicts or self.numbers or self.missing or self.added or self.libraries)

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data; a difference that is not finite is None."""
        data = asdict(self)
        for number in data["numbers"]:
            number["difference"] = number["difference"] if math.isfinite(number["difference"]) else None
        return {"same": self.settles_the_same, **data}


def read_report(path: Path) -> dict[str, Any]:
    """Read a report's JSON.

    Parameters
    ----------
    path : Path
        ``report.json``, or the folder in which it lies.

    Raises
    ------
    InputError
        If it is not a report.
    """
    file = path / JSON if path.is_dir() else path
    try:
        content = json.loads(file.read_text(encoding="utf-8"))
        if content["schema"] != "etatrick-report":
            raise ValueError
        for claim in content["claims"]:
            _ = claim["claim"], [claim[column]["status"] for column in COLUMNS]
    except (OSError, ValueError, KeyError, TypeError):
        raise InputError(str(file), "is not a report's JSON", "name a folder that etatrick verify wrote") from None
    return dict(content)


def compare_reports(old: Mapping[str, Any], new: Mapping[str, Any], tolerance: float = TOLERANCE) -> Difference:
    """Compare two reports.

    Parameters
    ----------
    old, new : mapping
        As :func:`read_report` returns them.
    tolerance : float
        Numbers that differ by at most tolerance · (1 + |old|) count as equal.

    Returns
    -------
    Difference

    Raises
    ------
    InputError
        If the tolerance is not a finite number ≥ 0.

    Examples
    --------
    >>> finding = {"status": "checked", "data": {"gap": 1.0}}
    >>> entry = {"claim": "a/b", "derived": finding, "solved": finding, "observed": finding}
    >>> other = {**entry, "solved": {"status": "checked", "data": {"gap": 1.5}}}
    >>> found = compare_reports({"claims": [entry]}, {"claims": [other]})
    >>> found.settles_the_same, [(n.column, n.place, n.difference) for n in found.numbers]
    (True, [('solved', 'data.gap', 0.25)])
    """
    if not (math.isfinite(tolerance) and tolerance >= 0):
        raise InputError(f"tolerance = {tolerance}", "must be a finite number ≥ 0", "pass --tolerance 1e-9, say")
    before, after = ({claim["claim"]: claim for claim in report["claims"]} for report in (old, new))
    shared = [name for name in before if name in after]
    pairs = [(name, column, before[name][column], after[name][column]) for name in shared for column in COLUMNS]
    return Difference(
        tuple(ChangedVerdict(name, column, a["status"], b["status"])
              for name, column, a, b in pairs if a["status"] != b["status"]),
        tuple(ChangedNumber(name, column, *change)
              for name, column, a, b in pairs for place in PLACES
              for change in _changes(a.get(place), b.get(place), place, tolerance)),
        tuple(name for name in before if name not in after),
        tuple(name for name in after if name not in before),
        _versions(old, new),
        tolerance,
    )  # fmt: skip


def _changes(old: Any, new: Any, place: str, tolerance: float) -> Iterator[tuple[str, Any, Any, float]]:
    """Yield place, both values and their difference wherever they differ."""
    if isinstance(old, Mapping) and isinstance(new, Mapping):
        for key in dict.fromkeys((*old, *new)):
            yield from _changes(old.get(key), new.get(key), f"{place}.{key}", tolerance)
    elif isinstance(old, list) and isinstance(new, list):
        for index, (a, b) in enumerate(zip_longest(old, new)):
            yield from _changes(a, b, f"{place}.{index}", tolerance)
    elif _is_number(old) and _is_number(new):
        difference = abs(new - old) / (1 + abs(old))
        if old != new and not difference <= tolerance:  # also where a difference is no number
            yield place, old, new, difference
    elif old != new:
        yield place, _shown(old), _shown(new), math.inf


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _shown(value: Any) -> Any:
    return f"{len(value)} entries" if isinstance(value, list | Mapping) else value


def _versions(old: Mapping[str, Any], new: Mapping[str, Any]) -> dict[str, tuple[str, str]]:
    before, after = (
        {name: str(report.get(name)) for name in ("etatrick", "python", "platform")} | dict(report.get("libraries", {}))
        for report in (old, new)
    )
    names = dict.fromkeys((*before, *after))
    return {n: (str(before.get(n)), str(after.get(n))) for n in names if before.get(n) != after.get(n)}
