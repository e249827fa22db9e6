"""The λ at which all groups are 0, exact dual norms, paths, and what bad input is told."""

import pickle
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.groups.blocks import Blocks, dual_scale
from etatrick.numerics.groups.fitting import fit_groups
from etatrick.numerics.groups.paths import fit_group_path, largest_group_lam
from etatrick.numerics.groups.penalties import NonconvexSparseGroups, SparseGroupLasso
from etatrick.theory import penalties
from etatrick.theory.vector import Groups, L1MinusL2
from tolerances import CERTIFICATE, FLOAT64

Array = NDArray[np.float64]
DRAW = 20260813
X = np.random.default_rng(DRAW).standard_normal((50, 24))
Y = X[:, :4].sum(axis=1) + np.random.default_rng(DRAW + 1).standard_normal(50)
GROUPS = [[3, 0], [1, 2, 4, 5, 6], [7], list(range(8, 24))]
MCP = penalties["mcp"](A=3).duality


def test_the_dual_scale_is_the_root_that_bisection_finds() -> None:
    rng = np.random.default_rng(DRAW)
    for _ in range(300):
        z = rng.standard_normal(int(rng.integers(1, 8))) * np.exp(rng.standard_normal())
        t = rng.uniform(0, 2, len(z)) * (rng.random(len(z)) < 0.8)
        a = float(rng.choice([1e-6, 0.3, 2.0, 50.0]))
        low, high = 0.0, 1e8
        for _ in range(200):
            s = (low + high) / 2
            held = np.linalg.norm(np.maximum(np.abs(z) - s * t, 0)) <= s * a
            low, high = (low, s) if held else (s, high)
        assert dual_scale(z, a, t) == pytest.approx(high, rel=1e-9)
    assert dual_scale(np.zeros(3), 1.0, None) == 0.0
    assert dual_scale(np.ones(1), 0.0, None) == np.inf


@pytest.mark.parametrize("tau", [0.0, 0.1, 0.6, 0.95, 1.0])
def test_the_largest_lam_is_where_weights_appear(tau: float) -> None:
    for loss, y in (("squared", Y), ("logistic", (Y > 0) * 1.0)):
        penalty = SparseGroupLasso(GROUPS, [1.0, 0.5, 2.0, 1.5], tau)
        top = largest_group_lam(X, y, penalty, loss, fit_intercept=True)
        assert not fit_groups(X, y, penalty, top * (1 + 1e-10), loss, fit_intercept=True).coef.any()
        assert fit_groups(X, y, penalty, top * (1 - 1e-4), loss, fit_intercept=True).coef.any()
        ridged = SparseGroupLasso(GROUPS, [1.0, 0.5, 2.0, 1.5], tau, ridge=3.0)
        assert largest_group_lam(X, y, ridged, loss, fit_intercept=True) == top


def test_the_largest_lam_of_lengths_is_the_longest_gradient() -> None:
    z = X.T @ Y
    longest = max(float(np.linalg.norm(z[g])) for g in GROUPS)
    assert largest_group_lam(X, Y, Groups(MCP, GROUPS)) == pytest.approx(longest)
    assert largest_group_lam(X, Y, Groups(penalties["lp"](p=0.5).duality, GROUPS)) == 0.0
    top = largest_group_lam(X, Y, NonconvexSparseGroups(GROUPS, MCP))
    for group in GROUPS:
        over = np.maximum(np.abs(z[group]) - top, 0)
        assert np.linalg.norm(over) <= top * np.sqrt(len(group)) * (1 + 1e-12)


def test_a_path_is_its_fits() -> None:
    penalty = SparseGroupLasso(GROUPS, tau=0.2)
    path = fit_group_path(X, Y, penalty, n_lams=12, ratio=1e-3, fit_intercept=True)
    assert path.lams[0] == largest_group_lam(X, Y, penalty, fit_intercept=True)
    assert path.lams[-1] == pytest.approx(1e-3 * path.lams[0])
    assert not path.coefs[0].any()
    for lam, solution in zip(path.lams, path.solutions, strict=True):
        assert solution.relative_gap is not None
        assert solution.relative_gap <= CERTIFICATE
        single = fit_groups(X, Y, penalty, float(lam), fit_intercept=True)
        assert np.abs(single.coef - solution.coef).max() <= FLOAT64
        assert single.intercept == pytest.approx(solution.intercept, abs=FLOAT64)


