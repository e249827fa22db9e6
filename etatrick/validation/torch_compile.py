"""Symbolic formulas compiled to torch by a table of heads of our own, each head tested."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.theory.special import Dawson, DawsonIntegral
from etatrick.validation import torch_heads

HEADS: Final[dict[Any, Callable[..., Tensor]]] = {
    sp.exp: torch.exp,
    sp.log: torch.log,
    sp.Abs: torch.abs,
    sp.sin: torch.sin,
    sp.cos: torch.cos,
    sp.tan: torch.tan,
    sp.asin: torch.asin,
    sp.acos: torch.acos,
    sp.atan: torch.atan,
    sp.sinh: torch.sinh,
    sp.cosh: torch.cosh,
    sp.tanh: torch.tanh,
    sp.coth: lambda x: 1 / torch.tanh(x),
    sp.sech: lambda x: 1 / torch.cosh(x),
    sp.csch: lambda x: 1 / torch.sinh(x),
    sp.asinh: torch.asinh,
    sp.acosh: torch.acosh,
    sp.atanh: torch.atanh,
    sp.erf: torch.erf,
    sp.erfc: torch.erfc,
    sp.erfi: torch_heads.erfi,
    sp.sign: torch.sign,
    sp.Heaviside: lambda x, at_zero: torch.where(x == 0, at_zero, (x > 0).to(x.dtype)),
    sp.gamma: torch_heads.gamma,
    sp.loggamma: torch_heads.loggamma,
    sp.polygamma: lambda order, x: torch_heads.digamma(x),
    sp.LambertW: torch_heads.lambertw,
    sp.polylog: lambda order, x: torch_heads.dilogarithm(x),
    Dawson: torch_heads.dawson,
    DawsonIntegral: torch_heads.dawson_integral,
    sp.Max: lambda *xs: _fold(xs, torch.maximum),
    sp.Min: lambda *xs: _fold(xs, torch.minimum),
}
ORDERS: Final = {sp.polygamma: 0, sp.polylog: 2}  # the only first arguments that these heads serve here
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
    _require_counterparts(expr)

    def function(*tensors: Tensor) -> Tensor:
        return _build(expr, dict(zip(arguments, tensors, strict=True)))

    return function


def _require_counterparts(expr: Any) -> None:
    if expr.is_Symbol or (isinstance(expr, sp.Expr) and expr.is_number) or expr == sp.true:
        return
    known = (
        expr.is_Add
        or expr.is_Mul
        or expr.is_Pow
        or expr.func in (sp.Piecewise, sp.functions.elementary.piecewise.ExprCondPair)
    )
    if not (known or expr.func in HEADS or expr.func in _RELATIONS):
        raise InputError(str(expr.func), "has no torch counterpart here", f"use one of {', '.join(map(str, HEADS))}")
    if expr.func in ORDERS and expr.args[0] != ORDERS[expr.func]:
        only = f"has a torch counterpart for order {ORDERS[expr.func]} alone"
        raise InputError(str(expr), only, "write the formula with elementary functions")
    if expr.func == sp.LambertW and len(expr.args) == 2:
        raise InputError(str(expr), "the principal branch alone has a torch counterpart", "write lambertw(x)")
    for argument in expr.args:
        _require_counterparts(argument)


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
        if constant:
            for term in sp.Add.make_args(rest):
                factor, head = term.as_coeff_Mul()
                if factor == -constant and isinstance(head, sp.exp):  # c·eᵘ − c, accurate near u = 0
                    difference = torch.expm1(_build(head.args[0], values)) * float(factor)
                    return difference if rest == term else difference + _build(rest - term, values)
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
    """Select the first piece whose condition, a single comparison or True, holds; each sees only its own points."""
    first = next(iter(values.values()))
    result, left = torch.full_like(first, float("nan")), torch.ones_like(first, dtype=torch.bool)
    for piece, condition in expr.args:
        chosen = left
        if condition != sp.true:
            compare = _RELATIONS[condition.func]
            chosen = left & compare(_build(condition.lhs, values), _build(condition.rhs, values))
        # detached elsewhere: an infinite slope outside the piece would turn 0·∞ into NaN
        own = {symbol: torch.where(chosen, value, value.detach()) for symbol, value in values.items()}
        result = torch.where(chosen, _build(piece, own), result)
        left = left & ~chosen
    return result


def _fold(items: Any, combine: Callable[[Tensor, Tensor], Tensor]) -> Tensor:
    first, *rest = items
    total: Tensor = first
    for item in rest:
        total = combine(total, item)
    return total
