"""Penalties written on a command line, such as ``log_sum:epsilon=0.1``."""

from typing import Any

from etatrick.errors import InputError
from etatrick.theory.catalogue import Member
from etatrick.theory.penalty_catalogue import penalties
from etatrick.theory.strategy_catalogue import strategies


def penalty_named(text: str) -> Member:
    """Return the catalogue member that ``NAME[:parameter=value,…]`` names.

    Parameters
    ----------
    text : str

    Returns
    -------
    Member

    Raises
    ------
    InputError
        If the name or a parameter is unknown, missing, or outside its domain.

    Examples
    --------
    >>> penalty_named("log_sum:epsilon=0.1").duality.penalty
    log(10*w + 1)
    """
    name, _, rest = text.partition(":")
    return penalties[name](**_values(name, rest))


def _values(name: str, rest: str) -> dict[str, float]:
    values: dict[str, float] = {}
    for piece in filter(None, rest.split(",")):
        key, equals, value = piece.partition("=")
        try:
            values[key.strip()] = float(value)
        except ValueError:
            equals = ""
        if not equals:
            raise InputError(piece, "is not of the form parameter=number", f"write e.g. {name}:{_example(name)}")
    return values


def entry_named(text: str) -> Any:
    """Return the duality of a catalogue entry ``NAME`` or ``NAME:parameter=value,…``, or None for no such name.

    Parameters
    ----------
    text : str

    Returns
    -------
    Duality or a duality of its own kind, or None

    Raises
    ------
    InputError
        If a parameter is unknown, missing, or outside its domain.

    Examples
    --------
    >>> entry_named("lp").eta_hat
    w**(2 - p)
    >>> entry_named("w*(w+2)") is None
    True
    """
    name, _, rest = text.strip().partition(":")
    for catalogue in (penalties, strategies):
        if name in catalogue:
            family = catalogue[name]
            return family(**_values(name, rest)).duality if rest else family.duality
    return None


def _example(name: str) -> str:
    parameters = (penalties if name in penalties else strategies)[name].parameters
    return f"{parameters[0].name}=1" if parameters else "(no parameters)"
