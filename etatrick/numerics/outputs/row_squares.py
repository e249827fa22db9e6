"""Squared errors with a penalty on rows, the multi-task lasso and its kin: one Gram matrix for all outputs."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.growth import PASSES, worst_violators
from etatrick.numerics.outputs.kept_columns import KeptColumns
from etatrick.numerics.outputs.ledger import Ledger
from etatrick.numerics.outputs.radial import Scaled
from etatrick.numerics.outputs.row_model import minimise_rows
from etatrick.numerics.outputs.standing import OutputsStanding, stand
from etatrick.numerics.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.outcome import OutputsFit
    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

ROUNDING = 2e-15
SMALL = 100  # columns that may all join at once


def fit_row_squares(task: "OutputsTask", W: "Floats", tol: float, cache: KeptColumns | None = None) -> "OutputsFit":
    """Minimise with squared errors and Ω of the lengths of rows, Ω′(0+) > 0, from W.

    Each pass over X finds the rows that violate stationarity, the worst of which join the working set; the problem on
    the set is solved in terms of its Gram matrix, no more exactly than the violations outside call for.

    Parameters
    ----------
    task : OutputsTask
        With SquaredErrors, ByRows and λ > 0. Where Ω′(0+) = ∞ the rows of W that are 0 stay 0.
    W : ndarray, shape (d, K)
    tol : float
        Relative duality gap, or relative violation of stationarity where the penalty is not convex.
    cache : KeptColumns, optional
        From an earlier fit of the same data.
    """
    gram = KeptColumns(task) if cache is None else cache
    radial, W = Scaled(task.arrangement.curve, task.lam), W.copy()
    ledger, ending = Ledger(task, tol), None
    standing = _standing(task, gram, W)
    tried, small = False, task.design.shape[1] <= SMALL
    for _ in range(PASSES):
        ending = ledger.record(standing)
        if ending is not None:
            break
        used = W.any(axis=1)
        outside = np.where(gram.position < 0, standing.violations, 0.0)
        chosen = np.flatnonzero(outside > 0) if small else worst_violators(outside, int(used.sum()))
        floor = ROUNDING * task.scale
        goal = floor if small or (tried and len(chosen) == 0) else max(floor, 0.1 * float(outside.max()))
        tried = len(chosen) == 0
        inner = np.union1d(np.flatnonzero(used | (standing.violations > 0) & (gram.position >= 0)), chosen)
        H = gram.hessian(inner)
        W[inner] = minimise_rows(H, standing.pull[inner] + H.times(W[inner]), radial, W[inner], goal)
        standing = _standing(task, gram, W)
    return ledger.fit(ending or Status.LIMIT)


def _standing(task: "OutputsTask", gram: KeptColumns, W: "Floats") -> OutputsStanding:
    """Return where W stands, with the predictor from the kept columns, which are centred."""
    used = np.flatnonzero(W.any(axis=1))
    theta = task.offset + task.null[0] + gram.product(used, W[used])
    return stand(task, W.copy(), task.null[0] - task.mean @ W, theta)
