"""Claims on gates with priors: the variational Bernoulli gate and its limit, log prices, and local minima of gates."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _bernoulli_prior() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions, equal, tends

    a, c, s, q = sp.symbols("a c s q", positive=True)  # the prior is p = e^{−s}, its weight κ = c/s
    p, kappa = 1 / (1 + q), sp.Symbol("kappa", positive=True)
    charge = kappa * (a * sp.log(a / p) + (1 - a) * sp.log((1 - a) / (1 - p)))
    slope = sp.diff(charge, a).subs(a, 1 / (1 + c))
    law = strategies["variational_bernoulli"](kappa=1, prior=0.1).duality
    held = (c / s) * (a * sp.log(a) + a * s)  # what is left of the price as p → 0 with κ = c/s: the rest is O(1/s)
    return [
        equal(slope, kappa * (sp.log(q) - sp.log(c)), "R′ = κ(logit α − logit p₀), at α = 1/(1+c), p₀ = 1/(1+q)",
              r"R'(\alpha) = \kappa\,(\mathrm{logit}\,\alpha-\mathrm{logit}\,p_0)"),
        tends(held, s, sp.oo, c * a, "as p₀ = e^(−s) → 0 with κs = c the price of α tends to cα",
              r"\lim_{s\to\infty} \tfrac cs\,[\alpha\log\alpha+\alpha s] = c\,\alpha"),
        *conditions(law, "subquadratic", "bounded", of=r"\kappa=1,\ p_0=0.1"),
        *conditions(law, "exact_zeros", of=r"\kappa=1,\ p_0=0.1", wanted="fails"),
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
    parameters={"κ": "κ > 0", "p₀": "0 < p₀ < 1"},
    derive=proof(_bernoulli_prior, "κ > 0; the conditions at κ = 1, p₀ = 0.1", seconds=5),
    solve=numbers(_gate, draws=30, what="The law's Ω against the minimum over the gate's log-odds."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _log_prices() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, w
    from etatrick.validation.routes.facts import equal, tends

    k, s = sp.symbols("kappa s", positive=True)
    retain, odds = 2 * k * sp.log(eta / (1 + eta)), 2 * k * sp.log(eta)
    inside = sp.sqrt(2 * k / (1 + s))  # any w with w² < 2κ
    rule = w**2 / (2 * k - w**2)
    penalty = k * sp.log(w**2 / (2 * k)) + k - w**2 / 2
    return [
        equal((eta**2 * sp.diff(retain, eta)).subs(eta, rule).subs(w, inside), inside**2, "log α: η̂ = w²/(2κ − w²)"),
        equal(((w**2 / rule + retain.subs(eta, rule)) / 2 - penalty).subs(w, inside), 0, "its penalty below √(2κ)",
              r"\Omega = \kappa\log\tfrac{w^2}{2\kappa}+\kappa-\tfrac{w^2}2"),
        tends(penalty, w, 0, -sp.oo, "−∞ at 0: improper"),
        equal(penalty.subs(w, sp.sqrt(2 * k)), 0, "and 0 from √(2κ) on"),
        equal((eta**2 * sp.diff(odds, eta)).subs(eta, w**2 / (2 * k)), w**2, "log-odds: η̂ = w²/2κ"),
        equal(sp.diff(2 * k * sp.log(w), w), w / (w**2 / (2 * k)), "so Ω = 2κ log w"),
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
    r"$\sqrt{2\kappa}$ and 0 beyond; $R=\kappa\log\tfrac\alpha{1-\alpha}$ has $\Omega=2\kappa\log|w|$: both are "
    r"$-\infty$ at 0.",
    source="Lee et al. 2018 (as a surrogate of its prior); the penalties " + OURS,
    relation="equal",
    parameters={"κ": "κ > 0"},
    derive=proof(_log_prices, "κ > 0, w² < 2κ where the first form is used", seconds=2),
    solve=numbers(_log_retain, draws=40, what="The closed form against the minimum over the gate's log-odds."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _said_benign() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    return list(conditions(strategies["hard_concrete"]().duality, "canonical", of=r"f=P(s\ne0),\ \text{hard concrete}"))


def _truly_benign() -> list[Fact]:
    from etatrick.theory import derive, strategies
    from etatrick.validation.routes.facts import conditions

    return [*conditions(strategies["variational_dropout"]().duality, "canonical", of=r"\text{VarDrop}"),
            *conditions(derive(dual="log(1 + eta)"), "canonical", of=r"f=\log(1+\eta)")]  # fmt: skip


def _minima(energies: Any) -> float:

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
    parameters={"w": "0.506 < w < 0.542 for the hard concrete"},
    corrected=r"Only where $\eta^2f'(\eta)$ is monotone (canonical). The hard concrete gate has two local minima in "
    r"its parameter for weights near its jump, hence hysteresis.",
    derive=refutation(_said_benign, _truly_benign, "η > 0", seconds=4),
    solve=mismatch(_hysteresis, _single, draws=20, tolerance="EXACT", what="1 against the number of local minima on a "
                   "grid of gate parameters; what holds is counted for ARD."),
    observe=FORMAL,
    tolerance="EXACT: equality",
)  # fmt: skip

CLAIMS: Final = (BERNOULLI_PRIOR, LOG_PRICES, JOINT)
