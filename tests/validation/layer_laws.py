"""The laws of noisy layers, exact by enumeration and sampled: each function returns the list of what is violated."""

import copy
import io
import itertools
import math
import pickle
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final, TypeAlias, final

import torch
from torch import Tensor, nn

from etatrick.validation.layers import NoisyActivations, NoisyWeights
from tolerances import CERTIFICATE, FLOAT64, MC

Layer: TypeAlias = NoisyActivations | NoisyWeights

MOST_OUTCOMES: Final = 20_000
DRAWS: Final = 800


@final
@dataclass(frozen=True)
class Problem:
    """A layer inside a squared loss: what enumeration needs and what the deterministic twin claims.

    Parameters
    ----------
    layer, input
        The layer in double precision and training mode, and one batch.
    trained : callable
        From raw noise to the outputs that the loss sees.
    mean, penalty : callable
        The mean of these outputs and the penalty twin, by the layer's own formulas.
    target : Tensor
        Of the outputs' shape.
    leaves : sequence of Tensor
        What gradients are compared with respect to.
    """

    layer: Layer
    input: Tensor
    trained: Callable[[Tensor], Tensor]
    mean: Callable[[], Tensor]
    penalty: Callable[[], Tensor]
    target: Tensor
    leaves: Sequence[Tensor]

    def loss(self, outputs: Tensor) -> Tensor:
        """Return ½‖target − outputs‖², summed over everything."""
        return 0.5 * (self.target - outputs).square().sum()

    def slopes(self, value: Tensor) -> list[Tensor]:
        """Return the gradients of a scalar; zeros for leaves that it does not depend on."""
        if not value.requires_grad:
            return [torch.zeros_like(leaf) for leaf in self.leaves]
        found = torch.autograd.grad(value, list(self.leaves), allow_unused=True)
        return [torch.zeros_like(leaf) if part is None else part for leaf, part in zip(self.leaves, found, strict=True)]


def weight_problem(layer: NoisyWeights, input: Tensor, target: Tensor) -> Problem:
    """Return the problem of a layer with weights of its own; gradients with respect to its parameters."""
    leaves = [parameter for parameter in layer.parameters() if parameter.requires_grad]
    return Problem(layer, input, lambda noise: layer.perturbed(input, noise), lambda: layer.mean(input),
                   lambda: layer.penalty(input), target, leaves)  # fmt: skip


def activation_problem(layer: NoisyActivations, input: Tensor, decoder: Tensor, target: Tensor) -> Problem:
    """Return the problem of activations followed by a linear decoder of shape (outputs, units); maps are flattened.

    Gradients are with respect to the activations, the decoder and the layer's own parameters.
    """
    input, decoder = (part.detach().clone().requires_grad_(True) for part in (input, decoder))
    leaves = [input, decoder, *(parameter for parameter in layer.parameters() if parameter.requires_grad)]
    return Problem(layer, input, lambda noise: layer.perturbed(input, noise).flatten(1) @ decoder.T,
                   lambda: layer.mean(input).flatten(1) @ decoder.T, lambda: layer.penalty(input, decoder),
                   target, leaves)  # fmt: skip


# --- exact: enumeration of atoms ----------------------------------------------------------------------------------


def outcomes(layer: Layer, input: Tensor) -> Iterator[tuple[float, Tensor]]:
    """Yield every outcome of the layer's finite law, with its chance; outcomes of chance 0 are left out."""
    atoms = layer.atoms(input)
    count, shape = len(atoms.values), atoms.values.shape[1:]
    size = math.prod(shape)
    if count**size > MOST_OUTCOMES:
        raise ValueError(f"{count}^{size} outcomes: choose a smaller layer")
    values, chances = atoms.values.reshape(count, size), atoms.chances.detach().expand_as(atoms.values)
    chances, places = chances.reshape(count, size), torch.arange(size)
    for which in itertools.product(range(count), repeat=size):
        index = torch.tensor(which, dtype=torch.long)
        chance = float(chances[index, places].prod())
        if chance > 0:
            yield chance, values[index, places].reshape(shape).detach()


def atom_violations(layer: Layer, input: Tensor) -> list[str]:
    """Return "chances" unless they form probabilities, "shape" unless the atoms have the noise's shape."""
    atoms = layer.atoms(input)
    chances, found = atoms.chances.detach().expand_as(atoms.values), []
    if float((chances.sum(0) - 1).abs().max()) > CERTIFICATE or float(chances.min()) < 0:
        found.append("chances")
    if atoms.values.shape[1:] != layer.noise(input).shape:
        found.append("shape")
    return found


