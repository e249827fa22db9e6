"""The record of a descent: where it stands, its history, and when it has ended."""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.losses import Logistic
from etatrick.numerics.working_set.certify import Standing, locally_minimal
from etatrick.numerics.working_set.result import Ending, Fit

if TYPE_CHECKING:
    from etatrick.numerics.working_set.task import Task

PATIENCE = 6  # passes without progress before rounding is blamed
SLACK = 100.0  # a stalled point counts as stationary up to this times the tolerance
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
        self.idle = 0

    def figure(self, standing: Standing) -> float:
        """Return the relative certificate of a point."""
        if standing.gap is None:
            return standing.kkt / self.task.scale
        return standing.gap / self.task.null[3]

    def record(self, standing: Standing) -> Ending | None:
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
            return Ending.STATIONARY if standing.gap is None else Ending.OPTIMAL
        if separated(self.task, standing):
            return Ending.DIVERGING
        return Ending.STALLED if self.idle >= PATIENCE else None

    def _better(self, standing: Standing, known: Standing) -> bool:
        rounding = 1e-14 * max(abs(known.objective), self.task.null[3])
        if abs(standing.objective - known.objective) <= rounding:
            return self.figure(standing) <= self.figure(known)
        return standing.objective < known.objective

    def fit(self, ending: Ending) -> Fit:
        """Return the best point as a result."""
        task, best = self.task, self.best
        if best is None:
            raise ValueError("nothing was recorded")
        figure = self.figure(best)
        if ending in (Ending.STALLED, Ending.LIMIT) and figure <= (SLACK if best.gap is None else 1.0) * self.tol:
            ending = Ending.STATIONARY if best.gap is None else Ending.OPTIMAL
        minimal = locally_minimal(task, best, max(SLACK * self.tol, 1e-9))
        relative = None if best.gap is None else best.gap / task.null[3]
        return Fit(best.w, best.b, best.objective, best.gap, relative, best.kkt, best.kkt / task.scale, minimal,
                   len(self.history), tuple(self.history), ending)  # fmt: skip


def separated(task: "Task", standing: Standing) -> bool:
    """Whether the point proves, or all but proves, that an unpenalised logistic model has no finite minimum."""
    if task.lam > 0 or not isinstance(task.loss, Logistic):
        return False
    margins = (2 * task.y - 1) * (standing.theta - task.offset)
    crisp = (task.y == 0) | (task.y == 1)
    counted = task.weights > 0
    apart = bool((crisp[counted] & (margins[counted] > 0)).all())
    return apart or float(np.abs(standing.theta).max()) > LARGE
