"""Proximal gradient for any loss and penalty: accelerated with restarts where convex, plain and monotone where not."""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.curve import Affine, read_prox_curve
from etatrick.numerics.working_set.fitting import check_tol, read_start, solve_task
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

STEPS: Final = 200_000
FIRST: Final = 20  # steps before the first certificate; later a tenth of those taken
POWER_STEPS: Final = 30
ROUNDING: Final = 1e-15
COARSE: Final = 1e-4


def proximal_gradient(
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
    r"""Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(|w_j|) by proximal gradient steps.

    .. math:: w \leftarrow \operatorname{prox}_{\lambda\Omega/L}\big(u - \nabla/L\big)

    with 1/L halved where the data term bends more along the step than L says, and b at its best for every w. For a
    convex penalty u is extrapolated (Beck, Teboulle 2009) and momentum dropped where the objective would rise
    (O'Donoghue, Candès 2015); otherwise u is the last w, which is iterative thresholding, for ℓ0 too. Where every zero
    is a local minimum, the better of two descents is returned, from 0 and from the ridge solution, unless `start` is
    given.

    Parameters
    ----------
    X, y, lam, loss, fit_intercept, sample_weight, offset, start, tol
        As for :func:`etatrick.numerics.working_set.fitting.fit`.
    penalty : Duality, GateLaw, catalogue entry or PenaltyLike
        Without free parameters and finite at 0, where it may jump.

    Returns
    -------
    Solution
        Its history never increases.

    Raises
    ------
    InputError
        For bad data, λ < 0, an unknown loss, or a penalty that is −∞ at 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> found = proximal_gradient(np.eye(3), [3.0, 0.5, -2.0], penalties["l0"](kappa=1), 1.0)
    >>> found.coef
    array([ 3.,  0., -2.])
    """
    check_tol(tol)
    task = pose_task(X, y, read_prox_curve(penalty), lam, loss, fit_intercept, sample_weight, offset)
    first = read_start(start, task.design.shape[1])
    found = [descend(task, first, float(tol))]
    if start is None and task.lam > 0 and not np.isfinite(task.curve.start):  # zeros are local minima: try from all
        found.append(descend(task, solve_task(task.under(Affine.of(0.0, 1.0)), first, COARSE).coef, float(tol)))
    return min(found, key=lambda solution: solution.objective)


def descend(task: Task, w: "Floats", tol: float) -> Solution:
    """Take proximal gradient steps from `w` until the certificate meets the tolerance or rounding stops progress."""
    progress = Progress(task, tol)
    here = Point.of(task, w)
    steps = proximal_steps(task, here)
    ending = progress.record(stand(task, here.w, here.b, here.theta))
    if not np.isfinite(task.curve.start):  # stationary means little there: zeros always are
        ending = None
    taken, pause = 0, FIRST
    while ending is None and taken <= STEPS:
        for _ in range(pause):
            here = next(steps)
        taken, pause = taken + pause, max(FIRST, (taken + pause) // 10)
        ending = progress.record(stand(task, here.w, here.b, here.theta))
    return progress.fit(ending or Status.LIMIT)


@final
@dataclass(frozen=True, eq=False)
class Point:
    """Weights, their best intercept, predictor and objective."""

    w: "Floats"
    b: float
    theta: "Floats"
    objective: float

    @classmethod
    def of(cls, task: Task, w: "Floats") -> "Point":
        """Return the point of `w`."""
        b = task.best_intercept(w)
        theta = task.predictor(w, b)
        return cls(w, b, theta, task.data_term(theta) + task.charge(w))


def proximal_steps(task: Task, start: Point) -> Iterator[Point]:
    """Yield the points of proximal gradient, without end; the objective never increases beyond rounding.

    Parameters
    ----------
    task : Task
    start : Point

    Yields
    ------
    Point
    """
    bound = _steepness(task, start.theta)
    here = ahead = start
    momentum = 1.0
    while True:
        bound, moved = _step(task, ahead, bound)
        slack = ROUNDING * (abs(here.objective) + float(task.weights.sum()))
        if moved.objective > here.objective + slack:
            if ahead is here:  # rounding: no step descends any more
                yield here
                continue
            ahead, momentum = here, 1.0
            continue
        before, here = here, moved
        if task.curve.convex or task.lam == 0:
            following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
            push, momentum = (momentum - 1) / following, following
            ahead = Point.of(task, moved.w + push * (moved.w - before.w)) if push > 0 else moved
        else:
            ahead = moved
        yield here


def _step(task: Task, ahead: Point, bound: float) -> tuple[float, Point]:
    """Return the proximal step, and L doubled until the data term stays below its quadratic model of that bend."""
    pull = task.design.correlate(task.residual(ahead.theta))
    while True:
        target = ahead.w + pull / bound
        moved = Point.of(task, task.curve.prox(target, task.lam / bound) if task.lam > 0 else target)
        step = moved.w - ahead.w
        change = np.asarray(task.design.matrix @ step, dtype=np.float64)
        if float(_bend(task, ahead.theta, ahead.theta + change) @ change**2) <= bound * float(step @ step) * (1 + 1e-9):
            return bound, moved
        bound *= 2


def _bend(task: Task, theta: "Floats", there: "Floats") -> "Floats":
    """Return the largest curvature of each term between two predictors: ℓ″ is bounded or monotone in θ."""
    if np.isfinite(task.loss.curvature_bound):
        return task.weights * task.loss.curvature_bound
    with np.errstate(over="ignore"):
        ends = np.maximum(task.loss.curvature(task.y, theta), task.loss.curvature(task.y, there))
    return task.weights * np.minimum(ends, 1e300)


def _steepness(task: Task, theta: "Floats") -> float:
    """Return about the largest eigenvalue of XᵀDX at a predictor, from below, by power iteration."""
    D = _bend(task, theta, theta)
    rng = np.random.default_rng(0)
    vector, size = rng.standard_normal(task.design.shape[1]), 0.0
    for _ in range(POWER_STEPS):
        length = float(np.linalg.norm(vector))
        if length == 0:
            break
        vector = task.design.correlate(D * np.asarray(task.design.matrix @ (vector / length)))
        size = float(np.linalg.norm(vector))
    return size or 1.0
