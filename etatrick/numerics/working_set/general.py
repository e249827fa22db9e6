"""Any loss with any penalty that has a kink at 0: quadratic models on a working set, Newton steps on the support.

A convex penalty is split into Ω′(0+)|w| and a smooth rest; a concave one is majorised by its tangents in |w| (Zou & Li
2008, Ann. Statist. 36, 1509–1533), so that every model is a weighted lasso, and steps on the support use its own bend.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.losses import Squared
from etatrick.numerics.working_set.certify import stand, violation
from etatrick.numerics.working_set.factors import positive_solve
from etatrick.numerics.working_set.least_squares import FIRST, PASSES, worst_violators
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.quadratic import sparse_quadratic
from etatrick.numerics.working_set.result import Ending, Fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

MODELS = 12  # quadratic models on one working set
HALVINGS = 40
POLISHES = 8
ROUNDING = 4e-15


@final
@dataclass(frozen=True, eq=False)
class Local:
    """The task restricted to some columns, and a point of it."""

    task: "Task"
    columns: "Floats"
    w: "Floats"
    b: float
    theta: "Floats"
    objective: float

    def pull(self) -> "tuple[Floats, float]":
        """Return minus the gradient of the data term in w and in b (0 without an intercept)."""
        residual = self.task.residual(self.theta)
        return self.columns.T @ residual, float(residual.sum()) if self.task.intercept else 0.0

    def moved(self, dw: "Floats", db: float, size: float) -> "Local":
        """Return the point a multiple of a step away."""
        w = self.w + size * dw
        theta = self.theta + size * (self.columns[:, np.flatnonzero(dw)] @ dw[dw != 0] + db)
        return self.put(w, self.b + size * db, theta)

    def put(self, w: "Floats", b: float, theta: "Floats") -> "Local":
        """Return another point of the same restriction."""
        objective = self.task.data_term(theta) + self.task.charge(w)
        return Local(self.task, self.columns, w, b, theta, objective)


def fit_general(task: "Task", w: "Floats", b: float, tol: float) -> Fit:
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
    standing = stand(task, w, b)
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        support = np.flatnonzero(standing.w)
        outside = np.where(standing.w == 0, standing.violations, 0.0)
        most = max(FIRST, 2 * len(support))
        members = np.sort(np.concatenate([support, worst_violators(outside, most)]))
        local = Local(task, task.design.columns(members), standing.w[members], standing.b, standing.theta,
                      standing.objective)  # fmt: skip
        goal = max(0.05 * standing.kkt, 0.1 * tol * task.scale)
        local = _descend(local, goal)
        w = np.zeros_like(standing.w)
        w[members] = local.w
        standing = stand(task, w, local.b, local.theta)
    return progress.fit(ending or Ending.LIMIT)


def _descend(local: Local, goal: float) -> Local:
    """Take model steps and Newton steps on the columns given, until stationary to `goal`."""
    task = local.task
    kept: dict[bytes, tuple[Floats, Floats]] = {}
    for _ in range(MODELS):
        pull, balance = local.pull()
        excess = violation(task, local.w, pull)
        if max(float(excess.max(initial=0.0)), abs(balance)) <= goal:
            break
        chosen = np.flatnonzero((local.w != 0) | (excess > 0))
        before = local
        local = _model_step(local, chosen, pull, balance, max(0.05 * goal, ROUNDING * task.scale), kept)
        if not task.curve.convex:
            local = _polished(local)
        if local is before:
            break
    return local


def _model(local: Local, chosen: "Indices", kept: "dict[bytes, tuple[Floats, Floats]]") -> "tuple[Floats, Floats]":
    """Return XᵀDX of the chosen columns, centred by D where there is an intercept, and their means."""
    constant = isinstance(local.task.loss, Squared)
    key = chosen.tobytes()
    if constant and key in kept:
        return kept[key]
    D = local.task.curvature(local.theta)
    part = local.columns[:, chosen]
    mean = (D @ part) / D.sum() if local.task.intercept else np.zeros(len(chosen))
    scaled = (part - mean) * np.sqrt(D)[:, None] if local.task.intercept else part * np.sqrt(D)[:, None]
    found = scaled.T @ scaled, mean
    if constant:
        kept[key] = found
    return found


def _model_step(
    local: Local,
    chosen: "Indices",
    pull: "Floats",
    balance: float,
    goal: float,
    kept: "dict[bytes, tuple[Floats, Floats]]",
) -> Local:
    """Minimise the weighted-lasso model over the chosen columns, and go there as far as the objective falls."""
    task, w = local.task, local.w[chosen]
    H, mean = _model(local, chosen, kept)
    H = H.copy()
    slope = task.lam * task.curve.slope(w)
    if task.curve.convex:
        hold = np.full(len(chosen), task.lam * task.curve.start)
        H.flat[:: len(chosen) + 1] += task.lam * np.maximum(task.curve.bend(w), 0.0)
        rest = (slope - hold) * np.sign(w)
    else:
        hold, rest = slope, np.zeros(len(chosen))
    gradient = -pull[chosen] + mean * balance + rest
    z = sparse_quadratic(H.copy(), H @ w - gradient, hold, w, goal)
    dw = np.zeros_like(local.w)
    dw[chosen] = z - w
    total = float(task.curvature(local.theta).sum())
    db = balance / total - float(mean @ dw[chosen]) if task.intercept else 0.0
    rate = float((rest - pull[chosen]) @ dw[chosen] - balance * db + hold @ (np.abs(z) - np.abs(w)))
    return _search(local, dw, db, min(rate, 0.0))


def _search(local: Local, dw: "Floats", db: float, rate: float) -> Local:
    """Return the first of the halved steps that descends enough, the point itself if none does."""
    slack = 4e-16 * (abs(local.objective) + float(local.task.weights.sum()))
    size = 1.0
    for _ in range(HALVINGS):
        there = local.moved(dw, db, size)
        if there.objective <= local.objective + 1e-4 * size * rate + slack:
            return there
        size /= 2
    return local


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
        H, mean = _model(local, support, {})
        H.flat[:: len(support) + 1] += task.lam * task.curve.bend(w)
        step = positive_solve(H, force - mean * balance)
        if step is None or ((w + step) * w <= 0).any():
            break
        dw = np.zeros_like(local.w)
        dw[support] = step
        total = float(task.curvature(local.theta).sum())
        db = balance / total - float(mean @ step) if task.intercept else 0.0
        there = local.moved(dw, db, 1.0)
        slack = 4e-16 * (abs(local.objective) + float(task.weights.sum()))
        if there.objective > local.objective + slack:
            break
        local = there
    return local
