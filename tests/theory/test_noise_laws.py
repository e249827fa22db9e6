"""Mask laws: moments, cumulants and enumeration against masks written out by hand, draws against both."""

import pickle
from collections.abc import Callable
from itertools import combinations, product
from typing import Any, TypeAlias

import numpy as np
import pytest
import sympy as sp
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.composed import CentredRotated, Product, Rotated
from etatrick.theory.noise.counted import CountNormalised, FixedCount
from etatrick.theory.noise.gaussian import CorrelatedGaussian, Gaussian
from etatrick.theory.noise.regularizer import expected_squared_loss, explicit_regularizer
from etatrick.theory.noise.sliding import SlidingBlocks, SlidingBlocks2D
from tolerances import MC

Floats: TypeAlias = NDArray[np.float64]
Table: TypeAlias = tuple[Floats, Floats]
TIGHT = 1e-13
DRAWS = 1_000_000
theta, gamma = sp.symbols("theta gamma", positive=True)


def switched(retains: list[float], sizes: list[int]) -> Table:
    bits = np.array(list(product([0.0, 1.0], repeat=len(retains))))
    chances = np.where(bits == 1, retains, 1 - np.array(retains)).prod(axis=1)
    return np.repeat(bits, sizes, axis=1), chances


def fixed(count: int, kept: int, sizes: list[int]) -> Table:
    bits = np.array([[float(b in c) for b in range(count)] for c in combinations(range(count), kept)])
    return np.repeat(bits, sizes, axis=1), np.full(len(bits), 1 / len(bits))


def counted(retain: float, sizes: list[int]) -> Table:
    bits, chances = switched([retain] * len(sizes), [1] * len(sizes))
    bits, chances = bits[1:], chances[1:] / chances[1:].sum()
    return np.repeat(bits * len(sizes) / bits.sum(axis=1, keepdims=True), sizes, axis=1), chances


def slid(height: int, width: int, r: tuple[int, int], rate: float, wrap: bool) -> Table:
    """Write every seed map out and zero the block that starts at each seed."""
    tops = range(height if wrap and height > 1 else height - r[0] + 1)
    lefts = range(width if wrap else width - r[1] + 1)
    corners = list(product(tops, lefts))
    masks, chances = [], []
    for seeds in product([0, 1], repeat=len(corners)):
        mask = np.ones((height, width))
        for seed, (top, left) in zip(seeds, corners, strict=True):
            if seed:
                for i, j in product(range(r[0]), range(r[1])):
                    mask[(top + i) % height, (left + j) % width] = 0
        masks.append(mask.ravel())
        chances.append(rate ** sum(seeds) * (1 - rate) ** (len(seeds) - sum(seeds)))
    return np.array(masks), np.array(chances)


def normal(root: Floats) -> Table:
    """Gauss–Hermite nodes: exact for polynomials up to degree 9 in z = 1 + root ξ."""
    x, p = np.polynomial.hermite_e.hermegauss(5)
    nodes = np.array(list(product(x, repeat=len(root))))
    weights = np.array(list(product(p / p.sum(), repeat=len(root)))).prod(axis=1)
    return 1 + nodes @ root.T, weights


def multiplied(first: Table, second: Table) -> Table:
    masks = first[0][:, None, :] * second[0][None, :, :]
    return masks.reshape(-1, masks.shape[-1]), np.outer(first[1], second[1]).ravel()


def reflected(table: Table, vectors: list[list[float]], centred: bool) -> Table:
    masks, chances = table
    H = np.eye(masks.shape[1])
    for v in np.array(vectors):
        H = H @ (np.eye(len(v)) - 2 * np.outer(v, v) / (v @ v))
    shift = (np.eye(len(H)) - H) @ (chances @ masks) if centred else np.zeros(len(H))
    return masks @ H.T + shift, chances


