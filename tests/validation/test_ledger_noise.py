"""The claims on noise: what they compute with, against other routes, and their observed columns."""

import itertools
import math
from fractions import Fraction

import numpy as np
import pytest
import sympy as sp

from etatrick.validation.claim import Route, Setting
from etatrick.validation.ledger import claims
from etatrick.validation.ledger.bridgeout_penalty import reweighted
from etatrick.validation.ledger.glm_logistic import floor_ratio, one_feature
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.shakeout_gradients import ODDS, STEEP, STRENGTH, TARGETS, rest
from etatrick.validation.ledger.sparseout_penalty import DEGREE, stationary
from tolerances import FLOAT64, SOLVER


@pytest.mark.parametrize("d", [1, 3])
def test_switches_list_the_outcomes_of_independent_scaled_masks(d: int) -> None:
    """All 2^d outcomes once, their chances by hand in exact fractions."""
    p = Fraction(1, 4)
    expected = {
        tuple(float(1 / p - 1) if on else -1.0 for on in outcome): float(
            math.prod(p if on else 1 - p for on in outcome)
        )
        for outcome in itertools.product((0, 1), repeat=d)
    }
    xi, chance = switches(d, float(p))
    found = {tuple(row): float(c) for row, c in zip(xi.tolist(), chance, strict=True)}
    assert found.keys() == expected.keys()
    assert all(abs(found[key] - expected[key]) <= FLOAT64 for key in expected)
    assert np.abs(chance @ xi).max() <= FLOAT64


def test_the_symbolic_mean_is_that_of_the_numbers() -> None:
    x, c = sp.symbols("x c", positive=True)
    p = 0.3
    xi, chance = switches(1, p)
    formula = sp.exp(x / 3) + 2 * x**3 - x
    number = float(mean_over(formula, x, c).subs(c, (1 - p) / p))
    assert abs(number - float(chance @ (np.exp(xi[:, 0] / 3) + 2 * xi[:, 0] ** 3 - xi[:, 0]))) <= FLOAT64


def test_the_reweighted_fixed_point_is_the_convex_bridge_optimum() -> None:
    import cvxpy as cp

    rng = np.random.default_rng(31)
    X, odds, q = rng.standard_normal((9, 3)), 0.4, 1.5
    y = X @ np.array([1.0, -2.0, 1.5])
    w = cp.Variable(3)
    charge = (X**2).sum(0) @ cp.power(cp.abs(w), q)
    cp.Problem(cp.Minimize((cp.sum_squares(y - X @ w) + odds * charge) / 2)).solve(
        solver="CLARABEL", tol_gap_abs=1e-13, tol_gap_rel=1e-13
    )
    assert np.abs(reweighted(X, y, q, odds) - w.value).max() <= SOLVER


def test_stationary_points_solve_their_equations() -> None:
    for share in (DEGREE / 2, 1.0):
        for a, t in zip(stationary(share), (1.0, 2.0, 3.0), strict=True):
            assert abs(a + share * 3 / 7 * a ** (DEGREE - 1) - t) <= FLOAT64
    for pull in (0.0, 1.0):
        w = rest(pull)
        slope = w + ODDS * (w + STRENGTH) * (1 + pull * STRENGTH * STEEP / np.cosh(STEEP * w) ** 2)
        assert np.abs(slope - TARGETS).max() <= FLOAT64


def test_the_formulas_of_one_logistic_feature() -> None:
    """Exact over quadratic at a vanishing weight, and the quadratic penalty, against masks."""
    c = 0.7
    xi, chance = switches(1, 0.5)
    exact = float(chance @ np.logaddexp(0, c * xi[:, 0])) - np.log(2)
    assert abs(float(floor_ratio(sp.Float(c))) - exact / (c**2 / 8)) <= FLOAT64
    t, quadratic, tangent = one_feature()
    p = 1 / (1 + np.exp(-2.0))
    assert abs(float(quadratic.subs(t, 2)) - 4 * p * (1 - p) / 2) <= FLOAT64
    assert abs(float(tangent.subs(t, 2)) - np.tanh(1)) <= FLOAT64


@pytest.mark.parametrize(
    ("name", "status"),
    [
        ("sparseout/released-gradient", "refuted"),
        ("sparseout/detached-noise-is-scale-neutral", "checked"),
        ("bridgeout/bridge-penalty", "checked"),
        ("shakeout/smooth-sign-in-the-code", "refuted"),
    ],
)
def test_training_bears_the_claim_out(name: str, status: str) -> None:
    """Of a statement that fails only what was stated differs; every control is told apart."""
    observe = claims[name].observe
    assert isinstance(observe, Route)
    found = observe.conclude({part.name: part.run(Setting()) for part in observe.parts})
    assert found.status == status, found.summary
    wrong = list(found.witness)
    assert len(wrong) == (status == "refuted")
    assert all(trial.startswith("as stated") for trial in wrong)
    assert "control" not in found.summary
