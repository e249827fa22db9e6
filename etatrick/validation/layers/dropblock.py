"""DropBlock as layers: blocks of a partition, and sliding blocks on a line or on maps, each with mean exactly 1."""

from abc import abstractmethod
from functools import lru_cache
from typing import TYPE_CHECKING, final

import torch
from torch import Tensor
from torch.nn.functional import max_pool1d, max_pool2d, pad

from etatrick.theory.noise.arguments import integer
from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.random_words import random_words, switch_atoms, switched_on
from etatrick.validation.layers.unit_dropout import RETAIN, MultiplicativeNoise, SwitchedUnits, require_maps

if TYPE_CHECKING:
    from etatrick.theory.noise import MaskLaw
    from etatrick.theory.noise.sliding import WindowLaw


@final
class DropBlock(SwitchedUnits):
    r"""DropBlock on a partition: blocks of r consecutive units are retained as a whole.

    It is the approximation that theory analyses (Pal, Lane, Vidal, Haeffele 2020); its twin is
    :math:`\frac{1-\theta}{2\theta}\sum_b \lVert A_b D_b^\top\rVert_F^2`.

    Parameters
    ----------
    block_size : int
        Units per block r; the last block is smaller where r does not divide the number of units.
    retain : float
        Retain probability θ in (0, 1] of a block.
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range, or an input has fewer units than a block.

    Examples
    --------
    >>> layer = DropBlock(block_size=2, retain=0.5, generator=torch.Generator().manual_seed(4))
    >>> layer(torch.ones(1, 5))
    tensor([[0., 0., 2., 2., 0.]])
    >>> float(layer.penalty(torch.ones(1, 4), torch.ones(1, 4)))  # two blocks contribute 2 each
    4.0
    """

    def __init__(self, block_size: int, retain: float, *, generator: torch.Generator | None = None) -> None:
        super().__init__(retain, generator=generator)
        self.block_size = integer(block_size, "block_size", 1)

    def extra_repr(self) -> str:
        """Show the parameters."""
        return f"block_size={self.block_size}, retain={self.retain:g}"

    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return one switch per block and row."""
        units = input.shape[-1]
        integer(self.block_size, "block_size", 1, units)
        return (*input.shape[:-1], -(-units // self.block_size))

    def factor(self, noise: Tensor, input: Tensor) -> Tensor:
        """Return 1/θ on blocks whose switch is on, 0 elsewhere."""
        blocks = super().factor(noise, input).unsqueeze(-1)
        return blocks.expand(*blocks.shape[:-1], self.block_size).flatten(-2)[..., : input.shape[-1]]

    def law(self, input: Tensor) -> "MaskLaw":
        """Return the blocks of the partition."""
        from etatrick.theory.noise import Blocks

        return Blocks.partition(input.shape[-1], self.block_size, self.retain)


class SlidingDropBlock(MultiplicativeNoise):
    r"""Blocks around random seeds are dropped, anywhere they fit, and may overlap (Ghiasi, Lin, Le 2018).

    Each valid position carries a seed with the rate γ that the paper derives from `retain`. Unit i is retained with
    probability :math:`\mu_i = (1-\gamma)^{n_i}`, n_i the number of blocks that cover it; the mask is divided by that
    and not by one constant, which would bias the output. The mean of μ is only near `retain`: see `retained`.

    Parameters
    ----------
    block_size : int
        Side of a block r.
    retain : float
        Retain probability that γ aims at, in (0, 1].
    generator : torch.Generator, optional
        Source of the noise.

    Raises
    ------
    InputError
        If a parameter lies outside its range, or a block does not fit into the input.
    """

    def __init__(self, block_size: int, retain: float, *, generator: torch.Generator | None = None) -> None:
        super().__init__()
        RETAIN.exact(retain)
        self.block_size, self.retain = integer(block_size, "block_size", 1), float(retain)
        self.generator = generator

    def extra_repr(self) -> str:
        """Show the parameters."""
        return f"block_size={self.block_size}, retain={self.retain:g}"

    @abstractmethod
    def law(self, input: Tensor) -> "WindowLaw":
        """Return the law of the mask on a line or map of this size."""

    @abstractmethod
    def dilated(self, seeds: Tensor) -> Tensor:
        """Return 1 on units that a block with its seed on covers, 0 elsewhere."""

    @abstractmethod
    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return the shape of the seeds."""

    def retained(self, input: Tensor) -> Tensor:
        """Return the retain probability μ of each unit."""
        return _means(self.law(input)).to(input)

    def noise(self, input: Tensor) -> Tensor:
        """Draw a random word for each valid position."""
        rate = float(self.law(input).seed_rate)
        return random_words(self.noise_shape(input), rate, self.generator, input.device)

    def factor(self, noise: Tensor, input: Tensor) -> Tensor:
        """Return 1/μ on units that no block covers, 0 elsewhere."""
        law = self.law(input)
        covered = self.dilated(switched_on(noise, float(law.seed_rate)).to(input.dtype))
        return (1 - covered) / _means(law).to(input).reshape(covered.shape[covered.ndim - self._axes :])

    def atoms(self, input: Tensor) -> Atoms:
        """Return seed and no seed."""
        return switch_atoms(float(self.law(input).seed_rate), self.noise_shape(input))

    @property
    @abstractmethod
    def _axes(self) -> int:
        """Number of axes along which blocks slide."""


