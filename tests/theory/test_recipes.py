"""Noise recipes: the penalties they claim against exact enumeration of every noise outcome."""

import itertools
from collections.abc import Callable
from dataclasses import FrozenInstanceError, replace
from functools import lru_cache
from typing import Any

import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import derive, lam, parameter, strategies, w
from etatrick.theory.recipes import Noise, bridgeout, mask, shakeout, sparseout
from tolerances import CERTIFICATE, close


@pytest.fixture(autouse=True)
def _short_derivations(monkeypatch: pytest.MonkeyPatch) -> None:
    """Spend little time on duals, which are not compared here."""
    monkeypatch.setattr("etatrick.theory.recipes.DERIVATION", 2.5)


Law = Callable[[float], list[tuple[float, float, float]]]
"""For a weight: the outcomes (probability, w̃, dw̃/dw with the noise drawn held fixed)."""

X = np.array([[1.0, -0.5, 0.3], [0.2, 1.4, -0.7], [-1.1, 0.6, 0.9], [0.4, 0.1, 1.2]])
Y = np.array([0.7, -1.3, 0.4, 2.0])
WEIGHTS = np.array([0.8, -1.7, 0.35])
ENERGY = (X**2).sum(axis=0)


def bridge_law(q: float, p: float) -> Law:
    """Enumerate w̃ = w + sgn(w)|w|^{q/2}(r/p − 1), r ~ Bern(p)."""

    def outcomes(x: float) -> list[tuple[float, float, float]]:
        size, sign = abs(x), np.sign(x)
        return [
            (chance, x + sign * size ** (q / 2) * noise, 1 + q / 2 * size ** (q / 2 - 1) * noise)
            for chance, noise in ((p, 1 / p - 1), (1 - p, -1.0))
        ]

    return outcomes


def shake_law(c: float, drop: float) -> Law:
    """Enumerate w̃ = −c·sgn w, or (w + cτ·sgn w)/(1−τ)."""

    def outcomes(x: float) -> list[tuple[float, float, float]]:
        sign = float(np.sign(x))
        return [(drop, -c * sign, 0.0), (1 - drop, (x + c * drop * sign) / (1 - drop), 1 / (1 - drop))]

    return outcomes


def mask_law(alpha: Callable[[float], float]) -> Law:
    """Enumerate the scaled Bernoulli mask; the derivative that is held fixed is w̃/w, so none is given."""
    return lambda x: [(alpha(abs(x)), x / alpha(abs(x)), np.nan), (1 - alpha(abs(x)), 0.0, np.nan)]


def signs_law(deviation: Callable[[float], float], rate: Callable[[float], float]) -> Law:
    """Enumerate w̃ = w + sd(|w|)·ε with ε = ±1."""
    return lambda x: [(0.5, x + e * deviation(abs(x)), 1 + e * rate(abs(x)) * float(np.sign(x))) for e in (-1.0, 1.0)]


def expectations(law: Law) -> tuple[float, np.ndarray[Any, Any], np.ndarray[Any, Any]]:
    """E ½‖y − Xw̃‖² and its expected gradients, less those of ½‖y − Xw‖²: (loss, differentiated, detached)."""
    loss, through, held = 0.0, np.zeros(3), np.zeros(3)
    for draws in itertools.product(*(law(float(x)) for x in WEIGHTS)):
        chance = float(np.prod([draw[0] for draw in draws]))
        noisy = np.array([draw[1] for draw in draws])
        rates = np.array([draw[2] for draw in draws])
        residual = X @ noisy - Y
        loss += chance * residual @ residual / 2
        through += chance * rates * (X.T @ residual)
        held += chance * noisy / WEIGHTS * (X.T @ residual)
    plain = X @ WEIGHTS - Y
    return loss - float(plain @ plain) / 2, through - X.T @ plain, held - X.T @ plain


CASES: dict[str, tuple[Noise, Law]] = {
    "bridgeout 1.5": (bridgeout(1.5, 0.6), bridge_law(1.5, 0.6)),
    "bridgeout 1": (bridgeout(1, 0.25), bridge_law(1.0, 0.25)),
    "sparseout 2": (sparseout(2, 0.5), bridge_law(2.0, 0.5)),
    "sparseout 3": (sparseout(3, 0.7), bridge_law(3.0, 0.7)),
    "shakeout": (shakeout(0.4, 0.3), shake_law(0.4, 0.3)),
    "shakeout strong": (shakeout(2, 0.5), shake_law(2.0, 0.5)),
    "log variance": (
        Noise("2*log(1 + w)"),
        signs_law(lambda x: float(np.sqrt(2 * np.log1p(x))), lambda x: 1 / ((1 + x) * np.sqrt(2 * np.log1p(x)))),
    ),
}
MASKS: dict[str, tuple[Noise, Law]] = {
    "lasso": (mask("w/(1+w)"), mask_law(lambda x: x / (1 + x))),
    "standout": (mask("1/(1+exp(-w))"), mask_law(lambda x: 1 / (1 + np.exp(-x)))),
    "fixed": (mask(0.3), mask_law(lambda x: 0.3)),
    "log_sum": (mask("w*(w+2)/(w*(w+2)+1)"), mask_law(lambda x: x * (x + 2) / (x * (x + 2) + 1))),
}


