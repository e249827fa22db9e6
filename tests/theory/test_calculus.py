"""The calculus of dualities: every rule against brute-force minimisation over η, and wrong rules that must fail."""

from collections.abc import Callable
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from scipy.optimize import minimize_scalar

from etatrick.errors import InputError
from etatrick.theory import Duality, derive, eta, parameter, penalties, w
from etatrick.theory.calculus import added, composed, least, scaled, stretched, with_ridge
from etatrick.theory.calculus.lifting import V, additive_form, check_lifting, hadamard_form, lifted_minimum, u, v
from tolerances import FLOAT64, close

Scalar = Callable[[Any], Any]
WEIGHTS = (0.03, 0.4, 1.0, 11.0)

# Ω by hand, and how to draw its parameters; nothing here is shared with the library.
BY_HAND: dict[str, tuple[Callable[..., Any], dict[str, tuple[float, float]]]] = {
    "ridge": (lambda x, c: x**2 / (2 * c), {"c": (0.2, 3.0)}),
    "l1": (lambda x, k: k * x, {"k": (0.2, 3.0)}),
    "lp": (lambda x, p: x**p / p, {"p": (0.4, 1.8)}),
    "elastic_net": (lambda x, mu: x + mu * x**2 / 2, {"mu": (0.2, 3.0)}),
    "log_sum": (lambda x, epsilon: mp.log(1 + x / epsilon), {"epsilon": (0.2, 3.0)}),
    "fair": (lambda x: x - mp.log(1 + x), {}),
    "cauchy": (lambda x, c: c * mp.log(1 + x**2 / c) / 2, {"c": (0.2, 3.0)}),
    "geman_mcclure": (lambda x, c: c * x**2 / (2 * (c + x**2)), {"c": (0.2, 3.0)}),
}


IMPLICIT = Duality(given="dual", penalty=None, eta_hat=None, dual=sp.tanh(eta), alpha=None)


@dataclass(frozen=True)
class Case:
    """A duality and its penalty by hand."""

    name: str
    duality: Duality
    omega: Scalar


@lru_cache(maxsize=64)
def case(name: str, seed: int) -> Case:
    rng = np.random.default_rng([seed, *name.encode()])
    by_hand, ranges = BY_HAND[name]
    values = {key: round(float(rng.uniform(*span)), 1) for key, span in ranges.items()}
    exact = {key: mp.mpf(str(value)) for key, value in values.items()}
    return Case(f"{name}{values}", penalties[name](**values).duality, lambda x: by_hand(x, **exact))


def least_over_eta(f: Callable[[Any], Any], x: float) -> float:
    """½ min over η of x²/η + f(η): a grid over log η, refined; global, so it also serves duals with two wells."""
    grid = np.linspace(-30, 30, 3001)
    for _ in range(7):
        points = np.exp(grid)
        values = np.nan_to_num(x * x / points + f(points), nan=np.inf)
        at = int(values.argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 101)
    return float(values.min()) / 2


def violations(d: Duality, omega: Scalar, weights: tuple[float, ...] = WEIGHTS) -> list[str]:
    """Where Ω, η̂ = w/Ω′, or the minimum over η differs from the penalty by hand."""
    found = []
    for x in weights:
        expected = float(omega(mp.mpf(x)))
        with mp.workdps(30):
            slope = mp.diff(omega, mp.mpf(x))
        rule = float("inf") if slope == 0 else float(x / slope)
        if not close(float(d.penalty_at(x)), expected):
            found.append(f"Ω({x})")
        got = float(d.eta_hat_at(x))
        if not (got == rule or abs(got - rule) <= FLOAT64 * rule):
            found.append(f"η̂({x})")
        if d.dual is not None and not close(least_over_eta(d.dual_at, x), expected):
            found.append(f"min({x})")
    return found


def numeric_minimum(d: Duality, x: float) -> float:
    """½ min over η where f comes from inversion, point by point."""
    rule = np.log(float(d.eta_hat_at(x)))
    found = minimize_scalar(
        lambda t: float(x * x * np.exp(-t) + d.dual_at(np.exp(t))) / 2, bounds=(rule - 3, rule + 4), method="bounded",
        options={"xatol": 1e-9},
    )  # fmt: skip
    return float(found.fun)


# ------------------------------------------------------------------------------------------- scale and stretch


