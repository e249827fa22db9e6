"""The semismooth Newton augmented Lagrangian method for models whose curvature is singular, in terms of it alone."""

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.groups.faces import face_solve
from etatrick.numerics.groups.quadratic import Model, newton_rounds

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

OUTER, INNER = 40, 60
GROWTH = 6.0
PATIENCE = 6  # outer steps without progress before rounding is blamed
SMALL = 1e-6  # steps shorter than this no longer help
DIRECT = 2000  # coordinates of a face up to which its matrix is factorised
FINISH = 3  # rounds of the plain method that are tried after every outer step


def augmented_newton(model: Model, w: "Floats", excess: float, tol: float) -> "Floats":
    """Return a minimiser of the model for any H ⪰ 0, started from `w` with the violation `excess`.

    Each outer step is the proximal point step at w with ½‖· − w‖²/σ, solved in its dual by Newton's method with a
    line search (Li, Sun, Toh 2018; for groups Zhang, Zhang, Sun, Toh 2020); σ grows, so that the convergence is
    superlinear. With e = P − v, P the proximal map of σp at w + σ(c − Hv), the dual objective is ½vᵀHv + ‖P‖²/(2σ),
    its gradient −He, and its Newton step e − (H + I/σ + ∇²p)⁻¹He, the inverse taken on the face of P.

    Examples
    --------
    >>> from etatrick.numerics.groups.blocks import Blocks
    >>> from etatrick.numerics.groups.curvatures import Gram
    >>> model = Model(Gram(0.0, np.ones((2, 2))), np.ones(2), np.full(2, 0.5), None, Blocks(np.array([1, 1])))
    >>> augmented_newton(model, np.zeros(2), 0.5, 1e-12).sum().round(9)
    np.float64(0.5)
    """
    size = float(np.mean(model.H.diagonal())) or 1.0
    sigma, best, least, idle = 10.0 / size, w, excess, 0
    for _ in range(OUTER):
        before = least
        w = _proximal_point(model, w, sigma, tol)
        excess = model.excess(w, model.H.times(w) - model.c)
        finished, reached, _ = newton_rounds(model, w, tol, FINISH)
        for point, figure in ((w, excess), (finished, reached)):
            if figure < least:
                best, least = point, figure
        idle = 0 if least < 0.5 * before else idle + 1
        if least <= tol or sigma * size > 1e13 or idle >= PATIENCE:
            break
        sigma *= GROWTH
    return best


def _proximal_point(model: Model, w: "Floats", sigma: float, tol: float) -> "Floats":
    """Return the minimiser of the model plus ½‖· − w‖²/σ."""
    damped = replace(model, H=replace(model.H, ridge=model.H.ridge + 1 / sigma))
    t = None if model.t is None else sigma * model.t
    v, Hv = w, model.H.times(w)
    x = w + sigma * (model.c - Hv)
    P = model.blocks.shrunk(x, sigma * model.a, t)
    for _ in range(INNER):
        e = P - v
        He = model.H.times(e)
        if float(np.abs(He).max()) <= max(0.1 * tol, 1e-2 * float(np.abs(P - w).max()) / sigma):
            break
        step = e.copy()
        face = np.flatnonzero(P)
        if len(face):
            step[face] -= face_solve(damped, P, face, He[face], 1e-8, DIRECT)
        H_step = model.H.times(step)
        slope = float(e @ H_step)
        here, size = 0.5 * float(v @ Hv) + float(P @ P) / (2 * sigma), 1.0
        for _ in range(30):
            v_next, Hv_next = v + size * step, Hv + size * H_step
            x_next = x - (sigma * size) * H_step
            P_next = model.blocks.shrunk(x_next, sigma * model.a, t)
            value = 0.5 * float(v_next @ Hv_next) + float(P_next @ P_next) / (2 * sigma)
            if value <= here - 1e-4 * size * slope + 1e-15 * abs(here):
                break
            size /= 2
        if size < SMALL:
            break
        v, Hv, x, P = v_next, Hv_next, x_next, P_next
    return P
