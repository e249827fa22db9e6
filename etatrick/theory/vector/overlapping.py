"""Overlapping groups: scales that are sums of group scales, the latent group lasso, solved with a certificate."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, NamedTuple, final

import numpy as np

from etatrick.errors import InputError
from etatrick.theory.vector.arguments import theorem
from etatrick.theory.vector.base import Floats, VectorDuality, aligned
from etatrick.theory.vector.partition import as_groups, check_length

if TYPE_CHECKING:
    from numpy.typing import ArrayLike

    from etatrick.theory.verdict import Verdict

GAP = 1e-10
STEPS = 200
PATIENCE = 15
SMALLEST = 1e-100


class GroupScales(NamedTuple):
    """The scales z_g of the groups, Ω as reached by them, and a lower bound of Ω from a feasible dual vector."""

    scales: Floats
    value: float
    bound: float

    @property
    def gap(self) -> float:
        """How far Ω can lie below the value."""
        return self.value - self.bound


@final
@dataclass(frozen=True)
class Overlapping(VectorDuality):
    r"""The latent group lasso: the scale of a weight is the sum of the scales of its groups.

    .. math:: \Omega(w) = \tfrac12 \min_{z \ge 0} \Big[\sum_i \frac{w_i^2}{\sum_{g \ni i} z_g} + \sum_g c_g^2 z_g\Big]
              = \min_{\sum_g v_g = w} \sum_g c_g \lVert v_g \rVert
              = \max_{\lVert x_g \rVert \le c_g} w^{\mathsf T} x

    where v_g is zero outside g (Jacob, Obozinski, Vert 2009). With c_g² = |g|, the default, the charge is Σ η. The
    dual f(η) is the smallest charge of group scales whose sums reach η. Every value is certified: the two sides of
    the last equality differ by less than 1e-10 relatively (:meth:`solve` returns both).

    Parameters
    ----------
    groups : sequence of sequences of int
        Groups of the indices 0, …, d−1 that cover all of them.
    weights : sequence of float, optional
        Positive c_g, one per group; √|g| if not given.

    Raises
    ------
    InputError
        If the groups leave an index out, or a weight is not a positive number.
    ArithmeticError
        From the methods, if the gap is not closed.

    Examples
    --------
    >>> rule = Overlapping([[0, 1], [1, 2]])
    >>> rule.penalty_at([3.0, 4.0, 0.0]).round(9)
    np.float64(7.071067812)
    """

    groups: Sequence[Sequence[int]]
    weights: Sequence[float] = ()

    def __post_init__(self) -> None:
        object.__setattr__(self, "groups", as_groups(self.groups))
        given = tuple(float(c) for c in self.weights) or tuple(float(np.sqrt(len(g))) for g in self.groups)
        if len(given) != len(self.groups) or not all(np.isfinite(c) and c > 0 for c in given):
            rule = f"the rule is one positive number for each of the {len(self.groups)} groups"
            raise InputError(f"weights = {self.weights}", rule, "leave them out for √|g|")
        object.__setattr__(self, "weights", given)

    @property
    def conditions(self) -> "Mapping[str, Verdict]":
        """Verdicts by name; see :class:`VectorDuality`."""
        jointly = "w²/η + charge is jointly convex in w and z, and so is its minimum over z ≥ 0"
        bound = "Ω(v) = max vᵀx over ‖x_g‖ ≤ c_g, a set with 0 in its interior"
        return {
            "subquadratic": theorem("minimum of nondecreasing linear functions", "one per z ≥ 0"),
            "convex": theorem("partial minimisation of a jointly convex function", jointly),
            "homogeneous": theorem("scaling of a cone", "(tw, tz) scales the energy by t: degree 1"),
            "exact_zeros": theorem("support function", bound),
        }

    def latex(self) -> str:
        """Return Ω, η̂ and f in LaTeX."""
        return aligned(
            r"\min\{\textstyle\sum_g c_g\lVert v_g\rVert : \sum_g v_g = w,\ \operatorname{supp} v_g\subseteq g\}",
            r"\textstyle\sum_{g\ni i} \hat z_g",
            r"\min\{\textstyle\sum_g c_g^2 z_g : z\ge0,\ \sum_{g\ni i} z_g\ge\eta_i\}",
        )

    def solve(self, w: "ArrayLike") -> GroupScales:
        """Return the best group scales for one vector of weights, with a lower bound that certifies them."""
        row = self._weights(w)
        if row.ndim != 1:
            raise InputError(f"w of shape {row.shape}", "one vector is solved at a time", "pass one row")
        unit = float(np.abs(row).max(initial=0.0))
        if unit == 0:
            return GroupScales(np.zeros(len(self.groups)), 0.0, 0.0)
        found = _solve(np.abs(row) / unit, self._members, np.array(self.weights) ** 2)
        return GroupScales(found.scales * unit, found.value * unit, found.bound * unit)

    @property
    def _members(self) -> Floats:
        """The membership matrix, shape (d, number of groups)."""
        members = np.zeros((1 + max(max(g) for g in self.groups), len(self.groups)))
        for column, group in enumerate(self.groups):
            members[list(group), column] = 1.0
        return members

    def _check_shape(self, shape: tuple[int, ...]) -> None:
        check_length(self.groups, shape[0])

    def _certified(self, row: Floats) -> GroupScales:
        found = self.solve(row)
        if not found.gap <= GAP * found.value:
            raise ArithmeticError(f"Ω lies between {found.bound:.17g} and {found.value:.17g}: the gap was not closed")
        return found

    def _penalty(self, w: Floats) -> Floats:
        return np.array([self._certified(row).value for row in w], dtype=np.float64)

    def _eta_hat(self, w: Floats) -> Floats:
        return np.array([self._members @ self._certified(row).scales for row in w]).reshape(w.shape)

    def _dual(self, eta: Floats) -> Floats:
        charges = np.array(self.weights) ** 2
        return np.array([_cheapest_cover(row, self._members, charges) for row in eta], dtype=np.float64)


def _solve(size: Floats, members: Floats, charges: Floats) -> GroupScales:
    """Minimise ½[Σ size²/(Az) + cᵀz] over z ≥ 0 by a primal-dual interior-point method; max size is 1."""
    u, A = size[size > 0] ** 2, members[size > 0]
    z = np.sqrt(np.maximum(A.T @ u, 1e-300) / charges) + 1e-3
    s = charges / 2
    best, idle = _certificate(z, size, members, charges), 0
    for _ in range(STEPS):
        eta = A @ z
        slope = (charges - A.T @ (u / eta**2)) / 2
        target = 0.1 * float(z @ s) / z.size * min(1.0, float(np.abs(slope - s).max()) + 0.1)
        curve = (A.T * (u / eta**3)) @ A + np.diag(s / z)
        unit = 1 / np.sqrt(np.diag(curve))  # to a unit diagonal: the scales differ by many orders of magnitude
        step = unit * np.linalg.lstsq(unit * curve * unit[:, None], unit * (target / z - slope), rcond=1e-15)[0]
        dual = target / z - s - s / z * step
        length = min(1.0, 0.99 * _reach(z, step), 0.99 * _reach(s, dual))
        z, s = np.maximum(z + length * step, SMALLEST), np.maximum(s + length * dual, SMALLEST)
        found = _certificate(z, size, members, charges)
        idle = 0 if found.gap < best.gap else idle + 1
        best = min(best, found, key=lambda f: f.gap)
        if best.gap <= 1e-15 * best.value or idle > PATIENCE:
            break
    return best


def _reach(x: Floats, step: Floats) -> float:
    """Return how far one can go from x > 0 before an entry becomes 0."""
    falling = step < 0
    return float((-x[falling] / step[falling]).min(initial=np.inf))


def _certificate(z: Floats, size: Floats, members: Floats, charges: Floats) -> GroupScales:
    """Return the value at z, rescaled as is best, and wᵀx for x = w/η made feasible: ‖x_g‖ ≤ c_g."""
    eta = members @ z
    active = size > 0
    x = np.where(active, size / np.where(active, eta, 1.0), 0.0)
    quadratic, linear = float(size @ x), float(charges @ z)
    excess = np.sqrt((members.T @ x**2) / charges)
    # each weight is divided by the largest excess of its groups; where nothing exceeds, all may grow
    shrink = np.maximum((members * excess).max(axis=1), min(1.0, float(excess.max())))
    return GroupScales(z * np.sqrt(quadratic / linear), float(np.sqrt(quadratic * linear)), float(size @ (x / shrink)))


def _cheapest_cover(eta: Floats, members: Floats, charges: Floats) -> float:
    """Return min cᵀz over z ≥ 0 with Az ≥ η: a linear programme."""
    from scipy.optimize import linprog

    unit = float(eta.max(initial=0.0))
    if unit == 0 or np.isinf(unit):
        return unit
    found = linprog(charges, A_ub=-members, b_ub=-eta / unit, method="highs")
    if not found.success:
        raise ArithmeticError(f"the linear programme of the dual was not solved: {found.message}")
    return float(found.fun * unit)
