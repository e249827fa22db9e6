"""Penalties concave in |w|: tangents and Newton steps; for the squared loss wholly in terms of a growing Gram matrix.

Where a fit ends at 0, or Ω′(0+) = ∞, Ω(|w| + ε) − Ω(ε) is followed from a large ε, where it is nearly |w|, to ε = 0.
"""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.losses import Squared
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import Standing, violation
from etatrick.numerics.working_set.concave_quadratic import concave_quadratic
from etatrick.numerics.working_set.curve import Shifted
from etatrick.numerics.working_set.general import fit_general
from etatrick.numerics.working_set.least_squares import PASSES, centred_gram, worst_violators
from etatrick.numerics.working_set.progress import Progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.grown import GrownGram
    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

FIRST, SHARE = 20, 50  # columns to add: at least so many, at least one in so many
SHIFTS = 10  # stages of the continuation in ε
SHRINK = 0.3
COARSE = 1e-4  # tolerance of the stages before the last
SPARSE = 0.15  # of the largest λ: the level that holds a weight at 0 in the first stage, at least
NEAR = 0.8  # of that level: columns that later stages look at
ROUNDING = 3e-15


def fit_concave(task: "Task", w: "Floats", tol: float) -> Solution:
    """Return the fit from `w`; where it ends at 0, or Ω′(0+) = ∞, the lower of it and one by continuation in ε.

    Parameters
    ----------
    task : Task
        Whose curve is not convex, with Ω′(0+) > 0, and whose λ is > 0.
    w : ndarray, shape (d,)
        Where to start.
    tol : float
        Relative violation of stationarity to reach.

    Returns
    -------
    Solution

    Examples
    --------
    >>> from etatrick.numerics.working_set.task import pose_task
    >>> from etatrick.theory import penalties
    >>> task = pose_task(np.eye(2), [3.0, 0.5], penalties["mcp"](A=2), 1.0, "squared", False, None, None)
    >>> fit_concave(task, np.zeros(2), 1e-12).coef
    array([3., 0.])
    """
    if not _steep(task):
        found = _fit(task, w, tol)
        return found if found.coef.any() else _lower(found, _continued(task, tol))
    found = _continued(task, tol)
    if w.any() or found.objective > task.null[2]:
        found = _lower(_fit(task, w, tol), found)
    return found


def _lower(one: Solution, other: Solution) -> Solution:
    return one if one.objective <= other.objective else other


def _steep(task: "Task") -> bool:
    """Whether Ω bends so much at 0 that the objective is not convex along the column where the descent begins."""
    if not np.isfinite(task.curve.start):
        return True
    return -task.lam * float(task.curve.bend(np.zeros(1))[0]) > _first_column(task)[0]


def _first_column(task: "Task") -> tuple[float, float]:
    """Return the curvature along the column with the largest gradient at 0, and the gradient."""
    first = int(np.abs(task.null_pull).argmax())
    column, bend = task.design.columns(np.array([first]))[:, 0], task.curvature(task.null[1])
    if task.intercept:
        column = column - float(bend @ column) / float(bend.sum())
    return float(bend @ column**2), abs(float(task.null_pull[first]))


def _fit(task: "Task", w: "Floats", tol: float) -> Solution:
    if isinstance(task.loss, Squared):
        return _fit_squares(task, centred_gram(task), w, tol)
    return fit_general(task, w, task.null[0], tol)


def _continued(task: "Task", tol: float) -> Solution:
    """Follow the shifted penalty to ε = 0."""
    if isinstance(task.loss, Squared):
        return _continued_squares(task, tol)
    w, b = np.zeros(task.design.shape[1]), task.null[0]
    for epsilon in _shifts(task):
        stage = fit_general(task.under(Shifted.of(task.curve, float(epsilon))), w, b, COARSE)
        w, b = stage.coef, stage.intercept
    return fit_general(task, w, b, tol)


