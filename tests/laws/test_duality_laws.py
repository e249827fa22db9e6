"""Every catalogue entry against formulas written by hand from its sources, a minimisation over η, and quadrature.

Nothing here calls the engine except for the numbers and verdicts that are judged. HYPOTHESIS_PROFILE=explore
judges more draws of the parameters.
"""

import os
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from functools import cache
from itertools import pairwise
from typing import Any

import mpmath as mp
import numpy as np
import pytest
from sympy import Rational

from etatrick.errors import InputError
from etatrick.theory import Parameter, Verdict, penalties, strategies, w
from tolerances import FLOAT64

FAMILIES = {family.name: family for family in (*penalties.values(), *strategies.values())}
VECTORS = {"magnitude_pruning", "targeted_dropout"}  # penalties of a whole vector: tests/theory/test_vector_duals.py
SCALARS = [name for name in FAMILIES if name not in VECTORS]
DRAWS = 12 if os.environ.get("HYPOTHESIS_PROFILE") == "explore" else 1
INF = mp.inf
Real = Any  # an mpmath number
Map = Callable[[Real], Real]

GOLDEN = (mp.sqrt(5) - 1) / 2

# --------------------------------------------------------------------------------------- our own minimisation


def lowest(f: Map, grid: Any, steps: int) -> tuple[Real, Real]:
    """Return where f is least and its value: the best point of a grid, refined by golden sections."""
    values = [f(t) for t in grid]
    k = min(range(len(grid)), key=lambda i: values[i])
    a, b = grid[max(k - 1, 0)], grid[min(k + 1, len(grid) - 1)]
    best = (values[k], grid[k])
    c, d = b - GOLDEN * (b - a), a + GOLDEN * (b - a)
    at_c, at_d = f(c), f(d)
    for _ in range(steps):
        if at_c <= at_d:
            b, d, at_d = d, c, at_c
            c = b - GOLDEN * (b - a)
            at_c = f(c)
        else:
            a, c, at_c = c, d, at_d
            d = a + GOLDEN * (b - a)
            at_d = f(d)
        best = min(best, (at_c, c), (at_d, d))
    return best[1], best[0]


def at_minimum(dual: Map, x: Real) -> Real:
    """Return the η that minimises x²/η + f(η)."""
    return mp.exp(lowest(lambda t: x * x * mp.exp(-t) + dual(mp.exp(t)), [mp.mpf(t) for t in range(-60, 61)], 70)[0])


def minimum(dual: Map, x: Real) -> Real:
    """Return ½ min over η in [0, ∞] of x²/η + f(η): η = 0 counts only for x = 0."""
    inside = lowest(lambda t: x * x * mp.exp(-t) + dual(mp.exp(t)), [mp.mpf(t) / 2 for t in range(-120, 181)], 80)[1]
    return min(inside, dual(mp.mpf(10) ** 60)) / 2


# ----------------------------------------------------------------------------- what the sources say, by hand


@dataclass(frozen=True)
class Truth:
    """η̂(w), f(η), where η̂ breaks, Ω(0+) − Ω(0), and where Ω is 0 if it is −∞ at 0."""

    eta_hat: Map
    dual: Map | None
    breaks: tuple[Real, ...] = ()
    jump: Real = 0
    base: Real = 0
    penalty: Map | None = None
    near: Real = 1e-15  # how close to 0 and how far out η̂ is evaluated, and how well
    far: Real = 1e12
    slack: Real = 1e-18

    def slope(self, x: Real) -> Real:
        return x / self.eta_hat(x)


def rising(f: Map, target: Real, low: float = -200.0, high: float = 200.0) -> Real:
    """Return e^z with f(e^z) = target for an increasing f, by bisection and the secant rule."""
    if f(mp.exp(low)) >= target:
        return mp.exp(low)
    a, b = mp.mpf(low), mp.mpf(high)
    for _ in range(12):
        middle = (a + b) / 2
        a, b = (middle, b) if f(mp.exp(middle)) < target else (a, middle)
    return mp.exp(mp.findroot(lambda z: mp.log(f(mp.exp(z)) / target), (a, b), solver="anderson", verify=False))


def ridge(c: Real) -> Truth:
    return Truth(lambda x: c, lambda e: 0 if e <= c else INF)


def power(c: Real, q: Real) -> Truth:
    """Ω = c·w^q."""

    def dual(e: Real) -> Real:
        reach = (c * q * e) ** (1 / (2 - q))
        return 2 * c * reach**q - reach**2 / e

    return Truth(lambda x: x ** (2 - q) / (c * q), dual)  # fmt: skip


def logsum(epsilon: Real) -> Truth:
    def dual(e: Real) -> Real:
        s = mp.sqrt(epsilon**2 + 4 * e)
        return 2 * mp.log((s + epsilon) / 2) - (s - epsilon) ** 2 / (4 * e) - 2 * mp.log(epsilon)

    return Truth(lambda x: x * (x + epsilon), dual)


def logarithm(c: Real, base: Real) -> Truth:
    """Ω = c·log(w/base)."""
    return Truth(lambda x: x * x / c, lambda e: c * mp.log(c * e) - c - 2 * c * mp.log(base), base=base)


