"""The working-set engine on penalties that are not convex: stationarity by hand, descent, and brute force."""

from collections.abc import Callable
from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.solution import Status
from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import penalties
from tolerances import FLOAT64, close

Array = NDArray[np.float64]


def mcp(w: Array) -> Array:
    return np.where(w <= 3, w - w**2 / 6, 1.5)


def scad(w: Array) -> Array:
    middle = (2 * 3.7 * w - w**2 - 1) / (2 * 2.7)
    return np.asarray(np.where(w <= 1, w, np.where(w <= 3.7, middle, (3.7 + 1) / 2)), dtype=np.float64)


# penalty, Ω by hand, Ω′ by hand
CASES: dict[str, tuple[Any, Callable[[Array], Any], Callable[[Array], Any]]] = {
    "mcp": (penalties["mcp"](A=3), mcp, lambda w: np.maximum(1 - w / 3, 0)),
    "scad": (
        penalties["scad"](a=3.7, ell=1),
        scad,
        lambda w: np.where(w <= 1, 1.0, np.maximum(3.7 - w, 0) / 2.7),
    ),
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: np.log1p(2 * w), lambda w: 1 / (0.5 + w)),
    "capped_l1": (penalties["capped_l1"](theta=1), lambda w: np.minimum(w, 1), lambda w: (w < 1) * 1.0),
    "exponential": (penalties["exponential"](c=1), lambda w: -np.expm1(-w), lambda w: np.exp(-w)),
    "lp": (penalties["lp"](p=0.5), lambda w: 2 * np.sqrt(w), lambda w: np.maximum(w, 1e-300) ** -0.5),
}


def regression(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    truth = np.where(np.arange(d) < max(2, d // 8), 3.0 * (-1.0) ** np.arange(d), 0.0)
    return X, X @ truth + 0.5 * rng.standard_normal(n)


@pytest.mark.parametrize("shape", [(60, 10), (30, 80)], ids=str)
@pytest.mark.parametrize("fraction", [0.3, 0.05])
@pytest.mark.parametrize("name", list(CASES))
def test_stationary_by_hand(name: str, fraction: float, shape: tuple[int, int]) -> None:
    penalty, omega, slope = CASES[name]
    X, y = regression(*shape)
    scale = float(np.max(np.abs(X.T @ y)))
    lam = fraction * scale
    found = fit(X, y, penalty, lam)
    w, size = found.coef, np.abs(found.coef)
    pull = X.T @ (y - X @ w)
    on = w != 0
    assert found.status is Status.STATIONARY
    assert float(np.abs(pull - lam * slope(size) * np.sign(w))[on].max(initial=0.0)) <= 1e-10 * scale
    assert (np.abs(pull)[~on] <= lam * slope(np.zeros(1)) + 1e-10 * scale).all()
    assert found.gap is None
    objective = 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(omega(size).sum())
    assert close(found.objective, objective)
    assert objective <= 0.5 * float(y @ y) * (1 + 1e-12)
    assert (np.diff(found.history) <= 0).all()


@pytest.mark.parametrize("name", list(CASES))
def test_never_worse_than_the_start(name: str) -> None:
    penalty, omega, _ = CASES[name]
    X, y = regression(25, 12, 3)
    lam = 0.1 * float(np.max(np.abs(X.T @ y)))
    rng = np.random.default_rng(1)
    for start in (np.zeros(12), rng.standard_normal(12), np.linalg.lstsq(X, y)[0]):
        begin = 0.5 * float(np.sum((y - X @ start) ** 2)) + lam * float(omega(np.abs(start)).sum())
        found = fit(X, y, penalty, lam, start=start)
        assert found.objective <= begin * (1 + 1e-12)


@pytest.mark.parametrize("name", ["mcp", "scad", "log_sum", "exponential", "lp"])
def test_near_the_global_minimum_of_two_variables(name: str) -> None:
    """Brute force on a grid around 0 and the least-squares solution, for a design that is nearly orthogonal."""
    penalty, omega, _ = CASES[name]
    X, y = regression(40, 2, 1)
    lam = 0.1 * float(np.max(np.abs(X.T @ y)))
    found = fit(X, y, penalty, lam)
    axis = np.linspace(-5, 5, 401)
    grid = np.array(list(product(axis, axis)))
    values = 0.5 * ((y[:, None] - X @ grid.T) ** 2).sum(0) + lam * omega(np.abs(grid)).sum(1)
    assert found.objective <= float(values.min()) + 1e-9
    assert found.locally_minimal


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber", "gamma"])
@pytest.mark.parametrize("name", ["mcp", "log_sum"])
def test_other_losses_have_no_descent_left(name: str, loss: str) -> None:
    """Around the point, the objective written by hand falls in no direction."""
    penalty, omega, _ = CASES[name]
    X, signal = regression(60, 8, 2)
    y = {
        "logistic": (signal > 0).astype(np.float64),
        "poisson": np.floor(np.exp(np.clip(signal / 4, -2, 2))),
        "huber": signal,
        "gamma": np.exp(signal / 4),
    }[loss]
    lam = 4.0

    def objective(w: Array, b: float) -> float:
        theta = X @ w + b
        r = np.abs(y - theta)
        terms = {
            "logistic": np.logaddexp(0, theta) - y * theta,
            "poisson": np.exp(theta) - y * theta,
            "huber": np.where(r <= 1, 0.5 * r**2, r - 0.5),
            "gamma": y * np.exp(-theta) + theta,
        }[loss]
        return float(terms.sum() + lam * omega(np.abs(w)).sum())

    found = fit(X, y, penalty, lam, loss, fit_intercept=True)
    assert found.status is Status.STATIONARY
    here = objective(found.coef, found.intercept)
    assert close(found.objective, here, FLOAT64)
    rng = np.random.default_rng(0)
    for size in (1e-2, 1e-3):
        for _ in range(50):
            dw = size * rng.standard_normal(8)
            assert objective(found.coef + dw, found.intercept + size * rng.standard_normal()) > here


def test_a_steep_penalty_does_not_stay_at_zero() -> None:
    """With Ω′(0+) = ∞, 0 is a local minimum for every λ; continuation must leave it."""
    X, y = regression(60, 10)
    found = fit(X, y, CASES["lp"][0], 1.0)
    assert set(np.flatnonzero(found.coef)) >= {0, 1}
    assert found.objective < 0.5 * float(y @ y)


@pytest.mark.parametrize("name", ["cauchy", "welsch", "geman_mcclure"])
def test_smooth_penalties_that_are_not_convex(name: str) -> None:
    X, y = regression(60, 10)
    found = fit(X, y, penalties[name](c=1), 5.0)
    assert found.status is Status.STATIONARY
    w = found.coef
    slope = {"cauchy": w / (1 + w**2), "welsch": w * np.exp(-(w**2)), "geman_mcclure": w / (1 + w**2) ** 2}[name]
    np.testing.assert_allclose(X.T @ (y - X @ w), 5 * slope, atol=1e-8 * float(np.max(np.abs(X.T @ y))))
