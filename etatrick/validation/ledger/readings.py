"""Claims on how published figures and comparisons may be read: what they show, and what they do not."""

from functools import cache
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.ledger.combining import least_energy
from etatrick.validation.ledger.theorems import FORMAL, SOURCE, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _one_gradient() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, lam, w
    from etatrick.validation.routes.facts import equal

    e, a = sp.symbols("epsilon alpha", positive=True)
    rule = w * (w + e) / (w * (w + e) + lam)
    return [equal(derive(eta_hat="w*(w + epsilon)", parameters=["epsilon"]).alpha, rule, "AdaTikhonov's rule",
                  rf"\alpha = \hat\eta/(\hat\eta+\lambda) = {sp.latex(rule)}"),
            equal(sp.Subs(sp.Derivative(w**2 * (1 - a) / (2 * a), w), a, rule), sp.Derivative(lam * sp.log(w + e), w),
                  "with α detached its gradient is that of LogSum")]  # fmt: skip


def _gradients(rng: "np.random.Generator") -> Pair:
    """Compare derivatives of ½w²(1−α)/α, α held real, and of λ·log(1 + w/ε), by complex steps."""
    import numpy as np

    e, strength, x = (float(10 ** rng.uniform(-1, 1)) for _ in range(3))
    w, step = x + 1e-30j, 1e-30
    alpha = x * (x + e) / (x * (x + e) + strength)
    one, other = w**2 * (1 - alpha) / alpha / 2, strength * np.log(1 + w / e)
    return Pair(float(other.imag / step), float(one.imag / step), {"ε": e, "λ": strength, "w": x})


