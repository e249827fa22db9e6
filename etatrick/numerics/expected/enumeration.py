"""Enumeration of finitely many noise outcomes, for any loss: the sum of Bregman divergences, in chunks."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.divergences import divergence
from etatrick.numerics.expected.route import Route, Slopes
from etatrick.numerics.losses import Loss
from etatrick.theory.noise import MaskLaw

MOST_TERMS: Final = 20
CHUNK: Final = 1_000_000


class Outcomes(ABC):
    """Finitely many values of ζ, part by part, so that an array (rows, part) stays small.

    Examples
    --------
    >>> [chances.tolist() for _, chances in Switches(TwoPoint(np.array([1.0]))).chunks(5)]
    [[0.5, 0.5]]
    """

    @abstractmethod
    def chunks(self, rows: int) -> Iterator[tuple[Floats, Floats]]:
        """Yield parts of the outcomes, ζ of shape (m, B), with their chances (m,)."""


@final
@dataclass(frozen=True, eq=False)
class Switches(Outcomes):
    """The 2^B outcomes of independent two-point noise, made as they are needed.

    Raises
    ------
    InputError
        If more than 20 terms are noisy.

    Examples
    --------
    >>> next(Switches(TwoPoint(np.array([1.0, 0.0]))).chunks(1))[0].tolist()
    [[1.0, 0.0], [-1.0, 0.0]]
    """

    law: TwoPoint

    def __post_init__(self) -> None:
        if (count := int(np.count_nonzero(self.law.odds))) > MOST_TERMS:
            rule = f"enumeration is offered up to {MOST_TERMS}"
            remedy = "use loss='logistic', one class against the rest, or Gaussian noise, which are exact at any size"
            raise InputError(f"{count} independent noisy terms", rule, remedy)

    def chunks(self, rows: int) -> Iterator[tuple[Floats, Floats]]:
        """Yield outcomes in the order of the binary numbers."""
        noisy = np.flatnonzero(self.law.odds)
        step = max(1, CHUNK // max(rows, len(self.law.odds)))
        for start in range(0, 2 ** len(noisy), step):
            index = np.arange(start, min(start + step, 2 ** len(noisy)))
            dropped = (index[:, None] >> np.arange(len(noisy))) & 1 == 1
            noise = np.zeros((len(index), len(self.law.odds)))
            noise[:, noisy] = np.where(dropped, -1.0, self.law.odds[noisy])
            yield noise, np.where(dropped, self.law.drop[noisy], self.law.keep[noisy]).prod(axis=1)


@final
@dataclass(frozen=True, eq=False)
class Listed(Outcomes):
    """Values of ζ that are stored: `noise` (m, B) with `chances` (m,).

    Examples
    --------
    >>> from etatrick.theory.noise import FixedCount
    >>> Listed.of_masks(FixedCount((1, 1), 1)).noise.tolist()
    [[1.0, -1.0], [-1.0, 1.0]]
    """

    noise: Floats
    chances: Floats

    @classmethod
    def of_masks(cls, law: MaskLaw) -> "Listed":
        """Return z/μ − 1 for the masks of a finite law; refused by the law itself beyond 16,384."""
        masks = law.masks()
        values = np.array([[float(x) for x in mask] for mask, _ in masks])
        return cls(values / law.means() - 1, np.array([float(chance) for _, chance in masks]))

    def chunks(self, rows: int) -> Iterator[tuple[Floats, Floats]]:
        """Yield slices of what is stored."""
        step = max(1, CHUNK // max(rows, self.noise.shape[1]))
        for start in range(0, len(self.chances), step):
            yield self.noise[start : start + step], self.chances[start : start + step]


@final
@dataclass(frozen=True, eq=False)
class Enumeration(Route):
    """R_i = Σ_m p_m D_ℓ(μ_i + a_i·ζ_m ‖ μ_i): every summand is ≥ 0, so nothing cancels.

    Examples
    --------
    >>> from etatrick.numerics.losses import Huber
    >>> route = Enumeration(Huber(1.0), Switches(TwoPoint(np.array([1.0]))))
    >>> route.values(np.zeros(1), np.zeros(1), np.array([[3.0]])).tolist()
    [2.5]
    """

    loss: Loss
    outcomes: Outcomes

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        total = np.zeros_like(mean)
        for noise, chances in self.outcomes.chunks(len(mean)):
            total += divergence(self.loss, y[:, None], mean[:, None], amplitudes @ noise.T) @ chances
        return total

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i, E ℓ′(Z_i) − ℓ′(μ_i) and E ζ_j(ℓ′(Z_i) − ℓ′(μ_i))."""
        total, by_mean, by_amplitude = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(amplitudes)
        base = self.loss.slope(y, mean)[:, None]
        for noise, chances in self.outcomes.chunks(len(mean)):
            step = amplitudes @ noise.T
            total += divergence(self.loss, y[:, None], mean[:, None], step) @ chances
            change = (self.loss.slope(y[:, None], mean[:, None] + step) - base) * chances
            by_mean += change.sum(axis=1)
            by_amplitude += change @ noise
        return Slopes(total, by_mean, by_amplitude)
