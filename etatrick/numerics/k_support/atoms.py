"""The same norms as cvxpy expressions and constraints, for models of your own."""

import math
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.numerics.k_support.arguments import level, weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def cvxpy_k_support_squared(w: Any, k: float) -> tuple[Any, list[Any]]:
    r"""Return ‖w‖_k² as Σ w_i²/η_i over scales η, with the constraints 0 ≤ η ≤ 1, Ση ≤ k.

    Minimise the expression under the constraints, or bound it from above. The norm itself is not an expression with
    a square root of this form; constrain the square instead.

    Parameters
    ----------
    w : cvxpy.Expression, shape (d,)
        Affine.
    k : float
        1 ≤ k ≤ d.

    Returns
    -------
    expression : cvxpy.Expression
        Convex, scalar.
    constraints : list of cvxpy.Constraint

    Raises
    ------
    InputError
        If k is outside [1, d].

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.numerics.k_support import cvxpy_k_support_squared
    >>> square, scales = cvxpy_k_support_squared(cp.Constant([3.0, 4.0]), k=1)
    >>> round(float(cp.Problem(cp.Minimize(square), scales).solve(solver=cp.CLARABEL)), 5)
    49.0
    """
    import cvxpy as cp

    fraction = level(k, w.size)
    eta = cp.Variable(w.size)
    total = cp.sum(cp.hstack([cp.quad_over_lin(w[i], eta[i]) for i in range(w.size)]))
    return total, [eta >= 0, eta <= 1, cp.sum(eta) <= fraction]


def cvxpy_k_support_dual_squared(z: Any, k: float) -> Any:
    """Return ‖z‖_{k*}² as the sum of the k largest squares.

    Parameters
    ----------
    z : cvxpy.Expression, shape (d,)
        Affine.
    k : float
        1 ≤ k ≤ d; a fraction is a mixture of the two neighbouring sums.

    Returns
    -------
    cvxpy.Expression
        Convex, scalar.

    Raises
    ------
    InputError
        If k is outside [1, d].

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.numerics.k_support import cvxpy_k_support_dual_squared
    >>> float(cvxpy_k_support_dual_squared(cp.Constant([3.0, 4.0, 1.0]), k=2).value)
    25.0
    """
    import cvxpy as cp

    fraction = level(k, z.size)
    whole, squares = math.floor(fraction), cp.square(z)
    largest = _largest(squares, whole)
    if whole == fraction:
        return largest
    part = fraction - whole
    return (1 - part) * largest + part * _largest(squares, whole + 1)


def cvxpy_ordered_dual_squared(z: Any, omega: "ArrayLike") -> Any:
    """Return Σ ω_j |z|_(j)² as Σ_j (ω_j − ω_{j+1}) times the sum of the j largest squares.

    Parameters
    ----------
    z : cvxpy.Expression, shape (d,)
        Affine.
    omega : array_like, shape (d,)
        ω_1 ≥ … ≥ ω_d ≥ 0, not all zero.

    Returns
    -------
    cvxpy.Expression
        Convex, scalar.

    Raises
    ------
    InputError
        If the weights are not as stated.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.numerics.k_support import cvxpy_ordered_dual_squared
    >>> float(cvxpy_ordered_dual_squared(cp.Constant([3.0, 4.0]), [2.0, 1.0]).value)
    41.0
    """
    import cvxpy as cp

    drops = -np.diff(np.append(weights(omega, z.size), 0.0))
    squares = cp.square(z)
    return sum(float(drop) * _largest(squares, j + 1) for j, drop in enumerate(drops) if drop > 0)


def cvxpy_ordered_squared(w: Any, omega: "ArrayLike") -> tuple[Any, list[Any]]:
    """Return the square of the ordered norm as Σ w_i²/η_i, with the constraints on sums of the largest η.

    Parameters
    ----------
    w : cvxpy.Expression, shape (d,)
        Affine.
    omega : array_like, shape (d,)
        ω_1 ≥ … ≥ ω_d ≥ 0, not all zero.

    Returns
    -------
    expression : cvxpy.Expression
        Convex, scalar.
    constraints : list of cvxpy.Constraint

    Raises
    ------
    InputError
        If the weights are not as stated.

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.numerics.k_support import cvxpy_ordered_squared
    >>> square, scales = cvxpy_ordered_squared(cp.Constant([3.0, 4.0]), [1.0, 0.0])
    >>> round(float(cp.Problem(cp.Minimize(square), scales).solve(solver=cp.CLARABEL)), 5)
    49.0
    """
    import cvxpy as cp

    budget = np.cumsum(weights(omega, w.size))
    eta = cp.Variable(w.size)
    total = cp.sum(cp.hstack([cp.quad_over_lin(w[i], eta[i]) for i in range(w.size)]))
    return total, [eta >= 0, *(_largest(eta, j + 1) <= float(limit) for j, limit in enumerate(budget))]


def cvxpy_spectral_k_support_squared(A: Any, k: float) -> tuple[Any, list[Any]]:
    r"""Return ‖A‖_{sp,k}² as a semidefinite program: tr W with [[Θ, A], [Aᵀ, W]] ⪰ 0, 0 ⪯ Θ ⪯ I, tr Θ ≤ k.

    Parameters
    ----------
    A : cvxpy.Expression, shape (m, n)
        Affine. Θ has the size of the shorter side.
    k : float
        1 ≤ k ≤ min(m, n).

    Returns
    -------
    expression : cvxpy.Expression
        Scalar; minimise it, or bound it from above.
    constraints : list of cvxpy.Constraint

    Raises
    ------
    InputError
        If k is outside [1, min(m, n)].

    Examples
    --------
    >>> import cvxpy as cp
    >>> from etatrick.numerics.k_support import cvxpy_spectral_k_support_squared
    >>> square, scales = cvxpy_spectral_k_support_squared(cp.diag([3.0, 4.0]), k=1)
    >>> round(float(cp.Problem(cp.Minimize(square), scales).solve(solver=cp.CLARABEL)), 4)
    49.0
    """
    import cvxpy as cp

    short, long = sorted(A.shape)
    fraction = level(k, short)
    matrix = A if A.shape[0] == short else A.T
    joint = cp.Variable((short + long, short + long), PSD=True)
    theta = joint[:short, :short]
    limits = [joint[:short, short:] == matrix, np.eye(short) - theta >> 0, cp.trace(theta) <= fraction]
    return cp.trace(joint[short:, short:]), limits


def _largest(values: Any, number: int) -> Any:
    """Return the sum of the `number` largest; cvxpy's own atom fails where that is all of them."""
    import cvxpy as cp

    return cp.sum(values) if number == values.size else cp.sum_largest(values, number)
