"""Spectral norms against semidefinite programs, the plain decomposition and duality; the Gram route and its refusal."""

from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics.k_support import (
    box_norm,
    cvxpy_spectral_k_support_squared,
    k_support_norm,
    prox_k_support,
    prox_ordered,
    prox_spectral_box,
    prox_spectral_k_support,
    prox_spectral_ordered,
    spectral_box_norm,
    spectral_k_support_dual_norm,
    spectral_k_support_norm,
    spectral_k_support_subgradient,
    spectral_ordered_dual_norm,
    spectral_ordered_norm,
)
from etatrick.numerics.k_support.singular import by_gram
from tolerances import close

Floats = NDArray[np.floating[Any]]


def with_spectrum(rng: np.random.Generator, m: int, n: int, sigma: Floats) -> NDArray[np.float64]:
    """Return an m × n matrix of random singular vectors with the given singular values."""
    left, right = (
        np.linalg.qr(rng.standard_normal((m, len(sigma))))[0],
        np.linalg.qr(rng.standard_normal((n, len(sigma))))[0],
    )
    return np.asarray((left * sigma) @ right.T, dtype=np.float64)


@pytest.mark.parametrize("k", [1, 2, 2.5, 4])
@pytest.mark.parametrize("shape", [(4, 5), (6, 4)])
def test_semidefinite_program(shape: tuple[int, int], k: float) -> None:
    A, X, beta = np.random.default_rng(0).standard_normal(shape), cp.Variable(shape), 0.7
    square, scales = cvxpy_spectral_k_support_squared(X, k)
    norm = cp.Problem(cp.Minimize(square), [*scales, X == A]).solve(solver=cp.CLARABEL)
    assert close(float(spectral_k_support_norm(A, k)) ** 2, norm, 1e-6)
    prox = np.asarray(prox_spectral_k_support(A, k, beta))
    mine = 0.5 * float(np.sum((prox - A) ** 2)) + beta / 2 * float(spectral_k_support_norm(prox, k)) ** 2
    theirs = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(X - A) + beta / 2 * square), scales).solve(solver=cp.CLARABEL)
    assert close(mine, theirs, 1e-7)


def test_ends_and_subgradient() -> None:
    A = np.random.default_rng(1).standard_normal((3, 5, 4))
    np.testing.assert_allclose(spectral_k_support_norm(A, 1), np.linalg.norm(A, "nuc", axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(spectral_k_support_norm(A, 4), np.linalg.norm(A, axis=(1, 2)), rtol=1e-13)
    np.testing.assert_allclose(spectral_k_support_dual_norm(A, 1), np.linalg.norm(A, 2, axis=(1, 2)), rtol=1e-13)
    G = np.asarray(spectral_k_support_subgradient(A, 2.5))
    np.testing.assert_allclose(np.sum(G * A, axis=(1, 2)), spectral_k_support_norm(A, 2.5), rtol=1e-13)
    np.testing.assert_allclose(spectral_k_support_dual_norm(G, 2.5), 1.0, rtol=1e-13)


def gap(A: Floats, X: Floats, k: float, beta: float) -> float:
    """Return the Fenchel–Young gap of a proximal map relative to its terms, from singular values."""
    G = (A - X) / beta
    total = (float(spectral_k_support_norm(X, k)) ** 2 + float(spectral_k_support_dual_norm(G, k)) ** 2) / 2
    return abs(total - float(np.sum(G * X))) / total


@pytest.mark.parametrize("shape", [(5, 7), (60, 40), (230, 210), (210, 400), (500, 220)])
def test_duality_gap_and_the_plain_decomposition(shape: tuple[int, int]) -> None:
    A = np.random.default_rng(2).standard_normal(shape)
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    for k, beta in [(1, 0.5), (5, 2.0), (min(shape) / 20 + 1, 1.0)]:
        X = np.asarray(prox_spectral_k_support(A, k, beta))
        assert gap(A, X, k, beta) <= 1e-13
        plain = (U * prox_k_support(sigma, k, beta)) @ Vt
        assert np.linalg.norm(X - plain) <= 1e-12 * np.linalg.norm(plain)


SPECTRA: dict[str, Any] = {
    "flat": np.linspace(1.0, 2.0, 240),
    "equal": np.ones(240),
    "low_rank_and_noise": np.concatenate([np.linspace(20, 30, 8), np.full(232, 0.4)]),
    "geometric": np.geomspace(1, 1e-3, 240),
    "steep": np.geomspace(1, 1e-12, 240),
    "deficient": np.concatenate([np.ones(6), np.zeros(234)]),
}


@pytest.mark.parametrize("name", list(SPECTRA))
@pytest.mark.parametrize("scale", [1.0, 1e-220, 1e220])
def test_accuracy_for_every_kind_of_spectrum(name: str, scale: float) -> None:
    """The Gram route is taken or refused; in both cases the error stays below 1e-12 of the result."""
    sigma, rng = SPECTRA[name], np.random.default_rng(3)
    left, right = np.linalg.qr(rng.standard_normal((260, 240)))[0], np.linalg.qr(rng.standard_normal((240, 240)))[0]
    A = (left * sigma) @ right.T
    for k, beta in [(1, 1.0), (12, 0.1), (12, 20.0), (100, 0.01)]:
        exact = (left * prox_k_support(sigma, k, beta)) @ right.T
        X = np.asarray(prox_spectral_k_support(A * scale, k, beta)) / scale
        assert np.linalg.norm(X - exact) <= 1e-12 * np.linalg.norm(exact)


def test_gram_route_is_taken_where_safe_and_refused_where_not() -> None:
    rng = np.random.default_rng(4)

    def shrink(k: float, beta: float) -> Any:
        return lambda sigma: np.asarray(prox_k_support(sigma, k, beta))

    assert by_gram(rng.standard_normal((300, 240)), shrink(12, 1.0), 12) is not None
    steep = with_spectrum(rng, 260, 240, SPECTRA["steep"])
    assert by_gram(steep, shrink(100, 1.0), 100) is None
    assert by_gram(with_spectrum(rng, 260, 240, SPECTRA["deficient"]), shrink(12, 1.0), 12) is None
    # what the refusal protects from: eigenvalues of the Gram matrix lose what is below √ε σ_1
    squares = np.linalg.eigvalsh(steep.T @ steep)[::-1]
    naive = np.sqrt(np.maximum(squares, 0.0))
    assert np.abs(naive - SPECTRA["steep"])[150:].max() > 1e-9


def test_semidefinite_program_at_twenty() -> None:
    """The solver reaches the same objective to 1e-8."""
    A, X, k, beta = np.random.default_rng(5).standard_normal((20, 20)), cp.Variable((20, 20)), 3, 1.0
    square, scales = cvxpy_spectral_k_support_squared(X, k)
    prox = np.asarray(prox_spectral_k_support(A, k, beta))
    mine = 0.5 * float(np.sum((prox - A) ** 2)) + beta / 2 * float(spectral_k_support_norm(prox, k)) ** 2
    theirs = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(X - A) + beta / 2 * square), scales)
    assert close(mine, theirs.solve(solver=cp.CLARABEL), 1e-8)


