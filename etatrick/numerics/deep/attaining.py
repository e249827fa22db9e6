"""Weights of a deep linear network whose exact dropout objective attains a given allocation of copies."""

from bisect import bisect_right
from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.deep.layers import Layers

if TYPE_CHECKING:
    from etatrick.numerics.deep.layers import Floats


def columns_with_norms(X: "Floats", squares: "Floats") -> "Floats":
    """Rotate orthogonal columns so that their squared norms become `squares`, keeping X Xᵀ.

    Horn's construction: the largest target lies between two neighbouring norms, one plane rotation reaches it, and what
    is left of the two columns goes on. Possible when the squared norms of X majorise `squares`.

    Parameters
    ----------
    X : ndarray, shape (n, d)
        Orthogonal columns.
    squares : ndarray, shape (d,)

    Returns
    -------
    ndarray, shape (n, d)

    Examples
    --------
    >>> X = columns_with_norms(np.array([[2.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.array([2.0, 1.5, 1.5]))
    >>> (X**2).sum(0).round(12).tolist(), np.allclose(X @ X.T, np.diag([4.0, 1.0]), atol=1e-15)
    ([2.0, 1.5, 1.5], True)
    """
    order = np.argsort(-(X**2).sum(0), kind="stable")
    columns = [X[:, j] for j in order]
    norms = [-float(column @ column) for column in columns]  # negated: bisect wants increasing numbers
    result = np.empty_like(X)
    for j in np.argsort(-squares, kind="stable"):
        target = float(squares[j])
        if len(columns) == 1:
            result[:, j] = columns.pop()
            break
        above = min(max(bisect_right(norms, -target) - 1, 0), len(columns) - 2)
        high, low = columns.pop(above), columns.pop(above)
        big, small = -norms.pop(above), -norms.pop(above)
        share = min(max((target - small) / (big - small), 0.0), 1.0) if big > small else 1.0
        sine, cosine = share**0.5, (1 - share) ** 0.5
        result[:, j] = sine * high + cosine * low
        left = target - big - small
        place = bisect_right(norms, left)
        norms.insert(place, left)
        columns.insert(place, cosine * high - sine * low)
    return result


def frame(h: "Floats", width: int, block: int) -> "Floats | None":
    """Return X (n, width) with X Xᵀ = diag(h) whose blocks of columns are orthonormal, or None if none was found.

    Then XᵀX has spectrum h and identity blocks on its diagonal: the second moment of a balanced layer. With fewer
    directions than `block`, every block carries each direction once and its remaining columns are zero.

    Parameters
    ----------
    h : ndarray, shape (n,)
        0 < h ≤ width/block, with sum `width` (or all at the cap).
    width, block : int

    Examples
    --------
    >>> X = frame(np.array([2.5, 1.5]), 4, 1)
    >>> (X**2).sum(0).round(12).tolist(), np.allclose(X @ X.T, np.diag([2.5, 1.5]), atol=1e-14)
    ([1.0, 1.0, 1.0, 1.0], True)
    """
    n, blocks = h.size, width // block
    if n <= block:
        return np.tile(np.eye(n, block), (1, blocks))
    whole = h >= blocks * (1 - 1e-13)
    kept, free = int(whole.sum()), np.flatnonzero(~whole)
    parts = _projections(h[free], blocks, block - kept)
    if parts is None:
        return None
    X = np.zeros((n, width))
    for b, part in enumerate(parts):
        X[np.flatnonzero(whole), b * block + np.arange(kept)] = 1.0
        X[np.ix_(free, b * block + kept + np.arange(block - kept))] = part
    return X


def _projections(h: "Floats", blocks: int, rank: int) -> "list[Floats] | None":
    """Return orthonormal bases (q, rank) of `blocks` subspaces whose projections sum to diag(h)."""
    q = h.size
    if rank == 0 or q == 0:
        return [np.zeros((q, rank))] * blocks
    if rank == 1:
        return None if q > blocks else [x[:, None] for x in _unit_columns(h, blocks).T]
    if rank == q - 1 and q <= blocks:
        return [np.linalg.svd(x[:, None])[0][:, 1:] for x in _unit_columns(blocks - h, blocks).T]
    pieces = [1 << bit for bit in range(blocks.bit_length()) if blocks >> bit & 1]
    if min(pieces) >= q:
        return _signed(h / blocks, pieces, rank)
    return _fitted(h, blocks, rank)


