"""Bad input to the k-support family: every message names the value, the rule and the remedy."""

import re
from collections.abc import Callable
from typing import Any

import cvxpy as cp
import numpy as np
import pytest

from etatrick.errors import InputError
from etatrick.numerics import k_support as ks

W, OMEGA, A = np.array([1.0, -2.0, 3.0]), np.array([2.0, 1.0, 0.0]), np.eye(3)[:2]

CASES: dict[str, tuple[Callable[[], Any], str, str]] = {
    "k_zero": (lambda: ks.k_support_norm(W, 0), "k = 0", "1 ≤ k ≤ 3"),
    "k_large": (lambda: ks.prox_k_support(W, 3.5, 1.0), "k = 3.5", "1 ≤ k ≤ 3"),
    "k_nan": (lambda: ks.k_support_dual_norm(W, np.nan), "k = nan", "1 ≤ k ≤ 3"),
    "k_text": (lambda: ks.k_support_eta(W, "two"), "k = 'two'", "1 ≤ k ≤ 3"),  # type: ignore[arg-type]
    "k_bool": (lambda: ks.k_support_eta(W, True), "k = True", "1 ≤ k ≤ 3"),
    "k_array": (lambda: ks.k_support_norm(W, [1, 2]), "k =", "1 ≤ k ≤ 3"),  # type: ignore[arg-type]
    "k_of_matrix": (lambda: ks.spectral_k_support_norm(A, 3), "k = 3", "1 ≤ k ≤ 2"),
    "k_of_groups": (lambda: ks.group_k_support_norm(W, [[0, 1], [2]], 3), "k = 3", "1 ≤ k ≤ 2"),
    "beta_negative": (lambda: ks.prox_k_support(W, 1, -1.0), "beta = -1.0", "≥ 0"),
    "beta_infinite": (lambda: ks.prox_k_support_dual(W, 1, np.inf), "beta = inf", "finite"),
    "beta_ordered": (lambda: ks.prox_ordered(W, OMEGA, np.nan), "beta = nan", "finite"),
    "beta_none": (lambda: ks.prox_spectral_k_support(A, 1, None), "beta = None", "finite"),  # type: ignore[arg-type]
    "empty": (lambda: ks.k_support_norm([], 1), r"w of shape \(0,\)", "length ≥ 1"),
    "scalar": (lambda: ks.k_support_norm(3.0, 1), r"w of shape \(\)", "length ≥ 1"),
    "nan": (lambda: ks.prox_k_support([1.0, np.nan], 1, 1.0), "w with 1 NaN", "finite"),
    "infinite": (lambda: ks.k_support_norm([np.inf, np.inf], 1), "w with 2 NaN or infinite", "finite"),
    "complex": (lambda: ks.k_support_norm([1j], 1), "w", "real numbers"),
    "ragged": (lambda: ks.k_support_norm([[1], [1, 2]], 1), "w", "real numbers"),
    "omega_increasing": (lambda: ks.ordered_norm(W, [1.0, 2.0, 0.0]), "omega", "must not increase"),
    "omega_negative": (lambda: ks.ordered_eta(W, [1.0, 0.0, -1.0]), "omega with minimum -1", "≥ 0"),
    "omega_zero": (lambda: ks.ordered_dual_norm(W, np.zeros(3)), "omega", "not all be 0"),
    "omega_short": (lambda: ks.prox_ordered(W, [1.0], 1.0), r"omega of shape \(1,\)", r"shape \(3,\)"),
    "omega_nan": (lambda: ks.ordered_norm(W, [np.nan, 0.0, 0.0]), "omega with 1 NaN", "finite"),
    "box_lower": (lambda: ks.box_norm(W, 0.0, 1.0, 1.0), "a = 0.0", "> 0"),
    "box_order": (lambda: ks.box_eta(W, 1.0, 1.0, 3.0), "b = 1.0", "exceed a"),
    "box_budget": (lambda: ks.prox_box(W, 0.5, 1.0, 1.0, 1.0), "c = 1.0", "between"),
    "box_above": (lambda: ks.box_dual_norm(W, 0.5, 1.0, 4.0), "c = 4.0", "between"),
    "groups_overlap": (lambda: ks.group_k_support_norm(W, [[0, 1], [1, 2]], 1), "2 groups of 4", "once"),
    "groups_gap": (lambda: ks.prox_group_k_support(W, [[0, 1]], 1, 1.0), "1 groups of 2", "once"),
    "groups_empty": (lambda: ks.group_k_support_eta(W, [[0, 1, 2], []], 1), "2 groups of 3", "nonempty"),
    "groups_none": (lambda: ks.group_k_support_eta(W, [], 1), "0 groups", "nonempty"),
    "matrix_flat": (lambda: ks.prox_spectral_k_support(W, 1, 1.0), r"A of shape \(3,\)", "matrices"),
    "matrix_empty": (lambda: ks.spectral_k_support_norm(np.zeros((0, 3)), 1), r"A of shape \(0, 3\)", "matrices"),
    "radius": (lambda: ks.project_k_support_ball(W, 1, radius=0.0), "radius = 0.0", "> 0"),
    "radius_dual": (lambda: ks.project_k_support_dual_ball(W, 1, radius=-1.0), "radius = -1.0", "> 0"),
    "cvxpy_k": (lambda: ks.cvxpy_k_support_squared(cp.Variable(3), 4), "k = 4", "1 ≤ k ≤ 3"),
    "cvxpy_matrix": (lambda: ks.cvxpy_spectral_k_support_squared(cp.Variable((2, 3)), 3), "k = 3", "1 ≤ k ≤ 2"),
    "cvxpy_omega": (lambda: ks.cvxpy_ordered_squared(cp.Variable(2), [0.0, 1.0]), "omega", "must not increase"),
}


@pytest.mark.parametrize("name", list(CASES))
def test_messages(name: str) -> None:
    call, value, rule = CASES[name]
    with pytest.raises(InputError) as caught:
        call()
    assert re.search(value, caught.value.value)
    assert re.search(rule, caught.value.rule)
    assert caught.value.remedy
