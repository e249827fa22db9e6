"""The global optimum of deep linear dropout against optimisation over weights and over budgets."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.errors import InputError
from etatrick.numerics.deep.allocation import allocate
from etatrick.numerics.deep.edge import edge_bound
from etatrick.numerics.deep.induced import deep_induced_regularizer
from etatrick.numerics.deep.layers import read_layers
from etatrick.numerics.deep.optimum import DeepMinimizer, deep_dropout_minimizer
from etatrick.numerics.deep.regularizer import deep_explicit_regularizer
from etatrick.numerics.deep.surrogate import effective_parameter, full_rank_threshold
from etatrick.numerics.factorization import dropblock_minimizer
from tolerances import CERTIFICATE, FLOAT64, SOLVER, close

Array = NDArray[np.float64]


def noise(width: int, odds: float, block: int) -> Array:
    """Return the mask covariance of blocks of neighbouring units, entry by entry; the last one may be smaller."""
    return np.array([[odds * (p // block == q // block) for q in range(width)] for p in range(width)], dtype=np.float64)


class Network:
    """The exact dropout objective ‖Y‖² − 2⟨Y, M⟩ + E‖f̄‖² of a deep linear network, with back-propagation."""

    def __init__(self, Y: Array, widths: tuple[int, ...], odds: tuple[float, ...], blocks: tuple[int, ...]) -> None:
        self.Y, self.sizes = Y, (Y.shape[1], *widths, Y.shape[0])
        self.masks = [1 + noise(d, lam, r) for d, lam, r in zip(widths, odds, blocks, strict=True)]

    def split(self, flat: Array) -> list[Array]:
        shapes = list(zip(self.sizes[1:], self.sizes, strict=False))
        ends = np.cumsum([a * b for a, b in shapes])
        return [part.reshape(s) for part, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]

    def __call__(self, flat: Array) -> tuple[float, Array]:
        weights = self.split(flat)
        below, moments = [np.eye(self.sizes[0])], [np.eye(self.sizes[0])]
        for W, mask in zip(weights, self.masks, strict=False):
            moments.append(mask * (W @ moments[-1] @ W.T))
            below.append(W @ below[-1])
        last = weights[-1]
        value = float((self.Y**2).sum() - 2 * (self.Y * (last @ below[-1])).sum() + ((last @ moments[-1]) * last).sum())
        slopes = [2 * last @ moments[-1] - 2 * self.Y @ below[-1].T]
        pull, above = last.T @ last, last
        for i in range(len(weights) - 2, -1, -1):
            inner = self.masks[i] * pull
            slopes.append(2 * inner @ weights[i] @ moments[i] - 2 * above.T @ self.Y @ below[i].T)
            pull, above = weights[i].T @ inner @ weights[i], above @ weights[i]
        return value, np.concatenate([s.ravel() for s in slopes[::-1]])

    def descend(self, start: Array) -> tuple[float, Array]:
        fit = minimize(self, start, jac=True, method="L-BFGS-B", options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-9})
        return float(fit.fun), fit.x

    def starts(self, count: int, scale: float, seed: int = 0) -> list[float]:
        rng = np.random.default_rng(seed)
        n = sum(a * b for a, b in zip(self.sizes, self.sizes[1:], strict=False))
        return [self.descend(scale * rng.standard_normal(n))[0] for _ in range(count)]


CASES = [
    ((3.0, 2.0, 1.0), (4, 4), (0.5, 0.5), (1, 1)),
    ((3.0, 2.0, 1.0), (4, 4), (2.0, 1.0), (1, 1)),
    ((3.0, 2.0, 1.0), (3, 5), (0.2, 0.9), (1, 1)),
    ((3.0, 2.0, 1.0), (4, 4, 4), (0.3, 0.3, 0.3), (1, 1, 1)),
    ((3.0, 2.0, 1.0), (4, 4), (0.5, 0.5), (2, 2)),
    ((3.0, 2.0, 1.0), (4, 8), (0.5, 0.5), (2, 4)),
    ((3.0, 2.0, 1.0), (4, 4), (0.5, 0.5), (1, 2)),
    ((3.0, 2.0, 1.5), (6, 6), (0.3, 0.2), (2, 2)),
    ((3.0, 2.0, 1.0), (4,), (0.8,), (1,)),
]


@pytest.mark.parametrize(("m", "widths", "odds", "blocks"), CASES)
def test_no_network_is_better_and_one_is_as_good(
    m: tuple[float, ...], widths: tuple[int, ...], odds: tuple[float, ...], blocks: tuple[int, ...]
) -> None:
    Y = np.diag(m)
    ours = deep_dropout_minimizer(Y, widths, odds, blocks)
    found = min(Network(Y, widths, odds, blocks).starts(5, 0.6))
    assert close(found, ours.objective, 1e-8)
    assert found > ours.objective * (1 - 1e-12)
    assert ours.certificate.gap < CERTIFICATE
    assert_attained(ours, Y, odds, blocks)


def assert_attained(ours: DeepMinimizer, Y: Array, odds: tuple[float, ...], blocks: tuple[int, ...]) -> None:
    """Recompute the objective of the weights by (3.2) from their entries."""
    assert ours.exact.status == "checked", str(ours.exact)
    product = ours.factors[0]
    for W in ours.factors[1:]:
        product = W @ product
    laws = [noise(W.shape[0], lam, r) for lam, r, W in zip(odds, blocks, ours.factors, strict=False)]
    reached = float(((Y - product) ** 2).sum()) + deep_explicit_regularizer(ours.factors, laws)
    assert abs(reached - ours.objective) < 1e-12 * float((Y**2).sum())
    assert np.abs(product - ours.product).max() < 1e-12 * np.abs(Y).max()


def test_numbers_of_the_reference() -> None:
    ours = deep_dropout_minimizer(np.diag([3.0, 2.0, 1.0]), (4, 4), (0.5, 0.5))
    assert ours.surrogate is not None
    assert ours.surrogate_singular_values is not None
    assert abs(ours.surrogate - 5.3217) < 5e-5
    assert np.count_nonzero(ours.surrogate_singular_values) == 3
    assert abs(ours.objective - 5.49694) < 5e-6
    assert np.abs(ours.singular_values - [2.1032, 1.0967, 0]).max() < 5e-5
    assert abs(ours.local_minima[1] - 6.8889) < 5e-5
    other = deep_dropout_minimizer(np.diag([3.0, 2.0, 1.0]), (4, 4), (2.0, 1.0))
    assert other.surrogate is not None
    assert other.surrogate_singular_values is not None
    assert abs(other.surrogate - 8.955) < 5e-4
    assert np.count_nonzero(other.surrogate_singular_values) == 2
    assert abs(other.objective - 9.2) < 1e-12
    assert other.rank == 1
    assert abs(other.local_minima[2] - 9.2695) < 5e-5


def test_soft_thresholding_is_not_the_optimum() -> None:
    """Trap 14: the surrogate's product, charged exactly, is worse than the optimum by a clear margin."""
    Y = np.diag([3.0, 2.0, 1.0])
    ours = deep_dropout_minimizer(Y, (4, 4), 0.5)
    assert ours.surrogate_singular_values is not None
    m, nu = np.array([3.0, 2.0, 1.0]), effective_parameter((4, 4), 0.5)
    tau = nu / (1 + 3 * nu) * m.sum()  # the closed form at rank 3
    assert np.abs(ours.surrogate_singular_values - (m - tau)).max() < FLOAT64
    A = np.diag(m - tau)
    charged = float(((Y - A) ** 2).sum()) + deep_induced_regularizer(A, (4, 4), 0.5).value
    assert charged > ours.objective + 0.05


