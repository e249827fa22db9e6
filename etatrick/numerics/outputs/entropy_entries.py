"""Model steps for the cross-entropy with a penalty on entries: weighted lassos, and Newton steps on the support."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.entropy_model import entropy_model
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.factors import positive_solve
from etatrick.numerics.working_set.quadratic import sparse_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.entropy_local import LocalOutputs
    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]
    Marks = NDArray[np.bool_]

POLISHES = 8


def flat_within_rows(task: "OutputsTask") -> bool:
    """Whether ΣΩ along a row shifted by a constant has its minimum where an entry is 0: Ω is |w|, or concave.

    The loss does not change under such shifts, so that some entry of every row is 0 at a minimum.
    """
    curve = task.arrangement.curve
    return not curve.convex or (isinstance(curve, Affine) and curve.rate == 0)


def shifted_rows(task: "OutputsTask", W: "Floats") -> "Floats":
    """Return W with every row moved by the constant that charges least: one of its entries becomes 0."""
    rows = np.flatnonzero((W != 0).sum(axis=1) > 1)
    if not len(rows):
        return W
    part = W[rows]
    moves = part[:, None, :] - part[:, :, None]  # row, the entry that becomes 0, class
    K = W.shape[1]
    moves[:, np.arange(K), np.arange(K)] = 0.0
    value = task.arrangement.curve.value
    charges = value(moves).sum(axis=2)
    now = value(part).sum(axis=1)
    full = (part != 0).all(axis=1)
    best = charges.argmin(axis=1)
    least = np.take_along_axis(charges, best[:, None], axis=1)[:, 0]
    better = np.flatnonzero((least < now * (1 - 1e-12)) | (full & (least <= now * (1 + 1e-14))))
    moved = W.copy()
    moved[rows[better]] = moves[better, best[better]]
    return moved


def members_of(task: "OutputsTask", W: "Floats", excess: "Floats") -> "Marks":
    """Return the entries to be moved, (m, K): what is not 0 or violates, less one zero of every row that is full."""
    marked: Marks = (W != 0) | (excess > 0)
    if flat_within_rows(task):
        full = np.flatnonzero(marked.all(axis=1) & (W == 0).any(axis=1))
        least = np.where(W[full] == 0, excess[full], np.inf).argmin(axis=1)
        marked[full, least] = False
    return marked


def entries_step(local: "LocalOutputs", excess: "Floats", goal: float) -> "LocalOutputs":
    """Minimise the weighted-lasso model over the entries, and go there as far as the objective falls."""
    task, curve = local.task, local.task.arrangement.curve
    marked = members_of(task, local.W, excess)
    classes, rows = np.nonzero(marked.T)
    pull, balance = local.pull()
    model = entropy_model(local.columns, task.response.means(local.theta), task.weights, rows, classes, balance)
    w, H = local.W[rows, classes], model.H.copy()
    slope = task.lam * curve.slope(w)
    if curve.convex:
        hold = np.full(len(w), task.lam * curve.start)
        H.flat[:: len(w) + 1] += task.lam * np.maximum(curve.bend(w), 0.0)
        rest = (slope - hold) * np.sign(w)
    else:
        hold, rest = slope, np.zeros(len(w))
    gradient = model.coupling - pull[rows, classes] + rest
    z = sparse_quadratic(H.copy(), H @ w - gradient, hold, w, goal)
    db = model.intercepts(z - w)
    rate = float((rest - pull[rows, classes]) @ (z - w) + hold @ (np.abs(z) - np.abs(w)))
    dW = np.zeros_like(local.W)
    dW[rows, classes] = z - w
    there = local.searched(dW, db, rate - (float(balance @ db) if balance is not None else 0.0))
    if there is None:
        return local
    return there if curve.convex else _polished(there)


def _polished(local: "LocalOutputs") -> "LocalOutputs":
    """Take Newton steps with the penalty's own bend on the support, as long as the signs stay and they descend."""
    task, curve = local.task, local.task.arrangement.curve
    least = np.inf
    for _ in range(POLISHES):
        classes, rows = np.nonzero(local.W.T)
        if not len(rows):
            break
        w = local.W[rows, classes]
        pull, balance = local.pull()
        force = pull[rows, classes] - task.lam * curve.slope(w) * np.sign(w)
        size = max(float(np.abs(force).max()), 0.0 if balance is None else float(np.abs(balance).max()))
        if size <= 1e-16 * task.scale or size >= least:
            break
        least = size
        model = entropy_model(local.columns, task.response.means(local.theta), task.weights, rows, classes, balance)
        H = model.H
        H.flat[:: len(w) + 1] += task.lam * curve.bend(w)
        step = positive_solve(H, force - model.coupling)
        if step is None or ((w + step) * w <= 0).any():
            break
        dW = np.zeros_like(local.W)
        dW[rows, classes] = step
        there = local.searched(dW, model.intercepts(step), 0.0, halvings=1)
        if there is None:
            break
        local = there
    return local
