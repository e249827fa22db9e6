"""Claims on variational dropout: its tails, and structured noise, whose divergence does not see the weights."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import SEARCH
from etatrick.validation.ledger.variational_kl import exact_kl
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

VSD: Final = "Nguyen, Nguyen, Ho, Tran, Nguyen, Bui, Ho 2021 (structured dropout)"


def reflections(rng: "np.random.Generator", d: int) -> Any:
    """Return a product of two random Householder reflections of d dimensions.

    Examples
    --------
    >>> import numpy as np
    >>> U = reflections(np.random.default_rng(0), 3)
    >>> np.allclose(U @ U.T, np.eye(3))
    True
    """
    import numpy as np

    vectors = rng.standard_normal((2, d))
    first, second = (np.eye(d) - 2 * np.outer(v, v) / (v @ v) for v in vectors)
    return first @ second


def _tail_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.theory.special import Dawson, DawsonIntegral
    from etatrick.validation.routes.facts import equal, tends

    s, t = sp.symbols("s t", positive=True)
    square = 4 * s**3 * Dawson(s)  # t² at the best α = 1/(2s²), see variational/pruning-rule
    penalty = s * Dawson(s) + 2 * DawsonIntegral(s)
    best = (sp.sqrt(1 + 4 / t**2) - 1) / 2  # α with α(α + 1) = 1/t²
    ard = t * (sp.sqrt(t**2 + 4) - t) / 4 + sp.asinh(t / 2)
    half = sp.Rational(1, 2)
    return [
        tends(square / (2 * s**2), s, sp.oo, 1, "log-uniform prior, t² = 4s³D(s): t grows with s",
              r"\lim_{s\to\infty}\tfrac{t^2}{2s^2} = 1"),
        tends(penalty - sp.log(square) / 2, s, sp.oo, half + (sp.EulerGamma + sp.log(2)) / 2, "Ω = ½t²α + KL less "
              "log t",
              r"\lim_{s\to\infty}sD(s)+2\int_0^sD(u)\,du-\tfrac12\log4s^3D(s) = \tfrac12+\tfrac12(\gamma+\log2)"),
        tends(sp.sqrt(square) / (2 * s**2), s, 0, 1, "the slope Ω′ = tα at t → 0",
              r"\lim_{s\to0^+}\tfrac t{2s^2} = 1"),
        equal(sp.Derivative(ard, t), t * best, "ARD: Ω with Ω′ = tα, t² = 1/(α(α + 1)), and Ω(0) = 0"),
        tends(ard - sp.log(t), t, sp.oo, half, "which ends at log t + ½"),
        tends(t * best, t, 0, 1, "and begins with the slope 1"),
    ]  # fmt: skip


def _tail(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare Ω − log t with its limit at a large t, for the exact divergence, along s."""
    import numpy as np
    from scipy.special import dawsn

    s = float(10 ** rng.uniform(4, 6))
    value = s * dawsn(s) + exact_kl(0.5 / s**2) - np.log(4 * s**3 * dawsn(s)) / 2
    return Pair(0.5 + (0 if control else (np.euler_gamma + np.log(2)) / 2), float(value), {"s": s})


def _ard_tail(rng: "np.random.Generator") -> Pair:
    return _tail(rng, control=True)


