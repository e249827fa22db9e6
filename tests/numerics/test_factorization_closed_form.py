"""Closed-form minimisers against a semidefinite program and direct descent on the factors."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.errors import InputError
from etatrick.numerics.factorization import (
    FactorizationMinimum,
    count_normalized_minimizer,
    dropblock_minimizer,
    dropout_minimizer,
    factorization_minimizer,
    factorization_objective,
    fixed_count_minimizer,
    matrix_factorization_path,
    unequal_blocks_minimizer,
)
from etatrick.theory.noise import Bernoulli, BlockLaw, Gaussian
from etatrick.theory.structured import retain_for_width
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]


def gaussian(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def descended(Y: Array, law: BlockLaw, seeds: int) -> float:
    """Return the least explicit objective that L-BFGS on (U, V) finds from random starts."""
    a, N, d = *Y.shape, law.size
    noise = law.normalised_covariance

    def loss(x: Array) -> tuple[float, Array]:
        U, V = x[: a * d].reshape(a, d), x[a * d :].reshape(N, d)
        rest, left, right = Y - U @ V.T, noise * (U.T @ U), noise * (V.T @ V)
        value = float(np.sum(rest**2) + np.sum(left * (V.T @ V)))
        gU, gV = 2 * (U @ right - rest @ V), 2 * (V @ left - rest.T @ U)
        return value, np.concatenate([gU.ravel(), gV.ravel()])

    options = {"maxiter": 20000, "maxfun": 40000, "ftol": 1e-16, "gtol": 1e-11, "maxcor": 30}
    starts = [gaussian(seed, (a + N) * d) for seed in range(seeds)]
    return min(float(minimize(loss, x, jac=True, method="L-BFGS-B", options=options).fun) for x in starts)


CASES: dict[str, Callable[[Array], FactorizationMinimum]] = {
    "dropout": lambda Y: dropout_minimizer(Y, 0.4, 6),
    "dropout narrower than the rank": lambda Y: dropout_minimizer(Y, 0.9, 2),
    "dropblock": lambda Y: dropblock_minimizer(Y, 2, 0.5, 10),
    "dropblock, free width": lambda Y: dropblock_minimizer(Y, 2, 0.7),
    "one block": lambda Y: dropblock_minimizer(Y, 5, 0.5, 5),
    "a smaller last block": lambda Y: dropblock_minimizer(Y, 2, 0.3, 9),
    "unequal blocks": lambda Y: unequal_blocks_minimizer(Y, [1, 2, 3, 3], [0.5, 0.5, 0.5, 0.5]),
    "unequal rates": lambda Y: unequal_blocks_minimizer(Y, [1] * 6, [0.3, 0.35, 0.4, 0.35, 0.3, 0.3]),
    "two blocks": lambda Y: dropblock_minimizer(Y, 2, 0.9, 4),
    "two wide blocks": lambda Y: dropblock_minimizer(Y, 3, 0.9, 6),
    "fixed count": lambda Y: fixed_count_minimizer(Y, 2, 2, 10),
    "one kept": lambda Y: fixed_count_minimizer(Y, 2, 1, 8),
    "count-normalised": lambda Y: count_normalized_minimizer(Y, 1, 0.5, 5),
    "fixed count, a smaller last block": lambda Y: fixed_count_minimizer(Y, 2, 2, 9),
    "count-normalised, a smaller last block": lambda Y: count_normalized_minimizer(Y, 2, 0.6, 9),
    "no noise": lambda Y: dropblock_minimizer(Y, 2, 1.0, 4),
}
EXACT_CASES = {name: case for name, case in CASES.items() if name != "unequal blocks"}


@pytest.mark.parametrize("name", EXACT_CASES)
def test_descent_on_the_factors_finds_the_same_minimum(name: str) -> None:
    Y = gaussian(3, 5, 4)
    found = CASES[name](Y)
    assert found.exact.holds, found.exact
    assert close(descended(Y, found.law, 4), found.objective, 1e-8)


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("seed", range(4))
def test_the_explicit_objective_of_the_factors_is_the_closed_form(name: str, seed: int) -> None:
    Y = gaussian(seed, 5, 4) * 10.0 ** (3 * (seed - 2))
    found = CASES[name](Y)
    U, V = found.factors
    certificate, scale = found.certificate(), float(np.sum(Y**2))
    assert U.shape == (5, found.width)
    assert V.shape == (4, found.width)
    assert abs(certificate.objective - found.objective) <= CERTIFICATE * scale
    assert abs(certificate.dual - found.surrogate) <= CERTIFICATE * scale
    assert np.allclose(U @ V.T, found.product, rtol=0, atol=FLOAT64 * np.sqrt(scale))
    values = np.linalg.svd(found.product, compute_uv=False)
    assert np.allclose(values, found.singular_values, rtol=0, atol=FLOAT64 * np.sqrt(scale))


@pytest.mark.parametrize("name", CASES)
def test_any_other_factors_are_worse(name: str) -> None:
    """A negative control: the objective resolves what a small step away costs."""
    Y = gaussian(1, 5, 4)
    found = CASES[name](Y)
    U, V = found.factors
    if name == "no noise":
        U, V = U + 1e-3, V
        assert factorization_objective(Y, U, V, found.law) > found.objective + 1e-6
        return
    for seed in range(5):
        away = factorization_objective(Y, U + 1e-2 * gaussian(seed, *U.shape), V, found.law)
        assert away > found.objective + 1e-7


@pytest.mark.parametrize(("rank", "k", "beta"), [(4, 1, 0.3), (4, 2, 0.7), (4, 3, 0.2), (2, 3, 1.0), (3, 2, 5.0)])
def test_a_semidefinite_program_finds_the_same_minimum(rank: int, k: int, beta: float) -> None:
    import cvxpy as cp

    Y = gaussian(rank, 4, rank) @ gaussian(k, rank, 5)
    A, theta, weight = cp.Variable((4, 5)), cp.Variable((4, 4), symmetric=True), cp.Variable((5, 5), symmetric=True)
    constraints = [cp.bmat([[theta, A], [A.T, weight]]) >> 0, theta << np.eye(4), cp.trace(theta) <= k]
    goal = cp.sum_squares(Y - A) + beta * cp.trace(weight)
    problem: Any = cp.Problem(cp.Minimize(goal), constraints)
    problem.solve(solver="CLARABEL", tol_gap_rel=1e-10, tol_gap_abs=1e-10, tol_feas=1e-10)
    found = dropblock_minimizer(Y, k, 1 / (1 + beta))
    assert close(found.objective, float(problem.value), 1e-2 * SOLVER)


def textbook(m: Array, r: int, beta: float) -> Array:
    """Return (2.3) by trying every pair (ρ, l)."""
    if np.count_nonzero(m) <= r:
        return m / (1 + beta)
    padded = np.concatenate([[np.inf], m, [0.0]])
    slack = 1e-12 * m[0]
    for rho in range(1, r + 1):
        for last in range(r, len(m) + 1):
            tau = beta * m[rho - 1 : last].sum() / (r + beta * last - (1 + beta) * (rho - 1))
            saturated = (
                padded[rho - 1] * beta / (1 + beta) >= tau - slack and tau >= m[rho - 1] * beta / (1 + beta) - slack
            )
            if saturated and padded[last] >= tau - slack and tau >= padded[last + 1] - slack:
                found: Array = np.maximum(m - tau, 0.0)
                found[: rho - 1] = m[: rho - 1] / (1 + beta)
                found[last:] = 0.0
                return found
    raise AssertionError("no pair satisfies the conditions")


@settings(max_examples=150, deadline=None)
@given(st.lists(st.integers(0, 12), min_size=1, max_size=8), st.integers(1, 8), st.sampled_from([0.05, 0.3, 0.5, 0.9]))
def test_laws_over_ties_zeros_and_ranks(values: list[int], r: int, retain: float) -> None:
    m = np.sort(np.asarray(values, dtype=np.float64))[::-1]
    found = dropblock_minimizer(np.diag(m), r, retain)
    beta = (1 - retain) / retain
    assert found.exact.status == "proved"
    assert np.allclose(found.singular_values, textbook(m, min(r, len(m)), beta), rtol=0, atol=FLOAT64)
    scale = float(m @ m)
    certificate = found.certificate()
    assert abs(certificate.gap) <= CERTIFICATE * scale
    assert abs(certificate.objective - found.objective) <= CERTIFICATE * scale
    assert found.l >= min(r, int(np.count_nonzero(m)))  # the rank floor
    assert found.rho <= r
    assert found.retain == pytest.approx(retain_for_width(retain, r, found.width), rel=1e-14)


@settings(max_examples=60, deadline=None)
@given(st.integers(0, 10**6), st.integers(1, 4), st.integers(1, 13), st.sampled_from([0.1, 0.5, 0.9, 1.0]))
def test_laws_over_widths(seed: int, r: int, width: int, retain: float) -> None:
    Y = gaussian(seed, 4, 3) @ gaussian(seed + 1, 3, 5)
    found = dropblock_minimizer(Y, r, retain, width)
    lower, upper = found.bounds
    scale = float(np.sum(Y**2))
    assert abs(found.certificate().objective - upper) <= CERTIFICATE * scale
    assert found.surrogate <= lower * (1 + 1e-14) <= upper * (1 + 2e-14) + CERTIFICATE * scale
    assert np.linalg.matrix_rank(found.product, tol=1e-9) <= width


def test_stated_pair_and_threshold() -> None:
    """(2.3) with ρ, l, τ, worked by hand: β = ¼, a = 5/1.25, then τ = ¼·3/(2 + ¾ − 1¼) = ½."""
    found = dropblock_minimizer(np.diag([5.0, 2.0, 1.0, 0.2]), 2, 0.5, 8)
    assert (found.rho, found.l) == (2, 3)
    assert found.tau == pytest.approx(0.5, rel=1e-14)
    assert np.allclose(found.singular_values, [4, 1.5, 0.5, 0], rtol=0, atol=1e-14)


def test_retain_for_width_numbers() -> None:
    assert [round(retain_for_width(0.6, 2, d), 3) for d in (2, 8, 64)] == [0.6, 0.273, 0.045]
    for d in (3, 9, 30):
        theta = retain_for_width(0.6, 3, d)
        assert (1 - theta) / theta * 3 / d == pytest.approx(0.4 / 0.6, rel=1e-13)


def test_every_width_with_its_own_rate_has_one_optimum() -> None:
    """With θ(d) the width cannot be told from the optimum (trap 8); with a fixed θ it can."""
    Y = gaussian(0, 4, 4)
    free = dropblock_minimizer(Y, 2, 0.6)
    moving = [dropblock_minimizer(Y, 2, retain_for_width(0.6, 2, d), d).objective for d in (8, 16, 40)]
    fixed = [dropblock_minimizer(Y, 2, 0.6, d).objective for d in (8, 16, 40)]
    assert np.allclose(moving, free.objective, rtol=1e-12)
    assert fixed[0] > fixed[1] * 1.1 > fixed[2] * 1.2


def test_plateau_is_exactly_of_rank_r() -> None:
    found = dropblock_minimizer(np.diag([4.0, 3.0, 1.0, 0.5]), 2, 0.5)  # 1 ≤ β/(1+β)·3
    assert found.singular_values.tolist() == [2.0, 1.5, 0.0, 0.0]
    assert (found.rho, found.l, found.tau) == (2, 2, 1.5)


def test_blocks_as_large_as_the_output_are_ridge() -> None:
    Y = gaussian(4, 3, 6)
    assert np.allclose(dropblock_minimizer(Y, 3, 0.25, 6).product, Y / 2.5, rtol=0, atol=1e-14)


@pytest.mark.parametrize("r", [1, 2, 3])
@pytest.mark.parametrize("retain", [1e-13, 1e-6, 1 - 1e-6])
def test_extreme_rates_lose_no_digits(r: int, retain: float) -> None:
    """Against (2.3) in sixty digits: what is left of a value at huge odds, and the threshold at tiny ones."""
    import mpmath as mp

    m = [4.0, 3.0, 2.5, 2.4999]
    with mp.workdps(60):
        beta = 1 / mp.mpf(repr(retain)) - 1
        exact = textbook(np.array([mp.mpf(v) for v in m], dtype=object), r, beta)
    found = dropblock_minimizer(np.diag(m), r, retain).singular_values
    assert np.allclose(found, [float(v) for v in exact], rtol=1e-13, atol=0)


def test_half_the_loss_is_another_problem() -> None:
    """Trap 4: ½‖Y − A‖² + β‖A‖² has twice the threshold of the convention without ½."""
    Y = np.diag([3.0, 2.0, 1.0])
    ours, halved = dropblock_minimizer(Y, 1, 1 / 1.2), dropblock_minimizer(Y, 1, 1 / 1.4)
    assert not np.allclose(ours.singular_values, halved.singular_values, atol=0.1)


@pytest.mark.parametrize("shape", [(3, 7), (7, 3)])
def test_inputs_that_are_not_absorbed(shape: tuple[int, int]) -> None:
    """Predictions UVᵀX: more examples than inputs, or inputs of deficient rank; against descent on (U, V)."""
    b, N = shape
    X = gaussian(7, b, N)
    X[-1] = X[0]  # rank deficient
    Y = gaussian(8, 4, N)
    found = dropblock_minimizer(Y, 2, 0.5, 6, X=X)
    U, V = found.factors
    assert V.shape == (b, 6)
    assert found.product.shape == (4, b)
    assert np.allclose(found.product @ X, found.predictions, rtol=0, atol=1e-12)
    assert abs(found.certificate().gap) <= CERTIFICATE * float(np.sum(Y**2))
    direct = factorization_objective(Y, U, V, found.law, X)
    rows = np.linalg.svd(X)[2][: np.linalg.matrix_rank(X)]
    reduced = descended(Y @ rows.T, found.law, 3) + float(np.sum((Y - Y @ rows.T @ rows) ** 2))
    assert close(direct, reduced, 1e-8)
    assert direct > dropblock_minimizer(Y, 2, 0.5, 6).objective - 1e-12 * float(np.sum(Y**2))


def test_fixed_counts_leave_saturated_directions_alone() -> None:
    """E3: saturated singular values are not shrunk; one kept block truncates."""
    m = np.array([9.0, 4.0, 2.0, 1.0])
    some = fixed_count_minimizer(np.diag(m), 2, 2, 8).singular_values
    assert some[0] == pytest.approx(9, rel=1e-14)
    assert some[1] < 4
    assert np.allclose(fixed_count_minimizer(np.diag(m), 2, 1, 8).singular_values, [9, 4, 0, 0], rtol=0, atol=1e-13)
    assert fixed_count_minimizer(np.diag([3.0, 1.0, 0.0]), 2, 2, 6).objective == pytest.approx(0, abs=1e-14)
    assert fixed_count_minimizer(np.diag(m), 2, 4, 8).objective == pytest.approx(0, abs=1e-14)


def test_unequal_units_follow_the_harmonic_mean() -> None:
    """E1 with r_b = 1: ‖A‖_*²/Σ(1/λ_b)."""
    Y, retains = gaussian(2, 5, 5), [0.5, 0.6, 0.4, 0.55, 0.45, 0.5]
    harmonic = sum(r / (1 - r) for r in retains)
    found = unequal_blocks_minimizer(Y, [1] * 6, retains)
    assert found.exact.status == "proved"
    m, beta = np.asarray(np.linalg.svd(Y, compute_uv=False), dtype=np.float64), 1 / harmonic
    assert np.allclose(found.singular_values, textbook(m, 1, beta), rtol=0, atol=1e-12)


def test_path_equals_single_solutions_and_reports_progress() -> None:
    Y, retains, seen = gaussian(1, 6, 5), [0.9, 0.5, 0.1], list[float]()
    path = matrix_factorization_path(Y, 2, retains, 10, progress=seen.append)
    assert seen == [1 / 3, 2 / 3, 1.0]
    for found, retain in zip(path, retains, strict=True):
        single = dropblock_minimizer(Y, 2, retain, 10)
        assert np.array_equal(found.singular_values, single.singular_values)
    assert all(found.data is path[0].data for found in path)  # one decomposition


def test_cavazza_expected_numbers() -> None:
    """Section 6 (ii): rank 10 recovered with θ(d), p = .9; a fixed θ = .9 has surrogates of rank 38, 77, 93."""
    thresholds, ranks, capped, adaptive, edges = [], [], [], [], []
    for seed in range(8):
        rng = np.random.default_rng(seed)
        U0, V0 = 0.1 * rng.standard_normal((100, 10)), 0.1 * rng.standard_normal((100, 10))
        Y = U0 @ V0.T + 0.01 * rng.standard_normal((100, 100))
        edges.append(np.linalg.svd(Y, compute_uv=False)[[0, 9, 10]])
        free = dropout_minimizer(Y, 0.9)
        adaptive.append((free.l, free.tau))
        odds = 1 / 9
        widths = (10, 40, 160)
        # the surrogate without the cap: the same β on an unlimited width
        loose = [dropout_minimizer(Y, 1 / (1 + odds / d)) for d in widths]
        thresholds.append([found.tau for found in loose])
        ranks.append([found.l for found in loose])
        capped.append([dropout_minimizer(Y, 0.9, d).l for d in widths])
    edge = np.mean(edges, axis=0)
    assert np.allclose(edge, [1.4, 0.62, 0.185], rtol=0.05)  # the tenth was stated as about 0.7
    assert {rank for rank, _ in adaptive} == {10}
    assert np.mean([tau for _, tau in adaptive]) == pytest.approx(0.52, rel=0.05)
    assert np.allclose(np.mean(thresholds, axis=0), [0.108, 0.038, 0.011], rtol=0.05)
    for stated, seen in zip((38, 77, 93), np.transpose(ranks).tolist(), strict=True):
        assert min(seen) <= stated <= max(seen)
        assert max(seen) - min(seen) <= 8
    assert all(row[0] == 10 and row[1] == 40 for row in capped)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: dropblock_minimizer(np.eye(2), 1, 0.0, 2), "retain = 0.0"),
        (lambda: dropblock_minimizer(np.eye(2), 1, 1.5, 2), "retain = 1.5"),
        (lambda: dropblock_minimizer(np.eye(2), 1, float("nan")), "probability"),
        (lambda: dropblock_minimizer(np.eye(2), 0, 0.5, 2), "block_size = 0"),
        (lambda: dropblock_minimizer(np.eye(2), 1.5, 0.5, 2), "block_size = 1.5"),  # type: ignore[arg-type]
        (lambda: dropblock_minimizer(np.eye(2), 1, 0.5, 0), "width = 0"),
        (lambda: dropblock_minimizer(np.zeros((0, 2)), 1, 0.5, 2), "Y of shape (0, 2)"),
        (lambda: dropblock_minimizer([[np.nan]], 1, 0.5, 2), "1 NaN"),
        (lambda: dropblock_minimizer([["a"]], 1, 0.5, 2), "real numbers"),
        (lambda: dropblock_minimizer(np.ones(3), 1, 0.5, 2), "must be a matrix"),
        (lambda: dropblock_minimizer(np.eye(2), 1, 0.5, 2, X=np.eye(3)), "one column per example"),
        (lambda: factorization_minimizer(np.eye(2), Gaussian(2, 1.0)), "constant on blocks"),  # type: ignore[arg-type]
        (lambda: factorization_minimizer(np.eye(2), Bernoulli(2, sp.Symbol("theta"))), "call .at(theta=…)"),
        (lambda: fixed_count_minimizer(np.eye(2), 1, 3, 2), "kept = 3"),
        (lambda: unequal_blocks_minimizer(np.eye(2), [1, 1], [0.5, 1.0]), "never dropped"),
        (lambda: unequal_blocks_minimizer(np.eye(2), [1, 1], [0.5]), "for each of the 2 blocks"),
        (lambda: unequal_blocks_minimizer(np.eye(2), [], []), "nonempty sequence"),
        (lambda: matrix_factorization_path(np.eye(2), 1, []), "retains of length 0"),
        (lambda: retain_for_width(0.5, 4, 3), "width = 3"),
        (lambda: factorization_objective(np.eye(2), np.eye(2), np.eye(2), Bernoulli(1, 0.5)), "each of the 1 units"),
    ],
)
def test_bad_input(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert words in str(raised.value)


def test_the_zero_matrix() -> None:
    found = dropblock_minimizer(np.zeros((3, 2)), 2, 0.5, 4)
    assert found.objective == 0
    assert not found.product.any()
    assert found.exact.status == "proved"
    assert (found.rho, found.l, found.tau) == (1, 0, 0.0)
    assert dropblock_minimizer(np.zeros((3, 2)), 2, 0.5).width == 2
