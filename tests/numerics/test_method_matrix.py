"""Every loss with every penalty by every method of `solve`: certificates, agreement, rewritten problems, refusals."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from etatrick.errors import InputError
from etatrick.numerics import certify, solve
from etatrick.numerics.losses import loss_named
from etatrick.numerics.solution import Solution, Status
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

N, D, LAM = 60, 5, 1.5
LOSSES = ["squared", "huber", "logistic", "poisson", "gamma"]
METHODS = ["working_set", "reweighted_ridge", "proximal_gradient", "majorize_minimize", "cvxpy"]
# so little concave that on these data every stationary point is the minimum: the methods must agree
MEMBERS: dict[str, Any] = {
    "l1": penalties["l1"](k=1),
    "elastic_net": penalties["elastic_net"](mu=0.5),
    "ridge": penalties["ridge"](c=2),
    "lp_3/2": penalties["lp"](p=1.5),
    "fair": penalties["fair"](),
    "log_sum": penalties["log_sum"](epsilon=3),
    "mcp": penalties["mcp"](A=8),
    "scad": penalties["scad"](a=6, ell=1),
    "cauchy": penalties["cauchy"](c=9),
    "lp_1/2": penalties["lp"](p=0.5),
}
CONVEX = {"l1", "elastic_net", "ridge", "lp_3/2", "fair"}
MODELLED = {"l1", "elastic_net", "ridge", "lp_3/2"}


def why_not(loss: str, name: str, method: str) -> str | None:
    """Return what the refusal of a pair must say, None for a pair that is supported."""
    if method == "reweighted_ridge" and loss != "squared":
        return "squared loss"
    if method == "majorize_minimize" and name == "cauchy":
        return "neither convex nor concave"
    if method == "cvxpy" and name not in CONVEX:
        return "not convex"
    if method == "cvxpy" and name not in MODELLED:
        return "no form"
    return None


def triples(supported: bool) -> list[tuple[str, str, str]]:
    return [(loss, name, method) for loss in LOSSES for name in MEMBERS for method in METHODS
            if (why_not(loss, name, method) is None) is supported]  # fmt: skip


@lru_cache
def data(loss: str, n: int = N, d: int = D) -> tuple[Array, Array, dict[str, Any]]:
    """Return X, y, and weights (some 0) with an offset and an intercept."""
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    theta = X[:, :2] @ [1.0, -0.6] + 0.3
    draws: dict[str, Callable[[], Any]] = {
        "squared": lambda: theta + 0.5 * rng.standard_normal(n),
        "huber": lambda: theta + rng.standard_t(2, n),
        "logistic": lambda: (rng.random(n) < 1 / (1 + np.exp(-theta))) * 1.0,
        "poisson": lambda: rng.poisson(np.exp(theta)) * 1.0,
        "gamma": lambda: np.exp(theta) * rng.gamma(2.0, 0.5, n),
    }
    extras: dict[str, Any] = {
        "fit_intercept": True,
        "sample_weight": np.arange(n) % 4 * 1.0,
        "offset": 0.3 * np.sin(np.arange(n)),
    }
    return X, np.asarray(draws[loss](), dtype=np.float64), extras


def value(name: str, w: Array) -> float:
    """Return ΣΩ, written out by hand."""
    w = np.abs(w)
    table = {
        "l1": w,
        "elastic_net": w + w * w / 4,
        "ridge": w * w / 4,
        "lp_3/2": w**1.5 / 1.5,
        "fair": w - np.log1p(w),
        "log_sum": np.log1p(w / 3),
        "mcp": np.where(w < 8, w - w * w / 16, 4.0),
        "scad": np.where(w < 1, w, np.where(w < 6, (12 * w - w * w - 1) / 10, 3.5)),
        "cauchy": 4.5 * np.log1p(w * w / 9),
        "lp_1/2": 2 * np.sqrt(w),
    }
    return float(table[name].sum())


def objective(loss: str, name: str, w: Array, b: float) -> float:
    X, y, extras = data(loss)
    theta = X @ w + b + extras["offset"]
    return float(extras["sample_weight"] @ loss_named(loss).value(y, theta)) + LAM * value(name, w)


@lru_cache
def solved(loss: str, name: str, method: Any) -> Solution:
    X, y, extras = data(loss)
    start = np.ones(D) if name == "lp_1/2" else None  # whose zeros are all local minima
    return solve(X, y, MEMBERS[name], LAM, loss, method, **extras, start=start)


@pytest.mark.parametrize(("loss", "name", "method"), triples(True))
def test_the_certificate_is_that_of_the_data(loss: str, name: str, method: str) -> None:
    X, y, extras = data(loss)
    s = solved(loss, name, method)
    here = objective(loss, name, s.coef, s.intercept)
    assert close(s.objective, here)
    again = certify(X, y, s.coef, MEMBERS[name], LAM, loss, intercept=s.intercept, **extras)
    assert (again.gap is None) == (name not in CONVEX)
    assert close(again.kkt, s.kkt)
    exact = method != "cvxpy"  # an interior point's last digits
    assert again.value <= (SOLVER if not exact else CERTIFICATE if name in CONVEX else FLOAT64)
    assert s.converged or not exact
    assert (s.status is Status.OPTIMAL) == (s.relative_gap is not None and s.relative_gap <= CERTIFICATE)
    if s.status is Status.STATIONARY:
        assert s.relative_kkt <= (CERTIFICATE if name in CONVEX else FLOAT64)
    assert s.locally_minimal or not exact
    assert (np.diff(s.history) <= FLOAT64 * abs(s.history[0])).all()
    rng = np.random.default_rng(0)
    for size in (1e-3, 1e-5):
        for _ in range(10):
            moved = objective(loss, name, s.coef + size * rng.standard_normal(D), s.intercept + size)
            assert moved >= here - FLOAT64 * (1 + abs(here)) or not exact


@pytest.mark.parametrize(("loss", "name", "method"), [t for t in triples(True) if t[1] != "lp_1/2"])
def test_methods_agree(loss: str, name: str, method: str) -> None:
    s, reference = solved(loss, name, method), solved(loss, name, "working_set")
    tolerance = SOLVER if method == "cvxpy" else FLOAT64
    assert close(s.objective, reference.objective, tolerance)
    np.testing.assert_allclose(s.coef, reference.coef, rtol=0, atol=1e-3 if method == "cvxpy" else SOLVER)


@pytest.mark.parametrize("name", ["l1", "ridge"])
@pytest.mark.parametrize("loss", LOSSES)
def test_intercept_offset_and_weights_against_a_model_by_hand(loss: str, name: str) -> None:
    X, y, extras = data(loss)
    w, b = cp.Variable(D), cp.Variable()
    theta = X @ w + b + extras["offset"]
    terms: dict[str, Callable[[], Any]] = {
        "squared": lambda: cp.square(y - theta) / 2,
        "huber": lambda: cp.huber(y - theta, 1.0) / 2,
        "logistic": lambda: cp.logistic(theta) - cp.multiply(y, theta),
        "poisson": lambda: cp.exp(theta) - cp.multiply(y, theta),
        "gamma": lambda: theta + cp.multiply(y, cp.exp(-theta)),
    }
    charge = cp.norm1(w) if name == "l1" else cp.sum_squares(w) / 4
    model = cp.Problem(cp.Minimize(extras["sample_weight"] @ terms[loss]() + LAM * charge))
    model.solve(solver=cp.CLARABEL)
    for method in METHODS:
        if why_not(loss, name, method) is None:
            s = solved(loss, name, method)
            reference = objective(loss, name, np.asarray(w.value), float(np.asarray(b.value)))
            assert abs(s.objective - reference) <= SOLVER * (1 + abs(reference))
            assert s.objective <= reference + SOLVER * 1e-2 * (1 + abs(reference))


@pytest.mark.parametrize(("loss", "name", "method"), [t for t in triples(True) if t[1] in ("l1", "log_sum")])
def test_weights_are_repeated_rows(loss: str, name: str, method: Any) -> None:
    X, y, extras = data(loss)
    counts = extras["sample_weight"].astype(int)
    repeated = solve(np.repeat(X, counts, 0), np.repeat(y, counts), MEMBERS[name], LAM, loss, method,
                     fit_intercept=True, offset=np.repeat(extras["offset"], counts))  # fmt: skip
    s = solved(loss, name, method)
    tolerance = 1e-4 if method == "cvxpy" else SOLVER
    assert close(s.objective, repeated.objective, SOLVER if method == "cvxpy" else FLOAT64)
    np.testing.assert_allclose(s.coef, repeated.coef, rtol=0, atol=tolerance)
    assert close(s.intercept, repeated.intercept, tolerance)


@pytest.mark.parametrize("loss", LOSSES)
def test_auto_is_the_working_set(loss: str) -> None:
    np.testing.assert_array_equal(solved(loss, "log_sum", "auto").coef, solved(loss, "log_sum", "working_set").coef)


@pytest.mark.parametrize(("loss", "name", "method"), [
    t for t in triples(True) if t[0] == "squared" and t[1] in ("l1", "elastic_net", "log_sum", "ridge")
])  # fmt: skip
def test_more_columns_than_rows(loss: str, name: str, method: Any) -> None:
    X, y, _ = data(loss, 15, 40)
    mine, reference = (solve(X, y, MEMBERS[name], 4.0, method=m, fit_intercept=True) for m in (method, "working_set"))
    assert close(mine.objective, reference.objective, SOLVER)
    assert mine.certificate.value <= (SOLVER if method == "cvxpy" else CERTIFICATE if name in CONVEX else FLOAT64)


@pytest.mark.parametrize("method", [m for m in METHODS if m != "reweighted_ridge"])
@pytest.mark.parametrize("kind", [sparse.csr_array, sparse.csc_array])
def test_a_sparse_design_is_its_dense_one(method: Any, kind: Any) -> None:
    X, y, extras = data("poisson")
    thin = X * (np.abs(X) > 0.7)
    dense, found = (solve(A, y, MEMBERS["l1"], LAM, "poisson", method, **extras) for A in (thin, kind(thin)))
    assert close(found.objective, dense.objective, SOLVER if method == "cvxpy" else FLOAT64)


@pytest.mark.parametrize(("loss", "name", "method"), triples(False))
def test_other_pairs_are_refused_in_one_sentence(loss: str, name: str, method: Any) -> None:
    X, y, extras = data(loss)
    words = why_not(loss, name, method)
    with pytest.raises(InputError, match=words) as caught:
        solve(X, y, MEMBERS[name], LAM, loss, method, **extras)
    assert "\n" not in str(caught.value)
    assert len(caught.value.remedy) > 3