ROOT = np.array([[0.5, 0.0, 0.0], [0.2, 0.4, 0.0], [-0.3, 0.1, 0.6]])
MIRRORS: list[list[float]] = [[1.0, -2.0, 0.5, 0.25], [0.0, 1.0, 1.0, 1.0]]
DROP4 = UnitRates((0.9, 0.5, 0.7, 0.6))
DROP4_TABLE = switched([0.9, 0.5, 0.7, 0.6], [1] * 4)
CASES: dict[str, tuple[MaskLaw, Table]] = {
    "bernoulli": (Bernoulli(4, 0.7), switched([0.7] * 4, [1] * 4)),
    "never dropped": (Bernoulli(2, 1), switched([1.0] * 2, [1] * 2)),
    "unit rates": (DROP4, DROP4_TABLE),
    "blocks": (Blocks.partition(6, 2, 0.6), switched([0.6] * 3, [2] * 3)),
    "unequal last block": (Blocks.partition(5, 2, 0.6), switched([0.6] * 3, [2, 2, 1])),
    "unequal rates": (Blocks((1, 3, 2), (0.2, 0.9, 0.5)), switched([0.2, 0.9, 0.5], [1, 3, 2])),
    "fixed count": (FixedCount((2, 2, 2, 2), 3), fixed(4, 3, [2] * 4)),
    "fixed count, unequal": (FixedCount((1, 2, 1), 1), fixed(3, 1, [1, 2, 1])),
    "one block kept": (FixedCount((3,), 1), fixed(1, 1, [3])),
    "count normalised": (CountNormalised.partition(6, 2, 0.4), counted(0.4, [2] * 3)),
    "count normalised, rare": (CountNormalised((1, 1, 1), 0.02), counted(0.02, [1] * 3)),
    "sliding": (SlidingBlocks(6, 3, 0.1), slid(1, 6, (1, 3), 0.1, wrap=False)),
    "circular": (SlidingBlocks(6, 3, 0.1, "circular"), slid(1, 6, (1, 3), 0.1, wrap=True)),
    "sliding 2-D": (SlidingBlocks2D(3, 4, 2, 0.2), slid(3, 4, (2, 2), 0.2, wrap=False)),
    "torus": (SlidingBlocks2D(3, 3, 2, 0.05, "circular"), slid(3, 3, (2, 2), 0.05, wrap=True)),
    "gaussian": (Gaussian(3, 0.3), normal(np.sqrt(0.3) * np.eye(3))),
    "correlated gaussian": (CorrelatedGaussian(tuple(map(tuple, (ROOT @ ROOT.T).tolist()))), normal(ROOT)),
    "dropout × blocks": (
        Product((Bernoulli(4, 0.8), Blocks((2, 2), 0.5))),
        multiplied(switched([0.8] * 4, [1] * 4), switched([0.5] * 2, [2] * 2)),
    ),
    "blocks × blocks": (
        Product((Blocks((1, 3), 0.8), Blocks((2, 2), (0.5, 0.6)))),
        multiplied(switched([0.8] * 2, [1, 3]), switched([0.5, 0.6], [2, 2])),
    ),
    "sliding × fixed count × blocks": (
        Product((SlidingBlocks(4, 2, 0.1), FixedCount((2, 2), 1), Blocks((3, 1), 0.9))),
        multiplied(multiplied(slid(1, 4, (1, 2), 0.1, wrap=False), fixed(2, 1, [2, 2])), switched([0.9] * 2, [3, 1])),
    ),
    "fixed × fixed": (
        Product((FixedCount((2, 2), 1), FixedCount((1, 1, 2), 2))),
        multiplied(fixed(2, 1, [2, 2]), fixed(3, 2, [1, 1, 2])),
    ),
    "rotated": (Rotated(DROP4, MIRRORS), reflected(DROP4_TABLE, MIRRORS, centred=False)),
    "centred rotation": (CentredRotated(DROP4, MIRRORS), reflected(DROP4_TABLE, MIRRORS, centred=True)),
    "rotation × dropout": (
        Product((CentredRotated(DROP4, MIRRORS), Bernoulli(4, 0.9))),
        multiplied(reflected(DROP4_TABLE, MIRRORS, centred=True), switched([0.9] * 4, [1] * 4)),
    ),
    "rotation × fixed": (
        Product((CentredRotated(DROP4, MIRRORS), FixedCount((2, 2), 1))),
        multiplied(reflected(DROP4_TABLE, MIRRORS, centred=True), fixed(2, 1, [2, 2])),
    ),
}
EVERY = pytest.mark.parametrize(("law", "table"), CASES.values(), ids=CASES)