@pytest.mark.parametrize("name", BY_HAND)
@pytest.mark.parametrize("seed", [1, 2])
def test_scaled_and_stretched(name: str, seed: int) -> None:
    one = case(name, seed)
    c, s = np.random.default_rng([seed, 7]).uniform(0.2, 4.0, size=2).round(2)
    wide, strong = mp.mpf(str(s)), mp.mpf(str(c))
    if seed == 1:
        assert not violations(scaled(one.duality, c), lambda x: strong * one.omega(x)), one.name
        assert not violations(stretched(one.duality, s), lambda x: one.omega(x / wide)), one.name
    else:
        both = stretched(scaled(one.duality, c), s)
        assert not violations(both, lambda x: strong * one.omega(x / wide)), one.name


@pytest.mark.parametrize("name", ["l1", "log_sum", "fair", "geman_mcclure"])
def test_wrong_rules_are_noticed(name: str) -> None:
    """The natural mistakes: no inner scaling of f, s instead of s², η̂ multiplied, the sign of the ridge."""
    one = case(name, 3)
    d = one.duality
    c = sp.Rational(3, 2)
    good = scaled(d, c)
    for wrong in (
        replace(good, dual=c * d.dual),
        replace(good, dual=d.dual.subs(eta, c * eta)),
        replace(good, eta_hat=c * d.eta_hat),
        replace(good, penalty=d.penalty),
    ):
        assert violations(wrong, lambda x: 1.5 * one.omega(x))
    assert violations(replace(stretched(d, c), dual=d.dual.subs(eta, eta / c)), lambda x: one.omega(x / 1.5))
    wrong_ridge = replace(with_ridge(d, 1), dual=d.dual.subs(eta, eta / (1 + eta)))
    assert violations(wrong_ridge, lambda x: one.omega(x) + x**2 / 2)


def test_symbolic_constants_stay_symbolic() -> None:
    k, s = parameter("k"), parameter("s")
    d = stretched(scaled(derive(penalty="w - log(1+w)"), k), s)
    assert d.parameters == (k, s)
    assert {name: verdict.status for name, verdict in d.identities.items()}["slope"] == "proved"
    at = d.at(k=1.5, s=2.0)
    assert not violations(at, lambda x: 1.5 * (x / 2 - mp.log(1 + x / 2)))


@pytest.mark.parametrize("text", ["min(w, 1)", "Piecewise((w - w**2/4, w <= 2), (1, True))"])
def test_pieces_move_with_the_scale(text: str) -> None:
    d = stretched(scaled(derive(penalty=text), 2), 3)
    edge = 3.0 if "min" in text else 6.0
    assert [float(a[1].rhs) for a in d.penalty.args[:-1]] == [edge]
    shape: Scalar = (lambda x: min(x, 1)) if "min" in text else (lambda x: x - x**2 / 4 if x < 2 else mp.mpf(1))
    assert not violations(d, lambda x: 2 * shape(x / 3))


@pytest.mark.parametrize("rule", [scaled, stretched, with_ridge])
@pytest.mark.parametrize("bad", [0, -1.0, float("nan"), float("inf"), "x", None, True, w, eta, sp.Symbol("a")])
def test_constants_outside_their_domain_are_refused(rule: Any, bad: Any) -> None:
    with pytest.raises(InputError):
        rule(derive(penalty="w"), bad)


# --------------------------------------------------------------------------------------------------------- sums


@pytest.mark.parametrize("name", BY_HAND)
def test_with_ridge(name: str) -> None:
    one = case(name, 2)
    mu = round(float(np.random.default_rng([8, *name.encode()]).uniform(0.1, 2.0)), 2)
    expected: Scalar = lambda x: one.omega(x) + mp.mpf(str(mu)) * x**2 / 2  # noqa: E731
    assert not violations(with_ridge(one.duality, mu), expected), one.name
    ridge = derive(penalty=sp.Rational(str(mu)) * w**2 / 2)
    for d in (added(one.duality, ridge), added(ridge, one.duality)):
        assert d.dual is not None
        assert not violations(d, expected), one.name


def test_the_dual_at_the_end_of_its_range_is_attained_where_the_penalty_is_flat() -> None:
    """Welsch and a capped rule: f(1/μ) = 2 sup Ω, which the envelope identity needs at η̂ = 1/μ."""
    d = with_ridge(derive(penalty="1 - exp(-w)"), 2)
    f = d.dual_at([0.5, 0.5 + 1e-12])
    assert close(float(f[0]), 2.0)
    assert f[1] == np.inf


