"""Second moments of noise: Var Z_i = a_iᵀC̄a_i without forming C̄ where it has structure, and the squared loss."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.perturbation import block_starts
from etatrick.numerics.expected.route import Route, Slopes
from etatrick.theory.noise import BlockLaw, Gaussian, MaskLaw


class Spread(ABC):
    """The action of C̄ on amplitudes.

    Examples
    --------
    >>> from etatrick.theory.noise import FixedCount
    >>> spread_of(FixedCount((1, 1), 1)).times(np.array([[1.0, 0.0]])).tolist()
    [[1.0, -1.0]]
    """

    @abstractmethod
    def times(self, amplitudes: Floats) -> Floats:
        """Return a_iᵀC̄ for every row, shape (n, d)."""

    @final
    def variance(self, amplitudes: Floats) -> Floats:
        """Return Var Z_i = a_iᵀC̄a_i ≥ 0, shape (n,)."""
        found: Floats = np.maximum(np.einsum("ij,ij->i", amplitudes, self.times(amplitudes)), 0.0)
        return found


@final
@dataclass(frozen=True, eq=False)
class UnitOdds(Spread):
    """C̄ = diag(λ).

    Examples
    --------
    >>> UnitOdds(np.array([2.0, 1.0])).variance(np.array([[1.0, 3.0]])).tolist()
    [11.0]
    """

    odds: Floats

    def times(self, amplitudes: Floats) -> Floats:
        """Return λ_j a_ij."""
        return amplitudes * self.odds


@final
@dataclass(frozen=True, eq=False)
class BlockOdds(Spread):
    """C̄ = ⊕_b (λ_b+κ)11ᵀ − κ11ᵀ, as of blocks that are dropped whole; κ = 0 if they are independent.

    Examples
    --------
    >>> BlockOdds((2, 1), np.array([1.0, 1.0]), 0.5).times(np.array([[1.0, 1.0, 0.0]])).tolist()
    [[2.0, 2.0, -1.0]]
    """

    sizes: tuple[int, ...]
    odds: Floats
    coupling: float

    def times(self, amplitudes: Floats) -> Floats:
        """Return (λ_b+κ) × the sum over the block of j, less κ × the sum over all."""
        sums = np.add.reduceat(amplitudes, block_starts(self.sizes), axis=1)
        own = sums * (self.odds + self.coupling)
        found: Floats = np.repeat(own, self.sizes, axis=1) - self.coupling * sums.sum(axis=1, keepdims=True)
        return found


@final
@dataclass(frozen=True, eq=False)
class FullCovariance(Spread):
    """Any C̄, which is formed.

    Examples
    --------
    >>> from etatrick.theory.noise import CorrelatedGaussian
    >>> FullCovariance(CorrelatedGaussian([[1, 0.5], [0.5, 1]])).variance(np.array([[1.0, 1.0]])).tolist()
    [3.0]
    """

    law: MaskLaw

    @cached_property
    def matrix(self) -> Floats:
        """C̄, shape (d, d)."""
        return self.law.normalised_covariance

    def times(self, amplitudes: Floats) -> Floats:
        """Return a_iᵀC̄."""
        return amplitudes @ self.matrix


def spread_of(law: MaskLaw) -> Spread:
    """Return the cheapest form of C̄."""
    if isinstance(law, Gaussian) or (isinstance(law, BlockLaw) and law.coupling == 0 and max(law.block_sizes) == 1):
        return UnitOdds(np.array(law.block_odds, dtype=np.float64))
    if isinstance(law, BlockLaw):
        return BlockOdds(law.block_sizes, np.array(law.block_odds, dtype=np.float64), float(law.coupling))
    return FullCovariance(law)


@final
@dataclass(frozen=True, eq=False)
class SecondMoment(Route):
    """The squared loss: R_i = ½ a_iᵀC̄a_i, whatever the law.

    Examples
    --------
    >>> route = SecondMoment(UnitOdds(np.array([1.0, 0.5])))
    >>> route.values(np.zeros(1), np.zeros(1), np.array([[1.0, 2.0]])).tolist()
    [1.5]
    """

    spread: Spread

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return ½ a_iᵀC̄a_i."""
        return 0.5 * self.spread.variance(amplitudes)

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return ½ a_iᵀC̄a_i, 0 and C̄a_i."""
        return Slopes(self.values(y, mean, amplitudes), np.zeros_like(mean), self.spread.times(amplitudes))
