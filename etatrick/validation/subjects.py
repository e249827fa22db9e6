"""What is run part by part, claims and experiments alike, and where another process finds it again."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Final, final

from etatrick.errors import InputError
from etatrick.validation.claim import Absent, Claim, Part, Route

if TYPE_CHECKING:
    from etatrick.validation.experiment import Experiment

LEDGER: Final = ("ledger",)
EXPERIMENTS: Final = ("experiments",)


@final
@dataclass(frozen=True)
class Subject:
    """A claim or an experiment as the scheduler sees it.

    Parameters
    ----------
    id : str
        Unique within a run.
    routes : mapping of str to Route or Absent
        Independent of each other; so are parts, but for what one needs.
    origin : tuple of str
        ``("ledger",)``, ``("experiments",)`` or ``("file", path)``: where a worker process finds it by its id.
    parameters : mapping of str to str
        Parameters of the statement, which are part of the key of kept results.
    """

    id: str
    routes: Mapping[str, Route | Absent]
    origin: tuple[str, ...] = LEDGER
    parameters: Mapping[str, str] = field(default_factory=dict)

    def part(self, name: str) -> Part:
        """Return the part called `name`."""
        return next(part for route in self.routes.values() for part in route.parts if part.name == name)


def claim_subject(claim: Claim, origin: tuple[str, ...] = LEDGER) -> Subject:
    """Return a claim as a subject.

    Examples
    --------
    >>> from etatrick.validation import claims
    >>> claim_subject(claims["flip-side/log-sum-duality"]).part("forms").title
    'derive the four forms and prove their conditions'
    """
    return Subject(claim.id, {str(column): route for column, route in claim.routes.items()}, origin, claim.parameters)


def experiment_subject(experiment: "Experiment") -> Subject:
    """Return an experiment as a subject with one route."""
    return Subject(experiment.name, {"experiment": experiment.route}, EXPERIMENTS)


@cache
def subjects_of(origin: tuple[str, ...]) -> Mapping[str, Subject]:
    """Return the subjects of an origin by id; a user's file is run once per process.

    Parameters
    ----------
    origin : tuple of str
        As in :class:`Subject`.

    Raises
    ------
    InputError
        If there is no such origin, or a user's file has an error.
    """
    found: Sequence[Subject]
    if origin == LEDGER:
        from etatrick.validation.ledger import claims

        found = [claim_subject(claim) for claim in claims.values()]
    elif origin == EXPERIMENTS:
        from etatrick.validation.experiments.registry import reproductions

        found = [experiment_subject(experiment) for experiment in reproductions.values()]
    elif len(origin) == 2 and origin[0] == "file":
        from etatrick.validation.user_claims import claims_in

        found = [claim_subject(claim, origin) for claim in claims_in(Path(origin[1]))]
    else:
        raise InputError(" ".join(origin), "is no place of claims", "name a claim of the ledger or a file")
    return {subject.id: subject for subject in found}
