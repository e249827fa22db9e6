"""Value, slope and curvature of a loss at once: one exponential instead of one for each of the three."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.losses import Logistic, Loss, Poisson

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


def expand(loss: Loss, y: "Floats", theta: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Return ℓ, ∂ℓ/∂θ and ∂²ℓ/∂θ² at θ; infinite where they overflow.

    Parameters
    ----------
    loss : Loss
    y, theta : ndarray, shape (n,)

    Examples
    --------
    >>> from etatrick.numerics.losses import Logistic
    >>> value, slope, bend = expand(Logistic(), np.array([1.0]), np.array([0.0]))
    >>> slope, bend
    (array([-0.5]), array([0.25]))
    """
    with np.errstate(over="ignore", invalid="ignore"):
        if isinstance(loss, Logistic):
            e = np.exp(-np.abs(theta))
            whole = 1 + e
            p = np.where(theta >= 0, 1.0, e) / whole
            return np.maximum(theta, 0.0) + np.log1p(e) - y * theta, p - y, e / whole**2
        if isinstance(loss, Poisson):
            mean = np.exp(theta)
            return mean - y * theta, mean - y, mean
        return loss.value(y, theta), loss.slope(y, theta), loss.curvature(y, theta)
