"""Figures by name: each draws itself from JSON-ready data in one style, without touching global state."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.figures.claims import claim_numbers, claim_trials
from etatrick.validation.figures.deep_linear import deep_phase, deep_phase_data, deep_shrinkage, deep_shrinkage_data
from etatrick.validation.figures.deep_runs import deep_linear_training
from etatrick.validation.figures.forms import duality_forms
from etatrick.validation.figures.gallery import (
    flip_side,
    flip_side_data,
    penalties_and_proxes,
    penalties_and_proxes_data,
)
from etatrick.validation.figures.gates import gates_l0
from etatrick.validation.figures.glm import glm_dropout
from etatrick.validation.figures.lenet import lenet_trajectories
from etatrick.validation.figures.recipes import noise_recipe
from etatrick.validation.figures.solutions import coefficient_paths
from etatrick.validation.figures.sparseout import sparseout_hoyer, sparseout_step_time
from etatrick.validation.figures.structured import (
    shrinkage,
    shrinkage_data,
    sliding_mask,
    sliding_mask_data,
    unit_balls,
    unit_balls_data,
)
from etatrick.validation.figures.structured_runs import dropblock_training, dropconnect_training, last_layer_values
from etatrick.validation.figures.training import digits_training, linear_agreement

if TYPE_CHECKING:
    from matplotlib.figure import Figure

catalogue = Catalogue(
    "figure",
    {
        "duality-forms": duality_forms,
        "coefficient-paths": coefficient_paths,
        "linear-agreement": linear_agreement,
        "digits-training": digits_training,
        "lenet-trajectories": lenet_trajectories,
        "penalties-and-proxes": penalties_and_proxes,
        "flip-side-figure-1": flip_side,
        "k-support-balls": unit_balls,
        "singular-value-shrinkage": shrinkage,
        "sliding-mask": sliding_mask,
        "deep-shrinkage": deep_shrinkage,
        "deep-phase": deep_phase,
        "dropblock-training": dropblock_training,
        "dropconnect-training": dropconnect_training,
        "last-layer-values": last_layer_values,
        "deep-linear-training": deep_linear_training,
        "sparseout-hoyer": sparseout_hoyer,
        "sparseout-step-time": sparseout_step_time,
        "claim-numbers": claim_numbers,
        "claim-trials": claim_trials,
        "noise-recipe": noise_recipe,
        "glm-dropout": glm_dropout,
        "gates-l0": gates_l0,
    },
)
GALLERY: Mapping[str, Callable[[], dict[str, Any]]] = {  # figures that need no report
    "penalties-and-proxes": penalties_and_proxes_data,
    "flip-side-figure-1": flip_side_data,
    "k-support-balls": unit_balls_data,
    "singular-value-shrinkage": shrinkage_data,
    "sliding-mask": sliding_mask_data,
    "deep-shrinkage": deep_shrinkage_data,
    "deep-phase": deep_phase_data,
}


def draw(name: str, data: Mapping[str, Any]) -> "Figure":
    """Draw a figure from the data of a finding.

    Parameters
    ----------
    name : str
        One of :data:`catalogue`.
    data : mapping
        The finding's data.

    Returns
    -------
    matplotlib.figure.Figure

    Raises
    ------
    InputError
        If there is no such figure.
    """
    return catalogue[name](data)
