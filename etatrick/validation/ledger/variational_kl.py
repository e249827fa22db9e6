"""Claims on the divergence of variational dropout: three exact forms, two fits, and the pruning rule."""

from itertools import pairwise
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

KINGMA: Final = "Kingma, Salimans, Welling 2015"


def exact_kl(alpha: float) -> float:
    """Return the divergence of N(θ, αθ²) from the log-uniform prior, 0 at α = ∞: twice the area under Dawson's curve.

    Examples
    --------
    >>> round(exact_kl(0.5), 5), round(exact_kl(50.0), 5)
    (0.73944, 0.00997)
    """
    import numpy as np
    from scipy.special import dawsn

    top = 0.5 * np.log(0.5 / alpha)  # log of the upper end s = 1/√(2α); below e⁻²⁰ the area is 0 in double precision
    nodes, weights = np.polynomial.legendre.leggauss(20)
    cuts = np.linspace(min(-20.0, top - 1), top, 41)
    u = np.exp((cuts[1:, None] + cuts[:-1, None] + np.diff(cuts)[:, None] * nodes) / 2)
    return float((np.diff(cuts)[:, None] * weights * dawsn(u) * u).sum())


def integrated_kl(alpha: float) -> float:
    """Return E log|ε| − ½log α + ½(γ + log 2) for ε normal with mean 1 and variance α: the same by its definition.

    Examples
    --------
    >>> round(integrated_kl(0.5), 5), round(integrated_kl(50.0), 5)
    (0.73944, 0.00997)
    """
    import numpy as np
    from scipy.integrate import quad

    def term(x: float) -> float:  # at ε = ±eˣ
        spread = np.exp(-((np.exp(x) - 1) ** 2) / (2 * alpha)) + np.exp(-((np.exp(x) + 1) ** 2) / (2 * alpha))
        return float(x * np.exp(x) * spread / np.sqrt(2 * np.pi * alpha))

    cuts = [-45.0, -10.0, -2.0, -0.5, 0.0, 0.5, float(np.log(2 + 12 * alpha**0.5))]
    mean = sum(quad(term, a, b, epsabs=1e-13, epsrel=1e-13, limit=200)[0] for a, b in pairwise(cuts))
    return float(mean - np.log(alpha) / 2 + (np.euler_gamma + np.log(2)) / 2)


def _routes_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    n, z, y, u = sp.symbols("n z y u", positive=True)
    count = sp.Symbol("n", integer=True, nonnegative=True)
    x, D = sp.Symbol("x", real=True), sp.Function("D")
    dawson = sp.sqrt(sp.pi) / 2 * sp.exp(-z) * sp.erfi(sp.sqrt(z))  # Dawson's integral at √z
    area = sp.integrate(sp.exp(z * x**2), (x, 0, 1)) * sp.exp(-z)
    chance, odd = sp.exp(-z) * z**n / sp.gamma(n + 1), sp.Rational(3, 2) + n
    return [
        equal(sp.Derivative(chance, z), chance * n / z - chance, "of a Poisson J: d/dz E f(J) = E f(J + 1) − E f(J)",
              r"\tfrac d{dz}\tfrac{e^{-z}z^n}{n!} = \tfrac{e^{-z}z^{n-1}}{(n-1)!}-\tfrac{e^{-z}z^n}{n!}"),
        equal(sp.expand_func(sp.gamma(odd)) / sp.gamma(odd - 1), odd - 1, "so that ψ(J + 3/2) − ψ(J + ½) = 1/(J + ½)",
              r"\Gamma(J+\tfrac32) = (J+\tfrac12)\,\Gamma(J+\tfrac12)"),
        equal(2 * sp.Integral(y ** (2 * n), (y, 0, 1)), 1 / (odd - 1), "as an integral"),
        equal(sp.Sum(sp.exp(-z) * z**count / sp.factorial(count) * y ** (2 * count), (count, 0, sp.oo)),
              sp.exp(-z * (1 - y**2)), "whose integrand has this Poisson mean"),
        equal(area, dawson / sp.sqrt(z), "so the slope of the first form in z is D(√z)/√z",
              r"\tfrac{d}{dz}\tfrac12\mathbb E[\psi(\tfrac12+J)] = e^{-z}\!\int_0^1 e^{zx^2}dx = D(\sqrt z)/\sqrt z"),
        equal(sp.Derivative(2 * sp.Integral(D(u), (u, 0, sp.sqrt(z))), z), D(sp.sqrt(z)) / sp.sqrt(z), "as that of the "
              "second is; both are 0 at z = 0"),
        equal(-2 * z * (2 * n + 2) / ((2 * n + 4) * (2 * n + 3)), -z * (n + 1) / ((n + 2) * odd),
              "the series of the second, and of z 2F2, begin with z and have the same ratio of terms",
              r"\frac{t_{n+1}}{t_n} = \frac{-2z(2n+2)}{(2n+3)(2n+4)} = \frac{-z(n+1)}{(n+2)(n+\frac32)}"),
    ]  # fmt: skip


