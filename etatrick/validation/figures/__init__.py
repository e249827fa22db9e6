"""Figures by name: each draws itself from JSON-ready data in one style, without touching global state."""

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.figures.deep_linear import deep_phase, deep_phase_data, deep_shrinkage, deep_shrinkage_data
from etatrick.validation.figures.forms import duality_forms
from etatrick.validation.figures.gallery import (
    flip_side,
    flip_side_data,
    penalties_and_proxes,
    penalties_and_proxes_data,
)
from etatrick.validation.figures.solutions import coefficient_paths
from etatrick.validation.figures.structured import (
    shrinkage,
    shrinkage_data,
    sliding_mask,
    sliding_mask_data,
    unit_balls,
    unit_balls_data,
)
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
        "penalties-and-proxes": penalties_and_proxes,
        "flip-side-figure-1": flip_side,
        "k-support-balls": unit_balls,
        "singular-value-shrinkage": shrinkage,
        "sliding-mask": sliding_mask,
        "deep-shrinkage": deep_shrinkage,
        "deep-phase": deep_phase,
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
