"""`solve`, `path` and `lam_max`: penalised linear and generalised linear models, with certificates."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.groups.fitting import fit_groups
from etatrick.numerics.groups.paths import fit_group_path, largest_group_lam
from etatrick.numerics.joint_solver import AUTO, REWEIGHTED, joint_path_start, minimise_jointly
from etatrick.numerics.methods import Kind, Method, check_method, kind_of, need_squared, solver_named
from etatrick.numerics.outputs.recognition import has_several_outputs
from etatrick.numerics.problem import JointProblem, check_lam, pose
from etatrick.numerics.reweighted import ridge_step
from etatrick.numerics.solution import Path, Solution
from etatrick.numerics.subset.dispatch import largest_subset_lam, takes
from etatrick.numerics.vector_penalties import fit_vector_penalty, is_norm, vector_path_start
from etatrick.numerics.vector_problem import pose_vector
from etatrick.numerics.working_set.curve import read_prox_curve
from etatrick.numerics.working_set.fitting import check_tol, read_start
from etatrick.numerics.working_set.paths import fit_path, geometric, largest_lam, read_grid

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]


def solve(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    method: Method = "auto",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    r"""Minimise Σ_i v_i ℓ(y_i, x_iᵀw + b + o_i) + λ Σ_j Ω(w_j), or + λΩ(w) where scales share a budget.

    For a convex penalty the result is the global optimum, with a duality gap that proves it; otherwise a stationary
    point no worse than `start`, whose zeros were tested: a zero whose gradient exceeds λΩ′(0+) is released.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
    y : array_like, shape (n,)
    penalty : Duality, catalogue entry or VectorDuality
        Without free parameters, e.g. ``penalties["log_sum"](epsilon=2)``; or with scales that share a budget:
        ``KSupport(k=3)``, ``RankWeights(omega)``, ``GroupKSupport(groups, k)``, halves of squared norms, for the
        squared loss and a dense X; or on groups of weights: ``Groups``, ``SparseGroupLasso``, ``L1MinusL2``; or any
        other on whole vectors that is finite, for the squared loss and a dense X: ``Ordered()``, ``Overlapping``,
        ``TrimmedRidge``, ``SparseBayes(X, noise)`` with λ = noise, or a class of your own.
    lam : float
        λ ≥ 0, multiplying ΣΩ; the loss is a sum, not a mean (scikit-learn's Lasso has alpha = λ/n).
    loss : str or Loss
        ½(y − θ)² by default; any other of :mod:`etatrick.numerics.losses` takes its place.
    method : str
        "auto" chooses the fastest: the *working set* for penalties that split into coordinates or groups, accelerated
        proximal gradient for joint scales, Newton's method in the scales for other vectors. To be chosen by name:

        - "working_set": Newton steps on the coordinates that matter;
        - "reweighted_ridge": the η-trick as an algorithm, for study (squared loss, dense X);
        - "proximal_gradient": accelerated, through the proximal map of Ω;
        - "majorize_minimize": a weighted lasso at every step, for concave penalties;
        - "subset": additions, removals and exchanges of columns, for ℓ0, for which "auto" chooses it (squared loss);
        - "cvxpy": Clarabel through cvxpy, for convex penalties; its word is not trusted, only our certificate.
    fit_intercept : bool
        Whether to fit b, which is not penalised; otherwise b = 0.
    sample_weight, offset : array_like, shape (n,), optional
        v ≥ 0, 1 by default, and o, 0 by default.
    start : array_like, shape (d,), optional
        Where to start; by default 0, for reweighted ridge the ridge solution with η = 1.
    tol : float
        Relative duality gap to reach, where there is none the relative KKT residual; see
        :class:`etatrick.numerics.Certificate`.

    Returns
    -------
    Solution

    Raises
    ------
    InputError
        For bad data, λ < 0, an unknown method or loss, a penalty that no solver takes (−∞ or a jump at 0, no closed
        form), or one that the method or the loss does not take.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> s = solve(np.eye(3), [3.0, 0.5, -2.0], penalties["l1"](k=1), 1.0)
    >>> s.coef.round(12) + 0.0
    array([ 2.,  0., -1.])
    >>> s.status.name, s.certificate.relative_gap < 1e-12
    ('OPTIMAL', True)
    """
    kind = _check(y, penalty, loss, method, tol)
    data: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    if kind == "vector":
        need_squared(loss)
        return fit_vector_penalty(X, y, penalty, lam, **data, start=start, tol=float(tol))
    if kind != "joint":
        solver = fit_groups if kind == "groups" else solver_named(_chosen(method, penalty, lam, loss))
        return solver(X, y, penalty, lam, loss, **data, start=start, tol=float(tol))
    posed = _posed(X, y, penalty, lam, loss, data)
    first = None if start is None else read_start(start, posed.X.shape[1])
    return _jointly(posed, first, method, float(tol))


def path(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    lams: "Sequence[float] | NDArray[np.float64] | None" = None,
    n_lams: int = 100,
    ratio: float = 1e-2,
    loss: Any = "squared",
    method: Method = "auto",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    tol: float = 1e-12,
    progress: Callable[[float], None] = lambda fraction: None,
) -> Path:
    """Solve along a grid of λ from the largest down, each from the last solution.

    Where the penalty is not convex, each is the better of that and one from a cold start.

    Parameters
    ----------
    X, y, penalty, loss, method, fit_intercept, sample_weight, offset, tol
        As in :func:`solve`.
    lams : sequence of float, optional
        The grid, in any order; by default `n_lams` values from :func:`lam_max` down to `ratio` of it.
    n_lams, ratio : int, float
        Length and reach of the default grid.
    progress : callable
        Called with the fraction done.

    Returns
    -------
    Path
        In the order of the grid.

    Raises
    ------
    InputError
        As :func:`solve`; also where y leaves no λ at which a path could start.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> p = path(np.eye(2), [3.0, 1.0], penalties["l1"](k=1), n_lams=3)
    >>> p.lams
    array([3.  , 0.3 , 0.03])
    """
    kind = _check(y, penalty, loss, method, tol)
    method = _chosen(method, penalty, 1.0, loss)
    data: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    asked = geometric(1.0, n_lams, ratio) if lams is None else read_grid(lams)  # refuses bad numbers before any work
    if lams is None:
        top = lam_max(X, y, penalty, loss, **data)
        asked = geometric(top, n_lams, ratio)
    order = np.argsort(-asked, kind="stable")
    grid = asked[order]
    if kind == "joint":
        posed = _posed(X, y, penalty, 1.0, loss, data)
        solutions = _warm(grid, lambda lam, start: _jointly(posed.with_lam(lam), start, method, tol), True, progress)
    elif kind == "vector":
        need_squared(loss)
        solutions = _warm(
            grid, lambda lam, start: fit_vector_penalty(X, y, penalty, lam, **data, start=start, tol=tol),
            is_norm(penalty), progress)  # fmt: skip
    elif kind == "groups":
        solutions = fit_group_path(X, y, penalty, grid, loss=loss, **data, tol=tol).solutions
        progress(1.0)
    elif method in ("auto", "working_set"):
        solutions = fit_path(X, y, penalty, grid, loss=loss, **data, tol=tol, progress=progress).solutions
    else:
        solver = solver_named(method)
        solutions = _warm(grid, lambda lam, start: solver(X, y, penalty, lam, loss, **data, start=start, tol=tol),
                          read_prox_curve(penalty).convex, progress)  # fmt: skip
    back = np.argsort(order)
    return Path(asked, tuple(solutions[i] for i in back))


def lam_max(
    X: Any,
    y: "ArrayLike",
    penalty: Any,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> float:
    """Return where a path starts: the least λ at which all weights are 0, ‖Xᵀ(vℓ′)‖_∞/Ω′(0+) at the model without X.

    For a convex penalty with Ω′(0+) > 0 that is exact; for others and for joint scales see
    :func:`etatrick.numerics.working_set.largest_lam`.

    Parameters
    ----------
    X, y, penalty, loss, fit_intercept, sample_weight, offset
        As in :func:`solve`.

    Returns
    -------
    float
        0 where y has nothing that X could explain.

    Raises
    ------
    InputError
        As :func:`solve`.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> lam_max(np.eye(2), [3.0, 1.0], penalties["l1"](k=2))
    1.5
    """
    data: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    kind = _check(y, penalty, loss, "auto", 1e-12)
    if kind == "joint":
        return joint_path_start(_posed(X, y, penalty, 1.0, loss, data))
    if kind == "vector":
        need_squared(loss)
        return vector_path_start(pose_vector(X, y, penalty, 1.0, **data))
    if kind == "groups":
        return largest_group_lam(X, y, penalty, loss, **data)
    if takes(penalty, 1.0, loss):
        return largest_subset_lam(X, y, penalty, **data)
    return largest_lam(X, y, penalty, loss, **data)


def _chosen(method: Method, penalty: Any, lam: float, loss: Any) -> Method:
    return "subset" if method == "auto" and takes(penalty, lam, loss) else method


def _check(y: Any, penalty: Any, loss: Any, method: Any, tol: Any) -> Kind:
    if has_several_outputs(y, loss, penalty):
        plain = has_several_outputs(y, "squared", None)
        given = f"y of shape {np.shape(y)}" if plain else f"loss = {loss!r}, penalty = {penalty!r}"
        raise InputError(given, "means several outputs, where solve and path have one number per row",
                         "use fit_outputs or fit_outputs_path")  # fmt: skip
    kind = kind_of(penalty)
    check_method(method, kind)
    check_tol(tol)
    return kind


def _posed(X: Any, y: "ArrayLike", penalty: Any, lam: float, loss: Any, data: dict[str, Any]) -> JointProblem:
    need_squared(loss)
    check_lam(lam)
    posed = pose(X, y, penalty, lam, **data)
    assert isinstance(posed, JointProblem)
    return posed


def _jointly(posed: JointProblem, start: "Floats | None", method: str, tol: float) -> Solution:
    if method == "auto":
        return minimise_jointly(posed, np.zeros(posed.X.shape[1]) if start is None else start, tol, AUTO)
    first = ridge_step(posed, np.ones(posed.X.shape[1])) if start is None else start
    return minimise_jointly(posed, first, tol, REWEIGHTED)


def _warm(
    grid: "Floats",
    solved: "Callable[[float, Floats | None], Solution]",
    convex: bool,
    progress: Callable[[float], None],
) -> tuple[Solution, ...]:
    """Return the solutions along decreasing λ, each from the last, or the better of that and a cold start."""
    found: list[Solution] = []
    for lam in grid.tolist():
        starts = [found[-1].coef] if found and convex else [None, *(one.coef for one in found[-1:])]
        found.append(min((solved(lam, start) for start in starts), key=lambda solution: solution.objective))
        progress(len(found) / len(grid))
    return tuple(found)
