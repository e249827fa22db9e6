"""The exact induced regulariser against optimisation over weights, closed forms and its bounds."""

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize

from etatrick.errors import InputError
from etatrick.numerics.deep.attaining import attaining_weights
from etatrick.numerics.deep.induced import deep_induced_regularizer
from etatrick.numerics.deep.layers import read_layers
from etatrick.numerics.deep.regularizer import deep_explicit_regularizer
from etatrick.numerics.deep.surrogate import deep_envelope, effective_parameter, single_order_bound
from etatrick.numerics.k_support import ordered_norm
from tolerances import CERTIFICATE, SOLVER, close

Array = NDArray[np.float64]


def split(flat: Array, sizes: tuple[int, ...]) -> list[Array]:
    shapes = list(zip(sizes[1:], sizes, strict=False))
    ends = np.cumsum([a * b for a, b in shapes])
    return [part.reshape(s) for part, s in zip(np.split(flat, ends[:-1]), shapes, strict=True)]


def second_moment(flat: Array, sizes: tuple[int, ...], masks: list[Array]) -> tuple[float, Array]:
    """Return E‖f̄‖² with its gradient by back-propagation; masks are 11ᵀ + C̄ per hidden layer."""
    weights = split(flat, sizes)
    moments = [np.eye(sizes[0])]
    for W, mask in zip(weights, masks, strict=False):
        moments.append(mask * (W @ moments[-1] @ W.T))
    pull = weights[-1].T @ weights[-1]
    slopes = [2 * weights[-1] @ moments[-1]]
    for W, mask, below in zip(weights[-2::-1], masks[::-1], moments[-2::-1], strict=True):
        inner = mask * pull
        slopes.append(2 * inner @ W @ below)
        pull = W.T @ inner @ W
    value = float(np.trace(weights[-1] @ moments[-1] @ weights[-1].T))
    return value, np.concatenate([s.ravel() for s in slopes[::-1]])


def chain(flat: Array, sizes: tuple[int, ...]) -> Array:
    weights = split(flat, sizes)
    result = weights[0]
    for W in weights[1:]:
        result = W @ result
    return result


def smallest_charge(sigma: Array, widths: tuple[int, ...], odds: tuple[float, ...], starts: int) -> float:
    """Minimise R over weights with product diag(σ) by SLSQP."""
    n = sigma.size
    sizes = (n, *widths, n)
    masks = [1 + lam * np.eye(d) for lam, d in zip(odds, widths, strict=True)]
    target = np.diag(sigma)

    def jacobian(flat: Array) -> Array:
        weights = split(flat, sizes)
        columns = []
        for i, W in enumerate(weights):
            left, right = np.eye(n), np.eye(n)
            for V in weights[i + 1 :]:
                left = V @ left if left.shape[0] == V.shape[1] else V
            for V in weights[:i]:
                right = V @ right
            columns.append(np.einsum("ap,qb->abpq", left, right).reshape(n * n, W.size))
        return np.hstack(columns)

    best = np.inf
    rng = np.random.default_rng(0)
    for _ in range(starts):
        fit = minimize(
            second_moment,
            rng.standard_normal(sum(a * b for a, b in itertools.pairwise(sizes))) * 0.7,
            args=(sizes, masks),
            jac=True,
            method="SLSQP",
            constraints={"type": "eq", "fun": lambda x: (chain(x, sizes) - target).ravel(), "jac": jacobian},
            options={"maxiter": 600, "ftol": 1e-13},
        )
        if np.abs(chain(fit.x, sizes) - target).max() < 1e-8:
            best = min(best, float(fit.fun))
    return best - float(sigma @ sigma)


def test_number_of_the_reference_against_weights() -> None:
    sigma = np.array([3.0, 1.0, 0.5])
    ours = deep_induced_regularizer(np.diag(sigma), (4, 4), (1.0, 2.0))
    assert abs(ours.value - 21.988562) < 5e-7
    assert ours.gap < CERTIFICATE
    assert close(smallest_charge(sigma, (4, 4), (1.0, 2.0), 4), ours.value, SOLVER)
    envelope = deep_envelope(np.diag(sigma), (4, 4), (1.0, 2.0))
    assert round(envelope, 2) == 17.72
    assert envelope < single_order_bound(np.diag(sigma), (4, 4), (1.0, 2.0)) < ours.value


