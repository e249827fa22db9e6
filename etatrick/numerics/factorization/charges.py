"""What a mask on blocks of units adds to the squared error of a factorisation, and that error itself."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import count, matrix, probability
from etatrick.theory.noise.blocks import BlockLaw, Blocks
from etatrick.theory.noise.regularizer import expected_squared_loss

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.noise.base import MaskLaw


@final
@dataclass(frozen=True)
class Charges:
    r"""The expected penalty Σ_b c_b‖U_bV_bᵀ‖² − κ‖UVᵀ‖² of a mask law, as numbers.

    Parameters
    ----------
    sizes : tuple of int
        The number r_b of units in each block.
    rates : tuple of float
        c_b = λ_b + κ, all positive, or all 0 for no noise.
    shared : float
        κ in [0, 1]: minus the normalised covariance between different blocks.
    """

    sizes: tuple[int, ...]
    rates: tuple[float, ...]
    shared: float = 0.0

    @property
    def width(self) -> int:
        """The number d = Σr_b of hidden units."""
        return sum(self.sizes)

    @property
    def noiseless(self) -> bool:
        """Whether nothing is ever dropped."""
        return max(self.rates) == 0

    @property
    def equal(self) -> bool:
        """Whether all blocks have one size and one rate."""
        return len(set(self.sizes)) == 1 and len(set(self.rates)) == 1

    @cached_property
    def weights(self) -> "NDArray[np.float64]":
        """ω_i = Σ_{b: r_b ≥ i} 1/c_b: the induced envelope is the squared norm with these ordered weights."""
        by_size = np.bincount(self.sizes, weights=1 / np.asarray(self.rates))
        return np.asarray(np.cumsum(by_size[::-1])[::-1][1:])

    @property
    def slices(self) -> tuple[slice, ...]:
        """The columns of each block."""
        ends = np.cumsum(self.sizes).tolist()
        return tuple(slice(end - size, end) for end, size in zip(ends, self.sizes, strict=True))


def charges_of(law: "MaskLaw") -> Charges:
    """Read sizes, rates and coupling off a mask law on blocks.

    Raises
    ------
    InputError
        If the law is not constant on blocks, has symbols, or drops some but not all of the blocks.

    Examples
    --------
    >>> from etatrick.theory.noise import Blocks, FixedCount
    >>> charges_of(Blocks.partition(5, block_size=2, retain=0.5))
    Charges(sizes=(2, 2, 1), rates=(1.0, 1.0, 1.0), shared=0.0)
    >>> charges_of(FixedCount.partition(6, block_size=2, kept=2))
    Charges(sizes=(2, 2, 2), rates=(0.75, 0.75, 0.75), shared=0.25)
    """
    if not isinstance(law, BlockLaw):
        raise InputError(type(law).__name__, "a closed form is known for masks that are constant on blocks",
                         "pass Bernoulli, UnitRates, Blocks, FixedCount or CountNormalised")  # fmt: skip
    if law.symbols:
        first = min(law.symbols, key=str)
        raise InputError(f"a mask law with the symbol {first}", "numbers need every parameter to have a value",
                         f"call .at({first}=…) first")  # fmt: skip
    shared = float(law.coupling)
    found = Charges(law.block_sizes, tuple(float(odds) + shared for odds in law.block_odds), shared)
    if min(found.rates) <= 0 < max(found.rates):
        raise InputError("a block that is never dropped beside noisy ones",
                         "all blocks must be noisy, or none: the penalty has convex envelope 0 otherwise",
                         "lower its retain probability, or leave all at 1")  # fmt: skip
    return found


def partitioned(width: int, block_size: int, retain: float) -> Blocks:
    """Return DropBlock on d units in blocks of r, the last one smaller where r does not divide d.

    Examples
    --------
    >>> partitioned(5, 2, 0.5).block_sizes, partitioned(2, 3, 0.5).block_sizes
    ((2, 2, 1), (2,))
    """
    wide, size = count("width", width), count("block_size", block_size)
    return Blocks.partition(wide, min(size, wide), probability("retain", retain))


def factorization_objective(
    Y: "ArrayLike", U: "ArrayLike", V: "ArrayLike", law: "MaskLaw", X: "ArrayLike | None" = None
) -> float:
    """Return the expected squared error of a masked factorisation, from its factors.

    ‖Y − UVᵀX‖² + ⟨C̄, UᵀU ∘ VᵀXXᵀV⟩, without X when the data are absorbed. No factor ½. With X this is
    :func:`etatrick.theory.noise.expected_squared_loss` of the factors U and XᵀV.

    Parameters
    ----------
    Y : array_like, shape (a, N)
    U : array_like, shape (a, d)
    V : array_like, shape (b, d), or (N, d) without X
    law : MaskLaw
        Of d units, any law of :mod:`etatrick.theory.noise`.
    X : array_like, shape (b, N), optional

    Returns
    -------
    float

    Raises
    ------
    InputError
        If a matrix is empty or not finite, or shapes do not fit.

    Examples
    --------
    >>> from etatrick.theory.noise import Bernoulli
    >>> factorization_objective([[1.0]], [[1.0]], [[0.5]], Bernoulli(1, 0.5))
    0.5
    """
    target, left, right = matrix("Y", Y), matrix("U", U), matrix("V", V)
    if X is not None:
        inputs = matrix("X", X)
        if len(inputs) != len(right):
            raise InputError(f"X of shape {inputs.shape} and V of shape {right.shape}", "need as many rows",
                             "transpose one of them")  # fmt: skip
        right = inputs.T @ right
    return float(expected_squared_loss(target, left, right, law))
