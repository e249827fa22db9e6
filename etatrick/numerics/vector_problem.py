"""Least squares with a penalty on whole vectors that knows only Ω and η̂: checked data, slopes at zeros, certificate."""

from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import LeastSquares, absorbed, check_lam
from etatrick.numerics.scale_cones import ScaleCone, scale_cone
from etatrick.numerics.solution import Certificate

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.theory.vector.base import VectorDuality

    Floats = NDArray[np.float64]

NEAR: Final = 1e-9  # a weight that small, relative to the others, stands for 0+
LOCAL: Final = 1e-9


@final
@dataclass(frozen=True, eq=False)
class VectorProblem(LeastSquares):
    """Minimise ½‖y − Xw‖² + λ Ω(w) for a vector dual; see :class:`etatrick.numerics.problem.LeastSquares`."""

    penalty: Any

    def charge(self, coef: "Floats") -> float:
        """Return Ω(w)."""
        return float(self.penalty.penalty_at(coef))

    @cached_property
    def cone(self) -> ScaleCone | None:
        """The cone of scales of a norm, None for other penalties."""
        return scale_cone(self.penalty, self.X.shape[1])

    @cached_property
    def reach(self) -> "Floats":
        """‖x_jᵀy‖/‖x_j‖², the size of each weight alone without a penalty, shape (d,); 1 where that is 0."""
        with np.errstate(divide="ignore", invalid="ignore"):
            size = np.abs(self.correlation) / self.squares
        return np.where(np.isfinite(size) & (size > 0), size, 1.0)

    def slope(self, coef: "Floats") -> "Floats":
        """Return w/η̂(w), the gradient of Ω in the nonzero coordinates; 0 in the others."""
        eta = np.asarray(self.penalty.eta_hat_at(coef))
        there = (coef != 0) & (eta > 0)
        return np.asarray(np.divide(coef, eta, out=np.zeros_like(coef), where=there), dtype=np.float64)

    def held(self, coef: "Floats") -> "Floats":
        """Return the slope of Ω from each zero of w outwards, t/η̂_j(w + t e_j) at small t; 0 in the nonzero ones."""
        result, zeros = np.zeros_like(coef), np.flatnonzero(coef == 0)
        eta = np.asarray(self.penalty.eta_hat_at(coef))
        zeros = zeros[eta[zeros] == 0]  # elsewhere Ω is smooth
        for j in zeros:
            near = coef.copy()
            near[j] = NEAR * self.reach[j]
            result[j] = near[j] / float(self.penalty.eta_hat_at(near)[j])
        return result

    def violations(self, coef: "Floats") -> "Floats":
        """Return the violation of stationarity per coordinate: |x_jᵀr − λw_j/η̂_j|, or what exceeds the slope at 0."""
        descent = self.descent(coef)
        if self.lam == 0:
            return np.abs(descent)
        moving = np.abs(descent - self.lam * self.slope(coef))
        return np.where(coef != 0, moving, np.maximum(np.abs(descent) - self.lam * self.held(coef), 0.0))


def pose_vector(
    X: Any,
    y: "ArrayLike",
    penalty: "VectorDuality",
    lam: float,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> VectorProblem:
    """Check the data and return the problem with intercept and weights absorbed.

    Raises
    ------
    InputError
        As :func:`etatrick.numerics.solve`; also where Ω is infinite somewhere, or −∞ at 0, or is one of matrices.

    Examples
    --------
    >>> from etatrick.theory.vector.ordered import Ordered
    >>> pose_vector(np.eye(2), [1.0, 2.0], Ordered(), 1.0).objective(np.zeros(2))
    2.5
    """
    check_lam(lam)
    name = type(penalty).__name__
    if penalty.axes != 1:
        raise InputError(name, "takes matrices, where solve has one vector of weights", "use fit_outputs")
    rows, target, X_mean, y_mean = absorbed(X, y, fit_intercept, sample_weight, offset)
    nothing, something = np.zeros(rows.shape[1]), np.ones(rows.shape[1])
    if not np.isfinite(penalty.penalty_at(something)):
        raise InputError(name, "is a hard constraint, Ω = ∞ for some weights", "use best_subset, or a finite penalty")
    if not np.isfinite(penalty.penalty_at(nothing)):
        raise InputError(name, "is −∞ at w = 0, so that w = 0 is optimal whatever the data", "use another density")
    return VectorProblem(rows, target, penalty, float(lam), X_mean, y_mean)


def vector_certificate(posed: VectorProblem, coef: "Floats") -> Certificate:
    """Return the certificate of `coef`, from the data: the KKT residual, for norms also a duality gap.

    The dual point is the residual, shrunk until N*(Xᵀθ) ≤ λ. A norm has the subgradient z exactly if N*(z) ≤ 1 and
    ⟨z, w⟩ = Ω(w): its KKT residual is the larger excess, in units of the gradient. For other penalties, locally
    minimal says that every zero is held and that the Hessian by differences is positive on the support.
    """
    violation = _norm_violation(posed, coef) if posed.lam else None
    if violation is None:
        violation = float(np.max(posed.violations(coef), initial=0.0))
    gap = relative = None
    if posed.lam == 0 or posed.cone is not None:
        gap = _gap(posed, coef)
        relative = gap / (posed.objective(np.zeros_like(coef)) or 1.0)
    minimal = violation <= LOCAL * posed.scale and (gap is not None or _bends_up(posed, coef))
    return Certificate(violation, violation / posed.scale, gap, relative, minimal)


def _norm_violation(posed: VectorProblem, coef: "Floats") -> float | None:
    if posed.cone is None:
        return None
    descent, size = posed.descent(coef), float(np.abs(coef).sum())
    reached = posed.cone.dual_norm(descent)
    excess = (reached - posed.lam) / reached * float(np.abs(descent).max()) if reached > posed.lam else 0.0
    pairing = abs(posed.lam * posed.charge(coef) - float(coef @ descent)) / size if size else 0.0
    return max(excess, pairing)


def _gap(posed: VectorProblem, coef: "Floats") -> float:
    residual = posed.y - posed.X @ coef
    if posed.lam == 0:
        projection = posed.X @ np.linalg.lstsq(posed.X, residual)[0]
        return 0.5 * float(projection @ projection)
    assert posed.cone is not None
    theta = residual / max(posed.cone.dual_norm(posed.X.T @ residual) / posed.lam, 1.0)
    # P − D = ½‖r − θ‖² + λΩ(w) − ⟨w, Xᵀθ⟩: no large numbers cancel
    apart = residual - theta
    pairing = float(coef @ (posed.X.T @ theta))
    return max(0.5 * float(apart @ apart) + posed.lam * posed.charge(coef) - pairing, 0.0)


def _bends_up(posed: VectorProblem, coef: "Floats") -> bool:
    from etatrick.numerics.vector_steps import bend

    support = np.flatnonzero(coef)
    if len(support) == 0 or posed.lam == 0:
        return True
    X = posed.X[:, support]
    return bool(np.linalg.eigvalsh(X.T @ X + posed.lam * bend(posed, coef, support))[0] > 0)
