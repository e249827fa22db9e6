"""The multinomial loss under noise on features, each mask shared by all classes: its exact routes."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import Final, NamedTuple, final

import numpy as np
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import FeatureNoise, Floats, SparseoutNoise
from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.dispatch import route_for
from etatrick.numerics.expected.enumeration import Listed, Outcomes, Switches
from etatrick.numerics.expected.metric import Metric, hessian_of, metric_of
from etatrick.numerics.expected.objective import Objective, parts
from etatrick.numerics.expected.perturbation import Posed
from etatrick.numerics.expected.route import Route
from etatrick.numerics.expected.second_order import spread_of
from etatrick.numerics.losses import Logistic
from etatrick.theory.noise import CorrelatedGaussian, Gaussian
from etatrick.theory.noise.blocks import IndependentBlocks

SHARED: Final = 0.1


class ClassSlopes(NamedTuple):
    """R_i (n,), ∂R_i/∂μ_i (n, K) and Σ_i v_i ∂R_i/∂W through the noise (d, K)."""

    values: Floats
    by_mean: Floats
    by_weights: Floats


class ClassRoute(ABC):
    """One exact way to E log Σ_c e^{Z_ic} for Z_i = μ_i + (ξ_i∘ζ)W, ζ shared by the classes.

    Examples
    --------
    >>> from etatrick.numerics.expected.enumeration import Switches
    >>> route = EnumeratedClasses(Switches(TwoPoint(np.array([1.0]))))
    >>> found = route.values(np.array([[0.0, 1.0]]), np.array([[1.0]]), np.array([[0.0, 1.0]]))
    >>> z = np.log1p(np.exp([0.0, 2.0, 1.0]))
    >>> bool(np.isclose(found[0], (z[0] + z[1]) / 2 - z[2]))
    True
    """

    @abstractmethod
    def values(self, mean: Floats, features: Floats, weights: Floats) -> Floats:
        """Return R_i (n,) from μ (n, K), ξ (n, d) and W (d, K)."""

    @abstractmethod
    def slopes(self, shares: Floats, mean: Floats, features: Floats, weights: Floats) -> ClassSlopes:
        """Return R_i and its derivatives, those by W summed with the weights v_i of the examples, `shares`."""


@final
@dataclass(frozen=True, eq=False)
class TwoClasses(ClassRoute):
    """Two classes: log(e^{z₀} + e^{z₁}) = z₀ + softplus(z₁ − z₀), so any route of the logistic loss serves."""

    logistic: Route

    def values(self, mean: Floats, features: Floats, weights: Floats) -> Floats:
        """Return R_i."""
        gap = mean[:, 1] - mean[:, 0]
        return self.logistic.values(np.zeros(len(mean)), gap, features * (weights[:, 1] - weights[:, 0]))

    def slopes(self, shares: Floats, mean: Floats, features: Floats, weights: Floats) -> ClassSlopes:
        """Return R_i and its derivatives, which are opposite for the two classes."""
        gap, amplitudes = mean[:, 1] - mean[:, 0], features * (weights[:, 1] - weights[:, 0])
        found = self.logistic.slopes(np.zeros(len(mean)), gap, amplitudes)
        pull = np.einsum("i,ij,ij->j", shares, features, found.by_amplitude)
        return ClassSlopes(found.values, np.outer(found.by_mean, [-1.0, 1.0]), np.outer(pull, [-1.0, 1.0]))


@final
@dataclass(frozen=True, eq=False)
class EnumeratedClasses(ClassRoute):
    """Finitely many masks: R_i = Σ_m p_m D(μ_i + (ξ_i∘ζ_m)W ‖ μ_i), every summand ≥ 0."""

    outcomes: Outcomes

    def values(self, mean: Floats, features: Floats, weights: Floats) -> Floats:
        """Return R_i."""
        total = np.zeros(len(mean))
        for noise, chances in self.outcomes.chunks(len(mean) * mean.shape[1]):
            total += divergences(mean[:, None], moved(noise, features, weights)) @ chances
        return total

    def slopes(self, shares: Floats, mean: Floats, features: Floats, weights: Floats) -> ClassSlopes:
        """Return R_i, E p(Z_i) − p(μ_i) and Σ_i v_i ξ_i E ζ (p(Z_i) − p(μ_i))."""
        total, by_mean, pull = np.zeros(len(mean)), np.zeros_like(mean), np.zeros_like(weights)
        for noise, chances in self.outcomes.chunks(len(mean) * mean.shape[1]):
            step = moved(noise, features, weights)
            total += divergences(mean[:, None], step) @ chances
            change = (softmax(mean[:, None] + step, axis=-1) - softmax(mean, axis=-1)[:, None]) * chances[:, None]
            by_mean += change.sum(axis=1)
            for k in range(mean.shape[1]):
                pull[:, k] += np.einsum("i,ij,ij->j", shares, features, change[:, :, k] @ noise)
        return ClassSlopes(total, by_mean, pull)


def moved(noise: Floats, features: Floats, weights: Floats) -> Floats:
    """Return (ξ_i∘ζ_m)W, shape (n, m, K).

    Examples
    --------
    >>> moved(np.array([[-1.0]]), np.array([[2.0]]), np.array([[1.0, 3.0]])).tolist()
    [[[-2.0, -6.0]]]
    """
    return np.stack([(features * column) @ noise.T for column in weights.T], axis=-1)


def divergences(mean: Floats, step: Floats) -> Floats:
    r"""Return D(μ+h ‖ μ) of log Σ_c e^{z_c} along the last axis: log(1 + Σ_c p_c (e^{g_c} − 1 − g_c)), g = h − p·h.

    No summand is negative, so D is accurate relative to itself; a large g is summed by its exponentials instead.

    Examples
    --------
    >>> mean, step = np.zeros((1, 2)), np.array([[0.0, 2e-9]])  # h²/8
    >>> (divergences(mean, step) / 0.5e-18).tolist()
    [1.0]
    """
    logs = mean - logsumexp(mean, axis=-1, keepdims=True)
    chances = np.exp(logs)
    centred = step - (chances * step).sum(axis=-1, keepdims=True)
    modest = np.minimum(centred, 1.0)
    excess = np.expm1(modest)
    excess -= modest
    near = np.abs(centred) < 0.5
    small = centred[near]
    series = np.zeros_like(small)
    for k in range(16, 1, -1):
        series += 1.0
        series *= small / k
    excess[near] = series * small
    found: Floats = np.log1p((chances * excess).sum(axis=-1))
    far = centred.max(axis=-1) > 1.0
    if far.any():
        weighted = np.broadcast_to(logs, centred.shape)[far] + centred[far]
        found[far] = np.maximum(logsumexp(weighted, axis=-1), 0.0)
    return found


@final
@dataclass(frozen=True, eq=False)
class ClassesObjective(Objective):
    """The expected multinomial loss; parameters have shape (d, classes), with one more row for an intercept.

    Examples
    --------
    >>> from etatrick.numerics.expected.perturbation import posed
    >>> from etatrick.theory.noise import Bernoulli
    >>> goal = ClassesObjective(posed([[1.0], [2.0]], [0, 1], Bernoulli(1, 0.5), "multinomial"))
    >>> float(goal.value(np.zeros((1, 2))) / np.log(2))
    2.0
    """

    data: Posed

    @cached_property
    def route(self) -> ClassRoute:
        """The exact route that serves this law and number of classes."""
        law, recipe = self.data.noise.law, self.data.noise.amplitude
        if not isinstance(recipe, FeatureNoise | SparseoutNoise):
            raise InputError(type(recipe).__name__, "the multinomial loss is offered with noise on features",
                             "choose FeatureNoise or SparseoutNoise, or the logistic loss")  # fmt: skip
        if self.data.y.shape[1] == 2:
            return TwoClasses(route_for(Logistic(), law))
        if isinstance(law, Gaussian | CorrelatedGaussian):
            from etatrick.numerics.expected.gaussian_classes import GaussianClasses

            return GaussianClasses(spread_of(law))
        if isinstance(law, IndependentBlocks) and max(law.block_sizes) == 1:
            return EnumeratedClasses(Switches(TwoPoint(np.array(law.block_odds, dtype=np.float64))))
        return EnumeratedClasses(Listed.of_masks(law))

    def regularizers(self, point: Floats) -> Floats:
        """Return R_i."""
        data, found = self.data, np.empty(len(self.data.y))
        for rows in parts(data):
            features = data.noise.amplitude.features(data.X[rows])
            found[rows] = self.route.values(data.mean(point, rows), features, point[: data.X.shape[1]])
        return found

    def gradient(self, point: Floats) -> tuple[float, Floats]:
        """Return the expected loss and its gradient."""
        data, d = self.data, self.data.X.shape[1]
        value, gradient = 0.0, np.zeros_like(point)
        for rows in parts(data):
            X, y, v, mean = data.X[rows], data.y[rows], data.weights[rows], data.mean(point, rows)
            found = self.route.slopes(v, mean, data.noise.amplitude.features(X), point[:d])
            value += float(v @ (data.loss.value(y, mean) + found.values))
            pull = v[:, None] * (data.loss.slope(y, mean) + found.by_mean)
            gradient[:d] += X.T @ pull + found.by_weights
            gradient[d:] += data.clean[rows].T @ pull
        return value, gradient

    def metric(self, point: Floats, extra: Floats) -> Metric:
        """Return Σ_i h_i(xxᵀ + ξξᵀ∘C̄) ⊗ (I − 11ᵀ/K), h_i the mean curvature, with the penalty's."""
        shared = metric_of(self.data, self._bends(point), np.ones(self.data.X.shape[1]), extra)
        return ClassMetric(shared, extra, self.data.y.shape[1])

    def hessian(self, point: Floats, columns: NDArray[np.intp]) -> Floats:
        """Return M ⊗ (I − 11ᵀ/K) with a little of diag(M) for what classes share: there only a penalty bends."""
        classes = self.data.y.shape[1]
        shared = hessian_of(self.data, self._bends(point), np.ones(self.data.X.shape[1]), columns)
        common = np.full((classes, classes), 1.0 / classes)
        found: Floats = np.kron(shared, np.eye(classes) - common) + SHARED * np.kron(np.diag(np.diag(shared)), common)
        return found

    def _bends(self, point: Floats) -> Floats:
        classes = self.data.y.shape[1]
        bend = self.data.loss.curvature(self.data.y, self.data.mean(point)).mean(axis=1) * classes / (classes - 1)
        found: Floats = self.data.weights * bend
        return found


@final
@dataclass(frozen=True, eq=False)
class ClassMetric(Metric):
    """H = M ⊗ (I − 11ᵀ/K) + diag(extra) ⊗ 11ᵀ/K, M of :func:`metric_of` with the same `extra`.

    Examples
    --------
    >>> from etatrick.numerics.expected.metric import DenseMetric
    >>> ClassMetric(DenseMetric.build(np.array([[2.0]])), np.ones(1), 2).solve(np.array([3.0, 1.0])).tolist()
    [2.5, 1.5]
    """

    shared: Metric
    extra: Floats
    classes: int

    def solve(self, gradient: Floats) -> Floats:
        """Return H⁻¹g."""
        found = gradient.reshape(-1, self.classes)
        middle = found.mean(axis=1)
        spread = np.stack([self.shared.solve(column) for column in (found - middle[:, None]).T], axis=1)
        extra = np.concatenate((self.extra, np.zeros(len(middle) - len(self.extra))))
        common = np.where(extra > 0, middle / np.where(extra > 0, extra, 1.0), 0.0)
        return np.asarray((spread + common[:, None]).ravel(), dtype=np.float64)
