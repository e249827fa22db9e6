"""The cross-entropy on the columns of a working set: a point, moves along a step, and the line search."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

HALVINGS = 40


@final
@dataclass(frozen=True, eq=False)
class LocalOutputs:
    """The task restricted to some columns of X, and a point of it.

    Parameters
    ----------
    task : OutputsTask
    columns : ndarray, shape (n, m)
        Centred where there are intercepts, so that b here is the intercept of the centred model.
    W : ndarray, shape (m, K)
    b : ndarray, shape (K,)
    theta : ndarray, shape (n, K)
    objective : float
    """

    task: "OutputsTask"
    columns: "Floats"
    W: "Floats"
    b: "Floats"
    theta: "Floats"
    objective: float

    def pull(self) -> "tuple[Floats, Floats | None]":
        """Return minus the gradient of the data term in W and in b (None without an intercept)."""
        residual = self.task.residual(self.theta)
        return self.columns.T @ residual, residual.sum(axis=0) if self.task.intercept else None

    def moved(self, dW: "Floats", db: "Floats", size: float) -> "LocalOutputs":
        """Return the point a multiple of a step away."""
        used = np.flatnonzero(dW.any(axis=1))
        theta = self.theta + size * (self.columns[:, used] @ dW[used] + db)
        W = self.W + size * dW
        return LocalOutputs(self.task, self.columns, W, self.b + size * db, theta, self.task.objective(W, theta))

    def searched(self, dW: "Floats", db: "Floats", rate: float, halvings: int = HALVINGS) -> "LocalOutputs | None":
        """Return the first of the halved steps that descends as a model promises, None if none does."""
        slack = 4e-16 * (abs(self.objective) + float(self.task.weights.sum()))
        size = 1.0
        for _ in range(halvings):
            there = self.moved(dW, db, size)
            if there.objective <= self.objective + 1e-4 * size * min(rate, 0.0) + slack:
                return there
            size /= 2
        return None
