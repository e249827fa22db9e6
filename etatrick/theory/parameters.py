"""Parameters of penalties and strategies: their domains, and numbers turned into exact rationals."""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import Any, final

from etatrick.errors import InputError


@final
@dataclass(frozen=True)
class Parameter:
    """A named real parameter with an interval as its domain.

    Parameters
    ----------
    name : str
        As users write it.
    lower, upper : float
        Ends of the domain.
    closed : str
        Which ends belong to it: ``""``, ``"["``, ``"]"`` or ``"[]"``.
    meaning : str
        What it is, in a few words.
    default : float, optional
        The value where none is given.
    also : str
        Another name under which values may be given, as parts of the literature do.

    Examples
    --------
    >>> Parameter("retain", 0, 1, closed="]", meaning="retain probability").domain
    '0 < retain ≤ 1'
    >>> Parameter("epsilon").exact(0.1)
    1/10
    """

    name: str
    lower: float = 0.0
    upper: float = math.inf
    closed: str = ""
    meaning: str = ""
    default: float | None = None
    also: str = ""

    @property
    def symbol(self) -> Any:
        """The sympy symbol: positive where the whole domain is, otherwise real."""
        from etatrick.theory.symbols import parameter

        return parameter(self.name, positive=self.lower >= 0)

    @property
    def opened(self) -> tuple[Any, Any, Any]:
        """A positive symbol s, the parameter as a function of s, and s as a function of the parameter.

        While s runs through (0, ∞) the parameter runs through the interior of its domain, which lets every
        proof speak of positive symbols only.

        Examples
        --------
        >>> Parameter("p", 0, 2).opened
        (s_p, 2*s_p/(s_p + 1), p/(2 - p))
        >>> Parameter("a", 2).opened[1]
        s_a + 2
        """
        import sympy as sp

        p = self.symbol
        if self.lower == 0 and self.upper == math.inf:
            return p, p, p
        s = sp.Symbol(f"s_{self.name}", positive=True)
        low, high = (sp.nsimplify(end) if math.isfinite(end) else end for end in (self.lower, self.upper))
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            return s, (low + high * s) / (1 + s), (p - low) / (high - p)
        if math.isfinite(self.lower):
            return s, low + s, p - low
        if math.isfinite(self.upper):
            return s, high - s, high - p
        return s, sp.log(s), sp.exp(p)

    @property
    def domain(self) -> str:
        """The domain in words, such as ``0 < retain ≤ 1``."""
        if self.lower == -math.inf and self.upper == math.inf:
            return f"{self.name} real"
        if self.lower == -math.inf:
            return f"{self.name} {'≤' if ']' in self.closed else '<'} {self.upper:g}"
        left = f"{self.lower:g} {'≤' if '[' in self.closed else '<'} " if self.upper < math.inf else ""
        if not left:
            return f"{self.name} {'≥' if '[' in self.closed else '>'} {self.lower:g}"
        return f"{left}{self.name} {'≤' if ']' in self.closed else '<'} {self.upper:g}"

    def exact(self, value: object) -> Any:
        """Return `value` as an exact sympy rational.

        Raises
        ------
        InputError
            If it is not a finite real number inside the domain.
        """
        import sympy as sp

        try:
            number = float(value)  # type: ignore[arg-type]
        except (TypeError, ValueError, OverflowError):
            number = math.nan
        above = number > self.lower or ("[" in self.closed and number == self.lower)
        below = number < self.upper or ("]" in self.closed and number == self.upper)
        if type(value).__name__ in ("bool", "bool_") or not (math.isfinite(number) and above and below):
            inside = self._example()
            raise InputError(
                f"{self.name} = {value}", f"the rule is {self.domain}", f"choose e.g. {self.name}={inside:g}"
            )
        if isinstance(value, int | Fraction | sp.Rational):
            return sp.Rational(value)
        return sp.Rational(repr(number))

    def _example(self) -> float:
        if math.isfinite(self.lower) and math.isfinite(self.upper):
            return (self.lower + self.upper) / 2
        if math.isfinite(self.lower):
            return self.lower + 1.0
        return self.upper - 1.0 if math.isfinite(self.upper) else 0.0


def find(name: str, symbols: Sequence[Any]) -> Any:
    """Return the symbol called `name`.

    Raises
    ------
    InputError
        If there is none.
    """
    for symbol in symbols:
        if symbol.name == name:
            return symbol
    known = ", ".join(s.name for s in symbols) or "none"
    raise InputError(name, "is not a free parameter here", f"the free parameters are: {known}")
