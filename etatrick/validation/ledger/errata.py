"""Claims that are false or imprecise as published or as read, each with its witness and the statement that holds."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Absent, Claim
from etatrick.validation.ledger.combining import least_energy
from etatrick.validation.ledger.theorems import FORMAL, OURS
from etatrick.validation.routes import Fact, Pair, mismatch, refutation

if TYPE_CHECKING:
    import numpy as np

CODE: Final = "LeJeune, Javadi, Baraniuk 2021, the authors' published code"


def _square_dual(sign: int) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, w
    from etatrick.validation.routes.facts import equal

    e = sp.Symbol("epsilon", positive=True)
    dual = 2 * sp.log(2 * eta) - 2 + sign * e / eta
    penalty = sp.log(w**2 + e)
    rule = (w**2 + e) / 2
    return [equal(sp.Subs(dual, eta, rule), 2 * penalty - w * sp.Derivative(penalty, w), "f(η̂) = 2Ω − wΩ′ with "
                  "η̂ = (w² + ε)/2, for Ω = log(w² + ε)", rf"f(\hat\eta) = 2\Omega-w\Omega',\quad "
                  rf"f(\eta) = 2\log2\eta-2{'+' if sign > 0 else '-'}\varepsilon/\eta")]  # fmt: skip


def _printed_square() -> list[Fact]:
    return _square_dual(-1)


def _right_square() -> list[Fact]:
    return _square_dual(1)


def _log_square(rng: "np.random.Generator", sign: int = -1) -> Pair:
    import numpy as np

    e, x = float(10 ** rng.uniform(-1, 1)), float(10 ** rng.uniform(-0.5, 1))

    def dual(eta: Any) -> Any:  # f is 2log ε below η = ε/2
        return np.where(eta >= e / 2, 2 * np.log(2 * eta) - 2 + sign * e / eta, 2 * np.log(e))

    return Pair(float(np.log(x * x + e)), least_energy(x, dual), {"ε": e, "w": x})


def _log_square_right(rng: "np.random.Generator") -> Pair:
    return _log_square(rng, sign=1)


LOG_SQUARE: Final = Claim(
    id="errata/log-square-dual",
    title="The dual of log(w² + ε) has the wrong sign in the published code",
    statement=r"The dual of $\log(w^2+\varepsilon)$ is $2\log2\eta-2-\varepsilon/\eta$.",
    source=f"{CODE}, Log2Sum (used in no figure)",
    relation="corrected",
    parameters={"ε": "ε > 0"},
    corrected=r"$f(\eta)=2\log2\eta-2+\varepsilon/\eta$ for $\eta\ge\varepsilon/2$, and $2\log\varepsilon$ below.",
    derive=refutation(_printed_square, _right_square, "w, ε > 0"),
    solve=mismatch(_log_square, _log_square_right, draws=40, what="log(w² + ε) against the minimum over η."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _torch_dual(times: int) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal

    s = sp.sqrt(1 + 4 * w * (w + 1))  # S at η = w(w + 1), ε = 1
    dual = 2 * sp.log((s + 1) / 2) - times * (s - 1) / (s + 1)
    return [
        equal(
            dual,
            2 * sp.log(1 + w) - w / (1 + w),
            "f(η̂) = 2Ω − wΩ′ with η̂ = w(w + 1), where S = 2w + 1, for Ω = log(1 + w)",
            rf"f(\hat\eta) = 2\Omega-w\Omega',\quad f = 2\log\tfrac{{S+1}}2-{times if times > 1 else ''}"
            r"\tfrac{S-1}{S+1},\ S=\sqrt{1+4\eta}",
        )
    ]


def _doubled() -> list[Fact]:
    return _torch_dual(2)


def _single() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta
    from etatrick.validation.routes.facts import equal, tends

    s = sp.sqrt(1 + 4 * eta)
    doubled = 2 * sp.log((s + 1) / 2) - 2 * (s - 1) / (s + 1)
    return [*_torch_dual(1),
            equal(eta**2 * sp.Derivative(doubled, eta), (s - 1) ** 3 / (4 * s), "the doubled dual imposes "
                  "w² = η²f′", r"\eta^2f'(\eta) = \tfrac{(S-1)^3}{4S},\quad f = 2\log\tfrac{S+1}2-2\tfrac{S-1}{S+1}"),
            tends(sp.diff(doubled, eta), eta, 0, 0, "its slope Ω′ = √f′ vanishes at 0: no kink, no exact zeros",
                  r"\lim_{\eta\to0^+}f'(\eta) = 0")]  # fmt: skip


def _minimised(rng: "np.random.Generator", times: int = 2) -> Pair:
    import numpy as np

    x = float(10 ** rng.uniform(-1, 1))

    def dual(eta: Any) -> Any:
        s = np.sqrt(1 + 4 * eta)
        return 2 * np.log((s + 1) / 2) - times * (s - 1) / (s + 1)

    return Pair(float(np.log1p(x)), least_energy(x, dual), {"w": x})


def _minimised_right(rng: "np.random.Generator") -> Pair:
    return _minimised(rng, times=1)


TORCH_DUAL: Final = Claim(
    id="errata/log-sum-dual-doubled",
    title="The η-trick run of the published experiment minimises another penalty",
    statement=r"The training code's dual $2[\log\tfrac{S+\varepsilon}2-\tfrac{(S-\varepsilon)^2}{4\eta}]$, "
    r"$S=\sqrt{\varepsilon^2+4\eta}$, is that of the log-sum penalty.",
    source=f"{CODE}, torch form used for the reported η-trick run",
    relation="corrected",
    parameters={"ε": "1 here; other values by scaling"},
    corrected=r"Only the logarithm is doubled: $2\log\tfrac{S+\varepsilon}2-\tfrac{(S-\varepsilon)^2}{4\eta}$. The "
    r"published form imposes $w^2=(S-\varepsilon)^3/4S$: no kink at 0.",
    derive=refutation(_doubled, _single, "w > 0, ε = 1"),
    solve=mismatch(_minimised, _minimised_right, draws=40, what="log(1 + w) against the minimum over η."),
    observe=Absent("networks with the correct dual are trained under flip-side/log-sum-duality"),
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _harmless() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import tends

    k = sp.Symbol("kappa", positive=True)
    charge = k * sp.log(w) + k / 2 * (1 - sp.log(k))
    return [tends(charge, w, 0, 0, "the decay charges nothing at w = 0", r"\lim_{w\to0^+}[\kappa\log w+\tfrac\kappa2"
                  r"(1-\log\kappa)] = 0")]  # fmt: skip


def _own_penalty() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import eta, w
    from etatrick.validation.routes.facts import at_least, equal, tends

    k, t, x = sp.symbols("kappa t x", positive=True)
    charge = k * sp.log(w) + k / 2 * (1 - sp.log(k))
    energy = (w**2 / eta + k * sp.log(eta)) / 2
    return [
        equal(sp.Subs(sp.Derivative(energy, eta), eta, w**2 / k), 0, "the energy is stationary at η = w²/κ"),
        equal(sp.Subs(energy, eta, w**2 / (k * t)) - charge, k / 2 * (t - 1 - sp.log(t)), "at η = w²/(κt) it exceeds "
              "its value there by ½κ(t − 1 − log t)",
              r"\tfrac12[w^2/\eta+\kappa\log\eta]-[\kappa\log w+\tfrac\kappa2(1-\log\kappa)] = "
              r"\tfrac\kappa2(t-1-\log t)"),
        at_least(sp.exp(x) - 1 - x, 0, "which is not negative at t = exp(x) > 1", rising=x),
        at_least(sp.exp(-x) - 1 + x, 0, "nor at t = exp(−x) < 1: this value is the least energy", rising=x),
        tends(charge, w, 0, -sp.oo, "which is unbounded below at 0", r"\lim_{w\to0^+}[\kappa\log w+"
              r"\tfrac\kappa2(1-\log\kappa)] = -\infty"),
    ]  # fmt: skip


def _decayed(rng: "np.random.Generator", own: bool = False) -> Pair:
    import numpy as np

    k, x = float(10 ** rng.uniform(-3, 0)), float(10 ** rng.uniform(-3, 0))
    found = least_energy(x, lambda eta: k * np.log(eta))
    return Pair(k * float(np.log(x)) + k / 2 * (1 - float(np.log(k))) if own else 0.0, found, {"κ": k, "w": x})


def _decayed_own(rng: "np.random.Generator") -> Pair:
    return _decayed(rng, own=True)


DECAY: Final = Claim(
    id="errata/decay-on-log-eta",
    title="A weight decay on log η is a penalty of its own",
    statement=r"The decay $\kappa\log\eta$ of the η-trick run steadies the scales and leaves the penalty as it is.",
    source=f"{CODE}, the decay $10^{{-3}}$ of the η-trick run",
    relation="corrected",
    parameters={"κ": "κ > 0"},
    corrected=r"$f=\kappa\log\eta$ is the η-trick of $\kappa\log|w|+\tfrac\kappa2(1-\log\kappa)$, unbounded below at "
    r"0: it alone drives weights to 0.",
    derive=refutation(_harmless, _own_penalty, "w, κ > 0"),
    solve=mismatch(_decayed, _decayed_own, draws=40, what="The charge of the decay, minimised over η."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip


def _through(alpha_is_fixed: bool) -> list[Fact]:
    import sympy as sp

    from etatrick.theory import w
    from etatrick.validation.routes.facts import equal, tends

    penalty, gain = 1 - (1 + w) * sp.exp(-w), w**2 * sp.exp(-w) / 2
    a, p = sp.symbols("alpha p", positive=True)
    charge, sigmoid = w**2 * (1 - a) / (2 * a), 1 / (1 + sp.exp(-w))
    if not alpha_is_fixed:
        return [
            equal(sp.Derivative(gain, w), sp.Derivative(penalty, w), "the gradient of ½w²(1 − α)/α through α is Ω′")
        ]
    return [
        equal(
            sp.Subs(sp.Derivative(charge, w), a, sigmoid), sp.Derivative(penalty, w), "with α held the gradient is Ω′"
        ),
        equal(sp.Subs(charge, a, sigmoid), gain, "through α the loss gains ½w²e^(−w)"),
        equal(sp.Derivative(gain, w), w * (2 - w) * sp.exp(-w) / 2, "which falls beyond w = 2"),
        tends(gain, w, sp.oo, 0, "to 0"),
        equal(w * sp.Derivative(w**p, w) / 2, p / 2 * w**p, "for ℓp the gain ½w²(1 − α)/α = ½wΩ′ is p/2 times Ω = w^p"),
    ]


def _gradient_through() -> list[Fact]:
    return _through(False)


def _gradient_detached() -> list[Fact]:
    return _through(True)


def _autograd(rng: "np.random.Generator", detach: bool = False) -> Pair:
    """Differentiate ½w²(1−α)/α at α = σ(w) by a complex step, exact to rounding; a detached α is held real."""
    import numpy as np

    x, step = float(rng.uniform(0.2, 4)), 1e-30
    w = x + 1j * step
    noise = np.exp(-(x if detach else w))
    return Pair(x * float(np.exp(-x)), float((w**2 * noise / 2).imag / step), {"w": x})


def _autograd_detached(rng: "np.random.Generator") -> Pair:
    return _autograd(rng, detach=True)


STOP: Final = Claim(
    id="errata/gradient-through-the-rate",
    title="The duality needs a detached retain probability",
    statement=r"Training with masks at $\alpha(w)$ minimises $L+\lambda\Omega$, whether or not gradients flow through "
    r"$\alpha$.",
    source=OURS,
    relation="corrected",
    parameters={"w": "w > 0", "α": "standout's σ(w) in the proof"},
    corrected=r"Only with $\alpha$ detached. Through $\alpha$ the expected loss gains $\tfrac12w^2(1-\alpha)/\alpha$: "
    r"for $\ell_p$ that is $p/2$ times the penalty, for standout $\tfrac12w^2e^{-w}$, which tends to 0.",
    derive=refutation(_gradient_through, _gradient_detached, "w > 0, α = σ(w)"),
    solve=mismatch(_autograd, _autograd_detached, draws=40, what="Ω′ = we^(−w) against the derivative of the charge."),
    observe=FORMAL,
    tolerance="FLOAT64: 1e-10, scaled by 1 + |v|",
)  # fmt: skip

CLAIMS: Final = (LOG_SQUARE, TORCH_DUAL, DECAY, STOP)
