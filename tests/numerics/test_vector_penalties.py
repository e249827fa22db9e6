"""Penalties on whole vectors known by Ω and η̂ alone: cvxpy, closed forms, brute force, descent, certificates."""

from itertools import combinations, pairwise
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import solve
from etatrick.numerics.solution import Status
from etatrick.numerics.vector_penalties import fit_vector_penalty, vector_path_start
from etatrick.numerics.vector_problem import pose_vector, vector_certificate
from etatrick.theory import penalties
from etatrick.theory.vector import (
    Exponential,
    HalfCauchy,
    InverseGamma,
    JointMap,
    Ordered,
    Overlapping,
    ScaleMixture,
    SparseBayes,
    Spectral,
    TopK,
    TrimmedRidge,
)
from tolerances import FLOAT64, close

Array = NDArray[np.float64]

NORMS: dict[str, Any] = {
    "ordered": Ordered(),
    "chain": Overlapping(((0, 1, 2), (2, 3), (3, 4, 0), (5,))),
    "nested": Overlapping(((0,), (0, 1), (0, 1, 2, 3, 4, 5)), (1.0, 1.2, 3.0)),
    "twice the same": Overlapping(((0, 1, 2), (0, 1, 2), (3, 4), (4, 5)), (1.0, 1.0, 1.0, 2.0)),
}
OTHERS: dict[str, Any] = {
    "trimmed ridge": TrimmedRidge(2, 0.4),
    "laplace mixture": ScaleMixture(Exponential(0.7)),
    "student mixture": ScaleMixture(InverseGamma(1.5, 0.6)),
    "student map": JointMap(InverseGamma(1.5, 0.6)),
}


def regression(n: int, d: int, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed, 23])
    X = rng.standard_normal((n, d))
    return X, X[:, :3] @ [3.0, -2.0, 0.7] + 0.5 * rng.standard_normal(n)


def objective(rule: Any, X: Array, y: Array, lam: float, w: Array) -> float:
    return 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(rule.penalty_at(w))


# --------------------------------------------------------------------------------------------------------------- others


@pytest.mark.parametrize("shape", [(30, 6), (4, 6)], ids=str)
@pytest.mark.parametrize("name", OTHERS)
def test_stationary_points_by_differences(name: str, shape: tuple[int, int]) -> None:
    """The gradient of the objective by central differences where w ≠ 0, one-sided slopes ≥ 0 at zeros, and descent."""
    X, y = regression(*shape)
    rule = OTHERS[name]
    for lam in (0.3, 3.0):
        found = fit_vector_penalty(X, y, rule, lam)
        assert found.status is Status.STATIONARY
        assert found.relative_kkt <= 1e-10
        scale = float(np.abs(X.T @ y).max())
        for j, step in enumerate(1e-5 * np.eye(6)):
            here = objective(rule, X, y, lam, found.coef)
            up, down = (objective(rule, X, y, lam, found.coef + sign * step) for sign in (1, -1))
            if found.coef[j] != 0:
                assert abs(up - down) / 2e-5 <= 1e-6 * scale
            else:
                assert min(up, down) >= here
        assert all(after <= before + 1e-12 * (1 + abs(before)) for before, after in pairwise(found.history))


def test_the_laplace_mixture_is_the_lasso() -> None:
    """Ω = √(2r)|w|: the lasso solver, another code, finds the same weights and zeros."""
    for shape in ((30, 6), (10, 14)):
        X, y = regression(*shape)
        found = fit_vector_penalty(X, y, ScaleMixture(Exponential(0.5)), 4.0)
        lasso = solve(X, y, penalties["l1"](k=1), 4.0)
        np.testing.assert_allclose(found.coef, lasso.coef, atol=1e-8)
        assert ((found.coef == 0) == (lasso.coef == 0)).all()
        assert not lasso.coef.all()


