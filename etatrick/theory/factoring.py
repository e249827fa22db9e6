"""Factoring and integration of formulas whose powers and exponentials may have large numeric exponents."""

from typing import Any, Final

import sympy as sp
from sympy.functions.elementary.hyperbolic import HyperbolicFunction

DEGREE: Final = 200  # from here on compiled factorisation takes seconds, and nothing can stop it
RATE: Final = 20  # what a larger number in an exponent adds to the degree is avoided by a name for it
EXPONENTIAL: Final = (sp.exp, HyperbolicFunction)


def factored(expr: Any) -> Any:
    """Factor a formula as a polynomial in its symbols, roots and exponentials, if its degree allows that.

    Above degree 200 the large numbers in exponents are multiples of a symbol first: exp(10000 w²) is then an unknown of
    its own instead of the power 10000 of exp(w²).

    Parameters
    ----------
    expr : sympy.Expr

    Returns
    -------
    sympy.Expr
        An equal formula: `expr` itself where the degree stays above 200.

    Examples
    --------
    >>> u = sp.Symbol("u", positive=True)
    >>> factored(sp.exp(2 * u) - 1)
    (exp(u) - 1)*(exp(u) + 1)
    >>> factored(u * sp.exp(20000 * u) - u)
    u*(exp(20000*u) - 1)
    >>> factored(u**1001 + u)
    u**1001 + u
    """
    formula, numbers = _of_low_degree(expr)
    return sp.factor(formula).xreplace(numbers) if _degree(formula) <= DEGREE else expr


def integrated(expr: Any, limits: tuple[Any, Any, Any]) -> Any:
    """Integrate a formula over (variable, lower, upper); one of a degree above 200 stays an unevaluated integral.

    Examples
    --------
    >>> u, x = sp.symbols("u x", positive=True)
    >>> integrated(u * sp.exp(-10000 * u**2), (u, 0, x))
    1/20000 - exp(-10000*x**2)/20000
    """
    formula, numbers = _of_low_degree(expr)
    return (sp.integrate if _degree(formula) <= DEGREE else sp.Integral)(formula, limits).xreplace(numbers)


def _degree(expr: Any) -> Any:
    """Bound the degree of a formula as a fraction of polynomials in its symbols, roots and exponentials."""
    if isinstance(expr, EXPONENTIAL):
        return sum(abs(rate.p) for rate, _ in _rates(expr))
    if expr.is_Pow and expr.exp.is_Rational:
        return abs(expr.exp.p) * _degree(expr.base)
    degrees = [_degree(part) for part in expr.args if not part.is_Number]
    if expr.is_Mul:
        return sum(degrees)
    return max(degrees, default=1) if expr.is_Add else 1


def _rates(exponential: Any) -> list[tuple[Any, Any]]:
    """Return the rational factor and the rest of every term of an exponent."""
    return [term.as_coeff_Mul(rational=True) for term in sp.Add.make_args(exponential.args[0])]


def _of_low_degree(expr: Any) -> tuple[Any, dict[Any, Any]]:
    """Return a formula with its large exponents in multiples of a symbol, if it needs that, and what the symbol is."""
    found = [rate for e in expr.atoms(*EXPONENTIAL) for rate, _ in _rates(e) if abs(rate.p) > RATE]
    if not found or _degree(expr) <= DEGREE:
        return expr, {}
    unit, step = sp.Dummy("c", positive=True), abs(sp.gcd_list(found))

    def name(e: Any) -> Any:
        return e.func(
            sp.Add(*(rate / step * unit * body if rate in found else rate * body for rate, body in _rates(e)))
        )

    return expr.replace(lambda e: isinstance(e, EXPONENTIAL), name), {unit: step}
