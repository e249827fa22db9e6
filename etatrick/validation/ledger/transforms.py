"""Claims on composing and lifting dualities, on the α-form and the gauge, and on proximal steps."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.combining import log_sum_dual
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _composition() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.theory.calculus import composed
    from etatrick.validation.routes.facts import conditions, equal

    a, b = sp.Function("a")(w), sp.Function("b")(w)  # Ω, and φ as a function of w through Ω
    rate = sp.diff(b, w) / sp.diff(a, w)  # φ′(Ω)
    bend = sp.diff(rate, w) / sp.diff(a, w)  # φ″(Ω)
    first, second = sp.diff(a, w), sp.diff(a, w, 2)
    gap = sp.diff(b, w) - w * sp.diff(b, w, 2)
    example = composed("sqrt(w)", derive(penalty="w**2 + w"))
    return [
        equal(gap, rate * (first - w * second) - w * bend * first**2,
              "both terms are ≥ 0 where φ rises and is concave",
              r"(\varphi\circ\Omega)' - w(\varphi\circ\Omega)''"
              r" = \varphi'\,(\Omega'-w\,\Omega'') - w\,\varphi''\,\Omega'^2"),
        equal(w / sp.diff(b, w), (w / first) / rate, "the rule", r"\hat\eta_{\varphi\circ\Omega}"
              r" = \hat\eta_\Omega/\varphi'(\Omega)"),
        *about("the root of ridge plus ℓ1", conditions(example, "subquadratic", of=r"\sqrt{w^2+w}")),
    ]  # fmt: skip


def _composed(rng: "np.random.Generator") -> Pair:
    """Compare log(1 + w²/2c) with min over s of s·Ω-energy + c(s): f of the composition by two minimisations."""
    import numpy as np

    c, x = float(10 ** rng.uniform(-0.5, 0.5)), float(10 ** rng.uniform(-1, 1))
    # φ(t) = log(1 + t/c) = min over s ≤ 1/c of s·t + c·s − 1 − log(c·s); Ω = w²/2 has energy (w²/η)/2 at η ≤ 1
    found = zoomed(lambda z: np.exp(z) * x * x / 2 + c * np.exp(z) - 1 - np.log(c) - z, -np.log(c) - 20, -np.log(c))
    return Pair(float(np.log1p(x * x / (2 * c))), found, {"c": c, "w": x})


COMPOSITION: Final = Claim(
    id="eta-trick/concave-composition",
    title="A concave increasing function of a subquadratic penalty is subquadratic",
    statement=r"If $\varphi$ is concave and increasing and $\Omega$ subquadratic, $\varphi\circ\Omega$ is subquadratic "
    r"with $\hat\eta=\hat\eta_\Omega/\varphi'(\Omega)$, and with $\varphi(t)=\min_s[st+c(s)]$ it is the least over "
    r"$s$ of scaled dualities.",
    source=OURS,
    relation="equal",
    parameters={"φ": "concave, increasing", "Ω": "subquadratic, Ω′ > 0"},
    derive=proof(_composition, "w > 0", seconds=3),
    solve=numbers(_composed, draws=40, what="log(1 + w²/2c), c > 0, against the minimum over s ≤ 1/c of "
                  "sw²/2 + cs − 1 − log(cs)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _lifted() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, w
    from etatrick.validation.routes.facts import at_least, equal

    u, v = sp.symbols("u v", positive=True)
    f = sp.Function("f")
    energy = w**2 / eta + f(eta)
    return [
        equal((u**2 + f(v**2)).subs(u, w / v), energy.subs(eta, v**2), "Hadamard: u = w/v, η = v²",
              r"u^2 + f(v^2) = w^2/\eta + f(\eta),\quad uv = w,\ v^2 = \eta"),
        equal(v + f(w**2 / v), energy.subs(eta, w**2 / v), "additive variance: V = w²/η",
              r"V + f(w^2/V) = w^2/\eta + f(\eta),\quad V = w^2/\eta"),
        at_least((u**2 + v**2) / 2, u * v, "ℓ1, f(η) = η: the least is uv = w, at u = v"),
    ]  # fmt: skip


def _over_factors(rng: "np.random.Generator") -> Pair:
    import numpy as np

    x = float(10 ** rng.uniform(-1, 1))
    if rng.random() < 0.5:
        least = zoomed(lambda z: ((x / np.exp(z)) ** 2 + log_sum_dual(np.exp(2 * z))) / 2, -12, 12, rounds=7)
    else:
        least = zoomed(lambda z: (np.exp(z) + log_sum_dual(x * x / np.exp(z))) / 2, -16, 16, rounds=7)
    return Pair(float(np.log1p(x)), least, {"w": x})


LIFTED: Final = Claim(
    id="eta-trick/lifted-forms",
    title="Two lifted forms: a product of factors, and an additive variance",
    statement=r"$\Omega(w)=\tfrac12\min_{uv=w}[u^2+f(v^2)]=\tfrac12\min_{V>0}[V+f(w^2/V)]$; for $\ell_1$ the first is "
    r"$\tfrac12(u^2+v^2)$.",
    source=OURS,
    relation="equal",
    parameters={"w": "> 0", "f": "the dual of Ω"},
    derive=proof(_lifted, "w, u, v, V > 0"),
    solve=numbers(_over_factors, draws=40, what="log(1 + w) against the minimum over v, or over V."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _alpha_form() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, lam, w
    from etatrick.validation.routes.facts import equal

    a, c = sp.symbols("alpha c", positive=True)
    charge = sp.Function("R")
    scale = sp.simplify(sp.diff(2 * charge(eta / (1 + eta)), eta).doit())
    reach = (eta**2 * scale).subs(eta, a / (1 - a))
    penalty = sp.Function("Omega")(w)
    alpha = w / (w + lam * sp.diff(penalty, w))
    return [
        equal(sp.Subs((w**2 / eta + 2 * charge(eta / (1 + eta))) / 2, eta, a / (1 - a)),
              (1 - a) / a * w**2 / 2 + charge(a), "the energy at η = α/(1 − α)",
              r"\tfrac12\left[w^2/\eta+f(\eta)\right] = \tfrac12\tfrac{1-\alpha}\alpha w^2 + R(\alpha)"),
        equal(reach.doit(), 2 * a**2 * sp.diff(charge(a), a), "its stationarity, where w² = η²f′(η)",
              r"\eta^2 f'(\eta) = 2\alpha^2R'(\alpha),\quad f(\eta)=2R(\eta/(1+\eta))"),
        equal(w * (1 - alpha) / alpha, lam * sp.diff(penalty, w), "only λΩ matters for the rule",
              r"w\,(1-\alpha)/\alpha = \lambda\,\Omega'(w)"),
        equal(alpha.subs(lam, lam * c).subs(sp.diff(penalty, w), sp.diff(penalty, w) / c), alpha,
              "(cλ, Ω/c) is the same rule", r"\alpha_{c\lambda,\,\Omega/c} = \alpha_{\lambda,\Omega}"),
    ]  # fmt: skip


def _over_alpha(rng: "np.random.Generator") -> Pair:
    import numpy as np

    kappa, x = float(10 ** rng.uniform(-0.5, 0.5)), float(10 ** rng.uniform(-1, 1))
    least = zoomed(lambda a: (1 - a) / a * x * x / 2 + kappa * a, 1e-6, 1.0, rounds=6)
    edge = float(np.sqrt(2 * kappa))
    return Pair(kappa - max(edge - x, 0.0) ** 2 / 2, least, {"κ": kappa, "w": x})


ALPHA_FORM: Final = Claim(
    id="eta-trick/alpha-form",
    title="The variational problem in the retain probability, and λ as a gauge",
    statement=r"$P(w)=\min_\alpha[\tfrac12\tfrac{1-\alpha}\alpha w^2+R(\alpha)]$ with $f(\eta)=2R(\eta/(1+\eta))$ and "
    r"$w^2=2\alpha^2R'(\alpha)$; a rule fixes only the product $P=\lambda\Omega$: $P'(w)=w(1-\alpha)/\alpha$.",
    source=OURS,
    relation="equal",
    parameters={"α": "0 < α ≤ 1", "λ": "> 0; 1 where f appears"},
    derive=proof(_alpha_form, "w, λ, η > 0"),
    solve=numbers(_over_alpha, draws=60, what="CEL0, κ − ½(√(2κ) − w)₊², against the minimum over α at R = κα."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _fixed_point() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    v = sp.Symbol("v", positive=True)
    slope, bend = (sp.diff(sp.Function("P")(w), w, k) for k in (1, 2))
    alpha = w / (w + slope)
    return [
        equal(sp.Derivative((w - v) ** 2 / 2 + sp.Function("P")(w), w), w / alpha - v,
              "the objective is stationary where w = α(w)v",
              r"\frac{d}{dw}\left[\tfrac12(w-v)^2 + P(w)\right] = \frac w{\alpha(w)} - v"),
        equal(sp.diff(w / alpha, w), 1 + bend, "which has one root for every v iff w + P′(w) rises",
              r"(w/\alpha(w))' = 1 + P''(w)"),
        equal(sp.diff(alpha, w), (slope - w * bend) / (w + slope) ** 2,
              "α rises, as P is subquadratic, and α(v)v < v: from w = v the iteration falls to the first root",
              r"\alpha'(w) = \frac{P'(w) - w\,P''(w)}{(w+P'(w))^2}"),
    ]  # fmt: skip


def _step(x: float, v: float, epsilon: float, lam: float) -> float:
    """Return α(x)·v for log-sum: one step of the reweighting that AdaProx takes at x = v."""
    scale = x * (x + epsilon)
    return v * scale / (scale + lam)


def _iterated(rng: "np.random.Generator") -> Pair:
    epsilon, lam = float(rng.uniform(1.2, 3)), float(rng.uniform(0.3, 1))
    v = lam / epsilon + float(rng.uniform(0.1, 3))
    x = v
    for _ in range(4000):
        x = _step(x, v, epsilon, lam)
    root = (v - epsilon + ((v + epsilon) ** 2 - 4 * lam) ** 0.5) / 2
    return Pair(root, x, {"ε": epsilon, "λ": lam, "v": v})


def _one_step(rng: "np.random.Generator") -> Pair:
    epsilon, lam = float(rng.uniform(1.2, 3)), float(rng.uniform(0.3, 1))
    v = lam / epsilon + float(rng.uniform(0.1, 3))
    root = (v - epsilon + ((v + epsilon) ** 2 - 4 * lam) ** 0.5) / 2
    return Pair(root, _step(v, v, epsilon, lam), {"ε": epsilon, "λ": lam, "v": v})


PROX: Final = Claim(
    id="eta-trick/prox-self-consistency",
    title="A proximal map is reweighting iterated to its fixed point",
    statement=r"$\mathrm{prox}_P(v)$ solves $w=\alpha(w)\,v$ with $\alpha(w)=w/(w+P'(w))$, and is continuous iff "
    r"$1+P''\ge0$; then the iteration $w\leftarrow\alpha(w)v$ from $w=v$ converges to it.",
    source=OURS,
    relation="equal",
    parameters={"v": "> P′(0+)", "P": "subquadratic"},
    derive=proof(_fixed_point, "w, v > 0, P′ > 0"),
    solve=numbers(_iterated, draws=40, control=_one_step, what="The closed-form prox of P = λlog(1 + w/ε), ε² > λ, "
                  "against 4000 steps of the iteration; the control is a single step."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _one_step_of_lasso(stated: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import lam, w
    from etatrick.validation.routes.facts import equal, tends

    t, gap, v = sp.symbols("t g v", positive=True)
    s = t * lam
    if stated:
        return [equal((s + gap) ** 2 / (s + gap + s), gap, "ℓ1, η̂ = w: one step from v is the soft threshold v − tλ",
                      r"\alpha(v)\,v = \frac{v^2}{v+t\lambda} = g,\quad v = t\lambda+g")]  # fmt: skip
    start = (w + sp.sqrt(w**2 + 4 * s * w)) / 2
    return [
        equal(sp.Subs(sp.Derivative((w - v) ** 2 / 2 + s * w**2 / (2 * v), w), w, v**2 / (v + s)), 0,
              "the step α(v)v minimises the majoriser ½(w − v)² + tλw²/2η̂(v)"),
        equal(sp.Subs(v**2 / (v + s), v, start), w, "it gives w from v = (w + √(w² + 4tλw))/2",
              r"\frac{v^2}{v+t\lambda} = w,\quad v = \tfrac12\left(w+\sqrt{w^2+4t\lambda w}\right)"),
        equal((start - w) / t, lam * w / start, "so at a fixed point of AdaProx −L′(w) = λΩₜ′(w) with Ωₜ′(w) = w/η̂(v)",
              r"\frac{v-w}t = \lambda\,\frac wv"),
        tends((start - w) / sp.sqrt(s * w), w, 0, 1, "this slope vanishes like √(λw/t): no kink is left",
              r"\lim_{w\to0^+} \frac{v-w}{\sqrt{t\lambda w}} = 1"),
        equal(sp.Subs(v * w / (w + s), v, w + s), w, "iterated from v, the step ends at w = v − tλ",
              r"\alpha(w)\,v = \frac{w\,v}{w+t\lambda} = w,\quad v = w+t\lambda"),
    ]  # fmt: skip


def _said_prox() -> list[Fact]:
    return _one_step_of_lasso(True)


def _true_prox() -> list[Fact]:
    return _one_step_of_lasso(False)


def _at_v(rng: "np.random.Generator") -> Pair:
    s, v = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.6, 2))
    return Pair(v - s, v * v / (v + s), {"tλ": s, "v": v})


def _at_its_end(rng: "np.random.Generator") -> Pair:
    s, v = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.6, 2))
    x: Any = v
    for _ in range(3000):
        x = v * x / (x + s)
    return Pair(v - s, x, {"tλ": s, "v": v})


ADAPROX: Final = Claim(
    id="flip-side/adaprox-is-a-prox",
    title="AdaProx's step is not a proximal step",
    statement=r"The step $w\leftarrow\alpha(v)\,v$ with $\alpha(v)=\hat\eta(v)/(\hat\eta(v)+t\lambda)$ is the proximal "
    r"map of $t\lambda\Omega$.",
    source=f"{SOURCE}, AdaProx, read as a proximal method",
    relation="corrected",
    parameters={"t": "> 0, the step size", "λ": "> 0"},
    corrected=r"It is one majorisation step from $v$. AdaProx, $v=w-t\nabla L(w)$ before each step, is at rest where "
    r"$L+\lambda\Omega_t$ is stationary: $\Omega_t'(w)=w/\hat\eta(v)$ with $w=v\,\hat\eta(v)/(\hat\eta(v)+t\lambda)$, "
    r"which for $\ell_1$ has lost the kink. Iterated to convergence the step is the proximal map.",
    derive=refutation(_said_prox, _true_prox, "t, λ, v, w > 0, for ℓ1"),
    solve=mismatch(_at_v, _at_its_end, draws=40, what="For ℓ1 the soft threshold v − tλ against one step, "
                   "and against 3000 of w ← α(w)v."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (COMPOSITION, LIFTED, ALPHA_FORM, PROX, ADAPROX)
