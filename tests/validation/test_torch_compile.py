"""Formulas compiled to torch: every head, its derivative, both precisions, Piecewise, and what is refused."""

from typing import Any

import mpmath
import numpy as np
import pytest
import scipy.special
import sympy as sp
import torch

from etatrick.errors import InputError
from etatrick.theory import penalties
from etatrick.theory.special import Dawson, DawsonIntegral
from etatrick.theory.symbols import w
from etatrick.validation.torch_compile import HEADS, torch_function
from tolerances import FLOAT64

x = sp.Symbol("x", real=True)
y = sp.Symbol("y", real=True)


def _hyper(v: Any) -> Any:
    return np.array([float(mpmath.hyp2f2(1, 1, 1.5, 2, -(float(u) ** 2))) for u in v])


UNARY: dict[Any, tuple[Any, float, float]] = {  # the head, an independent oracle, and the range of the points
    sp.exp: (np.exp, -5, 5),
    sp.log: (np.log, 0.01, 20),
    sp.Abs: (np.abs, -5, 5),
    sp.sin: (np.sin, -5, 5),
    sp.cos: (np.cos, -5, 5),
    sp.tan: (np.tan, -1.4, 1.4),
    sp.atan: (np.arctan, -5, 5),
    sp.sinh: (np.sinh, -3, 3),
    sp.cosh: (np.cosh, -3, 3),
    sp.tanh: (np.tanh, -3, 3),
    sp.asinh: (np.arcsinh, -5, 5),
    sp.erf: (scipy.special.erf, -3, 3),
    sp.erfc: (scipy.special.erfc, -3, 3),
    sp.asin: (np.arcsin, -0.9, 0.9),
    sp.acos: (np.arccos, -0.9, 0.9),
    sp.acosh: (np.arccosh, 1.1, 5),
    sp.atanh: (np.arctanh, -0.9, 0.9),
    sp.coth: (lambda v: np.cosh(v) / np.sinh(v), 0.1, 5),
    sp.sech: (lambda v: 2 / (np.exp(v) + np.exp(-v)), -5, 5),
    sp.csch: (lambda v: 2 / (np.exp(v) - np.exp(-v)), 0.1, 5),
    sp.erfi: (scipy.special.erfi, -3, 3),
    sp.gamma: (scipy.special.gamma, 0.1, 6),
    sp.loggamma: (scipy.special.gammaln, 0.1, 20),
    sp.LambertW: (lambda v: scipy.special.lambertw(v).real, -0.3, 5),
    Dawson: (scipy.special.dawsn, -6, 9),
    DawsonIntegral: (lambda v: v**2 / 2 * _hyper(v), -4, 4),
}
STEPS: dict[Any, Any] = {sp.sign: np.sign, sp.Heaviside: lambda v: np.heaviside(v, 0.5)}
ORDERED: dict[Any, tuple[Any, Any, float, float]] = {  # heads whose first argument is a fixed order
    sp.polylog: (lambda z: sp.polylog(2, z, evaluate=False), lambda v: scipy.special.spence(1 - v), -4, 0.9),
    sp.polygamma: (lambda z: sp.polygamma(0, z), scipy.special.digamma, 0.1, 20),
}
BINARY: dict[Any, Any] = {sp.Max: np.maximum, sp.Min: np.minimum}
PENALTIES: dict[str, dict[str, float]] = {
    "ridge": {"c": 2},
    "l1": {"k": 3},
    "lp": {"p": 0.5},
    "elastic_net": {"mu": 0.5},
    "log_sum": {"epsilon": 2},
    "fair": {},
    "cauchy": {"c": 1},
    "geman_mcclure": {"c": 1},
}


def points(low: float, high: float, count: int = 50) -> Any:
    return np.random.default_rng(7).uniform(low, high, count)


def scaled_error(value: Any, reference: Any) -> float:
    value, reference = np.asarray(value, dtype=np.float64), np.asarray(reference, dtype=np.float64)
    return float(np.max(np.abs(value - reference) / (1 + np.abs(reference))))


def derivative(function: Any, at: Any) -> Any:
    leaf = torch.tensor(at, dtype=torch.float64, requires_grad=True)
    function(leaf).sum().backward()
    assert leaf.grad is not None
    return leaf.grad.numpy()


def exact(expr: Any, at: Any) -> Any:
    return np.array([float(sp.N(expr.subs(x, sp.Float(float(v), 30)), 20)) for v in at])


def test_every_head_has_an_oracle_here() -> None:
    assert set(HEADS) == set(UNARY) | set(BINARY) | set(STEPS) | set(ORDERED)


@pytest.mark.parametrize("head", list(STEPS), ids=str)
def test_a_step_and_its_slope_of_zero(head: Any) -> None:
    at = np.array([-2.0, -0.0, 0.0, 1e-300, 3.0])
    leaf = torch.tensor(at, requires_grad=True)
    value = torch_function(head(x), x)(leaf) + 0 * leaf
    assert value.tolist() == STEPS[head](at).tolist()
    value.sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert not leaf.grad.any()


