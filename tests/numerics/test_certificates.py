"""Certificates recomputed from the definitions at 50 digits, and the ways in which one could lie."""

from collections.abc import Callable
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics import CompiledPenalty, certify, compile_penalty, solve
from etatrick.theory import derive, penalties
from tolerances import CERTIFICATE, FLOAT64, close

Array = NDArray[np.float64]
Real = Callable[[Any], Any]

L1, FAIR = penalties["l1"](k=1), penalties["fair"]()
# name → (penalty, Ω, Ω′, Ω*, Ω′(0+), sup Ω′), by hand
CONVEX: dict[str, tuple[Any, Real, Real, Real, float, float]] = {
    "l1": (L1, lambda w: w, lambda w: mp.mpf(1), lambda z: mp.mpf(0), 1.0, 1.0),
    "ridge": (penalties["ridge"](c=2), lambda w: w * w / 4, lambda w: w / 2, lambda z: z * z, 0.0, np.inf),
    "elastic_net": (
        penalties["elastic_net"](mu=0.5),
        lambda w: w + w * w / 4,
        lambda w: 1 + w / 2,
        lambda z: max(z - 1, mp.mpf(0)) ** 2,
        1.0,
        np.inf,
    ),
    "lp_3/2": (
        penalties["lp"](p=1.5),
        lambda w: w ** mp.mpf("1.5") / mp.mpf("1.5"),
        lambda w: mp.sqrt(w),
        lambda z: z**3 / 3,
        0.0,
        np.inf,
    ),
    "fair": (
        FAIR,
        lambda w: w - mp.log1p(w),
        lambda w: w / (1 + w),
        lambda z: -z - mp.log1p(-z),
        0.0,
        1.0,
    ),
}
NONCONVEX: dict[str, tuple[Any, Real, float]] = {
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: 1 / (w + mp.mpf("0.5")), 2.0),
    "cauchy": (penalties["cauchy"](c=1), lambda w: w / (1 + w * w), 0.0),
    "lp_1/2": (penalties["lp"](p=0.5), lambda w: 1 / mp.sqrt(w), np.inf),
}
NAMES = list(CONVEX)


def data(n: int = 12, d: int = 5, seed: int = 0) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, seed])
    X = rng.standard_normal((n, d))
    return X, X @ np.array([2.0, -1.0, *[0.0] * (d - 2)]) + 0.3 * rng.standard_normal(n)


def exact(array: Array) -> Any:
    return mp.matrix(array.tolist())


def exact_kkt(X: Array, y: Array, coef: Array, slope: Real, start: float, lam: float) -> Any:
    descent = exact(X).T * (exact(y) - exact(X) * exact(coef))
    worst = mp.mpf(0)
    for j, w in enumerate(coef.tolist()):
        if w != 0:
            violation = abs(descent[j] - lam * slope(abs(mp.mpf(w))) * (1 if w > 0 else -1))
        else:
            violation = max(abs(descent[j]) - lam * start, 0) if np.isfinite(start) else mp.mpf(0)
        worst = max(worst, violation)
    return worst


def exact_primal(X: Array, y: Array, coef: Array, value: Real, lam: float) -> Any:
    residual = exact(y) - exact(X) * exact(coef)
    charge = sum((value(abs(mp.mpf(w))) for w in coef.tolist() if w != 0), mp.mpf(0))
    return sum(r * r for r in residual) / 2 + lam * charge


def exact_gap(X: Array, y: Array, coef: Array, name: str, lam: float) -> Any:
    """Return P(w) − D(θ), D(θ) = ½‖y‖² − ½‖y − θ‖² − λΣΩ*(x_jᵀθ/λ), for the residual scaled to be feasible."""
    _, value, _, conjugate, _, steepest = CONVEX[name]
    residual = exact(y) - exact(X) * exact(coef)
    pull = exact(X).T * residual / lam
    reach = max(abs(z) for z in pull)
    scale = min(mp.mpf(1), steepest / reach) if np.isfinite(steepest) else mp.mpf(1)
    dual = (
        sum(v * v for v in exact(y)) / 2
        - sum((a - scale * b) ** 2 for a, b in zip(exact(y), residual, strict=True)) / 2
    )
    dual -= lam * sum(conjugate(scale * abs(z)) for z in pull)
    return exact_primal(X, y, coef, value, lam) - dual


