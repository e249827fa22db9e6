"""Proximal maps against brute force on penalties written out by hand, in 30 digits near the minimum."""

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.theory import derive, penalties, strategies
from etatrick.theory.display import example_values
from etatrick.theory.prox import prox_at
from etatrick.theory.prox_forms import PROX_FORMS, ClosedProx, closed_prox

Values = dict[str, float]
TOLERANCE = 1e-9


@dataclass(frozen=True)
class Case:
    """Ω(w) and Ω′(w) for w > 0, in a number type chosen by m (numpy or mpmath), and ranges of the parameters."""

    penalty: Callable[[Any, Any, Values], Any]
    slope: Callable[[Any, Any, Values], Any]
    ranges: dict[str, tuple[float, float]]


def pick(m: Any, below: Any, inside: Any, beyond: Any) -> Any:
    if m is np:
        return np.where(below, inside, beyond)
    return inside if below else beyond


SCALE = (0.3, 3.0)
CASES = {
    "ridge": Case(lambda m, w, q: w**2 / (2 * q["c"]), lambda m, w, q: w / q["c"], {"c": SCALE}),
    "fixed_rate": Case(
        lambda m, w, q: w**2 / 2 * (1 - q["retain"]) / q["retain"],
        lambda m, w, q: w * (1 - q["retain"]) / q["retain"],
        {"retain": (0.1, 0.9)},
    ),
    "l1": Case(lambda m, w, q: q["k"] * w, lambda m, w, q: q["k"] + 0 * w, {"k": SCALE}),
    "l0": Case(lambda m, w, q: q["kappa"] * (w > 0), lambda m, w, q: 0 * w, {"kappa": SCALE}),
    "elastic_net": Case(lambda m, w, q: w + q["mu"] * w**2 / 2, lambda m, w, q: 1 + q["mu"] * w, {"mu": SCALE}),
    "huber": Case(
        lambda m, w, q: pick(m, w <= q["delta"], w**2 / (2 * q["delta"]), w - q["delta"] / 2),
        lambda m, w, q: pick(m, w <= q["delta"], w / q["delta"], 1 + 0 * w),
        {"delta": SCALE},
    ),
    "berhu": Case(
        lambda m, w, q: pick(m, w <= q["delta"], w, (w**2 + q["delta"] ** 2) / (2 * q["delta"])),
        lambda m, w, q: pick(m, w <= q["delta"], 1 + 0 * w, w / q["delta"]),
        {"delta": SCALE},
    ),
    "fair": Case(lambda m, w, q: w - m.log1p(w), lambda m, w, q: w / (1 + w), {}),
    "log_sum": Case(
        lambda m, w, q: m.log1p(w / q["epsilon"]), lambda m, w, q: 1 / (q["epsilon"] + w), {"epsilon": SCALE}
    ),
    "exponential": Case(
        lambda m, w, q: -q["c"] * m.expm1(-w / q["c"]), lambda m, w, q: m.exp(-w / q["c"]), {"c": SCALE}
    ),
    "ard": Case(
        lambda m, w, q: (
            (s := w * m.sqrt(q["c"])) * (m.sqrt(s**2 + 4) - s) / 4 + (m.arcsinh if m is np else m.asinh)(s / 2)
        ),
        lambda m, w, q: q["c"] / 2 * (m.sqrt(w**2 + 4 / q["c"]) - w),
        {"c": SCALE},
    ),
    "transformed_l1": Case(
        lambda m, w, q: (1 + q["a"]) * w / (q["a"] + w),
        lambda m, w, q: q["a"] * (1 + q["a"]) / (q["a"] + w) ** 2,
        {"a": SCALE},
    ),
    "capped_l1": Case(
        lambda m, w, q: pick(m, w < q["theta"], w, q["theta"] + 0 * w),
        lambda m, w, q: pick(m, w < q["theta"], 1 + 0 * w, 0 * w),
        {"theta": SCALE},
    ),
    "truncated_quadratic": Case(
        lambda m, w, q: pick(m, w < q["tau"], w**2, q["tau"] ** 2 + 0 * w) / (2 * q["delta"]),
        lambda m, w, q: pick(m, w < q["tau"], w / q["delta"], 0 * w),
        {"tau": SCALE, "delta": SCALE},
    ),
    "scad": Case(
        lambda m, w, q: pick(
            m,
            w <= q["ell"],
            w,
            q["ell"] * (q["a"] + 1) / 2
            - pick(m, w < q["a"] * q["ell"], (q["a"] * q["ell"] - w) ** 2, 0 * w) / (2 * (q["a"] - 1) * q["ell"]),
        ),
        lambda m, w, q: pick(
            m,
            w <= q["ell"],
            1 + 0 * w,
            pick(m, w < q["a"] * q["ell"], q["a"] * q["ell"] - w, 0 * w) / ((q["a"] - 1) * q["ell"]),
        ),
        {"a": (1.2, 4.0), "ell": (0.3, 1.5)},
    ),
    "mcp": Case(
        lambda m, w, q: q["A"] / 2 - pick(m, w < q["A"], (q["A"] - w) ** 2, 0 * w) / (2 * q["A"]),
        lambda m, w, q: pick(m, w < q["A"], 1 - w / q["A"], 0 * w),
        {"A": SCALE},
    ),
    "cel0": Case(
        lambda m, w, q: q["kappa"] - pick(m, w**2 < 2 * q["kappa"], ((2 * q["kappa"]) ** 0.5 - w) ** 2, 0 * w) / 2,
        lambda m, w, q: pick(m, w**2 < 2 * q["kappa"], (2 * q["kappa"]) ** 0.5 - w, 0 * w),
        {"kappa": SCALE},
    ),
}
CASES["gaussian_prior"] = Case(
    lambda m, w, q: (w / q["sigma"]) ** 2 / 2, lambda m, w, q: w / q["sigma"] ** 2, {"sigma": SCALE}
)
CASES["lasso_schedule"] = Case(lambda m, w, q: q["tau"] * w, lambda m, w, q: q["tau"] + 0 * w, {"tau": SCALE})
CASES["root_schedule"] = Case(
    lambda m, w, q: (
        (w * m.sqrt(w**2 + q["tau"] ** 2) - w**2 + q["tau"] ** 2 * (m.arcsinh if m is np else m.asinh)(w / q["tau"]))
        / 2
    ),
    lambda m, w, q: m.sqrt(w**2 + q["tau"] ** 2) - w,
    {"tau": SCALE},
)
CASES["shakeout"] = Case(
    lambda m, w, q: q["drop"] / (1 - q["drop"]) * pick(m, w > 0, (w + q["c"]) ** 2, 0 * w) / 2,
    lambda m, w, q: q["drop"] / (1 - q["drop"]) * (w + q["c"]),
    {"c": SCALE, "drop": (0.1, 0.8)},
)
CASES["threshold_targeting"] = CASES["truncated_quadratic"]
CASES["reweighted_log_sum"], CASES["bernoulli_l0"] = CASES["log_sum"], CASES["cel0"]
EXAMPLES = {
    "without a closed form": Case(
        lambda m, w, q: q["c"] * m.log1p(w**2 / q["c"]) / 2, lambda m, w, q: w / (1 + w**2 / q["c"]), {"c": SCALE}
    ),
    "infinite slope": Case(lambda m, w, q: 2 * m.sqrt(w), lambda m, w, q: 1 / m.sqrt(w), {}),
    "convex kink": Case(
        lambda m, w, q: w + pick(m, w < 1, 0 * w, 2 * (w - 1)), lambda m, w, q: pick(m, w < 1, 1 + 0 * w, 3 + 0 * w), {}
    ),
    "narrow knee": Case(lambda m, w, q: m.log1p(1e4 * w), lambda m, w, q: 1e4 / (1 + 1e4 * w), {}),
}


