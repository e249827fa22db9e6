"""Special functions on tensors against mpmath, and every entry of both catalogues compiled to torch."""

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import mpmath as mp
import numpy as np
import pytest
import torch

from etatrick.errors import InputError
from etatrick.theory import Parameter, derive, penalties, strategies
from etatrick.theory.duality import Duality
from etatrick.validation import torch_heads
from etatrick.validation.torch_dualities import (
    torch_eta_hat,
    torch_odds,
    torch_penalty,
    torch_retain,
    torch_slope,
)
from etatrick.validation.torch_tables import HIGH, LOW, tabulate
from tolerances import CERTIFICATE, EXACT, FLOAT64

HEAD = 1e-13  # relative, where the function is well conditioned
SMOOTHNESS = 1e-9  # relative: the numbers of the beta-Bernoulli law jump by 2.5e-10 where it changes formula
VECTORS = {"magnitude_pruning", "targeted_dropout"}  # penalties of a whole vector: no rule for one weight at a time
FAMILIES = {family.name: family for family in (*penalties.values(), *strategies.values())}
SCALARS = [name for name in FAMILIES if name not in VECTORS]

Real = Any  # an mpmath number


def dawson(x: Real) -> Real:
    return mp.sqrt(mp.pi) / 2 * mp.exp(-x * x) * mp.erfi(x)


def dawson_integral(x: Real) -> Real:
    return x * x / 2 * mp.hyp2f2(1, 1, mp.mpf(3) / 2, 2, -x * x)


def draws(low: float, high: float, *more: float) -> list[float]:
    return [*np.random.default_rng(5).uniform(low, high, 40).tolist(), *more]


# the head, its oracle, the oracle's slope (written by hand), and the points
HEADS: dict[str, tuple[Callable[[Real], Real], Callable[[Real], Real], list[float]]] = {
    "dawson": (dawson, lambda x: 1 - 2 * x * dawson(x), draws(-0.9, 0.9, 1e-8, 3.0, 9.9, 10.0, 10.1, 30.0, 1e3, -1e3)),
    "dawson_integral": (dawson_integral, dawson, draws(-8, 8, 1e-6, 1e-2, 9.99, 10.01, 15.0, 20.0)),
    "erfi": (mp.erfi, lambda x: 2 / mp.sqrt(mp.pi) * mp.exp(x * x), draws(-5, 5, 1e-8, 7.5, 20.0)),
    "lambertw": (
        lambda x: mp.lambertw(x).real,
        lambda x: 1 / (x + mp.exp(mp.lambertw(x).real)),
        draws(-0.35, 5, 0.0, 1e-8, -1e-8, 1e-300, 0.24, 0.26, -0.24, -0.26, 1e2, 1e10, 1e300),
    ),
    "dilogarithm": (
        lambda z: mp.polylog(2, z).real,
        lambda z: -mp.log(1 - z) / z,
        draws(-5, 0.999, 1e-8, -1e-8, -100.0, 0.5, 0.5000001, -1.0, -1.0001, 0.9999999),
    ),
    "gamma": (mp.gamma, lambda x: mp.gamma(x) * mp.digamma(x), draws(1.7, 20, -0.3, -1.2, -2.7, 0.01, 1.2)),
    "loggamma": (mp.loggamma, mp.digamma, draws(2.2, 20, 0.01, 0.3, 1.7)),
    "digamma": (mp.digamma, lambda x: mp.psi(1, x), draws(2, 20, 0.01, 0.3, 1.2)),
}


def relative(found: Any, oracle: Callable[[Real], Real], points: list[float]) -> float:
    with mp.workdps(50):
        wanted = np.array([float(oracle(mp.mpf(point))) for point in points])
    return float(np.max(np.abs(np.asarray(found) - wanted) / np.where(wanted == 0, 1, np.abs(wanted))))


@pytest.mark.parametrize("name", HEADS)
def test_a_special_function_and_its_slope_agree_with_mpmath(name: str) -> None:
    function, (oracle, slope, points) = getattr(torch_heads, name), HEADS[name]
    leaf = torch.tensor(points, dtype=torch.float64, requires_grad=True)
    value = function(leaf)
    assert relative(value.detach(), oracle, points) <= HEAD
    value.sum().backward()
    assert leaf.grad is not None
    # 1 − 2xD cancels near x = 0.924, where it is 0, and up to 7, where its series begins: 2·7·D(7) digits are lost
    assert relative(leaf.grad, slope, points) <= (1e-12 if name == "dawson" else HEAD)


