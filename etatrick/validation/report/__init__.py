"""The ledger of claims as files: one self-contained page, a versioned JSON document, and the figures.

Start at :func:`write_report`.  ``document`` holds the JSON, ``figures`` the drawings, ``page`` the HTML,
``mathml`` and ``wording`` how formulas, text and numbers appear in it, ``files`` how bytes reach the disk.
"""

from etatrick.validation.files import prepare
from etatrick.validation.report.document import schema
from etatrick.validation.report.render import ReportFiles, write_report

__all__ = ["ReportFiles", "prepare", "schema", "write_report"]
