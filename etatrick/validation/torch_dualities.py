"""Any scalar duality as functions of tensors: closed forms by the table of heads, others by tables of their numbers."""

from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final

import sympy as sp
import torch
from torch import Tensor

from etatrick.errors import InputError
from etatrick.theory.symbols import lam as lam_symbol
from etatrick.theory.symbols import w
from etatrick.validation.torch_compile import torch_function
from etatrick.validation.torch_tables import TorchTable, tabulate

TensorFunction = Callable[[Tensor], Tensor]
_NEEDS: Final = ("eta_hat_at", "penalty_at", "alpha_at", "eta_hat", "parameters")


def require_scalar(duality: Any) -> None:
    """Refuse what has no rule η̂(w) for one weight at a time.

    Parameters
    ----------
    duality : Duality or GateLaw
        Without free parameters, in the λ = 1 gauge.

    Raises
    ------
    InputError
        If it is a penalty of a whole vector (magnitude pruning, targeted dropout), has free parameters, or its η̂
        depends on λ itself.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> require_scalar(penalties["log_sum"].duality)
    Traceback (most recent call last):
    ...
    etatrick.errors.InputError: epsilon: a torch function needs a number for every parameter; call .at(epsilon=…).
    """
    missing = [name for name in _NEEDS if not hasattr(duality, name)]
    if missing:
        rule = "has no rule η̂(w) for one weight at a time: it is a penalty of the whole vector, or none"
        raise InputError(repr(duality), rule, 'pass a scalar duality, e.g. penalties["log_sum"](epsilon=2).duality')
    if duality.parameters:
        names = ", ".join(str(p) for p in duality.parameters)
        remedy = f"call .at({duality.parameters[0]}=…)"
        raise InputError(names, "a torch function needs a number for every parameter", remedy)
    if duality.eta_hat is not None and lam_symbol in duality.eta_hat.free_symbols:
        raise InputError(str(duality.eta_hat), "η̂ depends on λ itself", "state a rule in the λ = 1 gauge")


@lru_cache(maxsize=128)
def torch_eta_hat(duality: Any) -> TensorFunction:
    r"""Compile the rule :math:`\hat\eta(|w|) = |w|/\Omega'(|w|)` to a function of tensors.

    From the closed form where there is one; otherwise from a table of ``duality.eta_hat_at``, to about 1e-12 for
    1e-8 ≤ \|w\| ≤ 1e8 (gate laws: 1e-9, as smooth as their numbers), where values above 5e34 count as ∞.

    Parameters
    ----------
    duality : Duality or GateLaw
        Any scalar one without free parameters.

    Returns
    -------
    callable
        Tensor of weights (any sign and shape) to η̂ ≥ 0, possibly ∞; at 0 the limit from the right.

    Raises
    ------
    InputError
        If the duality is no scalar one, or can neither be compiled nor tabulated.

    Examples
    --------
    >>> from etatrick.theory import strategies
    >>> torch_eta_hat(strategies["variational_dropout"]().duality)(torch.tensor([0.0, -1.0], dtype=torch.float64))
    tensor([0.0000, 1.2139], dtype=torch.float64)
    """
    require_scalar(duality)
    rule = _closed_rule(duality) or _table(duality)
    start = float(duality.eta_hat_at(0.0))

    def eta_hat(weight: Tensor) -> Tensor:
        size = weight.abs()
        inside = size > 0
        return torch.where(inside, rule(torch.where(inside, size, torch.ones_like(size))), torch.full_like(size, start))

    return eta_hat


def torch_odds(duality: Any, lam: float) -> TensorFunction:
    """Compile the odds of dropping, λ/η̂(|w|) = (1−α)/α, which are the variance of the adaptive noise.

    Parameters
    ----------
    duality : Duality or GateLaw
    lam : float
        λ > 0.

    Returns
    -------
    callable
        Tensor of weights to λ/η̂ in [0, ∞].

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> torch_odds(penalties["l1"](k=2).duality, lam=0.1)(torch.tensor([0.0, 0.5]))
    tensor([   inf, 0.4000])
    """
    if not (isinstance(lam, int | float) and 0 < lam < float("inf")):
        raise InputError(f"lam = {lam}", "λ must be a finite number > 0", "choose e.g. lam=0.01")
    rule = torch_eta_hat(duality)
    return lambda weight: lam / rule(weight)