def moments(table: Table) -> tuple[Floats, Floats]:
    masks, chances = table
    mean = chances @ masks
    return mean, (masks - mean).T @ ((masks - mean) * chances[:, None])


def factors(size: int) -> tuple[Floats, Floats, Floats]:
    rng = np.random.default_rng(7)
    return rng.normal(size=(2, 3)), rng.normal(size=(2, size)), rng.normal(size=(3, size))


@EVERY
def test_mean_and_covariance(law: MaskLaw, table: Table) -> None:
    mean, covariance = moments(table)
    normalised = covariance / np.outer(mean, mean)
    assert law.size == len(mean)
    for found in ([float(m) for m in law.mean], law.means()):
        np.testing.assert_allclose(found, mean, rtol=TIGHT, atol=TIGHT)
    np.testing.assert_allclose(np.array(law.covariance, dtype=float), covariance, rtol=TIGHT, atol=TIGHT)
    np.testing.assert_allclose([float(v) for v in law.variance], np.diag(covariance), rtol=TIGHT, atol=TIGHT)
    scale = TIGHT * (1 + np.abs(normalised).max())
    np.testing.assert_allclose(law.normalised_covariance, normalised, rtol=TIGHT, atol=scale)
    exact = np.array(law.exact_normalised_covariance, dtype=float)
    np.testing.assert_allclose(exact, normalised, rtol=TIGHT, atol=scale)
    np.testing.assert_allclose(law.odds, np.diag(normalised), rtol=TIGHT, atol=scale)


@EVERY
def test_cumulants_of_third_and_fourth_order(law: MaskLaw, table: Table) -> None:
    masks, chances = table
    centred = masks - chances @ masks
    rng = np.random.default_rng(3)
    for _ in range(4):
        i, j, k, m = (int(x) for x in rng.integers(law.size, size=4))

        def mean_of(*indices: int) -> float:
            return float(chances @ np.prod([centred[:, q] for q in indices], axis=0))

        assert float(law.cumulant([i, j])) == pytest.approx(mean_of(i, j), rel=TIGHT, abs=TIGHT)
        assert float(law.cumulant([i, j, k])) == pytest.approx(mean_of(i, j, k), rel=TIGHT, abs=1e-12)
        pairs = mean_of(i, j) * mean_of(k, m) + mean_of(i, k) * mean_of(j, m) + mean_of(i, m) * mean_of(j, k)
        assert float(law.cumulant([i, j, k, m])) == pytest.approx(mean_of(i, j, k, m) - pairs, rel=1e-12, abs=1e-11)
        raw = float(chances @ masks[:, [i, j, j, k]].prod(axis=1))
        assert float(law.moment([i, j, j, k])) == pytest.approx(raw, rel=TIGHT, abs=1e-12)


@EVERY
def test_enumerated_masks_have_the_right_chances(law: MaskLaw, table: Table) -> None:
    if "gaussian" in type(law).__name__.lower():
        pytest.skip("a law with a density")
    wanted: dict[tuple[float, ...], float] = {}
    for mask, chance in zip(*table, strict=True):
        key = tuple((mask + 0.0).round(9).tolist())
        wanted[key] = wanted.get(key, 0.0) + float(chance)
    found = {tuple(round(float(x), 9) + 0.0 for x in mask): float(chance) for mask, chance in law.masks()}
    wanted = {mask: chance for mask, chance in wanted.items() if chance > 0}
    assert found.keys() == wanted.keys()
    assert all(found[mask] == pytest.approx(wanted[mask], rel=1e-12) for mask in found)
    assert sum(chance for _, chance in law.masks()) == 1


