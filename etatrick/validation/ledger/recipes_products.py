"""Claims on penalties of products of weights: scale freedom in PENNI, path rescaling, reweighting, few knots."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

PENNI: Final = "Li et al. 2020, PENNI"
INTERPOLANTS: Final = "Nakhleh, Nowak 2025, sparsest ReLU interpolants"


def _freedom() -> tuple[Any, Any, Any, Any, Any]:
    """Return the charge of a scale k, its best scale and value, and the symbols a = λ‖c‖₁, b = μ‖B‖²."""
    import sympy as sp

    a, b, k = sp.symbols("a b k", positive=True)
    third = sp.Rational(1, 3)
    return a * k + b / (2 * k**2), (b / a) ** third, 3 * a ** (2 * third) * b**third / 2, a, k


def _said_lasso() -> list[Fact]:
    from etatrick.validation.routes.facts import equal

    _, _, value, a, _ = _freedom()
    return [equal(value.subs(a, 8 * a), 8 * value, "a = λ‖c‖₁, b = μ‖B‖²: coefficients 8 times as large cost 8 times "
                  "as much, as with ℓ1", r"\tfrac32(8a)^{2/3}b^{1/3} = 8\cdot\tfrac32a^{2/3}b^{1/3}")]  # fmt: skip


def _truly_two_thirds() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    charge, best, value, a, k = _freedom()
    return [
        equal(sp.Subs(sp.Derivative(charge, k), k, best), 0, "a = λ‖c‖₁, b = μ‖B‖²: the cost is stationary",
              r"\frac{d}{dk}\big[ak+\tfrac b{2k^2}\big] = 0\text{ at }k^3 = b/a"),
        at_least(sp.diff(charge, k, 2), 0, "the cost is convex in k: it is the best scale", strict=True,
                 latex=r"\frac{d^2}{dk^2}\big[ak+\tfrac b{2k^2}\big] = 3b/k^4 > 0"),
        equal(sp.Subs(charge, k, best), value, "and costs",
              r"\min_k[\lambda k\lVert c\rVert_1+\tfrac\mu{2k^2}\lVert B\rVert^2] = "
              r"\tfrac32(\lambda\lVert c\rVert_1)^{2/3}(\mu\lVert B\rVert^2)^{1/3}"),
        equal(value.subs(a, 8 * a), 4 * value, "degree 2/3 in the coefficients: 8 times as large cost 4 times as much",
              r"\tfrac32(8a)^{2/3}b^{1/3} = 4\cdot\tfrac32a^{2/3}b^{1/3}"),
    ]  # fmt: skip


def _rescaled(rng: "np.random.Generator", lasso: bool = True) -> Pair:
    """Compare the cost of coefficients t times as large with the least cost over scales, relative to t = 1."""
    import numpy as np

    a, b, t = (float(10 ** rng.uniform(-0.5, 0.5)) for _ in range(3))

    def least(a: float) -> float:
        return zoomed(lambda z: a * np.exp(z) + b / (2 * np.exp(2 * z)), -5, 5, rounds=6)

    return Pair(t if lasso else t ** (2 / 3), least(t * a) / least(a), {"λ‖c‖": a, "μ‖B‖²": b, "t": t})


def _rescaled_right(rng: "np.random.Generator") -> Pair:
    return _rescaled(rng, lasso=False)


SCALES: Final = Claim(
    id="penalties/penni-scale-freedom",
    title="ℓ1 on coefficients with weight decay on their bases is a penalty of degree 2/3",
    statement=r"In $W=\sum_bc_bB_b$ the penalty $\lambda\lVert c\rVert_1+\tfrac\mu2\lVert B\rVert^2$ acts on the "
    r"coefficients as the lasso.",
    source=f"{PENNI}, retraining with ℓ1 on coefficients and weight decay on all weights",
    relation="corrected",
    parameters={"λ": "λ > 0", "μ": "μ > 0"},
    corrected=r"Under $(c,B)\to(kc,B/k)$ the layer does not change, and the least cost over $k$ is "
    r"$\tfrac32(\lambda\lVert c\rVert_1)^{2/3}(\mu\lVert B\rVert^2)^{1/3}$: not convex. With bases of norm 1 it is ℓ1.",
    derive=refutation(_said_lasso, _truly_two_thirds, "λ‖c‖₁, μ‖B‖², k > 0"),
    solve=mismatch(_rescaled, _rescaled_right, draws=40, what="By what factor coefficients t times as large cost more, "
                   "by a search over scales: t as stated, t^(2/3) as corrected."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _paths() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    v, u, k, p = sp.symbols("v w k p", positive=True)
    charge = ((v * k) ** (2 * p) + (u / k) ** (2 * p)) / 2
    return [
        equal(charge - (v * u) ** p, ((v * k) ** p - (u / k) ** p) ** 2 / 2, "the gap is a square, 0 where both agree",
              r"\tfrac12(|kv|^{2p}+|w/k|^{2p}) = |vw|^p+\tfrac12(|kv|^p-|w/k|^p)^2"),
        equal(sp.Subs(charge, k, sp.sqrt(u / v)), (v * u) ** p, "where |kv| = |w/k|"),
    ]  # fmt: skip


def _balanced(rng: "np.random.Generator", degree: float = 1.0) -> Pair:
    import numpy as np

    v, w, p = (float(rng.uniform(*ends)) for ends in ((0.2, 3), (0.2, 3), (0.2, 1)))
    found = zoomed(lambda z: ((v * np.exp(z)) ** (2 * p) + (w * np.exp(-z)) ** (2 * p)) / 2, -4, 4, rounds=6)
    return Pair((v * w) ** (degree * p), found, {"v": v, "w": w, "p": p})


def _balanced_wrong(rng: "np.random.Generator") -> Pair:
    return _balanced(rng, degree=2.0)


PATHS: Final = Claim(
    id="paths/rescaling",
    title="A ridge-like penalty on both layers is an ℓp penalty on path products",
    statement=r"$\min_{k>0}\tfrac12(|kv|^{2p}+|w/k|^{2p})=|vw|^p$, at balanced weights.",
    source=f"{INTERPOLANTS}; for p = 1 Neyshabur, Tomioka, Srebro 2015",
    relation="equal",
    parameters={"p": "p > 0"},
    derive=proof(_paths, "v, w, k, p > 0"),
    solve=numbers(_balanced, draws=60, control=_balanced_wrong, what="|vw|^p against the least value over scales on "
                  "ever finer grids; the control is |vw|^(2p)."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _majorised() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    x, y, p = sp.symbols("x y p", positive=True)
    gap = p * y ** (p - 1) * x + (1 - p) * y**p - x**p
    return [
        equal(sp.Subs(gap, x, y), 0, "the bound touches x^p at y"),
        equal(sp.Subs(sp.Derivative(gap, x), x, y), 0, "with one slope"),
        equal(sp.Derivative(gap, x, 2), p * (1 - p) * x ** (p - 2), "the gap is convex for p ≤ 1: it is ≥ 0 everywhere",
              r"g''(x) = p(1-p)\,x^{p-2},\quad g = p\,y^{p-1}x+(1-p)\,y^p-x^p"),
    ]  # fmt: skip


def _bound(rng: "np.random.Generator", concave: bool = True) -> Pair:
    x, y = (float(10 ** rng.uniform(-2, 1)) for _ in range(2))
    p = float(rng.uniform(0.1, 1) if concave else rng.uniform(1.2, 2))
    return Pair(p * y ** (p - 1) * x + (1 - p) * y**p, x**p, {"x": x, "y": y, "p": p})


def _bound_convex(rng: "np.random.Generator") -> Pair:
    return _bound(rng, concave=False)


MAJORISER: Final = Claim(
    id="paths/reweighted-majoriser",
    title="Reweighted ℓ1 on path products majorises the ℓp penalty",
    statement=r"$|x|^p\le p|y|^{p-1}|x|+(1-p)|y|^p$ for $0<p\le1$, with equality at $|x|=|y|$: reweighted $\ell_1$ "
    r"with weights $p|vw|^{p-1}$ never increases the penalty.",
    source=f"{INTERPOLANTS}, the algorithm",
    relation="upper",
    parameters={"p": "0 < p ≤ 1", "y": "y ≠ 0"},
    derive=proof(_majorised, "x, y, p > 0; the sign of g″ is that of 1 − p"),
    solve=numbers(_bound, draws=200, relation="upper", control=_bound_convex, what="The bound against |x|^p; the "
                  "control has 1.2 < p < 2."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _knots(rng: "np.random.Generator", knots: int = 1) -> Pair:
    """Compare |s₃ − s₁|^p with the least Σ|slope change|^p over interpolants of four points in convex position."""
    import numpy as np

    p = float(rng.uniform(0.2, 0.9))
    a, b = (float(k) for k in rng.uniform(0.3, 2, 2))  # slopes s₁ = 0, s₂ = a, s₃ = a + b
    first = np.unique(np.concatenate([np.linspace(-1, a + b + 1, 300), [0.0, a]]))[:, None]
    share = np.unique(np.concatenate([np.linspace(0.01, 0.99, 198), [b / (a + b)]]))[None, :]
    last = (a - share * first) / (1 - share)  # the slope after the knot between the middle points: mean slope a
    cost = np.abs(first) ** p + np.abs(last - first) ** p + np.abs(a + b - last) ** p
    cost = np.where(np.abs(last - a - b) < 1e-9, np.abs(first) ** p + np.abs(last - first) ** p, cost)
    return Pair((a + b) ** p if knots == 1 else a**p + b**p, float(cost.min()), {"p": p, "a": a, "b": b})


def _two_knots(rng: "np.random.Generator") -> Pair:
    return _knots(rng, knots=2)


def _subadditive() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    u, v, p, x, a, b, d, t = sp.symbols("u v p x a b d t", positive=True)
    before, after = a - (1 - t) * d, a + t * d  # slopes around a knot of size d at the share t between the inner points
    single = (b / (a + b), a + b)
    return [
        at_least((u + v) ** 2, u**2 + v**2, "p = ½, a = u², b = v²: one knot is cheaper than two", strict=True),
        at_least((u + v) ** 3, u**3 + v**3, "p = ⅓, a = u³, b = v³", strict=True),
        equal(sp.Derivative(1 + x**p - (1 + x) ** p, x), p * (x ** (p - 1) - (1 + x) ** (p - 1)), "1 + x^p − (1 + x)^p "
              "is 0 at 0 and rises for p < 1", r"\tfrac{d}{dx}[1+x^p-(1+x)^p] = p\,[x^{p-1}-(1+x)^{p-1}]"),
        equal(t * before + (1 - t) * after, a, "a knot of size d between the inner points, at the share t, with the "
              "mean slope s₂", r"t\,[a-(1-t)d]+(1-t)\,[a+td] = a"),
        equal(before + d + (a + b - after), a + b, "p = 1: if all three changes of slope are ≥ 0 they cost s₃ − s₁, "
              "for any t and d", r"[a-(1-t)d]+d+[b-td] = a+b"),
        equal(sp.Subs(before, (t, d), single), 0, "the single knot, of size a + b: no change at the first inner point",
              r"a-(1-t)d = 0\text{ at }t = b/(a+b),\ d = a+b"),
        equal(sp.Subs(a + b - after, (t, d), single), 0, "nor at the second",
              r"b-td = 0\text{ at }t = b/(a+b),\ d = a+b"),
    ]  # fmt: skip


KNOTS: Final = Claim(
    id="paths/lp-takes-one-knot",
    title="Between two points of equal curvature the ℓp path norm puts a single knot",
    statement=r"Among interpolants of four points in convex position $\sum|\text{slope change}|^p$, $0<p<1$, is least, "
    r"$|s_3-s_1|^p$, for the one whose outer lines meet in a single knot; for $p=1$ all convex ones tie.",
    source=f"{INTERPOLANTS}, the univariate theorem, N = 4",
    relation="equal",
    parameters={"p": "0 < p < 1"},
    derive=proof(_subadditive, "slopes s₁ = 0 < s₂ < s₃, a = s₂ − s₁, b = s₃ − s₂"),
    solve=numbers(_knots, draws=30, control=_two_knots, what="|s₃ − s₁|^p against the least cost over a grid of "
                  "interpolants with a knot at each inner point and one between; the control has no knot between."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (SCALES, PATHS, MAJORISER, KNOTS)