def test_the_student_map_is_a_scalar_penalty() -> None:
    """Its scales solve η(3 + 2a) = w² + 2b: reweighting in five lines, from the same start, ends in the same point."""
    X, y = regression(30, 6)
    a, b, lam = 1.5, 0.6, 3.0
    w: Any = np.linalg.solve(X.T @ X + lam * np.eye(6), X.T @ y)
    for _ in range(3000):
        w = np.linalg.solve(X.T @ X + np.diag(lam * (3 + 2 * a) / (w**2 + 2 * b)), X.T @ y)
    np.testing.assert_allclose(fit_vector_penalty(X, y, OTHERS["student map"], lam).coef, w, atol=1e-10)


def test_trimmed_ridge_ends_in_a_minimum_over_its_own_subset() -> None:
    """For each set S of k free weights the minimum is a ridge problem: ours is one, and none lies below the least."""
    X, y = regression(30, 6)
    rule, lam = TrimmedRidge(2, 0.4), 5.0
    least = []
    for free in combinations(range(6), 2):
        bend = np.where(np.isin(np.arange(6), free), 0.0, lam / rule.scale)
        least.append(np.linalg.solve(X.T @ X + np.diag(bend), X.T @ y))
    found = fit_vector_penalty(X, y, rule, lam)
    assert min(float(np.abs(found.coef - w).max()) for w in least) <= FLOAT64
    assert found.objective >= min(objective(rule, X, y, lam, w) for w in least) - FLOAT64
    assert fit_vector_penalty(X, y, rule, lam, start=least[0]).objective <= objective(rule, X, y, lam, least[0])


def test_zeros_are_released() -> None:
    """From w = 0, where reweighting alone stays for ever, the descent reaches what it reaches from elsewhere."""
    X, y = regression(30, 6)
    found = fit_vector_penalty(X, y, OTHERS["laplace mixture"], 3.0, start=np.zeros(6))
    elsewhere = fit_vector_penalty(X, y, OTHERS["laplace mixture"], 3.0)
    assert found.converged
    np.testing.assert_allclose(found.coef, elsewhere.coef, atol=1e-9)


def test_a_class_of_ones_own_with_scales_that_depend_on_all_weights() -> None:
    """Ω = ½log(1 + ‖w‖²) has η̂ = 1 + ‖w‖² everywhere: five lines of reweighting are the reference."""
    from etatrick.theory.vector.base import VectorDuality

    class Pooled(VectorDuality):
        conditions = {}  # noqa: RUF012

        def latex(self) -> str:
            return ""

        def _penalty(self, w: Array) -> Array:
            return np.asarray(0.5 * np.log1p((w**2).sum(axis=1)))

        def _eta_hat(self, w: Array) -> Array:
            return np.repeat(1 + (w**2).sum(axis=1, keepdims=True), w.shape[1], axis=1)

        def _dual(self, eta: Array) -> Array:
            return np.log(eta[:, 0]) - 1 + 1 / eta[:, 0]

    X, y = regression(30, 6)
    w: Any = np.ones(6)
    for _ in range(500):
        w = np.linalg.solve(X.T @ X + 9.0 / (1 + w @ w) * np.eye(6), X.T @ y)
    found = fit_vector_penalty(X, y, Pooled(), 9.0)
    assert found.status is Status.STATIONARY
    assert found.locally_minimal
    np.testing.assert_allclose(found.coef, w, atol=FLOAT64)


# --------------------------------------------------------------------------------------------------- data and bad input


@pytest.mark.parametrize("rule", [Ordered(), TrimmedRidge(2, 0.4)], ids=str)
def test_weights_intercept_offset_and_no_penalty(rule: Any) -> None:
    X, y = regression(30, 6)
    rng = np.random.default_rng(1)
    v, offset = rng.integers(0, 4, 30), rng.standard_normal(30)
    found = fit_vector_penalty(X, y + 5, rule, 2.0, fit_intercept=True, sample_weight=v, offset=offset)
    rows = np.repeat(np.arange(30), v)
    Z, target = X[rows], (y - offset)[rows]
    twin = fit_vector_penalty(Z - Z.mean(0), target - target.mean(), rule, 2.0)
    np.testing.assert_allclose(found.coef, twin.coef, atol=1e-9)
    assert close(found.intercept, target.mean() + 5 - Z.mean(0) @ found.coef)
    free = fit_vector_penalty(X, y, rule, 0.0)
    assert free.status is Status.OPTIMAL
    np.testing.assert_allclose(free.coef, np.linalg.lstsq(X, y)[0], atol=FLOAT64)
    assert not fit_vector_penalty(X, np.zeros(30), rule, 1.0).coef.any()


