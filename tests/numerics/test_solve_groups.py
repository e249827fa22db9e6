"""`solve`, `path`, `lam_max` and `certify` with penalties on groups: one front for all, certificates from the data."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from etatrick.errors import InputError
from etatrick.numerics import Status, certify, path, solve
from etatrick.numerics.estimators.regressor import ReweightedRegressor
from etatrick.numerics.groups.penalties import SparseGroupLasso
from etatrick.numerics.solver import lam_max
from etatrick.theory.vector.difference import L1MinusL2
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

GROUPS = [[0, 3], [1, 2, 4], [5]]
COSTS = [np.sqrt(2), np.sqrt(3), 1.0]
LASSO = SparseGroupLasso(GROUPS, weights=COSTS)
SPARSE = SparseGroupLasso(GROUPS, weights=COSTS, tau=0.4)


def data(loss: str = "squared") -> tuple[Array, Array]:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((50, 6))
    theta = X[:, 0] - X[:, 3] + 0.5 * X[:, 5]
    numbers, labels = theta + 0.5 * rng.standard_normal(50), rng.random(50) < 1 / (1 + np.exp(-theta))
    return X, np.asarray(numbers if loss == "squared" else labels, dtype=np.float64)


def value(tau: float, w: Array) -> float:
    grouped = sum(c * float(np.linalg.norm(w[g])) for c, g in zip(COSTS, GROUPS, strict=True))
    return float((1 - tau) * grouped + tau * np.abs(w).sum())


@pytest.mark.parametrize(("penalty", "tau"), [(LASSO, 0.0), (SPARSE, 0.4)])
@pytest.mark.parametrize("loss", ["squared", "logistic"])
def test_against_cvxpy(loss: str, penalty: Any, tau: float) -> None:
    import cvxpy as cp

    X, y = data(loss)
    w, b = cp.Variable(6), cp.Variable()
    theta = X @ w + b
    terms = cp.sum_squares(y - theta) / 2 if loss == "squared" else cp.sum(cp.logistic(theta) - cp.multiply(y, theta))
    charge = (1 - tau) * sum(c * cp.norm2(w[g]) for c, g in zip(COSTS, GROUPS, strict=True)) + tau * cp.norm1(w)
    reference = float(cp.Problem(cp.Minimize(terms + 2 * charge)).solve(solver=cp.CLARABEL))
    s = solve(X, y, penalty, 2.0, loss, fit_intercept=True)
    assert s.status is Status.OPTIMAL
    assert close(s.objective, reference, SOLVER)
    again = certify(X, y, s.coef, penalty, 2.0, loss, intercept=s.intercept, fit_intercept=True)
    assert again.value <= CERTIFICATE
    wrong = certify(X, y, 1.01 * s.coef, penalty, 2.0, loss, intercept=s.intercept, fit_intercept=True)
    assert wrong.gap is not None
    shifted = X @ (1.01 * s.coef) + s.intercept
    fit = 0.5 * float(np.sum((y - shifted) ** 2))
    fit = fit if loss == "squared" else float(np.sum(np.logaddexp(0, shifted) - y * shifted))
    assert wrong.gap >= fit + 2 * value(tau, 1.01 * s.coef) - s.objective - FLOAT64
    assert wrong.value > 1e-6


def test_a_path_starts_where_all_groups_are_zero() -> None:
    X, y = data()
    top = lam_max(X, y, LASSO)
    assert close(top, max(float(np.linalg.norm(X[:, g].T @ y)) / c for c, g in zip(COSTS, GROUPS, strict=True)))
    seen: list[float] = []
    p = path(X, y, LASSO, n_lams=4, ratio=0.05, progress=seen.append)
    assert p.lams[0] == top
    assert not p.coefs[0].any()
    assert p.coefs[1].any()
    assert seen[-1] == 1.0
    for lam, s in zip(p.lams, p.solutions, strict=True):
        assert close(s.objective, solve(X, y, LASSO, lam).objective)


def test_sparse_data_and_estimators() -> None:
    X, y = data()
    thin = X * (np.abs(X) > 0.5)
    dense = solve(thin, y, LASSO, 2.0, fit_intercept=True)
    assert close(solve(sparse.csr_array(thin), y, LASSO, 2.0, fit_intercept=True).objective, dense.objective)
    model = ReweightedRegressor(LASSO, lam=2.0).fit(sparse.csr_array(thin), y)
    np.testing.assert_allclose(model.coef_, dense.coef, atol=SOLVER)
    assert model.certificate_.value <= CERTIFICATE
    assert ReweightedRegressor(LASSO).compute_path(thin, y, n_lams=3).converged.all()


def test_a_difference_of_norms_is_stationary() -> None:
    X, y = data()
    penalty = L1MinusL2(0.5)
    s = solve(X, y, penalty, 3.0)
    assert s.status is Status.STATIONARY
    assert certify(X, y, s.coef, penalty, 3.0).relative_kkt <= FLOAT64
    assert certify(X, y, 1.01 * s.coef, penalty, 3.0).relative_kkt > 1e-4


@pytest.mark.parametrize("method", ["reweighted_ridge", "proximal_gradient", "majorize_minimize", "cvxpy"])
def test_other_methods_are_refused(method: Any) -> None:
    X, y = data()
    with pytest.raises(InputError, match="groups of weights"):
        solve(X, y, LASSO, 1.0, method=method)
    with pytest.raises(InputError, match="groups of weights"):
        path(X, y, LASSO, method=method)
