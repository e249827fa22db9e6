"""The experiments on structured dropout: what trains, what is compared, and that each failing quantity is named."""

import copy
import json
from collections.abc import Mapping
from itertools import product
from typing import Any

import numpy as np
import pytest
import torch

from etatrick.numerics.deep.regularizer import deep_explicit_regularizer
from etatrick.theory.noise import Blocks, DropConnect, expected_squared_loss
from etatrick.validation.claim import Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.experiments import (
    deep_linear_nets,
    dropconnect_dropout,
    last_layer_net,
    structured_dropout,
)
from etatrick.validation.experiments.batched_lbfgs import minimise_batch
from etatrick.validation.experiments.decisions import Decision, trend
from etatrick.validation.experiments.masked_factors import BlockMasks, expected_loss, masked_loss, train_factors
from etatrick.validation.figures import draw
from etatrick.validation.seeding import seed
from tolerances import FLOAT64, MC, close

FLOAT = torch.float64


def reread(results: dict[str, Any]) -> dict[str, Any]:
    """Return what a store gives back: the results through JSON."""
    again: dict[str, Any] = json.loads(json.dumps(results))
    return again


def redrawn(finding: Finding) -> None:
    """Draw the finding's pictures from its data as the report does."""
    data = json.loads(json.dumps(dict(finding.data)))
    for picture in finding.pictures:
        axes = draw(picture.name, data).axes
        assert axes
        assert all(ax.get_title(loc="left") for ax in axes)


def replaced(results: Mapping[str, Any], path: tuple[Any, ...], value: Any) -> Any:
    """Return a deep copy with one entry replaced."""
    again: Any = copy.deepcopy(results)
    place = again
    for step in path[:-1]:
        place = place[step]
    place[path[-1]] = value
    return again


# --- the tools ----------------------------------------------------------------------------------------------------


def test_rows_of_a_batch_are_minimised_as_if_alone() -> None:
    def rosenbrock(x: torch.Tensor) -> torch.Tensor:
        return (100 * (x[:, 1:] - x[:, :-1] ** 2) ** 2 + (1 - x[:, :-1]) ** 2).sum(1)

    start = torch.randn((4, 4), generator=torch.Generator().manual_seed(0), dtype=FLOAT)
    points, values = minimise_batch(rosenbrock, start, steps=500)
    for row in range(len(start)):
        alone, value = minimise_batch(rosenbrock, start[row : row + 1], steps=500)
        assert torch.allclose(alone[0], points[row], atol=1e-8)
        assert abs(float(value - values[row])) < FLOAT64
    other = torch.tensor([-0.7756592, 0.6130934, 0.3820621, 0.1459719], dtype=FLOAT)  # its second local minimum
    near = torch.minimum((points - 1).abs().amax(1), (points - other).abs().amax(1))
    assert float(near.max()) < 1e-6
    assert float((points - 1).abs().amax(1).min()) < 1e-6


def test_the_deterministic_objective_is_the_mean_over_all_masks() -> None:
    generator = torch.Generator().manual_seed(1)
    Y, U, V = (torch.randn(shape, generator=generator, dtype=FLOAT) for shape in ((3, 2), (1, 1, 3, 4), (1, 1, 2, 4)))
    theta, owners = 0.3, torch.tensor([[0, 0, 1, 1]])
    masks = BlockMasks(owners, torch.tensor([theta], dtype=FLOAT))
    total = 0.0
    for kept in product((0.0, 1.0), repeat=4):  # two blocks for each of two examples
        on = torch.tensor(kept, dtype=FLOAT).reshape(2, 2)
        chance = theta ** float(on.sum()) * (1 - theta) ** float(4 - on.sum())
        total += chance * float(masked_loss(Y, U, V, (on[:, owners[0]] / theta)[None, None]))
    exact = float(expected_loss(Y, U, V, masks.same_block() * (1 - theta) / theta))
    assert close(exact, total)
    law = Blocks.partition(4, 2, theta)
    assert close(exact, expected_squared_loss(Y.numpy(), U[0, 0].numpy(), V[0, 0].numpy(), law))


def test_masks_are_blocks_of_the_stated_rate_and_seeds_do_not_depend_on_each_other() -> None:
    masks = BlockMasks(torch.tensor([[0, 0, 1, 1], [0, 1, 2, 3]]), torch.tensor([0.5, 0.8], dtype=FLOAT))
    drawn = masks.draw([torch.Generator().manual_seed(s) for s in (3, 4)], 5_000)
    assert drawn.shape == (2, 2, 5_000, 4)
    assert torch.equal(drawn[0, ..., 0], drawn[0, ..., 1])
    assert not torch.equal(drawn[1, ..., 0], drawn[1, ..., 1])
    for setting, theta in enumerate((0.5, 0.8)):
        kept = (drawn[setting, :, :, ::2] > 0).double()
        error = (theta * (1 - theta) / kept.numel()) ** 0.5
        assert abs(float(kept.mean()) - theta) < MC * error
    alone = masks.draw([torch.Generator().manual_seed(4)], 5_000)
    assert torch.equal(alone[:, 0], drawn[:, 1])


