"""`solve` against oracles that share no code with it: cvxpy, scikit-learn, scipy, closed-form proximal maps."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import solve
from etatrick.theory import derive, penalties, strategies
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]
Value = Callable[[Array], float]

L1 = penalties["l1"](k=1)
SHAPES = [(30, 6), (8, 20), (1, 5)]


def regression(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    truth = np.where(np.arange(d) < max(1, d // 3), 2.0 * (-1.0) ** np.arange(d), 0.0)
    return X, X @ truth + 0.3 * rng.standard_normal(n)


def objective(X: Array, y: Array, lam: float, omega: Value, coef: Array) -> float:
    return 0.5 * float(np.sum((y - X @ coef) ** 2)) + lam * omega(np.abs(coef))


def omegas() -> dict[str, tuple[Any, Value, Callable[[Any, Any], Any]]]:
    """Return penalty, its value in numpy, and its cvxpy expression, written out by hand."""
    return {
        "l1": (L1, lambda w: float(w.sum()), lambda cp, v: cp.norm1(v)),
        "ridge": (
            penalties["ridge"](c=2),
            lambda w: float(w @ w) / 4,
            lambda cp, v: cp.sum_squares(v) / 4,
        ),
        "elastic_net": (
            penalties["elastic_net"](mu=0.5),
            lambda w: float(w.sum() + w @ w / 4),
            lambda cp, v: cp.norm1(v) + cp.sum_squares(v) / 4,
        ),
        "lp_3/2": (
            penalties["lp"](p=1.5),
            lambda w: float((w**1.5).sum()) / 1.5,
            lambda cp, v: cp.sum(cp.power(cp.abs(v), 1.5)) / 1.5,
        ),
    }


@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("name", list(omegas()))
def test_convex_against_cvxpy(name: str, shape: tuple[int, int]) -> None:
    import cvxpy as cp

    penalty, omega, expression = omegas()[name]
    X, y = regression(*shape)
    lam = 0.2 * float(np.max(np.abs(X.T @ y)))
    variable = cp.Variable(shape[1])
    model = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - X @ variable) + lam * expression(cp, variable)))
    model.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    reference = objective(X, y, lam, omega, np.asarray(variable.value))
    s = solve(X, y, penalty, lam)
    assert s.converged
    assert s.certificate.value <= CERTIFICATE
    assert close(s.objective, objective(X, y, lam, omega, s.coef))
    assert close(s.objective, reference, SOLVER)
    assert s.objective <= reference * (1 + FLOAT64)


@pytest.mark.parametrize("shape", [(30, 6), (8, 20), (20, 1)], ids=str)
def test_fair_against_scipy(shape: tuple[int, int]) -> None:
    from scipy.optimize import minimize

    X, y = regression(*shape)

    def value(v: Array) -> tuple[float, Array]:
        w = np.abs(v)
        r = y - X @ v
        return 0.5 * float(r @ r) + 3 * float((w - np.log1p(w)).sum()), -X.T @ r + 3 * v / (1 + w)

    found = minimize(value, np.zeros(shape[1]), jac=True, method="BFGS", options={"gtol": 1e-9})
    s = solve(X, y, penalties["fair"](), 3.0)
    assert s.converged
    assert s.certificate.value <= CERTIFICATE
    assert close(s.objective, float(found.fun), FLOAT64)
    np.testing.assert_allclose(s.coef, found.x, atol=SOLVER)


@pytest.mark.parametrize(
    ("form", "text", "value"),
    [
        ("penalty", "sqrt(1 + w**2) - 1", lambda w: np.sqrt(1 + w * w) - 1),
        ("penalty", "w*log(1 + w)", lambda w: w * np.log1p(w)),
        ("eta_hat", "(1 + w)/(2 + w)", lambda w: w * w / 2 + w - np.log1p(w)),
    ],
)
def test_convex_penalty_without_closed_conjugate(form: str, text: str, value: Callable[[Array], Array]) -> None:
    """A missing conjugate may weaken the certificate, never stop the solve."""
    from scipy.optimize import minimize

    X, y = regression(30, 4)
    duality = derive(penalty=text) if form == "penalty" else derive(eta_hat=text)
    s = solve(X, y, duality, 2.0)

    def full(v: Array) -> float:
        return objective(X, y, 2.0, lambda w: float(value(w).sum()), v)

    found = minimize(full, np.zeros(4), method="Nelder-Mead", options={"xatol": 1e-9, "fatol": 1e-12})
    assert s.converged
    assert s.certificate.value <= CERTIFICATE
    assert close(s.objective, float(found.fun), SOLVER)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("weighted", [False, True])
@pytest.mark.parametrize("shape", [(40, 6), (10, 25)], ids=str)
def test_scikit_learn_scalings(shape: tuple[int, int], weighted: bool, intercept: bool) -> None:
    """scikit-learn divides the loss of Lasso and ElasticNet by the total weight, that of Ridge by nothing."""
    from sklearn.linear_model import ElasticNet, Lasso, Ridge

    X, y = regression(*shape)
    y = y + 3
    rng = np.random.default_rng(1)
    weights = rng.integers(0, 4, len(y)).astype(float) if weighted else np.ones(len(y))
    lam, mu, total = 0.15 * float(np.max(np.abs(X.T @ y))), 0.7, float(weights.sum())
    fit: dict[str, Any] = {"tol": 1e-12, "max_iter": 1_000_000, "fit_intercept": intercept}
    peers = [
        (L1, Lasso(alpha=lam / total, **fit)),
        (
            penalties["elastic_net"](mu=mu),
            ElasticNet(alpha=lam * (1 + mu) / total, l1_ratio=1 / (1 + mu), **fit),
        ),
        (penalties["ridge"](c=2), Ridge(alpha=lam / 2, fit_intercept=intercept)),
    ]
    for penalty, peer in peers:
        peer.fit(X, y, sample_weight=weights)
        s = solve(X, y, penalty, lam, fit_intercept=intercept, sample_weight=weights)
        assert s.certificate.value <= CERTIFICATE
        np.testing.assert_allclose(s.coef, peer.coef_, atol=SOLVER)
        assert close(s.intercept, float(np.asarray(peer.intercept_)), SOLVER)


def soft(v: Array, t: float) -> Array:
    return np.sign(v) * np.maximum(np.abs(v) - t, 0.0)


def prox_log_sum(v: Array, t: float, epsilon: float) -> Array:
    size = np.abs(v)
    root = np.sqrt(np.maximum((size + epsilon) ** 2 - 4 * t, 0.0))
    return np.sign(v) * np.where(size > t / epsilon, (size - epsilon + root) / 2, 0.0)


def prox_ard(v: Array, t: float, c: float) -> Array:
    """Return the proximal map of the ARD penalty: eta-trick.md, D3, for t c/2 < 1 and not 1/2."""
    size, k = np.abs(v), t * c / 2
    moved = ((k - 1) * size + k * np.sqrt(np.maximum(size**2 - 4 * (2 * k - 1) / c, 0.0))) / (2 * k - 1)
    return np.sign(v) * np.where(size > t * np.sqrt(c), moved, 0.0)


@pytest.mark.parametrize(
    ("penalty", "prox"),
    [
        (L1, lambda v, t: soft(v, t)),
        (penalties["l1"](k=3), lambda v, t: soft(v, 3 * t)),
        (penalties["ridge"](c=2), lambda v, t: v / (1 + t / 2)),
        (penalties["elastic_net"](mu=2), lambda v, t: soft(v, t) / (1 + 2 * t)),
        (penalties["log_sum"](epsilon=2), lambda v, t: prox_log_sum(v, t, 2.0)),
        (strategies["ard"](c=2), lambda v, t: prox_ard(v, t, 2.0)),
    ],
    ids=["l1", "l1_k3", "ridge", "elastic_net", "log_sum", "ard"],
)
@pytest.mark.parametrize("lam", [0.05, 0.7])
def test_orthonormal_design_is_the_proximal_map(
    penalty: Any, prox: Callable[[Array, float], Array], lam: float
) -> None:
    rng = np.random.default_rng(3)
    Q = np.linalg.qr(rng.standard_normal((12, 7)))[0]
    v = np.array([3.0, -2.5, 1.2, -0.6, 0.3, 0.02, 0.0])
    s = solve(Q, Q @ v, penalty, lam)
    assert s.converged
    np.testing.assert_allclose(s.coef, prox(v, lam), atol=FLOAT64)


NONCONVEX: list[tuple[str, Any, Callable[[Array], Array]]] = [
    ("log_sum", penalties["log_sum"](epsilon=0.2), lambda w: np.log1p(w / 0.2)),
    ("sqrt", penalties["lp"](p=0.5), lambda w: 2 * np.sqrt(w)),
    ("cauchy", penalties["cauchy"](c=0.25), lambda w: np.log1p(4 * w * w) / 8),
    ("geman_mcclure", penalties["geman_mcclure"](c=0.25), lambda w: w * w / 8 / (0.25 + w * w)),
    ("exponential", derive(penalty="1 - exp(-w)"), lambda w: -np.expm1(-w)),
]


@pytest.mark.parametrize(("name", "penalty", "value"), NONCONVEX, ids=[row[0] for row in NONCONVEX])
@pytest.mark.parametrize("lam", [0.5, 2.0])
def test_nonconvex_in_the_plane_against_a_grid(
    name: str, penalty: Any, value: Callable[[Array], Array], lam: float
) -> None:
    """Every returned point is a local minimum of its own; the best over a few starts is the global one."""
    from scipy.optimize import minimize

    X, y = regression(12, 2, seed=4)

    def full(v: Array) -> float:
        return objective(X, y, lam, lambda w: float(value(w).sum()), v)

    axis = np.concatenate([np.linspace(-4, 4, 101), [0.0]])
    a, b = np.meshgrid(axis, axis, indexing="ij")
    points = np.column_stack([a.ravel(), b.ravel()])
    grid = 0.5 * ((y - points @ X.T) ** 2).sum(1) + lam * value(np.abs(points)).sum(1)
    order = np.argsort(grid)[:2]
    fits = [minimize(full, points[i], method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-12})
            for i in order]  # fmt: skip
    best = min([float(grid[order[0]]), *(float(f.fun) for f in fits)])
    ols = np.linalg.lstsq(X, y)[0]
    starts = [None, ols, ols * [1, 0], ols * [0, 1], np.zeros(2), 0.1 * ols]
    found = [solve(X, y, penalty, lam, start=start) for start in starts]
    for s in found:
        assert s.converged
        assert s.certificate.relative_kkt <= CERTIFICATE
        assert close(s.objective, full(s.coef))
    assert close(min(s.objective for s in found), best, SOLVER), name
    assert min(s.objective for s in found) <= best + FLOAT64


def test_duplicate_columns_reach_the_optimum_and_say_so() -> None:
    X, y = regression(30, 6)
    reference = solve(X, y, L1, 3.0)
    for copy in (X[:, :1], -X[:, :1]):
        s = solve(np.hstack([X, copy]), y, L1, 3.0)
        assert s.certificate.value <= CERTIFICATE
        assert close(s.objective, reference.objective)
        assert s.converged
        assert s.iterations <= 2000


def test_collinear_columns_of_one_hot_codes() -> None:
    levels = np.arange(24) % 3
    X = np.column_stack([np.eye(3)[levels], np.eye(2)[np.arange(24) // 12]])
    y = levels + 0.5 * (np.arange(24) // 12) + 0.1 * np.sin(np.arange(24.0))
    for lam in (0.01, 0.5):
        s = solve(X, y, L1, lam, fit_intercept=True)
        assert s.certificate.value <= CERTIFICATE
        assert s.converged


@pytest.mark.parametrize("lam", [1e-3, 1e-8, 1e-12, 1e-20, 1e-200])
@pytest.mark.parametrize("rows", [30, 4])
@pytest.mark.parametrize("duplicated", [False, True])
def test_small_lambda_tends_to_least_squares(lam: float, rows: int, duplicated: bool) -> None:
    X, y = regression(30, 6)
    X, y = X[:rows], y[:rows]
    X = np.hstack([X, X[:, :1]]) if duplicated else X
    s = solve(X, y, L1, lam)
    assert s.converged
    assert min(s.certificate.value, s.relative_kkt) <= CERTIFICATE
    least = 0.5 * float(np.sum((y - X @ np.linalg.lstsq(X, y)[0]) ** 2))
    assert s.objective <= least + 50 * lam + FLOAT64


@pytest.mark.parametrize("rows", [30, 4])
@pytest.mark.parametrize("start", [None, 0.0, 1.0])
def test_lambda_zero_is_least_squares(rows: int, start: float | None) -> None:
    X, y = regression(30, 6)
    X, y = X[:rows].copy(), y[:rows]
    X[:, 2] = 0.0
    s = solve(X, y, L1, 0.0, start=None if start is None else np.full(6, start))
    assert s.converged
    assert s.certificate.value <= CERTIFICATE
    reference = X @ np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(X @ s.coef, reference, atol=FLOAT64)


@pytest.mark.parametrize("factor", [1.0, 1.0 + 1e-9, 1.01, 2.0, 1e3, 1e20, 1e300])
@pytest.mark.parametrize("shape", [(30, 6), (4, 9), (1, 5)], ids=str)
def test_large_lambda_gives_exactly_zero_without_fuss(shape: tuple[int, int], factor: float) -> None:
    X, y = regression(*shape)
    s = solve(X, y, L1, factor * float(np.max(np.abs(X.T @ y))))
    np.testing.assert_allclose(s.coef, 0.0, atol=FLOAT64)
    assert s.converged
    assert s.certificate.relative_kkt <= CERTIFICATE
    if factor > 1:
        assert not s.coef.any()
    assert s.iterations <= 500


@pytest.mark.parametrize("penalty", [L1, penalties["ridge"](c=1), penalties["log_sum"](epsilon=1)])
def test_degenerate_data(penalty: Any) -> None:
    X, y = regression(20, 5)
    zeros = solve(X, 0 * y, penalty, 1.0)
    np.testing.assert_array_equal(zeros.coef, 0.0)
    assert zeros.objective == 0
    assert zeros.converged
    blank = solve(0 * X, y, penalty, 1.0)
    np.testing.assert_array_equal(blank.coef, 0.0)
    holes = X * [1, 1, 0, 1, 0]
    s = solve(holes, y, penalty, 1.0, start=np.ones(5))
    assert s.coef[2] == s.coef[4] == 0
    assert s.converged
    reference = solve(X[:, [0, 1, 3]], y, penalty, 1.0)
    assert close(s.objective, reference.objective)
    constant = solve(X, np.full(20, 0.1), penalty, 1.0, fit_intercept=True)
    np.testing.assert_allclose(constant.coef, 0.0, atol=FLOAT64)
    assert close(constant.intercept, 0.1)
    single = solve(X[:1], y[:1], penalty, 1.0, fit_intercept=True)
    np.testing.assert_array_equal(single.coef, 0.0)
    assert close(single.intercept, float(y[0]))


def test_unbounded_objective_is_refused() -> None:
    """Ω(0+) = −∞ (log w): the infimum is −∞ at w = 0, so nothing returned could be a solution."""
    from etatrick.errors import InputError

    X, y = regression(20, 3)
    with pytest.raises(InputError, match="log"):
        solve(X, y, derive(penalty="log(w)"), 1.0)


def test_superquadratic_penalty_is_refused_or_solved() -> None:
    """The η-trick needs Ω′(w)/w nonincreasing; exp(w) − 1 breaks it and reweighted ridge then climbs."""
    from etatrick.errors import InputError

    X, y = regression(20, 3)
    try:
        s = solve(X, 1000 * y, derive(penalty="exp(w) - 1"), 1.0)
    except InputError:
        return
    assert s.converged
    assert (np.diff(s.history) <= CERTIFICATE * s.history[0]).all()


def test_standout_survives_large_weights() -> None:
    """exp(w) overflows: η̂ = ∞ there and the coordinate is simply not penalised."""
    X, y = regression(20, 3)
    s = solve(X, 1000 * y, derive(eta_hat="exp(w)"), 1.0)
    assert np.isfinite(s.objective)
    assert s.converged


@pytest.mark.parametrize("lam", [0.3, 1.5])
def test_mcp_is_firm_thresholding(lam: float) -> None:
    """Beyond A the penalty is flat and η̂ infinite: those weights are not shrunk at all."""
    A = 2.0
    Q = np.linalg.qr(np.random.default_rng(3).standard_normal((12, 7)))[0]
    v = np.array([3.0, -2.5, 1.2, -0.6, 0.25, 0.02, 0.0])
    s = solve(Q, Q @ v, derive(penalty="Piecewise((w - w**2/4, w < 2), (1, True))"), lam)
    firm = np.where(np.abs(v) > A, v, soft(v, lam) / (1 - lam / A))
    assert s.converged
    assert s.certificate.locally_minimal
    np.testing.assert_allclose(s.coef, firm, atol=FLOAT64)
