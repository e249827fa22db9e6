"""Claims on estimated and relaxed gates: hard concrete and its cold limit, ARM, REINFORCE, NPN's temperature."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.gates_bounds import LOUIZOS, gate_penalty
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

L0_ARM: Final = "Li, Ji 2019 (L0-ARM)"


def _cold_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    a, g, r, T, o = sp.symbols("a g r T o", positive=True)  # g = −γ, r = ζ − 1
    ends = (g / (1 + r), (1 + g) / r)
    closed, held = (end**T / a for end in ends)  # odds of u at which the gate opens, and is fully open
    nonzero, one = (1 / (1 + sp.exp(T * sp.log(end) - sp.log(a))) for end in ends)
    gate = (o * a) ** (1 / T) / (1 + (o * a) ** (1 / T)) * (1 + r + g) - g
    return [
        equal(sp.Subs(gate, o, closed), 0, "the gate opens at the odds (−γ/ζ)^T/a of u", r"(\zeta-\gamma)\sigma\left("
              r"\tfrac{\log o+\log a}T\right)+\gamma = 0\ \text{at}\ o=\tfrac1a\left(-\tfrac\gamma\zeta\right)^T"),
        equal(sp.Subs(gate, o, held), 1, "and is fully open at ((1 − γ)/(ζ − 1))^T/a", r"(\zeta-\gamma)\sigma"
              r"\left(\tfrac{\log o+\log a}T\right)+\gamma = 1\ \text{at}\ o=\tfrac1a\left(\tfrac{1-\gamma}{\zeta-1}"
              r"\right)^T"),
        equal(1 / (1 + closed), nonzero, "the chance of larger odds, P(z ≠ 0)",
              r"\tfrac1{1+o} = \sigma(\log a-T\log(-\tfrac\gamma\zeta))"),
        equal(1 / (1 + held), one, "and P(z = 1)", r"\tfrac1{1+o} = \sigma(\log a-T\log\tfrac{1-\gamma}{\zeta-1})"),
        tends(1 / (1 + closed) - 1 / (1 + held), T, 0, 0, "as T → 0 no value between 0 and 1 is left: a Bernoulli gate",
              r"\lim_{T\to0^+}P(z\ne0)-P(z=1) = 0"),
        tends(1 / (1 + closed), T, 0, a / (1 + a), "with π = σ(log a)", r"\lim_{T\to0^+}P(z\ne0) = \tfrac a{1+a}"),
    ]  # fmt: skip


def _ends(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare P(z ≠ 0) + 2P(z = 1) with the values of u at which the gate leaves 0 and reaches 1, by bisection."""
    import numpy as np

    T, log_a = float(rng.uniform(0.1, 1)), float(rng.normal())
    sign = -1 if control else 1
    stated = [1 / (1 + np.exp(-(log_a - sign * T * np.log(x)))) for x in (0.1 / 1.1, 1.1 / 0.1)]
    found = []
    for level in (0.0, 1.0):
        low, high = 0.0, 1.0
        for _ in range(80):
            u = (low + high) / 2
            s = 1 / (1 + np.exp(-(np.log(u / (1 - u)) + log_a) / T)) if 0 < u < 1 else u
            low, high = (u, high) if s * 1.2 - 0.1 < level else (low, u)
        found.append(1 - low)
    return Pair(float(stated[0] + 2 * stated[1]), float(found[0] + 2 * found[1]), {"T": T, "log a": log_a})


def _signs_swapped(rng: "np.random.Generator") -> Pair:
    return _ends(rng, control=True)