PAIRS = [("l1", "log_sum"), ("fair", "l1"), ("cauchy", "geman_mcclure"), ("lp", "fair"), ("lp", "log_sum")]


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_added(first: str, second: str) -> None:
    one, two = case(first, 5), case(second, 6)
    d = added(one.duality, two.duality)
    assert d.dual is None
    assert not violations(d, lambda x: one.omega(x) + two.omega(x))
    for x in (0.4, 2.7):
        assert close(numeric_minimum(d, x), float(one.omega(mp.mpf(x)) + two.omega(mp.mpf(x))))


@pytest.mark.parametrize(("first", "second"), PAIRS)
def test_the_dual_of_a_sum_is_the_infimal_convolution(first: str, second: str) -> None:
    one, two = case(first, 5).duality, case(second, 6).duality
    d = added(one, two)
    for x in (0.4, 2.7):
        level = float(d.eta_hat_at(x))
        share = np.linspace(1e-6, 1 - 1e-6, 4001)
        for _ in range(6):
            values = one.dual_at(level / share) + two.dual_at(level / (1 - share))
            at = int(values.argmin())
            share = np.linspace(share[max(at - 1, 0)], share[min(at + 1, share.size - 1)], 101)
        assert close(float(d.dual_at(level)), float(values.min()))


def test_wrong_sums_are_noticed() -> None:
    one, two = case("l1", 5), case("log_sum", 6)
    d = added(one.duality, two.duality)
    expected: Scalar = lambda x: one.omega(x) + two.omega(x)  # noqa: E731
    assert violations(replace(d, eta_hat=one.duality.eta_hat + two.duality.eta_hat), expected)
    assert violations(replace(d, dual=one.duality.dual + two.duality.dual), expected)
    assert violations(replace(d, penalty=2 * one.duality.penalty), expected)


def test_sums_of_rules_in_pieces_are_in_common_pieces() -> None:
    capped, minimax = derive(penalty="min(w, 1)"), derive(penalty="Piecewise((w - w**2/4, w <= 2), (1, True))")
    d = added(capped, minimax)
    assert [a[1].rhs for a in d.eta_hat.args[:-1]] == [1, 2]
    expected: Scalar = lambda x: min(x, 1) + (x - x**2 / 4 if x < 2 else mp.mpf(1))  # noqa: E731
    assert not violations(d, expected, weights=(0.03, 0.4, 1.3, 2.7, 11.0))
    assert d.eta_hat_at(5.0) == np.inf


def test_undecided_break_points_are_refused_until_they_have_values() -> None:
    a, b = parameter("a"), parameter("b")
    first, second = (stretched(derive(penalty="min(w, 1)"), s) for s in (a, b))
    with pytest.raises(InputError, match="order must be explicit"):
        added(first, second)
    d = added(first.at(a=2), second.at(b=0.5))
    assert not violations(d, lambda x: min(x / 2, 1) + min(2 * x, 1), weights=(0.03, 0.3, 1.3, 2.7))


def test_a_sum_with_a_barrier_is_zero_at_its_base() -> None:
    barrier = derive(eta_hat="w**2")
    for d in (with_ridge(barrier, 3), added(derive(penalty="w"), barrier), scaled(barrier, 3)):
        assert d.base == 1
        assert d.penalty_at(1.0) == 0.0
    assert stretched(barrier, 3).penalty_at(3.0) == 0.0
    assert not violations(with_ridge(barrier, 3), lambda x: mp.log(x) + 1.5 * x**2 - 1.5)


# ----------------------------------------------------------------------------------------------------- minimum

CROSSING = [
    ("w", "w**2/2"),
    ("w", "log(1+2*w)"),
    ("2*w", "min(w, 1)"),
    ("w/2", "min(w, 1)"),
    ("w**2/2", "w/4 + w**2/4"),
    ("w", "w/2"),
]


FORMULAS: dict[str, Scalar] = {
    "w": lambda x: x, "w**2/2": lambda x: x**2 / 2, "2*w": lambda x: 2 * x, "w/2": lambda x: x / 2,
    "log(1+2*w)": lambda x: mp.log(1 + 2 * x), "min(w, 1)": lambda x: min(x, 1),
    "w/4 + w**2/4": lambda x: (x + x**2) / 4,
}  # fmt: skip


@pytest.mark.parametrize(("first", "second"), CROSSING)
def test_least(first: str, second: str) -> None:
    one, two = derive(penalty=first), derive(penalty=second)
    d = least(one, two)
    by_hand = [FORMULAS[text] for text in (first, second)]
    for x in WEIGHTS:
        values = [float(f(mp.mpf(x))) for f in by_hand]
        assert close(float(d.penalty_at(x)), min(values)), x
        if values[0] != values[1]:  # where they cross, η̂ jumps
            winner = one if values[0] < values[1] else two
            assert float(d.eta_hat_at(x)) == pytest.approx(float(winner.eta_hat_at(x)), rel=FLOAT64)
        if one.dual is not None and two.dual is not None:
            assert close(least_over_eta(d.dual_at, x), min(values)), x
            larger = least_over_eta(lambda e: np.maximum(one.dual_at(e), two.dual_at(e)), x)
            assert larger >= max(values) - FLOAT64  # so the larger dual would not do


