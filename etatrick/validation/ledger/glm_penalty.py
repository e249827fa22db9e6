"""Claims on dropout in generalised linear models: labels, the quadratic approximation, Poisson in closed form."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

PAPER: Final = "Wager, Wang, Liang 2013"


def _label_free() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    y, z, u, c, x, t = sp.symbols("y z u c x t", positive=True)
    A = sp.Function("A")
    loss = A(z + u * x) - y * (z + u * x)
    gap = A(z + t) - A(z) - t * sp.diff(A(z), z)
    laws = {"logistic": sp.log(1 + sp.exp(z)), "Poisson": sp.exp(z), "squared": z**2 / 2}
    return [
        equal(mean_over(loss, x, c) - (A(z) - y * z), mean_over(A(z + u * x), x, c) - A(z), "the label cancels",
              r"\mathbb E\big[A(z+u\xi)-y\,(z+u\xi)\big]-\big[A(z)-yz\big] = \mathbb E A(z+u\xi)-A(z) = R"),
        equal(sp.Subs(gap, t, 0), 0, "the gap to the tangent is 0 at 0",
              r"g(0)=0,\quad g(t)=A(z+t)-A(z)-t\,A'(z)"),
        equal(sp.diff(gap, t).subs(t, 0).doit(), 0, "with slope 0, so that g ≥ 0 for a convex A", r"g'(0)=0"),
        equal(mean_over(gap.subs(t, u * x), x, c), mean_over(A(z + u * x), x, c) - A(z), "and its mean is R, so that "
              "R ≥ 0", r"\mathbb E\,g(u\xi) = R"),
        *(at_least(sp.diff(law, z, 2), 0, f"convex, {name}", rf"\frac{{d^2}}{{dz^2}}\,{sp.latex(law)} > 0", strict=True)
          for name, law in laws.items()),
    ]  # fmt: skip


def _labels(rng: "np.random.Generator", unbiased: bool = True) -> Pair:
    """Compare the library's regulariser at one label with the mean over all masks at another, seven features."""
    import numpy as np

    from etatrick.numerics.expected import dropout_regularizer
    from etatrick.theory.noise import Bernoulli

    X, w, p = rng.standard_normal((1, 7)), rng.standard_normal(7) / 2, float(rng.uniform(0.2, 0.9))
    xi, chance = switches(7, p)
    scale = 1.0 if unbiased else p  # masks that are not divided by p

    def loss(z: Any, y: float) -> Any:
        return np.logaddexp(0, z) - y * z

    noisy = (scale * (1 + xi) * w) @ X[0]
    computed = float(chance @ loss(noisy, 1.0) - loss(X[0] @ w, 1.0))
    stated = dropout_regularizer(X, [0.0], w, Bernoulli(7, p), "logistic")
    return Pair(stated, computed, {"p": p})


def _labels_biased(rng: "np.random.Generator") -> Pair:
    return _labels(rng, unbiased=False)


