"""Good points to start from: coordinate descent on the nonconvex objective itself, from many starts at once."""

from typing import TYPE_CHECKING, Final

import numpy as np

from etatrick.numerics.global_search.quadratic import Quadratic
from etatrick.numerics.global_search.relaxation import Boxes, descend
from etatrick.numerics.global_search.shape import Shape

if TYPE_CHECKING:
    from numpy.typing import NDArray

POLISH_STEPS: Final = 8


def objective(data: Quadratic, shape: Shape, lam: float, points: "NDArray[np.float64]") -> "NDArray[np.float64]":
    """Return ½wᵀGw − bᵀw + ½c + λ Σ Ω(|w_j|) for each row."""
    loss = (points * (points @ data.gram / 2 - data.linear)).sum(axis=1) + data.constant / 2
    found: NDArray[np.float64] = loss + lam * shape.value(points).sum(axis=1)
    return found


def improve(
    data: Quadratic,
    shape: Shape,
    lam: float,
    points: "NDArray[np.float64]",
    radius: float,
    sweeps: int = 50,
    tol: float = 1e-8,
) -> "NDArray[np.float64]":
    """Return points that no change of one coordinate improves, by exact minimisation of each coordinate in turn."""
    wide = np.full_like(points, radius)
    boxes = Boxes(-wide, wide, np.zeros(points.shape, dtype=bool))
    # why: given the whole diagonal of G, the relaxation of one coordinate is its exact minimisation
    delta = np.broadcast_to(np.diag(data.gram), points.shape)
    return descend(data, shape, lam, boxes, delta, points, sweeps, tol)[0]


def polished(
    data: Quadratic, shape: Shape, lam: float, point: "NDArray[np.float64]", radius: float
) -> "NDArray[np.float64]":
    """Return the stationary point on the pieces that hold `point`, where that is better: Newton steps."""
    best, value = point, float(objective(data, shape, lam, point[None])[0])
    for _ in range(POLISH_STEPS):
        active = np.flatnonzero(best)
        if not len(active):
            break
        size, sign = np.abs(best[active]), np.sign(best[active])
        bend = lam * shape.bending(size)
        pull = data.linear[active] - lam * sign * (shape.steepness(size) - shape.bending(size) * size)
        try:
            trial = np.zeros_like(best)
            trial[active] = np.linalg.solve(data.gram[np.ix_(active, active)] + np.diag(bend), pull)
        except np.linalg.LinAlgError:
            break
        reached = float(objective(data, shape, lam, trial[None])[0])
        if not (reached < value and np.abs(trial).max() <= radius):
            break
        best, value = trial, reached
    return best


def starts(data: Quadratic, seed: int, count: int) -> "NDArray[np.float64]":
    """Return starting points: zero, the marginal fit, the least-squares fit, random thinnings of it, best subsets."""
    d = len(data.linear)
    diagonal = np.diag(data.gram)
    ridge = data.gram + 1e-6 * np.diag(diagonal)
    full = np.linalg.solve(ridge, data.linear)
    rng = np.random.default_rng(seed)
    drawn = np.where(rng.random((count, d)) < 0.5, full * rng.uniform(0.5, 1.5, (count, d)), 0.0)
    return np.vstack([np.zeros(d), data.linear / diagonal, full, drawn, subset_fits(data)])


def subset_fits(data: Quadratic) -> "NDArray[np.float64]":
    """Return the least-squares fits on the best subsets of every size that exchanges of columns find, row by row."""
    from etatrick.numerics.subset.moments import GramRows
    from etatrick.numerics.subset.search import chain

    d = len(data.linear)
    supports = chain(GramRows(data.gram, data.linear, data.constant), 0.0, d)
    found = np.zeros((len(supports), d))
    for row, support in zip(found, supports, strict=True):
        row[support.chosen] = support.w
    return found
