"""How many seeds to run: the exact power of the equivalence test before anything has been trained."""

import math
from typing import Any, Final

from etatrick.errors import InputError
from etatrick.validation.agreement.noncentral import noncentral_t_cdf, spread_nodes

MOST: Final = 1_000_000


def power(margin: float, deviation: float, seeds: int, *, level: float = 0.05, difference: float = 0.0) -> float:
    r"""Return the probability that :func:`equivalence` concludes *agrees* for one coordinate of Gaussian samples.

    The sample mean must fall within :math:`\delta - t_{\nu,1-a}S/\sqrt n` of the target on either side, so with
    Owen's (1965) integral over the estimated deviation S

    .. math:: \mathrm E_S\Big[\Phi\Big(\tfrac{\sqrt n(\delta-\mu)}{\sigma}-t\tfrac S\sigma\Big)
              -\Phi\Big(-\tfrac{\sqrt n(\delta+\mu)}{\sigma}+t\tfrac S\sigma\Big)\Big]_+ .

    Parameters
    ----------
    margin : float
        δ > 0, in the units of the samples.
    deviation : float
        σ > 0, the seed-to-seed standard deviation that is expected (of differences, for paired comparisons).
    seeds : int
        n ≥ 2.
    level : float
        a, in (0, 0.5).
    difference : float
        μ, the true mean difference; beyond ±δ the result is the probability of a false *agrees*.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If a value is outside its domain.

    Examples
    --------
    >>> round(power(1.0, 1.0, 10), 4), round(power(1.0, 1.0, 10, difference=1.0), 4)
    (0.7952, 0.05)
    """
    from scipy.special import ndtr, stdtrit

    _check(margin, deviation, level, difference)
    if not (isinstance(seeds, int) and seeds >= 2):
        raise InputError(f"seeds = {seeds}", "must be an integer ≥ 2", "choose e.g. seeds=10")
    reach = float(-stdtrit(seeds - 1, level))
    root = math.sqrt(seeds) / deviation
    s, weights = spread_nodes(seeds - 1, margin * root / reach)  # a larger S never agrees
    upper = ndtr(root * (margin - difference) - reach * s)
    lower = ndtr(-root * (margin + difference) + reach * s)
    found: Any = weights @ (upper - lower)
    return float(min(1.0, max(0.0, found)))


def power_to_differ(
    margin: float, deviation: float, seeds: int, *, difference: float, level: float = 0.05, tests: int = 1
) -> float:
    r"""Return the probability that :func:`equivalence` concludes *differs*, by two noncentral t distributions.

    .. math:: P(T_{\nu,\sqrt n(\mu-\delta)/\sigma} \ge t) + P(T_{\nu,\sqrt n(\mu+\delta)/\sigma} \le -t),
              \qquad t = t_{\nu,1-a/2m}

    Parameters
    ----------
    margin, deviation, seeds, level
        As for :func:`power`.
    difference : float
        μ, the true mean difference.
    tests : int
        m, the coordinates times the comparisons of the family among which the level is divided.

    Returns
    -------
    float
        In [0, 1].

    Raises
    ------
    InputError
        If a value is outside its domain.

    Examples
    --------
    >>> round(power_to_differ(1.0, 1.0, 10, difference=2.0), 4)
    0.8031
    """
    from scipy.special import stdtrit

    _check(margin, deviation, level, difference)
    if not (isinstance(seeds, int) and seeds >= 2 and isinstance(tests, int) and tests >= 1):
        raise InputError(f"seeds = {seeds}, tests = {tests}", "must be integers ≥ 2 and ≥ 1", "choose e.g. seeds=10")
    freedom, root = seeds - 1, math.sqrt(seeds) / deviation
    reach = float(-stdtrit(freedom, level / (2 * tests)))
    above = noncentral_t_cdf(-reach, freedom, root * (margin - difference))
    below = noncentral_t_cdf(-reach, freedom, root * (margin + difference))
    return min(1.0, above + below)


def seeds_for(
    margin: float, deviation: float, *, power: float = 0.8, level: float = 0.05, difference: float = 0.0
) -> int:
    """Return the fewest seeds with which the equivalence test is decided with the given probability.

    Decided means *agrees* for a difference inside the margin, and *differs* for one outside.

    Parameters
    ----------
    margin, deviation, level, difference
        As for :func:`power`.
    power : float
        The probability wanted, in (0, 1).

    Returns
    -------
    int
        At least 2.

    Raises
    ------
    InputError
        If a value is outside its domain, the difference lies on the margin, or a million seeds are too few.

    Examples
    --------
    >>> seeds_for(1.0, 1.0), seeds_for(1.0, 1.0, difference=2.0), seeds_for(1.0, 0.5, power=0.95)
    (11, 10, 6)
    """
    _check(margin, deviation, level, difference)
    if not 0 < power < 1:
        raise InputError(f"power = {power}", "must lie in (0, 1)", "choose e.g. power=0.8")
    if abs(difference) == margin:
        raise InputError(f"difference = {difference}", "lies on the margin, where nothing is ever decided",
                         "choose another margin")  # fmt: skip

    def reached(seeds: int) -> bool:
        return _decided(margin, deviation, seeds, level, difference) >= power

    high = 2
    while not reached(high):
        high *= 2
        if high > MOST:
            raise InputError(f"margin = {margin}", f"would need more than {MOST} seeds", "choose a wider margin")
    low = max(2, high // 2)
    while low < high:
        middle = (low + high) // 2
        low, high = (low, middle) if reached(middle) else (middle + 1, high)
    return high


def _decided(margin: float, deviation: float, seeds: int, level: float, difference: float) -> float:
    if abs(difference) < margin:
        return power(margin, deviation, seeds, level=level, difference=difference)
    return power_to_differ(margin, deviation, seeds, level=level, difference=difference)


def _check(margin: float, deviation: float, level: float, difference: float) -> None:
    for name, value in (("margin", margin), ("deviation", deviation)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"{name} = {value}", "must be a finite number > 0", f"choose e.g. {name}=1")
    if not 0 < level < 0.5:
        raise InputError(f"level = {level}", "must lie in (0, 0.5)", "choose e.g. level=0.05")
    if not math.isfinite(difference):
        raise InputError(f"difference = {difference}", "must be finite", "choose e.g. difference=0")
