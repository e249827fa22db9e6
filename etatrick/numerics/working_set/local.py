"""A point of a task restricted to some columns, with all that the loss gives there, and steps from it."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.losses import Huber, Loss
from etatrick.numerics.working_set.expansion import expand

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

HALVINGS = 30
DAMPED, UNDAMPED = 1e-3, 1e-12  # first and least share of the largest curvature in a model
SHORT = 0.25  # steps shorter than this call for more damping
LEAST = 1e-14  # of the weights: what every curvature is kept above


@final
@dataclass(frozen=True, eq=False)
class Local:
    """A point (w, b) of the task on some columns, with its predictor and objective; −vℓ′ and vℓ″ are residual and bend.

    Examples
    --------
    >>> from etatrick.numerics.working_set.task import pose_task
    >>> from etatrick.theory import penalties
    >>> task = pose_task(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), 1.0, "squared", False, None, None)
    >>> here = Local.at(task, np.eye(2), np.zeros(2), 0.0, np.zeros(2))
    >>> here.objective, here.moved(np.array([2.0, 0.0]), 0.0, 1.0).objective
    (5.0, 3.0)
    """

    task: "Task"
    columns: "Floats"
    w: "Floats"
    b: float
    theta: "Floats"
    objective: float
    residual: "Floats"
    bend: "Floats"

    @classmethod
    def at(cls, task: "Task", columns: "Floats", w: "Floats", b: float, theta: "Floats") -> "Local":
        """Return the point with what the loss gives there."""
        value, slope, bend = expand(task.loss, task.y, theta)
        with np.errstate(over="ignore", invalid="ignore"):
            total = float(task.weights @ value)
            residual, bend = -task.weights * slope, task.weights * bend
        objective = total + task.charge(w) if np.isfinite(total) else np.inf
        return cls(task, columns, w, b, theta, objective, residual, bend)

    @property
    def slack(self) -> float:
        """What the objective may seem to rise by rounding."""
        return 4e-16 * (abs(self.objective) + float(self.task.weights.sum()))

    def pull(self) -> "tuple[Floats, float]":
        """Return minus the gradient of the data term in w and in b (0 without an intercept)."""
        return self.residual @ self.columns, float(self.residual.sum()) if self.task.intercept else 0.0

    def curvature(self, damping: float) -> "Floats":
        """Return vℓ″ with a share of what bounds it (see :func:`damped`)."""
        return damped(self.task, self.bend, damping)

    def change(self, dw: "Floats", db: float) -> "Floats":
        """Return what a step changes in the predictor."""
        moving = dw.nonzero()[0]
        if 2 * len(moving) > len(dw):
            return np.asarray(self.columns @ dw + db, dtype=np.float64)
        return np.asarray(dw[moving] @ self.columns.T[moving] + db, dtype=np.float64)

    def moved(self, dw: "Floats", db: float, size: float) -> "Local":
        """Return the point a multiple of a step away."""
        return self._stepped(dw, db, self.change(dw, db), size)

    def _stepped(self, dw: "Floats", db: float, change: "Floats", size: float) -> "Local":
        theta = self.theta + size * change
        return Local.at(self.task, self.columns, self.w + size * dw, self.b + size * db, theta)

    def search(self, dw: "Floats", db: float, rate: float) -> "tuple[Local, float]":
        """Return the first of the halved steps that descends enough and its size; the point itself and 0 if none does.

        Parameters
        ----------
        dw, db : ndarray of shape (m,), float
        rate : float
            What the model promises to first order, ≤ 0.
        """
        change, size, slack = self.change(dw, db), 1.0, self.slack
        for _ in range(HALVINGS):
            there = self._stepped(dw, db, change, size)
            if there.objective <= self.objective + 1e-4 * size * rate + slack:
                return there, size
            size /= 2
        return self, 0.0


def damped(task: "Task", bend: "Floats", damping: float) -> "Floats":
    """Return curvatures kept off 0, plus a share of what their upper bound leaves where there is one, else of the mean.

    With damping 1 and a bounded ℓ″ the model majorises the objective, so that its minimum descends.
    """
    bound = task.loss.curvature_bound
    if np.isfinite(bound):
        return bend + max(damping, LEAST) * (bound * task.weights - bend)
    return np.asarray((1 + damping) * bend + (damping * float(bend.mean()) + LEAST) * task.weights, dtype=np.float64)


def first_damping(loss: Loss) -> float:
    """Return the damping to start with: some where ℓ″ may be 0 on one side of a point and not on the other."""
    return DAMPED if isinstance(loss, Huber) else 0.0


def damping_after(damping: float, size: float) -> float:
    """Return more damping after a short step, less after a full one."""
    if size < SHORT:
        return min(max(10 * damping, DAMPED), 1.0)
    return damping if size < 1.0 else 0.1 * damping if damping > UNDAMPED else 0.0
