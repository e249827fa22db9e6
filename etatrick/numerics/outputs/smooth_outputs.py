"""Several outputs with penalties without a kink at 0, and λ = 0: Newton's method on all weights."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.outputs.arrangement import ByRows
from etatrick.numerics.outputs.ledger import Ledger
from etatrick.numerics.outputs.smooth_systems import AtomHessian, smooth_step
from etatrick.numerics.outputs.standing import OutputsStanding, stand
from etatrick.numerics.solution import Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.outputs.outcome import OutputsFit
    from etatrick.numerics.outputs.posing import OutputsTask

    Floats = NDArray[np.float64]

PASSES = 300
HALVINGS = 50
BLURRED = 1e-12  # of the objective: differences that rounding may have made


def fit_smooth_outputs(task: "OutputsTask", W: "Floats", b: "Floats", tol: float) -> "OutputsFit":
    """Minimise by Newton steps with halving; where Ω″ is no majoriser, Ω′(r)/r takes its place, the η-trick's 1/η.

    Parameters
    ----------
    task : OutputsTask
        With Ω′(0+) = 0, or λ = 0.
    W, b : ndarray of shapes (d, K), (K,)
    tol : float
        Relative duality gap (at λ = 0 Newton's decrement), or relative violation of stationarity where the penalty is
        not convex.
    """
    ledger, ending = Ledger(task, tol), None
    standing = stand(task, W, b)
    for _ in range(PASSES):
        ending = ledger.record(standing)
        if ending is not None:
            break
        for penalty in _hessians(task, standing.W):
            moved = _step(task, standing, penalty)
            if moved is not None:
                standing = moved
                break
        else:
            ending = Status.STALLED
            break
    return ledger.fit(ending or Status.LIMIT)


def _hessians(task: "OutputsTask", W: "Floats") -> list[AtomHessian]:
    """Return the penalty's Hessian, and the majoriser Ω′(r)/r, each times λ."""
    none = np.zeros(len(W))
    if task.lam == 0:
        return [AtomHessian(np.zeros_like(W), none, np.zeros_like(W))]
    curve, r = task.arrangement.curve, task.arrangement.sizes(W)
    bend = task.lam * curve.bend(r)
    weight = np.divide(task.lam * curve.slope(r), r, out=np.full(r.shape, task.lam * curve.bend(np.zeros(1))[0]),
                       where=r > 1e-12)  # fmt: skip
    if not isinstance(task.arrangement, ByRows):
        mixed = [] if (bend >= 0).all() else [AtomHessian(np.where(bend >= 0, bend, weight), none, np.zeros_like(W))]
        return [AtomHessian(bend, none, np.zeros_like(W)), *mixed, AtomHessian(weight, none, np.zeros_like(W))]
    U = np.divide(W, r[:, None], out=np.zeros_like(W), where=r[:, None] > 0)
    c = np.repeat(weight[:, None], W.shape[1], axis=1)
    return [AtomHessian(c, weight - bend, U), AtomHessian(c, none, U)]


def _step(task: "OutputsTask", here: OutputsStanding, penalty: AtomHessian) -> OutputsStanding | None:
    """Return the point a Newton step away, halved until the objective falls; None if it never does."""
    force = here.pull - task.lam * task.arrangement.slopes(here.W) if task.lam > 0 else here.pull
    precision = float(np.clip(here.kkt / task.scale, 1e-9, 0.05))
    step = smooth_step(task, here.theta, penalty, force, precision)
    if step is None or not float(np.einsum("jk,jk", force, step)) > 0:
        return None
    slack, size = 4e-16 * (abs(here.objective) + float(task.weights.sum())), 1.0
    image = np.asarray(task.design.matrix @ step, dtype=np.float64)
    drift = -task.mean @ step
    for _ in range(HALVINGS):
        W, theta = here.W + size * step, here.theta + size * (image + drift)
        theta = theta + task.shift(theta)
        objective = task.objective(W, theta)
        if objective <= here.objective + slack:
            return stand(task, W, here.b + (theta - here.theta - size * image)[0])
        if size == 1 and objective <= here.objective + BLURRED * abs(here.objective):  # then stationarity decides
            there = stand(task, W, here.b + (theta - here.theta - image)[0])
            if there.kkt < 0.5 * here.kkt:
                return there
        size /= 2
    return None
