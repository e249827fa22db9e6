"""Several outputs with convex penalties: certificates recomputed by hand, agreement with cvxpy and scikit-learn."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax, xlogy

from etatrick.numerics.outputs import OutputsFit, Rows, fit_outputs, fit_outputs_path, largest_outputs_lam
from etatrick.numerics.outputs.posing import pose_outputs
from etatrick.numerics.outputs.standing import stand
from etatrick.numerics.solution import Status
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]
L1 = penalties["l1"](k=1)
SHAPES = [(60, 12, 3), (30, 50, 4)]


def data(n: int, d: int, K: int, loss: str, seed: int = 0) -> tuple[Array, Array]:
    """Return X and either numbers (n, K) or shares (n, K) of classes that overlap."""
    rng = np.random.default_rng([n, d, K, seed])
    X = rng.standard_normal((n, d)) + 0.3
    truth = np.where(np.arange(d)[:, None] < 4, rng.standard_normal((d, K)), 0.0)
    signal = X @ truth
    if loss == "squared":
        return X, signal + rng.standard_normal((n, K))
    labels = (signal + rng.gumbel(size=signal.shape)).argmax(axis=1)
    labels[:K] = np.arange(K)
    return X, np.eye(K)[labels]


def lengths(M: Array, rows: bool) -> Array:
    return np.linalg.norm(M, axis=1) if rows else np.abs(M)


def data_term(Y: Array, theta: Array, v: Array, loss: str) -> float:
    if loss == "squared":
        return 0.5 * float(v @ ((Y - theta) ** 2).sum(axis=1))
    return float(v @ (logsumexp(theta, axis=1) - (Y * theta).sum(axis=1)))


def textbook_gap(
    X: Array, Y: Array, found: OutputsFit, lam: float, loss: str, rows: bool, v: Array, o: Array, balanced: bool
) -> float:
    """Return P − D of the lasso or its rows: D = −Σ v ℓ*(u) + Σ v⟨u, o⟩ for a feasible u, from its textbook formula."""
    theta = X @ found.coef + found.intercept + o
    u = theta - Y if loss == "squared" else softmax(theta, axis=1) - Y
    if balanced:
        assert float(np.abs(v @ u).max()) <= 1e-12 * float(v @ np.abs(u).sum(axis=1))
    u = u * min(1.0, lam / float(lengths(X.T @ (v[:, None] * u), rows).max()))
    q = Y + u
    conjugate = (0.5 * (q**2 - Y**2) if loss == "squared" else xlogy(q, q)).sum(axis=1)
    primal = data_term(Y, theta, v, loss) + lam * float(lengths(found.coef, rows).sum())
    return primal + float(v @ (conjugate - (u * o).sum(axis=1)))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("intercept", [False, True], ids=["", "intercept"])
@pytest.mark.parametrize("fraction", [0.5, 0.05])
@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_gap_by_hand(loss: str, rows: bool, fraction: float, intercept: bool, shape: tuple[int, int, int]) -> None:
    X, Y = data(*shape, loss)
    rng = np.random.default_rng(1)
    v, o = rng.uniform(0.5, 2.0, shape[0]), 0.3 * rng.standard_normal(Y.shape)
    penalty: Any = Rows(L1) if rows else L1
    options: dict[str, Any] = {"fit_intercept": intercept, "sample_weight": v, "offset": o}
    lam = fraction * largest_outputs_lam(X, Y, penalty, loss, **options)
    found = fit_outputs(X, Y, penalty, lam, loss, **options)
    assert found.status is Status.OPTIMAL
    assert found.relative_gap is not None
    assert 0 <= found.relative_gap <= CERTIFICATE
    gap = textbook_gap(X, Y, found, lam, loss, rows, v, o, intercept)
    null = data_term(Y, o if not intercept else o + (v @ (Y - o) / v.sum() if loss == "squared" else 0.0), v, loss)
    assert -1e-13 * null <= gap <= CERTIFICATE * null
    theta = X @ found.coef + found.intercept + o
    assert close(found.objective, data_term(Y, theta, v, loss) + lam * float(lengths(found.coef, rows).sum()))
    assert (np.diff(found.history) <= 0).all()
    assert 0 < np.count_nonzero(found.coef) < found.coef.size or fraction < 0.1
    assert found.locally_minimal


@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize(
    "scalar",
    [
        L1,
        penalties["elastic_net"](mu=0.5),
        penalties["ridge"](c=1),
        penalties["huber"](delta=1),
        penalties["berhu"](delta=1),
    ],
    ids=["l1", "elastic_net", "ridge", "huber", "berhu"],
)
def test_no_gap_is_below_the_distance_to_the_minimum(scalar: Any, loss: str, rows: bool) -> None:
    """Weak duality at points that are not optimal: gap ≥ F − min F ≥ 0; a certificate that is too kind would fail."""
    penalty: Any = Rows(scalar) if rows else scalar
    X, Y = data(40, 8, 3, loss)
    lam = 4.0
    best = fit_outputs(X, Y, penalty, lam, loss, fit_intercept=True)
    assert best.status is Status.OPTIMAL
    task, _ = pose_outputs(X, Y, penalty, lam, loss, True, None, None)
    rng = np.random.default_rng(2)
    for scale in (1.0, 1e-2, 1e-4):
        W = best.coef + scale * rng.standard_normal(best.coef.shape)
        here = stand(task, W, best.intercept)
        assert here.gap is not None
        above = here.objective - best.objective
        assert above > 0
        assert here.gap >= above * (1 - 1e-6) - 1e-12 * best.objective
    assert stand(task, best.coef, best.intercept).objective == pytest.approx(best.objective, rel=1e-14)


def modelled(X: Array, Y: Array, loss: str, rows: bool, name: str, lam: float) -> float:
    """Return the minimum that cvxpy and Clarabel find, with an intercept."""
    import cvxpy as cp

    W, b = cp.Variable((X.shape[1], Y.shape[1])), cp.Variable((1, Y.shape[1]))
    theta = X @ W + np.ones((len(X), 1)) @ b
    if loss == "squared":
        term = cp.sum_squares(Y - theta) / 2
    else:
        term = cp.sum(cp.log_sum_exp(theta, axis=1)) - cp.sum(cp.multiply(Y, theta))
    charge = cp.sum(cp.norm(W, 2, axis=1)) if rows else cp.sum(cp.abs(W))
    if name == "elastic_net":
        charge = charge + 0.25 * cp.sum_squares(W)
    model = cp.Problem(cp.Minimize(term + lam * charge))
    model.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return float(model.value)


@pytest.mark.parametrize("name", ["l1", "elastic_net"])
@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_same_minimum_as_cvxpy(loss: str, rows: bool, name: str) -> None:
    X, Y = data(25, 6, 3, loss)
    scalar = L1 if name == "l1" else penalties["elastic_net"](mu=0.5)
    found = fit_outputs(X, Y, Rows(scalar) if rows else scalar, 2.0, loss, fit_intercept=True)
    assert close(found.objective, modelled(X, Y, loss, rows, name, 2.0), 1e-8)


def test_multi_task_lasso_of_scikit_learn() -> None:
    from sklearn.linear_model import MultiTaskElasticNet, MultiTaskLasso

    X, Y = data(50, 20, 3, "squared")
    lam = 0.1 * largest_outputs_lam(X, Y, Rows(L1), fit_intercept=True)
    found = fit_outputs(X, Y, Rows(L1), lam, fit_intercept=True)
    other = MultiTaskLasso(alpha=lam / 50, tol=1e-12, max_iter=100_000).fit(X, Y)
    np.testing.assert_allclose(found.coef, other.coef_.T, atol=SOLVER)
    np.testing.assert_allclose(found.intercept, other.intercept_, atol=SOLVER)
    enet = MultiTaskElasticNet(alpha=2 * lam / 50, l1_ratio=0.5, tol=1e-12, max_iter=100_000).fit(X, Y)
    mine = fit_outputs(X, Y, Rows(penalties["elastic_net"](mu=1)), lam, fit_intercept=True)
    np.testing.assert_allclose(mine.coef, enet.coef_.T, atol=SOLVER)


@pytest.mark.parametrize("intercept", [False, True])
def test_ridge_multinomial_of_scikit_learn_and_its_gauge(intercept: bool) -> None:
    """Shifts of a row by a constant leave the loss alone, so that the rows of the ridge solution sum to 0."""
    from sklearn.linear_model import LogisticRegression

    X, Y = data(80, 6, 4, "multinomial")
    found = fit_outputs(X, Y, penalties["ridge"](c=1), 0.7, "multinomial", fit_intercept=intercept)
    assert found.status is Status.OPTIMAL
    np.testing.assert_allclose(found.coef.sum(axis=1), 0, atol=1e-8)
    other = LogisticRegression(C=1 / 0.7, fit_intercept=intercept, tol=1e-12, max_iter=10_000).fit(X, Y.argmax(1))
    np.testing.assert_allclose(found.coef, other.coef_.T, atol=1e-4)
    theta = X @ other.coef_.T + other.intercept_
    reached = data_term(Y, theta, np.ones(80), "multinomial") + 0.35 * float((other.coef_**2).sum())
    assert found.objective <= reached + FLOAT64
    assert close(found.objective, reached, SOLVER)


def test_l1_multinomial_of_scikit_learn() -> None:
    from sklearn.linear_model import LogisticRegression

    X, Y = data(60, 8, 3, "multinomial")
    found = fit_outputs(X, Y.argmax(1), L1, 3.0, "multinomial")
    other = LogisticRegression(
        l1_ratio=1, C=1 / 3.0, solver="saga", fit_intercept=False, tol=1e-10, max_iter=100_000, random_state=0
    ).fit(X, Y.argmax(1))
    np.testing.assert_allclose(found.coef, other.coef_.T, atol=1e-5)


@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_paths_meet_single_fits(loss: str, rows: bool) -> None:
    for shape in SHAPES:
        X, Y = data(*shape, loss)
        penalty: Any = Rows(L1) if rows else L1
        path = fit_outputs_path(X, Y, penalty, n_lams=5, ratio=0.1, loss=loss, fit_intercept=True)
        assert path.coefs.shape == (5, *shape[1:])
        assert not path.solutions[0].coef.any()
        assert path.solutions[1].coef.any()
        for lam, fit in zip(path.lams, path.solutions, strict=True):
            assert fit.status is Status.OPTIMAL
            alone = fit_outputs(X, Y, penalty, lam, loss, fit_intercept=True)
            assert close(fit.objective, alone.objective, 1e-11)