def moment_violations(layer: Layer, input: Tensor) -> list[str]:
    """Return which of "mean" and "covariance" differ from the exact moments of the enumerated outputs."""
    with torch.no_grad():
        law = [(chance, layer.perturbed(input, noise).flatten(1)) for chance, noise in outcomes(layer, input)]
        mean = _total([chance * part for chance, part in law])
        centred = [(chance, part - mean) for chance, part in law]
        covariance = _total([chance * part[:, :, None] * part[:, None, :] for chance, part in centred])
        wanted = {"mean": (layer.mean(input).flatten(1), mean), "covariance": (layer.covariance(input), covariance)}
    return [name for name, (formula, exact) in wanted.items() if not _same(formula, exact)]


def independence_violations(layer: Layer, input: Tensor) -> list[str]:
    """Return "examples" unless outputs of different examples are uncorrelated (layers with noise per example)."""
    with torch.no_grad():
        law = [(chance, layer.perturbed(input, noise).flatten(1)) for chance, noise in outcomes(layer, input)]
        mean = _total([chance * part for chance, part in law])
        cross = _total([torch.einsum("ao,bp->abop", part - mean, part - mean) * chance for chance, part in law])
    apart = ~torch.eye(len(input), dtype=torch.bool)
    return [] if _same(cross[apart], torch.zeros_like(cross[apart])) else ["examples"]


def loss_violations(problem: Problem) -> list[str]:
    """Return "loss" unless E½‖t − ỹ‖² = ½‖t − Eỹ‖² + penalty (layers whose noise scale is differentiated)."""
    with torch.no_grad():
        law = outcomes(problem.layer, problem.input)
        exact = _total([chance * problem.loss(problem.trained(noise)) for chance, noise in law])
        formula = problem.loss(problem.mean()) + problem.penalty()
    return [] if _same(formula, exact) else ["loss"]


def gradient_violations(problem: Problem) -> list[str]:
    """Return "gradient k" for every leaf k where E∇½‖t − ỹ‖² differs from ∇(½‖t − Eỹ‖² + penalty)."""
    law = outcomes(problem.layer, problem.input)
    each = [[chance * part for part in problem.slopes(problem.loss(problem.trained(noise)))] for chance, noise in law]
    exact = [_total(list(parts)) for parts in zip(*each, strict=True)]
    formula = problem.slopes(problem.loss(problem.mean()) + problem.penalty())
    scale = max(float(part.abs().max()) for part in exact)
    return [
        f"gradient {index}"
        for index, (one, other) in enumerate(zip(formula, exact, strict=True))
        if not float((one - other).abs().max()) <= CERTIFICATE * (1 + scale)
    ]


def _total(parts: list[Tensor]) -> Tensor:
    return torch.stack(parts).sum(0)


def _same(formula: Tensor, exact: Tensor) -> bool:
    if formula.shape != exact.shape:
        return False
    formula, exact = formula.detach(), exact.detach()
    return bool(float((formula - exact).abs().max()) <= CERTIFICATE * (1 + float(exact.abs().max())))


# --- sampled: fixed number of draws -------------------------------------------------------------------------------


def sampling_violations(layer: Layer, input: Tensor, draws: int = DRAWS) -> list[str]:
    """Return which of "mean" and "covariance" differ from the moments of `draws` training passes by |z| ≥ 4."""
    with torch.no_grad():
        mean, covariance = layer.mean(input).flatten(1), layer.covariance(input)
        centred = torch.stack([layer(input).flatten(1) for _ in range(draws)]) - mean
        products = centred[..., :, None] * centred[..., None, :] - covariance
    return [name for name, z in (("mean", _z(centred)), ("covariance", _z(products))) if not z < MC]


def _z(samples: Tensor) -> float:
    """Return the largest |z| of the means; numbers that never vary must be 0 up to rounding."""
    mean, error = samples.mean(0), samples.std(0) / math.sqrt(len(samples))
    constant = error <= FLOAT64 * (1 + samples.abs().amax())
    if bool((mean[constant].abs() > FLOAT64 * (1 + samples.abs().amax())).any()):
        return math.inf
    return float((mean / error)[~constant].abs().max()) if bool((~constant).any()) else 0.0


