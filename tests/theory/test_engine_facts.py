"""Statements that are false or imprecise as often told, each with its witness; and where formulas stop being valid."""

import itertools
import math
from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import derive, penalties, strategies
from etatrick.theory.recipes import Noise
from etatrick.theory.vector import coordinatewise_monotone, gradient_field
from tolerances import close

# ---------------------------------------------------------------------------- monotone does not imply exact zeros


@pytest.mark.parametrize(
    ("form", "formula", "argmin"),
    [
        ("penalty", "w**2/2", 0.025),
        ("penalty", "w**1.5/1.5", 0.00228),
        ("alpha", "1/(1 + exp(-w))", 0.0253),
        ("penalty", "log(1 + w**2)/2", 0.0250),
    ],
)
def test_a_monotone_rule_need_not_zero_anything(form: str, formula: str, argmin: float) -> None:
    given: dict[str, Any] = {form: formula}
    d = derive(**given)
    assert d.conditions["monotone"].status == "proved"
    assert d.conditions["subquadratic"].status == "proved"
    assert d.conditions["exact_zeros"].status == "refuted"
    grid = np.concatenate([[0.0], np.geomspace(1e-9, 0.1, 20_001)])
    found = grid[np.argmin(0.5 * (grid - 0.05) ** 2 + d.penalty_at(grid))]
    assert found == pytest.approx(argmin, rel=0.02)


def test_log_sum_does_zero_it() -> None:
    d = derive(penalty="log(1 + w)")
    assert d.conditions["exact_zeros"].status == "proved"
    grid = np.concatenate([[0.0], np.geomspace(1e-9, 0.1, 20_001)])
    assert grid[np.argmin(0.5 * (grid - 0.05) ** 2 + d.penalty_at(grid))] == 0.0


@pytest.mark.parametrize(("r", "status"), [("1/2", "refuted"), ("1", "proved"), ("3/2", "proved")])
def test_exact_zeros_mean_that_alpha_vanishes_linearly(r: str, status: str) -> None:
    d = derive(alpha=f"w**({r})/(1 + w**({r}))")
    assert d.conditions["monotone"].status == "proved"
    assert d.conditions["exact_zeros"].status == status


def test_alpha_of_second_order_is_not_integrable() -> None:
    assert derive(alpha="w**2/(1 + w**2)").conditions["integrable"].status == "refuted"


# --------------------------------------------------------------------------------------------- particular strategies


def test_hard_concrete_is_not_canonical_and_jumps() -> None:
    law = strategies["hard_concrete"]().duality
    assert law.conditions["canonical"].status == "refuted"
    assert law.conditions["monotone"].status == "proved"
    left, right = law.eta_hat_at([0.534989, 0.53499])
    assert left == pytest.approx(2.3529, abs=1e-3)
    assert right == math.inf
    level = np.geomspace(0.5, 60, 400)
    bend = np.diff(np.diff(law.dual_at(level)) / np.diff(1 / level))
    assert (bend < 0).any()
    assert (bend > 0).any()


def test_the_molchanov_fit_bends_the_wrong_way_near_zero() -> None:
    fit, exact = strategies["molchanov_fit"]().duality, strategies["variational_dropout"]().duality
    assert fit.conditions["concave"].status == "refuted"
    assert exact.conditions["concave"].status == "proved"
    x = np.geomspace(1e-4, 1.0, 2000)
    slopes = x / fit.eta_hat_at(x)
    assert slopes.max() == pytest.approx(1.0118, abs=1e-4)
    assert slopes[0] < slopes.max() > slopes[-1]
    assert (np.diff(x / exact.eta_hat_at(x)) <= 1e-12).all()


