"""Recomputing a certificate from the data: the tree covers everything, and every leaf's bound holds."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.numerics.global_search.diagonal import proves_semidefinite
from etatrick.numerics.global_search.local import objective
from etatrick.numerics.global_search.posed import Posed, pose_globally
from etatrick.numerics.global_search.quadratic import UNIT
from etatrick.numerics.global_search.relaxation import bounds
from etatrick.numerics.global_search.tree import LEAF, ZERO_OR_LARGE, Certificate
from etatrick.theory.verdict import Verdict

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.global_search.result import GlobalOptimum

METHOD: Final = "branch and bound; every leaf bounded from a dual point, with its rounding error"
CHUNK: Final = 4096


@final
@dataclass(frozen=True)
class Recheck:
    """What a recheck found.

    Parameters
    ----------
    accepted : bool
        Whether the tree covers everything, every claimed bound holds, and coefficient, objective and lower bound fit.
    lower_bound : float
        The smallest recomputed bound, −∞ if the tree is not accepted.
    leaves : int
    reason : str
        Why it was not accepted, else empty.
    """

    accepted: bool
    lower_bound: float
    leaves: int
    reason: str = ""


def recheck(
    result: "GlobalOptimum",
    X: "ArrayLike",
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    ridge: float = 0.0,
) -> Recheck:
    """Verify a result against the data, trusting nothing that the search computed.

    The moments are formed again in ball arithmetic; the boxes of the leaves are derived from the splits, which must
    form one tree; G − Δ ⪰ 0 is proved for every Δ used; every leaf's bound is recomputed with its rounding error.

    Examples
    --------
    >>> from etatrick.numerics.global_search.search import global_minimum
    >>> from etatrick.theory import penalties
    >>> data = np.eye(3), [3.0, 1.0, 0.5], penalties["l0"](kappa=1), 1.0
    >>> recheck(global_minimum(*data), *data).accepted
    True
    """
    tree = result.certificate
    box = None if np.isinf(tree.radius) else tree.radius
    posed = pose_globally(X, y, penalty, lam, fit_intercept, sample_weight, box, ridge)
    found = confirm(posed, tree)
    if found.reason:
        return found
    if np.shape(result.coef) != posed.data.linear.shape or not np.isfinite(result.coef).all():
        return _refused("the coefficient has the wrong shape or is not finite")
    value = float(objective(posed.data, posed.shape, posed.lam, result.coef[None])[0])
    if abs(value - result.objective) > value_error(posed, result.coef):
        return _refused(f"the objective at the coefficient is {value!r}, not {result.objective!r}")
    if result.lower_bound > found.lower_bound:
        return _refused(f"the lower bound {result.lower_bound!r} exceeds {found.lower_bound!r}")
    return found


def confirm(posed: Posed, tree: Certificate) -> Recheck:
    """Return the bound that the tree proves, or why it proves none."""
    count, d = len(tree.children), len(posed.data.linear)
    arrays = (tree.variable, tree.kind, tree.at, tree.diagonal, tree.bound)
    if tree.point.shape != (count, d) or tree.children.shape != (count, 2) or any(len(a) != count for a in arrays):
        return _refused("the arrays of the tree do not fit")
    if count == 0 or not tree.radius > 0 or tree.radius != posed.radius:
        return _refused("the tree does not start from the whole space")
    split = tree.children[:, 0] != LEAF
    if ((tree.variable < 0) | (tree.variable >= d)).any() or np.isnan(tree.at).any():
        return _refused("a split names no coordinate or no point")
    try:
        boxes = tree.boxes()
    except ValueError as problem:
        return _refused(f"the leaves do not cover the space: {problem}")
    confined = np.unique(tree.variable[split & (tree.kind == ZERO_OR_LARGE)])
    cost = float(posed.zero_or_large_loss[confined].sum()) if len(confined) else 0.0
    if not np.isfinite(cost):
        return _refused("a coordinate is split into zero and large without justification")
    leaves = tree.leaves
    if (tree.diagonal[leaves] < 0).any() or (tree.diagonal[leaves] >= len(tree.diagonals)).any():
        return _refused("a leaf names no diagonal")
    if not all(proves_semidefinite(posed.data, tree.diagonals[k]) for k in np.unique(tree.diagonal[leaves])):
        return _refused("G − Δ is not proved positive semidefinite")
    lowest = np.inf
    for begin in range(0, len(leaves), CHUNK):
        rows = leaves[begin : begin + CHUNK]
        part, delta, point = boxes.take(rows), tree.diagonals[tree.diagonal[rows]], tree.point[rows]
        if (np.isinf(delta) & ~part.gone).any() or not np.isfinite(point).all():
            return _refused("a leaf uses a diagonal that leaves out one of its coordinates")
        found = bounds(posed.data, posed.shape, posed.lam, part, delta, point)
        value = np.where(posed.redundant(part.large), np.inf, found.value - found.error)
        # why: a claim was computed among other nodes, so that it may differ by rounding
        if not (tree.bound[rows] <= np.maximum(value, found.value + found.error) + 1e-12 * posed.scale).all():
            return _refused("a leaf's claimed bound is not reached")
        lowest = min(lowest, float(np.min(value)))
    lowest = (lowest - cost) - 4 * UNIT * abs(lowest)
    return Recheck(True, lowest, len(leaves)) if np.isfinite(lowest) else _refused("a leaf has no finite bound")


def value_error(posed: Posed, coef: "NDArray[np.float64]") -> float:
    """Bound the rounding error of the objective at `coef`."""
    data, size = posed.data, np.abs(coef)
    absolute = float(size @ np.abs(data.gram) @ size + 2 * np.abs(data.linear) @ size + data.constant)
    height = posed.lam * posed.shape.height * len(coef)
    return 4 * (len(coef) + 8) * UNIT * (absolute + height) + 2 * posed.lam * float(posed.shape.error(coef).sum())


def verdict_of(posed: Posed, tree: Certificate, coef: "NDArray[np.float64]", gap: float) -> tuple[Verdict, float]:
    """Return the verdict on the optimality of `coef` to the relative `gap`, and the proved lower bound."""
    found = confirm(posed, tree)
    value = float(objective(posed.data, posed.shape, posed.lam, coef[None])[0]) + value_error(posed, coef)
    domain = "all w" if np.isinf(posed.radius) else f"|w_j| ≤ {posed.radius:g}"
    shown = f"objective ≤ {value:.12g}, lower bound {found.lower_bound:.12g}, {found.leaves} leaves"
    if found.accepted and value - found.lower_bound <= gap * posed.scale:
        return Verdict(
            posed.shape.certainty, METHOD, domain, detail=f"within {gap:g} of the optimum: {shown}"
        ), found.lower_bound
    return Verdict(
        "unknown", METHOD, domain, detail=found.reason or f"the gap is not reached: {shown}"
    ), found.lower_bound


def _refused(reason: str) -> Recheck:
    return Recheck(False, -np.inf, 0, reason)
