"""Majorise–minimise: descent, stationarity by hand, the same minima as the working set, and what it refuses."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.majorized import Model, majorize_minimize
from etatrick.numerics.working_set.curve import read_curve
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.task import pose_task
from etatrick.theory import penalties, strategies

Array = NDArray[np.float64]
SLOPES: dict[str, tuple[Any, Any]] = {
    "mcp": (penalties["mcp"](A=3), lambda w: np.maximum(1 - w / 3, 0)),
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: 1 / (0.5 + w)),
    "scad": (
        penalties["scad"](a=3.7, ell=1),
        lambda w: np.where(w <= 1, 1.0, np.maximum(3.7 - w, 0) / 2.7),
    ),
    "exponential": (penalties["exponential"](c=1), lambda w: np.exp(-w)),
    "lp": (penalties["lp"](p=0.5), lambda w: np.maximum(w, 1e-300) ** -0.5),
    "variational_dropout": (strategies["variational_dropout"](), None),
}
LOSSES = ("squared", "logistic", "poisson", "gamma", "huber")


def data(loss: str, n: int = 60, d: int = 25) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, LOSSES.index(loss)])
    X = rng.standard_normal((n, d))
    theta = X[:, :3] @ [0.8, -0.6, 0.4]
    draws = {
        "squared": 3 * theta + 0.5 * rng.standard_normal(n),
        "logistic": (2 * theta + rng.logistic(size=n) > 0).astype(float),
        "poisson": rng.poisson(np.exp(theta)).astype(float),
        "gamma": rng.gamma(2.0, np.exp(theta)),
        "huber": 3 * theta + rng.standard_t(2, size=n),
    }
    return X, draws[loss]


@pytest.mark.parametrize("name", list(SLOPES))
@pytest.mark.parametrize("shape", [(60, 25), (30, 60)], ids=str)
def test_stationary_by_hand_and_descending(name: str, shape: tuple[int, int]) -> None:
    penalty, slope = SLOPES[name]
    X, y = data("squared", *shape)
    scale = float(np.abs(X.T @ y).max())
    lam = 0.15 * scale
    found = majorize_minimize(X, y, penalty, lam)
    w, size = found.coef, np.abs(found.coef)
    pull = X.T @ (y - X @ w)
    rise = size / penalty.duality.eta_hat_at(np.where(size > 0, size, 1.0)) if slope is None else slope(size)
    used = w != 0
    assert used.any()
    assert np.abs(pull - lam * rise * np.sign(w))[used].max() <= 1e-10 * scale
    start = 1.0 if slope is None else float(slope(np.zeros(1))[0])
    assert (np.abs(pull[~used]) <= lam * start * (1 + 1e-9)).all()
    assert (np.diff(found.history) <= 0).all()
    assert found.status.name == "STATIONARY"
    assert found.objective <= 0.5 * float(y @ y)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
def test_every_loss_ends_where_the_working_set_does(loss: str, intercept: bool) -> None:
    X, y = data(loss)
    lam = 0.12 * float(np.abs(X.T @ (y - y.mean())).max())
    found = majorize_minimize(X, y, SLOPES["mcp"][0], lam, loss, fit_intercept=intercept)
    twin = fit(X, y, SLOPES["mcp"][0], lam, loss, fit_intercept=intercept)
    assert found.relative_kkt <= 1e-10
    assert (np.diff(found.history) <= 0).all()
    assert found.objective <= twin.objective * (1 + 0.02)


@pytest.mark.parametrize("name", ["l1", "elastic_net"])
def test_convex_penalties_are_their_own_model(name: str) -> None:
    penalty = penalties[name](**({"k": 1} if name == "l1" else {"mu": 1}))
    X, y = data("squared")
    found = majorize_minimize(X, y, penalty, 5.0)
    assert found.relative_gap is not None
    assert found.relative_gap <= 1e-12
    assert abs(found.objective - fit(X, y, penalty, 5.0).objective) <= 1e-12 * found.objective


def test_one_step_is_a_weighted_lasso() -> None:
    """The model with weights t is the lasso in the columns x_j/t_j, free where t_j = 0 and fixed where t_j = ∞."""
    X, y = data("squared", 50, 8)
    hold = np.array([2.0, 5.0, 1.0, 8.0, 3.0, 3.0, 4.0, 6.0])
    task = pose_task(X, y, read_curve(penalties["l1"](k=1)), 1.0, "squared", False, None, None)
    w, _ = Model(task, hold).minimised(np.zeros(8), 0.0, 1e-12)
    lasso = fit(X / hold, y, penalties["l1"](k=1), 1.0)
    np.testing.assert_allclose(w, lasso.coef / hold, atol=1e-10)
    hold[:2] = 0.0, np.inf
    w, _ = Model(task, hold).minimised(np.zeros(8), 0.0, 1e-12)
    assert w[1] == 0
    assert abs(X[:, 0] @ (y - X @ w)) <= 1e-9 * np.abs(X.T @ y).max()


def test_the_start_is_never_left_for_something_worse() -> None:
    X, y = data("squared")
    rng = np.random.default_rng(0)
    for _ in range(3):
        start = rng.standard_normal(X.shape[1])
        found = majorize_minimize(X, y, SLOPES["log_sum"][0], 10.0, start=start)
        assert found.objective <= 0.5 * float(np.sum((y - X @ start) ** 2)) + 10 * float(
            np.log1p(2 * np.abs(start)).sum()
        )


@pytest.mark.parametrize(
    ("penalty", "rule"),
    [
        (penalties["cauchy"](c=1), "neither convex nor concave"),
        (penalties["truncated_quadratic"](tau=1, delta=1), "neither convex nor concave"),
        (penalties["l0"](kappa=1), "jumps"),
        (penalties["log"](), "−∞"),
    ],
    ids=["cauchy", "truncated_quadratic", "l0", "log"],
)
def test_what_has_no_tangents_above_it_is_refused(penalty: Any, rule: str) -> None:
    with pytest.raises(InputError, match=rule):
        majorize_minimize(np.eye(2), [1.0, 2.0], penalty, 1.0)
