"""A group penalty as the engine sees it: value, slopes, violations, convex majorants and the dual norm."""

from dataclasses import dataclass, replace
from itertools import chain
from typing import TYPE_CHECKING, Any, Final, NamedTuple, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.groups.blocks import TINY, Blocks, dual_scale, softened
from etatrick.numerics.groups.penalties import NonconvexSparseGroups, SparseGroupLasso
from etatrick.numerics.working_set.curve import Affine, Curve, read_curve
from etatrick.theory.vector.difference import L1MinusL2
from etatrick.theory.vector.groups import Groups

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

IDENTITY: Final = Affine.of(1.0, 0.0)
HELD: Final = 1e60  # an infinite slope at 0, as a number that holds everything at 0


class Tangent(NamedTuple):
    """The convex majorant Σ a‖w_g‖ + Σ t|w_j| + ½ρ‖w‖² − qᵀw, up to a constant."""

    a: "Floats"
    t: "Floats | None"
    ridge: float
    q: "Floats | None"


@final
@dataclass(frozen=True, eq=False)
class Charge:
    """λ[Σ c_g φ(‖w_g‖) + Σ κ ψ(|w_j|) + ½ρ‖w‖² − α‖w‖] with φ and ψ the identity or concave.

    Parameters
    ----------
    blocks : Blocks
        The groups, one after the other.
    c : ndarray, shape (G,)
    among, within : Curve
        φ and ψ.
    kappa, ridge, alpha, lam : float
    """

    blocks: Blocks
    c: "Floats"
    among: Curve
    kappa: float
    within: Curve
    ridge: float
    alpha: float
    lam: float

    @property
    def convex(self) -> bool:
        """Whether the charge is convex."""
        return self.among.convex and (self.within.convex or self.kappa == 0) and self.alpha == 0

    @property
    def locking(self) -> bool:
        """Whether an infinite slope holds every zero of some kind."""
        return not (np.isfinite(self.among.start) and np.isfinite(self.within.start))

    @property
    def level(self) -> float:
        """The gradient that λΩ balances, roughly: λ times its slope at 0."""
        return self.lam * min(float((self.c * min(self.among.start, 1.0)).min()) + self.kappa, HELD)

    def on(self, groups: "Indices") -> "Charge":
        """Return the charge of some of the groups alone."""
        return replace(self, blocks=Blocks(self.blocks.sizes[groups]), c=self.c[groups])

    def at(self, lam: float) -> "Charge":
        """Return the charge at another λ."""
        return replace(self, lam=lam)

    def value(self, w: "Floats") -> float:
        """Return λΩ(w)."""
        if self.lam == 0 or not w.any():
            return 0.0
        total = float(self.c @ self.among.value(self.blocks.lengths(w))) + 0.5 * self.ridge * float(w @ w)
        if self.kappa > 0:
            total += self.kappa * float(self.within.value(w[w != 0]).sum())
        if self.alpha > 0:
            total -= self.alpha * float(np.linalg.norm(w))
        return self.lam * total

    def tangent(self, w: "Floats", pull: "Floats") -> Tangent:
        """Return the majorant that touches λΩ at w; `pull`, minus the gradient there, decides where it is free."""
        a = np.minimum(self.lam * self.c * self.among.slope(self.blocks.lengths(w)), HELD)
        t = None
        if self.kappa > 0:
            t = np.minimum(self.lam * self.kappa * self.within.slope(w), HELD)
        q = None
        if self.alpha > 0:
            unit = w / max(float(np.linalg.norm(w)), TINY)
            if not w.any():
                j = int(np.abs(pull).argmax())
                unit[j] = np.sign(pull[j])
            q = self.lam * self.alpha * unit
        return Tangent(a, t, self.lam * self.ridge, q)

    def slope(self, w: "Floats") -> "Floats":
        """Return the gradient of λΩ in the nonzero coordinates, 0 in the others."""
        lengths = self.blocks.lengths(w)
        radial = np.where(lengths > 0, self.c * self.among.slope(np.where(lengths > 0, lengths, 1.0)), 0.0)
        found = self.blocks.spread(radial / np.maximum(lengths, TINY)) * w + self.ridge * w
        on = w != 0
        if self.kappa > 0:
            found[on] += self.kappa * self.within.slope(w[on]) * np.sign(w[on])
        if self.alpha > 0:
            found -= self.alpha * w / max(float(np.linalg.norm(w)), TINY)
        return self.lam * found

    def hessian(self, w: "Floats", face: "Indices") -> "Floats":
        """Return the Hessian of λΩ in the coordinates `face`, all of them nonzero, the others held at 0."""
        at = w[face]
        blocks, left = self.blocks.kept(w != 0)
        lengths, units = blocks.lengths(at), blocks.units(at)
        turn = self.c[left] * self.among.slope(lengths) / lengths
        radial = self.c[left] * self.among.bend(lengths) - turn
        H = np.diag(blocks.spread(turn) + self.ridge)
        if self.kappa > 0:
            H.flat[:: len(face) + 1] += self.kappa * self.within.bend(at)
        for start, size, rate in zip(blocks.starts, blocks.sizes, radial, strict=True):
            own = slice(start, start + size)
            H[own, own] += rate * np.outer(units[own], units[own])
        if self.alpha > 0:
            length = float(np.linalg.norm(at))
            H -= self.alpha / length * (np.eye(len(face)) - np.outer(at, at) / length**2)
        return self.lam * H

    def holding(self, w: "Floats") -> "tuple[Floats, float]":
        """Return what holds a group at 0 and, beside it, a coordinate: λcφ′(0+) and λκψ′(0+)."""
        a = np.minimum(self.lam * self.c * self.among.start, HELD)
        t = min(self.lam * self.kappa * self.within.start, HELD) if self.kappa > 0 else 0.0
        return a, t - (0.0 if self.alpha == 0 or w.any() else self.lam * self.alpha)

    def excess(self, w: "Floats", pull: "Floats") -> "Floats":
        """Return the violation of stationarity per group, where `pull` is minus the gradient of the data term."""
        a, t = self.holding(w)
        over = softened(pull, np.full_like(pull, t)) if t > 0 else pull
        lengths = self.blocks.lengths(over)
        found = np.maximum(lengths - a, 0.0)
        groups = np.flatnonzero(self.blocks.lengths(w))
        if len(groups) == 0:
            return found
        index, part = self.blocks.members(groups), self.on(groups)
        own = w[index]
        inside = np.abs(pull[index] - part.slope(own))
        found[groups] = part.blocks.most(np.where(own != 0, inside, np.abs(over[index])))
        return found

    def dual_norm(self, z: "Floats") -> float:
        """Return the least s ≥ 0 with z/s in the subdifferential of λΩ at 0, for ρ = 0 exactly (by sorting)."""
        a, t = self.holding(np.ones(1))
        s = 0.0
        for _ in range(len(a) + 1):
            over = softened(z, np.full_like(z, s * t)) if t > 0 else z
            excess = self.blocks.lengths(over) - s * a
            g = int(excess.argmax())
            if s > 0 and excess[g] <= 1e-15 * s * a[g]:
                break
            own = slice(self.blocks.starts[g], self.blocks.starts[g] + self.blocks.sizes[g])
            fresh = dual_scale(z[own], float(a[g]), np.full(int(self.blocks.sizes[g]), t))
            if not fresh > s:
                break
            s = fresh
        return s

    def conjugate(self, z: "Floats") -> float:
        """Return the conjugate of λΩ for ρ > 0: Σ (‖S(z_g, t)‖ − a)₊²/(2λρ)."""
        a, t = self.holding(np.ones(1))
        over = softened(z, np.full_like(z, t)) if t > 0 else z
        return 0.5 * float((np.maximum(self.blocks.lengths(over) - a, 0.0) ** 2).sum()) / (self.lam * self.ridge)


