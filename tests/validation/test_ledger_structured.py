"""The searches that the claims on structured dropout rely on: slopes, and minima that are known by other means."""

import numpy as np
import pytest

from etatrick.theory.structured import two_blocks_of_two
from etatrick.validation.ledger.deep_linear_costs import chain, product, second_moment
from etatrick.validation.ledger.deep_linear_optima import envelope_minimum, numbers_of, random_starts, trained
from etatrick.validation.ledger.structured_attainment import least_charge, support_square
from etatrick.validation.ledger.structured_minima import block_covariance, descended
from etatrick.validation.ledger.structured_norms import clipped
from tolerances import FLOAT64


def test_descent_without_noise_finds_the_target_itself() -> None:
    rng = np.random.default_rng(1)
    Y = rng.standard_normal((3, 4))
    value, U, V = descended(Y, np.zeros((5, 5)), rng)
    assert value == pytest.approx(-float((Y**2).sum()), rel=1e-9)
    assert np.allclose(U @ V.T, Y, atol=1e-6)


def test_descent_on_one_unit_is_the_shrunken_leading_direction() -> None:
    """One unit with odds λ: the best product is m₁/(1 + λ) in the leading direction, value −m₁²/(1 + λ)."""
    rng = np.random.default_rng(2)
    value, U, V = descended(np.diag([3.0, 1.0]), block_covariance(1, 1, 0.5), rng)
    assert value == pytest.approx(-9 / 1.5, rel=1e-9)
    assert np.allclose(U @ V.T, np.diag([2.0, 0.0]), atol=1e-5)


def test_least_charge_of_two_blocks_of_two() -> None:
    sigma = np.array([5.0, 2.0, 1.0, 0.5])
    found = 2 * least_charge(sigma, block_covariance(4, 2, 1.0), np.random.default_rng(3))
    exact, envelope = two_blocks_of_two([5, 2, 1, 0.5])
    assert found == pytest.approx(exact, rel=1e-9)
    assert support_square(sigma, 2) == pytest.approx(envelope, rel=FLOAT64)


def test_clipped_scales_use_up_the_budget_within_their_bounds() -> None:
    size = np.abs(np.random.default_rng(4).standard_normal(6))
    eta = clipped(size, 0.1, 0.8, 2.0)
    assert eta.sum() == pytest.approx(2.0, rel=FLOAT64)
    assert eta.min() >= 0.1
    assert eta.max() <= 0.8
    free = (eta > 0.1) & (eta < 0.8)
    assert np.ptp((eta / size)[free]) < 1e-10


def test_second_moment_of_a_net_without_noise_is_its_squared_norm() -> None:
    W = chain(np.random.default_rng(5), (2, 3, 4, 2))
    assert second_moment(W, (0.0, 0.0)) == pytest.approx(float((product(W) ** 2).sum()), rel=FLOAT64)
    assert second_moment(W, (0.5, 0.5)) > second_moment(W, (0.5, 0.0)) > second_moment(W, (0.0, 0.0))


def test_a_trained_net_with_one_hidden_layer_reaches_the_envelope() -> None:
    """Y = diag(3, 1), width 2, λ = 1: threshold τ = 1 at rank one, so that A = diag(2, 0) and the value is 4."""
    m, rng = np.array([3.0, 1.0]), np.random.default_rng(6)
    assert envelope_minimum(m, 0.5) == pytest.approx(4.0, rel=FLOAT64)
    values, _ = trained(m, (2,), (1.0,), random_starts(rng, 4, numbers_of((2,), 2)))
    assert values.min() == pytest.approx(4.0, rel=1e-6)
