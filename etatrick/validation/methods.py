"""Training methods that should impose one penalty: log-sum gradient, AdaTikhonov, η-trick, AdaProx, fixed rate."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import Any, Final, final

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


class Training(ABC):
    """One training run of a stacked network: the optimiser and what a method adds to each step."""

    def __init__(self, network: StackedNetwork, learning_rate: float) -> None:
        self.network = network
        self.optimizer = torch.optim.Adam([*network.weights, *network.biases], lr=learning_rate, fused=True)

    def forward_weights(self) -> list[Tensor] | None:
        """Return the weights to use in the forward pass, or None for the network's own."""
        return None

    def add_gradient(self) -> None:
        """Add the penalty's gradient to the gradients of the loss."""

    def after_step(self) -> None:
        """Act on the weights after the optimiser's step."""

    def set_rate(self, rate: float) -> None:
        """Set the learning rate."""
        for group in self.optimizer.param_groups:
            group["lr"] = rate


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
        method = self

        class Run(Training):
            def add_gradient(self) -> None:
                for weight in network.weights:
                    assert weight.grad is not None
                    weight.grad.add_(slope(weight.detach().abs()) * weight.detach().sign(), alpha=method.lam)

        return Run(network, learning_rate)


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
        rule = _alpha(self.duality, self.lam)

        class Run(Training):
            alphas: tuple[Tensor, ...] = tuple(torch.ones_like(weight) for weight in network.weights)

            def add_gradient(self) -> None:
                for weight, alpha in zip(network.weights, self.alphas, strict=True):
                    assert weight.grad is not None
                    weight.grad.add_(weight.detach() * (1 - alpha) / alpha)

            def after_step(self) -> None:
                self.alphas = tuple(rule(weight.detach().abs()).clamp_min(LEAST_ALPHA) for weight in network.weights)

        return Run(network, learning_rate)


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
        method = self
        logs = [torch.full_like(weight, 5.0).requires_grad_(True) for weight in network.weights]
        outer = torch.optim.Adam(logs, lr=learning_rate * self.rate_factor, fused=True)

        class Run(Training):
            def add_gradient(self) -> None:
                for weight, z in zip(network.weights, logs, strict=True):
                    assert weight.grad is not None
                    with torch.no_grad():
                        odds = torch.exp(-z)  # λ/η
                        weight.grad.add_(weight * odds)
                        level = method.lam * torch.exp(z.double())  # η f′(η) cancels in single precision
                        slope = method.lam * (growth(level).to(z.dtype) + method.decay) - weight.square() * odds
                        z.grad = 0.5 * slope

            def after_step(self) -> None:
                outer.step()

            def set_rate(self, rate: float) -> None:
                super().set_rate(rate)
                for group in outer.param_groups:
                    group["lr"] = rate * method.rate_factor

        return Run(network, learning_rate)


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
        method = self

        class Run(Training):
            def after_step(self) -> None:
                group = self.optimizer.param_groups[0]
                for weight in network.weights:
                    state = self.optimizer.state[weight]
                    second = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
                    with torch.no_grad():
                        reach = rule(weight.abs()) * second.sqrt()
                        # η̂√v̂/(η̂√v̂ + lr·λ): no division by √v̂, which is 0 for inputs that never vary
                        weight.mul_(reach / (reach + group["lr"] * method.lam + torch.finfo(reach.dtype).tiny))

        return Run(network, learning_rate)


@final
@dataclass(frozen=True)
class FixedRateDropout(Method):
    """Dropout on the weights at one retain probability: the negative control."""

    retain: float
    name: str = "fixed rate"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        mask = FixedRate(self.retain)

        class Run(Training):
            def forward_weights(self) -> list[Tensor]:
                masks = [
                    torch.stack([mask.draw(part.detach(), g) for part, g in zip(weight, generators, strict=True)])
                    for weight in network.weights
                ]
                return [weight * drawn for weight, drawn in zip(network.weights, masks, strict=True)]

        return Run(network, learning_rate)


def _alpha(duality: Duality, lam: float) -> Any:
    return torch_function(duality.alpha.subs(lam_symbol, sp.Rational(repr(float(lam)))), w)
