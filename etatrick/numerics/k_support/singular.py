"""Functions of singular values: by a full decomposition, or by the Gram matrix where that loses nothing."""

import math
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.k_support.arguments import HUGE, Array, Floats, Rows, real

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Shrinkage: TypeAlias = Callable[[Floats], Array]  # of rows of singular values; zero below a threshold

SMALL = 200  # up to this size a decomposition is as fast
SPREAD = 1000.0  # loss of digits that is allowed: the error of σ_l from a Gram matrix is about ε σ_1²/σ_l


def matrices(name: str, values: "ArrayLike") -> Array:
    """Return finite matrices along the last two axes.

    Raises
    ------
    InputError
        If there are fewer than two axes, or one of the last two is empty.
    """
    array = real(name, values)
    if array.ndim < 2 or 0 in array.shape[-2:]:
        raise InputError(f"{name} of shape {array.shape}", "needs matrices of shape (…, m, n)", "reshape it")
    return array


def spectra(name: str, values: "ArrayLike") -> Rows:
    """Return the singular values of matrices along the last two axes, in rows."""
    stack = matrices(name, values)
    unit = _unit(stack)
    sigma = np.asarray(np.linalg.svd(stack.astype(np.float64) / unit, compute_uv=False) * unit, dtype=np.float64)
    count = math.prod(sigma.shape[:-1])
    return Rows(sigma.reshape(count, sigma.shape[-1]), sigma.shape, stack.dtype)


def mapped(stack: Array, shrink: Shrinkage, rank: float) -> Array:
    """Apply a shrinkage of singular values to matrices along the last two axes.

    `rank` is the number of singular values that are never all removed, by which a sample of columns is sized.
    """
    unit = _unit(stack)

    def shrink_scaled(sigma: Floats) -> Array:
        return shrink(sigma * unit) / unit

    scaled = stack.astype(np.float64) / unit if unit != 1 else stack.astype(np.float64, copy=False)
    product = None
    if stack.ndim == 2 and min(stack.shape) >= SMALL:
        wide = stack.shape[1] > stack.shape[0]
        tall = np.ascontiguousarray(scaled.T) if wide else scaled
        product = by_gram(tall, shrink_scaled, rank)
        product = product.T if wide and product is not None else product
    if product is None:
        product = by_decomposition(scaled, shrink_scaled)
    return np.ascontiguousarray(product * unit if unit != 1 else product, dtype=stack.dtype)


def by_decomposition(stack: Floats, shrink: Shrinkage) -> Floats:
    """Return the result by a singular value decomposition of every matrix."""
    U, sigma, Vt = np.linalg.svd(stack, full_matrices=False)
    kept = shrink(sigma.reshape(-1, sigma.shape[-1])).reshape(sigma.shape)
    number = int(np.count_nonzero(kept, axis=-1).max(initial=0))  # singular values come largest first
    product: Floats = (U[..., :number] * kept[..., None, :number]) @ Vt[..., :number, :]
    return product


def by_gram(A: Floats, shrink: Shrinkage, rank: float) -> Floats | None:
    """Return the result for a tall matrix from AᵀA, or None where singular values that stay are not accurate there.

    With σ_1 the largest and σ_l the smallest that stays, the result X has an error of about ε σ_1²/σ_l, so that
    σ_1² ≤ SPREAD σ_l ‖X‖ keeps twelve digits. Some columns, whose singular values are at most those of A, tell
    beforehand whether it is worth trying.
    """
    from scipy.linalg.lapack import dsterf, dsytrd, dsytrd_lwork

    columns = A.shape[1]
    sample = max(columns // 4, 2 * math.ceil(rank))
    if sample > columns or not _promising(A[:, :: columns // sample], A, shrink):
        return None
    reduced, diagonal, off, tau, failed = dsytrd(
        A.T @ A, lower=1, lwork=int(dsytrd_lwork(columns, lower=1)[0]), overwrite_a=1
    )
    values, unfinished = dsterf(diagonal, off)
    if failed or unfinished:
        return None
    sigma = np.sqrt(np.maximum(values[::-1], 0.0))
    kept = shrink(sigma[None])[0]
    number = int(np.count_nonzero(kept))
    if not number or not _accurate(float(sigma[0]), float(sigma[number - 1]), kept):
        return None
    vectors = _vectors(reduced, diagonal, off, tau, number)
    if vectors is None:
        return None
    image = A @ vectors
    image *= kept[:number][::-1] / sigma[:number][::-1]
    product: Floats = image @ vectors.T
    return product


def _promising(part: Floats, A: Floats, shrink: Shrinkage) -> bool:
    """Judge by some columns: a singular value of theirs that is removed lies below the threshold of A, too."""
    sigma = np.sqrt(np.maximum(np.linalg.eigvalsh(part.T @ part)[::-1], 0.0))
    kept = shrink(sigma[None])[0]
    number = int(np.count_nonzero(kept))
    return 0 < number < len(sigma) and _accurate(_largest(A), float(sigma[number]), kept)


def _accurate(largest: float, smallest: float, kept: Array) -> bool:
    return largest**2 <= SPREAD * smallest * float(np.linalg.norm(kept))


def _largest(A: Floats) -> float:
    """Return σ_1 to a few per cent, by power iteration from the longest row."""
    direction = A[np.argmax(np.einsum("ij,ij->i", A, A))]
    for _ in range(8):
        length = float(np.linalg.norm(direction))
        if length == 0:
            return 0.0
        direction = A.T @ (A @ (direction / length))
    return float(np.sqrt(np.linalg.norm(direction)))


def _vectors(reduced: Floats, diagonal: Floats, off: Floats, tau: Floats, number: int) -> Floats | None:
    """Return the eigenvectors of the `number` largest eigenvalues, smallest first, of a reduced symmetric matrix."""
    from scipy.linalg.lapack import dormqr, dstemr

    size = len(diagonal)
    padded = np.append(off, 0.0)
    found, _, vectors, failed = dstemr(diagonal, padded, 2, 0.0, 0.0, size - number + 1, size)
    if failed or found != number:
        return None
    vectors = np.asfortranarray(vectors[:, :number])
    lwork = 64 * max(number, 64)
    turned, _, failed = dormqr(
        "L", "N", np.asfortranarray(reduced[1:, :-1]), tau, np.asfortranarray(vectors[1:]), lwork
    )
    if failed:
        return None
    vectors[1:] = turned
    return vectors


def _unit(stack: Array) -> float:
    """Return a power of two near the largest entry if that is extreme, otherwise 1."""
    largest = float(np.abs(stack).max(initial=0.0))
    return 1.0 if largest == 0 or 1 / HUGE <= largest <= HUGE else math.ldexp(1.0, min(math.frexp(largest)[1], 1000))
