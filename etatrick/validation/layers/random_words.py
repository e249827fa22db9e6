"""Bernoulli switches from random words of 16 or 32 bits: cheaper than uniform numbers, the same in every float type."""

import math
from typing import Final

import torch
from torch import Tensor

from etatrick.validation.layers.base import Atoms

SHORT: Final = 2**16
"""Probabilities that are multiples of its reciprocal need words of 16 bits; others are rounded to 32, by 1.2e-10."""


def random_words(
    shape: tuple[int, ...], probability: float, generator: torch.Generator | None, device: torch.device
) -> Tensor:
    """Return independent integers, uniform on the range of their type, as raw noise of switches.

    Parameters
    ----------
    shape : tuple of int
    probability : float
        That of the switches, in [0, 1]: 16 bits suffice for ½ or ¾, other values take 32.
    generator : torch.Generator, optional
        Words are drawn on its device; without one torch's own generator of `device` is used.
    device : torch.device
        Where the words are wanted.

    Returns
    -------
    Tensor of dtype int16 or int32

    Examples
    --------
    >>> random_words((2, 3), 0.5, torch.Generator().manual_seed(0), torch.device("cpu")).dtype
    torch.int16
    >>> random_words((2, 3), 0.7, torch.Generator().manual_seed(0), torch.device("cpu")).dtype
    torch.int32
    """
    dtype, size = _word(probability), math.prod(shape)
    count = -(-size * dtype.itemsize // torch.int64.itemsize)
    return random_bits(count, generator, device).view(dtype)[:size].view(shape).to(device)


def random_bits(count: int, generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Draw 64-bit words where the generator lives, or on `device`; without a lower end torch leaves the top bit 0."""
    source = device if generator is None else generator.device
    return torch.empty(count, dtype=torch.int64, device=source).random_(-(2**63), None, generator=generator)


def switched_on(words: Tensor, probability: float) -> Tensor:
    """Return which switches are on, each with `probability`.

    Examples
    --------
    >>> switched_on(torch.tensor([-(2**15), -1, 0, 2**15 - 1], dtype=torch.int16), 0.5)
    tensor([ True,  True, False, False])
    """
    return scaled_switches(words, probability, 1.0, torch.bool)


def scaled_switches(words: Tensor, probability: float, scale: float, dtype: torch.dtype) -> Tensor:
    """Return `scale` where :func:`switched_on`, 0 elsewhere.

    Examples
    --------
    >>> scaled_switches(torch.tensor([-(2**15), 0, 2**15 - 1], dtype=torch.int16), 0.5, 2.0, torch.float32)
    tensor([2., 0., 0.])
    """
    ends = torch.iinfo(words.dtype)
    last = ends.min + round(probability * (ends.max - ends.min + 1)) - 1
    if not ends.min <= last < ends.max:  # all words or none
        return torch.full_like(words, scale if last == ends.max else 0, dtype=dtype)
    on = words.clamp(last, last + 1).sub_(last + 1).neg_().to(dtype)  # a comparison to booleans costs thrice
    return on if scale == 1 else on.mul_(scale)


def switch_atoms(probability: float, shape: tuple[int, ...]) -> Atoms:
    """Return the finite law of words behind a switch: one word that turns it on, one that does not.

    Examples
    --------
    >>> switch_atoms(0.25, (1,)).chances.flatten().tolist()
    [0.25, 0.75]
    """
    ends = torch.iinfo(_word(probability))
    values = torch.tensor([ends.min, ends.max], dtype=_word(probability))
    chances = torch.tensor([probability, 1 - probability], dtype=torch.float64)
    ones = (1,) * len(shape)
    return Atoms(values.reshape(2, *ones).expand(2, *shape), chances.reshape(2, *ones).expand(2, *shape))


def _word(probability: float) -> torch.dtype:
    return torch.int16 if (probability * SHORT).is_integer() else torch.int32
