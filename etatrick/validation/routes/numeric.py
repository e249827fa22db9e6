"""Routes made of numbers: two independent routes to each, at a fixed number of seeded draws, with a tolerance class."""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final, Literal, final

from etatrick.errors import InputError
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Picture, Table

if TYPE_CHECKING:
    import numpy as np

Relation = Literal["equal", "upper", "lower"]
TOLERANCES: Final[Mapping[str, float]] = {
    "EXACT": 0.0,  # equality of exact numbers
    "CERTIFICATE": 1e-12,  # our own optimality certificates, relative to the objective
    "FLOAT64": 1e-10,  # two routes in double precision, scaled by 1 + |v|
    "SOLVER": 1e-6,  # agreement with a search or a foreign solver, scaled by 1 + |v|
    "MC": 4.0,  # Monte Carlo: |z| with the number of samples fixed in advance
    "TRAIN": 0.05,  # trained networks: the largest probability of a false alarm
}
CLEAR: Final = 1e3  # a mismatch is this many times the tolerance at least
KEPT: Final = 400  # pairs kept for the figure
SHOWN: Final = 8  # rows of the table
NAMES: Final[Mapping[Relation, str]] = {"equal": "equals", "upper": "is at least", "lower": "is at most"}


@final
@dataclass(frozen=True)
class Pair:
    """One comparison: the number that the statement gives, the number by the other route, and where.

    Parameters
    ----------
    stated, computed : float
        The two numbers; equal infinities agree, a NaN never does.
    at : mapping of str to float
        The parameters at which they were taken: the witness if they disagree.
    """

    stated: float
    computed: float
    at: Mapping[str, float] = field(default_factory=dict)

    def error(self, relation: Relation) -> float:
        """Return by how much the relation stated ∼ computed fails, scaled by 1 + |stated|; 0 where it holds."""
        stated, computed = float(self.stated), float(self.computed)
        if math.isnan(stated) or math.isnan(computed):
            return math.inf
        if stated == computed:
            return 0.0
        gap = {"equal": abs(computed - stated), "upper": computed - stated, "lower": stated - computed}[relation]
        if gap <= 0:
            return 0.0
        return math.inf if math.isinf(stated) or math.isinf(gap) else gap / (1 + abs(stated))


Draw = Callable[["np.random.Generator"], Pair]


@final
@dataclass(frozen=True)
class _Drawn:
    """The run of a part: pairs from one seeded generator per function."""

    functions: tuple[tuple[str, Draw], ...]
    draws: int

    def __call__(self, setting: Setting) -> dict[str, Any]:
        import numpy as np

        from etatrick.validation.seeding import seed

        draws = self.draws if setting.level == "quick" else 5 * self.draws
        found: dict[str, Any] = {}
        for index, (name, function) in enumerate(self.functions):
            rng = np.random.default_rng(seed("claims", name, _called(function)))
            pairs = []
            for draw in range(draws):
                pair = function(rng)
                pairs.append([float(pair.stated), float(pair.computed), {k: float(v) for k, v in pair.at.items()}])
                setting.progress((index + (draw + 1) / draws) / len(self.functions))
            found[name] = pairs
        return found


@final
@dataclass(frozen=True)
class _Compared:
    """The conclusion of a comparison: *checked* within the tolerance, if a control is told apart."""

    name: str
    tolerance: str
    relation: Relation
    what: str

    def __call__(self, results: Results) -> Finding:
        part = results[self.name]
        limit = TOLERANCES[self.tolerance]
        worst, error, pairs = _worst(part["pairs"], self.relation)
        rows: list[tuple[str | float | int | bool | None, ...]] = [
            ("comparison", len(pairs), error, limit, error <= limit)
        ]
        blind = False
        if "control" in part:
            _, control, others = _worst(part["control"], self.relation)
            blind = not control > CLEAR * limit
            rows.append(("negative control", len(others), control, limit, control <= limit))
        status: Literal["checked", "refuted", "unknown"] = "unknown" if blind else "checked"
        summary = f"{len(pairs)} pairs of numbers; largest error {error:.1e}, tolerance {limit:.0e}."
        method = f"{len(pairs)} seeded draws, {self.tolerance} ({limit:g})"
        if not error <= limit:
            status, summary = "refuted", f"Outside the tolerance {limit:.0e}: error {error:.2g} at {_text(worst.at)}."
        elif blind:
            method, summary = "the negative control agrees as well", "The comparison cannot tell right from wrong."
        return Finding(
            status, method, _ranges(pairs), _witness(worst) if status == "refuted" else {}, self.what,
            summary=summary, tables=(_errors(rows), _examples(pairs, self.relation)), pictures=(_PICTURE,),
            data=_kept(part, self.relation, limit, "negative control"),
        )  # fmt: skip


@final
@dataclass(frozen=True)
class _Mismatched:
    """The conclusion of a mismatch: *refuted* if the stated numbers are clearly wrong; what holds is compared too."""

    name: str
    tolerance: str
    relation: Relation
    what: str

    def __call__(self, results: Results) -> Finding:
        part = results[self.name]
        limit = TOLERANCES[self.tolerance]
        worst, error, pairs = _worst(part["pairs"], self.relation)
        _, right, others = _worst(part["control"], self.relation)
        good = right <= limit
        rows = [("as stated", len(pairs), error, limit, error <= limit), ("corrected", len(others), right, limit, good)]
        clear = error > CLEAR * limit
        word = "checked" if good else "not confirmed"
        return Finding(
            "refuted" if clear else "unknown",
            f"{len(pairs)} seeded draws, {self.tolerance} ({limit:g})" if clear else "no clear mismatch was found",
            _ranges(pairs), _witness(worst) if clear else {}, f"{self.what} The corrected statement is {word}.".strip(),
            summary=(f"False as stated: error {error:.2g} at {_text(worst.at)}; the corrected statement is {word} "
                     f"(largest error {right:.1e}, tolerance {limit:.0e})." if clear else "It was not refuted."),
            tables=(_errors(rows), _examples(pairs, self.relation)), pictures=(_PICTURE,),
            data=_kept(part, self.relation, limit, "corrected"),
        )  # fmt: skip


