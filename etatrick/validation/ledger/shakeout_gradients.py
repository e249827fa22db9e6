"""Claims on Shakeout's gradients and its implementation: detached, with a smooth sign, in two matmuls."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.shakeout_penalty import PAPER
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, Trial, mismatch, refutation, trained

if TYPE_CHECKING:
    import numpy as np

MARGIN: Final = 0.03  # of trained weights between 0 and 1; fixed before any run
TARGETS: Final = (0.8, 1.2, 1.6)
STRENGTH, STEEP, ODDS = 0.5, 2.0, 0.5  # c, t, and τ/(1 − τ)


def _detached(barrier: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.theory.recipes import shakeout
    from etatrick.validation.routes.facts import equal, tends

    c, odds, x, v = sp.symbols("c lambda x v", positive=True)
    held = mean_over((w + (w + c) * x - v) * (1 + (1 + c / w) * x), x, odds) - (w - v)
    shown = r"\mathbb E\left[(\tilde w-v)\,\frac{\tilde w}{w}\right]-(w-v) = "
    if not barrier:
        return [equal(held, odds * (w + c), "the detached gradient of ½(w̃ − v)², less that of the fit, is the slope "
                      "of ridge and ℓ1, with λ = τ/(1 − τ)", shown + r"\lambda(w+c)")]  # fmt: skip
    integral = odds * (w**2 / 2 + 2 * c * w + c**2 * sp.log(w))
    return [
        equal(held, odds * (w + c) ** 2 / w, "it is this slope", shown + r"\lambda\,\frac{(w+c)^2}{w}"),
        equal(sp.Derivative(integral, w), odds * (w + c) ** 2 / w, "whose integral has the barrier λc² log w"),
        tends(integral, w, 0, -sp.oo, "which is −∞ at 0"),
        equal(shakeout(c=1, drop=0.5).detached.eta_hat, w**2 / (w + 1) ** 2, "w over this slope, as the theory "
              "derives it at c = 1, τ = ½", r"\hat\eta_{\text{detached}}(w) = \frac{w^2}{(w+1)^2}"),
    ]  # fmt: skip


def _said_detachable() -> list[Fact]:
    return _detached(False)


def _truly_barrier() -> list[Fact]:
    return _detached(True)


def _pull(rng: "np.random.Generator", barrier: bool = False) -> Pair:
    """Compare each slope with the mean over both cases of the gradient with w̃/w held fixed."""
    w, c, tau, v = (float(rng.uniform(*ends)) for ends in ((0.05, 1), (0.2, 2), (0.1, 0.8), (0, 2)))
    xi, chance = switches(1, 1 - tau)
    ratio = (w + (w + c) * xi[:, 0]) / w
    slope = tau / (1 - tau) * (w + c) * ((w + c) / w if barrier else 1.0)
    return Pair(w - v + slope, float(chance @ ((ratio * w - v) * ratio)), {"w": w, "c": c, "τ": tau})


def _pull_right(rng: "np.random.Generator") -> Pair:
    return _pull(rng, barrier=True)


BARRIER: Final = Claim(
    id="shakeout/detached",
    title="Shakeout must not be detached: it would gain a logarithmic barrier",
    statement="As for multiplicative noise, the noise factor of Shakeout may be taken as a constant in the backward "
    "pass: the penalty stays ridge with ℓ1.",
    source=f"{OURS}; the recipe that serves dropout and Sparseout",
    relation="refuted",
    parameters={"τ": "0 < τ < 1", "c": "c > 0"},
    corrected=r"Detached, the slope is $\lambda(w+c)^2/w$ for $w>0$, $\lambda=\tau/(1-\tau)$, so that "
    r"$\Omega=\lambda(\tfrac12w^2+2c|w|+c^2\log|w|)$, which is $-\infty$ at 0: there the loss is least for any data.",
    derive=refutation(_said_detachable, _truly_barrier, "w, v, c > 0, λ = τ/(1 − τ)"),
    solve=mismatch(_pull, _pull_right, draws=60, what="Each slope against the mean of the detached gradient."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)


def _smoothed(pull: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal

    c, t, odds, x, v = sp.symbols("c t lambda x v", positive=True)
    bump = t / sp.cosh(t * w) ** 2
    surrogate = mean_over((w + (w + c) * x - v) * (1 + (1 + c * bump) * x), x, odds) - (w - v)
    extra = c * bump if pull else 0
    facts = [equal(surrogate, odds * (w + c) * (1 + extra), "the mean gradient of the code on ½(w̃ − v)², with λ = "
                   "τ/(1 − τ) and ξ = ρ − 1, less that of the fit",
                   r"\mathbb E\big[(\tilde w-v)(1+(1+c\,t\,\mathrm{sech}^2tw)\,\xi)\big]-(w-v) = "
                   + (r"\lambda(w+c)(1+c\,t\,\mathrm{sech}^2tw)" if pull else r"\lambda(w+c)"))]  # fmt: skip
    return facts if not pull else [*facts, at_least(bump, 0, "the additional pull is towards 0", strict=True)]


def _said_exact() -> list[Fact]:
    return _smoothed(False)


def _truly_pulled() -> list[Fact]:
    return _smoothed(True)


def _backward(rng: "np.random.Generator", pull: bool = False) -> Pair:
    """Compare each slope with the mean over masks of the code's gradient, three weights of both signs."""
    import numpy as np

    x, w, v = rng.standard_normal(3), rng.standard_normal(3), float(rng.standard_normal())
    c, t, tau = (float(rng.uniform(*ends)) for ends in ((0.2, 2), (0.5, 3), (0.1, 0.8)))
    xi, chance = switches(3, 1 - tau)
    noisy = w * (1 + xi) + c * np.sign(w) * xi
    inner = 1 + (1 + c * t / np.cosh(t * w) ** 2) * xi  # sgn′ is replaced by t·sech²(tw)
    found = float(chance @ ((noisy @ x - v) * x[0] * inner[:, 0]))
    charge = tau / (1 - tau) * x[0] ** 2 * (w[0] + c * np.sign(w[0]))
    stated = x[0] * (x @ w - v) + charge * (1 + (c * t / np.cosh(t * w[0]) ** 2 if pull else 0.0))
    return Pair(float(stated), found, {"w": float(w[0]), "c": c, "t": t})


