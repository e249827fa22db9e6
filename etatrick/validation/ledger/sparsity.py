"""Claims on duals that their penalties give back, on exact zeros, and on where a proximal map is 0."""

from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _canonicity() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, strategies
    from etatrick.validation.routes.facts import conditions, equal

    rho = sp.Symbol("rho", positive=True)
    f = sp.Function("f")
    reach = eta**2 * sp.diff(f(eta), eta)
    first = sp.diff(f(1 / rho), rho).doit().subs(rho, 1 / eta).doit()
    second = sp.diff(f(1 / rho), rho, 2).doit().subs(rho, 1 / eta).doit()
    return [
        equal(first, -reach, "the slope of f(1/ρ) in ρ", r"\frac{d}{d\rho} f(1/\rho) = -\eta^2 f'(\eta)"),
        equal(second, eta**2 * sp.diff(reach, eta), "its curvature has the sign of (η²f′)′, and f(1/ρ) is "
              "its own second conjugate iff it is convex",
              r"\frac{d^2}{d\rho^2} f(1/\rho) = \eta^2\,\left(\eta^2 f'(\eta)\right)'"),
        *about("variational dropout", conditions(strategies["variational_dropout"]().duality, "canonical",
                                                 of=r"\left(\eta^2f'(\eta)\right)'\ge0")),
        *about("hard concrete, f = P(s ≠ 0)", conditions(strategies["hard_concrete"]().duality, "canonical",
                                                         of=r"\left(\eta^2f'(\eta)\right)'\ge0", wanted="fails")),
    ]  # fmt: skip


def _recovered(rng: "np.random.Generator", *, canonical: bool = True) -> Pair:
    """Compare f with max over w of 2Ω − w²/η, where Ω is a minimum over a grid of scales."""
    import numpy as np

    e, c = float(10 ** rng.uniform(-0.7, 0.5)), float(rng.uniform(0.5, 2))
    levels = np.exp(np.linspace(-10, 8, 8001))

    def dual(eta: Any) -> Any:
        smooth = np.log1p(c * eta)
        return smooth if canonical else np.round(4 * smooth) / 4  # steps: f(1/ρ) is not convex

    def gap(t: Any) -> Any:
        x2 = np.exp(2 * t)[:, None]
        return np.exp(2 * t) / e - (x2 / levels + dual(levels)).min(axis=1)

    return Pair(float(dual(np.array(e))), -zoomed(gap, -4, 4, rounds=2), {"η": e, "c": c})


def _stepped(rng: "np.random.Generator") -> Pair:
    return _recovered(rng, canonical=False)


CANONICITY: Final = Claim(
    id="eta-trick/canonicity",
    title="A dual is recovered from its penalty exactly if η²f′ rises",
    statement=r"$f(\eta)=\max_w[2\Omega(w)-w^2/\eta]$ for the $\Omega$ that $f$ defines iff $\eta^2f'(\eta)$ is "
    r"nondecreasing, that is iff $f(1/\rho)$ is convex; $f$ itself need not be concave or convex. Variational "
    r"dropout's dual is canonical, the hard concrete's is not.",
    source=OURS,
    relation="iff",
    parameters={"η": "> 0", "f": "nondecreasing"},
    derive=proof(_canonicity, "η > 0", seconds=3),
    solve=numbers(_recovered, draws=10, tolerance="SOLVER", control=_stepped, seconds=2,
                  what="log(1 + cη) against max over w of 2Ω − w²/η, with Ω a minimum over η; the control is a dual in "
                  "steps, which is not canonical."),
    observe=FORMAL,
    tolerance="SOLVER: two searches on grids",
)  # fmt: skip


def _near_zero() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.validation.routes.facts import conditions, equal

    r, tau = sp.symbols("r tau", positive=True)
    alpha = w**r / (w**r + tau)
    held = sp.Function("alpha", positive=True)(w)
    facts = [
        equal(w * (1 - held) / held, w / held - w, "Ω′(0+) is the limit of w/α", r"\Omega'(w) = w/\alpha(w) - w"),
        equal(
            w * (1 - alpha) / alpha,
            tau * w ** (1 - r),
            "α ~ wʳ makes Ω′ ~ w^(1−r)",
            r"\Omega'(w) = w\,\frac{1-\alpha}{\alpha} = \tau\,w^{1-r},\quad \alpha = \frac{w^r}{w^r+\tau}",
        ),
    ]
    for power, shown, kink in (("w**(1/2)", r"\sqrt w", False), ("w", "w", True), ("w**(3/2)", "w^{3/2}", True)):
        duality = derive(alpha=f"{power}/({power} + tau)", parameters=["tau"])
        facts += conditions(
            duality, "exact_zeros", of=rf"\alpha = x/(x+\tau),\ x = {shown}", wanted="holds" if kink else "fails"
        )
    pole = derive(alpha="w**2/(w**2 + tau)", parameters=["tau"])
    facts += conditions(pole, "integrable", of=r"\alpha=w^2/(w^2+\tau)", wanted="fails")
    return [replace(fact, caption=f"{name}{fact.caption}") for fact, name in
            zip(facts, ("", "", "r = ½: ", "r = 1: ", "r = 3/2: ", "r = 2, Ω′: "), strict=True)]  # fmt: skip


