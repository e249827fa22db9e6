"""Reading targets: finite numbers within the range of a family."""

from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Floats: TypeAlias = NDArray[np.float64]


def numbers(y: "ArrayLike") -> Floats:
    """Return finite real targets as floats, or raise an InputError that names y."""
    try:
        found = np.asarray(y)
        if found.dtype.kind not in "biuf":
            raise TypeError
        found = found.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError("y", "must be an array of real numbers", "encode its values as numbers first") from None
    if not np.isfinite(found).all():
        count = int((~np.isfinite(found)).sum())
        raise InputError(f"y with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return found


def at_least(y: Floats, low: float, *, strict: bool, family: str) -> Floats:
    """Return targets that are all ≥ `low` (> where strict), or raise an InputError that names the smallest."""
    least = float(y.min(initial=np.inf))
    if least < low or (strict and least == low):
        sign = ">" if strict else "≥"
        raise InputError(f"y with minimum {least:g}", f"{family} needs every y {sign} {low:g}",
                         "choose another loss or correct the data")  # fmt: skip
    return y