@pytest.mark.parametrize("name", HEADS)
def test_a_special_function_in_single_precision(name: str) -> None:
    function, (oracle, _, points) = getattr(torch_heads, name), HEADS[name]
    points = [float(np.float32(p)) for p in points if 1e-6 < abs(p) < 6]
    value = function(torch.tensor(points, dtype=torch.float32))
    assert value.dtype == torch.float32
    assert relative(value.double(), oracle, points) <= 1e-5


@pytest.mark.parametrize("name", ["dawson", "dawson_integral", "erfi", "lambertw", "dilogarithm", "loggamma"])
def test_second_derivatives_agree_with_differences(name: str) -> None:
    at = torch.tensor([0.21, 0.4, 0.6], dtype=torch.float64, requires_grad=True)
    assert torch.autograd.gradgradcheck(getattr(torch_heads, name), at)


def test_values_outside_the_real_domain_are_nan() -> None:
    assert torch_heads.lambertw(torch.tensor([-0.5])).isnan().all()
    assert torch_heads.dilogarithm(torch.tensor([1.5])).isnan().all()


def test_special_functions_work_inside_vmap() -> None:
    grid = torch.rand(3, 4, dtype=torch.float64, generator=torch.Generator().manual_seed(1))
    for name in ("dawson", "dilogarithm", "lambertw"):
        function = getattr(torch_heads, name)
        assert torch.equal(torch.func.vmap(function)(grid), function(grid))


# --- both catalogues ----------------------------------------------------------------------------------------------


def value_of(parameter: Parameter) -> float:
    """Return the default, or a number inside the domain."""
    if parameter.default is not None:
        return float(parameter.default)
    if parameter.closed == "[":  # a number of weights
        return parameter.lower + 1
    if math.isfinite(parameter.upper):
        return float(parameter.lower + 0.4 * (parameter.upper - parameter.lower))
    return float(parameter.lower) + 1.3 if math.isfinite(parameter.lower) else 0.3


@cache
def duality_of(name: str) -> Any:
    family = FAMILIES[name]
    return family(**{p.name: value_of(p) for p in family.parameters}).duality


def sizes() -> Any:
    return np.r_[np.random.default_rng(11).uniform(0.01, 5, 14), np.geomspace(1e-7, 1e-2, 4), 12.0, 40.0]


@cache
def rule_of(name: str) -> Any:
    """Return η̂ at the sizes, by the library's own numbers."""
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        return duality_of(name).eta_hat_at(sizes())


@pytest.mark.parametrize("name", SCALARS)
def test_every_scalar_entry_has_its_rule_in_torch(name: str) -> None:
    duality, x = duality_of(name), sizes()
    wanted = rule_of(name)
    found = torch_eta_hat(duality)(torch.tensor(-x)).numpy()  # the rule is even
    usable = wanted < 1e34  # tables count what is beyond 5e34 as ∞
    bound = SMOOTHNESS if name == "beta_bernoulli" else FLOAT64
    assert np.abs(found[usable] / wanted[usable] - 1).max(initial=0.0) <= bound
    assert (found[~usable] >= 1e34 * (1 - FLOAT64)).all()
    start = float(torch_eta_hat(duality)(torch.zeros(1, dtype=torch.float64))[0])
    assert start == float(duality.eta_hat_at(0.0))


@pytest.mark.parametrize("name", SCALARS)
def test_every_scalar_entry_has_its_penalty_and_slope_in_torch(name: str) -> None:
    duality, x = duality_of(name), sizes()
    leaf = torch.tensor(-x, requires_grad=True)
    value = torch_penalty(duality)(leaf)
    with np.errstate(over="ignore", divide="ignore", invalid="ignore"):
        penalty, slope = duality.penalty_at(x), x / rule_of(name)
    assert np.abs((value.detach().numpy() - penalty) / (1 + np.abs(penalty))).max() <= FLOAT64
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    bound = SMOOTHNESS if name == "beta_bernoulli" else FLOAT64
    assert np.abs((leaf.grad.numpy() + slope) / (1 + slope)).max() <= bound
    assert torch.equal(leaf.grad, -torch_slope(duality)(leaf.detach()))


@pytest.mark.parametrize("name", SCALARS)
def test_odds_and_retain_probabilities_follow_from_the_rule(name: str) -> None:
    duality, x, lam = duality_of(name), sizes(), 0.3
    odds, retain = (f(duality, lam)(torch.tensor(x)).numpy() for f in (torch_odds, torch_retain))
    assert not np.isnan(odds).any()
    assert np.abs(retain - 1 / (1 + odds)).max() <= FLOAT64
    with np.errstate(over="ignore", divide="ignore"):
        assert np.abs(retain - 1 / (1 + lam / rule_of(name))).max() <= FLOAT64


