"""Published comparisons of exact and quadratic dropout regularisers, and the limits of weak noise and rare drops."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import (
    Amplitude,
    BridgeoutNoise,
    FeatureNoise,
    ShakeoutNoise,
    SparseoutNoise,
)
from etatrick.numerics.expected.approximations import quadratic_approximation, small_rate_limit
from etatrick.numerics.expected.objective import dropout_regularizer
from etatrick.numerics.expected.perturbation import Perturbation
from etatrick.theory.noise import (
    Bernoulli,
    Gaussian,
)

Array = NDArray[np.float64]
ONE, ZERO = [[1.0, -1.0, 2.0]], [0.0]
BETA = np.array([0.8, 0.5, 0.4])

LOSSES: dict[str, Callable[[Any, Any], Any]] = {
    "squared": lambda y, z: 0.5 * (y - z) ** 2,
    "logistic": lambda y, z: np.logaddexp(0, z) - y * z,
    "poisson": lambda y, z: np.exp(z) - y * z,
    "gamma": lambda y, z: y * np.exp(-z) + z,
    "huber": lambda y, z: np.where(abs(y - z) <= 1, 0.5 * (y - z) ** 2, abs(y - z) - 0.5),
}


def masks(rates: Any) -> list[tuple[Array, float]]:
    """Return all normalised masks of independent units with their probabilities."""
    found = []
    for bits in itertools.product((0, 1), repeat=len(rates)):
        chance = math.prod(t if b else 1 - t for b, t in zip(bits, rates, strict=True))
        found.append((np.array([b / t for b, t in zip(bits, rates, strict=True)]), chance))
    return found


def problem(n: int, d: int, loss: str, seed: int = 0) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng(seed)
    X, w = rng.standard_normal((n, d)), rng.standard_normal(d) / np.sqrt(d)
    y = {"logistic": rng.integers(0, 2, n), "poisson": rng.poisson(2.0, n), "gamma": rng.exponential(1.0, n) + 0.1}
    return X, np.asarray(y.get(loss, rng.standard_normal(n)), dtype=np.float64), w


@pytest.mark.parametrize(
    ("s", "exact", "quadratic"),
    [(0.05, 0.000478, 0.000478), (0.25, 0.01163, 0.01173), (0.5, 0.04318, 0.04437), (1, 0.13694, 0.14334),
     (2, 0.32497, 0.27479), (4, 0.59885, 0.14665), (8, 1.08858, 0.00738)],
)  # fmt: skip
def test_exact_and_quadratic_logistic_table(s: float, exact: float, quadratic: float) -> None:
    half = 0.5e-5 if s > 0.05 else 0.5e-6
    assert abs(dropout_regularizer(ONE, ZERO, s * BETA, Bernoulli(3, 0.5), "logistic") - exact) <= half
    assert abs(quadratic_approximation(ONE, ZERO, s * BETA, Bernoulli(3, 0.5), "logistic") - quadratic) <= half


def test_exact_and_quadratic_at_other_rates_and_for_poisson() -> None:
    law = Bernoulli(3, 0.1)
    assert abs(dropout_regularizer(ONE, ZERO, BETA, law, "logistic") - 0.624) <= 5e-4
    assert abs(quadratic_approximation(ONE, ZERO, BETA, law, "logistic") - 1.290) <= 5e-4
    for s, exact, quadratic, half in ((1, 0.666, 0.616, 5e-4), (6, 69803, 5425, 0.5)):
        beta = s * np.array([0.3, -0.4, 0.2])
        assert abs(dropout_regularizer(ONE, ZERO, beta, Bernoulli(3, 0.5), "poisson") - exact) <= half
        assert abs(quadratic_approximation(ONE, ZERO, beta, Bernoulli(3, 0.5), "poisson") - quadratic) <= half


def test_one_feature_peaks_in_the_quadratic_and_saturates_in_the_exact_form() -> None:
    from scipy.optimize import minimize_scalar

    law = Bernoulli(1, 0.5)
    found = minimize_scalar(lambda t: -quadratic_approximation([[1.0]], ZERO, [t], law, "logistic"), bounds=(1, 4),
                            method="bounded", options={"xatol": 1e-9})  # fmt: skip
    # ½t²p(1−p) is largest where t tanh(t/2) = 2
    assert abs(found.x * math.tanh(found.x / 2) - 2) <= 1e-6
    assert abs(found.x - 2.3994) <= 1e-4  # 2.397 is a misprint of this
    assert abs(-found.fun - 0.2196) <= 5e-5
    assert abs(dropout_regularizer([[1.0]], ZERO, [60.0], law, "logistic") - math.log(2) / 2) <= 1e-14
    conflicting = [dropout_regularizer([[1.0, -1.0]], ZERO, [t, t], Bernoulli(2, 0.5), "logistic") for t in (50, 51)]
    assert abs(conflicting[1] - conflicting[0] - 0.5) <= 1e-12  # Z is 2t with probability ¼: slope 2·¼


@pytest.mark.parametrize(
    ("alpha", "exact", "quadratic", "poisson", "poisson_quadratic"),
    [(0.25, 0.0353, 0.0358, 0.633, 0.575), (1, 0.1348, 0.1433, 3.45, 2.30), (4, 0.459, 0.573, 61.1, 9.19),
     (16, 1.309, 2.293, 6.2e5, 36.8)],
)  # fmt: skip
def test_variational_dropout_example(
    alpha: float, exact: float, quadratic: float, poisson: float, poisson_quadratic: float
) -> None:
    law = Gaussian(3, alpha)
    assert dropout_regularizer(ONE, ZERO, BETA, law, "logistic") == pytest.approx(exact, rel=2e-3)
    assert quadratic_approximation(ONE, ZERO, BETA, law, "logistic") == pytest.approx(quadratic, rel=2e-3)
    assert dropout_regularizer(ONE, ZERO, BETA, law, "poisson") == pytest.approx(poisson, rel=8e-3)
    assert quadratic_approximation(ONE, ZERO, BETA, law, "poisson") == pytest.approx(poisson_quadratic, rel=2e-3)


def test_quadratic_form_becomes_exact_as_weights_vanish_except_for_shakeout() -> None:
    law, shrunk = Bernoulli(3, 0.5), 1e-4 * BETA
    for recipe in (SparseoutNoise(1.0), FeatureNoise(), BridgeoutNoise(1.0)):
        noise = Perturbation(law, recipe)
        small = 1e-3 * shrunk  # Bridgeout's noise vanishes like the square root
        ratio = dropout_regularizer(ONE, ZERO, small, noise, "logistic") / quadratic_approximation(
            ONE, ZERO, small, noise, "logistic"
        )
        assert abs(ratio - 1) <= 1e-6
    # Shakeout keeps a noise floor; both published limits, .987 and .793, belong to the drop rate .386 at this x
    for c, published in ((0.2, 0.987), (1.0, 0.793)):
        noise = Perturbation(Bernoulli(3, 1 - 0.386), ShakeoutNoise(c))
        exact = dropout_regularizer(ONE, ZERO, shrunk, noise, "logistic")
        assert abs(exact / quadratic_approximation(ONE, ZERO, shrunk, noise, "logistic") - published) <= 5e-4
        floor = sum(
            p * (math.log(math.cosh(c * float((np.array([1, -1, 2]) * (m - 1)).sum()) / 2)))
            for m, p in masks([1 - 0.386] * 3)
        )
        assert abs(exact - floor) <= 1e-3 * floor


@pytest.mark.parametrize("loss", ["logistic", "poisson", "gamma", "huber", "squared"])
@pytest.mark.parametrize("recipe", [FeatureNoise(), SparseoutNoise(1.0)])
def test_rare_drops_are_bregman_divergences(loss: str, recipe: Amplitude) -> None:
    X, y, w = problem(5, 4, loss, 12)
    limit = small_rate_limit(X, y, w, Perturbation(Bernoulli(4, 0.5), recipe), loss)
    wanted, mean = 0.0, X @ w
    for j in range(4):
        gone = np.sign(X[:, j]) * np.abs(X[:, j]) ** (1.0 if isinstance(recipe, FeatureNoise) else 0.5) * w[j]
        h = 1e-6
        slope = (LOSSES[loss](y, mean + h) - LOSSES[loss](y, mean - h)) / (2 * h)
        wanted += float((LOSSES[loss](y, mean - gone) - LOSSES[loss](y, mean) + slope * gone).sum())
    assert limit == pytest.approx(wanted, rel=1e-6)
    ratios = [
        dropout_regularizer(X, y, w, Perturbation(Bernoulli(4, 1 - rate), recipe), loss) / rate for rate in (1e-3, 1e-6)
    ]
    assert abs(ratios[1] / limit - 1) <= 2e-5
    assert abs(ratios[1] / limit - 1) < abs(ratios[0] / limit - 1)
