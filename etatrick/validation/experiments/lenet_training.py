"""One method of the LeNet experiment on stacked seeds: non-zeros by two definitions and the error, per epoch."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.validation.data import Split
from etatrick.validation.methods import Method, Training
from etatrick.validation.network import StackedNetwork
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from etatrick.validation.claim import Progress

Start = Callable[[tuple[int, ...], list[int]], StackedNetwork]
LEAST_RETAIN: Final = 0.05  # a weight whose retain probability is below this is zero, as published


@final
@dataclass(frozen=True)
class Recipe:
    """A method with its published learning rate and its start.

    Parameters
    ----------
    method : Method
    learning_rate : float
        Of the first epoch; it falls linearly to 0.
    start : callable
        Takes the widths and one seed per network, returns the networks.
    """

    method: Method
    learning_rate: float
    start: Start = StackedNetwork.initialised


@final
@dataclass(frozen=True)
class Schedule:
    """What all methods share: seeds, epochs, batch size, widths of the hidden layers, and the |w| that counts as 0."""

    seeds: int
    epochs: int
    threshold: float
    batch_size: int = 128
    hidden: tuple[int, ...] = (300, 100)


def normal_start(spread: float) -> Start:
    """Return the start with weights N(0, spread²) and biases 0; 0.02 is published for variational dropout."""

    def started(widths: tuple[int, ...], seeds: list[int]) -> StackedNetwork:
        network = StackedNetwork.initialised(widths, seeds)
        generators = [torch.Generator().manual_seed(s) for s in seeds]
        with torch.no_grad():
            for weight in network.weights:
                for part, generator in zip(weight, generators, strict=True):
                    part.normal_(std=spread, generator=generator)
        return network

    return started


def trained(recipe: Recipe, data: Split, schedule: Schedule, progress: "Progress") -> dict[str, Any]:
    """Train one network per seed on `data` less a validation part, and count non-zeros and errors.

    Seed 3 of five is the same run as seed 3 of fifty, and all methods see the same batches in the same order. Errors
    are those of the pruned network: weights whose retain probability is below 0.05 are 0.

    Parameters
    ----------
    recipe : Recipe
    data : Split
        A fifth of its training part is set aside for the validation error.
    schedule : Schedule
    progress : callable
        Told the fraction done after each epoch.

    Returns
    -------
    dict
        ``nonzero`` and ``large`` (epochs × seeds): fraction of weights with retain probability ≥ 0.05, and with
        |w| above the threshold; ``error`` (epochs × seeds) on the validation part; ``test_error``, ``mean_size``
        (seeds): at the end; ``steps``: per epoch.

    Raises
    ------
    InputError
        If a network diverges.
    """
    inner = data.with_validation()
    inputs, labels, held_inputs, held_labels = inner.tensors("cpu")
    widths = (inputs.shape[1], *schedule.hidden, data.classes)
    network = recipe.start(widths, [seed("initial weights", s) for s in range(schedule.seeds)])
    noise = [torch.Generator().manual_seed(seed("noise", s)) for s in range(schedule.seeds)]
    orders = [torch.Generator().manual_seed(seed("batches", s)) for s in range(schedule.seeds)]
    training = recipe.method.begin(network, recipe.learning_rate, noise)
    history: dict[str, list[list[float]]] = {"nonzero": [], "large": [], "error": []}
    with _without_denormals():
        for epoch in range(schedule.epochs):
            training.set_rate(recipe.learning_rate * (1 - epoch / schedule.epochs))
            order = torch.stack([torch.randperm(len(inputs), generator=g) for g in orders])
            for batch in torch.split(order, schedule.batch_size, dim=1):
                _step(network, training, inputs[batch], labels[batch])
            pruned = _pruned(network, training)
            history["nonzero"].append(_fraction(pruned, 0.0, network.size))
            history["large"].append(_fraction(network.weights, schedule.threshold, network.size))
            history["error"].append(_errors(network, pruned, held_inputs, held_labels))
            if not all(bool(torch.isfinite(weight).all()) for weight in network.weights):
                raise InputError(recipe.method.name, f"diverged in epoch {epoch + 1}", "choose a smaller learning rate")
            progress((epoch + 1) / schedule.epochs)
    _, _, test_inputs, test_labels = data.tensors("cpu")
    sizes = torch.stack([weight.detach().abs().sum((1, 2)) for weight in network.weights]).sum(0) / network.size
    rounded = {name: [[round(x, 6) for x in row] for row in rows] for name, rows in history.items()}
    return {
        "method": recipe.method.name,
        **rounded,
        "test_error": _errors(network, _pruned(network, training), test_inputs, test_labels),
        "mean_size": [round(x, 8) for x in sizes.tolist()],
        "steps": -(-len(inputs) // schedule.batch_size),
        "learning_rate": recipe.learning_rate,
    }


def _step(network: StackedNetwork, training: Training, inputs: Tensor, labels: Tensor) -> None:
    training.optimizer.zero_grad()
    logits = training.logits(network, inputs)
    classes = logits.shape[-1]
    # the sum over seeds of means, so that seeds do not interact
    mean = nn.functional.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1))
    (mean * logits.shape[0]).backward()  # type: ignore[no-untyped-call]
    training.add_gradient()
    training.optimizer.step()
    training.after_step()


@torch.no_grad()
def _pruned(network: StackedNetwork, training: Training) -> list[Tensor]:
    """Return the weights, with 0 where the retain probability is below 0.05."""
    alphas = training.retain_probabilities()
    return [torch.where(a >= LEAST_RETAIN, p.detach(), 0.0) for p, a in zip(network.weights, alphas, strict=True)]


def _fraction(weights: Any, threshold: float, size: int) -> list[float]:
    counts = torch.stack([(weight.detach().abs() > threshold).sum((1, 2)) for weight in weights]).sum(0)
    return [count / size for count in counts.tolist()]


@torch.no_grad()
def _errors(network: StackedNetwork, weights: list[Tensor], inputs: Tensor, labels: Tensor) -> list[float]:
    seeds = weights[0].shape[0]
    wrong = network(inputs.expand(seeds, -1, -1), weights).argmax(-1) != labels
    return [float(share) for share in wrong.to(torch.float64).mean(1)]


@contextmanager
def _without_denormals() -> Iterator[None]:
    """Take numbers below 1e-38 for 0: moments of weights without gradient decay into them and slow Adam a lot."""
    torch.set_flush_denormal(True)
    try:
        yield
    finally:
        torch.set_flush_denormal(False)
