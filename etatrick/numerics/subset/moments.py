"""The moments of a least-squares problem that searches over supports need, formed column by column on demand."""

from typing import TYPE_CHECKING, Any, Final, Protocol, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.design import Dense
from etatrick.numerics.working_set.task import pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

BLOCK: Final = 512
TOGETHER: Final = 12
"""Columns of the Gram matrix formed at once: as fast as one while X has to be read from memory."""


class Rows(Protocol):
    """What a search over supports asks for: a quadratic ½wᵀGw − bᵀw + ½c, row by row."""

    d: int
    squares: "Floats"
    linear: "Floats"
    constant: float

    def row(self, j: int, order: "Floats") -> "Floats":
        """Return row j of G; `order` says which rows are likely to be wanted next."""

    def rows(self, chosen: "NDArray[np.intp]") -> "Floats":
        """Return some rows of G, shape (k, d)."""


@final
class GramRows:
    """The rows of a Gram matrix that is known already.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
    linear : ndarray, shape (d,)
    constant : float
    """

    def __init__(self, gram: "Floats", linear: "Floats", constant: float) -> None:
        self.gram, self.linear, self.constant = gram, linear, constant
        self.d, self.squares = len(linear), gram.diagonal()

    def row(self, j: int, order: "Floats") -> "Floats":
        """Return row j."""
        return np.asarray(self.gram[j])

    def rows(self, chosen: "NDArray[np.intp]") -> "Floats":
        """Return some rows."""
        return np.asarray(self.gram[chosen])


@final
class Moments:
    """XᵀVy, the diagonal of XᵀVX and, on demand, rows of XᵀVX, all centred where there is an intercept.

    Only rows that a search asks for are formed and kept, so that no d×d matrix arises when few columns matter.

    Parameters
    ----------
    task : Task
        Checked data with the squared loss.
    """

    def __init__(self, task: "Task") -> None:
        self.task, self.design, self.weights = task, task.design, task.weights
        self.n, self.d = task.design.shape
        self.intercept, self.plain = task.intercept, bool((task.weights == 1).all())
        self.y = task.y - task.offset
        self.y_mean = float(np.average(self.y, weights=self.weights)) if task.intercept else 0.0
        self.target = self.y - self.y_mean
        total = float(self.weights.sum())
        self.means = task.design.correlate(self.weights) / total if task.intercept else np.zeros(self.d)
        pulled = self.weights * self.target
        self.linear = task.design.correlate(pulled) - float(pulled.sum()) * self.means
        self.constant = float(pulled @ self.target)
        self.squares = self._squares()
        self._place = np.full(self.d, -1)
        self._store, self._kept = np.empty((32, self.d)), 0

    def columns(self, chosen: "NDArray[np.intp]") -> "Floats":
        """Return chosen columns less their means, shape (n, k)."""
        found = self.design.columns(chosen)
        return found - self.means[chosen] if self.intercept else found

    def cross(self, left: "Floats") -> "Floats":
        """Return LᵀV(X − 1mᵀ) for L of shape (n, k)."""
        weighted = left if self.plain else left * self.weights[:, None]
        matrix = self.design.matrix
        found = weighted.T @ matrix if isinstance(self.design, Dense) else (matrix.T @ weighted).T
        return found - np.outer(weighted.sum(axis=0), self.means) if self.intercept else np.asarray(found)

    def row(self, j: int, order: "Floats") -> "Floats":
        """Return row j of XᵀVX; the columns of the largest `order` that are not known yet are formed along with it."""
        if self._place[j] < 0:
            self._form(j, order)
        return np.asarray(self._store[self._place[j]])

    def rows(self, chosen: "NDArray[np.intp]") -> "Floats":
        """Return some rows of XᵀVX, formed together where they are not known yet, shape (k, d)."""
        self._keep(np.unique(chosen[self._place[chosen] < 0]))
        return np.asarray(self._store[self._place[chosen]])

    def _form(self, j: int, order: "Floats") -> None:
        likely = np.argpartition(-order, TOGETHER)[:TOGETHER] if self.d > TOGETHER else np.arange(self.d)
        self._keep(np.union1d(likely[self._place[likely] < 0], [j]))

    def _keep(self, fresh: "NDArray[np.intp]") -> None:
        if not len(fresh):
            return
        need = self._kept + len(fresh)
        if need > len(self._store):
            grown = np.empty((max(2 * len(self._store), need), self.d))
            grown[: self._kept] = self._store[: self._kept]
            self._store = grown
        self._store[self._kept : need] = self.cross(self.columns(fresh))
        self._place[fresh] = np.arange(self._kept, need)
        self._kept = need

    def _squares(self) -> "Floats":
        if not isinstance(self.design, Dense):
            return np.asarray(np.maximum(self.design.squares(self.weights) - self.weights.sum() * self.means**2, 0.0))
        matrix = self.design.matrix
        if self.plain and not self.intercept:
            return np.asarray(np.einsum("ij,ij->j", matrix, matrix))
        found = np.empty(self.d)
        for begin in range(0, self.d, BLOCK):
            part = matrix[:, begin : begin + BLOCK] - self.means[begin : begin + BLOCK]
            found[begin : begin + BLOCK] = np.einsum("ij,ij,i->j", part, part, self.weights)
        return found


def pose_subsets(
    X: Any, y: "ArrayLike", fit_intercept: bool, sample_weight: "ArrayLike | None", offset: "ArrayLike | None" = None
) -> Moments:
    """Check the data as every solver of this package does, and return their moments.

    Raises
    ------
    InputError
        For NaN or infinite data, shapes that do not match, or negative weights.

    Examples
    --------
    >>> pose_subsets([[1.0, 0.0], [1.0, 2.0]], [1.0, 3.0], False, None).linear
    array([4., 6.])
    """
    task = pose_task(X, y, Affine.of(1.0, 0.0), 1.0, "squared", fit_intercept, sample_weight, offset)
    with np.errstate(over="ignore", invalid="ignore"):
        moments = Moments(task)
    for name, size in (("y", moments.constant), ("X", float(moments.squares.max()))):
        if not np.isfinite(size):
            raise InputError(name, "has a sum of squares that overflows", "rescale it")
    return moments
