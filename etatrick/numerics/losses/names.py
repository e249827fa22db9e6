"""Finding a loss by its name."""

from typing import Any, Final

from etatrick.errors import InputError
from etatrick.numerics.losses.base import Loss
from etatrick.numerics.losses.classes import Logistic, Multinomial
from etatrick.numerics.losses.counts import Gamma, Poisson
from etatrick.numerics.losses.regression import Huber, Squared

NAMES: Final[dict[str, type[Loss]]] = {
    "squared": Squared, "logistic": Logistic, "multinomial": Multinomial, "poisson": Poisson, "gamma": Gamma,
    "huber": Huber,
}  # fmt: skip


def loss_named(loss: Any) -> Loss:
    """Return a loss from its name, or the loss itself.

    Parameters
    ----------
    loss : str or Loss
        One of ``squared``, ``logistic``, ``multinomial``, ``poisson``, ``gamma``, ``huber``.

    Returns
    -------
    Loss

    Raises
    ------
    InputError
        If there is no such loss.

    Examples
    --------
    >>> loss_named("huber")
    Huber(delta=1.0)
    """
    if isinstance(loss, Loss):
        return loss
    if loss not in NAMES:
        raise InputError(f"loss = {loss!r}", f"must be one of {', '.join(NAMES)}, or a Loss", "correct the name")
    return NAMES[loss]()
