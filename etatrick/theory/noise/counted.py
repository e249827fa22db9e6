"""Block masks whose number of kept blocks matters: exactly K kept, or rescaled by the number that was kept."""

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations
from typing import Any, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, exact, integer, partition_sizes, retain_probability
from etatrick.theory.noise.base import Outcome, tidied
from etatrick.theory.noise.blocks import PartitionLaw, checked_sizes, switchings

MOST_EXACT = 256


class ExchangeableBlocks(PartitionLaw):
    """Blocks that compete: their masks, divided by their means, have a constant sum over the blocks."""

    @property
    def coupling(self) -> Any:
        """κ = λ/(B−1), which makes the rows of the blocks' covariance sum to 0; 0 for a single block."""
        return self.block_odds[0] / (len(self.block_sizes) - 1) if len(self.block_sizes) > 1 else 0.0

    def _means(self) -> Floats:
        return np.full(self.size, float(self._block_moment((0,), 1)))


@final
@dataclass(frozen=True)
class FixedCount(ExchangeableBlocks):
    r"""Keep exactly K of B blocks, all choices alike.

    .. math:: \lambda = (B-K)/K, \qquad \bar C = \kappa B (I - J/B) \otimes J_r, \quad \kappa = \frac{B-K}{K(B-1)}

    The fast regulariser is a difference, κ(BΣ‖U_bV_bᵀ‖² − ‖UVᵀ‖²); its error is relative to the first part.

    Parameters
    ----------
    block_sizes : sequence of int
        Units per block.
    kept : int or sympy expression
        K between 1 and B.

    Examples
    --------
    >>> law = FixedCount.partition(6, block_size=2, kept=2)
    >>> law.block_odds, law.coupling, law.cumulant([0, 2])
    ((0.5, 0.5, 0.5), 0.25, -1/9)
    """

    block_sizes: tuple[int, ...]
    kept: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "block_sizes", checked_sizes(self.block_sizes))
        if not (isinstance(self.kept, sp.Expr) and self.kept.free_symbols):
            whole = int(self.kept) if isinstance(self.kept, sp.Integer) else self.kept
            object.__setattr__(self, "kept", integer(whole, "kept", 1, len(self.block_sizes)))

    @classmethod
    def partition(cls, size: int, block_size: int, kept: Any) -> "FixedCount":
        """Cut `size` units into blocks of `block_size`; the last is smaller if it must be, see `remark`."""
        return cls(partition_sizes(size, block_size), kept)

    @property
    def block_odds(self) -> tuple[Any, ...]:
        """(B−K)/K for every block."""
        count, kept = len(self.block_sizes), exact(self.kept, "kept")
        return (plain((count - kept) / kept),) * count

    def _block_moment(self, blocks: tuple[int, ...], order: int) -> Any:
        count, kept, distinct = len(self.block_sizes), exact(self.kept, "kept"), len(blocks)
        return sp.Mul(*(sp.Rational(1, count - t) * (kept - t) for t in range(distinct)))

    def _outcome_count(self) -> int | None:
        self._check_numeric()
        return int(sp.binomial(len(self.block_sizes), self.kept))

    def _block_outcomes(self) -> Iterator[Outcome]:
        count, chance = len(self.block_sizes), sp.Rational(1, self._outcome_count())
        for chosen in combinations(range(count), self.kept):
            yield tuple(sp.Integer(b in chosen) for b in range(count)), chance

    def _block_draws(self, rng: np.random.Generator, n: int) -> Floats:
        count = len(self.block_sizes)
        order = np.argsort(rng.random((n, count)), axis=1)
        found = np.zeros((n, count))
        np.put_along_axis(found, order[:, : self.kept], 1.0, axis=1)
        return found


