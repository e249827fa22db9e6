"""Claims on the η-trick itself: the theorems in both directions, and the lemmas that make them checkable."""

from collections.abc import Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.routes import Fact, Pair, numbers, proof

if TYPE_CHECKING:
    import numpy as np

SOURCE: Final = "LeJeune, Javadi, Baraniuk, NeurIPS 2021 (arXiv 2106.07769)"
OURS: Final = "derived for this ledger in the setting of LeJeune, Javadi, Baraniuk, NeurIPS 2021"
FORMAL: Final = Absent("a statement about formulas: training would add nothing to its proof")
SHAPES: Final = ("log(1 + w)", "w", "w**(3/2)/(3/2)", "w - log(1 + w)", "log(1 + w**2)/2")


def about(what: str, facts: Iterable[Fact]) -> list[Fact]:
    """Return facts whose captions say what they are about.

    Parameters
    ----------
    what : str
        Such as "the lasso".
    facts : iterable of Fact

    Returns
    -------
    list of Fact

    Examples
    --------
    >>> from etatrick.theory import derive
    >>> from etatrick.validation.routes.facts import conditions
    >>> [fact.caption for fact in about("the lasso", conditions(derive(penalty="w"), "exact_zeros"))]
    ['the lasso: exact zeros']
    """
    return [replace(fact, caption=f"{what}: {fact.caption}") for fact in facts]


def zoomed(energy: Any, low: float, high: float, rounds: int = 4) -> float:
    """Return the least value of a function of arrays on [low, high], searched on grids that close in on it.

    Parameters
    ----------
    energy : callable
        Takes and returns an array, shape (201,); NaN where it is not defined.
    low, high : float
    rounds : int
        How many grids; each spans four steps of the one before.

    Returns
    -------
    float

    Examples
    --------
    >>> abs(zoomed(lambda x: (x - 1) ** 2 + 3, 0.0, 10.0) - 3) < 1e-12
    True
    """
    import numpy as np

    for _ in range(rounds):
        grid = np.linspace(low, high, 201)
        values = energy(grid)
        k = int(np.nanargmin(values))
        low, high = grid[max(k - 2, 0)], grid[min(k + 2, 200)]
    return float(np.nanmin(values))


def _theorem_a() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    u, v = sp.symbols("u v", positive=True)
    omega, h = sp.Function("Omega"), sp.Function("h")
    slope, bend = sp.diff(omega(w), w), sp.diff(omega(w), w, 2)
    tangent = (u - v) * sp.diff(h(v), v) + h(v) - h(u)
    lifted = sp.diff(2 * omega(sp.sqrt(u)), u).doit().subs(u, w**2).doit()
    return [
        equal(lifted, slope / w, "the slope of h(u) = 2Ω(√u) is 1/η̂", r"h'(w^2) = \Omega'(w)/w = 1/\hat\eta(w)"),
        equal(sp.diff(slope / w, w) / (2 * w), -(slope - w * bend) / (2 * w**3), "h is concave iff Ω′ − wΩ″ ≥ 0",
              r"h''(w^2) = -\frac{\Omega'(w) - w\,\Omega''(w)}{2w^3}"),
        equal(w**2 * slope / w + 2 * omega(w) - w * slope, 2 * omega(w), "with f(η̂) = 2Ω − wΩ′ the energy at η̂ is 2Ω",
              r"w^2/\hat\eta + 2\Omega - w\,\Omega' = 2\Omega"),
        equal(tangent.subs(u, v), 0, "the energy at another scale η̂(√v) exceeds 2Ω(√u) by a gap that is 0 at u = v",
              r"G(u) = (u-v)\,h'(v) + h(v) - h(u),\quad G(v) = 0"),
        equal(sp.diff(tangent, u), sp.diff(h(v), v) - sp.diff(h(u), u), "and grows away from v where h′ falls",
              r"G'(u) = h'(v) - h'(u)"),
    ]  # fmt: skip


