"""The map of the chapters: each with an arc back to those that it needs, read off the chapters' own openings.

```{chapter-map}
```
"""

import html
import re
from pathlib import Path

from book_teaching import Chapter, chapters
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

LINE = 34  # pixels from one chapter to the next; the style sheet's --line
WIDTH = 84  # pixels for the arcs; the style sheet's --arcs


def needed(text: str) -> list[int]:
    """The chapters that the first sentence of a chapter's prerequisites names.

    >>> needed("chapter 2 and what chapters 5 to 7 built, and rollout from chapter 9. Chapter 8 helps")
    [2, 5, 6, 7, 9]
    """
    numbers: set[int] = set()
    for group in re.findall(r"chapters? (\d+(?:(?:, | and | to )\d+)*)", text.split(". ")[0]):
        for first, last in re.findall(r"(\d+)(?: to (\d+))?", group):
            numbers.update(range(int(first), int(last or first) + 1))
    return sorted(numbers)


def arcs(number: int, sources: list[int]) -> str:
    """The arcs of a chapter as a drawing whose last line is the chapter's own."""
    if not sources:
        return ""
    height = LINE * (number - min(sources) + 1)
    y = height - LINE / 2
    paths = []
    for source in sources:
        end = y - LINE * (number - source)
        out = WIDTH - min(WIDTH - 4, 12 + 0.45 * (y - end))
        paths.append(f'<path d="M{WIDTH} {y:g}C{out:g} {y:g} {out:g} {end:g} {WIDTH} {end:g}"/>')
    return f'<svg width="{WIDTH}" height="{height}" aria-hidden="true">{"".join(paths)}</svg>'


def chapter_map(found: dict[int, Chapter], address: str) -> str:
    """The map as HTML; `address` holds the place of a chapter's name."""
    items = []
    for number, chapter in found.items():
        sources = needed(chapter.needs)
        if [source for source in sources if source not in found or source >= number]:
            raise ValueError(f"{chapter.name} needs {sources}: a chapter needs chapters that stand before it")
        spoken = f" (needs {', '.join(map(str, sources))})" if sources else ""
        link = f'<a href="{address.format(chapter.name)}">{html.escape(chapter.title)}</a>'
        items.append(f'<li>{arcs(number, sources)}{link}<span class="spoken">{spoken}</span></li>')
    return f'<ul class="chapter-map">{"".join(items)}</ul>'


class ChapterMap(SphinxDirective):
    """The map of all chapters."""

    def run(self) -> list[nodes.Node]:
        root = Path(self.env.srcdir)
        for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
            self.env.note_dependency(str(path))
        address = "../notebooks/{}" + self.env.app.builder.out_suffix
        return [nodes.raw("", chapter_map(chapters(root), address), format="html")]


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("chapter-map", ChapterMap)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
