"""Comparison sets with negative controls, and comparisons with one threshold for methods trained alike."""

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.theory import penalties
from etatrick.validation.agreement import (
    Agreement,
    ComparisonSet,
    FixedThreshold,
    Recipe,
    RetainThreshold,
    Trained,
    equivalence,
    scale_matched,
)
from etatrick.validation.seeding import seed
from tolerances import FLOAT64

WOBBLE = np.array([-0.1, 0.05, 0.0, -0.05, 0.1])


def settled(outcome: str, scale: float = 1.0) -> Agreement:
    centre, spread = {"agrees": (0.1, 0.1), "differs": (3.0, 0.1), "undecided": (0.9, 5.0)}[outcome]
    return equivalence(scale * (centre + spread * WOBBLE), margin=scale)


OUTCOMES = ("agrees", "differs", "undecided")


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_the_fixtures_are_what_they_are_called(outcome: str) -> None:
    assert settled(outcome).outcome == settled(outcome, 7.0).outcome == outcome


@pytest.mark.parametrize("first", OUTCOMES)
@pytest.mark.parametrize("second", OUTCOMES)
@pytest.mark.parametrize("control", OUTCOMES)
def test_the_conclusion_follows_from_every_member(first: str, second: str, control: str) -> None:
    found = ComparisonSet({"a": settled(first), "b": settled(second, 7.0)}, {"c": settled(control)}).conclusion
    if "differs" in (first, second):
        assert found.outcome == "differs"
        assert found.size == pytest.approx(3.0, rel=0.1)
    elif (first, second, control) == ("agrees", "agrees", "differs"):
        assert found.outcome == "agrees"
        assert found.reasons == ()
    else:
        assert found.outcome == "undecided"
        assert found.seeds_needed is None or control != "agrees"
    assert found.status == {"agrees": "checked", "differs": "refuted", "undecided": "unknown"}[found.outcome]
    named = {reason.split(":")[0] for reason in found.reasons}
    expected = {n for n, o, w in (("a", first, "agrees"), ("b", second, "agrees"), ("control c", control, "differs"))
                if o != w}  # fmt: skip
    assert named == expected
    assert set(found.witness) == {n for n, o in (("a", first), ("b", second)) if o == "differs"}
    assert str(found).startswith(found.outcome)


def test_undecided_members_say_how_many_seeds_settle_all_of_them() -> None:
    near, far = settled("undecided"), equivalence(0.7 + 5 * WOBBLE, margin=0.8)
    found = ComparisonSet({"a": near, "b": far}, {"c": settled("differs")}).conclusion
    assert near.seeds_needed
    assert far.seeds_needed
    assert found.seeds_needed == max(near.seeds_needed, far.seeds_needed)


def test_a_set_without_a_negative_control_is_refused() -> None:
    with pytest.raises(InputError, match="negative control"):
        ComparisonSet({"a": settled("agrees")}, {})
    with pytest.raises(InputError, match="nothing to compare"):
        ComparisonSet({}, {"c": settled("differs")})
    with pytest.raises(InputError, match="apart"):
        ComparisonSet({"a": settled("agrees")}, {"a": settled("differs")})
    with pytest.raises(InputError, match="negative control"):
        ComparisonSet.tested({"a": ([0.0, 0.1], 0.0, 1.0)}, {})


def test_the_level_of_differing_is_divided_among_the_comparisons() -> None:
    """A sample whose difference is significant alone, but not as one of twenty."""
    sample = 1.3 + 0.25 * np.array([-1.0, 0.4, 1.2, -0.8, 0.2, 0.0])
    assert equivalence(sample, margin=1.0).outcome == "differs"
    assert equivalence(sample, margin=1.0, family=20).outcome == "undecided"
    twenty: dict[str, Any] = {str(k): (sample, 0.0, 1.0) for k in range(20)}
    alone = ComparisonSet.tested({"0": twenty["0"]}, {"c": (sample + 5, 0.0, 1.0)})
    many = ComparisonSet.tested(twenty, {"c": (sample + 5, 0.0, 1.0)})
    assert (alone.conclusion.outcome, many.conclusion.outcome) == ("differs", "undecided")
    for family in (0, -1, 1.5):
        with pytest.raises(InputError):
            equivalence(sample, margin=1.0, family=family)  # type: ignore[arg-type]


