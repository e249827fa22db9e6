"""Rigorous values: a sympy expression at a rational point, enclosed by ball arithmetic (Arb)."""

from collections.abc import Callable, Mapping
from typing import Any, Final

import flint
import mpmath as mp
import sympy as sp

from etatrick.theory.special import Dawson, DawsonIntegral

PRECISIONS: Final = (256, 1024, 4096)  # bits, tried in turn
GOOD: Final = 80  # bits of relative accuracy at which a value is accepted
TINY: Final = -1000  # at the last precision a ball around 0 with a radius below 2**TINY is shown as 0

HEADS: Final[dict[Any, Callable[..., Any]]] = {
    sp.exp: lambda x: x.exp(),
    sp.log: lambda x: x.log(),
    sp.Abs: abs,
    sp.sign: lambda x: x.sgn(),
    sp.Max: lambda *xs: _fold(xs, lambda a, b: a.max(b)),
    sp.Min: lambda *xs: _fold(xs, lambda a, b: a.min(b)),
    sp.sin: lambda x: x.sin(),
    sp.cos: lambda x: x.cos(),
    sp.tan: lambda x: x.tan(),
    sp.asin: lambda x: x.asin(),
    sp.acos: lambda x: x.acos(),
    sp.atan: lambda x: x.atan(),
    sp.sinh: lambda x: x.sinh(),
    sp.cosh: lambda x: x.cosh(),
    sp.tanh: lambda x: x.tanh(),
    sp.coth: lambda x: x.coth(),
    sp.asinh: lambda x: x.asinh(),
    sp.acosh: lambda x: x.acosh(),
    sp.atanh: lambda x: x.atanh(),
    sp.erf: lambda x: x.erf(),
    sp.erfc: lambda x: x.erfc(),
    sp.erfi: lambda x: x.erfi(),
    sp.gamma: lambda x: x.gamma(),
    sp.loggamma: lambda x: x.lgamma(),
    sp.LambertW: lambda x: x.lambertw(),
    sp.csch: lambda x: x.csch(),
    sp.sech: lambda x: x.sech(),
    Dawson: lambda x: _dawson(x),
    DawsonIntegral: lambda x: _dawson_integral(x),
}
_CONSTANTS: Final[dict[Any, Callable[[], Any]]] = {
    sp.pi: flint.arb.pi,
    sp.E: lambda: flint.arb(1).exp(),
    sp.EulerGamma: flint.arb.const_euler,
}


def _polylog(order: int, z: Any) -> Any:
    """Return Liₛ(z) for z ≤ 1; for s ≥ 2 it grows up to ζ(s) at 1, which bounds it where the ball touches 1."""
    if z < 1:
        return flint.acb(z).polylog(order).real
    if z > 1 or order < 2:  # not real, or infinite
        raise UndecidedError
    low = z.lower()
    return (flint.acb(low).polylog(order).real if low < 1 else flint.arb(order).zeta()).union(flint.arb(order).zeta())


def _dawson(x: Any) -> Any:
    return flint.arb.pi().sqrt() / 2 * (-x * x).exp() * x.erfi()


def _dawson_integral(x: Any) -> Any:
    """Return ∫₀ˣ D: the power series near 0; far out the asymptotic series of D with its remainder enclosed.

    The remainder R after K terms solves R′ + 2uR = 2a_K u^{−2K}; for u² ≥ 2K+1 it stays below 2a_K u^{−2K−1}
    from where it is.
    """
    near, terms = flint.arb(16), 100
    if x < near:
        return x * x / 2 * (-x * x).hypgeom([1, 1], [flint.arb(3) / 2, 2])
    a, total, series = flint.arb(1) / 2, (x / near).log() / 2, flint.arb(0)
    for k in range(terms):
        series += a / near ** (2 * k + 1)
        if k:
            total += a * (near ** (-2 * k) - x ** (-2 * k)) / (2 * k)
        a = a * (2 * k + 1) / 2
    rest = _dawson(near) - series
    if not (rest >= 0 and rest <= 2 * a / near ** (2 * terms + 1)):
        raise UndecidedError
    bound = a / (terms * near ** (2 * terms))
    start = near * near / 2 * (-near * near).hypgeom([1, 1], [flint.arb(3) / 2, 2])
    return start + total + bound / 2 + flint.arb(0, 1) * bound / 2


class UndecidedError(Exception):
    """The expression has no ball at this precision: an unknown function, or a comparison too close to call."""


