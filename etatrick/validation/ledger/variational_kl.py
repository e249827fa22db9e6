"""Claims on the divergence of variational dropout: three exact forms, two fits, the pruning rule, and the tails."""

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


def _routes_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    n, z, y = sp.symbols("n z y", positive=True)
    x = sp.Symbol("x", real=True)
    dawson = sp.sqrt(sp.pi) / 2 * sp.exp(-z) * sp.erfi(sp.sqrt(z))  # Dawson's integral at √z
    area = sp.integrate(sp.exp(z * x**2), (x, 0, 1)) * sp.exp(-z)
    odd = sp.Rational(3, 2) + n
    return [
        equal(sp.expand_func(sp.gamma(odd)) / sp.gamma(odd - 1), odd - 1, "so that ψ(J + 3/2) − ψ(J + ½) = 1/(J + ½)",
              r"\Gamma(J+\tfrac32) = (J+\tfrac12)\,\Gamma(J+\tfrac12)"),
        equal(2 * sp.integrate(y ** (2 * n), (y, 0, 1)), 1 / (odd - 1), "that is 2∫y^(2J)dy over (0, 1)"),
        equal(area, dawson / sp.sqrt(z), "its Poisson mean is e^(−z)∫e^(zx²)dx = D(√z)/√z",
              r"\tfrac{d}{dz}\tfrac12\mathbb E[\psi(\tfrac12+J)] = e^{-z}\!\int_0^1 e^{zx^2}dx = D(\sqrt z)/\sqrt z"),
        equal(-2 * z * (2 * n + 2) / ((2 * n + 4) * (2 * n + 3)), -z * (n + 1) / ((n + 2) * odd),
              "the series of the area under Dawson's curve and of the 2F2 have the same ratio of terms",
              r"t_{n+1}/t_n = -z\frac{n+1}{(n+2)(n+\frac32)}"),
    ]  # fmt: skip


def _routes(rng: "np.random.Generator", control: bool = False) -> Pair:
    import mpmath
    import numpy as np
    from scipy.special import digamma, gammaln

    alpha = float(10 ** rng.uniform(-2, 1))
    z = 0.5 / alpha
    j = np.arange(0, int(z + 12 * z**0.5 + 60))
    chance = np.exp(j * np.log(z) - z - gammaln(j + 1))
    poisson = float(chance @ (digamma(j + 0.5) - digamma(0.5))) / 2
    hyper = float(z * mpmath.hyp2f2(1, 1, 1.5, 2, -z))
    stated = exact_kl(alpha) + (0.01 if control else 0.0)
    return Pair(stated, max(poisson, hyper, key=lambda value: abs(value - stated)), {"α": alpha})


def _routes_moved(rng: "np.random.Generator") -> Pair:
    return _routes(rng, control=True)


