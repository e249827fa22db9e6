"""Training methods: what each adds to a step, against formulas and against autograd of the written objective."""

from typing import Any

import pytest
import sympy as sp
import torch
from torch import Tensor, nn

from etatrick.theory import penalties
from etatrick.theory.duality import Duality
from etatrick.theory.symbols import eta as eta_symbol
from etatrick.theory.symbols import w
from etatrick.validation.layers import FixedRate
from etatrick.validation.methods import (
    LEAST_ALPHA,
    AdaProx,
    AdaTikhonov,
    DerivedDual,
    Dual,
    EtaTrick,
    FixedRateDropout,
    LogSumDual,
    Method,
    PenaltyGradient,
    PublishedLogSumDual,
    Training,
)
from etatrick.validation.network import StackedNetwork
from etatrick.validation.torch_compile import torch_function
from tolerances import CERTIFICATE, FLOAT64

LAM = 0.02
RATE = 0.01
SEEDS = 2
LOG_SUM = penalties["log_sum"](epsilon=2).duality
OTHERS = {"log_sum": LOG_SUM, "l1": penalties["l1"](k=3).duality, "fair": penalties["fair"]().duality}


def network(least: float = 0.01) -> StackedNetwork:
    """Return double-precision networks 3-4-2 whose weights have |w| ≥ least and both signs."""
    generator = torch.Generator().manual_seed(6)
    weights, biases = [], []
    for fan_in, fan_out in ((3, 4), (4, 2)):
        drawn = torch.rand((SEEDS, fan_in, fan_out), generator=generator, dtype=torch.float64)
        sign = torch.where(torch.rand(drawn.shape, generator=generator) < 0.5, -1.0, 1.0)
        weights.append(nn.Parameter((least + drawn) * sign))
        biases.append(nn.Parameter(torch.zeros(SEEDS, 1, fan_out, dtype=torch.float64)))
    return StackedNetwork(weights, biases)


def begun(method: Method, net: StackedNetwork) -> Training:
    return method.begin(net, RATE, [torch.Generator().manual_seed(s) for s in range(SEEDS)])


def added(method: Method, net: StackedNetwork, *, primed: bool = True) -> list[Tensor]:
    """Return what the method adds to a zero gradient, after one refresh of its state if `primed`."""
    training = begun(method, net)
    if primed:
        training.after_step()
    for weight in net.weights:
        weight.grad = torch.zeros_like(weight)
    training.add_gradient()
    return [weight.grad.clone() for weight in net.weights if weight.grad is not None]


def worst(found: list[Tensor], wanted: list[Tensor]) -> float:
    assert len(found) == len(wanted)
    return max(float(((a - b).abs() / (1 + b.abs())).max()) for a, b in zip(found, wanted, strict=True))


@pytest.mark.parametrize("name", list(OTHERS))
def test_the_penalty_gradient_is_autograd_s_gradient_of_the_penalty(name: str) -> None:
    net = network()
    penalty = torch_function(OTHERS[name].penalty, w)
    total = torch.stack([penalty(weight.abs()).sum() for weight in net.weights]).sum() * LAM
    wanted = list(torch.autograd.grad(total, net.weights))
    assert worst(added(PenaltyGradient(OTHERS[name], LAM), net), wanted) <= CERTIFICATE


def test_at_exactly_zero_the_penalty_gradient_is_zero() -> None:
    net = network()
    with torch.no_grad():
        net.weights[0][0, 0, 0] = 0
    assert float(added(PenaltyGradient(LOG_SUM, LAM), net)[0][0, 0, 0]) == 0


# --- AdaTikhonov --------------------------------------------------------------------------------------------------


def test_log_sum_and_ada_tikhonov_have_one_gradient_by_algebra() -> None:
    alpha = LOG_SUM.alpha
    (lam,) = alpha.free_symbols - {w}
    assert sp.simplify(w * (1 - alpha) / alpha - lam * sp.diff(LOG_SUM.penalty, w)) == 0


