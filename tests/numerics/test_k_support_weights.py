"""Ordered weights, boxes and groups against cvxpy, closed forms, duality in extended precision and a plain pooling."""

from fractions import Fraction
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.numerics.k_support import (
    box_dual_norm,
    box_eta,
    box_norm,
    cvxpy_ordered_dual_squared,
    cvxpy_ordered_squared,
    group_k_support_dual_norm,
    group_k_support_eta,
    group_k_support_norm,
    k_support_dual_norm,
    k_support_norm,
    ordered_dual_norm,
    ordered_eta,
    ordered_norm,
    prox_box,
    prox_group_k_support,
    prox_k_support,
    prox_ordered,
    prox_ordered_dual,
)
from tolerances import close

Floats = NDArray[np.floating[Any]]


def exact_ordered(w: Floats, omega: Floats, beta: float) -> tuple[Fraction, list[Fraction]]:
    """Return the norm squared and the magnitudes of the prox by rank, by pooling one rank at a time in fractions."""
    a = sorted((abs(Fraction(v)) for v in w.tolist()), reverse=True)
    weights, strength = [Fraction(v) for v in omega.tolist()], Fraction(beta)

    def pool(extra: Fraction) -> list[tuple[Fraction, Fraction, int]]:
        blocks: list[tuple[Fraction, Fraction, int]] = []
        for value, weight in zip(a, weights, strict=True):
            if value == 0:
                break
            block = (weight + extra, value, 1)
            while blocks and blocks[-1][0] * block[1] >= block[0] * blocks[-1][1]:
                last = blocks.pop()
                block = (last[0] + block[0], last[1] + block[1], last[2] + block[2])
            blocks.append(block)
        return blocks

    square = sum((mass**2 / weight for weight, mass, _ in pool(Fraction(0))), Fraction(0))
    taus = [strength * mass / weight for weight, mass, size in pool(strength) for _ in range(size)]
    return square, [value - tau for value, tau in zip(a, taus, strict=False)]


NUMBERS = st.one_of(st.sampled_from([0.0, 1.0, -1.0, 2.0]), st.floats(-1e6, 1e6).filter(lambda v: abs(v) > 1e-6))
PAIRS = st.integers(1, 8).flatmap(
    lambda d: st.tuples(
        st.lists(NUMBERS, min_size=d, max_size=d).map(np.array),
        st.lists(st.sampled_from([0.0, 0.25, 1.0, 1.0, 3.0, 7.5]), min_size=d, max_size=d)
        .filter(any)
        .map(lambda v: np.sort(v)[::-1].copy()),
    )
)


@settings(max_examples=200)
@given(PAIRS, st.sampled_from([0.01, 0.3, 1.0, 2.0, 50.0]))
def test_ordered_laws(pair: tuple[Floats, Floats], beta: float) -> None:
    w, omega = pair
    square, kept = exact_ordered(w, omega, beta)
    norm = float(ordered_norm(w, omega))
    assert abs(norm**2 - float(square)) <= 4e-15 * float(square)
    eta = np.asarray(ordered_eta(w, omega))
    assert (np.sort(eta)[::-1].cumsum() <= omega.cumsum() * (1 + 1e-14)).all()
    assert abs(np.sum(w[w != 0] ** 2 / eta[w != 0]) - norm**2) <= 1e-14 * norm**2
    x = np.asarray(prox_ordered(w, omega, beta))
    ranks = np.sort(np.abs(x))[::-1]
    size = max(float(np.abs(w).max()), 1e-300)
    np.testing.assert_allclose(ranks[: len(kept)], [float(v) for v in kept], rtol=0, atol=4e-15 * size)
    rest = beta * np.asarray(prox_ordered_dual(w / beta, omega, 1 / beta))
    assert np.abs(x + rest - w).max() <= 1e-14 * size


