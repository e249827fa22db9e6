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
    return [equal(pair, twice, "E z = E σ(logit p + T logit v) = p: the pairs ±T logit v average to p")]


def _mean_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    pair, twice, (a, r) = _pairs()
    b = sp.Symbol("b", positive=True)
    excess = a * (1 - a) * (r - 1) ** 2 / ((1 + a) * (1 + r * a) * (r + a))
    gate = b / (1 + b)
    return [
        equal(pair - twice, excess, "as σ(y/T) is the chance of a logistic variable, E z = E σ(logit p + T logit v)",
              r"\sigma(x+d)+\sigma(x-d)-2\sigma(x) = \frac{a(1-a)(r-1)^2}{(1+a)(1+ra)(r+a)},\ a=e^x,\ r=e^d"),
        equal(excess.subs(a, 1), 0, "so the mean is exact at p = ½ only, and lies between p and ½ otherwise"),
        at_least(gate, gate**2, "E z² < E z: the variance is below that of a Bernoulli gate of the same mean",
                 strict=True),
    ]  # fmt: skip


def _kept(rng: "np.random.Generator") -> Pair:
    p, T = float(rng.uniform(0.55, 0.98)), 0.1
    return Pair(p, relaxed_mean(p, T), {"p": p, "T": T})


def _smoothed(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.integrate import quad

    p, T = float(rng.uniform(0.02, 0.98)), 0.1
    start = np.log(p / (1 - p))
    parts = [quad(lambda z: float(1 / (1 + np.exp(-(start + T * z))) / (4 * np.cosh(z / 2) ** 2)), low, low + 30,
                  epsabs=1e-13, epsrel=1e-13)[0] for low in (-45.0, -15.0, 15.0)]  # fmt: skip
    return Pair(float(sum(parts)), relaxed_mean(p, T), {"p": p, "T": T})


RELAXED: Final = Claim(
    id="concrete/relaxed-gate-keeps-the-mean",
    title="A relaxed gate does not have the mean of the gate it relaxes",
    statement=r"$z=\sigma((\mathrm{logit}\,p+\mathrm{logit}\,u)/T)$ at $T=0.1$ has mean $p$, so that dividing by $p$ "
    r"leaves activations unbiased.",
    source="how concrete and beta-Bernoulli dropout scale their relaxed gates",
    relation="corrected",
    parameters={"p": "0 < p < 1", "T": "T > 0"},
    corrected=r"$\mathbb E z=\mathbb E_v\,\sigma(\mathrm{logit}\,p+T\,\mathrm{logit}\,v)$, strictly between $p$ and "
    r"$\tfrac12$ (about $p+\tfrac{\pi^2T^2}6p(1-p)(1-2p)$), and the variance is below $\mathbb E z(1-\mathbb E z)$.",
    derive=refutation(_mean_said, _mean_holds, "odds a, r > 0", seconds=2),
    solve=mismatch(_kept, _smoothed, draws=20, seconds=1, what="p, and the mean of the smoothed sigmoid, against the "
                   "mean of the gate, both by quadrature."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _rate_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal, tends

    s, k, q = sp.symbols("s kappa q", positive=True)
    p = 1 / (2 + q)  # a drop rate below ½, with (1 − p)/p = 1 + q
    charge, pull = s / (2 * (1 - p) ** 2), k * sp.log(1 + q)
    x = sp.Symbol("x", positive=True)
    price = s * x / (2 * (1 - x)) + k * (x * sp.log(x) + (1 - x) * sp.log(1 - x))
    return [
        equal(sp.diff(price, x).subs(x, p), charge - pull, "the slope of the energy in p, at p = 1/(2 + q)",
              r"\frac{dE}{dp} = \frac{s}{2(1-p)^2}-\kappa\log\frac{1-p}{p}"),
        at_least(2 * s, charge, "the noise costs at most 2s, its value at p = ½"),
        at_least(charge, s / 2, "and at least ½s, so the best rate lies strictly below ½"),
        at_least(sp.diff(pull, q), 0, "the pull of the entropy grows away from ½: one optimum", strict=True),
        equal(pull.subs(q, sp.exp(2 * s / k) - 1), 2 * s, "so ½s ≤ κ log(1 + q) ≤ 2s at the optimum"),
        tends(sp.exp(2 * s / k) - 1, s, 0, 0, "and q → 0, p → ½ as s → 0"),
    ]  # fmt: skip


def _rate(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare e^(2s/κ) − 1 with the q whose rate 1/(2 + q) has the least energy on ever finer grids in log q."""
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
    at = {"κ": kappa, "s": share * kappa}
    return Pair(float(np.expm1((0.2 if control else 2) * share)), float(np.exp((low + high) / 2)), at)


def _tight(rng: "np.random.Generator") -> Pair:
    return _rate(rng, control=True)


RATE: Final = Claim(
    id="concrete/rate-tends-to-one-half",
    title="Concrete dropout's rate tends to one half where there is no signal",
    statement=r"The drop rate that minimises $sp/2(1-p)-\kappa H(p)$ satisfies $p=1/(2+q)$ with "
    r"$e^{s/2\kappa}-1\le q\le e^{2s/\kappa}-1$: below $\tfrac12$ for every $s>0$, and $\to\tfrac12$ as $s\to0$, so "
    r"weights without signal are not removed.",
    source="Gal, Hron, Kendall 2017, in the linear model; the bounds " + OURS,
    relation="upper",
    parameters={"s": "s = Σ‖x_j‖²β_j² > 0", "κ": "κ > 0"},
    derive=proof(_rate_steps, "s, κ, q > 0", seconds=2),
    solve=numbers(_rate, draws=20, relation="upper", control=_tight, seconds=2, what="The upper bound of q against the "
                  "minimiser in 40 digits; the control takes a tenth of the exponent."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (RELAXED, RATE)