def _shifts(task: "Task") -> "Floats":
    """Return the values of ε, from that of a nearly linear penalty, or of one steep enough for a sparse solution."""
    bend, pull = _first_column(task)
    size = pull / bend if bend > 0 and pull > 0 else 1.0
    grid = np.asarray(2 * size * SHRINK ** np.arange(SHIFTS), dtype=np.float64)
    steep = task.lam * task.curve.slope(grid) >= SPARSE * task.scale
    return grid[min(int(steep.argmax()) if steep.any() else SHIFTS - 1, SHIFTS // 2) :]


def _continued_squares(task: "Task", tol: float) -> Solution:
    """Follow ε for the squared loss: one fit among all columns, later stages among those that came near entering it."""
    gram, shifts = centred_gram(task), _shifts(task)
    curves = [Shifted.of(task.curve, float(epsilon)) for epsilon in shifts]
    shifted = task.under(curves[0])
    best = _run(shifted, gram, np.zeros(task.design.shape[1]), COARSE)[0].best
    assert best is not None
    near = (best.w != 0) | (np.abs(best.pull) > NEAR * task.lam * curves[0].start)
    chosen = near.nonzero()[0]
    gram.grow(chosen)
    chosen = chosen[gram.position[chosen] >= 0]
    where = gram.position[chosen]
    G = gram.gram[where[:, None], where]
    v = best.w[chosen]
    c = best.pull[chosen] + G @ v
    for curve in curves[1:]:
        v = concave_quadratic(G, c, curve, task.lam, v, COARSE * task.scale)
    w = np.zeros_like(best.w)
    w[chosen] = v
    return _fit_squares(task, gram, w, tol)


def _fit_squares(task: "Task", gram: "GrownGram", w: "Floats", tol: float) -> Solution:
    """Minimise with the squared loss from `w`; by models in n dimensions where the Gram matrix became too large."""
    progress, ending = _run(task, gram, w, tol)
    best = progress.best
    if ending is None and best is not None:
        return fit_general(task, best.w, best.b, tol)
    return progress.fit(ending or Status.LIMIT)


def _run(task: "Task", gram: "GrownGram", w: "Floats", tol: float) -> tuple[Progress, Status | None]:
    """Descend from `w`: each pass over X finds violators, which join the Gram matrix; say how it ended."""
    progress, floor = Progress(task, tol), ROUNDING * task.scale
    support = w.nonzero()[0]
    gram.grow(support)
    standing = _standing(task, gram, w)
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            return progress, ending
        outside = np.where(standing.w == 0, standing.violations, 0.0)
        outside[gram.members] = 0.0
        support = standing.w.nonzero()[0]
        added = worst_violators(outside, max(FIRST, 2 * len(support), len(w) // SHARE))
        gram.grow(np.concatenate([support, added]))
        members, G = gram.members, gram.gram
        if (gram.position[added] < 0).any():
            return progress, None
        outside[members] = 0.0
        goal = max(floor, 0.1 * float(outside.max()), 0.1 * tol * task.scale)
        before = standing.w[members]
        w = np.zeros_like(w)
        w[members] = concave_quadratic(G, standing.pull[members] + G @ before, task.curve, task.lam, before, goal)
        standing = _standing(task, gram, w)
    return progress, Status.LIMIT


def _standing(task: "Task", gram: "GrownGram", w: "Floats") -> Standing:
    """Return where a point stands whose support is among the members."""
    b = task.null[0] - float(gram.mean @ w) if task.intercept else 0.0
    support = w.nonzero()[0]
    where = gram.position[support]
    if len(support) == 0:
        theta = task.null[1]
    elif (where < 0).any() or not gram.root.all():  # rows of weight 0 are lost in the Gram matrix
        theta = task.predictor(w, b)
    else:
        theta = task.null[1] + (w[support] @ gram.columns.T[where]) / gram.root
    residual = task.residual(theta)
    pull = task.design.correlate(residual) if len(support) else task.null_pull
    violations = violation(task, w, pull)
    balance = abs(float(residual.sum())) if task.intercept else 0.0
    kkt = max(float(violations.max()), balance)
    return Standing(w, b, theta, pull, task.data_term(theta) + task.charge(w), violations, kkt, None)
