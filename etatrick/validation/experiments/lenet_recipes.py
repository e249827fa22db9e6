"""The LeNet experiment's settings: data, schedules, and one recipe per method, as published or scaled to the digits."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final, final

from etatrick.errors import InputError
from etatrick.validation.claim import Level, Setting

if TYPE_CHECKING:
    from etatrick.validation.data import Split
    from etatrick.validation.experiments.lenet_training import Recipe

EPSILON: Final = 2.0
LAM: Final = 1e-3
START: Final = 5.0  # first log(η/λ), and minus the first log variance
DECAY: Final = 1e-3  # published, on log η
THRESHOLD: Final = 2.6315e-5  # |w| at which log-sum's retain probability is 0.05; the same for every method
LOG_SUM, ADA_TIKHONOV, ADA_PROX = "LogSum", "AdaTikhonov", "AdaProx"
ETA_TRICK, ETA_PUBLISHED = "η-trick", "η-trick, published dual"
ETA_FREE, ETA_PUBLISHED_FREE = "η-trick, no decay", "η-trick, published dual, no decay"
VAR_DROP, VAR_DROP_LR, VAR_DROP_AR = "VarDrop", "VarDrop+LR", "VarDrop+LR+AR"
FIXED, STRONGER = "fixed rate (control)", "AdaTikhonov at 4λ (control)"
METHODS: Final = (  # in the order in which they run
    ETA_PUBLISHED, LOG_SUM, ADA_TIKHONOV, ADA_PROX, VAR_DROP_AR, VAR_DROP_LR, ETA_TRICK, VAR_DROP, ETA_FREE,
    ETA_PUBLISHED_FREE, STRONGER, FIXED,
)  # fmt: skip


@final
@dataclass(frozen=True)
class Scale:
    """What differs between the two levels.

    Parameters
    ----------
    seeds, epochs : int
    samples : int
        N of the variational bound.
    slow, fast : float
        The two learning rates that were published; equal in the quick form.
    spread : float
        Standard deviation of the first weights in variational dropout.
    log_factor : float
        Learning rate of z = log(η/λ) and log a relative to that of the weights.
    """

    seeds: int
    epochs: int
    samples: int
    slow: float
    fast: float
    spread: float
    log_factor: float


# quick: 9 steps per epoch instead of 375, hence the rate of the log variables; 64 inputs instead of 784, hence the
# spread 0.02·√(784/64), which keeps the variance of the first hidden layer; λ and N as published
SCALES: Final[Mapping[Level, Scale]] = {
    "quick": Scale(seeds=4, epochs=60, samples=60_000, slow=1e-3, fast=1e-3, spread=0.07, log_factor=60.0),
    "full": Scale(seeds=1, epochs=200, samples=60_000, slow=1e-4, fast=1e-3, spread=0.02, log_factor=1.0),
}


def data(setting: Setting) -> "Split":
    """Return the data of a level: the digits, or MNIST from the setting's folder or a download."""
    from etatrick.validation.data import digits, mnist

    return _normalised(digits()) if setting.level == "quick" else mnist(setting.data)


def _normalised(split: "Split") -> "Split":
    """Return the split with one mean and one deviation for all pixels taken off, as MNIST's are."""
    from etatrick.validation.data import Split

    mean, deviation = split.train_inputs.mean(), split.train_inputs.std()
    train, test = ((part - mean) / deviation for part in (split.train_inputs, split.test_inputs))
    return Split(train, split.train_labels, test, split.test_labels)


def run(name: str, setting: Setting) -> dict[str, Any]:
    """Train one of :data:`METHODS` at the setting's level and return what :func:`lenet_training.trained` returns.

    Parameters
    ----------
    name : str
    setting : Setting

    Returns
    -------
    dict
        With ``level``, ``epochs`` and ``processor_seconds`` besides.

    Raises
    ------
    InputError
        If the device is not the CPU.
    """
    import time

    from etatrick.validation.experiments.lenet_training import Schedule, trained

    if setting.device != "cpu":
        raise InputError(f"device = {setting.device}", "this experiment runs on the CPU", "pass device='cpu'")
    scale = SCALES[setting.level]
    schedule = Schedule(scale.seeds, scale.epochs, THRESHOLD)
    began = time.process_time()
    found = trained(recipe(name, scale), data(setting), schedule, setting.progress)
    spent = round(time.process_time() - began, 1)
    return {**found, "level": setting.level, "epochs": scale.epochs, "processor_seconds": spent}


def recipe(name: str, scale: Scale) -> "Recipe":
    """Return the recipe of one of :data:`METHODS`."""
    return {**_reweighted(scale), **_variational(scale)}[name]


def _reweighted(scale: Scale) -> "dict[str, Recipe]":
    from etatrick.theory import penalties
    from etatrick.validation.experiments.lenet_training import Recipe
    from etatrick.validation.methods import (
        AdaProx,
        AdaTikhonov,
        EtaTrick,
        FixedRateDropout,
        LogSumDual,
        PenaltyGradient,
        PublishedLogSumDual,
    )

    duality = penalties["log_sum"](epsilon=EPSILON).duality
    correct, published = LogSumDual(EPSILON), PublishedLogSumDual(EPSILON)
    slow = {
        LOG_SUM: PenaltyGradient(duality, LAM),
        ADA_TIKHONOV: AdaTikhonov(duality, LAM),
        ADA_PROX: AdaProx(duality, LAM),
        STRONGER: AdaTikhonov(duality, 4 * LAM, STRONGER),
        FIXED: FixedRateDropout(0.5, FIXED),
    }
    fast = {
        ETA_TRICK: EtaTrick(correct, LAM, scale.log_factor, DECAY, ETA_TRICK),
        ETA_PUBLISHED: EtaTrick(published, LAM, scale.log_factor, DECAY, ETA_PUBLISHED),
        ETA_FREE: EtaTrick(correct, LAM, scale.log_factor, 0.0, ETA_FREE),
        ETA_PUBLISHED_FREE: EtaTrick(published, LAM, scale.log_factor, 0.0, ETA_PUBLISHED_FREE),
    }
    return {
        **{name: Recipe(method, scale.slow) for name, method in slow.items()},
        **{name: Recipe(method, scale.fast) for name, method in fast.items()},
    }


def _variational(scale: Scale) -> "dict[str, Recipe]":
    from etatrick.validation.experiments.lenet_training import Recipe, normal_start
    from etatrick.validation.methods import (
        AdditiveVariationalDropout,
        LocalReparameterisation,
        VariationalDropout,
    )

    plain = VariationalDropout(scale.samples, start=-START, rate_factor=scale.log_factor, name=VAR_DROP)
    local = VariationalDropout(
        scale.samples, LocalReparameterisation(), start=-START, rate_factor=scale.log_factor, name=VAR_DROP_LR
    )
    start = normal_start(scale.spread)
    additive = AdditiveVariationalDropout(scale.samples, start=-START, name=VAR_DROP_AR)
    return {
        VAR_DROP: Recipe(plain, scale.fast, start),
        VAR_DROP_LR: Recipe(local, scale.fast, start),
        VAR_DROP_AR: Recipe(additive, scale.slow, start),
    }
