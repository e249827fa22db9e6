"""Claims on two-matmul forms of weight noise: moments, when they are exact, gradients near 0, shared masks."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _moments() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    x, z, u, v, s, q, c, e, g, k = sp.symbols("x1 x2 u v s q c e g k", positive=True)
    noise = x * u ** (q / 2) * e + z * v ** (q / 2) * g  # of one output; k is a mask of another one
    spread = mean_over(mean_over(sp.expand(noise**2), e, c), g, c)
    across = mean_over(mean_over(mean_over(sp.expand(noise * x * s ** (q / 2) * k), e, c), g, c), k, c)
    return [
        equal(mean_over(mean_over(noise, e, c), g, c), 0, "the noise of output o, with ξ = ρ − 1, is centred: the "
              "mean is xW", r"\mathbb E\,\Delta_o = 0,\quad \Delta_o=\sum_jx_j|w_{jo}|^{q/2}\xi_{jo}"),
        equal(spread, c * (x**2 * u**q + z**2 * v**q), "its variance, an entry of v",
              r"\mathbb E\,\Delta_o^2 = \tfrac{1-p}{p}\sum_jx_j^2|w_{jo}|^q"),
        equal(across, 0, "no covariance with a term of another output, which has a mask of its own",
              r"\mathbb E\big[\Delta_o\,x_1|w_{1o'}|^{q/2}\xi_{1o'}\big] = 0"),
    ]  # fmt: skip


def _covariance(rng: "np.random.Generator", own: bool = True) -> Pair:
    """Compare an entry of diag((x²)|W|^q)(1 − p)/p with that of the covariance over all masks of six weights."""
    import numpy as np

    x, W = rng.standard_normal(3), rng.standard_normal((3, 2))
    q, p = float(rng.uniform(0.5, 2)), float(rng.uniform(0.2, 0.9))
    xi, chance = switches(6, p)
    noisy = x @ (W + np.sign(W) * np.abs(W) ** (q / 2) * xi.reshape(-1, 3, 2))
    centred = noisy - chance @ noisy
    i, j = (int(k) for k in rng.integers(0, 2, 2))
    v = (1 - p) / p * (x**2) @ np.abs(W) ** (q if own else 2.0)
    return Pair(float(v[i]) * (i == j), float(chance @ (centred[:, i] * centred[:, j])), {"q": q, "p": p})


def _covariance_dropout(rng: "np.random.Generator") -> Pair:
    return _covariance(rng, own=False)


MOMENTS: Final = Claim(
    id="noise/two-matmul-moments",
    title="Two matmuls give the mean and covariance of masks on every weight",
    statement=r"With one mask per weight and example the pre-activations of Bridgeout have mean $xW$ and covariance "
    r"$\mathrm{diag}(v)$, $v=\tfrac{1-p}{p}(x^{\circ2})|W|^{\circ q}$ (powers of entries): two matmuls instead of "
    r"$BIO$ masks for a batch of $B$, $I$ inputs and $O$ outputs.",
    source=f"{OURS}, after the local reparameterisation of Kingma, Salimans, Welling 2015",
    relation="equal",
    parameters={"q": "q > 0", "p": "0 < p < 1"},
    derive=proof(_moments, "two inputs, two outputs; c = (1 − p)/p"),
    solve=numbers(_covariance, draws=60, control=_covariance_dropout, what="Entries of diag(v) against the covariance "
                  "over all masks; the control has q = 2."),
    observe=Absent("the layer under bridgeout/bridge-penalty trains in this form"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _orders() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    c, x, t, l1, l2, l3, l4 = sp.symbols("c x t l1 l2 l3 l4", positive=True)
    taylor = l1 * t * x + l2 * (t * x) ** 2 / 2 + l3 * (t * x) ** 3 / 6 + l4 * (t * x) ** 4 / 24
    masks = mean_over(taylor, x, c)
    normal = l2 * t**2 * c / 2 + l4 * t**4 * c**2 / 8  # E ε² = c, E ε⁴ = 3c²
    third, fourth = c * (c - 1), c * (c**2 - 4 * c + 1)
    return [
        equal(masks - normal, l3 * t**3 * third / 6 + l4 * t**4 * fourth / 24, "to fourth order in t, with κ₃ = c(c − "
              "1) and κ₄ = c(c² − 4c + 1); ε is normal of variance c",
              r"\mathbb E\ell(z+t\xi)-\mathbb E\ell(z+t\epsilon) = "
              r"\tfrac{\kappa_3t^3}6\ell'''+\tfrac{\kappa_4t^4}{24}\ell''''+\dots"),
        equal((masks - normal).subs({l3: 0, l4: 0}), 0, "no difference for a quadratic loss",
              r"\mathbb E\ell(z+t\xi)-\mathbb E\ell(z+t\epsilon) = 0\quad\text{where}\quad \ell'''=\ell''''=0"),
        equal(sp.Subs(third, c, 1), 0, "κ₃ vanishes at p = ½, c = 1, only: if both agree at another p for all z and t, "
              "then ℓ‴ = 0 and ℓ is quadratic"),
        equal(sp.Subs(fourth, c, 1), -2, "at p = ½ alone, as κ₄ = −2, agreement still needs ℓ⁗ = 0: a cubic"),
    ]  # fmt: skip


def _both(rng: "np.random.Generator", quadratic: bool = True) -> Pair:
    """Compare the mean gradient in a weight: Gauss–Hermite for normal pre-activations, all masks for the original."""
    import numpy as np

    x, w, y = rng.uniform(0.3, 1.5, 3), rng.uniform(0.3, 1.5, 3), float(rng.standard_normal())
    q, p = float(rng.uniform(0.8, 2)), float(rng.uniform(0.3, 0.9))
    xi, chance = switches(3, p)
    node, weight = np.polynomial.hermite_e.hermegauss(80)
    spread = np.sqrt((1 - p) / p * float(x**2 @ w**q))

    def slope(z: Any) -> Any:
        return z - y if quadratic else 1 / (1 + np.exp(-z)) - y

    turn = x[0] + (1 - p) / p * x[0] ** 2 * q * w[0] ** (q - 1) / (2 * spread) * node
    reparameterised = float((slope(x @ w + spread * node) * turn) @ weight / weight.sum())
    inner = x[0] * (1 + q / 2 * w[0] ** (q / 2 - 1) * xi[:, 0])
    return Pair(reparameterised, float(chance @ (slope((w + w ** (q / 2) * xi) @ x) * inner)), {"q": q, "p": p})


def _both_logistic(rng: "np.random.Generator") -> Pair:
    return _both(rng, quadratic=False)


EXACT: Final = Claim(
    id="noise/two-matmul-gradients",
    title="The two-matmul form has the same mean gradient iff the loss is quadratic",
    statement=r"Normal pre-activations of the same mean and variance have the same expected loss and gradient as masks "
    r"on every weight, for all weights and $p$, iff the loss is quadratic; otherwise the expected losses differ by "
    r"$\tfrac{\kappa_3}6\ell'''+\tfrac{\kappa_4}{24}\ell''''+\dots$, $\kappa$ being the cumulants of the masks' noise.",
    source=OURS,
    relation="iff",
    parameters={"p": "0 < p < 1", "ℓ": "analytic"},
    derive=proof(_orders, "c = (1 − p)/p; ℓ by its Taylor coefficients at z"),
    solve=numbers(_both, draws=40, control=_both_logistic, what="The mean gradient by Gauss–Hermite quadrature against "
                  "all masks, for the squared loss; the control is the logistic loss."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _slopes() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal, tends

    q, x, c, r, s = sp.symbols("q x c r s", positive=True)  # r: what the other weights add to the variance
    spread = sp.sqrt(c * (x**2 * w**q + r))
    slope = sp.diff(spread, w)
    masks = sp.diff(w ** (q / 2), w)
    bound, shown = sp.sqrt(c) * q * x**2 / (2 * sp.sqrt(r)), r"\lim_{w\to 0^+} "
    return [
        equal(slope, w ** (q - 1) * c * x**2 * q / (2 * spread), "the slope of √v",
              r"\frac{\partial\sqrt v}{\partial w} = \frac{c\,x^2q}{2\sqrt v}\,w^{q-1},\quad v=c\,(x^2w^q+r)"),
        tends(slope / w ** (q - 1), w, 0, bound, "it goes as w^(q − 1) where the other weights add cr > 0 to v",
              shown + r"w^{1-q}\,\frac{\partial\sqrt v}{\partial w} = " + sp.latex(bound)),
        tends(slope.subs(q, 1), w, 0, bound.subs(q, 1), "q = 1: bounded"),
        tends(slope.subs(q, 1 + s), w, 0, 0, "q = 1 + s: it vanishes",
              shown + r"\frac{\partial\sqrt v}{\partial w} = 0"),
        tends(slope.subs(q, 1 / (1 + s)), w, 0, sp.oo, "q = 1/(1 + s) < 1: unbounded",
              shown + r"\frac{\partial\sqrt v}{\partial w} = \infty"),
        tends(masks.subs(q, 2 / (1 + s)), w, 0, sp.oo, "a mask on the weight itself: unbounded, q = 2/(1 + s) < 2",
              shown + r"\frac{d}{dw}w^{q/2} = \infty"),
        equal(masks**2, q**2 / 4 * w ** (q - 2), "whose square, as in the variance, goes as w^(q − 2)",
              r"\left(\frac{d}{dw}w^{q/2}\right)^2 = \frac{q^2}{4}w^{q-2}"),
        tends(slope.subs({q: 1, r: 0}), w, 0, sp.oo, "where all other weights of the output vanish, r = 0, the slope "
              "of √v is unbounded too: q = 1"),
    ]  # fmt: skip


def _deviation(rng: "np.random.Generator", masks: bool = False) -> Pair:
    """Compare the gradient's standard deviation at w = 1e-13 with its limit at 0; q = 1, squared loss, p = ½."""
    import numpy as np

    x, u, y = float(rng.uniform(0.5, 2)), float(rng.uniform(0.5, 2)), float(rng.standard_normal())
    w, node, weight = 1e-13, *np.polynomial.hermite_e.hermegauss(40)
    spread = np.sqrt(x**2 * w + u)  # a second input of 1 with the weight u

    if masks:
        xi, law = switches(2, 0.5)
        error, turn = x * np.sqrt(w) * xi[:, 0] + np.sqrt(u) * xi[:, 1], x * (1 + xi[:, 0] / (2 * np.sqrt(w)))
    else:
        error, turn, law = spread * node, x + x**2 / (2 * spread) * node, weight / weight.sum()
    gradient = (x * w + u - y + error) * turn
    first, second = float(gradient @ law), float(gradient**2 @ law)
    gap, k = u - y, x**2 / (2 * np.sqrt(u))  # at w = 0: (gap + √u·ε)(x + kε)
    limit = (gap * k + np.sqrt(u) * x) ** 2 + 2 * u * k**2
    return Pair(float(np.sqrt(limit)), float(np.sqrt(second - first**2)), {"x": x, "u": u})


