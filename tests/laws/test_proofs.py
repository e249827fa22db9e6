"""The certificates of every entry of the catalogues, checked again by code that shares nothing with the prover."""

import json

import pytest

from etatrick.theory import penalties, strategies
from etatrick.theory.catalogue import Family
from etatrick.theory.certificates import certificates
from etatrick.validation.recheck import recheck

FAMILIES = [f for f in (*penalties.values(), *strategies.values()) if isinstance(f, Family)]


@pytest.mark.parametrize("family", FAMILIES, ids=lambda family: family.name)
def test_every_proof_of_the_catalogue_is_confirmed(family: Family) -> None:
    data = json.loads(json.dumps(certificates(family.duality)))
    report = recheck(data)
    rejected = {name: result.reason for name, result in report.results.items() if result.outcome == "rejected"}
    assert rejected == {}
    claimed = {
        n
        for n, v in {**data["verdicts"], **data["identities"]}.items()
        if v["status"] in ("proved", "certified", "refuted")
    }
    assert claimed <= {name for name, result in report.results.items() if result.outcome == "confirmed"}
    assert report.ok
