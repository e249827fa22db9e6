"""What was concluded, how, on which domain, and with which witness."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, get_args

Status = Literal["proved", "certified", "checked", "refuted", "unknown"]

MEANING: dict[Status, str] = {
    "proved": "follows from symbolic identities and inequalities that were verified",
    "certified": "enclosed by interval arithmetic on the stated domain",
    "checked": "numbers agree within the stated tolerance at the stated number of points",
    "refuted": "false: the witness shows where",
    "unknown": "could not be settled",
}

_ORDER: Final[tuple[Status, ...]] = ("proved", "certified", "checked", "unknown", "refuted")


@dataclass(frozen=True)
class Verdict:
    """The outcome of one question about a formula, a solution or a trained network.

    Parameters
    ----------
    status : {"proved", "certified", "checked", "refuted", "unknown"}
        How far the conclusion reaches.
    method : str
        How it was reached, in one phrase.
    domain : str
        Where it holds: the variables and their ranges.
    witness : mapping of str to float
        For a refutation, a point at which the statement fails.
    detail : str
        The argument or the numbers, as plain text.
    certificate : mapping, optional
        The argument as data, in the format that ``etatrick recheck`` verifies.

    Raises
    ------
    ValueError
        If a refutation comes without a witness, or the status is unknown to the library.

    Examples
    --------
    >>> Verdict("proved", "all coefficients are nonnegative", "w > 0").holds
    True
    """

    status: Status
    method: str
    domain: str = ""
    witness: Mapping[str, float] = field(default_factory=dict, hash=False)
    detail: str = ""
    certificate: Mapping[str, Any] | None = field(default=None, hash=False, repr=False, kw_only=True)

    def __post_init__(self) -> None:
        if self.status not in get_args(Status):
            raise ValueError(f"status {self.status!r} is not one of {get_args(Status)}")
        if self.status == "refuted" and not self.witness:
            raise ValueError("a refutation needs a witness")

    @property
    def holds(self) -> bool:
        """Whether the statement was proved, certified or checked."""
        return self.status in ("proved", "certified", "checked")

    @property
    def is_rigorous(self) -> bool:
        """Whether the statement was proved or certified."""
        return self.status in ("proved", "certified")

    def to_json(self) -> dict[str, Any]:
        """Return the verdict as JSON-ready data."""
        data = {
            "status": self.status,
            "method": self.method,
            "domain": self.domain,
            "witness": dict(self.witness),
            "detail": self.detail,
        }
        return data if self.certificate is None else {**data, "certificate": self.certificate}

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Verdict":
        """Rebuild a verdict from :meth:`to_json` data."""
        return cls(**data)

    @staticmethod
    def weakest(*verdicts: "Verdict") -> Status:
        """Return the status of a conclusion from several verdicts: that of its least certain premise."""
        return max((v.status for v in verdicts), key=_ORDER.index)

    def __str__(self) -> str:
        witness = ", ".join(f"{name}={value:.6g}" for name, value in self.witness.items())
        parts = [
            f"{self.status}: {self.method}",
            self.domain,
            f"witness {witness}" if witness else "",
            self.detail,
        ]
        return "; ".join(part for part in parts if part)
