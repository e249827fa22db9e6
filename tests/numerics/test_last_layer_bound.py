"""The lower bound of a dropped last layer against a semidefinite program, and its conditions one by one."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import brentq

from etatrick.errors import InputError
from etatrick.numerics.last_layer import attainable, last_layer_bound, last_layer_conditions
from tolerances import FLOAT64, SOLVER, close

Array = NDArray[np.float64]


def draw(seed: int, a: int = 4, n: int = 10) -> Array:
    return np.random.default_rng([53, seed]).standard_normal((a, n))


def by_budget(m: Array, r: int, beta: float) -> tuple[float, Array]:
    """Return the minimum over A through the scales: η = clip(β(m/τ − 1), 0, 1) with Ση = r, by a root in τ."""

    def scales(tau: float) -> Array:
        return np.clip(beta * (m / tau - 1), 0.0, 1.0)

    if (m > 0).sum() <= r:
        eta = np.where(m > 0, 1.0, 0.0)
    else:
        eta = scales(float(brentq(lambda t: scales(t).sum() - r, 1e-12 * m[0], m[0], xtol=1e-15)))
    return float((m**2 * beta / (eta + beta)).sum()), m * eta / (eta + beta)


@pytest.mark.parametrize(("r", "blocks"), [(1, 4), (1, 6), (2, 5), (3, 4), (4, 2), (7, 1)])
@pytest.mark.parametrize("retain", [0.9, 0.5, 0.2])
def test_value_and_singular_values_by_a_root_search(r: int, blocks: int, retain: float) -> None:
    Y = draw(r)
    m = np.asarray(np.linalg.svd(Y, compute_uv=False), dtype=np.float64)
    bound = last_layer_bound(Y, r, retain, r * blocks)
    value, expected = by_budget(m, r, (1 - retain) / retain / blocks)
    assert close(bound.value, value)
    np.testing.assert_allclose(bound.singular_values, expected, atol=FLOAT64)
    np.testing.assert_allclose(bound.targets, m, atol=FLOAT64)


@pytest.mark.parametrize(("r", "blocks"), [(1, 6), (2, 4)])
def test_value_by_a_semidefinite_program(r: int, blocks: int) -> None:
    import cvxpy as cp

    Y, beta = draw(7, 3, 4), 0.8 / blocks
    A, joint = cp.Variable((3, 4)), cp.Variable((7, 7), PSD=True)
    scale = joint[:3, :3]
    limits = [joint[:3, 3:] == A, cp.trace(scale) <= r, np.eye(3) - scale >> 0]
    model = cp.Problem(cp.Minimize(cp.sum_squares(Y - A) + beta * cp.trace(joint[3:, 3:])), limits)
    model.solve(solver=cp.CLARABEL)
    assert close(last_layer_bound(Y, r, 1 / 1.8, r * blocks).value, float(model.value), SOLVER)


@pytest.mark.parametrize(("r", "width"), [(1, 6), (2, 6), (3, 7)])
def test_no_factors_fall_below(r: int, width: int) -> None:
    """Direct descent over U and G from random starts, whose penalty is summed block by block."""
    from scipy.optimize import minimize

    Y, odds, rng = draw(9, 3, 5), 1.0, np.random.default_rng(4)

    def value(flat: Array) -> tuple[float, Array]:
        U, G = flat[: 3 * width].reshape(3, width), flat[3 * width :].reshape(5, width)
        residual, total = U @ G.T - Y, 0.0
        slope_u, slope_g = 2 * residual @ G, 2 * residual.T @ U
        for s in range(0, width, r):
            part = U[:, s : s + r] @ G[:, s : s + r].T
            total += odds * float((part**2).sum())
            slope_u[:, s : s + r] += 2 * odds * part @ G[:, s : s + r]
            slope_g[:, s : s + r] += 2 * odds * part.T @ U[:, s : s + r]
        return float((residual**2).sum()) + total, np.concatenate([slope_u.ravel(), slope_g.ravel()])

    bound = last_layer_bound(Y, r, 0.5, width)
    best = min(
        float(minimize(value, rng.standard_normal(8 * width), jac=True, method="L-BFGS-B",
                       options={"maxiter": 5000, "ftol": 1e-15, "gtol": 1e-10}).fun)
        for _ in range(4)
    )  # fmt: skip
    assert best >= bound.value * (1 - FLOAT64)
    assert bound.width_condition.holds == (best <= bound.value * (1 + SOLVER))


def conditions(**changes: Any) -> Any:
    Y, X = draw(1), np.random.default_rng(2).standard_normal((6, 10))
    width = changes.pop("width", 8)
    bound = last_layer_bound(Y, changes.pop("block_size", 2), 0.5, width)
    return last_layer_conditions(changes.pop("X", X), bound, **({"hidden": 48} | changes))


def test_all_conditions_of_the_recipe_hold() -> None:
    found = conditions()
    assert [v.status for v in found.values()] == ["proved"] * 5
    assert attainable(found).status == "proved"


@pytest.mark.parametrize(
    ("name", "changes", "status"),
    [("distinct_inputs", {"X": np.array([[0.0, 1, 2, 3, 4, 5, 6, 7, 8, 3]])}, "refuted"),
     ("capacity", {"hidden": 9}, "unknown"),
     ("signed_features", {"feature_range": (0.0, np.inf)}, "refuted"),
     ("no_free_bias", {"free_biases": 4}, "refuted"),
     ("width", {"width": 3, "block_size": 1}, "refuted")],
)  # fmt: skip
def test_each_condition_can_fail_alone(name: str, changes: dict[str, Any], status: str) -> None:
    found = conditions(**changes)
    expected = dict.fromkeys(found, "proved") | {name: status}
    if name == "width":  # three columns cannot carry what four could: the bound is that of rank 3, and attained
        expected[name] = "proved"
    assert {key: verdict.status for key, verdict in found.items()} == expected
    assert attainable(found).holds == (name == "width")


def test_witness_of_equal_inputs() -> None:
    found = conditions(X=np.array([[0.0, 1, 2, 3, 4, 5, 6, 7, 8, 3]]))["distinct_inputs"]
    assert dict(found.witness) == {"first": 3, "second": 9}


def test_too_narrow_for_blocks() -> None:
    """Two blocks of two, four directions: attained iff σ1 + σ4 = σ2 + σ3 (reference, section 2.4)."""
    odd, even = (last_layer_bound(np.diag(m), 2, 0.5, 4) for m in ([5.0, 4.6, 4.4, 4.3], [5.0, 4.7, 4.3, 4.0]))
    assert odd.width_condition.status == "refuted"
    assert even.width_condition.status == "proved"


@pytest.mark.parametrize(
    "bad",
    [{"Y": np.zeros((0, 3))}, {"Y": [[np.nan]]}, {"block_size": 0}, {"retain": 0.0}, {"retain": 1.5}, {"width": 0}],
    ids=str,
)
def test_bad_input(bad: dict[str, Any]) -> None:
    good: dict[str, Any] = {"Y": np.eye(2), "block_size": 1, "retain": 0.5, "width": 2}
    with pytest.raises(InputError):
        last_layer_bound(**(good | bad))


@pytest.mark.parametrize(
    "bad", [{"X": [1.0]}, {"hidden": 0}, {"feature_range": (1.0, 1.0)}, {"free_biases": -1}], ids=str
)
def test_bad_conditions(bad: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        conditions(**bad)
