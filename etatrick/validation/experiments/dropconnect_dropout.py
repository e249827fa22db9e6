"""DropConnect against Dropout: the same objective on outgoing weights, another one on incoming weights."""

from collections.abc import Callable
from functools import partial
from itertools import product
from typing import TYPE_CHECKING, Any, Final

import numpy as np

from etatrick.validation.agreement import equivalence
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table
from etatrick.validation.experiment import Experiment
from etatrick.validation.experiments.decisions import Decision
from etatrick.validation.seeding import seed

if TYPE_CHECKING:
    from numpy.typing import NDArray
    from torch import Generator, Tensor

    Floats = NDArray[np.float64]

RETAIN: Final = 0.7
ODDS: Final = (1 - RETAIN) / RETAIN
METHODS: Final = ("dropout", "DropConnect, outgoing", "DropConnect, incoming")
INPUTS: Final = ("correlated", "white")
SIZES: Final = {"quick": (4, 6, 24, 8), "full": (20, 30, 200, 40)}  # outputs, inputs, examples, hidden units
SEEDS: Final = {"quick": 8, "full": 16}
STEPS: Final = {"quick": 2_500, "full": 20_000}
RATE: Final = 0.02
COST: Final = dict(zip(METHODS, (2.0, 4.0, 5.0), strict=True))  # seconds, quick
NETWORKS: Final = 20  # small networks whose masks are enumerated
# fixed before any run
EXACT: Final = 1e-12  # relative
EXCESS_MARGIN: Final = 0.01  # relative to the minimum
VALUE_MARGIN: Final = 0.02  # of the largest singular value of the targets


def enumeration(setting: Setting) -> dict[str, Any]:
    """Average the squared error over every mask of small networks, for all methods, on both kinds of inputs."""
    found: dict[str, Any] = {name: {method: [] for method in METHODS} for name in INPUTS}
    for index in range(NETWORKS):
        rng = np.random.default_rng(seed("dropconnect", "enumeration", index))
        U, V, Y = rng.normal(size=(2, 3)), rng.normal(size=(2, 3)), rng.normal(size=(2, 4))
        for name in INPUTS:
            X = inputs(name, 2, 4, rng)
            plain = float(((Y - U @ V.T @ X) ** 2).sum())
            for method, masked in _predictions(U, V, X).items():
                size = {"dropout": (3,)}.get(method, (2, 3))
                total = 0.0
                for mask in product((0.0, 1.0), repeat=int(np.prod(size))):
                    kept = np.array(mask).reshape(size)
                    chance = RETAIN ** kept.sum() * (1 - RETAIN) ** (kept.size - kept.sum())
                    total += chance * float(((Y - masked(kept / RETAIN)) ** 2).sum())
                found[name][method].append([total, total - plain])
        setting.progress((index + 1) / NETWORKS)
    return found


def _predictions(U: "Floats", V: "Floats", X: "Floats") -> "dict[str, Callable[[Floats], Floats]]":
    return {
        METHODS[0]: lambda z: (U * z) @ V.T @ X,
        METHODS[1]: lambda z: (U * z) @ V.T @ X,
        METHODS[2]: lambda z: U @ (V * z).T @ X,
    }


def inputs(name: str, rows: int, examples: int, rng: np.random.Generator) -> "Floats":
    """Return inputs (b, N) with one strong common factor, or with XXᵀ proportional to the identity."""
    drawn = rng.normal(size=(rows, examples))
    if name == "correlated":
        mixed: Floats = 0.4 * drawn + rng.normal(size=examples)
        return mixed
    basis: Floats = np.linalg.svd(drawn, full_matrices=False)[2]
    white: Floats = basis * np.sqrt(examples)
    return white


def trained(name: str, method: str, setting: Setting) -> dict[str, Any]:
    """Train with random masks per example, many seeds in one batch, and find the method's own optimum by L-BFGS."""
    import torch

    from etatrick.numerics import dropblock_minimizer

    rows, columns, examples, hidden = SIZES[setting.level]
    rng = np.random.default_rng(seed("dropconnect", "data", name, setting.level))
    X = inputs(name, columns, examples, rng)
    Y = rng.normal(size=(rows, columns)) @ X / np.sqrt(columns) + 0.1 * rng.normal(size=(rows, examples))
    data = [torch.tensor(array, device=setting.device) for array in (Y, X)]
    closed = dropblock_minimizer(Y, 1, RETAIN, hidden, X)
    predicted = np.zeros(min(rows, examples))
    predicted[: len(closed.singular_values)] = closed.singular_values[: len(predicted)]
    best, values = _optimum(method, data[0], data[1], hidden)
    U, V = _sgd(method, data[0], data[1], hidden, setting)
    excess = _objective(method, data[0], data[1], U, V).cpu().numpy() / best - 1
    singular = torch.linalg.svdvals(U @ V.mT @ data[1]).cpu().numpy()
    norm = float(np.linalg.norm(Y, 2))
    return {"minimum": best, "optimum_values": values, "excess": excess.tolist(), "values": singular.tolist(),
            "closed": closed.objective, "predicted": predicted.tolist(), "norm": norm}  # fmt: skip


