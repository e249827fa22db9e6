"""Penalties with joint scales in `solve` and `path`: cvxpy, closed forms, reweighted ridge, certificates."""

from collections.abc import Callable
from itertools import pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import certify, path, solve
from etatrick.numerics.accelerated import accelerated, proximal_points
from etatrick.numerics.problem import JointProblem, pose
from etatrick.theory import penalties
from etatrick.theory.vector.k_support import GroupKSupport, KSupport, RankWeights
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

PAIRS = ((0, 3), (1, 4), (2, 5))
RULES: dict[str, Any] = {
    "k=1": KSupport(1),
    "k=3": KSupport(3),
    "k=2.5": KSupport(2.5),
    "k=d": KSupport(6),
    "ranks": RankWeights((3.0, 2.0, 2.0, 0.5, 0.0, 0.0)),
    "positive ranks": RankWeights((2.0, 1.0, 0.7, 0.3, 0.2, 0.1)),
    "groups": GroupKSupport(PAIRS, 2),
    "groups, k=1.5": GroupKSupport(PAIRS, 1.5),
}
CORRELATED = 0.9


def regression(n: int, d: int, seed: int = 0, mix: float = 0.0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed, 41])
    X = rng.standard_normal((n, d))
    X = np.sqrt(1 - mix) * X + np.sqrt(mix) * rng.standard_normal((n, 1))
    truth = np.where(np.arange(d) < 3, [3.0, -2.0, 1.0] * (d // 3) + [0.0] * (d % 3), 0.0)
    return X, X @ truth + 0.3 * rng.standard_normal(n)


def capped(k: float, d: int) -> Array:
    return np.clip(k - np.arange(d), 0.0, 1.0)


def modelled(rule: Any, X: Array, y: Array, lam: float) -> float:
    """Return the objective at the minimum by cvxpy over w and η, with the sums of the largest η bounded."""
    import cvxpy as cp

    d = X.shape[1]
    if isinstance(rule, GroupKSupport):
        omega, count = capped(rule.k, len(rule.groups)), len(rule.groups)
    else:
        omega, count = (np.array(rule.omega) if isinstance(rule, RankWeights) else capped(rule.k, d)), d
    w, eta = cp.Variable(d), cp.Variable(count, nonneg=True)
    groups = rule.groups if isinstance(rule, GroupKSupport) else [[i] for i in range(d)]
    quadratic = sum(cp.quad_over_lin(w[list(g)], eta[j]) for j, g in enumerate(groups))
    limits = [cp.sum_largest(eta, j) <= omega[:j].sum() for j in range(1, count)] + [cp.sum(eta) <= omega.sum()]
    model = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - X @ w) + lam / 2 * quadratic), limits)
    with np.errstate(divide="ignore", invalid="ignore"):  # cvxpy divides by scales that it set to 0
        model.solve(solver=cp.CLARABEL, tol_gap_abs=1e-10, tol_gap_rel=1e-10, tol_feas=1e-10)
    return float(0.5 * np.sum((y - X @ w.value) ** 2) + lam * rule.penalty_at(w.value))


def gap(rule: Any, X: Array, y: Array, lam: float, coef: Array) -> float:
    """Return the relative duality gap from the definitions: sorted squares above, pooled energy below."""
    residual = y - X @ coef
    pull = np.abs(X.T @ residual) / lam
    if isinstance(rule, GroupKSupport):
        pull = np.array([np.linalg.norm(pull[list(g)]) for g in rule.groups])
    omega = np.array(rule.omega) if isinstance(rule, RankWeights) else capped(rule.k, len(pull))
    dual = lam / 2 * float(np.sort(pull)[::-1] ** 2 @ omega)
    primal = 0.5 * float(residual @ residual) + lam * float(rule.penalty_at(coef))
    return (primal - (0.5 * float(y @ y) - 0.5 * float((y - residual) @ (y - residual)) - dual)) / (0.5 * float(y @ y))


