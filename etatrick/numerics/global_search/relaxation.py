"""Convex relaxations of many nodes at once: coordinate descent on the envelopes, and the bound of any point."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Final, final

import numpy as np

from etatrick.numerics.global_search.quadratic import UNIT, Quadratic
from etatrick.numerics.global_search.scalar import scalar_minimum
from etatrick.numerics.global_search.shape import Shape
from etatrick.numerics.global_search.sides import Segments, segments

if TYPE_CHECKING:
    from numpy.typing import NDArray

NEWTON_EVERY: Final = 6
SIGNS: Final = np.array([1.0, 1.0, 1.0, -1.0, -1.0, -1.0])


@final
@dataclass(frozen=True, eq=False)
class Boxes:
    """Boxes of nodes: intervals, and which coordinates are confined to where Ω is flat; arrays of shape (B, d)."""

    low: "NDArray[np.float64]"
    high: "NDArray[np.float64]"
    large: "NDArray[np.bool_]"

    @property
    def gone(self) -> "NDArray[np.bool_]":
        """Coordinates that are fixed at zero."""
        found: NDArray[np.bool_] = (self.low == 0) & (self.high == 0)
        return found

    def take(self, rows: "NDArray[np.int64] | NDArray[np.bool_]") -> "Boxes":
        """Return some of the boxes."""
        return Boxes(self.low[rows], self.high[rows], self.large[rows])


@final
@dataclass(frozen=True, eq=False)
class Bound:
    """Lower bounds of nodes, the rounding error they may have, and each coordinate's share of the gap."""

    value: "NDArray[np.float64]"
    error: "NDArray[np.float64]"
    gaps: "NDArray[np.float64]"


def bounds(
    data: Quadratic,
    shape: Shape,
    lam: float,
    boxes: Boxes,
    delta: "NDArray[np.float64]",
    point: "NDArray[np.float64]",
) -> Bound:
    r"""Return lower bounds of the objective over boxes, valid at any `point` when G − diag δ is positive semidefinite.

    With Q = G − diag δ and z = b − Qp, ½wᵀQw ≥ pᵀQw − ½pᵀQp gives
    :math:`F(w) ≥ ½c − ½pᵀQp + Σ_j \min_t [½δ_j t² − z_j t + λΩ(|t|)]`, each minimum over the coordinate's interval.
    Coordinates with δ = +∞, which must be fixed at zero, drop out. The gap at `point`
    is the sum of the coordinates' own gaps. Where the price of the large coordinates alone is a better bound, the loss
    being nonnegative, it is returned.
    """
    keep = np.isfinite(delta)
    p, d = np.where(keep, point, 0.0), np.where(keep, delta, 0.0)
    product = p @ data.gram
    z = np.where(keep, data.linear - product + d * p, 0.0)
    found = scalar_minimum(shape, lam, d, z, boxes.low, boxes.high, boxes.large)
    curved = p * (product - d * p)
    value = data.constant / 2 - curved.sum(axis=1) / 2 + found.value.sum(axis=1)
    size = len(data.linear) + 4
    # why: γ-type bounds of the sums, whatever the order in which they are carried out
    absolute = np.abs(p) @ np.abs(data.gram) + d * np.abs(p)
    missed = 2 * size * UNIT * (np.abs(data.linear) + absolute) + data.linear_error + np.abs(p) @ data.gram_error
    reach = _reach(boxes, d, z, found.point, found.value, lam * shape.height)
    error = (
        2 * size * UNIT * (data.constant / 2 + (np.abs(p) * absolute).sum(axis=1) + np.abs(found.value).sum(axis=1))
        + (found.error + np.where(keep, missed, 0.0) * reach).sum(axis=1)
        + ((np.abs(p) @ data.gram_error) * np.abs(p)).sum(axis=1)
        + data.constant_error
    )
    with np.errstate(invalid="ignore"):
        known = value - error
    priced = lam * shape.height * boxes.large.sum(axis=1)
    alone = ~(known >= priced)
    value, error = np.where(alone, priced, value), np.where(alone, 4 * UNIT * priced, error)
    here = d * p * p / 2 - z * p + lam * np.where(boxes.large, shape.height, shape.value(p))
    return Bound(value, error, np.where(boxes.gone, 0.0, here - found.value))


def _reach(
    boxes: Boxes,
    delta: "NDArray[np.float64]",
    z: "NDArray[np.float64]",
    point: "NDArray[np.float64]",
    value: "NDArray[np.float64]",
    top: float,
) -> "NDArray[np.float64]":
    """Bound |t| at the minimiser of a coordinate whose z is off by rounding.

    A minimiser for z lies within the interval, and |δt| ≤ |z| + √(2δ·top) beyond which ½δt² − zt exceeds its minimum.
    """
    wide = np.maximum(np.abs(boxes.low), np.abs(boxes.high))
    with np.errstate(all="ignore"):
        far = 2 * (np.abs(z) + np.sqrt(2 * delta * top)) / delta
    found: NDArray[np.float64] = np.fmin(wide, np.where(np.isnan(far), np.inf, far)) + np.abs(
        np.where(np.isfinite(point), point, 0.0)
    )
    return found


