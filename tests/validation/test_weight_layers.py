"""Layers with noisy weights: their twins against theory, special functions, gradients of fused passes, bad input."""

import itertools
from typing import Any

import numpy as np
import pytest
import scipy.special
import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.theory import penalties, strategies
from etatrick.validation.layers import (
    AdaptiveGaussian,
    AdditivePosterior,
    Bridge,
    BridgeoutLinear,
    CentredBernoulli,
    Detached,
    DropConnectConv2d,
    DropConnectLinear,
    ExactDivergence,
    LinearRamp,
    MaskedLinear,
    MolchanovDivergence,
    MultiplicativePosterior,
    NoisyLinear,
    Proportional,
    Reparameterised,
    Shake,
    ShakeoutLinear,
    StandardNormal,
    TargetedDropoutLinear,
    Units,
    VariationalLinear,
    WeightsPerExample,
)
from etatrick.validation.layers.gaussian_product import gaussian_product, power_product, relative_product
from etatrick.validation.layers.signed_power import power, signed_power
from etatrick.validation.layers.targeted_weights import targets
from etatrick.validation.seeding import seed
from etatrick.validation.torch_heads import dawson, dawson_integral
from tolerances import CERTIFICATE, FLOAT64, MC

WEIGHTS = torch.tensor([0.9, -0.4, 0.05, 2.0, -0.15, 0.0], dtype=torch.float64)


def normal(*shape: int) -> Tensor:
    source = torch.Generator().manual_seed(seed("weight layers", *shape))
    return torch.randn(shape, generator=source, dtype=torch.float64)


# --- penalty twins against the catalogue --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("perturbation", "entry", "jump"),
    [
        (Proportional(CentredBernoulli(0.25)), strategies["fixed_rate"](retain=0.25), 0.0),
        (Proportional(StandardNormal(3.0)), strategies["fixed_rate"](retain=0.25), 0.0),
        (Bridge(1.3, CentredBernoulli(0.25)), strategies["bridgeout"](q=1.3, retain=0.25), 0.0),
        (Bridge(1.3, StandardNormal(3.0)), strategies["bridgeout"](q=1.3, retain=0.25), 0.0),
        (Shake(0.4, CentredBernoulli(0.25)), strategies["shakeout"](c=0.4, drop=0.75), 3 * 0.4**2 / 2),
    ],
)
def test_penalties_are_those_of_the_catalogue(perturbation: Any, entry: Any, jump: float) -> None:
    size = WEIGHTS.abs().numpy()
    wanted = entry.duality.penalty_at(size)
    wanted = np.where(size > 0, wanted - entry.duality.penalty_at(1e-300) + jump, 0.0)
    assert np.allclose(perturbation.penalties(WEIGHTS).numpy(), wanted, rtol=FLOAT64, atol=FLOAT64)


@pytest.mark.parametrize("q", [0.5, 1.0, 1.3, 2.0])
def test_a_detached_bridge_has_a_penalty_two_over_q_times_larger(q: float) -> None:
    bridge = Bridge(q, CentredBernoulli(0.25))
    assert torch.allclose(Detached(bridge).penalties(WEIGHTS), 2 / q * bridge.penalties(WEIGHTS), rtol=FLOAT64)


def test_targeted_dropout_is_the_trimmed_ridge_of_the_mean_weights() -> None:
    layer = TargetedDropoutLinear(6, 1, bias=False, fraction=0.5, drop=0.75).double()
    with torch.no_grad():
        layer.weight.copy_(WEIGHTS)
    mean = np.where(np.isin(np.arange(6), [0, 1, 3]), 1.0, 0.25) * WEIGHTS.numpy()
    unit = torch.eye(6, dtype=torch.float64)  # every column has energy 1
    assert torch.allclose(layer.mean(unit)[:, 0], torch.tensor(mean))
    trimmed = 3 * 0.5 * np.sort(mean**2)[:3].sum()  # odds (1 − ¼)/¼ times the ridge of the three smallest
    assert abs(float(layer.penalty(unit).detach()) - trimmed) < FLOAT64
    duality: Any = strategies["targeted_dropout"](k=3, retain=0.25).duality
    assert abs(float(duality.penalty_at(mean)) - trimmed) < FLOAT64


