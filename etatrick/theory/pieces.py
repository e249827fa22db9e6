"""Functions given in pieces: their intervals and what holds on each."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import lru_cache
from itertools import combinations, pairwise
from typing import Any, final

import sympy as sp

from etatrick.theory.budget import attempt
from etatrick.theory.structure import is_smooth, sign_of
from etatrick.theory.symbols import w
from etatrick.theory.verdict import Verdict


@final
@dataclass(frozen=True)
class Piece:
    """A formula on the interval lower < w < upper."""

    formula: Any
    lower: Any
    upper: Any


@lru_cache(maxsize=2048)
def pieces(expr: Any) -> tuple[Piece, ...] | None:
    """Return the pieces of a function of w from left to right, or None where the break points are not explicit.

    Examples
    --------
    >>> [(p.formula, p.lower, p.upper) for p in pieces(sp.Min(w, 2))]
    [(w, 0, 2), (2, 2, oo)]
    """
    if is_smooth(expr):
        return (Piece(expr, sp.Integer(0), sp.oo),)
    if not _is_flat(expr) and expr.free_symbols <= {w}:
        return _by_break_points(expr)
    folded = expr if _is_flat(expr) else sp.piecewise_fold(expr.rewrite(sp.Piecewise))
    if not isinstance(folded, sp.Piecewise):
        return (Piece(folded, sp.Integer(0), sp.oo),) if is_smooth(folded) else None
    found: list[Piece] = []
    lower: Any = sp.Integer(0)
    for formula, condition in _ascending(folded.args):
        upper = _upper_end(condition)
        if upper is None or not is_smooth(formula) or not (upper == sp.oo or sign_of(sp.expand(upper - lower)) == 1):
            return None
        found.append(Piece(formula, lower, upper))
        lower = upper
    return tuple(found) if lower == sp.oo else None


def each(expr: Any, change: Callable[[Any], Any]) -> Any:
    """Apply `change` to the formula of every piece, or to a formula without pieces; None stays None.

    Examples
    --------
    >>> each(sp.Piecewise((w, w <= 1), (sp.oo, True)), lambda formula: 2 * formula)
    Piecewise((2*w, w <= 1), (oo, True))
    """
    if expr is None:
        return None
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((each(formula, change), condition) for formula, condition in expr.args))
    return change(expr)


def breaks(expr: Any) -> list[Any]:
    """Return the places where a formula without parameters may break, as far as they are explicit, ascending.

    Examples
    --------
    >>> breaks(sp.Min(w, 2) + sp.Max(sp.exp(w), sp.sinh(w) + 5))
    [2]
    """
    known = set().union(*(_roots(gap) or set() for gap in gaps(expr))) if expr.free_symbols <= {w} else set()
    return sorted(known, key=float)


def _by_break_points(expr: Any) -> tuple[Piece, ...] | None:
    """Find the pieces of a formula without parameters: Min, Max, Abs and Piecewise break at roots of differences."""
    roots = [_roots(gap) for gap in gaps(expr)]
    if None in roots:
        return None
    ends = [sp.Integer(0), *sorted(set().union(*(found or set() for found in roots)), key=float), sp.oo]
    found: list[Piece] = []
    for lower, upper in pairwise(ends):
        middle = lower + 1 if upper == sp.oo else (sp.Rational(float(lower)) + sp.Rational(float(upper))) / 2
        formula = _chosen(expr, middle)
        if formula is None or not is_smooth(formula):
            return None
        if found and found[-1].formula == formula:
            found[-1] = Piece(formula, found[-1].lower, upper)
        else:
            found.append(Piece(formula, lower, upper))
    return tuple(found)


def gaps(expr: Any) -> set[Any]:
    """Return the differences at whose roots a formula may break."""
    gaps: set[Any] = set()
    for node in expr.atoms(sp.Min, sp.Max):
        gaps |= {a - b for a, b in combinations(node.args, 2)}
    gaps |= {node.args[0] for node in expr.atoms(sp.Abs)}
    for node in expr.atoms(sp.Piecewise):
        gaps |= {c.lhs - c.rhs for _, condition in node.args for c in condition.atoms(sp.core.relational.Relational)}
    return gaps


def _roots(gap: Any) -> set[Any] | None:
    """Return where a difference vanishes, on each of its own pieces; None where that is not explicit."""
    if w not in gap.free_symbols:
        return set()
    found: set[Any] = set()
    for part in pieces(gap) or (None,):
        if part is None:
            return None
        if part.formula == 0 or w not in part.formula.free_symbols:
            continue
        place = sp.Interval.open(part.lower, part.upper)
        roots, _ = attempt(1.0, lambda part=part, place=place: sp.solveset(part.formula, w, place))  # type: ignore[misc]
        if not isinstance(roots, sp.FiniteSet) and roots != sp.S.EmptySet:
            return None
        found |= set(roots)
    return found


def _chosen(expr: Any, at: Any) -> Any | None:
    """Return the formula that holds near a point: every Min, Max, Abs and Piecewise replaced by its choice there."""
    if not expr.args or is_smooth(expr):
        return expr
    if isinstance(expr, sp.Piecewise):
        return next((_chosen(value, at) for value, condition in expr.args if condition.subs(w, at) == sp.true), None)
    arguments: list[Any] = [_chosen(argument, at) for argument in expr.args]
    if None in arguments:
        return None
    if isinstance(expr, sp.Min | sp.Max):
        pick = min if isinstance(expr, sp.Min) else max
        return pick(arguments, key=lambda e: sp.N(e.subs(w, at), 30))
    if isinstance(expr, sp.Abs):
        (inner,) = arguments
        return inner * sp.sign(sp.N(inner.subs(w, at), 30))
    return expr.func(*arguments)


def formula_near(expr: Any, end: Any) -> Any:
    """Return the formula that holds near w = 0 or near w = +∞ (`expr` itself where that is not explicit)."""
    parts = pieces(expr)
    return expr if parts is None else parts[0 if end == 0 else -1].formula


def inside(part: Piece) -> tuple[Any, Any]:
    """Return w as a function of a symbol t > 0 that runs through the piece, and that symbol (w itself if all)."""
    if part.lower == 0 and part.upper == sp.oo:
        return w, w
    t = sp.Symbol("t_w", positive=True)
    return part.lower + (t if part.upper == sp.oo else (part.upper - part.lower) * t / (1 + t)), t


def placed(verdict: Verdict, place: Any, t: Any) -> Verdict:
    """Return a refutation found at some t with its w in the witness."""
    point = {name: value for name, value in verdict.witness.items() if name not in (str(t), "value")}
    at = place.subs(
        {s: verdict.witness.get(str(t), 1.0) if s == t else point.get(str(s), 1.0) for s in place.free_symbols}
    )
    witness = {**point, "w": float(at), "value": verdict.witness["value"]}
    return Verdict("refuted", verdict.method, verdict.domain, witness)


def witness_at(edge: Any, witness: Mapping[str, float]) -> dict[str, float]:
    """Return the witness of a jump with its place: w = edge for the witness's parameters."""
    place = edge.subs({s: witness.get(str(s), 1.0) for s in edge.free_symbols})
    return {**witness, "w": float(place)}


