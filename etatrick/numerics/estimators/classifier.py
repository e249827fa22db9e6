"""`ReweightedClassifier`: penalised logistic regression at one λ, one class against the rest for more than two."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, final

import numpy as np
from scipy.special import log_expit, log_softmax
from sklearn.base import ClassifierMixin
from sklearn.utils.multiclass import check_classification_targets

from etatrick.errors import InputError
from etatrick.numerics.estimators.engine import Model
from etatrick.numerics.estimators.linear import LinearEstimator
from etatrick.numerics.estimators.single import AtOneLam
from etatrick.numerics.solution import Solution

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]


class Classification(ClassifierMixin, LinearEstimator):  # type: ignore[misc]
    """A linear estimator of labels."""

    def _model(self) -> Model:
        return Model(self.penalty, "logistic", self.fit_intercept, self.tol)

    def _targets(self, y: Any) -> "list[Floats]":
        check_classification_targets(y)
        self.classes_ = np.unique(y)
        if len(self.classes_) < 2:
            raise InputError(f"y with one class only, {self.classes_[0]}", "a classifier needs two",
                             "add samples of another class")  # fmt: skip
        chosen = self.classes_[1:] if len(self.classes_) == 2 else self.classes_
        return [np.asarray(y == label, dtype=np.float64) for label in chosen]

    def _shape(self, found: Sequence[Solution]) -> None:
        self.coef_ = np.array([one.coef for one in found])
        self.intercept_ = np.array([one.intercept for one in found])

    def decision_function(self, X: Any) -> "Floats":
        """Return Xw + b: the log-odds of the second class, or of each class against the rest.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)

        Returns
        -------
        ndarray, shape (n,) for two classes, otherwise (n, n_classes)
        """
        theta = self._predictor(X)
        return theta[:, 0] if theta.shape[1] == 1 else theta

    def predict(self, X: Any) -> Any:
        """Return the most probable class of each sample.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)

        Returns
        -------
        ndarray, shape (n,)
        """
        theta = self.decision_function(X)
        return self.classes_[(theta > 0).astype(int) if theta.ndim == 1 else theta.argmax(axis=1)]

    def predict_proba(self, X: Any) -> "Floats":
        """Return the probability of each class; for more than two, those against the rest scaled to sum to 1.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)

        Returns
        -------
        ndarray, shape (n, n_classes)
        """
        return np.exp(self.predict_log_proba(X))

    def predict_log_proba(self, X: Any) -> "Floats":
        """Return the logarithms of :meth:`predict_proba`.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)

        Returns
        -------
        ndarray, shape (n, n_classes)
        """
        return self._log_shares(self.decision_function(X))

    def _labels(self, targets: "list[Floats]") -> "NDArray[np.intp]":
        return np.asarray(targets[0] if len(targets) == 1 else np.argmax(targets, axis=0), dtype=np.intp)

    def _held_out(self, theta: "Floats", targets: "list[Floats]") -> "Floats":
        """Return the log-probabilities of the true classes, shape (n_lams, n)."""
        labels = self._labels(targets)
        return np.take_along_axis(self._log_shares(theta), labels[None, :, None], axis=-1)[..., 0]

    def _log_shares(self, theta: "Floats") -> "Floats":
        """Return log-probabilities (…, n, classes) from log-odds (…, n), or (…, n, classes) against the rest."""
        if len(self.classes_) == 2:
            return np.stack([log_expit(-theta), log_expit(theta)], axis=-1)
        return np.asarray(log_softmax(log_expit(theta), axis=-1), dtype=np.float64)


@final
class ReweightedClassifier(Classification, AtOneLam):
    r"""Logistic regression with the penalty of a dropout scheme: minimise Σ_i v_i ℓ(y_i, x_iᵀw + b) + λ Σ_j Ω(w_j).

    ℓ = log(1 + e^θ) − yθ is *summed* over samples, so that λ = 1/C of scikit-learn's LogisticRegression. More than two
    classes are fitted one against the rest.

    Parameters
    ----------
    penalty : str, Duality or catalogue entry
        Such as ``"log_sum:epsilon=2"``, ``penalties["mcp"](A=1)``, or the result of ``derive(…)``.
    lam : float
        λ ≥ 0; classes that a plane separates have no solution at λ = 0, of which a warning tells.
    fit_intercept : bool
        Whether to fit the constant b, which is not penalised.
    tol : float
        Relative duality gap to reach; without convexity the relative KKT residual.

    Attributes
    ----------
    classes_ : ndarray, shape (n_classes,)
    coef_ : ndarray, shape (1, d), or (n_classes, d) for more than two classes
    intercept_ : ndarray, shape (1,) or (n_classes,)
    certificate_ : Certificate
        Duality gap and KKT residual, recomputed from the data at the solution: the worst of `certificates_`.
    certificates_ : tuple of Certificate
        One per row of `coef_`.
    objective_ : float
        Summed over the rows of `coef_`.
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
    >>> from etatrick.numerics.estimators import ReweightedClassifier
    >>> model = ReweightedClassifier("l1:k=1", lam=0.5).fit([[0.0], [1.0], [2.0], [3.0]], ["no", "no", "yes", "yes"])
    >>> model.predict([[0.5], [2.5]])
    array(['no', 'yes'], dtype='<U3')
    >>> model.certificate_.relative_gap < 1e-12
    True
    """

    def __init__(
        self, penalty: Any = "l1:k=1", lam: float = 1.0, *, fit_intercept: bool = True, tol: float = 1e-12
    ) -> None:
        self.penalty = penalty
        self.lam = lam
        self.fit_intercept = fit_intercept
        self.tol = tol
