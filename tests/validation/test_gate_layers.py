"""Gates, concrete dropout, standout and targeted units keep the laws of noisy layers; broken ones are caught."""

from collections.abc import Callable
from math import log
from typing import Any

import layer_laws as laws
import numpy as np
import pytest
import torch
from scipy.integrate import quad
from scipy.optimize import minimize_scalar
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.theory import strategies
from etatrick.theory.gates.laws import BetaBernoulli, HardConcrete
from etatrick.theory.gates.laws import ConcreteDropout as ConcreteLaw
from etatrick.theory.vector import TrimmedRidge
from etatrick.validation.layers import AdaptiveBernoulli, MaskedLinear, NoisyActivations, NoisyWeights
from etatrick.validation.layers.beta_bernoulli import BetaBernoulliGates
from etatrick.validation.layers.channel_gates import ChannelGates
from etatrick.validation.layers.column_energy import BatchEnergy, RunningEnergy, column_squares
from etatrick.validation.layers.concrete_dropout import BernoulliConcreteDropout, ConcreteDropout
from etatrick.validation.layers.gated_conv import CEL0Conv2d, SampledGatesConv2d
from etatrick.validation.layers.gated_linear import CEL0Linear, SampledGatesLinear
from etatrick.validation.layers.gates import LearnedGates
from etatrick.validation.layers.hard_concrete import HardConcreteGates
from etatrick.validation.layers.quadrature_atoms import fewest_atoms, gauss_legendre
from etatrick.validation.layers.standout import Standout, StandoutMask
from etatrick.validation.layers.targeted_units import TargetedUnitsConv2d, TargetedUnitsLinear
from etatrick.validation.seeding import seed
from tolerances import CERTIFICATE, FLOAT64, close

UNITS, OUTPUTS = 3, 2
PRICE, HIGH = 5.0, 60.0  # for inputs and for channels


def generator(*axes: str | int) -> torch.Generator:
    return torch.Generator().manual_seed(seed("gate layers", *axes))


def numbers(*shape: int, name: str = "input") -> Tensor:
    return torch.randn(shape, generator=generator(name), dtype=torch.float64)


def spread(layer: Any) -> Any:
    """Return the layer in double precision with parameters that differ from unit to unit and not from run to run."""
    layer.double()
    with torch.no_grad():
        for index, parameter in enumerate(layer.parameters()):
            parameter.copy_(0.6 * numbers(*parameter.shape, name=f"parameter {index}"))
    return layer


def running(g: torch.Generator) -> SampledGatesLinear:
    layer = spread(SampledGatesLinear(UNITS, OUTPUTS, lam=PRICE, energy=RunningEnergy(UNITS), generator=g))
    layer.energy.update(numbers(5, UNITS, name="before"))
    assert isinstance(layer, SampledGatesLinear)
    return layer


