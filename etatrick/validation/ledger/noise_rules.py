"""Claims on dropout rules that come from Gaussian noise: fixed rates, variational dropout, ARD, a Gaussian prior."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.combining import least_energy
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def _fixed() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, eta, parameter, w
    from etatrick.validation.routes.facts import conditions, equal

    scale, alpha = parameter("c"), parameter("alpha")
    fixed = derive(eta_hat=scale)
    near, far = (fixed.dual.subs({eta: factor * scale}) for factor in (sp.Rational(1, 2), 2))
    return [
        equal(fixed.penalty.subs(scale, alpha / (1 - alpha)), w**2 * (1 - alpha) / (2 * alpha),
              "the penalty that is derived from η̂ = α/(1 − α)", r"\Omega = w^2(1-\alpha)/(2\alpha)"),
        equal(near, 0, "its dual below η₀", r"f(\tfrac12\eta_0) = 0"),
        equal(1 / far, 0, "and beyond", r"f(2\eta_0) = \infty"),
        *conditions(fixed, "subquadratic", "convex", of=r"\Omega = w^2/(2\eta_0)"),
        *conditions(fixed, "exact_zeros", of=r"\Omega = w^2/(2\eta_0)", wanted="fails"),
    ]  # fmt: skip


def _shrunk(rng: "np.random.Generator") -> Pair:
    """Compare αv, the ridge solution for one unit column, with the minimiser of the mean over both mask values."""
    import numpy as np

    alpha, v = float(rng.uniform(0.2, 0.95)), float(rng.uniform(0.5, 3))
    grid = [0.0, v]
    for _ in range(200):  # golden section on E½(v − s·u)² with s = 1/α or 0
        a, b = grid[0] + 0.381966 * (grid[1] - grid[0]), grid[0] + 0.618034 * (grid[1] - grid[0])
        values = [alpha * (v - u / alpha) ** 2 + (1 - alpha) * v**2 for u in (a, b)]
        grid = [grid[0], b] if values[0] < values[1] else [a, grid[1]]
    return Pair(alpha * v, float(np.mean(grid)), {"α": alpha, "v": v})


FIXED_RATE: Final = Claim(
    id="strategies/fixed-rate",
    title="Dropout at a fixed rate is ridge regression, and never exactly sparse",
    statement=r"A constant $\alpha$ has $\Omega(w)=w^2/(2\eta_0)$ with $\eta_0=\alpha/(1-\alpha)$, and $f=0$ up to "
    r"$\eta_0$, $+\infty$ beyond: convex, and no weight is ever exactly 0.",
    source="Srivastava et al. 2014; Wager, Wang, Liang 2013, in the linear model",
    relation="equal",
    parameters={"α": "0 < α < 1"},
    derive=proof(_fixed, "w > 0, η₀ > 0"),
    solve=numbers(_shrunk, draws=40, tolerance="SOLVER", what="The ridge solution αv against the minimiser of the mean "
                  "of ½(v − su)² over s = 1/α or 0, by golden section."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _variational() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, strategies
    from etatrick.theory.special import Dawson
    from etatrick.validation.routes.facts import conditions, equal, tends

    duality = strategies["variational_dropout"]().duality
    slope, named = sp.diff(duality.dual, eta), r"f'(\eta) = D(x)/x"
    return [
        equal(slope, Dawson(sp.sqrt(eta / 2)) / sp.sqrt(eta / 2), "the slope of f", r"f'(\eta) = D(x)/x,\ x^2=\eta/2"),
        tends(slope, eta, 0, 1, "f′(0) = Ω′(0+)² = 1: a cusp of slope 1",
              r"\lim_{\eta\to0^+} \frac{D(\sqrt{\eta/2})}{\sqrt{\eta/2}} = 1"),
        tends(duality.dual - sp.log(eta), eta, sp.oo, sp.EulerGamma + sp.log(2), "f = log η + γ + log 2 + o(1)",
              r"\lim_{\eta\to\infty}[f(\eta)-\log\eta] = \gamma+\log2"),
        *conditions(duality, "canonical", "subquadratic", "exact_zeros", "concave", "unbiased", of=named),
        *conditions(duality, "convex", "bounded", of=named, wanted="fails"),
    ]  # fmt: skip


def _divergence(rng: "np.random.Generator") -> Pair:
    """Compare f with twice E log|√η + Z| − E log|Z|, by quadrature in the log of the distance to the pole."""
    import numpy as np
    from scipy.integrate import quad

    from etatrick.theory import strategies

    eta = float(10 ** rng.uniform(-2, 2))

    def density(t: float, centre: float) -> float:  # of z = −centre ± e^t, times t·e^t
        near = np.exp(-((centre + np.exp(t)) ** 2) / 2) + np.exp(-((centre - np.exp(t)) ** 2) / 2)
        return float(t * np.exp(t) * near / np.sqrt(2 * np.pi))

    top = float(np.log(eta**0.5 + 12))
    parts = [quad(density, -40, top, args=(c,), epsabs=1e-13, epsrel=1e-13, limit=400)[0] for c in (eta**0.5, 0.0)]
    return Pair(float(strategies["variational_dropout"]().duality.dual_at(eta)), 2 * (parts[0] - parts[1]), {"η": eta})


def _other_noise(rng: "np.random.Generator") -> Pair:
    import numpy as np

    right = _divergence(rng)
    return Pair(float(np.log1p(right.at["η"])), right.computed, right.at)  # the dual of ARD


VARDROP: Final = Claim(
    id="strategies/variational-dropout",
    title="Variational dropout with a log-uniform prior: a cusp of slope 1 and a logarithmic tail",
    statement=r"The KL divergence gives $f(\eta)=2(\mathbb E\log|\sqrt\eta+Z|-\mathbb E\log|Z|)$, $Z$ standard normal, "
    r"with $f'(\eta)=D(x)/x$, $x=\sqrt{\eta/2}$ (Dawson's integral). $\Omega$ is concave, $\Omega'(0^+)=1$, and $f$ "
    r"is canonical.",
    source="Kingma, Salimans, Welling 2015; Molchanov, Ashukha, Vetrov 2017; " + SOURCE,
    relation="equal",
    parameters={"η": "> 0"},
    derive=proof(_variational, "η > 0, λ = 1", seconds=6),
    solve=numbers(_divergence, draws=25, control=_other_noise, seconds=2, what="The closed form of f against the two "
                  "expectations by quadrature; the control is ARD's dual, log(1 + η)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _ard() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import parameter, strategies, w
    from etatrick.validation.routes.facts import conditions, equal, identities, tends

    c = parameter("c")
    duality = strategies["ard"].duality
    s = w * sp.sqrt(c)
    penalty = s * (sp.sqrt(s**2 + 4) - s) / 4 + sp.asinh(s / 2)
    slope = c / 2 * (sp.sqrt(w**2 + 4 / c) - w)
    return [
        equal(w / duality.eta_hat, slope, "the slope", r"\Omega' = \tfrac c2(\sqrt{w^2+4/c}-w)"),
        equal(sp.Derivative(penalty, w), slope, "the penalty of that slope, with s = w√c",
              r"\frac{d}{dw}\left[\tfrac s4(\sqrt{s^2+4}-s)+\mathrm{asinh}\,\tfrac s2\right]"
              r" = \tfrac c2(\sqrt{w^2+4/c}-w)"),
        tends(slope, w, 0, sp.sqrt(c), "a cusp", r"\lim_{w\to0^+} \tfrac c2(\sqrt{w^2+4/c}-w) = \sqrt c"),
        tends(w * slope, w, sp.oo, 1, "a logarithmic tail", r"\lim_{w\to\infty} w\,\Omega'(w) = 1"),
        *about("ARD", identities(duality)),
        *conditions(duality, "canonical", "exact_zeros", "concave", "unbiased", of=r"f=\log(1+c\eta)"),
    ]  # fmt: skip


def _ard_numbers(rng: "np.random.Generator") -> Pair:
    import numpy as np

    c, x = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-1, 1))
    s = x * c**0.5
    stated = s * ((s * s + 4) ** 0.5 - s) / 4 + float(np.arcsinh(s / 2))
    return Pair(stated, least_energy(x, lambda eta: np.log1p(c * eta)), {"c": c, "w": x})


ARD: Final = Claim(
    id="strategies/ard",
    title="Empirical-Bayes variational dropout (ARD) in closed form",
    statement=r"$f(\eta)=\log(1+c\eta)$ has $\Omega(w)=\tfrac s4(\sqrt{s^2+4}-s)+\mathrm{asinh}(s/2)$, $s=|w|\sqrt c$, "
    r"with a cusp of slope $\sqrt c$ and a logarithmic tail.",
    source="KL of Kharitonov, Molchanov, Vetrov 2018; Tipping 2001; the closed form " + OURS,
    relation="equal",
    parameters={"c": "> 0"},
    derive=proof(_ard, "w, η, c > 0", seconds=4),
    solve=numbers(_ard_numbers, draws=40, what="The closed form against half the minimum over η of w²/η + "
                  "log(1 + cη)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _gaussian_prior() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal

    a, t, s = sp.symbols("a t sigma", positive=True)
    charge = sp.log(s / (w * sp.sqrt(a))) + (w**2 + a * w**2) / (2 * s**2) - sp.Rational(1, 2)
    excess = t - 1 - sp.log(t)
    return [
        equal(sp.Subs(charge, a, t * s**2 / w**2), w**2 / (2 * s**2) + excess / 2,
              "the divergence is ridge and an excess, in t = aw²/σ²",
              r"\log\frac{\sigma}{w\sqrt a} + \frac{w^2+aw^2}{2\sigma^2} - \frac12"
              r" = \frac{w^2}{2\sigma^2} + \tfrac12\left[t-1-\log t\right]"),
        equal(sp.Subs(excess, t, 1), 0, "the excess is 0 at t = 1, where aw² = σ²"),
        at_least(excess.subs(t, 1 + a), 0, "and not negative for t = 1 + a", rising=a),
        at_least(excess.subs(t, 1 / (1 + a)) * (1 + a), 0, "nor for t = 1/(1 + a)", rising=a,
                 latex=r"\frac1{a+1} - 1 - \log\frac1{a+1} \ge 0"),
    ]  # fmt: skip


def _prior_numbers(rng: "np.random.Generator") -> Pair:
    """Minimise KL(N(w, aw²) ‖ N(0, σ²)) over a."""
    import numpy as np

    sigma, x = float(10 ** rng.uniform(-0.5, 0.5)), float(10 ** rng.uniform(-1, 1))

    def charge(z: Any) -> Any:
        variance = np.exp(z) * x * x
        return np.log(sigma) - np.log(variance) / 2 + (variance + x * x) / (2 * sigma**2) - 0.5

    return Pair(x * x / (2 * sigma**2), zoomed(charge, -20, 20, rounds=6), {"σ": sigma, "w": x})


GAUSSIAN_PRIOR: Final = Claim(
    id="strategies/gaussian-prior",
    title="Variational dropout with a Gaussian prior is ridge",
    statement=r"Minimised over the noise, $\mathrm{KL}(\mathcal N(w,aw^2)\,\|\,\mathcal N(0,\sigma^2))=w^2/(2\sigma^2)$"
    r": no sparsity.",
    source=OURS,
    relation="equal",
    parameters={"σ": "> 0", "a": "> 0, the variance of the relative noise"},
    derive=proof(_gaussian_prior, "w, a, σ > 0", seconds=2),
    solve=numbers(_prior_numbers, draws=40, what="w²/2σ² against the minimum of the divergence over a."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


CLAIMS: Final = (FIXED_RATE, VARDROP, ARD, GAUSSIAN_PRIOR)
