"""Widths: the retain probability, the rank floor, exactness at a width, and what bad input is told."""

from typing import Any

import numpy as np
import pytest
import sympy as sp
from factor_search import least_charge, least_loss
from hypothesis import given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.numerics.k_support import k_support_norm
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.composed import Product
from etatrick.theory.noise.counted import FixedCount
from etatrick.theory.noise.sliding import SlidingBlocks
from etatrick.theory.structured.counted import counted_envelope_gap, counted_regression, learned_retain
from etatrick.theory.structured.exact_widths import exactness, two_blocks_of_two
from etatrick.theory.structured.induced import induced_norm, skip_connection_norm
from etatrick.theory.structured.scales import OrderedScales
from etatrick.theory.structured.semidefinite import capacity, loewner_at_least
from etatrick.theory.structured.widths import effective_odds, rank_floor, retain_for_width
from tolerances import close

CLOSE = (1.3, 1.1, 1.0, 0.8)
FAR = (5.0, 2.0, 1.0, 0.5)


# ---- how the retain probability depends on the width


def test_the_rule_for_the_width_keeps_the_effective_odds() -> None:
    theta, r, d = sp.symbols("theta r d", positive=True)
    rule = retain_for_width(theta, r, d)
    assert sp.simplify(rule - theta * r / (d - (d - r) * theta)) == 0
    assert sp.simplify(effective_odds(rule, r, d) - (1 - theta) / theta) == 0
    assert sp.simplify(rule.subs(d, r) - theta) == 0
    assert sp.limit(effective_odds(theta, r, d), d, sp.oo) == 0  # at a constant rate nothing is left
    assert [round(retain_for_width(0.6, 2, width), 3) for width in (2, 8, 64)] == [0.6, 0.273, 0.045]


@given(st.floats(0.01, 1), st.integers(1, 8), st.integers(1, 100))
@settings(max_examples=40, deadline=None)
def test_all_widths_give_one_norm(retain: float, r: int, blocks: int) -> None:
    found = retain_for_width(retain, r, r * blocks)
    assert close((1 - found) / found / blocks, (1 - retain) / retain, 1e-9)


def test_the_width_is_not_identifiable() -> None:
    """With θ(d), every width at which the norm is exact has one minimal value."""
    sigma, values = (3.0, 2.0, 1.0), []
    for count in (3, 4, 6):
        retain = retain_for_width(0.6, 2, 2 * count)
        covariance = Blocks((2,) * count, retain).normalised_covariance
        values.append(least_charge(covariance, sigma, starts=6, seed=count))
    stated = (1 - 0.6) / 0.6 * float(k_support_norm(sigma, 2)) ** 2
    assert all(close(value, stated, 1e-8) for value in values)


@pytest.mark.parametrize(
    ("law", "floor"), [(Blocks.partition(8, 2, 0.02), 2), (Bernoulli(4, 0.02), 1), (Blocks((3, 1, 1, 1), 0.02), 3)]
)
def test_strong_noise_stops_at_the_rank_floor(law: MaskLaw, floor: int) -> None:
    target = np.diag([3.0, 2.0, 1.0, 0.5])
    assert rank_floor(law, 4) == floor
    _, product = least_loss(law.normalised_covariance, target, starts=4, seed=0)
    singular = np.linalg.svd(product)[1]
    assert singular[floor - 1] > 0.01
    assert singular[floor:].max() < 1e-6
    assert rank_floor(law, 1) == 1


# ---- exactness


