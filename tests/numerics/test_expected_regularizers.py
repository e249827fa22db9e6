"""Exact dropout regularisers against enumeration written out here, mpmath quadrature, and Monte Carlo."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath
import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.expected.amplitudes import (
    AdditiveNoise,
    Amplitude,
    BridgeoutNoise,
    FeatureNoise,
    ShakeoutNoise,
    SparseoutNoise,
)
from etatrick.numerics.expected.approximations import quadratic_approximation
from etatrick.numerics.expected.objective import ExpectedObjective, dropout_regularizer, expected_loss
from etatrick.numerics.expected.perturbation import Perturbation, posed
from etatrick.theory.noise import (
    Bernoulli,
    Blocks,
    CorrelatedGaussian,
    FixedCount,
    Gaussian,
    MaskLaw,
    Product,
    UnitRates,
)
from tolerances import MC

Array = NDArray[np.float64]
ZERO = [0.0]

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


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize("d", [3, 9])
def test_unit_rates_agree_with_enumeration_written_out(loss: str, d: int) -> None:
    X, y, w = problem(7, d, loss)
    rates = np.linspace(0.3, 1.0, d)
    exact = sum(p * LOSSES[loss](y, X @ (w * m)).sum() for m, p in masks(rates))
    assert abs(expected_loss(X, y, w, UnitRates(tuple(rates)), loss) - exact) <= 1e-12 * abs(exact)
    extra = exact - LOSSES[loss](y, X @ w).sum()
    assert abs(dropout_regularizer(X, y, w, UnitRates(tuple(rates)), loss) - extra) <= 1e-11 * abs(extra)
    if loss == "squared":
        assert abs(quadratic_approximation(X, y, w, UnitRates(tuple(rates)), loss) - extra) <= 1e-12 * abs(extra)


def block_masks(law: MaskLaw) -> list[tuple[Array, float]]:
    means = np.array([float(m) for m in law.mean])
    return [(np.array([float(v) for v in m]) / means, float(p)) for m, p in law.masks()]


@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.parametrize(
    "law",
    [
        Blocks((2, 1, 3, 2), (0.5, 0.8, 0.25, 0.9)),
        FixedCount.partition(8, 2, 3),
        Product((Bernoulli(8, 0.7), Blocks((4, 4), 0.5))),
        Blocks.partition(8, 1, 0.6),
    ],
    ids=["blocks", "fixed count", "product", "units"],
)
def test_any_finite_law_agrees_with_its_masks(loss: str, law: MaskLaw) -> None:
    X, y, w = problem(5, 8, loss, 1)
    exact = sum(p * LOSSES[loss](y, X @ (w * m)).sum() for m, p in block_masks(law))
    assert abs(expected_loss(X, y, w, law, loss) - exact) <= 1e-12 * abs(exact)


PERTURBED: dict[str, tuple[Amplitude, Callable[[Array, Array, Array], Array]]] = {
    "sparseout": (SparseoutNoise(1.0), lambda X, w, m: (X + np.sign(X) * abs(X) ** 0.5 * (m - 1)) @ w),
    "sparseout unsigned": (SparseoutNoise(3.0, signed=False), lambda X, w, m: (X + abs(X) ** 1.5 * (m - 1)) @ w),
    "bridgeout": (BridgeoutNoise(1.0), lambda X, w, m: X @ (w + np.sign(w) * abs(w) ** 0.5 * (m - 1))),
    "bridgeout unsigned": (BridgeoutNoise(1.5, signed=False), lambda X, w, m: X @ (w + abs(w) ** 0.75 * (m - 1))),
    "shakeout": (ShakeoutNoise(0.3), lambda X, w, m: X @ (w * m + 0.3 * np.sign(w) * (m - 1))),
    "additive": (AdditiveNoise(0.2), lambda X, w, m: X @ (w + 0.2 * (m - 1))),
    "features": (FeatureNoise(), lambda X, w, m: (X * m) @ w),
}


@pytest.mark.parametrize("loss", ["logistic", "poisson", "squared", "gamma"])
@pytest.mark.parametrize("name", PERTURBED)
def test_every_recipe_agrees_with_its_own_forward_pass(name: str, loss: str) -> None:
    recipe, forward = PERTURBED[name]
    X, y, w = problem(4, 8, loss, 2)
    w[3] = 0.0 if name != "additive" else w[3]
    rates = [0.5, 0.7, 0.9, 0.4, 0.6, 0.8, 0.95, 0.55]
    exact = sum(p * LOSSES[loss](y, forward(X, w, m)).sum() for m, p in masks(rates))
    found = expected_loss(X, y, w, Perturbation(UnitRates(tuple(rates)), recipe), loss)
    assert abs(found - exact) <= 1e-12 * abs(exact)


def test_shakeout_is_its_published_unit_mask_form() -> None:
    X, y, w = problem(3, 8, "logistic", 3)
    tau, c, exact = 0.4, 0.5, 0.0
    for bits in itertools.product((0, 1), repeat=8):
        r = np.array(bits)
        noisy = np.where(r == 0, -c * np.sign(w), (w + c * tau * np.sign(w)) / (1 - tau))
        chance = math.prod(1 - tau if b else tau for b in bits)
        exact += chance * float(LOSSES["logistic"](y, X @ noisy).sum())
    found = expected_loss(X, y, w, Perturbation(Bernoulli(8, 0.6), ShakeoutNoise(c)), "logistic")
    assert abs(found - exact) <= 1e-12 * exact


def reference(mean: float, amplitudes: Array, odds: Array) -> float:
    """Return the logistic R by the mean of a double sum over the two halves of the terms, in extended precision."""
    if mean > 0:  # softplus(z) − softplus(−z) = z: the same R, with a small probability
        mean, amplitudes = -mean, -amplitudes
    halves = []
    for part in (slice(None, len(odds) // 2), slice(len(odds) // 2, None)):
        values, chances = np.zeros(1, np.longdouble), np.ones(1, np.longdouble)
        for a, lam in zip(amplitudes[part].astype(np.longdouble), odds[part].astype(np.longdouble), strict=True):
            values = np.concatenate((values - a, values + lam * a))
            chances = np.concatenate((chances * lam / (1 + lam), chances / (1 + lam)))
        halves.append((values, chances))
    total = np.longdouble(0)
    for z, p in zip(*halves[0], strict=True):
        h = z + halves[1][0]
        q = 1 / (1 + np.exp(-np.longdouble(mean)))
        total += p * (halves[1][1] @ (np.log1p(q * np.expm1(h)) - q * h))
    return float(total)


@pytest.mark.parametrize("scale", [0.3, 1.0, 3.0])
def test_characteristic_integral_at_22_units_against_enumeration(scale: float) -> None:
    rng = np.random.default_rng(5)
    for rate in (0.5, 0.2):
        x, w = rng.standard_normal(22), scale * rng.standard_normal(22) / np.sqrt(22)
        exact = reference(float(x @ w), x * w, np.full(22, (1 - rate) / rate))
        found = dropout_regularizer(x[None], [0.0], w, Bernoulli(22, rate), "logistic")
        assert abs(found / exact - 1) <= 2e-12


@pytest.mark.parametrize("odds", [1e-9, 1e-3, 1.0, 30.0])
@pytest.mark.parametrize("size", [1e-6, 1e-2, 1.0, 8.0])
def test_regularizer_is_accurate_relative_to_itself(odds: float, size: float) -> None:
    rng = np.random.default_rng(11)
    a = size * rng.standard_normal(10) * (1 + np.arange(10) % 3)
    mean, retain = 0.7, 1 / (1 + odds)
    X, w = np.array([[*a, mean - a.sum()]]), np.ones(11)
    law = UnitRates((*[retain] * 10, 1.0))
    with mpmath.workdps(40):
        lam, total, mu = mpmath.mpf(1) / mpmath.mpf(repr(retain)) - 1, mpmath.mpf(0), mpmath.mpf(float(X.sum()))
        q = 1 / (1 + mpmath.exp(-mu))
        for bits in itertools.product((0, 1), repeat=10):
            h = sum((lam if b else -1) * mpmath.mpf(float(x)) for b, x in zip(bits, a, strict=True))
            chance = lam ** (10 - sum(bits)) / (1 + lam) ** 10
            total += chance * (mpmath.log1p(q * mpmath.expm1(h)) - q * h)
    assert abs(dropout_regularizer(X, ZERO, w, law, "logistic") / float(total) - 1) <= 2e-11


def test_confident_examples_keep_their_relative_accuracy() -> None:
    rng = np.random.default_rng(3)
    a = rng.uniform(-1, 1, 12)
    for mean in (30.0, -30.0, 14.0):
        X = np.array([[*a, mean - a.sum()]])
        law = UnitRates((*[0.5] * 12, 1.0))
        exact = reference(float(X.sum()), a, np.ones(12))
        assert abs(dropout_regularizer(X, ZERO, np.ones(13), law, "logistic") / exact - 1) <= 1e-12
    shifted = [dropout_regularizer([[*a, m - a.sum()]], ZERO, np.ones(13), law, "logistic") for m in (40.0, 41.0)]
    assert abs(shifted[0] / shifted[1] / math.e - 1) <= 1e-12  # ~ e^{−μ} far out


@pytest.mark.parametrize("deviation", [1.0, 3.0])
@pytest.mark.parametrize(("retain", "up"), [(0.5, 1), (0.8, 0.25)])
def test_a_hundred_units_on_a_lattice_against_convolution(retain: float, up: float, deviation: float) -> None:
    """With amplitudes 4kh the predictor takes values on a lattice of step h: its law is a product of polynomials."""
    rng = np.random.default_rng(17)
    k = rng.integers(-15, 16, (6, 100))
    h = deviation / (4 * np.sqrt((1 - retain) / retain) * np.sqrt((k**2).sum(axis=1).mean()))
    mean = rng.standard_normal(6) * deviation
    total = 0.0
    for row, mu in zip(k, mean, strict=True):
        middle = 4 * int(np.abs(row).sum())
        chances = np.zeros(2 * middle + 1)
        chances[middle] = 1.0
        for step in row:
            chances = retain * np.roll(chances, int(4 * up * step)) + (1 - retain) * np.roll(chances, -4 * int(step))
        z = mu + h * np.arange(-middle, middle + 1)
        total += float(chances @ np.logaddexp(0, z)) - float(np.logaddexp(0, mu))
    found = dropout_regularizer(4 * h * k, np.zeros(6), np.ones(100), Bernoulli(100, retain), "logistic",
                                offset=mean - 4 * h * k.sum(axis=1))  # fmt: skip
    assert abs(found / total - 1) <= 1e-12


def test_large_noise_and_many_units() -> None:
    rng = np.random.default_rng(8)
    for size in (30.0, 300.0):
        a = size * rng.standard_normal(16)
        exact = reference(1.0, a, np.ones(16))
        law = UnitRates((*[0.5] * 16, 1.0))
        found = dropout_regularizer([[*a, 1.0 - a.sum()]], ZERO, np.ones(17), law, "logistic")
        assert abs(found / exact - 1) <= 1e-11
    # with a thousand equal units the predictor is a binomial variable
    d, theta, step = 1000, 0.8, 0.11
    with mpmath.workdps(30):
        chance, exact_sum = mpmath.mpf(1 - mpmath.mpf("0.8")) ** d, mpmath.mpf(0)
        for k in range(d + 1):
            z = mpmath.mpf(step) * (k / mpmath.mpf("0.8") - d) + 2
            exact_sum += chance * mpmath.log1p(mpmath.exp(z))
            chance *= mpmath.mpf(d - k) / (k + 1) * 4
        wanted = float(exact_sum - mpmath.log1p(mpmath.exp(2)))
    X = np.full((1, d + 1), step)
    X[0, -1] = 2 - step * d
    law = UnitRates((*[theta] * d, 1.0))
    assert abs(dropout_regularizer(X, ZERO, np.ones(d + 1), law, "logistic") / wanted - 1) <= 1e-11


@pytest.mark.parametrize("loss", ["logistic", "huber", "poisson", "gamma"])
@pytest.mark.parametrize(("mean", "deviation"), [(0.3, 0.01), (0.3, 1.5), (-4.0, 6.0), (9.0, 0.5)])
def test_gaussian_noise_against_mpmath(loss: str, mean: float, deviation: float) -> None:
    y = 1.0
    with mpmath.workdps(75):
        mu, sd = mpmath.mpf(mean), mpmath.mpf(deviation)
        terms: dict[str, Any] = {
            "logistic": lambda z: mpmath.log1p(mpmath.exp(z)) - z,
            "huber": lambda z: (y - z) ** 2 / 2 if abs(y - z) <= 1 else abs(y - z) - mpmath.mpf(1) / 2,
            "poisson": lambda z: mpmath.exp(z) - z,
            "gamma": lambda z: mpmath.exp(-z) + z,
        }
        term = terms[loss]
        ends = sorted(
            {mpmath.mpf(s) for s in range(-24, 25, 2)} | {(t - mu) / sd for t in (0, 2) if abs(t - mu) < 24 * sd}
        )
        exact = mpmath.quad(lambda s: (term(mu + sd * s) - term(mu)) * mpmath.npdf(s), ends)
    # the second column is free of noise, and Z ~ N(mean, deviation²)
    noise = CorrelatedGaussian([[1, 0], [0, 0]])
    found = dropout_regularizer([[deviation, mean - deviation]], [y], [1.0, 1.0], noise, loss)
    assert abs(found / float(exact) - 1) <= 1e-11


def test_correlated_gaussian_noise_is_one_dimensional() -> None:
    X, y, w = problem(4, 3, "poisson", 6)
    C = np.array([[0.5, 0.2, 0.0], [0.2, 0.4, -0.1], [0.0, -0.1, 0.3]])
    variance = np.einsum("ij,jk,ik->i", X * w, C, X * w)
    exact = float((np.exp(X @ w + variance / 2) - y * (X @ w)).sum())  # the lognormal mean
    assert abs(expected_loss(X, y, w, CorrelatedGaussian(C.tolist()), "poisson") - exact) <= 1e-13 * exact
    own = float((np.exp(X @ w + 0.25 * ((X * w) ** 2).sum(1)) - y * (X @ w)).sum())
    assert abs(expected_loss(X, y, w, Gaussian(3, 0.5), "poisson") - own) <= 1e-12 * own


def z_score(values: Array, wanted: float) -> float:
    return float((values.mean() - wanted) / (values.std() / np.sqrt(len(values))))


def test_monte_carlo_agrees_and_notices_a_wrong_rate() -> None:
    X, y, w = problem(6, 30, "logistic", 9)
    rng = np.random.default_rng(2024)
    drawn = (rng.random((20_000, 30)) < 0.5) / 0.5
    losses = LOSSES["logistic"](y, (drawn * w) @ X.T).sum(axis=1)
    assert abs(z_score(losses, expected_loss(X, y, w, Bernoulli(30, 0.5), "logistic"))) < MC
    assert abs(z_score(losses, expected_loss(X, y, w, Bernoulli(30, 0.6), "logistic"))) > MC


def test_examples_do_not_depend_on_their_company() -> None:
    """Rows are sorted, bucketed and chunked inside; each alone gives the same number."""
    rng = np.random.default_rng(31)
    X, w = rng.standard_normal((400, 40)) * rng.uniform(0.05, 8, (400, 1)), rng.standard_normal(40) / 6
    law = UnitRates(tuple(rng.uniform(0.1, 1.0, 40).tolist()))
    goal = ExpectedObjective(posed(X, np.zeros(400), law, "logistic"))
    together = goal.regularizers(w)
    for i in range(0, 400, 7):
        alone = dropout_regularizer(X[i : i + 1], ZERO, w, law, "logistic")
        assert abs(together[i] / alone - 1) <= 1e-11


def test_parts_add_up(monkeypatch: pytest.MonkeyPatch) -> None:
    from etatrick.numerics.expected import objective

    X, y, w = problem(23, 9, "logistic", 41)
    whole = ExpectedObjective(posed(X, y, Bernoulli(9, 0.6), "logistic")).gradient(w)
    monkeypatch.setattr(objective, "PART", 45)
    parts = ExpectedObjective(posed(X, y, Bernoulli(9, 0.6), "logistic")).gradient(w)
    assert abs(whole[0] - parts[0]) <= 1e-12
    assert np.abs(whole[1] - parts[1]).max() <= 1e-12


def test_enumeration_in_chunks(monkeypatch: pytest.MonkeyPatch) -> None:
    from etatrick.numerics.expected import enumeration

    X, y, w = problem(4, 9, "huber", 43)
    whole = expected_loss(X, y, w, Bernoulli(9, 0.6), "huber")
    monkeypatch.setattr(enumeration, "CHUNK", 100)
    assert abs(expected_loss(X, y, w, Bernoulli(9, 0.6), "huber") - whole) <= 1e-13 * whole


def test_no_noise_adds_nothing() -> None:
    X, y, w = problem(3, 8, "logistic", 4)
    for law in (Bernoulli(8, 1.0), Gaussian(8, 0)):
        assert dropout_regularizer(X, y, w, law, "logistic") == 0.0
    assert dropout_regularizer(X, y, 0 * w, Bernoulli(8, 0.5), "logistic") == 0.0
