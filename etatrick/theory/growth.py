"""Proving that a function of w > 0 grows: on every piece, without poles, and where pieces meet."""

import operator
from collections.abc import Iterable
from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.continuity import is_continuous
from etatrick.theory.factoring import factored
from etatrick.theory.pieces import Piece, inside, pieces, placed, witness_at
from etatrick.theory.signs import Relation, keeps_sign, points, prove_sign
from etatrick.theory.structure import denested, domain_text
from etatrick.theory.symbols import eta, w
from etatrick.theory.trees import tree
from etatrick.theory.verdict import Verdict

ALONG_ETA: Final = ("reach_squared", "dual_slope", "-dual_slope", "dual_prox")  # functions of η, in the symbol w
NEAR: Final = sp.Rational(1, 10**4)  # how close to a break point values are compared
LADDER: Final = (2, 5, 10, 30, 100, 1000, *(sp.Rational(m, d) for d in (10**4, 100, 1) for m in (1, 3)))


@lru_cache(maxsize=1024)
def prove_growth(expr: Any, relation: Relation = ">=", of: str = "eta_hat") -> Verdict:
    """Prove that a function of w > 0 is nondecreasing (``>=``) or increasing (``>``).

    Parameters
    ----------
    expr : sympy.Expr
        In w and positive parameters.
    relation : {">=", ">"}
        Whether it may be constant somewhere.
    of : str
        What the function is, for the certificate: "eta_hat", "slope", "-slope", "w+slope", or a function of η.

    Returns
    -------
    Verdict
        *Refuted* with two points in the wrong order.

    Examples
    --------
    >>> prove_growth(sp.Min(w, 2)).status
    'proved'
    >>> prove_growth(sp.Piecewise((w, w <= 1), (w - 1, True))).status
    'refuted'
    """
    domain = domain_text(expr)
    parts = pieces(expr)
    if parts is None:
        return Verdict("unknown", "the break points are not explicit", domain)
    found = descent(expr, (p.upper for p in parts[:-1]), relation, of)
    if found is not None:
        return found
    verdicts = [_growth_on(part, relation, of) for part in parts]
    jumps = [_jump(left, right) for left, right in pairwise(parts)]
    worst = [v for status in ("refuted", "unknown") for v in (*verdicts, *jumps) if v.status == status]
    if worst:
        return worst[0]
    certificate = {
        "kind": "growth", "of": of, "strict": relation == ">",
        "pieces": [_piece(part, verdict, of) for part, verdict in zip(parts, verdicts, strict=True)],
        "jumps": [_break(left, right, verdict) for (left, right), verdict in zip(pairwise(parts), jumps, strict=True)],
    }  # fmt: skip
    detail = "; ".join(v.detail for v in (*verdicts, *jumps) if v.detail)
    method = max(verdicts, key=lambda v: v.status == "certified").method
    if len(parts) > 1:
        method = f"derivative {'≥' if relation == '>=' else relation} 0 on {len(parts)} pieces, no downward jump"
    return Verdict(Verdict.weakest(*verdicts, *jumps), method, domain, detail=detail, certificate=certificate)


def descent(expr: Any, edges: Iterable[Any], relation: Relation, of: str) -> Verdict | None:
    """Return a refutation of growth: equal parameters, w₁ < w₂ and a larger value at w₁; or None."""
    rises = operator.le if relation == ">=" else operator.lt
    symbols = expr.free_symbols - {w}
    breaks = list(edges)
    for point in points(*symbols, count=8 if symbols else 1):
        ladder = {sp.Rational(x) for x in LADDER}
        for edge in breaks:
            at = edge.subs(point)
            near = sp.Rational(at) if at.is_Rational else sp.Rational(str(sp.N(at, 20)))
            ladder |= {near * factor for factor in (sp.Rational(1, 2), 1 - NEAR, 1 + NEAR, 2)}
        last: tuple[Any, Any] | None = None
        for x in sorted(ladder):
            value = value_at(expr, {**point, w: x})
            if value is None:
                continue
            if last is not None and not rises(last[1], value):
                here = {str(s): float(v) for s, v in point.items()}
                name = "eta" if of in ALONG_ETA else "w"
                data = [{**{str(s): tree(v) for s, v in point.items()}, name: tree(at)} for at in (last[0], x)]
                detail = f"goes from {float(last[1]):.6g} to {float(value):.6g} on this interval"
                return Verdict("refuted", "two values enclosed by ball arithmetic", domain_text(expr),
                               {**here, name: float(last[0]), f"{name}_end": float(x)}, detail,
                               certificate={"kind": "refutation", "of": of, "points": data})  # fmt: skip
            last = (x, value)
    return None


