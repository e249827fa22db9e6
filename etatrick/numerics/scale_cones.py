"""Norms whose scales are sums of group scales, as the solvers see them: the cone of scales and the dual norm."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.theory.vector.ordered import Ordered
from etatrick.theory.vector.overlapping import Overlapping

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class ScaleCone(ABC):
    r"""The scales η = Az with z ≥ 0, charged f = cᵀz: a norm :math:`Ω(w) = \max\{w^Tx : ‖x_g‖² ≤ c_g\}`.

    A has a column of zeros and ones for every group g. :math:`Ω(w) = \tfrac12\min_z[\sum w^2/(Az) + c^Tz]` is the
    latent group lasso (Jacob, Obozinski, Vert 2009).
    """

    @property
    @abstractmethod
    def charges(self) -> "Floats":
        """Charges c > 0, shape (m,)."""

    @abstractmethod
    def spread(self, z: "Floats") -> "Floats":
        """Return Az, shape (d,)."""

    @abstractmethod
    def gather(self, values: "Floats") -> "Floats":
        """Return values·A, sums over each group, shape (…, m) from (…, d)."""

    @final
    def dual_norm(self, slope: "Floats") -> float:
        """Return max_g ‖x_g‖/√c_g, the least t with ⟨x, w⟩ ≤ tΩ(w) for all w.

        Examples
        --------
        >>> PrefixCone(2).dual_norm(np.array([0.0, 2.0]))  # 2/√2 over the first two
        1.4142135623730951
        """
        return float(np.sqrt(np.max(self.gather(slope**2) / self.charges)))


@final
@dataclass(frozen=True)
class PrefixCone(ScaleCone):
    """Nonincreasing scales, the sums of scales of 1…k, each charged k: see :class:`etatrick.theory.vector.Ordered`."""

    length: int

    @cached_property
    def charges(self) -> "Floats":
        """1, 2, …, d."""
        return np.arange(1.0, self.length + 1)

    def spread(self, z: "Floats") -> "Floats":
        """Return the sums of z from each place to the end."""
        return np.cumsum(z[::-1])[::-1]

    def gather(self, values: "Floats") -> "Floats":
        """Return the sums up to each place."""
        return np.asarray(np.cumsum(values, axis=-1), dtype=np.float64)


@final
@dataclass(frozen=True)
class GroupCone(ScaleCone):
    """Sums of group scales, each charged its squared weight: see :class:`etatrick.theory.vector.Overlapping`."""

    rule: Overlapping

    @cached_property
    def charges(self) -> "Floats":
        """Squared weights of the groups."""
        return np.array(self.rule.weights) ** 2

    @cached_property
    def members(self) -> Any:
        """A as a sparse array, shape (d, m)."""
        from scipy.sparse import csc_array

        rows = [i for group in self.rule.groups for i in group]
        columns = [g for g, group in enumerate(self.rule.groups) for _ in group]
        return csc_array((np.ones(len(rows)), (rows, columns)))

    def spread(self, z: "Floats") -> "Floats":
        """Return the sum of the scales of all groups of each index."""
        return np.asarray(self.members @ z, dtype=np.float64)

    def gather(self, values: "Floats") -> "Floats":
        """Return the sum over each group."""
        return np.asarray(values @ self.members, dtype=np.float64)


def scale_cone(penalty: Any, length: int) -> ScaleCone | None:
    """Return the cone of a penalty on vectors of this length, or None if it has none that is known.

    Examples
    --------
    >>> scale_cone(Ordered(), 3).spread(np.array([1.0, 0.0, 2.0])).tolist()
    [3.0, 2.0, 2.0]
    """
    if isinstance(penalty, Ordered):
        return PrefixCone(length)
    return GroupCone(penalty) if isinstance(penalty, Overlapping) else None


__all__ = ["GroupCone", "PrefixCone", "ScaleCone", "scale_cone"]
