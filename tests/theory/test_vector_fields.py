"""Which rules of several weights have a penalty: known cases, and the numbers of both paths by hand."""

from typing import Any

import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.vector import (
    L1MinusL2,
    coordinatewise_monotone,
    decreasing_field,
    gradient_field,
    potential_at,
)
from tolerances import FLOAT64, close

u, v, t = sp.symbols("u v t", positive=True)
COUNTEREXAMPLE = ([1 + u + v, 1 + v], [u, v])


def test_the_counterexample_is_monotone_and_has_no_penalty() -> None:
    """By hand: log 2 + log 2 along u first, log 2 + log(3/2) along v first."""
    found = gradient_field(*COUNTEREXAMPLE)
    assert found.status == "refuted"
    assert close(found.witness["first_path"], 2 * np.log(2), FLOAT64)
    assert close(found.witness["second_path"], np.log(2) + np.log(1.5), FLOAT64)
    assert close(found.witness["loop_integral"], np.log(4 / 3), FLOAT64)
    assert coordinatewise_monotone(*COUNTEREXAMPLE).status == "proved"


def test_a_shared_scale_has_a_penalty() -> None:
    """η = 1 + u + v for both: 2Ω = log(1 + u + v)."""
    rules = [1 + u + v, 1 + u + v]
    for decide in (gradient_field, decreasing_field, coordinatewise_monotone):
        assert decide(rules, [u, v]).status == "proved"
    assert close(potential_at(rules, [u, v], [0.7, 2.0]), np.log(3.7), FLOAT64)


def test_separable_rules_always_have_one() -> None:
    rules = [sp.sqrt(u) * (sp.sqrt(u) + 2), 1 + v]
    assert gradient_field(rules, [u, v]).status == "proved"
    value = 2 * np.log(1 + 1.5 / 2) + np.log(1 + 0.3)
    assert close(potential_at(rules, [u, v], [1.5**2, 0.3]), value, FLOAT64)


def difference_rules(a: Any) -> list[Any]:
    return [1 / (1 / sp.sqrt(x) - a / sp.sqrt(u + v)) for x in (u, v)]


def test_l1_minus_l2_is_a_gradient_that_decreases_and_is_not_monotone() -> None:
    """Monotone in every weight is not necessary: here a larger weight lowers the other scales."""
    rules = difference_rules(sp.Rational(1, 2))
    assert gradient_field(rules, [u, v]).status in ("proved", "unknown")
    jacobian = sp.Matrix([1 / r for r in rules]).jacobian([u, v])
    assert sp.simplify(jacobian[0, 1] - jacobian[1, 0]) == 0
    found = coordinatewise_monotone(rules, [u, v])
    assert found.status != "proved"
    w = np.array([0.8, 1.7])
    assert close(potential_at(rules, [u, v], w**2), 2 * float(L1MinusL2(0.5).penalty_at(w)), 1e-9)
    assert decreasing_field(rules, [u, v]).status != "refuted"


def test_l1_minus_l2_beyond_one_rises() -> None:
    """For a = 3 the potential is not concave: a witness point and a direction are returned, and they hold."""
    found = decreasing_field([1 / (1 / sp.sqrt(x) - 3 / sp.sqrt(u + v)) for x in (u, v)], [u, v])
    assert found.status == "refuted"
    at = {u: found.witness["u"], v: found.witness["v"]}
    way = sp.Matrix([found.witness["along_u"], found.witness["along_v"]])
    field = sp.Matrix([1 / sp.sqrt(x) - 3 / sp.sqrt(u + v) for x in (u, v)])
    growth = (way.T * field.jacobian([u, v]).subs(at) * way)[0]
    assert float(growth) > 0


def test_a_rising_rule_is_a_gradient_without_an_eta_trick() -> None:
    """η = 1/(1 + u): 2Ω = u + u²/2 exists and is not concave."""
    assert gradient_field([1 / (1 + u)], [u]).status == "proved"
    assert decreasing_field([1 / (1 + u)], [u]).status == "refuted"
    assert coordinatewise_monotone([1 / (1 + u)], [u]).status == "refuted"
    assert close(potential_at([1 / (1 + u)], [u], [2.0]), 4.0, FLOAT64)


def test_poles_and_pieces_are_not_concluded_from() -> None:
    """A vortex-like field with a symmetric Jacobian off a pole must not be called a gradient."""
    assert gradient_field([sp.Max(u, v), sp.Max(u, v)], [u, v]).status == "unknown"
    assert gradient_field([u - v, v - u], [u, v]).status == "unknown"


def test_three_weights_and_the_place_of_the_loop() -> None:
    rules = [1 + u, 1 + v + t, 1 + t]
    found = gradient_field(rules, [u, v, t])
    assert found.status == "refuted"
    assert {"u_from", "v_to", "t_to"} <= set(found.witness)
    first = np.log((found.witness["v_to"] + 1 + 0) / 1) + np.log(1 + found.witness["t_to"])
    assert close(found.witness["first_path"], first, FLOAT64)


def test_a_field_that_is_infinite_at_zero_is_integrated_elsewhere() -> None:
    found = gradient_field([sp.sqrt(u) * (1 + v), u * v], [u, v])
    assert found.status == "refuted"
    assert abs(found.witness["loop_integral"]) > 1e-3


@pytest.mark.parametrize(
    ("rules", "symbols", "message"),
    [
        ([u], [u, v], "each rule belongs to one symbol"),
        ([], [], "each rule belongs to one symbol"),
        ([u, v], [u, u], "positive symbol of its own"),
        ([sp.Symbol("x")], [sp.Symbol("x")], "positive symbol of its own"),
        ([u + t, v], [u, v], "has the symbol t"),
        (["u", v], [u, v], "no sympy expression"),
        ([sp.Integer(0), v], [u, v], "no positive scale"),
    ],
)
def test_bad_fields_are_refused(rules: Any, symbols: Any, message: str) -> None:
    for decide in (gradient_field, decreasing_field, coordinatewise_monotone):
        with pytest.raises(InputError, match=message):
            decide(rules, symbols)


@pytest.mark.parametrize("point", [[1.0], [1.0, -1.0], [np.nan, 1.0], [np.inf, 1.0]])
def test_bad_points_are_refused(point: list[float]) -> None:
    with pytest.raises(InputError, match="finite numbers ≥ 0"):
        potential_at(*COUNTEREXAMPLE, point)