ROUTES: Final = Claim(
    id="variational/three-exact-forms",
    title="The divergence of variational dropout has three exact forms",
    statement=r"With $z=1/2\alpha$ and the constant such that $KL\to0$ as $\alpha\to\infty$: "
    r"$KL=\tfrac12\mathbb E_{J\sim\mathrm{Poisson}(z)}[\psi(\tfrac12+J)-\psi(\tfrac12)]=2\int_0^{\sqrt z}D(u)\,du"
    r"=z\,{}_2F_2(1,1;\tfrac32,2;-z)$, $D$ Dawson's integral.",
    source=f"the divergence of {KINGMA}; the forms {OURS}",
    relation="equal",
    parameters={"α": "α > 0"},
    derive=proof(_routes_steps, "z > 0, n ≥ 0", seconds=2),
    solve=numbers(_routes, draws=25, control=_routes_moved, seconds=1, what="The area under Dawson's curve against the "
                  "Poisson mean and the hypergeometric series, whichever differs more; the control is off by 0.01."),
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
    return [tends(formula, s, sp.oo, sp.Rational(116145124, 10**8), "the slope of −KL − ½log α at α = 0 is c₁")]


def _cubic_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import tends

    formula, s = _small_noise()
    return [tends(formula, s, sp.oo, sp.Rational(1, 2), "the slope of −KL − ½log α at α = 0, with s = 1/√(2α)")]


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
    parameters={"α": "0 < α ≤ 1"},
    corrected=r"The linear coefficient at $\alpha=0$ is $\tfrac12$; a cubic with 1.161 errs by up to 0.040. Dawson's "
    r"integral needs no fit.",
    derive=refutation(_cubic_said, _cubic_holds, "α → 0", seconds=3),
    solve=mismatch(
        _slope,
        _half_slope,
        draws=6,
        tolerance="SOLVER",
        seconds=1,
        what="c₁ and ½ against the slope of −KL − ½log α near α = 3e-8, from a Laplace integral in 40 digits.",
    ),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)


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
    statement=r"$KL\approx k_1(1-\sigma(k_2+k_3\log\alpha))+\tfrac12\log(1+1/\alpha)$ with $k=0.63576,1.87320,1.48695$ "
    r"errs by at most 0.0095, the most near $\log\alpha=-3.5$.",
    source=f"Molchanov, Ashukha, Vetrov 2017; the bound {OURS}",
    relation="upper",
    parameters={"α": "e⁻⁸ ≤ α ≤ e⁶"},
    derive=Absent("a numerical fit: there is no formula from which its error follows"),
    solve=numbers(_fit_error, draws=300, relation="upper", control=_cubic_error, what="0.0095 against the error of the "
                  "fit at random α; the control is the cubic fit on α ≤ 1, which errs by up to 0.04."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _rule_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, t = sp.symbols("alpha t", positive=True)
    D = sp.Function("D")
    s = 1 / sp.sqrt(2 * a)
    slope = 2 * D(s) * sp.diff(s, a)  # of 2∫₀ˢD
    ard = sp.log(1 + 1 / a) / 2
    return [
        equal(slope, -s * D(s) / a, "the slope of the exact divergence", r"\frac{dKL}{d\log\alpha} = -s\,D(s)"),
        equal(
            (t**2 / 2 + slope).subs(t, sp.sqrt(2 * s * D(s) / a)), 0, "so α is optimal at t² = 2sD(s)/α, s = 1/√(2α)"
        ),
        equal((t**2 / 2 + sp.diff(ard, a)).subs(t, 1 / sp.sqrt(a * (a + 1))), 0, "and for ARD at t² = 1/(α(α + 1))"),
    ]


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
    statement=r"The optimal noise of $t=\lVert x\rVert|\theta|$ satisfies $t^2=2sD(s)/\alpha$, $s=1/\sqrt{2\alpha}$, "
    r"so $\log\alpha>3$ iff $t<0.0494$; for the empirical Bayes prior $t^2=1/\alpha(\alpha+1)$, and $t<0.0486$.",
    source=f"the rule of Molchanov, Ashukha, Vetrov 2017, in the linear model; the threshold {OURS}",
    relation="iff",
    parameters={"α": "α > 0", "t": "t > 0, unit noise variance"},
    derive=proof(_rule_steps, "α, t > 0"),
    solve=numbers(_rule, draws=12, tolerance="SOLVER", control=_rules_swapped, seconds=2, what="log α against the "
                  "minimiser of ½t²α + KL(α); the control swaps the two priors."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _tail_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.theory.special import Dawson
    from etatrick.validation.routes.facts import tends

    s = sp.Symbol("s", positive=True)
    ard = w * (sp.sqrt(w**2 + 4) - w) / 4 + sp.asinh(w / 2)
    return [
        tends(s * Dawson(s), s, sp.oo, sp.Rational(1, 2), "½t²α = sD(s) → ½, and t² = 4s³D(s) ~ 2s²"),
        tends(ard - sp.log(w), w, sp.oo, sp.Rational(1, 2), "ARD: Ω − log t → ½"),
        tends(sp.diff(ard, w), w, 0, 1, "and a cusp of slope 1"),
    ]


def _tail(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare Ω − log t with its limit at a large t, for the exact divergence, along s."""
    import numpy as np
    from scipy.special import dawsn

    s = float(10 ** rng.uniform(4, 6))
    value = s * dawsn(s) + exact_kl(0.5 / s**2) - np.log(4 * s**3 * dawsn(s)) / 2
    return Pair(0.5 + (0 if control else (np.euler_gamma + np.log(2)) / 2), float(value), {"s": s})


def _ard_tail(rng: "np.random.Generator") -> Pair:
    return _tail(rng, control=True)


TAILS: Final = Claim(
    id="variational/tails",
    title="Both variational penalties end in log t; they differ by a constant",
    statement=r"As $t\to\infty$, $\Omega-\log t\to\tfrac12+\tfrac12(\gamma+\log2)$ for the log-uniform prior, and "
    r"$\tfrac12$ for the empirical Bayes prior; both have slope 1 at 0.",
    source=OURS,
    relation="limit",
    parameters={"t": "t = ‖x‖|θ|, unit noise variance"},
    derive=proof(_tail_steps, "t, s → ∞", seconds=3),
    solve=numbers(_tail, draws=20, tolerance="SOLVER", control=_ard_tail, what="The limit against Ω − log t at t near "
                  "1e4 to 1e6, the divergence by quadrature; the control is the limit of ARD."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (ROUTES, CUBIC, FIT, RULE, TAILS)
