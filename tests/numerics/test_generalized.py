"""`solve` with other losses than the squared one: the optimum of cvxpy, and what is refused."""

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import Status, solve
from etatrick.numerics.losses import Loss, loss_named
from etatrick.theory import penalties
from etatrick.theory.vector import KSupport
from tolerances import CERTIFICATE, SOLVER

L1 = penalties["l1"](k=1)


def data(loss: str) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    rng = np.random.default_rng(11)
    X = rng.normal(size=(40, 6))
    theta = X @ np.array([1.0, -0.5, 0.0, 0.0, 0.3, 0.0])
    draws = {
        "logistic": lambda: rng.random(40) < 1 / (1 + np.exp(-theta)),
        "poisson": lambda: rng.poisson(np.exp(theta)),
        "gamma": lambda: np.exp(theta) * rng.gamma(2.0, 0.5, 40),
        "huber": lambda: theta + rng.standard_t(2, 40),
        "squared": lambda: theta + rng.normal(size=40),
    }
    return X, np.asarray(draws[loss](), dtype=np.float64)


def optimum(loss: Loss, X: NDArray[np.float64], y: NDArray[np.float64], lam: float) -> float:
    w, b = cp.Variable(6), cp.Variable()
    objective = cp.sum(loss.cvxpy_terms(y, X @ w + b)) + lam * cp.norm1(w)
    return float(cp.Problem(cp.Minimize(objective)).solve(solver=cp.CLARABEL))


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma", "huber", "squared"])
def test_the_optimum_is_that_of_a_foreign_solver(loss: str) -> None:
    X, y = data(loss)
    s = solve(X, y, L1, 2.0, loss, "working_set", fit_intercept=True)
    reference = optimum(loss_named(loss), X, y, 2.0)
    assert s.converged
    assert s.certificate.relative_gap is not None
    assert s.certificate.relative_gap <= CERTIFICATE
    assert abs(s.objective - reference) <= SOLVER * (1 + abs(reference))
    worse = solve(X, y, L1, 2.5, loss, "working_set", fit_intercept=True)  # another λ is another optimum
    assert abs(worse.objective - reference) > 10 * SOLVER * (1 + abs(reference))


def test_both_methods_agree_on_the_squared_loss() -> None:
    X, y = data("squared")
    first, second = solve(X, y, L1, 2.0), solve(X, y, L1, 2.0, method="working_set")
    assert np.allclose(first.coef, second.coef, rtol=0, atol=1e-10)


def test_separable_classes_without_a_penalty_diverge() -> None:
    s = solve([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1], L1, 0.0, "logistic")
    assert s.status is Status.DIVERGING
    assert "lam > 0" in s.status.value


@pytest.mark.parametrize(("options", "words"), [
    ({"loss": "logistic", "method": "reweighted_ridge"}, "squared loss"), ({"loss": "hinge"}, "must be one of"),
    ({"penalty": KSupport(2), "loss": "logistic"}, "share a budget"),
])  # fmt: skip
def test_what_is_refused(options: dict[str, Any], words: str) -> None:
    X, y = data("logistic")
    with pytest.raises(InputError, match=words):
        solve(X, y, **{"penalty": L1, "lam": 1.0, **options})
