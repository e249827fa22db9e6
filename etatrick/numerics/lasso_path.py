"""`homotopy`: the lasso's whole path, exactly, from one change of its active set to the next, each verified."""

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.working_set.curve import Affine
from etatrick.numerics.working_set.follower import Follower, Knots
from etatrick.numerics.working_set.gram_path import WholeGram
from etatrick.numerics.working_set.least_squares import centred_gram, fit_least_squares
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.solution import Solution

    Floats = NDArray[np.float64]

BLOCK: Final = 128  # knots verified at a time
MOST: Final = 50  # changes of the active set, in units of min(n, d), after which the path counts as degenerate
ROUNDED: Final = 1e-8  # relative duality gap of a knot up to which rounding is to blame
LARGEST_GRAM: Final = 6000  # columns up to which the whole Gram matrix is formed where n ≥ d


@final
@dataclass(frozen=True, eq=False)
class HomotopyPath:
    """The minimisers of ½Σ_i v_i(y_i − x_iᵀw − b − o_i)² + λaΣ|w_j| + ½ρΣw_j² from the first knot to the last.

    Parameters
    ----------
    lams : ndarray, shape (m,)
        The knots, not increasing: between two of them w is linear in λ.
    coefs : ndarray, shape (m, d)
    intercepts : ndarray, shape (m,)
    gaps : ndarray, shape (m,)
        Relative duality gap, from the data: the larger of that at the knot and that half-way from the last.
    stopped : str
        Why the knots end before the λ asked for; empty where they do not.
    task : Task
    ridge : float
        ρ.
    """

    lams: "Floats"
    coefs: "Floats"
    intercepts: "Floats"
    gaps: "Floats"
    stopped: str
    task: Task
    ridge: float

    @property
    def complete(self) -> bool:
        """Whether every knot down to the λ asked for was found and verified."""
        return not self.stopped

    @property
    def certificate(self) -> float:
        """The largest relative duality gap over the knots and half-way between them."""
        return float(self.gaps.max())

    def between(self, lams: "ArrayLike") -> "Floats":
        """Return the coefficients at several λ by interpolation, shape (len(lams), d).

        Raises
        ------
        InputError
            For a λ below the last knot.
        """
        at = np.atleast_1d(np.asarray(lams, dtype=np.float64))
        if not (at >= self.lams[-1] * (1 - 1e-12)).all():
            raise InputError(f"lams down to {at.min():g}", f"the knots end at λ = {self.lams[-1]:g}",
                             "use at(lam), which solves anew there")  # fmt: skip
        return _interpolated(self.lams, self.coefs, at)

    def at(self, lam: Any, tol: float = 1e-12) -> "Solution":
        """Return the solution at λ with its certificate; where the knots do not reach, it is solved anew.

        Parameters
        ----------
        lam : float
            > 0.
        tol : float
            Relative duality gap to reach.

        Raises
        ------
        InputError
            If λ is no finite number > 0.
        """
        if not (isinstance(lam, Real) and np.isfinite(float(lam)) and float(lam) > 0):
            raise InputError(f"lam = {lam}", "λ must be a finite number > 0", "choose one between the knots")
        here = max(float(lam), float(self.lams[-1]))
        start = _interpolated(self.lams, self.coefs, np.array([here]))[0]
        return _solved(self.task, self.ridge, float(lam), start, tol)


