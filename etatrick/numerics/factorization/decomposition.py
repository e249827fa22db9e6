"""The data of a factorisation problem, reduced to one matrix, and its singular value decomposition on demand."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import matrix
from etatrick.numerics.k_support.arguments import HUGE
from etatrick.numerics.k_support.singular import SMALL, by_gram

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats: TypeAlias = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Decomposition:
    """Y = P diag(m) Qᵀ, or, with inputs X, the part of Y that predictions AX can reach: YX†X = P diag(m) Qᵀ.

    Parameters
    ----------
    target : ndarray, shape (a, N)
        Y.
    inputs : ndarray, shape (b, N), or None
        X; None when the data are absorbed, so that every N × d matrix VᵀX is reachable.
    reduced : ndarray, shape (a, n')
        Y, or its coordinates in the row space of X.
    rows : ndarray, shape (n', N), or None
        An orthonormal basis of that space.
    back : ndarray, shape (N, b), or None
        X†, so that V = X†ᵀ(QR) for factors R.
    rest : float
        ‖Y − YX†X‖².
    """

    target: Floats
    inputs: Floats | None
    reduced: Floats
    rows: Floats | None = None
    back: Floats | None = None
    rest: float = 0.0

    @cached_property
    def _parts(self) -> tuple[Floats, Floats, Floats]:
        left, values, right = np.linalg.svd(self.reduced, full_matrices=False)
        return left, _clean(values, self.reduced.shape), right if self.rows is None else right @ self.rows

    @property
    def known(self) -> bool:
        """Whether the singular value decomposition has been computed."""
        return "_parts" in self.__dict__

    def computed(self) -> "Decomposition":
        """Return itself with the decomposition computed, to serve many laws."""
        _ = self._parts
        return self

    @property
    def left(self) -> Floats:
        """P, shape (a, n)."""
        return self._parts[0]

    @property
    def values(self) -> Floats:
        """The singular values m, nonincreasing, shape (n,); those within rounding of 0 are 0."""
        return self._parts[1]

    @property
    def right(self) -> Floats:
        """Qᵀ, shape (n, N)."""
        return self._parts[2]

    @property
    def size(self) -> int:
        """The number n of singular values."""
        return min(int(side) for side in self.reduced.shape)

    @property
    def rank(self) -> int:
        """The rank of what can be reached, to rounding."""
        return int(np.count_nonzero(self.values))


def decompose(Y: "ArrayLike", X: "ArrayLike | None" = None) -> Decomposition:
    """Return the decomposition of the targets, restricted to the row space of X if given.

    Examples
    --------
    >>> decompose([[0.0, 2.0], [1.0, 0.0]]).values
    array([2., 1.])
    >>> decompose([[3.0, 4.0]], [[1.0, 0.0], [2.0, 0.0]]).rest  # X has rank one
    16.0
    """
    target = matrix("Y", Y)
    if X is None:
        return Decomposition(target, None, target)
    inputs = matrix("X", X)
    if inputs.shape[1] != target.shape[1]:
        shapes = f"X of shape {inputs.shape} and Y of shape {target.shape}"
        raise InputError(shapes, "need one column per example in both", "transpose one of them")
    U, sizes, Wt = np.linalg.svd(inputs, full_matrices=False)
    kept = int(np.count_nonzero(_clean(sizes, inputs.shape)))
    rows = Wt[:kept]
    seen = target @ rows.T
    back = (rows.T / sizes[:kept]) @ U[:, :kept].T
    return Decomposition(target, inputs, seen, rows, back, float(np.sum((target - seen @ rows) ** 2)))


def predicted_by_gram(data: Decomposition, shrink: Callable[[Floats], Floats], block_size: int) -> Floats | None:
    """Return P diag(shrink(m)) Qᵀ without a singular value decomposition, or None where digits would be lost.

    The Gram matrix squares the singular values, which is safe for those well above its rounding; whether those that
    stay are is judged by the shrinkage, as for the proximal map of the spectral k-support norm.

    Parameters
    ----------
    data : Decomposition
    shrink : callable
        Maps nonincreasing singular values to shrunken ones, zero below a threshold.
    block_size : int
        The number of singular values that are never all removed.
    """
    if data.known or data.inputs is not None or data.size < SMALL:
        return None
    if not 1 / HUGE <= float(np.abs(data.reduced).max()) <= HUGE:
        return None
    wide = data.reduced.shape[1] > data.reduced.shape[0]
    tall = np.ascontiguousarray(data.reduced.T) if wide else data.reduced
    product = by_gram(tall, lambda rows: shrink(rows[0])[None], block_size)
    return product.T if wide and product is not None else product


def _clean(values: Floats, shape: tuple[int, ...]) -> Floats:
    """Return the singular values with those within rounding of 0 at 0, as for the rank of a matrix."""
    tiny = max(shape) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return np.where(values <= tiny, 0.0, values)
