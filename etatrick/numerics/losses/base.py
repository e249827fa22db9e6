"""What a loss gives to solvers and certificates: value, slope, curvature, conjugate, bounds and its cvxpy form."""

from abc import ABC, abstractmethod
from typing import TYPE_CHECKING, Any, ClassVar, final

import numpy as np

from etatrick.numerics.losses.arguments import Floats, numbers

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


class Loss(ABC):
    r"""A convex loss ℓ(y, θ) of the linear predictor θ = Xw + b + offset; a fit minimises Σ_i v_i ℓ(y_i, θ_i).

    Canonical families use ℓ = A(θ) − yθ, the negative log-likelihood up to what does not depend on θ. All methods work
    sample by sample and return arrays shaped like θ unless they say otherwise. Objects hold data only.

    Examples
    --------
    >>> from etatrick.numerics.losses import Squared
    >>> Squared().value([1.0, 2.0], [0.0, 0.0]).tolist()
    [0.5, 2.0]
    """

    curvature_bound: ClassVar[float]
    """sup ∂²ℓ/∂θ²; infinite where the gradient is not Lipschitz."""

    @final
    def targets(self, y: "ArrayLike") -> Floats:
        """Return y as numbers the loss works with.

        Raises
        ------
        InputError
            If y is not finite and real, or outside the range of the family.
        """
        return self._targets(numbers(y))

    @final
    def value(self, y: "ArrayLike", theta: "ArrayLike") -> Floats:
        """Return ℓ(y_i, θ_i)."""
        return self._value(floats(y), floats(theta))

    @final
    def slope(self, y: "ArrayLike", theta: "ArrayLike") -> Floats:
        """Return ∂ℓ/∂θ, the residual with its sign changed."""
        return self._slope(floats(y), floats(theta))

    @final
    def curvature(self, y: "ArrayLike", theta: "ArrayLike") -> Floats:
        """Return ∂²ℓ/∂θ² ≥ 0."""
        return self._curvature(floats(y), floats(theta))

    @final
    def conjugate(self, y: "ArrayLike", u: "ArrayLike") -> Floats:
        """Return ℓ*(y, u) = sup over θ of uθ − ℓ(y, θ), which is +∞ outside its domain."""
        return self._conjugate(floats(y), floats(u))

    @final
    def feasible(self, y: "ArrayLike", u: "ArrayLike") -> Floats:
        """Return the point of the domain of ℓ*(y, ·) that is closest to u: a start for dual certificates."""
        return self._feasible(floats(y), floats(u))

    @final
    def mean(self, theta: "ArrayLike") -> Floats:
        """Return what the model predicts for y: the inverse link at θ."""
        return self._mean(floats(theta))

    @final
    def predictor(self, y: "ArrayLike") -> Floats:
        """Return the constant θ that fits y best, where an intercept starts (for Huber's loss: the median)."""
        return self._predictor(floats(y))

    @final
    def cvxpy_terms(self, y: "ArrayLike", theta: Any) -> Any:
        """Return a cvxpy expression of the losses ℓ(y_i, θ_i), to be weighted and summed."""
        return self._cvxpy_terms(floats(y), theta)

    @abstractmethod
    def _targets(self, y: Floats) -> Floats: ...

    @abstractmethod
    def _value(self, y: Floats, theta: Floats) -> Floats: ...

    @abstractmethod
    def _slope(self, y: Floats, theta: Floats) -> Floats: ...

    @abstractmethod
    def _curvature(self, y: Floats, theta: Floats) -> Floats: ...

    @abstractmethod
    def _conjugate(self, y: Floats, u: Floats) -> Floats: ...

    @abstractmethod
    def _feasible(self, y: Floats, u: Floats) -> Floats: ...

    @abstractmethod
    def _mean(self, theta: Floats) -> Floats: ...

    @abstractmethod
    def _predictor(self, y: Floats) -> Floats: ...

    @abstractmethod
    def _cvxpy_terms(self, y: Floats, theta: Any) -> Any: ...


def floats(values: "ArrayLike") -> Floats:
    """Return values as a float array."""
    return np.asarray(values, dtype=np.float64)
