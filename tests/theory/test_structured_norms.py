"""Norms that mask laws induce: against ascent over the factors, cvxpy, the fast norms, and wrong claims."""

import pickle
from fractions import Fraction
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
import sympy as sp
from factor_search import ascend, least_loss
from hypothesis import given, settings
from hypothesis import strategies as st

from etatrick.numerics.k_support import box_norm, k_support_norm, ordered_dual_norm, ordered_norm
from etatrick.theory.noise.base import MaskLaw
from etatrick.theory.noise.blocks import Bernoulli, Blocks, UnitRates
from etatrick.theory.noise.composed import Product
from etatrick.theory.noise.counted import CountNormalised, FixedCount
from etatrick.theory.noise.gaussian import CorrelatedGaussian, Gaussian
from etatrick.theory.structured.atoms import convex_combination, systematic_sample
from etatrick.theory.structured.counted import counted_envelope_gap, counted_regression, learned_retain
from etatrick.theory.structured.induced import induced_norm, skip_connection_norm
from etatrick.theory.structured.proofs import covariance_step, expansion_step
from etatrick.theory.structured.scales import LayeredScales, OrderedScales
from etatrick.theory.structured.steps import dual_weights, eta_trick
from etatrick.theory.structured.structure import LayeredBlocks, SeparateBlocks
from tolerances import FLOAT64, SOLVER, close

ZETA = (1.0, 0.8, 0.6, 0.5)
SIGMA = (3.0, 1.4, 1.1, 0.3)
theta, phi = sp.symbols("theta phi", positive=True)

KNOWN: dict[str, tuple[MaskLaw, str]] = {
    "dropout": (Bernoulli(6, 0.7), "nuclear"),
    "Gaussian dropout": (Gaussian(5, 0.4), "nuclear"),
    "unit rates": (UnitRates((0.5, 0.3, 0.8, 0.4)), "nuclear"),
    "blocks of 2": (Blocks.partition(6, 2, 0.5), "k-support"),
    "blocks of 3": (Blocks.partition(9, 3, 0.8), "k-support"),
    "equal blocks, unequal rates": (Blocks((2, 2, 2), (0.5, 0.9, 0.2)), "k-support"),
    "last block shorter": (Blocks.partition(7, 3, 0.6), "ordered"),
    "unequal blocks and rates": (Blocks((3, 2, 1), (0.5, 0.3, 0.8)), "ordered"),
    "dropout × blocks of 2": (Product((Bernoulli(6, 0.6), Blocks((2, 2, 2), 0.4))), "layered"),
    "dropout × blocks of 3": (Product((Bernoulli(6, 0.6), Blocks((3, 3), 0.4))), "layered"),
}
laws = pytest.mark.parametrize(("law", "kind"), KNOWN.values(), ids=KNOWN.keys())
spectra = st.lists(st.floats(0, 100).filter(lambda v: v == 0 or v > 1e-6), min_size=2, max_size=7).filter(any)


def support_square(a: Any, k: int) -> tuple[Any, list[Any]]:
    """State the squared k-support norm in cvxpy by its η."""
    eta = cp.Variable(a.shape[0])
    return sum(cp.quad_over_lin(a[i], eta[i]) for i in range(a.shape[0])), [eta >= 0, eta <= 1, cp.sum(eta) <= k]


@laws
def test_the_dual_square_is_what_ascent_over_the_factors_reaches(law: MaskLaw, kind: str) -> None:
    norm = induced_norm(law)
    assert norm.kind == kind
    found = ascend(law.normalised_covariance, ZETA, starts=3, seed=law.size)
    assert close(found, norm.dual_square(ZETA), 1e-7)


