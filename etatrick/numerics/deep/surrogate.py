"""The convex envelope of deep dropout's induced regulariser, its optimum, and other bounds from below."""

from collections.abc import Sequence
from itertools import combinations
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.deep.faces import solve_face
from etatrick.numerics.deep.layers import Layers, read_layers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.numerics.deep.layers import Floats


def effective_parameter(widths: Sequence[int], drop_odds: "ArrayLike", block_sizes: Any = None) -> float:
    r"""Return Mianjy and Arora's :math:`\nu = \prod_i (1 + \lambda_i/B_i) - 1`, with B = d/r blocks per layer.

    The convex envelope of the induced regulariser is ν‖·‖_*² for dropout (r = 1), and ν times the squared spectral
    r-support norm when every layer has blocks of size r.

    Parameters
    ----------
    widths, drop_odds, block_sizes
        One entry per hidden layer. Where a block size does not divide its width, B counts the smaller last block as
        whole, and the envelope is that of the wider network: a bound from below.

    Returns
    -------
    float

    Examples
    --------
    >>> effective_parameter((4, 4), (1.0, 2.0)).__round__(12)  # 1.25 · 1.5 − 1
    0.875
    """
    layers = read_layers(widths, drop_odds, block_sizes)
    return float(np.expm1(np.log1p(layers.odds / layers.caps).sum()))


def deep_envelope(M: "ArrayLike", widths: Sequence[int], drop_odds: "ArrayLike", C: "ArrayLike | None" = None) -> float:
    """Return ν‖M C^½‖_*², the convex envelope of what dropout charges for the product M.

    Examples
    --------
    >>> round(deep_envelope(np.diag([3.0, 1.0, 0.5]), (4, 4), (1.0, 2.0)), 5)
    17.71875
    """
    sigma = whitened_values(M, C)
    return effective_parameter(widths, drop_odds) * float(sigma.sum()) ** 2


def single_order_bound(
    M: "ArrayLike", widths: Sequence[int], drop_odds: "ArrayLike", C: "ArrayLike | None" = None
) -> float:
    r"""Return :math:`\sum_S \prod_{i\in S}(\lambda_i/d_i)\,\lVert M C^{1/2}\rVert^2_{2/(|S|+1)}`, a bound from below.

    Each set S of hidden layers alone has that Schatten quasi-norm as its minimum over networks; minimising the terms
    separately gives at most the minimum of their sum.

    Examples
    --------
    >>> round(single_order_bound(np.diag([3.0, 1.0, 0.5]), (4, 4), (1.0, 2.0)), 5)
    21.57083
    """
    layers = read_layers(widths, drop_odds)
    sigma = whitened_values(M, C)
    sigma = sigma[sigma > 0]
    ratios = layers.odds / layers.units
    total = 0.0
    for size in range(1, ratios.size + 1):
        exponent = 2 / (size + 1)
        norm = float((sigma**exponent).sum()) ** (2 / exponent)
        total += norm * sum(float(np.prod(chosen)) for chosen in combinations(ratios, size))
    return total


def surrogate_optimum(m: "Floats", layers: Layers) -> "tuple[float, Floats] | None":
    """Return the optimum and the singular values of the convex envelope's problem, or None for unequal block sizes.

    The envelope of one layer with width r, one block and odds ν is the same function, so this is a problem with a
    single hidden layer, where the envelope is attained. With smaller last blocks it is a bound from below.

    Parameters
    ----------
    m : ndarray, shape (n,)
        Positive, decreasing.
    layers : Layers
    """
    if np.ptp(layers.blocks):
        return None
    nu = float(np.expm1(np.log1p(layers.odds / layers.caps).sum()))
    if nu == 0:
        return 0.0, m.copy()
    block = layers.blocks[:1]
    single = Layers(block, np.array([nu]), block, np.zeros(1))
    low, high, best = 1, m.size + 1, solve_face(m, single, 1)
    while high - low > 1:
        rank = (low + high) // 2
        face = solve_face(m, single, rank)
        if face is None:
            high = rank
        else:
            low, best = rank, face
    assert best is not None
    values = np.zeros_like(m)
    values[:low] = m[:low] * np.exp(single.retained(best.budgets))
    return best.objective, values


def whitened_values(M: "ArrayLike", C: "ArrayLike | None" = None) -> "Floats":
    """Return the singular values of M C^½, decreasing.

    Examples
    --------
    >>> whitened_values([[3.0, 0.0], [0.0, 1.0]], [[1.0, 0.0], [0.0, 4.0]]).round(12).tolist()
    [3.0, 2.0]
    """
    matrix = read_matrix("M", M)
    if C is not None:
        from etatrick.numerics.deep.regularizer import read_moment

        values, vectors = np.linalg.eigh(read_moment(C, matrix.shape[1]))
        matrix = (matrix @ vectors) * np.sqrt(np.maximum(values, 0.0))
    return np.asarray(np.linalg.svd(matrix, compute_uv=False), float)


def read_matrix(name: str, values: "ArrayLike") -> "Floats":
    """Return a nonempty finite matrix.

    Examples
    --------
    >>> read_matrix("Y", [[1, 2]])
    array([[1., 2.]])
    """
    matrix = np.asarray(values, float)
    if matrix.ndim != 2 or matrix.size == 0 or not np.all(np.isfinite(matrix)):
        raise InputError(
            f"{name} of shape {matrix.shape}",
            "a nonempty matrix of finite numbers is needed",
            "pass rows of equal length",
        )
    return matrix


def full_rank_threshold(singular_values: "ArrayLike", width: int) -> float:
    r"""Return the odds below which one hidden layer keeps full rank: :math:`d\, m_r/\sum_{i\le r}(m_i - m_r)`.

    Parameters
    ----------
    singular_values : array-like, shape (r,)
        Positive, decreasing; r ≤ width.
    width : int

    Returns
    -------
    float
        Infinite if all singular values are equal.

    Examples
    --------
    >>> full_rank_threshold([3.0, 2.0, 1.0], 4)  # 4 · 1/(2 + 1)
    1.3333333333333333
    """
    m = np.asarray(singular_values, float)
    if m.ndim != 1 or not m.size or not np.all(np.isfinite(m)) or m[-1] <= 0 or np.any(np.diff(m) > 0):
        raise InputError(f"singular_values = {m}", "they are positive and decreasing", "drop the zeros and sort")
    if width < m.size:
        raise InputError(f"width = {width}", f"at least {m.size} units are needed for rank {m.size}", "widen the layer")
    spread = float((m - m[-1]).sum())
    return width * float(m[-1]) / spread if spread > 0 else float("inf")
