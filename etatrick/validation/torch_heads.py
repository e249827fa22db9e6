"""Special functions for tensors that torch lacks: Dawson, its integral, erfi, Lambert's W, dilogarithm, gamma."""

import math
from collections.abc import Callable
from functools import lru_cache
from typing import Any, Final, final

import torch
from torch import Tensor

from etatrick.validation import dawson_series

LAMBERT_STEPS: Final = 6
DILOG_TERMS: Final = 12


def _elementwise(forward: Callable[[Tensor], Tensor], slope: Callable[[Tensor], Tensor]) -> Callable[[Tensor], Tensor]:
    """Return a function of tensors with its own derivative, which may itself be differentiated."""

    @final
    class Elementwise(torch.autograd.Function):
        generate_vmap_rule = True

        @staticmethod
        def forward(x: Tensor) -> Tensor:
            return forward(x)

        @staticmethod
        def setup_context(ctx: Any, inputs: tuple[Tensor], output: Tensor) -> None:
            ctx.save_for_backward(*inputs)

        @staticmethod
        def backward(ctx: Any, *gradients: Tensor) -> Tensor:
            (x,) = ctx.saved_tensors
            return gradients[0] * slope(x)

    def function(x: Tensor) -> Tensor:
        value: Tensor = Elementwise.apply(x)  # type: ignore[no-untyped-call]
        return value

    return function


def _dawson(x: Tensor) -> Tensor:
    return dawson_series.value(x.abs()).copysign(x)


_dawson_apply = _elementwise(_dawson, lambda x: dawson_series.slope(x, dawson(x)))


def dawson(x: Tensor) -> Tensor:
    """Return Dawson's integral D(x) = exp(−x²)∫₀ˣ exp(t²)dt, elementwise; D′ = 1 − 2xD.

    Parameters
    ----------
    x : Tensor
        Floating point, any shape.

    Returns
    -------
    Tensor
        Of the same shape; about 1e-15 relative in float64.

    Examples
    --------
    >>> dawson(torch.tensor([0.0, 1.0], dtype=torch.float64))
    tensor([0.0000, 0.5381], dtype=torch.float64)
    """
    return _dawson_apply(x)


_dawson_integral_apply = _elementwise(lambda x: dawson_series.value_and_area(x.abs())[1] / 2, dawson)


def dawson_integral(x: Tensor) -> Tensor:
    """Return ∫₀ˣ D(u)du, elementwise: even, ½log(2x) + γ/4 + O(x⁻²) far out.

    Examples
    --------
    >>> dawson_integral(torch.tensor([1.0], dtype=torch.float64))
    tensor([0.3697], dtype=torch.float64)
    """
    return _dawson_integral_apply(x)


_erfi_apply = _elementwise(
    lambda x: 2 / math.sqrt(math.pi) * x.square().exp() * _dawson(x),
    lambda x: 2 / math.sqrt(math.pi) * x.square().exp(),
)


def erfi(x: Tensor) -> Tensor:
    """Return the imaginary error function (2/√π)∫₀ˣ exp(t²)dt = (2/√π)exp(x²)D(x), elementwise.

    Examples
    --------
    >>> erfi(torch.tensor([1.0], dtype=torch.float64))
    tensor([1.6504], dtype=torch.float64)
    """
    return _erfi_apply(x)


def _lambertw(x: Tensor) -> Tensor:
    """Iterate w ← w/(1+w)·(1 + log(x/w)) (Iacono, Boyd 2017), which converges quadratically."""
    root = (2 * (1 + math.e * x).clamp_min(0)).sqrt()
    found = torch.where(x < -0.25, root * (1 - root / 3) - 1, x * (1 - x))
    high = x.clamp_min(0.25).log1p()
    found = torch.where(x > 0.25, high * (1 - high.log1p() / (2 + high)), found)
    usable = (x != 0) & (root > 1e-6) & x.isfinite()
    safe, guess = torch.where(usable, x, torch.ones_like(x)), torch.where(usable, found, torch.ones_like(x))
    for _ in range(LAMBERT_STEPS):
        guess = guess / (1 + guess) * (1 + (safe / guess).log())
    value = torch.where(usable, guess, torch.where(x == 0, x, found))
    value = torch.where(x == torch.inf, x, value)
    return torch.where((1 + math.e * x) < -8 * torch.finfo(x.dtype).eps, torch.full_like(x, torch.nan), value)


_lambertw_apply = _elementwise(_lambertw, lambda x: 1 / (x + lambertw(x).exp()))


