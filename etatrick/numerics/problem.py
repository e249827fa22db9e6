"""A penalised least-squares problem: checked data, the objective, and what solvers ask of it."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, Self, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.joint import JointPenalty, joint_penalty
from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.numerics.user_penalty import scalar_penalty
from etatrick.theory.vector.base import VectorDuality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

KEPT: Final = ("gram", "squares", "correlation", "compressed", "steepness")
POWER_STEPS: Final = 30
SHAPES: Final = {1: "(n,)", 2: "(n, d)"}


@dataclass(frozen=True, eq=False)
class LeastSquares(ABC):
    r"""Minimise ½‖y − Xw‖² + λ Ω(w), whatever Ω.

    An intercept, sample weights and an offset are absorbed: `X` and `y` here are centred by the weighted means and
    scaled by the square roots of the weights. Make one with :func:`problem` or :func:`pose`.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    penalty : ScalarPenalty or JointPenalty
    lam : float
        λ ≥ 0.
    X_mean, y_mean : ndarray of shape (d,), float
        What was subtracted, from which the intercept follows.
    """

    X: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    penalty: ScalarPenalty | JointPenalty
    lam: float
    X_mean: "NDArray[np.float64]"
    y_mean: float

    @abstractmethod
    def charge(self, coef: "NDArray[np.float64]") -> float:
        """Return Ω(w), summed over coordinates where it splits."""

    @cached_property
    def gram(self) -> "NDArray[np.float64]":
        """XᵀX, shape (d, d): for d ≤ n only, as it is the larger of the two otherwise."""
        return self.X.T @ self.X

    @cached_property
    def squares(self) -> "NDArray[np.float64]":
        """The squared norms of the columns, shape (d,)."""
        return np.asarray(np.einsum("ij,ij->j", self.X, self.X), dtype=np.float64)

    @cached_property
    def correlation(self) -> "NDArray[np.float64]":
        """Xᵀy, shape (d,)."""
        return self.X.T @ self.y

    @property
    def scale(self) -> float:
        """‖Xᵀy‖_∞, the size of the gradient at 0, to which residuals are relative (1 if it is 0)."""
        return float(np.max(np.abs(self.correlation), initial=0.0)) or 1.0

    def loss(self, coef: "NDArray[np.float64]") -> float:
        """Return ½‖y − Xw‖²."""
        residual = self.y - self.X @ coef
        return 0.5 * float(residual @ residual)

    def objective(self, coef: "NDArray[np.float64]") -> float:
        """Return ½‖y − Xw‖² + λ Ω(w)."""
        return self.loss(coef) + (self.lam * self.charge(coef) if self.lam else 0.0)

    def descent(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Xᵀ(y − Xw), the negative gradient of the loss, from the residual itself."""
        return self.X.T @ (self.y - self.X @ coef)

    def with_lam(self, lam: float) -> Self:
        """Return the same problem at another λ; XᵀX, Xᵀy and the like are kept."""
        other = type(self)(self.X, self.y, self.penalty, lam, self.X_mean, self.y_mean)
        for name in KEPT:
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other


@final
@dataclass(frozen=True, eq=False)
class Problem(LeastSquares):
    """Minimise ½‖y − Xw‖² + λ Σ_j Ω(w_j); see :class:`LeastSquares`."""

    penalty: ScalarPenalty

    def charge(self, coef: "NDArray[np.float64]") -> float:
        """Return Σ_j Ω(w_j)."""
        return float(self.penalty.value(coef).sum())


@final
@dataclass(frozen=True, eq=False)
class JointProblem(LeastSquares):
    """Minimise ½‖y − Xw‖² + λ Ω(w) for a penalty with joint scales; see :class:`LeastSquares`."""

    penalty: JointPenalty

    def charge(self, coef: "NDArray[np.float64]") -> float:
        """Return Ω(w)."""
        return self.penalty.total(coef)

    @cached_property
    def compressed(self) -> "tuple[NDArray[np.float64], NDArray[np.float64], float]":
        """R, Qᵀy and ½‖y − QQᵀy‖² with X = QR, if that saves rows; otherwise X, y and 0."""
        n, d = self.X.shape
        if n < 2 * d:
            return self.X, self.y, 0.0
        basis, triangle = np.linalg.qr(self.X)
        inside = basis.T @ self.y
        outside = self.y - basis @ inside
        return triangle, inside, 0.5 * float(outside @ outside)

    @cached_property
    def steepness(self) -> float:
        """About the largest eigenvalue of XᵀX, from below, by power iteration."""
        rows = self.compressed[0]
        vector, size = self.correlation + self.scale * np.cos(np.arange(rows.shape[1])), 0.0
        for _ in range(POWER_STEPS):
            length = float(np.linalg.norm(vector))
            if length == 0:
                break
            vector = rows.T @ (rows @ (vector / length))
            size = float(np.linalg.norm(vector))
        return size