@pytest.mark.parametrize("beta", [1e-3, 1.0, 1e3, 1e6])
def test_ordered_fenchel_young(beta: float) -> None:
    rng, worst = np.random.default_rng(0), 0.0
    for _ in range(200):
        w, omega = rng.standard_normal(8), np.sort(rng.exponential(size=8))[::-1] * (rng.random() < 0.8) + np.eye(8)[0]
        x = np.asarray(prox_ordered(w, omega, beta))
        square = float(exact_ordered(x, omega, beta)[0])
        g = (w.astype(np.longdouble) - x) / np.longdouble(beta)
        other = np.sum(np.sort(np.abs(g))[::-1] ** 2 * omega)
        worst = max(worst, float(abs(square / 2 + other / 2 - x @ g) / (square / 2 + other / 2)))
    assert worst <= 1e-12  # (w − x)/β carries the rounding of x, divided by the least β


@pytest.mark.parametrize("k", [1, 2, 3.6, 6])
def test_k_ones_give_the_k_support_norm(k: float) -> None:
    w = np.random.default_rng(1).standard_normal((30, 6))
    omega = np.clip(k - np.arange(6), 0.0, 1.0)
    np.testing.assert_allclose(ordered_norm(w, omega), k_support_norm(w, k), rtol=1e-14)
    np.testing.assert_allclose(ordered_dual_norm(w, omega), k_support_dual_norm(w, k), rtol=1e-14)
    np.testing.assert_allclose(prox_ordered(w, omega, 0.4), prox_k_support(w, k, 0.4), atol=1e-14)


def test_ordered_against_cvxpy() -> None:
    rng, x = np.random.default_rng(2), cp.Variable(6)
    w, omega, beta = rng.standard_normal(6), np.array([3.0, 2.0, 2.0, 0.5, 0.0, 0.0]), 0.8
    square, scales = cvxpy_ordered_squared(x, omega)
    assert close(
        float(ordered_norm(w, omega)) ** 2,
        cp.Problem(cp.Minimize(square), [*scales, x == w]).solve(solver=cp.CLARABEL),
        1e-7,
    )
    for model, limits, prox, norm in (
        (square, scales, prox_ordered, ordered_norm),
        (cvxpy_ordered_dual_squared(x, omega), [], prox_ordered_dual, ordered_dual_norm),
    ):
        z = np.asarray(prox(w, omega, beta))
        mine = 0.5 * float(np.sum((z - w) ** 2)) + beta / 2 * float(norm(z, omega)) ** 2
        theirs = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - w) + beta / 2 * model), limits)
        assert close(mine, theirs.solve(solver=cp.CLARABEL), 1e-8)


def test_unequal_blocks_add_their_dual_norms() -> None:
    """Blocks of sizes r_b with odds λ_b: Σ_b ‖ζ‖²_{r_b *}/λ_b has ω_i = Σ_{r_b ≥ i} 1/λ_b; harmonic for r_b = 1."""
    sizes, odds = np.array([1, 2, 2, 4]), np.array([0.5, 1.0, 0.25, 2.0])
    omega = np.array([(1 / odds[sizes >= i]).sum() for i in range(1, 6)])
    zeta = np.random.default_rng(3).standard_normal(5)
    total = sum(float(k_support_dual_norm(zeta, int(r))) ** 2 / lam for r, lam in zip(sizes, odds, strict=True))
    assert close(float(ordered_dual_norm(zeta, omega)) ** 2, total, 1e-13)
    ones = np.array([(1 / odds).sum(), 0, 0, 0, 0])
    assert close(float(ordered_norm(zeta, ones)) ** 2, float(np.abs(zeta).sum()) ** 2 / float((1 / odds).sum()), 1e-13)


def box_model(x: Any, a: float, b: float, c: float) -> tuple[Any, list[Any]]:
    eta = cp.Variable(x.size)
    total = cp.sum(cp.hstack([cp.quad_over_lin(x[i], eta[i]) for i in range(x.size)]))
    return total, [eta >= a, eta <= b, cp.sum(eta) <= c]