def test_dropping_large_weights_more_is_superquadratic() -> None:
    d = strategies["inverse_magnitude"]().duality
    assert d.penalty.equals(sp.Symbol("w", positive=True) ** 4 / 4)
    for name in ("subquadratic", "monotone", "canonical"):
        assert d.conditions[name].status == "refuted"
    assert d.dual is None
    with pytest.raises(InputError, match="no dual f reproduces Ω"):
        d.dual_at(1.0)
    x = 3.0  # sup over w of 2Ω(w) − w²/η is +∞, so the minimum over η would be too
    assert [2 * (t**4) / 4 - t**2 / x for t in (10.0, 100.0)] == sorted(
        [2 * (t**4) / 4 - t**2 / x for t in (10.0, 100.0)]
    )


@pytest.mark.parametrize("power", ["3", "5/2", "41/20"])
def test_powers_above_two_are_refused_a_dual(power: str) -> None:
    d = derive(penalty=f"w**({power})")
    assert d.conditions["subquadratic"].status == "refuted"
    with pytest.raises(InputError):
        d.dual_at(1.0)


def test_an_insensitive_zone_is_not_subquadratic() -> None:
    d = derive(penalty="max(w - 1/2, 0)")
    assert d.conditions["subquadratic"].status == "refuted"
    assert d.conditions["monotone"].status == "refuted"
    assert d.dual is None
    with pytest.raises(InputError):
        d.dual_at(1.0)


def test_cel0_has_a_discontinuous_prox_though_its_curvature_is_at_least_minus_one() -> None:
    d = penalties["cel0"](kappa=1).duality
    x = np.linspace(1e-3, 3, 500)
    assert (np.diff(x + x / d.eta_hat_at(x)) >= -1e-12).all()  # 1 + Ω″ ≥ 0, and = 0 below √(2κ)
    assert d.conditions["continuous_prox"].status == "refuted"
    grid = np.linspace(0, 3, 30_001)
    jump = [
        grid[np.argmin(0.5 * (grid - v) ** 2 + d.penalty_at(grid))] for v in (math.sqrt(2) - 1e-3, math.sqrt(2) + 1e-3)
    ]
    assert jump[0] == 0.0
    assert jump[1] == pytest.approx(math.sqrt(2), abs=2e-3)
    assert penalties["mcp"](A=1.001).duality.conditions["continuous_prox"].status == "proved"
    assert penalties["mcp"](A=1).duality.conditions["continuous_prox"].status == "refuted"


@pytest.mark.parametrize(("epsilon", "status"), [(0.99, "refuted"), (1, "proved"), (1.5, "proved")])
def test_log_sum_has_a_continuous_prox_from_epsilon_one_on(epsilon: float, status: str) -> None:
    assert penalties["log_sum"](epsilon=epsilon).duality.conditions["continuous_prox"].status == status


@pytest.mark.parametrize(("name", "values"), [("concrete_dropout", {"kappa": 1}),
                                              ("variational_bernoulli", {"kappa": 2, "prior": 0.1})])  # fmt: skip
def test_a_divergence_from_a_prior_has_a_continuous_prox(name: str, values: dict[str, float]) -> None:
    """w/α = √(2κ(logit α − logit p₀)) grows strictly; f is 0 up to p₀/(1−p₀), where w stays 0."""
    d = strategies[name](**values).duality
    x = np.geomspace(1e-3, 8, 400)
    assert (np.diff(x + x / d.eta_hat_at(x)) > 0).all()
    assert d.conditions["continuous_prox"].status != "refuted"


# ----------------------------------------------------------------------------------------------- more than one weight


def test_a_monotone_rule_for_two_weights_need_not_have_a_penalty() -> None:
    u, v = sp.symbols("u v", positive=True)
    rules = [1 + u + v, 1 + v]
    assert coordinatewise_monotone(rules, [u, v]).status == "proved"
    found = gradient_field(rules, [u, v])
    assert found.status == "refuted"
    assert close(found.witness["first_path"], 2 * math.log(2))
    assert close(found.witness["second_path"], math.log(3))
    first = mp.quad(lambda s: 1 / (1 + s), [0, 1]) + mp.quad(lambda s: 1 / (1 + s), [0, 1])
    second = mp.quad(lambda s: 1 / (1 + s), [0, 1]) + mp.quad(lambda s: 1 / (2 + s), [0, 1])
    assert {round(float(first), 6), round(float(second), 6)} == {1.386294, 1.098612}


