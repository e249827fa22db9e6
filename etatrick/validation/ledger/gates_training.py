"""Claims on training gates: the variance of gradient estimates, the temperature of NPN, and trained ARM gates."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Absent, Fact, Pair, Trial, mismatch, numbers, proof, refutation, trained

if TYPE_CHECKING:
    import numpy as np


def variances(pi: Any, one: Any, zero: Any) -> tuple[Any, Any]:
    """Return the variances of ARM's and REINFORCE's estimates for one gate with π ≤ ½, f(1) = one, f(0) = zero.

    Examples
    --------
    >>> tuple(round(value, 9) for value in variances(0.5, 49.0, 1.0))
    (48.0, 156.25)
    """
    arm = (one - zero) ** 2 * ((1 - (1 - 2 * pi) ** 3) / 12 - (pi * (1 - pi)) ** 2)
    return arm, pi * (1 - pi) * ((1 - pi) * one + pi * zero) ** 2


def integrated_variances(pi: float, one: float, zero: float) -> tuple[float, float]:
    """Return the same by Gauss's rule over u between the jumps, and by the mean over both masks.

    Examples
    --------
    >>> arm, reinforce = integrated_variances(0.5, 49.0, 1.0)
    >>> round(arm, 9), round(reinforce, 9)
    (48.0, 156.25)
    """
    import numpy as np

    cuts = np.array([0.0, pi, 1 - pi, 1.0])
    nodes, weights = np.polynomial.legendre.leggauss(4)
    u = (cuts[1:, None] + cuts[:-1, None] + np.diff(cuts)[:, None] * nodes) / 2
    mass = np.diff(cuts)[:, None] * weights / 2
    value = (np.where(u > 1 - pi, one, zero) - np.where(u < pi, one, zero)) * (u - 0.5)
    other, chance = np.array([one * (1 - pi), -zero * pi]), np.array([pi, 1 - pi])
    return (float((mass * value**2).sum() - (mass * value).sum() ** 2),
            float(chance @ other**2 - (chance @ other) ** 2))  # fmt: skip


def _variance_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    a, q = sp.symbols("a q", positive=True)
    pi = 1 / (2 + q)
    arm, reinforce = variances(pi, a, -a * (1 - pi) / pi + a / 10)
    return [at_least(reinforce, arm, "REINFORCE has at least the variance of ARM, also near its best baseline: f(1) = "
                     "a, f(0) = a/10 − a(1 − π)/π, π = 1/(2 + q)", r"\pi(1-\pi)((1-\pi)f_1+\pi f_0)^2 \ge "
                     r"(f_1-f_0)^2\left[\tfrac{1-(1-2\pi)^3}{12}-\pi^2(1-\pi)^2\right]")]  # fmt: skip


def _variance_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c, q = sp.symbols("a b c q", positive=True)
    pi, u, half = 1 / (2 + q), sp.Symbol("u", real=True), sp.Rational(1, 2)
    arm, reinforce = variances(pi, a, b)[0], variances(pi, a + c, b + c)[1]
    ends = sp.integrate((u - half) ** 2, (u, 0, pi)) + sp.integrate((u - half) ** 2, (u, 1 - pi, 1))
    shifted = pi * ((1 - pi) * (a + c)) ** 2 + (1 - pi) * (pi * (b + c)) ** 2 - (pi * (1 - pi) * (a - b)) ** 2
    return [
        equal((a - b) ** 2 * (ends - (pi * (1 - pi)) ** 2), arm, "the variance of ARM: f enters by f(1) − f(0), so a "
              "constant changes nothing", r"(f_1-f_0)^2\left[2\int_0^{\pi}(u-\tfrac12)^2du-\pi^2(1-\pi)^2\right]"
              r" = (f_1-f_0)^2\left[\tfrac{1-(1-2\pi)^3}{12}-\pi^2(1-\pi)^2\right]"),
        equal(shifted, reinforce, "the variance of REINFORCE with a baseline, (f(z) + c)(z − π)",
              r"\pi((1-\pi)(f_1+c))^2+(1-\pi)(\pi(f_0+c))^2-\pi^2(1-\pi)^2(f_1-f_0)^2"
              r" = \pi(1-\pi)((1-\pi)f_1+\pi f_0+c)^2 = \mathrm{Var}(c)"),
        equal(shifted.subs(c, -(1 - pi) * a - pi * b), 0, "0 at its best", r"\mathrm{Var}(-(1-\pi)f_1-\pi f_0) = 0"),
    ]  # fmt: skip


def _spread(rng: "np.random.Generator", claim: bool) -> Pair:
    pi, one = float(rng.uniform(0.1, 0.5)), float(rng.normal())
    zero = -one * (1 - pi) / pi + 0.1 * float(rng.normal())
    arm, reinforce = integrated_variances(pi, one, zero)
    at = {"π": pi, "f(1)": one, "f(0)": zero}
    if claim:
        return Pair(0.0, max(arm - reinforce, 0.0), at)
    stated = variances(pi, one, zero)
    return Pair(stated[0] + 2 * stated[1], arm + 2 * reinforce, at)


def _spread_claimed(rng: "np.random.Generator") -> Pair:
    return _spread(rng, claim=True)


def _spread_exact(rng: "np.random.Generator") -> Pair:
    return _spread(rng, claim=False)


VARIANCE: Final = Claim(
    id="gates/arm-always-beats-reinforce",
    title="ARM's variance does not depend on a baseline; REINFORCE's can be smaller",
    statement=r"For every $f$ the variance of ARM is at most that of REINFORCE, "
    r"$f(z)\,\partial_\varphi\log p(z)=f(z)(z-\pi)$.",
    source="a common reading of Yin, Zhou 2019, who state optimality among antithetic estimates",
    relation="corrected",
    parameters={"π": "σ(φ), 0 < π ≤ ½ (by symmetry all)", "f": "any; f₁ = f(1), f₀ = f(0)"},
    corrected=r"For one gate ARM has $(f_1-f_0)^2$ $[(1-(1-2\pi)^3)/12-\pi^2(1-\pi)^2]$, the same for $f+c$; REINFORCE "
    r"has $\pi(1-\pi)((1-\pi)f_1+\pi f_0)^2$, which grows with $c^2$ and is 0 at its best baseline.",
    derive=refutation(_variance_said, _variance_holds, "0 < π < ½", seconds=2),
    solve=mismatch(_spread_claimed, _spread_exact, draws=40, seconds=0.5, what="0 against what ARM's variance exceeds "
                   "REINFORCE's by; then both formulas, ARM's plus twice REINFORCE's, against quadrature over u and "
                   "the mean over both masks."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _npn_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    k, phi, d = sp.symbols("k varphi d", positive=True)
    pi = 1 / (1 + sp.exp(-k * phi))
    energy = sp.Function("E")
    slope = sp.Subs(sp.diff(energy(d), d), d, pi).doit()
    return [
        tends(pi, k, 0, sp.Rational(1, 2), "k → 0: every gate at ½, dropout"),
        tends(k * pi * (1 - pi), k, 0, 0, "and no gradient for φ"),
        tends(pi, k, sp.oo, 1, "k → ∞: φ > 0 is open"),
        tends(1 / (1 + sp.exp(k * phi)), k, sp.oo, 0, "and −φ < 0 is closed: the active network is trained"),
        equal(sp.Derivative(energy(pi), phi), k * pi * (1 - pi) * slope, "the gradient is k π(1 − π)E′(π) for any "
              "energy E: its zeros do not depend on k",
              r"\frac{d}{d\varphi}E(\sigma(k\varphi)) = k\,\pi(1-\pi)\,E'(\pi)"),
    ]  # fmt: skip


def _npn(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare t/√(2κ) < 1 with the gate at which descent in φ at temperature k stops."""
    import numpy as np

    kappa, k = float(rng.uniform(0.5, 2)), float(10 ** rng.uniform(0, 1))
    t = float(rng.uniform(0.1, 0.9)) * (2 * kappa) ** 0.5
    low, high = -60.0 / k, 60.0 / k
    for _ in range(200):
        phi = (low + high) / 2
        pi = 1 / (1 + np.exp(-k * phi))
        slope = k * pi * (1 - pi) * (kappa * (k if control else 1) - t * t / (2 * pi * pi))
        low, high = (phi, high) if slope < 0 else (low, phi)
    return Pair(t / (2 * kappa) ** 0.5, float(1 / (1 + np.exp(-k * low))), {"k": k, "κ": kappa, "t": t})


