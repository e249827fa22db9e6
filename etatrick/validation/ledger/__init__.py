"""The claims of the literature; each module beside this one holds those of one source or topic, as ``CLAIMS``."""

from importlib import import_module
from typing import Final

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.claim import Claim

SOURCES: Final = (
    "flip_side", "theorems", "sparsity", "combining", "transforms", "algorithms", "trained_masks", "noise_rules",
    "gate_rules", "gate_priors", "schedules", "structures", "linear_models", "errata", "readings",
    "recipes_noise", "recipes_products", "sparseout_penalty", "sparseout_scale",
    "bridgeout_penalty", "bridgeout_code",
    "shakeout_penalty", "shakeout_gradients", "local_noise", "glm_penalty", "glm_logistic",
    "thresholds_scalar", "thresholds_vector", "rvsm_splitting", "rvsm_network", "gates_bounds", "gates_estimates",
    "gates_training", "gates_beta_bernoulli", "variational_kl", "variational_structured", "concrete_relaxed",
    "targeted_rules", "increg",
    "structured_counts", "structured_trained",
    "structured_masks", "structured_norms", "structured_scales", "structured_minima", "structured_widths",
    "structured_attainment", "structured_errata", "structured_last_layer", "deep_linear_costs", "deep_linear_optima",
)  # fmt: skip


def _gathered() -> dict[str, Claim]:
    """Return the claims of all sources by id."""
    listed: list[Claim] = [claim for name in SOURCES for claim in import_module(f"{__name__}.{name}").CLAIMS]
    found = {claim.id: claim for claim in listed}
    if len(found) < len(listed):
        raise ValueError("two claims share an id")
    return found


claims: Final = Catalogue("claim", _gathered())
