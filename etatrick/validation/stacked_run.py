"""One stacked training run: its members in one batch, epoch by epoch, with a state that can be saved and restored."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from etatrick.validation.data import Split
from etatrick.validation.methods import Method, Training
from etatrick.validation.methods.training import own_weights
from etatrick.validation.network import StackedNetwork
from etatrick.validation.seeding import seed
from etatrick.validation.trajectory import Member

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Arrays = dict[str, NDArray[Any]]


@final
@dataclass(frozen=True)
class Recipe:
    """What a stacked run trains, on what and for how long.

    Parameters
    ----------
    method_at : callable
        From a member's grid parameters to its method and learning rate.
    data : Split
    hidden : tuple of int
    epochs, batch_size : int
    threshold : float
    """

    method_at: Callable[[Mapping[str, float]], tuple[Method, float]]
    data: Split
    hidden: tuple[int, ...]
    epochs: int
    batch_size: int
    threshold: float


@final
class StackedRun:
    """The members of one batch: members of one grid point that follow each other share a training object.

    Parameters
    ----------
    recipe : Recipe
    members : sequence of Member
    device : str
    """

    def __init__(self, recipe: Recipe, members: Sequence[Member], device: str) -> None:
        self.recipe, self.members, self.device = recipe, tuple(members), device
        self.tensors = recipe.data.tensors(device)
        widths = (self.tensors[0].shape[1], *recipe.hidden, recipe.data.classes)
        starts = [seed("initial weights", member.seed) for member in members]
        self.network = StackedNetwork.initialised(widths, starts, device)
        self.noise = [torch.Generator().manual_seed(seed("noise", member.seed)) for member in members]
        self.numbers = sorted({member.seed for member in members})
        self.orders = {number: torch.Generator().manual_seed(seed("batches", number)) for number in self.numbers}
        self.groups = [self._begun(first, last) for first, last in _stretches(members)]
        shape = (recipe.epochs, len(members))
        self.stack = [*self.network.weights, *self.network.biases]
        self.epoch, self.nonzero, self.error = 0, np.full(shape, np.nan), np.full(shape, np.nan)
        self.alive = np.ones(len(members), dtype=np.bool_)

    def advance(self) -> None:
        """Train for one epoch and record it; members that diverge are marked and leave the others alone."""
        inputs, labels, test_inputs, test_labels = self.tensors
        drawn = {number: torch.randperm(len(inputs), generator=self.orders[number]) for number in self.numbers}
        order = torch.stack([drawn[member.seed] for member in self.members]).to(self.device)
        living = [group for group in self.groups if self.alive[group.first : group.last].any()]
        for group in living:
            group.training.set_rate(group.rate * (1 - self.epoch / self.recipe.epochs))
        for begin in range(0, len(inputs), self.recipe.batch_size):
            batch = order[:, begin : begin + self.recipe.batch_size]
            self._step(living, inputs[batch], labels[batch])
        self.alive &= self.network.finite().cpu().numpy()
        for record, values in (
            (self.nonzero, self.network.nonzero_fraction(self.recipe.threshold)),
            (self.error, self.network.error(test_inputs, test_labels)),
        ):
            record[self.epoch] = np.where(self.alive, values.cpu().numpy(), np.nan)
        self.epoch += 1

    def mean_size(self) -> "NDArray[np.float64]":
        """Return the mean |w| of each member, NaN for those that diverged."""
        found = self.network.mean_size().cpu().numpy().astype(np.float64)
        return np.where(self.alive, found, np.nan)

    def state(self) -> "Arrays":
        """Return everything that the rest of the run depends on, and the record so far."""
        arrays = {name: tensor.detach().cpu().numpy() for name, tensor in self._named()}
        for name, generator in self._generators():
            arrays[name] = generator.get_state().numpy()
        record = {"nonzero": self.nonzero, "error": self.error, "alive": self.alive, "epoch": np.array(self.epoch)}
        return arrays | record

    def restore(self, arrays: "Arrays") -> None:
        """Continue from a state of the same run."""
        with torch.no_grad():
            for name, optimizer in self._optimizers():
                _restore_optimizer(optimizer, name, arrays)
            for name, tensor in self._named():
                tensor.copy_(torch.from_numpy(arrays[name]))
        for name, generator in self._generators():
            generator.set_state(torch.from_numpy(arrays[name]))
        self.nonzero, self.error, self.alive = (arrays[name].copy() for name in ("nonzero", "error", "alive"))
        self.epoch = int(arrays["epoch"])

    def _begun(self, first: int, last: int) -> "_Group":
        method, rate = self.recipe.method_at(dict(self.members[first].parameters))
        network = self.network.part(first, last)
        return _Group(first, last, network, method.begin(network, rate, self.noise[first:last]), rate)

    def _step(self, living: "list[_Group]", inputs: Tensor, labels: Tensor) -> None:
        for group in living:
            group.training.optimizer.zero_grad()
        plain = all(group.is_plain for group in self.groups)
        if plain:  # one pass for all; each group then sees its rows of the gradient
            for parameter in self.stack:
                parameter.grad = None
            logits = self.network(inputs)
        else:
            parts = (group.training.logits(group.network, inputs[group.first : group.last]) for group in self.groups)
            logits = torch.cat(list(parts)) if len(self.groups) > 1 else next(parts)
        _loss(logits, labels).backward()  # type: ignore[no-untyped-call]
        for group in living:
            for parameter, whole in zip(group.parameters, self.stack, strict=True) if plain else ():
                parameter.grad = None if whole.grad is None else whole.grad[group.first : group.last]
            group.training.add_gradient()
            group.training.optimizer.step()
            group.training.after_step()

    def _optimizers(self) -> list[tuple[str, torch.optim.Optimizer]]:
        found = []
        for index, group in enumerate(self.groups):
            found.append((f"{index}.optimizer", group.training.optimizer))
            if group.training.auxiliary is not None:
                found.append((f"{index}.auxiliary", group.training.auxiliary))
        return found

    def _named(self) -> list[tuple[str, Tensor]]:
        """Name every tensor of the state: the networks, what optimisers step and keep, and what methods keep."""
        named: list[tuple[str, Tensor]] = [(f"network.{index}", tensor) for index, tensor in enumerate(self.stack)]
        stacked = {parameter.data_ptr() for group in self.groups for parameter in group.parameters}
        for name, optimizer in self._optimizers():
            for index, parameter in enumerate(_parameters(optimizer)):
                if parameter.data_ptr() not in stacked:  # the network's own share the stack's storage
                    named.append((f"{name}.{index}", parameter))
                state = optimizer.state.get(parameter, {})
                named += [(f"{name}.{index}.{key}", value) for key, value in state.items()]
        for index, group in enumerate(self.groups):  # some methods carry these from step to step
            kept = group.training.retain_probabilities()
            named += [(f"{index}.retain.{k}", tensor) for k, tensor in enumerate(kept)]
        return named

    def _generators(self) -> list[tuple[str, torch.Generator]]:
        noise = [(f"noise.{index}", generator) for index, generator in enumerate(self.noise)]
        return [*noise, *((f"order.{number}", self.orders[number]) for number in self.numbers)]


@final
@dataclass(frozen=True)
class _Group:
    """Members first, …, last − 1, which share a method: their part of the network, and their training."""

    first: int
    last: int
    network: StackedNetwork
    training: Training
    rate: float

    @property
    def parameters(self) -> list[nn.Parameter]:
        """Its networks' parameters, in the order of the stack's."""
        return [*self.network.weights, *self.network.biases]

    @property
    def is_plain(self) -> bool:
        """Whether the training pass is the network's own, without noise."""
        return self.training.noisy_pass is None and self.training.forward_weights is own_weights


def _stretches(members: Sequence[Member]) -> list[tuple[int, int]]:
    """Return where the grid's parameters stay the same: (first, last + 1) of each stretch."""
    cuts = [k for k in range(1, len(members)) if members[k].parameters != members[k - 1].parameters]
    return list(zip([0, *cuts], [*cuts, len(members)], strict=True))


def _parameters(optimizer: torch.optim.Optimizer) -> list[Tensor]:
    return [parameter for group in optimizer.param_groups for parameter in group["params"]]


def _restore_optimizer(optimizer: torch.optim.Optimizer, name: str, arrays: "Arrays") -> None:
    """Fill the optimiser's own tensors, which exist only after its first step."""
    state: dict[int, dict[str, Tensor]] = {}
    for index in range(len(_parameters(optimizer))):
        start = f"{name}.{index}."
        found = {key.removeprefix(start): array for key, array in arrays.items() if key.startswith(start)}
        if found:
            state[index] = {key: torch.from_numpy(array) for key, array in found.items()}
    optimizer.load_state_dict({**optimizer.state_dict(), "state": state})


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over members of the mean cross-entropy, so that members do not interact."""
    classes = logits.shape[-1]
    mean = nn.functional.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1))
    return mean * logits.shape[0]
