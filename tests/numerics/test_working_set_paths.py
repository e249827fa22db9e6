"""Paths of the working-set engine, the λ where they start, and what it says about bad input."""

from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.solution import Status
from etatrick.numerics.working_set.fitting import fit
from etatrick.numerics.working_set.paths import fit_path, largest_lam
from etatrick.theory import derive, penalties
from tolerances import CERTIFICATE, FLOAT64, close

Array = NDArray[np.float64]

L1 = penalties["l1"](k=1)
ENET = penalties["elastic_net"](mu=0.5)
SHAPES = [(80, 20), (30, 90)]


def regression(n: int, d: int) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d])
    X = rng.standard_normal((n, d)) + 0.5
    return X, X[:, :4].sum(1) + rng.standard_normal(n)


def lasso_gap(X: Array, y: Array, w: Array, lam: float) -> float:
    r = y - X @ w
    theta = r * min(1.0, lam / float(np.max(np.abs(X.T @ r))))
    primal = 0.5 * float(r @ r) + lam * float(np.abs(w).sum())
    return (primal - 0.5 * float(y @ y - (y - theta) @ (y - theta))) / (0.5 * float(y @ y))


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_every_gap_of_a_lasso_path_from_the_full_data(shape: tuple[int, int]) -> None:
    X, y = regression(*shape)
    found = fit_path(X, y, L1, n_lams=40, ratio=1e-3)
    for item, lam in zip(found.solutions, found.lams, strict=True):
        assert lasso_gap(X, y, item.coef, float(lam)) <= CERTIFICATE
        assert item.status is Status.OPTIMAL
    assert not found.coefs[0].any()
    assert found.coefs[1].any()


@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson"])
@pytest.mark.parametrize("shape", SHAPES, ids=str)
@pytest.mark.parametrize("penalty", [L1, ENET], ids=["l1", "enet"])
def test_a_path_is_its_single_fits(penalty: Any, shape: tuple[int, int], loss: str) -> None:
    X, y = regression(*shape)
    y = {"squared": y, "logistic": (y > y.mean()) * 1.0, "poisson": np.floor(np.abs(y))}[loss]
    v = np.linspace(0.5, 1.5, len(y))
    offset = np.cos(np.arange(len(y)))
    options: dict[str, Any] = {"fit_intercept": True, "sample_weight": v, "offset": offset, "loss": loss}
    found = fit_path(X, y, penalty, n_lams=8, ratio=0.02, **options)
    for item, lam in zip(found.solutions, found.lams, strict=True):
        single = fit(X, y, penalty, float(lam), **options)
        assert close(item.objective, single.objective)
        assert close(item.intercept, single.intercept, 1e-5)
        assert item.relative_gap is not None
        assert item.relative_gap <= CERTIFICATE


@pytest.mark.parametrize("intercept", [False, True])
@pytest.mark.parametrize("name", ["l1", "elastic_net", "mcp", "log_sum"])
@pytest.mark.parametrize("loss", ["squared", "logistic", "poisson", "gamma", "huber"])
def test_largest_lam_is_where_weights_appear(loss: str, name: str, intercept: bool) -> None:
    X, y = regression(40, 6)
    y = {"squared": y, "huber": y, "logistic": (y > y.mean()) * 1.0}.get(loss, np.exp(y / 8))
    penalty = {"l1": L1, "elastic_net": ENET, "mcp": penalties["mcp"](A=3)}.get(name)
    penalty = penalties["log_sum"](epsilon=50) if penalty is None else penalty
    offset = 0.1 * np.sin(np.arange(40))
    top = largest_lam(X, y, penalty, loss, fit_intercept=intercept, offset=offset)
    above = fit(X, y, penalty, 1.001 * top, loss, fit_intercept=intercept, offset=offset)
    below = fit(X, y, penalty, 0.99 * top, loss, fit_intercept=intercept, offset=offset)
    if above.gap is not None:
        assert not above.coef.any()
    assert below.coef.any()


@pytest.mark.parametrize("penalty", [penalties["ridge"](c=1), penalties["lp"](p=1.5), penalties["cauchy"](c=1)])
def test_a_smooth_penalty_starts_where_little_of_the_fit_is_left(penalty: Any) -> None:
    X, y = regression(40, 4)
    X = np.linalg.qr(X)[0]  # so that the unpenalised fit is Xᵀy, coordinate by coordinate
    top = largest_lam(X, y, penalty)
    plain = np.abs(X.T @ y)
    shrunk = np.abs(fit(X, y, penalty, top).coef) / plain
    assert shrunk.max() <= 1 / 11 + FLOAT64
    assert (np.abs(fit(X, y, penalty, top / 100).coef) / plain).max() > 1 / 11
    assert fit_path(X, y, penalty, n_lams=3).lams[0] == top


