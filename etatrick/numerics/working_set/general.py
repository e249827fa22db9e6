"""Any loss with any penalty that has a kink at 0: quadratic models on a working set, Newton steps on the support.

A convex penalty is split into Ω′(0+)|w| and a smooth rest; a concave one is majorised by its tangents in |w| (Zou & Li
2008, Ann. Statist. 36, 1509–1533), so that every model is a weighted lasso, and steps on the support use its own bend.
"""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import Standing, stand, violation
from etatrick.numerics.working_set.design import Dense
from etatrick.numerics.working_set.factors import positive_solve
from etatrick.numerics.working_set.least_squares import PASSES, worst_violators
from etatrick.numerics.working_set.local import Local, damping_after, first_damping
from etatrick.numerics.working_set.models import Model, model_step
from etatrick.numerics.working_set.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

SMALL = 2e5  # numbers in X up to which the working set is all columns
FIRST, SHARE = 30, 50  # columns to add: at least so many, at least one in so many
MODELS = 30  # quadratic models on one working set
POLISHES = 8
ROUNDING = 4e-15
NEAR = 1e-4  # relative violation from which on the gap is worth computing
FORCING = 0.1  # of the violation: how exactly the first models are solved


def fit_general(task: "Task", w: "Floats", b: float, tol: float) -> Solution:
    """Minimise from (w, b): to the global minimum for a convex penalty, else to a stationary point.

    Parameters
    ----------
    task : Task
        Whose curve has Ω′(0+) > 0 and whose λ is > 0. Where Ω′(0+) = ∞ the zeros of `w` stay 0.
    w, b : ndarray of shape (d,), float
    tol : float
        Relative duality gap, or relative violation of stationarity for concave penalties.
    """
    progress, ending = Progress(task, tol), None
    if w.any() or b != task.null[0]:
        standing = stand(task, w, b, task.predictor(w, b))
    else:
        standing = _where(task, w, b, task.null[1], task.null_pull, task.null[2], 0.0, tol)
    damping = first_damping(task.loss)
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        members, goal = _members(task, standing)
        goal = max(goal, 0.1 * tol * task.scale)
        local = Local.at(task, _columns(task, members), standing.w[members], standing.b, standing.theta)
        local, damping = _descend(local, goal, damping)
        w = np.zeros_like(standing.w)
        w[members] = local.w
        standing = _stand(local, w, tol)
    return _finished(task, progress, ending or Status.LIMIT)


def _members(task: "Task", standing: Standing) -> "tuple[Indices, float]":
    """Return the working set and how exactly to solve on it."""
    n, d = task.design.shape
    if n * d <= SMALL:
        return np.arange(d), 0.0
    support = np.flatnonzero(standing.w)
    outside = np.where(standing.w == 0, standing.violations, 0.0)
    added = worst_violators(outside, max(FIRST, 2 * len(support), d // SHARE))
    if 2 * (len(support) + len(added)) >= d and isinstance(task.design, Dense):
        return np.arange(d), 0.0
    members = np.sort(np.concatenate([support, added]))
    outside[members] = 0.0
    goal = 0.1 * float(outside.max())
    return members, max(goal, 0.02 * standing.kkt) if len(added) else goal


def _columns(task: "Task", members: "Indices") -> "Floats":
    """Return the members' columns, without a copy where they are all of a dense X."""
    everything = len(members) == task.design.shape[1] and isinstance(task.design, Dense)
    return task.design.matrix if everything else task.design.columns(members)


def _stand(local: Local, w: "Floats", tol: float) -> Standing:
    """Return where a point stands among all columns."""
    task = local.task
    pull = task.design.correlate(local.residual)
    balance = abs(float(local.residual.sum())) if task.intercept else 0.0
    return _where(task, w, local.b, local.theta, pull, local.objective, balance, tol)


def _where(
    task: "Task", w: "Floats", b: float, theta: "Floats", pull: "Floats", objective: float, balance: float, tol: float
) -> Standing:
    """Return where a point stands, with an infinite gap as long as it is far from a solution."""
    violations = violation(task, w, pull)
    kkt = max(float(violations.max()), balance)
    if kkt <= max(NEAR, 10 * np.sqrt(tol)) * task.scale:
        return stand(task, w, b, theta, pull)
    return Standing(w, b, theta, pull, objective, violations, kkt, np.inf if task.curve.convex else None)


def _finished(task: "Task", progress: Progress, ending: Status) -> Solution:
    """Return the result, with the gap of the best point where it had not been computed."""
    best = progress.best
    if best is not None and best.gap is not None and not np.isfinite(best.gap):
        progress.best = stand(task, best.w, best.b, best.theta, best.pull)
    return progress.fit(ending)


def _descend(local: Local, goal: float, damping: float) -> tuple[Local, float]:
    """Take model steps and Newton steps on the columns given, until stationary to `goal`; return the damping too."""
    task, model, least, scale = local.task, None, np.inf, local.task.scale
    for _ in range(MODELS):
        pull, balance = local.pull()
        excess = violation(task, local.w, pull)
        worst = max(float(excess.max(initial=0.0)), abs(balance))
        if worst <= goal or (worst >= 0.5 * least and worst <= 1e-11 * scale):
            break
        chosen = _chosen(local.w, excess)
        slow, least = worst > 0.1 * least, min(least, worst)
        model = Model.of(local, chosen, damping) if model is None or slow else model.on(local, chosen, damping)
        inner = max(0.05 * goal, ROUNDING * scale, min(FORCING, worst / scale) * worst)
        there, size = model_step(local, model, pull, balance, inner)
        if not task.curve.convex:
            there = _polished(there)
        if size == 0.0 and there.objective >= local.objective and damping >= 1.0:
            break
        local, damping = there, damping_after(damping, size)
    return local, damping


def _chosen(w: "Floats", excess: "Floats") -> "Indices":
    """Return the support and the worst of the other violators, in order."""
    on = w != 0
    found: Indices = (on | (excess > 0)).nonzero()[0]
    support = int(np.count_nonzero(on))
    most = max(FIRST, 2 * support)
    if len(found) <= support + most:
        return found
    others: Indices = worst_violators(np.where(on, 0.0, excess), most)
    return np.sort(np.concatenate([on.nonzero()[0], others]))


def _polished(local: Local) -> Local:
    """Take Newton steps with the penalty's own bend on the support, as long as the signs stay and they descend."""
    task = local.task
    least = np.inf
    for _ in range(POLISHES):
        support = np.flatnonzero(local.w)
        if len(support) == 0:
            return local
        w = local.w[support]
        pull, balance = local.pull()
        force = pull[support] - task.lam * task.curve.slope(w) * np.sign(w)
        size = max(float(np.abs(force).max()), abs(balance))
        if size <= 1e-16 * task.scale or size >= least:
            break
        least = size
        model = Model.of(local, support, 0.0)
        model.H.flat[:: len(support) + 1] += task.lam * task.curve.bend(w)
        step = positive_solve(model.H, force - model.mean * balance)
        if step is None or ((w + step) * w <= 0).any():
            break
        dw = np.zeros_like(local.w)
        dw[support] = step
        db = balance / model.total - float(model.mean @ step) if task.intercept else 0.0
        there = local.moved(dw, db, 1.0)
        if there.objective > local.objective + local.slack:
            break
        local = there
    return local
