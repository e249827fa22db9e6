"""Every vector dual against a search or a formula that shares nothing with it."""

from collections.abc import Callable
from itertools import combinations, pairwise, permutations
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from scipy.optimize import minimize

from etatrick.theory import derive
from etatrick.theory.vector import (
    Exponential,
    Groups,
    HalfCauchy,
    InverseGamma,
    JointMap,
    L1MinusL2,
    MixingDensity,
    Ordered,
    Overlapping,
    ScaleMixture,
    SparseBayes,
    Spectral,
    TopK,
    TrimmedRidge,
    VectorDuality,
)
from etatrick.theory.vector.base import Floats
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

RNG = np.random.default_rng(2106)


def smallest(energy: Callable[[Any], Any]) -> float:
    """Return the minimum over one η > 0: a log grid, refined around its best point."""
    grid = np.linspace(-60.0, 60.0, 481)
    for _ in range(40):
        values = energy(np.exp(grid))
        at = int(values.argmin())
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, grid.size - 1)], 17)
    return float(values.min())


def supremum(rule: VectorDuality, eta: Floats) -> float:
    """Return sup over w of 2Ω(w) − Σw²/η, which is concave in w∘w, by simplex search from several starts."""

    def deficit(size: Floats) -> float:
        return -2 * float(rule.penalty_at(np.abs(size))) + float((size**2 / eta).sum())

    best, start = np.inf, np.sqrt(eta) + 0.1
    for _ in range(2):
        found = minimize(deficit, start, method="Nelder-Mead", options={"xatol": 1e-8, "fatol": 1e-11, "maxfev": 1500})
        best, start = min(best, float(found.fun)), found.x * 1.1 + 0.01
    return -best


@pytest.mark.parametrize(
    ("rule", "length"),
    [(L1MinusL2(1.0), 3), (L1MinusL2(0.4), 3), (Ordered(), 3), (Overlapping(((0, 1), (1,))), 2),
     (SparseBayes(np.array([[1.0, 0.4], [0.0, 1.0]]), 0.5), 2), (ScaleMixture(Exponential(0.7)), 1),
     (ScaleMixture(InverseGamma(1.5, 0.6)), 1), (ScaleMixture(HalfCauchy(0.8)), 1),
     (Groups(derive(penalty="log(1 + w)"), ((0, 1),)), 2), (TrimmedRidge(1, 0.4), 2)],
)  # fmt: skip
def test_the_dual_is_the_conjugate(rule: VectorDuality, length: int) -> None:
    """f(η) = sup_w [2Ω(w) − Σw²/η]; for scales at which it is finite."""
    top = rule.scale if isinstance(rule, TrimmedRidge) else 3.0
    for eta in np.random.default_rng(3).uniform(0.3 if length == 1 else 0.05, top, (2, length)):
        assert close(supremum(rule, eta), float(rule.dual_at(eta)), SOLVER)


# --------------------------------------------------------------------------------------------------------------- groups


def log_sum_dual(root: Any) -> Any:
    """Return f as a function of √(1+4η), from the table of the paper with ε = 1."""
    return 2 * np.log((root + 1) / 2) - (root - 1) / (root + 1)


@pytest.mark.parametrize(
    ("text", "dual"),
    [("w", lambda e: e), ("log(1 + w)", lambda e: log_sum_dual(np.sqrt(1 + 4 * e)))],
)
def test_groups_by_search_over_one_scale_per_group(text: str, dual: Callable[[Any], Any]) -> None:
    groups = ((3, 0), (1,), (2, 4))
    rule = Groups(derive(penalty=text), groups)
    for w in RNG.standard_normal((6, 5)) * 2:
        squares = [float((w[list(g)] ** 2).sum()) for g in groups]
        parts = [smallest(lambda e, s=s: s / e + dual(e)) for s in squares]  # type: ignore[misc]
        assert close(float(rule.penalty_at(w)), sum(parts) / 2)


