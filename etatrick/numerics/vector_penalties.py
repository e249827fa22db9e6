"""`fit_vector_penalty`: least squares with any penalty on whole vectors, solved through its scales."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import finite
from etatrick.numerics.reweighted import ridge_step
from etatrick.numerics.scale_cone_steps import cone_minimum
from etatrick.numerics.scale_cones import scale_cone
from etatrick.numerics.scale_space import ScaleSpace
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.vector_problem import VectorProblem, pose_vector, vector_certificate
from etatrick.numerics.vector_steps import descend
from etatrick.theory.vector.base import check_positive
from etatrick.theory.vector.sparse_bayes import SparseBayes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def fit_vector_penalty(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    """Minimise ½Σv(y − b − o − Xw)² + λΩ(w) for a vector dual of which only Ω and η̂ are needed.

    The norms :class:`etatrick.theory.vector.Ordered` and :class:`etatrick.theory.vector.Overlapping` are solved as
    convex problems in their scales, to a duality gap. Sparse Bayes goes to
    :func:`etatrick.numerics.sparse_bayes.fit_sparse_bayes`. Others descend by reweighted ridge with η = η̂(w), which
    never raises the objective because Ω is a minimum over η, and finish by Newton's method; zeros are released where
    the gradient exceeds the slope of λΩ. They end at a stationary point.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    penalty : VectorDuality
        On vectors, finite everywhere.
    lam : float
        λ ≥ 0.
    fit_intercept : bool
        Whether to fit b, which is not penalised.
    sample_weight, offset : array_like, shape (n,), optional
        v ≥ 0, 1 by default, and o, 0 by default.
    start : array_like, shape (d,), optional
        Where the descent starts, by default the ridge solution with η = 1; norms need none.
    tol : float
        Relative duality gap to reach, where there is none the relative KKT residual.

    Returns
    -------
    Solution
        Its status is STALLED or LIMIT where the tolerance was not reached.

    Raises
    ------
    InputError
        For bad data, and for penalties that are infinite somewhere or take matrices.

    Examples
    --------
    >>> from etatrick.theory.vector.ordered import Ordered
    >>> s = fit_vector_penalty(np.eye(3), [3.0, 0.5, -2.0], Ordered(), 1.0)
    >>> s.status.name, s.coef.round(6).tolist()
    ('OPTIMAL', [2.0, 0.157003, -0.628011])
    """
    check_positive("tol", tol, "the tolerance")
    data: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    if isinstance(penalty, SparseBayes):
        from etatrick.numerics.sparse_bayes import solve_sparse_bayes

        return solve_sparse_bayes(X, y, penalty, lam, **data, start=start, tol=tol)
    posed = pose_vector(X, y, penalty, lam, **data)
    first = None if start is None else _start(start, posed.X.shape[1])
    if posed.lam == 0 or not posed.X.any():
        coef = ridge_step(posed, np.ones(posed.X.shape[1]))
        return _solution(posed, coef, [posed.objective(0 * coef), posed.objective(coef)], tol, True)
    if posed.cone is not None:
        space = ScaleSpace(posed.X, posed.y, posed.lam)
        z, history = cone_minimum(space, posed.cone, float(tol))
        return _solution(posed, space.at(posed.cone.spread(z)).coef, history, tol, True)
    first = ridge_step(posed, np.ones(posed.X.shape[1])) if first is None else first
    return _solution(posed, *_descended(posed, first, float(tol)))


def is_norm(penalty: Any) -> bool:
    """Whether a penalty is a norm that is solved as a convex problem in its scales.

    Examples
    --------
    >>> from etatrick.theory.vector.ordered import Ordered
    >>> is_norm(Ordered())
    True
    """
    return scale_cone(penalty, 1) is not None


def vector_path_start(posed: VectorProblem) -> float:
    """Return the least λ at which all weights are 0: N*(Xᵀy) for norms, otherwise max |x_jᵀy|/Ω′(0+) over j.

    Raises
    ------
    InputError
        If Ω is smooth at 0, so that no λ does.

    Examples
    --------
    >>> from etatrick.theory.vector.ordered import Ordered
    >>> vector_path_start(pose_vector(np.eye(2), [0.0, 2.0], Ordered(), 1.0))  # 2/√2
    1.4142135623730951
    """
    if isinstance(posed.penalty, SparseBayes):
        raise InputError("SparseBayes", "is for one λ, its noise variance", "use fit_sparse_bayes for each noise")
    if posed.cone is not None:
        return posed.cone.dual_norm(posed.correlation)
    held = posed.held(np.zeros(posed.X.shape[1]))
    if not (held > 0).all():
        raise InputError(type(posed.penalty).__name__, "is smooth at 0: no λ holds all weights there", "pass lams")
    return float(np.max(np.abs(posed.correlation) / held))


def _descended(posed: VectorProblem, first: "Floats", tol: float) -> "tuple[Floats, list[float], float, bool]":
    coef, history, stalled = descend(posed, first, tol)
    return coef, history, tol, stalled


def _solution(posed: VectorProblem, coef: "Floats", history: list[float], tol: float, stalled: bool) -> Solution:
    proof = vector_certificate(posed, coef)
    status = Status.STALLED if stalled else Status.LIMIT
    if proof.relative_gap is not None and proof.relative_gap <= tol:
        status = Status.OPTIMAL
    elif proof.gap is None and proof.relative_kkt <= tol * (100 if stalled else 1):
        status = Status.STATIONARY
    intercept = posed.y_mean - float(posed.X_mean @ coef)
    return Solution(coef, intercept, posed.objective(coef), proof, status, len(history) - 1, tuple(history))


def _start(start: "ArrayLike", d: int) -> "Floats":
    first = finite("start", start)
    if first.shape != (d,):
        raise InputError(f"start of shape {first.shape}", f"must be {d} finite numbers", "pass one per column of X")
    return first