@pytest.mark.parametrize("name", list(OTHERS))
def test_ada_tikhonov_adds_the_penalty_gradient_away_from_its_clamp(name: str) -> None:
    net = network()
    wanted = added(PenaltyGradient(OTHERS[name], LAM), net)
    assert worst(added(AdaTikhonov(OTHERS[name], LAM), net), wanted) <= CERTIFICATE


def test_below_the_clamp_ada_tikhonov_is_ridge_and_weaker_than_the_penalty() -> None:
    net = network()
    with torch.no_grad():
        for weight in net.weights:
            weight.mul_(1e-8)
    found = added(AdaTikhonov(LOG_SUM, LAM), net)
    ridge = [weight.detach() * (1 - LEAST_ALPHA) / LEAST_ALPHA for weight in net.weights]
    assert worst(found, ridge) <= CERTIFICATE
    reference = added(PenaltyGradient(LOG_SUM, LAM), net)
    assert all(bool((a.abs() < b.abs()).all()) for a, b in zip(found, reference, strict=True))


def test_the_first_batch_of_ada_tikhonov_is_not_penalised() -> None:
    assert all(not g.any() for g in added(AdaTikhonov(LOG_SUM, LAM), network(), primed=False))


def test_ada_tikhonov_uses_the_retain_probabilities_of_the_step_before() -> None:
    net = network()
    training = begun(AdaTikhonov(LOG_SUM, LAM), net)
    training.after_step()
    stale = [torch.tensor(LOG_SUM.alpha_at(p.detach().numpy(), LAM)) for p in net.weights]
    with torch.no_grad():
        for weight in net.weights:
            weight.mul_(3)
            weight.grad = torch.zeros_like(weight)
    training.add_gradient()
    wanted = [p.detach() * (1 - a) / a for p, a in zip(net.weights, stale, strict=True)]
    assert worst([p.grad for p in net.weights if p.grad is not None], wanted) <= CERTIFICATE


# --- AdaProx ------------------------------------------------------------------------------------------------------


def adam(value: Tensor, gradients: list[Tensor], moments: list[Tensor]) -> Tensor:
    """Return Adam's update of `value`, from the definition; `moments` are advanced in place."""
    first, second, step = moments
    step += 1
    first.mul_(0.9).add_(gradients[0], alpha=0.1)
    second.mul_(0.999).add_(gradients[0].square(), alpha=0.001)
    scaled = (second / (1 - 0.999 ** float(step))).sqrt()
    stepped: Tensor = value - RATE * first / (1 - 0.9 ** float(step)) / (scaled + 1e-8)
    return stepped


@pytest.mark.parametrize("name", list(OTHERS))
def test_ada_prox_is_an_adam_step_on_the_loss_and_then_the_shrinkage(name: str) -> None:
    duality, net = OTHERS[name], network()
    training = begun(AdaProx(duality, LAM), net)
    states = [[torch.zeros_like(p), torch.zeros_like(p), torch.zeros(())] for p in net.weights]
    expected = [p.detach().clone() for p in net.weights]
    generator = torch.Generator().manual_seed(1)
    for _ in range(3):
        for index, (weight, state) in enumerate(zip(net.weights, states, strict=True)):
            gradient = torch.randn(weight.shape, generator=generator, dtype=torch.float64)
            weight.grad = gradient.clone()
            stepped = adam(expected[index], [gradient], state)
            reach = RATE / (state[1] / (1 - 0.999 ** float(state[2]))).sqrt()  # t = lr/√v̂
            eta_hat = torch.tensor(duality.eta_hat_at(stepped.numpy()))
            expected[index] = stepped * eta_hat / (eta_hat + reach * LAM)
        training.add_gradient()
        training.optimizer.step()
        training.after_step()
        assert worst([p.detach() for p in net.weights], expected) <= FLOAT64


def test_ada_prox_sets_weights_without_gradient_to_zero() -> None:
    net = network()
    training = begun(AdaProx(LOG_SUM, LAM), net)
    for weight in net.weights:
        weight.grad = torch.ones_like(weight)
    assert net.weights[0].grad is not None
    net.weights[0].grad[:, 0] = 0  # an input that never varies: t = lr/√v̂ is infinite
    training.optimizer.step()
    training.after_step()
    assert not net.weights[0][:, 0].any()
    assert all(bool(torch.isfinite(weight).all()) for weight in net.weights)
    assert bool(net.weights[0][:, 1:].all())


