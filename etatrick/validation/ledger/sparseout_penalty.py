"""Claims on Sparseout: its penalty on features, its sign, its released gradient, activations near 0, sparsity."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL
from etatrick.validation.routes import Fact, Pair, Trial, mismatch, numbers, proof, refutation, trained

if TYPE_CHECKING:
    import numpy as np

PAPER: Final = "Khan, Stavness 2019, Sparseout"
MARGIN: Final = 0.03  # of trained activations between 0.6 and 2.7; the two optima are 0.13 apart at least
TARGETS: Final = (1.0, 2.0, 3.0)
DEGREE, SEEDS, STEPS = 1.25, {"quick": 96, "full": 384}, {"quick": 1_500, "full": 20_000}


def _features() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    y, x, z, a, b, q, c, e, g = sp.symbols("y x1 x2 a b q c e g", positive=True)
    loss = sp.expand((y - a * (x + x ** (q / 2) * e) - b * (z + z ** (q / 2) * g)) ** 2 / 2)
    mean = mean_over(mean_over(loss, e, c), g, c)
    charge = c / 2 * (a**2 * x**q + b**2 * z**q)
    return [
        equal(mean, (y - a * x - b * z) ** 2 / 2 + charge, "one example, two features, independent masks",
              r"\mathbb E\tfrac12(y-\tilde x^\top\beta)^2 = "
              r"\tfrac12(y-x^\top\beta)^2+\tfrac{1-p}{2p}\sum_j\beta_j^2|x_j|^q"),
    ]  # fmt: skip


def _enumerated(rng: "np.random.Generator", degree: float = 1.0) -> Pair:
    """Compare with the mean over all masks of each example's three features, which have both signs."""
    import numpy as np

    X, y, beta = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3)
    q, p = float(rng.uniform(0.3, 4)), float(rng.uniform(0.2, 0.9))
    xi, chance = switches(3, p)
    noisy = X[:, None, :] + (np.sign(X) * np.abs(X) ** (q / 2))[:, None, :] * xi
    computed = float((((y[:, None] - noisy @ beta) ** 2) @ chance).sum() / 2)
    charge = (1 - p) / p * (np.abs(X) ** (degree * q) @ beta**2).sum()
    return Pair(float(((y - X @ beta) ** 2).sum() + charge) / 2, computed, {"q": q, "p": p})


def _halved(rng: "np.random.Generator") -> Pair:
    return _enumerated(rng, degree=0.5)


