"""Speed of the squared-loss paths and the exact homotopy as ratios to the peers in the same run; figures, not verdicts.

Disabled by default. Run with ``pytest tests/benchmarks/test_path_benchmarks.py --benchmark-only --benchmark-enable``;
``extra_info`` holds ``ratio`` (our best time over the peer's, below 1 is faster) and both worst gaps along the path. A
peer gets the loosest tolerance on a ladder of tens whose worst gap, recomputed here, is at most 1e-6; ours is 1e-12.
Peers that are not installed are skipped.
"""

import time
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.lasso_path import homotopy
from etatrick.numerics.working_set.paths import fit_path
from etatrick.theory import penalties

Array = NDArray[np.float64]
Run = Callable[[], Array]

L1 = penalties["l1"](k=1)
TARGET = 1e-6
LADDER = [10.0**-k for k in range(4, 17)]
NAMES = ["200x500", "442x60", "diabetes", "cubic", "breast_cancer", "digits", "1000x5000", "10000x1000"]
# peers warn where they stop early; their gap is measured instead
pytestmark = [pytest.mark.slow, pytest.mark.filterwarnings("ignore")]


def load(name: str) -> tuple[Array, Array]:
    """Return standardised columns in Fortran order and a centred response."""
    if name[0].isdigit():
        n, d = map(int, name.split("x"))
        rng = np.random.default_rng(0)
        X = rng.standard_normal((n, d))
        for j in range(1, d):
            X[:, j] = 0.5 * X[:, j - 1] + np.sqrt(0.75) * X[:, j]
        signal = X[:, rng.choice(d, 20, replace=False)] @ rng.choice([-1.0, 1.0], 20)
        y = signal + rng.standard_normal(n) * signal.std() / np.sqrt(5)
    else:
        from sklearn import datasets
        from sklearn.preprocessing import PolynomialFeatures

        found = getattr(datasets, f"load_{'diabetes' if name == 'cubic' else name}")()
        X, y = found.data, found.target.astype(np.float64)
        X = PolynomialFeatures(3, include_bias=False).fit_transform(X) if name == "cubic" else X
    X = X[:, X.std(0) > 0]
    return np.asfortranarray((X - X.mean(0)) / X.std(0)), y - y.mean()


def gap(X: Array, y: Array, w: Array, lam: float, ridge: float) -> float:
    """Return the relative duality gap of ½‖y − Xw‖² + λ|w|₁ + ½ρ‖w‖²."""
    r = y - X @ w
    z, q = X.T @ r - ridge * w, float(r @ r) + ridge * float(w @ w)
    s = min(1.0, lam / float(np.abs(z).max()))
    return (0.5 * (1 - s) ** 2 * q + lam * float(np.abs(w).sum()) - s * float(w @ z)) / (0.5 * float(y @ y))


def sklearn(X: Array, y: Array, lams: Array, mu: float) -> Callable[[float], Array]:
    from sklearn.linear_model import enet_path

    alphas, share = lams * (1 + mu) / len(y), 1 / (1 + mu)
    return lambda tol: np.asarray(enet_path(X, y, alphas=alphas, l1_ratio=share, tol=tol, max_iter=100_000)[1]).T


def celer(X: Array, y: Array, lams: Array, mu: float) -> Callable[[float], Array]:
    found = pytest.importorskip("celer")
    share = {"l1_ratio": 1 / (1 + mu)} if mu else {}
    alphas = lams * (1 + mu) / len(y)
    return lambda tol: np.asarray(found.celer_path(X, y, "lasso", alphas=alphas, tol=tol, max_iter=1000, **share)[1]).T


