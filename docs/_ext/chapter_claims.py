"""List the claims of the ledger that a chapter of the theory book is about, as links to their sections.

``{claims}`` takes patterns of claim ids, e.g. ``noise/* strategies/fixed-rate``, and lists what matches in the order of
the ledger; a claim that is added to the ledger appears without a change of the chapter.
"""

from fnmatch import fnmatchcase
from typing import Any

from docutils import nodes
from ledger import escaped, label, parsed
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


class ChapterClaimsDirective(SphinxDirective):
    """Links to the claims whose ids match one of the patterns."""

    required_arguments = 1
    final_argument_whitespace = True

    def run(self) -> list[nodes.Node]:
        """Return a list of links."""
        from etatrick.validation import claims

        self.env.note_reread()  # the ledger grows
        patterns = self.arguments[0].split()
        found = [claims[name] for name in claims if any(fnmatchcase(name, pattern) for pattern in patterns)]
        links = [f"- [{escaped(claim.title)}](#{label(claim)})" for claim in found]
        return parsed(self, "\n".join(links or ["The ledger has none of them yet."]) + "\n")


def outdated(app: Sphinx, env: Any, added: set[str], changed: set[str], removed: set[str]) -> list[str]:
    """Return the pages of the ledger, which are read again whenever chapters are: links need their labels."""
    return [page for page in ("ledger", "errata") if page in env.found_docs]


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directive."""
    app.add_directive("claims", ChapterClaimsDirective)
    app.connect("env-get-outdated", outdated)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