def shrinking(height: Real, kappa: Real) -> Truth:
    """MCP: Ω = height − κ/2·(reach − w)₊² with slope 1 or, for κ = 1, CEL0."""
    reach = mp.sqrt(2 * height / kappa)
    return Truth(lambda x: x / (kappa * (reach - x)) if x < reach else INF,
                 lambda e: 2 * height * e / (e + 1 / kappa), (reach,))  # fmt: skip


def truncated(tau: Real, delta: Real) -> Truth:
    return Truth(lambda x: delta if x <= tau else INF,
                 lambda e: 0 if e <= delta else tau**2 * (1 / delta - 1 / e), (tau,))  # fmt: skip


def elastic(k: Real, c: Real, jump: Real = 0) -> Truth:
    """Ω = k(cw + w²/2) + jump."""
    return Truth(lambda x: x / (k * (c + x)),
                 lambda e: 2 * jump + (k * c) ** 2 * e / (1 - k * e) if k * e < 1 else INF, jump=jump)  # fmt: skip


def transformed(a: Real) -> Truth:
    def reach(e: Real) -> Real:
        return rising(lambda x: x * (a + x) ** 2, a * (1 + a) * e, -60, 60)

    def dual(e: Real) -> Real:
        x = reach(e)
        return (1 + a) * x * (a + 2 * x) / (a + x) ** 2

    return Truth(lambda x: x * (a + x) ** 2 / (a * (1 + a)), dual)


def arctangent(c: Real) -> Truth:
    def dual(e: Real) -> Real:
        x = 2 * c / mp.sqrt(3) * mp.sinh(mp.asinh(3 * mp.sqrt(3) / 2 * e / c) / 3)
        return 2 * c * mp.atan(x / c) - x**2 / e

    return Truth(lambda x: x * (1 + (x / c) ** 2), dual)


def exponential(c: Real) -> Truth:
    def dual(e: Real) -> Real:
        v = mp.lambertw(e / c)
        return 2 * c - c * (2 + v) * mp.exp(-v)

    return Truth(lambda x: x * mp.exp(x / c), lambda e: mp.re(dual(e)))


def scad(a: Real, ell: Real) -> Truth:
    def weight(x: Real) -> Real:
        return x if x <= ell else (a - 1) * ell * x / (a * ell - x) if x < a * ell else INF

    return Truth(weight, lambda e: e if e <= ell else ell * ((a + 1) * e - ell) / ((a - 1) * ell + e), (ell, a * ell))


def log_cosh() -> Truth:
    def dual(e: Real) -> Real:
        if e <= 1:
            return 0
        x = rising(lambda v: v / mp.tanh(v) - 1, e - 1, -60, 40)
        return 2 * (x + mp.log1p(mp.exp(-2 * x)) - mp.log(2)) - x**2 / e

    return Truth(lambda x: x / mp.tanh(x), dual)


def standout(a: Real, b: Real) -> Truth:
    def dual(e: Real) -> Real:
        e = e / mp.exp(b)
        return mp.exp(-b) / a**2 * (2 - (2 + 2 * mp.log(e) + mp.log(e) ** 2) / e) if e > 1 else 0

    return Truth(lambda x: mp.exp(a * x + b), dual)


def dawson(x: Real) -> Real:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def variational_dropout() -> Truth:
    def dual(e: Real) -> Real:
        if e < 120:
            return e * mp.hyp2f2(1, 1, 1.5, 2, -e / 2)
        tail = sum(mp.fac2(2 * k - 1) / (k * e**k) for k in range(1, 40))  # least term e^{−η/2}
        return mp.log(2 * e) + mp.euler - tail

    return Truth(lambda v: 2 * rising(lambda x: 4 * x**3 * dawson(x), v * v, -60, 40) ** 2, dual)


def divergence(kappa: Real, prior: Real) -> Truth:
    least = prior / (1 - prior)

    def dual(e: Real) -> Real:
        alpha = e / (1 + e)
        return (
            2 * kappa * (alpha * mp.log(alpha / prior) - (1 - alpha) * mp.log((1 + e) * (1 - prior)))
            if e > least
            else 0
        )

    def weight(x: Real) -> Real:
        def square(s: Real) -> Real:
            return 2 * kappa * s / (1 + mp.exp(-s) / least) ** 2

        return least * mp.exp(rising(square, x * x, -100, 80))

    return Truth(weight, dual)


def debye(tau: Real, scale: Real) -> Truth:
    """Ω = scale·τ²[π²/6 − Li₂(e^{−w/τ}) + (w/τ)log(1 − e^{−w/τ})]."""

    def dual(e: Real) -> Real:
        u = mp.log1p(scale * e)
        z = -mp.expm1(-u)  # π²/6 − Li₂(e⁻ᵘ) + u·log(1 − e⁻ᵘ) = Li₂(1 − e⁻ᵘ)
        li2 = mp.polylog(2, z) if u < 0.7 else mp.pi**2 / 6 - mp.polylog(2, mp.exp(-u)) + u * mp.log(z)
        area = scale * tau**2 * mp.re(li2)
        return 2 * area - (u * tau) ** 2 / e

    return Truth(lambda x: mp.expm1(x / tau) / scale, dual)  # fmt: skip


def cauchy(c: Real) -> Truth:
    return Truth(lambda x: 1 + x * x / c, lambda e: c * (mp.log(e) - 1 + 1 / e) if e > 1 else 0)


