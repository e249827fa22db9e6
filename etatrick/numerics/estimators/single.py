"""Estimators at one λ: `fit`, and `fit_path`, which keeps the solutions at larger and smaller λ too."""

from typing import TYPE_CHECKING, Any, Self

from etatrick.numerics.estimators.coefficient_path import CoefficientPath
from etatrick.numerics.estimators.linear import LinearEstimator
from etatrick.numerics.problem import check_lam

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class AtOneLam(LinearEstimator):
    """A linear estimator with a parameter `lam`."""

    def fit(self, X: Any, y: "ArrayLike", sample_weight: "ArrayLike | None" = None) -> Self:
        """Fit the model.

        Parameters
        ----------
        X : array_like or sparse matrix, shape (n, d)
            Sparse (CSR or CSC) unless the penalty has scales that share a budget.
        y : array_like, shape (n,)
        sample_weight : array_like, shape (n,), optional
            Weights ≥ 0 that multiply the terms of the loss.

        Returns
        -------
        self

        Raises
        ------
        InputError
            For an unknown penalty or loss, λ or a tolerance out of range, or targets outside the loss's range.
        """
        check_lam(self.lam)
        X, targets, weights = self._problems(X, y, sample_weight)
        self._fit_at(X, targets, weights, self.lam)
        return self

    def compute_path(
        self,
        X: Any,
        y: "ArrayLike",
        sample_weight: "ArrayLike | None" = None,
        *,
        lams: "ArrayLike | None" = None,
        n_lams: int = 100,
        ratio: float = 1e-3,
    ) -> CoefficientPath:
        """Return the models along a decreasing grid of λ; the parameter `lam` plays no part.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        lams : array_like, optional
            The grid; by default `n_lams` values from where all weights are 0 (for smooth penalties nearly so).
        n_lams, ratio : int, float
            Length and reach of the default grid.

        Returns
        -------
        CoefficientPath
        """
        X, targets, weights = self._problems(X, y, sample_weight)
        grid = self._grid(X, targets, weights, lams, n_lams, ratio)
        model = self._model()
        rows = [model.fit_along(X, target, grid, weights) for target in targets]
        return CoefficientPath.of(grid, rows, self._names())

    def fit_path(self, X: Any, y: "ArrayLike", sample_weight: "ArrayLike | None" = None, **grid: Any) -> Self:
        """Fit the model at `lam`, and keep in `path_` what :meth:`compute_path` returns.

        Parameters
        ----------
        X, y, sample_weight
            As in :meth:`fit`.
        **grid
            `lams`, `n_lams` and `ratio` as in :meth:`compute_path`.

        Returns
        -------
        self
        """
        check_lam(self.lam)
        self.path_ = self.compute_path(X, y, sample_weight, **grid)
        return self.fit(X, y, sample_weight)

    def _fitted_lam(self) -> float:
        return float(self.lam)
