"""What the covariance of a mask law looks like: separate, exchangeable or layered blocks, or none of these."""

from dataclasses import dataclass
from fractions import Fraction
from itertools import accumulate
from typing import Any, TypeAlias, final

import sympy as sp

from etatrick.theory.noise.base import LARGEST_SYMBOLIC, MaskLaw
from etatrick.theory.structured.semidefinite import fraction


@final
@dataclass(frozen=True)
class SeparateBlocks:
    """C̄ = ⊕ λ_b 11ᵀ: blocks of `sizes` with `odds` (fractions or sympy expressions), uncorrelated."""

    sizes: tuple[int, ...]
    odds: tuple[Any, ...]

    def entry(self, own: int, other: int, same: bool) -> Any:
        """Return C̄_ij for i in block `own` and j in block `other`."""
        return self.odds[own] if own == other else sp.Integer(0)


@final
@dataclass(frozen=True)
class CoupledBlocks:
    """C̄ = ⊕ (λ+κ) 11ᵀ − κ 11ᵀ with λ = κ(B−1): blocks that compete for a constant sum."""

    sizes: tuple[int, ...]
    coupling: Any

    def entry(self, own: int, other: int, same: bool) -> Any:
        """Return C̄_ij for i in block `own` and j in block `other`."""
        return self.coupling * (len(self.sizes) - 1) if own == other else -self.coupling


@final
@dataclass(frozen=True)
class LayeredBlocks:
    """C̄ = ⊕ λ_b 11ᵀ + λ′ I on equal blocks, where λ′ = λ_u(1+λ_b) for Dropout × DropBlock."""

    sizes: tuple[int, ...]
    block_odds: Any
    unit_odds: Any

    def entry(self, own: int, other: int, same: bool) -> Any:
        """Return C̄_ij for i in block `own` and j in block `other`; `same` if i = j."""
        return (self.block_odds + (self.unit_odds if same else 0)) if own == other else sp.Integer(0)


@final
@dataclass(frozen=True)
class OtherCovariance:
    """A covariance without such a structure."""

    sizes: tuple[int, ...] = ()


Structure: TypeAlias = SeparateBlocks | CoupledBlocks | LayeredBlocks | OtherCovariance


def structure_of(law: MaskLaw) -> Structure:
    """Return the structure of C̄, from the parameters of a block law or from the exact entries of another.

    Units that belong together may be anywhere. Laws that are no block laws are read up to 64 units.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli, Blocks
    >>> from etatrick.theory.noise.composed import Product
    >>> structure_of(Blocks((2, 1), 0.5))
    SeparateBlocks(sizes=(2, 1), odds=(Fraction(1, 1), Fraction(1, 1)))
    >>> structure_of(Product((Bernoulli(2, 0.5), Blocks((2,), 0.5))))
    LayeredBlocks(sizes=(2,), block_odds=Fraction(1, 1), unit_odds=Fraction(2, 1))
    """
    sizes, odds = getattr(law, "block_sizes", None), getattr(law, "block_odds", None)
    if sizes is not None and odds is not None:
        return block_structure(law, sizes, odds)
    return entry_structure(law) if law.size <= LARGEST_SYMBOLIC else OtherCovariance()


def block_structure(law: MaskLaw, sizes: tuple[int, ...], odds: tuple[Any, ...]) -> Structure:
    """Return the structure of a block law; one exact moment for each value that the odds take."""
    starts = [0, *accumulate(sizes)]
    known: dict[Any, Any] = {}
    for b, value in enumerate(odds):
        if value not in known:
            known[value] = normalised(law, starts[b], starts[b])
    exact_odds = tuple(known[value] for value in odds)
    if len(sizes) > 1 and getattr(law, "coupling", 0.0) != 0:
        return CoupledBlocks(sizes, -normalised(law, 0, starts[1]))
    return SeparateBlocks(sizes, exact_odds)


def entry_structure(law: MaskLaw) -> Structure:
    """Return the structure that the exact entries of C̄ show."""
    table = [[number(v) for v in row] for row in law.exact_normalised_covariance.tolist()]
    blocks: list[list[int]] = []
    for i in range(law.size):
        home = next((block for block in blocks if table[block[0]][i] != 0), None)
        blocks.append([i]) if home is None else home.append(i)
    owner = {i: b for b, block in enumerate(blocks) for i in block}
    if any(table[i][j] != 0 for i in owner for j in owner if owner[i] != owner[j]):
        return OtherCovariance()
    sides = [{table[i][j] for i in block for j in block if i != j} for block in blocks]
    tops = [{table[i][i] for i in block} for block in blocks]
    sizes = tuple(len(block) for block in blocks)
    if any(len(t) > 1 for t in tops) or any(len(s) > 1 for s in sides):
        return OtherCovariance()
    if all(s <= t for s, t in zip(sides, tops, strict=True)):
        return SeparateBlocks(sizes, tuple(min(t) for t in tops))
    alike = len(set(sizes)) == 1 and len(set().union(*sides)) == 1 and len(set().union(*tops)) == 1
    off, top = next(iter(sides[0])), next(iter(tops[0]))
    if not alike or not positive(off) or not positive(top - off):
        return OtherCovariance()
    return LayeredBlocks(sizes, off, top - off if isinstance(off, Fraction) else sp.factor(top - off))


def normalised(law: MaskLaw, i: int, j: int) -> Any:
    """Return C̄_ij exactly."""
    first, second = law.moment((i,)), law.moment((j,))
    return number(law.moment((i, j)) / (first * second) - 1)


def number(value: Any) -> Any:
    """Return a rational number as a Fraction, another expression factored."""
    return fraction(value) if not value.free_symbols and value.is_Rational else sp.factor(value)


def positive(value: Any) -> bool:
    """Whether a number is positive; an expression counts as positive unless it is known not to be."""
    return bool(value > 0) if isinstance(value, Fraction) else value.is_nonpositive is not True
