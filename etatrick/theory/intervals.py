"""Ranges of a formula on an interval that may reach to infinity: endpoints enclosed by ball arithmetic (Arb)."""

from functools import reduce
from itertools import product
from typing import Any, Final

import flint
import sympy as sp

from etatrick.theory.balls import HEADS, interval_at
from etatrick.theory.special import Dawson, DawsonIntegral

Interval = tuple[Any, Any]  # two exact numbers (flint.arb), perhaps infinite, between which all values lie
BITS: Final = 96
INF: Final = flint.arb("inf")
NONE: Final = flint.arb(0)
LINE: Final[Interval] = (-INF, INF)
_RISING: Final[dict[Any, tuple[Any, Any, Any, Any]]] = {  # head: where it starts, its limit there, and at infinity
    sp.exp: (-INF, NONE, INF, lambda x: x.exp()),
    sp.log: (NONE, -INF, INF, lambda x: x.log()),
    sp.sinh: (-INF, -INF, INF, lambda x: x.sinh()),
    sp.tanh: (-INF, flint.arb(-1), flint.arb(1), lambda x: x.tanh()),
    sp.asinh: (-INF, -INF, INF, lambda x: x.asinh()),
    sp.atan: (-INF, flint.arb(-2), flint.arb(2), lambda x: x.atan()),  # ±π/2, widened
    sp.erf: (-INF, flint.arb(-1), flint.arb(1), lambda x: x.erf()),
    sp.erfi: (-INF, -INF, INF, lambda x: x.erfi()),
    sp.LambertW: (NONE, NONE, INF, lambda x: x.lambertw()),
    DawsonIntegral: (NONE, NONE, INF, lambda x: _at(DawsonIntegral, x)),
}
_WAVES: Final = {sp.sin: lambda x: x.sin(), sp.cos: lambda x: x.cos()}


class NoRangeError(ArithmeticError):
    """A range is unknown: a division by an interval around 0, a root of a negative number, an unknown function."""


def range_of(expr: Any, variable: Any, lower: Any, upper: Any) -> Interval:
    """Return an interval that holds every value of `expr` for lower ≤ variable ≤ upper.

    Parameters
    ----------
    expr : sympy.Expr
        With no other free symbol.
    variable : sympy.Symbol
    lower, upper : sympy.Rational or sympy.oo

    Returns
    -------
    pair of flint.arb
        Exact numbers, rounded outwards.

    Raises
    ------
    NoRangeError
        Where the arithmetic finds no range; then the formula may have a pole or a jump there.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> low, high = range_of(1 + sp.exp(-x) * sp.cos(x), x, sp.Integer(1), sp.oo)
    >>> float(low) > 0.6, float(high) < 1.4
    (True, True)
    """
    saved = flint.ctx.prec
    try:
        flint.ctx.prec = BITS
        return _range(expr, variable, {variable: (_point(lower), _point(upper))})
    except (ValueError, TypeError, ZeroDivisionError) as error:
        raise NoRangeError(str(error)) from None
    finally:
        flint.ctx.prec = saved


def _point(end: Any) -> Any:
    return INF if end == sp.oo else flint.arb(flint.fmpq(int(end.p), int(end.q)))


def _range(expr: Any, x: Any, known: dict[Any, Interval]) -> Interval:
    if expr not in known:
        known[expr] = _outward(*_found(expr, x, known))
    return known[expr]


def _found(expr: Any, x: Any, known: dict[Any, Interval]) -> Interval:
    if not expr.free_symbols:
        ball = interval_at(expr, {}, BITS)
        if ball is None or not ball.is_finite():
            raise NoRangeError(f"{expr} has no value")
        return ball, ball
    if expr.is_Pow and expr.exp.is_Rational:
        return _power(_range(expr.base, x, known), expr.exp)
    if expr.is_Pow:
        return _range(sp.exp(expr.exp * sp.log(expr.base), evaluate=False), x, known)
    if expr.is_Mul and (found := _decay(expr, x, known)) is not None:
        return found
    arguments = [_range(argument, x, known) for argument in expr.args]
    if expr.is_Add:
        return reduce(lambda a, b: (a[0] + b[0], a[1] + b[1]), arguments)
    if expr.is_Mul:
        return reduce(_times, arguments)
    if expr.func in _RISING:
        return _rising(expr.func, arguments[0][0]), _rising(expr.func, arguments[0][1])
    return _other(expr.func, arguments[0])


