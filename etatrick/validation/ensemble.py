"""`train_ensemble`: one method on many seeds and hyper-parameters at once; resumable, in chunks that fit the memory."""

import hashlib
import math
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from dataclasses import fields, is_dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any, Final, final

import numpy as np
import torch
from torch import nn

from etatrick.errors import InputError
from etatrick.theory.duality import Duality
from etatrick.validation.checkpoint import load_checkpoint, save_checkpoint
from etatrick.validation.data import Split
from etatrick.validation.methods import Method
from etatrick.validation.network import StackedNetwork
from etatrick.validation.stacked_run import Recipe, StackedRun
from etatrick.validation.trajectory import Member, Trajectory, grid_points

RATE: Final = "learning_rate"  # the grid name that is the optimiser's, not the method's


@final
class FallbackWarning(UserWarning):
    """The run goes on in another way than asked for: on the CPU, or in smaller chunks."""


def train_ensemble(
    method: Method,
    data: Split,
    *,
    hidden: tuple[int, ...] = (300, 100),
    seeds: int = 5,
    epochs: int = 200,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    grid: Mapping[str, Sequence[float]] | None = None,
    threshold: float = 1e-5,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
    final_network: Callable[[StackedNetwork], None] = lambda network: None,
    checkpoint: Path | None = None,
    every: float = 60.0,
) -> Trajectory:
    """Train one network per seed and grid point, all in one batch, with Adam and a linearly decaying rate.

    Each seed has its own initial weights, batch order and noise, all derived from its number alone: seed 3 of
    five is the same run as seed 3 of fifty, and every method and grid point sees the same initial weights and batches.
    A member that diverges is recorded as NaN and reported in ``diverged``; the others go on.

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
    grid : mapping of str to sequence of float, optional
        Values for ``learning_rate`` or for any numeric field of the method (``lam``, …); members are the product of
        its points, the last name varying fastest, with the seeds.
    threshold : float
        A weight counts as non-zero when |w| > threshold; the same for every method.
    device : str
        A torch device. An absent GPU is replaced by the CPU, and a run too large for its memory is cut in chunks of
        members, with a :class:`FallbackWarning`.
    progress : callable
        Called with the fraction done.
    final_network : callable
        Called with the trained networks of all members.
    checkpoint : pathlib.Path, optional
        A folder: the state is kept there, and a run that was killed goes on from it, on a CPU bit for bit.
    every : float
        Seconds between checkpoints, which fall on ends of epochs.

    Returns
    -------
    Trajectory

    Raises
    ------
    InputError
        If a number is out of its range, the grid names no number of the method, all members diverge, or the
        checkpoint is damaged or belongs to another run.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> from etatrick.validation.data import digits
    >>> from etatrick.validation.methods import PenaltyGradient
    >>> run = PenaltyGradient(penalties["log_sum"](epsilon=2).duality, lam=1e-3)
    >>> train_ensemble(run, digits(), hidden=(8,), seeds=2, epochs=1).error.shape
    (1, 2)
    >>> path = train_ensemble(run, digits(), hidden=(8,), seeds=2, epochs=1, grid={"lam": [1e-3, 1e-2]})
    >>> [str(member) for member in path.members[1:3]]
    ['seed 1, lam = 0.001', 'seed 0, lam = 0.01']
    """
    _check(method, hidden, threshold, grid or {}, seeds=seeds, epochs=epochs, batch_size=batch_size)
    _check_rates(learning_rate, *(grid or {}).get(RATE, ()))
    members = [Member(number, point) for point in grid_points(grid or {}) for number in range(seeds)]

    def method_at(parameters: Mapping[str, float]) -> tuple[Method, float]:
        own = {name: value for name, value in parameters.items() if name != RATE}
        changed: Method = replace(method, **own) if own else method  # type: ignore[type-var]
        return changed, parameters.get(RATE, learning_rate)

    recipe = Recipe(method_at, data, hidden, epochs, batch_size, threshold)
    configuration = {
        "method": _described(method), "hidden": list(hidden), "epochs": epochs, "batch_size": batch_size,
        "learning_rate": learning_rate, "threshold": threshold, "seeds": seeds,
        "grid": {name: [float(v) for v in values] for name, values in (grid or {}).items()},
    }  # fmt: skip
    if checkpoint is not None:
        configuration["data"] = _digest(data)
    runs = _in_chunks(recipe, members, _present(device), progress, _Keeper(checkpoint, every, configuration))
    alive = np.concatenate([run.alive for run in runs])
    if not alive.any():
        raise InputError(f"learning_rate = {learning_rate}", f"{method.name} diverged", "choose a smaller rate")
    final_network(_joined([run.network for run in runs]))
    return Trajectory(
        method.name,
        np.concatenate([run.nonzero for run in runs], axis=1),
        np.concatenate([run.error for run in runs], axis=1),
        np.concatenate([run.mean_size() for run in runs]),
        tuple(members),
        tuple(member for member, kept in zip(members, alive, strict=True) if not kept),
    )