def relative(found: Any, expected: Any) -> float:
    return float(np.max(np.abs(found - expected) / (1 + np.abs(expected))))


def slopes(penalty: Any) -> np.ndarray[Any, Any]:
    """Ω′ at the weights, with their signs, column by column times the energy."""
    rate = sp.lambdify(w, sp.diff(penalty, w))
    return np.array([a * np.sign(x) * float(rate(abs(x))) for a, x in zip(ENERGY, WEIGHTS, strict=True)])


@pytest.mark.parametrize("name", [*CASES, *MASKS])
def test_the_expected_loss_charges_half_the_variance(name: str) -> None:
    noise, law = (CASES | MASKS)[name]
    charged = float(ENERGY @ np.array([float(noise.variance.subs(w, abs(x))) / 2 for x in WEIGHTS]))
    loss = expectations(law)[0]
    assert relative(loss, charged) <= CERTIFICATE
    assert relative(loss, 1.01 * charged) > CERTIFICATE


@lru_cache(maxsize=16)
def penalties_of(name: str) -> tuple[Any, Any]:
    noise = (CASES | MASKS)[name][0]
    return (noise.differentiated.penalty if name in CASES else None), noise.detached


@pytest.mark.parametrize("name", CASES)
def test_differentiated_noise_descends_half_the_variance(name: str) -> None:
    through = expectations(CASES[name][1])[1]
    assert relative(through, slopes(penalties_of(name)[0])) <= CERTIFICATE


@pytest.mark.parametrize("name", [*CASES, *MASKS])
def test_detached_noise_descends_the_other_penalty(name: str) -> None:
    d = penalties_of(name)[1]
    held = expectations((CASES | MASKS)[name][1])[2]
    rule = np.array([float(d.eta_hat.subs(w, abs(x))) for x in WEIGHTS])
    assert relative(held, ENERGY * WEIGHTS / rule) <= CERTIFICATE
    if d.penalty is not None:
        assert relative(held, slopes(d.penalty)) <= CERTIFICATE


@pytest.mark.parametrize("name", CASES)
def test_the_two_recipes_differ_unless_the_variance_is_quadratic(name: str) -> None:
    _, through, held = expectations(CASES[name][1])
    noise = CASES[name][0]
    if noise.ratio is None:
        assert relative(through, held) > 1e-3
        ratios = held / through
        assert np.ptp(ratios) > 1e-3
    else:
        assert relative(held, float(noise.ratio) * through) <= CERTIFICATE
        assert (relative(held, through) > 1e-3) == (noise.ratio != 1)


@pytest.mark.parametrize("name", [*CASES, *MASKS])
def test_the_equivalent_mask_has_the_same_variance(name: str) -> None:
    noise = (CASES | MASKS)[name][0]
    for x in (0.2, 1.0, 4.0):
        alpha = float(noise.retain.subs(w, x))
        assert 0 < alpha < 1
        assert close(x**2 * (1 - alpha) / alpha, float(noise.variance.subs(w, x)), CERTIFICATE)


def test_degree_and_ratio() -> None:
    q, c = parameter("q"), parameter("c")
    assert bridgeout(q, 1 / (1 + c)).degree == q
    assert bridgeout(q, 1 / (1 + c)).ratio == 2 / q
    assert bridgeout(q, 1 / (1 + c)).variance == c * w**q
    assert bridgeout(1, 0.5).ratio == 2
    assert sparseout(4, 0.5).ratio == sp.Rational(1, 2)
    assert mask(0.5).ratio == 1
    for noise in (shakeout(1, 0.5), Noise("2*log(1+w)"), mask("1/(1+exp(-w))"), Noise("w + w**2")):
        assert noise.degree is None
        assert noise.ratio is None


def test_the_ratio_is_that_of_the_penalties() -> None:
    for exponent in ("1/2", "1", "3/2", "2", "3"):
        noise = bridgeout(sp.Rational(exponent), 0.4)
        values = noise.detached.penalty_at(1.7) / noise.differentiated.penalty_at(1.7)
        assert noise.ratio is not None
        assert close(float(values), float(noise.ratio))


def test_differentiated_shakeout_is_an_elastic_net_after_a_jump() -> None:
    c, odds = parameter("c"), parameter("o")
    noise = shakeout(c, odds / (1 + odds))
    assert noise.variance == odds * (w + c) ** 2
    assert sp.simplify(noise.jump - odds * c**2 / 2) == 0
    d = noise.differentiated
    assert sp.simplify(d.penalty - odds * (w + c) ** 2 / 2) == 0
    assert sp.simplify(d.jump - noise.jump) == 0
    assert sp.simplify(d.eta_hat - w / (odds * (w + c))) == 0
    assert "jump" in d.steps[0].reason
    assert bridgeout(1, 0.5).differentiated.jump == 0


