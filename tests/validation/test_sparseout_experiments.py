"""The Sparseout experiments: gradients against autograd, trends and scales that are named when they fail, costs."""

import copy
import json
from typing import Any

import numpy as np
import pytest
import torch

from etatrick.errors import InputError
from etatrick.validation.claim import Setting
from etatrick.validation.evidence import Finding
from etatrick.validation.experiments import sparseout_hoyer, sparseout_steps
from etatrick.validation.experiments.decisions import side
from etatrick.validation.experiments.sparseout_autoencoder import (
    AutoEncoders,
    Sparseout,
    hoyer,
    noisy_pass,
    penalty,
    train_autoencoders,
)
from etatrick.validation.figures import draw
from tolerances import FLOAT64, MC, close

FLOAT = torch.float64
Q = torch.tensor([1.0, 1.5, 2.0, 3.0], dtype=FLOAT)


def reread(results: dict[str, Any]) -> dict[str, Any]:
    """Return what a store gives back: the results through JSON."""
    again: dict[str, Any] = json.loads(json.dumps(results))
    return again


def nets(settings: int, seed: int = 0) -> AutoEncoders:
    generators = [torch.Generator().manual_seed(seed + s) for s in range(2)]
    return AutoEncoders(*(t.double() for t in AutoEncoders.initialised(settings, 5, 6, generators).tensors))


def noise(slopes: torch.Tensor) -> Sparseout:
    return Sparseout(Q, slopes, torch.zeros(len(Q), dtype=torch.bool), 0.6)


@pytest.mark.parametrize("detached", [False, True])
def test_gradients_against_autograd(detached: bool) -> None:
    """The literal noisy loss, differentiated by torch, with the noise factor held constant where it is detached."""
    law = noise(torch.ones_like(Q) if detached else Q / 2)
    generator = torch.Generator().manual_seed(1)
    x = torch.rand((2, 3, 5), generator=generator, dtype=FLOAT)
    kept = torch.rand((2, 3, 6), generator=generator) < law.retain
    own = nets(len(Q))
    found = noisy_pass(own, x, law, kept)
    variables = [tensor.clone().requires_grad_() for tensor in own.tensors]
    h = (x @ variables[0] + variables[1]).relu()
    safe = torch.where(h > 0, h, 1.0)
    factor = torch.where(h > 0, safe ** (Q[:, None, None, None] / 2 - 1), 0.0)
    noisy = h * (1 + (factor.detach() if detached else factor) * (kept / law.retain - 1))
    loss = ((noisy @ variables[2] + variables[3] - x) ** 2).sum((2, 3)) / 3
    assert torch.allclose(loss, found.loss, atol=FLOAT64)
    for ours, exact in zip(found.gradients, torch.autograd.grad(loss.sum(), variables), strict=True):
        assert torch.allclose(ours, exact, atol=FLOAT64)


def test_the_mean_loss_is_fit_plus_penalty() -> None:
    law, own, draws = noise(Q / 2), nets(len(Q)), 20_000
    own = AutoEncoders(*(tensor[:, :1] for tensor in own.tensors))
    generator = torch.Generator().manual_seed(3)
    x = torch.rand((4, 5), generator=generator, dtype=FLOAT)
    kept = torch.rand((draws, 4, 6), generator=generator) < law.retain
    losses = noisy_pass(own, x, law, kept).loss
    fit = ((own.hidden(x) @ own.decoder + own.outer - x) ** 2).sum((2, 3)) / 4
    error = losses.std(1) / draws**0.5
    z = (losses.mean(1) - (fit + penalty(own, x, law))[:, 0]) / error
    assert float(z.abs().max()) < MC
    assert float(((losses.mean(1) - fit[:, 0]) / error).min()) > MC  # without the penalty it is off


def test_settings_do_not_interact_and_unit_decoders_have_norm_one() -> None:
    law = Sparseout(torch.tensor([1.0, 3.0]), torch.tensor([0.5, 1.0]), torch.tensor([False, True]), 0.5)
    inputs = torch.rand((40, 5), generator=torch.Generator().manual_seed(0))
    options: dict[str, Any] = {"hidden": 6, "steps": 20, "batch_size": 8, "learning_rate": 0.01}
    both = train_autoencoders(inputs, law, [1, 2], **options)
    one = Sparseout(law.q[1:], law.slopes[1:], law.unit[1:], 0.5)
    alone = train_autoencoders(inputs, one, [2], **options)
    assert torch.allclose(alone.decoder[0, 0], both.decoder[1, 1], atol=1e-5)
    norms = both.decoder.norm(dim=3)
    assert torch.allclose(norms[1], torch.ones_like(norms[1]), atol=1e-6)
    assert float((norms[0] - 1).abs().max()) > 0.01