def descend(
    data: Quadratic,
    shape: Shape,
    lam: float,
    boxes: Boxes,
    delta: "NDArray[np.float64]",
    point: "NDArray[np.float64]",
    sweeps: int,
    tol: float = 1e-9,
) -> "tuple[NDArray[np.float64], Segments]":
    """Return points near the minimisers of the relaxations: coordinate descent and Newton moves, all nodes at once."""
    gone = boxes.gone
    d = np.ascontiguousarray(np.where(gone, 0.0, delta).T)
    p = np.ascontiguousarray(np.clip(np.where(gone, 0.0, point), boxes.low, boxes.high).T)
    env = segments(shape, lam, d, boxes.low.T, boxes.high.T, boxes.large.T, p)
    diagonal = np.diag(data.gram)[:, None]
    quad = np.maximum(diagonal - d, 1e-12 * diagonal)
    columns = [j for j in range(len(p)) if not gone[:, j].all()]
    scale = np.sqrt(np.max(np.abs(data.linear)) + 1e-300)
    if not shape.local:
        return np.ascontiguousarray(_sweep(data, env, quad, p, columns, sweeps, tol * scale)[0].T), env
    while sweeps > 0:
        p, moved = _sweep(data, env, quad, p, columns, min(sweeps, NEWTON_EVERY), tol * scale)
        env = segments(shape, lam, d, boxes.low.T, boxes.high.T, boxes.large.T, p)
        sweeps -= NEWTON_EVERY
        if moved <= tol * scale:
            break
    return np.ascontiguousarray(p.T), env


def _sweep(
    data: Quadratic,
    env: Segments,
    quad: "NDArray[np.float64]",
    p: "NDArray[np.float64]",
    columns: list[int],
    sweeps: int,
    tol: float,
) -> "tuple[NDArray[np.float64], float]":
    """Return the points after some sweeps over the coordinates, and how far the first one moved them."""
    sign, diagonal = SIGNS[:, None], np.diag(data.gram)[:, None]
    start = np.ascontiguousarray((quad * env.start + env.slope).transpose(1, 0, 2))
    rate = np.ascontiguousarray((1 / (quad + env.bend)).transpose(1, 0, 2))
    width = np.ascontiguousarray(env.width.transpose(1, 0, 2))
    residual = data.linear[:, None] - data.gram @ p
    first = 0.0
    for sweep in range(sweeps):
        moved = 0.0
        for j in columns:
            pull = residual[j] + diagonal[j] * p[j]
            step = (pull * sign - start[j]) * rate[j]
            np.maximum(step, 0.0, out=step)
            np.minimum(step, width[j], out=step)
            new = env.pivot[j] + SIGNS @ step
            change = new - p[j]
            p[j] = new
            residual -= data.gram[:, j : j + 1] * change
            moved = max(moved, float(np.abs(change).max()) * np.sqrt(diagonal[j, 0]))
        first = moved if sweep == 0 else first
        if moved <= tol:
            break
        if sweep % NEWTON_EVERY == NEWTON_EVERY - 1:
            p = _newton(data, env, quad, p)
            residual = data.linear[:, None] - data.gram @ p
    return p, first


def _newton(
    data: Quadratic, env: Segments, quad: "NDArray[np.float64]", p: "NDArray[np.float64]"
) -> "NDArray[np.float64]":
    """Return the points moved towards the minimisers of the segments they lie on, as far as none leaves its own.

    On the segments that hold the points the relaxation is one convex quadratic, so the move does not raise it.
    """
    t = p[None] * SIGNS[:, None, None] - env.start
    inside = (t > 0) & (t < env.width)
    free = inside.any(axis=0)
    which = np.argmax(inside, axis=0)[None]

    def own(values: "NDArray[np.float64]") -> "NDArray[np.float64]":
        return np.asarray(np.take_along_axis(values, which, axis=0)[0], dtype=np.float64)

    sign, bend, along = np.where(which[0] < 3, 1.0, -1.0), own(env.bend), own(t)
    gradient = data.gram @ p - (np.diag(data.gram)[:, None] - quad) * p - data.linear[:, None]
    gradient += sign * (own(env.slope) + bend * along)
    both = free.T[:, :, None] & free.T[:, None, :]
    system = np.where(both, data.gram, 0.0)
    k = np.arange(len(p))
    system[:, k, k] = np.where(free, quad * (1 + 1e-12) + bend, 1.0).T
    try:
        move = np.linalg.solve(system, -np.where(free, gradient, 0.0).T[:, :, None])[:, :, 0].T
    except np.linalg.LinAlgError:
        return p
    with np.errstate(all="ignore"):
        room = np.where(sign * move > 0, own(env.width) - along, along) / np.abs(move)
    step = np.minimum(np.where(free & (move != 0), room, np.inf).min(axis=0), 1.0)
    found: NDArray[np.float64] = p + np.where(np.isfinite(move).all(axis=0), step, 0.0) * np.where(
        np.isfinite(move), move, 0.0
    )
    return found