def read_charge(penalty: Any, d: int) -> "tuple[Charge, Indices]":
    """Return the charge of a penalty at λ = 1, and the columns in its order.

    Raises
    ------
    InputError
        If it is no penalty on groups, does not fit d columns, or holds no group at 0.
    """
    if isinstance(penalty, L1MinusL2):
        blocks = Blocks(np.ones(d, dtype=np.intp))
        return Charge(blocks, np.zeros(d), IDENTITY, 1.0, IDENTITY, 0.0, float(penalty.a), 1.0), np.arange(d)
    if not isinstance(penalty, SparseGroupLasso | NonconvexSparseGroups | Groups):
        raise InputError(f"penalty of type {type(penalty).__name__}", "is none on groups",
                         "use SparseGroupLasso, NonconvexSparseGroups, Groups or L1MinusL2")  # fmt: skip
    order = np.fromiter(chain.from_iterable(penalty.groups), dtype=np.intp)
    if len(order) != d:
        raise InputError(f"X with {d} columns", f"the groups are of {len(order)} indices", "give every column a group")
    blocks = Blocks(np.array([len(group) for group in penalty.groups], dtype=np.intp))
    ones = np.ones(len(blocks.sizes))
    if isinstance(penalty, SparseGroupLasso):
        c = (1 - penalty.tau) * np.array(penalty.weights)
        return Charge(blocks, c, IDENTITY, float(penalty.tau), IDENTITY, float(penalty.ridge), 0.0, 1.0), order
    curve = _concave(penalty.duality)
    if isinstance(penalty, NonconvexSparseGroups):
        within, ridge = _split(curve)
        return Charge(blocks, np.array(penalty.weights), IDENTITY, 1.0, within, ridge, 0.0, 1.0), order
    among, ridge = _split(curve)
    return Charge(blocks, ones, among, 0.0, IDENTITY, ridge, 0.0, 1.0), order


def _concave(duality: Any) -> Curve:
    curve = read_curve(duality)
    formula = str(getattr(duality, "penalty", duality))
    if curve.start == 0:
        raise InputError(formula, "has slope 0 at 0: it holds no group at 0, and is smooth",
                         "use solve, or a penalty with a kink")  # fmt: skip
    if curve.convex and not isinstance(curve, Affine):
        raise InputError(formula, "is convex and not a + bw in slope, which has no concave majorant",
                         "use l1, elastic_net or a concave penalty")  # fmt: skip
    return curve


def _split(curve: Curve) -> tuple[Curve, float]:
    """Return the penalty without its quadratic part, and that part's factor."""
    if isinstance(curve, Affine):
        return Affine.of(curve.start, 0.0), curve.rate
    return curve, 0.0