def test_least_is_in_pieces_where_the_crossing_is_explicit() -> None:
    k = parameter("k")
    d = least(scaled(derive(penalty="w"), k), derive(penalty="w**2/2"))
    assert d.penalty == sp.Piecewise((w**2 / 2, w <= 2 * k), (k * w, True))
    assert d.eta_hat == sp.Piecewise((1, w <= 2 * k), (w / k, True))
    assert d.conditions["monotone"].status != "refuted"


def test_least_without_explicit_crossing_holds_the_minimum() -> None:
    """They cross near 1.6, at no number that has a name."""
    one, two = derive(penalty="w - log(1+w)"), derive(penalty="sqrt(w)*atan(w)/3")
    d = least(one, two)
    assert isinstance(d.penalty, sp.Min)
    penalty, eta_hat = (sp.lambdify(w, expr) for expr in (d.penalty, d.eta_hat))
    seen = set()
    for x in (*WEIGHTS, 50.0):
        values = [float(one.penalty_at(x)), float(two.penalty_at(x))]
        winner = int(np.argmin(values))
        seen.add(winner)
        assert close(float(penalty(x)), min(values))
        assert close(float(eta_hat(x)), float((one, two)[winner].eta_hat_at(x)))
    assert seen == {0, 1}


def test_least_of_a_penalty_and_itself() -> None:
    d = derive(penalty="log(1+w)")
    assert least(d, d).penalty == d.penalty


# ------------------------------------------------------------------------------------------------- composition

OUTER: dict[str, Scalar] = {
    "sqrt(w)": mp.sqrt, "log(1+w)": lambda t: mp.log(1 + t), "w/(1+w)": lambda t: t / (1 + t), "3*w": lambda t: 3 * t,
    "1 - exp(-w)": lambda t: 1 - mp.exp(-t),
}  # fmt: skip


@pytest.mark.parametrize("phi", OUTER)
@pytest.mark.parametrize("name", ["ridge", "l1", "geman_mcclure"])
def test_composed(phi: str, name: str) -> None:
    one = case(name, 9)
    d = composed(phi, one.duality)
    expected: Scalar = lambda x: OUTER[phi](one.omega(x))  # noqa: E731
    weights = WEIGHTS[:3]  # further out 1 − exp(−Ω) is flat to double precision
    assert not violations(d, expected, weights)
    if d.dual is None:
        assert close(numeric_minimum(d, 0.7), float(expected(mp.mpf("0.7"))))
    wrong = replace(d, eta_hat=one.duality.eta_hat)
    assert violations(wrong, expected, weights)


@pytest.mark.parametrize(("phi", "inner"), [("sqrt(w)", "w**2/2"), ("log(1+w)", "w"), ("w/(1+w)", "log(1+w)")])
def test_composition_stays_subquadratic(phi: str, inner: str) -> None:
    assert composed(phi, derive(penalty=inner)).conditions["subquadratic"].status != "refuted"


def test_composition_with_a_piecewise_outer_function() -> None:
    d = composed("min(w, 1)", derive(penalty="w**2/2"))
    x = np.array([0.5, 1.0, 1.4, 1.5, 9.0])
    assert np.allclose(d.penalty_at(x), np.minimum(x**2 / 2, 1), rtol=FLOAT64)
    assert d.eta_hat_at(x).tolist() == [1.0, 1.0, 1.0, np.inf, np.inf]
    twice = composed("min(w, 1/2)", derive(penalty="min(w, 1)"))
    assert twice.penalty_at([0.25, 0.5, 0.75, 2.0]).tolist() == [0.25, 0.5, 0.5, 0.5]


@pytest.mark.parametrize(
    "phi", ["w**2", "w + w**2", "exp(w) - 1", "w*log(1+w)", "-w", "1/(1+w)", "log(w)", "eta", "q*w"]
)
def test_outer_functions_that_are_not_concave_and_increasing_are_refused(phi: str) -> None:
    with pytest.raises(InputError):
        composed(phi, derive(penalty="w"))


