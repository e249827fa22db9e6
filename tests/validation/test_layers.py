"""Masks: their laws by exact enumeration and quadrature, by Monte Carlo, with masks that must fail; the layer."""

import copy
import itertools
import pickle
from collections.abc import Iterator
from typing import Any, final

import numpy as np
import pytest
import torch
from numpy.polynomial.hermite_e import hermegauss
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.numerics.compiled import compile_penalty
from etatrick.theory import derive, penalties
from etatrick.theory.duality import Duality
from etatrick.validation.layers import AdaptiveBernoulli, AdaptiveGaussian, FixedRate, Mask, MaskedLinear
from tolerances import CERTIFICATE, MC

LAM = 0.3
WEIGHT = torch.tensor([0.9, -0.4, 0.05, 2.0, -0.15], dtype=torch.float64)
DUALITIES = {
    "log_sum": penalties["log_sum"](epsilon=2).duality,
    "l1": penalties["l1"](k=1).duality,
    "fair": penalties["fair"]().duality,
    "ridge": penalties["ridge"](c=1).duality,
}
LOG_SUM = DUALITIES["log_sum"]


def unit_data(columns: int = len(WEIGHT), rows: int = 9) -> tuple[Tensor, Tensor]:
    rng = np.random.default_rng(3)
    X = rng.normal(size=(rows, columns))
    return torch.tensor(X / np.linalg.norm(X, axis=0)), torch.tensor(rng.normal(size=rows))


def bernoulli_law(alpha: Tensor) -> Iterator[tuple[float, Tensor]]:
    """Yield every outcome of the raw uniform noise up to the side of α, with its chance."""
    for kept in itertools.product((True, False), repeat=len(alpha)):
        bits = torch.tensor(kept)
        noise = torch.where(bits, alpha / 2, (1 + alpha) / 2)
        yield float(torch.where(bits, alpha, 1 - alpha).prod()), noise


def gaussian_law(size: int) -> Iterator[tuple[float, Tensor]]:
    """Yield the nodes of a 3-point rule per coordinate: exact for moments to degree 5."""
    nodes, weights = hermegauss(3)
    weights = weights / weights.sum()
    for which in itertools.product(range(3), repeat=size):
        yield float(np.prod([weights[i] for i in which])), torch.tensor([nodes[i] for i in which])


def law(mask: Mask, alpha: Tensor) -> list[tuple[float, Tensor]]:
    gaussian = mask.gaussian if isinstance(mask, Broken) else isinstance(mask, AdaptiveGaussian)
    return list(gaussian_law(len(alpha)) if gaussian else bernoulli_law(alpha))


def expectations(mask: Mask, alpha: Tensor, weight: Tensor) -> dict[str, Any]:
    """Return E s, Var s, E loss and E of autograd's gradient, each exact up to rounding."""
    X, y = unit_data()
    mean, square = torch.zeros_like(weight), torch.zeros_like(weight)
    loss, gradient = 0.0, torch.zeros_like(weight)
    for chance, noise in law(mask, alpha):
        leaf = weight.clone().requires_grad_(True)
        drawn = mask.apply(leaf, noise)
        value = 0.5 * (y - X @ (drawn * leaf)).square().sum()
        (slope,) = torch.autograd.grad(value, leaf)
        mean += chance * drawn.detach()
        square += chance * drawn.detach().square()
        loss += chance * float(value.detach())
        gradient += chance * slope
    return {"mean": mean, "variance": square - mean.square(), "loss": loss, "gradient": gradient}


def violations(mask: Mask, alpha: Tensor, twin: tuple[Duality, float], weight: Tensor = WEIGHT) -> list[str]:
    """Return which parts of the duality the mask breaks: a lawful mask breaks none."""
    X, y = unit_data()
    duality, lam = twin
    found = expectations(mask, alpha, weight)
    odds = (1 - alpha) / alpha
    residual = y - X @ weight
    slope = torch.tensor(compile_penalty(duality).slope(weight.numpy()))
    wanted: dict[str, Any] = {
        "mean": torch.ones_like(weight),
        "variance": odds,
        "loss": 0.5 * float(residual.square().sum() + (odds * weight.square()).sum()),
        "gradient": -X.T @ residual + lam * slope * weight.sign(),
    }
    return [
        name
        for name, value in wanted.items()
        if float((torch.as_tensor(found[name]) - value).abs().max())
        > CERTIFICATE * (1 + float(torch.as_tensor(value).abs().max()))
    ]