@EVERY
def test_expected_loss_is_the_average_over_all_masks(law: MaskLaw, table: Table) -> None:
    masks, chances = table
    Y, U, V = factors(law.size)
    normalised = masks / (chances @ masks)
    losses = [((Y - (U * z) @ V.T) ** 2).sum() for z in normalised]
    wanted = float(chances @ np.array(losses))
    assert expected_squared_loss(Y, U, V, law) == pytest.approx(wanted, rel=TIGHT)
    noise = wanted - float(((Y - U @ V.T) ** 2).sum())
    assert explicit_regularizer(law, U, V) == pytest.approx(noise, rel=TIGHT, abs=TIGHT * wanted)


def score(law: MaskLaw, claimed: float, normalise: Floats) -> float:
    """Return the z-score of the average loss over a million draws against the claimed expectation."""
    Y, U, V = factors(law.size)
    masks = law.sample(np.random.default_rng(11), DRAWS) / normalise
    effects = np.einsum("ai,ni->ian", U, V).reshape(law.size, -1)
    losses = ((masks @ effects - Y.ravel()) ** 2).sum(axis=1)
    return float((losses.mean() - claimed) / (losses.std() / np.sqrt(DRAWS)))


@pytest.mark.parametrize("name", [name for name in CASES if name not in ("never dropped", "one block kept")])
def test_draws_agree_with_the_expected_loss(name: str) -> None:
    law = CASES[name][0]
    Y, U, V = factors(law.size)
    assert abs(score(law, expected_squared_loss(Y, U, V, law), law.means())) < MC


@pytest.mark.parametrize(
    ("drawn", "claimed"),
    [
        (Bernoulli(4, 0.7), Bernoulli(4, 0.69)),
        (Blocks((2, 2), 0.7), Bernoulli(4, 0.7)),
        (FixedCount((1, 1, 1, 1), 2), Bernoulli(4, 0.5)),
        (SlidingBlocks(4, 2, 0.1), SlidingBlocks(4, 2, 0.1, "circular")),
    ],
)
def test_draws_reject_a_wrong_law(drawn: MaskLaw, claimed: MaskLaw) -> None:
    Y, U, V = factors(4)
    assert abs(score(drawn, expected_squared_loss(Y, U, V, claimed), drawn.means())) > MC


SYMBOLIC: list[tuple[MaskLaw, Callable[[float], MaskLaw]]] = [
    (Bernoulli(3, theta), lambda t: Bernoulli(3, t)),
    (UnitRates((theta, 0.5, theta**2)), lambda t: UnitRates((t, 0.5, t**2))),
    (Blocks((2, 1), theta), lambda t: Blocks((2, 1), t)),
    (CountNormalised((1, 2, 1), theta), lambda t: CountNormalised((1, 2, 1), t)),
    (SlidingBlocks(4, 2, theta), lambda t: SlidingBlocks(4, 2, t)),
    (Gaussian(2, theta), lambda t: Gaussian(2, t)),
    (CorrelatedGaussian(((1, theta), (theta, 1))), lambda t: CorrelatedGaussian(((1, t), (t, 1)))),
    (Product((Bernoulli(4, theta), Blocks((2, 2), theta))), lambda t: Product((Bernoulli(4, t), Blocks((2, 2), t)))),
    (Rotated(Bernoulli(2, theta), [(1, -3)]), lambda t: Rotated(Bernoulli(2, t), [(1, -3)])),
]


@pytest.mark.parametrize(("law", "make"), SYMBOLIC, ids=lambda x: type(x).__name__)
def test_symbolic_moments_specialise(law: MaskLaw, make: Callable[[float], MaskLaw]) -> None:
    number = make(0.3)
    assert law.symbols == {theta}
    assert not number.symbols
    exact = law.exact_normalised_covariance.subs(theta, sp.Rational(3, 10))
    np.testing.assert_allclose(np.array(exact, dtype=float), number.normalised_covariance, rtol=1e-12, atol=1e-14)
    np.testing.assert_allclose(
        law.at(theta=0.3).normalised_covariance, number.normalised_covariance, rtol=1e-12, atol=1e-14
    )
    assert sp.simplify(law.cumulant([0, 1, 0]).subs(theta, sp.Rational(3, 10)) - number.cumulant([0, 1, 0])) == 0


