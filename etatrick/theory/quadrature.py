"""Quadrature and root finding for the forms that have no closed formula."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np


def area(slope: Callable[[float], float], base: float, top: float) -> float:
    """Integrate from `base` to `top`; t = u² tames integrable singularities at 0."""
    from scipy.integrate import quad

    if top == base:
        return 0.0

    def integrand(u: float) -> float:
        value = float(slope(np.float64(u * u))) * 2 * u
        return value if np.isfinite(value) else 0.0

    with np.errstate(all="ignore"), warnings.catch_warnings():
        warnings.simplefilter("ignore")  # rounding near 0 is no news; the tests compare with other quadratures
        found = quad(integrand, np.sqrt(base), np.sqrt(top), epsabs=0.0, epsrel=1e-13, limit=400)
    return float(found[0])


def diverges(eta_hat: Any) -> bool:
    """Tell whether ∫ t/η̂(t) dt diverges at 0, by the order of t/η̂(t) there."""
    import sympy as sp

    from etatrick.theory.balls import value_at
    from etatrick.theory.symbols import w

    symbols = sorted(eta_hat.free_symbols - {w}, key=str)
    near, nearer = (
        value_at(w**2 / eta_hat, {**{s: sp.Rational(7, 5) for s in symbols}, w: sp.Rational(1, 10**k)})
        for k in (20, 40)
    )
    return near is not None and nearer is not None and bool(nearer > near / 2)  # t·Ω′(t) does not vanish


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
    while gap(low) > 0 and low > -690:
        low *= 2
    if gap(low) > 0:
        return 0.0
    if low < -1.0:
        high = low / 2
    else:  # upward in small steps, so that the first root is met
        high, step = low, 0.25
        while gap(high) < 0 and high < 690:
            low, high, step = high, min(high + step, 700.0), 1.5 * step
    if not gap(high) >= 0:
        return float("inf")
    return float(np.exp(brentq(gap, low, high, xtol=1e-15, rtol=1e-15)))
