"""The explicit regulariser ⟨C̄, UᵀU∘VᵀV⟩ of a mask law, and the expected squared loss, exactly."""

from collections import defaultdict
from dataclasses import dataclass
from typing import Any, Final, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.noise.arguments import Floats, exact, listed
from etatrick.theory.noise.base import MaskLaw

LARGEST_FORMULA: Final = 16


def explicit_regularizer(law: MaskLaw, U: Any, V: Any) -> Any:
    r"""Return what the noise of a law adds to the squared loss of the product UVᵀ.

    .. math:: \Omega(U,V) = \langle \bar C,\, U^TU \circ V^TV\rangle
              = \sum_{ij} \bar C_{ij}\, \langle u_i,u_j\rangle \langle v_i,v_j\rangle

    It is the difference of E‖Y − U diag(z/μ) Vᵀ‖² and ‖Y − UVᵀ‖², for any Y and any law of z with this C̄.
    Structure is used: Dropout costs O(d(a+N)), blocks and sliding blocks O(d(a+N) × units that share a block).

    Parameters
    ----------
    law : MaskLaw
        Of size d.
    U, V : array_like of shape (a, d) and (N, d), or sympy matrices
        Columns belong to hidden units.

    Returns
    -------
    float or sympy.Expr
        An expression if a matrix or the law has symbols; then d is at most 16.

    Raises
    ------
    InputError
        If a matrix is empty, not finite, or has another number of columns than the law has units.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli, Blocks
    >>> explicit_regularizer(Bernoulli(2, 0.5), [[1.0, 2.0]], [[1.0, 1.0]])
    5.0
    >>> lam, u, v = sp.symbols("lambda u v", positive=True)
    >>> explicit_regularizer(Blocks((2,), 1 / (1 + lam)), sp.Matrix([[u, v]]), sp.Matrix([[1, 1]]))
    lambda*(u**2 + 2*u*v + v**2)
    """
    if is_symbolic(U, V) or law.symbols:
        left, right = formula_pair(U, V, law.size)
        return _formula(law, left, right)
    return _inner(law, *array_pair(U, V, law.size))


def expected_squared_loss(Y: Any, U: Any, V: Any, law: MaskLaw) -> Any:
    """Return E‖Y − U diag(z/μ) Vᵀ‖² = ‖Y − UVᵀ‖² + Ω(U, V), without a factor ½.

    Parameters
    ----------
    Y : (a, N) array_like or sympy matrix
        Targets.
    U, V, law
        As in :func:`explicit_regularizer`.

    Returns
    -------
    float or sympy.Expr

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli
    >>> expected_squared_loss([[1.0]], [[1.0, 2.0]], [[1.0, 1.0]], Bernoulli(2, 0.5))  # 2² + 5
    9.0
    """
    return squared_loss(Y, U, V, law) + explicit_regularizer(law, U, V)


@final
@dataclass(frozen=True)
class ScaledLoss:
    """The parts of an expected squared loss under a mask that is not scaled by 1/μ.

    Parameters
    ----------
    unmasked : float or sympy.Expr
        ‖Y − UVᵀ‖².
    bias : float or sympy.Expr
        ‖Y − U diag(cμ)Vᵀ‖² − ‖Y − UVᵀ‖², of either sign.
    variance : float or sympy.Expr
        c²⟨C, UᵀU∘VᵀV⟩.
    """

    unmasked: Any
    bias: Any
    variance: Any

    @property
    def total(self) -> Any:
        """E‖Y − U diag(cz) Vᵀ‖²."""
        return self.unmasked + self.bias + self.variance


def scaled_squared_loss(Y: Any, U: Any, V: Any, law: MaskLaw, scale: Any) -> ScaledLoss:
    """Return E‖Y − U diag(cz) Vᵀ‖² in parts, for a layer that multiplies the mask by a constant c.

    A real DropBlock layer does so: its constant cannot be 1/μ_i everywhere, and the output is biased.

    Parameters
    ----------
    Y, U, V, law
        As in :func:`expected_squared_loss`.
    scale : number or sympy expression, or one per unit
        c.

    Returns
    -------
    ScaledLoss

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import UnitRates
    >>> found = scaled_squared_loss([[1.0]], [[1.0, 1.0]], [[1.0, 1.0]], UnitRates((0.5, 1)), 1.0)
    >>> found.unmasked, found.bias, found.variance
    (1.0, -0.75, 0.25)
    """
    scales = listed(scale, "scale") if isinstance(scale, tuple | list | np.ndarray) else (scale,) * law.size
    if len(scales) != law.size:
        raise InputError(
            f"{len(scales)} scales", f"needs one, or one for each of the {law.size} units", "pass scale=1.0"
        )
    factors = [exact(c, "scale") for c in scales]
    unmasked = squared_loss(Y, U, V, law)
    if is_symbolic(U, V, Y) or law.symbols or any(c.free_symbols for c in factors):
        left, _ = formula_pair(U, V, law.size)
        shrunk: Any = left * sp.diag(*(c * m for c, m in zip(factors, law.mean, strict=True)))
        V = sp.Matrix(V)
    else:
        shrunk = array_pair(U, V, law.size)[0] * (np.array([float(c) for c in factors]) * law.means())
    return ScaledLoss(unmasked, squared_loss(Y, shrunk, V, law) - unmasked, explicit_regularizer(law, shrunk, V))


