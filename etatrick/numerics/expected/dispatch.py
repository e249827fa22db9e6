"""Which exact route serves a loss and a noise law, and amplitudes gathered so that the terms are independent."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import CentredLaw, Normal, TwoPoint
from etatrick.numerics.expected.characteristic import CharacteristicIntegral
from etatrick.numerics.expected.enumeration import Enumeration, Listed, Switches
from etatrick.numerics.expected.exponential import MomentProduct
from etatrick.numerics.expected.gaussian_noise import GaussianIntegral
from etatrick.numerics.expected.halves import SortedHalves
from etatrick.numerics.expected.perturbation import block_starts
from etatrick.numerics.expected.route import Route, Slopes
from etatrick.numerics.expected.second_order import SecondMoment, spread_of
from etatrick.numerics.losses import Gamma, Huber, Logistic, Loss, Poisson, Squared
from etatrick.theory.noise import CorrelatedGaussian, Gaussian, MaskLaw
from etatrick.theory.noise.blocks import IndependentBlocks

FEW: Final = 6
FEW_SORTED: Final = 10


class Gathering(ABC):
    """A linear map of amplitudes, a ↦ aS, after which the terms of the noise are independent.

    Examples
    --------
    >>> BlockSums((2, 1)).of(np.array([[1.0, 2.0, 3.0]])).tolist()
    [[3.0, 3.0]]
    """

    @abstractmethod
    def of(self, amplitudes: Floats) -> Floats:
        """Return aS."""

    @abstractmethod
    def back(self, slopes: Floats) -> Floats:
        """Return slopes·Sᵀ."""


@final
@dataclass(frozen=True)
class BlockSums(Gathering):
    """One term per block of units that are dropped together.

    Examples
    --------
    >>> BlockSums((2, 1)).back(np.array([[5.0, 7.0]])).tolist()
    [[5.0, 5.0, 7.0]]
    """

    sizes: tuple[int, ...]

    def of(self, amplitudes: Floats) -> Floats:
        """Return the sum over each block."""
        return np.asarray(np.add.reduceat(amplitudes, block_starts(self.sizes), axis=1), dtype=np.float64)

    def back(self, slopes: Floats) -> Floats:
        """Return each block's slope at each of its units."""
        return np.repeat(slopes, self.sizes, axis=1)


@final
@dataclass(frozen=True, eq=False)
class Mixing(Gathering):
    """A root S of C̄ = SSᵀ, which makes correlated Gaussian noise independent.

    Examples
    --------
    >>> Mixing(np.array([[1.0], [2.0]])).of(np.array([[1.0, 1.0]])).tolist()
    [[3.0]]
    """

    root: Floats

    def of(self, amplitudes: Floats) -> Floats:
        """Return aS."""
        return amplitudes @ self.root

    def back(self, slopes: Floats) -> Floats:
        """Return slopes·Sᵀ."""
        return slopes @ self.root.T


@final
@dataclass(frozen=True, eq=False)
class Gathered(Route):
    """A route for independent terms, behind a gathering.

    Examples
    --------
    >>> from etatrick.numerics.expected.second_order import UnitOdds
    >>> route = Gathered(SecondMoment(UnitOdds(np.array([1.0]))), BlockSums((2,)))
    >>> route.values(np.zeros(1), np.zeros(1), np.array([[1.0, 2.0]])).tolist()
    [4.5]
    """

    route: Route
    gathering: Gathering

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        return self.route.values(y, mean, self.gathering.of(amplitudes))

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i and its derivatives, those by amplitudes carried back."""
        found = self.route.slopes(y, mean, self.gathering.of(amplitudes))
        return found._replace(by_amplitude=self.gathering.back(found.by_amplitude))


def route_for(loss: Loss, law: MaskLaw) -> Route:
    """Return the exact route for a loss under a law.

    Raises
    ------
    InputError
        If only enumeration is left and there are too many outcomes.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli, FixedCount
    >>> type(route_for(Logistic(), Bernoulli(100, 0.5))).__name__
    'CharacteristicIntegral'
    >>> type(route_for(Logistic(), FixedCount((1,) * 4, 2))).__name__
    'Enumeration'
    """
    if isinstance(loss, Squared):
        return SecondMoment(spread_of(law))
    if isinstance(law, Gaussian | CorrelatedGaussian):
        if not isinstance(loss, Poisson | Gamma):
            return GaussianIntegral(loss, spread_of(law))
        levels, directions = np.linalg.eigh(law.normalised_covariance) if isinstance(law, CorrelatedGaussian) else (
            np.array(law.block_odds, dtype=np.float64), None)  # fmt: skip
        route = MomentProduct(loss, Normal(np.maximum(levels, 0.0)))
        return route if directions is None else Gathered(route, Mixing(directions))
    if isinstance(law, IndependentBlocks):
        found = _independent(loss, TwoPoint(np.array(law.block_odds, dtype=np.float64)))
        return found if max(law.block_sizes) == 1 else Gathered(found, BlockSums(law.block_sizes))
    return Enumeration(loss, Listed.of_masks(law))


def _independent(loss: Loss, law: TwoPoint) -> Route:
    terms: CentredLaw = law
    if isinstance(loss, Poisson | Gamma):
        return MomentProduct(loss, terms)
    if isinstance(loss, Logistic) and np.count_nonzero(law.odds) > FEW:
        return CharacteristicIntegral(law)
    if isinstance(loss, Huber) and np.count_nonzero(law.odds) > FEW_SORTED:
        return SortedHalves(loss.delta, law)
    return Enumeration(loss, Switches(law))
