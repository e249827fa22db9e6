"""Float values of the four forms against quadrature, root finding and minimisation that share nothing with them."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.theory import Duality, derive, w
from etatrick.theory.numbers import compiled
from tolerances import EXACT, FLOAT64, close

RULES: dict[str, Callable[[Any], Any]] = {
    "w": lambda t: t,
    "w*(w+2)": lambda t: t * (t + 2),
    "sqrt(w)": lambda t: mp.sqrt(t),
    "1+w": lambda t: 1 + t,
    "(1+w**2)/2": lambda t: (1 + t * t) / 2,
    "exp(w)": lambda t: mp.exp(t),
    "w*exp(w/2)": lambda t: t * mp.exp(t / 2),
    "w/(1+w/4)": lambda t: t / (1 + t / 4),
}
OPEN: dict[str, Callable[[Any], Any]] = {  # no closed form of Ω, and none of f
    "w+sin(w)": lambda t: t + mp.sin(t),
    "w+log(1+w)": lambda t: t + mp.log1p(t),
    "sqrt(w)+w*exp(w)": lambda t: mp.sqrt(t) + t * mp.exp(t),
}
POINTS = [1e-6, 0.031, 0.7, 1.9, 6.3]


@lru_cache(maxsize=32)
def derived(text: str) -> Duality:
    return derive(eta_hat=text, time_limit=1.5)


def area(rule: Callable[[Any], Any], top: float, *kinks: float) -> float:
    """∫₀ᵗ t/η̂(t) dt by tanh-sinh quadrature, whose nodes never touch 0."""
    with mp.workdps(25):
        return float(mp.quad(lambda t: t / rule(t), sorted({mp.mpf(0), mp.mpf(top) / 8, mp.mpf(top), *kinks})))


def root(rule: Callable[[Any], Any], level: float) -> Any:
    """Return the weight at which an increasing rule reaches `level`, by bisection in log-weight."""
    low, high = mp.mpf(-200), mp.mpf(20)
    for _ in range(120):
        middle = (low + high) / 2
        low, high = (middle, high) if rule(mp.exp(middle)) < level else (low, middle)
    return mp.exp(low)


def smallest(f: Callable[[float], float], x: float) -> float:
    """½ min over η of x²/η + f(η): a log grid, refined around its best point."""
    grid = np.linspace(-40.0, 40.0, 250)
    for _ in range(12):
        values = np.array([(x * x / np.exp(t) + f(float(np.exp(t)))) / 2 for t in grid])
        at = int(values.argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 25)
    return float(values.min())


@pytest.mark.parametrize("text", [*RULES, *OPEN])
def test_penalty_is_the_area_under_w_over_eta_hat(text: str) -> None:
    rule = (RULES | OPEN)[text]
    found = derived(text).penalty_at(POINTS)
    for x, value in zip(POINTS, found, strict=True):
        assert close(float(value), area(rule, x))


@pytest.mark.parametrize("text", [*RULES, *OPEN])
def test_eta_hat_is_the_rule(text: str) -> None:
    rule = (RULES | OPEN)[text]
    for x, value in zip(POINTS, derived(text).eta_hat_at(POINTS), strict=True):
        assert close(float(value), float(rule(mp.mpf(x))))


@pytest.mark.parametrize("text", [*RULES, *OPEN])
def test_dual_by_independent_inversion(text: str) -> None:
    rule = (RULES | OPEN)[text]
    for x in POINTS[1:]:
        level = float(rule(mp.mpf(x)))
        where = root(rule, level)
        f = 2 * area(rule, float(where)) - float(where**2) / level
        assert close(float(derived(text).dual_at(level)), f)


@pytest.mark.parametrize("text", RULES)
def test_penalty_is_the_minimum_over_eta(text: str) -> None:
    d = derived(text)
    for x in (0.05, 0.7, 4.0):
        assert close(smallest(lambda e: float(d.dual_at(e)), x), float(d.penalty_at(x)))


@settings(max_examples=15, derandomize=True, deadline=None)
@given(st.fractions("1/50", 20, max_denominator=97), st.floats(1e-6, 1e3))
def test_log_sum_at_random_parameters(epsilon: Any, x: float) -> None:
    e = sp.Rational(epsilon.numerator, epsilon.denominator)
    penalty, eta_hat = sp.log(1 + w / e), w * (w + e)
    d = Duality("penalty", penalty, eta_hat, None, None)
    with mp.workdps(30):
        scale, size = mp.mpf(epsilon.numerator) / epsilon.denominator, mp.mpf(x)
        assert close(float(d.penalty_at(x)), float(mp.log1p(size / scale)), 1e-14)
        level = size * (size + scale)
        f = 2 * mp.log1p(size / scale) - size**2 / level
        assert close(float(d.eta_hat_at(x)), float(level), 1e-14)
        if x > 1e-3:
            assert close(float(d.dual_at(float(level))), float(f))


# ---------------------------------------------------------------------------------------------- extremes and limits


def test_zero_and_signs() -> None:
    d = derived("w*(w+2)")
    assert d.penalty_at([0.0, -0.0]).tolist() == [0.0, 0.0]
    assert d.eta_hat_at(0.0) == EXACT
    assert d.dual_at(0.0) == EXACT
    assert d.alpha_at(0.0, 1.0) == EXACT
    assert np.array_equal(d.penalty_at([-3.0, 3.0]), d.penalty_at([3.0, 3.0]))
    assert derived("1+w").eta_hat_at(0.0) == 1.0


@pytest.mark.parametrize("text", ["w", "w*(w+2)", "sqrt(w)", "1+w", "(1+w**2)/2"])
@pytest.mark.parametrize("x", [5e-324, 1e-300, 1e-20, 1e-9, 1e8, 1e100])
def test_tiny_and_huge_weights(text: str, x: float) -> None:
    d, rule = derived(text), RULES[text]
    with mp.workdps(250):
        size = mp.mpf(x)
        penalty = sp.lambdify(w, d.penalty, "mpmath")(size)
        weight = rule(size)
        # Ω is known to an absolute error; the tiny values of log(1+w/ε) keep all their digits
        assert close(float(d.penalty_at(x)), float(penalty))
        assert close(float(d.eta_hat_at(x)), float(weight))
        for lam in (1e-9, 1.0, 1e9):
            assert close(float(d.alpha_at(x, lam)), float(weight / (weight + lam)))


def test_tiny_weights_keep_relative_accuracy_where_the_form_allows() -> None:
    for x in (1e-300, 1e-100, 1e-20, 1e-10):
        assert abs(float(derived("w*(w+2)").penalty_at(x)) / (x / 2) - 1) < 1e-9
        assert float(derived("w").penalty_at(x)) == x


def test_overflow_keeps_alpha_at_one() -> None:
    assert derived("w*(w+2)").alpha_at(1e300, 1.0) == 1.0
    assert derived("exp(w)").alpha_at([800.0, 1e5], 1.0).tolist() == [1.0, 1.0]


@pytest.mark.parametrize("text", ["exp(w)", "w*exp(w/2)"])
def test_bounded_penalties_stay_finite_at_huge_weights(text: str) -> None:
    d = derived(text)
    cap = {"exp(w)": 1.0, "w*exp(w/2)": 2.0}[text]
    assert [close(float(v), cap) for v in d.penalty_at([50.0, 800.0, 1e5])] == [True] * 3


def test_dual_of_an_exponential_penalty_uses_lambert_w_without_warning() -> None:
    d = derived("w*exp(w/2)")
    for e in (1e-6, 0.5, 3.0, 1e4):
        lw = mp.lambertw(mp.mpf(e) / 2).real
        assert close(float(d.dual_at(e)), float(4 - 2 * (2 + lw) * mp.exp(-lw)))


@pytest.mark.parametrize("text", ["log(cosh(w))", "w - log(1+w)", "w**2/2"])
def test_dual_below_the_range_of_eta_hat_is_zero(text: str) -> None:
    """Also by the fall-back: log cosh has η̂ = w·coth w ≥ 1, whose inverse has no closed form."""
    d = derive(penalty=text, time_limit=1.5)
    assert d.dual_at([0.0, 0.25, 0.9]).tolist() == [0.0, 0.0, 0.0]


def test_dual_above_a_bounded_rule_is_infinite() -> None:
    """η̂ = erf(w) < 1 has no inverse in closed form; above 1 the dual is +∞."""
    d = Duality("eta_hat", None, sp.erf(w), None, None)
    assert d.dual_at([1.5, 20.0]).tolist() == [np.inf, np.inf]
    assert close(float(d.dual_at(float(mp.erf(0.8)))), 2 * area(mp.erf, 0.8) - 0.8**2 / float(mp.erf(0.8)))


def test_fall_backs_from_a_dual_alone() -> None:
    """For f = tanh η there is no η̂ in closed form: everything comes from inverting w² = η² f′(η)."""
    d = derive(dual="tanh(eta)", time_limit=2.0)
    assert d.eta_hat is None
    for x in (0.05, 0.3, 0.5):
        level = float(d.eta_hat_at(x))
        assert close(level**2 * float(mp.sech(level)) ** 2, x * x)
        assert close(float(d.penalty_at(x)), (x * x / level + float(mp.tanh(level))) / 2)


def test_fall_back_from_a_dual_with_an_offset_is_normalised() -> None:
    """Ω(0) = 0 also when f(0) = 1 and Ω has no closed form."""
    d = Duality("dual", None, None, 1 + sp.log(1 + sp.Symbol("eta", positive=True)), None)
    plain = Duality("dual", None, None, sp.log(1 + sp.Symbol("eta", positive=True)), None)
    assert d.penalty_at(0.0) == EXACT
    assert np.allclose(d.penalty_at([1e-8, 0.5, 3.0]), plain.penalty_at([1e-8, 0.5, 3.0]), rtol=0, atol=FLOAT64)


def test_a_real_penalty_never_takes_a_complex_detour() -> None:
    """The integral of w/(|w−1|+1) comes with 2πi in it: its values are real, or come from quadrature."""
    d = derive(eta_hat="abs(w-1)+1", time_limit=8.0)
    for x in (0.3, 0.9, 2.0):
        shift = area(lambda t: abs(t - 1) + 1, 1.0) if d.base == 1 else 0.0
        assert close(float(d.penalty_at(x)) + shift, area(lambda t: abs(t - 1) + 1, x, *[1.0][: x > 1]), 1e-8)


# ------------------------------------------------------------------------------------------------- shapes and errors


def test_shapes_are_kept() -> None:
    d = derived("w*(w+2)")
    for shape in ((), (0,), (3,), (2, 3), (1, 2, 2)):
        x = np.full(shape, 0.5)
        for values in (d.penalty_at(x), d.eta_hat_at(x), d.dual_at(x), d.alpha_at(x, 1.0)):
            assert values.shape == shape
            assert values.dtype == np.float64
    assert d.penalty_at([1, 2]).shape == (2,)


def test_constant_forms_are_broadcast() -> None:
    d = derive(penalty="w**2/2")
    assert d.eta_hat_at(np.zeros((2, 2))).tolist() == [[1.0, 1.0], [1.0, 1.0]]


@pytest.mark.parametrize("bad", [[np.nan], [1.0, np.inf], -np.inf])
def test_values_that_are_no_numbers_are_refused(bad: Any) -> None:
    d = derived("w")
    for call in (d.penalty_at, d.eta_hat_at, d.dual_at):
        with pytest.raises(InputError, match="NaN or infinite"):
            call(bad)


@pytest.mark.parametrize("lam", [0.0, -1.0, np.nan, np.inf])
def test_lambda_must_be_positive_and_finite(lam: float) -> None:
    with pytest.raises(InputError, match="λ must be a finite number > 0"):
        derived("w").alpha_at(1.0, lam)


def test_free_parameters_must_have_values() -> None:
    d = derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"])
    for call in (d.penalty_at, d.eta_hat_at, d.dual_at):
        with pytest.raises(InputError, match=r"\.at\(epsilon"):
            call(1.0)


def test_a_rule_that_depends_on_lambda_is_refused() -> None:
    with pytest.raises(InputError, match="depends on λ"):
        derive(alpha="w/(w+lam**2)").alpha_at(1.0, 1.0)


def test_compiled_functions_keep_accuracy_near_zero() -> None:
    assert float(compiled(sp.log(1 + w), w)(1e-20)) == 1e-20
    assert float(compiled(sp.exp(w) - 1, w)(1e-20)) == 1e-20


@pytest.mark.parametrize(
    "text", ["erf(w)", "erfc(w)", "erfi(w)", "gamma(1+w)", "loggamma(1+w)", "digamma(1+w)", "lambertw(w)",
             "dawson(w)", "polylog(2, w/4)", "sigmoid(w)", "atan(w)", "asinh(w)", "max(w, 1)", "min(w, 2)",
             "sign(w)", "abs(w-1)", "Piecewise((w, w < 1), (w**2, True))"]
)  # fmt: skip
def test_every_function_of_the_grammar_compiles_to_the_right_value(text: str) -> None:
    from etatrick.theory.grammar import parse

    expr = parse(text)
    found = compiled(expr, w)(np.array([0.3, 1.0, 1.7]))
    for x, value in zip((0.3, 1.0, 1.7), np.broadcast_to(found, 3), strict=True):
        assert close(complex(value).real, float(sp.re(sp.N(expr.subs(w, sp.Rational(repr(x))), 20))))