def test_detached_shakeout_is_a_barrier() -> None:
    d = shakeout(2, 0.5).detached
    assert d.base != 0
    assert sp.simplify(sp.diff(d.penalty, w) - (w + 2) ** 2 / w) == 0
    assert d.penalty.subs(w, d.base) == 0
    assert sp.limit(d.penalty, w, 0, "+") == -sp.oo
    assert d.conditions["integrable"].status == "refuted"
    assert "−∞" in d.steps[0].reason
    assert "−∞" not in bridgeout(1, 0.5).detached.steps[0].reason


def test_no_jump_without_a_floor_of_the_variance() -> None:
    for noise in (bridgeout(1, 0.5), Noise("2*log(1+w)"), mask("w/(1+w)"), mask("1/(1+exp(-w))")):
        assert noise.jump == 0
    assert Noise("1 + w").jump == sp.Rational(1, 2)


def test_standout_must_be_detached() -> None:
    """V = w²e^{−w} falls beyond w = 2, so V/2 is no penalty; detached it is 1 − (1+w)e^{−w}."""
    noise = mask("1/(1+exp(-w))")
    assert sp.simplify(noise.variance - w**2 * sp.exp(-w)) == 0
    with pytest.raises(InputError, match=r"differentiated noise charges V/2.*decrease.*detach"):
        _ = noise.differentiated
    assert sp.simplify(noise.detached.penalty - 1 + (1 + w) * sp.exp(-w)) == 0
    assert strategies["standout"](a=1, b=0.5).duality.eta_hat_at(1.0) == pytest.approx(np.exp(1.5))


@pytest.mark.parametrize("text", ["w", "log(1+w)", "w - log(1+w)", "w**2/2"])
def test_the_two_recipes_for_one_penalty(text: str) -> None:
    """V = 2Ω differentiated and V = wΩ′ detached give Ω back; exchanging them does not, unless Ω is quadratic."""
    d = derive(penalty=text)
    through, held = 2 * d.penalty, w * sp.diff(d.penalty, w)
    x = np.array([0.2, 1.0, 3.0])
    assert np.allclose(Noise(through).differentiated.penalty_at(x), d.penalty_at(x), rtol=1e-12)
    assert np.allclose(Noise(held).detached.penalty_at(x), d.penalty_at(x), rtol=1e-10)
    wrong = Noise(through).detached.penalty_at(x)
    assert np.allclose(wrong, d.penalty_at(x)) == (text == "w**2/2")


def test_a_mask_is_the_rule_it_came_from() -> None:
    epsilon = parameter("epsilon")
    d = derive(eta_hat=w * (w + epsilon))
    noise = mask(d.alpha.subs(lam, 1))
    assert noise.parameters == (epsilon,)
    assert sp.simplify(noise.detached.eta_hat - d.eta_hat) == 0
    assert mask("w/(w+c)", ["c"]).parameters == (parameter("c"),)


def test_noise_is_frozen_and_exact() -> None:
    noise = Noise(0.5 * w)
    assert noise.variance == w / 2
    assert noise == Noise("w/2")
    assert hash(noise) == hash(Noise("w/2"))
    assert Noise("a*w", ["a"]).parameters == (parameter("a"),)
    assert replace(noise, variance=w).variance == w
    assert noise._repr_latex_().startswith("$")
    with pytest.raises(FrozenInstanceError):
        noise.variance = w  # type: ignore[misc]


@pytest.mark.parametrize(
    "make",
    [
        lambda: Noise("-w"), lambda: Noise("w - 1"), lambda: Noise("0"), lambda: Noise(0), lambda: Noise(None),
        lambda: Noise(True), lambda: Noise("a*w"), lambda: Noise("a*w", "a"), lambda: Noise(lam * w),
        lambda: Noise(sp.Symbol("x") * w), lambda: Noise("sqrt(w - 1)"), lambda: Noise("eta"),
        lambda: Noise("Piecewise((w, w < 1), (0, True))"), lambda: Noise("__import__('os')"),
        lambda: bridgeout(0, 0.5), lambda: bridgeout(1, 0), lambda: bridgeout(1, 1), lambda: bridgeout(1, 1.5),
        lambda: bridgeout(-1, 0.5), lambda: bridgeout(1, parameter("p")), lambda: bridgeout(float("nan"), 0.5),
        lambda: shakeout(0, 0.5), lambda: shakeout(1, 0), lambda: shakeout(1, 1), lambda: shakeout(w, 0.5),
        lambda: mask(0), lambda: mask(1), lambda: mask("w"), lambda: mask("1 + w"), lambda: mask("w/(w+lambda)"),
        lambda: mask(w / (w + lam)), lambda: mask("-w/(1+w)"), lambda: mask("w/(w+c)"), lambda: mask("w/(w+c)", "c"),
    ],
)  # fmt: skip
def test_refusals(make: Callable[[], Noise]) -> None:
    with pytest.raises(InputError):
        make()