def _objective(method: str, Y: "Tensor", X: "Tensor", U: "Tensor", V: "Tensor") -> "Tensor":
    """Return ‖Y − UVᵀX‖² + λΣ_i‖u_i‖²·‖Xᵀv_i‖², with Σ_j V_ji²‖x_j‖² in the last place for incoming weights; (S,)."""
    residual = ((Y - U @ V.mT @ X) ** 2).sum((1, 2))
    incoming = method == METHODS[2]
    energy = (X**2).sum(1) @ V**2 if incoming else ((X.mT @ V) ** 2).sum(1)
    return residual + ODDS * ((U**2).sum(1) * energy).sum(1)


def _optimum(method: str, Y: "Tensor", X: "Tensor", hidden: int) -> tuple[float, list[float]]:
    import torch

    from etatrick.validation.experiments.batched_lbfgs import minimise_batch

    def factors(flat: "Tensor") -> "tuple[Tensor, ...]":
        parts: tuple[Tensor, ...] = torch.split(flat.reshape(len(flat), -1, hidden), [len(Y), len(X)], 1)
        return parts

    generator = torch.Generator().manual_seed(seed("dropconnect", "starts"))
    start = torch.randn((4, (len(Y) + len(X)) * hidden), generator=generator, dtype=Y.dtype).to(Y.device) / 2

    def objective(flat: "Tensor") -> "Tensor":
        U, V = factors(flat)
        return _objective(method, Y, X, U, V)

    points, values = minimise_batch(objective, start, steps=600, memory=12)
    U, V = factors(points[values.argmin()][None])
    return float(values.min()), torch.linalg.svdvals(U @ V.mT @ X)[0].cpu().tolist()


def _sgd(method: str, Y: "Tensor", X: "Tensor", hidden: int, setting: Setting) -> "tuple[Tensor, Tensor]":
    """Train S networks in single precision with Adam, fresh masks per example; the rate falls linearly to 0."""
    import torch

    steps = STEPS[setting.level]
    numbers = [seed("dropconnect", method, s) for s in range(SEEDS[setting.level])]
    generators = [torch.Generator().manual_seed(number) for number in numbers]
    U, V = (
        torch.stack([torch.randn((size, hidden), generator=g, dtype=Y.dtype) for g in generators])
        .div(2 * size**0.5).float().to(Y.device).requires_grad_() for size in (len(Y), len(X))
    )  # fmt: skip
    targets, given = Y.float(), X.float()
    optimizer = torch.optim.Adam([U, V], lr=RATE)
    for step in range(steps):
        optimizer.param_groups[0]["lr"] = RATE * (1 - step / steps)
        optimizer.zero_grad()
        loss = ((targets - MASKED[method](U, V, given, generators)) ** 2).sum()
        loss.backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        if step % 100 == 0:
            setting.progress(step / steps)
    return U.detach().to(Y), V.detach().to(Y)


def _kept(generators: "list[Generator]", shape: tuple[int, ...], like: "Tensor") -> "Tensor":
    """Return masks of 0 and 1/θ, a generator's along the first axis."""
    import torch

    from etatrick.validation.layers.random_words import random_words, scaled_switches

    words = torch.stack([random_words(shape, RETAIN, g, like.device) for g in generators])
    return scaled_switches(words, RETAIN, 1 / RETAIN, like.dtype)


def _dropout(U: "Tensor", V: "Tensor", X: "Tensor", generators: "list[Generator]") -> "Tensor":
    hidden = V.mT @ X
    return U @ (hidden * _kept(generators, tuple(hidden.shape[1:]), hidden))


def _outgoing(U: "Tensor", V: "Tensor", X: "Tensor", generators: "list[Generator]") -> "Tensor":
    masks = _kept(generators, (X.shape[1], *U.shape[1:]), U)
    return (masks * U[:, None] * (V.mT @ X).mT[:, :, None]).sum(3).mT


