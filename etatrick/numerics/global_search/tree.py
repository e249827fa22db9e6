"""The certificate of a global minimum: the tree of splits, and for every leaf the point that gives its bound."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.global_search.relaxation import Boxes

if TYPE_CHECKING:
    from numpy.typing import NDArray

LEAF: Final = -1
ZERO_OR_LARGE: Final = 0
"""Split of a coordinate into {0} and the set where Ω is flat."""
AT_A_POINT: Final = 1
"""Split of an interval into two at a point."""


@final
@dataclass(frozen=True, eq=False)
class Certificate:
    """Everything from which the lower bound can be recomputed.

    Node 0 is the whole space, or the box |w_j| ≤ `radius`. The two children of a split cover their parent, so the
    leaves cover everything as soon as the tree is one: their boxes are not stored but follow from the splits.

    Parameters
    ----------
    radius : float
        +∞, or the box that the user asked for.
    children : ndarray of int, shape (N, 2)
        −1 at leaves. Left is zero, or below the point; right is large, or above.
    variable, kind : ndarray of int, shape (N,)
        The coordinate that is split, and how.
    at : ndarray, shape (N,)
        Where it is split.
    point : ndarray, shape (N, d)
        p of each leaf.
    diagonal : ndarray of int, shape (N,)
        The row of `diagonals` that a leaf uses.
    diagonals : ndarray, shape (K, d)
        Each δ with G − diag δ ⪰ 0; +∞ where the coordinate must be fixed at zero.
    bound : ndarray, shape (N,)
        The lower bound claimed for each leaf.
    """

    radius: float
    children: "NDArray[np.int64]"
    variable: "NDArray[np.int64]"
    kind: "NDArray[np.int64]"
    at: "NDArray[np.float64]"
    point: "NDArray[np.float64]"
    diagonal: "NDArray[np.int64]"
    diagonals: "NDArray[np.float64]"
    bound: "NDArray[np.float64]"

    @property
    def leaves(self) -> "NDArray[np.int64]":
        """Numbers of the leaves."""
        return np.flatnonzero(self.children[:, 0] == LEAF)

    def boxes(self) -> Boxes:
        """Return the box of every node, from the root down.

        Raises
        ------
        ValueError
            If the splits do not form one tree in which every split has two children.
        """
        count, d = self.point.shape
        low, high = np.full((count, d), -self.radius), np.full((count, d), self.radius)
        large = np.zeros((count, d), dtype=bool)
        seen = np.zeros(count, dtype=bool)
        seen[:1] = True
        stack = [0]
        while stack:
            parent = stack.pop()
            left, right = (int(child) for child in self.children[parent])
            if left == LEAF and right == LEAF:
                continue
            if left == right or not (0 < left < count and 0 < right < count) or seen[left] or seen[right]:
                raise ValueError(f"node {parent} has children {left} and {right}")
            seen[left] = seen[right] = True
            j = int(self.variable[parent])
            for child in (left, right):
                low[child], high[child], large[child] = low[parent], high[parent], large[parent]
            if self.kind[parent] == ZERO_OR_LARGE:
                if large[parent, j] or not low[parent, j] <= 0 <= high[parent, j]:
                    raise ValueError(f"node {parent} splits off a zero that is not there")
                low[left, j] = high[left, j] = 0.0
                large[right, j] = True
            else:
                if not low[parent, j] <= self.at[parent] <= high[parent, j]:
                    raise ValueError(f"node {parent} is split outside its interval")
                high[left, j] = low[right, j] = self.at[parent]
            stack += [left, right]
        if not seen.all():
            raise ValueError("some nodes do not belong to the tree")
        return Boxes(low, high, large)