def test_local_minima_catch_descent() -> None:
    """With m = (3, 2, 1), odds ½: from the rank-one network small perturbations return to 6.8889, far above 5.4969."""
    Y, odds = np.diag([3.0, 2.0, 1.0]), (0.5, 0.5)
    net = Network(Y, (4, 4), odds, (1, 1))
    a = 3 * (4 / 4.5) ** 2
    u = np.eye(3)[0]
    point = [np.outer(np.ones(4), u) / 2, np.ones((4, 4)) / 4, a * np.outer(u, np.ones(4)) / 2]
    flat = np.concatenate([W.ravel() for W in point])
    value, slope = net(flat)
    assert abs(value - 6.8889) < 5e-5
    assert np.abs(slope).max() < 1e-12
    rng = np.random.default_rng(0)
    for _ in range(3):
        nudged = net.descend(flat + 1e-2 * rng.standard_normal(flat.size))[0]
        assert close(nudged, value, SOLVER)
    higher = Network(Y, (4, 4), (2.0, 1.0), (1, 1)).starts(12, 0.6)
    assert any(abs(end - 9.269544) < 1e-5 for end in higher)
    assert close(min(higher), 9.2, SOLVER)
    shallow = Network(Y, (4,), (0.8,), (1,)).starts(12, 0.6)  # one hidden layer: none seen
    assert max(shallow) < min(shallow) + 1e-6


