"""Dawson's integral D and 2∫D of tensors of sizes x ≥ 0: Taylor series about a grid, asymptotic series beyond it.

Values without derivatives: those stand in ``torch_heads`` and in the divergence of variational dropout.
"""

import math
from functools import lru_cache
from typing import Final

import torch
from torch import Tensor

STEP: Final = 0.125
LAST: Final = 10.0
EULER: Final = 0.5772156649015329
NODE_TERMS: Final = 24


def value(size: Tensor) -> Tensor:
    """Return D(x) for x ≥ 0."""
    return torch.where(size < LAST, _near(size)[0], _far(size))


def value_and_area(size: Tensor) -> tuple[Tensor, Tensor]:
    """Return D(x) and 2∫₀ˣD for x ≥ 0, which share their series."""
    near, (close, area) = size < LAST, _near(size)
    return torch.where(near, close, _far(size)), torch.where(near, area, _far_area(size))


def slope(x: Tensor, value: Tensor) -> Tensor:
    """Return D′ = 1 − 2xD for any x and D(x); far out by its series, since the difference would cancel there."""
    return torch.where(x.abs() < LAST, 1 - 2 * x * value, -_excess(x.square().clamp_min(LAST**2)))


def _near(size: Tensor) -> tuple[Tensor, Tensor]:
    """Return D and 2∫D for 0 ≤ x < LAST, from the nearest node: (n+1)c_{n+1} = −2x₀c_n − 2c_{n−1}."""
    index = (size / STEP).nan_to_num(nan=0.0).round().clamp(max=LAST / STEP).long()
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


def _excess(square: Tensor) -> Tensor:
    """Return 2xD(x) − 1 = Σ_{k≥1} (2k−1)!!/(2x²)^k for x ≥ LAST, from x²."""
    ratio, total = 0.5 / square, torch.ones_like(square)
    for k in range(10, 1, -1):
        total = 1 + (2 * k - 1) * ratio * total
    return ratio * total


def _far(size: Tensor) -> Tensor:
    """Return D for x ≥ LAST."""
    return 0.5 * (1 + _excess(size.square())) / size


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
        for n in range(1, NODE_TERMS):
            coefficients.append((-2 * x * coefficients[n] - 2 * coefficients[n - 1]) / (n + 1))
        values.append(math.fsum(c * STEP**n for n, c in enumerate(coefficients)))
        areas.append(math.fsum([areas[-1], *(2 * c * STEP ** (n + 1) / (n + 1) for n, c in enumerate(coefficients))]))
    return torch.tensor(values, dtype=torch.float64), torch.tensor(areas, dtype=torch.float64)
