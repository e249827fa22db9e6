"""Global minima against exhaustive enumeration, dense grids with polish, and a mixed-integer cutting-plane oracle."""

from itertools import product
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import Bounds, LinearConstraint, milp, minimize

from etatrick.numerics.global_search.gated import gated_minimum, gated_objective
from etatrick.numerics.global_search.result import GlobalOptimum, GlobalStatus
from etatrick.numerics.global_search.search import global_minimum
from etatrick.theory import penalties
from tolerances import FLOAT64, SOLVER, close

Array = NDArray[np.float64]
GAP = 1e-9


def draw(seed: int, n: int, d: int, correlation: float = 0.6, unit: bool = True) -> tuple[Array, Array]:
    rng = np.random.default_rng([91, seed])
    X = rng.standard_normal((n, d)) + np.sqrt(correlation / (1 - correlation)) * rng.standard_normal((n, 1))
    X = X / np.linalg.norm(X, axis=0) if unit else X
    w = np.where(rng.random(d) < 0.5, rng.normal(size=d) * 1.5, 0.0)
    return X, X @ w + 0.4 * rng.standard_normal(n) * np.linalg.norm(X, axis=0).mean() / np.sqrt(n) * 3


def penalty(name: str, w: Array, **p: float) -> Array:
    """Write the penalties out as in their papers, sharing nothing with the catalogue."""
    t = np.abs(w)
    if name == "l0":
        return np.where(t > 0, p["kappa"], 0.0)
    if name == "mcp":
        return np.where(t < p["A"], t - t**2 / (2 * p["A"]), p["A"] / 2)
    if name == "cel0":
        edge = np.sqrt(2 * p["kappa"])
        return p["kappa"] - np.where(t < edge, (t - edge) ** 2 / 2, 0.0)
    if name == "capped_l1":
        return np.minimum(t, p["theta"])
    a, ell = p["a"], p["ell"]
    middle = (2 * a * ell * t - t**2 - ell**2) / (2 * (a - 1) * ell)
    return np.where(t <= ell, t, np.where(t <= a * ell, middle, ell * (a + 1) / 2))


def objective(X: Array, y: Array, name: str, lam: float, w: Array, **p: float) -> float:
    return float(0.5 * np.sum((y - X @ w) ** 2) + lam * penalty(name, w, **p).sum())


def certified(found: GlobalOptimum, X: Array, y: Array, name: str, lam: float, **p: float) -> None:
    """Check what every result must satisfy."""
    assert found.status is GlobalStatus.PROVED, found.verdict
    assert found.verdict.status == "certified", found.verdict
    assert close(found.objective, objective(X, y, name, lam, found.coef, **p), FLOAT64)
    assert 0 <= found.gap <= GAP * 0.5 * float(y @ y)


def best_subset(X: Array, y: Array, price: float) -> float:
    best = 0.5 * float(y @ y)
    for pattern in range(1, 2 ** X.shape[1]):
        on = np.flatnonzero((pattern >> np.arange(X.shape[1])) & 1)
        rest = y - X[:, on] @ np.linalg.lstsq(X[:, on], y, rcond=None)[0]
        best = min(best, 0.5 * float(rest @ rest) + price * len(on))
    return best


@pytest.mark.parametrize(
    ("seed", "n", "d", "lam"), [(0, 30, 6, 0.1), (1, 25, 10, 0.05), (2, 40, 11, 0.02), (3, 12, 9, 0.1)]
)
def test_best_subset_by_enumeration(seed: int, n: int, d: int, lam: float) -> None:
    X, y = draw(seed, n, d)
    found = global_minimum(X, y, penalties["l0"](kappa=1), lam)
    certified(found, X, y, "l0", lam, kappa=1.0)
    assert close(found.objective, best_subset(X, y, lam), FLOAT64)


@pytest.mark.parametrize("seed", range(3))
def test_cel0_and_flat_mcp_reach_the_value_of_l0(seed: int) -> None:
    # CEL0's exact relaxation: unit columns, λ = 1; an MCP steep enough behaves in the same way
    X, y = draw(10 + seed, 30, 8)
    price = 0.06
    expected = best_subset(X, y, price)
    zero = global_minimum(X, y, penalties["l0"](kappa=price), 1.0)
    cel0 = global_minimum(X, y, penalties["cel0"](kappa=price), 1.0)
    edge = np.sqrt(2 * price) * 0.7
    mcp = global_minimum(X, y, penalties["mcp"](A=edge), 2 * price / edge)
    for found in (zero, cel0, mcp):
        assert found.verdict.status == "certified"
        assert close(found.objective, expected, FLOAT64)
    np.testing.assert_allclose(cel0.coef, zero.coef, atol=SOLVER)
    np.testing.assert_allclose(mcp.coef, zero.coef, atol=SOLVER)


def test_cel0_falls_below_l0_when_columns_are_longer() -> None:
    # one column of length 2: the stationary point (2y − √(2κ))/3 lies on the curved piece
    cel0 = global_minimum([[2.0]], [0.5], penalties["cel0"](kappa=0.06), 1.0)
    w = (1 - np.sqrt(0.12)) / 3
    assert close(cel0.objective, 0.5 * (0.5 - 2 * w) ** 2 + np.sqrt(0.12) * w - w**2 / 2, FLOAT64)
    assert cel0.objective < best_subset(np.array([[2.0]]), np.array([0.5]), 0.06) - 5e-3


