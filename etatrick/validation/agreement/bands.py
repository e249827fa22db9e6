"""Confidence bands over seeds for whole trajectories: they hold at every epoch at once."""

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class Band:
    """A simultaneous confidence band of a mean trajectory.

    Parameters
    ----------
    mean, lower, upper : tuple of float
        Per point of the trajectory.
    level : float
        The probability that the true mean leaves the band anywhere.
    pointwise : float
        The level of the t interval at each point that achieves it, between level/points and level.
    seeds : int
    """

    mean: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    level: float
    pointwise: float
    seeds: int

    def leaves(self, target: "ArrayLike") -> tuple[int, ...]:
        """Return the points at which a target lies outside; none if it agrees with the whole trajectory.

        Parameters
        ----------
        target : array_like, shape () or (points,)

        Returns
        -------
        tuple of int
        """
        aim = np.broadcast_to(np.asarray(target, dtype=np.float64), len(self.mean))
        outside = (aim < np.array(self.lower)) | (aim > np.array(self.upper))
        return tuple(int(k) for k in np.flatnonzero(outside))

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return {k: list(v) if isinstance(v, tuple) else v for k, v in vars(self).items()}


def confidence_band(samples: "ArrayLike", *, rng: np.random.Generator, level: float = 0.05, draws: int = 2000) -> Band:
    r"""Return a band that covers the mean of every point at once with probability 1 − level.

    Half-widths are :math:`t_{n-1,1-p/2}\,s_j/\sqrt n` with one pointwise level p for all points. It is the
    level-quantile of the smallest p-value over the points under rotations of the residuals (Langsrud 2005): their
    n − 1 independent rows are combined with random directions, which leaves a Gaussian sample of n − 1 seeds with
    the correlations of the data. Where neighbouring points move together p is far above level/points, the value of
    Bonferroni, below which it never falls; with a single point the interval is Student's.

    Parameters
    ----------
    samples : array_like, shape (seeds, points)
        One trajectory per seed; differences, for paired comparisons of two methods.
    rng : numpy.random.Generator
        Draws the rotations.
    level : float
        In (0, 0.5).
    draws : int
        Number of rotations, at least 10/level.

    Returns
    -------
    Band

    Raises
    ------
    InputError
        For fewer than three seeds, values that are not finite, or a level or number of draws outside its domain.

    Examples
    --------
    >>> walks = np.random.default_rng(0).standard_normal((12, 50)).cumsum(1)
    >>> band = confidence_band(walks, rng=np.random.default_rng(1))
    >>> band.leaves(0.0), bool(0.05 / 50 < band.pointwise < 0.05), len(band.leaves(100.0))
    ((), True, 50)
    """
    from scipy.special import stdtrit

    values = np.asarray(samples, dtype=np.float64)
    if values.ndim != 2 or len(values) < 3 or values.shape[1] == 0:
        raise InputError(f"samples of shape {values.shape}", "need one row per seed, at least three", "run more seeds")
    if not np.isfinite(values).all():
        raise InputError("samples", "hold NaN or infinite values", "look at the runs that diverged")
    if not 0 < level < 0.5:
        raise InputError(f"level = {level}", "must lie in (0, 0.5)", "choose e.g. level=0.05")
    if not (isinstance(draws, int) and draws * level >= 10):
        raise InputError(f"draws = {draws}", "must be an integer of at least 10/level", "choose e.g. draws=2000")
    seeds, points = values.shape
    mean, deviation = values.mean(0), values.std(0, ddof=1)
    smallest = np.sort(_smallest_p(values - mean, rng, draws))
    quantile = float(smallest[math.floor(draws * level) - 1])
    pointwise = min(level, max(level / points, quantile))
    half = -stdtrit(seeds - 1, pointwise / 2) * deviation / math.sqrt(seeds)
    return Band(
        tuple(mean.tolist()), tuple((mean - half).tolist()), tuple((mean + half).tolist()), float(level), pointwise,
        seeds,
    )  # fmt: skip


def _smallest_p(residuals: "NDArray[np.float64]", rng: np.random.Generator, draws: int) -> "NDArray[np.float64]":
    """Return the smallest two-sided p-value over points for each random direction."""
    from scipy.special import stdtr

    seeds = len(residuals)
    # n − 1 independent rows: a Gaussian sample with mean 0 and the covariance of the data
    rows = _contrasts(seeds) @ residuals
    size = np.linalg.norm(rows, axis=0)
    unit = np.divide(rows, size, out=np.zeros_like(rows), where=size > 0)
    direction = rng.standard_normal((draws, seeds - 1))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    largest = np.abs(direction @ unit).max(axis=1)
    t = math.sqrt(seeds - 2) * largest / np.sqrt(np.maximum(1 - largest**2, 1e-300))
    found: NDArray[np.float64] = 2 * stdtr(seeds - 2, -t)
    return found


def _contrasts(seeds: int) -> "NDArray[np.float64]":
    """Return an orthonormal basis of what sums to zero, shape (seeds − 1, seeds) (Helmert)."""
    basis = np.zeros((seeds - 1, seeds))
    for k in range(1, seeds):
        basis[k - 1, :k] = 1 / math.sqrt(k * (k + 1))
        basis[k - 1, k] = -k / math.sqrt(k * (k + 1))
    return basis
