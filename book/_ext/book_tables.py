"""Heads of tables that a screen reader can read.

A table's first head is often empty, or a formula alone. An empty one is no head: it becomes a plain cell. A formula's
gets its TeX as a name, since not every screen reader takes MathML for a text.
"""

import re

from sphinx.application import Sphinx

EMPTY = re.compile(r'<th class="head[^"]*">\s*(?:<p>\s*</p>)?\s*</th>')
FORMULA = re.compile(
    r'(?P<before><th class="head[^"]*">\s*<p>\s*)<math alttext="(?P<tex>[^"]*)"'
    r"(?P<after>(?:(?!</math>).)*</math>\s*</p>\s*</th>)",
    re.DOTALL,
)


def with_readable_heads(body: str) -> str:
    """The page's HTML with every table head either named or no head.

    >>> with_readable_heads('<th class="head"><p></p></th>')
    '<td></td>'
    """
    body = EMPTY.sub("<td></td>", body)
    return FORMULA.sub(r'\g<before><math alttext="\g<tex>" aria-label="\g<tex>"\g<after>', body)


def prepare_page(app: Sphinx, pagename: str, templatename: str, context: dict, doctree: object) -> None:
    context["body"] = with_readable_heads(context.get("body", ""))


def setup(app: Sphinx) -> dict[str, bool]:
    app.connect("html-page-context", prepare_page)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
