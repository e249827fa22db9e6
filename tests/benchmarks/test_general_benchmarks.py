"""Speed of the general engine as ratios to the fastest specialised solvers in the same run; figures, not verdicts.

Disabled by default. Run with ``pytest tests/benchmarks/test_general_benchmarks.py --benchmark-only
--benchmark-enable``; ``extra_info`` holds ``ratio`` (our best processor time over the peer's, below 1 is faster) and
what both reach: convex peers get the loosest tolerance on a ladder of tens whose excess over our objective is at most
1e-6 of the null model's deviance, ours is a gap of 1e-12; concave ones the loosest that ends as low as their tightest.
"""

import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import penalties

Array = NDArray[np.float64]
Peer = Callable[[float], Array]

L1 = penalties["l1"](k=1)
LADDER = [10.0**-k for k in range(2, 13)]
TARGET = 1e-6
SHAPES = [(200, 500), (1000, 5000), (10000, 1000)]
pytestmark = pytest.mark.slow


def synthetic(n: int, d: int) -> tuple[Array, Array, np.random.Generator]:
    """Return standardised AR(0.5) columns in Fortran order, a signal of 20 of them, and the generator."""
    rng = np.random.default_rng(0)
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
    X = (X - X.mean(0)) / X.std(0)
    return np.asfortranarray(X), X[:, rng.choice(d, 20, replace=False)] @ rng.choice([-1.0, 1.0], 20), rng


def standardised(X: Array) -> Array:
    X = X[:, X.std(0) > 0]
    return np.asfortranarray((X - X.mean(0)) / X.std(0))


def classes(name: str) -> tuple[Array, Array]:
    from sklearn.datasets import load_breast_cancer, load_digits

    if name == "breast_cancer":
        X, y = load_breast_cancer(return_X_y=True)
        return standardised(X), y.astype(np.float64)
    if name == "digits":
        X, y = load_digits(return_X_y=True)
        return standardised(X), (y == 8).astype(np.float64)
    n, d = map(int, name.split("x"))
    X, signal, rng = synthetic(n, d)
    return X, (signal + rng.logistic(size=n) > 0).astype(np.float64)


def liblinear(X: Array, y: Array, lam: float) -> Peer:
    from sklearn.linear_model import LogisticRegression

    def run(tol: float) -> Array:
        model = LogisticRegression(C=1 / lam, l1_ratio=1.0, solver="liblinear", tol=tol, fit_intercept=False,
                                   max_iter=2000, random_state=0)  # fmt: skip
        return np.asarray(model.fit(X, y).coef_[0])

    return run


def celer(X: Array, y: Array, lam: float) -> Peer:
    peer = pytest.importorskip("celer")
    return lambda tol: np.ravel(peer.LogisticRegression(C=1 / lam, tol=tol, fit_intercept=False).fit(X, y).coef_)


def skglm(X: Array, y: Array, lam: float, loss: str) -> Peer:
    datafits, solvers = pytest.importorskip("skglm.datafits"), pytest.importorskip("skglm.solvers")
    absolute = pytest.importorskip("skglm.penalties").L1(lam / len(y))
    datafit, labels = (datafits.Logistic(), 2 * y - 1) if loss == "logistic" else (datafits.Poisson(), y)

    def run(tol: float) -> Array:
        solver = solvers.ProxNewton(tol=tol, fit_intercept=False, max_iter=200)
        return np.asarray(solver.solve(X, labels, datafit, absolute)[0])

    return run


def glum(X: Array, y: Array, lam: float, loss: str) -> Peer:
    peer = pytest.importorskip("glum")
    if X.shape[1] > 1000:
        pytest.skip("builds a d × d matrix")
    family = "binomial" if loss == "logistic" else "poisson"

    def run(tol: float) -> Array:
        model = peer.GeneralizedLinearRegressor(family=family, alpha=lam / len(y), l1_ratio=1, fit_intercept=False,
                                                gradient_tol=tol, max_iter=500)  # fmt: skip
        return np.asarray(model.fit(X, y).coef_)

    return run


def adelie(X: Array, y: Array, lam: float, loss: str) -> Peer:
    peer = pytest.importorskip("adelie")
    n, d = X.shape

    def run(tol: float) -> Array:
        family = peer.glm.binomial(y) if loss == "logistic" else peer.glm.poisson(y)
        state = peer.grpnet(X, family, groups=np.arange(d), lmda_path=[lam / n], intercept=False, tol=tol,
                            penalty=np.ones(d), progress_bar=False, early_exit=False, newton_tol=max(0.01 * tol, 1e-14),
                            newton_max_iters=1000)  # fmt: skip
        return np.asarray(state.betas[-1].toarray()).ravel()

    return run


PEERS: dict[str, Callable[[Array, Array, float, str], Peer]] = {
    "liblinear": lambda X, y, lam, loss: liblinear(X, y, lam),
    "celer": lambda X, y, lam, loss: celer(X, y, lam),
    "skglm": skglm,
    "glum": glum,
    "adelie": adelie,
}


def compare(benchmark: Any, ours: Callable[[], Any], peer: Callable[[], Any], rounds: int, **notes: Any) -> None:
    """Take the best of interleaved processor times after one uncounted call of each."""
    ours(), peer()
    best = {"ours": np.inf, "peer": np.inf}
    for _ in range(rounds):
        for name, run in (("ours", ours), ("peer", peer)):
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    ratio = best["ours"] / best["peer"]
    benchmark.extra_info.update(notes, ours_ms=1e3 * best["ours"], peer_ms=1e3 * best["peer"], ratio=ratio)
    benchmark.pedantic(ours, rounds=1)


