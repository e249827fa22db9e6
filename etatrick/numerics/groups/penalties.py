"""Penalties on groups that theory has no object for: the sparse group lasso, and concave penalties within groups."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np

from etatrick.errors import InputError, shortened
from etatrick.theory.vector.groups import Groups
from etatrick.theory.vector.partition import as_groups, check_disjoint, check_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.theory.duality import Duality


@final
@dataclass(frozen=True)
class SparseGroupLasso:
    r"""The sparse group lasso, with the group lasso at τ = 0, the lasso at τ = 1 and a ridge term if wanted.

    .. math:: \Omega(w) = (1-\tau) \sum_g c_g \lVert w_g \rVert_2 + \tau \lVert w \rVert_1
              + \tfrac12 \rho \lVert w \rVert_2^2

    Simon, Friedman, Hastie, Tibshirani 2013; the group lasso: Yuan, Lin 2006.

    Parameters
    ----------
    groups : sequence of sequences of int
        A partition of the indices 0, …, d−1.
    weights : sequence of float, optional
        Positive c_g, one per group; √|g| if not given.
    tau, ridge : float
        0 ≤ τ ≤ 1 and ρ ≥ 0.

    Raises
    ------
    InputError
        If the groups are no partition, or a number is out of its range.

    Examples
    --------
    >>> SparseGroupLasso([[0, 1], [2]], weights=[1, 1], tau=0.5).penalty_at([3.0, 4.0, -2.0])
    8.0
    """

    groups: Sequence[Sequence[int]]
    weights: Sequence[float] = ()
    tau: float = 0.0
    ridge: float = 0.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", as_groups(self.groups))
        check_disjoint(self.groups)
        object.__setattr__(self, "weights", group_weights(self.weights, self.groups))
        _check_number("tau", self.tau, 0.0, 1.0, "τ shares the charge between groups and weights: 0 ≤ τ ≤ 1")
        _check_number("ridge", self.ridge, 0.0, np.inf, "ρ must be a finite number ≥ 0")

    def penalty_at(self, w: "ArrayLike") -> float:
        """Return Ω(w) for weights of shape (d,)."""
        at = _vector(w, self.groups)
        lengths = sum(c * float(np.linalg.norm(at[list(g)])) for c, g in zip(self.weights, self.groups, strict=True))
        return float((1 - self.tau) * lengths + self.tau * np.abs(at).sum() + 0.5 * self.ridge * (at @ at))


@final
@dataclass(frozen=True)
class NonconvexSparseGroups:
    r"""Group lengths and a concave penalty on every weight: the nonconvex sparse group lasso.

    .. math:: \Omega(w) = \sum_g c_g \lVert w_g \rVert_2 + \sum_j \varphi(|w_j|)

    Bui, Park, Zhang, Qi, Xin 2021, "Structured sparsity of convolutional neural networks via nonconvex sparse group
    regularization", with φ the transformed ℓ1, SCAD, MCP and others; it vanishes on a weight sooner than ℓ1 does and
    charges large weights less.

    Parameters
    ----------
    groups : sequence of sequences of int
        A partition of the indices 0, …, d−1.
    duality : Duality
        φ, e.g. ``penalties["mcp"](A=3).duality``, without free parameters.
    weights : sequence of float, optional
        Positive c_g, one per group; √|g| if not given.

    Raises
    ------
    InputError
        If the groups are no partition, a weight is not positive, or a parameter of φ is free.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> rule = NonconvexSparseGroups([[0, 1]], penalties["capped_l1"](theta=1).duality, weights=[1])
    >>> rule.penalty_at([3.0, -4.0])
    7.0
    """

    groups: Sequence[Sequence[int]]
    duality: "Duality"
    weights: Sequence[float] = ()

    def __post_init__(self) -> None:
        scalar = getattr(self.duality, "duality", self.duality)  # a catalogue entry is as good
        object.__setattr__(self, "duality", scalar)
        checked = Groups(scalar, self.groups)
        object.__setattr__(self, "groups", checked.groups)
        object.__setattr__(self, "weights", group_weights(self.weights, self.groups))

    def penalty_at(self, w: "ArrayLike") -> float:
        """Return Ω(w) for weights of shape (d,)."""
        at = _vector(w, self.groups)
        lengths = sum(c * float(np.linalg.norm(at[list(g)])) for c, g in zip(self.weights, self.groups, strict=True))
        return lengths + float(self.duality.penalty_at(np.abs(at)).sum())


def group_weights(weights: Any, groups: Sequence[Sequence[int]]) -> tuple[float, ...]:
    """Return one positive weight per group, √|g| for those not given.

    Raises
    ------
    InputError
        If there are not as many as groups, or one is not a positive number.
    """
    rule = f"the rule is one positive number for each of the {len(groups)} groups"
    shown = f"weights = {shortened(repr(weights))}"
    try:
        found = tuple(float(c) for c in weights) or tuple(float(np.sqrt(len(g))) for g in groups)
    except (TypeError, ValueError):
        raise InputError(shown, rule, "leave them out for √|g|") from None
    if len(found) != len(groups) or not all(np.isfinite(c) and c > 0 for c in found):
        raise InputError(shown, rule, "leave them out for √|g|")
    return found


def _check_number(name: str, value: Any, least: float, most: float, rule: str) -> None:
    real = isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
    if not (real and np.isfinite(value) and least <= value <= most):
        raise InputError(f"{name} = {value}", rule, f"choose e.g. {name}=0.5")


def _vector(w: "ArrayLike", groups: Sequence[Sequence[int]]) -> Any:
    at = np.asarray(w, dtype=np.float64)
    check_length(groups, at.shape[-1] if at.ndim else 0)
    return at