def _deviation_masks(rng: "np.random.Generator") -> Pair:
    return _deviation(rng, masks=True)


VARIANCE: Final = Claim(
    id="noise/two-matmul-gradient-variance",
    title="The two-matmul form has no gradient singularity at 0 for q ≥ 1",
    statement=r"Pre-activations $m+\sqrt v\,\varepsilon$ of variance $v$ have $\partial\sqrt v/\partial "
    r"w\sim|w|^{q-1}$ while other weights of the output are not 0: for $q\ge1$ the gradient's variance stays bounded "
    r"as $w\to0$, where that of masks grows as $|w|^{q-2}$.",
    source=OURS, relation="limit", parameters={"q": "1 ≤ q < 2", "v": "v > 0"},
    derive=proof(_slopes, "w, x, c, r, s > 0; c = (1 − p)/p"),
    solve=numbers(_deviation, draws=40, tolerance="SOLVER", control=_deviation_masks, what="The limit of the standard "
                  "deviation against quadrature at w = 1e-13; the control is masks on every weight."),
    observe=FORMAL, tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _shared(correlated: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    x, z, u, v, c, e, g = sp.symbols("x1 x2 u v c e g", positive=True)
    s, t = sp.symbols("s t", positive=True)  # deviations g of the first output: u, v; of the second: s, t
    first, second = x * u * e + z * v * g, x * s * e + z * t * g
    across = mean_over(mean_over(sp.expand(first * second), e, c), g, c)
    if not correlated:
        return [equal(across, 0, "the outputs are uncorrelated, as with masks on every weight",
                      r"\mathrm{cov}(y_1,y_2) = 0,\quad y_1=x_1u\,\xi_1+x_2v\,\xi_2,\quad "
                      r"y_2=x_1s\,\xi_1+x_2t\,\xi_2")]  # fmt: skip
    own = mean_over(mean_over(sp.expand(first**2), e, c), g, c)
    return [
        equal(across, c * (x**2 * u * s + z**2 * v * t), "their covariance, with c = (1 − p)/p",
              r"\mathrm{cov}(y_1,y_2) = c\,(x_1^2us+x_2^2vt)"),
        equal(own, c * (x**2 * u**2 + z**2 * v**2), "each variance is that of masks on every weight",
              r"\mathrm{var}\,y_1 = c\,(x_1^2u^2+x_2^2v^2)"),
    ]  # fmt: skip


def _said_same() -> list[Fact]:
    return _shared(False)


def _truly_correlated() -> list[Fact]:
    return _shared(True)


def _softmax(rng: "np.random.Generator", squared: bool = False) -> Pair:
    """Compare the mean loss over masks on every weight with that over one mask per input unit."""
    import numpy as np

    x, W = rng.standard_normal(2), 2 * rng.standard_normal((2, 3))
    deviation, y = np.sign(W) * np.sqrt(np.abs(W)), np.eye(3)[0]

    def loss(z: Any) -> Any:
        if squared:
            return ((z - y) ** 2).sum(-1)
        return np.log(np.exp(z).sum(-1)) - z[..., 0]

    (every, first), (unit, second) = switches(6, 0.5), switches(2, 0.5)
    masked = x @ (W + deviation * every.reshape(-1, 2, 3))
    shared = x @ W + (x * unit) @ deviation
    return Pair(float(first @ loss(masked)), float(second @ loss(shared)), {"x1": float(x[0]), "x2": float(x[1])})


def _softmax_squared(rng: "np.random.Generator") -> Pair:
    return _softmax(rng, squared=True)


SHARED: Final = Claim(
    id="noise/unit-masks-correlate-outputs",
    title="One mask per input unit is another regulariser, except for the squared loss",
    statement="One mask per input unit, shared by the outputs, gives the expected loss of masks on every weight.",
    source=f"{OURS}; both are called Bridgeout, DropConnect or Shakeout in public code",
    relation="corrected",
    parameters={"p": "0 < p < 1"},
    corrected=r"For losses that are sums over outputs of quadratics, yes. In general the outputs have covariance "
    r"$\tfrac{1-p}{p}\sum_jx_j^2g_{jo}g_{jo'}$, where the noise of $w_{jo}$ is $g_{jo}(\rho_j-1)$, and the softmax "
    r"loss tells the two apart.",
    derive=refutation(_said_same, _truly_correlated, "two inputs, two outputs, sizes of noise > 0"),
    solve=mismatch(_softmax, _softmax_squared, draws=40, what="The mean loss over masks on every weight against masks "
                   "on units: softmax as stated, the squared loss as corrected."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


CLAIMS: Final = (MOMENTS, EXACT, VARIANCE, SHARED)
