"""Rules for the arguments of matrix factorisation: matrices, retain probabilities, sizes."""

from numbers import Integral, Real
from typing import TYPE_CHECKING

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def matrix(name: str, values: "ArrayLike") -> "NDArray[np.float64]":
    """Return a finite nonempty matrix of real numbers, or raise an error that names it."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError
        array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(name, "must be a matrix of real numbers", "convert or encode its entries first") from None
    if array.ndim != 2 or array.size == 0:
        shape = f"{name} of shape {array.shape}"
        raise InputError(shape, "must be a matrix with at least one row and one column", "reshape it or pass more data")
    if not np.isfinite(array).all():
        count = int((~np.isfinite(array)).sum())
        raise InputError(f"{name} with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return array


def count(name: str, value: object, least: int = 1, most: int | None = None) -> int:
    """Return an integer within bounds, or raise an error that names it."""
    whole = not isinstance(value, bool) and isinstance(value, Integral)
    if not whole or not isinstance(value, Integral) or int(value) < least or (most is not None and int(value) > most):
        rule = f"must be an integer ≥ {least}" if most is None else f"must be an integer in {least}..{most}"
        raise InputError(f"{name} = {value}", rule, f"choose e.g. {name}={least}")
    return int(value)


def probability(name: str, value: object) -> float:
    """Return a retain probability in (0, 1], or raise an error that names it."""
    if isinstance(value, bool) or not isinstance(value, Real) or not 0 < float(value) <= 1:
        raise InputError(f"{name} = {value}", "must be a probability in (0, 1]", f"choose e.g. {name}=0.5")
    return float(value)


def odds(retain: float) -> float:
    """Return (1 − θ)/θ, the odds of dropping."""
    return (1 - retain) / retain
