"""Parameters with smaller domains stay symbolic; jumps at 0; what the gradient sees; parametric forms; certificates."""

import json
import math

import mpmath as mp
import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import Parameter, derive, eta, penalties, strategies, w
from etatrick.theory.certificates import certificates
from etatrick.theory.names import entry_named


@pytest.mark.parametrize(
    "parameter",
    [Parameter("p", 0, 2), Parameter("a", 2), Parameter("b", -math.inf), Parameter("g", -math.inf, 0), Parameter("c"),
     Parameter("q", 1, 4, "[]")],
    ids=str,
)  # fmt: skip
def test_an_opened_parameter_runs_through_its_domain(parameter: Parameter) -> None:
    s, value, back = parameter.opened
    assert s.is_positive
    assert sp.simplify(back.subs(parameter.symbol, value) - s) == 0
    ladder = [float(value.subs(s, sp.Rational(10) ** k)) for k in range(-12, 13)]
    assert ladder in (sorted(ladder), sorted(ladder, reverse=True))
    low, high = min(ladder), max(ladder)
    assert low == pytest.approx(parameter.lower, abs=1e-9) if math.isfinite(parameter.lower) else low < -20
    assert high == pytest.approx(parameter.upper, abs=1e-9) if math.isfinite(parameter.upper) else high > 20


@pytest.mark.parametrize(
    ("name", "values"),
    [("lp", {"p": 0.7}), ("lp", {"p": 1.5}), ("scad", {"a": 3.7, "ell": 0.5}), ("fixed_rate", {"retain": 0.3}),
     ("standout", {"a": 1.3, "b": -0.8}), ("variational_bernoulli", {"kappa": 0.7, "prior": 0.2}),
     ("bridgeout", {"q": 0.9, "retain": 0.4}), ("shakeout", {"c": 0.2, "drop": 0.5})],
    ids=str,
)  # fmt: skip
def test_a_symbolic_family_agrees_with_its_members(name: str, values: dict[str, float]) -> None:
    family = entry_named(name)
    member = (penalties if name in penalties else strategies)[name](**values).duality
    symbolic = family.at(**values)
    assert symbolic.parameters == ()
    x = np.array([0.0, 1e-3, 0.4, 1.1, 7.0])
    for form in ("penalty_at", "eta_hat_at"):
        np.testing.assert_allclose(getattr(symbolic, form)(x), getattr(member, form)(x), rtol=1e-12)
    np.testing.assert_allclose(symbolic.dual_at([0.01, 0.3, 2.0]), member.dual_at([0.01, 0.3, 2.0]), rtol=1e-12)
    for condition, verdict in family.conditions.items():
        if verdict.status == "proved":
            assert member.conditions[condition].status == "proved", condition


def test_a_witness_names_the_parameter_itself() -> None:
    verdict = entry_named("lp").conditions["exact_zeros"]
    assert verdict.status == "refuted"
    assert 1 < verdict.witness["p"] < 2
    assert "s_p" not in verdict.witness
    assert "0 < p < 2" in entry_named("lp").conditions["monotone"].domain


def test_values_outside_a_domain_are_refused() -> None:
    with pytest.raises(InputError, match="0 < p < 2"):
        entry_named("lp").at(p=2.5)
    with pytest.raises(InputError, match="a > 2"):
        penalties["scad"](a=1.5, ell=1.0)


def test_a_real_parameter_may_be_negative() -> None:
    d = derive(alpha="1/(1+exp(-(w+b)))", parameters=[Parameter("b", -math.inf)])
    assert float(d.at(b=-2.0).penalty_at(1.0)) == pytest.approx(math.e**2 * (1 - 2 / math.e), rel=1e-14)


def test_a_jump_at_zero() -> None:
    d = derive(penalty="0", jump="kappa", parameters=["kappa"])
    assert (d.penalty, d.eta_hat, d.alpha) == (sp.Symbol("kappa", positive=True), sp.oo, 1)
    assert d.at(kappa=0.5).penalty_at([0.0, 1e-300, 3.0]).tolist() == [0.0, 0.5, 0.5]
    assert d.at(kappa=0.5).dual_at([0.0, 1e-9]).tolist() == [0.0, 1.0]
    assert d.conditions["convex"].status == "refuted"
    assert d.conditions["continuous_prox"].status == "refuted"
    assert d.conditions["exact_zeros"].status == "proved"
    with pytest.raises(InputError, match="must be ≥ 0"):
        derive(penalty="w", jump=-1)
    with pytest.raises(InputError, match="Ω must grow"):
        derive(penalty="0")
    with pytest.raises(InputError, match="Ω must grow"):  # constant in disguise
        derive(penalty="max(w/2, w/2)/w")


@pytest.mark.parametrize("q", ["1/2", "1", "3/2"])
def test_the_same_noise_detached_and_differentiated(q: str) -> None:
    """Var = w^q: with gradients through the noise the penalty is w^q/2, detached it is 2/q times as large."""
    alpha = f"w**2/(w**2 + w**({q}))"
    seen, detached = derive(alpha=alpha, gradient="differentiated"), derive(alpha=alpha)
    assert sp.simplify(seen.penalty - w ** sp.Rational(q) / 2) == 0
    assert sp.simplify(detached.penalty / seen.penalty - 2 / sp.Rational(q)) == 0
    assert any("noise scale" in step.reason for step in seen.steps)
    assert any("detached" in step.reason for step in detached.steps)


