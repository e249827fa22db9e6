"""Laws made of laws: independent products, and masks rotated by Householder reflections."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property, reduce
from itertools import product
from typing import Any, Final, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, exact, listed
from etatrick.theory.noise.base import MaskLaw, Outcome
from etatrick.theory.noise.terms import Full, Term, hadamard

MOST_SUMMANDS: Final = 100_000


@final
@dataclass(frozen=True)
class Product(MaskLaw):
    r"""Independent masks multiplied unit by unit, such as Dropout × DropBlock.

    .. math:: \bar C + 11^T = (\bar C_1 + 11^T) \circ (\bar C_2 + 11^T) \circ \dots

    Parameters
    ----------
    laws : sequence of MaskLaw
        At least one, all of the same size.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli, Blocks
    >>> law = Product((Bernoulli(2, 0.5), Blocks((2,), 0.5)))  # λ_b J + λ_u (1+λ_b) I
    >>> law.normalised_covariance.tolist()
    [[3.0, 1.0], [1.0, 3.0]]
    """

    laws: Sequence[MaskLaw]

    def __post_init__(self) -> None:
        laws = listed(self.laws, "laws")
        if not all(isinstance(law, MaskLaw) for law in laws):
            raise InputError("laws", "must be mask laws", "pass e.g. (Bernoulli(4, 0.8), Blocks((2, 2), 0.5))")
        if len(sizes := {law.size for law in laws}) > 1:
            raise InputError(f"laws of sizes {sorted(sizes)}", "all laws need one size", "use laws on the same units")
        object.__setattr__(self, "laws", laws)

    @property
    def size(self) -> int:
        """Number of units."""
        return self.laws[0].size

    def _moment(self, indices: tuple[int, ...]) -> Any:
        return sp.Mul(*(law.moment(indices) for law in self.laws))

    def _means(self) -> Floats:
        return np.asarray(reduce(np.multiply, (law.means() for law in self.laws)), dtype=np.float64)

    def _terms(self) -> tuple[Term, ...]:
        found: tuple[Term, ...] = ()
        for law in self.laws:
            new = law.terms()
            found = (*found, *new, *(hadamard(s, t) for s in found for t in new))
        return found

    def _outcome_count(self) -> int | None:
        counts = [law._outcome_count() for law in self.laws]
        return None if None in counts else reduce(lambda n, m: n * (m or 1), counts, 1)

    def _outcomes(self) -> Iterator[Outcome]:
        for choice in product(*(law.masks() for law in self.laws)):
            masks, chances = zip(*choice, strict=True)
            yield tuple(sp.Mul(*values) for values in zip(*masks, strict=True)), sp.Mul(*chances)

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        return np.asarray(reduce(np.multiply, (law.sample(rng, n) for law in self.laws)), dtype=np.float64)


class Reflected(MaskLaw):
    """A mask s + Hz with H = H_1 H_2 …, H_t = I − 2vvᵀ/‖v‖² (Householder), and a shift s."""

    law: MaskLaw
    reflectors: Sequence[Sequence[Any]]

    def __post_init__(self) -> None:
        if not isinstance(self.law, MaskLaw):
            raise InputError("law", "must be a mask law", "pass e.g. Bernoulli(4, 0.8)")
        rows = tuple(listed(v, "reflector") for v in listed(self.reflectors, "reflectors"))
        object.__setattr__(self, "reflectors", rows)
        for row in rows:
            entries = [exact(x, "reflector entry") for x in row]
            if len(row) != self.law.size or all(x == 0 for x in entries):
                rule = f"each reflector must be a nonzero vector with {self.law.size} entries"
                raise InputError(f"reflector {row}", rule, "pass one entry per unit of the law")

    @property
    def size(self) -> int:
        """Number of units."""
        return self.law.size

    @cached_property
    def rotation(self) -> Any:
        """H as an exact sympy matrix."""
        return householder(self.reflectors, self.size)

    @cached_property
    def _rotation(self) -> Floats:
        found = np.eye(self.size)
        for row in self.reflectors:
            v = np.array([float(x) for x in row])
            v /= np.linalg.norm(v)
            found -= 2 * np.outer(found @ v, v)
        return found

    def _shift(self) -> tuple[Any, ...]:
        return (sp.Integer(0),) * self.size

    def _moment(self, indices: tuple[int, ...]) -> Any:
        if (self.size + 1) ** len(indices) > MOST_SUMMANDS:
            rule = (
                f"this moment is a sum of {(self.size + 1) ** len(indices)} terms, at most {MOST_SUMMANDS} are summed"
            )
            raise InputError(f"order {len(indices)} at size {self.size}", rule, "ask for a lower order")
        shift, total = self._shift(), sp.Integer(0)
        choices = ([(None, shift[i]), *enumerate(self.rotation[i, :])] for i in indices)
        for choice in product(*([(a, c) for a, c in row if c != 0] for row in choices)):
            inner = tuple(a for a, _ in choice if a is not None)
            total += sp.Mul(*(c for _, c in choice)) * (self.law.moment(inner) if inner else 1)
        return sp.expand(total)

    def _means(self) -> Floats:
        shift = np.array([float(s) for s in self._shift()])
        return np.asarray(self._rotation @ self.law.means() + shift, dtype=np.float64)

    def _terms(self) -> tuple[Term, ...]:
        means, H = self._means(), self._rotation
        if (low := float(np.abs(means).min())) <= 1e-14 * np.abs(means).max():
            raise InputError(f"a mean of {low}", "a mask is normalised by its mean", "choose another reflector")
        scaled = H * self.law.means() / means[:, None]
        return (Full(scaled @ self.law.normalised_covariance @ scaled.T),)

    def _outcome_count(self) -> int | None:
        return self.law._outcome_count()

    def _outcomes(self) -> Iterator[Outcome]:
        shift = self._shift()
        for mask, chance in self.law.masks():
            yield tuple(s + x for s, x in zip(shift, self.rotation * sp.Matrix(mask), strict=True)), chance

    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        shift = np.array([float(s) for s in self._shift()])
        return np.asarray(shift + self.law.sample(rng, n) @ self._rotation.T, dtype=np.float64)


@final
@dataclass(frozen=True)
class Rotated(Reflected):
    """The mask Hz: mean Hμ, covariance HCHᵀ (variational structured noise, uncentred).

    Parameters
    ----------
    law : MaskLaw
        The law of z.
    reflectors : sequence of sequences
        Vectors v of the Householder reflections, applied from last to first.

    Examples
    --------
    >>> from etatrick.theory.noise.gaussian import Gaussian
    >>> Rotated(Gaussian(2, 0.5), [(1, -2)]).mean
    (7/5, 1/5)
    """

    law: MaskLaw
    reflectors: Sequence[Sequence[Any]]


@final
@dataclass(frozen=True)
class CentredRotated(Reflected):
    """The mask μ + H(z − μ): the mean stays μ, the covariance is HCHᵀ.

    Parameters
    ----------
    law : MaskLaw
        The law of z.
    reflectors : sequence of sequences
        Vectors v of the Householder reflections, applied from last to first.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import UnitRates
    >>> law = CentredRotated(UnitRates((1, 0.5)), [(1, -1)])  # swaps the deviations
    >>> law.mean, law.variance
    ((1, 1/2), (1/4, 0))
    """

    law: MaskLaw
    reflectors: Sequence[Sequence[Any]]

    def _shift(self) -> tuple[Any, ...]:
        mean = sp.Matrix(self.law.mean)
        return tuple(mean - self.rotation * mean)


def householder(reflectors: Any, size: int) -> Any:
    """Return the product of the reflections I − 2vvᵀ/‖v‖² exactly.

    Examples
    --------
    >>> householder([(1, -1)], 2).tolist()
    [[0, 1], [1, 0]]
    """
    found = sp.eye(size)
    for row in reflectors:
        v = sp.Matrix([exact(x, "reflector entry") for x in row])
        found -= 2 * (found * v) * v.T / v.dot(v)
    return sp.ImmutableMatrix(found)
