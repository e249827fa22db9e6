"""Inverse design from samples of a retain probability: a nondecreasing rule near them and its penalty."""

from dataclasses import dataclass
from itertools import pairwise
from typing import TYPE_CHECKING, Final, final

from etatrick.errors import InputError
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray

SERIES: Final = 0.05  # below this, log(1+z)/z by its series, where z − log(1+z) would cancel


@final
@dataclass(frozen=True)
class SampledSchedule:
    """A retain probability through samples: linear between them, constant beyond the ends, nondecreasing.

    Parameters
    ----------
    weights, given, retain : tuple of float
        w ascending, the α asked for, and the α of the schedule: its isotonic regression.

    Examples
    --------
    >>> s = design_from_samples([1, 2, 3], [0.5, 0.7, 0.6])
    >>> s.alpha_at([0.5, 1.5, 9.0]).round(6).tolist()
    [0.5, 0.575, 0.65]
    """

    weights: tuple[float, ...]
    given: tuple[float, ...]
    retain: tuple[float, ...]

    @property
    def changes(self) -> dict[float, float]:
        """By how much α was changed, by weight, where it was."""
        rows = zip(self.weights, self.given, self.retain, strict=True)
        return {x: new - old for x, old, new in rows if new != old}

    @property
    def verdict(self) -> Verdict:
        """Whether the samples were feasible as given; refuted with two neighbours between which α decreases."""
        domain = f"{len(self.weights)} samples"
        for (x, old), (y, new) in pairwise(zip(self.weights, self.given, strict=True)):
            if new < old:
                most = max(self.changes.values(), key=abs)
                witness = {"w": x, "alpha": old, "next_w": y, "next_alpha": new}
                detail = f"{len(self.changes)} samples changed, by up to {abs(most):.3g}"
                return Verdict("refuted", "α decreases between two samples", domain, witness, detail)
        return Verdict("checked", "α does not decrease from sample to sample", domain)

    def alpha_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return α(|x|), elementwise."""
        import numpy as np

        return np.interp(np.abs(np.asarray(x, dtype=np.float64)), self.weights, self.retain)

    def penalty_at(self, x: "ArrayLike") -> "NDArray[np.float64]":
        """Return P(|x|) = ∫ t(1−α)/α dt, elementwise: the exact integral of the rule in pieces."""
        import numpy as np

        size = np.abs(np.asarray(x, dtype=np.float64))
        knots = np.array([0.0, *self.weights][self.weights[0] == 0 :])
        levels = np.array([self.retain[0], *self.retain][self.weights[0] == 0 :])
        widths = np.diff(knots)
        slopes = np.append(np.diff(levels) / widths, 0.0)
        before = np.concatenate([[0.0], np.cumsum(_area(knots[:-1], widths, levels[:-1], slopes[:-1]))])
        cell = np.searchsorted(knots, size, side="right") - 1
        return before[cell] + _area(knots[cell], size - knots[cell], levels[cell], slopes[cell])


def design_from_samples(weights: "ArrayLike", alpha: "ArrayLike") -> SampledSchedule:
    """Return the nondecreasing schedule nearest to samples of a retain probability, in the sum of squares.

    Parameters
    ----------
    weights : array_like, shape (n,)
        Distinct, ≥ 0, in any order. A sample α = 0 at w = 0 makes α linear at 0, which can hold weights at exactly 0.
    alpha : array_like, shape (n,)
        Retain probabilities in (0, 1]; 0 is allowed at w = 0.

    Returns
    -------
    SampledSchedule

    Raises
    ------
    InputError
        If shapes differ, weights repeat or are negative, or a probability is outside its range.

    Examples
    --------
    >>> s = design_from_samples([0, 1], [0, 1])
    >>> s.penalty_at([0.5, 1.0, 2.0]).tolist()
    [0.375, 0.5, 0.5]
    """
    import numpy as np
    from scipy.optimize import isotonic_regression

    x, a = np.asarray(weights, dtype=np.float64), np.asarray(alpha, dtype=np.float64)
    if x.ndim != 1 or x.shape != a.shape or x.size == 0:
        raise InputError(f"shapes {x.shape} and {a.shape}", "weights and alpha are equally long", "pass n of each")
    if not (np.isfinite(x).all() and (x >= 0).all() and np.unique(x).size == x.size):
        raise InputError("weights", "must be finite, ≥ 0 and distinct", "average repeated samples first")
    if not ((a >= 0) & (a <= 1) & ((a > 0) | (x == 0))).all() or not a.any():
        raise InputError("alpha", "a retain probability lies in (0, 1], and may be 0 only at w = 0", "correct it")
    order = np.argsort(x)
    fitted = isotonic_regression(a[order]).x
    return SampledSchedule(tuple(x[order].tolist()), tuple(a[order].tolist()), tuple(fitted.tolist()))


def _area(
    start: "NDArray[np.float64]",
    length: "NDArray[np.float64]",
    low: "NDArray[np.float64]",
    slope: "NDArray[np.float64]",
) -> "NDArray[np.float64]":
    """Return ∫ t(1−α)/α dt from `start` over `length`, for α(t) = low + slope·(t − start); low = 0 only at start 0."""
    import numpy as np

    zero = low == 0
    safe_low = np.where(zero, 1.0, low)
    z = slope * length / safe_low
    small = z < SERIES
    large = np.where(small, 1.0, z)
    series = [sum((-np.where(small, z, 0.0)) ** k / (k + shift) for k in range(14)) for shift in (1, 2)]
    first = np.where(small, series[0], np.log1p(large) / large)
    second = np.where(small, series[1], (large - np.log1p(large)) / large**2)
    inside = length * (start * first + length * second) / safe_low
    from_zero = length / np.where(zero, slope, 1.0)  # t/α(t) = 1/slope
    return np.where(zero, from_zero, inside) - length * (start + length / 2)