def molchanov_fit() -> Truth:
    k1, k2, k3 = mp.mpf("0.63576"), mp.mpf("1.87320"), mp.mpf("1.48695")

    def gate(e: Real) -> Real:
        return 1 / (1 + mp.exp(k2) * e**-k3)

    def reach(e: Real) -> Real:
        s = gate(e)
        return 2 * k1 * k3 * s * (1 - s) * e + e * e / (1 + e)

    return Truth(lambda x: rising(reach, x * x, -100, 100), lambda e: 2 * k1 * gate(e) + mp.log1p(e))


def kingma_cubic() -> Truth:
    c = [mp.mpf(v) for v in ("1.16145124", "-1.50204118", "0.58629921")]

    def dual(e: Real) -> Real:
        return mp.log(e) - 2 * sum(v * (e ** -(k + 1) - 1) for k, v in enumerate(c)) if e >= 1 else INF

    return Truth(lambda x: at_minimum(dual, x), dual, near=1e-6, far=1e8, slack=1e-10)


def hard_concrete(beta: Real, gamma: Real, zeta: Real) -> Truth:
    """F = P(s≠0) and 1/η = CV² along a, with P(s>x) = a/(a + r(x)^β), by 400-point Gauss–Legendre rules."""
    nodes, weights = np.polynomial.legendre.leggauss(400)
    x, weights = (1 + nodes) / 2, weights / 2
    odds = ((x - float(gamma)) / (float(zeta) - x)) ** float(beta)
    closed = (-float(gamma) / float(zeta)) ** float(beta)

    def law(log_a: Real) -> tuple[float, float]:
        open_beyond = 1 / (1 + np.exp(-float(log_a)) * odds)
        mean = weights @ open_beyond
        return 2 * weights @ (x * open_beyond) / mean**2 - 1, 1 / (1 + np.exp(-float(log_a)) * closed)

    def best(v: Real) -> tuple[Real, Real]:
        return lowest(lambda t: float(v) ** 2 * law(t)[0] + law(t)[1], np.linspace(-40, 14, 800), 60)

    def weight(v: Real) -> Real:
        at, value = best(v)
        return 1 / law(at)[0] if value < 1 else INF

    def dual(e: Real) -> Real:
        return law(mp.log(rising(lambda a: 1 / law(mp.log(a))[0], e, -34, 14)))[1]

    return Truth(weight, dual, penalty=lambda v: min(best(v)[1], 1.0) / 2, near=1e-6, far=1e6, slack=1e-7)


def beta_bernoulli(prior: Real) -> Truth:
    """½·min over all Kumaraswamy shapes (a, b) of w²(1−m)/m + 2·KL(· ‖ Beta(α₀, 1)), m = b·B(1 + 1/a, b)."""
    from scipy.optimize import minimize
    from scipy.special import betaln, digamma

    def odds(z: Any) -> float:
        a, b = np.exp(z)
        mean = np.exp(z[1] + betaln(1 + 1 / a, b))
        return float((1 - mean) / mean)

    def price(z: Any) -> float:
        a, b = np.exp(z)
        return float(2 * ((1 - float(prior) / a) * (-np.euler_gamma - digamma(b) - 1 / b)
                          + z[0] + z[1] - np.log(float(prior)) - (b - 1) / b))  # fmt: skip

    def best(v: Real) -> Any:
        starts = [(np.log(float(prior)), 0.0), (0.0, 0.0), (2 * np.log1p(float(v)), 0.0)]
        options = {"xatol": 1e-9, "fatol": 1e-15, "maxiter": 2000}
        found = [minimize(lambda z: float(v) ** 2 * odds(z) + price(z), z, method="Nelder-Mead", options=options)
                 for z in starts]  # fmt: skip
        return min(found, key=lambda f: float(f.fun))

    return Truth(lambda v: mp.mpf(1 / odds(best(v).x)), None, penalty=lambda v: mp.mpf(best(v).fun) / 2,
                 near=1e-3, far=1e4, slack=1e-5)  # fmt: skip


