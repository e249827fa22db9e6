"""What the experiments conclude: a passing set of results passes, and each single failing quantity is named."""

import copy
import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
import sympy as sp

from etatrick.theory import derive, penalties
from etatrick.theory.duality import FORMS
from etatrick.theory.identities import STATEMENTS
from etatrick.theory.symbols import eta
from etatrick.theory.verdict import Verdict
from etatrick.validation.agreement import equivalence
from etatrick.validation.claim import Part, Route, Setting
from etatrick.validation.evidence import Evidence, Finding
from etatrick.validation.experiments import (
    log_sum_digits,
    log_sum_forms,
    log_sum_linear,
    log_sum_observed,
    log_sum_solutions,
)
from etatrick.validation.ledger import claims
from tolerances import FLOAT64

NAN = float("nan")
CLAIM = claims["flip-side/log-sum-duality"]


def changed(results: dict[str, Any], path: tuple[Any, ...], value: Any) -> dict[str, Any]:
    """Return a deep copy with one entry replaced."""
    again = copy.deepcopy(results)
    place: Any = again
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return again


def test_the_threshold_is_the_weight_whose_retain_probability_is_one_twentieth() -> None:
    found = log_sum_digits.threshold()
    epsilon, lam = log_sum_digits.EPSILON, log_sum_digits.LAM
    assert found * (found + epsilon) == pytest.approx(lam / 19, rel=1e-12)  # α = η̂/(η̂+λ) = 1/20
    alpha = penalties["log_sum"](epsilon=epsilon).duality.alpha_at(np.array([found]), log_sum_digits.LAM)
    assert abs(float(alpha[0]) - log_sum_digits.PRUNE_ALPHA) < FLOAT64


# --- derived ------------------------------------------------------------------------------------------------------

PROVED = Verdict("proved", "expands to 0", "w > 0").to_json()
OPEN = Verdict("unknown", "no proof within 10 s").to_json()
FALSE = Verdict("refuted", "enclosed away from 0", "w > 0", {"w": 2.0}).to_json()
CONDITIONS = ("subquadratic", "monotone", "canonical", "exact_zeros", "convex")


def derived_results() -> dict[str, Any]:
    starts = tuple(log_sum_forms.STARTS)
    conditions = {name: FALSE if name == "convex" else PROVED for name in CONDITIONS}
    return {
        "forms": copy.deepcopy(
            {
                "forms": dict.fromkeys(FORMS, "x"),
                "steps": [["x", "integrated"]],
                "identities": {start: dict.fromkeys(STATEMENTS, PROVED) for start in starts},
                "conditions": dict.fromkeys(starts, conditions),
                "same": {f"{start}: {form}": PROVED for start in starts[1:] for form in FORMS},
                "minimised": {"draws": 200, "largest_error": 3e-12},
                "curves": {},
            }
        )
    }


def test_complete_proofs_are_concluded_as_proved() -> None:
    found = log_sum_forms.conclude(derived_results())
    assert found.status == "proved"
    assert "Not settled" not in found.summary
    assert "32 identities" in found.summary  # 3·4 identities, 3·4 conditions, 2·4 comparisons


DECIDING = [
    *(("identities", start, name) for start in log_sum_forms.STARTS for name in STATEMENTS),
    *(("conditions", start, name) for start in log_sum_forms.STARTS for name in log_sum_forms.REQUIRED),
    *(("same", f"{start}: {form}") for start in list(log_sum_forms.STARTS)[1:] for form in FORMS),
]


@pytest.mark.parametrize("path", DECIDING, ids="/".join)
def test_one_open_or_false_verdict_is_enough(path: tuple[str, ...]) -> None:
    for verdict, status in ((OPEN, "unknown"), (FALSE, "refuted")):
        found = log_sum_forms.conclude(changed(derived_results(), ("forms", *path), verdict))
        assert found.status == status
        assert found.summary.startswith("Not settled")
        assert str(verdict["method"]) in found.summary


