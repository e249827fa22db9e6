"""Models without a finite minimum: classes that planes separate, where no penalty, or a bounded one, holds W back."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.responses import CrossEntropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask
    from etatrick.numerics.outputs.standing import OutputsStanding

    Floats = NDArray[np.float64]

SURE = 12.0  # log-odds from which a descent is suspected of running away
LARGE = 36.0  # log-odds that round to certainty
WIDEST = 4_000_000  # entries of the linear program's matrix up to which it is solved


def running_away(task: "OutputsTask", standing: "OutputsStanding") -> bool:
    """Whether the point proves that the objective has no minimum, or all but proves it by weights beyond rounding.

    Where every sample favours its class, multiples of W lower the loss for ever; where the samples only never disfavour
    it, a linear program finds the direction. A penalty stops that unless it is bounded and W is where it is flat.
    """
    if not isinstance(task.response, CrossEntropy) or not _free(task, standing.W):
        return False
    theta = standing.theta - task.offset
    spread = float((theta.max(axis=1) - theta.min(axis=1))[task.weights > 0].max())
    counted = task.weights > 0
    crisp = bool((task.Y[counted].max(axis=1) == 1).all())
    if crisp and bool((_margins(task, theta)[counted] > 0).all()):
        return True
    if spread > LARGE:
        return True
    return crisp and task.lam == 0 and spread > SURE and separable(task)


def _free(task: "OutputsTask", W: "Floats") -> bool:
    """Whether the penalty charges nothing for larger weights."""
    if task.lam == 0:
        return True
    sizes = task.arrangement.sizes(W)
    on = sizes[sizes > 0]
    return len(on) > 0 and not task.arrangement.curve.convex and not task.arrangement.curve.slope(on).any()


def _margins(task: "OutputsTask", theta: "Floats") -> "Floats":
    """Return by how much the predictor of the sample's class exceeds the largest other one."""
    labels = task.Y.argmax(axis=1)
    own = np.take_along_axis(theta, labels[:, None], axis=1)[:, 0]
    others = np.where(task.Y.max(axis=1, keepdims=True) == task.Y, -np.inf, theta)
    return np.asarray(own - others.max(axis=1), dtype=np.float64)


def separable(task: "OutputsTask") -> bool:
    """Whether some W, b never disfavours the class of a sample and favours that of one: a linear program (HiGHS).

    It is not solved, and the answer is no, where its matrix would have more than four million entries.
    """
    from scipy.optimize import linprog
    from scipy.sparse import csr_array as csr
    from scipy.sparse import hstack, kron, vstack

    counted = np.flatnonzero(task.weights)
    X = task.design.matrix[counted]
    K, d = task.Y.shape[1], task.design.shape[1]
    if len(counted) * (K - 1) * 2 * (d + 1) > WIDEST:
        return False
    rows = csr(X)
    if task.intercept:
        rows = hstack([rows, csr(np.ones((len(counted), 1)))]).tocsr()
    labels = task.Y[counted].argmax(axis=1)
    blocks = []
    for k in range(K):
        own = rows[np.flatnonzero(labels == k)]
        for other in range(K):
            if other != k and own.shape[0] > 0:
                sign = np.zeros((1, K))
                sign[0, k], sign[0, other] = 1.0, -1.0
                blocks.append(kron(csr(sign), own))
    margins = vstack(blocks).tocsr()
    gain = np.asarray(margins.sum(axis=0)).reshape(-1)
    size = float(np.abs(margins.data).max(initial=1.0))
    found = linprog(-gain / size, A_ub=-margins / size, b_ub=np.zeros(margins.shape[0]), bounds=(-1.0, 1.0),
                    method="highs")  # fmt: skip
    return bool(found.status == 0 and -found.fun > 1e-6)
