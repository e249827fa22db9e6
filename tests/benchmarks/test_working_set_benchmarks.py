"""Speed of the working-set engine as ratios to scikit-learn and cvxpy in the same run; figures, not verdicts.

Disabled by default. Run with ``pytest tests/benchmarks/test_working_set_benchmarks.py --benchmark-only
--benchmark-enable``; ``extra_info`` holds ``ratio`` (our best time over the peer's, below 1 is faster) and both gaps.
A peer gets the loosest tolerance on a ladder of tens whose gap, recomputed here, is at most 1e-6; ours is 1e-12.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.paths import fit_path
from etatrick.theory import penalties

Array = NDArray[np.float64]
Fit = Callable[[], Array]

L1 = penalties["l1"](k=1)
TARGET = 1e-6
LADDER = [10.0**-k for k in range(3, 13)]
pytestmark = pytest.mark.slow


def synthetic(n: int, d: int) -> tuple[Array, Array]:
    """Return standardised AR(0.5) columns in Fortran order, 20 nonzeros ±1, signal-to-noise 5."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    X = (X - X.mean(0)) / X.std(0)
    signal = X[:, rng.choice(d, 20, replace=False)] @ rng.choice([-1.0, 1.0], 20)
    y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(5)
    return np.asfortranarray(X), y - y.mean()


def lasso_gap(X: Array, y: Array, coef: Array, lam: float, ridge: float = 0.0) -> float:
    """Return the relative duality gap (P − D)/P(0) of ½‖y − Xw‖² + λ|w|₁ + ½ρ‖w‖² from its textbook formula."""
    r, rows = y - X @ coef, np.sqrt(ridge) * coef
    theta = min(1.0, lam / float(np.max(np.abs(X.T @ r - ridge * coef))))
    primal = 0.5 * float(r @ r + rows @ rows) + lam * float(np.abs(coef).sum())
    dual = theta * float(y @ r) - 0.5 * theta**2 * float(r @ r + rows @ rows)
    return (primal - dual) / (0.5 * float(y @ y))


def loosest(peer: Callable[[float], Array], gap: Callable[[Array], float]) -> tuple[Fit, float]:
    """Return the peer at the loosest tolerance that meets the target, and the gap it reaches."""
    for tol in LADDER:
        reached = gap(peer(tol))
        if reached <= TARGET:
            return partial(peer, tol), reached
    pytest.skip("the peer never reaches the target")


def compare(benchmark: Any, ours: Fit, peer: Fit, rounds: int = 5, **notes: Any) -> None:
    """Take the best of interleaved times after one uncounted call of ours, and let pytest-benchmark time it again."""
    ours()
    best = {"ours": np.inf, "peer": np.inf}
    for _ in range(rounds):
        for name, run in (("ours", ours), ("peer", peer)):
            begin = time.perf_counter()
            run()
            best[name] = min(best[name], time.perf_counter() - begin)
    ratio = best["ours"] / best["peer"]
    benchmark.extra_info.update(notes, ours_ms=1e3 * best["ours"], peer_ms=1e3 * best["peer"], ratio=ratio)
    benchmark.pedantic(ours, rounds=1)


@pytest.mark.parametrize("ridge", [0.0, 0.5], ids=["lasso", "enet"])
@pytest.mark.parametrize("fraction", [0.1, 0.01])
@pytest.mark.parametrize("shape", [(200, 500), (1000, 5000), (10000, 1000)], ids=str)
def test_single_fit(benchmark: Any, shape: tuple[int, int], fraction: float, ridge: float) -> None:
    from sklearn.linear_model import ElasticNet

    X, y = synthetic(*shape)
    lam = fraction * float(np.max(np.abs(X.T @ y)))
    penalty = penalties["elastic_net"](mu=ridge) if ridge else L1

    def peer(tol: float) -> Array:
        alpha, share = lam * (1 + ridge) / len(y), 1 / (1 + ridge)
        model = ElasticNet(alpha=alpha, l1_ratio=share, fit_intercept=False, tol=tol, max_iter=100_000)
        return np.asarray(model.fit(X, y).coef_)

    other, reached = loosest(peer, lambda coef: lasso_gap(X, y, coef, lam, lam * ridge))
    mine = fit(X, y, penalty, lam)
    compare(benchmark, lambda: fit(X, y, penalty, lam).coef, other, against="sklearn ElasticNet", peer_gap=reached,
            our_gap=lasso_gap(X, y, mine.coef, lam, lam * ridge), status=mine.status.name,
            nonzeros=int(np.count_nonzero(mine.coef)))  # fmt: skip