def best_on_grid(m: Array, widths: tuple[int, ...], odds: Array, points: int = 241) -> float:
    """Minimise over two directions and two layers on a fine grid of splits."""
    t = np.linspace(0, 1, points)
    first = [(d * (1 - t)) / (d * (1 - t) + lam) for d, lam in zip(widths, odds, strict=True)]
    second = [(d * t) / (d * t + lam) for d, lam in zip(widths, odds, strict=True)]
    return float((m**2).sum() - (m[0] ** 2 * np.outer(*first) + m[1] ** 2 * np.outer(*second)).max())


@settings(deadline=None, max_examples=60)
@given(st.integers(0, 10**6))
def test_global_on_a_grid_of_all_splits(seed: int) -> None:
    rng = np.random.default_rng(seed)
    m = np.sort(rng.uniform(0.2, 1, 2))[::-1]
    widths, odds = tuple(int(d) for d in rng.integers(2, 6, 2)), np.exp(rng.uniform(-3, 2, 2))
    found = allocate(m, read_layers(widths, odds))
    grid = best_on_grid(m, widths, odds)
    assert found.best.objective <= grid + 1e-12
    assert found.best.objective >= grid - 2e-3
    assert found.certificate.gap < CERTIFICATE


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6))
def test_no_allocation_is_better(seed: int) -> None:
    """Random instances with blocks, against a general solver from random starts and a cloud of feasible points."""
    rng = np.random.default_rng(seed)
    k, n = int(rng.integers(1, 4)), int(rng.integers(2, 5))
    blocks = rng.integers(1, 3, k)
    caps = rng.integers(2, 5, k)
    widths, odds = caps * blocks, np.exp(rng.uniform(-3, 2.5, k))
    m = np.sort(np.exp(rng.uniform(-1.5, 0, n)))[::-1]
    if rng.random() < 0.3:
        m[1] = m[0]
    found = allocate(m, read_layers(tuple(widths), tuple(odds), tuple(blocks)))
    assert found.certificate.gap < CERTIFICATE
    h = found.best.budgets
    assert np.all(h.sum(0) <= widths * (1 + 1e-15))
    assert np.all(h <= caps)
    rank = found.best.rank
    kept = (h / (h + odds)).prod(1)
    total = float((m**2).sum())
    assert close(total - float(m[:rank] ** 2 @ kept), found.best.objective, 1e-13)
    top = min(n, int(widths.min()))

    def value(x: Array) -> tuple[float, Array]:
        y = x.reshape(top, k)
        p = (y / (y + odds)).prod(1)
        with np.errstate(divide="ignore", invalid="ignore"):
            slope = np.nan_to_num((m[:top] ** 2 * p)[:, None] * odds / (y * (y + odds)), posinf=0)
        return -float(m[:top] ** 2 @ p), -slope.ravel()

    rules = {"type": "ineq", "fun": lambda x: widths - x.reshape(top, k).sum(0)}
    limits = [(1e-9, float(cap)) for _ in range(top) for cap in caps]
    for _ in range(2):
        start = np.minimum(rng.dirichlet(np.ones(top), k).T * widths, caps)
        fit = minimize(
            value, np.maximum(start, 1e-9).ravel(), jac=True, method="SLSQP", bounds=limits, constraints=rules
        )
        end = np.clip(fit.x.reshape(top, k), 0, caps)
        end = end * np.minimum(1, widths / end.sum(0))
        assert total + value(end.ravel())[0] > found.best.objective - 1e-12