IDENTITY: Final = Claim(
    id="flip-side/log-sum-equals-adatikhonov",
    title="LogSum and AdaTikhonov are one algorithm, so their agreement is no evidence",
    statement=r"The gradient of $\tfrac12\sum w^2(1-\alpha)/\alpha$ with $\alpha=\hat\eta/(\hat\eta+\lambda)$, "
    r"$\hat\eta=w(w+\varepsilon)$ detached, is that of $\lambda\sum\log(|w|+\varepsilon)$: the two methods of the "
    r"published table differ only in when $\alpha$ is refreshed and clamped.",
    source=f"{SOURCE}, table of LeNet-300-100",
    relation="equal",
    parameters={"ε": "ε > 0", "λ": "λ > 0"},
    derive=proof(_one_gradient, "w, ε, λ > 0"),
    solve=numbers(_gradients, draws=60, what="The two gradients by complex steps.", seconds=0.5),
    observe=Absent("both methods are trained under flip-side/log-sum-duality; the identity says they must agree"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _growth(published: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, strategies, w
    from etatrick.validation.routes.facts import tends

    dual = strategies["variational_dropout"]().duality.dual
    slope = sp.diff(dual, eta)
    penalty, weight = (eta * slope + dual) / 2, sp.log(eta) + sp.log(slope) / 2  # Ω and log w along the curve
    half = (1 + sp.EulerGamma + sp.log(2)) / 2
    if published:
        return [tends(2 * sp.log(1 + w / 2) - sp.log(w), w, sp.oo, half, "2log(1 + w/2) has the tail of variational "
                      "dropout", r"\lim_{w\to\infty}[2\log(1+w/2)-\log w] = \tfrac12(1+\gamma+\log2)")]  # fmt: skip
    return [
        tends(penalty - weight, eta, sp.oo, half, "variational dropout has the tail log w + ½(1 + γ + log 2)",
              r"\lim_{w\to\infty}[\Omega(w)-\log w] = \tfrac12(1+\gamma+\log2)"),
        tends(2 * sp.log(1 + w / 2) - 2 * sp.log(w), w, sp.oo, -2 * sp.log(2), "2log(1 + w/2) has twice the slope",
              r"\lim_{w\to\infty}[2\log(1+w/2)-2\log w] = -2\log2"),
    ]  # fmt: skip


def _said_alike() -> list[Fact]:
    return _growth(True)


def _truly_apart() -> list[Fact]:
    return _growth(False)


def _compared(rng: "np.random.Generator", tail: bool = False) -> Pair:
    """Compare Ω of variational dropout, by minimisation, with 2log(1 + w/2), or its tail far out and bounds near."""
    import numpy as np
    from scipy.special import dawsn

    near = tail and rng.uniform() < 0.5
    x = float(rng.uniform(0.05, 5) if near else 10 ** rng.uniform(3, 5))
    grid = np.linspace(0, 40, 400001)  # f = 4∫D, by trapezoids, and its expansion beyond
    area = np.concatenate([[0.0], np.cumsum((dawsn(grid)[1:] + dawsn(grid)[:-1]) / 2 * (grid[1] - grid[0]))])

    def dual(eta: Any) -> Any:
        half = np.sqrt(eta / 2)
        far = np.log(eta) + np.euler_gamma + np.log(2) - 1 / eta - 3 / (2 * eta**2)
        return np.where(half < 40, 4 * np.interp(half, grid, area), far)

    found, stated = least_energy(x, dual), 2 * np.log1p(x / 2)
    if tail:
        stated = np.clip(found, stated, stated + 0.33) if near else np.log(x) + (1 + np.euler_gamma + np.log(2)) / 2
    return Pair(float(stated), found, {"w": x})


def _compared_tail(rng: "np.random.Generator") -> Pair:
    return _compared(rng, tail=True)


SIMILARITY: Final = Claim(
    id="flip-side/vardrop-is-like-log-sum",
    title="Variational dropout resembles log-sum only on the range that is drawn",
    statement=r"Variational dropout's penalty behaves like $2\log(1+w/2)$.",
    source=f"{SOURCE}, figure 1, left",
    relation="corrected",
    parameters={"w": "w > 0"},
    corrected=r"On the range that is drawn, $[0,5]$, $2\log(1+w/2)\le\Omega\le2\log(1+w/2)+0.33$. Far out "
    r"$\Omega-\log w\to\tfrac12(1+\gamma+\log2)$: half as steep in $\log w$.",
    derive=refutation(_said_alike, _truly_apart, "w → ∞", seconds=4),
    solve=mismatch(_compared, _compared_tail, draws=20, tolerance="SOLVER", seconds=4, what="Ω at weights from 1e3 to "
                   "1e5, by minimisation, against 2log(1 + w/2); corrected, against its own tail and, for w ≤ 5, "
                   "against both bounds."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _said_concave() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    return list(conditions(strategies["molchanov_fit"]().duality, "concave", of=r"\Omega\text{ of the fit}"))


def _truly_concave() -> list[Fact]:
    from etatrick.theory import strategies
    from etatrick.validation.routes.facts import conditions

    fit, exact = (strategies[name]().duality for name in ("molchanov_fit", "variational_dropout"))
    return [*conditions(fit, "canonical", "exact_zeros", of=r"\Omega\text{ of the fit}"),
            *conditions(exact, "concave", of=r"\Omega\text{ of the exact divergence}")]  # fmt: skip


def _fitted_slope(rng: "np.random.Generator") -> Pair:
    import numpy as np

    k1, k2, k3, z = 0.63576, 1.8732, 1.48695, float(rng.uniform(-5, -2))
    s = 1 / (1 + np.exp(k2 - k3 * z))
    growth = 2 * (k1 * k3 * s * (1 - s) + 0.5 / (1 + np.exp(-z)))  # df/d log η
    return Pair(1.0, float(np.sqrt(growth / np.exp(z))), {"η": float(np.exp(z))})


def _exact_slope(rng: "np.random.Generator") -> Pair:
    import numpy as np
    from scipy.special import dawsn

    eta = float(np.exp(rng.uniform(-5, -2)))
    return Pair(1.0, float(np.sqrt(dawsn((eta / 2) ** 0.5) / (eta / 2) ** 0.5)), {"η": eta})


MOLCHANOV: Final = Claim(
    id="errata/molchanov-fit",
    title="The fitted divergence of variational dropout is not concave near 0",
    statement=r"With the usual fit of the divergence the penalty keeps its shape: $\Omega'$ falls from 1.",
    source="Molchanov, Ashukha, Vetrov 2017, the fit used in practice",
    relation="corrected",
    parameters={"k₁, k₂, k₃": "0.63576, 1.87320, 1.48695"},
    corrected=r"With the fit $\Omega'$ rises to 1.0118 before it falls; it is canonical and has its kink. The exact "
    r"divergence is concave, with $\Omega'\le1$.",
    derive=refutation(_said_concave, _truly_concave, "w > 0", seconds=3),
    solve=mismatch(_fitted_slope, _exact_slope, draws=60, relation="upper", what="1 as a bound of Ω′ = √f′, for the "
                   "fit and for the exact divergence."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _gauge(rescaled: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, lam, w
    from etatrick.validation.routes.facts import equal

    z = sp.Symbol("zeta", positive=True)
    price = sp.log(1 + eta)  # 2·KL of empirical-Bayes variational dropout at λ = 1
    dual = (price.subs(eta, eta / lam) if rescaled else price) / lam
    energy = lam * (w**2 / eta + dual)
    shown = r"\eta/\lambda" if rescaled else r"\eta"
    return [equal(energy.subs(eta, lam * z), w**2 / z + price.subs(eta, z), "at η = λζ twice "
                  "the energy, and so λΩ, does not depend on λ", r"\lambda\,[w^2/\eta+f(\eta)] = w^2/\zeta+2\mathrm{KL}"
                  rf"(\zeta),\quad f(\eta) = \tfrac2\lambda\mathrm{{KL}}({shown})")]  # fmt: skip


def _not_rescaled() -> list[Fact]:
    return _gauge(False)


def _is_rescaled() -> list[Fact]:
    return _gauge(True)


def _gauged(rng: "np.random.Generator", rescaled: bool = False) -> Pair:
    import numpy as np

    strength, x = float(10 ** rng.choice([-1.0, 1.0]) * rng.uniform(0.5, 1)), float(10 ** rng.uniform(-1, 1))
    s = np.sqrt(x * x + 4)
    unit = x * (s - x) / 4 + np.arcsinh(x / 2)  # P = Ω at λ = 1
    found = strength * least_energy(x, lambda e: np.log1p(e / strength if rescaled else e) / strength)
    return Pair(float(unit), float(found), {"λ": strength, "w": x})


def _gauged_right(rng: "np.random.Generator") -> Pair:
    return _gauged(rng, rescaled=True)


GAUGE: Final = Claim(
    id="errata/variational-dual-at-other-strengths",
    title="The variational dual must be rescaled together with λ",
    statement=r"For any λ variational dropout has $f(\eta)=\tfrac2\lambda\mathrm{KL}(\eta)$.",
    source="LeJeune, Javadi, Baraniuk 2021, the authors' published code, VarDropPenalty1D(λ)",
    relation="corrected",
    parameters={"λ": "λ > 0"},
    corrected=r"$f(\eta)=\tfrac2\lambda\mathrm{KL}(\eta/\lambda)$, since the noise variance is $\lambda/\eta$; the two "
    r"agree only at $\lambda=1$. Shown for the empirical-Bayes divergence.",
    derive=refutation(_not_rescaled, _is_rescaled, "w, ζ, λ > 0"),
    solve=mismatch(_gauged, _gauged_right, draws=40, what="λΩ by minimisation against its value at λ = 1."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _ranking() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u = sp.Symbol("u", positive=True)
    h = sp.Function("h")(u)
    first, second = sp.diff(h, u), sp.diff(h, u, 2)
    return [
        equal(sp.Derivative(h / u, u), -(h - u * first) / u**2, "kΩ(1/√k) = h(u)/2u at u = 1/k rises in k iff h ≥ uh′",
              r"(h/u)' = -(h-u\,h')/u^2,\quad h(u)=2\Omega(\sqrt u)"),
        equal(sp.Derivative(h - u * first, u), -u * second, "which concavity and h(0) = 0 give: h − uh′ is 0 at 0 and "
              "does not fall", r"(h-u\,h')' = -u\,h''"),
    ]  # fmt: skip


@cache
def _spread() -> dict[str, list[float]]:
    from etatrick.validation.figures.gallery import flip_side_data

    return dict(flip_side_data()["spread"])


def _figure(rng: "np.random.Generator", cubic: bool = False) -> Pair:
    """Compare the largest value up to k of a curve of figure 1, right, with the minimum over η or the formula at k."""
    import numpy as np

    from etatrick.validation.ledger.gate_rules import gate_moments

    k, index = int(rng.integers(1, 33)), int(rng.integers(4))
    x = 1 / k**0.5
    if cubic:  # not subquadratic: k·w³ falls
        return Pair(1.0, k * x**3, {"k": float(k)})

    def gate(t: Any) -> Any:
        noise, dual = gate_moments(t)
        return (x * x * noise + dual) / 2

    concrete = [zoomed(gate, low, low + 5, rounds=3) for low in (-11, -6, -1, 4)] if index == 2 else []
    value = (2 * np.log1p(x / 2), 1 - (1 + x) * np.exp(-x), min([*concrete, 0.5]),
             2**0.5 * (x - x * x / 2**0.5 if x < 0.5**0.5 else 8**-0.5))[index]  # fmt: skip
    name = ("2 LogSum(2)", "Standout", "HardConcrete", "√2 MCP(½, √2)")[index]
    return Pair(max(_spread()[name][:k]), k * float(value), {"k": float(k), "curve": float(index)})


def _cubic(rng: "np.random.Generator") -> Pair:
    return _figure(rng, cubic=True)


FIGURE: Final = Claim(
    id="flip-side/figure-1-ranking",
    title="Subquadratic penalties rank unit vectors by their number of equal entries",
    statement=r"For subquadratic $\Omega$ with $\Omega(0)=0$, $k\,\Omega(1/\sqrt k)$ is nondecreasing in $k$: of all "
    r"unit vectors with $k$ equal entries the sparser is charged no more.",
    source=f"{SOURCE}, figure 1, right",
    relation="upper",
    parameters={"k": "k ≥ 1"},
    derive=proof(_ranking, "u > 0, h concave with h(0) = 0"),
    solve=numbers(_figure, draws=20, tolerance="SOLVER", seconds=4, control=_cubic, what="The largest value up to k of "
                  "our curves of the published figure against formulas and minimisations at k that share no code with "
                  "them (0: 2 LogSum(2), 1: standout, 2: hard concrete, 3: √2 MCP(½, √2)); the control is w³."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (IDENTITY, SIMILARITY, MOLCHANOV, GAUGE, FIGURE)
