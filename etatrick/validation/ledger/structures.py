"""Claims beyond one weight: rules of several weights, groups, matrices, sparse Bayesian learning, scale mixtures."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.combining import least_energy, log_sum_dual
from etatrick.validation.ledger.recipes_noise import mean_over
from etatrick.validation.ledger.theorems import FORMAL, OURS, SOURCE
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def _field(second: str) -> list[Fact]:
    import sympy as sp

    from etatrick.theory.vector import coordinatewise_monotone, gradient_field

    u, v = sp.symbols("u1 u2", positive=True)
    rules = [1 + u + v, 1 + v if second == "skew" else 1 + u + v]
    shown = rf"\eta_1={sp.latex(rules[0])},\ \eta_2={sp.latex(rules[1])}"
    return [Fact(shown, "nondecreasing in every weight", coordinatewise_monotone(rules, [u, v])),
            Fact(shown, "1/η is the gradient of some 2Ω", gradient_field(rules, [u, v]))]  # fmt: skip


def _skew_field() -> list[Fact]:
    return _field("skew")


def _even_field() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    u, v = sp.symbols("u1 u2", positive=True)
    steps = ((u, "1/η₁, the slope of 2Ω = log(1 + u₁ + u₂), which is concave"), (v, "and 1/η₂"))
    return [*_field("even"), *(equal(sp.Derivative(sp.log(1 + u + v), x), 1 / (1 + u + v), s) for x, s in steps)]


def _two_paths(rng: "np.random.Generator", even: bool = False) -> Pair:
    """Compare ∫Σ du_j/η_j along both ways around a rectangle, by quadrature."""
    from scipy.integrate import quad

    a, b = float(rng.uniform(0.5, 3)), float(rng.uniform(0.5, 3))

    def first(u: float, v: float) -> float:
        return 1 / (1 + u + v)

    def second(u: float, v: float) -> float:
        return 1 / (1 + (u if even else 0) + v)

    one = quad(lambda u: first(u, 0), 0, a)[0] + quad(lambda v: second(a, v), 0, b)[0]
    other = quad(lambda v: second(0, v), 0, b)[0] + quad(lambda u: first(u, b), 0, a)[0]
    return Pair(one, other, {"u₁": a, "u₂": b})


def _equal_paths(rng: "np.random.Generator") -> Pair:
    return _two_paths(rng, even=True)


VECTOR: Final = Claim(
    id="eta-trick/monotone-in-several-weights",
    title="In several weights monotone adaptivity is not enough",
    statement=r"A rule whose scales $\eta_j(w)$ are nondecreasing in every $|w_i|$ has an effective penalty.",
    source=f"{SOURCE}, monotone adaptive dropout, read beyond separable rules",
    relation="refuted",
    parameters={"u": "w∘w, the squared weights"},
    corrected=r"$u\mapsto1/\eta(u)$ must be the gradient of a concave $2\Omega(\sqrt u)$. The rule "
    r"$\eta=(1+u_1+u_2,\,1+u_2)$ is monotone, yet $2\Omega$ would have two values at one point; "
    r"$(1+u_1+u_2,\,1+u_1+u_2)$ has $2\Omega=\log(1+u_1+u_2)$.",
    derive=refutation(_skew_field, _even_field, "u₁, u₂ > 0"),
    solve=mismatch(_two_paths, _equal_paths, draws=40, what="∫Σ du/η along both ways around a rectangle."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _groups() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.theory.vector import Groups
    from etatrick.validation.routes.facts import conditions, equal

    a, b, tau, alpha, x, z, y, c, noise = sp.symbols("a b tau alpha x z y c xi", positive=True)
    norm = sp.sqrt(a**2 + b**2)
    omega = sp.Function("Omega")
    slope = sp.Subs(sp.Derivative(omega(w), w), w, norm)
    fit = x * a + z * b  # one example and a group of two weights a and b
    lasso = Groups(derive(penalty="w"), ((0, 1), (2,)))
    return [
        equal(sp.Derivative(omega(norm), a), a * slope / norm, "w_g = (a, b): the slope in a weight is a/η̂(‖w_g‖)",
              r"\frac{\partial}{\partial a}\Omega(\lVert w_g\rVert) = a\,\Omega'(\lVert w_g\rVert)/\lVert w_g\rVert"),
        equal(sp.Derivative(tau * norm, a), sp.Subs(a * (1 - alpha) / alpha, alpha, norm / (norm + tau)),
              "group lasso: the slope that masks at α = ‖w_g‖/(‖w_g‖ + τ) impose"),
        equal(mean_over((y - fit * (1 + noise)) ** 2 / 2, noise, c), (y - fit) ** 2 / 2 + c * fit**2 / 2,
              "one mask 1 + ξ for the group, c = (1 − α)/α: examples add up to ½c‖X_g w_g‖² = ½c‖w_g‖² if X_gᵀX_g = I",
              r"\mathbb E\tfrac12(y-x^\top w_g(1+\xi))^2 = \tfrac12(y-x^\top w_g)^2+\tfrac c2(x^\top w_g)^2"),
        *conditions(lasso, "subquadratic", "convex", "exact_zeros", of=r"\textstyle\sum_g\lVert w_g\rVert"),
    ]  # fmt: skip


def _shared_scale(rng: "np.random.Generator", shared: bool = True) -> Pair:
    import numpy as np

    from etatrick.theory import derive
    from etatrick.theory.vector import Groups

    weights = rng.standard_normal(5) * 10 ** rng.uniform(-0.5, 0.5)
    groups = ((0, 3), (1, 2, 4))
    stated = Groups(derive(penalty="log(1 + w)"), groups).penalty_at(weights)
    sizes = [float(np.linalg.norm(weights[list(g)])) for g in groups] if shared else [float(abs(x)) for x in weights]
    found = sum(least_energy(size, log_sum_dual) for size in sizes)
    return Pair(float(stated), found, {"‖w‖": float(np.linalg.norm(weights))})


def _own_scales(rng: "np.random.Generator") -> Pair:
    return _shared_scale(rng, shared=False)


GROUPS: Final = Claim(
    id="eta-trick/groups",
    title="A gate shared by a group imposes the penalty of its norm",
    statement=r"One scale per group, charged $f(\eta_g)$, imposes $\sum_g\Omega(\lVert w_g\rVert)$ with "
    r"$\hat\eta_g=\lVert w_g\rVert/\Omega'(\lVert w_g\rVert)$; group lasso is $\alpha_g=\lVert w_g\rVert/(\lVert "
    r"w_g\rVert+\tau)$. It is the dropout penalty where $X_g^{\top}X_g=I$.",
    source="Yuan, Lin 2006 (group lasso); the rule " + OURS,
    relation="equal",
    parameters={"τ": "τ > 0"},
    derive=proof(_groups, "a group of two weights a, b > 0; τ, c > 0; the conditions for any groups", seconds=2),
    solve=numbers(_shared_scale, draws=30, control=_own_scales, what="Σ log(1 + ‖w_g‖) against the minimum over one "
                  "scale per group; the control has one scale per weight."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _matrices() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive
    from etatrick.theory.vector import Spectral
    from etatrick.validation.routes.facts import at_least, conditions, equal

    # the 2 × 2 case: σ² = s + r and s, eigenvalues p and p + q of M⁻¹, turned by an angle of tangent k
    s, r, p, q, k = sp.symbols("s r p q k", positive=True)
    turn = sp.Matrix([[1, -k], [k, 1]]) / sp.sqrt(1 + k**2)
    energy = (turn * sp.diag(p, p + q) * turn.T * sp.diag(s + r, s)).trace()
    excess = r * q * k**2 / (1 + k**2)
    return [
        equal(energy - (s + r) * p - s * (p + q), excess, "M of eigenvalues 1/ρ, turned by θ from W's singular basis",
              r"\mathrm{tr}\,W^{\top}M^{-1}W-\sigma_1^2\rho_1-\sigma_2^2\rho_2 = "
              r"(\sigma_1^2-\sigma_2^2)(\rho_2-\rho_1)\sin^2\theta"),
        at_least(excess, 0, "so opposite order of M⁻¹ and WWᵀ is best (von Neumann), and Ω(σ) is left for each σ",
                 r"(\sigma_1^2-\sigma_2^2)(\rho_2-\rho_1)\sin^2\theta \ge 0,\quad "
                 r"\sigma_1\ge\sigma_2,\ \rho_1\le\rho_2"),
        *conditions(Spectral(derive(penalty="w")), "subquadratic", "convex", "exact_zeros", of=r"\lVert W\rVert_*"),
        *conditions(Spectral(derive(penalty="log(1 + w)")), "subquadratic", "exact_zeros",
                    of=r"\textstyle\sum_i\log(1+\sigma_i(W))"),
    ]  # fmt: skip


def _perturbed(rng: "np.random.Generator", aligned: bool = True) -> Pair:
    """Compare the nuclear norm with the least of ½[tr WᵀM⁻¹W + tr M] over M̂ and 50 random M, most near M̂."""
    import numpy as np

    W = rng.standard_normal((3, 4))
    basis, values, _ = np.linalg.svd(W, full_matrices=False)
    basis, energies = basis if aligned else np.eye(3), []
    for size in (0.0, *10 ** rng.uniform(-4, 0, 50)):
        root = rng.standard_normal((3, 3))
        M = (basis * values) @ basis.T + size * root @ np.diag(rng.choice([1.0, -0.1], 3)) @ root.T
        if np.linalg.eigvalsh(M).min() > 0:
            energies.append(float(np.trace(W.T @ np.linalg.solve(M, W)) + np.trace(M)) / 2)
    return Pair(float(values.sum()), min(energies), {"largest energy": max(energies)})


def _turned(rng: "np.random.Generator") -> Pair:
    return _perturbed(rng, aligned=False)


MATRICES: Final = Claim(
    id="eta-trick/matrices",
    title="Penalties of singular values are η-tricks over positive definite matrices",
    statement=r"$\sum_i\Omega(\sigma_i(W))=\tfrac12\min_{M\succ0}[\mathrm{tr}\,W^{\top}M^{-1}W+\mathrm{tr}\,f(M)]$ "
    r"with $\hat M=U\hat\eta(\Sigma)U^{\top}$; the nuclear norm has $f=\mathrm{id}$.",
    source="Fazel, Hindi, Boyd 2001 (nuclear norm); Mirsky, von Neumann (trace inequality)",
    relation="equal",
    parameters={"W": "a real matrix", "M": "positive definite"},
    derive=proof(_matrices, "2 × 2 for the rotation; the conditions for any size", seconds=2),
    solve=numbers(_perturbed, draws=40, control=_turned, what="The nuclear norm against the least energy over M̂ and 50 "
                  "random M; the control takes the unit vectors for the singular vectors."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _evidence() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    x, z, y, a, b, tau = sp.symbols("x z y a b tau", positive=True)  # one example, two weights with scales a and b
    u, v = sp.symbols("u v", positive=True)
    energy = ((y - x * u - z * v) ** 2 + tau * (u**2 / a + v**2 / b)) / tau
    whole = tau + a * x**2 + b * z**2
    best = (a * x * y / whole, b * z * y / whole)
    shown = (r"\frac{\partial}{\partial w_%d}\tfrac1\tau[(y-x^\top w)^2+\tau\textstyle\sum_iw_i^2/\eta_i] = 0"
             r"\quad\text{at }w_j = \eta_jx_jy/(\tau+\sum_i\eta_ix_i^2)")  # fmt: skip
    return [
        *(equal(sp.Subs(sp.Derivative(energy, weight), (u, v), best), 0, "the ridge solution is stationary", shown % k)
          for k, weight in ((1, u), (2, v))),
        equal(sp.Subs(energy, (u, v), best), y**2 / whole, "there the energy is yᵀ(τI + XηXᵀ)⁻¹y",
              r"\tfrac1\tau\min_w[\lVert y-Xw\rVert^2+\tau\textstyle\sum w^2/\eta]"
              r" = y^{\top}(\tau I+X\eta X^{\top})^{-1}y"),
    ]  # fmt: skip


def _likelihood(rng: "np.random.Generator", strength: float = 0.0) -> Pair:
    import numpy as np

    X, y, tau = rng.standard_normal((5, 8)), rng.standard_normal(5), float(10 ** rng.uniform(-1, 1))
    eta = 10 ** rng.uniform(-1, 1, 8)
    best = np.linalg.solve(X.T @ X + (strength or tau) * np.diag(1 / eta), X.T @ y)
    least = (((y - X @ best) ** 2).sum() + tau * (best**2 / eta).sum()) / tau
    return Pair(float(y @ np.linalg.solve(tau * np.eye(5) + (X * eta) @ X.T, y)), float(least), {"τ": tau})


def _at_one(rng: "np.random.Generator") -> Pair:
    return _likelihood(rng, strength=1.0)


SPARSE_BAYES: Final = Claim(
    id="eta-trick/sparse-bayes",
    title="Type-II maximum likelihood is an η-trick with λ = τ",
    statement=r"$y^{\top}(\tau I+X\eta X^{\top})^{-1}y=\tfrac1\tau\min_w[\lVert y-Xw\rVert^2+\tau\sum_jw_j^2/\eta_j]$: "
    r"sparse Bayesian learning minimises $\tfrac12\lVert y-Xw\rVert^2+\tau\Omega(w)$ with "
    r"$f(\eta)=\log\det(\tau I+X\eta X^{\top})$.",
    source=f"Wipf, Nagarajan 2008; used in the code of {SOURCE}",
    relation="equal",
    parameters={"τ": "τ > 0, the noise variance", "η": "η > 0, prior variances"},
    derive=proof(_evidence, "one example and two weights; x, z, y, η, τ > 0", seconds=2),
    solve=numbers(_likelihood, draws=60, control=_at_one, what="The quadratic form of the evidence against the ridge "
                  "problem, 5 × 8; the control takes the weights of λ = 1."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _mixture() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal

    a, b, p, q, u = sp.symbols("a b p q u", positive=True)  # precisions and masses (times √precision) of two scales
    first, second = p * sp.exp(-a * u / 2), q * sp.exp(-b * u / 2)
    total = first + second
    mean = (a * first + b * second) / total
    spread = (a - b) ** 2 * first * second / total**2
    penalty = -sp.log(total.subs(u, w**2))
    return [
        equal(sp.simplify(sp.diff(penalty, w) / w), mean.subs(u, w**2), "1/η̂ is the posterior mean of the precision",
              r"\Omega'(w)/w = \mathbb E[1/\eta\mid w]"),
        equal(sp.simplify(sp.diff(mean, u) + spread / 2), 0, "which falls at the rate of half its variance",
              r"\frac{d}{du}\mathbb E[1/\eta\mid w] = -\tfrac12\mathrm{Var}[1/\eta\mid w],\ u=w^2"),
        at_least(spread, 0, "so every mixture is subquadratic", r"\mathrm{Var}[1/\eta\mid w] \ge 0"),
    ]  # fmt: skip


def _student(rng: "np.random.Generator", degrees: float = 1.0) -> Pair:
    from etatrick.theory.vector import InverseGamma, ScaleMixture

    shape, scale, x = (float(10 ** rng.uniform(-0.4, 0.6)) for _ in range(3))
    found = ScaleMixture(InverseGamma(shape, scale)).eta_hat_at([x])
    return Pair((x * x + 2 * scale) / (2 * shape + degrees), float(found[0]), {"shape": shape, "scale": scale, "w": x})


def _prior_only(rng: "np.random.Generator") -> Pair:
    return _student(rng, degrees=0.0)


MIXTURES: Final = Claim(
    id="eta-trick/scale-mixtures",
    title="Every Gaussian scale mixture is subquadratic",
    statement=r"$\Omega(w)=-\log\int\mathcal N(w;0,\eta)\,p(\eta)\,d\eta$ has $1/\hat\eta(w)=\mathbb E[1/\eta\mid w]$, "
    r"whose derivative in $u=w^2$ is $-\tfrac12\mathrm{Var}[1/\eta\mid w]$; reweighting is the EM algorithm.",
    source="Andrews, Mallows 1974; the derivative " + OURS,
    relation="equal",
    parameters={"p": "a density on η > 0; two atoms in the proof"},
    derive=proof(_mixture, "mixtures of two scales; w, precisions and masses > 0", seconds=2),
    solve=numbers(_student, draws=25, control=_prior_only, seconds=2, what="Student's t, shape a and scale b: "
                  "(w² + 2b)/(2a + 1) against quadrature over the inverse gamma; the control has 2a for 2a + 1."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (VECTOR, GROUPS, MATRICES, SPARSE_BAYES, MIXTURES)