def test_ranks_pushed_to_the_edge_are_bounded() -> None:
    """Rank two has no stationary allocation here: its bound lies above every allocation in the concave region."""
    m, widths, odds = np.array([0.76, 0.667, 0.3]), np.array([4, 3]), np.array([5.2, 0.88])
    layers = read_layers((4, 3), odds)
    found = allocate(m, layers)
    assert found.best.rank == 1
    assert found.certificate.bounds[-1].reason.startswith("Lagrangian")
    assert found.certificate.gap < CERTIFICATE
    upper = edge_bound(m, layers, 2, -np.inf)
    assert upper < m[0] ** 2 * float((widths / (widths + odds)).prod())
    x, y = np.meshgrid(np.linspace(0.01, 3.99, 300), np.linspace(0.01, 2.99, 300))
    h = np.stack([np.stack([4 - x, 3 - y], -1), np.stack([x, y], -1)])
    inside = ((odds / (2 * h + odds)).sum(-1) <= 1).all(0)
    values = m[0] ** 2 * (h[0] / (h[0] + odds)).prod(-1) + m[1] ** 2 * (h[1] / (h[1] + odds)).prod(-1)
    assert inside.any()
    assert 0 < upper - values[inside].max() < 0.01


def test_the_region_of_concavity_and_the_exchange_argument() -> None:
    """Step 2 and 3 of the derivation, on random points: Hessian sign, and gain of handing units over."""
    rng = np.random.default_rng(0)
    for _ in range(300):
        k = int(rng.integers(2, 5))
        odds, h = np.exp(rng.uniform(-2, 2, k)), np.exp(rng.uniform(-2, 2, k))
        v, curve = odds / (h * (h + odds)), odds * (2 * h + odds) / (h * (h + odds)) ** 2
        top = float(np.linalg.eigvalsh(np.outer(v, v) - np.diag(curve))[-1])
        crowd = float((odds / (2 * h + odds)).sum())
        assert (top > 0) == (crowd > 1)
        # a second direction with the same prices and a larger value gets the units of the first
        ratio = float(np.exp(rng.uniform(0, 3)))
        bigger = -odds / 2 + np.sqrt(odds**2 / 4 + ratio * h * (h + odds))
        gain = ratio * (np.prod((bigger + h) / (bigger + h + odds) * (bigger + odds) / bigger) - 1)
        if crowd >= 1:
            assert gain > 1


@pytest.mark.parametrize("seed", range(3))
def test_rectangular_targets_permutations_and_scaling(seed: int) -> None:
    rng = np.random.default_rng(seed)
    Y = rng.standard_normal((4, 6))
    ours = deep_dropout_minimizer(Y, (5, 7), (0.2, 0.4))
    assert_attained(ours, Y, (0.2, 0.4), (1, 1))
    assert close(deep_dropout_minimizer(3 * Y, (5, 7), (0.2, 0.4)).objective, 9 * ours.objective)
    assert close(deep_dropout_minimizer(Y, (7, 5), (0.4, 0.2)).objective, ours.objective)
    charge = deep_induced_regularizer(ours.product, (5, 7), (0.2, 0.4))
    assert close(float(((Y - ours.product) ** 2).sum()) + charge.value, ours.objective)
    assert ours.surrogate is not None
    assert ours.surrogate <= ours.objective


def test_limits() -> None:
    Y = np.diag([3.0, 2.0, 1.0])
    assert deep_dropout_minimizer(Y, (4, 4), 0.0).objective == 0
    narrow = deep_dropout_minimizer(Y, (2, 4), 0.0)
    assert close(narrow.objective, 1.0)
    assert_attained(narrow, Y, (0.0, 0.0), (1, 1))
    mixed = deep_dropout_minimizer(Y, (4, 5, 4), (0.3, 0.0, 0.3))
    assert close(mixed.objective, deep_dropout_minimizer(Y, (4, 4), 0.3).objective)
    assert_attained(mixed, Y, (0.3, 0.0, 0.3), (1, 1, 1))
    zero = deep_dropout_minimizer(np.zeros((2, 3)), (4,), 0.5)
    assert (zero.objective, zero.rank) == (0.0, 0)
    ridge = deep_dropout_minimizer(Y, (8, 8), 0.5, 4)  # blocks at least the rank: plain shrinkage, no effect on rank
    assert np.abs(ridge.singular_values - np.diag(Y) * (2 / 2.5) ** 2).max() < FLOAT64


def test_rank_never_falls_below_the_smallest_block() -> None:
    heavy = deep_dropout_minimizer(np.diag([3.0, 1.0, 0.1]), (8, 8), 50.0, (2, 4))
    assert heavy.rank >= 2


