"""An approximate Hessian, by second moments: the metric in which an expected loss is minimised and judged."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import final

import numpy as np
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.perturbation import Posed
from etatrick.numerics.expected.second_order import BlockOdds, Spread, UnitOdds, spread_of

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


@final
@dataclass(frozen=True, eq=False)
class BorderedMetric(Metric):
    """H = [[M, U], [Uᵀ, S]], with M known by its inverse: U (d, k) and S (k, k) belong to columns without noise.

    Examples
    --------
    >>> inner = DenseMetric.build(np.diag([2.0, 2.0]))
    >>> BorderedMetric(inner, np.ones((2, 1)), np.array([[2.0]])).solve(np.array([1.0, 0.0, 0.0])).round(12).tolist()
    [0.75, 0.25, -0.5]
    """

    inner: Metric
    border: Floats
    corner: Floats

    @cached_property
    def _across(self) -> Floats:
        return np.stack([self.inner.solve(column) for column in self.border.T], axis=1)

    def solve(self, gradient: Floats) -> Floats:
        """Return H⁻¹g by block elimination."""
        d = len(self.border)
        first = self.inner.solve(gradient[:d])
        rest = gradient[d:] - self.border.T @ first
        last = np.linalg.lstsq(self.corner - self.border.T @ self._across, rest, rcond=None)[0]
        return np.concatenate((first - self._across @ last, last))


def metric_at(data: Posed, point: Floats, extra: Floats) -> Metric:
    """Return the metric Σ_i h_i (x_i x_iᵀ + ξ_i ξ_iᵀ ∘ C̄) + diag(extra), x_i with its clean columns.

    It is exact for the squared loss and recipes that are linear in w. `extra` (d,) is the curvature of a penalty on w.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> data = posed([[1.0]], [1.0], Bernoulli(1, 0.5), "squared")
    >>> metric_at(data, np.zeros(1), np.zeros(1)).solve(np.ones(1)).tolist()
    [0.5]
    """
    return metric_of(data, bends(data, point), data.noise.amplitude.profile_slope(point[: data.X.shape[1]]), extra)


def metric_of(data: Posed, bend: Floats, slope: Floats, extra: Floats) -> Metric:
    """Return the metric for given h_i (n,) and slopes g_j′(w_j) of the recipe (d,).

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> data = posed([[1.0]], [1.0], Bernoulli(1, 0.5), "squared")
    >>> metric_of(data, np.ones(1), np.ones(1), np.ones(1)).solve(np.array([3.0])).round(12).tolist()
    [1.0]
    """
    rows, moved, spread = _scaled(data, bend, slope)
    n, d = moved.shape
    if isinstance(spread, UnitOdds) and n < d:
        diagonal = spread.odds * np.einsum("ij,ij->j", moved, moved) + extra
        if (diagonal > 0).all():
            inner = WideMetric.build(rows[:, :d], diagonal)
            clean = rows[:, d:]
            return BorderedMetric(inner, rows[:, :d].T @ clean, clean.T @ clean) if clean.shape[1] else inner
    return DenseMetric.build(_formed(data, rows, moved, spread, extra))


def hessian_of(data: Posed, bend: Floats, slope: Floats, columns: NDArray[np.intp]) -> Floats:
    """Return the matrix of :func:`metric_of` for some columns of X, followed by the clean ones, without a penalty.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> data = posed([[1.0, 3.0]], [1.0], Bernoulli(2, 0.5), "squared")
    >>> hessian_of(data, np.ones(1), np.ones(2), np.array([1])).tolist()
    [[18.0]]
    """
    d = data.X.shape[1]
    rows, moved, spread = _scaled(data, bend, slope)
    if len(columns) == d:
        return _formed(data, rows, moved, spread, np.zeros(d))
    kept = np.concatenate((columns, np.arange(d, rows.shape[1])))
    rows, moved = rows[:, kept], moved[:, columns]
    found: Floats = rows.T @ rows
    covariance = spread.times(np.eye(d)[columns])[:, columns]
    found[: len(columns), : len(columns)] += (moved.T @ moved) * covariance
    return found


def bends(data: Posed, point: Floats) -> Floats:
    """Return h_i = v_i E ℓ″(Z_i) with Z_i taken as Gaussian, by 15 nodes.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> bends(posed([[1.0]], [1.0], Bernoulli(1, 0.5), "squared"), np.zeros(1)).round(12).tolist()
    [1.0]
    """
    recipe, w = data.noise.amplitude, point[: data.X.shape[1]]
    deviation = np.sqrt(spread_of(data.noise.law).variance(recipe.of(data.X, w)))
    mean = data.mean(point)
    found = np.zeros_like(mean)
    with np.errstate(over="ignore"):
        for s, share in zip(NODES, SHARES, strict=True):
            found += share * data.loss.curvature(data.y, mean + deviation * s)
        return data.weights * np.minimum(found, 1e100)


def _scaled(data: Posed, bend: Floats, slope: Floats) -> tuple[Floats, Floats, Spread]:
    """Return [X, clean] and Ξ g′(w), scaled by √h, at least a millionth of the largest; and the noise's spread."""
    root = np.sqrt(np.maximum(bend, 1e-6 * float(bend.max(initial=0.0))))[:, None]
    moved = data.noise.amplitude.features(data.X) * root * slope
    return np.hstack((data.X, data.clean)) * root, moved, spread_of(data.noise.law)


def _formed(data: Posed, rows: Floats, moved: Floats, spread: Spread, extra: Floats) -> Floats:
    d = moved.shape[1]
    found: Floats = rows.T @ rows
    found[:d, :d] += np.diag(extra)
    if isinstance(spread, UnitOdds):
        found[:d, :d] += np.diag(spread.odds * np.einsum("ij,ij->j", moved, moved))
    elif isinstance(spread, BlockOdds):
        owner = np.repeat(np.arange(len(spread.sizes)), spread.sizes)
        inside = (owner[:, None] == owner) * (spread.odds + spread.coupling)[owner]
        found[:d, :d] += (moved.T @ moved) * (inside - spread.coupling)
    else:
        found[:d, :d] += (moved.T @ moved) * data.noise.law.normalised_covariance
    return found
