"""The published experiments by name; each module beside this one states its own."""

from typing import Final

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.experiment import Experiment

_EXPERIMENTS: Final[tuple[Experiment, ...]] = ()

reproductions: Final = Catalogue("experiment", {experiment.name: experiment for experiment in _EXPERIMENTS})
