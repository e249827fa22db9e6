"""Majorise–minimise: a concave penalty by its tangents in |w|, each model a weighted lasso solved by a working set."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.curve import Compiled, Curve, Shifted, read_curve
from etatrick.numerics.working_set.fitting import check_tol, read_start, solve_task
from etatrick.numerics.working_set.least_squares import worst_violators
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.quadratic import sparse_quadratic
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

OUTER: Final = 2000
INNER: Final = 60
HALVINGS: Final = 40
FIRST: Final = 20  # smallest number of columns to add to a working set
ROUNDING: Final = 4e-15
SHIFTS, SHRINK = 8, 0.25  # continuation in ε where Ω′(0+) = ∞, which would hold every zero for ever
PROBES: Final = np.geomspace(1e-9, 1e9, 4001)


def majorize_minimize(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    r"""Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(|w_j|) for Ω concave on w ≥ 0, by convex models.

    .. math:: w \leftarrow \arg\min_u \textstyle\sum_i v_i \ell(y_i, x_i^T u + b) + \lambda \sum_j \Omega'(|w_j|)\,|u_j|

    The tangents lie above Ω, so that every step descends (Zou, Li 2008; Candès, Wakin, Boyd 2008). A convex Ω is its
    own model: then the result is that of the working set. Where Ω′(0+) = ∞, or all weights end at 0, a second descent
    starts from Ω(|w| + ε) − Ω(ε) with ε falling to 0, and the lower of the two is returned.

    Parameters
    ----------
    X, y, penalty, lam, loss, fit_intercept, sample_weight, offset, start, tol
        As for :func:`etatrick.numerics.working_set.fitting.fit`.

    Returns
    -------
    Solution
        Its history never increases.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.working_set.fitting.fit`; also for a penalty that is neither convex nor concave on
        w ≥ 0: its tangents do not lie above it.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> majorize_minimize(np.eye(2), [3.0, 0.5], penalties["mcp"](A=2), 1.0).coef
    array([3., 0.])
    """
    check_tol(tol)
    task = pose_task(X, y, read_curve(penalty), lam, loss, fit_intercept, sample_weight, offset)
    w = read_start(start, task.design.shape[1])
    if task.curve.convex or task.lam == 0:
        return solve_task(task, w, float(tol))
    _check_concave(task.curve)
    found = [_majorized(task, w, task.best_intercept(w), float(tol), OUTER)]
    if not np.isfinite(task.curve.start) or not found[0].coef.any():
        found.append(_majorized(task, *_continued(task), float(tol), OUTER))
    return min(found, key=lambda solution: solution.objective)


def _majorized(task: Task, w: "Floats", b: float, tol: float, outer: int) -> Solution:
    progress = Progress(task, tol)
    standing = stand(task, w, b)
    ending, taken = progress.record(standing), 0
    while ending is None and taken < outer:
        for _ in range(1 + taken // 5):  # models between two certificates: progress may be slow
            hold = task.lam * task.curve.slope(standing.w)
            goal = max(min(0.05 * standing.kkt, 1e-3 * task.scale), 0.05 * tol * task.scale)
            standing = stand(task, *Model(task, hold).minimised(standing.w, standing.b, goal))
            taken += 1
        ending = progress.record(standing)
    return progress.fit(ending or Status.LIMIT)


def _continued(task: Task) -> "tuple[Floats, float]":
    """Return where a few steps for each of some Ω(|w| + ε) − Ω(ε) lead, ε falling from where it is nearly |w|."""
    bends = task.design.squares(task.curvature(task.null[1]))
    epsilon = 2 * float((np.abs(task.null_pull) / np.where(bends > 0, bends, np.inf)).max()) or 1.0
    w, b = np.zeros(task.design.shape[1]), task.null[0]
    for _ in range(SHIFTS):
        found = _majorized(task.under(Shifted.of(task.curve, epsilon)), w, b, 1e-3, 5)
        w, b, epsilon = found.coef, found.intercept, SHRINK * epsilon
    return w, b


def _check_concave(curve: Curve) -> None:
    """Refuse a curve whose slope rises somewhere: a tangent there cuts through it."""
    slope = curve.slope(PROBES)
    if curve.start > 0 and (np.diff(slope) <= 1e-9 * np.maximum(slope[:-1], 1e-300)).all():
        return
    formula = curve.penalty.formula if isinstance(curve, Compiled) else repr(curve)
    raise InputError(formula, "is neither convex nor concave in |w|, so tangents do not lie above it",
                     "use method='working_set' or 'reweighted_ridge'")  # fmt: skip


@final
@dataclass(frozen=True, eq=False)
class Model:
    """A data term with a weighted lasso: Σ v ℓ + Σ_j t_j|w_j|, convex, with t_j = ∞ where a weight stays 0."""

    task: Task
    hold: "Floats"

    def charge(self, w: "Floats") -> float:
        """Return Σ t_j|w_j|."""
        used = w != 0
        return float(self.hold[used] @ np.abs(w[used]))

    def excess(self, w: "Floats", pull: "Floats") -> "Floats":
        """Return the violation of stationarity per coordinate."""
        with np.errstate(invalid="ignore"):
            inside = np.abs(pull - self.hold * np.sign(w))
            return np.where(w != 0, inside, np.maximum(np.abs(pull) - self.hold, 0.0))

    def minimised(self, w: "Floats", b: float, goal: float) -> "tuple[Floats, float]":
        """Return the minimiser to a violation of `goal`, from (w, b), by quadratic models on a working set."""
        task = self.task
        theta = task.predictor(w, b)
        value = task.data_term(theta) + self.charge(w)
        goal = max(goal, ROUNDING * task.scale)
        for _ in range(INNER):
            residual = task.residual(theta)
            pull = task.design.correlate(residual)
            excess = self.excess(w, pull)
            balance = float(residual.sum()) if task.intercept else 0.0
            if max(float(excess.max()), abs(balance)) <= goal:
                break
            support = np.flatnonzero(w)
            outside = np.where(w == 0, excess, 0.0)
            chosen = np.sort(np.r_[support, worst_violators(outside, max(FIRST, 2 * len(support)))])
            dw, db = self._step(w, theta, pull, balance, chosen, 0.1 * goal)
            change = np.asarray(task.design.matrix[:, chosen] @ dw[chosen], dtype=np.float64) + db
            slack, size = 4e-16 * (abs(value) + float(task.weights.sum())), 1.0
            for _ in range(HALVINGS):
                there = task.data_term(theta + size * change) + self.charge(w + size * dw)
                if there <= value + slack:
                    break
                size /= 2
            else:
                break
            w, b, theta, value = w + size * dw, b + size * db, theta + size * change, there
        return w, b

    def _step(
        self, w: "Floats", theta: "Floats", pull: "Floats", balance: float, chosen: "NDArray[np.intp]", goal: float
    ) -> "tuple[Floats, float]":
        """Return the step to the minimum of the quadratic model over some columns."""
        task = self.task
        D = task.curvature(theta)
        part = task.design.columns(chosen)
        mean = (D @ part) / D.sum() if task.intercept else np.zeros(len(chosen))
        scaled = (part - mean) * np.sqrt(D)[:, None]
        H = scaled.T @ scaled
        here = w[chosen]
        force = pull[chosen] - mean * balance
        z = sparse_quadratic(H.copy(), H @ here + force, self.hold[chosen], here, goal)
        dw = np.zeros_like(w)
        dw[chosen] = z - here
        return dw, balance / float(D.sum()) - float(mean @ dw[chosen]) if task.intercept else 0.0
