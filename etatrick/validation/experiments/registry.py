"""The published experiments by name; each module beside this one states its own."""

from typing import Final

from etatrick.theory.catalogue import Catalogue
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments import (
    deep_linear_nets,
    dropconnect_dropout,
    gates_l0,
    glm_dropout,
    last_layer_net,
    lenet,
    noise_recipe,
    sparseout_hoyer,
    sparseout_steps,
    structured_dropout,
)

_EXPERIMENTS: Final[tuple[Experiment, ...]] = (
    lenet.EXPERIMENT,
    structured_dropout.EXPERIMENT,
    dropconnect_dropout.EXPERIMENT,
    last_layer_net.EXPERIMENT,
    deep_linear_nets.EXPERIMENT,
    sparseout_hoyer.EXPERIMENT,
    sparseout_steps.EXPERIMENT,
    noise_recipe.EXPERIMENT,
    glm_dropout.EXPERIMENT,
    gates_l0.EXPERIMENT,
)

reproductions: Final = Catalogue("experiment", {experiment.name: experiment for experiment in _EXPERIMENTS})