@pytest.mark.parametrize("shape", [(30, 6), (4, 6)], ids=str)
@pytest.mark.parametrize("name", RULES)
def test_objective_against_cvxpy(name: str, shape: tuple[int, int]) -> None:
    X, y = regression(*shape)
    for lam in (0.05, 5.0):
        found = solve(X, y, RULES[name], lam)
        assert found.converged
        assert found.certificate.kind == "duality gap"
        assert found.certificate.value <= CERTIFICATE
        assert found.certificate.relative_kkt <= CERTIFICATE
        assert gap(RULES[name], X, y, lam, found.coef) <= CERTIFICATE
        assert close(found.objective, modelled(RULES[name], X, y, lam), SOLVER / 100)


@pytest.mark.parametrize("name", RULES)
@pytest.mark.parametrize("mix", [0.0, CORRELATED])
def test_wide_and_correlated_designs(name: str, mix: float) -> None:
    """More columns than rows, equicorrelated, λ from strong to nearly none."""
    rule: Any = RULES[name]
    if isinstance(rule, RankWeights):
        rule = RankWeights((*rule.omega, *np.zeros(30).tolist()))
    elif isinstance(rule, GroupKSupport):
        rule = GroupKSupport([range(i, i + 3) for i in range(0, 36, 3)], rule.k)
    X, y = regression(15, 36, mix=mix)
    for lam in (1.0, 1e-3):
        found = solve(X, y, rule, lam)
        assert found.converged
        assert found.certificate.value <= CERTIFICATE
        assert gap(rule, X, y, lam, found.coef) <= CERTIFICATE


@pytest.mark.parametrize("k", [1, 2, 3.5, 6])
@pytest.mark.parametrize("lam", [0.1, 1.0, 20.0])
def test_orthonormal_designs_have_a_closed_form(k: float, lam: float) -> None:
    """With XᵀX = I: x = z·η/(η + λ), η = clip(λ(|z|/τ − 1), 0, 1) and Ση = k, τ by bisection."""
    rng = np.random.default_rng([int(10 * k), int(10 * lam)])
    Q = np.linalg.qr(rng.standard_normal((20, 6)))[0]
    y = Q @ (rng.standard_normal(6) * [4, 3, 2, 1, 0.5, 0.1])
    z = Q.T @ y
    low, high = 1e-12, float(np.abs(z).max())
    for _ in range(200):
        tau = (low + high) / 2
        low, high = (tau, high) if np.clip(lam * (np.abs(z) / tau - 1), 0, 1).sum() > k else (low, tau)
    eta = np.clip(lam * (np.abs(z) / low - 1), 0, 1) if k < 6 else np.ones(6)
    found = solve(Q, y, KSupport(k), lam)
    np.testing.assert_allclose(found.coef, z * eta / (eta + lam), rtol=0, atol=1e-13 * float(np.abs(z).max()))


def test_exact_arithmetic_on_the_identity() -> None:
    """Minimisers worked out by hand: 4 → ridge, the others → threshold, at λ = 1, k = 2."""
    found = solve(np.eye(3), [4.0, -2.0, 1.0], KSupport(2), 1.0)
    assert found.coef.tolist() == [2.0, -1.0, 0.0]
    assert solve(np.eye(2), [3.0, 1.0], KSupport(1), 1.0).coef.tolist() == [1.5, 0.0]


@pytest.mark.parametrize("shape", [(30, 6), (4, 6)], ids=str)
def test_k_equal_to_d_is_ridge_regression(shape: tuple[int, int]) -> None:
    X, y = regression(*shape)
    for rule in (KSupport(6), RankWeights((1.0,) * 6), GroupKSupport(PAIRS, 3)):
        expected = np.linalg.solve(X.T @ X + 2.0 * np.eye(6), X.T @ y)
        np.testing.assert_allclose(solve(X, y, rule, 2.0).coef, expected, atol=FLOAT64)


