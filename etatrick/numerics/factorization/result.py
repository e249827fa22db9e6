"""The minimiser of a masked matrix factorisation: product, factors, and what proves them."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.factorization.attainment import attained_by, balanced
from etatrick.numerics.factorization.bounds import Solved, solved_below_width
from etatrick.numerics.factorization.charges import Charges, charges_of, factorization_objective
from etatrick.numerics.factorization.decomposition import Decomposition
from etatrick.numerics.factorization.shrinkage import Shrunk
from etatrick.theory.noise.blocks import IndependentBlocks
from etatrick.theory.noise.counted import CountNormalised
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.theory.noise.blocks import BlockLaw

CARRIED: Final = 1e-12


@final
@dataclass(frozen=True)
class FactorizationCertificate:
    """A duality gap recomputed from the data and the factors.

    Parameters
    ----------
    objective : float
        The expected squared error of the factors, term by term.
    dual : float
        A lower bound for every factorisation of that width: 2⟨Z, Y⟩ − ‖Z‖² − N*²(Z), with Z the residual.
    """

    objective: float
    dual: float

    @property
    def gap(self) -> float:
        """Objective minus dual value."""
        return self.objective - self.dual

    @property
    def relative_gap(self) -> float:
        """The gap divided by the objective (by 1 where that is 0)."""
        return self.gap / (abs(self.objective) or 1.0)


@final
@dataclass(frozen=True)
class FactorizationMinimum:
    """The minimiser of ‖Y − UVᵀX‖² + Σ_b λ_b‖U_bV_bᵀX‖² − κ‖UVᵀX‖² at a given width (X = I when absorbed).

    Parameters
    ----------
    data : Decomposition
        Y (and X), decomposed.
    law : BlockLaw
        The mask law of the d hidden units, of :mod:`etatrick.theory.noise`.
    shrunk : Shrunk
        The closed-form minimiser of the convex lower bound, among matrices of rank at most the width.
    given : ndarray, shape (a, N), or None
        The closed form's predictions, where they were found without singular vectors.
    """

    data: Decomposition
    law: "BlockLaw"
    shrunk: Shrunk
    given: "NDArray[np.float64] | None" = None

    @property
    def width(self) -> int:
        """The number d of hidden units."""
        return int(self.law.size)

    @property
    def retain(self) -> float | None:
        """θ at this width, where all blocks share one."""
        if isinstance(self.law, IndependentBlocks):
            shared = set(self.law.block_retains)
            return float(shared.pop()) if len(shared) == 1 else None
        return float(self.law.retain) if isinstance(self.law, CountNormalised) else None

    @property
    def remark(self) -> str:
        """What to know about the blocks: that the last one is smaller, where r does not divide d; empty if not."""
        return self.law.remark

    @cached_property
    def charges(self) -> Charges:
        """The penalty of the law as numbers."""
        return charges_of(self.law)

    @cached_property
    def _solved(self) -> Solved | None:
        """What replaces the closed form where it is not known to be attained."""
        return None if self._closed.holds else solved_below_width(self.shrunk, self.charges, self._closed)

    @cached_property
    def _closed(self) -> Verdict:
        return attained_by(self.shrunk, self.charges)

    @property
    def exact(self) -> Verdict:
        """Whether `product` is the global minimiser at this width; if not known, bounds from both sides in `detail`."""
        return self._closed if self._solved is None else self._solved.verdict

    @property
    def surrogate(self) -> float:
        """The minimum of the convex lower bound: no factorisation of this width, whatever its factors, is below."""
        return self.shrunk.value + self._tail

    @property
    def objective(self) -> float:
        """The value reached by `factors`: the global minimum wherever `exact` holds."""
        return self.surrogate if self._solved is None else self._solved.found.value + self._tail

    @property
    def bounds(self) -> tuple[float, float]:
        """Lower and upper bound of the minimum at this width; equal where `exact` holds."""
        return (self.objective if self.exact.holds else self.surrogate), self.objective

    @cached_property
    def singular_values(self) -> "NDArray[np.float64]":
        """Of the predictions, nonincreasing, shape (min(a, N),)."""
        found = np.zeros(self.data.size)
        solved = self._solved
        values = self.shrunk.values if solved is None else np.linalg.svd(solved.core, compute_uv=False)
        found[: len(values)] = values
        return found

    @cached_property
    def predictions(self) -> "NDArray[np.float64]":
        """UVᵀX, shape (a, N)."""
        solved, size = self._solved, self.shrunk.rank
        if solved is None and self.given is not None:
            return self.given
        if solved is None:
            return (self.data.left[:, :size] * self.shrunk.values[:size]) @ self.data.right[:size]
        n = len(self.shrunk.values)
        return self.data.left[:, :n] @ solved.core @ self.data.right[:n]

    @property
    def product(self) -> "NDArray[np.float64]":
        """UVᵀ: the predictions, shape (a, N), or with inputs the weights, shape (a, b)."""
        return self.predictions if self.data.back is None else self.predictions @ self.data.back

    @cached_property
    def factors(self) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
        """U, shape (a, d), and V, shape (N, d) or with inputs (b, d), attaining `objective`."""
        n = len(self.shrunk.values)
        if self._solved is None:
            left = right = balanced(self.shrunk, self.charges)
        else:
            left, right = self._solved.found.left, self._solved.found.right
        if left is None or right is None:
            raise ArithmeticError("balanced factors exist, but the search for them gave up; widen the network a little")
        hidden = self.data.right[:n].T @ right
        return self.data.left[:, :n] @ left, hidden if self.data.back is None else self.data.back.T @ hidden

    @property
    def l(self) -> int:  # noqa: E743 - the name in the papers
        """The rank of the closed form."""
        return self.shrunk.rank

    @property
    def rho(self) -> int:
        """One more than the number of directions that every block carries, at most the largest block size."""
        if self.charges.noiseless or self.shrunk.rank == 0:
            return 1
        positive = slice(0, self.shrunk.rank)
        cap = float(np.sum(1 / np.asarray(self.charges.rates)))
        carried = self.shrunk.values[positive] / self.shrunk.dual[positive] >= cap * (1 - CARRIED)
        return min(int(carried.sum()) + 1, max(self.charges.sizes))

    @property
    def tau(self) -> float:
        """The soft threshold: the dual value ζ of the last nonzero singular value, 0 if there is none."""
        return float(self.shrunk.dual[self.shrunk.rank - 1]) if self.shrunk.rank else 0.0

    def certificate(self) -> FactorizationCertificate:
        """Return the objective of the factors and a dual value, both recomputed from Y and X.

        The dual point is the residual of the predictions UVᵀX; where the closed form is not attained, that of the
        closed form, and the gap is then the distance to the convex lower bound.
        """
        U, V = self.factors
        primal = factorization_objective(self.data.target, U, V, self.law, self.data.inputs)
        predicted = U @ (V.T if self.data.inputs is None else V.T @ self.data.inputs)
        return FactorizationCertificate(primal, self._dual_value(predicted if self._solved is None else self._convex))

    @property
    def _convex(self) -> "NDArray[np.float64]":
        n = len(self.shrunk.values)
        return (self.data.left[:, :n] * self.shrunk.values) @ self.data.right[:n]

    def _dual_value(self, predicted: "NDArray[np.float64]") -> float:
        """Return the dual value at Z = M − (1 − κ)A, with M what rank d can reach of Y.

        ‖M − A‖² − κ‖A‖² + N²(A) ≥ ‖M‖² − ‖M − Z‖²/(1 − κ) − N*²(Z), whatever A.
        """
        if self.charges.noiseless:
            return self._tail
        n, left = len(self.shrunk.values), 1 - self.charges.shared
        reach = (self.data.left[:, :n] * self.shrunk.target) @ self.data.right[:n]
        Z = reach - left * predicted
        sizes = np.linalg.svd(Z, compute_uv=False)
        weights = self.charges.weights[: len(sizes)]
        apart = float(np.sum((reach - Z) ** 2)) / left if left > 0 else 0.0
        return float(np.sum(reach**2)) - apart - float(weights @ sizes[: len(weights)] ** 2) + self._tail

    @property
    def _tail(self) -> float:
        """What rank d cannot reach."""
        beyond = float(np.sum(self.data.values[self.width :] ** 2)) if self.width < self.data.size else 0.0
        return self.data.rest + beyond
