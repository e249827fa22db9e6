"""Squared k-support norms: scales between 0 and 1 under a common budget, for weights, ranks and groups."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import flat_start, theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned, lengths, numbers, ratio, total
from etatrick.theory.vector.partition import as_groups, check_disjoint, check_length

if TYPE_CHECKING:
    from etatrick.theory.verdict import Verdict

SLACK: Final = 1e-12


@final
@dataclass(frozen=True)
class KSupport(VectorDuality):
    r"""Half the squared k-support norm: no scale above 1, and k in all.

    .. math:: \Omega(w) = \tfrac12 \min_{0\le\eta\le1,\ \sum\eta\le k} \sum_i w_i^2/\eta_i = \tfrac12\lVert w\rVert_k^2,
              \qquad \hat\eta_i(w) = \min(1, |w_i|/c), \qquad
              f(\eta) = \begin{cases} 0 & \eta\le1,\ \sum\eta\le k \\ \infty & \text{else} \end{cases}

    (Argyriou, Foygel, Srebro 2012.) k = 1 gives ½‖w‖₁², k = d gives ½‖w‖₂². With retain probabilities θ under the
    budget Σθ ≤ k, dropout of the inputs costs Σw²(1−θ)/θ = ‖w‖_k² − ‖w‖₂² at best: the optimal θ is η̂.

    Parameters
    ----------
    k : float
        The budget, k ≥ 1; need not be an integer.

    Raises
    ------
    InputError
        If k is no finite number ≥ 1, or exceeds the length of the vectors.

    Examples
    --------
    >>> from etatrick.theory.vector.k_support import KSupport
    >>> [round(float(KSupport(k).penalty_at([3.0, -4.0, 0.0])), 9) for k in (1, 2)]
    [24.5, 12.5]
    >>> KSupport(2).eta_hat_at([4.0, -1.0, 1.0]).tolist()
    [1.0, 0.5, 0.5]
    """

    k: float

    def __post_init__(self) -> None:
        _check_budget(self.k)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        return _conditions(self, np.eye(math.ceil(self.k))[0])

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return _latex(r"\sum_i w_i^2/\eta_i", r"\min(1, |w_i|/c),\quad \textstyle\sum\hat\eta_i\le " + f"{self.k:g}",
                      rf"\eta\le1,\ \textstyle\sum\eta_i\le {self.k:g}")  # fmt: skip

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        _check_room(self.k, shape[0], "weights")

    def _penalty(self, w: Floats) -> Floats:
        return total(ratio(w, self._eta_hat(w))) / 2

    def _eta_hat(self, w: Floats) -> Floats:
        return _scales(np.abs(w), _capped(self.k, w.shape[1]))

    def _dual(self, eta: Floats) -> Floats:
        return _indicator(eta, _capped(self.k, eta.shape[1]))


@final
@dataclass(frozen=True)
class RankWeights(VectorDuality):
    r"""Half the squared norm with ordered weights ω: the j largest scales share the budget ω_1 + … + ω_j.

    .. math:: \Omega(w) = \tfrac12 \min_{\eta\in P(\omega)} \sum_i w_i^2/\eta_i, \qquad
              P(\omega) = \{\eta\ge0 : \eta_{(1)}+\dots+\eta_{(j)} \le \omega_1+\dots+\omega_j \ \forall j\}, \qquad
              \hat\eta_i(w) = |w_i| \sum_B\omega \Big/ \sum_B|w| \ (i\in B)

    over blocks B of neighbouring ranks of |w|, pooled until ω_i/|w|_(i) does not decrease; f is the indicator of
    P(ω). The conjugate is ½Σω_j|z|²_(j). ω = (1, …, 1, 0, …) gives :class:`KSupport`.

    Parameters
    ----------
    omega : sequence of float
        ω_1 ≥ ω_2 ≥ … ≥ ω_d ≥ 0, finite, not all 0: one per weight.

    Raises
    ------
    InputError
        If the ω are no such numbers, or the vectors have another length.

    Examples
    --------
    >>> from etatrick.theory.vector.k_support import RankWeights
    >>> RankWeights((2.0, 1.0, 1.0)).eta_hat_at([3.0, -4.0, 1.0]).round(4).tolist()
    [1.2857, 1.7143, 1.0]
    """

    omega: Sequence[float]

    def __post_init__(self) -> None:
        found = numbers(self.omega, "omega")
        fine = found.ndim == 1 and found.size > 0 and np.isfinite(found).all()
        if not (fine and (np.diff(found) <= 0).all() and found[-1] >= 0 and found[0] > 0):
            rule = "omega holds finite numbers ω_1 ≥ ω_2 ≥ … ≥ 0 that are not all 0"
            raise InputError(f"omega = {self.omega}", rule, "pass e.g. (2.0, 1.0, 0.0)")
        object.__setattr__(self, "omega", tuple(found.tolist()))

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        return _conditions(self, np.eye(len(self.omega))[0])

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        inside = r"\eta_{(1)}+\dots+\eta_{(j)}\le\omega_1+\dots+\omega_j\ \forall j"
        return _latex(r"\sum_i w_i^2/\eta_i", r"|w_i|\,\textstyle\sum_B\omega\big/\sum_B|w|\ (i\in B)", inside)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        if shape[0] != len(self.omega):
            given = f"vectors of length {shape[0]}"
            raise InputError(given, f"omega has {len(self.omega)} numbers", "pass one per weight")

    def _penalty(self, w: Floats) -> Floats:
        return total(ratio(w, self._eta_hat(w))) / 2

    def _eta_hat(self, w: Floats) -> Floats:
        return _scales(np.abs(w), np.asarray(self.omega))

    def _dual(self, eta: Floats) -> Floats:
        return _indicator(eta, np.asarray(self.omega))


@final
@dataclass(frozen=True)
class GroupKSupport(VectorDuality):
    r"""Half the squared k-support norm of the lengths of disjoint groups: whole groups share a scale.

    .. math:: \Omega(w) = \tfrac12 \min_{0\le\eta\le1,\ \sum_g\eta_g\le k} \sum_g \lVert w_g\rVert^2/\eta_g, \qquad
              \hat\eta_i(w) = \min(1, \lVert w_g\rVert/c) \ (i\in g)

    f(η) is 0 where the largest scales of the groups are at most 1 and sum to k at most, and ∞ elsewhere. k = 1 gives
    half the square of the group lasso.

    Parameters
    ----------
    groups : sequence of sequences of int
        A partition of the indices 0, …, d−1.
    k : float
        The budget, 1 ≤ k ≤ number of groups.

    Raises
    ------
    InputError
        If the groups overlap or leave a gap, or k is out of range.

    Examples
    --------
    >>> from etatrick.theory.vector.k_support import GroupKSupport
    >>> GroupKSupport([[0, 1], [2]], k=1).eta_hat_at([3.0, 4.0, 15.0]).tolist()
    [0.25, 0.25, 0.75]
    """

    groups: Sequence[Sequence[int]]
    k: float

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", as_groups(self.groups))
        check_disjoint(self.groups)
        _check_budget(self.k)
        _check_room(self.k, len(self.groups), "groups")

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        return _conditions(self, np.eye(1 + max(max(group) for group in self.groups))[0])

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        inside = rf"\max_{{i\in g}}\eta_i\le1,\ \textstyle\sum_g\max_{{i\in g}}\eta_i\le {self.k:g}"
        return _latex(r"\sum_g \lVert w_g\rVert^2/\eta_g", r"\min(1, \lVert w_g\rVert/c)\ (i\in g)", inside)

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        check_length(self.groups, shape[0])

    def _penalty(self, w: Floats) -> Floats:
        return total(ratio(w, self._eta_hat(w))) / 2

    def _eta_hat(self, w: Floats) -> Floats:
        norms = np.stack([lengths(w[:, list(group)]) for group in self.groups], axis=1)
        shared, found = _scales(norms, _capped(self.k, len(self.groups))), np.empty_like(w)
        for column, group in enumerate(self.groups):
            found[:, list(group)] = shared[:, [column]]
        return found

    def _dual(self, eta: Floats) -> Floats:
        largest = np.stack([eta[:, list(group)].max(axis=1) for group in self.groups], axis=1)
        return _indicator(largest, _capped(self.k, len(self.groups)))


def _check_budget(k: Any) -> None:
    real = isinstance(k, int | float | np.integer | np.floating) and not isinstance(k, bool)
    if not (real and np.isfinite(k) and k >= 1):
        raise InputError(f"k = {k}", "k is the budget of scales, a finite number ≥ 1", "choose e.g. k=2")


def _check_room(k: float, count: int, things: str) -> None:
    if k > count:
        raise InputError(f"k = {k}", f"there are only {count} {things}", f"choose k ≤ {count}")


def _capped(k: float, length: int) -> Floats:
    """Return the ordered weights (1, …, 1, fraction, 0, …) with sum k."""
    return np.clip(k - np.arange(length), 0.0, 1.0)


def _scales(size: Floats, omega: Floats) -> Floats:
    """Return the scales of each row by pooling ranks until the means Σ|w|/Σω of the blocks decrease."""
    found = np.zeros_like(size)
    for row, out in zip(size, found, strict=True):
        order = np.argsort(-row, kind="stable")[: np.count_nonzero(row)]
        blocks: list[tuple[float, float, int]] = []
        for value, weight in zip(row[order].tolist(), omega.tolist(), strict=False):
            mass, room, count = value, weight, 1
            while blocks and blocks[-1][0] * room < mass * blocks[-1][1]:
                before, space, length = blocks.pop()
                mass, room, count = before + mass, space + room, length + count
            blocks.append((mass, room, count))
        shares = [room / mass for mass, room, count in blocks for _ in range(count)]
        out[order] = row[order] * np.array(shares)
    return found


def _indicator(eta: Floats, omega: Floats) -> Floats:
    """Return 0 where the sums of the j largest scales stay within those of ω for all j, and ∞ elsewhere."""
    sums, room = np.cumsum(-np.sort(-eta, axis=1), axis=1), np.cumsum(omega)
    return np.where((sums <= room * (1 + SLACK)).all(axis=1), 0.0, np.inf)


def _conditions(duality: VectorDuality, axis: Floats) -> "Mapping[str, Verdict]":
    jointly = "w²/η is jointly convex, and so is its minimum over a convex set of scales"
    return {
        "subquadratic": theorem("minimum of nondecreasing linear functions", "½Σu/η, one per η in the set"),
        "convex": theorem("partial minimisation of a jointly convex function", jointly),
        "homogeneous": theorem("scaling", "Σw²/η at fixed η has degree 2, and so has its minimum"),
        "exact_zeros": flat_start(duality, axis),
    }


def _latex(quadratic: str, scale: str, inside: str) -> str:
    return aligned(r"\tfrac12\min_\eta\big[" + quadratic + r"\big]\ \text{ with } f(\eta)=0", scale,
                   rf"\begin{{cases}}0 & {inside} \\ \infty & \text{{else}}\end{{cases}}")  # fmt: skip


__all__ = ["GroupKSupport", "KSupport", "RankWeights"]
