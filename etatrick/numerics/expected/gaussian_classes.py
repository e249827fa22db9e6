"""The multinomial loss under Gaussian noise: the trapezoidal rule along the principal axes of the class differences."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import softmax

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.classes import ClassRoute, ClassSlopes, divergences
from etatrick.numerics.expected.second_order import Spread

DIGITS: Final = 33.0
REACH: Final = 8.2
STRIP: Final = 0.9
MOST_NODES: Final = 300_000
CHUNK: Final = 400_000


class Grid(NamedTuple):
    """Directions L (n, K, r) of unit normal coordinates, and the number of steps on either side for each (n, r)."""

    axes: Floats
    steps: NDArray[np.intp]


@final
@dataclass(frozen=True, eq=False)
class GaussianClasses(ClassRoute):
    r"""R_i = E D(μ_i + L_i S ‖ μ_i) with S ~ N(0, I) of K − 1 dimensions, by the trapezoidal rule.

    The integrand along an axis, the others real, is analytic for |Im s| < π/r, r the range of the axis over classes:
    all e^{z_c} then lie in an open half-plane and their sum is not 0. The rule with step h errs by at most
    2M/(e^{2πa/h} − 1) for a strip |Im s| ≤ a on which the integral of the modulus is M; on it the density grows by
    e^{a²/2}. So h = 2πa/(33 + a²/2) leaves e^{−33}M for each axis, and stopping at 8.2 standard deviations less. The
    error is relative to the variance of the noise.

    Examples
    --------
    >>> from etatrick.numerics.expected.second_order import UnitOdds
    >>> route = GaussianClasses(UnitOdds(np.array([1e-8])))
    >>> found = route.values(np.zeros((1, 2)), np.ones((1, 1)), np.array([[0.0, 1.0]]))[0]
    >>> round(float(found / 1e-8), 8)  # Var/8
    0.125
    """

    spread: Spread

    def values(self, mean: Floats, features: Floats, weights: Floats) -> Floats:
        """Return R_i."""
        found = np.zeros(len(mean))
        for rows, step, shares in self._nodes(self.grid(features, weights)):
            found[rows] = divergences(mean[rows][:, None], step) @ shares
        return found

    def slopes(self, shares: Floats, mean: Floats, features: Floats, weights: Floats) -> ClassSlopes:
        """Return R_i, E p(Z_i) − p(μ_i), and Σ_i v_i ξ_i∘C̄(ξ_i∘W) E[diag p − ppᵀ]: R depends on W by the covariance."""
        values, by_mean = np.zeros(len(mean)), np.zeros_like(mean)
        bend = np.zeros((len(mean), mean.shape[1], mean.shape[1]))
        for rows, step, density in self._nodes(self.grid(features, weights)):
            values[rows] = divergences(mean[rows][:, None], step) @ density
            chances = softmax(mean[rows][:, None] + step, axis=-1)
            by_mean[rows] = density @ (chances - softmax(mean[rows], axis=-1)[:, None])
            middle = density @ chances
            second = np.einsum("g,igk,igl->ikl", density, chances, chances, optimize=True)
            bend[rows] = middle[:, :, None] * np.eye(mean.shape[1]) - second
        acted = np.stack([self.spread.times(features * column) for column in weights.T], axis=-1)
        pull = np.einsum("i,ij,ijk,ikl->jl", shares, features, acted, bend, optimize=True)
        return ClassSlopes(values, by_mean, pull)

    def grid(self, features: Floats, weights: Floats) -> Grid:
        """Return the principal axes of the class differences and the steps that each needs.

        Raises
        ------
        InputError
            If an example needs more than 300,000 nodes: the noise is large, or there are many classes.
        """
        centred = weights - weights.mean(axis=1, keepdims=True)
        moved = [features * column for column in centred.T]
        acted = [self.spread.times(part) for part in moved]
        covariance = np.array([[np.einsum("ij,ij->i", a, b) for a in acted] for b in moved]).transpose(2, 0, 1)
        levels, axes = np.linalg.eigh(0.5 * (covariance + covariance.transpose(0, 2, 1)))
        levels = np.maximum(levels[:, :0:-1], 0.0)
        levels[levels <= 1e-15 * levels[:, :1]] = 0.0
        found = axes[:, :, :0:-1] * np.sqrt(levels)[:, None, :]
        width = found.max(axis=1) - found.min(axis=1)
        with np.errstate(divide="ignore"):
            strip = np.minimum(STRIP * np.pi / width, np.sqrt(2 * DIGITS))
        step = 2 * np.pi * strip / (DIGITS + strip**2 / 2)
        # few different sizes, so that many examples share one grid
        steps = np.where(levels > 0, 4 * np.ceil(REACH / step / 4), 0).astype(np.intp)
        if (largest := float(np.prod(2.0 * steps + 1, axis=1).max())) > MOST_NODES:
            rule = f"at most {MOST_NODES} are used"
            raise InputError(f"noise in {weights.shape[1]} classes that needs {largest:.3g} nodes", rule,
                             "use loss='logistic', one class against the rest, or smaller noise")  # fmt: skip
        return Grid(found, steps)

    def _nodes(self, grid: Grid) -> Iterator[tuple[NDArray[np.intp], Floats, Floats]]:
        """Yield rows, their steps h (rows, G, K) and the shares of the G nodes."""
        for counts in np.unique(grid.steps, axis=0):
            same = np.flatnonzero((grid.steps == counts).all(axis=1))
            lines = [np.linspace(-REACH, REACH, 2 * int(m) + 1) if m else np.zeros(1) for m in counts]
            points = np.stack([part.ravel() for part in np.meshgrid(*lines, indexing="ij")], axis=1)
            shares = np.exp(-0.5 * (points**2).sum(axis=1))
            kept = shares > np.exp(-0.5 * REACH**2)
            points, shares = points[kept], shares[kept]
            shares /= np.sqrt(2 * np.pi) ** np.count_nonzero(counts)
            for m in counts[counts > 0]:
                shares *= REACH / m
            size = max(1, CHUNK // (len(points) * grid.axes.shape[1]))
            for start in range(0, len(same), size):
                rows = same[start : start + size]
                yield rows, np.einsum("gr,ikr->igk", points, grid.axes[rows]), shares
