"""The expected loss under noise: value, gradient, and the regulariser, each exact."""

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.dispatch import route_for
from etatrick.numerics.expected.perturbation import Posed, posed
from etatrick.numerics.expected.route import Route

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PART: Final = 2_000_000  # amplitudes held at a time


@final
@dataclass(frozen=True, eq=False)
class ExpectedObjective:
    """w ↦ Σ_i E ℓ(y_i, Z_i) for posed data; an overflow is an infinite value here.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = ExpectedObjective(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> goal.value(np.array([1.0]))  # ½ + ½·1
    1.0
    """

    data: Posed

    @cached_property
    def route(self) -> Route:
        """The exact route that serves this loss and law."""
        return route_for(self.data.loss, self.data.noise.law)

    def regularizers(self, w: Floats) -> Floats:
        """Return R_i = E ℓ(y_i, Z_i) − ℓ(y_i, x_i·w), shape (n,)."""
        data, found = self.data, np.empty(len(self.data.y))
        for rows in self._parts():
            X = data.X[rows]
            found[rows] = self.route.values(data.y[rows], X @ w, data.noise.amplitude.of(X, w))
        return found

    def value(self, w: Floats) -> float:
        """Return the expected loss."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.data.loss.value(self.data.y, self.data.X @ w).sum() + self.regularizers(w).sum())

    def gradient(self, w: Floats) -> tuple[float, Floats]:
        """Return the expected loss and its gradient."""
        data, recipe = self.data, self.data.noise.amplitude
        value, gradient = 0.0, np.zeros_like(w)
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in self._parts():
                X, y = data.X[rows], data.y[rows]
                mean = X @ w
                found = self.route.slopes(y, mean, recipe.of(X, w))
                value += float(data.loss.value(y, mean).sum() + found.values.sum())
                gradient += X.T @ (data.loss.slope(y, mean) + found.by_mean) + recipe.pulled(X, w, found.by_amplitude)
        return value, gradient

    def _parts(self) -> Iterator[slice]:
        step = max(1, PART // self.data.X.shape[1])
        for start in range(0, len(self.data.y), step):
            yield slice(start, start + step)


def expected_loss(X: "ArrayLike", y: "ArrayLike", w: "ArrayLike", noise: Any, loss: Any = "squared") -> float:
    r"""Return the exact expectation of a loss under dropout or weight noise.

    .. math:: \sum_i \mathrm E\, \ell(y_i, Z_i), \qquad Z_i = x_i\cdot w + \sum_j a_{ij}\zeta_j

    The loss is the sum, ½(y−θ)² or A(θ) − yθ. For a mask law ζ = z/μ − 1 and a_ij = x_ij w_j: dropout of features.
    Routes: second moments (squared loss, any law); products of moment generating functions (Poisson, Gamma); the
    characteristic function (logistic, independent masks at any d); one-dimensional quadrature (Gaussian noise);
    enumeration (the rest).

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    w : array_like, shape (d,)
    noise : MaskLaw or Perturbation
        A law of d units; a Perturbation also names the recipe: Sparseout, Bridgeout, Shakeout, additive noise.
    loss : str or Loss
        ``squared``, ``logistic``, ``poisson``, ``gamma``, ``huber``.

    Returns
    -------
    float

    Raises
    ------
    InputError
        For bad data, an expectation beyond the largest float, or noise that could only be enumerated and has more
        than 20 independent terms or 16,384 masks.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> round(expected_loss([[1.0]], [1.0], [2.0], Bernoulli(1, 0.5), "logistic"), 6)  # ½log 2 + ½log(1 + e⁴) − 2
    0.355649
    """
    goal = ExpectedObjective(posed(X, y, noise, loss))
    return finite_value(goal.value(goal.data.at(w)))


def expected_loss_gradient(
    X: "ArrayLike", y: "ArrayLike", w: "ArrayLike", noise: Any, loss: Any = "squared"
) -> tuple[float, Floats]:
    """Return the expected loss and its gradient with respect to w, exactly.

    Parameters
    ----------
    X, y, w, noise, loss
        As in :func:`expected_loss`.

    Returns
    -------
    value : float
    gradient : ndarray of shape (d,)
        Where the recipe has a kink at w_j = 0 (Bridgeout with q < 2, Shakeout), the part of the noise is 0 there.

    Raises
    ------
    InputError
        As :func:`expected_loss`.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> value, gradient = expected_loss_gradient([[1.0]], [1.0], [2.0], Bernoulli(1, 0.5))
    >>> value, gradient.tolist()  # ½(1 − w)² + ½w² at w = 2
    (2.5, [3.0])
    """
    goal = ExpectedObjective(posed(X, y, noise, loss))
    value, gradient = goal.gradient(goal.data.at(w))
    return finite_value(value), gradient


def dropout_regularizer(X: "ArrayLike", y: "ArrayLike", w: "ArrayLike", noise: Any, loss: Any = "squared") -> float:
    """Return R = Σ_i E ℓ(y_i, Z_i) − ℓ(y_i, x_i·w) ≥ 0, accurate relative to R itself, also for tiny noise.

    Parameters
    ----------
    X, y, w, noise, loss
        As in :func:`expected_loss`; for squared, logistic and Poisson losses R does not depend on y.

    Returns
    -------
    float

    Raises
    ------
    InputError
        As :func:`expected_loss`.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> X, w = [[1.0, -1.0, 2.0]], [0.8, 0.5, 0.4]
    >>> round(dropout_regularizer(X, [0.0], w, Bernoulli(3, 0.5), "logistic"), 5)
    0.13694
    """
    goal = ExpectedObjective(posed(X, y, noise, loss))
    with np.errstate(over="ignore", invalid="ignore"):
        return finite_value(float(goal.regularizers(goal.data.at(w)).sum()))


def finite_value(value: float) -> float:
    """Return a finite value; an overflow is refused."""
    if not np.isfinite(value):
        raise InputError("the expected loss", "exceeds the largest float, 1.8e308",
                         "use smaller weights or features, or a lower drop rate")  # fmt: skip
    return value
