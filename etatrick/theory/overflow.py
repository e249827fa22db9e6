"""Formulas of exponentials, written so that floats neither overflow nor cancel where the exponents are large."""

from typing import Any

import sympy as sp


def decaying(expr: Any) -> Any:
    """Write exponentials that grow as inverses of ones that decay, and clear the fractions of fractions.

    Exponents that are rational multiples of one another share one exponential.

    Examples
    --------
    >>> u = sp.Symbol("u", positive=True)
    >>> decaying(sp.exp(u) / (sp.exp(u) + 1))
    1/(1 + exp(-u))
    """
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