def problem(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> Problem:
    """Check the data and return the separable problem with intercept and weights absorbed.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality, GateLaw, catalogue entry, PenaltyLike or ScalarPenalty
    lam : float
        λ ≥ 0.
    fit_intercept : bool
        Whether an unpenalised constant is part of the model.
    sample_weight, offset : array_like, shape (n,), optional
        Nonnegative weights multiplying the terms of the loss, and what is added to Xw.

    Returns
    -------
    Problem

    Raises
    ------
    InputError
        For shapes that do not match, NaN or infinite data, negative weights, or λ that is not ≥ 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> problem([[1.0], [2.0]], [1.0, 2.0], penalties["l1"](k=1), 0.1).objective(np.array([1.0]))
    0.1
    """
    check_lam(lam)
    rows, target, X_mean, y_mean = absorbed(X, y, fit_intercept, sample_weight, offset)
    return Problem(rows, target, scalar_penalty(penalty), float(lam), X_mean, y_mean)


def pose(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> Problem | JointProblem:
    """Check the data and return the problem, separable or with joint scales as the penalty is.

    Parameters
    ----------
    X, y, lam, fit_intercept, sample_weight, offset
        As for :func:`problem`.
    penalty
        As for :func:`problem`; also VectorDuality or JointPenalty.

    Returns
    -------
    Problem or JointProblem

    Raises
    ------
    InputError
        As :func:`problem`; also for a vector dual without a proximal map, or of another length.

    Examples
    --------
    >>> from etatrick.theory.vector.k_support import KSupport
    >>> pose(np.eye(2), [1.0, 2.0], KSupport(1), 0.5).objective(np.array([1.0, 1.0]))
    1.5
    """
    if not isinstance(penalty, VectorDuality | JointPenalty):
        return problem(X, y, penalty, lam, fit_intercept=fit_intercept, sample_weight=sample_weight, offset=offset)
    check_lam(lam)
    joint = joint_penalty(penalty)
    rows, target, X_mean, y_mean = absorbed(X, y, fit_intercept, sample_weight, offset)
    joint.check(rows.shape[1])
    return JointProblem(rows, target, joint, float(lam), X_mean, y_mean)


def absorbed(
    X: "ArrayLike",
    y: "ArrayLike",
    fit_intercept: bool,
    sample_weight: "ArrayLike | None",
    offset: "ArrayLike | None",
) -> "tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64], float]":
    """Return checked data centred and weighted, and the means subtracted."""
    if hasattr(X, "tocsc"):
        raise InputError("X", "is sparse, where this method needs an array", "use method='auto', or X.toarray()")
    matrix = finite("X", X, 2)
    n, d = matrix.shape
    if n == 0 or d == 0:
        raise InputError(f"X of shape {matrix.shape}", "needs at least one row and one column", "pass more data")
    target = per_row("y", y, n)
    if offset is not None:
        target = target - per_row("offset", offset, n)
    weights = row_weights(sample_weight, n)
    X_mean, y_mean = np.zeros(d), 0.0
    if fit_intercept:
        X_mean, y_mean = np.average(matrix, axis=0, weights=weights), float(np.average(target, weights=weights))
    root = np.sqrt(weights)
    return (matrix - X_mean) * root[:, None], (target - y_mean) * root, X_mean, y_mean


def check_lam(lam: float) -> None:
    """Raise an error unless λ is a finite number ≥ 0."""
    try:
        fine = bool(np.ndim(lam) == 0 and np.isfinite(lam) and lam >= 0)
    except (TypeError, ValueError):
        fine = False
    if not fine:
        raise InputError(f"lam = {lam}", "λ must be a finite number ≥ 0", "choose e.g. lam=0.1")


def finite(name: str, values: "ArrayLike", dimensions: int | None = None) -> "NDArray[np.float64]":
    """Return finite real numbers as a float array, or an error that names them."""
    try:
        array = np.array(values)
        if array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(name, "must be an array of real numbers", "convert or encode its columns first") from None
    if dimensions is not None and array.ndim != dimensions:
        raise InputError(f"{name} of shape {array.shape}", f"must have shape {SHAPES[dimensions]}", "reshape it")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(f"{name} with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return array


def per_row(name: str, values: "ArrayLike", n: int) -> "NDArray[np.float64]":
    """Return n finite real numbers, or an error that names them."""
    array = finite(name, values)
    if array.shape != (n,):
        raise InputError(f"{name} of shape {array.shape}", f"needs one number per row of X, shape ({n},)",
                         "check how it was read")  # fmt: skip
    return array


def row_weights(sample_weight: "ArrayLike | None", n: int) -> "NDArray[np.float64]":
    """Return weights ≥ 0, not all 0: ones where none are given."""
    if sample_weight is None:
        return np.ones(n)
    weights = per_row("sample_weight", sample_weight, n)
    if (weights < 0).any() or not weights.any():
        raise InputError(f"sample_weight with minimum {weights.min():g}", "weights must be ≥ 0 and not all 0",
                         "remove rows instead of weighting them negatively")  # fmt: skip
    return weights
