"""Norms from cones of scales: cvxpy, the gap from its definition, dual norms, the lasso and wide designs."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.numerics import solve
from etatrick.numerics.scale_cones import scale_cone
from etatrick.numerics.solution import Status
from etatrick.numerics.vector_penalties import fit_vector_penalty, vector_path_start
from etatrick.numerics.vector_problem import pose_vector
from etatrick.theory import penalties
from etatrick.theory.vector import Ordered, Overlapping
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]

NORMS: dict[str, Any] = {
    "ordered": Ordered(),
    "chain": Overlapping(((0, 1, 2), (2, 3), (3, 4, 0), (5,))),
    "nested": Overlapping(((0,), (0, 1), (0, 1, 2, 3, 4, 5)), (1.0, 1.2, 3.0)),
    "twice the same": Overlapping(((0, 1, 2), (0, 1, 2), (3, 4), (4, 5)), (1.0, 1.0, 1.0, 2.0)),
}


def regression(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed, 23])
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [3.0, -2.0, 0.7] + 0.5 * rng.standard_normal(n)


def objective(rule: Any, X: Array, y: Array, lam: float, w: Array) -> float:
    return 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(rule.penalty_at(w))


def latent(rule: Any, d: int) -> list[tuple[list[int], float]]:
    """Return groups and the weights of their norms; nonincreasing scales are sums over prefixes."""
    if isinstance(rule, Ordered):
        return [(list(range(k)), float(np.sqrt(k))) for k in range(1, d + 1)]
    return [(list(g), c) for g, c in zip(rule.groups, rule.weights, strict=True)]


@pytest.mark.parametrize("shape", [(30, 6), (4, 6)], ids=str)
@pytest.mark.parametrize("name", NORMS)
def test_norms_against_cvxpy(name: str, shape: tuple[int, int]) -> None:
    """The latent group lasso with one copy of the weights per group, by second-order cones."""
    import cvxpy as cp

    X, y = regression(*shape)
    for lam in (0.05, 2.0):
        groups = latent(NORMS[name], 6)
        copies = [cp.Variable(len(g)) for g, _ in groups]
        fitted = sum(X[:, g] @ v for (g, _), v in zip(groups, copies, strict=True))
        charge = sum(c * cp.norm(v) for (_, c), v in zip(groups, copies, strict=True))
        model = cp.Problem(cp.Minimize(0.5 * cp.sum_squares(y - fitted) + lam * charge))
        model.solve(solver=cp.CLARABEL)
        found = fit_vector_penalty(X, y, NORMS[name], lam)
        assert found.status is Status.OPTIMAL
        assert found.certificate.value <= CERTIFICATE
        assert found.relative_kkt <= FLOAT64
        assert close(found.objective, float(model.value), SOLVER)
        assert close(found.objective, objective(NORMS[name], X, y, lam, found.coef))


@pytest.mark.parametrize("name", NORMS)
def test_the_gap_from_the_definition(name: str) -> None:
    """A dual point is feasible if every ‖Xᵀθ‖_g ≤ λc_g: checked group by group, with the value of ½‖y‖² − ½‖y − θ‖²."""
    X, y = regression(30, 6)
    found = fit_vector_penalty(X, y, NORMS[name], 2.0)
    residual = y - X @ found.coef
    pull = X.T @ residual
    excess = max(float(np.linalg.norm(pull[g])) / (2.0 * c) for g, c in latent(NORMS[name], 6))
    theta = residual / max(excess, 1.0)
    dual = 0.5 * float(y @ y) - 0.5 * float(np.sum((y - theta) ** 2))
    assert abs(objective(NORMS[name], X, y, 2.0, found.coef) - dual) <= 1e-12 * float(y @ y)


@pytest.mark.parametrize("name", NORMS)
def test_dual_norms_against_directions(name: str) -> None:
    """⟨x, w⟩ ≤ N*(x) Ω(w) for all w, and no smaller number will do: the best w in a group attains it."""
    cone = scale_cone(NORMS[name], 6)
    assert cone is not None
    rng = np.random.default_rng(4)
    for x in rng.standard_normal((3, 6)):
        w = rng.standard_normal((30, 6))
        assert (w @ x <= cone.dual_norm(x) * NORMS[name].penalty_at(w) * (1 + 1e-9)).all()
        tight = [np.where(np.isin(np.arange(6), g), x, 0.0) for g, _ in latent(NORMS[name], 6)]
        ratios = [float(v @ x / NORMS[name].penalty_at(v)) for v in tight]
        assert max(ratios) >= cone.dual_norm(x) * (1 - 1e-9)


def test_separate_groups_are_the_lasso_and_the_group_lasso() -> None:
    X, y = regression(30, 6)
    singles = fit_vector_penalty(X, y, Overlapping([[i] for i in range(6)]), 3.0)
    lasso = solve(X, y, penalties["l1"](k=1), 3.0)
    np.testing.assert_allclose(singles.coef, lasso.coef, atol=1e-9)
    assert ((singles.coef == 0) == (lasso.coef == 0)).all()


def test_a_wide_design_with_many_groups() -> None:
    X, y = regression(25, 120)
    for rule in (Ordered(), Overlapping([range(i, i + 6) for i in range(0, 115, 3)])):
        top = vector_path_start(pose_vector(X, y, rule, 1.0))
        assert not fit_vector_penalty(X, y, rule, top * (1 + 1e-9)).coef.any()
        for share in (0.9, 0.1, 1e-3):
            found = fit_vector_penalty(X, y, rule, share * top)
            assert found.status is Status.OPTIMAL
            assert found.certificate.value <= CERTIFICATE
            assert found.coef.any()
