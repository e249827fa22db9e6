"""Step time of backprop, Dropout, Sparseout and Bridgeout on an auto-encoder, as ratios beside the published ones."""

import platform
import time
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Cell, Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments.decisions import Decision, side
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from collections.abc import Callable

    from torch import nn

INPUTS: Final = 784
BATCH: Final = 128
WIDTHS: Final = (1024, 2048)
NETWORKS: Final = {"quick": 8, "full": 24}  # of each kind: where one lies in memory moves its steps by per cents
ROUNDS: Final = 10  # steps of each, interleaved, of which the fastest counts
SMALL_BATCHES: Final = (2, 6)  # for masks per example, whose cost is a line in the batch size
EXPONENT: Final = 1.5
RETAIN: Final = 0.5
REFERENCE: Final = "backprop"
EXTRAPOLATED: Final = "Bridgeout, masks per example (extrapolated)"
# milliseconds per step of the paper's Table 1, by width
PUBLISHED: Final = {
    1024: {REFERENCE: 5.2, "Dropout": 5.3, "Sparseout": 5.8, EXTRAPOLATED: 31.6},
    2048: {REFERENCE: 5.6, "Dropout": 5.6, "Sparseout": 6.0, EXTRAPOLATED: 57.2},
}
# the largest ratio to backprop that counts as cheap, and the least that counts as expensive; fixed before any run
CHEAP: Final = {"Dropout": 1.10, "Sparseout": 1.10, "Bridgeout, two matmuls": 1.80}
EXPENSIVE: Final = 5.0


def timed(setting: Setting) -> dict[str, Any]:
    """Time training steps of fresh networks, interleaved and the best of several, on one thread."""
    import torch

    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        found: dict[str, list[dict[str, float]]] = {str(width): [] for width in WIDTHS}
        for index in range(NETWORKS[setting.level]):
            for width in WIDTHS:
                found[str(width)].append(_timed(width, setting))
            setting.progress((index + 1) / NETWORKS[setting.level])
    finally:
        torch.set_num_threads(threads)
    return {"steps": found, "device": _device(setting.device), "torch": torch.__version__, "batch": BATCH}


def _timed(width: int, setting: Setting) -> dict[str, float]:
    """Return the seconds of a step of one network of each kind."""
    import torch

    generator = torch.Generator().manual_seed(seed("sparseout-steps", width))
    inputs = torch.rand((BATCH, INPUTS), generator=generator).to(setting.device)
    nets = {name: make(width).to(setting.device) for name, make in _networks().items()}
    single = _per_example(width).to(setting.device)
    steps = {name: _step(net, inputs) for name, net in nets.items()}
    small = {size: _step(single, inputs[:size]) for size in SMALL_BATCHES}
    best = dict.fromkeys(steps, float("inf"))
    few = dict.fromkeys(small, float("inf"))
    for _ in range(ROUNDS):
        for name, step in steps.items():
            best[name] = min(best[name], _seconds(step, setting.device))
    for _ in range(2):
        for size, step in small.items():
            few[size] = min(few[size], _seconds(step, setting.device))
    low, high = SMALL_BATCHES
    slope = (few[high] - few[low]) / (high - low)
    return {**best, EXTRAPOLATED: few[low] + slope * (BATCH - low)}


def _networks() -> "dict[str, Callable[[int], nn.Module]]":
    """Return auto-encoders b → d → b, ReLU inside, with noise before or in the decoder."""
    from torch import nn

    from etatrick.validation.layers.bridgeout import BridgeoutLinear
    from etatrick.validation.layers.sparseout import Sparseout
    from etatrick.validation.layers.unit_dropout import BernoulliDropout

    def built(width: int, *decoder: nn.Module) -> nn.Module:
        return nn.Sequential(nn.Linear(INPUTS, width), nn.ReLU(), *decoder)

    return {
        REFERENCE: lambda d: built(d, nn.Linear(d, INPUTS)),
        "Dropout": lambda d: built(d, BernoulliDropout(RETAIN), nn.Linear(d, INPUTS)),
        "torch's nn.Dropout": lambda d: built(d, nn.Dropout(1 - RETAIN), nn.Linear(d, INPUTS)),
        "Sparseout": lambda d: built(d, Sparseout(EXPONENT, RETAIN), nn.Linear(d, INPUTS)),
        "Bridgeout, two matmuls": lambda d: built(d, BridgeoutLinear(d, INPUTS, q=EXPONENT, retain=RETAIN)),
    }