def _unit_columns(h: "Floats", count: int) -> "Floats":
    """Return (q, count) with X Xᵀ = diag(h) and unit columns."""
    start = np.zeros((h.size, count))
    start[np.arange(h.size), np.arange(h.size)] = np.sqrt(h)
    return columns_with_norms(start, np.ones(count))


def _signed(share: "Floats", pieces: list[int], rank: int) -> "list[Floats]":
    """Return sign changes D Z of one basis with row norms² `share`; over a Hadamard set they average to a diagonal."""
    from scipy.linalg import hadamard

    basis = columns_with_norms(np.eye(rank, share.size), share).T
    signs = np.vstack([hadamard(size)[:, : share.size] for size in pieces])
    return [row[:, None] * basis for row in signs]


def _fitted(h: "Floats", blocks: int, rank: int, starts: int = 4) -> "list[Floats] | None":
    """Return the bases by nonlinear least squares from seeded starts, or None."""
    from scipy.optimize import least_squares

    q = h.size
    if blocks * q * rank > 400:
        return None
    lower = np.tril_indices(q)
    inner = np.tril_indices(rank)

    def residual(flat: "Floats") -> "Floats":
        X = flat.reshape(blocks, q, rank)
        sums = np.einsum("bir,bjr->ij", X, X) - np.diag(h)
        gram = np.einsum("bir,bis->brs", X, X) - np.eye(rank)
        return np.concatenate([sums[lower], gram[:, inner[0], inner[1]].ravel()])

    for seed in range(starts):
        start = np.random.default_rng(seed).standard_normal((blocks, q, rank))
        start = np.linalg.qr(start * np.sqrt(h)[:, None])[0]
        fit = least_squares(residual, start.ravel(), xtol=1e-15, ftol=1e-15, gtol=1e-15, max_nfev=200)
        if np.abs(fit.fun).max() < 1e-13:
            return list(fit.x.reshape(blocks, q, rank))
    return None


def attaining_weights(
    left: "Floats", values: "Floats", right: "Floats", budgets: "Floats", layers: Layers
) -> "tuple[Floats, ...] | None":
    r"""Return W_1, …, W_{k+1} with product left·diag(values)·rightᵀ and E‖f̄‖² = Σ_j a_j² Π_i (1 + λ_i/h_ij).

    Layer i has the second moment :math:`H_i = E_i\operatorname{diag}(h_i)E_i^{\mathsf T}` with unit diagonal blocks, so
    that its masked second moment is H_i + λ_i I on the range of E_i, and
    :math:`W_i = E_i\operatorname{diag}\sqrt{h_{ij}/(h_{i-1,j}+\lambda_{i-1})}E_{i-1}^{\mathsf T}`.

    Parameters
    ----------
    left, right : ndarray, shapes (a, n) and (b, n)
        Orthonormal columns.
    values : ndarray, shape (n,)
    budgets : ndarray, shape (n, k)
    layers : Layers

    Returns
    -------
    tuple of ndarray or None
        None if no weights with these budgets were found for some layer of blocks, or only with its last block whole.
    """
    bases = []
    for i, (width, units) in enumerate(zip(layers.widths, layers.units, strict=True)):
        X = frame(budgets[:, i], int(width), int(layers.blocks[i]))
        if X is None or X[:, int(units) :].any():
            return None
        X = X[:, : int(units)]
        bases.append(X.T / np.sqrt(budgets[:, i]))
    gains = np.sqrt(budgets)
    gains[:, 1:] /= np.sqrt(budgets[:, :-1] + layers.odds[:-1])
    weights = [bases[0] * gains[:, 0] @ right.T]
    weights += [bases[i] * gains[:, i] @ bases[i - 1].T for i in range(1, len(bases))]
    weights.append(left * (values / gains.prod(1)) @ bases[-1].T)
    return tuple(weights)