@pytest.mark.parametrize("shape", [(200, 500), (442, 60), (10000, 1000)], ids=str)
def test_path(benchmark: Any, shape: tuple[int, int]) -> None:
    from sklearn.linear_model import lasso_path

    X, y = synthetic(*shape)
    lams = float(np.max(np.abs(X.T @ y))) * np.geomspace(1.0, 1e-2, 100)

    def worst(coefs: Array) -> float:
        return max(lasso_gap(X, y, coef, lam) for coef, lam in zip(coefs[::9], lams[::9], strict=True))

    def peer(tol: float) -> Array:
        return np.asarray(lasso_path(X, y, alphas=lams / len(y), tol=tol, max_iter=100_000)[1]).T

    other, reached = loosest(peer, worst)
    mine = fit_path(X, y, L1, lams)
    compare(benchmark, lambda: fit_path(X, y, L1, lams).coefs, other, rounds=3, against="sklearn lasso_path",
            peer_gap=reached, our_gap=worst(mine.coefs))  # fmt: skip


@pytest.mark.parametrize("fraction", [0.1, 0.01])
@pytest.mark.parametrize("shape", [(569, 30), (1000, 5000), (10000, 200)], ids=str)
def test_logistic_against_liblinear(benchmark: Any, shape: tuple[int, int], fraction: float) -> None:
    from sklearn.linear_model import LogisticRegression

    X, signal = synthetic(*shape)
    y = (signal > 0).astype(np.float64)
    lam = fraction * float(np.max(np.abs(X.T @ (y - 0.5))))
    mine = fit(X, y, L1, lam, "logistic")

    def excess(coef: Array) -> float:
        theta = X @ coef
        value = float((np.logaddexp(0, theta) - y * theta).sum()) + lam * float(np.abs(coef).sum())
        return (value - mine.objective) / (len(y) * float(np.log(2)))

    def peer(tol: float) -> Array:
        model = LogisticRegression(C=1 / lam, l1_ratio=1.0, solver="liblinear", tol=tol, fit_intercept=False,
                                   max_iter=1000, random_state=0)  # fmt: skip
        return np.asarray(model.fit(X, y).coef_[0])

    other, reached = loosest(peer, excess)
    compare(benchmark, lambda: fit(X, y, L1, lam, "logistic").coef, other, rounds=3, against="liblinear",
            peer_excess=reached, our_gap=mine.relative_gap, status=mine.status.name)  # fmt: skip


def test_lasso_against_cvxpy(benchmark: Any) -> None:
    import cvxpy as cp

    X, y = synthetic(500, 1000)
    lam = 0.1 * float(np.max(np.abs(X.T @ y)))

    def peer() -> Array:
        coef = cp.Variable(X.shape[1])
        model = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - X @ coef) + lam * cp.norm1(coef)))
        model.solve(solver=cp.CLARABEL)
        return np.asarray(coef.value)

    compare(benchmark, lambda: fit(X, y, L1, lam).coef, peer, rounds=2, against="cvxpy + Clarabel, model included",
            peer_gap=lasso_gap(X, y, peer(), lam), our_gap=fit(X, y, L1, lam).relative_gap)  # fmt: skip


@pytest.mark.parametrize("name", ["mcp", "scad", "log_sum", "lp"])
@pytest.mark.parametrize("shape", [(200, 500), (1000, 5000), (10000, 1000)], ids=str)
def test_concave_against_our_lasso(benchmark: Any, shape: tuple[int, int], name: str) -> None:
    """What non-convexity costs: the peer is the lasso of this engine at the same λ."""
    X, y = synthetic(*shape)
    lam = 0.15 * float(np.max(np.abs(X.T @ y)))
    parameters: dict[str, dict[str, Any]] = {
        "mcp": {"A": 3}, "scad": {"a": 3.7, "ell": 1}, "log_sum": {"epsilon": 1}, "lp": {"p": 0.5},
    }  # fmt: skip
    penalty = penalties[name](**parameters[name])
    mine = fit(X, y, penalty, lam)
    compare(benchmark, lambda: fit(X, y, penalty, lam).coef, lambda: fit(X, y, L1, lam).coef, rounds=3,
            against="the lasso of this engine", kkt=mine.relative_kkt, status=mine.status.name,
            nonzeros=int(np.count_nonzero(mine.coef)))  # fmt: skip