TRUTHS: dict[str, Callable[..., Truth]] = {
    "ridge": ridge,
    "l1": lambda k: power(k, mp.mpf(1)),
    "lp": lambda p: power(1 / p, p),
    "l0": lambda kappa: Truth(lambda x: INF, lambda e: 2 * kappa if e > 0 else 0, jump=kappa),
    "elastic_net": lambda mu: elastic(mu, 1 / mu),
    "huber": lambda delta: Truth(lambda x: max(x, delta), lambda e: max(e - delta, 0), (delta,)),
    "berhu": lambda delta: Truth(lambda x: min(x, delta), lambda e: e if e <= delta else INF, (delta,)),
    "pseudo_huber": lambda e: Truth(lambda x: mp.sqrt(x * x + e * e), lambda h: h + e * e / h - 2 * e if h > e else 0),
    "fair": lambda: Truth(lambda x: 1 + x, lambda e: e - 1 / e - 2 * mp.log(e) if e > 1 else 0),
    "log_cosh": log_cosh,
    "log_sum": logsum,
    "log": lambda: logarithm(mp.mpf(1), mp.mpf(1)),
    "log_square": lambda epsilon: Truth(
        lambda x: (x * x + epsilon) / 2,
        lambda e: 2 * mp.log(2 * e / epsilon) - 2 + epsilon / e if 2 * e > epsilon else 0),
    "cauchy": cauchy,
    "geman_mcclure": lambda c: Truth(lambda x: (1 + x * x / c) ** 2, lambda e: c * (1 - e**-0.5) ** 2 if e > 1 else 0),
    "welsch": lambda c: Truth(lambda x: mp.exp(x * x / c), lambda e: c * (1 - (1 + mp.log(e)) / e) if e > 1 else 0),
    "transformed_l1": transformed,
    "capped_l1": lambda theta: Truth(lambda x: x if x <= theta else INF,
                                     lambda e: e if e <= theta else 2 * theta - theta**2 / e, (theta,)),
    "truncated_quadratic": truncated,
    "exponential": exponential,
    "atan": arctangent,
    "scad": scad,
    "mcp": lambda A: shrinking(A / 2, 1 / A),
    "cel0": lambda kappa: shrinking(kappa, mp.mpf(1)),
    "fixed_rate": lambda retain: ridge(retain / (1 - retain)),
    "reweighted_log_sum": logsum,
    "reweighted_lp": lambda p: power(1 / p, p),
    "standout": standout,
    "variational_dropout": variational_dropout,
    "ard": lambda c: Truth(lambda x: (x * x + x * mp.sqrt(x * x + 4 / c)) / 2, lambda e: mp.log1p(c * e)),
    "gaussian_prior": lambda sigma: ridge(sigma**2),
    "bernoulli_l0": lambda kappa: shrinking(kappa, mp.mpf(1)),
    "variational_bernoulli": divergence,
    "concrete_dropout": lambda kappa: divergence(kappa, mp.mpf(1) / 2),
    "log_retain": lambda kappa: Truth(lambda x: x * x / (2 * kappa - x * x) if x * x < 2 * kappa else INF,
                                      lambda e: -2 * kappa * mp.log1p(1 / e), (mp.sqrt(2 * kappa),),
                                      base=mp.sqrt(2 * kappa)),
    "log_odds": lambda kappa: logarithm(2 * kappa, mp.sqrt(2 * kappa / mp.e)),
    "bridgeout": lambda q, retain: power((1 - retain) / (2 * retain), q),
    "sparseout": lambda q, retain: power((1 - retain) / (2 * retain), q),
    "shakeout": lambda c, drop: elastic(drop / (1 - drop), c, drop / (1 - drop) * c * c / 2),
    "lasso_schedule": lambda tau: power(tau, mp.mpf(1)),
    "log_schedule": lambda tau: logarithm(tau**2, mp.mpf(1)),
    "root_schedule": lambda tau: Truth(lambda x: x * (mp.sqrt(x * x + tau * tau) + x) / tau**2,
                                       lambda e: tau**2 / 2 * mp.log1p(2 * e)),
    "debye_schedule": lambda tau: debye(tau, mp.mpf(1)),
    "tanh_schedule": lambda tau: debye(tau / 2, mp.mpf(2)),
    "inverse_magnitude": lambda: Truth(lambda x: 1 / x**2, None),
    "threshold_targeting": truncated,
    "molchanov_fit": molchanov_fit,
    "kingma_cubic": kingma_cubic,
    "hard_concrete": hard_concrete,
    "beta_bernoulli": beta_bernoulli,
}  # fmt: skip


# ------------------------------------------------------------------------------------------- draws and oracles


def value(parameter: Parameter, rng: np.random.Generator) -> float:
    """Return a decimal inside the domain of a parameter."""
    if parameter.upper < np.inf and parameter.lower > -np.inf:
        return parameter.lower + (parameter.upper - parameter.lower) * int(rng.integers(1, 16)) / 16
    if parameter.upper < np.inf:
        return parameter.upper - int(rng.integers(1, 20)) / 40
    if parameter.lower == -np.inf:
        return int(rng.integers(-20, 21)) / 10
    return round(parameter.lower + float(np.exp(rng.uniform(-1.5, 1.2))), 2)


def draw(name: str, k: int) -> dict[str, float]:
    rng = np.random.default_rng([zlib.crc32(name.encode()), k])
    return {p.name: value(p, rng) for p in FAMILIES[name].parameters}


def numbers(values: Mapping[str, float]) -> dict[str, Real]:
    return {key: mp.mpf(repr(v)) for key, v in values.items()}


def truth_of(name: str, values: Mapping[str, float]) -> Truth:
    truth = TRUTHS[name](**numbers(values))
    return replace(truth, eta_hat=cache(truth.eta_hat))


def is_free(name: str) -> bool:
    """Tell whether the family has formulas in free parameters; gate laws are classes that need numbers."""
    return hasattr(FAMILIES[name], "given")


def judged(name: str, values: Mapping[str, float]) -> Any:
    """Return the duality with these parameters: the family's formulas with numbers put in, or the gate law."""
    family = FAMILIES[name]
    return family.duality.at(**values) if is_free(name) else family(**values).duality


