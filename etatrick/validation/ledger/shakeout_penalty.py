"""Claims on Shakeout's penalty: moments, ridge with ℓ1 and ℓ0, the proximal map, the dual."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL, OURS, zoomed
from etatrick.validation.routes import Fact, Pair, mismatch, numbers, proof, refutation

if TYPE_CHECKING:
    import numpy as np

PAPER: Final = "Kang, Li, Tao 2016 (AAAI) and 2018 (PAMI), Shakeout"


def _moments() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    c, odds, x = sp.symbols("c o x", positive=True)
    tau = odds / (1 + odds)
    kept, dropped = (w + c * tau) / (1 - tau), -c
    noisy = w + (w + c) * x
    mean = tau * dropped + (1 - tau) * kept
    return [
        equal(noisy.subs(x, odds), kept, "kept: w + (w + c)(ρ − 1)",
              r"w+(w+c)\tfrac{\tau}{1-\tau} = \tfrac{w+c\tau}{1-\tau}"),
        equal(sp.Subs(noisy, x, -1), dropped, "dropped: ξ = ρ − 1 = −1", r"\left. w+(w+c)\,\xi\right|_{\xi=-1} = -c"),
        equal(mean, w, "the mean", r"\mathbb E\tilde w = \tau\,(-c)+(1-\tau)\,\tfrac{w+c\tau}{1-\tau} = w"),
        equal(tau * dropped**2 + (1 - tau) * kept**2 - w**2, tau / (1 - tau) * (w + c) ** 2, "the variance",
              r"\mathrm{Var}\,\tilde w = \tfrac{\tau}{1-\tau}(|w|+c)^2"),
    ]  # fmt: skip


def _drawn(rng: "np.random.Generator", shift: float = 1.0) -> Pair:
    """Compare the k-th moment of w(1 + ξ) + c·sgn(w)·ξ with that of the published two cases."""
    import numpy as np

    w, c, tau = (
        float(rng.choice([-1, 1]) * rng.uniform(0.1, 2)),
        float(rng.uniform(0.1, 2)),
        float(rng.uniform(0.1, 0.8)),
    )
    s, k = np.sign(w), int(rng.integers(1, 4))
    two = tau * (-c * s) ** k + (1 - tau) * ((w + c * tau * s) / (1 - tau)) ** k
    xi, chance = switches(1, 1 - tau)
    return Pair(float(chance @ (w + (w + shift * c * s) * xi[:, 0]) ** k), float(two), {"w": w, "c": c, "τ": tau})


def _drawn_dropout(rng: "np.random.Generator") -> Pair:
    return _drawn(rng, shift=0.0)


MOMENTS: Final = Claim(
    id="shakeout/moments",
    title="Shakeout is noise of size |w| + c",
    statement=r"$\tilde w=-cs$ with probability $\tau$, else $(w+c\tau s)/(1-\tau)$, $s=\mathrm{sgn}(w)$, is "
    r"$w\rho+cs(\rho-1)$ with $\rho=\mathrm{Bern}(1-\tau)/(1-\tau)$: mean $w$, variance "
    r"$\tfrac{\tau}{1-\tau}(|w|+c)^2$.",
    source=PAPER,
    relation="equal",
    parameters={"τ": "0 < τ < 1", "c": "c > 0"},
    derive=proof(_moments, "w, c > 0, 0 < τ < 1"),
    solve=numbers(_drawn, draws=60, control=_drawn_dropout, what="The first three moments of both forms; the control "
                  "is dropout."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _charged(whole: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.theory.recipes import shakeout
    from etatrick.validation.routes.facts import conditions, equal

    y, c, k, x, o = sp.symbols("y c k x o", positive=True)
    odds = 1 / k
    noisy = mean_over((y - x * (w + (w + c) * o)) ** 2 / 2, o, odds)
    jump, shown = (c**2, "+c^2") if whole else (0, "")
    facts = [
        equal(
            noisy - (y - x * w) ** 2 / 2,
            odds / 2 * x**2 * (w**2 + 2 * c * w + jump),
            "the charge of w > 0, with k = (1 − τ)/τ; 0 has no noise, as sgn 0 = 0, and no charge",
            rf"\mathbb E\,\tfrac12(y-x\tilde w)^2-\tfrac12(y-xw)^2 = \tfrac{{x^2}}{{2k}}(w^2+2cw{shown})",
        )
    ]
    noise = shakeout(c=c, drop=1 / (1 + k))
    return facts if not whole else [
        *facts, equal(noise.jump, odds * c**2 / 2, "the jump at 0, as the theory derives it",
                      r"\Omega(0^+)-\Omega(0) = c^2/(2k)"),
        *conditions(noise.differentiated, "subquadratic", "exact_zeros",
                    of=r"\Omega(w) = \tfrac1{2k}(w^2+2c|w|+c^2\mathbf 1[w\ne0])"),
    ]  # fmt: skip


def _elastic() -> list[Fact]:
    return _charged(False)


def _with_jump() -> list[Fact]:
    return _charged(True)


def _charges(rng: "np.random.Generator", jump: bool = False) -> Pair:
    """Compare the expected loss, enumerated over masks, at weights of which some are 0, less the fit."""
    import numpy as np

    X, y, w = rng.standard_normal((5, 3)), rng.standard_normal(5), rng.standard_normal(3) * (rng.random(3) < 0.6)
    c, tau = float(rng.uniform(0.2, 2)), float(rng.uniform(0.1, 0.8))
    xi, chance = switches(3, 1 - tau)
    noisy = w * (1 + xi) + c * np.sign(w) * xi
    computed = float(chance @ ((y[:, None] - X @ noisy.T) ** 2).sum(0) - ((y - X @ w) ** 2).sum()) / 2
    size = w**2 + 2 * c * np.abs(w) + (c**2 * (w != 0) if jump else 0)
    return Pair(tau / (1 - tau) / 2 * float((X**2).sum(0) @ size), computed, {"c": c, "τ": tau})


def _charges_right(rng: "np.random.Generator") -> Pair:
    return _charges(rng, jump=True)


ELASTIC: Final = Claim(
    id="shakeout/elastic-net",
    title="Shakeout is an elastic net with an ℓ0 part",
    statement=r"In linear regression Shakeout charges the elastic net "
    r"$\tfrac{\tau}{2(1-\tau)}\sum_js_j^2(w_j^2+2c|w_j|)$, $s_j$ the length of column $j$.",
    source=f"{PAPER}: the AAAI version; the PAMI version has the third term",
    relation="corrected",
    parameters={"τ": "0 < τ < 1", "c": "c > 0"},
    corrected=r"It charges $\tfrac{\tau}{2(1-\tau)}\sum_js_j^2(w_j^2+2c|w_j|+c^2\mathbf 1[w_j\ne0])$. The jump has no "
    r"gradient: training by gradients sees the elastic net, a comparison of losses sees all three.",
    derive=refutation(_elastic, _with_jump, "w, x, y, c > 0, k = (1 − τ)/τ", seconds=2),
    solve=mismatch(_charges, _charges_right, draws=40, what="Both formulas against the mean over all masks, at weights "
                   "of which some are 0."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _proximal() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import at_least, equal

    lam, c, y, u, d = sp.symbols("lambda c y u d", positive=True)
    objective = (y - u) ** 2 / 2 + lam / 2 * (u + c) ** 2  # of u > 0
    kept = objective.subs(y, (1 + lam) * w + lam * c)  # w = S(y, λc)/(1 + λ)
    return [
        equal(sp.Subs(sp.Derivative(kept, u), u, w), 0, "where y = (1 + λ)w + λc, that is w = S(y, λc)/(1 + λ), w is "
              "stationary"),
        equal(sp.Derivative(objective, (u, 2)), 1 + lam, "and the only minimum among u > 0"),
        equal(((1 + lam) * w + lam * c) ** 2 / 2 - kept.subs(u, w), ((1 + lam) * w**2 - lam * c**2) / 2,
              "kept iff ŵ > c√(λ/(1 + λ))",
              r"\text{objective}(0)-\text{objective}(\hat w) = \tfrac12[(1+\lambda)\hat w^2-\lambda c^2]"),
        at_least(sp.diff(objective.subs(y, lam * c / (1 + d)), u), 0, "where y < λc the objective rises from 0",
                 r"\frac{d}{du}\left[\tfrac12(y-u)^2+\tfrac\lambda2(u+c)^2\right] > 0,\quad y=\frac{\lambda c}{1+d}",
                 strict=True),
    ]  # fmt: skip


def _threshold(rng: "np.random.Generator", jump: bool = True) -> Pair:
    """Compare the value of the closed form with the least value on ever finer grids, and at 0."""
    import numpy as np

    lam, c, y = (float(rng.uniform(*ends)) for ends in ((0.1, 2), (0.1, 1.5), (0.1, 4)))
    shrunk = max(y - lam * c, 0.0) / (1 + lam)
    kept = shrunk > (c * np.sqrt(lam / (1 + lam)) if jump else 0.0)

    def objective(u: Any) -> Any:
        return (y - u) ** 2 / 2 + lam / 2 * (u + c) ** 2

    stated = objective(shrunk) if kept else y**2 / 2
    return Pair(float(stated), min(y**2 / 2, zoomed(objective, 1e-12, 5, rounds=6)), {"λ": lam, "c": c, "y": y})


def _threshold_soft(rng: "np.random.Generator") -> Pair:
    return _threshold(rng, jump=False)


PROX: Final = Claim(
    id="shakeout/proximal-map",
    title="Shakeout's proximal map is soft thresholding, shrinkage and a jump",
    statement=r"The proximal map of $\tfrac\lambda2(w^2+2c|w|+c^2\mathbf 1[w\ne0])$ is "
    r"$\hat w=S(y,\lambda c)/(1+\lambda)$ where $|\hat w|>c\sqrt{\lambda/(1+\lambda)}$, and 0 otherwise; "
    r"$S(y,t)=\mathrm{sgn}(y)\max(|y|-t,0)$.",
    source=f"derived for this ledger from the penalty in {PAPER}",
    relation="equal",
    parameters={"λ": "λ > 0", "c": "c > 0"},
    derive=proof(_proximal, "y, w, u, λ, c, d > 0"),
    solve=numbers(_threshold, draws=80, control=_threshold_soft, what="The objective at the closed form against its "
                  "least value on ever finer grids; the control keeps every ŵ that is not 0."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _dual() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, strategies, w
    from etatrick.validation.routes.facts import conditions, equal, tends

    lam, c, u = sp.symbols("lambda c u", positive=True)
    penalty = lam / 2 * (w + c) ** 2
    rule = w / sp.diff(penalty, w)
    dual = lam * c**2 / (1 - lam * eta)
    return [
        equal((w**2 / eta + dual).subs(eta, u / (lam * (1 + u))), 2 * penalty + lam * (w - c * u) ** 2 / u,
              "for every 0 < η < 1/λ; least at u = w/c, where η = w/(λ(w + c))",
              r"\frac{w^2}{\eta}+f(\eta) = \lambda(w+c)^2+\frac{\lambda(w-cu)^2}{u},\quad \eta=\frac{u}{\lambda(1+u)}"),
        equal(rule, w / (lam * (w + c)), "the rule, from the penalty",
              r"\hat\eta(w) = \frac{w}{\Omega'(w)} = \frac{w}{\lambda(w+c)},\quad \Omega=\tfrac\lambda2(w+c)^2"),
        equal(dual.subs(eta, rule), 2 * penalty - w * sp.diff(penalty, w), "the dual, from the penalty",
              r"f(\hat\eta) = 2\Omega-w\Omega',\quad f(\eta)=\frac{\lambda c^2}{1-\lambda\eta}"),
        tends(rule, w, sp.oo, 1 / lam, "the scales stay below the barrier 1/λ"),
        tends(dual, eta, 0, lam * c**2, "f(0+) = λc² is twice the jump λc²/2; f(0) = 0"),
        *conditions(strategies["shakeout"](c=1, drop=0.5).duality, "canonical", "subquadratic",
                    of=r"\Omega\text{ at }c=1,\ \tau=\tfrac12"),
    ]  # fmt: skip


def _least(rng: "np.random.Generator", bounded: bool = True) -> Pair:
    lam, c, x = (float(rng.uniform(*ends)) for ends in ((0.2, 2), (0.1, 2), (0.05, 3)))

    def energy(share: Any) -> Any:  # η = share/λ
        rise = lam * c**2 / (1 - share) if bounded else lam * c**2 * (1 + share)
        return (x**2 * lam / share + rise) / 2

    return Pair(lam / 2 * (x + c) ** 2, zoomed(energy, 1e-9, 1 - 1e-9, rounds=9), {"λ": lam, "c": c, "w": x})


def _least_wrong(rng: "np.random.Generator") -> Pair:
    return _least(rng, bounded=False)


DUAL: Final = Claim(
    id="shakeout/dual",
    title="Shakeout's dual has a barrier at η = 1/λ",
    statement=r"For $w\ne0$, "
    r"$\tfrac\lambda2(|w|+c)^2=\tfrac12\min_{0<\eta<1/\lambda}[w^2/\eta+\lambda c^2/(1-\lambda\eta)]$ at "
    r"$\hat\eta=|w|/(\lambda(|w|+c))$. The dual $f(\eta)=\lambda c^2/(1-\lambda\eta)$ with $f(0)=0$ gives the jump of "
    r"the penalty at 0.",
    source=OURS,
    relation="equal",
    parameters={"λ": "λ > 0", "c": "c > 0"},
    derive=proof(_dual, "w, λ, c, u > 0", seconds=2),
    solve=numbers(_least, draws=60, control=_least_wrong, what="The penalty against the minimum over η on ever finer "
                  "grids; the control linearises f."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (MOMENTS, ELASTIC, PROX, DUAL)
