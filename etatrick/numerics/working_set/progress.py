"""The record of a descent: where it stands, its history, and when it has ended."""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.losses import Logistic
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import LOCAL, Standing, certificate

if TYPE_CHECKING:
    from etatrick.numerics.working_set.task import Task

PATIENCE = 6  # passes without progress before rounding is blamed
SLACK = 100.0  # a stalled point counts as stationary up to this times the tolerance
SHARP = 1e3  # a gap may be the square of the error in w: one more pass where the residual is this times the tolerance
LARGE = 36.0  # a log-odds beyond this rounds to certainty


@final
class Progress:
    """Objective and certificate pass by pass; the best point seen is kept.

    Parameters
    ----------
    task : Task
    tol : float
    """

    def __init__(self, task: "Task", tol: float) -> None:
        self.task, self.tol = task, tol
        self.history: list[float] = []
        self.best: Standing | None = None
        self.idle, self.met = 0, False

    def figure(self, standing: Standing) -> float:
        """Return the relative certificate of a point."""
        if standing.gap is None:
            return standing.kkt / self.task.scale
        return standing.gap / self.task.null[3]

    def record(self, standing: Standing) -> Status | None:
        """Take note of a point, and return how the descent ends there, None if it goes on."""
        self.history.append(min([standing.objective, *self.history[-1:]]))
        known = self.best
        better = known is None or self._better(standing, known)
        gained = known is None or self.figure(standing) < 0.5 * self.figure(known)
        descended = known is None or standing.objective < known.objective - 1e-13 * abs(known.objective)
        self.idle = 0 if gained or descended else self.idle + 1
        if better:
            self.best = standing
        if self.figure(standing) <= self.tol:
            if standing.gap is None:
                return Status.STATIONARY
            if self.met or standing.kkt <= SHARP * self.tol * self.task.scale:
                return Status.OPTIMAL
            self.met = True
        if separated(self.task, standing):
            return Status.DIVERGING
        return Status.STALLED if self.idle >= PATIENCE else None

    def _better(self, standing: Standing, known: Standing) -> bool:
        rounding = 1e-14 * max(abs(known.objective), self.task.null[3])
        if abs(standing.objective - known.objective) <= rounding:
            if standing.gap is not None and max(self.figure(standing), self.figure(known)) <= self.tol:
                return standing.kkt <= known.kkt
            return self.figure(standing) <= self.figure(known)
        return standing.objective < known.objective

    def fit(self, ending: Status) -> Solution:
        """Return the best point as a solution; a point that came to meet the tolerance has converged after all."""
        if self.best is None:
            raise ValueError("nothing was recorded")
        return solution_at(self.task, self.best, ending, tuple(self.history), self.tol)


def solution_at(
    task: "Task", standing: Standing, ending: Status, history: tuple[float, ...], tol: float, slack: float = SLACK
) -> Solution:
    """Return a point as a solution: converged where its certificate meets the tolerance, else ended as it is said.

    Parameters
    ----------
    task : Task
    standing : Standing
    ending : Status
        How the descent ended, which says nothing about the point.
    history : tuple of float
        The objective after each step.
    tol : float
    slack : float
        Times the tolerance, up to which the residual counts that rounding leaves where the penalty is not convex.
    """
    proof = certificate(task, standing, max(SLACK * tol, LOCAL))
    if ending is not Status.DIVERGING:
        if proof.relative_gap is not None and proof.relative_gap <= tol:
            ending = Status.OPTIMAL
        elif proof.relative_kkt <= (slack if proof.gap is None else 1.0) * tol:
            ending = Status.STATIONARY  # a gap may be loose where λ nears the rounding of the gradient
    return Solution(standing.w, standing.b, standing.objective, proof, ending, len(history), history)


def separated(task: "Task", standing: Standing) -> bool:
    """Whether the point proves, or all but proves, that an unpenalised logistic model has no finite minimum."""
    if task.lam > 0 or not isinstance(task.loss, Logistic):
        return False
    margins = (2 * task.y - 1) * (standing.theta - task.offset)
    crisp = (task.y == 0) | (task.y == 1)
    counted = task.weights > 0
    apart = bool((crisp[counted] & (margins[counted] > 0)).all())
    return apart or float(np.abs(standing.theta).max()) > LARGE
