"""From one form of a duality to the others, in closed form, each result tested before it is believed."""

from collections.abc import Iterable
from typing import Any

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.pieces import Piece, formula_near, pieces
from etatrick.theory.signs import denested, points
from etatrick.theory.symbols import eta, lam, w


def tidy(expr: Any) -> Any:
    """Return the shortest of a few equivalent forms (all symbols positive)."""
    forms = [
        expr,
        sp.simplify(expr),
        sp.logcombine(sp.simplify(sp.expand_log(expr))),
        sp.factor(denested(expr)),
    ]
    forms += [sp.Add(*(sp.factor(term) for term in sp.Add.make_args(form))) for form in forms]
    forms += [_unit_logs(form) for form in forms]
    return min(forms, key=_length)


def _length(expr: Any) -> tuple[bool, int, int]:
    """Order forms by readability: no symbolic powers inside logarithms, then few operations."""
    tangled = any(power.exp.free_symbols for log in expr.atoms(sp.log) for power in log.atoms(sp.Pow))
    return tangled, int(sp.count_ops(expr)), len(str(expr))


def _unit_logs(expr: Any) -> Any:
    """Write logarithms as log(1 + …) where the argument allows, which stays accurate near 1."""
    return expr.replace(lambda e: isinstance(e, sp.log), lambda e: sp.log(sp.expand(e.args[0])))


def agree(left: Any, right: Any, count: int = 6) -> bool:
    """Tell whether two expressions have the same value at seeded points, by ball arithmetic."""
    seen = 0
    for point in points(left, right, count=4 * count):
        gap = value_at(left - right, point)
        if gap is None:
            continue
        if gap != 0:
            return False
        seen += 1
        if seen == count:
            return True
    return seen > 0


def eta_hat_from_penalty(penalty: Any) -> Any:
    """Return η̂ = w/Ω′, which is +∞ where Ω is flat."""
    if isinstance(penalty, sp.Piecewise):
        return sp.Piecewise(*((eta_hat_from_penalty(formula), condition) for formula, condition in penalty.args))
    slope = sp.simplify(sp.diff(penalty, w))
    return sp.oo if slope == 0 else tidy(w / slope)


def eta_hat_from_alpha(alpha: Any) -> Any:
    """Return η̂ = λα/(1−α); a rule that does not mention λ is read at λ = 1."""
    gauge = lam if lam in alpha.free_symbols else sp.Integer(1)
    return tidy(sp.simplify(gauge * alpha / (1 - alpha)))


def eta_hat_from_dual(dual: Any) -> Any | None:
    """Return η̂ by solving w² = η²f′(η) for η, or None."""
    reach = tidy(eta * sp.sqrt(sp.simplify(sp.diff(dual, eta))))
    for branch in _solutions(reach - w, eta):
        if agree(denested(reach.subs(eta, branch)), w):
            return tidy(branch)
    return None


def penalty_from_eta_hat(eta_hat: Any) -> tuple[Any | None, Any]:
    """Return (Ω, base) with Ω = ∫_base^w t/η̂(t) dt, base 0 if that converges and 1 otherwise; (None, 0) if open."""
    parts = pieces(eta_hat)
    if parts is not None and len(parts) > 1:
        return _area_in_pieces(parts)
    t = sp.Dummy("t", positive=True)
    slope = sp.simplify(w / eta_hat)
    for base in (sp.Integer(0), sp.Integer(1)):
        area = sp.integrate(slope.subs(w, t), (t, base, w))
        if area.has(sp.Integral, sp.I):
            return None, sp.Integer(0)
        if area.has(sp.oo, sp.zoo, sp.nan):
            continue
        area = tidy(area)
        if agree(sp.diff(area, w), slope):
            return area, base
    return None, sp.Integer(0)