TAILS: Final = Claim(
    id="variational/tails",
    title="Both variational penalties end in log t; they differ by a constant",
    statement=r"Let $\Omega(t)$ be the least of $\tfrac12t^2\alpha+KL(\alpha)$. As $t\to\infty$, $\Omega-\log "
    r"t\to\tfrac12+\tfrac12(\gamma+\log2)$ for the log-uniform prior, "
    r"and $\tfrac12$ for the empirical Bayes prior (ARD); both have slope 1 at 0.",
    source=OURS,
    relation="limit",
    parameters={"t": "‖x‖|θ|, in units of the label noise"},
    derive=proof(_tail_steps, "t, s → ∞ and 0; s = 1/√(2α), D: Dawson's integral", seconds=3),
    solve=numbers(_tail, draws=20, tolerance="SOLVER", control=_ard_tail, what="The limit against Ω − log t at t near "
                  "1e4 to 1e6, the divergence by quadrature; the control is the limit of ARD."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _divergence_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    second, theta, tau, a, r = sp.symbols("m theta tau alpha r", positive=True)  # m = (U1)²_k + Σ_kk
    price = (second * theta**2 / tau - 1 + sp.log(tau)) / 2
    best = second * theta**2
    t = sp.Symbol("t", positive=True)
    return [
        equal(sp.Subs(sp.Derivative(price, tau), tau, best), 0, "the prior variance of least divergence is the second "
              "moment, with m = (U1)² + Σ of the coordinate"),
        equal(price.subs(tau, best * r) - price.subs(tau, best), (1 / r + sp.log(r) - 1) / 2, "any other costs more",
              r"KL(r\tau)-KL(\tau)=\tfrac12(1/r+\log r-1)"),
        at_least(1 / (1 + t) + sp.log(1 + t) - 1, 0, "which is not negative for r > 1", rising=t),
        at_least(1 + t - sp.log(1 + t) - 1, 0, "nor for r < 1", rising=t),
        equal(price.subs(tau, best) - sp.log(a * theta**2) / 2, sp.log(second / a) / 2, "less the entropy, det U = ±1: "
              "no θ is left", r"KL = \tfrac12\sum_k\log\frac{(U1)_k^2+\Sigma_{kk}}{\alpha_k}"),
        equal(sp.log(second / a).subs(second, 1 + a), sp.log(1 + 1 / a), "U = I: the divergence of ARD"),
    ]  # fmt: skip


def _divergence(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Compare the formula with the Gaussian divergence at random weights, least over the prior variances."""
    import numpy as np

    d = 4
    U, alpha, theta = reflections(rng, d), 10 ** rng.uniform(-1, 1, d), rng.uniform(0.2, 3, d) * rng.choice([-1, 1], d)
    mean, cov = U.sum(axis=1), U @ np.diag(alpha) @ U.T
    stated = np.log(((0 if control else mean**2) + np.diag(cov)) / alpha).sum() / 2
    full = np.diag(theta) @ cov @ np.diag(theta)
    entropy = float(np.linalg.slogdet(full)[1])
    least = 0.0
    for k in range(d):
        low, high = -20.0, 20.0
        moment = (mean[k] * theta[k]) ** 2 + full[k, k]
        for _ in range(150):
            pair = [low + 0.4 * (high - low), low + 0.6 * (high - low)]
            costs = [moment * np.exp(-x) + x for x in pair]
            low, high = (low, pair[1]) if costs[0] < costs[1] else (pair[0], high)
        least += float(moment * np.exp(-low) + low)
    return Pair(float(stated), (least - d - entropy) / 2, {"least α": float(alpha.min())})


def _without_mean(rng: "np.random.Generator") -> Pair:
    return _divergence(rng, control=True)


DIVERGENCE: Final = Claim(
    id="variational/structured-divergence",
    title="The divergence of structured dropout does not depend on the weights",
    statement=r"For weights $\zeta\circ\theta$ with noise $\zeta=U\xi$, $\xi\sim N(1,\mathrm{diag}\,\alpha)$, $U$ "
    r"orthogonal, and a centred Gaussian prior with the best variance per coordinate, "
    r"$KL=\tfrac12\sum_k\log\{((U1)_k^2+\Sigma_{kk})/\alpha_k\}$, "
    r"$\Sigma=U\mathrm{diag}(\alpha)U^\top$; $U=I$ gives $\tfrac12\sum_k\log(1+1/\alpha_k)$.",
    source=f"{VSD}; in the uncentred convention, {OURS}",
    relation="equal",
    parameters={"α": "α_k > 0", "U": "orthogonal"},
    derive=proof(_divergence_steps, "m, θ², τ, α, r > 0; r = 1 + t or 1/(1 + t)"),
    solve=numbers(_divergence, draws=30, control=_without_mean, what="The formula against the Gaussian divergence at "
                  "random weights, least over the prior variances by sections; the control forgets the mean."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _linear_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    y, a, b, g, h, p = sp.symbols("y a b g h p", positive=True)  # a, b: x∘w; noise variances g, h
    c, s = 2 * p / (1 + p**2), (1 - p**2) / (1 + p**2)  # any rotation of the plane
    e, f = sp.symbols("e f", real=True)
    first, second = c * (1 + e) + s * (1 + f), -s * (1 + e) + c * (1 + f)
    loss = sp.expand((y - a * first - b * second) ** 2 / 2)
    mean = loss.coeff(e, 0).coeff(f, 0) + loss.coeff(e, 2).coeff(f, 0) * g + loss.coeff(e, 0).coeff(f, 2) * h
    fit = (y - a * (c + s) - b * (c - s)) ** 2 / 2
    form = ((a * c - b * s) ** 2 * g + (a * s + b * c) ** 2 * h) / 2
    return [
        equal(mean, fit + form, "two weights, any rotation: odd moments vanish, squares have the mean α", r"\mathbb "
              r"E\tfrac12(y-x^{\top}(\zeta\circ w))^2 = \tfrac12(y-(x\circ w)^{\top}U1)^2"
              r"+\tfrac12(x\circ w)^{\top}U\,\mathrm{diag}(\alpha)\,U^{\top}(x\circ w)"),
        equal(form.subs(a, b * s / c), ((b * s / c) ** 2 + b**2) * h / 2, "turned so that x∘w is along one axis of the "
              "noise: the other α can grow without cost", r"(x\circ "
              r"w)^{\top}U\,\mathrm{diag}(\alpha)\,U^{\top}(x\circ w)"
              r" = \lVert x\circ w\rVert^2\alpha_2\ \text{where}\ x\circ w\ \text{is along}\ U_2"),
    ]  # fmt: skip


def _linear(rng: "np.random.Generator", control: bool = False) -> Pair:
    import itertools

    import numpy as np

    d = 4
    U, alpha, h, y = reflections(rng, d), 10 ** rng.uniform(-1, 1, d), rng.standard_normal(d), float(rng.normal())
    form = h @ (np.diag(alpha) if control else U @ np.diag(alpha) @ U.T) @ h
    stated = (y - h @ U.sum(axis=1)) ** 2 / 2 + form / 2
    total = 0.0
    for point in itertools.product((-1, 0, 1), repeat=d):  # Gauss–Hermite in three points: exact for this square
        chance = float(np.prod([2 / 3 if p == 0 else 1 / 6 for p in point]))
        noise = U @ (1 + np.sqrt(3 * alpha) * np.array(point))
        total += chance * float((y - h @ noise) ** 2) / 2
    return Pair(float(stated), total, {"largest α": float(alpha.max())})


def _diagonal(rng: "np.random.Generator") -> Pair:
    return _linear(rng, control=True)


LINEAR: Final = Claim(
    id="variational/structured-linear-loss",
    title="Structured dropout adds a quadratic form that is not diagonal",
    statement=r"In linear regression the mean loss is $\tfrac12(y-(x\circ w)^\top U1)^2+\tfrac12(x\circ w)^\top U"
    r"\mathrm{diag}(\alpha)U^\top(x\circ w)$: the noise can be turned away from directions that matter, which "
    r"separable noise cannot.",
    source=f"{VSD}; the form {OURS}",
    relation="equal",
    parameters={"α": "α_k > 0", "U": "orthogonal"},
    derive=proof(_linear_steps, "two weights, rotations by any angle below π/2", seconds=2),
    solve=numbers(_linear, draws=25, control=_diagonal, what="The formula against the mean over the noise by a product "
                  "quadrature that is exact for squares; the control leaves out the rotation."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (TAILS, DIVERGENCE, LINEAR)
