"""`path`: its grid, its solutions against scikit-learn, and the order in which λ is visited."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from etatrick.errors import InputError
from etatrick.numerics import certify, path, solve
from etatrick.numerics.solver import lam_max
from etatrick.theory import penalties
from etatrick.theory.vector import KSupport
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
    assert all(s.converged for s in p.solutions)
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
    assert p.solutions[0].converged
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
    assert p.solutions[0].converged


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
        top = lam_max(X, y, member)
        assert not solve(X, y, member, 1.001 * top, start=np.zeros(8)).coef.any()
        assert solve(X, y, member, 0.999 * top, start=np.zeros(8)).coef.any()


def test_progress_is_reported() -> None:
    X, y = data()
    seen: list[float] = []
    path(X, y, penalties["log_sum"](epsilon=2), lams=[8.0, 4.0, 2.0, 1.0], progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    seen.clear()
    path(X, y, L1, lams=[8.0, 4.0, 2.0, 1.0], progress=seen.append)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_smooth_penalty_with_own_grid() -> None:
    X, y = data()
    p = path(X, y, penalties["ridge"](c=1), lams=[10.0, 1.0])
    for lam, coef in zip(p.lams, p.coefs, strict=True):
        np.testing.assert_allclose(coef, np.linalg.solve(X.T @ X + lam * np.eye(8), X.T @ y), atol=FLOAT64)


def test_data_without_signal_have_no_default_grid() -> None:
    X, y = data()
    with pytest.raises(InputError, match="lams"):
        path(X, 0 * y, L1)


@pytest.mark.parametrize("loss", ["squared", "huber", "logistic", "poisson", "gamma"])
@pytest.mark.parametrize("kind", [np.asarray, sparse.csc_array])
def test_every_loss_with_offset_and_weights_dense_and_sparse(kind: Any, loss: str) -> None:
    X, y = data()
    y = {"squared": y, "huber": y, "logistic": (y > 0) * 1.0, "poisson": np.floor(np.abs(y)), "gamma": np.exp(y / 4)}[
        loss
    ]
    extras: dict[str, Any] = {"offset": np.cos(np.arange(40)), "sample_weight": np.linspace(0.5, 2, 40)}
    X = kind(X * (np.abs(X) > 0.5))
    top = lam_max(X, y, L1, loss, fit_intercept=True, **extras)
    p = path(X, y, L1, n_lams=4, ratio=0.05, loss=loss, fit_intercept=True, **extras)
    assert p.lams[0] == top
    assert not p.coefs[0].any()
    assert p.coefs[1].any()
    for lam, s in zip(p.lams, p.solutions, strict=True):
        alone = solve(X, y, L1, lam, loss, fit_intercept=True, **extras)
        assert close(s.objective, alone.objective)
        again = certify(X, y, s.coef, L1, lam, loss, intercept=s.intercept, fit_intercept=True, **extras)
        assert again.value <= CERTIFICATE


@pytest.mark.parametrize("method", ["reweighted_ridge", "proximal_gradient", "majorize_minimize", "cvxpy"])
@pytest.mark.parametrize("name", ["l1", "log_sum"])
def test_every_method(name: str, method: Any) -> None:
    X, y = data()
    member = L1 if name == "l1" else penalties["log_sum"](epsilon=5)
    if (name, method) == ("log_sum", "cvxpy"):
        with pytest.raises(InputError, match="not convex"):
            path(X, y, member, n_lams=3, method=method)
        return
    seen: list[float] = []
    p, reference = path(X, y, member, n_lams=3, method=method, progress=seen.append), path(X, y, member, n_lams=3)
    np.testing.assert_array_equal(p.lams, reference.lams)
    np.testing.assert_allclose(p.coefs, reference.coefs, atol=SOLVER)
    assert seen == [1 / 3, 2 / 3, 1.0]


def test_lam_max_of_joint_scales_leaves_little() -> None:
    X, y = data()
    joint = KSupport(3)
    top = lam_max(X, y, joint)
    s = solve(X, y, joint, top)
    assert s.objective >= 0.9 * 0.5 * float(y @ y)
    assert path(X, y, joint, n_lams=3).lams[0] == top
    shifted = lam_max(X, y - 1, joint, offset=np.full(40, -1.0))
    assert close(shifted, top)


def test_offset_is_subtracted_from_y() -> None:
    X, y = data()
    offset = np.sin(np.arange(40))
    for penalty in (L1, penalties["log_sum"](epsilon=5), KSupport(3)):
        with_offset, without = solve(X, y, penalty, 3.0, offset=offset), solve(X, y - offset, penalty, 3.0)
        np.testing.assert_allclose(with_offset.coef, without.coef, atol=FLOAT64)
        c = certify(X, y, with_offset.coef, penalty, 3.0, offset=offset)
        assert c.value <= CERTIFICATE
        assert certify(X, y, with_offset.coef, penalty, 3.0).value > 1e-4
