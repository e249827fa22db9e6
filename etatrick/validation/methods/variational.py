"""Variational dropout as a training method: weight noise, local reparameterisation, and additive parameters."""

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import torch
from torch import Tensor

from etatrick.validation.methods.divergences import DivergenceSlope, MolchanovSlope
from etatrick.validation.methods.training import Method, Training, adam, gradient_of
from etatrick.validation.network import StackedNetwork

FIT: Final = MolchanovSlope()
LEAST_VARIANCE: Final = 1e-12  # keeps √ differentiable where an activation has no noise


class Noise(ABC):
    """How the log variances enter the network's training pass."""

    @abstractmethod
    def hooks(
        self, network: StackedNetwork, variances: Callable[[], list[Tensor]], generators: list[torch.Generator]
    ) -> tuple[Callable[[], list[Tensor] | None], Callable[[Tensor], Tensor] | None]:
        """Return the `forward_weights` and `noisy_pass` hooks for weights with these variances."""


@final
@dataclass(frozen=True)
class WeightNoise(Noise):
    """Every weight is perturbed, w + √V ξ: one draw per pass, shared by the batch."""

    def hooks(
        self, network: StackedNetwork, variances: Callable[[], list[Tensor]], generators: list[torch.Generator]
    ) -> tuple[Callable[[], list[Tensor] | None], Callable[[Tensor], Tensor] | None]:
        """Return the hook that perturbs the weights."""

        def perturbed() -> list[Tensor] | None:
            pairs = zip(network.weights, variances(), strict=True)
            return [torch.addcmul(w, v.sqrt(), _normal(w, generators)) for w, v in pairs]

        return perturbed, None


@final
@dataclass(frozen=True)
class LocalReparameterisation(Noise):
    """Activations are drawn from their own law, N(xW + b, x²V): noise for every example at two matmuls per layer."""

    def hooks(
        self, network: StackedNetwork, variances: Callable[[], list[Tensor]], generators: list[torch.Generator]
    ) -> tuple[Callable[[], list[Tensor] | None], Callable[[Tensor], Tensor] | None]:
        """Return the hook that draws activations."""

        def drawn(inputs: Tensor) -> Tensor:
            hidden, last = inputs, len(network.weights) - 1
            for index, (w, b, v) in enumerate(zip(network.weights, network.biases, variances(), strict=True)):
                spread = torch.bmm(hidden.square(), v).add_(LEAST_VARIANCE).sqrt()
                mean = torch.baddbmm(b, hidden, w)
                hidden = torch.addcmul(mean, spread, _normal(mean, generators))
                hidden = hidden.relu() if index < last else hidden
            return hidden

        return _needs_its_own_pass, drawn


WEIGHT_NOISE: Final = WeightNoise()
LOCAL: Final = LocalReparameterisation()


@final
@dataclass(frozen=True)
class VariationalDropout(Method):
    r"""Mean cross-entropy under noise N(w, aw²), plus KL(a)/N: weights and log a are trained (SGVLB divided by N).

    Kingma, Salimans and Welling (2015), with one log a per weight as in Molchanov, Ashukha and Vetrov (2017). The
    retain probability of the duality is α = 1/(1+a).

    Parameters
    ----------
    samples : int
        N, the size of the training set that the bound assumes.
    noise : Noise
        Where the noise enters.
    divergence : DivergenceSlope
    start : float
        First value of log a.
    rate_factor : float
        Learning rate of log a relative to that of w.
    """

    samples: int
    noise: Noise = WEIGHT_NOISE
    divergence: DivergenceSlope = FIT
    start: float = -5.0
    rate_factor: float = 1.0
    name: str = "VarDrop"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        logs = [torch.full_like(weight, self.start).requires_grad_(True) for weight in network.weights]

        def variances() -> list[Tensor]:
            return [weight.square() * log.exp() for weight, log in zip(network.weights, logs, strict=True)]

        weights, activations = self.noise.hooks(network, variances, generators)

        @torch.no_grad()
        def add_gradient() -> None:
            for log in logs:
                gradient_of(log).add_(self.divergence(log), alpha=1 / self.samples)

        return _training(self, network, learning_rate, logs, add_gradient, weights, activations,
                         lambda: [torch.sigmoid(-log.detach()) for log in logs])  # fmt: skip


@final
@dataclass(frozen=True)
class AdditiveVariationalDropout(Method):
    r"""Variational dropout in the parameters (w, log σ): noise N(w, σ²), and KL at log a = 2 log σ − 2 log|w|.

    Molchanov, Ashukha and Vetrov (2017), section 4.2: the objective is that of :class:`VariationalDropout`, the
    gradient in w is another one.

    Parameters
    ----------
    samples : int
        N, the size of the training set that the bound assumes.
    noise : Noise
    divergence : DivergenceSlope
    start : float
        First value of log σ.
    rate_factor : float
        Learning rate of log σ relative to that of w.
    """

    samples: int
    noise: Noise = LOCAL
    divergence: DivergenceSlope = FIT
    start: float = -5.0
    rate_factor: float = 1.0
    name: str = "VarDrop+LR+AR"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        logs = [torch.full_like(weight, self.start).requires_grad_(True) for weight in network.weights]
        weights, activations = self.noise.hooks(network, lambda: [(2 * log).exp() for log in logs], generators)

        @torch.no_grad()
        def add_gradient() -> None:
            for weight, log in zip(network.weights, logs, strict=True):
                energy = _energy(weight)
                slope = self.divergence(torch.log(energy).neg_().add_(log, alpha=2)).mul_(2 / self.samples)
                gradient_of(log).add_(slope)
                gradient_of(weight).sub_(slope.mul_(weight).div_(energy))  # the slope over w, and 0 at w = 0

        return _training(self, network, learning_rate, logs, add_gradient, weights, activations,
                         lambda: [torch.sigmoid(torch.log(_energy(p.detach())) - 2 * log.detach())
                                  for p, log in zip(network.weights, logs, strict=True)])  # fmt: skip


def _training(
    method: VariationalDropout | AdditiveVariationalDropout,
    network: StackedNetwork,
    learning_rate: float,
    logs: list[Tensor],
    add_gradient: Callable[[], None],
    weights: Callable[[], list[Tensor] | None],
    activations: Callable[[Tensor], Tensor] | None,
    alphas: Callable[[], list[Tensor]],
) -> Training:
    # the published loss is N times ours; Adam is blind to that if its ε shrinks with it
    epsilon = 1e-8 / method.samples
    auxiliary = torch.optim.Adam(logs, lr=learning_rate * method.rate_factor, eps=epsilon, fused=True)

    def step() -> None:
        auxiliary.step()
        auxiliary.zero_grad()

    return Training(adam(network, learning_rate, epsilon), weights, add_gradient, step, auxiliary, method.rate_factor,
                    retain_probabilities=alphas, noisy_pass=activations)  # fmt: skip


def _normal(like: Tensor, generators: list[torch.Generator]) -> Tensor:
    draws = [torch.randn(like.shape[1:], generator=g, dtype=like.dtype) for g in generators]
    return torch.stack(draws).to(like.device) if len(draws) > 1 else draws[0][None].to(like.device)


def _energy(weight: Tensor) -> Tensor:
    """Return w², kept away from 0 so that its logarithm is finite: no weight below 1e-15 matters."""
    return weight.square().add_(1e-30)


def _needs_its_own_pass() -> list[Tensor] | None:
    raise RuntimeError("activations are drawn from their own law here: call Training.logits, not the network")
