"""Sparse Bayesian learning: closed forms, brute force over the scales, conditions by plain inverses, descent."""

from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import solve
from etatrick.numerics.solution import Status
from etatrick.numerics.sparse_bayes import fit_sparse_bayes, scale_certificate, solve_sparse_bayes
from etatrick.theory import strategies
from etatrick.theory.vector.sparse_bayes import SparseBayes
from tolerances import CERTIFICATE, FLOAT64, close

Array = NDArray[np.float64]
SHAPES = [(30, 6), (12, 25), (60, 120)]


def regression(n: int, d: int, seed: int = 0, mix: float = 0.0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed, 17])
    X = np.sqrt(1 - mix) * rng.standard_normal((n, d)) + np.sqrt(mix) * rng.standard_normal((n, 1))
    return X, X[:, :3] @ [3.0, -2.0, 0.7] + 0.5 * rng.standard_normal(n)


def marginal(X: Array, y: Array, eta: Array, noise: float) -> float:
    """Return ½[yᵀC⁻¹y + log det C − n log τ] by a plain inverse."""
    C = noise * np.eye(len(y)) + (X * eta) @ X.T
    return 0.5 * float(y @ np.linalg.solve(C, y) + np.linalg.slogdet(C)[1] - len(y) * np.log(noise))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("mix", [0.0, 0.9])
def test_conditions_by_plain_inverses(shape: tuple[int, int], mix: float) -> None:
    """q² = s where η > 0 and q² ≤ s where η = 0; the weights are the posterior mean."""
    X, y = regression(*shape, mix=mix)
    fit = fit_sparse_bayes(X, y, 0.25)
    inverse = np.linalg.inv(0.25 * np.eye(len(y)) + (X * fit.eta) @ X.T)
    s, q = np.diag(X.T @ inverse @ X), X.T @ inverse @ y
    active = fit.eta > 0
    assert 0 < active.sum() < len(active)
    np.testing.assert_allclose(q[active] ** 2, s[active], rtol=FLOAT64)
    assert (q[~active] ** 2 <= s[~active] * (1 + FLOAT64)).all()
    np.testing.assert_allclose(fit.coef, fit.eta * q, rtol=FLOAT64, atol=FLOAT64)
    assert fit.solution.status is Status.STATIONARY
    assert fit.scales.relative_gradient <= CERTIFICATE
    assert fit.solution.relative_kkt <= CERTIFICATE
    assert fit.solution.locally_minimal


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_both_objectives_agree(shape: tuple[int, int]) -> None:
    """½‖y − Xw‖² + τΩ(w) is τ times the marginal likelihood, and η = η̂(w)."""
    X, y = regression(*shape)
    fit, rule = fit_sparse_bayes(X, y, 0.25), SparseBayes(X, 0.25)
    weights = 0.5 * float(np.sum((y - X @ fit.coef) ** 2)) + 0.25 * float(rule.penalty_at(fit.coef))
    assert close(weights, 0.25 * marginal(X, y, fit.eta, 0.25), FLOAT64)
    assert close(fit.solution.objective, weights, FLOAT64)
    assert fit.scales.discrepancy <= CERTIFICATE
    np.testing.assert_allclose(rule.eta_hat_at(fit.coef), fit.eta, rtol=1e-9)


@pytest.mark.parametrize("tau", [0.05, 1.0, 20.0])
def test_orthogonal_designs_split_into_scalar_penalties(tau: float) -> None:
    """With columns of squared length a, f splits into log(1 + aη/τ): the scalar solver, another code, and a formula."""
    rng = np.random.default_rng(3)
    X = 2.0 * np.linalg.qr(rng.standard_normal((20, 7)))[0]
    y = X @ np.array([3.0, -1.0, 0.4, 0.1, 0.0, 0.0, 0.02]) + 0.2 * rng.standard_normal(20)
    fit = fit_sparse_bayes(X, y, tau)
    scalar = solve(X, y, strategies["ard"](c=4.0 / tau), tau)
    np.testing.assert_allclose(fit.coef, scalar.coef, atol=FLOAT64)
    assert close(fit.solution.objective, scalar.objective, FLOAT64)
    np.testing.assert_allclose(fit.eta, np.maximum((X.T @ y) ** 2 / 4.0 - tau, 0.0) / 4.0, rtol=FLOAT64, atol=1e-13)


