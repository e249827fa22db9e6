"""Claims on training: the expected loss of masks, reweighted least squares, locked zeros, detached gradients."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE
from etatrick.validation.routes import Absent, Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

TWICE: Final = Absent("an exact identity of expectations: trained models are compared under flip-side/log-sum-duality")


def problem(rng: "np.random.Generator", n: int = 12, d: int = 5) -> tuple[Any, Any, Any]:
    """Return a random design, its targets, and weights, none of them 0."""
    X, y = rng.standard_normal((n, d)) / n**0.5, rng.standard_normal(n)
    return X, y, rng.uniform(0.1, 1, d) * rng.choice([-1.0, 1.0], d)


def over_masks(X: Any, y: Any, coef: Any, alpha: Any) -> tuple[float, Any]:
    """Return the mean over all Bernoulli masks of ½‖y − X(s∘w)‖², s = b/α, and of its gradient in w with α fixed."""
    import itertools

    import numpy as np

    loss, gradient = 0.0, np.zeros_like(coef)
    for kept in itertools.product((0.0, 1.0), repeat=len(coef)):
        bits = np.array(kept)
        chance = float(np.prod(np.where(bits > 0, alpha, 1 - alpha)))
        residual = y - X @ (bits / alpha * coef)
        loss += chance * float(residual @ residual) / 2
        gradient -= chance * bits / alpha * (X.T @ residual)
    return loss, gradient


def _expectation() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    a, x, z, u, v, y, first, second = sp.symbols("alpha x z u v y V1 V2", positive=True)
    s, r = sp.symbols("s r", positive=True)
    loss = sp.Poly((y - x * s * u - z * r * v) ** 2 / 2, s, r)
    moments = ((1, 1, 1 + first), (1, 1, 1 + second))  # E s^i of masks with mean 1 and variance V
    mean = sum(c * moments[0][i] * moments[1][j] for (i, j), c in loss.terms())
    kept, dropped = (y - x * u) ** 2 / 2, y**2 / 2
    return [
        equal(mean, (y - x * u - z * v) ** 2 / 2 + (x**2 * first * u**2 + z**2 * second * v**2) / 2,
              "one example, two weights, any independent masks of mean 1; more examples add up",
              r"\mathbb E\,\tfrac12(y-x^{\top}(s\circ w))^2 = \tfrac12(y-x^{\top}w)^2"
              r" + \tfrac12\sum_j x_j^2\,\mathrm{Var}(s_j)\,w_j^2"),
        equal(a * (1 / a - 1) ** 2 + (1 - a) * (0 - 1) ** 2, (1 - a) / a, "masks b/α, b = 1 with probability α, else 0",
              r"\alpha\left(\tfrac1\alpha-1\right)^2 + (1-\alpha)(0-1)^2 = \frac{1-\alpha}\alpha"),
        equal(sp.Subs(a * kept + (1 - a) * dropped, u, w / a), (y - x * w) ** 2 / 2 + x**2 * (1 - a) / a * w**2 / 2,
              "unscaled masks on a weight u, whose mean is w = αu",
              r"\tfrac\alpha2(y-xu)^2 + \tfrac{1-\alpha}2y^2"
              r" = \tfrac12(y-xw)^2 + \tfrac12x^2\tfrac{1-\alpha}\alpha w^2"),
    ]  # fmt: skip


def _enumerated(rng: "np.random.Generator") -> Pair:
    import numpy as np

    X, y, coef = problem(rng)
    alpha = rng.uniform(0.2, 0.9, len(coef))
    fit = float(((y - X @ coef) ** 2).sum()) / 2
    stated = fit + float(((X**2).sum(axis=0) * (1 - alpha) / alpha * coef**2).sum()) / 2
    return Pair(stated, over_masks(X, y, coef, alpha)[0], {"least α": float(np.min(alpha))})


EXPECTED_LOSS: Final = Claim(
    id="flip-side/expected-squared-loss",
    title="The expected squared loss of independent masks is a ridge",
    statement=r"For independent $s_j$ of mean 1, $\mathbb E_s\tfrac12\lVert y-X(s\circ w)\rVert^2$ is "
    r"$\tfrac12\lVert y-Xw\rVert^2$ plus the ridge $\tfrac12\sum_j\lVert x_j\rVert^2\,\mathrm{Var}(s_j)\,w_j^2$, $x_j$ "
    r"the columns of $X$; Bernoulli masks that retain with probability $\alpha$ give $(1-\alpha)/\alpha$, scaled or "
    r"not.",
    source=f"{SOURCE}, dropout in the linear model",
    relation="equal",
    parameters={"α": "0 < α ≤ 1"},
    derive=proof(_expectation, "0 < α ≤ 1; identities of polynomials in x, w and y, so their signs do not matter"),
    solve=numbers(_enumerated, draws=40, seconds=0.5, what="The formula against the mean over "
                  "all 32 scaled masks of five weights."),
    observe=TWICE,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _reweighting() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import lam, w
    from etatrick.validation.routes.facts import equal

    v = sp.Symbol("v", positive=True)
    omega = sp.Function("Omega")
    slope = sp.diff(omega(v), v)
    above = omega(v) + slope / v * (w**2 - v**2) / 2
    alpha = v / (v + lam * slope)
    return [
        equal((1 - alpha) / alpha, lam * slope / v, "the noise of α(v) is the weight λ/η̂(v) of the ridge",
              r"(1-\alpha(v))/\alpha(v) = \lambda/\hat\eta(v)"),
        equal(above.subs(w, v), omega(v), "the ridge touches Ω at v",
              r"Q(w;v) = \Omega(v) + \tfrac{w^2-v^2}{2\hat\eta(v)},\quad Q(v;v)=\Omega(v)"),
        equal(sp.diff(above, w).subs(w, v), slope, "with the same slope", r"\partial_w Q(v;v) = \Omega'(v)"),
        equal(w * (1 - alpha.subs(v, w).doit()) / alpha.subs(v, w).doit(), lam * sp.diff(omega(w), w),
              "the expected gradient with α detached is λΩ′", r"w\,(1-\alpha(w))/\alpha(w) = \lambda\,\Omega'(w)"),
    ]  # fmt: skip


def _gradients(rng: "np.random.Generator") -> Pair:
    import numpy as np

    X, y, coef = problem(rng)
    X = X / np.linalg.norm(X, axis=0)
    lam, epsilon, size = float(rng.uniform(0.05, 0.5)), float(rng.uniform(0.1, 1)), np.abs(coef)
    scale = size * (size + epsilon)
    _, gradient = over_masks(X, y, coef, scale / (scale + lam))
    exact = -X.T @ (y - X @ coef) + lam * np.sign(coef) / (size + epsilon)
    k = int(np.argmax(np.abs(gradient - exact)))
    return Pair(float(exact[k]), float(gradient[k]), {"λ": lam, "ε": epsilon})


REWEIGHTING: Final = Claim(
    id="flip-side/irls-is-adaptive-dropout",
    title="Adaptive dropout, reweighted least squares and majorisation are one step",
    statement=r"With $\eta=\hat\eta(w^{\mathrm{old}})$ held, the reweighted ridge step, the minimiser of the "
    r"expected dropout loss and the majorise–minimise step for $L+\lambda\Omega$ coincide; with $\alpha$ detached the "
    r"expected gradient is $\nabla L+\lambda\Omega'$.",
    source=f"{SOURCE}, equivalence of the algorithms",
    relation="equal",
    parameters={"λ": "> 0", "Ω": "subquadratic", "X": "with unit-norm columns"},
    derive=proof(_reweighting, "v, w, λ > 0"),
    solve=numbers(_gradients, draws=40, what="∇L + λΩ′ for log-sum against the mean gradient over all 32 masks, with α "
                  "fixed: the coordinate that differs most.", seconds=0.5),
    observe=TWICE,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def objective(X: Any, y: Any, coef: Any, lam: float, epsilon: float) -> float:
    """Return ½‖y − Xw‖² + λΣlog(1 + |w|/ε)."""
    import numpy as np

    return float(((y - X @ coef) ** 2).sum()) / 2 + lam * float(np.log1p(np.abs(coef) / epsilon).sum())


def ridge(X: Any, y: Any, coef: Any, lam: float, epsilon: float) -> Any:
    """Return the minimiser of the loss with ridge weights λ/η̂(w), in a form that allows w = 0."""
    import numpy as np

    root = np.sqrt(np.abs(coef) * (np.abs(coef) + epsilon))
    inner = root[:, None] * (X.T @ X) * root + lam * np.eye(len(coef))
    return root * np.linalg.solve(inner, root * (X.T @ y))


def _descent(rng: "np.random.Generator") -> Pair:
    X, y, coef = problem(rng)
    lam, epsilon = float(rng.uniform(0.01, 1)), float(rng.uniform(0.05, 1))
    for _ in range(int(rng.integers(6))):
        coef = ridge(X, y, coef, lam, epsilon)
    after = objective(X, y, ridge(X, y, coef, lam, epsilon), lam, epsilon)
    return Pair(objective(X, y, coef, lam, epsilon), after, {"λ": lam, "ε": epsilon})


def _growing(rng: "np.random.Generator") -> Pair:
    """Reweight by the rule of another penalty, η̂ = w⁻¹: the objective may rise."""
    import numpy as np

    X, y, coef = problem(rng)
    lam, epsilon = float(rng.uniform(0.01, 1)), float(rng.uniform(0.05, 1))
    after = np.linalg.solve(X.T @ X + lam * np.diag(np.abs(coef)), X.T @ y)
    return Pair(objective(X, y, coef, lam, epsilon), objective(X, y, after, lam, epsilon), {"λ": lam, "ε": epsilon})


def _majorised() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v = sp.symbols("u v", positive=True)
    h = sp.Function("h")
    gap = h(v) + (u - v) * sp.diff(h(v), v) - h(u)
    return [
        equal(gap.subs(u, v), 0, "u = w², v = (w^old)²: the majoriser touches h(u) = 2Ω(√u) at u = v",
              r"G(v)=0,\quad G(u)=h(v)+(u-v)h'(v)-h(u)"),
        equal(sp.diff(gap, u).subs(u, v).doit(), 0, "with the same slope", r"G'(v)=0"),
        equal(sp.diff(gap, u, 2), -sp.diff(h(u), u, 2), "and lies above, as h is concave: what lowers it lowers the "
              "objective", r"G''(u) = -h''(u) \ge 0"),
    ]  # fmt: skip


DESCENT: Final = Claim(
    id="flip-side/irls-descends",
    title="Reweighted least squares never increases the objective",
    statement=r"Each step $w\leftarrow\arg\min_w L(w)+\tfrac\lambda2\sum_jw_j^2/\hat\eta(w_j^{\mathrm{old}})$ "
    r"satisfies $L(w)+\lambda\Omega(w)\le L(w^{\mathrm{old}})+\lambda\Omega(w^{\mathrm{old}})$.",
    source=f"{SOURCE}, iteratively reweighted optimisation",
    relation="upper",
    parameters={"λ": "> 0", "Ω": "subquadratic"},
    derive=proof(_majorised, "u, v > 0"),
    solve=numbers(_descent, draws=100, relation="upper", tolerance="CERTIFICATE", control=_growing,
                  what="The objective before a step against that after it, for log-sum; the control is a step "
                  "that retains large weights less."),
    observe=TWICE,
    tolerance="CERTIFICATE: 1e-12, scaled by 1 + |v|",
)  # fmt: skip


def _said_unlocked() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import lam, w
    from etatrick.validation.routes.facts import equal

    v = sp.Symbol("v", positive=True)
    return [equal(sp.Subs(v * w / (w + lam), w, 0), v - lam, "from w = 0 the lasso's step α(w)v reaches its optimum")]


def _truly_locked() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, lam, w
    from etatrick.validation.routes.facts import equal, tends

    v, epsilon = sp.symbols("v epsilon", positive=True)
    lasso, log_sum = derive(eta_hat="w").alpha, derive(eta_hat="w*(w + epsilon)", parameters=["epsilon"]).alpha
    return [
        tends(lasso, w, 0, 0, "lasso, η̂ = w: α(0) = 0 makes w = 0 a fixed point"),
        tends(v * lasso / w, w, 0, v / lam, "a small weight grows by this factor > 1 where v > λ: 0 repels it"),
        equal(sp.Subs(v * lasso, v, w + lam), w, "and the optimum w = v − λ is a fixed point"),
        tends(log_sum, w, 0, 0, "log-sum, η̂ = w(w + ε): w = 0 is a fixed point, too"),
        tends(v * log_sum / w, w, 0, v * epsilon / lam, "and repels small weights where v > λ/ε = λΩ′(0+)"),
    ]


def _locked(rng: "np.random.Generator", start: float = 0.0) -> Pair:
    """Compare the lasso's optimum for one unit column, v − λ, with the iteration from a start."""
    lam, v, x = float(rng.uniform(0.1, 0.5)), float(rng.uniform(1, 2)), start
    for _ in range(500):
        x = v * x / (x + lam)
    return Pair(v - lam, x, {"λ": lam, "v": v})


def _released(rng: "np.random.Generator") -> Pair:
    return _locked(rng, start=1e-3)


LOCKING: Final = Claim(
    id="flip-side/irls-finds-the-optimum-from-any-start",
    title="Reweighting locks zeros",
    statement=r"For a convex $\Omega$ the reweighted iteration reaches the optimum from every start.",
    source=f"{OURS}; iteratively reweighted methods are often stated without the condition",
    relation="corrected",
    parameters={"λ": "> 0", "v": "> λΩ′(0+), the least-squares weight of one column"},
    corrected=r"Where $\hat\eta(0)=0$, $w_j=0$ is a fixed point even if $|\partial_jL|>\lambda\Omega'(0^+)$: "
    r"absorbing, though it repels every other start. Zeros must be tested and released.",
    derive=refutation(_said_unlocked, _truly_locked, "w, v, λ, ε > 0, one unit-norm column"),
    solve=mismatch(_locked, _released, draws=40, what="The lasso's optimum v − λ against 500 steps from 0, and from "
                   "0.001."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (EXPECTED_LOSS, REWEIGHTING, DESCENT, LOCKING)
