"""The explicit regulariser path by path: exponential in the depth, for small networks and for its single terms."""

from collections.abc import Sequence
from itertools import combinations, pairwise, product
from typing import TYPE_CHECKING

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.deep.regularizer import read_moment, read_weights

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

MOST_PATHS = 2_000_000


def path_terms(
    weights: "Sequence[ArrayLike]", drop_odds: Sequence[float], C: "ArrayLike | None" = None
) -> dict[tuple[int, ...], float]:
    r"""Return the terms of dropout's explicit regulariser, one for every nonempty set of hidden layers.

    .. math:: R_S = \prod_{i\in S}\lambda_i \sum_{j_1,\dots,j_l} \lVert W_{i_1\to1}[j_1,:]\rVert_C^2
              \prod_{p<l} W_{i_{p+1}\to i_p+1}[j_{p+1},j_p]^2\, \lVert W_{k+1\to i_l+1}[:,j_l]\rVert^2

    (Mianjy and Arora 2019 in our notation). The set of all hidden layers gives the ℓ2 path regulariser. Their sum is
    :func:`etatrick.numerics.deep.regularizer.deep_explicit_regularizer`.

    Parameters
    ----------
    weights : sequence of k + 1 arrays
        W_1 first.
    drop_odds : sequence of k floats
    C : array-like, optional
        Second moment of the input.

    Returns
    -------
    dict
        From layer numbers, counted from 1, to the term.

    Raises
    ------
    InputError
        If there are more than two million paths.

    Examples
    --------
    >>> path_terms([[[1.0], [2.0]], [[3.0, 1.0]]], [0.5])  # 0.5 · (1·9 + 4·1)
    {(1,): 6.5}
    """
    matrices = read_weights(weights)
    moment = read_moment(C, matrices[0].shape[1])
    k = len(matrices) - 1
    paths = float(np.prod([1.0 + W.shape[0] for W in matrices[:-1]]))
    if len(drop_odds) != k or paths > MOST_PATHS:
        raise InputError(
            f"{len(drop_odds)} odds, about {paths:.3g} paths",
            f"{k} odds and at most {MOST_PATHS} paths are needed",
            "use deep_explicit_regularizer, which needs no paths",
        )
    terms = {}
    for size in range(1, k + 1):
        for chosen in combinations(range(1, k + 1), size):
            ends = (0, *chosen, k + 1)
            factors = [_between(matrices, a, b) for a, b in pairwise(ends)]
            first = np.einsum("ij,jk,ik->i", factors[0], moment, factors[0])
            last = (factors[-1] ** 2).sum(0)
            total = 0.0
            for units in product(*(range(matrices[i - 1].shape[0]) for i in chosen)):
                weight = float(first[units[0]] * last[units[-1]])
                for link, (low, high) in zip(factors[1:-1], pairwise(units), strict=True):
                    weight *= float(link[high, low]) ** 2
                total += weight
            terms[chosen] = float(np.prod([drop_odds[i - 1] for i in chosen])) * total
    return terms


def _between(matrices: "list[np.ndarray]", low: int, high: int) -> "np.ndarray":
    """Return W_high … W_{low+1}, the map from hidden layer `low` to hidden layer `high`."""
    result = matrices[low]
    for W in matrices[low + 1 : high]:
        result = W @ result
    return result
