"""Several outputs: bad input is named, classes that planes separate are told, `largest_outputs_lam` is sharp."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.losses import Logistic, Multinomial
from etatrick.numerics.outputs import (
    Rows,
    fit_outputs,
    fit_outputs_path,
    has_several_outputs,
    largest_outputs_lam,
)
from etatrick.numerics.solution import Status
from etatrick.theory import penalties

Array = NDArray[np.float64]
L1, RIDGE = penalties["l1"](k=1), penalties["ridge"](c=1)
X = np.random.default_rng(0).standard_normal((12, 3))
Y = np.random.default_rng(1).standard_normal((12, 2))
LABELS = np.arange(12) % 3
HOLED = np.where(np.arange(24).reshape(12, 2) == 5, np.nan, Y)


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"Y": HOLED}, "Y with NaN"),
        ({"Y": Y[:, 0]}, "Y of shape"),
        ({"Y": Y[:5]}, "Y of shape"),
        ({"Y": Y[:, :0]}, "Y of shape"),
        ({"Y": [["a", "b"]] * 12}, "Y"),
        ({"X": np.full((12, 3), np.inf)}, "X with"),
        ({"X": np.zeros((12, 0))}, "X of shape"),
        ({"lam": -1.0}, "lam"),
        ({"lam": np.nan}, "lam"),
        ({"tol": 0.0}, "tol"),
        ({"loss": "poisson"}, "loss"),
        ({"loss": "nonsense"}, "loss"),
        ({"penalty": Rows(3)}, "3"),
        ({"penalty": "l1"}, "l1"),
        ({"penalty": Rows(penalties["log"])}, "w"),
        ({"sample_weight": -np.ones(12)}, "sample_weight"),
        ({"sample_weight": np.zeros(12)}, "sample_weight"),
        ({"sample_weight": np.ones(3)}, "sample_weight"),
        ({"offset": np.ones(12)}, "offset"),
        ({"offset": np.full((12, 2), np.nan)}, "offset"),
        ({"start": np.ones((2, 3))}, "start"),
        ({"start": "here"}, "start"),
        ({"Y": np.zeros(12), "loss": "multinomial"}, "single label"),
        ({"Y": np.where(LABELS == 0, np.nan, LABELS), "loss": "multinomial"}, "Y with NaN"),
        ({"Y": LABELS[:4], "loss": "multinomial"}, "Y of shape"),
        ({"Y": LABELS * 1j, "loss": "multinomial"}, "Y of type"),
        ({"Y": Y, "loss": "multinomial"}, "sum to 1"),
        ({"Y": np.tile([1.0, 0.0], (12, 1)), "loss": "multinomial"}, "one class only"),
        ({"Y": LABELS, "loss": "multinomial", "sample_weight": (LABELS == 1) * 1.0}, "one class only"),
        ({"Y": LABELS, "loss": "multinomial", "sample_weight": (LABELS > 0) * 1.0, "fit_intercept": True}, "without"),
    ],
    ids=str,
)
def test_bad_input_is_named(changes: dict[str, Any], words: str) -> None:
    arguments: dict[str, Any] = {"X": X, "Y": Y, "penalty": L1, "lam": 1.0, **changes}
    with pytest.raises(InputError, match=words):
        fit_outputs(**arguments)


@pytest.mark.parametrize(
    "changes", [{"lams": []}, {"lams": [0.1, 1.0]}, {"lams": [np.nan]}, {"n_lams": 0}, {"ratio": 2.0}, {"tol": 2.0},
                {"penalty": RIDGE}, {"lams": "all"}], ids=str,
)  # fmt: skip
def test_bad_paths_are_named(changes: dict[str, Any]) -> None:
    arguments: dict[str, Any] = {"X": X, "Y": Y, "penalty": L1, **changes}
    with pytest.raises(InputError):
        fit_outputs_path(**arguments)


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("rows", [False, True])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_largest_lam_is_sharp(loss: str, rows: bool, intercept: bool) -> None:
    target = Y if loss == "squared" else LABELS
    for scalar in (L1, penalties["elastic_net"](mu=1), penalties["berhu"](delta=1)):
        penalty = Rows(scalar) if rows else scalar
        top = largest_outputs_lam(X, target, penalty, loss, fit_intercept=intercept)
        for factor, some in ((1.001, False), (0.999, True)):
            found = fit_outputs(X, target, penalty, factor * top, loss, fit_intercept=intercept)
            assert found.status is Status.OPTIMAL
            assert bool(found.coef.any()) is some
    assert largest_outputs_lam(X, target, RIDGE, loss) == np.inf
    assert largest_outputs_lam(X, target, penalties["lp"](p=0.5), loss) == 0


def separated(margin: float) -> tuple[Array, NDArray[np.intp]]:
    """Return three clusters in the plane; with margin < 0 they overlap."""
    rng = np.random.default_rng(4)
    labels = np.arange(60) % 3
    centres = np.array([[1.0, 0.0], [-0.5, 0.87], [-0.5, -0.87]])
    noise = rng.uniform(-1, 1, (60, 2))
    return centres[labels] * (2.0 + margin) + noise * (1.0 if margin > 0 else 3.0), labels


@pytest.mark.parametrize("intercept", [False, True])
def test_separated_classes_diverge_without_a_penalty(intercept: bool) -> None:
    A, labels = separated(2.0)
    apart = fit_outputs(A, labels, L1, 0.0, "multinomial", fit_intercept=intercept)
    assert apart.status is Status.DIVERGING
    assert fit_outputs(A, labels, L1, 1e-3, "multinomial", fit_intercept=intercept).status is Status.OPTIMAL
    B, labels = separated(-1.0)
    mixed = fit_outputs(B, labels, L1, 0.0, "multinomial", fit_intercept=intercept)
    assert mixed.status is Status.OPTIMAL
    assert np.abs(mixed.coef).max() < 100


def test_classes_that_touch_diverge_without_a_penalty() -> None:
    """Quasi-separation: no plane has all samples strictly on their sides, yet no minimum exists."""
    A = np.array([[-2.0], [-1.0], [0.0], [0.0], [1.0], [2.0], [3.0], [3.0], [4.0]])
    labels = np.array([0, 0, 0, 1, 1, 1, 1, 2, 2])
    assert fit_outputs(A, labels, RIDGE, 0.0, "multinomial", fit_intercept=True).status is Status.DIVERGING
    one = np.array([0, 1, 0, 1, 2, 1, 2, 1, 2])
    assert fit_outputs(A, one, RIDGE, 0.0, "multinomial", fit_intercept=True).status is Status.OPTIMAL


@pytest.mark.parametrize("rows", [False, True])
def test_a_bounded_penalty_cannot_hold_separated_classes(rows: bool) -> None:
    """Once MCP is flat, larger weights cost nothing and the loss falls for ever; the log penalty does hold them."""
    A, labels = separated(2.0)
    flat, steep = penalties["mcp"](A=1), penalties["log_sum"](epsilon=1)
    assert fit_outputs(A, labels, Rows(flat) if rows else flat, 1.0, "multinomial").status is Status.DIVERGING
    assert fit_outputs(A, labels, Rows(steep) if rows else steep, 1.0, "multinomial").status is Status.STATIONARY


@pytest.mark.parametrize("intercept", [False, True])
def test_no_penalty_at_all_is_least_squares(intercept: bool) -> None:
    full = np.column_stack([X, np.ones(12)]) if intercept else X
    expected = np.linalg.lstsq(full, Y)[0]
    for penalty in (L1, Rows(L1)):
        found = fit_outputs(X, Y, penalty, 0.0, fit_intercept=intercept)
        assert found.status is Status.OPTIMAL
        np.testing.assert_allclose(found.coef, expected[:3], atol=1e-10)


def test_a_constant_target_and_a_constant_column() -> None:
    constant = np.column_stack([X, np.full(12, 2.0)])
    for penalty in (L1, Rows(L1)):
        flat = fit_outputs(constant, np.full((12, 2), 3.0), penalty, 0.5, fit_intercept=True)
        assert flat.status is Status.OPTIMAL
        assert not flat.coef.any()
        np.testing.assert_allclose(flat.intercept, 3.0)
        for target, loss in ((Y, "squared"), (LABELS, "multinomial")):
            found = fit_outputs(constant, target, penalty, 0.5, loss, fit_intercept=True)
            assert found.status is Status.OPTIMAL
            assert not found.coef[3].any()


def test_large_scales_and_uncentred_columns() -> None:
    rng = np.random.default_rng(8)
    A = rng.standard_normal((40, 6)) * np.array([1e-3, 1, 10, 1e3, 1, 1]) + np.array([0, 0, 0, 0, 1e3, -1e2])
    for target, loss in ((A[:, :2] @ rng.standard_normal((2, 3)) + rng.standard_normal((40, 3)), "squared"),
                         (np.arange(40) % 3, "multinomial")):  # fmt: skip
        for penalty in (L1, Rows(L1)):
            lam = 0.1 * largest_outputs_lam(A, target, penalty, loss, fit_intercept=True)
            found = fit_outputs(A, target, penalty, lam, loss, fit_intercept=True)
            assert found.status is Status.OPTIMAL


def test_problems_of_several_outputs_are_recognised() -> None:
    assert has_several_outputs(Y, "squared", L1)
    assert has_several_outputs(LABELS, "multinomial", L1)
    assert has_several_outputs(LABELS, Multinomial(), L1)
    assert has_several_outputs(Y[:, 0], "squared", Rows(L1))
    assert not has_several_outputs(Y[:, 0], "squared", L1)
    assert not has_several_outputs(LABELS > 0, Logistic(), L1)


def test_results_are_plain_data() -> None:
    import json

    found = fit_outputs(X, LABELS, Rows(L1), 1.0, "multinomial")
    plain = json.loads(json.dumps(found.to_json()))
    assert plain["status"] == "optimal"
    assert plain["classes"] == [0, 1, 2]
    assert found.converged
    assert plain["certificate"]["relative_gap"] == found.relative_gap
    seen: list[float] = []
    path = fit_outputs_path(X, LABELS, Rows(L1), n_lams=4, loss="multinomial", progress=seen.append)
    assert seen == [0.25, 0.5, 0.75, 1.0]
    assert path.intercepts.shape == (4, 3)
    assert [one.value for one in path.certificates] == [one.relative_gap for one in path.solutions]
