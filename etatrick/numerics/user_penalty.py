"""Penalties of every kind as solvers read them: symbolic, tabulated, or a class that the user wrote."""

from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import TYPE_CHECKING, Any, Final, Protocol, final, runtime_checkable

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.compiled import compile_penalty
from etatrick.numerics.scalar_penalty import ScalarPenalty
from etatrick.numerics.tabulated import TabulatedPenalty
from etatrick.theory.catalogue import Entry
from etatrick.theory.duality import Duality
from etatrick.theory.gates.base import GateLaw
from etatrick.theory.gates.laws import ConcreteDropout, VariationalBernoulli
from etatrick.theory.symbols import lam
from etatrick.theory.vector.base import VectorDuality

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


@runtime_checkable
class PenaltyLike(Protocol):
    """What a class of your own must have to be used as a penalty wherever a catalogue entry is.

    Both methods take an array of any shape and return one of the same shape. Ω must be even, Ω(0) = 0, and not
    decrease in |w|. :data:`OPTIONAL` lists what is used besides, where it is there.

    Examples
    --------
    >>> import numpy as np
    >>> class Logarithm:
    ...     def value(self, w):
    ...         return np.log1p(np.abs(w))
    ...     def slope(self, w):
    ...         return 1 / (1 + np.abs(w))
    >>> scalar_penalty(Logarithm()).prox([3.0, 0.5], 1.0).round(6)
    array([2.732051, 0.      ])
    """

    def value(self, w: "Floats") -> "Floats":
        """Return Ω(|w|)."""

    def slope(self, w: "Floats") -> "Floats":
        """Return Ω′(|w|) ≥ 0, and Ω′(0+), possibly infinite, at 0."""


REQUIRED: Final = {
    "value": "value(w) → Ω(|w|), elementwise",
    "slope": "slope(w) → Ω′(|w|) ≥ 0, elementwise, with Ω′(0+) at 0",
}
OPTIONAL: Final = {
    "curvature": "curvature(w) → Ω″(|w|); otherwise differences of the slope",
    "prox": "prox(v, t) → argmin ½(w − v)² + tΩ(w); otherwise a root search",
    "conjugate": "conjugate(z) → Ω*(z) of a convex penalty; otherwise a root search",
    "cvxpy": "cvxpy(x) → ΣΩ(x) as a convex cvxpy expression; otherwise no model",
    "convex": "convex: whether Ω is convex; otherwise no duality gap is computed",
    "jump": "jump: Ω(0+) − Ω(0); otherwise 0",
    "breaks": "breaks: the points w > 0 where Ω′ or Ω jumps; otherwise none",
}


@final
@dataclass(frozen=True, eq=False)
class OwnPenalty(ScalarPenalty):
    """A penalty of the user's own class, with numeric answers for what it lacks.

    Parameters
    ----------
    own : PenaltyLike
    """

    own: Any

    @property
    def formula(self) -> str:
        """The name of the class."""
        return type(self.own).__name__

    @cached_property
    def slope_at_zero(self) -> float:
        """Ω′(0+), possibly infinite."""
        with np.errstate(all="ignore"):
            return float(np.asarray(self.own.slope(np.zeros(1)))[0])

    @cached_property
    def curvature_at_zero(self) -> float:
        """Ω″(0+), from the slope close to 0."""
        if not np.isfinite(self.slope_at_zero):
            return -np.inf
        return float(self.curvature(np.array([1e-6]))[0])

    @cached_property
    def steepest(self) -> float:
        """Ω′ at the largest w, which is its supremum for a convex penalty."""
        near, nearer = self.slope(np.array([1e100, 1e150]))
        return float(nearer) if nearer <= near * (1 + 1e-9) else np.inf

    @property
    def convex(self) -> bool:
        """Whether the class says so."""
        return bool(getattr(self.own, "convex", False))

    @property
    def jump(self) -> float:
        """Ω(0+) − Ω(0)."""
        return float(getattr(self.own, "jump", 0.0))

    @property
    def breaks(self) -> tuple[float, ...]:
        """Where Ω′ or Ω jumps."""
        return tuple(sorted(float(b) for b in getattr(self.own, "breaks", ())))

    def value(self, coef: "Floats") -> "Floats":
        """Return Ω(|w|)."""
        with np.errstate(all="ignore"):
            return np.asarray(self.own.value(np.asarray(coef, dtype=np.float64)), dtype=np.float64)

    def slope(self, coef: "Floats") -> "Floats":
        """Return Ω′(|w|), with Ω′(0+) at 0."""
        size = np.abs(np.asarray(coef, dtype=np.float64))
        with np.errstate(all="ignore"):
            found = np.asarray(self.own.slope(size), dtype=np.float64)
        return np.where(size > 0, found, self.slope_at_zero)

    def curvature(self, coef: "Floats") -> "Floats":
        """Return Ω″(|w|), from differences of the slope where the class has none, and 0 at 0."""
        size = np.abs(np.asarray(coef, dtype=np.float64))
        safe = np.where(size > 0, size, 1.0)
        with np.errstate(all="ignore"):
            if hasattr(self.own, "curvature"):
                found = np.asarray(self.own.curvature(safe), dtype=np.float64)
            else:
                h = 1e-5 * safe
                found = (self.slope(safe + h) - self.slope(safe - h)) / (2 * h)
        return np.where(size > 0, found, 0.0)

    def conjugate(self, slope: "Floats") -> "Floats":
        """Return Ω*(z)."""
        if hasattr(self.own, "conjugate"):
            return np.asarray(self.own.conjugate(np.asarray(slope, dtype=np.float64)), dtype=np.float64)
        return super().conjugate(slope)

    def prox(self, v: "ArrayLike", t: "ArrayLike" = 1.0) -> "Floats":
        """Return argmin_w ½(w − v)² + tΩ(w)."""
        if hasattr(self.own, "prox"):
            return np.asarray(self.own.prox(np.asarray(v, dtype=np.float64), t), dtype=np.float64)
        return super().prox(v, t)