@pytest.mark.parametrize("rule", [*NORMS.values(), *OTHERS.values()], ids=[*NORMS, *OTHERS])
def test_certificates_reject_what_is_not_the_minimum(rule: Any) -> None:
    X, y = regression(30, 6)
    coef = fit_vector_penalty(X, y, rule, 3.0).coef
    posed = pose_vector(X, y, rule, 3.0)
    assert vector_certificate(posed, coef).value <= 1e-10
    rng = np.random.default_rng(8)
    for size in (1e-1, 1e-3):
        wrong = vector_certificate(posed, coef + size * rng.standard_normal(6))
        assert wrong.relative_kkt > 1e-5 * size
        assert wrong.value > 1e-3 * size**2
        assert not wrong.locally_minimal
        if wrong.gap is not None:
            assert wrong.gap > 0
    assert vector_certificate(posed.with_lam(3.5), coef).relative_kkt > 1e-4
    assert vector_certificate(posed, np.zeros(6)).relative_kkt > 1e-2


def test_a_tolerance_out_of_reach_is_reported() -> None:
    X, y = regression(30, 6)
    found = fit_vector_penalty(X, y, OTHERS["student mixture"], 3.0, tol=1e-25)
    assert found.status in (Status.STALLED, Status.LIMIT)
    assert not found.converged
    assert fit_vector_penalty(X, y, Ordered(), 3.0, tol=1e-25).status is Status.STALLED


@pytest.mark.parametrize(
    ("rule", "message"),
    [(TopK(2), "hard constraint"), (ScaleMixture(HalfCauchy(0.8)), "−∞ at w = 0"),
     (JointMap(HalfCauchy(0.8)), "−∞ at w = 0"), (JointMap(Exponential(0.7)), "−∞ at w = 0"),
     (Overlapping(((0, 1), (1, 2))), "length"), (TrimmedRidge(9, 0.4), "k = 9")],
    ids=lambda value: str(value)[:30],
)  # fmt: skip
def test_refused_penalties(rule: Any, message: str) -> None:
    with pytest.raises(InputError, match=message):
        fit_vector_penalty(*regression(30, 6), rule, 1.0)


def test_matrices_are_refused() -> None:
    from etatrick.theory import derive

    with pytest.raises(InputError, match="matrices"):
        fit_vector_penalty(*regression(30, 6), Spectral(derive(penalty="w")), 1.0)


def test_path_starts() -> None:
    X, y = regression(30, 6)
    laplace = vector_path_start(pose_vector(X, y, ScaleMixture(Exponential(0.5)), 1.0))
    assert laplace == pytest.approx(float(np.abs(X.T @ y).max()), rel=1e-9)
    for rule in (OTHERS["student map"], OTHERS["trimmed ridge"]):
        with pytest.raises(InputError, match="smooth"):
            vector_path_start(pose_vector(X, y, rule, 1.0))
    with pytest.raises(InputError, match="noise"):
        vector_path_start(pose_vector(X, y, SparseBayes(X, 1.0), 1.0))


@pytest.mark.parametrize(
    "bad",
    [{"lam": -1.0}, {"lam": np.nan}, {"y": np.ones(3)}, {"X": np.full((30, 6), np.inf)}, {"tol": 0.0},
     {"start": np.ones(5)}, {"start": np.full(6, np.nan)}, {"sample_weight": -np.ones(30)}],
    ids=str,
)  # fmt: skip
def test_bad_input(bad: dict[str, Any]) -> None:
    X, y = regression(30, 6)
    good: dict[str, Any] = {"X": X, "y": y, "penalty": Ordered(), "lam": 1.0}
    with pytest.raises(InputError):
        fit_vector_penalty(**(good | bad))