@dataclass(frozen=True)
class Handmade:
    """What prox_at needs, and no formula to read break points from."""

    case: Case
    values: Values

    def penalty_at(self, x: Any) -> Any:
        return np.asarray(self.case.penalty(np, np.asarray(x, dtype=float), self.values), dtype=float)

    def eta_hat_at(self, x: Any) -> Any:
        slope = np.asarray(self.case.slope(np, np.asarray(x, dtype=float), self.values), dtype=float)
        with np.errstate(divide="ignore"):
            return np.where(slope > 0, x / slope, np.inf)


def brute_force(case: Case, values: Values, v: float, t: float) -> float:
    """Minimise over a grid, then by golden section in 30 digits around the best three grid points that can hold it."""
    grid = np.concatenate([[0.0], np.geomspace(1e-9 * v, v, 600), np.linspace(0, v, 601)[1:]])
    grid.sort()
    cost = (grid - v) ** 2 / 2 + t * case.penalty(np, grid, values)

    def objective(w: Any) -> Any:
        return (w - v) ** 2 / 2 + t * case.penalty(mp, w, values)

    inner = np.flatnonzero((cost[1:-1] <= cost[:-2]) & (cost[1:-1] <= cost[2:])) + 1
    starts = sorted([*inner, 0, grid.size - 1], key=lambda k: float(cost[k]))[:3]
    best, place = mp.inf, mp.mpf(0)
    with mp.workdps(30):
        ratio = (mp.sqrt(5) - 1) / 2
        for k in starts:
            low, high = mp.mpf(grid[max(k - 1, 0)]), mp.mpf(grid[min(k + 1, grid.size - 1)])
            a, b = high - ratio * (high - low), low + ratio * (high - low)
            at_a, at_b = objective(a), objective(b)
            while high - low > 1e-12:
                if at_a < at_b:
                    high, b, at_b = b, a, at_a
                    a = high - ratio * (high - low)
                    at_a = objective(a)
                else:
                    low, a, at_a = a, b, at_b
                    b = low + ratio * (high - low)
                    at_b = objective(b)
            for w in ((low + high) / 2, mp.mpf(grid[k])):
                if (value := objective(w)) < best:
                    best, place = value, w
    return float(place)


