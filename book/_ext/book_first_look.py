"""The explorer of the front page: a few of the translations that chapter 2 stores, to be touched before a word is read.

    ```{first-look} notebooks/02_looking_back.ipynb
    :numbers: 27182 4711
    ```

The weights are those that the chapter's model gave when the chapter was run; nothing is computed anew.
"""

import html
import json
import re
from pathlib import Path

import nbformat
from docutils import nodes
from docutils.parsers.rst import directives
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

from attnbook.explorers import AlignmentExplorer

CAPTION = "Nobody told the network which words belong together. Chapter 2 trains it before your eyes."
STORED = re.compile(rf'data-explorer="{AlignmentExplorer.name}" data-state="([^"]*)"')


def stored_examples(notebook: Path) -> dict[int, dict]:
    """The translations that a notebook's alignment explorer holds, by number."""
    cells = nbformat.read(notebook, as_version=4).cells
    outputs = [output for cell in cells for output in cell.get("outputs", [])]
    for output in outputs:
        found = STORED.search(output.get("data", {}).get("text/html", ""))
        if found:
            return {example["number"]: example for example in json.loads(html.unescape(found[1]))["examples"]}
    raise ValueError(f"{notebook.name} shows no {AlignmentExplorer.name}")


class FirstLook(SphinxDirective):
    """An alignment explorer of the numbers named, the first one shown."""

    required_arguments = 1
    option_spec = {"numbers": directives.unchanged_required}  # noqa: RUF012 (as docutils has it)

    def run(self) -> list[nodes.Node]:
        path = Path(self.env.srcdir, self.arguments[0])
        self.env.note_dependency(str(path))
        examples = stored_examples(path)
        numbers = [int(number) for number in self.options["numbers"].split()]
        missing = [number for number in numbers if number not in examples]
        if missing:
            raise self.error(f"{path.name} has no translation of {missing}; it has {sorted(examples)}")
        explorer = AlignmentExplorer([examples[number] for number in numbers])
        explorer.caption = CAPTION
        return [nodes.raw("", f'<div class="first-look">{explorer.html()}</div>', format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("first-look", FirstLook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