def _growth_on(part: Piece, relation: Relation, of: str) -> Verdict:
    """Prove that the derivative has the sign on one piece and that the piece has no pole."""
    place, t = _place(part, of)
    if part.formula.is_infinite:
        return Verdict("proved", "constant", domain_text(part.formula))
    slope = sp.diff(part.formula, w)
    if slope == 0 and relation == ">=":
        return Verdict("proved", "constant", domain_text(part.formula))
    verdict = prove_sign(slope.subs(w, place), relation, t)
    if verdict.status == "refuted":
        return verdict if t in (w, eta) else placed(verdict, place, t)
    here = part.formula.subs(w, place)
    if verdict.is_rigorous and not any(
        is_continuous(form, keeps)
        for keeps in (lambda _: False, keeps_sign)
        for form in (here, factored(sp.together(here)), factored(sp.together(denested(here))))
    ):
        return Verdict("unknown", "the derivative has the sign, but a pole or jump is not excluded", verdict.domain)
    return verdict


def _place(part: Piece, of: str) -> tuple[Any, Any]:
    """Return w as a function of a positive symbol that runs through the piece: a square where w stands under roots."""
    place, t = inside(part)
    roots = any(p.exp == sp.Rational(1, 2) and p.base.has(w) and not p.base.is_Add for p in part.formula.atoms(sp.Pow))
    if t == w and roots:
        t = sp.Symbol("t_w", positive=True)
        return t**2, t
    return (eta, eta) if t == w and of in ALONG_ETA else (place, t)


def _jump(left: Piece, right: Piece) -> Verdict:
    """Prove that the function does not fall where two pieces meet."""
    size = _jump_size(left, right)
    if size == -sp.oo:
        return Verdict("refuted", "a jump down from +∞ or to −∞", "", witness_at(left.upper, {}))
    if size.is_infinite:
        return Verdict("proved", "a jump to +∞")
    verdict = prove_sign(size)
    if verdict.status == "refuted":
        return Verdict("refuted", verdict.method, verdict.domain, witness_at(left.upper, verdict.witness))
    return verdict


def _jump_size(left: Piece, right: Piece) -> Any:
    edge = left.upper
    if right.formula.is_infinite or left.formula.is_infinite:
        return sp.oo if right.formula == sp.oo and left.formula != sp.oo else -sp.oo
    before, after = (sp.simplify(p.formula.subs(w, edge)) for p in (left, right))
    return sp.Integer(0) if before == after else sp.simplify(after - before)


def _piece(part: Piece, verdict: Verdict, of: str) -> dict[str, Any]:
    variable = eta if of in ALONG_ETA else w
    slope = sp.Integer(0) if part.formula.is_infinite else sp.diff(part.formula, w).subs(w, variable)
    place, t = _place(part, of)
    proof = None
    if verdict.certificate is not None:
        proof = {"substitution": {} if t == variable else {str(variable): tree(place)}, **verdict.certificate}
    return {"lower": tree(part.lower), "upper": tree(part.upper), "derivative": tree(slope), "proof": proof}


def _break(left: Piece, right: Piece, verdict: Verdict) -> dict[str, Any]:
    size = _jump_size(left, right)
    proof = None if verdict.certificate is None else {"substitution": {}, **verdict.certificate}
    return {"at": tree(left.upper), "size": "oo" if size.is_infinite else tree(size), "proof": proof}
