"""The explicit regulariser: by enumeration of masks on weights and positions, at large sizes, and as a formula."""

import tracemalloc
from itertools import product
from typing import TypeAlias

import numpy as np
import pytest
import sympy as sp
from numpy.typing import NDArray

from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.composed import Product
from etatrick.theory.noise.counted import CountNormalised, FixedCount
from etatrick.theory.noise.dropconnect import DropConnect
from etatrick.theory.noise.gaussian import CorrelatedGaussian
from etatrick.theory.noise.pooled_head import channelwise_head_regularizer, shared_head_regularizer
from etatrick.theory.noise.regularizer import (
    expected_squared_loss,
    explicit_regularizer,
    rotated_basis_regularizer,
    scaled_squared_loss,
)
from etatrick.theory.noise.sliding import SlidingBlocks, SlidingBlocks2D
from tolerances import MC

Floats: TypeAlias = NDArray[np.float64]
TIGHT = 1e-13
theta = sp.Symbol("theta", positive=True)


def normal(*shape: int, seed: int = 0) -> Floats:
    return np.random.default_rng([seed, *shape]).normal(size=shape)


def averaged(retain: float, count: int) -> list[tuple[Floats, float]]:
    """Return all masks of `count` independent entries, divided by the retain probability, with their chances."""
    bits = np.array(list(product([0, 1], repeat=count)))
    return [(b / retain, float(retain ** b.sum() * (1 - retain) ** (count - b.sum()))) for b in bits]


def brute_dropconnect(Y: Floats, U: Floats, V: Floats, X: Floats, leaving: float, entering: float) -> float:
    total = 0.0
    for zu, pu in averaged(leaving, U.size) if leaving < 1 else [(np.ones(U.size), 1.0)]:
        for zv, pv in averaged(entering, V.size) if entering < 1 else [(np.ones(V.size), 1.0)]:
            masked = (U * zu.reshape(U.shape)) @ (V * zv.reshape(V.shape)).T @ X
            total += pu * pv * float(((Y - masked) ** 2).sum())
    return total


@pytest.mark.parametrize(("leaving", "entering"), [(0.6, 1.0), (1.0, 0.7), (0.6, 0.7), (1.0, 1.0)])
def test_dropconnect_by_enumeration(leaving: float, entering: float) -> None:
    Y, U, V, X = normal(2, 4), normal(2, 2), normal(3, 2), normal(3, 4)
    law = DropConnect(outgoing=leaving, incoming=entering)
    wanted = brute_dropconnect(Y, U, V, X, leaving, entering)
    assert law.expected_squared_loss(Y, U, V, X) == pytest.approx(wanted, rel=TIGHT)
    noise = wanted - float(((Y - U @ V.T @ X) ** 2).sum())
    assert law.explicit_regularizer(U, V, X) == pytest.approx(noise, rel=1e-12, abs=TIGHT * wanted)


def test_dropconnect_on_outgoing_weights_is_dropout() -> None:
    U, V, X = normal(4, 6), normal(5, 6), normal(5, 9)
    found = DropConnect(outgoing=0.3).explicit_regularizer(U, V, X)
    assert found == pytest.approx(explicit_regularizer(Bernoulli(6, 0.3), U, X.T @ V), rel=TIGHT)


def test_dropconnect_on_incoming_weights_is_dropout_only_on_white_data() -> None:
    U, V = normal(4, 6), normal(5, 6)
    white = np.linalg.qr(normal(9, 5))[0].T * np.arange(1, 6)[:, None]
    law, dropout = DropConnect(incoming=0.3), Bernoulli(6, 0.3)
    assert law.explicit_regularizer(U, V, white) == pytest.approx(
        explicit_regularizer(dropout, U, white.T @ V), rel=1e-12
    )
    # one unit that adds two inputs of correlation 0.18: Dropout sees 2(1 + 0.18), DropConnect 2
    tilted = np.array([[1.0, 0.0], [0.18, np.sqrt(1 - 0.18**2)]])
    U, V, Y = np.array([[1.0]]), np.array([[1.0], [1.0]]), np.zeros((1, 2))
    bare = float(((U @ V.T @ tilted) ** 2).sum())
    by_masks = brute_dropconnect(Y, U, V, tilted, 1.0, 0.5) - bare
    by_dropout = sum(p * float(((z * V.T @ tilted) ** 2).sum()) for z, p in averaged(0.5, 1)) - bare
    assert by_dropout / by_masks == pytest.approx(1.18, rel=1e-12)
    ratio = explicit_regularizer(Bernoulli(1, 0.5), U, tilted.T @ V) / DropConnect(incoming=0.5).explicit_regularizer(
        U, V, tilted
    )
    assert ratio == pytest.approx(1.18, rel=1e-12)


