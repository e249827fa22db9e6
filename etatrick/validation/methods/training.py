"""The state of one training run, the hooks through which a method takes part in it, and the base of all methods."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from etatrick.validation.network import StackedNetwork


def nothing() -> None:
    """Do nothing: the hook of methods that need none."""


def own_weights() -> list[Tensor] | None:
    """Return None: the forward pass uses the network's own weights."""
    return None


def no_probabilities() -> list[Tensor]:
    """Return no retain probabilities: the method has none."""
    return []


@final
@dataclass(frozen=True)
class Training:
    """One run of a method on a stacked network: its optimiser and what the method adds to each step.

    Parameters
    ----------
    optimizer : torch.optim.Optimizer
        Steps the network's weights and biases.
    forward_weights : callable
        Returns the weights to use in the forward pass, or None for the network's own.
    add_gradient : callable
        Adds the penalty's gradient to the gradients of the loss.
    after_step : callable
        Acts after the optimiser's step.
    auxiliary : torch.optim.Optimizer, optional
        Steps the method's own variables, at `rate_factor` times the network's learning rate.
    rate_factor : float
    retain_probabilities : callable
        Returns the retain probability of every weight as it stands, one tensor per weight matrix; no tensors for a
        method that has none.
    noisy_pass : callable, optional
        Returns logits for inputs of shape (seeds, batch, features) where noise enters at the activations; it then
        takes the place of the network's own pass in training.
    """

    optimizer: torch.optim.Optimizer
    forward_weights: Callable[[], list[Tensor] | None] = own_weights
    add_gradient: Callable[[], None] = nothing
    after_step: Callable[[], None] = nothing
    auxiliary: torch.optim.Optimizer | None = None
    rate_factor: float = 1.0
    retain_probabilities: Callable[[], list[Tensor]] = no_probabilities
    noisy_pass: Callable[[Tensor], Tensor] | None = None

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for optimizer, factor in ((self.optimizer, 1.0), (self.auxiliary, self.rate_factor)):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = factor * rate

    def logits(self, network: StackedNetwork, inputs: Tensor) -> Tensor:
        """Return the logits of the training pass, with whatever noise the method adds."""
        return self.noisy_pass(inputs) if self.noisy_pass else network(inputs, self.forward_weights())


class Method(ABC):
    """How to impose a penalty in training; `begin` returns the run's state."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables and legends call it."""

    @abstractmethod
    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""


def adam(network: StackedNetwork, learning_rate: float, epsilon: float = 1e-8) -> torch.optim.Adam:
    """Return Adam over the network's weights and biases.

    Parameters
    ----------
    network : StackedNetwork
    learning_rate : float
    epsilon : float
        The term that Adam adds to √v̂.
    """
    return torch.optim.Adam([*network.weights, *network.biases], lr=learning_rate, eps=epsilon, fused=True)


def gradient_of(weight: Tensor) -> Tensor:
    """Return the gradient that the loss left at a weight."""
    assert weight.grad is not None
    return weight.grad
