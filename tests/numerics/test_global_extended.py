"""Global search beyond independent columns and flat penalties: n < d, twins, ridges, and penalties that keep rising."""

from dataclasses import replace
from itertools import combinations, product
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.errors import InputError
from etatrick.numerics.global_search.checking import recheck
from etatrick.numerics.global_search.curved import CurvedShape, curved_shape, read_shape
from etatrick.numerics.global_search.folded import FoldedShape
from etatrick.numerics.global_search.result import GlobalOptimum, GlobalStatus
from etatrick.numerics.global_search.scalar import scalar_minimum
from etatrick.numerics.global_search.search import global_minimum
from etatrick.numerics.global_search.sides import segments
from etatrick.numerics.global_search.tree import ZERO_OR_LARGE
from etatrick.theory import penalties
from tolerances import FLOAT64, SOLVER, close

Array = NDArray[np.float64]
L0 = penalties["l0"](kappa=1)
RISING = {
    "log_sum": penalties["log_sum"](epsilon=0.25),
    "exponential": penalties["exponential"](c=0.5),
    "transformed_l1": penalties["transformed_l1"](a=1),
}
FORMULA: dict[str, Any] = {
    "log_sum": lambda t: mpmath.log(1 + t / mpmath.mpf("0.25")),
    "exponential": lambda t: mpmath.mpf("0.5") * (1 - mpmath.exp(-2 * t)),
    "transformed_l1": lambda t: 2 * t / (1 + t),
}
NUMBERS: dict[str, Any] = {
    "log_sum": lambda t: np.log1p(4 * t),
    "exponential": lambda t: 0.5 - 0.5 * np.exp(-2 * t),
    "transformed_l1": lambda t: 2 * t / (1 + t),
}


