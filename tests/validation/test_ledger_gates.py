"""The claims on gates, thresholds and splitting: their parts by other routes, and their observed columns."""

import itertools

import numpy as np
import pytest
from scipy import integrate, optimize, special

from etatrick.theory import penalties, strategies
from etatrick.theory.prox_forms import closed_prox
from etatrick.validation.claim import Absent, Claim, Route, Setting
from etatrick.validation.ledger import claims
from etatrick.validation.ledger.concrete_relaxed import relaxed_mean
from etatrick.validation.ledger.gates_beta_bernoulli import beta_kl, mean_gate
from etatrick.validation.ledger.gates_bounds import gate_penalty
from etatrick.validation.ledger.gates_estimates import arm_mean, mean_over_masks
from etatrick.validation.ledger.increg import increment
from etatrick.validation.ledger.rvsm_network import population
from etatrick.validation.ledger.thresholds_scalar import scad_map
from etatrick.validation.ledger.thresholds_vector import difference_map
from etatrick.validation.ledger.variational_kl import exact_kl
from tolerances import FLOAT64, SOLVER

FAMILIES = ("thresholds", "rvsm", "gates", "beta-bernoulli", "variational", "concrete", "targeted", "increg")
MINE = [claim for claim in claims.values() if claim.id.partition("/")[0] in FAMILIES]
OBSERVED = [claim for claim in MINE if not isinstance(claim.observe, Absent)]


def test_the_families_are_there() -> None:
    assert {claim.id.partition("/")[0] for claim in MINE} == set(FAMILIES)
    assert len(OBSERVED) >= 3


@pytest.mark.parametrize("claim", OBSERVED, ids=lambda claim: claim.id)
def test_the_observed_columns_are_checked_with_a_control(claim: Claim) -> None:
    assert isinstance(claim.observe, Route)
    found = claim.observe.conclude({part.name: part.run(Setting()) for part in claim.observe.parts})
    assert found.status == "checked", found.summary
    assert "differs" in {trial["expected"] for trial in found.data["trials"].values()}


@pytest.mark.parametrize("alpha", [0.02, 0.3, 4.0])
def test_the_exact_divergence_is_half_the_catalogue_dual(alpha: float) -> None:
    """f(η) = 2KL at η = 1/α, up to the constant: f(0) = 0 and KL(∞) = 0."""
    dual = float(strategies["variational_dropout"]().duality.dual_at(1 / alpha))
    assert abs(exact_kl(alpha) - dual / 2) <= FLOAT64


@pytest.mark.parametrize("t", [0.1, 0.3, 0.6])
def test_the_gate_penalty_is_that_of_the_catalogue(t: float) -> None:
    assert abs(gate_penalty(t, 0.5, 2 / 3) - float(strategies["hard_concrete"]().duality.penalty_at(t))) <= SOLVER


def test_the_mean_gate_and_the_divergence_of_kumaraswamy() -> None:
    a, b, prior = 0.7, 2.3, 0.05

    def density(x: float) -> float:
        return float(a * b * x ** (a - 1) * (1 - x**a) ** (b - 1))

    mean = integrate.quad(lambda x: x * density(x), 0, 1, epsabs=1e-12)[0]
    log_ratio = integrate.quad(
        lambda y: density(y**4) * 4 * y**3 * np.log(density(y**4) / (prior * y ** (4 * (prior - 1)))), 0, 1,
        epsabs=1e-12, limit=400,
    )[0]  # fmt: skip
    assert abs(float(mean_gate(a, b)) - mean) <= SOLVER
    assert abs(float(beta_kl(a, b, prior)) - log_ratio) <= SOLVER
    assert float(beta_kl(prior, 1.0, prior)) == 0


def test_the_mean_over_masks_and_arm_for_a_random_table() -> None:
    rng = np.random.default_rng(4)
    table, pi = rng.standard_normal((2, 2)), np.array([0.2, 0.7])
    chances = np.outer([0.8, 0.2], [0.3, 0.7])
    assert abs(mean_over_masks(table, pi) - float((table * chances).sum())) <= FLOAT64
    rise = np.array([(table[1] - table[0]) @ [0.3, 0.7], (table[:, 1] - table[:, 0]) @ [0.8, 0.2]])
    assert np.abs(arm_mean(lambda z: float(table[z]), pi) - pi * (1 - pi) * rise).max() <= FLOAT64


@pytest.mark.parametrize("p", [0.1, 0.5, 0.93])
def test_the_relaxed_mean_is_an_integral_over_uniform_numbers(p: float) -> None:
    def gate(u: float) -> float:
        return float(special.expit((special.logit(p) + special.logit(u)) / 0.1))

    exact = integrate.quad(gate, 0, 1, points=[1 - p], epsabs=1e-13, limit=200)[0]
    assert abs(relaxed_mean(p, 0.1) - exact) <= FLOAT64


def test_the_increment_at_the_ends_the_centre_and_the_quota() -> None:
    n, u = 8.0, 0.25
    centre = n * np.log(4) / np.log(8)
    assert np.abs(increment(np.array([0.0, centre, n, 2 * centre]), n, 1.0) - [1, u, 0, 2 * u - 1]).max() <= FLOAT64


def test_the_population_gradient_is_that_of_the_loss() -> None:
    rng = np.random.default_rng(8)
    w, true, k = rng.standard_normal(4), rng.standard_normal(4), 3
    _, a, b = population(w, true, k)
    numeric = optimize.approx_fprime(w, lambda x: population(x, true, k)[0], 1e-7)
    assert np.abs(numeric - (a * w - b * true)).max() <= SOLVER


@pytest.mark.parametrize("v", [0.5, 1.7, 2.6, 5.0])
def test_the_scad_map_is_that_of_the_catalogue(v: float) -> None:
    a, lam = 3.1, 0.9
    closed = closed_prox("scad", a=a, ell=lam)
    assert closed is not None
    assert abs(scad_map(v, a, lam, a) - float(closed.at(penalties["scad"](a=a, ell=lam).duality, v, lam))) <= FLOAT64


def test_the_difference_map_beats_random_points_and_its_signed_variant_does_not() -> None:
    rng = np.random.default_rng(15)
    a, lam = 0.8, 1.0
    y = np.array([-0.9, 0.6, 0.1])

    def cost(x: "np.ndarray[tuple[int, ...], np.dtype[np.float64]]") -> float:
        return float(((x - y) ** 2).sum() / 2 + lam * (np.abs(x).sum() - a * np.linalg.norm(x)))

    best = cost(difference_map(y, a, lam))
    starts = itertools.chain(rng.uniform(-2, 2, (2000, 3)), 0.05 * rng.standard_normal((2000, 3)))
    assert best <= min(cost(x) for x in starts) + FLOAT64
    assert cost(difference_map(y, a, lam, signed=True)) > best + 0.01
