"""The quadratic part of a model, ½wᵀHw: H as a matrix, or as TᵀT where a matrix would cost more than its products."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, final

import numpy as np

from etatrick.numerics.groups.blocks import Blocks

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

WIDE = 64  # products within groups are kept for groups of at most so many members


@dataclass(frozen=True, eq=False)
class Curvature(ABC):
    """H ⪰ 0 of shape (m, m), seen through products.

    Parameters
    ----------
    ridge : float
        A multiple of the identity that is part of H.
    """

    ridge: float
    direct: ClassVar[int]
    """Up to so many coordinates the matrix of a face is worth its cost."""

    @abstractmethod
    def times(self, d: "Floats") -> "Floats":
        """Return Hd."""

    @abstractmethod
    def on(self, chosen: "Indices") -> "Curvature":
        """Return the chosen rows and columns of H."""

    @abstractmethod
    def matrix(self, chosen: "Indices") -> "Floats":
        """Return the chosen rows and columns of H, as a new array."""

    @abstractmethod
    def diagonal(self) -> "Floats":
        """Return the diagonal of H."""

    @abstractmethod
    def square(self, chosen: "Indices") -> "Floats":
        """Return the submatrix of H for each row of `chosen`: indices of one group of at most WIDE members."""


@final
@dataclass(frozen=True, eq=False)
class Gram(Curvature):
    """H = G + ρI with a matrix G.

    Examples
    --------
    >>> Gram(1.0, np.eye(2)).times(np.array([1.0, 3.0]))
    array([2., 6.])
    """

    gram: "Floats"
    direct: ClassVar[int] = 500

    def times(self, d: "Floats") -> "Floats":
        """Return Hd."""
        product = self.gram @ d
        return product + self.ridge * d if self.ridge else product

    def on(self, chosen: "Indices") -> "Gram":
        """Return the chosen rows and columns."""
        return Gram(self.ridge, self.gram.take(chosen, axis=0).take(chosen, axis=1))

    def matrix(self, chosen: "Indices") -> "Floats":
        """Return the chosen rows and columns."""
        H = self.gram.take(chosen, axis=0).take(chosen, axis=1)
        H.flat[:: len(chosen) + 1] += self.ridge
        return H

    def diagonal(self) -> "Floats":
        """Return the diagonal."""
        return self.gram.diagonal() + self.ridge

    def square(self, chosen: "Indices") -> "Floats":
        """Return the diagonal blocks."""
        return self.gram[chosen[:, :, None], chosen[:, None, :]] + self.ridge * np.eye(chosen.shape[1])


@final
@dataclass(frozen=True, eq=False)
class Products(Curvature):
    """H = TᵀT + ρI, never formed as a whole.

    Parameters
    ----------
    columns : ndarray, shape (n, m)
        T.
    squares : ndarray, shape (m,)
        ‖T_j‖².
    local : ndarray, shape (G, k, k)
        T_gᵀT_g of the groups with at most k members, padded with 0.
    label, place : ndarray of int, shape (m,)
        The group of each column, and its place there.

    Examples
    --------
    >>> Products.of(np.eye(2), Blocks(np.array([2])), 1.0).times(np.array([1.0, 3.0]))
    array([2., 6.])
    """

    columns: "Floats"
    squares: "Floats"
    local: "Floats"
    label: "Indices"
    place: "Indices"
    direct: ClassVar[int] = 120

    @classmethod
    def of(cls, columns: "Floats", blocks: Blocks, ridge: float, known: "Products | None" = None) -> "Products":
        """Return TᵀT + ρI for the columns T, with the products within groups; `known` holds those of the first ones."""
        widest = int(min(blocks.sizes.max(), WIDE))
        local = np.zeros((len(blocks.sizes), widest, widest))
        groups, old = (0, 0) if known is None else (len(known.local), len(known.squares))
        if known is not None:
            width = known.local.shape[1]
            local[:groups, :width, :width] = known.local
        rows, fresh = columns.T[old:], Blocks(blocks.sizes[groups:])
        for index in fresh.alike:
            size = index.shape[1]
            if size <= WIDE:
                parts = rows[index]
                local[groups + fresh.label[index[:, 0]], :size, :size] = parts @ parts.transpose(0, 2, 1)
        squares = np.einsum("ij,ij->i", rows, rows)
        if known is not None:
            squares = np.concatenate([known.squares, squares])
        place = np.arange(len(blocks.label)) - blocks.starts[blocks.label]
        return cls(ridge, columns, squares, local, blocks.label, place)

    def times(self, d: "Floats") -> "Floats":
        """Return Tᵀ(Td) + ρd."""
        product = (self.columns @ d) @ self.columns
        return product + self.ridge * d if self.ridge else product

    def on(self, chosen: "Indices") -> "Products":
        """Return the chosen rows and columns."""
        columns = self.columns.T.take(chosen, axis=0).T
        return Products(self.ridge, columns, self.squares[chosen], self.local, self.label[chosen], self.place[chosen])

    def matrix(self, chosen: "Indices") -> "Floats":
        """Return the chosen rows and columns."""
        part = self.columns.T.take(chosen, axis=0).T
        H: Floats = part.T @ part
        H.flat[:: len(chosen) + 1] += self.ridge
        return H

    def diagonal(self) -> "Floats":
        """Return the diagonal."""
        return self.squares + self.ridge

    def square(self, chosen: "Indices") -> "Floats":
        """Return the diagonal blocks."""
        place = self.place[chosen]
        found = self.local[self.label[chosen[:, 0]][:, None, None], place[:, :, None], place[:, None, :]]
        return found + self.ridge * np.eye(chosen.shape[1])