def _incoming(U: "Tensor", V: "Tensor", X: "Tensor", generators: "list[Generator]") -> "Tensor":
    masks = _kept(generators, (X.shape[1], *V.shape[1:]), V)
    return U @ (masks * V[:, None] * X.mT[None, :, :, None]).sum(2).mT


MASKED: Final = dict(zip(METHODS, (_dropout, _outgoing, _incoming), strict=True))


def _part(name: str, method: str) -> str:
    return f"{name} inputs, {method}"


def conclude(results: Results) -> Finding:
    """Conclude *checked* if outgoing weights give Dropout, and incoming ones do so on white inputs only."""
    runs = {name: {method: results[_part(name, method)] for method in METHODS} for name in INPUTS}
    tests: dict[str, Any] = {}
    gaps: dict[str, float] = {}
    for name in INPUTS:
        exact = {method: np.array(rows)[:, 0] for method, rows in results["enumeration"][name].items()}
        for method in METHODS[1:]:
            gap = np.abs(exact[method] / exact[METHODS[0]] - 1)
            gaps[f"{name}, {method}"] = float(gap.mean())
            wanted = "differs" if (name, method) == (INPUTS[0], METHODS[2]) else "agrees"
            test = {"outcome": "agrees" if gap.max() <= EXACT else "differs", "largest": float(gap.max()),
                    "margin": EXACT, "p_value": None, "seeds": len(gap)}  # fmt: skip
            tests[f"all masks, {name} inputs: {method} / dropout − 1"] = (wanted, test)
        for method, run in runs[name].items():
            far = VALUE_MARGIN * run["norm"]
            at = f"trained, {name} inputs, {method}"
            wanted = "differs" if (name, method) == (INPUTS[0], METHODS[2]) else "agrees"
            tests[f"{at}: excess over its own minimum"] = (
                "agrees", equivalence(run["excess"], margin=EXCESS_MARGIN).to_json())  # fmt: skip
            tests[f"{at}: singular values − its own optimum"] = (
                "agrees", equivalence(run["values"], run["optimum_values"], margin=far).to_json())  # fmt: skip
            tests[f"{at}: singular values − dropout's closed form"] = (
                wanted, equivalence(run["values"], run["predicted"], margin=far).to_json())  # fmt: skip
    decision = Decision(tests)
    incoming = 100 * gaps[f"{INPUTS[0]}, {METHODS[2]}"]
    return Finding(
        decision.status, f"{len(tests)} tests with margins fixed in advance", f"retain probability {RETAIN}",
        decision.witness,
        "On incoming weights the masks replace XXᵀ by its diagonal, so the two differ unless inputs are uncorrelated; "
        "how far depends on the inputs.",
        summary=decision.problems or (
            f"On outgoing weights DropConnect's objective equals Dropout's to {EXACT:g} over all masks and training "
            f"ends at Dropout's closed form; on incoming weights and correlated inputs it is {incoming:.0f} % off on "
            "average, and equal on white inputs."),
        formulas=(Formula(r"\lambda\sum_i\lVert u_i\rVert^2\lVert X^\top v_i\rVert^2\quad\text{against}\quad"
                          r"\lambda\sum_i\lVert u_i\rVert^2\sum_jV_{ji}^2\lVert x_j\rVert^2",
                          "outgoing weights (and Dropout), and incoming weights"),),
        tables=(_minima(runs), decision.table("Tests that decide")),
        pictures=(Picture("dropconnect-training", "Singular values of the predictions after training.",
                          "Two panels, correlated and white inputs: singular values of trained networks as marks per "
                          "method on the bars of Dropout's closed form."),),
        data={"enumeration": results["enumeration"], "runs": runs},
    )  # fmt: skip


def _minima(runs: Any) -> Table:
    rows = tuple(
        (name, method, run["minimum"], run["closed"], run["minimum"] / run["closed"] - 1, float(np.mean(run["excess"])))
        for name in INPUTS for method, run in runs[name].items()
    )  # fmt: skip
    columns = ("inputs", "method", "its minimum", "dropout's closed form", "relative difference",
               "mean relative excess after training")  # fmt: skip
    return Table("Minima by L-BFGS, and where training with masks ends", columns, rows)


EXPERIMENT: Final = Experiment(
    "dropconnect-dropout",
    "DropConnect against Dropout",
    "Is DropConnect the same regulariser as Dropout?",
    "Pal et al. 2020",
    Route(
        (
            Part("enumeration", "every mask of small networks", enumeration, 1.0),
            *(
                Part(_part(name, method), f"{method}, {name} inputs", partial(trained, name, method), COST[method])
                for name in INPUTS
                for method in METHODS
            ),
        ),
        conclude,
    ),
)
