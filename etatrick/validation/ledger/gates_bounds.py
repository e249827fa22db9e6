"""Claims on the penalties of gates: the sandwich between CEL0 and ℓ0, column norms, frozen weights, hard concrete."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, zoomed
from etatrick.validation.ledger.thresholds_scalar import SEARCH, lowest
from etatrick.validation.ledger.thresholds_vector import lowest_in_plane
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

LOUIZOS: Final = "Louizos, Welling, Kingma 2018"


def concrete_moments(log_a: Any, beta: float) -> tuple[Any, Any]:
    """Return Var s/(E s)² and P(s ≠ 0) of the hard concrete gate with γ = −0.1, ζ = 1.1, by Simpson's rule in u.

    Parameters
    ----------
    log_a : ndarray, shape (m,)
    beta : float
        The temperature.

    Returns
    -------
    noise, open : ndarray, shape (m,)

    Examples
    --------
    >>> import numpy as np
    >>> noise, held_open = concrete_moments(np.array([0.0]), 2 / 3)
    >>> noise.round(4).tolist(), held_open.round(4).tolist()
    ([0.5921], [0.8318])
    """
    import numpy as np

    low, high = (np.log(x / (1 - x)) for x in (0.1 / 1.2, 1.1 / 1.2))  # logits of the gate's two ends
    z = np.linspace(low, high, 801)
    weight = np.ones_like(z)
    weight[1:-1:2], weight[2:-1:2] = 4.0, 2.0
    weight *= (z[1] - z[0]) / 3
    s = 1 / (1 + np.exp(-z))
    gate, speed = 1.2 * s - 0.1, 1.2 * s * (1 - s)
    tail = 1 / (1 + np.exp(np.clip(beta * z - np.asarray(log_a)[..., None], -700, 700)))  # P(logit of s > z)
    mean, square = tail @ (weight * speed), tail @ (weight * 2 * gate * speed)
    return square / mean**2 - 1, tail[..., 0]


def gate_penalty(t: float, kappa: float, beta: float) -> float:
    """Return the least of ½t²·CV² + κP(s ≠ 0) over log a, at temperature `beta`; a gate held open costs κ.

    Examples
    --------
    >>> round(gate_penalty(0.2, 0.5, 2 / 3), 3)
    0.258
    """
    import itertools

    def energy(log_a: Any) -> Any:
        noise, held_open = concrete_moments(log_a, beta)
        return t * t * noise / 2 + kappa * held_open

    ends = (-12.0, -6.0, -2.0, 2.0, 8.0)
    return min(kappa, *(zoomed(energy, a, b, rounds=3) for a, b in itertools.pairwise(ends)))


def _cel0(t: float, kappa: float) -> float:
    return float(kappa - max((2 * kappa) ** 0.5 - t, 0.0) ** 2 / 2)


def _sandwich_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    m, v, q, t, k = sp.symbols("m v q t kappa", positive=True)
    chance = 1 / (1 + q)  # P(s ≠ 0); m and v: mean and variance of s where it is not 0
    noise = chance * (m**2 + v) / (chance * m) ** 2 - 1
    energy = t**2 * q / 2 + k / (1 + q)
    cel0 = sp.sqrt(2 * k) * t - t**2 / 2  # for t < √(2κ), κ beyond
    return [
        equal(noise - q, v * (1 + q) / m**2, "CV² = (1 − π)/π + a term of the spread where s ≠ 0",
              r"\mathrm{CV}^2=\tfrac{1-\pi}\pi+\tfrac{v}{\pi m^2},\ q=\tfrac{1-\pi}\pi"),
        at_least(noise, q, "so a Bernoulli gate is the least noisy"),
        equal(energy - cel0, (t * (1 + q) - sp.sqrt(2 * k)) ** 2 / (2 * (1 + q)), "whose energy ½t²q + κπ is at least "
              "CEL0 for t < √(2κ), by a square",
              r"\tfrac{t^2q}2+\tfrac\kappa{1+q}-\sqrt{2\kappa}\,t+\tfrac{t^2}2"
              r" = \frac{(t(1+q)-\sqrt{2\kappa})^2}{2(1+q)}"),
        at_least((sp.sqrt(2 * k) + m) ** 2 * q / 2 + k / (1 + q), k, "and at least κ for t = √(2κ) + m"),
        equal(sp.Subs(energy, q, 0), k, "an open gate (π = 1, CV = 0) costs κ"),
        equal(sp.Subs(cel0, t, sp.sqrt(2 * k)), k, "which CEL0 reaches at t = √(2κ)"),
    ]  # fmt: skip


def _between(rng: "np.random.Generator", quiet: bool = False) -> Pair:
    kappa, beta = float(10 ** rng.uniform(-1, 1)), float(rng.uniform(0.2, 1))
    t = float(rng.uniform(0.05, 1.3)) * (2 * kappa) ** 0.5
    if quiet:  # the noise (1 − π), which no gate of that π has
        value = min(kappa, lowest(lambda p: t * t * (1 - p) / 2 + kappa * p, 1.0))
    else:
        value = gate_penalty(t, kappa, beta)
    return Pair(min(value - _cel0(t, kappa), kappa - value), 0.0, {"κ": kappa, "β": beta, "t": t})


def _quiet(rng: "np.random.Generator") -> Pair:
    return _between(rng, quiet=True)


SANDWICH: Final = Claim(
    id="gates/least-noisy",
    title="Every gated ℓ0 penalty lies between CEL0 and ℓ0",
    statement=r"A gate $s$ with $P(s\ne0)=\pi$ has $\mathrm{CV}^2=\mathrm{Var}\,s/(\mathbb E s)^2\ge(1-\pi)/\pi$. So "
    r"for $\Omega$, the least of $\tfrac12t^2\mathrm{CV}^2+\kappa\pi$ over any family that reaches $\pi=1$ without "
    r"noise, $\mathrm{CEL0}=\kappa-\tfrac12(\sqrt{2\kappa}-t)_+^2$ $\le\Omega\le\kappa1\{t\ne0\}$: least squares has "
    r"the optimal value of $\ell_0$, as with CEL0 (gates/cel0-without-column-norms).",
    source=OURS,
    relation="upper",
    parameters={"κ": "> 0, the price of an open gate", "s": "E s² < ∞", "t": "‖x‖|w|, the scaled weight"},
    derive=proof(_sandwich_steps, "m, κ, t > 0, v, q ≥ 0; m, v: mean and variance of s where it is not 0", seconds=2),
    solve=numbers(_between, draws=20, relation="upper", control=_quiet, seconds=3, what="The smaller of Ω − CEL0 and "
                  "κ − Ω against 0, for hard concrete gates of random temperature β; the control has "
                  "less noise than any gate, 1 − π."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _norm_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    a, b, d = sp.symbols("a b d", positive=True)
    w, v = 1 / (1 + a), 1 / (1 + b)
    return [at_least((v - (1 + d) * w) ** 2 / 2 + w - w**2 / 2, v**2 / 2, "λ = ½, ‖x‖ = 1 + d, w = 1/(1 + a), "
                     "v = 1/(1 + b) < 1: 0 is optimal with ℓ0, and should be with MCP(1, 1)")]  # fmt: skip


def _norm_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    w, v, t, s, r, d = sp.symbols("w v lambda s r d", positive=True)
    edge = sp.sqrt(2 * t)
    cel0 = edge * s * w - s**2 * w**2 / 2
    less = (edge - (r + d) * w) ** 2 / 2 + edge * r * w - r**2 * w**2 / 2
    return [
        equal(sp.Derivative((v - s * w) ** 2 / 2 + cel0, (w, 2)), 0, "the bend s² = ‖x‖²: linear in each weight below "
              "√(2λ)/s; v is what the column has left to fit"),
        equal((v - s * w) ** 2 / 2 + cel0 - v**2 / 2, s * w * (edge - v), "so a weight goes to 0, or to √(2λ)/s, where "
              "CEL0 is ℓ0"),
        at_least(t - cel0, 0, "and CEL0 never exceeds ℓ0"),
        equal(less - t, -d * w * (edge - (r + d / 2) * w), "a bend r² below s² = (r + d)² is not enough: where v = "
              "√(2λ), and ℓ0 costs λ at best, a small weight costs less",
              r"\tfrac12(\sqrt{2\lambda}-sw)^2+\sqrt{2\lambda}\,rw-\tfrac12r^2w^2-\lambda"
              r" = -dw(\sqrt{2\lambda}-(r+\tfrac d2)w)"),
    ]  # fmt: skip


def penalised_minimum(X: Any, y: Any, price: float, bends: Any) -> float:
    """Return the least of ½‖y − Xw‖² + Σ_j(κ − ½(√(2κ) − s_j|w_j|)²₊) for two columns, by grids in the plane.

    Examples
    --------
    >>> import numpy as np
    >>> round(penalised_minimum(np.eye(2), np.array([3.0, 0.1]), 0.5, np.ones(2)), 6)
    0.505
    """
    import numpy as np

    gram, moment, whole = X.T @ X, X.T @ y, float(y @ y) / 2

    def energy(a: Any, b: Any) -> Any:
        fit = whole - moment[0] * a - moment[1] * b + (gram[0, 0] * a * a + gram[1, 1] * b * b) / 2 + gram[0, 1] * a * b
        return fit + sum(price - np.maximum((2 * price) ** 0.5 - s * np.abs(w), 0) ** 2 / 2
                         for s, w in zip(bends, (a, b), strict=True))  # fmt: skip

    reach = 2 * float(np.abs(np.linalg.solve(gram, moment)).max() + np.abs(moment / np.diag(gram)).max())
    return lowest_in_plane(energy, reach)


def _optimum(rng: "np.random.Generator", scaled: bool) -> Pair:
    """Compare the best of 4 subsets with the least of LS + CEL0 in the plane; the bend is that of the columns or 1."""
    import numpy as np

    X, y, kappa = 1.5 * rng.standard_normal((5, 2)), 2 * rng.standard_normal(5), float(rng.uniform(0.5, 4))
    gram, moment, whole = X.T @ X, X.T @ y, float(y @ y) / 2
    subsets = [whole, *(whole + kappa - moment[j] ** 2 / gram[j, j] / 2 for j in range(2)),
               whole + 2 * kappa - float(moment @ np.linalg.solve(gram, moment)) / 2]  # fmt: skip
    bends = np.sqrt(np.diag(gram)) if scaled else np.ones(2)
    return Pair(min(subsets), penalised_minimum(X, y, kappa, bends), {"λ": kappa})


def _unit_bend(rng: "np.random.Generator") -> Pair:
    return _optimum(rng, scaled=False)


def _column_bend(rng: "np.random.Generator") -> Pair:
    return _optimum(rng, scaled=True)


COLUMN_NORMS: Final = Claim(
    id="gates/cel0-without-column-norms",
    title="CEL0 has the optimum of ℓ0 only with the bend of the columns",
    statement=r"$\mathrm{MCP}(\sqrt{2\lambda},1)$, the penalty of Bernoulli gates for unit columns, gives least "
    r"squares the optimal value of $\lambda\lVert w\rVert_0$ on every design.",
    source="Soubies, Blanc-Féraud, Aubert 2015, read without its column norms",
    relation="corrected",
    parameters={"λ": "> 0"},
    corrected=r"It does with the bend $\lVert x_j\rVert^2$, and not with less: the penalty $\lambda-\tfrac12"
    r"(\sqrt{2\lambda}-\lVert x_j\rVert|w_j|)_+^2$, which is what gates on that column impose.",
    derive=refutation(_norm_said, _norm_holds, "w, v, λ, s > 0; one column, the others fixed"),
    solve=mismatch(_unit_bend, _column_bend, draws=15, tolerance="SOLVER", seconds=2,
                   what="The best of all subsets against the least of the penalised objective on grids in the plane."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _frozen_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    p, t, k, s = sp.symbols("pi t kappa s", positive=True)
    best = t / sp.sqrt(2 * k)
    energy = t**2 * (1 - p) / (2 * p) + k * p
    return [
        equal(energy - energy.subs(p, best), k * (p - best) ** 2 / p, "the best gate for E(π) = ½t²(1 − π)/π + κπ is "
              "π* = t/√(2κ), t = s|β|", r"E(\pi)-E(\pi^*) = \frac\kappa\pi(\pi-\pi^*)^2"),
        equal(t / s / best, sp.sqrt(2 * k) / s, "so the raw weight β/π is √(2κ)/s, whatever β",
              r"\beta/\pi=\sqrt{2\kappa}/s"),
        equal(sp.Subs(sp.Derivative(energy, p), p, 1), k - t**2 / 2, "not positive, so an open gate stays open, where "
              "t ≥ √(2κ)"),
    ]  # fmt: skip


def _raw(rng: "np.random.Generator", control: bool = False) -> Pair:
    import numpy as np

    kappa, s = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-0.5, 0.5))
    mean = float(rng.uniform(0.05, 0.95)) * (2 * kappa) ** 0.5 / s
    low, high = np.log(mean), np.log(mean) + 8
    for _ in range(200):  # the raw weight u = β/π by sections: the mean loss over the mask is unimodal in log u
        a, b = low + (high - low) * 0.4, low + (high - low) * 0.6
        cost = [(s * mean) ** 2 * (np.exp(x) / mean - 1) / 2 + kappa * mean / np.exp(x) for x in (a, b)]
        low, high = (low, b) if cost[0] < cost[1] else (a, high)
    stated = (2 * kappa) ** 0.5 / s if not control else mean
    return Pair(stated, float(np.exp((low + high) / 2)), {"κ": kappa, "s": s, "β": mean})


def _shrinking(rng: "np.random.Generator") -> Pair:
    return _raw(rng, control=True)


FROZEN: Final = Claim(
    id="gates/raw-weight-is-frozen",
    title="While a gate closes, the weight behind it does not move",
    statement=r"Where $0<s|\beta|<\sqrt{2\kappa}$ the optimal gate for the mean weight $\beta$ is "
    r"$\pi=s|\beta|/\sqrt{2\kappa}$, so the raw weight $\beta/\pi$ is $\sqrt{2\kappa}/s$: its size says nothing about "
    r"sparsity, only $\pi$ does.",
    source=OURS,
    relation="equal",
    parameters={"κ": "> 0, the price of an open gate", "s": "‖x‖ > 0"},
    derive=proof(_frozen_steps, "t, κ > 0; π* < 1 where t < √(2κ)"),
    solve=numbers(_raw, draws=40, tolerance="SOLVER", control=_shrinking, seconds=0.5, what="√(2κ)/s against the raw "
                  "weight of least mean loss at a fixed mean weight; the control expects the mean weight."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


CLAIMS: Final = (SANDWICH, COLUMN_NORMS, FROZEN)
