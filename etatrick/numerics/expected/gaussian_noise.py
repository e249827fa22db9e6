"""Gaussian noise: one positive integral per example, R = ∫ ℓ″(t) E[(Z−t)₊ − (μ−t)₊] dt, by composite quadrature."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.route import Route, Slopes
from etatrick.numerics.expected.second_order import Spread
from etatrick.numerics.losses import Huber, Loss

NODES, WEIGHTS = np.polynomial.legendre.leggauss(14)
WIDEST: Final = 38.0
PANEL: Final = 1.0
LOSS_PANELS: Final = 2.5 * np.arange(-18, 19)
CHUNK: Final = 2000


@final
@dataclass(frozen=True, eq=False)
class GaussianIntegral(Route):
    r"""Any loss under Gaussian noise, Z = μ + σS with σ² = aᵀC̄a.

    .. math:: R = \sigma^2 \int \ell''(\mu+\sigma s)\, [\varphi(s) - |s|\Phi(-|s|)]\, ds, \qquad
              \frac{\partial R}{\partial \sigma^2} = \tfrac12 \int \ell''(\mu+\sigma s)\varphi(s)\, ds

    The integrands are ≥ 0, so R keeps its relative accuracy for tiny noise and for confident predictions. Panels end
    at s = 0, at every standard deviation, and on a grid fixed to the loss (for Huber: at its kinks).

    Examples
    --------
    >>> from etatrick.numerics.expected.second_order import UnitOdds
    >>> from etatrick.numerics.losses import Squared
    >>> route = GaussianIntegral(Squared(), UnitOdds(np.array([1.0])))
    >>> bool(np.isclose(route.values(np.zeros(1), np.zeros(1), np.array([[3.0]]))[0], 4.5, rtol=1e-13))
    True
    """

    loss: Loss
    spread: Spread

    def values(self, y: Floats, mean: Floats, amplitudes: Floats) -> Floats:
        """Return R_i."""
        return self.slopes(y, mean, amplitudes).values

    def slopes(self, y: Floats, mean: Floats, amplitudes: Floats) -> Slopes:
        """Return R_i, E ℓ′(Z_i) − ℓ′(μ_i), and 2 (∂R_i/∂σ²) C̄a_i."""
        acted = self.spread.times(amplitudes)
        deviation = np.sqrt(np.maximum(np.einsum("ij,ij->i", amplitudes, acted), 0.0))
        values, by_mean, by_variance = np.zeros_like(mean), np.zeros_like(mean), np.zeros_like(mean)
        for rows in self._parts(len(mean)):
            found = self._integrals(y[rows], mean[rows], deviation[rows])
            values[rows], by_mean[rows], by_variance[rows] = found
        return Slopes(values, by_mean, 2 * by_variance[:, None] * acted)

    def _parts(self, n: int) -> Iterator[slice]:
        for start in range(0, n, CHUNK):
            yield slice(start, start + CHUNK)

    def _integrals(self, y: Floats, mean: Floats, deviation: Floats) -> tuple[Floats, Floats, Floats]:
        from scipy.special import ndtr

        own = y[:, None] + self.loss.delta * np.array([-1.0, 1.0]) if isinstance(self.loss, Huber) else LOSS_PANELS
        safe = np.where(deviation > 0, deviation, 1.0)[:, None]
        fixed = np.broadcast_to(np.arange(-WIDEST, WIDEST + PANEL / 2, PANEL), (len(y), int(2 * WIDEST / PANEL) + 1))
        ends = np.sort(np.concatenate((fixed, np.clip((own - mean[:, None]) / safe, -WIDEST, WIDEST)), axis=1), axis=1)
        sums = [np.zeros_like(mean) for _ in range(3)]
        middle, half = 0.5 * (ends[:, 1:] + ends[:, :-1]), 0.5 * np.diff(ends, axis=1)
        for node, weight in zip(NODES, WEIGHTS, strict=True):
            s = middle + half * node
            density, beyond = np.exp(-0.5 * s**2) / np.sqrt(2 * np.pi), ndtr(-np.abs(s))
            bend = weight * half * self.loss.curvature(y[:, None], mean[:, None] + safe * s)
            # ϕ(s) − |s|Φ(−|s|) cancels by a factor s² only: at most 3 digits of what is a negligible tail
            for total, kernel in zip(sums, (density - np.abs(s) * beyond, np.sign(s) * beyond, density), strict=True):
                total += (bend * kernel).sum(axis=1)
        return deviation**2 * sums[0], deviation * sums[1], 0.5 * sums[2]