@pytest.mark.parametrize(
    ("count", "size", "sigma", "excess", "status"),
    [
        (2, 2, FAR, 2.0, "refuted"),
        (2, 2, (3.0, 2.0, 1.5, 0.7), 0.02, "refuted"),
        (2, 2, (4.0, 3.0, 2.0, 1.0), 0.0, "proved"),  # σ1 + σ4 = σ2 + σ3
        (2, 3, CLOSE, 0.26, "refuted"),
        (3, 3, CLOSE, 0.015, "refuted"),
        (4, 3, CLOSE, 0.0, "proved"),
        (4, 2, FAR, 0.0, "proved"),
        (3, 2, FAR, 0.0, "proved"),
        (4, 1, FAR, 0.0, "proved"),
        (2, 3, (5.0, 2.0, 1.5, 1.0, 0.5), 0.0, "proved"),
        (2, 3, (5.0, 2.0, 1.6, 1.0, 0.5), None, "refuted"),
        (1, 2, (2.0, 1.0, 0.0), 0.0, "proved"),
        (3, 2, (1.3, 1.2, 1.1, 1.0), 0.0, "checked"),
    ],
)
def test_exactness_against_the_best_split(
    count: int, size: int, sigma: tuple[float, ...], excess: float | None, status: str
) -> None:
    """The least Ω over the factors, by search; at θ = ½ the odds are 1."""
    law = Blocks((size,) * count, 0.5)
    assert exactness(law, sigma).status == status
    if count * size < len(sigma):
        return
    found = count * least_charge(law.normalised_covariance, sigma, starts=10, seed=0)
    gap = found - float(k_support_norm(sigma, size)) ** 2
    assert gap > -1e-8
    if excess is None:
        assert gap > 1e-4
    else:
        assert abs(gap - excess) < 1e-6


def test_two_blocks_of_two_have_a_closed_form() -> None:
    assert two_blocks_of_two(FAR) == (39.25, 37.25)
    assert [round(v, 2) for v in two_blocks_of_two((3, 2, 1.5, 0.7))] == [25.94, 25.92]
    rng, covariance = np.random.default_rng(5), Blocks((2, 2), 0.5).normalised_covariance
    for sigma in np.sort(rng.random((5, 4)))[:, ::-1].round(3).tolist():
        exact, envelope = two_blocks_of_two(sigma)
        assert close(2 * least_charge(covariance, sigma, starts=10, seed=1), exact, 1e-6)
        assert envelope <= exact + 1e-12


@given(st.integers(2, 5), st.integers(1, 3), st.integers(0, 1000))
@settings(max_examples=25, deadline=None)
def test_verdicts_are_confirmed_by_search(count: int, size: int, seed: int) -> None:
    sigma = np.sort(np.random.default_rng(seed).integers(1, 30, size=4) / 10)[::-1].tolist()
    law = Blocks((size,) * count, 0.5)
    verdict = exactness(law, sigma)
    if len(sigma) > count * size:
        assert verdict.status == "refuted"
        return
    found = count * least_charge(law.normalised_covariance, sigma, starts=8, seed=seed)
    gap = found - float(k_support_norm(sigma, size)) ** 2
    if verdict.holds:
        assert abs(gap) < 1e-4
    if verdict.status == "refuted":
        assert gap > 1e-7


def test_single_units_with_unequal_odds_need_majorised_shares() -> None:
    """Shares (4, 1, 1)/6 of ‖A‖_*: a flat spectrum leaves too little for the first unit, a steep one does not."""
    law = UnitRates((0.8, 0.5, 0.5))
    for sigma, status in (((1.0, 1.0), "refuted"), ((2.0, 1.0), "proved"), ((7.0, 2.0, 1.0), "proved")):
        assert exactness(law, sigma).status == status
        found = least_charge(law.normalised_covariance, sigma, starts=8, seed=0)
        envelope = induced_norm(law).value(sigma)
        assert (found - envelope < 1e-6 * envelope) == (status == "proved")


def test_layers_and_counts_are_exact_where_their_blocks_are() -> None:
    layered = Product((Bernoulli(4, 0.6), Blocks((2, 2), 0.4)))
    assert exactness(layered, (4, 3, 2, 1)).status == "proved"
    assert exactness(layered, FAR).status == "refuted"
    norm, covariance = induced_norm(layered), layered.normalised_covariance
    assert close(least_charge(covariance, (4, 3, 2, 1), starts=8, seed=0), norm.value((4, 3, 2, 1)), 1e-7)
    assert least_charge(covariance, FAR, starts=8, seed=0) > norm.value(FAR) * 1.01
    counted = FixedCount((2,) * 4, 2)
    assert exactness(counted, FAR).status == "proved"
    found = least_charge(counted.normalised_covariance, FAR, starts=8, seed=0)
    assert close(found, counted_envelope_gap(FAR, 2) * counted.coupling, 1e-7)


def test_a_rank_above_the_width_is_refuted_and_a_small_rank_fits_any_block() -> None:
    assert exactness(Bernoulli(3, 0.5), (1, 1, 1, 1)).witness == {"rank": 4, "width": 3}
    assert exactness(Blocks((2, 3), (0.5, 0.2)), (2, 1)).status == "proved"
    assert exactness(Blocks((2, 3), (0.5, 0.2)), (2, 1, 1)).status == "unknown"
    assert exactness(Blocks((2, 2), (0.5, 1)), (2, 1)).status == "unknown"
    assert exactness(Bernoulli(3, 0.5), (0, 0)).status == "proved"


