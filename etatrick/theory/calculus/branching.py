"""Arithmetic on formulas in pieces: map, substitute, join on common pieces, and pick the lesser of two."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any, Final

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.budget import attempt
from etatrick.theory.symbols import eta, w

SECONDS: Final = 2.0  # for one search for crossings or one limit
DECIDED: Final = 1e-20  # a number of 30 digits closer to 0 has no sign here
Cell = tuple[tuple[Any, ...], Any, Any]  # formulas, lower end, upper end


def inserted(expr: Any, variable: Any, inner: Any, bound: Callable[[Any], Any]) -> Any:
    """Put `inner` (increasing in `variable`) for `variable`; `bound` maps a break point to its new place.

    Examples
    --------
    >>> inserted(sp.Piecewise((w, w <= 1), (1, True)), w, w / 3, lambda b: 3 * b)
    Piecewise((w/3, w <= 3), (1, True))
    """

    def moved(condition: Any) -> Any:
        table = {}
        for relation in condition.atoms(sp.core.relational.Relational):
            left, right = relation.args
            if left == variable and not right.has(variable):
                table[relation] = relation.func(variable, bound(right))
            elif right == variable and not left.has(variable):
                table[relation] = relation.func(bound(left), variable)
            else:
                table[relation] = relation.subs(variable, inner)
        return condition.xreplace(table)

    if expr is None:
        return None
    if isinstance(expr, sp.Piecewise):
        return sp.Piecewise(*((formula.subs(variable, inner), moved(condition)) for formula, condition in expr.args))
    return expr.subs(variable, inner)


def joined(left: Any, right: Any, combine: Callable[[Any, Any], Any]) -> Any:
    """Combine two functions of w piece by piece, on their common pieces; None if either is None.

    Raises
    ------
    InputError
        If the order of their break points is not decided.

    Examples
    --------
    >>> joined(sp.Piecewise((w, w <= 1), (1, True)), w, lambda a, b: a + b)
    Piecewise((2*w, w <= 1), (w + 1, True))
    """
    if left is None or right is None:
        return None
    found = cells(left, right)
    if found is None:
        places = f"break points of {left} and {right}"
        raise InputError(places, "their order must be explicit", "call .at(…) first to give parameters their values")
    return in_pieces([(combine(*formulas), upper) for formulas, _, upper in found])


def cells(*exprs: Any) -> list[Cell] | None:
    """Return the common pieces of functions of w from left to right, or None where their order is not decided."""
    branches = [_ascending(expr) for expr in exprs]
    found: list[Cell] = []
    lower: Any = sp.Integer(0)
    at = [0] * len(exprs)
    while True:
        current = []
        for rows, k in zip(branches, at, strict=True):
            if rows is None:
                return None
            current.append(rows[k])
        upper = current[0][1]
        for _, end in current[1:]:
            nearer = _order(end, upper)
            if nearer is None:
                return None
            upper = end if nearer < 0 else upper
        found.append((tuple(formula for formula, _ in current), lower, upper))
        if upper == sp.oo:
            return found
        at = [k + (_order(end, upper) == 0) for k, (_, end) in zip(at, current, strict=True)]
        lower = upper


def in_pieces(rows: list[tuple[Any, Any]]) -> Any:
    """Return the function with these (formula, upper end) from left to right; equal neighbours become one piece."""
    rows = [row for row, later in pairwise([*rows, (None, sp.oo)]) if row[0] != later[0]]
    return sp.Piecewise(*((formula, sp.true if upper == sp.oo else w <= upper) for formula, upper in rows))


def winners(left: Any, right: Any) -> list[tuple[int, Any]] | None:
    """Return which of two functions of w is the lesser, as (0 or 1, upper end) from left to right.

    None where a crossing or the sign between crossings is not explicit, or a scan contradicts what was found.

    Examples
    --------
    >>> winners(w, w**2 / 2)
    [(1, 2), (0, oo)]
    """
    found = cells(left, right)
    if found is None:
        return None
    rows: list[tuple[int, Any]] = []
    for (first, second), lower, upper in found:
        gap = sp.Integer(0) if first == second else sp.expand(first - second)
        places = _crossings(gap, lower, upper)
        if places is None:
            return None
        for start, end in pairwise([lower, *places, upper]):
            order = 0 if gap == 0 else _sign(gap.subs(w, _between(start, end)))
            if order is None:
                return None
            rows.append((0 if order <= 0 else 1, end))
    merged = [row for row, later in pairwise([*rows, (2, sp.oo)]) if row[0] != later[0]]
    return merged if _scanned(left, right, merged) else None


def through(outer: Any, inner: Any) -> list[tuple[Any, Any, Any]] | None:
    """Return (piece of `outer`, piece of `inner`, upper end) for outer(inner(w)), from left to right.

    None where it is not explicit at which w the inner function reaches a break point of the outer one.

    Examples
    --------
    >>> through(sp.Piecewise((w, w <= 1), (1, True)), w**2)
    [(w, w**2, 1), (1, w**2, oo)]
    """
    found, branches = cells(inner), _ascending(outer)
    if found is None or branches is None:
        return None
    rows: list[tuple[Any, Any, Any]] = []
    for (formula,), lower, upper in found:
        places: list[Any] = []
        for _, level in branches[:-1]:
            more = _crossings(formula - level, places[-1] if places else lower, upper)
            if more is None:
                return None
            places += more
        for start, end in pairwise([lower, *places, upper]):
            value = formula.subs(w, _between(start, end))
            reached = next((k for k, (_, level) in enumerate(branches) if _order(value, level) in (-1, 0)), None)
            if reached is None or any(_order(value, level) is None for _, level in branches):
                return None
            rows.append((branches[reached][0], formula, end))
    return rows


def chosen(first: Any, second: Any, rows: list[tuple[int, Any]]) -> Any:
    """Return `first` or `second` on the intervals of `rows`, as :func:`winners` returns them."""
    choice = in_pieces([(sp.Integer(which), upper) for which, upper in rows])
    return joined(choice, joined(first, second, sp.Tuple), lambda which, pair: pair[int(which)])


def lesser_dual(first: Any, second: Any) -> Any:
    """Return min(f₁, f₂) in pieces of η where the crossings are explicit, otherwise with a comparison.

    Examples
    --------
    >>> from etatrick.theory.symbols import eta
    >>> lesser_dual(eta, sp.Piecewise((0, eta <= 1), (sp.oo, True)))
    Piecewise((0, eta <= 1), (eta, True))
    """
    rows = winners(first.subs(eta, w), second.subs(eta, w))
    if rows is None:
        return sp.Piecewise((first, sp.Le(first, second, evaluate=False)), (second, True))
    return chosen(first.subs(eta, w), second.subs(eta, w), rows).subs(w, eta)


def _branches(expr: Any) -> list[tuple[Any, Any]]:
    return list(expr.args) if isinstance(expr, sp.Piecewise) else [(expr, sp.true)]


def _ascending(expr: Any) -> list[tuple[Any, Any]] | None:
    """Return (formula, upper end) of branches that are already in ascending order, or None."""
    branches = _branches(expr)
    if len(branches) == 2 and isinstance(branches[0][1], sp.StrictGreaterThan | sp.GreaterThan):
        (above, condition), (below, _) = branches
        branches = [(below, sp.Not(condition)), (above, sp.true)]
    found: list[tuple[Any, Any]] = []
    last: Any = sp.Integer(0)
    for formula, condition in branches:
        if condition == sp.true:
            return [*found, (formula, sp.oo)]
        if not isinstance(condition, sp.StrictLessThan | sp.LessThan) or condition.lhs != w or condition.rhs.has(w):
            return None
        if _order(last, condition.rhs) != -1:
            return None
        last = condition.rhs
        found.append((formula, last))
    return None


def _order(left: Any, right: Any) -> int | None:
    """Return −1, 0 or 1 as left is less than, equal to or greater than right; None if that is not decided."""
    if left == right:
        return 0
    if sp.oo in (left, right):
        return 1 if left == sp.oo else -1
    return _sign(left - right)


def _sign(value: Any) -> int | None:
    """Return the sign of an expression without w, from 30 digits where sympy does not see it; None if not decided."""
    if value.is_infinite:
        return 1 if value == sp.oo else -1
    value = sp.simplify(value)
    if value == 0:
        return 0
    if not value.free_symbols:
        value = sp.N(value, 30)
        return None if not value.is_real or abs(value) < DECIDED else int(sp.sign(value))
    return -1 if value.is_negative else 1 if value.is_positive else None


def _between(start: Any, end: Any) -> Any:
    return (start + end) / 2 if end != sp.oo else 2 * start + 1


def _crossings(gap: Any, lower: Any, upper: Any) -> list[Any] | None:
    """Return the zeros of `gap` strictly inside the interval in ascending order, or None where that is not decided."""
    if gap == 0 or gap.is_infinite:
        return []
    solved, _ = attempt(SECONDS, lambda: sp.solve(gap, w))
    inside: list[Any] = []
    for root in solved if isinstance(solved, list) else [None]:
        if root is None or root.has(w):
            return None
        if not root.free_symbols and abs(sp.im(sp.N(root, 30))) > DECIDED:
            continue
        place = _order(root, lower), _order(root, upper)
        if None in place:
            return None
        if place == (1, -1):
            inside.append(root)
    if len(inside) < 2 or any(root.free_symbols for root in inside):
        return inside if len(inside) < 2 else None
    return sorted(inside, key=lambda root: float(root))


def _scanned(left: Any, right: Any, rows: list[tuple[int, Any]]) -> bool:
    """Compare with plain values on a grid over twelve decades, for three sets of parameter values."""
    import numpy as np

    free = sorted((left.free_symbols | right.free_symbols) - {w}, key=str)
    grid = np.geomspace(1e-6, 1e6, 601)
    for k in range(3):
        table = {symbol: sp.Rational(3 + 5 * k + 2 * j, 7) for j, symbol in enumerate(free)}
        values = [sp.lambdify(w, expr.subs(table), ["scipy", "numpy"])(grid) * np.ones_like(grid)
                  for expr in (left, right)]  # fmt: skip
        ends = [float(upper.subs(table)) if upper != sp.oo else np.inf for _, upper in rows]
        chosen = np.array([row[0] for row in rows])[np.searchsorted(ends, grid)]
        got = np.where(chosen == 0, *values)
        if not np.allclose(got, np.minimum(*values), rtol=1e-12, atol=1e-300):
            return False
    return True