# -------------------------------------------------------------------------------------- integrals over several pieces

HALF = mp.mpf(1) / 2
PIECES: list[tuple[str, Callable[[Any], Any], list[float]]] = [
    ("max(w, 1/2)", lambda t: max(t, HALF), [0.5]),
    ("Piecewise((1/2, w <= 1/2), (w, True))", lambda t: max(t, HALF), [0.5]),
    ("min(w, 2)", lambda t: min(t, 2), [2.0]),
    ("Piecewise((3*w/(3 - w), w < 3), (exp(100)*w, True))",
     lambda t: 3 * t / (3 - t) if t < 3 else mp.exp(100) * t, [3.0]),
    ("Piecewise((w, w <= 1), (27*w/(37/10 - w)/10, w <= 37/10*99/100), (10**6*w, True))",
     lambda t: t if t <= 1 else mp.mpf("2.7") * t / (mp.mpf("3.7") - t) if t <= mp.mpf("3.663") else 10**6 * t,
     [1.0, 3.663]),
    ("Piecewise((1/(1 - w**2/4)**2, w <= 19/10), (1000, True))",
     lambda t: 1 / (1 - t * t / 4) ** 2 if t <= mp.mpf("1.9") else mp.mpf(1000), [1.9]),
    ("max(min(w, 1), w/3)", lambda t: max(min(t, 1), t / 3), [1.0, 3.0]),
]  # fmt: skip


@pytest.mark.parametrize(("formula", "rule", "edges"), PIECES)
def test_integrals_of_pieces_are_right(formula: str, rule: Callable[[Any], Any], edges: list[float]) -> None:
    """The antiderivatives that sympy has of Piecewise are off by O(1) for Huber, MCP, SCAD and Tukey's biweight."""
    d = derive(eta_hat=formula)
    assert d.penalty is not None
    for x in (0.2, 0.9, 1.95, 2.7, 3.68, 8.0):
        with mp.workdps(25):
            ends = [mp.mpf(0), *(mp.mpf(repr(e)) for e in edges if e < x), mp.mpf(x)]
            wanted = mp.quad(lambda t: t / rule(t), ends)
        assert close(float(d.penalty_at(x)), float(wanted)), x


def test_tukeys_biweight_as_a_penalty() -> None:
    d = derive(penalty="Piecewise((1 - (1 - w**2)**3, w <= 1), (1, True))")
    assert d.conditions["subquadratic"].status == "proved"
    assert d.conditions["bounded"].status == "proved"
    x = np.array([0.1, 0.5, 0.9, 1.0, 4.0])
    assert np.allclose(d.penalty_at(x), np.where(x < 1, 1 - (1 - np.minimum(x, 1) ** 2) ** 3, 1.0), rtol=1e-14)
    f = d.dual_at(np.array([0.1, 1 / 6, 2.0, 50.0]))  # f = 2 − 3√(1/6η)… : h(u) = 2(1−(1−u)³), 1/η = 6(1−u)²
    wanted = []
    for e in (0.1, 1 / 6, 2.0, 50.0):
        u = max(0.0, 1 - math.sqrt(1 / (6 * e)))
        wanted.append(2 * (1 - (1 - u) ** 3) - u / e)
    assert np.allclose(f, wanted, rtol=1e-12, atol=1e-15)


# -------------------------------------------------------------------------------------------- detached, differentiated


