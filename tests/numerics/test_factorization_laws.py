"""Every mask law of a factorisation: all its masks enumerated, one minimiser, with and without singular vectors."""

from collections.abc import Callable
from itertools import combinations, product

import numpy as np
import pytest
from numpy.typing import NDArray

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
from etatrick.theory.noise import Bernoulli, BlockLaw, Blocks, CountNormalised, FixedCount, Gaussian, MaskLaw, UnitRates
from tolerances import close

Array = NDArray[np.float64]


def gaussian(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def expected_loss(Y: Array, U: Array, V: Array, sizes: list[int], draws: list[tuple[float, list[float]]]) -> float:
    """Return Σ probability · ‖Y − U diag(z)Vᵀ‖² over all masks, given as (probability, one factor per block)."""
    total = 0.0
    for chance, factors in draws:
        z = np.repeat(factors, sizes)
        total += chance * float(np.sum((Y - (U * z) @ V.T) ** 2))
    return total


def bernoulli(blocks: int, retains: list[float]) -> list[tuple[float, list[float]]]:
    draws = []
    for kept in product([0, 1], repeat=blocks):
        chance = float(np.prod([r if k else 1 - r for k, r in zip(kept, retains, strict=True)]))
        draws.append((chance, [k / r for k, r in zip(kept, retains, strict=True)]))
    return draws


def test_expectation_over_all_block_masks() -> None:
    """The explicit objective is the expected squared error, by enumeration of every mask."""
    Y, U, V = gaussian(0, 4, 5), gaussian(1, 4, 8), gaussian(2, 5, 8)
    found = dropblock_minimizer(Y, 2, 0.6, 8)
    draws = bernoulli(4, [0.6] * 4)
    for left, right in ((U, V), found.factors):
        exact = expected_loss(Y, left, right, [2] * 4, draws)
        assert close(factorization_objective(Y, left, right, found.law), exact, 1e-13)
    assert close(found.objective, expected_loss(Y, *found.factors, [2] * 4, draws), 1e-13)


def test_expectation_over_unequal_blocks() -> None:
    Y = gaussian(5, 3, 4)
    sizes, retains = [1, 3, 2, 1], [0.3, 0.6, 0.9, 0.5]
    found = unequal_blocks_minimizer(Y, sizes, retains)
    exact = expected_loss(Y, *found.factors, sizes, bernoulli(4, retains))
    assert close(found.objective, exact, 1e-13)


@pytest.mark.parametrize("kept", [1, 2, 3, 5])
def test_expectation_over_fixed_counts(kept: int) -> None:
    Y = gaussian(6, 4, 4)
    found = fixed_count_minimizer(Y, 2, kept, 10)
    chosen = list(combinations(range(5), kept))
    draws = [(1 / len(chosen), [5 / kept if b in subset else 0.0 for b in range(5)]) for subset in chosen]
    assert close(found.objective, expected_loss(Y, *found.factors, [2] * 5, draws), 1e-13)


def test_expectation_over_counts_that_normalise() -> None:
    Y = gaussian(6, 4, 4)
    found = count_normalized_minimizer(Y, 2, 0.4, 8)
    draws = []
    for kept in product([0, 1], repeat=4):
        if any(kept):
            chance = 0.4 ** sum(kept) * 0.6 ** (4 - sum(kept)) / (1 - 0.6**4)
            draws.append((chance, [k * 4 / sum(kept) for k in kept]))
    assert close(found.objective, expected_loss(Y, *found.factors, [2] * 4, draws), 1e-13)


def test_expectation_over_fixed_counts_of_unequal_blocks() -> None:
    Y = gaussian(6, 4, 4)
    found = fixed_count_minimizer(Y, 2, 2, 9)
    assert found.remark == "the last block has 1 unit, the others 2"
    chosen = list(combinations(range(5), 2))
    draws = [(1 / len(chosen), [5 / 2 if b in subset else 0.0 for b in range(5)]) for subset in chosen]
    assert close(found.objective, expected_loss(Y, *found.factors, [2, 2, 2, 2, 1], draws), 1e-13)


@pytest.mark.parametrize(
    ("law", "named"),
    [
        (Bernoulli(6, 0.4), lambda Y: dropout_minimizer(Y, 0.4, 6)),
        (Blocks((2, 2, 1), 0.3), lambda Y: dropblock_minimizer(Y, 2, 0.3, 5)),
        (UnitRates((0.3, 0.5, 0.4, 0.4)), lambda Y: unequal_blocks_minimizer(Y, [1] * 4, [0.3, 0.5, 0.4, 0.4])),
        (FixedCount((2,) * 5, 2), lambda Y: fixed_count_minimizer(Y, 2, 2, 10)),
        (CountNormalised((2,) * 4, 0.6), lambda Y: count_normalized_minimizer(Y, 2, 0.6, 8)),
    ],
)
def test_one_minimiser_for_all_block_laws(law: BlockLaw, named: Callable[[Array], FactorizationMinimum]) -> None:
    Y = gaussian(9, 4, 5)
    found, other = factorization_minimizer(Y, law), named(Y)
    assert found.law is law
    assert found.objective == other.objective
    assert np.array_equal(found.singular_values, other.singular_values)
    assert found.width == law.size


@pytest.mark.parametrize("law", [Gaussian(4, 0.7), Bernoulli(4, 0.6)])
def test_the_objective_takes_any_law(law: MaskLaw) -> None:
    """⟨C̄, UᵀU ∘ VᵀXXᵀV⟩ with λ = .7, or 2/3, written out."""
    Y, U, V, X = gaussian(0, 3, 6), gaussian(1, 3, 4), gaussian(2, 2, 4), gaussian(3, 2, 6)
    odds = 0.7 if isinstance(law, Gaussian) else 2 / 3
    hidden = V.T @ X
    penalty = odds * sum(float(U[:, i] @ U[:, i]) * float(hidden[i] @ hidden[i]) for i in range(4))
    assert close(factorization_objective(Y, U, V, law, X), float(np.sum((Y - U @ hidden) ** 2)) + penalty, 1e-13)


@pytest.mark.parametrize(
    ("shape", "r", "retain", "width"),
    [((240, 210), 1, 0.4, None), ((210, 260), 10, 0.4, None), ((220, 220), 3, 0.02, 151)],
)
def test_the_gram_matrix_gives_what_the_decomposition_gives(
    shape: tuple[int, int], r: int, retain: float, width: int | None
) -> None:
    Y = gaussian(0, *shape)
    found, path = dropblock_minimizer(Y, r, retain, width), matrix_factorization_path(Y, r, [retain], width)[0]
    assert found.given is not None  # the route was taken
    assert path.given is None
    assert found.width == path.width
    scale = float(np.linalg.norm(Y, 2))
    assert np.allclose(found.product, path.product, rtol=0, atol=1e-12 * scale)
    assert np.allclose(found.singular_values, path.singular_values, rtol=0, atol=1e-12 * scale)
    assert close(found.objective, path.objective, 1e-12)
    assert abs(found.certificate().relative_gap) <= 1e-12


def test_the_gram_matrix_is_left_where_digits_would_be_lost() -> None:
    """Singular values over ten orders that nearly all stay, and a coupling that would magnify errors."""
    left, right = np.linalg.qr(gaussian(1, 200, 200))[0], np.linalg.qr(gaussian(2, 200, 200))[0]
    m = np.geomspace(1, 1e-10, 200)
    found = dropblock_minimizer((left * m) @ right.T, 1, 1 / (1 + 1e-12))
    assert found.given is None
    assert found.l > 150
    assert fixed_count_minimizer(gaussian(0, 200, 200), 2, 20, 100).given is None