def test_the_table_in_symbols() -> None:
    lam = (1 - theta) / theta
    assert sp.simplify(Bernoulli(3, theta).exact_normalised_covariance - lam * sp.eye(3)) == sp.zeros(3)
    pair = sp.ones(2, 2)
    blocks = sp.diag(pair, pair)
    assert sp.simplify(Blocks((2, 2), theta).exact_normalised_covariance - lam * blocks) == sp.zeros(4)
    K, B = sp.Symbol("K", positive=True), 3
    kappa = (B - K) / (K * (B - 1))
    wanted = kappa * (B * sp.diag(pair, pair, pair) - sp.ones(6, 6))
    assert sp.simplify(FixedCount((2, 2, 2), K).exact_normalised_covariance - wanted) == sp.zeros(6)
    both = Product((Bernoulli(4, theta), Blocks((2, 2), gamma))).exact_normalised_covariance
    odds = (1 - gamma) / gamma
    assert sp.simplify(both - odds * blocks - lam * (1 + odds) * sp.eye(4)) == sp.zeros(4)
    sliding = SlidingBlocks(3, 2, gamma).exact_normalised_covariance
    assert sp.simplify(sliding[0, 1] - (1 / (1 - gamma) - 1)) == 0
    assert sp.simplify(sliding[1, 1] - ((1 - gamma) ** -2 - 1)) == 0
    assert sliding[0, 2] == 0


@pytest.mark.parametrize(("count", "retain"), [(2, 0.5), (5, 0.9), (9, 0.1), (12, 0.003), (12, 1)])
def test_count_normalised_variance_by_enumeration(count: int, retain: float) -> None:
    bits = np.array(list(product([0, 1], repeat=count)))[1:]
    kept = bits.sum(axis=1)
    chances = retain**kept * (1 - retain) ** (count - kept)
    v = count * (chances @ (1 / kept)) / chances.sum() - 1
    law = CountNormalised((2,) * count, retain)
    assert law.block_odds[0] == pytest.approx(v, rel=1e-12, abs=1e-14)
    assert law.coupling == pytest.approx(v / (count - 1), rel=1e-12, abs=1e-14)
    assert float(law.variance[0]) == pytest.approx(v, rel=1e-12, abs=1e-14)
    assert np.abs(law.normalised_covariance.sum(axis=1)).max() <= 1e-13 * (1 + count * v)


def test_count_normalised_with_very_many_blocks() -> None:
    B, retain = 100_000, 0.3
    law = CountNormalised((1,) * B, retain)
    # E[B/K] − 1 = λ + λ/(Bθ) + O(B⁻²) for a binomial K
    lam = (1 - retain) / retain
    assert law.block_odds[0] == pytest.approx(lam + lam / (B * retain), rel=1e-8)
    assert law.block_odds[0] != pytest.approx(lam, rel=1e-6)


def test_real_dropblock_retain_rates() -> None:
    first = SlidingBlocks2D.from_retain(0.9, 14, 14, 7).means().reshape(14, 14)
    assert (round(first.mean(), 3), round(first[0, 0], 3), round(first[7, 7], 3)) == (0.907, 0.994, 0.735)
    second = SlidingBlocks2D.from_retain(0.75, 14, 14, 7).means().reshape(14, 14)
    assert (round(second.mean(), 3), round(second[7, 7], 3)) == (0.790, 0.462)
    # the same rates from drawn maps, with the mask as max pooling of the seeds makes it
    rng = np.random.default_rng(5)
    seeds = rng.random((4000, 8, 8)) < 0.1 / 49 * 196 / 64
    kept = np.ones((4000, 14, 14), dtype=bool)
    for i, j in product(range(7), repeat=2):
        kept[:, i : i + 8, j : j + 8] &= ~seeds
    for place in ((0, 0), (7, 7), (3, 10)):
        p = first[place]
        assert abs(kept[:, *place].mean() - p) < MC * np.sqrt(p * (1 - p) / 4000)


