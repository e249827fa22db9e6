"""Penalties on groups that are not convex: stationarity from explicit formulas, zero groups, brute force, descent."""

from collections.abc import Callable
from itertools import pairwise

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.groups.fitting import fit_groups
from etatrick.numerics.groups.paths import largest_group_lam
from etatrick.numerics.groups.penalties import NonconvexSparseGroups, SparseGroupLasso
from etatrick.theory import penalties
from etatrick.theory.vector import Groups, L1MinusL2
from tolerances import FLOAT64

Array = NDArray[np.float64]
DRAW = 20260812
KKT = 1e-10

# value and slope on r > 0, and the slope at 0, written out
SCALARS: dict[str, tuple[Callable[[float], float], Callable[[float], float], float]] = {
    "mcp": (lambda r: r - r * r / 6 if r < 3 else 1.5, lambda r: max(1 - r / 3, 0.0), 1.0),
    "scad": (
        lambda r: r if r < 1 else (-r * r + 7.4 * r - 1) / 5.4 if r < 3.7 else 2.35,
        lambda r: 1.0 if r <= 1 else max(3.7 - r, 0.0) / 2.7,
        1.0,
    ),
    "log_sum": (lambda r: float(np.log1p(r)), lambda r: 1 / (1 + r), 1.0),
    "lp": (lambda r: 2 * float(np.sqrt(r)), lambda r: 1 / np.sqrt(r), np.inf),
}
DUALITIES = {
    "mcp": penalties["mcp"](A=3).duality,
    "scad": penalties["scad"](a=3.7, ell=1).duality,
    "log_sum": penalties["log_sum"](epsilon=1).duality,
    "lp": penalties["lp"](p=0.5).duality,
}


def data(n: int = 60, d: int = 40) -> tuple[Array, Array, list[list[int]]]:
    rng = np.random.default_rng(DRAW)
    X = rng.standard_normal((n, d))
    y = X[:, :6] @ rng.standard_normal(6) * 2 + rng.standard_normal(n)
    order = rng.permutation(d)
    cuts = [0, 1, 3, 6, 10, 15, 21, 30, d]
    return X, y, [[int(j) for j in order[a:b]] for a, b in pairwise(cuts)]


def residual_of_groups(name: str, pull: Array, w: Array, lam: float, groups: list[list[int]]) -> float:
    """Return the largest violation of pull_g = λφ′(‖w_g‖)w_g/‖w_g‖, or of ‖pull_g‖ ≤ λφ′(0+) where w_g = 0."""
    _, slope, start = SCALARS[name]
    worst = 0.0
    for group in groups:
        z, own = pull[group], w[group]
        r = float(np.linalg.norm(own))
        worst = max(
            worst, float(np.linalg.norm(z - lam * slope(r) * own / r) if r else np.linalg.norm(z) - lam * start)
        )
    return worst


@pytest.mark.parametrize("name", SCALARS)
@pytest.mark.parametrize("fraction", [0.2, 0.05])
def test_lengths_of_groups(name: str, fraction: float) -> None:
    X, y, groups = data()
    penalty = Groups(DUALITIES[name], groups)
    scale = float(np.abs(X.T @ y).max())
    lam = fraction * max(float(np.linalg.norm((X.T @ y)[g])) for g in groups)
    found = fit_groups(X, y, penalty, lam)
    assert found.relative_gap is None
    assert found.status.name == "STATIONARY"
    assert found.locally_minimal
    pull = X.T @ (y - X @ found.coef)
    assert residual_of_groups(name, pull, found.coef, lam, groups) <= KKT * scale
    value = 0.5 * np.sum((y - X @ found.coef) ** 2)
    value += lam * sum(SCALARS[name][0](float(np.linalg.norm(found.coef[g]))) for g in groups)
    assert found.objective == pytest.approx(value, rel=FLOAT64)
    off = found.coef * (1 + 1e-6)
    assert residual_of_groups(name, X.T @ (y - X @ off), off, lam, groups) > KKT * scale


@pytest.mark.parametrize("name", SCALARS)
def test_lengths_and_concave_weights(name: str) -> None:
    X, y, groups = data()
    penalty = NonconvexSparseGroups(groups, DUALITIES[name])
    _, slope, start = SCALARS[name]
    lam = 0.02 * float(np.abs(X.T @ y).max())
    found = fit_groups(X, y, penalty, lam)
    pull, w, worst = X.T @ (y - X @ found.coef), found.coef, 0.0
    assert 0 < np.count_nonzero(w) < len(w)
    for group in groups:
        c, r = np.sqrt(len(group)), float(np.linalg.norm(w[group]))
        if r == 0:
            over = np.maximum(np.abs(pull[group]) - lam * start, 0)
            worst = max(worst, float(np.linalg.norm(over)) - lam * c)
            continue
        for j in group:
            if w[j] == 0:
                worst = max(worst, abs(pull[j]) - lam * start)
            else:
                force = lam * (c * w[j] / r + slope(abs(w[j])) * np.sign(w[j]))
                worst = max(worst, abs(pull[j] - force))
    assert worst <= KKT * np.abs(X.T @ y).max()
    assert found.objective == pytest.approx(0.5 * np.sum((y - X @ w) ** 2) + lam * penalty.penalty_at(w), rel=FLOAT64)
    assert found.locally_minimal


