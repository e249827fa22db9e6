"""Ordered and box norms of singular values, with their proximal maps."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.k_support.arguments import Array, strength, weights
from etatrick.numerics.k_support.box import box_level, box_norm
from etatrick.numerics.k_support.ordered import ordered_dual_norm, ordered_norm, ordered_shrunk
from etatrick.numerics.k_support.prox import shrunk
from etatrick.numerics.k_support.singular import mapped, matrices, spectra

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def spectral_ordered_norm(A: "ArrayLike", omega: "ArrayLike") -> Array:
    """Return :func:`ordered_norm` of the singular values of each matrix.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    omega : array_like, shape (min(m, n),)
        ω_1 ≥ ω_2 ≥ … ≥ 0, not all zero.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        If `A` is empty, not finite or not a matrix, or the weights are not as stated.

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_ordered_norm
    >>> float(spectral_ordered_norm([[3.0, 0.0], [0.0, 4.0]], [1.0, 0.0]).round(12))
    7.0
    """
    sigma = spectra("A", A)
    return sigma.numbers(np.asarray(ordered_norm(sigma.matrix, omega)))


def spectral_ordered_dual_norm(Z: "ArrayLike", omega: "ArrayLike") -> Array:
    """Return :func:`ordered_dual_norm` of the singular values of each matrix.

    Parameters
    ----------
    Z : array_like, shape (..., m, n)
        Finite numbers.
    omega : array_like, shape (min(m, n),)
        As for :func:`spectral_ordered_norm`.

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`spectral_ordered_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_ordered_dual_norm
    >>> float(spectral_ordered_dual_norm([[3.0, 0.0], [0.0, 4.0]], [1.0, 0.0]).round(12))
    4.0
    """
    sigma = spectra("Z", Z)
    return sigma.numbers(np.asarray(ordered_dual_norm(sigma.matrix, omega)))


def prox_spectral_ordered(A: "ArrayLike", omega: "ArrayLike", beta: float) -> Array:
    """Return the minimiser of ½‖X − A‖_F² + (β/2)N(X)² for the ordered norm of singular values.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    omega : array_like, shape (min(m, n),)
        As for :func:`spectral_ordered_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., m, n)

    Raises
    ------
    InputError
        As :func:`spectral_ordered_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_spectral_ordered
    >>> prox_spectral_ordered([[4.0, 0.0], [0.0, 2.0]], [1.0, 1.0], beta=1.0).round(12).tolist()
    [[2.0, 0.0], [0.0, 1.0]]
    """
    stack = matrices("A", A)
    read, factor = weights(omega, min(stack.shape[-2:])), strength(beta)
    return mapped(stack, lambda sigma: ordered_shrunk(sigma, read, factor), float(np.count_nonzero(read)))


def spectral_box_norm(A: "ArrayLike", a: float, b: float, c: float) -> Array:
    """Return :func:`box_norm` of the singular values of each matrix: the cluster norm of multitask learning.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    a, b, c : float
        As for :func:`box_norm` with d = min(m, n).

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`box_norm`, or if `A` is not a matrix.

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_box_norm
    >>> float(spectral_box_norm([[3.0, 0.0], [0.0, 4.0]], a=0.25, b=1.0, c=0.5).round(12))
    10.0
    """
    sigma = spectra("A", A)
    return sigma.numbers(np.asarray(box_norm(sigma.matrix, a, b, c)))


def prox_spectral_box(A: "ArrayLike", a: float, b: float, c: float, beta: float) -> Array:
    """Return the minimiser of ½‖X − A‖_F² + (β/2)‖X‖² for the box norm of singular values.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    a, b, c : float
        As for :func:`spectral_box_norm`.
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., m, n)

    Raises
    ------
    InputError
        As :func:`spectral_box_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_spectral_box
    >>> prox_spectral_box([[3.0, 0.0], [0.0, 4.0]], a=0.5, b=1.0, c=2.0, beta=1.0).round(12).tolist()
    [[1.5, 0.0], [0.0, 2.0]]
    """
    stack = matrices("A", A)
    rank, factor = box_level(min(stack.shape[-2:]), a, b, c), strength(beta)
    if rank == 0:
        return stack * stack.dtype.type(a / (a + factor))
    part = mapped(stack, lambda sigma: shrunk(sigma, rank, (a + factor) / (b - a)), rank)
    blend: Array = ((a * stack + factor * part) / (a + factor)).astype(stack.dtype, copy=False)
    return blend
