"""The LeNet experiment: its runs, its predicted epochs, and a conclusion in which each failing quantity is named."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest
import torch

from etatrick.errors import InputError
from etatrick.theory import penalties
from etatrick.validation.claim import Setting
from etatrick.validation.data import Split, digits
from etatrick.validation.experiments import lenet_outcomes as outcomes
from etatrick.validation.experiments import lenet_published as published
from etatrick.validation.experiments import lenet_recipes as recipes
from etatrick.validation.experiments.lenet import EXPERIMENT, conclude
from etatrick.validation.experiments.lenet_duals import imposed_penalties
from etatrick.validation.experiments.lenet_training import LEAST_RETAIN, Recipe, Schedule, normal_start, trained
from etatrick.validation.experiments.registry import reproductions
from etatrick.validation.figures import draw
from etatrick.validation.methods import EtaTrick, LogSumDual, PenaltyGradient
from tolerances import FLOAT64

LOG_SUM = penalties["log_sum"](epsilon=2).duality
SMALL = Schedule(seeds=2, epochs=2, threshold=1e-5, hidden=(8,))
TRAVELLING = (recipes.ETA_PUBLISHED, recipes.ETA_TRICK, recipes.VAR_DROP, recipes.VAR_DROP_LR)


def silent(fraction: float) -> None:
    assert 0 < fraction <= 1


def made_up(level: str) -> dict[str, Any]:
    """Return results that come out as theory and publication say."""
    scale = recipes.SCALES["full" if level == "full" else "quick"]
    epochs, seeds, steps = scale.epochs, scale.seeds, 375 if level == "full" else 9
    jitter = 1e-3 * np.arange(seeds)
    finals = {
        recipes.ETA_TRICK: 0.12, recipes.ETA_PUBLISHED: 0.34, recipes.ETA_FREE: 0.3, recipes.ETA_PUBLISHED_FREE: 0.8,
        recipes.STRONGER: 0.02, recipes.FIXED: 1.0,
    }  # fmt: skip
    found = {}
    for name in recipes.METHODS:
        row = published.TABLE.get(name)
        mask = row.nonzero if row else 0.5
        large = finals.get(name, 0.08) * (1 + jitter)
        first = 31 if name in (recipes.VAR_DROP, recipes.VAR_DROP_LR) else 23
        first = row.first_zero if row and row.first_zero else first
        onset = first if level == "full" else 30
        curve = [1.0 if e < onset else mask for e in range(1, epochs + 1)]
        found[name] = {
            "method": name, "level": level, "epochs": epochs, "steps": steps, "learning_rate": scale.fast,
            "nonzero": [[c] * seeds for c in curve], "large": [large.tolist()] * epochs,
            "error": [(0.03 + jitter).tolist()] * epochs, "processor_seconds": 1.0,
            "test_error": [row.test_error if row else 0.02] * seeds, "mean_size": [0.01] * seeds,
        }  # fmt: skip
    return found


def changed(results: dict[str, Any], name: str, measure: str, value: Any) -> dict[str, Any]:
    again = copy.deepcopy(results)
    again[name][measure] = value
    return again


def test_the_experiment_is_registered_with_one_part_per_method() -> None:
    assert reproductions["lenet-seven-methods"] is EXPERIMENT
    assert [part.name for part in EXPERIMENT.route.parts] == list(recipes.METHODS)
    assert set(published.TABLE) <= set(recipes.METHODS)
    assert len(published.TABLE) == 7


# --- runs -----------------------------------------------------------------------------------------------------------


def test_the_threshold_is_where_the_retain_probability_is_one_twentieth() -> None:
    alpha = LOG_SUM.alpha_at(np.array([recipes.THRESHOLD]), recipes.LAM)
    assert float(alpha[0]) == pytest.approx(LEAST_RETAIN, rel=1e-4)


def test_the_two_definitions_of_sparsity_are_one_for_log_sum() -> None:
    lam = 0.1
    threshold = math.sqrt(1 + lam / 19) - 1  # w(w + 2) = λ/19
    schedule = Schedule(seeds=2, epochs=3, threshold=threshold, hidden=(8,))
    found = trained(Recipe(PenaltyGradient(LOG_SUM, lam), 1e-2), digits(), schedule, silent)
    assert found["nonzero"] == found["large"]
    assert found["nonzero"][-1][0] < 1


def test_a_seed_runs_the_same_alone_and_among_others() -> None:
    recipe = Recipe(EtaTrick(LogSumDual(2.0), recipes.LAM, 20.0), 1e-3)
    both = trained(recipe, digits(), SMALL, silent)
    alone = trained(recipe, digits(), Schedule(1, 2, 1e-5, hidden=(8,)), silent)
    for measure in ("nonzero", "large", "error"):
        gaps = np.array(both[measure])[:, :1] - np.array(alone[measure])
        assert np.abs(gaps).max() <= 1 / 287  # at most one validation image
    assert both["mean_size"][0] == pytest.approx(alone["mean_size"][0], rel=1e-3)
    assert both["mean_size"][0] != both["mean_size"][1]


def test_a_diverging_network_is_refused() -> None:
    with pytest.raises(InputError, match="diverged in epoch 1"):
        trained(Recipe(PenaltyGradient(LOG_SUM, 1e-3), 1e38), digits(), SMALL, silent)


def test_numbers_below_the_normal_range_are_treated_as_before_afterwards() -> None:
    trained(Recipe(PenaltyGradient(LOG_SUM, 1e-3), 1e-3), digits(), Schedule(1, 1, 1e-5, hidden=(4,)), silent)
    assert float(torch.tensor(1e-39) * torch.tensor(0.5)) > 0


def test_variational_dropout_starts_from_normal_weights() -> None:
    network = normal_start(0.02)((300, 200, 10), [1, 2])
    for weight in network.weights:
        count = weight[0].numel()
        z = (weight.detach().double().square().mean((1, 2)) / 0.02**2 - 1) / math.sqrt(2 / count)
        assert float(z.abs().max()) < 4
    assert not torch.equal(network.weights[0][0], network.weights[0][1])


@pytest.mark.parametrize("name", recipes.METHODS)
def test_every_recipe_carries_its_settings(name: str) -> None:
    full, quick = (recipes.recipe(name, scale) for scale in (recipes.SCALES["full"], recipes.SCALES["quick"]))
    assert full.method.name == quick.method.name == name
    fast = name.startswith("η-trick") or name in (recipes.VAR_DROP, recipes.VAR_DROP_LR)
    assert full.learning_rate == (1e-3 if fast else 1e-4)


def test_another_device_is_refused_before_any_work() -> None:
    with pytest.raises(InputError, match="runs on the CPU"):
        recipes.run(recipes.LOG_SUM, Setting("quick", "cuda"))


def test_the_digits_are_normalised_by_one_mean_and_deviation() -> None:
    data: Split = recipes.data(Setting("quick"))
    assert abs(float(data.train_inputs.mean())) < 1e-5
    assert abs(float(data.train_inputs.std()) - 1) < 1e-5
    with pytest.raises(InputError, match="is no folder"):
        recipes.data(Setting("full", data="/nowhere"))


# --- the predicted epoch --------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("rate", "steps", "epochs"), [(1e-3, 375, 200), (0.04, 9, 100), (2e-3, 50, 400)])
def test_the_predicted_epoch_is_where_the_steps_add_up_to_the_way(rate: float, steps: int, epochs: int) -> None:
    way, epoch = 0.0, 0
    while way < 5 + math.log(19):
        way += rate * (1 - epoch / epochs) * steps
        epoch += 1
    found = published.predicted_epoch(rate, steps, epochs)
    assert epoch - 1 <= found <= epoch
    whole = [rate * steps * (t - t * (t - 1) / (2 * epochs)) for t in (found,)]
    assert abs(whole[0] - published.TRAVEL) <= FLOAT64 * published.TRAVEL


def test_a_way_that_is_too_long_is_never_travelled() -> None:
    assert published.predicted_epoch(1e-3, 9, 100) == math.inf


# --- the conclusion -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("level", ["quick", "full"])
def test_results_as_predicted_are_concluded_as_checked(level: str) -> None:
    found = conclude(made_up(level))
    assert found.status == "checked", found.summary
    assert "as predicted" in found.summary
    json.dumps(found.to_json(), allow_nan=False)
    assert [table.caption.split()[0] for table in found.tables] == [
        "Ours",
        "The",
        "What",
        *(["Against"] * (level == "full")),
    ]


SURPRISES = {
    "identity broken": (recipes.ADA_TIKHONOV, "large", 0.12),
    "stronger control not told apart": (recipes.STRONGER, "large", 0.08),
    "fixed-rate control not told apart": (recipes.FIXED, "large", 0.08),
    "identity broken in the error": (recipes.ADA_TIKHONOV, "error", 0.1),
}


@pytest.mark.parametrize("level", ["quick", "full"])
@pytest.mark.parametrize("name", SURPRISES)
def test_one_unexpected_outcome_is_enough(name: str, level: str) -> None:
    results = made_up(level)
    method, measure, value = SURPRISES[name]
    seeds = recipes.SCALES["full" if level == "full" else "quick"].seeds
    rows = [(value * (1 + 1e-3 * np.arange(seeds))).tolist()] * len(results[method][measure])
    found = conclude(changed(results, method, measure, rows))
    assert found.status == "refuted"
    assert found.summary.startswith("Not as expected")
    assert any(method in row for row in found.witness)


@pytest.mark.parametrize("name", TRAVELLING)
def test_a_cliff_before_the_log_variable_can_have_travelled_is_a_surprise(name: str) -> None:
    results = made_up("quick")
    curve = copy.deepcopy(results[name]["nonzero"])
    curve[5] = [0.9] * len(curve[5])
    found = conclude(changed(results, name, "nonzero", curve))
    assert found.status == "refuted"
    assert f"{name}: no cliff" in found.summary


@pytest.mark.parametrize("name", published.TABLE)
@pytest.mark.parametrize(
    ("measure", "factor", "status"),
    [
        ("test_error", 2.0, "refuted"),
        ("nonzero", 3.0, "refuted"),
        ("nonzero", 1.4, "unknown"),
        ("nonzero", 0.0, "refuted"),
    ],
)
def test_a_published_number_that_is_missed_is_named(name: str, measure: str, factor: float, status: str) -> None:
    results = made_up("full")
    values = results[name][measure]
    last = [factor * x for x in (values if measure == "test_error" else values[-1])]
    found = conclude(changed(results, name, measure, last if measure == "test_error" else [*values[:-1], last]))
    wanted = f"{name}: {'test error' if measure == 'test_error' else 'non-zero fraction'}"
    assert found.status == status
    assert wanted in found.summary
    json.dumps(found.to_json(), allow_nan=False)


def test_methods_that_were_not_run_are_listed_and_settle_nothing() -> None:
    results = made_up("full")
    del results[recipes.VAR_DROP]
    found = conclude(results)
    assert found.status == "unknown"
    assert f"Not run: {recipes.VAR_DROP}" in found.summary
    assert (recipes.VAR_DROP, 1.54, "not run") in [row[:3] for row in found.tables[0].rows]
    assert conclude({}).status == "unknown"


def test_the_quick_form_is_not_held_against_mnist_s_numbers() -> None:
    assert outcomes.against_published(made_up("quick")) == []
    assert len(outcomes.against_published(made_up("full"))) == 7 * 2 + 5 + 2


def test_the_shares_of_the_two_duals_are_reported_and_not_required() -> None:
    results = made_up("quick")
    results[recipes.ETA_PUBLISHED]["large"] = results[recipes.ETA_TRICK]["large"]
    results[recipes.ETA_PUBLISHED_FREE]["large"] = results[recipes.ETA_FREE]["large"]
    assert conclude(results).status == "checked"


def test_the_figure_has_a_curve_for_every_method_and_survives_json() -> None:
    found = conclude(made_up("full"))
    figure = draw("lenet-trajectories", json.loads(json.dumps(found.to_json()["data"])))
    labels = [line.get_label() for line in figure.axes[0].get_lines()]
    assert set(recipes.METHODS) <= set(labels)
    assert all(ax.get_title(loc="left") for ax in figure.axes)


def test_the_two_duals_impose_the_penalties_of_their_formulas() -> None:
    rows = imposed_penalties()
    for size, correct, ours, theirs in rows:
        assert correct == pytest.approx(math.log(1 + size / 2), rel=1e-6)
        assert ours == pytest.approx(correct, rel=1e-6)
        assert theirs < 0.8 * correct
    assert rows[2][3] == pytest.approx(0.2233, abs=1e-4)  # |w| = 1