def _minimum_over_scales(rng: "np.random.Generator") -> Pair:
    """Compare Ω with the minimum over η of w²/η + f(η), both written out by hand, for seven penalties."""
    import numpy as np

    index, x = int(rng.integers(7)), float(10 ** rng.uniform(-1.5, 1))
    penalty = (x, x**1.5 / 1.5, 2 * x**0.5, x - np.log1p(x), np.log1p(x * x) / 2, x * x / (1 + x * x) / 2,
               x - x * x / 2 if x < 1 else 0.5)[index]  # fmt: skip
    dual = (lambda e: e, lambda e: e**3 / 3, lambda e: 3 * e ** (1 / 3),
            lambda e: np.where(e > 1, e - 1 / e - 2 * np.log(e), 0),
            lambda e: np.where(e > 1, np.log(e) - 1 + 1 / e, 0),
            lambda e: np.where(e > 1, (1 - e**-0.5) ** 2, 0), lambda e: e / (1 + e))[index]  # fmt: skip
    with np.errstate(over="ignore", under="ignore"):
        least = zoomed(lambda t: (x**2 * np.exp(-t) + dual(np.exp(t))) / 2, -25.0, 25.0, rounds=7)
    return Pair(float(penalty), min(least, 0.5 if index in (5, 6) else np.inf), {"penalty": float(index), "w": x})


