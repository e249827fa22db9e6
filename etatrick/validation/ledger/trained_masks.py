"""Claims on what stochastic training with adaptive masks converges to."""

from typing import TYPE_CHECKING, Any, Final

from etatrick.validation.claim import Claim, Setting
from etatrick.validation.ledger.theorems import OURS, SOURCE
from etatrick.validation.routes import Fact, Pair, Trial, numbers, proof, trained

if TYPE_CHECKING:
    import numpy as np

MARGIN: Final = 0.03  # of trained weights, in the units of the targets 1, 2, 3; fixed before any run
SEEDS: Final = {"quick": 24, "full": 96}
STEPS: Final = {"quick": 12_000, "full": 60_000}


def _two_losses() -> list[Fact]:
    import sympy as sp

    from etatrick.theory import derive, w
    from etatrick.validation.routes.facts import equal

    v, s, e = sp.symbols("v s e", positive=True)  # the mask is 1 + s·e

    def average(formula: Any) -> Any:
        parts = sp.expand(formula)
        return parts.coeff(e, 0) + parts.coeff(e, 2)  # E e = 0, E e² = 1

    loss = (v - w * (1 + s * e)) ** 2 / 2
    standout = derive(eta_hat="exp(w)").penalty
    return [
        equal(average(loss), (v - w) ** 2 / 2 + w**2 * s**2 / 2, "the mean loss of masks 1 + se with variance s²",
              r"\mathbb E\,\tfrac12(v-w(1+se))^2 = \tfrac12(v-w)^2+\tfrac12 w^2s^2"),
        equal(average(sp.diff(loss, w)), w - v + w * s**2, "its mean gradient in w with s held",
              r"\mathbb E\,\partial_w\tfrac12(v-w(1+se))^2 = w-v+w\,s^2"),
        equal(sp.Derivative(standout, w), w * sp.exp(-w), "for standout, s² = e^(−w), that gain is Ω′"),
        equal(sp.Derivative(w**2 * sp.exp(-w) / 2, w), (w - w**2 / 2) * sp.exp(-w),
              "differentiated through the rate, too, ½w²s² has this slope"),
    ]  # fmt: skip


def _mean_gradient(rng: "np.random.Generator") -> Pair:
    """Compare Ω′ + L′ with the mean of the detached gradient by Gauss–Hermite quadrature."""
    import numpy as np

    v, w = float(rng.uniform(0.5, 3)), float(rng.uniform(0.1, 3))
    node, weight = np.polynomial.hermite_e.hermegauss(20)
    mask = 1 + np.exp(-w / 2) * node
    return Pair(
        w - v + w * float(np.exp(-w)), float((-mask * (v - mask * w)) @ weight / weight.sum()), {"v": v, "w": w}
    )


def standout_trials(setting: Setting) -> dict[str, Trial]:
    """Train three weights with Gaussian masks of variance e^(−w), standout's: detached, differentiated, fixed.

    Parameters
    ----------
    setting : Setting

    Returns
    -------
    dict of str to Trial
        Tail averages, shape (seeds, 3), beside the minimisers; the targets of the weights are 1, 2 and 3.
    """
    import numpy as np

    from etatrick.validation.seeding import seed

    v, steps = np.array([1.0, 2.0, 3.0]), STEPS[setting.level]
    ends: dict[str, Any] = {}
    for index, name in enumerate(("detached", "differentiated", "fixed rate")):
        rng = np.random.default_rng(seed("trained masks", name))
        w = rng.uniform(0.5, 1.5, (SEEDS[setting.level], 3))
        total = np.zeros_like(w)
        for t in range(steps):
            scale = np.full_like(w, 0.5) if name == "fixed rate" else np.exp(-w / 2)
            noise = rng.standard_normal(w.shape)
            turn = 1 + noise * (scale * (1 - w / 2) if name == "differentiated" else scale)
            w = w - 0.03 / (1 + t / 2000) * turn * (w + scale * w * noise - v)
            total += w * (t >= steps // 2)
        ends[name] = total / (steps - steps // 2)
        setting.progress((index + 1) / 3)
    own, other = (root(v, k) for k in (0.0, 0.5))
    return {
        "detached → Ω": Trial(ends["detached"], own),
        "differentiated → its own": Trial(ends["differentiated"], other),
        "differentiated → Ω": Trial(ends["differentiated"], own, "differs"),
        "fixed rate → Ω": Trial(ends["fixed rate"], own, "differs"),
    }


def root(v: Any, share: float) -> Any:
    """Return the w with w + we^(−w) − share·w²e^(−w) = v, by bisection.

    Parameters
    ----------
    v : ndarray
        Targets > 0.
    share : float
        0 with the rate detached, ½ through it.

    Examples
    --------
    >>> import numpy as np
    >>> root(np.array([1 + np.exp(-1.0)]), 0.0).round(9).tolist()
    [1.0]
    """
    import numpy as np

    low, high = np.zeros_like(v), v + 1
    for _ in range(80):
        w = (low + high) / 2
        above = w + np.exp(-w) * (w - share * w * w) > v
        low, high = np.where(above, low, w), np.where(above, w, high)
    return low


STANDOUT: Final = Claim(
    id="flip-side/training-with-detached-rates",
    title="Training with masks reaches the penalised optimum if the rate is detached",
    statement=r"Stochastic gradient descent with masks of variance $(1-\alpha(w))/\alpha(w)$ converges to the "
    r"minimiser of $L+\Omega$ if $\alpha$ is detached, and to that of $L+\tfrac12w^2(1-\alpha)/\alpha$ if it is not.",
    source=f"{SOURCE}, adaptive dropout as SGD; the second half {OURS}",
    relation="equal",
    parameters={"α": "standout's, σ(w)", "w": "> 0", "L": "½(v − w)²"},
    derive=proof(_two_losses, "v, w, s > 0; E e = 0, E e² = 1"),
    solve=numbers(
        _mean_gradient,
        draws=60,
        what="L′ + Ω′ against the mean gradient over Gaussian "
        "masks, with the rate detached, by Gauss–Hermite quadrature.",
    ),
    observe=trained({"weights": (standout_trials, 4.0)}, margin=MARGIN),
    tolerance="FLOAT64 for means, TRAIN for training: margin 0.03 of weights between 0.6 and 3",
)

CLAIMS: Final = (STANDOUT,)
