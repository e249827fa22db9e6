"""The catalogues: names, suggestions, domains, exact numbers, and every entry."""

import math
import pickle
from fractions import Fraction
from typing import Any

import numpy as np
import pytest
import sympy as sp

from etatrick.errors import InputError
from etatrick.theory import Parameter, penalties, strategies, w
from etatrick.theory.built import Built
from etatrick.theory.catalogue import Catalogue, Family, derive_form
from etatrick.theory.parameters import find

FAMILIES = [*penalties.values(), *strategies.values()]


def inside(parameter: Parameter) -> float:
    """Return a value within the domain of a parameter."""
    if parameter.name == "k":
        return 2
    if not math.isfinite(parameter.lower):
        return -0.5 if not math.isfinite(parameter.upper) else parameter.upper - 0.5
    return (parameter.lower + parameter.upper) / 2 if parameter.upper < math.inf else parameter.lower + 0.5


@pytest.mark.parametrize(
    ("catalogue", "name", "suggestion"),
    [
        (penalties, "log_sun", "did you mean log_sum?"),
        (penalties, "LOG_SUM", "choose one of"),
        (penalties, "l_1", "did you mean l1?"),
        (penalties, "cauchi", "did you mean cauchy?"),
        (strategies, "stand_out", "did you mean standout?"),
        (strategies, "", "choose one of"),
        (penalties, "zzzzzz", "choose one of: ridge, l1"),
    ],
)
def test_an_unknown_name_gets_a_suggestion(catalogue: Catalogue[Family], name: str, suggestion: str) -> None:
    with pytest.raises(InputError) as caught:
        catalogue[name]
    assert suggestion in str(caught.value)


@pytest.mark.parametrize("name", [None, 3, ("l1",)])
def test_a_name_that_is_no_string_is_refused(name: Any) -> None:
    with pytest.raises(InputError):
        penalties[name]


def test_a_catalogue_is_a_collection() -> None:
    assert list(penalties) == [entry.name for entry in penalties.values()]
    assert len(penalties) == len(penalties.values())
    assert "l1" in penalties
    assert "l3" not in penalties
    assert "× penalty" in repr(penalties)
    assert set(penalties) & {"ridge", "l1", "lp", "log_sum"} == {"ridge", "l1", "lp", "log_sum"}


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_entry(family: Family) -> None:
    assert family.source
    assert family.gradient in ("detached", "differentiated")
    assert len({p.name for p in family.parameters}) == len(family.parameters)
    for p in family.parameters:
        assert p.meaning
        assert p.name in p.domain
    values = {p.name: inside(p) for p in family.parameters}
    member = family(**values)
    if isinstance(family, Family):
        assert family.given in ("penalty", "eta_hat", "dual", "alpha")
        assert member.duality.parameters == ()
        assert member.duality.given == family.given
        assert not any(
            expr is not None and expr.free_symbols & {p.symbol for p in family.parameters}
            for expr in (member.duality.penalty, member.duality.eta_hat, member.duality.dual)
        )
    assert member.name.startswith(family.name)
    assert member.source == family.source
    assert member.parameters == family.parameters
    assert r"\Omega" in member.latex
    assert member._repr_latex_() is not None
    again = family(**values)
    assert member == again
    assert hash(member) == hash(again)
    assert pickle.loads(pickle.dumps(member)) == member  # noqa: S301 (our own bytes)


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_parameter_is_needed_and_known(family: Family) -> None:
    values = {p.name: inside(p) for p in family.parameters}
    with pytest.raises(InputError, match="is no parameter"):
        family(**values, nonsense=1.0)
    for p in family.parameters:
        if p.default is None:
            with pytest.raises(InputError, match=f"pass {p.name}="):
                family(**{name: value for name, value in values.items() if name != p.name})
        wrong: list[Any] = [math.nan, math.inf, -math.inf, p.lower - 1.0, p.upper + 1.0, "x", True, 1j, [1.0]]
        for bad in wrong:
            with pytest.raises(InputError):
                family(**(values | {p.name: bad}))
        for end, sign in ((p.lower, "["), (p.upper, "]")):
            if math.isfinite(end) and sign not in p.closed:
                with pytest.raises(InputError):
                    family(**(values | {p.name: end}))


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_a_family_stays_symbolic_or_says_why_not(family: Family | Built) -> None:
    if isinstance(family, Family):
        assert {s.name for s in family.duality.parameters} == {p.name for p in family.parameters}
        assert {p.name for p in family.duality.domains} == {
            p.name for p in family.parameters if p.domain != f"{p.name} > 0"
        }
    elif any(p.default is None for p in family.parameters):
        with pytest.raises(InputError, match="choose a value"):
            _ = family.duality
    else:
        assert family.duality.conditions


