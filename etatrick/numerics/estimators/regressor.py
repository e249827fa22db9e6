"""`ReweightedRegressor`: penalised regression at one λ."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
from sklearn.base import RegressorMixin

from etatrick.numerics.estimators.engine import Model
from etatrick.numerics.estimators.linear import LinearEstimator
from etatrick.numerics.estimators.single import AtOneLam
from etatrick.numerics.solution import Solution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Regression(RegressorMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator of numbers."""

    def _model(self) -> Model:
        return Model(self.penalty, self.loss, self.fit_intercept, self.tol)

    def _reading(self) -> dict[str, Any]:
        return {"y_numeric": True}

    def _targets(self, y: Any) -> "list[Floats]":
        return [self._model().family.targets(y)]

    def _shape(self, found: Sequence[Solution]) -> None:
        self.coef_, self.intercept_ = found[0].coef, found[0].intercept

    def _labels(self, targets: "list[Floats]") -> "Floats":
        return targets[0]

    def _held_out(self, theta: "Floats", targets: "list[Floats]") -> "Floats":
        """Return −ℓ(y, θ), shape (n_lams, n)."""
        family = self._model().family
        return np.array([-family.value(targets[0], row) for row in theta])

    def predict(self, X: Any) -> "Floats":
        """Predict numbers: the inverse link of the loss at Xw + b.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)
        """
        theta = self._predictor(X)
        return self._model().family.mean(theta)


@final
class ReweightedRegressor(Regression, AtOneLam):
    r"""Linear regression with the penalty of a dropout scheme: minimise Σ_i v_i ℓ(y_i, x_iᵀw + b) + λ Σ_j Ω(w_j).

    The loss is a *sum* over samples: ½(y − θ)² for "squared". scikit-learn's Lasso, a mean, has λ = n·alpha, its
    ElasticNet λ = n·alpha·l1_ratio with ``elastic_net:mu=(1 − l1_ratio)/l1_ratio``, and Ridge, without the ½,
    λ = alpha with ``ridge:c=1``.

    Parameters
    ----------
    penalty : str, Duality, catalogue entry or VectorDuality
        Such as ``"log_sum:epsilon=2"``, ``penalties["mcp"](A=1)``, the result of ``derive(…)``, or ``"k_support:k=3"``
        (penalties with scales that share a budget: squared loss and dense X only).
    lam : float
        λ ≥ 0.
    loss : str or Loss
        "squared", "huber", "poisson" or "gamma" (both with log link).
    fit_intercept : bool
        Whether to fit the constant b, which is not penalised.
    tol : float
        Relative duality gap to reach; without convexity the relative KKT residual.

    Attributes
    ----------
    coef_ : ndarray, shape (d,)
    intercept_ : float
    certificate_ : Certificate
        Duality gap and KKT residual, recomputed from the data at the solution.
    objective_ : float
    n_iter_ : int
    converged_ : bool
        Whether the certificate is within `tol`; a warning is given where it is more than 100 times that.
    status_ : str
        How the solver ended, in a sentence.
    n_features_in_, feature_names_in_
        As for every estimator.
    path_ : CoefficientPath
        After :meth:`fit_path`.

    Examples
    --------
    >>> from etatrick.numerics.estimators import ReweightedRegressor
    >>> model = ReweightedRegressor("l1:k=1", lam=1.0, fit_intercept=False)
    >>> model.fit(np.eye(3), [3.0, 0.5, -2.0]).coef_.round(12) + 0.0
    array([ 2.,  0., -1.])
    >>> model.certificate_.relative_gap < 1e-12
    True
    """

    def __init__(
        self,
        penalty: Any = "l1:k=1",
        lam: float = 1.0,
        *,
        loss: Any = "squared",
        fit_intercept: bool = True,
        tol: float = 1e-12,
    ) -> None:
        self.penalty = penalty
        self.lam = lam
        self.loss = loss
        self.fit_intercept = fit_intercept
        self.tol = tol
