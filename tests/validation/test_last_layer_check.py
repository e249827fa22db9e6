"""Networks trained with a dropped last layer: tanh and linear features attain the bound, ReLU features do not."""

from itertools import product
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from etatrick.errors import InputError
from etatrick.numerics.last_layer import attainable, last_layer_bound, last_layer_conditions
from etatrick.validation.last_layer import LastLayerCheck, check_last_layer

RETAIN = 0.5


class Features(nn.Module):
    """6 → 48 tanh → d, linear or ReLU."""

    def __init__(self, width: int, last: nn.Module, generator: torch.Generator) -> None:
        super().__init__()
        self.hidden = nn.Linear(6, 48, dtype=torch.float64)
        self.last = nn.Linear(48, width, bias=False, dtype=torch.float64)
        self.activation = last
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=generator, dtype=torch.float64))
                parameter.div_(parameter.shape[-1] ** 0.5)

    def forward(self, x: Tensor) -> Tensor:
        result: Tensor = self.activation(self.last(torch.tanh(self.hidden(x))))
        return result


def enumerated(Y: Tensor, parts: Tensor) -> Tensor:
    """Return the expectation over one mask for all examples, over all 2^B masks: no formula of the library."""
    blocks = len(parts)
    total = torch.zeros((), dtype=torch.float64)
    for mask in product((0.0, 1.0), repeat=blocks):
        kept = torch.tensor(mask, dtype=torch.float64) / RETAIN
        chance = RETAIN ** sum(mask) * (1 - RETAIN) ** (blocks - sum(mask))
        total = total + chance * ((Y - torch.einsum("b,bna->na", kept, parts)) ** 2).sum()
    return total


