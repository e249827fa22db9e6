"""Routes made of facts: a proof whose every step must be settled, and a refutation with the statement that holds."""

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, TypeAlias, final

from etatrick.theory.verdict import Verdict
from etatrick.validation.claim import Part, Results, Route, Setting
from etatrick.validation.evidence import Finding, Formula, Table
from etatrick.validation.routes.facts import Fact

Facts: TypeAlias = Callable[[], Iterable[Fact]]
COLUMNS: Final = ("step", "verdict", "argument")


@final
@dataclass(frozen=True)
class _Gathered:
    """The run of a part: facts by group."""

    groups: tuple[tuple[str, Facts], ...]

    def __call__(self, setting: Setting) -> dict[str, Any]:
        found: dict[str, Any] = {}
        for index, (name, facts) in enumerate(self.groups):
            found[name] = [fact.to_json() for fact in facts()]
            setting.progress((index + 1) / len(self.groups))
        return found


@final
@dataclass(frozen=True)
class _Proof:
    """The conclusion of a proof: the weakest of its facts."""

    name: str
    domain: str

    def __call__(self, results: Results) -> Finding:
        facts = [Fact.from_json(entry) for entry in results[self.name]["facts"]]
        verdict = _joined(facts, self.domain)
        counts = [(s, sum(f.outcome.status == s for f in facts)) for s in ("proved", "certified", "checked")]
        parts = ", ".join(f"{count} {status}" for status, count in counts if count)
        summary = f"Steps: {parts}." if verdict.holds else f"Not settled: {verdict}."
        return Finding(
            verdict.status, verdict.method, verdict.domain, verdict.witness, verdict.detail, summary=summary,
            formulas=_formulas(facts), tables=(_table("Steps", facts),), data=results[self.name],
        )  # fmt: skip


@final
@dataclass(frozen=True)
class _Refutation:
    """The conclusion of a refutation: what was stated fails, and what holds instead."""

    name: str
    domain: str

    def __call__(self, results: Results) -> Finding:
        stated, instead = ([Fact.from_json(entry) for entry in results[self.name][key]] for key in ("stated", "holds"))
        failed = next((fact for fact in stated if fact.outcome.status == "refuted"), None)
        corrected = _joined(instead, self.domain)
        formulas = (*_formulas(stated, "as stated: "), *_formulas(instead, "what holds: "))
        tables = (_table("As stated", stated), _table("What holds instead", instead))
        if failed is None:
            return Finding("unknown", "no counterexample was found", self.domain, formulas=formulas, tables=tables,
                           summary="The statement was not refuted.", data=results[self.name])  # fmt: skip
        found = failed.outcome
        place = ", ".join(f"{name} = {value:.6g}" for name, value in found.witness.items())
        where = f", at {place}" if failed.wanted == "holds" else ": what should fail holds"
        return Finding(
            "refuted", found.method, found.domain or self.domain, found.witness,
            f"The corrected statement is {corrected.status}: {corrected.method}. {corrected.detail}".strip(),
            summary=f"False as stated{where}; what holds instead is {corrected.status}.",
            formulas=formulas, tables=tables, data=results[self.name],
        )  # fmt: skip


def proof(facts: Facts, domain: str, *, seconds: float = 1.0, name: str = "proof") -> Route:
    """Return the route that settles a statement by facts, all of which it needs.

    Parameters
    ----------
    facts : callable
        Takes nothing and returns the steps; a function of a module, so that it can be sent to another process. It
        imports what it needs when it is called.
    domain : str
        Where the statement is meant to hold.
    seconds : float
        A rough cost.
    name : str
        The part's key within the claim.

    Returns
    -------
    Route
        Its finding has the status of the least certain step; a step that is refuted refutes.

    Examples
    --------
    >>> from etatrick.theory import w
    >>> from etatrick.validation.claim import Setting
    >>> from etatrick.validation.routes.facts import equal
    >>> route = proof(lambda: [equal(w*(w + 1), w**2 + w, "expanded")], "w > 0")
    >>> route.conclude({"proof": route.parts[0].run(Setting())}).status
    'proved'
    """
    part = Part(name, "derive and prove", _Gathered((("facts", facts),)), seconds)
    return Route((part,), _Proof(name, domain))


def refutation(stated: Facts, holds: Facts, domain: str, *, seconds: float = 1.0, name: str = "refutation") -> Route:
    """Return the route that refutes a statement by a witness, and settles the one that holds instead.

    Parameters
    ----------
    stated : callable
        Returns the statement as facts; at least one must be refuted.
    holds : callable
        Returns what does hold, as facts; at least one.
    domain : str
        Where.
    seconds : float
        A rough cost.
    name : str
        The part's key within the claim.

    Returns
    -------
    Route
        Its finding is *refuted* with the witness, or *unknown* if nothing that was stated failed.

    Examples
    --------
    >>> from etatrick.theory import w
    >>> from etatrick.validation.claim import Setting
    >>> from etatrick.validation.routes.facts import at_least, equal
    >>> route = refutation(lambda: [equal((w + 1)**2, w**2 + 1, "stated")],
    ...                    lambda: [at_least((w + 1)**2, w**2 + 1, "a bound")], "w > 0")
    >>> found = route.conclude({"refutation": route.parts[0].run(Setting())})
    >>> found.status, found.detail[:34]
    ('refuted', 'The corrected statement is proved:')
    """
    part = Part(name, "look for a counterexample", _Gathered((("stated", stated), ("holds", holds))), seconds)
    return Route((part,), _Refutation(name, domain))


def _joined(facts: Sequence[Fact], domain: str) -> Verdict:
    """Return the verdict on all facts together."""
    if not facts:
        return Verdict("unknown", "no step was made", domain)
    outcomes = [fact.outcome for fact in facts]
    status = Verdict.weakest(*outcomes)
    index = next(k for k, outcome in enumerate(outcomes) if outcome.status == status)
    worst = outcomes[index]
    if worst.holds:
        steps = f"{len(facts)} steps, the least certain one {status}" if len(facts) > 1 else f"one step, {status}"
        return Verdict(status, steps, domain)
    return Verdict(status, f"{facts[index].caption}: {worst.method}", worst.domain or domain, worst.witness,
                   worst.detail)  # fmt: skip


def _formulas(facts: Sequence[Fact], prefix: str = "") -> tuple[Formula, ...]:
    return tuple(Formula(fact.latex, f"{prefix}{fact.caption}, {fact.outcome.status}") for fact in facts)


def _table(caption: str, facts: Sequence[Fact]) -> Table:
    rows = tuple(
        (fact.caption, fact.outcome.status, "; ".join(filter(None, (fact.outcome.method, fact.outcome.detail))))
        for fact in facts
    )
    return Table(caption, COLUMNS, rows)


__all__ = ["Facts", "proof", "refutation"]
