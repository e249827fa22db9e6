"""`check_penalty`: the laws that every penalty must obey, run on an entry, a duality or a class of one's own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType
from typing import Any, final

from etatrick.errors import InputError
from etatrick.numerics.law_checks import LAWS, cvxpy_value
from etatrick.numerics.user_penalty import OPTIONAL, OwnPenalty, lacks, scalar_penalty
from etatrick.theory.verdict import Verdict


@final
@dataclass(frozen=True)
class PenaltyReport:
    """What the laws said about one penalty.

    Parameters
    ----------
    name : str
        What was checked.
    verdicts : mapping of str to Verdict
        By law: *checked* with the number of points and the tolerance, *refuted* with a witness, or *unknown* where a
        law does not apply.
    lacking : mapping of str to str
        Methods without which it is no penalty, and what they must do.
    replaced : mapping of str to str
        Methods that a class of one's own leaves out, and what is done instead.
    """

    name: str
    verdicts: Mapping[str, Verdict] = field(default_factory=dict, hash=False)
    lacking: Mapping[str, str] = field(default_factory=dict, hash=False)
    replaced: Mapping[str, str] = field(default_factory=dict, hash=False)

    @property
    def refuted(self) -> tuple[str, ...]:
        """The names of the laws that fail."""
        return tuple(law for law, verdict in self.verdicts.items() if verdict.status == "refuted")

    @property
    def holds(self) -> bool:
        """Whether nothing is lacking and no law is refuted."""
        return not self.lacking and not self.refuted

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        verdicts = {law: verdict.to_json() for law, verdict in self.verdicts.items()}
        return {"name": self.name, "verdicts": verdicts, "lacking": dict(self.lacking), "replaced": dict(self.replaced)}

    def __str__(self) -> str:
        lines = [self.name]
        lines += [f"  lacks {rule}" for rule in self.lacking.values()]
        lines += [f"  {law}: {verdict}" for law, verdict in self.verdicts.items()]
        lines += [f"  without {rule}" for rule in self.replaced.values()]
        return "\n".join(lines)


def check_penalty(penalty: Any) -> PenaltyReport:
    """Run the laws of a penalty on it, numerically, at fixed points.

    Ω(0) = 0, even and nondecreasing; Ω′ and Ω″ against differences, η̂ = w/Ω′; the proximal map against a search of its
    objective, also where it jumps, and its residual in the subdifferential; where Ω is said to be convex, midpoints
    and Fenchel–Young; the cvxpy model against the value.

    Parameters
    ----------
    penalty : catalogue entry, Duality, GateLaw, or object of a class of your own
        See :class:`etatrick.numerics.user_penalty.PenaltyLike` for what a class needs.

    Returns
    -------
    PenaltyReport

    Raises
    ------
    InputError
        If it is meant to be a catalogue entry or duality and cannot be compiled, e.g. for free parameters.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> check_penalty(penalties["mcp"](A=2)).holds
    True
    >>> check_penalty(object()).lacking["slope"]
    'slope(w) → Ω′(|w|) ≥ 0, elementwise, with Ω′(0+) at 0'
    """
    missing = lacks(penalty)
    if missing and not hasattr(penalty, "duality") and not hasattr(penalty, "penalty_at"):
        return PenaltyReport(type(penalty).__name__, lacking=MappingProxyType(missing))
    subject = scalar_penalty(penalty)
    replaced: dict[str, str] = {}
    if isinstance(subject, OwnPenalty):
        replaced = {name: rule for name, rule in OPTIONAL.items() if not hasattr(subject.own, name)}
    verdicts = {}
    for name, law in LAWS.items():
        try:
            verdicts[name] = law(subject)
        except (InputError, ArithmeticError, TypeError, ValueError, AttributeError, IndexError) as error:
            verdicts[name] = Verdict("refuted", f"raised {type(error).__name__}", witness={"w": 1.0}, detail=str(error))
    verdicts["cvxpy"] = cvxpy_value(penalty, subject)
    return PenaltyReport(str(getattr(penalty, "name", subject.formula)), MappingProxyType(verdicts),
                         replaced=MappingProxyType(replaced))  # fmt: skip