GATES: Final[dict[str, type[GateLaw]]] = {
    "variational_bernoulli": VariationalBernoulli,
    "concrete_dropout": ConcreteDropout,
}
"""Entries stated by a dual that are gate laws too, whose numbers come from a curve instead of a root for each."""


def lacks(own: object) -> dict[str, str]:
    """Return the required methods that an object does not have, and what each must do.

    Examples
    --------
    >>> lacks(object())["value"]
    'value(w) → Ω(|w|), elementwise'
    """
    return {name: rule for name, rule in REQUIRED.items() if not callable(getattr(own, name, None))}


def scalar_penalty(penalty: Any) -> ScalarPenalty:
    """Return any penalty as solvers read it; made once for equal ones.

    Parameters
    ----------
    penalty : catalogue entry, Duality, GateLaw, PenaltyLike or ScalarPenalty
        Without free parameters. Closed forms are compiled; what is only known through numbers is tabulated.

    Returns
    -------
    ScalarPenalty

    Raises
    ------
    InputError
        If it is no penalty, lacks methods, has free parameters, or does not split into coordinates.

    Examples
    --------
    >>> import numpy as np
    >>> from etatrick.theory import strategies
    >>> scalar_penalty(strategies["kingma_cubic"]()).slope(np.array([0.5]))
    array([0.5])
    """
    if isinstance(penalty, ScalarPenalty):
        return penalty
    if isinstance(penalty, Entry) and penalty.family.name in GATES:
        return _gated(penalty)
    duality = getattr(penalty, "duality", penalty)
    if isinstance(duality, VectorDuality):
        raise InputError(repr(duality), "looks at all weights at once, so there is no function of one weight",
                         "use solve(…) for joint scales, or iterative thresholding for ranks")  # fmt: skip
    if isinstance(duality, GateLaw):
        return _tabulated(duality)
    if isinstance(duality, Duality) and None in (duality.penalty, duality.eta_hat) and not duality.parameters:
        if any(form is not None and lam in form.free_symbols for form in (duality.eta_hat, duality.dual)):
            raise InputError(repr(duality.given), "depends on λ itself", "state a rule in the λ = 1 gauge")
        return _tabulated(duality)
    if isinstance(duality, Duality):
        return compile_penalty(penalty)
    missing = lacks(penalty)
    if not missing:
        return OwnPenalty(penalty)
    if len(missing) < len(REQUIRED):
        raise InputError(type(penalty).__name__, "lacks " + "; ".join(missing.values()), "add it to the class")
    return compile_penalty(penalty)


@lru_cache(maxsize=64)
def _gated(entry: Entry) -> TabulatedPenalty:
    law = GATES[entry.family.name]
    return TabulatedPenalty(law(**{name: float(value) for name, value in entry.values.items()}))


@lru_cache(maxsize=64)
def _tabulated(duality: Any) -> TabulatedPenalty:
    return TabulatedPenalty(duality)
