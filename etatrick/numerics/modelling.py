"""The same problems as cvxpy models: the oracle for convex penalties, and a start for users' own models."""

import contextlib
import warnings
from typing import TYPE_CHECKING, Any

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.numerics.compiled import compile_penalty
from etatrick.numerics.joint import JointPenalty, joint_penalty
from etatrick.numerics.problem import JointProblem, pose
from etatrick.theory.symbols import w
from etatrick.theory.vector.base import VectorDuality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def cvxpy_penalty(penalty: Any, variable: Any) -> Any:
    """Return Σ_j Ω(|x_j|) as a cvxpy expression of `variable`.

    Parameters
    ----------
    penalty : Duality or catalogue entry
        Convex, in sums, constant multiples, powers, exp and log of w.
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
    import cvxpy as cp

    if isinstance(penalty, VectorDuality | JointPenalty):
        remedy = "use cvxpy_joint_penalty, which returns constraints too"
        raise InputError(repr(penalty), "needs variables for its scales, and constraints on them", remedy)
    duality = compile_penalty(penalty).duality
    if not duality.conditions["convex"].holds:
        raise InputError(
            str(duality.penalty), "is not convex, which a cvxpy model needs", "use etatrick.numerics.solve"
        )
    atoms = {sp.exp: cp.exp, sp.log: cp.log}

    def build(expr: Any) -> Any:
        if expr == w:
            return cp.abs(variable)
        if expr.is_number:
            return float(expr)
        if expr.is_Add:
            return sum((build(term) for term in expr.args[1:]), start=build(expr.args[0]))
        if expr.is_Mul:
            factor, rest = expr.as_coeff_Mul()
            if rest == expr:
                raise ValueError(str(expr))
            return float(factor) * build(rest)
        if expr.is_Pow and expr.base == w:
            return cp.power(cp.abs(variable), float(expr.exp))
        if expr.func not in atoms:
            raise ValueError(str(expr))
        return atoms[expr.func](build(expr.args[0]))

    try:
        model = cp.sum(build(sp.expand(duality.penalty)))
    except (TypeError, ValueError):
        model = None
    if model is None or not model.is_convex():
        raise InputError(
            str(duality.penalty), "has no form that cvxpy accepts as convex", "use etatrick.numerics.solve"
        )
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
        charge, constraints = cvxpy_penalty(posed.penalty.duality, coef), []
    model = cp.Problem(cp.Minimize(loss + lam * charge), constraints)
    for exponent in range(13, 7, -1):  # the tightest at which Clarabel still ends with "optimal"
        tight = dict.fromkeys(("tol_gap_abs", "tol_gap_rel", "tol_feas"), 10.0**-exponent)
        with warnings.catch_warnings(), contextlib.suppress(cp.error.SolverError):
            warnings.simplefilter("ignore", UserWarning)
            warnings.simplefilter("ignore", RuntimeWarning)  # scales that the solver set to 0 divide by 0
            model.solve(solver=cp.CLARABEL, **tight)
            if model.status == cp.OPTIMAL:
                break
    if coef.value is None:
        raise RuntimeError(f"cvxpy ended with status {model.status}")
    return posed.objective(coef.value), coef.value
