"""Functions given in pieces: their intervals, signs on each, and jumps where they meet."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any, final

import sympy as sp

from etatrick.theory.signs import domain_text, is_continuous, is_smooth, prove_sign
from etatrick.theory.symbols import w
from etatrick.theory.verdict import Verdict


@final
@dataclass(frozen=True)
class Piece:
    """A formula on the interval lower < w < upper."""

    formula: Any
    lower: Any
    upper: Any


def pieces(expr: Any) -> tuple[Piece, ...] | None:
    """Return the pieces of a function of w from left to right, or None where the break points are not explicit.

    Examples
    --------
    >>> [(p.formula, p.lower, p.upper) for p in pieces(sp.Min(w, 2))]
    [(w, 0, 2), (2, 2, oo)]
    """
    if is_smooth(expr):
        return (Piece(expr, sp.Integer(0), sp.oo),)
    folded = expr if _is_flat(expr) else sp.piecewise_fold(expr.rewrite(sp.Piecewise))
    if not isinstance(folded, sp.Piecewise):
        return (Piece(folded, sp.Integer(0), sp.oo),) if is_smooth(folded) else None
    found: list[Piece] = []
    lower: Any = sp.Integer(0)
    for formula, condition in _ascending(folded.args):
        upper = _upper_end(condition)
        if upper is None or not is_smooth(formula) or not (upper == sp.oo or (upper - lower).is_positive):
            return None
        found.append(Piece(formula, lower, upper))
        lower = upper
    return tuple(found) if lower == sp.oo else None


def formula_near(expr: Any, end: Any) -> Any:
    """Return the formula that holds near w = 0 or near w = +∞ (`expr` itself where that is not explicit)."""
    parts = pieces(expr)
    return expr if parts is None else parts[0 if end == 0 else -1].formula


def prove_growth(expr: Any) -> Verdict:
    """Prove that a function of w > 0 is nondecreasing: on every piece, and where pieces meet.

    Parameters
    ----------
    expr : sympy.Expr
        In w and positive parameters.

    Returns
    -------
    Verdict
        *Refuted* with a point of a piece where the derivative is negative, or with a downward jump.

    Examples
    --------
    >>> prove_growth(sp.Min(w, 2)).status
    'proved'
    >>> prove_growth(sp.Piecewise((w, w <= 1), (w - 1, True))).status
    'refuted'
    """
    parts = pieces(expr)
    if parts is None:
        return Verdict("unknown", "the break points are not explicit", domain_text(expr))
    verdicts = [_growth_on(part) for part in parts]
    for left, right in pairwise(parts):
        jump = sp.simplify(right.formula.subs(w, left.upper) - left.formula.subs(w, left.upper))
        up = Verdict("proved", "a jump to +∞", domain_text(expr)) if jump == sp.oo else prove_sign(jump)
        verdicts.append(_at(left.upper, up))
    worst = [v for status in ("refuted", "unknown") for v in verdicts if v.status == status]
    if worst:
        return worst[0]
    if len(parts) == 1:
        return verdicts[0]
    detail = "; ".join(v.detail for v in verdicts if v.detail)
    return Verdict(
        "proved", f"derivative ≥ 0 on {len(parts)} pieces, no downward jump", domain_text(expr), detail=detail
    )


def inside(part: Piece) -> tuple[Any, Any]:
    """Return w as a function of a symbol t > 0 that runs through the piece, and that symbol (w itself if all)."""
    if part.lower == 0 and part.upper == sp.oo:
        return w, w
    t = sp.Dummy("t", positive=True)
    return part.lower + (t if part.upper == sp.oo else (part.upper - part.lower) * t / (1 + t)), t


def _growth_on(part: Piece) -> Verdict:
    """Prove that the derivative is nonnegative on one piece and that the piece has no pole."""
    place, t = inside(part)
    if part.formula.is_infinite:
        return Verdict("proved", "constant", domain_text(part.formula))
    verdict = prove_sign(sp.simplify(sp.diff(part.formula, w).subs(w, place)), ">=", t)
    if verdict.status == "refuted":
        return verdict if t == w else placed(verdict, place, t)
    here = part.formula.subs(w, place)
    if verdict.status == "proved" and not (is_continuous(here) or is_continuous(sp.factor(sp.together(here)))):
        return Verdict("unknown", "the derivative is ≥ 0, but a pole or jump is not excluded", verdict.domain)
    return verdict


def placed(verdict: Verdict, place: Any, t: Any) -> Verdict:
    """Return a refutation found at some t with its w in the witness."""
    point = {name: value for name, value in verdict.witness.items() if name not in (str(t), "value")}
    at = place.subs(
        {s: verdict.witness.get(str(t), 1.0) if s == t else point.get(str(s), 1.0) for s in place.free_symbols}
    )
    witness = {**point, "w": float(at), "value": verdict.witness["value"]}
    return Verdict("refuted", verdict.method, verdict.domain, witness)


def _at(edge: Any, verdict: Verdict) -> Verdict:
    """Return a verdict on a jump with the place of the jump in its witness."""
    return replace(verdict, witness=witness_at(edge, verdict.witness)) if verdict.status == "refuted" else verdict


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
    """Return b for a condition w < b or w ≤ b, +∞ for True, None for anything else."""
    if condition == sp.true:
        return sp.oo
    if isinstance(condition, sp.StrictLessThan | sp.LessThan) and condition.lhs == w and not condition.rhs.has(w):
        return condition.rhs
    if isinstance(condition, sp.StrictGreaterThan | sp.GreaterThan) and condition.rhs == w and not condition.lhs.has(w):
        return condition.lhs
    return None
