"""The engine under stress: 320 seeded problems, certificates recomputed by hand; its inner solvers by brute force."""

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product
from typing import Any, Final

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.special import expit, xlogy

from etatrick.numerics.losses import loss_named
from etatrick.numerics.working_set.concave import fit_concave
from etatrick.numerics.working_set.concave_quadratic import concave_quadratic
from etatrick.numerics.working_set.curve import read_curve
from etatrick.numerics.working_set.expansion import expand
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.homotopy import follow
from etatrick.numerics.working_set.local import damped, damping_after, first_damping
from etatrick.numerics.working_set.quadratic import sparse_quadratic
from etatrick.numerics.working_set.task import pose_task
from etatrick.theory import penalties
from tolerances import CERTIFICATE, FLOAT64, close

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

ROUNDING: Final = 1e-10  # what the gap may be instead where the stationarity conditions hold to the last digit
LOSSES: Final = ["squared", "huber", "logistic", "poisson", "gamma"]
SHAPES: Final = ["plain", "scaled", "duplicated", "constant", "correlated", "sparse"]


@dataclass(frozen=True)
class Penalty:
    """One penalty by hand: Ω and Ω′ of w ≥ 0, Ω* of 0 ≤ z ≤ steepest (None where Ω is not convex)."""

    entry: Any
    value: Function
    slope: Function
    conjugate: Function | None
    steepest: float = np.inf


def scad(w: Array) -> Array:
    middle = (7.4 * w - w**2 - 1) / 5.4
    return np.asarray(np.where(w <= 1, w, np.where(w <= 3.7, middle, 2.35)), dtype=np.float64)


PENALTIES: Final[dict[str, Penalty]] = {
    "l1": Penalty(penalties["l1"](k=1), lambda w: w, np.ones_like, np.zeros_like, 1.0),
    "elastic_net": Penalty(
        penalties["elastic_net"](mu=0.5),
        lambda w: w + w**2 / 4,
        lambda w: 1 + w / 2,
        lambda z: np.maximum(z - 1, 0) ** 2,
    ),
    "ridge": Penalty(penalties["ridge"](c=1), lambda w: w**2 / 2, lambda w: w, lambda z: z**2 / 2),
    "log_cosh": Penalty(
        penalties["log_cosh"],
        lambda w: w + np.log1p(np.exp(-2 * w)) - np.log(2),
        np.tanh,
        lambda z: (xlogy(1 + z, 1 + z) + xlogy(1 - z, 1 - z)) / 2,
        1.0,
    ),
    "mcp": Penalty(
        penalties["mcp"](A=3), lambda w: np.where(w <= 3, w - w**2 / 6, 1.5), lambda w: np.maximum(1 - w / 3, 0), None
    ),
    "scad": Penalty(
        penalties["scad"](a=3.7, ell=1), scad, lambda w: np.where(w <= 1, 1.0, np.maximum(3.7 - w, 0) / 2.7), None
    ),
    "log_sum": Penalty(penalties["log_sum"](epsilon=0.5), lambda w: np.log1p(2 * w), lambda w: 1 / (0.5 + w), None),
    "lp": Penalty(
        penalties["lp"](p=0.5),
        lambda w: 2 * np.sqrt(w),
        lambda w: np.where(w > 0, 1 / np.sqrt(np.maximum(w, 1e-300)), np.inf),
        None,
    ),
}


def value(loss: str, y: Array, theta: Array) -> Array:
    if loss == "squared":
        return 0.5 * (y - theta) ** 2
    if loss == "huber":
        r = np.abs(y - theta)
        return np.where(r <= 1, 0.5 * r**2, r - 0.5)
    if loss == "logistic":
        return np.logaddexp(0, theta) - y * theta
    return np.exp(theta) - y * theta if loss == "poisson" else y * np.exp(-theta) + theta


def slope(loss: str, y: Array, theta: Array) -> Array:
    if loss == "squared":
        return theta - y
    if loss == "huber":
        return np.clip(theta - y, -1, 1)
    if loss == "logistic":
        return np.asarray(expit(theta) - y, dtype=np.float64)
    return np.exp(theta) - y if loss == "poisson" else 1 - y * np.exp(-theta)


