"""The explicit regulariser of deep linear dropout against enumeration of masks and of paths."""

from itertools import pairwise, product

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.deep.paths import path_terms
from etatrick.numerics.deep.regularizer import deep_explicit_regularizer
from etatrick.theory.noise import (
    Bernoulli,
    Blocks,
    CountNormalised,
    FixedCount,
    Gaussian,
    MaskLaw,
    SlidingBlocks,
    UnitRates,
)
from tolerances import FLOAT64, close

Array = NDArray[np.float64]


def network(rng: np.random.Generator, sizes: tuple[int, ...]) -> list[Array]:
    return [rng.standard_normal((above, below)) for below, above in pairwise(sizes)]


def enumerated(weights: list[Array], laws: list[list[tuple[float, Array]]], C: Array) -> float:
    """Return E‖f̄‖_C² − ‖f‖_C² over all outcomes (probability, mask scaled to mean one) of every layer."""
    total, plain = 0.0, weights[0]
    for W in weights[1:]:
        plain = W @ plain
    for outcome in product(*laws):
        probability, value = 1.0, weights[0]
        for (p, mask), W in zip(outcome, weights[1:], strict=True):
            probability *= p
            value = W @ (mask[:, None] * value)
        total += probability * float(np.trace(value @ C @ value.T))
    return total - float(np.trace(plain @ C @ plain.T))