@final
@dataclass(frozen=True)
class CountNormalised(ExchangeableBlocks):
    r"""Bernoulli(θ) blocks times B/K, where K is how many were kept; drawn again if none was.

    The mask sums to B over the blocks, so that C̄1 = 0 for equal blocks:

    .. math:: \mu = 1, \quad v = B\,\mathrm E[1/K \mid K>0] - 1, \quad \bar C = \tfrac{vB}{B-1}(I-J/B)\otimes J_r

    Parameters
    ----------
    block_sizes : sequence of int
        Units per block.
    retain : number or sympy expression
        θ in (0, 1].

    Examples
    --------
    >>> theta = sp.Symbol("theta", positive=True)
    >>> CountNormalised((1, 1), theta).variance[0]
    2*(theta - 1)/(theta - 2)
    """

    block_sizes: tuple[int, ...]
    retain: Any

    def __post_init__(self) -> None:
        object.__setattr__(self, "block_sizes", checked_sizes(self.block_sizes))
        retain_probability(self.retain)

    @classmethod
    def partition(cls, size: int, block_size: int, retain: Any) -> "CountNormalised":
        """Cut `size` units into blocks of `block_size`; the last is smaller if it must be, see `remark`."""
        return cls(partition_sizes(size, block_size), retain)

    @property
    def block_odds(self) -> tuple[Any, ...]:
        """The normalised variance v, the same for every block."""
        count, theta = len(self.block_sizes), retain_probability(self.retain)
        if theta.free_symbols:
            return (tidied(self._block_moment((0,), 2) - 1),) * count
        chances = positive_binomial(count, float(theta))
        kept = np.arange(1, count + 1)
        return (float(chances @ ((count - kept) / kept)),) * count

    def _block_moment(self, blocks: tuple[int, ...], order: int) -> Any:
        return counted_moment(len(self.block_sizes), retain_probability(self.retain), len(blocks), order)

    def _block_outcomes(self) -> Iterator[Outcome]:
        count, theta = len(self.block_sizes), retain_probability(self.retain)
        for bits, chance in switchings((theta,) * count):
            if kept := sum(bits):
                yield tuple(bit * count / kept for bit in bits), chance / (1 - (1 - theta) ** count)

    def _block_draws(self, rng: np.random.Generator, n: int) -> Floats:
        count, theta = len(self.block_sizes), float(retain_probability(self.retain))
        if count * theta < 0.1:
            return rare_draws(rng, n, count, theta)
        bits = rng.random((n, count)) < theta
        while (empty := ~bits.any(axis=1)).any():
            bits[empty] = rng.random((int(empty.sum()), count)) < theta
        return np.asarray(bits * (count / bits.sum(axis=1))[:, None], dtype=np.float64)


def positive_binomial(count: int, theta: float) -> Floats:
    """Return P(K = 1), …, P(K = count) of a binomial K given K > 0, from ratios outward from the mode.

    Examples
    --------
    >>> positive_binomial(2, 0.5).round(12).tolist()
    [0.666666666667, 0.333333333333]
    """
    if theta == 1:
        return np.concatenate([np.zeros(count - 1), np.ones(1)])
    top = min(max(int((count + 1) * theta), 1), count)
    kept = np.arange(1, count, dtype=np.float64)
    ratios = (count - kept) / (kept + 1) * (theta / (1 - theta))  # P(K+1)/P(K)
    up = np.cumprod(ratios[top - 1 :])
    down = np.cumprod(1 / ratios[: top - 1][::-1])[::-1]
    weights = np.concatenate([down, [1.0], up])
    return np.asarray(weights / weights.sum(), dtype=np.float64)


def plain(value: Any) -> Any:
    """Return a float for an exact number, and an expression unchanged."""
    return value if value.free_symbols else float(value)


def counted_moment(count: int, theta: Any, distinct: int, order: int) -> Any:
    """Return E[(B/K)^order ∏ over distinct kept blocks | K > 0] of Bernoulli(θ) blocks exactly.

    Examples
    --------
    >>> counted_moment(2, sp.Rational(1, 2), 1, 2)  # v + 1
    5/3
    """
    if order == 1:
        return sp.Integer(1)
    if count > MOST_EXACT:
        rule = f"exact moments are given for at most {MOST_EXACT} blocks"
        raise InputError(f"{count} blocks", rule, "use block_odds and normalised_covariance")
    total = sum(
        sp.binomial(count - distinct, kept - distinct)
        * theta**kept
        * (1 - theta) ** (count - kept)
        * sp.Rational(count, kept) ** order
        for kept in range(max(distinct, 1), count + 1)
    )
    return tidied(total / (1 - (1 - theta) ** count))


def rare_draws(rng: np.random.Generator, n: int, count: int, theta: float) -> Floats:
    """Return count-normalised rows for small θ, where drawing again would take long: first how many, then which."""
    kept = rng.choice(np.arange(1, count + 1), size=n, p=positive_binomial(count, theta))
    ranks = np.argsort(np.argsort(rng.random((n, count)), axis=1), axis=1)
    return np.where(ranks < kept[:, None], count / kept[:, None], 0.0)
