"""How many digits a formula loses in floating point, and values that keep them all."""

from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import sympy as sp

from etatrick.theory.balls import value_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

EPS: Final = float(np.finfo(np.float64).eps)
ALLOWED: Final = 2e-14  # relative error above which a value is computed again by ball arithmetic


def accurate(
    expr: Any, variable: Any, x: "NDArray[np.float64]", values: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return `values` of a formula with those replaced that cancellation has spoilt.

    A running error analysis of the formula bounds the rounding error at each point to first order; where it exceeds
    2e-14 of the value, ball arithmetic gives the value to the last bit.

    Parameters
    ----------
    expr : sympy.Expr
        In one variable.
    variable : sympy.Symbol
    x, values : numpy.ndarray
        Points > 0 and the values computed there.

    Examples
    --------
    >>> w = sp.Symbol("w", positive=True)
    >>> x = np.array([1e-9])
    >>> accurate(w - sp.log(1 + w), w, x, x - np.log1p(x))
    array([5.e-19])
    """
    with np.errstate(all="ignore"):
        found, bound = _bounded(expr, variable, x)
        spoilt = ~(np.isfinite(bound) & (bound <= ALLOWED * np.abs(found)))
    if not spoilt.any():
        return values
    better = np.array(values)
    for at in np.argwhere(spoilt):
        exact = value_at(expr, {variable: sp.Rational(float(x[tuple(at)]))})
        if exact is not None:
            better[tuple(at)] = float(exact)
    return better


def _bounded(expr: Any, variable: Any, x: "NDArray[np.float64]") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return the values of a formula and a first-order bound of their rounding errors."""
    zero = np.zeros_like(x)
    if expr == variable:
        return x, zero
    if not expr.free_symbols:
        value = zero + float(expr)
        return value, EPS * np.abs(value)
    if isinstance(expr, sp.Piecewise):
        return _in_pieces(expr, variable, x)
    if expr.is_Add:
        terms = [_bounded(term, variable, x) for term in expr.args]
        total = np.sum([value for value, _ in terms], axis=0)
        return total, np.sum([bound for _, bound in terms], axis=0) + EPS * np.abs(total)
    if expr.is_Mul:
        value, relative = zero + 1.0, zero
        for factor in expr.args:
            part, bound = _bounded(factor, variable, x)
            value, relative = value * part, relative + bound / np.abs(part) + EPS
        return value, np.abs(value) * relative
    if isinstance(expr, sp.log):
        inner = sp.expand(expr.args[0])
        if inner.as_coeff_Add()[0] == 1:  # evaluated as log1p
            part, bound = _bounded(inner - 1, variable, x)
            return np.log1p(part), bound / np.abs(1 + part) + EPS * np.abs(np.log1p(part))
    varying = [k for k, argument in enumerate(expr.args) if argument.has(variable)]
    parts = [_bounded(expr.args[k], variable, x) for k in varying]
    symbols = [sp.Symbol(f"u_{k}", positive=True) for k in varying]
    arguments = list(expr.args)
    for k, symbol in zip(varying, symbols, strict=True):
        arguments[k] = symbol
    function, slopes = _outer(expr.func(*arguments), tuple(symbols))
    values = [value for value, _ in parts]
    result = np.asarray(function(*values), dtype=np.float64) + zero
    spread = sum(np.abs(slope(*values)) * bound for slope, (_, bound) in zip(slopes, parts, strict=True))
    return result, spread + 2 * EPS * np.abs(result)


@lru_cache(maxsize=512)
def _outer(outer: Any, symbols: tuple[Any, ...]) -> tuple[Any, tuple[Any, ...]]:
    """Compile the outermost operation of a formula and its partial derivatives."""
    from etatrick.theory.numbers import compiled

    return compiled(outer, *symbols), tuple(compiled(sp.diff(outer, s), *symbols) for s in symbols)


def _in_pieces(expr: Any, variable: Any, x: "NDArray[np.float64]") -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    value, bound, open_ = np.full_like(x, np.nan), np.zeros_like(x), np.ones(x.shape, dtype=bool)
    from etatrick.theory.numbers import OWN, approximated

    for formula, condition in expr.args:
        chosen = (
            open_
            if condition == sp.true
            else open_ & sp.lambdify([variable], approximated(condition), [OWN, "numpy"])(x)
        )
        if formula.is_infinite:
            value[chosen] = float(formula)
        elif chosen.any():
            value[chosen], bound[chosen] = _bounded(formula, variable, x[chosen])
        open_ = open_ & ~chosen
    return value, bound