def area(truth: Truth, x: Real) -> Real:
    """Ω(x) = ∫ t/η̂(t) dt by tanh–sinh quadrature, with t = u⁸ against singularities at 0."""
    edges = sorted({truth.base, x, *(b for b in truth.breaks if min(truth.base, x) < b < max(truth.base, x)),
                    *(mp.mpf(10) ** k for k in range(-4, 4) if truth.base < mp.mpf(10) ** k < x)})  # fmt: skip
    sign = 1 if x >= truth.base else -1
    total = mp.quad(lambda u: truth.slope(u**8) * 8 * u**7 if u > 0 else 0, [mp.root(e, 8) for e in edges])
    return sign * total + truth.jump


# ----------------------------------------------------------------------------------------- the tables of the notes

ZERO, JUMP = 0.0, "jump"
# Ω′(0+) at given parameters; whether Ω is convex, sparse (exact zeros), bounded, unbiased. A family for which a
# statement holds for some parameters only counts as one for which it is false.
TABLE: dict[str, tuple[Any, bool, bool, bool, bool]] = {
    "ridge": (ZERO, True, False, False, False),
    "l1": (lambda k: k, True, True, False, False),
    "lp": (lambda p: ZERO if p > 1 else 1.0 if p == 1 else INF, False, False, False, False),
    "l0": (JUMP, False, True, True, True),
    "elastic_net": (1.0, True, True, False, False),
    "huber": (ZERO, True, False, False, False),
    "berhu": (1.0, True, True, False, False),
    "pseudo_huber": (ZERO, True, False, False, False),
    "fair": (ZERO, True, False, False, False),
    "log_cosh": (ZERO, True, False, False, False),
    "log_sum": (lambda epsilon: 1 / epsilon, False, True, False, True),
    "log": (INF, False, True, False, True),
    "log_square": (ZERO, False, False, False, True),
    "cauchy": (ZERO, False, False, False, True),
    "geman_mcclure": (ZERO, False, False, True, True),
    "welsch": (ZERO, False, False, True, True),
    "transformed_l1": (lambda a: (1 + a) / a, False, True, True, True),
    "capped_l1": (1.0, False, True, True, True),
    "truncated_quadratic": (ZERO, False, False, True, True),
    "exponential": (1.0, False, True, True, True),
    "atan": (1.0, False, True, True, True),
    "scad": (1.0, False, True, True, True),
    "mcp": (1.0, False, True, True, True),
    "cel0": (lambda kappa: mp.sqrt(2 * kappa), False, True, True, True),
    "fixed_rate": (ZERO, True, False, False, False),
    "reweighted_log_sum": (lambda epsilon: 1 / epsilon, False, True, False, True),
    "reweighted_lp": (lambda p: ZERO if p > 1 else 1.0 if p == 1 else INF, False, False, False, False),
    "standout": (ZERO, False, False, True, True),
    "variational_dropout": (1.0, False, True, False, True),
    "ard": (lambda c: mp.sqrt(c), False, True, False, True),
    "gaussian_prior": (ZERO, True, False, False, False),
    "bernoulli_l0": (lambda kappa: mp.sqrt(2 * kappa), False, True, True, True),
    "variational_bernoulli": (ZERO, False, False, True, True),
    "concrete_dropout": (ZERO, False, False, True, True),
    "log_retain": (INF, False, True, True, True),
    "log_odds": (INF, False, True, False, True),
    "bridgeout": (lambda q, retain: ZERO if q > 1 else (1 - retain) / (2 * retain) if q == 1 else INF,
                  False, False, False, False),
    "sparseout": (lambda q, retain: ZERO if q > 1 else (1 - retain) / (2 * retain) if q == 1 else INF,
                  False, False, False, False),
    "shakeout": (JUMP, False, True, False, False),
    "lasso_schedule": (lambda tau: tau, True, True, False, False),
    "log_schedule": (INF, False, True, False, True),
    "root_schedule": (lambda tau: tau, False, True, False, True),
    "debye_schedule": (lambda tau: tau, False, True, True, True),
    "tanh_schedule": (lambda tau: tau, False, True, True, True),
    "inverse_magnitude": (ZERO, True, False, False, False),
    "threshold_targeting": (ZERO, False, False, True, True),
    "hard_concrete": (None, False, True, True, True),  # 1.4751987 at the published parameters
    "beta_bernoulli": (ZERO, False, False, False, True),
    "molchanov_fit": (1.0, False, True, False, True),
    "kingma_cubic": (ZERO, False, False, False, True),
}  # fmt: skip

# ------------------------------------------------------------------------------------------------------- the checks


def agrees(got: float, wanted: Real, tolerance: float = FLOAT64) -> bool:
    """Relative agreement; +∞ and float overflow are one."""
    if wanted > 1e300 or wanted == INF:
        return bool(got > 1e300)
    return bool(abs(got - wanted) <= tolerance * max(abs(wanted), mp.mpf(10) ** -40))


def weights_of(name: str, truth: Truth, k: int) -> list[Real]:
    rng = np.random.default_rng([zlib.crc32(name.encode()), k, 1])
    low, high = max(-4.0, float(np.log10(truth.near))), 3.0
    return [mp.mpf(float(f"{x:.6g}")) for x in 10 ** rng.uniform(low, high, 3)]


