"""Certifying that a function of one variable is positive: boxes that cover the half-line, both ends included."""

from typing import Any, Final

import flint
import mpmath as mp
import sympy as sp

from etatrick.theory.balls import value_at
from etatrick.theory.continuity import is_continuous
from etatrick.theory.intervals import NoRangeError, range_of
from etatrick.theory.limits import limit_at
from etatrick.theory.structure import denested, sign_of
from etatrick.theory.trees import tree

MOST: Final = 3000  # boxes tried before giving up
ORDERS: Final = 8  # derivatives taken at an end
REACHES: Final = tuple(sp.Rational(1, 2**k) for k in (0, 2, 4, 8, 16, 32))
Cover = dict[str, Any]


def cover(expr: Any, variable: Any) -> Cover | None:
    """Show that `expr` > 0 for all values of its one symbol in (0, ∞); return the cover as data, or None.

    Between the ends, boxes are halved until a range on each lies above 0. Near 0, and near infinity in terms of
    y = 1/x, the formula is divided by a positive scale: the power of the variable it behaves like, or one of its
    exponentials. If no box there has a range above 0, derivatives are taken until one has, while every function on
    the way starts nonnegative at 0.

    Parameters
    ----------
    expr : sympy.Expr
        Smooth, with `variable` as its only free symbol.
    variable : sympy.Symbol

    Returns
    -------
    dict or None
        ``ends`` (how each end is settled and up to where) and ``boxes`` (the end points between).

    Examples
    --------
    >>> x = sp.Symbol("x", positive=True)
    >>> len(cover(2 + sp.sin(x) * sp.exp(-x), x)["ends"])
    2
    >>> cover(1 + sp.sin(x), x) is None
    True
    """
    ends = []
    for form in (expr, expr.subs(variable, 1 / variable)):
        if (end := _end(form, variable)) is None:
            return None
        ends.append(end)
    boxes = _boxes(expr, variable, ends[0][0], 1 / ends[1][0])
    if boxes is None:
        return None
    return {
        "rule": "cover",
        "in": str(variable),
        "derivative": tree(sp.diff(expr, variable)),
        "boxes": [tree(edge) for edge in boxes],
        "ends": [{"to": tree(to), "scale": tree(scale), "forms": list(map(tree, forms))} for to, scale, forms in ends],
        "text": f"above 0 on {len(boxes) + 1} boxes that cover (0, ∞)",
    }


def _end(expr: Any, x: Any) -> tuple[Any, Any, list[Any]] | None:
    """Show positivity on (0, to] for some `to`; return it with the scale divided by and the derivatives taken."""
    order = _order(expr, x)
    scales = [sp.Integer(1), *([] if order is None else [x**order]), *sorted(expr.atoms(sp.exp), key=str)[:3]]
    tried = dict.fromkeys((form, scale) for scale in scales for form in _divided(expr, scale))
    for form, scale in tried:
        if (to := _reach(form, x)) is not None:
            return to, scale, [form]
    for form, scale in tried:
        forms = [form]  # what derivatives tell needs a function without poles and jumps
        while is_continuous(form) and len(forms) <= ORDERS and _starts(forms[-1], x):
            forms.append(_expanded(sp.diff(forms[-1], x)))
            if (to := _reach(forms[-1], x)) is not None:
                return to, scale, forms
    return None


def _divided(expr: Any, scale: Any) -> tuple[Any, ...]:
    return expr / scale, _expanded(expr / scale), sp.expand(denested(sp.together(expr) / scale))


def _expanded(expr: Any) -> Any:
    return sp.powsimp(sp.expand(expr))


def _reach(expr: Any, x: Any) -> Any | None:
    """Return a number up to which the formula is positive from 0 on, or None."""
    return next((to for to in REACHES if _is_positive(expr, x, sp.Integer(0), to)), None)


def _starts(expr: Any, x: Any) -> bool:
    """Tell whether the formula tends to a finite number ≥ 0 at 0."""
    start = limit_at(expr, x, 0)
    return start is not None and bool(start.is_finite) and sign_of(start) is not None


def _order(expr: Any, x: Any) -> Any | None:
    """Estimate the power of x that the formula behaves like at 0."""
    values = [value_at(expr, {x: sp.Rational(1, 10**k)}) for k in (20, 220)]  # far apart, for factors that oscillate
    if None in values or min(values) <= 0:
        return None
    slope = mp.log10(values[0] / values[1]) / 200
    return sp.Rational(round(slope * 12), 12)


def _boxes(expr: Any, x: Any, lower: Any, upper: Any) -> list[Any] | None:
    """Return the end points of boxes from `lower` to `upper` on each of which the formula is above 0."""
    slope = sp.diff(expr, x)
    edges, todo = [lower], [(lower, upper)] if lower < upper else []
    while todo:
        low, high = todo.pop()
        if _is_above(expr, slope, x, low, high):
            edges.append(high)
        elif len(edges) + len(todo) > MOST or high - low < low / 10**6:
            return None
        else:
            middle = sp.Integer(2) ** sp.floor(sp.log(low * high, 2) / 2) if high > 4 * low else (low + high) / 2
            middle = middle if low < middle < high else (low + high) / 2
            todo += [(middle, high), (low, middle)]
    return edges


def _is_positive(expr: Any, x: Any, low: Any, high: Any) -> bool:
    try:
        return bool(range_of(expr, x, low, high)[0] > 0)
    except NoRangeError:
        return False


def _is_above(expr: Any, slope: Any, x: Any, low: Any, high: Any) -> bool:
    """Compare a finite range with 0; where it holds 0, use f(X) ⊂ f(m) + f′(X)(X − m) with m the middle of the box."""
    middle = (low + high) / 2
    try:
        least, most = range_of(expr, x, low, high)
        if least > 0 or not most.is_finite() or not least.is_finite():
            return bool(least > 0 and most.is_finite())
        value, steep = range_of(expr, x, middle, middle)[0], range_of(slope, x, low, high)
    except NoRangeError:
        return False
    half = flint.arb(flint.fmpq(int((high - low).p), 2 * int((high - low).q)))
    return bool(value - abs(steep[0]).max(abs(steep[1])) * half > 0)
