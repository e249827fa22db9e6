"""Blocks made of one rank-one piece per group of directions: exact for two blocks, an upper bound for more."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.factorization.attainment import balanced
from etatrick.numerics.factorization.charges import Charges
from etatrick.numerics.factorization.shrinkage import gauge, shrink

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Found:
    """Factors in the basis of the singular vectors, and the objective they reach.

    Parameters
    ----------
    left, right : ndarray, shape (n, d)
    value : float
    """

    left: "NDArray[np.float64]"
    right: "NDArray[np.float64]"
    value: float


def folds(values: "NDArray[np.float64]", charges: Charges) -> bool:
    """Whether :func:`folded` applies: equal independent blocks that can hold all directions."""
    return charges.equal and charges.shared == 0 and not charges.noiseless and len(values) <= charges.width


def folded(target: "NDArray[np.float64]", charges: Charges) -> Found:
    """Return the best factorisation of diag(m) whose blocks take one rank-one piece from each of r groups.

    Each group is a dropout problem of width B of its own. For B = 2 the groups pair m_i with m_{2r+1−i} and the result
    is the global minimum: if A = A₁ + A₂ has rank 2r, then A₁A⁻¹ is an oblique projection, so A₁ − A₂ = JA with J² = I;
    the singular values of J come in pairs (s, 1/s), hence ‖JA‖² ≥ 2Σσ_iσ_{2r+1−i}, that is
    ‖A₁‖² + ‖A₂‖² ≥ ½Σ_{i≤r}(σ_i + σ_{2r+1−i})², with equality for the folded pieces.

    Examples
    --------
    >>> from etatrick.numerics.factorization.charges import charges_of, partitioned
    >>> round(folded(np.array([5.0, 2.0, 1.0, 0.5]), charges_of(partitioned(4, 2, 0.5))).value, 6)
    10.833333
    """
    size, blocks = charges.sizes[0], len(charges.sizes)
    units = Charges((1,) * blocks, charges.rates)
    factor, value = np.zeros((len(target), charges.width)), 0.0
    for place, group in enumerate(_groups(target, size, blocks)):
        part = shrink(target[group], units)
        found = balanced(part, units)
        value += part.value
        if found is not None:  # Schur–Horn: there are as many units as directions
            factor[np.ix_(group, [block.start + place for block in charges.slices])] = found
    return Found(factor, factor, value)


def folded_gauge(values: "NDArray[np.float64]", charges: Charges) -> Found:
    """Return the same construction for a given diagonal: FFᵀ = diag(values), and Σ_b λ_b‖F_bF_bᵀ‖²."""
    size, blocks = charges.sizes[0], len(charges.sizes)
    units = Charges((1,) * blocks, charges.rates)
    factor, value = np.zeros((len(values), charges.width)), 0.0
    for place, group in enumerate(_groups(values, size, blocks)):
        part = gauge(values[group], units.weights)
        found = balanced(part, units)
        value += float(part.values @ part.dual)
        if found is not None:
            factor[np.ix_(group, [block.start + place for block in charges.slices])] = found
    return Found(factor, factor, value)


def _groups(values: "NDArray[np.float64]", count: int, most: int) -> list[list[int]]:
    """Split the directions into groups of at most `most` with sums as equal as a greedy choice makes them."""
    groups: list[list[int]] = [[] for _ in range(count)]
    sums = np.zeros(count)
    for index, value in enumerate(values.tolist()):
        room = [place for place in range(count) if len(groups[place]) < most]
        place = min(room, key=lambda p: (len(groups[p]) > 0, sums[p], -p))
        groups[place].append(index)
        sums[place] += value
    return [group for group in groups if group]