def test_a_refutation_outranks_an_open_question() -> None:
    results = changed(derived_results(), ("forms", *DECIDING[0]), OPEN)
    assert log_sum_forms.conclude(changed(results, ("forms", *DECIDING[-1]), FALSE)).status == "refuted"


@pytest.mark.parametrize("error", [2e-10, 1.0, float("inf"), NAN])
def test_a_minimum_over_eta_that_misses_the_penalty_is_enough(error: float) -> None:
    found = log_sum_forms.conclude(changed(derived_results(), ("forms", "minimised", "largest_error"), error))
    assert found.status == "refuted"
    assert "relative error" in found.witness


@pytest.mark.parametrize("path", [("identities", "penalty"), ("identities", "dual"), ("same",)], ids="/".join)
def test_proofs_that_are_missing_prove_nothing(path: tuple[str, ...]) -> None:
    assert not log_sum_forms.conclude(changed(derived_results(), ("forms", *path), {})).holds


def test_a_status_that_holds_is_never_called_unsettled() -> None:
    certified = Verdict("certified", "enclosed by interval arithmetic").to_json()
    found = log_sum_forms.conclude(changed(derived_results(), ("forms", *DECIDING[0]), certified))
    assert found.holds != found.summary.startswith("Not settled")


def test_the_condition_that_is_false_for_log_sum_is_shown_but_not_required() -> None:
    rows = {row[0]: row for row in log_sum_forms.conclude(derived_results()).tables[1].rows}
    assert rows["convex"][2] == "refuted"


def test_the_minimum_over_eta_can_fail() -> None:
    """The independent minimisation, on the right dual and on the one with its second term doubled."""
    right = derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"])
    assert log_sum_forms._minimise_over_eta(right)["largest_error"] <= log_sum_forms.TOLERANCE
    (epsilon,) = right.parameters
    root = sp.sqrt(epsilon**2 + 4 * eta)
    doubled = replace(right, dual=right.dual - (root - epsilon) / (root + epsilon))
    assert log_sum_forms._minimise_over_eta(doubled)["largest_error"] > 1e-3


# --- solved -------------------------------------------------------------------------------------------------------


def solved_results() -> dict[str, Any]:
    return {
        "log-sum path": {
            "names": ["a", "b"], "lams": [0.5, 0.1, 0.01], "coefs": [[0.0, 0.0], [0.1, 0.0], [0.2, 0.1]],
            "kkt": [0.0, 1e-16, 2e-16], "relative_kkt": [0.0, 1e-16, 2e-16], "locally_minimal": [True] * 3,
            "moved": [1e-16, 1e-16, 0.0], "largest_rise": -1e-15,
        },
        "lasso path": {
            "lams": [0.5, 0.1], "coefs": [[0.0, 0.0], [0.1, 0.0]], "relative_gap": [1e-16, 0.0],
            "cvxpy": [1e-13, 1e-12],
        },
        "exact masks": {
            "gradient_residual": 3e-15, "minimiser_residual": 4e-15, "masks": 1024, "draws": 5,
            "locked_objective": 0.5, "released_objective": 0.2987, "best_objective": 0.2987,
        },
    }  # fmt: skip


FAULTS = {
    "KKT residual": ("log-sum path", "kkt", 1),
    "one more reweighted ridge step": ("log-sum path", "moved", 2),
    "rise of the objective": ("log-sum path", "largest_rise"),
    "duality gap": ("lasso path", "relative_gap", 1),
    "difference from cvxpy": ("lasso path", "cvxpy", 1),
    "expected dropout gradient": ("exact masks", "gradient_residual"),
    "minimiser of the expected dropout loss": ("exact masks", "minimiser_residual"),
    "from an all-zero start": ("exact masks", "released_objective"),
}


def test_results_within_tolerance_are_concluded_as_checked() -> None:
    found = log_sum_solutions.conclude(solved_results())
    assert found.status == "checked"
    assert found.witness == {}
    assert "Outside" not in found.summary
    assert {row[3] for row in found.tables[0].rows} == {"yes"}
    assert len(found.tables[0].rows) == len(FAULTS)