@pytest.mark.parametrize(
    "penalty",
    [Groups(MCP, GROUPS), NonconvexSparseGroups(GROUPS, MCP), L1MinusL2(0.5)],
    ids=["lengths", "weights", "difference"],
)
def test_paths_without_convexity_are_stationary(penalty: Any) -> None:
    path = fit_group_path(X, Y, penalty, n_lams=6, ratio=0.05)
    assert all(solution.relative_kkt <= 1e-10 for solution in path.solutions)
    assert path.coefs[-1].any()


def test_no_penalty_is_least_squares() -> None:
    found = fit_groups(X, Y, SparseGroupLasso(GROUPS), 0.0)
    assert np.abs(found.coef - np.linalg.lstsq(X, Y)[0]).max() <= FLOAT64


def test_zero_targets_and_large_lam_give_zero() -> None:
    assert not fit_groups(X, 0 * Y, SparseGroupLasso(GROUPS), 1.0).coef.any()
    found = fit_groups(X, Y, SparseGroupLasso(GROUPS), 1e9)
    assert not found.coef.any()
    assert found.relative_gap == 0.0


def test_penalties_are_data() -> None:
    for penalty in (SparseGroupLasso(GROUPS, tau=0.2), NonconvexSparseGroups(GROUPS, MCP)):
        assert pickle.loads(pickle.dumps(penalty)) == penalty  # noqa: S301
    w = np.random.default_rng(0).standard_normal(24)
    by_hand = sum(np.sqrt(len(g)) * np.linalg.norm(w[g]) for g in GROUPS)
    assert SparseGroupLasso(GROUPS).penalty_at(w) == pytest.approx(by_hand)
    entry = NonconvexSparseGroups(GROUPS, penalties["mcp"](A=3))  # type: ignore[arg-type]
    assert entry == NonconvexSparseGroups(GROUPS, MCP)


def test_blocks_shrink_to_the_minimum() -> None:
    rng = np.random.default_rng(DRAW)
    blocks = Blocks(np.array([3, 1, 2]))
    v, a, t = rng.standard_normal(6) * 2, np.array([0.7, 0.2, 0.9]), rng.uniform(0, 0.5, 6)

    def value(x: Array) -> float:
        return float(0.5 * np.sum((x - v) ** 2) + a @ blocks.lengths(x) + t @ np.abs(x))

    p = blocks.shrunk(v, a, t)
    assert all(value(p) <= value(p + 1e-3 * rng.standard_normal(6)) for _ in range(200))


