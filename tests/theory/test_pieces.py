"""Functions in pieces: signs on each piece, jumps where they meet, and witnesses that can be re-evaluated."""

import pytest
import sympy as sp

from etatrick.theory import derive, penalties, w
from etatrick.theory.growth import prove_growth
from etatrick.theory.pieces import pieces

HUBER = "Piecewise((w**2/2, w <= 1), (w - 1/2, True))"


def test_pieces_run_from_left_to_right() -> None:
    found = pieces(sp.Piecewise((w, w < 1), (2 * w, w <= 3), (5, True)))
    assert found is not None
    assert [(p.lower, p.upper) for p in found] == [(0, 1), (1, 3), (3, sp.oo)]


@pytest.mark.parametrize(
    ("expr", "status"),
    [
        (sp.Piecewise((w, w <= 1), (1, True)), "proved"),
        (sp.Piecewise((w, w <= 1), (sp.oo, True)), "proved"),
        (sp.Piecewise((w, w <= 1), (w + 1, True)), "proved"),
        (sp.Piecewise((w, w <= 1), (w - sp.Rational(1, 2), True)), "refuted"),
        (sp.Piecewise((w, w <= 1), (2 - w, True)), "refuted"),
        (sp.Piecewise((sp.oo, w <= 1), (w, True)), "refuted"),
    ],
    ids=str,
)
def test_growth_sees_slopes_and_jumps(expr: sp.Expr, status: str) -> None:
    verdict = prove_growth(expr)
    if status == "proved":
        assert verdict.status == "proved"
    else:
        assert verdict.status != "proved"


def test_huber_is_convex_and_not_concave_with_a_point_to_show() -> None:
    conditions = derive(penalty=HUBER).conditions
    assert conditions["convex"].status == "proved"
    assert conditions["concave"].status == "refuted"
    assert 0 < conditions["concave"].witness["w"] < 1


def test_a_kink_upwards_is_not_subquadratic() -> None:
    assert derive(penalty="Piecewise((w, w <= 1), (3*w - 2, True))").conditions["subquadratic"].status == "refuted"


def test_capped_l1_retains_large_weights_for_sure() -> None:
    duality = derive(penalty="min(w, 1)")
    assert duality.conditions["monotone"].status == "proved"
    assert float(duality.alpha_at(2.0, 0.5)) == 1.0
    assert penalties["l1"](k=1).duality.conditions["monotone"].status == "proved"
