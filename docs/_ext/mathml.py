"""Render formulas as MathML at build time, so that reading the pages needs neither a script nor a network."""

import re
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number

from etatrick.validation.report.mathml import to_mathml

logger = logging.getLogger(__name__)
LINES = re.compile(r"\\(begin|end)\{(?:align|gather|gathered)\}")


def render(node: nodes.Element, display: bool) -> str:
    """Convert the LaTeX source of a math node; what cannot be converted is a warning."""
    source = re.sub(r"\n\s*\n", r"\\\\", node.astext().strip())  # an empty line begins a new line
    source = LINES.sub(r"\\\1{align*}", source)
    if r"\\" in source and r"\begin" not in source:
        source = rf"\begin{{align*}}{source}\end{{align*}}"
    formula = to_mathml(source, display)
    if formula.startswith("<code") or ">&amp;<" in formula:
        logger.warning("formula cannot be rendered: %s", source, location=node)
    return formula


def visit_math(translator: Any, node: nodes.math) -> None:
    """Write a formula within a line."""
    translator.body.append(render(node, display=False))
    raise nodes.SkipNode


def visit_math_block(translator: Any, node: nodes.math_block) -> None:
    """Write a displayed formula, with its number and a link to it if it has a label."""
    translator.body.append(translator.starttag(node, "div", CLASS="math"))
    if node["number"]:
        translator.body.append(f'<span class="eqno">({get_node_equation_number(translator, node)})')
        translator.add_permalink_ref(node, "Link to this equation")
        translator.body.append("</span>")
    translator.body.append(render(node, display=True) + "</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    """Offer the renderer to Sphinx under the name ``mathml``."""
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_math_block, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