def _least_point(slope: Any, v: float) -> float:
    """Return the argument of the least of ½(w − v)² + Ω(w), by bisection where w + Ω′(w) − v rises through 0."""
    low, high = 1e-14, v
    if low + slope(low) >= v:
        return 0.0
    for _ in range(200):
        middle = (low + high) / 2
        low, high = (middle, high) if middle + slope(middle) < v else (low, middle)
    return low


def _kept_at_zero(rng: "np.random.Generator") -> Pair:
    """Compare whether Ω′(0+) > 0 with whether the minimiser is 0 at a v < Ω′(0+), for Ω′ = τ·w^(1−r), r ≤ 1."""
    r = 1.0 if rng.random() < 0.5 else float(rng.uniform(0.2, 0.8))
    tau, v = float(rng.uniform(0.5, 2)), float(rng.uniform(0.05, 0.45))
    found = _least_point(lambda x: tau * x ** (1 - r), v)
    return Pair(float(r == 1), float(found == 0), {"r": r, "τ": tau, "v": v})


SPARSITY: Final = Claim(
    id="eta-trick/sparsity-lemma",
    title="A weight can be held at exactly 0 iff the retain probability falls linearly or faster",
    statement=r"A coordinate can be held at exactly 0 iff $\lim_{w\to0}w/\hat\eta(w)>0$, that is "
    r"$\alpha(w)=O(w)$: for $\alpha\sim w^r$ there is no kink for $r<1$, a kink for $r=1$, an infinite slope for "
    r"$1<r<2$, and $\Omega'$ is not integrable at 0 for $r\ge2$.",
    source=OURS,
    relation="iff",
    parameters={"r": "> 0", "τ": "> 0, the factor in Ω′ = τw^(1−r)"},
    derive=proof(_near_zero, "w, τ, r > 0", seconds=3),
    solve=numbers(_kept_at_zero, draws=200, tolerance="EXACT", seconds=1,
                  what="Whether r = 1 (1: yes, 0: no) against whether the minimiser of ½(w − v)² + Ω(w), by bisection, "
                  "is 0, where Ω′ = τw^(1−r) and v < τ."),
    observe=FORMAL,
    tolerance="EXACT: equality",
)  # fmt: skip


def _rules(rules: dict[str, tuple[str, str]]) -> list[Fact]:
    from etatrick.theory import derive
    from etatrick.validation.routes.facts import conditions

    asked = ("monotone", "exact_zeros")
    return [fact for name, (rule, shown) in rules.items()
            for fact in about(name, conditions(derive(eta_hat=rule), *asked, of=rf"\hat\eta={shown}"))]  # fmt: skip


def _said_sparse() -> list[Fact]:
    return _rules({"ridge": ("1", "1"), "standout": ("exp(w)", "e^{w}"), "ℓ1.5": ("w**(1/2)", r"\sqrt w"),
                   "Cauchy": ("1 + w**2", "1+w^2")})  # fmt: skip


def _truly_sparse() -> list[Fact]:
    return _rules({"lasso": ("w", "w"), "log-sum": ("w*(w + 2)", "w(w+2)"), "η̂ = we^w": ("w*exp(w)", r"w\,e^{w}")})


SLOPES: Final = (lambda x: x, lambda x: x / 2.718281828**x, lambda x: x**0.5, lambda x: x / (1 + x * x))


def _smooth_at_zero(rng: "np.random.Generator") -> Pair:
    index, v = int(rng.integers(4)), float(rng.uniform(0.03, 0.3))
    return Pair(0.0, _least_point(SLOPES[index], v), {"rule": float(index), "v": v})


def _kinked_at_zero(rng: "np.random.Generator") -> Pair:
    epsilon, v = float(rng.uniform(1.5, 3)), float(rng.uniform(0.03, 0.3))
    return Pair(0.0, _least_point(lambda x: 1 / (x + epsilon), v), {"ε": epsilon, "v": v})


