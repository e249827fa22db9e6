"""The expected loss under noise: value, gradient, and the regulariser, each exact."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import Floats
from etatrick.numerics.expected.dispatch import route_for
from etatrick.numerics.expected.metric import Metric, bends, hessian_of, metric_at
from etatrick.numerics.expected.perturbation import Posed, posed
from etatrick.numerics.expected.route import Route

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

PART: Final = 160_000  # amplitudes held at a time: they stay in the cache


class Objective(ABC):
    """Parameters (w, b) ↦ Σ_i v_i E ℓ(y_i, Z_i) for posed data; an overflow is an infinite value here.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> objective_for(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared")).value(np.array([1.0]))  # ½ + ½·1
    1.0
    """

    data: Posed

    @abstractmethod
    def regularizers(self, point: Floats) -> Floats:
        """Return R_i = E ℓ(y_i, Z_i) − ℓ(y_i, E Z_i), without the weights v_i, shape (n,)."""

    @abstractmethod
    def gradient(self, point: Floats) -> tuple[float, Floats]:
        """Return the expected loss and its gradient, shaped like the parameters."""

    @abstractmethod
    def metric(self, point: Floats, extra: Floats) -> Metric:
        """Return an approximate Hessian; `extra` (d,) is the curvature of a penalty on w."""

    @abstractmethod
    def hessian(self, point: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return it as a matrix for some columns of X, followed by the clean ones; classes vary fastest."""

    @final
    def value(self, point: Floats) -> float:
        """Return the expected loss."""
        data = self.data
        with np.errstate(over="ignore", invalid="ignore"):
            return float(data.weights @ (data.loss.value(data.y, data.mean(point)) + self.regularizers(point)))

    @final
    def regularizer(self, point: Floats) -> float:
        """Return Σ_i v_i R_i."""
        with np.errstate(over="ignore", invalid="ignore"):
            return float(self.data.weights @ self.regularizers(point))


@final
@dataclass(frozen=True, eq=False)
class ExpectedObjective(Objective):
    """The expected loss with one predictor per example.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = ExpectedObjective(posed([[1.0]], [2.0], Bernoulli(1, 0.5), "squared"))
    >>> goal.gradient(np.array([1.0]))
    (1.0, array([0.]))
    """

    data: Posed

    @cached_property
    def route(self) -> Route:
        """The exact route that serves this loss and law."""
        return route_for(self.data.loss, self.data.noise.law)

    def regularizers(self, point: Floats) -> Floats:
        """Return R_i."""
        data, found = self.data, np.empty(len(self.data.y))
        w = point[: data.X.shape[1]]
        for rows in parts(data):
            amplitudes = data.noise.amplitude.of(data.X[rows], w)
            found[rows] = self.route.values(data.y[rows], data.mean(point, rows), amplitudes)
        return found

    def gradient(self, point: Floats) -> tuple[float, Floats]:
        """Return the expected loss and its gradient."""
        data, recipe = self.data, self.data.noise.amplitude
        d = data.X.shape[1]
        value, gradient, w = 0.0, np.zeros_like(point), point[:d]
        with np.errstate(over="ignore", invalid="ignore"):
            for rows in parts(data):
                X, y, v = data.X[rows], data.y[rows], data.weights[rows]
                mean = data.mean(point, rows)
                found = self.route.slopes(y, mean, recipe.of(X, w))
                value += float(v @ (data.loss.value(y, mean) + found.values))
                pull = v * (data.loss.slope(y, mean) + found.by_mean)
                gradient[:d] += X.T @ pull + recipe.pulled(X, w, v[:, None] * found.by_amplitude)
                gradient[d:] += data.clean[rows].T @ pull
        return value, gradient

    def metric(self, point: Floats, extra: Floats) -> Metric:
        """Return the Hessian by second moments."""
        return metric_at(self.data, point, extra)

    def hessian(self, point: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return the Hessian by second moments for some columns."""
        slope = self.data.noise.amplitude.profile_slope(point[: self.data.X.shape[1]])
        return hessian_of(self.data, bends(self.data, point), slope, columns)


def objective_for(data: Posed) -> Objective:
    """Return the objective of posed data: of one predictor per example, or of one per class.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> type(objective_for(posed([[1.0], [2.0]], [0, 1], Bernoulli(1, 0.5), "multinomial"))).__name__
    'ClassesObjective'
    """
    if data.y.ndim == 2:
        from etatrick.numerics.expected.classes import ClassesObjective

        return ClassesObjective(data)
    return ExpectedObjective(data)


def parts(data: Posed) -> Iterator[slice]:
    """Yield slices of rows, so that the amplitudes held at a time stay in the cache."""
    step = max(1, PART // (data.X.shape[1] * int(np.prod(data.y.shape[1:]))))
    for start in range(0, len(data.y), step):
        yield slice(start, start + step)


def expected_loss(
    X: "ArrayLike",
    y: "ArrayLike",
    w: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
) -> float:
    r"""Return the exact expectation of a loss under dropout or weight noise.

    .. math:: \sum_i v_i\, \mathrm E\, \ell(y_i, Z_i), \qquad Z_i = x_i\cdot w + o_i + \sum_j a_{ij}\zeta_j

    The loss is ½(y−θ)² or A(θ) − yθ. For a mask law ζ = z/μ − 1 and a_ij = x_ij w_j: dropout of features.
    Routes: second moments (squared loss, any law); products of moment generating functions (Poisson, Gamma); the
    characteristic function (logistic, independent masks at any d); sorted halves (Huber, independent masks up to 40
    terms); quadrature (Gaussian noise); enumeration (the rest).

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
        Labels for the multinomial loss, or shares of shape (n, classes).
    w : array_like, shape (d,)
        Shape (d, classes) for the multinomial loss, whose classes share each mask.
    noise : MaskLaw or Perturbation
        A law of d units; a Perturbation also names the recipe: Sparseout, Bridgeout, Shakeout, additive noise.
    loss : str or Loss
        ``squared``, ``logistic``, ``poisson``, ``gamma``, ``huber``, ``multinomial``.
    offset : array_like, optional
        o: a number (an intercept), or one per example (and class).
    sample_weight : array_like of shape (n,), optional
        v ≥ 0.

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
    goal = objective_for(posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight))
    return finite_value(goal.value(goal.data.at(w)))


def expected_loss_gradient(
    X: "ArrayLike",
    y: "ArrayLike",
    w: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
) -> tuple[float, Floats]:
    """Return the expected loss and its gradient with respect to w, exactly.

    Parameters
    ----------
    X, y, w, noise, loss, offset, sample_weight
        As in :func:`expected_loss`.

    Returns
    -------
    value : float
    gradient : ndarray, shape of w
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
    goal = objective_for(posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight))
    value, gradient = goal.gradient(goal.data.at(w))
    return finite_value(value), gradient


def dropout_regularizer(
    X: "ArrayLike",
    y: "ArrayLike",
    w: "ArrayLike",
    noise: Any,
    loss: Any = "squared",
    *,
    offset: "ArrayLike | None" = None,
    sample_weight: "ArrayLike | None" = None,
) -> float:
    """Return R = Σ_i v_i (E ℓ(y_i, Z_i) − ℓ(y_i, E Z_i)) ≥ 0, accurate relative to R itself, also for tiny noise.

    Parameters
    ----------
    X, y, w, noise, loss, offset, sample_weight
        As in :func:`expected_loss`; R depends on y for the Gamma and Huber losses only.

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
    goal = objective_for(posed(X, y, noise, loss, offset=offset, sample_weight=sample_weight))
    return finite_value(goal.regularizer(goal.data.at(w)))


def finite_value(value: float) -> float:
    """Return a finite value; an overflow is refused."""
    if not np.isfinite(value):
        raise InputError("the expected loss", "exceeds the largest float, 1.8e308",
                         "use smaller weights or features, or a lower drop rate")  # fmt: skip
    return value
