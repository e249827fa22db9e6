"""DropConnect: independent masks on single weights of a two-layer linear network, and what they add to the loss."""

from dataclasses import dataclass
from typing import Any, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, retain_probability
from etatrick.theory.noise.blocks import odds_of
from etatrick.theory.noise.regularizer import is_symbolic, matrix_of


@final
@dataclass(frozen=True)
class DropConnect:
    r"""Independent Bernoulli masks on the weights of U Vᵀ X, each divided by its retain probability.

    .. math:: \Omega = \sum_i \lVert u_i\rVert^2 \Big[\lambda_U \lVert X^Tv_i\rVert^2
              + \lambda_V (1+\lambda_U) \sum_j V_{ji}^2 \lVert x_j\rVert^2\Big]

    U (a × d) are the weights that leave the hidden layer, V (b × d) those that enter it, x_j the rows of X (b × N).
    On outgoing weights alone this is Dropout. On incoming weights it puts diag(XXᵀ) in the place of XXᵀ, so it equals
    Dropout only if XXᵀ is diagonal.

    Parameters
    ----------
    outgoing, incoming : number or sympy expression
        Retain probabilities of the entries of U and V, in (0, 1]; 1 means no mask.

    Examples
    --------
    >>> U, V = [[1.0, 2.0]], [[1.0, 0.0], [1.0, 1.0]]
    >>> DropConnect(outgoing=0.5).explicit_regularizer(U, V, [[1.0], [1.0]])  # 1·2² + 4·1²
    8.0
    >>> DropConnect(incoming=0.5).explicit_regularizer(U, V, [[1.0], [1.0]])  # 1·2 + 4·1
    6.0
    """

    outgoing: Any = 1
    incoming: Any = 1

    def __post_init__(self) -> None:
        retain_probability(self.outgoing, "outgoing")
        retain_probability(self.incoming, "incoming")

    @property
    def outgoing_odds(self) -> Any:
        """λ_U, a float or an expression."""
        return odds_of(self.outgoing)

    @property
    def incoming_odds(self) -> Any:
        """λ_V, a float or an expression."""
        return odds_of(self.incoming)

    def explicit_regularizer(self, U: Any, V: Any, X: Any) -> Any:
        """Return Ω for U (a, d), V (b, d) and inputs X (b, N): a float, or an expression for sympy matrices.

        Raises
        ------
        InputError
            If the shapes do not fit, or a matrix is empty or not finite.
        """
        if self._is_formula(U, V, X):
            return formula(_odds(self.outgoing), _odds(self.incoming), *_fitting(*(sp.Matrix(M) for M in (U, V, X))))
        arrays = (matrix_of(U, "U"), matrix_of(V, "V"), matrix_of(X, "X"))
        return number(float(self.outgoing_odds), float(self.incoming_odds), *_fitting(*arrays))

    def expected_squared_loss(self, Y: Any, U: Any, V: Any, X: Any) -> Any:
        """Return the expectation of ‖Y − UVᵀX‖² over the masks: the loss without them, plus Ω; no factor ½."""
        return residual(Y, U, V, X, self._is_formula(Y, U, V, X)) + self.explicit_regularizer(U, V, X)

    def _is_formula(self, *matrices: Any) -> bool:
        return is_symbolic(*matrices) or bool(_odds(self.outgoing).free_symbols | _odds(self.incoming).free_symbols)


def formula(leaving: Any, entering: Any, U: Any, V: Any, X: Any) -> Any:
    """Return Ω of :class:`DropConnect` for odds λ_U, λ_V and sympy matrices."""
    rows = [sum(x**2 for x in X.row(j)) for j in range(X.rows)]
    total = sp.Integer(0)
    for i in range(U.cols):
        features = sum(x**2 for x in X.T * V.col(i))
        weights = sum(V[j, i] ** 2 * rows[j] for j in range(V.rows))
        total += sum(x**2 for x in U.col(i)) * (leaving * features + entering * (1 + leaving) * weights)
    return total


def number(leaving: float, entering: float, U: Floats, V: Floats, X: Floats) -> float:
    """Return Ω of :class:`DropConnect` for odds λ_U, λ_V and float matrices."""
    hidden, rows = X.T @ V, np.einsum("ij,ij->i", X, X)
    noise = leaving * np.einsum("ij,ij->j", hidden, hidden) + entering * (1 + leaving) * (rows @ V**2)
    return float(np.einsum("ij,ij->j", U, U) @ noise)


def residual(Y: Any, U: Any, V: Any, X: Any, symbolic: bool) -> Any:
    """Return ‖Y − UVᵀX‖²."""
    if symbolic:
        left, right, inputs = _fitting(*(sp.Matrix(M) for M in (U, V, X)))
        target = sp.Matrix(Y)
        _check_target(target.shape, (left.rows, inputs.cols))
        return sum((x**2 for x in target - left * right.T * inputs), sp.Integer(0))
    first, second, data = _fitting(matrix_of(U, "U"), matrix_of(V, "V"), matrix_of(X, "X"))
    values = matrix_of(Y, "Y")
    _check_target(values.shape, (len(first), data.shape[1]))
    return float(((values - first @ second.T @ data) ** 2).sum())


def _fitting(U: Any, V: Any, X: Any) -> tuple[Any, Any, Any]:
    if U.shape[1] != V.shape[1] or V.shape[0] != X.shape[0]:
        rule = "U is (a, d), V is (b, d) and X is (b, N)"
        raise InputError(f"U {U.shape}, V {V.shape}, X {X.shape}", rule, "transpose the one that does not fit")
    return U, V, X


def _check_target(shape: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if shape != wanted:
        raise InputError(f"Y of shape {shape}", f"must have the shape {wanted} of UVᵀX", "transpose or cut Y")


def _odds(retain: Any) -> Any:
    theta = retain_probability(retain)
    return (1 - theta) / theta