def _routes(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare the area under Dawson's curve with both other forms, and with the divergence itself, an integral."""
    import mpmath
    import numpy as np
    from scipy.special import digamma, gammaln

    alpha = float(10 ** rng.uniform(-2, 1))
    z = 0.5 / alpha
    j = np.arange(0, int(z + 12 * z**0.5 + 60))
    chance = np.exp(j * np.log(z) - z - gammaln(j + 1))
    poisson = float(chance @ (digamma(j + 0.5) - digamma(0.5))) / 2
    hyper = float(z * mpmath.hyp2f2(1, 1, 1.5, 2, -z))
    stated = exact_kl(alpha / 2 if control else alpha)
    return Pair(stated, max(poisson, hyper, integrated_kl(alpha), key=lambda value: abs(value - stated)), {"α": alpha})


def _routes_moved(rng: "np.random.Generator") -> Pair:
    return _routes(rng, control=True)


ROUTES: Final = Claim(
    id="variational/three-exact-forms",
    title="The divergence of variational dropout has three exact forms",
    statement=r"$KL=\mathbb E\log|\varepsilon|-\tfrac12\log\alpha+\mathrm{const}$, $\varepsilon\sim N(1,\alpha)$, with "
    r"the constant such that $KL\to0$ as $\alpha\to\infty$, is $\tfrac12\mathbb E[\psi(\tfrac12+J)-\psi(\tfrac12)]$, "
    r"$J\sim\mathrm{Poisson}(z)$, $z=\tfrac1{2\alpha}$; $2\int_0^{\sqrt z}D(u)\,du$, $D$ Dawson's integral; and "
    r"$z\,{}_2F_2(1,1;\tfrac32,2;-z)$.",
    source=f"the divergence of {KINGMA}; the forms {OURS}",
    relation="equal",
    parameters={"α": "> 0, the variance of the noise"},
    derive=proof(_routes_steps, "z > 0, n ≥ 0; that the forms are the divergence is solved", seconds=3),
    solve=numbers(_routes, draws=25, control=_routes_moved, seconds=2, what="The area under Dawson's curve against the "
                  "Poisson mean, the hypergeometric series, and the divergence as an integral over ε, whichever "
                  "differs most; the control takes z = 1/α."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _small_noise() -> Any:
    import sympy as sp

    from etatrick.theory.special import Dawson

    s = sp.Symbol("s", positive=True)
    return (s * Dawson(s) - sp.Rational(1, 2)) * 2 * s**2, s


def _cubic_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import tends

    formula, s = _small_noise()
    return [tends(formula, s, sp.oo, sp.Rational(116145124, 10**8), "the slope of −KL − ½log α at α = 0 is c₁",
                  r"\lim_{s\to\infty}s^2(2sD(s)-1) = 1.16145124")]  # fmt: skip


def _cubic_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import tends

    formula, s = _small_noise()
    return [tends(formula, s, sp.oo, sp.Rational(1, 2), "dKL/dα = −sD(s)/α with s = 1/√(2α) and Dawson's D: "
                  "the slope of −KL − ½log α at α = 0")]  # fmt: skip


def _slope(rng: "np.random.Generator", stated: float = 1.16145124) -> Pair:
    import mpmath

    alpha = float(10 ** rng.uniform(-7.5, -7))
    with mpmath.workdps(40):  # E 1/(2J + 1) over Poisson J as a Laplace integral, to second order beyond doubt
        z = 1 / (2 * mpmath.mpf(alpha))
        rate = mpmath.quad(lambda x: mpmath.exp(-z * x * (2 - x)), [0, 30 / z, 1])  # D(√z)/√z
        slope = (z * rate - mpmath.mpf(1) / 2) / alpha
    return Pair(stated, float(slope), {"α": alpha})


def _half_slope(rng: "np.random.Generator") -> Pair:
    return _slope(rng, stated=0.5)


CUBIC: Final = Claim(
    id="variational/kingma-cubic",
    title="The cubic fit of the divergence has the wrong slope at small noise",
    statement=r"For $\alpha\le1$, $-KL\approx\mathrm{const}+\tfrac12\log\alpha+c_1\alpha+c_2\alpha^2+c_3\alpha^3$ with "
    r"$c_1=1.16145124$.",
    source=f"{KINGMA}, the appended approximation",
    relation="corrected",
    parameters={"α": "0 < α ≤ 1, the variance of the noise"},
    corrected=r"The linear coefficient at $\alpha=0$ is $\tfrac12$; a cubic with 1.161 errs by up to 0.040. Dawson's "
    r"integral needs no fit.",
    derive=refutation(_cubic_said, _cubic_holds, "α → 0", seconds=3),
    solve=mismatch(
        _slope, _half_slope, draws=6, tolerance="SOLVER", seconds=1,
        what="c₁ and ½ against the slope of −KL − ½log α near α = 3e-8, from a Laplace integral in 40 digits.",
    ),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _fit_error(rng: "np.random.Generator", cubic: bool = False) -> Pair:
    import numpy as np

    log_alpha = float(rng.uniform(-8, 0 if cubic else 6))
    alpha = float(np.exp(log_alpha))
    sigmoid = 1 / (1 + np.exp(-(1.87320 + 1.48695 * log_alpha)))
    fit = 0.63576 * (1 - sigmoid) + np.log1p(1 / alpha) / 2
    if cubic:
        fit = 0.6352 - log_alpha / 2 - 1.16145124 * alpha + 1.50204118 * alpha**2 - 0.58629921 * alpha**3
    return Pair(0.0095, float(abs(fit - exact_kl(alpha))), {"log α": log_alpha})


def _cubic_error(rng: "np.random.Generator") -> Pair:
    return _fit_error(rng, cubic=True)


FIT: Final = Claim(
    id="variational/molchanov-error",
    title="The usual fit of the divergence errs by less than 0.0095",
    statement=r"$KL\approx k_1(1-\sigma(k_2+k_3\log\alpha))$ $+\tfrac12\log(1+1/\alpha)$ with $k=(0.63576,1.87320,"
    r"1.48695)$ errs by at most 0.0095, the most near $\log\alpha=-3.5$.",
    source=f"Molchanov, Ashukha, Vetrov 2017; the bound {OURS}",
    relation="upper",
    parameters={"α": "e⁻⁸ ≤ α ≤ e⁶, the variance of the noise"},
    derive=Absent("a numerical fit: there is no formula from which its error follows"),
    solve=numbers(_fit_error, draws=300, relation="upper", control=_cubic_error, what="0.0095 against the error of the "
                  "fit at random α; the control is the cubic fit on α ≤ 1, which errs by up to 0.04."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _rule_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.theory.special import Dawson
    from etatrick.validation.routes.facts import at_least, equal

    a, t, u, r = sp.symbols("alpha t u s", positive=True)
    D, s = sp.Function("D"), 1 / sp.sqrt(2 * a)
    ard = t**2 * a / 2 + sp.log(1 + 1 / a) / 2
    area = sp.sqrt(sp.pi) / 2 * sp.erfi(r)  # F, with D = e^(−s²)F
    bracket = (3 - 2 * r**2) * area + r * sp.exp(r**2)
    squares = (4 * r**3 * Dawson(r)).subs(r, sp.exp(sp.Rational(-3, 2)) / sp.sqrt(2)), sp.exp(-3) / (sp.exp(3) + 1)
    exact, other = ((x - sp.Rational(2 * m - 1, 20_000) ** 2) * (sp.Rational(2 * m + 1, 20_000) ** 2 - x)
                    for x, m in zip(squares, (494, 486), strict=True))  # fmt: skip
    return [
        equal(sp.Derivative(2 * sp.Integral(D(u), (u, 0, s)), a), -s * D(s) / a, "the slope of the exact divergence is "
              "−½t², so α is stationary, at t² = 2sD(s)/α = 4s³D(s), s = 1/√(2α)",
              r"\frac{dKL}{d\alpha} = \frac d{d\alpha}2\int_0^sD(u)\,du = -\frac{s\,D(s)}\alpha"),
        equal(sp.Derivative(r**3 * sp.exp(-(r**2)) * area, r), r**2 * sp.exp(-(r**2)) * bracket, "t² and s, as D(s) is "
              "e^(−s²)F(s), F the integral of e^(x²)", r"\tfrac d{ds}s^3D(s) = s^2e^{-s^2}((3-2s^2)F(s)+se^{s^2})"),
        at_least(bracket, 0, "rise together: as α grows, its t falls", r"(3-2s^2)F(s)+se^{s^2} > 0", strict=True,
                 rising=r),
        at_least(exact, 0, "at log α = 3 it is 0.0494", r"0.04935 < t < 0.04945", strict=True),
        equal(sp.Subs(sp.Derivative(ard, a), t, 1 / sp.sqrt(a * (a + 1))), 0, "for ARD α is stationary at t² = "
              "1/(α(α + 1)), which falls as well", r"\tfrac12t^2+\tfrac d{d\alpha}\tfrac12\log(1+\tfrac1\alpha) = 0"
              r"\ \text{at}\ t^2=\tfrac1{\alpha(\alpha+1)}"),
        at_least(other, 0, "at log α = 3 that is 0.0486", r"0.04855 < t < 0.04865", strict=True),
    ]  # fmt: skip


def _rule(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare log α with the minimiser of ½t²α + KL(α) at the t that the formula gives, by sections."""
    import numpy as np
    from scipy.special import dawsn

    level, exact = float(rng.uniform(0, 4)), bool(rng.integers(2))
    alpha, s = np.exp(level), np.exp(-level / 2) / 2**0.5
    t = float((2 * s * dawsn(s) / alpha) ** 0.5 if exact != control else (alpha * (alpha + 1)) ** -0.5)
    low, high = level - 2, level + 2.5
    for _ in range(60):
        pair = [low + 0.4 * (high - low), low + 0.6 * (high - low)]
        costs = [t * t * np.exp(x) / 2 + (exact_kl(float(np.exp(x))) if exact else np.log1p(np.exp(-x)) / 2)
                 for x in pair]  # fmt: skip
        low, high = (low, pair[1]) if costs[0] < costs[1] else (pair[0], high)
    return Pair(level, (low + high) / 2, {"log α": level, "exact": float(exact), "t": t})


def _rules_swapped(rng: "np.random.Generator") -> Pair:
    return _rule(rng, control=True)


RULE: Final = Claim(
    id="variational/pruning-rule",
    title="Pruning at log α > 3 is a threshold of 0.0494 on the scaled weight",
    statement=r"The noise $\alpha$ of least $\tfrac12t^2\alpha+KL(\alpha)$, $t=\lVert x\rVert|\theta|$, satisfies "
    r"$t^2=2sD(s)/\alpha$, $s=1/\sqrt{2\alpha}$, so $\log\alpha>3$ iff $t<0.0494$; for the empirical Bayes prior "
    r"(ARD), $t^2=1/(\alpha(\alpha+1))$ and $t<0.0486$.",
    source=f"the rule of Molchanov, Ashukha, Vetrov 2017, in the linear model; the threshold {OURS}",
    relation="iff",
    parameters={"α": "> 0", "t": "> 0, in units of the label noise", "D": "Dawson's integral"},
    derive=proof(_rule_steps, "α, t > 0"),
    solve=numbers(_rule, draws=12, tolerance="SOLVER", control=_rules_swapped, seconds=2, what="log α against the "
                  "minimiser of ½t²α + KL(α); the control swaps the two priors."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (ROUTES, CUBIC, FIT, RULE)
