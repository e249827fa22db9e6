"""Best subsets: every figure of the search and of its certificate by refitting all supports; bad input; edge cases."""

from itertools import combinations
from typing import Any

import numpy as np
import pytest
import scipy.sparse as sps
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from etatrick.errors import InputError
from etatrick.numerics.solution import Status
from etatrick.numerics.subset.certificate import SwapCertificate, swap_certificate
from etatrick.numerics.subset.dispatch import fit_subset, price_of
from etatrick.numerics.subset.moments import pose_subsets
from etatrick.numerics.subset.subsets import best_subset, best_subset_path, l0_minimum
from etatrick.numerics.subset.support import Support
from etatrick.theory import penalties
from tolerances import FLOAT64, close

Array = NDArray[np.float64]


def draw(seed: int, n: int = 30, d: int = 10, correlation: float = 0.7, noise: float = 0.5) -> tuple[Array, Array]:
    rng = np.random.default_rng([71, seed])
    X = rng.standard_normal((n, d))
    for j in range(1, d):
        X[:, j] = correlation * X[:, j - 1] + np.sqrt(1 - correlation**2) * X[:, j]
    X *= rng.uniform(0.5, 2, d)
    return X, X @ (rng.standard_normal(d) * (rng.random(d) < 0.4)) + noise * rng.standard_normal(n)


def refit(X: Array, y: Array, chosen: tuple[int, ...], ridge: float = 0.0) -> float:
    """Return the least ½‖y − Xw‖² + ½ρ‖w‖² on the chosen columns, by a singular value decomposition."""
    on = list(chosen)
    rows = np.vstack([X[:, on], np.sqrt(ridge) * np.eye(len(on))])
    target = np.concatenate([y, np.zeros(len(on))])
    if on:
        target = target - rows @ np.linalg.lstsq(rows, target, rcond=None)[0]
    return 0.5 * float(target @ target)


def every_subset(X: Array, y: Array, ridge: float = 0.0) -> dict[tuple[int, ...], float]:
    d = X.shape[1]
    return {on: refit(X, y, on, ridge) for k in range(d + 1) for on in combinations(range(d), k)}


def best_change(X: Array, y: Array, on: tuple[int, ...], lam: float, limit: int, ridge: float) -> dict[str, float]:
    """Return the decrease by the best addition, removal and exchange, relative to the objective at 0."""
    here, start = refit(X, y, on, ridge), 0.5 * float(y @ y)
    others = [j for j in range(X.shape[1]) if j not in on]
    moves = {
        "addition": [here - refit(X, y, (*on, j), ridge) - lam for j in others if len(on) < limit],
        "removal": [here - refit(X, y, tuple(set(on) - {i}), ridge) + lam for i in on],
        "exchange": [here - refit(X, y, (*(set(on) - {i}), j), ridge) for i in on for j in others],
    }
    return {name: max(values, default=-np.inf) / start for name, values in moves.items()}


@pytest.mark.parametrize("ridge", [0.0, 0.7])
@pytest.mark.parametrize("seed", range(4))
def test_certificate_is_the_best_change_by_refitting(seed: int, ridge: float) -> None:
    X, y = draw(seed, 15, 8)
    rng = np.random.default_rng([72, seed])
    for size in range(8):
        on = tuple(sorted(rng.choice(8, size, replace=False).tolist()))
        w = np.zeros(8)
        if on:
            A = X[:, on]
            w[list(on)] = np.linalg.solve(A.T @ A + ridge * np.eye(size), A.T @ y)
        for limit in (size, 8):
            found = swap_certificate(X, y, w, 0.3, limit=limit, ridge=ridge)
            for name, value in best_change(X, y, on, 0.3, limit, ridge).items():
                mine = getattr(found, name)
                assert mine == value if np.isinf(value) else close(mine, value, FLOAT64), (name, on)
            assert found.relative_kkt <= FLOAT64


