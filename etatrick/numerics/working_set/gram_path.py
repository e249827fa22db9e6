"""A path for the squared loss with n ≥ d: the Gram matrix is built once, and no pass over X is needed afterwards."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.certify import violation
from etatrick.numerics.working_set.quadratic import sparse_quadratic
from etatrick.numerics.working_set.result import Ending, Fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]

ROUNDS = 30
ROUNDING = 3e-15
MANY = 4  # a support of more than a fourth of the columns is cheaper to multiply whole


def fit_gram_path(task: "Task", grid: "Floats", tol: float) -> tuple[Fit, ...]:
    """Fit the lasso or elastic net along decreasing λ > 0 from XᵀVX and XᵀV(y − o) alone.

    Every λ starts from the last solution with the columns that the sequential strong rule keeps (Tibshirani et al.
    2012, J. R. Stat. Soc. B 74, 245–266), and all columns are checked afterwards.

    Parameters
    ----------
    task : Task
        With loss Squared and an Affine curve with positive start.
    grid : ndarray, shape (m,)
        Positive, not increasing.
    tol : float
        Relative duality gap to reach.
    """
    mean = np.zeros(task.design.shape[1])
    if task.intercept:
        mean = task.design.correlate(task.weights) / task.weights.sum()
    G = task.design.gram(task.weights, mean)
    w, pull, previous, fits = np.zeros(len(mean)), task.null_pull, float(grid[0]), []
    for lam in grid:
        found, pull = _fit(task.at(float(lam)), G, mean, w, pull, previous, tol)
        fits.append(found)
        w, previous = found.coef, float(lam)
    return tuple(fits)


def _fit(
    task: "Task", G: "Floats", mean: "Floats", w: "Floats", pull: "Floats", previous: float, tol: float
) -> "tuple[Fit, Floats]":
    """Solve at one λ from the last solution and its Xᵀr; return the fit and its own Xᵀr."""
    start, rate = task.curve.start, float(task.curve.bend(np.zeros(1))[0])
    hold, w = task.lam * start, w.copy()
    history: list[float] = []
    kept = np.flatnonzero((w != 0) | (np.abs(pull) >= (2 * task.lam - previous) * start))
    best, standing = np.inf, _standing(task, w, pull)
    for _ in range(ROUNDS):
        found = kept
        H = G[np.ix_(found, found)]
        H.flat[:: len(found) + 1] += task.lam * rate
        c = pull[found] + H @ w[found] - task.lam * rate * w[found]
        w = w.copy()
        w[found] = sparse_quadratic(H, c, np.full(len(found), hold), w[found], ROUNDING * task.scale)
        pull = _pull(task, G, w)
        objective, gap = _standing(task, w, pull)
        history.append(min([objective, standing[0], *history]))
        outside = np.abs(pull) > hold * (1 + 1e-12)
        outside[found] = False
        if gap <= tol * task.null[3] or (gap >= 0.5 * best and not outside.any()):
            break
        best, kept = min(best, gap), np.union1d(found, np.flatnonzero(outside))
    worst = float(violation(task, w, pull).max())
    ending = Ending.OPTIMAL if gap <= tol * task.null[3] else Ending.STALLED
    b = task.null[0] - float(mean @ w) if task.intercept else 0.0
    fit = Fit(w, b, objective, gap, gap / task.null[3], worst, worst / task.scale, ending is Ending.OPTIMAL,
              len(history), tuple(history), ending)  # fmt: skip
    return fit, pull


def _pull(task: "Task", G: "Floats", w: "Floats") -> "Floats":
    support = np.flatnonzero(w)
    product = G @ w if MANY * len(support) > len(w) else w[support] @ G[support]
    return np.asarray(task.null_pull - product, dtype=np.float64)


def _standing(task: "Task", w: "Floats", pull: "Floats") -> tuple[float, float]:
    """Return the objective and the duality gap at the scaled residual, without the residual itself."""
    support = np.flatnonzero(w)
    on = w[support]
    both = float(on @ (task.null_pull[support] + pull[support]))  # ½‖r‖² = ½‖r₀‖² − ½wᵀ(Xᵀr₀ + Xᵀr)
    loss = max(task.null[2] - 0.5 * both, 0.0)
    charge = task.lam * task.curve.value(on)
    reach = float(np.abs(pull).max()) / task.lam
    s = 1.0 if reach <= task.curve.steepest else task.curve.steepest / reach
    conjugate = task.lam * task.curve.conjugate(np.minimum(s * np.abs(pull) / task.lam, task.curve.steepest)).sum()
    pairing = float((charge - s * on * pull[support]).sum() + conjugate)
    return loss + float(charge.sum()), (1 - s) ** 2 * loss + max(pairing, 0.0)
