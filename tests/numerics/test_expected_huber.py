"""Huber's expected loss by sorted halves, and products of cosines: against enumeration and binomial sums."""

import itertools
import math
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.expected.centred import TwoPoint
from etatrick.numerics.expected.cosines import CosineProduct
from etatrick.numerics.expected.factors import CharacteristicProduct
from etatrick.numerics.expected.halves import SortedHalves
from etatrick.numerics.expected.objective import dropout_regularizer, expected_loss, expected_loss_gradient
from etatrick.numerics.losses import Huber
from etatrick.theory.noise import Bernoulli, Blocks, UnitRates
from tolerances import MC

Array = NDArray[np.float64]


def huber(r: Any, delta: float = 1.0) -> Array:
    found: Array = np.where(np.abs(r) <= delta, 0.5 * r**2, delta * (np.abs(r) - 0.5 * delta))
    return found


@pytest.mark.parametrize("scale", [1e-3, 1.0, 6.0])
def test_halves_agree_with_enumeration_written_out(scale: float) -> None:
    rng = np.random.default_rng(1)
    rates = np.array([*rng.uniform(0.2, 0.95, 11), 1.0])
    X, w, y = rng.standard_normal((6, 12)), scale * rng.standard_normal(12) / 3, 2 * rng.standard_normal(6)
    exact, slope = 0.0, np.zeros(12)
    for bits in itertools.product((0, 1), repeat=11):
        chance = math.prod(t if b else 1 - t for b, t in zip(bits, rates, strict=False))
        m = np.array([*bits, 1]) / rates
        r = (X * m) @ w - y
        exact += chance * huber(r, 1.5).sum()
        slope += chance * (X * m).T @ np.clip(r, -1.5, 1.5)
    value, gradient = expected_loss_gradient(X, y, w, UnitRates(tuple(rates.tolist())), Huber(1.5))
    assert abs(value - exact) <= 1e-13 * exact
    assert np.abs(gradient - slope).max() <= 1e-12 * np.abs(slope).max()


@pytest.mark.parametrize("delta", [0.3, 2.0])
@pytest.mark.parametrize("target", [-3.0, 0.2, 9.0])
def test_thirty_six_equal_units_are_a_binomial_variable(delta: float, target: float) -> None:
    d, theta, x = 36, 0.75, 0.21
    chances = [math.comb(d, k) * theta**k * (1 - theta) ** (d - k) for k in range(d + 1)]
    exact = float(np.array(chances) @ huber(x * np.arange(d + 1) / theta - target, delta))
    found = expected_loss(np.full((1, d), x), [target], np.ones(d), Bernoulli(d, theta), Huber(delta))
    assert abs(found - exact) <= 1e-12 * exact


def test_without_a_kink_in_reach_it_is_half_the_variance_or_nothing() -> None:
    rng = np.random.default_rng(2)
    X, w = rng.standard_normal((1, 14)), 1e-7 * rng.standard_normal(14)
    for target, wanted in ((0.0, 0.5 * float(((X * w) ** 2).sum())), (30.0, 0.0)):
        found = dropout_regularizer(X, [target], w, Bernoulli(14, 0.5), "huber")
        assert abs(found - wanted) <= 1e-12 * wanted


def test_blocks_and_monte_carlo_with_a_wrong_rate() -> None:
    rng = np.random.default_rng(3)
    X, w, y = rng.standard_normal((5, 48)), rng.standard_normal(48) / 4, rng.standard_normal(5)
    drawn = np.repeat((rng.random((30_000, 24)) < 0.6) / 0.6, 2, axis=1)
    sampled = huber((drawn * w) @ X.T - y).sum(axis=1)
    for rate, right in ((0.6, True), (0.7, False)):
        exact = expected_loss(X, y, w, Blocks.partition(48, 2, rate), "huber")
        assert (abs(float((sampled.mean() - exact) / (sampled.std() / np.sqrt(30_000)))) < MC) is right


def test_sorted_tails_do_not_depend_on_the_order_of_terms() -> None:
    rng = np.random.default_rng(4)
    odds, a = rng.uniform(0.1, 3.0, 15), rng.standard_normal((4, 15))
    y, mean, order = rng.standard_normal(4), rng.standard_normal(4), rng.permutation(15)
    one = SortedHalves(1.0, TwoPoint(odds)).slopes(y, mean, a)
    two = SortedHalves(1.0, TwoPoint(odds[order])).slopes(y, mean, a[:, order])
    assert np.abs(one.values - two.values).max() <= 1e-13
    assert np.abs(one.by_amplitude[:, order] - two.by_amplitude).max() <= 1e-13


@pytest.mark.parametrize("share", [0.2, 0.6])
@pytest.mark.parametrize("rows", [3, 300])
def test_cosines_are_the_characteristic_product_at_retain_rate_one_half(rows: int, share: float) -> None:
    rng = np.random.default_rng(5)
    law = TwoPoint(np.array([1.0] * 17 + [0.0, 1.0, 1.0]))
    a, ends, nodes = rng.standard_normal((rows, 20)), np.full(rows, 3.0), np.linspace(0.02, 1.0, 40)
    a = a[np.argsort(-(np.abs(a) * 6 / np.pi > share)[:, law.odds > 0].sum(axis=1), kind="stable")]
    own = CosineProduct.build(law, a, ends, nodes, share)
    whole = CharacteristicProduct.build(law, a, ends, nodes, share)
    product = np.prod(np.cos(a[:, law.odds > 0][:, :, None] * 3.0 * nodes), axis=1) - 1
    assert np.abs(own.excess()[0] - product).max() <= 1e-14
    assert np.abs(own.excess()[0] - whole.excess()[0]).max() <= 1e-14
    density = rng.standard_normal((rows, 40)) * (1 + product)  # as in the integral: the product cancels the poles
    found, other = own.slopes(density, 0 * density), whole.slopes(density, 0 * density)
    assert np.abs(found - other).max() <= 1e-9 * np.abs(other).max()
    assert not found[:, 17].any()
