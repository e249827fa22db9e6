"""Formulas written so that floats neither overflow nor cancel: large exponents, and numbers that machines lack."""

from collections.abc import Iterator
from typing import Any, Final

import sympy as sp

LONG: Final = 2**63  # integers from here on are no machine numbers


def decaying(expr: Any) -> Any:
    """Write exponentials that grow as inverses of ones that decay, and clear the fractions of fractions.

    Exponents that are rational multiples of one another share one exponential.

    Examples
    --------
    >>> u = sp.Symbol("u", positive=True)
    >>> decaying(sp.exp(u) / (sp.exp(u) + 1))
    1/(1 + exp(-u))
    >>> decaying(sp.log(sp.exp(u) / (sp.exp(u) + 1)))
    log(1/(1 + exp(-u)))
    """
    expr = expr.replace(sp.log, lambda inner: sp.log(decaying(inner)))
    growing = sorted({e.args[0] for e in expr.atoms(sp.exp) if e.args[0].is_positive}, key=sp.count_ops)
    bases: dict[Any, Any] = {}
    table = {}
    for exponent in growing:
        base = next((b for b in bases if (exponent / b).is_Rational), exponent)
        small = bases.setdefault(base, sp.Dummy("z", positive=True))
        table[sp.exp(exponent)] = small ** -(exponent / base)
    if not table:
        return expr
    back = {small: sp.exp(-base) for base, small in bases.items()}
    return _cleared(expr.xreplace(table)).xreplace(back)


def _cleared(expr: Any) -> Any:
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((_cleared(formula), condition) for formula, condition in expr.args))
    return sp.factor_terms(sp.together(expr)) if isinstance(expr, sp.Expr) else expr


def in_machine_numbers(expr: Any) -> Any:
    """Return the expression with numbers that numpy has: roots, long integers and constant sums in 20 digits.

    Floats would lose digits in the differences of a constant such as tanh(4)/(1 − tanh(4)).

    Examples
    --------
    >>> in_machine_numbers(sp.log(sp.Integer(10) ** 20 + 39))
    46.051701859880913681
    """
    long = (n for n in expr.atoms(sp.Integer) if abs(n) >= LONG)
    return expr.xreplace({number: number.n(20) for number in (*_constant_sums(expr), *expr.atoms(sp.CRootOf), *long)})


def _constant_sums(expr: Any) -> Iterator[Any]:
    """Yield the largest parts without symbols that hold a sum."""
    if isinstance(expr, sp.Expr) and not expr.free_symbols:
        if expr.has(sp.Add) and expr.is_finite:
            yield expr
        return
    for part in expr.args:
        yield from _constant_sums(part)
