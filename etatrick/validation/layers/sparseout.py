"""Sparseout: noise on activations with variance λ|a|^q, its scale differentiated or held constant."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from etatrick.errors import InputError
from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.random_words import random_words, scaled_switches, switch_atoms
from etatrick.validation.layers.unit_dropout import RETAIN, require_decoder

EXPONENT = Parameter("q", 0, 8, "]", meaning="degree of the noise variance")


class ScaleGradient(ABC):
    """How training treats the noise scale |a|^{q/2}: the forward pass does not depend on it."""

    @abstractmethod
    def slope(self, q: float) -> float:
        """Return s in ∂ã/∂a = 1 + s·|a|^{q/2−1}(ρ−1)."""

    @abstractmethod
    def multiple(self, q: float) -> float:
        """Return by what multiple of λ|a|^q/2 activations are penalised."""


@final
@dataclass(frozen=True)
class DifferentiatedScale(ScaleGradient):
    """The true derivative, s = q/2: the expected loss and its gradient are those of fit + λ|a|^q/2."""

    def slope(self, q: float) -> float:
        """Return q/2."""
        return q / 2

    def multiple(self, q: float) -> float:
        """Return 1."""
        return 1.0


@final
@dataclass(frozen=True)
class DetachedScale(ScaleGradient):
    """The noise as a constant factor, s = 1, as released code does: activations feel a penalty 2/q times larger.

    The decoder still feels λ‖D_j‖²|a_j|^q/2. Unless q = 2 no function of activations and decoder has both as its
    gradients; the noise is neutral to moving scale from one to the other.
    """

    def slope(self, q: float) -> float:
        """Return 1."""
        return 1.0

    def multiple(self, q: float) -> float:
        """Return 2/q."""
        return 2 / q


@final
class Sparseout(NoisyActivations):
    r"""Sparseout on units: :math:`\tilde a = a + \operatorname{sgn}(a)\,|a|^{q/2}(\rho-1)`, ρ = Bern(θ)/θ.

    The sign is carried along, so that q = 2 is Bernoulli dropout for activations of both signs. An activation of
    exactly 0 stays 0 and passes its gradient unchanged. The penalty twin of a decoder D is
    :math:`\frac{1-\theta}{2\theta}\sum_j \lVert D_j\rVert^2 |a_j|^q` when the noise scale is differentiated, and for
    the activations 2/q times that when it is detached.

    Parameters
    ----------
    q : float
        Degree, in (0, 8].
    retain : float
        Retain probability θ in (0, 1].
    gradient : ScaleGradient
        :class:`DifferentiatedScale` or :class:`DetachedScale`.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range.

    References
    ----------
    Khan, Stavness 2019, "Sparseout: controlling sparsity in deep networks".

    Examples
    --------
    >>> layer = Sparseout(q=1, retain=0.5, generator=torch.Generator().manual_seed(0))
    >>> sorted(set(layer(torch.full((8, 8), -4.0)).flatten().tolist()))  # -4 ± 2
    [-6.0, -2.0]
    >>> float(layer.penalty(torch.tensor([[1.0, -2.0]]), torch.eye(2)))
    1.5
    """

    def __init__(
        self,
        q: float,
        retain: float,
        *,
        gradient: ScaleGradient | None = None,
        generator: torch.Generator | None = None,
    ) -> None:
        super().__init__()
        EXPONENT.exact(q)
        RETAIN.exact(retain)
        self.q, self.retain, self.generator = float(q), float(retain), generator
        self.gradient = DifferentiatedScale() if gradient is None else gradient
        if not isinstance(self.gradient, ScaleGradient):
            raise InputError(f"gradient = {gradient!r}", "must be a ScaleGradient", "pass DetachedScale()")

    def extra_repr(self) -> str:
        """Show the parameters."""
        return f"q={self.q:g}, retain={self.retain:g}, gradient={self.gradient!r}"

    def noise(self, input: Tensor) -> Tensor:
        """Draw a random word for each number."""
        return random_words(tuple(input.shape), self.retain, self.generator, input.device)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the noisy activations."""
        centred = scaled_switches(noise, self.retain, 1 / self.retain, input.dtype).sub_(1)
        output: Tensor
        output, _ = _ScaledNoise.apply(input, centred, self.q, self.gradient.slope(self.q))  # type: ignore[no-untyped-call]
        return output

    def clean(self, input: Tensor) -> Tensor:
        """Return the activations."""
        return input

    def mean(self, input: Tensor) -> Tensor:
        """Return the activations, since the noise has mean 0."""
        return input

    def covariance(self, input: Tensor) -> Tensor:
        """Return diag(λ|a|^q) for each row, shape (rows, units, units)."""
        return torch.diag_embed(self._odds * input.reshape(-1, input.shape[-1]).abs() ** self.q)

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return the twin; where detached, its value is what the activations feel, its gradients are both."""
        require_decoder(decoder, input.shape[-1])
        zero = input == 0  # |a|^q has no slope there for q < 1, and the noise none at all
        half = self._odds / 2 * input.abs().masked_fill(zero, 1.0).pow(self.q).masked_fill(zero, 0.0)
        half = half.reshape(-1, input.shape[-1]).sum(0)
        energy = decoder.square().sum(0)
        multiple = self.gradient.multiple(self.q)
        felt_by_decoder = (energy - energy.detach()) * half.detach()
        return (multiple * energy.detach() * half + felt_by_decoder).sum()

    def atoms(self, input: Tensor) -> Atoms:
        """Return on and off."""
        return switch_atoms(self.retain, tuple(input.shape))

    @property
    def _odds(self) -> float:
        return (1 - self.retain) / self.retain


class _ScaledNoise(torch.autograd.Function):
    """ã = a + a·r for the relative noise r = |a|^{q/2−1}·n, and ∂ã/∂a = 1 + slope·r in one pass over the gradient."""

    generate_vmap_rule = True

    @staticmethod
    def forward(a: Tensor, n: Tensor, q: float, slope: float) -> tuple[Tensor, Tensor]:
        """Return ã and r."""
        if q == 2:
            return a * (n + 1), n.clone()
        relative = (power(a.abs(), q / 2 - 1) * n).nan_to_num_(0.0, 0.0, 0.0)  # no noise at exactly 0
        return torch.addcmul(a, a, relative), relative

    @staticmethod
    def setup_context(ctx: Any, inputs: tuple[Any, ...], output: tuple[Tensor, Tensor]) -> None:
        """Keep r."""
        ctx.set_materialize_grads(False)
        ctx.slope = inputs[3]
        ctx.mark_non_differentiable(output[1])
        ctx.save_for_backward(output[1])

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, gradient: Tensor | None, _: None) -> tuple[Tensor | None, None, None, None]:
        """Return the gradient for a."""
        (relative,) = ctx.saved_tensors
        if gradient is None:
            return None, None, None, None
        return torch.addcmul(gradient, gradient, relative, value=ctx.slope), None, None, None


def power(base: Tensor, exponent: float) -> Tensor:
    """Return base^exponent for base > 0, in the memory of `base` where that is cheaper; not finite at 0 or NaN there.

    Where the exponent is a number of eighths it is a product of roots of roots; a general power costs twenty times
    more, and ``sqrt`` is slow where many numbers are 0.

    Examples
    --------
    >>> power(torch.tensor([1.0, 16.0, 81.0]), 0.75)
    tensor([ 1.,  8., 27.])
    """
    eighths = Fraction(exponent) * 8
    if exponent == -0.5:
        return base.rsqrt_()
    if exponent == 0 or eighths.denominator != 1 or not -8 < eighths <= 32:
        return base.pow(exponent)
    whole, rest = divmod(abs(int(eighths)), 8)
    root, factors = base, [base] * whole
    for place in (4, 2, 1):
        if rest:
            root = base.rsqrt() if exponent < 0 and place == 4 else root * root.rsqrt()
        factors += [root] if rest & place else []
        rest &= place - 1
    result = factors[0].clone() if len(factors) > 1 or factors[0] is base else factors[0]
    for factor in factors[1:]:
        result.mul_(factor)
    return result