@pytest.mark.parametrize("seed", range(4))
def test_brute_force_over_the_scales(seed: int) -> None:
    """Many starts of a bounded quasi-Newton method over η find nothing lower, and end in the same point at best."""
    from scipy.optimize import minimize

    X, y = regression(9, 4, seed)
    fit = fit_sparse_bayes(X, y, 0.5)
    rng = np.random.default_rng(seed)
    ends = [
        minimize(
            lambda eta: marginal(X, y, eta, 0.5), rng.exponential(3.0, 4) + 0.01, bounds=[(0, None)] * 4, tol=1e-12
        )
        for _ in range(12)
    ]
    best = min(ends, key=lambda end: float(end.fun))
    assert marginal(X, y, fit.eta, 0.5) <= float(best.fun) + 1e-9
    np.testing.assert_allclose(fit.eta, best.x, rtol=1e-3, atol=1e-3)


def test_all_supports_of_a_small_problem() -> None:
    """Every local minimum lies on some support: the best of all 16, each by its own descent, is not below ours."""
    from itertools import product

    from scipy.optimize import minimize

    X, y = regression(8, 4, 11)
    found = []
    for kept in product([False, True], repeat=4):
        columns = X[:, np.array(kept)]
        if columns.shape[1] == 0:
            found.append(marginal(X, y, np.zeros(4), 0.5))
            continue
        end = minimize(
            lambda t, Z=columns: marginal(Z, y, np.exp(t), 0.5),
            np.zeros(columns.shape[1]),
            bounds=[(-30, 30)] * sum(kept),
        )
        found.append(float(end.fun))
    assert close(marginal(X, y, fit_sparse_bayes(X, y, 0.5).eta, 0.5), min(found), 1e-8)


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_step_descends(shape: tuple[int, int]) -> None:
    X, y = regression(*shape, mix=0.9)
    fit = fit_sparse_bayes(X, y, 0.25)
    history = fit.solution.history
    assert len(history) > 2
    assert history[0] == pytest.approx(0.5 * float(y @ y))
    assert all(after <= before + 1e-13 * abs(before) for before, after in pairwise(history))
    assert close(history[-1], fit.solution.objective, FLOAT64)


def test_start_is_never_made_worse() -> None:
    X, y = regression(30, 6)
    start = np.array([0.0, 0.0, 0.0, 1.0, -1.0, 2.0])
    fit = fit_sparse_bayes(X, y, 0.25, start=start)
    rule = SparseBayes(X, 0.25)
    before = 0.5 * float(np.sum((y - X @ start) ** 2)) + 0.25 * float(rule.penalty_at(start))
    assert close(fit.solution.history[0], before - _slack(X, y, start, rule), 1e-9)
    assert fit.solution.objective < before


def _slack(X: Array, y: Array, start: Array, rule: SparseBayes) -> float:
    """Return by how much the posterior mean at η̂(start) is better than `start`."""
    eta = rule.eta_hat_at(start)
    energy = 0.5 * float(np.sum((y - X @ start) ** 2)) + rule.noise * float(rule.energy_at(start, eta))
    return energy - rule.noise * marginal(X, y, eta, rule.noise)


def test_weights_intercept_and_offset_rewrite_the_problem() -> None:
    X, y = regression(25, 6)
    rng = np.random.default_rng(2)
    v, offset = rng.integers(0, 4, 25), rng.standard_normal(25)
    fit = fit_sparse_bayes(X, y + 7, 0.25, fit_intercept=True, sample_weight=v, offset=offset)
    rows = np.repeat(np.arange(25), v)
    Z, target = X[rows], (y - offset)[rows]
    twin = fit_sparse_bayes(Z - Z.mean(0), target - target.mean(), 0.25)
    np.testing.assert_allclose(fit.eta, twin.eta, rtol=1e-9)
    np.testing.assert_allclose(fit.coef, twin.coef, rtol=1e-9)
    assert close(fit.intercept, target.mean() + 7 - Z.mean(0) @ fit.coef)
    assert close(fit.solution.objective, twin.solution.objective)


def test_units_change_nothing() -> None:
    X, y = regression(30, 6)
    units = 10.0 ** np.arange(-3, 3)
    plain, scaled = fit_sparse_bayes(X, y, 0.25), fit_sparse_bayes(X * units, 1e4 * y, 0.25e8)
    np.testing.assert_allclose(scaled.coef * units, 1e4 * plain.coef, rtol=1e-9)


