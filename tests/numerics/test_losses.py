"""Laws of every loss: slopes, curvatures, conjugates, bounds, fits of a constant, and the cvxpy form."""

import math
from typing import Any

import cvxpy as cp
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.optimize import minimize_scalar

from etatrick.errors import InputError
from etatrick.numerics.losses import Gamma, Huber, Logistic, Loss, Multinomial, Poisson, Squared, loss_named
from etatrick.numerics.losses.names import NAMES
from tolerances import FLOAT64, SOLVER

SCALAR: list[tuple[Loss, tuple[float, float]]] = [
    (Squared(), (-5, 5)), (Huber(0.7), (-5, 5)), (Logistic(), (0, 1)), (Poisson(), (0, 20)), (Gamma(), (0.01, 20)),
]  # fmt: skip
IDS = [type(loss).__name__ for loss, _ in SCALAR]


def theta_at(share: float) -> float:
    return 8 * share - 4


@pytest.mark.parametrize(("loss", "span"), SCALAR, ids=IDS)
@given(at=st.floats(0, 1), position=st.floats(0, 1))
def test_slope_and_curvature_are_derivatives(loss: Loss, span: tuple[float, float], at: float, position: float) -> None:
    y, theta, h = span[0] + at * (span[1] - span[0]), theta_at(position), 1e-5
    values = [float(loss.value(y, theta + s * h)) for s in (-1, 1)]
    slopes = [float(loss.slope(y, theta + s * h)) for s in (-1, 1)]
    if isinstance(loss, Huber) and abs(abs(y - theta) - loss.delta) < 2 * h:
        return
    scale = 1 + abs(values[0]) + abs(slopes[0]) + math.exp(abs(theta))
    assert abs((values[1] - values[0]) / (2 * h) - float(loss.slope(y, theta))) <= 1e-8 * scale * 10
    assert abs((slopes[1] - slopes[0]) / (2 * h) - float(loss.curvature(y, theta))) <= 1e-8 * scale * 10
    assert 0 <= float(loss.curvature(y, theta)) <= loss.curvature_bound


@pytest.mark.parametrize(("loss", "span"), SCALAR, ids=IDS)
@given(at=st.floats(0, 1), position=st.floats(0, 1), other=st.floats(0, 1))
def test_fenchel_young(loss: Loss, span: tuple[float, float], at: float, position: float, other: float) -> None:
    y, theta = span[0] + at * (span[1] - span[0]), theta_at(position)
    u = float(loss.slope(y, theta))
    value, conjugate = float(loss.value(y, theta)), float(loss.conjugate(y, u))
    assert abs(value + conjugate - u * theta) <= FLOAT64 * (1 + abs(value) + abs(u * theta))
    anywhere = float(loss.feasible(y, 6 * other - 3))
    gap = value + float(loss.conjugate(y, anywhere)) - anywhere * theta
    assert gap >= -FLOAT64 * (1 + abs(value))
    assert math.isfinite(gap)


@pytest.mark.parametrize(("loss", "span"), SCALAR[1:], ids=IDS[1:])
def test_a_conjugate_is_infinite_outside_its_domain_and_feasible_moves_inside(loss: Loss, span: Any) -> None:
    y, far = 0.5, np.array([-50.0, 50.0])
    infinite = np.isinf(loss.conjugate(y, far))
    assert infinite.any()
    moved = loss.feasible(y, far)
    assert np.isfinite(loss.conjugate(y, moved)).all()
    assert (moved[~infinite] == far[~infinite]).all()


@pytest.mark.parametrize(("loss", "span"), SCALAR, ids=IDS)
def test_the_constant_predictor_is_the_best_constant(loss: Loss, span: tuple[float, float]) -> None:
    rng = np.random.default_rng(5)
    y = rng.uniform(*span, 31)
    if isinstance(loss, Logistic):
        y = (y > 0.4).astype(float)
    best = minimize_scalar(lambda t: float(loss.value(y, np.full(31, t)).sum()), bounds=(-9, 9), method="bounded",
                           options={"xatol": 1e-10}).x  # fmt: skip
    slack = 0.5 if isinstance(loss, Huber) else 1e-6  # the median is a start, not the optimum
    assert abs(float(loss.predictor(y)) - best) <= slack


