"""Showing that a formula has no pole and no jump for positive symbols."""

from collections.abc import Callable
from typing import Any, Final

import sympy as sp

from etatrick.theory.factoring import factored
from etatrick.theory.smt import is_algebraic, refutable
from etatrick.theory.special import Dawson, DawsonIntegral
from etatrick.theory.structure import is_smooth, sign_of

ENTIRE: Final = (  # functions without poles and jumps on the real line, or within their domain
    sp.exp, sp.sin, sp.cos, sp.sinh, sp.cosh, sp.tanh, sp.asinh, sp.atan, sp.asin, sp.acos, sp.erf, sp.erfc, sp.erfi,
    sp.Si, sp.Shi, Dawson, DawsonIntegral, sp.sech,
)  # fmt: skip
POSITIVE: Final = (  # functions without poles and jumps for positive arguments
    sp.log, sp.gamma, sp.loggamma, sp.polygamma, sp.coth, sp.csch, sp.acsch, sp.LambertW, sp.Ei, sp.Ci, sp.Chi,
)  # fmt: skip


def is_continuous(expr: Any, keeps_sign: Callable[[Any], bool] = lambda _: False) -> bool:
    """Tell whether a formula provably has no pole and no jump: what it divides by keeps its sign.

    Parameters
    ----------
    expr : sympy.Expr
        All symbols positive.
    keeps_sign : callable, optional
        Asked about a denominator that neither structure nor the SMT solver decides.

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> is_continuous(1 / (1 + x)), is_continuous(sp.atan(1 / (1 - x)))
    (True, False)
    """
    if not is_smooth(expr):
        return False
    for node in sp.preorder_traversal(expr):
        if node.is_Pow and not node.exp.is_nonnegative and not (_keeps_sign(node.base) or keeps_sign(node.base)):
            return False
        tame = (
            isinstance(node, ENTIRE)
            or (isinstance(node, POSITIVE) and sign_of(node.args[-1]) == 1)
            or (isinstance(node, sp.polylog) and sign_of(1 - node.args[1]) is not None)
        )
        if isinstance(node, sp.Function) and not tame:
            return False
    return True


def _keeps_sign(expr: Any) -> bool:
    if any(sign_of(form) == 1 for form in (expr, factored(expr), -expr, *_above(expr), *_above(-expr))):
        return True
    return is_algebraic(expr) and any(refutable(form, strict=True) is not None for form in (expr, -expr))


def _above(expr: Any) -> tuple[Any, ...]:
    """Return the formula with exp(u) written as 1 + u + d, d > 0, where u > 0."""
    rising = [e for e in expr.atoms(sp.exp) if sign_of(e.args[0]) == 1]
    if not rising:
        return ()
    return (sp.expand(expr.xreplace({e: 1 + e.args[0] + sp.Dummy("d", positive=True) for e in rising})),)
