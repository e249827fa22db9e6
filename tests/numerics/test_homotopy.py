"""The lasso's path by homotopy: exact knots, interpolation, degenerate data, and what it says where it cannot go on."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.lasso_path import HomotopyPath, homotopy
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
KINDS = ["plain", "integer", "binary", "duplicated", "collinear", "constant", "scaled", "near"]


def data(kind: str, seed: int) -> tuple[Array, Array]:
    """Return a small problem that is degenerate in one way."""
    rng = np.random.default_rng([KINDS.index(kind), seed])
    n, d = int(rng.integers(5, 50)), int(rng.integers(3, 60))
    X = rng.standard_normal((n, d))
    half = max(d // 2, 1)
    X = {
        "plain": X,
        "integer": rng.integers(-2, 3, (n, d)).astype(np.float64),
        "binary": (rng.random((n, d)) < 0.3).astype(np.float64),
        "duplicated": np.hstack([X, X[:, :half], -X[:, :1]]),
        "collinear": np.hstack([X[:, :half], X[:, :half] @ rng.integers(-1, 2, (half, d))]),
        "constant": np.where(np.arange(d) % 3 == 0, 2.5, X),
        "scaled": X * 10.0 ** rng.uniform(-6, 6, d),
        "near": np.hstack([X, X + 1e-7 * rng.standard_normal(X.shape)]),
    }[kind]
    d = X.shape[1]
    y = X @ (rng.standard_normal(d) * (rng.random(d) < 0.3)) + rng.standard_normal(n)
    return X, np.round(y) if kind == "integer" else y


def relative_gap(X: Array, y: Array, w: Array, lam: float, ridge: float = 0.0) -> float:
    """Return (P − D)/P(0) of ½‖y − Xw‖² + λ‖w‖₁ + ½ρ‖w‖² from the textbook's dual."""
    r = y - X @ w
    z = X.T @ r - ridge * w
    q = float(r @ r) + ridge * float(w @ w)
    s = min(1.0, lam / float(np.abs(z).max()))
    fenchel = lam * float(np.abs(w).sum()) - s * float(w @ z)
    return (0.5 * (1 - s) ** 2 * q + fenchel) / (0.5 * float(y @ y))


@pytest.mark.parametrize("shape", [(80, 20), (30, 90)], ids=str)
def test_knots_are_those_of_scikit_learn(shape: tuple[int, int]) -> None:
    from sklearn.linear_model import lars_path

    rng = np.random.default_rng(shape)
    X = rng.standard_normal(shape)
    y = X[:, :5].sum(1) + rng.standard_normal(shape[0])
    found = homotopy(X, y, L1, ratio=0.01)
    alphas, _, coefs = lars_path(X, y, method="lasso", alpha_min=found.lams[-1] / shape[0], max_iter=2000)
    assert found.complete
    assert len(found.lams) == len(alphas)
    assert np.allclose(found.lams, shape[0] * alphas, rtol=FLOAT64)
    assert np.allclose(found.coefs, coefs.T, atol=1e-8)


@pytest.mark.parametrize("ridge", [0.0, 3.0])
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("kind", KINDS)
def test_every_gap_from_the_data_whatever_the_columns(kind: str, seed: int, ridge: float) -> None:
    X, y = data(kind, seed)
    found = homotopy(X, y, L1, ridge=ridge)
    top = float(np.abs(X.T @ y).max())
    assert close(found.lams[0], top)
    for lam, coef in zip(found.lams, found.coefs, strict=True):
        assert relative_gap(X, y, coef, float(lam), ridge) <= CERTIFICATE
    for share in (0.8, 0.11, 0.013, 0.0021):
        at = found.at(share * top)
        assert relative_gap(X, y, at.coef, share * top, ridge) <= CERTIFICATE
        assert at.status.converged
        if share * top >= found.lams[-1]:
            [between] = found.between([share * top])
            assert relative_gap(X, y, between, share * top, ridge) <= 10 * CERTIFICATE
    if kind in ("plain", "integer", "binary", "constant", "scaled") and ridge == 0:
        assert found.complete, found.stopped


