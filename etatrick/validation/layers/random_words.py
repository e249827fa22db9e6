"""Bernoulli switches from random 31-bit words: cheaper than uniform numbers, and the same in every floating type."""

from typing import Final

import torch
from torch import Tensor

from etatrick.validation.layers.base import Atoms

WORDS: Final = 2**31
"""Number of different words; a probability is rounded to a multiple of its reciprocal, 4.7e-10."""


def random_words(shape: tuple[int, ...], generator: torch.Generator | None, device: torch.device) -> Tensor:
    """Return independent integers, uniform on [0, 2³¹), as raw noise.

    Parameters
    ----------
    shape : tuple of int
    generator : torch.Generator, optional
        Words are drawn on its device; without one torch's own generator of `device` is used.
    device : torch.device
        Where the words are wanted.

    Returns
    -------
    Tensor of dtype int32

    Examples
    --------
    >>> random_words((2, 3), torch.Generator().manual_seed(0), torch.device("cpu")).dtype
    torch.int32
    """
    source = device if generator is None else generator.device
    return torch.empty(shape, dtype=torch.int32, device=source).random_(generator=generator).to(device)


def switched_on(words: Tensor, probability: float) -> Tensor:
    """Return which switches are on: each with `probability`, in [0, 1].

    Examples
    --------
    >>> switched_on(torch.tensor([0, 2**30 - 1, 2**30, 2**31 - 1], dtype=torch.int32), 0.5)
    tensor([ True,  True, False, False])
    """
    return words <= round(probability * WORDS) - 1  # "<" would need 2³¹ itself, which is no 32-bit integer


def scaled_switches(words: Tensor, probability: float, scale: float, dtype: torch.dtype) -> Tensor:
    """Return `scale` where :func:`switched_on`, 0 elsewhere; from the sign of a difference, at half the cost.

    Examples
    --------
    >>> scaled_switches(torch.tensor([0, 2**30, 2**31 - 1], dtype=torch.int32), 0.5, 2.0, torch.float32)
    tensor([2., 0., 0.])
    """
    level = round(probability * WORDS) - 1
    if level < 0:  # the difference would overflow
        return torch.zeros_like(words, dtype=dtype)
    return words.sub(level).sub_(1).bitwise_right_shift_(31).neg_().to(dtype).mul_(scale)


def switch_atoms(probability: float, shape: tuple[int, ...]) -> Atoms:
    """Return the finite law of words behind a switch: one word that turns it on, one that does not.

    Examples
    --------
    >>> switch_atoms(0.25, (1,)).chances.flatten().tolist()
    [0.25, 0.75]
    """
    values = torch.tensor([0, WORDS - 1], dtype=torch.int32)
    chances = torch.tensor([probability, 1 - probability], dtype=torch.float64)
    ones = (1,) * len(shape)
    return Atoms(values.reshape(2, *ones).expand(2, *shape), chances.reshape(2, *ones).expand(2, *shape))
