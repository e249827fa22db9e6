"""What every mask law has: moments, covariance, cumulants, enumeration and draws; the conventions are stated here."""

from abc import ABC, abstractmethod
from collections.abc import Iterator
from dataclasses import fields, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, TypeAlias, final

import numpy as np
import sympy as sp

from etatrick.errors import InputError, shortened
from etatrick.theory.factoring import factored
from etatrick.theory.noise.arguments import Floats, exact, integer, listed, set_partitions

if TYPE_CHECKING:
    from etatrick.theory.noise.terms import Term

Outcome: TypeAlias = tuple[tuple[Any, ...], Any]
MOST_MASKS: Final = 2**14
LARGEST_SYMBOLIC: Final = 64
LARGEST_DENSE: Final = 10_000
HIGHEST_ORDER: Final = 8


class MaskLaw(ABC):
    r"""The law of a random mask z on d hidden units, with parameters that are numbers or sympy symbols.

    Conventions: θ is a *retain* probability; :math:`\lambda = (1-\theta)/\theta` are the odds of dropping; z is the
    mask as it is drawn, :math:`\mu = \mathrm E z`, :math:`C = \operatorname{Cov} z`. A layer multiplies its units by
    the normalised mask :math:`\bar z = z/\mu` with mean 1 and covariance :math:`\bar C_{ij} = C_{ij}/(\mu_i\mu_j)`.
    The *odds* of unit i are :math:`\bar C_{ii}`, which is :math:`(1-\theta_i)/\theta_i` for a mask of zeros and ones.
    A float parameter means the decimal number it prints as: 0.7 is 7/10. Laws hold data only: they can be pickled.

    Examples
    --------
    >>> from etatrick.theory.noise.blocks import Bernoulli
    >>> theta = sp.Symbol("theta", positive=True)
    >>> law = Bernoulli(2, theta)
    >>> law.mean, law.odds[0], law.cumulant([0, 0, 0])
    ((theta, theta), -(theta - 1)/theta, theta*(theta - 1)*(2*theta - 1))
    >>> law.at(theta=0.5).normalised_covariance.tolist()
    [[1.0, 0.0], [0.0, 1.0]]
    """

    if TYPE_CHECKING:  # a field in most laws: a property here would become that field's default

        @property
        def size(self) -> int:
            """Number of units d."""

    @abstractmethod
    def _moment(self, indices: tuple[int, ...]) -> Any:
        """Return E ∏ z_i exactly, for indices that may repeat."""

    @abstractmethod
    def _terms(self) -> "tuple[Term, ...]":
        """Return C̄ as a sum of structured terms, for numeric parameters."""

    @abstractmethod
    def _draws(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n masks as rows, for numeric parameters."""

    def _outcome_count(self) -> int | None:
        """Return an upper bound of the number of different draws, or None for a law with a density."""
        return None

    def _outcomes(self) -> Iterator[Outcome]:
        """Yield masks with their probabilities; a mask may come more than once."""
        raise NotImplementedError

    def _means(self) -> Floats:
        """Return μ as floats, for numeric parameters."""
        return np.array([float(m) for m in self.mean], dtype=np.float64)

    @final
    @cached_property
    def symbols(self) -> frozenset[Any]:
        """Free symbols of the parameters; empty for a numeric law."""
        return frozenset(_symbols(tuple(getattr(self, f.name) for f in fields(self))))  # type: ignore[arg-type]

    @final
    def at(self, **values: Any) -> "MaskLaw":
        """Return the law with symbols replaced, each called by its name.

        Raises
        ------
        InputError
            If the law has no symbol of that name.
        """
        named = {str(s): s for s in self.symbols}
        if unknown := sorted(set(values) - set(named)):
            has = ", ".join(sorted(named)) or "none"
            raise InputError(unknown[0], f"is no symbol of this law, which has {has}", "name one of these")
        table = {named[k]: exact(v, k) for k, v in values.items()}
        changed = {f.name: _substituted(getattr(self, f.name), values, table) for f in fields(self)}  # type: ignore[arg-type]
        return replace(self, **changed)  # type: ignore[type-var]

    @property
    def mean(self) -> tuple[Any, ...]:
        """μ = E z, d exact numbers or expressions."""
        return tuple(self._moment((i,)) for i in range(self.size))

    @final
    @property
    def variance(self) -> tuple[Any, ...]:
        """Var z_i, d exact numbers or expressions."""
        return tuple(self._covariance_of(i, i) for i in range(self.size))

    @final
    @property
    def covariance(self) -> Any:
        """C = Cov z as an exact sympy matrix; refused beyond 64 units."""
        self._check_small("the exact covariance")
        return sp.ImmutableMatrix(self.size, self.size, lambda i, j: self._covariance_of(*sorted((int(i), int(j)))))

    @final
    @property
    def exact_normalised_covariance(self) -> Any:
        """C̄ as an exact sympy matrix; refused beyond 64 units, or if a mean is zero."""
        mean, covariance = self._nonzero(self.mean), self.covariance
        return sp.ImmutableMatrix(
            self.size, self.size, lambda i, j: tidied(covariance[min(i, j), max(i, j)] / (mean[i] * mean[j]))
        )

    @final
    @property
    def normalised_covariance(self) -> Floats:
        """C̄ as floats, shape (d, d), for numeric parameters; refused beyond 10,000 units."""
        if self.size > LARGEST_DENSE:
            rule = f"a full C̄ is formed for at most {LARGEST_DENSE} units"
            raise InputError(f"size = {self.size}", rule, "use explicit_regularizer, which never forms it")
        rows = np.arange(self.size)
        return np.asarray(sum(t.entries(rows[:, None], rows[None, :]) for t in self.terms()), dtype=np.float64)

    @final
    @property
    def odds(self) -> tuple[Any, ...]:
        """C̄_ii = Var z_i/μ_i²: floats for a numeric law, otherwise exact expressions."""
        if self.symbols:
            pairs = zip(self.variance, self._nonzero(self.mean), strict=True)
            return tuple(tidied(v / m**2) for v, m in pairs)
        rows = np.arange(self.size)
        return tuple(np.sum([t.entries(rows, rows) for t in self.terms()], axis=0).tolist())

    @final
    def terms(self) -> "tuple[Term, ...]":
        """Return C̄ as a sum of structured terms, which give C̄'s action without forming it."""
        self._check_numeric()
        return self._terms()

    @final
    def moment(self, indices: Any) -> Any:
        """Return E ∏ z_i over `indices` (which may repeat) as an exact number or expression."""
        return self._moment(self._checked(indices))

    @final
    def cumulant(self, indices: Any) -> Any:
        """Return the joint cumulant of z_i over `indices` (which may repeat, at most 8) exactly.

        It is Σ over set partitions of (−1)^{p−1}(p−1)! ∏ E[∏ z], p the number of parts.
        """
        chosen, known = self._checked(indices), {}
        total = sp.Integer(0)
        for parts in set_partitions(chosen):
            product = sp.Integer((-1) ** (len(parts) - 1)) * sp.factorial(len(parts) - 1)
            for part in parts:
                key = tuple(sorted(part))
                if key not in known:
                    known[key] = self._moment(key)
                product *= known[key]
            total += product
        return tidied(total)

    @final
    def masks(self) -> tuple[Outcome, ...]:
        """Return all masks with their probabilities, exactly; each mask once, in the order of first appearance.

        Raises
        ------
        InputError
            If the law has a density, or more than 16,384 masks.
        """
        count, name = self._outcome_count(), type(self).__name__
        if count is None:
            raise InputError(name, "this law has a density, not finitely many masks", "use sample or cumulant")
        if count > MOST_MASKS:
            rule = f"at most {MOST_MASKS} masks are enumerated, this law may have {count}"
            raise InputError(f"{name} of size {self.size}", rule, "use sample, or fewer units")
        found: dict[tuple[Any, ...], Any] = {}
        for mask, chance in self._outcomes():
            if chance != 0:
                found[mask] = found.get(mask, 0) + chance
        return tuple(found.items())

    @final
    def sample(self, rng: np.random.Generator, n: int) -> Floats:
        """Return n independent masks z as rows of a float array, shape (n, d), for numeric parameters."""
        self._check_numeric()
        if not isinstance(rng, np.random.Generator):
            raise InputError(f"rng = {rng!r}", "must be a numpy Generator", "pass np.random.default_rng(0)")
        return np.asarray(self._draws(rng, integer(n, "n", 1)), dtype=np.float64)

    @final
    def means(self) -> Floats:
        """Return μ as floats, shape (d,), for numeric parameters."""
        self._check_numeric()
        return self._means()

    def _covariance_of(self, i: int, j: int) -> Any:
        return tidied(self._moment((i, j)) - self._moment((i,)) * self._moment((j,)))

    def _nonzero(self, mean: tuple[Any, ...]) -> tuple[Any, ...]:
        for i, value in enumerate(mean):
            if sp.simplify(value) == 0:
                raise InputError(
                    f"μ[{i}] = 0", "a mask is normalised by its mean", "change the law so that no mean is 0"
                )
        return mean

    def _checked(self, indices: Any) -> tuple[int, ...]:
        chosen = tuple(integer(i, "index", 0, self.size - 1) for i in listed(indices, "indices"))
        if len(chosen) > HIGHEST_ORDER:
            rule = f"moments and cumulants are given up to order {HIGHEST_ORDER}"
            raise InputError(f"{len(chosen)} indices", rule, "ask for a lower order")
        return chosen

    def _check_small(self, what: str) -> None:
        if self.size > LARGEST_SYMBOLIC:
            rule = f"{what} is given for at most {LARGEST_SYMBOLIC} units"
            raise InputError(f"size = {self.size}", rule, "use numeric parameters and normalised_covariance")

    def _check_numeric(self) -> None:
        if self.symbols:
            first = min(self.symbols, key=str)
            rule = "numbers need every parameter to have a value"
            raise InputError(shortened(str(first)), rule, f"call .at({first}=…) first")


def tidied(value: Any) -> Any:
    """Return an expression factored; a number is left alone."""
    return factored(value) if value.free_symbols else value


def _symbols(value: Any) -> set[Any]:
    if isinstance(value, MaskLaw):
        return set(value.symbols)
    if isinstance(value, tuple):
        return set().union(*map(_symbols, value))
    return set(value.free_symbols) if isinstance(value, sp.Basic) else set()


def _substituted(value: Any, by_name: dict[str, Any], table: dict[Any, Any]) -> Any:
    if isinstance(value, MaskLaw):
        return value.at(**{k: v for k, v in by_name.items() if k in {str(s) for s in value.symbols}})
    if isinstance(value, tuple):
        return tuple(_substituted(v, by_name, table) for v in value)
    return value.subs(table) if isinstance(value, sp.Basic) else value