@pytest.mark.parametrize("shape", [(40, 12), (15, 40)], ids=str)
def test_intercept_weights_and_offset_are_a_rewritten_problem(shape: tuple[int, int]) -> None:
    rng = np.random.default_rng(shape)
    X, v, offset = rng.standard_normal(shape) + 1.0, rng.uniform(0.2, 2.0, shape[0]), rng.standard_normal(shape[0])
    y = X[:, 0] - 2 * X[:, 1] + rng.standard_normal(shape[0])
    found = homotopy(X, y, L1, ratio=0.02, fit_intercept=True, sample_weight=v, offset=offset)
    root = np.sqrt(v)
    centred = root[:, None] * (X - v @ X / v.sum())
    other = homotopy(centred, root * (y - offset - v @ (y - offset) / v.sum()), L1, ratio=0.02)
    assert np.allclose(found.lams, other.lams, rtol=1e-9)
    assert np.allclose(found.coefs, other.coefs, atol=1e-9)
    residual = y - offset - X @ found.coefs[-1] - found.intercepts[-1]
    assert abs(float(v @ residual)) <= 1e-9


@pytest.mark.parametrize("ridge", [0.0, 2.0])
def test_agreement_with_cvxpy(ridge: float) -> None:
    import cvxpy as cp

    X, y = data("plain", 1)
    found = homotopy(X, y, L1, ridge=ridge)
    for lam in found.lams[[len(found.lams) // 2, -1]]:
        w = cp.Variable(X.shape[1])
        value = 0.5 * cp.sum_squares(y - X @ w) + float(lam) * cp.norm1(w) + 0.5 * ridge * cp.sum_squares(w)
        best = float(cp.Problem(cp.Minimize(value)).solve(solver=cp.CLARABEL))
        ours = found.at(float(lam))
        assert close(ours.objective, best, SOLVER)


def test_sparse_columns_give_the_same_knots() -> None:
    from scipy.sparse import csc_array

    X, y = data("binary", 2)
    dense, sparse = homotopy(X, y, L1), homotopy(csc_array(X), y, L1)
    assert np.allclose(dense.lams, sparse.lams, rtol=1e-9)
    assert np.allclose(dense.coefs, sparse.coefs, atol=1e-9)


def test_a_knot_that_is_wrong_ends_the_path(monkeypatch: pytest.MonkeyPatch) -> None:
    from etatrick.numerics.working_set.follower import Follower

    honest = Follower._joining

    def late(self: Follower, dp: Array) -> Any:
        step, index, sign = honest(self, dp)
        return (1.3 if self.size == 4 else 1.0) * step, index, sign

    X, y = data("plain", 0)
    right = homotopy(X, y, L1)
    monkeypatch.setattr(Follower, "_joining", late)
    wrong = homotopy(X, y, L1)
    assert right.complete
    assert not wrong.complete
    assert "duality gap" in wrong.stopped
    assert len(wrong.lams) < len(right.lams)
    assert np.allclose(wrong.coefs, right.coefs[: len(wrong.coefs)], atol=1e-9)
    monkeypatch.undo()
    below = wrong.at(float(right.lams[-1]))
    assert relative_gap(X, y, below.coef, float(right.lams[-1])) <= CERTIFICATE
    with pytest.raises(InputError, match="knots end"):
        wrong.between([float(right.lams[-1])])


BAD: list[tuple[str, dict[str, Any]]] = [
    ("NaN", {"X": np.array([[1.0, np.nan], [2.0, 1.0]])}),
    ("one number per row", {"y": [1.0, 2.0, 3.0]}),
    ("multiple of", {"penalty": penalties["elastic_net"](mu=0.5)}),
    ("multiple of", {"penalty": penalties["mcp"](A=3)}),
    ("strictly between", {"ratio": 0.0}),
    ("strictly between", {"ratio": 1.0}),
    ("finite number", {"ridge": -1.0}),
    ("finite number", {"ridge": np.nan}),
    ("nothing that X could explain", {"y": [0.0, 0.0]}),
]


@pytest.mark.parametrize(("message", "change"), BAD)
def test_bad_input(message: str, change: dict[str, Any]) -> None:
    given: dict[str, Any] = {"X": np.eye(2), "y": [1.0, 2.0], "penalty": L1, **change}
    with pytest.raises(InputError, match=message):
        homotopy(**given)


@pytest.mark.parametrize("lam", [0.0, -1.0, np.nan, "1"])
def test_a_bad_lam(lam: Any) -> None:
    found: HomotopyPath = homotopy(np.eye(2), [1.0, 2.0], L1)
    with pytest.raises(InputError, match="λ must be"):
        found.at(lam)
