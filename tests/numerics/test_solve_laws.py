"""Laws of `solve` on random problems: certificates, descent, local minimality, equivariances."""

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.numerics import Solution, solve
from etatrick.theory import derive, penalties, strategies
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
MEMBERS: dict[str, Any] = {
    "l1": L1,
    "ridge": penalties["ridge"](c=2),
    "elastic_net": penalties["elastic_net"](mu=0.5),
    "fair": penalties["fair"](),
    "lp_3/2": penalties["lp"](p=1.5),
    "lp_1/2": penalties["lp"](p=0.5),
    "log_sum": penalties["log_sum"](epsilon=0.5),
    "cauchy": penalties["cauchy"](c=1),
    "geman_mcclure": penalties["geman_mcclure"](c=1),
    "ard": strategies["ard"](c=1),
    "exponential": derive(penalty="1 - exp(-w)"),
}


def random_problem(n: int, d: int, seed: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    return X, X @ rng.standard_normal(d) + 0.5 * rng.standard_normal(n)


def value(name: str, w: Array) -> float:
    """Return Ω, written out by hand."""
    w = np.abs(w)
    table = {
        "l1": w,
        "ridge": w * w / 4,
        "elastic_net": w + w * w / 4,
        "fair": w - np.log1p(w),
        "lp_3/2": w**1.5 / 1.5,
        "lp_1/2": 2 * np.sqrt(w),
        "log_sum": np.log1p(2 * w),
        "cauchy": np.log1p(w * w) / 2,
        "geman_mcclure": w * w / (1 + w * w) / 2,
        "ard": w * (np.sqrt(w * w + 4) - w) / 4 + np.arcsinh(w / 2),
        "exponential": -np.expm1(-w),
    }
    return float(np.sum(table[name]))


def assert_lawful(name: str, X: Array, y: Array, lam: float, s: Solution, seed: int) -> None:
    assert s.converged, (s.status, s.certificate)
    assert s.certificate.value <= CERTIFICATE
    assert s.certificate.relative_kkt <= (CERTIFICATE if s.gap is None else 1e3 * CERTIFICATE)
    assert (np.diff(s.history) <= CERTIFICATE * max(s.history[0], 1e-300)).all(), "the objective rose"
    assert close(s.history[-1], s.objective)

    def full(v: Array) -> float:
        return 0.5 * float(np.sum((y - X @ v) ** 2)) + lam * value(name, v)

    here = full(s.coef)
    assert close(s.objective, here)
    if not s.certificate.locally_minimal:
        return
    rng = np.random.default_rng(seed)
    size = 1e-4 * (1e-3 + float(np.max(np.abs(s.coef), initial=0.0)))
    for _ in range(200):
        direction = rng.standard_normal(len(s.coef)) * (rng.random(len(s.coef)) < 0.5)
        radius = size * 10 ** -rng.uniform(0, 3)
        assert full(s.coef + radius * direction) >= here - 1e-13 * (1 + here), "not a local minimum"


@settings(max_examples=40, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(MEMBERS)),
    n=st.integers(1, 8),
    d=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    strength=st.floats(-3, 1),
)
def test_random_small_problems(name: str, n: int, d: int, seed: int, strength: float) -> None:
    X, y = random_problem(n, d, seed)
    lam = 10**strength
    assert_lawful(name, X, y, lam, solve(X, y, MEMBERS[name], lam), seed)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(
    name=st.sampled_from(sorted(MEMBERS)),
    d=st.integers(1, 5),
    seed=st.integers(0, 10_000),
    zeros=st.lists(st.booleans(), min_size=5, max_size=5),
)
def test_any_start_ends_at_a_lawful_point(name: str, d: int, seed: int, zeros: list[bool]) -> None:
    X, y = random_problem(9, d, seed)
    rng = np.random.default_rng(seed)
    start = np.where(zeros[:d], 0.0, 3 * rng.standard_normal(d))
    s = solve(X, y, MEMBERS[name], 0.8, start=start)
    assert_lawful(name, X, y, 0.8, s, seed)
    begin = 0.5 * float(np.sum((y - X @ start) ** 2)) + 0.8 * value(name, start)
    assert s.objective <= begin * (1 + CERTIFICATE)


@pytest.mark.parametrize("name", ["l1", "elastic_net", "fair", "lp_3/2"])
@pytest.mark.parametrize("shape", [(30, 12), (12, 30)], ids=str)
def test_convex_optimum_does_not_depend_on_the_start(name: str, shape: tuple[int, int]) -> None:
    X, y = random_problem(*shape, seed=1)
    rng = np.random.default_rng(2)
    starts = [None, np.zeros(shape[1]), rng.standard_normal(shape[1]), np.eye(shape[1])[0]]
    found = [solve(X, y, MEMBERS[name], 4.0, start=start) for start in starts]
    for s in found:
        assert s.converged
        assert s.certificate.value <= CERTIFICATE
        assert abs(s.objective - found[0].objective) <= CERTIFICATE * float(y @ y)


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_sign_flips_and_permutations(name: str) -> None:
    X, y = random_problem(25, 6, seed=3)
    order, signs = np.array([3, 0, 5, 1, 4, 2]), np.array([1.0, -1, 1, -1, -1, 1])
    s = solve(X, y, MEMBERS[name], 1.5)
    moved = solve((X * signs)[:, order], y, MEMBERS[name], 1.5)
    mirrored = solve(X, -y, MEMBERS[name], 1.5)
    np.testing.assert_allclose(moved.coef, (s.coef * signs)[order], atol=SOLVER)
    np.testing.assert_allclose(mirrored.coef, -s.coef, atol=SOLVER)
    rotation = np.linalg.qr(np.random.default_rng(4).standard_normal((25, 25)))[0]
    np.testing.assert_allclose(solve(rotation @ X, rotation @ y, MEMBERS[name], 1.5).coef, s.coef, atol=SOLVER)


