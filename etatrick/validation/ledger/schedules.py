"""Claims on rules stated by a schedule or a target: designed schedules, pruning, targeted dropout, clamped rates."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _schedules() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import parameter, strategies, w
    from etatrick.validation.routes.facts import conditions, equal

    tau = parameter("tau")
    root = sp.sqrt(w**2 + tau**2)
    z = sp.exp(-w / tau)
    rules = {
        "w/(w+τ) is the lasso": (w / (w + tau), tau * w),
        "w²/(w²+τ²) is a logarithm": (w**2 / (w**2 + tau**2), tau**2 * sp.log(w)),
        "w/√(w²+τ²)": (w / root, (w * root + tau**2 * sp.asinh(w / tau) - w**2) / 2),
        "1 − e^(−w/τ) is Debye's function": (
            1 - z, tau**2 * (sp.pi**2 / 6 - sp.polylog(2, z)) + tau * w * sp.log(1 - z)),
    }  # fmt: skip
    facts = [equal(sp.diff(p, w).expand(func=True), w * (1 - a) / a, name) for name, (a, p) in rules.items()]
    lasso = strategies["lasso_schedule"].duality
    return [*facts, equal(lasso.penalty, tau * w, "the derivation agrees"),
            *conditions(lasso, "exact_zeros", "convex", of=r"\alpha=w/(w+\tau)")]  # fmt: skip


def _schedule_numbers(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.integrate import quad
    from scipy.special import spence

    tau, x = float(10 ** rng.uniform(-0.5, 0.5)), float(10 ** rng.uniform(-1, 1))
    kind = int(rng.integers(3))

    def slope(t: float) -> float:
        alpha = (t / (t + tau), t / np.hypot(t, tau), np.tanh(t / tau))[kind]
        return float(t * (1 - alpha) / alpha)

    half, z = tau / 2, float(np.exp(-2 * x / tau))  # tanh is twice Debye's at τ/2; spence(z) = Li₂(1 − z)
    closed = (
        tau * x,
        (x * np.hypot(x, tau) + tau**2 * np.arcsinh(x / tau) - x * x) / 2,
        2 * (half**2 * (np.pi**2 / 6 - spence(1 - z)) + half * x * np.log1p(-z)),
    )[kind]
    area = quad(slope, 0, x, epsabs=1e-13, epsrel=1e-13)[0]
    return Pair(float(closed), area, {"schedule": float(kind), "τ": tau, "w": x})


SCHEDULES: Final = Claim(
    id="strategies/designed-schedules",
    title="Simple schedules of the retain probability and their penalties",
    statement=r"$\alpha=w/(w+\tau)$ imposes the lasso $\tau|w|$; $w^2/(w^2+\tau^2)$ imposes $\tau^2\log|w|$; "
    r"$w/\sqrt{w^2+\tau^2}$ imposes $\tfrac12[w\sqrt{w^2+\tau^2}+\tau^2\mathrm{asinh}(w/\tau)-w^2]$; $1-e^{-w/\tau}$ "
    r"and $\tanh(w/\tau)$ impose Debye functions.",
    source=OURS,
    relation="equal",
    parameters={"τ": "τ > 0"},
    derive=proof(_schedules, "w, τ > 0", seconds=4),
    solve=numbers(_schedule_numbers, draws=60, what="Closed forms against ∫t(1 − α)/α dt by quadrature, tanh too."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _said_dual() -> list[Fact]:
    from etatrick.theory import derive
    from etatrick.validation.routes.facts import conditions

    return list(conditions(derive(alpha="1/(1 + w**2)"), "subquadratic", "monotone", of=r"\alpha=1/(1+w^2)"))


def _superquadratic() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, eta, w
    from etatrick.validation.routes.facts import equal, tends

    fourth = derive(alpha="1/(1 + w**2)").penalty
    return [
        equal(fourth, w**4 / 4, "its gradient is that of w⁴/4"),
        tends(2 * fourth - w**2 / eta, w, sp.oo, sp.oo, "and no f is large enough: sup of 2Ω − w²/η is +∞"),
    ]


def _inverse_rule(rng: "np.random.Generator") -> Pair:
    """Compare w⁴/4 with the minimum over η, f by formula (6), of the rule that drops large weights more."""
    import numpy as np

    x = float(rng.uniform(0.5, 2))
    # η̂ = w⁻², f(η̂(w)) = 2Ω − wΩ′ = −w⁴/2, so f(η) = −1/(2η²)
    return Pair(x**4 / 4, zoomed(lambda z: (x * x * np.exp(-z) - np.exp(-2 * z) / 2) / 2, -3, 8), {"w": x})


def _rising_rule(rng: "np.random.Generator") -> Pair:
    """Compare w with the minimum over η for η̂ = w, f = η."""
    import numpy as np

    x = float(rng.uniform(0.5, 2))
    return Pair(x, zoomed(lambda z: (x * x * np.exp(-z) + np.exp(z)) / 2, -6, 8), {"w": x})


NEGATIVE: Final = Claim(
    id="strategies/any-rule-has-a-dual",
    title="Dropping large weights more has no η-trick",
    statement=r"Every positive continuous rule, such as $\alpha=1/(1+w^2)$, is the η-trick of some penalty.",
    source=f"a negative control: theorem B of {SOURCE} without its monotonicity",
    relation="refuted",
    parameters={"w": "w > 0"},
    corrected=r"The rule has the gradient of $w^4/4$, which is superquadratic: $\max_w[2\Omega-w^2/\eta]=\infty$, so "
    r"no dual exists.",
    derive=refutation(_said_dual, _superquadratic, "w > 0", seconds=2),
    solve=mismatch(_inverse_rule, _rising_rule, draws=20, what="Ω against the minimum over η with f of formula (6), "
                   "for this rule and for the lasso's."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _targeted() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    top, trimmed = (strategies["magnitude_pruning"](k=2).duality,
                    strategies["targeted_dropout"](k=2, retain=0.5).duality)  # fmt: skip
    return [
        *conditions(top, "subquadratic", of=r"\text{top-}k"),
        *conditions(trimmed, "subquadratic", of=r"\text{targeted}"),
        *conditions(trimmed, "exact_zeros", "convex", of=r"\text{targeted}", wanted="fails"),
    ]


def _trimmed(rng: "np.random.Generator") -> Pair:
    """Compare (1/2η₀)Σ of the smallest squares with the least over all choices of k weights that are not dropped."""
    import itertools

    import numpy as np

    weights, k, retain = rng.standard_normal(6), int(rng.integers(1, 5)), float(rng.uniform(0.2, 0.9))
    scale = retain / (1 - retain)
    least = min(
        float((np.delete(weights, kept) ** 2).sum()) / (2 * scale) for kept in itertools.combinations(range(6), k)
    )
    from etatrick.theory import strategies

    stated = strategies["targeted_dropout"](k=k, retain=retain).duality.penalty_at(weights)
    return Pair(float(stated), least, {"k": float(k), "α": retain})


TARGETED: Final = Claim(
    id="strategies/targeted-dropout",
    title="Targeted dropout is a trimmed ridge, and magnitude pruning its limit",
    statement=r"Dropping the $d-k$ smallest weights with retain probability $\alpha$ imposes "
    r"$\Omega(w)=\tfrac1{2\eta_0}\sum_{i>k}|w|_{(i)}^2$, $\eta_0=\alpha/(1-\alpha)$: subquadratic, not separable, "
    r"smooth at 0. Pruning them imposes the indicator of $\lVert w\rVert_0\le k$.",
    source="Gomez et al. 2019 (the rule); the penalty " + OURS,
    relation="equal",
    parameters={"k": "1 ≤ k < d", "α": "0 < α < 1"},
    derive=proof(_targeted, "k = 2, α = ½", seconds=1),
    solve=numbers(_trimmed, draws=60, what="The trimmed ridge against the least over all choices of k free weights."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _clamped() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import clamped, derive, w
    from etatrick.validation.routes.facts import conditions, equal, tends

    floored = clamped(derive(penalty="log(1 + w)"), retain=0.5, strength=1)
    level = floored.eta_hat.args[0][0]
    near, far = (row[0] for row in floored.penalty.args)
    (edge,) = (root for root in sp.solve(w * (w + 1) - level, w) if root.is_positive)
    return [
        equal(near, w**2 / (2 * level), "ridge up to the weight whose α is the floor"),
        equal(sp.diff(far, w), sp.diff(sp.log(1 + w), w), "beyond it the old slope"),
        equal(sp.simplify((far - near).subs(w, edge)), 0, "without a jump"),
        *conditions(floored, "subquadratic", of=r"\alpha\ge\tfrac12"),
        tends(sp.diff(near, w), w, 0, 0, "no slope at 0, so no weight is held there"),
    ]


def _floored(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.integrate import quad

    from etatrick.theory import clamped, derive

    least, x = float(rng.choice([0.1, 0.3, 0.5])), float(10 ** rng.uniform(-1.5, 1))
    stated = clamped(derive(penalty="log(1 + w)"), retain=least, strength=1.0).penalty_at(x)

    def slope(t: float) -> float:
        alpha = max(t * (t + 1) / (t * (t + 1) + 1), least)
        return t * (1 - alpha) / alpha

    knee = (-1 + float(np.sqrt(1 + 4 * least / (1 - least)))) / 2
    area = quad(slope, 0, x, points=[min(knee, x / 2)], epsabs=1e-12, epsrel=1e-12, limit=200)[0]
    return Pair(float(stated), area, {"least α": least, "w": x})


CLAMPED: Final = Claim(
    id="eta-trick/clamped-rates",
    title="A floor under the retain probability rounds the kink",
    statement=r"With $\alpha\ge\alpha_m$, $\eta_m=\lambda\alpha_m/(1-\alpha_m)$, the penalty is $w^2/(2\eta_m)$ up to "
    r"the weight with $\hat\eta=\eta_m$ and $\Omega$ plus a constant beyond; no weight is then exactly 0.",
    source=OURS,
    relation="equal",
    parameters={"α_m": "0 < α_m < 1", "λ": "λ > 0"},
    derive=proof(_clamped, "w > 0, log-sum, α_m = 1/2", seconds=3),
    solve=numbers(_floored, draws=12, seconds=4, what="The clamped form against ∫t(1 − α)/α dt with the floored α."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (SCHEDULES, NEGATIVE, TARGETED, CLAMPED)
