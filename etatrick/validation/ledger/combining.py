"""Claims on combining dualities: a factor, a stretched argument, sums, a ridge beside, the lesser of two."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, about, zoomed
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np


def least_energy(x: float, dual: Any) -> float:
    """Return ½ min over η of x²/η + f(η), on grids in log η that close in.

    Parameters
    ----------
    x : float
        A weight > 0.
    dual : callable
        f, from arrays of scales to arrays.

    Returns
    -------
    float

    Examples
    --------
    >>> round(least_energy(2.0, lambda eta: eta), 9)  # the lasso
    2.0
    """
    import numpy as np

    centre = 2 * float(np.log(x))
    return zoomed(lambda t: (x**2 * np.exp(-t) + dual(np.exp(t))) / 2, centre - 24, centre + 24, rounds=7)


def log_sum_dual(eta: Any) -> Any:
    """Return f of log(1 + w): 2log((S+1)/2) − (S−1)/(S+1) with S = √(1+4η).

    Parameters
    ----------
    eta : ndarray
        Scales ≥ 0.

    Examples
    --------
    >>> import numpy as np
    >>> log_sum_dual(np.array([0.0, 2.0])).round(6).tolist()
    [0.0, 0.886294]
    """
    import numpy as np

    s = np.sqrt(1 + 4 * eta)
    return 2 * np.log((s + 1) / 2) - (s - 1) / (s + 1)


def _scaling() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.theory.calculus import scaled, stretched
    from etatrick.validation.routes.facts import equal, identities

    c, s, z = sp.symbols("c s zeta", positive=True)
    f = sp.Function("f")
    tripled, doubled = scaled(derive(penalty="log(1 + w)"), 3), stretched(derive(penalty="1 - exp(-w)"), 2)
    return [
        equal((w**2 / (z / c) + c * f(z)), c * (w**2 / z + f(z)), "cΩ: at η = ζ/c the energy is c times the old one",
              r"w^2/\eta + c f(c\eta) = c\,[w^2/\zeta + f(\zeta)],\quad \zeta = c\eta"),
        equal(w**2 / (s**2 * z) + f(z), (w / s) ** 2 / z + f(z), "Ω(w/s): at η = s²ζ it is the old one at w/s",
              r"w^2/\eta + f(\eta/s^2) = (w/s)^2/\zeta + f(\zeta),\quad \zeta = \eta/s^2"),
        equal(tripled.eta_hat, w * (1 + w) / 3, "c = 3: a third of log-sum's rule",
              r"\hat\eta(w) = \tfrac13\,w(1+w),\quad \Omega = 3\log(1+w)"),
        *about("3·log(1 + w)", identities(tripled)),
        equal(doubled.eta_hat, 4 * (w / 2) * sp.exp(w / 2), "s = 2: four times the rule xe^x at x = w/2",
              r"\hat\eta(w) = 2^2\,\tfrac w2\,e^{w/2},\quad \Omega = 1-e^{-w/2}"),
        *about("1 − e^(−w/2)", identities(doubled)),
    ]  # fmt: skip


def _rescaled(rng: "np.random.Generator") -> Pair:
    import numpy as np

    c, s, x = (float(10 ** rng.uniform(-0.7, 0.7)) for _ in range(3))
    found = least_energy(x, lambda eta: c * log_sum_dual(c * eta / s**2))
    return Pair(c * float(np.log1p(x / s)), found, {"c": c, "s": s, "w": x})


SCALING: Final = Claim(
    id="eta-trick/scaling",
    title="Scaling a penalty, or its argument",
    statement=r"$c\,\Omega(w)$ has $\hat\eta/c$ and $c f(c\eta)$; $\Omega(w/s)$ has $s^2\hat\eta(w/s)$ and "
    r"$f(\eta/s^2)$.",
    source=OURS,
    relation="equal",
    parameters={"c": "> 0", "s": "> 0"},
    derive=proof(_scaling, "c, s, w, η > 0", seconds=2),
    solve=numbers(_rescaled, draws=40, what="c·log(1 + w/s) against half the minimum over η of w²/η + "
                  "c f(cη/s²), f the dual of log(1 + w)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _sums() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.theory.calculus import added
    from etatrick.validation.routes.facts import conditions, equal

    first, second = sp.Function("Omega1")(w), sp.Function("Omega2")(w)
    slopes = [sp.diff(part, w) for part in (first, second)]
    both = added(derive(penalty="w"), derive(penalty="log(1 + w)"))
    one, two = sp.symbols("rho1 rho2", positive=True)
    energies = [w**2 * rho + sp.Function(f"f{k}")(1 / rho) for k, rho in ((1, one), (2, two))]
    return [
        equal(sp.diff(first + second, w) / w, slopes[0] / w + slopes[1] / w, "precisions add",
              r"1/\hat\eta = 1/\hat\eta_1 + 1/\hat\eta_2"),
        equal(w**2 * (one + two) + sp.Function("f1")(1 / one) + sp.Function("f2")(1 / two), sum(energies),
              "with ρ = ρ₁ + ρ₂ the energy splits, so its minimum over both is 2Ω₁ + 2Ω₂",
              r"w^2(\rho_1+\rho_2) + f_1(\tfrac1{\rho_1}) + f_2(\tfrac1{\rho_2})"
              r" = \sum_k\left[w^2\rho_k + f_k(\tfrac1{\rho_k})\right]"),
        equal(both.eta_hat, 1 / (1 / w + 1 / (w * (w + 1))), "ℓ1 and log-sum: the rule that is derived",
              r"1/\hat\eta = \frac1w + \frac1{w(w+1)}"),
        *about("ℓ1 and log-sum", conditions(both, "subquadratic", "exact_zeros", of=r"\Omega = w + \log(1+w)")),
    ]  # fmt: skip


def _split(rng: "np.random.Generator") -> Pair:
    """Compare w + log(1 + w) with the minimum over precisions ρ₁ + ρ₂ and the two duals, in two variables."""
    import numpy as np

    x = float(10 ** rng.uniform(-1, 1))
    first = np.exp(np.linspace(-12, 12, 1201))[:, None]  # scales of ℓ1, f = η
    second = np.exp(np.linspace(-12, 12, 1201))[None, :]
    for _ in range(3):
        energy = (x**2 * (1 / first + 1 / second) + first + log_sum_dual(second)) / 2
        i, j = np.unravel_index(int(energy.argmin()), energy.shape)
        (a, b), (c, e) = (np.log(g.ravel()[[max(int(k) - 2, 0), min(int(k) + 2, g.size - 1)]])
                          for g, k in ((first, i), (second, j)))  # fmt: skip
        first, second = np.exp(np.linspace(a, b, 201))[:, None], np.exp(np.linspace(c, e, 201))[None, :]
    return Pair(x + float(np.log1p(x)), float(energy.min()), {"w": x})


SUMS: Final = Claim(
    id="eta-trick/sums",
    title="Penalties that are added add their precisions",
    statement=r"$\Omega_1+\Omega_2$ has $1/\hat\eta=1/\hat\eta_1+1/\hat\eta_2$, and "
    r"$f(1/\rho)=\min_{\rho_1+\rho_2=\rho}[f_1(1/\rho_1)+f_2(1/\rho_2)]$.",
    source=OURS,
    relation="equal",
    parameters={"Ω₁, Ω₂": "subquadratic"},
    derive=proof(_sums, "w > 0", seconds=2),
    solve=numbers(_split, draws=6, tolerance="SOLVER", seconds=2,
                  what="w + log(1 + w) against the minimum over both scales on grids that close in."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _ridge() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, eta, lam, w
    from etatrick.theory.calculus import with_ridge
    from etatrick.validation.routes.facts import at_least, equal, identities

    mu, z = sp.symbols("mu zeta", positive=True)
    f = sp.Function("f")
    scale = z / (1 + mu * z)
    mixed = with_ridge(derive(penalty="w"), mu)
    return [
        equal(sp.Subs(eta / (1 - mu * eta), eta, scale), z, "η = ζ/(1 + μζ) < 1/μ runs through the domain"),
        equal(w**2 / scale + f(z), mu * w**2 + w**2 / z + f(z), "the energy gains μw²",
              r"w^2/\eta + f\left(\tfrac{\eta}{1-\mu\eta}\right) = \mu w^2 + w^2/\zeta + f(\zeta)"),
        equal(mixed.dual.args[0][0], eta / (1 - mu * eta), "elastic net, w + μw²/2: the dual that is derived",
              r"f(\eta) = \frac{\eta}{1-\mu\eta},\quad \eta < 1/\mu"),
        equal(mixed.eta_hat, w / (1 + mu * w), "its rule", r"\hat\eta(w) = \frac{w}{1+\mu w}"),
        at_least(1 / (1 + lam * mu), mixed.alpha, "its retain probability stays below 1/(1 + λμ)", strict=True),
        *about("elastic net", identities(mixed)),
    ]  # fmt: skip


def _elastic(rng: "np.random.Generator") -> Pair:
    import numpy as np

    mu, x = float(rng.uniform(0.1, 2)), float(10 ** rng.uniform(-1, 1))

    def dual(eta: Any) -> Any:
        inside = eta < 1 / mu
        return np.where(inside, log_sum_dual(np.where(inside, eta / np.where(inside, 1 - mu * eta, 1.0), 1.0)), np.inf)

    return Pair(float(np.log1p(x)) + mu * x * x / 2, least_energy(x, dual), {"μ": mu, "w": x})


RIDGE: Final = Claim(
    id="eta-trick/adding-ridge",
    title="Mixing in a ridge bounds the scales",
    statement=r"$\Omega(w)+\mu w^2/2$ has the dual $f(\eta/(1-\mu\eta))$ for $\eta<1/\mu$ and $+\infty$ beyond: the "
    r"retain probability $\hat\eta/(\hat\eta+\lambda)$ stays below $1/(1+\lambda\mu)$.",
    source=OURS,
    relation="equal",
    parameters={"μ": "> 0"},
    derive=proof(_ridge, "w, η, μ > 0, μη < 1", seconds=3),
    solve=numbers(_elastic, draws=40, what="log(1 + w) + μw²/2 against the minimum over η < 1/μ."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _minima() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, eta, w
    from etatrick.theory.calculus import least
    from etatrick.validation.routes.facts import conditions, equal

    lesser = least(derive(penalty="w"), derive(penalty="w**2/2"))
    (near, edge), (far, _) = lesser.eta_hat.args
    first, second = sp.symbols("f1 f2", positive=True)
    both = (w**2 / eta + first, w**2 / eta + second)
    return [
        equal(w**2 / eta + sp.Min(first, second).rewrite(sp.Abs), (sum(both) - sp.Abs(both[0] - both[1])) / 2,
              "the lesser energy, so the minimum over η is the lesser of both minima",
              r"w^2/\eta + \min(f_1,f_2) = \min(w^2/\eta+f_1,\,w^2/\eta+f_2)"),
        equal(w - w**2 / 2, w * (2 - w) / 2, "ridge is less than ℓ1 up to w = 2"),
        equal(edge.rhs, 2, "the weight where the rule derived for min(w, w²/2) changes", r"w_\times = 2"),
        equal(near, 1, "the rule below it", r"\hat\eta(w) = 1,\quad w \le w_\times"),
        equal(far, w, "and above it, after a jump from 1 to 2", r"\hat\eta(w) = w,\quad w > w_\times"),
        *conditions(lesser, "monotone", "subquadratic", of=r"\min(w, w^2/2)"),
        *conditions(lesser, "continuous_prox", of=r"\min(w, w^2/2)", wanted="fails"),
    ]  # fmt: skip


def _lesser(rng: "np.random.Generator") -> Pair:
    import numpy as np

    k, delta, x = (float(10 ** rng.uniform(-0.5, 0.5)) for _ in range(3))  # ℓ1 of slope k and ridge of scale δ

    def dual(eta: Any) -> Any:
        return np.minimum(k * k * eta, np.where(eta <= delta, 0.0, np.inf))

    found = min(least_energy(x, dual), x * x / (2 * delta))  # the edge η = δ is a point of its own
    return Pair(min(k * x, x * x / (2 * delta)), found, {"k": k, "δ": delta, "w": x})


MINIMA: Final = Claim(
    id="eta-trick/minima",
    title="The lesser of two penalties has the lesser of the two duals",
    statement=r"$\min(\Omega_1,\Omega_2)=\tfrac12\min_\eta[w^2/\eta+\min(f_1,f_2)(\eta)]$ and is subquadratic; "
    r"$\hat\eta$ jumps up at a crossing.",
    source=OURS,
    relation="equal",
    parameters={"Ω₁, Ω₂": "subquadratic", "f₁, f₂": "their duals"},
    derive=proof(_minima, "w > 0", seconds=2),
    solve=numbers(_lesser, draws=60, what="min(kw, w²/2δ) against half the minimum over η of w²/η plus "
                  "the lesser of k²η and the ridge's dual, 0 up to δ."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (SCALING, SUMS, RIDGE, MINIMA)
