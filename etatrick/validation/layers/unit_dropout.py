"""Multiplicative noise on units with a covariance known from theory: Bernoulli, Gaussian and channel dropout."""

from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.theory.parameters import Parameter
from etatrick.validation.layers.base import Atoms, NoisyActivations
from etatrick.validation.layers.random_words import random_words, scaled_switches, switch_atoms

if TYPE_CHECKING:
    from etatrick.theory.noise import MaskLaw

RETAIN = Parameter("retain", 0, 1, "]", meaning="retain probability")


class MultiplicativeNoise(NoisyActivations):
    r"""Activations times a mask with mean 1 that depends neither on them nor on parameters.

    Units fall into groups of d with independent masks of one law (``etatrick.theory.noise``); its normalised
    covariance :math:`\bar C` gives the covariance :math:`\bar C \circ aa^\top` of the output and the penalty twin

    .. math:: \tfrac12 \sum_g \langle \bar C,\; (D_g^\top D_g) \circ (A_g^\top A_g) \rangle

    for activations A of shape (rows, units) and a decoder D. Units are the last axis, all axes before it are rows;
    layers for maps (batch, channels, …) take each example as a row and count its units in row-major order.
    """

    @abstractmethod
    def law(self, input: Tensor) -> "MaskLaw":
        """Return the law of the mask on one group."""

    @abstractmethod
    def factor(self, noise: Tensor, input: Tensor) -> Tensor:
        """Return the mask with mean 1 for this raw noise, in the type of `input`, to be multiplied with it."""

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        """Return the masked activations."""
        return input * self.factor(noise, input)

    def clean(self, input: Tensor) -> Tensor:
        """Return the activations."""
        return input

    def mean(self, input: Tensor) -> Tensor:
        """Return the activations, since masks have mean 1."""
        return input

    def covariance(self, input: Tensor) -> Tensor:
        """Return C̄∘aaᵀ for each row, block diagonal over groups, shape (rows, units, units)."""
        rows = self._grouped(input)
        size, groups, units = rows.shape
        blocks = rows[..., :, None] * rows[..., None, :] * normalised_covariance(self.law(input), input)
        full = input.new_zeros(size, groups, units, groups, units)
        places = torch.arange(groups, device=input.device)
        full[:, places, :, places, :] = blocks.transpose(0, 1)
        return full.reshape(size, groups * units, groups * units)

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        """Return ½Σ_g ⟨C̄, (D_gᵀD_g)∘(A_gᵀA_g)⟩."""
        rows = self._grouped(input)
        _, groups, units = rows.shape
        require_decoder(decoder, groups * units)
        columns = decoder.reshape(len(decoder), groups, units)
        grams = [torch.einsum("rgi,rgj->gij", part, part) for part in (rows, columns)]
        return 0.5 * (normalised_covariance(self.law(input), input) * grams[0] * grams[1]).sum()

    def _grouped(self, input: Tensor) -> Tensor:
        """Return activations as (rows, groups, units per group); one group of all units unless a layer has more."""
        return input.reshape(-1, 1, input.shape[-1])


