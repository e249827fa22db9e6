"""Widths and balanced factors: sums of projections, two blocks, and what fails when there are too few blocks."""

from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.errors import InputError
from etatrick.numerics.factorization import (
    balanced_factors,
    dropblock_minimizer,
    factorization_objective,
    unequal_blocks_minimizer,
)
from etatrick.numerics.factorization.charges import charges_of, partitioned
from etatrick.numerics.factorization.descent import descend
from etatrick.numerics.factorization.projections import sum_of_projections
from etatrick.numerics.factorization.rotations import vectors_of_lengths
from tolerances import CERTIFICATE, FLOAT64, close

Array = NDArray[np.float64]


def norm_squared(values: list[float], r: int) -> float:
    """Return the squared r-support norm by trying every split of (4.1)."""
    s = np.append(np.sort(np.abs(values))[::-1], np.zeros(r))
    splits = []
    for t in range(r):
        rest = s[t:].sum()
        if (t == 0 or (r - t) * s[t - 1] >= rest) and (r - t) * s[t] <= rest + 1e-15:
            splits.append(float(s[:t] @ s[:t] + rest**2 / (r - t)))
    return splits[0] if splits else float(s @ s)


def least_sum(values: list[float], r: int, blocks: int, seeds: int) -> float:
    """Return B·min Σ‖U_bV_bᵀ‖² subject to UVᵀ = diag(values), by sequential quadratic programming on the factors."""
    n, d = len(values), r * blocks
    parts = [slice(b * r, b * r + r) for b in range(blocks)]

    def split(x: Array) -> tuple[Array, Array]:
        return x[: n * d].reshape(n, d), x[n * d :].reshape(n, d)

    def loss(x: Array) -> tuple[float, Array]:
        U, V = split(x)
        gU, gV, value = np.zeros_like(U), np.zeros_like(V), 0.0
        for b in parts:
            block = U[:, b] @ V[:, b].T
            value += float(np.sum(block**2))
            gU[:, b], gV[:, b] = 2 * block @ V[:, b], 2 * block.T @ U[:, b]
        return value, np.concatenate([gU.ravel(), gV.ravel()])

    def residual(x: Array) -> Array:
        U, V = split(x)
        return np.asarray((U @ V.T - np.diag(values)).ravel())

    def slopes(x: Array) -> Array:
        U, V = split(x)
        eye = np.eye(n)
        left = np.einsum("ik,jc->ijkc", eye, V).reshape(n * n, n * d)
        right = np.einsum("jk,ic->ijkc", eye, U).reshape(n * n, n * d)
        return np.hstack([left, right])

    best = np.inf
    for seed in range(seeds):
        start = np.random.default_rng(seed).standard_normal(2 * n * d)
        constraint = {"type": "eq", "fun": residual, "jac": slopes}
        options = {"maxiter": 1000, "ftol": 1e-14}
        found = minimize(loss, start, jac=True, method="SLSQP", constraints=[constraint], options=options)
        if np.abs(residual(found.x)).max() < 1e-9:
            best = min(best, float(found.fun))
    return blocks * best


@pytest.mark.parametrize(
    ("values", "exact", "convex"), [([5.0, 2.0, 1.0, 0.5], 39.25, 37.25), ([3.0, 2.0, 1.5, 0.7], 25.94, 25.92)]
)
def test_two_blocks_of_two_cost_more_than_the_norm(values: list[float], exact: float, convex: float) -> None:
    found = balanced_factors(np.diag(values), 2, 4)
    assert 2 * found.value == pytest.approx(exact, rel=1e-12)
    assert 2 * found.bound == pytest.approx(convex, rel=1e-12)
    assert norm_squared(values, 2) == pytest.approx(convex, rel=1e-12)
    assert found.exact.status == "proved"
    assert close(least_sum(values, 2, 2, 2), exact, 1e-7)


def test_two_blocks_of_two_cost_the_norm_where_the_pairs_agree() -> None:
    found = balanced_factors(np.diag([4.0, 3.0, 2.0, 1.0]), 2, 4)  # σ1 + σ4 = σ2 + σ3
    assert found.value == pytest.approx(found.bound, rel=1e-13)