ENDS: Final = Claim(
    id="gates/hard-concrete-ends",
    title="The chances that a hard concrete gate is 0 or 1, and its cold limit",
    statement=r"The gate $z$ is $(\zeta-\gamma)\sigma((\mathrm{logit}\,u+\log a)/T)+\gamma$, $u$ uniform, cut to "
    r"$[0,1]$. $P(z\ne0)=\sigma(\log a-T\log(-\gamma/\zeta))$ and $P(z=1)=\sigma(\log "
    r"a-T\log\tfrac{1-\gamma}{\zeta-1})$; as $T\to0$ the gate is Bernoulli with $\pi=\sigma(\log a)$, whose "
    r"penalty is CEL0 (gates/least-noisy).",
    source=f"{LOUIZOS}; the limit {OURS}",
    relation="limit",
    parameters={"γ, ζ": "γ < 0, ζ > 1; −0.1 and 1.1 in the numbers", "T": "> 0"},
    derive=proof(_cold_steps, "a, T > 0, γ < 0, ζ > 1; o: the odds of u", seconds=2),
    solve=numbers(_ends, draws=40, control=_signs_swapped, what="P(z ≠ 0) + 2P(z = 1) against the u at which the gate "
                  "leaves 0 and reaches 1, by bisection; the control has the other sign of the temperature's term."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _excess_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    t, k, v, q, d = sp.symbols("t kappa v q d", positive=True)
    relaxed, cel0 = t**2 * (q + v) / 2 + k / (1 + q), sp.sqrt(2 * k) * t - t**2 / 2
    square = (t * (1 + q) - sp.sqrt(2 * k)) ** 2 / (2 * (1 + q))
    return [
        equal(relaxed - cel0, t**2 * v / 2 + square, "a relaxed gate costs more than CEL0, by two terms: v = CV² − "
              "(1 − π)/π is positive unless z is 0 or 1",
              r"\tfrac{t^2(q+v)}2+\tfrac\kappa{1+q}-\sqrt{2\kappa}\,t+\tfrac{t^2}2"
              r" = \tfrac{t^2v}2+\tfrac{(t(1+q)-\sqrt{2\kappa})^2}{2(1+q)}"),
        at_least((t + d) ** 2 / 2, cel0.subs(k, (t + d) ** 2 / 2), "as does a gate held open, κ, where √(2κ) = t + d",
                 strict=True),
    ]  # fmt: skip


def _excess(rng: "np.random.Generator", control: bool = False) -> Pair:
    kappa = float(10 ** rng.uniform(-1, 1))
    t = float(rng.uniform(0.1, 0.9)) * (2 * kappa) ** 0.5
    cel0 = (2 * kappa) ** 0.5 * t - t * t / 2
    warm, cool = gate_penalty(t, kappa, 2 / 3) - cel0, gate_penalty(t, kappa, 2 / 15) - cel0
    stated, computed = (cool, warm) if control else (min(warm - cool, cool), 0.0)
    return Pair(stated, computed, {"κ": kappa, "t": t})


def _heated(rng: "np.random.Generator") -> Pair:
    return _excess(rng, control=True)


EXCESS: Final = Claim(
    id="gates/hard-concrete-excess",
    title="The hard concrete gate penalises small weights more than CEL0",
    statement=r"The penalty of the hard concrete gate, the least of $\tfrac12t^2\mathrm{CV}^2+\kappa P(z\ne0)$, "
    r"exceeds CEL0 for $0<t<\sqrt{2\kappa}$: by more at $T=\tfrac23$ (0.258 against 0.180 for $t=0.2$, "
    r"$\kappa=\tfrac12$) than at a fifth of that.",
    source=f"{LOUIZOS}; the comparison {OURS}",
    relation="upper",
    parameters={"κ": "> 0, the price of an open gate", "T": "2/3 and 2/15, at γ = −0.1, ζ = 1.1"},
    derive=proof(_excess_steps, "t, κ, v > 0, q = (1 − π)/π; which temperature costs more is only solved"),
    solve=numbers(_excess, draws=8, relation="upper", control=_heated, seconds=3, what="The lesser of the cold excess "
                  "and of the warm one less the cold, against 0; the control has the temperatures swapped."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _arm_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, q = sp.symbols("a b q", positive=True)  # f(1), f(0)
    u = sp.Symbol("u", real=True)
    p, rate, half = 1 / (2 + q), 1 / (1 + q), sp.Rational(1, 2)  # p: the lesser of π and 1 − π, same integrals
    arm = sp.integrate((b - a) * (u - half), (u, 0, p)) + sp.integrate((a - b) * (u - half), (u, 1 - p, 1))
    ar = sp.integrate(a * (1 - 2 * u), (u, 0, rate)) + sp.integrate(b * (1 - 2 * u), (u, rate, 1))
    phi = sp.Symbol("phi", positive=True)
    logistic = 1 / (1 + sp.exp(-phi))
    mean = logistic * a + (1 - logistic) * b
    return [
        equal(arm, p * (1 - p) * (a - b), "ARM's mean", r"\mathbb E_u[(f(1[u>1-\pi])-f(1[u<\pi]))(u-\tfrac12)]"
              r" = \pi(1-\pi)(f(1)-f(0))"),
        equal(ar, rate * (1 - rate) * (a - b), "AR's mean, from one evaluation",
              r"\mathbb E_u[f(1[u<\pi])(1-2u)] = \pi(1-\pi)(f(1)-f(0))"),
        equal(sp.Derivative(mean, phi), logistic * (1 - logistic) * (a - b), "and the derivative of the mean of f",
              r"\frac d{d\varphi}[\sigma(\varphi)f(1)+(1-\sigma(\varphi))f(0)] = \pi(1-\pi)(f(1)-f(0))"),
    ]  # fmt: skip


def arm_mean(f: Any, pi: Any) -> Any:
    """Return the exact mean of ARM's estimate for each of d gates, by summing over the cells of [0, 1]^d.

    Parameters
    ----------
    f : callable
        Takes a tuple of d bits.
    pi : ndarray, shape (d,)

    Returns
    -------
    ndarray, shape (d,)

    Examples
    --------
    >>> import numpy as np
    >>> arm_mean(lambda z: float(z[0]), np.array([0.3])).round(12).tolist()
    [0.21]
    """
    import itertools

    import numpy as np

    cuts = [np.unique([0.0, p, 1 - p, 1.0]) for p in pi]
    total = np.zeros(len(pi))
    for cell in itertools.product(*(range(len(c) - 1) for c in cuts)):
        low, high = (np.array([c[i + k] for c, i in zip(cuts, cell, strict=True)]) for k in (0, 1))
        u, volume = (low + high) / 2, float(np.prod(high - low))
        gap = f(tuple((u > 1 - pi).astype(int))) - f(tuple((u < pi).astype(int)))
        total += volume * gap * (u - 0.5)  # the mean of u over the cell is its middle
    return total


def mean_over_masks(table: Any, pi: Any) -> float:
    """Return Σ_z P(z) table[z] over the masks of d independent gates.

    Parameters
    ----------
    table : ndarray, shape (2,)*d
    pi : ndarray, shape (d,)

    Examples
    --------
    >>> import numpy as np
    >>> mean_over_masks(np.array([1.0, 3.0]), np.array([0.25]))
    1.5
    """
    import itertools

    import numpy as np

    masks = itertools.product((0, 1), repeat=len(pi))
    return sum(float(table[z] * np.prod(np.where(np.array(z) == 1, pi, 1 - pi))) for z in masks)


def _arm(rng: "np.random.Generator", hard: bool = False, repaired: bool = True) -> Pair:
    """Compare the derivative of the mean over 8 masks in one φ, by differences, with ARM's exact mean."""
    import numpy as np

    table, phi, k = rng.standard_normal((2, 2, 2)), rng.uniform(-2, 2, 3), int(rng.integers(3))

    def chances(phi: Any) -> Any:
        return np.clip(phi / 7 + 0.5, 0, 1) if hard else 1 / (1 + np.exp(-phi))

    def slope(h: float) -> float:
        high, low = (mean_over_masks(table, chances(phi + s * (np.arange(3) == k))) for s in (h, -h))
        return (high - low) / (2 * h)

    exact = (64 * slope(0.005) - 20 * slope(0.01) + slope(0.02)) / 45
    pi = chances(phi)
    found = float(arm_mean(lambda z: float(table[z]), pi)[k])
    if hard and repaired:
        found *= 1 / 7 / (pi[k] * (1 - pi[k]))
    return Pair(exact, found, {"φ": float(phi[k]), "π": float(pi[k])})


def _arm_hard(rng: "np.random.Generator") -> Pair:
    return _arm(rng, hard=True, repaired=False)


def _arm_hard_repaired(rng: "np.random.Generator") -> Pair:
    return _arm(rng, hard=True)


ARM: Final = Claim(
    id="gates/arm-is-unbiased",
    title="ARM and AR are unbiased for any function of logistic gates",
    statement=r"For $\pi=\sigma(\varphi)$: $\partial_\varphi\mathbb E f=\mathbb E_u[(f(1[u>1-\pi])-f(1[u<\pi]))"
    r"(u-\tfrac12)]=\mathbb E_u[f(1[u<\pi])(1-2u)]$, gate by gate.",
    source=f"Yin, Zhou 2019; used by {L0_ARM}",
    relation="equal",
    parameters={"π": "0 < π < 1", "f": "any"},
    derive=proof(_arm_steps, "one gate, the others fixed; f(1), f(0) > 0, as a constant cancels"),
    solve=numbers(_arm, draws=30, control=_arm_hard, what="The derivative of the mean over 8 masks, by differences, "
                  "against ARM's mean over all cells of the unit cube; the control has hard sigmoid gates."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _hard_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    p = 1 / (1 + sp.Symbol("q", positive=True))
    return [equal(p * (1 - p), sp.Rational(1, 7), "ARM's factor is the slope of π = φ/7 + ½ (π = 1/(1 + q))",
                  r"\pi(1-\pi) = \tfrac17")]  # fmt: skip


def _hard_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, q, phi, u = sp.symbols("a b q varphi u", positive=True)  # a, b: f(1), f(0)
    p, half, rise = 1 / (2 + q), sp.Rational(1, 2), phi / 7 + sp.Rational(1, 2)  # p: the lesser of π and 1 − π
    arm = sp.integrate((b - a) * (u - half), (u, 0, p)) + sp.integrate((a - b) * (u - half), (u, 1 - p, 1))
    return [
        equal(sp.Derivative(rise * a + (1 - rise) * b, phi), (a - b) / 7, "the derivative of the mean of f, g′ = 1/7",
              r"\frac d{d\varphi}[gf(1)+(1-g)f(0)] = \tfrac17(f(1)-f(0)),\ g(\varphi)=\tfrac\varphi7+\tfrac12"),
        equal(arm, 7 * p * (1 - p) * (a - b) / 7, "ARM's mean is 7π(1 − π) times that: g′/(π(1 − π)) puts it right",
              r"\mathbb E_u[(f(1[u>1-\pi])-f(1[u<\pi]))(u-\tfrac12)] = 7\pi(1-\pi)\cdot\tfrac17(f(1)-f(0))"),
    ]  # fmt: skip


HARD_ARM: Final = Claim(
    id="gates/arm-with-hard-sigmoid",
    title="ARM with a hard sigmoid is biased by the factor 7π(1 − π)",
    statement=r"As coded, ARM's estimate $(f(1[u>1-\pi])-f(1[u<\pi]))(u-\tfrac12)$ is unbiased for "
    r"$\partial_\varphi\mathbb E f$ with a hard sigmoid, $\pi=g(\varphi)=\mathrm{clip}(\varphi/7+\tfrac12,0,1)$.",
    source=f"the public code of {L0_ARM}",
    relation="corrected",
    parameters={"φ": "|φ| < 7/2"},
    corrected=r"Its mean is $7\pi(1-\pi)$ times the derivative; times $g'(\varphi)/(\pi(1-\pi))$ it is unbiased.",
    derive=refutation(_hard_said, _hard_holds, "0 < π < 1", seconds=2),
    solve=mismatch(_arm_hard, _arm_hard_repaired, draws=30, what="The derivative of the mean over 8 masks against "
                   "ARM's mean over all cells of the unit cube, as coded and with the slope put right."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (ENDS, EXCESS, ARM, HARD_ARM)
