"""From one form of a duality to the others, in closed form, each result tested before it is believed."""

from collections.abc import Iterable
from typing import Any

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.pieces import formula_near
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
    """Return η̂ = w/Ω′."""
    return tidy(w / sp.simplify(sp.diff(penalty, w)))


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
    t = sp.Symbol("t", positive=True)
    slope = sp.simplify(w / eta_hat)
    for base in (sp.Integer(0), sp.Integer(1)):
        area = sp.integrate(slope.subs(w, t), (t, base, w))
        if area.has(sp.Integral):
            return None, sp.Integer(0)
        if area.has(sp.oo, sp.zoo, sp.nan):
            continue
        area = tidy(area)
        if agree(sp.diff(area, w), slope):
            return area, base
    return None, sp.Integer(0)


def penalty_from_dual(dual: Any, eta_hat: Any) -> Any:
    """Return Ω = ½(w²/η̂ + f(η̂)), shifted to Ω(0)=0 where that limit is finite."""
    value = sp.simplify(denested((w**2 / eta_hat + dual.subs(eta, eta_hat)) / 2))
    return normalised(tidy(sp.expand_log(value)))


def normalised(penalty: Any) -> Any:
    """Return Ω − Ω(0+) where that limit is finite."""
    start = sp.limit(formula_near(penalty, 0), w, 0, "+")
    return tidy(penalty - start) if start.is_finite and start != 0 else penalty


def alpha_from_eta_hat(eta_hat: Any) -> Any:
    """Return α = η̂/(η̂+λ)."""
    return sp.factor(sp.cancel(sp.together(eta_hat / (eta_hat + lam)))) if eta_hat.is_rational_function(w) else (
        sp.simplify(eta_hat / (eta_hat + lam))
    )  # fmt: skip


def dual_from_penalty(penalty: Any, eta_hat: Any) -> Any | None:
    """Return f(η) = 2Ω(ŵ) − ŵ²/η with ŵ the inverse of η̂, on the whole half-line, or None.

    Below the range of η̂ the dual is 0 = 2Ω(0+); above it, +∞.
    """
    low = sp.limit(formula_near(eta_hat, 0), w, 0, "+")
    high = sp.limit(formula_near(eta_hat, sp.oo), w, sp.oo)
    if w not in eta_hat.free_symbols:
        return sp.Piecewise((0, eta <= eta_hat), (sp.oo, True))
    for branch in _solutions(eta_hat - eta, w):
        if not agree(denested(branch.subs(eta, eta_hat)), w):
            continue
        inside = tidy(2 * penalty.subs(w, branch) - branch**2 / eta)
        pieces = ([(0, eta <= low)] if low.is_positive else []) + [(inside, eta < high)]
        return inside if pieces[0][1] == sp.true else sp.Piecewise(*pieces, (sp.oo, True))
    return None


def _solutions(equation: Any, unknown: Any) -> Iterable[Any]:
    try:
        found = sp.solve(equation, unknown)
    except (NotImplementedError, TypeError, ValueError):
        return []
    return [branch for branch in found if isinstance(branch, sp.Expr)]
