"""Densities of the variance in a Gaussian scale mixture: exponential, inverse gamma, half-Cauchy scale."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from etatrick.theory.vector.base import Floats, check_positive


class MixingDensity(ABC):
    """A probability density p(η) of a variance η > 0; subclass it to try another one.

    The two methods take and return float arrays of one shape.
    """

    @abstractmethod
    def log_at(self, eta: Floats) -> Floats:
        """Return log p(η), up to a constant that does not depend on η."""

    @abstractmethod
    def growth_at(self, eta: Floats) -> Floats:
        """Return d log p / d log η."""

    @abstractmethod
    def latex(self) -> str:
        """Return p(η) in LaTeX, up to its constant."""

    @property
    @abstractmethod
    def order_at_zero(self) -> float:
        """The order q with p(η) ~ η^q as η → 0; ∞ if p vanishes faster than every power."""


@final
@dataclass(frozen=True)
class Exponential(MixingDensity):
    """p(η) = r·exp(−rη): the mixture is the Laplace density, with Ω(w) = √(2r)·|w|.

    Examples
    --------
    >>> float(Exponential(2.0).log_at(np.float64(3.0)))
    -6.0
    """

    rate: float

    def __post_init__(self) -> None:
        check_positive("rate", self.rate, "the rate")

    def log_at(self, eta: Floats) -> Floats:
        """Return log p(η) up to a constant."""
        return -self.rate * eta

    def growth_at(self, eta: Floats) -> Floats:
        """Return d log p / d log η."""
        return -self.rate * eta

    def latex(self) -> str:
        """Return p(η) in LaTeX."""
        return rf"e^{{-{self.rate:g}\,\eta}}"

    @property
    def order_at_zero(self) -> float:
        """The order q with p(η) ~ η^q as η → 0."""
        return 0.0


@final
@dataclass(frozen=True)
class InverseGamma(MixingDensity):
    """p(η) ∝ η^{−a−1} exp(−b/η): the mixture is Student's t, with Ω(w) = (a+½) log(1 + w²/(2b)).

    Examples
    --------
    >>> float(InverseGamma(1.0, 2.0).log_at(np.float64(1.0)))
    -2.0
    """

    shape: float
    scale: float

    def __post_init__(self) -> None:
        check_positive("shape", self.shape, "the shape a")
        check_positive("scale", self.scale, "the scale b")

    def log_at(self, eta: Floats) -> Floats:
        """Return log p(η) up to a constant."""
        with np.errstate(over="ignore"):
            return -(self.shape + 1) * np.log(eta) - self.scale / eta

    def growth_at(self, eta: Floats) -> Floats:
        """Return d log p / d log η."""
        with np.errstate(over="ignore"):
            return -(self.shape + 1) + self.scale / eta

    def latex(self) -> str:
        """Return p(η) in LaTeX."""
        return rf"\eta^{{-{self.shape + 1:g}}}e^{{-{self.scale:g}/\eta}}"

    @property
    def order_at_zero(self) -> float:
        """The order q with p(η) ~ η^q as η → 0."""
        return np.inf


@final
@dataclass(frozen=True)
class HalfCauchy(MixingDensity):
    """√η half-Cauchy with scale s, p(η) ∝ 1/(√η (1 + η/s²)): the mixture is the horseshoe (Carvalho et al. 2010).

    Examples
    --------
    >>> float(HalfCauchy(1.0).log_at(np.float64(1.0)).round(6))
    -0.693147
    """

    scale: float

    def __post_init__(self) -> None:
        check_positive("scale", self.scale, "the scale s")

    def log_at(self, eta: Floats) -> Floats:
        """Return log p(η) up to a constant."""
        return -np.log(eta) / 2 - np.log1p(eta / self.scale**2)

    def growth_at(self, eta: Floats) -> Floats:
        """Return d log p / d log η."""
        return -0.5 - eta / (self.scale**2 + eta)

    def latex(self) -> str:
        """Return p(η) in LaTeX."""
        return rf"\eta^{{-1/2}}(1+\eta/{self.scale**2:g})^{{-1}}"

    @property
    def order_at_zero(self) -> float:
        """The order q with p(η) ~ η^q as η → 0."""
        return -0.5
