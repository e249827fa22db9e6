"""One reweighted ridge step: both systems, η = 0, η = ∞ and extreme ratios, against exact arithmetic."""

import tracemalloc
from itertools import islice
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.numerics import certify, solve
from etatrick.numerics.problem import Problem, problem
from etatrick.numerics.reweighted import reweighted_ridge, ridge_step
from etatrick.theory import penalties, strategies
from tolerances import CERTIFICATE, FLOAT64, SOLVER

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)


def posed(n: int, d: int, lam: float = 0.7, seed: int = 0) -> Problem:
    rng = np.random.default_rng([n, d, seed])
    return problem(rng.standard_normal((n, d)), rng.standard_normal(n), L1, lam)


def exact_step(p: Problem, weight: Array) -> Array:
    """Solve (XᵀX + λ diag(1/η)) w = Xᵀy at 900 digits, with 1/∞ = 0 and w_j = 0 where η_j = 0."""
    kept = np.flatnonzero(weight > 0)
    with mp.workdps(900):
        X = mp.matrix(p.X[:, kept].tolist())
        system = X.T * X
        for i, j in enumerate(kept.tolist()):
            system[i, i] += 0 if np.isinf(weight[j]) else mp.mpf(p.lam) / mp.mpf(float(weight[j]))
        solution = mp.lu_solve(system, X.T * mp.matrix(p.y.tolist()))
    coef = np.zeros(len(weight))
    coef[kept] = [float(v) for v in solution]
    return coef


@pytest.mark.parametrize("shape", [(20, 6), (6, 20), (6, 6), (1, 4), (4, 1)], ids=str)
@pytest.mark.parametrize("lam", [1e-3, 1.0, 1e4])
def test_against_normal_equations(shape: tuple[int, int], lam: float) -> None:
    p = posed(*shape, lam=lam)
    weight = np.random.default_rng(1).uniform(0.1, 3.0, shape[1])
    direct = np.linalg.solve(p.X.T @ p.X + lam * np.diag(1 / weight), p.X.T @ p.y)
    np.testing.assert_allclose(ridge_step(p, weight), direct, atol=FLOAT64)
    np.testing.assert_allclose(ridge_step(p, weight), exact_step(p, weight), atol=FLOAT64)


@pytest.mark.parametrize("shape", [(20, 6), (6, 20)], ids=str)
def test_both_systems_agree(shape: tuple[int, int]) -> None:
    """Rows of zeros turn n < d into n ≥ d without changing the problem, and columns of zeros the reverse."""
    n, d = shape
    p = posed(n, d)
    weight = np.random.default_rng(2).uniform(0.0, 3.0, d)
    taller = problem(np.vstack([p.X, np.zeros((d, d))]), np.concatenate([p.y, np.zeros(d)]), L1, p.lam)
    wider = problem(np.hstack([p.X, np.zeros((n, n + 1))]), p.y, L1, p.lam)
    reference = ridge_step(p, weight)
    np.testing.assert_allclose(ridge_step(taller, weight), reference, atol=FLOAT64)
    padded = ridge_step(wider, np.concatenate([weight, np.ones(n + 1)]))
    np.testing.assert_allclose(padded[:d], reference, atol=FLOAT64)
    np.testing.assert_array_equal(padded[d:], 0.0)


@pytest.mark.parametrize("shape", [(20, 6), (4, 6)], ids=str)
def test_eta_zero_removes_the_coordinate(shape: tuple[int, int]) -> None:
    p = posed(*shape)
    weight = np.array([1.0, 0.0, 2.0, 0.0, 0.5, 3.0])
    coef = ridge_step(p, weight)
    assert coef[1] == coef[3] == 0
    np.testing.assert_allclose(coef, exact_step(p, weight), atol=FLOAT64)
    np.testing.assert_array_equal(ridge_step(p, np.zeros(6)), 0.0)


@pytest.mark.parametrize("shape", [(20, 6), (4, 6)], ids=str)
@pytest.mark.parametrize("low", [1.0, 1e-6, 1e-12, 1e-20, 1e-40, 1e-100, 1e-300, 0.0])
def test_eta_infinite_beside_small_eta(shape: tuple[int, int], low: float) -> None:
    """A vanishing coordinate must not push the unpenalised ones under a rank threshold."""
    p = posed(*shape)
    weight = np.array([np.inf, low, 1.0, low, np.inf, 2.0])
    np.testing.assert_allclose(ridge_step(p, weight), exact_step(p, weight), atol=FLOAT64)


def test_eta_infinite_everywhere_is_least_squares() -> None:
    for shape in ((20, 6), (4, 6)):
        p = posed(*shape)
        coef = ridge_step(p, np.full(6, np.inf))
        np.testing.assert_allclose(coef, np.linalg.lstsq(p.X, p.y)[0], atol=FLOAT64)


@pytest.mark.parametrize("weight", [[0.0, 1.0], [0.0, 0.0], [np.inf, 0.0]])
def test_lambda_zero_ignores_eta(weight: list[float]) -> None:
    p = problem(np.eye(2), [3.0, 1.0], L1, 0.0)
    np.testing.assert_allclose(ridge_step(p, np.array(weight)), [3.0, 1.0], atol=FLOAT64)


@pytest.mark.parametrize("lam", [1e-10, 1e-18, 1e-40, 1e-300])
@pytest.mark.parametrize("shape", [(5, 2), (2, 5)], ids=str)
def test_collinear_columns_and_small_lambda(shape: tuple[int, int], lam: float) -> None:
    """The system is singular to rounding; the step is the minimum-norm least-squares solution."""
    p = problem(np.ones(shape), np.ones(shape[0]), L1, lam)
    np.testing.assert_allclose(ridge_step(p, np.ones(shape[1])), 1 / shape[1], atol=SOLVER)