ON_ACTIVATIONS: dict[str, Callable[[torch.Generator], NoisyActivations]] = {
    "learned": lambda g: spread(LearnedGates(UNITS, generator=g)),
    "hard concrete": lambda g: spread(HardConcreteGates(UNITS, generator=g)),
    "hard concrete, cold": lambda g: spread(HardConcreteGates(UNITS, beta=0.4, gamma=-0.3, zeta=1.2, generator=g)),
    "beta-Bernoulli": lambda g: spread(BetaBernoulliGates(UNITS, prior=1e-2, generator=g)),
    "learned, maps": lambda g: spread(ChannelGates(LearnedGates(UNITS, generator=g))),
    "hard concrete, maps": lambda g: spread(ChannelGates(HardConcreteGates(UNITS, generator=g))),
    "concrete": lambda g: spread(ConcreteDropout(0.6, generator=g)),
    "concrete, exact": lambda g: spread(BernoulliConcreteDropout(0.6, generator=g)),
    "standout": lambda g: Standout(1.3, -0.4, generator=g),
    "standout, tanh": lambda g: Standout(0.7, 0.2, activation=torch.tanh, generator=g),
}
ON_WEIGHTS: dict[str, Callable[[torch.Generator], NoisyWeights]] = {
    "sampled gates": lambda g: spread(SampledGatesLinear(UNITS, OUTPUTS, lam=PRICE, generator=g)),
    "sampled gates, running": running,
    "sampled channels": lambda g: spread(SampledGatesConv2d(UNITS, 2, 2, padding=1, lam=HIGH, generator=g)),
    "sampled channels, strided": lambda g: spread(
        SampledGatesConv2d(UNITS, 2, (2, 1), 2, bias=False, lam=HIGH, generator=g)
    ),
    "CEL0": lambda g: spread(CEL0Linear(UNITS, OUTPUTS, lam=PRICE, generator=g)),
    "CEL0 channels": lambda g: spread(CEL0Conv2d(UNITS, 2, 2, padding=1, lam=HIGH, generator=g)),
    "targeted units": lambda g: spread(TargetedUnitsLinear(UNITS, 4, fraction=0.6, drop=0.4, generator=g)),
    "targeted units, no bias": lambda g: spread(TargetedUnitsLinear(UNITS, 4, False, drop=0.9, generator=g)),
    "targeted channels": lambda g: spread(TargetedUnitsConv2d(1, 3, 2, padding=1, fraction=0.7, generator=g)),
    "standout mask": lambda g: spread(MaskedLinear(UNITS, OUTPUTS, mask=StandoutMask(2.0, -0.5), generator=g)),
}  # fmt: skip
LAYERS: dict[str, Callable[[torch.Generator], laws.Layer]] = {**ON_ACTIVATIONS, **ON_WEIGHTS}
CHANNELS = ["sampled channels", "sampled channels, strided"]
DETACHED = [
    "sampled gates",
    "sampled gates, running",
    *CHANNELS,
    "standout mask",
]  # the twin's value is not the expected loss


def batch(name: str) -> Tensor:
    if name.endswith("maps"):
        return numbers(2, UNITS, 1, 2)
    if "channels" in name:
        return numbers(2, 1 if name == "targeted channels" else UNITS, 3 if "strided" in name else 2, 2)
    return numbers(1, UNITS) if name.startswith("concrete") else numbers(2, UNITS)


def problem(layer: Any, input: Tensor) -> laws.Problem:
    if isinstance(layer, NoisyWeights):
        return laws.weight_problem(layer, input, torch.zeros_like(layer.clean(input)).detach() + 0.3)
    decoder = numbers(OUTPUTS, input[0].numel(), name="decoder")
    target = numbers(len(input), OUTPUTS, name="target")
    return laws.activation_problem(layer, input, decoder, target)


def built(name: str) -> Any:
    return LAYERS[name](generator(name))


