"""Claims on beta-Bernoulli dropout: its divergence, its mean gate, and the logarithmic tail of its penalty."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

LEE: Final = "Lee, Kim, Yoon, Choe, Hwang 2018"


def beta_kl(a: Any, b: Any, prior: float) -> Any:
    """Return the divergence of Kumaraswamy(a, b) from Beta(prior, 1), elementwise.

    Examples
    --------
    >>> float(beta_kl(0.3, 1.0, 0.3))
    0.0
    """
    import numpy as np
    from scipy.special import digamma

    return (1 - prior / a) * (-np.euler_gamma - digamma(b) - 1 / b) + np.log(a * b / prior) - (b - 1) / b


def mean_gate(a: Any, b: Any) -> Any:
    """Return the mean b·B(1 + 1/a, b) of Kumaraswamy(a, b), elementwise.

    Examples
    --------
    >>> round(float(mean_gate(1.0, 1.0)), 12)
    0.5
    """
    import numpy as np
    from scipy.special import gammaln

    return np.exp(np.log(b) + gammaln(1 + 1 / a) + gammaln(b) - gammaln(1 + 1 / a + b))


def _divergence_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, c, v = sp.symbols("a b c v", positive=True)  # v = −log(1 − π^a) is exponential with rate b
    entropy = sp.integrate(-v * b * sp.exp(-b * v), (v, 0, sp.oo))  # E log(1 − π^a)
    psi = -sp.EulerGamma - sp.digamma(b) - 1 / b  # E log π^a
    stated = (1 - c / a) * psi + sp.log(a * b / c) - (b - 1) / b
    pieces = sp.log(a * b) + (1 - 1 / a) * psi + (b - 1) * entropy - sp.log(c) - (c - 1) * psi / a
    y = sp.Symbol("y", positive=True)
    at_two = sp.integrate(sp.log(y) * 2 * (1 - y), (y, 0, 1))
    return [
        equal(entropy, -1 / b, "1 − π^a is the b-th root of a uniform: E log(1 − π^a) = −1/b"),
        equal(at_two, psi.subs(b, 2), "y = π^a is Beta(1, b): E log y = −γ − ψ(b) − 1/b, here at b = 2",
              r"\mathbb E\log\pi^a = -\gamma-\psi(b)-1/b"),
        equal(pieces, stated, "E log q/p, with log q = log ab + (a−1)log π + (b−1)log(1 − π^a)",
              r"KL=(1-\tfrac{\alpha_0}a)(-\gamma-\psi(b)-\tfrac1b)+\log\tfrac{ab}{\alpha_0}-\tfrac{b-1}b"),
        equal(stated.subs({a: c, b: 1}).doit(), 0, "0 at the prior, a = α₀ and b = 1"),
    ]  # fmt: skip


def _integrated(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare KL + E π with integrals over v = −log u, where π = (1 − e^(−v/b))^(1/a)."""
    import numpy as np
    from scipy.integrate import quad

    a, b, prior = (float(10 ** rng.uniform(*ends)) for ends in ((-0.5, 1), (-0.5, 0.7), (-4, 0)))
    stated = float(beta_kl(a, b, prior) + mean_gate(a, b)) + (0.5 if control else 0.0)

    def density(z: float) -> float:  # v = e^z
        v = float(np.exp(z))
        log_y = float(np.log(-np.expm1(-v / b)))
        ratio = np.log(a * b) + (1 - 1 / a) * log_y - (b - 1) * v / b - np.log(prior) - (prior - 1) * log_y / a
        return float((ratio + np.exp(log_y / a)) * np.exp(z - v))

    found = sum(quad(density, low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0]
                for low, high in ((-42.0, -6.0), (-6.0, 0.0), (0.0, 4.5)))  # fmt: skip
    return Pair(stated, found, {"a": a, "b": b, "α₀": prior})


def _half_missing(rng: "np.random.Generator") -> Pair:
    return _integrated(rng, control=True)


