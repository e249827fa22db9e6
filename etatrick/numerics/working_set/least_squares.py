"""Squared loss with the lasso's or the elastic net's penalty, by the first of three methods that ends.

The primal-dual active set method, which is quick where it converges; the solution followed from λ_max, which always
ends but takes a step per change of the active set; and descent on a working set, for what is large and dense.
"""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import Standing, stand
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.follower import Follower
from etatrick.numerics.working_set.grown import GrownGram
from etatrick.numerics.working_set.primal_dual import FIRST, Point, extrapolated, null_point, primal_dual, refined
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.quadratic import sparse_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

PASSES = 200
SMALL = 1_000_000  # entries of X up to which a pass per change of the active set is cheap
ROUNDING = 3e-15
NEAR = 0.8  # of the level that holds a weight at 0: columns to look at once all are members
REFINEMENTS = 3
STRIDE, SHORTEST = 0.5, 1e-3  # first and least step of log λ
EASY = 4  # primal-dual steps up to which the next step of λ may be longer


def centred_gram(task: "Task") -> GrownGram:
    """Return the empty Gram matrix of the weighted, centred columns."""
    root = np.sqrt(task.weights)
    mean = np.zeros(task.design.shape[1])
    if task.intercept:
        mean = task.design.correlate(task.weights) / task.weights.sum()
    return GrownGram(task.design, root, mean)


def fit_least_squares(task: "Task", w: "Floats", tol: float, cache: GrownGram | None = None) -> Solution:
    """Minimise with the squared loss and Ω(w) = a|w| + ½bw², a > 0, from `w`.

    Parameters
    ----------
    task : Task
        With loss Squared and an Affine curve, λ > 0.
    w : ndarray, shape (d,)
    tol : float
        Relative duality gap to reach.
    cache : GrownGram, optional
        From an earlier fit of the same data.
    """
    assert isinstance(task.curve, Affine)
    gram = centred_gram(task) if cache is None else cache
    if cache is not None and task.curve.rate == 0 and _small(task):
        standing = _along(task, gram)
        if standing is not None and _reached(task, standing, tol):
            return _solution(task, gram, standing, [standing.objective], tol)
    start = _start(task, gram, w)
    points, found = primal_dual(task, gram, start)
    points = points or [start]
    history = list(np.minimum.accumulate([point.objective for point in points]))
    if found:
        standing = _refined(task, gram, points[-1], tol)
    else:
        standing = _stand(task, gram, min(points, key=lambda point: point.objective))
    if not _reached(task, standing, tol) and cache is None and _small(task):
        standing = _better(_along(task, gram), standing)
    if not (found or _reached(task, standing, tol)):
        point = _continued(task, gram)
        if point is not None:
            standing = _better(_refined(task, gram, point, tol), standing)
    if not _reached(task, standing, tol):
        return _descended(task, gram, standing, tol, history)
    return _solution(task, gram, standing, history, tol)


def _solution(task: "Task", gram: GrownGram, standing: Standing, history: list[float], tol: float) -> Solution:
    _keep(task, gram, standing)
    progress = Progress(task, tol)
    progress.history = history[:-1]
    return progress.fit(progress.record(standing) or Status.LIMIT)


def _keep(task: "Task", gram: GrownGram, standing: Standing) -> None:
    gram.trail = [*gram.trail[-1:], (task.lam, Point(standing.w, standing.theta, standing.pull, standing.objective))]


def _small(task: "Task") -> bool:
    n, d = task.design.shape
    return n * d <= SMALL


def _reached(task: "Task", standing: Standing, tol: float) -> bool:
    return standing.gap is not None and standing.gap <= tol * task.null[3]


def _better(one: Standing | None, other: Standing) -> Standing:
    """Return the one with the smaller gap."""
    if one is None or one.gap is None or other.gap is None:
        return other
    return one if one.gap <= other.gap else other


def _start(task: "Task", gram: GrownGram, w: "Floats") -> Point:
    """Return the point at `w`; where that is the last solution of a path, the point the last two lead to."""
    if not w.any():
        return null_point(task)
    if gram.trail and gram.trail[-1][1].w is w:
        return extrapolated(gram.trail, task.lam)
    support = np.flatnonzero(w)
    if len(support) > gram.limit:
        return null_point(task)
    gram.grow(support)
    return gram.point(task, support, w[support])