def test_groups_of_one_are_the_scalar_dual() -> None:
    scalar = derive(penalty="log(1 + w)")
    rule = Groups(scalar, [[0], [1], [2]])
    w, eta = RNG.standard_normal((7, 3)), RNG.uniform(0.1, 3, (7, 3))
    assert np.array_equal(rule.eta_hat_at(w), scalar.eta_hat_at(w))
    assert np.array_equal(rule.alpha_at(w, 0.3), scalar.alpha_at(w, 0.3))
    assert np.allclose(rule.penalty_at(w), scalar.penalty_at(w).sum(axis=1), rtol=0, atol=FLOAT64)
    assert np.allclose(rule.dual_at(eta), scalar.dual_at(eta).sum(axis=1), rtol=0, atol=FLOAT64)


def test_group_lasso_strategy() -> None:
    """α = ‖w_g‖/(‖w_g‖+τ)."""
    w = RNG.standard_normal((4, 3))
    norm = np.sqrt((w**2).sum(axis=1, keepdims=True))
    assert np.allclose(Groups(derive(penalty="w"), [[0, 1, 2]]).alpha_at(w, 0.6), norm / (norm + 0.6), rtol=1e-14)


def test_a_superquadratic_scalar_makes_a_refuted_group_dual() -> None:
    found = Groups(derive(penalty="w**4/4", time_limit=2.0), [[0, 1]]).conditions
    assert found["subquadratic"].status == "refuted"
    assert found["homogeneous"].detail.endswith("w Ω′(w)/Ω(w) is constant")


# -------------------------------------------------------------------------------------------------------------- pruning


def test_trimmed_ridge_by_search_over_subsets() -> None:
    for k, retain in ((1, 0.3), (2, 0.5), (4, 0.9), (5, 0.9)):
        rule, scale = TrimmedRidge(k, retain), retain / (1 - retain)
        for w in np.round(RNG.standard_normal((5, 5)), 1):
            free = min(sum(w[i] ** 2 / scale for i in range(5) if i not in kept) for kept in combinations(range(5), k))
            assert close(float(rule.penalty_at(w)), free / 2)
            eta = rule.eta_hat_at(w)
            assert (np.isinf(eta).sum(), (eta == scale).sum()) == (k, 5 - k)
            assert np.allclose(rule.alpha_at(w, 1.0)[np.isfinite(eta)], retain)


def test_top_k_keeps_the_largest_and_projects() -> None:
    w = np.array([0.5, -3.0, 2.0, 0.0])
    assert TopK(2).alpha_at(w, 0.1).tolist() == [0.0, 1.0, 1.0, 0.0]
    assert TopK(2).penalty_at(np.array([w, [0, 1, 2, 0]])).tolist() == [np.inf, 0.0]
    assert TopK(2).dual_at([[1.0, np.inf, 0.0, 0.0], [1.0, 1.0, 1.0, 0.0]]).tolist() == [0.0, np.inf]
    assert TopK(1).alpha_at([2.0, -2.0, 2.0], 1.0).tolist() == [1.0, 0.0, 0.0]


def test_top_k_is_the_limit_of_trimmed_ridge() -> None:
    w = np.array([[1.0, 0.0, 0.0], [1.0, 0.1, 0.0]])
    values = [TrimmedRidge(1, retain).penalty_at(w) for retain in (1e-2, 1e-4, 1e-6)]
    assert all(a[0] == b[0] == 0 and a[1] < b[1] for a, b in pairwise(values))
    assert values[-1][1] > 1e3


# ---------------------------------------------------------------------------------------------------------- ℓ1 minus ℓ2


def test_l1_minus_l2_from_its_definition() -> None:
    for a in (0.0, 0.3, 1.0):
        w = RNG.standard_normal((20, 4)) * 10 ** RNG.uniform(-3, 3, (20, 4))
        rule, norm = L1MinusL2(a), np.sqrt((w**2).sum(axis=1))
        assert np.allclose(rule.penalty_at(w), np.abs(w).sum(axis=1) - a * norm, rtol=1e-12, atol=FLOAT64)
        assert np.allclose(rule.eta_hat_at(w), 1 / (1 / np.abs(w) - a / norm[:, None]), rtol=1e-6)


