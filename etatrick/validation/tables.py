"""Reading a numeric table from a CSV file, with errors that name the row and the column."""

import csv
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, final

import numpy as np

from etatrick.errors import InputError

if TYPE_CHECKING:
    from numpy.typing import NDArray


@final
@dataclass(frozen=True, eq=False)
class Table:
    """Columns of numbers: `names` of the inputs, `X` (n, d) and the target `y` (n,)."""

    names: tuple[str, ...]
    X: "NDArray[np.float64]"
    y: "NDArray[np.float64]"


def read_table(path: Path, target: str) -> Table:
    r"""Read a CSV file whose first row names the columns.

    Parameters
    ----------
    path : Path
        UTF-8, comma separated, numbers only.
    target : str
        The column to predict; all others are inputs.

    Returns
    -------
    Table

    Raises
    ------
    InputError
        If the file cannot be read, a name is missing or doubled, or a cell is not a finite number.

    Examples
    --------
    >>> import tempfile
    >>> file = Path(tempfile.mkdtemp()) / "data.csv"
    >>> _ = file.write_text("a,b,y\n1,2,3\n4,5,6\n")
    >>> read_table(file, "y").X.shape
    (2, 2)
    """
    try:
        with path.open(newline="", encoding="utf-8-sig") as stream:
            rows = [row for row in csv.reader(stream) if row]
    except OSError as error:
        reason = error.strerror or type(error).__name__
        raise InputError(str(path), f"cannot be read ({reason})", "check the path of the CSV file") from None
    except (UnicodeDecodeError, csv.Error):
        raise InputError(str(path), "is not a CSV file in UTF-8", "export the table as CSV") from None
    if len(rows) < 2:
        raise InputError(str(path), "needs a row of column names and a row of numbers", "add data")
    names = [name.strip() for name in rows[0]]
    doubled = sorted({name for name in names if names.count(name) > 1})
    if doubled:
        raise InputError(doubled[0], f"names two columns of {path}", "give every column its own name")
    if target not in names:
        raise InputError(target, f"is no column of {path}", f"choose one of: {', '.join(names)}")
    if len(names) < 2:
        raise InputError(str(path), "needs a column besides the target", "add inputs")
    values = np.array([_numbers(path, line, row, names) for line, row in enumerate(rows[1:], start=2)])
    place = names.index(target)
    rest = [index for index in range(len(names)) if index != place]
    return Table(tuple(names[index] for index in rest), values[:, rest], values[:, place])


def _numbers(path: Path, line: int, row: list[str], names: list[str]) -> list[float]:
    if len(row) != len(names):
        raise InputError(f"{path}, row {line}", f"has {len(row)} cells for {len(names)} columns", "complete the row")
    numbers = []
    for name, cell in zip(names, row, strict=True):
        try:
            number = float(cell)
        except ValueError:
            number = float("nan")
        if not np.isfinite(number):
            where = f"{path}, row {line}, column {name}: {cell!r}"
            raise InputError(where, "must be a finite number", "encode, impute or remove it")
        numbers.append(number)
    return numbers