@pytest.mark.parametrize("q", ["1/2", "1", "3/2", "2"])
def test_the_same_noise_gives_two_penalties_a_factor_two_over_q_apart(q: str) -> None:
    """V = w²(1−α)/α = w^q/2: detached Ω′ = V/w, differentiated Ω = V/2."""
    alpha = f"w**2/(w**2 + w**({q})/2)"
    detached, through = derive(alpha=alpha), derive(alpha=alpha, gradient="differentiated")
    x = np.array([0.1, 0.7, 3.0])
    assert np.allclose(detached.penalty_at(x) / through.penalty_at(x), 2 / float(sp.Rational(q)), rtol=1e-12)
    assert any("detached" in step.reason for step in detached.steps)
    assert any("noise scale" in step.reason for step in through.steps)
    noise = Noise(f"w**({q})/2")
    assert noise.ratio == 2 / sp.Rational(q)


def test_standout_differentiated_is_no_penalty() -> None:
    with pytest.raises(InputError, match="must not decrease"):  # ½w²e^{−w} falls beyond w = 2
        derive(alpha="1/(1 + exp(-w))", gradient="differentiated")


# ------------------------------------------------------------------------------------------------------------- domains


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("scad", {"a": 2, "ell": 1}), ("scad", {"a": 1.5, "ell": 1}), ("scad", {"a": 3, "ell": 0}), ("lp", {"p": 2}),
        ("lp", {"p": 0}), ("lp", {"p": -1}), ("mcp", {"A": 0}), ("cel0", {"kappa": -1}), ("ridge", {"c": 0}),
    ],
)  # fmt: skip
def test_parameters_outside_their_domain_are_refused(name: str, values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="the rule is"):
        penalties[name](**values)


@pytest.mark.parametrize("values", [{"retain": 0}, {"retain": 1.01}, {"retain": 1}])
def test_probabilities_outside_their_domain_are_refused(values: dict[str, float]) -> None:
    with pytest.raises(InputError, match="the rule is"):
        strategies["fixed_rate"](**values)


@pytest.mark.parametrize(("name", "values"), [
    ("bridgeout", {"q": 2, "retain": 0.5}), ("sparseout", {"q": 2, "retain": 0.5}),
    ("bridgeout", {"q": 1, "retain": 0.3}), ("lp", {"p": 1}), ("scad", {"a": 2.0001, "ell": 1}),
])  # fmt: skip
def test_ends_and_seams_of_the_domains(name: str, values: dict[str, float]) -> None:
    """Where a parameter may take the end of its interval, the family and its member give the same numbers."""
    family = penalties[name] if name in penalties else strategies[name]
    member, general = family(**values).duality, family.duality.at(**values)
    x = np.array([0.2, 1.0, 4.0])
    assert np.allclose(member.penalty_at(x), general.penalty_at(x), rtol=1e-12)
    assert np.allclose(member.eta_hat_at(x), general.eta_hat_at(x), rtol=1e-12)
    e = 0.8 * float(member.eta_hat_at(0.2))
    assert close(float(member.dual_at(e)), float(general.dual_at(e)))


@pytest.mark.parametrize("name", ["bridgeout", "sparseout"])
def test_noise_that_never_drops_is_refused_or_charges_nothing(name: str) -> None:
    """The domain of `retain` holds 1, where the noise vanishes: Ω = 0."""
    try:
        d = strategies[name](q=1, retain=1).duality
    except InputError:
        return
    assert float(d.penalty_at(2.0)) == 0.0


@pytest.mark.parametrize("c", [0.3, 1.0, 7.0])
def test_a_dual_is_zero_below_and_infinite_above_the_range_of_the_rule(c: float) -> None:
    cauchy, elastic = penalties["cauchy"](c=c).duality, penalties["elastic_net"](mu=c).duality
    assert list(cauchy.dual_at([0.0, 0.5, 1.0])) == [
        0.0,
        0.0,
        0.0,
    ]  # the raw formula c(log η − 1 + 1/η) is positive there
    assert float(cauchy.dual_at(1.5)) > 0
    assert float(elastic.dual_at(0.999 / c)) < math.inf == float(elastic.dual_at(1.001 / c))
    assert list(penalties["ridge"](c=c).duality.dual_at([0.99 * c, 1.01 * c])) == [0.0, math.inf]


