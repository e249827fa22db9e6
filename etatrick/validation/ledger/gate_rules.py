"""Claims on dropout rules that come from gates: Bernoulli ℓ0, standout, hard concrete, concrete dropout."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE, about, zoomed
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def _cel0() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, penalties, strategies, w
    from etatrick.validation.routes.facts import conditions, equal, identities

    gate, cel0 = strategies["bernoulli_l0"].duality, penalties["cel0"].duality
    kappa = gate.parameters[0]
    edge = sp.sqrt(2 * kappa)
    inside, outside = (row[0] for row in gate.penalty.args)
    return [
        equal(gate.dual, 2 * kappa * eta / (1 + eta), "twice the price κα at α = η/(1 + η)",
              r"f(\eta) = 2\kappa\,\frac{\eta}{1+\eta}"),
        equal(inside, kappa - (edge - w) ** 2 / 2, "the penalty derived from f, for w ≤ √(2κ)",
              r"\Omega(w) = \kappa-\tfrac12(\sqrt{2\kappa}-w)^2"),
        equal(outside, kappa, "and for w ≥ √(2κ): the price of an open gate", r"\Omega(w) = \kappa"),
        equal(inside, cel0.penalty.args[0][0], "the first is CEL0 as the catalogue of penalties has it",
              r"\Omega(w) = \Omega_{\mathrm{CEL0}}(w)"),
        *about("Bernoulli ℓ0", identities(gate)),
        *conditions(gate, "subquadratic", "exact_zeros", "concave", "bounded", of=r"f=2\kappa\eta/(1+\eta)"),
    ]  # fmt: skip


def _best_subset(rng: "np.random.Generator", gated: bool = True) -> Pair:
    """Compare min of LS + κ‖w‖₀ over all subsets with that of LS + ridge + κΣα over a grid of α in (0, 1]³."""
    import itertools

    import numpy as np

    X, y, kappa = rng.standard_normal((6, 3)), 2 * rng.standard_normal(6), float(rng.uniform(0.2, 2))

    def least(alpha: Any) -> float:
        kept = np.flatnonzero(alpha)
        if not kept.size:
            return float(y @ y) / 2
        part, odds = X[:, kept], (1 - alpha[kept]) / alpha[kept]
        gram = part.T @ part
        moment = part.T @ y
        best = np.linalg.solve(gram + np.diag(odds * np.diag(gram)), moment)
        return float(y @ y - moment @ best) / 2

    levels = np.linspace(0, 1, 11) if gated else np.array([0.0, 0.5])  # the control never opens a gate fully
    values = [least(np.array(a)) + kappa * sum(a) for a in itertools.product(levels, repeat=3)]
    corners = [least(np.array(a)) + kappa * sum(a) for a in itertools.product((0.0, 1.0), repeat=3)]
    return Pair(min(corners), min(values), {"κ": kappa})


def _half_open(rng: "np.random.Generator") -> Pair:
    return _best_subset(rng, gated=False)


BERNOULLI_L0: Final = Claim(
    id="strategies/bernoulli-l0-is-cel0",
    title="Bernoulli gates that pay for being open impose CEL0",
    statement=r"Scaled Bernoulli gates at the price $\kappa\alpha$ have $f(\eta)=2\kappa\eta/(1+\eta)$ and "
    r"$\Omega(w)=\kappa-\tfrac12(\sqrt{2\kappa}-|w|)_+^2$; with them least squares has the same optimal value as "
    r"with $\kappa\lVert w\rVert_0$.",
    source="Louizos, Welling, Kingma 2018 (gates); Soubies, Blanc-Féraud, Aubert 2015 (CEL0); the identity " + OURS,
    relation="equal",
    parameters={"κ": "> 0"},
    derive=proof(_cel0, "w, η, κ > 0", seconds=4),
    solve=numbers(_best_subset, draws=12, control=_half_open, seconds=2, what="The best of all subsets against the "
                  "best of 11³ gate probabilities, weights solved exactly; the control keeps gates half open."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _standout() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, eta, w
    from etatrick.validation.routes.facts import conditions, equal, tends

    a, b = sp.symbols("a b", positive=True)  # b > 0 covers one sign of the bias; the formula does not use it
    alpha = 1 / (1 + sp.exp(-(a * w + b)))
    penalty = sp.exp(-b) / a**2 * (1 - (1 + a * w) * sp.exp(-a * w))
    simple = derive(eta_hat="exp(w)")
    dual = 2 - (2 + 2 * sp.log(eta) + sp.log(eta) ** 2) / eta
    return [
        equal((1 - alpha) / alpha, sp.exp(-a * w - b), "the noise of α = σ(aw + b)",
              r"1/\hat\eta(w) = \frac{1-\alpha(w)}{\alpha(w)} = e^{-aw-b}"),
        equal(sp.Derivative(penalty, w), w * sp.exp(-a * w - b), "the penalty with Ω′ = w/η̂",
              r"\frac{d}{dw}\left[\frac{e^{-b}}{a^2}\left(1-(1+aw)e^{-aw}\right)\right] = w\,e^{-aw-b}"),
        equal(simple.penalty, 1 - (1 + w) * sp.exp(-w), "it is derived so from η̂ = e^w, at a = 1, b = 0",
              r"\Omega(w) = 1-(1+w)e^{-w}"),
        tends(simple.penalty / w**2, w, 0, sp.Rational(1, 2), "quadratic at 0",
              r"\lim_{w\to0^+} \Omega(w)/w^2 = \tfrac12"),
        equal(dual.subs(eta, sp.exp(w)), 2 * simple.penalty - w**2 * sp.exp(-w), "its dual for η ≥ 1",
              r"f = 2-(2+2\log\eta+\log^2\eta)/\eta"),
        tends(simple.penalty, w, sp.oo, 1, "it saturates", r"\lim_{w\to\infty} \Omega(w) = 1"),
        *conditions(simple, "subquadratic", of=r"\hat\eta=e^{w}"),
        *conditions(simple, "exact_zeros", "concave", of=r"\hat\eta=e^{w}", wanted="fails"),
    ]  # fmt: skip


def _standout_numbers(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.integrate import quad

    a, b, x = float(rng.uniform(0.3, 3)), float(rng.uniform(-1, 2)), float(10 ** rng.uniform(-1, 1))

    def slope(t: float) -> float:
        alpha = 1 / (1 + np.exp(-(a * t + b)))
        return float(t * (1 - alpha) / alpha)

    area = quad(slope, 0, x, epsabs=1e-13, epsrel=1e-13)[0]
    return Pair(float(np.exp(-b) / a**2 * (1 - (1 + a * x) * np.exp(-a * x))), area, {"a": a, "b": b, "w": x})


STANDOUT: Final = Claim(
    id="strategies/standout",
    title="Standout imposes a saturating penalty that never makes exact zeros",
    statement=r"$\alpha=\sigma(a|w|+b)$ has $\Omega(w)=e^{-b}a^{-2}(1-(1+a|w|)e^{-a|w|})$: quadratic at 0, bounded by "
    r"$e^{-b}/a^2$.",
    source=f"{SOURCE}; the rule is Ba, Frey 2013, there on activations",
    relation="equal",
    parameters={"a": "> 0", "b": "real; 0 in the conditions"},
    derive=proof(_standout, "w, a > 0", seconds=3),
    solve=numbers(_standout_numbers, draws=60, what="The closed form against ∫t(1 − α)/α dt by quadrature."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _hard_concrete() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    law, named = strategies["hard_concrete"]().duality, r"f = \mathrm P(s\ne0),\ \text{hard concrete}"
    return [
        *conditions(law, "subquadratic", "monotone", "exact_zeros", "concave", "bounded", "unbiased",
                    of=named),
        *conditions(law, "canonical", "continuous_prox", of=named, wanted="fails"),
    ]  # fmt: skip


def gate_moments(log_a: Any) -> tuple[Any, Any]:
    """Return 1/η = Var s/(E s)² and f = P(s ≠ 0) of the hard concrete gate, by Simpson's rule in the gate's value.

    Parameters
    ----------
    log_a : ndarray, shape (m,)
        The gate's parameter log a, at the published β = 2/3, γ = −0.1, ζ = 1.1.

    Returns
    -------
    noise, dual : ndarray, shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> noise, dual = gate_moments(np.array([0.0]))
    >>> noise.round(4).tolist(), dual.round(4).tolist()
    ([0.5921], [0.8318])
    """
    import numpy as np

    beta, gamma, zeta = 2 / 3, -0.1, 1.1
    x = np.linspace(0.0, 1.0, 4001)
    ratio = ((x - gamma) / (zeta - x)) ** beta
    weight = np.ones_like(x)
    weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
    weight *= (x[1] - x[0]) / 3
    a = np.exp(np.asarray(log_a))[..., None]
    tail = a / (a + ratio)
    mean, square = tail @ weight, (2 * x * tail) @ weight
    return square / mean**2 - 1, np.exp(log_a) / (np.exp(log_a) + ratio[0])


def _gate_penalty(rng: "np.random.Generator") -> Pair:
    from etatrick.theory import strategies

    x = float(rng.uniform(0.02, 0.8))

    def energy(t: Any) -> Any:
        noise, dual = gate_moments(t)
        return (x * x * noise + dual) / 2

    least = min(zoomed(energy, low, low + 5, rounds=3) for low in (-11, -6, -1, 4))
    return Pair(float(strategies["hard_concrete"]().duality.penalty_at(x)), min(least, 0.5), {"w": x})


HARD_CONCRETE: Final = Claim(
    id="strategies/hard-concrete",
    title="The hard concrete gate: a kink at 0, a jump, and a dual that is not canonical",
    statement=r"With $f=\mathrm P(s\ne0)$ and $1/\eta$ the squared coefficient of variation of the gate $s$, "
    r"$\Omega'(0^+)>0$, $\Omega$ is concave and $\hat\eta$ jumps to $\infty$ at a finite weight beyond which "
    r"$\Omega=\tfrac12$; $\eta^2f'$ is not monotone.",
    source=f"{SOURCE}; Louizos, Welling, Kingma 2018; the verdicts {OURS}",
    relation="equal",
    parameters={"β, γ, ζ": "2/3, −0.1, 1.1"},
    derive=proof(_hard_concrete, "w > 0 at the published constants", seconds=6),
    solve=numbers(_gate_penalty, draws=12, tolerance="SOLVER", seconds=3, what="Ω against the minimum over log a of "
                  "the energy, with moments by Simpson's rule."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _entropy() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import at_least, conditions, equal

    a, s, k = sp.symbols("a s kappa", positive=True)
    charge = k * (a * sp.log(2 * a) + (1 - a) * sp.log(2 * (1 - a)))
    steep = sp.diff(charge, a)
    half = 1 / (2 + s)  # a retain probability below ½
    law, named = strategies["concrete_dropout"](kappa=1).duality, r"R = \log2 - H(\alpha)"
    return [
        equal(steep.subs(a, 1 / (1 + s)), -k * sp.log(s), "the slope of the entropy's price, at α = 1/(1 + s)",
              r"R'(\alpha)=\kappa\,\mathrm{logit}\,\alpha"),
        at_least(0, (steep / k).subs(a, half).simplify(), "below α = ½ the price falls as α grows, and so does the "
                 "noise: no minimum is there", r"R'(\alpha) \le 0\ \text{for}\ \alpha<\tfrac12"),
        *conditions(law, "subquadratic", "bounded", of=named),
        *conditions(law, "exact_zeros", of=named, wanted="fails"),
    ]  # fmt: skip


def _most_dropped(rng: "np.random.Generator") -> Pair:
    import numpy as np

    kappa, x = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-3, 1))
    grid = np.linspace(1e-4, 1 - 1e-4, 20001)
    energy = x * x * (1 - grid) / grid / 2 + kappa * (grid * np.log(2 * grid) + (1 - grid) * np.log(2 - 2 * grid))
    return Pair(0.5, float(1 - grid[int(energy.argmin())]), {"κ": kappa, "w": x})


CONCRETE: Final = Claim(
    id="strategies/concrete-dropout",
    title="Concrete dropout's learned rate never exceeds one half",
    statement=r"With the price $\kappa(\log2-H(\alpha))$, $H$ the entropy of one mask, the optimal drop rate "
    r"$1-\alpha$ is at most $\tfrac12$ for every weight; the penalty is quadratic at 0 and bounded by $\kappa\log2$: "
    r"no weight is pruned.",
    source="Gal, Hron, Kendall 2017, in the linear model; the statement " + OURS,
    relation="upper",
    parameters={"κ": "> 0"},
    derive=proof(_entropy, "0 < α < 1, κ > 0; the conditions at κ = 1", seconds=4),
    solve=numbers(_most_dropped, draws=100, relation="upper", what="½ against the drop rate that minimises "
                  "½w²(1 − α)/α + κ(log 2 − H(α)) on a grid of 20001 rates."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (BERNOULLI_L0, STANDOUT, HARD_CONCRETE, CONCRETE)
