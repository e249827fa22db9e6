"""The semidefinite bound of induced dual norms: against known norms, search over the factors and a weaker program."""

from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.numerics.covariance_bound import dual_square_bound
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.counted import FixedCount
from etatrick.theory.noise.sliding import SlidingBlocks
from etatrick.theory.structured.induced import induced_norm
from tolerances import SOLVER, close

ZETA = (1.0, 0.7)


def searched(covariance: Any, zeta: Any, seed: int) -> float:
    """Maximise over unit vectors in turn: for fixed U the best V solves a linear system."""
    z, d, rng, best = np.diag(zeta), len(covariance), np.random.default_rng(seed), 0.0
    for _ in range(20):
        U = rng.standard_normal((len(zeta), d))
        for _ in range(300):
            V = np.linalg.solve(covariance * (U.T @ U) + 1e-12 * np.eye(d), (z @ U).T).T
            U = np.linalg.solve(covariance * (V.T @ V) + 1e-12 * np.eye(d), (z @ V).T).T
        inner, charge = np.sum(z @ V * U), np.sum(covariance * (U.T @ U) * (V.T @ V))
        best = max(best, float(inner**2 / charge))
    return best


def positive_transpose(covariance: Any, zeta: Any) -> float:
    """Solve the weaker program: a moment matrix whose diagonal blocks have a positive partial transpose."""
    n, d = len(zeta), len(covariance)
    size, z = n * n, np.diag(zeta).ravel()
    K = cp.Variable((size * d, size * d), PSD=True)
    limits = [cp.sum(cp.multiply(np.kron(covariance, np.eye(size)), K)) <= 1]
    for i in range(d):
        rows = [
            [K[i * size + a * n + e, i * size + c * n + b] for c in range(n) for e in range(n)]
            for a in range(n)
            for b in range(n)
        ]
        flipped = cp.bmat(rows)
        limits.append((flipped + flipped.T) / 2 >> 0)
    gain = cp.sum(cp.multiply(np.kron(np.ones((d, d)), np.outer(z, z)), K))
    problem = cp.Problem(cp.Maximize(gain), limits)
    problem.solve(solver=cp.CLARABEL)
    return float(problem.value)


@pytest.mark.parametrize(
    "law",
    [Bernoulli(4, 0.6), UnitRates((0.5, 0.3, 0.8)), Blocks((2, 2), 0.5), Blocks((2, 1), (0.5, 0.3))],
    ids=["dropout", "unit rates", "blocks", "unequal blocks"],
)
def test_the_bound_is_tight_where_the_norm_is_known(law: MaskLaw) -> None:
    found = dual_square_bound(law.normalised_covariance, ZETA)
    assert close(found.value, induced_norm(law).dual_square(ZETA), SOLVER)
    assert found.residual < 1e-7


def test_sliding_masks() -> None:
    """Circular windows: both programs are tight. Valid windows: only the one for real factors is."""
    circular = SlidingBlocks(4, 2, 0.2, seeds="circular").normalised_covariance
    assert round(searched(circular, ZETA, seed=0), 6) == 5.317778
    assert close(dual_square_bound(circular, ZETA).value, 5.317778, SOLVER)
    assert close(positive_transpose(circular, ZETA), 5.317778, SOLVER)
    valid = SlidingBlocks(4, 2, 0.2).normalised_covariance
    best, weaker = searched(valid, ZETA, seed=0), positive_transpose(valid, ZETA)
    assert (round(best, 2), round(weaker, 2)) == (9.31, 10.23)
    assert close(dual_square_bound(valid, ZETA).value, best, SOLVER)


def test_the_bound_holds_for_other_covariances() -> None:
    rng = np.random.default_rng(4)
    for d in (2, 3, 4):
        factor = rng.standard_normal((d, d + 1))
        covariance = factor @ factor.T
        bound, best = dual_square_bound(covariance, (1.0, 0.4)), searched(covariance, (1.0, 0.4), seed=d)
        assert close(bound.value, best, SOLVER)
        assert bound.residual < 1e-7
    factor = rng.standard_normal((3, 4))
    covariance, zeta = factor @ factor.T, (1.0, 0.8, 0.5)
    assert searched(covariance, zeta, seed=0) <= dual_square_bound(covariance, zeta).value * (1 + SOLVER)


@pytest.mark.parametrize(
    ("covariance", "zeta", "message"),
    [
        (np.eye(3)[:2], (1.0,), "square"),
        (np.eye(2), 1.0, "vector"),
        (np.eye(2) * np.nan, (1.0,), "finite"),
        ([[1.0, 2.0], [2.0, 1.0]], (1.0,), "semidefinite"),
        (np.eye(20), (1.0, 1.0), "rows"),
    ],
)
def test_bad_input_is_explained(covariance: Any, zeta: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        dual_square_bound(covariance, zeta)


def test_masks_that_charge_nothing_have_no_bound() -> None:
    with pytest.raises(RuntimeError, match="range"):
        dual_square_bound(FixedCount((1, 1, 1), 1).normalised_covariance, ZETA)
