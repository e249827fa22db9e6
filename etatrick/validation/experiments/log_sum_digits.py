"""Observed, networks: four methods for one penalty on digits, with non-zeros and test error per epoch."""

from typing import Any, Final

import numpy as np

from etatrick.theory import penalties
from etatrick.theory.symbols import w
from etatrick.validation.agreement import equivalence
from etatrick.validation.claim import Results, Setting
from etatrick.validation.data import digits

EPSILON: Final = 0.05  # small enough that trained weights feel the bend: at ε = 2 log-sum cannot be told from ℓ1
LAM: Final = 2.5e-5
PRUNE_ALPHA: Final = 0.05  # a weight counts as zero where α = η̂/(η̂+λ) is below this
# margins, fixed before any run
NONZERO_MARGIN: Final = 0.02  # fraction of weights
ERROR_MARGIN: Final = 0.01  # test error
SIZE_MARGIN: Final = 0.095  # log of the mean |w|, about ten per cent
SEEDS: Final = {"quick": 5, "full": 20}
EPOCHS: Final = 200
REFERENCE: Final = "LogSum"
CONTROLS: Final = ("fixed rate", "ℓ1 of equal slope")


def threshold() -> float:
    """Return the |w| at which α(w) = PRUNE_ALPHA: the same zero for every method."""
    import sympy as sp

    level = LAM * PRUNE_ALPHA / (1 - PRUNE_ALPHA)
    (root,) = [r for r in sp.solve(_duality().eta_hat - sp.Rational(repr(level)), w) if r.is_positive]
    return float(root)


def log_sum(setting: Setting) -> dict[str, Any]:
    """Plain gradient descent on the log-sum penalty: the reference."""
    from etatrick.validation.methods import PenaltyGradient

    return _trained(PenaltyGradient(_duality(), LAM, REFERENCE), setting)


def ada_tikhonov(setting: Setting) -> dict[str, Any]:
    """Ridge with weights from detached retain probabilities."""
    from etatrick.validation.methods import AdaTikhonov

    return _trained(AdaTikhonov(_duality(), LAM), setting)


def ada_prox(setting: Setting) -> dict[str, Any]:
    """Gradient step, then shrinking by the retain probability."""
    from etatrick.validation.methods import AdaProx

    return _trained(AdaProx(_duality(), LAM), setting)


def eta_trick(setting: Setting) -> dict[str, Any]:
    """Joint descent on weights and log η with the correct dual."""
    from etatrick.validation.methods import EtaTrick

    return _trained(EtaTrick(_duality(), LAM), setting)


def fixed_rate(setting: Setting) -> dict[str, Any]:
    """Fixed-rate dropout at the mean retain probability of the weights that the reference kept."""
    from etatrick.validation.methods import FixedRateDropout

    retain = float(np.mean(setting.finished[REFERENCE]["mean_alpha_kept"]))
    return {**_trained(FixedRateDropout(retain, CONTROLS[0]), setting), "retain": retain}


def equal_slope(setting: Setting) -> dict[str, Any]:
    """Use the ℓ1 penalty with log-sum's slope at 0: the same pull near 0, but no bend."""
    from etatrick.validation.methods import PenaltyGradient

    twin = penalties["l1"](k=1 / EPSILON).duality
    return _trained(PenaltyGradient(twin, LAM, CONTROLS[1]), setting)


def compared(results: Results, name: str) -> dict[str, dict[str, Any]]:
    """Return the paired equivalence tests of the last epoch against the reference."""
    margins = {"nonzero": NONZERO_MARGIN, "error": ERROR_MARGIN, "size": SIZE_MARGIN}
    mine, reference = _last(results[name]), _last(results[REFERENCE])
    return {
        measure: equivalence(mine[measure] - reference[measure], margin=margin).to_json()
        for measure, margin in margins.items()
    }


def _last(result: Results) -> dict[str, Any]:
    """Return the measures of the last epoch per seed: fractions, and the log of the mean |w|."""
    last = {measure: np.array(result[measure][-1]) for measure in ("nonzero", "error")}
    return {**last, "size": np.log(np.array(result["mean_size"]))}


def _duality() -> Any:
    return penalties["log_sum"](epsilon=EPSILON).duality


def _trained(method: Any, setting: Setting) -> dict[str, Any]:
    from etatrick.validation.ensemble import train_ensemble
    from etatrick.validation.network import StackedNetwork

    statistics: dict[str, list[float]] = {}

    def mean_alpha(network: StackedNetwork) -> None:
        sizes = np.concatenate([weight.detach().flatten(1).abs().cpu().numpy() for weight in network.weights], axis=1)
        alpha, kept = _duality().alpha_at(sizes, LAM), sizes > threshold()
        statistics["mean_alpha_kept"] = (np.where(kept, alpha, 0).sum(1) / kept.sum(1)).tolist()

    run = train_ensemble(
        method, digits(), seeds=SEEDS[setting.level], epochs=EPOCHS, threshold=threshold(),
        device=setting.device, progress=setting.progress, final_network=mean_alpha,
    )  # fmt: skip
    return {**run.to_json(), **statistics}