def skglm(X: Array, y: Array, lams: Array, mu: float) -> Callable[[float], Array]:
    found = pytest.importorskip("skglm.penalties")
    clone = pytest.importorskip("skglm.utils.jit_compilation").compiled_clone
    alphas = lams * (1 + mu) / len(y)
    penalty = clone(found.L1_plus_L2(alphas[0], 1 / (1 + mu)) if mu else found.L1(alphas[0]))
    loss = clone(pytest.importorskip("skglm.datafits").Quadratic())
    solvers = pytest.importorskip("skglm.solvers")
    loss.initialize(X, y)

    def run(tol: float) -> Array:
        solver = solvers.AndersonCD(max_iter=200, tol=tol, fit_intercept=False, warm_start=True)
        return np.asarray(solver.path(X, y, loss, penalty, alphas=alphas)[1]).T

    return run


def adelie(X: Array, y: Array, lams: Array, mu: float) -> Callable[[float], Array]:
    found = pytest.importorskip("adelie")
    matrix = found.matrix.dense(X, method="naive", n_threads=1)
    alphas, share = lams * (1 + mu) / len(y), 1 / (1 + mu)

    def run(tol: float) -> Array:
        fitted = found.grpnet(matrix, found.glm.gaussian(y), alpha=share, lmda_path=alphas, tol=tol, intercept=False,
                              early_exit=False, progress_bar=False, adev_tol=1.0, n_threads=1)  # fmt: skip
        return np.asarray(fitted.betas.toarray())

    return run


PEERS = {"sklearn": sklearn, "celer": celer, "skglm": skglm, "adelie": adelie}


def compare(benchmark: Any, ours: Run, peer: Run, **notes: Any) -> None:
    """Take the best of interleaved processor times, and let pytest-benchmark time ours again."""
    ours()
    best = {"ours": np.inf, "peer": np.inf}
    for _ in range(3):
        for name, run in (("ours", ours), ("peer", peer)):
            begin = time.process_time()
            run()
            best[name] = min(best[name], time.process_time() - begin)
    ratio = best["ours"] / best["peer"]
    benchmark.extra_info.update(notes, ours_ms=1e3 * best["ours"], peer_ms=1e3 * best["peer"], ratio=ratio)
    benchmark.pedantic(ours, rounds=1)


@pytest.mark.parametrize("peer", PEERS)
@pytest.mark.parametrize("mu", [0.0, 0.5], ids=["lasso", "enet"])
@pytest.mark.parametrize("name", NAMES)
def test_path(benchmark: Any, name: str, mu: float, peer: str) -> None:
    X, y = load(name)
    lams = float(np.abs(X.T @ y).max()) * np.geomspace(1.0, 1e-2, 100)
    penalty = penalties["elastic_net"](mu=mu) if mu else L1

    def worst(coefs: Array) -> float:
        return max(gap(X, y, coefs[i], lams[i], mu * lams[i]) for i in range(0, 100, 9 if X.size > 1e6 else 1))

    other = PEERS[peer](X, y, lams, mu)
    for tol in LADDER:
        reached = worst(other(tol))
        if reached <= TARGET:
            break
    else:
        pytest.skip("the peer never reaches the target")
    ours = fit_path(X, y, penalty, lams)
    compare(benchmark, lambda: fit_path(X, y, penalty, lams).coefs, partial(other, tol), against=peer,
            peer_gap=reached, our_gap=worst(ours.coefs))  # fmt: skip


@pytest.mark.parametrize("name", NAMES[:6])
def test_homotopy_against_lars_path(benchmark: Any, name: str) -> None:
    """Both find every knot; the peer neither verifies them nor survives the dependent columns of "cubic"."""
    from sklearn.linear_model import lars_path

    X, y = load(name)
    found = homotopy(X, y, L1, ratio=0.01)

    def peer() -> Array:
        return np.asarray(lars_path(X, y, method="lasso", alpha_min=found.lams[-1] / len(y), max_iter=5000)[2]).T

    last = gap(X, y, peer()[-1], float(found.lams[-1]), 0.0)
    compare(benchmark, lambda: homotopy(X, y, L1, ratio=0.01).coefs, peer, against="sklearn lars_path",
            knots=len(found.lams), our_gap=found.certificate, peer_gap_at_the_end=last)  # fmt: skip
