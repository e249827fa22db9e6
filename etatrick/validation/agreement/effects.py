"""The size of a difference in units of its spread over seeds: Hedges' g for pairs, with an exact interval."""

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.validation.agreement.noncentral import noncentral_t_cdf

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

WIDEST: Final = 1e9


@final
@dataclass(frozen=True)
class EffectSize:
    """A standardised mean difference of pairs.

    Parameters
    ----------
    g : float
        Hedges' g: the mean difference over its standard deviation, times the factor that makes it unbiased.
    lower, upper : float
        Confidence interval of the population's μ/σ.
    level : float
        One minus its coverage.
    seeds : int
        Number of pairs.
    """

    g: float
    lower: float
    upper: float
    level: float
    seeds: int

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        return dict(vars(self))

    def __str__(self) -> str:
        return f"g = {self.g:.3g} [{self.lower:.3g}, {self.upper:.3g}]"


def paired_effect(first: "ArrayLike", second: "ArrayLike" = 0.0, *, level: float = 0.05) -> EffectSize:
    r"""Return Hedges' g of paired samples: how large their mean difference is beside its spread over seeds.

    .. math:: g = J(\nu)\,\frac{\bar d}{s_d},\qquad
              J(\nu)=\frac{\Gamma(\nu/2)}{\sqrt{\nu/2}\;\Gamma((\nu-1)/2)},\qquad \nu=n-1

    For Gaussian differences E g = μ/σ (Hedges 1981). The interval holds the shifts δ√n of the noncentral t
    distributions under which the observed t = √n·d̄/s is in neither tail of size level/2; its coverage is exact.

    Parameters
    ----------
    first, second : array_like, shape (seeds,)
        Values of the two methods, seed by seed; or differences alone.
    level : float
        In (0, 0.5); the interval covers with probability 1 − level.

    Returns
    -------
    EffectSize

    Raises
    ------
    InputError
        For fewer than three pairs, values that are not finite, or differences without any spread.

    Examples
    --------
    >>> found = paired_effect([1.2, 0.8, 1.1, 0.7, 1.4])
    >>> round(found.g, 4), round(found.lower, 4), round(found.upper, 4)
    (2.8803, 1.0642, 6.1577)
    """
    if not 0 < level < 0.5:
        raise InputError(f"level = {level}", "must lie in (0, 0.5)", "choose e.g. level=0.05")
    left, right = np.asarray(first, dtype=np.float64), np.asarray(second, dtype=np.float64)
    if left.ndim != 1 or len(left) < 3 or right.shape not in ((), left.shape):
        raise InputError(f"samples of shapes {left.shape} and {right.shape}",
                         "must be paired: one number per seed, at least three seeds", "run more seeds")  # fmt: skip
    differences = left - right
    if not np.isfinite(differences).all():
        raise InputError("samples", "hold NaN or infinite values", "look at the runs that diverged")
    seeds, deviation = len(differences), float(differences.std(ddof=1))
    if deviation <= 1e-14 * float(np.abs(left).max(initial=0) + np.abs(right).max(initial=0)):
        raise InputError("differences", "have no spread over seeds, so no scale to be measured in",
                         "report the difference itself")  # fmt: skip
    t, freedom, root = math.sqrt(seeds) * float(differences.mean()) / deviation, seeds - 1, math.sqrt(seeds)
    lower = _shift(lambda shift: noncentral_t_cdf(t, freedom, shift) - (1 - level / 2), t)
    upper = _shift(lambda shift: noncentral_t_cdf(t, freedom, shift) - level / 2, t)
    return EffectSize(_unbiasing(freedom) * t / root, lower / root, upper / root, level, seeds)


def _unbiasing(freedom: int) -> float:
    """Return J(ν)."""
    log_j = math.lgamma(freedom / 2) - math.lgamma((freedom - 1) / 2) - math.log(freedom / 2) / 2
    return math.exp(log_j)


def _shift(excess: Callable[[float], float], t: float) -> float:
    """Return the shift at which a decreasing function is zero."""
    from scipy.optimize import brentq

    width = 4.0 + abs(t)
    while excess(t - width) < 0 or excess(t + width) > 0:
        width *= 2
        if width > WIDEST:
            raise InputError(f"t = {t:.3g}", "is too large for an interval of the effect size", "report the difference")
    return float(brentq(excess, t - width, t + width, xtol=1e-12 * width))
