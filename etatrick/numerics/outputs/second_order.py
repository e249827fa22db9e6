"""Second-order conditions of a stationary matrix of weights."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.arrangement import ByRows
from etatrick.numerics.outputs.entropy_model import entropy_model
from etatrick.numerics.outputs.responses import CrossEntropy

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask
    from etatrick.numerics.outputs.standing import OutputsStanding

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

LARGEST = 3000  # unknowns; beyond, the Hessian is not formed and nothing is claimed


def outputs_locally_minimal(task: "OutputsTask", standing: "OutputsStanding", tol: float) -> bool:
    """Whether the point is stationary, its zeros are held strictly or up to rounding, and its Hessian is positive."""
    if standing.gap is not None and standing.gap <= tol * task.null[3]:
        return True
    if standing.kkt > tol * task.scale:
        return False
    W, K = standing.W, task.Y.shape[1]
    level = task.lam * task.arrangement.curve.start * (1 - 1e-9)
    free = (task.arrangement.sizes(W) > 0) | (task.arrangement.sizes(standing.pull) >= level)
    if isinstance(task.arrangement, ByRows):
        free = np.repeat(free[:, None], K, axis=1)
    rows = np.flatnonzero(free.any(axis=1))
    if not len(rows):
        return True
    classes, where = np.nonzero(free[rows].T)
    if len(where) > LARGEST:
        return False
    H = _data_hessian(task, standing.theta, rows, where, classes)
    H += _penalty_hessian(task, W[rows], where, classes)
    root = np.sqrt(np.maximum(H.diagonal(), 1e-300))
    return bool(np.linalg.eigvalsh(H / np.outer(root, root))[0] > 0)


def _data_hessian(
    task: "OutputsTask", theta: "Floats", rows: "Indices", where: "Indices", classes: "Indices"
) -> "Floats":
    columns = task.design.columns(rows) - task.mean[rows]
    if isinstance(task.response, CrossEntropy):
        balance = np.zeros(theta.shape[1]) if task.intercept else None
        return entropy_model(columns, task.response.means(theta), task.weights, where, classes, balance).H
    G = (columns * task.weights[:, None]).T @ columns
    return np.asarray(G[np.ix_(where, where)] * (classes[:, None] == classes), dtype=np.float64)


def _penalty_hessian(task: "OutputsTask", W: "Floats", where: "Indices", classes: "Indices") -> "Floats":
    curve, lam = task.arrangement.curve, task.lam
    if lam == 0:
        return np.zeros((len(where), len(where)))
    if not isinstance(task.arrangement, ByRows):
        return np.diag(lam * curve.bend(W[where, classes]))
    r = task.arrangement.sizes(W)
    on = r > 0
    bend, over = lam * curve.bend(r), np.zeros(r.shape)
    over[on] = lam * curve.slope(r[on]) / r[on]
    U = np.divide(W, r[:, None], out=np.zeros_like(W), where=on[:, None])
    same = where[:, None] == where
    radial = (bend - over)[where][:, None] * U[where, classes][:, None] * U[where, classes]
    diagonal = np.where(on, over, bend)[where]
    return np.asarray(np.where(same, radial, 0.0) + np.diag(diagonal), dtype=np.float64)
