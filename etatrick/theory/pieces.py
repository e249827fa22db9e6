"""Functions given in pieces: their intervals, signs on each, and jumps where they meet."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, final

import sympy as sp

from etatrick.theory.signs import Relation, domain_text, is_smooth, prove_sign
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
    for formula, condition in folded.args:
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
    verdicts = [_sign_on(sp.diff(part.formula, w), ">=", part) for part in parts]
    for left, right in pairwise(parts):
        jump = sp.simplify(right.formula.subs(w, left.upper) - left.formula.subs(w, left.upper))
        verdicts.append(prove_sign(jump))
    worst = [v for status in ("refuted", "unknown") for v in verdicts if v.status == status]
    if worst:
        return worst[0]
    if len(parts) == 1:
        return verdicts[0]
    detail = "; ".join(v.detail for v in verdicts if v.detail)
    return Verdict(
        "proved", f"derivative ≥ 0 on {len(parts)} pieces, no downward jump", domain_text(expr), detail=detail
    )


def _sign_on(expr: Any, relation: Relation, part: Piece) -> Verdict:
    """Prove a sign on one piece by mapping its interval to t > 0."""
    if part.lower == 0 and part.upper == sp.oo:
        return prove_sign(sp.simplify(expr), relation, w)
    t = sp.Symbol("t", positive=True)
    inside = part.lower + (t if part.upper == sp.oo else (part.upper - part.lower) * t / (1 + t))
    verdict = prove_sign(sp.simplify(expr.subs(w, inside)), relation, t)
    if verdict.status != "refuted":
        return verdict
    point = {name: value for name, value in verdict.witness.items() if name not in ("t", "value")}
    place = inside.subs({s: point.get(s.name, verdict.witness.get("t", 1.0)) for s in inside.free_symbols})
    witness = {**point, "w": float(place), "value": verdict.witness["value"]}
    return Verdict("refuted", verdict.method, verdict.domain, witness)


def _is_flat(expr: Any) -> bool:
    return isinstance(expr, sp.Piecewise) and all(is_smooth(formula) for formula, _ in expr.args)


def _upper_end(condition: Any) -> Any | None:
    """Return b for a condition w < b or w ≤ b, +∞ for True, None for anything else."""
    if condition == sp.true:
        return sp.oo
    if isinstance(condition, sp.StrictLessThan | sp.LessThan) and condition.lhs == w and not condition.rhs.has(w):
        return condition.rhs
    if isinstance(condition, sp.StrictGreaterThan | sp.GreaterThan) and condition.rhs == w and not condition.lhs.has(w):
        return condition.lhs
    return None