MONOTONE_SPARSE: Final = Claim(
    id="flip-side/monotone-implies-sparse",
    title="Monotone adaptive dropout is not always sparse",
    statement=r"A nondecreasing $\hat\eta$ makes $\Omega$ sparsity-promoting, so that weights become exactly 0.",
    source=f"{SOURCE}, read without its hypotheses: monotone ⇒ subquadratic ⇒ sparse",
    relation="refuted",
    parameters={"w": "> 0"},
    corrected=r"Exact zeros need $\hat\eta(w)=O(w)$ at 0 (the sparsity lemma). Ridge, standout, $\ell_{1.5}$ and "
    r"Cauchy are monotone and hold no weight at 0; log-sum and the lasso do.",
    derive=refutation(_said_sparse, _truly_sparse, "w > 0", seconds=2),
    solve=mismatch(_smooth_at_zero, _kinked_at_zero, draws=60, tolerance="CERTIFICATE", seconds=0.5,
                   what="0 against the minimiser of ½(w − v)² + Ω(w), by bisection, at small v, for ridge, standout, "
                   "ℓ1.5 and Cauchy (rules 0 to 3); what holds is compared for log-sum."),
    observe=FORMAL,
    tolerance="CERTIFICATE: 1e-12, scaled by 1 + |v|",
)  # fmt: skip


def _threshold() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal, tends

    v, kappa, c, s = sp.symbols("v kappa epsilon s", positive=True)
    penalty = sp.Function("P")(w)
    gap = (w - v) ** 2 / 2 + penalty - v**2 / 2
    concave = sp.log(1 + w / c)
    steep = sp.diff(w / 2 + concave / w, w).subs(c, 1 + s)  # ε ≥ 1, where log-sum has a continuous prox
    return [
        equal(gap, w * (w / 2 + penalty / w - v), "0 is a minimiser iff v stays below w/2 + P/w for every w",
              r"\tfrac12(w-v)^2 + P(w) - \tfrac12 v^2 = w\,\left[\tfrac w2 + \tfrac{P(w)}w - v\right]"),
        equal(sp.Subs(w / 2 + kappa / w, w, sp.sqrt(2 * kappa)), sp.sqrt(2 * kappa), "ℓ0, P = κ: at w = √(2κ)"),
        at_least(w / 2 + kappa / w, sp.sqrt(2 * kappa), "this is the least value: hard thresholding at √(2κ)"),
        equal(sp.Derivative(w**2 / 2 + penalty - v * w, w), w + sp.diff(penalty, w) - v,
              "a continuous prox, w + P′ rising: with v = P′(0+) this is ≥ 0, so w/2 + P/w ≥ P′(0+)",
              r"\frac{d}{dw}\left[\tfrac12w^2 + P(w) - vw\right] = w + P'(w) - v"),
        tends(w / 2 + concave / w, w, 0, 1 / c, "log-sum, P = log(1 + w/ε): the value at 0+ is the slope P′(0+)",
              r"\lim_{w\to0^+}\left[\tfrac w2 + \tfrac1w\log(1+\tfrac w\epsilon)\right] = \tfrac1\epsilon"),
        at_least(steep, 0, "and, where its prox is continuous, it is the least", rising=w,
                 latex=r"\frac{d}{dw}\left[\tfrac w2 + \tfrac1w\log(1+\tfrac w\epsilon)\right] \ge 0,\ \epsilon \ge 1"),
    ]  # fmt: skip


def _thresholds(rng: "np.random.Generator") -> Pair:
    """Compare the least of w/2 + P/w with the v at which the minimiser of the objective leaves 0, on a grid."""
    import numpy as np

    epsilon, t = float(rng.uniform(0.2, 2)), float(rng.uniform(0.2, 2))
    x = np.concatenate([np.geomspace(1e-9, 1e-2, 2001), np.linspace(0.01, 4, 40001)])
    charge = t * np.log1p(x / epsilon)
    low, high = 0.0, t / epsilon + 2
    for _ in range(60):
        v = (low + high) / 2
        low, high = (low, v) if ((x - v) ** 2 / 2 + charge).min() < v * v / 2 else (v, high)
    found = zoomed(lambda z: z / 2 + t * np.log1p(z / epsilon) / z, 1e-9, 4.0)
    return Pair(found, low, {"ε": epsilon, "t": t})


THRESHOLD: Final = Claim(
    id="eta-trick/zero-threshold",
    title="Where the proximal map is 0",
    statement=r"$0\in\mathrm{prox}_P(v)$ iff $v\le\inf_{w>0}[w/2+P(w)/w]$; for a continuous prox this is $P'(0^+)$, "
    r"for $\kappa\,1\{w\ne0\}$ it is $\sqrt{2\kappa}$.",
    source=OURS,
    relation="iff",
    parameters={"P": "0 at 0", "κ": "> 0", "ε": "> 0, of log-sum"},
    derive=proof(_threshold, "v, w, κ, ε > 0; P differentiable where P′ is used", seconds=2),
    solve=numbers(_thresholds, draws=15, tolerance="SOLVER", seconds=2,
                  what="The infimum against the v at which the objective's minimiser leaves 0, for P = t·log(1 + w/ε), "
                  "whose prox is continuous or jumps."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (CANONICITY, SPARSITY, MONOTONE_SPARSE, THRESHOLD)
