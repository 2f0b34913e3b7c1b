"""The chapters as one HTML document: title page, contents, the chapters with their parts, and the style sheet."""

import html
import re
import sys
from itertools import groupby
from pathlib import Path

import matplotlib
from bs4 import BeautifulSoup
from pygments.formatters import HtmlFormatter

from pdf.gathering import Chapter

sys.path.append(str(Path(__file__).resolve().parents[2] / "book/_ext"))
from book_bundle import MATH_FONT

HERE = Path(__file__).parent
FONTS = Path(matplotlib.get_data_path(), "fonts/ttf")
# The book's type comes with the packages that the library needs, so that it looks the same wherever it is made.
FACES = [
    ("STIX General", "STIXGeneral", "normal", 400), ("STIX General", "STIXGeneralItalic", "italic", 400),
    ("STIX General", "STIXGeneralBol", "normal", 700), ("STIX General", "STIXGeneralBolIta", "italic", 700),
    ("DejaVu Sans", "DejaVuSans", "normal", 400), ("DejaVu Sans", "DejaVuSans-Bold", "normal", 700),
    ("DejaVu Sans Mono", "DejaVuSansMono", "normal", 400), ("DejaVu Sans Mono", "DejaVuSansMono-Bold", "normal", 700),
]  # fmt: skip
FOLIO = '<span class="folio" data-to="{}">000</span>'  # a page's number, filled in once it is known


def document(chapters: list[Chapter], about: dict[str, str]) -> str:
    """The whole book as HTML; `about` holds title, subtitle, authors, version, address and licence."""
    with_page_numbers(chapters)
    said = {name: html.escape(value) for name, value in about.items()}
    body = [title_page(said), contents(chapters)]
    part = ""
    for chapter in chapters:
        opening = ""
        if chapter.part != part:
            part = chapter.part
            opening = f'<h1 class="part" id="part-{slug(part)}">{html.escape(part)}</h1>'
        body.append(f'<div class="chapter {chapter.anchor}" id="{chapter.anchor}">{opening}{chapter.body}</div>')
    return (
        f'<!doctype html><html lang="en"><head><meta charset="utf-8"><title>{said["title"]}</title>'
        f"<style>{style(chapters)}</style></head><body>{''.join(body)}</body></html>"
    )


def slug(text: str) -> str:
    return re.sub(r"\W+", "-", text.lower())


def title_page(said: dict[str, str]) -> str:
    return (
        '<section class="title-page">'
        f'<p class="title">{said["title"]}</p><p class="subtitle">{said["subtitle"]}</p>'
        f'<p class="authors">{said["authors"]}</p>'
        f'<p class="imprint">Version {said["version"]}. {said["licence"]}<br>'
        f'The book with its explorers, and its notebooks: <a href="{said["address"]}">{said["address"]}</a></p>'
        "</section>"
    )


def contents(chapters: list[Chapter]) -> str:
    listed = []
    for part, members in groupby(chapters, key=lambda chapter: chapter.part):
        rows = "".join(
            f'<li><a href="#{c.anchor}"><span class="name">{html.escape(c.title)}</span>'
            f'<span class="dots"></span>{FOLIO.format(c.anchor)}</a></li>'
            for c in members
        )
        heading = f"<p>{html.escape(part)}</p>" if part else ""
        listed.append(f"{heading}<ul>{rows}</ul>")
    return f'<nav class="contents"><h1>Contents</h1>{"".join(listed)}</nav>'


def with_page_numbers(chapters: list[Chapter]) -> None:
    """Say after each reference to another chapter, or to an answer, on which page that is: once a paragraph."""
    for chapter in chapters:
        told: set[tuple[int, str]] = set()
        for link in chapter.body.select("a.across"):
            place = link["href"].removeprefix("#")
            paragraph = link.find_parent(["p", "li", "td", "dd", "dt"])
            if link.find_parent(class_="chapter-map") or "book/api" in chapter.page or (id(paragraph), place) in told:
                continue
            told.add((id(paragraph), place))
            folio = BeautifulSoup(f'<span class="on-page"> (p. {FOLIO.format(place)})</span>', "html.parser")
            link.insert_after(folio)


def style(chapters: list[Chapter]) -> str:
    heads = [
        f".{c.anchor} {{ page: {c.anchor}; }}"
        f"@page {c.anchor} {{ @top-left {{ content: {quoted(c.title)}; }}"
        f" @top-right {{ content: {quoted(c.part)}; }} }}"
        for c in chapters
    ]
    colours = HtmlFormatter(style="a11y-high-contrast-light").get_style_defs(".highlight")
    return "\n".join([*faces(), colours, (HERE / "pdf.css").read_text(encoding="utf-8"), *heads])


def faces() -> list[str]:
    own = [face(family, FONTS / f"{name}.ttf", slant, weight) for family, name, slant, weight in FACES]
    return [*own, face("STIX Two Math", MATH_FONT, "normal", 400)]


def face(family: str, path: Path, slant: str, weight: int) -> str:
    source = f"src: url({path.as_uri()}); font-style: {slant}; font-weight: {weight}"
    return f'@font-face {{ font-family: "{family}"; {source}; }}'


def quoted(text: str) -> str:
    """A text as a string of CSS."""
    return '"' + re.sub(r'["\\<]', lambda sign: f"\\{ord(sign[0]):x} ", text) + '"'
