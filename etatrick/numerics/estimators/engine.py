"""The one place where estimators meet the solvers: one fit, fits along a grid, and the grid itself."""

from dataclasses import dataclass, replace
from functools import cached_property
from numbers import Integral, Real
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.certificates import Certificate
from etatrick.numerics.estimators.naming import is_joint, read_penalty
from etatrick.numerics.losses import Loss, Squared, loss_named
from etatrick.numerics.problem import check_lam, pose
from etatrick.numerics.solution import Solution, Status
from etatrick.numerics.solver import lam_max, path, solve
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.paths import fit_path
from etatrick.numerics.working_set.result import Ending, Fit
from etatrick.numerics.working_set.task import Task, pose_task

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    Floats = NDArray[np.float64]

SHRUNK: Final = 10.0  # a path of a smooth penalty starts where no direction keeps more than 1/11 of its fit


@final
@dataclass(frozen=True, eq=False)
class Found:
    """One fitted linear predictor Xw + b with its certificate, and how its solver ended."""

    coef: "Floats"
    intercept: float
    objective: float
    certificate: Certificate
    iterations: int
    converged: bool
    message: str


@final
@dataclass(frozen=True, eq=False)
class Model:
    """What to minimise, apart from data and λ: Σ v ℓ(y, Xw + b) + λ Σ Ω(w_j).

    Parameters
    ----------
    penalty : str, Duality, catalogue entry or VectorDuality
    loss : str or Loss
    fit_intercept : bool
    tol : float
        Relative duality gap, or relative KKT residual without convexity, to reach.
    """

    penalty: Any
    loss: Any
    fit_intercept: bool
    tol: Any

    @cached_property
    def family(self) -> Loss:
        """The loss as an object."""
        return loss_named(self.loss)

    @cached_property
    def _options(self) -> dict[str, Any]:
        if not (_is_number(self.tol) and 0 < float(self.tol) < 1):
            raise InputError(f"tol = {self.tol}", "must lie strictly between 0 and 1", "leave it at 1e-12")
        return {"fit_intercept": bool(self.fit_intercept), "tol": float(self.tol)}

    @cached_property
    def _joint(self) -> bool:
        joint = is_joint(self.penalty)
        if joint and not isinstance(self.family, Squared):
            raise InputError(f"loss = {self.loss!r}", "joint penalties are solved for the squared loss only",
                             "use loss='squared' or a penalty of the catalogue")  # fmt: skip
        return joint

    def fit(self, X: Any, y: "Floats", lam: float, weights: "Floats | None") -> Found:
        """Return the fit at one λ."""
        check_lam(lam)
        penalty = read_penalty(self.penalty)
        if self._joint:
            return _from_solution(solve(X, y, penalty, lam, sample_weight=weights, **self._options))
        return _from_fit(fit(X, y, penalty, lam, self.family, sample_weight=weights, **self._options))

    def fit_along(self, X: Any, y: "Floats", lams: "Floats", weights: "Floats | None") -> "Sequence[Found]":
        """Return the fits along a decreasing grid, each started from the one before."""
        penalty = read_penalty(self.penalty)
        if self._joint:
            found = path(X, y, penalty, lams, sample_weight=weights, **self._options)
            return [_from_solution(solution) for solution in found.solutions]
        fits = fit_path(X, y, penalty, lams, loss=self.family, sample_weight=weights, **self._options).fits
        return [_from_fit(found) for found in fits]

    def no_finer_than(self, tol: float) -> "Model":
        """Return the same with at least this tolerance."""
        return replace(self, tol=max(self._options["tol"], tol))

    def top(self, X: Any, y: "Floats", weights: "Floats | None") -> float:
        """Return a λ at which a path may start: where all weights are 0, or for smooth penalties nearly so."""
        penalty = read_penalty(self.penalty)
        if self._joint:
            posed = pose(X, y, penalty, 1.0, fit_intercept=bool(self.fit_intercept), sample_weight=weights)
            return lam_max(posed) or 1.0
        return _top(pose_task(X, y, penalty, 1.0, self.family, bool(self.fit_intercept), weights, None))


def decreasing(lams: Any) -> "Floats":
    """Return a user's grid as distinct numbers in decreasing order.

    Raises
    ------
    InputError
        If it is no row of finite numbers ≥ 0.

    Examples
    --------
    >>> decreasing([1, 10.0, 10.0])
    array([10.,  1.])
    """
    try:
        grid = np.unique(np.asarray(lams, dtype=np.float64))[::-1]
    except (TypeError, ValueError):
        grid = np.array([np.nan])
    if np.ndim(lams) != 1 or len(grid) == 0 or not (np.isfinite(grid) & (grid >= 0)).all():
        raise InputError(f"lams = {lams!r}", "must be a row of finite numbers ≥ 0", "leave it out for a default grid")
    return grid


def geometric(top: float, n_lams: Any, ratio: Any) -> "Floats":
    """Return `n_lams` values of λ from `top` down to `ratio` times it, in equal steps of log λ.

    Raises
    ------
    InputError
        If `n_lams` is no integer ≥ 1 or `ratio` does not lie strictly between 0 and 1.

    Examples
    --------
    >>> geometric(2.0, 3, 0.01)
    array([2.  , 0.2 , 0.02])
    """
    if not (isinstance(n_lams, Integral) and int(n_lams) >= 1):
        raise InputError(f"n_lams = {n_lams}", "must be an integer ≥ 1", "choose e.g. n_lams=100")
    if not (_is_number(ratio) and 0 < float(ratio) < 1):
        raise InputError(f"ratio = {ratio}", "must lie strictly between 0 and 1", "choose e.g. ratio=0.001")
    return np.asarray(top * np.geomspace(1.0, float(ratio), int(n_lams)), dtype=np.float64)


def _top(task: Task) -> float:
    """Return ‖∇‖_∞/Ω′(0+) at the null model; other starts where Ω′(0+) is 0 or infinite."""
    start, pull = task.curve.start, np.abs(task.null_pull)
    if not pull.any():
        return 1.0
    if 0 < start < np.inf:
        return float(pull.max()) / start
    bends = task.curvature(task.null[1])
    squares = task.design.squares(bends)
    if task.intercept:
        squares = squares - task.design.correlate(bends) ** 2 / bends.sum()
    squares = np.maximum(squares, 1e-300)
    if start == 0:
        bend = float(task.curve.bend(np.zeros(1))[0])
        if bend <= 0:
            raise InputError("lams", "this penalty has no natural largest λ", "pass the values of λ")
        return SHRUNK * float(squares.sum()) / bend
    # where Ω′(0+) = ∞: the largest λ at which some weight alone pays for itself, sup_w (cw − ½sw²)/Ω(w)
    moved = pull > 0
    c, s = pull[moved], squares[moved]
    w = (c / s)[:, None] * np.geomspace(1e-6, 2.0, 400)
    return float(np.max((c[:, None] * w - 0.5 * s[:, None] * w * w) / task.curve.value(w)))


def _is_number(value: object) -> bool:
    return isinstance(value, Real)


def _from_solution(solution: Solution) -> Found:
    return Found(solution.coef, solution.intercept, solution.objective, solution.certificate, solution.iterations,
                 solution.status is Status.CONVERGED, solution.status.value)  # fmt: skip


def _from_fit(found: Fit) -> Found:
    proof = Certificate(found.kkt, found.relative_kkt, found.gap, found.relative_gap, found.locally_minimal)
    done = found.status in (Ending.OPTIMAL, Ending.STATIONARY)
    return Found(found.coef, found.intercept, found.objective, proof, found.iterations, done, found.status.value)