@pytest.mark.parametrize("ridge", [0.0, 0.5])
def test_state_of_a_support_after_many_changes(ridge: float) -> None:
    X, y = draw(5, 40, 12)
    rng = np.random.default_rng(73)
    state = Support(pose_subsets(X, y, False, None), ridge)
    for step in range(60):
        outside = [j for j in range(12) if j not in state.chosen]
        if state.size and (rng.random() < 0.45 or not outside):
            state.drop(int(rng.integers(state.size)))
        else:
            state.add(int(rng.choice(outside)), state.additions())
        if step % 17 == 16:
            state.settle()
        on = tuple(state.chosen)
        assert close(state.value, refit(X, y, on, ridge), FLOAT64)
        for j in set(range(12)) - set(on):
            assert close(state.additions()[j], state.value - refit(X, y, (*on, j), ridge), FLOAT64)
        for i, loss in zip(on, state.removals(), strict=True):
            assert close(float(loss), refit(X, y, tuple(set(on) - {i}), ridge) - state.value, FLOAT64)
        swaps = {(i, j): state.value - refit(X, y, (*(set(on) - {i}), j), ridge)
                 for i in on for j in set(range(12)) - set(on)}  # fmt: skip
        found = state.exchange(1e-9)
        if found is None:
            assert max(swaps.values(), default=0.0) <= 1e-9 + FLOAT64
        else:
            out, into, _ = found
            assert close(swaps[on[out], into], max(swaps.values()), FLOAT64)


@pytest.mark.parametrize("ridge", [0.0, 0.4])
@pytest.mark.parametrize("seed", range(5))
def test_every_size_against_all_subsets(seed: int, ridge: float) -> None:
    X, y = draw(10 + seed)
    values = every_subset(X, y, ridge)
    hits = 0
    fits = [best_subset(X, y, k, ridge=ridge, starts=4) for k in range(11)]
    for k, found in enumerate(fits):
        best = min(value for on, value in values.items() if len(on) <= k)
        assert close(found.objective, values[tuple(found.support)], FLOAT64)
        assert found.objective >= best - FLOAT64
        assert len(found.support) <= k
        assert found.locally_minimal
        assert max(best_change(X, y, tuple(found.support), 0.0, k, ridge).values()) <= FLOAT64
        hits += close(found.objective, best, FLOAT64)
    assert hits >= 10
    path = best_subset_path(X, y, 10, ridge=ridge)
    assert len(path.fits) == 11
    assert (np.diff(path.rss) <= FLOAT64).all() or ridge > 0
    for k, found in enumerate(path.fits):
        assert found.locally_minimal
        assert close(found.objective, values[tuple(found.support)], FLOAT64)
        assert max(best_change(X, y, tuple(found.support), 0.0, k, ridge).values()) <= FLOAT64
    assert sum(close(f.objective, min(v for on, v in values.items() if len(on) <= k), FLOAT64)
               for k, f in enumerate(path.fits)) >= 10  # fmt: skip


@pytest.mark.parametrize("ridge", [0.0, 0.4])
def test_priced_columns_against_all_subsets(ridge: float) -> None:
    hits = 0
    for seed in range(6):
        X, y = draw(20 + seed, 25, 9)
        values = every_subset(X, y, ridge)
        for lam in (0.05, 0.5, 3.0, 1e4):
            found = l0_minimum(X, y, lam, ridge=ridge)
            best = min(value + lam * len(on) for on, value in values.items())
            assert found.locally_minimal
            assert max(best_change(X, y, tuple(found.support), lam, 9, ridge).values()) <= FLOAT64
            assert close(found.objective, values[tuple(found.support)] + lam * len(found.support), FLOAT64)
            hits += close(found.objective, best, FLOAT64)
    assert hits >= 23
    assert not found.coef.any()  # the last price is out of reach


def test_a_greedy_trap_is_left() -> None:
    # the sum of two columns is nearly y, a third is closest to y by itself: greedy takes it first
    rng = np.random.default_rng(74)
    a, b = np.linalg.qr(rng.standard_normal((20, 2)))[0].T
    X = np.column_stack([a, b, 0.9 * (a + b) + 0.3 * rng.standard_normal(20) / np.sqrt(20)])
    y = a + b
    assert int(np.argmax((X.T @ y) ** 2 / (X**2).sum(axis=0))) == 2
    found = best_subset(X, y, 2, starts=1)
    assert found.support.tolist() == [0, 1]
    assert found.rss <= 1e-25
    assert found.iterations >= 1