@pytest.mark.parametrize(("a", "b", "c"), [(0.1, 1.0, 2.0), (0.5, 3.0, 3.0), (0.2, 0.7, 3.5), (0.01, 2.0, 0.4)])
def test_box_against_cvxpy(a: float, b: float, c: float) -> None:
    w, x, beta = np.random.default_rng(4).standard_normal(5), cp.Variable(5), 1.3
    square, scales = box_model(x, a, b, c)
    norm = cp.Problem(cp.Minimize(square), [*scales, x == w]).solve(solver=cp.CLARABEL)
    assert close(float(box_norm(w, a, b, c)) ** 2, norm, 1e-7)
    z = np.asarray(prox_box(w, a, b, c, beta))
    mine = 0.5 * float(np.sum((z - w) ** 2)) + beta / 2 * float(box_norm(z, a, b, c)) ** 2
    theirs = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - w) + beta / 2 * square), scales)
    assert close(mine, theirs.solve(solver=cp.CLARABEL), 1e-8)
    eta = np.asarray(box_eta(w, a, b, c))
    assert ((eta >= a * (1 - 1e-14)) & (eta <= b * (1 + 1e-14))).all()
    assert eta.sum() <= c * (1 + 1e-14)
    g = (w - z) / beta  # Fenchel–Young
    total = (float(box_norm(z, a, b, c)) ** 2 + float(box_dual_norm(g, a, b, c)) ** 2) / 2
    assert abs(total - z @ g) <= 1e-13 * total


def test_skip_connection_is_a_box_norm() -> None:
    """The least λ‖S‖² + β‖A − S‖_k² is the box norm with a = 1/λ, b = a + 1/β, c = d·a + k/β."""
    A, S, lam, beta, k = np.random.default_rng(5).standard_normal(5), cp.Variable(5), 2.0, 0.7, 2
    eta = cp.Variable(5)
    square = cp.sum(cp.hstack([cp.quad_over_lin(A[i] - S[i], eta[i]) for i in range(5)]))
    model = cp.Problem(cp.Minimize(lam * cp.sum_squares(S) + beta * square), [eta >= 0, eta <= 1, cp.sum(eta) <= k])
    a, b = 1 / lam, 1 / lam + 1 / beta
    assert close(float(box_norm(A, a, b, 5 * a + k / beta)) ** 2, model.solve(solver=cp.CLARABEL), 1e-7)


GROUPS = [[0, 3], [1], [2, 4, 5]]


def test_groups_against_cvxpy_and_duality() -> None:
    w, x, beta = np.random.default_rng(6).standard_normal(6), cp.Variable(6), 0.6
    eta = cp.Variable(3)
    square = cp.sum(cp.hstack([cp.quad_over_lin(x[g], eta[i]) for i, g in enumerate(GROUPS)]))
    scales = [eta >= 0, eta <= 1, cp.sum(eta) <= 1.5]
    norm = cp.Problem(cp.Minimize(square), [*scales, x == w]).solve(solver=cp.CLARABEL)
    assert close(float(group_k_support_norm(w, GROUPS, 1.5)) ** 2, norm, 1e-7)
    z = np.asarray(prox_group_k_support(w, GROUPS, 1.5, beta))
    mine = 0.5 * float(np.sum((z - w) ** 2)) + beta / 2 * float(group_k_support_norm(z, GROUPS, 1.5)) ** 2
    theirs = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(x - w) + beta / 2 * square), scales)
    assert close(mine, theirs.solve(solver=cp.CLARABEL), 1e-8)
    g = (w - z) / beta
    total = float(group_k_support_norm(z, GROUPS, 1.5)) ** 2 + float(group_k_support_dual_norm(g, GROUPS, 1.5)) ** 2
    assert abs(total / 2 - z @ g) <= 1e-14 * total
    per_weight = np.asarray(group_k_support_eta(w, GROUPS, 1.5))
    assert close(float(np.sum(w**2 / per_weight)), float(group_k_support_norm(w, GROUPS, 1.5)) ** 2, 1e-14)


def test_groups_of_one_are_the_vector_norm_and_one_group_is_euclidean() -> None:
    w = np.random.default_rng(7).standard_normal((4, 6)).astype(np.float32)
    single = [[i] for i in (3, 0, 5, 1, 2, 4)]
    np.testing.assert_allclose(prox_group_k_support(w, single, 2, 0.5), prox_k_support(w, 2, 0.5), rtol=1e-6)
    np.testing.assert_allclose(group_k_support_norm(w, [list(range(6))], 1), np.linalg.norm(w, axis=1), rtol=1e-6)
    assert prox_group_k_support(w, single, 2, 0.5).dtype == np.float32
    assert np.asarray(ordered_norm(w, np.ones(6))).dtype == np.float32
