"""Laws that every penalty and every strategy obeys, checked by numbers that share nothing with the derivation."""

import math
import pickle
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import sympy as sp
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st

from etatrick.errors import InputError
from etatrick.theory import Duality, Parameter, penalties, strategies, w
from etatrick.theory.catalogue import Family
from tolerances import FLOAT64, SOLVER, close

FAMILIES = [f for f in (*penalties.values(), *strategies.values()) if isinstance(f, Family)]  # others: own laws
WEIGHTS = [0.0137, 0.31, 0.97, 2.41, 7.3]
GRID = np.geomspace(1e-4, 40.0, 400)
ROUNDING = 1e-12


def values(parameter: Parameter) -> st.SearchStrategy[float]:
    """Decimals inside a parameter's domain."""
    if parameter.upper < math.inf:
        width = parameter.upper - parameter.lower
        return st.integers(1, 15).map(lambda k: parameter.lower + width * k / 16)
    if not math.isfinite(parameter.lower):
        return st.integers(-30, 30).map(lambda k: k / 10)
    return st.integers(1, 60).map(lambda k: round(parameter.lower + k / 10, 3))


def smallest(d: Duality, x: float) -> float:
    """½ min over η of x²/η + f(η): a grid of log η refined eight times; uses f alone."""
    grid = np.linspace(-45.0, 45.0, 3001)
    for _ in range(9):
        eta = np.exp(grid)
        found = (x * x / eta + d.dual_at(eta)) / 2
        at = int(np.nanargmin(found))
        grid = np.linspace(grid[max(at - 1, 0)], grid[min(at + 1, len(grid) - 1)], 161)
    return float(np.nanmin(found))


def slope(d: Duality, x: float) -> float:
    """Ω′(x) by numeric differentiation: of the closed form at 40 digits, or of float values."""
    if d.penalty is not None:
        with mp.workdps(40):
            return float(mp.re(mp.diff(sp.lambdify(w, d.penalty, "mpmath"), mp.mpf(x))))
    h = 1e-3 * x
    near = d.penalty_at(x + h * np.array([-2, -1, 1, 2]))
    return float((near[0] - 8 * near[1] + 8 * near[2] - near[3]) / (12 * h))


# ------------------------------------------------------------------------------------------------------- the laws


def starts_at_zero(d: Duality) -> None:
    """Ω(0) = 0 wherever that limit is finite."""
    if d.conditions["integrable"].status != "refuted":
        assert d.penalty_at(0.0) == 0.0
    else:
        assert d.penalty_at(0.0) == -np.inf
        assert d.base == 0 or abs(d.penalty_at(float(d.base))) < ROUNDING


def grows(d: Duality) -> None:
    """Ω is even, nondecreasing in |w|, and nonnegative if it starts at 0."""
    found = d.penalty_at(GRID)
    assert np.isfinite(found).all()
    assert (np.diff(found) >= -ROUNDING * (1 + np.abs(found[1:]))).all()
    assert np.array_equal(found, d.penalty_at(-GRID))
    if d.conditions["integrable"].status != "refuted":
        assert (found >= -ROUNDING).all()


def slope_is_weight_over_eta_hat(d: Duality) -> None:
    """Ω′(w) = w/η̂(w)."""
    tolerance = FLOAT64 if d.penalty is not None else SOLVER
    for x in WEIGHTS:
        assert close(slope(d, x), x / float(d.eta_hat_at(x)), tolerance), x


def envelope(d: Duality) -> None:
    """f(η̂(w)) = 2Ω(w) − wΩ′(w)."""
    tolerance = FLOAT64 if d.penalty is not None else SOLVER
    if d.conditions["monotone"].status == "refuted":
        with pytest.raises(InputError, match="decreases"):
            d.dual_at(1.0)
        return
    for x in WEIGHTS:
        level = float(d.eta_hat_at(x))
        if not math.isfinite(level):
            continue
        at_level = float(d.dual_at(level * (1 - 1e-15)))  # a constant η̂ sits on the edge of f's domain
        assert close(at_level, 2 * float(d.penalty_at(x)) - x * slope(d, x), tolerance), x


def minimum_over_eta(d: Duality) -> None:
    """Ω(w) = ½ min over η of w²/η + f(η), where Ω is subquadratic."""
    if d.conditions["subquadratic"].status == "refuted":
        return
    for x in WEIGHTS[1::2]:
        assert close(smallest(d, x), float(d.penalty_at(x))), x


def retains_a_probability(d: Duality) -> None:
    """0 ≤ α ≤ 1 for every λ, and α falls as λ grows."""
    previous = np.ones_like(GRID)
    for lam in (1e-6, 0.1, 1.0, 50.0):
        found = d.alpha_at(GRID, lam)
        assert ((found >= 0) & (found <= 1)).all()
        assert (found <= previous).all()
        previous = found


def monotone_verdict_is_true(d: Duality) -> None:
    """α increases with |w| if "monotone" is proved; if it is refuted, it falls at the witness."""
    verdict = d.conditions["monotone"]
    if verdict.holds:
        assert (np.diff(d.alpha_at(GRID, 1.0)) >= -ROUNDING).all()
    elif verdict.status == "refuted":
        first, last = d.eta_hat_at([verdict.witness["w"], verdict.witness["w_end"]])
        assert first > last


def subquadratic_verdict_is_true(d: Duality) -> None:
    """Ω(√u) has nonpositive second differences on a grid if "subquadratic" is proved."""
    u = np.linspace(1e-3, 30.0, 600)
    bend = np.diff(d.penalty_at(np.sqrt(u)), 2)
    if d.conditions["subquadratic"].holds:
        assert (bend <= ROUNDING).all()
    elif d.conditions["subquadratic"].status == "refuted":
        x, y = (d.conditions["subquadratic"].witness[key] for key in ("w", "w_end"))
        assert x / d.eta_hat_at(x) / x < y / d.eta_hat_at(y) / y


