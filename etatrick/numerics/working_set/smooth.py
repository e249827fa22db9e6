"""Penalties without a kink at 0, and λ = 0: Newton's method on all coordinates, in n dimensions where d > n."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.certify import Standing, stand
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.result import Ending, Fit
from etatrick.numerics.working_set.systems import newton_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

PASSES = 300
HALVINGS = 50


def fit_smooth(task: "Task", w: "Floats", b: float, tol: float) -> Fit:
    """Minimise by Newton steps with halving; where Ω″ is no majoriser, the diagonal is Ω′(|w|)/|w|, the η-trick's 1/η.

    Parameters
    ----------
    task : Task
        With Ω′(0+) = 0, or λ = 0.
    w, b : ndarray of shape (d,), float
    tol : float
        Relative duality gap, or relative violation of stationarity where the penalty is not convex.
    """
    progress, ending = Progress(task, tol), None
    standing = stand(task, w, b)
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        for diagonal in _diagonals(task, standing.w):
            moved = _step(task, standing, diagonal)
            if moved is not None:
                standing = moved
                break
        else:
            ending = Ending.STALLED
            break
    return progress.fit(ending or Ending.LIMIT)


def _diagonals(task: "Task", w: "Floats") -> "list[Floats]":
    """Return Ω″, the same with Ω′(|w|)/|w| where it is negative, and Ω′(|w|)/|w|, each times λ."""
    if task.lam == 0:
        return [np.zeros_like(w)]
    bend = task.lam * task.curve.bend(w)
    size = np.maximum(np.abs(w), 1e-12)
    weight = task.lam * np.where(w != 0, task.curve.slope(w) / size, task.curve.bend(np.zeros(1))[0])
    mixed = [] if (bend >= 0).all() else [np.where(bend >= 0, bend, weight)]
    return [bend, *mixed, weight]


def _step(task: "Task", here: Standing, diagonal: "Floats") -> "Standing | None":
    """Return the point a Newton step away, halved until the objective falls; None if it never does."""
    D = task.curvature(here.theta)
    slope = task.lam * task.curve.slope(here.w) * np.sign(here.w) if task.lam > 0 else np.zeros_like(here.w)
    force = here.pull - slope
    balance = float(task.residual(here.theta).sum()) if task.intercept else 0.0
    step = newton_step(task, D, diagonal, force, balance)
    if step is None:
        return None
    dw, db = step
    if float(force @ dw) + balance * db < 0:
        return None
    slack, size = 4e-16 * (abs(here.objective) + float(task.weights.sum())), 1.0
    for _ in range(HALVINGS):
        w, b = here.w + size * dw, here.b + size * db
        theta = task.predictor(w, b)
        if task.data_term(theta) + task.charge(w) <= here.objective + slack:
            return stand(task, w, b, theta)
        size /= 2
    return None
