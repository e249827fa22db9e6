"""The problem a global search answers: checked data as a quadratic, the shape of the penalty, and the box."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.global_search.folded import FoldedShape, folded_shape
from etatrick.numerics.global_search.quadratic import UNIT, Quadratic, quadratic
from etatrick.numerics.problem import check_lam, finite, problem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WIDEST: Final = 64
SINGULAR: Final = 1e-10


@final
@dataclass(frozen=True, eq=False)
class Posed:
    """½wᵀGw − bᵀw + ½c + λ Σ Ω(|w_j|) over |w_j| ≤ radius.

    Parameters
    ----------
    data : Quadratic
    shape : FoldedShape
    lam, radius : float
    X_mean, y_mean : ndarray, float
        From which the intercept follows.
    """

    data: Quadratic
    shape: FoldedShape
    lam: float
    radius: float
    X_mean: "NDArray[np.float64]"
    y_mean: float

    @property
    def scale(self) -> float:
        """The objective at 0, to which gaps are relative (1 if it is 0)."""
        return self.data.constant / 2 or 1.0

    @property
    def zero_or_large_loss(self) -> "NDArray[np.float64]":
        """What confining w_j to 0 and |w_j| ≥ flat can cost, +∞ where that is not justified.

        Between, the objective as a function of w_j alone has curvature at most G_jj − λ·bend: where this is ≤ 0 an end
        is no worse, and otherwise an end is worse by at most (G_jj − λ·bend)·flat²/8. For ℓ0 there is no between.
        """
        loss = np.zeros(len(self.data.linear))
        if self.shape.knee > 0 or self.radius < self.shape.flat:
            return np.full_like(loss, np.inf)
        if self.shape.flat > 0:
            diagonal = np.diag(self.data.gram) + np.diag(self.data.gram_error)
            bend = self.lam * self.shape.bend
            excess = np.maximum(diagonal * (1 + 4 * UNIT) - bend * (1 - 8 * UNIT), 0.0)
            loss = excess * self.shape.flat**2 / 8
        return np.where(loss <= 1e-13 * self.scale, loss, np.inf)


def pose_globally(
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    fit_intercept: bool,
    sample_weight: "ArrayLike | None",
    box: float | None,
) -> Posed:
    """Check the input and return the problem with intercept and weights absorbed exactly.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.problem.problem`; also for a penalty of another shape, too many or constant
        columns, or linearly dependent columns without a box.
    """
    check_lam(lam)
    if lam == 0:
        raise InputError("lam = 0", "leaves a plain least-squares problem", "use numpy.linalg.lstsq, or a λ > 0")
    shape = folded_shape(penalty)
    # why: checks the data as every solver does; the moments are formed again, exactly
    from etatrick.theory import penalties

    checked = problem(X, y, penalties["l1"](k=1), lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    matrix, target = finite("X", X, 2), finite("y", y, 1)
    if matrix.shape[1] > WIDEST:
        rule = f"a global search is meant for at most {WIDEST} columns"
        raise InputError(f"X with {matrix.shape[1]} columns", rule, "screen columns first, or use solve(…)")
    weights = np.ones(len(target)) if sample_weight is None else finite("sample_weight", sample_weight, 1)
    data = quadratic(matrix, target, weights, fit_intercept)
    size = np.diag(data.gram)
    if (size <= 1e-14 * np.sum(weights[:, None] * matrix**2, axis=0)).any():
        raise InputError("X", "has a column that is constant or zero", "remove such columns")
    if box is not None and not (np.isfinite(box) and box > 0):
        raise InputError(f"box = {box}", "must be a positive number", "leave it out when the columns are independent")
    scale = np.sqrt(size)
    least = float(np.linalg.eigvalsh(data.gram / np.outer(scale, scale))[0])
    if box is None and least < SINGULAR:
        raise InputError(f"X of shape {matrix.shape} without a box", "has linearly dependent columns",
                         "pass box=…: the search then covers |w_j| ≤ box")  # fmt: skip
    radius = np.inf if box is None else float(box)
    return Posed(data, shape, float(lam), radius, checked.X_mean, checked.y_mean)
