"""Gradients against differences, and minimisers against cvxpy, closed forms and problems without a minimiser."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.amplitudes import (
    AdditiveNoise,
    Amplitude,
    BridgeoutNoise,
    FeatureNoise,
    ShakeoutNoise,
    SparseoutNoise,
)
from etatrick.numerics.expected.minimizer import ExpectedLossStatus, minimize_expected_loss
from etatrick.numerics.expected.modelled import expected_loss_problem
from etatrick.numerics.expected.objective import expected_loss, expected_loss_gradient
from etatrick.numerics.expected.perturbation import Perturbation
from etatrick.theory.noise import (
    Bernoulli,
    Blocks,
    CorrelatedGaussian,
    FixedCount,
    Gaussian,
    MaskLaw,
    SlidingBlocks,
    UnitRates,
)
from tolerances import SOLVER

Array = NDArray[np.float64]
LOSSES = ["squared", "logistic", "poisson", "gamma", "huber"]


def problem(n: int, d: int, loss: str, seed: int = 0, scale: float = 1.0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, d)), scale * rng.standard_normal(d) / np.sqrt(d)
    signal = X @ w
    y: Any = {
        "logistic": (rng.random(n) < 1 / (1 + np.exp(-signal))) * 1.0,
        "poisson": rng.poisson(np.exp(np.clip(signal, -3, 3))),
        "gamma": rng.exponential(np.exp(np.clip(signal, -3, 3))) + 0.2,
    }.get(loss, signal + 0.5 * rng.standard_normal(n))
    return X, np.asarray(y, dtype=np.float64), w


def differences(X: Array, y: Array, w: Array, noise: Any, loss: str) -> Array:
    """Return the gradient by central differences of fourth order."""
    found = np.empty_like(w)
    for j in range(len(w)):
        h = 2e-3 * max(abs(w[j]), 0.05)
        values = [expected_loss(X, y, w + s * h * np.eye(len(w))[j], noise, loss) for s in (-2, -1, 1, 2)]
        found[j] = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    return found


LAWS: dict[str, MaskLaw] = {
    "bernoulli": Bernoulli(8, 0.6),
    "rates": UnitRates((0.2, 0.5, 0.7, 0.9, 1.0, 0.99, 0.4, 0.6)),
    "blocks": Blocks((2, 3, 1, 1, 1), (0.5, 0.7, 0.8, 0.9, 0.3)),
    "fixed count": FixedCount.partition(8, 1, 5),
    "gaussian": Gaussian(8, 0.7),
    "correlated": CorrelatedGaussian((0.3 * np.eye(8) + 0.2).tolist()),
}


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("law", LAWS)
def test_gradients_are_derivatives(law: str, loss: str) -> None:
    X, y, w = problem(5, 8, loss, 3)
    value, gradient = expected_loss_gradient(X, y, w, LAWS[law], loss)
    assert value == pytest.approx(expected_loss(X, y, w, LAWS[law], loss), rel=1e-12)
    # an enumerated Huber loss has kinks in its slope, which a difference may straddle
    limit = 5e-3 if loss == "huber" and law not in ("gaussian", "correlated") else 2e-7
    assert np.abs(gradient - differences(X, y, w, LAWS[law], loss)).max() <= limit * (1 + np.abs(gradient).max())


@pytest.mark.parametrize("recipe", [SparseoutNoise(1.3), BridgeoutNoise(1.0), BridgeoutNoise(1.5, signed=False),
                                    ShakeoutNoise(0.4), AdditiveNoise(0.3), FeatureNoise()], ids=repr)  # fmt: skip
@pytest.mark.parametrize("loss", ["logistic", "poisson"])
def test_gradients_of_every_recipe(recipe: Amplitude, loss: str) -> None:
    X, y, w = problem(4, 8, loss, 5)
    w += 0.2 * np.sign(w)  # away from kinks at 0
    noise = Perturbation(Bernoulli(8, 0.7), recipe)
    _, gradient = expected_loss_gradient(X, y, w, noise, loss)
    assert np.abs(gradient - differences(X, y, w, noise, loss)).max() <= 1e-7 * (1 + np.abs(gradient).max())


@pytest.mark.parametrize(("d", "scale", "rate"), [(30, 1.0, 0.5), (30, 20.0, 0.8), (200, 4.0, 0.3)])
def test_gradient_of_the_characteristic_integral(d: int, scale: float, rate: float) -> None:
    X, y, w = problem(6, d, "logistic", 7, scale)
    law = Bernoulli(d, rate)
    _, gradient = expected_loss_gradient(X, y, w, law, "logistic")
    direction, h = np.random.default_rng(1).standard_normal(d) / np.sqrt(d), 1e-3
    values = [expected_loss(X, y, w + s * h * direction, law, "logistic") for s in (-2, -1, 1, 2)]
    slope = (values[0] - 8 * values[1] + 8 * values[2] - values[3]) / (12 * h)
    assert abs(slope - gradient @ direction) <= 2e-9 * (1 + np.abs(gradient).max())


@pytest.mark.parametrize("law", [*LAWS.values(), SlidingBlocks(8, 3, 0.8)], ids=lambda law: type(law).__name__)
def test_squared_loss_is_solved_in_closed_form_for_any_covariance(law: MaskLaw) -> None:
    X, y, _ = problem(20, 8, "squared", 11)
    found = minimize_expected_loss(X, y, law)
    gram = X.T @ X
    assert np.abs(found.coef - np.linalg.solve(gram + gram * law.normalised_covariance, X.T @ y)).max() <= 1e-12
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert found.relative_gradient <= 1e-13
    assert found.iterations <= 2


def test_more_columns_than_rows() -> None:
    X, y, _ = problem(15, 60, "squared", 2)
    found = minimize_expected_loss(X, y, Bernoulli(60, 0.8))
    ridge = X.T @ X + 0.25 * np.diag((X**2).sum(axis=0))
    assert np.abs(found.coef - np.linalg.solve(ridge, X.T @ y)).max() <= 1e-11
    logistic = minimize_expected_loss(X, (y > 0) * 1.0, Bernoulli(60, 0.5), "logistic")
    assert logistic.status is ExpectedLossStatus.OPTIMAL
    assert logistic.relative_gradient <= 1e-9


@pytest.mark.parametrize(
    ("loss", "law", "recipe"),
    [("logistic", Bernoulli(4, 0.5), FeatureNoise()), ("poisson", UnitRates((0.5, 0.7, 0.9, 1.0)), FeatureNoise()),
     ("gamma", Bernoulli(4, 0.8), FeatureNoise()), ("huber", Bernoulli(4, 0.6), SparseoutNoise(1.0)),
     ("squared", FixedCount((1,) * 4, 2), FeatureNoise()), ("logistic", Blocks((2, 2), 0.5), AdditiveNoise(0.5))],
)  # fmt: skip
def test_minimisers_agree_with_cvxpy(loss: str, law: MaskLaw, recipe: Amplitude) -> None:
    X, y, _ = problem(30, 4, loss, 13)
    noise = Perturbation(law, recipe)
    model = expected_loss_problem(X, y, noise, loss)
    model.solve(solver="SCS" if loss == "gamma" else "CLARABEL", **({"eps": 1e-9} if loss == "gamma" else {}))
    found = minimize_expected_loss(X, y, noise, loss)
    oracle = np.asarray(model.variables()[0].value)
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert found.objective <= expected_loss(X, y, oracle, noise, loss) + 1e-12 * abs(found.objective)
    assert abs(found.objective - model.value) <= SOLVER * (1 + abs(model.value))
    assert found.decrement <= 1e-12 * (1 + abs(found.objective))


def test_dropout_logistic_regression_at_many_units() -> None:
    X, y, _ = problem(120, 80, "logistic", 17, 3.0)
    law = Bernoulli(80, 0.5)
    found = minimize_expected_loss(X, y, law, "logistic")
    assert found.status is ExpectedLossStatus.OPTIMAL
    rng = np.random.default_rng(0)
    for _ in range(5):
        other = found.coef + 1e-3 * rng.standard_normal(80)
        assert expected_loss(X, y, other, law, "logistic") > found.objective
    assert found.regularizer > 0


def test_separable_data_without_a_bound_are_reported() -> None:
    X, y = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.0], [-2.0, -0.5]]), np.array([1.0, 1.0, 0.0, 0.0])
    found = minimize_expected_loss(X, y, Bernoulli(2, 0.5), "logistic")  # no mask flips a sign
    assert found.status is ExpectedLossStatus.UNBOUNDED
    mixed = X.copy()
    mixed[0, 1] = mixed[2, 0] = 1.5  # now column 1 or 2 alone is wrong somewhere
    mixed[1, 1], mixed[3, 0] = -0.2, 0.2
    assert minimize_expected_loss(mixed, y, Bernoulli(2, 0.5), "logistic").status is ExpectedLossStatus.OPTIMAL


def test_an_iteration_limit_is_reported_and_can_be_continued() -> None:
    X, y, _ = problem(60, 20, "logistic", 19, 3.0)
    law = Bernoulli(20, 0.6)
    short = minimize_expected_loss(X, y, law, "logistic", max_iter=1)
    assert short.status is ExpectedLossStatus.LIMIT
    assert minimize_expected_loss(X, y, law, "logistic", start=short.coef).status is ExpectedLossStatus.OPTIMAL


def test_bad_input_is_named() -> None:
    X, y, _ = problem(10, 4, "logistic", 23)
    with pytest.raises(InputError, match="not linear in w"):
        minimize_expected_loss(X, y, Perturbation(Bernoulli(4, 0.5), BridgeoutNoise(1.0)), "logistic")
    with pytest.raises(InputError, match="not linear in w"):
        expected_loss_problem(X, y, Perturbation(Bernoulli(4, 0.5), ShakeoutNoise(1.0)), "logistic")
    with pytest.raises(InputError, match="density"):
        expected_loss_problem(X, y, Gaussian(4, 0.5), "logistic")
    with pytest.raises(InputError, match="pairs of an example"):
        expected_loss_problem(np.ones((100, 10)), np.ones(100), Bernoulli(10, 0.5), "squared")
    with pytest.raises(InputError, match="tol"):
        minimize_expected_loss(X, y, Bernoulli(4, 0.5), "logistic", tol=0.0)
    with pytest.raises(InputError, match="two labels"):
        minimize_expected_loss(X, y + 3 * np.arange(10), Bernoulli(4, 0.5), "logistic")