def test_three_hidden_layers_against_weights() -> None:
    sigma = np.array([2.0, 1.0])
    ours = deep_induced_regularizer(np.diag(sigma), (2, 3, 2), (0.3, 0.3, 1.0)).value
    assert close(smallest_charge(sigma, (2, 3, 2), (0.3, 0.3, 1.0), 6), ours, SOLVER)


def test_matrix_form_for_two_layers() -> None:
    """Θ + ‖M‖² = min over positive P, Q of tr (I + λ_2 P⁻¹) M (I + λ_1 Q⁻¹) Mᵀ: no better non-diagonal P, Q."""
    sigma, rng = np.array([3.0, 1.0, 0.5]), np.random.default_rng(0)
    ours = deep_induced_regularizer(np.diag(sigma), (4, 4), (1.0, 2.0))
    total = ours.value + float(sigma @ sigma)

    def trace(Q: Array, P: Array) -> float:
        left, right = np.eye(3) + 2 * np.linalg.inv(P), np.eye(3) + np.linalg.inv(Q)
        return float(np.trace(left @ np.diag(sigma) @ right @ np.diag(sigma)))

    assert close(trace(np.diag(ours.budgets[:, 0]), np.diag(ours.budgets[:, 1])), total)
    for _ in range(200):
        tilt = [np.linalg.qr(np.eye(3) + 0.1 * rng.standard_normal((3, 3)))[0] for _ in range(2)]
        h = ours.budgets * np.exp(0.1 * rng.standard_normal((3, 2)))
        h *= 4 / h.sum(0)
        assert trace(tilt[0] @ np.diag(h[:, 0]) @ tilt[0].T, tilt[1] @ np.diag(h[:, 1]) @ tilt[1].T) > total


def spectral_support(values: Array, k: int) -> float:
    """Return the squared k-support norm by the tail-average formula, trying every split."""
    n = values.size
    if n <= k:
        return float(values @ values)
    for r in range(k):
        tail = values[k - r - 1 :].sum() / (r + 1)
        if (r == k - 1 or values[k - r - 2] > tail) and tail >= values[k - r - 1] - 1e-15:
            return float((values[: k - r - 1] ** 2).sum() + (r + 1) * tail**2)
    raise AssertionError("no split")


