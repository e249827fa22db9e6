"""Access to the columns of a dense or sparse X: products, selected columns, never a copy of the whole."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

BLOCK = 512  # rows or columns at a time where a changed copy of X would be needed


@dataclass(frozen=True, eq=False)
class Design(ABC):
    """A matrix of shape (n, d), of finite float64 numbers, seen through its products."""

    matrix: Any

    @property
    def shape(self) -> tuple[int, int]:
        """(n, d)."""
        n, d = self.matrix.shape
        return int(n), int(d)

    @abstractmethod
    def correlate(self, u: "Floats") -> "Floats":
        """Return Xᵀu, shape (d,)."""

    @abstractmethod
    def columns(self, chosen: "Indices") -> "Floats":
        """Return the chosen columns as a dense array in Fortran order, shape (n, len(chosen))."""

    @abstractmethod
    def gram(self, weights: "Floats", mean: "Floats") -> "Floats":
        """Return (X − 1mᵀ)ᵀ diag(v) (X − 1mᵀ) for weights v ≥ 0, where m is 0 or the weighted mean."""

    @abstractmethod
    def outer(self, scales: "Floats") -> "Floats":
        """Return X diag(s) Xᵀ, shape (n, n)."""

    @abstractmethod
    def squares(self, weights: "Floats") -> "Floats":
        """Return Σ_i v_i x_ij² for every column, shape (d,)."""


@final
@dataclass(frozen=True, eq=False)
class Dense(Design):
    """A numpy array, in C or Fortran order."""

    def correlate(self, u: "Floats") -> "Floats":
        """Return Xᵀu."""
        return np.asarray(u @ self.matrix, dtype=np.float64)

    def columns(self, chosen: "Indices") -> "Floats":
        """Return the chosen columns."""
        return np.asarray(self.matrix.T[chosen].T, dtype=np.float64)

    def gram(self, weights: "Floats", mean: "Floats") -> "Floats":
        """Return the centred, weighted Gram matrix, block by block."""
        if not mean.any() and (weights == 1).all():
            return np.asarray(self.matrix.T @ self.matrix, dtype=np.float64)
        n, d = self.shape
        total, root = np.zeros((d, d)), np.sqrt(weights)
        for begin in range(0, n, BLOCK):
            rows = slice(begin, begin + BLOCK)
            part = (self.matrix[rows] - mean) * root[rows, None]
            total += part.T @ part
        return total

    def outer(self, scales: "Floats") -> "Floats":
        """Return X diag(s) Xᵀ, block by block."""
        n, d = self.shape
        total = np.zeros((n, n))
        for begin in range(0, d, BLOCK):
            part = self.matrix[:, begin : begin + BLOCK]
            total += (part * scales[begin : begin + BLOCK]) @ part.T
        return total

    def squares(self, weights: "Floats") -> "Floats":
        """Return the weighted squared norms of the columns."""
        return np.asarray(np.einsum("ij,ij,i->j", self.matrix, self.matrix, weights), dtype=np.float64)


@final
@dataclass(frozen=True, eq=False)
class Sparse(Design):
    """A scipy.sparse array in CSC or CSR form, never made dense as a whole."""

    def correlate(self, u: "Floats") -> "Floats":
        """Return Xᵀu."""
        return np.asarray(self.matrix.T @ u, dtype=np.float64)

    def columns(self, chosen: "Indices") -> "Floats":
        """Return the chosen columns."""
        return np.asfortranarray(self.matrix[:, chosen].toarray())

    def gram(self, weights: "Floats", mean: "Floats") -> "Floats":
        """Return the centred, weighted Gram matrix; the centring is a correction of rank one."""
        d = self.shape[1]
        product = np.empty((d, d))
        for begin in range(0, d, BLOCK):
            part = self._scaled(begin, weights)
            product[:, begin : begin + BLOCK] = (self.matrix.T @ part).toarray()
        return np.asarray(product - weights.sum() * np.outer(mean, mean), dtype=np.float64)

    def outer(self, scales: "Floats") -> "Floats":
        """Return X diag(s) Xᵀ, block by block."""
        n, d = self.shape
        total = np.zeros((n, n))
        for begin in range(0, d, BLOCK):
            part = self.matrix[:, begin : begin + BLOCK]
            total += (part.multiply(scales[begin : begin + BLOCK]) @ part.T).toarray()
        return total

    def squares(self, weights: "Floats") -> "Floats":
        """Return the weighted squared norms of the columns, block by block."""
        d = self.shape[1]
        parts = [self.matrix[:, begin : begin + BLOCK] for begin in range(0, d, BLOCK)]
        return np.concatenate([np.asarray(part.multiply(part).T @ weights, dtype=np.float64) for part in parts])

    def _scaled(self, begin: int, weights: "Floats") -> Any:
        return self.matrix[:, begin : begin + BLOCK].multiply(weights[:, None]).tocsc()


def read_design(X: Any) -> Design:
    """Return a design over X, which is used as it is where it holds float64 numbers.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)

    Raises
    ------
    InputError
        If X is no finite real matrix with rows and columns.

    Examples
    --------
    >>> read_design([[1.0, 2.0]]).correlate(np.array([3.0]))
    array([3., 6.])
    """
    sparse = hasattr(X, "tocsc") and hasattr(X, "nnz")
    if sparse:
        design: Design = Sparse(_compressed(X))
        stored = design.matrix.data
        finite = bool(np.isfinite(stored).all())
    else:
        design = Dense(_array(X))
        with np.errstate(all="ignore"):
            finite = bool(np.isfinite(design.correlate(np.ones(design.shape[0]))).all())
        finite = finite or bool(np.isfinite(design.matrix).all())
        stored = design.matrix
    if min(design.shape) == 0:
        raise InputError(f"X of shape {design.shape}", "needs at least one row and one column", "pass more data")
    if not finite:
        count = int((~np.isfinite(stored)).sum())
        raise InputError(f"X with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return design


def _array(X: Any) -> "Floats":
    try:
        found = np.asarray(X)
        if found.dtype.kind not in "biuf":
            raise TypeError
    except (TypeError, ValueError):
        raise InputError("X", "must be an array of real numbers", "convert or encode its columns first") from None
    if found.ndim != 2:
        raise InputError(f"X of shape {found.shape}", "must have shape (n, d)", "reshape it")
    return found if found.dtype == np.float64 else found.astype(np.float64)


def _compressed(X: Any) -> Any:
    if X.dtype.kind not in "biuf":
        raise InputError(f"X of type {X.dtype}", "must hold real numbers", "convert it first")
    kept = X if X.format in ("csc", "csr") else X.tocsc()
    return kept if kept.dtype == np.float64 else kept.astype(np.float64)
