"""The inner problem min ½wᵀHw − cᵀw + Σ a_g‖w_g‖ + Σ t_j|w_j|: proximal and Newton steps in turn."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.numerics.groups.blocks import Blocks, softened
from etatrick.numerics.groups.curvatures import Curvature
from etatrick.numerics.groups.faces import face_step

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

ROUNDS = 25
STEPS = 12  # proximal steps between two Newton steps, at most
SETTLED = 2  # of them that change no group's being 0 or not are enough
PATIENCE = 5  # rounds without a smaller violation before rounding is blamed
HALVINGS = 30
ROUNDING = 1e-14


@final
@dataclass(frozen=True, eq=False)
class Model:
    """½wᵀHw − cᵀw + Σ a_g‖w_g‖ + Σ t_j|w_j|.

    Parameters
    ----------
    H : Curvature
    c : ndarray, shape (m,)
    a : ndarray, shape (G,)
        ≥ 0.
    t : ndarray, shape (m,), or None for 0
        ≥ 0.
    blocks : Blocks
    """

    H: Curvature
    c: "Floats"
    a: "Floats"
    t: "Floats | None"
    blocks: Blocks

    def charge(self, w: "Floats") -> float:
        """Return Σ a‖w_g‖ + Σ t|w|."""
        total = float(self.a @ self.blocks.lengths(w))
        return total if self.t is None else total + float(self.t @ np.abs(w))

    def value(self, w: "Floats", Hw: "Floats") -> float:
        """Return the model at w."""
        return float(w @ (0.5 * Hw - self.c)) + self.charge(w)

    def slope(self, w: "Floats", g: "Floats") -> "Floats":
        """Return the gradient along the face of w, where `g` = Hw − c."""
        found = g + self.blocks.spread(self.a) * self.blocks.units(w)
        return found if self.t is None else found + self.t * np.sign(w)

    def excess(self, w: "Floats", g: "Floats") -> float:
        """Return the largest violation of stationarity: of the face, its zeros, and the groups at 0."""
        zero = w == 0
        inside = np.where(zero, 0.0, self.slope(w, g))
        resting = np.where(zero, g if self.t is None else softened(g, self.t), 0.0)
        off = self.blocks.lengths(w) == 0
        pulled = self.blocks.lengths(resting)
        outer = float((pulled - self.a)[off].max(initial=0.0))
        if self.t is not None:
            inside = np.where(zero & ~off[self.blocks.label], resting, inside)
        return max(outer, float(np.abs(inside).max(initial=0.0)))


def block_quadratic(model: Model, w: "Floats", tol: float) -> "Floats":
    """Return the minimiser of the model, started from `w`, to a violation of at most `tol` or as rounding allows.

    Every round takes proximal gradient steps of Barzilai and Borwein's length, safeguarded so that each descends, and
    one Newton step on the face they lead to; the Hessian of a‖w_g‖ is a(I − uuᵀ)/‖w_g‖ with u = w_g/‖w_g‖.

    Examples
    --------
    >>> from etatrick.numerics.groups.curvatures import Gram
    >>> model = Model(Gram(0.0, np.eye(3)), np.array([3.0, 4.0, 0.5]), np.ones(2), None, Blocks(np.array([2, 1])))
    >>> block_quadratic(model, np.zeros(3), 1e-14).round(12)
    array([2.4, 3.2, 0. ])
    """
    if len(w) == 0:
        return w
    found, excess, ended = newton_rounds(model, w, tol, ROUNDS)
    if ended:
        return found
    from etatrick.numerics.groups.augmented import augmented_newton  # it takes rounds of this method in turn

    return augmented_newton(model, found, excess, tol)


def newton_rounds(model: Model, w: "Floats", tol: float, rounds: int) -> "tuple[Floats, float, bool]":
    """Return the best point of so many rounds, its violation, and whether that is small or rounding."""
    H, c = model.H, model.c
    Hw = H.times(w) if w.any() else np.zeros_like(w)
    length = 0.5 / max(float(H.diagonal().max()), 1e-300)
    rounding = ROUNDING * float(np.abs(c).max())
    best, least, idle = w, model.excess(w, Hw - c), 0
    for _ in range(rounds):
        if least <= max(tol, rounding if idle > 1 else 0.0) or idle > PATIENCE:
            break
        w, Hw, length = _descend(model, w, Hw, length)
        excess = model.excess(w, Hw - c)
        moved = face_step(model, w, Hw - c, excess, tol) if excess > tol else None
        there = None if moved is None else _search(model, w, Hw, *moved)
        if there is not None:
            w, Hw = there
            excess = model.excess(w, Hw - c)
        idle = 0 if excess < 0.5 * least else idle + 1
        if excess < least:
            best, least = w, excess
    return best, least, least <= max(tol, rounding)


def _descend(model: Model, w: "Floats", Hw: "Floats", length: float) -> "tuple[Floats, Floats, float]":
    """Take proximal steps; each is shortened until its quadratic bound holds, so that the model falls."""
    settled = 0
    for _ in range(STEPS):
        t = None if model.t is None else length * model.t
        p = model.blocks.shrunk(w - length * (Hw - model.c), length * model.a, t)
        d = p - w
        size = float(d @ d)
        if size == 0:
            break
        Hd = model.H.times(d)
        bend = float(d @ Hd)
        if bend * length > size * (1 + 1e-9):
            length = 0.9 * size / bend
            continue
        same = bool(((p != 0) == (w != 0)).all())
        w, Hw = p, Hw + Hd
        length = min(size / bend, 8 * length) if bend > 0 else 8 * length
        settled = settled + 1 if same else 0
        if settled >= SETTLED:
            break
    return w, Hw, length


def _search(
    model: Model, w: "Floats", Hw: "Floats", d: "Floats", Hd: "Floats", rate: float
) -> "tuple[Floats, Floats] | None":
    """Return the first of the halved steps that descends, None if none does; what turns is tried at 0 before."""
    here = model.value(w, Hw)
    slack = 2e-15 * (abs(here) + float(np.abs(w) @ np.abs(model.c)))
    ahead = w + d
    turned = (model.blocks.sums(w * ahead) <= 0)[model.blocks.label]
    if model.t is not None:
        turned = turned | (w * ahead < 0)
    if bool((turned & (w != 0)).any()):
        cut = np.where(turned, 0.0, ahead)
        H_cut = model.H.times(cut)
        if model.value(cut, H_cut) <= here + 1e-4 * rate + slack:
            return cut, H_cut
    size = 1.0
    for _ in range(HALVINGS):
        there, H_there = w + size * d, Hw + size * Hd
        if model.value(there, H_there) <= here + 1e-4 * size * rate + slack:
            return there, H_there
        size /= 2
    return None