def test_l1_minus_l2_without_cancellation() -> None:
    """‖(1, h)‖₁ − ‖(1, h)‖₂ = h − h²/2 + …, and the scale of the large weight is 2/h² at a = 1."""
    for h in (1e-6, 1e-20, 1e-100):
        assert abs(float(L1MinusL2(1).penalty_at([1.0, h])) / h - 1) < 1e-6
        assert abs(float(L1MinusL2(1).eta_hat_at([1.0, h])[0]) * h**2 / 2 - 1) < 1e-6
    assert L1MinusL2(1).eta_hat_at([0.0, -2.0]).tolist() == [0.0, np.inf]
    assert L1MinusL2(1).penalty_at([[0.0, -2.0], [0.0, 0.0]]).tolist() == [0.0, 0.0]


def test_l1_minus_l2_dual_at_free_scales() -> None:
    """One free weight at a = 1 leaves the other scales; the limit of large finite scales agrees."""
    rule = L1MinusL2(1)
    assert float(rule.dual_at([np.inf, 0.7, 0.2])) == 0.7 + 0.2
    assert close(float(rule.dual_at([1e30, 0.7, 0.2])), 0.9, 1e-8)
    assert rule.dual_at([[np.inf, np.inf], [0.0, 5.0], [0.0, 0.0]]).tolist() == [np.inf, 0.0, 0.0]
    assert L1MinusL2(0.5).dual_at([np.inf, 1.0]) == np.inf
    assert float(L1MinusL2(0.5).dual_at([0, 4.0])) == pytest.approx(1.0, abs=1e-14)  # ((1−a)²η for one weight)


def test_beyond_a_equal_to_one_the_square_root_form_is_not_concave() -> None:
    """Negative control: for a = 1.1 the penalty of one weight is −0.1·√u, which is convex and falls."""
    u = np.array([1.0, 4.0])
    wrong = np.sqrt(u) - 1.1 * np.sqrt(u)
    assert wrong.mean() > np.sqrt(2.5) - 1.1 * np.sqrt(2.5)


# -------------------------------------------------------------------------------------------------------------- ordered


def wedge(w: Floats) -> float:
    """Try every partition into blocks of neighbours and keep those whose scales are ordered."""
    best = np.inf
    for count in range(len(w)):
        for cuts in combinations(range(1, len(w)), count):
            blocks = [w[a:b] for a, b in pairwise((0, *cuts, len(w)))]
            levels = [np.sqrt((b**2).mean()) for b in blocks]
            if all(x >= y - 1e-15 for x, y in pairwise(levels)):
                best = min(best, sum(np.sqrt(len(b)) * np.linalg.norm(b) for b in blocks))
    return float(best)


def test_wedge_by_search_over_partitions() -> None:
    for w in [*RNG.standard_normal((30, 6)), *np.round(RNG.standard_normal((20, 5)), 0), np.zeros(3)]:
        assert close(float(Ordered().penalty_at(w)), wedge(w), 1e-13)
        eta = Ordered().eta_hat_at(w)
        assert (np.diff(eta) <= 0).all()


def test_wedge_depends_on_the_order_and_is_least_when_sorted() -> None:
    w = np.array([3.0, 1.0, 2.0, 0.5])
    values = [float(Ordered().penalty_at(w[list(p)])) for p in permutations(range(4))]
    assert close(min(values), float(np.abs(w).sum()), CERTIFICATE)
    assert max(values) > 1.05 * min(values)


def test_wedge_at_extreme_weights() -> None:
    assert Ordered().penalty_at([1e200, -1e200]) == pytest.approx(2e200, rel=1e-14)
    assert Ordered().penalty_at([1e-200, -2e-200]) == pytest.approx(np.sqrt(10) * 1e-200, rel=1e-14)


# --------------------------------------------------------------------------------------------------- overlapping groups


