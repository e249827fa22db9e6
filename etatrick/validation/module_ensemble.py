"""`train_modules`: a user's own torch module on many seeds and λ at once, by stacked parameters and ``vmap``."""

import copy
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, NoReturn, final

import numpy as np
import torch
from torch import Tensor, nn
from torch.func import functional_call, stack_module_state, vmap

from etatrick.errors import InputError
from etatrick.validation.data import Split
from etatrick.validation.seeding import seed
from etatrick.validation.torch_dualities import torch_slope
from etatrick.validation.trajectory import Member

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class ModuleEnsemble:
    """Trained modules: their parameters stacked along a first axis, and the test error per epoch.

    Parameters
    ----------
    members : tuple of Member
        All seeds of the first λ, then of the second, and so on.
    error : ndarray, shape (epochs, members)
        Fraction of test samples misclassified; NaN once a member diverged.
    parameters : dict of str to Tensor
        By the module's own names, each of shape (members, …).
    diverged : tuple of Member
    """

    members: tuple[Member, ...]
    error: "NDArray[np.float64]"
    parameters: dict[str, Tensor]
    diverged: tuple[Member, ...] = ()


def train_modules(
    factory: Callable[[], nn.Module],
    data: Split,
    *,
    penalty: Any,
    lams: Sequence[float],
    seeds: int = 5,
    epochs: int = 20,
    batch_size: int = 128,
    learning_rate: float = 1e-3,
    device: str = "cpu",
    progress: Callable[[float], None] = lambda fraction: None,
) -> ModuleEnsemble:
    r"""Minimise cross-entropy + λΣΩ(\|w\|) for one module per seed and λ, all in one batch, with Adam.

    The rate falls linearly to 0. The penalty is on all parameters with at least two axes (weights, not biases).
    Seeds and batches are those of :func:`etatrick.validation.train_ensemble`; a member is the run it would be alone.

    Parameters
    ----------
    factory : callable
        Returns a new module, in float32 or float64, that maps (batch, features) to logits; it draws its weights from
        torch's generator, which is seeded before each call and put back afterwards.
    data : Split
    penalty : Duality or GateLaw
        Ω, without free parameters.
    lams : sequence of float
        Values of λ ≥ 0.
    seeds, epochs, batch_size : int
    learning_rate : float
    device : str
    progress : callable
        Called with the fraction done.

    Returns
    -------
    ModuleEnsemble

    Raises
    ------
    InputError
        If a number is out of its range, the module draws noise or has buffers, or all members diverge.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> from etatrick.validation.data import digits
    >>> log_sum = penalties["log_sum"](epsilon=2).duality
    >>> run = train_modules(lambda: nn.Linear(64, 10), digits(), penalty=log_sum, lams=[0, 1e-3], seeds=2, epochs=1)
    >>> run.parameters["weight"].shape
    torch.Size([4, 10, 64])
    """
    for name, value in (("seeds", seeds), ("epochs", epochs), ("batch_size", batch_size)):
        if not (isinstance(value, int) and value >= 1):
            raise InputError(f"{name} = {value}", "must be an integer ≥ 1", f"choose e.g. {name}=5")
    if not learning_rate > 0:
        raise InputError(f"learning_rate = {learning_rate}", "must be > 0", "choose e.g. learning_rate=1e-3")
    if not len(lams) or not all(math.isfinite(lam) and lam >= 0 for lam in lams):
        raise InputError(f"lams = {list(lams)}", "must be finite numbers ≥ 0", "choose e.g. lams=[1e-4, 1e-3]")
    members = tuple(Member(number, (("lam", float(lam)),)) for lam in lams for number in range(seeds))
    slope = torch_slope(penalty)
    modules = [_made(factory, member).to(device) for member in members]
    parameters, buffers = stack_module_state(modules)
    if buffers:
        _refuse(modules[0])
    kind = next(iter(parameters.values())).dtype
    skeleton = copy.deepcopy(modules[0]).to("meta")
    strength = torch.tensor([dict(member.parameters)["lam"] for member in members], dtype=torch.float64, device=device)

    def one(own: dict[str, Tensor], fixed: dict[str, Tensor], inputs: Tensor) -> Tensor:
        found: Tensor = functional_call(skeleton, (own, fixed), (inputs,))
        return found

    def logits(inputs: Tensor, axis: int | None) -> Tensor:
        try:
            stacked: Tensor = vmap(one, in_dims=(0, 0, axis))(parameters, buffers, inputs)
        except RuntimeError as error:
            if "vmap" not in str(error):
                raise
            _refuse(modules[0])
        return stacked

    inputs, labels, test_inputs, test_labels = data.tensors(device)
    inputs, test_inputs = inputs.to(kind), test_inputs.to(kind)
    orders = [torch.Generator().manual_seed(seed("batches", number)) for number in range(seeds)]
    optimizer = torch.optim.Adam(list(parameters.values()), lr=learning_rate, fused=True)
    error, alive = np.full((epochs, len(members)), np.nan), np.ones(len(members), dtype=np.bool_)
    for epoch in range(epochs):
        optimizer.param_groups[0]["lr"] = learning_rate * (1 - epoch / epochs)
        order = torch.stack([torch.randperm(len(inputs), generator=g) for g in orders]).repeat(len(lams), 1).to(device)
        for begin in range(0, len(inputs), batch_size):
            batch = order[:, begin : begin + batch_size]
            optimizer.zero_grad()
            mean = nn.functional.cross_entropy(logits(inputs[batch], 0).flatten(0, 1), labels[batch].flatten())
            (mean * len(members)).backward()  # type: ignore[no-untyped-call]
            _add_penalty(parameters, slope, strength)
            optimizer.step()
        with torch.no_grad():
            wrong = (logits(test_inputs, None).argmax(-1) != test_labels).double().mean(1)
            finite = torch.stack([p.isfinite().flatten(1).all(1) for p in parameters.values()]).all(0)
        alive &= finite.cpu().numpy()
        error[epoch] = np.where(alive, wrong.cpu().numpy(), np.nan)
        if not alive.any():
            raise InputError(f"learning_rate = {learning_rate}", "all members diverged", "choose a smaller rate")
        progress((epoch + 1) / epochs)
    trained = {name: parameter.detach() for name, parameter in parameters.items()}
    lost = tuple(member for member, kept in zip(members, alive, strict=True) if not kept)
    return ModuleEnsemble(members, error, trained, lost)


def _refuse(module: nn.Module) -> NoReturn:
    rule = "draws noise or keeps buffers that its pass may change, which a stack cannot repeat seed by seed"
    raise InputError(type(module).__name__, rule, "leave dropout and batch norm out") from None


def _made(factory: Callable[[], nn.Module], member: Member) -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed("initial weights", member.seed))
        return factory()


@torch.no_grad()
def _add_penalty(parameters: dict[str, Tensor], slope: Callable[[Tensor], Tensor], strength: Tensor) -> None:
    for parameter in parameters.values():
        if parameter.ndim >= 3 and parameter.grad is not None:
            factor = strength.to(parameter.dtype).reshape(-1, *[1] * (parameter.ndim - 1))
            parameter.grad.add_(factor * slope(parameter) * parameter.sign())