def wrong_values(d: Any, truth: Truth, weights: list[Real], rng: np.random.Generator) -> list[str]:
    """Compare numbers with the minimum over η, and with the inequality of Fenchel and Young at random η."""
    wrong = []
    for x in weights:
        got = float(d.penalty_at(float(x)))
        wanted = minimum(truth.dual, x) if truth.penalty is None and truth.dual else None
        wanted = truth.penalty(x) if truth.penalty else wanted
        if wanted is not None and not agrees(got, wanted):
            wrong.append(f"Ω({x}) = {got}, but the least is {mp.nstr(wanted, 17)}")
        level, wanted = float(d.eta_hat_at(float(x))), truth.eta_hat(x)
        if not agrees(level, wanted, max(FLOAT64, truth.slack)):
            wrong.append(f"η̂({x}) = {level}, not {mp.nstr(wanted, 17)}")
        if truth.dual is None:
            continue
        for e in [1e-8, *np.exp(rng.uniform(-12, 12, 4)), *([level * 0.875] if level < 1e300 else [])]:
            if not agrees(float(d.dual_at(e)), truth.dual(mp.mpf(e))):
                wrong.append(f"f({e}) = {float(d.dual_at(e))}, not {mp.nstr(truth.dual(mp.mpf(e)), 17)}")
            charged = (float(x) ** 2 / e + float(d.dual_at(e))) / 2
            if charged < got - FLOAT64 * abs(got):
                wrong.append(f"½[w²/η + f] = {charged} < Ω = {got} at w = {x}, η = {e}")
        ends = (min(level, 1e300), min(level * (1 - 1e-15), 1e300), min(level * (1 + 1e-15), 1e300))
        charged = min((float(x) ** 2 / at + float(d.dual_at(at))) / 2 for at in ends)  # η̂ may end the domain of f
        if not agrees(charged, mp.mpf(got)):
            wrong.append(f"η̂({x}) = {level} is no minimiser")
    return wrong


def wrong_slopes(d: Any, truth: Truth, weights: list[Real]) -> list[str]:
    """Compare Ω′ of the closed form, by differences of 40 digits, with w/η̂."""
    if getattr(d, "penalty", None) is None:
        return []
    formula = lambdified(d.penalty, w)
    wrong = []
    for x in weights:
        with mp.workdps(40):
            found, wanted = mp.re(mp.diff(formula, x)), truth.slope(x)
        if abs(found - wanted) > 1e-12 * abs(wanted) + 1e-25:
            wrong.append(f"Ω′({x}) = {found}, not {wanted}")
    return wrong


def lambdified(expr: Any, symbol: Any) -> Map:
    import sympy as sp

    own = {"DawsonIntegral": lambda x: mp.quad(dawson, [0, x]), "Dawson": dawson}
    function: Map = sp.lambdify(symbol, expr, [own, "mpmath"])
    return function


CONDITIONS = ("subquadratic", "monotone", "canonical", "convex", "concave", "continuous_prox", "integrable",
              "exact_zeros", "bounded", "unbiased")  # fmt: skip


def falls(values: list[Real], slack: Real, strict: bool = False) -> bool:
    """Tell whether a sequence falls somewhere, or merely stays where it must grow strictly."""
    pairs = ((a, b) for a, b in pairwise(values) if a < INF)
    return any(b < a - slack * abs(a) or (strict and b <= a) for a, b in pairs)


def order(truth: Truth, end: Real) -> Real:
    """Return the exponent r with Ω′ ~ w^r at 0 or at infinity; −∞ where Ω′ vanishes faster than any power."""
    near, far = (truth.near, truth.near * 1000) if end == 0 else (truth.far / 1000, truth.far)
    a, b = truth.slope(mp.mpf(near)), truth.slope(mp.mpf(far))
    if b == 0:
        return INF if end == 0 else -INF
    return mp.log(b / a) / mp.log(1000)


def is_true(condition: str, truth: Truth) -> bool:
    """Decide a condition for given parameters by values on a grid and by the growth of Ω′ at both ends."""
    grid = [
        mp.mpf(x) for x in np.geomspace(max(truth.near, 1e-7), min(truth.far, 1e7), 80 if truth.slack < 1e-12 else 24)
    ]
    if condition in ("subquadratic", "monotone"):
        return not falls([truth.eta_hat(x) for x in grid], truth.slack)
    if condition == "canonical":
        if truth.dual is None:
            return is_true("monotone", truth)
        rho = [1 / x for x in grid][::-1]
        f = [truth.dual(1 / r) for r in rho]
        points = [(r, v) for r, v in zip(rho, f, strict=True) if v < INF]
        steps = [(b - a) / (s - r) for (r, a), (s, b) in pairwise(points)]
        return not falls(steps, max(truth.slack, mp.mpf(10) ** -12))
    slopes = [truth.slope(x) for x in grid]
    if condition == "convex":
        return truth.jump == 0 and not falls(slopes, truth.slack)
    if condition == "concave":
        return not falls([-s for s in slopes], truth.slack)
    if condition == "continuous_prox":
        return truth.jump == 0 and not falls([x + s for x, s in zip(grid, slopes, strict=True)], truth.slack, True)
    if condition == "integrable":
        return bool(order(truth, 0) > -1 + 1e-3)
    if condition == "exact_zeros":
        return truth.jump > 0 or bool(order(truth, 0) < 1e-3)
    if condition == "bounded":
        return bool(order(truth, INF) < -1 - 1e-3)
    return bool(order(truth, INF) < -1e-3)


