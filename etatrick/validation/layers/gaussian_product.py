"""Local reparameterisation of a dense layer: two matmuls forward, four backward, and few passes besides."""

from typing import Any

import torch
from torch import Tensor
from torch.nn import functional

from etatrick.validation.layers.signed_power import magnitude, power


def gaussian_product(input: Tensor, weight: Tensor, variance: Tensor, bias: Tensor | None, noise: Tensor) -> Tensor:
    r"""Return :math:`xW^\top + b + \sqrt{x^2V^\top}\odot\varepsilon`: the pre-activations of independent weights.

    Where a variance is 0 the output is the mean and no gradient flows through the root.

    Parameters
    ----------
    input : Tensor, shape (…, in)
    weight, variance : Tensor, shape (out, in)
        Means and variances of the weights; variances ≥ 0.
    bias : Tensor, shape (out,), optional
    noise : Tensor, shape (…, out)
        Standard normal.

    Returns
    -------
    Tensor, shape (…, out)

    Examples
    --------
    >>> x, W = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, 1.0]])
    >>> gaussian_product(x, W, torch.ones(1, 2), None, torch.tensor([[2.0]]))  # 7 + √25·2
    tensor([[17.]])
    """
    if _plain(input):
        least = torch.finfo(torch.float32).tiny
        spread = functional.linear(input.square(), variance).clamp_min(least).sqrt()
        return functional.linear(input, weight, bias) + spread * noise
    rows = input.reshape(-1, input.shape[-1])
    flat = _GaussianProduct.apply(rows, weight, variance, bias, noise.flatten(0, -2))  # type: ignore[no-untyped-call]
    result: Tensor = flat.unflatten(0, input.shape[:-1]) if input.dim() != 2 else flat
    return result


def power_product(
    input: Tensor, weight: Tensor, degree: float, factor: float, bias: Tensor | None, noise: Tensor
) -> Tensor:
    r"""Return the Gaussian product for the variance :math:`V = \text{factor}\cdot|W|^{\text{degree}}`.

    The gradient goes through the mean and the variance, by passes that share memory; it is 0 through the variance of
    a weight that is 0.

    Parameters
    ----------
    input, weight, bias, noise : Tensor
        As for :func:`gaussian_product`.
    degree, factor : float
        > 0 and ≥ 0.

    Returns
    -------
    Tensor, shape (…, out)

    Examples
    --------
    >>> x, W = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, -1.0]])
    >>> power_product(x, W, 2.0, 0.25, None, torch.tensor([[2.0]]))  # −1 + √(25/4)·2
    tensor([[4.]])
    """
    if _plain(input):
        return gaussian_product(input, weight, factor * power(weight, degree), bias, noise)
    rows = input.reshape(-1, input.shape[-1])
    flat = _PowerProduct.apply(rows, weight, degree, factor, bias, noise.flatten(0, -2))  # type: ignore[no-untyped-call]
    result: Tensor = flat.unflatten(0, input.shape[:-1]) if input.dim() != 2 else flat
    return result


def relative_product(input: Tensor, weight: Tensor, log_alpha: Tensor, bias: Tensor | None, noise: Tensor) -> Tensor:
    """Return the Gaussian product for the variance exp(log_alpha)·W², whose passes share memory.

    Parameters
    ----------
    input, weight, bias, noise : Tensor
        As for :func:`gaussian_product`.
    log_alpha : Tensor, shape (out, in)

    Returns
    -------
    Tensor, shape (…, out)

    Examples
    --------
    >>> x, W = torch.tensor([[3.0, 4.0]]), torch.tensor([[1.0, -1.0]])
    >>> relative_product(x, W, torch.zeros(1, 2), None, torch.tensor([[2.0]]))  # −1 + √25·2
    tensor([[9.]])
    """
    if _plain(input):
        return gaussian_product(input, weight, log_alpha.exp() * weight.square(), bias, noise)
    rows = input.reshape(-1, input.shape[-1])
    flat = _RelativeProduct.apply(rows, weight, log_alpha, bias, noise.flatten(0, -2))  # type: ignore[no-untyped-call]
    result: Tensor = flat.unflatten(0, input.shape[:-1]) if input.dim() != 2 else flat
    return result


