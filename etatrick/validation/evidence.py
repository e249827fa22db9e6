"""What settling a claim yields: findings with formulas, tables, figures and data, as JSON-ready records."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal, final

from etatrick.theory.verdict import Verdict

ColumnName = Literal["derived", "solved", "observed"]
COLUMNS: Final[tuple[ColumnName, ...]] = ("derived", "solved", "observed")
NOT_ATTEMPTED: Final = "not attempted"
FAILING: Final = ("refuted", "corrected")  # relations of statements that fail as published
Cell = str | float | int | bool | None


@final
@dataclass(frozen=True)
class Formula:
    """A formula in LaTeX (no dollar signs) and the words that say what it is."""

    latex: str
    caption: str


@final
@dataclass(frozen=True)
class Table:
    """A small table: a caption, column heads, and rows of cells (numbers, words or None)."""

    caption: str
    columns: tuple[str, ...]
    rows: tuple[tuple[Cell, ...], ...]


@final
@dataclass(frozen=True)
class Picture:
    """A figure to draw: its name in the figure catalogue, a caption, and the text that stands in for it."""

    name: str
    caption: str
    alt: str


@final
@dataclass(frozen=True)
class Finding(Verdict):
    """A verdict together with what a reader needs to judge it.

    Parameters
    ----------
    status, method, domain, witness, detail
        As in :class:`~etatrick.theory.verdict.Verdict`.
    summary : str
        One sentence with the figures that decided.
    formulas, tables, pictures : tuple
        What the report shows, in this order.
    data : mapping
        JSON-ready numbers from which every picture and table can be drawn again.
    """

    summary: str = ""
    formulas: tuple[Formula, ...] = ()
    tables: tuple[Table, ...] = ()
    pictures: tuple[Picture, ...] = ()
    data: Mapping[str, Any] = field(default_factory=dict)

    @property
    def attempted(self) -> bool:
        """Whether the claim takes this route."""
        return self.method != NOT_ATTEMPTED

    @property
    def label(self) -> str:
        """The status, or ``absent`` where the claim does not take this route."""
        return self.status if self.attempted else "absent"

    def to_json(self) -> dict[str, Any]:
        """Return the finding as JSON-ready data."""
        return {
            **Verdict.to_json(self),
            "summary": self.summary,
            "formulas": [vars(formula) for formula in self.formulas],
            "tables": [
                {"caption": t.caption, "columns": list(t.columns), "rows": [list(row) for row in t.rows]}
                for t in self.tables
            ],
            "pictures": [vars(picture) for picture in self.pictures],
            "data": dict(self.data),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Finding":
        """Rebuild a finding from :meth:`to_json` data."""
        rest = {k: v for k, v in data.items() if k not in ("formulas", "tables", "pictures")}
        return cls(
            **rest,
            formulas=tuple(Formula(**entry) for entry in data["formulas"]),
            tables=tuple(
                Table(t["caption"], tuple(t["columns"]), tuple(tuple(row) for row in t["rows"])) for t in data["tables"]
            ),
            pictures=tuple(Picture(**entry) for entry in data["pictures"]),
        )


@final
@dataclass(frozen=True)
class Evidence:
    """One entry of the ledger: a claim with its three findings.

    Parameters
    ----------
    claim, title, statement, source, relation : str
        The claim's id, title, statement (LaTeX inside ``$…$`` within plain text), source, and relation.
    parameters : mapping of str to str
        The parameters of the statement and their domains.
    level : {"quick", "full"}
        The effort spent.
    derived, solved, observed : Finding
        How each route settled it.
    seconds : mapping of str to float
        Wall time spent per part (0 where a stored result was used).
    tolerance, corrected : str
        The tolerance class in words; for a statement that fails, the one that does hold.
    """

    claim: str
    title: str
    statement: str
    source: str
    relation: str
    parameters: Mapping[str, str]
    level: str
    derived: Finding
    solved: Finding
    observed: Finding
    seconds: Mapping[str, float] = field(default_factory=dict)
    tolerance: str = ""
    corrected: str = ""

    @property
    def findings(self) -> dict[ColumnName, Finding]:
        """The three findings by column name."""
        return {"derived": self.derived, "solved": self.solved, "observed": self.observed}

    @property
    def holds(self) -> bool:
        """Whether every route that the claim takes bears out its relation, and it takes at least one.

        That is a positive verdict, or, where the relation says that the statement fails, a refutation.
        """
        taken = [finding for finding in self.findings.values() if finding.attempted]
        if self.relation in FAILING:
            return bool(taken) and all(finding.status == "refuted" for finding in taken)
        return bool(taken) and all(finding.holds for finding in taken)

    def to_json(self) -> dict[str, Any]:
        """Return the entry as JSON-ready data."""
        return {
            **{k: getattr(self, k) for k in ("claim", "title", "statement", "source", "relation", "level")},
            "parameters": dict(self.parameters),
            "tolerance": self.tolerance,
            "corrected": self.corrected,
            "holds": self.holds,
            **{name: finding.to_json() for name, finding in self.findings.items()},
            "seconds": dict(self.seconds),
        }

    @classmethod
    def from_json(cls, data: Mapping[str, Any]) -> "Evidence":
        """Rebuild an entry from :meth:`to_json` data."""
        rest = {k: v for k, v in data.items() if k not in (*COLUMNS, "holds")}
        derived, solved, observed = (Finding.from_json(data[name]) for name in COLUMNS)
        return cls(**rest, derived=derived, solved=solved, observed=observed)