@pytest.mark.parametrize("seed", range(3))
def test_bernoulli_gates_have_the_value_of_l0(seed: int) -> None:
    X, y = draw(20 + seed, 20, 6, unit=False)
    lam = 0.04 * float(y @ y)
    certificate = global_minimum(X, y, penalties["l0"](kappa=1), lam)
    gated = gated_minimum(X, y, lam, seed=seed)
    assert close(gated.objective, certificate.objective, FLOAT64)
    np.testing.assert_allclose(gated.gates * gated.weights, certificate.coef, atol=SOLVER)
    # no interior point falls below the certified bound
    rng = np.random.default_rng([92, seed])
    gates = rng.random((2000, 6)) ** rng.choice([0.1, 1, 10], (2000, 1))
    weights = certificate.coef / gates * rng.choice([0.0, 0.5, 1.0], (2000, 6))
    assert (gated_objective(X, y, lam, weights, gates) >= certificate.lower_bound).all()


def test_gated_objective_is_the_mean_over_all_gates() -> None:
    X, y = draw(30, 9, 4, unit=False)
    rng = np.random.default_rng(93)
    w, pi = rng.standard_normal(4), rng.random(4)
    mean = 0.0
    for z in product([0, 1], repeat=4):
        chance = np.prod(np.where(np.array(z) == 1, pi, 1 - pi))
        mean += chance * (0.5 * float(np.sum((y - X @ (w * z)) ** 2)) + 0.3 * sum(z))
    assert close(float(gated_objective(X, y, 0.3, w[None], pi[None])[0]), float(mean), FLOAT64)


@pytest.mark.parametrize("seed", range(3))
def test_capped_l1_by_enumerating_its_convex_parts(seed: int) -> None:
    # min(t, θ) is the smaller of two convex functions: 2^d lasso problems, each by its own sign patterns
    d, lam, theta = 4, 0.15, 0.7
    X, y = draw(40 + seed, 15, d)
    G, b = X.T @ X, X.T @ y
    best = np.inf
    for kind in product([0, 1, -1, 2], repeat=d):
        k = np.array(kind)
        on = k != 0
        w = np.zeros(d)
        w[on] = np.linalg.solve(G[np.ix_(on, on)], (b - lam * np.where(k == 2, 0, k))[on])
        best = min(best, objective(X, y, "capped_l1", lam, w, theta=theta))
    found = global_minimum(X, y, penalties["capped_l1"](theta=theta), lam)
    certified(found, X, y, "capped_l1", lam, theta=theta)
    assert close(found.objective, best, FLOAT64)


CASES = [
    ("mcp", {"A": 3.0}, 0.2),
    ("mcp", {"A": 0.8}, 0.4),
    ("scad", {"a": 3.7, "ell": 0.5}, 0.2),
    ("scad", {"a": 2.2, "ell": 0.3}, 0.5),
    ("capped_l1", {"theta": 0.4}, 0.3),
    ("cel0", {"kappa": 0.2}, 0.4),
    ("cel0", {"kappa": 0.1}, 2.0),
    ("l0", {"kappa": 2.0}, 0.05),
]