def conjugate(loss: str, y: Array, u: Array) -> Array:
    if loss in ("squared", "huber"):
        return u * y + 0.5 * u**2
    if loss == "logistic":
        p = np.clip(y + u, 0, 1)
        return np.asarray(xlogy(p, p) + xlogy(1 - p, 1 - p), dtype=np.float64)
    m = np.maximum(y + u if loss == "poisson" else 1 - u, 0)
    return np.asarray(xlogy(m, m if loss == "poisson" else m / y) - m, dtype=np.float64)


@dataclass(frozen=True)
class Problem:
    """Random data of one kind, with what recomputes the certificate of a point."""

    loss: str
    penalty: str
    X: Array
    y: Array
    lam: float
    intercept: bool
    weights: Array
    offset: Array

    @classmethod
    def of(cls, seed: int, loss: str, penalty: str) -> "Problem":
        rng = np.random.default_rng([2026, seed, LOSSES.index(loss), list(PENALTIES).index(penalty)])
        n, d = int(rng.choice([8, 20, 50, 120])), int(rng.choice([3, 6, 20, 60, 150]))
        X, kind = rng.standard_normal((n, d)), str(rng.choice(SHAPES))
        if kind == "correlated":
            X = X @ (0.05 * np.eye(d) + 0.3)
        if kind == "sparse":
            X = np.where(np.abs(X) > 1.2, X, 0.0)
        if kind == "duplicated":
            X[:, rng.integers(0, d, d // 3)] = X[:, rng.integers(0, d, d // 3)]
        if kind == "constant":
            X[:, 0], X[:, 1] = 1.0, 0.0
        signal = X @ (rng.standard_normal(d) * (rng.random(d) < 0.5))
        signal = signal / (signal.std() + 1e-3) * rng.choice([0.5, 2.0, 4.0])
        noise = rng.choice([0.01, 0.5, 2.0])
        y = signal + noise * rng.standard_normal(n) * (1 + 9 * (rng.random(n) < 0.1))
        if loss == "logistic":  # little noise: nearly separable
            y = (signal + noise * rng.logistic(size=n) > 0).astype(np.float64)
            y[:2] = 0, 1
        if loss == "poisson":
            y = rng.poisson(np.exp(np.clip(signal, -4, 4))).astype(np.float64)
            y[:2] = 0, 1
        if loss == "gamma":
            y = np.exp(np.clip(signal, -6, 6)) * rng.gamma(2.0, 0.5, n) + 1e-6
        if kind == "scaled":
            X = X * 10.0 ** rng.uniform(-4, 4, d)
        weights = rng.integers(0, 4, n).astype(np.float64) if rng.random() < 0.4 else np.ones(n)
        weights[:2] = 1.0
        offset = 0.5 * rng.standard_normal(n) * (rng.random() < 0.3)
        base = {"squared": y, "huber": np.clip(y, -1, 1), "gamma": y / y.mean() - 1}.get(loss, y - y.mean())
        lam = float(rng.choice([0.5, 0.1, 0.01, 0.001])) * float(np.abs(X.T @ (weights * base)).max())
        return cls(loss, penalty, X, y, lam, bool(rng.random() < 0.5), weights, offset)

    def theta(self, w: Array, b: float) -> Array:
        return np.asarray(self.X @ w + b + self.offset, dtype=np.float64)

    def objective(self, w: Array, b: float) -> float:
        with np.errstate(over="ignore"):
            terms = float(self.weights @ value(self.loss, self.y, self.theta(w, b)))
        return float(terms + self.lam * PENALTIES[self.penalty].value(np.abs(w)).sum())

    def null(self) -> tuple[float, float, float]:
        """Return the intercept, deviance and largest gradient of the model without X, by bisection."""
        zero, b = np.zeros(self.X.shape[1]), 0.0
        if self.intercept:
            low, high = -30.0, 30.0
            if self.loss in ("squared", "huber"):
                low, high = float((self.y - self.offset).min()), float((self.y - self.offset).max())
            for _ in range(200):
                b = (low + high) / 2
                falls = float(self.weights @ slope(self.loss, self.y, self.theta(zero, b))) < 0
                low, high = (b, high) if falls else (low, b)
        deviance = self.objective(zero, b) + float(self.weights @ conjugate(self.loss, self.y, 0 * self.y))
        u = slope(self.loss, self.y, self.theta(zero, b))
        return b, deviance, float(np.abs(self.X.T @ (self.weights * u)).max())

    def kkt(self, w: Array, b: float) -> float:
        """Return the largest violation of stationarity."""
        u = self.weights * slope(self.loss, self.y, self.theta(w, b))
        pull, on = -self.X.T @ u, w != 0
        rule = PENALTIES[self.penalty].slope
        zeros = np.abs(pull[~on]) - self.lam * rule(np.zeros(int((~on).sum())))
        inside = np.abs(pull[on] - self.lam * rule(np.abs(w[on])) * np.sign(w[on]))
        balance = abs(float(u.sum())) if self.intercept else 0.0
        return max(float(zeros.max(initial=0.0)), float(inside.max(initial=0.0)), balance)

    def gap(self, w: Array, b: float) -> tuple[float, float]:
        """Return the duality gap at the scaled gradient, a sum of terms ≥ 0, and what rounding may add to it."""
        rule = PENALTIES[self.penalty]
        assert rule.conjugate is not None
        theta = self.theta(w, b)
        u = slope(self.loss, self.y, theta)
        if self.intercept:
            bend = slope(self.loss, self.y, theta + 1e-4) - slope(self.loss, self.y, theta - 1e-4) + 1e-12
            u = u - bend * float(self.weights @ u) / float(self.weights @ bend)
        z = -self.X.T @ (self.weights * u)
        size = min(1.0, self.lam * rule.steepest / float(np.abs(z).max()))
        u, z = size * u, size * z / self.lam
        at = np.minimum(np.abs(z), rule.steepest)
        if self.loss == "squared":
            young = [0.5 * (theta - self.y - u) ** 2]
        else:
            young = [value(self.loss, self.y, theta), conjugate(self.loss, self.y, u), -u * theta]
        fenchel = [rule.value(np.abs(w)), rule.conjugate(at), -w * z]
        total = float(self.weights @ sum(young)) + self.lam * float(sum(term.sum() for term in fenchel))
        sizes = sum(float(self.weights @ np.abs(t)) for t in young) + self.lam * sum(
            float(np.abs(t).sum()) for t in fenchel
        )
        return abs(total), 4e-16 * sizes


@pytest.mark.parametrize("penalty", list(PENALTIES))
@pytest.mark.parametrize("loss", LOSSES)
def test_stress(loss: str, penalty: str) -> None:
    """Nothing stalls: each certificate holds when it is recomputed, and perturbed points fail it."""
    rng, steps = np.random.default_rng(1), 0
    for seed in range(8):
        p = Problem.of(seed, loss, penalty)
        found = fit(p.X, p.y, PENALTIES[penalty].entry, p.lam, loss, fit_intercept=p.intercept,
                    sample_weight=p.weights, offset=p.offset)  # fmt: skip
        w, b = found.coef, found.intercept
        _, deviance, scale = p.null()
        where = (seed, p.X.shape, found.status, found.certificate)
        assert found.converged, where
        assert close(found.objective, p.objective(w, b)), where
        assert (np.diff(found.history) <= 0).all()
        kkt = p.kkt(w, b) / scale
        moved = w + 1e-3 * (np.abs(w).max() + 1e-3) * rng.standard_normal(len(w))
        if PENALTIES[penalty].conjugate is None:
            assert kkt <= 1e-10, where
            assert p.kkt(moved, b) > 1e-10 * scale
            steps += _no_descent(p, w, b) if found.certificate.locally_minimal else 0
            continue
        gap, rounding = p.gap(w, b)
        exact = gap <= CERTIFICATE * deviance + rounding or (kkt <= CERTIFICATE and gap <= ROUNDING * deviance)
        assert exact, (where, gap / deviance, rounding / deviance, kkt)
        worse, rounding = p.gap(moved, b)
        assert worse > CERTIFICATE * deviance + rounding
        assert worse >= (p.objective(moved, b) - p.objective(w, b)) * (1 - 1e-6) - 1e-12 * deviance
    assert PENALTIES[penalty].conjugate is not None or steps > 0


def _no_descent(p: Problem, w: Array, b: float) -> int:
    """Around a local minimum the objective falls along no coordinate; return how many points were tried."""
    here, tried = p.objective(w, b), 0
    bends = p.weights @ p.X**2
    for j in np.argsort(-np.abs(w), kind="stable")[:10]:
        radius = 1e-3 * max(abs(w[j]), 1e-6 * np.sqrt(abs(here) / (bends[j] + 1e-8)))
        for delta in radius * np.array([-1.0, -0.1, 0.1, 1.0]):
            there = w.copy()
            there[j] += delta
            assert p.objective(there, b) >= here - 1e-12 * (1 + abs(here))
            tried += 1
    return tried


@pytest.mark.parametrize("penalty", ["l1", "elastic_net", "ridge", "log_cosh"])
@pytest.mark.parametrize("loss", LOSSES)
@pytest.mark.filterwarnings("ignore:Solution may be inaccurate")  # the comparison below says whether it is
def test_objective_is_that_of_cvxpy_on_uneven_columns(loss: str, penalty: str) -> None:
    import cvxpy

    cp: Any = cvxpy
    rng = np.random.default_rng([7, LOSSES.index(loss)])
    X = rng.standard_normal((30, 6)) * np.array([1e-2, 0.1, 1, 1, 10, 100])
    theta = X @ (rng.standard_normal(6) / np.abs(X).max(axis=0))
    y = {"logistic": (theta > 0) * 1.0, "poisson": np.floor(np.exp(theta)), "gamma": np.exp(theta)}.get(loss, 5 * theta)
    lam = 0.05 * float(np.abs(X.T @ (y - y.mean())).max())
    found = fit(X, y, PENALTIES[penalty].entry, lam, loss, fit_intercept=True)
    w, b = cp.Variable(6), cp.Variable()
    omega = {
        "l1": lambda: cp.norm1(w), "elastic_net": lambda: cp.norm1(w) + cp.sum_squares(w) / 4,
        "ridge": lambda: cp.sum_squares(w) / 2,
        "log_cosh": lambda: cp.sum(cp.logistic(2 * w) - w) - 6 * np.log(2),
    }[penalty]()  # fmt: skip
    model = cp.Problem(cp.Minimize(cp.sum(loss_named(loss).cvxpy_terms(y, X @ w + b)) + lam * omega))
    model.solve(solver=cp.CLARABEL, tol_gap_abs=1e-9, tol_gap_rel=1e-9, tol_feas=1e-9)
    p = Problem(loss, penalty, X, y, lam, True, np.ones(30), np.zeros(30))
    mine, theirs = p.objective(found.coef, found.intercept), p.objective(w.value, float(b.value))
    assert found.converged
    assert abs(theirs - mine) <= 1e-6 * (1 + abs(mine))
    assert mine <= theirs + 1e-7 * (1 + abs(mine))


def quadratic(seed: int, m: int, rank: int, uneven: bool) -> tuple[Array, Array, Array, Array]:
    rng = np.random.default_rng([11, seed])
    A = rng.standard_normal((rank, m)) * (10.0 ** rng.uniform(-3, 3, m) if uneven else 1.0)
    c = A.T @ rng.standard_normal(rank)
    return A.T @ A, c, rng.uniform(0.05, 0.5, m) * np.abs(c).max(), rng.standard_normal(m) * (rng.random(m) < 0.5)


def best_by_signs(G: Array, c: Array, t: Array) -> float:
    """Return the minimum of ½wᵀGw − cᵀw + Σ t|w| over all patterns of signs."""
    best = 0.0
    for signs in product((-1.0, 0.0, 1.0), repeat=len(c)):
        s = np.array(signs)
        on = s != 0
        if on.any():
            w = np.linalg.solve(G[np.ix_(on, on)], (c - t * s)[on])
            if (w * s[on] > 0).all():
                best = min(best, float(0.5 * w @ G[np.ix_(on, on)] @ w - c[on] @ w + t[on] @ np.abs(w)))
    return best


@pytest.mark.parametrize("uneven", [False, True])
@pytest.mark.parametrize("seed", range(6))
def test_inner_problems_by_all_signs(seed: int, uneven: bool) -> None:
    G, c, t, w = quadratic(seed, 6, 9, uneven)
    expected = best_by_signs(G, c, t)

    def height(z: Array) -> float:
        return float(0.5 * z @ G @ z - c @ z + t @ np.abs(z))

    tol = 1e-12 * float(np.abs(c).max())
    followed = follow(G, c, t, w, 40)
    assert followed is not None
    assert close(height(followed), expected)
    assert close(height(sparse_quadratic(G, c, t, w, tol)), expected)
    assert height(followed + 1e-3 * np.abs(followed).max()) > expected + FLOAT64


@pytest.mark.parametrize("uneven", [False, True])
def test_singular_inner_problems(uneven: bool) -> None:
    for seed in range(20):
        G, c, t, w = quadratic(seed, 30, 8, uneven)
        found = sparse_quadratic(G, c, t, w, 1e-10 * float(np.abs(c).max()))
        g = G @ found - c
        on = found != 0
        violation = np.where(on, np.abs(g + t * np.sign(found)), np.maximum(np.abs(g) - t, 0))
        assert float(violation.max()) <= 1e-8 * float(np.abs(c).max())


def test_following_says_when_it_cannot() -> None:
    G, c, t, _ = quadratic(0, 6, 9, False)
    assert follow(G, c, t / 100, np.zeros(6), 2) is None  # more changes than allowed
    assert (
        follow(np.ones((2, 2)), np.array([3.0, 3.0]), np.array([0.1, 0.2]), np.ones(2), 9) is None
    )  # dependent columns


@pytest.mark.parametrize("loss", LOSSES)
def test_expansion_is_the_loss(loss: str) -> None:
    theta = np.concatenate([np.linspace(-30, 30, 41), [-700.0, 700.0]])
    y = np.full(43, {"logistic": 0.3, "poisson": 2.0, "gamma": 1.5}.get(loss, 0.4))
    family = loss_named(loss)
    got = expand(family, y, theta)
    for mine, theirs in zip(got, (family.value, family.slope, family.curvature), strict=True):
        np.testing.assert_allclose(mine, theirs(y, theta), rtol=1e-13, atol=1e-300 + 1e-15)
    np.testing.assert_allclose(got[0][:41], value(loss, y, theta)[:41], rtol=1e-12)
    h, at = 1e-5, slice(0, 41)
    rise = (value(loss, y, theta + h) - value(loss, y, theta - h))[at] / (2 * h)
    np.testing.assert_allclose(got[1][at], rise, rtol=1e-5, atol=1e-8)


def test_expansion_overflows_to_infinity() -> None:
    for loss, theta in (("poisson", 800.0), ("gamma", -800.0)):
        assert expand(loss_named(loss), np.ones(1), np.array([theta]))[0][0] == np.inf


@pytest.mark.parametrize("loss", ["huber", "logistic"])
def test_full_damping_majorises(loss: str) -> None:
    """θ ↦ ℓ(θ₀) + ℓ′(θ₀)(θ − θ₀) + ½D(θ − θ₀)² lies above ℓ for D at full damping, and not at none."""
    rng = np.random.default_rng(3)
    y, at, theta = (
        (rng.random(500) < 0.5).astype(np.float64),
        3 * rng.standard_normal(500),
        6 * rng.standard_normal(500),
    )
    task = pose_task(np.ones((500, 1)), y, penalties["l1"](k=1), 1.0, loss, False, None, None)
    here, bend = expand(task.loss, y, at), expand(task.loss, y, at)[2]

    def above(damping: float) -> NDArray[np.bool_]:
        model = here[0] + here[1] * (theta - at) + 0.5 * damped(task, bend, damping) * (theta - at) ** 2
        return np.asarray(model >= value(loss, y, theta) - 1e-12)

    assert above(1.0).all()
    assert not above(0.0).all()


def test_damping_rises_after_short_steps_and_fades_after_full_ones() -> None:
    assert first_damping(loss_named("huber")) > first_damping(loss_named("logistic")) == 0.0
    up = damping_after(damping_after(0.0, 0.01), 0.01)
    assert damping_after(0.0, 0.01) < up <= 1.0
    assert damping_after(1.0, 0.0) == 1.0
    assert damping_after(up, 0.5) == up
    assert damping_after(up, 1.0) < up
    assert damping_after(1e-13, 1.0) == 0.0


@pytest.mark.parametrize("penalty", ["mcp", "scad", "log_sum", "lp"])
def test_concave_inner_problem(penalty: str) -> None:
    """Stationary, never above the start, and in two variables at a local minimum of a fine grid."""
    rule, curve = PENALTIES[penalty], read_curve(PENALTIES[penalty].entry)
    for seed in range(10):
        G, c, _, start = quadratic(seed, 12, 20, False)
        lam = 0.2 * float(np.abs(c).max())
        w = concave_quadratic(G, c, curve, lam, start, 1e-10)
        on, g = w != 0, c - G @ w
        assert float(np.abs(g[on] - lam * rule.slope(np.abs(w[on])) * np.sign(w[on])).max(initial=0.0)) <= 1e-8
        assert (np.abs(g[~on]) <= lam * rule.slope(np.zeros(int((~on).sum()))) + 1e-8).all()

        def height(z: Array, G: Array = G, c: Array = c, lam: float = lam) -> float:
            return float(0.5 * z @ G @ z - c @ z + lam * rule.value(np.abs(z)).sum())

        assert height(w) <= height(start) + 1e-12 * (1 + abs(height(start)))
        assert height(w) <= height(w + 1e-2)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("penalty", ["mcp", "scad", "log_sum", "lp"])
def test_gram_and_general_route_agree_on_the_conditions(penalty: str, intercept: bool) -> None:
    """Weights of 0, offsets, and an intercept in the Gram route: certificates by hand, never above the null model."""
    rng = np.random.default_rng(9)
    X = rng.standard_normal((60, 90)) + 0.5
    y = X[:, :4] @ np.array([3.0, -2.0, 2.0, 1.0]) + 0.3 * rng.standard_normal(60) + 2
    weights, offset = rng.integers(0, 3, 60).astype(np.float64), rng.standard_normal(60)
    lam = 0.1 * float(np.abs(X.T @ (weights * y)).max())
    entry = PENALTIES[penalty].entry
    task = pose_task(X, y, entry, lam, "squared", intercept, weights, offset)
    found = fit_concave(task, np.zeros(90), 1e-12)
    p = Problem("squared", penalty, X, y, lam, intercept, weights, offset)
    _, _, scale = p.null()
    assert found.converged
    assert p.kkt(found.coef, found.intercept) <= 1e-10 * scale
    assert found.objective <= task.null[2] * (1 + 1e-12)
    assert close(found.objective, p.objective(found.coef, found.intercept))


def test_continuation_beats_the_descent_from_zero() -> None:
    """With a bend at 0 that outweighs the data, following ε finds a minimum that is no higher than skipping it."""
    rng = np.random.default_rng(4)
    X = rng.standard_normal((80, 160))
    y = X[:, :8] @ rng.choice([-1.0, 1.0], 8) + 0.4 * rng.standard_normal(80)
    lam = 0.02 * float(np.abs(X.T @ y).max())
    entry = penalties["log_sum"](epsilon=0.1)
    found = fit(X, y, entry, lam)
    w = found.coef
    by_hand = 0.5 * float(np.sum((y - X @ w) ** 2)) + lam * float(np.log1p(10 * np.abs(w)).sum())
    truth = np.linalg.lstsq(X[:, :8], y)[0]
    oracle = 0.5 * float(np.sum((y - X[:, :8] @ truth) ** 2)) + lam * float(np.log1p(10 * np.abs(truth)).sum())
    assert found.converged
    assert close(found.objective, by_hand)
    assert by_hand <= oracle * (1 + 1e-9)