def threshold(case: Case, values: Values, t: float) -> float:
    """Return about the largest v whose minimiser is 0, by bisection over brute force on a grid."""
    low, high = 0.0, 8.0
    for _ in range(22):
        v = (low + high) / 2
        grid = np.linspace(0, v, 1000)
        cost = grid * (grid / 2 - v) + t * (case.penalty(np, grid, values) - case.penalty(np, grid[:1], values))
        low, high = (v, high) if int(cost.argmin()) == 0 else (low, v)
    return low


def draws(case: Case, seed: str, count: int) -> list[tuple[Values, float, float]]:
    rng = np.random.default_rng([ord(letter) for letter in seed])
    drawn = []
    for _ in range(count):
        values = {name: float(rng.uniform(*ends)) for name, ends in case.ranges.items()}
        t = float(np.exp(rng.uniform(np.log(0.05), np.log(6))))
        drawn.append((values, float(rng.uniform(0.01, 6)), t))
        edge = threshold(case, values, t)
        drawn += [(values, edge * (1 + shift), t) for shift in (-0.003, 0.003) if edge > 0.01]
    return drawn


DEGENERATE = {name for name, forms in PROX_FORMS.items() if forms == ("0",)}


@pytest.mark.parametrize("name", sorted(set(PROX_FORMS) - DEGENERATE))
def test_closed_forms(name: str) -> None:
    case = CASES[name]
    for values, v, t in draws(case, name, 2):
        form = closed_prox(name, **values)
        assert form is not None
        expected = brute_force(case, values, v, t)
        closed = float(form.at(Handmade(case, values), v, t))
        assert abs(closed - expected) < TOLERANCE, (values, v, t)
        assert abs(float(prox_at(Handmade(case, values), v, t)) - expected) < TOLERANCE, (values, v, t)


@pytest.mark.parametrize("name", sorted(EXAMPLES))
def test_numbers_alone(name: str) -> None:
    case = EXAMPLES[name]
    for values, v, t in draws(case, name, 8):
        found = float(prox_at(Handmade(case, values), v, t))
        assert abs(found - brute_force(case, values, v, t)) < TOLERANCE, (values, v, t)


def changed(text: str) -> list[str]:
    """Return the formula with one number or sign changed at a time."""
    swaps = [
        text[: m.start()] + str(int(m[0]) + 1) + text[m.end() :] for m in re.finditer(r"(?<![\w*])\d(?![\w.])", text)
    ]
    flips = {"+": "-", "-": "+"}
    return swaps + [text[: m.start()] + flips[m[0]] + text[m.end() :] for m in re.finditer(r"(?<=\s)[+-](?=\s)", text)]


