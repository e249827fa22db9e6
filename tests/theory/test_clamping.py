"""A floor on the retain probability: the clamped penalty is the minimum over η ≥ η_m, and no other."""

from functools import lru_cache

import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import Duality, clamped, derive, lam, w
from tolerances import FLOAT64, SOLVER, close

RULES = ["w", "w*(w+2)", "sqrt(w)", "w**2", "exp(w)", "w/(1+w/4)", "1+w"]
RETAIN, STRENGTH = 0.6, 2.0
LEVEL = STRENGTH * RETAIN / (1 - RETAIN)  # 3


@lru_cache(maxsize=16)
def pair(text: str) -> tuple[Duality, Duality]:
    d = derive(eta_hat=text)
    return d, clamped(d, retain=RETAIN, strength=STRENGTH)


def minimum(d: Duality, x: float) -> float:
    """½ min over η ≥ η_m of x²/η + f(η), by refining a grid of log η (both ends belong to it)."""
    grid = np.linspace(np.log(LEVEL), np.log(LEVEL) + 40, 4001)
    for _ in range(8):
        eta = np.maximum(np.exp(grid), LEVEL)
        values = (x * x / eta + d.dual_at(eta)) / 2
        at = int(values.argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 201)
    return float(values.min())


@pytest.mark.parametrize("text", RULES)
def test_the_clamped_penalty_is_the_minimum_over_the_allowed_eta(text: str) -> None:
    """Up to the constant that makes Ω_cl(0) = 0, which is ½f(η_m)."""
    d, c = pair(text)
    shift = float(d.dual_at(LEVEL)) / 2
    for x in (0.0, 0.01, 0.5, 1.3, 2.9, 5.0, 20.0):
        assert close(float(c.penalty_at(x)), minimum(d, x) - shift), x


@pytest.mark.parametrize("text", RULES)
def test_the_clamped_dual_gives_the_clamped_penalty(text: str) -> None:
    _, c = pair(text)
    assert c.dual_at([0.0, LEVEL / 2, LEVEL * 0.999]).tolist() == [0.0, 0.0, 0.0]
    for x in (0.01, 0.5, 1.3, 2.9, 20.0):
        assert close(minimum(c, x), float(c.penalty_at(x)))


@pytest.mark.parametrize("text", RULES)
def test_the_clamped_rule_is_the_floored_rule(text: str) -> None:
    d, c = pair(text)
    x = np.array([0.0, 1e-9, 0.5, 1.0, 1.7, 3.0, 30.0])
    assert np.allclose(c.eta_hat_at(x), np.maximum(d.eta_hat_at(x), LEVEL), rtol=FLOAT64)
    assert np.allclose(c.alpha_at(x, STRENGTH), np.maximum(d.alpha_at(x, STRENGTH), RETAIN), rtol=FLOAT64)


@pytest.mark.parametrize("text", RULES)
def test_value_and_slope_are_continuous_at_the_edge(text: str) -> None:
    _, c = pair(text)
    edge = float(c.penalty.args[0][1].rhs)
    below, above = (piece for piece, _ in c.penalty.args)
    at = sp.Float(edge, 40)
    for k in (0, 1):
        left, right = (float(sp.diff(piece, w, k).subs(w, at)) for piece in (below, above))
        assert close(left, right), f"derivative {k}"
    near = c.penalty_at(edge * np.array([1 - 1e-9, 1, 1 + 1e-9]))
    assert np.ptp(near) < SOLVER


@pytest.mark.parametrize("text", ["w", "w*(w+2)", "sqrt(w)"])
def test_clamping_removes_exact_zeros_and_keeps_the_rest(text: str) -> None:
    d, c = pair(text)
    assert d.conditions["monotone"].status == "proved"
    for name in ("monotone", "subquadratic", "integrable"):
        assert c.conditions[name].status != "refuted", f"{name}: {c.conditions[name]}"
    assert not c.conditions["exact_zeros"].holds
    for name, verdict in c.identities.items():
        assert verdict.status != "refuted", f"{name}: {verdict}"


