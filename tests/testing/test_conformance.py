"""The conformance tests that users run: they pass what is fit, and name everything that is wrong with the rest."""

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from etatrick.testing import check_claim, check_penalty, penalty_cases
from etatrick.theory import derive, penalties
from etatrick.validation.claim import Absent, Claim, Part, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Picture, Table


def work(setting: Setting) -> dict[str, Any]:
    return {"x": 1.0}


def finding(**more: Any) -> Finding:
    return Finding(**{"status": "checked", "method": "by hand", "summary": "done", **more})


def route(run: Any = work, found: Finding | None = None) -> Route:
    return Route((Part("a", "do a", run),), lambda results: found or finding(data=results))


FIT = Claim("me/fit", "Fit", "For $w>0$, $w^2=w^2$.", "me, eq. 1", "equal", route(), Absent("no numbers"),
            Absent("no network"), {"w": "w > 0"})  # fmt: skip


def test_a_fit_claim_passes_and_returns_its_evidence() -> None:
    evidence = check_claim(FIT)
    assert (evidence.claim, evidence.derived.status, evidence.solved.status) == ("me/fit", "checked", "unknown")


def test_a_claim_that_is_false_is_fit_too() -> None:
    assert not check_claim(replace(FIT, derive=route(found=finding(status="refuted", witness={"w": 1.0})))).holds


UNFIT = {
    "id": (replace(FIT, id="mine"), "the id is not"),
    "id with two slashes": (replace(FIT, id="a/b/c"), "the id is not"),
    "source": (replace(FIT, source=" "), "it has no source"),
    "title": (replace(FIT, title=""), "it has no title"),
    "relation": (replace(FIT, relation="similar"), "the relation similar"),  # type: ignore[arg-type]
    "dollars": (replace(FIT, statement="$w"), "do not pair"),
    "formula": (replace(FIT, statement=r"$\frac{1$"), "cannot be typeset"),
    "domain": (replace(FIT, parameters={"w": ""}), "has no domain"),
    "reason": (replace(FIT, solve=Absent("")), "absent without a reason"),
    "no part": (replace(FIT, solve=Route((), lambda results: finding())), "has no part"),
    "part": (replace(FIT, solve=Route((Part("b", "", work),), lambda results: finding())), "needs a name"),
    "no route": (replace(FIT, derive=Absent("no")), "no route settles it"),
    "no json": (replace(FIT, derive=route(lambda setting: {"x": {1}})), "returns what is not JSON"),
    "no dict": (replace(FIT, derive=route(lambda setting: [1])), "not a dict"),
    "summary": (replace(FIT, derive=route(found=finding(summary=""))), "no summary"),
    "method": (replace(FIT, derive=route(found=finding(method=""))), "how it was reached"),
    "pretended": (replace(FIT, derive=route(found=finding(method="not attempted"))), "nothing was attempted"),
    "witness": (replace(FIT, derive=route(found=finding(status="refuted", witness={"w": float("nan")}))), "finite"),
    "formula found": (replace(FIT, derive=route(found=finding(formulas=(Formula(r"\frac{", "f"),)))), "typeset"),
    "table": (replace(FIT, derive=route(found=finding(tables=(Table("t", ("a", "b"), ((1,),)),)))), "do not fit"),
    "picture": (replace(FIT, derive=route(found=finding(pictures=(Picture("none", "c", "a"),)))), "no figure none"),
    "alt": (replace(FIT, derive=route(found=finding(pictures=(Picture("deep-phase", "c", ""),)))), "stands in"),
    "data": (replace(FIT, derive=route(found=finding(data={"x": object()}))), "not JSON"),
}


@pytest.mark.parametrize("case", UNFIT)
def test_what_is_wrong_is_named(case: str) -> None:
    claim, words = UNFIT[case]
    with pytest.raises(AssertionError, match="is not fit for the ledger") as caught:
        check_claim(claim)
    assert words in str(caught.value)
    assert len(str(caught.value).splitlines()) == 2  # this and nothing else


def test_an_unseeded_claim_is_found_out() -> None:
    def draw(setting: Setting) -> dict[str, Any]:
        return {"x": float(np.random.default_rng().random())}

    with pytest.raises(AssertionError, match="two runs differ in the route solved"):
        check_claim(replace(FIT, derive=Absent("no"), solve=route(draw)))


@pytest.mark.parametrize("penalty", penalty_cases()[2::6], ids=lambda penalty: penalty.name)
def test_cases_of_the_catalogue_obey_the_laws(penalty: Any) -> None:
    assert check_penalty(penalty).holds


def test_there_is_a_case_for_every_family_that_is_finite_at_zero() -> None:
    named = [case.name.partition(":")[0] for case in penalty_cases()]
    assert set(penalties) - set(named) == {"log"}
    assert len(set(named)) == len(named)


def test_a_duality_passes_and_what_is_no_penalty_is_explained() -> None:
    assert check_penalty(derive(penalty="log(1+w)")).holds
    with pytest.raises(AssertionError, match=r"(?s)object is no penalty.*lacks value.*lacks slope"):
        check_penalty(object())


class Shifted:
    """Not zero at zero."""

    def value(self, w: Any) -> Any:
        return np.abs(w) + 1.0

    def slope(self, w: Any) -> Any:
        return np.ones_like(w)


def test_a_broken_law_comes_with_its_witness() -> None:
    with pytest.raises(AssertionError, match="Shifted is no penalty") as caught:
        check_penalty(Shifted())
    assert "witness" in str(caught.value)