def test_standout_must_be_detached() -> None:
    with pytest.raises(InputError, match="a penalty must not decrease"):
        derive(alpha="1/(1+exp(-w))", gradient="differentiated")
    with pytest.raises(InputError, match="only α is noise"):
        derive(penalty="w", gradient="differentiated")
    with pytest.raises(InputError, match="detached"):
        derive(alpha="w/(w+1)", gradient="both")  # type: ignore[arg-type]


@pytest.mark.parametrize("penalty", ["2*w/(1+w)", "atan(w)", "log(cosh(w))"])
def test_a_parametric_dual_needs_no_inverse(penalty: str) -> None:
    d = derive(penalty=penalty)
    assert d.dual is None
    curve = d.parametric
    assert curve is not None
    for t in (0.2, 1.0, 4.0):
        level = float(curve.eta_hat.subs(w, t))
        assert float(d.dual_at(level)) == pytest.approx(float(curve.dual.subs(w, t)), rel=1e-11)
    assert d.identities["stationarity"].status == "proved"


def test_variational_dropout_is_a_curve_along_eta() -> None:
    d = strategies["variational_dropout"]().duality
    curve = d.parametric
    assert curve is not None
    assert curve.variable == eta
    x, level = (float(sp.N(e.subs(eta, 2), 20)) for e in (curve.weight, curve.eta_hat))
    assert float(d.eta_hat_at(x)) == pytest.approx(level, rel=1e-13)
    assert float(d.penalty_at(x)) == pytest.approx(float(sp.N(curve.penalty.subs(eta, 2), 20)), rel=1e-13)
    assert float(d.penalty_at(5.0)) == pytest.approx(2.7226522, abs=5e-8)  # published digits
    assert {d.conditions[name].status for name in ("canonical", "concave", "exact_zeros")} == {"proved"}


def test_a_dual_that_is_not_canonical_is_minimised_not_inverted() -> None:
    d = derive(dual="tanh(eta)")
    assert d.eta_hat is None
    assert d.conditions["canonical"].status == "refuted"
    for x in (0.1, 0.5, 0.6):
        grid = np.exp(np.linspace(-12, 12, 400001))
        best = min(float(np.min(x * x / grid + np.tanh(grid))), 1.0) / 2
        assert float(d.penalty_at(x)) == pytest.approx(best, rel=1e-9)


@pytest.mark.parametrize("name", ["log_sum", "lp", "mcp", "variational_dropout", "shakeout"])
def test_every_settled_verdict_has_a_certificate(name: str) -> None:
    data = json.loads(json.dumps(certificates(entry_named(name))))
    assert data["format"] == "etatrick-certificates"
    for verdict in {**data["verdicts"], **data["identities"]}.values():
        if verdict["status"] in ("proved", "certified", "refuted"):
            assert verdict["certificate"]["kind"]


def test_names_of_the_catalogue() -> None:
    assert entry_named("w*(w+2)") is None
    assert entry_named("log_sum:epsilon=2").penalty == sp.log(w / 2 + 1)
    assert entry_named("standout:a=1,b=-1").parameters == ()
    with pytest.raises(InputError, match="parameter=number"):
        entry_named("log_sum:epsilon")


@pytest.mark.parametrize(
    ("rule", "form", "x"),
    [("sqrt(w)*(1+w)**(1/3)", "penalty", 2.0), ("sqrt(w)*(1+w)**(1/3)", "dual", 2.0), ("w*(1+w**2)", "dual", 2.0),
     ("w*(1+w)", "penalty", 1e-12), ("exp(sqrt(w))*w", "penalty", 0.7)],
)  # fmt: skip
def test_enclosures_hold_the_value_and_are_narrow(rule: str, form: str, x: float) -> None:
    d = derive(eta_hat=rule, time_limit=1.0)
    found = d.enclose(form, x)  # type: ignore[arg-type]
    with mp.workdps(40):
        eta_hat = sp.lambdify(w, d.eta_hat, "mpmath")
        place = mp.mpf(x) if form == "penalty" else mp.findroot(lambda t: eta_hat(t) - x, (0.01, 5), solver="anderson")
        area = mp.quad(lambda t: t / eta_hat(t), [0, place / 1000, place / 10, place])
        exact = area if form == "penalty" else 2 * area - place**2 / mp.mpf(x)
        assert found.lower - 1e-18 <= exact <= found.upper + 1e-18
    assert found.relative_width < 1e-13
    assert getattr(d, f"{form}_at")(x) == pytest.approx(float(exact), rel=1e-12)


def test_an_enclosure_of_a_dual_without_inverse() -> None:
    found = strategies["variational_dropout"]().duality.enclose("penalty", 5.0)
    assert found.lower <= 2.7226521850880765 <= found.upper
    assert found.relative_width < 1e-14


@pytest.mark.parametrize("x", [0.0, -1.0, math.inf, math.nan])
def test_enclosures_need_a_positive_point(x: float) -> None:
    with pytest.raises(InputError, match="finite x > 0"):
        derive(eta_hat="w").enclose("penalty", x)
    with pytest.raises(InputError, match="a value"):
        derive(eta_hat="w*c", parameters=["c"]).enclose("penalty", 1.0)
