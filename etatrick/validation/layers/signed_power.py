"""Powers of magnitudes, with or without the sign, whose slope at 0 is 0 and costs no second power."""

from typing import Any

import torch
from torch import Tensor


def power(weight: Tensor, exponent: float) -> Tensor:
    r"""Return :math:`|w|^p`; the gradient at w = 0 is 0 although the slope is infinite there for p < 1.

    Parameters
    ----------
    weight : Tensor
    exponent : float
        p > 0.

    Examples
    --------
    >>> w = torch.tensor([4.0, -4.0, 0.0], requires_grad=True)
    >>> power(w, 0.5).sum().backward()
    >>> w.grad
    tensor([ 0.2500, -0.2500,  0.0000])
    """
    if exponent == 2:
        return weight.square()
    if exponent == 1:
        return weight.abs()
    if torch.compiler.is_compiling():
        return _guarded(weight, exponent)
    result: Tensor = _Power.apply(weight, exponent)  # type: ignore[no-untyped-call]
    return result


def signed_power(weight: Tensor, exponent: float) -> Tensor:
    r"""Return :math:`\operatorname{sgn}(w)|w|^p`; the gradient at w = 0 is 0.

    Parameters
    ----------
    weight : Tensor
    exponent : float
        p > 0.

    Examples
    --------
    >>> signed_power(torch.tensor([4.0, -4.0, 0.0]), 0.5)
    tensor([ 2., -2.,  0.])
    """
    if exponent == 1:
        return weight
    if torch.compiler.is_compiling():
        return _guarded(weight, exponent) * weight.sign()
    result: Tensor = _SignedPower.apply(weight, exponent)  # type: ignore[no-untyped-call]
    return result


def _guarded(weight: Tensor, exponent: float) -> Tensor:
    """Return |w|^p for compiled graphs, zeros kept out of the power."""
    zero = weight == 0
    return torch.where(zero, 1.0, weight.abs()).pow(exponent).masked_fill(zero, 0.0)


def magnitude(weight: Tensor, exponent: float) -> Tensor:
    """Return |w|^p without a graph; logarithm and exponential together cost a fifth of torch's power.

    Examples
    --------
    >>> magnitude(torch.tensor([-8.0, 0.0]), 1 / 3)
    tensor([2., 0.])
    """
    if exponent == 2:
        return weight.square()
    size = weight.abs()
    if exponent == 1:
        return size
    if exponent == 0.5:
        return size.sqrt_()
    if exponent == 1.5:
        return size.sqrt().mul_(size)
    return size.log2_().mul_(exponent).exp2_()


def relative(value: Tensor, weight: Tensor) -> Tensor:
    """Return value/w, and 0 where both are 0: times p it is the slope of a power."""
    return torch.div(value, weight).nan_to_num_(nan=0.0)


class _Power(torch.autograd.Function):
    """|w|^p; its slope p|w|^p/w reuses the value."""

    @staticmethod
    def forward(context: Any, weight: Tensor, exponent: float) -> Tensor:
        value = magnitude(weight, exponent)
        context.save_for_backward(weight, value)
        context.exponent = exponent
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,) = outputs
        weight, value = context.saved_tensors
        return relative(value, weight).mul_(gradient).mul_(context.exponent), None


class _SignedPower(torch.autograd.Function):
    """sgn(w)|w|^p; its slope p·value/w reuses the value."""

    @staticmethod
    def forward(context: Any, weight: Tensor, exponent: float) -> Tensor:
        value = magnitude(weight, exponent).copysign_(weight)
        context.save_for_backward(weight, value)
        context.exponent = exponent
        return value

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> tuple[Tensor, None]:
        (gradient,) = outputs
        weight, value = context.saved_tensors
        return relative(value, weight).mul_(gradient).mul_(context.exponent), None
