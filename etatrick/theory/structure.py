"""What the structure of a formula tells: its sign, and whether it has pieces."""

from typing import Any

import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.factoring import factored
from etatrick.theory.special import Dawson, DawsonIntegral

BROKEN = (sp.Piecewise, sp.Min, sp.Max, sp.Abs, sp.Heaviside, sp.sign, sp.DiracDelta)
_RISING = (  # of the sign of their argument
    sp.atan, sp.tanh, sp.sinh, sp.asinh, sp.erf, sp.erfi, sp.LambertW, Dawson, DawsonIntegral,
)  # fmt: skip


def is_smooth(expr: Any) -> bool:
    """Tell whether a formula has no pieces, so that its derivative tells everything about its growth."""
    return not expr.has(*BROKEN)


def sign_of(expr: Any) -> int | None:
    """Return 1 if the structure shows `expr` > 0, 0 if it shows `expr` ≥ 0, None if it does not tell.

    All symbols are positive.

    Examples
    --------
    >>> x, y = sp.symbols("x y", positive=True)
    >>> sign_of(x + y**2), sign_of(x - y), sign_of((x - y)**2)
    (1, None, 0)
    """
    if expr.is_Symbol:
        return 1 if expr.is_positive else None
    if expr.is_Number:
        return None if expr.is_extended_negative or expr is sp.nan else (0 if expr.is_zero else 1)
    if not expr.free_symbols:
        value = value_at(expr, {})
        return None if value is None or value < 0 or (value == 0 and expr != 0) else int(value > 0)
    if expr.is_Mul:
        signs = [sign_of(factor) for factor in expr.args]
        return None if None in signs else min(s for s in signs if s is not None)
    if expr.is_Add:
        return _sign_of_sum(expr)
    if expr.is_Pow:
        if sign_of(expr.base) == 1:
            return 1
        if sign_of(expr.base) == 0 and expr.exp.is_positive:
            return 0
        return 0 if expr.exp.is_even and expr.exp.is_positive and expr.base.is_extended_real else None
    if isinstance(expr, sp.exp | sp.cosh):
        return 1 if expr.args[0].is_extended_real else None
    if isinstance(expr, sp.erfc):
        return 1
    if isinstance(expr, sp.Abs):
        return 0
    if isinstance(expr, sp.log):
        return sign_of(sp.expand(expr.args[0] - 1))
    if isinstance(expr, sp.coth | sp.csch):
        return 1 if sign_of(expr.args[0]) == 1 else None
    if isinstance(expr, _RISING):
        return sign_of(expr.args[0])
    return None


def _sign_of_sum(expr: Any) -> int | None:
    for form in (expr, sp.expand(expr)):
        signs = [sign_of(term) for term in sp.Add.make_args(form)] if form.is_Add else [sign_of(form)]
        if None not in signs:
            return max(s for s in signs if s is not None)
    return None


def visible(expr: Any) -> Any | None:
    """Return `expr` with every sum written so that its terms show their signs, or None where that fails."""
    if sign_of(expr) is None:
        return None
    return expr.replace(lambda e: e.is_Add and any(sign_of(t) is None for t in e.args), sp.expand)


def denested(expr: Any) -> Any:
    """Factor what stands under roots, so that roots of perfect squares open up (all symbols are positive).

    Examples
    --------
    >>> a, b = sp.symbols("a b", positive=True)
    >>> denested(sp.sqrt(a**2 + 2*a*b + b**2))
    a + b
    """

    def open_root(power: Any) -> Any:
        base = factored(sp.expand(power.base))
        return sp.Pow(base, power.exp)

    found = expr.replace(lambda e: e.is_Pow and e.exp.is_Rational and not e.exp.is_Integer, open_root)
    return found.replace(lambda e: isinstance(e, sp.LambertW) and len(e.args) == 1, _open_lambert)


def _open_lambert(node: Any) -> Any:
    """Write W(x·exp(x)) as x where x > 0."""
    product = sp.factor_terms(sp.powsimp(node.args[0]))
    for power in product.atoms(sp.exp):
        if sign_of(power.args[0]) == 1 and sp.simplify(product - power.args[0] * power) == 0:
            return power.args[0]
    return node


def domain_text(expr: Any) -> str:
    """Return the domain of a proof in words: every free symbol is positive."""
    names = sorted(expr.free_symbols, key=str)
    return ", ".join(f"{name} > 0" for name in names) or "no free symbols"
