"""Formulas in w = |x| as cvxpy expressions that are convex by cvxpy's own rules."""

from typing import Any

import sympy as sp

from etatrick.theory.symbols import w


def cvxpy_form(formula: Any, variable: Any) -> Any | None:
    """Return Σ_j Ω(|x_j|) as a convex cvxpy expression, or None where no form is known.

    There is none where cvxpy's rules do not show that a form grows with |x|, such as w − log(1 + w): a model of that
    needs a variable u ≥ |x| of its own, and u − log(1 + u).

    Parameters
    ----------
    formula : sympy.Expr
        Ω(w) for w ≥ 0, convex as an even function.
    variable : cvxpy.Expression, shape (d,)

    Returns
    -------
    cvxpy.Expression or None

    Examples
    --------
    >>> import cvxpy as cp
    >>> x = cp.Variable(2, value=[3.0, -4.0])
    >>> round(float(cvxpy_form(sp.sqrt(w**2 + 16) - 4, x).value), 6)
    2.656854
    """
    import cvxpy as cp

    try:
        model = cp.sum(_built(formula, cp.abs(variable), variable))
    except (TypeError, ValueError):
        return None
    return model if model.is_convex() else None


def _built(formula: Any, size: Any, signed: Any) -> Any:
    """Return the formula elementwise, with w written `size` and ±w `signed`; ValueError where a part is not known."""
    import cvxpy as cp

    expr = formula if isinstance(formula, sp.Piecewise) else sp.expand(formula)
    if expr == w:
        return size
    if expr.is_number:
        return float(expr)
    if isinstance(expr, sp.Piecewise):
        return _pieces(expr, size, signed)
    if expr.is_Add:
        return sum((_built(term, size, signed) for term in expr.args[1:]), start=_built(expr.args[0], size, signed))
    if expr.is_Mul:
        factor, rest = expr.as_coeff_Mul()
        if rest == expr:
            factor, rest = expr.as_independent(w)
        if rest == expr or factor == 1 or not factor.is_number:
            raise ValueError(str(expr))
        return float(factor) * _built(rest, size, signed)
    if expr.is_Pow and expr.base == w:
        return cp.power(size, float(expr.exp))
    if expr.is_Pow and expr.exp == sp.Rational(1, 2):
        return _root(expr.base, signed)
    if isinstance(expr, sp.log) and isinstance(expr.args[0], sp.cosh):
        rate = expr.args[0].args[0] / w
        if not rate.is_number:
            raise ValueError(str(expr))
        both = cp.vstack([float(rate) * signed, -float(rate) * signed])
        return cp.log_sum_exp(both, axis=0) - float(sp.log(2))
    if expr.func in (sp.exp, sp.log):
        return {sp.exp: cp.exp, sp.log: cp.log}[expr.func](_built(expr.args[0], size, signed))
    raise ValueError(str(expr))


def _root(square: Any, signed: Any) -> Any:
    """Return √(a w² + c) as a Euclidean norm."""
    import cvxpy as cp
    import numpy as np

    a, b, c = (sp.Poly(square, w).coeff_monomial(w**k) for k in (2, 1, 0))
    if sp.expand(a * w**2 + c - square) != 0 or b != 0 or not (a > 0 and c >= 0):
        raise ValueError(str(square))
    constant = float(sp.sqrt(c)) * np.ones(signed.shape)
    return cp.norm(cp.vstack([float(sp.sqrt(a)) * signed, constant]), 2, axis=0)


def _pieces(form: Any, size: Any, signed: Any) -> Any:
    """Return Huber's function, or the first piece and what the second adds as a convex function of (w − b)₊."""
    import cvxpy as cp

    if len(form.args) != 2:
        raise ValueError(str(form))
    (first, condition), (second, _) = form.args
    edges = [side for side in (condition.lhs, condition.rhs) if side.is_number]
    if len(edges) != 1 or condition.gts != edges[0]:
        raise ValueError(str(form))
    b = edges[0]
    bend = sp.expand(first / w**2)
    if bend.is_number and sp.expand(2 * bend * b * w - bend * b**2 - second) == 0:
        return float(bend) * cp.huber(signed, float(b))
    added = sp.expand((second - first).subs(w, w + b))
    return _built(first, size, signed) + _built(added, cp.pos(size - float(b)), None)
