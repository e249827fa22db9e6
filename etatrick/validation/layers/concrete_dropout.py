"""Concrete dropout: a learned drop rate paid by its entropy, relaxed or with exact Bernoulli masks."""

from abc import abstractmethod
from functools import lru_cache
from math import exp, log
from typing import final

import torch
from torch import Tensor, nn
from torch.nn.functional import logsigmoid

from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.gates import start_logit
from etatrick.validation.layers.quadrature_atoms import fewest_atoms
from etatrick.validation.layers.unit_dropout import require_decoder

TEMPERATURE = Parameter("temperature", meaning="of the relaxed mask")


class LearnedRate(NoisyActivations):
    r"""Dropout on units with one learned drop rate p = σ(logit) for the layer.

    The price is :math:`\log 2 - H(p)` for each unit. With a mask of mean 1 and variance p/(1−p), the minimum over p of
    ½w²p/(1−p) + κ·price is the Ω of ``etatrick.theory.strategies["concrete_dropout"](kappa=κ)`` at w.

    Parameters
    ----------
    retain : float
        1 − p at the start, in (0, 1).
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `retain` lies outside (0, 1).
    """

    def __init__(self, retain: float = 0.9, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        self.logit, self.generator = nn.Parameter(torch.tensor(-start_logit(retain))), generator

    @property
    def drop(self) -> Tensor:
        """The drop rate p, differentiable."""
        return self.logit.sigmoid()

    def price(self) -> Tensor:
        """Return log 2 − H(p), a scalar; times the number of units and κ it is the regulariser."""
        p = self.drop
        return log(2) + p * logsigmoid(self.logit) + (1 - p) * logsigmoid(-self.logit)

    @abstractmethod
    def factor(self, noise: Tensor) -> Tensor:
        """Return the mask for uniform noise, differentiable in the rate."""

    @abstractmethod
    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance of the mask, differentiable in the rate."""

    @abstractmethod
    def unit_atoms(self) -> tuple[Tensor, Tensor]:
        """Return a finite law of the uniform number of one unit: values and chances."""

    def noise(self, input: Tensor) -> Tensor:
        """Draw uniform noise on (0, 1)."""
        source = input.device if self.generator is None else self.generator.device
        dtype = torch.promote_types(input.dtype, torch.float32)
        drawn = torch.rand(input.shape, generator=self.generator, dtype=dtype, device=source)
        return drawn.clamp_min_(2.0**-26).to(input.device)  # 0 has no logit

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the masked activations."""
        return input * self.factor(noise).to(input.dtype)

    def clean(self, input: Tensor) -> Tensor:
        """Return the activations."""
        return input

    def mean(self, input: Tensor) -> Tensor:
        """Return the activations times the mask's mean."""
        return input * self.moments()[0].to(input.dtype)

    def covariance(self, input: Tensor) -> Tensor:
        """Return Var(z)·diag(a²) for each row, shape (rows, units, units)."""
        return torch.diag_embed(self.moments()[1].to(input.dtype) * input.reshape(-1, input.shape[-1]).square())

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return ½Var(z)Σ‖D_j‖²‖A_j‖²."""
        require_decoder(decoder, input.shape[-1])
        energy = input.reshape(-1, input.shape[-1]).square().sum(0) @ decoder.square().sum(0)
        return 0.5 * self.moments()[1].to(input.dtype) * energy

    def atoms(self, input: Tensor) -> Atoms:
        """Return the law of one unit for each."""
        values, chances = (part.reshape(-1, *(1,) * input.ndim) for part in self.unit_atoms())
        return Atoms(values.expand(-1, *input.shape), chances.expand(-1, *input.shape))


@final
class ConcreteDropout(LearnedRate):
    r"""The relaxed mask :math:`(1-d)/(1-p)`, :math:`d = \sigma((\operatorname{logit} p + \operatorname{logit} u)/T)`.

    At T = 0.1 its mean is up to 0.13 % off 1 and its variance about 91 % of p/(1−p); `mean` and the twin state
    what it really is (Gal, Hron, Kendall 2017).

    Parameters
    ----------
    retain : float
        1 − p at the start, in (0, 1).
    temperature : float
        T > 0; the quadrature of the moments is exact to rounding for T ≥ 0.1.
    generator : torch.Generator, optional
        Source of the noise.

    Examples
    --------
    >>> layer = ConcreteDropout(retain=0.5)
    >>> mean, variance = layer.double().moments()
    >>> round(mean.item(), 6), round(variance.item(), 3)
    (1.0, 0.901)
    """

    def __init__(
        self, retain: float = 0.9, *, temperature: float = 0.1, generator: torch.Generator | None = None
    ) -> None:
        super().__init__(retain, generator=generator)
        TEMPERATURE.exact(temperature)
        self.temperature = float(temperature)

    def factor(self, noise: Tensor) -> Tensor:
        """Return the relaxed mask."""
        kept = torch.sigmoid((self.logit + torch.logit(noise)) / -self.temperature)
        return kept * (1 + self.logit.exp())

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return mean and variance by quadrature over logit u."""
        at, weight = (part.to(self.logit) for part in logistic_rule(self.temperature))
        kept = torch.sigmoid((self.logit + at) / -self.temperature) * (1 + self.logit.exp())
        mean = kept @ weight
        return mean, kept.square() @ weight - mean.square()

    def unit_atoms(self) -> tuple[Tensor, Tensor]:
        """Return few numbers with the first and second moments of the mask and its slope."""
        return _relaxed_atoms(float(self.logit.detach()), self.temperature)


@final
class BernoulliConcreteDropout(LearnedRate):
    r"""The exact mask Bern(1−p)/(1−p), its deviation :math:`\sqrt{p/(1-p)}` differentiated with the rest held constant.

    The gradient of a squared loss with respect to p is unbiased, which neither a relaxed mask nor a plain Bernoulli
    mask gives.

    Parameters
    ----------
    retain, generator
        As for :class:`LearnedRate`.

    Examples
    --------
    >>> layer = BernoulliConcreteDropout(retain=0.5, generator=torch.Generator().manual_seed(0))
    >>> sorted(set(layer(torch.ones(8, 8)).flatten().tolist()))
    [0.0, 2.0]
    """

    def factor(self, noise: Tensor) -> Tensor:
        """Return 0 or 1/(1−p); with p/(1−p) = e^logit, the slope in logit is half the distance from the mean."""
        scale = 1 + self.logit.detach().exp()
        mask = (noise < self.logit.detach().neg().sigmoid()).to(self.logit.dtype) * scale
        return mask + (mask - 1) * 0.5 * (self.logit - self.logit.detach())

    def moments(self) -> tuple[Tensor, Tensor]:
        """Return 1 and p/(1−p)."""
        return torch.ones_like(self.logit), self.logit.exp()

    def unit_atoms(self) -> tuple[Tensor, Tensor]:
        """Return a number on each side of 1 − p."""
        retain = self.logit.detach().double().neg().sigmoid()
        return torch.stack([retain / 2, (1 + retain) / 2]), torch.stack([retain, 1 - retain])


@lru_cache(maxsize=16)
def logistic_rule(temperature: float) -> tuple[Tensor, Tensor]:
    """Return nodes and weights for expectations over logit u, of functions analytic within π·temperature of the line.

    The trapezoidal rule on [−40, 40]; its error is about exp(−2π²T/h) for a step h.

    Examples
    --------
    >>> at, weight = logistic_rule(0.1)
    >>> round(float((weight * at**2).sum()), 12) == round(torch.pi**2 / 3, 12)  # the variance of a logistic number
    True
    """
    step = min(0.25, temperature * 0.5)
    at = torch.arange(-round(40 / step), round(40 / step) + 1, dtype=torch.float64) * step
    return at, step * torch.sigmoid(at) * torch.sigmoid(-at)


@lru_cache(maxsize=16)
def _relaxed_atoms(logit: float, temperature: float) -> tuple[Tensor, Tensor]:
    at, weight = logistic_rule(temperature)
    odds = exp(logit)
    kept = torch.sigmoid((logit + at) / -temperature)
    mask, slope = kept * (1 + odds), kept * odds - kept * (1 - kept) * (1 + odds) / temperature
    return fewest_atoms(torch.sigmoid(at), weight, [mask, mask * mask, slope, slope * mask])
