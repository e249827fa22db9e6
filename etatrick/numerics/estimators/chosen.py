"""Estimators that choose λ by cross-validation."""

from typing import TYPE_CHECKING, Any, Final, Self

import numpy as np
from sklearn.base import is_classifier
from sklearn.model_selection import check_cv

from etatrick.errors import InputError
from etatrick.numerics.estimators.coefficient_path import CoefficientPath
from etatrick.numerics.estimators.linear import LinearEstimator

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

SCORED: Final = 1e-8  # folds are only compared: their fits need no finer tolerance than this


class ByCrossValidation(LinearEstimator):
    """A linear estimator with parameters `lams`, `n_lams`, `ratio` and `cv`.

    λ multiplies ΣΩ beside a *sum* over samples, and a fold's training part has fewer of them: there λ is scaled by
    the part's share of the sample weights, so that the balance between loss and penalty is that of the whole.
    """

    def fit(self, X: Any, y: "ArrayLike", sample_weight: "ArrayLike | None" = None) -> Self:
        """Choose λ by held-out fit, and fit the path on all samples.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional
            Weights ≥ 0 that multiply the terms of the loss, in training and held-out parts alike.

        Returns
        -------
        self

        Raises
        ------
        InputError
            As for one λ; also for a grid of λ that is none, or folds without weight.
        """
        X, targets, weights = self._problems(X, y, sample_weight)
        self.lams_ = self._grid(X, targets, weights, self.lams, self.n_lams, self.ratio)
        folds = check_cv(self.cv, self._labels(targets), classifier=is_classifier(self))
        splits = list(folds.split(X, self._labels(targets)))
        self.scores_ = np.array([self._score(X, targets, weights, *split) for split in splits]).T
        best = int(np.argmax(self.scores_.mean(axis=1)))  # the first of equals has the largest λ
        model = self._model()
        rows = [model.fit_along(X, target, self.lams_, weights) for target in targets]
        self.path_ = CoefficientPath.of(self.lams_, rows, self._names())
        self.lam_ = float(self.lams_[best])
        self._keep([row[best] for row in rows])
        return self

    def _score(
        self,
        X: Any,
        targets: "list[Floats]",
        weights: "Floats | None",
        train: "NDArray[np.intp]",
        test: "NDArray[np.intp]",
    ) -> "Floats":
        """Return the mean held-out fit of one fold for every λ."""
        every = np.ones(X.shape[0]) if weights is None else weights
        share = float(every[train].sum() / every.sum())
        if share == 0 or not every[test].any():
            raise InputError("sample_weight", "is 0 in a whole part of a fold", "choose fewer folds, or shuffle them")
        trained = None if weights is None else weights[train]
        lams = share * self.lams_
        model = self._model().no_finer_than(SCORED)
        rows = [model.fit_along(X[train], y[train], lams, trained) for y in targets]
        theta = CoefficientPath.of(lams, rows, self._names()).predictors(X[test])
        fits = self._held_out(theta, [y[test] for y in targets])
        return np.asarray(np.average(fits, axis=1, weights=every[test]), dtype=np.float64)

    def _fitted_lam(self) -> float:
        return float(self.lam_)
