"""A problem of several outputs: checked data, and the quantities every method asks for."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Multinomial, Squared, loss_named
from etatrick.numerics.outputs.arrangement import Arrangement, arrange
from etatrick.numerics.outputs.responses import CrossEntropy, Response, SquaredErrors
from etatrick.numerics.working_set.design import Design, read_design

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


ROUNDING = 1e-14  # of ‖x_j‖ Σ|residual|: a pull below it counts as 0


@final
@dataclass(frozen=True, eq=False)
class OutputsTask:
    """Minimise Σ_i v_i ℓ(y_i, Wᵀx_i + b + o_i) + λ Σ Ω over W (d, K) and, where there is an intercept, b (K,).

    Parameters
    ----------
    design : Design
    Y, offset : ndarray, shape (n, K)
    weights : ndarray, shape (n,)
    response : Response
    arrangement : Arrangement
    lam : float
    intercept : bool
    """

    design: Design
    Y: "Floats"
    weights: "Floats"
    offset: "Floats"
    response: Response
    arrangement: Arrangement
    lam: float
    intercept: bool

    def predictor(self, W: "Floats", b: "Floats") -> "Floats":
        """Return XW + b + offset, from the columns of X that are used."""
        used = np.flatnonzero(W.any(axis=1))
        matrix = self.design.matrix
        product = matrix @ W if 2 * len(used) > len(W) else matrix[:, used] @ W[used]
        return np.asarray(product, dtype=np.float64) + b + self.offset

    def data_term(self, theta: "Floats") -> float:
        """Return Σ v ℓ(y, θ)."""
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(self.weights @ self.response.values(self.Y, theta))
        return value if np.isfinite(value) else np.inf

    def objective(self, W: "Floats", theta: "Floats") -> float:
        """Return Σ v ℓ(y, θ) + λ Σ Ω."""
        return self.data_term(theta) + (self.lam * self.arrangement.charge(W) if self.lam > 0 else 0.0)

    def residual(self, theta: "Floats") -> "Floats":
        """Return v(y − mean), shape (n, K)."""
        return np.asarray(self.weights[:, None] * self.response.residuals(self.Y, theta), dtype=np.float64)

    def correlate(self, U: "Floats") -> "Floats":
        """Return XᵀU, shape (d, K)."""
        return np.asarray(self.design.matrix.T @ U, dtype=np.float64)

    def shift(self, theta: "Floats") -> "Floats":
        """Return the constants that lower the data term the most, 0 without an intercept."""
        if not self.intercept:
            return np.zeros(theta.shape[1])
        return self.response.shift(self.Y, theta, self.weights)

    @cached_property
    def mean(self) -> "Floats":
        """The weighted means of the columns of X; 0 without an intercept."""
        if not self.intercept:
            return np.zeros(self.design.shape[1])
        return np.asarray(self.correlate(self.weights[:, None])[:, 0] / self.weights.sum(), dtype=np.float64)

    @cached_property
    def null(self) -> "tuple[Floats, Floats, float, float]":
        """The model without X: its intercept, its predictor, its objective and its deviance (1 if that is 0)."""
        b = np.zeros(self.Y.shape[1])
        if self.intercept:
            if isinstance(self.response, CrossEntropy):
                b = np.log(self.weights @ self.Y)
                b -= b.mean()
            b = b + self.shift(self.offset + b)
        theta = self.offset + b
        value = self.data_term(theta)
        deviance = value + float(self.weights @ self.response.saturated(self.Y))
        rounding = 1e-14 * (abs(value) + float(self.weights @ np.abs(self.Y).sum(axis=1)))
        return b, theta, value, deviance if deviance > rounding else 1.0

    @cached_property
    def null_pull(self) -> "Floats":
        """Minus the gradient of the data term in W at the model without X, shape (d, K)."""
        residual = self.residual(self.null[1])
        pull = self.correlate(residual)
        size = float(np.abs(residual).sum())
        if float(np.abs(pull).max()) <= 1e-10 * size:  # perhaps rounding, as of columns that are constant
            lengths = np.sqrt(self.design.squares(np.ones(len(residual))))
            return np.where(np.abs(pull) <= ROUNDING * lengths[:, None] * size, 0.0, pull)
        return pull

    @property
    def scale(self) -> float:
        """The largest atom of the gradient at the model without X, 1 if that is 0."""
        return float(self.arrangement.sizes(self.null_pull).max()) or 1.0

    def at(self, lam: float) -> "OutputsTask":
        """Return the same task at another λ, with what is known of X and the model without it."""
        return self._kept(replace(self, lam=lam))

    def under(self, arrangement: Arrangement) -> "OutputsTask":
        """Return the same task with another penalty, with what is known of X and the model without it."""
        return self._kept(replace(self, arrangement=arrangement))

    def _kept(self, other: "OutputsTask") -> "OutputsTask":
        other.__dict__.update(null=self.null, null_pull=self.null_pull, mean=self.mean)
        return other


def pose_outputs(
    X: Any, Y: "ArrayLike", penalty: Any, lam: float, loss: Any, fit_intercept: bool, sample_weight: Any, offset: Any
) -> "tuple[OutputsTask, NDArray[Any] | None]":
    """Check everything and return the task, with the labels of the classes where Y holds labels.

    Raises
    ------
    InputError
        For NaN or infinite data, shapes that do not match, negative weights, a λ that is no finite number ≥ 0, a loss
        of one output, labels of one class only, and for an intercept that has no finite best value.
    """
    if not (np.ndim(lam) == 0 and np.isreal(lam) and np.isfinite(lam) and lam >= 0):
        raise InputError(f"lam = {lam}", "λ must be a finite number ≥ 0", "choose e.g. lam=0.1")
    found = loss_named(loss)
    if not isinstance(found, Squared | Multinomial):
        raise InputError(f"loss = {loss!r}", "has one output", "use 'squared' or 'multinomial' for several")
    design = read_design(X)
    n = design.shape[0]
    classes = None
    if isinstance(found, Multinomial):
        target, classes = _shares(Y, n)
    else:
        target = _matrix("Y", Y, n, None)
    weights = (
        np.ones(n) if sample_weight is None else _matrix("sample_weight", np.reshape(sample_weight, (-1, 1)), n, 1)
    )
    weights = weights.reshape(-1)
    if (weights < 0).any() or not weights.any():
        raise InputError(f"sample_weight with minimum {weights.min():g}", "weights must be ≥ 0 and not all 0",
                         "remove rows instead of weighting them negatively")  # fmt: skip
    shift = np.zeros(target.shape) if offset is None else _matrix("offset", offset, n, target.shape[1])
    response: Response = CrossEntropy() if isinstance(found, Multinomial) else SquaredErrors()
    if isinstance(response, CrossEntropy):
        seen = weights @ target > 0
        if int(seen.sum()) < 2:
            raise InputError("Y with one class only", "the multinomial loss needs two", "add data of another class")
        if fit_intercept and not seen.all():
            raise InputError("Y with a class without samples", "its intercept would be −∞", "remove that class")
    task = OutputsTask(design, target, weights, shift, response, arrange(penalty), float(lam), bool(fit_intercept))
    return task, classes


def _shares(Y: Any, n: int) -> "tuple[Floats, NDArray[Any] | None]":
    """Return the shares of the classes (n, K) from labels (n,), with the labels, or from shares, with None."""
    given = np.asarray(Y)
    if given.ndim == 2:
        return Multinomial().targets(_matrix("Y", given, n, None)), None
    if given.shape != (n,):
        raise InputError(f"Y of shape {given.shape}", f"needs one label per row of X, shape ({n},)",
                         "check how it was read")  # fmt: skip
    if given.dtype.kind == "O" and all(isinstance(label, str) for label in given):
        given = given.astype(str)
    if given.dtype.kind not in "biufUST":
        raise InputError(f"Y of type {given.dtype}", "must hold labels: numbers or words", "convert it first")
    if given.dtype.kind == "f" and not np.isfinite(given).all():
        raise InputError("Y with NaN or infinite entries", "must be finite", "remove those rows")
    classes, codes = np.unique(given, return_inverse=True)
    if len(classes) < 2:
        raise InputError(f"Y with the single label {classes[0]}", "the multinomial loss needs two classes",
                         "add data of another class")  # fmt: skip
    return np.eye(len(classes))[codes], classes


def _matrix(name: str, values: Any, n: int, K: int | None) -> "Floats":
    try:
        found = np.asarray(values)
        if found.dtype.kind not in "biuf":
            raise TypeError
        found = found.astype(np.float64, copy=False)
    except (TypeError, ValueError):
        raise InputError(name, "must be an array of real numbers", "encode its values as numbers first") from None
    if found.ndim != 2 or found.shape[0] != n or found.shape[1] == 0 or (K is not None and found.shape[1] != K):
        raise InputError(f"{name} of shape {found.shape}", f"needs shape ({n}, {K or 'K'}), one row per row of X",
                         "check how it was read, and reshape one column to (n, 1)")  # fmt: skip
    if not np.isfinite(found).all():
        raise InputError(f"{name} with NaN or infinite entries", "must be finite", "remove or impute them")
    return found
