"""Huber's loss under independent two-point noise: sums over pairs of outcomes of two halves, by sorting one half."""

from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.route import Route, Slopes

MOST_TERMS: Final = 40


class Tails(NamedTuple):
    """E ½(h−x)₊², E (h−x)₊ and E ζ_j (h−x)₊ for h = Σ a_j ζ_j."""

    second: float
    first: float
    by_term: Floats


@final
@dataclass(frozen=True, eq=False)
class Half:
    """Some terms of the noise with the chances of their 2^k outcomes; bit j of an outcome says that j is dropped.

    Examples
    --------
    >>> half = Half(TwoPoint(np.array([1.0, 1.0])))
    >>> half.values(np.array([1.0, 3.0])).tolist(), half.pulled(half.chances).tolist()
    ([4.0, 2.0, -2.0, -4.0], [0.0, 0.0])
    """

    law: TwoPoint

    @cached_property
    def chances(self) -> Floats:
        """Probabilities of the outcomes."""
        found = np.ones(1)
        for keep, drop in zip(self.law.keep, self.law.drop, strict=True):
            found = np.concatenate((found * keep, found * drop))
        return found

    def values(self, amplitudes: Floats) -> Floats:
        """Return Σ a_j ζ_j for every outcome."""
        found = np.zeros(1)
        for a, odds in zip(amplitudes, self.law.odds, strict=True):
            found = np.concatenate((found + odds * a, found - a))
        return found

    def pulled(self, weights: Floats) -> Floats:
        """Return Σ_m ζ_mj weights_m for every term j."""
        total, found = float(weights.sum()), np.empty(len(self.law.odds))
        for j, odds in enumerate(self.law.odds):
            dropped = float(weights.reshape(-1, 2, 2**j)[:, 1].sum())
            found[j] = odds * (total - dropped) - dropped
        return found


@final
class Upper:
    """Sums over the values above a threshold, from sorted values and their partial sums.

    Examples
    --------
    >>> upper = Upper(np.array([2.0, -1.0]), np.array([0.5, 0.5]))
    >>> [found.tolist() for found in upper.moments(np.array([0.0, 3.0]))]
    [[1.0, 0.0], [1.0, 0.0]]
    """

    def __init__(self, values: Floats, chances: Floats) -> None:
        order = np.argsort(-values)
        self.values, chances = values[order], chances[order]
        rows = np.stack((chances, chances * self.values, chances * self.values**2))
        self.sums = np.concatenate((np.zeros((3, 1)), np.cumsum(rows, axis=1)), axis=1)

    def moments(self, thresholds: Floats) -> tuple[Floats, Floats]:
        """Return E ½(B−t)₊² and E (B−t)₊ at every threshold t."""
        mass, mean, square = self.sums[:, np.searchsorted(-self.values, -thresholds, side="left")]
        first: Floats = mean - thresholds * mass
        second: Floats = 0.5 * (square - 2 * thresholds * mean + thresholds**2 * mass)
        return np.maximum(second, 0.0), np.maximum(first, 0.0)


@final
@dataclass(frozen=True, eq=False)
class SortedHalves(Route):
    r"""Huber's loss ½(z−y)² within δ: 2^{B/2} log 2^{B/2} steps instead of 2^B.

    ℓ = ½(r+δ)₊² − ½(r−δ)₊² − δr + const at r = z − y, so R = T(μ−y+δ) − T(μ−y−δ) with
    T(c) = E ½(c+h)₊² − ½c₊², which is E ½(h−|c|)₊² for c ≤ 0 and ½Var h − E ½(−h−c)₊² for c > 0. Such a tail is a sum
    over pairs of outcomes of two halves of the terms; for each outcome of one half, those of the other above the
    threshold are summed by partial sums of what was sorted. Errors are relative to the variance of the noise.

    Raises
    ------
    InputError
        If more than 40 terms are noisy.

    Examples
    --------
    >>> route = SortedHalves(1.0, TwoPoint(np.array([1.0])))
    >>> route.values(np.zeros(1), np.zeros(1), np.array([[3.0]])).tolist()
    [2.5]
    """

    delta: float
    law: TwoPoint

    def __post_init__(self) -> None:
        if (count := int(np.count_nonzero(self.law.odds))) > MOST_TERMS:
            rule = f"Huber's loss is exact up to {MOST_TERMS}"
            remedy = "use the squared, logistic, Poisson or Gamma loss or Gaussian noise, which are exact at any size"
            raise InputError(f"{count} independent noisy terms", rule, remedy)

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        return np.array([self._row(r, a, slopes=False)[0] for r, a in zip(mean - y, amplitudes, strict=True)])

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i and its derivatives."""
        found = [self._row(r, a, slopes=True) for r, a in zip(mean - y, amplitudes, strict=True)]
        values, by_mean, by_term = zip(*found, strict=True)
        return Slopes(np.array(values), np.array(by_mean), np.array(by_term))

    @cached_property
    def _noisy(self) -> NDArray[np.intp]:
        return np.flatnonzero(self.law.odds)

    @cached_property
    def _halves(self) -> tuple[Half, Half]:
        odds, middle = self.law.odds[self._noisy], (len(self._noisy) + 1) // 2
        return Half(TwoPoint(odds[:middle])), Half(TwoPoint(odds[middle:]))

    def _row(self, residual: float, amplitudes: Floats, *, slopes: bool) -> tuple[float, float, Floats]:
        value, by_mean, by_term = 0.0, 0.0, np.zeros_like(amplitudes)
        for sign, c in ((1.0, residual + self.delta), (-1.0, residual - self.delta)):
            side = -1.0 if c > 0 else 1.0
            tails = self._tails(side * amplitudes[self._noisy], abs(c), slopes)
            value += sign * side * tails.second
            by_mean += sign * tails.first
            by_term[self._noisy] += sign * tails.by_term
            if c > 0:
                value += sign * 0.5 * float(self.law.odds @ amplitudes**2)
                by_term += sign * self.law.odds * amplitudes
        return max(value, 0.0), by_mean, by_term

    def _tails(self, amplitudes: Floats, x: float, slopes: bool) -> Tails:
        one, two = self._halves
        a, b = amplitudes[: len(one.law.odds)], amplitudes[len(one.law.odds) :]
        values = one.values(a), two.values(b)
        second, first = Upper(values[1], two.chances).moments(x - values[0])
        weights = one.chances * first
        by_term = np.zeros(len(amplitudes))
        if slopes:
            other = Upper(values[0], one.chances).moments(x - values[1])[1]
            by_term = np.concatenate((one.pulled(weights), two.pulled(two.chances * other)))
        return Tails(float(one.chances @ second), float(weights.sum()), by_term)
