"""Claims on relaxed gates at a temperature: they do not keep the mean; and where concrete dropout's rate tends."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def relaxed_mean(p: float, T: float) -> float:
    """Return the mean of σ((logit p + logit u)/T), u uniform, by the trapezoidal rule in logit u.

    Examples
    --------
    >>> round(relaxed_mean(0.9, 0.1), 5), round(relaxed_mean(0.5, 0.1), 9)
    (0.89882, 0.5)
    """
    import numpy as np

    x = np.arange(-46, 46, 2e-3)
    density = 1 / (4 * np.cosh(x / 2) ** 2) * 2e-3
    return float(density @ (1 / (1 + np.exp(-np.clip((x + np.log(p / (1 - p))) / T, -700, 700)))))


def _pairs() -> tuple[Any, Any, Any]:
    """Return σ(x + d) + σ(x − d), 2σ(x), and the odds a = e^x, r = e^d: the gate's mean is that of such pairs."""
    import sympy as sp

    a, r = sp.symbols("a r", positive=True)
    return r * a / (1 + r * a) + a / (r + a), 2 * a / (1 + a), (a, r)


def _mean_said() -> list[Fact]:
    from etatrick.validation.routes.facts import equal

    pair, twice, _ = _pairs()
    return [equal(pair, twice, "E z = E σ(logit p + T logit v) is p: the pairs ±T logit v average to p (a = e^x, r = "
                  "e^d)", r"\sigma(x+d)+\sigma(x-d) = 2\sigma(x)")]  # fmt: skip


def _mean_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    pair, twice, (a, r) = _pairs()
    c, d, x = sp.symbols("c d x", positive=True)
    apart = {a: 1 + c, r: 1 + d}  # p > ½ and d > 0
    gate, logistic = a / (1 + a), 1 / (1 + sp.exp(-x))
    return [
        equal(sp.Subs(pair, a, 1), 1, "E z = E σ(logit p + T logit v), as σ(y/T) is the chance of a logistic variable: "
              "exact at p = ½", r"\sigma(d)+\sigma(-d) = 1"),
        at_least(twice.subs(apart), pair.subs(apart), "for p > ½ every pair averages less than p, by symmetry more for "
                 "p < ½", r"2\sigma(x) > \sigma(x+d)+\sigma(x-d),\ x>0", strict=True),
        at_least(pair.subs(apart), 1, "and more than ½", r"\sigma(x+d)+\sigma(x-d) > 1,\ x>0", strict=True),
        equal(sp.Derivative(logistic, (x, 2)), logistic * (1 - logistic) * (1 - 2 * logistic), "the mean moves by "
              "half of this times T²π²/3, the variance of T logit v", r"\sigma''(x) = \sigma(1-\sigma)(1-2\sigma)"),
        at_least(gate, gate**2, "so E z² < E z: the variance is below that of a Bernoulli gate of the same mean",
                 r"z > z^2,\ 0<z<1", strict=True),
    ]  # fmt: skip


def _kept(rng: "np.random.Generator") -> Pair:
    p, T = float(rng.uniform(0.55, 0.98)), 0.1
    return Pair(p, relaxed_mean(p, T), {"p": p})