class SwitchedUnits(MultiplicativeNoise):
    """Units that are retained with one probability and scaled by its reciprocal.

    Parameters
    ----------
    retain : float
        Retain probability θ in (0, 1]; ``nn.Dropout`` asks for the drop rate 1 − θ instead.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `retain` lies outside (0, 1].
    """

    def __init__(self, retain: float, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        RETAIN.exact(retain)
        self.retain, self.generator = float(retain), generator

    def extra_repr(self) -> str:
        """Show the retain probability."""
        return f"retain={self.retain:g}"

    @abstractmethod
    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return the shape of the switches, which broadcasts against the input."""

    def noise(self, input: Tensor) -> Tensor:
        """Draw a random word for each switch."""
        return random_words(self.noise_shape(input), self.retain, self.generator, input.device)

    def factor(self, noise: Tensor, input: Tensor) -> Tensor:
        """Return 1/θ where the switch is on, 0 elsewhere."""
        return scaled_switches(noise, self.retain, 1 / self.retain, input.dtype)

    def atoms(self, input: Tensor) -> Atoms:
        """Return on and off."""
        return switch_atoms(self.retain, self.noise_shape(input))


@final
class BernoulliDropout(SwitchedUnits):
    r"""Dropout: every unit of every example is retained with probability θ; :math:`\bar C = \frac{1-\theta}\theta I`.

    It is ``nn.Dropout(1 - retain)`` with a generator of its own, exact moments and a penalty twin,
    :math:`\frac{1-\theta}{2\theta}\sum_j \lVert D_j\rVert^2 \lVert A_j\rVert^2`.

    Parameters
    ----------
    retain, generator
        As for :class:`SwitchedUnits`.

    Examples
    --------
    >>> layer = BernoulliDropout(retain=0.5, generator=torch.Generator().manual_seed(0))
    >>> sorted(set(layer(torch.ones(8, 8)).flatten().tolist()))
    [0.0, 2.0]
    >>> float(layer.penalty(torch.tensor([[1.0, 2.0]]), torch.eye(2)))
    2.5
    """

    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return one switch per number."""
        return tuple(input.shape)

    def law(self, input: Tensor) -> "MaskLaw":
        """Return Dropout of one unit: all are independent."""
        from etatrick.theory.noise import Bernoulli

        return Bernoulli(1, self.retain)

    def _grouped(self, input: Tensor) -> Tensor:
        return input.reshape(-1, input.shape[-1], 1)


@final
class GaussianDropout(MultiplicativeNoise):
    r"""Gaussian dropout: every unit is multiplied by N(1, λ), with the covariance of Bernoulli dropout at odds λ.

    Parameters
    ----------
    drop_odds : float
        λ ≥ 0; λ = (1−θ)/θ belongs to the retain probability θ.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If `drop_odds` is not a finite number ≥ 0.

    Examples
    --------
    >>> layer = GaussianDropout(drop_odds=0.25)
    >>> float(layer.penalty(torch.tensor([[1.0, 2.0]]), torch.eye(2)))
    0.625
    """

    def __init__(self, drop_odds: float, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        Parameter("drop_odds", 0, closed="[", meaning="variance of the mask").exact(drop_odds)
        self.drop_odds, self.generator = float(drop_odds), generator

    def extra_repr(self) -> str:
        """Show the variance."""
        return f"drop_odds={self.drop_odds:g}"

    def noise(self, input: Tensor) -> Tensor:
        """Draw standard normal noise."""
        source = input.device if self.generator is None else self.generator.device
        dtype = torch.promote_types(input.dtype, torch.float32)
        return torch.randn(input.shape, generator=self.generator, dtype=dtype, device=source).to(input.device)

    def factor(self, noise: Tensor, input: Tensor) -> Tensor:
        """Return 1 + √λ·noise."""
        return noise.mul(self.drop_odds**0.5).add_(1).to(input.dtype)

    def law(self, input: Tensor) -> "MaskLaw":
        """Return Gaussian dropout of one unit: all are independent."""
        from etatrick.theory.noise import Gaussian

        return Gaussian(1, self.drop_odds)

    def atoms(self, input: Tensor) -> Atoms:
        """Return the two-point Gauss–Hermite rule, ±1."""
        values = torch.tensor([-1.0, 1.0], dtype=torch.float64).reshape(2, *(1,) * input.ndim)
        return Atoms(values.expand(2, *input.shape), torch.full((2, *input.shape), 0.5, dtype=torch.float64))

    def _grouped(self, input: Tensor) -> Tensor:
        return input.reshape(-1, input.shape[-1], 1)


@final
class ChannelDropout(SwitchedUnits):
    r"""Channel dropout for maps (batch, channels, …): a channel of an example is retained as a whole.

    Within a channel :math:`\bar C = \frac{1-\theta}\theta 11^\top`, so the twin penalises what channels contribute,
    :math:`\frac{1-\theta}{2\theta}\sum_{n,c} \lVert D_c h_{nc}\rVert^2`.

    Parameters
    ----------
    retain, generator
        As for :class:`SwitchedUnits`.

    Examples
    --------
    >>> layer = ChannelDropout(retain=0.5)
    >>> maps, decoder = torch.ones(1, 2, 1, 3), torch.ones(1, 6)
    >>> float(layer.penalty(maps, decoder))  # each channel contributes 3
    9.0
    """

    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return one switch per channel and example."""
        require_maps(input, 3)
        return (*input.shape[:2], *(1,) * (input.ndim - 2))

    def law(self, input: Tensor) -> "MaskLaw":
        """Return one block that is kept as a whole."""
        from etatrick.theory.noise import Blocks

        return Blocks((input[0, 0].numel(),), self.retain)

    def _grouped(self, input: Tensor) -> Tensor:
        require_maps(input, 3)
        return input.flatten(2)


def require_maps(input: Tensor, axes: int) -> None:
    """Raise InputError unless the input has at least so many axes."""
    if input.ndim < axes:
        rule = f"needs at least {axes} axes: batch, channels and positions"
        raise InputError(f"activations of shape {tuple(input.shape)}", rule, "use BernoulliDropout for vectors")


def require_decoder(decoder: Tensor, units: int) -> None:
    """Raise InputError unless the decoder is a matrix with a column for each unit."""
    if decoder.ndim != 2 or decoder.shape[1] != units:
        rule = f"a decoder needs a column for each of the {units} units"
        raise InputError(f"decoder of shape {tuple(decoder.shape)}", rule, "pass the weight of the next linear map")


def normalised_covariance(law: "MaskLaw", like: Tensor) -> Tensor:
    """Return C̄ of a law as a tensor of the type and device of `like`."""
    return _dense(law).to(like)


@lru_cache(maxsize=16)
def _dense(law: "MaskLaw") -> Tensor:
    return torch.tensor(law.normalised_covariance)
