"""Telling models of several outputs from those of one."""

from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.numerics.losses import Multinomial
from etatrick.numerics.outputs.arrangement import Rows

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def has_several_outputs(y: "ArrayLike", loss: Any, penalty: Any) -> bool:
    """Return whether a problem is one for :func:`etatrick.numerics.outputs.fit_outputs`.

    It is where the loss is multinomial, the target has columns, or rows of weights are penalised.

    Parameters
    ----------
    y : array_like
    loss : str or Loss
    penalty : object

    Examples
    --------
    >>> has_several_outputs([0, 1, 2], "multinomial", None), has_several_outputs([0.0, 1.0], "squared", None)
    (True, False)
    """
    several = isinstance(loss, Multinomial) or (isinstance(loss, str) and loss == "multinomial")
    return several or isinstance(penalty, Rows) or _columns(y)


def _columns(y: Any) -> bool:
    try:
        return np.ndim(y) == 2
    except ValueError:  # rows of different lengths, which the solver will name
        return False