def test_false_differences_stay_below_the_level_in_a_family() -> None:
    """Ten comparisons at their margins: the set concludes *differs* no more often than the level says."""
    runs, family = 400, 10
    rng = np.random.default_rng(seed("family"))
    wrong = 0
    for _ in range(runs):
        draws = 1 + 0.3 * rng.standard_normal((family, 6))
        tests: dict[str, Any] = {str(k): (draw, 0.0, 1.0) for k, draw in enumerate(draws)}
        wrong += ComparisonSet.tested(tests, {"c": ([9.0, 9.1, 9.2], 0.0, 1.0)}).conclusion.outcome == "differs"
    assert wrong / runs <= 0.05 + 4 * np.sqrt(0.05 * 0.95 / runs)


def test_a_set_survives_json_and_tabulates_every_member() -> None:
    found = ComparisonSet({"a": settled("agrees")}, {"c": settled("differs"), "d": settled("undecided")})
    again = ComparisonSet.from_json(json.loads(json.dumps(found.to_json())))
    assert again == found
    assert again.conclusion == found.conclusion
    assert [row[:3] for row in found.table("all").rows] == [
        ("a", "agrees", "agrees"), ("control: c", "differs", "differs"), ("control: d", "differs", "undecided"),
    ]  # fmt: skip


# --- scale-matched comparisons ------------------------------------------------------------------------------------

RECIPE = Recipe("Adam(0.9, 0.999)", 1e-3, epochs=200, batch_size=128, schedule="linear to 0")
WEIGHTS = np.random.default_rng(0).standard_normal((4, 50))


def test_one_threshold_counts_for_every_method() -> None:
    runs = [Trained("a", RECIPE, WEIGHTS), Trained("b", RECIPE, 0.1 * WEIGHTS)]
    found = scale_matched(runs, FixedThreshold(0.5))
    expected = [(np.abs(run.weights) > 0.5).mean(1) for run in runs]
    assert np.array_equal(found.difference("a", "b"), expected[0] - expected[1])
    assert found.difference("a", "b").min() > 0
    with pytest.raises(InputError, match="compared"):
        found.difference("a", "c")


@pytest.mark.parametrize(
    ("change", "word"),
    [({"optimiser": "SGD"}, "optimiser"), ({"learning_rate": 1e-4}, "learning_rate"), ({"epochs": 100}, "epochs"),
     ({"batch_size": 64}, "batch_size"), ({"schedule": "constant"}, "schedule")],
)  # fmt: skip
def test_methods_trained_differently_are_not_compared(change: dict[str, Any], word: str) -> None:
    runs = [Trained("a", RECIPE, WEIGHTS), Trained("b", replace(RECIPE, **change), WEIGHTS)]
    with pytest.raises(InputError, match=word):
        scale_matched(runs, FixedThreshold(0.5))


@pytest.mark.parametrize(
    "runs",
    [
        [],
        [Trained("a", RECIPE, WEIGHTS)],
        [Trained("a", RECIPE, WEIGHTS), Trained("a", RECIPE, WEIGHTS)],
        [Trained("a", RECIPE, WEIGHTS), Trained("b", RECIPE, WEIGHTS[:3])],
        [Trained("a", RECIPE, WEIGHTS[0]), Trained("b", RECIPE, WEIGHTS[0])],
        [Trained("a", RECIPE, WEIGHTS), Trained("b", RECIPE, np.full_like(WEIGHTS, np.nan))],
    ],
    ids=["none", "one", "same name", "other seeds", "no seeds", "diverged"],
)
def test_unusable_runs_are_refused(runs: list[Trained]) -> None:
    with pytest.raises(InputError):
        scale_matched(runs, FixedThreshold(0.5))


def test_the_threshold_of_a_retain_probability_solves_for_it() -> None:
    duality = penalties["log_sum"](epsilon=2).duality
    found = RetainThreshold(duality, lam=1e-3, retain=0.05).threshold()
    # α = w(w+ε)/(w(w+ε)+λ) = r is a quadratic in w, solved without cancellation
    level = 1e-3 * 0.05 / 0.95
    assert abs(found / (2 * level / (2 + np.sqrt(4 + 4 * level))) - 1) <= FLOAT64
    assert RetainThreshold(penalties["ridge"](c=1).duality, lam=1.0, retain=0.3).threshold() == 0.0
    with pytest.raises(InputError, match="so large"):
        RetainThreshold(penalties["ridge"](c=1).duality, lam=1.0, retain=0.7).threshold()


@pytest.mark.parametrize("value", [-1.0, float("nan"), float("inf")])
def test_unusable_thresholds_and_recipes_are_refused(value: float) -> None:
    with pytest.raises(InputError):
        FixedThreshold(value)
    with pytest.raises(InputError):
        RetainThreshold(penalties["l1"](k=1).duality, lam=-1.0 if value > 0 else value)
    with pytest.raises(InputError):
        Recipe("SGD", -abs(value) if value == value else value, 1, 1)
