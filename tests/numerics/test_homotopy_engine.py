"""The squared-loss engine on degenerate data, its memory where d > n, and its parts against plain linear algebra."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from test_homotopy import KINDS, data, relative_gap

from etatrick.numerics.solution import Status
from etatrick.numerics.working_set.design import read_design
from etatrick.numerics.working_set.factors import Factor, independent
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.paths import fit_path
from etatrick.numerics.working_set.wide import WideSystem
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
ENET = penalties["elastic_net"](mu=0.5)


@pytest.mark.parametrize(("penalty", "mu"), [(L1, 0.0), (ENET, 0.5)], ids=["lasso", "enet"])
@pytest.mark.parametrize("kind", KINDS)
def test_single_fits_and_paths_whatever_the_columns(kind: str, penalty: Any, mu: float) -> None:
    for seed in range(4):
        X, y = data(kind, seed + 10)
        top = float(np.abs(X.T @ y).max())
        for lam in top * np.array([0.5, 0.03, 0.002]):
            found = fit(X, y, penalty, float(lam))
            assert found.status.converged
            reached = relative_gap(X, y, found.coef, float(lam), mu * float(lam)) <= CERTIFICATE
            assert reached or (kind == "near" and found.status is Status.STATIONARY)  # columns 1e-7 apart
        path = fit_path(X, y, penalty, n_lams=12, ratio=2e-3)
        for lam, item in zip(path.lams, path.solutions, strict=True):
            reached = relative_gap(X, y, item.coef, float(lam), mu * float(lam)) <= CERTIFICATE
            assert reached or (kind == "near" and item.status is Status.STATIONARY)


@pytest.mark.parametrize(("penalty", "mu"), [(L1, 0.0), (ENET, 0.5)], ids=["lasso", "enet"])
def test_a_dense_solution_and_a_start_with_too_many_weights(penalty: Any, mu: float) -> None:
    rng = np.random.default_rng(5)
    X = rng.standard_normal((40, 300))
    y = X @ rng.standard_normal(300)
    lam = 0.003 * float(np.abs(X.T @ y).max())
    for start in (None, rng.standard_normal(300)):
        found = fit(X, y, penalty, lam, start=start)
        assert relative_gap(X, y, found.coef, lam, mu * lam) <= CERTIFICATE
        assert np.count_nonzero(found.coef) >= 30


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("penalty", [L1, ENET, penalties["elastic_net"](mu=50)], ids=["lasso", "enet", "ridge-like"])
def test_no_matrix_of_d_by_d_where_d_exceeds_n(penalty: Any, intercept: bool) -> None:
    rng = np.random.default_rng(0)
    n, d = 40, 3000
    X = np.asfortranarray(rng.standard_normal((n, d)))
    y = X[:, :20].sum(1) + rng.standard_normal(n)
    lam = 0.002 * float(np.abs(X.T @ y).max())
    fit(X, y, penalty, 2 * lam, fit_intercept=intercept)
    tracemalloc.start()
    found = fit(X, y, penalty, lam, fit_intercept=intercept)
    path = fit_path(X, y, penalty, n_lams=10, ratio=0.005, fit_intercept=intercept)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.status.converged
    assert all(item.status.converged for item in path.solutions)
    assert peak < 8 * X.nbytes < 8 * d * d / 4
    if penalty is not L1 and penalty is not ENET:
        assert np.count_nonzero(found.coef) > 2 * n  # the n-dimensional form was used


def test_a_sparse_design_is_not_copied() -> None:
    from scipy.sparse import random_array

    X = random_array((2000, 20000), density=0.01, format="csc", rng=np.random.default_rng(1))
    y = np.asarray(X[:, :10].sum(axis=1)) + np.random.default_rng(2).standard_normal(2000)
    lam = 0.7 * float(np.abs(X.T @ y).max())
    fit(X, y, ENET, 1.2 * lam)
    tracemalloc.start()
    found = fit(X, y, ENET, lam)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.status.converged
    assert peak < 2000 * 20000 * 8 / 10  # a dense X would be ten times that
    assert found.coef.any()


@pytest.mark.parametrize("intercept", [False, True])
def test_the_wide_system_solves_the_equations(intercept: bool) -> None:
    rng = np.random.default_rng(3)
    X, v = rng.standard_normal((12, 60)), rng.uniform(0.5, 2.0, 12)
    mean = v @ X / v.sum() if intercept else np.zeros(60)
    scaled = np.sqrt(v)[:, None] * (X - mean)
    system = WideSystem(read_design(X), np.sqrt(v), mean)
    for step in range(8):
        active = rng.choice(60, 30 + step, replace=False)
        b = rng.standard_normal(len(active))
        H = scaled[:, active].T @ scaled[:, active] + 0.7 * np.eye(len(active))
        found = system.solve(active, 0.7, b)
        assert found is not None
        assert np.allclose(H @ found, b, atol=FLOAT64)
    assert system.solve(np.arange(30), 0.0, np.ones(30)) is None


def test_a_bordered_factor_solves_the_equations() -> None:
    rng = np.random.default_rng(4)
    A = rng.standard_normal((700, 400))
    G = A.T @ A

    def block(rows: NDArray[np.intp], columns: NDArray[np.intp], ridge: float) -> Array:
        found = G[rows[:, None], columns]
        return found + ridge * np.eye(len(rows)) if rows is columns else found

    factor, active = Factor(block), np.arange(250)
    for step in range(12):
        b = rng.standard_normal(len(active))
        found = factor.solve(active, 0.3, b)
        assert found is not None
        assert np.allclose((block(active, active, 0.0) + 0.3 * np.eye(len(active))) @ found, b, atol=1e-8)
        out, new = rng.choice(len(active), 5, replace=False), np.arange(250 + 7 * step, 257 + 7 * step)
        active = np.concatenate([np.delete(active, out), new])
    same = np.array([0, 1, 0])
    assert Factor(block).solve(np.concatenate([np.arange(120), same]), 0.0, np.ones(123)) is None
    assert len(independent(G[np.ix_(same, same)])) == 2