def wrong_witness(condition: str, verdict: Verdict, build: Callable[..., Truth], names: list[str]) -> str | None:
    """Evaluate the sources' formulas at the witness of a refutation: say what is wrong with it, or None."""
    witness = dict(verdict.witness)
    if set(names) - set(witness):
        return f"{condition}: the witness {witness} leaves {set(names) - set(witness)} open"
    truth = build(**numbers({n: witness[n] for n in names}))
    if "jump" in witness:
        return None if truth.jump > 0 and agrees(witness["jump"], truth.jump, 1e-6) else f"{condition}: no such jump"
    if "w_end" in witness or "eta_end" in witness:
        ends = [mp.mpf(witness[k]) for k in (("w", "w_end") if "w_end" in witness else ("eta", "eta_end"))]
        if "eta_end" in witness:  # along the curve w = η√f′(η), Ω′ = √f′(η)
            assert truth.dual is not None
            slopes = [mp.sqrt(mp.diff(truth.dual, e)) for e in ends]
            ends = [e * s for e, s in zip(ends, slopes, strict=True)]
        else:
            slopes = [truth.slope(e) for e in ends]
        if not ends[0] < ends[1]:
            return f"{condition}: {verdict.witness} are not two different weights"
        a, b = {"convex": slopes, "concave": [-s for s in slopes],
                "continuous_prox": [e + s for e, s in zip(ends, slopes, strict=True)]
                }.get(condition, [truth.eta_hat(e) for e in ends])  # fmt: skip
        fails = a > b or (condition == "continuous_prox" and abs(a - b) <= 1e-12 * abs(a))
        return None if fails else f"{condition}: at {verdict.witness} it goes from {a} to {b}"
    if verdict.method == "growth" and condition == "convex":
        least = truth.penalty or (lambda x: minimum(truth.dual, x) if truth.dual else INF)
        x = mp.mpf(witness["w"])
        return None if 2 * least(x) > least(2 * x) * (1 + 1e-9) else f"convex: 2Ω({x}) is not above Ω(2·{x})"
    if "larger eta" in witness:
        assert truth.dual is not None
        a, b = (mp.mpf(witness[k]) for k in ("eta", "larger eta"))
        h = mp.mpf(10) ** -5
        at = [e**2 * (truth.dual(e * (1 + 2 * h)) - truth.dual(e * (1 + h))) / (e * h) for e in (a, b)]
        return None if at[0] > at[1] else f"canonical: η²f′ goes from {at[0]} to {at[1]}"
    if {"left", "right"} <= set(witness) and "larger w" not in witness:  # on both sides of a jump of η̂
        left, right = (witness["w"] * (1 + side) * mp.mpf(1) for side in (-1e-6, 1e-6))
        fails = left + truth.slope(left) > right + truth.slope(right)
        return None if fails else f"continuous_prox: w + Ω′ does not fall at {witness}"
    if is_true(condition, truth):
        return f"{condition} holds at {witness}"
    if "value" in witness and "w" in witness and condition in ("exact_zeros", "unbiased"):
        wanted = truth.slope(mp.mpf(witness["w"]))
        return None if agrees(witness["value"], wanted, 1e-6) else f"{condition}: Ω′ is {wanted}, not {witness}"
    return None


def wrong_verdicts(name: str, conditions: Mapping[str, Verdict], truth: Truth) -> list[str]:
    """Sample what is proved with the drawn parameters, and evaluate what refutes."""
    wrong = []
    for condition, verdict in conditions.items():
        if verdict.holds and not is_true(condition, truth):
            wrong.append(f"{condition} is {verdict.status}, but false at the drawn parameters")
        if verdict.status == "refuted":
            free = [p.name for p in FAMILIES[name].parameters] if is_free(name) else []
            complaint = wrong_witness(condition, verdict, TRUTHS[name] if free else lambda: truth, free)
            wrong += [complaint] if complaint else []
    return wrong


# -------------------------------------------------------------------------------------------------------- the tests

BY_MINIMUM = {"hard_concrete", "beta_bernoulli", "kingma_cubic"}  # their η̂ is known as a minimiser only
SLOW_AREA = {"variational_dropout", "variational_bernoulli", "concrete_dropout", "molchanov_fit"}
CASES = [(name, k) for name in SCALARS for k in range(DRAWS if FAMILIES[name].parameters else 1)]


@pytest.fixture(autouse=True)
def _precision() -> Any:
    with mp.workdps(25):
        yield


@pytest.mark.parametrize(("name", "k"), CASES)
def test_values_are_least_over_eta(name: str, k: int) -> None:
    values = draw(name, k)
    d, truth = judged(name, values), truth_of(name, values)
    weights = weights_of(name, truth, k)
    assert float(d.penalty_at(0.0)) == (-np.inf if truth.base else 0.0)
    if truth.dual is None and truth.penalty is None:
        with pytest.raises(InputError, match="no dual f reproduces Ω"):
            d.dual_at(1.0)
        assert d.dual is None
    assert wrong_values(d, truth, weights, np.random.default_rng(k)) == [], values
    assert wrong_slopes(d, truth, weights) == [], values


