"""Catalogues: families of penalties and strategies by name, and any other named collection."""

import difflib
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Any, Final, Generic, Literal, Protocol, TypeVar, cast, final

from etatrick.errors import InputError, shortened
from etatrick.theory.derivation import derive
from etatrick.theory.duality import Duality, Form
from etatrick.theory.grammar import parse
from etatrick.theory.parameters import Parameter
from etatrick.theory.symbols import eta, w

WIELDY: Final = 10**6  # largest numerator and denominator of a parameter that derivations start with

T = TypeVar("T")
Gradient = Literal["detached", "differentiated"]


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

    def _repr_html_(self) -> str | None:
        from etatrick.theory.display import catalogue_html

        try:
            return catalogue_html(self)
        except Exception:  # a display hook must never raise; collections of other things have no table
            return None

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
    jump : str
        Ω(0+) − Ω(0), for penalties that count nonzero weights.
    gradient : {"detached", "differentiated"}
        What the training of a strategy lets through: with the noise scale detached its expected gradient is Ω′, with
        gradients through the noise scale its expected loss gains Ω.
    noise : str
        For a strategy stated by its noise: the variance of the noisy weight.

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
    jump: str = "0"
    gradient: Gradient = "detached"
    noise: str = ""

    @cached_property
    def duality(self) -> Duality:
        """The duality with its parameters free, each in its domain."""
        return derive_form(self.given, self.expression, tuple(self.parameters), self.jump)

    def __call__(self, *positional: object, **values: float) -> "Member":
        """Return the member with these parameter values.

        Raises
        ------
        InputError
            If a parameter is missing, unknown, or outside its domain.
        """
        return Member(self, exact_values(self.name, self.parameters, positional, values))


@dataclass(frozen=True)
class Entry(ABC):
    """One penalty or strategy: a family with a value for every parameter."""

    family: Any
    values: Mapping[str, Any] = field(default_factory=dict)

    @property
    @abstractmethod
    def duality(self) -> Any:
        """The duality with numbers for its parameters."""

    @property
    def parameters(self) -> Sequence[Parameter]:
        """The parameters of the family, with their domains."""
        found: Sequence[Parameter] = self.family.parameters
        return found

    @property
    def source(self) -> str:
        """Where the family comes from."""
        return str(self.family.source)

    @property
    def gradient(self) -> Gradient:
        """Whether the strategy's noise scale is detached or differentiated through."""
        found: Gradient = self.family.gradient
        return found

    @property
    def name(self) -> str:
        """The family's name with the parameter values, such as ``log_sum:epsilon=2``."""
        shown = ",".join(f"{key}={float(value):g}" for key, value in self.values.items())
        return f"{self.family.name}:{shown}" if shown else str(self.family.name)

    @property
    def latex(self) -> str:
        """What the duality states, in LaTeX."""
        return str(self.duality.latex())

    def _repr_latex_(self) -> str | None:
        found: str | None = self.duality._repr_latex_()
        return found

    def __hash__(self) -> int:
        return hash((self.family.name, tuple(sorted(self.values.items()))))


@final
@dataclass(frozen=True)
class Member(Entry):
    """A member of a family of formulas."""

    __hash__ = Entry.__hash__

    @cached_property
    def duality(self) -> Duality:
        """The duality with numbers for its parameters, derived afresh so that only those numbers matter.

        Numbers of many digits, which the algebra of powers and exponentials cannot bear, are put in at the end.
        """
        if any(max(abs(value.p), value.q) > WIELDY for value in self.values.values() if value.is_Rational):
            return cast(Duality, self.family.duality.at(**self.values))
        forms = (self.family.expression, self.family.jump)
        expression, jump = (self._with_values(text, v) for text, v in zip(forms, (self.variable, w), strict=True))
        return derive_form(self.family.given, expression, (), jump)

    def _with_values(self, text: str, variable: Any) -> Any:
        table = {p.symbol: self.values[p.name] for p in self.parameters}
        return parse(text, variable=variable, parameters=self.parameters).subs(table)

    @property
    def variable(self) -> Any:
        """The variable of the family's defining form: η for a dual, otherwise w."""
        return eta if self.family.given == "dual" else w


def exact_values(
    name: str, parameters: Sequence[Parameter], positional: Sequence[object], values: Mapping[str, float]
) -> dict[str, Any]:
    """Return a value for every parameter as an exact number.

    Raises
    ------
    InputError
        If a parameter is missing, unknown, passed by position, or outside its domain.
    """
    known = {p.name: p for p in parameters}
    names = {p.also: p.name for p in parameters if p.also and p.name not in values}
    values = {names.get(key, key): value for key, value in values.items()}
    if positional:
        first = next(iter(known), None)
        remedy = f"write {name}({first}={positional[0]})" if first else f"write {name}()"
        raise InputError(shortened(str(positional[0])), "parameters are passed by name", remedy)
    for key in values:
        if key not in known:
            raise InputError(key, f"is no parameter of {name}", f"its parameters: {', '.join(known) or 'none'}")
    for key, wanted in known.items():
        if key not in values and wanted.default is None:
            raise InputError(name, f"needs {wanted.domain}", f"pass {key}=…")
    return {key: wanted.exact(values.get(key, wanted.default)) for key, wanted in known.items()}


@lru_cache(maxsize=512)
def derive_form(given: Form, expression: Any, parameters: tuple[Parameter, ...], jump: Any = 0) -> Duality:
    """Derive once per process from the form named by `given`; see :func:`etatrick.theory.derive`."""
    forms: dict[str, Any] = {given: expression}
    return derive(**forms, jump=jump, parameters=parameters)


class Named(Protocol):
    """Anything with a name."""

    @property
    def name(self) -> str:
        """The name by which a catalogue finds it."""


N = TypeVar("N", bound=Named)


def families(kind: str, *entries: N) -> Catalogue[N]:
    """Return a catalogue of families by their names."""
    return Catalogue(kind, {entry.name: entry for entry in entries})