def _backward_right(rng: "np.random.Generator") -> Pair:
    return _backward(rng, pull=True)


def smooth_signs(setting: Setting) -> dict[str, Trial]:
    """Train three weights with Shakeout noise whose backward pass replaces sgn′ by t·sech²(tw).

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    dict of str to Trial
        Tail averages, shape (seeds, 3), beside the elastic net, the law with the pull, and no penalty.
    """
    import numpy as np

    from etatrick.validation.seeding import seed

    v, steps = np.array(TARGETS), {"quick": 10_000, "full": 60_000}[setting.level]
    rng = np.random.default_rng(seed("shakeout", "smooth signs"))
    w = np.tile(v / 2, ({"quick": 48, "full": 192}[setting.level], 1))
    total = np.zeros_like(w)
    for k in range(steps):
        xi = np.where(rng.random(w.shape) < 1 / (1 + ODDS), ODDS, -1.0)
        error = w + (w + STRENGTH * np.sign(w)) * xi - v
        bump = STEEP / np.cosh(STEEP * w) ** 2
        w = w - 0.03 / (1 + k / 1500) * error * (1 + (1 + STRENGTH * bump) * xi)
        total += w * (k >= steps // 2)
    ends = total / (steps - steps // 2)
    return {"as stated: the code → the elastic net": Trial(ends, rest(0.0)),
            "corrected: the code → the law with the pull": Trial(ends, rest(1.0)),
            "control, the code → no penalty": Trial(ends, v, "differs")}  # fmt: skip


def rest(pull: float) -> Any:
    """Return the w > 0 with w + λ(w + c)(1 + pull·c·t·sech²(tw)) = v, the largest one, for each target.

    Examples
    --------
    >>> rest(0.0).round(9).tolist()  # (v − λc)/(1 + λ)
    [0.366666667, 0.633333333, 0.9]
    """
    import numpy as np

    found = []
    for v in TARGETS:
        w = np.linspace(0, 2, 400_001)
        slope = w - v + ODDS * (w + STRENGTH) * (1 + pull * STRENGTH * STEEP / np.cosh(STEEP * w) ** 2)
        k = int(np.flatnonzero(slope < 0).max())
        found.append(w[k] - slope[k] * (w[k + 1] - w[k]) / (slope[k + 1] - slope[k]))
    return np.array(found)


SMOOTH: Final = Claim(
    id="shakeout/smooth-sign-in-the-code",
    title="The smooth sign of the code's backward pass adds a pull towards 0",
    statement=r"Training with the published layer minimises the loss with ridge and ℓ1, $\lambda(\tfrac12w^2+c|w|)$, "
    r"$\lambda=\tau/(1-\tau)$.",
    source=f"{PAPER}; the published layer replaces the slope of sgn by t·sech²(tw), t = 1 by default",
    relation="corrected",
    parameters={"τ": "0 < τ < 1", "t": "t > 0", "c": "c > 0"},
    corrected=r"For an input of 1 its mean gradient is that of the fit plus "
    r"$\lambda(w+c\,\mathrm{sgn}w)(1+c\,t\,\mathrm{sech}^2tw)$: weights below about $1/t$ are pulled markedly harder.",
    derive=refutation(_said_exact, _truly_pulled, "w, v, c, t > 0, λ = τ/(1 − τ)"),
    solve=mismatch(_backward, _backward_right, draws=60, what="Each slope against the mean of the code's gradient over "
                   "all masks."),
    observe=trained({"weights": (smooth_signs, 1.5)}, margin=MARGIN),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|; TRAIN: margin 0.03 of weights between 0 and 1",
)  # fmt: skip


def _outputs() -> tuple[Any, Any]:
    import sympy as sp

    x, z, u, v, c, e, g = sp.symbols("x1 x2 u v c e g", positive=True)  # u > 0, and the other weight is −v
    masked = x * (u + (u + c) * e) + z * (-v + (-v - c) * g)
    plain = x * (1 + e) * u + z * (1 + g) * (-v)
    return masked, plain + c * (x * e - z * g)


def _said_needed() -> list[Fact]:
    from etatrick.validation.routes.facts import at_least

    masked, products = _outputs()
    shown = r"(x\tilde W-y)^2 > 0,\quad y=(x\circ\rho)W+c\,(x\circ(\rho-1))\,\mathrm{sgn}W"
    return [at_least((masked - products) ** 2, 0, "two matmuls, without masked weights, miss the output; inputs x1, x2 "
                     "with noise e, g, weights u, −v", shown, strict=True)]  # fmt: skip


def _truly_products() -> list[Fact]:
    from etatrick.validation.routes.facts import equal

    masked, products = _outputs()
    return [equal(masked, products, "two inputs, one output, weights of both signs",
                  r"x\tilde W = (x\circ\rho)W + c\,(x\circ(\rho-1))\,\mathrm{sgn}W")]  # fmt: skip


def _memory(rng: "np.random.Generator", units: bool = False) -> Pair:
    """Compare how many masked numbers a batch needs with those of the two matmuls, NaN unless the outputs agree."""
    import numpy as np

    B, inputs, outputs = (int(k) for k in rng.integers(2, 8, 3))
    X, W = rng.standard_normal((B, inputs)), rng.standard_normal((inputs, outputs))
    c, rho = 0.4, rng.choice([0.0, 2.0], (B, inputs))
    weights = W * rho[:, :, None] + c * np.sign(W) * (rho[:, :, None] - 1)
    first, second = X * rho, X * (rho - 1)
    same = np.allclose(np.einsum("bi,bio->bo", X, weights), first @ W + c * second @ np.sign(W), rtol=0, atol=1e-12)
    stated = 2 * B * inputs if units else weights.size
    return Pair(float(stated), float(first.size + second.size) if same else np.nan, {"outputs": float(outputs)})


def _memory_right(rng: "np.random.Generator") -> Pair:
    return _memory(rng, units=True)


PRODUCTS: Final = Claim(
    id="shakeout/masked-weights-per-example",
    title="Shakeout needs no masked weights per example",
    statement="Shakeout, as Bridgeout, needs a masked copy of the weights for every example of a batch.",
    source="Khan, Stavness 2019, comparison with Shakeout",
    relation="refuted",
    parameters={"ρ": "one per input unit and example", "c": "c > 0"},
    corrected=r"With one mask per input unit, as it is defined, "
    r"$x\tilde W=(x\circ\rho)W+c\,(x\circ(\rho-1))\,\mathrm{sgn}W$: two matmuls, and $2BI$ masked numbers instead of "
    r"$BIO$ for a batch of $B$, $I$ inputs and $O$ outputs.",
    derive=refutation(_said_needed, _truly_products, "x, weights and masks of any sign: polynomial identities"),
    solve=mismatch(_memory, _memory_right, draws=20, tolerance="EXACT", what="The masked numbers that are held, as "
                   "stated and in the two matmuls, whose outputs agree to 1e-12."),
    observe=FORMAL,
    tolerance="EXACT: equality",
)  # fmt: skip

CLAIMS: Final = (BARRIER, SMOOTH, PRODUCTS)