@pytest.mark.parametrize(("blocks", "excess", "unit"), [(2, 4.4e-2, 1e-3), (3, 2.6e-3, 1e-4), (4, 0.0, 1e-6)])
def test_excess_at_three_by_width(blocks: int, excess: float, unit: float) -> None:
    """Section 2.4, r = 3, σ = (1.3, 1.1, 1, .8): the excess over the norm, by descent on the factors."""
    values = [1.3, 1.1, 1.0, 0.8]
    direct = least_sum(values, 3, blocks, 2) / norm_squared(values, 3) - 1
    assert abs(direct - excess) <= unit / 2
    found = balanced_factors(np.diag(values), 3, 3 * blocks)
    assert found.value >= found.bound * (1 - 1e-14)
    assert blocks * found.value >= (1 + direct) * norm_squared(values, 3) * (1 - 1e-7)
    if blocks == 4:
        assert found.exact.status == "proved"
        assert found.value == pytest.approx(found.bound, rel=1e-13)
    if blocks == 2:
        assert 2 * found.value == pytest.approx((1 + direct) * norm_squared(values, 3), rel=1e-7)


@pytest.mark.parametrize("values", [[3.0, 2.5, 2.0, 1.5, 1.2, 0.4], [2.0, 1.9, 1.0, 0.9, 0.5], [4.0, 1.0, 0.8, 0.6]])
def test_two_blocks_of_three_pair_the_ends(values: list[float]) -> None:
    """½Σ(σ_i + σ_{2r+1−i})² is the minimum for two blocks of any size r, not only 2."""
    padded = np.zeros(6)
    padded[: len(values)] = values
    pairs = float(np.sum((padded[:3] + padded[:2:-1]) ** 2))
    assert 2 * balanced_factors(np.diag(values), 3, 6).value == pytest.approx(pairs, rel=1e-12)
    assert close(least_sum(values, 3, 2, 3), pairs, 1e-6)


@settings(max_examples=80, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 7), st.integers(1, 7))
def test_balanced_factors_over_widths(seed: int, r: int, blocks: int, rank: int) -> None:
    rng = np.random.default_rng(seed)
    A = rng.standard_normal((7, rank)) @ rng.standard_normal((rank, 8))
    if r * blocks < rank:
        with pytest.raises(InputError, match="at least that many columns"):
            balanced_factors(A, r, r * blocks)
        return
    found = balanced_factors(A, r, r * blocks)
    norms = [
        float(np.linalg.norm(found.left[:, b : b + r] @ found.right[:, b : b + r].T)) for b in range(0, r * blocks, r)
    ]
    scale = float(np.sum(A**2))
    values = np.linalg.svd(A, compute_uv=False)[:rank].tolist()
    assert np.allclose(found.left @ found.right.T, A, rtol=0, atol=FLOAT64 * np.sqrt(scale))
    assert abs(sum(norm**2 for norm in norms) - found.value) <= CERTIFICATE * scale
    assert close(blocks * found.bound, norm_squared(values, r), 1e-11)
    if blocks >= rank:
        assert found.exact.status == "proved"
        assert found.value == pytest.approx(found.bound, rel=1e-11)
        assert np.allclose(norms, np.sqrt(norm_squared(values, r)) / blocks, rtol=1e-10)
    if found.exact.holds and blocks != 2:
        assert found.value == pytest.approx(found.bound, rel=1e-11)


def test_a_smaller_last_block() -> None:
    A = np.diag([3.0, 2.0, 1.0])
    found = balanced_factors(A, 2, 7)
    assert np.allclose(found.left @ found.right.T, A, rtol=0, atol=1e-13)
    assert found.value == pytest.approx(found.bound, rel=1e-12)


def test_width_below_the_rank_and_too_few_blocks() -> None:
    with pytest.raises(InputError, match="rank 3"):
        balanced_factors(np.eye(3), 1, 2)
    with pytest.raises(InputError, match="no balanced factors are known"):
        balanced_factors(np.diag([10.0, 1.0, 1.0]), 2, 3)
    assert balanced_factors(np.zeros((2, 3)), 1, 2).value == 0