def against(benchmark: Any, X: Array, y: Array, fraction: float, loss: str, name: str) -> None:
    """Compare an ℓ1 fit with a peer at its loosest sufficient tolerance."""
    lam = fraction * float(np.abs(X.T @ (y - (0.5 if loss == "logistic" else 1.0))).max())
    mine = fit(X, y, L1, lam, loss)

    def objective(w: Array) -> float:
        theta = X @ w
        terms = np.logaddexp(0, theta) if loss == "logistic" else np.exp(theta)
        return float((terms - y * theta).sum() + lam * np.abs(w).sum())

    peer, null = PEERS[name](X, y, lam, loss), objective(np.zeros(X.shape[1]))
    for tol in LADDER:
        excess = (objective(peer(tol)) - mine.objective) / null
        if excess <= TARGET:
            break
    else:
        pytest.skip("the peer never reaches the target")
    compare(benchmark, lambda: fit(X, y, L1, lam, loss), lambda: peer(tol), rounds=5, against=name, peer_excess=excess,
            our_gap=mine.relative_gap, status=mine.status.name, nonzeros=int(np.count_nonzero(mine.coef)))  # fmt: skip


@pytest.mark.parametrize("peer", list(PEERS))
@pytest.mark.parametrize("fraction", [0.1, 0.01])
@pytest.mark.parametrize("data", ["breast_cancer", "digits", "1000x5000", "10000x200"])
def test_logistic(benchmark: Any, data: str, fraction: float, peer: str) -> None:
    against(benchmark, *classes(data), fraction, "logistic", peer)


@pytest.mark.parametrize("peer", ["skglm", "glum", "adelie"])
@pytest.mark.parametrize("fraction", [0.1, 0.01])
@pytest.mark.parametrize("shape", [(200, 500), (1000, 5000), (10000, 200)], ids=str)
def test_poisson(benchmark: Any, shape: tuple[int, int], fraction: float, peer: str) -> None:
    X, signal, rng = synthetic(*shape)
    y = rng.poisson(np.exp(np.clip(0.7 * signal / signal.std(), -3, 3))).astype(np.float64)
    against(benchmark, X, y, fraction, "poisson", peer)


def concave(name: str, level: float, lam: float) -> tuple[Any, float, Any, Callable[[Array], Array]]:
    """Return our penalty and λ, skglm's penalty, and λΩ by hand; all have the same slope λ at 0, or λ/2 |w|^(−½)."""
    peers = pytest.importorskip("skglm.penalties")
    if name == "mcp":
        A = 3 * level
        return (penalties["mcp"](A=A), lam, peers.MCPenalty(level, 3.0),
                lambda w: lam * np.where(w <= A, w - w**2 / (2 * A), A / 2))  # fmt: skip
    if name == "scad":
        a, s = 3.7, level
        return (penalties["scad"](a=a, ell=s), lam, peers.SCAD(s, a),
                lambda w: lam * np.select([w <= s, w <= a * s], [w, (2 * a * s * w - w**2 - s**2) / (2 * s * (a - 1))],
                                          s * (a + 1) / 2))  # fmt: skip
    if name == "log_sum":
        return (penalties["log_sum"](epsilon=0.1), 0.1 * lam, peers.LogSumPenalty(0.1 * level, 0.1),
                lambda w: 0.1 * lam * np.log1p(10 * w))  # fmt: skip
    return penalties["lp"](p=0.5), lam / 2, peers.L0_5(level), lambda w: lam * np.sqrt(w)


@pytest.mark.filterwarnings("ignore:Passing in a compiled")  # so that no call compiles
@pytest.mark.parametrize("name", ["mcp", "scad", "log_sum", "half"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_concave(benchmark: Any, shape: tuple[int, int], name: str) -> None:
    X, signal, rng = synthetic(*shape)
    n = shape[0]
    y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(5)
    y -= y.mean()
    lam = 0.15 * float(np.abs(X.T @ y).max())
    penalty, scaled, theirs, omega = concave(name, lam / n, lam)
    solvers, clone = pytest.importorskip("skglm.solvers"), pytest.importorskip("skglm.utils.jit_compilation")
    datafit, theirs = (
        clone.compiled_clone(pytest.importorskip("skglm.datafits").Quadratic()),
        clone.compiled_clone(theirs),
    )
    datafit.initialize(X, y)

    def peer(tol: float) -> Array:
        strategy = "fixpoint" if name == "half" else "subdiff"
        solver = solvers.AndersonCD(tol=tol, max_iter=200, fit_intercept=False, ws_strategy=strategy)
        return np.asarray(solver.solve(X, y, datafit, theirs)[0])

    def objective(w: Array) -> float:
        return 0.5 * float(np.sum((y - X @ w) ** 2)) + float(omega(np.abs(w)).sum())

    best = objective(peer(1e-9))
    tol = next(t for t in LADDER if objective(peer(t)) <= best * (1 + 1e-6))
    mine = fit(X, y, penalty, scaled)
    compare(benchmark, lambda: fit(X, y, penalty, scaled), lambda: peer(tol), rounds=7, against="skglm, warm",
            objectives=objective(mine.coef) / objective(peer(tol)), kkt=mine.relative_kkt, status=mine.status.name,
            nonzeros=int(np.count_nonzero(mine.coef)))  # fmt: skip
