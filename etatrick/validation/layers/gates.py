"""Gates on units, shared by a batch: the base, and Bernoulli gates with a learned retain probability."""

from abc import abstractmethod
from math import log
from typing import final

import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import integer
from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.unit_dropout import require_decoder

START = Parameter("retain", 0, 1, meaning="retain probability at the start")


class UnitGates(NoisyActivations):
    r"""Activations times random gates s, one for each unit and shared by a batch, with parameters of their own.

    With the mean and variance of a gate, the twin for activations A and a decoder D is
    :math:`\tfrac12\sum_j \operatorname{Var}(s_j)\, \lVert D_j\rVert^2\lVert A_j\rVert^2`. A law of theory with
    :math:`\eta = (\mathrm E s)^2/\operatorname{Var} s` states it as ½w²/η for :math:`w = \lVert D_j\rVert
    \lVert A_j\rVert \mathrm E s_j`, to which training adds the `price` of the gates.

    Parameters
    ----------
    units : int
        Number of units, the last axis of activations.
    generator : torch.Generator, optional
        Source of the noise.
    """

    def __init__(self, units: int, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.units, self.generator = integer(units, "units", 1), generator

    @abstractmethod
    def gate(self, noise: Tensor) -> Tensor:
        """Return gates for raw noise of their shape; differentiable in the parameters."""

    @abstractmethod
    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of each gate, differentiable in the parameters, shape (units,)."""

    @abstractmethod
    def price(self) -> Tensor:
        """Return what each gate costs, for instance its chance of being open, shape (units,)."""

    @abstractmethod
    def settled(self) -> Tensor:
        """Return the gates of evaluation, shape (units,)."""

    def noise(self, input: Tensor) -> Tensor:
        """Draw one number in [0, 1) for each unit, in double precision."""
        if input.shape[-1] != self.units:
            rule = f"these gates are for {self.units} units, the last axis"
            raise InputError(f"activations of shape {tuple(input.shape)}", rule, f"pass units={input.shape[-1]}")
        source = input.device if self.generator is None else self.generator.device
        drawn = torch.rand(self.units, generator=self.generator, dtype=torch.float64, device=source)
        return drawn.to(input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the gated activations."""
        return input * self.gate(noise).to(input.dtype)

    def clean(self, input: Tensor) -> Tensor:
        """Return the activations times the gates of evaluation."""
        return input * self.settled().to(input.dtype)

    def mean(self, input: Tensor) -> Tensor:
        """Return the activations times the mean gates."""
        return input * self.moments()[0].to(input.dtype)

    def covariance(self, input: Tensor) -> Tensor:
        """Return diag(Var(s)a²) for each row, shape (rows, units, units)."""
        variance = self.moments()[1].to(input.dtype)
        return torch.diag_embed(variance * input.reshape(-1, self.units).square())

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return ½Σ Var(s_j)‖D_j‖²‖A_j‖²."""
        require_decoder(decoder, self.units)
        energy = input.reshape(-1, self.units).square().sum(0) * decoder.square().sum(0)
        return 0.5 * (self.moments()[1].to(input.dtype) * energy).sum()


class BernoulliGates(UnitGates):
    r"""Gates of 0 or 1 whose noise scale is differentiated, so that the gradient of a squared loss is unbiased.

    With π the mean, a draw is :math:`s = \pi + \sqrt{\pi(1-\pi)}\,\varepsilon`; ε has mean 0 and variance 1 for every
    π and is held constant, which makes :math:`\partial s/\partial\pi` 1/(2π) for an open gate and 1/(2(1−π)) for a
    closed one. The expected gradient is exact for every loss that is quadratic in each gate, with one pass and no
    relaxation.

    Parameters
    ----------
    units, generator
        As for :class:`UnitGates`.
    """

    @abstractmethod
    def retained(self) -> Tensor:
        """Return the retain probability π of each unit, differentiable, shape (units,), in [0, 1]."""

    def gate(self, noise: Tensor) -> Tensor:
        """Return 0 or 1, with the gradient above."""
        pi = self.retained()
        fixed = pi.detach()
        drawn = (noise < fixed).to(pi.dtype)
        chance = (drawn - 1).add_(fixed).abs_()  # of what was drawn: π or 1 − π
        return torch.addcdiv(drawn, pi - fixed, chance, value=0.5)

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return π and π(1−π)."""
        pi = self.retained()
        return pi, pi * (1 - pi)

    def settled(self) -> Tensor:
        """Return π."""
        return self.retained()

    def atoms(self, input: Tensor) -> Atoms:
        """Return one number on each side of π."""
        pi = self.retained().detach().double()
        return Atoms(torch.stack([pi / 2, (1 + pi) / 2]), torch.stack([pi, 1 - pi]))


@final
class LearnedGates(BernoulliGates):
    r"""Bernoulli gates :math:`\pi = \sigma(\text{logit})` that pay their expected ℓ0 norm, Σπ.

    Minimised over π, ½w²(1−π)/π + λπ is CEL0: ``strategies["bernoulli_l0"](kappa=λ)``.

    Parameters
    ----------
    units : int
        Number of units.
    retain : float
        π at the start, in (0, 1).
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `units` is no integer ≥ 1 or `retain` lies outside (0, 1).

    Examples
    --------
    >>> gates = LearnedGates(3, retain=0.8)
    >>> gates.price().detach(), gates.eval()(torch.ones(1, 3)).detach()
    (tensor([0.8000, 0.8000, 0.8000]), tensor([[0.8000, 0.8000, 0.8000]]))
    """

    def __init__(self, units: int, retain: float = 0.5, *, generator: torch.Generator | None = None) -> None:
        super().__init__(units, generator=generator)
        self.logit = nn.Parameter(torch.full((self.units,), start_logit(retain)))

    def retained(self) -> Tensor:
        """Return σ(logit)."""
        return self.logit.sigmoid()

    def price(self) -> Tensor:
        """Return π, the chance of an open gate."""
        return self.retained()


def start_logit(retain: float) -> float:
    """Return logit(retain) for a retain probability in (0, 1).

    Examples
    --------
    >>> start_logit(0.5)
    0.0
    """
    inside = float(START.exact(retain))
    return log(inside) - log(1 - inside)
