"""Quadratic models of the objective at a point: building them, keeping them while they stay good, and their steps."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.working_set.factors import positive_solve
from etatrick.numerics.working_set.quadratic import sparse_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.local import Local

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

CLOSE = 0.02  # relative change of the curvatures up to which a model may be kept
DEAR = 2e7  # multiplications from which on keeping a model is worth more steps
FARTHER = 1.05  # times what a model promised: descents from there on call for a longer step
DOUBLINGS = 4
WORTH = 1e-3  # of the objective: smaller promises do not


@final
@dataclass(frozen=True, eq=False)
class Model:
    """XᵀDX of the chosen columns, centred by D where there is an intercept, their means and ΣD."""

    chosen: "Indices"
    D: "Floats"
    H: "Floats"
    mean: "Floats"
    total: float

    @classmethod
    def of(cls, local: "Local", chosen: "Indices", damping: float) -> "Model":
        """Return the model at a point."""
        D = local.curvature(damping)
        part = local.columns if len(chosen) == local.columns.shape[1] else local.columns.T[chosen].T
        root, total = np.sqrt(D), float(D.sum())
        if local.task.intercept:
            mean = (D @ part) / total
            scaled = (part - mean) * root[:, None]
        else:
            mean = np.zeros(len(chosen))
            scaled = part * root[:, None]
        return cls(chosen, D, scaled.T @ scaled, mean, total)

    def on(self, local: "Local", chosen: "Indices", damping: float) -> "Model":
        """Return a model on other columns: this one where it covers them and is good there, else a new one."""
        if len(local.theta) * len(chosen) ** 2 < DEAR or len(chosen) > len(self.chosen):
            return Model.of(local, chosen, damping)
        where = np.searchsorted(self.chosen, chosen)
        where[where == len(self.chosen)] = 0
        D = local.curvature(damping)
        if (self.chosen[where] != chosen).any() or float(np.abs(D - self.D).sum()) > CLOSE * float(self.D.sum()):
            return Model.of(local, chosen, damping)
        return Model(chosen, self.D, self.H[where[:, None], where], self.mean[where], self.total)


def model_step(local: "Local", model: Model, pull: "Floats", balance: float, goal: float) -> "tuple[Local, float]":
    """Minimise the weighted-lasso model; go there as far as the objective falls, and say which part of the way.

    Parameters
    ----------
    local : Local
    model : Model
        On columns that include the support.
    pull, balance : ndarray, float
        Minus the gradient of the data term.
    goal : float
        Violation to accept in the model.
    """
    task, chosen = local.task, model.chosen
    w = local.w[chosen]
    size, signs = np.abs(w), np.sign(w)
    H, hold, force = model.H, task.lam * task.curve.slope(size), pull[chosen]
    if task.curve.convex:
        slope, hold = hold, np.full(len(chosen), task.lam * task.curve.start)
        force = force - (slope - hold) * signs
        bend = task.lam * np.maximum(task.curve.bend(size), 0.0)
        if bend.any():
            H = H.copy()
            H.flat[:: len(chosen) + 1] += bend
    centred = force - model.mean * balance if task.intercept else force
    step = _on_support(H, centred - hold * signs, w) if size.all() else None
    if step is None:
        z = sparse_quadratic(H, H @ w + centred, hold, w, goal)
        step, gain = z - w, float(hold @ (np.abs(z) - size))
    else:
        gain = float((hold * signs) @ step)
    dw = np.zeros_like(local.w)
    dw[chosen] = step
    db = balance / model.total - float(model.mean @ step) if task.intercept else 0.0
    rate = min(gain - float(force @ step) - balance * db, 0.0)
    there, length = local.search(dw, db, rate)
    if length == 1.0 and -rate > WORTH * abs(local.objective):
        promise = -rate - 0.5 * float(step @ (H @ step))
        if local.objective - there.objective > FARTHER * promise:
            there = _farther(there, dw, db)
    return there, length


def _on_support(H: "Floats", force: "Floats", w: "Floats") -> "Floats | None":
    """Return Newton's step on the support, None where a sign would change or the matrix is singular."""
    step = positive_solve(H.copy(), force)
    return None if step is None or bool(((w + step) * w <= 0).any()) else step


def _farther(there: "Local", dw: "Floats", db: float) -> "Local":
    """Return the best of a point and some twice as far each, without the weights that are 0 or would change sign."""
    for _ in range(DOUBLINGS):
        dw = np.where((there.w != 0) & ((there.w + dw) * there.w > 0), dw, 0.0)
        beyond = there.moved(dw, db, 1.0)
        if not beyond.objective < there.objective:
            break
        there, dw, db = beyond, 2 * dw, 2 * db
    return there
