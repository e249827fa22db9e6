"""Limits of a formula at 0 and at infinity, each compared with values on the way there."""

from functools import lru_cache
from itertools import pairwise
from typing import Any, Final

import mpmath as mp
import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.special import Dawson, DawsonIntegral

EXPONENTS: Final = (8, 16, 32, 64)  # the way to an end: w = 10**±8, 10**±16, …


@lru_cache(maxsize=4096)
def limit_at(expr: Any, variable: Any, end: Any) -> Any | None:
    """Return the limit of `expr` for ``variable → 0+`` or ``variable → ∞``, or None where it is not known.

    The symbolic limit is believed only if values on the way there approach it.

    Parameters
    ----------
    expr : sympy.Expr
        All symbols positive.
    variable : sympy.Symbol
    end : {0, sympy.oo}

    Returns
    -------
    sympy.Expr or None
        Possibly ``oo`` or ``-oo``.

    Examples
    --------
    >>> x, a = sp.symbols("x a", positive=True)
    >>> limit_at(x / (x + a), x, sp.oo), limit_at(sp.log(x), x, 0)
    (1, -oo)
    """
    if variable not in expr.free_symbols:
        return expr
    for form in (expr, *((sp.logcombine(expr, force=True),) if expr.has(sp.log) else ())):
        found = _limit(form, variable, end)
        if found is None or found.has(sp.AccumBounds, sp.nan, sp.zoo, variable, sp.Limit):
            continue
        if any(p.base.is_zero for p in found.atoms(sp.Pow)):  # 0 to a power whose sign depends on parameters
            continue
        if _approached(expr, variable, end, found):
            return found
    return None


def _limit(expr: Any, variable: Any, end: Any) -> Any | None:
    value = _by_substitution(expr, variable, end)
    if value is not None:
        return value
    if expr.has(Dawson, DawsonIntegral):
        expr = _expanded_dawson(expr, variable, end)
        if expr is None:
            return None
    if expr.has(sp.polylog):
        expr = expr.replace(lambda e: isinstance(e, sp.polylog), lambda e: _settled_polylog(e, variable, end))
    try:
        return sp.simplify(sp.limit(expr, variable, end, "+" if end == 0 else "-"))
    except (ArithmeticError, AttributeError, NotImplementedError, TypeError, ValueError):
        return None


def _by_substitution(expr: Any, variable: Any, end: Any) -> Any | None:
    """Return the value at the end where the formula is continuous there: polynomials at 0, and compositions."""
    if end != 0:
        return None
    value = expr.subs(variable, 0)
    known = value.is_finite and not value.has(sp.zoo, sp.nan, sp.oo)
    if not known or any(
        p.exp.is_negative and p.base.subs(variable, 0).is_zero is not False for p in expr.atoms(sp.Pow)
    ):
        return None
    return value


def _settled_polylog(node: Any, variable: Any, end: Any) -> Any:
    """Replace Liₛ(z), s ≥ 2, by its value where z tends to a number in [0, 1], on which it is continuous."""
    order, z = node.args
    value = sp.limit(z, variable, end, "+" if end == 0 else "-")
    continuous = order.is_Integer and order >= 2 and value.is_number and 0 <= value <= 1
    return sp.expand_func(sp.polylog(order, value)) if continuous else node


def _expanded_dawson(expr: Any, variable: Any, end: Any) -> Any | None:
    """Replace Dawson's integral by enough terms of its expansion at the end its argument goes to."""

    def replaced(node: Any) -> Any:
        x, integral = node.args[0], isinstance(node, DawsonIntegral)
        small = sp.limit(x, variable, end, "+" if end == 0 else "-") == 0
        if small:
            return x**2 / 2 - x**4 / 6 if integral else x - 2 * x**3 / 3 + 4 * x**5 / 15
        if integral:
            return sp.log(2 * x) / 2 + sp.EulerGamma / 4 - 1 / (8 * x**2)
        return 1 / (2 * x) + 1 / (4 * x**3) + sp.Rational(3, 8) / x**5

    return expr.replace(lambda e: isinstance(e, Dawson | DawsonIntegral), replaced)


def _approached(expr: Any, variable: Any, end: Any, limit: Any) -> bool:
    """Tell whether the values on the way to the end come closer to the limit, or run away if it is infinite."""
    others = sorted(expr.free_symbols - {variable}, key=str)
    fixed = {s: sp.Rational(7 + 4 * k, 5 + 3 * k) for k, s in enumerate(others)}
    target = None if limit.is_infinite else value_at(limit, fixed)
    if target is None and not limit.is_infinite:
        return False
    gaps = []
    for k in EXPONENTS:
        there = sp.Integer(10) ** (k if end == sp.oo else -k)
        value = value_at(expr, {**fixed, variable: there})
        if value is None:
            continue
        gaps.append(value if target is None else abs(value - target))
    if len(gaps) < 2:
        return False
    if target is None:
        sign = 1 if limit == sp.oo else -1
        return all(sign * b > sign * a for a, b in pairwise(gaps))
    close = mp.mpf(10) ** -6 * (1 + abs(target))
    return bool(all(b <= a for a, b in pairwise(gaps)) and gaps[-1] < close)
