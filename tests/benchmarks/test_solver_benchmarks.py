"""Speed of `solve` and `path` as ratios to named peers in the same run; figures, not verdicts.

Disabled by default. Run them with ``pytest tests/benchmarks --benchmark-only --benchmark-enable``; each stores
``ratio`` (our median over the peer's, below 1 is faster) and the relative gaps reached in ``extra_info``.
A peer gets the loosest tolerance on a ladder of tens whose gap, recomputed here, is at most 1e-6; ours is 1e-12.
"""

import time
from collections.abc import Callable
from functools import partial
from statistics import median
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import path, solve
from etatrick.numerics.problem import problem
from etatrick.numerics.reweighted import reweighted_ridge
from etatrick.theory import penalties

Array = NDArray[np.float64]
Fit = Callable[[], Array]

L1 = penalties["l1"](k=1)
TARGET = 1e-6
LADDER = [10.0**-k for k in range(3, 16)]
pytestmark = pytest.mark.slow


def diabetes() -> tuple[Array, Array]:
    from sklearn.datasets import load_diabetes

    X, y = load_diabetes(return_X_y=True)
    return np.ascontiguousarray(X), y - y.mean()


def synthetic() -> tuple[Array, Array]:
    """Return standardised AR(0.5) columns, 200 × 500, 20 nonzeros, signal-to-noise 5."""
    n, d = 200, 500
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    X = (X - X.mean(0)) / X.std(0)
    truth = np.zeros(d)
    truth[rng.choice(d, 20, replace=False)] = rng.standard_normal(20)
    signal = X @ truth
    y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(5)
    return X, y - y.mean()


DATA: dict[str, Callable[[], tuple[Array, Array]]] = {"diabetes": diabetes, "synthetic_200x500": synthetic}


def lasso_gap(X: Array, y: Array, coef: Array, lam: float) -> float:
    """Return the relative duality gap (P − D)/P(0) of the lasso, from its textbook formula."""
    residual = y - X @ coef
    theta = residual * min(1.0, lam / float(np.max(np.abs(X.T @ residual))))
    primal = 0.5 * float(residual @ residual) + lam * float(np.abs(coef).sum())
    dual = 0.5 * float(y @ y - (y - theta) @ (y - theta))
    return (primal - dual) / (0.5 * float(y @ y))


def loosest(fit: Callable[[float], Array], gap: Callable[[Array], float]) -> tuple[Fit, float]:
    """Return the peer at the loosest tolerance that meets the target, and the gap it reaches."""
    for tol in LADDER:
        reached = gap(fit(tol))
        if reached <= TARGET:
            return partial(fit, tol), reached
    pytest.skip("the peer never reaches the target")


def compare(benchmark: Any, ours: Fit, peer: Fit, rounds: int = 5, **notes: Any) -> None:
    """Time both interleaved after one uncounted call each, and let pytest-benchmark time ours again."""
    ours(), peer()
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(rounds):
        for name, fit in (("ours", ours), ("peer", peer)):
            begin = time.perf_counter()
            fit()
            times[name].append(time.perf_counter() - begin)
    mine, theirs = median(times["ours"]), median(times["peer"])
    benchmark.extra_info.update(notes, ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs, rounds=rounds)
    benchmark.pedantic(ours, rounds=2)


@pytest.mark.parametrize("fraction", [0.1, 0.01])
@pytest.mark.parametrize("name", list(DATA))
def test_lasso_against_scikit_learn(benchmark: Any, name: str, fraction: float) -> None:
    from sklearn.linear_model import Lasso

    X, y = DATA[name]()
    lam = fraction * float(np.max(np.abs(X.T @ y)))

    def peer(tol: float) -> Array:
        model = Lasso(alpha=lam / len(y), fit_intercept=False, tol=tol, max_iter=1_000_000)
        return np.asarray(model.fit(X, y).coef_)

    other, reached = loosest(peer, lambda coef: lasso_gap(X, y, coef, lam))
    mine = solve(X, y, L1, lam)
    compare(
        benchmark,
        lambda: solve(X, y, L1, lam).coef,
        other,
        against="sklearn.linear_model.Lasso",
        peer_gap=reached,
        our_gap=lasso_gap(X, y, mine.coef, lam),
        status=mine.status.name,
        nonzeros=int(np.count_nonzero(mine.coef)),
    )