def test_certificate_refuses_a_worse_support_and_unfitted_weights() -> None:
    X, y = draw(30)
    found = best_subset(X, y, 3)
    worse = next(on for on in combinations(range(10), 3) if refit(X, y, on) > found.objective * 1.05)
    w = np.zeros(10)
    w[list(worse)] = np.linalg.lstsq(X[:, worse], y, rcond=None)[0]
    poor = swap_certificate(X, y, w, limit=3)
    assert poor.relative_kkt <= FLOAT64
    assert poor.exchange > 1e-3
    assert not poor.locally_minimal
    shaken = swap_certificate(X, y, found.coef * (1 + 1e-6), limit=3)
    assert shaken.relative_kkt > 1e-8
    assert not shaken.locally_minimal
    assert swap_certificate(X, y, found.coef, limit=3).locally_minimal
    assert not swap_certificate(X, y, found.coef, limit=4).locally_minimal
    assert not swap_certificate(X, y, found.coef, 1e3, limit=3).locally_minimal
    assert SwapCertificate(-1.0, 0.2, -1.0, 0.0, 0.0).decrease == 0.2


@pytest.mark.parametrize("form", [np.asfortranarray, sps.csc_array, sps.csr_array])
def test_intercept_weights_and_offset_against_the_rewritten_problem(form: Any) -> None:
    X, y = draw(40, 25, 7)
    X[X < -0.5] = 0.0
    X, y = X + 3.0 * (X != 0), y + 5.0
    rng = np.random.default_rng(75)
    counts, shift = rng.integers(0, 4, 25), rng.standard_normal(25)
    X2, y2 = np.repeat(X, counts, axis=0), np.repeat(y - shift, counts)
    for k in (1, 3, 7):
        found = best_subset(form(X), y, k, fit_intercept=True, sample_weight=counts, offset=shift)
        plain = best_subset(X2 - X2.mean(axis=0), y2 - y2.mean(), k)
        assert found.locally_minimal
        assert found.support.tolist() == plain.support.tolist()
        assert close(found.objective, plain.objective, FLOAT64)
        np.testing.assert_allclose(found.coef, plain.coef, atol=FLOAT64)
        assert close(found.intercept, float(np.mean(y2 - X2 @ found.coef)), FLOAT64)


def test_duplicates_zeros_and_constants_are_left_alone() -> None:
    X, y = draw(50, 12, 5)
    wide = np.column_stack([np.zeros(12), X, X, X @ np.ones(5), np.full(12, 2.0)])
    for k in (3, 5, 6, 13):
        found = best_subset(wide, y, k, fit_intercept=True)
        centred = X - X.mean(axis=0)
        assert found.locally_minimal
        assert np.linalg.matrix_rank(wide[:, found.support] - wide[:, found.support].mean(axis=0)) == len(found.support)
        assert not found.coef[[0, 12]].any()
        assert len(found.support) <= min(k, 5)
        if k >= 5:
            assert close(found.objective, refit(centred, y - y.mean(), tuple(range(5))), FLOAT64)
    assert best_subset(np.zeros((4, 2)), np.ones(4), 2).coef.tolist() == [0, 0]
    assert l0_minimum(X, np.zeros(12), 0.1).objective == 0.0
    assert best_subset(X, y, 0).objective == 0.5 * float(y @ y)


def test_more_columns_than_rows() -> None:
    X, y = draw(60, 8, 30)
    found = best_subset(X, y, 30)
    assert found.locally_minimal
    assert len(found.support) <= 8
    assert found.rss <= 1e-20 * float(y @ y)
    path = best_subset_path(X, y, 30)
    assert len(path.fits) <= 9
    assert all(fit.locally_minimal for fit in path.fits)
    near = X + 1e-7 * np.random.default_rng(76).standard_normal(X.shape)
    twice = best_subset(np.hstack([X, near]), y, 4)
    assert twice.locally_minimal
    assert len(twice.support) == 4
    priced = l0_minimum(X, y, 0.2)
    assert max(best_change(X, y, tuple(priced.support), 0.2, 30, 0.0).values()) <= FLOAT64


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    rows=st.lists(st.lists(st.integers(-2, 2), min_size=5, max_size=5), min_size=3, max_size=6),
    lam=st.sampled_from([0.25, 1.0, 2.5]),
    ridge=st.sampled_from([0.0, 1.0]),
)
def test_small_integer_designs_end_swap_optimal(rows: list[list[int]], lam: float, ridge: float) -> None:
    # many ties, dependent and zero columns
    data = np.array(rows, dtype=float)
    X, y = data[:, :4], data[:, 4]
    found = l0_minimum(X, y, lam, ridge=ridge)
    assert found.locally_minimal
    assert close(found.objective, refit(X, y, tuple(found.support), ridge) + lam * len(found.support), FLOAT64)
    if y.any():
        assert max(best_change(X, y, tuple(found.support), lam, 4, ridge).values()) <= FLOAT64
    best = min(value + lam * len(on) for on, value in every_subset(X, y, ridge).items())
    assert found.objective >= best - FLOAT64


