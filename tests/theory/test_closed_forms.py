"""Closed forms beneath the derivation: special functions, integrals, inverses, limits, digits kept."""

import math
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from etatrick.theory import derive, eta, penalties, w
from etatrick.theory.balls import value_at
from etatrick.theory.clamping import clamped
from etatrick.theory.integrals import TABLE, antiderivative
from etatrick.theory.inverses import inverse
from etatrick.theory.limits import limit_at
from etatrick.theory.quadrature import root
from etatrick.theory.rounding import accurate
from etatrick.theory.smt import is_algebraic, refutable
from etatrick.theory.special import Dawson, DawsonIntegral, dawson_integral
from etatrick.theory.trees import tree

R = sp.Rational
c = sp.Symbol("c", positive=True)


def dawson_by_quadrature(x: float) -> mp.mpf:
    with mp.workdps(40):
        return mp.quad(lambda t: mp.exp(t * t - mp.mpf(x) ** 2), [0, x])


@pytest.mark.parametrize("x", [1e-6, 0.3, 1.0, 2.4, 5.0])
def test_dawson_is_its_integral(x: float) -> None:
    assert float(value_at(Dawson(w), {w: R(repr(x))}) / dawson_by_quadrature(x)) == pytest.approx(1, abs=1e-14)
    assert float(sp.N(Dawson(R(repr(x))), 30) / R(repr(x)) * x) == pytest.approx(
        float(dawson_by_quadrature(x)), rel=1e-14
    )


@pytest.mark.parametrize("x", [1e-9, 1e-3, 0.5, 1.0, 3.0, 6.99, 7.01, 15.9, 16.1, 40.0, 1e4])
def test_the_integral_of_dawson(x: float) -> None:
    """Against the hypergeometric series up to 40 and quadrature of D beyond; also across the switches at 7 and 16."""
    with mp.workdps(50 if x <= 3 else 1000):
        m = mp.mpf(repr(x))
        tail = sum(mp.fac2(2 * k - 1) / (4 * k * (2 * m * m) ** k) for k in range(1, 12))
        far = mp.log(2 * m) / 2 + mp.euler / 4 - tail
        exact = m**2 / 2 * mp.hyp2f2(1, 1, mp.mpf(3) / 2, 2, -(m**2)) if x <= 40 else far
        assert abs(float(dawson_integral(x) / exact - 1)) < 4e-16
        assert abs(float(value_at(DawsonIntegral(w), {w: R(repr(x))}) / exact - 1)) < 1e-20


def test_derivatives_of_the_special_functions() -> None:
    assert sp.diff(DawsonIntegral(w), w) == Dawson(w)
    assert sp.diff(Dawson(w), w) == 1 - 2 * w * Dawson(w)
    assert Dawson(-w) == -Dawson(w)
    assert DawsonIntegral(-w) == DawsonIntegral(w)
    assert (Dawson(0), DawsonIntegral(0), Dawson(sp.oo), DawsonIntegral(sp.oo)) == (0, 0, 0, sp.oo)


@pytest.mark.parametrize(("pattern", "area"), TABLE, ids=[str(p) for p, _ in TABLE])
def test_the_table_of_integrals_against_quadrature(pattern: Any, area: Any) -> None:
    values = {wild: R(7, 3) for wild in (pattern + area).atoms(sp.Wild)}
    found, formula = sp.lambdify(w, area.subs(values), "mpmath"), sp.lambdify(w, pattern.subs(values), "mpmath")
    for x in (0.2, 1.7):
        assert mp.almosteq(found(mp.mpf(x)), mp.quad(formula, [0, x]), 1e-12)
    assert antiderivative(pattern.subs(values)) is not None


def test_the_table_says_no_to_others() -> None:
    assert antiderivative(sp.sin(w)) is None
    assert antiderivative(1 / (w - 2)) is None


INVERTIBLE = [
    w + 1, 3 * w**2, w * (w + c), w / (1 + c * w), (1 + w**2 / c) ** 2, sp.exp(w**2 / c), sp.sqrt(w**2 + c),
    w * sp.exp(w / c), (w**2 + w * sp.sqrt(w**2 + 4 / c)) / 2, sp.exp(2 * w) - 1, w**R(3, 2), c * w / (c + w),
    sp.sqrt(w) * c / sp.sqrt(1 + c * w),
]  # fmt: skip


@pytest.mark.parametrize("rule", INVERTIBLE, ids=str)
def test_inverses(rule: Any) -> None:
    branch = inverse(rule, w, eta)
    assert branch is not None
    for x in (R(1, 7), R(5, 3)):
        for scale in (R(1, 2), R(4)):
            level = rule.subs({w: x, c: scale})
            back = (
                value_at(branch, {eta: level, c: scale})
                if level.is_Rational
                else sp.N(branch.subs({eta: level, c: scale}), 25)
            )
            assert abs(float(back) - float(x)) < 1e-12


@pytest.mark.parametrize("rule", [w * (1 + w) ** 2, w / sp.tanh(w), w + sp.sin(w) / 2], ids=str)
def test_no_inverse_is_made_up(rule: Any) -> None:
    assert inverse(rule, w, eta) is None


LIMITS = [
    (w / (w + c), 0, 0), (w / (w + c), sp.oo, 1), (sp.log(w), 0, -sp.oo), (sp.log(1 + w), sp.oo, sp.oo),
    (w * sp.exp(-w / c), sp.oo, 0), (c * (1 - sp.exp(-w / c)), sp.oo, c), (w / (sp.exp(w / c) - 1), 0, c),
    (Dawson(w) / w, 0, 1), (w * Dawson(w), sp.oo, R(1, 2)), (DawsonIntegral(w), sp.oo, sp.oo), (w / sp.tanh(w), 0, 1),
    (sp.sqrt(w**2 + c) - w, sp.oo, 0),
]  # fmt: skip


