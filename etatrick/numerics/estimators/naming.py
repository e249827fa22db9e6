"""Penalties as users of estimators and of the command line give them: by name, as an entry, or as a duality."""

from functools import lru_cache
from typing import Any, Final

from etatrick.errors import InputError
from etatrick.numerics.methods import kind_of
from etatrick.theory.names import entry_named, penalty_named

K_SUPPORT: Final = "k_support"


def read_penalty(penalty: Any) -> Any:
    """Return a penalty that the solvers take, from its name or itself.

    Parameters
    ----------
    penalty : str, Duality, catalogue entry or VectorDuality
        A string is ``NAME`` or ``NAME:parameter=value,…`` of the catalogues of penalties and strategies, or
        ``k_support:k=…``; anything else is returned as it is, and judged by the solver.

    Returns
    -------
    Duality, catalogue entry or VectorDuality

    Raises
    ------
    InputError
        If the name or a parameter is unknown, missing or outside its domain.

    Examples
    --------
    >>> read_penalty("log_sum:epsilon=2").penalty
    log(w/2 + 1)
    >>> read_penalty("k_support:k=3").k
    3
    """
    return _named(penalty) if isinstance(penalty, str) else penalty


def is_joint(penalty: Any) -> bool:
    """Whether a penalty has scales that share a budget, for which X must be dense and the loss squared.

    Examples
    --------
    >>> is_joint("k_support:k=3"), is_joint("l1:k=1")
    (True, False)
    """
    if isinstance(penalty, str):
        return penalty.partition(":")[0].strip() == K_SUPPORT
    return kind_of(penalty) in ("joint", "vector")


@lru_cache(maxsize=256)
def _named(text: str) -> Any:
    name, _, rest = text.strip().partition(":")
    if name == K_SUPPORT:
        return _k_support(rest)
    found = entry_named(text)
    if found is None:
        return penalty_named(text)  # which raises an error with the nearest name
    free = ", ".join(str(symbol) for symbol in getattr(found, "parameters", ()))
    if free:
        raise InputError(text, f"needs a value for {free}", f"write e.g. {name}:{free.split(', ')[0]}=1")
    return found


def _k_support(rest: str) -> Any:
    from etatrick.theory.vector.k_support import KSupport

    key, _, value = rest.partition("=")
    try:
        size = float(value)
    except ValueError:
        size = float("nan")
    if key.strip() != "k" or not 1 <= size < float("inf"):
        raise InputError(f"{K_SUPPORT}:{rest}", "needs one number k ≥ 1", f"write e.g. {K_SUPPORT}:k=3")
    return KSupport(int(size) if size.is_integer() else size)
