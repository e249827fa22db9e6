"""Quadrature and root finding for the forms that have no closed formula."""

from collections.abc import Callable

import numpy as np


def area(slope: Callable[[float], float], top: float) -> float:
    """Integrate over (0, top]; t = u² tames integrable singularities at 0."""
    from scipy.integrate import quad

    if top == 0:
        return 0.0
    with np.errstate(all="ignore"):
        found = quad(lambda u: slope(u * u) * 2 * u, 0.0, np.sqrt(top), epsabs=0.0, epsrel=1e-13, limit=400)
    return float(found[0])


def root(function: Callable[[float], float], target: float) -> float:
    """Solve log-level = target for a nondecreasing function: 0 if it lies above the target, +∞ if below.

    Parameters
    ----------
    function : callable
        The logarithm of a level, as a function of x > 0; minus infinity or NaN count as below every target.
    target : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(root(lambda x: float(np.log(x * (x + 2))), float(np.log(3.0))), 12)
    1.0
    """
    from scipy.optimize import brentq

    def gap(logarithm: float) -> float:
        try:
            with np.errstate(all="ignore"):
                value = float(function(float(np.exp(logarithm))))
        except OverflowError:
            return 1e300
        return -1e300 if np.isnan(value) else float(np.clip(value - target, -1e300, 1e300))

    low, high = -1.0, 1.0
    while gap(low) > 0 and low > -300:
        low *= 2
    if gap(low) > 0:
        return 0.0
    if low < -1.0:
        high = low / 2
    else:  # upward in small steps, so that the first root is met
        high, step = low, 0.25
        while gap(high) < 0 and high < 300:
            low, high, step = high, high + step, 1.5 * step
    if not gap(high) >= 0:
        return float("inf")
    return float(np.exp(brentq(gap, low, high, xtol=1e-15, rtol=1e-15)))