@pytest.mark.parametrize(("expr", "end", "expected"), LIMITS, ids=str)
def test_limits(expr: Any, end: Any, expected: Any) -> None:
    assert sp.simplify(limit_at(expr, w, end) - expected) == 0 if expected not in (sp.oo, -sp.oo) else (
        limit_at(expr, w, end) == expected
    )  # fmt: skip


def test_a_limit_that_does_not_exist_is_not_known() -> None:
    assert limit_at(sp.sin(w), w, sp.oo) is None


@pytest.mark.parametrize(
    "expr",
    [1 - (1 + w) * sp.exp(-w), w - sp.log(1 + w), sp.pi**2 / 6 - sp.polylog(2, sp.exp(-w)) + w * sp.log(1 - sp.exp(-w)),
     sp.sqrt(1 + w**2) - 1, sp.exp(w) - 1 - w, sp.log(sp.cosh(w)), sp.Piecewise((sp.cosh(w) - 1, w < 1), (w, True))],
    ids=str,
)  # fmt: skip
def test_cancellation_is_noticed_and_undone(expr: Any) -> None:
    x = np.array([1e-7, 1e-4, 0.01, 0.3, 2.0])
    plain = sp.lambdify(
        w, expr, [{"polylog": lambda s, z: np.vectorize(lambda q: float(mp.polylog(s, q)))(z)}, "numpy"]
    )(x)
    for value, at in zip(accurate(expr, w, x, plain), x, strict=True):
        exact = value_at(expr, {w: R(float(at))})
        assert abs(float(value / exact - 1)) < 5e-14
    assert abs(float(plain[0] / value_at(expr, {w: R(1e-7)}) - 1)) > 1e-12, "the plain value was good: no test"


def test_good_values_are_left_alone() -> None:
    x = np.array([0.5, 2.0])
    marked = np.array([1.0, 2.0])
    assert accurate(w * (w + 2), w, x, marked) is marked


@pytest.mark.parametrize(
    ("expr", "strict", "expected"),
    [(w**2 - 2 * w * c + 2 * c**2, True, True), (w - c, False, False), (sp.sqrt(w**2 + 4) - w, True, True),
     ((w - c) ** 2, False, True), ((w - c) ** 2, True, False), (w**4 + c**4 + 1 - 3 * w * c, False, False),
     (sp.sqrt(w - 1), False, False), (1 / (w - 1), False, False)],
    ids=str,
)  # fmt: skip
def test_questions_to_the_smt_solver(expr: Any, strict: bool, expected: bool) -> None:
    """The last two have roots or denominators that are not positive for all w: no vacuous yes."""
    answer = refutable(expr, strict)
    assert (answer is not None) is expected
    assert answer is None or "(check-sat)" in answer


def test_algebraic_formulas() -> None:
    assert is_algebraic(sp.sqrt(1 + w) / c ** R(2, 3))
    assert not is_algebraic(w**c)
    assert not is_algebraic(sp.log(w))


def test_roots_at_the_ends() -> None:
    assert root(np.log, float(np.log(5.0))) == pytest.approx(5.0, rel=1e-14)
    assert root(lambda x: float(np.log(x / (1 + x))), float(np.log(2.0))) == np.inf
    assert root(lambda x: float(np.log(3 + x)), float(np.log(2.0))) == 0.0


def test_trees() -> None:
    assert tree(w**2 / (1 + c)) == ["*", ["^", "w", 2], ["^", ["+", "c", 1], -1]]
    assert tree(sp.Piecewise((w, w < 1), (1, True))) == ["piecewise", ["w", ["<", "w", 1]], [1, True]]
    with pytest.raises(ValueError, match="no place in a certificate"):
        tree(sp.besselj(0, w))


def test_rules_in_roots_of_w_are_inverted() -> None:
    """η = w + √w is quadratic in √w; f against the parametric form 2Ω − w²/η̂ at three weights."""
    d = derive(eta_hat="w + sqrt(w)")
    assert d.dual is not None
    assert not d.dual.has(sp.Abs)
    for x in (0.2, 1.0, 7.5):
        level = x + x**0.5
        wanted = 2 * (x - 2 * x**0.5 + 2 * math.log1p(x**0.5)) - x**2 / level
        assert float(d.dual_at(level)) == pytest.approx(wanted, rel=1e-12, abs=1e-13)


def test_integrals_that_nothing_evaluates_are_left_to_quadrature() -> None:
    """∫ 1/log(1 + t) dt from 1 is li(1 + w) − li(2)."""
    d = derive(eta_hat="w*log(1 + w)")
    assert d.penalty is None
    wanted = float(mp.li(1 + 2.9) - mp.li(1 + 0.37))
    assert float(d.penalty_at(2.9) - d.penalty_at(0.37)) == pytest.approx(wanted, rel=1e-12)


def test_fractions_carry_no_pairs_of_minus_signs() -> None:
    middle = penalties["scad"].duality.eta_hat.args[1][0]
    assert str(middle) == "ell*w*(a - 1)/(a*ell - w)"


def test_identities_of_a_clamped_rule_are_proved_at_once() -> None:
    for name, values in (("log_sum", {"epsilon": 1.5}), ("exponential", {"c": 2.0})):
        d = clamped(penalties[name](**values).duality, retain=0.3, strength=0.1, at_most=0.9)
        assert {verdict.status for verdict in d.identities.values()} == {"proved"}
