"""Step time of noise on activations as a ratio to plain backprop in the same run; figures, and only gross ceilings."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from step_ratio import record_ratio
from torch import nn

from etatrick.validation.layers import (
    BernoulliDropout,
    BetaBernoulliGates,
    DetachedScale,
    DropBlock,
    GaussianDropout,
    HardConcreteGates,
    LearnedGates,
    SampledGatesLinear,
    SlidingDropBlock1d,
    Sparseout,
)
from etatrick.validation.seeding import seed

pytestmark = pytest.mark.slow

PIXELS, BATCH = 784, 128
NOISE = torch.Generator().manual_seed(seed("activation benchmarks", "noise"))

LAYERS: dict[str, tuple[Callable[[int], nn.Module], float | None]] = {
    "nn.Dropout": (lambda units: nn.Dropout(0.5), None),
    "Bernoulli": (lambda units: BernoulliDropout(0.5, generator=NOISE), 1.10),
    "Gaussian": (lambda units: GaussianDropout(1.0, generator=NOISE), 1.10),
    "Sparseout, q=1": (lambda units: Sparseout(1, 0.5, generator=NOISE), 1.10),
    "Sparseout, q=1.5": (lambda units: Sparseout(1.5, 0.5, generator=NOISE), 1.10),
    "Sparseout, q=2": (lambda units: Sparseout(2, 0.5, generator=NOISE), 1.10),
    "Sparseout, q=2.5": (lambda units: Sparseout(2.5, 0.5, generator=NOISE), 1.10),
    "detached Sparseout, q=1": (lambda units: Sparseout(1, 0.5, gradient=DetachedScale(), generator=NOISE), 1.10),
    "DropBlock": (lambda units: DropBlock(8, 0.5, generator=NOISE), None),
    "sliding DropBlock": (lambda units: SlidingDropBlock1d(8, 0.5, generator=NOISE), None),
    "hard concrete": (lambda units: HardConcreteGates(units, generator=NOISE), 1.05),
    "learned Bernoulli gates": (lambda units: LearnedGates(units, generator=NOISE), 1.05),
    "beta-Bernoulli": (lambda units: BetaBernoulliGates(units, generator=NOISE), 1.05),
}


def step_of(hidden: int, layer: nn.Module, decoder: nn.Module | None = None) -> Callable[[], None]:
    """Return one step of stochastic gradient descent on the auto-encoder 784-hidden-784."""
    encoder = nn.Linear(PIXELS, hidden)
    network = nn.Sequential(encoder, nn.ReLU(), layer, decoder or nn.Linear(hidden, PIXELS))
    batch = torch.rand(BATCH, PIXELS, generator=torch.Generator().manual_seed(seed("activation benchmarks", hidden)))
    optimizer = torch.optim.SGD(network.parameters(), lr=0.01)

    def step() -> None:
        optimizer.zero_grad()
        torch.autograd.backward(nn.functional.mse_loss(network(batch), batch))
        optimizer.step()

    return step


def plain(hidden: int) -> Callable[[], None]:
    """Return one step without noise."""
    return step_of(hidden, nn.Identity())


@pytest.mark.parametrize("hidden", [1024, 2048])
@pytest.mark.parametrize("name", LAYERS)
def test_noise_on_the_hidden_layer(benchmark: Any, name: str, hidden: int) -> None:
    """Goals: 1.10 for dropout and Sparseout, 1.05 for gates per unit; a figure, so that only gross excess fails."""
    build, goal = LAYERS[name]
    found = record_ratio(benchmark, lambda: step_of(hidden, build(hidden)), lambda: plain(hidden), goal)
    assert found < 2


@pytest.mark.parametrize("hidden", [1024, 2048])
@pytest.mark.parametrize("lam", [0.5, 0.01])
def test_closed_form_gates(benchmark: Any, lam: float, hidden: int) -> None:
    """The gates need the length of each of the decoder's columns; 40 or 15 % of them are closed."""

    def gated() -> Callable[[], None]:
        return step_of(hidden, nn.Identity(), SampledGatesLinear(hidden, PIXELS, lam=lam, generator=NOISE))

    assert record_ratio(benchmark, gated, lambda: plain(hidden), 1.05) < 2
