"""Training methods that should impose one penalty: log-sum gradient, AdaTikhonov, η-trick, AdaProx, fixed rate."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import sympy as sp
import torch
from torch import Tensor

from etatrick.theory.duality import Duality
from etatrick.theory.symbols import eta as eta_symbol
from etatrick.theory.symbols import lam as lam_symbol
from etatrick.theory.symbols import w
from etatrick.validation.layers import FixedRate
from etatrick.validation.network import StackedNetwork
from etatrick.validation.torch_compile import torch_function

LEAST_ALPHA: Final = 1e-3


def nothing() -> None:
    """Do nothing: the hook of methods that need none."""


def own_weights() -> list[Tensor] | None:
    """Return None: the forward pass uses the network's own weights."""
    return None


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
    """

    optimizer: torch.optim.Optimizer
    forward_weights: Callable[[], list[Tensor] | None] = own_weights
    add_gradient: Callable[[], None] = nothing
    after_step: Callable[[], None] = nothing
    auxiliary: torch.optim.Optimizer | None = None
    rate_factor: float = 1.0

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for optimizer, factor in ((self.optimizer, 1.0), (self.auxiliary, self.rate_factor)):
            for group in optimizer.param_groups if optimizer else ():
                group["lr"] = factor * rate


class Method(ABC):
    """How to impose a penalty in training; `begin` returns the run's state."""

    @property
    @abstractmethod
    def name(self) -> str:
        """What tables and legends call it."""

    @abstractmethod
    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""


@final
@dataclass(frozen=True)
class PenaltyGradient(Method):
    """Plain penalised training: the gradient of L + λΣΩ(|w|) (for log-sum, the method *LogSum*)."""

    duality: Duality
    lam: float
    name: str = "LogSum"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        slope = torch_function(sp.simplify(sp.diff(self.duality.penalty, w)), w)

        def add_gradient() -> None:
            for weight in network.weights:
                _gradient(weight).add_(slope(weight.detach().abs()) * weight.detach().sign(), alpha=self.lam)

        return Training(_adam(network, learning_rate), add_gradient=add_gradient)


@final
@dataclass(frozen=True)
class AdaTikhonov(Method):
    """Gradient of L + ½Σ w²(1−α)/α with α refreshed after each batch, detached, and at least 1e-3.

    The first batch sees α = 1, as published.
    """

    duality: Duality
    lam: float
    name: str = "AdaTikhonov"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        rule = torch_function(self.duality.alpha.subs(lam_symbol, sp.Rational(repr(float(self.lam)))), w)
        alphas = [torch.ones_like(weight) for weight in network.weights]

        def add_gradient() -> None:
            for weight, alpha in zip(network.weights, alphas, strict=True):
                _gradient(weight).add_(weight.detach() * (1 - alpha) / alpha)

        def refresh() -> None:
            alphas[:] = [rule(weight.detach().abs()).clamp_min(LEAST_ALPHA) for weight in network.weights]

        return Training(_adam(network, learning_rate), add_gradient=add_gradient, after_step=refresh)


@final
@dataclass(frozen=True)
class EtaTrick(Method):
    """Joint descent on (w, z = log(η/λ)) of L + (λ/2)Σ[w²/η + f(η)] + decay·(λ/2)Σz, with z starting at 5.

    Parameters
    ----------
    duality : Duality
        Its dual f is the *correct* one; the authors' torch code doubles the second term of f.
    lam : float
    rate_factor : float
        Learning rate of z relative to that of w.
    decay : float
        The published decay 10⁻³ on log η; it is itself the η-trick of a log penalty.
    """

    duality: Duality
    lam: float
    rate_factor: float = 20.0
    decay: float = 1e-3
    name: str = "η-trick"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        growth = torch_function(sp.simplify(eta_symbol * sp.diff(self.duality.dual, eta_symbol)), eta_symbol)
        logs = [torch.full_like(weight, 5.0).requires_grad_(True) for weight in network.weights]
        auxiliary = torch.optim.Adam(logs, lr=learning_rate * self.rate_factor, fused=True)

        @torch.no_grad()
        def add_gradient() -> None:
            for weight, z in zip(network.weights, logs, strict=True):
                odds = torch.exp(-z)  # λ/η
                _gradient(weight).add_(weight * odds)
                level = self.lam * torch.exp(z.double())  # η f′(η) cancels in single precision
                z.grad = 0.5 * (self.lam * (growth(level).to(z.dtype) + self.decay) - weight.square() * odds)

        def step() -> None:
            auxiliary.step()

        return Training(_adam(network, learning_rate), add_gradient=add_gradient, after_step=step,
                        auxiliary=auxiliary, rate_factor=self.rate_factor)  # fmt: skip


@final
@dataclass(frozen=True)
class AdaProx(Method):
    """An Adam step on L alone to v, then w ← αv with α = η̂(v)/(η̂(v)+tλ), t = lr/√v̂ elementwise."""

    duality: Duality
    lam: float
    name: str = "AdaProx"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        rule = torch_function(self.duality.eta_hat, w)
        optimizer = _adam(network, learning_rate)

        @torch.no_grad()
        def shrink() -> None:
            group = optimizer.param_groups[0]
            for weight in network.weights:
                state = optimizer.state[weight]
                second = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
                reach = rule(weight.abs()) * second.sqrt()
                # η̂√v̂/(η̂√v̂ + lr·λ): no division by √v̂, which is 0 for inputs that never vary
                weight.mul_(reach / (reach + group["lr"] * self.lam + torch.finfo(reach.dtype).tiny))

        return Training(optimizer, after_step=shrink)


@final
@dataclass(frozen=True)
class FixedRateDropout(Method):
    """Dropout on the weights at one retain probability: the negative control."""

    retain: float
    name: str = "fixed rate"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        mask = FixedRate(self.retain)

        def masked(weight: Tensor) -> Tensor:
            return torch.stack([part * mask.draw(part, g) for part, g in zip(weight, generators, strict=True)])

        return Training(_adam(network, learning_rate), lambda: [masked(weight) for weight in network.weights])


def _adam(network: StackedNetwork, learning_rate: float) -> torch.optim.Adam:
    return torch.optim.Adam([*network.weights, *network.biases], lr=learning_rate, fused=True)


def _gradient(weight: Tensor) -> Tensor:
    assert weight.grad is not None
    return weight.grad