def lambertw(x: Tensor) -> Tensor:
    """Return the principal branch of Lambert's W, W·exp(W) = x, elementwise for x ≥ −1/e; NaN below.

    Examples
    --------
    >>> lambertw(torch.tensor([0.0, 1.0], dtype=torch.float64))
    tensor([0.0000, 0.5671], dtype=torch.float64)
    """
    return _lambertw_apply(x)


@lru_cache(maxsize=1)
def _bernoulli() -> tuple[float, ...]:
    """Return B_{2k}/(2k+1)! for k = 1, …, as floats."""
    from scipy.special import bernoulli

    numbers = bernoulli(2 * DILOG_TERMS)
    return tuple(float(numbers[2 * k]) / math.factorial(2 * k + 1) for k in range(1, DILOG_TERMS + 1))


def _debye(u: Tensor) -> Tensor:
    """Return Li₂(1 − exp(−u)) for |u| ≤ log 2: u − u²/4 + Σ B_{2k} u^{2k+1}/(2k+1)!."""
    square, total = u.square(), torch.zeros_like(u)
    for factor in reversed(_bernoulli()):
        total = (total + factor) * square
    return u * (1 - u / 4 + total)


def _dilogarithm(z: Tensor) -> Tensor:
    """Reduce z to [−1, ½] by reflection and inversion, then sum in u = −log(1 − z)."""
    top, bottom = z > 0.5, z < -1
    inside = torch.where(top, 1 - z, torch.where(bottom, 1 / torch.where(bottom, z, -torch.ones_like(z)), z))
    core = _debye(-torch.log1p(-inside.clamp(-1, 0.5)))
    sixth = math.pi**2 / 6
    upper = torch.where(top & (z < 1), z, torch.full_like(z, 0.75))
    reflected = torch.where(z == 1, torch.full_like(z, sixth), sixth - upper.log() * torch.log1p(-upper) - core)
    inverted = -sixth - torch.where(bottom, -z, torch.ones_like(z)).log().square() / 2 - core
    found = torch.where(top, reflected, torch.where(bottom, inverted, core))
    return torch.where(z > 1, torch.full_like(z, torch.nan), found)


def _dilogarithm_slope(z: Tensor) -> Tensor:
    """Return −log(1−z)/z, near 0 by its series."""
    small = z.abs() < 1e-5
    safe = torch.where(small, torch.full_like(z, 0.5), z)
    return torch.where(small, 1 + z * (0.5 + z * (1 / 3 + z / 4)), -torch.log1p(-safe) / safe)


_dilogarithm_apply = _elementwise(_dilogarithm, _dilogarithm_slope)


def dilogarithm(z: Tensor) -> Tensor:
    """Return Li₂(z) = −∫₀ᶻ log(1−t)/t dt, elementwise for z ≤ 1; NaN above.

    Examples
    --------
    >>> dilogarithm(torch.tensor([1.0], dtype=torch.float64))  # π²/6
    tensor([1.6449], dtype=torch.float64)
    """
    return _dilogarithm_apply(z)


_digamma_apply = _elementwise(torch.digamma, lambda x: torch.special.zeta(torch.full_like(x, 2), x))


def digamma(x: Tensor) -> Tensor:
    """Return ψ(x) = Γ′(x)/Γ(x), elementwise for x > 0; ψ′(x) = ζ(2, x), which torch's own series misses by 1e-9.

    Examples
    --------
    >>> digamma(torch.tensor([1.0], dtype=torch.float64))  # −γ
    tensor([-0.5772], dtype=torch.float64)
    """
    return _digamma_apply(x)


_loggamma_apply = _elementwise(torch.lgamma, digamma)


def loggamma(x: Tensor) -> Tensor:
    """Return log Γ(x), elementwise for x > 0.

    Examples
    --------
    >>> loggamma(torch.tensor([3.0], dtype=torch.float64))
    tensor([0.6931], dtype=torch.float64)
    """
    return _loggamma_apply(x)


def gamma(x: Tensor) -> Tensor:
    """Return Γ(x), elementwise: exp(log Γ), for x < ½ by reflection.

    Examples
    --------
    >>> gamma(torch.tensor([5.0, -0.5], dtype=torch.float64))
    tensor([24.0000, -3.5449], dtype=torch.float64)
    """
    low = x < 0.5
    mirrored = torch.where(low, 1 - x, x)
    value = loggamma(mirrored).exp()
    angle = torch.where(low, x, torch.full_like(x, 0.5))
    return torch.where(low, math.pi / (torch.sin(math.pi * angle) * value), value)