@pytest.mark.parametrize(("name", "values", "lam"), CASES)
@pytest.mark.parametrize("seed", range(2))
def test_two_or_three_columns_by_a_dense_grid(name: str, values: dict[str, float], lam: float, seed: int) -> None:
    d = 2 + seed
    X, y = draw(50 + seed, 12, d, correlation=0.8)
    found = global_minimum(X, y, penalties[name](**values), lam)
    certified(found, X, y, name, lam, **values)
    axis = np.linspace(-4, 4, 401 if d == 2 else 49)
    points = np.stack(np.meshgrid(*[axis] * d), axis=-1).reshape(-1, d)
    grid = 0.5 * ((y - points @ X.T) ** 2).sum(axis=1) + lam * penalty(name, points, **values).sum(axis=1)
    assert grid.min() >= found.lower_bound
    best = float(grid.min())
    for k in np.argsort(grid)[:: max(1, len(grid) // 12)][:6].tolist() + np.argsort(grid)[:4].tolist():
        # polish on the subspace of the nonzero coordinates, so that exact zeros survive
        for on in product([False, True], repeat=d):
            free = np.array(on)
            if free.any():
                end = minimize(
                    lambda v, f=free: objective(X, y, name, lam, _spread(v, f), **values),
                    points[k][free],
                    method="Nelder-Mead",
                    options={"xatol": 1e-9, "fatol": 1e-13, "maxiter": 400},
                )
                best = min(best, float(end.fun))
    assert found.objective <= best + GAP
    assert close(found.objective, best, SOLVER)


def _spread(values: Array, free: NDArray[np.bool_]) -> Array:
    w = np.zeros(len(free))
    w[free] = values
    return w


def test_best_subset_by_mixed_integer_cuts() -> None:
    d, lam = 8, 0.08
    X, y = draw(60, 25, d)
    G, b, c, M = X.T @ X, X.T @ y, float(y @ y), 6.0
    cuts, bound, point = [], -np.inf, np.zeros(d)
    best = 0.5 * c
    for _ in range(400):
        loss, gradient = float(point @ G @ point / 2 - b @ point + c / 2), G @ point - b
        cuts.append(np.concatenate([gradient, np.zeros(d), [-1.0], [gradient @ point - loss]]))
        rows = np.array(cuts)
        signed = np.vstack([np.eye(d), -np.eye(d)])
        box = M * np.vstack([np.eye(d), np.eye(d)])
        big = np.hstack([signed, -box, np.zeros((2 * d, 1))])
        limits = [LinearConstraint(rows[:, :-1], ub=rows[:, -1]), LinearConstraint(big, ub=0)]
        low, high = np.r_[-M * np.ones(d), np.zeros(d), 0.0], np.r_[M * np.ones(d), np.ones(d), np.inf]
        model = milp(np.r_[np.zeros(d), lam * np.ones(d), 1.0], constraints=limits, bounds=Bounds(low, high),
                     integrality=np.r_[np.zeros(d), np.ones(d), 0.0])  # fmt: skip
        bound, on = float(model.fun), model.x[d : 2 * d] > 0.5
        point = np.zeros(d)
        point[on] = np.linalg.solve(G[np.ix_(on, on)], b[on]) if on.any() else 0.0
        best = min(best, float(point @ G @ point / 2 - b @ point + c / 2) + lam * on.sum())
        if best - bound < 1e-7:
            break
    assert best - bound < 1e-6
    found = global_minimum(X, y, penalties["l0"](kappa=1), lam)
    assert close(found.objective, best, SOLVER)
    assert found.lower_bound <= best


def test_more_columns_than_rows_in_a_box() -> None:
    X, y = draw(70, 5, 8)
    found = global_minimum(X, y, penalties["l0"](kappa=1), 0.1, box=50.0, time_limit=10)
    certified(found, X, y, "l0", 0.1, kappa=1.0)
    assert found.verdict.domain == "|w_j| ≤ 50"
    assert close(found.objective, best_subset(X, y, 0.1), FLOAT64)


@pytest.mark.parametrize("name", ["l0", "mcp"])
def test_intercept_and_weights_against_the_rewritten_problem(name: str) -> None:
    X, y = draw(80, 20, 5, unit=False)
    y = y + 3.0
    values = {"l0": {"kappa": 1.0}, "mcp": {"A": 1.0}}[name]
    counts = np.random.default_rng(94).integers(0, 4, 20)
    weighted = global_minimum(X, y, penalties[name](**values), 0.8, fit_intercept=True, sample_weight=counts)
    X2, y2 = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    rows, target = X2 - X2.mean(axis=0), y2 - y2.mean()
    plain = global_minimum(rows, target, penalties[name](**values), 0.8)
    assert close(weighted.objective, plain.objective, FLOAT64)
    np.testing.assert_allclose(weighted.coef, plain.coef, atol=SOLVER)
    assert close(weighted.intercept, float(np.mean(y2 - X2 @ weighted.coef)), FLOAT64)


def test_a_local_minimum_is_told_from_the_global_one() -> None:
    # negative control: coordinate-wise minimal points exist here whose values the certificate excludes
    X, y = draw(7, 30, 8, correlation=0.9)
    found = global_minimum(X, y, penalties["l0"](kappa=1), 0.05)
    worse = [best for best in _stuck(X, y, 0.05) if best > found.objective + 1e-4]
    assert worse
    assert min(_stuck(X, y, 0.05)) >= found.lower_bound


def _stuck(X: Array, y: Array, lam: float) -> list[float]:
    """Return values of points that no single coordinate improves, from many starts."""
    values = []
    for seed in range(20):
        w: Array = 2 * np.random.default_rng([95, seed]).standard_normal((X.shape[1],))
        for _ in range(3000):
            for j in range(len(w)):
                pull = float(X[:, j] @ (y - X @ w)) + w[j]
                w[j] = pull if pull**2 / 2 > lam else 0.0
            if np.abs(X.T @ (y - X @ w))[w != 0].max(initial=0) < 1e-9:
                break
        values.append(objective(X, y, "l0", lam, w, kappa=1.0))
    return values


def test_time_limit_returns_a_valid_bound() -> None:
    X, y = draw(90, 40, 12, correlation=0.7)
    seen: list[tuple[int, float, float]] = []
    args: Any = (X, y, penalties["mcp"](A=0.5), 0.1)
    early = global_minimum(*args, time_limit=1e-6)
    assert early.status is GlobalStatus.TIME
    assert early.verdict.status == "unknown"
    full = global_minimum(*args, progress=lambda *state: seen.append(state))
    assert full.status is GlobalStatus.PROVED
    assert early.lower_bound <= full.objective <= early.objective + FLOAT64
    assert seen
    assert all(bound <= value + FLOAT64 for _, value, bound in seen)