def test_ada_prox_shrinks_at_the_rate_of_the_epoch() -> None:
    shrunk = []
    for rate in (RATE, RATE / 10):
        net = network()
        training = begun(AdaProx(LOG_SUM, 10.0), net)
        training.set_rate(rate)
        for weight in net.weights:
            weight.grad = torch.ones_like(weight)
        training.optimizer.step()
        before = net.weights[0].detach().clone()
        training.after_step()
        shrunk.append(net.weights[0].detach() / before)
    assert bool((shrunk[0] < shrunk[1]).all())


# --- the η-trick --------------------------------------------------------------------------------------------------

Z_START = 5.0


def objective(weights: list[Tensor], logs: list[Tensor], dual: Any, decay: float) -> Tensor:
    """(λ/2) Σ [w²/η + f(η) + decay·z] with η = λ exp z, as the docstring writes it."""
    terms = []
    for weight, z in zip(weights, logs, strict=True):
        level = LAM * torch.exp(z)
        terms.append((LAM / 2) * (weight.square() / level + dual(level) + decay * z).sum())
    return torch.stack(terms).sum()


def doubled_dual() -> Any:
    """Return f with its second term doubled, as in the authors' torch code: 2log((S+ε)/2) − 2(S−ε)/(S+ε)."""
    root = sp.sqrt(4 + 4 * eta_symbol)
    return 2 * sp.log((root + 2) / 2) - 2 * (root - 2) / (root + 2)


def correct_dual() -> Any:
    root = sp.sqrt(4 + 4 * eta_symbol)
    return 2 * sp.log((root + 2) / 2) - (root - 2) / (root + 2)


def z_leaves(training: Training) -> list[Tensor]:
    """Return the run's log η."""
    assert training.auxiliary is not None
    return list(training.auxiliary.param_groups[0]["params"])


def slopes_of_eta_trick(decay: float, shift: float) -> tuple[list[Tensor], list[Tensor], Any]:
    net = network()
    training = begun(EtaTrick(LOG_SUM, LAM, decay=decay), net)
    logs = z_leaves(training)
    with torch.no_grad():
        for z in logs:
            assert bool((z == Z_START).all())
            z.add_(shift * torch.linspace(-1, 1, z.numel(), dtype=z.dtype).reshape(z.shape))
    for weight in net.weights:
        weight.grad = torch.zeros_like(weight)
    training.add_gradient()
    found_w = [weight.grad for weight in net.weights if weight.grad is not None]
    found_z = [z.grad for z in logs if z.grad is not None]

    def autograd(dual: Any) -> tuple[list[Tensor], list[Tensor]]:
        compiled = torch_function(dual, eta_symbol)
        total = objective(list(net.weights), logs, compiled, decay)
        found = torch.autograd.grad(total, [*net.weights, *logs])
        return list(found[:2]), list(found[2:])

    return found_w, found_z, autograd


@pytest.mark.parametrize("decay", [0.0, 1e-3])
@pytest.mark.parametrize("shift", [0.0, 4.0])
def test_the_eta_trick_follows_the_gradient_of_the_written_objective(decay: float, shift: float) -> None:
    found_w, found_z, autograd = slopes_of_eta_trick(decay, shift)
    wanted_w, wanted_z = autograd(LOG_SUM.dual)
    assert worst(found_w, wanted_w) <= CERTIFICATE
    assert worst(found_z, wanted_z) <= CERTIFICATE


def test_the_dual_is_the_correct_one_and_not_the_published_code_s() -> None:
    found_w, found_z, autograd = slopes_of_eta_trick(0.0, 4.0)
    assert worst(found_z, autograd(correct_dual())[1]) <= CERTIFICATE
    assert worst(found_z, autograd(doubled_dual())[1]) > 1e-4
    assert worst(found_w, autograd(doubled_dual())[0]) <= CERTIFICATE