@final
class _Keeper:
    """Saves and restores the runs of one ensemble in a folder, or does nothing without one."""

    def __init__(self, folder: Path | None, every: float, configuration: Mapping[str, Any]) -> None:
        self.folder, self.every, self.configuration = folder, every, configuration
        self.last = time.monotonic()

    def restore(self, run: StackedRun, first: int) -> None:
        if self.folder is not None:
            arrays = load_checkpoint(self._file(run, first), self.configuration)
            if arrays is not None:
                run.restore(arrays)

    def save(self, run: StackedRun, first: int) -> None:
        finished = run.epoch == run.recipe.epochs
        if self.folder is not None and (finished or time.monotonic() - self.last >= self.every):
            save_checkpoint(self._file(run, first), self.configuration, run.state())
            self.last = time.monotonic()

    def _file(self, run: StackedRun, first: int) -> Path:
        assert self.folder is not None
        return self.folder / f"members-{first}-{first + len(run.members)}.npz"


def _in_chunks(
    recipe: Recipe, members: Sequence[Member], device: str, progress: Callable[[float], None], keeper: _Keeper
) -> list[StackedRun]:
    """Run all members at once, or in halves, quarters, … where the device's memory is too small."""
    runs: list[StackedRun] = []
    size, first = len(members), 0
    while first < len(members):
        part = members[first : first + size]
        told = partial(_tell, progress, first, len(part), len(members))
        try:
            runs.append(_run(recipe, part, device, keeper, first, told))
        except torch.OutOfMemoryError:
            if len(part) == 1:
                remedy = "choose a smaller batch or network, or device='cpu'"
                raise InputError(f"device = {device}", "one network alone exceeds its memory", remedy) from None
            size = math.ceil(len(part) / 2)
            message = f"{device} has no memory for {len(part)} networks together: going on with {size} at a time"
            warnings.warn(message, FallbackWarning, stacklevel=3)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            continue
        first += len(part)
    return runs


def _tell(progress: Callable[[float], None], first: int, count: int, total: int, fraction: float) -> None:
    progress((first + count * fraction) / total)


def _run(
    recipe: Recipe,
    members: Sequence[Member],
    device: str,
    keeper: _Keeper,
    first: int,
    progress: Callable[[float], None],
) -> StackedRun:
    run = StackedRun(recipe, members, device)
    keeper.restore(run, first)
    while run.epoch < recipe.epochs and run.alive.any():
        run.advance()
        keeper.save(run, first)
        progress(run.epoch / recipe.epochs)
    return run


def _present(device: str) -> str:
    """Return the device, or the CPU where the GPU that was asked for is absent."""
    try:
        kind = torch.device(device).type
    except RuntimeError:
        raise InputError(f"device = {device}", "is no torch device", "choose cpu or cuda") from None
    if kind == "cuda" and not torch.cuda.is_available():
        warnings.warn(f"{device} is absent: training on the CPU", FallbackWarning, stacklevel=3)
        return "cpu"
    return device


def _joined(networks: list[StackedNetwork]) -> StackedNetwork:
    if len(networks) == 1:
        return networks[0]
    with torch.no_grad():
        weights, biases = (
            [nn.Parameter(torch.cat([part.cpu() for part in layer])) for layer in zip(*stacks, strict=True)]
            for stacks in ([n.weights for n in networks], [n.biases for n in networks])
        )
    return StackedNetwork(weights, biases)


def _described(method: Method) -> str:
    """Return the method and its parameters as text, the same for the same method in any process."""
    return f"{type(method).__name__}({', '.join(f'{name}={_text(value)}' for name, value in _fields(method).items())})"


def _fields(method: Method) -> dict[str, Any]:
    """Return the parameters of a method; one that is no data class is told apart by its name alone."""
    entries: Any = method
    return (
        {f.name: getattr(method, f.name) for f in fields(entries)} if is_dataclass(entries) else {"name": method.name}
    )


def _text(value: Any) -> str:
    if isinstance(value, Duality):
        return f"{value.given}: {getattr(value, value.given)}, jump {value.jump}"
    return repr(value)


def _digest(data: Split) -> str:
    digest = hashlib.sha256()
    for part in (data.train_inputs, data.train_labels, data.test_inputs, data.test_labels):
        digest.update(f"{part.dtype} {part.shape}".encode() + np.ascontiguousarray(part).tobytes())
    return digest.hexdigest()[:16]


def _check(
    method: Method, hidden: tuple[int, ...], threshold: float, grid: Mapping[str, Sequence[float]], **counts: int
) -> None:
    for name, value in counts.items():
        if not (isinstance(value, int) and value >= 1):
            raise InputError(f"{name} = {value}", "must be an integer ≥ 1", f"choose e.g. {name}=5")
    if not all(isinstance(width, int) and width >= 1 for width in hidden):
        raise InputError(f"hidden = {hidden}", "must be integers ≥ 1", "choose e.g. hidden=(300, 100)")
    if not threshold >= 0:
        raise InputError(f"threshold = {threshold}", "must be ≥ 0", "choose e.g. threshold=1e-5")
    own = {name for name, value in _fields(method).items() if _is_number(value)}
    for name, values in grid.items():
        if name not in {*own, RATE}:
            known = ", ".join(sorted({*own, RATE}))
            raise InputError(f"grid: {name}", f"is no number that {method.name} depends on", f"choose among {known}")
        if not len(values) or not all(_is_number(value) and math.isfinite(value) for value in values):
            raise InputError(f"grid: {name} = {values}", "must be finite numbers", f"pass e.g. {name}: [1e-3, 1e-2]")


def _check_rates(*rates: float) -> None:
    for rate in rates:
        if not rate > 0:
            raise InputError(f"learning_rate = {rate}", "must be > 0", "choose e.g. learning_rate=1e-3")


def _is_number(value: Any) -> bool:
    return isinstance(value, int | float | np.integer | np.floating) and not isinstance(value, bool)
