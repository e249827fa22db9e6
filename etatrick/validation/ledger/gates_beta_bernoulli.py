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

    a, b, c, v, s = sp.symbols("a b alpha_0 v s", positive=True)
    moment = b * sp.gamma(1 + s) * sp.gamma(b) / sp.gamma(1 + s + b)  # of y = π^a: b·B(1 + s, b)
    psi = sp.digamma(1) - sp.digamma(1 + b)  # E log π^a
    stated = (1 - c / a) * (-sp.EulerGamma - sp.digamma(b) - 1 / b) + sp.log(a * b / c) - (b - 1) / b
    pieces = sp.log(a * b) + (1 - 1 / a) * psi - (b - 1) / b - sp.log(c) - (c - 1) * psi / a
    return [
        equal(sp.Integral(-v * b * sp.exp(-b * v), (v, 0, sp.oo)), -1 / b, "E log(1 − π^a): −log of it is exponential "
              "with rate b"),
        equal(sp.Subs(sp.Derivative(sp.log(moment), s), s, 0), psi, "y = π^a is Beta(1, b), so that E y^s is the "
              "integral b B(1 + s, b): E π at s = 1/a, and its slope at 0 is E log y",
              r"\left.\frac d{ds}\log bB(1+s,b)\right|_{s=0} = \psi(1)-\psi(1+b)"),
        equal(sp.expand_func(pieces), stated, "E log q/p, with log q = log ab + (a − 1)log π + (b − 1)log(1 − π^a), "
              "ψ(1) = −γ and ψ(1 + b) = ψ(b) + 1/b",
              r"KL=(1-\tfrac{\alpha_0}a)(-\gamma-\psi(b)-\tfrac1b)+\log\tfrac{ab}{\alpha_0}-\tfrac{b-1}b"),
        equal(sp.Subs(stated, (a, b), (c, 1)), 0, "0 at the prior, a = α₀ and b = 1",
              r"\left.KL\right|_{a=\alpha_0,\,b=1} = 0"),
    ]  # fmt: skip


def _integrated(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare KL + E π with integrals over v = −log u, where π = (1 − e^(−v/b))^(1/a)."""
    import numpy as np
    from scipy.integrate import quad

    a, b, prior = (float(10 ** rng.uniform(*ends)) for ends in ((-0.5, 1), (-0.5, 0.7), (-4, 0)))
    stated = float(beta_kl(a, b, prior) + mean_gate(a, b)) + ((b - 1) / b if control else 0.0)

    def density(z: float) -> float:  # v = e^z
        v = float(np.exp(z))
        log_y = float(np.log(-np.expm1(-v / b)))
        ratio = np.log(a * b) + (1 - 1 / a) * log_y - (b - 1) * v / b - np.log(prior) - (prior - 1) * log_y / a
        return float((ratio + np.exp(log_y / a)) * np.exp(z - v))

    found = sum(quad(density, low, high, epsabs=1e-13, epsrel=1e-13, limit=200)[0]
                for low, high in ((-42.0, -6.0), (-6.0, 0.0), (0.0, 4.5)))  # fmt: skip
    return Pair(stated, found, {"a": a, "b": b, "α₀": prior})


def _term_missing(rng: "np.random.Generator") -> Pair:
    return _integrated(rng, control=True)


DIVERGENCE: Final = Claim(
    id="beta-bernoulli/divergence",
    title="The divergence of beta-Bernoulli dropout, and its mean gate",
    statement=r"For $q=\mathrm{Kumaraswamy}(a,b)$ and the prior $\mathrm{Beta}(\alpha_0,1)$, $\alpha_0=\alpha/K$: "
    r"$KL=(1-\alpha_0/a)(-\gamma-\psi(b)-1/b)+\log(ab/\alpha_0)-(b-1)/b$ and $\mathbb E\pi=b\,B(1+1/a,b)$; 0 at "
    r"$a=\alpha_0$, $b=1$.",
    source=f"{LEE}; Nalisnick, Smyth 2017",
    relation="equal",
    parameters={"a, b": "both > 0", "α₀": "> 0", "π": "the gate, drawn from q"},
    derive=proof(_divergence_steps, "a, b, α₀ > 0", seconds=2),
    solve=numbers(_integrated, draws=25, control=_term_missing, seconds=2, what="KL + E π against one integral over a "
                  "uniform variable; the control leaves out (b − 1)/b."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _tail_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    a, b, c, t, x, g, s = sp.symbols("a b alpha_0 t x g s", positive=True)
    psi = -sp.EulerGamma - sp.digamma(1 + b)
    divergence = (1 - c / a) * psi + sp.log(a) + sp.log(b) - sp.log(c) - (b - 1) / b
    moment = b * sp.gamma(1 + s) * sp.gamma(b) / sp.gamma(1 + s + b)  # E π at s = 1/a
    energy = t**2 * x / 2 - sp.log(x) + g  # x = 1 − E π → 0, g: what depends on b and α₀ only
    return [
        tends(divergence - sp.log(a), a, sp.oo, psi + sp.log(b / c) - (b - 1) / b, "gates open as a → ∞: KL is log a + "
              "log 1/α₀ and what depends on b only", r"\lim_{a\to\infty}KL-\log a"
              r" = -\gamma-\psi(1+b)+\log b-\tfrac{b-1}b+\log\tfrac1{\alpha_0}"),
        equal(-sp.Subs(sp.Derivative(sp.log(moment), s), s, 0), sp.EulerGamma + sp.digamma(1 + b), "and x = 1 − E π is "
              "this over a: KL is −log x and a constant g", r"\left.-\frac d{ds}\log bB(1+s,b)\right|_{s=0}"
              r" = \gamma+\psi(1+b)"),
        equal(sp.Subs(sp.Derivative(energy, x), x, 2 / t**2), 0, "so for a large t, where ½t²(1 − E π)/E π is ½t²x, "
              "the best gate has 1 − E π = 2/t²"),
        equal(sp.Subs(energy, x, 2 / t**2), 2 * sp.log(t) + 1 - sp.log(2) + g, "and Ω grows as 2 log t"),
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
    title="Beta-Bernoulli dropout penalises by log(K/α) plus twice a logarithm",
    statement=r"For $\Omega(t)$, the least of $\tfrac12t^2(1-\mathbb E\pi)/\mathbb E\pi+KL$ over $a,b$: "
    r"$\Omega(t)=2\log t+\log(1/\alpha_0)+O(1)$ for large $t$: a tail twice as steep as "
    r"variational dropout's, above a step of about $\log(K/\alpha)$.",
    source=f"{LEE}, in the linear model; the tail {OURS}",
    relation="limit",
    parameters={"α₀": "α/K, small", "t": "‖x‖|β|, the scaled weight"},
    derive=proof(_tail_steps, "a, t → ∞; b, α₀ > 0", seconds=3),
    solve=numbers(_tail, draws=8, tolerance="SOLVER", control=_single_log, seconds=2, what="2 log 3 and log 10 against "
                  "the change of the minimum over a, b as t triples near 1000 or α₀ falls tenfold; the control has "
                  "half the tail, and no dependence on α₀."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (DIVERGENCE, TAIL)