def test_latent_group_lasso_against_a_cone_programme() -> None:
    import cvxpy as cp

    groups = ((0, 1, 2), (2, 3), (3, 4, 0), (1, 4))
    rule = Overlapping(groups)
    for w in RNG.standard_normal((4, 5)):
        x = cp.Variable(5)
        limits = [cp.norm(x[list(g)]) <= np.sqrt(len(g)) for g in groups]
        value = cp.Problem(cp.Maximize(w @ x), limits).solve(solver=cp.CLARABEL)
        assert close(float(rule.penalty_at(w)), float(value), SOLVER)


def test_latent_group_lasso_certificate() -> None:
    """The bounds are closed to 1e-12, and random group scales do not get below."""
    rng = np.random.default_rng(17)
    groups = ((0, 1, 2), (2, 3), (3, 4, 0))
    rule = Overlapping(groups, weights=(1.0, 0.5, 2.0))
    for _ in range(20):
        w = rng.standard_normal(5) * rng.choice([0, 1e-8, 1e-3, 1, 1, 10], 5)
        found = rule.solve(w)
        assert abs(found.gap) <= CERTIFICATE * found.value
        for z in np.concatenate([found.scales * rng.uniform(0.7, 1.4, (20, 3)), rng.uniform(0, 2, (20, 3))]) + 1e-12:
            eta = np.array([sum(z[g] for g in range(3) if i in groups[g]) for i in range(5)])
            assert ((w**2 / eta).sum() + z @ [1, 0.25, 4]) / 2 >= found.bound * (1 - CERTIFICATE)


def test_nested_groups_are_the_wedge() -> None:
    """Sums over prefixes are ordered: interior points and pooling reach the same numbers."""
    rule = Overlapping([list(range(i + 1)) for i in range(6)])
    w = RNG.standard_normal((10, 6))
    assert np.allclose(rule.penalty_at(w), Ordered().penalty_at(w), rtol=CERTIFICATE)
    assert np.allclose(rule.eta_hat_at(w), Ordered().eta_hat_at(w), rtol=1e-6)
    eta = RNG.uniform(0, 2, (5, 6))
    assert np.allclose(rule.dual_at(eta), Ordered().dual_at(eta), rtol=1e-9)


def test_disjoint_and_single_groups() -> None:
    w = RNG.standard_normal((5, 4))
    lasso = Groups(derive(penalty="w"), [[0, 1], [2, 3]])
    disjoint = Overlapping([[0, 1], [2, 3]], weights=[1, 1])
    assert np.allclose(disjoint.penalty_at(w), lasso.penalty_at(w), rtol=CERTIFICATE)
    assert np.allclose(disjoint.dual_at(np.abs(w)), lasso.dual_at(np.abs(w)), rtol=1e-9)
    assert np.allclose(Overlapping([[i] for i in range(4)]).penalty_at(w), np.abs(w).sum(axis=1), rtol=CERTIFICATE)
    assert disjoint.dual_at([np.inf, 0, 0, 0]) == np.inf


# ------------------------------------------------------------------------------------------------------------- matrices


@pytest.mark.parametrize("text", ["w", "log(1 + w)", "sqrt(w)", "w**2/2"])
def test_spectral_at_a_thousand_random_matrices(text: str) -> None:
    rng = np.random.default_rng(63)
    scalar = derive(penalty=text)
    rule = Spectral(scalar)
    w = rng.standard_normal((3, 5))
    value = float(rule.penalty_at(w))
    root = rng.standard_normal((1000, 3, 3)) * 10 ** rng.uniform(-1, 1, (1000, 1, 1))
    scales = root @ root.swapaxes(-1, -2) + 1e-6 * np.eye(3)
    values = np.linalg.eigvalsh(scales)
    direct = (np.einsum("ij,nij->n", w @ w.T, np.linalg.inv(scales)) + scalar.dual_at(values).sum(axis=1)) / 2
    assert (direct >= value - FLOAT64).all()
    finite = np.isfinite(direct)
    assert np.allclose(rule.energy_at(w, scales)[finite], direct[finite], rtol=1e-7)
    assert close(float(rule.penalty_at(w)), float(scalar.penalty_at(np.linalg.svd(w)[1]).sum()))


