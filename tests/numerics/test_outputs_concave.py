"""Several outputs with penalties that are not convex: stationarity by hand, descent, brute force."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import logsumexp, softmax

from etatrick.numerics.outputs import Rows, fit_outputs, fit_outputs_path, largest_outputs_lam
from etatrick.numerics.outputs.posing import pose_outputs
from etatrick.numerics.outputs.second_order import outputs_locally_minimal
from etatrick.numerics.outputs.standing import stand
from etatrick.numerics.solution import Status
from etatrick.theory import penalties
from tolerances import FLOAT64, close

Array = NDArray[np.float64]
L1 = penalties["l1"](k=1)


def mcp(w: Array) -> Array:
    return np.where(w <= 3, w - w**2 / 6, 1.5)


def scad(w: Array) -> Array:
    middle = (2 * 3.7 * w - w**2 - 1) / (2 * 2.7)
    return np.asarray(np.where(w <= 1, w, np.where(w <= 3.7, middle, 2.35)), dtype=np.float64)


# penalty, Ω by hand, Ω′ by hand
CASES: dict[str, tuple[Any, Callable[[Array], Any], Callable[[Array], Any]]] = {
    "mcp": (penalties["mcp"](A=3), mcp, lambda w: np.maximum(1 - w / 3, 0)),
    "scad": (penalties["scad"](a=3.7, ell=1), scad,
             lambda w: np.where(w <= 1, 1.0, np.maximum(3.7 - w, 0) / 2.7)),
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: np.log1p(2 * w), lambda w: 1 / (0.5 + w)),
    "lp": (penalties["lp"](p=0.5), lambda w: 2 * np.sqrt(w), lambda w: np.maximum(w, 1e-300) ** -0.5),
    "cauchy": (penalties["cauchy"](c=1), lambda w: 0.5 * np.log1p(w**2), lambda w: w / (1 + w**2)),
}  # fmt: skip


def data(n: int, d: int, K: int, loss: str, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, K, seed])
    X = rng.standard_normal((n, d))
    signal = X[:, :3] @ rng.standard_normal((min(3, d), K)) * (1.0 if loss == "multinomial" else 2.0)
    if loss == "squared":
        return X, signal + 0.5 * rng.standard_normal((n, K))
    labels = (signal + rng.gumbel(size=signal.shape)).argmax(axis=1)
    labels[:K] = np.arange(K)
    return X, np.eye(K)[labels]


def lengths(M: Array, rows: bool) -> Array:
    return np.linalg.norm(M, axis=1) if rows else np.abs(M)


def data_term(Y: Array, theta: Array, loss: str) -> float:
    if loss == "squared":
        return 0.5 * float(((Y - theta) ** 2).sum())
    return float((logsumexp(theta, axis=1) - (Y * theta).sum(axis=1)).sum())


@pytest.mark.parametrize("shape", [(90, 8, 3), (40, 60, 3)], ids=str)
@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("name", list(CASES))
def test_stationary_by_hand(name: str, loss: str, rows: bool, shape: tuple[int, int, int]) -> None:
    penalty, omega, slope = CASES[name]
    X, Y = data(*shape, loss)
    lam = (0.1 if name == "lp" else 0.25) * largest_outputs_lam(X, Y, Rows(L1) if rows else L1, loss)
    found = fit_outputs(X, Y, Rows(penalty) if rows else penalty, lam, loss)
    assert found.status is Status.STATIONARY
    assert found.gap is None
    theta = X @ found.coef
    pull = X.T @ (Y - theta if loss == "squared" else Y - softmax(theta, axis=1))
    null = X.T @ (Y if loss == "squared" else Y - 1 / shape[2])
    scale = float(lengths(null, rows).max())
    size = lengths(found.coef, rows)
    on = size > 0
    unit = np.divide(found.coef, size[:, None] if rows else size, out=np.zeros_like(found.coef),
                     where=(on[:, None] if rows else on))  # fmt: skip
    factor = lam * slope(size)
    away = lengths(pull - (factor[:, None] if rows else factor) * unit, rows)
    assert float(away[on].max(initial=0.0)) <= 1e-10 * scale
    assert (lengths(pull, rows)[~on] <= lam * slope(np.zeros(1)) + 1e-10 * scale).all()
    objective = data_term(Y, theta, loss) + lam * float(omega(size).sum())
    assert close(found.objective, objective)
    assert objective <= data_term(Y, 0 * theta, loss) * (1 + 1e-12)
    assert on.any()
    assert (np.diff(found.history) <= 0).all()


@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("name", ["mcp", "log_sum", "cauchy"])
def test_never_worse_than_the_start_and_no_descent_nearby(name: str, loss: str, rows: bool) -> None:
    penalty, omega, _ = CASES[name]
    X, Y = data(60, 6, 3, loss, 1)
    rng = np.random.default_rng(5)

    def objective(W: Array, b: Array) -> float:
        return data_term(Y, X @ W + b, loss) + 4.0 * float(omega(lengths(W, rows)).sum())

    for start in (np.zeros((6, 3)), rng.standard_normal((6, 3))):
        found = fit_outputs(X, Y, Rows(penalty) if rows else penalty, 4.0, loss, fit_intercept=True, start=start)
        b = np.zeros(3) if loss == "multinomial" else (Y - X @ start).mean(axis=0)
        assert found.objective <= objective(start, b) * (1 + 1e-12)
        assert close(found.objective, objective(found.coef, found.intercept))
        for scale in (1e-2, 1e-3):
            for _ in range(20):
                W = found.coef + scale * rng.standard_normal((6, 3))
                b = found.intercept + scale * rng.standard_normal(3)
                assert objective(W, b) >= found.objective - 1e-9


@pytest.mark.parametrize("name", ["mcp", "log_sum", "lp"])
def test_near_the_global_minimum_of_one_column(name: str) -> None:
    """One column of X, two outputs: the row is on a grid, for squared errors with a penalty on its length."""
    penalty, omega, _ = CASES[name]
    X, Y = data(30, 1, 2, "squared", 2)
    found = fit_outputs(X, Y, Rows(penalty), 4.0)
    axis = np.linspace(-6, 6, 401)
    grid = np.stack(np.meshgrid(axis, axis), axis=-1).reshape(-1, 2)
    values = 0.5 * (Y**2).sum() - grid @ (Y.T @ X[:, 0]) + 0.5 * (X[:, 0] @ X[:, 0]) * (grid**2).sum(axis=1)
    values = values + 4.0 * omega(np.linalg.norm(grid, axis=1))
    assert found.objective <= float(values.min()) + FLOAT64
    assert found.locally_minimal
    assert found.coef.any()


@pytest.mark.parametrize("rows", [False, True], ids=["entries", "rows"])
def test_a_saddle_is_no_local_minimum(rows: bool) -> None:
    """Two equal columns that share the weight: a shift between them leaves the loss, and log(1 + w/ε) falls on it."""
    x, a, lam, epsilon = np.array([1.0, 2.0, -1.0]), 6.0, 2.0, 0.5
    X, Y = np.column_stack([x, x]), np.column_stack([a * x, 0 * x])
    q = float(x @ x)  # q(a − 2s)(ε + s) = λ
    s = max(np.roots([-2 * q, q * (a - 2 * epsilon), q * a * epsilon - lam]).real)
    W = np.array([[s, 0.0], [s, 0.0]])
    penalty = penalties["log_sum"](epsilon=epsilon)
    task, _ = pose_outputs(X, Y, Rows(penalty) if rows else penalty, lam, "squared", False, None, None)
    shared, one = stand(task, W, np.zeros(2)), stand(task, np.array([[1.0, 0.0], [0.0, 0.0]]) * 2 * s, np.zeros(2))
    assert shared.kkt <= 1e-12 * task.scale
    assert one.objective < shared.objective
    assert not outputs_locally_minimal(task, shared, 1e-9)
    found = fit_outputs(X, Y, Rows(penalty) if rows else penalty, lam)
    assert found.locally_minimal
    assert found.objective <= one.objective


def test_paths_of_concave_penalties_are_stationary() -> None:
    for loss in ("squared", "multinomial"):
        X, Y = data(60, 12, 3, loss)
        for penalty in (CASES["log_sum"][0], Rows(CASES["log_sum"][0])):
            path = fit_outputs_path(X, Y, penalty, n_lams=4, ratio=0.2, loss=loss, fit_intercept=True)
            assert all(one.status is Status.STATIONARY and one.relative_kkt <= FLOAT64 for one in path.solutions)
            assert path.solutions[-1].coef.any()
