"""Speed of best-subset selection as ratios to abess in the same run; figures, not verdicts.

Disabled by default. Run with ``pytest tests/benchmarks/test_subset_benchmarks.py --benchmark-only --benchmark-enable``;
``extra_info`` holds ``ratio`` (our best processor time over abess's, below 1 is faster), both sums of squared residuals
and the certificate's figure. Where abess is not installed the comparisons are skipped.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.subset.subsets import best_subset, best_subset_path
from etatrick.numerics.subset.ties import all_best_subsets

Array = NDArray[np.float64]
SHAPES = [(200, 500), (1000, 5000), (10000, 1000)]
pytestmark = pytest.mark.slow


def synthetic(n: int, d: int, correlation: float = 0.5, noise: float = 5.0, seed: int = 0) -> tuple[Array, Array]:
    """Return standardised AR(ρ) columns in Fortran order, 20 nonzeros ±1, at a signal-to-noise ratio."""
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    X = (X - X.mean(0)) / X.std(0)
    signal = X[:, rng.choice(d, 20, replace=False)] @ rng.choice([-1.0, 1.0], 20)
    y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(noise)
    return np.asfortranarray(X), y - y.mean()


def compare(benchmark: Any, ours: Callable[[], Any], peer: Callable[[], Any], rounds: int = 7, **notes: Any) -> None:
    """Take the best of interleaved processor times after one uncounted call of ours."""
    ours()
    best = {"ours": np.inf, "peer": np.inf}
    for _ in range(rounds):
        for name, run in (("ours", ours), ("peer", peer)):
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    ratio = best["ours"] / best["peer"]
    benchmark.extra_info.update(notes, ours_ms=1e3 * best["ours"], peer_ms=1e3 * best["peer"], ratio=ratio)
    benchmark.pedantic(ours, rounds=1)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_twenty_columns(benchmark: Any, shape: tuple[int, int]) -> None:
    abess = pytest.importorskip("abess")
    X, y = synthetic(*shape)
    found = best_subset(X, y, 20)
    peer = abess.LinearRegression(support_size=20, fit_intercept=False)
    rest = y - X @ peer.fit(X, y).coef_
    assert found.locally_minimal
    compare(benchmark, lambda: best_subset(X, y, 20), lambda: peer.fit(X, y), rss=found.rss,
            peer_rss=float(rest @ rest), decrease=found.proof.decrease)  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_path_to_forty_columns(benchmark: Any, shape: tuple[int, int]) -> None:
    abess = pytest.importorskip("abess")
    X, y = synthetic(*shape)
    found = best_subset_path(X, y, 40)
    peer = abess.LinearRegression(support_size=range(41), fit_intercept=False)
    assert all(fit.locally_minimal for fit in found.fits)
    compare(benchmark, lambda: best_subset_path(X, y, 40), lambda: peer.fit(X, y), rounds=3, rss=found.rss[20])


@pytest.mark.parametrize("starts", [1, 2, 4])
def test_hard_designs(benchmark: Any, starts: int) -> None:
    # weak signal: supports differ, so the objective counts; medians over 20 draws
    abess = pytest.importorskip("abess")
    draws = [synthetic(200, 500, 0.5, 1.0, seed) for seed in range(1, 21)]
    peer = abess.LinearRegression(support_size=20, fit_intercept=False)
    lower = []
    for X, y in draws:
        rest = y - X @ peer.fit(X, y).coef_
        lower.append(best_subset(X, y, 20, starts=starts).rss / float(rest @ rest) - 1)
    compare(benchmark, lambda: [best_subset(X, y, 20, starts=starts) for X, y in draws],
            lambda: [peer.fit(X, y) for X, y in draws], rounds=3, worse=int(np.sum(np.array(lower) > 1e-9)),
            better=int(np.sum(np.array(lower) < -1e-9)), mean_change=float(np.mean(lower)))  # fmt: skip


@pytest.mark.parametrize("d", [20, 30])
def test_all_best_subsets(benchmark: Any, d: int) -> None:
    X, y = synthetic(100, 40, 0.5, 3.0)
    X = X[:, :d]
    lam = 0.02 * float(y @ y)
    found = all_best_subsets(X, y, lam)
    benchmark.extra_info.update(nodes=found.nodes, supports=len(found.supports))
    benchmark.pedantic(lambda: all_best_subsets(X, y, lam), rounds=3)