THEOREM_A: Final = Claim(
    id="eta-trick/theorem-a",
    title="A subquadratic penalty is the least of quadratics in the weight",
    statement=r"If $\Omega$ is even, nondecreasing on the half-line and $\Omega(\sqrt u)$ is concave in $u$, then "
    r"$\Omega(w)=\tfrac12\min_{\eta\ge0}[w^2/\eta+f(\eta)]$ with $f(\eta)=\max_w[2\Omega(w)-w^2/\eta]$, and the "
    r"minimum is at $\hat\eta(w)=w/\Omega'(w)$.",
    source=f"{SOURCE}, η-trick theorem",
    relation="equal",
    parameters={"w": "> 0", "Ω": "twice differentiable there, for the proof"},
    derive=proof(_theorem_a, "w, u, v > 0"),
    solve=numbers(_minimum_over_scales, draws=60, seconds=1, what="Ω against the minimum over η on ever finer "
                  "grids, for penalties and duals written out by hand, numbered in the table: 0 to 2 w, w^1.5/1.5, "
                  "2√w; 3 and 4 w − log(1 + w), ½log(1 + w²); 5 w²/(2 + 2w²); 6 w − ½w² up to w = 1, ½ beyond."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _theorem_b() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.validation.routes.facts import conditions, equal

    rule, omega = sp.Function("H")(w), sp.Function("Omega")(w)
    slope = w / rule
    bend = sp.diff(slope, w)
    dual = (2 * sp.diff(omega, w) - sp.diff(w * slope, w)).subs(sp.diff(omega, w), slope)
    rising = derive(eta_hat="w**2 + w + 1")
    falling = derive(alpha="1/(1 + w**2)")
    return [
        equal(slope - w * bend, w**2 * sp.diff(rule, w) / rule**2, "Ω is subquadratic iff η̂ does not fall",
              r"\Omega' - w\,\Omega'' = w^2\,\hat\eta'/\hat\eta^2,\quad \Omega' = w/\hat\eta"),
        equal(dual, (w / rule) ** 2 * sp.diff(rule, w), "f rises along η̂ at the rate (ŵ/η)²",
              r"\frac{d}{dw}\left[2\Omega - w\,\Omega'\right] = (w/\hat\eta)^2\,\hat\eta'"),
        *about("a rule that rises", conditions(rising, "monotone", "subquadratic", "canonical",
                                               of=r"\hat\eta = w^2 + w + 1")),
        *about("one that falls", conditions(falling, "subquadratic", of=r"\alpha = 1/(1+w^2)", wanted="fails")),
    ]  # fmt: skip


def _random_rule(rng: "np.random.Generator", powers: tuple[float, ...]) -> Pair:
    """Compare ∫t/η̂ with the minimum over η, where f is the integral of (ŵ/η)², for η̂ a random sum of powers."""
    import numpy as np

    factors, x = 10 ** rng.uniform(-1, 1, len(powers)), float(10 ** rng.uniform(-0.5, 0.5))
    z = np.linspace(np.log(x) - 14, np.log(x) + 4, 40001)
    t, step = np.exp(z), z[1] - z[0]
    rule = sum(c * t**p for c, p in zip(factors, powers, strict=True))
    growth = sum(c * p * t**p for c, p in zip(factors, powers, strict=True))  # dη̂/d log t

    def area(density: Any) -> Any:
        return np.concatenate([[0.0], np.cumsum((density[1:] + density[:-1]) / 2 * step)])  # smooth in log t

    penalty = float(np.interp(np.log(x), z, area(t**2 / rule)))
    energy = (x**2 / rule + area((t / rule) ** 2 * growth)) / 2
    return Pair(penalty, float(energy.min()), {f"c{p:g}": float(c) for c, p in zip(factors, powers, strict=True)})


def _rising_rule(rng: "np.random.Generator") -> Pair:
    return _random_rule(rng, (0.5, 1.0, 1.7))


def _falling_rule(rng: "np.random.Generator") -> Pair:
    return _random_rule(rng, (-0.5, -1.0, -1.7))


THEOREM_B: Final = Claim(
    id="eta-trick/theorem-b",
    title="Every nondecreasing dropout rule has an effective penalty",
    statement=r"If $\hat\eta$ is nondecreasing and $t/\hat\eta(t)$ integrable at 0, then "
    r"$\Omega(w)=\int_0^{|w|}t/\hat\eta(t)\,dt$ is subquadratic, $\hat\eta(w)$ is a minimiser in the η-trick, and "
    r"$f(\eta)=\int_0^\eta(\hat w(\tau)/\tau)^2d\tau$; a continuous positive rule that falls somewhere has none.",
    source=f"{SOURCE}, monotone adaptive dropout",
    relation="iff",
    parameters={"η̂": "continuous, positive, nondecreasing"},
    derive=proof(_theorem_b, "w > 0", seconds=2),
    solve=numbers(_rising_rule, draws=60, tolerance="SOLVER", control=_falling_rule,
                  what="Ω by quadrature of the rule against half the minimum over η of w²/η + f(η), where f is the "
                  "integral of (ŵ/η)², for η̂ = Σ c_p w^p of p = 0.5, 1, 1.7; the control is such a sum with powers "
                  "−p, which falls.", seconds=2),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _equivalents() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import lam, w
    from etatrick.validation.routes.facts import equal

    omega = sp.Function("Omega")(w)
    slope, bend = sp.diff(omega, w), sp.diff(omega, w, 2)
    rule = w / slope
    alpha, gap = rule / (rule + lam), slope - w * bend
    return [
        equal(sp.diff(slope / w, w), -gap / w**2, "Ω′/w falls where Ω′ − wΩ″ ≥ 0",
              r"(\Omega'/w)' = -(\Omega'-w\,\Omega'')/w^2"),
        equal(sp.diff(rule, w), gap / slope**2, "η̂ rises there", r"\hat\eta' = (\Omega'-w\,\Omega'')/\Omega'^2"),
        equal(sp.diff(alpha, w), lam * gap / (w + lam * slope) ** 2, "and so does α",
              r"\alpha' = \lambda\,(\Omega'-w\,\Omega'')/(w+\lambda\Omega')^2"),
    ]  # fmt: skip


def _signs(rng: "np.random.Generator") -> Pair:
    """Compare the signs of the steps of Ω′/w and of α, at two weights, for x^p with p on both sides of 2."""
    import numpy as np

    p, x, lam = float(rng.uniform(0.2, 3.8)), float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-1, 1))
    slope = np.array([x, 1.1 * x]) ** (p - 1)
    alpha = np.array([x, 1.1 * x]) / (np.array([x, 1.1 * x]) + lam * slope)
    rate = slope / np.array([x, 1.1 * x])
    return Pair(-float(np.sign(rate[1] - rate[0])), float(np.sign(alpha[1] - alpha[0])), {"p": p, "w": x, "λ": lam})


EQUIVALENTS: Final = Claim(
    id="eta-trick/equivalent-conditions",
    title="Subquadratic, a rising weight rule and a rising retain probability are one condition",
    statement=r"For twice differentiable $\Omega$ with $\Omega'>0$: $\Omega'(w)/w$ is nonincreasing iff "
    r"$\hat\eta(w)=w/\Omega'(w)$ is nondecreasing iff "
    r"$\Omega'(w)-w\,\Omega''(w)\ge0$ iff $\alpha(w)=\hat\eta/(\hat\eta+\lambda)$ is nondecreasing.",
    source=f"{SOURCE}, definition of subquadratic",
    relation="iff",
    parameters={"λ": "> 0", "w": "> 0"},
    derive=proof(_equivalents, "w, λ, Ω′ > 0: each derivative is Ω′ − wΩ″ times a factor of one sign"),
    solve=numbers(_signs, draws=200, tolerance="EXACT", seconds=0.5, what="Minus the sign of the step of Ω′/w "
                  "from w to 1.1w against the sign of the step of α, for Ω = w^p/p with p between 0.2 and 3.8."),
    observe=FORMAL,
    tolerance="EXACT: equality",
)  # fmt: skip


def _slope_lemma() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    omega = sp.Function("Omega")(w)
    slope, bend = sp.diff(omega, w), sp.diff(omega, w, 2)
    along = sp.diff(2 * omega - w * slope, w)
    return [
        equal(along, slope**2 * sp.diff(w / slope, w), "df/dη along η̂ is Ω′²",
              r"\frac{d}{dw} f(\hat\eta(w)) = \Omega'(w)^2\,\hat\eta'(w)"),
        equal(sp.diff(slope**2, w), 2 * slope * bend, "f″ has the sign of Ω″ where η̂ rises",
              r"f''(\hat\eta)\,\hat\eta' = 2\,\Omega'\,\Omega''"),
    ]  # fmt: skip


def _slopes(rng: "np.random.Generator") -> Pair:
    from etatrick.theory import derive

    index, x = int(rng.integers(len(SHAPES))), float(10 ** rng.uniform(-1, 1))
    duality = derive(penalty=SHAPES[index])
    e = float(duality.eta_hat_at(x))
    low, high, lower, higher = (float(duality.dual_at(e * (1 + k * 1e-3))) for k in (-1, 1, -2, 2))
    return Pair((x / e) ** 2, (8 * (high - low) - (higher - lower)) / (12e-3 * e), {"penalty": float(index), "w": x})


SLOPE_LEMMA: Final = Claim(
    id="eta-trick/slope-lemma",
    title="The dual's slope is the squared slope of the penalty",
    statement=r"$f'(\hat\eta(w))=\Omega'(w)^2$; hence $f$ is convex iff $\Omega$ is, and concave iff $\Omega$ is "
    r"concave on the half-line.",
    source=OURS,
    relation="equal",
    parameters={"w": "> 0, η̂ increasing there"},
    derive=proof(_slope_lemma, "w > 0"),
    solve=numbers(_slopes, draws=60, tolerance="SOLVER", seconds=2, what="Ω′² against fourth-order differences of f, "
                  "for five penalties: log(1 + w), w, w^1.5/1.5, w − log(1 + w), ½log(1 + w²), numbered 0 to 4."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (THEOREM_A, THEOREM_B, EQUIVALENTS, SLOPE_LEMMA)
