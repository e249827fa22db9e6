"""Closed-form global minimisers of matrix factorisation under structured dropout."""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from etatrick.numerics.factorization.charges import Charges, charges_of, partitioned
from etatrick.numerics.factorization.checking import count, probability
from etatrick.numerics.factorization.decomposition import Decomposition, decompose, predicted_by_gram
from etatrick.numerics.factorization.result import FactorizationMinimum
from etatrick.numerics.factorization.shrinkage import Shrunk, padded, shrink
from etatrick.theory.noise.blocks import BlockLaw, Blocks
from etatrick.theory.noise.counted import CountNormalised, FixedCount
from etatrick.theory.structured.widths import retain_for_width

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def factorization_minimizer(Y: "ArrayLike", law: BlockLaw, X: "ArrayLike | None" = None) -> FactorizationMinimum:
    r"""Return the global minimiser of matrix factorisation under any mask that is constant on blocks of hidden units.

    .. math:: \min_{U,V}\ \lVert Y-UV^{\mathsf T}\rVert_F^2+\langle\bar C,U^{\mathsf T}U\circ V^{\mathsf T}V\rangle
              = \min_{U,V}\ \lVert Y-UV^{\mathsf T}\rVert_F^2
                +\sum_b(\lambda_b+\kappa)\lVert U_bV_b^{\mathsf T}\rVert_F^2-\kappa\lVert UV^{\mathsf T}\rVert_F^2

    with the block sizes r_b, odds λ_b and coupling κ of the law. The induced penalty of the product is at least
    N² − κ‖·‖², N the norm of ordered weights ω_i = Σ_{b: r_b ≥ i} 1/(λ_b + κ) of the singular values; `exact` says
    whether it is reached. No factor ½. From 200 rows and columns on, where the threshold is so large that nothing is
    lost, the product comes from a Gram matrix, and singular vectors only when they are asked for.

    Parameters
    ----------
    Y : array_like, shape (a, N)
    law : BlockLaw
        Of :mod:`etatrick.theory.noise`, with numbers for parameters: Bernoulli, UnitRates, Blocks, FixedCount,
        CountNormalised. Its size is the width d.
    X : array_like, shape (b, N), optional
        Inputs, for predictions UVᵀX, V of shape (b, d). Left out, the data are absorbed in V.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        For an empty or non-finite matrix, a law that is not constant on blocks or has symbols, or one that drops some
        but not all of the blocks.

    Examples
    --------
    >>> import numpy as np
    >>> from etatrick.numerics.factorization import factorization_minimizer
    >>> from etatrick.theory.noise import UnitRates
    >>> factorization_minimizer(np.diag([3.0, 1.0]), UnitRates((0.5, 0.5))).singular_values
    array([2., 0.])
    """
    charges_of(law)  # refused before any work
    return _minimum(decompose(Y, X), law)


def dropblock_minimizer(
    Y: "ArrayLike", block_size: int, retain: float, width: int | None = None, X: "ArrayLike | None" = None
) -> FactorizationMinimum:
    r"""Return the global minimiser of matrix factorisation with DropBlock on blocks of r hidden units.

    .. math:: \min_{U,V}\ \lVert Y-UV^{\mathsf T}\rVert_F^2+\lambda\sum_b\lVert U_bV_b^{\mathsf T}\rVert_F^2,
              \qquad \lambda=(1-\theta)/\theta,

    the expected squared error when each block of columns is kept with probability θ and scaled by 1/θ. The induced
    penalty of the product is the spectral r-support norm, squared, times λ/B (Pal et al. 2020), so its singular values
    are shrunk in three ranges: the ones before ρ like ridge regression, those up to l by a soft threshold τ, the others
    to 0. No factor ½.

    Parameters
    ----------
    Y : array_like, shape (a, N)
    block_size : int
        r ≥ 1. When it does not divide the width, the last block is smaller.
    retain : float
        θ in (0, 1]: at the given width, or, without a width, that of one block alone, θ̄.
    width : int, optional
        d. Below the rank of Y the product has rank at most d. Left out, it is the least multiple of r at which the
        closed form is proved to be attained, and θ(d) follows :func:`retain_for_width`, so that the penalty is
        (1 − θ̄)/θ̄ times the squared norm at any width.
    X : array_like, shape (b, N), optional
        Inputs, for predictions UVᵀX, V of shape (b, d). Left out, the data are absorbed in V.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        For an empty or non-finite matrix, r < 1, d < 1, or θ outside (0, 1].

    Examples
    --------
    >>> import numpy as np
    >>> found = dropblock_minimizer(np.diag([5.0, 2.0, 1.0, 0.2]), block_size=2, retain=0.5, width=8)
    >>> found.singular_values.round(12), found.rho, found.l
    (array([4. , 1.5, 0.5, 0. ]), 2, 3)
    >>> found.exact.status, abs(found.certificate().relative_gap) < 1e-13
    ('proved', True)
    """
    probability("retain", retain)
    count("block_size", block_size)
    count("width", 1 if width is None else width)
    return dropblock_from(decompose(Y, X), block_size, retain, width)


def dropblock_from(data: Decomposition, block_size: int, retain: float, width: int | None) -> FactorizationMinimum:
    """Return :func:`dropblock_minimizer` of reduced data, from their decomposition where they have one."""
    if width is not None:
        return _minimum(data, partitioned(width, block_size, retain))
    size = count("block_size", block_size)
    alone = charges_of(Blocks((size,), retain))
    shrunk, product = _shrunk(data, alone, data.size)
    blocks = _enough(shrunk, size)
    law = Blocks((size,) * blocks, retain_for_width(retain, size, size * blocks))
    d = law.size
    wide = Shrunk(shrunk.target[:d], shrunk.values[:d], shrunk.dual[:d], 0.0)
    return FactorizationMinimum(data, law, wide, product)


