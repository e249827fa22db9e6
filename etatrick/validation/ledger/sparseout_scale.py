"""Claims on Sparseout in a network: escape through the scale of activations, Hoyer's measure, published times."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim, Setting
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.sparseout_penalty import PAPER
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, Trial, numbers, proof, refutation, trained

if TYPE_CHECKING:
    import numpy as np

MARGIN: Final = 0.1  # of log|h/D| after training, which starts at 0; fixed before any run
TABLE: Final = {1024: ("5.2", "5.8", "31.6"), 2048: ("5.6", "6.0", "57.2")}  # backprop, Sparseout, Bridgeout


def _escape() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    h, d, t, q, r, k, odds, x = sp.symbols("h D t q r k lambda xi", positive=True)
    charge = mean_over((t - d * (h + h ** (q / 2) * x)) ** 2 / 2, x, odds) - (t - d * h) ** 2 / 2
    moved = charge.subs({h: k * h, d: d / k}, simultaneous=True)
    return [
        equal(charge, odds / 2 * d**2 * h**q, "the penalty R of one unit, h̃ = h + h^(q/2)ξ",
              r"R(h, D) = \mathbb E\tfrac12(t-D\tilde h)^2-\tfrac12(t-Dh)^2 = \tfrac\lambda2D^2h^q"),
        equal(moved, k ** (q - 2) * odds / 2 * d**2 * h**q, "under h → kh, D → D/k it is multiplied by k^(q−2)",
              r"R(kh, D/k) = k^{q-2}\,\tfrac\lambda2D^2h^q"),
        tends(k ** (-r), k, sp.oo, 0, "q = 2 − r: larger activations make it vanish",
              r"\lim_{k\to\infty}k^{q-2} = 0,\ q < 2"),
        tends(k**r, k, 0, 0, "q = 2 + r: smaller ones do", r"\lim_{k\to0^+}k^{q-2} = 0,\ q > 2"),
    ]  # fmt: skip


def _moved(rng: "np.random.Generator", neutral: bool = False) -> Pair:
    """Compare with the mean over masks for a decoder, at scale k, less the fit, which does not change."""
    q, p, k = (float(rng.uniform(*ends)) for ends in ((0.5, 1.6), (0.2, 0.9), (2, 9)))
    h, D, t = rng.uniform(0.2, 2, 3), rng.standard_normal((2, 3)), rng.standard_normal(2)
    xi, chance = switches(3, p)
    noisy = k * h + (k * h) ** (q / 2) * xi
    fit = float(((t - D @ h) ** 2).sum())
    found = float(chance @ ((t - noisy @ (D / k).T) ** 2).sum(1)) - fit
    stated = (1.0 if neutral else k ** (q - 2)) * (1 - p) / p * float((D**2).sum(0) @ h**q)
    return Pair(stated, found, {"q": q, "k": k})


def _moved_neutral(rng: "np.random.Generator") -> Pair:
    return _moved(rng, neutral=True)


ESCAPE: Final = Claim(
    id="sparseout/scale-escape",
    title="A homogeneous network escapes Sparseout by rescaling, unless q = 2",
    statement=r"Under $h\to kh$, $D\to D/k$ the network is unchanged and the penalty "
    r"$\tfrac{1-p}{2p}\sum_j\lVert D_j\rVert^2|h_j|^q$ is multiplied by $k^{q-2}$: its infimum is 0 for $q\ne2$.",
    source=f"derived for this ledger about {PAPER}",
    relation="limit",
    parameters={"q": "q > 0", "k": "k > 0", "p": "0 < p < 1"},
    derive=proof(_escape, "one unit, h, D, t, q, k > 0, λ = (1 − p)/p; the penalty is a sum over units"),
    solve=numbers(_moved, draws=40, control=_moved_neutral, what="The law against the mean over all masks at scale k; "
                  "the control has no factor."),
    observe=Absent("the experiment sparseout-hoyer trains an autoencoder with both gradients"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _neutral() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    h, d, t, q, odds, x, factor = sp.symbols("h D t q lambda xi rho", positive=True)
    through = (t - d * (h + h ** (q / 2) * x)) ** 2 / 2
    held = (t - d * factor * h) ** 2 / 2  # the factor of the forward pass is a number to the gradient
    drift = h * sp.diff(through, h) - d * sp.diff(through, d)
    return [
        equal(h * sp.Derivative(held, h) - d * sp.Derivative(held, d), 0, "with ρ = h̃/h held, every sample's drift "
              "is 0"),
        equal(mean_over(drift, x, odds), (q - 2) * odds / 2 * d**2 * h**q, "differentiated it is (q − 2)·penalty",
              r"\mathbb E[h\,g_h-D\,g_D] = (q-2)\tfrac\lambda2D^2|h|^q"),
    ]  # fmt: skip


def _drift(rng: "np.random.Generator", detached: bool = False) -> Pair:
    """Compare (q − 2)·penalty with central differences along h → kh, D → D/k of the mean loss over all masks."""
    import numpy as np

    q, p = float(rng.uniform(0.5, 1.6)), float(rng.uniform(0.3, 0.9))
    h, D, t = rng.uniform(0.5, 2, 3), rng.standard_normal(3), float(rng.standard_normal())
    xi, chance = switches(3, p)

    def loss(z: float) -> float:
        k = np.exp(z)
        return float(chance @ (t - (k * h + (k * h) ** (q / 2) * xi) @ (D / k)) ** 2) / 2

    step = 1e-3
    found = (8 * (loss(step) - loss(-step)) - loss(2 * step) + loss(-2 * step)) / (12 * step)
    stated = (q - 2) * (1 - p) / (2 * p) * float(D**2 @ h**q)
    return Pair(0.0 if detached else stated, found, {"q": q, "p": p})


def _drift_detached(rng: "np.random.Generator") -> Pair:
    return _drift(rng, detached=True)


def scales(setting: Setting) -> dict[str, Trial]:
    """Train t ≈ D·h with Sparseout noise of degree 1 on h, from h = D = 1: detached, and through the scale.

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    dict of str to Trial
        log(h/D) at the end, shape (seeds,): 0 if the noise moves no scale.
    """
    import numpy as np

    from etatrick.validation.seeding import seed

    steps = {"quick": 6_000, "full": 30_000}[setting.level]
    ends = {}
    for name in ("detached", "differentiated"):
        rng = np.random.default_rng(seed("sparseout scales", name))
        h, D = np.ones(64), np.ones(64)
        for _ in range(steps):
            xi = rng.choice([-0.5, 0.5], 64)
            noisy = h + np.sqrt(h) * xi
            slope = 1 + xi / np.sqrt(h) if name == "detached" else 1 + xi / (2 * np.sqrt(h))
            error = D * noisy - 1.5
            h, D = np.maximum(h - 0.005 * error * D * slope, 1e-3), D - 0.005 * error * noisy
        ends[name] = np.log(h / D)
        setting.progress(0.5 if name == "detached" else 1.0)
    return {"detached: log(h/D) stays 0": Trial(ends["detached"]),
            "differentiated: log(h/D) stays 0": Trial(ends["differentiated"], expected="differs")}  # fmt: skip


NEUTRAL: Final = Claim(
    id="sparseout/detached-noise-is-scale-neutral",
    title="Detached noise moves no scale between a layer and the next, for any q",
    statement=r"With the noise factor held fixed, $h\cdot g_h-D\cdot g_D=0$ for every sample; with the true gradient "
    r"its mean is $(q-2)$ times the penalty, which drives $h$ up for $q<2$ and down for $q>2$.",
    source=OURS,
    relation="equal",
    parameters={"q": "q > 0", "g": "the gradients by h and D"},
    derive=proof(_neutral, "one unit, h, D, t, q, ρ > 0 (polynomials in ρ), λ = (1 − p)/p"),
    solve=numbers(_drift, draws=40, tolerance="SOLVER", control=_drift_detached, what="(q − 2)·penalty against "
                  "fourth-order differences of the mean loss along the rescaling; the control is 0."),
    observe=trained({"scales": (scales, 1.0)}, margin=MARGIN),
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|; TRAIN: margin 0.1 of log(h/D)",
)  # fmt: skip


def _hoyer() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    v = sp.symbols("v1:5", positive=True)
    one, two = sum(v), sum(x**2 for x in v)
    pairs = sum((v[i] - v[j]) ** 2 for i in range(4) for j in range(i))
    return [
        equal(4 * two - one**2, pairs, "k‖v‖₂² − ‖v‖₁² is a sum of squares, 0 iff all entries are equal: H ≥ 0",
              r"k\lVert v\rVert_2^2-\lVert v\rVert_1^2 = \sum_{i<j}(v_i-v_j)^2,\ k=4"),
        at_least(one**2, two, "‖v‖₁ ≥ ‖v‖₂: H ≤ 1, with equality only for one entry", strict=True,
                 latex=r"\lVert v\rVert_1^2-\lVert v\rVert_2^2 = 2\sum_{i<j}v_iv_j > 0"),
    ]  # fmt: skip


def _measure(rng: "np.random.Generator", rooted: bool = True) -> Pair:
    """Compare the ends 0 and 1 with the least and the largest value found by a search over vectors."""
    import numpy as np

    k, top = int(rng.integers(2, 7)), bool(rng.integers(2))

    def measure(v: Any) -> float:
        root = k**0.5 if rooted else float(k)
        return float((root - np.abs(v).sum() / np.linalg.norm(v)) / (root - 1)) * (-1 if top else 1)

    best, angle = rng.standard_normal(k), np.linspace(0, np.pi / 2, 19)
    for _ in range(120):  # rotate two random entries to the best angle of a grid; ‖v‖₂ stays
        pair = rng.permutation(k)[:2]
        trials = np.tile(best, (19, 1))
        trials[:, pair] = np.linalg.norm(best[pair]) * np.stack([np.cos(angle), np.sin(angle)], 1)
        best = min(trials, key=measure)
    return Pair(1.0 if top else 0.0, abs(measure(best)), {"k": float(k)})


def _measure_unrooted(rng: "np.random.Generator") -> Pair:
    return _measure(rng, rooted=False)


HOYER: Final = Claim(
    id="sparseout/hoyer-range",
    title="Hoyer's measure runs from 0 for equal magnitudes to 1 for a single entry",
    statement=r"$H(v)=(\sqrt k-\lVert v\rVert_1/\lVert v\rVert_2)/(\sqrt k-1)$ lies in $[0,1]$; 0 iff all $|v_j|$ are "
    r"equal, 1 iff exactly one is not 0.",
    source=f"Hoyer 2004, used by {PAPER}",
    relation="equal",
    parameters={"k": "k ≥ 2", "v": "v ≠ 0"},
    derive=proof(_hoyer, "v > 0 and k = 4; an entry that is 0 lowers ‖v‖₁² − ‖v‖₂² to that of the others"),
    solve=numbers(_measure, draws=16, tolerance="SOLVER", control=_measure_unrooted, what="0 and 1 against the "
                  "extremes that a search by plane rotations finds; the control has k for √k."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _orders() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    return [at_least(sp.Rational(slow) / sp.Rational(fast), 10, f"one order of magnitude at {width} units",
                     rf"{slow}/{fast} \ge 10") for width, (_, fast, slow) in TABLE.items()]  # fmt: skip


def _ratios() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    facts = []
    for (plain, fast, slow), times in zip(TABLE.values(), (44, 129), strict=True):
        low = sp.floor(10 * sp.Rational(slow) / sp.Rational(fast)) / 10
        added = (sp.Rational(slow) - sp.Rational(plain)) / (sp.Rational(fast) - sp.Rational(plain))
        facts += [at_least(10, sp.Rational(slow) / sp.Rational(fast), f"{float(low):g} times, below ten",
                           rf"{slow}/{fast} < 10", strict=True),
                  equal(added, times, "of what is added to backpropagation",
                        rf"({slow}-{plain})/({fast}-{plain}) = {times}")]  # fmt: skip
    return facts


SPEED: Final = Claim(
    id="sparseout/speed-versus-bridgeout",
    title="Sparseout is 5.4 and 9.5 times faster than Bridgeout by its own table",
    statement="Sparseout is orders of magnitude faster than Bridgeout.",
    source=f"{PAPER}, text against its Table 1 (plain 5.2 and 5.6; Sparseout 5.8 and 6.0; Bridgeout 31.6 and 57.2)",
    relation="corrected",
    parameters={"units": "1024 and 2048 hidden units"},
    corrected=r"The times are 5.4 and 9.5 times shorter, less than one order of magnitude; what is added to plain "
    r"backpropagation is 44 and 129 times less.",
    derive=refutation(_orders, _ratios, "the published table"),
    solve=Absent("the published times are the data; there is nothing to compute beside their ratios"),
    observe=Absent("times depend on the machine, and two matmuls would serve Bridgeout as well"),
)

CLAIMS: Final = (ESCAPE, NEUTRAL, HOYER, SPEED)