def test_minimised_over_its_variance_variational_dropout_has_the_penalty_of_the_catalogue() -> None:
    duality = strategies["variational_dropout"]().duality
    for scale in (0.1, 0.5, 1.0, 2.0, 5.0):
        layer = VariationalLinear(1, 1, bias=False).double()
        posterior = layer.posterior
        assert isinstance(posterior, MultiplicativePosterior)
        with torch.no_grad():
            layer.weight.fill_(scale)
        low, high = -12.0, 12.0
        for _ in range(60):  # bisection on the slope in log α of ½s²Var + KL, which grows
            middle = (low + high) / 2
            with torch.no_grad():
                posterior.log_alpha.fill_(middle)
            value = layer.penalty(torch.ones(1, 1, dtype=torch.float64)) + layer.kl()
            (slope,) = torch.autograd.grad(value, posterior.log_alpha)
            low, high = (low, middle) if float(slope) > 0 else (middle, high)
        assert abs(float(value.detach()) - float(duality.penalty_at(scale))) < 1e-8


def test_energies_of_a_convolution_are_sums_over_patches() -> None:
    layer = DropConnectConv2d(4, 6, (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2), groups=2).double()
    images = normal(3, 4, 6, 5)
    patches = nn.functional.unfold(images.square(), (3, 2), stride=(2, 1), padding=(1, 0), dilation=(1, 2))
    sums = patches.sum((0, 2)).view(2, 1, 2, 3, 2).expand(2, 3, 2, 3, 2).reshape(6, 2, 3, 2)
    assert torch.allclose(layer.energies(images), sums, rtol=FLOAT64)


# --- special functions --------------------------------------------------------------------------------------------


def test_dawson_agrees_with_scipy() -> None:
    x = np.concatenate([np.linspace(-12, 12, 20_001), np.geomspace(1e-12, 1e6, 2_001), [9.999999, 10.0, 10.000001]])
    found, wanted = dawson(torch.tensor(x)).numpy(), scipy.special.dawsn(x)
    assert np.max(np.abs(found - wanted) / np.where(wanted == 0, 1, np.abs(wanted))) < CERTIFICATE
    single = dawson(torch.tensor(x, dtype=torch.float32)).numpy()
    assert np.max(np.abs(single - wanted)) < 4e-7
    assert bool(torch.isnan(dawson(torch.tensor([float("nan")]))).all())


def test_its_area_agrees_with_quadrature() -> None:
    nodes, weights = np.polynomial.legendre.leggauss(60)
    for end in (1e-3, 0.3, 1.0, 4.0, 9.99, 10.01, 15.0):
        parts = [
            (right - left) / 2 * weights @ scipy.special.dawsn((right - left) / 2 * nodes + (left + right) / 2)
            for left, right in itertools.pairwise(np.linspace(0, end, 9))
        ]
        found = float(2 * dawson_integral(torch.tensor(end, dtype=torch.float64)))
        assert abs(found - 2 * sum(parts)) < CERTIFICATE * (1 + found)