@pytest.mark.parametrize(("dual", "reference"), [
    ("min(eta, 1)", lambda x: min(x, 0.5)),
    ("Piecewise((eta/4, eta <= 2), (eta, True))", None),
    ("Piecewise((eta, eta <= 1), (3*eta, eta <= 2), (6 + log(eta/2), True))", None),
])  # fmt: skip
def test_a_dual_that_is_not_canonical_still_defines_its_penalty(
    dual: str, reference: Callable[[float], float] | None
) -> None:
    """Ω is the least over η, not what inverting the stationary condition gives: f falls behind its convex envelope."""
    from etatrick.theory.grammar import parse
    from etatrick.theory.symbols import eta

    d = derive(dual=dual)
    f = sp.lambdify(eta, parse(dual, variable=eta), "math")
    levels = sorted([*np.geomspace(1e-6, 1e9, 60_001), 1.0, 2.0])
    for x in (0.3, 0.8, 1.5, 2.9):
        least = min((x * x / e + f(e)) / 2 for e in levels)
        if reference is not None:
            assert reference(x) == pytest.approx(least, rel=1e-6)
        assert float(d.penalty_at(x)) == pytest.approx(least, rel=1e-6)
    assert d.conditions["canonical"].status == "refuted"


@pytest.mark.parametrize(
    "rule", ["asinh(w)**2", "Piecewise((w**2, w <= 3/2), (w + 3, True))", "log(1 + w)*log(1 + w**2)"]
)
def test_a_penalty_that_is_minus_infinite_at_zero_is_based_elsewhere_or_refused(rule: str) -> None:
    """∫₀ t/η̂ diverges: no number from 0 may be given, in closed form or not."""
    d = derive(eta_hat=rule)
    assert d.conditions["integrable"].status != "proved"
    try:
        low, high = (float(v) for v in d.penalty_at([1.0, 1.4]))
    except InputError:
        return
    f = sp.lambdify(sp.Symbol("w", positive=True), d.eta_hat, "mpmath")
    assert close(high - low, float(mp.quad(lambda t: t / f(t), [1.0, 1.4])))


def test_the_base_of_a_penalty_that_starts_at_minus_infinity() -> None:
    """`base` is where Ω is 0; it cannot be 0 where Ω(0+) = −∞."""
    for name, values in (("log_retain", {"kappa": 1}), ("log_odds", {"kappa": 1}), ("log_schedule", {"tau": 1})):
        d = strategies[name](**values).duality
        assert d.conditions["integrable"].status == "refuted"
        assert float(d.base) > 0
        assert abs(float(d.penalty_at(float(d.base)))) < 1e-12
    assert float(penalties["log"]().duality.base) == 1


def test_far_out_values_do_not_overflow() -> None:
    """cosh(w) overflows from w = 711 on; η̂ = w coth w does not."""
    d = penalties["log_cosh"]().duality
    for x, e in itertools.product((800.0, 5000.0), (800.0, 1841.0)):
        assert float(d.eta_hat_at(x)) == pytest.approx(x)
        assert float(d.penalty_at(x)) == pytest.approx(x - math.log(2))
        assert float(d.dual_at(e)) == pytest.approx(e - 2 * math.log(2))


def test_first_values_are_quick() -> None:
    """The limit at 0 is known to be 0, or the jump; sympy needs many seconds for it where Ω holds dilogarithms."""
    import time

    d = strategies["debye_schedule"](tau=0.59).duality
    begin = time.perf_counter()
    d.penalty_at(0.5)
    d.dual_at(0.5)
    assert time.perf_counter() - begin < 2.0