@pytest.mark.parametrize("value", [1e-8, 1.0, float("inf"), NAN])
@pytest.mark.parametrize("name", list(FAULTS))
def test_one_quantity_outside_its_tolerance_is_enough(name: str, value: float) -> None:
    if "start" in name:
        value += 0.2987
    found = log_sum_solutions.conclude(changed(solved_results(), FAULTS[name], value))
    assert found.status == "refuted"
    assert [name in key for key in found.witness] == [True]
    assert name in found.summary
    assert [row[0] for row in found.tables[0].rows if row[3] == "no"] == list(found.witness)


@pytest.mark.parametrize("value", [False, None])
def test_a_fixed_point_that_is_no_minimum_is_enough(value: Any) -> None:
    found = log_sum_solutions.conclude(changed(solved_results(), ("log-sum path", "locally_minimal", 1), value))
    assert found.status == "refuted"
    assert "no local minimum" in found.summary


@pytest.mark.parametrize("value", [0.2987, NAN])
def test_without_zero_locking_the_conclusion_fails(value: float) -> None:
    found = log_sum_solutions.conclude(changed(solved_results(), ("exact masks", "locked_objective"), value))
    assert found.status == "refuted"
    assert "zero locking" in found.summary


def test_the_exact_masks_agree_on_the_real_data() -> None:
    found = log_sum_solutions.exact_masks(Setting())
    assert found["gradient_residual"] <= log_sum_solutions.MASK_TOLERANCE
    assert found["minimiser_residual"] <= log_sum_solutions.MASK_TOLERANCE
    assert found["locked_objective"] > found["best_objective"]
    json.dumps(found)


def test_the_exact_masks_can_disagree(monkeypatch: pytest.MonkeyPatch) -> None:
    """Masks of another λ, or of another penalty, do not pass."""
    enumerated = log_sum_solutions._enumerated
    other = penalties["log_sum"](epsilon=0.11).duality
    monkeypatch.setattr(log_sum_solutions, "_enumerated", lambda posed, coef, duality: enumerated(posed, coef, other))
    found = log_sum_solutions.exact_masks(Setting())
    assert found["gradient_residual"] > 1e-4
    assert found["minimiser_residual"] > 1e-4


# --- observed -----------------------------------------------------------------------------------------------------

EPOCHS, SEEDS = 3, 5


def agreement(outcome: str) -> dict[str, Any]:
    noise = np.array([-0.1, 0.05, 0.0, -0.05, 0.1])
    centre, spread = {"agrees": (0.0, 0.1), "differs": (3.0, 0.1), "undecided": (0.9, 8.0)}[outcome]
    found = equivalence(centre + spread * noise, margin=1.0)
    assert found.outcome == outcome
    return found.to_json()


def training(nonzero: float, error: float, spread: float = 1e-3, size: float = 0.01) -> dict[str, Any]:
    wobble = spread * np.array([-1.0, 0.5, 0.0, -0.5, 1.0])
    rows = [[nonzero, error], [nonzero, error], [nonzero, error]]
    return {
        "method": "m",
        "nonzero": [(n + wobble).tolist() for n, _ in rows],
        "error": [(e + wobble[::-1] / 4).tolist() for _, e in rows],
        "mean_size": [size] * SEEDS,
        "mean_alpha_kept": [0.5] * SEEDS,
    }


def linear(outcome: str) -> dict[str, Any]:
    return {"agreement": agreement(outcome), "target": [0.3, 0.0], "coefs": [[0.3, 0.0]] * SEEDS}


def observed_results() -> dict[str, Any]:
    return {
        "gaussian": linear("agrees"),
        "bernoulli": {**linear("agrees"), "unclamped_agreement": agreement("differs")},
        "linear control": {**linear("differs"), "own_agreement": agreement("agrees")},
        "LogSum": training(0.12, 0.03),
        "AdaTikhonov": training(0.121, 0.03),
        "AdaProx": training(0.118, 0.031),
        "η-trick": training(0.16, 0.03),
        **{name: training(1.0, 0.3, size=0.05) for name in log_sum_digits.CONTROLS},
    }