def test_dropconnect_in_symbols() -> None:
    a, b, x, y = sp.symbols("a b x y", real=True)
    found = DropConnect(outgoing=theta, incoming=theta).explicit_regularizer(
        sp.Matrix([[a]]), sp.Matrix([[b], [1]]), sp.Matrix([[x], [y]])
    )
    lam = (1 - theta) / theta
    wanted = a**2 * (lam * (b * x + y) ** 2 + lam * (1 + lam) * (b**2 * x**2 + y**2))
    assert sp.simplify(found - wanted) == 0
    values = {a: 2.0, b: -1.0, x: 0.5, y: 3.0, theta: 0.4}
    number = DropConnect(0.4, 0.4).explicit_regularizer([[2.0]], [[-1.0], [1.0]], [[0.5], [3.0]])
    assert float(found.subs(values)) == pytest.approx(number, rel=1e-12)


def test_one_mask_per_batch_or_per_sample_gives_the_same_expectation() -> None:
    Y, U, V = normal(2, 2), normal(2, 3), normal(2, 3)
    per_sample = 0.0
    for (z, p), (t, q) in product(averaged(0.6, 3), repeat=2):
        masked = np.stack([(U * z) @ V[0], (U * t) @ V[1]], axis=1)
        per_sample += p * q * float(((Y - masked) ** 2).sum())
    per_batch = sum(p * float(((Y - (U * z) @ V.T) ** 2).sum()) for z, p in averaged(0.6, 3))
    assert per_sample == pytest.approx(per_batch, rel=1e-14)
    assert expected_squared_loss(Y, U, V, Bernoulli(3, 0.6)) == pytest.approx(per_sample, rel=1e-14)


@pytest.mark.parametrize("scale", [1.7, [0.5, 1.0, 1.5, 2.0, 2.5, 1.0, 1.2, 1.1, 0.9]])
def test_a_constant_scale_leaves_a_bias(scale: float | list[float]) -> None:
    law, c = SlidingBlocks2D(3, 3, 2, 0.3), np.array(scale)
    Y, U, V = normal(2, 3), normal(2, 9), normal(3, 9)
    masks, mean = [], np.zeros(9)
    for seeds in product([0, 1], repeat=4):
        mask = np.ones((3, 3))
        for seed, (i, j) in zip(seeds, product(range(2), repeat=2), strict=True):
            if seed:
                mask[i : i + 2, j : j + 2] = 0
        chance = 0.3 ** sum(seeds) * 0.7 ** (4 - sum(seeds))
        masks.append((mask.ravel(), chance))
        mean += chance * mask.ravel()
    wanted = sum(p * float(((Y - (U * c * z) @ V.T) ** 2).sum()) for z, p in masks)
    found = scaled_squared_loss(Y, U, V, law, scale)
    assert found.total == pytest.approx(wanted, rel=TIGHT)
    averaged_out = float(((Y - (U * c * mean) @ V.T) ** 2).sum())
    assert found.unmasked + found.bias == pytest.approx(averaged_out, rel=TIGHT)
    assert abs(found.bias) > 1e-3 * found.total
    own = scaled_squared_loss(Y, U, V, law, 1 / mean)
    assert own.bias == pytest.approx(0, abs=1e-10)
    assert own.total == pytest.approx(expected_squared_loss(Y, U, V, law), rel=1e-12)


def test_a_symbolic_scale() -> None:
    c = sp.Symbol("c", positive=True)
    found = scaled_squared_loss(sp.Matrix([[1]]), sp.Matrix([[1, 1]]), sp.Matrix([[1, 1]]), Bernoulli(2, theta), c)
    assert sp.simplify(found.total - ((1 - 2 * c * theta) ** 2 + 2 * c**2 * theta * (1 - theta))) == 0


