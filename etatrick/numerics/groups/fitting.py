"""`fit_groups`: one linear or generalised linear model with a penalty on groups of weights."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.numerics.groups.charges import IDENTITY, Charge
from etatrick.numerics.groups.descent import descend
from etatrick.numerics.groups.gathered import Gathered
from etatrick.numerics.groups.posing import GroupTask, pose_groups
from etatrick.numerics.solution import Solution
from etatrick.numerics.working_set.curve import Curve, Shifted
from etatrick.numerics.working_set.fitting import check_tol, read_start, solve_task

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SHIFTS = 10  # stages of the continuation in ε
SHRINK = 0.3
COARSE = 1e-4  # tolerance of the stages before the last


def fit_groups(
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
    r"""Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Ω(w) for a penalty on groups of weights.

    A working set of groups; on it, quadratic models of the loss and convex majorants of the penalty, minimised by
    proximal steps that find the face and Newton steps on it, where the Hessian of c‖w_g‖ is c(I − uuᵀ)/‖w_g‖. Convex
    penalties are solved to a relative duality gap of `tol`; others to a stationary point, with the zeros tested,
    that is never worse than `start`.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        Used where it is; a sparse one is never made dense.
    y : array_like, shape (n,)
    penalty : SparseGroupLasso, NonconvexSparseGroups, Groups or L1MinusL2
        Ω; :class:`etatrick.theory.vector.Groups` with l1, elastic_net or a concave penalty of the group lengths.
    lam : float
        λ ≥ 0; the loss is a sum, not a mean.
    loss : str or Loss
        Squared, logistic, Poisson, Gamma or Huber.
    fit_intercept : bool
        Whether to fit b, which is not penalised; otherwise b = 0.
    sample_weight, offset : array_like, shape (n,), optional
        v ≥ 0 and o.
    start : array_like, shape (d,), optional
        Where to start; 0 by default.
    tol : float
        See above; > 0.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        For bad data, λ < 0, an unknown loss, groups that are not those of the columns, or a penalty that holds no
        group at 0.

    Examples
    --------
    >>> from etatrick.numerics.groups.fitting import fit_groups
    >>> from etatrick.numerics.groups.penalties import SparseGroupLasso
    >>> found = fit_groups(np.eye(3), [3.0, 4.0, 0.5], SparseGroupLasso([[0, 1], [2]], weights=[1, 1]), 1.0)
    >>> found.coef.round(12)
    array([2.4, 3.2, 0. ])
    >>> found.status.name, found.relative_gap < 1e-12
    ('OPTIMAL', True)
    """
    check_tol(tol)
    problem = pose_groups(X, y, penalty, lam, loss, fit_intercept, sample_weight, offset)
    w = read_start(start, len(problem.order))
    return solve_groups(problem, w[problem.order], float(tol), Gathered(problem))


def solve_groups(problem: GroupTask, w: "Floats", tol: float, gathered: Gathered) -> Solution:
    """Minimise from `w`, in the order of the problem; where a concave charge ends at 0 or locks zeros, also by stages.

    Parameters
    ----------
    problem : GroupTask
    w : ndarray, shape (d,)
    tol : float
    gathered : Gathered
        Columns of an earlier fit of the same data.
    """
    if problem.charge.lam == 0:
        return solve_task(replace(problem.task, lam=0.0, curve=IDENTITY), problem.told(w), tol)
    b = problem.task.null[0]
    found = [descend(problem, w, b, tol, gathered)]
    curved = not (problem.charge.among.convex and problem.charge.within.convex)
    if curved and (problem.charge.locking or not found[0].coef.any()):
        found.append(_continued(problem, tol, gathered))
    return min(found, key=lambda fit: fit.objective)


def _continued(problem: GroupTask, tol: float, gathered: Gathered) -> Solution:
    """Follow φ(r + ε) − φ(ε) from a large ε, where it is nearly r, down to ε = 0."""
    task, charge = problem.task, problem.charge
    bends = task.design.squares(task.curvature(task.null[1]))[problem.order]
    size = float((np.abs(problem.null_pull) / np.where(bends > 0, bends, np.inf)).max()) or 1.0
    size *= float(np.sqrt(charge.blocks.sizes.max()))
    w, b, epsilon = np.zeros(len(problem.order)), task.null[0], 2 * size
    for _ in range(SHIFTS):
        stage = descend(problem.under(_shifted(charge, epsilon)), w, b, COARSE, gathered)
        w, b, epsilon = stage.coef[problem.order], stage.intercept, SHRINK * epsilon
    return descend(problem, w, b, tol, gathered)


def _shifted(charge: Charge, epsilon: float) -> Charge:
    def seen(curve: Curve) -> Curve:
        return curve if curve.convex else Shifted.of(curve, epsilon)

    return replace(charge, among=seen(charge.among), within=seen(charge.within))
