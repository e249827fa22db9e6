"""Balanced factors of a given matrix: all blocks of one norm, at the least sum of squares."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.factorization.attainment import attained, balanced
from etatrick.numerics.factorization.charges import charges_of, partitioned
from etatrick.numerics.factorization.checking import count
from etatrick.numerics.factorization.decomposition import decompose
from etatrick.numerics.factorization.descent import explicit
from etatrick.numerics.factorization.folding import folded_gauge, folds
from etatrick.numerics.factorization.shrinkage import gauge
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class BalancedFactors:
    """Factors of a matrix, the sum of squares of their blocks, and whether it reaches the norm.

    Parameters
    ----------
    left : ndarray, shape (a, d)
        U.
    right : ndarray, shape (N, d)
        V, with UVᵀ = A.
    value : float
        Σ_b‖U_bV_bᵀ‖².
    bound : float
        ‖A‖²_{sp,r}/B, or with a smaller last block the squared norm with its ordered weights.
    exact : Verdict
        Whether `value` is the least possible at this width. It is refuted or unknown only when `value` exceeds `bound`.
    """

    left: "NDArray[np.float64]"
    right: "NDArray[np.float64]"
    value: float
    bound: float
    exact: Verdict


def balanced_factors(A: "ArrayLike", block_size: int, width: int) -> BalancedFactors:
    """Return U, V with UVᵀ = A that make Σ_b‖U_bV_bᵀ‖² as small as the spectral r-support norm allows, if possible.

    Where it is, every block has the norm ‖A‖_{sp,r}/B: each direction of A is carried by a share η of the blocks. As
    many blocks as directions carried in part suffice; two blocks do iff their shares are symmetric about ½.

    Parameters
    ----------
    A : array_like, shape (a, N)
    block_size : int
        r ≥ 1; the last block is smaller when r does not divide d.
    width : int
        d, at least the rank of A.

    Returns
    -------
    BalancedFactors

    Raises
    ------
    InputError
        For an empty or non-finite matrix, sizes below 1, a width below the rank, or fewer blocks than any construction
        known here can use.

    Examples
    --------
    >>> import numpy as np
    >>> found = balanced_factors(np.diag([3.0, 2.0, 1.0]), 2, 6)
    >>> U, V = found.left, found.right
    >>> [round(float(np.linalg.norm(U[:, b : b + 2] @ V[:, b : b + 2].T)), 12) for b in (0, 2, 4)]
    [1.414213562373, 1.414213562373, 1.414213562373]
    >>> tight = balanced_factors(np.diag([5.0, 2.0, 1.0, 0.5]), 2, 4)
    >>> tight.value * 2, tight.bound * 2, tight.exact.status
    (39.25, 37.25, 'proved')
    """
    data = decompose(A)
    size, wide = count("block_size", block_size), count("width", width)
    if wide < data.rank:
        raise InputError(f"width = {wide}", f"factors of a matrix of rank {data.rank} need at least that many columns",
                         f"choose width={data.rank} or more")  # fmt: skip
    law = partitioned(wide, size, 0.5)  # unit odds
    charges = charges_of(law)
    values = data.values[: data.rank]
    if not data.rank:
        empty = Verdict("proved", "the zero matrix")
        return BalancedFactors(np.zeros((len(data.target), wide)), np.zeros((data.target.shape[1], wide)), 0, 0, empty)
    point = gauge(values, charges.weights)
    bound, verdict = float(point.values @ point.dual), attained(point, law)
    factor = None if verdict.status == "refuted" else balanced(point, charges)
    if factor is not None and not verdict.holds:
        verdict = Verdict("checked", "factors that reach the norm were constructed", detail=verdict.method)
    if factor is None and folds(values, charges):
        factor = folded_gauge(values, charges).left
        if len(charges.sizes) == 2:
            verdict = Verdict("proved", "two blocks: ½Σ(σ_i + σ_{2r+1−i})² is the least value", detail=verdict.method)
        else:
            verdict = Verdict("unknown", "the norm is not known to be attained: an upper bound", detail=verdict.method)
    if factor is None:
        raise InputError(f"width = {wide}", f"no balanced factors are known: {verdict.method}",
                         f"choose a width of {size * len(values)} for this matrix")  # fmt: skip
    value = explicit(values, factor, factor, charges)
    left, right = data.left[:, : data.rank], data.right[: data.rank].T
    return BalancedFactors(left @ factor, right @ factor, value, bound, verdict)
