"""Noise recipe, GLM dropout and gates against ℓ0: their computations can fail, and conclusions follow the results."""

import copy
import json
import math
from typing import Any

import numpy as np
import pytest

from etatrick.validation.claim import Setting
from etatrick.validation.experiments import gate_training, gates_l0, glm_dropout, glm_values, noise_recipe
from etatrick.validation.experiments.registry import reproductions
from etatrick.validation.figures import draw
from etatrick.validation.seeding import seed
from tolerances import FLOAT64, MC

SEEDS = 8
WOBBLE = np.random.default_rng(0).uniform(-1, 1, SEEDS)


def around(target: Any, spread: float) -> list[list[float]]:
    """Return trained coefficients with the target as their mean."""
    centre = np.asarray(target)
    noise = spread * (WOBBLE - WOBBLE.mean())[:, None] * np.abs(centre).max()
    return np.asarray(centre + noise).tolist()  # type: ignore[no-any-return]


def test_the_experiments_are_registered_with_resumable_parts() -> None:
    for module in (noise_recipe, glm_dropout, gates_l0):
        experiment = module.EXPERIMENT
        assert reproductions[experiment.name] is experiment
        names = [part.name for part in experiment.route.parts]
        assert len(set(names)) == len(names) > 1


# --- noise recipe -------------------------------------------------------------------------------------------------


def recipe_results(spread: float = 0.001, swapped: str = "") -> dict[str, Any]:
    """Return results whose runs ended at their own optima, or at each other's for one degree."""
    solved = noise_recipe.optima(Setting())
    coefs = {}
    for q, pair in solved["coefs"].items():
        names = list(pair)
        ends = names[::-1] if q == swapped else names
        coefs[q] = {name: around(pair[end], spread) for name, end in zip(names, ends, strict=True)}
    residuals = {q: dict.fromkeys(noise_recipe.GRADIENTS, 1e-15) for q in noise_recipe.DEGREES}
    return {
        "expected gradients": {"patterns": 4096, "residuals": residuals},
        "optima": solved,
        "training": {"steps": 1, "seeds": SEEDS, "coefs": coefs},
    }


def test_the_expected_gradients_are_those_of_the_two_penalties() -> None:
    found = noise_recipe.expected_gradients(Setting())
    assert max(v for pair in found["residuals"].values() for v in pair.values()) <= noise_recipe.EXACT


def test_exchanged_gradients_are_noticed_except_at_degree_two(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_recipe, "NOISY", dict(zip(
        noise_recipe.GRADIENTS, (noise_recipe.detached, noise_recipe.differentiated), strict=True)))  # fmt: skip
    found = noise_recipe.expected_gradients(Setting())["residuals"]
    for q, pair in found.items():
        assert (min(pair.values()) > 1e-3) == (q != "2")


def test_the_forward_noise_is_the_same() -> None:
    import torch

    rng = np.random.default_rng(1)
    weight, signs = torch.tensor(rng.standard_normal((5, 12))), torch.tensor(rng.choice([-1.0, 1.0], (5, 12)))
    for power in (1.0, 1.5, 2.0):
        first, second = (noisy(weight, power, signs) for noisy in noise_recipe.NOISY.values())
        assert float((first - second).abs().max()) <= FLOAT64
        assert float((first - weight).abs().min()) > 0


def test_the_optima_are_certified_and_further_apart_than_the_margins() -> None:
    solved = noise_recipe.optima(Setting())
    for q, pair in solved["coefs"].items():
        assert max(solved["relative_gap"][q].values()) <= noise_recipe.EXACT
        first, second = (np.array(pair[name]) for name in noise_recipe.GRADIENTS)
        apart = np.abs(first - second).max() / (noise_recipe.MARGIN * np.abs(first).max())
        assert apart > 3 if q != "2" else apart <= FLOAT64
        assert np.abs(first).min() > 0.1  # no weight sits at the kink
        found = noise_recipe.ratios(noise_recipe._power(q), {n: np.array(pair[n])[None] for n in pair})
        assert found[0] == pytest.approx(2 / noise_recipe._power(q), abs=1e-8)