def test_a_small_floor_changes_little() -> None:
    d = derive(eta_hat="w*(w+2)")
    c = clamped(d, retain=1e-6, strength=1.0)
    x = np.array([0.1, 1.0, 10.0])
    assert np.allclose(c.penalty_at(x), d.penalty_at(x), rtol=0, atol=SOLVER)


def test_the_edge_is_exact_for_decimal_floors() -> None:
    c = clamped(derive(eta_hat="w"), retain=0.1, strength=0.9)
    assert c.penalty == sp.Piecewise((5 * w**2, w <= sp.Rational(1, 10)), (w - sp.Rational(1, 20), True))


def test_the_step_is_recorded() -> None:
    d, c = pair("w")
    assert c.steps[:-1] == d.steps
    assert "raised to at least" in c.steps[-1].reason
    assert c._repr_latex_() is not None
    assert c.alpha.has(lam)


@pytest.mark.parametrize("retain", [0.0, 1.0, -0.1, 1.5, float("nan"), "half", None, True])
def test_a_floor_outside_its_domain_is_refused(retain: float) -> None:
    with pytest.raises(InputError, match="retain"):
        clamped(pair("w")[0], retain=retain, strength=1.0)


@pytest.mark.parametrize("strength", [0.0, -1.0, float("inf"), float("nan"), None])
def test_a_strength_outside_its_domain_is_refused(strength: float) -> None:
    with pytest.raises(InputError, match="strength"):
        clamped(pair("w")[0], retain=0.5, strength=strength)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"eta_hat": "w*(w+epsilon)", "parameters": ["epsilon"]}, "without free parameters"),
        ({"eta_hat": "w+sin(w)", "time_limit": 1.5}, "closed form"),
        ({"dual": "tanh(eta)", "time_limit": 1.5}, "closed form"),
        ({"penalty": "w**2/2"}, "exactly once"),
        ({"eta_hat": "w/(1+2*w)"}, "exactly once"),
        ({"eta_hat": "5+w"}, "exactly once"),
    ],
    ids=str,
)
def test_rules_that_cannot_be_clamped_are_refused(arguments: dict[str, object], message: str) -> None:
    with pytest.raises(InputError, match=message):
        clamped(derive(**arguments), retain=0.5, strength=1.0)  # type: ignore[arg-type]


def test_a_decreasing_rule_is_refused() -> None:
    """Ω_cl is built for a rule that stays above η_m once it has reached it; 1/w does the opposite."""
    with pytest.raises(InputError):
        clamped(derive(eta_hat="1/w"), retain=0.5, strength=1.0)


def test_both_ends_clamped_against_the_minimum_over_a_range_of_eta() -> None:
    """Ω_cl is ½ min of w²/η + f(η) over η_m ≤ η ≤ η_M, up to the offset that makes it 0 at 0."""
    free = derive(eta_hat="w*(w+1/2)")
    d = clamped(free, retain=0.2, strength=1.0, at_most=0.75)
    scales = np.exp(np.linspace(np.log(0.25), np.log(3.0), 400001))
    start = float(free.dual_at(0.25)) / 2
    for x in (0.1, 0.3, 0.7, 1.4, 1.6, 5.0):
        least = float(np.min(x * x / scales + free.dual_at(scales))) / 2 - start
        assert float(d.penalty_at(x)) == pytest.approx(least, rel=1e-9)
        assert 0.2 - 1e-12 <= float(d.alpha_at(x, 1.0)) <= 0.75 + 1e-12
        at_rule = (x * x / float(d.eta_hat_at(x)) + float(d.dual_at(d.eta_hat_at(x)))) / 2
        assert at_rule == pytest.approx(least, rel=1e-9)
    assert {d.identities[name].status for name in ("slope", "gauge")} == {"proved"}
    assert d.conditions["monotone"].status == "proved"
    with pytest.raises(InputError, match="at_most"):
        clamped(free, retain=0.2, strength=1.0, at_most=0.1)
