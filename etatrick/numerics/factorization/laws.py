"""Masks on blocks of hidden units, as what they add to the squared error of a factorisation."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import comb
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import count, matrix, odds, probability

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class BlockLaw:
    r"""A mask that is constant on blocks of units: its expected penalty is Σ_b λ_b‖U_bV_bᵀ‖² − κ‖UVᵀ‖².

    Parameters
    ----------
    sizes : tuple of int
        The number r_b of units in each block.
    odds : tuple of float
        λ_b: normalised variances of the blocks, all positive, or all 0 for no noise.
    shared : float
        κ in [0, 1]: minus the normalised covariance between different blocks.

    Raises
    ------
    InputError
        If the numbers of sizes and odds differ, or some but not all of the odds are 0.

    Examples
    --------
    >>> law = BlockLaw((2, 2, 1), (1.0, 1.0, 1.0))
    >>> law.width, law.weights.tolist()
    (5, [3.0, 2.0])
    """

    sizes: tuple[int, ...]
    odds: tuple[float, ...]
    shared: float = 0.0

    def __post_init__(self) -> None:
        if len(self.sizes) != len(self.odds) or not self.sizes:
            raise InputError(f"{len(self.sizes)} block sizes and {len(self.odds)} rates", "need one rate per block",
                             "pass sequences of one length")  # fmt: skip
        if min(self.odds) <= 0 < max(self.odds):
            raise InputError("a block that is never dropped beside noisy ones",
                             "all blocks must be noisy, or none: the penalty has convex envelope 0 otherwise",
                             "lower its retain probability, or leave all at 1")  # fmt: skip

    @property
    def width(self) -> int:
        """The number d = Σr_b of hidden units."""
        return sum(self.sizes)

    @property
    def noiseless(self) -> bool:
        """Whether nothing is ever dropped."""
        return max(self.odds) == 0

    @property
    def equal(self) -> bool:
        """Whether all blocks have one size and one rate."""
        return len(set(self.sizes)) == 1 and len(set(self.odds)) == 1

    @property
    def weights(self) -> "NDArray[np.float64]":
        """ω_i = Σ_{b: r_b ≥ i} 1/λ_b: the induced envelope is the squared norm with these ordered weights."""
        sizes = np.asarray(self.sizes)
        inverse = 1 / np.asarray(self.odds)
        return np.array([inverse[sizes > i].sum() for i in range(int(sizes.max()))])

    @property
    def slices(self) -> tuple[slice, ...]:
        """The columns of each block."""
        ends = np.cumsum(self.sizes).tolist()
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))


def equal_blocks(block_size: int, retain: float, width: int) -> BlockLaw:
    """Return DropBlock on a partition: one Bernoulli(θ) per block, scaled by 1/θ, so λ_b = (1 − θ)/θ.

    A width that the block size does not divide leaves a smaller last block.

    Examples
    --------
    >>> equal_blocks(2, 0.5, 5)
    BlockLaw(sizes=(2, 2, 1), odds=(1.0, 1.0, 1.0), shared=0.0)
    """
    sizes = _sizes(block_size, width)
    return BlockLaw(sizes, (odds(probability("retain", retain)),) * len(sizes))


def unequal_blocks(block_sizes: Sequence[int], retains: Sequence[float]) -> BlockLaw:
    """Return independent blocks of any sizes and retain probabilities.

    Examples
    --------
    >>> unequal_blocks([1, 2], [0.5, 0.25]).odds
    (1.0, 3.0)
    """
    sizes = tuple(count("block size", size) for size in block_sizes)
    return BlockLaw(sizes, tuple(odds(probability("retain", retain)) for retain in retains))


def fixed_count(block_size: int, kept: int, width: int) -> BlockLaw:
    """Return the law that keeps exactly K of B equal blocks: κ = (B − K)/(K(B − 1)), λ_b = κB.

    Examples
    --------
    >>> fixed_count(1, 2, 4)
    BlockLaw(sizes=(1, 1, 1, 1), odds=(1.3333333333333333, ...), shared=0.333...)
    """
    sizes = _whole(block_size, width)
    blocks = len(sizes)
    kept = count("kept", kept, 1, blocks)
    shared = (blocks - kept) / (kept * (blocks - 1)) if blocks > 1 else 0.0
    return BlockLaw(sizes, (shared * blocks,) * blocks, shared)


def count_normalized(block_size: int, retain: float, width: int) -> BlockLaw:
    """Return Bernoulli(θ) blocks rescaled per sample by B/#kept, drawn again when none is kept.

    κ = v/(B − 1) with v = B·E[1/#kept | #kept > 0] − 1, and λ_b = κB.

    Examples
    --------
    >>> count_normalized(1, 0.5, 2).shared  # 1 of 2 kept with probability 2/3
    0.666...
    """
    sizes, retain = _whole(block_size, width), probability("retain", retain)
    blocks = len(sizes)
    if blocks == 1 or retain == 1:
        return BlockLaw(sizes, (0.0,) * blocks)
    chances = [comb(blocks, kept) * retain**kept * (1 - retain) ** (blocks - kept) for kept in range(1, blocks + 1)]
    inverse = sum(chance / kept for kept, chance in enumerate(chances, 1)) / sum(chances)
    shared = (blocks * inverse - 1) / (blocks - 1)
    return BlockLaw(sizes, (shared * blocks,) * blocks, shared)


def retain_for_width(retain: float, block_size: int, width: int) -> float:
    """Return θ(d) = θ̄r/(d − (d − r)θ̄), which keeps the induced regulariser as the width grows.

    With it λ(d)·r/d = (1 − θ̄)/θ̄ for every width d (Cavazza et al. 2018 for r = 1).

    Parameters
    ----------
    retain : float
        θ̄ in (0, 1], the retain probability of one block alone.
    block_size : int
        r ≥ 1.
    width : int
        d ≥ r.

    Returns
    -------
    float

    Raises
    ------
    InputError
        For θ̄ outside (0, 1], r < 1, or d < r.

    Examples
    --------
    >>> [round(retain_for_width(0.6, 2, d), 3) for d in (2, 8, 64)]
    [0.6, 0.273, 0.045]
    """
    theta, size = probability("retain", retain), count("block_size", block_size)
    wide = count("width", width, size)
    return theta * size / (wide - (wide - size) * theta)


def factorization_objective(
    Y: "ArrayLike", U: "ArrayLike", V: "ArrayLike", law: BlockLaw, X: "ArrayLike | None" = None
) -> float:
    """Return the expected squared error of a masked factorisation, computed from its factors term by term.

    ‖Y − UVᵀX‖² + Σ_b λ_b‖U_bV_bᵀX‖² − κ‖UVᵀX‖², without X when the data are absorbed. No factor ½.

    Parameters
    ----------
    Y : array_like, shape (a, N)
    U : array_like, shape (a, d)
    V : array_like, shape (b, d), or (N, d) without X
    law : BlockLaw
    X : array_like, shape (b, N), optional

    Returns
    -------
    float

    Examples
    --------
    >>> factorization_objective([[1.0]], [[1.0]], [[0.5]], BlockLaw((1,), (1.0,)))
    0.5
    """
    target, left, right = matrix("Y", Y), matrix("U", U), matrix("V", V)
    if left.shape[1] != law.width or right.shape[1] != law.width:
        raise InputError(f"U, V with {left.shape[1]}, {right.shape[1]} columns", f"the law has {law.width} units",
                         "pass factors of that width")  # fmt: skip
    hidden = right.T if X is None else right.T @ matrix("X", X)
    product = left @ hidden
    penalty = sum(rate * float(np.sum((left[:, block] @ hidden[block]) ** 2))
                  for rate, block in zip(law.odds, law.slices, strict=True))  # fmt: skip
    return float(np.sum((target - product) ** 2)) + penalty - law.shared * float(np.sum(product**2))


def _sizes(block_size: int, width: int) -> tuple[int, ...]:
    size, wide = count("block_size", block_size), count("width", width)
    rest = wide % size
    return (size,) * (wide // size) + ((rest,) if rest else ())


def _whole(block_size: int, width: int) -> tuple[int, ...]:
    sizes = _sizes(block_size, width)
    if len(set(sizes)) > 1:
        raise InputError(f"width = {width}", f"must be a multiple of block_size = {block_size} for this mask",
                         f"choose e.g. width={width - width % block_size}")  # fmt: skip
    return sizes
