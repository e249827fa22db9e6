"""Penalties with joint scales as objects: values, proximal maps, curvature, cvxpy models, edges and bad input."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import path, solve
from etatrick.numerics.joint import joint_penalty, rank_hessian
from etatrick.numerics.modelling import cvxpy_joint_penalty, cvxpy_optimum, cvxpy_penalty
from etatrick.theory.vector import Ordered, TopK
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


def regression(n: int, d: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, 43])
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [3.0, -2.0, 1.0] + 0.3 * rng.standard_normal(n)


@pytest.mark.parametrize("name", RULES)
def test_value_prox_scales_and_conjugate_agree_with_the_theory(name: str) -> None:
    """Fenchel–Young at the prox with t = 1: Ω(x) + Ω*(w − x) = ⟨x, w − x⟩, and values against the vector dual."""
    joint = joint_penalty(RULES[name])
    rng = np.random.default_rng(5)
    for w in rng.standard_normal((20, 6)) * 10 ** rng.uniform(-2, 1, (20, 6)):
        x = joint.prox(w, 1.0)
        pairing = float(x @ (w - x))
        assert abs(joint.total(x) + joint.conjugate(w - x) - pairing) <= 1e-14 * (1 + float(w @ w))
        assert close(joint.total(w), float(RULES[name].penalty_at(w)), 1e-13)
        np.testing.assert_allclose(joint.eta_hat(w), RULES[name].eta_hat_at(w), rtol=1e-12)


@pytest.mark.parametrize("name", RULES)
def test_slope_and_hessian_by_differences(name: str) -> None:
    joint = joint_penalty(RULES[name])
    rng = np.random.default_rng(6)
    for w in rng.standard_normal((5, 6)) + np.array([3, -2, 1, 0.5, 0, 0]):
        steps = 1e-5 * np.eye(6)
        slope = [(joint.total(w + s) - joint.total(w - s)) / 2e-5 for s in steps]
        bend = np.array([(joint.slope(w + s) - joint.slope(w - s)) / 2e-5 for s in steps])
        np.testing.assert_allclose(joint.slope(w), slope, atol=1e-7)
        np.testing.assert_allclose(joint.hessian(w), bend, atol=1e-6)


def test_hessian_of_ties_and_zeros() -> None:
    """Two equal entries that are both saturated curve on their own; zeros are left out."""
    tied = joint_penalty(KSupport(2)).hessian(np.array([2.0, 0.0, -2.0]))
    np.testing.assert_array_equal(tied, np.eye(2))
    assert rank_hessian(np.zeros(0), np.zeros(0), np.ones(2)).shape == (0, 0)


# ---------------------------------------------------------------------------------------------- data, models, bad input


def test_intercept_and_weights() -> None:
    X, y = regression(30, 6)
    weights = np.random.default_rng(1).integers(0, 4, 30).astype(float)
    found = solve(X, y + 5, KSupport(2), 1.0, fit_intercept=True, sample_weight=weights)
    rows = np.repeat(np.arange(30), weights.astype(int))
    twin = solve(X[rows] - X[rows].mean(0), y[rows] - y[rows].mean(), KSupport(2), 1.0)
    np.testing.assert_allclose(found.coef, twin.coef, atol=FLOAT64)
    assert close(found.intercept, float((y[rows] + 5).mean() - X[rows].mean(0) @ found.coef))


def test_edges() -> None:
    X, y = regression(30, 6)
    best = np.linalg.lstsq(X, y)[0]
    np.testing.assert_allclose(solve(X, y, KSupport(2), 0.0).coef, best, atol=FLOAT64)
    assert solve(X, np.zeros(30), KSupport(2), 1.0).coef.tolist() == [0.0] * 6
    zero = solve(np.zeros((3, 2)), [1.0, 2.0, 3.0], KSupport(1), 1.0)
    assert zero.coef.tolist() == [0.0, 0.0]
    twins = solve(X[:, [0, 0, 1]], y, KSupport(2), 1.0)
    assert twins.certificate.value <= CERTIFICATE
    assert solve(X, y, KSupport(2), 1e6).certificate.value <= CERTIFICATE
    start = solve(X, y, KSupport(2), 1.0).coef
    assert solve(X, y, KSupport(2), 1.0, start=start).certificate.value <= CERTIFICATE


@pytest.mark.parametrize("scale", [1e-6, 1e6])
def test_units_do_not_matter(scale: float) -> None:
    X, y = regression(30, 6)
    expected = solve(X, y, KSupport(2), 2.0).coef
    np.testing.assert_allclose(solve(X, scale * y, KSupport(2), 2.0).coef, scale * expected, rtol=1e-9)
    np.testing.assert_allclose(solve(scale * X, y, KSupport(2), 2.0 * scale**2).coef, expected / scale, rtol=1e-9)


@pytest.mark.parametrize("name", RULES)
def test_cvxpy_model(name: str) -> None:
    import cvxpy as cp

    X, y = regression(12, 6)
    value, _ = cvxpy_optimum(X, y, RULES[name], 1.0)
    assert close(value, solve(X, y, RULES[name], 1.0).objective, SOLVER)
    x = cp.Variable(6)
    charge, limits = cvxpy_joint_penalty(RULES[name], x)
    point = np.array([3.0, -2.0, 0.0, 1.0, 0.5, 0.0])
    assert charge.is_convex()
    model = cp.Problem(cp.Minimize(charge), [x == point, *limits])
    model.solve(solver=cp.CLARABEL)
    assert close(float(model.value), float(RULES[name].penalty_at(point)), SOLVER)


@pytest.mark.parametrize(
    "bad",
    [{"penalty": KSupport(7)}, {"penalty": RankWeights((1.0, 0.0))}, {"penalty": GroupKSupport([[0, 1], [2]], 1)},
     {"penalty": TopK(2)}, {"penalty": "k_support"}, {"lam": -1.0}, {"lam": np.nan}, {"y": np.ones(3)},
     {"X": np.full((30, 6), np.inf)}, {"tol": 0.0}, {"method": "newton"}, {"start": np.ones(5)}],
    ids=str,
)  # fmt: skip
def test_bad_input(bad: dict[str, Any]) -> None:
    X, y = regression(30, 6)
    good: dict[str, Any] = {"X": X, "y": y, "penalty": KSupport(2), "lam": 1.0}
    with pytest.raises(InputError):
        solve(**(good | bad))


@pytest.mark.parametrize(
    "make",
    [lambda: KSupport(0.5), lambda: KSupport(np.nan), lambda: KSupport(True), lambda: RankWeights((1.0, 2.0)),
     lambda: RankWeights((0.0, 0.0)), lambda: RankWeights((1.0, -1.0)), lambda: RankWeights(()),
     lambda: GroupKSupport([[0, 1], [1]], 1), lambda: GroupKSupport([[0], [1]], 3),
     lambda: GroupKSupport([[0], [2]], 1)],
)  # fmt: skip
def test_bad_penalties(make: Callable[[], Any]) -> None:
    with pytest.raises(InputError):
        make()


def test_bad_models_and_grids() -> None:
    import cvxpy as cp

    with pytest.raises(InputError, match="cvxpy_joint_penalty"):
        cvxpy_penalty(KSupport(1), cp.Variable(2))
    with pytest.raises(InputError):
        cvxpy_joint_penalty(KSupport(3), cp.Variable(2))
    with pytest.raises(InputError, match="proximal map"):
        cvxpy_joint_penalty(Ordered(), cp.Variable(2))
    with pytest.raises(InputError, match="lams"):
        path(np.eye(2), [0.0, 0.0], KSupport(1))
