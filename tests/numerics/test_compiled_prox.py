"""Proximal maps and subdifferentials of compiled and tabulated penalties: brute force, thresholds by hand."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.compiled import CompiledPenalty, compile_penalty
from etatrick.numerics.user_penalty import scalar_penalty
from etatrick.theory import derive, penalties, strategies
from tolerances import FLOAT64

Array = NDArray[np.float64]
Real = Callable[[Array], Any]


def ard(w: Array) -> Any:
    return w * (np.sqrt(w**2 + 4) - w) / 4 + np.arcsinh(w / 2)


def scad(w: Array) -> Any:
    middle = (2 * 3 * w - w**2 - 1) / (2 * 2)
    return np.where(w <= 1, w, np.where(w <= 3, middle, 2.0))


# penalty, Ω by hand
CASES: dict[str, tuple[Any, Real]] = {
    "ridge": (penalties["ridge"](c=3), lambda w: w**2 / 6),
    "l1": (penalties["l1"](k=2), lambda w: 2 * w),
    "lp_1/2": (penalties["lp"](p=0.5), lambda w: 2 * np.sqrt(w)),
    "lp_3/2": (penalties["lp"](p=1.5), lambda w: w**1.5 / 1.5),
    "l0": (penalties["l0"](kappa=0.7), lambda w: 0.7 * (w > 0)),
    "elastic_net": (penalties["elastic_net"](mu=2), lambda w: w + w**2),
    "huber": (penalties["huber"](delta=0.7), lambda w: np.where(w <= 0.7, w**2 / 1.4, w - 0.35)),
    "berhu": (penalties["berhu"](delta=0.7), lambda w: np.where(w <= 0.7, w, (w**2 + 0.49) / 1.4)),
    "pseudo_huber": (penalties["pseudo_huber"](e=1), lambda w: np.sqrt(w**2 + 1) - 1),
    "fair": (penalties["fair"](), lambda w: w - np.log1p(w)),
    "log_cosh": (penalties["log_cosh"](), lambda w: np.logaddexp(w, -w) - np.log(2)),
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: np.log1p(2 * w)),
    "log_sum_sharp": (penalties["log_sum"](epsilon=1e-3), lambda w: np.log1p(1000 * w)),
    "cauchy": (penalties["cauchy"](c=2), lambda w: np.log1p(w**2 / 2)),
    "welsch": (penalties["welsch"](c=1), lambda w: -np.expm1(-(w**2)) / 2),
    "transformed_l1": (penalties["transformed_l1"](a=1), lambda w: 2 * w / (1 + w)),
    "atan": (penalties["atan"](c=1), np.arctan),
    "capped_l1": (penalties["capped_l1"](theta=1), lambda w: np.minimum(w, 1)),
    "truncated_quadratic": (penalties["truncated_quadratic"](tau=1, delta=0.5), lambda w: np.minimum(w, 1) ** 2),
    "exponential": (penalties["exponential"](c=1), lambda w: -np.expm1(-w)),
    "scad": (penalties["scad"](a=3, ell=1), scad),
    "mcp": (penalties["mcp"](A=2), lambda w: np.where(w <= 2, w - w**2 / 4, 1.0)),
    "ard": (strategies["ard"](c=1), ard),
    "shakeout": (strategies["shakeout"](c=1, drop=0.5), lambda w: (w > 0) * (w + 1) ** 2 / 2),
    "a kink up": (derive(penalty="w + max(2*w - 2, 0)"), lambda w: w + np.maximum(2 * w - 2, 0)),
    "w log": (derive(penalty="w*log(1 + w)"), lambda w: w * np.log1p(w)),
}
TARGETS = np.r_[np.linspace(0.01, 7.03, 141), 25.0]
STEPS = (0.2, 1.0, 2.5)


def searched(omega: Real, v: float, t: float) -> tuple[float, float]:
    """Return a minimiser of ½(w − v)² + tΩ(w) and its value less ½v², by three grids."""

    def objective(w: Array) -> Array:
        return np.asarray(w * (w / 2 - v) + t * omega(w))

    grid = np.unique(np.r_[0.0, np.geomspace(1e-9, 1, 400) * v, np.linspace(0, v, 2001)])
    for _ in range(3):
        values = objective(grid)
        best = int(values.argmin())
        low, high = grid[max(best - 1, 0)], grid[min(best + 1, len(grid) - 1)]
        fine = np.linspace(low, high, 801)
        grid = np.unique(np.r_[fine, grid[best]])
    return float(grid[best]), float(values.min())


@pytest.mark.parametrize("name", list(CASES))
def test_no_point_of_a_search_is_lower(name: str) -> None:
    """Both routes: the closed form, where the catalogue has one, and the root search."""
    penalty, omega = CASES[name]
    known = compile_penalty(penalty)
    for t in STEPS:
        best = [searched(omega, v, t)[1] for v in TARGETS]
        for route in (known, CompiledPenalty(known.duality)):
            found = route.prox(TARGETS, t)
            value = found * (found / 2 - TARGETS) + t * omega(found)
            assert (found >= 0).all()
            assert (found <= TARGETS * (1 + 1e-15)).all()
            worst = int(np.argmax(value - best))
            assert value[worst] <= best[worst] + 1e-12 * (1 + TARGETS[worst] ** 2), (t, TARGETS[worst], found[worst])
            np.testing.assert_array_equal(route.prox(-TARGETS, t), -found)


@pytest.mark.parametrize("name", list(CASES))
def test_the_root_search_agrees_with_the_closed_form_and_with_many_steps(name: str) -> None:
    known = compile_penalty(CASES[name][0])
    generic = CompiledPenalty(known.duality)
    rng = np.random.default_rng(7)
    v, t = rng.normal(scale=3.0, size=400), rng.uniform(0.1, 3.0, size=400)
    many = generic.prox(v, t)
    np.testing.assert_allclose(known.prox(v, t), many, rtol=FLOAT64, atol=1e-12)
    for index in range(0, 400, 37):
        assert abs(generic.prox(v[index : index + 1], float(t[index]))[0] - many[index]) <= 1e-12


@pytest.mark.parametrize(
    ("penalty", "t", "jump", "above"),
    [
        (penalties["l0"](kappa=2), 1.0, 2.0, 2.0),  # √(2κt), and v itself above
        (penalties["mcp"](A=1), 4.0, 2.0, 2.0),  # √(At)
        (penalties["capped_l1"](theta=1), 4.0, np.sqrt(8), np.sqrt(8)),  # √(2θt)
        (penalties["capped_l1"](theta=1), 1.0, 1.5, 1.5),  # θ + t/2
        (penalties["lp"](p=0.5), 1.0, 1.5 * 2 ** (2 / 3), 2 ** (2 / 3)),  # v = (3/2)w, w = (2t)^(2/3): Ω(w) = 2√w
    ],
    ids=["l0", "mcp", "capped_l1_far", "capped_l1_near", "lp"],
)
def test_jumps_are_where_they_are_by_hand(penalty: Any, t: float, jump: float, above: float) -> None:
    known = compile_penalty(penalty)
    for route in (known, CompiledPenalty(known.duality)):
        below, beyond = route.prox(np.array([jump * (1 - 1e-9), jump * (1 + 1e-9)]), t)
        assert abs(beyond - above) <= 1e-7
        assert below <= above - 0.4


def test_the_largest_of_equal_minimisers_is_returned() -> None:
    known = compile_penalty(penalties["l0"](kappa=2))
    for route in (known, CompiledPenalty(known.duality)):
        assert route.prox(np.array([2.0]), 1.0)[0] == 2.0


def test_very_small_and_very_large_arguments() -> None:
    ridge = CompiledPenalty(compile_penalty(penalties["ridge"](c=1)).duality)
    v = np.array([1e-200, 1e-40, 1e-10, 1e10, 1e60])
    np.testing.assert_allclose(ridge.prox(v, 1.0), v / 2, rtol=1e-13)
    assert ridge.prox(np.zeros(3), 1.0).tolist() == [0.0, 0.0, 0.0]
    assert ridge.prox(np.zeros((0, 2)), 1.0).shape == (0, 2)


@pytest.mark.parametrize("penalty", [penalties["log"](), strategies["log_odds"](kappa=1)], ids=["log", "log_odds"])
def test_minus_infinity_at_zero_gives_zero(penalty: Any) -> None:
    known = compile_penalty(penalty)
    for route in (known, CompiledPenalty(known.duality)):
        assert not route.prox(TARGETS, 1.0).any()


@pytest.mark.parametrize(("v", "t"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, np.nan)])
def test_bad_arguments_are_refused(v: float, t: float) -> None:
    for penalty in (penalties["l1"](k=1), penalties["atan"](c=1)):
        with pytest.raises(InputError):
            compile_penalty(penalty).prox([v], t)


def test_a_decreasing_penalty_has_no_prox() -> None:
    class Falling:
        def value(self, w: Array) -> Array:
            return np.abs(w) * np.exp(-np.abs(w))

        def slope(self, w: Array) -> Array:
            return np.asarray((1 - np.abs(w)) * np.exp(-np.abs(w)))

    with pytest.raises(InputError, match="do not decrease"):
        scalar_penalty(Falling()).prox([1.0], 1.0)


# penalty, w, g, distance by hand
DISTANCES: list[tuple[Any, float, float, float]] = [
    (penalties["l1"](k=2), 0.0, 1.9, 0.0),
    (penalties["l1"](k=2), 0.0, -2.5, 0.5),
    (penalties["l1"](k=2), 3.0, 1.0, 1.0),
    (penalties["l1"](k=2), -3.0, -2.0, 0.0),
    (penalties["l1"](k=2), -3.0, 2.0, 4.0),
    (penalties["l0"](kappa=1), 0.0, 1e9, 0.0),
    (penalties["l0"](kappa=1), 1.0, 0.5, 0.5),
    (penalties["lp"](p=0.5), 0.0, -1e9, 0.0),
    (penalties["ridge"](c=1), 0.0, 0.25, 0.25),
    (penalties["berhu"](delta=0.5), 0.5, 1.0, 0.0),
    (derive(penalty="w + max(2*w - 2, 0)"), 1.0, 2.2, 0.0),
    (derive(penalty="w + max(2*w - 2, 0)"), -1.0, -2.2, 0.0),
    (derive(penalty="w + max(2*w - 2, 0)"), 1.0, 3.5, 0.5),
    (penalties["capped_l1"](theta=1), 1.0, 0.4, 0.4),
    (penalties["capped_l1"](theta=1), 1.0, 0.9, 0.1),
]


@pytest.mark.parametrize(("penalty", "w", "g", "want"), DISTANCES)
def test_subdifferential_distance_by_hand(penalty: Any, w: float, g: float, want: float) -> None:
    found = compile_penalty(penalty).subdifferential_distance(np.array([w]), np.array([g]))
    assert abs(found[0] - want) <= 1e-12


NUMERIC = {
    "variational_dropout": strategies["variational_dropout"](),
    "hard_concrete": strategies["hard_concrete"](),
    "beta_bernoulli": strategies["beta_bernoulli"](prior=0.3),
    "molchanov_fit": strategies["molchanov_fit"](),
    "kingma_cubic": strategies["kingma_cubic"](),
}


@pytest.mark.parametrize("name", list(NUMERIC))
def test_tabulated_penalties(name: str) -> None:
    """Against the numbers of the duality, and the proximal map against a search of its objective."""
    law, known = NUMERIC[name].duality, scalar_penalty(NUMERIC[name])
    w = np.exp(np.random.default_rng(3).uniform(-9, 6, size=40))
    np.testing.assert_allclose(known.value(w), law.penalty_at(w), rtol=1e-9, atol=1e-14)
    weight = law.eta_hat_at(w)
    moving = weight < 1e9  # beyond, Ω is all but flat
    np.testing.assert_allclose(known.slope(w)[moving], (w / weight)[moving], rtol=1e-8, atol=1e-13)
    assert (known.slope(w)[~moving] <= w[~moving] * 1e-8).all()
    assert known.value(np.zeros(1))[0] == 0
    np.testing.assert_array_equal(known.value(-w), known.value(w))
    for v in (0.3, 1.1, 2.6):
        found = known.prox(np.array([v]), 1.0)
        grid = np.unique(np.r_[np.geomspace(1e-6, 1, 60) * v, np.linspace(0, v, 160), found])
        objective = grid * (grid / 2 - v) + law.penalty_at(grid)
        mine = found * (found / 2 - v) + known.value(found)
        assert mine[0] <= objective.min() + 1e-9


@pytest.mark.parametrize(
    ("entry", "kappa", "prior"),
    [
        (strategies["variational_bernoulli"](kappa=0.8, prior=0.3), 0.8, 0.3),
        (strategies["concrete_dropout"](kappa=0.8), 0.8, 0.5),
    ],
    ids=["variational_bernoulli", "concrete_dropout"],
)
def test_bernoulli_gates_from_their_divergence(entry: Any, kappa: float, prior: float) -> None:
    """Ω is the least ½[w²/η + 2κ KL(Bern α ‖ Bern p)] over gates α = η/(1 + η) ≥ p, here by a search."""
    known = scalar_penalty(entry)
    logit = np.log(prior / (1 - prior)) + np.r_[0.0, np.geomspace(1e-7, 700, 40001)]
    alpha, shut = 1 / (1 + np.exp(-logit)), 1 / (1 + np.exp(logit))
    with np.errstate(divide="ignore", invalid="ignore"):
        closed = np.where(shut > 0, shut * np.log(shut / (1 - prior)), 0.0)
    price = 2 * kappa * (alpha * np.log(alpha / prior) + closed)
    for w in (1e-3, 0.1, 0.5, 0.9, 1.5, 3.0, 20.0):
        costs = (w**2 * np.exp(-logit) + price) / 2
        best = int(costs.argmin())
        assert abs(known.value(np.array([w]))[0] - costs[best]) <= 1e-7 * (1 + costs[best])
        assert abs(known.slope(np.array([w]))[0] - w * np.exp(-logit[best])) <= 2e-3 * w * np.exp(-logit[best]) + 1e-14
    assert abs(known.value(np.array([1e6]))[0] + kappa * np.log(prior)) <= 1e-12


def test_polylogarithms_are_tabulated() -> None:
    """Ω of the Debye schedule is an integral of w/(e^w − 1), here by Simpson's rule."""
    known = compile_penalty(strategies["debye_schedule"](tau=1))
    u = np.linspace(1e-9, 2.0, 4001)
    f = u / np.expm1(u) * u / u
    simpson = (u[1] - u[0]) / 3 * (f[0] + f[-1] + 4 * f[1:-1:2].sum() + 2 * f[2:-1:2].sum())
    assert abs(known.value(np.array([2.0]))[0] - simpson) <= 1e-8
    assert abs(known.slope(np.array([2.0]))[0] - 2 / np.expm1(2.0)) <= 1e-12


def test_rules_on_ranks_are_refused_by_name() -> None:
    for entry in (strategies["magnitude_pruning"](k=2), strategies["targeted_dropout"](k=2, retain=0.5)):
        with pytest.raises(InputError, match="all weights at once"):
            scalar_penalty(entry)
