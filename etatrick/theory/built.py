"""Catalogue entries whose duality is an object of its own: gate laws without closed forms, and vector duals."""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from importlib import import_module
from typing import Any, final

from etatrick.errors import InputError
from etatrick.theory.catalogue import Entry, Gradient, exact_values
from etatrick.theory.parameters import Parameter


@final
@dataclass(frozen=True)
class Built:
    """A family whose members build their duality from a class.

    Parameters
    ----------
    name : str
        Catalogue name.
    build : str
        Where the class is: ``"module:class"``; imported when first needed.
    parameters : sequence of Parameter
        The arguments of the class, by name.
    source : str
        Where it comes from.

    Examples
    --------
    >>> from etatrick.theory import strategies
    >>> strategies["magnitude_pruning"](k=2).name
    'magnitude_pruning:k=2'
    """

    name: str
    build: str
    parameters: Sequence[Parameter] = ()
    source: str = ""
    gradient: Gradient = "detached"

    @property
    def duality(self) -> Any:
        """The duality at the default values of the parameters.

        Raises
        ------
        InputError
            If a parameter has no default.
        """
        for p in self.parameters:
            if p.default is None:
                raise InputError(
                    self.name, "has no formula in free parameters", f"choose a value: {self.name}({p.name}=…)"
                )
        return self().duality

    def __call__(self, *positional: object, **values: float) -> "BuiltMember":
        """Return the member with these parameter values; see :class:`etatrick.theory.catalogue.Family`."""
        return BuiltMember(self, exact_values(self.name, self.parameters, positional, values))


@final
@dataclass(frozen=True)
class BuiltMember(Entry):
    """A member of a family that builds its duality from a class: a gate law or a vector dual."""

    __hash__ = Entry.__hash__

    @cached_property
    def duality(self) -> Any:
        """The gate law or vector dual."""
        module, _, name = self.family.build.partition(":")
        plain = {key: int(value) if value.is_Integer else float(value) for key, value in self.values.items()}
        return getattr(import_module(module), name)(**plain)