def trained(r: int, blocks: int, last: nn.Module, seed: int, steps: int = 250) -> tuple[Any, ...]:
    """Full-batch L-BFGS on the variance form of the expectation; returns features, U, X and Y."""
    generator = torch.Generator().manual_seed(seed)
    X, Y = (torch.randn(10, size, generator=generator, dtype=torch.float64) for size in (6, 4))
    features = Features(r * blocks, last, generator)
    U = (torch.randn(4, r * blocks, generator=generator, dtype=torch.float64) / 2).requires_grad_()
    parameters = [U, *features.parameters()]
    optimizer = torch.optim.LBFGS(
        parameters, max_iter=steps, max_eval=2 * steps, history_size=30, tolerance_grad=1e-12,
        tolerance_change=1e-16, line_search_fn="strong_wolfe",
    )  # fmt: skip

    def closure() -> Tensor:
        optimizer.zero_grad()
        parts = torch.einsum("nbr,abr->bna", features(X).reshape(10, -1, r), U.reshape(4, -1, r))
        loss = ((Y - parts.sum(0)) ** 2).sum() + (1 - RETAIN) / RETAIN * (parts**2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        return loss

    optimizer.step(closure)  # type: ignore[no-untyped-call]
    return features, U.detach(), X, Y


def checked(r: int, blocks: int, last: nn.Module, seed: int, **options: Any) -> LastLayerCheck:
    features, U, X, Y = trained(r, blocks, last, seed)
    return check_last_layer(features, U, X.numpy(), Y.numpy(), r, RETAIN, **options)


@pytest.mark.parametrize(("r", "blocks"), [(1, 6), (2, 5)])
@pytest.mark.parametrize("seed", [0, 1])
def test_linear_features_attain_the_bound(r: int, blocks: int, seed: int) -> None:
    found = checked(r, blocks, nn.Identity(), seed)
    assert found.verdict.status == "checked"
    assert abs(found.relative_excess) <= 1e-8
    assert found.distance <= 1e-4
    assert found.balanced.status == "checked"
    assert abs(found.sampled.z) < 4


@pytest.mark.parametrize(("r", "blocks"), [(1, 6), (2, 5)])
def test_relu_features_do_not(r: int, blocks: int) -> None:
    found = checked(r, blocks, nn.ReLU(), 0)
    assert found.verdict.status == "refuted"
    assert found.verdict.method == "the network does not attain the bound"
    assert found.relative_excess > 0.1
    assert found.distance > 0.1
    assert found.balanced.status == "refuted"
    assert abs(found.sampled.z) < 4


def test_the_conditions_agree_with_what_was_trained() -> None:
    *_, X, Y = trained(1, 6, nn.Identity(), 0, steps=1)
    bound = last_layer_bound(Y.T.numpy(), 1, RETAIN, 6)
    assert attainable(last_layer_conditions(X.T.numpy(), bound, hidden=48)).status == "proved"
    relu = last_layer_conditions(X.T.numpy(), bound, hidden=48, feature_range=(0.0, np.inf))
    assert attainable(relu).status == "unknown"


@pytest.mark.parametrize(("r", "blocks"), [(1, 6), (2, 5), (3, 2)])
def test_objective_by_enumeration_of_masks(r: int, blocks: int) -> None:
    features, U, X, Y = trained(r, blocks, nn.ReLU(), 3, steps=2)
    found = check_last_layer(features, U, X.numpy(), Y.numpy(), r, RETAIN)
    with torch.no_grad():
        parts = torch.einsum("nbr,abr->bna", features(X).reshape(10, -1, r), U.reshape(4, -1, r))
        exact = float(enumerated(Y, parts))
    assert abs(found.objective - exact) <= 1e-12 * exact
    assert abs(found.sampled.mean - exact) < 4 * found.sampled.error
    assert found.sampled.error < 0.02 * exact


def test_the_last_block_may_be_smaller() -> None:
    features, U, X, Y = trained(1, 5, nn.Identity(), 4, steps=20)
    found = check_last_layer(features, U, X.numpy(), Y.numpy(), 2, RETAIN)
    with torch.no_grad():
        G = features(X)
        blocks = [slice(0, 2), slice(2, 4), slice(4, 5)]
        exact = float(enumerated(Y, torch.stack([G[:, b] @ U[:, b].T for b in blocks])))
    assert abs(found.objective - exact) <= 1e-12 * exact
    assert len(found.block_norms) == 3


@pytest.mark.parametrize(("factor", "status"), [(1.0, "checked"), (1.001, "refuted"), (0.9, "refuted")])
def test_a_perturbed_network_no_longer_attains_it(factor: float, status: str) -> None:
    """One by one in closed form: a = m/(1 + λ/B) with all blocks equal."""
    U = factor * torch.full((1, 4), 0.5, dtype=torch.float64)
    Y = np.array([[1.25]])
    found = check_last_layer(lambda x: 0.5 * x.expand(-1, 4), U, np.ones((1, 1)), Y, 1, RETAIN)
    assert found.verdict.status == status
    assert abs(found.bound.value - 1.25 * 0.25) <= 1e-12
    assert abs(found.objective - ((1.25 - factor) ** 2 + factor**2 / 4)) <= 1e-12


def test_no_noise() -> None:
    found = check_last_layer(lambda x: x, torch.eye(2, dtype=torch.float64), np.eye(2), np.eye(2), 1, 1.0, draws=10)
    assert (found.objective, found.bound.value, found.sampled.mean) == (0.0, 0.0, 0.0)
    assert found.verdict.status == "checked"


def test_modules_keep_their_mode_and_dropout_is_off() -> None:
    features = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Dropout(0.5)).double()
    assert features.training
    first, second = (
        check_last_layer(features, torch.ones(1, 3, dtype=torch.float64), np.eye(2), np.ones((2, 1)), 1, 0.5, draws=50)
        for _ in range(2)
    )
    assert features.training
    assert first.objective == second.objective
    assert set(first.to_json()) >= {"verdict", "excess", "block_norms", "sampled"}


@pytest.mark.parametrize(
    "bad",
    [
        {"head": nn.Linear(3, 1)},
        {"head": torch.ones(1, 4, dtype=torch.float64)},
        {"Y": np.ones((3, 1))},
        {"Y": np.full((2, 1), np.nan)},
        {"features": lambda x: x[0]},
        {"tolerance": 0.0},
        {"draws": 1},
        {"retain": 0.0},
        {"block_size": 0},
    ],
    ids=lambda bad: next(iter(bad)),
)
def test_bad_input(bad: dict[str, Any]) -> None:
    good: dict[str, Any] = {"features": lambda x: x, "head": torch.ones((1, 3)).double(), "X": np.ones((2, 3)),
                            "Y": np.ones((2, 1)), "block_size": 1, "retain": 0.5}  # fmt: skip
    with pytest.raises(InputError):
        check_last_layer(**(good | bad))