def test_their_derivatives_are_those_of_finite_differences() -> None:
    x = torch.tensor([-11.0, -3.0, -0.4, 0.03, 0.9, 5.0, 9.97, 14.0], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradcheck(dawson, (x,))
    assert torch.autograd.gradcheck(dawson_integral, (x,))
    assert torch.autograd.gradcheck(ExactDivergence(), (x / 4,))  # log α


def test_the_divergence_has_the_published_values_and_molchanov_s_fit_its_error() -> None:
    alpha = torch.tensor([0.01, 0.1, 0.5, 1, 5, 50], dtype=torch.float64)
    published = torch.tensor([2.9327, 1.7241, 0.73944, 0.42669, 0.09675, 0.00997], dtype=torch.float64)
    assert torch.allclose(ExactDivergence()(alpha.log()), published, atol=6e-5, rtol=0)
    grid = torch.linspace(-20, 20, 4001, dtype=torch.float64)
    error = (ExactDivergence()(grid) - MolchanovDivergence()(grid)).abs().max()
    assert 0.0092 < float(error) < 0.0095


def test_both_posteriors_have_the_same_divergence() -> None:
    one, other = VariationalLinear(3, 2).double(), VariationalLinear(3, 2, posterior=AdditivePosterior).double()
    assert isinstance(one.posterior, MultiplicativePosterior)
    assert isinstance(other.posterior, AdditivePosterior)
    with torch.no_grad():
        one.posterior.log_alpha.copy_(normal(2, 3))
        other.weight.copy_(one.weight)
        other.posterior.log_variance.copy_(one.posterior.log_alpha + one.weight.square().log())
        assert abs(float(one.kl() - other.kl())) < FLOAT64


# --- fused passes -------------------------------------------------------------------------------------------------


def test_fused_products_have_the_gradients_of_finite_differences() -> None:
    x, w, v, b, noise = normal(4, 3), normal(2, 3), normal(2, 3).square() + 0.1, normal(2), normal(4, 2)
    for part in (x, w, v, b):
        part.requires_grad_(True)
    assert torch.autograd.gradcheck(gaussian_product, (x, w, v, b, noise))
    for degree in (0.7, 1.0, 1.3, 1.5, 2.0):
        assert torch.autograd.gradcheck(lambda x, w, b, p=degree: power_product(x, w, p, 0.6, b, noise), (x, w, b))
    assert torch.autograd.gradcheck(relative_product, (x, w, v, b, noise))


@pytest.mark.parametrize("exponent", [0.25, 0.5, 0.65, 1.0, 1.5, 2.0])
def test_powers_have_the_gradients_of_finite_differences_and_none_at_zero(exponent: float) -> None:
    w = WEIGHTS[:5].clone().requires_grad_(True)
    assert torch.autograd.gradcheck(lambda w: power(w, exponent), (w,))
    zero = torch.zeros(3, requires_grad=True)
    (slope,) = torch.autograd.grad(power(zero, exponent).sum(), zero)
    assert torch.equal(slope, torch.zeros(3))
    if exponent < 1:
        assert torch.autograd.gradcheck(lambda w: signed_power(w, exponent), (w,))
        (slope,) = torch.autograd.grad(signed_power(zero, exponent).sum(), zero)
        assert torch.equal(slope, torch.zeros(3))


@pytest.mark.parametrize("q", [0.5, 1.0, 1.5, 2.0])
def test_zero_weights_and_zero_inputs_give_finite_gradients(q: float) -> None:
    for mechanism in (Reparameterised, Units, WeightsPerExample):
        layer = BridgeoutLinear(3, 2, q=q, mechanism=mechanism)
        with torch.no_grad():
            layer.weight[0] = 0.0
        x = torch.zeros(4, 3, requires_grad=True)
        torch.autograd.backward((layer(x) - 1).square().sum())
        assert x.grad is not None
        assert layer.weight.grad is not None
        assert bool(torch.isfinite(x.grad).all() & torch.isfinite(layer.weight.grad).all())


def test_further_axes_of_the_input_are_batch_axes() -> None:
    for layer in (BridgeoutLinear(3, 2, q=1.3), ShakeoutLinear(3, 2), DropConnectLinear(3, 2), VariationalLinear(3, 2),
                  BridgeoutLinear(3, 2, mechanism=WeightsPerExample)):  # fmt: skip
        x = torch.ones(5, 4, 3)
        assert layer(x).shape == (5, 4, 2)
        assert torch.allclose(layer.energies(x), torch.full((3,), 20.0))


# --- random numbers and selection ---------------------------------------------------------------------------------


@pytest.mark.parametrize("retain", [0.5, 0.7, 0.05, 1 / 65536, 1.0])
def test_bernoulli_numbers_have_the_stated_probability(retain: float) -> None:
    law, size = CentredBernoulli(retain), 200_000
    drawn = law.sample((size,), torch.zeros(1, dtype=torch.float64), torch.Generator().manual_seed(seed("bits")))
    kept = (drawn > -1).double()
    error = (law.retain * (1 - law.retain) / size) ** 0.5
    assert abs(float(kept.mean()) - law.retain) <= MC * error
    neighbours = (kept[1:] - law.retain) * (kept[:-1] - law.retain)
    assert abs(float(neighbours.mean())) <= MC * law.retain * (1 - law.retain) / size**0.5
    eighths = kept[: size // 8 * 8].view(-1, 8).mean(0) - law.retain  # every bit of an octet
    assert float(eighths.abs().max()) <= MC * error * 8**0.5
    assert set(drawn.tolist()) <= {-1.0, float(torch.tensor(1.0).double() / law.retain - 1)}


def test_targets_are_exactly_the_smallest_of_each_row() -> None:
    weight = normal(7, 40)
    for fraction in (0.0, 0.1, 0.5, 0.974, 0.999):
        found = targets(weight, fraction)
        wanted = torch.zeros_like(found).scatter_(1, weight.abs().argsort(1)[:, : int(fraction * 40)], value=True)
        assert torch.equal(found, wanted)
        assert torch.equal(targets(weight.float().to(torch.bfloat16), 0.0), torch.zeros(7, 40, dtype=torch.bool))
    tied = torch.tensor([[1.0, -1.0, 1.0, 2.0]])
    assert not bool(targets(tied, 0.5).any())  # ties at the threshold are kept


def test_a_ramp_moves_the_rates_of_a_layer() -> None:
    layer, ramp = TargetedDropoutLinear(4, 4, fraction=0.0, drop=0.0), LinearRamp(0.0, 0.5, begin=0, end=10)
    x = torch.eye(4)
    assert torch.equal(layer.mean(x), layer.clean(x))
    layer.retarget(fraction=ramp(10), drop=0.5)
    changed = (layer.mean(x) - layer.clean(x)).abs() > 0
    assert changed.sum(0).tolist() == [2, 2, 2, 2]


# --- bad input ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("rate", [-0.1, 1.0, 1.5, float("nan"), "0.5"])
def test_rates_outside_their_domain_are_refused(rate: Any) -> None:
    for build in (
        lambda: ShakeoutLinear(3, 2, drop=rate),
        lambda: TargetedDropoutLinear(3, 2, drop=rate),
        lambda: TargetedDropoutLinear(3, 2, fraction=rate),
        lambda: DropConnectLinear(3, 2, retain=0.0 if rate == 1.0 else rate),
    ):
        with pytest.raises(InputError):
            build()


def test_other_parameters_outside_their_domain_are_refused() -> None:
    for build in (
        lambda: BridgeoutLinear(3, 2, q=2.1),
        lambda: BridgeoutLinear(3, 2, q=0.0),
        lambda: ShakeoutLinear(3, 2, c=0.0),
        lambda: StandardNormal(-1.0),
        lambda: LinearRamp(0.0, 1.0, begin=1, end=1),
    ):
        with pytest.raises(InputError):
            build()


def test_a_detached_shakeout_is_refused_with_the_reason() -> None:
    with pytest.raises(InputError, match="log"):
        Detached(Shake(0.1, CentredBernoulli(0.5)))


def test_masks_per_example_that_do_not_fit_are_refused_before_they_are_drawn() -> None:
    layer = NoisyLinear(100, 50, mechanism=WeightsPerExample(Bridge(1.0, CentredBernoulli(0.5)), largest=10**6))
    assert layer(torch.ones(50, 100)).shape == (50, 50)
    with pytest.raises(InputError, match="smaller batch"):
        layer(torch.ones(51, 100))


def test_an_image_without_its_batch_axis_is_refused() -> None:
    with pytest.raises(InputError, match="batch"):
        DropConnectConv2d(1, 2, 2)(torch.ones(1, 4, 4))


def test_a_masked_layer_has_a_finite_penalty_at_new_weights() -> None:
    layer = MaskedLinear(2, 1, mask=AdaptiveGaussian(penalties["log_sum"](epsilon=2).duality, 0.3))
    assert bool(torch.isfinite(layer.penalty(torch.ones(1, 2))))
