"""Branch and bound for least squares with a folded penalty: many nodes at once, bounds from dual points."""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.global_search.branching import place
from etatrick.numerics.global_search.checking import verdict_of
from etatrick.numerics.global_search.diagonal import best_diagonal, first_diagonal, proves_semidefinite
from etatrick.numerics.global_search.frontier import Frontier
from etatrick.numerics.global_search.local import improve, objective, polished, starts
from etatrick.numerics.global_search.posed import Posed, pose_globally
from etatrick.numerics.global_search.relaxation import bounds, descend
from etatrick.numerics.global_search.result import GlobalOptimum, GlobalStatus
from etatrick.numerics.global_search.tree import ZERO_OR_LARGE

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

BATCH: Final = 256
ROOT_ROUNDS: Final = 8
REFRESH: Final = 2
SWEEPS: Final = (8, 60)
STARTS: Final = 20


def global_minimum(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    box: float | None = None,
    ridge: float = 0.0,
    gap: float = 1e-9,
    time_limit: float = 60.0,
    progress: Callable[[int, float, float], None] = lambda nodes, objective, bound: None,
) -> GlobalOptimum:
    r"""Minimise ½‖y − Xw‖² + λ Σ Ω(|w_j|) globally, and prove it.

    Branch and bound. On a box the quadratic is split as ½wᵀ(G − Δ)w + ½wᵀΔw with G − Δ ⪰ 0; the second part joins
    the penalty, whose envelope on the interval of each coordinate is then exact, and any point p gives the bound

    .. math:: F(w) \ge \tfrac12c - \tfrac12 p^\top(G-\Delta)p
        + \sum_j \min_t\,[\tfrac12\delta_jt^2 - z_jt + \lambda\Omega(|t|)], \qquad z = b - (G-\Delta)p.

    Δ follows the relaxed solution (it maximises the bound's supergradient). For ℓ0, and where G_jj ≤ λ·bend, a
    coordinate splits into 0 and "large" (Ω flat); otherwise intervals are split at points.

    Parameters
    ----------
    X : array_like, shape (n, d)
        Linearly independent columns, unless `box` or `ridge` is given or the penalty is l0; d up to about 30.
    y : array_like, shape (n,)
    penalty : catalogue entry, Duality, FoldedShape or CurvedShape
        l0, mcp, cel0, scad, capped_l1 or another penalty that is flat beyond a point; or one that bends less and
        less, such as log_sum, exponential and transformed_l1. The verdict then is "checked": the rounding of Ω was
        sampled, not bounded.
    lam : float
        λ > 0.
    fit_intercept : bool
        Whether an unpenalised constant is part of the model.
    sample_weight : array_like, shape (n,), optional
        Nonnegative weights multiplying the terms of the loss.
    box : float, optional
        Search |w_j| ≤ box only; the certificate then says so.
    ridge : float
        ρ ≥ 0 of a further term ½ρ‖w‖², which also makes dependent columns tractable without a box.
    gap : float
        Objective − lower bound at which the search stops, relative to the objective at w = 0.
    time_limit : float
        Seconds; afterwards the bound reached so far is returned with its certificate.
    progress : callable
        Called with (nodes, objective, lower bound) after every batch.

    Returns
    -------
    GlobalOptimum

    Raises
    ------
    InputError
        For unusable data, a penalty of another shape, or dependent columns where no bound is known.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> found = global_minimum(np.eye(3), [3.0, 1.0, 0.5], penalties["l0"](kappa=1), 1.0)
    >>> found.coef, found.objective, found.verdict.status
    (array([3., 0., 0.]), 1.625, 'certified')
    """
    if not (np.isfinite(gap) and gap > 0):
        raise InputError(f"gap = {gap}", "must be a positive number", "pass e.g. gap=1e-9")
    if not time_limit > 0:
        raise InputError(f"time_limit = {time_limit}", "must be a positive number of seconds", "pass e.g. 60")
    posed = pose_globally(X, y, penalty, lam, fit_intercept, sample_weight, box, ridge)
    search = _Search(posed, gap * posed.scale, time.monotonic() + time_limit)
    status = search.run(progress)
    certificate = search.frontier.certificate()
    verdict, bound = verdict_of(posed, certificate, search.best, gap)
    if status is GlobalStatus.PROVED and not verdict.holds:
        status = GlobalStatus.ROUNDING
    intercept = posed.y_mean - float(posed.X_mean @ search.best)
    nodes = len(certificate.children)
    return GlobalOptimum(search.best, intercept, search.value, bound, nodes, status, verdict, certificate)


