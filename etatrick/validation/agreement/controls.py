"""A set of comparisons with negative controls: agreement counts only where the same test tells others apart."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, final

from etatrick.errors import InputError
from etatrick.theory.verdict import Status
from etatrick.validation.agreement.margins import Agreement, Outcome, equivalence
from etatrick.validation.evidence import Table

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Samples = tuple["ArrayLike", "ArrayLike", float]
"""Samples of shape (seeds,) or (seeds, d), their target, and the margin."""


@final
@dataclass(frozen=True)
class Conclusion:
    """What a set of comparisons says as a whole.

    Parameters
    ----------
    outcome : {"agrees", "differs", "undecided"}
        *agrees*: every comparison agrees and every control was told apart; *differs*: some comparison differs;
        *undecided*: anything else.
    size : float
        The largest mean difference among the comparisons (of those that differ, if any does), in margins.
    seeds_needed : int or None
        For *undecided*: the seeds that would settle what is open, if seeds can.
    reasons : tuple of str
        The names of what stands in the way of *agrees*, with what happened.
    witness : mapping of str to float
        For *differs*: the comparisons that differ, with their largest mean differences in the units of the samples.
    """

    outcome: Outcome
    size: float
    seeds_needed: int | None
    reasons: tuple[str, ...]
    witness: Mapping[str, float] = field(default_factory=dict)

    @property
    def status(self) -> Status:
        """The status of a finding that rests on the set: checked, refuted or unknown."""
        statuses: dict[Outcome, Status] = {"agrees": "checked", "differs": "refuted", "undecided": "unknown"}
        return statuses[self.outcome]

    def __str__(self) -> str:
        if self.outcome == "agrees":
            return f"agrees, within {self.size:.2g} margins"
        needed = f"; {self.seeds_needed} seeds needed" if self.seeds_needed else ""
        size = f" by {self.size:.3g} margins" if self.outcome == "differs" else ""
        return f"{self.outcome}{size}{needed}: {'; '.join(self.reasons)}"


@final
@dataclass(frozen=True)
class ComparisonSet:
    """Comparisons that must agree, beside negative controls that the same kind of test must tell apart.

    Parameters
    ----------
    comparisons : mapping of str to Agreement
        What is claimed to agree; at least one.
    controls : mapping of str to Agreement
        What is known to differ; at least one, for a test that accepts everything shows nothing.

    Raises
    ------
    InputError
        If there is no comparison or no negative control, or a name is used twice.

    Examples
    --------
    >>> near, far = equivalence([0.01, -0.02, 0.0], margin=0.1), equivalence([1.0, 1.1, 0.9], margin=0.1)
    >>> print(ComparisonSet({"method": near}, {"ridge": far}).conclusion)
    agrees, within 0.033 margins
    >>> print(ComparisonSet({"method": far}, {"ridge": far}).conclusion)
    differs by 10 margins: method: differs
    >>> print(ComparisonSet({"method": near}, {"ridge": near}).conclusion)
    undecided: control ridge: agrees
    """

    comparisons: Mapping[str, Agreement]
    controls: Mapping[str, Agreement]

    def __post_init__(self) -> None:
        if not self.comparisons:
            raise InputError("comparisons", "there is nothing to compare", "name at least one comparison")
        if not self.controls:
            raise InputError("controls", "a set without a negative control shows nothing, since a test that accepts "
                             "everything would agree too", "add a comparison that must differ")  # fmt: skip
        if shared := set(self.comparisons) & set(self.controls):
            raise InputError(", ".join(sorted(shared)), "names a comparison and a control", "name them apart")

    @classmethod
    def tested(
        cls, comparisons: Mapping[str, Samples], controls: Mapping[str, Samples], *, level: float = 0.05
    ) -> "ComparisonSet":
        """Test everything; the level at which a comparison differs is divided among the comparisons.

        Parameters
        ----------
        comparisons, controls : mapping of str to (samples, target, margin)
            As for :func:`equivalence`.
        level : float
            In (0, 0.5).

        Returns
        -------
        ComparisonSet

        Raises
        ------
        InputError
            As :class:`ComparisonSet` and :func:`equivalence`.
        """
        family = max(1, len(comparisons))
        return cls(
            {n: equivalence(s, t, margin=m, level=level, family=family) for n, (s, t, m) in comparisons.items()},
            {n: equivalence(s, t, margin=m, level=level) for n, (s, t, m) in controls.items()},
        )

    @property
    def conclusion(self) -> Conclusion:
        """*Agrees*, *differs* with the size, or *undecided* with the seeds needed."""
        off = {name: test for name, test in self.comparisons.items() if test.outcome != "agrees"}
        missed = {f"control {name}": test for name, test in self.controls.items() if test.outcome != "differs"}
        reasons = tuple(f"{name}: {test.outcome}" for name, test in {**off, **missed}.items())
        apart = {name: test for name, test in off.items() if test.outcome == "differs"}
        size = max(test.largest / test.margin for test in (apart or self.comparisons).values())
        if apart:
            return Conclusion("differs", size, None, reasons, {name: test.largest for name, test in apart.items()})
        if not reasons:
            return Conclusion("agrees", size, None, ())
        return Conclusion("undecided", size, _needed([*off.values(), *missed.values()]), reasons)

    def table(self, caption: str) -> Table:
        """Return every test as a row of a report's table."""
        columns = ("comparison", "expected", "outcome", "largest mean difference", "margin", "p-value", "seeds",
                   "seeds needed")  # fmt: skip
        rows = [(name, "agrees", test) for name, test in self.comparisons.items()]
        rows += [(f"control: {name}", "differs", test) for name, test in self.controls.items()]
        return Table(caption, columns, tuple(
            (name, wanted, t.outcome, t.largest, t.margin, t.p_value, t.seeds, t.seeds_needed)
            for name, wanted, t in rows
        ))  # fmt: skip

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {
            "comparisons": {name: test.to_json() for name, test in self.comparisons.items()},
            "controls": {name: test.to_json() for name, test in self.controls.items()},
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "ComparisonSet":
        """Rebuild a set from :meth:`to_json` data."""
        return cls(*(
            {n: Agreement(**{**t, "lower": tuple(t["lower"]), "upper": tuple(t["upper"])}) for n, t in part.items()}
            for part in (data["comparisons"], data["controls"])
        ))  # fmt: skip


def _needed(unsettled: list[Agreement]) -> int | None:
    """Return the seeds that settle every test; None where one of them was settled the wrong way or never can be."""
    needed = [test.seeds_needed for test in unsettled]
    known = [n for n in needed if n is not None]
    return max(known) if len(known) == len(needed) else None
