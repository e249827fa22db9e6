"""Claims on dropout in logistic regression: where the quadratic collapses, saturation, weights that vanish."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.glm_penalty import PAPER
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL, OURS, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np


def one_feature() -> tuple[Any, Any, Any]:
    """Return t = |xβ|, the quadratic penalty t²A″(t)/2 of one feature at drop rate ½, and tanh(t/2), all in sympy.

    Examples
    --------
    >>> one_feature()[2]
    (exp(t) - 1)/(exp(t) + 1)
    """
    import sympy as sp

    t = sp.Symbol("t", positive=True)
    return t, t**2 * sp.exp(t) / (2 * (1 + sp.exp(t)) ** 2), (sp.exp(t) - 1) / (sp.exp(t) + 1)


def _said_growing() -> list[Fact]:
    from etatrick.validation.routes.facts import at_least

    t, quadratic, _ = one_feature()
    return [at_least(t * quadratic.diff(t) / quadratic, 0, "the quadratic penalty of one feature, δ = ½, grows",
                     r"\frac{t}{R_q}\,\frac{dR_q}{dt} \ge 0,\quad R_q=\frac{t^2}{8\cosh^2(t/2)}")]  # fmt: skip


def _truly_collapsing() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import at_least, equal, tends

    t, quadratic, tangent = one_feature()
    rise, low, high = t * tangent, sp.Rational(23_993, 10_000), sp.Rational(23_994, 10_000)
    A, noise = sp.log(1 + sp.exp(t)), sp.Symbol("xi", positive=True)
    return [
        equal(quadratic, t**2 / 2 * sp.diff(A, t, 2), "the quadratic at δ = ½",
              r"R_q = \tfrac12t^2A''(t) = \frac{t^2}{8\cosh^2(t/2)},\quad A=\log(1+e^t)"),
        equal(sp.diff(quadratic, t), quadratic * (2 - rise) / t, "stationary iff t·tanh(t/2) = 2",
              r"R_q' = R_q\,(2-t\tanh\tfrac t2)/t"),
        at_least(rise.diff(t), 0, "that is once", r"\frac{d}{dt}\,t\tanh\tfrac t2 > 0", strict=True, rising=t),
        at_least(2, rise.subs(t, low), "the peak is above 2.3993", r"2 > 2.3993\,\tanh(2.3993/2)", strict=True),
        at_least(rise.subs(t, high), 2, "and below 2.3994", r"2.3994\,\tanh(2.3994/2) > 2", strict=True),
        equal(quadratic, (t**2 - rise**2) / 8, "its value is (t² − 4)/8", r"R_q = \tfrac18[t^2-(t\tanh\tfrac t2)^2]"),
        tends(quadratic, t, sp.oo, 0, "it vanishes where predictions are confident", r"\lim_{t\to\infty} R_q = 0"),
        at_least(sp.diff(mean_over(A.subs(t, t * (1 + noise)), noise, sp.S.One) - A, t), 0, "the exact penalty grows",
                 r"\frac{d}{dt}\left[\tfrac12A(2t)+\tfrac12A(0)-A(t)\right] > 0", strict=True, rising=t),
    ]  # fmt: skip


def _peak(rng: "np.random.Generator", value: bool = False) -> Pair:
    """Compare how both penalties move beyond a weight; as corrected, (t² − 4)/8 at the root with the largest value."""
    import numpy as np

    x = float(rng.uniform(0.5, 2))

    def quadratic(b: Any) -> Any:
        return (x * b / np.cosh(x * b / 2)) ** 2 / 8

    if not value:
        b = np.array([1.0, 1.1]) * rng.uniform(3, 8) / x
        exact = (np.log(2) + np.logaddexp(0, 2 * x * b)) / 2 - np.logaddexp(0, x * b)
        ours, theirs = (float(np.sign(values[1] - values[0])) for values in (quadratic(b), exact))
        return Pair(ours, theirs, {"xβ": float(x * b[0])})
    t = 2.4
    for _ in range(60):  # a contraction by 0.44
        t = float(2 / np.tanh(t / 2))
    return Pair((t**2 - 4) / 8, -zoomed(lambda b: -quadratic(b), 0.01, 20, rounds=6), {"x": x, "peak": t})


def _peak_right(rng: "np.random.Generator") -> Pair:
    return _peak(rng, value=True)


COLLAPSE: Final = Claim(
    id="glm-dropout/logistic-collapse",
    title="In logistic regression the quadratic approximation collapses for confident predictions",
    statement="The quadratic approximation grows with the weights as the dropout penalty does.",
    source=f"a common reading of {PAPER}", relation="corrected",
    parameters={"t": "t = |xβ| of one feature", "δ": "δ = ½, the drop rate"},
    corrected=r"$R_q=t^2/(8\cosh^2\tfrac t2)$ peaks where $t\tanh\tfrac t2=2$, at $2.3993<t<2.3994$ with the value "
    r"$(t^2-4)/8$, and tends to 0, while the exact penalty grows.",
    derive=refutation(_said_growing, _truly_collapsing, "t > 0, drop rate ½", seconds=2),
    solve=mismatch(_peak, _peak_right, draws=30, what="Whether quadratic and exact rise (1) or fall (−1) from a weight "
                   "of 3 < xβ < 8 to 1.1 times it; as corrected, (t² − 4)/8 against the quadratic's largest value."),
    observe=FORMAL, tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _saturating() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal, tends

    t, c, x, y, z = sp.symbols("t c x y z", positive=True)
    A, one = z + sp.log(1 + sp.exp(-z)), sp.Integer(1)  # log(1 + e^z)
    alone = mean_over(A.subs(z, t * (1 + x)), x, c) - A.subs(z, t)
    tail = sp.log(1 + sp.exp(-t * (1 + c))) / (1 + c) - sp.log(1 + sp.exp(-t))
    conflict = mean_over(mean_over(A.subs(z, t * (x - y)), x, one), y, one) - sp.log(2)
    return [
        equal(alone, c / (1 + c) * sp.log(2) + tail, "one feature of size 1, t = |β|",
              r"R = \delta\log2+(1-\delta)\log(1+e^{-t/(1-\delta)})-\log(1+e^{-t})"),
        tends(tail, t, sp.oo, 0, "what depends on t vanishes, so that R → δ log 2",
              r"\lim_{t\to\infty}\,(1-\delta)\log(1+e^{-t/(1-\delta)})-\log(1+e^{-t}) = 0"),
        tends(conflict / t, t, sp.oo, sp.Rational(1, 2), "features (1, −1), weights (t, t), δ = ½: linear growth",
              r"\lim_{t\to\infty}\tfrac1t\big[\mathbb E A(t\,(\xi_1-\xi_2))-A(0)\big] = \tfrac12"),
    ]  # fmt: skip


def _limit(rng: "np.random.Generator", quadratic: bool = False) -> Pair:
    """Compare δ log 2 with the library's regulariser and the slope of conflicting features with a difference."""
    import numpy as np

    from etatrick.numerics.expected import dropout_regularizer
    from etatrick.theory.noise import Bernoulli

    delta, t = float(rng.uniform(0.1, 0.8)), float(rng.uniform(40, 60))
    if rng.random() < 0.5:
        stated = t * t * np.exp(-t) / 2 if quadratic else delta * np.log(2)
        return Pair(float(stated), dropout_regularizer([[1.0]], [0.0], [t], Bernoulli(1, 1 - delta), "logistic"),
                    {"δ": delta, "t": t})  # fmt: skip
    ends = [dropout_regularizer([[1.0, -1.0]], [0.0], [s, s], Bernoulli(2, 0.5), "logistic") for s in (t, t + 1)]
    return Pair(0.0 if quadratic else 0.5, ends[1] - ends[0], {"δ": 0.5, "t": t})


