"""Masks that are constant on blocks of a partition: DropBlock's approximation, Dropout and unit-wise rates."""

from abc import abstractmethod
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from fractions import Fraction
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import (
    Floats,
    integer,
    listed,
    partition_sizes,
    remark_on,
    retain_probability,
)
from etatrick.theory.noise.base import MaskLaw, Outcome
from etatrick.theory.noise.terms import BlockConstant, Constant, Diagonal, Term


class BlockLaw(MaskLaw):
    r"""A mask with one value per block of consecutive units.

    Its normalised covariance is :math:`\bar C = \bigoplus_b (\lambda_b+\kappa) 1 1^T - \kappa\, 1 1^T` with
    `block_odds` λ_b and `coupling` κ, which is 0 for independent blocks.

    Examples
    --------
    >>> law = Blocks((2, 1), (0.5, 0.25))
    >>> law.size, law.block_sizes, law.block_odds, law.coupling
    (3, (2, 1), (1.0, 3.0), 0.0)
    """

    if TYPE_CHECKING:  # fields in some laws, derived in others

        @property
        def block_sizes(self) -> tuple[int, ...]:
            """Units per block, in order."""

    @property
    @abstractmethod
    def block_odds(self) -> tuple[Any, ...]:
        """Normalised variance of each block: floats for a numeric law, otherwise exact expressions."""

    @property
    def coupling(self) -> Any:
        """Minus the normalised covariance of two different blocks; 0 if they are independent."""
        return 0.0

    @property
    def remark(self) -> str:
        """What to know about unequal blocks; empty if they are equal."""
        return remark_on(self.block_sizes)

    @abstractmethod
    def _block_moment(self, blocks: tuple[int, ...], order: int) -> Any:
        """Return E ∏ z over distinct blocks that occur `order` times in all."""

    @abstractmethod
    def _block_outcomes(self) -> Iterator[Outcome]:
        """Yield one mask value per block, with its probability."""

    @abstractmethod
    def _block_draws(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n rows of block values."""

    @cached_property
    def _owner(self) -> list[int]:
        return list(np.repeat(np.arange(len(self.block_sizes)), self.block_sizes).tolist())

    def _moment(self, indices: tuple[int, ...]) -> Any:
        return self._block_moment(tuple(sorted({self._owner[i] for i in indices})), len(indices))

    def _means(self) -> Floats:
        found = [float(self._block_moment((b,), 1)) for b in range(len(self.block_sizes))]
        return np.repeat(np.array(found), self.block_sizes)

    def _terms(self) -> tuple[Term, ...]:
        odds, coupling = np.array(self.block_odds, dtype=np.float64), float(self.coupling)
        if coupling == 0 and max(self.block_sizes) == 1:
            return (Diagonal(odds),)
        blocks = BlockConstant(self.block_sizes, odds + coupling)
        return (blocks,) if coupling == 0 else (blocks, Constant(-coupling))

    def _outcome_count(self) -> int | None:
        return int(2 ** len(self.block_sizes))

    def _outcomes(self) -> Iterator[Outcome]:
        for values, chance in self._block_outcomes():
            yield tuple(values[b] for b in self._owner), chance

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        values = self._block_draws(rng, n)
        return values if max(self.block_sizes) == 1 else np.repeat(values, self.block_sizes, axis=1)


class PartitionLaw(BlockLaw):
    """A block law whose blocks are a parameter; they fix the number of units."""

    @property
    def size(self) -> int:
        """Number of units."""
        return sum(self.block_sizes)


class IndependentBlocks(BlockLaw):
    """Independent blocks, each kept with its own retain probability."""

    @abstractmethod
    def _given(self) -> tuple[Any, ...]:
        """Return the retain probability of each block as it was given."""

    @cached_property
    def block_retains(self) -> tuple[Any, ...]:
        """Retain probability of each block, exactly."""
        return tuple(map(lru_cache(None)(retain_probability), self._given()))

    @cached_property
    def block_odds(self) -> tuple[Any, ...]:
        """Odds of dropping each block, (1−θ_b)/θ_b."""
        return tuple(map(lru_cache(None)(odds_of), self._given()))

    def _means(self) -> Floats:
        return np.repeat(np.array(self._given(), dtype=np.float64), self.block_sizes)

    def _block_moment(self, blocks: tuple[int, ...], order: int) -> Any:
        return sp.Mul(*(self.block_retains[b] for b in blocks))

    def _block_outcomes(self) -> Iterator[Outcome]:
        return switchings(self.block_retains)

    def _block_draws(self, rng: np.random.Generator, n: int) -> Floats:
        retains = np.array(self._given(), dtype=np.float64)
        return (rng.random((n, len(retains))) < retains).astype(np.float64)


@final
@dataclass(frozen=True)
class Blocks(IndependentBlocks, PartitionLaw):
    """DropBlock on a partition: each block is kept as a whole, with probability θ or θ_b, independently.

    Parameters
    ----------
    block_sizes : sequence of int
        Units per block; see :meth:`partition` for blocks of one size.
    retain : number, sympy expression, or a sequence with one of them per block
        In (0, 1].

    Examples
    --------
    >>> law = Blocks.partition(5, block_size=2, retain=0.8)
    >>> law.block_sizes, law.remark, law.block_odds
    ((2, 2, 1), 'the last block has 1 unit, the others 2', (0.25, 0.25, 0.25))
    """

    block_sizes: tuple[int, ...]
    retain: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "block_sizes", checked_sizes(self.block_sizes))
        if isinstance(self.retain, tuple | list | np.ndarray):
            object.__setattr__(self, "retain", checked_retains(self.retain, len(self.block_sizes), "block"))
        else:
            retain_probability(self.retain)

    @classmethod
    def partition(cls, size: int, block_size: int, retain: Any) -> "Blocks":
        """Cut `size` units into blocks of `block_size`; the last is smaller if it must be, see `remark`."""
        return cls(partition_sizes(size, block_size), retain)

    def _given(self) -> tuple[Any, ...]:
        return self.retain if isinstance(self.retain, tuple) else (self.retain,) * len(self.block_sizes)


@final
@dataclass(frozen=True)
class Bernoulli(IndependentBlocks):
    """Dropout: every unit is kept with probability θ, independently; C̄ = λI.

    Parameters
    ----------
    size : int
        Number of units d ≥ 1.
    retain : number or sympy expression
        θ in (0, 1].

    Examples
    --------
    >>> Bernoulli(3, 0.8).odds
    (0.25, 0.25, 0.25)
    """

    size: int
    retain: Any

    def __post_init__(self) -> None:
        integer(self.size, "size", 1)
        retain_probability(self.retain)

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """One unit per block."""
        return (1,) * self.size

    def _given(self) -> tuple[Any, ...]:
        return (self.retain,) * self.size


@final
@dataclass(frozen=True)
class UnitRates(IndependentBlocks):
    """Dropout with a retain probability for each unit; C̄ = diag(λ_i).

    Parameters
    ----------
    retain : sequence of numbers or sympy expressions
        θ_i in (0, 1].

    Examples
    --------
    >>> UnitRates((0.5, 0.25)).odds
    (1.0, 3.0)
    """

    retain: Sequence[Any]

    def __post_init__(self) -> None:
        object.__setattr__(self, "retain", checked_retains(self.retain, None, "unit"))

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.retain)

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """One unit per block."""
        return (1,) * len(self.retain)

    def _given(self) -> tuple[Any, ...]:
        return tuple(self.retain)


def odds_of(retain: Any) -> Any:
    """Return (1−θ)/θ: a float for a number, otherwise an expression."""
    if isinstance(retain, float):  # many rates: rational numbers of sympy are slow
        ratio = Fraction(repr(float(retain)))
        return float((1 - ratio) / ratio)
    theta = retain_probability(retain)
    odds = (1 - theta) / theta
    return odds if odds.free_symbols else float(odds)


def checked_sizes(sizes: Any) -> tuple[int, ...]:
    """Return block sizes as a tuple of integers ≥ 1."""
    return tuple(integer(r, "block size", 1) for r in listed(sizes, "block_sizes"))


def checked_retains(values: Any, count: int | None, owner: str) -> tuple[Any, ...]:
    """Return retain probabilities as a tuple, one for each of `count` owners."""
    found = listed(values, "retain")
    if count is not None and len(found) != count:
        rule = f"needs one retain probability for each of the {count} {owner}s"
        raise InputError(f"{len(found)} retain probabilities", rule, "pass one number for all, or one each")
    for i, theta in enumerate(found):
        if not (isinstance(theta, float) and 0 < theta <= 1):
            retain_probability(theta, f"retain[{i}]")
    return found


def switchings(retains: tuple[Any, ...]) -> Iterator[Outcome]:
    """Yield the 2ⁿ outcomes of independent switches, each on with its probability."""
    zero, one = sp.Integer(0), sp.Integer(1)
    found: list[Outcome] = [((), one)]
    for theta in retains:
        found = [((*bits, bit), p * q) for bits, p in found for bit, q in ((one, theta), (zero, 1 - theta)) if q != 0]
    yield from found
