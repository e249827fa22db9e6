"""An upper bound of the dual norm that a mask of any covariance induces, by a small semidefinite program."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats: TypeAlias = NDArray[np.float64]
LARGEST_PROGRAM: Final = 64


@final
@dataclass(frozen=True)
class CovarianceBound:
    """An upper bound of N*(Z)² with what it rests on.

    Attributes
    ----------
    value : float
        The bound t.
    residual : float
        How far the matrix that proves it is from semidefinite: minus its smallest eigenvalue, relative to its norm.
    multipliers : ndarray, shape (d, n², n²)
        The W_i of the proof.
    """

    value: float
    residual: float
    multipliers: Floats


def dual_square_bound(covariance: "ArrayLike", zeta: "ArrayLike") -> CovarianceBound:
    r"""Bound N*(Z)² = sup ⟨UVᵀ, Z⟩²/⟨C̄, UᵀU∘VᵀV⟩ from above for Z = diag ζ and any covariance C̄ ⪰ 0.

    With x_i = u_i ⊗ v_i the ratio is (Σzᵀx_i)²/Σ C̄_ij x_iᵀx_j, z = vec Z. A real product u ⊗ v gives a matrix xxᵀ that
    equals its partial transpose, so xᵀWx = 0 for every W with W^Γ = −W, and

    .. math:: t\,\bar C\otimes I - \mathbf 1\mathbf 1^T\otimes zz^T - \bigoplus_i W_i \succeq 0
              \quad\Longrightarrow\quad N_*^2 \le t .

    The smallest such t is returned. For n = 2 it has been the supremum in all cases tried, sliding masks with valid
    seeds included, where the weaker condition that the partial transpose be positive leaves a gap; for n = 3 the best
    factors found stay up to 2 % below it.

    Parameters
    ----------
    covariance : array_like, shape (d, d)
        C̄, symmetric and positive semidefinite.
    zeta : array_like, shape (n,)
        Singular values of Z; n²d ≤ 64.

    Returns
    -------
    CovarianceBound

    Raises
    ------
    InputError
        If a shape is wrong, an entry is not finite, C̄ is not semidefinite, or the program is too large.
    RuntimeError
        If the solver finds no bound: then 1 is not in the range of C̄, and N* is infinite.

    Examples
    --------
    >>> from etatrick.numerics.covariance_bound import dual_square_bound
    >>> round(dual_square_bound([[1.0, 0.0], [0.0, 1.0]], [1.0, 0.5]).value, 6)  # Dropout: 2 max ζ²
    2.0
    """
    import cvxpy as cp

    C, values = checked(covariance, zeta)
    n, d = len(values), len(C)
    z = np.diag(values).ravel()
    transposed = partial_transpose(n)
    t = cp.Variable()
    parts = [cp.Variable((n * n, n * n), symmetric=True) for _ in range(d)]
    flipped = [cp.reshape(cp.vec(X, order="C")[transposed], X.shape, order="C") for X in parts]
    rows = [
        cp.hstack([X - Y if i == j else np.zeros((n * n, n * n)) for j in range(d)])
        for i, (X, Y) in enumerate(zip(parts, flipped, strict=True))
    ]
    target = np.kron(np.ones((d, d)), np.outer(z, z))
    proof = t * np.kron(C, np.eye(n * n)) - target - cp.vstack(rows)
    problem = cp.Problem(cp.Minimize(t), [(proof + proof.T) / 2 >> 0])
    problem.solve(solver=cp.CLARABEL)
    if problem.status not in (cp.OPTIMAL, cp.OPTIMAL_INACCURATE):
        raise RuntimeError(f"no bound was found ({problem.status}): 1 may not be in the range of C̄")
    W = np.array([X.value - X.value.ravel()[transposed].reshape(X.shape) for X in parts])
    return CovarianceBound(float(t.value), residual_of(C, z, W, float(t.value)), W)


def residual_of(C: Floats, z: Floats, W: Floats, t: float) -> float:
    """Return minus the smallest eigenvalue of the matrix of the proof, relative to its norm, or 0.

    Examples
    --------
    >>> [residual_of(np.eye(1), np.ones(1), np.zeros((1, 1, 1)), t) for t in (2.0, 0.0)]
    [0.0, 1.0]
    """
    size, d = len(z), len(C)
    matrix = t * np.kron(C, np.eye(size)) - np.kron(np.ones((d, d)), np.outer(z, z))
    for i in range(d):
        matrix[i * size : (i + 1) * size, i * size : (i + 1) * size] -= W[i]
    spectrum = np.linalg.eigvalsh((matrix + matrix.T) / 2)
    return float(max(0.0, -spectrum[0]) / max(np.abs(spectrum).max(), 1e-300))


def partial_transpose(n: int) -> NDArray[np.int64]:
    """Return the order of entries that exchanges the second indices of (a, b), (c, e) in an n² × n² matrix.

    Examples
    --------
    >>> partial_transpose(2)[:6].tolist()
    [0, 4, 2, 6, 1, 5]
    """
    order = np.arange(n**4, dtype=np.int64).reshape(n, n, n, n)
    return order.transpose(0, 3, 2, 1).ravel()


def checked(covariance: "ArrayLike", zeta: "ArrayLike") -> tuple[Floats, Floats]:
    """Return C̄ and ζ as floats, or raise InputError."""
    C, values = np.asarray(covariance, dtype=np.float64), np.asarray(zeta, dtype=np.float64)
    if C.ndim != 2 or C.shape[0] != C.shape[1] or C.size == 0 or values.ndim != 1 or values.size == 0:
        shapes = f"shapes {C.shape} and {values.shape}"
        raise InputError(shapes, "need a square matrix and a vector", "pass C̄ and the singular values ζ")
    if not (np.isfinite(C).all() and np.isfinite(values).all()):
        raise InputError("covariance or zeta", "must be finite", "remove NaN and infinite entries")
    scale = float(np.abs(C).max())
    if np.abs(C - C.T).max() > 1e-12 * scale or np.linalg.eigvalsh(C)[0] < -1e-10 * scale:
        raise InputError("covariance", "must be symmetric and positive semidefinite", "pass the C̄ of a mask law")
    if (size := len(values) ** 2 * len(C)) > LARGEST_PROGRAM:
        rule = f"the program has n²d ≤ {LARGEST_PROGRAM} rows"
        raise InputError(f"n²d = {size}", rule, "use induced_norm(law).dual_bounds")
    return C, values
