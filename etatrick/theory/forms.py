"""From one form of a duality to the others, in closed form, each result tested before it is believed."""

from itertools import pairwise
from typing import Any

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.factoring import factored
from etatrick.theory.growth import descent
from etatrick.theory.integrals import agree, antiderivative, penalty_from_eta_hat, rational_slope
from etatrick.theory.inverses import inverse
from etatrick.theory.limits import limit_at
from etatrick.theory.pieces import Piece, each, formula_near, pieces
from etatrick.theory.signs import points
from etatrick.theory.structure import denested, is_smooth, sign_of
from etatrick.theory.symbols import eta, lam, w
from etatrick.theory.tidying import simplified, tidy


def eta_hat_from_penalty(penalty: Any) -> Any:
    """Return η̂ = w/Ω′, which is +∞ where Ω is flat."""
    return each(penalty, lambda formula: tidy(_over(simplified(sp.diff(formula, w)))))


def over_slope(penalty: Any) -> Any:
    """Return η̂ = w/Ω′ as it comes, without simplifying anything."""
    return each(penalty, lambda formula: _over(sp.diff(formula, w)))


def eta_hat_from_alpha(alpha: Any) -> Any:
    """Return η̂ = λα/(1−α); a rule that does not mention λ is read at λ = 1."""
    return each(odds(alpha), tidy)


def odds(alpha: Any) -> Any:
    """Return η̂ = λα/(1−α) as it comes, without simplifying anything."""
    return each(alpha, lambda formula: sp.oo if formula == 1 else _gauge(formula) * formula / (1 - formula))


def _over(slope: Any) -> Any:
    return sp.oo if slope == 0 else w / slope


def _gauge(alpha: Any) -> Any:
    return lam if lam in alpha.free_symbols else sp.Integer(1)


def eta_hat_from_dual(dual: Any) -> Any | None:
    """Return η̂ by inverting the reach w = η√f′(η), or None.

    Where the reach jumps η̂ is flat, where it is flat η̂ jumps, and beyond its supremum η̂ is +∞.
    """
    parts = pieces(dual.subs(eta, w))
    if parts is None or any(part.formula.is_infinite for part in parts[:-1]):
        return None
    found: list[tuple[Any, Any]] = []
    reached: Any = sp.Integer(0)
    if any(falls_or_jumps(left, right) for left, right in pairwise(parts)):
        return None
    for part in parts:
        first, last, reach = _reach(part)
        if last is None or first is None or not _not_below(first, reached):
            return None
        if first != reached:  # the reach jumps at the lower end: η̂ stays there
            found.append((part.lower, True if first == sp.oo else w <= first))
        if reach != sp.oo and last != first:
            branch = inverse(reach, w, eta)
            if branch is None:
                return None
            found.append((tidy(branch.subs(eta, w)), True if last == sp.oo else w <= last))
        reached = last
    if reached != sp.oo:
        found.append((sp.oo, True))
    return found[0][0] if found[0][1] is True else sp.Piecewise(*found)


def falls_or_jumps(left: Piece, right: Piece) -> bool:
    """Tell whether f changes abruptly from one piece to the next: then f(1/ρ) is not convex, and f not canonical."""
    if right.formula.is_infinite:
        return False
    return not agree(left.formula.subs(w, left.upper), right.formula.subs(w, left.upper))


def _not_below(high: Any, low: Any) -> bool:
    """Tell whether high ≥ low at seeded parameters."""
    if high == sp.oo or high == low:
        return True
    if low == sp.oo:
        return False
    gaps = [value_at(high - low, point) for point in points(high, low, count=12)]
    return all(gap >= 0 for gap in gaps if gap is not None)


def _reach(part: Piece) -> tuple[Any, Any, Any]:
    """Return the reach η√f′(η) at both ends of a piece of f, and on it, in the symbol w."""
    if part.formula.is_infinite:
        return sp.oo, sp.oo, sp.oo
    reach = tidy(w * sp.sqrt(sp.simplify(sp.diff(part.formula, w))))
    if descent(reach, (), ">=", "reach") is not None:  # f is not canonical: the least η is not found by inversion
        return None, None, reach
    first = limit_at(reach, w, 0) if part.lower == 0 else sp.simplify(reach.subs(w, part.lower))
    last = limit_at(reach, w, sp.oo) if part.upper == sp.oo else sp.simplify(reach.subs(w, part.upper))
    return first, last, reach


def is_tabulated(eta_hat: Any) -> bool:
    """Tell whether t/η̂(t) is in the table of integrals, which is quicker than putting η̂ into f."""
    return is_smooth(eta_hat) and antiderivative(rational_slope(eta_hat)) is not None


def penalty_from_dual(dual: Any, eta_hat: Any) -> Any | None:
    """Return Ω = ½(w²/η̂ + f(η̂)), not shifted; where η̂ is infinite Ω = ½f(∞)."""
    if isinstance(eta_hat, sp.Piecewise):
        arms = [(penalty_from_dual(dual, formula), condition) for formula, condition in eta_hat.args]
        return None if any(formula is None for formula, _ in arms) else sp.Piecewise(*arms)
    if dual.has(sp.Piecewise):
        return None  # integrated from η̂ instead
    if eta_hat.is_infinite:
        end = limit_at(dual.subs(eta, w), w, sp.oo)
        return None if end is None or not end.is_finite else end / 2
    value = sp.simplify(denested((w**2 / eta_hat + dual.subs(eta, eta_hat)) / 2))
    return tidy(sp.expand_log(value))


