"""What formulas are written in: the symbols w, η and λ, free parameters, and functions."""

import keyword
import re
from collections.abc import Callable
from typing import Any, NamedTuple

import sympy as sp

from etatrick.errors import InputError
from etatrick.theory.special import Dawson, DawsonIntegral

w: Any = sp.Symbol("w", positive=True)
eta: Any = sp.Symbol("eta", positive=True)
lam: Any = sp.Symbol("lambda", positive=True)


class Function(NamedTuple):
    """How many arguments a function takes, how large numeric ones may be, and what builds it."""

    least: int
    most: int
    limit: int | None
    build: Callable[..., Any]


def _abs(x: Any) -> Any:
    # Where sympy cannot tell that x is real, it would expand x times its conjugate.
    return sp.Abs(x, evaluate=bool(x.is_extended_real))


def _polylog(s: Any, z: Any) -> Any:
    # For a symbolic z sympy would simplify at length to see whether z = 1.
    return sp.polylog(s, z, evaluate=bool(z.is_Rational))


# The limits keep values within 1e±300, and gamma, digamma and polylog from summing or multiplying at length.
FUNCTIONS: dict[str, Function] = {
    "abs": Function(1, 1, None, _abs),
    "acos": Function(1, 1, None, sp.acos),
    "acosh": Function(1, 1, None, sp.acosh),
    "asin": Function(1, 1, None, sp.asin),
    "asinh": Function(1, 1, None, sp.asinh),
    "atan": Function(1, 1, None, sp.atan),
    "atanh": Function(1, 1, None, sp.atanh),
    "cos": Function(1, 1, None, sp.cos),
    "cosh": Function(1, 1, 690, sp.cosh),
    "dawson": Function(1, 1, 1000, Dawson),
    "dawson_integral": Function(1, 1, 1000, DawsonIntegral),
    "digamma": Function(1, 1, 100, sp.digamma),
    "erf": Function(1, 1, None, sp.erf),
    "erfc": Function(1, 1, 26, sp.erfc),
    "erfi": Function(1, 1, 26, sp.erfi),
    "exp": Function(1, 1, 690, sp.exp),
    "gamma": Function(1, 1, 100, sp.gamma),
    "lambertw": Function(1, 1, None, sp.LambertW),
    "log": Function(1, 1, None, sp.log),
    "loggamma": Function(1, 1, 100, sp.loggamma),
    "max": Function(2, 8, None, sp.Max),
    "min": Function(2, 8, None, sp.Min),
    "polylog": Function(2, 2, 100, _polylog),
    "sigmoid": Function(1, 1, 690, lambda x: 1 / (1 + sp.exp(-x))),
    "sign": Function(1, 1, None, sp.sign),
    "sin": Function(1, 1, None, sp.sin),
    "sinh": Function(1, 1, 690, sp.sinh),
    "sqrt": Function(1, 1, None, sp.sqrt),
    "tan": Function(1, 1, None, sp.tan),
    "tanh": Function(1, 1, None, sp.tanh),
}
RESERVED = frozenset(FUNCTIONS) | {"w", "eta", "lam", "lambda", "pi", "Piecewise"} | frozenset(keyword.kwlist)

_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]{0,31}")


def parameter(name: str, *, positive: bool = True) -> Any:
    """Return the symbol of a free parameter.

    Parameters
    ----------
    name : str
        A letter followed by at most 31 letters, digits or underscores; not a reserved name.
    positive : bool
        Whether all its values are positive; otherwise they are real.

    Returns
    -------
    sympy.Symbol

    Raises
    ------
    InputError
        If the name has another shape or is reserved.

    Examples
    --------
    >>> parameter("epsilon").is_positive
    True
    >>> parameter("exp")
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: parameter 'exp': the name is reserved; choose another name, say epsilon.
    """
    if not isinstance(name, str) or not _NAME.fullmatch(name):
        shown = repr(name[:64]) if isinstance(name, str) else type(name).__name__
        rule = "a name is a letter followed by at most 31 letters, digits or underscores"
        raise InputError(f"parameter {shown}", rule, "choose such a name, say epsilon")
    if name in RESERVED:
        raise InputError(f"parameter {name!r}", "the name is reserved", "choose another name, say epsilon")
    return sp.Symbol(name, positive=True) if positive else sp.Symbol(name, real=True)
