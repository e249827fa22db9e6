"""Penalties without a kink at 0, and λ = 0: Newton's method on all coordinates, in n dimensions where d > n."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import Standing, stand
from etatrick.numerics.working_set.local import SHORT, damped, damping_after, first_damping
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.systems import newton_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

PASSES = 300
HALVINGS = 50


def fit_smooth(task: "Task", w: "Floats", b: float, tol: float) -> Solution:
    """Minimise by Newton steps with halving; where Ω″ is no majoriser, the diagonal is Ω′(|w|)/|w|, the η-trick's 1/η.

    Parameters
    ----------
    task : Task
        With Ω′(0+) = 0, or λ = 0.
    w, b : ndarray of shape (d,), float
    tol : float
        Relative duality gap, or relative violation of stationarity where the penalty is not convex.
    """
    progress, ending, damping = Progress(task, tol), None, first_damping(task.loss)
    standing = stand(task, w, b)
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        best: Standing | None = None
        longest = 0.0
        for diagonal in _diagonals(task, standing.w, damping):
            moved, size = _step(task, standing, diagonal, damping)
            if moved is not None and (best is None or moved.objective < best.objective):
                best, longest = moved, size
            if longest >= SHORT:
                break
        if best is None and damping >= 1.0:
            ending = Status.STALLED
            break
        standing, damping = best or standing, damping_after(damping, longest)
    return progress.fit(ending or Status.LIMIT)


def _diagonals(task: "Task", w: "Floats", damping: float) -> "list[Floats]":
    """Return Ω″, with a share of Ω′(|w|)/|w| and with all of it where Ω″ < 0, and Ω′(|w|)/|w|, each times λ."""
    if task.lam == 0:
        return [np.zeros_like(w)]
    bend = task.lam * task.curve.bend(w)
    size = np.maximum(np.abs(w), 1e-12)
    weight = task.lam * np.where(w != 0, task.curve.slope(w) / size, task.curve.bend(np.zeros(1))[0])
    mixed = [] if (bend >= 0).all() else [np.where(bend >= 0, bend, weight)]
    return [bend + damping * np.maximum(weight - bend, 0.0), *mixed, weight]


def _step(task: "Task", here: Standing, diagonal: "Floats", damping: float) -> "tuple[Standing | None, float]":
    """Return the point a Newton step away, halved until the objective falls, and its size; None if it never does."""
    D = damped(task, task.weights * task.loss.curvature(task.y, here.theta), damping)
    slope = task.lam * task.curve.slope(here.w) * np.sign(here.w) if task.lam > 0 else np.zeros_like(here.w)
    force = here.pull - slope
    balance = float(task.residual(here.theta).sum()) if task.intercept else 0.0
    step = newton_step(task, D, diagonal, force, balance)
    if step is None:
        return None, 0.0
    dw, db = step
    if float(force @ dw) + balance * db < 0:
        return None, 0.0
    slack, size = 4e-16 * (abs(here.objective) + float(task.weights.sum())), 1.0
    for _ in range(HALVINGS):
        w, b = here.w + size * dw, here.b + size * db
        theta = task.predictor(w, b)
        if task.data_term(theta) + task.charge(w) <= here.objective + slack:
            return stand(task, w, b, theta), size
        size /= 2
    return None, 0.0
