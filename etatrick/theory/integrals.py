"""Penalties from weight rules: Ω(w) = ∫ t/η̂(t) dt by a table of integrands, then by the symbolic library."""

from functools import lru_cache
from typing import Any, Final

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.factoring import factored, integrated
from etatrick.theory.pieces import Piece, each, pieces
from etatrick.theory.signs import points
from etatrick.theory.symbols import w
from etatrick.theory.tidying import tidy

_A: Final = sp.Wild("a", exclude=[w, 0], properties=[lambda k: bool(k.is_positive)])
_B: Final = sp.Wild("b", exclude=[w, 0], properties=[lambda k: bool(k.is_positive)])
_C: Final = sp.Wild("c", exclude=[w, 0, 1], properties=[lambda k: bool(k.is_positive)])
_P: Final = sp.Wild("p", exclude=[w], properties=[lambda k: (k + 1).is_positive is True])

# integrands on (0, w] up to a constant factor, and their integrals from 0
TABLE: Final[tuple[tuple[Any, Any], ...]] = (
    (sp.Integer(1), w),
    (w**_P, w ** (_P + 1) / (_P + 1)),
    (1 / (w + _A), sp.log(1 + w / _A)),
    (w / (w + _A), w - _A * sp.log(1 + w / _A)),
    ((w + _A) ** -2, w / (_A * (w + _A))),
    (w / (w**2 + _A), sp.log(1 + w**2 / _A) / 2),
    (1 / (w**2 + _A), sp.atan(w / sp.sqrt(_A)) / sp.sqrt(_A)),
    (w / (w**2 + _A) ** 2, w**2 / (2 * _A * (w**2 + _A))),
    (w / sp.sqrt(w**2 + _A), sp.sqrt(w**2 + _A) - sp.sqrt(_A)),
    (sp.exp(-_A * w), (1 - sp.exp(-_A * w)) / _A),
    (w * sp.exp(-_A * w), (1 - (1 + _A * w) * sp.exp(-_A * w)) / _A**2),
    (w * sp.exp(-_A * w**2), (1 - sp.exp(-_A * w**2)) / (2 * _A)),
    (sp.tanh(_A * w), sp.log(sp.cosh(_A * w)) / _A),
    (w / (sp.exp(_A * w) - 1), sp.polylog(2, 1 - sp.exp(-_A * w)) / _A**2),
    (sp.sqrt(w**2 + _A) - w, (w * sp.sqrt(w**2 + _A) + _A * sp.asinh(w / sp.sqrt(_A)) - w**2) / 2),
    (sp.sqrt(_C) * sp.sqrt(_C * w**2 + _A) - _C * w,
     (sp.sqrt(_C) * w * sp.sqrt(_C * w**2 + _A) + _A * sp.asinh(w * sp.sqrt(_C / _A)) - _C * w**2) / 2),
)  # fmt: skip


def antiderivative(slope: Any) -> Any | None:
    """Return ∫₀ʷ of a slope found in the table, or None.

    Examples
    --------
    >>> antiderivative(2 / (w + 3))
    2*log(w/3 + 1)
    """
    factor, body = sp.factor_terms(slope).as_independent(w, as_Add=False)
    for pattern, area in TABLE:
        found = body.match(pattern)
        if found is not None and pattern.subs(found) == body:
            return factor * area.subs(found)
    return None


@lru_cache(maxsize=512)
def penalty_from_eta_hat(eta_hat: Any) -> tuple[Any | None, Any]:
    """Return (Ω, base) with Ω = ∫_base^w t/η̂(t) dt, base 0 if that converges and 1 otherwise; (None, 0) if open."""
    parts = pieces(eta_hat)
    if parts is not None and len(parts) > 1:
        return _area_in_pieces(parts)
    slope = rational_slope(eta_hat)
    for form in (slope, factored(slope), sp.expand(slope)):
        found = antiderivative(form)
        if found is not None and agree(sp.diff(found, w), slope):
            return tidy(found), sp.Integer(0)
    t = sp.Dummy("t", positive=True)
    for base in (sp.Integer(0), sp.Integer(1)):
        area = integrated(slope.subs(w, t), (t, base, w))
        if area.has(sp.Integral, sp.I):
            return None, sp.Integer(0)
        if area.has(sp.oo, sp.zoo, sp.nan):
            continue
        area = tidy(area)
        if has_value(area) and agree(sp.diff(area, w), slope):
            return area, base
    return None, sp.Integer(0)


def rational_slope(eta_hat: Any) -> Any:
    """Return w/η̂ without roots in its denominator."""
    slope = slope_of(eta_hat)
    if any(p.exp.is_Rational and not p.exp.is_Integer for p in sp.denom(sp.together(slope)).atoms(sp.Pow)):
        return factored(sp.radsimp(slope))
    return slope


@lru_cache(maxsize=512)
def slope_of(eta_hat: Any) -> Any:
    """Return w/η̂, with 0 where η̂ is infinite."""
    return each(eta_hat, lambda rule: sp.Integer(0) if rule.is_infinite else sp.simplify(w / rule))


def _area_in_pieces(parts: tuple[Piece, ...]) -> tuple[Any | None, Any]:
    """Integrate w/η̂ piece by piece from 0, if that converges on every piece."""
    t = sp.Dummy("t", positive=True)
    total: Any = sp.Integer(0)
    found = []
    for part in parts:
        slope = slope_of(part.formula)
        area = integrated(slope.subs(w, t), (t, part.lower, w))
        if area.has(sp.Integral, sp.I, sp.oo, sp.zoo, sp.nan, sp.Piecewise):
            return None, sp.Integer(0)
        formula = tidy(total + area)
        found.append((formula, sp.true if part.upper == sp.oo else w <= part.upper))
        if not (has_value(formula) and agree(sp.diff(formula, w), slope)):
            return None, sp.Integer(0)
        total = formula.subs(w, part.upper) if part.upper != sp.oo else total
    return sp.Piecewise(*found), sp.Integer(0)


def has_value(expr: Any) -> bool:
    """Tell whether a formula can be evaluated: the library's integrals may hold functions that nothing here knows."""
    return any(value_at(expr, point) is not None for point in points(expr, count=8))


def agree(left: Any, right: Any, count: int = 6) -> bool:
    """Tell whether two expressions have the same value at seeded points, by ball arithmetic."""
    seen = 0
    difference = (left - right).replace(_is_logarithm, sp.expand_func)
    for point in points(left, right, count=4 * count):
        gap = value_at(difference, point)
        if gap is None:
            continue
        if gap != 0:
            return False
        seen += 1
        if seen == count:
            return True
    return seen > 0


def _is_logarithm(node: Any) -> bool:
    """Tell whether a node is Li₁(z) = −log(1 − z), which is slow by its series."""
    return isinstance(node, sp.polylog) and node.args[0] == 1
