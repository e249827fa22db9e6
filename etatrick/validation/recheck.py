"""Checks certificates again by numbers, intervals and a solver; shares no code with the prover."""

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from pathlib import Path
from typing import Any, Final, Literal, final

from mpmath import mp

from etatrick.errors import InputError
from etatrick.validation.recheck_kinds import Fact, facts_of, pieces_of
from etatrick.validation.recheck_signs import degree
from etatrick.validation.recheck_subject import NEEDED, Subject
from etatrick.validation.recheck_terms import DIGITS, FailedError, bad, entry, inside, spot, value_of

BYTES: Final = 10_000_000  # the largest file
GROWTH: Final = {
    "subquadratic": "eta_hat", "monotone": "eta_hat", "convex": "slope", "concave": "-slope",
    "continuous_prox": "w+slope", "canonical": "reach",
}  # fmt: skip
LIMITS: Final = {  # condition: of, end, the values that prove it, the values that refute it
    "integrable": ("penalty", "0", ("zero", "positive", "finite"), ("infinite",)),
    "bounded": ("penalty", "oo", ("zero", "positive", "finite"), ("infinite",)),
    "exact_zeros": ("slope", "0", ("positive", "infinite"), ("zero",)),
    "unbiased": ("slope", "oo", ("zero",), ("positive", "infinite")),
}


@final
@dataclass(frozen=True)
class Result:
    """What became of one verdict: its claimed status, the outcome, and the reason where there is one."""

    status: str
    outcome: Literal["confirmed", "rejected", "not checked"]
    reason: str = ""


@final
@dataclass(frozen=True)
class Report:
    """The results by name of verdict; "forms" is the consistency of the subject's forms with each other.

    Examples
    --------
    >>> Report({"convex": Result("proved", "not checked", "no certificate")}).ok
    False
    """

    results: Mapping[str, Result]

    @property
    def ok(self) -> bool:
        """Whether nothing was rejected and every proved, certified or refuted verdict was confirmed."""
        return all(r.outcome == "confirmed" or (r.outcome == "not checked" and r.status in ("checked", "unknown"))
                   for r in self.results.values())  # fmt: skip


def recheck_file(path: str | Path) -> Report:
    """Check a file of certificates; see :func:`recheck`.

    Raises
    ------
    InputError
        If the file cannot be read, is too large, or is no JSON.
    """
    try:
        if Path(path).stat().st_size > BYTES:
            raise InputError(str(path), "is larger than 10 MB", "check a smaller file")
        return recheck(json.loads(Path(path).read_text(encoding="utf-8")))
    except (OSError, UnicodeDecodeError, json.JSONDecodeError, RecursionError) as error:
        raise InputError(str(path), f"is no readable JSON: {error}", "pass a file of certificates") from None
    except ValueError as error:
        if isinstance(error, InputError):
            raise
        raise InputError(str(path), f"is no readable JSON: {error}", "pass a file of certificates") from None


def recheck(data: Mapping[str, Any]) -> Report:
    """Check every certificate against the forms it is about and against the meaning of its condition.

    The growing function is computed afresh from the forms alone; claimed derivatives, jumps, limits and
    identities are compared with it in 120 digits at seeded points; signs are read off again, covered by
    intervals, or put to cvc5. See the page on certificates for what each kind has to show.

    Parameters
    ----------
    data : mapping
        The content of a file of certificates, format version 1.

    Returns
    -------
    Report

    Raises
    ------
    InputError
        If the data is malformed, of another version, or larger than the limits; nothing in it is ever executed.

    Examples
    --------
    >>> forms = {"penalty": "w", "eta_hat": "w", "dual": None, "alpha": None}
    >>> limit = {"kind": "limit", "of": "slope", "end": "0", "value": 1}
    >>> verdict = {"status": "proved", "certificate": limit}
    >>> subject = {"given": "penalty", "parameters": [], "jump": 0, **forms}
    >>> file = {"format": "etatrick-certificates", "version": 1, "subject": subject}
    >>> recheck({**file, "verdicts": {"exact_zeros": verdict}, "identities": {}}).ok
    True
    """
    try:
        json.dumps(data)
    except (TypeError, ValueError, RecursionError):
        raise bad("the data", "is no JSON, or nested too deeply", "pass what was read from a file") from None
    if entry(data, "format", str) != "etatrick-certificates" or entry(data, "version", int) != 1:
        raise bad(data["format"], "must be etatrick-certificates, version 1", "write the file again")
    subject = Subject.read(entry(data, "subject", Mapping))
    results = {"forms": _result(subject, "proved", lambda: subject.require_agreement())}
    for group, settle in (("verdicts", _condition), ("identities", _identity)):
        for name, verdict in entry(data, group, Mapping).items():
            status, certificate = entry(verdict, "status", str), verdict.get("certificate")
            if status not in ("proved", "certified", "checked", "refuted", "unknown"):
                raise bad(status, "is no status", "use proved, certified, checked, refuted or unknown")
            if certificate is None or status in ("checked", "unknown"):
                results[name] = Result(status, "not checked", "" if certificate else "no certificate")
            else:
                results[name] = _result(subject, status, partial(settle, subject, name, status, certificate))
    return Report(results)