@pytest.mark.parametrize(("loss", "span"), SCALAR, ids=IDS)
def test_cvxpy_agrees(loss: Loss, span: tuple[float, float]) -> None:
    rng = np.random.default_rng(6)
    y, theta = rng.uniform(*span, 7), rng.normal(size=7)
    expression = loss.cvxpy_terms(y, cp.Constant(theta))
    assert expression.is_convex()
    assert np.allclose(expression.value, loss.value(y, theta), rtol=0, atol=1e-9)


def labels(rng: np.random.Generator) -> NDArray[np.float64]:
    return Multinomial().targets(rng.integers(0, 4, 12))


def test_multinomial_slope_conjugate_and_cvxpy() -> None:
    loss, rng = Multinomial(), np.random.default_rng(7)
    y, theta, h = labels(rng), rng.normal(size=(12, 4)), 1e-6
    for c in range(4):
        step = h * np.eye(4)[c]
        numeric = (loss.value(y, theta + step) - loss.value(y, theta - step)) / (2 * h)
        assert np.allclose(numeric, loss.slope(y, theta)[:, c], atol=1e-8)
    u = loss.slope(y, theta)
    assert np.allclose(loss.value(y, theta) + loss.conjugate(y, u), (u * theta).sum(axis=1), atol=1e-12)
    moved = loss.feasible(y, u + rng.normal(size=u.shape))
    assert np.isfinite(loss.conjugate(y, moved)).all()
    assert (loss.value(y, theta) + loss.conjugate(y, moved) >= (moved * theta).sum(axis=1) - 1e-12).all()
    assert np.isinf(loss.conjugate(y, u + 1)).all()
    assert np.allclose(loss.cvxpy_terms(y, cp.Constant(theta)).value, loss.value(y, theta), atol=1e-9)


def test_multinomial_projection_is_the_nearest_point() -> None:
    loss, rng = Multinomial(), np.random.default_rng(8)
    y = labels(rng)
    u = rng.normal(size=y.shape)
    p = cp.Variable(y.shape)
    nearest = cp.Problem(cp.Minimize(cp.sum_squares(p - y - u)), [p >= 0, cp.sum(p, axis=1) == 1])
    nearest.solve(solver=cp.CLARABEL)
    distance = float(((loss.feasible(y, u) - u) ** 2).sum())
    assert abs(distance - nearest.value) <= SOLVER * (1 + distance)


def test_multinomial_with_two_classes_is_logistic() -> None:
    rng = np.random.default_rng(9)
    y, theta = (rng.random(20) > 0.5).astype(float), rng.normal(size=20)
    both = Multinomial().value(np.stack([1 - y, y], axis=1), np.stack([np.zeros(20), theta], axis=1))
    assert np.allclose(both, Logistic().value(y, theta), atol=1e-12)


def test_labels_are_read() -> None:
    assert Logistic().targets([-1, 1, 1]).tolist() == [0, 1, 1]
    assert Logistic().targets([3, 7]).tolist() == [0, 1]
    assert Logistic().targets([0.25, 1]).tolist() == [0.25, 1]


@pytest.mark.parametrize(("loss", "y", "word"), [
    (Poisson(), [1.0, -1.0], "minimum -1"), (Gamma(), [0.0, 1.0], "> 0"), (Logistic(), [1, 2, 3], "two labels"),
    (Squared(), [1.0, math.nan], "NaN"), (Multinomial(), [[0.5, 0.6]], "sum to 1"),
    (Multinomial(), [2, 2], "two classes"), (Squared(), ["a"], "real numbers"),
])  # fmt: skip
def test_targets_outside_the_range_are_refused(loss: Loss, y: Any, word: str) -> None:
    with pytest.raises(InputError, match=word):
        loss.targets(y)


def test_names() -> None:
    assert all(type(loss_named(name)) is kind for name, kind in NAMES.items())
    with pytest.raises(InputError, match="must be one of"):
        loss_named("hinge")
    with pytest.raises(InputError, match="δ"):
        Huber(0.0)


def test_large_predictors_do_not_overflow() -> None:
    assert Logistic().value(1.0, 1e4) == 0
    assert Logistic().value(0.0, 1e4) == 1e4
    assert np.isfinite(Multinomial().value([[1.0, 0.0]], [[-1e4, 1e4]])).all()
