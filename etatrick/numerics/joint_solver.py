"""The minimiser for a joint penalty: descend, finish by Newton's method on the support, certify."""

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Final, TypeAlias

import numpy as np

from etatrick.numerics.accelerated import accelerated, proximal_points
from etatrick.numerics.certificates import joint_certificate, joint_gap, joint_violations
from etatrick.numerics.newton import polish_jointly
from etatrick.numerics.problem import JointProblem
from etatrick.numerics.reweighted import reweighted_ridge, ridge_step
from etatrick.numerics.solution import Solution, Status

if TYPE_CHECKING:
    from numpy.typing import NDArray

Descent: TypeAlias = "Callable[[JointProblem, NDArray[np.float64]], Iterator[NDArray[np.float64]]]"
Phase: TypeAlias = tuple[Descent, int, int]


def reweighted_afresh(problem: JointProblem, start: "NDArray[np.float64]") -> "Iterator[NDArray[np.float64]]":
    """Yield reweighted ridge steps from η = 1: no zero is locked, and the scale of a column does not matter."""
    return reweighted_ridge(problem, ridge_step(problem, np.ones_like(start)))


LEFT: Final = 10.0  # times N*(Xᵀy)²/‖y‖²
NEGLIGIBLE: Final = 1e-7  # scales that small, relative to the largest, are tried at 0
AUTO: Final[Sequence[Phase]] = (
    (accelerated, 5, 1),
    (accelerated, 20, 2),
    (proximal_points, 1, 20),
    (reweighted_afresh, 20, 5),
    (proximal_points, 1, 20),
    (accelerated, 100, 100),
)
"""Steps, how many between two attempts to finish, and how many attempts; one after the other."""
REWEIGHTED: Final[Sequence[Phase]] = ((reweighted_ridge, 20, 500),)


def minimise_jointly(
    problem: JointProblem, start: "NDArray[np.float64]", tol: float, phases: Sequence[Phase] = AUTO
) -> Solution:
    """Descend from `start` until a point on the support found so far is a minimiser, and certify it.

    Ill-conditioned problems pass through several kinds of steps; the history holds the best objective so far.

    Parameters
    ----------
    problem : JointProblem
    start : ndarray, shape (d,)
    tol : float
        Relative KKT residual and duality gap to reach.
    phases : sequence of (steps, int, int)
        :data:`AUTO` or :data:`REWEIGHTED`.

    Returns
    -------
    Solution
    """
    coef, history, status = start, [problem.objective(start)], Status.LIMIT
    if problem.lam == 0:
        coef, phases = ridge_step(problem, np.ones_like(start)), ()
        history.append(problem.objective(coef))
    for descent, length, rounds in phases:
        steps, best = descent(problem, coef), coef
        for _ in range(rounds):
            before = coef
            for _ in range(length):
                coef = next(steps)
                history.append(min(history[-1], problem.objective(coef)))
            finished = _finished(problem, coef, tol)
            if finished is not None or np.array_equal(coef, before):
                break
        if finished is not None:
            coef = finished
            history.append(problem.objective(coef))
            break
        stalled = np.array_equal(coef, before)
        status = Status.STALLED if stalled else Status.LIMIT
        coef = min(best, coef, key=problem.objective)
    proof = joint_certificate(problem, coef)
    if proof.relative_gap is not None and proof.relative_gap <= tol:
        status = Status.OPTIMAL
    elif proof.relative_kkt <= tol:
        status = Status.STATIONARY
    intercept = problem.y_mean - float(problem.X_mean @ coef)
    return Solution(coef, intercept, problem.objective(coef), proof, status, len(history) - 1, tuple(history))


def joint_path_start(problem: JointProblem) -> float:
    """Return a λ at which little is left: half a squared norm N holds the weights at 0 for no λ.

    The minimum is at least ½‖y‖² − N*(Xᵀy)²/(2λ): at λ = 10 N*(Xᵀy)²/‖y‖² at most a tenth of ½‖y‖² is explained.
    """
    energy = float(problem.y @ problem.y)
    return LEFT * 2 * problem.penalty.conjugate(problem.correlation) / energy if energy > 0 else 0.0


def _finished(problem: JointProblem, coef: "NDArray[np.float64]", tol: float) -> "NDArray[np.float64] | None":
    """Return a minimiser to within the tolerance on a support: after a proximal step, as it is, or trimmed; or None."""
    ceiling = problem.objective(coef) * (1 + 1e-14) + 1e-300
    bound = 2 * problem.steepness or 1.0
    shrunk = problem.penalty.prox(coef + problem.descent(coef) / bound, problem.lam / bound)
    eta = problem.penalty.eta_hat(coef)
    trimmed = np.where(eta <= NEGLIGIBLE * eta.max(initial=0.0), 0.0, coef)
    supports = {np.sign(guess).tobytes(): guess for guess in (trimmed, coef, shrunk)}
    for guess in reversed(supports.values()):
        for point in (polish_jointly(problem, guess), guess):
            if point is None or problem.objective(point) > ceiling:
                continue
            small = _violation(problem, point) <= tol * problem.scale
            if small and joint_gap(problem, point) <= tol * problem.objective(np.zeros_like(point)):
                return point
    return None


def _violation(problem: JointProblem, coef: "NDArray[np.float64]") -> float:
    return float(np.max(joint_violations(problem, coef), initial=0.0))
