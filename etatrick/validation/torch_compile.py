"""Symbolic formulas compiled to torch by a table of heads of our own, each head tested."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from etatrick.errors import InputError

HEADS: Final[dict[Any, Callable[..., Tensor]]] = {
    sp.exp: torch.exp,
    sp.log: torch.log,
    sp.Abs: torch.abs,
    sp.sin: torch.sin,
    sp.cos: torch.cos,
    sp.tan: torch.tan,
    sp.atan: torch.atan,
    sp.sinh: torch.sinh,
    sp.cosh: torch.cosh,
    sp.tanh: torch.tanh,
    sp.asinh: torch.asinh,
    sp.erf: torch.erf,
    sp.erfc: torch.erfc,
    sp.Max: lambda *xs: _fold(xs, torch.maximum),
    sp.Min: lambda *xs: _fold(xs, torch.minimum),
}
_RELATIONS: Final[dict[Any, Callable[[Tensor, Tensor], Tensor]]] = {
    sp.StrictLessThan: torch.lt,
    sp.LessThan: torch.le,
    sp.StrictGreaterThan: torch.gt,
    sp.GreaterThan: torch.ge,
}


@lru_cache(maxsize=256)
def torch_function(expr: Any, *arguments: Any) -> Callable[..., Tensor]:
    """Compile a sympy expression to a function of tensors that autograd can differentiate.

    Parameters
    ----------
    expr : sympy.Expr
        In the arguments alone, with heads of :data:`HEADS`, sums, products, powers and Piecewise.
    *arguments : sympy.Symbol
        In the order of the function's arguments.

    Returns
    -------
    callable
        Works elementwise on tensors of any floating dtype and device.

    Raises
    ------
    InputError
        If a symbol is free or a function has no torch counterpart.

    Examples
    --------
    >>> x = sp.Symbol("x")
    >>> torch_function(sp.log(1 + x), x)(torch.tensor([0.0, 1.0]))
    tensor([0.0000, 0.6931])
    """
    free = expr.free_symbols - set(arguments)
    if free:
        names = ", ".join(sorted(str(s) for s in free))
        raise InputError(names, "a torch function needs a number for every parameter", "call .at(…) first")
    for head in {node.func for node in sp.preorder_traversal(expr) if isinstance(node, sp.Function)}:
        if head not in HEADS and head is not sp.Piecewise:
            raise InputError(str(head), "has no torch counterpart here", f"use one of {', '.join(map(str, HEADS))}")

    def function(*tensors: Tensor) -> Tensor:
        return _build(expr, dict(zip(arguments, tensors, strict=True)))

    return function


def _build(expr: Any, values: dict[Any, Tensor]) -> Tensor:
    if expr in values:
        return values[expr]
    like = next(iter(values.values()))
    if expr.is_number:
        return torch.full_like(like, float(expr))
    if expr.is_Pow:
        return _power(expr, values)
    if isinstance(expr, sp.Piecewise):
        return _piecewise(expr, values)
    if isinstance(expr, sp.log) and expr.args[0].is_Add and expr.args[0].as_coeff_Add()[0] == 1:
        return torch.log1p(_build(expr.args[0] - 1, values))  # accurate near 0
    if expr.is_Add:
        constant, rest = expr.as_coeff_Add()
        total = _fold([_build(term, values) for term in sp.Add.make_args(rest)], torch.add)
        return total + float(constant) if constant else total
    if expr.is_Mul:
        factor, rest = expr.as_coeff_Mul()
        product = _fold([_build(term, values) for term in sp.Mul.make_args(rest)], torch.mul)
        return product * float(factor) if factor != 1 else product
    result: Tensor = HEADS[expr.func](*(_build(argument, values) for argument in expr.args))
    return result


def _power(expr: Any, values: dict[Any, Tensor]) -> Tensor:
    base = _build(expr.base, values)
    if expr.exp == sp.Rational(1, 2):
        return torch.sqrt(base)
    if expr.exp == -1:
        return torch.reciprocal(base)
    if expr.exp.is_number:
        return torch.pow(base, float(expr.exp))
    return torch.pow(base, _build(expr.exp, values))


def _piecewise(expr: Any, values: dict[Any, Tensor]) -> Tensor:
    """Select from the last piece backwards; conditions are single comparisons or True."""
    result = torch.full_like(next(iter(values.values())), float("nan"))
    for piece, condition in reversed(expr.args):
        value = _build(piece, values)
        if condition == sp.true:
            result = value
        else:
            compare = _RELATIONS[condition.func]
            result = torch.where(compare(_build(condition.lhs, values), _build(condition.rhs, values)), value, result)
    return result


def _fold(items: Any, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    first, *rest = items
    total: Tensor = first
    for item in rest:
        total = combine(total, item)
    return total