def test_repeated_constant_and_empty_columns() -> None:
    X, y = regression(30, 6)
    twice = np.hstack([X, X[:, :3], np.zeros((30, 1)), np.full((30, 1), 0.1)])
    fit = fit_sparse_bayes(twice, y, 0.25, fit_intercept=True)
    single = fit_sparse_bayes(X, y, 0.25, fit_intercept=True)
    assert fit.solution.converged
    assert (fit.eta[-2:] == 0).all()
    assert close(fit.solution.objective, single.solution.objective)
    nothing = fit_sparse_bayes(X, np.zeros(30), 1.0)
    assert not nothing.eta.any()
    assert nothing.solution.converged


def test_more_columns_than_rows_form_no_large_square() -> None:
    """At d = 4000 a d×d matrix takes 128 MB; the whole fit stays below 8 n×d arrays."""
    import tracemalloc

    X, y = regression(20, 4000)
    tracemalloc.start()
    fit = fit_sparse_bayes(X, y, 0.5)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert fit.solution.converged
    assert peak < 8 * X.nbytes


def test_certificates_reject_what_is_not_stationary() -> None:
    X, y = regression(30, 6)
    fit = fit_sparse_bayes(X, y, 0.25)
    assert scale_certificate(X, y, fit.eta, 0.25).relative_gradient <= CERTIFICATE
    for size in (1e-1, 1e-3, 1e-6):
        wrong = scale_certificate(X, y, fit.eta * (1 + size), 0.25)
        assert wrong.relative_gradient > size / 100
    assert scale_certificate(X, y, fit.eta, 0.26).relative_gradient > 1e-3
    dropped = np.where(fit.eta == fit.eta.max(), 0.0, fit.eta)
    missed = scale_certificate(X, y, dropped, 0.25)
    assert missed.relative_gradient > 1
    assert missed.marginal > fit.scales.marginal
    away = scale_certificate(X, y, 2 * fit.eta, 0.25)
    assert away.objective < away.marginal * (1 - 1e-6)  # Ω minimises over η: the two differ away from the optimum
    assert away.discrepancy > 1e-6


def test_the_penalty_must_belong_to_the_data() -> None:
    X, y = regression(30, 6)
    rule = SparseBayes(X, 0.25)
    np.testing.assert_array_equal(solve_sparse_bayes(X, y, rule, 0.25).coef, fit_sparse_bayes(X, y, 0.25).coef)
    centred = solve_sparse_bayes(X, y, SparseBayes(X - X.mean(0), 0.25), 0.25, fit_intercept=True)
    np.testing.assert_allclose(centred.coef, fit_sparse_bayes(X, y, 0.25, fit_intercept=True).coef, rtol=1e-9)
    with pytest.raises(InputError, match="noise variance"):
        solve_sparse_bayes(X, y, rule, 0.3)
    for other, intercept in ((SparseBayes(2 * X, 0.25), False), (SparseBayes(X[:9], 0.25), False), (rule, True)):
        with pytest.raises(InputError, match="design"):
            solve_sparse_bayes(X, y, other, 0.25, fit_intercept=intercept)


@pytest.mark.parametrize(
    "bad",
    [{"noise": 0.0}, {"noise": -1.0}, {"noise": np.nan}, {"noise": "1"}, {"tol": 0.0}, {"y": np.ones(3)},
     {"X": np.full((30, 6), np.nan)}, {"X": np.ones(30)}, {"X": np.ones((0, 6))}, {"start": np.ones(5)},
     {"start": np.full(6, np.inf)}, {"sample_weight": -np.ones(30)}, {"offset": np.ones(2)}],
    ids=str,
)  # fmt: skip
def test_bad_input(bad: dict[str, Any]) -> None:
    X, y = regression(30, 6)
    good: dict[str, Any] = {"X": X, "y": y, "noise": 0.25}
    with pytest.raises(InputError):
        fit_sparse_bayes(**(good | bad))


@pytest.mark.parametrize("eta", [np.ones(5), -np.ones(6), np.full(6, np.inf), np.full(6, np.nan)], ids=str)
def test_bad_scales(eta: Array) -> None:
    with pytest.raises(InputError):
        scale_certificate(*regression(30, 6), eta, 0.25)