def draw(seed: int, n: int, d: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([83, seed])
    X = rng.standard_normal((n, d))
    w = np.where(np.arange(d) < 2, 2.0, 0.0)
    return X, X @ w + 0.4 * rng.standard_normal(n)


def best_subset(X: Array, y: Array, price: float, ridge: float = 0.0) -> float:
    """Return the least ½‖y − Xw‖² + ½ρ‖w‖² + price·‖w‖₀ by solving every subset of at most n columns."""
    n, d = X.shape
    best = 0.5 * float(y @ y)
    for k in range(1, min(n, d) + 1 if ridge == 0 else d + 1):
        if price * k >= best:
            break
        for on in combinations(range(d), k):
            rows = np.vstack([X[:, on], np.sqrt(ridge) * np.eye(k)])
            target = np.concatenate([y, np.zeros(k)])
            rest = target - rows @ np.linalg.lstsq(rows, target, rcond=None)[0]
            best = min(best, 0.5 * float(rest @ rest) + price * k)
    return best


@pytest.mark.parametrize(("n", "d", "part"), [(4, 7, 0.1), (6, 10, 0.05), (8, 12, 0.02)])
def test_l0_with_more_columns_than_rows_without_a_box(n: int, d: int, part: float) -> None:
    X, y = draw(d, n, d)
    lam = part * 0.5 * float(y @ y)
    found = global_minimum(X, y, L0, lam)
    assert found.status is GlobalStatus.PROVED
    assert found.verdict.status == "certified"
    assert found.verdict.domain == "all w"
    assert close(found.objective, best_subset(X, y, lam), FLOAT64)
    again = recheck(found, X, y, L0, lam)
    assert again.accepted
    assert found.lower_bound <= again.lower_bound <= found.objective
    # the price alone closes a node only where that price is reached
    cheaper = recheck(found, X, y, L0, 0.9 * lam)
    assert not cheaper.accepted


def test_twin_columns_are_used_once() -> None:
    X, y = draw(1, 12, 4)
    twins = np.column_stack([X, -X[:, 0], X[:, 1]])
    lam = 0.3
    found = global_minimum(twins, y, L0, lam)
    assert found.verdict.status == "certified"
    assert close(found.objective, best_subset(X, y, lam), FLOAT64)
    # the same tree proves nothing once the twins differ a little: nodes with both of them are no longer closed
    rng = np.random.default_rng(84)
    apart = twins + 1e-3 * rng.standard_normal(twins.shape)
    assert not recheck(found, apart, y, L0, lam).accepted


def test_dependent_columns_that_are_no_twins_end_honestly() -> None:
    # x₃ = x₁ + x₂ exactly; nothing proves that all three together are wasteful, and the verdict says so if it matters
    A = np.random.default_rng(85).integers(-3, 4, (10, 2)).astype(float)
    X = np.column_stack([A, A.sum(axis=1)])
    y = A[:, 0] + 0.1 * np.arange(10)
    found = global_minimum(X, y, L0, 1e-3 * float(y @ y), time_limit=5)
    assert found.status in (GlobalStatus.PROVED, GlobalStatus.ROUNDING)
    assert (found.verdict.status == "certified") == (found.status is GlobalStatus.PROVED)
    assert found.lower_bound <= best_subset(X, y, 1e-3 * float(y @ y)) + FLOAT64


@pytest.mark.parametrize("name", ["l0", "mcp"])
def test_a_ridge_makes_dependent_columns_tractable(name: str) -> None:
    X, y = draw(3, 5, 8)
    entry = L0 if name == "l0" else penalties["mcp"](A=1)
    found = global_minimum(X, y, entry, 0.5, ridge=0.3)
    assert found.verdict.status == "certified"
    # the same as further rows √ρ e_j of data
    tall, target = np.vstack([X, np.sqrt(0.3) * np.eye(8)]), np.concatenate([y, np.zeros(8)])
    plain = global_minimum(tall, target, entry, 0.5)
    assert close(found.objective, plain.objective, SOLVER)
    np.testing.assert_allclose(found.coef, plain.coef, atol=SOLVER)
    if name == "l0":
        assert close(found.objective, best_subset(X, y, 0.5, 0.3), FLOAT64)
    assert recheck(found, X, y, entry, 0.5, ridge=0.3).accepted
    assert not recheck(found, X, y, entry, 0.5, ridge=0.2).accepted


@pytest.mark.parametrize("name", list(RISING))
def test_rising_penalties_by_a_grid_polished_on_every_support(name: str) -> None:
    shape = read_shape(RISING[name])
    for seed, lam in ((0, 0.2), (1, 1.0)):
        rng = np.random.default_rng([86, seed])
        X = rng.standard_normal((12, 2)) + rng.standard_normal((12, 1))
        X /= np.linalg.norm(X, axis=0)
        y = X @ [1.5, -1.0] + 0.3 * rng.standard_normal(12)
        found = global_minimum(X, y, RISING[name], lam)
        assert found.status is GlobalStatus.PROVED
        assert found.verdict.status == "checked"

        def value(w: Array, X: Array = X, y: Array = y, lam: float = lam) -> float:
            rest = y - X @ w
            return 0.5 * float(rest @ rest) + lam * float(NUMBERS[name](np.abs(w)).sum())

        axis = np.linspace(-4, 4, 81)
        points = np.array(list(product(axis, axis)))
        rough = 0.5 * ((y - points @ X.T) ** 2).sum(axis=1) + lam * shape.value(points).sum(axis=1)
        assert rough.min() >= found.lower_bound
        best = value(np.zeros(2))
        for k in np.argsort(rough)[:12]:
            for on in product([False, True], repeat=2):
                if any(on):
                    free = np.array(on)

                    def cut(v: Array, free: NDArray[np.bool_] = free) -> float:
                        w = np.zeros(2)
                        w[free] = v
                        return value(w)

                    end = minimize(cut, points[k][free], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
                    best = min(best, float(end.fun))
        assert close(found.objective, best, SOLVER)
        assert found.lower_bound <= best
        assert recheck(found, X, y, RISING[name], lam).accepted


@pytest.mark.parametrize("name", list(RISING))
def test_rising_penalties_keep_a_local_minimum_apart(name: str) -> None:
    # the local solver from one end of a valley may stay there; the lower bound excludes its value where it is worse
    rng = np.random.default_rng(87)
    X = rng.standard_normal((25, 6)) + 2 * rng.standard_normal((25, 1))
    X /= np.linalg.norm(X, axis=0)
    y = X[:, 0] + 0.1 * rng.standard_normal(25)
    found = global_minimum(X, y, RISING[name], 0.3)
    assert found.verdict.status == "checked"
    rest = y - X @ found.coef
    pull = X.T @ rest
    on = found.coef != 0
    slope = np.array([float(mpmath.diff(FORMULA[name], float(t))) for t in np.abs(found.coef)])
    np.testing.assert_allclose(pull[on], 0.3 * (slope * np.sign(found.coef))[on], atol=SOLVER)
    assert (np.abs(pull[~on]) <= 0.3 * slope[~on] + SOLVER).all()
    samples = found.coef + rng.standard_normal((3000, 6)) * rng.choice([1e-3, 0.1, 1.0], (3000, 1))
    samples[rng.random(samples.shape) < 0.4] = 0.0
    shape = read_shape(RISING[name])
    values = 0.5 * ((y - samples @ X.T) ** 2).sum(axis=1) + 0.3 * shape.value(samples).sum(axis=1)
    assert values.min() >= found.lower_bound


@pytest.mark.parametrize("name", list(RISING))
def test_minimum_of_one_coordinate_on_a_fine_grid(name: str) -> None:
    shape, rng = curved_shape(RISING[name]), np.random.default_rng([88, len(name)])
    assert shape is not None
    for _ in range(80):
        delta, z, lam = rng.uniform(0, 3) * (rng.random() < 0.9), rng.normal() * 2, rng.uniform(0.1, 3)
        low, high = np.sort(rng.uniform(-3, 3, 2)).tolist()
        one = np.ones(1)
        found = scalar_minimum(shape, lam, delta * one, z * one, low * one, high * one, one < 0)
        grid = np.append(np.linspace(low, high, 20001), [0.0] if low <= 0 <= high else [])
        values = 0.5 * delta * grid**2 - z * grid + lam * shape.value(grid)
        assert values.min() >= found.value[0] - found.error[0]
        assert values.min() - found.value[0] <= 1e-3
        t = found.point
        assert low <= t[0] <= high
        assert close(
            float(0.5 * delta * t[0] ** 2 - z * t[0] + lam * shape.value(t)[0]), float(found.value[0]), FLOAT64
        )
        assert found.error[0] < FLOAT64


@pytest.mark.parametrize("name", list(RISING))
def test_slopes_of_the_segments_are_never_too_small(name: str) -> None:
    # against the lower convex hull of ½δt² + λΩ on a grid: right at the point they are made at, elsewhere not below
    shape, rng = curved_shape(RISING[name]), np.random.default_rng([89, len(name)])
    assert shape is not None
    for _ in range(30):
        delta, lam, high = rng.uniform(0.2, 2), rng.uniform(0.1, 1.5), rng.uniform(0.5, 4)
        near = float(rng.uniform(0, high))
        cell = np.ones((1, 1))
        env = segments(shape, lam, delta * cell, 0 * cell, high * cell, cell < 0, near * cell)
        grid = np.linspace(0, high, 4001)
        hull = _hull(grid, 0.5 * delta * grid**2 + lam * shape.value(grid))
        slope = np.gradient(hull, grid)
        start, steep, width, bend = (a[:3, 0, 0] for a in (env.start, env.slope, env.width, env.bend))
        for k in range(3):
            t = start[k] + np.linspace(0, width[k], 7)[1:-1]
            mine = steep[k] + bend[k] * (t - start[k])
            assert (mine >= np.interp(t, grid, slope) - 5e-3).all()
        at = int(np.flatnonzero(start <= near)[-1])
        assert abs(steep[at] + bend[at] * (near - start[at]) - np.interp(near, grid, slope)) <= 5e-3


def _hull(x: Array, f: Array) -> Array:
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            a, c = kept[-2], kept[-1]
            if (f[c] - f[a]) * (x[i] - x[a]) >= (f[i] - f[a]) * (x[c] - x[a]):
                kept.pop()
            else:
                break
        kept.append(i)
    return np.interp(x, x[kept], f[kept])


@pytest.mark.parametrize("name", list(RISING))
def test_rounding_of_the_penalty_at_other_points(name: str) -> None:
    shape = curved_shape(RISING[name])
    assert shape is not None
    places = 10 ** np.random.default_rng(90).uniform(-13, 7, 300)
    with mpmath.workdps(40):
        for t, v, error in zip(places, shape.value(places), shape.error(places), strict=True):
            assert abs(FORMULA[name](mpmath.mpf(float(t))) - mpmath.mpf(float(v))) <= error


def test_only_shapes_whose_bounds_hold_are_taken() -> None:
    assert isinstance(read_shape(penalties["mcp"](A=1)), FoldedShape)
    assert isinstance(read_shape(RISING["log_sum"]), CurvedShape)
    for entry in (penalties["atan"](c=1), penalties["cauchy"](c=1), penalties["l1"](k=1), penalties["lp"](p=0.5)):
        assert curved_shape(entry) is None
        with pytest.raises(InputError, match="flat"):
            read_shape(entry)


def swapped(r: GlobalOptimum) -> GlobalOptimum:
    kind = r.certificate.kind.copy()
    kind[:] = ZERO_OR_LARGE
    return replace(r, certificate=replace(r.certificate, kind=kind))


def test_rising_penalties_have_no_large_coordinates() -> None:
    rng = np.random.default_rng(2)
    X = rng.standard_normal((25, 6)) + 3 * rng.standard_normal((25, 1))
    X /= np.linalg.norm(X, axis=0)
    y = X[:, 0] - X[:, 1] + 0.3 * rng.standard_normal(25)
    args: Any = (X, y, RISING["log_sum"], 0.2)
    found = global_minimum(*args)
    assert recheck(found, *args).accepted
    assert (found.certificate.children[:, 0] >= 0).any()
    assert not recheck(swapped(found), *args).accepted
    assert not recheck(replace(found, lower_bound=found.objective + 1e-6), *args).accepted