def points(X: Array, y: Array, penalty: Any, lam: float) -> list[Array]:
    rng = np.random.default_rng(5)
    best = solve(X, y, penalty, lam).coef
    return [best, best * 1.001, best + 0.01 * rng.standard_normal(len(best)), np.zeros_like(best), -best]


@pytest.mark.parametrize("name", NAMES)
def test_convex_certificate_at_fifty_digits(name: str) -> None:
    penalty, _, slope, _, start, steepest = CONVEX[name]
    X, y = data()
    lam = 3.0
    with mp.workdps(50):
        for coef in points(X, y, penalty, lam):
            c = certify(X, y, coef, penalty, lam)
            assert abs(c.kkt - exact_kkt(X, y, coef, slope, start, lam)) <= FLOAT64 * (1 + c.kkt)
            assert close(c.relative_kkt * float(np.max(np.abs(X.T @ y))), c.kkt)
            reach = float(np.max(np.abs(X.T @ (y - X @ coef)))) / lam
            if np.isfinite(steepest) and reach > steepest and name == "fair":
                continue  # Ω* is infinite at the boundary: no finite gap from this dual point
            assert c.gap is not None
            assert c.relative_gap is not None
            assert abs(c.gap - exact_gap(X, y, coef, name, lam)) <= FLOAT64 * (1 + c.gap)
            assert close(c.relative_gap * 0.5 * float(y @ y), c.gap)


@pytest.mark.parametrize("name", list(NONCONVEX))
def test_nonconvex_certificate_at_fifty_digits(name: str) -> None:
    penalty, slope, start = NONCONVEX[name]
    X, y = data()
    with mp.workdps(50):
        for coef in points(X, y, penalty, 1.0):
            c = certify(X, y, coef, penalty, 1.0)
            assert abs(c.kkt - exact_kkt(X, y, coef, slope, start, 1.0)) <= FLOAT64 * (1 + c.kkt)
            assert c.gap is None
            assert c.relative_gap is None


@pytest.mark.parametrize("name", NAMES)
def test_wrong_points_get_bad_certificates(name: str) -> None:
    penalty = CONVEX[name][0]
    X, y = data()
    best, *wrong = points(X, y, penalty, 3.0)
    assert certify(X, y, best, penalty, 3.0).value <= CERTIFICATE
    for coef in wrong:
        c = certify(X, y, coef, penalty, 3.0)
        assert not c.relative_kkt <= 1e-6
        assert not c.value <= 1e-8


@pytest.mark.parametrize("name", list(NONCONVEX))
def test_wrong_nonconvex_points_get_bad_certificates(name: str) -> None:
    penalty = NONCONVEX[name][0]
    X, y = data()
    best = solve(X, y, penalty, 1.0).coef
    for factor in (1.001, -1.0, 0.5):
        assert certify(X, y, factor * best, penalty, 1.0).value > 1e-5


def test_a_flipped_sign_is_a_violation() -> None:
    c = certify(np.eye(2), [3.0, 0.5], [-2.0, 0.0], L1, 1.0)
    assert c.kkt == 6.0
    assert c.gap is not None
    assert c.gap > 4


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.parametrize("seed", range(3))
def test_gap_bounds_the_true_suboptimality(name: str, seed: int) -> None:
    penalty, value, *_ = CONVEX[name]
    X, y = data(seed=seed)
    rng = np.random.default_rng(seed)
    best = solve(X, y, penalty, 2.0).coef
    with mp.workdps(50):
        least = exact_primal(X, y, best, value, 2.0)
        for size in 10.0 ** -np.arange(0.0, 9.0):
            coef = best + size * rng.standard_normal(len(best)) * (rng.random(len(best)) < 0.7)
            gap = certify(X, y, coef, penalty, 2.0).gap
            assert gap is not None
            excess = float(exact_primal(X, y, coef, value, 2.0) - least)
            assert gap >= excess - 1e-13 * (1 + float(least)), "the gap promises more than is true"


