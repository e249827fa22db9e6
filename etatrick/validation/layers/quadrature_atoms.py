"""Quadrature rules as finite laws of noise, reduced to as few atoms as keep given moments."""

from collections.abc import Sequence

import numpy as np
import torch
from torch import Tensor


def gauss_legendre(low: float, high: float, count: int) -> tuple[Tensor, Tensor]:
    """Return nodes and weights of the Gauss–Legendre rule on [low, high], in double precision.

    Examples
    --------
    >>> x, weight = gauss_legendre(0.0, 1.0, 3)
    >>> round(float((weight * x**5).sum()), 12)
    0.166666666667
    """
    node, weight = np.polynomial.legendre.leggauss(count)
    half = (high - low) / 2
    return torch.from_numpy((low + high) / 2 + half * node), torch.from_numpy(half * weight)


def fewest_atoms(values: Tensor, chances: Tensor, moments: Sequence[Tensor]) -> tuple[Tensor, Tensor]:
    """Return at most 1 + #moments of the atoms, with other chances and the same moments (Carathéodory).

    Parameters
    ----------
    values, chances : Tensor, shape (K,)
        A finite law; chances sum to 1.
    moments : sequence of Tensor, shape (K,)
        Functions of the atoms whose expectations are kept; so is the total.

    Returns
    -------
    values, chances : Tensor, shape (k,)
        k ≤ 1 + #moments.

    Examples
    --------
    >>> x, weight = gauss_legendre(0.0, 1.0, 10)
    >>> few, chance = fewest_atoms(x, weight, [x, x**2])
    >>> len(few), round(float((chance * few**2).sum()), 12)
    (3, 0.333333333333)
    """
    table = torch.stack([torch.ones_like(chances), *moments])
    left, weights = torch.nonzero(chances > 0).flatten(), chances[chances > 0].clone()
    while len(left) > len(table):
        # a direction along which no moment changes: follow it until the first chance is 0
        some = slice(0, len(table) + 1)
        _, _, basis = torch.linalg.svd(table[:, left[some]])
        move = basis[-1]
        ratios = torch.where(move > 0, weights[some] / move, torch.inf)
        first = int(ratios.argmin())
        weights[some] = (weights[some] - ratios[first] * move).clamp_min(0)
        keep = torch.arange(len(left)) != first
        left, weights = left[keep], weights[keep]
    return values[left], weights