def offset(expr: Any, variable: Any = w) -> Any:
    """Return the limit at 0+ where it is finite, otherwise 0."""
    start = limit_at(formula_near(expr.subs(variable, w), 0), w, 0)
    return start if start is not None and start.is_finite else sp.Integer(0)


def shifted(expr: Any, by: Any) -> Any:
    """Return expr − by, piece by piece."""
    return expr if by == 0 else each(expr, lambda formula: formula if formula.is_infinite else tidy(formula - by))


def normalised(penalty: Any, jump: Any) -> Any:
    """Return the penalty shifted so that Ω(0+) is the jump, where that limit is finite."""
    return shifted(penalty, offset(penalty) - jump)


def alpha_from_eta_hat(eta_hat: Any) -> Any:
    """Return α = η̂/(η̂+λ), which is 1 where η̂ is infinite."""
    return each(eta_hat, _retained)


def _retained(eta_hat: Any) -> Any:
    if eta_hat.is_infinite:
        return sp.Integer(1)
    if eta_hat.is_rational_function(w):
        return factored(sp.cancel(sp.together(eta_hat / (eta_hat + lam))))
    above, below = sp.fraction(sp.factor_terms(sp.together(eta_hat)))
    return above / (above + lam * below)


def dual_from_penalty(penalty: Any, eta_hat: Any) -> Any | None:
    """Return f(η) = 2Ω(ŵ) − ŵ²/η with ŵ(η) = sup{w: η̂(w) ≤ η}, piece by piece, or None.

    Below the range of η̂ the dual is 2Ω(0+); where η̂ jumps over η, ŵ is the place of the jump; above the range of η̂
    the dual is +∞; where η̂ is flat the dual jumps.
    """
    parts, areas = pieces(eta_hat), pieces(penalty)
    if parts is None or areas is None:
        return None
    found: list[tuple[Any, Any]] = []  # (formula, upper end in η)
    level: Any = sp.Integer(0)
    for part in parts:
        area = _formula_on(areas, part)
        if area is None:
            return None
        first, last = (_end(part, end) for end in (part.lower, part.upper))
        if first is None or last is None:
            return None
        if first != level:  # η̂ starts above 0, or jumps: ŵ stays at the lower end
            start = limit_at(area, w, 0) if part.lower == 0 else area.subs(w, part.lower)
            if start is None:
                return None
            held = tidy(2 * start - part.lower**2 / eta)
            found.append((held, first))
        if last != first:
            branch = inverse(part.formula, w, eta)
            if branch is None:
                return None
            found.append((tidy(2 * _put(area, branch) - branch**2 / eta), last))
        level = last
    if level != sp.oo:
        found.append((sp.oo, sp.oo))
    # at the upper end of its range f takes the value from below: f is lower semicontinuous
    arms = [(formula, True if upper == sp.oo else eta <= upper) for formula, upper in found]
    arms = [(f, c) for k, (f, c) in enumerate(arms) if k + 1 == len(arms) or f != arms[k + 1][0]]
    if len(parts) and arms[-1][0] == sp.oo and len(arms) > 1 and _end_is_open(parts[-1]):
        arms[-2] = (arms[-2][0], eta < found[-2][1])
    return arms[0][0] if arms[0][1] is True else sp.Piecewise(*arms)


def _put(area: Any, branch: Any) -> Any:
    """Put a branch for w; a power of a positive root is put as such, so that its own roots open up."""
    if not (branch.is_Pow and branch.exp.is_Integer):
        return area.subs(w, branch)
    base = sp.Dummy("base", positive=True)
    return area.subs(w, base**branch.exp).subs(base, branch.base)


def _end_is_open(last: Piece) -> bool:
    """Tell whether η̂ approaches its supremum without reaching it."""
    return w in last.formula.free_symbols


def _formula_on(areas: tuple[Piece, ...], part: Piece) -> Any | None:
    """Return the formula of Ω on a piece of η̂."""
    for area in areas:
        if _reaches(part.lower, area.lower) and _reaches(area.upper, part.upper):
            return area.formula
    return None


def _reaches(far: Any, near: Any) -> bool:
    """Tell whether far ≥ near."""
    return far == sp.oo or (near != sp.oo and sign_of(sp.expand(far - near)) is not None)


def _end(part: Piece, end: Any) -> Any | None:
    """Return the value of η̂ at an end of a piece, from inside."""
    if part.formula.is_infinite or w not in part.formula.free_symbols:
        return part.formula
    if end in (0, sp.oo):
        return limit_at(part.formula, w, end)
    value = sp.simplify(part.formula.subs(w, end))
    return sp.oo if value.has(sp.zoo, sp.nan, sp.oo) else value  # η̂ is positive


__all__ = [
    "agree",
    "alpha_from_eta_hat",
    "dual_from_penalty",
    "eta_hat_from_alpha",
    "eta_hat_from_dual",
    "eta_hat_from_penalty",
    "is_tabulated",
    "normalised",
    "odds",
    "offset",
    "over_slope",
    "penalty_from_dual",
    "penalty_from_eta_hat",
    "shifted",
]
