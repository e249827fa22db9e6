"""What a parameter of a mask law may be: exact numbers, probabilities, counts and block sizes."""

from collections.abc import Iterable
from fractions import Fraction
from typing import Any, TypeAlias

import numpy as np
import sympy as sp
from numpy.typing import NDArray

from etatrick.errors import InputError, shortened

Floats: TypeAlias = NDArray[np.float64]
Integers: TypeAlias = NDArray[np.int64]


def exact(value: Any, name: str) -> Any:
    """Return a parameter as an exact sympy number or expression; a float means the decimal number it prints as.

    Raises
    ------
    InputError
        If it is no finite real number and no sympy expression.

    Examples
    --------
    >>> exact(0.7, "retain"), exact(sp.Symbol("theta"), "retain")
    (7/10, theta)
    """
    if isinstance(value, sp.Expr):
        if value.is_finite is False or value.is_extended_real is False or value.has(sp.nan):
            raise InputError(f"{name} = {value}", f"{name} must be finite and real", f"choose e.g. {name}=0.5")
        return exact(float(value), name) if value.is_Float else value
    number = isinstance(value, int | float | Fraction | np.integer | np.floating) and not isinstance(value, bool)
    if not number or not np.isfinite(float(value)):
        rule = f"{name} must be a finite number or a sympy expression"
        raise InputError(f"{name} = {shortened(repr(value))}", rule, f"choose e.g. {name}=0.5")
    if isinstance(value, float | np.floating):
        value = Fraction(repr(float(value)))
    ratio = Fraction(value) if isinstance(value, Fraction) else Fraction(int(value))
    return sp.Rational(ratio.numerator, ratio.denominator)


def retain_probability(value: Any, name: str = "retain") -> Any:
    """Return a retain probability exactly; outside (0, 1] it is refused as far as that can be decided.

    Examples
    --------
    >>> retain_probability(1.5)
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: retain = 1.5: a retain probability must be in (0, 1]; choose e.g. retain=0.5.
    """
    found = exact(value, name)
    if found.is_nonpositive or (found > 1) == True:  # noqa: E712  (a sympy relation may be undecided)
        raise InputError(f"{name} = {value}", "a retain probability must be in (0, 1]", f"choose e.g. {name}=0.5")
    return found


def integer(value: Any, name: str, low: int, high: int | None = None) -> int:
    """Return an integer between `low` and `high`; anything else is refused."""
    whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
    if not whole or value < low or (high is not None and value > high):
        bound = f"≥ {low}" if high is None else f"between {low} and {high}"
        rule = f"{name} must be an integer {bound}"
        raise InputError(f"{name} = {shortened(repr(value))}", rule, f"choose e.g. {name}={low}")
    return int(value)


def listed(values: Any, name: str) -> tuple[Any, ...]:
    """Return a nonempty sequence as a tuple; anything else is refused."""
    if isinstance(values, np.ndarray):
        values = values.tolist()
    if not isinstance(values, Iterable) or isinstance(values, str) or not (found := tuple(values)):
        rule = f"{name} must be a nonempty sequence"
        raise InputError(f"{name} = {shortened(repr(values))}", rule, f"pass e.g. {name}=(…, …)")
    return found


def partition_sizes(size: Any, block_size: Any) -> tuple[int, ...]:
    """Return the sizes of the blocks of `size` units; the last is smaller where `block_size` does not divide `size`.

    Examples
    --------
    >>> partition_sizes(7, 3)
    (3, 3, 1)
    """
    size = integer(size, "size", 1)
    r = integer(block_size, "block_size", 1, size)
    last = (size % r,) if size % r else ()
    return tuple([r] * (size // r)) + last


def remark_on(sizes: tuple[int, ...]) -> str:
    """Say which blocks have another size than the first, or return the empty string.

    Examples
    --------
    >>> remark_on((3, 3, 1))
    'the last block has 1 unit, the others 3'
    >>> remark_on((2, 2))
    ''
    """
    if len(set(sizes)) == 1:
        return ""
    if len(set(sizes[:-1])) == 1:
        return f"the last block has {sizes[-1]} unit{'s' * (sizes[-1] > 1)}, the others {sizes[0]}"
    return f"the blocks have between {min(sizes)} and {max(sizes)} units"


def set_partitions(indices: tuple[int, ...]) -> Iterable[tuple[tuple[int, ...], ...]]:
    """Yield all partitions of a tuple (by position) into nonempty parts.

    Examples
    --------
    >>> sum(1 for _ in set_partitions((0, 1, 2, 3)))
    15
    """
    if not indices:
        yield ()
        return
    first, rest = indices[0], indices[1:]
    for parts in set_partitions(rest):
        yield ((first,), *parts)
        for k, part in enumerate(parts):
            yield (*parts[:k], (first, *part), *parts[k + 1 :])