def test_a_steep_penalty_starts_where_one_weight_pays_for_itself() -> None:
    X = np.linalg.qr(regression(40, 4)[0])[0]
    y = X @ [3.0, 1.0, 0.0, -2.0]
    top = largest_lam(X, y, penalties["lp"](p=0.5))
    w = np.linspace(1e-4, 4, 200_001)
    for lam, pays in ((1.001 * top, False), (0.999 * top, True)):
        assert bool((0.5 * w * w - 3 * w + lam * 2 * np.sqrt(w)).min() < 0) is pays


def test_flat_data_leave_no_start() -> None:
    X, _ = regression(20, 4)
    assert largest_lam(X, np.zeros(20), L1) == 0.0
    with pytest.raises(InputError, match="no λ at which a path starts"):
        fit_path(X, np.zeros(20), L1)
    with pytest.raises(InputError, match="no natural largest"):
        fit_path(X, X[:, 0], derive(penalty="Piecewise((0, w < 100), (w - 100, True))"))


def test_a_concave_path_stays_stationary() -> None:
    X, y = regression(40, 60)
    found = fit_path(X, y, penalties["mcp"](A=3), n_lams=10, ratio=0.05)
    assert all(item.relative_kkt <= FLOAT64 for item in found.solutions)
    assert all(item.status is Status.STATIONARY for item in found.solutions)


BAD: list[tuple[str, dict[str, Any]]] = [
    ("NaN", {"X": np.array([[1.0, np.nan], [2.0, 1.0]])}),
    ("NaN", {"X": np.array([[1.0, np.inf], [2.0, -np.inf]])}),
    ("one number per row", {"y": [1.0, 2.0, 3.0]}),
    ("must be finite", {"y": [1.0, np.nan]}),
    ("λ must be", {"lam": -1.0}),
    ("λ must be", {"lam": np.nan}),
    ("weights must be", {"sample_weight": [1.0, -1.0]}),
    ("weights must be", {"sample_weight": [0.0, 0.0]}),
    ("one number per row", {"offset": [1.0]}),
    ("strictly between", {"tol": 0.0}),
    ("finite numbers", {"start": [1.0]}),
    ("must be one of", {"loss": "hinge"}),
    ("every y ≥ 0", {"loss": "poisson", "y": [-1.0, 2.0]}),
    ("predictor per class", {"loss": "multinomial"}),
    ("infinite", {"loss": "logistic", "y": [1.0, 1.0], "fit_intercept": True}),
    ("jumps", {"penalty": penalties["l0"](kappa=1)}),
    ("−∞", {"penalty": penalties["log"]}),
    ("no penalty", {"penalty": "l1"}),
    ("at least one", {"X": np.zeros((2, 0))}),
    ("shape", {"X": np.zeros(3)}),
    ("real numbers", {"X": np.array([["a"], ["b"]])}),
]


@pytest.mark.parametrize(("words", "changed"), BAD)
def test_bad_input_is_named(words: str, changed: dict[str, Any]) -> None:
    good: dict[str, Any] = {"X": np.eye(2), "y": [1.0, 2.0], "penalty": L1, "lam": 1.0}
    with pytest.raises(InputError, match=words):
        fit(**(good | changed))


def test_large_finite_numbers_are_no_infinities() -> None:
    assert fit(np.full((2, 1), 1e308) * [[1.0], [0.1]], [0.0, 0.0], L1, 1.0).coef[0] == 0


def test_separable_classes_without_a_penalty_are_told() -> None:
    X = np.array([[-2.0], [-1.0], [1.0], [2.0]])
    found = fit(X, [0, 0, 1, 1], L1, 0.0, "logistic")
    assert found.status is Status.DIVERGING
    assert fit(X, [0, 1, 0, 1], L1, 0.0, "logistic").status is Status.OPTIMAL


def test_no_penalty_is_least_squares() -> None:
    X, y = regression(30, 5)
    found = fit(X, y, L1, 0.0, fit_intercept=True)
    expected = np.linalg.lstsq(np.column_stack([X, np.ones(30)]), y)[0]
    np.testing.assert_allclose([*found.coef, found.intercept], expected, atol=1e-9)
    assert found.status is Status.OPTIMAL


def test_a_sparse_design_is_not_copied() -> None:
    import scipy.sparse as sp

    from etatrick.numerics.working_set.design import read_design

    X = sp.random_array((50, 20), density=0.2, rng=np.random.default_rng(0), format="csc")
    assert read_design(X).matrix is X
    dense = np.asfortranarray(np.eye(3))
    assert read_design(dense).matrix is dense
