"""Raw noise with mean 0: centred Bernoulli numbers from random bits, and standard normal ones."""

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import final

import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.validation.layers.base import Atoms
from etatrick.validation.layers.random_words import SHORT, random_bits, random_words, scaled_switches

_Key = tuple[tuple[float, float], torch.dtype, torch.device]
_TABLES: dict[_Key, Tensor] = {}  # not an lru_cache, which torch.compile sees through


class RawNoise(ABC):
    """A law of independent numbers ξ with mean 0."""

    @property
    @abstractmethod
    def variance(self) -> float:
        """E ξ²."""

    @abstractmethod
    def sample(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw numbers of this shape, with the dtype and device of `like`."""

    @abstractmethod
    def atoms(self, shape: tuple[int, ...], like: Tensor) -> Atoms:
        """Return a finite law with the same first two moments."""


@final
@dataclass(frozen=True)
class CentredBernoulli(RawNoise):
    """The relative noise ρ − 1 of dropout, ρ = Bern(α)/α: −1 where dropped, (1−α)/α where retained.

    Parameters
    ----------
    retain : float
        α in (0, 1]; rounded to a multiple of 1/65536, at least 1/65536. The attribute is the rounded value, which
        is exactly the probability of the draws.

    Examples
    --------
    >>> CentredBernoulli(0.7).retain * 65536
    45875.0
    >>> noise = CentredBernoulli(0.5).sample((6,), torch.zeros(1), torch.Generator().manual_seed(0))
    >>> sorted(set(noise.tolist()))
    [-1.0, 1.0]
    """

    retain: float

    def __post_init__(self) -> None:
        number = isinstance(self.retain, int | float) and not isinstance(self.retain, bool)
        if not (number and 0 < self.retain <= 1):
            raise InputError(
                f"retain = {self.retain}",
                "a retain probability is in (0, 1], a drop rate in [0, 1)",
                "pass retain=0.5, say, which is a drop rate of 0.5",
            )
        object.__setattr__(self, "retain", max(1, round(self.retain * SHORT)) / SHORT)

    @property
    def variance(self) -> float:
        """The odds (1−α)/α of dropping."""
        return (1 - self.retain) / self.retain

    def sample(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw ξ: by one random bit each where α = ½, otherwise by 16."""
        if self.retain == 0.5:
            return _from_bits((-1.0, 1.0), shape, like, generator)
        return self.retained(shape, like, generator).div_(self.retain).sub_(1)

    def retained(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None = None) -> Tensor:
        """Draw Bern(α): 1 where retained, 0 where dropped."""
        if self.retain == 0.5:
            return _from_bits((0.0, 1.0), shape, like, generator)
        if self.retain == 1:
            return torch.ones(shape, dtype=like.dtype, device=like.device)
        return scaled_switches(random_words(shape, self.retain, generator, like.device), self.retain, 1.0, like.dtype)

    def atoms(self, shape: tuple[int, ...], like: Tensor) -> Atoms:
        """Return the law itself."""
        return _two_points((-1.0, self.variance), (1 - self.retain, self.retain), shape, like)


@final
@dataclass(frozen=True)
class StandardNormal(RawNoise):
    """Normal numbers with mean 0 and the given variance.

    Parameters
    ----------
    variance : float
        E ξ² ≥ 0; 1 by default. As the relative noise of dropout it is the odds (1−α)/α.
    """

    variance: float = 1.0

    def __post_init__(self) -> None:
        if not (isinstance(self.variance, int | float) and 0 <= self.variance < math.inf):
            raise InputError(f"variance = {self.variance}", "a variance is finite and ≥ 0", "pass variance=1.0, say")

    def sample(self, shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None) -> Tensor:
        """Draw normal numbers."""
        device = like.device if generator is None else generator.device
        drawn = torch.randn(shape, dtype=like.dtype, device=device, generator=generator).to(like.device)
        return drawn if self.variance == 1 else drawn.mul_(math.sqrt(self.variance))

    def atoms(self, shape: tuple[int, ...], like: Tensor) -> Atoms:
        """Return the two-point Gauss–Hermite rule, exact to degree 3."""
        scale = math.sqrt(self.variance)
        return _two_points((-scale, scale), (0.5, 0.5), shape, like)


def _two_points(
    values: tuple[float, float], chances: tuple[float, float], shape: tuple[int, ...], like: Tensor
) -> Atoms:
    points, weights = (torch.stack([torch.full(shape, part, dtype=like.dtype, device=like.device) for part in pair])
                       for pair in (values, chances))  # fmt: skip
    return Atoms(points, weights)


def _from_bits(
    pair: tuple[float, float], shape: tuple[int, ...], like: Tensor, generator: torch.Generator | None
) -> Tensor:
    """Draw one of two numbers by one bit each, eight at a time from a table."""
    size = math.prod(shape)
    octets = random_bits(-(-size // 64), generator, like.device).view(torch.uint8).int()
    rows = _octets(pair, like.dtype, octets.device).index_select(0, octets)
    return rows.flatten()[:size].view(shape).to(like.device)


def _octets(pair: tuple[float, float], dtype: torch.dtype, device: torch.device) -> Tensor:
    """Return the table from an octet to eight numbers of the pair."""
    key = (pair, dtype, device)
    if key not in _TABLES:
        octets = torch.arange(256, device=device)
        bits = octets[:, None].bitwise_right_shift(torch.arange(8, device=device)).bitwise_and(1)
        _TABLES[key] = torch.where(bits.bool(), pair[1], pair[0]).to(dtype)
    return _TABLES[key]