LABELS: Final = Claim(
    id="glm-dropout/nonnegative-and-label-free",
    title="The dropout penalty of a generalised linear model is nonnegative and needs no labels",
    statement=r"For the loss $A(x\cdot\beta)-y\,x\cdot\beta$ and noisy inputs $\tilde x$ of mean $x$ the penalty "
    r"$R=\sum_i\mathbb E A(\tilde x_i\cdot\beta)-A(x_i\cdot\beta)\ge0$ does not depend on $y$.",
    source=f"{PAPER}, section 2",
    relation="equal",
    parameters={"A": "a convex log-partition function", "y": "any label"},
    derive=proof(_label_free, "z = x·β, ξ of mean 0; any A for the identities; A″ for z > 0, and the logistic is even"),
    solve=numbers(_labels, draws=25, control=_labels_biased, what="The library's penalty of logistic regression at y "
                  "= 0 against all 128 masks at y = 1; the control has masks that are not divided by p.", seconds=2),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _fisher() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    z, u, c, x, t, y = sp.symbols("z u c x t y", positive=True)
    A = sp.Function("A")
    second = sp.diff(mean_over(A(z + t * u * x), x, c), t, 2).subs(t, 0).doit()
    X = sp.Matrix(2, 2, sp.symbols("x11 x12 x21 x22", positive=True))
    V, b = sp.diag(*sp.symbols("A1 A2", positive=True)), sp.Matrix(sp.symbols("b1 b2", positive=True))
    rows = sum(V[i, i] * sum((X[i, j] * b[j]) ** 2 for j in range(2)) for i in range(2))
    form = (b.T * sp.diag(*(X.T * V * X).diagonal()) * b)[0]
    squared = mean_over((y - z - u * x) ** 2 / 2, x, c) - (y - z) ** 2 / 2
    return [
        equal(second, c * u**2 * sp.diff(A(z), z, 2), "second order in the size t of the noise, one feature",
              r"\left.\frac{d^2}{dt^2}\,\mathbb E A(z+tu\xi)\right|_{t=0} = \frac{\delta}{1-\delta}\,u^2A''(z)"),
        equal(rows, form, "summed over examples and features: the diagonal of the Fisher information",
              r"\sum_{ij}A''_ix_{ij}^2\beta_j^2 = \beta^\top\mathrm{diag}(X^\top VX)\,\beta"),
        equal(squared, c / 2 * u**2, "exact for the squared loss",
              r"\mathbb E\,\tfrac12(y-z-u\xi)^2-\tfrac12(y-z)^2 = \frac{\delta}{2(1-\delta)}\,u^2"),
    ]  # fmt: skip


def _curved(rng: "np.random.Generator", weighted: bool = True) -> Pair:
    """Compare with the second-order coefficient of the enumerated penalty when the noise is scaled by t."""
    import numpy as np

    X, b, delta = rng.standard_normal((4, 3)), rng.standard_normal(3), float(rng.uniform(0.1, 0.7))
    xi, chance = switches(3, 1 - delta)
    z = X @ b

    def charge(t: float) -> float:
        noisy = ((1 + t * xi) * b) @ X.T
        return float((chance @ np.logaddexp(0, noisy) - np.logaddexp(0, z)).sum())

    def even(t: float) -> float:
        return (charge(t) + charge(-t)) / (2 * t * t)

    computed = (64 * even(0.02) - 20 * even(0.04) + even(0.08)) / 45
    p = 1 / (1 + np.exp(-z))
    V = np.diag(p * (1 - p)) if weighted else np.eye(4) / 4
    stated = delta / (1 - delta) / 2 * float(b @ np.diag(np.diag(X.T @ V @ X)) @ b)
    return Pair(stated, computed, {"δ": delta})


def _curved_flat(rng: "np.random.Generator") -> Pair:
    return _curved(rng, weighted=False)


FISHER: Final = Claim(
    id="glm-dropout/quadratic-form",
    title="To second order dropout is ridge in the metric of the diagonal Fisher information",
    statement=r"To second order in the noise "
    r"$R_q=\tfrac{\delta}{2(1-\delta)}\beta^\top\mathrm{diag}(X^\top V(\beta)X)\,\beta$ with "
    r"$V=\mathrm{diag}\,A''(x_i\cdot\beta)$, $A$ the log-partition function, which is exact for the squared loss.",
    source=f"{PAPER}, equation of the quadratic approximation",
    relation="equal",
    parameters={"δ": "0 < δ < 1, the drop rate"},
    derive=proof(_fisher, "z = x·β, ξ = δ/(1 − δ) or −1; two examples and features for the form"),
    solve=numbers(_curved, draws=40, tolerance="SOLVER", control=_curved_flat, what="The formula against differences "
                  "of the enumerated logistic penalty in the size of the noise; the control has V = ¼."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _poisson() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v, c, e, g = sp.symbols("u v c e g", positive=True)  # u = x₁β₁, v = x₂β₂
    delta = c / (1 + c)
    factors = [delta + (1 - delta) * sp.exp(a / (1 - delta)) for a in (u, v)]
    mean = mean_over(mean_over(sp.exp(u * (1 + e) + v * (1 + g)), e, c), g, c)
    return [
        equal(
            mean,
            factors[0] * factors[1],
            "two features",
            r"\mathbb E e^{\tilde x\cdot\beta} = \prod_{j=1}^2\big[\delta+(1-\delta)e^{x_j\beta_j/(1-\delta)}\big]",
        )
    ]


def _product(rng: "np.random.Generator", gaussian: bool = False) -> Pair:
    import numpy as np

    u, delta = rng.standard_normal(5) / 2, float(rng.uniform(0.1, 0.7))
    xi, chance = switches(5, 1 - delta)
    stated = np.prod(delta + (1 - delta) * np.exp(u / (1 - delta)))
    normal = np.exp(u.sum() + delta / (1 - delta) * (u**2).sum() / 2)
    return Pair(float(normal if gaussian else stated), float(chance @ np.exp((1 + xi) @ u)), {"δ": delta})


def _product_gaussian(rng: "np.random.Generator") -> Pair:
    return _product(rng, gaussian=True)


POISSON: Final = Claim(
    id="glm-dropout/poisson-closed-form",
    title="Dropout in Poisson regression has a closed form",
    statement=r"For features $\tilde x_j$ that are 0 with probability $\delta$, else $x_j/(1-\delta)$, no enumeration "
    r"is needed: $\mathbb E e^{\tilde x\cdot\beta}=\prod_j[\delta+(1-\delta)e^{x_j\beta_j/(1-\delta)}]$.",
    source=OURS,
    relation="equal",
    parameters={"δ": "0 < δ < 1, the drop rate"},
    derive=proof(_poisson, "two features with x_j·β_j > 0, 0 < δ < 1"),
    solve=numbers(_product, draws=60, control=_product_gaussian, what="The product against all masks of five features; "
                  "the control is Gaussian noise of the same variance."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _excess(c: Any, u: Any) -> Any:
    """Return exact less quadratic penalty of one feature, over e^u."""
    import sympy as sp

    noise = sp.Symbol("xi", positive=True)
    return mean_over(sp.exp(u * noise), noise, c) - 1 - c * u**2 / 2


def _said_below() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least

    u = sp.Symbol("u", positive=True)
    return [at_least(_excess(sp.Rational(1, 4), u), 0, "p = 0.8 and u > 0: exact less quadratic, over e^u")]


def _truly_below() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, tends

    u, k, c = sp.symbols("u k c", positive=True)
    cubic = r"\lim_{u\to 0^+} \frac{\text{exact}-\text{quadratic}}{u^3e^u} = "
    return [
        at_least(_excess(sp.Integer(1), u), 0, "p = ½: cosh u ≥ 1 + u²/2, for either sign", rising=u),
        at_least(_excess(1 + k, u), 0, "p = 1/(2 + k) < ½ and u > 0", rising=u),
        tends(_excess(c, u) / u**3, u, 0, c * (c - 1) / 6, "near 0, u > 0, κ₃ = c(c − 1) decides, c = (1 − p)/p: "
              "below 0 for p > ½", cubic + r"\frac{c(c-1)}{6}"),
        tends(_excess(c, -u) / u**3, u, 0, -c * (c - 1) / 6, "and −κ₃ for the feature −u: below 0 for p < ½",
              cubic.replace("^u}", "^{-u}}") + r"-\frac{c(c-1)}{6}"),
        tends(_excess(sp.Integer(1), u) / sp.exp(u), u, sp.oo, sp.Rational(1, 2), "p = ½: for large u exact less "
              "quadratic, over e^u, grows as e^u/2"),
    ]  # fmt: skip


def _below(rng: "np.random.Generator", half: bool = False) -> Pair:
    """Compare the quadratic approximation, as a lower bound, with the exact Poisson penalty."""
    import numpy as np

    p = 0.5 if half else float(rng.uniform(0.7, 0.9))
    u = rng.uniform(-2, 2, 3) if half else rng.uniform(0.2, 0.8, 3)
    xi, chance = switches(3, p)
    exact = float(chance @ np.exp((1 + xi) @ u) - np.exp(u.sum()))
    return Pair((1 - p) / p / 2 * float(np.exp(u.sum()) * (u**2).sum()), exact, {"p": p})


def _below_half(rng: "np.random.Generator") -> Pair:
    return _below(rng, half=True)


UNDER: Final = Claim(
    id="glm-dropout/poisson-quadratic-is-a-lower-bound",
    title="In Poisson regression the quadratic approximation is too small at p = ½, not always",
    statement="In Poisson regression the quadratic approximation underestimates the dropout penalty.",
    source=f"a common reading of examples; the approximation is that of {PAPER}",
    relation="corrected",
    parameters={"p": "0 < p < 1, the retain probability", "u": "u = xβ of one feature"},
    corrected=r"At $p=\tfrac12$ it does, for all signs, exponentially so for large $|u|$, and for $p<\tfrac12$ where "
    r"$u>0$. For small $|u|$ the third cumulant $\kappa_3=c(c-1)$, $c=(1-p)/p$, decides: it is too large where "
    r"$\kappa_3u<0$, at $p>\tfrac12$, $u>0$ and at $p<\tfrac12$, $u<0$.",
    derive=refutation(_said_below, _truly_below, "u > 0; c = (1 − p)/p", seconds=3),
    solve=mismatch(_below, _below_half, draws=60, relation="lower", what="The quadratic as a lower bound of the exact "
                   "penalty of three features: p > ½ and u > 0, and p = ½ with any signs."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (LABELS, FISHER, POISSON, UNDER)
