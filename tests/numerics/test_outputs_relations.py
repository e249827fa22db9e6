"""Several outputs against problems that must have the same solution: two classes, one output, rewritten data."""

import tracemalloc
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy import sparse

from etatrick.numerics.outputs import Rows, fit_outputs, fit_outputs_path, largest_outputs_lam
from etatrick.numerics.outputs.implicit import Implicit
from etatrick.numerics.solution import Status
from etatrick.numerics.working_set.fitting import fit
from etatrick.theory import penalties
from tolerances import FLOAT64, close

Array = NDArray[np.float64]
L1, RIDGE, MCP = penalties["l1"](k=1), penalties["ridge"](c=1), penalties["mcp"](A=3)
LOG = penalties["log_sum"](epsilon=1)


def data(n: int, d: int, K: int, loss: str) -> tuple[Array, Array]:
    rng = np.random.default_rng([n, d, K])
    X = rng.standard_normal((n, d)) + 0.2
    signal = X[:, :3] @ rng.standard_normal((3, K))
    if loss == "squared":
        return X, signal + rng.standard_normal((n, K))
    labels = (signal + rng.gumbel(size=signal.shape)).argmax(axis=1)
    labels[:K] = np.arange(K)
    return X, np.eye(K)[labels]


@pytest.mark.parametrize(
    ("penalty", "scalar", "factor"),
    [(L1, L1, 1.0), (RIDGE, RIDGE, 0.5), (Rows(L1), L1, 1 / np.sqrt(2))],
    ids=["l1", "ridge", "rows"],
)
@pytest.mark.parametrize("intercept", [False, True])
def test_two_classes_are_logistic(penalty: Any, scalar: Any, factor: float, intercept: bool) -> None:
    """The loss sees u = w₂ − w₁ alone; the least |w₁| + |w₂| is |u|, ½(w₁² + w₂²) is u²/4, the length |u|/√2."""
    X, Y = data(70, 9, 2, "multinomial")
    labels = Y.argmax(axis=1)
    two = fit_outputs(X, labels, penalty, 2.0, "multinomial", fit_intercept=intercept)
    one = fit(X, labels, scalar, 2.0 * factor, "logistic", fit_intercept=intercept)
    assert two.status is Status.OPTIMAL
    assert close(two.objective, one.objective)
    np.testing.assert_allclose(two.coef[:, 1] - two.coef[:, 0], one.coef, atol=1e-5)
    np.testing.assert_allclose(two.intercept[1] - two.intercept[0], one.intercept, atol=1e-5)
    assert one.coef.any()


@pytest.mark.parametrize("scalar", [L1, RIDGE, MCP, LOG], ids=["l1", "ridge", "mcp", "log"])
def test_rows_of_one_output_are_entries(scalar: Any) -> None:
    X, Y = data(40, 10, 1, "squared")
    rows = fit_outputs(X, Y, Rows(scalar), 5.0, fit_intercept=True)
    one = fit(X, Y[:, 0], scalar, 5.0, fit_intercept=True)
    np.testing.assert_allclose(rows.coef[:, 0], one.coef, atol=1e-7)
    assert close(float(rows.intercept[0]), one.intercept, 1e-7)


@pytest.mark.parametrize("scalar", [L1, penalties["elastic_net"](mu=1), RIDGE, MCP], ids=["l1", "enet", "ridge", "mcp"])
@pytest.mark.parametrize("shape", [(40, 10, 3), (20, 40, 3)], ids=str)
def test_squared_errors_with_entries_separate(scalar: Any, shape: tuple[int, int, int]) -> None:
    X, Y = data(*shape, "squared")
    v = np.random.default_rng(0).uniform(0.5, 2.0, shape[0])
    found = fit_outputs(X, Y, scalar, 3.0, fit_intercept=True, sample_weight=v)
    single = [fit(X, y, scalar, 3.0, fit_intercept=True, sample_weight=v) for y in Y.T]
    np.testing.assert_allclose(found.coef, np.column_stack([one.coef for one in single]), atol=1e-7)
    assert close(found.objective, sum(one.objective for one in single))