def test_joint_stationarity_in_z_gives_the_weight_rule() -> None:
    net = network(least=0.1)
    training = begun(EtaTrick(LOG_SUM, LAM, decay=0.0), net)
    logs = z_leaves(training)
    with torch.no_grad():
        for weight, z in zip(net.weights, logs, strict=True):
            z.copy_(torch.log(torch.tensor(LOG_SUM.eta_hat_at(weight.numpy())) / LAM))
            weight.grad = torch.zeros_like(weight)
    training.add_gradient()
    assert all(float(z.grad.abs().max()) <= CERTIFICATE for z in logs if z.grad is not None)
    reference = added(PenaltyGradient(LOG_SUM, LAM), network(least=0.1))
    assert worst([p.grad for p in net.weights if p.grad is not None], reference) <= CERTIFICATE


def test_the_two_rates_of_the_eta_trick_fall_together() -> None:
    net = network()
    training = begun(EtaTrick(LOG_SUM, LAM, rate_factor=20), net)
    logs = z_leaves(training)
    training.set_rate(1e-4)
    for weight in net.weights:
        weight.grad = torch.zeros_like(weight)
    training.add_gradient()
    before = [z.detach().clone() for z in logs]
    training.after_step()
    moved = [float((z.detach() - b).abs().max()) for z, b in zip(logs, before, strict=True)]
    assert all(abs(m - 20e-4) < 2e-5 for m in moved)  # Adam's first step has the length of its rate
    assert training.optimizer.param_groups[0]["lr"] == 1e-4


# --- fixed-rate dropout -------------------------------------------------------------------------------------------


def test_fixed_rate_dropout_masks_each_network_by_its_own_generator() -> None:
    net = network()
    masked = begun(FixedRateDropout(0.4), net).forward_weights()
    assert masked is not None
    for seed in range(SEEDS):
        generator = torch.Generator().manual_seed(seed)
        for weight, found in zip(net.weights, masked, strict=True):
            mask = FixedRate(0.4).draw(weight[seed].detach(), generator)
            assert torch.equal(found[seed], weight[seed] * mask)


def test_fixed_rate_dropout_adds_nothing_else() -> None:
    assert all(not g.any() for g in added(FixedRateDropout(0.4), network()))
    assert begun(FixedRateDropout(0.4), network()).forward_weights() is not None
    assert begun(PenaltyGradient(LOG_SUM, LAM), network()).forward_weights() is None


@pytest.mark.parametrize(
    "method",
    [
        PenaltyGradient(LOG_SUM, LAM),
        AdaTikhonov(LOG_SUM, LAM),
        EtaTrick(LOG_SUM, LAM),
        AdaProx(LOG_SUM, LAM),
        FixedRateDropout(0.5),
    ],
    ids=lambda m: m.name,
)
def test_penalties_spare_the_biases(method: Method) -> None:
    net = network()
    with torch.no_grad():
        for bias in net.biases:
            bias.fill_(0.7)
    training = begun(method, net)
    for leaf in (*net.weights, *net.biases):
        leaf.grad = torch.zeros_like(leaf)
    training.add_gradient()
    training.optimizer.step()
    training.after_step()
    assert all(bool((bias == 0.7).all()) for bias in net.biases)


def test_a_method_takes_any_duality() -> None:
    free: Duality = penalties["cauchy"](c=1).duality
    for method in (PenaltyGradient(free, LAM), AdaTikhonov(free, LAM), AdaProx(free, LAM), EtaTrick(free, LAM)):
        net = network()
        training = begun(method, net)
        for leaf in (*net.weights, *net.biases):
            leaf.grad = torch.ones_like(leaf)
        training.add_gradient()
        training.optimizer.step()
        training.after_step()
        assert all(bool(torch.isfinite(weight).all()) for weight in net.weights)


# --- duals of the η-trick in closed form ---------------------------------------------------------------------------


def growth_by_autograd(dual: Any, z: Tensor, lam: float) -> Tensor:
    """Return η f′(η) from f by autograd."""
    eta = (lam * torch.exp(z)).requires_grad_(True)
    (slope,) = torch.autograd.grad(torch_function(dual, eta_symbol)(eta).sum(), eta)
    return eta.detach() * slope


