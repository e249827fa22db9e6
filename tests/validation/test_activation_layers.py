"""Dropout, Sparseout and DropBlock on activations keep the laws of noisy layers; broken ones are caught."""

from collections.abc import Callable
from typing import Any

import layer_laws as laws
import pytest
import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.theory import strategies
from etatrick.theory.noise import Bernoulli, Blocks, MaskLaw, SlidingBlocks, SlidingBlocks2D, explicit_regularizer
from etatrick.validation.layers import NoisyActivations
from etatrick.validation.layers.dropblock import DropBlock, SlidingDropBlock1d, SlidingDropBlock2d
from etatrick.validation.layers.random_words import random_words, scaled_switches, switched_on
from etatrick.validation.layers.sparseout import DetachedScale, DifferentiatedScale, Sparseout, power
from etatrick.validation.layers.unit_dropout import BernoulliDropout, ChannelDropout, GaussianDropout
from etatrick.validation.seeding import seed
from tolerances import CERTIFICATE, FLOAT64, MC

Build = Callable[[torch.Generator], NoisyActivations]

VECTORS: dict[str, Build] = {
    "bernoulli": lambda g: BernoulliDropout(0.7, generator=g),
    "gaussian": lambda g: GaussianDropout(0.4, generator=g),
    "sparseout, q=1": lambda g: Sparseout(1, 0.7, generator=g),
    "sparseout, q=1.5": lambda g: Sparseout(1.5, 0.7, generator=g),
    "sparseout, q=2": lambda g: Sparseout(2, 0.7, generator=g),
    "sparseout, q=2.6": lambda g: Sparseout(2.6, 0.7, generator=g),
    "detached sparseout, q=0.5": lambda g: Sparseout(0.5, 0.7, gradient=DetachedScale(), generator=g),
    "detached sparseout, q=1": lambda g: Sparseout(1, 0.7, gradient=DetachedScale(), generator=g),
    "detached sparseout, q=3": lambda g: Sparseout(3, 0.7, gradient=DetachedScale(), generator=g),
    "dropblock": lambda g: DropBlock(2, 0.7, generator=g),
    "sliding": lambda g: SlidingDropBlock1d(2, 0.7, generator=g),
}
MAPS: dict[str, Build] = {
    "channels": lambda g: ChannelDropout(0.7, generator=g),
    "sliding, maps": lambda g: SlidingDropBlock2d(2, 0.7, generator=g),
}
LAYERS = VECTORS | MAPS
DETACHED = [name for name in LAYERS if name.startswith("detached") and "q=2" not in name]