@laws
def test_value_is_the_biconjugate(law: MaskLaw, kind: str) -> None:
    """Maximise 2⟨σ,ζ⟩ − N*²(ζ) over ζ, the dual written in cvxpy from the blocks alone."""
    zeta, terms = cp.Variable(4, nonneg=True), []
    if kind == "layered":
        first, second = law.laws  # type: ignore[attr-defined]
        r, odds = first.size // len(second.block_sizes), second.block_odds[0]
        mu = first.odds[0] * (1 + odds) / r
        t = cp.Variable(nonneg=True)
        inner = cp.sum_largest(cp.square(cp.pos(zeta - t)), r) / odds + cp.square(t) / mu
        terms.append(len(second.block_sizes) * inner)
    else:
        for size, odds in zip(law.block_sizes, law.block_odds, strict=True):  # type: ignore[attr-defined]
            terms.append(cp.sum_largest(cp.square(zeta), size) / odds)
    problem = cp.Problem(cp.Maximize(2 * np.array(SIGMA) @ zeta - sum(terms)))
    problem.solve(solver=cp.CLARABEL)
    assert close(float(problem.value), induced_norm(law).value(SIGMA), SOLVER)


@laws
def test_every_step_of_the_proof_holds_and_most_are_proved(law: MaskLaw, kind: str) -> None:
    norm = induced_norm(law)
    statuses = [step.verdict.status for step in norm.proof]
    assert set(statuses) <= {"proved", "checked"}
    assert statuses.count("proved") >= 7
    assert norm.verdict.holds
    assert pickle.loads(pickle.dumps(norm)) == norm  # noqa: S301


@laws
def test_scales_attain_the_value_and_stay_in_their_set(law: MaskLaw, kind: str) -> None:
    norm = induced_norm(law)
    eta = norm.eta_hat(SIGMA)
    assert close(float(np.sum(np.square(SIGMA) / eta)), norm.value(SIGMA))
    rng = np.random.default_rng(3)
    for zeta in rng.random((50, 4)):
        assert float(eta @ zeta**2) <= norm.dual_square(zeta) * (1 + FLOAT64)
        assert np.dot(SIGMA, zeta) ** 2 <= norm.value(SIGMA) * norm.dual_square(zeta) * (1 + FLOAT64)


def test_statements_and_constants_with_symbols_turn_into_those_with_numbers() -> None:
    cases = [
        (Bernoulli(6, theta), {"theta": 0.7}),
        (Blocks((2, 2, 2), theta), {"theta": 0.25}),
        (Blocks((2, 1), (theta, phi)), {"theta": 0.25, "phi": 0.5}),
        (Product((Bernoulli(4, theta), Blocks((2, 2), phi))), {"theta": 0.25, "phi": 0.5}),
    ]
    for law, values in cases:
        norm, numeric = induced_norm(law), induced_norm(law.at(**values))
        assert {step.verdict.status for step in norm.proof} == {"proved"}
        assert norm.kind == numeric.kind
        for name, value in numeric.constants.items():
            found = norm.constants[name]
            pairs = zip(found, value, strict=True) if isinstance(value, tuple) else [(found, value)]
            for symbolic, number in pairs:
                exact = {sp.Symbol(k, positive=True): sp.Rational(str(v)) for k, v in values.items()}
                assert sp.simplify(sp.sympify(symbolic).subs(exact) - sp.sympify(number)) == 0
    assert r"\frac{1 - \theta}{6 \theta}" in induced_norm(cases[0][0]).statement


def test_the_constant_is_the_odds_over_the_number_of_blocks_and_k_is_the_block_size() -> None:
    norm = induced_norm(Blocks.partition(12, 3, 0.25))
    assert (norm.constants["k"], norm.constants["blocks"], norm.constants["constant"]) == (3, 4, Fraction(3, 4))
    rate = norm.constants["retain_at_width"]
    assert rate.subs(rate.free_symbols.pop(), 12) == sp.Rational(1, 4)
    harmonic = induced_norm(UnitRates((0.5, 0.25, 0.2)))
    assert close(harmonic.value([2, 1]), 9 / (1 + 1 / 3 + 1 / 4))


