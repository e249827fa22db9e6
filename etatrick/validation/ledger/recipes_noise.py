"""Claims on noise recipes: the expected loss of noisy weights, mean weights, detaching, cumulants of scaled masks."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


def mean_over(formula: Any, noise: Any, odds: Any) -> Any:
    """Return the mean of a formula over ξ = ρ − 1, where ρ = Bern(p)/p and (1 − p)/p = `odds`: ξ is c or −1.

    Parameters
    ----------
    formula : sympy.Expr
    noise : sympy.Symbol
        The ξ in it.
    odds : sympy.Expr
        c > 0.

    Returns
    -------
    sympy.Expr

    Examples
    --------
    >>> import sympy as sp
    >>> x, c = sp.symbols("x c", positive=True)
    >>> sp.simplify(mean_over(x**2, x, c))
    c
    """
    import sympy as sp

    law = ((odds, 1 / (1 + odds)), (sp.Integer(-1), odds / (1 + odds)))
    return sum(chance * formula.subs(noise, value) for value, chance in law)


def switches(d: int, p: float) -> "tuple[NDArray[np.float64], NDArray[np.float64]]":
    """Return all outcomes of d independent ξ = Bern(p)/p − 1, shape (2^d, d), and their chances, shape (2^d,).

    Examples
    --------
    >>> switches(1, 0.25)
    (array([[-1.],
           [ 3.]]), array([0.75, 0.25]))
    """
    import numpy as np

    on = (np.arange(2**d)[:, None] >> np.arange(d)) & 1
    return on / p - 1.0, np.where(on == 1, p, 1 - p).prod(1)


def _master() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    y, a, b, u, v, e, g = sp.symbols("y x1 x2 u v e g", positive=True)
    moments = {(1, 0): 0, (0, 1): 0, (2, 0): sp.Symbol("C11", positive=True), (1, 1): sp.Symbol("C12", positive=True),
               (0, 2): sp.Symbol("C22", positive=True), (0, 0): 1}  # fmt: skip
    loss = sp.Poly(sp.expand((y - a * (u + e) - b * (v + g)) ** 2 / 2), e, g)
    mean = sum(coefficient * moments[powers] for powers, coefficient in loss.terms())
    trace = (a**2 * moments[2, 0] + 2 * a * b * moments[1, 1] + b**2 * moments[0, 2]) / 2
    return [
        equal(mean, (y - a * u - b * v) ** 2 / 2 + trace, "one example, two weights: quadratic in the noise",
              r"\mathbb E\tfrac12(y-x^\top\tilde w)^2 = \tfrac12(y-x^\top\mu)^2+\tfrac12 x^\top C x"),
    ]  # fmt: skip


def _law(rng: "np.random.Generator", correlated: bool = True) -> Pair:
    """Compare with the mean over a random law of five atoms, whose coordinates are dependent and skew."""
    import numpy as np

    X, y = rng.standard_normal((6, 3)), rng.standard_normal(6)
    atoms, chance = rng.standard_normal((5, 3)) ** 3, rng.dirichlet(np.ones(5))
    mean = chance @ atoms
    C = (atoms - mean).T @ np.diag(chance) @ (atoms - mean)
    gram = X.T @ X if correlated else np.diag((X**2).sum(0))
    stated = float(((y - X @ mean) ** 2).sum() + np.trace(gram @ C)) / 2
    computed = float(chance @ ((y[:, None] - X @ atoms.T) ** 2).sum(0)) / 2
    return Pair(stated, computed, {"total variance": float(np.trace(C))})


def _law_diagonal(rng: "np.random.Generator") -> Pair:
    return _law(rng, correlated=False)


MASTER: Final = Claim(
    id="noise/expected-squared-loss",
    title="Noise on weights charges half the trace of Gram matrix times covariance",
    statement=r"For any random weight $\tilde w$ of mean $\mu$ and covariance $C$: "
    r"$\mathbb E\tfrac12\lVert y-X\tilde w\rVert^2=\tfrac12\lVert y-X\mu\rVert^2+\tfrac12\mathrm{tr}(X^\top XC)$.",
    source=f"folklore; this form {OURS}",
    relation="equal",
    parameters={"X": "any", "C": "finite"},
    derive=proof(_master, "one example, two weights; sums over examples and pairs of weights follow by linearity"),
    solve=numbers(_law, draws=60, control=_law_diagonal, what="The identity against the mean over five dependent, skew "
                  "atoms; the control leaves out the covariances."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _reduced() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    x, z, y, first, second, v, u, pi, e, g = sp.symbols("x z y beta1 beta2 v1 v2 pi e g", positive=True)
    one, two = sp.symbols("pi1 pi2", positive=True)
    loss = (y - x * first / one * (one + e) - z * second / two * (two + g)) ** 2 / 2  # w = β/π, masks π + e and π + g
    moments = {(0, 0): 1, (1, 0): 0, (0, 1): 0, (1, 1): 0, (2, 0): v, (0, 2): u}
    mean = sum(coefficient * moments[powers] for powers, coefficient in sp.Poly(sp.expand(loss), e, g).terms())
    charge = (x**2 * v / one**2 * first**2 + z**2 * u / two**2 * second**2) / 2
    return [
        equal(mean, (y - x * first - z * second) ** 2 / 2 + charge, "one example, two weights w = β/π, masks m",
              r"\mathbb E\tfrac12(y-x^\top(m\circ w))^2 = "
              r"\tfrac12(y-x^\top\beta)^2+\tfrac12\sum_jx_j^2(v_j/\pi_j^2)\beta_j^2"),
        equal(sp.Subs(v / pi**2, v, pi * (1 - pi)), (1 - pi) / pi, "a Bernoulli mask has v = π(1 − π)",
              r"v/\pi^2 = (1-\pi)/\pi,\quad v = \pi(1-\pi)"),
    ]  # fmt: skip


def _ridge(rng: "np.random.Generator", scaled: bool = True) -> Pair:
    """Compare π times the minimiser of the enumerated loss of raw masks with the ridge solution in β."""
    import numpy as np

    X, y, pi = rng.standard_normal((7, 3)), rng.standard_normal(7), rng.uniform(0.2, 0.9, 3)
    on = (np.arange(8)[:, None] >> np.arange(3)) & 1
    chance = np.where(on == 1, pi, 1 - pi).prod(1)
    gram = sum(c * np.outer(m, m) * (X.T @ X) for c, m in zip(chance, on, strict=True))
    best = np.linalg.solve(gram, (chance @ on) * (X.T @ y))
    charge = (X**2).sum(0) * ((1 - pi) / pi if scaled else pi * (1 - pi))
    beta = np.linalg.solve(X.T @ X + np.diag(charge), X.T @ y)
    return Pair(float(beta[0]), float(pi[0] * best[0]), {"π": float(pi[0])})


def _ridge_raw(rng: "np.random.Generator") -> Pair:
    return _ridge(rng, scaled=False)


REDUCTION: Final = Claim(
    id="noise/mean-weights",
    title="In mean weights every mask method is a reweighted ridge",
    statement=r"For independent masks of mean $\pi_j$ and variance $v_j$ the loss in $\beta=\pi\circ w$ is "
    r"$\tfrac12\lVert y-X\beta\rVert^2+\tfrac12\sum_js_j^2(v_j/\pi_j^2)\beta_j^2$, so $\eta_j=\pi_j^2/(s_j^2v_j)$; "
    r"Bernoulli: $\eta_j=\pi_j/((1-\pi_j)s_j^2)$.",
    source=OURS,
    relation="equal",
    parameters={"π": "0 < π < 1", "s": "column norms"},
    derive=proof(_reduced, "x, β, π, v > 0; examples add up to the column norms s_j² = Σ x_ij²"),
    solve=numbers(_ridge, draws=40, control=_ridge_raw, what="The ridge solution in β against π times the minimiser of "
                  "the loss over all unscaled masks; the control charges π(1 − π)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _two_recipes() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    omega, V, (q, t, x) = sp.Function("Omega")(w), sp.Function("V")(w), sp.symbols("q t xi", positive=True)
    noisy = w + sp.sqrt(V) * x
    one = sp.Integer(1)  # ξ = ±1 with equal chances
    through = mean_over((noisy - t) * sp.diff(noisy, w), x, one)
    held = mean_over((noisy - t) * noisy / w, x, one)
    return [
        equal(through, w - t + sp.diff(V, w) / 2, "through the scale the slope is V′/2: V = 2Ω charges Ω",
              r"\mathbb E[(\tilde w-t)\,d\tilde w/dw] = w-t+\tfrac12V',\quad \tilde w = w+\sqrt V\xi"),
        equal(held, w - t + V / w, "with w̃/w held it is V/w: V = wΩ′ charges Ω",
              r"\mathbb E[(\tilde w-t)\,\tilde w/w] = w-t+V/w"),
        equal(sp.Derivative(omega / w**2, w), (w * sp.diff(omega, w) - 2 * omega) / w**3, "they coincide, wΩ′ = 2Ω, "
              "iff Ω/w² is constant", r"(\Omega/w^2)' = (w\Omega'-2\Omega)/w^3"),
        equal(sp.Derivative(2 / q * w**q / 2, w), w**q / w, "V of degree q: detached charges 2/q times V/2",
              r"\frac{d}{dw}\big[\tfrac2q\cdot\tfrac12V\big] = V/w,\quad V = w^q"),
    ]  # fmt: skip


def _slopes(rng: "np.random.Generator", detached: bool = True) -> Pair:
    """Compare fit′ + Ω′ with the mean gradient over the two values of the noise, the factor w̃/w held fixed or not."""
    import numpy as np

    q, p, w, v = (float(rng.uniform(*ends)) for ends in ((0.5, 3), (0.2, 0.9), (0.3, 2), (0.5, 3)))
    xi, chance = switches(1, p)
    factor = 1 + w ** (q / 2 - 1) * xi[:, 0]
    mean = float(chance @ (factor * (factor * w - v)))
    slope = (1 - p) / p * w ** (q - 1) * (1.0 if detached else q / 2)
    return Pair(w - v + slope, float(np.real(mean)), {"q": q, "p": p, "w": w})


def _slopes_through(rng: "np.random.Generator") -> Pair:
    return _slopes(rng, detached=False)


TWO_RECIPES: Final = Claim(
    id="noise/two-recipes",
    title="One noise, two penalties: differentiated V/2, detached with slope V/w",
    statement=r"Noise of variance $V(w)$, $V(0)=0$, imposes $\Omega$ iff $s^2V=2\Omega$ with gradients through its "
    r"scale, and iff $s^2V=w\,\Omega'$ where the relative noise is detached. The recipes coincide iff $\Omega$ is "
    r"quadratic; for degree $q$ detaching multiplies the penalty by $2/q$.",
    source=OURS,
    relation="iff",
    parameters={"V": "V > 0", "q": "q > 0", "s": "column norm"},
    derive=proof(_two_recipes, "one weight, s = 1, target t; w, q > 0; ξ = ±1", seconds=2),
    solve=numbers(_slopes, draws=60, control=_slopes_through, what="fit′ + V/w against the mean detached gradient over "
                  "both values of the noise; the control is the slope V′/2."),
    observe=Absent("trained in the experiment noise-recipe, and under sparseout/released-gradient"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _cumulants() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    c, x, t = sp.symbols("c xi t", positive=True)
    moment = [sp.factor(mean_over(x**k, x, c)) for k in range(5)]
    p = 1 / (1 + c)
    third, fourth = (1 - p) * (1 - 2 * p) / p**2, (1 - p) * (1 - 6 * p + 6 * p**2) / p**3
    return [
        equal(moment[1], 0, "ξ = ρ − 1 is (1 − p)/p with chance p, otherwise −1: E ρ = 1", r"\mathbb E\,\xi = 0"),
        equal(moment[2], (1 - p) / p, "the variance", r"\mathbb E\,\xi^2 = (1-p)/p"),
        equal(moment[3], third, "the third cumulant", r"\kappa_3 = \mathbb E\,\xi^3 = (1-p)(1-2p)/p^2"),
        equal(moment[4] - 3 * moment[2] ** 2, fourth, "the fourth",
              r"\kappa_4 = \mathbb E\,\xi^4-3(\mathbb E\,\xi^2)^2 = (1-p)(1-6p+6p^2)/p^3"),
        equal(third, c * (c - 1), "with c = (1 − p)/p: 0 at p = ½", r"\kappa_3 = c(c-1)"),
        at_least(third.subs(c, 1 + t), 0, "positive for p < ½", r"\kappa_3 > 0\text{ at }c = 1+t,\ t > 0", strict=True),
        at_least(-third.subs(c, 1 / (1 + t)), 0, "negative for p > ½", r"-\kappa_3 > 0\text{ at }c = 1/(1+t),\ t > 0",
                 strict=True),
    ]  # fmt: skip


def _generating(rng: "np.random.Generator", shift: float = 0.0) -> Pair:
    """Compare κ₃ and κ₄ with derivatives of log E exp(tρ) by Cauchy's integral on a circle."""
    import numpy as np

    p, order = float(rng.uniform(0.15, 0.9)), int(rng.integers(1, 5))
    radius = 0.5 * p  # the nearest zero of E exp(tρ) has |t| ≥ πp
    turn = np.exp(2j * np.pi * np.arange(256) / 256)
    values = np.log(p * np.exp(radius * turn / p) + 1 - p)
    found = np.real((values * turn**-order).mean()) / radius**order * (1, 1, 2, 6, 24)[order]
    stated = (0.0, 1.0, (1 - p) / p, (1 - p) * (1 - 2 * p) / p**2, (1 - p) * (1 - 6 * p + 6 * p**2) / p**3)[order]
    return Pair(stated + shift * (order == 4) * 3 * ((1 - p) / p) ** 2, float(found), {"p": p, "order": float(order)})


def _moments(rng: "np.random.Generator") -> Pair:
    return _generating(rng, shift=1.0)


CUMULANTS: Final = Claim(
    id="noise/cumulants",
    title="Cumulants of a scaled mask: the third vanishes only at p = ½",
    statement=r"$\rho=\mathrm{Bern}(p)/p$ has mean 1, variance $(1-p)/p$, $\kappa_3=(1-p)(1-2p)/p^2$ and "
    r"$\kappa_4=(1-p)(1-6p+6p^2)/p^3$; $\kappa_3=0$ iff $p=\tfrac12$.",
    source="elementary; used by the other claims on noise",
    relation="equal",
    parameters={"p": "0 < p < 1"},
    derive=proof(_cumulants, "c = (1 − p)/p > 0"),
    solve=numbers(
        _generating,
        draws=60,
        control=_moments,
        what="The formulas against Cauchy's integral of the log "
        "generating function; the control has the fourth moment for the fourth cumulant.",
    ),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)

CLAIMS: Final = (MASTER, REDUCTION, TWO_RECIPES, CUMULANTS)
