"""Every layer with noisy weights obeys its laws, exactly and sampled; deliberately broken ones are caught."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import final

import pytest
import torch
from layer_laws import (
    atom_violations,
    compile_violations,
    drop_in_violations,
    evaluation_violations,
    gradient_violations,
    independence_violations,
    loss_violations,
    moment_violations,
    sampling_violations,
    weight_problem,
)
from torch import Tensor, nn

from etatrick.theory import penalties
from etatrick.validation.layers import (
    AdaptiveBernoulli,
    AdaptiveGaussian,
    AdditivePosterior,
    Atoms,
    Bridge,
    BridgeoutConv2d,
    BridgeoutLinear,
    CentredBernoulli,
    Detached,
    DropConnectConv2d,
    DropConnectLinear,
    FixedRate,
    MaskedConv2d,
    MaskedLinear,
    Mechanism,
    NoisyConv2d,
    NoisyLinear,
    NoisyWeights,
    Proportional,
    Reparameterised,
    ShakeoutConv2d,
    ShakeoutLinear,
    SharedWeights,
    StandardNormal,
    TargetedDropoutConv2d,
    TargetedDropoutLinear,
    Units,
    VariationalConv2d,
    VariationalLinear,
    WeightedMap,
    WeightsPerExample,
)
from etatrick.validation.seeding import seed

LOG_SUM = penalties["log_sum"](epsilon=2).duality
SOME = CentredBernoulli(0.7)


def inputs(*shape: int) -> Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed("layer laws", *shape)), dtype=torch.float64)


@final
@dataclass(frozen=True)
class Case:
    """A layer to judge: how to build it and one batch; whether its loss law holds and examples are independent."""

    make: Callable[[], NoisyWeights]
    input: Tensor
    differentiated: bool = True
    per_example: bool = False

    def build(self, generator: torch.Generator) -> NoisyWeights:
        """Return the layer in double precision, its parameters the same each time."""
        layer = self.make().double()
        source = torch.Generator().manual_seed(seed("layer laws", "parameters"))
        with torch.no_grad():
            for parameter in layer.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=source, dtype=torch.float64))
        layer.generator = generator
        return layer

    def layer(self) -> NoisyWeights:
        return self.build(torch.Generator().manual_seed(seed("layer laws", "noise")))


def dense(mechanism: Mechanism) -> Callable[[], NoisyWeights]:
    return lambda: NoisyLinear(3, 2, mechanism=mechanism)


BATCH, PAIR = inputs(2, 3), inputs(2, 2)
SHARED_IMAGE, UNIT_IMAGE, NORMAL_IMAGE, OWN_IMAGE = (
    inputs(2, 1, 3, 3),
    inputs(1, 1, 3, 2),
    inputs(1, 1, 3, 2),
    inputs(2, 1, 2, 3),
)

CASES = {
    "dropconnect": Case(lambda: DropConnectLinear(3, 2, retain=0.7), BATCH),
    "dropconnect half": Case(lambda: DropConnectLinear(3, 2), BATCH),
    "dropconnect per example": Case(
        lambda: DropConnectLinear(2, 2, retain=0.7, mechanism=WeightsPerExample), PAIR, per_example=True
    ),
    "dropconnect reparameterised": Case(
        lambda: DropConnectLinear(3, 2, retain=0.3, mechanism=Reparameterised), BATCH, per_example=True
    ),
    "dropconnect units": Case(
        lambda: DropConnectLinear(3, 2, retain=0.7, mechanism=Units), BATCH, per_example=True
    ),
    "dropconnect without noise": Case(lambda: DropConnectLinear(3, 2, retain=1.0), BATCH),
    "gaussian weights": Case(dense(SharedWeights(Proportional(StandardNormal(0.4)))), BATCH),
    "gaussian reparameterised": Case(dense(Reparameterised(Proportional(StandardNormal(0.4)))), BATCH),
    "gaussian units": Case(dense(Units(Proportional(StandardNormal(0.4)))), BATCH, per_example=True),
    "masked log-sum gaussian": Case(
        lambda: MaskedLinear(3, 2, mask=AdaptiveGaussian(LOG_SUM, 0.3)), BATCH, differentiated=False
    ),
    "masked log-sum bernoulli": Case(
        lambda: MaskedLinear(3, 2, mask=AdaptiveBernoulli(LOG_SUM, 0.3, 1e-3)), BATCH, differentiated=False
    ),
    "masked clamped bernoulli": Case(
        lambda: MaskedLinear(3, 2, mask=AdaptiveBernoulli(LOG_SUM, 0.3, 0.75)), BATCH, differentiated=False
    ),
    "masked fixed rate": Case(lambda: MaskedLinear(3, 2, mask=FixedRate(0.6)), BATCH),
    "bridgeout 1": Case(lambda: BridgeoutLinear(3, 2, q=1.0, retain=0.7), BATCH, per_example=True),
    "bridgeout 1.5": Case(lambda: BridgeoutLinear(3, 2, q=1.5), BATCH, per_example=True),
    "bridgeout 0.5": Case(lambda: BridgeoutLinear(3, 2, q=0.5, retain=0.7), BATCH, per_example=True),
    "bridgeout 2": Case(lambda: BridgeoutLinear(3, 2, retain=0.7), BATCH, per_example=True),
    "bridgeout per example": Case(
        lambda: BridgeoutLinear(2, 2, q=1.3, retain=0.7, mechanism=WeightsPerExample), PAIR, per_example=True
    ),
    "bridgeout units": Case(
        lambda: BridgeoutLinear(3, 2, q=1.3, retain=0.7, mechanism=Units), BATCH, per_example=True
    ),
    "bridgeout shared": Case(lambda: BridgeoutLinear(3, 2, q=1.0, mechanism=SharedWeights), BATCH),
    "bridgeout detached units": Case(dense(Units(Detached(Bridge(1.3, SOME)))), BATCH, differentiated=False),
    "bridgeout detached normal": Case(
        dense(SharedWeights(Detached(Bridge(1.0, StandardNormal(0.4))))), BATCH, differentiated=False
    ),
    "bridgeout detached reparameterised": Case(
        dense(Reparameterised(Detached(Bridge(2.0, SOME)))), BATCH, per_example=True
    ),
    "dropconnect detached": Case(dense(SharedWeights(Detached(Proportional(SOME)))), BATCH),
    "shakeout": Case(lambda: ShakeoutLinear(3, 2, c=0.4, drop=0.3), BATCH, per_example=True),
    "shakeout half": Case(lambda: ShakeoutLinear(3, 2), BATCH, per_example=True),
    "shakeout reparameterised": Case(
        lambda: ShakeoutLinear(3, 2, c=0.4, drop=0.3, mechanism=Reparameterised), BATCH, per_example=True
    ),
    "shakeout shared": Case(lambda: ShakeoutLinear(3, 2, c=0.4, drop=0.3, mechanism=SharedWeights), BATCH),
    "targeted": Case(lambda: TargetedDropoutLinear(3, 2, fraction=0.7, drop=0.6), BATCH),
    "targeted half": Case(lambda: TargetedDropoutLinear(3, 2, fraction=0.4), BATCH),
    "untargeted": Case(lambda: TargetedDropoutLinear(3, 2, fraction=0.2), BATCH),
    "variational": Case(lambda: VariationalLinear(3, 2), BATCH, per_example=True),
    "variational weights": Case(lambda: VariationalLinear(3, 2, mechanism=SharedWeights), BATCH),
    "variational additive": Case(lambda: VariationalLinear(3, 2, posterior=AdditivePosterior), BATCH),
    "variational additive weights": Case(
        lambda: VariationalLinear(3, 2, posterior=AdditivePosterior, mechanism=SharedWeights), BATCH
    ),
    "conv dropconnect": Case(lambda: DropConnectConv2d(1, 1, 2, retain=0.7), SHARED_IMAGE),
    "conv dropconnect per example": Case(
        lambda: DropConnectConv2d(1, 1, 2, mechanism=WeightsPerExample), OWN_IMAGE, per_example=True
    ),
    "conv masked": Case(
        lambda: MaskedConv2d(1, 1, 2, mask=AdaptiveGaussian(LOG_SUM, 0.3)), SHARED_IMAGE, differentiated=False
    ),
    "conv bridgeout": Case(lambda: BridgeoutConv2d(1, 2, 2, q=1.3, retain=0.7), NORMAL_IMAGE),
    "conv bridgeout units": Case(
        lambda: NoisyConv2d(1, 2, 2, padding=1, stride=2, mechanism=Units(Bridge(1.0, SOME))), UNIT_IMAGE
    ),
    "conv shakeout": Case(lambda: ShakeoutConv2d(1, 2, 2, c=0.4, drop=0.3), UNIT_IMAGE),
    "conv targeted": Case(lambda: TargetedDropoutConv2d(1, 1, 2, drop=0.3), SHARED_IMAGE),
    "conv variational": Case(lambda: VariationalConv2d(1, 2, 2), NORMAL_IMAGE),
    "conv in groups": Case(lambda: DropConnectConv2d(2, 2, (2, 1), groups=2, retain=0.7), inputs(2, 2, 3, 2)),
}  # fmt: skip


def target(case: Case) -> Tensor:
    layer = case.layer()
    return inputs(*layer.clean(case.input).shape)


@pytest.mark.parametrize("name", list(CASES))
def test_the_moments_and_the_gradient_are_those_of_the_formulas(name: str) -> None:
    case = CASES[name]
    layer = case.layer()
    assert atom_violations(layer, case.input) == []
    assert moment_violations(layer, case.input) == []
    problem = weight_problem(layer, case.input, target(case))
    assert gradient_violations(problem) == []
    if case.differentiated:
        assert loss_violations(problem) == []
    if case.per_example:
        assert independence_violations(layer, case.input) == []


@pytest.mark.parametrize("name", list(CASES))
def test_draws_have_the_moments(name: str) -> None:
    assert sampling_violations(CASES[name].layer(), CASES[name].input) == []


@pytest.mark.parametrize("name", list(CASES))
def test_evaluation_is_the_plain_layer(name: str) -> None:
    layer = CASES[name].layer()
    assert isinstance(layer, WeightedMap)
    plain: Callable[[Tensor], Tensor] = layer.clean
    if isinstance(layer, nn.Linear):
        plain = nn.Linear(layer.in_features, layer.out_features).double()
        plain.load_state_dict({key: layer.state_dict()[key] for key in ("weight", "bias")})
    assert evaluation_violations(layer, plain, CASES[name].input) == []


@pytest.mark.parametrize("name", [name for name in CASES if name != "dropconnect without noise"])
def test_a_layer_is_saved_copied_cast_and_reproduced(name: str) -> None:
    allowed = ["generator"] if name == "untargeted" else []  # without targets there is nothing to reproduce
    assert drop_in_violations(CASES[name].build, CASES[name].input) == allowed


@pytest.mark.parametrize(
    "name",
    ["dropconnect half", "dropconnect", "bridgeout 1.5", "shakeout", "targeted", "variational", "conv bridgeout"],
)
def test_a_layer_compiles(name: str) -> None:
    assert compile_violations(CASES[name].build, CASES[name].input) == []


# --- layers that must fail ----------------------------------------------------------------------------------------


@final
class Tampered(NoisyWeights):
    """An honest layer of which one part is replaced."""

    def __init__(
        self,
        honest: WeightedMap,
        *,
        noise: Callable[[WeightedMap, Tensor], Tensor] | None = None,
        perturbed: Callable[[WeightedMap, Tensor, Tensor], Tensor] | None = None,
        atoms: Callable[[WeightedMap, Tensor], Atoms] | None = None,
        strength: float = 1.0,
    ) -> None:
        super().__init__()
        self.honest, self.strength = honest, strength
        self.other_noise, self.other_pass, self.other_atoms = noise, perturbed, atoms

    def noise(self, input: Tensor) -> Tensor:
        return self.other_noise(self.honest, input) if self.other_noise else self.honest.noise(input)

    def perturbed(self, input: Tensor, noise: Tensor) -> Tensor:
        if self.other_pass:
            return self.other_pass(self.honest, input, noise)
        return self.honest.perturbed(input, noise)

    def clean(self, input: Tensor) -> Tensor:
        return self.honest.clean(input)

    def mean(self, input: Tensor) -> Tensor:
        return self.honest.mean(input)

    def covariance(self, input: Tensor) -> Tensor:
        return self.honest.covariance(input)

    def atoms(self, input: Tensor) -> Atoms:
        return self.other_atoms(self.honest, input) if self.other_atoms else self.honest.atoms(input)

    def penalty(self, input: Tensor) -> Tensor:
        return self.strength * self.honest.penalty(input)


def honest(name: str) -> WeightedMap:
    layer = CASES[name].layer()
    assert isinstance(layer, WeightedMap)
    return layer


def power_pass(exponent: float, unbound: bool) -> Callable[[WeightedMap, Tensor, Tensor], Tensor]:
    """Return a pass with units' noise times sgn(w)|w|^exponent; unbound, its ratio to w is a constant of the graph."""

    def perturbed(layer: WeightedMap, input: Tensor, noise: Tensor) -> Tensor:
        w = layer.weight
        scale = w.abs() ** exponent * w.sign()
        return layer.mapped(input, w, layer.bias) + layer.mapped(
            input * noise, w * (scale / w).detach() if unbound else scale
        )

    return perturbed


