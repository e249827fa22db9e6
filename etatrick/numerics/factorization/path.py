"""Minimisers along a grid of retain probabilities, from one decomposition."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from etatrick.errors import InputError
from etatrick.numerics.factorization.checking import count, probability
from etatrick.numerics.factorization.decomposition import decompose
from etatrick.numerics.factorization.minimizers import dropblock_from
from etatrick.numerics.factorization.result import FactorizationMinimum

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import ArrayLike, NDArray


def matrix_factorization_path(
    Y: "ArrayLike",
    block_size: int,
    retains: "Sequence[float] | NDArray[np.float64]",
    width: int | None = None,
    X: "ArrayLike | None" = None,
    *,
    progress: Callable[[float], None] = lambda fraction: None,
) -> tuple[FactorizationMinimum, ...]:
    """Return :func:`dropblock_minimizer` for each retain probability, from one singular value decomposition.

    Parameters
    ----------
    Y, block_size, width, X
        As in :func:`dropblock_minimizer`.
    retains : sequence of float
        In (0, 1].
    progress : callable
        Called with the fraction done.

    Returns
    -------
    tuple of FactorizationMinimum

    Raises
    ------
    InputError
        As :func:`dropblock_minimizer`, before any work; also for an empty grid.

    Examples
    --------
    >>> import numpy as np
    >>> path = matrix_factorization_path(np.diag([3.0, 1.0]), 1, [1.0, 0.5, 0.25], width=2)
    >>> [found.singular_values.round(12).tolist() for found in path]
    [[3.0, 1.0], [2.0, 0.0], [1.2, 0.0]]
    """
    grid = [probability("retain", float(retain)) for retain in retains]
    if not grid:
        raise InputError("retains of length 0", "needs at least one probability", "pass e.g. retains=[0.5, 0.8]")
    count("block_size", block_size)
    count("width", 1 if width is None else width)
    data, found = decompose(Y, X).computed(), list[FactorizationMinimum]()
    for index, retain in enumerate(grid):
        found.append(dropblock_from(data, block_size, retain, width))
        progress((index + 1) / len(grid))
    return tuple(found)
