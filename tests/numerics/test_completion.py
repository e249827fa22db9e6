"""Completion and multi-output regression with squared spectral norms: semidefinite programs, closed forms, data."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.completion import complete_matrix, fit_multi_output
from etatrick.numerics.factorization import dropblock_minimizer, unequal_blocks_minimizer
from etatrick.numerics.solution import Status
from tolerances import SOLVER, close

Array = NDArray[np.float64]


def gaussian(seed: int, *shape: int) -> Array:
    return np.random.default_rng(seed).standard_normal(shape)


def program(loss: Callable[[Any], Any], shape: tuple[int, int], k: float, beta: float) -> float:
    """Return the minimum of loss(A) + β‖A‖² with the spectral k-support norm, from its semidefinite form."""
    import cvxpy as cp

    A = cp.Variable(shape)
    theta, weight = cp.Variable((shape[0],) * 2, symmetric=True), cp.Variable((shape[1],) * 2, symmetric=True)
    constraints = [cp.bmat([[theta, A], [A.T, weight]]) >> 0, theta << np.eye(shape[0]), cp.trace(theta) <= k]
    problem: Any = cp.Problem(cp.Minimize(loss(A) + beta * cp.trace(weight)), constraints)
    problem.solve(solver="CLARABEL")
    return float(problem.value)


@pytest.mark.parametrize(("k", "beta"), [(1, 0.5), (2, 0.3), (2.5, 0.3), (3, 1.0)])
def test_completion_against_a_semidefinite_program(k: float, beta: float) -> None:
    import cvxpy as cp

    Y, mask = gaussian(0, 4, 2) @ gaussian(1, 2, 5), np.random.default_rng(2).random((4, 5)) < 0.7
    fit = complete_matrix(Y, mask, k, beta, tol=1e-11)
    reference = program(lambda A: cp.sum_squares(cp.multiply(mask.astype(float), A - Y)), (4, 5), k, beta)
    assert fit.status is Status.OPTIMAL
    assert close(fit.objective, reference, SOLVER)
    assert -1e-12 <= fit.relative_gap <= 1e-11


@pytest.mark.parametrize(("k", "beta"), [(1, 2.0), (2, 1.0), (3, 0.5)])
def test_regression_against_a_semidefinite_program(k: float, beta: float) -> None:
    import cvxpy as cp

    X, Y = gaussian(3, 12, 3), gaussian(4, 12, 4)
    fit = fit_multi_output(X, Y, k, beta, tol=1e-11)
    assert close(fit.objective, program(lambda W: cp.sum_squares(Y - X @ W), (3, 4), k, beta), SOLVER)


@pytest.mark.parametrize("r", [1, 2, 3])
def test_full_observation_is_the_closed_form(r: int) -> None:
    Y, retain = gaussian(5, 5, 4), 0.7
    beta = (1 - retain) / retain
    closed = dropblock_minimizer(Y, r, retain)
    fit = complete_matrix(Y, np.ones(Y.shape, dtype=bool), r, beta, tol=1e-13)
    assert close(fit.objective, closed.objective, 1e-12)
    assert np.allclose(fit.matrix, closed.product, rtol=0, atol=1e-6)
    regression = fit_multi_output(np.eye(5), Y, r, beta, tol=1e-13)
    assert close(regression.objective, closed.objective, 1e-12)


def test_ordered_weights_follow_unequal_blocks() -> None:
    """Weights ω of blocks of sizes 1, 2, 3 with odds 1: (3, 2, 1, 0), and β = 1."""
    Y = gaussian(6, 4, 4)
    closed = unequal_blocks_minimizer(Y, [1, 2, 3], [0.5, 0.5, 0.5])
    fit = complete_matrix(Y, np.ones(Y.shape, dtype=bool), [3.0, 2.0, 1.0, 0.0], 1.0, tol=1e-13)
    assert close(fit.objective, closed.surrogate, 1e-12)


def test_digits_are_completed_better_than_by_their_mean() -> None:
    from sklearn.datasets import load_digits

    Y = load_digits().data[:200] / 16
    mask = np.random.default_rng(0).random(Y.shape) < 0.6
    seen: list[tuple[int, float]] = []
    cold = complete_matrix(Y, mask, 4, 0.05, progress=lambda step, gap: seen.append((step, gap)))
    assert cold.status is Status.OPTIMAL
    assert cold.relative_gap <= 1e-8
    assert seen[-1] == (cold.iterations, cold.relative_gap)
    assert len(cold.history) == len(seen) + 1
    mean = np.where(mask, Y, 0).sum(axis=0) / np.maximum(mask.sum(axis=0), 1)
    hidden = np.where(mask, np.nan, Y)
    ours, theirs = np.nanmean((hidden - cold.matrix) ** 2), np.nanmean((hidden - mean) ** 2)
    assert ours < 0.9 * theirs
    again = complete_matrix(np.where(mask, Y, np.nan), mask, 4, 0.05, start=cold.matrix)
    assert again.iterations == 0
    near = complete_matrix(Y, mask, 4, 0.045, start=cold.matrix, tol=1e-6)
    assert near.iterations <= complete_matrix(Y, mask, 4, 0.045, tol=1e-6).iterations


def test_linnerud_with_an_intercept() -> None:
    from sklearn.datasets import load_linnerud

    data = load_linnerud()
    X, Y = data.data / data.data.std(axis=0), data.target / data.target.std(axis=0)
    fit = fit_multi_output(X, Y, 1, 2.0, fit_intercept=True, tol=1e-12)
    assert fit.relative_gap <= 1e-12
    residual = Y - X @ fit.matrix - fit.intercept
    assert np.allclose(residual.mean(axis=0), 0, atol=1e-12)
    nuclear = float(np.linalg.norm(fit.matrix, "nuc"))
    assert close(fit.objective, float(np.sum(residual**2)) + 2.0 * nuclear**2, 1e-12)
    wide = fit_multi_output(X, Y, 3, 2.0, fit_intercept=True, tol=1e-13)
    centred, outputs = X - X.mean(axis=0), Y - Y.mean(axis=0)
    ridge = np.linalg.solve(centred.T @ centred + 2.0 * np.eye(3), centred.T @ outputs)
    assert np.allclose(wide.matrix, ridge, rtol=0, atol=1e-5)
    assert np.linalg.matrix_rank(fit.matrix, tol=1e-6) < np.linalg.matrix_rank(wide.matrix, tol=1e-6)


def test_the_gap_bounds_the_error_of_an_unfinished_fit() -> None:
    """A negative control: stopped early, the gap is large, and at least the true excess."""
    X, Y = gaussian(3, 30, 6) * np.geomspace(1, 20, 6), gaussian(4, 30, 5)
    done, rough = (fit_multi_output(X, Y, 2, 0.5, max_iterations=steps, tol=1e-12) for steps in (10_000, 3))
    assert rough.status is Status.LIMIT
    assert rough.iterations == 3
    assert rough.gap >= rough.objective - done.objective > 1e-6


def test_all_zero_data_and_no_residual() -> None:
    fit = complete_matrix(np.zeros((2, 3)), np.ones((2, 3), dtype=bool), 1, 1.0)
    assert fit.objective == 0
    assert not fit.matrix.any()
    assert not fit_multi_output(np.zeros((3, 2)), np.ones((3, 2)), 1, 1.0).matrix.any()


ONES = np.ones((2, 2), dtype=bool)


@pytest.mark.parametrize(
    ("call", "words"),
    [
        (lambda: complete_matrix(np.eye(2), ONES, 0.5, 1.0), "k"),
        (lambda: complete_matrix(np.eye(2), ONES, 3, 1.0), "k"),
        (lambda: complete_matrix(np.eye(2), ONES, [1.0, 2.0], 1.0), "omega"),
        (lambda: complete_matrix(np.eye(2), ONES, [1.0], 1.0), "omega"),
        (lambda: complete_matrix(np.eye(2), ONES, 1, 0.0), "beta = 0.0"),
        (lambda: complete_matrix(np.eye(2), ONES, 1, float("nan")), "beta = nan"),
        (lambda: complete_matrix(np.eye(2), ONES, 1, 1.0, tol=-1.0), "tol = -1.0"),
        (lambda: complete_matrix(np.eye(2), ONES, 1, 1.0, max_iterations=0), "max_iterations = 0"),
        (lambda: complete_matrix(np.eye(2), ~ONES, 1, 1.0), "observed"),
        (lambda: complete_matrix(np.eye(2), np.ones((2, 2)), 1, 1.0), "observed"),
        (lambda: complete_matrix(np.eye(3), ONES, 1, 1.0), "one shape"),
        (lambda: complete_matrix(np.full((2, 2), np.nan), ONES, 1, 1.0), "NaN"),
        (lambda: complete_matrix(np.eye(2), ONES, 1, 1.0, start=np.eye(3)), "start of shape"),
        (lambda: fit_multi_output(np.eye(3), np.eye(2), 1, 1.0), "same number of rows"),
        (lambda: fit_multi_output(np.ones(3), np.eye(3), 1, 1.0), "X of shape"),
    ],
)
def test_bad_input(call: Callable[[], object], words: str) -> None:
    with pytest.raises(InputError) as raised:
        call()
    assert words in str(raised.value)
