"""Compiled penalties against mpmath at 300 digits, written out by hand from eta-trick.md, section 2."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest

from etatrick.numerics import compile_penalty
from etatrick.theory import derive, penalties, strategies
from tolerances import FLOAT64

Real = Callable[[Any], Any]
HALF = mp.mpf("0.5")


def standout(w: Any) -> Any:
    return mp.exp(-1) * (1 - (1 + w) * mp.exp(-w))


def ard(w: Any) -> Any:
    return w * (mp.sqrt(w * w + 4) - w) / 4 + mp.asinh(w / 2)


MEMBERS: dict[str, tuple[Any, Real, float]] = {
    "ridge": (penalties["ridge"](c=3), lambda w: w * w / 6, 0.0),
    "l1": (penalties["l1"](k=2), lambda w: 2 * w, 2.0),
    "lp_1/2": (penalties["lp"](p=0.5), lambda w: 2 * mp.sqrt(w), np.inf),
    "lp_3/2": (penalties["lp"](p=1.5), lambda w: w ** mp.mpf("1.5") / mp.mpf("1.5"), 0.0),
    "elastic_net": (penalties["elastic_net"](mu=2), lambda w: w + w * w, 1.0),
    "log_sum": (penalties["log_sum"](epsilon=0.5), lambda w: mp.log1p(2 * w), 2.0),
    "log_sum_sharp": (penalties["log_sum"](epsilon=1e-3), lambda w: mp.log1p(w / mp.mpf("0.001")), 1000.0),
    "fair": (penalties["fair"](), lambda w: w - mp.log1p(w), 0.0),
    "cauchy": (penalties["cauchy"](c=2), lambda w: mp.log1p(w * w / 2), 0.0),
    "geman_mcclure": (penalties["geman_mcclure"](c=2), lambda w: w * w / (2 + w * w), 0.0),
    "fixed_rate": (strategies["fixed_rate"](retain=0.5), lambda w: w * w / 2, 0.0),
    "reweighted_log_sum": (strategies["reweighted_log_sum"](epsilon=2), lambda w: mp.log1p(w / 2), 0.5),
    "standout": (strategies["standout"](a=1, b=1), standout, 0.0),
    "ard": (strategies["ard"](c=1), ard, 1.0),
    "exponential": (derive(penalty="1 - exp(-w)"), lambda w: 1 - mp.exp(-w), 1.0),
    "atan": (derive(penalty="atan(w)"), mp.atan, 1.0),
}
GRID = np.concatenate([np.geomspace(1e-8, 300, 19), [1.0, 2.0, 0.5]])


@lru_cache
def exact(function: Real, order: int) -> list[Any]:
    with mp.workdps(300):  # 1 − exp(−300) agrees with 1 to 130 digits
        return [mp.diff(function, mp.mpf(float(w)), order, h=mp.mpf(float(w)) * mp.mpf(10) ** -40)
                if order else function(mp.mpf(float(w))) for w in GRID]  # fmt: skip


@pytest.mark.parametrize("name", list(MEMBERS))
def test_value(name: str) -> None:
    """Within rounding of the terms of the formula: |error| ≤ 1e-10 Ω + 4 ulp of |w|."""
    member, function, _ = MEMBERS[name]
    mine, reference = compile_penalty(member).value(GRID), exact(function, 0)
    for w, got, want in zip(GRID, mine, reference, strict=True):
        assert abs(got - float(want)) <= FLOAT64 * float(want) + 1e-15 * w, (w, got, float(want))


@pytest.mark.parametrize("name", list(MEMBERS))
def test_slope(name: str) -> None:
    member, function, start = MEMBERS[name]
    compiled = compile_penalty(member)
    for w, got, want in zip(GRID, compiled.slope(GRID), exact(function, 1), strict=True):
        assert abs(got - float(want)) <= FLOAT64 * abs(float(want)) + 1e-300, (w, got, float(want))
    assert compiled.slope_at_zero == start
    assert compiled.slope(np.zeros(1))[0] == start


@pytest.mark.parametrize("name", list(MEMBERS))
def test_curvature(name: str) -> None:
    """Relative to Ω″ or to Ω′/w, the other term of the Hessian's diagonal."""
    member, function, _ = MEMBERS[name]
    mine = compile_penalty(member).curvature(GRID)
    slopes = exact(function, 1)
    for w, got, want, slope in zip(GRID, mine, exact(function, 2), slopes, strict=True):
        scale = abs(float(want)) + abs(float(slope)) / w
        assert abs(got - float(want)) <= FLOAT64 * scale, (w, got, float(want))