def test_the_fixture_has_the_parts_of_the_claim() -> None:
    assert isinstance(CLAIM.observe, Route)
    assert set(observed_results()) == {part.name for part in CLAIM.observe.parts}


def test_agreement_with_controls_told_apart_is_concluded_as_checked() -> None:
    found = log_sum_observed.conclude(observed_results())
    assert found.status == "checked"
    assert found.witness == {}
    assert "Not settled" not in found.summary
    assert len(found.tables[0].rows) == 15


FLAWS: dict[str, tuple[tuple[str, ...], dict[str, Any], str]] = {
    "gaussian differs": (("gaussian", "agreement"), agreement("differs"), "Gaussian"),
    "bernoulli differs": (("bernoulli", "agreement"), agreement("differs"), "Bernoulli"),
    "bernoulli reaches both": (("bernoulli", "unclamped_agreement"), agreement("agrees"), "unclamped"),
    "AdaProx shrinks more": (("AdaProx",), training(0.12, 0.03, size=0.008), "AdaProx: size"),
    "a control is as large": ((log_sum_digits.CONTROLS[0],), training(1.0, 0.3), log_sum_digits.CONTROLS[0]),
    "control misses its own": (("linear control", "own_agreement"), agreement("differs"), "own ridge"),
    "control reaches the other": (("linear control", "agreement"), agreement("agrees"), "fixed rate → log-sum"),
    "AdaTikhonov keeps more": (("AdaTikhonov",), training(0.2, 0.03), "AdaTikhonov: nonzero"),
    "AdaTikhonov errs more": (("AdaTikhonov",), training(0.12, 0.06), "AdaTikhonov: error"),
    "AdaProx keeps fewer": (("AdaProx",), training(0.05, 0.03), "AdaProx: nonzero"),
    "AdaProx errs more": (("AdaProx",), training(0.12, 0.06), "AdaProx: error"),
    "a control is as sparse": (
        (log_sum_digits.CONTROLS[0],),
        training(0.12, 0.03, size=0.05),
        log_sum_digits.CONTROLS[0],
    ),
    "the other control is": (
        (log_sum_digits.CONTROLS[1],),
        training(0.12, 0.03, size=0.05),
        log_sum_digits.CONTROLS[1],
    ),
    "the reference is another": (("LogSum",), training(0.3, 0.03), "AdaProx: nonzero"),
}


@pytest.mark.parametrize("flaw", list(FLAWS))
def test_one_comparison_that_comes_out_wrong_refutes_and_is_named(flaw: str) -> None:
    path, value, named = FLAWS[flaw]
    found = log_sum_observed.conclude(changed(observed_results(), path, value))
    assert found.status == "refuted"
    assert any(named in key for key in found.witness)
    assert named in found.summary
    if flaw != "the reference is another":
        assert len(found.witness) == 1


@pytest.mark.parametrize(
    ("path", "value", "named"),
    [
        (("gaussian", "agreement"), agreement("undecided"), "Gaussian"),
        (("bernoulli", "agreement"), agreement("undecided"), "Bernoulli"),
        (("linear control", "agreement"), agreement("undecided"), "control"),
        (("linear control", "own_agreement"), agreement("undecided"), "own ridge"),
        (("AdaProx",), training(0.13, 0.03, spread=0.1), "AdaProx: nonzero"),
        ((log_sum_digits.CONTROLS[1],), training(0.15, 0.03, spread=0.1, size=0.05), log_sum_digits.CONTROLS[1]),
    ],
    ids=lambda v: "/".join(v) if isinstance(v, tuple) else "",
)
def test_one_comparison_without_a_decision_leaves_it_open(path: tuple[str, ...], value: Any, named: str) -> None:
    found = log_sum_observed.conclude(changed(observed_results(), path, value))
    assert found.status == "unknown"
    assert f"{named}" in found.summary
    assert "undecided" in found.summary


def test_a_wrong_comparison_outranks_an_undecided_one() -> None:
    results = changed(observed_results(), ("gaussian", "agreement"), agreement("undecided"))
    found = log_sum_observed.conclude(changed(results, ("bernoulli", "agreement"), agreement("differs")))
    assert found.status == "refuted"
    assert "undecided" in found.summary


