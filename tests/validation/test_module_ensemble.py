"""A user's own modules in one stack: each member the run it would be alone, λ in one batch, and clear refusals."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from etatrick.errors import InputError
from etatrick.theory import penalties, strategies
from etatrick.validation.data import Split, digits
from etatrick.validation.module_ensemble import ModuleEnsemble, train_modules
from etatrick.validation.seeding import seed

LOG_SUM = penalties["log_sum"](epsilon=2).duality
ROUNDING = 1e-9  # sums in another order in float64; Adam enlarges them where a gradient is nearly 0


def small() -> Split:
    data = digits()
    return Split(data.train_inputs[:128], data.train_labels[:128], data.test_inputs[:50], data.test_labels[:50])


def convolutional() -> nn.Module:
    layers = (nn.Unflatten(1, (1, 8, 8)), nn.Conv2d(1, 3, 3), nn.Tanh(), nn.Flatten(), nn.Linear(108, 10))
    return nn.Sequential(*layers).double()


def trained(factory: Any = convolutional, **more: Any) -> ModuleEnsemble:
    options: dict[str, Any] = {
        "penalty": LOG_SUM, "lams": [1e-2], "seeds": 1, "epochs": 2, "batch_size": 32, **more,
    }  # fmt: skip
    return train_modules(factory, small(), **options)


def test_a_member_is_the_run_it_would_be_alone() -> None:
    together = trained(lams=[0.0, 1e-2], seeds=3)
    for index, (lam, number) in enumerate((lam, number) for lam in (0.0, 1e-2) for number in range(3)):
        assert (together.members[index].seed, dict(together.members[index].parameters)) == (number, {"lam": lam})
    alone = trained(seeds=3)
    for name, stack in together.parameters.items():
        assert float((stack[3:] - alone.parameters[name]).abs().max()) <= ROUNDING
        assert float((stack[:3] - stack[3:]).abs().max()) > 1e3 * ROUNDING  # λ matters
    assert np.abs(together.error[:, 3:] - alone.error).max() <= 0.02


def test_one_member_is_plain_penalised_training() -> None:
    """The same run by torch's own loop, with autograd of the written penalty."""
    with torch.random.fork_rng():
        torch.manual_seed(seed("initial weights", 0))
        module = convolutional()
    data, orders = small(), torch.Generator().manual_seed(seed("batches", 0))
    inputs, labels = torch.tensor(data.train_inputs).double(), torch.tensor(data.train_labels)
    optimizer = torch.optim.Adam(module.parameters(), lr=1e-3)
    for epoch in range(2):
        optimizer.param_groups[0]["lr"] = 1e-3 * (1 - epoch / 2)
        order = torch.randperm(128, generator=orders)
        for begin in range(0, 128, 32):
            batch = order[begin : begin + 32]
            optimizer.zero_grad()
            weights = [p for p in module.parameters() if p.ndim >= 2]
            penalty = torch.stack([torch.log1p(p.abs() / 2).sum() for p in weights]).sum()
            loss = nn.functional.cross_entropy(module(inputs[batch]), labels[batch]) + 1e-2 * penalty
            loss.backward()  # type: ignore[no-untyped-call]
            optimizer.step()
    found = trained()
    for name, parameter in module.named_parameters():
        assert float((found.parameters[name][0] - parameter.detach()).abs().max()) <= ROUNDING


def test_any_catalogue_entry_serves_as_the_penalty() -> None:
    found = trained(penalty=strategies["variational_dropout"]().duality)
    assert not found.diverged
    assert np.isfinite(found.error).all()


def test_torch_s_generator_is_put_back() -> None:
    torch.manual_seed(5)
    before = torch.get_rng_state()
    trained(epochs=1)
    assert torch.equal(torch.get_rng_state(), before)


def test_noise_and_running_statistics_are_refused() -> None:
    for layer in (nn.Dropout(0.5), nn.BatchNorm1d(64)):
        with pytest.raises(InputError, match="draws noise or keeps buffers"):
            trained(lambda layer=layer: nn.Sequential(layer, nn.Linear(64, 10)))


def test_divergence_of_all_is_refused() -> None:
    def broken() -> nn.Module:
        module = nn.Linear(64, 10)
        nn.init.constant_(module.weight, float("nan"))
        return module

    with pytest.raises(InputError, match="diverged"):
        trained(broken)


@pytest.mark.parametrize(
    "bad",
    [{"seeds": 0}, {"epochs": 0}, {"batch_size": 0}, {"learning_rate": 0.0}, {"lams": []}, {"lams": [-1.0]}],
    ids=str,
)
def test_a_bad_number_is_refused_by_name(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(bad))):
        trained(**bad)