def one_row_for_all(layer: WeightedMap, input: Tensor) -> Atoms:
    """Return the atoms of noise per input unit where noise per weight is asked for."""
    return SOME.atoms((1, layer.weight.shape[1]), layer.weight)


def one_mask_for_all(layer: WeightedMap, input: Tensor) -> Atoms:
    """Return the atoms of one mask where a mask per example is asked for."""
    return SOME.atoms((1, *layer.weight.shape), layer.weight)


def spread_as_variance(layer: WeightedMap, input: Tensor, noise: Tensor) -> Tensor:
    return layer.clean(input) + layer.mapped(input.square(), layer.weight.square() * 7 / 3) * noise


GRADIENT = ["gradient 0"]
BROKEN = {
    "not rescaled": (
        Tampered(honest("dropconnect"), perturbed=lambda m, x, xi: m.mapped(x, m.weight * (1 + xi) * 0.7, m.bias)),
        ["mean", "covariance"], ["mean", "covariance"], ["loss"], [*GRADIENT, "gradient 1"], [],
    ),
    "wrong power": (
        Tampered(honest("bridgeout units"), perturbed=power_pass(1.3, False)),
        ["covariance"], ["covariance"], ["loss"], GRADIENT, [],
    ),
    "detached where its twin is differentiated": (
        Tampered(honest("bridgeout units"), perturbed=power_pass(0.65, True)), [], [], [], GRADIENT, [],
    ),
    "differentiated where its twin is detached": (
        Tampered(honest("bridgeout detached units"), perturbed=power_pass(0.65, False)),
        [], [], ["loss"], GRADIENT, [],
    ),
    "a mask shared by outputs": (
        Tampered(honest("dropconnect"), atoms=one_row_for_all,
                 noise=lambda m, x: SOME.sample((1, 3), m.weight, m.generator)),
        ["covariance"], ["covariance"], [], [], [],
    ),
    "a mask shared by examples": (
        Tampered(honest("bridgeout per example"), atoms=one_mask_for_all,
                 noise=lambda m, x: SOME.sample((1, 2, 2), m.weight, m.generator),
                 perturbed=lambda m, x, xi: m.perturbed(x, xi.expand(len(x), -1, -1))),
        [], [], [], [], ["examples"],
    ),
    "a variance as a deviation": (
        Tampered(honest("dropconnect reparameterised"), perturbed=spread_as_variance),
        ["covariance"], ["covariance"], ["loss"], GRADIENT, [],
    ),
    "targets rescaled": (
        Tampered(honest("targeted"), perturbed=lambda m, x, r: m.perturbed(x, r / 0.4)),
        ["mean", "covariance"], ["mean", "covariance"], ["loss"], [*GRADIENT, "gradient 1"], [],
    ),
    "draws of another rate": (
        Tampered(honest("dropconnect"),
                 noise=lambda m, x: CentredBernoulli(0.6).sample((2, 3), m.weight, m.generator)),
        [], ["covariance"], [], [], [],
    ),
    "a penalty 1e-9 too large": (Tampered(honest("shakeout"), strength=1 + 1e-9), [], [], ["loss"], GRADIENT, []),
}  # fmt: skip


@pytest.mark.parametrize("name", list(BROKEN))
def test_a_broken_layer_is_caught(name: str) -> None:
    layer, moments, sampled, loss, gradient, examples = BROKEN[name]
    batch = PAIR if name == "a mask shared by examples" else BATCH
    problem = weight_problem(layer, batch, inputs(*layer.clean(batch).shape))
    assert moment_violations(layer, batch) == moments
    assert sampling_violations(layer, batch) == sampled
    assert loss_violations(problem) == loss
    assert gradient_violations(problem) == gradient
    assert independence_violations(layer, PAIR) == examples if batch is PAIR else True


def test_a_noisy_evaluation_is_caught() -> None:
    layer = honest("dropconnect")
    assert evaluation_violations(layer, lambda x: layer.clean(x) * 1.001, BATCH) == ["evaluation"]