@pytest.mark.parametrize("name", list(MEMBERS))
def test_eta_hat(name: str) -> None:
    member, function, _ = MEMBERS[name]
    mine = compile_penalty(member).eta_hat(GRID)
    for w, got, slope in zip(GRID, mine, exact(function, 1), strict=True):
        with mp.workdps(60):
            want = mp.mpf(float(w)) / slope
        if want > mp.mpf("1e308"):
            assert np.isinf(got)
        else:
            assert abs(got - float(want)) <= FLOAT64 * float(want), (w, got, float(want))


@pytest.mark.parametrize("name", list(MEMBERS))
def test_at_zero_and_even(name: str) -> None:
    member, _, start = MEMBERS[name]
    compiled = compile_penalty(member)
    assert compiled.value(np.zeros(1))[0] == 0
    assert compiled.curvature(np.zeros(1))[0] == 0
    assert compiled.eta_hat(np.zeros(1))[0] >= 0
    if start > 0:
        assert compiled.eta_hat(np.zeros(1))[0] == 0
    for function in (compiled.value, compiled.slope, compiled.curvature, compiled.eta_hat):
        np.testing.assert_array_equal(function(-GRID), function(GRID))
        assert function(GRID).shape == GRID.shape
        assert function(np.zeros(0)).shape == (0,)


@pytest.mark.parametrize("name", list(MEMBERS))
def test_huge_weights_give_no_nan(name: str) -> None:
    """exp(w) overflows beyond 709: the penalty is flat there, not undefined."""
    compiled = compile_penalty(MEMBERS[name][0])
    huge = np.array([800.0, 1e5, 1e8, 1e150])
    assert np.isfinite(compiled.value(huge[:3])).all()
    assert (compiled.value(huge[:3]) >= 0).all()
    assert np.isfinite(compiled.slope(huge)).all()
    assert (compiled.slope(huge) >= 0).all()
    assert not np.isnan(compiled.eta_hat(huge)).any()
    assert not np.isnan(compiled.curvature(huge[:3])).any()


@pytest.mark.parametrize("name", list(MEMBERS))
def test_value_is_nonnegative_and_grows(name: str) -> None:
    w = np.geomspace(1e-12, 1e3, 400)
    value = compile_penalty(MEMBERS[name][0]).value(w)
    assert (value >= -1e-15 * w).all()
    assert (np.diff(value) >= -1e-15 * w[1:]).all()


def test_convexity_flags() -> None:
    flags = {name: compile_penalty(MEMBERS[name][0]).convex for name in MEMBERS}
    convex = {"ridge", "l1", "lp_3/2", "elastic_net", "fair", "fixed_rate"}
    assert {name for name, flag in flags.items() if flag} == convex


def test_no_overflow_where_the_value_is_small() -> None:
    """Where log cosh w = w − log 2 + …; and for standout, whose factors overflow at w between 700/a and 750/a."""
    w = np.array([1e-6, 1e-3, 0.5, 2.0, 50.0, 800.0, 1e5])
    found = compile_penalty(penalties["log_cosh"]()).value(w)
    with mp.workdps(60):
        want = [float(mp.log(mp.cosh(mp.mpf(float(v))))) for v in w]
    np.testing.assert_allclose(found, want, rtol=FLOAT64)
    flat = compile_penalty(strategies["standout"](a=3.7, b=0.4)).value(np.array([100.0, 192.0, 200.0, 300.0]))
    assert np.ptp(flat) <= 1e-15


