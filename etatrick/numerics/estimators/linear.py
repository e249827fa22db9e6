"""What the four estimators share: reading data as scikit-learn does, keeping fits, tags, and drawing the path."""

import warnings
from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Final

import numpy as np
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils.validation import _check_sample_weight, check_is_fitted, validate_data

from etatrick.errors import InputError
from etatrick.numerics.estimators.coefficient_path import worst_certificate
from etatrick.numerics.estimators.engine import Model, decreasing
from etatrick.numerics.estimators.naming import is_joint
from etatrick.numerics.solution import Solution
from etatrick.numerics.working_set.paths import geometric

if TYPE_CHECKING:
    from matplotlib.axes import Axes
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

NOTED: Final = 100.0  # a certificate that rounding left within this factor of the tolerance is not warned of


class LinearEstimator(BaseEstimator, ABC):  # type: ignore[misc]
    """An estimator of a linear predictor Xw + b with a penalty on w."""

    @abstractmethod
    def _model(self) -> Model:
        """Return what is minimised, apart from data and λ."""

    @abstractmethod
    def _targets(self, y: Any) -> "list[Floats]":
        """Return the targets of each problem to be solved: one, or one per class; sets what is learnt from labels."""

    def _problems(self, X: Any, y: Any, sample_weight: Any) -> "tuple[Any, list[Floats], Floats | None]":
        """Return checked data: X, the targets of each problem, and weights."""
        kinds = False if is_joint(self.penalty) else ["csr", "csc"]
        X, y = validate_data(self, X, y, accept_sparse=kinds, dtype=np.float64, **self._reading())
        targets = self._targets(y)
        if sample_weight is None:
            return X, targets, None
        return X, targets, _check_sample_weight(sample_weight, X, dtype=np.float64, ensure_non_negative=True)

    def _reading(self) -> dict[str, Any]:
        return {}

    def _grid(self, X: Any, targets: "list[Floats]", weights: "Floats | None", lams: Any, n_lams: int,
              ratio: float) -> "Floats":  # fmt: skip
        if lams is not None:
            return decreasing(lams)
        geometric(1.0, n_lams, ratio)  # refuse bad numbers before any work
        model = self._model()
        return geometric(max(model.top(X, y, weights) for y in targets), n_lams, ratio)

    @abstractmethod
    def _labels(self, targets: "list[Floats]") -> Any:
        """Return one number or class index per sample, by which folds are stratified."""

    @abstractmethod
    def _held_out(self, theta: "Floats", targets: "list[Floats]") -> "Floats":
        """Return how well predictors along λ fit each sample, shape (n_lams, n); more is better."""

    def _names(self) -> tuple[str, ...]:
        named = getattr(self, "feature_names_in_", None)
        return tuple(str(name) for name in (range(self.n_features_in_) if named is None else named))

    def _fit_at(self, X: Any, targets: "list[Floats]", weights: "Floats | None", lam: float) -> None:
        model = self._model()
        self._keep([model.fit(X, y, lam, weights) for y in targets])

    def _keep(self, found: Sequence[Solution]) -> None:
        """Set the fitted attributes, and warn where a solver did not converge."""
        self.certificates_ = tuple(one.certificate for one in found)
        self.certificate_ = worst_certificate(self.certificates_)
        self.objective_ = sum(one.objective for one in found)
        self.n_iter_ = max(1, *(one.iterations for one in found))
        self.converged_ = all(one.converged for one in found)
        self.status_ = " ".join(dict.fromkeys(one.status.value for one in found))
        self._shape(found)
        figure = self.certificate_.value
        if not self.converged_ and not figure <= NOTED * self.tol:
            said = " ".join(dict.fromkeys(one.status.value for one in found if not one.converged))
            warnings.warn(f"{said} (relative certificate {figure:.3g})", ConvergenceWarning, stacklevel=4)

    @abstractmethod
    def _shape(self, found: Sequence[Solution]) -> None:
        """Set coef_ and intercept_."""

    def _predictor(self, X: Any) -> "Floats":
        check_is_fitted(self)
        X = validate_data(self, X, accept_sparse=["csr", "csc"], dtype=np.float64, reset=False)
        return np.asarray(X @ self.coef_.T + self.intercept_, dtype=np.float64)

    @abstractmethod
    def _fitted_lam(self) -> float:
        """Return the λ of the fit."""

    def plot_path(self, ax: "Axes | None" = None) -> "Figure":
        """Draw the coefficients against λ, with the fitted λ marked.

        Parameters
        ----------
        ax : matplotlib.axes.Axes, optional
            Where to draw; by default a new figure that shows itself in notebooks.

        Returns
        -------
        matplotlib.figure.Figure

        Raises
        ------
        InputError
            If no path was fitted.
        """
        check_is_fitted(self)
        if not hasattr(self, "path_"):
            raise InputError("path_", "was not computed: fit keeps one λ only", "call fit_path(X, y) instead")
        figure: Figure = self.path_.plot(ax, lam=self._fitted_lam())
        return figure

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.input_tags.sparse = not is_joint(self.penalty)
        return tags