def rotated_basis_regularizer(law: MaskLaw, reflectors: Any, U: Any, V: Any) -> Any:
    """Return the explicit regulariser of UH diag(z/μ) HᵀVᵀ, the mask applied in the basis of the columns of H.

    Parameters
    ----------
    law, U, V
        As in :func:`explicit_regularizer`.
    reflectors : sequence of sequences
        Vectors v; H is the product of the Householder reflections I − 2vvᵀ/‖v‖².

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import UnitRates
    >>> rotated_basis_regularizer(UnitRates((1, 0.5)), [(1, -1)], [[1.0, 2.0]], [[1.0, 1.0]])
    1.0
    """
    from etatrick.theory.noise.composed import Rotated

    frame = Rotated(law, reflectors)
    if is_symbolic(U, V) or frame.symbols:
        left, right = formula_pair(U, V, law.size)
        return explicit_regularizer(law, left * frame.rotation, right * frame.rotation)
    rotation = np.array(frame.rotation.tolist(), dtype=np.float64)
    first, second = array_pair(U, V, law.size)
    return explicit_regularizer(law, first @ rotation, second @ rotation)


def squared_loss(Y: Any, U: Any, V: Any, law: MaskLaw) -> Any:
    """Return ‖Y − UVᵀ‖², the loss without the mask."""
    if is_symbolic(Y, U, V):
        left, right = formula_pair(U, V, law.size)
        target: Any = sp.Matrix(Y)
        _check_target(target.shape, (left.rows, right.rows))
        return sum((x**2 for x in target - left * right.T), sp.Integer(0))
    first, second = array_pair(U, V, law.size)
    values = matrix_of(Y, "Y")
    _check_target(values.shape, (len(first), len(second)))
    return float(((values - first @ second.T) ** 2).sum())


def is_symbolic(*matrices: Any) -> bool:
    """Whether one of the matrices is a sympy matrix."""
    return any(isinstance(m, sp.MatrixBase) for m in matrices)


def matrix_of(values: Any, name: str) -> Floats:
    """Return a finite nonempty float matrix."""
    try:
        found = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, "must be a matrix of real numbers", "pass a two-dimensional float array") from error
    if found.ndim != 2 or found.size == 0:
        raise InputError(f"{name} of shape {found.shape}", "must be a nonempty matrix", "pass a two-dimensional array")
    if not np.isfinite(found).all():
        raise InputError(name, "holds NaN or infinite values", "remove them first")
    return found


def array_pair(U: Any, V: Any, size: int) -> tuple[Floats, Floats]:
    """Return the two factors as float arrays with `size` columns."""
    first, second = matrix_of(U, "U"), matrix_of(V, "V")
    _check_columns(first.shape, second.shape, size)
    return first, second


def formula_pair(U: Any, V: Any, size: int) -> tuple[Any, Any]:
    """Return the two factors as sympy matrices with `size` columns, at most 16."""
    first, second = sp.Matrix(U), sp.Matrix(V)
    _check_columns(first.shape, second.shape, size)
    if size > LARGEST_FORMULA:
        rule = f"a formula is written for at most {LARGEST_FORMULA} units"
        raise InputError(f"size = {size}", rule, "give all parameters values and pass float arrays")
    return first, second


def _check_columns(first: tuple[int, ...], second: tuple[int, ...], size: int) -> None:
    for name, shape in (("U", first), ("V", second)):
        if shape[1] != size:
            rule = f"needs one column for each of the {size} units"
            raise InputError(f"{name} of shape {shape}", rule, f"transpose {name}, or change the size of the law")


def _check_target(shape: tuple[int, ...], wanted: tuple[int, int]) -> None:
    if shape != wanted:
        raise InputError(f"Y of shape {shape}", f"must have the shape {wanted} of UVᵀ", "transpose or cut Y")


def _inner(law: MaskLaw, U: Floats, V: Floats) -> float:
    return float(sum(term.inner(U, V) for term in law.terms()))


def _formula(law: MaskLaw, U: Any, V: Any) -> Any:
    """Sum over pairs, gathered by equal entries of C̄."""
    covariance, left, right = law.exact_normalised_covariance, U.T * U, V.T * V
    gathered: dict[Any, list[Any]] = defaultdict(list)
    for i in range(law.size):
        for j in range(i, law.size):
            gathered[covariance[i, j]].append((1 if i == j else 2) * left[i, j] * right[i, j])
    return sp.Add(*(value * sp.Add(*products) for value, products in gathered.items() if value != 0))
