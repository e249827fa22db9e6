"""Accelerated proximal gradient with restarts and duality gaps, for a squared loss and a squared spectral norm."""

from collections.abc import Callable
from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Final, final

import numpy as np

from etatrick.errors import InputError
from etatrick.numerics.completion.spectral_norms import SpectralNorm, spectral_norm
from etatrick.numerics.factorization.checking import count, matrix
from etatrick.numerics.solution import Status

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

EVERY: Final = 5  # steps between two duality gaps


@final
@dataclass(frozen=True)
class SpectralFit:
    """A minimiser of a squared loss + β·N², with what proves it.

    Parameters
    ----------
    matrix : ndarray
        The completed matrix (a, b), or the coefficients (d, q).
    intercept : ndarray, shape (q,)
        Of the outputs; empty for completion.
    objective : float
    gap : float
        Objective minus the value of a dual feasible point, recomputed from the data.
    relative_gap : float
        The gap divided by the objective at 0.
    status : Status
    iterations : int
    history : tuple of float
        The objective at every check.
    """

    matrix: "NDArray[np.float64]"
    intercept: "NDArray[np.float64]"
    objective: float
    gap: float
    relative_gap: float
    status: Status
    iterations: int
    history: tuple[float, ...]

    @property
    def singular_values(self) -> "NDArray[np.float64]":
        """Of `matrix`, nonincreasing."""
        return _values(self.matrix)


@final
@dataclass(frozen=True)
class Observed:
    """The loss ‖D − K(A)‖² of a linear observation K of the unknown matrix A.

    Parameters
    ----------
    target : ndarray
        D.
    forward, adjoint : callable
        K and its adjoint.
    largest : float
        ‖K‖², the largest eigenvalue of K*K.
    shape : tuple of int
        Of A.
    """

    target: "NDArray[np.float64]"
    forward: "Callable[[NDArray[np.float64]], NDArray[np.float64]]"
    adjoint: "Callable[[NDArray[np.float64]], NDArray[np.float64]]"
    largest: float
    shape: tuple[int, int]

    def judge(self, A: "NDArray[np.float64]", norm: SpectralNorm, beta: float) -> tuple[float, float]:
        """Return the objective at A and its gap to 2⟨Z, D⟩ − ‖Z‖² − N*²(K*Z)/β, Z a multiple of the residual."""
        residual = self.target - self.forward(A)
        square = float(np.sum(residual**2))
        penalty = beta * norm.norm(_values(A)) ** 2
        charge = square + norm.dual_norm(_values(self.adjoint(residual))) ** 2 / beta
        pairing = float(np.sum(residual * self.target))
        dual = pairing**2 / charge if charge > 0 else 0.0
        return square + penalty, square + penalty - dual


def minimize_spectral(
    data: Observed,
    k: Any,
    beta: float,
    start: "ArrayLike | None",
    tol: float,
    limit: int,
    progress: Callable[[int, float], None],
) -> SpectralFit:
    """Run Nesterov's method, restarted whenever the momentum points uphill (O'Donoghue and Candès 2015)."""
    norm, beta, tol = spectral_norm(k, min(data.shape)), _positive("beta", beta), _positive("tol", tol)
    limit = count("max_iterations", limit)
    point = np.zeros(data.shape) if start is None else matrix("start", start)
    if point.shape != data.shape:
        raise InputError(f"start of shape {point.shape}", f"must have shape {data.shape}", "leave it out to start at 0")
    origin = float(np.sum(data.target**2)) or 1.0
    objective, gap = data.judge(point, norm, beta)
    ahead, momentum, history, step = point, 1.0, [objective], 0
    while gap > tol * origin and step < limit:
        step += 1
        moved = ahead + data.adjoint(data.target - data.forward(ahead)) / data.largest
        U, sizes, Vt = np.linalg.svd(moved, full_matrices=False)
        new = (U * norm.prox(sizes, beta / data.largest)) @ Vt
        if float(np.sum((ahead - new) * (new - point))) > 0:
            momentum = 1.0
        following = (1 + np.sqrt(1 + 4 * momentum**2)) / 2
        ahead = new + (momentum - 1) / following * (new - point)
        point, momentum = new, following
        if step % EVERY == 0 or step == limit:
            objective, gap = data.judge(point, norm, beta)
            history.append(objective)
            progress(step, gap / origin)
    status = Status.OPTIMAL if gap <= tol * origin else Status.LIMIT
    return SpectralFit(point, np.zeros(0), objective, gap, gap / origin, status, step, tuple(history))


def _values(A: "NDArray[np.float64]") -> "NDArray[np.float64]":
    return np.asarray(np.linalg.svd(A, compute_uv=False), dtype=np.float64)


def _positive(name: str, value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, Real) or not (np.isfinite(float(value)) and float(value) > 0):
        raise InputError(f"{name} = {value}", "must be a finite number > 0", f"choose e.g. {name}=1e-3")
    return float(value)