def test_a_rotation_alone_does_not_balance() -> None:
    """Trap 9: from U = I, V = [[1, 1], [0, 1]] no rotation of the columns reaches ‖UVᵀ‖_*/2; balanced factors do."""
    U, V = np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])
    goal = float(np.linalg.norm(U @ V.T, "nuc")) / 2
    assert goal == pytest.approx(1.118, abs=1e-3)
    angles = np.linspace(0, np.pi, 20001)
    turns = np.array([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]])
    sizes = np.linalg.norm(np.einsum("ij,jka->aik", U, turns), axis=1)
    sizes *= np.linalg.norm(np.einsum("ij,jka->aik", V, turns), axis=1)
    worst = np.abs(sizes - goal).max(axis=1)
    assert min(worst) == pytest.approx(0.107, abs=1e-3)
    found = balanced_factors(U @ V.T, 1, 2)
    sizes = np.linalg.norm(found.left, axis=0) * np.linalg.norm(found.right, axis=0)
    assert np.allclose(sizes, goal, rtol=1e-14)


def hypersimplex(rng: np.random.Generator, q: int, rank: int) -> Array:
    """Return a random point of (0, 1)^q with that sum: the diagonal of a random projection."""
    basis = np.linalg.qr(rng.standard_normal((q, rank)))[0]
    return np.asarray(np.sum(basis**2, axis=1))


@settings(max_examples=120, deadline=None)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(0, 3), st.data())
def test_enough_projections_have_any_spectrum(seed: int, q: int, more: int, data: st.DataObject) -> None:
    """B ≥ q projections of rank κ sum to B·diag(η) for every η in the hypersimplex."""
    rank = data.draw(st.integers(1, q - 1))
    shares = hypersimplex(np.random.default_rng(seed), q, rank)
    blocks = q + more
    bases = sum_of_projections(blocks * shares, [rank] * blocks)
    assert bases is not None
    assert all(np.allclose(b.T @ b, np.eye(rank), rtol=0, atol=1e-13) for b in bases)
    total = np.sum([b @ b.T for b in bases], axis=0)
    assert np.allclose(total, blocks * np.diag(shares), rtol=0, atol=1e-12 * blocks)


def test_impossible_spectra_are_not_constructed() -> None:
    assert sum_of_projections(np.array([1.2, 1.1, 0.9, 0.8]), [2, 2]) is not None  # symmetric about 1
    assert sum_of_projections(np.array([1.5, 1.1, 0.8, 0.6]), [2, 2]) is None
    assert sum_of_projections(np.array([1.0, 1.0, 1.0]) * 2 / 3, [1, 1]) is None
    assert vectors_of_lengths(np.array([1.0, 1.0]), np.array([1.9, 0.1])) is None


def test_scales_with_integers_and_many_directions() -> None:
    rng = np.random.default_rng(0)
    for q, rank in ((60, 1), (60, 7), (120, 20)):
        shares = hypersimplex(rng, q, rank)
        bases = sum_of_projections(q * shares, [rank] * q)
        assert bases is not None
        assert np.allclose(np.sum([b @ b.T for b in bases], axis=0), q * np.diag(shares), rtol=0, atol=1e-12 * q)
    whole = sum_of_projections(np.array([2.0, 2.0, 1.0, 1.0, 0.0]), [2, 2, 2])
    assert whole is not None
    assert all(set(np.abs(b).ravel()) <= {0.0, 1.0} for b in whole)


def test_exactness_follows_the_number_of_blocks() -> None:
    """Trap 7: with fewer blocks than partly carried directions the closed form is only a bound."""
    Y, theta = np.diag([5.0, 4.0, 3.5, 3.0, 2.5]), 0.9
    found = [dropblock_minimizer(Y, 2, theta, 2 * blocks) for blocks in (3, 4, 5, 6)]
    assert [f.exact.status for f in found[2:]] == ["proved", "proved"]
    for f in found:
        lower, upper = f.bounds
        assert lower <= upper * (1 + 1e-14)
        assert close(f.certificate().objective, upper, 1e-12)
    tight = dropblock_minimizer(np.diag([5.0, 2.0, 1.0, 0.5]), 2, 0.99, 4)
    assert tight.exact.status == "proved"
    assert tight.objective > tight.surrogate * (1 + 1e-3)
    descents = [descend(np.array([5.0, 2.0, 1.0, 0.5]), charges_of(partitioned(4, 2, 0.99))).value for _ in range(2)]
    assert tight.objective <= min(descents) * (1 + 1e-12)


