"""The η-trick as a training method, with the dual f given through its slope: derived, closed form, or as published."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, final

import sympy as sp
import torch
from torch import Tensor

from etatrick.theory.duality import Duality
from etatrick.theory.symbols import eta as eta_symbol
from etatrick.validation.methods.training import Method, Training, adam, gradient_of
from etatrick.validation.network import StackedNetwork
from etatrick.validation.torch_compile import torch_function


class Dual(ABC):
    """A dual function f, known by η f′(η): all that descent on log η needs."""

    @abstractmethod
    def growth(self, z: Tensor, lam: float) -> Tensor:
        """Return η f′(η) at η = λ exp z elementwise, in the precision of `z`, as a new tensor."""


@final
@dataclass(frozen=True)
class DerivedDual(Dual):
    """The dual of a derived duality, differentiated symbolically and evaluated in double precision.

    Parameters
    ----------
    duality : Duality
    """

    duality: Duality

    def growth(self, z: Tensor, lam: float) -> Tensor:
        """Return η f′(η) at η = λ exp z."""
        found: Tensor = _growth(self.duality)(lam * torch.exp(z.double()))  # η f′(η) cancels in single precision
        return found.to(z.dtype)


@final
@dataclass(frozen=True)
class LogSumDual(Dual):
    r"""The dual of :math:`\log(|w|+\varepsilon)` in single precision.

    :math:`\eta f'(\eta)=4\eta/(S+\varepsilon)^2` with :math:`S=\sqrt{\varepsilon^2+4\eta}`. It is the same
    function as ``DerivedDual(penalties["log_sum"](epsilon).duality)``, in a form without cancellation.

    Parameters
    ----------
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> LogSumDual(2.0).growth(torch.zeros(1), lam=3.0)
    tensor([0.3333])
    """

    epsilon: float

    def growth(self, z: Tensor, lam: float) -> Tensor:
        """Return η f′(η) at η = λ exp z."""
        scaled = torch.exp(z).mul_(4 * lam)
        root = (scaled + self.epsilon**2).sqrt_()
        return scaled.div_(root.add_(self.epsilon).square_())


@final
@dataclass(frozen=True)
class PublishedLogSumDual(Dual):
    r"""The dual of the published torch code, whose second term is doubled.

    :math:`\eta f'(\eta)=16\eta^2/(S(S+\varepsilon)^3)` with :math:`S=\sqrt{\varepsilon^2+4\eta}`, from
    :math:`f(\eta)=2[\log\frac{S+\varepsilon}2-\frac{(S-\varepsilon)^2}{4\eta}]` instead of
    :math:`2\log\frac{S+\varepsilon}2-\frac{(S-\varepsilon)^2}{4\eta}`. What it imposes grows like
    :math:`\frac34(2/\varepsilon^4)^{1/3}|w|^{4/3}` from 0, without a kink, and so has no exact zeros.

    Parameters
    ----------
    epsilon : float
        ε > 0.

    Examples
    --------
    >>> PublishedLogSumDual(2.0).growth(torch.zeros(1), lam=3.0)
    tensor([0.1667])
    """

    epsilon: float

    def growth(self, z: Tensor, lam: float) -> Tensor:
        """Return η f′(η) at η = λ exp z."""
        scaled = torch.exp(z).mul_(4 * lam)
        root = (scaled + self.epsilon**2).sqrt_()
        shifted = root + self.epsilon
        return scaled.div_(shifted).square_().div_(root.mul_(shifted))


@final
@dataclass(frozen=True)
class EtaTrick(Method):
    """Joint descent on (w, z = log(η/λ)) of L + (λ/2)Σ[w²/η + f(η)] + decay·(λ/2)Σz, with z starting at 5.

    Parameters
    ----------
    duality : Duality or Dual
        A duality stands for its own, *correct* dual; the published torch code doubles the second term of f, which is
        :class:`PublishedLogSumDual`.
    lam : float
    rate_factor : float
        Learning rate of z relative to that of w.
    decay : float
        The published decay 10⁻³ on log η; it is itself the η-trick of a log penalty.
    """

    duality: Duality | Dual
    lam: float
    rate_factor: float = 20.0
    decay: float = 1e-3
    name: str = "η-trick"

    def begin(self, network: StackedNetwork, learning_rate: float, generators: list[torch.Generator]) -> Training:
        """Start a run."""
        dual = self.duality if isinstance(self.duality, Dual) else DerivedDual(self.duality)
        logs = [torch.full_like(weight, 5.0).requires_grad_(True) for weight in network.weights]
        auxiliary = torch.optim.Adam(logs, lr=learning_rate * self.rate_factor, fused=True)

        @torch.no_grad()
        def add_gradient() -> None:
            for weight, z in zip(network.weights, logs, strict=True):
                odds = torch.exp(-z)  # λ/η
                gradient_of(weight).add_(weight * odds)
                slope = dual.growth(z, self.lam).add_(self.decay).mul_(self.lam)
                z.grad = slope.sub_(weight.square().mul_(odds)).mul_(0.5)

        def step() -> None:
            auxiliary.step()

        return Training(adam(network, learning_rate), add_gradient=add_gradient, after_step=step, auxiliary=auxiliary,
                        rate_factor=self.rate_factor,
                        retain_probabilities=lambda: [torch.sigmoid(z.detach()) for z in logs])  # fmt: skip


@lru_cache(maxsize=64)
def _growth(duality: Duality) -> Any:
    return torch_function(sp.simplify(eta_symbol * sp.diff(duality.dual, eta_symbol)), eta_symbol)