def test_spectral_penalties_do_not_see_rotations_and_scales_turn_with_them() -> None:
    rng = np.random.default_rng(64)
    rule = Spectral(derive(penalty="log(1 + w)"))
    w = rng.standard_normal((4, 3))
    for _ in range(5):
        left, right = (np.linalg.qr(rng.standard_normal((n, n)))[0] for n in (4, 3))
        assert close(float(rule.penalty_at(left @ w @ right)), float(rule.penalty_at(w)))
        assert np.allclose(rule.eta_hat_at(left @ w @ right), left @ rule.eta_hat_at(w) @ left.T, atol=FLOAT64)
        assert np.allclose(rule.alpha_at(left @ w @ right, 0.2), left @ rule.alpha_at(w, 0.2) @ left.T, atol=FLOAT64)


def test_spectral_reduces_to_groups_and_to_scalars() -> None:
    scalar = derive(penalty="log(1 + w)")
    rule, w = Spectral(scalar), RNG.standard_normal((6, 4))
    one = Groups(scalar, [[0, 1, 2, 3]])
    assert np.allclose(rule.penalty_at(w[:, :, None]), one.penalty_at(w), rtol=1e-13)
    diagonal = w[:, :, None] * np.eye(4)
    assert np.allclose(rule.penalty_at(diagonal), scalar.penalty_at(w).sum(axis=1), rtol=1e-12)
    assert np.allclose(rule.eta_hat_at(diagonal), scalar.eta_hat_at(w)[:, :, None] * np.eye(4), atol=FLOAT64)
    assert np.allclose(Spectral(derive(penalty="w")).penalty_at(w), np.linalg.norm(w, "nuc"))


def test_free_singular_values_are_told() -> None:
    from etatrick.errors import InputError

    rule = Spectral(derive(penalty="Piecewise((w - w**2/4, w < 2), (1, True))"))
    w = np.diag([3.0, 1.0])
    with pytest.raises(InputError, match="leaves a singular value free"):
        rule.eta_hat_at(w)
    assert rule.scales_at(w)[1].tolist() == [np.inf, 2.0]
    assert np.allclose(rule.alpha_at(w, 2.0), np.diag([1.0, 0.5]))


def test_singular_scales_cost_nothing_where_nothing_is_to_carry() -> None:
    rule = Spectral(derive(penalty="w"))
    w = np.array([[3.0, 4.0], [0.0, 0.0]])
    assert np.allclose(rule.eta_hat_at(w), [[5.0, 0.0], [0.0, 0.0]], rtol=0, atol=1e-14)
    assert close(float(rule.energy_at(w, rule.eta_hat_at(w))), 5.0)
    assert close(float(rule.energy_at(w, np.diag([5.0, 0.0]))), 5.0)
    assert float(rule.energy_at(w, np.diag([0.0, 1.0]))) == np.inf


# --------------------------------------------------------------------------------------------------------- sparse Bayes


def by_descent(X: Floats, noise: float, w: Floats, starts: int, rng: np.random.Generator) -> float:
    """½ min over η of Σw²/η + log det(τI + XηXᵀ) − n log τ from random starts, with an (n, n) determinant."""

    def energy(t: Floats) -> tuple[float, Floats]:
        eta = np.exp(t)
        inner = noise * np.eye(len(X)) + (X * eta) @ X.T
        value = (w**2 / eta).sum() + np.linalg.slogdet(inner)[1] - len(X) * np.log(noise)
        return float(value), -(w**2) / eta + eta * np.einsum("ij,ij->j", X, np.linalg.solve(inner, X))

    options = {"maxiter": 2000, "ftol": 1e-16, "gtol": 1e-12, "maxcor": 30}
    runs = [minimize(energy, rng.uniform(-4, 4, w.size), jac=True, method="L-BFGS-B", options=options)
            for _ in range(starts)]  # fmt: skip
    return min(float(r.fun) for r in runs) / 2