def test_unrealisable_blocks_are_a_bound_not_an_answer() -> None:
    """Two blocks of two and four directions that are not paired evenly: the verdict must not claim attainment."""
    ours = deep_dropout_minimizer(np.diag([5.0, 4.0, 3.0, 2.5]), (4,), 0.05, 2)
    assert ours.rank == 4
    assert ours.exact.status == "unknown"
    found = min(Network(np.diag([5.0, 4.0, 3.0, 2.5]), (4,), (0.05,), (2,)).starts(5, 0.6))
    assert found > ours.objective * (1 + 1e-6)
    assert ours.bounds[0] == ours.objective
    assert found <= ours.bounds[1] * (1 + 1e-9)
    assert close(Network(np.diag([5.0, 4.0, 3.0, 2.5]), (4,), (0.05,), (2,))(flat(ours))[0], ours.bounds[1])


def flat(ours: DeepMinimizer) -> Array:
    return np.concatenate([W.ravel() for W in ours.factors])


@pytest.mark.parametrize(
    ("m", "widths", "odds", "blocks"),
    [
        ((3.0, 2.0, 1.0), (5,), (0.4,), (2,)),
        ((3.0, 2.0, 1.5, 1.0), (5, 7), (0.3, 0.5), (3, 2)),
        ((3.0, 2.0, 1.0), (4, 5), (0.2, 0.2), (2, 2)),
    ],
)
def test_a_smaller_last_block_leaves_bounds_from_both_sides(
    m: tuple[float, ...], widths: tuple[int, ...], odds: tuple[float, ...], blocks: tuple[int, ...]
) -> None:
    Y = np.diag(m)
    ours, network = deep_dropout_minimizer(Y, widths, odds, blocks), Network(Y, widths, odds, blocks)
    lower, upper = ours.bounds
    assert lower == ours.objective
    assert [W.shape for W in ours.factors] == list(zip((*widths, len(m)), (len(m), *widths), strict=True))
    assert ours.exact.status == "unknown"
    assert "the last block of layer" in ours.exact.detail
    assert "lies in" in ours.exact.detail
    assert close(network(flat(ours))[0], upper)
    found = min(network.starts(6, 0.6))
    assert lower * (1 - 1e-12) <= found <= upper * (1 + 1e-9)
    assert upper - lower > 1e-3 * lower  # neither end is the minimum by accident of equality


def test_a_smaller_last_block_that_carries_everything_is_no_obstacle() -> None:
    """Rank one fits into every block, whatever its size; so does rank two where no block has fewer than two units."""
    heavy = deep_dropout_minimizer(np.diag([3.0, 1.0, 0.1]), (5, 7), 50.0, (1, 3))
    assert heavy.rank == 1
    assert_attained(heavy, np.diag([3.0, 1.0, 0.1]), (50.0, 50.0), (1, 3))
    assert "the last block of layer 2 has 1 unit, the others 3" in heavy.exact.detail
    Y = np.diag([3.0, 2.0])
    ours = deep_dropout_minimizer(Y, (5, 8), 0.5, 3)
    assert ours.rank == 2
    assert_attained(ours, Y, (0.5, 0.5), (3, 3))
    assert ours.bounds[1] - ours.bounds[0] <= 1e-12 * 13
    assert close(min(Network(Y, (5, 8), (0.5, 0.5), (3, 3)).starts(4, 0.6)), ours.objective, SOLVER)
    narrow = deep_dropout_minimizer(Y, (2,), 0.5, 7)  # a block beyond the width is the whole layer
    assert close(narrow.objective, float((Y**2).sum()) / 3)


@settings(deadline=None, max_examples=25)
@given(st.integers(0, 10**6), st.integers(2, 9), st.integers(1, 4))
def test_one_layer_with_a_smaller_last_block_holds_the_factorisation_between(seed: int, width: int, block: int) -> None:
    """The one-layer optimum by ordered weights, another theory, lies between the bounds."""
    Y = np.random.default_rng(seed).standard_normal((3, 4))
    ours, single = deep_dropout_minimizer(Y, (width,), 1.5, block), dropblock_minimizer(Y, block, 0.4, width)
    scale = float((Y**2).sum())
    assert ours.bounds[0] <= single.bounds[1] + CERTIFICATE * scale
    assert ours.bounds[1] >= single.bounds[0] - CERTIFICATE * scale
    if ours.exact.holds and single.exact.holds:
        assert abs(ours.objective - single.objective) <= CERTIFICATE * scale