def test_recipe_conclusions_follow_the_runs() -> None:
    agreed = noise_recipe.conclude(recipe_results())
    assert agreed.status == "checked"
    assert json.loads(json.dumps(agreed.to_json()))["status"] == "checked"
    exchanged = noise_recipe.conclude(recipe_results(swapped="3/2"))
    assert exchanged.status == "refuted"
    assert "q = 3/2: detached → its optimum: differs" in exchanged.summary
    assert noise_recipe.conclude(recipe_results(spread=0.2)).status == "unknown"
    wrong = recipe_results()
    wrong["expected gradients"]["residuals"]["1"]["detached"] = 1e-3
    assert noise_recipe.conclude(wrong).status == "refuted"
    draw("noise-recipe", agreed.to_json()["data"])


def test_a_short_training_goes_towards_the_optima(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(noise_recipe, "SEEDS", {"quick": 2})
    monkeypatch.setattr(noise_recipe, "STEPS", {"quick": 800})
    found = noise_recipe.training(Setting())
    again = noise_recipe.training(Setting())
    assert found == again
    solved = noise_recipe.optima(Setting())["coefs"]
    for q, pair in found["coefs"].items():
        for name, coefs in pair.items():
            assert np.abs(np.mean(coefs, 0) - solved[q][name]).max() < 0.25
    assert found["coefs"]["2"]["detached"] == pytest.approx(np.array(found["coefs"]["2"]["differentiated"]), abs=1e-7)


# --- GLM dropout --------------------------------------------------------------------------------------------------


def glm_runs(solved: dict[str, Any], spread: float = 0.001, end: str = "exact") -> dict[str, Any]:
    coefs = {name: around(part[end], spread) for name, part in solved.items()}
    return {"seeds": SEEDS, "steps": 1, "coefs": coefs}


@pytest.fixture(scope="module")
def glm() -> dict[str, Any]:
    solved = glm_dropout.optima(Setting())
    return {
        "values": glm_values.values(Setting()),
        "collapse": glm_values.collapse(Setting()),
        "optima": solved,
        "training": glm_runs(solved),
    }


def test_two_routes_agree_on_every_printed_value(glm: dict[str, Any]) -> None:
    rows = glm["values"]["rows"]
    assert len(rows) == 34
    assert max(row[5] for row in rows) <= glm_dropout.ROUTES
    assert [row[:4] for row in rows if not row[4]] == []


def test_a_wrong_rate_reproduces_nothing_exact() -> None:
    for scale, exact, _ in glm_values.PRINTED_LOGISTIC:
        weights = tuple(float(scale) * w for w in glm_values.LOGISTIC_WEIGHTS)
        assert not glm_values.rounds_to(glm_values.Case("logistic", "Bernoulli", 1.1, weights).exact(), exact)


def test_the_peak_of_one_feature_is_where_its_slope_vanishes(glm: dict[str, Any]) -> None:
    found = glm["collapse"]
    grid = np.linspace(2.3, 2.5, 20_001)
    curve = grid**2 / 8 / np.cosh(grid / 2) ** 2
    assert found["peak"] == pytest.approx(grid[curve.argmax()], abs=2e-5)
    assert found["height"] == pytest.approx(curve.max(), abs=FLOAT64)
    assert glm_values.rounds_to(found["height"], glm_values.PRINTED_PEAK[1])
    assert not glm_values.rounds_to(found["peak"], glm_values.PRINTED_PEAK[0])  # 2.3994, not 2.397
    assert found["saturation"] == pytest.approx(math.log(2) / 2, abs=FLOAT64)


@pytest.mark.parametrize("name", list(glm_dropout.MODELS))
def test_the_quadratic_optimum_minimises_what_the_library_computes(name: str, glm: dict[str, Any]) -> None:
    from etatrick.numerics.expected import quadratic_approximation
    from etatrick.theory.noise import Bernoulli

    model, part = glm_dropout.MODELS[name], glm["optima"][name]
    X, y = model.data()
    cumulant = np.exp if model.loss == "poisson" else lambda theta: np.logaddexp(0, theta)

    def objective(w: Any) -> float:
        charge = quadratic_approximation(X, y, w, Bernoulli(4, 1 - model.drop), model.loss)
        return float(np.sum(cumulant(X @ w) - y * (X @ w)) + charge)

    best = np.array(part["quadratic"])
    around_it = best + 1e-3 * np.random.default_rng(0).standard_normal((40, 4))
    assert min(objective(w) for w in around_it) > objective(best)
    assert objective(np.array(part["exact"])) > objective(best)
    apart = glm_dropout._distance(part, "exact", "quadratic")
    assert apart > 2 * glm_dropout.MARGIN * np.abs(part["exact"]).max()


def test_the_quadratic_form_errs_both_ways(glm: dict[str, Any]) -> None:
    size = {name: [np.linalg.norm(part[kind]) for kind in ("exact", "quadratic")]
            for name, part in glm["optima"].items()}  # fmt: skip
    assert size["logistic, δ = 0.3"][1] > size["logistic, δ = 0.3"][0]
    assert size["logistic, δ = 0.7"][1] < size["logistic, δ = 0.7"][0]
    assert size["Poisson, δ = 0.7"][1] > size["Poisson, δ = 0.7"][0]


def test_glm_conclusions_follow_the_runs(glm: dict[str, Any]) -> None:
    found = glm_dropout.conclude(glm)
    assert found.status == "checked"
    json.dumps(found.to_json())
    draw("glm-dropout", found.to_json()["data"])
    for spread, end, status in ((0.001, "quadratic", "refuted"), (0.3, "exact", "unknown")):
        runs = glm_runs(glm["optima"], spread, end)
        assert glm_dropout.conclude({**glm, "training": runs}).status == status
    faults: list[tuple[tuple[Any, ...], Any]] = [
        (("values", "rows", 3, 4), False), (("values", "rows", 3, 5), 1e-6), (("collapse", "saturation"), 0.4),
        (("optima", "Poisson, δ = 0.7", "status"), "LIMIT"),
    ]  # fmt: skip
    for path, value in faults:
        broken = copy.deepcopy(glm)
        place: Any = broken
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert glm_dropout.conclude(broken).status == "refuted"


def test_a_short_glm_training_goes_towards_the_exact_optimum(
    glm: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(glm_dropout, "SEEDS", {"quick": 4})
    monkeypatch.setattr(glm_dropout, "STEPS", {"quick": 600})
    found = glm_dropout.training(Setting())
    for name, coefs in found["coefs"].items():
        target = np.array(glm["optima"][name]["exact"])
        assert np.abs(np.mean(coefs, 0) - target).max() < 0.25 * np.abs(target).max()


# --- gates --------------------------------------------------------------------------------------------------------


def gate_results() -> dict[str, Any]:
    best = {
        family: {"best": [[1.0, 1.1]] * 20, "largest_difference": 0.0, "ties": 0} for family in gate_training.FAMILIES
    }
    reached = {family: [[1.0, 1.0]] * 20 for family in gate_training.FAMILIES}
    missed = {family: [[1.0 + 0.01 * k] for k in range(1, 21)] for family in gate_training.FAMILIES}
    gated = [[[1.001, 1.0005]] * 20] * len(gate_training.FAMILIES)
    return copy.deepcopy({
        "best subsets": best,
        "stochastic gates": {name: {**reached, "gated": gated} for name in gates_l0.STOCHASTIC},
        "closed form": {**dict.fromkeys((*gates_l0.CLOSED, "ℓ1 of equal slope"), reached),
                        **dict.fromkeys(gates_l0.CONTROLS, missed)},
    })  # fmt: skip


def test_gate_conclusions_follow_the_runs() -> None:
    found = gates_l0.conclude(gate_results())
    assert found.status == "checked"
    draw("gates-l0", json.loads(json.dumps(found.to_json()))["data"])
    worse = gate_results()
    worse["stochastic gates"]["ARM"]["independent"] = [[1.05 + 0.001 * k] * 2 for k in range(20)]
    assert gates_l0.conclude(worse).status == "refuted"
    unnoticed = gate_results()
    unnoticed["closed form"]["four times the price"] = unnoticed["closed form"]["closed-form gates"]
    assert gates_l0.conclude(unnoticed).status == "unknown"
    faults: list[tuple[tuple[Any, ...], Any]] = [
        (("closed form", "ℓ0 by exchanges", "correlated", 2, 0), 0.999),
        (("stochastic gates", "ARM", "gated", 0, 1, 1), 0.999),
        (("best subsets", "correlated", "largest_difference"), 1e-3),
    ]
    for path, value in faults:
        broken = gate_results()
        place: Any = broken
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = value
        assert gates_l0.conclude(broken).status == "refuted"


@pytest.mark.parametrize("family", list(gate_training.FAMILIES))
def test_the_best_subset_is_found_twice(family: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gates_l0, "PROBLEMS", {"quick": 3})
    found = gates_l0.best_subsets(Setting())[family]
    assert found["largest_difference"] <= gates_l0.REACHED
    assert all(first < second for first, second in found["best"])


DRAWS = 40_000


@pytest.mark.parametrize("index", [0, 1])
def test_arm_is_unbiased_for_the_exact_gradient(index: int) -> None:
    import torch

    rng = np.random.default_rng(seed("arm", index))
    problem = gate_training.drawn("correlated", index)
    one, many = gate_training.moments([problem], 1), gate_training.moments([problem], DRAWS)
    weight, logits = (torch.tensor(rng.standard_normal((1, 6))) for _ in range(2))
    uniform = torch.tensor(rng.random((DRAWS, 6)))
    exact = gate_training.Expected().gradients(one, weight, logits, uniform[:1])
    drawn = gate_training.Arm().gradients(many, weight.expand(DRAWS, 6), logits.expand(DRAWS, 6), uniform)
    for value, sample in zip(exact, drawn, strict=True):
        z = (sample.mean(0) - value[0]) / (sample.std(0) / math.sqrt(DRAWS))
        assert float(z.abs().max()) < MC
    # negative control: the estimate of a hard sigmoid's gate would be off by 1/(π(1−π))
    scale = float((drawn[1].std(0) / math.sqrt(DRAWS)).max())
    assert float(((4 * drawn[1].mean(0) - exact[1][0]) / scale).abs().max()) > MC


def test_the_exact_gradient_is_that_of_all_masks() -> None:
    """Autograd through the sum over 2⁶ masks, weighted by their probabilities."""
    import itertools

    import torch

    rng = np.random.default_rng(7)
    problem = gate_training.drawn("correlated", 3)
    weight, logits = (torch.tensor(rng.standard_normal((1, 6)), requires_grad=True) for _ in range(2))
    chance = logits.sigmoid()[0]
    X, y = torch.tensor(problem.X), torch.tensor(problem.y)
    total = gate_training.PRICE * chance.sum()
    for kept in itertools.product((0.0, 1.0), repeat=6):
        mask = torch.tensor(kept, dtype=torch.float64)
        share = torch.where(mask > 0, chance, 1 - chance).prod()
        total = total + share * 0.5 * (y - X @ (mask * weight[0])).square().sum()
    expected = torch.autograd.grad(total, (weight, logits))
    found = gate_training.Expected().gradients(
        gate_training.moments([problem], 1), weight.detach(), logits.detach(), torch.zeros(1, 6)
    )
    for mine, theirs in zip(found, expected, strict=True):
        assert float((mine - theirs).abs().max()) <= FLOAT64


def test_hard_concrete_pays_for_gates_that_are_not_zero() -> None:
    """Its draws are zero as often as the price assumes, and its mean is the law's."""
    import torch

    from etatrick.theory.gates.laws import HardConcrete

    draws = torch.tensor(np.random.default_rng(seed("hard concrete")).random(DRAWS))
    for logit in (-1.0, 0.5):
        soft = ((draws.logit() + logit) / gate_training.TEMPERATURE).sigmoid()
        gate = (soft * (gate_training.HIGH - gate_training.LOW) + gate_training.LOW).clamp(0, 1)
        chance = 1 / (1 + math.exp(-(logit - gate_training.TEMPERATURE * math.log(0.1 / 1.1))))
        share = float((gate > 0).to(torch.float64).mean())
        assert abs(share - chance) < MC * math.sqrt(chance * (1 - chance) / DRAWS)
        curve = HardConcrete().curve(np.array([logit]))
        ratio = float(gate.var() / gate.mean() ** 2)  # 1/η
        assert ratio == pytest.approx(math.exp(float(curve.log_rho[0])), rel=0.03)


def test_trained_gates_choose_the_obvious_columns() -> None:
    target = np.concatenate([[2.0, 0.0, -1.5, 0.05, 0.0, 1.0], np.zeros(24)])
    batch = gate_training.moments([gate_training.Problem(np.eye(30)[:, :6], target)], 8)
    for name, kind in gates_l0.STOCHASTIC.items():
        opened, weights, _ = gate_training.train(
            kind, batch, steps=700, rate=0.03, label=name, progress=lambda fraction: None
        )
        share = opened.mean(0)
        assert share[[0, 2, 5]].min() == 1
        if name != "ARM":  # its noise at a weight of 0 outweighs the price for longer than this
            assert share[[1, 3, 4]].max() == 0
        assert np.abs(weights[:, [0, 2]] - [2.0, -1.5]).max() < 0.2
