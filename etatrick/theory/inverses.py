"""Inverses of growing functions in closed form: by peeling, by the quadratic formula, by a bounded solver."""

import math
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
    root, power = _common_root(formula, variable)
    equation = sp.numer(sp.together(root - value))
    if not equation.is_polynomial(variable):
        equation = _without_square_root(equation, variable)
    if equation is not None and equation.is_polynomial(variable):
        yield from (found**power for found in _low_roots(equation, variable))
        return
    if _is_mixed(formula, variable):
        return
    found, _ = attempt(SECONDS, lambda: sp.solve(formula - value, variable))
    yield from (branch for branch in found or () if isinstance(branch, sp.Expr))


def _without_square_root(equation: Any, variable: Any) -> Any | None:
    """Return P² − Q²R for an equation P + Q√R with polynomials P, Q and R, None for any other."""
    roots = {p for p in equation.atoms(sp.Pow) if p.exp == sp.Rational(1, 2) and p.base.has(variable)}
    if len(roots) != 1:
        return None
    (root,) = roots
    symbol = sp.Dummy("root", positive=True)
    found = equation.xreplace({root: symbol, 1 / root: 1 / symbol})
    if not found.is_polynomial(variable, symbol) or sp.degree(found, symbol) != 1:
        return None
    first, rest = sp.Poly(found, symbol).all_coeffs()
    squared = sp.expand(rest**2 - first**2 * root.base)
    return squared if squared.is_polynomial(variable) else None


def _low_roots(equation: Any, variable: Any) -> Iterator[Any]:
    """Yield the roots of a polynomial that is linear or quadratic in the variable or in a power of it."""
    polynomial = sp.Poly(equation, variable)
    lowest = min(power for (power,) in polynomial.monoms())
    powers = [power - lowest for (power,) in polynomial.monoms()]
    common = math.gcd(*powers)
    if common and max(powers) <= 2 * common:
        low = sp.Poly({(power // common,): c for power, c in zip(powers, polynomial.coeffs(), strict=True)}, variable)
        yield from (root ** sp.Rational(1, common) for root in sp.roots(low))


def _is_mixed(formula: Any, variable: Any) -> bool:
    """Tell whether the variable stands both in such functions and outside: the solver inverts only exp and log then."""
    nodes = {f for f in formula.atoms(sp.Function) if f.has(variable) and not isinstance(f, sp.exp | sp.log)}
    return bool(nodes) and formula.xreplace({node: sp.Dummy() for node in nodes}).has(variable)


def _common_root(formula: Any, variable: Any) -> tuple[Any, Any]:
    """Return the formula in s with s**q = variable, written as the variable, such that no power of s is broken; and q.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> _common_root(x + sp.sqrt(x), x)
    (x**2 + x, 2)
    """
    powers = [p.exp for p in formula.atoms(sp.Pow) if p.base == variable and p.exp.is_Rational]
    common = math.lcm(*(int(exponent.q) for exponent in powers))
    return (formula if common == 1 else formula.subs(variable, variable**common)), common


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