@pytest.mark.parametrize("name", sorted(VECTORS))
def test_a_penalty_of_a_whole_vector_is_refused(name: str) -> None:
    for compiled in (torch_eta_hat, torch_penalty, torch_slope):
        with pytest.raises(InputError, match="whole vector"):
            compiled(duality_of(name))


def test_a_duality_with_free_parameters_or_a_bad_lambda_is_refused() -> None:
    with pytest.raises(InputError, match=r"epsilon.*\.at\(epsilon"):
        torch_eta_hat(penalties["log_sum"].duality)
    for lam in (0.0, -1.0, float("nan"), float("inf")):
        with pytest.raises(InputError, match="lam"):
            torch_odds(penalties["l1"](k=1).duality, lam)


def test_the_wrong_rule_would_be_noticed() -> None:
    """The negative control of the comparisons above: a rule off by one part in 10⁹ exceeds their bound."""
    wrong = torch_eta_hat(duality_of("variational_dropout"))(torch.tensor(sizes())).numpy() * (1 + 1e-9)
    assert np.abs(wrong / rule_of("variational_dropout") - 1).max() > FLOAT64


# --- tables -------------------------------------------------------------------------------------------------------


def test_a_table_of_a_known_rule_is_exact_and_differentiable() -> None:
    table = tabulate(lambda w: w * (w + 2), "the rule")
    assert table.error <= CERTIFICATE
    x = np.exp(np.random.default_rng(3).uniform(np.log(LOW), np.log(HIGH), 500))
    leaf = torch.tensor(x, requires_grad=True)
    value = table(leaf)
    assert np.abs(value.detach().numpy() / (x * (x + 2)) - 1).max() <= 10 * CERTIFICATE
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert np.abs(leaf.grad.numpy() / (2 * x + 2) - 1).max() <= FLOAT64


def test_a_table_goes_on_as_a_power_beyond_its_ends() -> None:
    table = tabulate(lambda w: 3 * w**1.5, "the rule")
    x = torch.tensor([1e-12, 1e11], dtype=torch.float64)
    assert float((table(x) / (3 * x**1.5) - 1).abs().max()) <= FLOAT64


def test_a_table_finds_jumps_that_nobody_told_it() -> None:
    table = tabulate(lambda w: np.where(w < 0.7, w, 3 * w), "the rule")
    x = np.r_[np.random.default_rng(4).uniform(0.1, 2, 300), 0.7 - 1e-12, 0.7 + 1e-12]
    assert np.abs(table(torch.tensor(x)).numpy() / np.where(x < 0.7, x, 3 * x) - 1).max() <= FLOAT64


def test_a_table_knows_where_the_rule_becomes_infinite() -> None:
    table = tabulate(lambda w: np.where(w < 2, w, np.inf), "the rule")
    found = table(torch.tensor([1.999999, 2.000001], dtype=torch.float64))
    assert found.isinf().tolist() == [False, True]


def test_a_tabulated_rule_does_not_decrease_beyond_its_error() -> None:
    for name in ("variational_dropout", "concrete_dropout", "kingma_cubic", "molchanov_fit"):
        x = torch.tensor(np.geomspace(1e-9, 30, 20_000))
        found = torch_eta_hat(duality_of(name))(x)
        assert bool((found[1:] >= found[:-1] * (1 - FLOAT64)).all())


def test_a_rule_that_is_not_positive_is_refused() -> None:
    with pytest.raises(InputError, match="not positive"):
        tabulate(lambda w: w - 1, "the rule")


def test_one_compilation_serves_equal_dualities() -> None:
    assert torch_eta_hat(penalties["l1"](k=1).duality) is torch_eta_hat(penalties["l1"](k=1).duality)


def test_a_users_duality_without_a_closed_rule_compiles_too() -> None:
    duality = derive(dual="eta + log(1 + eta)*atan(eta)")
    assert isinstance(duality, Duality)
    x = np.linspace(0.1, 3, 9)
    assert np.abs(torch_eta_hat(duality)(torch.tensor(x)).numpy() / duality.eta_hat_at(x) - 1).max() <= FLOAT64


def test_the_shape_and_the_type_of_weights_are_kept() -> None:
    weight = torch.randn(2, 3, generator=torch.Generator().manual_seed(0))
    for name in ("log_sum", "variational_dropout"):
        found = torch_eta_hat(duality_of(name))(weight)
        assert found.shape == weight.shape
        assert found.dtype == torch.float32
    assert float(torch_slope(duality_of("l1"))(torch.zeros(1))[0]) == EXACT