def test_conjugates_by_hand() -> None:
    """At the largest slope itself too, where a root search has to go far out; never below, so that gaps are safe."""
    z = np.array([0.0, 1e-3, 0.1, 0.5, 0.9, 0.999999, 1.0])
    with np.errstate(divide="ignore", invalid="ignore"):
        cosh = np.nan_to_num(((1 + z) * np.log1p(z) + (1 - z) * np.log1p(-z)) / 2, nan=np.log(2))
    by_hand = {
        "pseudo_huber": (penalties["pseudo_huber"](e=0.6), 0.6 * (1 - np.sqrt(1 - z**2))),
        "log_cosh": (penalties["log_cosh"](), cosh),
        "huber": (penalties["huber"](delta=0.7), 0.35 * z**2),
        "fair": (penalties["fair"](), np.where(z < 1, -z - np.log1p(-np.minimum(z, 1 - 1e-16)), np.inf)),
    }
    for name, (penalty, want) in by_hand.items():
        found = compile_penalty(penalty).conjugate(z)
        finite = np.isfinite(want)
        assert (np.isinf(found) == ~finite).all(), name
        assert (found[finite] >= want[finite] - 1e-15).all(), name
        np.testing.assert_allclose(found[finite], want[finite], rtol=1e-9, atol=1e-7)
        inner = finite & (z < 0.95)
        np.testing.assert_allclose(found[inner], want[inner], rtol=1e-9, atol=1e-14)
    assert np.isinf(compile_penalty(penalties["log_cosh"]()).conjugate(np.array([1.1]))).all()


def test_equal_penalties_are_compiled_once_and_a_second_solve_is_not_symbolic(monkeypatch: pytest.MonkeyPatch) -> None:
    import sympy as sp

    from etatrick.numerics.solver import solve

    X = np.random.default_rng(0).standard_normal((20, 4))
    y = X @ [2.0, 0.0, -1.0, 0.0]
    made = [penalties["log_sum"](epsilon=0.25), derive(penalty="w + w**(3/2)"), strategies["ard"](c=2)]
    first = [solve(X, y, penalty, 1.0).objective for penalty in made]

    def refuse(*_: Any, **__: Any) -> Any:
        raise AssertionError("symbolic work in a second solve")

    for name in ("simplify", "lambdify", "expand", "limit", "solve", "diff", "nsimplify"):
        monkeypatch.setattr(sp, name, refuse)
    monkeypatch.setattr(sp.Basic, "rewrite", refuse)
    monkeypatch.setattr(sp.Basic, "subs", refuse)
    assert [solve(X, y, penalty, 1.0).objective for penalty in made] == first


def test_compiling_is_idempotent_and_pickles() -> None:
    import pickle

    once = compile_penalty(penalties["log_sum"](epsilon=2))
    assert compile_penalty(once) is once
    assert compile_penalty(penalties["log_sum"](epsilon=2)) is once
    again = pickle.loads(pickle.dumps(once))  # noqa: S301  a pickle made one line above
    np.testing.assert_array_equal(again.slope(GRID), once.slope(GRID))


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("Piecewise((w - w**2/2, w < 1), (1/2, True))", lambda w: w - w * w / 2 if w < 1 else HALF),
        ("min(w, 1)", lambda w: min(w, mp.mpf(1))),
        ("Piecewise((w**2/2, w < 1), (w - 1/2, True))", lambda w: w * w / 2 if w < 1 else w - HALF),
    ],
    ids=["mcp", "capped_l1", "huber"],
)
def test_piecewise_penalties(text: str, value: Real) -> None:
    compiled = compile_penalty(derive(penalty=text))
    w = np.array([0.0, 0.25, 0.75, 1.5, 40.0])
    np.testing.assert_allclose(compiled.value(w), [float(value(mp.mpf(float(v)))) for v in w], atol=FLOAT64)
    slopes = compiled.slope(w)
    flat = slopes == 0
    assert (np.isinf(compiled.eta_hat(w)) == (flat & (w > 0))).all()
