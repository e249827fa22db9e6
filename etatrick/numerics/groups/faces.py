"""One Newton step on a face: the nonzero coordinates, where the penalty is smooth."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.groups.blocks import TINY, Blocks
from etatrick.numerics.groups.curvatures import WIDE
from etatrick.numerics.working_set.factors import positive_solve

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.groups.quadratic import Model

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

DIRECT = 250  # coordinates up to which to factorise
FURTHER, FINE = 500, 1e-3  # the same where a step so fine is asked for
DAMPING = 1e-10
CONJUGATE = 80
PART = 0.7  # of the columns: a smaller face is copied, so that the steps cost less


def face_step(
    model: "Model", w: "Floats", g: "Floats", excess: float, goal: float
) -> "tuple[Floats, Floats, float] | None":
    """Return Newton's step d on the face of w, Hd, and the slope along it; None where w = 0 or it does not descend.

    Parameters
    ----------
    model : Model
    w, g : ndarray, shape (m,)
        The point and Hw − c there.
    excess, goal : float
        Its violation and the one to reach: conjugate gradients are stopped in proportion to the root of the first,
        or at the second where one step may get there.
    """
    face = np.flatnonzero(w)
    if len(face) == 0:
        return None
    size = excess / max(float(np.abs(model.c).max()), excess)
    tol = min(0.03, 0.3 * size**0.5)
    if size * excess <= goal:
        tol = min(tol, 0.1 * goal / excess)
    force = -model.slope(w, g)[face]
    step = face_solve(model, w, face, force, tol, min(DIRECT if tol > FINE else FURTHER, model.H.direct))
    rate = -float(force @ step)
    if not (np.isfinite(rate) and rate < 0):
        return None
    d = np.zeros_like(w)
    d[face] = step
    return d, model.H.times(d), rate


def face_solve(model: "Model", w: "Floats", face: "Indices", force: "Floats", tol: float, direct: int) -> "Floats":
    """Return M⁻¹f for the Hessian M of the model on the face of w.

    Parameters
    ----------
    model : Model
    w : ndarray, shape (m,)
    face : ndarray of int, shape (f,)
        Where w ≠ 0.
    force : ndarray, shape (f,)
    tol : float
        Of conjugate gradients, relative.
    direct : int
        Up to so many coordinates M is factorised instead.
    """
    blocks, left = model.blocks.kept(w != 0)
    at = w[face]
    units = blocks.units(at)
    bend = np.where(blocks.sizes > 1, model.a[left] / np.maximum(blocks.lengths(at), TINY), 0.0)
    step = _factored(model, face, blocks, units, bend, force) if len(face) <= direct else None
    return _conjugate(model, face, blocks, units, bend, force, tol) if step is None else step


def _factored(
    model: "Model", face: "Indices", blocks: Blocks, units: "Floats", bend: "Floats", force: "Floats"
) -> "Floats | None":
    """Return the step from a factorisation; a singular matrix is damped once."""
    M = model.H.matrix(face)
    M.flat[:: len(face) + 1] += blocks.spread(bend)
    for index in blocks.alike:
        if index.shape[1] > 1:
            u = units[index]
            M[index[:, :, None], index[:, None, :]] -= bend[blocks.label[index[:, 0]], None, None] * (
                u[:, :, None] * u[:, None, :]
            )
    step = positive_solve(M.copy(), force)
    if step is None:
        M.flat[:: len(face) + 1] += DAMPING * float(M.diagonal().max())
        step = positive_solve(M, force)
    return step


def _conjugate(
    model: "Model", face: "Indices", blocks: Blocks, units: "Floats", bend: "Floats", force: "Floats", tol: float
) -> "Floats":
    """Return the step by conjugate gradients, preconditioned by the blocks of the Hessian."""
    spread = blocks.spread(bend)
    full, own = np.zeros(len(model.c)), model.H.on(face) if len(face) < PART * len(model.c) else None

    def times(d: "Floats") -> "Floats":
        full[face] = d
        product = model.H.times(full)[face] if own is None else own.times(d)
        return np.asarray(product + spread * (d - units * blocks.spread(blocks.sums(units * d))), dtype=np.float64)

    solve = _Inverses(model, face, blocks, units, bend)
    x, r = np.zeros_like(force), force.copy()
    z = solve(r)
    p, rz = z, float(r @ z)
    goal = tol * tol * rz
    for _ in range(CONJUGATE):
        Hp = times(p)
        curve = float(p @ Hp)
        if not curve > 0:
            break
        x = x + (rz / curve) * p
        r = r - (rz / curve) * Hp
        z = solve(r)
        fresh = float(r @ z)
        if fresh <= goal:
            break
        p, rz = z + (fresh / rz) * p, fresh
    return x


class _Inverses:
    """r ↦ the inverse of the diagonal blocks of the Hessian, times r."""

    def __init__(self, model: "Model", face: "Indices", blocks: Blocks, units: "Floats", bend: "Floats") -> None:
        self.parts: list[tuple[Indices, Floats]] = []
        self.diagonal = 1 / np.maximum(model.H.diagonal()[face] + blocks.spread(bend), TINY)
        for index in blocks.alike:
            size = index.shape[1]
            if not 1 < size <= WIDE:
                continue
            u = units[index]
            block = model.H.square(face[index])
            rate = bend[blocks.label[index[:, 0]]]
            block += rate[:, None, None] * (np.eye(size) - u[:, :, None] * u[:, None, :])
            damped = 1e-12 * np.trace(block, axis1=1, axis2=2)[:, None, None] * np.eye(size)
            self.parts.append((index, np.linalg.inv(block + damped)))

    def __call__(self, r: "Floats") -> "Floats":
        z = self.diagonal * r
        for index, inverse in self.parts:
            z[index] = np.matmul(inverse, r[index][:, :, None])[:, :, 0]
        return z