def _is_flat(expr: Any) -> bool:
    return isinstance(expr, sp.Piecewise) and all(is_smooth(formula) for formula, _ in expr.args)


def _ascending(branches: Any) -> Any:
    """Return two branches from left to right where the first is for w above a bound."""
    if len(branches) == 2 and branches[1][1] == sp.true:
        (above, condition), (below, _) = branches
        if isinstance(condition, sp.Rel) and _upper_end(condition) is None:
            bound = _upper_end(sp.Not(condition))
            if bound is not None:
                return ((below, w <= bound), (above, sp.true))
    return branches


def _upper_end(condition: Any) -> Any | None:
    """Return b for a condition that says w < b or w ≤ b, +∞ for True, None for anything else."""
    if condition == sp.true:
        return sp.oo
    if not isinstance(condition, sp.StrictLessThan | sp.LessThan | sp.StrictGreaterThan | sp.GreaterThan):
        return None
    low, high = condition.lts, condition.gts  # low < high
    if low == w and not high.has(w):
        return high
    # the same in powers of w: low(w) < high with one positive root, below which it holds
    if high.has(w) or not low.has(w) or not low.is_polynomial(w):
        return None
    power, factor = low.as_independent(w, as_Add=False)[1], low.as_independent(w, as_Add=False)[0]
    if not (power.is_Pow and power.base == w and power.exp.is_positive and sign_of(factor) == 1):
        return None
    return sp.simplify((high / factor) ** (1 / power.exp)) if sign_of(high) == 1 else None
