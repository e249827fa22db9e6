"""Many networks at once: each seed is the run it would be alone, methods share starts, and bad runs are refused."""

from dataclasses import dataclass, replace
from typing import Any, final

import numpy as np
import pytest
import torch

from etatrick.errors import InputError
from etatrick.theory import penalties
from etatrick.validation.data import Split, digits
from etatrick.validation.ensemble import FallbackWarning, train_ensemble
from etatrick.validation.methods import (
    AdaProx,
    AdaTikhonov,
    EtaTrick,
    FixedRateDropout,
    Method,
    PenaltyGradient,
)
from etatrick.validation.methods.training import Training
from etatrick.validation.network import StackedNetwork
from etatrick.validation.seeding import seed
from tolerances import FLOAT64

LOG_SUM = penalties["log_sum"](epsilon=2).duality
METHODS: tuple[Method, ...] = (
    PenaltyGradient(LOG_SUM, 1e-3),
    AdaTikhonov(LOG_SUM, 1e-3),
    EtaTrick(LOG_SUM, 1e-3),
    AdaProx(LOG_SUM, 1e-3),
    FixedRateDropout(0.5),
)
SINGLE = 1e-4  # relative to the largest weight: single precision, and sums in another order, over 24 steps


def small() -> Split:
    data = digits()
    return Split(data.train_inputs[:256], data.train_labels[:256], data.test_inputs[:100], data.test_labels[:100])


def trained(method: Method, seeds: int, epochs: int = 3, **more: Any) -> tuple[Any, list[torch.Tensor]]:
    kept: list[torch.Tensor] = []

    def keep(network: StackedNetwork) -> None:
        kept.extend(p.detach().clone() for p in (*network.weights, *network.biases))

    options = {"hidden": (8,), "batch_size": 32, **more}
    return train_ensemble(method, small(), seeds=seeds, epochs=epochs, final_network=keep, **options), kept


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_a_seed_is_the_same_run_in_company_as_alone(method: Method) -> None:
    alone, first = trained(method, 1)
    together, many = trained(method, 3)
    for one, stack in zip(first, many, strict=True):
        assert float((one[0] - stack[0]).abs().max()) <= SINGLE * float(one.abs().max())
    assert np.abs(alone.nonzero[:, 0] - together.nonzero[:, 0]).max() <= 2 / 592  # two weights on the edge
    assert np.abs(alone.error[:, 0] - together.error[:, 0]).max() <= 0.01  # one sample on the edge
    assert abs(alone.mean_size[0] - together.mean_size[0]) <= SINGLE


@pytest.mark.parametrize("method", METHODS, ids=lambda m: m.name)
def test_different_seeds_are_different_runs(method: Method) -> None:
    _, kept = trained(method, 3)
    for a, b in ((0, 1), (0, 2), (1, 2)):
        assert float((kept[0][a] - kept[0][b]).abs().max()) > 0.05


def test_training_is_deterministic() -> None:
    first, second = (trained(METHODS[4], 2)[1] for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first, second, strict=True))


