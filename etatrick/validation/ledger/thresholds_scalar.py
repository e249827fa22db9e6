"""Claims on proximal maps of one weight: transformed ℓ1, the powers 1/2 and 2/3, SCAD and MCP, against a search."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.theorems import FORMAL, OURS, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

SEARCH: Final = "FLOAT64: 1e-10, scaled by 1 + |v|"
BUI: Final = "Bui, Park, Zhang, Qi, Xin 2021"


def lowest(energy: Any, high: float) -> float:
    """Return the least value on [0, high] of a function of arrays with few basins: a fine grid, then closing in.

    Parameters
    ----------
    energy : callable
        Takes and returns an array.
    high : float

    Returns
    -------
    float

    Examples
    --------
    >>> round(lowest(lambda x: (x - 1) ** 2 * (x - 3) ** 2 - x / 10, 5.0), 9)
    -0.300617377
    """
    import numpy as np

    grid = np.linspace(0.0, high, 20001)
    values = energy(grid)
    step = high / 20000
    starts = grid[np.argsort(values)[:2]].tolist()
    return min(float(values[0]), *(zoomed(energy, max(x - 2 * step, 0.0), x + 2 * step, rounds=5) for x in starts))


def _tl1() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal, tends

    a, y, c, q, t, d = sp.symbols("a y c q lambda d", positive=True)
    root = (a + y) / 3 * (1 + 2 * c)
    price = 2 * (a + y) ** 3 / 27 * (1 - (4 * c**3 - 3 * c))  # λa(a + 1), from cos φ = 4c³ − 3c with c = cos(φ/3)
    P, below, level = (a + 1) * w / (a + w), w / 2 + q**2 / (2 * (a + w)), r"\frac{w}{2}+\frac{q^2}{2(a+w)}"
    gain = y**2 / 2 - (w - y) ** 2 / 2 - t * P
    return [
        equal(root**3 - (a + y) * root**2 + price, 0, "the cosine solves x + λP′(x) = y, a cubic in a + x",
              r"z^3-(a+y)z^2+\lambda a(a+1)=0,\quad z=a+x=\tfrac{a+y}3(1+2\cos\tfrac\varphi3)"),
        equal(gain, w * (y - below.subs(q, sp.sqrt(2 * t * (a + 1)))), "w > 0 beats 0 iff y > ℓ",
              rf"\tfrac12y^2-\tfrac12(w-y)^2-\lambda P(w) = w\,(y-\ell),\ \ell={level},\ q^2=2\lambda(a+1)"),
        equal(below, q - a / 2 + (a + w - q) ** 2 / (2 * (a + w)), "which is least at w = q − a if q > a: a jump from "
              "0 to q − a at y = q − a/2", rf"{level} = q-\frac{{a}}{{2}}+\frac{{(a+w-q)^2}}{{2(a+w)}}"),
        at_least(sp.diff(below.subs(a, q + d), w), 0, "if q < a, a = q + d, it is least for w → 0",
                 rf"\frac{{d}}{{dw}}\left[{level}\right] > 0", strict=True),
        tends(w / 2 + t * P / w, w, 0, t * (a + 1) / a, "there y = λP′(0+): the map leaves 0 continuously",
              r"\lim_{w\to 0^+}\left[\frac{w}{2}+\frac{\lambda P(w)}{w}\right] = \frac{\lambda(a+1)}{a}"),
    ]  # fmt: skip


def _tl1_map(y: float, a: float, t: float) -> float:
    import numpy as np

    edge = t * (a + 1) / a if t <= a * a / (2 * (a + 1)) else (2 * t * (a + 1)) ** 0.5 - a / 2
    if y <= edge:
        return 0.0
    angle = np.arccos(1 - 27 * t * a * (a + 1) / (2 * (a + y) ** 3))
    return float(2 / 3 * (a + y) * np.cos(angle / 3) - 2 * a / 3 + y / 3)


def _tl1_numbers(rng: "np.random.Generator", shift: float = 0.0) -> Pair:
    a, t, y = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-1, 0.5)), float(rng.uniform(0.1, 5))

    def energy(x: Any) -> Any:
        return (x - y) ** 2 / 2 + t * (a + 1) * x / (a + x)

    return Pair(energy(_tl1_map(y, a * (1 + shift), t)), lowest(energy, y), {"a": a, "λ": t, "y": y})


def _tl1_other(rng: "np.random.Generator") -> Pair:
    return _tl1_numbers(rng, shift=0.2)


TL1: Final = Claim(
    id="thresholds/transformed-l1",
    title="The thresholds of transformed ℓ1, below and above criticality",
    statement=r"For $P=(a+1)|x|/(a+|x|)$ the proximal map is 0 up to $\lambda(a+1)/a$ if $\lambda\le a^2/(2(a+1))$, "
    r"where it is continuous, and otherwise up to $\sqrt{2\lambda(a+1)}-a/2$, where it jumps to "
    r"$\sqrt{2\lambda(a+1)}-a$; beyond, $x=\tfrac23(a+y)\cos(\varphi/3)-\tfrac23a+\tfrac13y$ with "
    r"$\cos(\varphi)=1-27\lambda a(a+1)/(2(a+y)^3)$.",
    source=f"Zhang, Xin 2017; used by {BUI}",
    relation="equal",
    parameters={"a": "a > 0", "λ": "λ > 0", "y": "y > 0"},
    derive=proof(_tl1, "a, y, λ, w, d > 0"),
    solve=numbers(_tl1_numbers, draws=60, control=_tl1_other, what="The objective at the closed form against the least "
                  "on a grid that closes in; the control uses another a."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip


def _powers() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    z, y, t, c, A = sp.symbols("z y lambda c A", positive=True)
    half, third = z**2 + t / (2 * z), z**3 + 2 * t / (3 * z)  # y at the stationary points x = z² and x = z³
    gap = ((2 * sp.sqrt(y / 3) * c) ** 3 - y * 2 * sp.sqrt(y / 3) * c) * sp.sqrt(27 / y**3) / 2
    q, r, B = (A**2 + y / A) / 2, (A**2 - y / A) / 2, 4 * sp.sqrt(2 * t) / 3 * c
    return [
        equal(half**2 / 2 - (z**2 - half) ** 2 / 2 - t * z, z * (z**3 - t) / 2, "power ½: z² ties with 0 at z³ = λ",
              r"\tfrac12y^2-\tfrac12(z^2-y)^2-\lambda z = \tfrac12z(z^3-\lambda),\quad y=z^2+\tfrac{\lambda}{2z}"),
        equal(sp.Subs(half, z, sp.cbrt(t)), sp.Rational(3, 2) * t ** sp.Rational(2, 3), "that is at y = (3/2)λ^(2/3)"),
        equal(gap, 4 * c**3 - 3 * c, "so the cosine of a third of an angle solves z³ − yz + λ/2 = 0",
              r"\frac{\sqrt{27}}{2y^{3/2}}(z^3-yz) = 4c^3-3c,\quad z=2c\sqrt{y/3}"),
        equal(third**2 / 2 - (z**3 - third) ** 2 / 2 - t * z**2, z**2 * (z**4 / 2 - t / 3), "power ⅔: z³, at z⁴ = 2λ/3",
              r"\tfrac12y^2-\tfrac12(z^3-y)^2-\lambda z^2 = z^2(z^4/2-\lambda/3),\ y=z^3+\tfrac{2\lambda}{3z}"),
        equal(sp.Subs(third, z, sp.root(2 * t / 3, 4)), 2 * sp.root(2 * t / 3, 4) ** 3, "that is at y = 2(2λ/3)^(3/4)",
              r"\left.z^3+\tfrac{2\lambda}{3z}\right|_{z^4=2\lambda/3} = 2\,(2\lambda/3)^{3/4}"),
        equal((z**2 + A * z + q) * (z**2 - A * z + r), z**4 - y * z + (A**4 - y**2 / A**2) / 4, "a quadratic factor "
              "of z⁴ − yz + 2λ/3, where A⁶ − (8λ/3)A² = y²",
              r"(z^2+Az+\tfrac{A^2+y/A}2)(z^2-Az+\tfrac{A^2-y/A}2) = z^4-yz+\tfrac14(A^4-\tfrac{y^2}{A^2})"),
        equal(B**3 - 8 * t / 3 * B, sp.Rational(16, 27) * (2 * t) ** sp.Rational(3, 2) * (4 * c**3 - 3 * c),
              "and the hyperbolic cosine of a third of an argument solves that",
              r"A^6-\tfrac{8\lambda}3A^2 = \tfrac{16}{27}(2\lambda)^{3/2}(4c^3-3c),\ A^2=\tfrac43\sqrt{2\lambda}\,c"),
    ]  # fmt: skip


def _power_map(y: float, t: float, power: float) -> float:
    import numpy as np

    if power == 0.5:
        if y <= 54 ** (1 / 3) / 4 * (2 * t) ** (2 / 3):
            return 0.0
        return float(2 / 3 * y * (1 + np.cos(2 * np.pi / 3 - 2 / 3 * np.arccos(t / 4 * (y / 3) ** -1.5))))
    if y <= 2 / 3 * (3 * (2 * t) ** 3) ** 0.25:
        return 0.0
    A = 2 / 3**0.5 * (2 * t) ** 0.25 * np.cosh(np.arccosh(27 * y * y * (2 * t) ** -1.5 / 16) / 3) ** 0.5
    return float(((A + np.sqrt(2 * y / A - A * A)) / 2) ** 3)


def _power_numbers(rng: "np.random.Generator", factor: float = 1.0) -> Pair:
    power, t, y = (0.5, 2 / 3)[int(rng.integers(2))], float(10 ** rng.uniform(-1, 0.5)), float(rng.uniform(0.1, 5))

    def energy(x: Any) -> Any:
        return (x - y) ** 2 / 2 + t * x**power

    return Pair(energy(_power_map(y, factor * t, power)), lowest(energy, y), {"power": power, "λ": t, "y": y})


def _power_halved(rng: "np.random.Generator") -> Pair:
    return _power_numbers(rng, factor=0.5)


POWERS: Final = Claim(
    id="thresholds/powers",
    title="The proximal maps of the powers ½ and ⅔ have closed forms",
    statement=r"For $\lambda|x|^{1/2}$: $x=\tfrac23y(1+\cos(\tfrac{2\pi}3-\tfrac23\varphi))$ above "
    r"$y=\tfrac32\lambda^{2/3}$, $\cos(\varphi)=\tfrac\lambda4(y/3)^{-3/2}$. For $\lambda|x|^{2/3}$: "
    r"$x=((A+\sqrt{2y/A-A^2})/2)^3$ above $y=2(2\lambda/3)^{3/4}$, $A^2=\tfrac43\sqrt{2\lambda}\cosh(\psi/3)$, "
    r"$\cosh(\psi)=27y^2(2\lambda)^{-3/2}/16$. Below, 0.",
    source="Xu, Chang, Xu, Zhang 2012 (½); Cao, Sun, Xu 2013 (⅔)",
    relation="equal", parameters={"λ": "λ > 0", "y": "y > 0"},
    derive=proof(_powers, "y, λ, z, A, c > 0"),
    solve=numbers(_power_numbers, draws=60, control=_power_halved, what="The objective at the closed form against the "
                  "least on a grid that closes in; the control is the map of ½λ, a frequent slip in the scaling."),
    observe=FORMAL, tolerance=SEARCH,
)  # fmt: skip


def scad_map(y: float, a: float, t: float, numerator: float) -> float:
    """Return the proximal map of SCAD at y ≥ 0, with the given constant in the numerator of its middle piece.

    Examples
    --------
    >>> scad_map(3.0, 3.0, 1.0, 3.0), scad_map(1.5, 3.0, 1.0, 3.0)
    (3.0, 0.5)
    """
    if y <= 2 * t:
        return max(y - t, 0.0)
    return ((a - 1) * y - numerator * t) / (a - 2) if y <= a * t else y


def _scad(rng: "np.random.Generator", coded: bool = False) -> Pair:
    import numpy as np

    a, t = float(rng.uniform(2.2, 6)), float(rng.uniform(0.2, 2))
    y = float(rng.uniform(0.1, 1.5)) * a * t

    def energy(x: Any) -> Any:
        middle = (2 * a * t * x - x * x - t * t) / (2 * (a - 1))
        return (x - y) ** 2 / 2 + np.where(x <= t, t * x, np.where(x <= a * t, middle, t * t * (a + 1) / 2))

    return Pair(energy(scad_map(y, a, t, 3.7 if coded else a)), lowest(energy, 2 * y), {"a": a, "λ": t, "y": y})


def _scad_coded(rng: "np.random.Generator") -> Pair:
    return _scad(rng, coded=True)


def _scad_steps(coded: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    b, y, t = sp.symbols("b y lambda", positive=True)
    a = 2 + b
    number, shown = (sp.Rational(37, 10), "3.7") if coded else (a, "a")
    x = ((a - 1) * y - number * t) / b
    return [equal(x + (a * t - x) / (a - 1), y, "the middle piece solves x + λP′(x) = y, with a = 2 + b",
                  rf"x+\frac{{a\lambda-x}}{{a-1}} = y,\quad x=\frac{{(a-1)y-{shown}\lambda}}{{a-2}}")]  # fmt: skip


def _scad_said() -> list[Fact]:
    return _scad_steps(True)


def _scad_holds() -> list[Fact]:
    return _scad_steps(False)


SCAD: Final = Claim(
    id="thresholds/scad-with-any-shape",
    title="SCAD's middle piece has a, not 3.7, in its numerator",
    statement=r"As coded: for every $a$ the middle piece is $((a-1)y-3.7\,\mathrm{sgn}(y)\lambda)/(a-2)$.",
    source=f"the public code of {BUI}; the map is Fan, Li 2001",
    relation="corrected",
    parameters={"a": "a > 2", "λ": "λ > 0", "y": "y > 0"},
    corrected=r"It is $((a-1)y-a\,\mathrm{sgn}(y)\lambda)/(a-2)$ for $2\lambda<|y|\le a\lambda$, soft thresholding "
    r"below and $y$ beyond: the same only at $a=3.7$.",
    derive=refutation(_scad_said, _scad_holds, "a > 2, y, λ > 0"),
    solve=mismatch(_scad_coded, _scad, draws=60, what="The objective at the closed form against the least on a grid."),
    observe=FORMAL,
    tolerance=SEARCH,
)


def _mcp() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal

    b, d, y, t, x, g = sp.symbols("b d y lambda x gamma", positive=True)
    objective = (x - y) ** 2 / 2 + t * x - x**2 / (2 * g)  # of 0 < x ≤ γλ
    middle = (y - t) / (1 - 1 / g)
    return [
        equal(sp.Subs(sp.Derivative(objective, x), x, middle), 0, "the middle piece is stationary"),
        at_least(objective.diff(x, 2).subs(g, 1 + b), 0, "and the objective convex, γ = 1 + b",
                 r"\frac{d^2}{dx^2}\left[\tfrac12(x-y)^2+\lambda x-\tfrac{x^2}{2\gamma}\right] > 0", strict=True),
        at_least(objective.diff(x).subs({y: t / (1 + d), g: 1 + b}), 0, "it rises from 0 where y = λ/(1 + d) < λ",
                 r"\frac{d}{dx}\left[\tfrac12(x-y)^2+\lambda x-\tfrac{x^2}{2\gamma}\right] > 0", strict=True),
        equal(sp.Subs(objective, g, 1), y**2 / 2 + (t - y) * x, "at γ = 1 it is a line up to λ, which falls iff y > λ"),
    ]  # fmt: skip


def _mcp_numbers(rng: "np.random.Generator", factor: float = 1.0) -> Pair:
    import numpy as np

    g, t = float(rng.uniform(1.1, 5)), float(rng.uniform(0.2, 2))
    y = float(rng.uniform(0.1, 1.5)) * g * t
    x = 0.0 if y <= t else (y - t) / (1 - 1 / (factor * g)) if y <= g * t else y

    def energy(x: Any) -> Any:
        return (x - y) ** 2 / 2 + np.where(x <= g * t, t * x - x * x / (2 * g), g * t * t / 2)

    return Pair(energy(np.array(x)), lowest(energy, 2 * y), {"γ": g, "λ": t, "y": y})


def _mcp_other(rng: "np.random.Generator") -> Pair:
    return _mcp_numbers(rng, factor=2.0)


MCP: Final = Claim(
    id="thresholds/mcp",
    title="MCP is firm thresholding, and hard thresholding at γ = 1",
    statement=r"For $\gamma>1$ the proximal map of MCP is 0 up to $\lambda$, "
    r"$\mathrm{sgn}(y)(|y|-\lambda)/(1-1/\gamma)$ up to $\gamma\lambda$, and $y$ beyond; at $\gamma=1$ it is 0 up to "
    r"$\lambda$ and $y$ beyond.",
    source=f"Zhang 2010; the limit {OURS}",
    relation="equal",
    parameters={"γ": "γ ≥ 1", "λ": "λ > 0", "y": "y > 0"},
    derive=proof(_mcp, "γ ≥ 1; x, y, λ > 0"),
    solve=numbers(_mcp_numbers, draws=60, control=_mcp_other, what="The objective at the closed form against the least "
                  "on a grid that closes in; the control doubles γ."),
    observe=FORMAL,
    tolerance=SEARCH,
)  # fmt: skip

CLAIMS: Final = (TL1, POWERS, SCAD, MCP)