def test_what_has_no_closed_form_is_refused_where_the_rule_needs_it() -> None:
    implicit = IMPLICIT
    barrier = derive(eta_hat="w**2")
    attempts: tuple[Callable[[], Duality], ...] = (
        lambda: added(implicit, implicit),
        lambda: least(implicit, implicit),
        lambda: composed("sqrt(w)", implicit),
        lambda: least(barrier, derive(penalty="w")),
        lambda: composed("sqrt(w)", barrier),
    )
    for attempted in attempts:
        with pytest.raises(InputError, match=r"closed form|−∞"):
            attempted()


def test_a_dual_alone_can_be_scaled_stretched_and_given_a_ridge() -> None:
    implicit = IMPLICIT
    assert scaled(implicit, 2).dual == 2 * sp.tanh(2 * eta)
    assert stretched(implicit, 2).dual == sp.tanh(eta / 4)
    assert with_ridge(implicit, 1).dual.subs(eta, sp.Rational(1, 2)) == sp.tanh(1)


def test_a_rule_without_a_closed_penalty_still_adds() -> None:
    open_one = derive(eta_hat="w + sin(w)", time_limit=1.5)
    d = added(open_one, derive(penalty="w"))
    expected = float(mp.quad(lambda t: t / (t + mp.sin(t)), [1e-30, 1.5])) + 1.5
    assert close(float(d.penalty_at(1.5)), expected)


def test_a_jump_at_zero_goes_through_every_rule() -> None:
    """Ω = κ·1{w ≠ 0} + w²/2 with κ = 3: the formula for w > 0 includes the jump, and the rules keep them together."""
    d = derive(penalty="w**2/2", jump=3)
    jumps = {
        2: with_ridge(scaled(d, sp.Rational(2, 3)), 1), 3: stretched(d, 5), 6: added(d, d),
        0: least(d, derive(penalty="w")), sp.sqrt(3): composed("sqrt(w)", d),
    }  # fmt: skip
    for jump, made in jumps.items():
        assert made.jump == jump
        first = made.penalty.args[0][0] if isinstance(made.penalty, sp.Piecewise) else made.penalty
        assert sp.limit(first, w, 0, "+") == jump
        assert made.penalty_at(0.0) in (0.0, float(jump))
        if made.dual is not None:
            assert close(least_over_eta(made.dual_at, 2.0), float(made.penalty_at(2.0)))


def test_every_rule_records_its_step() -> None:
    d = derive(penalty="w")
    for made in (scaled(d, 2), stretched(d, 2), with_ridge(d, 2), added(d, d), least(d, d), composed("sqrt(w)", d)):
        assert made.steps[: len(d.steps)] == d.steps
        assert len(made.steps) == len(d.steps) + 1
        assert made.steps[-1].latex
        assert made._repr_latex_() is not None
    assert composed("sqrt(w)", d).steps[-1].verdict == derive(penalty="sqrt(w)").conditions["concave"]


# ------------------------------------------------------------------------------------------------ lifted forms


@pytest.mark.parametrize("name", ["l1", "log_sum", "fair", "cauchy", "elastic_net", "lp"])
def test_lifted_forms(name: str) -> None:
    one = case(name, 11)
    for x in (0.05, 0.8, 4.0):
        expected = float(one.omega(mp.mpf(x)))
        for form in (hadamard_form(one.duality), additive_form(one.duality)):
            assert close(lifted_minimum(form, x), expected), (one.name, x, form)
        assert check_lifting(one.duality, x).status == "checked"


def test_the_lifted_forms_of_the_lasso() -> None:
    d = derive(penalty="w")
    assert hadamard_form(d) == u**2 + v**2
    assert sp.simplify(additive_form(d) - V - w**2 / V) == 0


def test_wrong_lifted_forms_are_noticed() -> None:
    d = derive(penalty="log(1+w)")
    for wrong in (replace(d, dual=d.dual.subs(eta, eta**2)), replace(d, dual=2 * d.dual), replace(d, penalty=w)):
        verdict = check_lifting(wrong, 1.5)
        assert verdict.status == "refuted"
        assert verdict.witness["w"] == 1.5


def test_lifted_forms_refuse_what_they_cannot_do() -> None:
    with pytest.raises(InputError, match="no closed form"):
        hadamard_form(derive(eta_hat="w + sin(w)", time_limit=1.0))
    form = hadamard_form(derive(penalty="k*w", parameters=["k"]))
    with pytest.raises(InputError, match="k: numbers need"):
        lifted_minimum(form, 1.0)
    for bad in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="positive and finite"):
            lifted_minimum(u**2 + v**2, bad)
