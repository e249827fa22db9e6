"""Ranges and covers: what they enclose, what they certify, and what they must not."""

import mpmath as mp
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from etatrick.theory import derive
from etatrick.theory.cover import cover
from etatrick.theory.growth import prove_growth
from etatrick.theory.intervals import NoRangeError, range_of
from etatrick.theory.signs import keeps_sign, prove_sign
from etatrick.theory.special import Dawson
from etatrick.theory.symbols import w

x = sp.Symbol("x", positive=True)
HALF = sp.Rational(1, 2)

FORMULAS = [
    x**3 - 2 * x, (x - 2) ** 2, x**HALF / (1 + x), 1 / (1 + x**2), sp.exp(-x) * x**2, sp.exp(-x) * x**3 * sp.cos(x),
    x**x, sp.log(1 + x) - x, sp.atan(x) * sp.sin(x), sp.cosh(x - 1), sp.tanh(x) / x, sp.erf(x) - x, Dawson(x) * x,
    sp.LambertW(x) + sp.asinh(x), sp.exp(x / 2) / x, x**-3 * sp.exp(-1 / x), (1 - x) * sp.exp(-2 * x) * x,
]  # fmt: skip
POSITIVE = [
    1 + sp.cos(x) / 2, x - sp.sin(x), x**2 / 2 - 1 + sp.cos(x), sp.log(1 + x) - x / (1 + x),
    sp.atan(x) - x / (1 + x**2), 1 - sp.exp(-x) * (1 + x), sp.exp(x) - 1 - x - x**2 / 2, sp.sqrt(1 + x**3) - x,
    HALF + sp.Rational(1, 1000) - x / (1 + x**2),
    (2 + sp.sin(3 * x)) * x + sp.cos(3 * x), 2 - Dawson(x), 1 - x**2 * sp.exp(-x),
]  # fmt: skip
TINY = sp.Rational(1, 10**7)
NOT_POSITIVE = [
    1 + sp.sin(x), (x - 1) ** 2, (x - 1) ** 2 - TINY, HALF - TINY - x / (1 + x**2), sp.exp(-x) - TINY, x - TINY,
    1 / x - TINY, sp.sin(x) / x + TINY, 1 - x * sp.exp(1 - x) - TINY, sp.log(x), (x - sp.sqrt(2)) ** 2,
    x**2 - x**3 * sp.Rational(1, 10**6),
]  # fmt: skip


def value(expr: sp.Expr, at: object) -> mp.mpf:
    """Return an independent value in 40 digits."""
    with mp.workdps(40):
        dawson = {"Dawson": lambda z: mp.sqrt(mp.pi) / 2 * mp.exp(-z * z) * mp.erfi(z)}
        return sp.lambdify(x, expr, modules=[dawson, "mpmath"])(mp.mpf(at))


@pytest.mark.parametrize("expr", FORMULAS, ids=str)
@given(ends=st.tuples(st.fractions(0, 30, max_denominator=1000), st.fractions(0, 30, max_denominator=1000)),
       share=st.floats(0, 1))  # fmt: skip
@settings(max_examples=25)
def test_a_range_holds_every_value(expr: sp.Expr, ends: tuple[object, object], share: float) -> None:
    low, high = (sp.Rational(end) for end in sorted(ends))  # type: ignore[type-var]
    try:
        least, most = range_of(expr, x, low, high)
    except NoRangeError:
        return
    at = low + sp.Rational(share) * (high - low)
    if at == 0:
        return
    with mp.workdps(40):
        found = value(expr, mp.mpf(int(at.p)) / int(at.q))
        slack = mp.mpf("1e-27") * (1 + abs(found))
        assert not least.is_finite() or mp.mpf(least.str(40, radius=False)) - slack <= found
        assert not most.is_finite() or found <= mp.mpf(most.str(40, radius=False)) + slack


@pytest.mark.parametrize("expr", [1 / (x - 2), sp.sqrt(x - 2), sp.log(x - 2), sp.atan(1 / (x - 2)), sp.gamma(x) * x])
def test_no_range_across_a_pole_or_beyond_a_domain(expr: sp.Expr) -> None:
    with pytest.raises(NoRangeError):
        range_of(expr, x, sp.Integer(1), sp.Integer(3) if not expr.has(sp.gamma) else sp.oo)


def test_ranges_reach_to_infinity() -> None:
    low, high = range_of(sp.exp(-x) * x**5, x, sp.Integer(6), sp.oo)
    assert low == 0
    assert 19 < float(high) < 20  # 6⁵e⁻⁶ = 19.27, from where it falls


@pytest.mark.parametrize("expr", POSITIVE, ids=str)
def test_positive_functions_are_covered(expr: sp.Expr) -> None:
    found = cover(expr, x)
    assert found is not None
    assert all(value(expr, at) > 0 for at in ("1e-6", "0.01", "0.3", "1", "2.5", "7", "50", "1e4"))


@pytest.mark.parametrize("expr", NOT_POSITIVE, ids=str)
def test_functions_that_touch_or_cross_zero_are_not(expr: sp.Expr) -> None:
    assert cover(expr, x) is None


def test_boxes_leave_no_gap() -> None:
    found = cover(HALF + sp.Rational(1, 1000) - x / (1 + x**2), x)
    assert found is not None
    edges = [sp.Rational(*edge[1:]) if isinstance(edge, list) else sp.Integer(edge) for edge in found["boxes"]]
    assert edges == sorted(edges)
    first, last = (sp.Rational(*t[1:]) if isinstance(t := end["to"], list) else sp.Integer(t) for end in found["ends"])
    assert (edges[0], edges[-1]) == (first, 1 / last)


def test_a_certified_sign_says_how() -> None:
    verdict = prove_sign(2 + sp.sin(x), ">")
    assert verdict.status == "certified"
    assert verdict.certificate is not None
    assert verdict.certificate["factors"][0]["proof"]["rule"] == "cover"


def test_boxes_show_that_a_denominator_has_no_zero() -> None:
    assert keeps_sign(sp.cos(x) - 2)
    assert not keeps_sign(sp.cos(x))


def test_a_hidden_jump_is_no_growth() -> None:
    # its derivative 1/(1 + (w−1)²) − ½/(1 + w) is positive wherever it exists, but it falls by π at w = 1
    assert prove_growth(sp.log(1 + w) / 10 - sp.atan(1 / (w - 1))).status in ("refuted", "unknown")


def test_a_rule_without_a_symbolic_proof_is_certified() -> None:
    conditions = derive(eta_hat="w + sin(w)/2").conditions
    certified = {"subquadratic", "monotone", "canonical", "continuous_prox"}
    assert {name for name, verdict in conditions.items() if verdict.status == "certified"} == certified


def test_a_growth_with_a_denominator_is_certified() -> None:
    assert prove_growth(w + w**2 * (2 + sp.cos(w) / (1 + w))).status == "certified"


def test_parameters_are_beyond_a_cover() -> None:
    a = sp.Symbol("a", positive=True)
    assert prove_sign(1 + a + sp.sin(x) * (1 + a / 2), ">").status == "unknown"
