"""Direct optimisation over the factors U and V of masked matrix products: the oracle for induced norms."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize

Floats: TypeAlias = NDArray[np.float64]


def charge(covariance: Floats, U: Floats, V: Floats) -> float:
    """Return Σ_ij C̄_ij ⟨u_i, u_j⟩⟨v_i, v_j⟩."""
    return float(np.sum(covariance * (U.T @ U) * (V.T @ V)))


def split(x: Floats, n: int, d: int) -> tuple[Floats, Floats]:
    return x[: n * d].reshape(n, d), x[n * d :].reshape(n, d)


def ascend(covariance: Floats, zeta: Any, starts: int, seed: int) -> float:
    """Return the largest ⟨UVᵀ, diag ζ⟩²/Ω found by L-BFGS from random starts: a lower bound of the dual square."""
    z, d = np.asarray(zeta, dtype=np.float64), len(covariance)
    rng = np.random.default_rng(seed)

    def value(x: Floats) -> tuple[float, Floats]:
        U, V = split(x, len(z), d)
        G, H = U.T @ U, V.T @ V
        omega, inner = float(np.sum(covariance * G * H)), float(np.sum(z[:, None] * U * V))
        if inner == 0:
            return 0.0, np.zeros_like(x)
        ratio = inner / omega
        down_u = 2 * ratio * (z[:, None] * V - ratio * U @ (covariance * H))
        down_v = 2 * ratio * (z[:, None] * U - ratio * V @ (covariance * G))
        return -inner * ratio, -np.concatenate([down_u.ravel(), down_v.ravel()])

    found = 0.0
    for _ in range(starts):
        start = rng.standard_normal(2 * len(z) * d)
        options = {"maxiter": 3000, "ftol": 1e-15, "gtol": 1e-10}
        found = max(found, -float(minimize(value, start, jac=True, method="L-BFGS-B", options=options).fun))
    return found


def least_charge(covariance: Floats, sigma: Any, starts: int, seed: int) -> float:
    """Return the smallest Ω over factors of A = diag σ found by L-BFGS from random starts.

    For fixed V the best U is A M⁻¹VK⁻¹ with K = C̄ ∘ VᵀV and M = VK⁻¹Vᵀ, at the cost tr(A M⁻¹ Aᵀ); the search is over V.
    """
    n, d, square = len(sigma), len(covariance), np.diag(np.asarray(sigma, dtype=np.float64) ** 2)
    rng = np.random.default_rng(seed)

    def value(x: Floats) -> tuple[float, Floats]:
        V = x.reshape(n, d)
        K = covariance * (V.T @ V)
        Q = np.linalg.solve(K + 1e-13 * np.trace(K) / d * np.eye(d), V.T)
        inverse = np.linalg.inv(V @ Q + 1e-13 * np.eye(n))
        W = -inverse @ square @ inverse
        slope = 2 * (W @ Q.T - V @ (covariance * (Q @ W @ Q.T)))
        return float(np.sum(inverse * square)), slope.ravel()

    options = {"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-11}
    runs = (
        minimize(value, rng.standard_normal(n * d), jac=True, method="L-BFGS-B", options=options) for _ in range(starts)
    )
    return min(float(run.fun) for run in runs)


def least_loss(covariance: Floats, target: Floats, starts: int, seed: int) -> tuple[float, Floats]:
    """Return the smallest ‖Y − UVᵀ‖² + Ω found from random starts, and the product there."""
    n, d = len(target), len(covariance)
    rng, best, product = np.random.default_rng(seed), np.inf, target

    def value(x: Floats) -> tuple[float, Floats]:
        U, V = split(x, n, d)
        G, H, gap = U.T @ U, V.T @ V, U @ V.T - target
        total = np.sum(covariance * G * H) + np.sum(gap**2)
        down_u, down_v = U @ (covariance * H) + gap @ V, V @ (covariance * G) + gap.T @ U
        return float(total), 2 * np.concatenate([down_u.ravel(), down_v.ravel()])

    for _ in range(starts):
        options = {"maxiter": 5000, "ftol": 1e-16, "gtol": 1e-11}
        found = minimize(value, rng.standard_normal(2 * n * d), jac=True, method="L-BFGS-B", options=options)
        if found.fun < best:
            U, V = split(found.x, n, d)
            best, product = float(found.fun), U @ V.T
    return best, product
