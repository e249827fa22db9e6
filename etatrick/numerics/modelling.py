"""The same problems as cvxpy models: the oracle for convex penalties, and a start for users' own models."""

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty
from etatrick.numerics.cvxpy_forms import cvxpy_form
from etatrick.numerics.joint import JointPenalty, joint_penalty
from etatrick.numerics.problem import JointProblem, pose
from etatrick.numerics.user_penalty import OwnPenalty, scalar_penalty
from etatrick.theory.vector.base import VectorDuality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def cvxpy_penalty(penalty: Any, variable: Any) -> Any:
    """Return Σ_j Ω(|x_j|) as a cvxpy expression of `variable`.

    Parameters
    ----------
    penalty : Duality, catalogue entry or PenaltyLike
        Convex, in sums, constant multiples, powers, exp, log, √(a w² + c), log cosh and convex pieces of w; or an
        object of a class of your own with a method ``cvxpy``.
    variable : cvxpy.Expression, shape (d,)

    Returns
    -------
    cvxpy.Expression
        Scalar and convex by cvxpy's own rules.

    Raises
    ------
    InputError
        If convexity is not proved or the form is not one cvxpy accepts.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.theory import penalties
    >>> cvxpy_penalty(penalties["elastic_net"](mu=1), cp.Variable(2)).curvature
    'CONVEX'
    """
    if isinstance(penalty, VectorDuality | JointPenalty):
        remedy = "use cvxpy_joint_penalty, which returns constraints too"
        raise InputError(repr(penalty), "needs variables for its scales, and constraints on them", remedy)
    subject = scalar_penalty(penalty)
    if not subject.convex:
        raise InputError(subject.formula, "is not convex, which a cvxpy model needs", "use etatrick.numerics.solve")
    model = None
    if isinstance(subject, CompiledPenalty):
        model = cvxpy_form(subject.duality.penalty, variable)
    elif isinstance(subject, OwnPenalty) and hasattr(subject.own, "cvxpy"):
        model = subject.own.cvxpy(variable)
    if model is None or not model.is_convex():
        raise InputError(subject.formula, "has no form that cvxpy accepts as convex", "use etatrick.numerics.solve")
    return model


def cvxpy_joint_penalty(penalty: Any, variable: Any) -> tuple[Any, list[Any]]:
    """Return Ω(x) for a penalty with joint scales, as a cvxpy expression to minimise, and its constraints.

    ½Σ x²/η over the scales η, which are variables of the model: the expression is Ω at their minimum.

    Parameters
    ----------
    penalty : VectorDuality or JointPenalty
        ``KSupport(k)``, ``RankWeights(omega)`` or ``GroupKSupport(groups, k)``.
    variable : cvxpy.Expression, shape (d,)

    Returns
    -------
    expression : cvxpy.Expression
    constraints : list of cvxpy.Constraint

    Raises
    ------
    InputError
        If the penalty is another one, or does not fit the length of the variable.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.theory.vector.k_support import KSupport
    >>> x = cp.Variable(2)
    >>> charge, limits = cvxpy_joint_penalty(KSupport(1), x)
    >>> round(float(cp.Problem(cp.Minimize(charge), [x == [3, -4], *limits]).solve(solver=cp.CLARABEL)), 4)
    24.5
    """
    joint = joint_penalty(penalty)
    joint.check(variable.shape[0])
    return joint.model(variable)


def cvxpy_optimum(
    X: "ArrayLike", y: "ArrayLike", penalty: Any, lam: float, *, fit_intercept: bool = False
) -> "tuple[float, NDArray[np.float64]]":
    """Solve ½‖y − Xw‖² + λ Σ Ω(w_j), or λΩ(w), with cvxpy and Clarabel at their tightest tolerance.

    An oracle that shares nothing with :func:`etatrick.numerics.solve` but the checked data.

    Parameters
    ----------
    X, y, penalty, lam, fit_intercept
        As in :func:`etatrick.numerics.solve`; the penalty must be convex.

    Returns
    -------
    objective : float
        Evaluated by us at the returned point.
    coef : ndarray, shape (d,)

    Raises
    ------
    InputError
        If the penalty is not convex or the data are bad.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> value, coef = cvxpy_optimum(np.eye(2), [3.0, 0.5], penalties["l1"](k=1), 1.0)
    >>> round(value, 8)
    2.625
    """
    import cvxpy as cp

    posed = pose(X, y, penalty, lam, fit_intercept=fit_intercept)
    coef = cp.Variable(posed.X.shape[1])
    loss = 0.5 * cp.sum_squares(posed.y - posed.X @ coef)
    if isinstance(posed, JointProblem):
        charge, constraints = cvxpy_joint_penalty(posed.penalty, coef)
    else:
        charge, constraints = cvxpy_penalty(penalty, coef), []
    model = cp.Problem(cp.Minimize(loss + lam * charge), constraints)
    solve_tightly(model)
    if coef.value is None:
        raise RuntimeError(f"cvxpy ended with status {model.status}")
    return posed.objective(coef.value), coef.value


def solve_tightly(model: Any) -> None:
    """Solve a cvxpy problem with Clarabel at the tightest tolerance at which it still ends with "optimal".

    Its variables keep the last point, whatever the status, or no value where no attempt returned a point.
    """
    import cvxpy as cp

    for exponent in range(13, 7, -1):
        tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 10.0**-exponent)
        with warnings.catch_warnings(), contextlib.suppress(cp.error.SolverError):
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # scales that the solver set to 0 divide by 0
            model.solve(solver=cp.CLARABEL, **tight)
            if model.status == cp.OPTIMAL:
                return