@pytest.mark.parametrize("head", list(ORDERED), ids=str)
def test_a_head_of_one_order_agrees_with_scipy_and_its_derivative(head: Any) -> None:
    build, oracle, low, high = ORDERED[head]
    at = points(low, high)
    assert scaled_error(torch_function(build(x), x)(torch.tensor(at)), oracle(at)) <= FLOAT64
    at = points(low, high, 8)
    slopes: dict[Any, Any] = {
        sp.polylog: lambda v: -np.log(1 - v) / v,
        sp.polygamma: lambda v: scipy.special.polygamma(1, v),
    }
    slope = slopes[head]
    assert scaled_error(derivative(torch_function(build(x), x), at), slope(at)) <= FLOAT64


def test_a_difference_of_exponentials_keeps_its_digits() -> None:
    tiny = torch.tensor([1e-18, -1e-30], dtype=torch.float64)
    for expr, slope in ((sp.exp(2 * x) - 1, 2.0), (3 - 3 * sp.exp(-x), 3.0), (sp.exp(x) / 2 - sp.Rational(1, 2), 0.5)):
        assert torch.allclose(torch_function(expr, x)(tiny), slope * tiny, rtol=1e-15, atol=0)
    assert scaled_error(torch_function(sp.exp(x) - 1 + x**2, x)(torch.tensor([0.7])), np.expm1(0.7) + 0.49) <= 1e-6


@pytest.mark.parametrize("head", list(UNARY), ids=str)
def test_a_head_agrees_with_numpy_or_scipy(head: Any) -> None:
    oracle, low, high = UNARY[head]
    at = points(low, high)
    assert scaled_error(torch_function(head(x), x)(torch.tensor(at)), oracle(at)) <= FLOAT64


@pytest.mark.parametrize("head", list(UNARY), ids=str)
def test_a_head_in_single_precision_keeps_the_type_and_single_accuracy(head: Any) -> None:
    oracle, low, high = UNARY[head]
    at = points(low, high).astype(np.float32)
    value = torch_function(head(x), x)(torch.tensor(at))
    assert value.dtype == torch.float32
    assert scaled_error(value, oracle(at.astype(np.float64))) <= 8 * np.finfo(np.float32).eps


@pytest.mark.parametrize("head", list(UNARY), ids=str)
def test_autograd_agrees_with_the_symbolic_derivative(head: Any) -> None:
    _, low, high = UNARY[head]
    at = points(low, high, 12)
    slope = sp.sign(x) if head is sp.Abs else sp.diff(head(x), x)
    assert scaled_error(derivative(torch_function(head(x), x), at), exact(slope, at)) <= FLOAT64


@pytest.mark.parametrize("head", [sp.erf, sp.erfc, sp.asinh, sp.tanh], ids=str)
def test_a_special_function_agrees_with_mpmath(head: Any) -> None:
    _, low, high = UNARY[head]
    at = points(low, high, 12)
    oracle = [float(getattr(mpmath, head.__name__)(mpmath.mpf(float(v)))) for v in at]
    assert scaled_error(torch_function(head(x), x)(torch.tensor(at)), oracle) <= FLOAT64


@pytest.mark.parametrize("head", list(BINARY), ids=str)
def test_the_extremes_take_two_and_more_arguments(head: Any) -> None:
    first, second = torch.tensor(points(-2, 2)), torch.tensor(points(-2, 2)[::-1].copy())
    two = torch_function(head(x, y), x, y)(first, second)
    assert torch.equal(two, torch.tensor(BINARY[head](first.numpy(), second.numpy())))
    three = torch_function(head(x, y, sp.Rational(1, 2)), x, y)(first, second)
    assert torch.equal(three, torch.tensor(BINARY[head](two.numpy(), 0.5)))
    leaf = first.clone().requires_grad_(True)
    torch_function(head(x, y), x, y)(leaf, second).sum().backward()  # type: ignore[no-untyped-call]
    assert leaf.grad is not None
    assert torch.equal(leaf.grad, (two == first).double())


@pytest.mark.parametrize(
    "expr",
    [
        3 - 2 * x / 7,
        x**3 - x**2,
        (1 + x) ** sp.Rational(-3, 2),
        sp.sqrt(x) / (2 + sp.sqrt(x)),
        1 / x,
        2**x,
        x**x,
        sp.pi * x + sp.E,
        sp.log(1 + x / 3),
        sp.log(3 + x) * sp.exp(-(x**2) / 2),
        sp.Integer(5),
        x * (x + 2) / (x * (x + 2) + sp.Rational(1, 1000)),
    ],
    ids=str,
)
def test_sums_products_and_powers_and_their_derivatives(expr: Any) -> None:
    at = points(0.05, 4, 12)
    function = torch_function(expr, x)
    value = function(torch.tensor(at))
    assert value.dtype == torch.float64
    assert scaled_error(value, exact(expr, at)) <= FLOAT64
    if expr.free_symbols:
        assert scaled_error(derivative(function, at), exact(sp.diff(expr, x), at)) <= FLOAT64