@pytest.mark.parametrize(("seeds", "wanted"), [("valid", 188.7), ("circular", 64.6)])
def test_edge_units_dominate_valid_seeds(seeds: Any, wanted: float) -> None:
    cover = np.zeros((12, 12))
    for start in range(12 if seeds == "circular" else 10):
        window = [(start + i) % 12 for i in range(3)]
        cover[np.ix_(window, window)] += 1
    own = float(np.linalg.solve(0.98**-cover - 1, np.ones(12)).sum())
    found = float(np.linalg.solve(SlidingBlocks(12, 3, 0.02, seeds).normalised_covariance, np.ones(12)).sum())
    assert found == pytest.approx(own, rel=1e-10)
    assert round(found, 1) == wanted


def test_block_attributes() -> None:
    law = Blocks((2, 1), (0.5, 0.25))
    assert (law.block_sizes, law.block_odds, law.coupling) == ((2, 1), (1.0, 3.0), 0.0)
    assert Bernoulli(2, 0.5).block_sizes == UnitRates((0.5, 0.5)).block_sizes == Gaussian(2, 1).block_sizes == (1, 1)
    assert Gaussian(2, 0.25).block_odds == Bernoulli(2, 0.8).block_odds == (0.25, 0.25)
    assert Bernoulli(1, theta).block_odds[0].equals((1 - theta) / theta)
    assert "last block has 1 unit" in Blocks.partition(7, 3, 0.5).remark
    assert Blocks.partition(6, 3, 0.5).remark == ""


@pytest.mark.parametrize("law", [case[0] for case in CASES.values()], ids=CASES)
def test_laws_pickle_and_compare(law: MaskLaw) -> None:
    law.masks() if law._outcome_count() is not None else law.means()  # fill what is remembered
    copy = pickle.loads(pickle.dumps(law))  # noqa: S301  (our own bytes)
    assert copy == law
    np.testing.assert_array_equal(copy.normalised_covariance, law.normalised_covariance)


RETAIN = st.floats(0.01, 1.0)
SIZES = st.lists(st.integers(1, 4), min_size=1, max_size=5)


@st.composite
def laws(draw: st.DrawFn, size: int | None = None) -> MaskLaw:
    if size is None:
        size = draw(st.integers(1, 9))
    r = draw(st.integers(1, size))
    count = -(-size // r)
    kind = draw(st.sampled_from(["bernoulli", "unit", "block", "slide", "fixed", "counted", "gauss", "product"]))
    if kind == "product":
        return Product((draw(laws(size)), draw(laws(size))))
    if kind == "unit":
        return UnitRates(tuple(draw(st.lists(RETAIN, min_size=size, max_size=size))))
    if kind == "slide":
        return SlidingBlocks(size, r, draw(st.floats(0, 0.9)), draw(st.sampled_from(["valid", "circular"])))
    if kind == "fixed":
        return FixedCount.partition(size, r, draw(st.integers(1, count)))
    made: dict[str, Callable[[float], MaskLaw]] = {
        "bernoulli": lambda p: Bernoulli(size, p),
        "block": lambda p: Blocks.partition(size, r, p),
        "counted": lambda p: CountNormalised.partition(size, r, p),
        "gauss": lambda p: Gaussian(size, p),
    }
    return made[kind](draw(RETAIN))


@settings(max_examples=120, deadline=None, derandomize=True)
@given(law=laws())
def test_laws_of_all_laws(law: MaskLaw) -> None:
    C = law.normalised_covariance
    top = max(1.0, float(np.abs(C).max()))
    assert np.array_equal(C, C.T)
    assert np.linalg.eigvalsh(C)[0] >= -1e-12 * law.size * top
    np.testing.assert_allclose(np.diag(C), law.odds, rtol=1e-12, atol=1e-14 * top)
    np.testing.assert_allclose([float(m) for m in law.mean], law.means(), rtol=1e-12)
    exact = np.array(law.covariance, dtype=float) / np.outer(law.means(), law.means())
    np.testing.assert_allclose(C, exact, rtol=1e-10, atol=1e-11 * top)
    _, U, V = factors(law.size)
    gram = (U.T @ U) * (V.T @ V)
    scale = float((np.abs(C) * np.abs(gram)).sum())
    assert explicit_regularizer(law, U, V) == pytest.approx(float((C * gram).sum()), abs=1e-11 * (1 + scale))
