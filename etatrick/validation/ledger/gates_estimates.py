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

    a, g, r, T = sp.symbols("a g r T", positive=True)  # g = −γ, r = ζ − 1
    zeta = 1 + r
    closed = (g / zeta) ** T / a  # odds of u at which the gate opens
    held = ((1 + g) / r) ** T / a  # odds of u at which it is fully open

    def gate(odds: Any) -> Any:
        s = (odds * a) ** (1 / T) / (1 + (odds * a) ** (1 / T))
        return s * (zeta + g) - g

    return [
        equal(gate(closed), 0, "the gate opens at the odds (−γ/ζ)^T/a of u: P(z ≠ 0) = σ(log a − T log(−γ/ζ))"),
        equal(gate(held), 1, "and is open at ((1 − γ)/(ζ − 1))^T/a: P(z = 1) = σ(log a − T log((1 − γ)/(ζ − 1)))"),
        tends(
            1 / (1 + closed) - 1 / (1 + held), T, 0, 0, "as T → 0 no value between 0 and 1 is left: a Bernoulli gate"
        ),
        tends(1 / (1 + closed), T, 0, a / (1 + a), "with π = σ(log a)"),
    ]


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
    statement=r"$P(z\ne0)=\sigma(\log a-T\log(-\gamma/\zeta))$ and $P(z=1)=\sigma(\log "
    r"a-T\log\tfrac{1-\gamma}{\zeta-1})$; as $T\to0$ the gate is Bernoulli with $\pi=\sigma(\log a)$, whose "
    r"penalty is CEL0.",
    source=f"{LOUIZOS}; the limit {OURS}",
    relation="limit",
    parameters={"γ, ζ": "γ < 0, ζ > 1", "T": "T > 0"},
    derive=proof(_cold_steps, "a, T > 0", seconds=2),
    solve=numbers(_ends, draws=40, control=_signs_swapped, what="Both chances against the u at which the gate leaves 0 "
                  "and reaches 1, by bisection; the control has the other sign of the temperature's term."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _excess_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    t, k, v, q = sp.symbols("t kappa v q", positive=True)
    bernoulli, relaxed = t**2 * q / 2 + k / (1 + q), t**2 * (q + v) / 2 + k / (1 + q)
    return [
        equal(relaxed - bernoulli, t**2 * v / 2, "at the same P(z ≠ 0) a relaxed gate costs ½t²(CV² − (1 − π)/π) more"),
        at_least(relaxed, bernoulli, "which is positive unless z is 0 or 1", strict=True),
    ]


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
    statement=r"At $T=\tfrac23$ the penalty of the hard concrete gate exceeds CEL0 for $0<t<\sqrt{2\lambda}$ (at "
    r"$\lambda=\tfrac12$: 0.258 against 0.180 at $t=0.2$), and by no more than that at a fifth of the temperature.",
    source=f"{LOUIZOS}; the comparison {OURS}",
    relation="upper",
    parameters={"λ": "λ > 0", "T": "2/3 and 2/15, γ = −0.1, ζ = 1.1"},
    derive=proof(_excess_steps, "t, κ, v > 0, q = (1 − π)/π"),
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
    p, half = 1 / (2 + q), sp.Rational(1, 2)  # the lesser of π and 1 − π: both cases have the same integrals
    arm = sp.integrate((b - a) * (u - half), (u, 0, p)) + sp.integrate((a - b) * (u - half), (u, 1 - p, 1))
    ar = sp.integrate(a * (1 - 2 * u), (u, 0, p)) + sp.integrate(b * (1 - 2 * u), (u, p, 1))
    phi = sp.Symbol("phi", positive=True)
    slope = sp.diff(1 / (1 + sp.exp(-phi)), phi)
    return [
        equal(arm, p * (1 - p) * (a - b), "ARM's mean", r"\mathbb E_u[(f(1[u>1-\pi])-f(1[u<\pi]))(u-\tfrac12)]"
              r" = \pi(1-\pi)(f(1)-f(0))"),
        equal(ar, p * (1 - p) * (a - b), "AR's mean, from one evaluation", r"\mathbb E_u[f(1[u<\pi])(1-2u)]"),
        equal(slope, 1 / (1 + sp.exp(-phi)) * (1 - 1 / (1 + sp.exp(-phi))), "π(1 − π) is the slope of the logistic"),
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
    derive=proof(_arm_steps, "one gate, 0 < π < 1; f(1), f(0) > 0, as a constant cancels"),
    solve=numbers(_arm, draws=30, control=_arm_hard, what="The derivative of the mean over 8 masks, by differences, "
                  "against ARM's mean over all cells of the unit cube; the control has hard sigmoid gates."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _hard_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    q = sp.Symbol("q", positive=True)
    p = 1 / (1 + q)
    return [equal(p * (1 - p), sp.Rational(1, 7), "with π = clip(φ/7 + ½, 0, 1), ARM's factor is the slope 1/7")]


def _hard_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    q = sp.Symbol("q", positive=True)
    p = 1 / (1 + q)
    return [
        equal(p * (1 - p) * sp.Rational(1, 7) / (p * (1 - p)), sp.Rational(1, 7), "times g′/(π(1 − π)) it is right"),
        equal((7 * p * (1 - p)).subs(q, 1), sp.Rational(7, 4), "as coded it is too large by 7π(1 − π), 7/4 at π = ½"),
    ]


HARD_ARM: Final = Claim(
    id="gates/arm-with-hard-sigmoid",
    title="ARM with a hard sigmoid is biased by the factor 7π(1 − π)",
    statement=r"As coded: the same estimate is unbiased for $\pi=\mathrm{clip}(\varphi/7+\tfrac12,0,1)$.",
    source=f"the public code of {L0_ARM}",
    relation="corrected",
    parameters={"φ": "|φ| < 7/2"},
    corrected=r"Its mean is $7\pi(1-\pi)$ times the derivative; multiplied by $g'(\varphi)/(\pi(1-\pi))$ it is "
    r"unbiased.",
    derive=refutation(_hard_said, _hard_holds, "0 < π < 1"),
    solve=mismatch(_arm_hard, _arm_hard_repaired, draws=30, what="The derivative of the mean over 8 masks against "
                   "ARM's mean over all cells of the unit cube, as coded and with the slope put right."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (ENDS, EXCESS, ARM, HARD_ARM)
