"""Read ``|w|`` in docstrings as an absolute value, where reStructuredText sees a substitution."""

from re import Match
from typing import Any

from docutils.parsers.rst.states import Inliner
from sphinx.application import Sphinx


def bar(inliner: Inliner, match: Match[str], lineno: int) -> tuple[str, list[Any], str, list[Any]]:
    """Take the bar as text: what comes before it with the bar, no nodes, what comes after, no messages."""
    end = match.end("start")
    return match.string[:end], [], match.string[end:], []


def setup(app: Sphinx) -> dict[str, bool]:
    """Replace what docutils does at a bar."""
    Inliner.dispatch["|"] = bar
    return {"parallel_read_safe": True, "parallel_write_safe": True}
