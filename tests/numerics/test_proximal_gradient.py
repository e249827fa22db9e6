"""Proximal gradient and the closed form for orthogonal designs: certificates by hand, other methods, brute force."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.orthogonal import orthogonal_solution
from etatrick.numerics.proximal import proximal_gradient
from etatrick.numerics.solution import Solution
from etatrick.numerics.working_set.curve import read_curve
from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import derive, penalties, strategies

Array = NDArray[np.float64]
LOSSES = ("squared", "logistic", "poisson", "gamma", "huber")
CONVEX: dict[str, Any] = {
    "l1": penalties["l1"](k=1),
    "elastic_net": penalties["elastic_net"](mu=0.5),
    "huber": penalties["huber"](delta=0.5),
    "ridge": penalties["ridge"](c=1),
}
CONCAVE: dict[str, Any] = {
    "mcp": penalties["mcp"](A=3),
    "log_sum": penalties["log_sum"](epsilon=0.5),
    "cauchy": penalties["cauchy"](c=1),
}


def data(loss: str, n: int = 60, d: int = 10) -> tuple[Array, Array]:
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


def residual(loss: str, y: Array, theta: Array) -> Array:
    """Return −ℓ′(y, θ) by hand."""
    forms = {
        "squared": y - theta,
        "logistic": y - 1 / (1 + np.exp(-theta)),
        "poisson": y - np.exp(theta),
        "gamma": y * np.exp(-theta) - 1,
        "huber": np.clip(y - theta, -1, 1),
    }
    return forms[loss]


def descends(found: Solution) -> bool:
    history = np.array(found.history)
    return bool((np.diff(history) <= 0).all())


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", list(CONVEX))
def test_convex_penalties_reach_the_gap_and_agree_with_the_working_set(name: str, loss: str, intercept: bool) -> None:
    X, y = data(loss)
    lam = 0.15 * float(np.abs(X.T @ (y - y.mean())).max())
    found = proximal_gradient(X, y, CONVEX[name], lam, loss, fit_intercept=intercept)
    twin = fit(X, y, CONVEX[name], lam, loss, fit_intercept=intercept)
    assert found.relative_gap is not None
    assert found.relative_gap <= 1e-12
    assert found.status.name == "OPTIMAL"
    assert abs(found.objective - twin.objective) <= 1e-11 * (1 + abs(twin.objective))
    np.testing.assert_allclose(found.coef, twin.coef, atol=1e-5)
    assert descends(found)


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("name", list(CONCAVE))
def test_other_penalties_reach_stationarity_by_hand(name: str, loss: str) -> None:
    X, y = data(loss)
    lam = 0.15 * float(np.abs(X.T @ (y - y.mean())).max())
    found = proximal_gradient(X, y, CONCAVE[name], lam, loss, fit_intercept=True)
    w, r = found.coef, residual(loss, y, X @ found.coef + found.intercept)
    size = np.abs(w)
    slopes = {"mcp": np.maximum(1 - size / 3, 0), "log_sum": 1 / (0.5 + size), "cauchy": size / (1 + size**2)}
    start = {"mcp": 1.0, "log_sum": 2.0, "cauchy": 0.0}[name]
    pull = X.T @ r
    violation = np.where(
        w != 0, np.abs(pull - lam * slopes[name] * np.sign(w)), np.maximum(np.abs(pull) - lam * start, 0)
    )
    null = X.T @ residual(loss, y, np.full(len(y), fit(X, y, CONVEX["l1"], 1e9, loss, fit_intercept=True).intercept))
    assert violation.max() <= 1e-10 * np.abs(null).max()
    assert abs(r.sum()) <= 1e-9 * np.abs(null).max()
    assert descends(found)


def test_weights_offsets_sparse_and_start() -> None:
    from scipy.sparse import csr_array

    X, y = data("poisson")
    rng = np.random.default_rng(1)
    v, o = rng.integers(0, 3, size=len(y)).astype(float), 0.3 * rng.standard_normal(len(y))
    options: dict[str, Any] = {"fit_intercept": True, "tol": 1e-12}
    found = proximal_gradient(csr_array(X), y, CONVEX["l1"], 3.0, "poisson", sample_weight=v, offset=o, **options)
    rows = np.repeat(np.arange(len(y)), v.astype(int))
    again = proximal_gradient(X[rows], y[rows], CONVEX["l1"], 3.0, "poisson", offset=o[rows],
                              start=np.ones(X.shape[1]), **options)  # fmt: skip
    np.testing.assert_allclose(found.coef, again.coef, atol=1e-6)
    assert abs(found.objective - again.objective) <= 1e-11 * abs(found.objective)


@pytest.mark.parametrize("seed", range(4))
def test_l0_is_not_beaten_by_any_small_change_of_its_support(seed: int) -> None:
    """Iterative thresholding: no single weight can be added, changed or dropped alone."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((40, 12))
    y = X[:, :3] @ [3.0, -2.0, 1.5] + 0.3 * rng.standard_normal(40)
    found = proximal_gradient(X, y, penalties["l0"](kappa=1), 2.0)
    w = found.coef
    assert set(np.flatnonzero(w)) == {0, 1, 2}
    best = 0.5 * float(np.sum((y - X @ w) ** 2)) + 2.0 * np.count_nonzero(w)
    assert abs(best - found.objective) <= 1e-10 * best
    for j, factor in product(range(12), (-1.0, -0.01, 0.01)):
        moved = w.copy()
        moved[j] += factor * (w[j] if w[j] else 1.0)
        assert 0.5 * float(np.sum((y - X @ moved) ** 2)) + 2.0 * np.count_nonzero(moved) >= best
    assert descends(found)


