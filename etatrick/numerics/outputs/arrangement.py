"""How a penalty of one variable is put on a (d, K) matrix of weights: on its entries, or on the lengths of its rows."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.working_set.curve import Curve, read_curve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class Rows:
    """The penalty Σ_j Ω(‖W_j·‖₂) on the rows of W: one scale, and so one dropout mask, per column of X.

    Parameters
    ----------
    penalty : Duality, catalogue entry or CompiledPenalty
        Ω, such as ``penalties["l1"](k=1)`` for the multi-task lasso and the grouped multinomial model.

    Examples
    --------
    >>> from etatrick.numerics.outputs import Rows
    >>> from etatrick.theory import penalties
    >>> arrange(Rows(penalties["l1"](k=1))).charge(np.array([[3.0, 4.0], [0.0, 0.0]]))
    5.0
    """

    penalty: Any


@dataclass(frozen=True)
class Arrangement(ABC):
    """A curve Ω on the sizes of the atoms of W: what certificates and solvers ask of a penalty on a matrix.

    Parameters
    ----------
    curve : Curve
    """

    curve: Curve

    @abstractmethod
    def sizes(self, W: "Floats") -> "Floats":
        """Return the size of every atom of W."""

    @abstractmethod
    def products(self, W: "Floats", Z: "Floats") -> "Floats":
        """Return the inner product of every atom of W with that of Z."""

    @abstractmethod
    def spread(self, factors: "Floats", W: "Floats") -> "Floats":
        """Return W with every atom multiplied by its factor."""

    @final
    def charge(self, W: "Floats") -> float:
        """Return ΣΩ."""
        sizes = self.sizes(W)
        sizes = sizes[sizes > 0]
        return float(self.curve.value(sizes).sum()) if len(sizes) else 0.0

    @final
    def slopes(self, W: "Floats") -> "Floats":
        """Return the gradient of ΣΩ at the atoms that are not 0, and 0 at the others."""
        sizes = self.sizes(W)
        on = sizes > 0
        factors = np.zeros(sizes.shape)
        factors[on] = self.curve.slope(sizes[on]) / sizes[on]
        return self.spread(factors, W)

    @final
    def violations(self, W: "Floats", pull: "Floats", lam: float) -> "Floats":
        """Return the distance of `pull`, minus the gradient of the data term, from λ∂Ω, atom by atom."""
        if lam == 0:
            return self.sizes(pull)
        found = np.maximum(self.sizes(pull) - lam * self.curve.start, 0.0)
        on = self.sizes(W) > 0
        found[on] = self.sizes(pull - lam * self.slopes(W))[on]
        return found

    @final
    def young(self, W: "Floats", Z: "Floats", lam: float) -> float:
        """Return λΣ[Ω(w) + Ω*(z/λ)] − ⟨W, Z⟩ for Z whose atoms are at most λ sup Ω′."""
        at = np.minimum(self.sizes(Z) / lam, self.curve.steepest)
        over = at[at > self.curve.start]  # Ω* = 0 elsewhere
        conjugate = lam * float(self.curve.conjugate(over).sum()) if len(over) else 0.0
        sizes = self.sizes(W)
        on = sizes > 0
        terms = lam * self.curve.value(sizes[on]) - self.products(W, Z)[on]
        return max(float(terms.sum()) + conjugate, 0.0)


@final
@dataclass(frozen=True)
class ByEntries(Arrangement):
    """Σ_jk Ω(|W_jk|)."""

    def sizes(self, W: "Floats") -> "Floats":
        """Return |W|, shape (d, K)."""
        return np.abs(W)

    def products(self, W: "Floats", Z: "Floats") -> "Floats":
        """Return W∘Z, shape (d, K)."""
        return W * Z

    def spread(self, factors: "Floats", W: "Floats") -> "Floats":
        """Return the product of the entries."""
        return factors * W


@final
@dataclass(frozen=True)
class ByRows(Arrangement):
    """Σ_j Ω(‖W_j·‖₂)."""

    def sizes(self, W: "Floats") -> "Floats":
        """Return the lengths of the rows, shape (d,)."""
        return np.asarray(np.sqrt(np.einsum("jk,jk->j", W, W)), dtype=np.float64)

    def products(self, W: "Floats", Z: "Floats") -> "Floats":
        """Return the inner products of the rows, shape (d,)."""
        return np.asarray(np.einsum("jk,jk->j", W, Z), dtype=np.float64)

    def spread(self, factors: "Floats", W: "Floats") -> "Floats":
        """Return the rows times their factors."""
        return factors[:, None] * W


def arrange(penalty: Any) -> Arrangement:
    """Return the arrangement of a penalty: by rows for :class:`Rows`, otherwise by entries.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.working_set.curve.read_curve`.
    """
    if isinstance(penalty, Arrangement):
        return penalty
    return ByRows(read_curve(penalty.penalty)) if isinstance(penalty, Rows) else ByEntries(read_curve(penalty))
