"""A penalised least-squares problem: checked data, the objective, and what solvers ask of it."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty, compile_penalty

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


@final
@dataclass(frozen=True, eq=False)
class Problem:
    r"""Minimise ½‖y − Xw‖² + λ Σ_j Ω(w_j).

    An intercept and sample weights are absorbed: `X` and `y` here are centred by the weighted means and scaled
    by the square roots of the weights. Make one with :func:`problem`.

    Parameters
    ----------
    X : ndarray, shape (n, d)
    y : ndarray, shape (n,)
    penalty : CompiledPenalty
    lam : float
        λ ≥ 0.
    X_mean, y_mean : ndarray of shape (d,), float
        What was subtracted, from which the intercept follows.
    """

    X: "NDArray[np.float64]"
    y: "NDArray[np.float64]"
    penalty: CompiledPenalty
    lam: float
    X_mean: "NDArray[np.float64]"
    y_mean: float

    @cached_property
    def gram(self) -> "NDArray[np.float64]":
        """XᵀX, shape (d, d)."""
        return self.X.T @ self.X

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
        """Return ½‖y − Xw‖² + λ Σ Ω(w_j)."""
        charge = self.lam * float(self.penalty.value(coef).sum()) if self.lam else 0.0
        return self.loss(coef) + charge

    def descent(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return Xᵀ(y − Xw), the negative gradient of the loss, from the residual itself."""
        return self.X.T @ (self.y - self.X @ coef)

    def with_lam(self, lam: float) -> "Problem":
        """Return the same problem at another λ; XᵀX and Xᵀy are kept."""
        other = Problem(self.X, self.y, self.penalty, lam, self.X_mean, self.y_mean)
        for name in ("gram", "correlation"):
            if name in self.__dict__:
                other.__dict__[name] = self.__dict__[name]
        return other


def problem(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
) -> Problem:
    """Check the data and return the problem with intercept and weights absorbed.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality, catalogue entry, or CompiledPenalty
    lam : float
        λ ≥ 0.
    fit_intercept : bool
        Whether an unpenalised constant is part of the model.
    sample_weight : array_like, shape (n,), optional
        Nonnegative weights multiplying the terms of the loss.

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
    matrix = finite("X", X, 2)
    target = finite("y", y, 1)
    if matrix.shape[0] == 0 or matrix.shape[1] == 0:
        raise InputError(f"X of shape {matrix.shape}", "needs at least one row and one column", "pass more data")
    if len(target) != len(matrix):
        shapes = f"X of shape {matrix.shape} and y of shape {target.shape}"
        raise InputError(shapes, "X and y must have the same number of rows", "check how they were read")
    check_lam(lam)
    weights = np.ones(len(target)) if sample_weight is None else finite("sample_weight", sample_weight, 1)
    if weights.shape != target.shape:
        shapes = f"sample_weight of shape {weights.shape}"
        raise InputError(shapes, f"needs one weight per row, shape {target.shape}", "leave it out for equal weights")
    if (weights < 0).any() or not weights.any():
        raise InputError(f"sample_weight with minimum {weights.min():g}", "weights must be ≥ 0 and not all 0",
                         "remove rows instead of weighting them negatively")  # fmt: skip
    X_mean, y_mean = np.zeros(matrix.shape[1]), 0.0
    if fit_intercept:
        X_mean, y_mean = (
            np.average(matrix, axis=0, weights=weights),
            float(np.average(target, weights=weights)),
        )
    root = np.sqrt(weights)
    return Problem((matrix - X_mean) * root[:, None], (target - y_mean) * root, compile_penalty(penalty),
                   float(lam), X_mean, y_mean)  # fmt: skip


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
        shape = "(n, d)" if dimensions == 2 else "(n,)"
        raise InputError(f"{name} of shape {array.shape}", f"must have shape {shape}", "reshape it")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(f"{name} with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return array