@pytest.mark.parametrize("loss", ["logistic", "poisson", "huber"])
@pytest.mark.parametrize("name", ["mcp", "log_sum"])
def test_other_losses(loss: str, name: str) -> None:
    X, signal, groups = data()
    y = {"logistic": (signal > 0) * 1.0, "poisson": np.round(np.exp(signal / 5)), "huber": signal}[loss]

    def pull(w: Array) -> Array:
        theta = X @ w
        if loss == "huber":
            return np.asarray(X.T @ np.clip(y - theta, -1, 1))
        return np.asarray(X.T @ (y - (1 / (1 + np.exp(-theta)) if loss == "logistic" else np.exp(theta))))

    at_zero = pull(np.zeros(40))
    lam = 0.2 * max(float(np.linalg.norm(at_zero[g])) for g in groups)
    found = fit_groups(X, y, Groups(DUALITIES[name], groups), lam, loss)
    assert found.coef.any()
    assert residual_of_groups(name, pull(found.coef), found.coef, lam, groups) <= KKT * np.abs(at_zero).max()


@pytest.mark.parametrize("name", ["mcp", "scad", "log_sum"])
def test_one_group_of_an_orthonormal_design_is_the_brute_force_minimum(name: str) -> None:
    rng = np.random.default_rng(DRAW)
    Q = np.linalg.qr(rng.standard_normal((9, 4)))[0]
    for size in (0.4, 1.5, 2.5, 6.0):
        target = rng.standard_normal(4)
        target *= size / np.linalg.norm(target)
        found = fit_groups(Q, Q @ target, Groups(DUALITIES[name], [[0, 1, 2, 3]]), 0.9)
        grid = np.linspace(0, size, 20_001)
        values = [0.5 * (r - size) ** 2 + 0.9 * SCALARS[name][0](r) for r in grid]
        assert found.objective <= min(values) + 1e-7
        assert np.linalg.norm(found.coef) == pytest.approx(grid[int(np.argmin(values))], abs=1e-3)


@pytest.mark.parametrize("a", [0.0, 0.5, 1.0])
@pytest.mark.parametrize("fraction", [0.5, 0.05])
def test_the_difference_of_norms(a: float, fraction: float) -> None:
    X, y, _ = data()
    lam = fraction * float(np.abs(X.T @ y).max())
    found = fit_groups(X, y, L1MinusL2(a), lam)
    w, pull = found.coef, X.T @ (y - X @ found.coef)
    assert w.any()
    on = w != 0
    force = lam * (np.sign(w[on]) - a * w[on] / np.linalg.norm(w))
    assert np.abs(pull[on] - force).max() <= KKT * np.abs(X.T @ y).max()
    assert np.abs(pull[~on]).max() <= lam * (1 + KKT)
    assert found.objective == pytest.approx(
        0.5 * np.sum((y - X @ w) ** 2) + lam * (np.abs(w).sum() - a * np.linalg.norm(w)), rel=FLOAT64
    )
    assert found.locally_minimal


def test_the_difference_of_norms_leaves_zero_exactly_below_its_largest_lam() -> None:
    X, y, _ = data()
    top = largest_group_lam(X, y, L1MinusL2(0.6))
    assert top == pytest.approx(np.abs(X.T @ y).max() / 0.4)
    assert not fit_groups(X, y, L1MinusL2(0.6), top * (1 + 1e-9)).coef.any()
    released = fit_groups(X, y, L1MinusL2(0.6), top * (1 - 1e-3))
    assert released.coef.any()
    assert released.objective < 0.5 * y @ y
    assert np.isinf(largest_group_lam(X, y, L1MinusL2(1.0)))


def prox_difference(z: Array, t: float) -> tuple[Array, float]:
    """Return a minimiser of ½‖w − z‖² + t(‖w‖₁ − ‖w‖₂) and its value, by Lou and Yan's closed form."""
    soft = np.sign(z) * np.maximum(np.abs(z) - t, 0)
    length = float(np.linalg.norm(soft))
    if length > 0:
        w = soft * (length + t) / length
    else:
        w = np.zeros_like(z)
        j = int(np.abs(z).argmax())
        w[j] = z[j]
    return w, float(0.5 * np.sum((w - z) ** 2) + t * (np.abs(w).sum() - np.linalg.norm(w)))


def test_the_difference_of_norms_of_an_orthonormal_design_is_its_closed_form() -> None:
    rng = np.random.default_rng(DRAW)
    Q = np.linalg.qr(rng.standard_normal((12, 6)))[0]
    for t in (0.3, 1.0, 3.0):
        z = 1.5 * rng.standard_normal(6)
        found = fit_groups(Q, Q @ z, L1MinusL2(1.0), t)
        w, value = prox_difference(z, t)
        assert found.objective == pytest.approx(value, abs=1e-12)
        assert np.abs(found.coef - w).max() <= FLOAT64


@pytest.mark.parametrize("name", SCALARS)
def test_a_start_is_never_left_for_worse(name: str) -> None:
    X, y, groups = data()
    rng = np.random.default_rng(DRAW)
    penalty, lam = Groups(DUALITIES[name], groups), 5.0
    for _ in range(3):
        start = rng.standard_normal(40) * (rng.random(40) < 0.3)
        before = 0.5 * np.sum((y - X @ start) ** 2) + lam * float(penalty.penalty_at(start))
        found = fit_groups(X, y, penalty, lam, start=start)
        assert found.objective <= before + 1e-12
        assert np.all(np.diff(found.history) <= 0)


def test_concave_penalties_keep_fewer_groups_than_the_group_lasso() -> None:
    X, y, groups = data(200, 40)
    lam = 0.1 * max(float(np.linalg.norm((X.T @ y)[g])) for g in groups)
    convex = fit_groups(X, y, SparseGroupLasso(groups, [1] * len(groups)), lam).coef
    concave = fit_groups(X, y, Groups(DUALITIES["mcp"], groups), lam).coef
    kept = [sum(bool(w[g].any()) for g in groups) for w in (convex, concave)]
    assert kept[1] <= kept[0]
    assert np.abs(concave).sum() > np.abs(convex).sum()