def test_rows_of_ridge_are_entries_of_ridge() -> None:
    for loss in ("squared", "multinomial"):
        for shape in ((40, 10, 3), (20, 40, 3)):
            X, Y = data(*shape, loss)
            rows = fit_outputs(X, Y, Rows(RIDGE), 2.0, loss, fit_intercept=True)
            entries = fit_outputs(X, Y, RIDGE, 2.0, loss, fit_intercept=True)
            assert rows.status is Status.OPTIMAL
            np.testing.assert_allclose(rows.coef, entries.coef, atol=1e-5)


@pytest.mark.parametrize("penalty", [L1, Rows(L1), RIDGE, Rows(LOG)], ids=["entries", "rows", "ridge", "log-rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_weights_are_repeated_rows(penalty: Any, loss: str) -> None:
    X, Y = data(30, 8, 3, loss)
    counts = np.random.default_rng(3).integers(0, 4, 30)
    weighted = fit_outputs(X, Y, penalty, 2.0, loss, fit_intercept=True, sample_weight=counts)
    repeated = fit_outputs(np.repeat(X, counts, axis=0), np.repeat(Y, counts, axis=0), penalty, 2.0, loss,
                           fit_intercept=True)  # fmt: skip
    assert close(weighted.objective, repeated.objective)
    np.testing.assert_allclose(weighted.coef, repeated.coef, atol=1e-5)
    plain = fit_outputs(X, Y, penalty, 2.0, loss, fit_intercept=True)
    assert not np.allclose(plain.coef, weighted.coef, atol=1e-3)


@pytest.mark.parametrize("penalty", [L1, Rows(L1)], ids=["entries", "rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_an_offset_is_a_fixed_part_of_the_predictor(penalty: Any, loss: str) -> None:
    X, Y = data(40, 8, 3, loss)
    part = 0.5 * X[:, :1] @ np.ones((1, 3)) * np.array([1.0, -1.0, 0.0])
    shifted = fit_outputs(X, Y, penalty, 2.0, loss, fit_intercept=True, offset=part)
    if loss == "squared":
        rewritten = fit_outputs(X, Y - part, penalty, 2.0, fit_intercept=True)
        np.testing.assert_allclose(shifted.coef, rewritten.coef, atol=FLOAT64)
    else:  # a constant per sample changes nothing
        moved = fit_outputs(X, Y, penalty, 2.0, loss, fit_intercept=True, offset=part + 3.0 * X[:, 1:2])
        assert close(shifted.objective, moved.objective)
        np.testing.assert_allclose(shifted.coef, moved.coef, atol=1e-5)
    assert not np.allclose(shifted.coef, fit_outputs(X, Y, penalty, 2.0, loss, fit_intercept=True).coef, atol=1e-2)


@pytest.mark.parametrize("penalty", [L1, Rows(L1), RIDGE, Rows(LOG)], ids=["entries", "rows", "ridge", "log-rows"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
@pytest.mark.parametrize("form", ["csc", "csr"])
def test_sparse_is_dense(form: str, loss: str, penalty: Any) -> None:
    X, Y = data(30, 50, 3, loss)
    X = np.where(np.random.default_rng(1).random(X.shape) < 0.3, X, 0.0)
    dense = fit_outputs(X, Y, penalty, 1.0, loss, fit_intercept=True)
    thin = fit_outputs(sparse.csc_array(X).asformat(form), Y, penalty, 1.0, loss, fit_intercept=True)
    assert close(dense.objective, thin.objective)
    np.testing.assert_allclose(dense.coef, thin.coef, atol=1e-5)


@pytest.mark.parametrize("penalty", [L1, Rows(L1), RIDGE], ids=["entries", "rows", "ridge"])
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_wide_sparse_data_stay_sparse(loss: str, penalty: Any) -> None:
    """100 × 40,000 numbers would be 32 MB dense, a Gram matrix 12.8 GB: the peak stays below 24 MB."""
    rng = np.random.default_rng(0)
    X = sparse.random_array((100, 40_000), density=0.002, format="csc", rng=rng)
    X.data[:] = rng.standard_normal(len(X.data))
    Y = np.eye(3)[np.arange(100) % 3]
    lam = 0.8 * largest_outputs_lam(X, Y, L1, loss)
    fit_outputs(X[:20], Y[:20], penalty, lam, loss)  # what is compiled once does not count
    tracemalloc.start()
    found = fit_outputs(X, Y, penalty, lam, loss)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert found.status is Status.OPTIMAL
    assert peak < 24e6


@pytest.mark.parametrize(
    "penalty", [Rows(L1), Rows(penalties["elastic_net"](mu=1)), Rows(LOG)], ids=["l1", "enet", "log"]
)
@pytest.mark.parametrize("loss", ["squared", "multinomial"])
def test_without_a_hessian_the_solution_is_the_same(loss: str, penalty: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """More rows than may have a Gram matrix, or a formed Hessian, are solved through products with the columns."""
    X, Y = data(20, 60, 3, loss)
    lam = 0.05 * largest_outputs_lam(X, Y, penalty, loss, fit_intercept=True)
    formed = fit_outputs(X, Y, penalty, lam, loss, fit_intercept=True)
    made: list[int] = []
    original = Implicit.newton

    def counted(self: Implicit, *arguments: Any) -> Any:
        made.append(self.columns.shape[1])
        return original(self, *arguments)

    monkeypatch.setattr(Implicit, "newton", counted)
    monkeypatch.setattr("etatrick.numerics.outputs.kept_columns.LITTLE", 0)
    monkeypatch.setattr("etatrick.numerics.outputs.entropy_rows.FORMED", 3)
    implicit = fit_outputs(X, Y, penalty, lam, loss, fit_intercept=True)
    assert made or np.count_nonzero(formed.coef.any(axis=1)) <= 30
    assert implicit.converged
    if penalty.penalty is not LOG:
        assert made
        np.testing.assert_allclose(implicit.coef, formed.coef, atol=1e-6)
        assert close(implicit.objective, formed.objective)


def test_labels_of_any_kind_are_kept() -> None:
    X, Y = data(40, 5, 3, "multinomial")
    words = np.array(["ash", "oak", "elm"])[Y.argmax(axis=1)]
    named = fit_outputs(X, words, L1, 1.0, "multinomial")
    assert named.classes is not None
    loose = fit_outputs(X, words.astype(object), L1, 1.0, "multinomial")
    np.testing.assert_array_equal(loose.coef, named.coef)
    assert named.classes.tolist() == ["ash", "elm", "oak"]
    shares = fit_outputs(X, Y, L1, 1.0, "multinomial")
    assert shares.classes is None
    np.testing.assert_allclose(named.coef, shares.coef[:, [0, 2, 1]], atol=FLOAT64)
    path = fit_outputs_path(X, words, Rows(L1), n_lams=3, loss="multinomial")
    assert all(one.classes is not None and len(one.classes) == 3 for one in path.solutions)


def test_shares_of_classes_are_targets() -> None:
    """A sample that is a third of each class counts as three samples of weight ⅓."""
    X, Y = data(30, 6, 3, "multinomial")
    Y[:10] = 1 / 3
    soft = fit_outputs(X, Y, L1, 1.0, "multinomial", fit_intercept=True)
    split = np.vstack([X[:10], X[:10], X[:10], X[10:]])
    labels = np.concatenate([np.repeat([0, 1, 2], 10), Y[10:].argmax(axis=1)])
    weights = np.concatenate([np.full(30, 1 / 3), np.ones(20)])
    hard = fit_outputs(split, labels, L1, 1.0, "multinomial", fit_intercept=True, sample_weight=weights)
    np.testing.assert_allclose(soft.coef, hard.coef, atol=1e-7)