def test_a_given_start_is_never_left_for_worse() -> None:
    for seed in range(10):
        X, y = draw(70 + seed, 20, 40, correlation=0.9)
        first = best_subset(X, y, 6, starts=1)
        good = best_subset(X, y, 6, starts=4)
        again = best_subset(X, y, 6, start=good.coef, starts=1)
        assert good.objective <= first.objective + FLOAT64
        assert again.objective <= good.objective + FLOAT64
        assert list(again.history) == sorted(again.history, reverse=True)


def test_path_gives_the_priced_minimum() -> None:
    X, y = draw(80)
    path = best_subset_path(X, y, 10)
    for lam in (0.01, 0.2, 5.0):
        chosen = path.at(lam)
        assert chosen.objective + lam * len(chosen.support) <= l0_minimum(X, y, lam).objective + FLOAT64
    assert path.coefs.shape == (11, 10)
    with pytest.raises(InputError, match="lam"):
        path.at(-1.0)


def test_l0_of_the_catalogue_becomes_a_solution() -> None:
    X, y = draw(90)
    entry = penalties["l0"](kappa=2)
    assert price_of(entry) == price_of(entry.duality) == 2.0
    assert all(price_of(penalties[n](**v)) is None for n, v in (("l1", {"k": 1}), ("cel0", {"kappa": 1})))
    assert price_of("l0") is None
    found = fit_subset(X, y, entry, 0.3, "squared", fit_intercept=True)
    direct = l0_minimum(X, y, 0.6, fit_intercept=True)
    assert found.status is Status.STATIONARY
    assert found.locally_minimal
    assert found.gap is None
    assert close(found.objective, direct.objective, FLOAT64)
    again = fit_subset(X, y, entry, 0.3, "squared", fit_intercept=True, start=found.coef)
    assert again.objective <= found.objective + FLOAT64
    with pytest.raises(InputError, match="logistic"):
        fit_subset(X, (y > 0).astype(float), entry, 0.3, "logistic")
    with pytest.raises(InputError, match="price"):
        fit_subset(X, y, penalties["l1"](k=1), 0.3, "squared")


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"k": -1}, "k"),
        ({"k": 1.5}, "k"),
        ({"k": True}, "k"),
        ({"X": np.full((4, 2), np.nan)}, "NaN"),
        ({"X": np.empty((0, 2))}, "shape"),
        ({"y": np.ones(3)}, "shape"),
        ({"y": [np.inf, 0, 0, 0]}, "finite"),
        ({"y": np.full(4, 1e200)}, "overflow"),
        ({"ridge": -1.0}, "ridge"),
        ({"ridge": np.nan}, "ridge"),
        ({"starts": 0}, "starts"),
        ({"starts": 9}, "starts"),
        ({"start": np.ones(3)}, "start"),
        ({"sample_weight": -np.ones(4)}, "weight"),
    ],
)
def test_bad_input_is_named(change: dict[str, Any], words: str) -> None:
    given_: dict[str, Any] = {"X": np.eye(4)[:, :2], "y": np.arange(4.0), "k": 1}
    with pytest.raises(InputError, match=words):
        best_subset(**(given_ | change))


def test_bad_prices_are_named() -> None:
    X, y = np.eye(3), np.ones(3)
    for lam in (0.0, -1.0, np.nan):
        with pytest.raises(InputError, match="lam"):
            l0_minimum(X, y, lam)
    with pytest.raises(InputError, match="limit"):
        l0_minimum(X, y, 1.0, limit=-2)
    with pytest.raises(InputError, match="k_max"):
        best_subset_path(X, y, -1)
    with pytest.raises(InputError, match="coef"):
        swap_certificate(X, y, np.ones(2))
    with pytest.raises(InputError, match="ridge"):
        swap_certificate(X, y, y, ridge=-1.0)
