"""Claims on public code for Bridgeout: its deterministic versions of noise."""

from typing import TYPE_CHECKING, Final

from etatrick.validation.claim import Claim
from etatrick.validation.ledger.bridgeout_penalty import PAPER
from etatrick.validation.ledger.recipes_noise import mean_over, switches
from etatrick.validation.ledger.theorems import FORMAL
from etatrick.validation.routes import Fact, Pair, mismatch, refutation

if TYPE_CHECKING:
    import numpy as np


def _rectified(code: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.validation.routes.facts import equal

    m, s, n = sp.symbols("m s n", positive=True)  # s: the standard deviation, √v
    density = sp.exp(-((n - m) ** 2) / (2 * s**2)) / (s * sp.sqrt(2 * sp.pi))
    mean = sp.expand_func(sp.integrate(n * density, (n, 0, sp.oo))).rewrite(sp.erf)
    chance = (1 + sp.erf(m / ((s**2 if code else s) * sp.sqrt(2)))) / 2
    stated = m * chance + s * sp.exp(-(m**2) / (2 * s**2)) / sp.sqrt(2 * sp.pi)
    return [equal(mean, stated, "the mean of max(N, 0), integrated, with s = √v",
                  r"\int_0^\infty \frac{n\,e^{-(n-m)^2/(2s^2)}}{s\sqrt{2\pi}}\,dn = "
                  + (r"m\,\Phi(m/s^2)" if code else r"m\,\Phi(m/s)") + r"+s\,\varphi(m/s)")]  # fmt: skip


def _code() -> list[Fact]:
    return _rectified(True)


def _right() -> list[Fact]:
    return _rectified(False)


def _mean(rng: "np.random.Generator", code: bool = True) -> Pair:
    """Compare with quadrature of max(N, 0) for N normal with mean m and variance v."""
    import math

    from scipy.integrate import quad

    m, v = float(rng.uniform(-1.5, 1.5)), float(rng.choice([0.1, 0.3, 3.0, 6.0]))

    def density(z: float) -> float:
        return z * math.exp(-((z - m) ** 2) / (2 * v)) / math.sqrt(2 * math.pi * v)

    found = quad(density, 0, m + 14 * v**0.5, epsabs=1e-13, epsrel=1e-13)[0]
    chance = (1 + math.erf(m / ((v if code else v**0.5) * 2**0.5))) / 2
    return Pair(m * chance + math.sqrt(v / (2 * math.pi)) * math.exp(-(m**2) / (2 * v)), found, {"m": m, "v": v})


def _mean_right(rng: "np.random.Generator") -> Pair:
    return _mean(rng, code=False)


FAST: Final = Claim(
    id="bridgeout/deterministic-relu-mean",
    title="A public deterministic Bridgeout divides by the variance for the standard deviation",
    statement=r"$\mathbb E\max(N,0)=m\,\Phi(m/v)+\sqrt v\,\varphi(m/\sqrt v)$ for $N\sim\mathcal N(m,v)$, with the "
    r"distribution function $\Phi$ and the density $\varphi$ of $\mathcal N(0,1)$.",
    source=f"public code that accompanies {PAPER}, fast_bridgeout",
    relation="corrected",
    parameters={"v": "v > 0"},
    corrected=r"$\mathbb E\max(N,0)=m\,\Phi(m/\sqrt v)+\sqrt v\,\varphi(m/\sqrt v)$.",
    derive=refutation(_code, _right, "m > 0, v = s² > 0"),
    solve=mismatch(_mean, _mean_right, draws=40, what="Both formulas against quadrature."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)


def _paired(scaled: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    x, c, e = sp.symbols("x c e", positive=True)
    p = 1 / (1 + c)
    spread = mean_over((x * w * e) ** 2, e, c)  # of ρ·x·w about its mean x·w, where ρ = 1 + e
    raw = mean_over((p * (1 + e) * x * w - p * x * w) ** 2, e, c)
    law = r"\tfrac{1-p}{p}\,x^2w^2" if scaled else r"p(1-p)\,x^2w^2"
    facts = [
        equal(
            spread,
            (x * w) ** 2 * ((1 - p) / p if scaled else p * (1 - p)),
            "the variance that belongs to the mean xw: one weight, ρ = 0 or 1/p",
            rf"\mathbb E(\rho xw-xw)^2 = {law},\quad p=\tfrac{{1}}{{1+c}}",
        )
    ]
    return [*facts, equal(raw, p * (1 - p) * (x * w) ** 2, "that of raw masks, 0 or 1, about their mean pxw",
                          r"\mathbb E(p\rho\,xw-pxw)^2 = p(1-p)\,x^2w^2")] if scaled else facts  # fmt: skip


def _said_unscaled() -> list[Fact]:
    return _paired(False)


def _truly_scaled() -> list[Fact]:
    return _paired(True)


def _second(rng: "np.random.Generator", scaled: bool = False) -> Pair:
    x, w, p = rng.standard_normal(3), rng.standard_normal(3), float(rng.uniform(0.1, 0.9))
    xi, chance = switches(3, p)
    stated = float((x * w) @ (x * w)) * ((1 - p) / p if scaled else p * (1 - p))
    return Pair(stated, float(chance @ (xi @ (x * w)) ** 2), {"p": p})


def _second_right(rng: "np.random.Generator") -> Pair:
    return _second(rng, scaled=True)


DETERMINISTIC: Final = Claim(
    id="noise/deterministic-dropout-variance",
    title="Deterministic dropout pairs the mean xw with the variance (1 − p)/p, not p(1 − p)",
    statement=r"As coded: the normal pre-activations that replace dropout have mean $\sum_jx_jw_j$ and variance "
    r"$p(1-p)\sum_jx_j^2w_j^2$.",
    source="public code that accompanies Khan, Shah, Stavness 2018, fast_dropout",
    relation="corrected",
    parameters={"p": "0 < p < 1, the retain probability"},
    corrected=r"Masks scaled by $1/p$ have mean $\sum_jx_jw_j$ and variance $\tfrac{1-p}{p}\sum_jx_j^2w_j^2$; "
    r"$p(1-p)$ belongs to raw masks, whose mean is $p\sum_jx_jw_j$.",
    derive=refutation(_said_unscaled, _truly_scaled, "x, w > 0, c = (1 − p)/p"),
    solve=mismatch(_second, _second_right, draws=40, what="Both variances against the mean over all masks."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)

CLAIMS: Final = (FAST, DETERMINISTIC)
