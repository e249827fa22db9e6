"""Steps of an auto-encoder whose decoder has noisy weights, as ratios to plain backpropagation in the same run."""

from collections.abc import Callable
from typing import Any, Final

import pytest
import torch
from step_ratio import least_times, record_ratio
from torch import nn

from etatrick.validation.layers import (
    AdditivePosterior,
    BridgeoutLinear,
    CentredBernoulli,
    DropConnectLinear,
    Reparameterised,
    ShakeoutLinear,
    TargetedDropoutLinear,
    VariationalLinear,
)

BATCH, VISIBLE, HIDDEN = 128, 784, 1024
DECODERS: Final[dict[str, tuple[Callable[[int, int], nn.Module], float]]] = {
    "bridgeout, two matmuls, q=1": (lambda a, b: BridgeoutLinear(a, b, q=1.0), 1.8),
    "bridgeout, two matmuls, q=1.5": (lambda a, b: BridgeoutLinear(a, b, q=1.5), 1.8),
    "shakeout, two matmuls": (lambda a, b: ShakeoutLinear(a, b), 1.5),
    "dropconnect, local reparameterisation": (
        lambda a, b: DropConnectLinear(a, b, retain=0.7, mechanism=Reparameterised),
        1.75,
    ),
    "dropconnect, one mask per batch": (lambda a, b: DropConnectLinear(a, b, retain=0.7), 1.75),
    "variational dropout": (lambda a, b: VariationalLinear(a, b), 1.75),
    "variational dropout, additive": (lambda a, b: VariationalLinear(a, b, posterior=AdditivePosterior), 1.75),
    "targeted dropout": (lambda a, b: TargetedDropoutLinear(a, b, fraction=0.75, drop=0.66), 1.6),
}
"""The layer under the noise and the goal for its ratio; the divergence of variational dropout is not in the step."""


def stepper(decoder: Callable[[int, int], nn.Module]) -> Callable[[], None]:
    """Return one step of gradient descent on the squared error of a 784-1024-784 network."""
    torch.manual_seed(0)
    inputs = torch.rand(BATCH, VISIBLE)
    net = nn.Sequential(nn.Linear(VISIBLE, HIDDEN), nn.ReLU(), decoder(HIDDEN, VISIBLE))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward((net(inputs) - inputs).square().mean())
        optimizer.step()

    return step


@pytest.mark.parametrize("name", list(DECODERS))
def test_a_step_costs_at_most_its_goal(name: str, benchmark: Any) -> None:
    """A quarter is allowed on top of the goal, for machines that do other work; the ratio itself is recorded."""
    decoder, goal = DECODERS[name]
    found = record_ratio(benchmark, lambda: stepper(decoder), lambda: stepper(nn.Linear), goal)
    assert found <= 1.25 * goal, (found, goal)


@pytest.mark.parametrize("retain", [0.5, 0.7])
def test_a_mask_of_weights_costs_less_than_torch_s_bernoulli(retain: float) -> None:
    weight, law = torch.zeros(VISIBLE, HIDDEN), CentredBernoulli(retain)

    def ours() -> None:
        law.sample((VISIBLE, HIDDEN), weight, None)

    def theirs() -> None:
        weight.bernoulli_(retain)

    mine, other = least_times([ours, theirs], rounds=60)
    assert mine < other
