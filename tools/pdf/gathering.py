"""The website's pages as one document: in the order of `_toc.yml`, without what only a screen can do, with links that
lead from page to page of the same book."""

import posixpath
import re
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urldefrag

import yaml
from bs4 import BeautifulSoup, NavigableString, Tag

from pdf.answers import move_answers
from pdf.lines import turn_long_lines
from pdf.tags import describe_formulas

LEFT_OUT = {"The library"}  # parts: nearly two hundred pages to look things up in, which links find on the website
# What a page holds for those who read it on a screen. Pictures for the dark are among it: paper is light.
ON_SCREEN = [
    "script", "button", "audio", ".headerlink", ".keep-book", ".toctree-wrapper",
    ".only-dark", ".page-model", ".explorer-still p",
]  # fmt: skip
# Sentences that speak of the screen, and what stands in their place in a book. Each must be found.
WORDS = {
    "Open the answer that you think is right.": "Choose the answer that you think is right, then look it up.",
    "On this page the solutions": "The solutions",
    "are folded under the cells where yours would stand": "stand at the end of this chapter",
    "Touch a German word: what": "Take a German word: what",
    " Point at one to see its own arcs.": "",
    "follow the arrows at the foot of each page": "read on from there",
    "Open every question at the end of a chapter": "Look up every question at the end of a chapter",
    "at the top of its page. It": "at the top of its page on the website. It",
    "on this website": "on the website",
}
BEYOND_PAPER = ("To read without a network", "To read on paper")  # so begin paragraphs that a book has no use for
INSTALL = "%pip install"  # the cell that fetches the library in Colab


@dataclass
class Chapter:
    """A page of the website as a chapter of the book; the names of its anchors begin with its own."""

    page: str
    part: str
    title: str
    body: Tag

    @property
    def anchor(self) -> str:
        return anchor(self.page)


class GatheringError(ValueError):
    """The website is not what the book is made of."""


def anchor(page: str, fragment: str = "") -> str:
    """The name, in the whole book, of a page or of a place on it.

    >>> anchor("notebooks/05_why_sqrt_d", "quiz")
    'notebooks-05_why_sqrt_d--quiz'
    """
    return page.replace("/", "-") + (f"--{fragment}" if fragment else "")


def listed_pages(root: Path) -> list[tuple[str, str]]:
    """The pages of `_toc.yml` in their order, each with the part that it belongs to, but for `LEFT_OUT`."""
    toc = yaml.safe_load((root / "_toc.yml").read_text(encoding="utf-8"))
    pages = [(toc["root"], "")]
    for part in [part for part in toc["parts"] if part["caption"] not in LEFT_OUT]:
        for entry in part["chapters"]:
            pages.append((entry["file"], part["caption"]))
            for section in entry.get("sections", []):
                found = sorted(root.glob(f"{section['glob']}.ipynb"))
                pages += [(path.relative_to(root).with_suffix("").as_posix(), part["caption"]) for path in found]
    return pages


def gather(root: Path, address: str, wanted: list[str] | None = None) -> list[Chapter]:
    """The chapters of the book, or those of some pages, out of the built website.

    Args:
        root: the repository, whose website is built.
        address: where the website lies, for what leads out of the book.
        wanted: pages, as `notebooks/05_why_sqrt_d`; without it, all.
    Raises:
        GatheringError: there is no such page, or a sentence of `WORDS` is on none (all pages are looked at).
    """
    listed = listed_pages(root)
    if unknown := set(wanted or []) - {page for page, _ in listed}:
        raise GatheringError(
            f"the book has no {', '.join(sorted(unknown))}; a page is named as notebooks/05_why_sqrt_d"
        )
    pages = [(page, part) for page, part in listed if wanted is None or page in wanted]
    inside = {page for page, _ in pages}
    site = root / "_build/html"
    found: set[str] = set()
    chapters = []
    for page, part in pages:
        path = site / f"{page}.html"
        if not path.is_file():
            raise GatheringError(f"there is no {path.relative_to(root)}: run make book")
        body = BeautifulSoup(path.read_text(encoding="utf-8"), "html.parser").select_one("article.bd-article > section")
        found |= for_paper(body, f"{address}{page}.html")
        lead_within(body, page, inside, address)
        move_answers(body, anchor(page))
        turn_long_lines(body)
        describe_formulas(body)
        title = "About this book" if page == listed[0][0] else body.h1.get_text()
        body.h1.string = title
        chapters.append(Chapter(page, part, title, lower_headings(body, 1 if part else 0)))
    if wanted is None and (missing := WORDS.keys() - found):
        raise GatheringError(f"no page says {sorted(missing)[0]!r} any more: mend WORDS in {Path(__file__).name}")
    return chapters


def for_paper(body: Tag, address: str) -> set[str]:
    """Take out what only a screen can do and say the rest in a book's words; the sentences that were found."""
    for element in body.select(", ".join(ON_SCREEN)):
        element.decompose()
    for cell in body.select("div.cell_input"):
        if INSTALL in cell.get_text():
            cell.parent.decompose()
    for paragraph in body.find_all("p"):
        if paragraph.get_text().startswith(BEYOND_PAPER):
            paragraph.decompose()
    for caption in body.select("figure.explorer > figcaption"):
        caption.append(" To try it: ")
        caption.append(BeautifulSoup(f'<a href="{address}">{address}</a>', "html.parser"))
    for picture in body.find_all("img"):
        picture.attrs.pop("loading", None)
    found = set()
    for text in body.find_all(string=True):
        said = str(text)
        for words, instead in WORDS.items():
            if words in said:
                found.add(words)
                said = said.replace(words, instead)
        if said != text:
            text.replace_with(NavigableString(said))
    return found


def lead_within(body: Tag, page: str, inside: set[str], address: str) -> None:
    """Give all anchors names of the book's own, and let links and pictures lead where they led from the page."""
    for element in [body, *body.select("[id]")]:
        element["id"] = anchor(page, element["id"])
    folder = posixpath.dirname(page)
    for picture in body.select("img[src]"):
        picture["src"] = f"../html/{posixpath.normpath(posixpath.join(folder, picture['src']))}"
    for link in body.select("a[href]"):
        target, fragment = urldefrag(link["href"])
        if re.match(r"[a-z]+:", target):
            continue
        path = posixpath.normpath(posixpath.join(folder, target)) if target else f"{page}.html"
        to, extension = posixpath.splitext(path)
        if extension == ".html" and to in inside:
            link["href"] = f"#{anchor(to, fragment)}"
            link["class"] = [*link.get("class", []), "within" if to == page else "across"]
        else:
            link["href"] = f"{address}{path}{'#' * bool(fragment)}{fragment}"


def lower_headings(body: Tag, by: int) -> Tag:
    for heading in body.find_all(re.compile(r"h[1-6]")):
        heading.name = f"h{min(6, int(heading.name[1]) + by)}"
    return body