def generator(*axes: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(seed("activation layers", *axes))


def activations(name: str, batch: int = 2) -> Tensor:
    shape = (batch, 1, 3, 3) if name in MAPS else (batch, 4)
    return torch.randn(shape, generator=generator("input"), dtype=torch.float64)


def problem(layer: NoisyActivations, input: Tensor) -> laws.Problem:
    """Return the layer followed by a decoder that sees each example's units in row-major order."""
    decoder = torch.randn(3, input[0].numel(), generator=generator("decoder"), dtype=torch.float64)
    target = torch.randn(len(input), 3, generator=generator("target"), dtype=torch.float64)
    return laws.activation_problem(layer, input, decoder, target)


def built(name: str) -> NoisyActivations:
    return LAYERS[name](generator(name))


# --- the laws, exactly --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_atoms_are_a_law_of_the_noise(name: str) -> None:
    assert laws.atom_violations(built(name), activations(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_mean_and_covariance_are_exact(name: str) -> None:
    assert laws.moment_violations(built(name), activations(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_examples_have_independent_noise(name: str) -> None:
    assert laws.independence_violations(built(name), activations(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_the_expected_gradient_is_that_of_fit_and_penalty(name: str) -> None:
    assert laws.gradient_violations(problem(built(name), activations(name))) == []


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in DETACHED])
def test_the_expected_loss_is_fit_and_penalty(name: str) -> None:
    assert laws.loss_violations(problem(built(name), activations(name))) == []


@pytest.mark.parametrize("name", ["detached sparseout, q=1", "detached sparseout, q=3"])
def test_activations_feel_2_over_q_times_the_penalty_when_detached(name: str) -> None:
    layer, input = built(name), activations(name)
    q = layer.q
    assert isinstance(q, float)
    plain = Sparseout(q, 0.7)
    decoder = torch.randn(3, 4, generator=generator("decoder"), dtype=torch.float64).requires_grad_(True)
    leaf = input.requires_grad_(True)
    mine = torch.autograd.grad(layer.penalty(leaf, decoder), [leaf, decoder])
    true = torch.autograd.grad(plain.penalty(leaf, decoder), [leaf, decoder])
    assert torch.allclose(mine[0], 2 / q * true[0], rtol=FLOAT64)
    assert torch.allclose(mine[1], true[1], rtol=FLOAT64)
    drift = [float((part * slope).sum().detach()) for part, slope in zip([leaf, decoder], mine, strict=True)]
    assert abs(drift[0] - drift[1]) < FLOAT64 * (1 + abs(drift[0]))  # neutral to scale, whatever q
    escape = [float((part * slope).sum().detach()) for part, slope in zip([leaf, decoder], true, strict=True)]
    assert escape[0] - escape[1] == pytest.approx((q - 2) * float(plain.penalty(leaf, decoder).detach()), rel=FLOAT64)


# --- sampled ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "sparseout, q=1", "sparseout, q=2.6", "dropblock", "sliding",
                                  *MAPS])  # fmt: skip
def test_training_passes_have_the_stated_moments(name: str) -> None:
    assert laws.sampling_violations(built(name), activations(name)) == []


@pytest.mark.parametrize("retain", [0.0, 1e-3, 0.5, 0.9, 1.0])
def test_words_switch_with_their_probability(retain: float) -> None:
    words = random_words((400, 1000), retain, generator("words", str(retain)), torch.device("cpu"))
    share = float(switched_on(words, retain).double().mean())
    spread = (retain * (1 - retain) / words.numel()) ** 0.5
    assert abs(share - retain) <= MC * spread
    assert torch.equal(scaled_switches(words, retain, 1.5, torch.float64), 1.5 * switched_on(words, retain).double())
    ends = torch.iinfo(words.dtype)
    assert words.double().mean().abs() <= MC * ends.max / (3 * words.numel()) ** 0.5
    assert min(int(words.max()) / ends.max, int(words.min()) / ends.min) > 0.999


@pytest.mark.parametrize("retain", [0.0, 2.0**-16, 0.25, 0.5, 1 - 2.0**-16, 1.0])
def test_short_words_have_exactly_their_probability(retain: float) -> None:
    words = torch.arange(-(2**15), 2**15).to(torch.int16)
    assert random_words((1,), retain, None, torch.device("cpu")).dtype == words.dtype
    assert int(switched_on(words, retain).sum()) == retain * len(words)


def test_long_words_switch_next_to_their_probability() -> None:
    level = round(0.7 * 2**32) - 2**31
    words = torch.tensor([-(2**31), level - 1, level, 2**31 - 1], dtype=torch.int32)
    assert random_words((1,), 0.7, None, torch.device("cpu")).dtype == words.dtype
    assert switched_on(words, 0.7).tolist() == [True, True, False, False]


# --- the twin is that of theory -----------------------------------------------------------------------------------


def reference(name: str) -> MaskLaw:
    """Return the theory's law of the mask on all units of one example."""
    found: dict[str, MaskLaw] = {
        "bernoulli": Bernoulli(4, 0.7),
        "gaussian": Bernoulli(4, 1 / 1.4),
        "dropblock": Blocks((2, 2), 0.7),
        "sliding": SlidingBlocks.from_retain(0.7, 4, 2),
        "channels": Blocks((9,), 0.7),
        "sliding, maps": SlidingBlocks2D.from_retain(0.7, 3, 3, 2),
    }
    return found[name]


@pytest.mark.parametrize("name", ["bernoulli", "gaussian", "dropblock", "sliding", "channels", "sliding, maps"])
def test_the_twin_is_half_the_explicit_regulariser(name: str) -> None:
    input = activations(name, batch=6)
    decoder = torch.randn(3, input[0].numel(), generator=generator("twin"), dtype=torch.float64)
    wanted = explicit_regularizer(reference(name), decoder.numpy(), input.flatten(1).numpy()) / 2
    assert float(built(name).penalty(input, decoder)) == pytest.approx(wanted, rel=FLOAT64)


@pytest.mark.parametrize("q", [0.5, 1.0, 1.5, 2.0])
def test_sparseout_s_twin_is_the_strategy_s_penalty(q: float) -> None:
    duality = strategies["sparseout"](q=q, retain=0.7).duality
    input = activations("", batch=6)
    decoder = torch.randn(3, 4, generator=generator("twin"), dtype=torch.float64)
    values = torch.tensor(duality.penalty_at(input.abs().numpy()))
    wanted = float((decoder.square().sum(0) * values).sum())
    assert float(Sparseout(q, 0.7).penalty(input, decoder)) == pytest.approx(wanted, rel=FLOAT64)


def test_channels_contribute_as_a_whole() -> None:
    input = torch.randn(3, 2, 2, 2, generator=generator("many"), dtype=torch.float64)
    decoder = torch.randn(3, 8, generator=generator("twin"), dtype=torch.float64)
    parts = torch.einsum("ocp,ncp->nco", decoder.reshape(3, 2, 4), input.flatten(2))
    wanted = 0.5 * 3 / 7 * float(parts.square().sum())
    assert float(ChannelDropout(0.7).penalty(input, decoder)) == pytest.approx(wanted, rel=FLOAT64)


# --- broken layers must be caught ---------------------------------------------------------------------------------

Fault = Callable[[Any, Tensor, Tensor], Tensor]


class Faulty(NoisyActivations):
    """A lawful layer with another training pass."""

    def __init__(self, layer: Any, fault: Fault) -> None:
        super().__init__()
        self.layer, self.fault, self.generator = layer, fault, layer.generator

    def noise(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.layer.noise(input))

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        return self.fault(self.layer, input, noise)

    def clean(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.layer.clean(input))

    def mean(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.layer.mean(input))

    def covariance(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.layer.covariance(input))

    def penalty(self, input: Tensor, decoder: Tensor) -> Tensor:
        return torch.as_tensor(self.layer.penalty(input, decoder))

    def atoms(self, input: Tensor) -> Any:
        return self.layer.atoms(input)


def unsigned(layer: Any, input: Tensor, noise: Tensor) -> Tensor:
    """Return the literal form, in which |a|^{q/2} is added for negative activations too."""
    shift: Tensor = layer.perturbed(input, noise) - input
    return input + shift * input.sign()


def by_one_constant(layer: Any, input: Tensor, noise: Tensor) -> Tensor:
    """Return a sliding mask divided by its mean share of retained units."""
    kept = layer.retained(input)
    return torch.as_tensor(layer.perturbed(input, noise) * kept / kept.mean())


FAULTS: dict[str, tuple[str, Fault, set[str]]] = {
    "not rescaled": ("bernoulli", lambda layer, a, n: layer.perturbed(a, n) * 0.7, {"mean", "loss", "gradient 0"}),
    "too noisy": ("gaussian", lambda layer, a, n: layer.perturbed(a, 1.1 * n), {"covariance", "loss", "gradient 0"}),
    "shared by examples": ("bernoulli", lambda layer, a, n: layer.perturbed(a, n[:1].expand_as(n)), {"examples"}),
    "shared by channels": ("channels, two", lambda layer, a, n: layer.perturbed(a, n[:, :1].expand_as(n)),
                           {"covariance", "loss"}),
    "detached, not as stated": ("sparseout, q=1",
                                lambda layer, a, n: Sparseout(1, 0.7, gradient=DetachedScale()).perturbed(a, n),
                                {"gradient 0"}),
    "differentiated, not as stated": ("detached sparseout, q=3",
                                      lambda layer, a, n: Sparseout(3, 0.7).perturbed(a, n), {"gradient 0"}),
    "wrong power": ("sparseout, q=1.5", lambda layer, a, n: Sparseout(1.4, 0.7).perturbed(a, n),
                    {"covariance", "loss", "gradient 0", "gradient 1"}),
    "smaller blocks": ("dropblock", lambda layer, a, n: a * layer.factor(n, a).roll(1, -1), {"covariance", "loss"}),
    "one constant for all": ("sliding", by_one_constant, {"mean", "loss", "gradient 0"}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_layer_is_caught(fault: str) -> None:
    name, change, wanted = FAULTS[fault]
    input = activations(name)
    layer = ChannelDropout(0.7) if name == "channels, two" else built(name)
    if name == "channels, two":
        input = torch.randn(2, 2, 1, 2, generator=generator("two"), dtype=torch.float64)
    broken = Faulty(layer, change)
    setting = problem(broken, input)
    found = {*laws.moment_violations(broken, input), *laws.independence_violations(broken, input),
             *laws.loss_violations(setting), *laws.gradient_violations(setting)}  # fmt: skip
    assert wanted <= found


def test_the_sign_matters_to_the_third_cumulant_alone() -> None:
    layer, input = Sparseout(2, 0.7), activations("")
    literal = Faulty(layer, unsigned)
    assert laws.moment_violations(literal, input) == []
    dropout, words = BernoulliDropout(0.7), layer.noise(input)
    assert torch.equal(layer.perturbed(input, words), dropout.perturbed(input, words))
    assert not torch.equal(literal.perturbed(input, words), dropout.perturbed(input, words))


# --- in the place of nn.Dropout -----------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_in_evaluation_nothing_happens(name: str) -> None:
    assert laws.evaluation_violations(built(name), nn.Identity(), activations(name)) == []


class After(nn.Module):
    """A matrix product before the layer, which has parameters and changes the type of activations under autocast."""

    def __init__(self, layer: nn.Module, units: int) -> None:
        super().__init__()
        self.weight, self.layer = nn.Parameter(torch.eye(units)), layer

    def forward(self, input: Tensor) -> Tensor:
        return torch.as_tensor(self.layer(input @ self.weight))


@pytest.mark.parametrize("name", LAYERS)
def test_a_layer_is_a_module_like_others(name: str) -> None:
    input = activations(name, batch=4)
    build: Any = lambda g: After(LAYERS[name](g), input.shape[-1])  # noqa: E731  (a module like others is enough)
    assert laws.drop_in_violations(build, input) == []


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["bernoulli", "sparseout, q=1", "dropblock"])
def test_a_layer_compiles(name: str) -> None:
    assert laws.compile_violations(LAYERS[name], activations(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_without_a_generator_torch_s_own_is_used(name: str) -> None:
    layer, input = built(name), activations(name)
    layer.generator = None
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = layer(input)
        torch.manual_seed(5)
        assert torch.equal(layer(input), first)


@pytest.mark.parametrize("name", ["bernoulli", "sparseout, q=1"])
def test_seeds_train_together(name: str) -> None:
    layer = built(name)
    inputs = torch.stack([activations(name), activations(name) + 1])
    words = torch.stack([layer.noise(inputs[0]) for _ in range(2)])
    together = torch.func.vmap(torch.func.grad(lambda a, n: layer.perturbed(a, n).square().sum()))(inputs, words)
    for index in range(2):
        leaf = inputs[index].clone().requires_grad_(True)
        (alone,) = torch.autograd.grad(layer.perturbed(leaf, words[index]).square().sum(), leaf)
        assert torch.allclose(together[index], alone, rtol=FLOAT64)


@pytest.mark.parametrize("name", VECTORS)
def test_sequences_are_rows(name: str) -> None:
    layer, input = built(name), activations(name, batch=6)
    decoder = torch.randn(3, 4, generator=generator("twin"), dtype=torch.float64)
    assert layer(input.reshape(2, 3, 4)).shape == (2, 3, 4)
    assert float(layer.penalty(input.reshape(2, 3, 4), decoder)) == pytest.approx(float(layer.penalty(input, decoder)))


# --- zeros and exponents ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("gradient", [DifferentiatedScale(), DetachedScale()], ids=str)
@pytest.mark.parametrize("q", [0.5, 1.0, 1.3, 1.5, 2.0, 3.0])
def test_an_activation_of_zero_stays_zero_and_passes_its_gradient(q: float, gradient: Any) -> None:
    layer = Sparseout(q, 0.5, gradient=gradient, generator=generator("zero"))
    leaf = torch.zeros(100, requires_grad=True)
    output = layer(leaf)
    torch.autograd.backward(output.sum())
    assert torch.equal(output, torch.zeros(100))
    assert leaf.grad is not None
    assert q == 2 or torch.equal(leaf.grad, torch.ones(100))  # at q = 2 it is dropout, 0 or 1/θ
    (slope,) = torch.autograd.grad(layer.penalty(leaf.reshape(1, -1), torch.ones(1, 100)), leaf)
    assert torch.equal(slope, torch.zeros(100))


@pytest.mark.parametrize("exponent", [*(k / 8 for k in range(-7, 25)), 0.3, -0.35, 5.5])
def test_powers_by_roots_are_powers(exponent: float) -> None:
    base = torch.rand(50, generator=generator("base"), dtype=torch.float64) * 10
    assert torch.allclose(power(base.clone(), exponent), base**exponent, rtol=CERTIFICATE)


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("retain", [0.0, -0.1, 1.1, float("nan"), "0.5x", None, True])
def test_a_bad_retain_probability_is_refused(retain: Any) -> None:
    for layer in (BernoulliDropout, ChannelDropout, lambda r: Sparseout(1, r), lambda r: DropBlock(2, r),
                  lambda r: SlidingDropBlock1d(2, r), lambda r: SlidingDropBlock2d(2, r)):  # fmt: skip
        with pytest.raises(InputError, match="retain"):
            layer(retain)


BAD: dict[str, Callable[[], Any]] = {
    "negative odds": lambda: GaussianDropout(-0.1),
    "infinite odds": lambda: GaussianDropout(float("inf")),
    "q of 0": lambda: Sparseout(0, 0.5),
    "q of NaN": lambda: Sparseout(float("nan"), 0.5),
    "gradient by name": lambda: Sparseout(1, 0.5, gradient="detached"),  # type: ignore[arg-type]
    "block of 0": lambda: DropBlock(0, 0.5),
    "half a block": lambda: SlidingDropBlock1d(1.5, 0.5),  # type: ignore[arg-type]
    "block beyond the units": lambda: DropBlock(5, 0.5)(torch.ones(2, 4)),
    "block beyond the line": lambda: SlidingDropBlock1d(5, 0.5)(torch.ones(2, 4)),
    "block beyond the map": lambda: SlidingDropBlock2d(3, 0.5)(torch.ones(2, 1, 4, 2)),
    "vectors for maps": lambda: SlidingDropBlock2d(1, 0.5)(torch.ones(2, 4)),
    "vectors for channels": lambda: ChannelDropout(0.5)(torch.ones(2, 4)),
    "decoder of another width": lambda: BernoulliDropout(0.5).penalty(torch.ones(2, 4), torch.ones(3, 5)),
    "sparse decoder of another width": lambda: Sparseout(1, 0.5).penalty(torch.ones(2, 4), torch.ones(3, 5)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case: str) -> None:
    with pytest.raises(InputError):
        BAD[case]()
