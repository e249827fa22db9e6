"""What the functions of the k-support family accept, and how they read it: vectors as rows, checked numbers."""

import math
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, TypeAlias, final

import numpy as np
from numpy.typing import NDArray

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

Array: TypeAlias = NDArray[np.floating[Any]]
Floats: TypeAlias = NDArray[np.float64]

HUGE = 2.0**200  # between 1/HUGE and HUGE neither sums nor squares leave the range of doubles


@final
@dataclass(frozen=True)
class Rows:
    """Vectors along the last axis of an array, as the rows of a matrix, and the way back."""

    native: Array  # in the type of the input
    shape: tuple[int, ...]
    dtype: np.dtype[Any]

    @cached_property
    def matrix(self) -> Floats:
        """The rows as doubles."""
        return self.native.astype(np.float64, copy=False)

    def vectors(self, matrix: Array) -> Array:
        """Return `matrix` in the shape and type of the input."""
        return matrix.reshape(self.shape).astype(self.dtype, copy=False)

    def numbers(self, values: Floats) -> Array:
        """Return one value per vector, a scalar for a single vector."""
        shaped: Array = values.reshape(self.shape[:-1]).astype(self.dtype, copy=False)[()]
        return shaped


def real(name: str, values: "ArrayLike") -> Array:
    """Return an array of finite float32 or float64 numbers, or raise an error that names it."""
    try:
        array = np.asarray(values)
        if array.dtype.kind not in "biufO":
            raise TypeError
        if array.dtype not in (np.float32, np.float64):
            array = array.astype(np.float64)
    except (TypeError, ValueError):
        raise InputError(name, "must be an array of real numbers", "convert it first") from None
    finite = np.isfinite(array)
    if not finite.all():
        count = int(array.size - np.count_nonzero(finite))
        raise InputError(f"{name} with {count} NaN or infinite entries", "must be finite", "remove or impute them")
    return array


def rows(name: str, values: "ArrayLike") -> Rows:
    """Return the vectors along the last axis of `values`.

    Raises
    ------
    InputError
        If `values` is a scalar, has no entries along the last axis, or is not finite and real.
    """
    array = real(name, values)
    if array.ndim == 0 or array.shape[-1] == 0:
        raise InputError(
            f"{name} of shape {array.shape}", "needs vectors of length ≥ 1", "pass an array of shape (…, d)"
        )
    count = math.prod(array.shape[:-1])
    return Rows(np.ascontiguousarray(array.reshape(count, array.shape[-1])), array.shape, array.dtype)


def number(name: str, value: Any, rule: str, low: float, high: float, remedy: str) -> float:
    """Return a real number of the closed interval [low, high], or raise an error with `rule` and `remedy`."""
    try:
        if isinstance(value, bool | np.bool_ | str | bytes | complex) or np.ndim(value) > 0:
            raise TypeError
        read = float(value)
    except (TypeError, ValueError, OverflowError):
        raise InputError(f"{name} = {value!r}", rule, remedy) from None
    if not (math.isfinite(read) and low <= read <= high):
        raise InputError(f"{name} = {value}", rule, remedy)
    return read


def level(k: Any, length: int) -> float:
    """Return k as a float in [1, length]; it need not be an integer."""
    return number(
        "k", k, f"k must be a number with 1 ≤ k ≤ {length}, the length", 1.0, length, f"choose k={length}, say"
    )


def strength(beta: Any) -> float:
    """Return beta as a finite float ≥ 0."""
    return number("beta", beta, "beta must be a finite number ≥ 0", 0.0, math.inf, "choose beta=1.0, say")


def weights(omega: "ArrayLike", length: int) -> Floats:
    """Return ordered weights ω_1 ≥ … ≥ ω_d ≥ 0, not all zero, as doubles.

    Raises
    ------
    InputError
        If they are not `length` finite numbers, increase somewhere, are negative or all zero.
    """
    array = real("omega", omega).astype(np.float64)
    if array.shape != (length,):
        raise InputError(f"omega of shape {array.shape}", f"needs one weight per rank, shape ({length},)", "see omega")
    if array[-1] < 0:
        raise InputError(f"omega with minimum {array.min():g}", "weights must be ≥ 0", "clip them at 0")
    if (np.diff(array) > 0).any():
        raise InputError("omega", "weights must not increase: ω_1 ≥ ω_2 ≥ …", "sort them downwards")
    if array[0] == 0:
        raise InputError("omega", "weights must not all be 0", "give at least ω_1 > 0")
    return array
