"""Turn formulas into MathML while the book is built, so that a page needs no script to show them.

The browser lays MathML out by itself. What it needs beside it is a font with mathematical metrics: `book_bundle` cuts
that down to the characters that the book uses.
"""

import html

from docutils import nodes
from math_core import LatexError, LatexToMathML
from sphinx.application import Sphinx
from sphinx.locale import _
from sphinx.util import logging
from sphinx.util.math import get_node_equation_number
from sphinx.writers.html5 import HTML5Translator

logger = logging.getLogger(__name__)
converter = LatexToMathML(fancy_error=False)


def mathml(node: nodes.math | nodes.math_block, *, display: bool) -> str:
    """A formula as MathML, with its TeX source as the alternative text.

    The source is an attribute and not an annotation: annotations count as text, and turn up in search results.
    """
    tex = node.astext().strip()
    try:
        formula = converter.convert_with_local_state(tex, displaystyle=display)
    except LatexError as error:
        logger.warning("formula not understood: %s (%s)", tex, error, location=node, type="formula")
        return ""
    return formula.replace("<math", f'<math alttext="{html.escape(tex)}"', 1)


def visit_math(self: HTML5Translator, node: nodes.math) -> None:
    self.body.append(mathml(node, display=False))
    raise nodes.SkipNode


def visit_displaymath(self: HTML5Translator, node: nodes.math_block) -> None:
    self.body.append(self.starttag(node, "div", CLASS="math"))
    # A box of its own inside, so that a formula wider than a phone scrolls and its number stays where it is.
    self.body.append(f'<div class="math-scroll">{mathml(node, display=True)}</div>')
    if node["number"]:
        self.body.append(f'<span class="eqno">({get_node_equation_number(self, node)})')
        self.add_permalink_ref(node, _("Link to this equation"))
        self.body.append("</span>")
    self.body.append("</div>\n")
    raise nodes.SkipNode


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_html_math_renderer("mathml", (visit_math, None), (visit_displaymath, None))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