def test_not_every_pair_of_factors_can_be_rotated_to_equal_units() -> None:
    """U = I, V = [[1, 1], [0, 1]]: ‖u_i‖‖v_i‖ = ‖UVᵀ‖_*/2 for both units is out of reach of a rotation."""
    U, V = np.eye(2), np.array([[1.0, 1.0], [0.0, 1.0]])
    goal = np.linalg.svd(U @ V.T)[1].sum() / 2
    angles = np.linspace(0, np.pi, 20_001)
    turns = np.stack([[np.cos(angles), -np.sin(angles)], [np.sin(angles), np.cos(angles)]]).transpose(2, 0, 1)
    lengths = np.linalg.norm(U @ turns, axis=1) * np.linalg.norm(V @ turns, axis=1)
    best = np.abs(lengths - goal).max(axis=1).min()
    assert round(float(goal), 3) == 1.118
    assert round(float(best), 3) == 0.107
    left, sigma, right = np.linalg.svd(U @ V.T)
    balanced = left * np.sqrt(sigma), right.T * np.sqrt(sigma)
    lengths = np.linalg.norm(balanced[0] @ turns, axis=1) * np.linalg.norm(balanced[1] @ turns, axis=1)
    assert np.abs(lengths - goal).max(axis=1).min() < 1e-3


# ---- bad input


theta = sp.Symbol("theta", positive=True)
BAD: dict[str, tuple[Any, str]] = {
    "no law": (lambda: induced_norm("dropout"), "must be a mask law"),  # type: ignore[arg-type]
    "a symbol without a value": (lambda: induced_norm(Bernoulli(3, theta)).value([1]), "needs|need every"),
    "a sliding law with a symbol": (lambda: induced_norm(SlidingBlocks(4, 2, theta)), "need numbers"),
    "no singular values": (lambda: induced_norm(Bernoulli(3, 0.5)).value([]), "at least one"),
    "NaN": (lambda: induced_norm(Bernoulli(3, 0.5)).value([1.0, np.nan]), "finite"),
    "text": (lambda: OrderedScales((1,)).square(["one"]), "real numbers"),
    "negative singular values": (lambda: exactness(Bernoulli(3, 0.5), (1, -1)), "≥ 0"),
    "exactness with symbols": (lambda: exactness(Bernoulli(3, theta), (1,)), "every symbol"),
    "five values for two blocks": (lambda: two_blocks_of_two([1] * 5), "at most four"),
    "θ̄ = 0": (lambda: retain_for_width(0, 1, 3), r"\(0, 1\]"),
    "θ̄ > 1": (lambda: retain_for_width(1.2, 1, 3), r"\(0, 1\]"),
    "less than a block": (lambda: retain_for_width(0.5, 4, 3), "one block"),
    "half a unit": (lambda: retain_for_width(0.5, 1, 2.5), "integer"),
    "rank floor of a sliding law": (lambda: rank_floor(SlidingBlocks(4, 2, 0.1), 3), "independent blocks"),
    "negative ridge": (lambda: skip_connection_norm(Bernoulli(3, 0.5), -1), "> 0"),
    "skip beside a fixed count": (lambda: skip_connection_norm(FixedCount((1, 1), 1), 1), "independent blocks"),
    "not square": (lambda: capacity([[1, 2]]), "square"),
    "not symmetric": (lambda: capacity([[1, 2], [0, 1]]), "symmetric"),
    "not semidefinite": (lambda: capacity([[1, 2], [2, 1]]), "semidefinite"),
    "infinite entries": (lambda: loewner_at_least([[np.inf]], [[1]]), "finite"),
    "negative κ": (lambda: counted_regression([1, 2], 1, -1), "≥ 0"),
    "negative target": (lambda: counted_regression([1, -2], 1, 0.5), "≥ 0"),
    "no budget": (lambda: learned_retain([1, 2], 0), "≥ 1"),
}


@pytest.mark.parametrize(("call", "message"), BAD.values(), ids=BAD.keys())
def test_bad_input_is_explained(call: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        call()
