"""`train_ensemble`: one method on many seeds at once, with non-zeros and test error per epoch."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, final

import numpy as np
import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.validation.data import Split
from etatrick.validation.methods import Method
from etatrick.validation.network import StackedNetwork
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True)
class Trajectory:
    """What training did, per epoch and seed.

    Parameters
    ----------
    method : str
    nonzero, error : ndarray, shape (epochs, seeds)
        Fraction of weights with |w| above the threshold, and fraction of test samples misclassified.
    mean_size : ndarray, shape (seeds,)
        Mean |w| at the end.
    """

    method: str
    nonzero: "NDArray[np.float64]"
    error: "NDArray[np.float64]"
    mean_size: "NDArray[np.float64]"

    def to_json(self) -> dict[str, Any]:
        """Return JSON-ready data."""
        arrays = {"nonzero": self.nonzero, "error": self.error, "mean_size": self.mean_size}
        return {"method": self.method, **{k: np.round(v, 6).tolist() for k, v in arrays.items()}}


def train_ensemble(
    method: Method,
    data: Split,
    *,
    hidden: tuple[int, ...] = (300, 100),
    seeds: int = 5,
    epochs: int = 200,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    threshold: float = 1e-5,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
    final_network: Callable[[StackedNetwork], None] = lambda network: None,
) -> Trajectory:
    """Train one network per seed, all in one batch, with Adam and a linearly decaying rate.

    Each seed has its own initial weights, batch order and noise, all derived from its number alone: seed 3 of
    five is the same run as seed 3 of fifty, and every method sees the same initial weights and batches.

    Parameters
    ----------
    method : Method
        What imposes the penalty.
    data : Split
    hidden : tuple of int
        Widths of the hidden layers.
    seeds, epochs, batch_size : int
    learning_rate : float
        Rate of the first epoch; it falls linearly to 0.
    threshold : float
        A weight counts as non-zero when |w| > threshold; the same for every method.
    device : str
        A torch device.
    progress : callable
        Called with the fraction done.
    final_network : callable
        Called with the trained network.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If a count is not positive or the training diverges.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> from etatrick.validation.data import digits
    >>> from etatrick.validation.methods import PenaltyGradient
    >>> run = PenaltyGradient(penalties["log_sum"](epsilon=2).duality, lam=1e-3)
    >>> train_ensemble(run, digits(), hidden=(8,), seeds=2, epochs=1).error.shape
    (1, 2)
    """
    for name, value in (("seeds", seeds), ("epochs", epochs), ("batch_size", batch_size)):
        if not (isinstance(value, int) and value >= 1):
            raise InputError(f"{name} = {value}", "must be an integer ≥ 1", f"choose e.g. {name}=5")
    if not all(isinstance(width, int) and width >= 1 for width in hidden):
        raise InputError(f"hidden = {hidden}", "must be integers ≥ 1", "choose e.g. hidden=(300, 100)")
    if not threshold >= 0:
        raise InputError(f"threshold = {threshold}", "must be ≥ 0", "choose e.g. threshold=1e-5")
    if not learning_rate > 0:
        raise InputError(f"learning_rate = {learning_rate}", "must be > 0", "choose e.g. learning_rate=1e-3")
    inputs, labels, test_inputs, test_labels = data.tensors(device)
    network = StackedNetwork.initialised(
        (inputs.shape[1], *hidden, data.classes), [seed("initial weights", s) for s in range(seeds)], device
    )
    noise = [torch.Generator().manual_seed(seed("noise", s)) for s in range(seeds)]
    orders = [torch.Generator().manual_seed(seed("batches", s)) for s in range(seeds)]
    training = method.begin(network, learning_rate, noise)
    nonzero, error = np.empty((epochs, seeds)), np.empty((epochs, seeds))
    for epoch in range(epochs):
        training.set_rate(learning_rate * (1 - epoch / epochs))
        order = torch.stack([torch.randperm(len(inputs), generator=g) for g in orders]).to(device)
        for begin in range(0, len(inputs), batch_size):
            batch = order[:, begin : begin + batch_size]
            training.optimizer.zero_grad()
            _loss(network(inputs[batch], training.forward_weights()), labels[batch]).backward()  # type: ignore[no-untyped-call]
            training.add_gradient()
            training.optimizer.step()
            training.after_step()
        nonzero[epoch] = network.nonzero_fraction(threshold).cpu().numpy()
        error[epoch] = _error(network, test_inputs, test_labels).cpu().numpy()
        if not all(bool(torch.isfinite(weight).all()) for weight in network.weights):
            raise InputError(f"learning_rate = {learning_rate}", f"{method.name} diverged", "choose a smaller rate")
        progress((epoch + 1) / epochs)
    final_network(network)
    with torch.no_grad():
        total = torch.stack([weight.abs().sum((1, 2)) for weight in network.weights]).sum(0)
    return Trajectory(method.name, nonzero, error, (total / network.size).cpu().numpy().astype(np.float64))


def _loss(logits: Tensor, labels: Tensor) -> Tensor:
    """Sum over seeds of the mean cross-entropy, so that seeds do not interact."""
    classes = logits.shape[-1]
    mean = nn.functional.cross_entropy(logits.reshape(-1, classes), labels.reshape(-1))
    return mean * logits.shape[0]


@torch.no_grad()
def _error(network: StackedNetwork, inputs: Tensor, labels: Tensor) -> Tensor:
    seeds = network.weights[0].shape[0]
    wrong = network(inputs.expand(seeds, -1, -1)).argmax(-1) != labels
    return wrong.to(torch.float64).mean(1)
