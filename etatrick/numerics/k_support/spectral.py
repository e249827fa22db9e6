"""The k-support norm of singular values: norm, dual, subgradient and proximal map of matrices."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.k_support.arguments import Array, level, strength
from etatrick.numerics.k_support.norm import dual_magnitudes, k_support_subgradient, magnitudes
from etatrick.numerics.k_support.prox import shrunk
from etatrick.numerics.k_support.singular import mapped, matrices, spectra

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def spectral_k_support_norm(A: "ArrayLike", k: float) -> Array:
    r"""Return the k-support norm of the singular values of each matrix.

    .. math:: \lVert A\rVert_{sp,k}^2 = \min\{\operatorname{tr} A^\top\Theta^{-1}A : 0\preceq\Theta\preceq I,\
              \operatorname{tr}\Theta\le k\}

    For integral k its unit ball is the convex hull of the matrices of rank ≤ k and Frobenius norm ≤ 1. k = 1 is the
    nuclear norm, k = min(m, n) the Frobenius norm.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    k : float
        1 ≤ k ≤ min(m, n); need not be an integer.

    Returns
    -------
    ndarray, shape (...)
        In float32 if `A` is, otherwise in float64.

    Raises
    ------
    InputError
        If `A` is empty, not finite or not a matrix, or k is outside [1, min(m, n)].

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_k_support_norm
    >>> float(spectral_k_support_norm([[3.0, 0.0], [0.0, -4.0]], k=1).round(12))
    7.0
    """
    sigma = spectra("A", A)
    return sigma.numbers(magnitudes(sigma.matrix, level(k, sigma.shape[-1])))


def spectral_k_support_dual_norm(Z: "ArrayLike", k: float) -> Array:
    """Return the length of the k largest singular values of each matrix.

    Parameters
    ----------
    Z : array_like, shape (..., m, n)
        Finite numbers.
    k : float
        1 ≤ k ≤ min(m, n).

    Returns
    -------
    ndarray, shape (...)

    Raises
    ------
    InputError
        As :func:`spectral_k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_k_support_dual_norm
    >>> float(spectral_k_support_dual_norm([[3.0, 0.0], [0.0, -4.0]], k=1).round(12))
    4.0
    """
    sigma = spectra("Z", Z)
    return sigma.numbers(dual_magnitudes(sigma.matrix, level(k, sigma.shape[-1])))


def prox_spectral_k_support(A: "ArrayLike", k: float, beta: float) -> Array:
    r"""Return the minimiser of ½‖X − A‖_F² + (β/2)‖X‖_{sp,k}² for each matrix.

    The singular values are those of :func:`prox_k_support`. From 200 rows and columns on, where the threshold is so
    large that nothing is lost, they come from the Gram matrix of the shorter side, with vectors only for those that
    stay; otherwise from a singular value decomposition.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    k : float
        1 ≤ k ≤ min(m, n).
    beta : float
        β ≥ 0, finite.

    Returns
    -------
    ndarray, shape (..., m, n)
        In float32 if `A` is, otherwise in float64.

    Raises
    ------
    InputError
        As :func:`spectral_k_support_norm`, or if β is negative.

    Examples
    --------
    >>> from etatrick.numerics.k_support import prox_spectral_k_support
    >>> prox_spectral_k_support([[4.0, 0.0], [0.0, -1.0]], k=1, beta=1.0).round(12).tolist()
    [[2.0, 0.0], [0.0, 0.0]]
    """
    stack = matrices("A", A)
    fraction, factor = level(k, min(stack.shape[-2:])), strength(beta)
    return mapped(stack, lambda sigma: shrunk(sigma, fraction, factor), fraction)


def spectral_k_support_subgradient(A: "ArrayLike", k: float) -> Array:
    """Return a subgradient of the spectral k-support norm: that of the vector norm at the singular values.

    Parameters
    ----------
    A : array_like, shape (..., m, n)
        Finite numbers.
    k : float
        1 ≤ k ≤ min(m, n).

    Returns
    -------
    ndarray, shape (..., m, n)

    Raises
    ------
    InputError
        As :func:`spectral_k_support_norm`.

    Examples
    --------
    >>> from etatrick.numerics.k_support import spectral_k_support_subgradient
    >>> spectral_k_support_subgradient([[3.0, 0.0], [0.0, 4.0]], k=2).round(12).tolist()
    [[0.6, 0.0], [0.0, 0.8]]
    """
    stack = matrices("A", A)
    fraction = level(k, min(stack.shape[-2:]))
    U, sigma, Vt = np.linalg.svd(stack.astype(np.float64), full_matrices=False)
    slope = np.asarray(k_support_subgradient(sigma, fraction))
    product: Array = ((U * slope[..., None, :]) @ Vt).astype(stack.dtype, copy=False)
    return product
