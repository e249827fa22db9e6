"""An approximate Hessian, by second moments: the metric in which an expected loss is minimised and judged."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import numpy as np

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.perturbation import Posed
from etatrick.numerics.expected.second_order import BlockOdds, UnitOdds, spread_of

NODES, SHARES = np.polynomial.hermite_e.hermegauss(15)
SHARES = SHARES / SHARES.sum()


class Metric(ABC):
    """A positive semidefinite H of shape (d, d), by its inverse."""

    @abstractmethod
    def solve(self, gradient: Floats) -> Floats:
        """Return H⁻¹g; the shortest solution where H is singular."""

    @final
    def decrement(self, gradient: Floats) -> float:
        """Return ½ gᵀH⁻¹g, the decrease that a quadratic with this Hessian would allow."""
        return 0.5 * float(gradient @ self.solve(gradient))


@final
@dataclass(frozen=True, eq=False)
class DenseMetric(Metric):
    """H by its eigenvalues, scaled to unit diagonal first.

    Examples
    --------
    >>> DenseMetric.build(np.diag([4.0, 0.0])).solve(np.array([2.0, 1.0])).tolist()
    [0.5, 0.0]
    """

    scales: Floats
    levels: Floats
    axes: Floats

    @classmethod
    def build(cls, hessian: Floats) -> "DenseMetric":
        """Factorise; directions below 1e-13 of the largest count as null."""
        diagonal = np.sqrt(np.diag(hessian))
        scales = np.where(diagonal > 0, diagonal, 1.0)
        levels, axes = np.linalg.eigh(hessian / np.outer(scales, scales))
        kept = levels > 1e-13 * max(float(levels[-1]), 1e-300)
        return cls(scales, levels[kept], axes[:, kept])

    def solve(self, gradient: Floats) -> Floats:
        """Return H⁻¹g."""
        return np.asarray(self.axes @ (self.axes.T @ (gradient / self.scales) / self.levels) / self.scales)


@final
@dataclass(frozen=True, eq=False)
class WideMetric(Metric):
    """H = RᵀR + diag(e), e > 0, with fewer rows than columns: only an n × n matrix is formed.

    Examples
    --------
    >>> WideMetric.build(np.array([[1.0, 1.0]]), np.ones(2)).solve(np.array([3.0, 0.0])).round(12).tolist()
    [2.0, -1.0]
    """

    rows: Floats
    diagonal: Floats
    inner: Floats

    @classmethod
    def build(cls, rows: Floats, diagonal: Floats) -> "WideMetric":
        """Form I + R diag(e)⁻¹Rᵀ."""
        return cls(rows, diagonal, np.eye(len(rows)) + (rows / diagonal) @ rows.T)

    def solve(self, gradient: Floats) -> Floats:
        """Return H⁻¹g by the Woodbury identity."""
        first = gradient / self.diagonal
        return np.asarray(first - self.rows.T @ np.linalg.solve(self.inner, self.rows @ first) / self.diagonal)


def metric_at(data: Posed, w: Floats) -> Metric:
    """Return the metric Σ_i h_i (x_i x_iᵀ + ξ_i ξ_iᵀ ∘ C̄) at w; exact for the squared loss and linear recipes.

    h_i is E ℓ″(Z_i) with Z_i taken as Gaussian, by 15 nodes; at least a millionth of the largest one.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> metric_at(posed([[1.0]], [1.0], Bernoulli(1, 0.5), "squared"), np.zeros(1)).solve(np.ones(1)).tolist()
    [0.5]
    """
    spread = spread_of(data.noise.law)
    deviation = np.sqrt(spread.variance(data.noise.amplitude.of(data.X, w)))
    mean = data.X @ w
    bend = np.zeros_like(mean)
    with np.errstate(over="ignore"):
        for s, share in zip(NODES, SHARES, strict=True):
            bend += share * data.loss.curvature(data.y, mean + deviation * s)
    bend = np.minimum(bend, 1e100)
    root = np.sqrt(np.maximum(bend, 1e-6 * float(bend.max(initial=0.0))))[:, None]
    rows, moved = data.X * root, data.noise.amplitude.features(data.X) * root
    moved = moved * data.noise.amplitude.profile_slope(w)
    if isinstance(spread, UnitOdds):
        diagonal = spread.odds * np.einsum("ij,ij->j", moved, moved)
        if rows.shape[0] < rows.shape[1] and (diagonal > 0).all():
            return WideMetric.build(rows, diagonal)
        return DenseMetric.build(rows.T @ rows + np.diag(diagonal))
    gram = moved.T @ moved
    if isinstance(spread, BlockOdds):
        owner = np.repeat(np.arange(len(spread.sizes)), spread.sizes)
        inside = (owner[:, None] == owner) * (spread.odds + spread.coupling)[owner]
        return DenseMetric.build(rows.T @ rows + gram * (inside - spread.coupling))
    return DenseMetric.build(rows.T @ rows + gram * data.noise.law.normalised_covariance)