def test_blocks_as_large_as_the_matrix_are_a_ridge() -> None:
    assert close(induced_norm(Blocks.partition(49, 49, 0.5)).value(SIGMA), float(np.sum(np.square(SIGMA))))
    assert close(induced_norm(Blocks.partition(8, 4, 0.5)).value(SIGMA), float(np.sum(np.square(SIGMA))) / 2)


def test_units_that_belong_together_may_be_anywhere() -> None:
    order = [3, 0, 5, 1, 4, 2]
    covariance = np.kron(np.eye(3), np.ones((2, 2)))[np.ix_(order, order)]
    norm = induced_norm(CorrelatedGaussian(covariance.tolist()))
    assert norm.kind == "k-support"
    assert norm.value(SIGMA) == induced_norm(Blocks.partition(6, 2, 0.5)).value(SIGMA)


@given(spectra, st.integers(1, 4), st.floats(0, 1))
@settings(max_examples=150, deadline=None)
def test_ordered_scales_agree_with_the_fast_norms(sigma: list[float], r: int, tail: float) -> None:
    n, found = len(sigma), OrderedScales((2.0,) * r, tail=tail)
    omega = np.array([2.0] * min(r, n) + [tail] * (n - min(r, n)))
    assert close(found.square(sigma), float(ordered_norm(sigma, omega)) ** 2)
    assert close(found.dual_square(sigma), float(ordered_dual_norm(sigma, omega)) ** 2)
    k = min(r, n)
    assert close(OrderedScales((1,) * k).square(sigma), float(k_support_norm(sigma, k)) ** 2)


@given(spectra, st.integers(1, 3), st.floats(0.1, 5), st.floats(0.1, 5))
@settings(max_examples=100, deadline=None)
def test_layered_dual_is_the_minimum_over_the_share(zeta: list[float], r: int, block: float, unit: float) -> None:
    ordered = np.sort(zeta)[::-1]
    shares = np.linspace(0, max(zeta), 4001)[:, None]
    values = np.maximum(ordered[None, :r] - shares, 0) ** 2
    grid = float((values.sum(axis=1) / block + shares[:, 0] ** 2 / unit).min())
    found = LayeredScales(r, block, unit).dual_square(zeta)
    assert found <= grid * (1 + 1e-12) + 1e-300
    assert close(found, grid, 1e-5)


@given(st.lists(st.fractions(0, 1, max_denominator=12), min_size=1, max_size=8))
def test_systematic_samples_have_the_wanted_inclusion_probabilities(chances: list[Fraction]) -> None:
    draws = systematic_sample(chances)
    assert sum(p for p, _ in draws) == 1
    for i, chance in enumerate(chances):
        assert sum((p for p, chosen in draws if i in chosen), start=Fraction(0)) == chance


# ---- wrong claims are refuted


def test_k_equal_to_the_number_of_blocks_is_refuted() -> None:
    """Four blocks of two: k = 2, not 4."""
    blocks = [(2, Fraction(1))] * 4
    assert dual_weights(blocks, (4, 4)).verdict.status == "proved"
    wrong = dual_weights(blocks, (4, 4, 4, 4)).verdict
    assert wrong.status == "refuted"
    assert wrong.witness == {"zeta_3": 2.0, "zeta_4": 3.0, "residual": -4.0 * (2**2 + 3**2)}
    law = Blocks.partition(8, 2, 0.5)
    found = ascend(law.normalised_covariance, ZETA, starts=3, seed=0)
    assert abs(found - 4 * sum(z * z for z in ZETA)) > 1


def test_a_wrong_constant_is_refuted() -> None:
    assert dual_weights([(2, Fraction(1))] * 4, (4, Fraction(41, 10))).verdict.status == "refuted"
    assert dual_weights([(1, theta)] * 3, (2 / theta,)).verdict.status == "refuted"
    law = Blocks.partition(4, 2, 0.5)
    wrong = SeparateBlocks((2, 2), (Fraction(1), Fraction(11, 10)))
    assert covariance_step(law, wrong).verdict.status == "refuted"
    assert covariance_step(Blocks.partition(40, 2, 0.5), SeparateBlocks((2,) * 20, (Fraction(2),) * 20)).verdict.witness