# --- the laws -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", LAYERS)
def test_atoms_are_a_law_of_the_noise(name: str) -> None:
    assert laws.atom_violations(built(name), batch(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_mean_and_covariance_are_exact(name: str) -> None:
    assert laws.moment_violations(built(name), batch(name)) == []


@pytest.mark.parametrize("name", LAYERS)
def test_the_expected_gradient_is_that_of_fit_and_penalty(name: str) -> None:
    assert laws.gradient_violations(problem(built(name), batch(name))) == []


@pytest.mark.parametrize("name", [name for name in LAYERS if name not in DETACHED])
def test_the_expected_loss_is_fit_and_penalty(name: str) -> None:
    assert laws.loss_violations(problem(built(name), batch(name))) == []


@pytest.mark.parametrize("name", ["sampled gates", "sampled gates, running", *CHANNELS])
def test_the_gradient_for_the_input_is_exact_too(name: str) -> None:
    layer, leaf = built(name), batch(name).requires_grad_(True)
    target = torch.full_like(layer.clean(leaf), 0.3)
    setting = laws.Problem(layer, leaf, lambda noise: layer.perturbed(leaf, noise), lambda: layer.mean(leaf),
                           lambda: layer.penalty(leaf), target, [leaf, *layer.parameters()])  # fmt: skip
    assert laws.gradient_violations(setting) == []


@pytest.mark.parametrize("name", LAYERS)
def test_training_passes_have_the_stated_moments(name: str) -> None:
    layer = built(name)
    if name == "sampled gates, running":
        layer.energy = BatchEnergy()  # a running one moves with every pass
    assert laws.sampling_violations(layer, batch(name)) == []


def test_gates_are_shared_by_a_batch_and_concrete_masks_are_not() -> None:
    assert laws.independence_violations(built("learned"), batch("learned")) == ["examples"]
    assert laws.independence_violations(built("concrete, exact"), numbers(2, UNITS)) == []
    assert laws.independence_violations(built("standout"), batch("standout")) == []


# --- the twin is that of theory -----------------------------------------------------------------------------------


@pytest.mark.parametrize("law", [HardConcrete(), HardConcrete(0.4, -0.3, 1.2)], ids=str)
def test_hard_concrete_moments_are_the_theory_s(law: HardConcrete) -> None:
    gates = HardConcreteGates(61, beta=law.beta, gamma=law.gamma, zeta=law.zeta).double()
    grid = torch.linspace(-8, 8, 61, dtype=torch.float64)
    with torch.no_grad():
        gates.log_a.copy_(grid)
        mean, variance = gates.moments()
        curve = law.curve(grid.numpy())
        assert np.allclose((variance / mean.square()).numpy(), np.exp(curve.log_rho), rtol=FLOAT64)
        assert np.allclose(gates.price().numpy(), curve.dual, rtol=FLOAT64)


@pytest.mark.parametrize("weight", [0.1, 0.4, 0.6, 2.0])
def test_the_best_hard_concrete_gate_imposes_the_theory_s_penalty(weight: float) -> None:
    gates, lam = HardConcreteGates(1).double(), 0.8

    def cost(log_a: float) -> float:
        with torch.no_grad():
            gates.log_a.fill_(log_a)
            mean, variance = gates.moments()
            return float(weight**2 / 2 * variance / mean.square() + lam * gates.price())

    grid = np.linspace(-8, 25, 200)
    start = grid[int(np.argmin([cost(t) for t in grid]))]
    found = minimize_scalar(cost, bounds=(start - 0.2, start + 0.2), method="bounded", options={"xatol": 1e-9})
    wanted = 2 * lam * float(HardConcrete().penalty_at(weight / (2 * lam) ** 0.5))
    assert close(float(found.fun), wanted, 1e-9)  # an open gate is reached at log a = 25 to 1e-10


@pytest.mark.parametrize("weight", [0.1, 0.6, 1.1, 2.0])
def test_the_best_learned_gate_imposes_cel0(weight: float) -> None:
    gates, lam = LearnedGates(1).double(), 0.8

    def cost(logit: float) -> float:
        with torch.no_grad():
            gates.logit.fill_(logit)
            mean, variance = gates.moments()
            return float(weight**2 / 2 * variance / mean.square() + lam * gates.price())

    found = minimize_scalar(cost, bounds=(-30, 30), method="bounded", options={"xatol": 1e-10})
    wanted = float(strategies["bernoulli_l0"](kappa=lam).duality.penalty_at(weight))
    assert close(float(found.fun), wanted, 1e-9)


def test_beta_bernoulli_pays_the_theory_s_divergence() -> None:
    law = BetaBernoulli(1e-3)
    log_a, log_b = law.shapes(np.linspace(0.5, 12.0, 9))
    gates = BetaBernoulliGates(9, prior=1e-3).double()
    with torch.no_grad():
        for raw, shape in ((gates.raw_a, log_a), (gates.raw_b, log_b)):
            raw.copy_(torch.tensor(np.log(np.expm1(np.exp(shape)))))
        mean, price = gates.retained().numpy(), gates.price().numpy()
    assert np.allclose(2 * price, law.dual_at(mean / (1 - mean)), rtol=1e-8)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
@pytest.mark.parametrize(("a", "b"), [(1e8, 1e-3), (1e4, 1.0), (1e-3, 50.0), (2.0, 1e5), (900.0, 1e-8), (0.313, 1.0)])
def test_extreme_shapes_leave_chances_and_gradients_finite(a: float, b: float, dtype: torch.dtype) -> None:
    """Against b·B(1 + 1/a, b) by scipy, but for what is lost where logarithms of Γ cancel; parameters begin single."""
    from scipy.special import betaln, gammaln

    gates = BetaBernoulliGates(1, a=a, b=b, generator=torch.Generator().manual_seed(0)).to(dtype)
    mean, variance = gates.moments()
    gates(torch.ones(1, 1, dtype=dtype)).sum().backward()
    assert 0 <= mean.item() < 1
    assert variance.item() >= 0
    assert bool(torch.isfinite(torch.cat([gates.raw_a.grad, gates.raw_b.grad])).all())  # type: ignore[list-item]
    wanted = float(np.exp(np.log(b) + betaln(1 + 1 / a, b)))
    lost = 4 * torch.finfo(dtype).eps * abs(float(gammaln(b + 1 / a + 1)))
    assert mean.item() == pytest.approx(wanted, rel=1e-6 + lost, abs=1e-7)


def test_a_gate_of_the_prior_costs_nothing_and_is_removed() -> None:
    gates = BetaBernoulliGates(2, prior=5e-4, a=5e-4, b=1.0).double()
    assert float(gates.price().abs().max().detach()) < 1e-6  # parameters begin in single precision
    assert torch.equal(gates.settled().detach(), torch.zeros(2, dtype=torch.float64))


@pytest.mark.parametrize("drop", [0.05, 0.2, 0.5])
def test_the_entropy_is_the_theory_s_price(drop: float) -> None:
    layer = BernoulliConcreteDropout(1 - drop).double()
    layer.logit.data.fill_(log(drop / (1 - drop)))
    wanted = float(ConcreteLaw(1.7).dual_at((1 - drop) / drop)) / 2
    assert close(1.7 * layer.price().item(), wanted)
    assert close(layer.moments()[1].item(), drop / (1 - drop))


@pytest.mark.parametrize("drop", [0.03, 0.3, 0.5, 0.8])
def test_moments_of_the_relaxed_mask_are_its_integrals(drop: float) -> None:
    layer = ConcreteDropout(1 - drop).double()
    layer.logit.data.fill_(log(drop / (1 - drop)))

    def mask(v: float) -> float:
        return float(1 / (1 + np.exp((log(drop / (1 - drop)) + v) / 0.1)) / (1 - drop))

    def moment(order: int) -> float:
        """Integrate over v = logit u, with the jump of the mask inside."""
        jump = -log(drop / (1 - drop))
        density = [quad(lambda v: mask(v) ** order / (2 * np.cosh(v / 2)) ** 2, *ends, epsabs=1e-13, limit=400)[0]
                   for ends in ((-38.0, jump), (jump, 38.0))]  # fmt: skip
        return float(sum(density))

    mean, variance = (part.item() for part in layer.moments())
    assert close(mean, moment(1))
    assert close(variance, moment(2) - moment(1) ** 2)
    assert 0.88 < variance / (drop / (1 - drop)) < 0.93  # methods.md states 91 %
    assert abs(mean - 1) < 0.02


def alone(layer: Any, input: Tensor) -> list[Tensor]:
    """Return what each input adds to the outputs, flattened, by passes in which all others are 0."""
    bias, passes = layer.clean(torch.zeros_like(input)), []
    for index in range(UNITS):
        only = torch.zeros_like(input)
        only[:, index] = input[:, index]
        passes.append((layer.clean(only) - bias).flatten(1))
    return passes


@pytest.mark.parametrize(("sampled", "plain"), [("sampled gates", "CEL0"), ("sampled channels", "CEL0 channels")])
def test_closed_form_gates_impose_cel0(sampled: str, plain: str) -> None:
    gates, silent = built(sampled), built(plain)
    silent.load_state_dict(gates.state_dict())
    input = batch(sampled)
    assert close(gates.penalty(input).item(), silent.cel0(input).item())
    slopes = [torch.autograd.grad(value, layer.weight)[0]
              for layer, value in ((gates, gates.penalty(input)), (silent, silent.cel0(input)))]  # fmt: skip
    assert torch.allclose(slopes[0], slopes[1], rtol=FLOAT64)
    lengths = np.array([float(part.square().sum().sqrt().detach()) for part in alone(silent, input)])
    top = (2 * silent.lam) ** 0.5
    wanted = np.where(lengths < top, top * lengths - lengths**2 / 2, silent.lam).sum()
    assert close(silent.cel0(input).item(), float(wanted))
    assert bool((lengths < top).any())


@pytest.mark.parametrize("name", ["sampled gates", "CEL0", *CHANNELS, "CEL0 channels"])
def test_contributions_add_up_and_have_the_stated_lengths(name: str) -> None:
    layer, input = built(name), batch(name)
    each = layer.contributions(input)
    without_bias = layer.clean(input) - layer.clean(torch.zeros_like(input))
    assert torch.allclose(each.sum(1), without_bias.flatten(1), rtol=CERTIFICATE, atol=CERTIFICATE)
    assert torch.allclose(each, torch.stack(alone(layer, input), 1), rtol=CERTIFICATE, atol=CERTIFICATE)
    assert torch.allclose(each.square().sum((0, 2)), layer.batch_squares(input, layer.weight), rtol=CERTIFICATE)


def test_channel_gates_of_one_place_are_gates_of_inputs() -> None:
    layer, plain = SampledGatesConv2d(UNITS, OUTPUTS, 1, lam=PRICE).double(), built("sampled gates")
    layer.load_state_dict({"weight": plain.weight[:, :, None, None], "bias": plain.bias})
    input = numbers(2, UNITS, 1, 1)
    assert torch.allclose(layer.retained(input), plain.retained(input[..., 0, 0]), rtol=CERTIFICATE)
    assert bool((layer.retained(input) < 1).any())


def test_running_energy_forgets_and_travels_with_the_state() -> None:
    one, other = running(generator("a")), running(generator("b"))
    for index in range(3):
        one(numbers(4, UNITS, name=f"batch {index}"))
    mean = numbers(5, UNITS, name="before").square().mean(0)
    for index in range(3):
        mean = 0.9 * mean + 0.1 * numbers(4, UNITS, name=f"batch {index}").square().mean(0)
    energy = one.energy
    assert isinstance(energy, RunningEnergy)
    assert torch.allclose(energy.mean_square, mean, rtol=FLOAT64)
    assert not torch.equal(one.retained(batch("")), other.retained(batch("")))
    other.load_state_dict(one.state_dict())
    assert torch.equal(one.retained(batch("")), other.retained(batch("")))


def test_a_weight_at_zero_keeps_its_gate_shut() -> None:
    layer = built("sampled gates")
    with torch.no_grad():
        layer.weight[:, 0] = 0
    output = layer(batch(""))
    torch.autograd.backward(output.square().sum() + layer.penalty(batch("")))
    assert float(layer.retained(batch(""))[0]) == 0
    assert bool(torch.isfinite(output).all())
    assert torch.equal(layer.weight.grad[:, 0], torch.zeros(OUTPUTS, dtype=torch.float64))


def test_targeted_units_impose_the_trimmed_ridge() -> None:
    layer = spread(TargetedUnitsLinear(4, 5, fraction=0.4, drop=0.3))
    whitened, _ = torch.linalg.qr(numbers(7, 4))
    lengths = layer.weight.detach().norm(dim=1) * (1 - 0.3 * layer.targets().double())
    wanted = float(TrimmedRidge(3, retain=0.7).penalty_at(lengths.numpy()))
    assert int(layer.targets().sum()) == 2
    assert close(layer.penalty(whitened).item(), wanted)


def test_targets_are_the_shortest_and_follow_a_ramp() -> None:
    layer = TargetedUnitsLinear(2, 4, fraction=0.5, drop=0.5)
    with torch.no_grad():
        layer.weight.copy_(torch.tensor([[3.0, 0.0], [0.0, 1.0], [2.0, 2.0], [0.5, 0.5]]))
    assert layer.targets().tolist() == [False, True, False, True]
    layer.retarget(fraction=0.25, drop=0.9)
    assert layer.targets().tolist() == [False, False, False, True]


def test_standout_masks_are_the_derived_ones() -> None:
    duality, lam = StandoutMask(2.0, -0.5).twin
    derived = AdaptiveBernoulli(duality, lam, floor=1e-6)
    weight, noise = numbers(400, name="w"), torch.rand(400, generator=generator("u"), dtype=torch.float64)
    assert torch.allclose(StandoutMask(2.0, -0.5).apply(weight, noise), derived.apply(weight, noise), rtol=FLOAT64)


def test_fewer_atoms_keep_the_moments() -> None:
    x, chance = gauss_legendre(0, 1, 60)
    functions: list[Callable[[Tensor], Tensor]] = [torch.exp, torch.square, torch.sqrt]
    few, weights = fewest_atoms(x, chance, [f(x) for f in functions])
    assert len(few) <= 4
    assert float(weights.min()) >= 0
    for f in functions:
        assert close(float(weights @ f(few)), float(chance @ f(x)), CERTIFICATE)
    assert not close(float(weights @ few**7), float(chance @ x**7), CERTIFICATE)


# --- broken layers must be caught ---------------------------------------------------------------------------------


def straight_through(layer: LearnedGates, input: Tensor, noise: Tensor) -> Tensor:
    pi = layer.retained()
    return input * ((noise < pi.detach()).double() + pi - pi.detach())


def rescaled(layer: TargetedUnitsLinear, input: Tensor, noise: Tensor) -> Tensor:
    return layer.perturbed(input, noise) / (1 - layer.drop)


def gates_differentiated(layer: SampledGatesLinear, input: Tensor, noise: Tensor) -> Tensor:
    lengths = input.square().sum(0).sqrt() * layer.weight.norm(dim=0)
    pi = (lengths / (2 * layer.lam) ** 0.5).clamp_max(1)
    output: Tensor = (input * torch.where(noise < pi, 1 / pi, 0.0)) @ layer.weight.T + layer.bias
    return output


def overlaps_forgotten(layer: SampledGatesConv2d, input: Tensor, noise: Tensor) -> Tensor:
    lengths = input.square().sum((0, 2, 3)).sqrt() * layer.weight.square().sum((0, 2, 3)).sqrt()
    pi = (lengths / (2 * layer.lam) ** 0.5).clamp_max(1).detach()
    return layer.clean(input * torch.where(noise < pi, 1 / pi, 0.0)[:, None, None])


def mask_differentiated(layer: Standout, input: Tensor, noise: Tensor) -> Tensor:
    g = layer.retained(input)
    return layer.perturbed(input, noise) + torch.relu(input) * (g - g.detach())


FAULTS: dict[str, tuple[str, Callable[[Any, Tensor, Tensor], Tensor], set[str]]] = {
    "straight through": ("learned", straight_through, {"gradient 2"}),
    "gate cut from its parameter": ("hard concrete", lambda m, x, n: x * m.gate(n).detach(), {"gradient 2"}),
    "not clipped": ("hard concrete", lambda m, x, n: x * m._stretched(torch.sigmoid(
        (torch.logit(n) + m.log_a) / m.twin.beta)), {"mean", "covariance", "loss"}),
    "hard mask for a relaxed one": ("concrete", lambda m, x, n: x * (n > m.drop).double() / (1 - m.drop),
                                    {"mean", "covariance", "gradient 2"}),
    "relaxed rate held constant": ("concrete", lambda m, x, n: x * m.factor(n).detach(), {"gradient 2"}),
    "targets rescaled": ("targeted units", rescaled, {"mean", "loss", "gradient 0"}),
    "all units targeted": ("targeted units", lambda m, x, n: m._scaled(x, (n > 2**30).double()), {"mean", "loss"}),
    "gates differentiated": ("sampled gates", gates_differentiated, {"gradient 0"}),
    "overlaps forgotten": ("sampled channels", overlaps_forgotten, {"mean", "covariance", "gradient 0"}),
    "a gate per position": ("learned, maps", lambda m, x, n: torch.cat(
        [m.perturbed(x[..., :1], n), m.perturbed(x[..., 1:], 1 - n)], -1), {"covariance", "loss"}),
    "gates not rescaled": ("sampled gates", lambda m, x, n: m.clean(x * (n < m.retained(x)).double()),
                           {"mean", "gradient 0"}),
    "mask differentiated": ("standout", mask_differentiated, {"gradient 0"}),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_a_broken_layer_is_caught(fault: str) -> None:
    name, change, wanted = FAULTS[fault]
    layer, input = built(name), batch(name)
    lawful = type(layer).perturbed
    broken = type(f"Broken{type(layer).__name__}", (type(layer),), {})
    layer.__class__ = broken

    def perturbed(self: Any, input: Tensor, noise: Tensor) -> Tensor:
        self.__class__ = broken.__base__  # the change may use the lawful pass
        try:
            return change(self, input, noise)
        finally:
            self.__class__ = broken

    broken.perturbed = perturbed  # type: ignore[attr-defined]
    assert lawful is not type(layer).perturbed
    setting = problem(layer, input)
    found = {*laws.moment_violations(layer, input), *laws.loss_violations(setting), *laws.gradient_violations(setting)}
    assert wanted <= found


# --- in the place of a plain layer --------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in LAYERS if not name.startswith("standout")])
def test_a_layer_is_a_module_like_others(name: str) -> None:
    found = laws.drop_in_violations(LAYERS[name], batch(name).repeat(4, *[1] * (batch(name).ndim - 1)))
    assert found == (["generator"] if name.startswith("CEL0") else [])  # which has no noise


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", ["learned", "hard concrete", "sampled gates", "sampled channels", "targeted units"])
def test_a_layer_compiles(name: str) -> None:
    assert laws.compile_violations(LAYERS[name], batch(name)) == []


WIDE: dict[str, tuple[Callable[[], Any], tuple[int, ...]]] = {
    "a batch": (lambda: SampledGatesLinear(10, OUTPUTS, lam=PRICE), (4, 10)),
    "sequences": (lambda: SampledGatesLinear(10, OUTPUTS, lam=PRICE), (2, 3, 10)),
    "maps": (lambda: SampledGatesConv2d(10, OUTPUTS, 2, lam=HIGH), (2, 10, 3, 2)),
}


@pytest.mark.parametrize("open_gates", range(11))
@pytest.mark.parametrize("kind", WIDE)
def test_columns_of_closed_gates_can_be_left_out(kind: str, open_gates: int) -> None:
    """Output and gradients are those of x z/π̂, however many gates are open; under vmap and with zero length too."""
    build, shape = WIDE[kind]
    layer, input = spread(build()), numbers(*shape).requires_grad_(True)
    with torch.no_grad():
        layer.weight[:, 3] = 0.0
    pi = layer.retained(input)
    noise = torch.where(torch.arange(10) < open_gates, 0.5 * pi, 0.5 + 0.5 * pi)
    gates = torch.where((torch.arange(10) < open_gates) & (pi > 0), 1 / pi, 0.0)
    leaves = [input, *layer.parameters()]
    wanted = layer.clean(input * (gates[:, None, None] if kind == "maps" else gates))
    found = layer.perturbed(input, noise)
    mapped = torch.func.vmap(lambda u: layer.perturbed(input, u))(noise[None])[0]
    assert pi[3] == 0
    for each in (found, mapped):
        slopes = torch.autograd.grad(each.square().sum(), leaves)
        for mine, right in zip(
            slopes, torch.autograd.grad(wanted.square().sum(), leaves, retain_graph=True), strict=True
        ):
            assert torch.allclose(mine, right, rtol=CERTIFICATE, atol=CERTIFICATE)
        assert torch.allclose(each, wanted, rtol=CERTIFICATE, atol=CERTIFICATE)


@pytest.mark.parametrize("name", ["sampled gates", "sampled gates, running", *CHANNELS])
def test_mixed_precision_leaves_the_gates_exact(name: str) -> None:
    layer, input = built(name).float(), batch(name).bfloat16()
    wanted = layer.retained(input.float())
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert torch.equal(layer.retained(input), wanted)
    assert wanted.dtype == torch.float32


def test_squares_of_columns_go_by_blocks() -> None:
    for rows in (0, 1, 63, 64, 65, 200, 1500):
        matrix = numbers(rows, 3)
        assert torch.allclose(column_squares(matrix), matrix.square().sum(0), rtol=CERTIFICATE)


@pytest.mark.parametrize("name", ["sampled gates", "CEL0", "targeted units"])
def test_in_evaluation_a_dense_layer_is_plain(name: str) -> None:
    layer = built(name)
    plain = nn.Linear(UNITS, len(layer.weight)).double()
    plain.load_state_dict({k: v for k, v in layer.state_dict().items() if k in ("weight", "bias")})
    layer.eval()
    assert torch.allclose(layer(batch(name)), plain(batch(name)), rtol=CERTIFICATE)


def test_in_evaluation_gates_are_settled() -> None:
    gates = HardConcreteGates(3).double().eval()
    gates.log_a.data.copy_(torch.tensor([-10.0, 0.0, 10.0]))
    assert torch.allclose(gates(torch.ones(1, 3).double()).detach(), torch.tensor([[0.0, 0.5, 1.0]]).double())


# --- bad input ----------------------------------------------------------------------------------------------------

BAD: dict[str, Callable[[], Any]] = {
    "no units": lambda: LearnedGates(0),
    "retain of 1 at the start": lambda: LearnedGates(2, retain=1.0),
    "retain of 0 at the start": lambda: HardConcreteGates(2, retain=0.0),
    "beta of 0": lambda: HardConcreteGates(2, beta=0.0),
    "zeta inside": lambda: HardConcreteGates(2, zeta=0.9),
    "prior above 1": lambda: BetaBernoulliGates(2, prior=2.0),
    "shape of 0": lambda: BetaBernoulliGates(2, a=0.0),
    "rate of 1": lambda: ConcreteDropout(0.0),
    "temperature of 0": lambda: ConcreteDropout(temperature=0.0),
    "gain of 0": lambda: Standout(0.0),
    "bias of NaN": lambda: StandoutMask(1.0, float("nan")),
    "lam of 0": lambda: CEL0Linear(2, 2, lam=0.0),
    "lam below 0": lambda: SampledGatesConv2d(2, 2, 1, lam=-1.0),
    "maps without a batch": lambda: SampledGatesConv2d(2, 2, 1, lam=1.0)(torch.ones(2, 3, 3)),
    "momentum of 1": lambda: RunningEnergy(2, momentum=1.0),
    "fraction of 1": lambda: TargetedUnitsLinear(2, 2, fraction=1.0),
    "drop rate of 1": lambda: TargetedUnitsLinear(2, 2, drop=1.0),
    "negative drop rate": lambda: TargetedUnitsConv2d(1, 2, 3, drop=-0.1),
    "maps of other channels": lambda: ChannelGates(LearnedGates(2))(torch.ones(1, 3, 2)),
    "vectors for channels": lambda: ChannelGates(LearnedGates(2))(torch.ones(1, 2)),
    "a layer that is no gate": lambda: ChannelGates(nn.Dropout()),
    "a decoder of channels": lambda: ChannelGates(LearnedGates(2)).penalty(torch.ones(1, 2, 3), torch.ones(3, 2)),
    "a ramp out of range": lambda: TargetedUnitsLinear(2, 2).retarget(fraction=0.5, drop=float("nan")),
    "decoder of another width": lambda: LearnedGates(2).penalty(torch.ones(1, 2), torch.ones(3, 4)),
    "activations of another width": lambda: LearnedGates(2)(torch.ones(1, 3)),
}


@pytest.mark.parametrize("case", BAD)
def test_bad_input_is_refused(case: str) -> None:
    with pytest.raises(InputError):
        BAD[case]()
