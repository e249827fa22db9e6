"""Bad input: every message names the value, the rule it breaks and the remedy, as one kind of error."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import sparse

from etatrick.errors import InputError
from etatrick.numerics import Status, certify, compile_penalty, cvxpy_optimum, path, solve
from etatrick.numerics.losses import Huber
from etatrick.theory import derive, penalties
from etatrick.theory.vector import KSupport

X, Y = np.random.default_rng(0).standard_normal((6, 3)), np.arange(6.0)
L1 = penalties["l1"](k=1)
LOG = derive(penalty="log(1 + w/epsilon)", parameters=["epsilon"])


def fit(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"X": X, "y": Y, "penalty": L1, "lam": 1.0}
    return solve(**(arguments | changes))


def trace(**changes: Any) -> Any:
    arguments: dict[str, Any] = {"X": X, "y": Y, "penalty": L1}
    return path(**(arguments | changes))


def spoiled(array: Any, value: float) -> Any:
    copy = np.array(array, dtype=float)
    copy.flat[1] = value
    return copy


# (call, words of the value, words of the rule): the remedy must not be empty
CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "X_text": (lambda: fit(X=[["a", "b"]]), "X", "real numbers"),
    "X_ragged": (lambda: fit(X=[[1, 2], [3]]), "X", "real numbers"),
    "X_flat": (lambda: fit(X=Y), r"X of shape \(6,\)", r"\(n, d\)"),
    "X_none": (lambda: fit(X=None), "X", "shape|real numbers"),
    "X_complex": (lambda: fit(X=X + 1j), "X", "real"),
    "X_complex_list": (lambda: fit(X=[[1j]] * 6), "X", "real numbers"),
    "X_sparse": (lambda: fit(X=sparse.eye_array(6), method="reweighted_ridge"), "X", "sparse"),
    "X_sparse_joint": (lambda: fit(X=sparse.eye_array(6), penalty=KSupport(2)), "X", "sparse"),
    "X_sparse_nan": (lambda: fit(X=sparse.csr_array(spoiled(X, np.nan))), "X with 1 NaN", "finite"),
    "X_sparse_complex": (lambda: fit(X=sparse.csr_array(X + 1j)), "X", "real"),
    "X_no_rows": (lambda: fit(X=np.zeros((0, 3)), y=[]), r"\(0, 3\)", "at least one row"),
    "X_no_columns": (lambda: fit(X=np.zeros((6, 0))), r"\(6, 0\)", "one column"),
    "X_nan": (lambda: fit(X=spoiled(X, np.nan)), "X with 1 NaN", "finite"),
    "X_inf": (lambda: fit(X=spoiled(X, np.inf)), "X with 1 NaN or infinite", "finite"),
    "y_nan": (lambda: fit(y=spoiled(Y, np.nan)), "y with 1 NaN", "finite"),
    "y_matrix": (lambda: fit(y=Y[:, None]), r"y of shape \(6, 1\)", "one number per row"),
    "y_short": (lambda: fit(y=Y[:5]), r"y of shape \(5,\)", "one number per row"),
    "y_text": (lambda: fit(y=["a"] * 6), "y", "real numbers"),
    "weights_negative": (lambda: fit(sample_weight=-np.ones(6)), "minimum -1", "≥ 0"),
    "weights_one_negative": (lambda: fit(sample_weight=spoiled(np.ones(6), -2)), "minimum -2", "≥ 0"),
    "weights_zero": (lambda: fit(sample_weight=np.zeros(6)), "sample_weight", "not all 0"),
    "weights_short": (lambda: fit(sample_weight=np.ones(5)), r"sample_weight of shape \(5,\)", "one number per row"),
    "weights_nan": (lambda: fit(sample_weight=spoiled(np.ones(6), np.nan)), "sample_weight with 1 NaN", "finite"),
    "weights_text": (lambda: fit(sample_weight="heavy"), "sample_weight", "real numbers|shape"),
    "offset_short": (lambda: fit(offset=[1.0]), r"offset of shape \(1,\)", "one number per row"),
    "offset_inf": (lambda: fit(offset=spoiled(np.ones(6), np.inf)), "offset with 1", "finite"),
    "offset_joint": (lambda: fit(offset=[1.0], penalty=KSupport(2)), "offset of shape", "one number per row"),
    "offset_overflow": (lambda: fit(loss="poisson", offset=np.full(6, 800.0)), "offset", "overflow"),
    "X_overflow": (lambda: fit(X=1e200 * X), "X", "overflow"),
    "y_overflow": (lambda: fit(y=1e200 * Y), "y", "overflow"),
    "poisson_negative": (lambda: fit(loss="poisson", y=-Y), "y with minimum -5", "every y ≥ 0"),
    "poisson_all_zero": (lambda: fit(loss="poisson", y=0 * Y, fit_intercept=True), "counts of 0", "−∞"),
    "gamma_zero": (lambda: fit(loss="gamma"), "y with minimum 0", "every y > 0"),
    "logistic_labels": (lambda: fit(loss="logistic"), "y", "0 and 1|labels|between 0 and 1"),
    "logistic_one_label": (lambda: fit(loss="logistic", y=np.ones(6), fit_intercept=True), "one label", "infinite"),
    "multinomial": (lambda: fit(loss="multinomial", y=[0, 1, 2, 0, 1, 2]), "multinomial", "one number per row"),
    "huber_delta": (lambda: fit(loss=Huber(0.0)), "delta = 0", "> 0"),
    "lam_negative": (lambda: fit(lam=-1.0), "lam = -1.0", "≥ 0"),
    "lam_nan": (lambda: fit(lam=np.nan), "lam = nan", "finite"),
    "lam_inf": (lambda: fit(lam=np.inf), "lam = inf", "finite"),
    "lam_none": (lambda: fit(lam=None), "lam = None", "number"),
    "lam_text": (lambda: fit(lam="large"), "lam = large", "number"),
    "lam_list": (lambda: fit(lam=[1.0, 2.0]), "lam = ", "number"),
    "lam_array": (lambda: fit(lam=np.array([1.0, 2.0])), "lam = ", "number"),
    "loss": (lambda: fit(loss="absolute"), "loss = 'absolute'", "squared"),
    "method": (lambda: fit(method="magic"), "method = 'magic'", "reweighted_ridge"),
    "tol_zero": (lambda: fit(tol=0.0), "tol = 0.0", "strictly between"),
    "tol_nan": (lambda: fit(tol=np.nan), "tol = nan", "strictly between"),
    "tol_negative": (lambda: fit(tol=-1e-3), "tol = -0.001", "strictly between"),
    "tol_text": (lambda: fit(tol="tight"), "tol = tight", "strictly between"),
    "tol_none": (lambda: fit(tol=None), "tol = None", "strictly between"),
    "start_short": (lambda: fit(start=[1.0]), r"start of shape \(1,\)", "3 finite numbers"),
    "start_column": (lambda: fit(start=np.ones((3, 1))), r"start of shape \(3, 1\)", "3 finite numbers"),
    "start_nan": (lambda: fit(start=[1.0, np.nan, 0.0]), "start", "finite"),
    "start_text": (lambda: fit(start=["a", "b", "c"]), "start", "numbers"),
    "start_complex": (lambda: fit(start=[1j, 0, 0]), "start", "numbers"),
    "penalty_none": (lambda: fit(penalty=None), "None", "no penalty"),
    "penalty_name": (lambda: fit(penalty="l1"), "'l1'", "no penalty"),
    "penalty_family": (lambda: fit(penalty=penalties["l1"]), "l1", "is a family"),
    "penalty_free": (lambda: fit(penalty=LOG), "epsilon", "number for every parameter"),
    "penalty_lam": (lambda: compile_penalty(derive(eta_hat="lambda*w")), "lambda", "depends on λ"),
    "path_n_zero": (lambda: trace(n_lams=0), "n_lams = 0", "integer ≥ 1"),
    "path_n_float": (lambda: trace(n_lams=2.5), "n_lams = 2.5", "integer ≥ 1"),
    "path_ratio_one": (lambda: trace(ratio=1.0), "ratio = 1.0", "between 0 and 1"),
    "path_ratio_zero": (lambda: trace(ratio=0.0), "ratio = 0.0", "between 0 and 1"),
    "path_ratio_text": (lambda: trace(ratio="small"), "ratio = small", "between 0 and 1"),
    "path_no_signal": (lambda: trace(y=0 * Y), "lams", "no λ at which a path starts"),
    "path_lams_empty": (lambda: trace(lams=[]), "lams", "row of finite"),
    "path_lams_matrix": (lambda: trace(lams=[[1.0, 2.0]]), "lams", "row of finite"),
    "path_lams_scalar": (lambda: trace(lams=1.0), "lams", "row of finite"),
    "path_lams_text": (lambda: trace(lams=["a"]), "lams", "number"),
    "path_lams_nan": (lambda: trace(lams=[1.0, np.nan]), "lam", "finite"),
    "path_lams_negative": (lambda: trace(lams=[1.0, -2.0]), "lams with -2", "≥ 0"),
    "penalty_jump": (lambda: fit(penalty=penalties["l0"](kappa=1), method="working_set"), "^1$", "jumps"),
    "penalty_unbounded": (lambda: fit(penalty=derive(penalty="log(w)")), "log", "−∞"),
    "joint_loss": (lambda: fit(penalty=KSupport(2), loss="huber"), "huber", "share a budget"),
    "joint_method": (lambda: fit(penalty=KSupport(2), method="cvxpy"), "cvxpy", "share a budget"),
    "certify_intercept": (lambda: certify(X, Y, np.zeros(3), L1, 1.0, intercept=1.0), "intercept = 1", "without one"),
    "certify_intercept_nan": (
        lambda: certify(X, Y, np.zeros(3), L1, 1.0, intercept=np.nan, fit_intercept=True), "intercept = nan", "finite",
    ),
    "certify_offset": (lambda: certify(X, Y, np.zeros(3), L1, 1.0, offset=[0.0]), "offset of shape", "per row"),
    "certify_loss": (lambda: certify(X, -Y, np.zeros(3), L1, 1.0, "poisson"), "y with minimum", "every y ≥ 0"),
    "certify_lam": (lambda: certify(X, Y, np.zeros(3), L1, -1.0), "lam = -1.0", "≥ 0"),
    "certify_y": (lambda: certify(X, Y[:2], np.zeros(3), L1, 1.0), "y of shape", "one number per row"),
    "cvxpy_y": (lambda: cvxpy_optimum(X, Y[:2], L1, 1.0), "y of shape", "one number per row"),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_message_names_value_rule_and_remedy(name: str) -> None:
    call, value, rule = CASES[name]
    with pytest.raises(InputError, match=rule) as caught:
        call()
    error = caught.value
    assert error.args[0] == f"{error.value}: {error.rule}; {error.remedy}."
    assert re.search(value, error.value), error.value
    assert re.search(rule, error.rule), error.rule
    assert len(error.remedy) > 3
    assert "\n" not in str(error)
    assert len(str(error)) < 300


@pytest.mark.parametrize("count", [np.int64(3), np.int32(3)])
def test_numpy_integers_are_integers(count: Any) -> None:
    assert len(trace(n_lams=count).lams) == 3


def test_a_penalty_without_closed_form_is_refused() -> None:
    with pytest.raises(InputError) as caught:
        compile_penalty(derive(dual="eta + atan(eta) + log(1 + eta)"))
    assert "closed form" in caught.value.rule


@pytest.mark.parametrize("method", ["auto", "reweighted_ridge", "proximal_gradient", "majorize_minimize", "cvxpy"])
def test_constant_columns_get_no_weight_beside_an_intercept(method: Any) -> None:
    rows = np.column_stack([X, np.full(6, 3.0), np.zeros(6)])
    s = solve(rows, Y, L1, 0.5, method=method, fit_intercept=True)
    np.testing.assert_allclose(s.coef[3:], 0.0, atol=1e-6 if method == "cvxpy" else 0)
    assert s.certificate.value <= 1e-8
    alone = solve(X, Y, L1, 0.5, fit_intercept=True)
    np.testing.assert_allclose(s.coef[:3], alone.coef, atol=1e-4 if method == "cvxpy" else 1e-8)


@pytest.mark.parametrize("method", ["auto", "proximal_gradient", "majorize_minimize", "cvxpy"])
def test_separable_classes_without_a_penalty(method: Any) -> None:
    s = solve([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1], L1, 0.0, "logistic", method)
    assert s.status is Status.DIVERGING
    assert "lam > 0" in s.status.value
    assert np.isfinite(s.coef).all()
    assert solve([[-2.0], [-1.0], [1.0], [2.0]], [0, 0, 1, 1], L1, 1e-3, "logistic", method, tol=1e-7).converged


@pytest.mark.parametrize("method", ["auto", "reweighted_ridge", "proximal_gradient", "majorize_minimize", "cvxpy"])
def test_a_tolerance_below_rounding_is_not_said_to_be_met(method: Any) -> None:
    rng = np.random.default_rng(3)
    rows = rng.standard_normal((20, 4)) * 10.0 ** (np.arange(4) / 4)
    s = solve(rows, rows[:, :2].sum(1) + rng.standard_normal(20), L1, 0.37, method=method, tol=1e-25)
    assert s.status in (Status.STALLED, Status.LIMIT)
    assert not s.converged
    assert s.certificate.value > 1e-25
    assert np.isfinite(s.coef).all()


def test_what_our_certificate_refuses_is_not_optimal(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever cvxpy says about its point: one that is wrong is STALLED, with a gap that shows it."""
    import cvxpy as cp

    original = cp.Problem.solve

    def spoilt(self: Any, *arguments: Any, **options: Any) -> Any:
        found = original(self, *arguments, **options)
        for variable in self.variables():
            variable.value = variable.value + 0.01
        return found

    monkeypatch.setattr(cp.Problem, "solve", spoilt)
    s = solve(X, Y, L1, 0.5, method="cvxpy")
    assert s.status is Status.STALLED
    assert s.certificate.value > 1e-8
    monkeypatch.undo()
    assert solve(X, Y, L1, 0.5, method="cvxpy", tol=1e-7).status is Status.OPTIMAL
