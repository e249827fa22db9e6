"""The multinomial model with a penalty that has a kink at 0: quadratic models on a working set of entries or rows."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.arrangement import ByRows
from etatrick.numerics.outputs.entropy_entries import entries_step, flat_within_rows, shifted_rows
from etatrick.numerics.outputs.entropy_local import LocalOutputs
from etatrick.numerics.outputs.entropy_rows import rows_step
from etatrick.numerics.outputs.growth import PASSES, worst_violators
from etatrick.numerics.outputs.ledger import Ledger
from etatrick.numerics.outputs.standing import OutputsStanding, stand
from etatrick.numerics.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.outcome import OutputsFit
    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

MODELS = 12  # quadratic models on one working set
ROUNDING = 4e-15


def fit_entropy(task: "OutputsTask", W: "Floats", b: "Floats", tol: float) -> "OutputsFit":
    """Minimise the cross-entropy from (W, b): to the global minimum for a convex penalty, else to a stationary point.

    Parameters
    ----------
    task : OutputsTask
        With CrossEntropy, Ω′(0+) > 0 and λ > 0. Where Ω′(0+) = ∞ the atoms of W that are 0 stay 0.
    W, b : ndarray of shapes (d, K), (K,)
    tol : float
        Relative duality gap, or relative violation of stationarity where the penalty is not convex.
    """
    ledger, ending = Ledger(task, tol), None
    standing = stand(task, W, b)
    for _ in range(PASSES):
        ending = ledger.record(standing)
        if ending is not None:
            break
        members = _columns(task, standing)
        mean, W = task.mean[members], standing.W[members]
        local = LocalOutputs(task, task.design.columns(members) - mean, W, standing.b + mean @ W, standing.theta,
                             standing.objective)  # fmt: skip
        local = _descend(local, max(0.05 * standing.kkt, 0.1 * tol * task.scale))
        W = np.zeros_like(standing.W)
        W[members] = local.W
        b = local.b - mean @ local.W
        theta = local.theta
        if not isinstance(task.arrangement, ByRows) and flat_within_rows(task):
            W, before = shifted_rows(task, W), W
            theta = theta if W is before else task.predictor(W, b)
        standing = stand(task, W, b, theta)
    return ledger.fit(ending or Status.LIMIT)


def _columns(task: "OutputsTask", standing: OutputsStanding) -> "Indices":
    """Return the columns of the support and of the worst violators outside."""
    used = standing.W.any(axis=1)
    worst = standing.violations if isinstance(task.arrangement, ByRows) else standing.violations.max(axis=1)
    wanted = worst_violators(np.where(used, 0.0, worst), int(used.sum()))
    return np.union1d(np.flatnonzero(used), wanted)


def _descend(local: LocalOutputs, goal: float) -> LocalOutputs:
    """Take model steps on the columns given, until stationary to `goal`."""
    task = local.task
    step = rows_step if isinstance(task.arrangement, ByRows) else entries_step
    for _ in range(MODELS):
        pull, balance = local.pull()
        excess = task.arrangement.violations(local.W, pull, task.lam)
        away = 0.0 if balance is None else float(np.abs(balance).max())
        if max(float(excess.max(initial=0.0)), away) <= goal:
            break
        before = local
        local = step(local, excess, max(0.05 * goal, ROUNDING * task.scale))
        if local is before:
            break
    return local
