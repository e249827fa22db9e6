"""Claims on relaxed variable splitting: what it minimises, what is sparse, when it descends, and its rival's slip."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.ledger.thresholds_scalar import BUI, SEARCH, lowest
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

DINH: Final = "Dinh, Xin 2018"


def _envelopes() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.validation.routes.facts import at_least, conditions, equal

    t, b, d, u = sp.symbols("lambda beta d u", positive=True)
    cost = t * u + b * (w - u) ** 2 / 2
    huber, name = (
        derive(penalty="Piecewise((w**2/2, w < 1), (w - 1/2, True))"),
        r"\text{Huber's function},\ \lambda=\beta=1",
    )
    return [
        equal(sp.Subs(sp.Derivative(cost, u), u, w - t / b), 0, "ℓ1 beyond λ/β: u = w − λ/β is stationary"),
        equal(sp.Subs(cost, u, w - t / b), t * w - t**2 / (2 * b), "and leaves the linear piece of Huber's function"),
        at_least(cost.subs(w, t / b / (1 + d)), b * (t / b / (1 + d)) ** 2 / 2, "below λ/β u = 0 is best: the "
                 "quadratic piece", r"\lambda u+\tfrac\beta2(w-u)^2 \ge \tfrac\beta2w^2,\ w=\frac{\lambda}{\beta(1+d)}",
                 rising=u),
        equal(sp.Subs(b * w**2 / 2, w, sp.sqrt(2 * t / b)), t, "ℓ0: u = 0 costs βw²/2, u = w costs λ, and other u "
              "more; they tie at √(2λ/β)"),
        *conditions(huber, "subquadratic", "monotone", of=name),
        *conditions(huber, "exact_zeros", of=name, wanted="fails"),
    ]  # fmt: skip


def _envelope(rng: "np.random.Generator", control: bool = False) -> Pair:
    import numpy as np

    t, b, w, kind = float(rng.uniform(0.1, 2)), float(rng.uniform(0.2, 5)), float(rng.uniform(0, 3)), rng.integers(2)

    def energy(u: Any) -> Any:
        return (t * u if kind else t * (u != 0)) + b * (w - u) ** 2 / 2

    huber = b * w * w / 2 if w <= t / b else t * w - t * t / (2 * b)
    stated = huber if kind else min(b * w * w / 2, t)
    if control:  # the penalty on U read as a penalty on W
        stated = t * w if kind else t
    least = lowest(energy, w + 1e-9)
    return Pair(stated, min(least, float(energy(np.array(w)))), {"λ": t, "β": b, "w": w})


def _unrelaxed(rng: "np.random.Generator") -> Pair:
    return _envelope(rng, control=True)


ENVELOPE: Final = Claim(
    id="rvsm/moreau-envelope",
    title="Variable splitting minimises the loss with a Moreau envelope",
    statement=r"Minimising $L(W)+\lambda P(U)+\tfrac\beta2\lVert W-U\rVert^2$ over $U$ leaves $L$ plus Huber's "
    r"function for $\ell_1$ ($\tfrac\beta2w^2$ up to $\lambda/\beta$, then $\lambda|w|-\lambda^2/2\beta$), and "
    r"$\min(\tfrac\beta2w^2,\lambda)$ for $\ell_0$; a group lasso term in $W$ is left as it is.",
    source=f"{DINH}; {BUI}, at a fixed β; the reading {OURS}",
    relation="equal",
    parameters={"λ": "λ > 0", "β": "β > 0"},
    derive=proof(_envelopes, "w, u, λ, β, d > 0", seconds=2),
    solve=numbers(_envelope, draws=40, tolerance="SOLVER", control=_unrelaxed, what="The formula against the least "
                  "over u on a grid that closes in; the control reads the penalty of U as one of W."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _sparse_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    b, d = sp.symbols("beta d", positive=True)
    v = sp.sqrt(2) / (1 + d)
    return [equal(v / (1 + b), 0, "one unit column, ℓ0 and λ = β: W = v/(1 + β) is 0 for a least-squares weight v = "
                  "√2/(1 + d) below the threshold √2", r"W = \frac{v}{1+\beta} = 0")]  # fmt: skip


def _sparse_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal, tends

    b, v, x = sp.symbols("beta v x", positive=True)
    return [
        equal(sp.Subs(sp.Derivative((x - v) ** 2 / 2 + b * x**2 / 2, x), x, v / (1 + b)), 0, "with U = 0 the "
              "least-squares weight v becomes W = v/(1 + β)"),
        at_least(v / (1 + b), 0, "which is not 0", strict=True),
        tends(b * x**2 / 2 / x, x, 0, 0, "for every P ≥ 0 with P(0) = 0 the envelope, which u = 0 bounds by βx²/2, has "
              "slope 0 at 0: there W is stationary only if ∂L = 0",
              r"0 \le \frac1x\min_u\left[\lambda P(u)+\tfrac\beta2(x-u)^2\right] \le \frac1x\cdot\frac{\beta x^2}{2} "
              r"\to 0,\quad x\to 0^+"),
    ]  # fmt: skip


def _split(rng: "np.random.Generator", shrunk: bool) -> Pair:
    """Alternate exact steps in W and soft or hard thresholding in U, for one unit column below the threshold."""
    b, kind = float(rng.uniform(0.2, 2)), int(rng.integers(2))
    t = float(rng.uniform(0.5, 2))
    edge = t / b if kind else (2 * t / b) ** 0.5
    v = float(rng.uniform(0.1, 0.9)) * edge
    w, u = v, 0.0
    for _ in range(300):
        w = (v + b * u) / (1 + b)
        u = 0.0 if abs(w) <= edge else w - t / b if kind else w
    at = {"β": b, "λ": t, "v": v}
    return Pair(v / (1 + b) if shrunk else u, w, at)


def _w_is_sparse(rng: "np.random.Generator") -> Pair:
    return _split(rng, shrunk=False)


def _w_is_shrunk(rng: "np.random.Generator") -> Pair:
    return _split(rng, shrunk=True)


W_SPARSE: Final = Claim(
    id="rvsm/weights-become-sparse",
    title="Splitting makes U sparse, not the weights that are evaluated",
    statement=r"Training with $\lambda P(U)+\tfrac\beta2\lVert W-U\rVert^2$ makes weights $W$ exactly 0.",
    source=f"how the sparsity of {BUI} is often read; there W is evaluated, with $|w|<10^{{-5}}$ counted as 0",
    relation="corrected",
    parameters={"λ": "λ > 0", "β": "β > 0"},
    corrected=r"Only $U$ is exactly sparse. For a unit column with the least-squares weight $v$ below the threshold "
    r"$W=v/(1+\beta)$: the envelope has slope 0 at 0 for every $P\ge0$ with $P(0)=0$.",
    derive=refutation(_sparse_said, _sparse_holds, "v, β, λ > 0, one unit column"),
    solve=mismatch(_w_is_sparse, _w_is_shrunk, draws=40, seconds=0.5, what="U = 0, and v/(1 + β), against W after 300 "
                   "alternating steps, for ℓ1 and ℓ0."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _descent_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    g, c, d = sp.symbols("g c d", positive=True)  # c = β + K
    step = 2 / (c + d)
    change = -step * g**2 + c * step**2 * g**2 / 2
    return [
        equal(change, -(g**2) * step * d / (c + d), "the descent lemma's bound on the change by a step in W against "
              "the gradient g, with c = β + K and η = 2/(c + d)",
              r"-\eta g^2+\tfrac{\beta+K}2\eta^2g^2 = -\eta g^2\,\frac{d}{c+d}"),
        at_least(0, change, "is negative for every η below 2/(β + K); the step in U minimises over U",
                 r"0 > -\eta g^2+\tfrac{\beta+K}2\eta^2g^2", strict=True),
    ]  # fmt: skip


def _descending(rng: "np.random.Generator", factor: float = 0.0) -> Pair:
    import numpy as np

    d, t, b, kind = 5, float(rng.uniform(0.05, 1)), float(rng.uniform(0.2, 3)), int(rng.integers(2))
    X, y, w = rng.standard_normal((8, d)), rng.standard_normal(8), rng.standard_normal(d)
    gram = X.T @ X
    size = (factor or float(rng.uniform(0.1, 1.99))) / (b + float(np.linalg.eigvalsh(gram)[-1]))

    def nearest(w: Any) -> Any:
        return np.sign(w) * np.maximum(np.abs(w) - t / b, 0) if kind else w * (np.abs(w) > (2 * t / b) ** 0.5)

    def value(w: Any, u: Any) -> float:
        price = t * np.abs(u).sum() if kind else t * np.count_nonzero(u)
        return float(((y - X @ w) ** 2).sum() / 2 + price + b * ((w - u) ** 2).sum() / 2)

    u, rise = nearest(w), -np.inf
    for _ in range(25):
        after = w - size * (gram @ w - X.T @ y + b * (w - u))
        chosen = nearest(after)
        rise, w, u = max(rise, value(after, chosen) - value(w, u)), after, chosen
    return Pair(0.0, rise, {"λ": t, "β": b, "η(β + K)": size * (b + float(np.linalg.eigvalsh(gram)[-1]))})


def _overshooting(rng: "np.random.Generator") -> Pair:
    return _descending(rng, factor=2.5)


DESCENT: Final = Claim(
    id="rvsm/descent",
    title="Splitting descends for steps below 2/(β + K)",
    statement=r"If $\nabla L$ is $K$-Lipschitz and $\eta<2/(\beta+K)$, a gradient step $\eta$ in $W$ followed by "
    r"$U\leftarrow\mathrm{prox}_{(\lambda/\beta)P}(W)$ never increases "
    r"$L(W)+\lambda P(U)+\tfrac\beta2\lVert W-U\rVert^2$.",
    source=f"{DINH}, descent theorem for ℓ0; the same for {BUI}",
    relation="upper",
    parameters={"η": "0 < η < 2/(β + K)", "λ": "λ > 0", "β": "β > 0"},
    derive=proof(_descent_steps, "c = β + K > 0; d, g > 0"),
    solve=numbers(_descending, draws=40, tolerance="CERTIFICATE", relation="upper", control=_overshooting, seconds=0.5,
                  what="0 against the largest rise over 25 steps, for ℓ1 and ℓ0; the control takes η = 2.5/(β + K)."),
    observe=FORMAL,
    tolerance="CERTIFICATE: 1e-12, scaled by 1 + |v|",
)  # fmt: skip


def _percentile_said() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a = sp.Symbol("a", positive=True)
    share = (1 + a) / (2 + a)  # asked for: between ½ and 1
    return [equal(2 * share - 1, share, "the share of |w| below the p-percentile of w, P(|w| ≤ q) = 2p − 1, is p",
                  r"2p-1 = p,\quad p=\frac{1+a}{2+a}")]  # fmt: skip


def _percentile_holds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    s, q, p = sp.symbols("s q p", positive=True)
    x = sp.Symbol("x", real=True)
    law = sp.exp(-(x**2) / (2 * s**2)) / (s * sp.sqrt(2 * sp.pi))
    below, within = (sp.integrate(law, (x, low, q)).rewrite(sp.erf) for low in (-sp.oo, -q))
    return [
        equal(within, 2 * below - 1, "of normal weights, integrated; by symmetry of those of any symmetric law",
              r"P(|w|\le q)=2P(w\le q)-1"),
        equal(sp.Subs(2 * p - 1, p, sp.Rational(4, 5)), sp.Rational(3, 5), "asked for 80 %, it prunes 60 %"),
    ]  # fmt: skip


def _pruned(rng: "np.random.Generator", signed: bool = True) -> Pair:
    import math
    from statistics import NormalDist

    share, law = float(rng.uniform(0.55, 0.98)), int(rng.integers(2))
    level = share if signed else (1 + share) / 2
    quantile = NormalDist().inv_cdf(level) if law else -math.log(2 * (1 - level))
    pruned = math.erf(quantile / 2**0.5) if law else -math.expm1(-quantile)
    return Pair(share, pruned, {"p": share, "normal": float(law)})


def _pruned_by_size(rng: "np.random.Generator") -> Pair:
    return _pruned(rng, signed=False)


PERCENTILE: Final = Claim(
    id="rvsm/rival-prunes-what-is-asked",
    title="The public ADMM projection prunes less than it is asked to",
    statement=r"As coded: weights with $|w|$ below the $p$-percentile of the signed weights are set to 0, a share $p$.",
    source="the public code behind the comparison of ADMM and RVSM on adversarially trained networks",
    relation="corrected",
    parameters={"p": "½ < p < 1", "w": "weights of a symmetric law"},
    corrected=r"Of symmetric weights the share $2p-1$ is pruned (60 % for 80 %); the percentile of $|w|$ gives $p$.",
    derive=refutation(_percentile_said, _percentile_holds, "symmetric laws; the formula for normal weights"),
    solve=mismatch(_pruned, _pruned_by_size, draws=40, what="The share asked for against the share that is pruned, for "
                   "normal and Laplace weights."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (ENVELOPE, W_SPARSE, DESCENT, PERCENTILE)
