"""Claims on gates with priors: the variational Bernoulli gate and its limit, log prices, and local minima of gates."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _bernoulli_prior() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions, equal, tends

    a, c, s, q, kappa = sp.symbols("a c s q kappa", positive=True)

    def price(alpha: Any, prior: Any) -> Any:
        return alpha * sp.log(alpha / prior) + (1 - alpha) * sp.log((1 - alpha) / (1 - prior))

    slope = kappa * sp.diff(price(a, 1 / (1 + q)), a).subs(a, 1 / (1 + c))
    law = strategies["variational_bernoulli"](kappa=1, prior=0.1).duality
    named = r"\mathrm{KL}(\mathrm{Bern}(\alpha)\|\mathrm{Bern}(0.1))"
    return [
        equal(slope, kappa * (sp.log(q) - sp.log(c)), "the slope of the price, at α = 1/(1 + c), p₀ = 1/(1 + q)",
              r"R'(\alpha) = \kappa\,(\mathrm{logit}\,\alpha-\mathrm{logit}\,p_0)"),
        tends(c / s * price(1 / (1 + q), sp.exp(-s)), s, sp.oo, c / (1 + q),
              "the price of α = 1/(1 + q) as p₀ = e^(−s) → 0 with κs = c",
              r"\lim_{s\to\infty} \tfrac cs\,\mathrm{KL}(\mathrm{Bern}(\alpha)\|\mathrm{Bern}(e^{-s})) = c\,\alpha"),
        *conditions(law, "subquadratic", "bounded", of=named),
        *conditions(law, "exact_zeros", of=named, wanted="fails"),
    ]  # fmt: skip


def _gate(rng: "np.random.Generator") -> Pair:
    import numpy as np

    from etatrick.theory.gates.laws import VariationalBernoulli

    kappa, prior, x = (
        float(10 ** rng.uniform(-0.5, 0.5)),
        float(rng.uniform(0.02, 0.8)),
        float(10 ** rng.uniform(-1, 0.7)),
    )

    def energy(z: Any) -> Any:
        a, closed = 1 / (1 + np.exp(-z)), 1 / (1 + np.exp(z))
        price = a * np.log(a / prior) + closed * np.log(closed / (1 - prior))
        return x * x * np.exp(-z) / 2 + kappa * price

    low = float(np.log(prior / (1 - prior)))
    return Pair(float(VariationalBernoulli(kappa, prior).penalty_at(x)), zoomed(energy, low - 1, low + 40, rounds=5),
                {"κ": kappa, "p₀": prior, "w": x})  # fmt: skip


BERNOULLI_PRIOR: Final = Claim(
    id="strategies/variational-bernoulli",
    title="A Bernoulli gate with a prior: quadratic at 0, bounded, with CEL0 as its limit",
    statement=r"The price $\kappa\,\mathrm{KL}(\mathrm{Bern}(\alpha)\|\mathrm{Bern}(p_0))$ has "
    r"$w^2=2\kappa\alpha^2[\mathrm{logit}\,\alpha-\mathrm{logit}\,p_0]$, $\alpha\ge p_0$: no exact zeros, bounded by "
    r"$\kappa\log(1/p_0)$; with $p_0\to0$ and $\kappa\log(1/p_0)=c$ it tends to the price $c\alpha$ of CEL0.",
    source="Gal, Ghahramani 2016 (the divergence); the penalty " + OURS,
    relation="limit",
    parameters={"κ": "> 0", "p₀": "0 < p₀ < 1"},
    derive=proof(_bernoulli_prior, "κ > 0, 0 < α < 1; the conditions at κ = 1, p₀ = 0.1", seconds=7),
    solve=numbers(_gate, draws=30, what="The law's Ω against the minimum over the gate's log-odds "
                  "of ½w²(1 − α)/α plus the price."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _log_prices() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, w
    from etatrick.validation.routes.facts import at_least, equal, tends

    k, s, q = sp.symbols("kappa s q", positive=True)
    retain, odds = 2 * k * sp.log(eta / (1 + eta)), 2 * k * sp.log(eta)
    inside = sp.sqrt(2 * k / (1 + s))  # any w with w² < 2κ
    rule = w**2 / (2 * k - w**2)
    penalty = k * sp.log(w**2 / (2 * k)) + k - w**2 / 2
    return [
        equal(eta**2 * sp.Derivative(retain, eta), 2 * k * eta / (1 + eta), "log α, f(η) = 2κ log(η/(1 + η)): η²f′",
              r"\eta^2\frac{d}{d\eta}\left[2\kappa\log\frac\eta{1+\eta}\right] = \frac{2\kappa\eta}{1+\eta}"),
        equal(sp.Subs(2 * k * eta / (1 + eta), eta, rule), w**2, "which is w² at η̂ = w²/(2κ − w²)"),
        equal(((w**2 / rule + retain.subs(eta, rule)) / 2).subs(w, inside), penalty.subs(w, inside),
              "the energy there, for w² < 2κ", r"\tfrac12\left[w^2/\hat\eta+f(\hat\eta)\right]"
              r" = \kappa\log\tfrac{w^2}{2\kappa}+\kappa-\tfrac{w^2}2"),
        tends(penalty, w, 0, -sp.oo, "−∞ at 0: improper",
              r"\lim_{w\to0^+} \left[\kappa\log\tfrac{w^2}{2\kappa}+\kappa-\tfrac{w^2}2\right] = -\infty"),
        at_least((2 * k + q) / eta**2, sp.diff(retain, eta), "beyond, w² = 2κ + q, the energy falls as η grows",
                 r"w^2/\eta^2 > f'(\eta)", strict=True),
        tends(w**2 / eta + retain, eta, sp.oo, 0, "towards 0",
              r"\lim_{\eta\to\infty} \left[w^2/\eta+f(\eta)\right] = 0"),
        equal(sp.Subs(eta**2 * sp.Derivative(odds, eta), eta, w**2 / (2 * k)), w**2,
              "log-odds, f = 2κ log η: η²f′ is w² at η̂ = w²/2κ"),
        equal(sp.Derivative(2 * k * sp.log(w), w), 2 * k / w, "and Ω = 2κ log w has Ω′ = w/η̂ = 2κ/w"),
    ]  # fmt: skip


def _log_retain(rng: "np.random.Generator") -> Pair:
    import numpy as np

    k = float(10 ** rng.uniform(-0.5, 0.5))
    x = float(rng.uniform(0.1, 1.5)) * (2 * k) ** 0.5
    least = zoomed(lambda z: x * x * np.exp(-z) / 2 + k * (z - np.logaddexp(0, z)), -14, 40, rounds=5)
    inside = k * float(np.log(x * x / (2 * k))) + k - x * x / 2
    return Pair(inside if x * x < 2 * k else 0.0, min(least, 0.0), {"κ": k, "w": x})


LOG_PRICES: Final = Claim(
    id="strategies/log-prices",
    title="Gates priced by log α and by log-odds are improper at 0",
    statement=r"$R=\kappa\log\alpha$ has $\Omega=\kappa\log\tfrac{w^2}{2\kappa}+\kappa-\tfrac{w^2}2$ below "
    r"$\sqrt{2\kappa}$ and 0 beyond; $R=\kappa\log\tfrac\alpha{1-\alpha}$ has, up to a constant, "
    r"$\Omega=2\kappa\log|w|$: both are $-\infty$ at 0.",
    source="Lee et al. 2018 (as a surrogate of its prior); the penalties " + OURS,
    relation="equal",
    parameters={"κ": "> 0"},
    derive=proof(_log_prices, "κ > 0, w² < 2κ where the first form is used", seconds=2),
    solve=numbers(_log_retain, draws=40, what="For κ log α, the closed form against the minimum over the gate's "
                  "log-odds of ½w²(1 − α)/α + κ log α."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _said_benign() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    law = strategies["hard_concrete"]().duality
    return about("every dual", conditions(law, "canonical", of=r"f=\mathrm P(s\ne0),\ \text{hard concrete}"))


def _truly_benign() -> list[Fact]:
    from etatrick.theory import derive, strategies
    from etatrick.validation.routes.facts import conditions

    smooth = strategies["variational_dropout"]().duality
    return [*about("variational dropout", conditions(smooth, "canonical", of=r"f'(\eta)=D(x)/x,\ x^2=\eta/2")),
            *about("ARD", conditions(derive(dual="log(1 + eta)"), "canonical", of=r"f=\log(1+\eta)"))]  # fmt: skip


def _minima(energies: Any) -> float:
    """Count the local minima along a grid; an end at which the energy still falls counts as one."""
    inner = energies[1:-1]
    return float(((inner < energies[:-2]) & (inner < energies[2:])).sum() + (energies[-1] < energies[-2]))


def _hysteresis(rng: "np.random.Generator") -> Pair:
    """Count the local minima over log a of the hard concrete energy at a weight of its coexistence interval."""
    import numpy as np

    from etatrick.validation.ledger.gate_rules import gate_moments

    x = float(rng.uniform(0.512, 0.536))
    noise, dual = gate_moments(np.linspace(-6, 12, 601))
    return Pair(1.0, _minima(x * x * noise + dual), {"w": x})


def _single(rng: "np.random.Generator") -> Pair:
    import numpy as np

    x, z = float(rng.uniform(0.1, 3)), np.linspace(-8, 8, 1801)
    return Pair(1.0, _minima(x * x * np.exp(-z) + np.log1p(np.exp(z))), {"w": x})


JOINT: Final = Claim(
    id="errata/joint-descent-is-harmless",
    title="Joint descent on weights and gates can have minima that the penalty does not have",
    statement=r"Minimising $L+\tfrac\lambda2\sum[w^2/\eta+f(\eta)]$ jointly over $w$ and the gate's parameter is the "
    r"same problem as minimising $L+\lambda\Omega$: for fixed $w$ the gate has one local minimum.",
    source=f"{SOURCE}, the joint form; {OURS}",
    relation="corrected",
    parameters={"w": "about 0.506 to 0.542 for the hard concrete, λ = 1"},
    corrected=r"Only where $\eta^2f'(\eta)$ is monotone (canonical). The hard concrete gate has two local minima in "
    r"its parameter for weights near its jump, hence hysteresis.",
    derive=refutation(_said_benign, _truly_benign, "η > 0", seconds=4),
    solve=mismatch(_hysteresis, _single, draws=20, tolerance="EXACT", what="1 against the number of local minima of "
                   "the hard concrete's energy on a grid of gate parameters; what holds is counted for ARD."),
    observe=FORMAL,
    tolerance="EXACT: equality",
)  # fmt: skip

CLAIMS: Final = (BERNOULLI_PRIOR, LOG_PRICES, JOINT)
