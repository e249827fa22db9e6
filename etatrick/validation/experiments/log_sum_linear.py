"""Observed, linear: adaptive Gaussian and floored Bernoulli masks against the exact optimum, and a control."""

from typing import Any, Final

import numpy as np

from etatrick.numerics import solve
from etatrick.theory import penalties
from etatrick.theory.duality import Duality
from etatrick.validation.agreement import Agreement, equivalence
from etatrick.validation.claim import Setting
from etatrick.validation.data import diabetes
from etatrick.validation.experiments.log_sum_solutions import EPSILON, LAM

FLOOR: Final = 0.4  # high enough that the clamped optimum is over two margins away from the unclamped one
MARGIN: Final = 0.05  # of the largest exact coefficient; fixed before any run
SEEDS: Final = {"quick": 32, "full": 128}
STEPS: Final = {"quick": 1, "full": 4}  # multiples of the counts below


def gaussian(setting: Setting) -> dict[str, Any]:
    """Adaptive Gaussian masks; the target is the optimum of the log-sum penalty."""
    from etatrick.validation.layers import AdaptiveGaussian

    return _trained("gaussian", AdaptiveGaussian(_duality(), LAM), 60_000, 0.02, 5_000, setting)


def bernoulli(setting: Setting) -> dict[str, Any]:
    """Bernoulli masks with α ≥ floor; the target is the clamped penalty's optimum, and not the unclamped one."""
    from etatrick.validation.layers import AdaptiveBernoulli

    X, y, _ = diabetes()
    result = _trained("bernoulli", AdaptiveBernoulli(_duality(), LAM, FLOOR), 20_000, 0.05, 1_000, setting)
    unclamped = solve(X, y, _duality(), LAM).coef
    return {**result, "unclamped_agreement": _compared(result["coefs"], unclamped).to_json()}


def control(setting: Setting) -> dict[str, Any]:
    """Fixed-rate dropout at the mean retain probability of the exact solution; it must not reach its optimum."""
    from etatrick.validation.layers import FixedRate

    X, y, _ = diabetes()
    exact = solve(X, y, _duality(), LAM)
    retain = float(_duality().alpha_at(exact.coef, LAM).mean())
    mask = FixedRate(retain)
    result = _trained("control", mask, 20_000, 0.05, 1_000, setting)
    ridge, strength = mask.twin
    own = solve(X, y, ridge, strength)
    agreement = equivalence(np.array(result["coefs"]), own.coef, margin=MARGIN * float(np.abs(own.coef).max()))
    return {
        **result,
        "retain": retain,
        "own_target": own.coef.tolist(),
        "own_agreement": agreement.to_json(),
        "target": exact.coef.tolist(),
        "agreement": _compared(result["coefs"], exact.coef).to_json(),
    }


def _duality() -> Duality:
    return penalties["log_sum"](epsilon=EPSILON).duality


def _compared(coefs: Any, target: Any) -> Agreement:
    return equivalence(np.array(coefs), target, margin=MARGIN * float(np.abs(target).max()))


def _trained(label: str, mask: Any, steps: int, step_size: float, decay_steps: int, setting: Setting) -> dict[str, Any]:
    from etatrick.validation.linear_ensemble import train_linear_ensemble

    X, y, names = diabetes()
    duality, strength = mask.twin
    target = solve(X, y, duality, strength)
    factor = STEPS[setting.level]
    run = train_linear_ensemble(
        X, y, mask, seeds=SEEDS[setting.level], steps=factor * steps, step_size=step_size,
        decay_steps=factor * decay_steps, label=label, device=setting.device, progress=setting.progress,
    )  # fmt: skip
    return {
        "names": names,
        "target": target.coef.tolist(),
        "target_certificate": target.certificate.to_json(),
        "coefs": run.coefs.tolist(),
        "steps": factor * steps,
        "trace_steps": list(run.trace_steps),
        "trace": run.trace.tolist(),
        "agreement": _compared(run.coefs, target.coef).to_json(),
    }
