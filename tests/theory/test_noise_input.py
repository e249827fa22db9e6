"""Bad input to the noise calculus is refused with the value, the rule and a remedy."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.composed import CentredRotated, Product, Rotated
from etatrick.theory.noise.counted import CountNormalised, FixedCount
from etatrick.theory.noise.dropconnect import DropConnect
from etatrick.theory.noise.gaussian import CorrelatedGaussian, Gaussian
from etatrick.theory.noise.pooled_head import channelwise_head_regularizer, shared_head_regularizer
from etatrick.theory.noise.regularizer import expected_squared_loss, explicit_regularizer, scaled_squared_loss
from etatrick.theory.noise.sliding import SlidingBlocks, SlidingBlocks2D

theta = sp.Symbol("theta", positive=True)
LAW = Bernoulli(2, 0.5)
GENERATOR = np.random.default_rng(0)
PAIR = np.ones((1, 2))


@pytest.mark.parametrize("retain", [0, 0.0, -0.1, 1.0001, 2, np.nan, np.inf, True, None, "0.5", sp.I, sp.oo, sp.nan])
def test_retain_probabilities(retain: Any) -> None:
    makers: list[Callable[[Any], object]] = [
        lambda p: Bernoulli(2, p),
        lambda p: UnitRates((0.5, p)),
        lambda p: Blocks((1, 1), p),
        lambda p: Blocks((1, 1), (p, 0.5)),
        lambda p: CountNormalised((1, 1), p),
        lambda p: DropConnect(outgoing=p),
        lambda p: DropConnect(incoming=p),
        lambda p: Bernoulli(2, theta).at(theta=p),
    ]
    for make in makers:
        with pytest.raises(InputError):
            make(retain)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Bernoulli(0, 0.5), "size must be an integer ≥ 1"),
        (lambda: Bernoulli(2.0, 0.5), "size must be an integer"),  # type: ignore[arg-type]
        (lambda: UnitRates(()), "nonempty sequence"),
        (lambda: Blocks.partition(4, 0, 0.5), "between 1 and 4"),
        (lambda: Blocks.partition(4, 5, 0.5), "between 1 and 4"),
        (lambda: Blocks((2, 0), 0.5), "block size must be an integer ≥ 1"),
        (lambda: Blocks((), 0.5), "nonempty sequence"),
        (lambda: Blocks((2, 2), (0.5,)), "each of the 2 blocks"),
        (lambda: FixedCount((1, 1), 0), "between 1 and 2"),
        (lambda: FixedCount((1, 1), 3), "between 1 and 2"),
        (lambda: FixedCount((1, 1), 1.0), "must be an integer"),
        (lambda: Gaussian(2, -0.1), "drop odds must be ≥ 0"),
        (lambda: CorrelatedGaussian([[1, 2], [2, 1]]), "positive semidefinite"),
        (lambda: CorrelatedGaussian([[-1.0]]), "positive semidefinite"),
        (lambda: CorrelatedGaussian([[1, 0.5], [0.4, 1]]), "must be symmetric"),
        (lambda: CorrelatedGaussian([[1, 0.5]]), "must be square"),
        (lambda: CorrelatedGaussian([[np.nan]]), "finite number"),
        (lambda: CorrelatedGaussian([]), "nonempty sequence"),
        (lambda: SlidingBlocks(4, 5, 0.1), "between 1 and 4"),
        (lambda: SlidingBlocks(4, 2, 1.0), r"seed rate must be in \[0, 1\)"),
        (lambda: SlidingBlocks(4, 2, -0.1), r"seed rate must be in \[0, 1\)"),
        (lambda: SlidingBlocks(4, 2, 0.1, "same"), "valid"),  # type: ignore[arg-type]
        (lambda: SlidingBlocks.from_retain(0.0, 4, 2), r"in \(0, 1\]"),
        (lambda: SlidingBlocks2D(3, 4, 4, 0.1), "between 1 and 3"),
        (lambda: SlidingBlocks2D.from_retain(1.5, 3, 4, 2), r"in \(0, 1\]"),
        (lambda: Product(()), "nonempty sequence"),
        (lambda: Product((LAW, Bernoulli(3, 0.5))), "one size"),
        (lambda: Product((LAW, 3)), "must be mask laws"),  # type: ignore[arg-type]
        (lambda: Rotated(LAW, [(1, 2, 3)]), "nonzero vector with 2 entries"),
        (lambda: CentredRotated(LAW, [(0, 0)]), "nonzero vector with 2 entries"),
        (lambda: Rotated(LAW, [(1, -1 - np.sqrt(2))]).at(theta=1), "no symbol"),
        (lambda: Rotated(Gaussian(2, 1), [(1, sp.sqrt(2) - 1)]).normalised_covariance, "normalised by its mean"),
        (lambda: Rotated(Gaussian(2, 1), [(1, sp.sqrt(2) - 1)]).exact_normalised_covariance, "normalised by its mean"),
        (lambda: LAW.masks() and Gaussian(2, 1).masks(), "a density"),
        (lambda: Bernoulli(15, 0.5).masks(), "16384 masks"),
        (lambda: FixedCount((1,) * 4, theta).masks(), r"\.at\(theta"),
        (lambda: Bernoulli(2, theta).sample(GENERATOR, 3), r"\.at\(theta"),
        (lambda: Bernoulli(2, theta).normalised_covariance, r"\.at\(theta"),
        (lambda: Bernoulli(20_000, 0.5).normalised_covariance, "explicit_regularizer"),
        (lambda: Bernoulli(65, theta).covariance, "at most 64"),
        (lambda: LAW.sample(np.random.RandomState(0), 3), "Generator"),  # type: ignore[arg-type]
        (lambda: LAW.sample(GENERATOR, 0), "integer ≥ 1"),
        (lambda: LAW.moment([2]), "between 0 and 1"),
        (lambda: LAW.moment([]), "nonempty sequence"),
        (lambda: LAW.cumulant([0] * 9), "up to order 8"),
        (lambda: LAW.at(gamma=1), "no symbol"),
        (lambda: explicit_regularizer(LAW, np.ones((1, 3)), PAIR), "one column for each of the 2 units"),
        (lambda: explicit_regularizer(LAW, PAIR, np.ones((1, 3))), "one column for each of the 2 units"),
        (lambda: explicit_regularizer(LAW, np.zeros((0, 2)), PAIR), "nonempty matrix"),
        (lambda: explicit_regularizer(LAW, [1.0, 2.0], PAIR), "nonempty matrix"),
        (lambda: explicit_regularizer(LAW, [[1.0, np.nan]], PAIR), "NaN or infinite"),
        (lambda: explicit_regularizer(LAW, [["a", "b"]], PAIR), "real numbers"),
        (lambda: explicit_regularizer(Bernoulli(17, theta), np.ones((1, 17)), np.ones((1, 17))), "at most 16"),
        (lambda: expected_squared_loss(np.ones((2, 1)), PAIR, PAIR, LAW), r"shape \(1, 1\)"),
        (lambda: scaled_squared_loss([[1.0]], PAIR, PAIR, LAW, [1.0]), "each of the 2 units"),
        (lambda: scaled_squared_loss([[1.0]], PAIR, PAIR, LAW, np.nan), "finite number"),
        (lambda: DropConnect().explicit_regularizer(PAIR, PAIR, np.ones((2, 1))), r"X is \(b, N\)"),
        (lambda: DropConnect().expected_squared_loss(np.ones((2, 2)), PAIR, PAIR, [[1.0]]), "shape"),
        (lambda: shared_head_regularizer(LAW, [[1.0]], np.ones((2, 2))), "1 channels, 2 positions"),
        (lambda: channelwise_head_regularizer(LAW, [[1.0]], [[np.inf, 1.0]]), "NaN or infinite"),
        (lambda: channelwise_head_regularizer(LAW, [[1.0]], [["a", "b"]]), "real numbers"),
    ],
)
def test_refused(make: Callable[[], object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        make()


def test_a_covariance_of_low_rank_is_accepted() -> None:
    root = np.random.default_rng(0).normal(size=(6, 2))
    law = CorrelatedGaussian((root @ root.T).tolist())
    np.testing.assert_allclose(law.normalised_covariance, root @ root.T, rtol=1e-15)
