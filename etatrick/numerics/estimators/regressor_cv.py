"""`ReweightedRegressorCV`: penalised regression with λ chosen by cross-validation."""

from typing import TYPE_CHECKING, Any, final

from etatrick.numerics.estimators.chosen import ByCrossValidation
from etatrick.numerics.estimators.regressor import Regression

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@final
class ReweightedRegressorCV(Regression, ByCrossValidation):
    r"""Like :class:`ReweightedRegressor`, with the λ of the best mean held-out loss.

    λ belongs to the sum over all samples; on the training part of a fold it is scaled by the part's share of the sample
    weights. For the squared loss and ``l1:k=1`` this is scikit-learn's LassoCV with λ = n·alpha.

    Parameters
    ----------
    penalty, loss, fit_intercept, tol
        As for :class:`ReweightedRegressor`.
    lams : array_like, optional
        The grid of λ; by default `n_lams` values down from where all weights are 0 (for smooth penalties nearly so).
    n_lams, ratio : int, float
        Length and reach of the default grid.
    cv : int, splitter, iterable of splits, or None
        As for scikit-learn's ``check_cv``; None means 5 folds.

    Attributes
    ----------
    lam_ : float
    lams_ : ndarray, shape (n_lams,)
        Decreasing.
    scores_ : ndarray, shape (n_lams, n_folds)
        Minus the mean held-out loss; for the squared loss minus half the mean squared error.
    path_ : CoefficientPath
        On all samples.
    coef_, intercept_, certificate_, objective_, n_iter_, converged_, status_
        As for :class:`ReweightedRegressor`, at `lam_`.
    n_features_in_, feature_names_in_
        As for every estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from etatrick.numerics.estimators import ReweightedRegressorCV
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> model = ReweightedRegressorCV("log_sum:epsilon=1", n_lams=20).fit(X, 3 * X[:, 0])
    >>> model.scores_.shape, model.coef_.round(1) + 0.0
    ((20, 5), array([3., 0., 0., 0.]))
    """

    def __init__(
        self,
        penalty: Any = "l1:k=1",
        *,
        loss: Any = "squared",
        lams: "ArrayLike | None" = None,
        n_lams: int = 50,
        ratio: float = 1e-3,
        cv: Any = None,
        fit_intercept: bool = True,
        tol: float = 1e-12,
    ) -> None:
        self.penalty = penalty
        self.loss = loss
        self.lams = lams
        self.n_lams = n_lams
        self.ratio = ratio
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.tol = tol