def test_log_of_one_plus_something_tiny_keeps_its_digits() -> None:
    tiny = torch.tensor([1e-18, 1e-30], dtype=torch.float64)
    value = torch_function(sp.log(1 + x / 2), x)(tiny)
    assert torch.allclose(value, tiny / 2, rtol=1e-15, atol=0)


@pytest.mark.parametrize("name", list(PENALTIES))
def test_the_catalogue_compiles_to_the_same_numbers_as_its_own_evaluation(name: str) -> None:
    duality = penalties[name](**PENALTIES[name]).duality
    at = points(0.01, 5)
    leaf = torch.tensor(at, requires_grad=True)
    value = torch_function(duality.penalty, w)(leaf)
    assert scaled_error(value.detach(), duality.penalty_at(at)) <= FLOAT64
    value.sum().backward()  # type: ignore[no-untyped-call]
    eta_hat = torch_function(duality.eta_hat, w)(torch.tensor(at))
    assert leaf.grad is not None
    assert scaled_error(leaf.grad, torch.tensor(at) / eta_hat) <= FLOAT64  # Ω′ = w/η̂


PIECES = sp.Piecewise((x**2, x < 0), (sp.sin(x), x <= 1), (3 - x, x < 2), (sp.log(x), True))


def test_piecewise_selects_the_first_piece_whose_condition_holds() -> None:
    at = np.array([-1.0, -1e-9, 0.0, 0.5, 1.0, 1.5, 2.0, 3.0])
    value = torch_function(PIECES, x)(torch.tensor(at))
    assert scaled_error(value, exact(PIECES, at)) <= FLOAT64


def test_piecewise_differentiates_within_its_pieces() -> None:
    at = np.array([-1.0, 0.5, 1.5, 3.0])
    slopes = [-2.0, np.cos(0.5), -1.0, 1 / 3]
    assert scaled_error(derivative(torch_function(PIECES, x), at), slopes) <= FLOAT64


def test_piecewise_without_a_piece_for_the_point_is_nan() -> None:
    value = torch_function(sp.Piecewise((x, x > 0)), x)(torch.tensor([-1.0, 1.0]))
    assert value.isnan().tolist() == [True, False]


@pytest.mark.parametrize("relation", [sp.Lt, sp.Le, sp.Gt, sp.Ge])
def test_each_relation_decides_the_boundary_as_sympy_does(relation: Any) -> None:
    expr = sp.Piecewise((sp.Integer(1), relation(x, 1)), (sp.Integer(0), True))
    value = torch_function(expr, x)(torch.tensor([0.5, 1.0, 1.5]))
    assert value.tolist() == [float(relation(sp.Rational(v), 1) == sp.true) for v in ("1/2", "1", "3/2")]


def test_a_piece_with_a_singular_slope_elsewhere_does_not_spoil_the_derivative() -> None:
    expr = sp.Piecewise((x**2, x <= 1), (sp.sqrt(x), True))  # √ has slope ∞ at 0, where it is not selected
    assert derivative(torch_function(expr, x), np.array([0.0, 4.0])).tolist() == [0.0, 0.25]


def test_a_free_symbol_is_refused() -> None:
    with pytest.raises(InputError, match="y"):
        torch_function(x + y, x)


@pytest.mark.parametrize(
    "expr",
    [
        sp.besselj(0, x),
        sp.LambertW(x, -1),
        sp.Function("g")(x),
        1 + sp.exp(-sp.polylog(3, x)),
        sp.polygamma(2, x),
        sp.Piecewise((sp.zeta(x), x > 1), (x, True)),
    ],
    ids=str,
)
def test_a_function_without_a_counterpart_is_refused_when_it_is_compiled(expr: Any) -> None:
    with pytest.raises(InputError, match="torch counterpart"):
        torch_function(expr, x)


@pytest.mark.parametrize(
    "expr",
    [
        sp.Piecewise((sp.Integer(1), sp.And(x > 0, x < 1)), (x, True)),
        sp.Piecewise((sp.Integer(1), sp.Eq(x, 1)), (x, True)),
        sp.Integral(sp.exp(-(y**2)) * x, (y, 0, x)),
    ],
    ids=["and", "equal", "integral"],
)
def test_a_form_without_a_counterpart_is_refused_when_it_is_compiled(expr: Any) -> None:
    with pytest.raises(InputError):
        torch_function(expr, x)


def test_a_function_of_numbers_alone_is_a_number() -> None:
    value = torch_function(sp.gamma(sp.Rational(1, 3)) * x, x)(torch.tensor([1.0], dtype=torch.float64))
    assert scaled_error(value, [scipy.special.gamma(1 / 3)]) <= FLOAT64


def test_the_shape_of_the_arguments_is_kept() -> None:
    grid = torch.rand(2, 3, 4, generator=torch.Generator().manual_seed(0))
    assert torch_function(sp.Integer(2), x)(grid).shape == grid.shape
    assert torch_function(PIECES, x)(grid).shape == grid.shape
