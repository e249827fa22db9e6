"""The exact multinomial loss: against enumeration written out, quadrature, Monte Carlo, cvxpy and two classes."""

import itertools
import math

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp

from etatrick.numerics.expected.amplitudes import SparseoutNoise
from etatrick.numerics.expected.minimizer import ExpectedLossStatus, minimize_expected_loss
from etatrick.numerics.expected.modelled import expected_loss_problem
from etatrick.numerics.expected.objective import dropout_regularizer, expected_loss, expected_loss_gradient
from etatrick.numerics.expected.perturbation import Perturbation
from etatrick.theory import penalties
from etatrick.theory.noise import Bernoulli, Blocks, CorrelatedGaussian, FixedCount, Gaussian, MaskLaw, UnitRates
from tolerances import CERTIFICATE, MC, SOLVER

Array = NDArray[np.float64]


def problem(n: int, d: int, classes: int, seed: int) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    weights: Array = rng.standard_normal((d, classes)) / np.sqrt(d)
    labels: Array = (np.arange(n) % classes).astype(np.float64)
    return rng.standard_normal((n, d)), labels, weights


def losses(y: Array, Z: Array) -> Array:
    found: Array = logsumexp(Z, axis=-1) - np.take_along_axis(Z, y.astype(int)[:, None], axis=-1)[:, 0]
    return found


@pytest.mark.parametrize("classes", [2, 3, 5])
def test_independent_masks_agree_with_enumeration_written_out(classes: int) -> None:
    X, y, W = problem(7, 8, classes, 1)
    rng = np.random.default_rng(2)
    rates, shift, v = rng.uniform(0.3, 1.0, 8), rng.standard_normal((7, classes)), rng.uniform(0.1, 2.0, 7)
    exact = 0.0
    for bits in itertools.product((0, 1), repeat=8):
        chance = math.prod(t if b else 1 - t for b, t in zip(bits, rates, strict=True))
        exact += chance * float(v @ losses(y, (X * np.array(bits) / rates) @ W + shift))
    law = UnitRates(tuple(rates.tolist()))
    found = expected_loss(X, y, W, law, "multinomial", offset=shift, sample_weight=v)
    assert abs(found - exact) <= 1e-12 * exact
    extra = exact - float(v @ losses(y, X @ W + shift))
    found = dropout_regularizer(X, y, W, law, "multinomial", offset=shift, sample_weight=v)
    assert abs(found - extra) <= 1e-11 * extra


@pytest.mark.parametrize(
    "law", [FixedCount.partition(6, 2, 2), Blocks((2, 3, 1), (0.5, 0.7, 0.9))], ids=["fixed", "blocks"]
)
@pytest.mark.parametrize("classes", [2, 4])
def test_any_finite_law_and_sparseout(law: MaskLaw, classes: int) -> None:
    X, y, W = problem(5, 6, classes, 3)
    means, exact = np.array([float(m) for m in law.mean]), 0.0
    for mask, chance in law.masks():
        m = np.array([float(z) for z in mask]) / means - 1
        exact += float(chance) * losses(y, X @ W + (np.sign(X) * np.abs(X) ** 0.6 * m) @ W).sum()
    found = expected_loss(X, y, W, Perturbation(law, SparseoutNoise(1.2)), "multinomial")
    assert abs(found - exact) <= 1e-12 * exact


def test_two_classes_are_the_logistic_loss_at_any_size() -> None:
    X, y, W = problem(6, 70, 2, 4)
    for law in (Bernoulli(70, 0.5), Gaussian(70, 0.5), Blocks.partition(70, 2, 0.6)):
        found = dropout_regularizer(X, y, W, law, "multinomial")
        other = dropout_regularizer(X, y, W[:, 1] - W[:, 0], law, "logistic")
        assert abs(found - other) <= 1e-13 * other
    rng = np.random.default_rng(5)
    drawn = (rng.random((20_000, 70)) < 0.5) / 0.5
    Z = np.stack([(drawn * column) @ X.T for column in W.T], axis=-1)
    sampled = (logsumexp(Z, axis=2) - Z[:, np.arange(6), y.astype(int)]).sum(axis=1)
    for rate, right in ((0.5, True), (0.62, False)):
        exact = expected_loss(X, y, W, Bernoulli(70, rate), "multinomial")
        score = abs(float((sampled.mean() - exact) / (sampled.std() / np.sqrt(len(sampled)))))
        assert (score < MC) is right


