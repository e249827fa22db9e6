"""Working sets of groups: convex models with a tangent charge, and Newton steps where the charge is not convex."""

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.groups.certify import stand
from etatrick.numerics.groups.charges import Charge
from etatrick.numerics.groups.gathered import DENSE, Gathered
from etatrick.numerics.groups.quadratic import Model, block_quadratic
from etatrick.numerics.groups.record import Record
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.groups.posing import GroupTask

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

PASSES = 200
OVERHEAD, REUSE = 28e6, 10.0  # a pass over X costs as much as a Gram matrix of √(OVERHEAD/n + REUSE·d) columns
TALL = 3.0  # the more rows per column, the fewer of the violators are chance
FAINT = 0.06  # of the largest violation: smaller ones mostly vanish by themselves
FEW = 0.1  # of the groups: so few new ones hardly change the rest, which is then solved for in full
MODELS = 15  # quadratic models on one working set
HALVINGS = 40
POLISHES = 8
ROUNDING = 3e-15
NEAR = 0.8  # of the level that holds a group at 0: groups that a model includes
MOST = 0.6  # a model of so many of the columns gathered may as well include them all


@final
@dataclass(frozen=True, eq=False)
class Local:
    """The problem restricted to the groups gathered, and a point of it."""

    problem: "GroupTask"
    gathered: Gathered
    charge: Charge
    w: "Floats"
    b: float
    theta: "Floats"
    objective: float

    def pull(self) -> "tuple[Floats, float]":
        """Return minus the gradient of the data term in w and in b (0 without an intercept)."""
        residual = self.problem.task.residual(self.theta)
        return residual @ self.gathered.columns, float(residual.sum()) if self.problem.task.intercept else 0.0

    def changed(self, dw: "Floats", db: float) -> "Floats":
        """Return the change of θ along a step."""
        return self.gathered.columns @ dw + db

    def put(self, w: "Floats", b: float, theta: "Floats") -> "Local":
        """Return another point of the same restriction."""
        return replace(self, w=w, b=b, theta=theta, objective=self.problem.task.data_term(theta) + self.charge.value(w))

    @property
    def exact(self) -> bool:
        """Whether a model is the problem itself."""
        return self.gathered.constant and self.charge.convex

    @property
    def slack(self) -> float:
        """What the objective may rise by rounding."""
        return 4e-16 * (abs(self.objective) + float(self.problem.task.weights.sum()))


def descend(problem: "GroupTask", w: "Floats", b: float, tol: float, gathered: Gathered | None = None) -> Solution:
    """Minimise from (w, b): to the global minimum for a convex charge, else to a stationary point.

    Parameters
    ----------
    problem : GroupTask
        With λ > 0. Where the slope of the charge at 0 is infinite, the zeros of `w` stay 0.
    w : ndarray, shape (d,)
        In the order of the problem.
    b : float
    tol : float
        Relative duality gap, or relative violation of stationarity without convexity.
    gathered : Gathered, optional
        Columns of an earlier fit of the same data.
    """
    cache = Gathered(problem) if gathered is None else gathered
    blocks, record, ending = problem.charge.blocks, Record(problem, tol), None
    cache.grow(np.flatnonzero(blocks.lengths(w)))
    theta, pull = problem.task.null[1] + (b - problem.task.null[0]), None
    if w.any():
        theta = theta + cache.columns @ w[cache.index]
    elif b == problem.task.null[0]:
        pull = problem.null_pull
    standing = stand(problem, w, b, theta, pull)
    for _ in range(PASSES):
        ending = record.note(standing)
        if ending is not None:
            break
        outside = np.where(cache.member, 0.0, standing.excess)
        active = int(np.count_nonzero(blocks.lengths(standing.w)))
        new = np.sort(_worst(outside, max(_batch(problem), active)))
        cache.grow(new)
        local = Local(problem, cache, problem.charge.on(cache.groups), standing.w[cache.index], standing.b,
                      standing.theta, standing.objective)  # fmt: skip
        floor = max(ROUNDING * problem.scale, 0.5 * tol * min(problem.scale, problem.charge.level))
        goal = max(floor, 0.1 * float(outside.max()) if problem.charge.convex else 0.05 * standing.kkt)
        if len(new) <= FEW * active and problem.charge.convex and len(cache.index) <= DENSE:
            goal = floor
        local = _minimised(local, standing.pull[cache.index], goal)
        w = np.zeros_like(standing.w)
        w[cache.index] = local.w
        standing = stand(problem, w, local.b, local.theta)
    return record.fit(ending or Status.LIMIT)


