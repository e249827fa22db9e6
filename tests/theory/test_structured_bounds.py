"""Bounds of norms that are not known: sliding masks and general covariances, against ascent over the factors."""

from fractions import Fraction

import numpy as np
import pytest
from factor_search import Floats, ascend, charge
from hypothesis import given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks
from etatrick.theory.noise.gaussian import CorrelatedGaussian
from etatrick.theory.noise.sliding import SlidingBlocks, SlidingBlocks2D
from etatrick.theory.structured.bounds import colourings
from etatrick.theory.structured.induced import induced_norm
from etatrick.theory.structured.semidefinite import capacity, covariance_of, eliminated, loewner_at_least
from tolerances import close

ZETA = (1.0, 0.8, 0.6, 0.5)


def ring(block_size: int, rate: float) -> SlidingBlocks:
    return SlidingBlocks(12, block_size, rate, seeds="circular")


def torus(rate: float) -> SlidingBlocks2D:
    return SlidingBlocks2D(4, 4, 2, rate, seeds="circular")


def some_covariance(seed: int, size: int) -> Floats:
    """Return a positive definite C̄ with entries of both signs."""
    factor = np.random.default_rng(seed).standard_normal((size, size + 1)).round(2)
    return factor @ factor.T / size


@pytest.mark.parametrize(
    ("law", "cells", "measured"),
    [
        (ring(3, 0.02), 3, 1.983),
        (ring(2, 0.05), 2, 1.619),
        (ring(3, 0.2), 3, 1.816),
        (torus(0.02), 4, 2.215),
        (torus(0.1), 4, 2.070),
    ],
    ids=["r=3 γ=.02", "r=2 γ=.05", "r=3 γ=.2", "torus γ=.02", "torus γ=.1"],
)
def test_sliding_windows_lie_below_the_support_norm_of_one_window(law: MaskLaw, cells: int, measured: float) -> None:
    """dual²/g₁ is a little below that of the k-support norm with k = units per window."""
    norm = induced_norm(law)
    g = float(norm.constants["capacity"])
    found = ascend(law.normalised_covariance, ZETA, starts=3, seed=0)
    low, high = norm.dual_bounds(ZETA)
    assert round(found / g, 3) == measured
    assert low <= found * (1 + 1e-9)
    assert found <= high
    assert close(high / g, sum(z * z for z in ZETA[:cells]))
    assert norm.kind == "unknown"
    assert {step.verdict.status for step in norm.proof} == {"proved"}


@pytest.mark.parametrize(("block_size", "rate"), [(3, 0.02), (2, 0.05)])
def test_every_rth_unit_gives_the_lower_bound_of_the_dual_almost_exactly(block_size: int, rate: float) -> None:
    law = ring(block_size, rate)
    stated = 12 / block_size * sum(z * z for z in ZETA[:block_size]) / ((1 - rate) ** -block_size - 1)
    found = ascend(law.normalised_covariance, ZETA, starts=3, seed=0)
    assert close(induced_norm(law).dual_bounds(ZETA)[0], stated)
    assert 0 <= found / stated - 1 < 1e-3
    assert close(float(induced_norm(law).constants["capacity"]), 12 / float(law.normalised_covariance[0].sum()))


def test_a_larger_multiple_of_the_windows_is_refuted() -> None:
    law, table = ring(3, 0.02), covariance_of(ring(3, 0.02))
    incidence = np.zeros((12, 12), dtype=int)
    np.put_along_axis(incidence, law.windows, 1, axis=1)
    shared = incidence.T @ incidence
    largest = sum(map(sum, table)) / int(shared.sum())
    for factor, status in ((Fraction(1), "proved"), (Fraction(1001, 1000), "refuted")):
        smaller = [[factor * largest * int(v) for v in row] for row in shared]
        assert loewner_at_least(table, smaller).status == status


def test_valid_seeds_are_dominated_by_the_edges() -> None:
    valid, circular = SlidingBlocks(12, 3, 0.02), ring(3, 0.02)
    assert round(float(capacity(valid)), 1) == 188.7
    assert round(float(capacity(circular)), 1) == 64.6
    ones = np.ones(12)
    assert close(float(capacity(valid)), float(ones @ np.linalg.solve(valid.normalised_covariance, ones)), 1e-8)