def alpha_of(duality: Duality, weight: Tensor = WEIGHT, lam: float = LAM) -> Tensor:
    return torch.tensor(duality.alpha_at(weight.numpy(), lam))


# --- the laws, exactly --------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(DUALITIES))
def test_gaussian_masks_impose_the_penalty(name: str) -> None:
    mask = AdaptiveGaussian(DUALITIES[name], LAM)
    assert violations(mask, alpha_of(DUALITIES[name]), mask.twin) == []


@pytest.mark.parametrize("name", list(DUALITIES))
def test_bernoulli_masks_above_their_floor_impose_the_penalty(name: str) -> None:
    mask = AdaptiveBernoulli(DUALITIES[name], LAM, floor=1e-6)
    assert violations(mask, alpha_of(DUALITIES[name]), (DUALITIES[name], LAM)) == []


@pytest.mark.parametrize("floor", [0.05, 0.3, 0.6, 0.9])
@pytest.mark.parametrize("name", ["log_sum", "l1"])
def test_floored_masks_impose_the_clamped_penalty(name: str, floor: float) -> None:
    mask = AdaptiveBernoulli(DUALITIES[name], LAM, floor)
    alpha = alpha_of(DUALITIES[name]).clamp_min(floor)
    assert violations(mask, alpha, mask.twin) == []


def test_flooring_changes_the_penalty() -> None:
    mask = AdaptiveBernoulli(LOG_SUM, LAM, floor=0.6)
    assert violations(mask, alpha_of(LOG_SUM).clamp_min(0.6), (LOG_SUM, LAM)) == ["gradient"]


@pytest.mark.parametrize("retain", [0.1, 0.5, 0.9, 1.0])
def test_fixed_rate_masks_impose_ridge(retain: float) -> None:
    mask = FixedRate(retain)
    assert violations(mask, torch.full_like(WEIGHT, retain), mask.twin) == []


@pytest.mark.parametrize("name", ["fair", "ridge"])
def test_a_floor_that_is_never_reached_leaves_the_penalty_as_it_is(name: str) -> None:
    duality = DUALITIES[name]
    mask = AdaptiveBernoulli(duality, LAM, floor=0.05)  # α ≥ 1/(1 + λ) > 0.05 everywhere
    assert violations(mask, alpha_of(duality), mask.twin) == []


# --- broken masks must be caught ----------------------------------------------------------------------------------


@final
class Broken(Mask):
    """A mask with one fault."""

    def __init__(self, fault: str) -> None:
        self.fault, self.gaussian = fault, fault.startswith("gaussian")

    def noise(self, shape: tuple[int, ...], generator: torch.Generator, dtype: torch.dtype) -> Tensor:
        return torch.rand(shape, generator=generator, dtype=dtype)

    def apply(self, weight: Tensor, noise: Tensor) -> Tensor:
        size = weight.abs() if "attached" in self.fault else weight.detach().abs()
        eta_hat = size * (size + 2)
        alpha = eta_hat / (eta_hat + LAM)
        if self.fault == "gaussian, attached":
            return 1 + (LAM / eta_hat).sqrt() * noise
        if self.fault == "gaussian, λ/η̂ as the deviation":
            return 1 + LAM / eta_hat * noise
        if self.fault == "gaussian, off centre":
            return 1.01 + (LAM / eta_hat).sqrt() * noise
        kept = (noise < alpha).to(weight.dtype)
        return kept if self.fault == "not rescaled" else kept / (1.05 * alpha if self.fault == "wrong α" else alpha)

    @property
    def twin(self) -> tuple[Duality, float]:
        return LOG_SUM, LAM


@pytest.mark.parametrize(
    ("fault", "broken"),
    [
        ("attached", ["gradient"]),
        ("not rescaled", ["mean", "variance", "loss", "gradient"]),
        ("wrong α", ["mean", "variance", "loss", "gradient"]),
        ("gaussian, attached", ["gradient"]),
        ("gaussian, λ/η̂ as the deviation", ["variance", "loss", "gradient"]),
        ("gaussian, off centre", ["mean", "loss", "gradient"]),
    ],
)
def test_a_broken_mask_is_caught(fault: str, broken: list[str]) -> None:
    mask = Broken(fault)
    assert violations(mask, alpha_of(LOG_SUM), mask.twin) == broken