def _per_example(width: int) -> "nn.Module":
    from torch import nn

    from etatrick.validation.layers.bridgeout import BridgeoutLinear
    from etatrick.validation.layers.mechanism import WeightsPerExample

    decoder = BridgeoutLinear(width, INPUTS, q=EXPONENT, retain=RETAIN, mechanism=WeightsPerExample)
    return nn.Sequential(nn.Linear(INPUTS, width), nn.ReLU(), decoder)


def _step(net: "nn.Module", inputs: Any) -> "Callable[[], None]":
    """Return one training step: forward, squared error, backward, plain gradient descent."""
    import torch

    optimizer = torch.optim.SGD(net.parameters(), lr=1e-3)

    def step() -> None:
        optimizer.zero_grad()
        ((net(inputs) - inputs) ** 2).mean().backward()
        optimizer.step()

    step()  # the first pass allocates
    return step


def _seconds(step: "Callable[[], None]", device: str) -> float:
    """Return the time of one step: of this process on a CPU, since others may run; by the wall on a GPU."""
    import torch

    if device == "cpu":
        began = time.process_time()
        step()
        return time.process_time() - began
    torch.cuda.synchronize()
    began = time.perf_counter()
    step()
    torch.cuda.synchronize()
    return time.perf_counter() - began


def _device(name: str) -> str:
    import torch

    if name == "cpu":
        return f"{platform.machine()} CPU, one thread"
    return str(torch.cuda.get_device_name(name))


def conclude(results: Results) -> Finding:
    """Conclude *checked* if Dropout, Sparseout and Bridgeout by two matmuls are cheap and masks per example are not."""
    found = results["timed"]
    tests: dict[str, Any] = {}
    rows: list[tuple[Cell, ...]] = []
    ratios: dict[str, dict[str, float]] = {}
    for width, networks in found["steps"].items():
        paper, ratios[width] = PUBLISHED[int(width)], {}
        for name in networks[0]:
            each = [seconds[name] / seconds[REFERENCE] for seconds in networks]
            low, ratio, high = (float(x) for x in np.quantile(each, (0.25, 0.5, 0.75)))
            ratios[width][name] = ratio
            milliseconds = 1e3 * float(np.median([seconds[name] for seconds in networks]))
            published = paper[name] / paper[REFERENCE] if name in paper else None
            rows.append((int(width), name, milliseconds, ratio, f"{low:.2f} to {high:.2f}", published))
            if name in CHEAP:
                tests[f"{width}: {name} / backprop, at most {CHEAP[name]:g}"] = ("below", side(each, CHEAP[name]))
            if name == EXTRAPOLATED:
                tests[f"{width}: {name} / backprop, at least {EXPENSIVE:g}"] = ("above", side(each, EXPENSIVE))
    decision = Decision(tests)
    said = "; ".join(f"d = {w}: " + ", ".join(f"{n} {r:.2f}" for n, r in by.items()) for w, by in ratios.items())
    return Finding(
        decision.status,
        f"{len(decision.tests)} sign tests of medians over networks, {found['device']}, torch {found['torch']}",
        f"784-d-784, batch {found['batch']}, q = {EXPONENT}", decision.witness,
        "Published: GTX 1080, units not stated, read as milliseconds. Masks per example are timed at batches of "
        f"{' and '.join(map(str, SMALL_BATCHES))} and extrapolated to {found['batch']} along a line; on a CPU they "
        "cost far more than in the published GPU table, because drawing a mask costs more than the matmul it masks.",
        summary=f"Ratios to backprop: {said}. {decision.problems}".strip(),
        formulas=(Formula(r"\tilde y=xW^\top+\sqrt{x^2\operatorname{Var}(W)^\top}\,\varepsilon",
                          "Bridgeout by two matmuls: normal pre-activations of the same mean and variance"),),
        tables=(Table("Step times and ratios to backprop, ours beside the published",
                      ("hidden units", "method", "ms per step", "ratio", "quartiles", "published ratio"), tuple(rows)),
                decision.table("Thresholds that decide")),
        pictures=(Picture("sparseout-step-time", "Ratios of step times to backprop, ours and published.",
                          "One panel per width, bars on a logarithmic axis for each method with the published ratio "
                          "as a mark."),),
        data={**results, "ratios": ratios, "published": {str(w): t for w, t in PUBLISHED.items()}},
    )  # fmt: skip


EXPERIMENT: Final = Experiment(
    "sparseout-step-time",
    "What Sparseout and Bridgeout cost per step",
    "Is Sparseout as cheap as Dropout and much cheaper than Bridgeout, and is Bridgeout by two matmuls cheap too?",
    "Khan and Stavness 2019, Table 1",
    Route((Part("timed", "timing of training steps", timed, 25.0),), conclude),
)
