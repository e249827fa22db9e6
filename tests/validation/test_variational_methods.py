"""Variational dropout as a method: its gradients against autograd of the written bound, its noise, its pruning."""

import math

import pytest
import torch
from torch import Tensor, nn

from etatrick.theory import strategies
from etatrick.validation.layers.divergence import Divergence, ExactDivergence, MolchanovDivergence
from etatrick.validation.methods import (
    AdditiveVariationalDropout,
    DivergenceSlope,
    ExactSlope,
    LocalReparameterisation,
    MolchanovSlope,
    Training,
    VariationalDropout,
    WeightNoise,
)
from etatrick.validation.network import StackedNetwork
from tolerances import CERTIFICATE, FLOAT64, MC

SAMPLES = 50
RATE = 1e-3
SLOPES = ((MolchanovSlope(), MolchanovDivergence()), (ExactSlope(), ExactDivergence()))
MULTIPLICATIVE = (VariationalDropout(SAMPLES), VariationalDropout(SAMPLES, LocalReparameterisation()))


def network(seeds: int = 2) -> StackedNetwork:
    generator = torch.Generator().manual_seed(3)
    shapes = ((seeds, 3, 4), (seeds, 4, 2))
    weights = [nn.Parameter(torch.randn(shape, generator=generator, dtype=torch.float64)) for shape in shapes]
    biases = [nn.Parameter(torch.full((seeds, 1, shape[2]), 0.1, dtype=torch.float64)) for shape in shapes]
    return StackedNetwork(weights, biases)


def generators(seeds: int = 2, offset: int = 0) -> list[torch.Generator]:
    return [torch.Generator().manual_seed(s + offset) for s in range(seeds)]


def leaves(training: Training) -> list[Tensor]:
    assert training.auxiliary is not None
    return list(training.auxiliary.param_groups[0]["params"])


def shifted(training: Training) -> list[Tensor]:
    """Spread the run's log variables, so that all have values of their own."""
    found = leaves(training)
    with torch.no_grad():
        for leaf in found:
            leaf.add_(torch.linspace(0, 7, leaf.numel(), dtype=leaf.dtype).reshape(leaf.shape))
    return found


@pytest.mark.parametrize(("slope", "divergence"), SLOPES, ids=["fit", "exact"])
def test_slopes_are_the_derivatives_of_the_divergences(slope: DivergenceSlope, divergence: Divergence) -> None:
    at = torch.linspace(-12, 12, 241, dtype=torch.float64, requires_grad=True)
    (wanted,) = torch.autograd.grad(divergence(at).sum(), at)
    found = slope(at.detach())
    assert float((found - wanted).abs().max()) <= FLOAT64
    assert bool((found < 0).all())


def test_the_fit_and_the_exact_divergence_are_told_apart() -> None:
    at = torch.linspace(-8, 4, 121, dtype=torch.float64)
    gap = (MolchanovSlope()(at) - ExactSlope()(at)).abs().max()
    assert 1e-3 < float(gap) < 3e-2


@pytest.mark.parametrize(("slope", "divergence"), SLOPES, ids=["fit", "exact"])
@pytest.mark.parametrize("noise", [WeightNoise(), LocalReparameterisation()], ids=["weights", "local"])
@pytest.mark.parametrize("kind", [VariationalDropout, AdditiveVariationalDropout])
def test_gradients_are_those_of_the_written_bound(kind, noise, slope, divergence) -> None:  # type: ignore[no-untyped-def]
    net = network()
    training = kind(SAMPLES, noise, slope).begin(net, RATE, generators())
    logs = shifted(training)
    inputs = torch.linspace(-1, 2, 30, dtype=torch.float64).reshape(2, 5, 3)
    training.logits(net, inputs).square().sum().backward()
    training.add_gradient()
    found = [leaf.grad.clone() for leaf in (*net.weights, *logs) if leaf.grad is not None]
    again = kind(SAMPLES, noise, slope).begin(net, RATE, generators())
    shifted(again)
    for leaf in net.weights:
        leaf.grad = None
    total = again.logits(net, inputs).square().sum()
    for weight, log in zip(net.weights, leaves(again), strict=True):
        log_variance = log if kind is VariationalDropout else 2 * log - 2 * weight.abs().log()
        total = total + divergence(log_variance).sum() / SAMPLES
    wanted = torch.autograd.grad(total, [*net.weights, *leaves(again)])
    assert len(found) == len(wanted) == 4
    assert max(float(((a - b).abs() / (1 + b.abs())).max()) for a, b in zip(found, wanted, strict=True)) <= FLOAT64