@pytest.mark.parametrize(
    "law",
    [
        SlidingBlocks(12, 3, 0.02),
        SlidingBlocks(7, 2, 0.3),
        CorrelatedGaussian(some_covariance(1, 5).round(3).tolist()),
        SlidingBlocks(30, 3, 0.1),
    ],
    ids=["valid r=3", "valid r=2", "any covariance", "more units than are treated exactly"],
)
def test_bounds_hold_for_covariances_without_symmetry(law: MaskLaw) -> None:
    norm = induced_norm(law)
    found = ascend(law.normalised_covariance, ZETA[:3], starts=3, seed=1)
    low, high = norm.dual_bounds(ZETA[:3])
    assert low <= found * (1 + 1e-7)
    assert found <= high * (1 + 1e-7)
    below, above = norm.bounds(ZETA[:3])
    assert 0 < below <= above
    assert close(*norm.bounds([1.0]), 1e-9)
    expected = "proved" if law.size <= 24 else "checked"
    assert {step.verdict.status for step in norm.proof} == {expected}
    with pytest.raises(InputError, match="not known"):
        norm.value(ZETA)


@given(st.integers(0, 10_000), st.integers(2, 6))
@settings(max_examples=25, deadline=None)
def test_rank_one_costs_the_inverse_capacity(seed: int, size: int) -> None:
    """Unit weights a = C̄⁻¹1/g cost 1/g; others with the same sum cost more; C̄ ⪰ 11ᵀ/g."""
    covariance = some_covariance(seed, size)
    g = capacity(covariance)
    weights = np.linalg.solve(covariance, np.ones(size)) / g
    signs = np.sign(weights) * np.sqrt(np.abs(weights))
    least = charge(covariance, signs[None, :], np.sqrt(np.abs(weights))[None, :])
    assert close(least, 1 / g, 1e-8)
    other = weights + np.random.default_rng(seed).standard_normal(size)
    other /= other.sum()
    assert other @ covariance @ other >= least * (1 - 1e-9)
    assert loewner_at_least(covariance, np.full((size, size), 1 / g)).status == "checked"
    assert loewner_at_least(covariance, np.full((size, size), 1.01 / g)).status == "refuted"


@given(st.integers(0, 10_000))
@settings(max_examples=25, deadline=None)
def test_exact_capacity_and_order_agree_with_floats(seed: int) -> None:
    rng = np.random.default_rng(seed)
    factor = rng.integers(-3, 4, size=(4, rng.integers(1, 5)))
    table = [[int(v) for v in row] for row in factor @ factor.T]
    exact, weights = capacity(table), np.linalg.pinv(np.array(table, dtype=float)) @ np.ones(4)
    inside = np.abs(np.array(table) @ weights - 1).max() < 1e-9
    assert (exact == float("inf")) == (not inside)
    if inside:
        assert close(float(exact), float(weights.sum()), 1e-8)
    assert loewner_at_least(table, [[0] * 4] * 4).status == "proved"
    shifted = [[v - (1 if i == j else 0) for j, v in enumerate(row)] for i, row in enumerate(table)]
    lowest = float(np.linalg.eigvalsh(np.array(shifted, dtype=float))[0])
    if abs(lowest) > 1e-9:
        assert loewner_at_least(table, np.eye(4, dtype=int).tolist()).status == ("proved" if lowest > 0 else "refuted")


def test_a_larger_covariance_charges_more() -> None:
    small, large = Blocks.partition(6, 2, 0.6), Blocks.partition(6, 2, 0.4)
    assert loewner_at_least(large, small).status == "proved"
    assert loewner_at_least(small, large).status == "refuted"
    assert induced_norm(large).value(ZETA) > induced_norm(small).value(ZETA)


def test_the_colouring_bound_is_tight_for_blocks() -> None:
    for law in (Blocks.partition(6, 2, 0.5), Blocks((3, 2, 1), (0.5, 0.3, 0.8)), Bernoulli(4, 0.3)):
        table = covariance_of(law)
        best = max(
            sum(
                float(g) * z * z
                for g, z in zip(sorted((capacity(table, part) for part in parts), reverse=True), ZETA, strict=False)
            )
            for parts in colourings(table)
        )
        assert close(best, induced_norm(law).dual_square(ZETA))


def test_elimination_refuses_what_is_not_semidefinite() -> None:
    F = Fraction
    assert eliminated([[F(-1), F(1)]]) is None
    assert eliminated([[F(1), F(2), F(0)], [F(2), F(1), F(0)]]) is None
    assert eliminated([[F(0), F(0), F(1)], [F(0), F(2), F(1)]]) == float("inf")
