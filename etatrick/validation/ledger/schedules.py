"""Claims on rules stated by a schedule or a target: designed schedules, pruning, targeted dropout, clamped rates."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
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
        "α = w/(w + τ): the lasso": (w / (w + tau), tau * w),
        "α = w²/(w² + τ²): a logarithm": (w**2 / (w**2 + tau**2), tau**2 * sp.log(w)),
        "α = w/√(w² + τ²)": (w / root, (w * root + tau**2 * sp.asinh(w / tau) - w**2) / 2),
        "α = 1 − e^(−w/τ): Debye": (1 - z, tau**2 * (sp.pi**2 / 6 - sp.polylog(2, z)) + tau * w * sp.log(1 - z)),
        "α = tanh(w/τ): twice Debye, at τ/2": (
            sp.tanh(w / tau), tau**2 / 2 * (sp.pi**2 / 6 - sp.polylog(2, z**2)) + tau * w * sp.log(1 - z**2)),
    }  # fmt: skip
    facts = [equal(sp.Derivative(p, w), w * (1 - a) / a, name,
                   rf"\frac{{d}}{{dw}}\left[{sp.latex(p)}\right] = w\,\frac{{1-\alpha}}\alpha")
             for name, (a, p) in rules.items()]  # fmt: skip
    lasso = strategies["lasso_schedule"].duality
    return [*facts, equal(lasso.penalty, tau * w, "the penalty derived from w/(w + τ)", r"\Omega(w) = \tau w"),
            *about("w/(w + τ)", conditions(lasso, "exact_zeros", "convex", of=r"\Omega(w) = \tau w"))]  # fmt: skip


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
    statement=r"$\alpha=w/(w+\tau)$ imposes the lasso $\tau|w|$; $w^2/(w^2+\tau^2)$ imposes $\tau^2\log|w|$, "
    r"$-\infty$ at 0; $w/\sqrt{w^2+\tau^2}$ imposes "
    r"$\tfrac12[w\sqrt{w^2+\tau^2}+\tau^2\,\mathrm{asinh}(w/\tau)-w^2]$; $1-e^{-w/\tau}$ and $\tanh(w/\tau)$ impose "
    r"Debye functions.",
    source=OURS,
    relation="equal",
    parameters={"τ": "> 0"},
    derive=proof(_schedules, "w, τ > 0", seconds=8),
    solve=numbers(_schedule_numbers, draws=60, what="Closed forms against ∫t(1 − α)/α dt by quadrature, for the "
                  "schedules w/(w + τ), w/√(w² + τ²) and tanh(w/τ), numbered 0 to 2."),
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

    alpha, fourth = 1 / (1 + w**2), derive(alpha="1/(1 + w**2)").penalty
    return [
        equal(sp.Derivative(w**4 / 4, w), w * (1 - alpha) / alpha, "its gradient, w(1 − α)/α, is that of w⁴/4",
              r"\frac{d}{dw}\frac{w^4}4 = w\,\frac{1-\alpha}{\alpha},\quad \alpha = \frac1{1+w^2}"),
        equal(fourth, w**4 / 4, "which is derived from the rule, too", r"\Omega(w) = w^4/4"),
        tends(2 * fourth - w**2 / eta, w, sp.oo, sp.oo, "and no f is large enough: sup of 2Ω − w²/η is +∞",
              r"\lim_{w\to\infty} \left[2\Omega(w) - w^2/\eta\right] = \infty"),
    ]  # fmt: skip


def _inverse_rule(rng: "np.random.Generator") -> Pair:
    """Compare w⁴/4 with the minimum over η, f by the envelope, of the rule that drops large weights more."""
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
    parameters={"w": "> 0"},
    corrected=r"The rule has the gradient of $w^4/4$, which is superquadratic: $\max_w[2\Omega-w^2/\eta]=\infty$, so "
    r"no dual exists.",
    derive=refutation(_said_dual, _superquadratic, "w > 0", seconds=2),
    solve=mismatch(_inverse_rule, _rising_rule, draws=20, what="Ω against half the minimum over η of w²/η + f(η), "
                   "f(η̂) = 2Ω − wΩ′: for this rule, whose energy has no lower bound (the search ends at η = e⁻³), and "
                   "for the lasso's."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _targeted() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    top, trimmed = (strategies["magnitude_pruning"](k=2).duality,
                    strategies["targeted_dropout"](k=2, retain=0.5).duality)  # fmt: skip
    ridge = r"\Omega(w) = \tfrac12\sum_{i>2}|w|_{(i)}^2"
    return [
        *about("targeted dropout", conditions(trimmed, "subquadratic", of=ridge)),
        *about("targeted dropout", conditions(trimmed, "exact_zeros", "convex", of=ridge, wanted="fails")),
        *about("pruning", conditions(top, "subquadratic", of=r"\Omega(w) = 0\ \text{if}\ \lVert w\rVert_0\le2,"
                                     r"\ \text{else}\ \infty")),
    ]  # fmt: skip


def _trimmed(rng: "np.random.Generator") -> Pair:
    """Compare Ω with what dropping the 6 − k smallest weights adds to the mean of ½‖y − s∘w‖², over all masks."""
    import numpy as np

    from etatrick.theory import strategies
    from etatrick.validation.ledger.algorithms import over_masks

    weights, y, k = rng.standard_normal(6), rng.standard_normal(6), int(rng.integers(1, 5))
    retain = float(rng.uniform(0.2, 0.9))
    alpha = np.where(np.abs(weights) >= np.sort(np.abs(weights))[6 - k], 1.0, retain)
    added = over_masks(np.eye(6), y, weights, alpha)[0] - float(((y - weights) ** 2).sum()) / 2
    stated = strategies["targeted_dropout"](k=k, retain=retain).duality.penalty_at(weights)
    return Pair(float(stated), added, {"k": float(k), "α": retain})


def _untrimmed(rng: "np.random.Generator") -> Pair:
    import numpy as np

    from etatrick.validation.ledger.algorithms import over_masks

    weights, y, retain = rng.standard_normal(6), rng.standard_normal(6), float(rng.uniform(0.2, 0.9))
    alpha = np.where(np.abs(weights) >= np.sort(np.abs(weights))[4], 1.0, retain)
    added = over_masks(np.eye(6), y, weights, alpha)[0] - float(((y - weights) ** 2).sum()) / 2
    return Pair(float((weights**2).sum()) * (1 - retain) / retain / 2, added, {"k": 2.0, "α": retain})


TARGETED: Final = Claim(
    id="strategies/targeted-dropout",
    title="Targeted dropout is a trimmed ridge, and magnitude pruning its limit",
    statement=r"Dropping the $d-k$ smallest weights with retain probability $\alpha$ imposes "
    r"$\Omega(w)=\tfrac1{2\eta_0}\sum_{i>k}|w|_{(i)}^2$, $|w|_{(1)}\ge|w|_{(2)}\ge\dots$, "
    r"$\eta_0=\alpha/(1-\alpha)$: subquadratic, not separable, smooth at 0. Pruning them "
    r"imposes the indicator of $\lVert w\rVert_0\le k$.",
    source="Gomez et al. 2019 (the rule); the penalty " + OURS,
    relation="equal",
    parameters={"k": "1 ≤ k < d", "α": "0 < α < 1"},
    derive=proof(_targeted, "k = 2, α = ½", seconds=1),
    solve=numbers(_trimmed, draws=60, control=_untrimmed, what="The trimmed ridge against what dropping the smallest "
                  "of six weights adds to ½‖y − s∘w‖², averaged over all masks; the control is the ridge of all six."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _clamped() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import clamped, derive, w
    from etatrick.validation.routes.facts import conditions, equal, tends

    floored = clamped(derive(penalty="log(1 + w)"), retain=0.5, strength=1)
    (near, knee), (far, _) = floored.penalty.args
    edge, shift = (sp.sqrt(5) - 1) / 2, sp.Symbol("w_m")  # the root of w(w + 1) = ηₘ = 1
    return [
        equal(sp.Subs(w * (w + 1), w, edge), 1, "log-sum, αₘ = ½, λ = 1: η̂ is ηₘ = 1 at this weight wₘ"),
        equal(knee.rhs, edge, "where the penalty that is derived changes", rf"{shift} = {sp.latex(edge)}"),
        equal(near, w**2 / 2, "it is ridge up to there", r"\Omega_m(w) = w^2/(2\eta_m) = w^2/2,\quad w \le w_m"),
        equal(sp.diff(far, w), 1 / (1 + w), "and has log-sum's slope beyond",
              r"\Omega_m'(w) = \frac1{1+w},\quad w > w_m"),
        equal(sp.Subs(far, w, edge), edge**2 / 2, "without a jump", r"\Omega_m(w_m^+) = w_m^2/2"),
        *about("log-sum, αₘ = ½", conditions(floored, "subquadratic", of=r"\Omega_m(\sqrt u)\ \text{concave in}\ u")),
        tends(sp.diff(near, w), w, 0, 0, "no slope at 0, so no weight is held there",
              r"\lim_{w\to0^+} \Omega_m'(w) = 0"),
    ]  # fmt: skip


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
    parameters={r"$\alpha_m$": "between 0 and 1", "λ": "> 0"},
    derive=proof(_clamped, "w > 0, log-sum, αₘ = ½, λ = 1", seconds=3),
    solve=numbers(_floored, draws=12, seconds=4, what="For log-sum, ε = λ = 1, the clamped form against "
                  "∫t(1 − α)/α dt with the floored α."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (SCHEDULES, NEGATIVE, TARGETED, CLAMPED)
