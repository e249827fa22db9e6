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
    loss = (y - a * (x + x ** (q / 2) * e) - b * (z + z ** (q / 2) * g)) ** 2 / 2
    mean = mean_over(mean_over(sp.expand(loss), e, c), g, c)
    charge = c / 2 * (a**2 * x**q + b**2 * z**q)
    return [
        equal(mean, (y - a * x - b * z) ** 2 / 2 + charge, "one example, two features, independent masks",
              r"\mathbb E\tfrac12(y-\tilde x^\top\beta)^2 = \tfrac12(y-x^\top\beta)^2+"
              r"\tfrac{1-p}{2p}\sum_j\beta_j^2|x_j|^q"),
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
    derive=proof(_features, "y, x, β, q > 0; sums over examples by linearity"),
    solve=numbers(_enumerated, draws=40, control=_halved, what="The formula against the mean over all masks; the "
                  "control has the power q/2."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _moment(k: int, sign: str, caption: str) -> Fact:
    """Compare E(|a|ξ)^k, the noise as written at q = 2, with ± E(aρ − a)^k, that of dropout, at a = −u < 0."""
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, c, x = sp.symbols("u c xi", positive=True)
    dropped = mean_over((-u * (1 + x) + u) ** k, x, c)
    return equal(mean_over((u * x) ** k, x, c), -dropped if sign else dropped, caption,
                 rf"\mathbb E(|a|\,\xi)^{k} = {sign}\mathbb E(a\,\xi)^{k}".replace("^1", ""))  # fmt: skip


def _said_literal() -> list[Fact]:
    names = {1: "mean", 2: "variance", 3: "third cumulant"}
    return [_moment(k, "", f"at a < 0 the noise has the {name} of dropout, ξ = ρ − 1") for k, name in names.items()]


def _truly_signed() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, c, x, q = sp.symbols("u c xi q", positive=True)
    return [
        equal(sp.Subs(-u - u ** (q / 2) * x, q, 2), -u * (1 + x), "with the sign, at a = −u < 0, it is dropout: aρ"),
        _moment(1, "", "as written the noise has the mean of dropout"),
        _moment(2, "", "and the variance"),
        _moment(3, "-", "but the opposite third cumulant"),
        equal(sp.Subs(mean_over(x**3, x, c), c, 1), 0, "which is 0 at p = ½, where c = (1 − p)/p = 1 and ξ = ±1"),
    ]


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
    parameters={"a": "of either sign", "p": "0 < p < 1", "ρ": "Bern(p)/p"},
    corrected=r"For $a\ge0$, or with $\mathrm{sgn}(a)|a|^{q/2}$. As written, $a<0$ becomes $a(2-\rho)$: the mean and "
    r"variance of dropout, the opposite third cumulant, and its law only at $p=\tfrac12$.",
    derive=refutation(_said_literal, _truly_signed, "a = −u < 0, c = (1 − p)/p"),
    solve=mismatch(_literal, _signed, draws=40, what="E ã³ of dropout against both forms, for a < 0."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _charge(held: bool, halved: bool, caption: str) -> Fact:
    """Compare a mean gradient of one activation, towards a target t, with a charge λa^(q−1) or ½qλa^(q−1)."""
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, q, c, x, t = sp.symbols("a q lambda xi t", positive=True)
    noisy = a + a ** (q / 2) * x
    mean = mean_over((noisy - t) * (noisy / a if held else sp.diff(noisy, a)), x, c)
    factor, size = r"\tilde a/a" if held else r"d\tilde a/da", r"\tfrac\lambda2q" if halved else r"\lambda"
    shown = rf"\mathbb E[(\tilde a-t)\,{factor}] = a-t+{size}\,a^{{q-1}}"
    return equal(mean, a - t + c * (q / 2 if halved else 1) * a ** (q - 1), caption, shown)


def _said_paper() -> list[Fact]:
    return [_charge(True, True, "the released gradient, with ã/a held, charges λ|a|^q/2")]


def _truly_detached() -> list[Fact]:
    return [_charge(True, False, "the released gradient, with ã/a held, charges λ|a|^q/q, 2/q times as much"),
            _charge(False, True, "the paper's gradient charges λ|a|^q/2")]  # fmt: skip


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
    derive=refutation(_said_paper, _truly_detached, "one a > 0, ‖D‖ = 1, target t > 0; q > 0, λ = (1 − p)/p"),
    solve=mismatch(_gradient, _gradient_right, draws=40, what="Each law against the mean of the released gradient over "
                   "all masks."),
    observe=trained({"activations": (activations, 5.0)}, margin=MARGIN),
    tolerance="FLOAT64 for means, TRAIN for training: margin 0.03 of activations between 0.6 and 2.7",
)  # fmt: skip


def _said_bounded() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import tends

    a = sp.Symbol("a", positive=True)
    return [tends(sp.diff(sp.sqrt(a), a), a, 0, sp.Rational(1, 2), "the slope of |a|^½, q = 1, stays at q/2")]


def _truly_unbounded() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    a, q, r, x = sp.symbols("a q r xi", positive=True)
    factor = 1 + (a + sp.Rational(1, 10**12)) ** (q / 2 - 1) * x
    return [
        tends(a ** (-r), a, 0, sp.oo, "q = 2 − 2r < 2: unbounded near 0", r"\lim_{a\to0^+}a^{q/2-1} = \infty,\ q < 2"),
        tends(a**r, a, 0, 0, "q = 2 + 2r > 2: the noise vanishes", r"\lim_{a\to0^+}a^{q/2-1} = 0,\ q > 2"),
        equal(sp.Subs(factor, (a, q), (0, 1)), 1 + 10**6 * x, "the released factor, ξ = ρ − 1",
              r"1+(|a|+10^{-12})^{q/2-1}\xi = 1+10^6\,\xi\text{ at }a = 0,\ q = 1"),
    ]  # fmt: skip


def _slope(rng: "np.random.Generator", bound: bool = True) -> Pair:
    """Compare with complex-step derivatives of a + a^(q/2)ξ at a tiny activation, ξ = 1."""
    a, q = float(10 ** rng.uniform(-9, -6)), float(rng.uniform(0.5, 1.2))
    found = (complex(a, 1e-30) + complex(a, 1e-30) ** (q / 2)).imag / 1e-30
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
    parameters={"q": "q > 0", "ρ": "Bern(p)/p"},
    corrected=r"It grows as $|a|^{q/2-1}$ for $q<2$ and is bounded for $q\ge2$; the released code, which adds "
    r"$10^{-12}$ to $|a|$, multiplies the incoming gradient by $1+10^6(\rho-1)$ at $a=0$, $q=1$.",
    derive=refutation(_said_bounded, _truly_unbounded, "a > 0"),
    solve=mismatch(
        _slope,
        _slope_right,
        draws=40,
        what="The ratio of a complex-step derivative to 1 + q/2 as stated, and "
        "to the formula, for ξ = 1: 1 if it agrees.",
    ),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)

CLAIMS: Final = (FEATURES, SIGN, RELEASED, SINGULAR)
