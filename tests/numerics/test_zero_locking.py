"""Zero locking: η̂(0) = 0 makes w = 0 absorbing for reweighted ridge; `solve` must let go."""

from itertools import islice
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import Status, certify, path, solve
from etatrick.numerics.problem import problem
from etatrick.numerics.reweighted import reweighted_ridge
from etatrick.theory import penalties, strategies
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
KINKED: dict[str, Any] = {
    "l1": L1,
    "elastic_net": penalties["elastic_net"](mu=1),
    "log_sum": penalties["log_sum"](epsilon=1),
    "ard": strategies["ard"](c=1),
}


def data(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    truth = np.where(np.arange(d) < 5, 2.0, 0.0)
    return X, X @ truth + 0.5 * rng.standard_normal(n)


@pytest.mark.parametrize("name", list(KINKED))
def test_plain_iteration_stays_locked(name: str) -> None:
    X, y = data(30, 8)
    posed = problem(X, y, KINKED[name], 1.0)
    for coef in islice(reweighted_ridge(posed, np.zeros(8)), 50):
        np.testing.assert_array_equal(coef, 0.0)
    partial = np.where(np.arange(8) % 2, 1.0, 0.0)
    for coef in islice(reweighted_ridge(posed, partial), 50):
        np.testing.assert_array_equal(coef[::2], 0.0)
    assert certify(X, y, np.zeros(8), KINKED[name], 1.0).relative_kkt > 0.5


@pytest.mark.parametrize("name", ["cauchy", "geman_mcclure", "ridge", "fair"])
def test_smooth_penalties_never_lock(name: str) -> None:
    member = penalties[name](**({"c": 1} if name != "fair" else {}))
    X, y = data(30, 8)
    first = next(iter(reweighted_ridge(problem(X, y, member, 1.0), np.zeros(8))))
    assert (first != 0).all()


def test_documented_example() -> None:
    """One locked coordinate of two: the objective at the lock is far above the optimum."""
    X, y = np.eye(2), np.array([1.5, 1.0])
    locked = None
    for coef in islice(reweighted_ridge(problem(X, y, L1, 0.2), np.array([1.0, 0.0])), 200):
        locked = coef
    assert locked is not None
    assert locked[1] == 0
    s = solve(X, y, L1, 0.2, start=[1.0, 0.0])
    np.testing.assert_allclose(s.coef, [1.3, 0.8], atol=FLOAT64)


@pytest.mark.parametrize("name", ["l1", "elastic_net"])
@pytest.mark.parametrize("shape", [(30, 8), (8, 30), (40, 30)], ids=str)
@pytest.mark.parametrize("locked", ["all", "even", "wanted"])
@pytest.mark.parametrize("fraction", [0.02, 0.8])
def test_solve_releases(name: str, shape: tuple[int, int], locked: str, fraction: float) -> None:
    X, y = data(*shape)
    d = shape[1]
    start = {
        "all": np.zeros(d),
        "even": np.where(np.arange(d) % 2, 1.0, 0.0),
        "wanted": np.where(np.arange(d) < 5, 0.0, 1.0),
    }[locked]
    lam = fraction * float(np.max(np.abs(X.T @ y)))
    s, reference = solve(X, y, KINKED[name], lam, start=start), solve(X, y, KINKED[name], lam)
    assert s.converged, s.certificate
    assert s.certificate.value <= CERTIFICATE
    assert close(s.objective, reference.objective)


@pytest.mark.parametrize("name", ["log_sum", "ard"])
@pytest.mark.parametrize("fraction", [0.05, 0.3])
def test_solve_releases_nonconvex(name: str, fraction: float) -> None:
    X, y = data(30, 8)
    lam = fraction * float(np.max(np.abs(X.T @ y)))
    s = solve(X, y, KINKED[name], lam, start=np.zeros(8))
    assert s.converged
    assert s.certificate.relative_kkt <= CERTIFICATE
    assert s.coef.any()
    assert s.objective < 0.5 * float(y @ y)


def test_one_coordinate_released_exactly_at_its_optimum() -> None:
    """Releasing lands on the exact minimiser along the axis, so the next steps change nothing: no stall."""
    X = np.linalg.qr(np.random.default_rng(0).standard_normal((6, 4)))[0]
    s = solve(X, X @ [4.0, 3.0, 2.0, 1.0], L1, 0.5, start=np.zeros(4))
    assert s.converged
    np.testing.assert_allclose(s.coef, [3.5, 2.5, 1.5, 0.5], atol=FLOAT64)


def test_many_locked_coordinates() -> None:
    """A dense solution from 0: hundreds of releases must not run into the iteration limit."""
    X, y = data(300, 220, seed=1)
    lam = 1e-3 * float(np.max(np.abs(X.T @ y)))
    s = solve(X, y, L1, lam, start=np.zeros(220))
    assert s.converged
    assert s.certificate.value <= CERTIFICATE


def test_stationary_zeros_stay() -> None:
    """An infinite slope holds 0 whatever the data: releasing it would be wrong."""
    X, y = data(30, 8)
    root = penalties["lp"](p=0.5)
    s = solve(X, y, root, 1.0, method="reweighted_ridge", start=np.zeros(8))
    np.testing.assert_array_equal(s.coef, 0.0)
    assert s.certificate.kkt == 0
    assert s.status is Status.STATIONARY
    assert solve(X, y, root, 1.0, start=np.zeros(8)).objective < s.objective  # continuation finds a lower one


@pytest.mark.parametrize("name", list(KINKED))
@pytest.mark.parametrize("shape", [(40, 10), (12, 30)], ids=str)
def test_path_has_no_locked_coordinate(name: str, shape: tuple[int, int]) -> None:
    X, y = data(*shape)
    p = path(X, y, KINKED[name], n_lams=8, ratio=2e-2)
    for lam, s in zip(p.lams, p.solutions, strict=True):
        assert s.converged, (lam, s.certificate)
        descent = np.abs(X.T @ (y - X @ s.coef))
        slope = 1.0
        free = descent[s.coef == 0]
        assert (free <= lam * slope * (1 + SOLVER)).all()
        assert s.certificate.relative_kkt <= CERTIFICATE