def curvature_verdicts_are_true(d: Duality) -> None:
    """Second differences of Ω have the sign that "convex" and "concave" claim."""
    bend = np.diff(d.penalty_at(np.linspace(1e-3, 30.0, 600)), 2)
    if d.conditions["convex"].holds:
        assert (bend >= -ROUNDING).all()
    if d.conditions["concave"].holds:
        assert (bend <= ROUNDING).all()


def exact_zeros_verdict_is_true(d: Duality) -> None:
    """½(w − v)² + Ω(w) is least at 0 for small v > 0 if "exact_zeros" is proved, and never if it is refuted."""
    x = np.concatenate([[0.0], np.geomspace(1e-30, 1.0, 1500)])
    verdict, penalty = d.conditions["exact_zeros"], d.penalty_at(x)
    if verdict.holds and float(d.penalty_at(1e-9)) > 1e-11:  # Ω′(0+) is well above v
        assert int(np.argmin(0.5 * (x - 1e-3) ** 2 + penalty)) == 0
    elif verdict.status == "refuted":
        assert int(np.argmin(0.5 * (x - 0.1) ** 2 + penalty)) > 0


def end_verdicts_are_true(d: Duality) -> None:
    """Show "bounded" and "unbiased" at large weights."""
    far = np.array([1e4, 1e6, 1e8])
    penalty, steepness = d.penalty_at(far), far / d.eta_hat_at(far)
    if d.conditions["bounded"].holds:
        assert penalty[2] - penalty[1] <= 1e-2 * (1 + abs(penalty[1]))
    if d.conditions["unbiased"].holds:
        assert steepness[2] < steepness[0] or steepness[2] < SOLVER
    elif d.conditions["unbiased"].status == "refuted":
        assert steepness[2] > SOLVER


def canonical_verdict_is_true(d: Duality) -> None:
    """f(1/ρ) is convex if "canonical" is proved: second differences on a grid of ρ where f is finite."""
    if d.conditions["canonical"].holds:
        found = d.dual_at(1 / np.linspace(0.02, 20.0, 500))
        bend = np.diff(found[np.isfinite(found)], 2)
        assert (bend >= -ROUNDING).all()


def identities_hold(d: Duality) -> None:
    """No identity is refuted, and none of those whose forms are known is left open."""
    for name, verdict in d.identities.items():
        assert verdict.holds or (verdict.status == "unknown" and None in (d.penalty, d.dual, d.alpha)), (
            f"{name}: {verdict}"
        )


def survives_pickling(d: Duality) -> None:
    """Return from a pickle equal: a Duality is data, and gives the same numbers."""
    again = pickle.loads(pickle.dumps(d))  # noqa: S301 (our own bytes)
    assert again == d
    assert hash(again) == hash(d)
    assert np.array_equal(again.penalty_at(WEIGHTS), d.penalty_at(WEIGHTS))


LAWS: list[Callable[[Duality], None]] = [
    starts_at_zero,
    grows,
    slope_is_weight_over_eta_hat,
    envelope,
    minimum_over_eta,
    retains_a_probability,
    monotone_verdict_is_true,
    subquadratic_verdict_is_true,
    curvature_verdicts_are_true,
    exact_zeros_verdict_is_true,
    end_verdicts_are_true,
    canonical_verdict_is_true,
    identities_hold,
    survives_pickling,
]


def broken_laws(d: Duality, *only: Callable[[Duality], None]) -> list[str]:
    """Return the laws that a duality breaks, with what was seen."""
    broken = []
    for law in only or LAWS:
        try:
            law(d)
        except AssertionError as error:
            broken.append(f"{law.__name__}: {str(error).splitlines()[0] if str(error) else error!r}")
    return broken


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_laws(family: Family) -> None:
    """Hypothesis draws the parameters within their domains; one failing draw is reported with its laws."""

    @settings(max_examples=1, derandomize=True, deadline=None, database=None, phases=[Phase.generate],
              suppress_health_check=list(HealthCheck))  # fmt: skip
    @given(st.fixed_dictionaries({p.name: values(p) for p in family.parameters}))
    def check(drawn: dict[str, float]) -> None:
        assert broken_laws(family(**drawn).duality) == [], drawn

    check()


CONTROLS: list[tuple[str, Callable[[Any], Any], list[Callable[[Duality], None]]]] = [
    ("eta_hat", lambda e: 2 * e, [slope_is_weight_over_eta_hat, envelope, identities_hold]),
    ("penalty", lambda e: e + 1, [starts_at_zero, envelope, minimum_over_eta]),
    ("penalty", lambda e: sp.exp(-w) - 1, [grows, slope_is_weight_over_eta_hat]),
    ("dual", lambda e: e * sp.Rational(10001, 10000), [envelope, minimum_over_eta]),
    ("eta_hat", lambda e: -e, [retains_a_probability]),
    ("penalty", lambda e: w**2 / 2, [curvature_verdicts_are_true]),
    ("penalty", lambda e: w**4, [subquadratic_verdict_is_true]),
]


@pytest.mark.parametrize(("form", "corrupt", "laws"), CONTROLS)
def test_the_laws_can_fail(form: str, corrupt: Callable[[Any], Any], laws: list[Callable[[Duality], None]]) -> None:
    """Negative controls: each law is broken by some corrupted form of a good duality."""
    good = penalties["log_sum"](epsilon=0.5).duality
    wrong = replace(good, **{form: corrupt(getattr(good, form))})
    assert broken_laws(good, *laws) == []
    assert len(broken_laws(wrong, *laws)) == len(laws)