def test_one_layer_full_rank_threshold_and_the_books() -> None:
    """λ < d m_r/Σ(m_i − m_r) keeps full rank; the book's r m_r/Σ is the same at d = r and conservative for d > r."""
    m = np.array([3.0, 2.0, 1.0])
    for width in (3, 5):
        exact = full_rank_threshold(m, width)
        assert close(exact, width * 1.0 / 3.0)
        below = deep_dropout_minimizer(np.diag(m), (width,), exact * 0.999)
        above = deep_dropout_minimizer(np.diag(m), (width,), exact * 1.001)
        assert (below.rank, above.rank) == (3, 2)
    book = 3 * 1.0 / 3.0
    beyond = 0.5 * (book + full_rank_threshold(m, 5))
    assert deep_dropout_minimizer(np.diag(m), (5,), beyond).rank == 3
    tau = 0.8 * 6 / (5 + 0.8 * 3)
    assert np.abs(deep_dropout_minimizer(np.diag(m), (5,), 0.8).singular_values - (m - tau)).max() < FLOAT64


def test_tied_autoencoder_reaches_the_same_product() -> None:
    """The least ‖M − UUᵀ‖² + λ Σ‖u_i‖⁴ for positive definite M has the value of the untied problem."""
    rng = np.random.default_rng(6)
    root = np.linalg.qr(rng.standard_normal((3, 3)))[0]
    M, lam = root * [3.0, 2.0, 1.0] @ root.T, 0.9

    def tied(flat: Array) -> tuple[float, Array]:
        U = flat.reshape(3, 4)
        gap, norms = U @ U.T - M, (U**2).sum(0)
        return float((gap**2).sum() + lam * norms @ norms), (4 * gap @ U + 4 * lam * U * norms).ravel()

    ends = [
        minimize(tied, rng.standard_normal(12), jac=True, method="L-BFGS-B", options={"ftol": 1e-15, "gtol": 1e-9})
        for _ in range(6)
    ]
    best = min(ends, key=lambda fit: float(fit.fun))
    assert close(float(best.fun), deep_dropout_minimizer(M, (4,), lam).objective, 1e-9)
    norms = (best.x.reshape(3, 4) ** 2).sum(0)
    assert np.ptp(norms) < 1e-4 * norms.mean()  # equalised


def test_unequal_columns_are_not_minima() -> None:
    """Rotating two columns of a tied solution by t changes Σ‖u_i‖⁴ by −2t²(‖u_1‖² − ‖u_2‖²)² for orthogonal columns."""
    u, v, t = np.array([1.5, 0.0]), np.array([0.0, 0.7]), 1e-3
    turned = [np.cos(t) * u + np.sin(t) * v, np.cos(t) * v - np.sin(t) * u]
    change = sum(float(w @ w) ** 2 for w in turned) - float(u @ u) ** 2 - float(v @ v) ** 2
    assert close(2 * change / t**2, -4 * (float(u @ u) - float(v @ v)) ** 2, 1e-4)


def test_certificate_at_depth_four_with_64_values() -> None:
    rng = np.random.default_rng(0)
    m = np.sort(rng.uniform(0, 1, 64))[::-1]
    for scale in (0.05, 0.5, 1.0, 3.0):
        found = allocate(m, read_layers((256, 200, 128, 300), tuple(scale * np.array([1.0, 0.5, 1.0, 2.0]))))
        assert found.certificate.gap < CERTIFICATE
        covered = [r for b in found.certificate.bounds for r in range(b.first, b.last + 1)]
        assert set(covered) == set(range(1, 65))


@pytest.mark.parametrize(
    ("Y", "widths", "odds", "blocks"),
    [
        (np.zeros((0, 2)), (4,), 0.5, None),
        (np.full((2, 2), np.nan), (4,), 0.5, None),
        (np.eye(2), (), 0.5, None),
        (np.eye(2), (4, 0), 0.5, None),
        (np.eye(2), (4, 4), (0.5, 0.5, 0.5), None),
        (np.eye(2), (4,), -1.0, None),
        (np.eye(2), (4,), np.inf, None),
        (np.eye(2), (4,), 0.5, 0),
        (np.eye(2), (4,), 0.5, 1.5),
        (np.eye(2), (2.5,), 0.5, None),
    ],
)
def test_bad_input_is_refused(Y: Array, widths: tuple[int, ...], odds: float, blocks: float | None) -> None:
    with pytest.raises(InputError):
        deep_dropout_minimizer(Y, widths, odds, blocks)