_PICTURE: Final = Picture(
    "claim-numbers", "Differences between the two routes at every draw, in increasing order, beside the tolerance.",
    "A rising curve of the scaled difference at every draw, on a logarithmic axis; the tolerance as a dashed line, "
    "and the control, where there is one, far above it.",
)  # fmt: skip


def numbers(
    pair: Draw, *, draws: int, tolerance: str = "FLOAT64", relation: Relation = "equal", what: str = "",
    control: Draw | None = None, seconds: float = 1.0, name: str = "numbers",
) -> Route:  # fmt: skip
    """Return the route that compares two independent routes to a number at seeded random draws.

    Parameters
    ----------
    pair : callable
        Takes a :class:`numpy.random.Generator` and returns a :class:`Pair`; a function of a module.
    draws : int
        How often at level "quick", fixed in advance; five times as often at "full".
    tolerance : str
        A key of :data:`TOLERANCES`.
    relation : {"equal", "upper", "lower"}
        Whether the stated number equals the computed one, or bounds it from above or below.
    what : str
        One sentence on the two routes.
    control : callable, optional
        The same with a wrong statement: its error must exceed the tolerance a thousandfold, or the finding is
        *unknown*.
    seconds : float
        A rough cost.
    name : str
        The part's key within the claim.

    Returns
    -------
    Route
        Its finding is *checked*, or *refuted* with the worst draw as witness.

    Raises
    ------
    InputError
        If there is no such tolerance, or no draw.

    Examples
    --------
    >>> from etatrick.validation.claim import Setting
    >>> def area(rng):
    ...     x = rng.uniform(0, 1)
    ...     return Pair(x**2, x * x, {"x": x})
    >>> route = numbers(area, draws=20)
    >>> route.conclude({"numbers": route.parts[0].run(Setting())}).status
    'checked'
    """
    functions = (("pairs", pair), *((("control", control),) if control else ()))
    part = Part(name, "compare numbers", _Drawn(functions, _checked(draws, tolerance)), seconds)
    return Route((part,), _Compared(name, tolerance, relation, what))


def mismatch(
    pair: Draw, corrected: Draw, *, draws: int, tolerance: str = "FLOAT64", relation: Relation = "equal",
    what: str = "", seconds: float = 1.0, name: str = "mismatch",
) -> Route:  # fmt: skip
    """Return the route that refutes a statement by numbers, and checks the one that holds instead.

    Parameters
    ----------
    pair, corrected : callable
        As `pair` in :func:`numbers`: the stated numbers, and those of the corrected statement.
    draws, tolerance, relation, what, seconds, name
        As in :func:`numbers`.

    Returns
    -------
    Route
        Its finding is *refuted* if an error exceeds the tolerance a thousandfold, otherwise *unknown*.

    Raises
    ------
    InputError
        If there is no such tolerance, or no draw.
    """
    functions = (("pairs", pair), ("control", corrected))
    part = Part(name, "compare numbers", _Drawn(functions, _checked(draws, tolerance)), seconds)
    return Route((part,), _Mismatched(name, tolerance, relation, what))


def _checked(draws: int, tolerance: str) -> int:
    if tolerance not in TOLERANCES:
        raise InputError(tolerance, "is no class of tolerance", f"choose one of: {', '.join(TOLERANCES)}")
    if draws < 1:
        raise InputError(f"draws = {draws}", "must be at least 1", "choose e.g. draws=100")
    return draws


def _called(function: Draw) -> str:
    inner = getattr(function, "func", function)
    return str(getattr(inner, "__qualname__", type(inner).__name__))


def _worst(rows: Any, relation: Relation) -> tuple[Pair, float, list[Pair]]:
    pairs = [Pair(*row) for row in rows]
    worst = max(pairs, key=lambda pair: pair.error(relation))
    return worst, worst.error(relation), pairs


def _witness(pair: Pair) -> dict[str, float]:
    return {**pair.at, "stated": pair.stated, "computed": pair.computed}


def _text(at: Mapping[str, float]) -> str:
    return ", ".join(f"{name} = {value:.6g}" for name, value in at.items()) or "the only point"


def _ranges(pairs: list[Pair]) -> str:
    found = []
    for name in pairs[0].at:
        values = [pair.at[name] for pair in pairs if name in pair.at]
        found.append(f"{min(values):.4g} ≤ {name} ≤ {max(values):.4g}")
    return ", ".join(found)


def _errors(rows: Any) -> Table:
    return Table("Errors, scaled by 1 + |stated|", ("what", "draws", "largest error", "tolerance", "within"),
                 tuple(rows))  # fmt: skip


def _examples(pairs: list[Pair], relation: Relation) -> Table:
    columns = (*pairs[0].at, "stated", f"{NAMES[relation]} computed", "error")
    rows = tuple(
        (*(pair.at.get(name) for name in pairs[0].at), pair.stated, pair.computed, pair.error(relation))
        for pair in pairs[:SHOWN]
    )
    return Table("The first draws", columns, rows)


def _kept(part: Results, relation: Relation, limit: float, other: str) -> dict[str, Any]:
    pairs = {key: part[key][:KEPT] for key in ("pairs", "control") if key in part}
    return {**pairs, "relation": relation, "tolerance": limit, "other": other}


__all__ = ["TOLERANCES", "Pair", "Relation", "mismatch", "numbers"]