def _result(s: Subject, status: str, check: Callable[[], None]) -> Result:
    s.restart()
    try:
        with mp.workdps(DIGITS):
            check()
    except (FailedError, ArithmeticError) as error:
        return Result(status, "rejected", str(error))
    return Result(status, "confirmed")


# --- meanings -----------------------------------------------------------------------------------------------------


def _condition(s: Subject, name: str, status: str, certificate: Any) -> None:
    """Require that what the certificate establishes is what the condition means."""
    facts = facts_of(s, certificate)
    holds = status != "refuted"
    if name in GROWTH:
        strict = name == "continuous_prox"
        shown = _grows(s, name, facts, strict) if holds else _falls(s, name, facts, strict)
    elif name in LIMITS:
        of, end, proving, refuting = LIMITS[name]
        values = {fact[3] for fact in facts if fact[:3] == ("limit", of, end)}
        shown = bool(values & set(proving if holds else refuting))
        if name == "exact_zeros":
            shown = shown or ("jump",) in facts if holds else shown and s.jump == 0
    else:
        raise FailedError("no such condition")
    if not shown:
        raise FailedError(f"this certificate does not show that {name} is {status}")


def _grows(s: Subject, name: str, facts: set[Fact], strict: bool) -> bool:
    of = GROWTH[name]
    if name in ("convex", "continuous_prox") and s.jump != 0:
        raise FailedError("the penalty jumps at 0")
    if name == "convex" and any(s.at(of, env, mp.mpf("1e-30")) < 0 for env in s.draws(4)):
        raise FailedError("the slope at 0 is negative")
    if name == "canonical" and s.forms["dual"] is not None:
        s.require_rising("reach")
    return ("growth", of, "strict") in facts or (not strict and ("growth", of, "") in facts)


def _falls(s: Subject, name: str, facts: set[Fact], strict: bool) -> bool:
    of = GROWTH[name]
    jumps = name in ("convex", "continuous_prox") and ("jump",) in facts
    return jumps or ("falls", of) in facts or (strict and ("stays", of) in facts)


def _identity(s: Subject, name: str, status: str, certificate: Any) -> None:
    """Require an identity at many points of every piece, and a residual that vanishes there."""
    if status == "refuted" or name not in NEEDED or entry(certificate, "kind", str) != "identity":
        raise FailedError(f"this certificate does not show that {name} is {status}")
    if any(s.forms[form] is None for form in NEEDED[name]):
        raise FailedError(f"{name} is about a form that the subject does not have")
    pieces = pieces_of(s, certificate, "residual")
    if certificate.get("degree") is not None:
        entry(certificate, "degree", int)
    counts = [1 + (degree(residual) or (0, 0))[0] for *_, residual, _ in pieces]
    if max(counts, default=0) > 400:
        raise FailedError("the degree of a residual is too large to test it")
    for env in s.draws(3, seed=2):
        env = {**env, "lambda": mp.mpf(10) ** mp.mpf(len(env)) / 7}
        bounds = [(value_of(low, env), value_of(high, env)) for low, high, *_ in pieces]
        for (low, high), (*_, residual, _), count in zip(bounds, pieces, counts, strict=True):
            if not 0 <= low < high:
                raise FailedError("a piece is empty or reaches below 0")
            for x in inside(low, high, max(32, count), 2):
                s.require_identity(name, env, x)
                left = value_of(residual, {**env, "w": x})
                if abs(left) > mp.mpf("1e-60") * (1 + x * x):
                    raise FailedError(f"the residual is {mp.nstr(left, 6)} at {spot({**env, 'w': x})}")
        gaps = [(a, b) for (_, a), (b, _) in pairwise([(mp.mpf(0),) * 2, *bounds, (mp.inf,) * 2]) if a != b]
        for low, high in gaps:
            if not low < high or not all(s.silent(name, env, x) for x in inside(low, high, 8, 3)):
                raise FailedError(f"the pieces leave out {mp.nstr(low, 8)} to {mp.nstr(high, 8)} ({spot(env)})")