def test_a_wrong_partition_or_layer_is_refuted() -> None:
    law = Product((Bernoulli(4, 0.5), Blocks((2, 2), 0.5)))
    assert covariance_step(law, LayeredBlocks((2, 2), Fraction(1), Fraction(2))).verdict.status == "proved"
    assert covariance_step(law, LayeredBlocks((2, 2), Fraction(1), Fraction(1))).verdict.status == "refuted"
    assert expansion_step(LayeredBlocks((2, 2), theta, phi)).verdict.status == "proved"


def test_a_rank_below_the_block_size_does_not_average_to_the_norm() -> None:
    scales = OrderedScales((Fraction(3),) * 2)
    assert convex_combination(2, Fraction(3), scales).verdict.status == "checked"
    assert convex_combination(1, Fraction(3), scales).verdict.status == "refuted"
    assert convex_combination(2, Fraction(2), scales).verdict.status == "refuted"


def test_scales_that_do_not_belong_to_the_norm_leave_a_gap() -> None:
    class Wrong(OrderedScales):  # type: ignore[misc]
        def scales(self, values: Any) -> tuple[Any, ...]:
            return tuple(Fraction(1, len(values)) for _ in values)

    assert eta_trick(Wrong((1, 1)))[1].verdict.status == "refuted"
    assert eta_trick(OrderedScales((1, 1)))[1].verdict.status == "checked"


# ---- masks with a constant sum, learned rates, skip connections


@pytest.mark.parametrize(
    "law",
    [
        FixedCount.partition(6, 2, 2),
        FixedCount((2, 1, 2), 1),
        CountNormalised.partition(6, 3, 0.4),
        CorrelatedGaussian([[1, -1], [-1, 1]]),
        Blocks((2, 2), (1, 0.5)),
    ],
    ids=["fixed count", "unequal blocks", "count-normalised", "Gaussian", "a block that stays"],
)
def test_masks_that_charge_nothing_up_to_some_rank_have_the_envelope_zero(law: MaskLaw) -> None:
    norm = induced_norm(law)
    assert norm.kind == "none"
    assert norm.verdict.holds
    assert norm.value(SIGMA) == 0
    assert norm.dual_square(ZETA) == np.inf


@pytest.mark.parametrize(("count", "size", "kept"), [(4, 2, 2), (6, 1, 2), (5, 2, 1), (4, 1, 1)])
def test_regression_with_a_fixed_count(count: int, size: int, kept: int) -> None:
    """κ < 1: saturated directions are not shrunk; κ = 1 (one kept block): truncated singular value decomposition."""
    law = FixedCount((size,) * count, kept)
    kappa = (count - kept) / (kept * (count - 1))
    assert close(law.coupling, kappa)
    m = np.array([4.0, 2.0, 1.7, 0.4])
    value, product = least_loss(law.normalised_covariance, np.diag(m), starts=6, seed=count)
    a, stated = counted_regression(m, size, kappa)
    assert close(value, stated, 1e-7)
    assert np.abs(np.linalg.svd(product)[1] - a).max() < 1e-3
    if size == 2 or kappa == 1:
        assert a[0] == m[0]
    if kappa == 1:
        assert np.count_nonzero(a) == size


@given(st.lists(st.floats(0.01, 10), min_size=2, max_size=6), st.integers(1, 3), st.floats(0.01, 0.95))
@settings(max_examples=60, deadline=None)
def test_convex_counted_regression_is_a_prox_of_the_k_support_norm(m: list[float], r: int, kappa: float) -> None:
    from etatrick.numerics.k_support import prox_k_support

    k = min(r, len(m))
    a, value = counted_regression(m, r, kappa)
    assert np.abs(a - prox_k_support(np.array(m) / (1 - kappa), k, kappa / (1 - kappa))).max() < 1e-9
    direct = float(np.sum((np.array(m) - a) ** 2)) + kappa * counted_envelope_gap(a, r)
    assert close(value, direct, 1e-9)