def _decay(expr: Any, x: Any, known: dict[Any, Interval]) -> Interval | None:
    """Return the range of xᵖ·exp(u)·rest where xᵖ·exp(u), whose logarithm has the slope (p + xu′)/x, is monotone."""
    power = sum(a.as_base_exp()[1] for a in expr.args if a.as_base_exp()[0] == x)
    inner = [a.args[0] for a in expr.args if isinstance(a, sp.exp)]
    if not inner or power == 0:
        return None
    growth, decay = x**power, sp.exp(sum(inner))
    steepness = _range(sp.expand(power + x * sp.diff(sum(inner), x)), x, known)
    if not (steepness[0] >= 0 or steepness[1] <= 0):
        return None
    ends = [None if end in (0, INF) else _times(*(_range(factor, x, {x: (end, end)}) for factor in (growth, decay)))
            for end in known[x]]  # fmt: skip
    first, last = ends if steepness[0] >= 0 else ends[::-1]
    return _times((first[0] if first else NONE, last[1] if last else INF), _range(expr / (growth * decay), x, known))


def _times(a: Interval, b: Interval) -> Interval:
    ends = [NONE if x == 0 or y == 0 else x * y for x, y in product(a, b)]  # 0·∞ = 0: no factor is ever infinite
    return reduce(lambda x, y: x.min(y), ends), reduce(lambda x, y: x.max(y), ends)


def _power(base: Interval, exponent: Any) -> Interval:
    low, high = base
    if exponent.is_integer and exponent.is_even and low < 0:
        low, high = (NONE, (-low).max(high)) if high >= 0 else (-high, -low)
    if exponent.is_negative:
        if not (low >= 0 or high <= 0):
            raise NoRangeError("a division by an interval around 0")
        edge = INF if low >= 0 else -INF
        low, high = (edge if end == 0 else NONE if abs(end) == INF else 1 / end for end in (high, low))
        return _power((low, high), -exponent)
    if exponent.is_Integer:
        return low ** int(exponent), high ** int(exponent)
    if not low >= 0:
        raise NoRangeError("a root of a negative number")
    power = flint.arb(flint.fmpq(int(exponent.p), int(exponent.q)))
    return (low if low == 0 or low == INF else low**power), (high if high == 0 or high == INF else high**power)


def _rising(head: Any, end: Any) -> Any:
    start, first, last, value = _RISING[head]
    if end == INF:
        return last
    if end == start:
        return first
    if not end > start:
        raise NoRangeError(f"{head.__name__} below {start}")
    return value(end)


def _other(head: Any, argument: Interval) -> Interval:
    low, high = argument
    if head in _WAVES:
        if not (low.is_finite() and high.is_finite()):
            return flint.arb(-1), flint.arb(1)
        ball = _WAVES[head](low.union(high))
        return ball, ball
    if head is sp.cosh:
        least = NONE if low <= 0 and high >= 0 else abs(low).min(abs(high))
        most = abs(low).max(abs(high))
        return least.cosh(), most if most == INF else most.cosh()
    if not (low.is_finite() and high.is_finite()):
        if head is Dawson and low >= 1:  # falls from its maximum at 0.924… to 0
            return NONE, _at(Dawson, low)
        raise NoRangeError(f"{head.__name__} up to infinity")
    ball = _at(head, low.union(high))
    return ball, ball


def _at(head: Any, ball: Any) -> Any:
    if head not in HEADS:
        raise NoRangeError(f"{head.__name__} is unknown")
    return HEADS[head](ball)


def _outward(low: Any, high: Any) -> Interval:
    low, high = low.lower() if low.is_finite() else low, high.upper() if high.is_finite() else high
    if not low <= high:
        raise NoRangeError("no number")
    return low, high
