"""The one place where estimators meet the solvers: one fit, fits along a grid, and the grid itself."""

from dataclasses import dataclass, replace
from functools import cached_property
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.numerics.estimators.naming import read_penalty
from etatrick.numerics.losses import Loss, loss_named
from etatrick.numerics.solution import Solution
from etatrick.numerics.solver import lam_max, path, solve
from etatrick.numerics.working_set.fitting import check_tol
from etatrick.numerics.working_set.paths import read_grid

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


@final
@dataclass(frozen=True, eq=False)
class Model:
    """What to minimise, apart from data and λ: Σ v ℓ(y, Xw + b) + λ Σ Ω(w_j).

    Parameters
    ----------
    penalty : str, Duality, catalogue entry or VectorDuality
    loss : str or Loss
    fit_intercept : bool
    tol : float
        Relative duality gap, or relative KKT residual without convexity, to reach.
    """

    penalty: Any
    loss: Any
    fit_intercept: bool
    tol: Any

    @cached_property
    def family(self) -> Loss:
        """The loss as an object."""
        return loss_named(self.loss)

    @cached_property
    def _options(self) -> dict[str, Any]:
        check_tol(self.tol)
        return {"fit_intercept": bool(self.fit_intercept), "tol": float(self.tol)}

    def fit(self, X: Any, y: "Floats", lam: float, weights: "Floats | None") -> Solution:
        """Return the fit at one λ."""
        return solve(X, y, read_penalty(self.penalty), lam, self.family, sample_weight=weights, **self._options)

    def fit_along(self, X: Any, y: "Floats", lams: "Floats", weights: "Floats | None") -> "Sequence[Solution]":
        """Return the fits along a decreasing grid, each started from the one before."""
        penalty = read_penalty(self.penalty)
        return path(X, y, penalty, lams, loss=self.family, sample_weight=weights, **self._options).solutions

    def no_finer_than(self, tol: float) -> "Model":
        """Return the same with at least this tolerance."""
        return replace(self, tol=max(self._options["tol"], tol))

    def top(self, X: Any, y: "Floats", weights: "Floats | None") -> float:
        """Return a λ at which a path may start, 1 where y has nothing that X could explain."""
        intercept = self._options["fit_intercept"]
        penalty = read_penalty(self.penalty)
        return lam_max(X, y, penalty, self.family, fit_intercept=intercept, sample_weight=weights) or 1.0


def decreasing(lams: Any) -> "Floats":
    """Return a user's grid as distinct numbers in decreasing order.

    Raises
    ------
    InputError
        If it is no row of finite numbers ≥ 0.

    Examples
    --------
    >>> decreasing([1, 10.0, 10.0])
    array([10.,  1.])
    """
    return np.unique(read_grid(lams))[::-1]
