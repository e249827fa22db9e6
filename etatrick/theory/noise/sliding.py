"""DropBlock as real layers draw it: seeds at random, and every unit of a block around a seed is dropped."""

from abc import abstractmethod
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Literal, TypeAlias, final, get_args

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, Integers, exact, integer
from etatrick.theory.noise.base import MaskLaw, Outcome
from etatrick.theory.noise.blocks import switchings
from etatrick.theory.noise.terms import Pairs, Term

Seeds: TypeAlias = Literal["valid", "circular"]


class WindowLaw(MaskLaw):
    r"""Seeds are on with probability γ, independently; a unit is kept if no window that covers it has its seed on.

    .. math:: \mu_i = (1-\gamma)^{n_{ii}}, \qquad \bar C_{ij} = (1-\gamma)^{-n_{ij}} - 1,

    with n_ij the number of windows that cover both i and j. With "valid" seeds a window lies inside the layer, so units
    at the edge are dropped less often; "circular" windows wrap around, and all units are alike.

    Examples
    --------
    >>> law = SlidingBlocks(4, block_size=2, seed_rate=sp.Symbol("gamma", positive=True))
    >>> law.mean
    (1 - gamma, (1 - gamma)**2, (1 - gamma)**2, 1 - gamma)
    """

    seed_rate: Any

    @property
    @abstractmethod
    def windows(self) -> Integers:
        """The units that each seed drops, shape (seeds, units per block)."""

    @cached_property
    def _windows(self) -> Integers:
        return self.windows

    @cached_property
    def _covers(self) -> list[frozenset[int]]:
        found: list[set[int]] = [set() for _ in range(self.size)]
        for seed, window in enumerate(self._windows.tolist()):
            for unit in window:
                found[unit].add(seed)
        return [frozenset(s) for s in found]

    def _moment(self, indices: tuple[int, ...]) -> Any:
        covering = frozenset().union(*(self._covers[i] for i in indices))
        return (1 - exact(self.seed_rate, "seed_rate")) ** len(covering)

    def _means(self) -> Floats:
        counts = np.bincount(self._windows.ravel(), minlength=self.size)
        return np.asarray(np.exp(counts * np.log1p(-float(self.seed_rate))), dtype=np.float64)

    def _terms(self) -> tuple[Term, ...]:
        from scipy.sparse import csr_array, triu

        seeds, cells = self._windows.shape
        ones = np.ones(seeds * cells)
        rows = np.repeat(np.arange(seeds), cells)
        incidence = csr_array((ones, (rows, self._windows.ravel())), shape=(seeds, self.size))
        shared = triu(incidence.T @ incidence).tocoo()
        values = np.expm1(-shared.data * np.log1p(-float(self.seed_rate)))
        return (Pairs(shared.row.astype(np.int64), shared.col.astype(np.int64), values, self.size),)

    def _outcome_count(self) -> int | None:
        return int(2 ** len(self._windows))

    def _outcomes(self) -> Iterator[Outcome]:
        rate = exact(self.seed_rate, "seed_rate")
        for quiet, chance in switchings((1 - rate,) * len(self._windows)):
            yield tuple(sp.Integer(all(quiet[s] == 1 for s in self._covers[i])) for i in range(self.size)), chance

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        quiet = rng.random((n, len(self._windows))) >= float(self.seed_rate)
        kept = np.ones((n, self.size), dtype=bool)
        for place in self._windows.T:  # one place in the block at a time: no unit comes twice
            kept[:, place] &= quiet
        return kept.astype(np.float64)


@final
@dataclass(frozen=True)
class SlidingBlocks(WindowLaw):
    """Sliding DropBlock on a line of units.

    Parameters
    ----------
    size : int
        Number of units d.
    block_size : int
        Units per block r, 1 ≤ r ≤ d.
    seed_rate : number or sympy expression
        γ in [0, 1).
    seeds : {"valid", "circular"}
        Whether blocks must fit or wrap around.

    Examples
    --------
    >>> law = SlidingBlocks(4, 2, 0.5, seeds="circular")
    >>> law.normalised_covariance[0].tolist()
    [3.0, 1.0, 0.0, 1.0]
    """

    size: int
    block_size: int
    seed_rate: Any
    seeds: Seeds = "valid"

    def __post_init__(self) -> None:
        integer(self.size, "size", 1)
        integer(self.block_size, "block_size", 1, self.size)
        check_seeds(self.seed_rate, self.seeds)

    @classmethod
    def from_retain(cls, retain: Any, size: int, block_size: int, seeds: Seeds = "valid") -> "SlidingBlocks":
        """Choose γ = (1−retain)/r · d/#seeds, as DropBlock layers do; the mean of the mask is only near `retain`."""
        check_seeds(0, seeds)
        r = integer(block_size, "block_size", 1, integer(size, "size", 1))
        places = size if seeds == "circular" else size - r + 1
        return cls(size, r, rate_of(retain, r, size, places), seeds)

    @property
    def windows(self) -> Integers:
        """The units that each seed drops."""
        return line(self.size, self.block_size, self.seeds)