def value_at(expr: Any, point: Mapping[Any, Any]) -> Any:
    """Return the value of `expr` as an mpmath number known to 24 digits, or None where that cannot be had.

    Ball arithmetic bounds every rounding error, so cancellation cannot pass for a value; the precision is
    raised until the ball is narrow enough.

    Parameters
    ----------
    expr : sympy.Expr
    point : mapping of sympy.Symbol to sympy.Rational

    Returns
    -------
    mpmath.mpf or None
        None for values that are infinite, not real, or not enclosed tightly at the highest precision; 0 for
        values that are 0 or cannot be told from 0 within 2**-1000.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> float(value_at(sp.log(1 + x) - x, {x: sp.Rational(1, 10**20)}))
    -5e-41
    """
    saved = flint.ctx.prec
    try:
        for bits in PRECISIONS:
            flint.ctx.prec = bits
            try:
                ball = _ball(expr, point)
            except (UndecidedError, ValueError, TypeError, AttributeError, ZeroDivisionError):
                continue
            if not ball.is_finite():
                continue
            if ball.rel_accuracy_bits() >= GOOD:
                with mp.workprec(128):
                    return mp.mpf(ball.mid().str(40, radius=False))
            exact = ball.is_exact() and ball == 0
            last = bits == PRECISIONS[-1] and ball.contains(0) and ball.rad() < flint.arb(2) ** TINY
            if exact or last:
                return mp.mpf(0)
        return None
    finally:
        flint.ctx.prec = saved


def interval_at(expr: Any, point: Mapping[Any, Any], bits: int = 256) -> Any:
    """Return a ball (``flint.arb``) that encloses the value of `expr`, or None where it cannot be had.

    Parameters
    ----------
    expr : sympy.Expr
    point : mapping of sympy.Symbol to sympy.Rational
    bits : int
        Working precision.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> bool(interval_at(sp.sqrt(x), {x: sp.Integer(2)}) ** 2 == 2), bool(interval_at(x, {x: sp.Integer(2)}) == 2)
    (False, True)
    """
    saved = flint.ctx.prec
    try:
        flint.ctx.prec = bits
        return _ball(expr, point)
    except (UndecidedError, ValueError, TypeError, AttributeError, ZeroDivisionError):
        return None
    finally:
        flint.ctx.prec = saved


def _ball(expr: Any, point: Mapping[Any, Any]) -> Any:
    if expr.is_Rational:
        return flint.arb(flint.fmpq(int(expr.p), int(expr.q)))
    if expr.is_Float:
        return _ball(sp.Rational(str(expr)), point)
    if expr in point:
        return _ball(point[expr], point)
    if expr in _CONSTANTS:
        return _CONSTANTS[expr]()
    if isinstance(expr, sp.Piecewise):
        for piece, condition in expr.args:
            if holds(condition, point):
                return _ball(piece, point)
        raise UndecidedError
    if expr.is_Pow:
        return _power(expr, point)
    if isinstance(expr, sp.polygamma) and expr.args[0] == 0:
        return _ball(expr.args[1], point).digamma()
    if isinstance(expr, sp.polylog) and expr.args[0].is_Integer:
        return _polylog(int(expr.args[0]), _ball(expr.args[1], point))
    arguments = [_ball(argument, point) for argument in expr.args]
    if expr.is_Add:
        return sum(arguments[1:], start=arguments[0])
    if expr.is_Mul:
        return _fold(arguments, lambda a, b: a * b)
    if expr.func in HEADS:
        return HEADS[expr.func](*arguments)
    raise UndecidedError


def _power(expr: Any, point: Mapping[Any, Any]) -> Any:
    base = _ball(expr.base, point)
    if expr.exp.is_Integer:
        return base ** int(expr.exp)
    return base.sqrt() if expr.exp == sp.Rational(1, 2) else base ** _ball(expr.exp, point)


def holds(condition: Any, point: Mapping[Any, Any]) -> bool:
    """Decide a comparison of balls at the working precision.

    Raises
    ------
    UndecidedError
        Where the balls overlap, or a side has no ball.
    """
    if condition in (sp.true, sp.false):
        return bool(condition)
    if isinstance(condition, sp.And | sp.Or):
        join = all if isinstance(condition, sp.And) else any
        return join(holds(part, point) for part in condition.args)
    if isinstance(condition, sp.Not):
        return not holds(condition.args[0], point)
    gap = _ball(condition.lhs, point) - _ball(condition.rhs, point)
    if gap > 0:
        return isinstance(condition, sp.Gt | sp.Ge | sp.Ne)
    if gap < 0:
        return isinstance(condition, sp.Lt | sp.Le | sp.Ne)
    if gap == 0:
        return isinstance(condition, sp.Ge | sp.Le | sp.Eq)
    raise UndecidedError


def _fold(items: Any, combine: Callable[[Any, Any], Any]) -> Any:
    first, *rest = items
    for item in rest:
        first = combine(first, item)
    return first
