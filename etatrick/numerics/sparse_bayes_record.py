"""What `fit_sparse_bayes` returns: scales and weights of a sparse Bayesian model, with what proves them."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.solution import Solution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True)
class ScaleCertificate:
    """How far scales are from a stationary point of the marginal likelihood, recomputed from the data.

    Parameters
    ----------
    gradient : float
        Largest violation in η: ½|S_j − Q_j²| where η_j > 0, ½max(Q_j² − S_j, 0) where η_j = 0.
    relative_gradient : float
        The same with each entry divided by ½S_j, which does not depend on units.
    objective : float
        ½‖y − Xw‖² + τΩ(w), with Ω from :class:`etatrick.theory.vector.SparseBayes`, which minimises over η afresh.
    marginal : float
        (τ/2)[yᵀC⁻¹y + log det(C/τ)] at the scales.
    """

    gradient: float
    relative_gradient: float
    objective: float
    marginal: float

    @property
    def discrepancy(self) -> float:
        """How far the two objectives differ, relative to the larger."""
        return abs(self.objective - self.marginal) / max(abs(self.objective), abs(self.marginal), 1e-300)


@final
@dataclass(frozen=True, eq=False)
class SparseBayesFit:
    """Scales and weights of a sparse Bayesian model.

    Parameters
    ----------
    eta : ndarray, shape (d,)
        Prior variances of the weights; exactly 0 for columns that are pruned.
    scales : ScaleCertificate
        What proves them.
    solution : Solution
        The same as a minimiser of ½‖y − Xw‖² + τΩ(w): weights, intercept, KKT residual, status, history.
    """

    eta: "Floats"
    scales: ScaleCertificate
    solution: Solution

    @property
    def coef(self) -> "Floats":
        """The weights, the posterior mean, shape (d,)."""
        return self.solution.coef

    @property
    def intercept(self) -> float:
        """The intercept, 0 where none was fitted."""
        return self.solution.intercept
