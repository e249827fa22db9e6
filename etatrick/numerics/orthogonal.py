"""Exact regularisation for orthogonal designs: one proximal map per coordinate is the global minimum."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.curve import read_prox_curve
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ORTHOGONAL: Final = 1e-12
BLOCK: Final = 256


def orthogonal_solution(X: Any, y: "ArrayLike", penalty: Any, lam: float) -> Solution:
    r"""Return the global minimiser of ½‖y − Xw‖² + λ Σ_j Ω(|w_j|) for XᵀX = diag(s).

    .. math:: w_j = \operatorname{prox}_{(\lambda/s_j)\Omega}\big(x_j^T y / s_j\big)

    since the objective is a sum over coordinates. It is global for a penalty of any shape; where a coordinate has two
    minimisers, as at a jump of the proximal map, the larger is taken.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        With columns that are orthogonal to 1e-12 of their lengths; a column of zeros gets weight 0.
    y : array_like, shape (n,)
    penalty : Duality, GateLaw, catalogue entry or PenaltyLike
        Without free parameters and finite at 0, where it may jump.
    lam : float
        λ ≥ 0.

    Returns
    -------
    Solution
        With the certificate recomputed from X and y.

    Raises
    ------
    InputError
        For bad data, or columns that are not orthogonal: the two that are least so are named.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> orthogonal_solution([[2.0, 0.0], [0.0, 1.0]], [4.0, 1.0], penalties["l1"](k=1), 1.0).coef
    array([1.75, 0.  ])
    """
    task = pose_task(X, y, read_prox_curve(penalty), lam, "squared", False, None, None)
    squares = task.design.squares(np.ones(task.design.shape[0]))
    _check_orthogonal(task, squares)
    used = np.flatnonzero(squares)
    w = np.zeros(len(squares))
    w[used] = task.null_pull[used] / squares[used]
    if task.lam > 0:
        w[used] = task.curve.prox(w[used], task.lam / squares[used])
    progress = Progress(task, 1e-12)
    ending = progress.record(stand(task, w, 0.0))
    return progress.fit(ending or Status.STALLED)


def _check_orthogonal(task: Task, squares: "Floats") -> None:
    """Refuse columns that are not orthogonal, looking at some of them at a time."""
    lengths = np.sqrt(squares)
    safe = np.where(lengths > 0, lengths, 1.0)
    for begin in range(0, len(squares), BLOCK):
        block = np.arange(begin, min(begin + BLOCK, len(squares)))
        part = task.design.columns(block) / safe[block]
        cosines = np.abs(np.asarray(task.design.matrix.T @ part)) / safe[:, None]
        cosines[block, block - begin] = 0.0
        row, column = np.unravel_index(int(cosines.argmax()), cosines.shape)
        if cosines[row, column] > ORTHOGONAL:
            pair = f"columns {min(row, column + begin)} and {max(row, column + begin)} of X"
            raise InputError(pair, f"are not orthogonal: their cosine is {cosines[row, column]:.2g}",
                             "use solve(…), or orthogonalise the columns first")  # fmt: skip