@pytest.mark.parametrize("weight", [[1e300, 1.0], [1e308, 1e-308], [1e155, 1e155], [1e-320, 1.0], [1e200, 1e200]])
def test_extreme_finite_eta(weight: list[float]) -> None:
    p = problem(np.eye(2), [3.0, 1.0], L1, 1.0)
    eta = np.array(weight)
    np.testing.assert_allclose(ridge_step(p, eta), [3.0, 1.0] * (eta / (eta + 1)), atol=FLOAT64)
    skewed = problem(np.array([[3.0, 1.0], [1.0, 2.0], [0.5, 0.5]]), [3.0, 1.0, 1.0], L1, 1.0)
    np.testing.assert_allclose(ridge_step(skewed, eta), exact_step(skewed, eta), atol=1e-8)


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    n=st.integers(1, 6),
    d=st.integers(1, 6),
    seed=st.integers(0, 1000),
    logs=st.lists(st.floats(-6, 6), min_size=6, max_size=6),
)
def test_step_is_the_minimiser(n: int, d: int, seed: int, logs: list[float]) -> None:
    p = posed(n, d, seed=seed)
    weight = 10 ** np.array(logs[:d])
    coef = ridge_step(p, weight)
    gradient = p.X.T @ (p.X @ coef - p.y) * weight + p.lam * coef
    size = np.abs(p.X).T @ (np.abs(p.X) @ np.abs(coef) + np.abs(p.y))  # what rounding of the gradient is relative to
    scale = 1 + float(np.max(weight * size))
    np.testing.assert_allclose(gradient / scale, 0.0, atol=FLOAT64)


@pytest.mark.parametrize(
    "member",
    [
        L1,
        penalties["elastic_net"](mu=1),
        penalties["fair"](),
        penalties["lp"](p=0.5),
        penalties["log_sum"](epsilon=0.5),
        penalties["cauchy"](c=1),
        penalties["geman_mcclure"](c=1),
        strategies["ard"](c=1),
    ],
    ids=lambda m: str(m.family.name),
)
@pytest.mark.parametrize("shape", [(20, 6), (6, 20)], ids=str)
def test_plain_iteration_never_climbs(member: Any, shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    p = problem(rng.standard_normal(shape), rng.standard_normal(shape[0]), member, 0.5)
    start = rng.standard_normal(shape[1])
    values = [p.objective(start), *(p.objective(c) for c in islice(reweighted_ridge(p, start), 200))]
    assert (np.diff(values) <= CERTIFICATE * values[0]).all()


@pytest.mark.parametrize("lam", [1e-12, 1e-6, 1e-3])
def test_wide_step_keeps_its_digits_for_small_lambda(lam: float) -> None:
    """Residuals against the normal equations at 60 digits; the system itself would lose half of them."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((4, 3)) @ rng.standard_normal((3, 9))  # of rank 3: XDXᵀ is singular to rounding
    y = rng.standard_normal(4)
    for eta in (rng.uniform(0.5, 2.0, 9), np.array([1.0, np.inf, 0.0, 2.0, 1.0, 1.0, 0.5, 0.0, 1.0])):
        p = problem(X, y, L1, lam)
        coef = ridge_step(p, eta)
        kept = np.flatnonzero(eta > 0)
        with mp.workdps(60):
            A, target = mp.matrix(X[:, kept].tolist()), mp.matrix(y.tolist())
            w = mp.matrix(coef[kept].tolist())
            ridge = sum(wj * wj / mp.mpf(float(e)) for wj, e in zip(w, eta[kept], strict=True) if np.isfinite(e))
            here = sum(r * r for r in target - A * w) / 2 + mp.mpf(lam) / 2 * ridge
            system = A.T * A
            for i, e in enumerate(eta[kept].tolist()):
                system[i, i] += 0 if np.isinf(e) else mp.mpf(lam) / mp.mpf(e)
            best = mp.lu_solve(system, A.T * target)
            least = sum(r * r for r in target - A * best) / 2
            least += mp.mpf(lam) / 2 * sum(b * b / mp.mpf(e) for b, e in zip(best, eta[kept].tolist(), strict=True)
                                           if np.isfinite(e))  # fmt: skip
        assert 0 <= float(here - least) <= FLOAT64 * float(least)
        assert not coef[eta == 0].any()


WIDE: dict[str, Any] = {
    "l1": L1,
    "ridge": penalties["ridge"](c=1),
    "elastic_net": penalties["elastic_net"](mu=1),
    "log_sum": penalties["log_sum"](epsilon=1),
    "cauchy": penalties["cauchy"](c=1),
}


@pytest.mark.parametrize("method", ["working_set", "reweighted_ridge"])
@pytest.mark.parametrize("name", list(WIDE))
def test_no_square_matrix_of_the_columns(name: str, method: Any) -> None:
    n, d = 10, 2000
    rng = np.random.default_rng(5)
    X, y = rng.standard_normal((n, d)), rng.standard_normal(n)
    solve(X[:, :50], y, WIDE[name], 1.0, method=method)  # what is compiled once is not counted
    tracemalloc.start()
    s = solve(X, y, WIDE[name], 5.0, method=method, tol=1e-6)
    certify(X, y, s.coef + 1e-3, WIDE[name], 5.0)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < d * d * 8 / 4
    assert s.certificate.value <= 1e-6