def _area_in_pieces(parts: tuple[Piece, ...]) -> tuple[Any | None, Any]:
    """Integrate w/η̂ piece by piece from 0, if that converges on every piece."""
    t = sp.Dummy("t", positive=True)
    total: Any = sp.Integer(0)
    found = []
    for part in parts:
        slope = sp.Integer(0) if part.formula.is_infinite else sp.simplify(w / part.formula)
        area = sp.integrate(slope.subs(w, t), (t, part.lower, w))
        if area.has(sp.Integral, sp.I, sp.oo, sp.zoo, sp.nan, sp.Piecewise):
            return None, sp.Integer(0)
        formula = tidy(total + area)
        found.append((formula, sp.true if part.upper == sp.oo else w <= part.upper))
        if not agree(sp.diff(formula, w), slope):
            return None, sp.Integer(0)
        total = formula.subs(w, part.upper) if part.upper != sp.oo else total
    return sp.Piecewise(*found), sp.Integer(0)


def penalty_from_dual(dual: Any, eta_hat: Any) -> Any:
    """Return Ω = ½(w²/η̂ + f(η̂)), not shifted."""
    value = sp.simplify(denested((w**2 / eta_hat + dual.subs(eta, eta_hat)) / 2))
    return tidy(sp.expand_log(value))


def offset(penalty: Any) -> Any:
    """Return Ω(0+) where that limit is finite, otherwise 0."""
    start = sp.limit(formula_near(penalty, 0), w, 0, "+")
    return start if start.is_finite else sp.Integer(0)


def shifted(expr: Any, by: Any) -> Any:
    """Return expr − by, piece by piece."""
    if by == 0:
        return expr
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((shifted(formula, by), condition) for formula, condition in expr.args))
    return expr if expr.is_infinite else tidy(expr - by)


def normalised(penalty: Any) -> Any:
    """Return Ω − Ω(0+) where that limit is finite."""
    return shifted(penalty, offset(penalty))


def alpha_from_eta_hat(eta_hat: Any) -> Any:
    """Return α = η̂/(η̂+λ), which is 1 where η̂ is infinite."""
    if isinstance(eta_hat, sp.Piecewise):
        return sp.Piecewise(*((alpha_from_eta_hat(formula), condition) for formula, condition in eta_hat.args))
    if eta_hat.is_infinite:
        return sp.Integer(1)
    return sp.factor(sp.cancel(sp.together(eta_hat / (eta_hat + lam)))) if eta_hat.is_rational_function(w) else (
        sp.simplify(eta_hat / (eta_hat + lam))
    )  # fmt: skip


def dual_from_penalty(penalty: Any, eta_hat: Any) -> Any | None:
    """Return f(η) = 2Ω(ŵ) − ŵ²/η with ŵ the inverse of η̂, on the whole half-line, or None.

    Below the range of η̂ the dual is 0 = 2Ω(0+); above it, +∞.
    """
    if eta_hat.has(sp.oo):
        return None
    low = sp.limit(formula_near(eta_hat, 0), w, 0, "+")
    high = sp.limit(formula_near(eta_hat, sp.oo), w, sp.oo)
    if w not in eta_hat.free_symbols:
        return sp.Piecewise((0, eta <= eta_hat), (sp.oo, True))
    for branch in _inverse(eta_hat):
        if not agree(denested(branch.subs(eta, eta_hat)), w):
            continue
        inside = tidy(2 * penalty.subs(w, branch) - branch**2 / eta)
        ranges = ([(0, eta <= low)] if low.is_positive else []) + [(inside, eta < high)]
        return inside if ranges[0][1] == sp.true else sp.Piecewise(*ranges, (sp.oo, True))
    return None


def _inverse(eta_hat: Any) -> Iterable[Any]:
    """Return candidates for the inverse of η̂; a power c·wʳ has one that needs no solver."""
    factor, rest = eta_hat.as_independent(w, as_Add=False)
    if rest.is_Pow and rest.base == w and not rest.exp.has(w):
        return [(eta / factor) ** (1 / rest.exp)]
    return _solutions(eta_hat - eta, w)


def _solutions(equation: Any, unknown: Any) -> Iterable[Any]:
    try:
        found = sp.solve(equation, unknown)
    except (NotImplementedError, TypeError, ValueError):
        return []
    return [branch for branch in found if isinstance(branch, sp.Expr)]
