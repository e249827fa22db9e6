"""`ReweightedClassifierCV`: penalised logistic regression with λ chosen by cross-validation."""

from typing import TYPE_CHECKING, Any, final

from etatrick.numerics.estimators.chosen import ByCrossValidation
from etatrick.numerics.estimators.classifier import Classification

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


@final
class ReweightedClassifierCV(Classification, ByCrossValidation):
    r"""Like :class:`ReweightedClassifier`, with the λ of the best mean held-out log-probability, one for all classes.

    λ belongs to the sum over all samples; on the training part of a fold it is scaled by the part's share of the sample
    weights.

    Parameters
    ----------
    penalty, fit_intercept, tol
        As for :class:`ReweightedClassifier`.
    lams : array_like, optional
        The grid of λ; by default `n_lams` values down from where all weights are 0 (for smooth penalties nearly so).
    n_lams, ratio : int, float
        Length and reach of the default grid.
    cv : int, splitter, iterable of splits, or None
        As for scikit-learn's ``check_cv``, stratified; None means 5 folds.

    Attributes
    ----------
    lam_ : float
    lams_ : ndarray, shape (n_lams,)
        Decreasing.
    scores_ : ndarray, shape (n_lams, n_folds)
        The mean log-probability of the held-out labels.
    path_ : CoefficientPath
        On all samples.
    classes_, coef_, intercept_, certificate_, certificates_, objective_, n_iter_, converged_, status_
        As for :class:`ReweightedClassifier`, at `lam_`.
    n_features_in_, feature_names_in_
        As for every estimator.

    Examples
    --------
    >>> import numpy as np
    >>> from etatrick.numerics.estimators import ReweightedClassifierCV
    >>> X = np.random.default_rng(0).standard_normal((60, 4))
    >>> noise = 0.5 * np.random.default_rng(1).standard_normal(60)
    >>> model = ReweightedClassifierCV("l1:k=1", n_lams=10).fit(X, X[:, 0] + noise > 0)
    >>> model.lams_.shape, int(model.coef_[0].argmax())
    ((10,), 0)
    """

    def __init__(
        self,
        penalty: Any = "l1:k=1",
        *,
        lams: "ArrayLike | None" = None,
        n_lams: int = 50,
        ratio: float = 1e-3,
        cv: Any = None,
        fit_intercept: bool = True,
        tol: float = 1e-12,
    ) -> None:
        self.penalty = penalty
        self.lams = lams
        self.n_lams = n_lams
        self.ratio = ratio
        self.cv = cv
        self.fit_intercept = fit_intercept
        self.tol = tol