def block_law(width: int, block: int, odds: float) -> list[tuple[float, Array]]:
    retain = 1 / (1 + odds)
    outcomes = []
    for bits in product((0.0, 1.0), repeat=width // block):
        kept = sum(bits)
        p = retain**kept * (1 - retain) ** (len(bits) - kept)
        outcomes.append((p, np.repeat(np.array(bits), block) / retain))
    return outcomes


def moment(rng: np.random.Generator, size: int) -> Array:
    root = rng.standard_normal((size, size))
    return np.asarray(root @ root.T)


@pytest.mark.parametrize("sizes", [(2, 3, 2), (3, 2, 3, 2), (2, 2, 3, 2, 2)])
def test_dropout_equals_the_enumeration_of_all_masks(sizes: tuple[int, ...]) -> None:
    rng = np.random.default_rng(len(sizes))
    weights, C = network(rng, sizes), moment(rng, sizes[0])
    odds = rng.uniform(0.2, 2, len(sizes) - 2)
    exact = enumerated(weights, [block_law(d, 1, lam) for d, lam in zip(sizes[1:-1], odds, strict=True)], C)
    assert close(deep_explicit_regularizer(weights, odds, C), exact, 1e-13)
    # negative control: dropping the correlation between layers (the S = {1, 2, …} terms) is visible
    single = sum(v for s, v in path_terms(weights, list(odds), C).items() if len(s) == 1)
    if len(odds) > 1:
        assert abs(single - exact) > 1e-3 * exact


@pytest.mark.parametrize("blocks", [(2, 2), (1, 2), (4, 2)])
def test_blocks_equal_the_enumeration_of_all_masks(blocks: tuple[int, int]) -> None:
    rng = np.random.default_rng(7)
    sizes = (3, 4, 4, 2)
    weights, C, odds = network(rng, sizes), moment(rng, 3), (0.7, 1.6)
    laws = [lam * np.kron(np.eye(4 // r), np.ones((r, r))) for lam, r in zip(odds, blocks, strict=True)]
    exact = enumerated(weights, [block_law(4, r, lam) for lam, r in zip(odds, blocks, strict=True)], C)
    assert close(deep_explicit_regularizer(weights, laws, C), exact, 1e-13)


def test_any_law_of_the_mask() -> None:
    """A correlated four-point law with unequal means on one layer, unit-wise odds on the other."""
    rng = np.random.default_rng(3)
    weights, C = network(rng, (2, 3, 2, 2)), moment(rng, 2)
    p = np.array([0.1, 0.2, 0.3, 0.4])
    points = rng.uniform(0.1, 2, (4, 3))
    points /= p @ points
    first = list(zip(p, points, strict=True))
    second = [(a * b, np.array([x, y])) for a, x in ((0.5, 2.0), (0.5, 0.0)) for b, y in ((0.8, 1.25), (0.2, 0.0))]
    covariance = (points - 1).T @ np.diag(p) @ (points - 1)
    value = deep_explicit_regularizer(weights, [covariance, np.array([1.0, 0.25])], C)
    assert close(value, enumerated(weights, [first, second], C), 1e-13)


@pytest.mark.parametrize(
    "laws",
    [
        (Bernoulli(4, 0.4), UnitRates((0.5, 0.9, 0.3))),
        (Blocks((3, 1), 0.4), FixedCount((1, 2), 1)),
        (CountNormalised((2, 2), 0.4), SlidingBlocks(3, 2, 0.3)),
    ],
)
def test_laws_of_masks_equal_the_enumeration_of_their_masks(laws: tuple[MaskLaw, MaskLaw]) -> None:
    rng = np.random.default_rng(4)
    weights, C = network(rng, (2, 4, 3, 2)), moment(rng, 2)
    outcomes = []
    for law in laws:
        drawn = [(float(p), np.array([float(v) for v in z])) for z, p in law.masks()]
        mean = sum(p * z for p, z in drawn)
        outcomes.append([(p, z / mean) for p, z in drawn])
    assert close(deep_explicit_regularizer(weights, laws, C), enumerated(weights, outcomes, C), 1e-13)


def test_one_law_serves_all_layers() -> None:
    weights = network(np.random.default_rng(8), (2, 3, 3, 2))
    assert close(deep_explicit_regularizer(weights, Gaussian(3, 0.6)), deep_explicit_regularizer(weights, 0.6), 1e-14)


@settings(deadline=None, max_examples=30)
@given(st.integers(1, 3), st.integers(0, 10**6))
def test_paths_sum_to_the_recursion(k: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sizes = tuple(int(d) for d in rng.integers(1, 4, k + 2))
    weights, C, odds = network(rng, sizes), moment(rng, sizes[0]), list(rng.uniform(0, 3, k))
    terms = path_terms(weights, odds, C)
    assert len(terms) == 2**k - 1
    assert close(sum(terms.values()), deep_explicit_regularizer(weights, odds, C), FLOAT64)
    # each term on its own is invariant to rescaling a unit's incoming against its outgoing weights
    scale = rng.uniform(0.5, 2, sizes[1])
    other = [scale[:, None] * weights[0], weights[1] / scale, *weights[2:]]
    for chosen, value in path_terms(other, odds, C).items():
        assert close(value, terms[chosen], FLOAT64)


def test_full_set_is_the_path_regulariser() -> None:
    rng = np.random.default_rng(11)
    A, B, D = network(rng, (2, 3, 2, 2))
    squared = float(((D**2) @ (B**2) @ (A**2)).sum())
    assert close(path_terms([A, B, D], [0.5, 2.0])[1, 2], squared)


def test_small_odds_lose_no_digits() -> None:
    """The regulariser is carried itself, not as the difference of two large traces."""
    rng = np.random.default_rng(5)
    weights = network(rng, (4, 5, 5, 3))
    reference = deep_explicit_regularizer(weights, [1e-3, 0.0]) / 1e-3
    assert abs(deep_explicit_regularizer(weights, [1e-14, 0.0]) / 1e-14 - reference) < 1e-12 * reference


def test_relu_halves_the_regulariser_for_symmetric_isotropic_inputs() -> None:
    """E over masks and a symmetric isotropic input law: (λ/2) Σ W_2² W_1² for one hidden ReLU layer."""
    rng = np.random.default_rng(2)
    W1, W2, lam = rng.standard_normal((3, 2)), rng.standard_normal((2, 3)), 0.8
    rotation = np.linalg.qr(rng.standard_normal((2, 2)))[0] * np.sqrt(2)
    inputs = [sign * rotation[:, j] for sign in (-1, 1) for j in range(2)]  # mean 0, E xxᵀ = I, x ~ −x
    total = 0.0
    for x in inputs:
        hidden = np.maximum(W1 @ x, 0)
        for p, mask in block_law(3, 1, lam):
            total += p / len(inputs) * float(((W2 @ (mask * hidden) - W2 @ hidden) ** 2).sum())
    expected = deep_explicit_regularizer([W1, W2], lam) / 2
    assert close(total, expected, 1e-13)
    assert not close(total, 2 * expected, 1e-3)


@pytest.mark.parametrize(
    ("weights", "laws", "C"),
    [
        ([np.eye(2)], [], None),
        ([np.eye(2), np.eye(3)], 0.5, None),
        ([np.eye(2), np.full((2, 2), np.nan)], 0.5, None),
        ([np.eye(2), np.eye(2)], -0.5, None),
        ([np.eye(2), np.eye(2)], [0.5, 0.5], None),
        ([np.eye(2), np.eye(2)], [[[1.0, 2.0], [2.0, 1.0]]], None),
        ([np.eye(2), np.eye(2)], [[[1.0, 2.0], [0.0, 5.0]]], None),
        ([np.eye(2), np.eye(2)], Bernoulli(3, 0.5), None),
        ([np.eye(2), np.eye(2)], Bernoulli(2, sp.Symbol("theta")), None),
        ([np.eye(2), np.eye(2)], 0.5, -np.eye(2)),
        ([np.eye(2), np.eye(2)], 0.5, np.eye(3)),
    ],
)
def test_bad_input_is_refused(weights: list[Array], laws: float | MaskLaw, C: Array | None) -> None:
    with pytest.raises(InputError):
        deep_explicit_regularizer(weights, laws, C)


def test_paths_refuse_what_they_cannot_enumerate() -> None:
    with pytest.raises(InputError, match="deep_explicit_regularizer"):
        path_terms([np.ones((200, 1)), *[np.ones((200, 200))] * 3, np.ones((1, 200))], [1.0] * 4)
