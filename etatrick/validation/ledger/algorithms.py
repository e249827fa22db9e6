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
    import itertools

    import sympy as sp

    from etatrick.validation.routes.facts import equal

    a, b, x, z, u, v, y = sp.symbols("alpha beta x z u v y", positive=True)
    mean = sum(
        (a if i else 1 - a) * (b if j else 1 - b) * (y - x * i * u / a - z * j * v / b) ** 2 / 2
        for i, j in itertools.product((0, 1), repeat=2)
    )
    fit = (y - x * u - z * v) ** 2 / 2
    return [
        equal(sp.expand(mean), sp.expand(fit + ((1 - a) / a * x**2 * u**2 + (1 - b) / b * z**2 * v**2) / 2),
              "one example, two weights, all four scaled masks",
              r"\mathbb E_s\tfrac12(y-x^{\top}(s\circ w))^2 = \tfrac12(y-x^{\top}w)^2"
              r" + \tfrac12\sum_j x_j^2\tfrac{1-\alpha_j}{\alpha_j}w_j^2"),
        equal((a * (1 - a)) / a**2, (1 - a) / a, "unscaled masks with mean weight w = αu: the same variance ratio"),
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
    statement=r"$\mathbb E_s\tfrac12\lVert y-X(s\circ w)\rVert^2=\tfrac12\lVert y-Xw\rVert^2"
    r"+\tfrac12\sum_j\lVert x_j\rVert^2\,\mathrm{Var}(s_j)\,w_j^2$ for independent $s_j$ of mean 1; scaled and "
    r"unscaled Bernoulli masks give the same $(1-\alpha)/\alpha$.",
    source=f"{SOURCE}, dropout in the linear model",
    relation="equal",
    parameters={"α": "0 < α ≤ 1"},
    derive=proof(_expectation, "0 < α, β ≤ 1; a polynomial identity in x, w and y, so their signs do not matter"),
    solve=numbers(_enumerated, draws=40, what="The formula against the mean over all 32 masks.", seconds=0.5),
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
    statement=r"With $\eta=\hat\eta(w^{old})$ held, the reweighted ridge step, the minimiser of the expected dropout "
    r"loss and the majorise–minimise step for $L+\lambda\Omega$ coincide; with $\alpha$ detached the expected gradient "
    r"is $\nabla L+\lambda\Omega'$.",
    source=f"{SOURCE}, equivalence of the algorithms",
    relation="equal",
    parameters={"λ": "λ > 0", "Ω": "subquadratic, unit-norm columns"},
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
        equal(gap.subs(u, v), 0, "the majoriser touches at u = v", r"G(v)=0,\quad G(u)=h(v)+(u-v)h'(v)-h(u)"),
        equal(
            sp.diff(gap, u, 2),
            -sp.diff(h(u), u, 2),
            "and lies above, as h(u) = 2Ω(√u) is concave",
            r"G''(u) = -h''(u) \ge 0",
        ),
    ]


DESCENT: Final = Claim(
    id="flip-side/irls-descends",
    title="Reweighted least squares never increases the objective",
    statement=r"Each step $w\leftarrow\arg\min_w L(w)+\tfrac\lambda2\sum_jw_j^2/\hat\eta(w_j^{old})$ satisfies "
    r"$L(w)+\lambda\Omega(w)\le L(w^{old})+\lambda\Omega(w^{old})$.",
    source=f"{SOURCE}, iteratively reweighted optimisation",
    relation="upper",
    parameters={"λ": "λ > 0", "Ω": "subquadratic"},
    derive=proof(_majorised, "u, v > 0"),
    solve=numbers(_descent, draws=100, relation="upper", tolerance="CERTIFICATE", control=_growing,
                  what="The objective before a step against that after it, for log-sum; the control is a step "
                  "that retains large weights less."),
    observe=TWICE,
    tolerance="CERTIFICATE: 1e-12, scaled by 1 + |v|",
)  # fmt: skip


def _said_unlocked() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import lam
    from etatrick.validation.routes.facts import equal

    v = sp.Symbol("v", positive=True)
    return [equal(sp.Integer(0) * v / (0 + lam), v - lam, "from w = 0 the lasso's step α(0)·v reaches v − λ")]


def _truly_locked() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, lam, w
    from etatrick.validation.routes.facts import equal, tends

    rule = derive(eta_hat="w*(w + 2)").alpha
    v = sp.Symbol("v", positive=True)
    return [
        tends(rule, w, 0, 0, "η̂(0) = 0 makes α(0) = 0, and w = 0 a fixed point"),
        tends(v * rule / w, w, 0, 2 * v / lam, "a small weight grows by the factor v·ε/λ > 1 where v exceeds λΩ′(0+)"),
        equal(v * rule - w, w * (v * (w + 2) / (lam + w * (w + 2)) - 1), "so that 0 repels what is not exactly 0"),
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
    parameters={"λ": "λ > 0", "v": "v > λΩ′(0+)"},
    corrected=r"Where $\hat\eta(0)=0$, $w_j=0$ is a fixed point even if $|\partial_jL|>\lambda\Omega'(0^+)$: "
    r"absorbing, though it repels every other start. Zeros must be tested and released.",
    derive=refutation(_said_unlocked, _truly_locked, "w, v, λ > 0, one unit-norm column"),
    solve=mismatch(_locked, _released, draws=40, what="The lasso's optimum v − λ against 500 steps from 0, and from "
                   "0.001."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (EXPECTED_LOSS, REWEIGHTING, DESCENT, LOCKING)