def test_the_reported_method_does_not_decide() -> None:
    found = log_sum_observed.conclude(changed(observed_results(), ("η-trick",), training(0.9, 0.5)))
    assert found.status == "checked"
    assert any("η-trick" in str(row[0]) for row in found.tables[1].rows)


def test_the_comparison_is_paired_by_seed_and_reads_the_last_epoch() -> None:
    results = observed_results()
    far = np.linspace(0.0, 0.5, SEEDS)  # seeds differ by more than the margin, methods do not
    for name in ("LogSum", "AdaProx"):
        results[name]["nonzero"] = [[0.9] * SEEDS, [0.9] * SEEDS, far.tolist()]
    found = log_sum_digits.compared(results, "AdaProx")
    assert found["nonzero"]["outcome"] == "agrees"
    assert found["nonzero"]["margin"] == log_sum_digits.NONZERO_MARGIN
    assert found["error"]["margin"] == log_sum_digits.ERROR_MARGIN
    results["AdaProx"]["nonzero"][-1] = (far + 0.1).tolist()
    assert log_sum_digits.compared(results, "AdaProx")["nonzero"]["outcome"] == "differs"


def test_the_controls_retain_what_the_reference_retained(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[Any] = []

    def trained(method: Any, setting: Setting) -> dict[str, Any]:
        seen.append(method)
        return {}

    monkeypatch.setattr(log_sum_digits, "_trained", trained)
    finished = {"LogSum": {"mean_alpha_kept": [0.6, 0.8]}}
    assert log_sum_digits.fixed_rate(Setting(finished=finished))["retain"] == pytest.approx(0.7)
    log_sum_digits.equal_slope(Setting(finished=finished))
    assert seen[0].retain == pytest.approx(0.7)
    assert float(seen[1].duality.slope) == pytest.approx(1 / log_sum_digits.EPSILON)
    assert [method.name for method in seen] == list(log_sum_digits.CONTROLS)


def test_the_margin_of_the_linear_runs_separates_the_nearest_other_penalties() -> None:
    """The target is told apart from the optima of half and twice ε, half and twice λ, and the ℓ1 penalty."""
    from etatrick.numerics import solve
    from etatrick.validation.data import diabetes

    X, y, _ = diabetes()
    epsilon, lam = log_sum_solutions.EPSILON, log_sum_solutions.LAM
    target = solve(X, y, penalties["log_sum"](epsilon=epsilon), lam).coef
    margin = log_sum_linear.MARGIN * np.abs(target).max()
    others = [
        (penalties["log_sum"](epsilon=2 * epsilon), lam),
        (penalties["log_sum"](epsilon=epsilon / 2), lam),
        (penalties["log_sum"](epsilon=epsilon), 2 * lam),
        (penalties["log_sum"](epsilon=epsilon), lam / 2),
        (penalties["l1"](k=1), lam / epsilon),
    ]
    for penalty, strength in others:
        assert np.abs(solve(X, y, penalty, strength).coef - target).max() > 2 * margin


# --- all together -------------------------------------------------------------------------------------------------


def test_a_run_on_these_results_is_evidence_that_holds_and_survives_json() -> None:
    fixtures = {"derived": derived_results(), "solved": solved_results(), "observed": observed_results()}
    findings: dict[str, Finding] = {}
    for column, route in CLAIM.routes.items():
        assert isinstance(route, Route)
        assert {part.name for part in route.parts} == set(fixtures[column])
        assert all(isinstance(part, Part) for part in route.parts)
        findings[column] = route.conclude(fixtures[column])
    entry = Evidence(
        CLAIM.id, CLAIM.title, CLAIM.statement, CLAIM.source, CLAIM.relation, CLAIM.parameters, "quick",
        findings["derived"], findings["solved"], findings["observed"],
    )  # fmt: skip
    assert entry.holds
    assert Evidence.from_json(json.loads(json.dumps(entry.to_json()))).to_json() == entry.to_json()
