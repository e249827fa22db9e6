"""All best subsets against enumeration of every support, with exact ties, and the gates whose optima they are."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.global_search.gated import gated_minimum, gated_objective
from etatrick.numerics.subset import ties
from etatrick.numerics.subset.ties import all_best_subsets
from tolerances import FLOAT64, close

Array = NDArray[np.float64]


def listed(X: Array, y: Array, lam: float, slack: float, ridge: float = 0.0) -> dict[tuple[int, ...], float]:
    """Return every independent support with no zero weight whose objective is within `slack` of the least."""
    found = {}
    for k in range(X.shape[1] + 1):
        for on in combinations(range(X.shape[1]), k):
            rows = np.vstack([X[:, list(on)], np.sqrt(ridge) * np.eye(k)])
            target = np.concatenate([y, np.zeros(k)])
            w = np.linalg.lstsq(rows, target, rcond=None)[0] if k else np.zeros(0)
            if k and (np.linalg.matrix_rank(rows) < k or (np.abs(w) < 1e-12).any()):
                continue
            rest = target - rows @ w
            found[on] = 0.5 * float(rest @ rest) + lam * k
    least = min(found.values())
    return {on: value for on, value in found.items() if value <= least + slack}


@pytest.mark.parametrize("tol", [1e-9, 0.02, 0.1])
@pytest.mark.parametrize("ridge", [0.0, 0.5])
@pytest.mark.parametrize("seed", range(3))
def test_all_supports_near_the_least_value(seed: int, ridge: float, tol: float) -> None:
    rng = np.random.default_rng([77, seed])
    X = rng.standard_normal((14, 7)) + rng.standard_normal((14, 1))
    y = X[:, :3] @ [1.0, -1.0, 0.5] + 0.5 * rng.standard_normal(14)
    lam = 0.4
    found = all_best_subsets(X, y, lam, tol, ridge=ridge)
    truth = listed(X, y, lam, tol * 0.5 * float(y @ y), ridge)
    assert set(found.supports) == set(truth)
    for on, value, w in zip(found.supports, found.objectives, found.coefs, strict=True):
        assert close(float(value), truth[on], FLOAT64)
        rest = y - X @ w
        assert tuple(np.flatnonzero(w)) == on
        assert close(0.5 * float(rest @ rest + ridge * w @ w) + lam * len(on), truth[on], FLOAT64)
    assert (np.diff(found.objectives) >= 0).all()


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.lists(st.integers(-1, 1), min_size=6, max_size=6), min_size=2, max_size=5),
    lam=st.sampled_from([0.25, 0.5, 1.0]),
)
def test_exact_ties_on_small_integer_designs(rows: list[list[int]], lam: float) -> None:
    data = np.array(rows, dtype=float)
    X, y = data[:, :5], data[:, 5]
    assert set(all_best_subsets(X, y, lam).supports) == set(listed(X, y, lam, 1e-9 * (0.5 * float(y @ y) or 1.0)))


def test_twins_are_both_listed_and_never_together() -> None:
    rng = np.random.default_rng(78)
    X = rng.standard_normal((20, 4))
    y = X[:, 0] * 2 + X[:, 1]
    found = all_best_subsets(np.column_stack([X, -X[:, 0]]), y, 0.1)
    assert set(found.supports) == {(0, 1), (1, 4)}
    assert all_best_subsets(X, y, 0.1).supports == ((0, 1),)
    assert all_best_subsets(X, 0 * y, 0.1).supports == ((),)


def test_every_best_subset_is_a_minimum_of_the_gates() -> None:
    # the same optimal value; each minimiser with gates 0 and 1 attains it, and an opened or closed gate more does not
    rng = np.random.default_rng(79)
    A = rng.integers(-2, 3, (8, 4)).astype(float)
    X = np.column_stack([A, A[:, 1]])
    y, lam = A[:, 0] - A[:, 1], 0.3
    found = all_best_subsets(X, y, lam)
    gated = gated_minimum(X, y, lam)
    assert len(found.supports) == 2
    for w in found.coefs:
        gates = (w != 0).astype(float)
        assert close(float(gated_objective(X, y, lam, w[None], gates[None])[0]), gated.objective, FLOAT64)
    assert tuple(np.flatnonzero(gated.gates * gated.weights)) in found.supports
    # between two twins: interior gates cost strictly more
    half = np.array([[1.0, 0.5, 0.0, 0.0, 0.5]])
    assert gated_objective(X, y, lam, found.coefs.sum(axis=0)[None] / [1, 1, 1, 1, 1], half)[0] > gated.objective + 1e-3


def test_intercept_and_weights() -> None:
    rng = np.random.default_rng(80)
    X, counts = rng.standard_normal((12, 5)), rng.integers(0, 3, 12)
    y = X[:, 0] + 4 + 0.3 * rng.standard_normal(12)
    X2, y2 = np.repeat(X, counts, axis=0), np.repeat(y, counts)
    found = all_best_subsets(X, y, 0.2, 0.05, fit_intercept=True, sample_weight=counts)
    centred = y2 - y2.mean()
    assert set(found.supports) == set(listed(X2 - X2.mean(axis=0), centred, 0.2, 0.025 * float(centred @ centred)))


@pytest.mark.parametrize(
    ("change", "words"),
    [({"lam": 0.0}, "lam"), ({"lam": -1.0}, "lam"), ({"tol": 1.0}, "tol"), ({"tol": -1.0}, "tol"),
     ({"ridge": -1.0}, "ridge"), ({"X": np.ones((3, 70))}, "columns")],
)  # fmt: skip
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    given_: dict[str, Any] = {"X": np.eye(3), "y": np.ones(3), "lam": 1.0}
    with pytest.raises(InputError, match=words):
        all_best_subsets(**(given_ | change))


def test_a_search_without_end_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ties, "NODES", 300)
    rng = np.random.default_rng(81)
    X, y = rng.standard_normal((60, 50)), rng.standard_normal(60)
    with pytest.raises(InputError, match="nodes"):
        all_best_subsets(X, y, 1e-3 * float(y @ y), 0.5)