def _smoothed(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.integrate import quad

    p, T = float(rng.uniform(0.02, 0.98)), 0.1
    start = np.log(p / (1 - p))
    parts = [quad(lambda z: float(1 / (1 + np.exp(-(start + T * z))) / (4 * np.cosh(z / 2) ** 2)), low, low + 30,
                  epsabs=1e-13, epsrel=1e-13)[0] for low in (-45.0, -15.0, 15.0)]  # fmt: skip
    return Pair(float(sum(parts)), relaxed_mean(p, T), {"p": p})


RELAXED: Final = Claim(
    id="concrete/relaxed-gate-keeps-the-mean",
    title="A relaxed gate does not have the mean of the gate it relaxes",
    statement=r"$z=\sigma((\mathrm{logit}\,p+\mathrm{logit}\,u)/T)$ at $T=0.1$ has mean $p$, so that dividing by $p$ "
    r"leaves activations unbiased.",
    source="how concrete and beta-Bernoulli dropout scale their relaxed gates",
    relation="corrected",
    parameters={"p": "0 < p < 1", "T": "> 0; 0.1 in the numbers", "u, v": "uniform on (0, 1)"},
    corrected=r"$\mathbb E z=\mathbb E_v\,\sigma(\mathrm{logit}\,p+T\,\mathrm{logit}\,v)$, strictly between $p$ and "
    r"$\tfrac12$ (about $p+\tfrac{\pi^2T^2}6p(1-p)(1-2p)$), and the variance is below $\mathbb E z(1-\mathbb E z)$.",
    derive=refutation(_mean_said, _mean_holds, "x, d > 0, a = e^x, r = e^d", seconds=3),
    solve=mismatch(_kept, _smoothed, draws=20, seconds=1, what="p, and the mean of the smoothed sigmoid, against the "
                   "mean of the gate, both by quadrature."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _rate_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal, tends

    s, k, q, x = sp.symbols("s kappa q x", positive=True)
    p = 1 / (2 + q)  # a drop rate below ½, with (1 − p)/p = 1 + q
    charge, pull = s / (2 * (1 - p) ** 2), k * sp.log(1 + q)
    price = s * x / (2 * (1 - x)) + k * (x * sp.log(x) + (1 - x) * sp.log(1 - x))
    return [
        equal(sp.diff(price, x).subs(x, p), charge - pull, "the slope of the energy E = ½sp/(1 − p) − κH(p); at "
              "p = 1/(2 + q) the logarithm is log(1 + q)",
              r"\frac{dE}{dp} = \frac{s}{2(1-p)^2}-\kappa\log\frac{1-p}{p}"),
        at_least(2 * s, charge, "below ½ the noise costs at most 2s", r"2s \ge \frac s{2(1-p)^2}"),
        at_least(charge, s / 2, "and at least ½s, so p = ½ is too large", r"\frac s{2(1-p)^2} \ge \frac s2"),
        at_least(sp.diff(pull, q), 0, "the pull grows with q", r"\frac d{dq}\kappa\log(1+q) > 0", strict=True),
        at_least(0, sp.diff(charge, q), "the charge falls: there is one optimum, and there ½s ≤ κ log(1 + q) ≤ 2s",
                 r"\frac d{dq}\frac s{2(1-p)^2} \le 0,\ p=\tfrac1{2+q}"),
        equal(sp.Subs(pull, q, sp.exp(2 * s / k) - 1), 2 * s, "the upper end of that"),
        equal(sp.Subs(pull, q, sp.exp(s / (2 * k)) - 1), s / 2, "and the lower"),
        tends(sp.exp(2 * s / k) - 1, s, 0, 0, "so q → 0, p → ½ as s → 0"),
    ]  # fmt: skip


def _rate(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare a bound, the upper or the lower, with the q whose rate 1/(2 + q) has the least energy, by sections."""
    import mpmath
    import numpy as np

    kappa, share = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-3, -1))
    low, high = np.log(share) - 3, np.log(share) + 3
    with mpmath.workdps(40):

        def energy(log_q: float) -> Any:
            p = 1 / (2 + mpmath.exp(log_q))
            return share * p / (2 * (1 - p)) + p * mpmath.log(p) + (1 - p) * mpmath.log(1 - p)

        for _ in range(60):
            pair = [low + 0.4 * (high - low), low + 0.6 * (high - low)]
            low, high = (low, pair[1]) if energy(pair[0]) < energy(pair[1]) else (pair[0], high)
    upper, found = bool(rng.integers(2)), float(np.exp((low + high) / 2))
    bound = float(np.expm1((2 if upper else 0.5) * share * ((0.1 if upper else 10) if control else 1)))
    return Pair(*((bound, found) if upper else (found, bound)), {"κ": kappa, "s": share * kappa, "upper": float(upper)})


def _tight(rng: "np.random.Generator") -> Pair:
    return _rate(rng, control=True)


RATE: Final = Claim(
    id="concrete/rate-tends-to-one-half",
    title="Concrete dropout's rate tends to one half where there is no signal",
    statement=r"The drop rate that minimises $\tfrac{sp}{2(1-p)}-\kappa H(p)$, $H$ the entropy, satisfies "
    r"$p=1/(2+q)$ with "
    r"$e^{s/2\kappa}-1\le q\le e^{2s/\kappa}-1$: below $\tfrac12$ for every $s>0$, and $\to\tfrac12$ as $s\to0$, so "
    r"weights without signal are not removed.",
    source="Gal, Hron, Kendall 2017, in the linear model; the bounds " + OURS,
    relation="upper",
    parameters={"s": "Σ‖x_j‖²β_j² > 0, the signal", "κ": "> 0, the weight of the entropy"},
    derive=proof(_rate_steps, "s, κ, q > 0", seconds=2),
    solve=numbers(_rate, draws=20, relation="upper", control=_tight, seconds=2, what="The upper bound against the "
          "minimiser q "
                  "in 40 digits, or q against the lower bound; the control takes a tenth or tenfold of the exponent."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (RELAXED, RATE)