@pytest.mark.parametrize(("n", "d", "noise"), [(6, 4, 0.5), (3, 6, 0.1), (2, 2, 2.0)])
def test_sparse_bayes_by_descent_from_random_starts(n: int, d: int, noise: float) -> None:
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d))
    for w in rng.standard_normal((3, d)):
        assert close(float(SparseBayes(X, noise).penalty_at(w)), by_descent(X, noise, w, 5, rng))


def test_sparse_bayes_stationarity_at_hard_weights() -> None:
    """η²xᵀ(τI+XηXᵀ)⁻¹x = w², with more columns than rows and weights over twelve orders of magnitude."""
    rng = np.random.default_rng(23)
    rule = SparseBayes(rng.standard_normal((3, 6)), 0.3)
    for _ in range(20):
        assert rule.solve(rng.standard_normal(6) * rng.choice([0, 1e-8, 1e-3, 1, 1e4], 6)).residual < 1e-10


def test_orthogonal_designs_give_the_scalar_ard_penalty() -> None:
    """Ω = s(√(s²+4) − s)/4 + asinh(s/2) with s = √c·|w|, c = ‖x‖²/τ for each column, and f = log(1 + cη)."""
    rng = np.random.default_rng(24)
    basis, sizes, noise = np.linalg.qr(rng.standard_normal((5, 3)))[0], np.array([0.5, 1.0, 3.0]), 0.7
    rule = SparseBayes(basis * sizes, noise)
    w = rng.standard_normal((4, 3))
    c = sizes**2 / noise
    s = np.sqrt(c) * np.abs(w)
    penalty = s * (np.sqrt(s**2 + 4) - s) / 4 + np.arcsinh(s / 2)
    assert np.allclose(rule.penalty_at(w), penalty.sum(axis=1), rtol=0, atol=FLOAT64)
    assert np.allclose(rule.eta_hat_at(w), (w**2 + np.abs(w) * np.sqrt(w**2 + 4 / c)) / 2, rtol=FLOAT64)
    assert np.allclose(rule.dual_at(w**2), np.log(1 + c * w**2).sum(axis=1), rtol=0, atol=FLOAT64)


def test_type_two_likelihood_is_the_eta_trick_at_lambda_equal_to_the_noise() -> None:
    rng = np.random.default_rng(25)
    X, y, noise, eta = rng.standard_normal((4, 6)), rng.standard_normal(4), 0.3, rng.uniform(0.1, 2, 6)
    w = np.linalg.solve(X.T @ X + noise * np.diag(1 / eta), X.T @ y)
    evidence = y @ np.linalg.solve(noise * np.eye(4) + (X * eta) @ X.T, y)
    assert close(float(((y - X @ w) ** 2).sum() / noise + (w**2 / eta).sum()), float(evidence))
    rule = SparseBayes(X, noise)
    determinant = np.linalg.det(np.eye(4) + (X * eta) @ X.T / noise)
    assert close(float(2 * rule.energy_at(w, eta)), float((w**2 / eta).sum() + np.log(determinant)))


def test_a_correlated_design_does_not_give_the_separable_penalty() -> None:
    """Negative control: with two equal columns the joint penalty is clearly lower."""
    w = np.array([1.0, 1.0])
    joint = SparseBayes(np.array([[1.0, 1.0]]), 1.0).penalty_at(w)
    assert joint < 2 * ((np.sqrt(5) - 1) / 4 + np.arcsinh(0.5)) - 0.1


# ------------------------------------------------------------------------------------------------------------- mixtures

DENSITIES: list[tuple[MixingDensity, Callable[[Any], Any]]] = [
    (Exponential(0.7), lambda e: mp.mpf("0.7") * mp.exp(-mp.mpf("0.7") * e)),
    (InverseGamma(1.5, 0.6), lambda e: e ** mp.mpf("-2.5") * mp.exp(-mp.mpf("0.6") / e)),
    (HalfCauchy(0.8), lambda e: 1 / (mp.sqrt(e) * (1 + e / mp.mpf("0.64")))),
]


