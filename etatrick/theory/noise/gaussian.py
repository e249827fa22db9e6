"""Gaussian multiplicative noise, independent or with any covariance."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, exact, integer, listed, set_partitions
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.terms import Diagonal, Full, Term


def gaussian_moment(indices: tuple[int, ...], covariance: Any) -> Any:
    """Return E ∏ z_i for jointly normal z with means 1: the sum over pairings of some indices (Isserlis).

    Examples
    --------
    >>> gaussian_moment((0, 0, 0, 0), lambda i, j: sp.Integer(2))  # 1 + 6v + 3v²
    25
    """
    pairings = (parts for parts in set_partitions(indices) if max(map(len, parts)) <= 2)
    return sp.Add(*(sp.Mul(*(covariance(*p) for p in parts if len(p) == 2)) for parts in pairings))


@final
@dataclass(frozen=True)
class Gaussian(MaskLaw):
    """Gaussian dropout: z_i ~ N(1, λ), independent; the same C̄ = λI as Bernoulli with the drop odds λ.

    Parameters
    ----------
    size : int
        Number of units d ≥ 1.
    drop_odds : number or sympy expression
        λ ≥ 0.

    Examples
    --------
    >>> law = Gaussian(2, 0.25)
    >>> law.block_odds, law.cumulant([0, 0]), law.cumulant([0, 0, 0])
    ((0.25, 0.25), 1/4, 0)
    """

    size: int
    drop_odds: Any

    def __post_init__(self) -> None:
        integer(self.size, "size", 1)
        if exact(self.drop_odds, "drop_odds").is_negative:
            raise InputError(f"drop_odds = {self.drop_odds}", "drop odds must be ≥ 0", "choose e.g. drop_odds=0.25")

    @property
    def block_sizes(self) -> tuple[int, ...]:
        """One unit per block."""
        return (1,) * self.size

    @property
    def block_odds(self) -> tuple[Any, ...]:
        """λ for every unit."""
        odds = exact(self.drop_odds, "drop_odds")
        return (odds if odds.free_symbols else float(odds),) * self.size

    def _moment(self, indices: tuple[int, ...]) -> Any:
        odds = exact(self.drop_odds, "drop_odds")
        return gaussian_moment(indices, lambda i, j: odds if i == j else sp.Integer(0))

    def _means(self) -> Floats:
        return np.ones(self.size)

    def _terms(self) -> tuple[Term, ...]:
        return (Diagonal(np.array(self.block_odds, dtype=np.float64)),)

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        return np.asarray(1 + np.sqrt(self.block_odds[0]) * rng.standard_normal((n, self.size)), dtype=np.float64)


@final
@dataclass(frozen=True)
class CorrelatedGaussian(MaskLaw):
    """z ~ N(1, C̄) for any positive semidefinite C̄: every explicit regulariser is one of these.

    Parameters
    ----------
    matrix : (d, d) nested sequence or array of numbers or sympy expressions
        C̄, symmetric and positive semidefinite (checked when it is numeric).

    Examples
    --------
    >>> CorrelatedGaussian([[1, 0.5], [0.5, 1]]).cumulant([0, 1])
    1/2
    >>> CorrelatedGaussian([[1, 2], [2, 1]])
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: C̄ with an eigenvalue -1: must be positive semidefinite; check it, or repair ....
    """

    matrix: Sequence[Sequence[Any]]

    def __post_init__(self) -> None:
        rows = tuple(listed(row, "row of C̄") for row in listed(self.matrix, "C̄"))
        if any(len(row) != len(rows) for row in rows):
            raise InputError("C̄", "must be square", "pass d rows of d numbers")
        values = tuple(tuple(exact(x, "C̄_ij") for x in row) for row in rows)
        for i in range(len(rows)):
            for j in range(i):
                if not (values[i][j] == values[j][i] or sp.simplify(values[i][j] - values[j][i]) == 0):
                    raise InputError(f"C̄[{i},{j}] ≠ C̄[{j},{i}]", "must be symmetric", "pass (C + C.T)/2")
        object.__setattr__(self, "matrix", rows)
        if not any(x.free_symbols for row in values for x in row):
            lowest = np.linalg.eigvalsh(self._floats())
            if lowest[0] < -1e-12 * len(rows) * max(lowest[-1], -lowest[0]):
                remedy = "check it, or repair it by raising its negative eigenvalues to 0"
                raise InputError(f"C̄ with an eigenvalue {lowest[0]:.6g}", "must be positive semidefinite", remedy)

    @property
    def size(self) -> int:
        """Number of units."""
        return len(self.matrix)

    def _floats(self) -> Floats:
        return np.array([[float(x) for x in row] for row in self.matrix], dtype=np.float64)

    def _moment(self, indices: tuple[int, ...]) -> Any:
        return gaussian_moment(indices, lambda i, j: exact(self.matrix[i][j], "C̄_ij"))

    def _means(self) -> Floats:
        return np.ones(self.size)

    def _terms(self) -> tuple[Term, ...]:
        return (Full(self._floats()),)

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        levels, directions = np.linalg.eigh(self._floats())
        root = directions * np.sqrt(np.maximum(levels, 0))
        return np.asarray(1 + rng.standard_normal((n, self.size)) @ root.T, dtype=np.float64)
