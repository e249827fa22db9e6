"""A path for the squared loss with n ≥ d: the Gram matrix is built once, and no pass over X is needed afterwards.

The lasso's solution is piecewise linear in λ and is followed from knot to knot where the active set is small; else, and
for the elastic net, every λ is a problem of its own, started from the last.
"""

from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.solution import Certificate, Solution, Status
from etatrick.numerics.working_set.factors import Factor
from etatrick.numerics.working_set.follower import Follower, Knots
from etatrick.numerics.working_set.least_squares import centred_gram, fit_least_squares
from etatrick.numerics.working_set.primal_dual import Point, charge_on, extrapolated, null_point, primal_dual, refined
from etatrick.numerics.working_set.quadratic import sparse_quadratic

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

ROUNDS = 30
ROUNDING = 3e-15
MANY = 4  # a support of more than a fourth of the columns is cheaper to multiply whole
WIDE = 200  # active columns up to which a change of the active set costs less than solving anew
DOUBT = 16 * 2.2e-16  # rounding of the Gram matrix, relative: what it may hide of a gap is Σ|w_j|·|error of X_jᵀr|
EVENTS = 10  # changes of the active set per value of λ up to which following it costs less


@final
class WholeGram:
    """The Gram matrix of all columns, weighted and centred."""

    def __init__(self, task: "Task") -> None:
        self.mean = np.zeros(task.design.shape[1])
        if task.intercept:
            self.mean = task.design.correlate(task.weights) / task.weights.sum()
        self.matrix = task.design.gram(task.weights, self.mean)
        self._factor = Factor(self._between)

    def grow(self, wanted: "Indices") -> None:
        """Do nothing: every column is a member."""

    def block(self, chosen: "Indices", ridge: float) -> "Floats":
        """Return the Gram matrix of some columns with `ridge` added to its diagonal, a copy."""
        found = self.matrix[chosen[:, None], chosen]
        found.flat[:: len(chosen) + 1] += ridge
        return found

    def solve(self, active: "Indices", ridge: float, b: "Floats") -> "Floats | None":
        """Return the solution of the equations that `block` gives, None where they are singular."""
        return self._factor.solve(active, ridge, b)

    def _between(self, rows: "Indices", columns: "Indices", ridge: float) -> "Floats":
        return self.block(rows, ridge) if rows is columns else self.matrix[rows[:, None], columns]

    def point(self, task: "Task", active: "Indices", values: "Floats") -> Point:
        """Return the point with these weights; its predictor is left out."""
        w = np.zeros(len(self.mean))
        w[active] = values
        product = self.matrix @ w if MANY * len(active) > len(w) else values @ self.matrix[active]
        pull = task.null_pull - product
        both = float(values @ (task.null_pull[active] + pull[active]))  # ½‖r‖² = ½‖r₀‖² − ½wᵀ(Xᵀr₀ + Xᵀr)
        return Point(w, np.zeros(0), pull, max(task.null[2] - 0.5 * both, 0.0) + charge_on(task, values))


def fit_gram_path(task: "Task", grid: "Floats", tol: float) -> tuple[Solution, ...]:
    """Fit the lasso or elastic net along decreasing λ > 0 from XᵀVX and XᵀV(y − o) alone.

    Where rounding of the Gram matrix might matter to the certificate, the fit is repeated from X.

    Parameters
    ----------
    task : Task
        With loss Squared and an Affine curve with positive start.
    grid : ndarray, shape (m,)
        Positive, not increasing.
    tol : float
        Relative duality gap to reach.
    """
    gram = WholeGram(task)
    w = np.zeros((len(grid), len(gram.mean)))
    found = w[:0] if task.curve.bend(np.zeros(1))[0] else _followed(task, gram, grid)
    w[: len(found)] = found
    histories: list[tuple[float, ...]] = [()] * len(grid)
    _stepped(task, gram, grid, w, histories, len(found))
    gaps = _figures(task, gram, grid, w)[1]
    for i in np.flatnonzero(~(gaps <= tol * task.null[3])):
        start = w[i - 1] if i else np.zeros(len(gram.mean))
        previous = float(grid[i - 1]) if i else float(grid[0])
        w[i], histories[i] = _fit(task.at(float(grid[i])), gram, start, previous, tol)
    solutions = _solutions(task, gram, grid, w, histories, tol)
    doubts = DOUBT * (np.abs(w) @ np.sqrt(gram.matrix.diagonal())) ** 2
    cache = None
    for k, (solution, doubt) in enumerate(zip(solutions, doubts, strict=True)):
        if (solution.gap or 0.0) + doubt > tol * task.null[3]:
            cache = centred_gram(task) if cache is None else cache
            solutions[k] = fit_least_squares(task.at(float(grid[k])), solution.coef, tol, cache)
    return tuple(solutions)


def _stepped(
    task: "Task", gram: WholeGram, grid: "Floats", w: "Floats", histories: list[tuple[float, ...]], begin: int
) -> None:
    """Fill in the solutions from `begin` on, each by the primal-dual method from where the last two lead."""
    trail: list[tuple[float, Point]] = []
    for i in range(max(begin - 2, 0), begin):
        support = np.flatnonzero(w[i])
        trail.append((float(grid[i]), gram.point(task.at(float(grid[i])), support, w[i, support])))
    for i in range(begin, len(grid)):
        lam = float(grid[i])
        points, ended = primal_dual(task.at(lam), gram, extrapolated(trail, lam) if trail else null_point(task))
        if not ended:
            w[i], histories[i] = _fit(task.at(lam), gram, trail[-1][1].w if trail else w[0], lam, 0.0)
            support = np.flatnonzero(w[i])
            points = [gram.point(task.at(lam), support, w[i, support])]
        w[i] = points[-1].w
        trail = [*trail[-1:], (lam, points[-1])]


