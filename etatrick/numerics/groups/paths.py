"""`fit_group_path` and `largest_group_lam`: solutions along decreasing λ, each started from the last."""

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.groups.fitting import solve_groups
from etatrick.numerics.groups.gathered import Gathered
from etatrick.numerics.groups.posing import GroupTask, pose_groups
from etatrick.numerics.solution import Path, Solution
from etatrick.numerics.working_set.fitting import check_tol
from etatrick.numerics.working_set.paths import geometric, read_grid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def fit_group_path(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lams: "Sequence[float] | NDArray[np.float64] | None" = None,
    n_lams: Any = 100,
    ratio: float = 1e-2,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Path:
    """Fit along decreasing λ, each from the last solution, with the columns gathered so far kept.

    Where the penalty is not convex, each is the better of that and one from 0.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset, tol
        As for :func:`etatrick.numerics.groups.fitting.fit_groups`.
    lams : sequence of float, optional
        By default `n_lams` values from :func:`largest_group_lam` down to `ratio` of it, in geometric progression.
    n_lams, ratio : int, float
        Length and reach of the default.

    Returns
    -------
    Path

    Raises
    ------
    InputError
        As `fit_groups`; also for an empty or increasing `lams`, and where there is no default.

    Examples
    --------
    >>> from etatrick.numerics.groups.penalties import SparseGroupLasso
    >>> rule = SparseGroupLasso([[0, 1]], weights=[1])
    >>> fit_group_path(np.eye(2), [3.0, 4.0], rule, n_lams=2, ratio=0.2).coefs.round(12)
    array([[0. , 0. ],
           [2.4, 3.2]])
    """
    check_tol(tol)
    problem = pose_groups(X, y, penalty, 1.0, loss, fit_intercept, sample_weight, offset)
    if lams is None:
        geometric(1.0, n_lams, ratio)  # refuses bad numbers before any work
    grid = geometric(_largest(problem), n_lams, ratio) if lams is None else read_grid(lams)
    if (np.diff(grid) > 0).any():
        raise InputError("lams", "must not increase, each fit starts from the last", "sort them in descending order")
    gathered, fits, zero = Gathered(problem), list[Solution](), np.zeros(len(problem.order))
    for lam in grid.tolist():
        last = fits[-1].coef[problem.order] if fits else zero
        starts = [last] if problem.charge.convex or not last.any() else [last, zero]
        found = (solve_groups(problem.at(lam), start, float(tol), gathered) for start in starts)
        fits.append(min(found, key=lambda solution: solution.objective))
    return Path(grid, tuple(fits))


def largest_group_lam(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> float:
    r"""Return the least λ at which w = 0 is stationary, exactly.

    With z the negative gradient at the model without X, it is the largest root λ_g over the groups of

    .. math:: \lVert S(z_g, \lambda\,\tau\psi'(0)) \rVert_2 = \lambda\,c_g\varphi'(0), \qquad S(z, t) = (|z| - t)_+

    which is one quadratic equation between two of the sorted :math:`|z_j|`; it is ‖z_g‖/c_g for the group lasso, and
    ‖z‖_∞/(1 − a) for ‖w‖₁ − a‖w‖₂. It is 0 where the slope at 0 is infinite.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset
        As for :func:`etatrick.numerics.groups.fitting.fit_groups`.

    Raises
    ------
    InputError
        As `fit_groups`.

    Examples
    --------
    >>> from etatrick.numerics.groups.penalties import SparseGroupLasso
    >>> largest_group_lam(np.eye(2), [3.0, 4.0], SparseGroupLasso([[0, 1]], weights=[1]))
    5.0
    """
    return _largest(pose_groups(X, y, penalty, 1.0, loss, fit_intercept, sample_weight, offset))


def _largest(problem: GroupTask) -> float:
    charge, z = problem.charge.at(1.0), problem.null_pull
    if charge.alpha > 0:
        top = float(np.abs(z).max())
        return top / (1 - charge.alpha) if charge.alpha < 1 else (np.inf if top > 0 else 0.0)
    if charge.locking:
        return 0.0
    return charge.dual_norm(z)
