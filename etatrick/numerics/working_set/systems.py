"""Newton's linear systems on all coordinates, in n dimensions where d > n."""

from collections.abc import Callable
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

DAMPING = 1e-11  # of the mean squared column: keeps singular systems solvable without moving the solution


def newton_step(
    task: "Task", D: "Floats", diagonal: "Floats", force: "Floats", balance: float
) -> "tuple[Floats, float] | None":
    """Return the step in w and b against minus the gradients `force` and `balance`, None without a positive system.

    Parameters
    ----------
    task : Task
    D : ndarray, shape (n,)
        Curvatures of the data term.
    diagonal, force : ndarray, shape (d,)
        What the penalty adds to the Hessian, and minus the gradient in w.
    balance : float
        Minus the gradient in b; not used without an intercept.
    """
    solve = _solver(task, D, diagonal)
    if solve is None:
        return None
    dw = solve(force)
    if not task.intercept:
        return dw, 0.0
    h = task.design.correlate(D)
    side, total = solve(h), float(D.sum())
    db = (balance - float(h @ dw)) / max(total - float(h @ side), 1e-14 * total)
    return dw - db * side, db


def _solver(task: "Task", D: "Floats", diagonal: "Floats") -> "Callable[[Floats], Floats] | None":
    """Return r ↦ (XᵀDX + diag)⁻¹r, through an n × n matrix where d > n (Woodbury); None where it is not positive."""
    from scipy.linalg import LinAlgError, cho_factor, cho_solve, lu_factor, lu_solve

    n, d = task.design.shape
    least = DAMPING * (float(task.design.squares(D).mean()) or 1.0)
    damped = np.where(np.abs(diagonal) < least, least, diagonal)
    if d <= n:
        H = task.design.gram(D, np.zeros(d))
        H.flat[:: d + 1] += damped
        try:
            factor = cho_factor(H, lower=True, check_finite=False)
        except LinAlgError:
            return None
        return lambda r: np.asarray(cho_solve(factor, r, check_finite=False), dtype=np.float64)
    root = np.sqrt(D)
    M = root[:, None] * task.design.outer(1 / damped) * root
    M.flat[:: n + 1] += 1
    pivots = lu_factor(M, check_finite=False)  # Ω″ < 0 makes M indefinite
    matrix = task.design.matrix

    def solve(r: "Floats") -> "Floats":
        inner = lu_solve(pivots, root * np.asarray(matrix @ (r / damped)), check_finite=False)
        return np.asarray((r - task.design.correlate(root * inner)) / damped, dtype=np.float64)

    return solve