@pytest.mark.parametrize("name", ["ridge", "log_sum", "scad", "mcp", "transformed_l1"])
def test_a_wrong_form_is_noticed(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Numbers from the numeric map decide here; that they are right is tested above."""
    case, right = CASES[name], PROX_FORMS[name]
    wrong = [(*right[:-1], text) for text in changed(right[-1])]
    assert wrong or name == "ridge"
    rng = np.random.default_rng(3)
    sets = [{key: float(rng.uniform(*ends)) for key, ends in case.ranges.items()} for _ in range(4)]
    v, t = rng.uniform(0.01, 6, 6000), np.exp(rng.uniform(-3, 2, 6000))
    known = [prox_at(Handmade(case, values), v, t) for values in sets]

    def agrees(values: Values, expected: Any) -> bool:
        try:
            form = closed_prox(name, **values)
        except InputError:  # not even real
            return False
        assert form is not None
        return bool(np.abs(form.at(Handmade(case, values), v, t) - expected).max() < TOLERANCE)

    for forms in [*wrong, ("v",), ("0",)]:
        monkeypatch.setattr("etatrick.theory.prox_forms.PROX_FORMS", {name: forms})
        assert not all(agrees(values, expected) for values, expected in zip(sets, known, strict=True)), forms
    monkeypatch.setattr("etatrick.theory.prox_forms.PROX_FORMS", {name: right})
    assert all(agrees(values, expected) for values, expected in zip(sets, known, strict=True))


@pytest.mark.parametrize("name", sorted(PROX_FORMS))
def test_forms_belong_to_the_catalogues(name: str) -> None:
    """At one member of each family the closed form and the numbers agree, minus infinity at 0 included."""
    family = penalties[name] if name in penalties else strategies[name]
    values = example_values(family)
    duality, form = family(**values).duality, closed_prox(name, **values)
    assert form is not None
    v = np.linspace(-4, 4, 41) + 0.003
    for t in (0.1, 0.9, 3.0):
        np.testing.assert_allclose(form.at(duality, v, t), prox_at(duality, v, t), rtol=0, atol=TOLERANCE)


def test_a_form_keeps_its_parameters_until_they_have_values() -> None:
    form = closed_prox("ridge")
    assert form is not None
    assert {str(s) for s in form.candidates[0].free_symbols} == {"c", "t", "v"}
    with pytest.raises(InputError, match="every parameter"):
        form.at(None, 1.0, 1.0)
    assert closed_prox("no such penalty") is None


def test_the_prox_is_odd_and_keeps_the_shape() -> None:
    d = derive(penalty="log(1 + w)")
    v = np.array([[-2.0, 0.0, 2.0], [3.0, -0.1, 0.1]])
    found = prox_at(d, v, 0.5)
    assert found.shape == v.shape
    np.testing.assert_array_equal(found, -prox_at(d, -v, 0.5))
    np.testing.assert_array_equal(found[0], [prox_at(d, x, 0.5) for x in v[0]])
    assert prox_at(d, np.zeros(0)).shape == (0,)


def test_steps_broadcast() -> None:
    d, t = derive(penalty="w"), np.array([[0.5], [1.0]])
    np.testing.assert_allclose(prox_at(d, [2.0, 0.7], t), [[1.5, 0.2], [1.0, 0.0]], atol=1e-15)


def test_of_equal_minimisers_the_larger_is_returned() -> None:
    hard = Handmade(CASES["l0"], {"kappa": 2.0})
    assert prox_at(hard, 2.0, 1.0) == 2.0  # v² = 2tκ: 0 and v cost the same
    assert prox_at(hard, 2.0 - 1e-9, 1.0) == 0.0
    form = closed_prox("l0", kappa=2)
    assert isinstance(form, ClosedProx)
    assert form.at(hard, 2.0, 1.0) == 2.0


@pytest.mark.parametrize("gap", [1e-6, 1e-9, 1e-13])
def test_weights_just_above_a_threshold_keep_their_digits(gap: float) -> None:
    assert float(prox_at(derive(penalty="w"), 1 + gap)) == (1 + gap) - 1
    d = derive(penalty="log(1 + w/2)")
    assert float(prox_at(d, 0.5 + gap)) == pytest.approx(((0.5 + gap) - 0.5) * 4 / 3, rel=1e-2)
    assert float(prox_at(d, 0.5 - gap)) == 0.0


def test_a_penalty_that_jumps() -> None:
    d = derive(penalty="Piecewise((w/10, w <= 1), (w/10 + 1, True))")
    # Held at the jump from 1.1 on, until the objective beyond it is lower: (v − 1)²/2 + 0.1 = 1.1 + (v − 0.05)/10 …
    assert float(prox_at(d, 2.0)) == pytest.approx(1.0, abs=1e-14)
    assert float(prox_at(d, 1.05)) == pytest.approx(0.95, abs=1e-14)
    assert float(prox_at(d, 4.0)) == pytest.approx(3.9, abs=1e-14)


def test_minus_infinity_at_zero_wins() -> None:
    d = derive(penalty="log(w)")
    assert prox_at(d, 5.0, 1e-3) == 0.0
    assert "log" in DEGENERATE


@pytest.mark.parametrize(("v", "t"), [(np.nan, 1.0), (np.inf, 1.0), (1.0, 0.0), (1.0, -1.0), (1.0, np.nan)])
def test_bad_numbers_are_refused(v: float, t: float) -> None:
    with pytest.raises(InputError):
        prox_at(derive(penalty="w"), v, t)


def test_a_free_parameter_is_refused() -> None:
    with pytest.raises(InputError, match="every parameter"):
        prox_at(derive(penalty="log(1 + w/epsilon)", parameters=["epsilon"]), 1.0)


def test_a_decreasing_penalty_is_refused() -> None:
    with pytest.raises(InputError, match="do not decrease"):
        prox_at(Falling(), 1.0)


class Falling:
    """Ω = −w."""

    def penalty_at(self, x: Any) -> Any:
        return -np.asarray(x, dtype=float)

    def eta_hat_at(self, x: Any) -> Any:
        return -np.asarray(x, dtype=float)
