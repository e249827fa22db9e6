"""Functions named by module and name, imported when they are first called, so that the ledger stays light."""

from dataclasses import dataclass
from importlib import import_module
from typing import Any, final


@final
@dataclass(frozen=True)
class Deferred:
    """A function that is imported when it is called; see :func:`deferred`."""

    place: str

    def __call__(self, *arguments: Any) -> Any:
        """Import the function and call it."""
        module, _, name = self.place.partition(":")
        return getattr(import_module(module), name)(*arguments)


def deferred(place: str) -> Deferred:
    """Return a stand-in for a function of a module that is costly to import.

    Parameters
    ----------
    place : str
        ``"package.module:function"``.

    Returns
    -------
    Deferred
        Can be pickled; calling it imports the module and calls the function.

    Examples
    --------
    >>> deferred("math:hypot")(3.0, 4.0)
    5.0
    """
    return Deferred(place)