def _batch(problem: "GroupTask") -> int:
    """Return how many groups to add at least: as many as cost about what the pass costs that they may save."""
    n, d = problem.task.design.shape
    columns = np.sqrt(OVERHEAD / n + REUSE * d * min(max(1.0, n / d), TALL))
    return max(5, int(columns * len(problem.charge.blocks.sizes) / d))


def _worst(excess: "Floats", most: int) -> "Indices":
    found = np.flatnonzero(excess > FAINT * float(excess.max()))
    return found if len(found) <= most else found[np.argpartition(-excess[found], most)[:most]]


def _minimised(local: Local, pull: "Floats", goal: float) -> Local:
    """Take model steps, and Newton steps without convexity, until stationary to `goal`; `pull` is that of `local`."""
    balance = float(local.problem.task.residual(local.theta).sum()) if local.problem.task.intercept else 0.0
    if local.exact:
        return _model_step(local, _looked_at(local, pull), pull, balance, goal)
    for _ in range(MODELS):
        excess = local.charge.excess(local.w, pull)
        if max(float(excess.max()), abs(balance)) <= goal:
            break
        before = local
        local = _model_step(local, _looked_at(local, pull), pull, balance, goal)
        if not local.charge.convex:
            local = _polished(local)
        if local is before:
            break
        pull, balance = local.pull()
    return local


def _looked_at(local: Local, pull: "Floats") -> "Indices":
    """Return the groups that are not 0, and those that are nearly pulled off it, by their place among all gathered."""
    charge = local.charge
    active = charge.blocks.lengths(local.w) > 0
    a, t = charge.holding(local.w)
    near = charge.blocks.lengths(pull - np.clip(pull, -NEAR * t, NEAR * t)) >= NEAR * a
    found = np.flatnonzero(active | near)
    whole = len(found) > MOST * len(active) and local.gathered.constant and not charge.locking
    return np.arange(len(active)) if whole else found


def _model_step(local: Local, chosen: "Indices", pull: "Floats", balance: float, goal: float) -> Local:
    """Minimise the convex model of the chosen groups, and go there as far as the objective falls."""
    task, index = local.problem.task, local.charge.blocks.members(chosen)
    part, w = local.charge.on(chosen), local.w[index]
    a, t, ridge, q = part.tangent(w, pull[index])
    H, mean = local.gathered.curvature(local.theta, chosen, ridge)
    gradient = ridge * w - pull[index] + mean * balance
    if q is not None:
        gradient = gradient - q
    model = Model(H, H.times(w) - gradient, a, t, part.blocks)
    z = block_quadratic(model, w, max(0.5 * goal, ROUNDING * local.problem.scale))
    dw = np.zeros_like(local.w)
    dw[index] = z - w
    total = float(task.curvature(local.theta).sum())
    db = balance / total - float(mean @ dw[index]) if task.intercept else 0.0
    rate = float((gradient - mean * balance) @ dw[index]) - balance * db + model.charge(z) - model.charge(w)
    return _searched(local, dw, db, min(rate, 0.0))


def _searched(local: Local, dw: "Floats", db: float, rate: float) -> Local:
    """Return the first of the halved steps that descends enough, the point itself if none does."""
    along, size = local.changed(dw, db), 1.0
    if not dw.any() and db == 0:
        return local
    for _ in range(HALVINGS):
        there = local.put(local.w + size * dw, local.b + size * db, local.theta + size * along)
        if local.exact or there.objective <= local.objective + 1e-4 * size * rate + local.slack:
            return there
        size /= 2
    return local


def _polished(local: Local) -> Local:
    """Take Newton steps with the bend of the charge itself on the support, as long as the signs stay and it falls."""
    problem, task, least = local.problem, local.problem.task, np.inf
    for _ in range(POLISHES):
        chosen = np.flatnonzero(local.charge.blocks.lengths(local.w))
        if len(chosen) == 0:
            break
        index = local.charge.blocks.members(chosen)
        part, w = local.charge.on(chosen), local.w[index]
        pull, balance = local.pull()
        face = np.flatnonzero(w)
        force = (pull[index] - part.slope(w))[face]
        size = max(float(np.abs(force).max()), abs(balance))
        if size <= 1e-16 * problem.scale or size >= least:
            break
        least = size
        curvature, mean = local.gathered.curvature(local.theta, chosen, 0.0)
        step = positive_solve(curvature.matrix(face) + part.hessian(w, face), force - mean[face] * balance)
        if step is None or ((w[face] + step) * w[face] <= 0).any():
            break
        dw = np.zeros_like(local.w)
        dw[index[face]] = step
        total = float(task.curvature(local.theta).sum())
        db = balance / total - float(mean[face] @ step) if task.intercept else 0.0
        there = local.put(local.w + dw, local.b + db, local.theta + local.changed(dw, db))
        if there.objective > local.objective + local.slack:
            break
        local = there
    return local