class _GaussianProduct(torch.autograd.Function):
    """The fused product; its backward pass is once differentiable."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor, variance: Tensor, bias: Tensor | None, noise: Tensor
    ) -> Tensor:
        square = input.square()
        spread = square @ variance.T
        slope = _slope(spread, noise)
        context.save_for_backward(input, square, weight, variance, slope)
        return _mean(input, weight, bias).addcmul_(spread, slope, value=2.0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = outputs
        input, square, weight, variance, slope = context.saved_tensors
        wants_input, wants_weight, wants_variance, wants_bias, _ = context.needs_input_grad
        spread = slope.mul(gradient)
        to_input = to_weight = to_variance = to_bias = None
        if wants_input:
            to_input = (spread @ variance).mul_(input).addmm_(gradient, weight, beta=2.0)
        if wants_weight:
            to_weight = gradient.T @ input
        if wants_variance:
            to_variance = spread.T @ square
        if wants_bias:
            to_bias = gradient.sum(0)
        return to_input, to_weight, to_variance, to_bias, None


class _PowerProduct(torch.autograd.Function):
    """The product whose variance is a power of the weight; its backward pass is once differentiable."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor, degree: float, factor: float, bias: Tensor | None, noise: Tensor
    ) -> Tensor:
        square = input.square().mul_(factor)
        variance = magnitude(weight, degree)
        spread = square @ variance.T
        slope = _slope(spread, noise)
        context.save_for_backward(input, square, weight, variance, slope)
        context.degree, context.factor = degree, factor
        return _mean(input, weight, bias).addcmul_(spread, slope, value=2.0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = outputs
        input, square, weight, variance, slope = context.saved_tensors
        spread = slope.mul(gradient)
        to_input = to_weight = None
        if context.needs_input_grad[0]:
            moved = (spread @ variance).mul_(input)
            to_input = moved.addmm_(gradient, weight, beta=2.0 * context.factor)
        if context.needs_input_grad[1]:
            through = spread.T @ square
            _slopes(through, variance, weight, context.degree)
            to_weight = through.addmm_(gradient.T, input, beta=context.degree)
        to_bias = gradient.sum(0) if context.needs_input_grad[4] else None
        return to_input, to_weight, None, None, to_bias, None


class _RelativeProduct(torch.autograd.Function):
    """The product whose variance is αW²; its backward pass is once differentiable."""

    @staticmethod
    def forward(
        context: Any, input: Tensor, weight: Tensor, log_alpha: Tensor, bias: Tensor | None, noise: Tensor
    ) -> Tensor:
        square = input.square()
        half = log_alpha.exp().mul_(weight)  # of the variance's slope in the weight
        variance = half * weight
        spread = square @ variance.T
        slope = _slope(spread, noise)
        context.save_for_backward(input, square, weight, half, variance, slope)
        return _mean(input, weight, bias).addcmul_(spread, slope, value=2.0)

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> tuple[Tensor | None, ...]:
        (gradient,) = outputs
        input, square, weight, half, variance, slope = context.saved_tensors
        spread = slope.mul(gradient)
        to_input = None
        if context.needs_input_grad[0]:
            to_input = (spread @ variance).mul_(input).addmm_(gradient, weight, beta=2.0)
        through = (spread.T @ square).mul_(half)
        to_log_alpha = through * weight
        to_weight = through.addmm_(gradient.T, input, beta=2.0)
        to_bias = gradient.sum(0) if context.needs_input_grad[3] else None
        return to_input, to_weight, to_log_alpha, to_bias, None


def _slopes(gradient: Tensor, variance: Tensor, weight: Tensor, degree: float) -> None:
    """Multiply the gradient by |w|^p/w in place; 0 where w is 0."""
    if degree == 2:
        gradient.mul_(weight)
    elif degree == 1:
        gradient.mul_(weight.sign())
    else:
        gradient.mul_(variance).div_(weight).nan_to_num_(nan=0.0)


def _plain(input: Tensor) -> bool:
    """Whether to leave fusion to others: in the compiler's graphs, and in mixed precision, where dtypes differ."""
    return torch.compiler.is_compiling() or torch.is_autocast_enabled(input.device.type)


def _mean(input: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    return input @ weight.T if bias is None else torch.addmm(bias, input, weight.T)


def _slope(variance: Tensor, noise: Tensor) -> Tensor:
    """Return ε/(2√v), the slope of √v·ε in v, and 0 where v is 0; 2v times it is √v·ε."""
    return variance.rsqrt().mul_(noise).mul_(0.5).nan_to_num_(nan=0.0, posinf=0.0, neginf=0.0)
