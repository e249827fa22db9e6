"""Networks in one batch against the same matmuls bare, and against training one after another; ratios in one run."""

import time
from collections.abc import Callable, Iterator
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etatrick.theory import penalties
from etatrick.validation.data import Split
from etatrick.validation.methods import FixedRateDropout, Method
from etatrick.validation.methods.training import Training
from etatrick.validation.network import StackedNetwork
from etatrick.validation.stacked_run import Recipe, StackedRun
from etatrick.validation.trajectory import Member

pytestmark = pytest.mark.slow
MEMBERS = 64
ROUNDS = 3


class Unpenalised(Method):
    """Adam on the loss alone: what networks cost before a method adds to it."""

    name = "unpenalised"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        return Training(torch.optim.Adam([*network.weights, *network.biases], lr=learning_rate, fused=True))


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)


def samples(features: int, classes: int, count: int) -> Split:
    rng = np.random.default_rng(0)
    inputs = rng.normal(size=(count, features)).astype(np.float32)
    labels = np.r_[np.arange(classes), rng.integers(0, classes, count - classes)]
    return Split(inputs, labels, inputs[:classes], labels[:classes])


def best(runs: dict[str, Callable[[], None]], rounds: int = ROUNDS) -> dict[str, float]:
    """Return the least processor time of each, taken in turns."""
    for run in runs.values():
        run()
    times: dict[str, list[float]] = {name: [] for name in runs}
    for _ in range(rounds):
        for name, run in runs.items():
            begin = time.process_time()
            run()
            times[name].append(time.process_time() - begin)
    return {name: min(spent) for name, spent in times.items()}


def steps(widths: tuple[int, ...], batch: int, count: int) -> dict[str, Callable[[], None]]:
    """Return `count` training steps of all members: stacked, one after another, and their matmuls alone."""
    data = samples(widths[0], widths[-1], batch * count)
    recipe = Recipe(lambda parameters: (Unpenalised(), 1e-3), data, widths[1:-1], 10**6, batch, 1e-5)
    run = StackedRun(recipe, [Member(number) for number in range(MEMBERS)], "cpu")
    inputs, labels = torch.tensor(data.train_inputs), torch.tensor(data.train_labels)
    alone = []
    for _ in range(MEMBERS):
        layers = [layer for pair in pairwise(widths) for layer in (nn.Linear(*pair), nn.ReLU())][:-1]
        network = nn.Sequential(*layers)
        alone.append((network, torch.optim.Adam(network.parameters(), lr=1e-3, fused=True)))

    def one_after_another() -> None:
        for network, optimizer in alone:
            order = torch.randperm(len(inputs))
            for begin in range(0, len(inputs), batch):
                picked = order[begin : begin + batch]
                optimizer.zero_grad()
                nn.functional.cross_entropy(network(inputs[picked]), labels[picked]).backward()  # type: ignore[no-untyped-call]
                optimizer.step()

    operands = [
        (torch.randn(MEMBERS, batch, a), torch.randn(MEMBERS, a, b), torch.randn(MEMBERS, batch, b))
        for a, b in pairwise(widths)
    ]

    def matmuls() -> None:
        for _ in range(count):
            for index, (value, weight, gradient) in enumerate(operands):
                torch.bmm(value, weight)
                torch.bmm(value.transpose(1, 2), gradient)
                if index:  # no gradient with respect to the data
                    torch.bmm(gradient, weight.transpose(1, 2))

    return {"together": run.advance, "one_after_another": one_after_another, "matmuls": matmuls}


def test_lenet_reaches_the_rate_of_its_matmuls(benchmark: Any) -> None:
    """At most 4/3 of the time of the bare batched matmuls of the same shapes."""
    torch.manual_seed(0)
    count = 16  # an epoch ends with a pass over all weights; LeNet's has 375 steps
    runs = steps((784, 300, 100, 10), 128, count)
    spent = best(runs)
    ratio = spent["together"] / spent["matmuls"]
    alone = spent["together"] / spent["one_after_another"]
    benchmark.extra_info.update(
        ratio=ratio, goal=4 / 3, ratio_to_one_after_another=alone, ms_per_step=1e3 * spent["together"] / count
    )
    benchmark.pedantic(runs["together"], rounds=1)
    assert ratio <= 2  # on a busy machine the memory-bound part suffers


@pytest.mark.parametrize(
    ("widths", "batch", "count", "goal"),
    [((20, 50, 50, 2), 64, 8, 1 / 3), ((10, 20, 2), 32, 12, 1 / 20)],
    ids=["20-50-50-2", "10-20-1"],
)
def test_small_networks_are_faster_together(
    benchmark: Any, widths: tuple[int, ...], batch: int, count: int, goal: float
) -> None:
    """The time over that of training one after another; with two classes for one logit, which is a little more."""
    torch.manual_seed(0)
    runs = steps(widths, batch, count)
    spent = best(runs)
    ratio = spent["together"] / spent["one_after_another"]
    benchmark.extra_info.update(ratio=ratio, goal=goal, ms_per_step=1e3 * spent["together"] / count)
    benchmark.pedantic(runs["together"], rounds=3)
    assert ratio <= 2 * goal


def test_a_path_of_regularisation_strengths_costs_what_as_many_seeds_cost(benchmark: Any) -> None:
    """Eight grid points share forward and backward passes; only their optimisers are apart."""
    from etatrick.validation.methods import PenaltyGradient

    data = samples(20, 2, 64 * 8)
    duality = penalties["log_sum"](epsilon=2).duality
    recipe = Recipe(lambda p: (PenaltyGradient(duality, p.get("lam", 1e-3)), 1e-3), data, (50, 50), 10**6, 64, 1e-5)
    seeds = StackedRun(recipe, [Member(number) for number in range(MEMBERS)], "cpu")
    points = [Member(s, (("lam", 10.0**-k),)) for k in range(1, 9) for s in range(MEMBERS // 8)]
    path = StackedRun(recipe, points, "cpu")
    spent = best({"seeds": seeds.advance, "path": path.advance})
    benchmark.extra_info.update(ratio=spent["path"] / spent["seeds"])
    benchmark.pedantic(path.advance, rounds=1)


def test_masks_on_all_weights_beside_none(benchmark: Any) -> None:
    """Dropout on all weights of all members: drawing them is the cost."""
    data = samples(20, 2, 64 * 4)
    recipe = Recipe(lambda p: (FixedRateDropout(0.5), 1e-3), data, (50, 50), 10**6, 64, 1e-5)
    run = StackedRun(recipe, [Member(number) for number in range(MEMBERS)], "cpu")
    plain = Recipe(lambda p: (Unpenalised(), 1e-3), data, (50, 50), 10**6, 64, 1e-5)
    bare = StackedRun(plain, run.members, "cpu")
    spent = best({"masked": run.advance, "bare": bare.advance})
    benchmark.extra_info.update(ratio=spent["masked"] / spent["bare"])
    benchmark.pedantic(run.advance, rounds=1)
