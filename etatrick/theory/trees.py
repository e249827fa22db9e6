"""Formulas as JSON data: the expression trees of certificates."""

from typing import Any, Final

import sympy as sp

from etatrick.theory.special import Dawson, DawsonIntegral

_CONSTANTS: Final[dict[Any, str]] = {
    sp.pi: "pi", sp.E: "E", sp.EulerGamma: "EulerGamma", sp.oo: "oo", -sp.oo: "-oo",
}  # fmt: skip
_HEADS: Final[dict[Any, str]] = {
    sp.Add: "+", sp.Mul: "*", sp.Pow: "^", sp.Max: "max", sp.Min: "min", sp.Abs: "abs",
    sp.And: "and", sp.Or: "or", sp.Not: "not", sp.Lt: "<", sp.Le: "<=", sp.Gt: ">", sp.Ge: ">=", sp.Eq: "==",
    sp.LambertW: "lambertw", Dawson: "dawson", DawsonIntegral: "dawson_integral",
}  # fmt: skip
_FUNCTIONS: Final = (
    sp.log, sp.exp, sp.sin, sp.cos, sp.tan, sp.asin, sp.acos, sp.atan, sp.sinh, sp.cosh, sp.tanh, sp.coth, sp.asinh,
    sp.acosh, sp.atanh, sp.erf, sp.erfc, sp.erfi, sp.gamma, sp.loggamma, sp.polylog, sp.sign,
)  # fmt: skip


def tree(expr: Any) -> Any:
    """Return a formula as nested lists: integers, names, and ``[head, argument, …]``.

    Parameters
    ----------
    expr : sympy.Expr or sympy boolean

    Returns
    -------
    JSON-ready data

    Raises
    ------
    ValueError
        If the formula holds a function that certificates do not know.

    Examples
    --------
    >>> w = sp.Symbol("w", positive=True)
    >>> tree(sp.log(1 + w/2))
    ['log', ['+', ['*', ['/', 1, 2], 'w'], 1]]
    """
    if expr in (sp.true, sp.false):
        return bool(expr)
    if expr.is_Integer:
        return int(expr)
    if expr.is_Rational:
        return ["/", int(expr.p), int(expr.q)]
    if expr in _CONSTANTS:
        return _CONSTANTS[expr]
    if expr.is_Symbol:
        return str(expr)
    if isinstance(expr, sp.Piecewise):
        return ["piecewise", *([tree(value), tree(condition)] for value, condition in expr.args)]
    if isinstance(expr, sp.polygamma) and expr.args[0] == 0:
        return ["digamma", tree(expr.args[1])]
    if isinstance(expr, sp.csch | sp.sech):
        return ["^", tree(1 / expr), -1]
    head = _HEADS.get(expr.func) or (expr.func.__name__ if expr.func in _FUNCTIONS else None)
    if head is None:
        raise ValueError(f"{expr.func.__name__} has no place in a certificate")
    arguments = expr.as_ordered_terms() if expr.is_Add else expr.args
    return [head, *(tree(argument) for argument in arguments)]
