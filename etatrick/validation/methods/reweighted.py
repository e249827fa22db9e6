"""Methods that reweight by w alone: the penalty's own gradient, AdaTikhonov, AdaProx."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Final, final

import sympy as sp
import torch
from torch import Tensor

from etatrick.theory.duality import Duality
from etatrick.theory.symbols import lam as lam_symbol
from etatrick.theory.symbols import w
from etatrick.validation.methods.training import Method, Training, adam, gradient_of
from etatrick.validation.network import StackedNetwork
from etatrick.validation.torch_compile import torch_function

LEAST_ALPHA: Final = 1e-3


def retain_rule(duality: Duality, lam: float) -> Callable[[Tensor], Tensor]:
    """Return the compiled rule |w| ↦ α(w) = η̂(w)/(η̂(w) + λ)."""
    return torch_function(duality.alpha.subs(lam_symbol, sp.Rational(repr(float(lam)))), w)


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
                gradient_of(weight).add_(slope(weight.detach().abs()) * weight.detach().sign(), alpha=self.lam)

        def alphas() -> list[Tensor]:
            rule = retain_rule(self.duality, self.lam)
            return [rule(weight.detach().abs()) for weight in network.weights]

        return Training(adam(network, learning_rate), add_gradient=add_gradient, retain_probabilities=alphas)


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
        rule = retain_rule(self.duality, self.lam)
        alphas = [torch.ones_like(weight) for weight in network.weights]

        def add_gradient() -> None:
            for weight, alpha in zip(network.weights, alphas, strict=True):
                gradient_of(weight).add_(weight.detach() * (1 - alpha) / alpha)

        def refresh() -> None:
            alphas[:] = [rule(weight.detach().abs()).clamp_min(LEAST_ALPHA) for weight in network.weights]

        return Training(adam(network, learning_rate), add_gradient=add_gradient, after_step=refresh,
                        retain_probabilities=lambda: list(alphas))  # fmt: skip


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
        optimizer = adam(network, learning_rate)
        alphas = [torch.ones_like(weight) for weight in network.weights]

        @torch.no_grad()
        def shrink() -> None:
            group = optimizer.param_groups[0]
            for index, weight in enumerate(network.weights):
                state = optimizer.state[weight]
                second = state["exp_avg_sq"] / (1 - group["betas"][1] ** float(state["step"]))
                reach = rule(weight.abs()) * second.sqrt()
                # η̂√v̂/(η̂√v̂ + lr·λ): no division by √v̂, which is 0 for inputs that never vary
                alphas[index] = reach / (reach + group["lr"] * self.lam + torch.finfo(reach.dtype).tiny)
                weight.mul_(alphas[index])

        return Training(optimizer, after_step=shrink, retain_probabilities=lambda: list(alphas))
