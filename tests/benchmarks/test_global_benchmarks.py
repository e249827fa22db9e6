"""Time to a certified global optimum at d = 20 and 30, as a ratio to exhaustive enumeration of a smaller problem.

Disabled by default. Run them with ``pytest tests/benchmarks --benchmark-only --benchmark-enable``; each stores
the number of nodes, the gap, and ``ratio``: our time over that of enumerating all supports of 12 columns in the
same run.
"""

import time
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.global_search.search import global_minimum
from etatrick.theory import penalties

pytestmark = pytest.mark.slow


def draw(n: int, d: int, correlation: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return AR(ρ) unit columns, d/5 of which carry signal, at signal-to-noise ratio 3."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    X /= np.linalg.norm(X, axis=0)
    w = np.zeros(d)
    w[rng.choice(d, d // 5, replace=False)] = rng.choice([-1, 1], d // 5) * rng.uniform(1, 2, d // 5)
    clean = X @ w
    return X, clean + rng.standard_normal(n) * np.linalg.norm(clean) / np.sqrt(3 * n)


def enumerate_supports(X: NDArray[np.float64], y: NDArray[np.float64], price: float) -> float:
    """Return the best subset's objective by solving all of them."""
    G, b, best = X.T @ X, X.T @ y, float(y @ y) / 2
    for pattern in range(1, 2 ** X.shape[1]):
        on = np.flatnonzero((pattern >> np.arange(X.shape[1])) & 1)
        best = min(best, float(y @ y - b[on] @ np.linalg.solve(G[np.ix_(on, on)], b[on])) / 2 + price * len(on))
    return best


@pytest.mark.parametrize(
    ("n", "d", "correlation", "part"), [(100, 20, 0.5, 0.1), (100, 30, 0.5, 0.1), (60, 30, 0.8, 0.05)]
)
@pytest.mark.parametrize("name", ["l0", "cel0", "mcp", "scad", "capped_l1", "log_sum"])
def test_time_to_a_certificate(benchmark: Any, name: str, n: int, d: int, correlation: float, part: float) -> None:
    X, y = draw(n, d, correlation)
    steep = part * float(np.abs(X.T @ y).max())
    price = steep * float(np.abs(X.T @ y).max()) / 2
    penalty, lam = {
        "l0": (penalties["l0"](kappa=1), price),
        "cel0": (penalties["cel0"](kappa=price), 1.0),
        "mcp": (penalties["mcp"](A=3 * steep), steep),
        "scad": (penalties["scad"](a=3.7, ell=steep), steep),
        "capped_l1": (penalties["capped_l1"](theta=steep), steep),
        "log_sum": (penalties["log_sum"](epsilon=steep), steep**2),
    }[name]
    global_minimum(X, y, penalty, lam)
    best, peer = np.inf, np.inf
    for _ in range(3):
        begin = time.perf_counter()
        found = global_minimum(X, y, penalty, lam)
        middle = time.perf_counter()
        enumerate_supports(X[:, :12], y, price)
        best, peer = min(best, middle - begin), min(peer, time.perf_counter() - middle)
    assert found.verdict.status == ("checked" if name == "log_sum" else "certified")
    benchmark.extra_info.update(
        nodes=found.nodes,
        gap=found.gap,
        ours_s=best,
        peer_s=peer,
        ratio=best / peer,
        against="all supports of 12 columns",
    )
    benchmark.pedantic(lambda: global_minimum(X, y, penalty, lam), rounds=1)


@pytest.mark.parametrize(("n", "d", "part"), [(10, 15, 0.05), (20, 30, 0.05), (20, 30, 0.01)])
def test_more_columns_than_rows(benchmark: Any, n: int, d: int, part: float) -> None:
    rng = np.random.default_rng([1, n, d])
    X = rng.standard_normal((n, d))
    y = 2 * X[:, :3].sum(axis=1) + 0.5 * rng.standard_normal(n)
    lam = part * 0.5 * float(y @ y)
    found = global_minimum(X, y, penalties["l0"](kappa=1), lam)
    assert found.verdict.status == "certified"
    benchmark.extra_info.update(nodes=found.nodes, gap=found.gap)
    benchmark.pedantic(lambda: global_minimum(X, y, penalties["l0"](kappa=1), lam), rounds=2)