def dropout_minimizer(
    Y: "ArrayLike", retain: float, width: int | None = None, X: "ArrayLike | None" = None
) -> FactorizationMinimum:
    """Return the global minimiser of matrix factorisation with dropout: blocks of one unit.

    τ = β/(1 + βl)·Σ_{j≤l} m_j with β = λ/d, and l ≤ d (Cavazza et al. 2018, Theorem 3); attained at every width.

    Parameters
    ----------
    Y, retain, width, X
        As in :func:`dropblock_minimizer`.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        As :func:`dropblock_minimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> dropout_minimizer(np.diag([3.0, 1.0]), retain=0.5, width=2).singular_values
    array([2., 0.])
    """
    return dropblock_minimizer(Y, 1, retain, width, X)


def unequal_blocks_minimizer(
    Y: "ArrayLike", block_sizes: Sequence[int], retains: Sequence[float], X: "ArrayLike | None" = None
) -> FactorizationMinimum:
    """Return the minimiser for independent blocks of any sizes r_b and retain probabilities θ_b.

    The induced envelope is the squared norm with ordered weights ω_i = Σ_{b: r_b ≥ i} 1/λ_b. It is attained if the
    shares of the blocks can be laid out as projections, which `exact` settles: for single units with unequal rates iff
    the shares majorise the 1/λ_b.

    Parameters
    ----------
    Y, X
        As in :func:`dropblock_minimizer`.
    block_sizes : sequence of int
    retains : sequence of float
        In (0, 1), one per block; or all 1.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        As :func:`dropblock_minimizer`; also if some but not all blocks are never dropped.

    Examples
    --------
    >>> import numpy as np
    >>> found = unequal_blocks_minimizer(np.diag([3.0, 1.0]), [1, 2], [0.5, 0.5])
    >>> found.singular_values, found.exact.status
    (array([2. , 0.5]), 'proved')
    """
    return factorization_minimizer(Y, Blocks(tuple(block_sizes), tuple(retains)), X)


def fixed_count_minimizer(
    Y: "ArrayLike", block_size: int, kept: int, width: int, X: "ArrayLike | None" = None
) -> FactorizationMinimum:
    """Return the minimiser when exactly K of the B blocks are kept, scaled by B/K.

    The penalty is κ(B Σ‖A_b‖² − ‖A‖²), κ = (B − K)/(K(B − 1)): nothing on rank ≤ r. Directions that all blocks carry
    are not shrunk; for K = 1 the minimiser is Y truncated at rank r.

    Parameters
    ----------
    Y, block_size, width, X
        As in :func:`dropblock_minimizer`.
    kept : int
        K in 1..B.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        As :func:`dropblock_minimizer`; also for K outside 1..B.

    Examples
    --------
    >>> import numpy as np
    >>> fixed_count_minimizer(np.diag([5.0, 2.0, 1.0]), 2, kept=2, width=8).singular_values.round(12)
    array([5.   , 1.875, 0.375])
    """
    wide = count("width", width)
    law = FixedCount.partition(wide, min(count("block_size", block_size), wide), kept)
    return factorization_minimizer(Y, law, X)


def count_normalized_minimizer(
    Y: "ArrayLike", block_size: int, retain: float, width: int, X: "ArrayLike | None" = None
) -> FactorizationMinimum:
    """Return the minimiser for Bernoulli blocks rescaled per example by the number kept, drawn again if none is.

    As :func:`fixed_count_minimizer` with κ = (B·E[1/#kept | #kept > 0] − 1)/(B − 1).

    Parameters
    ----------
    Y, block_size, retain, width, X
        As in :func:`dropblock_minimizer`.

    Returns
    -------
    FactorizationMinimum

    Raises
    ------
    InputError
        As :func:`dropblock_minimizer`.

    Examples
    --------
    >>> import numpy as np
    >>> count_normalized_minimizer(np.diag([5.0, 2.0]), 2, 0.5, 8).singular_values
    array([5., 2.])
    """
    wide = count("width", width)
    law = CountNormalised.partition(wide, min(count("block_size", block_size), wide), probability("retain", retain))
    return factorization_minimizer(Y, law, X)


def _minimum(data: Decomposition, law: BlockLaw) -> FactorizationMinimum:
    charges = charges_of(law)
    shrunk, product = _shrunk(data, charges, min(charges.width, data.size))
    return FactorizationMinimum(data, law, shrunk, product)


def _shrunk(data: Decomposition, charges: Charges, count: int) -> "tuple[Shrunk, NDArray[np.float64] | None]":
    """Return the first `count` shrunken singular values, and the product if it needed no singular vectors."""
    seen: list[Shrunk] = []

    def shrinkage(m: "NDArray[np.float64]") -> "NDArray[np.float64]":
        seen.append(shrink(m[:count], charges))
        return padded(seen[-1].values, len(m))

    # with a coupling, errors of the singular values would be divided by 1 − κ
    safe = charges.shared == 0 and not charges.noiseless
    product = predicted_by_gram(data, shrinkage, max(charges.sizes)) if safe else None
    if product is None:
        return shrink(data.values[:count], charges), None
    return seen[-1], product


def _enough(shrunk: Shrunk, size: int) -> int:
    """Return the least number of blocks proved to attain the closed form: the longest run that is shared out."""
    if not shrunk.dual.any():
        return max(1, -(-shrunk.rank // size))
    lengths = [int(run.stop - run.start) for run in shrunk.groups if run.stop > size]
    return max([1, *lengths])
