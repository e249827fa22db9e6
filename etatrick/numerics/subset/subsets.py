"""`best_subset`, `best_subset_path` and `l0_minimum`: least squares on few columns, swap-optimal and certified."""

from operator import index
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import check_lam
from etatrick.numerics.subset.exchange import Terms
from etatrick.numerics.subset.moments import pose_subsets
from etatrick.numerics.subset.result import SubsetFit, SubsetPath
from etatrick.numerics.subset.search import best_support, chain, fitted
from etatrick.numerics.subset.starts import STARTS, USUAL, Given, Start
from etatrick.numerics.working_set.fitting import read_start

if TYPE_CHECKING:
    from numpy.typing import ArrayLike


def best_subset(
    X: Any,
    y: "ArrayLike",
    k: int,
    *,
    ridge: float = 0.0,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    starts: int = USUAL,
) -> SubsetFit:
    r"""Minimise ½‖y − Xw‖² + ½ρ‖w‖² over w with at most k nonzero entries, to swap-local optimality.

    From some starts (greedy additions; the support of a lasso; twice as many columns and back; the largest
    correlations) the best exchange of one column for another, over all pairs, is made until none lowers the objective.
    Further starts are left out once every member is worth at least twice as much as any other column.
    A column counts as linearly dependent on others within an angle of about 3e-5.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        Used where it is; only the rows of XᵀX that are asked for are formed.
    y : array_like, shape (n,)
    k : int
        0 ≤ k; fewer columns are used where more would be linearly dependent or add nothing.
    ridge : float
        ρ ≥ 0.
    fit_intercept : bool
        Whether to fit an unpenalised constant, which is not counted.
    sample_weight : array_like, shape (n,), optional
        Nonnegative weights of the terms of the loss.
    offset : array_like, shape (n,), optional
        Subtracted from y.
    start : array_like, shape (d,), optional
        A point whose nonzero entries are one more start, so that the result is never worse than it.
    starts : int
        How many of the built-in starts to try, from 1 (fastest) to 4 (the lowest objective).

    Returns
    -------
    SubsetFit
        Its certificate says that no addition (where k allows one) and no exchange lowers the objective.

    Raises
    ------
    InputError
        For unusable data, or k, ridge or starts out of range.

    Examples
    --------
    >>> best_subset(np.eye(3), [3.0, 1.0, -2.0], 2).coef
    array([ 3.,  0., -2.])
    """
    count = _count("k", k)
    _check_ridge(ridge)
    moments = pose_subsets(X, y, fit_intercept, sample_weight, offset)
    terms = Terms(0.0, min(count, moments.d))
    support, changes, history = best_support(moments, float(ridge), terms, _starts(starts, start, moments.d))
    return fitted(moments, [support], 0.0, [terms.limit], changes, history)[0]


def best_subset_path(
    X: Any,
    y: "ArrayLike",
    k_max: int,
    *,
    ridge: float = 0.0,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> SubsetPath:
    r"""Return swap-local minima of ½‖y − Xw‖² + ½ρ‖w‖² with at most 0, 1, …, k_max nonzero entries.

    Each size starts from its neighbours, upwards by the best addition and downwards by the best removal, again while
    any size gets better.

    Parameters
    ----------
    X, y, ridge, fit_intercept, sample_weight, offset
        As in :func:`best_subset`.
    k_max : int
        The largest size ≥ 0; the path ends earlier where no further column lowers the objective.

    Returns
    -------
    SubsetPath

    Raises
    ------
    InputError
        As :func:`best_subset`.

    Examples
    --------
    >>> best_subset_path(np.eye(3), [3.0, 1.0, -2.0], 3).rss
    array([14.,  5.,  1.,  0.])
    """
    count = _count("k_max", k_max)
    _check_ridge(ridge)
    moments = pose_subsets(X, y, fit_intercept, sample_weight, offset)
    supports = chain(moments, float(ridge), min(count, moments.d))
    return SubsetPath(tuple(fitted(moments, supports, 0.0, [s.size for s in supports], 0, [])))


def l0_minimum(
    X: Any,
    y: "ArrayLike",
    lam: float,
    *,
    ridge: float = 0.0,
    limit: int | None = None,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    starts: int = USUAL,
) -> SubsetFit:
    r"""Minimise ½‖y − Xw‖² + ½ρ‖w‖² + λ‖w‖₀ until no single addition, removal or exchange lowers it.

    Parameters
    ----------
    X, y, ridge, fit_intercept, sample_weight, offset, start, starts
        As in :func:`best_subset`.
    lam : float
        λ > 0, the price of a column.
    limit : int, optional
        The largest number of columns.

    Returns
    -------
    SubsetFit

    Raises
    ------
    InputError
        As :func:`best_subset`; also for λ = 0.

    Examples
    --------
    >>> found = l0_minimum(np.eye(3), [3.0, 1.0, -2.0], 1.0)
    >>> found.coef, found.objective, found.locally_minimal
    (array([ 3.,  0., -2.]), 2.5, True)
    """
    check_lam(lam)
    if lam == 0:
        raise InputError("lam = 0", "leaves a plain least-squares problem", "use best_subset, or a λ > 0")
    _check_ridge(ridge)
    moments = pose_subsets(X, y, fit_intercept, sample_weight, offset)
    most = moments.d if limit is None else min(_count("limit", limit), moments.d)
    terms = Terms(float(lam), most)
    support, changes, history = best_support(moments, float(ridge), terms, _starts(starts, start, moments.d))
    return fitted(moments, [support], float(lam), [most], changes, history)[0]


def _starts(number: Any, start: Any, d: int) -> tuple[Start, ...]:
    count = _count("starts", number)
    if not 1 <= count <= len(STARTS):
        raise InputError(f"starts = {number!r}", f"must be a whole number from 1 to {len(STARTS)}", "leave it out")
    given = () if start is None else (Given(np.flatnonzero(read_start(start, d))),)
    return (*given, *STARTS[:count])


def _count(name: str, value: Any) -> int:
    try:
        count = -1 if isinstance(value, bool) else index(value)
    except TypeError:
        count = -1
    if count < 0:
        raise InputError(f"{name} = {value!r}", "must be a whole number ≥ 0", "choose e.g. 5")
    return count


def _check_ridge(ridge: Any) -> None:
    if not (np.ndim(ridge) == 0 and np.isreal(ridge) and np.isfinite(ridge) and ridge >= 0):
        raise InputError(f"ridge = {ridge}", "must be a finite number ≥ 0", "leave it at 0")
