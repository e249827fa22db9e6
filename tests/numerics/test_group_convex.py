"""Convex group penalties: gaps recomputed from textbook formulas, agreement with Clarabel, hard designs, all losses."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import scipy.sparse
from numpy.typing import NDArray

from etatrick.numerics.groups.fitting import fit_groups
from etatrick.numerics.groups.paths import largest_group_lam
from etatrick.numerics.groups.penalties import SparseGroupLasso
from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import derive, penalties
from etatrick.theory.vector import Groups
from tolerances import CERTIFICATE, FLOAT64

Array = NDArray[np.float64]
Partition = list[list[int]]
DRAW = 20260811


def uneven(d: int, rng: np.random.Generator) -> Partition:
    """Return a scattered partition with singletons, pairs and larger groups."""
    order = rng.permutation(d)
    cuts = sorted({0, 1, 2, 4, 9, 10, d // 2, d // 2 + 1, 3 * d // 4, d})
    return [[int(j) for j in order[a:b]] for a, b in pairwise(cuts)]


def blocks_of(d: int, size: int) -> Partition:
    return [list(range(i, min(i + size, d))) for i in range(0, d, size)]


def data(n: int, d: int, seed: int = DRAW) -> tuple[Array, Array, np.random.Generator]:
    rng = np.random.default_rng(seed)
    X = rng.standard_normal((n, d))
    return X, X[:, :5] @ rng.standard_normal(5) + rng.standard_normal(n), rng


def omega(penalty: SparseGroupLasso, w: Array) -> float:
    """Return Ω(w) group by group."""
    total = 0.0
    for c, group in zip(penalty.weights, penalty.groups, strict=True):
        total += (1 - penalty.tau) * c * float(np.sqrt(sum(w[j] ** 2 for j in group)))
    return total + penalty.tau * float(np.abs(w).sum()) + 0.5 * penalty.ridge * float((w**2).sum())


def feasible_scale(penalty: SparseGroupLasso, z: Array, lam: float) -> float:
    """Return the largest s ≤ 1 with ‖S(s·z_g, λτ)‖ ≤ λ(1−τ)c_g for all g, by bisection."""

    def inside(s: float) -> bool:
        return all(
            np.linalg.norm(np.maximum(s * np.abs(z[list(group)]) - lam * penalty.tau, 0)) <= lam * (1 - penalty.tau) * c
            for c, group in zip(penalty.weights, penalty.groups, strict=True)
        )

    if inside(1.0):
        return 1.0
    low, high = 0.0, 1.0
    for _ in range(60):
        middle = (low + high) / 2
        low, high = (middle, high) if inside(middle) else (low, middle)
    return low


def gap(penalty: SparseGroupLasso, X: Array, y: Array, w: Array, lam: float) -> float:
    """Return the relative gap of ½‖y − Xw‖² + λΩ: the dual is yᵀθ − ½‖θ‖²; a ridge term becomes rows √(λρ) of X."""
    if penalty.ridge > 0:
        X = np.vstack([X, np.sqrt(lam * penalty.ridge) * np.eye(len(w))])
        y = np.concatenate([y, np.zeros(len(w))])
        penalty = SparseGroupLasso(penalty.groups, penalty.weights, penalty.tau)
    r = y - X @ w
    theta = feasible_scale(penalty, X.T @ r, lam) * r
    primal = 0.5 * float(r @ r) + lam * omega(penalty, w)
    return (primal - float(y @ theta) + 0.5 * float(theta @ theta)) / (0.5 * float(y @ y))


@pytest.mark.parametrize("ridge", [0.0, 0.3])
@pytest.mark.parametrize("tau", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("shape", [(40, 90), (90, 40)], ids=str)
@pytest.mark.parametrize("fraction", [0.5, 0.05])
def test_the_gap_recomputed_from_the_data_closes(
    shape: tuple[int, int], tau: float, ridge: float, fraction: float
) -> None:
    X, y, rng = data(*shape)
    groups = uneven(shape[1], rng)
    penalty = SparseGroupLasso(groups, rng.uniform(0.5, 2, len(groups)).tolist(), tau, ridge)
    lam = fraction * largest_group_lam(X, y, penalty)
    found = fit_groups(X, y, penalty, lam)
    assert found.status.name == "OPTIMAL"
    assert found.relative_gap is not None
    assert found.relative_gap <= CERTIFICATE
    assert abs(gap(penalty, X, y, found.coef, lam)) <= CERTIFICATE
    assert found.objective == pytest.approx(0.5 * np.sum((y - X @ found.coef) ** 2) + lam * omega(penalty, found.coef))
    assert np.all(np.diff(found.history) <= 0)
    # negative control: the same figures tell a point that is off by 1e-4 in one weight
    off = found.coef.copy()
    off[np.flatnonzero(off)[0]] *= 1 + 1e-4
    assert gap(penalty, X, y, off, lam) > 1e-11


def model(penalty: SparseGroupLasso, w: Any, lam: float) -> Any:
    import cvxpy as cp

    lengths = [c * cp.norm(w[list(g)]) for c, g in zip(penalty.weights, penalty.groups, strict=True)]
    ridge = 0.5 * penalty.ridge * cp.sum_squares(w)
    return lam * ((1 - penalty.tau) * sum(lengths) + penalty.tau * cp.norm1(w) + ridge)


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "huber"])
def test_clarabel_agrees(loss: str, tau: float) -> None:
    import cvxpy as cp

    from etatrick.numerics.losses import loss_named

    X, signal, rng = data(50, 24)
    targets: dict[str, Callable[[], Array]] = {
        "squared": lambda: signal,
        "logistic": lambda: (signal > 0).astype(np.float64),
        "poisson": lambda: rng.poisson(np.exp(np.clip(signal / 4, -2, 2))).astype(np.float64),
        "huber": lambda: signal + 3 * rng.standard_t(2, 50),
    }
    y, weights, offset = targets[loss](), rng.uniform(0.5, 2, 50), 0.3 * rng.standard_normal(50)
    penalty = SparseGroupLasso(uneven(24, rng), tau=tau, ridge=0.1)
    lam = 0.1 * largest_group_lam(X, y, penalty, loss, fit_intercept=True, sample_weight=weights, offset=offset)
    found = fit_groups(X, y, penalty, lam, loss, fit_intercept=True, sample_weight=weights, offset=offset)
    assert found.relative_gap is not None
    assert found.relative_gap <= CERTIFICATE
    w, b = cp.Variable(24), cp.Variable()
    terms = loss_named(loss).cvxpy_terms(y, X @ w + b + offset)
    problem = cp.Problem(cp.Minimize(weights @ terms + model(penalty, w, lam)))
    reach = 1e-10 if loss in ("squared", "huber") else 1e-8  # exponential cones go no further
    problem.solve(solver=cp.CLARABEL, tol_gap_abs=reach, tol_gap_rel=reach, tol_feas=reach)
    assert abs(found.objective - problem.value) <= 1e-8 * (1 + abs(problem.value))
    assert np.abs(found.coef - w.value).max() <= 1e-4 * (1 + np.abs(w.value).max())
    assert found.intercept == pytest.approx(float(b.value), abs=1e-4)


def test_an_intercept_and_weights_are_a_rewritten_problem() -> None:
    X, y, rng = data(60, 30)
    v, groups = rng.uniform(0, 2, 60), uneven(30, rng)
    v[:4] = 0.0
    penalty, lam = SparseGroupLasso(groups, tau=0.3), 3.0
    found = fit_groups(X, y, penalty, lam, fit_intercept=True, sample_weight=v)
    mean, level, root = v @ X / v.sum(), float(v @ y / v.sum()), np.sqrt(v)
    plain = fit_groups((X - mean) * root[:, None], (y - level) * root, penalty, lam)
    assert np.abs(found.coef - plain.coef).max() <= FLOAT64
    assert found.intercept == pytest.approx(level - float(mean @ plain.coef), abs=FLOAT64)


def test_special_cases_are_other_solvers() -> None:
    X, y, rng = data(50, 40)
    singles = [[j] for j in range(40)]
    lasso = fit(X, y, penalties["l1"](k=1), 4.0).coef
    for penalty in (
        SparseGroupLasso(uneven(40, rng), tau=1.0),
        SparseGroupLasso(singles),
        SparseGroupLasso(singles, tau=0.3),
        Groups(derive(penalty="w"), singles),
    ):
        assert np.abs(fit_groups(X, y, penalty, 4.0).coef - lasso).max() <= FLOAT64
    groups = uneven(40, rng)
    unit = fit_groups(X, y, SparseGroupLasso(groups, [1.0] * len(groups)), 4.0)
    theory = fit_groups(X, y, Groups(derive(penalty="w"), groups), 4.0)
    assert np.abs(unit.coef - theory.coef).max() <= FLOAT64
    assert theory.objective == pytest.approx(
        0.5 * np.sum((y - X @ unit.coef) ** 2) + 4 * Groups(derive(penalty="w"), groups).penalty_at(unit.coef)
    )


def hard_designs() -> dict[str, tuple[Array, Partition]]:
    rng = np.random.default_rng(DRAW)
    X = rng.standard_normal((30, 60))
    few = rng.standard_normal((30, 3)) @ rng.standard_normal((3, 60))
    return {
        "larger than n": (X, [list(range(50)), list(range(50, 60))]),
        "one group": (X, [list(range(60))]),
        "collinear within": (np.repeat(X[:, :12], 5, axis=1), blocks_of(60, 5)),
        "repeated groups": (np.hstack([X[:, :20]] * 3), blocks_of(60, 5)),
        "rank three": (few, blocks_of(60, 6)),
        "zero columns": (X * (np.arange(60) > 12), blocks_of(60, 7)),
        "scales": (X * np.exp(3 * rng.standard_normal(60)), blocks_of(60, 7)),
    }


@pytest.mark.parametrize("tau", [0.0, 0.5])
@pytest.mark.parametrize("name", hard_designs())
def test_hard_designs(name: str, tau: float) -> None:
    X, groups = hard_designs()[name]
    y = np.random.default_rng(DRAW + 1).standard_normal(30)
    penalty = SparseGroupLasso(groups, tau=tau)
    top = largest_group_lam(X, y, penalty)
    for fraction in (0.3, 0.01):
        found = fit_groups(X, y, penalty, fraction * top)
        assert found.status.name == "OPTIMAL"
        assert gap(penalty, X, y, found.coef, fraction * top) <= CERTIFICATE


def test_many_columns_use_products_alone_and_agree_with_the_matrix() -> None:
    X, _, rng = data(80, 900)
    y = X[:, :300] @ rng.standard_normal(300) + rng.standard_normal(80)
    penalty = SparseGroupLasso(blocks_of(900, 6), tau=0.2)
    lam = 0.02 * largest_group_lam(X, y, penalty)
    found = fit_groups(X, y, penalty, lam)
    assert np.count_nonzero(found.coef) > 100
    assert gap(penalty, X, y, found.coef, lam) <= CERTIFICATE


def test_sparse_columns_are_the_dense_ones() -> None:
    rng = np.random.default_rng(DRAW)
    X = scipy.sparse.random(100, 60, 0.2, format="csc", random_state=0)
    y = rng.standard_normal(100)
    penalty = SparseGroupLasso(uneven(60, rng), tau=0.3)
    found = fit_groups(X, y, penalty, 0.4, fit_intercept=True)
    dense = fit_groups(X.toarray(), y, penalty, 0.4, fit_intercept=True)
    assert found.coef.any()
    assert np.abs(found.coef - dense.coef).max() <= FLOAT64


def logistic_gap(penalty: SparseGroupLasso, X: Array, y: Array, w: Array, lam: float) -> float:
    """Return the relative gap with the dual −Σ[p log p + (1−p) log(1−p)], p = y − θ, at θ = s(y − σ(Xw))."""
    mean = 1 / (1 + np.exp(-X @ w))
    p = y - feasible_scale(penalty, X.T @ (y - mean), lam) * (y - mean)
    entropy = -float(sum(q * np.log(q) for side in (p, 1 - p) for q in side if q > 0))
    primal = float(np.logaddexp(0, X @ w).sum() - y @ X @ w) + lam * omega(penalty, w)
    return (primal - entropy) / (len(y) * float(np.log(2)))


@pytest.mark.parametrize("fraction", [0.3, 0.01])
def test_the_logistic_gap_recomputed_from_the_data_closes(fraction: float) -> None:
    X, signal, rng = data(60, 150)
    y = (signal > 0).astype(np.float64)
    penalty = SparseGroupLasso(uneven(150, rng), tau=0.3)
    lam = fraction * largest_group_lam(X, y, penalty, "logistic")
    found = fit_groups(X, y, penalty, lam, "logistic")
    assert abs(logistic_gap(penalty, X, y, found.coef, lam)) <= CERTIFICATE
    assert logistic_gap(penalty, X, y, 1.001 * found.coef, lam) > 1e-9
