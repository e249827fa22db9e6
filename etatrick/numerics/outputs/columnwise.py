"""Squared errors with a penalty on entries: one model per output, with what is known of X shared."""

from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.losses import Squared
from etatrick.numerics.outputs.ledger import concluded
from etatrick.numerics.outputs.standing import stand
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.design import Design
from etatrick.numerics.working_set.fitting import solve_task
from etatrick.numerics.working_set.gram_path import fit_gram_path
from etatrick.numerics.working_set.task import Task

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.outcome import OutputsFit
    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

LARGEST_GRAM = 6000
WORST_FIRST = (Status.DIVERGING, Status.LIMIT, Status.STALLED, Status.STATIONARY, Status.OPTIMAL)


@final
@dataclass(frozen=True, eq=False)
class GramKept(Design):
    """A design that forms its Gram matrix once for all outputs."""

    base: Design
    kept: "list[Floats]" = field(default_factory=list)

    def correlate(self, u: "Floats") -> "Floats":
        """Return Xᵀu."""
        return self.base.correlate(u)

    def columns(self, chosen: "NDArray[np.intp]") -> "Floats":
        """Return the chosen columns."""
        return self.base.columns(chosen)

    def gram(self, weights: "Floats", mean: "Floats") -> "Floats":
        """Return the Gram matrix, of the weights and means it was first asked for."""
        if not self.kept:
            self.kept.append(self.base.gram(weights, mean))
        return self.kept[0]

    def outer(self, scales: "Floats") -> "Floats":
        """Return X diag(s) Xᵀ."""
        return self.base.outer(scales)

    def squares(self, weights: "Floats") -> "Floats":
        """Return the weighted squared norms of the columns."""
        return self.base.squares(weights)


def single_tasks(task: "OutputsTask", design: Design | None = None) -> list[Task]:
    """Return the task of every output."""
    return [
        Task(design or task.design, np.ascontiguousarray(task.Y[:, k]), task.weights,
             np.ascontiguousarray(task.offset[:, k]), Squared(), task.arrangement.curve, task.lam, task.intercept)
        for k in range(task.Y.shape[1])
    ]  # fmt: skip


def fit_columns(task: "OutputsTask", W: "Floats", tol: float) -> "OutputsFit":
    """Fit every output by itself and join the results; the certificate is taken anew on all of them."""
    fits = [solve_task(one, W[:, k], tol) for k, one in enumerate(single_tasks(task))]
    return _joined(task, fits, tol)


def fit_columns_along(task: "OutputsTask", grid: "Floats", tol: float) -> "tuple[OutputsFit, ...]":
    """Fit every output along decreasing λ, each from its last solution."""
    n, d = task.design.shape
    curve = task.arrangement.curve
    if isinstance(curve, Affine) and curve.start > 0 and (grid > 0).all() and d <= min(n, LARGEST_GRAM):
        kept = GramKept(task.design.matrix, task.design)
        along: list[Any] = [fit_gram_path(one, grid, tol) for one in single_tasks(task, kept)]
    else:
        along = []
        for one in single_tasks(task):
            fits: list[Solution] = []
            for lam in grid:
                fits.append(solve_task(one.at(float(lam)), fits[-1].coef if fits else np.zeros(d), tol))
            along.append(fits)
    return tuple(_joined(task.at(float(lam)), [fits[i] for fits in along], tol) for i, lam in enumerate(grid))


def _joined(task: "OutputsTask", fits: list[Solution], tol: float) -> "OutputsFit":
    W = np.column_stack([fit.coef for fit in fits])
    standing = stand(task, W, np.array([fit.intercept for fit in fits]))
    if task.lam == 0:
        standing = replace(standing, gap=sum(fit.gap or 0.0 for fit in fits))
    passes = max(len(fit.history) for fit in fits)
    padded = [fit.history + fit.history[-1:] * (passes - len(fit.history)) for fit in fits]
    history = tuple(float(total) for total in np.sum(padded, axis=0))
    ending = min((fit.status for fit in fits), key=WORST_FIRST.index)
    return concluded(task, standing, ending, tol, sum(fit.iterations for fit in fits), history)