@pytest.mark.parametrize("name", list(DATA))
def test_lasso_against_cvxpy(benchmark: Any, name: str) -> None:
    import cvxpy as cp

    X, y = DATA[name]()
    lam = 0.1 * float(np.max(np.abs(X.T @ y)))

    def peer(tol: float) -> Array:
        coef = cp.Variable(X.shape[1])
        model = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - X @ coef) + lam * cp.norm1(coef)))
        model.solve(solver=cp.CLARABEL, tol_gap_abs=tol, tol_gap_rel=tol, tol_feas=tol)
        return np.asarray(coef.value)

    other, reached = loosest(peer, lambda coef: lasso_gap(X, y, coef, lam))
    compare(
        benchmark,
        lambda: solve(X, y, L1, lam).coef,
        other,
        rounds=3,
        against="cvxpy + Clarabel, model building included",
        peer_gap=reached,
        our_gap=lasso_gap(X, y, solve(X, y, L1, lam).coef, lam),
    )


@pytest.mark.parametrize(("name", "ratio"), [("diabetes", 1e-2), ("synthetic_200x500", 1e-1)])
def test_path_against_scikit_learn(benchmark: Any, name: str, ratio: float) -> None:
    """A hundred values of λ; the wide one stops at λ_max/10 to keep the run short."""
    from sklearn.linear_model import lasso_path

    X, y = DATA[name]()
    lams = float(np.max(np.abs(X.T @ y))) * np.geomspace(1.0, ratio, 100)

    def worst(coefs: Array) -> float:
        return max(lasso_gap(X, y, coef, lam) for coef, lam in zip(coefs, lams, strict=True))

    def peer(tol: float) -> Array:
        return np.asarray(lasso_path(X, y, alphas=lams / len(y), tol=tol, max_iter=1_000_000)[1]).T

    other, reached = loosest(peer, worst)
    mine = path(X, y, L1, lams=lams)
    compare(
        benchmark,
        lambda: path(X, y, L1, lams=lams).coefs,
        other,
        rounds=1,
        against="sklearn.linear_model.lasso_path",
        peer_gap=reached,
        our_gap=worst(mine.coefs),
        unconverged=sum(not s.converged for s in mine.solutions),
    )


@pytest.mark.parametrize("name", list(DATA))
def test_log_sum_path_against_plain_reweighting(benchmark: Any, name: str) -> None:
    """The peer is the textbook loop: 200 reweighted ridge steps per λ, warm-started, no certificate."""
    X, y = DATA[name]()
    penalty = penalties["log_sum"](epsilon=1)
    lams = float(np.max(np.abs(X.T @ y))) * np.geomspace(0.5, 0.05, 8)

    def peer() -> Array:
        coef, rows = np.ones(X.shape[1]), []
        for lam in lams:
            steps = reweighted_ridge(problem(X, y, penalty, float(lam)), coef)
            for _ in range(200):
                coef = next(steps)
            rows.append(coef)
        return np.array(rows)

    mine, theirs = path(X, y, penalty, lams=lams), peer()
    posed = problem(X, y, penalty, 1.0)
    excess = [
        s.objective / posed.with_lam(float(lam)).objective(other) - 1
        for s, lam, other in zip(mine.solutions, lams, theirs, strict=True)
    ]
    compare(
        benchmark,
        lambda: path(X, y, penalty, lams=lams).coefs,
        peer,
        rounds=1,
        against="200 plain reweighted ridge steps per λ",
        worst_relative_excess=max(excess),
        best_relative_gain=-min(excess),
        worst_certificate=max(c.value for c in mine.certificates),
    )
