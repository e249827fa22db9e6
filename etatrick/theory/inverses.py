"""Inverses of growing functions in closed form: by peeling, by the quadratic formula, by a bounded solver."""

from collections.abc import Iterator
from functools import lru_cache
from typing import Any, Final

import sympy as sp

from etatrick.theory.budget import attempt
from etatrick.theory.integrals import agree
from etatrick.theory.structure import denested

SECONDS: Final = 1.0
_PEELED: Final = {
    sp.exp: sp.log, sp.log: sp.exp, sp.sinh: sp.asinh, sp.asinh: sp.sinh, sp.tan: sp.atan, sp.atan: sp.tan,
    sp.tanh: sp.atanh, sp.atanh: sp.tanh, sp.cosh: sp.acosh, sp.acosh: sp.cosh,
}  # fmt: skip


@lru_cache(maxsize=512)
def inverse(formula: Any, variable: Any, value: Any) -> Any | None:
    """Return the x > 0 with formula(x) = value, as a formula in `value`, or None.

    Parameters
    ----------
    formula : sympy.Expr
        Increasing in `variable`.
    variable, value : sympy.Symbol

    Returns
    -------
    sympy.Expr or None
        Believed only if substituting `formula` for `value` gives back the variable.

    Examples
    --------
    >>> x, y = sp.symbols("x y", positive=True)
    >>> inverse((1 + x**2)**2, x, y)
    sqrt(sqrt(y) - 1)
    >>> inverse(x * (x + 2), x, y)
    sqrt(y + 1) - 1
    """
    for branch in _branches(formula, variable, value):
        found = denested(branch)
        if agree(denested(found.subs(value, formula)), variable):
            return found
    return None


def _branches(formula: Any, variable: Any, value: Any) -> Iterator[Any]:
    peeled = _peel(formula, variable, value)
    if peeled is not None:
        yield peeled
        return
    if not formula.is_rational_function(variable) and (square := sp.simplify(formula**2)).is_rational_function(
        variable
    ):
        formula, value = square, value**2
    equation = sp.numer(sp.together(formula - value))
    if equation.is_polynomial(variable):
        degree = sp.degree(equation, variable)
        if degree <= 2:
            yield from sp.roots(sp.Poly(equation, variable))
        return
    found, _ = attempt(SECONDS, lambda: sp.solve(formula - value, variable))
    yield from (branch for branch in found or () if isinstance(branch, sp.Expr))


def _peel(formula: Any, variable: Any, value: Any) -> Any | None:
    """Undo one operation after another where the variable stands in one place only."""
    while formula != variable:
        if formula.is_Add or formula.is_Mul:
            rest, core = formula.as_independent(variable, as_Add=formula.is_Add)
            if core == formula or (core.is_Add if formula.is_Add else core.is_Mul):
                return None
            formula, value = core, (value - rest if formula.is_Add else value / rest)
        elif formula.is_Pow and not formula.exp.has(variable):
            formula, value = formula.base, value ** (1 / formula.exp)
        elif formula.func in _PEELED:
            formula, value = formula.args[0], _PEELED[formula.func](value)
        else:
            return None
    return value