def test_ordered_and_box_forms_act_on_singular_values() -> None:
    rng = np.random.default_rng(6)
    A, omega = rng.standard_normal((2, 7, 5)), np.array([2.0, 1.0, 1.0, 0.5, 0.0])
    U, sigma, Vt = np.linalg.svd(A, full_matrices=False)
    expected = (U * np.asarray(prox_ordered(sigma, omega, 0.6))[:, None, :]) @ Vt
    X = np.asarray(prox_spectral_ordered(A, omega, 0.6))
    np.testing.assert_allclose(X, expected, atol=1e-13)
    G = (A - X) / 0.6
    total = (
        np.asarray(spectral_ordered_norm(X, omega)) ** 2 + np.asarray(spectral_ordered_dual_norm(G, omega)) ** 2
    ) / 2
    np.testing.assert_allclose(np.sum(G * X, axis=(1, 2)), total, rtol=1e-13)
    np.testing.assert_allclose(spectral_box_norm(A, 0.1, 1.0, 2.0), box_norm(sigma, 0.1, 1.0, 2.0), rtol=1e-13)
    Z = np.asarray(prox_spectral_box(A[0], 0.1, 1.0, 2.0, 0.6))

    def objective(Y: Floats) -> float:
        return 0.5 * float(np.sum((Y - A[0]) ** 2)) + 0.3 * float(spectral_box_norm(Y, 0.1, 1.0, 2.0)) ** 2

    for _ in range(20):  # strongly convex: any step away costs at least half its square
        step = 1e-3 * rng.standard_normal(Z.shape)
        assert objective(Z + step) >= objective(Z) + 0.49 * float(np.sum(step**2))


def test_types_and_batches() -> None:
    A = np.random.default_rng(7).standard_normal((2, 3, 6, 4))
    X = np.asarray(prox_spectral_k_support(A, 2, 0.5))
    np.testing.assert_allclose(X[1, 2], prox_spectral_k_support(A[1, 2], 2, 0.5), atol=1e-14)
    assert prox_spectral_k_support(A.astype(np.float32), 2, 0.5).dtype == np.float32
    assert np.asarray(spectral_k_support_norm(A.astype(np.float32), 2)).dtype == np.float32
    np.testing.assert_allclose(spectral_k_support_norm(A, 2), k_support_norm(np.linalg.svd(A, compute_uv=False), 2))
    wide = np.random.default_rng(8).standard_normal((220, 300))
    np.testing.assert_allclose(
        prox_spectral_k_support(wide.T, 9, 1.0), np.asarray(prox_spectral_k_support(wide, 9, 1.0)).T, atol=1e-12
    )
    kept = np.asarray(prox_spectral_k_support(wide, 9, 0.0))
    np.testing.assert_allclose(kept, wide)
