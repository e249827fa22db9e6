"""Probabilities of the noncentral t distribution by Gauss–Legendre panels, accurate at any shift."""

import math
from functools import lru_cache
from typing import TYPE_CHECKING, Any, Final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

PANELS: Final = 12
_NODES, _WEIGHTS = np.polynomial.legendre.leggauss(48)
TAIL: Final = 1e-20  # mass left out at either end
REACH: Final = 10.0  # a standard normal number lies beyond with probability 2e-23


@lru_cache(maxsize=64)
def spread_nodes(freedom: int, top: float = math.inf) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    r"""Return nodes and weights for expectations over S = :math:`\sqrt{\chi^2_\nu/\nu}`, restricted to S ≤ top.

    Parameters
    ----------
    freedom : int
        ν ≥ 1.
    top : float
        Where the integral ends.

    Returns
    -------
    nodes, weights : ndarray
        Σ weights·g(nodes) ≈ E g(S) 1{S ≤ top}; the density is
        :math:`2(\nu/2)^{\nu/2}x^{\nu-1}e^{-\nu x^2/2}/\Gamma(\nu/2)`.

    Examples
    --------
    >>> nodes, weights = spread_nodes(5)
    >>> round(float(weights @ nodes**2), 12)
    1.0
    """
    from scipy.special import gammainccinv, gammaincinv, gammaln

    half = freedom / 2
    low = math.sqrt(float(gammaincinv(half, TAIL)) / half)
    high = min(top, math.sqrt(float(gammainccinv(half, TAIL)) / half))
    x, weights = panels(low, max(low, high))
    log_density = math.log(2) + half * math.log(half) - float(gammaln(half)) + (freedom - 1) * np.log(x) - half * x**2
    weights = weights * np.exp(log_density)
    for array in (x, weights):
        array.flags.writeable = False  # the cache hands out the same arrays to everyone
    return x, weights


def panels(low: float, high: float) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return Gauss–Legendre nodes and weights on equal panels of [low, high].

    Examples
    --------
    >>> nodes, weights = panels(0.0, 2.0)
    >>> round(float(weights @ nodes**3), 12)
    4.0
    """
    edges = np.linspace(low, high, PANELS + 1)
    half = (edges[1:] - edges[:-1])[:, None] / 2
    return ((edges[:-1, None] + half) + half * _NODES).ravel(), (half * _WEIGHTS).ravel()


def noncentral_t_cdf(t: float, freedom: int, shift: float) -> float:
    r"""Return P(T ≤ t) for T = (Z + δ)/S with Z standard normal and S = :math:`\sqrt{\chi^2_\nu/\nu}` independent.

    Integrated over whichever of Z and S leaves the smoother integrand.

    Parameters
    ----------
    t : float
    freedom : int
        ν ≥ 1.
    shift : float
        δ, the noncentrality.

    Returns
    -------
    float
        In [0, 1].

    Examples
    --------
    >>> round(noncentral_t_cdf(2.0, 5, 1.0), 9), round(noncentral_t_cdf(0.0, 9, -2.0), 9)
    (0.778074663, 0.977249868)
    """
    from scipy.special import gammaincc, ndtr

    if abs(t) <= math.sqrt(2 * freedom):
        x, weights = spread_nodes(freedom)
        return float(np.clip(weights @ ndtr(t * x - shift), 0, 1))
    if t < 0:
        return 1 - noncentral_t_cdf(-t, freedom, -shift)
    z, weights = panels(max(-REACH, -shift), max(REACH, -shift))  # P(S ≥ (z+δ)/t), which is 1 for z ≤ −δ
    ratio: Any = np.maximum((z + shift) / t, 0.0)
    tail = gammaincc(freedom / 2, freedom * ratio**2 / 2)
    density = np.exp(-(z**2) / 2) / math.sqrt(2 * math.pi)
    body = float(weights @ (density * tail))
    return float(np.clip(ndtr(-shift) + body, 0, 1))
