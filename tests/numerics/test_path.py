"""`path`: its grid, its solutions against scikit-learn, and the order in which λ is visited."""

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import Status, path, solve
from etatrick.numerics.problem import problem
from etatrick.numerics.solver import lam_max
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)


def data(n: int = 40, d: int = 8) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [3.0, -2.0, 1.0] + 0.5 * rng.standard_normal(n)


@pytest.mark.parametrize("shape", [(40, 8), (15, 30)], ids=str)
def test_against_scikit_learn(shape: tuple[int, int]) -> None:
    from sklearn.linear_model import lasso_path

    X, y = data(*shape)
    p = path(X, y, L1, n_lams=20)
    coefs = lasso_path(X, y, alphas=p.lams / shape[0], tol=1e-12, max_iter=1_000_000)[1]
    np.testing.assert_allclose(p.coefs, coefs.T, atol=SOLVER)
    assert all(s.status is Status.CONVERGED for s in p.solutions)
    assert max(c.value for c in p.certificates) <= CERTIFICATE


def test_default_grid() -> None:
    X, y = data()
    p = path(X, y, penalties["l1"](k=4), n_lams=7, ratio=0.1)
    top = float(np.max(np.abs(X.T @ y))) / 4
    assert close(p.lams[0], top)
    assert close(p.lams[-1], 0.1 * top)
    np.testing.assert_allclose(np.diff(np.log(p.lams)), np.log(0.1) / 6, rtol=FLOAT64)
    np.testing.assert_allclose(p.coefs[0], 0.0, atol=FLOAT64)
    assert p.coefs.shape == (7, 8)
    assert p.solutions[0].status is Status.CONVERGED
    assert p.solutions[0].iterations <= 100


def test_grid_is_of_the_centred_weighted_problem() -> None:
    X, y = data()
    weights = np.arange(40.0)
    p = path(X, y + 30, L1, n_lams=3, fit_intercept=True, sample_weight=weights)
    centred = (X - np.average(X, axis=0, weights=weights)) * weights[:, None]
    assert close(p.lams[0], float(np.max(np.abs(centred.T @ (y - np.average(y, weights=weights))))))
    assert p.coefs[1].any()


def test_one_value() -> None:
    X, y = data()
    p = path(X, y, L1, n_lams=1)
    assert p.lams.shape == (1,)
    assert p.coefs.shape == (1, 8)
    assert p.solutions[0].status is Status.CONVERGED


@pytest.mark.parametrize("name", ["l1", "log_sum"])
def test_any_order_of_lambda(name: str) -> None:
    X, y = data()
    member = L1 if name == "l1" else penalties["log_sum"](epsilon=2)
    lams = [0.5, 2.0, 40.0, 8.0, 0.0]
    p = path(X, y, member, lams=lams)
    np.testing.assert_array_equal(p.lams, lams)
    for lam, s in zip(lams, p.solutions, strict=True):
        alone = solve(X, y, member, lam)
        assert s.objective <= alone.objective + FLOAT64
        assert s.certificate.relative_kkt <= CERTIFICATE
        if name == "l1":
            np.testing.assert_allclose(s.coef, alone.coef, atol=FLOAT64)


def test_every_penalty_from_zero_up() -> None:
    """λ_max is the least λ at which 0 is stationary: just below it a weight moves."""
    X, y = data()
    for member in (L1, penalties["log_sum"](epsilon=5), penalties["elastic_net"](mu=3)):
        top = lam_max(problem(X, y, member, 1.0))
        assert not solve(X, y, member, 1.001 * top, start=np.zeros(8)).coef.any()
        assert solve(X, y, member, 0.999 * top, start=np.zeros(8)).coef.any()


def test_progress_is_reported() -> None:
    X, y = data()
    seen: list[float] = []
    path(X, y, L1, lams=[8.0, 4.0, 2.0, 1.0], progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]


def test_smooth_penalty_with_own_grid() -> None:
    X, y = data()
    p = path(X, y, penalties["ridge"](c=1), lams=[10.0, 1.0])
    for lam, coef in zip(p.lams, p.coefs, strict=True):
        np.testing.assert_allclose(coef, np.linalg.solve(X.T @ X + lam * np.eye(8), X.T @ y), atol=FLOAT64)


def test_data_without_signal_have_no_default_grid() -> None:
    X, y = data()
    with pytest.raises(InputError, match="lams"):
        path(X, 0 * y, L1)