@settings(deadline=None, max_examples=40)
@given(st.integers(1, 3), st.integers(1, 6), st.integers(0, 10**6))
def test_one_hidden_layer_is_the_spectral_support_norm(block: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = np.sort(rng.exponential(size=n))[::-1]
    blocks = -(-n // block) + int(rng.integers(0, 3))
    width, odds = blocks * block, float(rng.uniform(0.1, 3))
    ours = deep_induced_regularizer(np.diag(sigma), (width,), odds, block_sizes=block)
    assert close(ours.value, odds / blocks * spectral_support(sigma, block))


@settings(deadline=None, max_examples=40)
@given(st.integers(2, 4), st.integers(1, 5), st.integers(0, 10**6))
def test_bounds_certificate_and_weights_in_general(k: int, n: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    sigma = np.sort(np.exp(rng.uniform(-4, 1, n)))[::-1]
    widths, odds = [int(d) for d in rng.integers(n, n + 4, k)], np.exp(rng.uniform(-3, 2, k))
    root = rng.standard_normal((n, n))
    U, V = np.linalg.qr(rng.standard_normal((n, n)))[0], np.linalg.qr(root)[0]
    M = U * sigma @ V.T
    ours = deep_induced_regularizer(M, widths, odds)
    assert ours.gap < CERTIFICATE
    assert np.all(ours.budgets.sum(0) <= np.array(widths) * (1 + 1e-15))
    slack = 1e-12 * ours.value
    assert deep_envelope(M, widths, odds) <= ours.value + slack
    assert single_order_bound(M, widths, odds) <= ours.value + slack
    if n == 1:  # the envelope is attained on rank one, and only there
        assert close(deep_envelope(M, widths, odds), ours.value)
    else:
        assert deep_envelope(M, widths, odds) < ours.value
    weights = attaining_weights(U, sigma, V, ours.budgets, read_layers(widths, odds))
    assert weights is not None
    assert close(deep_explicit_regularizer(weights, list(odds)), ours.value, 1e-11)
    product = weights[0]
    for W in weights[1:]:
        product = W @ product
    assert np.abs(product - M).max() < 1e-12 * sigma[0] * n
    # any other network with this product is charged more
    other = [W.copy() for W in weights]
    mix = np.eye(widths[0]) + 0.2 * rng.standard_normal((widths[0], widths[0]))
    other[0], other[1] = mix @ other[0], other[1] @ np.linalg.inv(mix)
    assert deep_explicit_regularizer(other, list(odds)) > ours.value - 1e-10 * ours.value


def test_the_verdict_says_whether_weights_exist() -> None:
    assert deep_induced_regularizer(np.diag([3.0, 1.0]), (4, 4), 0.5).exact.status == "checked"
    paired = deep_induced_regularizer(np.diag([4.0, 3.0, 2.0, 1.0]), (4,), 0.5, block_sizes=2)
    unpaired = deep_induced_regularizer(np.diag([5.0, 2.0, 1.0, 0.5]), (4,), 0.5, block_sizes=2)
    assert (paired.exact.status, unpaired.exact.status) == ("checked", "unknown")


def test_a_smaller_last_block_is_charged_at_least_as_a_whole_one() -> None:
    """By ordered weights for one layer: five units in blocks of two against six; and exact where all blocks carry."""
    A = np.diag([3.0, 2.0, 1.0])
    ours = deep_induced_regularizer(A, (5,), 0.5, block_sizes=2)
    assert ours.exact.status == "unknown"
    assert ours.exact.detail == "the last block of layer 1 has 1 unit, the others 2"
    assert close(ours.value, deep_induced_regularizer(A, (6,), 0.5, block_sizes=2).value)
    assert ours.value < 0.5 * float(ordered_norm([3.0, 2.0, 1.0], [3.0, 2.0, 0.0])) ** 2
    ridge = deep_induced_regularizer(np.diag([3.0, 2.0]), (5,), 0.5, block_sizes=3)
    assert ridge.exact.status == "checked"
    assert close(ridge.value, 0.5 * 13 / 2)
    with pytest.raises(InputError, match="rank 3"):
        deep_induced_regularizer(A, (2, 8), 0.5, block_sizes=2)


def test_input_moment_enters_through_its_root() -> None:
    rng = np.random.default_rng(4)
    M, root = rng.standard_normal((3, 3)), rng.standard_normal((3, 3))
    C = root @ root.T
    charged = deep_induced_regularizer(M, (4, 5), (0.5, 1.0), C).value
    assert close(charged, deep_induced_regularizer(M @ np.linalg.cholesky(C), (4, 5), (0.5, 1.0)).value)


@pytest.mark.parametrize("order", [1, 2, 3])
def test_single_terms_are_schatten_quasi_norms(order: int) -> None:
    """The least Σ σ² Π λ/h at fixed budgets is Π(λ/d) ‖M‖² in Schatten 2/(l+1), here by optimisation over h."""
    sigma, odds = np.array([3.0, 1.0, 0.4]), np.array([0.5, 1.0, 2.0])[:order]
    exponent = 2 / (order + 1)

    def charge(x: Array) -> float:
        h = np.exp(x.reshape(3, order))
        h = 4 * h / h.sum(0)
        return float(sigma**2 @ np.prod(odds / h, axis=1))

    found = minimize(charge, np.zeros(3 * order), method="BFGS", options={"gtol": 1e-10}).fun
    norm = float((sigma**exponent).sum()) ** (2 / exponent)
    assert close(found, float(np.prod(odds / 4)) * norm, SOLVER)


def test_uniform_network_attains_the_envelope_on_rank_one() -> None:
    rng = np.random.default_rng(1)
    u, w = rng.standard_normal(3), rng.standard_normal(2)
    widths, odds = (3, 5), (0.4, 1.5)
    net = [np.outer(np.ones(3), w) / np.sqrt(3), np.ones((5, 3)) / np.sqrt(15), np.outer(u, np.ones(5)) / np.sqrt(5)]
    charged = effective_parameter(widths, odds) * float(u @ u) * float(w @ w)
    assert close(deep_explicit_regularizer(net, odds), charged, 1e-13)
    assert close(deep_induced_regularizer(np.outer(u, w), widths, odds).value, charged, 1e-13)


def test_bad_input_is_refused_with_a_remedy() -> None:
    with pytest.raises(InputError, match="widen"):
        deep_induced_regularizer(np.eye(3), (2, 4), 0.5)
    with pytest.raises(InputError):
        deep_induced_regularizer(np.eye(3), (4, 4), (0.5, 0.5, 0.5))
    with pytest.raises(InputError):
        deep_induced_regularizer(np.full((2, 2), np.inf), (4,), 0.5)
    assert deep_induced_regularizer(np.zeros((2, 2)), (1,), 0.5).value == 0
