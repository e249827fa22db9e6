"""The data of a factorisation problem, reduced by one singular value decomposition."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True)
class Decomposition:
    """Y = P diag(m) Qᵀ, or, with inputs X, the part of Y that predictions AX can reach: YX†X = P diag(m) Qᵀ.

    Parameters
    ----------
    target : ndarray, shape (a, N)
        Y.
    inputs : ndarray, shape (b, N), or None
        X; None when the data are absorbed, so that every N × d matrix VᵀX is reachable.
    left : ndarray, shape (a, n)
        P.
    values : ndarray, shape (n,)
        m, nonincreasing; those within rounding of 0 are 0.
    right : ndarray, shape (n, N)
        Qᵀ.
    back : ndarray, shape (N, b), or None
        X†, so that V = X†ᵀ(QR) for factors R.
    rest : float
        ‖Y − YX†X‖².
    """

    target: "NDArray[np.float64]"
    inputs: "NDArray[np.float64] | None"
    left: "NDArray[np.float64]"
    values: "NDArray[np.float64]"
    right: "NDArray[np.float64]"
    back: "NDArray[np.float64] | None"
    rest: float

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
        left, values, right = np.linalg.svd(target, full_matrices=False)
        return Decomposition(target, None, left, _clean(values, target.shape), right, None, 0.0)
    inputs = matrix("X", X)
    if inputs.shape[1] != target.shape[1]:
        shapes = f"X of shape {inputs.shape} and Y of shape {target.shape}"
        raise InputError(shapes, "need one column per example in both", "transpose one of them")
    U, sizes, Wt = np.linalg.svd(inputs, full_matrices=False)
    kept = int(np.count_nonzero(_clean(sizes, inputs.shape)))
    rows = Wt[:kept]
    seen = target @ rows.T
    left, values, right = np.linalg.svd(seen, full_matrices=False)
    back = (rows.T / sizes[:kept]) @ U[:, :kept].T
    rest = float(np.sum((target - seen @ rows) ** 2))
    return Decomposition(target, inputs, left, _clean(values, seen.shape), right @ rows, back, rest)


def _clean(values: "NDArray[np.float64]", shape: tuple[int, ...]) -> "NDArray[np.float64]":
    """Return the singular values with those within rounding of 0 at 0, as for the rank of a matrix."""
    tiny = max(shape) * np.finfo(np.float64).eps * values.max(initial=0.0)
    return np.where(values <= tiny, 0.0, values)
