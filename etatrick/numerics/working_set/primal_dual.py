"""The primal-dual active set method for the squared loss: one linear system and one pass over X a step, no line search.

Hintermüller, Ito & Kunisch (2003), SIAM J. Optim. 13, 865–888: a semismooth Newton method, so that it ends after
finitely many steps once it is close. Nothing makes it end from afar; it is stopped where the objective falls no longer.
"""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, final

import numpy as np

from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.factors import independent

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

FIRST, MORE = 20, 50  # smallest number of columns to add, at first where X is large
LARGE = 1_000_000  # entries of X from which a pass costs more than solving again without the wrong signs
DROPS = 3  # times to solve again between two passes then
STEPS = 60
PATIENCE = 4  # steps without descent before the method counts as cycling
FAR = 3.0  # steps of λ, in those of the last, beyond which a line leads nowhere
VIOLATED = 1 + 1e-12


@final
@dataclass(frozen=True, eq=False)
class Point:
    """Weights, their predictor, the correlations Xᵀ(v·residual) with it, and the objective."""

    w: "Floats"
    theta: "Floats"
    pull: "Floats"
    objective: float


class Gram(Protocol):
    """Gram matrices of columns of X, and points made from them."""

    def grow(self, wanted: "Indices") -> None:
        """See that `wanted` are members."""

    def block(self, chosen: "Indices", ridge: float) -> "Floats":
        """Return the Gram matrix of some members with `ridge` added to its diagonal, a copy."""

    def solve(self, active: "Indices", ridge: float, b: "Floats") -> "Floats | None":
        """Return the solution of the equations that `block` gives, None where they are singular."""

    def point(self, task: "Task", active: "Indices", values: "Floats") -> Point:
        """Return the point with these weights on these members."""


def null_point(task: "Task") -> Point:
    """Return the point w = 0."""
    return Point(np.zeros(task.design.shape[1]), task.null[1], task.null_pull, task.null[2])


def charge_on(task: "Task", values: "Floats") -> float:
    """Return λ Σ (a|w| + ½bw²) over the nonzero weights."""
    curve = task.curve
    assert isinstance(curve, Affine)
    total = curve.start * float(np.add.reduce(np.abs(values)))
    return task.lam * (total + 0.5 * curve.rate * float(values @ values) if curve.rate else total)


def extrapolated(trail: "list[tuple[float, Point]]", lam: float) -> Point:
    """Return the point on the line through the last two solutions, which is exact where no sign changes in between."""
    here, last = trail[-1]
    before, other = trail[0]
    share = (lam - here) / (here - before) if before > here > lam else 0.0
    if share == 0.0 or share > FAR:
        return last
    w = last.w + share * (last.w - other.w)
    w[w * last.w <= 0] = 0.0
    return Point(w, last.theta, last.pull + share * (last.pull - other.pull), last.objective)


def primal_dual(task: "Task", gram: "Gram", start: Point) -> tuple[list[Point], bool]:
    """Return the points passed, and whether the last has the signs and the active set of the solution.

    Each step solves the equations of the active columns for the signs they have, lets go the weights that come out with
    the wrong sign, and takes in the worst violators, at most as many as there are active columns.

    Parameters
    ----------
    task : Task
        With loss Squared, an Affine curve with positive start, and λ > 0.
    gram : Gram
    start : Point
    """
    curve = task.curve
    assert isinstance(curve, Affine)
    hold, ridge = task.lam * curve.start, task.lam * curve.rate
    n, d = task.design.shape
    room, large = n if ridge == 0 else d, n * d > LARGE
    points: list[Point] = []
    point, idle, least = start, 0, np.inf
    active = np.flatnonzero(point.w)
    signs, right = np.sign(point.w[active]), np.ones(len(active), dtype=bool)
    for step in range(STEPS):
        excess = np.abs(point.pull)
        excess[active] = 0.0
        new = np.flatnonzero(excess > hold * VIOLATED)
        if step and len(new) == 0 and right.all():
            return points, True
        held = active[right]
        wrong = 1 - len(held) / max(len(active), 1)
        least_new = MORE if large and step == 0 else FIRST
        most = max(least_new // (1 + step // 5), int(len(held) * (1 - 2 * wrong)) // (1 + step // 4))
        new = _worst(new, excess, min(most, room - len(held)))
        active = np.concatenate([held, new])
        signs = np.concatenate([signs[right], np.sign(point.pull[new])])
        if len(active) == 0:
            point, right = null_point(task), np.zeros(0, dtype=bool)
            points.append(point)
            continue
        values, active, signs = _solved(task, gram, active, signs, hold, ridge)
        right = values * signs > 0
        for _ in range(DROPS if large else 0):
            if right.all():
                break
            values, active, signs = _solved(task, gram, active[right], signs[right], hold, ridge)
            right = values * signs > 0
        point = gram.point(task, active, values)
        points.append(point)
        idle = 0 if point.objective < least else idle + 1
        least = min(least, point.objective)
        if idle >= PATIENCE:
            break
    return points, False


def _solved(
    task: "Task", gram: "Gram", active: "Indices", signs: "Floats", hold: float, ridge: float
) -> "tuple[Floats, Indices, Floats]":
    """Return the weights, and the columns and signs they belong to: an independent subset where there are too many."""
    force = task.null_pull[active] - hold * signs
    gram.grow(active)
    values = gram.solve(active, ridge, force)
    if values is None:
        chosen = independent(gram.block(active, ridge))
        active, signs = active[chosen], signs[chosen]
        values = gram.solve(active, ridge, force[chosen])
        if values is None:
            return np.zeros(len(active)), active, signs
    return values, active, signs


def refined(task: "Task", gram: "Gram", point: Point) -> Point:
    """Return the point corrected once by the residual of its own equations, which removes most of the rounding."""
    hold, ridge = task.lam * task.curve.start, task.lam * float(task.curve.bend(np.zeros(1))[0])
    active = np.flatnonzero(point.w)
    values = point.w[active]
    error = point.pull[active] - hold * np.sign(values) - ridge * values
    change = gram.solve(active, ridge, error)
    return point if change is None else gram.point(task, active, values + change)


def _worst(found: "Indices", excess: "Floats", most: int) -> "Indices":
    if len(found) > most:
        found = found[np.argpartition(-excess[found], most - 1)[:most]] if most > 0 else found[:0]
    return found
