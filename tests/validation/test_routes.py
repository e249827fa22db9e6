"""The builders of routes: what they prove and check, and that they refute or leave open what is false."""

import json
import math
import pickle
import re
import runpy
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import sympy as sp

import tolerances
from etatrick.errors import InputError
from etatrick.theory import derive, w
from etatrick.theory.verdict import Verdict
from etatrick.validation.claim import Absent, Claim, Route, Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.figures import draw
from etatrick.validation.routes import (
    TOLERANCES,
    Fact,
    Pair,
    Trial,
    deferred,
    mismatch,
    numbers,
    proof,
    refutation,
    trained,
)
from etatrick.validation.routes.facts import at_least, conditions, equal, identities, tends

u, v = sp.symbols("u v", positive=True)


def settled(route: Route, level: Any = "quick") -> Finding:
    """Run a route as a claim does, through JSON as a store would."""
    results = {part.name: json.loads(json.dumps(part.run(Setting(level)))) for part in route.parts}
    return route.conclude(results)


# --- facts ----------------------------------------------------------------------------------------------------------


def test_a_true_identity_is_proved_and_a_false_one_refuted_with_a_witness() -> None:
    assert equal((u + v) ** 2, u**2 + 2 * u * v + v**2, "square").verdict.status == "proved"
    false = equal((u + v) ** 2, u**2 + v**2, "not the square").verdict
    assert false.status == "refuted"
    point = {s: sp.Rational(str(false.witness[str(s)])) for s in (u, v)}
    assert float((2 * u * v).subs(point)) == pytest.approx(false.witness["value"])


def test_identities_of_undefined_functions_are_proved_by_the_rules_of_calculus_alone() -> None:
    f, g = sp.Function("f")(w), sp.Function("g")(w)
    assert equal(sp.diff(f * g, w), f * sp.diff(g, w) + g * sp.diff(f, w), "product rule").verdict.status == "proved"
    assert equal(sp.diff(f * g, w), sp.diff(f, w) * sp.diff(g, w), "no rule").verdict.status not in (
        "proved",
        "certified",
    )


@pytest.mark.parametrize("shift", [sp.Rational(1, 10**9), sp.Rational(1, 10**30), 10**30])
def test_an_identity_that_is_off_by_a_constant_is_never_proved(shift: Any) -> None:
    fact = equal(sp.log(u * v) + shift, sp.log(u) + sp.log(v), "off")
    assert fact.verdict.status == "refuted"


def test_inequalities() -> None:
    assert at_least(u + v, 2 * sp.sqrt(u * v), "means").verdict.is_rigorous
    assert at_least(u, v, "no order").verdict.status == "refuted"
    assert at_least(u**2 + v**2, 2 * u * v, "strict", strict=True).verdict.status != "proved"  # equality at u = v


@pytest.mark.parametrize(
    ("expr", "end", "limit", "status"),
    [
        (sp.log(1 + w) / w, 0, 1, "proved"),
        (sp.log(1 + w) / w, 0, 2, "refuted"),
        (sp.log(w), 0, -sp.oo, "proved"),
        (sp.log(w), 0, sp.oo, "refuted"),
        (sp.log(w), 0, 0, "refuted"),
        (sp.sin(w), sp.oo, 0, "unknown"),
    ],
)
def test_limits(expr: Any, end: Any, limit: Any, status: str) -> None:
    assert tends(expr, w, end, limit, "limit").verdict.status == status


def test_a_condition_that_should_fail_proves_by_its_counterexample() -> None:
    ridge, lasso = derive(eta_hat="1"), derive(eta_hat="w")
    (failing,) = conditions(ridge, "exact_zeros", wanted="fails")
    assert failing.outcome.status == "proved"
    assert "counterexample" in failing.outcome.method
    (holding,) = conditions(lasso, "exact_zeros", wanted="fails")
    assert holding.outcome.status == "refuted"
    open_step = Fact("x", "open", Verdict("unknown", "no idea"), "fails")
    assert open_step.outcome.status == "unknown"


def test_facts_survive_json() -> None:
    for fact in (*identities(derive(eta_hat="w*(w+2)")), equal(u, v, "false"), tends(sp.log(w), w, 0, -sp.oo, "log")):
        again = Fact.from_json(json.loads(json.dumps(fact.to_json())))
        assert again == fact


# --- proofs and refutations -----------------------------------------------------------------------------------------


def true_steps() -> list[Fact]:
    return [equal(w * (w + 1), w**2 + w, "expanded"), at_least(w + 1, w, "larger")]


def false_step() -> list[Fact]:
    return [*true_steps(), equal(w**2, w, "a square is not itself")]