def test_single_units_of_a_fixed_count_charge_products_of_pairs() -> None:
    a, b, c, d = SIGMA
    assert close(counted_envelope_gap(SIGMA, 1), 2 * (a * (b + c + d) + b * (c + d) + c * d))
    assert counted_envelope_gap((3, 2, 0, 0), 2) == 0


def test_learned_retain_probabilities_are_the_scales() -> None:
    for w, k in (([3.0, -2.0, 1.0, 0.5], 2), ([1.0, 1.0, 1.0], 1), ([5.0, 0.5, -0.25, 0.1], 3)):
        retain = cp.Variable(len(w))
        cost = sum(x * x * (cp.inv_pos(retain[i]) - 1) for i, x in enumerate(w))
        problem = cp.Problem(cp.Minimize(cost), [retain <= 1, cp.sum(retain) <= k])
        problem.solve(solver=cp.CLARABEL)
        value, found = learned_retain(w, k)
        assert close(value, float(problem.value), SOLVER)
        assert close(float(np.sum(np.square(w) * (1 / found - 1))), value)
        assert close(value, float(k_support_norm(w, k)) ** 2 - float(np.sum(np.square(w))))
    assert learned_retain([0, 4, 0, -1], 2)[0] == 0


@pytest.mark.parametrize(("law", "ridge"), [(Blocks.partition(6, 2, 0.4), 1.5), (Bernoulli(3, 0.6), 0.3)])
def test_a_skip_connection_with_a_ridge_gives_the_box_norm(law: Blocks, ridge: float) -> None:
    norm, odds, count = skip_connection_norm(law, ridge), law.block_odds[0], len(law.block_sizes)
    assert all(step.verdict.holds for step in norm.proof)
    r, beta, a, n = law.block_sizes[0], odds / count, 1 / ridge, len(SIGMA)
    box = float(box_norm(SIGMA, a, a + 1 / beta, n * a + r / beta)) ** 2
    assert close(norm.value(SIGMA), box)
    skip = cp.Variable(n)
    square, limits = support_square(np.array(SIGMA) - skip, r)
    problem = cp.Problem(cp.Minimize(ridge * cp.sum_squares(skip) + beta * square), limits)
    problem.solve(solver=cp.CLARABEL)
    assert close(float(problem.value), norm.value(SIGMA), SOLVER)


def test_dropping_groups_of_inputs_charges_the_lengths_of_their_predictions() -> None:
    """E‖y − X(z̄∘w)‖² by enumeration; then learned rates of disjoint groups, by cvxpy."""
    rng = np.random.default_rng(8)
    X, w, y = rng.standard_normal((5, 6)), rng.standard_normal(6), rng.standard_normal(5)
    law = Blocks((3, 2, 1), (0.5, 0.8, 0.25))
    exact = [(np.array(mask, dtype=float), float(chance)) for mask, chance in law.masks()]
    mean = sum(p * np.sum((y - X @ (z / law.means() * w)) ** 2) for z, p in exact)
    cuts = [slice(0, 3), slice(3, 5), slice(5, 6)]
    lengths = np.array([np.linalg.norm(X[:, cut] @ w[cut]) for cut in cuts])
    assert close(mean, float(np.sum((y - X @ w) ** 2) + np.array(law.block_odds) @ lengths**2))
    retain = cp.Variable(3)
    cost = cp.sum(cp.multiply(lengths**2, cp.inv_pos(retain) - 1))
    problem = cp.Problem(cp.Minimize(cost), [retain <= 1, cp.sum(retain) <= 2])
    problem.solve(solver=cp.CLARABEL)
    assert close(learned_retain(lengths.tolist(), 2)[0], float(problem.value), SOLVER)