@pytest.mark.parametrize("penalty", [L1, FAIR, derive(penalty="sqrt(1 + w**2) - 1")])
def test_rough_points_have_a_usable_gap(penalty: Any) -> None:
    """Where the scaled residual meets the boundary of the dual domain the gap must be a number or +∞, not NaN."""
    gap = certify(np.eye(2), [30.0, 0.5], [1.0, 0.0], penalty, 1.0).gap
    assert gap is not None
    assert gap >= 1.0


def test_lambda_zero_gap_is_the_suboptimality() -> None:
    X, y = data()
    best = np.linalg.lstsq(X, y)[0]
    coef = best + 0.1
    gap = certify(X, y, coef, L1, 0.0).gap
    assert gap is not None
    assert close(gap, 0.5 * float(np.sum((y - X @ coef) ** 2) - np.sum((y - X @ best) ** 2)))


@pytest.mark.parametrize("lam", [1e-2, 1e-4, 1e-8])
def test_gap_is_tight_for_small_lambda(lam: float) -> None:
    X, y = data(30, 6)
    s = solve(X, y, L1, lam)
    assert s.certificate.relative_kkt <= CERTIFICATE
    assert s.certificate.relative_gap is not None
    assert s.certificate.relative_gap <= CERTIFICATE


def test_a_conjugate_that_is_too_small_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    """P − D < 0 proves the dual value wrong; clamping it at 0 would certify anything."""
    X, y = data()
    best = solve(X, y, FAIR, 3.0).coef
    monkeypatch.setattr(CompiledPenalty, "conjugate", lambda self, z: -100 * np.ones_like(z))
    for coef in (best, 0.5 * best):
        try:
            value = certify(X, y, coef, FAIR, 3.0).value
        except (ArithmeticError, AssertionError, RuntimeError, ValueError):
            continue
        assert not 0 <= value <= CERTIFICATE, "a wrong dual was certified"


def test_gap_stays_an_upper_bound_for_vanishing_lambda() -> None:
    """Once λ nears the rounding of Xᵀr the scaled dual point is poor: the gap is loose, never too small."""
    X, y = data(30, 6)
    best = solve(X, y, L1, 0.0)
    for lam in (1e-12, 1e-16, 1e-200):
        gap = certify(X, y, best.coef + 1e-3, L1, lam).gap
        assert gap is not None
        assert gap >= 0.5 * float(np.sum((y - X @ (best.coef + 1e-3)) ** 2)) - best.objective - FLOAT64


def test_a_point_that_is_not_stationary_is_no_local_minimum() -> None:
    X, y = data()
    for penalty in (L1, penalties["log_sum"](epsilon=0.5)):
        best = solve(X, y, penalty, 1.0)
        assert best.certificate.locally_minimal
        assert not certify(X, y, 1.1 * best.coef, penalty, 1.0).locally_minimal


def test_a_conjugate_that_is_too_large_is_caught(monkeypatch: pytest.MonkeyPatch) -> None:
    X, y = data()
    best = solve(X, y, FAIR, 3.0).coef
    right = CompiledPenalty.conjugate
    monkeypatch.setattr(CompiledPenalty, "conjugate", lambda self, z: right(self, z) + 1e-3)
    assert certify(X, y, best, FAIR, 3.0).value > 1e-6


@pytest.mark.parametrize("name", NAMES)
def test_fenchel_young(name: str) -> None:
    """Ω*(z) ≥ zw − Ω(w), with equality at z = Ω′(w) and +∞ beyond sup Ω′."""
    penalty, _, _, conjugate, start, steepest = CONVEX[name]
    compiled = compile_penalty(penalty)
    w = np.geomspace(1e-3, 50, 25)
    z = np.linspace(0.0, min(steepest, 20.0), 23)[:-1]
    mine = compiled.conjugate(z)
    assert (mine >= 0).all()
    slack = mine[:, None] - (z[:, None] * w - compiled.value(w))
    assert slack.min() >= -FLOAT64
    at = compiled.slope(w)
    tied = compiled.conjugate(np.minimum(at, steepest)) - (at * w - compiled.value(w))
    np.testing.assert_allclose(tied, 0.0, atol=FLOAT64 * 100)
    with mp.workdps(40):
        reference = [float(conjugate(mp.mpf(v))) for v in z.tolist()]
    np.testing.assert_allclose(mine, reference, rtol=FLOAT64, atol=FLOAT64)
    if np.isfinite(steepest):
        assert np.isposinf(compiled.conjugate(np.array([1.1 * steepest, -1.1 * steepest]))).all()
    assert compiled.slope_at_zero == start
    assert compiled.steepest == steepest


