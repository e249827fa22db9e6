"""Bad input: every message names the value, the rule it breaks and the remedy, as one kind of error."""

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.numerics import certify, compile_penalty, cvxpy_optimum, path, solve
from etatrick.theory import derive, penalties

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
    "X_sparse": (lambda: fit(X=__import__("scipy.sparse").sparse.eye_array(6)), "X", "real numbers"),
    "X_no_rows": (lambda: fit(X=np.zeros((0, 3)), y=[]), r"\(0, 3\)", "at least one row"),
    "X_no_columns": (lambda: fit(X=np.zeros((6, 0))), r"\(6, 0\)", "one column"),
    "X_nan": (lambda: fit(X=spoiled(X, np.nan)), "X with 1 NaN", "finite"),
    "X_inf": (lambda: fit(X=spoiled(X, np.inf)), "X with 1 NaN or infinite", "finite"),
    "y_nan": (lambda: fit(y=spoiled(Y, np.nan)), "y with 1 NaN", "finite"),
    "y_matrix": (lambda: fit(y=Y[:, None]), r"y of shape \(6, 1\)", r"\(n,\)"),
    "y_short": (lambda: fit(y=Y[:5]), r"\(6, 3\) and y of shape \(5,\)", "same number of rows"),
    "y_text": (lambda: fit(y=["a"] * 6), "y", "real numbers"),
    "weights_negative": (lambda: fit(sample_weight=-np.ones(6)), "minimum -1", "≥ 0"),
    "weights_one_negative": (lambda: fit(sample_weight=spoiled(np.ones(6), -2)), "minimum -2", "≥ 0"),
    "weights_zero": (lambda: fit(sample_weight=np.zeros(6)), "sample_weight", "not all 0"),
    "weights_short": (lambda: fit(sample_weight=np.ones(5)), r"sample_weight of shape \(5,\)", "one weight per row"),
    "weights_nan": (lambda: fit(sample_weight=spoiled(np.ones(6), np.nan)), "sample_weight with 1 NaN", "finite"),
    "weights_text": (lambda: fit(sample_weight="heavy"), "sample_weight", "real numbers|shape"),
    "lam_negative": (lambda: fit(lam=-1.0), "lam = -1.0", "≥ 0"),
    "lam_nan": (lambda: fit(lam=np.nan), "lam = nan", "finite"),
    "lam_inf": (lambda: fit(lam=np.inf), "lam = inf", "finite"),
    "lam_none": (lambda: fit(lam=None), "lam = None", "number"),
    "lam_text": (lambda: fit(lam="large"), "lam = large", "number"),
    "lam_list": (lambda: fit(lam=[1.0, 2.0]), "lam = ", "number"),
    "lam_array": (lambda: fit(lam=np.array([1.0, 2.0])), "lam = ", "number"),
    "loss": (lambda: fit(loss="absolute"), "loss = 'absolute'", "squared"),
    "method": (lambda: fit(method="magic"), "method = 'magic'", "reweighted_ridge"),
    "tol_zero": (lambda: fit(tol=0.0), "tol = 0.0", "> 0"),
    "tol_nan": (lambda: fit(tol=np.nan), "tol = nan", "> 0"),
    "tol_negative": (lambda: fit(tol=-1e-3), "tol = -0.001", "> 0"),
    "tol_text": (lambda: fit(tol="tight"), "tol = tight", "> 0"),
    "tol_none": (lambda: fit(tol=None), "tol = None", "> 0"),
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
    "path_ridge": (lambda: trace(penalty=penalties["ridge"](c=1)), r"w\*\*2", "no λ"),
    "path_lams_empty": (lambda: trace(lams=[]), "lams", "one λ|shape"),
    "path_lams_matrix": (lambda: trace(lams=[[1.0, 2.0]]), "lams", "one λ|shape"),
    "path_lams_scalar": (lambda: trace(lams=1.0), "lams", "one λ|shape"),
    "path_lams_text": (lambda: trace(lams=["a"]), "lam", "number"),
    "path_lams_nan": (lambda: trace(lams=[1.0, np.nan]), "lam", "finite"),
    "path_lams_negative": (lambda: trace(lams=[1.0, -2.0]), "lam = -2.0", "≥ 0"),
    "certify_lam": (lambda: certify(X, Y, np.zeros(3), L1, -1.0), "lam = -1.0", "≥ 0"),
    "certify_y": (lambda: certify(X, Y[:2], np.zeros(3), L1, 1.0), "y of shape", "same number of rows"),
    "cvxpy_y": (lambda: cvxpy_optimum(X, Y[:2], L1, 1.0), "y of shape", "same number of rows"),
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
