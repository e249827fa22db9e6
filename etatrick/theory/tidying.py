"""Readable forms of a formula: the shortest of a few equivalent ones."""

from typing import Any

import sympy as sp

from etatrick.theory.structure import denested


def tidy(expr: Any) -> Any:
    """Return the shortest of a few equivalent forms (all symbols positive).

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> tidy(x**2 / (x + x**2))
    x/(x + 1)
    """
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((tidy(formula), condition) for formula, condition in expr.args))
    if expr.is_infinite:
        return expr
    expr = expr.replace(lambda e: isinstance(e, sp.polylog) and e.args[0] == 1, sp.expand_func)
    if any(term.is_Add and _has_root(term) for term in sp.Mul.make_args(sp.denom(sp.together(expr)))):
        expr = sp.factor(sp.radsimp(expr))  # differences of roots lose digits
        forms = [expr]
    else:
        forms = [expr, sp.simplify(expr), sp.factor(denested(expr))]
    if expr.has(sp.tanh):
        forms.append(sp.simplify(expr.rewrite(sp.exp)))
    if expr.has(sp.log):
        forms.append(sp.logcombine(sp.simplify(sp.expand_log(expr))))
    forms += [sp.Add(*(sp.factor(term) for term in sp.Add.make_args(form))) for form in forms]
    if expr.has(sp.log):
        forms += [_unit_logs(form) for form in forms]
    return _upright(min(forms, key=length))


def _upright(expr: Any) -> Any:
    """Write −a/(b − c) as a/(c − b)."""
    above, below = sp.fraction(expr)
    parts = list(sp.Mul.make_args(below))
    sums = [k for k, factor in enumerate(parts) if factor.is_Add]
    if not sums or above.is_Add or not above.could_extract_minus_sign():
        return expr
    parts[sums[0]] = sp.Add(*(-term for term in parts[sums[0]].args))
    return -above / sp.Mul(*parts)


def unpacked(expr: Any) -> Any:
    """Simplify, but keep factors and exponents out of logarithms."""
    return sp.factor_terms(sp.expand_log(sp.simplify(expr)))


def rebuilt(expr: Any) -> Any:
    """Evaluate every node afresh, so that a formula equals its copies."""
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((rebuilt(formula), condition) for formula, condition in expr.args))
    return expr.func(*map(rebuilt, expr.args)) if expr.args else expr


def opened_up(expr: Any) -> Any:
    """Cancel fractions everywhere in a formula into which other symbols were substituted."""
    if not isinstance(expr, sp.Basic) or not expr.args:
        return expr
    if isinstance(expr, sp.Expr) and expr.is_rational_function() and not expr.is_infinite:
        return sp.factor(sp.cancel(expr))
    found = expr.func(*(opened_up(argument) for argument in expr.args))
    return sp.factor_terms(found) if found.is_Add else found


def _has_root(expr: Any) -> bool:
    return any(p.exp.is_Rational and not p.exp.is_Integer and p.base.is_Add for p in expr.atoms(sp.Pow))


def length(expr: Any) -> tuple[bool, int, int]:
    """Return what orders forms by readability: no symbolic powers inside logarithms, then few operations."""
    tangled = any(power.exp.free_symbols for log in expr.atoms(sp.log) for power in log.atoms(sp.Pow))
    return tangled, int(sp.count_ops(expr)), len(str(expr))


def _unit_logs(expr: Any) -> Any:
    """Write logarithms as log(1 + …) where the argument allows, which stays accurate near 1."""
    return expr.replace(lambda e: isinstance(e, sp.log), lambda e: sp.log(sp.expand(e.args[0])))