@pytest.mark.parametrize("shape", [(30, 6), (8, 20)], ids=str)
def test_k_equal_to_one_is_the_squared_l1_norm(shape: tuple[int, int]) -> None:
    """λ/2‖w‖₁² has the minimiser of μ‖w‖₁ with μ = λ‖w‖₁: the lasso solver, another code, agrees."""
    X, y = regression(*shape)
    for lam in (0.3, 3.0):
        found = solve(X, y, KSupport(1), lam)
        lasso = solve(X, y, penalties["l1"](k=1), lam * float(np.abs(found.coef).sum()))
        np.testing.assert_allclose(found.coef, lasso.coef, atol=1e-9)


def test_equal_forms_agree() -> None:
    X, y = regression(30, 6)
    ranks = solve(X, y, RankWeights((1.0, 1.0, 0.5, 0.0, 0.0, 0.0)), 2.0)
    singles = solve(X, y, GroupKSupport([[i] for i in range(6)], 2.5), 2.0)
    for other in (ranks, singles):
        np.testing.assert_allclose(other.coef, solve(X, y, KSupport(2.5), 2.0).coef, atol=FLOAT64)


@pytest.mark.parametrize("name", RULES)
def test_reweighted_ridge_reaches_the_same_optimum(name: str) -> None:
    """The η-trick as an algorithm, also in five lines of its own."""
    X, y = regression(30, 6)
    found = solve(X, y, RULES[name], 3.0)
    assert close(solve(X, y, RULES[name], 3.0, method="reweighted_ridge").objective, found.objective, 1e-13)
    w = np.linalg.solve(X.T @ X + 3.0 * np.eye(6), X.T @ y)
    for _ in range(1000):
        root = np.sqrt(RULES[name].eta_hat_at(w))
        w = root * np.linalg.solve(root[:, None] * (X.T @ X) * root + 3.0 * np.eye(6), root * (X.T @ y))
    energy = 0.5 * float(np.sum((y - X @ w) ** 2)) + 3.0 * float(RULES[name].penalty_at(w))
    assert close(energy, found.objective, SOLVER / 100)
    assert energy >= found.objective * (1 - 1e-13)


@pytest.mark.parametrize("k", [1, 2, 2.5, 6])
def test_minimum_over_the_scales_alone(k: float) -> None:
    """The minimum is min over η of ½yᵀ(I + XD_ηXᵀ/λ)⁻¹y; its linear bound over all η is attained at η̂(w)."""
    X, y = regression(10, 6)
    found = solve(X, y, KSupport(k), 2.0)
    eta = KSupport(k).eta_hat_at(found.coef)
    alpha = np.linalg.solve(np.eye(10) + (X * eta) @ X.T / 2.0, y)
    assert close(0.5 * float(y @ alpha), found.objective, 1e-13)
    gradient = -((X.T @ alpha) ** 2) / 4.0
    best = float(np.sort(-gradient)[::-1] @ capped(k, 6))
    assert abs(best + float(gradient @ eta)) <= FLOAT64 * found.objective


@pytest.mark.parametrize("k", [1, 2, 2.5, 4])
def test_scales_are_the_best_retain_probabilities(k: float) -> None:
    """The cost Σw²(1 − θ)/θ under Σθ ≤ k is least at θ = η̂, where it is ‖w‖_k² − ‖w‖²; 0 for k-sparse w."""
    rng = np.random.default_rng(int(10 * k))
    w = rng.standard_normal(4)
    least = 2 * float(KSupport(k).penalty_at(w)) - float(w @ w)
    eta = KSupport(k).eta_hat_at(w)
    assert close(float((w**2 * (1 - eta) / eta).sum()), least, 1e-13)
    shares = rng.dirichlet(np.ones(4), 20_000) * k
    shares = shares[(shares <= 1).all(axis=1)] if k < 4 else np.ones((1, 4))
    assert len(shares) > 0
    assert ((w**2 * (1 - shares) / shares).sum(axis=1) >= least * (1 - FLOAT64) - FLOAT64).all()
    sparse = np.where(np.arange(4) < int(k), w, 0.0)
    assert abs(2 * float(KSupport(k).penalty_at(sparse)) - float(sparse @ sparse)) <= FLOAT64