def test_decimals_become_exact_rationals() -> None:
    assert penalties["log_sum"](epsilon=0.1).duality.penalty == sp.log(10 * w + 1)
    assert Parameter("c").exact(0.1) == sp.Rational(1, 10)
    assert Parameter("c").exact(3) == 3
    assert Parameter("c").exact(1e-20) == sp.Rational(1, 10**20)
    assert Parameter("c").exact(np.float64(0.3)) == sp.Rational(3, 10)
    assert Parameter("c").exact(np.int64(7)) == 7
    assert Parameter("c").exact(2**70 + 1) == 2**70 + 1


def test_rationals_stay_what_they_are() -> None:
    third = sp.Rational(1, 3)
    assert Parameter("c").exact(Fraction(1, 3)) == third
    assert Parameter("c").exact(third) == third


@pytest.mark.parametrize("value", [10**400, np.bool_(True), np.array([1.0, 2.0]), sp.Symbol("v"), object()])
def test_odd_values_are_refused_politely(value: object) -> None:
    with pytest.raises(InputError):
        Parameter("c").exact(value)


@pytest.mark.parametrize(
    ("parameter", "domain", "good", "bad"),
    [
        (Parameter("c"), "c > 0", [1e-9, 5], [0, -1]),
        (Parameter("c", closed="["), "c ≥ 0", [0, 5], [-1e-9]),
        (Parameter("p", 0, 2), "0 < p < 2", [1, 1.999], [0, 2]),
        (Parameter("p", 0, 2, "]"), "0 < p ≤ 2", [2], [0, 2.0001]),
        (Parameter("p", 0, 2, "["), "0 ≤ p < 2", [0], [2]),
        (Parameter("p", -1, 1, "[]"), "-1 ≤ p ≤ 1", [-1, 0, 1], [-1.1, 1.1]),
    ],
    ids=lambda case: str(case)[:30],
)
def test_domains(parameter: Parameter, domain: str, good: list[float], bad: list[float]) -> None:
    assert parameter.domain == domain
    for value in good:
        assert parameter.exact(value) == sp.Rational(repr(value))
    for value in bad:
        with pytest.raises(InputError, match="the rule is"):
            parameter.exact(value)


@pytest.mark.parametrize("parameter", [Parameter("c"), Parameter("p", 0, 2), Parameter("q", 1, 4, "[]")])
def test_the_suggested_value_is_valid(parameter: Parameter) -> None:
    with pytest.raises(InputError) as caught:
        parameter.exact(-7)
    suggested = str(caught.value).rsplit("=", 1)[1].rstrip(".")
    assert parameter.exact(float(suggested)) > 0


def test_find_lists_what_there_is() -> None:
    a = sp.Symbol("a", positive=True)
    assert find("a", [a]) is a
    with pytest.raises(InputError, match="free parameters are: none"):
        find("a", [])


def test_derivations_are_shared() -> None:
    first = penalties["log_sum"](epsilon=0.5).duality
    assert derive_form("penalty", sp.log(1 + 2 * w), ()) == first
    assert penalties["log_sum"](epsilon=0.5).duality is first


def test_a_parameter_has_the_name_that_the_literature_gives_it() -> None:
    assert penalties["mcp"](gamma=3).duality == penalties["mcp"](A=3).duality
    with pytest.raises(InputError, match="gamma"):
        penalties["mcp"](A=3, gamma=3)
    with pytest.raises(InputError, match="is no parameter"):
        penalties["l1"](gamma=3)