@pytest.mark.parametrize(("vector", "value"), [([1.0, 1.0, 1.0, 1.0], 0.0), ([0.0, 2.0, 0.0, 0.0], 1.0),
                                               ([0.0, 0.0, 0.0, 0.0], 1.0), ([3.0, 4.0, 0.0, 0.0], 0.6)])  # fmt: skip
def test_hoyer_sparsity(vector: list[float], value: float) -> None:
    assert close(float(hoyer(torch.tensor([vector], dtype=FLOAT))), value)


@pytest.mark.parametrize(("q", "retain"), [(0.0, 0.5), (-1.0, 0.5), (1.0, 0.0), (1.0, 1.5)])
def test_bad_noise_is_refused(q: float, retain: float) -> None:
    with pytest.raises(InputError):
        Sparseout(torch.tensor([q]), torch.tensor([1.0]), torch.tensor([False]), retain)


def test_a_rate_that_diverges_is_reported() -> None:
    law = Sparseout(torch.tensor([3.0]), torch.tensor([1.5]), torch.tensor([False]), 0.5)
    with pytest.raises(InputError, match="diverged"):
        train_autoencoders(torch.rand(8, 5), law, [0], hidden=4, steps=201, batch_size=4, learning_rate=1e30)


# --- conclusions --------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def results() -> dict[str, Any]:
    """Run at tiny sizes for the structure, then set sparsities and sizes to what the theory expects."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sparseout_hoyer, "TOY", {"quick": (6, 3, 8, 3e-3, 4)})
        patch.setattr(sparseout_hoyer, "IMAGES", {"quick": (6, 3, 8, 3e-3, 4)})
        patch.setattr(sparseout_hoyer, "DRAWS", 2_000)
        found = {part.name: part.run(Setting()) for part in sparseout_hoyer.EXPERIMENT.route.parts}
    rng = np.random.default_rng(0)
    for label in ("toy", "images"):
        for variant in sparseout_hoyer.VARIANTS:
            line = np.array([0.9, 0.7, 0.5, 0.4, 0.3]) if variant != "true gradient" else [0.5, 0.5, 0.6, 0.5, 0.4]
            put(found, label, variant, "hoyer", line + rng.normal(scale=1e-3, size=(4, 5)))
        size = rng.uniform(1, 2, (4, 5))
        put(found, label, "detached", "size", size)
        put(found, label, "true gradient", "size", size * [9.0, 3.0, 1.0, 0.6, 0.4])
    return reread(found)


def put(results: dict[str, Any], label: str, variant: str, measure: str, table: Any) -> None:
    """Replace a measure, a row for each seed and a column for each q, where the parts keep it."""
    if label == "toy":
        results["toy"][variant][measure] = np.asarray(table).tolist()
        return
    for q, column in zip(sparseout_hoyer.EXPONENTS, np.transpose(table), strict=True):
        results[f"images, {variant}, q = {q:g}"][measure] = column.tolist()


def redrawn(finding: Finding) -> None:
    data = json.loads(json.dumps(dict(finding.data)))
    for picture in finding.pictures:
        assert all(ax.get_title(loc="left") for ax in draw(picture.name, data).axes)


def test_sparsity_is_concluded_and_drawn(results: dict[str, Any]) -> None:
    found = sparseout_hoyer.conclude({k: {**v, "seconds": 1.0} for k, v in results.items()})
    assert found.status == "checked", found.summary
    redrawn(found)


@pytest.mark.parametrize(("place", "table", "named"), [
    (("toy", "detached", "hoyer"), [[0.9, 0.7, up, 0.4, 0.3] for up in (0.74, 0.75, 0.75, 0.74)], "detached"),
    (("images", "true gradient", "hoyer"), [[0.9, 0.7, up, 0.4, 0.3] for up in (0.5, 0.51, 0.5, 0.51)], "true"),
    (("toy", "true gradient, unit decoders", "hoyer"), [[0.4, 0.5, 0.6, 0.7, up] for up in (0.8, 0.81, 0.8, 0.81)],
     "unit"),
    (("toy", "true gradient", "size"), [[0.01, 3.0, 1.5, 0.1, 0.1]] * 4, "q = 1"),
    (("images", "true gradient", "size"), [[0.01, 3.0, 1.5, 0.1, 0.1]] * 4, "q = 1"),
])  # fmt: skip
def test_one_wrong_quantity_refutes_and_is_named(
    results: dict[str, Any], place: tuple[str, str, str], table: Any, named: str
) -> None:
    again = copy.deepcopy(results)
    put(again, *place, table)
    found = sparseout_hoyer.conclude(again)
    assert found.status == "refuted"
    assert any(named in row for row in found.witness)


@pytest.mark.parametrize(("measure", "value", "named"), [("mean", 9.0, "drift"), ("largest", 1e-3, "detached")])
def test_a_wrong_drift_refutes_and_is_named(results: dict[str, Any], measure: str, value: float, named: str) -> None:
    again = copy.deepcopy(results)
    again["drift"][measure] = [value] * 20
    found = sparseout_hoyer.conclude(again)
    assert found.status == "refuted"
    assert any(named in row for row in found.witness)


def test_the_settings_are_the_variants_by_exponent() -> None:
    law = sparseout_hoyer._noise(torch.zeros(0, dtype=FLOAT), sparseout_hoyer.SETTINGS)
    count = len(sparseout_hoyer.EXPONENTS)
    assert law.q.tolist() == list(sparseout_hoyer.EXPONENTS) * 4
    for index, variant in enumerate(sparseout_hoyer.VARIANTS):
        rows = slice(index * count, (index + 1) * count)
        assert set(law.unit[rows].tolist()) == {"unit" in variant}
        exact = torch.ones(count, dtype=FLOAT) if "detached" in variant else law.q[rows] / 2
        assert torch.equal(law.slopes[rows], exact)


# --- step times ---------------------------------------------------------------------------------------------------


def steps(factor: float = 1.05, costly: float = 90.0, spread: float = 0.01) -> dict[str, Any]:
    found = {}
    for width in sparseout_steps.WIDTHS:
        base = 0.01 * width / 1024
        found[str(width)] = [
            {"backprop": base, "Dropout": shift * factor * base, "Sparseout": 1.02 * base,
             "Bridgeout, two matmuls": 1.6 * base, sparseout_steps.EXTRAPOLATED: costly * base}
            for shift in (1 - spread, 1 + spread) for _ in range(4)
        ]  # fmt: skip
    return {"timed": {"steps": found, "device": "CPU", "torch": "2", "batch": 128, "seconds": 1.0}}


def test_step_times_are_concluded_and_drawn() -> None:
    found = sparseout_steps.conclude(steps())
    assert found.status == "checked", found.summary
    redrawn(found)
    published = {(row[0], row[1]): row[5] for row in found.tables[0].rows}
    rounded = {key: round(float(value), 2) for key, value in published.items() if isinstance(value, float)}
    assert rounded[1024, "Sparseout"] == 1.12
    assert rounded[2048, sparseout_steps.EXTRAPOLATED] == 10.21


def test_step_times_on_both_sides_of_a_threshold_decide_nothing() -> None:
    found = sparseout_steps.conclude(steps(factor=1.1, spread=0.05))
    assert found.status == "unknown"
    assert "1024: Dropout / backprop, at most 1.1" in found.summary


@pytest.mark.parametrize(("values", "outcome", "p_value"), [
    ([1.0] * 5, "below", 1 / 32), ([3.0] * 5, "above", 1 / 32), ([1.0] * 4, "undecided", 1 / 16),
    ([1.0] * 7 + [3.0], "below", 9 / 256), ([1.0] * 6 + [3.0] * 2, "undecided", 37 / 256), ([2.0] * 9, "undecided", 1),
    ([2.0] + [1.0] * 5, "below", 1 / 32),
])  # fmt: skip
def test_sides_are_decided_by_the_binomial_law_of_signs(values: list[float], outcome: str, p_value: float) -> None:
    found = side(values, 2.0)
    assert (found["outcome"], found["p_value"]) == (outcome, pytest.approx(p_value, rel=1e-12))


@pytest.mark.parametrize("values", [[], [1.0, float("nan")], [[1.0]]])
def test_sides_need_finite_numbers(values: Any) -> None:
    with pytest.raises(InputError, match="needs a list of finite numbers"):
        side(values, 1.0)


@pytest.mark.parametrize("wrong", [{"factor": 1.3}, {"costly": 3.0}])
def test_one_step_time_beyond_its_threshold_refutes(wrong: dict[str, float]) -> None:
    assert sparseout_steps.conclude(steps(**wrong)).status == "refuted"


def test_steps_are_timed_for_every_method(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sparseout_steps, "WIDTHS", (16,))
    monkeypatch.setattr(sparseout_steps, "BATCH", 8)
    monkeypatch.setattr(sparseout_steps, "INPUTS", 12)
    monkeypatch.setattr(sparseout_steps, "ROUNDS", 2)
    monkeypatch.setattr(sparseout_steps, "NETWORKS", {"quick": 3})
    threads = torch.get_num_threads()
    networks = sparseout_steps.timed(Setting())["steps"]["16"]
    assert torch.get_num_threads() == threads
    assert len(networks) == 3
    for found in networks:
        assert set(found) == {
            *sparseout_steps.CHEAP,
            "backprop",
            "torch's nn.Dropout",
            sparseout_steps.EXTRAPOLATED,
        }
        assert all(found[name] > 0 for name in sparseout_steps.CHEAP)