DIVERGENCE: Final = Claim(
    id="beta-bernoulli/divergence",
    title="The divergence of beta-Bernoulli dropout, and its mean gate",
    statement=r"For $q=\mathrm{Kumaraswamy}(a,b)$ and the prior $\mathrm{Beta}(\alpha_0,1)$, $\alpha_0=\alpha/K$: "
    r"$KL=(1-\alpha_0/a)(-\gamma-\psi(b)-1/b)+\log(ab/\alpha_0)-(b-1)/b$ and $\mathbb E\pi=b\,B(1+1/a,b)$; 0 at "
    r"$a=\alpha_0$, $b=1$.",
    source=f"{LEE}; Nalisnick, Smyth 2017",
    relation="equal",
    parameters={"a, b": "a, b > 0", "α₀": "α₀ > 0"},
    derive=proof(_divergence_steps, "a, b, α₀ > 0", seconds=2),
    solve=numbers(_integrated, draws=25, control=_half_missing, seconds=2, what="KL + E π against one integral over a "
                  "uniform variable; the control is off by ½."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _tail_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    a, c, t, x, g, p = sp.symbols("a c t x g p", positive=True)
    at_one = (1 - c / a) * -1 + sp.log(a / c)  # b = 1: ψ(1) = −γ, E π = a/(a + 1)
    energy = t**2 * x / 2 - sp.log(x) + g  # x = 1 − E π → 0, g: what depends on b and α₀ only
    best = energy.subs(x, 2 / t**2)
    shifted = at_one.subs(c, c / p) - at_one
    return [
        tends((at_one.subs(c, 1)) - sp.log(a + 1), a, sp.oo, -1, "as a → ∞, KL = −log(1 − E π) + const (b = α₀ = 1)"),
        equal(sp.diff(energy, x).subs(x, 2 / t**2), 0, "so for a large t the best gate has 1 − E π = 2/t²"),
        equal(sp.diff(best, t) * t, 2, "and Ω grows as 2 log t", r"\Omega = \log\tfrac{t^2}2+1+\mathrm{const}"),
        tends(shifted, a, sp.oo, sp.log(p), "the jump to open gates is set by log 1/α₀ = log K/α"),
    ]  # fmt: skip


def tail_penalty(t: float, prior: float) -> float:
    """Return the least of ½t²(1 − m)/m + KL over a, b, with m the mean gate, by grids in log a, log b that close in.

    Examples
    --------
    >>> round(tail_penalty(100.0, 1e-4), 1)
    17.7
    """
    import numpy as np

    x, y, size, least = 6.0, 0.0, 12.0, np.inf
    for _ in range(40):
        a = np.exp(np.clip(x + size * np.linspace(-1, 1, 41), -8, 30))[:, None]
        b = np.exp(np.clip(y + size / 3 * np.linspace(-1, 1, 41), -4, 4))[None, :]
        m = mean_gate(a, b)
        values = t * t * (1 - m) / m / 2 + beta_kl(a, b, prior)
        i, j = np.unravel_index(int(np.nanargmin(values)), values.shape)
        x, y, size = float(np.log(a[i, 0])), float(np.log(b[0, j])), size * 0.6
        least = min(least, float(values[i, j]))
    return float(least)


def _tail(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare 2 log 3 with Ω(3t) − Ω(t) at a large t, or log of the ratio of priors with the change of Ω."""
    import numpy as np

    t, prior = float(10 ** rng.uniform(2.7, 3)), float(10 ** rng.uniform(-6, -4))
    if rng.integers(2):
        stated, found = (1 if control else 2) * np.log(3), tail_penalty(3 * t, prior) - tail_penalty(t, prior)
    else:
        stated, found = (0 if control else np.log(10)), tail_penalty(t, prior / 10) - tail_penalty(t, prior)
    return Pair(float(stated), found, {"t": t, "α₀": prior})


def _single_log(rng: "np.random.Generator") -> Pair:
    return _tail(rng, control=True)


TAIL: Final = Claim(
    id="beta-bernoulli/tail",
    title="Beta-Bernoulli dropout penalises by log K/α plus twice a logarithm",
    statement=r"With the best $a,b$ for the scaled weight $t$, $\Omega(t)=2\log t+\log(1/\alpha_0)+O(1)$ for large "
    r"$t$: a tail twice as steep as variational dropout's, above a step of about $\log(K/\alpha)$.",
    source=f"{LEE}, in the linear model; the tail {OURS}",
    relation="limit",
    parameters={"α₀": "α₀ = α/K small", "t": "t = ‖x‖|β|"},
    derive=proof(_tail_steps, "a, t → ∞, b = 1 in the first step", seconds=2),
    solve=numbers(_tail, draws=8, tolerance="SOLVER", control=_single_log, seconds=2, what="2 log 3 and log 10 against "
                  "the change of the minimum over a, b as t triples near 1000 or α₀ falls tenfold; the control has "
                  "half the tail, and no dependence on α₀."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (DIVERGENCE, TAIL)