def homotopy(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    *,
    ratio: Any = 1e-3,
    ridge: Any = 0.0,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> HomotopyPath:
    r"""Follow the lasso's solution down from the λ where it is 0: it is linear in λ between changes of its active set.

    With A the active set and s its signs, w_A = (X_AᵀX_A + ρI)⁻¹(X_Aᵀy − λs); the next knot is where a weight becomes 0
    or a correlation reaches λ (Osborne, Presnell & Turlach 2000, IMA J. Numer. Anal. 20, 389–403; Efron et al. 2004,
    Ann. Statist. 32, 407–499). A column that depends linearly on the active ones takes the place of one of them.
    Every knot, and the middle of every segment, is then verified by its duality gap from the data; the path ends before
    the first that fails.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality, catalogue entry or CompiledPenalty
        A multiple of |w|.
    ratio : float
        How far to go, as a part of the λ at which the path starts; strictly between 0 and 1.
    ridge : float
        ρ ≥ 0: makes an elastic net whose quadratic part does not grow with λ. (With Ω = |w| + ½μw² it does, and the
        path bends between knots.)
    fit_intercept, sample_weight, offset
        As for :func:`etatrick.numerics.working_set.fitting.fit`.
    tol : float
        Relative duality gap that counts as verified.

    Returns
    -------
    HomotopyPath

    Raises
    ------
    InputError
        As `fit`; also for another penalty, and where y has nothing that X could explain.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> path = homotopy(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), ratio=0.1)
    >>> path.lams
    array([3. , 1. , 0.3])
    >>> path.at(2.0).coef
    array([1., 0.])
    """
    task = pose_task(X, y, penalty, 1.0, "squared", fit_intercept, sample_weight, offset)
    if not (isinstance(task.curve, Affine) and task.curve.rate == 0 and task.curve.start > 0):
        raise InputError("penalty", "must be a multiple of |w|: only the lasso's path is piecewise linear in λ",
                         "use fit_path, or ridge= for an elastic net")  # fmt: skip
    if not (isinstance(ratio, Real) and 0 < float(ratio) < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.001")
    if not (isinstance(ridge, Real) and 0 <= float(ridge) < np.inf):
        raise InputError(f"ridge = {ridge}", "must be a finite number ≥ 0", "leave it at 0 for the lasso")
    top = float(np.abs(task.null_pull).max())
    if top == 0:
        raise InputError("y", "has nothing that X could explain, so there is no λ at which a path starts", "check y")
    knots, stopped = _followed(task, float(ridge), top, float(ratio) * top)
    lams = np.array(knots.levels) / task.curve.start
    coefs = knots.coefficients()
    moved = np.ones(len(lams), dtype=bool)
    moved[1:] = (np.diff(lams) != 0) | (np.diff(coefs, axis=0) != 0).any(axis=1)
    lams, coefs = lams[moved], coefs[moved]
    gaps = _gaps(task, float(ridge), lams * task.curve.start, coefs)
    for k in np.flatnonzero((gaps > tol) & (gaps <= ROUNDED)):
        coefs[k], gaps[k] = _corrected(task, float(ridge), float(lams[k]), coefs[k], float(gaps[k]), tol)
    middle = _gaps(task, float(ridge), (lams[1:] + lams[:-1]) / 2 * task.curve.start, (coefs[1:] + coefs[:-1]) / 2)
    gaps[1:] = np.maximum(gaps[1:], middle)
    failing = np.flatnonzero(~(gaps <= tol))
    if len(failing):
        stopped = f"before λ = {lams[failing[0]]:.6g} the relative duality gap reaches {gaps[failing[0]]:.1e}"
        end = int(failing[0])
        lams, coefs, gaps = lams[:end], coefs[:end], gaps[:end]
    mean = task.design.correlate(task.weights) / task.weights.sum() if task.intercept else np.zeros(coefs.shape[1])
    intercepts = task.null[0] - coefs @ mean if task.intercept else np.zeros(len(lams))
    return HomotopyPath(lams, coefs, intercepts, gaps, stopped, task, float(ridge))


def _followed(task: Task, ridge: float, top: float, bottom: float) -> tuple[Knots, str]:
    """Return the knots from `top` down to `bottom`, and why they end earlier if they do."""
    n, d = task.design.shape
    line = Follower(_rows(task, ridge), task.null_pull, top)
    knots = Knots(line)
    try:
        for size in line.fall(bottom):
            if len(knots.levels) > MOST * min(n, d) + MOST:
                return knots, "the active set changes without end"
            if size > n < d:
                return knots, "there are more active columns than rows"
            knots.record()
        knots.record()
    except ArithmeticError as error:
        return knots, str(error)
    return knots, ""


def _corrected(task: Task, ridge: float, lam: float, coef: "Floats", gap: float, tol: float) -> "tuple[Floats, float]":
    """Return the solution at a knot that rounding has moved, if it has the same signs."""
    found = _solved(task, ridge, lam, coef, tol)
    if found.relative_gap is None or found.relative_gap > tol or (np.sign(found.coef) != np.sign(coef)).any():
        return coef, gap
    return found.coef, found.relative_gap


def _solved(task: Task, ridge: float, lam: float, start: "Floats", tol: float) -> "Solution":
    curve = Affine.of(task.curve.start, ridge / lam)
    return fit_least_squares(task.under(curve).at(lam), start, tol)


def _rows(task: Task, ridge: float) -> "Callable[[int], Floats]":
    """Return j ↦ row j of the Gram matrix, of which only the rows of active columns are kept where d > n."""
    n, d = task.design.shape
    if d > min(n, LARGEST_GRAM):
        return centred_gram(task).row(ridge)
    matrix = WholeGram(task).matrix
    matrix.flat[:: d + 1] += ridge
    return lambda j: np.asarray(matrix[j], dtype=np.float64)


def _gaps(task: Task, ridge: float, levels: "Floats", coefs: "Floats") -> "Floats":
    """Return the relative duality gaps at the scaled residuals, by two products with X for each block of knots.

    The ridge counts as rows √ρI of X: with z = Xᵀ(vr) − ρw and s ≤ 1 the largest that keeps ‖sz‖_∞ ≤ λa,
    gap = ½(1 − s)²(Σvr² + ρ‖w‖²) + Σ(λa|w| − s·wz).
    """
    gaps = np.zeros(len(levels))
    for begin in range(0, len(levels), BLOCK):
        part = slice(begin, begin + BLOCK)
        W, level = coefs[part], levels[part]
        R = (task.y - task.null[1])[:, None] - np.asarray(task.design.matrix @ W.T)
        if task.intercept:
            R = R - task.weights @ R / task.weights.sum()
        Z = np.asarray(task.design.matrix.T @ (task.weights[:, None] * R)).T - ridge * W
        reach = np.abs(Z).max(1)
        s = np.where(reach <= level, 1.0, level / np.maximum(reach, 1e-300))
        loss = 0.5 * (task.weights @ R**2 + ridge * (W * W).sum(1))
        pairing = (level[:, None] * np.abs(W) - s[:, None] * W * Z).sum(1)
        gaps[part] = ((1 - s) ** 2 * loss + np.maximum(pairing, 0.0)) / task.null[3]
    return gaps


def _interpolated(knots: "Floats", coefs: "Floats", at: "Floats") -> "Floats":
    """Return the coefficients at λ, one per row: 0 above the first knot."""
    if len(knots) == 1:
        return np.repeat(coefs, len(at), axis=0)
    upper = np.clip(np.searchsorted(-knots, -at, side="left"), 1, len(knots) - 1)
    width = knots[upper - 1] - knots[upper]
    share = np.where(width > 0, (knots[upper - 1] - at) / np.where(width > 0, width, 1.0), 1.0)
    share = np.clip(share, 0.0, 1.0)[:, None]
    return np.asarray((1 - share) * coefs[upper - 1] + share * coefs[upper])