def open_step() -> list[Fact]:
    return [*true_steps(), Fact("?", "left open", Verdict("unknown", "no proof found"))]


def no_steps() -> list[Fact]:
    return []


def test_a_proof_is_as_certain_as_its_weakest_step() -> None:
    found = settled(proof(true_steps, "w > 0"))
    assert (found.status, found.summary) == ("proved", "Steps: 2 proved.")
    assert len(found.formulas) == 2
    assert len(found.tables[0].rows) == 2
    assert settled(proof(open_step, "w > 0")).status == "unknown"
    assert settled(proof(no_steps, "w > 0")).status == "unknown"


def test_a_false_step_refutes_with_its_witness() -> None:
    found = settled(proof(false_step, "w > 0"))
    assert found.status == "refuted"
    assert "a square is not itself" in found.method
    x = found.witness["w"]
    assert found.witness["value"] == pytest.approx(x**2 - x)


def test_a_refutation_needs_a_statement_that_fails() -> None:
    found = settled(refutation(false_step, true_steps, "w > 0"))
    assert found.status == "refuted"
    assert found.detail.startswith("The corrected statement is proved")
    assert settled(refutation(true_steps, true_steps, "w > 0")).status == "unknown"
    assert settled(refutation(no_steps, true_steps, "w > 0")).status == "unknown"


@pytest.mark.parametrize("instead", [open_step, no_steps, false_step])
def test_a_refutation_says_when_the_correction_is_not_settled(instead: Any) -> None:
    found = settled(refutation(false_step, instead, "w > 0"))
    assert found.status == "refuted"
    assert "proved:" not in found.detail


# --- numbers --------------------------------------------------------------------------------------------------------


def right(rng: np.random.Generator) -> Pair:
    x = float(rng.uniform(0, 3))
    return Pair(math.exp(2 * x), math.exp(x) ** 2, {"x": x})


def slightly_wrong(rng: np.random.Generator) -> Pair:
    pair = right(rng)
    return Pair(pair.stated * (1 + 1e-6), pair.computed, pair.at)


def wrong_once(rng: np.random.Generator) -> Pair:
    pair = right(rng)
    return Pair(pair.stated + (pair.at["x"] > 2.9), pair.computed, pair.at)


def larger(rng: np.random.Generator) -> Pair:
    pair = right(rng)
    return Pair(pair.stated + 1, pair.computed, pair.at)


def nan(rng: np.random.Generator) -> Pair:
    return Pair(math.nan, float(rng.random()))


def infinite(rng: np.random.Generator) -> Pair:
    return Pair(math.inf, math.inf, {"x": float(rng.random())})


def test_the_tolerance_classes_are_those_of_the_tests() -> None:
    assert {name: getattr(tolerances, name) for name in TOLERANCES} == dict(TOLERANCES)


def test_numbers_that_agree_are_checked() -> None:
    found = settled(numbers(right, draws=50, control=slightly_wrong))
    assert found.status == "checked"
    assert [row[1] for row in found.tables[0].rows] == [50, 50]
    assert settled(numbers(infinite, draws=3)).status == "checked"


@pytest.mark.parametrize("wrong", [slightly_wrong, nan])
def test_a_wrong_number_is_refuted(wrong: Any) -> None:
    found = settled(numbers(wrong, draws=50))
    assert found.status == "refuted"
    assert {"stated", "computed"} <= set(found.witness)


def test_one_wrong_draw_refutes_and_is_the_witness() -> None:
    found = settled(numbers(wrong_once, draws=200))
    assert found.status == "refuted"
    assert found.witness["x"] > 2.9


def test_a_control_that_agrees_leaves_the_comparison_open() -> None:
    found = settled(numbers(right, draws=50, control=right))
    assert found.status == "unknown"
    assert "control" in found.method


@pytest.mark.parametrize(("relation", "status"), [("upper", "checked"), ("lower", "refuted"), ("equal", "refuted")])
def test_bounds_have_a_direction(relation: Any, status: str) -> None:
    assert settled(numbers(larger, draws=20, relation=relation)).status == status


def test_draws_are_seeded_and_more_at_full() -> None:
    part = numbers(right, draws=10).parts[0]
    assert part.run(Setting()) == part.run(Setting())
    assert len(part.run(Setting("full"))["pairs"]) == 50
    assert part.run(Setting("full"))["pairs"][:10] == part.run(Setting())["pairs"]


@pytest.mark.parametrize("arguments", [{"tolerance": "LOOSE"}, {"draws": 0}])
def test_bad_arguments_are_refused(arguments: Mapping[str, Any]) -> None:
    options = {"draws": 10, **arguments}
    with pytest.raises(InputError):
        numbers(right, **options)
    with pytest.raises(InputError):
        mismatch(right, right, **options)


