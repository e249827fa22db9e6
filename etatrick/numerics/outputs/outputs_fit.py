"""`fit_outputs`: one penalised model of several outputs, squared or multinomial, with its certificate."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.outputs.arrangement import ByEntries, ByRows
from etatrick.numerics.outputs.columnwise import fit_columns
from etatrick.numerics.outputs.entropy_descent import fit_entropy
from etatrick.numerics.outputs.posing import OutputsTask, pose_outputs
from etatrick.numerics.outputs.responses import SquaredErrors
from etatrick.numerics.outputs.row_squares import fit_row_squares
from etatrick.numerics.outputs.smooth_outputs import fit_smooth_outputs
from etatrick.numerics.working_set.curve import Shifted
from etatrick.numerics.working_set.fitting import check_tol

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    from etatrick.numerics.outputs.outcome import OutputsFit

    Floats = NDArray[np.float64]

SHIFTS = 10  # stages of the continuation in ε
SHRINK = 0.3
COARSE = 1e-4  # tolerance of the stages before the last


def fit_outputs(
    X: Any,
    Y: "ArrayLike",
    penalty: Any,
    lam: float,
    loss: Any = "squared",
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> "OutputsFit":
    r"""Minimise Σ_i v_i ℓ(y_i, Wᵀx_i + b + o_i) + λ P(W) over W (d, K) and b (K,).

    ℓ is ½‖y − θ‖², or log Σ_k e^{θ_k} − ⟨y, θ⟩ for classes; P is Σ_jk Ω(\|W_jk\|), or Σ_j Ω(‖W_j·‖₂) for
    ``Rows(penalty)``: with Ω(w) = w the multi-task lasso and the grouped multinomial model. Convex penalties are solved
    to a relative duality gap of `tol`; others to a stationary point.

    Parameters
    ----------
    X : array_like or scipy.sparse array, shape (n, d)
        Used where it is; a sparse one is never made dense or copied.
    Y : array_like, shape (n, K), or (n,) for labels
        Numbers; for the multinomial loss labels of K ≥ 2 classes, or rows of shares ≥ 0 that sum to 1.
    penalty : Duality, catalogue entry, CompiledPenalty or Rows of one
        Without free parameters, finite at 0 and without a jump there.
    lam : float
        λ ≥ 0, multiplying P; the loss is a sum, not a mean (scikit-learn's MultiTaskLasso has alpha = λ/n, its
        LogisticRegression C = 1/λ).
    loss : {"squared", "multinomial"} or Loss
    fit_intercept : bool
        Whether to fit b, which is not penalised; otherwise b = 0.
    sample_weight : array_like, shape (n,), optional
        v ≥ 0.
    offset : array_like, shape (n, K), optional
    start : array_like, shape (d, K), optional
        Where to start; 0 by default.
    tol : float
        See above; > 0.

    Returns
    -------
    OutputsFit
        At λ = 0, with classes that planes separate, its status is ``Status.DIVERGING``.

    Raises
    ------
    InputError
        For bad data, λ < 0, a loss of one output, one class only, or a penalty that is −∞ or jumps at 0.

    Examples
    --------
    >>> from etatrick.numerics.outputs import Rows
    >>> from etatrick.theory import penalties
    >>> Y = [[3.0, 4.0], [0.5, 0.0], [0.0, -2.0]]
    >>> found = fit_outputs(np.eye(3), Y, Rows(penalties["l1"](k=1)), 1.0)
    >>> found.coef
    array([[ 2.4,  3.2],
           [ 0. ,  0. ],
           [ 0. , -1. ]])
    >>> found.status.name, found.relative_gap < 1e-12
    ('OPTIMAL', True)
    """
    check_tol(tol)
    task, classes = pose_outputs(X, Y, penalty, lam, loss, fit_intercept, sample_weight, offset)
    found = solve_outputs(task, _start(start, task.design.shape[1], task.Y.shape[1]), float(tol))
    return replace(found, classes=classes)


def solve_outputs(task: OutputsTask, W: "Floats", tol: float) -> "OutputsFit":
    """Choose the method by loss and penalty, and run it from W (see :func:`fit_outputs`)."""
    curve = task.arrangement.curve
    squared = isinstance(task.response, SquaredErrors)
    if squared and (isinstance(task.arrangement, ByEntries) or task.lam == 0):
        return fit_columns(task, W, tol)
    if task.lam == 0 or curve.start == 0:
        return fit_smooth_outputs(task, W, task.null[0], tol)
    if curve.convex:
        return _kinked(task, W, tol)
    found = [_kinked(task, W, tol)]
    if not np.isfinite(curve.start) or not found[0].coef.any():
        found.append(_continued(task, tol))
    return min(found, key=lambda fit: fit.objective)


def _kinked(task: OutputsTask, W: "Floats", tol: float) -> "OutputsFit":
    if isinstance(task.response, SquaredErrors):
        return fit_row_squares(task, W, tol)
    return fit_entropy(task, W, task.null[0], tol)


def _continued(task: OutputsTask, tol: float) -> "OutputsFit":
    """Follow Ω(r + ε) − Ω(ε) from a large ε, where it is nearly r, down to ε = 0."""
    by = ByRows if isinstance(task.arrangement, ByRows) else ByEntries
    bends = task.design.squares(task.weights)
    if not isinstance(task.response, SquaredErrors):
        bends = bends / 4
    pulls = np.abs(task.null_pull).max(axis=1)
    size = float((pulls / np.where(bends > 0, bends, np.inf)).max()) or 1.0
    W, epsilon = np.zeros(task.null_pull.shape), 2 * size
    for _ in range(SHIFTS):
        W = _kinked(task.under(by(Shifted.of(task.arrangement.curve, epsilon))), W, COARSE).coef
        epsilon *= SHRINK
    return _kinked(task, W, tol)


def _start(start: Any, d: int, K: int) -> "Floats":
    if start is None:
        return np.zeros((d, K))
    try:
        W = np.array(start, dtype=np.float64)
    except (TypeError, ValueError):
        raise InputError("start", "must be an array of real numbers", "leave it out to start at 0") from None
    if W.shape != (d, K) or not np.isfinite(W).all():
        raise InputError(f"start of shape {W.shape}", f"must be finite, of shape ({d}, {K})",
                         "pass one row per column of X, one column per output")  # fmt: skip
    return W
