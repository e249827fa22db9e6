"""Penalties whose scales share a budget, as the solvers see them: value, proximal map, conjugate, scales, curvature."""

from abc import ABC, abstractmethod
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.k_support import (
    group_k_support_dual_norm,
    group_k_support_eta,
    group_k_support_norm,
    k_support_dual_norm,
    k_support_eta,
    k_support_norm,
    ordered_dual_norm,
    ordered_eta,
    ordered_norm,
    prox_group_k_support,
    prox_k_support,
    prox_ordered,
)
from etatrick.theory.vector.base import VectorDuality
from etatrick.theory.vector.k_support import GroupKSupport, KSupport, RankWeights

if TYPE_CHECKING:
    from numpy.typing import NDArray

TIGHT: Final = 1e-12


class JointPenalty(ABC):
    r"""A convex penalty Ω(w) = ½ min_η [Σ w²/η + f(η)] that does not split into coordinates.

    What a solver needs of it. The ones here are halves of squared norms N, so that Ω is finite everywhere, has degree
    2, vanishes to second order at 0, and its conjugate ½N*² is finite everywhere too.

    Parameters
    ----------
    duality : VectorDuality
        The theory of it.
    """

    duality: VectorDuality

    @abstractmethod
    def total(self, coef: "NDArray[np.float64]") -> float:
        """Return Ω(w)."""

    @abstractmethod
    def conjugate(self, slope: "NDArray[np.float64]") -> float:
        """Return Ω*(z) = sup_w [⟨z, w⟩ − Ω(w)]."""

    @abstractmethod
    def prox(self, coef: "NDArray[np.float64]", step: float) -> "NDArray[np.float64]":
        """Return the minimiser of ½‖x − w‖² + step·Ω(x)."""

    @abstractmethod
    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the scales that attain Ω(w); 0 where w is 0."""

    @abstractmethod
    def hessian(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the Hessian of Ω in the nonzero coordinates of w, the others held at 0; one-sided where it jumps."""

    @abstractmethod
    def model(self, variable: Any) -> tuple[Any, list[Any]]:
        """Return Ω of a cvxpy expression as an expression to minimise, and the constraints that belong to it."""

    @property
    def convex(self) -> bool:
        """Whether convexity was proved."""
        return self.duality.conditions["convex"].status == "proved"

    @final
    def slope(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return ∇Ω(w) = w/η̂ in the nonzero coordinates, and 0 in the others."""
        eta = self.eta_hat(coef)
        return np.divide(coef, eta, out=np.zeros_like(coef), where=coef != 0)

    @final
    def check(self, length: int) -> None:
        """Raise InputError if vectors of this length do not fit."""
        self.duality.penalty_at(np.zeros(length))


@final
@dataclass(frozen=True)
class KSupportPenalty(JointPenalty):
    """½‖w‖_k², see :class:`etatrick.theory.vector.k_support.KSupport`."""

    duality: KSupport

    def total(self, coef: "NDArray[np.float64]") -> float:
        """Return ½‖w‖_k²."""
        return 0.5 * float(k_support_norm(coef, self.duality.k)) ** 2

    def conjugate(self, slope: "NDArray[np.float64]") -> float:
        """Return half the sum of the k largest squares."""
        return 0.5 * float(k_support_dual_norm(slope, self.duality.k)) ** 2

    def prox(self, coef: "NDArray[np.float64]", step: float) -> "NDArray[np.float64]":
        """Return the proximal map, in O(d log d)."""
        return np.asarray(prox_k_support(coef, self.duality.k, step), dtype=np.float64)

    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return min(1, |w|/c)."""
        return np.asarray(k_support_eta(coef, self.duality.k), dtype=np.float64)

    def hessian(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return 1 where η = 1, and ssᵀ/(k − t) over the t + 1 … entries with η < 1, s their signs."""
        moving = coef[coef != 0]
        return rank_hessian(
            moving, self.eta_hat(coef)[coef != 0], np.clip(self.duality.k - np.arange(len(moving)), 0, 1)
        )

    def model(self, variable: Any) -> tuple[Any, list[Any]]:
        """Return ½Σ quad_over_lin(w_i, η_i) with 0 ≤ η ≤ 1 and Σ η ≤ k."""
        from etatrick.numerics.k_support import cvxpy_k_support_squared

        squared, constraints = cvxpy_k_support_squared(variable, self.duality.k)
        return squared / 2, constraints


@final
@dataclass(frozen=True)
class RankWeightsPenalty(JointPenalty):
    """Half the squared norm with ordered weights, see :class:`etatrick.theory.vector.k_support.RankWeights`."""

    duality: RankWeights

    @cached_property
    def _omega(self) -> "NDArray[np.float64]":
        return np.asarray(self.duality.omega)

    def total(self, coef: "NDArray[np.float64]") -> float:
        """Return ½N(w)²."""
        return 0.5 * float(ordered_norm(coef, self._omega)) ** 2

    def conjugate(self, slope: "NDArray[np.float64]") -> float:
        """Return ½Σω_j|z|²_(j)."""
        return 0.5 * float(ordered_dual_norm(slope, self._omega)) ** 2

    def prox(self, coef: "NDArray[np.float64]", step: float) -> "NDArray[np.float64]":
        """Return the proximal map, by pooling."""
        return np.asarray(prox_ordered(coef, self._omega, step), dtype=np.float64)

    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return |w_i| Σ_Bω/Σ_B|w|."""
        return np.asarray(ordered_eta(coef, self._omega), dtype=np.float64)

    def hessian(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return ssᵀ/Σ_Bω over each block B, s the signs."""
        return rank_hessian(coef[coef != 0], self.eta_hat(coef)[coef != 0], self._omega)

    def model(self, variable: Any) -> tuple[Any, list[Any]]:
        """Return ½Σ quad_over_lin(w_i, η_i) with the sums of the largest η bounded."""
        from etatrick.numerics.k_support import cvxpy_ordered_squared

        squared, constraints = cvxpy_ordered_squared(variable, self._omega)
        return squared / 2, constraints


@final
@dataclass(frozen=True)
class GroupKSupportPenalty(JointPenalty):
    """½‖(‖w_g‖)_g‖_k², see :class:`etatrick.theory.vector.k_support.GroupKSupport`."""

    duality: GroupKSupport

    def total(self, coef: "NDArray[np.float64]") -> float:
        """Return half the squared norm of the group lengths."""
        return 0.5 * float(group_k_support_norm(coef, self.duality.groups, self.duality.k)) ** 2

    def conjugate(self, slope: "NDArray[np.float64]") -> float:
        """Return half the sum of the k largest squared group lengths."""
        return 0.5 * float(group_k_support_dual_norm(slope, self.duality.groups, self.duality.k)) ** 2

    def prox(self, coef: "NDArray[np.float64]", step: float) -> "NDArray[np.float64]":
        """Return the proximal map: the lengths are shrunk, the directions kept."""
        return np.asarray(prox_group_k_support(coef, self.duality.groups, self.duality.k, step), dtype=np.float64)

    def eta_hat(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return min(1, ‖w_g‖/c), the same within a group; 0 where w is 0."""
        return np.asarray(group_k_support_eta(coef, self.duality.groups, self.duality.k), dtype=np.float64)

    def hessian(self, coef: "NDArray[np.float64]") -> "NDArray[np.float64]":
        """Return the chain rule over the lengths: J·H·Jᵀ + (I − uuᵀ)/η_g within groups of direction u."""
        moving, eta = coef != 0, self.eta_hat(coef)
        place = np.cumsum(moving) - 1
        active = [np.asarray(group)[coef[list(group)] != 0] for group in self.duality.groups]
        active = [group for group in active if len(group)]
        lengths = np.array([np.linalg.norm(coef[group]) for group in active])
        shares = np.array([eta[group[0]] for group in active])
        among = rank_hessian(lengths, shares, np.clip(self.duality.k - np.arange(len(active)), 0, 1))
        units = np.zeros((int(moving.sum()), len(active)))
        result = np.zeros((len(units), len(units)))
        for column, group in enumerate(active):
            unit = units[place[group], column] = coef[group] / lengths[column]
            result[np.ix_(place[group], place[group])] = (np.eye(len(group)) - np.outer(unit, unit)) / shares[column]
        result += units @ among @ units.T
        return result

    def model(self, variable: Any) -> tuple[Any, list[Any]]:
        """Return ½Σ quad_over_lin(t_g, η_g) with t_g ≥ ‖w_g‖, 0 ≤ η ≤ 1 and Σ η ≤ k."""
        import cvxpy as cp

        from etatrick.numerics.k_support import cvxpy_k_support_squared

        lengths = cp.Variable(len(self.duality.groups))
        squared, constraints = cvxpy_k_support_squared(lengths, self.duality.k)
        cones = [cp.norm(variable[list(group)]) <= lengths[g] for g, group in enumerate(self.duality.groups)]
        return squared / 2, [*constraints, *cones]


def rank_hessian(
    coef: "NDArray[np.float64]", eta: "NDArray[np.float64]", omega: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return Σ_B s_Bs_Bᵀ/Σ_Bη for the finest blocks of ranks whose sums Σ_{i≤j} η_(i) = Σ_{i≤j} ω_i are tight.

    Examples
    --------
    >>> import numpy as np
    >>> rank_hessian(np.array([4.0, -1.0, 1.0]), np.array([1.0, 0.5, 0.5]), np.array([1.0, 1.0, 0.0])).tolist()
    [[1.0, 0.0, 0.0], [0.0, 1.0, -1.0], [0.0, -1.0, 1.0]]
    """
    order = np.argsort(-np.abs(coef), kind="stable")
    sums, room = np.cumsum(eta[order]), np.cumsum(omega[: len(order)])
    tight = sums >= room * (1 - TIGHT)
    block = np.empty(len(order), dtype=np.intp)
    block[order] = np.concatenate(([0], np.cumsum(tight)[:-1])) if len(order) else block
    inverse = 1 / np.bincount(block, weights=eta)[block] if len(order) else eta
    signs = np.sign(coef)
    return np.where(block[:, None] == block, np.outer(signs, signs * inverse), 0.0)


JOINT: Final[dict[type[VectorDuality], Any]] = {
    KSupport: KSupportPenalty,
    RankWeights: RankWeightsPenalty,
    GroupKSupport: GroupKSupportPenalty,
}


def joint_penalty(penalty: Any) -> JointPenalty:
    """Return the numerical form of a vector dual.

    Parameters
    ----------
    penalty : VectorDuality or JointPenalty

    Raises
    ------
    InputError
        If the solvers have no proximal map for this dual.

    Examples
    --------
    >>> import numpy as np
    >>> joint_penalty(KSupport(1)).total(np.array([3.0, -4.0]))
    24.5
    """
    if isinstance(penalty, JointPenalty):
        return penalty
    form = JOINT.get(type(penalty))
    if form is None:
        known = ", ".join(kind.__name__ for kind in JOINT)
        raise InputError(type(penalty).__name__, "has no proximal map here, which a solver needs", f"use {known}")
    found: JointPenalty = form(penalty)
    return found