@pytest.mark.parametrize(
    ("build", "told"),
    [
        (lambda: SparseGroupLasso([[0, 1], [1, 2]]), "overlap"),
        (lambda: SparseGroupLasso([[0], [2]]), "index 1 is in no group"),
        (lambda: SparseGroupLasso([[0], []]), "different indices"),
        (lambda: SparseGroupLasso([[0, 0]]), "different indices"),
        (lambda: SparseGroupLasso(3), "list of lists"),  # type: ignore[arg-type]
        (lambda: SparseGroupLasso([[0], [1]], [1.0]), "one positive number for each of the 2 groups"),
        (lambda: SparseGroupLasso([[0], [1]], [1.0, -1.0]), "one positive number"),
        (lambda: SparseGroupLasso([[0]], ["a"]), "one positive number"),  # type: ignore[list-item]
        (lambda: SparseGroupLasso([[0]], [np.nan]), "one positive number"),
        (lambda: SparseGroupLasso([[0]], tau=1.5), "0 ≤ τ ≤ 1"),
        (lambda: SparseGroupLasso([[0]], tau=-0.1), "0 ≤ τ ≤ 1"),
        (lambda: SparseGroupLasso([[0]], tau=np.nan), "0 ≤ τ ≤ 1"),
        (lambda: SparseGroupLasso([[0]], ridge=-1.0), "ρ must be"),
        (lambda: NonconvexSparseGroups([[0, 1], [1]], MCP), "overlap"),
        (lambda: fit_groups(X, Y, SparseGroupLasso([[0, 1]]), 1.0), "the groups are of 2 indices"),
        (lambda: fit_groups(X, Y, penalties["l1"](k=1), 1.0), "is none on groups"),
        (lambda: fit_groups(X, Y, Groups(penalties["ridge"](c=1).duality, GROUPS), 1.0), "holds no group at 0"),
        (lambda: fit_groups(X, Y, Groups(penalties["berhu"](delta=1).duality, GROUPS), 1.0), "no concave majorant"),
        (lambda: fit_groups(X, Y, SparseGroupLasso(GROUPS), -1.0), "finite number ≥ 0"),
        (lambda: fit_groups(X, Y, SparseGroupLasso(GROUPS), 1.0, tol=0.0), "strictly between 0 and 1"),
        (lambda: fit_groups(X, Y, SparseGroupLasso(GROUPS), 1.0, start=[1.0]), "must be 24 finite numbers"),
        (lambda: fit_groups(X, Y, SparseGroupLasso(GROUPS), 1.0, "hinge"), "must be one of"),
        (lambda: fit_groups(X, Y[:3], SparseGroupLasso(GROUPS), 1.0), "one number per row"),
        (lambda: fit_groups(X * np.nan, Y, SparseGroupLasso(GROUPS), 1.0), "NaN or infinite"),
        (lambda: fit_groups(np.where(X > 2, np.inf, X), Y, SparseGroupLasso(GROUPS), 1.0), "NaN or infinite"),
        (lambda: fit_groups(X[0], Y, SparseGroupLasso(GROUPS), 1.0), "must have shape"),
        (lambda: fit_groups(X, -Y, SparseGroupLasso(GROUPS), 1.0, "poisson"), "Poisson"),
        (lambda: fit_groups(X, Y, SparseGroupLasso(GROUPS), 1.0, sample_weight=-np.ones(50)), "weights must be"),
        (lambda: fit_group_path(X, Y, SparseGroupLasso(GROUPS), [1.0, 2.0]), "must not increase"),
        (lambda: fit_group_path(X, Y, SparseGroupLasso(GROUPS), []), "row of finite numbers"),
        (lambda: fit_group_path(X, Y, SparseGroupLasso(GROUPS), ["a"]), "row of finite numbers"),  # type: ignore[list-item]
        (lambda: fit_group_path(X, Y, SparseGroupLasso(GROUPS), n_lams=0), "integer ≥ 1"),
        (lambda: fit_group_path(X, Y, SparseGroupLasso(GROUPS), ratio=2.0), "strictly between"),
        (lambda: fit_group_path(X, Y, L1MinusL2(1.0)), "pass lams"),
    ],
)
def test_bad_input_is_told(build: Any, told: str) -> None:
    with pytest.raises(InputError, match=told):
        build()


@pytest.mark.parametrize("unit", [1e-12, 1.0, 1e12])
def test_units_do_not_matter(unit: float) -> None:
    penalty = SparseGroupLasso(GROUPS, tau=0.3)
    lam = 0.1 * largest_group_lam(X, Y, penalty)
    plain = fit_groups(X, Y, penalty, lam)
    scaled = fit_groups(X, unit * Y, penalty, unit * lam)
    assert scaled.relative_gap is not None
    assert scaled.relative_gap <= CERTIFICATE
    assert np.abs(scaled.coef / unit - plain.coef).max() <= FLOAT64
    columns = fit_groups(unit * X, Y, penalty, unit * lam)
    assert np.abs(columns.coef * unit - plain.coef).max() <= FLOAT64


def test_a_path_without_convexity_is_never_worse_than_its_fits() -> None:
    path = fit_group_path(X, Y, Groups(MCP, GROUPS), n_lams=8, ratio=0.02)
    for lam, solution in zip(path.lams, path.solutions, strict=True):
        assert solution.objective <= fit_groups(X, Y, Groups(MCP, GROUPS), float(lam)).objective * (1 + 1e-12)