def test_a_mask_in_a_rotated_basis() -> None:
    Y, U, V, v = normal(2, 2), normal(2, 3), normal(2, 3), np.array([1.0, -2.0, 0.5])
    H = np.eye(3) - 2 * np.outer(v, v) / (v @ v)
    wanted = sum(p * float(((Y - U @ H @ np.diag(z) @ H @ V.T) ** 2).sum()) for z, p in averaged(0.6, 3))
    noise = rotated_basis_regularizer(Bernoulli(3, 0.6), [v], U, V)
    assert noise + float(((Y - U @ V.T) ** 2).sum()) == pytest.approx(wanted, rel=TIGHT)
    assert noise != pytest.approx(explicit_regularizer(Bernoulli(3, 0.6), U, V), rel=1e-3)


def pooled_loss(W: Floats, h: Floats, table: list[tuple[Floats, float]], shared: bool) -> float:
    """Return E‖W mean_p(z̄h) − W mean_p(h)‖² over one mask for all channels, or one for each."""
    channels, total = len(h), 0.0
    for choice in product(table, repeat=1 if shared else channels):
        masks = np.array([choice[0 if shared else c][0] for c in range(channels)])
        chance = float(np.prod([p for _, p in choice]))
        total += chance * float(((W @ ((masks - 1) * h).mean(axis=1)) ** 2).sum())
    return total


def test_pooled_head_by_enumeration() -> None:
    W, maps = normal(3, 2), normal(2, 2, 4)
    law, blocks = SlidingBlocks2D(2, 2, 1, 0.3), Blocks((1, 3), 0.4)
    drop = [(z, p) for z, p in averaged(0.7, 4)]
    block = [(np.repeat(z, [1, 3]), p) for z, p in averaged(0.4, 2)]
    for mask, table in ((law, drop), (blocks, block)):
        for shared, function in ((True, shared_head_regularizer), (False, channelwise_head_regularizer)):
            wanted = sum(pooled_loss(W, h, table, shared) for h in maps)
            assert function(mask, W, maps) == pytest.approx(wanted, rel=TIGHT)
    assert shared_head_regularizer(law, W, maps[0]) != pytest.approx(channelwise_head_regularizer(law, W, maps[0]))


def test_sliding_blocks_charge_block_sums_to_first_order() -> None:
    h, rate = normal(1, 36), 1e-5
    law = SlidingBlocks2D(6, 6, 3, rate)
    sums = [h.reshape(6, 6)[i : i + 3, j : j + 3].sum() for i, j in product(range(4), repeat=2)]
    leading = -np.log1p(-rate) * float(np.square(sums).sum()) / 36**2
    assert shared_head_regularizer(law, [[1.0]], h) == pytest.approx(leading, rel=1e-3)


def test_zero_penalty_where_count_normalised_blocks_agree() -> None:
    U, V = np.tile(normal(3, 2), 5), np.tile(normal(4, 2), 5)
    size = float(((U @ V.T) ** 2).sum())
    for law in (CountNormalised((2,) * 5, 0.4), FixedCount((2,) * 5, 2)):
        assert abs(explicit_regularizer(law, U, V)) < 1e-12 * size
    assert explicit_regularizer(Blocks((2,) * 5, 0.4), U, V) == pytest.approx(1.5 / 5 * size, rel=1e-12)


LARGE: dict[str, MaskLaw] = {
    "dropout": Bernoulli(20_000, 0.8),
    "rates": UnitRates(tuple(np.linspace(0.3, 1, 20_000).tolist())),
    "blocks": Blocks.partition(20_000, 7, 0.5),
    "wide blocks": Blocks.partition(20_000, 3000, 0.5),
    "fixed count": FixedCount.partition(20_000, 7, 1000),
    "count normalised": CountNormalised.partition(20_000, 8, 0.5),
    "sliding": SlidingBlocks(20_000, 7, 0.02),
    "torus": SlidingBlocks2D(100, 200, 3, 0.02, "circular"),
    "product": Product((Bernoulli(20_000, 0.8), Blocks.partition(20_000, 7, 0.5), SlidingBlocks(20_000, 3, 0.1))),
}


