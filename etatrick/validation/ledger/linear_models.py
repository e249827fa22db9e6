"""Claims on fitted models: degrees of freedom, generalised linear models, column norms, designing a schedule."""

import math
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _frozen() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    penalty = sp.log(1 + w) / 2
    alpha = w / (w + sp.Derivative(penalty, w))
    return [equal(alpha, 1 / (1 + sp.Derivative(penalty, w, 2)), "α = w/(w + P′) is the slope 1/(1 + P″) of the fit, "
                  "for P = ½log(1 + w)")]  # fmt: skip


def _true_freedom() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    penalty, t = sp.Function("P")(w), sp.Symbol("t", positive=True)
    v = t + sp.Rational(1, 2)  # t beyond the threshold ½
    prox = (v - 1 + sp.sqrt((v + 1) ** 2 - 2)) / 2
    return [
        equal(sp.Derivative(w + sp.diff(penalty, w), w), 1 + sp.diff(penalty, w, 2), "v = w + P′(w), so dw/dv = "
              "1/(1 + P″)", r"\frac{d}{dw}[w+P'(w)] = 1+P''(w)"),
        equal(sp.Derivative(prox, t), sp.Subs(1 / (1 + sp.Derivative(sp.log(1 + w) / 2, w, 2)), w, prox),
              "so it is for the closed-form prox of ½log(1 + w), t beyond the threshold"),
    ]  # fmt: skip


def _freedom(rng: "np.random.Generator", frozen: bool = True) -> Pair:
    """Compare a formula for dw/dv with a difference quotient of the prox of λ·log(1 + w), λ ≤ 1."""
    lam = float(rng.uniform(0.1, 0.9))
    v = lam + float(rng.uniform(0.1, 3))

    def prox(x: float) -> float:
        return (x - 1 + math.sqrt((x + 1) ** 2 - 4 * lam)) / 2

    w, h = prox(v), 1e-4
    slope = (8 * (prox(v + h) - prox(v - h)) - (prox(v + 2 * h) - prox(v - 2 * h))) / (12 * h)
    stated = w / (w + lam / (1 + w)) if frozen else 1 / (1 - lam / (1 + w) ** 2)
    return Pair(stated, slope, {"λ": lam, "v": v})


def _freedom_right(rng: "np.random.Generator") -> Pair:
    return _freedom(rng, frozen=False)