def _npn_scaled(rng: "np.random.Generator") -> Pair:
    return _npn(rng, control=True)


NPN: Final = Claim(
    id="gates/npn-temperature",
    title="NPN's temperature moves between dropout and a fixed network, not the optimum",
    statement=r"For $\pi=\sigma(k\varphi)$: as $k\to0$ all gates are at $\tfrac12$ without gradient, as $k\to\infty$ "
    r"the gates with $\varphi>0$ are open and the others closed; the fixed points in $\pi$ do not depend on $k$.",
    source=f"Li, Ji 2021 (neural plasticity networks); fixed points {OURS}",
    relation="limit",
    parameters={"k": "> 0"},
    derive=proof(_npn_steps, "k, φ > 0"),
    solve=numbers(_npn, draws=40, control=_npn_scaled, what="t/√(2κ), where ½t²(1 − π)/π + κπ is least, against "
                  "the gate at which its slope in φ changes sign, at a random k; the control scales the price with k."),
    observe=Absent("gates are trained at two temperatures under gates/trained-arm-gates"),
    tolerance=SEARCH,
)  # fmt: skip


def _arm_trained(setting: Setting) -> dict[str, Trial]:
    """Train one ARM gate per column of an orthonormal design at k = 1 and k = 7, for many seeds at once."""
    import numpy as np

    from etatrick.validation.seeding import seed

    seeds, steps, kappa = 40, 3000, 0.5
    v = np.array([0.2, 0.5, 1.6, 2.5])  # κ = ½: gates open where |v| > 1
    found = {}
    for name, k in (("k = 1", 1.0), ("k = 7", 7.0), ("control: k = 0.001", 0.001)):
        rng = np.random.default_rng(seed("claims", "npn-trained", name))
        phi, raw = np.full((seeds, 4), 3 / max(k, 1.0)), np.tile(v, (seeds, 1))
        for _ in range(steps):
            pi, u = 1 / (1 + np.exp(-k * phi)), rng.random((seeds, 4))
            one, two = u > 1 - pi, u < pi
            loss = [(v - z * raw) ** 2 / 2 + kappa * z for z in (one, two)]
            phi = np.clip(phi - 0.3 * min(k, 1 / k) * (loss[0] - loss[1]) * (u - 0.5), -8 / k, 8 / k)
            raw = raw - 0.1 * two * (raw - v)
        found[name] = Trial(1 / (1 + np.exp(-k * phi)) > 0.6, (v > 1).astype(float), "agrees" if k >= 1 else "differs")
    return found


