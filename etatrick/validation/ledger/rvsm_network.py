"""Claims on splitting for one hidden layer of shared ReLU weights: the population loss, its angle, and the limits."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.rvsm_splitting import DINH
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def population(w: Any, true: Any, k: int) -> tuple[float, float, float]:
    """Return the population loss and the factors of its gradient Aw − Bw*, of (1/k)Σ relu(w·Z_i) against a teacher.

    Examples
    --------
    >>> import numpy as np
    >>> loss, a, b = population(np.array([1.0, 0.0]), np.array([1.0, 0.0]), 4)
    >>> abs(loss) < 1e-15 and abs(a - b) < 1e-15
    True
    """
    import numpy as np

    r, s = float(np.linalg.norm(w)), float(np.linalg.norm(true))
    angle = float(np.arccos(np.clip(w @ true / (r * s), -1, 1)))
    g = r * s * (np.sin(angle) + (np.pi - angle) * np.cos(angle)) / (2 * np.pi)
    loss = (r * r / 2 + s * s / 2 - 2 * g) / k + (1 - 1 / k) * (r - s) ** 2 / (2 * np.pi)
    a = 1 / k - s / r * np.sin(angle) / (k * np.pi) + (k - 1) / (k * np.pi) * (1 - s / r)
    return float(loss), float(a), (np.pi - angle) / (k * np.pi)


def _loss_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    t, r, s, k, q = sp.symbols("t r s k q", positive=True)
    x = sp.Symbol("x", real=True)
    arc = sp.integrate(sp.expand(sp.cos(x) * (sp.cos(x) * sp.cos(t) + sp.sin(x) * sp.sin(t))), x)
    arc = arc.subs(x, sp.pi / 2) - arc.subs(x, t - sp.pi / 2)
    radial = sp.integrate(q**3 * sp.exp(-(q**2) / 2), (q, 0, sp.oo)) / (2 * sp.pi)
    g = r * s * (sp.sin(t) + (sp.pi - t) * sp.cos(t)) / (2 * sp.pi)
    mean = r / sp.sqrt(2 * sp.pi)
    square = (k * g.subs({s: r, t: 0}) + k * (k - 1) * mean**2) / k**2
    other = (k * g.subs({r: s, t: 0}) + k * (k - 1) * s**2 / (2 * sp.pi)) / k**2
    cross = (k * g + k * (k - 1) * mean * s / sp.sqrt(2 * sp.pi)) / k**2
    stated = (r**2 / 2 + s**2 / 2 - 2 * g) / k + (1 - 1 / k) * (r - s) ** 2 / (2 * sp.pi)
    along = sp.diff(stated, r) - ((1 / k - s / r * sp.sin(t) / (k * sp.pi) + (k - 1) / (k * sp.pi) * (1 - s / r)) * r
                                  - (sp.pi - t) / (k * sp.pi) * s * sp.cos(t))  # fmt: skip
    across = sp.diff(stated, t) / r - (sp.pi - t) / (k * sp.pi) * s * sp.sin(t)
    return [
        equal(radial * arc * r * s, g, "E relu(w·Z)relu(w*·Z), in polar coordinates of their plane",
              r"\tfrac{rs}{2\pi}\int_0^{\infty}q^3e^{-q^2/2}dq\int_{t-\pi/2}^{\pi/2}\cos x\cos(x-t)\,dx"
              r" = rs\,\tfrac{\sin t+(\pi-t)\cos t}{2\pi} = g"),
        equal(sp.Integral(r * q * sp.exp(-(q**2) / 2), (q, 0, sp.oo)) / sp.sqrt(2 * sp.pi), mean, "E relu(w·Z)"),
        equal(square + other - 2 * cross, stated, "E(h − h*)² over k independent patches; at t = 0, g is ½r² or ½s²",
              r"\tfrac1{k^2}\left[\tfrac k2(r^2+s^2)-2kg+\tfrac{k(k-1)}{2\pi}(r^2+s^2-2rs)\right]"
              r" = \tfrac1k(\tfrac12r^2+\tfrac12s^2-2g)+(1-\tfrac1k)\tfrac{(r-s)^2}{2\pi} = f"),
        equal(along, 0, "the gradient Aw − Bw* along w", r"\partial_r f = Ar-Bs\cos t"),
        equal(across, 0, "and across", r"\tfrac1r\partial_t f = Bs\sin t"),
    ]  # fmt: skip


def _sampled(rng: "np.random.Generator") -> Pair:
    """Return 0 and the z-score of the sampled mean of (h − h*)², or of its derivative in a random direction."""
    import numpy as np

    d, k, n = 3, int(rng.integers(1, 6)), 20_000
    w, true, direction = rng.standard_normal((3, d))
    Z = rng.standard_normal((n, k, d))
    gap = (np.maximum(Z @ w, 0) - np.maximum(Z @ true, 0)).mean(axis=1)
    slope = 2 * gap * ((Z @ direction) * (Z @ w > 0)).mean(axis=1)
    loss, a, b = population(w, true, k)
    both = ((gap**2, loss), (slope, float((a * w - b * true) @ direction)))
    scores = [(sample.mean() - exact) / (sample.std(ddof=1) / n**0.5) for sample, exact in both]
    return Pair(0.0, float(max(scores, key=abs)), {"k": float(k)})


LOSS: Final = Claim(
    id="rvsm/population-loss",
    title="The population loss of a shared ReLU filter, and its gradient",
    statement=r"For $h(w)=\tfrac1k\sum_{i\le k}\mathrm{relu}(w\cdot Z_i)$, $Z_i\sim N(0,I)$ independent: "
    r"$\mathbb E(h(w)-h(w^*))^2=$ $\tfrac1k(\tfrac12\lVert w\rVert^2+\tfrac12\lVert w^*\rVert^2-2g)$ $+(1-\tfrac1k)"
    r"(\lVert w\rVert-\lVert w^*\rVert)^2/2\pi$ with $g=\lVert w\rVert\lVert w^*\rVert$ $(\sin\theta+(\pi-\theta)"
    r"\cos\theta)/2\pi$; its gradient is $Aw-Bw^*$ with $A=\tfrac1k-\tfrac{\lVert w^*\rVert\sin\theta}{k\pi\lVert "
    r"w\rVert}$ $+\tfrac{k-1}{k\pi}(1-\tfrac{\lVert w^*\rVert}{\lVert w\rVert})$ and $B=\tfrac{\pi-\theta}{k\pi}$.",
    source=f"{DINH}, no-overlap convolution; Brutzkus, Globerson 2017",
    relation="equal",
    parameters={"k": "≥ 1, the number of patches", "θ": "the angle between w and w*, 0 < θ < π"},
    derive=proof(_loss_steps, "r = ‖w‖, s = ‖w*‖, t = θ, h* = h(w*), f = E(h − h*)²", seconds=3),
    solve=numbers(_sampled, draws=20, tolerance="MC", seconds=1, what="The formulas against means of 20000 samples: "
                  "the larger z-score of the loss and of a derivative in a random direction."),
    observe=FORMAL,
    tolerance="MC: |z| < 4 with 20000 samples",
)  # fmt: skip


def _angle_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    r, cos, sin, p, q, x, y, z = sp.symbols("r c s p q x y z", positive=True)
    A, B, b, t, size = sp.symbols("A B beta tau U", positive=True)  # U = ‖u‖
    start = r * (1 - t * (A + b)) + t * p  # w after the step, along w; tq across: (p, q) are Bw* + βu
    cosine = (start * cos + t * q * sin) / sp.sqrt(start**2 + (t * q) ** 2)
    c, low = sp.symbols("c sigma", positive=True)  # δ/kπ and sin δ
    return [
        equal(sp.Subs(sp.Derivative(cosine, t), t, 0), q * sin / r, "after a step of length τ the cosine of the angle "
              "rises at this rate", r"\left.\frac{d}{d\tau}\cos\theta(\tau)\right|_{\tau=0}"
              r" = \frac1{\lVert w\rVert}\langle Bw^*+\beta u,\,P_{w^\perp}w^*\rangle"),
        at_least((B * sin + b * (x - size)) * sin, B * sin**2 - b * size * sin, "whatever the direction of u",
                 r"\langle Bw^*+\beta u,\,P_{w^\perp}w^*\rangle \ge B\sin^2\theta-\beta\lVert u\rVert\sin\theta"),
        at_least((c + x) * (low + y), c * low / (1 + z), "B ≥ c as θ ≤ π − δ, and sin θ ≥ sin δ, so the rate is "
                 "positive where β < c sin δ and ‖u‖ ≤ 1",
                 r"B\sin\theta > \beta,\quad B\ge c=\tfrac\delta{k\pi},\ \sin\theta\ge\sin\delta", strict=True),
    ]  # fmt: skip


def _turn(rng: "np.random.Generator", factor: float = 1.0) -> Pair:
    """Compare 0 with the rate of change of cos θ for the u of length 1 that is worst, at a β below the bound."""
    import numpy as np

    k, delta = int(rng.integers(1, 6)), float(rng.uniform(0.1, 1.5))
    theta = float(rng.uniform(delta, np.pi - delta))
    beta = factor * float(rng.uniform(0.1, 0.999)) * delta * np.sin(delta) / (k * np.pi)
    size, true = float(rng.uniform(0.3, 2)), np.array([1.0, 0.0])
    turns = np.linspace(0, 2 * np.pi, 721)
    w = size * np.array([np.cos(theta), np.sin(theta)])
    _, a, b = population(w, true, k)
    u = np.stack([np.cos(turns), np.sin(turns)], axis=1)
    moved = w - 1e-5 * (a * w - b * true + beta * (w - u))
    after = np.arccos(moved @ true / np.linalg.norm(moved, axis=1))
    return Pair(theta, float(after.max()), {"k": float(k), "δ": delta, "θ": theta, "β": float(beta)})


def _loose(rng: "np.random.Generator") -> Pair:
    return _turn(rng, factor=1000.0)


ANGLE: Final = Claim(
    id="rvsm/angle-condition",
    title="A small β makes the angle to the teacher fall, whatever the thresholding",
    statement=r"If $\lVert u\rVert\le\lVert w^*\rVert=1$, $\theta\in[\delta,\pi-\delta]$ and "
    r"$\beta<\delta\sin\delta/(k\pi)$, the gradient step on $f+\tfrac\beta2\lVert w-u\rVert^2$ decreases the angle "
    r"$\theta$ between $w$ and $w^*$ for every small step size; $f$ is the loss of rvsm/population-loss.",
    source=f"reconstructed from the initialisation condition of {DINH}; the constants {OURS}",
    relation="upper",
    parameters={"δ": "0 < δ ≤ π/2", "k": "≥ 1"},
    derive=proof(_angle_steps, "all w, u and w*, in coordinates along and across w; ‖w*‖ = 1"),
    solve=numbers(_turn, draws=40, relation="upper", tolerance="CERTIFICATE", control=_loose, seconds=1,
                  what="θ against the largest angle after a step of 1e-5, over 721 directions of u; the control takes "
                  "a thousandfold β."),
    observe=FORMAL,
    tolerance="CERTIFICATE: 1e-12, scaled by 1 + |v|",
)  # fmt: skip


def _limit_steps() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    A, B, b, t, v, d = sp.symbols("A B beta lambda v d", positive=True)
    w, u = sp.symbols("w u", positive=True)
    kept, low, edge = (B * v - t) / A, B * v / (A + b), t * (1 + A / b) / B
    pull = A * w - B * v + b * (w - u)
    return [
        equal(sp.Subs(pull, (w, u), (kept, kept - t / b)), 0, "ℓ1, beyond λ/β: u = w − λ/β, and w is stationary"),
        at_least(kept.subs(v, edge * (1 + d)), t / b, "w is beyond where Bw* > λ(1 + A/β)", strict=True,
                 latex=r"w = \tfrac{Bv-\lambda}A > \tfrac\lambda\beta\ \text{at}\ Bv=\lambda(1+\tfrac A\beta)(1+d)"),
        equal(sp.Subs(pull, (w, u), (low, 0)), 0, "below: u = 0 and w = Bw*/(A + β) is stationary"),
        at_least(t / b, low.subs(v, edge / (1 + d)), "and w is below where Bw* < λ(1 + A/β)",
                 r"\tfrac\lambda\beta \ge w = \tfrac{Bv}{A+\beta}\ \text{at}\ Bv=\lambda(1+\tfrac A\beta)/(1+d)"),
        equal(sp.Subs(pull, (w, u), (B * v / A, B * v / A)), 0, "ℓ0: a weight that survives has u = w = (B/A)w*, the "
              "others u = 0 as above"),
        at_least(B * v / A, low, "and are shrunk"),
    ]  # fmt: skip


def _limit(rng: "np.random.Generator", control: bool = False) -> Pair:
    """Iterate on a random sparse teacher from a start near it, and compare the limit with the formula."""
    import numpy as np

    k, t, b, kind = 4, 1e-3, 0.02, int(rng.integers(2))
    small = 0.04 if kind else 0.15  # below the threshold at the limit, but not 0
    true = rng.uniform(0.35, 1, 6) * rng.choice([-1.0, 1.0], 6) * np.array([1, 1, 0, small, 1, 0])
    w = true + 0.05 * rng.standard_normal(6)
    edge = t / b if kind else (2 * t / b) ** 0.5
    for _ in range(1500):
        u = np.sign(w) * np.maximum(np.abs(w) - edge, 0) if kind else w * (np.abs(w) > edge)
        _, a, c = population(w, true, k)
        w = w - 2.0 * (a * w - c * true + b * (w - u))
    _, a, c = population(w, true, k)
    pull, cut = c * true, t * np.sign(true) if kind else 0.0
    kept = np.abs(pull) > (t * (1 + a / b) if kind else edge * a)
    stated = true if control else np.where(kept, (pull - cut) / a, pull / (a + b))
    j = int(np.argmax(np.abs(stated - w)))
    return Pair(float(stated[j]), float(w[j]), {"penalty ℓ": float(kind), "largest": float(np.abs(true).max())})


def _unbiased(rng: "np.random.Generator") -> Pair:
    return _limit(rng, control=True)


LIMIT: Final = Claim(
    id="rvsm/limits",
    title="The limit of splitting is a new thresholding of the teacher",
    statement=r"Splitting alternates gradient steps in $w$ on $f(w)+\tfrac\beta2\lVert w-u\rVert^2$, "
    r"$\nabla f=Aw-Bw^*$, with $u$, the proximal map of $\tfrac\lambda\beta\ell_1$ or $\tfrac\lambda\beta\ell_0$ at "
    r"$w$. At a limit, for $\ell_1$: $w_i=(Bw^*_i-\lambda\,\mathrm{sgn}\,w^*_i)/A$ if "
    r"$|Bw^*_i|>\lambda(1+A/\beta)$, otherwise $Bw^*_i/(A+\beta)$; for $\ell_0$: "
    r"$w_i=(B/A)w^*_i$ where $u_i\ne0$, otherwise $Bw^*_i/(A+\beta)$.",
    source=f"{DINH}, the limit points; the ℓ0 form {OURS}",
    relation="equal",
    parameters={"A, B": "the factors of rvsm/population-loss at the limit, A > 0", "λ, β": "both > 0"},
    derive=proof(_limit_steps, "A, B, β, λ, d > 0, and v = w* > 0, one coordinate"),
    solve=numbers(_limit, draws=6, tolerance="SOLVER", control=_unbiased, seconds=3, what="The formula against 1500 "
                  "steps at k = 4, λ = 0.001, β = 0.02, the weight that differs most, for ℓ1 and ℓ0; the control "
                  "expects w*, no bias."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (LOSS, ANGLE, LIMIT)