def test_the_wrong_lambda_is_caught() -> None:
    mask = AdaptiveGaussian(LOG_SUM, LAM)
    assert violations(mask, alpha_of(LOG_SUM), (LOG_SUM, 1.001 * LAM)) == ["gradient"]


def test_the_wrong_penalty_is_caught() -> None:
    mask = AdaptiveGaussian(LOG_SUM, LAM)
    other = penalties["log_sum"](epsilon=2.001).duality
    assert violations(mask, alpha_of(LOG_SUM), (other, LAM)) == ["gradient"]


# --- the draws, by Monte Carlo ------------------------------------------------------------------------------------

DRAWS = 40_000
MASKS = {
    "gaussian": (AdaptiveGaussian(LOG_SUM, LAM), alpha_of(LOG_SUM)),
    "bernoulli": (AdaptiveBernoulli(LOG_SUM, LAM, 0.2), alpha_of(LOG_SUM).clamp_min(0.2)),
    "fixed": (FixedRate(0.7), torch.full_like(WEIGHT, 0.7)),
}


def z_scores(mask: Mask, alpha: Tensor, dtype: torch.dtype) -> Any:
    """Return z of the mean, of the mean square of s − 1, and of the covariance of neighbours."""
    tall = WEIGHT.to(dtype).expand(DRAWS, -1)
    centred = mask.draw(tall, torch.Generator().manual_seed(20)).double() - 1
    odds = (1 - alpha) / alpha
    samples = torch.cat([centred, centred.square() - odds, centred[:, 1:] * centred[:, :-1]], dim=1)
    return (samples.mean(0) / (samples.std(0) / DRAWS**0.5)).abs()


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64], ids=str)
@pytest.mark.parametrize("name", list(MASKS))
def test_draws_have_the_mean_variance_and_independence_of_the_law(name: str, dtype: torch.dtype) -> None:
    mask, alpha = MASKS[name]
    assert float(z_scores(mask, alpha, dtype).max()) < MC


@pytest.mark.parametrize("name", list(MASKS))
def test_draws_of_another_variance_are_told_apart(name: str) -> None:
    mask, alpha = MASKS[name]
    assert float(z_scores(mask, alpha - 0.1, torch.float64).max()) > MC


@pytest.mark.parametrize("name", list(MASKS))
def test_a_generator_fixes_the_draw_and_nothing_else_does(name: str) -> None:
    mask, _ = MASKS[name]
    first = mask.draw(WEIGHT, torch.Generator().manual_seed(1))
    torch.manual_seed(99)
    assert torch.equal(mask.draw(WEIGHT, torch.Generator().manual_seed(1)), first)
    assert not torch.equal(mask.draw(WEIGHT.repeat(9), torch.Generator().manual_seed(2)), first.repeat(9))


def test_without_a_generator_torch_s_own_is_used() -> None:
    mask, _ = MASKS["gaussian"]
    with torch.random.fork_rng():
        torch.manual_seed(5)
        first = mask.draw(WEIGHT)
        torch.manual_seed(5)
        assert torch.equal(mask.draw(WEIGHT), first)


@pytest.mark.parametrize("name", list(MASKS))
def test_masks_carry_no_gradient_and_keep_the_type(name: str) -> None:
    mask, _ = MASKS[name]
    for dtype in (torch.float32, torch.float64):
        drawn = mask.draw(WEIGHT.to(dtype).requires_grad_(True), torch.Generator().manual_seed(0))
        assert not drawn.requires_grad
        assert drawn.dtype == dtype


@pytest.mark.parametrize("name", list(DUALITIES))
def test_weights_at_exactly_zero_give_finite_masks(name: str) -> None:
    zero = torch.zeros(50)
    for mask in (AdaptiveGaussian(DUALITIES[name], LAM), AdaptiveBernoulli(DUALITIES[name], LAM, 0.05)):
        drawn = mask.draw(zero, torch.Generator().manual_seed(0))
        assert bool(torch.isfinite(drawn).all())
        assert bool((drawn * zero == 0).all())


@pytest.mark.parametrize("name", list(MASKS))
def test_a_mask_pickles_before_and_after_use(name: str) -> None:
    mask, _ = MASKS[name]
    mask.draw(WEIGHT)
    again = pickle.loads(pickle.dumps(mask))  # noqa: S301
    first, second = (m.draw(WEIGHT, torch.Generator().manual_seed(0)) for m in (mask, again))
    assert torch.equal(first, second)