@pytest.mark.parametrize(("name", "k"), [case for case in CASES if case[0] not in BY_MINIMUM])
def test_values_are_integrals(name: str, k: int) -> None:
    values = draw(name, k)
    d, truth = judged(name, values), truth_of(name, values)
    for x in weights_of(name, truth, k)[: 1 if name in SLOW_AREA else 3]:
        got, wanted = float(d.penalty_at(float(x))), area(truth, x)
        assert agrees(got, wanted), f"Ω({x}) = {got}, but the integral is {wanted} for {values}"


@pytest.mark.parametrize("name", SCALARS)
def test_the_notes_tables(name: str) -> None:
    start, *wanted = TABLE[name]
    values = draw(name, 0)
    d, truth = judged(name, values), truth_of(name, values)
    conditions = FAMILIES[name].duality.conditions if is_free(name) else d.conditions
    for condition, holds in zip(("convex", "exact_zeros", "bounded", "unbiased"), wanted, strict=True):
        assert conditions[condition].status in (("proved", "certified") if holds else ("refuted",)), condition
    if start == JUMP:
        assert agrees(float(d.penalty_at(1e-200)), truth.jump)
        return
    if start is None:
        published = FAMILIES[name]().duality
        assert 1e-9 / float(published.eta_hat_at(1e-9)) == pytest.approx(1.4751987, rel=1e-6)
        return
    start = start(**numbers(values)) if callable(start) else start
    near, nearer = (x / float(d.eta_hat_at(x)) for x in (1e-8, 1e-12))
    if start in (ZERO, INF):
        assert (nearer < 0.5 * near) if start == ZERO else (nearer > 1.5 * near)
    else:
        assert nearer == pytest.approx(float(start), rel=1e-6)


def test_the_published_hard_concrete() -> None:
    law: Any = FAMILIES["hard_concrete"]().duality
    assert law.jumps()[0].w == pytest.approx(0.5349891, abs=1e-7)
    assert law.jumps()[0].eta_left == pytest.approx(2.3529, abs=1e-4)


@pytest.mark.parametrize(("name", "k"), CASES)
def test_verdicts_are_true(name: str, k: int) -> None:
    values = draw(name, k)
    truth = truth_of(name, values)
    conditions = FAMILIES[name].duality.conditions if is_free(name) else judged(name, values).conditions
    assert set(conditions) == set(CONDITIONS)
    assert wrong_verdicts(name, conditions, truth) == [], values


def test_nine_tenths_of_all_conditions_are_settled() -> None:
    from collections import Counter

    counts: Counter[str] = Counter()
    open_ones = []
    for name in SCALARS:
        conditions = FAMILIES[name].duality.conditions if is_free(name) else judged(name, draw(name, 0)).conditions
        counts.update(verdict.status for verdict in conditions.values())
        open_ones += [f"{name}: {c}" for c, verdict in conditions.items() if verdict.status in ("unknown", "checked")]
    settled = counts["proved"] + counts["certified"] + counts["refuted"]
    assert settled >= 0.9 * counts.total(), (counts, open_ones)


CONTROLS: list[tuple[str, Callable[[Any], Any], str]] = [
    ("penalty", lambda e: e * (1 + Rational(1, 10**9)), "the least is"),
    ("penalty", lambda e: e + w**2 / 10**8, "Ω′"),
    ("dual", lambda e: e * (1 + Rational(1, 10**9)), "f("),
    ("dual", lambda e: e * Rational(3, 4), "½[w²/η + f]"),
    ("eta_hat", lambda e: e * (1 + Rational(1, 10**3)), "is no minimiser"),
    ("eta_hat", lambda e: e * (1 + Rational(1, 10**9)), "η̂("),
]


@pytest.mark.parametrize("name", ["log_sum", "mcp", "ard", "cauchy"])
@pytest.mark.parametrize(("form", "corrupt", "said"), CONTROLS)
def test_corrupted_values_are_found(name: str, form: str, corrupt: Callable[[Any], Any], said: str) -> None:
    values = draw(name, 0)
    good, truth = judged(name, values), truth_of(name, values)
    weights = [mp.mpf(x) for x in ("0.01", "0.3", "1.7")]
    bad = replace(good, **{form: corrupt(getattr(good, form))})
    complaints = wrong_values(bad, truth, weights, np.random.default_rng(0)) + wrong_slopes(bad, truth, weights)
    assert any(said in complaint for complaint in complaints), complaints
    clean = wrong_values(good, truth, weights, np.random.default_rng(0)) + wrong_slopes(good, truth, weights)
    assert clean == []


def test_corrupted_verdicts_are_found() -> None:
    truth = truth_of("log_sum", {"epsilon": 0.5})
    proved = Verdict("proved", "by decree")
    for condition in ("convex", "bounded", "continuous_prox"):
        assert wrong_verdicts("log_sum", {condition: proved}, truth)
    far = {"epsilon": 0.5, "w": 2.0, "w_end": 3.0}
    for condition in ("monotone", "subquadratic", "concave", "canonical"):
        assert wrong_verdicts("log_sum", {condition: Verdict("refuted", "by decree", witness=far)}, truth)
    for condition in ("integrable", "exact_zeros", "unbiased"):
        assert wrong_verdicts(
            "log_sum", {condition: Verdict("refuted", "x", witness={"epsilon": 0.5, "w": 1e6})}, truth
        )
    assert wrong_verdicts("log_sum", {"convex": Verdict("refuted", "x", witness={"w": 1.0, "w_end": 2.0})}, truth)