def _continued(task: "Task", gram: GrownGram) -> Point | None:
    """Return the solution reached through larger λ, in steps that the primal-dual method stands; None if none."""
    lam = float(np.abs(task.null_pull).max()) / task.curve.start
    trail, step = [(lam, null_point(task))], STRIDE
    while lam > task.lam:
        shorter = max(lam * float(np.exp(-step)), task.lam)
        points, found = primal_dual(task.at(shorter), gram, extrapolated(trail, shorter))
        if found and points:
            lam, trail = shorter, [trail[-1], (shorter, points[-1])]
            step *= 1.5 if len(points) <= EASY else 1.0
        else:
            step /= 3
            if step < SHORTEST:
                return None
    return trail[-1][1]


def _refined(task: "Task", gram: GrownGram, point: Point, tol: float) -> Standing:
    """Return where a solution stands, with its rounding corrected as far as the tolerance asks for it."""
    standing = _stand(task, gram, point)
    for _ in range(REFINEMENTS):
        if _reached(task, standing, tol):
            break
        point = refined(task, gram, point)
        standing = _better(_stand(task, gram, point), standing)
    return standing


def _stand(task: "Task", gram: GrownGram, point: Point) -> Standing:
    b = task.null[0] - (float(gram.mean @ point.w) if gram.centred else 0.0) if task.intercept else 0.0
    return stand(task, point.w, b, point.theta, point.pull)


def _along(task: "Task", gram: GrownGram) -> Standing | None:
    """Return the solution reached by following it from w = 0, or from where it was followed to; None if that fails."""
    hold, ridge = task.lam * task.curve.start, task.lam * float(task.curve.bend(np.zeros(1))[0])
    top = float(np.abs(task.null_pull).max())
    if gram.line is None:
        gram.line = Follower(gram.row(ridge), task.null_pull, max(top, hold))
    line = gram.line
    if hold > line.level:
        return None
    try:
        for size in line.fall(hold):
            if size > gram.limit:
                raise ArithmeticError("too many columns for a Gram matrix")
    except ArithmeticError:
        line.level = -1.0  # nothing lies below, so that this is not tried again
        return None
    gram.grow(line.active)
    return _stand(task, gram, gram.point(task, line.active, line.values[: line.size]))


def _descended(task: "Task", gram: GrownGram, standing: Standing, tol: float, history: list[float]) -> Solution:
    """Descend from `standing`: the worst violators of each pass join, and the problem on the members is solved.

    It is solved no more exactly than the violations outside call for.
    """
    hold, ridge = task.lam * task.curve.start, task.lam * float(task.curve.bend(np.zeros(1))[0])
    w = standing.w.copy()
    progress, ending, tried = Progress(task, tol), None, False
    progress.history = history[:-1]
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        support = np.flatnonzero(w)
        gram.grow(support)
        outside = np.abs(standing.pull) - hold
        outside[gram.members] = 0.0
        chosen = worst_violators(outside, min(max(FIRST, 2 * len(support)), max(gram.limit - len(support), 0)))
        gram.grow(np.concatenate([support, chosen]))
        members = gram.members
        floor = ROUNDING * task.scale
        goal = floor if tried and len(chosen) == 0 else max(floor, 0.1 * float(outside.max()))
        tried = len(chosen) == 0
        inner = members
        if len(members) == len(w):
            inner = np.flatnonzero((w != 0) | (np.abs(standing.pull) >= NEAR * hold))
        G = gram.block(inner, 0.0)
        c = standing.pull[inner] + G @ w[inner]
        G.flat[:: len(inner) + 1] += ridge
        w[inner] = sparse_quadratic(G, c, np.full(len(inner), hold), w[inner], goal)
        support = np.flatnonzero(w)
        standing = _stand(task, gram, gram.point(task, support, w[support]))
    best = progress.best
    if best is not None:
        _keep(task, gram, best)
    return progress.fit(ending or Status.LIMIT)


def worst_violators(violations: "Floats", most: int) -> "Indices":
    """Return the indices of at most `most` of the largest positive violations."""
    found = np.flatnonzero(violations > 0)
    if len(found) > most:
        found = found[np.argpartition(-violations[found], most)[:most]]
    return found