def test_bounds_where_nothing_is_known() -> None:
    """R = 3, B = 3 and four directions: an interval that contains what descent finds, its upper end reached."""
    m = np.array([1.3, 1.1, 1.0, 0.8])
    found = dropblock_minimizer(np.diag(m), 3, 0.999, 9)
    lower, upper = found.bounds
    assert found.exact.status == "unknown"
    assert "lies in" in found.exact.detail
    # small odds: the excess is that of the norm itself, 2.6e-3 to first order
    assert 2.4e-3 <= upper / lower - 1 <= 2.6e-3


def test_unequal_rates_need_majorisation() -> None:
    """Units with odds .01 and 100: the envelope is far below what two units can do, since a unit has rank 1."""
    retains = [1 / 1.01, 1 / 101]
    found = unequal_blocks_minimizer(np.eye(2), [1, 1], retains)
    assert not found.exact.holds
    assert "majorise" in found.exact.detail
    assert found.objective > 20 * found.surrogate
    # whatever the first unit does, a second one pays: the best is to give up one direction
    assert found.objective == pytest.approx(1 / (1 + 1 / 0.01) + 1 / (1 + 1 / 100), rel=1e-6)


def test_landscape_has_no_bad_minima_where_the_form_is_exact() -> None:
    """Descent on random factors reaches the closed form (a sample of the 360 starts of section 2.4)."""
    for r, blocks in ((1, 4), (2, 4), (3, 4), (1, 8), (2, 8)):
        m = np.sort(np.random.default_rng(r + blocks).uniform(0.5, 3, 4))[::-1]
        best = dropblock_minimizer(np.diag(m), r, 0.7, r * blocks)
        d = r * blocks
        noise = np.asarray(3 / 7 * np.kron(np.eye(blocks), np.ones((r, r))), dtype=np.float64)

        def loss(x: Array, d: int = d, noise: Array = noise, m: Array = m) -> tuple[float, Array]:
            U, V = x.reshape(2, 4, d)
            rest, left, right = np.diag(m) - U @ V.T, noise * (U.T @ U), noise * (V.T @ V)
            slopes = 2 * (U @ right - rest @ V), 2 * (V @ left - rest.T @ U)
            return float(np.sum(rest**2) + np.sum(left * (V.T @ V))), np.concatenate(slopes).ravel()

        for seed in range(4):
            start = np.random.default_rng(seed).standard_normal(8 * d)
            options = {"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}
            found = minimize(loss, start, jac=True, method="L-BFGS-B", options=options)
            assert close(float(found.fun), best.objective, 1e-8)


def test_stochastic_steps_approach_the_closed_form() -> None:
    """Section 2.5 in small: fresh masks at every step, decreasing steps, no knowledge of the form."""
    Y, rng = np.random.default_rng(3).standard_normal((6, 5)), np.random.default_rng(0)
    found = dropblock_minimizer(Y, 2, 0.5, 10)
    U, V = 0.5 * rng.standard_normal((6, 10)), 0.5 * rng.standard_normal((5, 10))
    assert factorization_objective(Y, U, V, found.law) > 1.5 * found.objective
    for step in range(12000):
        mask = np.repeat(rng.random(5) < 0.5, 2) * 2.0
        rest = (U * mask) @ V.T - Y
        rate = 0.02 / (1 + step / 600)
        U, V = U - rate * rest @ (V * mask), V - rate * rest.T @ (U * mask)
    reached = factorization_objective(Y, U, V, found.law) / found.objective - 1
    assert -1e-12 <= reached <= 5e-3
    values = np.linalg.svd(U @ V.T, compute_uv=False)
    assert np.allclose(values, found.singular_values, rtol=0, atol=0.05)


def test_distinct_minimisers_along_the_rate() -> None:
    found = [dropblock_minimizer(np.diag([3.0, 2.0, 1.0]), 2, retain, 6) for retain in (0.9, 0.5, 0.1)]
    assert all(a.objective < b.objective for a, b in pairwise(found))
