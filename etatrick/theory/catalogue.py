"""Catalogues: families of penalties and strategies by name, and any other named collection."""

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Generic, TypeVar, final

from etatrick.errors import InputError, shortened
from etatrick.theory.derivation import derive
from etatrick.theory.duality import Duality, Form
from etatrick.theory.grammar import parse
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import eta, parameter, w

T = TypeVar("T")


@final
class Catalogue(Generic[T]):
    """A read-only collection of named things that knows what to suggest for a misspelt name.

    Parameters
    ----------
    kind : str
        What its entries are, for messages.
    entries : mapping of str to T
        The entries by name.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> penalties["log_sun"]
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: log_sun: is no penalty; did you mean log_sum?.
    """

    def __init__(self, kind: str, entries: Mapping[str, T]) -> None:
        self.kind = kind
        self._entries = dict(entries)

    def __getitem__(self, name: str) -> T:
        if name in self._entries:
            return self._entries[name]
        close = difflib.get_close_matches(str(name), self._entries, n=1, cutoff=0.5)
        remedy = f"did you mean {close[0]}?" if close else f"choose one of: {', '.join(self._entries)}"
        raise InputError(str(name), f"is no {self.kind}", remedy)

    def __iter__(self) -> Iterator[str]:
        return iter(self._entries)

    def __len__(self) -> int:
        return len(self._entries)

    def __contains__(self, name: object) -> bool:
        return name in self._entries

    def values(self) -> list[T]:
        """Return the entries in order."""
        return list(self._entries.values())

    def __repr__(self) -> str:
        return f"<{len(self)} × {self.kind}: {', '.join(self._entries)}>"


@final
@dataclass(frozen=True)
class Family:
    """A parametric family of dualities, stated by one of its forms.

    Parameters
    ----------
    name : str
        Catalogue name.
    given : {"penalty", "eta_hat", "dual", "alpha"}
        The form by which the source states it.
    expression : str
        That form, in the grammar of :func:`etatrick.theory.grammar.parse`.
    parameters : sequence of Parameter
        Its parameters with their domains.
    source : str
        Where it comes from.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> penalties["log_sum"](epsilon=2).duality.penalty
    log(w/2 + 1)
    """

    name: str
    given: Form
    expression: str
    parameters: Sequence[Parameter] = ()
    source: str = ""

    @cached_property
    def duality(self) -> Duality:
        """The duality with its parameters free; every parameter must range over all positive numbers.

        Raises
        ------
        InputError
            If a parameter has a smaller domain, within which the symbols cannot be kept.
        """
        for p in self.parameters:
            if p.domain != f"{p.name} > 0":
                raise InputError(self.name, f"stays symbolic only for positive parameters, but {p.domain}",
                                 f"choose a value: {self.name}({p.name}=…)")  # fmt: skip
        return derive_form(self.given, self.expression, tuple(p.name for p in self.parameters))

    def __call__(self, *positional: object, **values: float) -> "Member":
        """Return the member with these parameter values.

        Raises
        ------
        InputError
            If a parameter is missing, unknown, or outside its domain.
        """
        known = {p.name: p for p in self.parameters}
        if positional:
            first = next(iter(known), None)
            remedy = f"write {self.name}({first}={positional[0]})" if first else f"write {self.name}()"
            raise InputError(shortened(str(positional[0])), "parameters are passed by name", remedy)
        for name in values:
            if name not in known:
                raise InputError(
                    name, f"is no parameter of {self.name}", f"its parameters: {', '.join(known) or 'none'}"
                )
        for name, wanted in known.items():
            if name not in values:
                raise InputError(self.name, f"needs {wanted.domain}", f"pass {name}=…")
        return Member(self, {name: known[name].exact(value) for name, value in values.items()})


@final
@dataclass(frozen=True)
class Member:
    """One penalty or strategy: a family with a value for every parameter."""

    family: Family
    values: Mapping[str, Any] = field(default_factory=dict)

    @cached_property
    def duality(self) -> Duality:
        """The duality with numbers for its parameters, derived afresh so that only those numbers matter."""
        names = tuple(self.values)
        expression = parse(self.family.expression, variable=self.variable, parameters=names)
        return derive_form(self.family.given, expression.subs({parameter(n): self.values[n] for n in names}), ())

    @property
    def variable(self) -> Any:
        """The variable of the family's defining form: η for a dual, otherwise w."""
        return eta if self.family.given == "dual" else w

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters of the family, with their domains."""
        return self.family.parameters

    @property
    def source(self) -> str:
        """Where the family comes from."""
        return self.family.source

    @property
    def name(self) -> str:
        """The family's name with the parameter values, such as ``log_sum:epsilon=2``."""
        shown = ",".join(f"{name}={float(value):g}" for name, value in self.values.items())
        return f"{self.family.name}:{shown}" if shown else self.family.name

    @property
    def latex(self) -> str:
        """The four forms in LaTeX."""
        return self.duality.latex()

    def _repr_latex_(self) -> str | None:
        return self.duality._repr_latex_()

    def __hash__(self) -> int:
        return hash((self.family.name, tuple(sorted(self.values.items()))))


@lru_cache(maxsize=512)
def derive_form(given: Form, expression: Any, parameters: tuple[str, ...]) -> Duality:
    """Derive once per process from the form named by `given`; see :func:`etatrick.theory.derive`."""
    forms: dict[str, Any] = {given: expression}
    return derive(**forms, parameters=parameters)


def families(kind: str, *entries: Family) -> Catalogue[Family]:
    """Return a catalogue of families by their names."""
    return Catalogue(kind, {entry.name: entry for entry in entries})