def test_a_mismatch_needs_clearly_wrong_numbers() -> None:
    found = settled(mismatch(larger, right, draws=20))
    assert found.status == "refuted"
    assert "corrected statement is checked" in found.detail
    assert settled(mismatch(right, right, draws=20)).status == "unknown"
    unsure = settled(mismatch(larger, slightly_wrong, draws=20))
    assert unsure.status == "refuted"
    assert "not confirmed" in unsure.detail


# --- trained models -------------------------------------------------------------------------------------------------


def near(mean: float, count: int = 6) -> list[float]:
    return [mean + 0.01 * float(x) for x in np.random.default_rng(1).standard_normal(count)]


def outcome(trials: Mapping[str, Trial]) -> Finding:
    def run(setting: Setting) -> Mapping[str, Trial]:
        return trials

    return settled(trained({"runs": (run, 1.0)}, margin=0.1))


CONTROL = Trial(near(1.0), expected="differs")


@pytest.mark.parametrize(
    ("trials", "status"),
    [
        ({"a": Trial(near(0.0)), "control": CONTROL}, "checked"),
        ({"a": Trial(near(0.5)), "control": CONTROL}, "refuted"),
        ({"a": Trial([0.5, -0.4, 0.1]), "control": CONTROL}, "unknown"),
        ({"a": Trial(near(0.0)), "control": Trial(near(0.0), expected="differs")}, "unknown"),
        ({"a": Trial(near(0.0))}, "unknown"),
    ],
    ids=["agrees", "differs", "undecided", "control-agrees", "no-control"],
)
def test_trials(trials: Mapping[str, Trial], status: str) -> None:
    assert outcome(trials).status == status


@pytest.mark.parametrize(("parts", "margin"), [({}, 0.1), ({"runs": (lambda s: {}, 1.0)}, 0.0)])
def test_trials_need_a_part_and_a_margin(parts: Any, margin: float) -> None:
    with pytest.raises(InputError):
        trained(parts, margin=margin)


# --- what routes are made of ----------------------------------------------------------------------------------------


def routes() -> Iterable[Route]:
    yield proof(true_steps, "w > 0")
    yield refutation(false_step, true_steps, "w > 0")
    yield numbers(right, draws=5, control=larger)
    yield mismatch(larger, right, draws=5)


@pytest.mark.parametrize("route", list(routes()))
def test_routes_can_be_sent_to_another_process(route: Route) -> None:
    again = pickle.loads(pickle.dumps(route))  # noqa: S301
    assert settled(again) == settled(route)


@pytest.mark.parametrize("route", list(routes()))
def test_findings_survive_json_and_their_figures_can_be_drawn(route: Route) -> None:
    found = settled(route)
    assert Finding.from_json(json.loads(json.dumps(found.to_json()))).status == found.status
    for picture in found.pictures:
        draw(picture.name, found.data).clear()


def test_the_figure_of_trials_can_be_drawn() -> None:
    found = outcome({"a": Trial([near(0.0, 3), near(0.01, 3)], [0.0, 0.0, 0.0]), "control": CONTROL})
    draw(found.pictures[0].name, found.data).clear()


def test_a_deferred_function_is_imported_when_called() -> None:
    assert deferred("no.such.module:function").place == "no.such.module:function"
    with pytest.raises(ModuleNotFoundError):
        deferred("no.such.module:function")()


def test_a_claim_of_the_builders_runs() -> None:
    claim = Claim("test/small", "t", "$x$", "nowhere", "equal", proof(true_steps, "w > 0"), numbers(right, draws=5),
                  Absent("nothing to train"), {"w": "w > 0"})  # fmt: skip
    evidence = claim.run()
    assert evidence.holds
    assert (evidence.derived.status, evidence.solved.status) == ("proved", "checked")


def test_the_templates_of_the_how_to_guide_run(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    page = Path(__file__).parents[2] / "docs" / "howto" / "add_a_claim.md"
    cells = re.findall(r"```\{code-cell\}\n(.*?)```", page.read_text(encoding="utf-8"), re.DOTALL)
    script = tmp_path / "template.py"
    script.write_text("\n".join(cells), encoding="utf-8")
    found = runpy.run_path(str(script))
    evidence = found["LASSO"].run()
    assert evidence.holds
    assert (evidence.derived.status, evidence.solved.status) == ("proved", "checked")
    assert "derived: proved." in capsys.readouterr().out
    false = found["evidence"]
    assert false.holds
    assert (false.derived.status, false.solved.status) == ("refuted", "refuted")
    assert "corrected statement is checked" in false.solved.detail
