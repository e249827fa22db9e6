"""Figures by name: each draws itself from JSON-ready data in one style, without touching global state."""

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.figures.forms import duality_forms
from etatrick.validation.figures.solutions import coefficient_paths
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
    },
)


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