@pytest.mark.parametrize("c", [1e-6, 64.0])
def test_change_of_units(c: float) -> None:
    """Ω(w/c) for log-sum is ε → cε; the loss scales with c², so λ does; ℓ1 is homogeneous, so λ → cλ."""
    X, y = random_problem(25, 6, seed=5)
    log_sum = [penalties["log_sum"](epsilon=e) for e in (0.5, 0.5 * c)]
    s, scaled = solve(X, y, log_sum[0], 1.5), solve(X, c * y, log_sum[1], c * c * 1.5)
    np.testing.assert_allclose(scaled.coef / c, s.coef, atol=FLOAT64)
    assert scaled.converged
    s, scaled = solve(X, y, L1, 1.5), solve(X, c * y, L1, c * 1.5)
    np.testing.assert_allclose(scaled.coef / c, s.coef, atol=FLOAT64)
    rescaled = solve(c * X, y, L1, c * 1.5)
    np.testing.assert_allclose(c * rescaled.coef, s.coef, atol=FLOAT64)
    heavier = solve(X, y, L1, c * 1.5, sample_weight=np.full(25, c))
    np.testing.assert_allclose(heavier.coef, s.coef, atol=FLOAT64)


@pytest.mark.parametrize("name", sorted(MEMBERS))
@pytest.mark.parametrize("intercept", [False, True])
def test_weights_are_repeated_rows(name: str, intercept: bool) -> None:
    X, y = random_problem(15, 4, seed=6)
    counts = np.array([0, 1, 2, 3, 1] * 3)
    weighted = solve(X, y + 2, MEMBERS[name], 1.5, sample_weight=counts, fit_intercept=intercept)
    repeated = solve(np.repeat(X, counts, 0), np.repeat(y + 2, counts), MEMBERS[name], 1.5, fit_intercept=intercept)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=SOLVER)
    assert close(weighted.intercept, repeated.intercept, SOLVER)
    assert close(weighted.objective, repeated.objective)


@pytest.mark.parametrize("name", sorted(MEMBERS))
def test_intercept_is_centring(name: str) -> None:
    X, y = random_problem(15, 4, seed=7)
    X, y = X + np.array([5.0, -3.0, 0.0, 100.0]), y + 40
    s = solve(X, y, MEMBERS[name], 1.5, fit_intercept=True)
    centred = solve(X - X.mean(0), y - y.mean(), MEMBERS[name], 1.5)
    np.testing.assert_allclose(s.coef, centred.coef, atol=SOLVER)
    residual = y - s.intercept - X @ s.coef
    assert abs(residual.mean()) <= FLOAT64 * 100
    assert close(s.objective, 0.5 * float(residual @ residual) + 1.5 * value(name, s.coef))


def test_inputs_are_not_modified() -> None:
    X, y = random_problem(10, 3, seed=8)
    weights, start = np.ones(10), np.array([1.0, 0.0, 0.0])
    before = [a.copy() for a in (X, y, weights, start)]
    solve(X, y, L1, 1.0, sample_weight=weights, start=start, fit_intercept=True)
    for array, copy in zip((X, y, weights, start), before, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_integer_and_list_input() -> None:
    s = solve([[1, 0], [0, 1], [0, 0]], [3, 1, 2], L1, 1)
    np.testing.assert_allclose(s.coef, [2, 0], atol=FLOAT64)


def test_zeros_are_exact() -> None:
    X, y = random_problem(60, 20, seed=9)
    s = solve(X, y, L1, 20.0)
    assert 0 < np.count_nonzero(s.coef) < 20
    assert np.min(np.abs(s.coef[s.coef != 0])) > 1e-6


def test_loose_tolerance_costs_no_more_than_a_tight_one() -> None:
    X, y = random_problem(60, 20, seed=10)
    loose, tight = solve(X, y, L1, 2.0, tol=1e-2), solve(X, y, L1, 2.0, tol=1e-12)
    assert loose.iterations <= tight.iterations
    assert loose.certificate.relative_kkt <= 1e-2


def test_solution_to_json_is_json() -> None:
    import json

    X, y = random_problem(10, 3, seed=11)
    data = json.loads(json.dumps(solve(X, y, L1, 1.0).to_json()))
    assert data["status"] == "optimal"
    assert data["certificate"]["kind"] == "duality gap"
    assert data["certificate"]["gap"] >= 0
    nonconvex = solve(X, y, MEMBERS["log_sum"], 1.0)
    assert nonconvex.to_json()["status"] == "stationary"
    assert nonconvex.certificate.kind == "KKT residual"
    assert nonconvex.certificate.value == nonconvex.certificate.relative_kkt