def log_marginal(density: Callable[[Any], Any], x: Any) -> Any:
    """−log ∫ N(x; 0, η) p(η) dη by tanh-sinh quadrature over pieces of η > 0."""
    cuts = [0, x * x / 50, x * x / 5, x * x, 10 * x * x, 1, 30, 1000, mp.inf]
    normal = lambda e: mp.exp(-x * x / (2 * e)) / mp.sqrt(2 * mp.pi * e) * density(e)  # noqa: E731
    return -mp.log(mp.quad(normal, sorted({mp.mpf(c) for c in cuts})))


@pytest.mark.parametrize(("density", "p"), DENSITIES)
def test_mixtures_by_quadrature(density: MixingDensity, p: Callable[[Any], Any]) -> None:
    rule = ScaleMixture(density)
    with mp.workdps(20):
        start = log_marginal(p, mp.mpf(1))
        for x in (0.05, 0.9, 4.0):
            size = mp.mpf(x)
            value = float(log_marginal(p, size) - start)
            assert close(float(rule.penalty_at([x]) - rule.penalty_at([1.0])), value)
            h = size / 10**4
            slope = (log_marginal(p, size + h) - log_marginal(p, size - h)) / (2 * h)
            assert close(float(rule.eta_hat_at([x])[0]), float(size / slope), 1e-7)


def test_mixtures_in_closed_form() -> None:
    x = np.array([0.0, 1e-9, 0.3, 2.0, 50.0])[:, None]
    laplace, student = ScaleMixture(Exponential(0.7)), ScaleMixture(InverseGamma(1.5, 0.6))
    assert np.allclose(laplace.penalty_at(x), np.sqrt(1.4) * x[:, 0], atol=FLOAT64)
    assert np.allclose(laplace.eta_hat_at(x), x / np.sqrt(1.4), atol=FLOAT64)
    assert np.allclose(student.penalty_at(x), 2 * np.log1p(x[:, 0] ** 2 / 1.2), atol=FLOAT64)
    assert np.allclose(student.eta_hat_at(x), (x**2 + 1.2) / 4, rtol=FLOAT64)
    assert np.allclose(laplace.dual_at([[0.0], [0.4], [3.0]]), 1.4 * np.array([0.0, 0.4, 3.0]), atol=1e-9)
    horseshoe = ScaleMixture(HalfCauchy(1.0))
    with mp.workdps(30):
        exact = [float(-mp.log(mp.exp(mp.mpf(s) ** 2 / 2) * mp.e1(mp.mpf(s) ** 2 / 2))) for s in (1.0, 0.01, 5.0)]
    assert np.allclose(horseshoe.penalty_at([[0.01], [5.0]]), np.array(exact[1:]) - exact[0], atol=FLOAT64)
    assert horseshoe.penalty_at([0.0]) == -np.inf
    assert horseshoe.eta_hat_at([0.0]) == 0.0


def test_student_mixture_is_not_its_joint_maximum() -> None:
    """Marginal and joint maximum agree in shape for the inverse gamma density, and not in strength."""
    marginal, joint = ScaleMixture(InverseGamma(1.5, 0.6)), JointMap(InverseGamma(1.5, 0.6))
    x = np.array([[0.5], [2.0]])
    assert np.allclose(joint.penalty_at(x) / marginal.penalty_at(x), 3 / 2, rtol=FLOAT64)


@pytest.mark.parametrize(("density", "p"), DENSITIES)
def test_joint_maximum_by_search(density: MixingDensity, p: Callable[[Any], Any]) -> None:
    rule = JointMap(density)
    log_p = np.vectorize(lambda e: float(mp.log(p(mp.mpf(float(e))))) if 1e-20 < e < 1e20 else -np.inf)

    def search(x: float) -> float:
        return smallest(lambda e: x * x / e + np.log(e) - 2 * log_p(e)) / 2

    for x in (0.05, 2.0):
        value = search(x) - search(1.0)
        assert close(float(rule.penalty_at([x]) - rule.penalty_at([1.0])), value)


def test_weights_beyond_the_range_of_doubles_are_told() -> None:
    with pytest.raises(ArithmeticError, match=r"too small|range of doubles"):
        ScaleMixture(Exponential(1.0)).penalty_at([1e12])
