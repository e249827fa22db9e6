"""Readable forms of a formula: the shortest of a few equivalent ones."""

from functools import lru_cache
from itertools import chain, combinations
from typing import Any

import sympy as sp

from etatrick.theory.factoring import factored
from etatrick.theory.structure import denested
from etatrick.theory.symbols import eta, w


@lru_cache(maxsize=2048)
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
    forms = _rewritten(expr)
    forms += [sp.Add(*(factored(term) for term in sp.Add.make_args(form))) for form in unique(forms)]
    if expr.has(sp.log):
        forms += [_unit_logs(form) for form in unique(forms)]
    return _upright(min(unique(forms), key=length))


def _rewritten(expr: Any) -> list[Any]:
    """Return equivalent forms: by the library's search only where factoring alone could miss the shortest."""
    if expr.is_rational_function():
        return [expr, factored(expr), sp.factor_terms(sp.cancel(expr))]
    if any(term.is_Add and _has_root(term) for term in sp.Mul.make_args(sp.denom(sp.together(expr)))):
        return [factored(sp.radsimp(expr))]  # differences of roots lose digits
    if expr.has(sp.polylog):  # the library's search takes long and finds nothing
        plain = expr.replace(sp.polylog, lambda order, z: sp.polylog(order, factored(z)))
        return [expr, plain, factored(plain)]
    if expr.has(sp.tanh):
        return [expr, factored(denested(expr)), simplified(expr.rewrite(sp.tanh, sp.exp))]
    forms = [expr, simplified(expr)]
    if not _is_product(forms[-1]):
        forms.append(factored(denested(expr)))
    if expr.has(sp.log):
        forms.append(sp.logcombine(simplified(sp.expand_log(expr))))
    return forms


def unique(forms: list[Any]) -> list[Any]:
    """Return the formulas without repetitions, in their order."""
    return list(dict.fromkeys(forms))


@lru_cache(maxsize=2048)
def simplified(expr: Any) -> Any:
    """Simplify; the same formula comes up in several steps of a derivation."""
    if _is_product(expr):
        plain = sp.powsimp(expr)
        return sp.factor_terms(plain.replace(lambda e: e.is_Pow, lambda e: e.base ** factored(sp.together(e.exp))))
    return sp.simplify(expr)


def _is_product(expr: Any) -> bool:
    """Tell whether a formula is a power of w or η times what does not depend on them."""
    return all(f in (w, eta) or (f.is_Pow and f.base in (w, eta) and not f.exp.has(w, eta)) or not f.has(w, eta)
               for f in sp.Mul.make_args(expr))  # fmt: skip


def _upright(expr: Any) -> Any:
    """Turn pairs of signs in a fraction so that fewest minus signs lead: −a/(b − c) becomes a/(c − b)."""
    above, below = sp.fraction(expr)
    parts = [list(sp.Mul.make_args(above)), list(sp.Mul.make_args(below))]
    sums = [(side, k) for side in (0, 1) for k, factor in enumerate(parts[side]) if factor.is_Add]
    if above.is_Add or not sums or len(sums) > 4:
        return expr
    forms = [expr]
    for turned in chain.from_iterable(combinations(sums, size) for size in (1, 2)):
        changed = [list(side) for side in parts]
        for side, k in turned:
            changed[side][k] = sp.Add(*(-term for term in changed[side][k].args))
        forms.append((-1) ** len(turned) * sp.Mul(*changed[0]) / sp.Mul(*changed[1]))
    return min(forms, key=_leading_signs)


def _leading_signs(expr: Any) -> int:
    """Count the factors that begin with a minus sign, or whose sums do or begin with a number and go down."""
    parts = [factor for side in sp.fraction(expr) for factor in sp.Mul.make_args(side)]
    count = 2 * sum(factor.is_Number and bool(factor.is_negative) for factor in parts)
    for factor in parts:
        if factor.is_Add:
            first = str(factor)
            count += 2 * first.startswith("-") + (" + " not in first and first[0].isdigit())
    return int(count)


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
        return _upright(factored(sp.cancel(expr)))
    found = expr.func(*(opened_up(argument) for argument in expr.args))
    return sp.factor_terms(found) if found.is_Add else found


def closed_up(expr: Any) -> Any:
    """Return the shortest form of a formula into which functions of the parameters were substituted.

    Examples
    --------
    >>> p, x = sp.Symbol("p", positive=True), sp.Symbol("x", positive=True)
    >>> closed_up(x ** (2 / (p / (2 - p) + 1)))
    x**(2 - p)
    """
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((closed_up(formula), _closed_condition(condition)) for formula, condition in expr.args))
    if expr.is_infinite:
        return expr
    plain = opened_up(expr)
    forms = [plain, sp.factor_terms(plain), factored(plain)]
    if expr.has(sp.exp):
        forms += [sp.powsimp(form) for form in unique(forms)]
    if expr.has(sp.log):
        forms += [sp.expand_log(form) for form in unique(forms)]
        forms += [factored(form) for form in unique(forms)]
    return _upright(min(unique(forms), key=length))


def _closed_condition(condition: Any) -> Any:
    if not isinstance(condition, sp.Rel):
        return condition
    return condition.func(*(min(side, _upright(opened_up(side)), key=length) for side in condition.args))


def _has_root(expr: Any) -> bool:
    return any(p.exp.is_Rational and not p.exp.is_Integer and p.base.is_Add for p in expr.atoms(sp.Pow))


def length(expr: Any) -> tuple[bool, int, int]:
    """Return what orders forms by readability: no symbolic powers inside logarithms, then few operations."""
    tangled = any(power.exp.free_symbols for log in expr.atoms(sp.log) for power in log.atoms(sp.Pow))
    return tangled, int(sp.count_ops(expr)), len(str(expr))


def _unit_logs(expr: Any) -> Any:
    """Write logarithms as log(1 + …) where the argument allows, which stays accurate near 1."""
    return expr.replace(lambda e: isinstance(e, sp.log), lambda e: sp.log(sp.expand(e.args[0])))