def _followed(task: "Task", gram: WholeGram, grid: "Floats") -> "Floats":
    """Return the solutions along the lasso's path as far as its active set stays small, one per row."""
    c, holds, events = task.null_pull, grid * task.curve.start, 0
    line = Follower(lambda j: gram.matrix[j], c, float(np.abs(c).max()))
    knots = Knots(line)
    try:
        for size in line.fall(float(holds[-1])):
            knots.record()
            events += 1
            if size > WIDE or events > EVENTS * len(grid):
                break
        else:
            knots.record()
    except ArithmeticError:
        pass
    return knots.at(holds[holds >= knots.levels[-1]])


def _fit(task: "Task", gram: WholeGram, w: "Floats", previous: float, tol: float) -> "tuple[Floats, tuple[float, ...]]":
    """Solve at one λ from the last solution; return the weights and the objectives passed."""
    support = np.flatnonzero(w)
    point = gram.point(task, support, w[support])
    goal = tol * task.null[3]
    points, ended = primal_dual(task, gram, point)
    history = [point.objective, *(passed.objective for passed in points)]
    if ended:
        last = points[-1] if points else point
        for _ in range(3):
            if _gap(task, gram, last.w) <= goal:
                return last.w, tuple(history)
            last = refined(task, gram, last)
    return _descended(task, gram, point, previous, goal, history)


def _descended(
    task: "Task", gram: WholeGram, point: Point, previous: float, goal: float, history: list[float]
) -> "tuple[Floats, tuple[float, ...]]":
    """Solve on the columns that the sequential strong rule keeps, and on those that turn out to be violated.

    Tibshirani et al. (2012), J. R. Stat. Soc. B 74, 245–266.
    """
    start, rate = task.curve.start, float(task.curve.bend(np.zeros(1))[0])
    hold, w, pull = task.lam * start, point.w.copy(), point.pull
    kept = np.flatnonzero((w != 0) | (np.abs(pull) >= (2 * task.lam - previous) * start))
    best, least = w, np.inf
    for _ in range(ROUNDS):
        H = gram.block(kept, 0.0)
        c = pull[kept] + H @ w[kept]
        H.flat[:: len(kept) + 1] += task.lam * rate
        w = np.zeros_like(w)
        w[kept] = sparse_quadratic(H, c, np.full(len(kept), hold), point.w[kept], ROUNDING * task.scale)
        support = np.flatnonzero(w)
        point = gram.point(task, support, w[support])
        pull, gap = point.pull, _gap(task, gram, w)
        history.append(point.objective)
        outside = np.abs(pull) > hold * (1 + 1e-12)
        outside[kept] = False
        stuck = gap >= 0.5 * least and not outside.any()
        if gap < least:
            best, least = w, gap
        if gap <= goal or stuck:
            break
        kept = np.union1d(kept, np.flatnonzero(outside))
    return best, tuple(history)


def _gap(task: "Task", gram: WholeGram, w: "Floats") -> float:
    return float(_figures(task, gram, np.array([task.lam]), w[None])[1][0])


def _figures(task: "Task", gram: WholeGram, grid: "Floats", W: "Floats") -> "tuple[Floats, Floats, Floats]":
    """Return the objectives, duality gaps at the scaled residuals, and violations of stationarity, one per row of W."""
    curve, lam = task.curve, grid[:, None]
    P = task.null_pull - W @ gram.matrix
    loss = np.maximum(task.null[2] - 0.5 * (W * (task.null_pull + P)).sum(1), 0.0)
    charge = lam * curve.value(W)
    size = np.abs(P)
    reach = size.max(1) / grid
    s = np.where(reach <= curve.steepest, 1.0, curve.steepest / np.maximum(reach, 1e-300))
    conjugate = lam * curve.conjugate(np.minimum(s[:, None] * size / lam, curve.steepest))
    pairing = (charge - s[:, None] * W * P + conjugate).sum(1)
    gaps = (1 - s) ** 2 * loss + np.maximum(pairing, 0.0)
    inside = np.abs(P - lam * curve.slope(W) * np.sign(W))
    worst = np.where(W == 0, np.maximum(size - lam * curve.start, 0.0), inside).max(1)
    return loss + charge.sum(1), gaps, worst


def _solutions(
    task: "Task", gram: WholeGram, grid: "Floats", W: "Floats", histories: list[tuple[float, ...]], tol: float
) -> list[Solution]:
    objectives, gaps, worst = _figures(task, gram, grid, W)
    deviance, scale = task.null[3], task.scale
    intercepts = task.null[0] - W @ gram.mean if task.intercept else np.zeros(len(grid))
    found = []
    for i, history in enumerate(histories):
        gap, kkt, value = float(gaps[i]), float(worst[i]), float(objectives[i])
        status = Status.OPTIMAL if gap <= tol * deviance else Status.STALLED
        if status is Status.STALLED and kkt <= tol * scale:
            status = Status.STATIONARY
        proof = Certificate(kkt, kkt / scale, gap, gap / deviance, status.converged)
        passed = tuple(np.minimum.accumulate([*history, value]).tolist()) if history else (value,)
        found.append(Solution(W[i], float(intercepts[i]), value, proof, status, len(passed), passed))
    return found
