"""Dawson's integral and its antiderivative in torch: Taylor series about a grid, asymptotic series beyond it."""

import math
from functools import lru_cache
from typing import Any, Final

import torch
from torch import Tensor

STEP: Final = 0.125
LAST: Final = 10.0
EULER: Final = 0.5772156649015329
_NODE_TERMS: Final = 24


def dawson(x: Tensor) -> Tensor:
    r"""Return :math:`D(x) = e^{-x^2}\int_0^x e^{t^2}dt`, with the derivative :math:`D' = 1 - 2xD`.

    Accurate to a few units of the last place in double precision.

    Parameters
    ----------
    x : Tensor
        Of any shape, in single or double precision.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> dawson(torch.tensor([0.0, 1.0, 20.0], dtype=torch.float64))
    tensor([0.0000, 0.5381, 0.0250], dtype=torch.float64)
    """
    value: Tensor = _Dawson.apply(x)  # type: ignore[no-untyped-call]
    return value


def dawson_area(x: Tensor) -> Tensor:
    r"""Return :math:`2\int_0^x D(u)du`, which is log x + log 2 + γ/2 + o(1) at ∞; its derivative is 2D.

    Parameters
    ----------
    x : Tensor
        Of any shape, in single or double precision.

    Returns
    -------
    Tensor

    Examples
    --------
    >>> dawson_area(torch.tensor([0.0, 1.0], dtype=torch.float64))
    tensor([0.0000, 0.7394], dtype=torch.float64)
    """
    value: Tensor = _DawsonArea.apply(x)  # type: ignore[no-untyped-call]
    return value


class _Dawson(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        size = x.abs()
        value = torch.where(size < LAST, _near(size)[0], _far(size)).copysign_(x)
        context.save_for_backward(x, value)
        return value

    @staticmethod
    def backward(context: Any, *outputs: Tensor) -> Tensor:
        (gradient,) = outputs
        x, value = context.saved_tensors
        slope: Tensor = 1 - 2 * x * value
        return gradient * slope


class _DawsonArea(torch.autograd.Function):
    @staticmethod
    def forward(context: Any, x: Tensor) -> Tensor:
        size = x.abs()
        value, area = _near(size)
        near = size < LAST
        # computed beside the area: the backward pass needs no second series
        context.save_for_backward(torch.where(near, value, _far(size)).copysign_(x))
        return torch.where(near, area, _far_area(size))

    @staticmethod
    @torch.autograd.function.once_differentiable
    def backward(context: Any, *outputs: Tensor) -> Tensor:
        (gradient,) = outputs
        (value,) = context.saved_tensors
        result: Tensor = 2 * gradient * value
        return result


def _near(size: Tensor) -> tuple[Tensor, Tensor]:
    """Return D and 2∫D for 0 ≤ x < LAST, from the nearest node: (n+1)c_{n+1} = −2x₀c_n − 2c_{n−1}."""
    index = (size / STEP).nan_to_num(nan=0.0).round().clamp_(max=LAST / STEP).long()
    values, areas = (table.to(dtype=size.dtype, device=size.device)[index] for table in _tables())
    node = index.to(size.dtype) * STEP
    offset = size - node
    before, now = values, 1 - 2 * node * values
    total, area, power = values, areas + 2 * values * offset, offset
    for n in range(1, 6 if size.dtype == torch.float32 else 12):
        total = torch.addcmul(total, now, power)
        power = power * offset
        area = torch.addcmul(area, now, power, value=2 / (n + 1))
        before, now = now, (node * now + before) * (-2 / (n + 1))
    return total, area


def _far(size: Tensor) -> Tensor:
    """Return Σ (2k−1)!!/(2^{k+1}x^{2k+1}) for x ≥ LAST."""
    ratio, total = 0.5 / size.square(), torch.ones_like(size)
    for k in range(10, 0, -1):
        total = 1 + (2 * k - 1) * ratio * total
    return 0.5 * total / size


def _far_area(size: Tensor) -> Tensor:
    """Return log x + log 2 + γ/2 − Σ (2k−1)!!/(2k(2x²)^k) for x ≥ LAST."""
    ratio = 0.5 / size.square()
    total, product, factor = torch.log(size) + (math.log(2) + EULER / 2), torch.ones_like(size), 1.0
    for k in range(1, 10):
        product, factor = product * ratio, factor * (2 * k - 1)
        total = total - product * (factor / (2 * k))
    return total


@lru_cache(maxsize=1)
def _tables() -> tuple[Tensor, Tensor]:
    """Return D and 2∫D at the nodes, by Taylor steps of D′ = 1 − 2xD, whose errors decay like e^{−x²}."""
    values, areas = [0.0], [0.0]
    for node in range(round(LAST / STEP)):
        x, coefficients = node * STEP, [values[-1]]
        coefficients.append(1 - 2 * x * coefficients[0])
        for n in range(1, _NODE_TERMS):
            coefficients.append((-2 * x * coefficients[n] - 2 * coefficients[n - 1]) / (n + 1))
        values.append(math.fsum(c * STEP**n for n, c in enumerate(coefficients)))
        areas.append(math.fsum([areas[-1], *(2 * c * STEP ** (n + 1) / (n + 1) for n, c in enumerate(coefficients))]))
    return torch.tensor(values, dtype=torch.float64), torch.tensor(areas, dtype=torch.float64)