def test_smooth_saddle() -> None:
    """A smooth penalty leaves its zeros free to move, so they belong in the Hessian.

    Geman–McClure, two nearly collinear columns: the support block is definite, the whole Hessian is not.
    """
    c, lam, size, g = 1.0, 6.0, 0.9, 0.9999
    slope = c * c * size / (c + size**2) ** 2
    bend = c * c * (c - 3 * size**2) / (c + size**2) ** 3
    X = np.array([[1.0, g], [0.0, np.sqrt(1 - g * g)]]) * np.array([2.5, 40.0])
    gram = X.T @ X
    residual_0 = lam * slope / X[0, 0]
    residual = np.array([residual_0, -residual_0 * X[0, 1] / X[1, 1]])
    y = residual + X[:, 0] * size
    hessian = gram + lam * np.diag([bend, 1.0])
    assert hessian[0, 0] > 0
    assert np.linalg.eigvalsh(hessian)[0] < 0
    certificate = certify(X, y, [size, 0.0], penalties["geman_mcclure"](c=c), lam)
    assert certificate.relative_kkt <= CERTIFICATE
    assert not certificate.locally_minimal


def test_exactly_balanced_zero_of_a_concave_penalty_is_no_minimum() -> None:
    """λΩ″(0+) < −‖x‖² and x·y = λΩ′(0+): the objective falls on leaving 0, by the second order."""
    penalty = penalties["log_sum"](epsilon=0.5)  # Ω′(0+) = 2, Ω″(0+) = −4
    c = certify([[1.0]], [2.0], [0.0], penalty, 1.0)
    assert c.kkt == 0
    falls = 0.5 * (2 - 0.1) ** 2 + np.log1p(0.2)
    assert falls < 2.0
    assert not c.locally_minimal


def test_tiny_steep_coordinates_do_not_spoil_local_minimality() -> None:
    """ℓ_p with p slightly above 1 curves like w^(p−2) near 0: the Hessian must be judged scaled."""
    s = solve(*data(20, 4), penalties["lp"](p=1.25), 4.0)
    assert s.certificate.value <= CERTIFICATE
    assert s.certificate.locally_minimal


@pytest.mark.parametrize(
    "coef",
    [[1.0, 2.0, 3.0], [[2.0], [0.0]], [np.nan, 0.0], [np.inf, 0.0], ["a", 0.0], 1.0],
    ids=["long", "column", "nan", "inf", "text", "scalar"],
)
def test_bad_points_are_refused(coef: Any) -> None:
    with pytest.raises(InputError, match="coef"):
        certify(np.eye(2), [3.0, 0.5], coef, L1, 1.0)


def test_weights_and_intercept_enter_the_certificate() -> None:
    X, y = data(20, 5)
    weights = np.arange(20.0)
    s = solve(X, y + 7, L1, 2.0, fit_intercept=True, sample_weight=weights)
    again = certify(X, y + 7, s.coef, L1, 2.0, fit_intercept=True, sample_weight=weights)
    assert abs(again.kkt - s.kkt) <= FLOAT64
    assert again.gap is not None
    assert s.gap is not None
    assert abs(again.gap - s.gap) <= FLOAT64
    same, moved = (
        certify(X, y + 7, s.coef, L1, 2.0, intercept=b, fit_intercept=True, sample_weight=weights)
        for b in (s.intercept, s.intercept + 0.1)
    )
    assert same.value <= CERTIFICATE
    assert moved.value > 1e-6
    assert moved.kkt >= 0.1 * weights.sum() * (1 - FLOAT64)
    assert again.value <= CERTIFICATE
    assert certify(X, y + 7, s.coef, L1, 2.0, fit_intercept=True).value > 1e-4
    assert certify(X, y + 7, s.coef, L1, 2.0, sample_weight=weights).value > 1e-4
