"""The squared loss as ½wᵀGw − bᵀw + ½c, with G, b and c correctly rounded and their errors known."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

UNIT: Final = 2.0**-53
"""The unit roundoff of double precision."""

PRECISION: Final = 400
"""Bits of the ball arithmetic in which the moments are formed."""


@final
@dataclass(frozen=True, eq=False)
class Quadratic:
    """½wᵀGw − bᵀw + ½c for the weighted, centred data.

    Parameters
    ----------
    gram : ndarray, shape (d, d)
    linear : ndarray, shape (d,)
    constant : float
    gram_error, linear_error : ndarray
        Bounds of |G − gram| and |b − linear|, entry by entry.
    constant_error : float
        Bound of |c − constant|.
    """

    gram: "NDArray[np.float64]"
    linear: "NDArray[np.float64]"
    constant: float
    gram_error: "NDArray[np.float64]"
    linear_error: "NDArray[np.float64]"
    constant_error: float

    def loss(self, coef: "NDArray[np.float64]") -> float:
        """Return ½wᵀGw − bᵀw + ½c."""
        return float(coef @ (self.gram @ coef / 2 - self.linear) + self.constant / 2)


def quadratic(
    X: "NDArray[np.float64]",
    y: "NDArray[np.float64]",
    weights: "NDArray[np.float64]",
    centred: bool,
    ridge: float = 0.0,
) -> Quadratic:
    r"""Return Σ_i s_i (y_i − x_iᵀw − ι)²/2 + ½ρ‖w‖² minimised over ι (if `centred`), as a quadratic in w.

    The moments are formed in ball arithmetic and rounded once, so each entry is within one unit of the exact one.

    Examples
    --------
    >>> q = quadratic(np.array([[1.0], [3.0]]), np.array([1.0, 2.0]), np.ones(2), centred=True)
    >>> q.gram, q.linear, q.constant
    (array([[2.]]), array([1.]), 0.5)
    """
    from flint import arb, arb_mat, ctx

    before, ctx.prec = ctx.prec, PRECISION
    try:
        Z = arb_mat(np.column_stack([X, y, np.ones(len(y))]).tolist())
        S = arb_mat((np.column_stack([X, y, np.ones(len(y))])).tolist())
        total = _weighted(Z, S, weights)
        d = X.shape[1]
        table = [[total[i, j] for j in range(d + 2)] for i in range(d + 2)]
        if centred:
            mass = table[d + 1][d + 1]
            edge = [table[i][d + 1] for i in range(d + 1)]
            table = [[table[i][j] - edge[i] * edge[j] / mass for j in range(d + 1)] for i in range(d + 1)]
        for j in range(d):
            table[j][j] += arb(ridge)
        middle, error = _rounded([row[: d + 1] for row in table[: d + 1]], arb)
    finally:
        ctx.prec = before
    # why: symmetric to the last bit, so that one triangle speaks for both
    gram, slack = (middle[:d, :d] + middle[:d, :d].T) / 2, np.maximum(error[:d, :d], error[:d, :d].T)
    slack = slack + 2 * UNIT * np.abs(gram)
    return Quadratic(gram, middle[:d, d], float(middle[d, d]), slack, error[:d, d], float(error[d, d]))


def _weighted(Z: Any, S: Any, weights: "NDArray[np.float64]") -> Any:
    """Return ZᵀSZ for the diagonal of `weights`, in balls."""
    from flint import arb, arb_mat

    rows = S.nrows(), S.ncols()
    if (weights != 1.0).any():
        S = arb_mat([[S[i, j] * arb(float(weights[i])) for j in range(rows[1])] for i in range(rows[0])])
    return Z.transpose() * S


def _rounded(table: list[list[Any]], arb: Any) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return midpoints in double precision, and upper bounds of their errors."""
    middle = np.array([[float(entry.mid()) for entry in row] for row in table])
    error = np.array(
        [
            [float(abs(entry - arb(float(m))).upper()) for entry, m in zip(row, line, strict=True)]
            for row, line in zip(table, middle, strict=True)
        ]
    )
    return middle, error * (1 + 4 * UNIT)
