"""`recheck`: certificates from a file or in memory, every one put to the checker, and a report of what held."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError
from etatrick.validation.checker import MEANING, Subject
from etatrick.validation.formula_trees import DIGITS, FailedError, require

BYTES: Final = 2_000_000
STATUS: Final = ("proved", "certified", "refuted", "checked", "unknown")


@final
@dataclass(frozen=True)
class Result:
    """What became of one verdict: its claimed status, the outcome, and the reason of a rejection."""

    status: str
    outcome: Literal["confirmed", "rejected", "not checked"]
    reason: str = ""


@final
@dataclass(frozen=True)
class Report:
    """The results by name of verdict; "forms" tells whether the forms belong together."""

    results: Mapping[str, Result]

    @property
    def ok(self) -> bool:
        """Whether nothing was rejected and every proved, certified or refuted verdict was confirmed."""
        idle = {(status, "not checked") for status in ("checked", "unknown")}
        return all(r.outcome == "confirmed" or (r.status, r.outcome) in idle for r in self.results.values())


def recheck_file(path: str | Path) -> Report:
    """Check a file of certificates as :func:`recheck` does; raise InputError also if it cannot be read."""
    try:
        data = json.loads(Path(path).read_text(encoding="utf-8")[: BYTES + 1])
    except (OSError, RecursionError, ValueError) as error:
        raise InputError(str(path), f"is no readable JSON: {error}", "pass a file of certificates") from None
    return recheck(data)


def recheck(data: Mapping[str, Any]) -> Report:
    """Check every certificate against the forms it is about and against the meaning of its condition.

    Raises InputError if the data is malformed, of another version, or too large; nothing in it is ever executed.
    """
    try:
        with mp.workdps(DIGITS):
            data = json.loads(text := json.dumps(data))
            require(len(text) <= BYTES, "too large")
            require((data["format"], data["version"]) == ("etatrick-certificates", 1), "no certificates of version 1")
            subject = Subject(data["subject"])
            known = data["verdicts"].keys() <= MEANING.keys() and data["identities"].keys() <= subject.identities.keys()
            require(known, "a verdict of an unknown name")
            claims = [(subject.condition, *item) for item in data["verdicts"].items()]
            claims += [(subject.identity, *item) for item in data["identities"].items()]
            claims += [(subject.agree, "forms", {"status": "proved", "certificate": {}})]
            return Report({name: _result(subject, check, name, verdict) for check, name, verdict in claims})
    except (AttributeError, FailedError, LookupError, RecursionError, TypeError, ValueError) as error:
        raise InputError("the data", f"is malformed: {error!r}", "see the page on certificates") from None


def _result(subject: Subject, check: Any, name: str, verdict: Any) -> Result:
    status, certificate = verdict["status"], verdict.get("certificate")
    require(status in STATUS, f"{status} is no status")
    if certificate is None or status in ("checked", "unknown"):
        return Result(status, "not checked")
    reason = subject.objection(check, name, status == "refuted", certificate)
    return Result(status, "rejected" if reason else "confirmed", reason)