def torch_retain(duality: Any, lam: float) -> TensorFunction:
    """Compile the retain probability α(|w|) = 1/(1 + λ/η̂(|w|)), which is 1 where η̂ = ∞ and 0 where η̂ = 0.

    Parameters
    ----------
    duality : Duality or GateLaw
    lam : float
        λ > 0.

    Returns
    -------
    callable
        Tensor of weights to α in [0, 1].

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> torch_retain(penalties["l0"](kappa=1).duality, lam=0.1)(torch.tensor([0.0, 0.5]))
    tensor([0., 1.])
    """
    odds = torch_odds(duality, lam)
    return lambda weight: 1 / (1 + odds(weight))


def torch_slope(duality: Any) -> TensorFunction:
    """Compile the penalty's slope Ω′(|w|) = |w|/η̂(|w|), with 0 at w = 0 (the subgradient of least size).

    Parameters
    ----------
    duality : Duality or GateLaw

    Returns
    -------
    callable
        Tensor of weights to slopes ≥ 0.

    Examples
    --------
    >>> from etatrick.theory import penalties
    >>> torch_slope(penalties["log_sum"](epsilon=2).duality)(torch.tensor([0.0, -2.0]))
    tensor([0.0000, 0.2500])
    """
    rule = torch_eta_hat(duality)

    def slope(weight: Tensor) -> Tensor:
        size = weight.abs()
        inside = size > 0
        safe = torch.where(inside, size, torch.ones_like(size))
        return torch.where(inside, safe / rule(safe), torch.zeros_like(size))

    return slope


@lru_cache(maxsize=128)
def torch_penalty(duality: Any) -> TensorFunction:
    """Compile Ω(|w|) to a function of tensors whose derivative is Ω′(|w|)·sgn w, 0 at w = 0.

    Parameters
    ----------
    duality : Duality or GateLaw

    Returns
    -------
    callable
        Tensor of weights to penalties.

    Raises
    ------
    InputError
        As :func:`torch_eta_hat`.

    Examples
    --------
    >>> from etatrick.theory import strategies
    >>> weight = torch.tensor([-1.0], dtype=torch.float64, requires_grad=True)
    >>> torch_penalty(strategies["variational_dropout"]().duality)(weight).backward()
    >>> weight.grad  # −1/η̂(1)
    tensor([-0.8238], dtype=torch.float64)
    """
    require_scalar(duality)
    value = _closed_penalty(duality) or tabulate(duality.penalty_at, "the penalty", _breaks(duality))
    slope, start = torch_slope(duality), float(duality.penalty_at(0.0))

    def penalty(weight: Tensor) -> Tensor:
        with torch.no_grad():
            size = weight.abs()
            inside = size > 0
            found = value(torch.where(inside, size, torch.ones_like(size)))
            found = torch.where(inside, found, torch.full_like(size, start))
        if not (weight.requires_grad and torch.is_grad_enabled()):
            return found
        # the value above with the derivative of the rule, whose closed form has no cancellation
        anchor = slope(weight.detach()) * weight.detach().sign()
        return torch.where(found.isfinite(), found + anchor * (weight - weight.detach()), found)

    return penalty


def _closed_rule(duality: Any) -> TensorFunction | None:
    if duality.eta_hat is None or duality.eta_hat.has(sp.Heaviside):
        return None
    try:
        return torch_function(duality.eta_hat.xreplace({sp.zoo: sp.oo}), w)
    except InputError:  # a head without a counterpart: its numbers are tabulated instead
        return None


def _closed_penalty(duality: Any) -> TensorFunction | None:
    if duality.penalty is None:
        return None
    try:
        return torch_function(duality.penalty, w)
    except InputError:
        return None


@lru_cache(maxsize=64)
def _table(duality: Any) -> TorchTable:
    return tabulate(duality.eta_hat_at, "η̂", _breaks(duality))


def _breaks(duality: Any) -> tuple[float, ...]:
    """Return where η̂ is known to jump or the pieces of a formula meet."""
    jumps = getattr(duality, "jumps", tuple)
    found = {float(jump.w) for jump in jumps()}
    for expr in (duality.penalty, duality.eta_hat):
        if isinstance(expr, sp.Basic):
            for relation in expr.atoms(sp.core.relational.Relational):
                numbers = [side for side in (relation.lhs, relation.rhs) if side.is_number and side.is_finite]
                found |= {float(number) for number in numbers if number > 0}
    return tuple(sorted(found))