@pytest.mark.parametrize("name", LARGE)
def test_large_layers_against_draws(name: str) -> None:
    """The noise has E‖Σ(z̄−1)u vᵀ‖² = Ω: mean over 400 draws, and no d × d matrix in memory."""
    law = LARGE[name]
    U, V = normal(3, 20_000), normal(2, 20_000)
    tracemalloc.start()
    found = explicit_regularizer(law, U, V)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 200e6  # a full matrix has 3.2e9 bytes
    effects = np.einsum("ai,ni->ian", U, V).reshape(20_000, 6)
    rng, squares = np.random.default_rng(1), []
    for _ in range(4):
        masks = law.sample(rng, 100)
        squares.append((((masks / law.means() - 1) @ effects) ** 2).sum(axis=1))
    values = np.concatenate(squares)
    assert abs(values.mean() - found) < MC * values.std() / np.sqrt(values.size)


def test_large_sums_against_the_formulas_of_the_table() -> None:
    U, V = normal(30, 4002), normal(20, 4002)
    norms = (U**2).sum(axis=0) * (V**2).sum(axis=0)
    assert explicit_regularizer(Bernoulli(4002, 0.8), U, V) == pytest.approx(0.25 * norms.sum(), rel=1e-12)
    rates = np.linspace(0.2, 1, 4002)
    assert explicit_regularizer(UnitRates(tuple(rates.tolist())), U, V) == pytest.approx(
        float(((1 - rates) / rates) @ norms), rel=1e-12
    )
    for r in (4, 40):  # small blocks by Gram matrices, large ones by products
        cuts = [slice(k, k + r) for k in range(0, 4002, r)]
        parts = np.array([((U[:, c] @ V[:, c].T) ** 2).sum() for c in cuts])
        B, K = len(cuts), len(cuts) // 3
        assert explicit_regularizer(Blocks.partition(4002, r, 0.5), U, V) == pytest.approx(parts.sum(), rel=1e-12)
        kappa = (B - K) / (K * (B - 1))
        wanted = kappa * (B * parts.sum() - float(((U @ V.T) ** 2).sum()))
        assert explicit_regularizer(FixedCount.partition(4002, r, K), U, V) == pytest.approx(wanted, rel=1e-11)


def test_a_full_covariance_at_several_shapes() -> None:
    root = normal(40, 40)
    C = root @ root.T
    for a, n in ((1, 1), (3, 50), (60, 2)):
        U, V = normal(a, 40), normal(n, 40)
        wanted = float(sum(((U @ np.diag(e) @ V.T) ** 2).sum() for e in root.T))  # Σ ℓ_q ‖U diag(e_q) Vᵀ‖²
        law = CorrelatedGaussian(((C + C.T) / 2).tolist())
        assert explicit_regularizer(law, U, V) == pytest.approx(wanted, rel=1e-11)


def test_formulas_are_expressions_that_render() -> None:
    U, V = sp.Matrix(2, 4, sp.symbols("u:8", real=True)), sp.Matrix(1, 4, sp.symbols("v:4", real=True))
    gamma = sp.Symbol("gamma", positive=True)
    for law in (Blocks((2, 2), theta), FixedCount((2, 1, 1), 2), SlidingBlocks(4, 2, gamma)):
        found = explicit_regularizer(law, U, V)
        assert isinstance(found, sp.Expr)
        assert sp.latex(found)
        point = {s: sp.Rational(k + 2, 7) for k, s in enumerate(sorted([*U, *V], key=str))}
        values = point | {theta: sp.Rational(3, 10), gamma: sp.Rational(1, 10)}
        number = law.at(**{str(s): values[s] for s in law.symbols})
        arrays = (np.array(M.subs(point), dtype=float) for M in (U, V))
        assert float(found.subs(values)) == pytest.approx(explicit_regularizer(number, *arrays), rel=1e-12)
    dropout = explicit_regularizer(Bernoulli(4, theta), U, V)
    wanted = (1 - theta) / theta * sum((U.col(i).T * U.col(i))[0] * V[i] ** 2 for i in range(4))
    assert sp.simplify(dropout - wanted) == 0
    loss = expected_squared_loss(sp.Matrix([[1], [2]]), U, V, Bernoulli(4, theta))
    assert sp.simplify(loss - dropout - sum((sp.Matrix([1, 2]) - U * V.T).applyfunc(lambda x: x**2))) == 0