def _limit_quadratic(rng: "np.random.Generator") -> Pair:
    return _limit(rng, quadratic=True)


SATURATION: Final = Claim(
    id="glm-dropout/logistic-saturation",
    title="The logistic penalty of one feature saturates at δ log 2; conflicting features pay linearly",
    statement=r"For one feature the exact penalty tends to $\delta\log2$ as $|\beta|\to\infty$ ($\tfrac12\log2$ at "
    r"$\delta=\tfrac12$). In directions where features cancel it grows linearly.",
    source=OURS,
    relation="limit",
    parameters={"δ": "0 < δ < 1, the drop rate"},
    derive=proof(_saturating, "t > 0, 0 < δ < 1", seconds=2),
    solve=numbers(_limit, draws=20, control=_limit_quadratic, what="δ log 2, and the slope ½, against the library's "
                  "exact penalty for weights between 40 and 60; the control is the quadratic's limit."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def floor_ratio(c: Any) -> Any:
    """Return exact over quadratic for one feature of size 1, weight 0 and noise ±c.

    Examples
    --------
    >>> import sympy as sp
    >>> round(float(floor_ratio(sp.Integer(1))), 6)
    0.960916
    """
    import sympy as sp

    return 4 * sp.log((1 + sp.exp(c)) * (1 + sp.exp(-c)) / 4) / c**2


def _said_small() -> list[Fact]:
    from etatrick.validation.routes.facts import equal

    return [equal(floor_ratio(1), 1, "exact over quadratic for Shakeout with c = 1, τ = ½ as the weight vanishes")]


def _truly_small() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal, tends

    z, u, c, q = sp.symbols("z u c q", positive=True)
    A = sp.log(1 + sp.exp(z))
    exact, bend = (A.subs(z, z + u) + A.subs(z, z - u)) / 2 - A, sp.diff(A, z, 2)
    return [
        equal(sp.Subs(sp.Derivative(exact, u), u, 0), 0, "noise ±u, A = log(1 + e^z): R has no first order"),
        equal(sp.Subs(sp.Derivative(exact, (u, 2)), u, 0), bend, "and the second order of the quadratic u²A″/2: the "
              "ratio tends to 1 as u → 0",
              r"\left.\frac{d^2}{du^2}\left[\tfrac12A(z+u)+\tfrac12A(z-u)-A(z)\right]\right|_{u=0} = A''(z)"),
        tends(w ** (q / 2), w, 0, 0, "Bridgeout: u = x·w^(q/2) vanishes; dropout and Sparseout: u ~ w"),
        equal(exact.subs(z, 0).subs(u, c) / (bend.subs(z, 0) * c**2 / 2), floor_ratio(c), "Shakeout: u = w + c, so "
              "that u = c and z = 0 in the limit",
              r"\lim_{w\to0}\frac{R}{R_q} = \frac{4}{c^2}\log\frac{(1+e^c)(1+e^{-c})}{4}"),
        equal((1 + sp.exp(c)) * (1 + sp.exp(-c)) / 4, sp.cosh(c / 2) ** 2, "which is 8 log cosh(c/2)/c²"),
        at_least(c**2 / 8, sp.log(sp.cosh(c / 2)), "and below 1", strict=True, rising=c),
    ]  # fmt: skip


def _vanishing(rng: "np.random.Generator", shaken: bool = True) -> Pair:
    """Compare 1 with exact over quadratic for weights of size 1e-9, p = ½, three features."""
    import numpy as np

    from etatrick.numerics.expected import BridgeoutNoise, Perturbation, ShakeoutNoise, dropout_regularizer
    from etatrick.theory.noise import Bernoulli

    x, w = np.array([1.0, -1.0, 2.0]), 1e-9 * rng.uniform(0.5, 1, 3)
    size = float(rng.uniform(0.2, 1))  # c or q
    amplitude = x * (w + size) if shaken else x * w ** ((size + 1) / 2)
    recipe = ShakeoutNoise(size) if shaken else BridgeoutNoise(size + 1)
    exact = dropout_regularizer([x], [0.0], w, Perturbation(Bernoulli(3, 0.5), recipe), "logistic")
    p = 1 / (1 + np.exp(-x @ w))
    return Pair(1.0, exact / float(p * (1 - p) / 2 * (amplitude**2).sum()), {"c" if shaken else "q − 1": size})


def _vanishing_bridgeout(rng: "np.random.Generator") -> Pair:
    return _vanishing(rng, shaken=False)


SMALL: Final = Claim(
    id="glm-dropout/quadratic-for-small-weights",
    title="The quadratic approximation becomes exact for small weights, except for Shakeout",
    statement=r"As $\beta\to0$ the quadratic approximation becomes exact for dropout and its variants, Shakeout too.",
    source=OURS,
    relation="corrected",
    parameters={"β": "β → 0", "c": "c > 0, fixed"},
    corrected=r"It does where the noise vanishes with the weight. Shakeout keeps noise of size $c$: for one feature of "
    r"size 1, $\tau=\tfrac12$, exact over quadratic tends to $8\log\cosh(c/2)/c^2<1$.",
    derive=refutation(_said_small, _truly_small, "w > 0, p = ½, logistic", seconds=3),
    solve=mismatch(_vanishing, _vanishing_bridgeout, draws=20, tolerance="SOLVER", what="1 against exact over "
                   "quadratic for weights of 1e-9: Shakeout with 0.2 < c < 1, and Bridgeout with 1.2 < q < 2."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip


def _rare() -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    z, u, v, c, x, y = sp.symbols("z u v c x y", positive=True)
    A = sp.Function("A")
    one = mean_over(A(z + u * x), x, c) - A(z)
    both = mean_over(mean_over(sp.exp(z + u * x + v * y), x, c), y, c) - sp.exp(z)
    gaps = sum(sp.exp(z - a) - sp.exp(z) + a * sp.exp(z) for a in (u, v))
    return [
        equal(sp.diff(one, c).subs(c, 0).doit(), A(z - u) - A(z) + u * sp.diff(A(z), z), "per drop rate, any A, one "
              "feature with noise uξ", r"\left.\frac{d}{dc}\big[\mathbb E A(z+u\xi)-A(z)\big]\right|_{c=0} = "
              r"A(z-u)-A(z)+u\,A'(z) = D_A(z-u\,\|\,z)"),
        equal(sp.Subs(sp.Derivative(both, c), c, 0), gaps, "two features, A = exp: one is dropped at a time, and the "
              "divergences add up", r"\left.\frac{d}{dc}\big[\mathbb E e^{z+u\xi_1+v\xi_2}-e^z\big]\right|_{c=0} = "
              r"D_{\exp}(z-u\,\|\,z)+D_{\exp}(z-v\,\|\,z)"),
    ]  # fmt: skip


def _at_small_rate(rng: "np.random.Generator", bregman: bool = True) -> Pair:
    """Compare with the enumerated penalty per drop rate, extrapolated from 1e-5 and 2e-5; Bridgeout, three weights."""
    import numpy as np

    from etatrick.numerics.expected import BridgeoutNoise, Perturbation, quadratic_approximation, small_rate_limit
    from etatrick.theory.noise import Bernoulli

    X, w, q = rng.standard_normal((3, 3)), 2 * rng.standard_normal(3), float(rng.uniform(0.5, 2))
    recipe = Perturbation(Bernoulli(3, 0.5), BridgeoutNoise(q))
    law = small_rate_limit if bregman else quadratic_approximation

    def charge(delta: float) -> float:
        xi, chance = switches(3, 1 - delta)
        noisy = (w + np.sign(w) * np.abs(w) ** (q / 2) * xi) @ X.T
        return float((chance @ np.logaddexp(0, noisy) - np.logaddexp(0, X @ w)).sum()) / delta

    return Pair(law(X, np.zeros(3), w, recipe, "logistic"), 2 * charge(1e-5) - charge(2e-5), {"q": q})


def _at_small_rate_quadratic(rng: "np.random.Generator") -> Pair:
    return _at_small_rate(rng, bregman=False)


RARE: Final = Claim(
    id="glm-dropout/small-drop-rate",
    title="At small drop rates dropout and Bridgeout charge a sum of Bregman divergences",
    statement=r"As $\delta\to0$, $R/\delta\to\sum_{ij}D_A(z_i-a_{ij}\,\|\,z_i)$ with $a_{ij}=x_{ij}w_j$ for dropout, "
    r"$x_{ij}\,\mathrm{sgn}(w_j)|w_j|^{q/2}$ for Bridgeout: one term is dropped at a time, wholly. "
    r"$D_A(b\,\|\,z)=A(b)-A(z)-(b-z)A'(z)$.",
    source=f"{OURS}; errata/quadratic-glm-dropout has the statement that this corrects",
    relation="limit",
    parameters={"δ": "δ → 0, the drop rate", "A": "differentiable"},
    derive=proof(_rare, "z, u, v > 0; c = δ/(1 − δ) has slope 1 at 0"),
    solve=numbers(_at_small_rate, draws=20, tolerance="SOLVER", control=_at_small_rate_quadratic, what="The library's "
                  "limit against all masks at the rates 1e-5 and 2e-5; the control is the quadratic, p = ½."),
    observe=FORMAL,
    tolerance="SOLVER: 1e-6, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (COLLAPSE, SATURATION, SMALL, RARE)