def panels(mean: Array, L: Array) -> float:
    """Return E lse(μ + LS) − lse(μ) for two coordinates S by composite Gauss–Legendre of panels of width ¼."""
    nodes, weights = np.polynomial.legendre.leggauss(8)
    starts = np.arange(-9.5, 9.5, 0.25)
    s, w = (starts[:, None] + 0.125 * (1 + nodes)).ravel(), np.tile(0.125 * weights, len(starts))
    w = w * np.exp(-0.5 * s**2) / np.sqrt(2 * np.pi)
    total = 0.0
    for x, share in zip(s, w, strict=True):
        Z = mean + x * L[:, 0] + s[:, None] * L[:, 1]
        total += share * float(w @ (logsumexp(Z, axis=1) - logsumexp(mean)))
    return total


@pytest.mark.parametrize("size", [0.05, 1.0, 4.0])
def test_three_classes_under_gaussian_noise_against_panels(size: float) -> None:
    X, _, W = problem(2, 6, 3, 6)
    C = np.diag(np.linspace(0.2, 1.0, 6)) + 0.1
    law = CorrelatedGaussian(C.tolist())
    for x in X:
        A = (size * x)[:, None] * W
        D = A - A.mean(axis=1, keepdims=True)
        covariance = D.T @ C @ D
        # a root of the covariance of differences, by Cholesky of two of them: lse does not feel a common shift
        differences = np.array([[-1.0, 1.0, 0.0], [-1.0, 0.0, 1.0]])
        root = np.vstack((np.zeros(2), np.linalg.cholesky(differences @ covariance @ differences.T)))
        mean = size * x @ W
        exact = panels(mean, root)
        found = dropout_regularizer(size * x[None], np.array([[1.0, 0.0, 0.0]]), W, law, "multinomial")
        assert abs(found / exact - 1) <= (1e-9 if size < 0.1 else 1e-12)


@pytest.mark.parametrize("deviation", [1e-4, 0.7, 8.0])
def test_noise_along_one_direction_against_mpmath(deviation: float) -> None:
    weights = [0.3, -1.0, 0.9, 0.1]
    with mpmath.workdps(40):
        sd, mu = mpmath.mpf(deviation), [mpmath.mpf(repr(t)) for t in weights]
        base = mpmath.log(sum(mpmath.exp(m) for m in mu))
        exact = mpmath.quad(
            lambda s: (mpmath.log(sum(mpmath.exp(m * (1 + sd * s)) for m in mu)) - base) * mpmath.npdf(s),
            [mpmath.mpf(t) for t in range(-14, 15, 2)],
        )
    found = dropout_regularizer([[1.0]], [[1.0, 0, 0, 0]], [weights], Gaussian(1, deviation**2), "multinomial")
    assert abs(found / float(exact) - 1) <= 1e-12


def test_monte_carlo_agrees_and_notices_a_wrong_variance() -> None:
    X, y, W = problem(3, 12, 3, 8)
    rng = np.random.default_rng(9)
    drawn = 1 + np.sqrt(0.6) * rng.standard_normal((40_000, 12))
    Z = np.stack([(drawn * column) @ X.T for column in W.T], axis=-1)
    sampled = (logsumexp(Z, axis=2) - Z[:, np.arange(3), y.astype(int)]).sum(axis=1)
    for variance, right in ((0.6, True), (0.7, False)):
        exact = expected_loss(X, y, W, Gaussian(12, variance), "multinomial")
        assert (abs(float((sampled.mean() - exact) / (sampled.std() / 200.0))) < MC) is right


