"""Reweighted ridge as a method of `solve`: the η-trick's descent, with zeros released and the last digits by Newton."""

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Squared, loss_named
from etatrick.numerics.newton import polish
from etatrick.numerics.problem import Problem, problem
from etatrick.numerics.reweighted import reweighted_ridge, ridge_step
from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.working_set.certify import stand, violation
from etatrick.numerics.working_set.fitting import read_start
from etatrick.numerics.working_set.progress import solution_at
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ROUND: Final = 25  # reweighted steps between two attempts to finish with Newton's method
ROUNDS: Final = 400
NEGLIGIBLE: Final = 1e-7  # relative size below which a coordinate is tried at exactly 0


def fit_reweighted(
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
    """Minimise Σ v ½(y − Xw − b − o)² + λ Σ Ω(w_j) by reweighted ridge, in n dimensions where n < d.

    A zero whose gradient exceeds λΩ′(0+) is released, so the iteration's *zero locking* cannot hold it; every few steps
    Newton's method tries to finish on the support found so far.

    Parameters
    ----------
    X, y, penalty, lam, loss, fit_intercept, sample_weight, offset, start, tol
        As for :func:`etatrick.numerics.solve`; X dense, the loss squared, Ω such that η̂ does not decrease. `start` is
        by default the ridge solution with η = 1.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        As `solve`; also for what the method does not take.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> fit_reweighted(np.eye(3), [3.0, 0.5, -2.0], penalties["l1"](k=1), 1.0).coef.round(12) + 0.0
    array([ 2.,  0., -1.])
    """
    if not isinstance(loss_named(loss), Squared):
        raise InputError(f"loss = {loss!r}", "reweighted ridge needs the squared loss", "use method='auto'")
    options: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    posed = problem(X, y, penalty, lam, **options)
    _check_penalty(posed.penalty)
    task = pose_task(X, y, posed.penalty, lam, loss, fit_intercept, sample_weight, offset)
    d = task.design.shape[1]
    first = ridge_step(posed, np.ones(d)) if start is None else read_start(start, d)
    coef, history, ending = _Descent(posed, task, tol).run(first)
    standing = stand(task, coef, posed.y_mean - float(posed.X_mean @ coef))
    return solution_at(task, standing, ending, tuple(history), tol, slack=1.0)


class _Descent:
    """The steps on one problem."""

    def __init__(self, posed: Problem, task: Task, tol: float) -> None:
        self.posed, self.task, self.bound = posed, task, tol * posed.scale

    def run(self, coef: "Floats") -> "tuple[Floats, list[float], Status]":
        """Descend by reweighted ridge; every few steps try to finish on the support found so far."""
        posed = self.posed
        history = [posed.objective(coef)]
        for _ in range(ROUNDS):
            finished = self.finished(coef)
            if finished is not None:
                return finished, [*history, posed.objective(finished)], Status.STATIONARY
            released = self.released(coef)
            if released is not None:
                coef = released
                history.append(posed.objective(coef))
            before = coef
            steps = reweighted_ridge(posed, coef)
            for _ in range(ROUND):
                coef = next(steps)
                history.append(posed.objective(coef))
            if released is None and np.array_equal(coef, before):
                return coef, history, Status.STALLED
        return coef, history, Status.LIMIT

    def violations(self, coef: "Floats") -> "Floats":
        return violation(self.task, coef, self.posed.descent(coef))

    def finished(self, coef: "Floats") -> "Floats | None":
        """Return a stationary point on the support of `coef` without its vanishing coordinates, or None."""
        ceiling = self.posed.objective(coef) * (1 + 1e-14) + 1e-300
        for trimmed in self.trimmed(coef):
            for point in (polish(self.posed, trimmed), trimmed):
                if point is None or self.posed.objective(point) > ceiling:
                    continue
                if float(np.max(self.violations(point), initial=0.0)) <= self.bound:
                    return point
        return None

    def trimmed(self, coef: "Floats") -> "Iterator[Floats]":
        """Yield guesses of the support: without tiny weights; without those whose own axis has its minimum at 0."""
        posed, squares = self.posed, self.posed.squares
        hold = posed.lam * posed.penalty.slope_at_zero * (1 + 1e-9) if posed.lam > 0 else 0.0
        if hold == 0:
            yield coef
            return
        size, descent = np.abs(coef), posed.descent(coef)
        shrinking = np.abs(ridge_step(posed, posed.penalty.eta_hat(coef))) < 0.999 * size
        alone = np.abs(posed.correlation) / np.maximum(squares, 1e-300) * (squares > 1e-300)
        largest = max(size.max(initial=0.0), 1e-6 * float(np.max(alone)))
        small = (size <= NEGLIGIBLE * largest) | (shrinking & (size < 1e-2 * largest))
        yield np.where(small & (np.abs(descent) < hold), 0.0, coef)
        if posed.penalty.convex:
            yield np.where(np.abs(descent + squares * coef) <= hold, 0.0, coef)

    def released(self, coef: "Floats") -> "Floats | None":
        """Move the zero coordinates with excess gradient off 0, along it, as far as the objective falls."""
        posed, squares = self.posed, self.posed.squares
        excess = np.where(coef == 0, self.violations(coef), 0.0)
        if float(excess.max(initial=0.0)) <= self.bound:
            return None
        step = np.sign(posed.descent(coef)) * excess / np.where(squares > 0, squares, 1.0)
        before = posed.objective(coef)
        for _ in range(60):
            if posed.objective(coef + step) < before:
                return coef + step
            step = step / 2
        return None


def _check_penalty(penalty: ScalarPenalty) -> None:
    """Refuse what reweighted ridge cannot descend on: Ω(0+) = −∞, or η̂ that falls somewhere."""
    formula = penalty.formula
    if not np.isfinite(penalty.value(np.zeros(1))[0]):
        raise InputError(formula, "is −∞ at w = 0, so no minimum exists", "use log(1 + w/epsilon) with epsilon > 0")
    weight = penalty.eta_hat(np.geomspace(1e-6, 1e3, 200))
    with np.errstate(invalid="ignore"):
        if (weight[1:] < weight[:-1] * (1 - 1e-9)).any():
            raise InputError(formula, "is superquadratic: reweighted ridge needs η̂ nondecreasing",
                             "use a penalty for which w/Ω′(w) does not decrease, or method='auto'")  # fmt: skip
