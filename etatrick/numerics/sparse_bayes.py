"""Exact type-II maximum likelihood for sparse Bayesian learning: `fit_sparse_bayes`, with its certificate."""

from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.problem import absorbed, finite
from etatrick.numerics.scale_space import ScalePoint, ScaleSpace
from etatrick.numerics.solution import Certificate, Solution, Status
from etatrick.numerics.sparse_bayes_record import ScaleCertificate, SparseBayesFit
from etatrick.numerics.sparse_bayes_steps import curvature, evidence, newton, single_scales, violations
from etatrick.theory.vector.base import check_positive
from etatrick.theory.vector.sparse_bayes import SparseBayes

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

    Floats = NDArray[np.float64]

ROUNDS: Final = 30
THRESHOLDS: Final = (1e-3, 1e-6, 1e-9, 1e-12, 1e-14)  # nats by which a scale must help to be moved alone
CONSTANT: Final = 1e-12  # a column that small after centring, relative to before, is constant


def fit_sparse_bayes(
    X: "ArrayLike",
    y: "ArrayLike",
    noise: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> SparseBayesFit:
    """Minimise ½[yᵀC⁻¹y + log det C] over η ≥ 0, with C = τI + X diag(η) Xᵀ.

    That is type-II maximum likelihood (Tipping 2001), and the η-trick problem ½‖y − Xw‖² + τΩ(w) with
    :class:`etatrick.theory.vector.SparseBayes` (Wipf, Nagarajan 2008). Scales are set one at a time to their exact
    minimisers (Tipping, Faul 2003), then together by Newton's method in log η. The problem is not convex: the result
    is a stationary point. No d×d matrix is formed when d > n.

    Parameters
    ----------
    X : array_like, shape (n, d)
    y : array_like, shape (n,)
    noise : float
        Noise variance τ > 0; with weights v that of row i is τ/v_i.
    fit_intercept : bool
        Whether to fit an intercept with a flat prior: X and y are centred.
    sample_weight, offset : array_like, shape (n,), optional
        v ≥ 0, 1 by default; what is added to Xw.
    start : array_like, shape (d,), optional
        Weights to start from; the result is no worse. By default 0.
    tol : float
        Largest violation of stationarity, relative as in :class:`ScaleCertificate` and :class:`Certificate`.

    Returns
    -------
    SparseBayesFit

    Raises
    ------
    InputError
        For bad data, a noise variance or tolerance that is not positive.

    Examples
    --------
    >>> fit = fit_sparse_bayes(np.eye(3), [3.0, 0.5, -2.0], 1.0)
    >>> fit.eta.round(9).tolist()  # max(y² − τ, 0) for orthonormal columns
    [8.0, 0.0, 3.0]
    >>> fit.coef.round(9).tolist(), fit.solution.status.name
    ([2.666666667, 0.0, -1.5], 'STATIONARY')
    """
    check_positive("noise", noise, "the noise variance")
    check_positive("tol", tol, "the tolerance")
    rows, target, X_mean, y_mean = _model(X, y, fit_intercept, sample_weight, offset)
    space = ScaleSpace(rows, target, float(noise))
    point, history, stalled = _descend(space, _start(rows, float(noise), start), float(tol))
    coef = point.coef
    scales, proof = _proofs(rows, target, float(noise), point.eta)
    status = Status.STALLED if stalled or scales.relative_gradient <= tol else Status.LIMIT
    if max(scales.relative_gradient / (100 if stalled else 1), proof.relative_kkt / 100) <= tol:
        status = Status.STATIONARY  # given the scales, only rounding is left in the weights
    intercept = y_mean - float(X_mean @ coef)
    return SparseBayesFit(
        point.eta, scales, Solution(coef, intercept, scales.objective, proof, status, len(history) - 1, tuple(history))
    )


def scale_certificate(
    X: "ArrayLike",
    y: "ArrayLike",
    eta: "ArrayLike",
    noise: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
) -> ScaleCertificate:
    """Return how far any scales are from a stationary point of the marginal likelihood, from the data alone.

    Parameters
    ----------
    X, y, noise, fit_intercept, sample_weight, offset
        As for :func:`fit_sparse_bayes`.
    eta : array_like, shape (d,)
        Finite scales η ≥ 0.

    Returns
    -------
    ScaleCertificate

    Raises
    ------
    InputError
        As :func:`fit_sparse_bayes`; also for scales that are negative, not finite or not d.

    Examples
    --------
    >>> scale_certificate(np.eye(2), [3.0, 0.5], [8.0, 0.0], 1.0).relative_gradient < 1e-14
    True
    >>> scale_certificate(np.eye(2), [3.0, 0.5], [7.0, 0.0], 1.0).relative_gradient  # 9/8 − 1
    0.125
    """
    check_positive("noise", noise, "the noise variance")
    rows, target, *_ = _model(X, y, fit_intercept, sample_weight, offset)
    scales = finite("eta", eta)
    if scales.shape != rows.shape[1:] or (scales < 0).any():
        raise InputError(f"eta of shape {scales.shape}", f"must be {rows.shape[1]} scales ≥ 0", "pass one per column")
    return _proofs(rows, target, float(noise), scales)[0]


def solve_sparse_bayes(
    X: Any,
    y: "ArrayLike",
    penalty: SparseBayes,
    lam: float,
    *,
    fit_intercept: bool = False,
    sample_weight: "ArrayLike | None" = None,
    offset: "ArrayLike | None" = None,
    start: "ArrayLike | None" = None,
    tol: float = 1e-12,
) -> Solution:
    """Return the solution of :func:`fit_sparse_bayes` after a check that penalty, λ and data belong together.

    Parameters
    ----------
    penalty : SparseBayes
        Its design must be that of the model: X, less its means where there is an intercept, times √v.
    lam : float
        Its noise variance.
    X, y, fit_intercept, sample_weight, offset, start, tol
        As for :func:`fit_sparse_bayes`.

    Raises
    ------
    InputError
        If the designs differ, or λ is not the noise variance; and as :func:`fit_sparse_bayes`.

    Examples
    --------
    >>> solve_sparse_bayes(np.eye(2), [3.0, 0.5], SparseBayes(np.eye(2), 1.0), 1.0).coef.round(9).tolist()
    [2.666666667, 0.0]
    """
    _belonging(penalty, lam, absorbed(X, y, fit_intercept, sample_weight, offset)[0])
    data: dict[str, Any] = {"fit_intercept": fit_intercept, "sample_weight": sample_weight, "offset": offset}
    return fit_sparse_bayes(X, y, penalty.noise, **data, start=start, tol=tol).solution


def sparse_bayes_certificate(
    rows: "Floats", target: "Floats", penalty: SparseBayes, lam: float, coef: "Floats"
) -> Certificate:
    """Return the certificate of any weights for centred and weighted data; η = η̂(w).

    Raises
    ------
    InputError
        As :func:`solve_sparse_bayes`.
    """
    _belonging(penalty, lam, rows)
    return _proofs(rows, target, float(lam), np.asarray(penalty.eta_hat_at(coef)), coef)[1]


def _belonging(penalty: SparseBayes, lam: float, rows: "Floats") -> None:
    if not (np.ndim(lam) == 0 and lam == penalty.noise):
        raise InputError(f"lam = {lam}", f"must be the noise variance {penalty.noise} of the penalty",
                         "pass lam=penalty.noise")  # fmt: skip
    if penalty.X.shape != rows.shape or not np.allclose(penalty.X, rows, rtol=0, atol=1e-12 * np.abs(rows).max()):
        raise InputError(f"SparseBayes with a design of shape {penalty.X.shape}", "must have the design of the model",
                         "use SparseBayes(X, noise), or fit_sparse_bayes for an intercept or weights")  # fmt: skip


def _model(X: Any, y: "ArrayLike", fit_intercept: bool, sample_weight: Any, offset: Any) -> Any:
    """Return checked data with the intercept and weights absorbed, and columns that are constant then at exactly 0."""
    rows, target, X_mean, y_mean = absorbed(X, y, fit_intercept, sample_weight, offset)
    if fit_intercept:
        size = np.linalg.norm(np.asarray(X, dtype=np.float64), axis=0)
        rows[:, np.linalg.norm(rows, axis=0) <= CONSTANT * size] = 0.0
    return rows, target, X_mean, y_mean


def _start(rows: "Floats", noise: float, start: "ArrayLike | None") -> "Floats":
    eta = np.zeros(rows.shape[1])
    if start is None:
        return eta
    coef = finite("start", start)
    if coef.shape != eta.shape:
        raise InputError(f"start of shape {coef.shape}", f"must be {len(eta)} finite numbers", "pass one per column")
    there = rows.any(axis=0)
    eta[there] = SparseBayes(rows[:, there], noise).eta_hat_at(coef[there]) if there.any() else 0.0
    return eta


def _descend(space: ScaleSpace, eta: "Floats", tol: float) -> tuple[ScalePoint, list[float], bool]:
    """Return the point reached, the objective after every phase or step, and whether rounding ended it."""
    point = space.at(eta)
    history, least = [space.noise * evidence(point)], np.inf
    for count in range(ROUNDS):
        threshold = THRESHOLDS[min(count, len(THRESHOLDS) - 1)]
        moved = space.at(single_scales(space, point.eta, threshold, 10 * len(eta)))
        if evidence(moved) <= evidence(point):
            point = moved
        history.append(space.noise * evidence(point))
        for point in newton(space, point.eta):  # noqa: B020  (each from the last)
            history.append(space.noise * evidence(point))
        worst = float(violations(point).max())
        if worst <= tol:
            return point, history, False
        if count >= len(THRESHOLDS) and worst >= least / 2:
            return point, history, True
        least = min(least, worst)
    return point, history, False


def _proofs(
    rows: "Floats", target: "Floats", noise: float, scales: "Floats", weights: "Floats | None" = None
) -> tuple[ScaleCertificate, Certificate]:
    """Return what proves the scales, and the weights as a stationary point of ½‖y − Xw‖² + τΩ(w).

    Ω and η̂ come from the theory's own minimisation; a zero is held where |x_jᵀr| ≤ τ√S_j, the slope of Ω there.
    """
    point = ScaleSpace(rows, target, noise).at(scales)
    energies, pull, there = point.energies, point.pull, rows.any(axis=0)
    excess = np.where(point.eta > 0, np.abs(pull**2 - energies), np.maximum(pull**2 - energies, 0.0)) / 2
    coef = point.coef if weights is None else weights
    residual = target - rows @ coef
    descent, charge, eta = rows.T @ residual, 0.0, np.zeros_like(coef)
    if there.any():
        rule = SparseBayes(rows[:, there], noise)
        eta[there] = rule.eta_hat_at(coef[there])
        charge = float(rule.energy_at(coef[there], eta[there]))
    slope = np.divide(coef, eta, out=np.zeros_like(coef), where=coef != 0)
    held = np.maximum(np.abs(descent) - noise * np.sqrt(energies), 0.0)
    kkt = float(np.where(coef != 0, np.abs(descent - noise * slope), held).max())
    relative = kkt / (float(np.abs(rows.T @ target).max()) or 1.0)
    bend = np.linalg.eigvalsh(curvature(point)[1]) if (coef != 0).any() else np.ones(1)
    minimal = bool(bend[0] > 0 and max(violations(point).max(), relative) <= 1e-9)
    objective = 0.5 * float(residual @ residual) + noise * charge
    found = ScaleCertificate(float(excess.max()), float(violations(point).max()), objective, noise * evidence(point))
    return found, Certificate(kkt, relative, None, None, minimal)