@pytest.mark.parametrize("law", [Bernoulli(5, 0.6), Gaussian(5, 0.5), FixedCount((1,) * 5, 3)], ids=repr)
@pytest.mark.parametrize("classes", [2, 3, 4])
def test_gradients_are_derivatives(law: MaskLaw, classes: int) -> None:
    X, y, W = problem(4, 5, classes, 10)
    v = np.linspace(0.5, 2, 4)
    value, gradient = expected_loss_gradient(X, y, W, law, "multinomial", sample_weight=v)
    assert value == pytest.approx(expected_loss(X, y, W, law, "multinomial", sample_weight=v), rel=1e-13)
    assert np.abs(gradient.sum(axis=1)).max() <= 1e-13  # nothing depends on a common shift of the classes
    rng = np.random.default_rng(15)
    for _ in range(3):
        step = rng.standard_normal(W.shape)
        at = [expected_loss(X, y, W + 1e-3 * t * step, law, "multinomial", sample_weight=v) for t in (-2, -1, 1, 2)]
        assert abs((at[0] - 8 * at[1] + 8 * at[2] - at[3]) / 12e-3 - float((gradient * step).sum())) <= 1e-9


@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # a common shift of the intercepts is free
@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("classes", [2, 3])
def test_minimisers_agree_with_cvxpy(classes: int, fit_intercept: bool) -> None:
    X, y, _ = problem(18, 3, classes, 11)
    X[np.arange(18), (y % 3).astype(int)] += 1.0
    v = np.linspace(0.5, 1.5, 18)
    ridge = penalties["ridge"](c=1)
    model = expected_loss_problem(X, y, Bernoulli(3, 0.7), "multinomial", sample_weight=v, fit_intercept=fit_intercept,
                                  penalty=ridge, lam=0.5)  # fmt: skip
    model.solve(solver="CLARABEL")
    found = minimize_expected_loss(X, y, Bernoulli(3, 0.7), "multinomial", sample_weight=v,
                                   fit_intercept=fit_intercept, penalty=ridge, lam=0.5, tol=1e-12)  # fmt: skip
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert abs(found.objective - model.value) <= SOLVER * (1 + abs(model.value))
    assert np.abs(found.coef - model.var_dict["w"].value).max() <= 1e-5
    assert 0 <= found.gap <= 1e-11 * found.objective


def test_gaussian_noise_and_no_penalty_are_minimised_too() -> None:
    X, y, _ = problem(40, 4, 3, 12)
    found = minimize_expected_loss(X, y, Gaussian(4, 0.5), "multinomial", fit_intercept=True)
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert found.relative_gradient <= 1e-9
    assert np.shape(found.intercept) == (3,)
    rng = np.random.default_rng(13)
    for _ in range(5):
        other = found.coef + 1e-3 * rng.standard_normal((4, 3))
        assert expected_loss(X, y, other, Gaussian(4, 0.5), "multinomial", offset=np.tile(found.intercept, (40, 1))) > (
            found.objective
        )


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_l1_gives_exact_zeros_and_agrees_with_cvxpy(fit_intercept: bool) -> None:
    rng = np.random.default_rng(14)
    X = rng.standard_normal((30, 4))
    y = (X[:, 0] > 0) * 1.0 + (X[:, 1] > 0.5)
    law, l1 = Bernoulli(4, 0.6), penalties["l1"](k=1)
    model = expected_loss_problem(X, y, law, "multinomial", penalty=l1, lam=1.5, fit_intercept=fit_intercept)
    model.solve(solver="CLARABEL")
    found = minimize_expected_loss(X, y, law, "multinomial", penalty=l1, lam=1.5, fit_intercept=fit_intercept)
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert abs(found.objective - model.value) <= SOLVER * (1 + abs(model.value))
    assert 0 <= found.gap <= CERTIFICATE * found.objective
    pull = expected_loss_gradient(X, y, found.coef, law, "multinomial", offset=np.tile(found.intercept, (30, 1)))[1]
    away = np.where(found.coef == 0, np.maximum(np.abs(pull) - 1.5, 0.0), np.abs(pull + 1.5 * np.sign(found.coef)))
    assert away.max() <= 1e-8
    assert 0 < np.count_nonzero(found.coef) < found.coef.size
    wide = minimize_expected_loss(np.hstack((X, rng.standard_normal((30, 50)))), y, Gaussian(54, 0.5), "multinomial",
                                  penalty=l1, lam=3.0, fit_intercept=fit_intercept)  # fmt: skip
    assert wide.gap <= CERTIFICATE * wide.objective
