"""Write the pages of the ledger from the claims: every statement with its source, and the errata of the literature.

``{ledger}`` stands for all claims, a section each under a label ``claim-…`` that other pages link to; ``{errata}`` for
those that fail as published, with what does hold. Nothing is run: verdicts are for `etatrick verify`.
"""

import re
from typing import Any

from docutils import nodes
from docutils.statemachine import StringList
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective


def escaped(text: str) -> str:
    """Return text in which Markdown reads nothing but the formulas between dollars."""
    parts = re.split(r"(\$[^$]+\$)", re.sub(r"\s+", " ", text))
    return "".join(
        part.replace("|", r"\vert ") if at % 2 else re.sub(r"([\\`*_{}\[\]<>#|$~])", r"\\\1", part)
        for at, part in enumerate(parts)
    )


def label(claim: Any) -> str:
    """Return the label of a claim's section."""
    from etatrick.validation.report.wording import slug

    return f"claim-{slug(claim.id)}"


def section(claim: Any) -> str:
    """Return the section of a claim as Markdown."""
    from etatrick.validation.claim import Absent
    from etatrick.validation.report.wording import parameter

    routes = [name if not isinstance(route, Absent) else f"not {name}: {escaped(route.reason)}"
              for name, route in claim.routes.items()]  # fmt: skip
    lines = [f"({label(claim)})=", f"### {escaped(claim.title)}", "", escaped(claim.statement), ""]
    if claim.corrected:
        lines += [f"**What does hold.** {escaped(claim.corrected)}", ""]
    if claim.parameters:
        domains = "; ".join(escaped(parameter(name, domain)) for name, domain in claim.parameters.items())
        lines += [f"Parameters: {domains}.", ""]
    lines += [f"`{claim.id}` · {claim.relation} · {'; '.join(routes)} · {escaped(claim.source)}", ""]
    return "\n".join(lines)


class LedgerDirective(SphinxDirective):
    """All claims of the ledger, family by family."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page."""
        from etatrick.validation import claims
        from etatrick.validation.report.wording import families

        text = ""
        for heading, members in families((claims[name] for name in claims), lambda claim: str(claim.id)):
            text += f"## {heading}\n\n" + "\n".join(section(claim) for claim in members) + "\n"
        return parsed(self, text)


class ErrataDirective(SphinxDirective):
    """The claims that fail as published, with the statement that does hold."""

    def run(self) -> list[nodes.Node]:
        """Return the nodes of the page."""
        from etatrick.validation import claims
        from etatrick.validation.evidence import FAILING

        lines = []
        for claim in (claims[name] for name in claims):
            if claim.relation in FAILING:
                holds = escaped(claim.corrected) or "The negation; see the witness."
                lines += [f"[{escaped(claim.title)}](#{label(claim)})"]
                lines += [f": *As stated.* {escaped(claim.statement)}", ""]
                lines += [f": *What holds.* {holds}", "", f": *Where.* {escaped(claim.source)}", ""]
        return parsed(self, "\n".join(lines) + "\n")


def parsed(directive: SphinxDirective, text: str) -> list[nodes.Node]:
    """Return Markdown as nodes of the page."""
    page = nodes.section()
    page.document = directive.state.document
    directive.state.nested_parse(
        StringList(text.splitlines(), source="ledger"), directive.content_offset, page, match_titles=True
    )
    return list(page.children)


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the directives."""
    app.add_directive("ledger", LedgerDirective)
    app.add_directive("errata", ErrataDirective)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