@final
@dataclass(frozen=True)
class SlidingBlocks2D(WindowLaw):
    """Sliding DropBlock on a height × width map, units in row-major order (Ghiasi, Lin, Le 2018).

    Parameters
    ----------
    height, width : int
        Size of the map.
    block_size : int
        Side of the square block, at most min(height, width).
    seed_rate : number or sympy expression
        γ in [0, 1); see :meth:`from_retain`.
    seeds : {"valid", "circular"}
        Whether blocks must fit or wrap around (a torus).

    Examples
    --------
    >>> law = SlidingBlocks2D.from_retain(0.9, 14, 14, 7)
    >>> law.seed_rate, float(law.means().mean().round(3))
    (1/160, 0.907)
    """

    height: int
    width: int
    block_size: int
    seed_rate: Any
    seeds: Seeds = "valid"

    def __post_init__(self) -> None:
        low = min(integer(self.height, "height", 1), integer(self.width, "width", 1))
        integer(self.block_size, "block_size", 1, low)
        check_seeds(self.seed_rate, self.seeds)

    @classmethod
    def from_retain(
        cls, retain: Any, height: int, width: int, block_size: int, seeds: Seeds = "valid"
    ) -> "SlidingBlocks2D":
        """Choose γ = (1−retain)/r² · HW/#seeds, as DropBlock layers do; the mean of the mask is only near `retain`."""
        check_seeds(0, seeds)
        r = integer(block_size, "block_size", 1, min(integer(height, "height", 1), integer(width, "width", 1)))
        places = height * width if seeds == "circular" else (height - r + 1) * (width - r + 1)
        return cls(height, width, r, rate_of(retain, r * r, height * width, places), seeds)

    @property
    def size(self) -> int:
        """Number of units, height × width."""
        return self.height * self.width

    @property
    def windows(self) -> Integers:
        """The units that each seed drops."""
        down, across = (line(n, self.block_size, self.seeds) for n in (self.height, self.width))
        grid = down[:, None, :, None] * self.width + across[None, :, None, :]
        return grid.reshape(len(down) * len(across), self.block_size**2)


def line(size: int, block_size: int, seeds: Seeds) -> Integers:
    """Return the windows on a line, shape (seeds, block_size).

    Examples
    --------
    >>> line(3, 2, "valid").tolist(), line(3, 2, "circular").tolist()
    ([[0, 1], [1, 2]], [[0, 1], [1, 2], [2, 0]])
    """
    places = size if seeds == "circular" else size - block_size + 1
    found: Integers = (np.arange(places)[:, None] + np.arange(block_size)[None, :]) % size
    return found


def check_seeds(seed_rate: Any, seeds: Any) -> None:
    """Raise InputError unless γ is in [0, 1) and the kind of seeds is known."""
    rate = exact(seed_rate, "seed_rate")
    if rate.is_negative or (rate >= 1) == True:  # noqa: E712  (a sympy relation may be undecided)
        raise InputError(f"seed_rate = {seed_rate}", "a seed rate must be in [0, 1)", "choose e.g. seed_rate=0.02")
    if seeds not in get_args(Seeds):
        raise InputError(f"seeds = {seeds!r}", "must be 'valid' or 'circular'", "choose seeds='valid'")


def rate_of(retain: Any, cells: int, units: int, places: int) -> Any:
    """Return γ = (1−retain)/cells · units/places exactly."""
    found = exact(retain, "retain")
    if found.is_nonpositive or (found > 1) == True:  # noqa: E712  (a sympy relation may be undecided)
        raise InputError(f"retain = {retain}", "must be in (0, 1]", "choose e.g. retain=0.9")
    return (1 - found) / cells * sp.Rational(units, places)  # < 1, as places × cells ≥ units
