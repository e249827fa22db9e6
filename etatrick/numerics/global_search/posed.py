"""The problem a global search answers: checked data as a quadratic, the shape of the penalty, and the box."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.global_search.curved import read_shape
from etatrick.numerics.global_search.folded import FoldedShape
from etatrick.numerics.global_search.quadratic import UNIT, Quadratic, quadratic
from etatrick.numerics.global_search.shape import Shape
from etatrick.numerics.problem import check_lam, finite, problem

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

WIDEST: Final = 64
SINGULAR: Final = 1e-10


@final
@dataclass(frozen=True, eq=False)
class Posed:
    """½wᵀGw − bᵀw + ½c + λ Σ Ω(|w_j|) over |w_j| ≤ radius, with a ridge in G.

    Parameters
    ----------
    data : Quadratic
    shape : Shape
    lam, radius : float
    X_mean, y_mean : ndarray, float
        From which the intercept follows.
    twins : ndarray of bool, shape (d, d)
        Pairs of columns that are equal up to sign, of which a jump without a box and a ridge lets only one be used.
    """

    data: Quadratic
    shape: Shape
    lam: float
    radius: float
    X_mean: "NDArray[np.float64]"
    y_mean: float
    twins: "NDArray[np.bool_]"

    def redundant(self, large: "NDArray[np.bool_]") -> "NDArray[np.bool_]":
        """Whether a node makes two twins nonzero: putting the weight of one on the other saves a jump."""
        return np.asarray(((large @ self.twins) & large).any(axis=1))

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
        if not isinstance(self.shape, FoldedShape) or self.shape.knee > 0 or self.radius < self.shape.flat:
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
    ridge: float = 0.0,
) -> Posed:
    """Check the input and return the problem with intercept and weights absorbed exactly.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.problem.problem`; also for a penalty of another shape, too many or constant
        columns, or linearly dependent columns without a box, a ridge or a jump at 0.
    """
    check_lam(lam)
    if lam == 0:
        raise InputError("lam = 0", "leaves a plain least-squares problem", "use numpy.linalg.lstsq, or a λ > 0")
    shape = read_shape(penalty)
    # why: checks the data as every solver does; the moments are formed again, exactly
    from etatrick.theory import penalties

    checked = problem(X, y, penalties["l1"](k=1), lam, fit_intercept=fit_intercept, sample_weight=sample_weight)
    matrix, target = finite("X", X, 2), finite("y", y, 1)
    if matrix.shape[1] > WIDEST:
        rule = f"a global search is meant for at most {WIDEST} columns"
        raise InputError(f"X with {matrix.shape[1]} columns", rule, "screen columns first, or use solve(…)")
    weights = np.ones(len(target)) if sample_weight is None else finite("sample_weight", sample_weight, 1)
    if not (np.ndim(ridge) == 0 and np.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge = {ridge}", "must be a finite number ≥ 0", "leave it at 0")
    data = quadratic(matrix, target, weights, fit_intercept, float(ridge))
    size = np.diag(data.gram) - ridge
    if (size <= 1e-14 * np.sum(weights[:, None] * matrix**2, axis=0)).any():
        raise InputError("X", "has a column that is constant or zero", "remove such columns")
    if box is not None and not (np.isfinite(box) and box > 0):
        raise InputError(f"box = {box}", "must be a positive number", "leave it out when the columns are independent")
    scale = np.sqrt(np.diag(data.gram))
    least = float(np.linalg.eigvalsh(data.gram / np.outer(scale, scale))[0])
    # why: with a jump, only so many columns are worth their price, and that alone bounds the search
    if box is None and least < SINGULAR and shape.jump == 0:
        raise InputError(f"X of shape {matrix.shape} without a box", "has linearly dependent columns",
                         "pass box=… to search |w_j| ≤ box, or ridge=…")  # fmt: skip
    radius = np.inf if box is None else float(box)
    twins = np.zeros((len(size), len(size)), dtype=bool)
    if shape.jump > 0 and box is None and ridge == 0:
        columns = matrix.T[:, None, :]
        twins = np.asarray((columns == matrix.T).all(axis=2) | (columns == -matrix.T).all(axis=2))
        np.fill_diagonal(twins, False)
    return Posed(data, shape, float(lam), radius, checked.X_mean, checked.y_mean, twins)
