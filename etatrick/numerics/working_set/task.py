"""What is to be minimised: checked data, a loss, a penalty, λ, and the quantities every method asks for."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.losses import Logistic, Loss, Multinomial, Poisson, Squared, loss_named
from etatrick.numerics.problem import check_lam, per_row, row_weights
from etatrick.numerics.working_set.curve import Curve, read_curve
from etatrick.numerics.working_set.design import Design, read_design

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

NEWTON = 100


@final
@dataclass(frozen=True, eq=False)
class Task:
    """Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(|w_j|) over w and, where there is an intercept, b.

    Parameters
    ----------
    design : Design
    y, weights, offset : ndarray, shape (n,)
    loss : Loss
    curve : Curve
    lam : float
    intercept : bool
    """

    design: Design
    y: "Floats"
    weights: "Floats"
    offset: "Floats"
    loss: Loss
    curve: Curve
    lam: float
    intercept: bool

    def predictor(self, w: "Floats", b: float) -> "Floats":
        """Return Xw + b + offset, from the columns where w ≠ 0."""
        support = np.flatnonzero(w)
        if 2 * len(support) > len(w):
            return np.asarray(self.design.matrix @ w, dtype=np.float64) + b + self.offset
        return np.asarray(self.design.matrix[:, support] @ w[support], dtype=np.float64) + b + self.offset

    def data_term(self, theta: "Floats") -> float:
        """Return Σ v ℓ(y, θ)."""
        with np.errstate(over="ignore", invalid="ignore"):
            value = float(self.weights @ self.loss.value(self.y, theta))
        return value if np.isfinite(value) else np.inf

    def charge(self, w: "Floats") -> float:
        """Return λ Σ Ω(|w_j|)."""
        support = w[w != 0]
        return self.lam * float(self.curve.value(support).sum()) if self.lam > 0 and len(support) else 0.0

    def residual(self, theta: "Floats") -> "Floats":
        """Return −vℓ′(θ), the weighted generalised residual."""
        return -self.weights * self.loss.slope(self.y, theta)

    def curvature(self, theta: "Floats") -> "Floats":
        """Return vℓ″(θ), kept off 0."""
        bend = self.loss.curvature(self.y, theta)
        floor = 1e-3 if self.loss.curvature_bound == 1.0 else 1e-14
        return self.weights * np.maximum(bend, floor)

    @cached_property
    def null(self) -> "tuple[float, Floats, float, float]":
        """The model without X: its intercept, its predictor, its objective and its deviance (1 if that is 0)."""
        b = self.best_intercept(np.zeros(self.design.shape[1]))
        theta = self.offset + b
        value = self.data_term(theta)
        deviance = float(self.weights @ (self.loss.value(self.y, theta) + self.loss.conjugate(self.y, 0 * self.y)))
        rounding = 1e-14 * (abs(value) + float(self.weights @ np.abs(self.y)))
        return b, theta, value, deviance if deviance > rounding else 1.0

    def best_intercept(self, w: "Floats") -> float:
        """Return the b that is best for these weights, 0 in a model without an intercept."""
        return _best_constant(self, self.predictor(w, 0.0)) if self.intercept else 0.0

    @cached_property
    def null_pull(self) -> "Floats":
        """The negative gradient in w of the data term at the null model."""
        return self.design.correlate(self.residual(self.null[1]))

    @property
    def scale(self) -> float:
        """The largest entry of the gradient at the null model, 1 if that is 0."""
        return float(np.abs(self.null_pull).max()) or 1.0

    def at(self, lam: float) -> "Task":
        """Return the same task at another λ, with what is known of the null model."""
        return self._kept(replace(self, lam=lam))

    def under(self, curve: Curve) -> "Task":
        """Return the same task with another penalty, with what is known of the null model."""
        return self._kept(replace(self, curve=curve))

    def _kept(self, other: "Task") -> "Task":
        other.__dict__.update(null=self.null, null_pull=self.null_pull)
        return other


def pose_task(
    X: Any, y: "ArrayLike", penalty: Any, lam: float, loss: Any, fit_intercept: bool, sample_weight: Any, offset: Any
) -> Task:
    """Check everything and return the task.

    Raises
    ------
    InputError
        For NaN or infinite data, shapes that do not match, negative weights, a λ that is no finite number ≥ 0, an
        unknown loss or one of several outputs, and for an intercept that the loss has no finite best value for.
    """
    check_lam(lam)
    found = loss_named(loss)
    if isinstance(found, Multinomial):
        raise InputError("loss = 'multinomial'", "has one predictor per class, where one is solved for",
                         "use fit_outputs of etatrick.numerics.outputs")  # fmt: skip
    design = read_design(X)
    n = design.shape[0]
    target = found.targets(per_row("y", y, n))
    weights = row_weights(sample_weight, n)
    shift = np.zeros(n) if offset is None else per_row("offset", offset, n)
    curve = penalty if isinstance(penalty, Curve) else read_curve(penalty)
    task = Task(design, target, weights, shift, found, curve, float(lam), bool(fit_intercept))
    if fit_intercept:
        _check_intercept(task)
    base = shift if not fit_intercept else shift - np.average(shift, weights=weights) + found.predictor(target)
    if not np.isfinite(task.data_term(base)):
        name = "y" if offset is None else "y and offset"
        raise InputError(name, "make the loss overflow before any weight is added", "rescale them")
    with np.errstate(over="ignore", invalid="ignore"):
        steep = float(np.abs(task.null_pull).max())
        if not np.isfinite(steep * steep):
            raise InputError("X", "has entries so large that their squares overflow", "rescale its columns")
    return task


def _check_intercept(task: Task) -> None:
    mean = float(np.average(task.y, weights=task.weights))
    if isinstance(task.loss, Logistic) and mean in (0.0, 1.0):
        raise InputError("y with one label only", "an intercept would be infinite", "add data of the other class")
    if isinstance(task.loss, Poisson) and mean == 0.0:
        raise InputError("y with counts of 0 only", "an intercept would be −∞", "add data, or fit no intercept")


def _best_constant(task: Task, fixed: "Floats") -> float:
    """Return the best constant beside θ = `fixed`, by Newton's method with halving on a convex function."""
    if isinstance(task.loss, Squared):
        return float(np.average(task.y - fixed, weights=task.weights))
    b = float(task.loss.predictor(task.y)) - float(np.average(fixed, weights=task.weights))
    value = task.data_term(fixed + b)
    for _ in range(NEWTON):
        theta = fixed + b
        rise = float(task.residual(theta).sum())
        step = rise / float(task.curvature(theta).sum())
        while step != 0 and task.data_term(theta + step) > value + 1e-15 * abs(value):
            step /= 2
            if abs(step) <= 1e-16 * (1 + abs(b)):
                step = 0.0
        b, previous = b + step, value
        value = task.data_term(fixed + b)
        if abs(step) <= 1e-15 * (1 + abs(b)) and value >= previous - 1e-16 * abs(previous):
            break
    return b