# --- in the place of a plain layer --------------------------------------------------------------------------------


def evaluation_violations(layer: nn.Module, plain: Callable[[Tensor], Tensor], input: Tensor) -> list[str]:
    """Return "evaluation" unless evaluation mode is exactly `plain`; training mode is restored."""
    layer.eval()
    same = torch.equal(layer(input), plain(input))
    layer.train()
    return [] if same else ["evaluation"]


def drop_in_violations(build: Callable[[torch.Generator], Layer], input: Tensor) -> list[str]:
    """Return what a layer lacks of a module that can be saved, copied, cast and reproduced.

    Parameters
    ----------
    build : callable
        From a generator to a fresh layer, with the same parameters each time.
    input : Tensor
        One batch in double precision.
    """
    checks: dict[str, Callable[[], bool]] = {
        "generator": lambda: _repeats(build, input),
        "float32": lambda: _finite(build(_generator()).float(), input.float(), torch.float32),
        "float64": lambda: _finite(build(_generator()).double(), input.double(), torch.float64),
        "autocast": lambda: _survives_autocast(build(_generator()).float(), input.float()),
        "state": lambda: _state_travels(build, input),
        "pickle": lambda: _pickles(build(_generator()).double(), input),
        "copy": lambda: _copies(build(_generator()).double(), input),
    }
    return [name for name, check in checks.items() if not check()]


def compile_violations(build: Callable[[torch.Generator], Layer], input: Tensor) -> list[str]:
    """Return "compile" unless the compiled layer (dynamo, eager backend) has the layer's outputs and gradients."""
    eager, compiled = build(_generator()).double(), build(_generator()).double()
    torch.compiler.reset()
    run = torch.compile(compiled, backend="eager")
    first, second = eager(input), run(input)
    slopes = (
        [
            torch.autograd.grad(outputs.square().sum(), list(layer.parameters()))
            for outputs, layer in ((first, eager), (second, compiled))
        ]
        if list(eager.parameters())
        else [(), ()]
    )
    torch.compiler.reset()
    return [] if _same(first, second) and all(map(_same, *slopes)) else ["compile"]


def _generator(seed: int = 5) -> torch.Generator:
    return torch.Generator().manual_seed(seed)


def _repeats(build: Callable[[torch.Generator], Layer], input: Tensor) -> bool:
    first, second, other = (build(_generator(seed)).double() for seed in (5, 5, 6))
    once = [first(input) for _ in range(3)]
    again = [second(input) for _ in range(3)]
    return all(map(torch.equal, once, again)) and any(not torch.equal(part, other(input)) for part in once)


def _finite(layer: Layer, input: Tensor, dtype: torch.dtype) -> bool:
    leaf = input.clone().requires_grad_(True)
    output = layer(leaf)
    torch.autograd.backward(output.square().sum())
    slopes = [leaf.grad, *(parameter.grad for parameter in layer.parameters())]
    return output.dtype == dtype and all(part is None or bool(torch.isfinite(part).all()) for part in slopes)


def _survives_autocast(layer: Layer, input: Tensor) -> bool:
    with torch.autocast("cpu", dtype=torch.bfloat16):
        output: Tensor = layer(input)
    torch.autograd.backward(output.float().square().sum())
    slopes = [parameter.grad for parameter in layer.parameters()]
    return all(part is None or bool(torch.isfinite(part).all()) for part in slopes)


def _state_travels(build: Callable[[torch.Generator], Layer], input: Tensor) -> bool:
    one, other = build(_generator()).double(), build(_generator(6)).double()
    with torch.no_grad():
        for parameter in one.parameters():
            parameter.mul_(1.25)
    stream = io.BytesIO()
    torch.save(one.state_dict(), stream)
    stream.seek(0)
    other.load_state_dict(torch.load(stream, weights_only=True))
    return torch.equal(one.eval()(input), other.eval()(input))


def _pickles(layer: Layer, input: Tensor) -> bool:
    layer(input)
    return torch.equal(pickle.loads(pickle.dumps(layer))(input), layer(input))  # noqa: S301


def _copies(layer: Layer, input: Tensor) -> bool:
    layer(input)
    return torch.equal(copy.deepcopy(layer)(input), layer(input))
