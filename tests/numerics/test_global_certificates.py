"""Global certificates: leaf bounds by exact arithmetic and by sampling, tampering, bad input."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.global_search.checking import recheck
from etatrick.numerics.global_search.diagonal import proves_semidefinite
from etatrick.numerics.global_search.folded import FoldedShape, folded_shape
from etatrick.numerics.global_search.quadratic import quadratic
from etatrick.numerics.global_search.result import GlobalOptimum
from etatrick.numerics.global_search.scalar import scalar_minimum
from etatrick.numerics.global_search.search import global_minimum
from etatrick.numerics.global_search.sides import segments
from etatrick.theory import penalties
from tolerances import FLOAT64

Array = NDArray[np.float64]
SHAPES = {
    "l0": FoldedShape(1.0, 0.0, 0.0, 0.0),
    "mcp": FoldedShape(0.0, 1.0, 0.0, 2.0),
    "scad": FoldedShape(0.0, 1.0, 0.5, 1.85),
    "capped_l1": FoldedShape(0.0, 1.0, 0.7, 0.7),
}


def draw(seed: int, n: int = 25, d: int = 7) -> tuple[Array, Array]:
    rng = np.random.default_rng([97, seed])
    X = rng.standard_normal((n, d)) + 1.5 * rng.standard_normal((n, 1))
    X /= np.linalg.norm(X, axis=0)
    return X, X @ (rng.standard_normal(d) * (rng.random(d) < 0.6)) + 0.2 * rng.standard_normal(n)


@pytest.fixture(scope="module", params=["l0", "mcp", "scad", "capped_l1"])
def solved(request: pytest.FixtureRequest) -> tuple[GlobalOptimum, tuple[Any, ...]]:
    arguments: dict[str, dict[str, float]] = {
        "l0": {"kappa": 1},
        "mcp": {"A": 0.5},
        "scad": {"a": 3, "ell": 0.2},
        "capped_l1": {"theta": 0.3},
    }
    name = request.param
    X, y = draw(1)
    args = (X, y, penalties[name](**arguments[name]), 0.02 if name == "l0" else 0.15)
    return global_minimum(*args), args


def test_the_tree_has_more_than_one_leaf_and_is_accepted(solved: tuple[GlobalOptimum, tuple[Any, ...]]) -> None:
    found, args = solved
    again = recheck(found, *args)
    assert again.accepted
    assert again.leaves > 1
    assert not again.reason
    assert found.lower_bound <= again.lower_bound <= found.objective


def test_leaf_bounds_hold_at_sampled_points(solved: tuple[GlobalOptimum, tuple[Any, ...]]) -> None:
    found, (X, y, entry, lam) = solved
    tree, shape = found.certificate, folded_shape(entry)
    boxes, rng = tree.boxes(), np.random.default_rng(98)
    covered = 0
    for leaf in tree.leaves:
        low, high = np.clip(boxes.low[leaf], -4, 4), np.clip(boxes.high[leaf], -4, 4)
        w = np.clip(found.coef + rng.standard_normal((400, len(low))) * rng.choice([0.03, 1.0], (400, 1)), low, high)
        fits = (~boxes.large[leaf] | (np.abs(w) >= max(shape.flat, 1e-9))).all(axis=1)
        value = 0.5 * ((y - w @ X.T) ** 2).sum(axis=1) + lam * shape.value(w).sum(axis=1)
        assert (value[fits] >= tree.bound[leaf] - FLOAT64).all()
        covered += int(fits.sum())
    assert covered > 400


def test_leaf_bounds_by_exact_fractions() -> None:
    # ℓ0: each bound again in rational arithmetic, with the minimum over one coordinate by its vertex
    X, y = draw(2, 10, 5)
    lam = 0.03
    found = global_minimum(X, y, penalties["l0"](kappa=1), lam)
    tree, d = found.certificate, X.shape[1]
    boxes = tree.boxes()
    XF, yF = [[Fraction(float(v)) for v in row] for row in X], [Fraction(float(v)) for v in y]
    G = [[sum((row[i] * row[j] for row in XF), Fraction(0)) for j in range(d)] for i in range(d)]
    b = [sum((row[i] * t for row, t in zip(XF, yF, strict=True)), Fraction(0)) for i in range(d)]
    total = sum((t * t for t in yF), Fraction(0))
    lowest = None
    for leaf in tree.leaves:
        on = [j for j in range(d) if not (boxes.low[leaf, j] == boxes.high[leaf, j] == 0)]
        p, delta = tree.point[leaf], tree.diagonals[tree.diagonal[leaf]]
        P, D = {j: Fraction(float(p[j])) for j in on}, {j: Fraction(float(delta[j])) for j in on}
        Qp = {i: sum((G[i][j] * P[j] for j in on), Fraction(0)) - D[i] * P[i] for i in on}
        bound = total / 2 - sum((P[i] * Qp[i] for i in on), Fraction(0)) / 2
        for j in on:
            least = -((b[j] - Qp[j]) ** 2) / (2 * D[j]) + Fraction(lam)
            bound += least if boxes.large[leaf, j] else min(least, Fraction(0))
        assert bound >= Fraction(float(tree.bound[leaf]))
        lowest = bound if lowest is None else min(lowest, bound)
    assert lowest is not None
    assert Fraction(found.lower_bound) <= lowest
    # G − Δ ⪰ 0, by exact elimination
    for delta in tree.diagonals:
        keep = [j for j in range(d) if np.isfinite(delta[j])]
        A = [[G[i][j] - (Fraction(float(delta[i])) if i == j else 0) for j in keep] for i in keep]
        for k in range(len(A)):
            assert A[k][k] > 0
            for i in range(k + 1, len(A)):
                factor = A[i][k] / A[k][k]
                A[i] = [A[i][j] - factor * A[k][j] for j in range(len(A))]


def test_moments_by_exact_fractions() -> None:
    X, y = draw(3, 6, 3)
    s = np.array([1.0, 0.5, 2.0, 0.1, 3.0, 0.7])
    q = quadratic(X, y, s, True)
    Z = [[Fraction(float(v)) for v in row] for row in np.column_stack([X, y])]
    S = [Fraction(float(v)) for v in s]
    mean = [sum((w * row[j] for w, row in zip(S, Z, strict=True)), Fraction(0)) / sum(S) for j in range(4)]
    for i in range(3):
        for j in range(4):
            pairs = zip(S, Z, strict=True)
            exact = sum((w * (row[i] - mean[i]) * (row[j] - mean[j]) for w, row in pairs), Fraction(0))
            value, slack = (q.gram[i, j], q.gram_error[i, j]) if j < 3 else (q.linear[i], q.linear_error[i])
            assert abs(Fraction(float(value)) - exact) <= Fraction(float(slack)) <= Fraction(1, 10**14)


@pytest.mark.parametrize("name", list(SHAPES))
def test_scalar_minimum_on_a_fine_grid(name: str) -> None:
    shape, rng = SHAPES[name], np.random.default_rng([99, len(name)])
    for _ in range(60):
        delta, z, lam = rng.uniform(0, 2), rng.normal() * 2, rng.uniform(0.1, 2)
        ends = np.sort(rng.uniform(-3, 3, 2))
        grid = np.append(np.linspace(ends[0], ends[1], 20001), [0.0] if ends[0] <= 0 <= ends[1] else [])
        values = 0.5 * delta * grid**2 - z * grid + lam * shape.value(grid)
        one = np.ones(1)
        found = scalar_minimum(shape, lam, delta * one, z * one, ends[0] * one, ends[1] * one, one < 0)
        assert values.min() >= found.value[0] - found.error[0]
        assert values.min() - found.value[0] <= 1e-3
        t = found.point
        assert ends[0] <= t[0] <= ends[1]
        here = float(0.5 * delta * t[0] ** 2 - z * t[0] + lam * shape.value(t)[0])
        # the height of a jump at 0 is approached, not attained
        assert abs(here - found.value[0]) <= FLOAT64
        assert found.error[0] < FLOAT64


@pytest.mark.parametrize("name", list(SHAPES))
def test_envelope_is_convex_and_touches_from_below(name: str) -> None:
    shape, rng = SHAPES[name], np.random.default_rng([100, len(name)])
    for _ in range(40):
        delta, lam = rng.uniform(0.05, 2), rng.uniform(0.1, 2)
        near, far = np.sort(rng.uniform(0, 4, 2)).tolist()
        low, high = (-near, far) if rng.random() < 0.5 else (near, far)
        cell = np.ones((1, 1))
        env = segments(shape, lam, delta * cell, low * cell, high * cell, cell < 0, cell)
        grid = np.linspace(low, high, 4001)
        grid = np.union1d(grid, [0.0]) if low <= 0 <= high else grid
        target = 0.5 * delta * grid**2 + lam * shape.value(grid)
        hull = _lower_hull(grid, target)
        start, slope, width, bend = (a[:, 0, 0] for a in (env.start, env.slope, env.width, env.bend))
        if low > 0:
            assert width[3:].max() <= FLOAT64
        for k in range(6):
            sign = 1.0 if k < 3 else -1.0
            if width[k] > 0.02:
                t = start[k] + np.linspace(0, width[k], 9)[1:-1]
                value = np.interp(sign * t, *hull)
                mine = slope[k] * (t - t[0]) + bend[k] * ((t - start[k]) ** 2 - (t[0] - start[k]) ** 2) / 2
                np.testing.assert_allclose(value - value[0], mine, atol=2e-3)


def _lower_hull(x: Array, f: Array) -> tuple[Array, Array]:
    kept: list[int] = []
    for i in range(len(x)):
        while len(kept) > 1:
            a, c = kept[-2], kept[-1]
            if (f[c] - f[a]) * (x[i] - x[a]) >= (f[i] - f[a]) * (x[c] - x[a]):
                kept.pop()
            else:
                break
        kept.append(i)
    return x[kept], f[kept]


def drop_leaf(r: GlobalOptimum) -> GlobalOptimum:
    children = r.certificate.children.copy()
    parent = int(np.flatnonzero(children[:, 0] >= 0)[-1])
    children[parent, 1] = -1
    return replace(r, certificate=replace(r.certificate, children=children))


def share_leaf(r: GlobalOptimum) -> GlobalOptimum:
    children = r.certificate.children.copy()
    parent = int(np.flatnonzero(children[:, 0] >= 0)[-1])
    children[parent, 1] = children[parent, 0]
    return replace(r, certificate=replace(r.certificate, children=children))


def orphan(r: GlobalOptimum) -> GlobalOptimum:
    children = r.certificate.children.copy()
    children[int(np.flatnonzero(children[:, 0] >= 0)[-1])] = -1
    return replace(r, certificate=replace(r.certificate, children=children))


def raise_bound(r: GlobalOptimum) -> GlobalOptimum:
    bound = r.certificate.bound.copy()
    bound[r.certificate.leaves[0]] += 1e-3
    return replace(r, certificate=replace(r.certificate, bound=bound))


def raise_lower_bound(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, lower_bound=r.lower_bound + 1e-6)


def other_coef(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, coef=r.coef + 1e-3)


def lower_objective(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, objective=r.objective - 1e-9)


def larger_diagonal(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, certificate=replace(r.certificate, diagonals=r.certificate.diagonals * 1.5 + 0.2))


def moved_point(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, certificate=replace(r.certificate, point=r.certificate.point + 0.3))


def infinite_diagonal(r: GlobalOptimum) -> GlobalOptimum:
    return replace(r, certificate=replace(r.certificate, diagonals=np.full_like(r.certificate.diagonals, np.inf)))


TAMPERS: list[tuple[Callable[[GlobalOptimum], GlobalOptimum], str]] = [
    (drop_leaf, "cover"),
    (share_leaf, "cover"),
    (orphan, "cover"),
    (raise_bound, "claimed bound"),
    (raise_lower_bound, "lower bound"),
    (other_coef, "objective at"),
    (lower_objective, "objective at"),
    (larger_diagonal, "semidefinite"),
    (moved_point, "claimed bound"),
    (infinite_diagonal, "leaves out"),
]


@pytest.mark.parametrize(("tamper", "reason"), TAMPERS, ids=lambda v: getattr(v, "__name__", v))
def test_tampering_is_noticed(
    solved: tuple[GlobalOptimum, tuple[Any, ...]], tamper: Callable[[GlobalOptimum], GlobalOptimum], reason: str
) -> None:
    found, args = solved
    again = recheck(tamper(found), *args)
    assert not again.accepted
    assert reason in again.reason
    assert again.lower_bound == -np.inf


def test_another_problem_is_noticed(solved: tuple[GlobalOptimum, tuple[Any, ...]]) -> None:
    found, (X, y, entry, lam) = solved
    assert not recheck(found, X, y + 0.01, entry, lam).accepted
    assert not recheck(found, X, y, entry, 0.9 * lam).accepted
    assert not recheck(found, X, y, entry, lam, fit_intercept=True).accepted


def test_zero_or_large_needs_its_reason() -> None:
    # an MCP whose coordinates are convex: the same tree shape would skip the minimiser between 0 and A
    X, y = draw(1)
    flat, curved = (X, y, penalties["mcp"](A=0.5), 0.6), (X, y, penalties["mcp"](A=0.5), 0.3)
    found = global_minimum(*flat)
    assert recheck(found, *flat).accepted
    again = recheck(found, *curved)
    assert not again.accepted
    assert "without justification" in again.reason


def test_semidefiniteness_is_refused_just_beyond_the_edge() -> None:
    X, y = draw(4)
    q = quadratic(X, y, np.ones(len(y)), False)
    least = float(np.linalg.eigvalsh(q.gram)[0])
    assert proves_semidefinite(q, np.full(7, least - 1e-12))
    assert not proves_semidefinite(q, np.full(7, least + 1e-12))
    assert not proves_semidefinite(q, np.full(7, np.nan))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"lam": 0.0}, "lam"),
        ({"lam": -1.0}, "lam"),
        ({"penalty": penalties["atan"](c=1)}, "flat"),
        ({"penalty": penalties["l1"](k=1)}, "flat"),
        ({"X": np.ones((4, 6)), "penalty": penalties["mcp"](A=1)}, "dependent"),
        ({"ridge": -1.0}, "ridge"),
        ({"X": np.zeros((4, 2))}, "constant or zero"),
        ({"X": np.full((4, 2), np.nan)}, "NaN"),
        ({"y": np.ones(3)}, "row"),
        ({"X": np.ones((4, 70))}, "at most"),
        ({"box": -1.0}, "box"),
        ({"gap": 0.0}, "gap"),
        ({"time_limit": 0.0}, "time_limit"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {
        "X": np.eye(4)[:, :2],
        "y": np.arange(4.0),
        "penalty": penalties["l0"](kappa=1),
        "lam": 1.0,
    }
    with pytest.raises(InputError, match=words):
        global_minimum(**(given | change))