def _threshold_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    p, v, w, k = sp.symbols("pi v w kappa", positive=True)
    opened, closed = ((v - z * w) ** 2 / 2 + k * z for z in (1, 0))
    mean = p * opened + (1 - p) * closed
    return [
        equal(sp.Derivative(mean, w), p * (w - v), "the mean loss over z pulls the weight to v, however rarely "
              "the gate is open"),
        equal(sp.Subs(sp.Derivative(mean, p), w, v), k - v**2 / 2, "with w = v it is linear in π, and falls iff v > "
              "√(2κ): then the gate opens, otherwise it closes"),
    ]  # fmt: skip


TRAINED: Final = Claim(
    id="gates/trained-arm-gates",
    title="Trained ARM gates threshold hard, at both temperatures",
    statement=r"One unit column with target $v$, loss $\tfrac12(v-zw)^2+\kappa z$, $\pi=\sigma(k\varphi)$: gates "
    r"trained by ARM end open iff $|v|>\sqrt{2\kappa}$, at $k=1$ and at $k=7$.",
    source=OURS,
    relation="iff",
    parameters={
        "κ": "½ in training",
        "v": "0.2, 0.5, 1.6, 2.5",
        "k": "1 and 7; 0.001 is the control: gates hardly move",
    },
    derive=proof(_threshold_steps, "v, w, κ > 0, 0 < π < 1"),
    solve=Absent("the fixed points are solved under gates/npn-temperature"),
    observe=trained({"ARM gates": (_arm_trained, 2.0)}, margin=0.1),
)

CLAIMS: Final = (VARIANCE, NPN, TRAINED)
