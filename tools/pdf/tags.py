"""What a PDF says beside its pages: its tags, for readers that speak, and its outline.

Chromium tags headings, lists, tables and pictures, and formulas not at all. So each formula goes to it as a picture
whose description is its TeX, behind a mark, and is made a formula afterwards. In the outline it writes some headings
twice.
"""

import html
import re
from collections.abc import Iterator

import pikepdf
from bs4 import BeautifulSoup, Tag

MARK = "\u2063"  # invisible, and in no picture's description


def describe_formulas(body: Tag) -> None:
    for formula in body.find_all("math"):
        tex = html.escape(formula["alttext"])
        formula.wrap(BeautifulSoup(f'<span role="img" aria-label="{MARK}{tex}"></span>', "html.parser").span)


def tag_formulas(pdf: pikepdf.Pdf) -> None:
    for element in structure(pdf):
        if str(element.get("/Alt", "")).startswith(MARK):
            element.S = pikepdf.Name.Formula
            element.Alt = str(element.Alt).removeprefix(MARK)


def structure(pdf: pikepdf.Pdf) -> Iterator[pikepdf.Dictionary]:
    """All elements of a PDF's structure."""
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Dictionary) and "/S" in thing and "/P" in thing:
            yield thing


def headings(book: Tag) -> list[str]:
    """The headings of an HTML document, in their order."""
    return [" ".join(heading.get_text().split()) for heading in book.find_all(re.compile("h[1-6]"))]


def name_outline(pdf: pikepdf.Pdf, names: list[str]) -> None:
    """Give the outline's items these names, in their order.

    Raises:
        ValueError: there are more items, or fewer.
    """
    with pdf.open_outline() as outline:
        for item, name in zip(flat(outline.root), names, strict=True):
            item.title = name


def flat(items: list[pikepdf.OutlineItem]) -> list[pikepdf.OutlineItem]:
    """An outline's items with all below them, in the order in which they are read."""
    return [each for item in items for each in [item, *flat(item.children)]]