@pytest.mark.parametrize("name", RULES)
def test_certificates_reject_what_is_not_the_minimum(name: str) -> None:
    X, y = regression(30, 6)
    coef = solve(X, y, RULES[name], 3.0).coef
    assert certify(X, y, coef, RULES[name], 3.0).value <= CERTIFICATE
    rng = np.random.default_rng(8)
    for size in (1e-1, 1e-3):
        wrong = coef + size * rng.standard_normal(6)
        verdict = certify(X, y, wrong, RULES[name], 3.0)
        rise = solve_objective(X, y, RULES[name], 3.0, wrong) - solve_objective(X, y, RULES[name], 3.0, coef)
        assert verdict.gap is not None
        assert verdict.gap >= rise * (1 - 1e-6) > 0
        assert verdict.relative_kkt > 1e-5 * size
        assert not verdict.locally_minimal
    assert certify(X, y, np.zeros(6), RULES[name], 3.0).value > 1e-3
    assert certify(X, y, coef, RULES[name], 3.3).value > CERTIFICATE


def solve_objective(X: Array, y: Array, rule: Any, lam: float, w: Array) -> float:
    return 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(rule.penalty_at(w))


def test_a_wrong_conjugate_is_noticed() -> None:
    posed = pose(*regression(30, 6), KSupport(2), 1.0)
    assert isinstance(posed, JointProblem)

    class Wrong(type(posed.penalty)):  # type: ignore[misc]
        def conjugate(self, slope: Array) -> float:
            return 0.5 * float(super().conjugate(slope))

    broken = pose(posed.X, posed.y, Wrong(KSupport(2)), 1.0)
    with pytest.raises(ArithmeticError, match="conjugate"):
        certify(posed.X, posed.y, solve(posed.X, posed.y, KSupport(2), 1.0).coef, broken.penalty, 1.0)


@pytest.mark.parametrize("steps", [accelerated, proximal_points])
def test_every_step_descends_to_the_minimum(steps: Callable[..., Any]) -> None:
    X, y = regression(25, 60, mix=CORRELATED)
    posed = pose(X, y, KSupport(4), 0.5)
    least = solve(X, y, KSupport(4), 0.5).objective
    found, start = steps(posed, np.ones(60)), posed.objective(np.ones(60))
    values = [start, *(posed.objective(next(found)) for _ in range(400 if steps is accelerated else 12))]
    assert all(after <= before * (1 + 1e-12) for before, after in pairwise(values))
    assert values[-1] - least <= (1e-3 if steps is accelerated else 1e-9) * (start - least)


# ---------------------------------------------------------------------------------------------------------------- paths


@pytest.mark.parametrize("name", RULES)
def test_default_grid_starts_where_a_tenth_can_be_explained(name: str) -> None:
    X, y = regression(30, 6)
    found = path(X, y, RULES[name], n_lams=5)
    null = 0.5 * float(y @ y)
    assert found.lams[-1] / found.lams[0] == pytest.approx(1e-2)
    assert 0.9 * null <= found.solutions[0].objective < null
    assert found.solutions[-1].objective < 0.5 * null
    assert max(c.value for c in found.certificates) <= CERTIFICATE
    cold = [solve(X, y, RULES[name], float(lam)).coef for lam in found.lams]
    np.testing.assert_allclose(found.coefs, cold, atol=1e-9)
    assert path(7 * X, 3 * y, RULES[name], n_lams=1).lams[0] == pytest.approx(49 * found.lams[0])


def test_warm_starts_save_steps() -> None:
    X, y = regression(20, 30, mix=CORRELATED)
    found = path(X, y, KSupport(3), lams=np.geomspace(20.0, 0.2, 6))
    cold = sum(solve(X, y, KSupport(3), float(lam)).iterations for lam in found.lams)
    assert sum(s.iterations for s in found.solutions) <= cold