FEATURES: Final = Claim(
    id="sparseout/feature-penalty",
    title="In linear regression Sparseout is exactly an ℓq penalty on the features",
    statement=r"With $\tilde x=x+\mathrm{sgn}(x)|x|^{q/2}(\rho-1)$ the expected squared loss gains exactly "
    r"$\tfrac{1-p}{2p}\sum_j\beta_j^2\sum_i|x_{ij}|^q$: a weighted ridge on $\beta$, and a penalty on $x$ where $x$ is "
    r"trained.",
    source=f"{PAPER}, the quadratic approximation for linear models",
    relation="equal",
    parameters={"q": "q > 0", "p": "0 < p < 1"},
    derive=proof(_features, "y, x, β, q > 0, c = (1 − p)/p"),
    solve=numbers(_enumerated, draws=40, control=_halved, what="The formula against the mean over all masks; the "
                  "control has the power q/2."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _third_moments(literal: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, c, x, q = sp.symbols("u c x q", positive=True)  # the activation is −u
    size = u ** (q / 2) * x
    shift = (size if literal else -size).subs(q, 2)
    dropped = -u * (1 + x) + u
    facts = [equal(mean_over(shift**k, x, c), mean_over(dropped**k, x, c), f"moment {k} of the noise at a = −u is "
                   "that of dropout") for k in (1, 2, 3)]  # fmt: skip
    half = mean_over(x**3, x, c).subs(c, 1)
    return facts if literal else [*facts, equal(half, 0, "at p = ½ the law of ξ is symmetric: both forms agree")]


def _said_literal() -> list[Fact]:
    return _third_moments(True)


def _truly_signed() -> list[Fact]:
    return _third_moments(False)


def _literal(rng: "np.random.Generator", signed: bool = False) -> Pair:
    """Compare E ã³ of dropout with that of Sparseout at q = 2, over both values of the mask, for a < 0."""
    import numpy as np

    a, p = -float(rng.uniform(0.3, 2)), float(rng.choice([0.2, 0.3, 0.7, 0.8]))
    rho, chance = np.array([0.0, 1 / p]), np.array([1 - p, p])
    noisy = a + (np.sign(a) if signed else 1.0) * abs(a) ** (2 / 2) * (rho - 1)
    return Pair(float(chance @ (rho * a) ** 3), float(chance @ noisy**3), {"a": a, "p": p})


def _signed(rng: "np.random.Generator") -> Pair:
    return _literal(rng, signed=True)


SIGN: Final = Claim(
    id="sparseout/q-two-is-dropout",
    title="Sparseout at q = 2 is dropout only if the sign is carried along",
    statement=r"At $q=2$ Sparseout, $\tilde a=a+|a|^{q/2}(\rho-1)$, is dropout.",
    source=f"{PAPER}, definition and special cases",
    relation="corrected",
    parameters={"a": "of either sign", "p": "0 < p < 1"},
    corrected=r"For $a\ge0$, or with $\mathrm{sgn}(a)|a|^{q/2}$. As written, $a<0$ becomes $a(2-\rho)$: the mean and "
    r"variance of dropout, the opposite third cumulant, and its law only at $p=\tfrac12$.",
    derive=refutation(_said_literal, _truly_signed, "a = −u < 0, c = (1 − p)/p"),
    solve=mismatch(_literal, _signed, draws=40, what="E ã³ of dropout against both forms, for a < 0."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _released(multiple: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    q, c, x, t = sp.symbols("q c x t", positive=True)
    noisy = w + w ** (q / 2) * x
    paper = mean_over((noisy - t) * sp.diff(noisy, w), x, c)  # one activation, a decoder of norm 1, target t
    code = mean_over((noisy - t) * noisy / w, x, c)
    charge = c * w ** (q - 1) * (1 if multiple else q / 2)
    name = "2/q times λ|a|^q/2" if multiple else "λ|a|^q/2"
    return [
        equal(code, w - t + charge, f"the released gradient charges {name}"),
        *([equal(paper, w - t + c * w ** (q - 1) * q / 2, "the paper's charges λ|a|^q/2")] if multiple else []),
    ]


def _said_paper() -> list[Fact]:
    return _released(False)


def _truly_detached() -> list[Fact]:
    return _released(True)


def _gradient(rng: "np.random.Generator", multiple: bool = False) -> Pair:
    """Compare with the mean over masks of D_j(D·ã − t) times the forward factor ã_j/a_j, three activations."""
    q, p, t = (float(rng.uniform(*ends)) for ends in ((0.5, 1.5), (0.2, 0.9), (1, 3)))
    h, D = rng.uniform(0.3, 2, 3), rng.standard_normal(3)
    xi, chance = switches(3, p)
    factor = 1 + h ** (q / 2 - 1) * xi
    found = chance @ ((((factor * h) @ D - t)[:, None]) * factor) * D
    charge = (1 - p) / p * (1.0 if multiple else q / 2) * h ** (q - 1) * D**2
    return Pair(float((D * (D @ h - t) + charge)[0]), float(found[0]), {"q": q, "p": p, "a": float(h[0])})


def _gradient_right(rng: "np.random.Generator") -> Pair:
    return _gradient(rng, multiple=True)


def activations(setting: Setting) -> dict[str, Trial]:
    """Train three activations towards fixed targets through the Sparseout layer, with either gradient.

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    dict of str to Trial
        Tail averages, shape (seeds, 3), beside the roots of a + ½qλa^(q−1) = t (paper) and a + λa^(q−1) = t (code).
    """
    import torch

    from etatrick.validation.layers import DetachedScale, DifferentiatedScale, Sparseout
    from etatrick.validation.seeding import seed

    steps, target = STEPS[setting.level], torch.tensor(TARGETS, dtype=torch.float64)
    ends = {}
    for name, gradient in (("paper", DifferentiatedScale()), ("code", DetachedScale())):
        generator = torch.Generator().manual_seed(seed("claims", "sparseout", name))
        layer = Sparseout(DEGREE, 0.7, gradient=gradient, generator=generator)
        a = target.expand(SEEDS[setting.level], -1).clone().requires_grad_(True)
        total = torch.zeros_like(a)
        for k in range(steps):
            (slope,) = torch.autograd.grad(0.5 * (target - layer(a)).square().sum(), a)
            with torch.no_grad():
                a.sub_(slope, alpha=0.05 / (1 + k / 500))
                total.add_(a, alpha=float(k >= steps // 2) / (steps - steps // 2))
        ends[name] = total.numpy()
        setting.progress(0.5 if name == "paper" else 1.0)
    paper, code = (stationary(share) for share in (DEGREE / 2, 1.0))
    return {"as stated: released gradient → the paper's optimum": Trial(ends["code"], paper),
            "corrected: released gradient → 2/q times the penalty": Trial(ends["code"], code),
            "the paper's gradient → its optimum": Trial(ends["paper"], paper),
            "control, released gradient → no penalty": Trial(ends["code"], TARGETS, "differs")}  # fmt: skip


def stationary(share: float) -> list[float]:
    """Return the a > 0 with a + share·λ·a^(q−1) = t for each target, by bisection (q > 1: the left side rises).

    Examples
    --------
    >>> [round(a + 3 / 7 * a**0.25, 9) for a in stationary(1.0)]
    [1.0, 2.0, 3.0]
    """
    found = []
    for t in TARGETS:
        low, high = 0.0, t
        for _ in range(80):
            a = (low + high) / 2
            low, high = (low, a) if a + share * 3 / 7 * a ** (DEGREE - 1) > t else (a, high)
        found.append(low)
    return found


RELEASED: Final = Claim(
    id="sparseout/released-gradient",
    title="The released Sparseout code trains with 2/q times the penalty of the paper",
    statement=r"Training with the released code penalises activations by $\tfrac{1-p}{2p}\lVert D_j\rVert^2|a_j|^q$.",
    source=f"{PAPER}; the released code multiplies the gradient by the factor of the forward pass",
    relation="corrected",
    parameters={"q": "q > 0", "p": "0 < p < 1"},
    corrected=r"The code holds the factor $\tilde a/a$ fixed, and its mean gradient is that of "
    r"$\tfrac{1-p}{qp}\lVert D_j\rVert^2|a_j|^q$; the paper's own gradient gives the stated penalty.",
    derive=refutation(_said_paper, _truly_detached, "a, t, q > 0, c = (1 − p)/p"),
    solve=mismatch(_gradient, _gradient_right, draws=40, what="Each law against the mean of the released gradient over "
                   "all masks."),
    observe=trained({"activations": (activations, 5.0)}, margin=MARGIN),
    tolerance="FLOAT64 for means, TRAIN for training: margin 0.03 of activations between 0.6 and 2.7",
)  # fmt: skip


def _unbounded(bounded: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal, tends

    r = sp.Symbol("r", positive=True)
    if bounded:
        return [tends(w ** (-sp.Rational(1, 2)) / 2, w, 0, sp.Rational(1, 2), "the slope at q = 1 stays at q/2")]
    tiny = sp.Rational(1, 10**12)
    return [
        tends(w ** (-r), w, 0, sp.oo, "q = 2 − 2r < 2: unbounded near 0"),
        tends(w**r, w, 0, 0, "q = 2 + 2r > 2: the noise vanishes"),
        equal(tiny ** -sp.Rational(1, 2), 10**6, "the released factor at a = 0, q = 1", r"(0+10^{-12})^{-1/2} = 10^6"),
    ]


def _said_bounded() -> list[Fact]:
    return _unbounded(True)


def _truly_unbounded() -> list[Fact]:
    return _unbounded(False)


def _slope(rng: "np.random.Generator", bound: bool = True) -> Pair:
    """Compare with complex-step derivatives of a + a^(q/2)ξ at a tiny activation, ξ = 1."""
    a, q = float(10 ** rng.uniform(-9, -6)), float(rng.uniform(0.5, 1.2))
    z = complex(a, 1e-30)
    found = (z + z ** (q / 2)).imag / 1e-30
    stated = 1 + q / 2 if bound else 1 + q / 2 * a ** (q / 2 - 1)
    return Pair(1.0, found / stated, {"a": a, "q": q})


def _slope_right(rng: "np.random.Generator") -> Pair:
    return _slope(rng, bound=False)


SINGULAR: Final = Claim(
    id="sparseout/gradient-at-zero",
    title="For q < 2 Sparseout's gradient is unbounded near zero activations",
    statement=r"The gradient $1+\tfrac q2|a|^{q/2-1}\mathrm{sgn}(a)(\rho-1)$ stays of order 1 as $a\to0$.",
    source=f"{PAPER}, used without a remark; with tanh or LSTM units activations do pass through 0",
    relation="refuted",
    parameters={"q": "q > 0"},
    corrected=r"It grows as $|a|^{q/2-1}$ for $q<2$ and is bounded for $q\ge2$; the released code, which adds "
    r"$10^{-12}$ to $|a|$, multiplies the incoming gradient by $10^6$ at $a=0$, $q=1$.",
    derive=refutation(_said_bounded, _truly_unbounded, "a > 0"),
    solve=mismatch(_slope, _slope_right, draws=40, what="The ratio of a complex-step derivative to each law."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)

CLAIMS: Final = (FEATURES, SIGN, RELEASED, SINGULAR)