CLOSED = ((LogSumDual(2.0), correct_dual), (PublishedLogSumDual(2.0), doubled_dual))


@pytest.mark.parametrize(("dual", "formula"), CLOSED, ids=["correct", "published"])
def test_closed_duals_are_the_slopes_of_their_formulas(dual: Dual, formula: Any) -> None:
    z = torch.linspace(-2, 9, 60, dtype=torch.float64)
    wanted = growth_by_autograd(formula(), z, LAM)
    assert worst([dual.growth(z, LAM)], [wanted]) <= FLOAT64


@pytest.mark.parametrize("dual", [LogSumDual(2.0), PublishedLogSumDual(2.0)], ids=["correct", "published"])
def test_closed_duals_keep_their_digits_in_single_precision(dual: Dual) -> None:
    z = torch.linspace(-20, 9, 60, dtype=torch.float64)
    exact, found = dual.growth(z, 1e-3), dual.growth(z.float(), 1e-3).double()
    assert float(((found - exact) / exact).abs().max()) < 1e-5


def test_the_two_log_sum_duals_are_told_apart() -> None:
    z = torch.zeros(1, dtype=torch.float64)
    assert float(PublishedLogSumDual(2.0).growth(z, 1.0)) < 0.7 * float(LogSumDual(2.0).growth(z, 1.0))


def test_the_closed_dual_of_log_sum_is_the_derived_one() -> None:
    z = torch.linspace(-3, 9, 40, dtype=torch.float64)
    assert worst([LogSumDual(2.0).growth(z, LAM)], [DerivedDual(LOG_SUM).growth(z, LAM)]) <= FLOAT64
    found, wanted = (added(EtaTrick(d, LAM), network()) for d in (LogSumDual(2.0), LOG_SUM))
    assert worst(found, wanted) <= CERTIFICATE


def test_the_published_dual_imposes_a_penalty_without_a_kink() -> None:
    # stationarity in η: w² = η·(η f′); the slope w/η at 0 vanishes for the published dual, not for the correct one
    z = torch.tensor([-14.0], dtype=torch.float64)
    eta = torch.exp(z)
    slopes = [float((dual.growth(z, 1.0) / eta).sqrt()) for dual in (LogSumDual(2.0), PublishedLogSumDual(2.0))]
    assert slopes[0] == pytest.approx(0.5, rel=1e-5)  # 1/ε
    assert slopes[1] < 0.01


# --- retain probabilities ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("method", [PenaltyGradient(LOG_SUM, LAM), AdaTikhonov(LOG_SUM, LAM)], ids=lambda m: m.name)
def test_retain_probabilities_follow_the_rule(method: Method) -> None:
    net = network()
    training = begun(method, net)
    training.after_step()
    for weight, alpha in zip(net.weights, training.retain_probabilities(), strict=True):
        wanted = torch.tensor(LOG_SUM.alpha_at(weight.detach().numpy(), LAM))
        assert float((alpha - wanted).abs().max()) <= CERTIFICATE


def test_the_eta_trick_retains_by_its_log_odds() -> None:
    training = begun(EtaTrick(LOG_SUM, LAM), network())
    z = torch.tensor(Z_START, dtype=torch.float64)
    for alpha in training.retain_probabilities():
        assert float((alpha - z.exp() / (1 + z.exp())).abs().max()) <= CERTIFICATE


def test_ada_prox_retains_what_it_multiplied_by() -> None:
    net = network()
    training = begun(AdaProx(LOG_SUM, LAM), net)
    for weight in net.weights:
        weight.grad = torch.ones_like(weight)
    training.optimizer.step()
    before = [weight.detach().clone() for weight in net.weights]
    training.after_step()
    for old, weight, alpha in zip(before, net.weights, training.retain_probabilities(), strict=True):
        assert float((old * alpha - weight.detach()).abs().max()) <= CERTIFICATE


def test_fixed_rate_dropout_retains_at_its_rate() -> None:
    assert all(bool((alpha == 0.4).all()) for alpha in begun(FixedRateDropout(0.4), network()).retain_probabilities())