def test_every_method_starts_from_the_same_weights_and_sees_the_same_batches(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    calls: list[tuple[torch.Tensor, torch.Tensor]] = []
    forward = StackedNetwork.__call__

    def watched(network: StackedNetwork, inputs: torch.Tensor, weights: Any = None) -> torch.Tensor:
        calls.append((inputs.clone(), network.weights[0].detach().clone()))
        return forward(network, inputs, weights)

    monkeypatch.setattr(StackedNetwork, "__call__", watched)
    seen = []
    for method in METHODS:
        calls.clear()
        trained(method, 2, epochs=1)
        seen.append(list(calls))
    wanted = StackedNetwork.initialised((64, 8, 10), [seed("initial weights", s) for s in range(2)])
    for run in seen:
        assert torch.equal(run[0][1], wanted.weights[0].detach())
        assert len(run) == 8 + 1  # batches, and the test
        assert all(torch.equal(ours[0], first[0]) for ours, first in zip(run, seen[0], strict=True))
    assert not torch.equal(seen[0][0][0][0], seen[0][0][0][1])  # each seed has its own order


def test_torch_s_global_generator_is_neither_used_nor_moved() -> None:
    torch.manual_seed(3)
    before = torch.get_rng_state()
    trained(METHODS[4], 1, epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_one_network_is_a_plain_perceptron_with_the_plain_loss() -> None:
    """The first step of the stack, from torch's own layers and loss."""
    data = small()
    batch = torch.Generator().manual_seed(seed("batches", 0))
    order = torch.randperm(256, generator=batch)
    start = StackedNetwork.initialised((64, 8, 10), [seed("initial weights", 0)])
    first, last = torch.nn.Linear(64, 8), torch.nn.Linear(8, 10)
    plain = torch.nn.Sequential(first, torch.nn.ReLU(), last)
    with torch.no_grad():
        for linear, weight in zip((first, last), start.weights, strict=True):
            linear.weight.copy_(weight[0].T)
            linear.bias.zero_()
    optimizer = torch.optim.Adam(plain.parameters(), lr=1e-3)
    for begin in range(0, 256, 32):
        picked = order[begin : begin + 32]
        optimizer.zero_grad()
        logits = plain(torch.tensor(data.train_inputs)[picked])
        loss = torch.nn.functional.cross_entropy(logits, torch.tensor(data.train_labels)[picked])
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
    found, kept = trained(PenaltyGradient(LOG_SUM, 1e-30), 2, epochs=1)
    for layer, tall, flat in ((first, kept[0], kept[2]), (last, kept[1], kept[3])):
        assert torch.allclose(layer.weight.T, tall[0], atol=1e-5)
        assert torch.allclose(layer.bias, flat[0, 0], atol=1e-5)
    with torch.no_grad():
        wrong = plain(torch.tensor(data.test_inputs)).argmax(1) != torch.tensor(data.test_labels)
    assert abs(found.error[0, 0] - float(wrong.double().mean())) < FLOAT64


def test_counts_and_sizes_are_those_of_the_final_weights() -> None:
    run, kept = trained(METHODS[0], 2, threshold=0.05)
    weights = torch.cat([weight.flatten(1) for weight in kept[:2]], dim=1)
    assert np.allclose(run.nonzero[-1], (weights.abs() > 0.05).double().mean(1))
    assert np.allclose(run.mean_size, weights.abs().mean(1), rtol=1e-5)
    assert run.nonzero.shape == run.error.shape == (3, 2)
    assert run.to_json()["nonzero"] == np.round(run.nonzero, 6).tolist()


def test_progress_rises_to_one() -> None:
    seen: list[float] = []
    trained(METHODS[0], 1, epochs=4, progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]


@pytest.mark.parametrize(
    "bad",
    [
        {"seeds": 0},
        {"seeds": 2.0},
        {"epochs": 0},
        {"batch_size": -1},
        {"learning_rate": 0.0},
        {"learning_rate": float("nan")},
        {"threshold": float("nan")},
        {"hidden": (0,)},
    ],
    ids=str,
)
def test_a_bad_number_is_refused_by_name(bad: dict[str, Any]) -> None:
    options: dict[str, Any] = {"hidden": (4,), "seeds": 1, "epochs": 1, **bad}
    with pytest.raises(InputError, match=next(iter(bad))):
        train_ensemble(METHODS[0], small(), **options)


def test_divergence_is_reported_with_the_method_and_the_remedy() -> None:
    with pytest.raises(InputError, match=r"LogSum diverged.*smaller rate"):
        trained(METHODS[0], 1, epochs=2, learning_rate=1e30)


# --- grids, divergence, memory, devices ---------------------------------------------------------------------------


@pytest.mark.parametrize("method", METHODS[:4], ids=lambda m: m.name)
def test_every_member_of_a_grid_is_the_run_it_would_be_alone(method: Any) -> None:
    lams, rates = (1e-4, 1e-2), (1e-3, 4e-3)
    run, stack = trained(method, 2, grid={"lam": lams, "learning_rate": rates})
    points = [(lam, rate) for lam in lams for rate in rates]
    named = [(m.seed, dict(m.parameters)) for m in run.members]
    assert named == [(s, {"lam": lam, "learning_rate": rate}) for lam, rate in points for s in range(2)]
    for index, (lam, rate) in enumerate(points):
        alone, own = trained(replace(method, lam=lam), 2, learning_rate=rate)
        for one, whole in zip(own, stack, strict=True):
            assert float((one - whole[2 * index : 2 * index + 2]).abs().max()) <= SINGLE * float(one.abs().max())
        assert np.abs(run.at(lam=lam, learning_rate=rate).mean_size - alone.mean_size).max() <= SINGLE
    assert len({round(float(size), 6) for size in run.mean_size}) == 8  # the grid matters


def test_masked_methods_have_grids_too() -> None:
    run, stack = trained(METHODS[4], 2, grid={"retain": [0.5, 0.9]})
    _, alone = trained(FixedRateDropout(0.9), 2)
    for one, whole in zip(alone, stack, strict=True):
        assert float((one - whole[2:]).abs().max()) <= SINGLE * float(one.abs().max())
    assert run.at(retain=0.9).error.shape == (3, 2)
    assert run.to_json()["members"][2] == {"seed": 0, "retain": 0.9}


def test_a_diverged_member_is_reported_and_leaves_the_others_alone() -> None:
    run, stack = trained(METHODS[0], 2, grid={"learning_rate": [1e-3, 1e30]})
    alone, own = trained(METHODS[0], 2)
    assert [str(member) for member in run.diverged] == [f"seed {s}, learning_rate = 1e+30" for s in range(2)]
    assert np.isnan(run.error[-1]).tolist() == [False, False, True, True]
    assert np.isnan(run.mean_size).tolist() == [False, False, True, True]
    assert np.allclose(run.error[:, :2], alone.error, atol=0.01)
    for one, whole in zip(own, stack, strict=True):
        assert float((one - whole[:2]).abs().max()) <= SINGLE * float(one.abs().max())
    document = run.to_json()
    assert document["mean_size"][2:] == [None, None]
    assert len(document["diverged"]) == 2
    assert not run.at(learning_rate=1e-3).diverged


@pytest.mark.parametrize(
    "grid", [{"lambda": [1.0]}, {"name": [1.0]}, {"lam": []}, {"lam": [float("nan")]}, {"lam": ["x"]}], ids=str
)
def test_a_bad_grid_is_refused(grid: Any) -> None:
    with pytest.raises(InputError, match="grid"):
        trained(METHODS[0], 1, grid=grid)


def test_a_rate_of_the_grid_must_be_positive_and_a_point_must_exist() -> None:
    with pytest.raises(InputError, match="learning_rate"):
        trained(METHODS[0], 1, grid={"learning_rate": [1e-3, 0.0]})
    run, _ = trained(METHODS[0], 1, epochs=1, grid={"lam": [1e-3]})
    with pytest.raises(InputError, match="no point"):
        run.at(lam=2.0)


@final
@dataclass(frozen=True)
class Greedy(Method):
    """Fits no more than a few networks in its memory."""

    inner: Method
    most: int
    name: str = "greedy"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        if network.members > self.most:
            raise torch.OutOfMemoryError("as on a GPU")
        return self.inner.begin(network, learning_rate, generators)


def test_members_that_do_not_fit_the_memory_are_trained_in_chunks() -> None:
    whole, weights = trained(METHODS[4], 5)
    seen: list[float] = []
    with pytest.warns(FallbackWarning, match="no memory for 5 networks together: going on with 3 at a time"):
        run, parts = trained(Greedy(METHODS[4], 3), 5, progress=seen.append)
    for a, b in zip(weights, parts, strict=True):
        assert float((a - b).abs().max()) <= SINGLE * float(a.abs().max())
    assert np.abs(run.error - whole.error).max() <= 0.01
    assert run.error.shape == (3, 5)
    assert seen == sorted(seen)
    assert seen[-1] == 1.0


def test_one_network_that_does_not_fit_is_refused() -> None:
    with pytest.warns(FallbackWarning), pytest.raises(InputError, match="one network alone exceeds its memory"):
        trained(Greedy(METHODS[0], 0), 2)


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has the GPU whose absence is tested")
def test_an_absent_gpu_falls_back_to_the_cpu_with_a_message() -> None:
    with pytest.warns(FallbackWarning, match="cuda is absent: training on the CPU"):
        run, weights = trained(METHODS[0], 1, epochs=1, device="cuda")
    _, wanted = trained(METHODS[0], 1, epochs=1)
    assert all(torch.equal(a, b) for a, b in zip(weights, wanted, strict=True))
    assert run.error.shape == (1, 1)


def test_an_unknown_device_is_refused() -> None:
    with pytest.raises(InputError, match="device = abacus"):
        trained(METHODS[0], 1, device="abacus")


def test_the_seeds_of_named_axes_are_all_different() -> None:
    axes = ("initial weights", "noise", "batches", "gaussian", "bernoulli", "control")
    seeds = [seed(axis, repetition) for axis in axes for repetition in range(200)]
    low = {s & 0xFFFFFFFF for s in seeds}  # torch's CPU generator reads only 32 bits
    assert len(set(seeds)) == len(low) == len(seeds)
    assert all(0 <= s < 2**63 for s in seeds)