@pytest.mark.parametrize("lam", [0.0, -1.0, float("nan"), float("inf"), "1"])
def test_a_bad_strength_is_refused(lam: Any) -> None:
    with pytest.raises(InputError):
        AdaptiveGaussian(LOG_SUM, lam)
    with pytest.raises(InputError):
        AdaptiveBernoulli(LOG_SUM, lam, 0.1)


@pytest.mark.parametrize("probability", [0.0, 1.5, -0.1, float("nan")])
def test_a_bad_probability_is_refused(probability: float) -> None:
    with pytest.raises(InputError):
        FixedRate(probability)
    with pytest.raises(InputError):
        AdaptiveBernoulli(LOG_SUM, LAM, probability)


def test_a_duality_with_free_parameters_is_refused() -> None:
    free = derive(eta_hat="w*(w+epsilon)", parameters=["epsilon"])
    with pytest.raises(InputError):
        AdaptiveGaussian(free, LAM)


# --- the layer ----------------------------------------------------------------------------------------------------


def layer(name: str = "bernoulli", seed: int = 4) -> MaskedLinear:
    torch.manual_seed(11)
    return MaskedLinear(6, 3, mask=MASKS[name][0], generator=torch.Generator().manual_seed(seed))


INPUT = torch.randn(7, 6, generator=torch.Generator().manual_seed(8))


@pytest.mark.parametrize("name", list(MASKS))
def test_in_evaluation_the_layer_is_nn_linear(name: str) -> None:
    masked, plain = layer(name).eval(), nn.Linear(6, 3)
    plain.load_state_dict(masked.state_dict())
    assert torch.equal(masked(INPUT), plain(INPUT))


@pytest.mark.parametrize("name", list(MASKS))
def test_in_training_the_layer_applies_one_mask_to_its_weights_and_none_to_its_bias(name: str) -> None:
    masked = layer(name).train()
    mask = MASKS[name][0].draw(masked.weight, torch.Generator().manual_seed(4))
    assert torch.equal(masked(INPUT), nn.functional.linear(INPUT, masked.weight * mask, masked.bias))
    assert not torch.equal(masked(INPUT), masked.eval()(INPUT))


def test_the_state_of_a_layer_goes_to_and_from_nn_linear() -> None:
    masked, plain = layer(), nn.Linear(6, 3)
    assert set(masked.state_dict()) == set(plain.state_dict())
    masked.load_state_dict(plain.state_dict())
    assert torch.equal(masked.weight, plain.weight)


def test_the_same_generator_gives_the_same_passes() -> None:
    first, second, third = layer(), layer(), layer(seed=5)
    passes = [[masked(INPUT) for _ in range(3)] for masked in (first, second, third)]
    assert all(torch.equal(a, b) for a, b in zip(passes[0], passes[1], strict=True))
    assert not torch.equal(passes[0][0], passes[0][1])
    assert not torch.equal(passes[0][0], passes[2][0])


@pytest.mark.parametrize("name", list(MASKS))
def test_gradients_flow_to_weights_bias_and_input(name: str) -> None:
    masked, leaf = layer(name), INPUT.clone().requires_grad_(True)
    mask = MASKS[name][0].draw(masked.weight, torch.Generator().manual_seed(4))
    masked(leaf).sum().backward()
    assert masked.weight.grad is not None
    assert masked.bias.grad is not None
    assert leaf.grad is not None
    assert torch.allclose(masked.weight.grad, mask * INPUT.sum(0))  # the mask is a constant factor
    assert torch.equal(masked.bias.grad, torch.full((3,), 7.0))
    assert torch.allclose(leaf.grad, (mask * masked.weight).detach().sum(0).expand(7, -1))


def test_the_layer_works_in_double_precision_and_without_bias() -> None:
    masked = MaskedLinear(6, 3, bias=False, mask=MASKS["gaussian"][0]).double()
    out = masked(INPUT.double())
    assert out.dtype == torch.float64
    assert bool(torch.isfinite(out).all())


def test_a_layer_can_be_copied_after_use() -> None:
    masked = layer()
    masked(INPUT)
    twin = copy.deepcopy(masked)
    assert torch.equal(twin(INPUT), masked(INPUT))