@final
class _Search:
    """The state of one search."""

    def __init__(self, posed: Posed, allowed: float, deadline: float) -> None:
        self.posed, self.allowed, self.deadline = posed, allowed, deadline
        d = len(posed.data.linear)
        self.frontier = Frontier(d, posed.radius)
        self.best, self.value = np.zeros(d), posed.data.constant / 2
        self.zero_or_large = np.isfinite(posed.zero_or_large_loss)
        self.stuck = False
        self.rank = posed.data.linear**2 / np.diag(posed.data.gram)
        self.offer(starts(posed.data, 0, STARTS))
        first = first_diagonal(posed.data.gram, np.zeros(d, dtype=bool))
        self.frontier.diagonals.append(np.zeros(d) if first is None else first)

    def offer(self, points: "NDArray[np.float64]") -> None:
        """Improve some points and keep the best."""
        p = self.posed
        found = improve(p.data, p.shape, p.lam, points, p.radius)
        values = objective(p.data, p.shape, p.lam, found)
        k = int(np.argmin(values))
        if values[k] < self.value:
            best = polished(p.data, p.shape, p.lam, found[k], p.radius)
            self.best, self.value = best, float(objective(p.data, p.shape, p.lam, best[None])[0])

    def run(self, progress: Callable[[int, float, float], None]) -> GlobalStatus:
        """Split open nodes, lowest bounds first, until none is left or time is up."""
        f = self.frontier
        while (rows := f.lowest(BATCH)).size:
            if time.monotonic() > self.deadline:
                break
            self.treat(rows)
            alive = f.open[: f.count]
            progress(f.count, self.value, float(f.bound[: f.count][alive].min()) if alive.any() else self.value)
        timed_out = bool(f.open[: f.count].any())
        return GlobalStatus.TIME if timed_out else GlobalStatus.ROUNDING if self.stuck else GlobalStatus.PROVED

    def treat(self, rows: "NDArray[np.int64]") -> None:
        """Bound some nodes, close those that cannot hold a better point, split the others."""
        f, p = self.frontier, self.posed
        first = f.count == 1
        rows = self.look(rows)
        for sweeps in SWEEPS:
            rows = self.relax(rows, sweeps)
        if first and rows.size:
            for _ in range(ROOT_ROUNDS):
                self.refresh(rows, 40)
        due = rows[f.depth[rows] % REFRESH == 0]
        if due.size and not first:
            self.refresh(due, 12)
        rows = rows[f.open[rows]]
        if not rows.size:
            return
        self.offer(f.point[rows[np.argsort(f.bound[rows])[:8]]])
        rows = self.close(rows)
        if not rows.size:
            return
        boxes, delta = f.boxes(rows), f.delta(rows)
        gaps = bounds(p.data, p.shape, p.lam, boxes, delta, f.point[rows]).gaps
        _, env = descend(p.data, p.shape, p.lam, boxes, delta, f.point[rows], 0)
        for k, row in enumerate(rows):
            self.branch(int(row), gaps[k], env.gap[:, :, :, k])

    def look(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Return the nodes that have a bound of their own; split the others, whose columns are dependent.

        Without a box nothing but the price of its large coordinates bounds such a node.
        """
        f, p = self.frontier, self.posed
        if np.isfinite(p.radius):
            return rows
        twice = p.redundant(f.large[rows])
        f.bound[rows[twice]], f.open[rows[twice]] = np.inf, False
        rows = rows[~twice]
        for row in rows[f.blind(rows)]:
            gone, large = (f.low[row] == 0) & (f.high[row] == 0), f.large[row]
            least = first_diagonal(p.data.gram, gone)
            if least is not None and proves_semidefinite(p.data, least):
                f.diagonal[row] = len(f.diagonals)
                f.diagonals.append(least)
                continue
            f.bound[row] = p.lam * p.shape.height * large.sum() * (1 - 1e-15)
            undecided = np.flatnonzero(~gone & ~large)
            if not self.close(np.array([row])).size:
                continue
            if len(undecided):
                f.split(int(row), int(undecided[np.argmax(self.rank[undecided])]), ZERO_OR_LARGE, 0.0)
            else:
                f.open[row], self.stuck = False, True
        return rows[~f.blind(rows)]

    def branch(self, row: int, gaps: "NDArray[np.float64]", stretches: "NDArray[np.float64]") -> None:
        """Split a node at the coordinate with the largest gap that can be split, or leave it as a leaf."""
        f = self.frontier
        for j in np.argsort(-gaps):
            low, high, point = (float(array[row, j]) for array in (f.low, f.high, f.point))
            found = place(self.posed.shape, low, high, point, stretches[:, :, j], bool(f.large[row, j]),
                          bool(self.zero_or_large[j]))  # fmt: skip
            if found is not None:
                f.split(row, int(j), *found)
                return
        f.open[row], self.stuck = False, True

    def relax(self, rows: "NDArray[np.int64]", sweeps: int) -> "NDArray[np.int64]":
        """Move the points of some nodes towards the relaxed minimisers, and return the nodes still open."""
        if not rows.size:
            return rows
        f, p = self.frontier, self.posed
        boxes, delta = f.boxes(rows), f.delta(rows)
        point, _ = descend(p.data, p.shape, p.lam, boxes, delta, f.point[rows], sweeps)
        found = bounds(p.data, p.shape, p.lam, boxes, delta, point)
        value = found.value - found.error
        better = value > f.bound[rows]
        f.point[rows[better]], f.bound[rows[better]] = point[better], value[better]
        return self.close(rows)

    def close(self, rows: "NDArray[np.int64]") -> "NDArray[np.int64]":
        """Close the nodes whose bound reaches the best value less the allowed gap, and return the others."""
        f = self.frontier
        done = f.bound[rows] >= self.value - 0.9 * self.allowed
        f.open[rows[done]] = False
        return rows[~done]

    def refresh(self, rows: "NDArray[np.int64]", steps: int) -> None:
        """Give nodes a diagonal that suits their relaxed minimisers, where it raises their bounds."""
        f, p = self.frontier, self.posed
        boxes, old = f.boxes(rows), f.delta(rows)
        gone = boxes.gone
        start = np.where(gone, np.inf, old)
        for k in np.flatnonzero((start <= 0).any(axis=1)):
            least = first_diagonal(p.data.gram, gone[k])
            if least is not None:
                start[k] = least
        able = np.asarray(((start > 0) & (np.isfinite(start) | gone)).all(axis=1) & ~gone.all(axis=1))
        rows, boxes, gone, start, old = rows[able], boxes.take(able), gone[able], start[able], old[able]
        if not rows.size:
            return
        point, env = descend(p.data, p.shape, p.lam, boxes, old, f.point[rows], 20)
        gain = env.variance(point.T).T
        gain = gain + 1e-3 * gain.max(axis=1, keepdims=True) + 1e-12
        delta = best_diagonal(p.data.gram, gain, gone, start, steps)
        fine = np.asarray(np.isfinite(np.where(gone, 0.0, delta)).all(axis=1) & (delta > 0).all(axis=1))
        delta = np.where(fine[:, None], delta, old)
        point, _ = descend(p.data, p.shape, p.lam, boxes, delta, point, 40)
        found = bounds(p.data, p.shape, p.lam, boxes, delta, point)
        value = found.value - found.error
        for k in np.flatnonzero(value > f.bound[rows]):
            # why: a leaf may only rest on a diagonal whose proof goes through
            if not proves_semidefinite(p.data, delta[k]):
                continue
            f.diagonal[rows[k]] = len(f.diagonals)
            f.diagonals.append(delta[k])
            f.point[rows[k]], f.bound[rows[k]] = point[k], value[k]
        self.close(rows)
