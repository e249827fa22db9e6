"""Shrunken singular values in closed form, for any squared ordered-weight norm."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.factorization.charges import Charges
from etatrick.numerics.k_support.ordered import ordered_eta, pooled

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIE: Final = 1e-11  # dual values this close, relative to the largest, carry one shared projection


@final
@dataclass(frozen=True)
class Shrunk:
    """The minimiser a of ‖m − a‖² + N²(a) − κ‖a‖² for nonincreasing m, with the dual vector that proves it.

    Parameters
    ----------
    target : ndarray, shape (n,)
        m.
    values : ndarray, shape (n,)
        a, nonincreasing and nonnegative.
    dual : ndarray, shape (n,)
        ζ, half a subgradient of N² at a: ζ = m − (1 − κ)a.
    shared : float
        κ.
    """

    target: "NDArray[np.float64]"
    values: "NDArray[np.float64]"
    dual: "NDArray[np.float64]"
    shared: float

    @property
    def rank(self) -> int:
        """The number of nonzero values."""
        return int(np.count_nonzero(self.values))

    @property
    def value(self) -> float:
        """The minimum, Σ m(m − a) = Σ m(ζ − κa)."""
        return float(self.target @ (self.dual - self.shared * self.values))

    @property
    def groups(self) -> tuple[slice, ...]:
        """Runs of nonzero values with one dual value."""
        found, start, dual = [], 0, self.dual[: self.rank].tolist()
        for end in range(1, len(dual) + 1):
            if end == len(dual) or dual[start] - dual[end] > TIE * dual[0]:
                found.append(slice(start, end))
                start = end
        return tuple(found)


def shrink(target: "NDArray[np.float64]", charges: Charges) -> Shrunk:
    """Return the closed-form minimiser for singular values `target`, nonincreasing, at most ``charges.width`` of them.

    With ω the ordered weights and x the proximal map of half the squared norm with weights (1 − κ)ω, a = x/(1 − κ);
    at κ = 1 the objective is linear on the unit ball's cone, and a = ωm.

    Examples
    --------
    >>> from etatrick.numerics.factorization.charges import charges_of, partitioned
    >>> shrink(np.array([3.0, 1.0]), charges_of(partitioned(2, 2, 0.5))).values  # one block: ridge
    array([1.5, 0.5])
    >>> shrink(np.array([3.0, 1.0]), charges_of(partitioned(2, 1, 0.5))).values  # dropout: soft threshold 1
    array([2., 0.])
    """
    if charges.noiseless:
        return Shrunk(target, target.copy(), np.zeros_like(target), charges.shared)
    weights, left = padded(charges.weights, len(target)), 1 - charges.shared
    if left <= 0:
        values = weights * target
        return Shrunk(target, values, _dual(target, values, weights), charges.shared)
    values, dual = np.zeros_like(target), target.copy()
    omega = left * weights
    pools = pooled(target, omega, 1.0)
    if len(pools.order):
        # within a pool ζ is Σm/(Σω + |pool|), and what is left of m is taken from the top so that it does not cancel
        top = pools.ranked[pools.starts]
        offset = pools.ranked - np.repeat(top, pools.sizes)
        count = len(offset)
        lift = top * np.add.reduceat(omega[:count], pools.starts) - np.add.reduceat(offset, pools.starts)
        lift /= pools.weight
        values[:count] = np.maximum(offset + np.repeat(lift, pools.sizes), 0.0) * (pools.unit / left)
        shared = np.repeat(pools.mass / pools.weight, pools.sizes) * pools.unit
        dual[:count] = np.where(values[:count] > 0, shared, target[:count])
    return Shrunk(target, values, dual, charges.shared)


def gauge(values: "NDArray[np.float64]", weights: "NDArray[np.float64]") -> Shrunk:
    """Return given nonincreasing values as the minimiser of N²(a) − 2⟨ζ, a⟩ that they are, with ζ from the η-trick."""
    dual = _dual(np.zeros_like(values), values, padded(weights, len(values)))
    return Shrunk(dual, values, dual, 1.0)


def _dual(
    target: "NDArray[np.float64]", values: "NDArray[np.float64]", weights: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return ζ = a/η where a > 0, without the cancellation of m − (1 − κ)a, and m elsewhere."""
    scales = ordered_eta(values, weights)
    return np.where(values > 0, values / np.where(values > 0, scales, 1.0), target)


def padded(values: "NDArray[np.float64]", length: int) -> "NDArray[np.float64]":
    """Return the first `length` of the values, followed by zeros."""
    out = np.zeros(length)
    out[: min(length, len(values))] = values[:length]
    return out
