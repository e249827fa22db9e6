"""Gate laws against quadrature and minimisation in high precision that share nothing with them."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, final

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import eta
from etatrick.theory.gates.base import CountingLaw, GateLaw
from etatrick.theory.gates.concavity import _cover, certified_boxes
from etatrick.theory.gates.enclosures import chord_below, hard_concrete
from etatrick.theory.gates.envelope import Curve
from etatrick.theory.gates.laws import (
    BetaBernoulli,
    ConcreteDropout,
    HardConcrete,
    KingmaCubic,
    MolchanovFit,
    VariationalBernoulli,
)
from etatrick.theory.gates.verdicts import jump, sandwich
from tolerances import CERTIFICATE, FLOAT64, close

LAWS: list[GateLaw] = [
    HardConcrete(),
    HardConcrete(beta=0.3, gamma=-0.3, zeta=1.05),
    HardConcrete(beta=2.0),
    BetaBernoulli(1e-4),
    BetaBernoulli(0.3),
    VariationalBernoulli(0.7, 0.02),
    VariationalBernoulli(2.0, 0.9),
    ConcreteDropout(1.5),
    MolchanovFit(),
    KingmaCubic(),
]
NAMES = {
    "subquadratic", "monotone", "canonical", "integrable", "exact_zeros", "convex", "concave", "bounded", "unbiased",
    "continuous_prox",
}  # fmt: skip


def ratio(x: Any, gamma: Any, zeta: Any) -> Any:
    return (x - gamma) / (zeta - x)


def moments(a: Any, law: HardConcrete) -> tuple[Any, Any]:
    """1/η and f of a hard concrete gate, by tanh-sinh quadrature of P(s > x) over x."""
    beta, gamma, zeta = (mp.mpf(p) for p in (law.beta, law.gamma, law.zeta))

    def tail(x: Any) -> Any:
        return a / (a + ratio(x, gamma, zeta) ** beta)

    first, second = mp.quad(tail, [0, 0.5, 1]), mp.quad(lambda x: 2 * x * tail(x), [0, 0.5, 1])
    return second / first**2 - 1, tail(mp.mpf(0))


def lowest(value: Callable[[Any], Any], low: float, high: float) -> tuple[Any, Any]:
    """Return the global minimiser and minimum: a grid of 41 points, then golden sections at every dip."""
    grid = [mp.mpf(low) + (mp.mpf(high) - low) * k / 40 for k in range(41)]
    values = [value(t) for t in grid]
    best = min(zip(values, grid, strict=True))
    for k in range(1, 40):
        if values[k] <= min(values[k - 1], values[k + 1]):
            a, b = grid[k - 1], grid[k + 1]
            shrink = (mp.sqrt(5) - 1) / 2
            c, d = b - shrink * (b - a), a + shrink * (b - a)
            fc, fd = value(c), value(d)
            for _ in range(42):
                if fc < fd:
                    b, d, fd = d, c, fc
                    c = b - shrink * (b - a)
                    fc = value(c)
                else:
                    a, c, fc = c, d, fd
                    d = a + shrink * (b - a)
                    fd = value(d)
            best = min(best, (fc, c), (fd, d))
    return best[1], best[0]


@pytest.mark.parametrize("w", [1e-3, 0.3, 0.52])
def test_hard_concrete_agrees_with_quadrature_and_minimisation(w: float) -> None:
    law = HardConcrete()
    with mp.workdps(20):

        def objective(t: Any) -> Any:
            rho, price = moments(mp.exp(t), law)
            return (mp.mpf(w) ** 2 * rho + price) / 2

        centre = float(np.log(law.eta_hat_at(w)))
        t, value = lowest(objective, centre - 4.0, centre + 5.0)
        rho, _ = moments(mp.exp(t), law)
    assert close(float(law.penalty_at(w)) / float(value), 1.0, CERTIFICATE)
    assert close(float(law.eta_hat_at(w)) * float(rho), 1.0, 1e-8)  # the oracle knows t to half its digits


@pytest.mark.parametrize("law", [law for law in LAWS if isinstance(law, HardConcrete)])
@pytest.mark.parametrize("t", [-60.0, -3.0, -0.001, 0.001, 1.4, 20.0])
def test_hard_concrete_curve_is_good_to_twelve_digits(law: HardConcrete, t: float) -> None:
    with mp.workdps(45):
        rho, price = moments(mp.exp(mp.mpf(t)), law)
        step = mp.mpf(10) ** -12
        later = [moments(mp.exp(mp.mpf(t) + s), law) for s in (-step, step)]
        u = -(later[1][1] - later[0][1]) / (later[1][0] - later[0][0])
    found = law.curve(np.array([t]))
    for ours, theirs in ((np.exp(found.log_rho), rho), (found.dual, price), (np.exp(found.log_u), u)):
        assert close(float(ours[0] / float(theirs)), 1.0, CERTIFICATE)


def test_published_constants_of_the_hard_concrete_gate() -> None:
    law = HardConcrete()
    with mp.workdps(20):
        beta = mp.mpf(2) / 3

        def r(x: Any) -> Any:
            return ratio(x, mp.mpf("-0.1"), mp.mpf("1.1"))

        c1, c2 = mp.quad(lambda x: r(x) ** -beta, [0, 1]), mp.quad(lambda x: 2 * x * r(x) ** -beta, [0, 1])
        d1, d2 = mp.quad(lambda x: r(x) ** beta, [0, 1]), mp.quad(lambda x: 2 * x * r(x) ** beta, [0, 1])
        rise, fall = r(0) ** -beta * c2 / c1**2, r(0) ** beta / (2 * d1 - d2)
    printed = {"c1": (c1, 1.3397857), "c2": (c2, 0.7897870), "rise": (rise, 2.1762113), "fall": (fall, 0.2559931)}
    for value, digits in printed.values():
        assert abs(float(value) - digits) < 6e-8
    assert close(float(law.slope_at(0.0)) ** 2, float(rise), CERTIFICATE)
    assert abs(float(law.slope_at(0.0)) - 1.4751987) < 6e-8
    assert close(float(law.dual_at(1e-9)) / 1e-9, float(rise), 1e-8)
    assert close(float(1 - law.dual_at(1e6)) * 1e6, float(fall), 1e-5)
    assert close(float(law.jumps()[0].window[0]) ** 2, float(fall), FLOAT64)


def test_jump_of_the_hard_concrete_gate() -> None:
    found = jump(HardConcrete())
    assert abs(found.w - 0.5349891) < 6e-8
    assert abs(found.eta_left - 2.3529) < 6e-5
    assert found.eta_right == np.inf
    assert abs(found.slope_left - 0.22737) < 6e-6
    assert found.slope_right == 0
    assert np.allclose(found.window, (0.50596, 0.54218), atol=6e-6)
    beyond = HardConcrete().penalty_at([found.w * (1 + 1e-12), 0.6, 1e5])
    assert (beyond == 0.5).all()
    # Both sides cost the same: ½(w²/η + f) = ½, with η and f from one quadrature.
    with mp.workdps(20):
        t = mp.findroot(lambda t: moments(mp.exp(t), HardConcrete())[0] * found.eta_left - 1, (0.5, 0.6))
        rho, price = moments(mp.exp(t), HardConcrete())
        assert abs(mp.mpf(found.w) ** 2 * rho + price - 1) < 1e-13


@pytest.mark.parametrize("seed", range(6))
def test_hard_concrete_at_extreme_parameters(seed: int) -> None:
    rng = np.random.default_rng([20211, seed])
    law = HardConcrete(float(10 ** rng.uniform(-2, 1)), -float(10 ** rng.uniform(-6, 1)),
                       1 + float(10 ** rng.uniform(-6, 1)))  # fmt: skip
    curve = law.curve(np.linspace(law.span[0] + 660.0, law.span[1], 40_001))
    for w in (1e-6, 0.01, 0.3, 0.5, 0.9, 1.1):
        brute = min(0.5, float(np.min(w**2 * np.exp(curve.log_rho) + curve.dual)) / 2)
        found = float(law.penalty_at(w))
        assert brute * (1 - 1e-5) <= found <= brute * (1 + CERTIFICATE)
    assert sandwich(law, 1.0).status == "proved"


def test_hard_concrete_with_a_hot_lopsided_gate() -> None:
    law = HardConcrete(9.94, -0.0369, 1.0000438)  # u falls to 1e-48 here, where its rounding errors rise and fall
    assert law.penalty_at([1e-6, 0.3])[0] < 1e-4
    assert sandwich(law, 1.0).status == "proved"


def test_hard_concrete_table() -> None:
    assert HardConcrete().penalty_at([0.2, 0.6]).round(3).tolist() == [0.258, 0.5]


def test_cold_hard_concrete_gate_approaches_the_bernoulli_gate() -> None:
    w = np.linspace(0.05, 1.2, 24)
    cel0 = 0.5 - 0.5 * np.maximum(1 - w, 0) ** 2
    errors = [np.abs(HardConcrete(beta=b).penalty_at(w) - cel0).max() for b in (0.3, 0.1, 0.03)]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.02


@pytest.mark.parametrize("kappa", [1e-3, 0.5, 40.0])
@pytest.mark.parametrize("law", [law for law in LAWS if isinstance(law, CountingLaw)])
def test_sandwich_holds(law: CountingLaw, kappa: float) -> None:
    assert sandwich(law, kappa).status == "proved"


@final
@dataclass(frozen=True)
class Rebated(CountingLaw):
    """A control: a hard concrete gate whose price is 0.3 P(s ≠ 0), though it says otherwise."""

    span = HardConcrete().span
    formulas = ("", "")
    upper_ends = HardConcrete().upper_ends

    def curve(self, t: Any) -> Curve:
        log_rho, dual, log_u = HardConcrete().curve(t)
        return Curve(log_rho, 0.3 * dual, log_u + np.log(0.3))

    def own_verdicts(self) -> dict[str, Any]:
        return {}


def test_a_wrong_price_is_found_out() -> None:
    verdict = sandwich(Rebated(), 0.5)
    assert verdict.status == "refuted"
    assert verdict.witness["gate"] < verdict.witness["CEL0"]
    assert abs(float(Rebated().slope_at(0.0)) - 1.4751987) > 0.1


def kumaraswamy(a: Any, b: Any, prior: Any) -> tuple[Any, Any]:
    """Mean and KL from Beta(α₀, 1), as integrals over y with π = (1 − e⁻ʸ)^{1/a}, where y has the rate b."""
    cuts = [0, 0.1, 1, 4, 8, 14, 30, 60 / b + 60, 120 / b + 60]

    def log_pi(y: Any) -> Any:
        return mp.log(-mp.expm1(-y)) / a

    def surprise(y: Any) -> Any:
        return mp.log(a * b / prior) + (a - prior) * log_pi(y) - (b - 1) * y

    mean = mp.quad(lambda y: b * mp.exp(-b * y + log_pi(y)), cuts)
    return mean, mp.quad(lambda y: b * mp.exp(-b * y) * surprise(y), cuts)


@pytest.mark.parametrize("mean", [0.02, 0.25, 0.5, 0.8])
def test_kumaraswamy_moments_and_stationarity_agree_with_quadrature(mean: float) -> None:
    prior = 1e-4
    law = BetaBernoulli(prior)
    s = np.log(mean / (1 - mean)) - np.log(prior)
    log_a, log_b = (float(v[0]) for v in law.shapes(np.array([s])))
    with mp.workdps(18):
        m, kl = kumaraswamy(mp.exp(log_a), mp.exp(log_b), mp.mpf(prior))
    assert close(float(m), mean, CERTIFICATE)
    assert close(2 * float(kl), float(law.dual_at(mean / (1 - mean))), CERTIFICATE)


def divergence_at(a: Any, b: Any, prior: float) -> Any:
    from scipy.special import digamma

    return (1 - prior / a) * (-np.euler_gamma - digamma(b) - 1 / b) + np.log(a * b / prior) - (b - 1) / b


def least_divergence(mean: float, prior: float) -> float:
    """K(m) by bisection for a on a fine grid of b: an upper bound, close to the infimum."""
    from scipy.special import betaln

    b = np.exp(np.linspace(-4.0, 3.0, 4001))
    low, high = np.full_like(b, -60.0), np.full_like(b, 20.0)
    for _ in range(70):
        middle = (low + high) / 2
        small = np.log(b) + betaln(1 + np.exp(-middle), b) < np.log(mean)
        low, high = np.where(small, middle, low), np.where(small, high, middle)
    return float(np.min(divergence_at(np.exp(low), b, prior)))


def test_beta_bernoulli_divergences_as_tabulated() -> None:
    table = {0.1: (1.60, 2), 0.3: (4.95, 2), 0.5: (8.03, 2), 0.7: (9.03, 2), 0.9: (10.4, 1), 0.99: (12.8, 1)}
    law = BetaBernoulli(1e-4)
    for mean, (printed, digits) in table.items():
        found = float(law.dual_at(mean / (1 - mean))) / 2
        assert round(found, digits) == printed
        assert close(found, least_divergence(mean, 1e-4), 1e-5)
        assert found <= least_divergence(mean, 1e-4) + 1e-9


@pytest.mark.parametrize("w", [0.01, 0.1, 0.5, 1.0, 2.0, 2.2, 3.0, 10.0])
def test_beta_bernoulli_is_the_global_minimum(w: float) -> None:
    from scipy.special import betaln

    log_a, b = np.linspace(-11, 8, 801)[:, None], np.exp(np.linspace(-3, 0.7, 601))[None, :]
    mean = b * np.exp(betaln(1 + np.exp(-log_a), b))
    grid = 0.5 * w**2 * (1 - mean) / mean + divergence_at(np.exp(log_a), b, 1e-4)
    found, best = float(BetaBernoulli(1e-4).penalty_at(w)), float(grid.min())
    assert best - 1e-3 < found <= best + 1e-9


def test_beta_bernoulli_table_and_its_coarse_entries() -> None:
    law = BetaBernoulli(1e-4)
    assert law.penalty_at([3.0, 100.0]).round(1).tolist() == [10.7, 17.7]
    assert close(float(np.diff(law.penalty_at([30.0, 100.0]))[0]), 2 * np.log(100 / 30), 1e-3)
    # These entries of the published table lie above values that explicit (a, b) attain.
    for w, printed in ((0.01, 0.088), (0.1, 0.716), (1.0, 5.11), (10.0, 13.2)):
        level = float(law.eta_hat_at(w))
        a, b = (np.exp(v) for v in law.shapes(np.log(np.array([level])) - np.log(1e-4)))
        with mp.workdps(18):
            mean, kl = kumaraswamy(mp.mpf(float(a[0])), mp.mpf(float(b[0])), mp.mpf("1e-4"))
            attained = 0.5 * w**2 * (1 - mean) / mean + kl
        assert close(float(attained), float(law.penalty_at(w)), FLOAT64)
        assert attained < printed * 0.996


def test_beta_bernoulli_is_a_parabola_on_the_scale_of_its_prior() -> None:
    law = BetaBernoulli(1e-4)
    w = np.array([1e-9, 1e-7])
    assert np.allclose(law.penalty_at(w), w**2 / 2e-4, rtol=1e-6)
    assert close(float(law.eta_hat_at(0.0)), 1e-4)


@pytest.mark.parametrize(("kappa", "prior"), [(1.0, 0.5), (0.7, 0.02), (2.0, 0.9), (0.01, 1e-200)])
def test_variational_bernoulli_follows_its_parametric_form(kappa: float, prior: float) -> None:
    law = VariationalBernoulli(kappa, prior)
    start = mp.log(mp.mpf(prior)) - mp.log1p(-mp.mpf(prior))
    with mp.workdps(40):
        for s in (1e-9, 1e-3, 0.9, 1.1, 5.0, 30.0):
            odds = start + mp.mpf(s)
            alpha = 1 / (1 + mp.exp(-odds))
            w = float(mp.sqrt(2 * kappa * alpha**2 * s))
            kl = alpha * mp.log(alpha / prior) + (1 - alpha) * (-mp.log1p(mp.exp(odds)) - mp.log1p(-mp.mpf(prior)))
            value = (mp.mpf(w) ** 2 * mp.exp(-odds) + 2 * kappa * kl) / 2
            assert close(float(law.penalty_at(w) / float(value)), 1.0, CERTIFICATE)
            assert close(float(law.eta_hat_at(w) * float(mp.exp(-odds))), 1.0, CERTIFICATE)
            assert close(float(law.dual_at(float(mp.exp(odds))) / float(2 * kappa * kl)), 1.0, 1e-6)
            assert close(float(law.dual_at(float(mp.exp(odds)))), float(2 * kappa * kl), CERTIFICATE)


def test_variational_bernoulli_tends_to_cel0() -> None:
    w = np.linspace(0.05, 3.0, 40)
    cel0 = 1 - 0.5 * np.maximum(np.sqrt(2.0) - w, 0) ** 2
    priors = (1e-10, 1e-50, 1e-300)
    errors = [np.abs(VariationalBernoulli(-1 / np.log(p), p).penalty_at(w) - cel0).max() for p in priors]
    assert errors[0] > errors[1] > errors[2]
    assert errors[2] < 0.01


def test_concrete_dropout_never_drops_more_than_half() -> None:
    law = ConcreteDropout(0.8)
    w = np.geomspace(1e-6, 1e3, 200)
    p = 1 - law.alpha_at(w, lam=1.0)
    assert (p <= 0.5).all()
    assert close(float(p[0]), 0.5)
    inside = (p > 1e-12) & (p < 0.5 - 1e-6)
    stationary = w[inside] ** 2 / (2 * (1 - p[inside]) ** 2) - 0.8 * np.log((1 - p[inside]) / p[inside])
    assert np.abs(stationary).max() < 1e-3 * 0.8 * 40 * 1e-1
    assert np.array_equal(law.penalty_at(w), VariationalBernoulli(0.8, 0.5).penalty_at(w))


@pytest.mark.parametrize("law", [MolchanovFit(), KingmaCubic()])
@pytest.mark.parametrize("w", [1e-6, 0.02, 0.9, 0.9125, 0.95, 4.0, 1e4])
def test_fitted_laws_are_global_minima_of_their_formulas(law: GateLaw, w: float) -> None:
    price = sp.lambdify(eta, law.dual, "numpy")
    t = np.linspace(0.0 if isinstance(law, KingmaCubic) else -20.0, 25.0, 400_001)
    with np.errstate(over="ignore"):
        best = float(np.min((w**2 * np.exp(-t) + price(np.exp(t))) / 2))
    found = float(law.penalty_at(w))
    assert found <= best * (1 + CERTIFICATE) + 1e-15
    assert abs(found - best) <= 1e-8 * best + 1e-15


@pytest.mark.parametrize("law", [MolchanovFit(), KingmaCubic(), VariationalBernoulli(0.7, 0.02)])
def test_symbolic_and_numeric_duals_agree(law: GateLaw) -> None:
    for level in (0.01, 0.3, 1.0, 2.5, 1e3):
        exact = sp.N(law.dual.subs(eta, sp.Rational(str(level))), 30)
        found = float(law.dual_at(level))
        assert found == exact if exact == sp.oo else close(found, float(exact), CERTIFICATE)


def test_slope_of_the_molchanov_fit_rises_first() -> None:
    law = MolchanovFit()
    w = np.linspace(1e-4, 0.2, 40_001)
    slopes = law.slope_at(w)
    top = int(np.argmax(slopes))
    assert abs(slopes[top] - 1.0118) < 6e-5
    assert abs(law.eta_hat_at(w[top]) - 0.02401) < 6e-6  # where f″ = 0
    assert abs(slopes[top] ** 2 - 1.0237) < 6e-5


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_penalties_are_concave_in_the_square_and_envelopes_of_the_slope(law: GateLaw) -> None:
    w = np.sqrt(np.linspace(1e-4, 9.0, 1501))
    values = law.penalty_at(w)
    assert (np.diff(values) >= 0).all()
    assert (np.diff(values, 2) <= 1e-13 * (1 + values[-1])).all()
    assert (np.diff(1 / law.eta_hat_at(w)) <= 1e-12 / law.eta_hat_at(w[0])).all()
    slope = law.slope_at(w)
    secants = np.diff(values) / np.diff(w**2)  # between the one-sided slopes in w²
    both = np.stack((slope[:-1] / w[:-1], slope[1:] / w[1:])) / 2
    assert (secants <= both[0] + 1e-9).all()
    assert (secants >= both[1] - 1e-9).all()
    assert float(law.penalty_at(0.0)) == 0


def test_the_concavity_test_can_fail() -> None:
    u = np.linspace(1e-4, 9.0, 3001)
    assert (np.diff(u**1.01, 2) > 1e-13).any()


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_the_canonical_dual_is_the_supremum_and_gives_the_penalty_back(law: GateLaw) -> None:
    w = np.concatenate(([0.0], np.geomspace(1e-5, 1e4, 10_001)))
    values = 2 * law.penalty_at(w)
    levels = np.array([0.02, 0.4, 0.9, 1.002, 2.0, 3.9, 30.0, 2000.0])
    found, given = law.canonical_dual_at(levels), law.dual_at(levels)
    brute = np.array([np.max(values - w**2 / e) for e in levels])
    assert np.allclose(found, brute, rtol=1e-3, atol=1e-5)  # the grid misses the kinks
    assert (found >= brute - 1e-12 * (1 + np.abs(brute))).all()
    assert (found <= given + 1e-12 * (1 + np.abs(found))).all()
    e = np.append(np.geomspace(1e-4, 1e7, 4001), 1.0)
    dual = law.canonical_dual_at(e)
    for x in (0.3, 1.3, 4.0):
        assert close(float(np.min(x**2 / e + dual)) / 2, float(law.penalty_at(x)), 1e-5)


def test_dual_and_canonical_dual_differ_across_the_jump_only() -> None:
    law = HardConcrete()
    e = np.array([0.5, 2.3, 2.4, 10.0, 1e3])
    gap = law.dual_at(e) - law.canonical_dual_at(e)
    assert np.abs(gap[:2]).max() < 1e-13
    assert (gap[2:] > 1e-6).all()


STATUS: dict[str, dict[str, str]] = {  # what is not proved
    "HardConcrete": {"canonical": "refuted", "continuous_prox": "refuted", "convex": "refuted", "concave": "certified"},
    "BetaBernoulli": {"canonical": "refuted", "continuous_prox": "refuted", "convex": "refuted", "concave": "refuted",
                      "bounded": "refuted", "exact_zeros": "refuted"},
    "VariationalBernoulli": {"convex": "refuted", "concave": "refuted", "exact_zeros": "refuted"},
    "ConcreteDropout": {"convex": "refuted", "concave": "refuted", "exact_zeros": "refuted"},
    "MolchanovFit": {"convex": "refuted", "concave": "refuted", "bounded": "refuted"},
    "KingmaCubic": {"canonical": "refuted", "continuous_prox": "refuted", "convex": "refuted", "concave": "refuted",
                    "bounded": "refuted", "exact_zeros": "refuted"},
}  # fmt: skip


@pytest.mark.parametrize(
    "law", [HardConcrete(), BetaBernoulli(1e-4), VariationalBernoulli(1.0, 0.1), ConcreteDropout(1.0), MolchanovFit(),
            KingmaCubic()], ids=str)  # fmt: skip
def test_conditions(law: GateLaw) -> None:
    found = law.conditions
    assert set(found) == NAMES
    expected = dict.fromkeys(NAMES, "proved") | STATUS[type(law).__name__]
    assert {name: verdict.status for name, verdict in found.items()} == expected


def test_prox_verdicts_match_the_numbers() -> None:
    w = np.linspace(1e-3, 3.0, 1001)
    for law in LAWS:
        growth = np.diff(w + law.slope_at(w))
        status = law.conditions["continuous_prox"].status
        assert (status == "refuted") == bool((growth < 0).any()), law


def test_enclosures_contain_the_quadrature() -> None:
    low, high = hard_concrete(HardConcrete(), 1.5)
    found = HardConcrete().curve(np.array([1.5]))
    assert close(float(low), float(np.exp(-found.log_rho[0])), CERTIFICATE)
    assert close(float(high), float(np.exp(found.log_u[0])), CERTIFICATE)
    assert float(low.rad()) < 1e-9


def test_concavity_of_the_hard_concrete_price_is_certified_and_seen() -> None:
    law = HardConcrete()
    assert certified_boxes(law) is not None
    e = np.linspace(0.01, 30.0, 3000)
    assert (np.diff(law.dual_at(e), 2) < 0).all()


def test_a_cover_needs_a_positive_function() -> None:
    import flint

    def moments(x: float) -> tuple[list[Any], list[Any]]:
        return [flint.arb(1 - x)], [flint.arb(1)]

    assert _cover(lambda x, n, p: n[0] + x * p[0] - flint.arb("0.9"), moments) is not None
    assert _cover(lambda x, n, p: n[0] + x * p[0] - flint.arb("1.1"), moments) is None
    assert _cover(lambda x, n, p: (x - flint.arb("0.3")) ** 2, moments) is None


def test_the_chord_argument_does_not_refute_what_holds() -> None:
    law = BetaBernoulli(0.3)
    at = np.log([0.9, 1.1]) - np.log(0.3)
    (a1, a2), (b1, b2) = (row.tolist() for row in law.shapes(at))
    assert chord_below(0.3, ((a1, b1), (a2, b2))).status == "unknown"
    assert law.conditions["canonical"].status == "unknown"


@pytest.mark.parametrize("law", LAWS, ids=str)
def test_shapes_evenness_and_extremes(law: GateLaw) -> None:
    x = np.array([[0.0, -0.3, 0.3], [1e-250, 1e150, -2.0]])
    values = law.penalty_at(x)
    assert values.shape == x.shape
    assert values[0, 1] == values[0, 2]
    assert np.isfinite(values).all()
    assert np.shape(law.penalty_at(1.0)) == ()
    alpha = law.alpha_at(x, lam=0.5)
    assert ((alpha >= 0) & (alpha <= 1)).all()
    assert np.isfinite(law.slope_at(x)).all()
    assert law.parameters == ()
    assert law._repr_latex_() is not None


def test_bad_input() -> None:
    broken: list[Callable[[], Any]] = [
        lambda: HardConcrete(beta=0.0), lambda: HardConcrete(gamma=0.0), lambda: HardConcrete(zeta=1.0),
        lambda: VariationalBernoulli(-1.0, 0.1), lambda: VariationalBernoulli(1.0, 1.0), lambda: BetaBernoulli(0.0),
        lambda: ConcreteDropout(float("inf")), lambda: HardConcrete().penalty_at([1.0, np.nan]),
        lambda: HardConcrete().alpha_at(1.0, lam=0.0), lambda: sandwich(HardConcrete(), -1.0),
        lambda: jump(ConcreteDropout(1.0)), lambda: HardConcrete().dual_at(np.inf),
    ]  # fmt: skip
    for call in broken:
        with pytest.raises(InputError):
            call()
