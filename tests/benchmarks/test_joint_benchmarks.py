"""Speed of `solve` and `path` with joint scales as ratios to named peers in the same run; figures, not verdicts.

Disabled by default. Run with ``pytest tests/benchmarks --benchmark-only --benchmark-enable``; each stores ``ratio``
(our best time over the peer's, below 1 is faster) and the relative duality gaps reached in ``extra_info``.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import certify, path, solve
from etatrick.numerics.modelling import cvxpy_optimum
from etatrick.theory.vector.k_support import KSupport

Array = NDArray[np.float64]
pytestmark = pytest.mark.slow


def data(n: int, d: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    truth = np.zeros(d)
    truth[rng.choice(d, 10, replace=False)] = rng.standard_normal(10)
    return X, X @ truth + 0.5 * rng.standard_normal(n)


def compare(benchmark: Any, ours: Callable[[], Any], peer: Callable[[], Any], rounds: int, **notes: Any) -> None:
    """Time both interleaved, keep the best of each, and let pytest-benchmark time ours again."""
    times: dict[str, list[float]] = {"ours": [], "peer": []}
    for _ in range(rounds):
        for name, run in (("ours", ours), ("peer", peer)):
            begin = time.perf_counter()
            run()
            times[name].append(time.perf_counter() - begin)
    mine, theirs = min(times["ours"]), min(times["peer"])
    benchmark.extra_info.update(notes, ours_ms=1e3 * mine, peer_ms=1e3 * theirs, ratio=mine / theirs, rounds=rounds)
    benchmark.pedantic(ours, rounds=1)


@pytest.mark.parametrize("k", [1, 10])
@pytest.mark.parametrize("shape", [(300, 60), (100, 200)], ids=str)
def test_k_support_regression_against_cvxpy(benchmark: Any, shape: tuple[int, int], k: int) -> None:
    X, y = data(*shape)
    rule, lam = KSupport(k), 0.1 * float(np.sum((X.T @ y) ** 2) / (y @ y))
    coef = cvxpy_optimum(X, y, rule, lam)[1]
    compare(
        benchmark,
        lambda: solve(X, y, rule, lam),
        lambda: cvxpy_optimum(X, y, rule, lam),
        2,
        against="cvxpy + Clarabel, model building included",
        our_gap=solve(X, y, rule, lam).certificate.relative_gap,
        peer_gap=certify(X, y, coef, rule, lam).relative_gap,
    )


def test_warm_path_against_cold_solves(benchmark: Any) -> None:
    X, y = data(100, 200)
    lams = path(X, y, KSupport(10), n_lams=20).lams
    found = path(X, y, KSupport(10), lams)
    compare(
        benchmark,
        lambda: path(X, y, KSupport(10), lams),
        lambda: [solve(X, y, KSupport(10), float(lam)) for lam in lams],
        2,
        against="one cold solve per λ",
        our_gap=max(c.value for c in found.certificates),
    )


def test_proximal_gradient_against_reweighted_ridge(benchmark: Any) -> None:
    X, y = data(100, 200)
    lam = 0.1 * float(np.sum((X.T @ y) ** 2) / (y @ y))
    compare(
        benchmark,
        lambda: solve(X, y, KSupport(10), lam),
        lambda: solve(X, y, KSupport(10), lam, method="reweighted_ridge"),
        3,
        against="the η-trick as an algorithm, finished by the same Newton's method",
    )