def test_training_descends_to_the_closed_form_and_a_wrong_rate_does_not() -> None:
    from etatrick.numerics import dropblock_minimizer

    Y = torch.diag(torch.tensor([1.0, 0.6, 0.3], dtype=FLOAT))
    masks = BlockMasks(torch.arange(6)[None] // 2, torch.tensor([0.7], dtype=FLOAT))
    generators = [torch.Generator().manual_seed(s) for s in range(6)]
    U, V = train_factors(Y, masks, generators, steps=1_500, step_size=0.2)
    values = torch.linalg.svdvals(U @ V.mT)[0].mean(0).numpy()
    assert np.abs(values - dropblock_minimizer(Y.numpy(), 2, 0.7, 6).singular_values[:3]).max() < 0.03
    assert np.abs(values - dropblock_minimizer(Y.numpy(), 2, 0.4, 6).singular_values[:3]).max() > 0.1


@pytest.mark.parametrize(("outcomes", "status"), [
    (("agrees", "differs"), "checked"), (("agrees", "undecided"), "unknown"), (("differs", "undecided"), "refuted"),
])  # fmt: skip
def test_one_test_against_the_expectation_refutes_and_one_undecided_leaves_it_open(
    outcomes: tuple[str, str], status: str
) -> None:
    first, second = ({"outcome": outcome, "largest": 0.2} for outcome in outcomes)
    decision = Decision({"a": ("agrees", first), "control": ("differs", second)})
    assert decision.status == status
    assert bool(decision.problems) == (status != "checked")
    assert set(decision.witness) == ({"a"} if status == "refuted" else set())
    assert len(decision.table("x").rows) == 2


@pytest.mark.parametrize(("steps", "outcome"), [
    ((-1.0, -1.0), "decreasing"), ((-1.0, 1.0), "not decreasing"), ((-1.0, 0.0), "undecided"),
])  # fmt: skip
def test_trends(steps: tuple[float, float], outcome: str) -> None:
    noise = np.random.default_rng(0).normal(scale=0.1, size=(8, 3))
    found = trend(np.cumsum([0.0, *steps]) + noise)
    assert found["outcome"] == outcome
    assert found["seeds"] == 8


# --- DropBlock ----------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dropblock() -> dict[str, Any]:
    """Run at tiny sizes for the structure, then make the numbers agree."""
    changes = {"SIZES": {"quick": 6}, "RANKS": {"quick": 2}, "WIDTHS": {"quick": (8,)}, "STEPS": {"quick": 40},
               "SEEDS": {"quick": 4}, "STARTS": {"quick": 2}, "SAMPLES": 2}  # fmt: skip
    with pytest.MonkeyPatch.context() as patch:
        for name, value in changes.items():
            patch.setattr(structured_dropout, name, value)
        results = {part.name: part.run(Setting()) for part in structured_dropout.EXPERIMENT.route.parts}
    for run in results["stochastic"]["runs"]["8"].values():
        run["excess"] = [1e-3, 2e-3, 1e-3, 2e-3]
        run["gaps"], run["wrong_gaps"] = [1e-3, -1e-3, 1e-3, -1e-3], [0.4, 0.5, 0.4, 0.5]
        run["values"] = [run["predicted"]] * 4
    for row in results["deterministic"]["excess"].values():
        assert 0 <= min(row) <= max(row) < 1e-3  # never below the closed form
        row[:] = [1e-9, 2e-9]
    return reread(results)


def test_dropblock_is_concluded_and_drawn(dropblock: dict[str, Any]) -> None:
    found = structured_dropout.conclude({k: {**v, "seconds": 1.0} for k, v in dropblock.items()})
    assert found.status == "checked", found.summary
    redrawn(found)


FAR = [0.5, 0.51, 0.49, 0.5]


@pytest.mark.parametrize(("path", "value", "named"), [
    (("gaps",), FAR, "deterministic"), (("excess",), FAR, "excess"), (("values",), [[0.0] * 6] * 4, "singular"),
    (("wrong_gaps",), [0.0, 1e-4, 0.0, 1e-4], "control"),
])  # fmt: skip
def test_one_wrong_dropblock_quantity_refutes(
    dropblock: dict[str, Any], path: tuple[str, ...], value: Any, named: str
) -> None:
    changed = replaced(dropblock, ("stochastic", "runs", "8", "r = 4, θ(d)", *path), value)
    found = structured_dropout.conclude(changed)
    assert found.status == "refuted"
    assert any(named in row for row in found.witness)


def test_a_start_that_misses_the_minimum_refutes(dropblock: dict[str, Any]) -> None:
    changed = replaced(dropblock, ("deterministic", "excess", "r = 1, θ(d)"), [1e-9, 1e-3])
    assert structured_dropout.conclude(changed).status == "refuted"


# --- DropConnect --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def dropconnect() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dropconnect_dropout, "STEPS", {"quick": 10})
        patch.setattr(dropconnect_dropout, "SIZES", {"quick": (2, 3, 8, 3)})
        patch.setattr(dropconnect_dropout, "NETWORKS", 3)
        results = {part.name: part.run(Setting()) for part in dropconnect_dropout.EXPERIMENT.route.parts}
    for name, run in results.items():
        if name != "enumeration":
            run["values"], run["excess"] = [run["optimum_values"]] * 4, [1e-3, 2e-3, 1e-3, 2e-3]
    return reread(results)


def test_minima_without_masks_tell_incoming_weights_apart_only_where_inputs_are_correlated(
    dropconnect: dict[str, Any],
) -> None:
    """L-BFGS on each objective, against the closed form of Dropout: no training noise enters."""
    found = dropconnect_dropout.conclude({k: {**v, "seconds": 1.0} for k, v in dropconnect.items()})
    assert found.status == "checked", found.summary
    redrawn(found)
    for name in dropconnect_dropout.INPUTS:
        runs = {m: dropconnect[f"{name} inputs, {m}"] for m in dropconnect_dropout.METHODS}
        gaps = {m: run["minimum"] / run["closed"] - 1 for m, run in runs.items()}
        assert abs(gaps["dropout"]) < 1e-7
        assert abs(gaps["DropConnect, outgoing"]) < 1e-7
        assert (abs(gaps["DropConnect, incoming"]) > 1e-2) == (name == "correlated")


def test_enumerated_objectives_against_the_symbolic_law() -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(dropconnect_dropout, "NETWORKS", 1)
        found = dropconnect_dropout.enumeration(Setting())
    rng = np.random.default_rng(seed("dropconnect", "enumeration", 0))
    U, V, Y = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
    theta = dropconnect_dropout.RETAIN
    for name in dropconnect_dropout.INPUTS:
        X = dropconnect_dropout.inputs(name, 2, 4, rng)
        laws = {
            "DropConnect, outgoing": DropConnect(outgoing=theta),
            "DropConnect, incoming": DropConnect(incoming=theta),
        }
        for method, law in laws.items():
            assert close(found[name][method][0][0], law.expected_squared_loss(Y, U, V, X))


@pytest.mark.parametrize("method", dropconnect_dropout.METHODS)
def test_masked_passes_have_the_mean_of_the_plain_network(method: str) -> None:
    generator = torch.Generator().manual_seed(5)
    U, V = (torch.randn((20_000, n, 3), generator=generator, dtype=FLOAT)[:1].repeat(1, 1, 1) for n in (2, 4))
    X = torch.randn((4, 20_000), generator=generator, dtype=FLOAT)[:, :1].repeat(1, 20_000)
    out = dropconnect_dropout.MASKED[method](U, V, X, [generator])[0]
    exact = (U @ V.mT @ X)[0, :, 0]
    error = out.std(1) / out.shape[1] ** 0.5
    assert bool(((out.mean(1) - exact).abs() < MC * error).all())
    assert bool((error > 0).all())


@pytest.mark.parametrize(("path", "value"), [
    (("white inputs, DropConnect, incoming", "values"), [[0.0] * 2] * 4),
    (("correlated inputs, dropout", "excess"), FAR),
    (("enumeration", "white", "DropConnect, outgoing"), [[2.0, 1.0]] * 3),
])  # fmt: skip
def test_one_wrong_dropconnect_quantity_refutes(dropconnect: dict[str, Any], path: tuple[str, ...], value: Any) -> None:
    assert dropconnect_dropout.conclude(replaced(dropconnect, path, value)).status == "refuted"


# --- deep linear networks -----------------------------------------------------------------------------------------


def test_the_batched_objective_is_the_library_s() -> None:
    problem = deep_linear_nets.Problem((3.0, 2.0), (3, 4), (0.5, 2.0))
    generator = torch.Generator().manual_seed(2)
    weights = [torch.randn((5, *size), generator=generator, dtype=FLOAT) for size in problem.sizes]
    target = torch.diag(torch.tensor(problem.targets, dtype=FLOAT))
    values = deep_linear_nets.exact_objective(problem, weights, target)
    for row, value in enumerate(values.tolist()):
        arrays = [weight[row].numpy() for weight in weights]
        product_ = arrays[2] @ arrays[1] @ arrays[0]
        fit = float(((target.numpy() - product_) ** 2).sum())
        assert close(value, fit + deep_explicit_regularizer(arrays, [0.5, 2.0]))


@pytest.fixture(scope="module")
def deep() -> dict[str, Any]:
    problems = (deep_linear_nets.PROBLEMS["quick"][0], deep_linear_nets.PROBLEMS["quick"][1])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(deep_linear_nets, "PROBLEMS", {"quick": problems})
        patch.setattr(deep_linear_nets, "STARTS", {"quick": 4})
        patch.setattr(deep_linear_nets, "MASKED_STEPS", {"quick": 5})
        results = {part.name: part.run(Setting()) for part in deep_linear_nets.EXPERIMENT.route.parts}
    for run in results["masked"]["runs"].values():
        run["values"], run["excess"] = [run["predicted"]] * 4, [1e-3, 2e-3, 1e-3, 2e-3]
    return reread(results)


def test_deep_optima_are_reached_and_the_surrogate_is_not(deep: dict[str, Any]) -> None:
    found = deep_linear_nets.conclude({k: {**v, "seconds": 1.0} for k, v in deep.items()})
    assert found.status == "checked", found.summary
    redrawn(found)
    one, two = deep["descent"]["runs"].values()
    assert close(one["optimum"], one["surrogate"])
    assert round(two["optimum"], 5) == 5.49694  # theory notes, section 3.3
    assert round(two["surrogate"], 4) == 5.3217


@pytest.mark.parametrize("place", [0, 1])
def test_an_objective_below_the_predicted_optimum_refutes(deep: dict[str, Any], place: int) -> None:
    name = list(deep["descent"]["runs"])[place]
    lower = [0.99 * value for value in deep["descent"]["runs"][name]["objectives"]]
    changed = replaced(deep, ("descent", "runs", name, "objectives"), lower)
    assert deep_linear_nets.conclude(changed).status == "refuted"


@pytest.mark.parametrize("distance", [0.05, 0.5])
def test_values_of_the_surrogate_refute_however_close_it_is(deep: dict[str, Any], distance: float) -> None:
    name, run = list(deep["masked"]["runs"].items())[1]
    for key in ("values", "surrogate_values"):
        near = [value + distance for value in run["predicted"]]
        deep = replaced(deep, ("masked", "runs", name, key), [near] * 4 if key == "values" else near)
    found = deep_linear_nets.conclude(deep)
    assert found.status == "refuted"
    assert "singular values − predicted: differs" in found.summary


# --- last layers --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def last_layer() -> dict[str, Any]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(last_layer_net, "DATA_SETS", {"quick": 1})
        patch.setattr(last_layer_net, "STARTS", {"quick": 2})
        patch.setattr(last_layer_net, "LAYOUTS", ((2, 5),))
        patch.setattr(last_layer_net, "DIGITS", {"quick": 12})
        patch.setattr(last_layer_net, "DIGITS_LAYOUTS", ((5, 10),))
        patch.setattr(last_layer_net, "STEPS", {"quick": 15})
        patch.setattr(last_layer_net, "DRAWS", 500)
        results = {part.name: part.run(Setting()) for part in last_layer_net.EXPERIMENT.route.parts}
    for part in results.values():
        for name, rows in part["runs"].items():
            for row in rows:  # the objective that is descended, and that of the check: two routes
                assert close(row["objective"], (1 + min(row["excesses"])) * row["bound"])
                assert row["relative_excess"] > 0
                row["relative_excess"] = 0.5 if "ReLU" in name else 1e-9
    return reread(results)


def test_last_layers_attain_the_bound_with_signed_features_only(last_layer: dict[str, Any]) -> None:
    found = last_layer_net.conclude({k: {**v, "seconds": 1.0} for k, v in last_layer.items()})
    assert found.status == "checked", found.summary
    redrawn(found)


@pytest.mark.parametrize(("name", "excess"), [("linear", 0.01), ("linear", -0.01), ("ReLU", 0.0)])
def test_one_wrong_last_layer_refutes(last_layer: dict[str, Any], name: str, excess: float) -> None:
    path = ("small", "runs", f"r = 2, 5 blocks, {name} features", 0, "relative_excess")
    assert last_layer_net.conclude(replaced(last_layer, path, excess)).status == "refuted"


def test_masks_that_do_not_average_to_the_objective_refute(last_layer: dict[str, Any]) -> None:
    path = ("small", "runs", "r = 2, 5 blocks, linear features", 0, "sampled", "z")
    assert last_layer_net.conclude(replaced(last_layer, path, 7.0)).status == "refuted"