FREEDOM: Final = Claim(
    id="eta-trick/degrees-of-freedom",
    title="The expected number of retained weights is not the degrees of freedom",
    statement=r"For an orthonormal design the degrees of freedom of the fit are $\sum_j\alpha_j$, the trace of the "
    r"frozen smoother.",
    source=OURS,
    relation="corrected",
    parameters={"P": "with continuous prox"},
    corrected=r"They are $\sum_{w_j\ne0}1/(1+P''(w_j))$ in expectation (Stein); $\sum\alpha_j$ ignores that $\alpha$ "
    r"moves with the data.",
    derive=refutation(_frozen, _true_freedom, "w > 0, v > ½"),
    solve=mismatch(_freedom, _freedom_right, draws=60, tolerance="SOLVER", what="Formulas for dw/dv against "
                   "fourth-order differences of the prox of log-sum."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _small_rate(quadratic: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, u, z, c = sp.symbols("alpha u z c", positive=True)  # u = x·w; A = exp, a Poisson response
    mean = a * sp.exp(z + u * (1 / a - 1)) + (1 - a) * sp.exp(z - u) - sp.exp(z)
    rate = -sp.Subs(sp.Derivative(mean, a), a, 1)
    law = sp.exp(z) * u**2 / 2 if quadratic else sp.exp(z - u) - sp.exp(z) + u * sp.exp(z)
    name = "½A″(z)u²" if quadratic else "A(z − u) − A(z) + A′(z)u"
    gaussian = equal(sp.Subs(sp.Derivative(sp.exp(z + c * u**2 / 2), c), c, 0), sp.exp(z) * u**2 / 2, "Gaussian masks "
                     "of variance c: the mean of A grows by ½A″(z)u² per c at c = 0")  # fmt: skip
    return [equal(rate, law, f"the penalty per drop rate tends to {name}, A = exp"), *([] if quadratic else [gaussian])]


def _said_quadratic() -> list[Fact]:
    return _small_rate(True)


def _truly_finite() -> list[Fact]:
    return _small_rate(False)


def _logistic(rng: "np.random.Generator", quadratic: bool = True) -> Pair:
    """Compare a limit law with the penalty of a mask per drop rate, extrapolated to 0, for a logistic response."""
    import numpy as np

    z, u, q = float(rng.uniform(-2, 2)), float(rng.uniform(0.5, 3)), 1e-5

    def charge(rate: float) -> float:
        keep = 1 - rate
        return float(keep * np.logaddexp(0, z + u * (1 / keep - 1)) + rate * np.logaddexp(0, z - u)
                     - np.logaddexp(0, z)) / rate  # fmt: skip

    p = 1 / (1 + float(np.exp(-z)))
    finite = float(np.logaddexp(0, z - u) - np.logaddexp(0, z)) + p * u
    stated = p * (1 - p) * u**2 / 2 if quadratic else finite
    return Pair(stated, 2 * charge(q) - charge(2 * q), {"z": z, "u": u})


def _logistic_right(rng: "np.random.Generator") -> Pair:
    return _logistic(rng, quadratic=False)


SMALL_RATE: Final = Claim(
    id="errata/quadratic-glm-dropout",
    title="The quadratic approximation is not the small-rate limit of Bernoulli dropout",
    statement=r"In a generalised linear model dropout at a small rate $1-\alpha$ charges "
    r"$(1-\alpha)\sum_j\tfrac12A''(z)\,x_j^2w_j^2$.",
    source="Wager, Wang, Liang 2013, the quadratic approximation read as a limit",
    relation="corrected",
    parameters={"α": "α → 1", "A": "log-partition function", "z": "the linear predictor"},
    corrected=r"For Bernoulli masks the limit is $(1-\alpha)\sum_j[A(z-x_jw_j)-A(z)+A'(z)x_jw_j]$; the quadratic is "
    r"that of Gaussian masks. The two kinds are interchangeable only for the squared loss.",
    derive=refutation(_said_quadratic, _truly_finite, "one weight, u = xw > 0, z > 0, A = exp"),
    solve=mismatch(_logistic, _logistic_right, draws=60, tolerance="SOLVER", what="Each law against the exact logistic "
                   "penalty per drop rate, extrapolated from the rates 1e-5 and 2e-5."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _rescaled(quadratic: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    c = sp.Symbol("c", positive=True)
    penalty = w**2 / 2 if quadratic else w
    name = "ridge" if quadratic else "ℓ1"
    return [equal(c**2 * penalty.subs(w, w / c), penalty, f"a column c times as long, with weight w/c: {name}",
                  rf"c^2P(w/c) = P(w),\quad P(w) = {sp.latex(penalty)}")]  # fmt: skip


def _said_invariant() -> list[Fact]:
    return _rescaled(False)


def _truly_invariant() -> list[Fact]:
    return _rescaled(True)


def _columns(rng: "np.random.Generator", adaptive: bool = True) -> Pair:
    """Compare a prediction of three weights before and after a column is multiplied by c."""
    import numpy as np

    X, y, c = rng.standard_normal((8, 3)), rng.standard_normal(8), float(rng.uniform(1.5, 4))

    def predicted(X: Any) -> float:
        scale, w = (X**2).sum(0), np.ones(3)
        for _ in range(50 if adaptive else 1):  # the odds of dropping are 0.3/|w|, or 0.3
            odds = 0.3 / np.maximum(np.abs(w), 1e-9) if adaptive else np.full(3, 0.3)
            w = np.linalg.solve(X.T @ X + np.diag(scale * odds), X.T @ y)
        return float((X @ w)[0])

    return Pair(predicted(X), predicted(X * [c, 1, 1]), {"c": c})


def _columns_fixed(rng: "np.random.Generator") -> Pair:
    return _columns(rng, adaptive=False)


SCALES: Final = Claim(
    id="errata/invariance-to-feature-scale",
    title="Adaptive dropout is not invariant to the scale of a feature",
    statement=r"As dropout at a fixed rate, dropout with $\alpha=\alpha(w_j)$ gives predictions that do not depend on "
    r"the units of the features.",
    source=f"{OURS}; the paper normalises the columns",
    relation="corrected",
    parameters={"c": "c > 0"},
    corrected=r"The penalty of column norm $a_j$ is $a_j^2P(w_j)$, invariant under $(a,w)\to(ca,w/c)$ only for a "
    r"quadratic $P$ (take $c=w$). Normalise the columns, or let $\alpha$ depend on $a_jw_j$: this charges $P(a_jw_j)$.",
    derive=refutation(_said_invariant, _truly_invariant, "c, w > 0"),
    solve=mismatch(_columns, _columns_fixed, draws=40, what="A prediction of three weights before and after rescaling "
                   "a column, with masks at the lasso's rule, refreshed 50 times, and at a fixed rate."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _designed() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.theory.inverse_design import design
    from etatrick.validation.routes.facts import equal

    slope = sp.diff(sp.Function("P")(w), w)
    alpha, rule = w / (w + slope), w * (w + 1) / (w * (w + 1) + 1)
    return [
        equal(w * (1 - alpha) / alpha, slope, "the rule imposes P", r"w\,(1-\alpha)/\alpha = P',\ \alpha=w/(w+P')"),
        equal(design("log(1 + w)").retain, rule, "the rule designed for P = log(1 + w)",
              rf"\alpha(w) = {sp.latex(rule)}"),
        Fact(r"P=\log(1+w)", "feasible: P′/w does not rise", design("log(1 + w)").feasible),
        Fact(r"P=w^3", "not feasible: P′/w rises", design("w**3").feasible, "fails"),
        Fact(r"P=w+\max(w-1,0)^2", "not feasible: P′/w rises", design("w + max(w - 1, 0)**2").feasible, "fails"),
    ]  # fmt: skip


def _projected(rng: "np.random.Generator", running: bool = True) -> Pair:
    """Compare the projected rate P′/w of w + c·max(w − b, 0)² with the running least on a grid of our own."""
    import numpy as np

    from etatrick.theory.inverse_design import design

    c, b, x = (round(float(rng.uniform(low, high)), 2) for low, high in ((0.5, 3), (0.5, 2), (0.2, 6)))
    grid = np.append(np.linspace(1e-6, x, 20001), min(b, x))  # the rate has a kink at b
    rates = (1 + 2 * c * np.maximum(grid - b, 0)) / grid
    rate = float(rates.min() if running else rates[20000])
    found = float(design(f"w + {c}*max(w - {b}, 0)**2").projected.alpha_at(x))
    return Pair(1 / (1 + rate), found, {"c": c, "b": b, "w": x})


def _unprojected(rng: "np.random.Generator") -> Pair:
    return _projected(rng, running=False)


DESIGN: Final = Claim(
    id="eta-trick/inverse-design",
    title="Which penalties can be designed as dropout",
    statement=r"$\alpha(w)=w/(w+P'(w))$ imposes $P$; a nondecreasing rule exists iff $P'\ge0$ and $P'(w)/w$ is "
    r"nonincreasing. Otherwise $w\,\min_{s\le w}P'(s)/s$ is the largest feasible slope below $P'$.",
    source=OURS,
    relation="iff",
    parameters={"P": "differentiable for w > 0"},
    derive=proof(_designed, "w > 0", seconds=4),
    solve=numbers(_projected, draws=5, tolerance="SOLVER", control=_unprojected, what="The projected rule against the "
                  "running least of P′/w on a grid, P = w + c·max(w − b, 0)²; the control is P′/w at w.", seconds=5),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _poisson() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    s, m = sp.symbols("s theta", positive=True)
    t = sp.Symbol("t", real=True)
    return [
        equal(t - (t - m) ** 2 / (2 * s), m + s / 2 - (t - m - s) ** 2 / (2 * s), "the square in E exp(t), t ~ N(θ, s)",
              r"t-\tfrac{(t-\theta)^2}{2s} = \theta+\tfrac s2-\tfrac{(t-\theta-s)^2}{2s}"),
        equal(sp.Integral(sp.exp(-((t - m - s) ** 2) / (2 * s)), (t, -sp.oo, sp.oo)), sp.sqrt(2 * sp.pi * s),
              "what is left has the mass of a normal density: E exp(t) = e^(θ + s/2), and −yt has the mean −yθ",
              r"\int e^{-(t-\theta-s)^2/2s}\,dt = \sqrt{2\pi s}"),
    ]  # fmt: skip


def _poisson_numbers(rng: "np.random.Generator", exact: bool = True) -> Pair:
    import numpy as np

    X, w, noise = rng.standard_normal((4, 3)), rng.standard_normal(3) / 2, float(rng.uniform(0.05, 1))
    theta, spread = X @ w, (X**2) @ (noise * w**2)
    node, weight = np.polynomial.hermite_e.hermegauss(60)
    mean = (np.exp(theta[:, None] + np.sqrt(spread)[:, None] * node) @ weight) / weight.sum()
    stated = float((np.exp(theta) * (np.expm1(spread / 2) if exact else spread / 2)).sum())
    return Pair(stated, float((mean - np.exp(theta)).sum()), {"v": noise})


def _poisson_quadratic(rng: "np.random.Generator") -> Pair:
    return _poisson_numbers(rng, exact=False)


POISSON: Final = Claim(
    id="eta-trick/poisson-gaussian-masks",
    title="Gaussian dropout in Poisson regression has an exact penalty",
    statement=r"Gaussian masks of variance $v_j$ charge exactly "
    r"$\sum_ie^{\theta_i}\big(e^{\frac12\sum_jx_{ij}^2v_jw_j^2}-1\big)$ in Poisson regression.",
    source=OURS,
    relation="equal",
    parameters={"v": "v > 0", "θ": "Xw, the linear predictor"},
    derive=proof(_poisson, "one example, s = Σ x_j²v_jw_j² > 0; θ > 0, and any θ since e^θ is a factor"),
    solve=numbers(_poisson_numbers, draws=40, control=_poisson_quadratic, what="The formula against 60-point "
                  "Gauss–Hermite quadrature; the control is the quadratic approximation."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (FREEDOM, SMALL_RATE, SCALES, DESIGN, POISSON)