@pytest.mark.parametrize("kind", [VariationalDropout, AdditiveVariationalDropout])
def test_local_reparameterisation_has_the_law_of_weight_noise(kind) -> None:  # type: ignore[no-untyped-def]
    draws, seeds = 4000, 1
    inputs = torch.tensor([[[0.5, -1.0, 2.0]]], dtype=torch.float64)
    net = network(seeds)
    single = StackedNetwork(net.weights[:1], net.biases[:1])
    samples = {}
    for name, noise in (("weights", WeightNoise()), ("local", LocalReparameterisation())):
        training = kind(SAMPLES, noise, start=-1.0).begin(single, RATE, generators(seeds, offset=7))
        with torch.no_grad():
            samples[name] = torch.stack([training.logits(single, inputs)[0, 0] for _ in range(draws)])
    weight = single.weights[0].detach()[0]
    variance = weight.square() * math.exp(-1) if kind is VariationalDropout else torch.full_like(weight, math.exp(-2))
    mean = (inputs[0, 0] @ weight) + 0.1
    spread = inputs[0, 0].square() @ variance
    for found in samples.values():
        z_mean = (found.mean(0) - mean) / (spread / draws).sqrt()
        z_variance = ((found - mean).square().mean(0) / spread - 1) / math.sqrt(2 / draws)
        assert float(z_mean.abs().max()) < MC
        assert float(z_variance.abs().max()) < MC
        # the control: a variance that is a quarter too large is rejected
        assert float((((found - mean).square().mean(0) / (1.25 * spread) - 1) / math.sqrt(2 / draws)).abs().min()) > MC


@pytest.mark.parametrize("method", MULTIPLICATIVE, ids=["weights", "local"])
def test_each_network_draws_from_its_own_generator(method: VariationalDropout) -> None:
    pair, inputs = network(2), torch.ones(2, 3, 3, dtype=torch.float64)
    both = method.begin(pair, RATE, generators(2)).logits(pair, inputs)
    second = StackedNetwork(
        [nn.Parameter(p.detach()[1:].clone()) for p in pair.weights],
        [nn.Parameter(p.detach()[1:].clone()) for p in pair.biases],
    )
    alone = method.begin(second, RATE, generators(2)[1:]).logits(second, inputs[1:])
    assert float((both[1:] - alone).abs().max().detach()) <= CERTIFICATE


def test_retain_probabilities_are_those_of_the_duality() -> None:
    net = network()
    training = VariationalDropout(SAMPLES).begin(net, RATE, generators())
    logs = shifted(training)
    for alpha, log in zip(training.retain_probabilities(), logs, strict=True):
        assert float((alpha - 1 / (1 + log.detach().exp())).abs().max()) <= CERTIFICATE
    additive = AdditiveVariationalDropout(SAMPLES).begin(net, RATE, generators())
    logs = shifted(additive)
    for alpha, log, weight in zip(additive.retain_probabilities(), logs, net.weights, strict=True):
        squares = weight.detach().square()
        assert float((alpha - squares / (squares + (2 * log.detach()).exp())).abs().max()) <= CERTIFICATE


@pytest.mark.parametrize("size", [0.05, 0.3, 1.0, 4.0])
def test_the_stationary_variance_imposes_the_penalty_of_the_catalogue(size: float) -> None:
    # linear model, unit column: ½w²a + KL(a) is minimised over log a where the penalty's dual says so
    duality = strategies["variational_dropout"]().duality
    wanted = -math.log(float(duality.eta_hat_at(size)))
    slope = ExactSlope()
    low, high = -20.0, 20.0
    for _ in range(200):
        middle = (low + high) / 2
        total = 0.5 * size**2 * math.exp(middle) + float(slope(torch.tensor(middle, dtype=torch.float64)))
        low, high = (middle, high) if total < 0 else (low, middle)
    assert low == pytest.approx(wanted, abs=1e-6)


def test_a_weight_at_exactly_zero_stays_finite() -> None:
    net = network()
    with torch.no_grad():
        net.weights[0].zero_()
    training = AdditiveVariationalDropout(SAMPLES).begin(net, RATE, generators())
    for _ in range(3):
        training.optimizer.zero_grad()
        training.logits(net, torch.ones(2, 5, 3, dtype=torch.float64)).square().sum().backward()  # type: ignore[no-untyped-call]
        training.add_gradient()
        training.optimizer.step()
        training.after_step()
    assert all(bool(torch.isfinite(leaf).all()) for leaf in (*net.weights, *leaves(training)))


def test_the_pass_of_local_reparameterisation_cannot_be_left_out_silently() -> None:
    training = VariationalDropout(SAMPLES, LocalReparameterisation()).begin(network(), RATE, generators())
    with pytest.raises(RuntimeError, match=r"Training\.logits"):
        training.forward_weights()


def test_the_log_variables_move_at_their_own_rate() -> None:
    net = network()
    method = VariationalDropout(SAMPLES, rate_factor=30.0)
    training = method.begin(net, RATE, generators())
    training.set_rate(1e-4)
    training.logits(net, torch.ones(2, 5, 3, dtype=torch.float64)).square().sum().backward()  # type: ignore[no-untyped-call]
    before = [leaf.detach().clone() for leaf in leaves(training)]
    training.add_gradient()
    training.after_step()
    moved = max(float((leaf - old).abs().max().detach()) for leaf, old in zip(leaves(training), before, strict=True))
    assert moved == pytest.approx(30e-4, rel=1e-3)
