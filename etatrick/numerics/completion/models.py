"""Matrix completion and multi-output regression with squared spectral norms."""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.completion.accelerated import Observed, SpectralFit, minimize_spectral
from etatrick.numerics.factorization.checking import matrix

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def complete_matrix(
    Y: "ArrayLike",
    observed: "ArrayLike",
    k: "float | Sequence[float] | NDArray[np.float64]",
    beta: float,
    *,
    start: "ArrayLike | None" = None,
    tol: float = 1e-8,
    max_iterations: int = 10_000,
    progress: Callable[[int, float], None] = lambda iteration, relative_gap: None,
) -> SpectralFit:
    """Return the minimiser of Σ_observed (Y_ij − A_ij)² + β N(A)², N the spectral k-support norm.

    k = 1 is the squared nuclear norm, what dropout imposes on a factorisation; k = r what DropBlock on blocks of r
    units imposes (McDonald et al. 2014 complete matrices with it). No factor ½.

    Parameters
    ----------
    Y : array_like, shape (a, b)
        Entries that are not observed are ignored; they may be NaN.
    observed : array_like of bool, shape (a, b)
    k : float or sequence of float
        In [1, min(a, b)], not necessarily an integer; or min(a, b) nonincreasing weights ω, for the norm with dual
        Σω_iσ_i².
    beta : float
        β > 0.
    start : array_like, shape (a, b), optional
        E.g. the solution at another β.
    tol : float
        Relative duality gap to reach.
    max_iterations : int
    progress : callable
        Called with the iteration and the relative gap at every check.

    Returns
    -------
    SpectralFit

    Raises
    ------
    InputError
        For observed entries that are not finite, masks of another shape or without entries, k or β out of range.

    Examples
    --------
    >>> from etatrick.numerics.completion import complete_matrix
    >>> fit = complete_matrix([[3.0, 0.0], [0.0, np.nan]], [[True, True], [True, False]], k=1, beta=0.5)
    >>> fit.matrix.round(6) + 0.0, fit.relative_gap <= 1e-8
    (array([[2., 0.],
           [0., 0.]]), True)
    """
    mask = np.asarray(observed)
    if mask.dtype != np.bool_ or not mask.any():
        raise InputError("observed", "must be a boolean mask with at least one True", "pass ~np.isnan(Y), say")
    given = np.asarray(Y)
    if given.shape != mask.shape:
        shapes = f"Y of shape {given.shape} and observed of shape {mask.shape}"
        raise InputError(shapes, "must have one shape", "pass one flag per entry")
    target = matrix("Y", np.where(mask, given, 0.0))
    data = Observed(target, lambda A: np.where(mask, A, 0.0), lambda R: R, 1.0, (target.shape[0], target.shape[1]))
    return minimize_spectral(data, k, beta, start, tol, max_iterations, progress)


def fit_multi_output(
    X: "ArrayLike",
    Y: "ArrayLike",
    k: "float | Sequence[float] | NDArray[np.float64]",
    beta: float,
    *,
    fit_intercept: bool = False,
    start: "ArrayLike | None" = None,
    tol: float = 1e-8,
    max_iterations: int = 10_000,
    progress: Callable[[int, float], None] = lambda iteration, relative_gap: None,
) -> SpectralFit:
    """Return the minimiser of ‖Y − XW‖² + β N(W)², N the spectral k-support norm, for several outputs at once.

    Parameters
    ----------
    X : array_like, shape (n, d)
    Y : array_like, shape (n, q)
    k, beta, tol, max_iterations, progress
        As in :func:`complete_matrix`, with min(d, q) in place of min(a, b).
    fit_intercept : bool
        Whether to fit an unpenalised constant per output.
    start : array_like, shape (d, q), optional

    Returns
    -------
    SpectralFit

    Raises
    ------
    InputError
        For matrices that are empty, not finite or of different lengths, k or β out of range.

    Examples
    --------
    >>> from etatrick.numerics.completion import fit_multi_output
    >>> fit = fit_multi_output(np.eye(2), [[3.0, 0.0], [0.0, 1.0]], k=1, beta=0.5)
    >>> fit.matrix.round(6) + 0.0
    array([[2., 0.],
           [0., 0.]])
    """
    inputs, target = matrix("X", X), matrix("Y", Y)
    if len(inputs) != len(target):
        shapes = f"X of shape {inputs.shape} and Y of shape {target.shape}"
        raise InputError(shapes, "must have the same number of rows", "check how they were read")
    means = (inputs.mean(axis=0), target.mean(axis=0)) if fit_intercept else (0 * inputs[0], 0 * target[0])
    inputs, target = inputs - means[0], target - means[1]
    largest = float(np.linalg.norm(inputs, 2)) ** 2
    shape = (inputs.shape[1], target.shape[1])
    data = Observed(target, lambda W: inputs @ W, lambda R: inputs.T @ R, largest or 1.0, shape)
    fit = minimize_spectral(data, k, beta, start, tol, max_iterations, progress)
    return SpectralFit(fit.matrix, means[1] - means[0] @ fit.matrix, fit.objective, fit.gap, fit.relative_gap,
                       fit.status, fit.iterations, fit.history)  # fmt: skip