@final
class SlidingDropBlock1d(SlidingDropBlock):
    """Sliding DropBlock along the last axis.

    Parameters
    ----------
    block_size, retain, generator
        As for :class:`SlidingDropBlock`.

    Examples
    --------
    >>> layer = SlidingDropBlock1d(block_size=2, retain=0.5)
    >>> layer.retained(torch.ones(1, 4))  # γ = 1/3
    tensor([0.6667, 0.4444, 0.4444, 0.6667])
    """

    _axes = 1

    def law(self, input: Tensor) -> "WindowLaw":
        """Return sliding blocks on a line."""
        return _line(input.shape[-1], self.block_size, self.retain)

    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return a seed for each place of a block."""
        integer(self.block_size, "block_size", 1, input.shape[-1])
        return (*input.shape[:-1], input.shape[-1] - self.block_size + 1)

    def dilated(self, seeds: Tensor) -> Tensor:
        """Return the units that are covered."""
        edge = self.block_size - 1
        rows = pad(seeds, (edge, edge)).reshape(-1, 1, seeds.shape[-1] + 2 * edge)
        return max_pool1d(rows, self.block_size, 1).reshape(*seeds.shape[:-1], -1)


@final
class SlidingDropBlock2d(SlidingDropBlock):
    """Sliding DropBlock with square blocks on maps (batch, channels, height, width), channel by channel.

    Parameters
    ----------
    block_size, retain, generator
        As for :class:`SlidingDropBlock`.

    Examples
    --------
    >>> layer = SlidingDropBlock2d(block_size=7, retain=0.9)
    >>> kept = layer.retained(torch.ones(1, 1, 14, 14))
    >>> kept.mean().item(), kept.max().item(), kept.min().item()  # corners are dropped less than the centre
    (0.907..., 0.993..., 0.735...)
    """

    _axes = 2

    def law(self, input: Tensor) -> "WindowLaw":
        """Return sliding blocks on a map."""
        require_maps(input, 4)
        height, width = input.shape[2:]
        return _map(height, width, self.block_size, self.retain)

    def noise_shape(self, input: Tensor) -> tuple[int, ...]:
        """Return a seed for each place of a block on each map."""
        require_maps(input, 4)
        integer(self.block_size, "block_size", 1, min(input.shape[2:]))
        return (*input.shape[:2], *(n - self.block_size + 1 for n in input.shape[2:]))

    def dilated(self, seeds: Tensor) -> Tensor:
        """Return the units that are covered."""
        edge = self.block_size - 1
        return max_pool2d(pad(seeds, (edge,) * 4), self.block_size, 1)

    def _grouped(self, input: Tensor) -> Tensor:
        require_maps(input, 4)
        return input.flatten(2)


@lru_cache(maxsize=64)  # a law counts the blocks over every unit
def _line(size: int, block_size: int, retain: float) -> "WindowLaw":
    from etatrick.theory.noise import SlidingBlocks

    return SlidingBlocks.from_retain(retain, size, block_size)


@lru_cache(maxsize=64)
def _map(height: int, width: int, block_size: int, retain: float) -> "WindowLaw":
    from etatrick.theory.noise import SlidingBlocks2D

    return SlidingBlocks2D.from_retain(retain, height, width, block_size)


@lru_cache(maxsize=64)
def _means(law: "WindowLaw") -> Tensor:
    return torch.tensor(law.means())
