"""Descent for vector duals of which only Ω and η̂ are known: reweighted ridge, Newton by differences, released zeros."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.reweighted import ridge_step
from etatrick.numerics.vector_problem import VectorProblem
from etatrick.theory.vector.mixtures import JointMap, ScaleMixture

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

DIFFERENCE: Final = 1e-5  # relative steps, which leave ten digits of a derivative
SWEEPS: Final = 10
NEWTON: Final = 30
ROUNDS: Final = 60
FLATTEST: Final = 1e-12
FARTHEST: Final = 100.0  # times the largest weight of a column alone
TRIMMED: Final = 1e-6  # scales that small, relative to the largest, are tried at 0


def bend(posed: VectorProblem, coef: "Floats", support: "NDArray[np.intp]") -> "Floats":
    """Return the Hessian of Ω in the coordinates of the support, by central differences of w/η̂."""
    steps = DIFFERENCE * np.abs(coef[support])
    if isinstance(posed.penalty, ScaleMixture | JointMap):  # sums over coordinates: one difference for all of them
        change = np.zeros_like(coef)
        change[support] = steps
        rise = posed.slope(coef + change) - posed.slope(coef - change)
        return np.diag(rise[support] / (2 * steps))
    result = np.empty((len(support), len(support)))
    for row, (j, step) in enumerate(zip(support, steps, strict=True)):
        change = np.zeros_like(coef)
        change[j] = step
        rise = posed.slope(coef + change) - posed.slope(coef - change)
        result[row] = rise[support] / (2 * step)
    return (result + result.T) / 2


def newton(posed: VectorProblem, coef: "Floats") -> "Floats":
    """Return the end of Newton steps on the support that do not raise the objective, with weights set to 0 on the way.

    Where the Hessian is not positive definite, its eigenvalues are replaced by their absolute values.
    """
    value, size = posed.objective(coef), np.inf
    for _ in range(NEWTON):
        support = np.flatnonzero(coef)
        if not 0 < len(support) <= 2 * len(posed.y):
            break
        X = posed.X[:, support]
        uphill = posed.descent(coef)[support] - posed.lam * posed.slope(coef)[support]
        found = float(np.abs(uphill).max())
        if found >= size / 2 and size <= 1e-9 * posed.scale:
            break
        size = found
        values, axes = np.linalg.eigh(X.T @ X + posed.lam * bend(posed, coef, support))
        step = np.zeros_like(coef)
        step[support] = axes @ (axes.T @ uphill / np.maximum(np.abs(values), FLATTEST * np.abs(values).max()))
        lower = _lower(posed, coef, step, value)
        if lower is None:
            break
        coef, value = lower
    return coef


def _lower(posed: VectorProblem, coef: "Floats", step: "Floats", value: float) -> "tuple[Floats, float] | None":
    """Return a point along the step that is not higher, if need be as far as the first weight that becomes 0."""
    step = step * min(1.0, FARTHEST * float(posed.reach.max()) / max(float(np.abs(step).max()), 1e-300))
    with np.errstate(divide="ignore", invalid="ignore"):
        crossing = np.where((coef + step) * coef < 0, -coef / step, np.inf)
    first = float(crossing.min())
    moves = [coef + step]
    if first < 1:
        moves.append(np.where(crossing == first, 0.0, coef + first * step))
    moves += [coef + part * min(first, 1.0) * step for part in (0.5, 0.1, 0.01)]
    for moved in moves:
        reached = posed.objective(moved)
        if reached <= value + 1e-14 * (1 + abs(value)):
            return moved, reached
    return None


def descend(posed: VectorProblem, start: "Floats", tol: float) -> "tuple[Floats, list[float], bool]":
    """Return the point reached, the objective after every step, and whether rounding ended it.

    Reweighted ridge never raises the objective; its weights near 0 are tried at 0, its ends by Newton's method, and
    zeros whose gradient exceeds the slope of λΩ are released.
    """
    coef, history, least, idle = start, [posed.objective(start)], np.inf, 0
    for _ in range(ROUNDS):
        for _ in range(SWEEPS):
            coef = ridge_step(posed, np.asarray(posed.penalty.eta_hat_at(coef)))
            history.append(posed.objective(coef))
        for candidate in _trimmed(posed, coef):
            finished = newton(posed, candidate)
            if posed.objective(finished) <= history[-1]:
                coef = finished
                history.append(posed.objective(coef))
                break
        violations = posed.violations(coef)
        worst = float(np.max(violations, initial=0.0)) / posed.scale
        if worst <= tol:
            return coef, history, False
        released = _released(posed, coef, violations)
        if released is not None:
            coef, idle = released, 0
            history.append(posed.objective(coef))
            continue
        idle = 0 if worst < least / 2 else idle + 1
        least = min(least, worst)
        if idle >= 5:
            return coef, history, True
    return coef, history, False


def _trimmed(posed: VectorProblem, coef: "Floats") -> "list[Floats]":
    """Return the weights with small scales at 0 if that does not raise the objective, and as they are."""
    eta = np.asarray(posed.penalty.eta_hat_at(coef))
    finite = eta[np.isfinite(eta)]
    zeros = (eta <= TRIMMED * finite.max(initial=0.0)) & (coef != 0)
    held = posed.held(np.where(zeros, 0.0, coef)) if zeros.any() else np.zeros_like(coef)
    pull = np.abs(posed.descent(np.where(zeros, 0.0, coef)))
    small = zeros & (pull <= posed.lam * held * (1 + 1e-12))
    return [np.where(small, 0.0, coef), coef] if small.any() else [coef]


def _released(posed: VectorProblem, coef: "Floats", violations: "Floats") -> "Floats | None":
    """Return a lower point at which the zero that is held least is not 0, or None."""
    zeros = np.where(coef == 0, violations, 0.0)
    j = int(np.argmax(zeros))
    if zeros[j] <= 1e-9 * posed.scale:
        return None
    size, value = zeros[j] / posed.squares[j], posed.objective(coef)
    for _ in range(40):
        moved = coef.copy()
        moved[j] = np.sign(posed.descent(coef)[j]) * size
        if posed.objective(moved) < value:
            return moved
        size /= 2
    return None
