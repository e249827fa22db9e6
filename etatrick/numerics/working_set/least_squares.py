"""Squared loss with the lasso's or the elastic net's penalty: one Gram matrix that grows with the working set."""

from typing import TYPE_CHECKING

import numpy as np

from etatrick.numerics.working_set.certify import stand
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.grown import GrownGram
from etatrick.numerics.working_set.progress import Progress
from etatrick.numerics.working_set.quadratic import sparse_quadratic
from etatrick.numerics.working_set.result import Ending, Fit

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from etatrick.numerics.working_set.task import Task

    Floats = NDArray[np.float64]
    Indices = NDArray[np.intp]

PASSES = 200
FIRST = 20  # smallest number of columns to add
ROUNDING = 3e-15
NEAR = 0.8  # of the level that holds a weight at 0: columns to look at once all are members


def centred_gram(task: "Task") -> GrownGram:
    """Return the empty Gram matrix of the weighted, centred columns."""
    root = np.sqrt(task.weights)
    mean = np.zeros(task.design.shape[1])
    if task.intercept:
        mean = task.design.correlate(task.weights) / task.weights.sum()
    return GrownGram(task.design, root, mean)


def fit_least_squares(task: "Task", w: "Floats", tol: float, cache: GrownGram | None = None) -> Fit:
    """Minimise with the squared loss and Ω(w) = a|w| + ½bw², a > 0, from `w`.

    Each pass over X finds the violators, the worst of which join the working set; the problem on the set is solved
    as a quadratic one, no more exactly than the violations outside call for.

    Parameters
    ----------
    task : Task
        With loss Squared and an Affine curve.
    w : ndarray, shape (d,)
    tol : float
        Relative duality gap to reach.
    cache : GrownGram, optional
        From an earlier fit of the same data.
    """
    curve = task.curve
    assert isinstance(curve, Affine)
    gram = centred_gram(task) if cache is None else cache
    hold, ridge, w = task.lam * curve.start, task.lam * curve.rate, w.copy()
    gram.grow(np.flatnonzero(w))
    progress, ending = Progress(task, tol), None
    b = task.null[0] - float(gram.mean @ w) if task.intercept else 0.0
    standing = stand(task, w, b, task.null[1], task.null_pull) if not w.any() else stand(task, w, b)
    tried = False
    for _ in range(PASSES):
        ending = progress.record(standing)
        if ending is not None:
            break
        members = gram.members
        outside = np.abs(standing.pull) - hold
        outside[members] = 0.0
        chosen = worst_violators(outside, max(FIRST, 2 * int(np.count_nonzero(w))))
        gram.grow(chosen)
        members = gram.members
        floor = ROUNDING * task.scale
        goal = floor if tried and len(chosen) == 0 else max(floor, 0.1 * float(outside.max()))
        tried = len(chosen) == 0
        if len(members) < len(w):
            inner, G = members, gram.gram.copy()
        else:
            inner = np.flatnonzero((w != 0) | (np.abs(standing.pull) >= NEAR * hold))
            where = gram.position[inner]
            G = gram.gram[np.ix_(where, where)]
        c = standing.pull[inner] + G @ w[inner]
        G.flat[:: len(inner) + 1] += ridge
        w[inner] = sparse_quadratic(G, c, np.full(len(inner), hold), w[inner], goal)
        b = task.null[0] - float(gram.mean @ w) if task.intercept else 0.0
        standing = stand(task, w.copy(), b, _theta(task, gram, w))
    return progress.fit(ending or Ending.LIMIT)


def worst_violators(violations: "Floats", most: int) -> "Indices":
    """Return the indices of at most `most` of the largest positive violations."""
    found = np.flatnonzero(violations > 0)
    if len(found) > most:
        found = found[np.argpartition(-violations[found], most)[:most]]
    return found


def _theta(task: "Task", gram: GrownGram, w: "Floats") -> "Floats":
    """Return the predictor from the kept columns."""
    product = gram.columns @ w[gram.members]
    return task.offset + task.null[0] + product / np.where(gram.root > 0, gram.root, 1.0)
