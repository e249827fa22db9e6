"""The working-set engine on convex problems: against cvxpy, scikit-learn, rewritten problems, textbook gaps."""

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.numerics.losses import loss_named
from etatrick.numerics.solution import Status
from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.task import pose_task
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
ENET = penalties["elastic_net"](mu=0.5)
LOSSES = ["squared", "logistic", "poisson", "gamma", "huber"]
ORACLE = 1e-7


def sample(loss: str, n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    signal = X[:, : max(1, d // 4)].sum(axis=1)
    y = signal + 0.5 * rng.standard_normal(n)
    if loss == "logistic":
        y = (signal + rng.logistic(size=n) > 0).astype(np.float64)
    if loss == "poisson":
        y = rng.poisson(np.exp(np.clip(signal / 2, -3, 3))).astype(np.float64)
    if loss == "gamma":
        y = np.exp(signal / 3) * rng.gamma(2.0, 0.5, n) + 1e-3
    return X, y


def value(loss: str, y: Array, theta: Array) -> Array:
    """Return the losses, written out by hand."""
    if loss == "squared":
        return 0.5 * (y - theta) ** 2
    if loss == "huber":
        r = np.abs(y - theta)
        return np.where(r <= 1, 0.5 * r**2, r - 0.5)
    if loss == "logistic":
        return np.logaddexp(0, theta) - y * theta
    return np.exp(theta) - y * theta if loss == "poisson" else y * np.exp(-theta) + theta


OMEGA: dict[str, tuple[Any, Callable[[Array], Any], Callable[[Any, Any], Any]]] = {
    "l1": (L1, lambda w: np.abs(w).sum(), lambda cp, v: cp.norm1(v)),
    "elastic_net": (ENET, lambda w: np.abs(w).sum() + w @ w / 4, lambda cp, v: cp.norm1(v) + cp.sum_squares(v) / 4),
    "ridge": (penalties["ridge"](c=1), lambda w: w @ w / 2, lambda cp, v: cp.sum_squares(v) / 2),
    "berhu": (
        penalties["berhu"](delta=1),
        lambda w: np.where(np.abs(w) <= 1, np.abs(w), (w**2 + 1) / 2).sum(),
        lambda cp, v: cp.norm1(v) + cp.sum_squares(cp.pos(cp.abs(v) - 1)) / 2,
    ),
    "huber": (
        penalties["huber"](delta=1),
        lambda w: np.where(np.abs(w) <= 1, w**2 / 2, np.abs(w) - 0.5).sum(),
        lambda cp, v: cp.sum(cp.huber(v)) / 2,
    ),
}


@pytest.mark.parametrize("shape", [(40, 8), (15, 30)], ids=str)
@pytest.mark.parametrize("name", list(OMEGA))
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # the comparison below says whether it is
def test_objective_is_that_of_cvxpy(loss: str, name: str, shape: tuple[int, int]) -> None:
    import cvxpy

    cp: Any = cvxpy
    penalty, omega, expression = OMEGA[name]
    X, y = sample(loss, *shape)
    rng = np.random.default_rng(5)
    v, offset = rng.uniform(0.5, 2.0, shape[0]), 0.3 * rng.standard_normal(shape[0])
    lam = 0.1 * float(np.max(np.abs(X.T @ (v * (y - y.mean())))))
    found = fit(X, y, penalty, lam, loss, fit_intercept=True, sample_weight=v, offset=offset)

    def objective(w: Array, b: float) -> float:
        return float(v @ value(loss, y, X @ w + b + offset) + lam * omega(w))

    w, b = cp.Variable(shape[1]), cp.Variable()
    terms = loss_named(loss).cvxpy_terms(y, X @ w + b + offset)
    model: Any = cp.Problem(cp.Minimize(v @ terms + lam * expression(cp, w)))
    model.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    mine, theirs = objective(found.coef, found.intercept), objective(w.value, float(b.value))
    assert found.status is Status.OPTIMAL
    assert found.relative_gap is not None
    assert found.relative_gap <= CERTIFICATE
    assert close(found.objective, mine, FLOAT64)
    assert mine <= theirs + ORACLE * (1 + abs(theirs))
    assert theirs - mine <= ORACLE * (1 + abs(mine))


def lasso_gap(X: Array, y: Array, w: Array, lam: float) -> float:
    """Return the textbook relative duality gap of the lasso."""
    r = y - X @ w
    theta = r * min(1.0, lam / float(np.max(np.abs(X.T @ r))))
    primal = 0.5 * float(r @ r) + lam * float(np.abs(w).sum())
    return (primal - 0.5 * float(y @ y - (y - theta) @ (y - theta))) / (0.5 * float(y @ y))


@pytest.mark.parametrize("fraction", [0.5, 0.1, 0.01, 0.001])
@pytest.mark.parametrize("shape", [(50, 20), (30, 120), (200, 500)], ids=str)
def test_lasso_gap_from_the_textbook(shape: tuple[int, int], fraction: float) -> None:
    X, y = sample("squared", *shape)
    lam = fraction * float(np.max(np.abs(X.T @ y)))
    found = fit(X, y, L1, lam)
    assert found.status is Status.OPTIMAL
    assert lasso_gap(X, y, found.coef, lam) <= CERTIFICATE
    assert (np.diff(found.history) <= 0).all()


def test_agrees_with_scikit_learn() -> None:
    from sklearn.linear_model import ElasticNet, LogisticRegression

    X, y = sample("squared", 60, 20)
    theirs = ElasticNet(alpha=0.1, l1_ratio=0.5, tol=1e-14, max_iter=100_000).fit(X, y)
    # scikit-learn: ½‖r‖²/n + α(ρ|w|₁ + (1 − ρ)w²/2); ours: ½‖r‖² + λ(|w|₁ + μw²/2)
    mine = fit(X, y, penalties["elastic_net"](mu=1), 60 * 0.05, fit_intercept=True)
    expected = 0.5 * float(np.sum((y - theirs.predict(X)) ** 2)) + 3 * float(
        np.abs(theirs.coef_).sum() + theirs.coef_ @ theirs.coef_ / 2
    )
    assert close(mine.objective, expected, SOLVER)
    X, y = sample("logistic", 80, 12)
    other = LogisticRegression(l1_ratio=1.0, C=0.5, solver="saga", tol=1e-10, max_iter=100_000).fit(X, y)
    found = fit(X, y, L1, 2.0, "logistic", fit_intercept=True)
    np.testing.assert_allclose(found.coef, other.coef_[0], atol=1e-4)


@pytest.mark.parametrize("loss", LOSSES)
def test_weights_are_repeated_rows(loss: str) -> None:
    X, y = sample(loss, 30, 10)
    times = np.random.default_rng(1).integers(0, 4, 30)
    weighted = fit(X, y, L1, 1.0, loss, fit_intercept=True, sample_weight=times)
    repeated = fit(np.repeat(X, times, axis=0), np.repeat(y, times), L1, 1.0, loss, fit_intercept=True)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-7)
    assert close(weighted.objective, repeated.objective)


def test_intercept_and_offset_are_a_centred_problem() -> None:
    X, y = sample("squared", 40, 60)
    X = X + 3.0
    offset = np.linspace(-1, 1, 40)
    found = fit(X, y, L1, 2.0, fit_intercept=True, offset=offset)
    z = y - offset
    plain = fit(X - X.mean(0), z - z.mean(), L1, 2.0)
    np.testing.assert_allclose(found.coef, plain.coef, atol=1e-9)
    assert close(found.intercept, float(z.mean() - X.mean(0) @ plain.coef), FLOAT64)
    assert close(found.objective, plain.objective)


@pytest.mark.parametrize("name", ["l1", "elastic_net", "huber"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("shape", [(40, 15), (20, 50)], ids=str)
def test_sparse_and_dense_agree(shape: tuple[int, int], loss: str, name: str) -> None:
    import scipy.sparse as sp

    X, y = sample(loss, *shape)
    X = np.where(np.abs(X) > 0.8, X, 0.0)
    penalty = OMEGA[name][0]
    dense = fit(X, y, penalty, 1.5, loss, fit_intercept=True)
    for form in (sp.csc_array(X), sp.csr_array(X)):
        other = fit(form, y, penalty, 1.5, loss, fit_intercept=True)
        assert close(other.objective, dense.objective, FLOAT64)
        np.testing.assert_allclose(other.coef, dense.coef, atol=2e-6)
        assert other.status is Status.OPTIMAL
    fortran = fit(np.asfortranarray(X), y, penalty, 1.5, loss, fit_intercept=True)
    assert close(fortran.objective, dense.objective, FLOAT64)


@pytest.mark.parametrize("loss", LOSSES)
def test_certificate_rejects_perturbed_points(loss: str) -> None:
    X, y = sample(loss, 40, 10)
    task = pose_task(X, y, L1, 1.0, loss, True, None, None)
    found = fit(X, y, L1, 1.0, loss, fit_intercept=True)
    rng = np.random.default_rng(2)
    for size in (1e-3, 1e-1):
        moved = stand(task, found.coef + size * rng.standard_normal(10), found.intercept)
        excess = moved.objective - found.objective
        assert excess > 0
        assert moved.gap is not None
        assert moved.gap >= excess - 1e-12 * abs(found.objective)  # a dual value below the minimum, never above
        assert moved.kkt > 1e-6


@pytest.mark.parametrize("loss", LOSSES)
def test_a_wrong_conjugate_would_be_seen(loss: str) -> None:
    """The dual value at any multiplier stays below the minimum: here at random feasible points, by hand."""
    X, y = sample(loss, 40, 10)
    found = fit(X, y, L1, 1.0, loss)
    family = loss_named(loss)
    rng = np.random.default_rng(4)
    for _ in range(20):
        theta = rng.standard_normal(40)
        u = family.slope(y, theta)
        u = u * min(1.0, 1.0 / float(np.max(np.abs(X.T @ u))))
        assert -float(family.conjugate(y, u).sum()) <= found.objective + 1e-10


@settings(max_examples=60, deadline=None, derandomize=True)
@given(data=st.data())
def test_any_small_problem_is_certified(data: Any) -> None:
    """Integers make ties, duplicate, zero and constant columns; n < d happens often."""
    n, d = data.draw(st.integers(2, 7)), data.draw(st.integers(1, 9))
    entries = st.lists(st.integers(-2, 2), min_size=n * d, max_size=n * d)
    X = np.array(data.draw(entries), dtype=np.float64).reshape(n, d)
    loss = data.draw(st.sampled_from(LOSSES))
    low, high = {"logistic": (0, 1), "poisson": (0, 4), "gamma": (1, 4)}.get(loss, (-3, 3))
    y = np.array(data.draw(st.lists(st.integers(low, high), min_size=n, max_size=n)), dtype=np.float64)
    intercept = data.draw(st.booleans())
    if intercept and (loss in ("logistic", "poisson")) and (len(set(y)) == 1):
        y[0] = 1 - y[0] if y[0] <= 1 else 0
    lam = data.draw(st.sampled_from([0.05, 0.5, 2.0]))
    name = data.draw(st.sampled_from(["l1", "elastic_net", "ridge"]))
    found = fit(X, y, OMEGA[name][0], lam, loss, fit_intercept=intercept)
    assert found.status is Status.OPTIMAL, (X, y, loss, name, lam, intercept, found)
    assert (np.diff(found.history) <= 0).all()
    nudged = replace(found, coef=found.coef + 1e-3)
    here = float(value(loss, y, X @ found.coef + found.intercept).sum()) + lam * OMEGA[name][1](found.coef)
    there = float(value(loss, y, X @ nudged.coef + found.intercept).sum()) + lam * OMEGA[name][1](nudged.coef)
    assert close(found.objective, here)
    assert here <= there + 1e-12