def test_penalties_that_exist_as_numbers_only() -> None:
    X, y = data("squared")
    penalty = strategies["kingma_cubic"]()
    found = proximal_gradient(X, y, penalty, 3.0)
    r = X.T @ (y - X @ found.coef)
    slope = found.coef / penalty.duality.eta_hat_at(found.coef)
    assert np.abs(r - 3.0 * slope).max() <= 1e-9 * np.abs(X.T @ y).max()


def test_lambda_zero_is_least_squares() -> None:
    X, y = data("squared")
    found = proximal_gradient(X, y, penalties["l1"](k=1), 0.0)
    np.testing.assert_allclose(found.coef, np.linalg.lstsq(X, y)[0], atol=1e-7)


@pytest.mark.parametrize(
    ("changed", "rule"),
    [
        ({"tol": 0.0}, "between 0 and 1"),
        ({"lam": -1.0}, "finite number ≥ 0"),
        ({"penalty": penalties["log"]()}, "−∞ at w = 0"),
        ({"penalty": derive(penalty="a*w", parameters=["a"])}, "number for every parameter"),
        ({"start": [1.0]}, "10 finite numbers"),
    ],
)
def test_bad_input(changed: dict[str, Any], rule: str) -> None:
    X, y = data("squared")
    call: dict[str, Any] = {"penalty": penalties["l1"](k=1), "lam": 1.0, **changed}
    with pytest.raises(InputError, match=rule):
        proximal_gradient(X, y, **call)


def orthogonal(n: int, d: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = np.linalg.qr(rng.standard_normal((n, d)))[0] * rng.uniform(0.5, 3.0, size=d)
    return X, 4 * rng.standard_normal(n)


@pytest.mark.parametrize(
    "penalty",
    [
        penalties["l1"](k=1),
        penalties["l0"](kappa=0.8),
        penalties["mcp"](A=2),
        penalties["log_sum"](epsilon=0.1),
        penalties["lp"](p=0.5),
        penalties["truncated_quadratic"](tau=1, delta=0.5),
        strategies["hard_concrete"](),
    ],
    ids=lambda p: str(p.name),
)
def test_orthogonal_solutions_are_global(penalty: Any) -> None:
    """No point of a fine grid in any coordinate is lower, and no perturbation of all of them."""
    X, y = orthogonal(30, 8, 0)
    lam = 1.5
    found = orthogonal_solution(X, y, penalty, lam)

    def objective(w: Array) -> float:
        return 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(penalty.duality.penalty_at(w).sum())

    assert abs(found.objective - objective(found.coef)) <= 1e-9 * found.objective
    squares, c = np.sum(X**2, axis=0), X.T @ y
    for j in range(8):
        grid = np.r_[0.0, np.linspace(-2, 2, 4001) * abs(c[j]) / squares[j]]
        costs = squares[j] * grid**2 / 2 - c[j] * grid + lam * penalty.duality.penalty_at(grid)
        at = found.coef[j]
        mine = squares[j] * at**2 / 2 - c[j] * at + lam * float(penalty.duality.penalty_at(np.array([at]))[0])
        assert mine <= costs.min() + 1e-9
    rng = np.random.default_rng(2)
    for scale in (1e-4, 1e-1, 1.0):
        assert objective(found.coef + scale * rng.standard_normal(8)) >= found.objective - 1e-9
    assert found.relative_kkt <= 1e-12


def test_orthogonal_agrees_with_the_solvers() -> None:
    X, y = orthogonal(25, 6, 1)
    for penalty in (penalties["elastic_net"](mu=1), penalties["scad"](a=3.7, ell=1)):
        exact = orthogonal_solution(X, y, penalty, 0.7)
        near = fit(X, y, read_curve(penalty), 0.7)
        assert exact.objective <= near.objective + 1e-10
    assert orthogonal_solution(X, y, penalties["l1"](k=1), 0.0).relative_kkt <= 1e-12


def test_orthogonal_refuses_what_is_not() -> None:
    X, y = orthogonal(25, 6, 1)
    X[:, 4] += 1e-6 * X[:, 1]
    with pytest.raises(InputError, match="columns 1 and 4 of X"):
        orthogonal_solution(X, y, penalties["l1"](k=1), 1.0)


def test_orthogonal_with_a_column_of_zeros_and_at_a_jump() -> None:
    X = np.array([[1.0, 0.0, 0.0], [0.0, 0.0, 2.0]])
    found = orthogonal_solution(X, [2.0, 3.0], penalties["l0"](kappa=2), 1.0)
    assert found.coef.tolist() == [2.0, 0.0, 1.5]  # v = √(2κ): 0 and v cost the same
