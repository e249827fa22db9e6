"""Offsets, weights, intercepts and penalties of expected losses: rewritten problems, cvxpy, and the proved gap."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.expected.approximations import quadratic_approximation, small_rate_limit
from etatrick.numerics.expected.bound import duality_gap
from etatrick.numerics.expected.charges import charge_of
from etatrick.numerics.expected.minimizer import ExpectedLossStatus, minimize_expected_loss
from etatrick.numerics.expected.modelled import expected_loss_problem
from etatrick.numerics.expected.objective import (
    dropout_regularizer,
    expected_loss,
    expected_loss_gradient,
    objective_for,
)
from etatrick.numerics.expected.penalised import Penalised
from etatrick.numerics.expected.perturbation import posed
from etatrick.numerics.expected.proximal import ProximalDescent
from etatrick.theory import penalties
from etatrick.theory.noise import Bernoulli, Blocks, FixedCount, Gaussian, MaskLaw, UnitRates
from tolerances import CERTIFICATE, SOLVER

Array = NDArray[np.float64]
LOSSES = ["squared", "logistic", "poisson", "gamma", "huber"]
PENALTIES: dict[str, Any] = {
    "ridge": penalties["ridge"](c=1), "l1": penalties["l1"](k=1), "elastic net": penalties["elastic_net"](mu=1),
}  # fmt: skip


def problem(n: int, d: int, loss: str, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d) * (np.arange(d) % 2) / np.sqrt(d)
    signal = X @ w + 0.4
    y: Any = {
        "logistic": (rng.random(n) < 1 / (1 + np.exp(-signal))) * 1.0,
        "poisson": rng.poisson(np.exp(np.clip(signal, -3, 3))),
        "gamma": rng.exponential(np.exp(np.clip(signal, -3, 3))) + 0.2,
        "multinomial": np.arange(n) % 3,
    }.get(loss, signal + 0.5 * rng.standard_normal(n))
    return X, np.asarray(y, dtype=np.float64)


def many(X: Array, w: Array, loss: str) -> Array:
    return np.outer(w, [1.0, -0.5, 0.2]) if loss == "multinomial" else w


@pytest.mark.parametrize("law", [Bernoulli(7, 0.6), Gaussian(7, 0.4)], ids=["masks", "gaussian"])
@pytest.mark.parametrize("loss", [*LOSSES, "multinomial"])
def test_weights_are_repeated_rows(loss: str, law: MaskLaw) -> None:
    X, y = problem(6, 7, loss, 1)
    w, counts = many(X, np.linspace(-1, 1, 7), loss), np.array([1, 3, 0, 2, 1, 1])
    wanted, slope = expected_loss_gradient(np.repeat(X, counts, axis=0), np.repeat(np.eye(3)[y.astype(int)] if loss
        == "multinomial" else y, counts, axis=0), w, law, loss)  # fmt: skip
    found, gradient = expected_loss_gradient(X, y, w, law, loss, sample_weight=counts)
    assert abs(found - wanted) <= 1e-13 * abs(wanted)
    assert np.abs(gradient - slope).max() <= 1e-12 * (1 + np.abs(slope).max())
    assert abs(expected_loss(X, y, w, law, loss) - wanted) > 1e-3  # and the weights are seen


@pytest.mark.parametrize("loss", [*LOSSES, "multinomial"])
def test_an_offset_is_a_fixed_column_without_noise(loss: str) -> None:
    X, y = problem(6, 7, loss, 2)
    w, rng = many(X, np.linspace(-1, 1, 7), loss), np.random.default_rng(3)
    shift = rng.standard_normal(6)
    law, wider = UnitRates((0.6,) * 7), UnitRates((*(0.6,) * 7, 1.0))
    offset = shift if w.ndim == 1 else np.outer(shift, [1.0, 0.5, -2.0])
    last = [1.0] if w.ndim == 1 else [[1.0, 0.5, -2.0]]
    wide, longer = np.column_stack((X, shift)), np.concatenate((w, np.array(last)))
    for function in (expected_loss, dropout_regularizer):
        found = function(X, y, w, law, loss, offset=offset)
        assert abs(found - function(wide, y, longer, wider, loss)) <= 1e-11 * abs(found)
    slope = expected_loss_gradient(wide, y, longer, wider, loss)[1]
    assert np.abs(expected_loss_gradient(X, y, w, law, loss, offset=offset)[1] - slope[:7]).max() <= 1e-11
    if loss != "multinomial":
        v = np.linspace(1, 2, 6)
        found = quadratic_approximation(X, y, w, law, loss, offset=offset, sample_weight=v)
        assert abs(found - quadratic_approximation(wide, y, longer, wider, loss, sample_weight=v)) <= 1e-12 * found
        limit = small_rate_limit(X, y, w, law, loss, offset=offset, sample_weight=v)
        rare = dropout_regularizer(X, y, w, Bernoulli(7, 1 - 1e-7), loss, offset=offset, sample_weight=v)
        assert abs(1e7 * rare - limit) <= 1e-4 * limit


@pytest.mark.parametrize("loss", [*LOSSES, "multinomial"])
def test_an_intercept_is_a_column_of_ones_that_is_never_dropped(loss: str) -> None:
    X, y = problem(40, 4, loss, 4)
    v = np.linspace(0.5, 2.0, 40)
    found = minimize_expected_loss(X, y, Bernoulli(4, 0.7), loss, sample_weight=v, fit_intercept=True, tol=1e-11)
    law, wide = UnitRates((*(0.7,) * 4, 1.0)), np.column_stack((X, np.ones(40)))
    other = minimize_expected_loss(wide, y, law, loss, sample_weight=v, tol=1e-11)
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert abs(found.objective - other.objective) <= 1e-11 * abs(found.objective)
    # of classes only differences are determined
    both = [np.concatenate((found.coef, np.reshape(found.intercept, (1, *found.coef.shape[1:])))), other.coef]
    one, two = (c - c.mean(axis=1, keepdims=True) if c.ndim == 2 else c for c in both)
    assert np.abs(one - two).max() <= 1e-7
    assert abs(found.regularizer - other.regularizer) <= 1e-7 * (1 + found.regularizer)


@pytest.mark.parametrize("name", ["ridge", "l1", "elastic net"])
@pytest.mark.parametrize("loss", LOSSES)
def test_penalised_minimisers_agree_with_cvxpy_and_prove_their_gap(loss: str, name: str) -> None:
    X, y = problem(25, 4, loss, 5)
    law = FixedCount((1,) * 4, 3) if loss == "squared" else UnitRates((0.5, 0.7, 0.9, 1.0))
    options: dict[str, Any] = {
        "offset": 0.3 * np.cos(np.arange(25)), "sample_weight": 1 + 0.5 * np.sin(np.arange(25)),
        "fit_intercept": True, "penalty": PENALTIES[name], "lam": 2.0,
    }  # fmt: skip
    model = expected_loss_problem(X, y, law, loss, **options)
    model.solve(solver="CLARABEL")
    found = minimize_expected_loss(X, y, law, loss, **options, tol=1e-12)
    assert found.status is ExpectedLossStatus.OPTIMAL
    assert abs(found.objective - model.value) <= SOLVER * (1 + abs(model.value))
    assert 0 <= found.gap <= CERTIFICATE * abs(found.objective)
    assert abs(float(found.intercept) - float(model.var_dict["b"].value[0])) <= 1e-4
    # the conditions of optimality, from the public gradient
    shifted = options["offset"] + found.intercept
    pull = expected_loss_gradient(X, y, found.coef, law, loss, offset=shifted, sample_weight=options["sample_weight"])[
        1
    ]
    at = {"ridge": found.coef, "l1": np.sign(found.coef), "elastic net": found.coef + np.sign(found.coef)}[name]
    away = np.where(found.coef == 0, np.maximum(np.abs(pull) - 2.0, 0.0), np.abs(pull + 2.0 * at))
    assert away.max() <= 1e-10 * (1 + np.abs(pull).max())


@pytest.mark.parametrize("fit_intercept", [False, True])
@pytest.mark.parametrize("name", ["ridge", "l1", "elastic net"])
@pytest.mark.parametrize("loss", [*LOSSES, "multinomial"])
def test_the_gap_bounds_the_suboptimality_everywhere(loss: str, name: str, fit_intercept: bool) -> None:
    X, y = problem(30, 5, loss, 6)
    law, rng = Bernoulli(5, 0.7), np.random.default_rng(7)
    best = minimize_expected_loss(
        X, y, law, loss, fit_intercept=fit_intercept, penalty=PENALTIES[name], lam=3.0, tol=1e-12
    )
    goal = Penalised(
        objective_for(posed(X, y, law, loss, fit_intercept=fit_intercept)), charge_of(PENALTIES[name], 3.0)
    )
    center = np.append(best.coef.ravel(), best.intercept)[: int(np.prod(goal.shape))]
    gap = np.inf
    for size in (1.0, 0.1, 1e-3, 1e-6):
        point = center + size * rng.standard_normal(len(center))
        excess = goal.value(point) - best.objective
        gap = duality_gap(goal, point, *goal.goal.gradient(point.reshape(goal.shape)))
        assert excess > 0 or size < 1e-5
        assert gap >= excess * (1 - 1e-9) - 1e-12
    assert gap <= 1e-3 * abs(best.objective)  # and it says something near the minimiser


def test_the_ridge_gap_is_the_bound_of_strong_convexity() -> None:
    X, y = problem(30, 5, "logistic", 8)
    goal = Penalised(objective_for(posed(X, y, Bernoulli(5, 0.7), "logistic")), charge_of(PENALTIES["ridge"], 2.0))
    point = np.linspace(-1, 1, 5)
    slope = goal.gradient(point)[1]
    assert duality_gap(goal, point, *goal.goal.gradient(point)) == pytest.approx(float(slope @ slope) / 4.0, rel=1e-12)


def test_squared_loss_with_ridge_and_intercept_in_closed_form() -> None:
    X, y = problem(20, 6, "squared", 9)
    law = Blocks((2, 3, 1), (0.5, 0.7, 0.8))
    found = minimize_expected_loss(X, y, law, fit_intercept=True, penalty=PENALTIES["ridge"], lam=0.7)
    wide = np.column_stack((X, np.ones(20)))
    left = wide.T @ wide
    left[:6, :6] += (X.T @ X) * law.normalised_covariance + 0.7 * np.eye(6)
    wanted = np.linalg.solve(left, wide.T @ y)
    assert np.abs(np.append(found.coef, found.intercept) - wanted).max() <= 1e-11
    assert found.iterations <= 2
    assert found.charge == pytest.approx(0.35 * float(wanted[:6] @ wanted[:6]), rel=1e-10)
    assert found.objective == pytest.approx(found.loss + found.charge, rel=1e-14)


@pytest.mark.parametrize("fit_intercept", [False, True])
def test_more_columns_than_rows_never_form_a_square_matrix(fit_intercept: bool) -> None:
    X, y = problem(40, 300, "logistic", 10)
    for penalty, lam in ((PENALTIES["l1"], 4.0), (PENALTIES["ridge"], 1.0)):
        found = minimize_expected_loss(X, y, Bernoulli(300, 0.7), "logistic", penalty=penalty, lam=lam,
                                       fit_intercept=fit_intercept, tol=1e-11)  # fmt: skip
        assert found.status is ExpectedLossStatus.OPTIMAL
        assert found.gap <= CERTIFICATE * found.objective
    goal = Penalised(objective_for(posed(X, y, Bernoulli(300, 0.7), "logistic")), charge_of(PENALTIES["l1"], 4.0))
    descent = ProximalDescent(goal, np.zeros(300))
    for _ in range(8):
        descent.advance()
        assert len(descent.hessian) <= 160
    assert descent.residual <= 1e-3


@pytest.mark.parametrize("retain", [0.6, 1.0])
def test_repeated_and_empty_columns_are_no_obstacle(retain: float) -> None:
    X, y = problem(40, 4, "logistic", 13)
    wide = np.hstack((X, X, np.zeros((40, 1)), np.ones((40, 1))))
    for name in ("l1", "ridge", "elastic net"):
        options: dict[str, Any] = {"fit_intercept": True, "penalty": PENALTIES[name], "lam": 1.0}
        found = minimize_expected_loss(wide, y, Bernoulli(10, retain), "logistic", **options)
        assert found.status is ExpectedLossStatus.OPTIMAL
        assert found.gap <= CERTIFICATE * found.objective
        assert abs(found.coef[8]) <= 1e-12


def test_l1_beyond_the_largest_lam_gives_zero_and_just_below_does_not() -> None:
    X, y = problem(40, 6, "logistic", 11)
    pull = expected_loss_gradient(X, y, np.zeros(6), Bernoulli(6, 0.5), "logistic")[1]
    top = float(np.abs(pull).max())
    for factor, zeros in ((1.001, 6), (0.99, 5)):
        found = minimize_expected_loss(X, y, Bernoulli(6, 0.5), "logistic", penalty=PENALTIES["l1"], lam=factor * top)
        assert np.count_nonzero(found.coef == 0) == zeros


def test_a_penalty_bounds_separable_data() -> None:
    X, y = np.array([[1.0, 2.0], [2.0, 1.0], [-1.0, -1.0], [-2.0, -0.5]]), np.array([1.0, 1.0, 0.0, 0.0])
    bare = minimize_expected_loss(X, y, Bernoulli(2, 0.5), "logistic")
    assert bare.status is ExpectedLossStatus.UNBOUNDED
    assert bare.gap == np.inf
    for name in ("ridge", "l1"):
        found = minimize_expected_loss(X, y, Bernoulli(2, 0.5), "logistic", penalty=PENALTIES[name], lam=0.01)
        assert found.status is ExpectedLossStatus.OPTIMAL
        assert found.gap <= 1e-7


def test_bad_input_is_named() -> None:
    X, y = problem(10, 4, "logistic", 12)
    law = Bernoulli(4, 0.5)
    with pytest.raises(InputError, match="without a penalty"):
        minimize_expected_loss(X, y, law, "logistic", lam=1.0)
    with pytest.raises(InputError, match="λ must be"):
        minimize_expected_loss(X, y, law, "logistic", penalty=PENALTIES["l1"], lam=-1.0)
    for refused in (penalties["mcp"](A=3), penalties["lp"](p=0.5)):
        with pytest.raises(InputError, match="not a convex penalty"):
            minimize_expected_loss(X, y, law, "logistic", penalty=refused, lam=1.0)
    for loss, flat in (("logistic", np.ones(10)), ("poisson", np.zeros(10)), ("multinomial", np.eye(3)[[0, 1] * 5])):
        with pytest.raises(InputError, match="would be infinite"):
            minimize_expected_loss(X, flat, law, loss, fit_intercept=True)
    with pytest.raises(InputError, match="offset"):
        minimize_expected_loss(X, y, law, "logistic", offset=np.ones(3))
    with pytest.raises(InputError, match="w of shape"):
        minimize_expected_loss(X, y, law, "logistic", start=np.ones(3))
