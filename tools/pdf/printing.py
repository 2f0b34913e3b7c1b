"""Chromium prints the document, several times: only a printed book knows its pages' numbers, which stand in it."""

import io
import re
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import chromium
import pikepdf
from playwright.sync_api import Page, sync_playwright

from pdf.tags import name_outline, tag_formulas

PASSES = 5  # two or three do: a number that comes to stand in the book may move what follows


class PrintingError(RuntimeError):
    """The book cannot be printed."""


def print_book(document: Path) -> bytes:
    """The document as a PDF whose page numbers are right.

    Args:
        document: the HTML; what its page numbers are is written into it.
    Raises:
        PrintingError: there is no Chromium, something is wider than the page, or the numbers never settle.
    """
    path = chromium.find()
    if path is None:
        raise PrintingError(f"the PDF needs Chromium, which is not installed.\n{chromium.INSTALL}")
    # Playwright refuses a thread in which an event loop runs: a notebook's, or one that has a browser open already.
    with ThreadPoolExecutor(max_workers=1) as own_thread:
        return own_thread.submit(print_with, path, document).result()


def print_with(path: str, document: Path) -> bytes:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(**chromium.started(path))
        page = browser.new_page(viewport={"width": 643, "height": 900})  # as wide as the text on paper: 170 mm
        page.emulate_media(media="print", color_scheme="light")
        page.route(re.compile("^https?:"), lambda route: route.abort())
        page.add_init_script(path=Path(__file__).with_name("pages.js"))
        page.goto(document.as_uri())
        page.evaluate("document.fonts.ready")
        page.evaluate("fit()")
        if cut := page.evaluate("tooWide()"):
            raise PrintingError("wider than the page:\n" + "\n".join(cut))
        printed = settle(page)
        document.write_text(page.content(), encoding="utf-8")
        browser.close()
    return printed


def settle(page: Page) -> bytes:
    """Print until the numbers that stand in the book are those of its pages."""
    known: dict[str, int] = {}
    for _ in range(PASSES):
        printed = page.pdf(prefer_css_page_size=True, print_background=True, outline=True, tagged=True)
        before, known = known, pages_of_anchors(printed)
        if known == before:
            return printed
        if lost := page.evaluate("known => number(known)", known):
            raise PrintingError(f"no page has {lost[0]} ({len(lost)} such), to which the book refers")
    raise PrintingError(f"the page numbers do not settle in {PASSES} passes")


def pages_of_anchors(printed: bytes) -> dict[str, int]:
    """The page, counted from 1, on which each place lies that a link leads to."""
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}
        places = pdf.Root.get("/Dests", {})
        return {name.removeprefix("/"): numbers[place[0].objgen] for name, place in places.items()}


def finished(printed: bytes, headings: list[str], about: dict[str, str]) -> bytes:
    """The PDF with its title, authors and subject, and less than half as large: its many small objects are packed.

    Readers show the title in place of the file's name, and the outline; a browser shows the first page before it has
    the last one.
    """
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        with pdf.open_metadata() as said:  # this writes the older form too
            said["dc:title"] = f"{about['title']}: {about['subtitle']}"
            said["dc:creator"] = [about["authors"]]
            said["dc:description"] = about["subtitle"]
            said["dc:language"] = ["en"]
            said["dc:rights"] = about["licence"]
            said["pdf:Keywords"] = "attention, transformers, deep learning, textbook"
        tag_formulas(pdf)
        name_outline(pdf, headings)
        pdf.Root.ViewerPreferences = pikepdf.Dictionary(DisplayDocTitle=True)
        pdf.Root.PageMode = pikepdf.Name.UseOutlines
        pdf.save(target, object_stream_mode=pikepdf.ObjectStreamMode.generate, linearize=True)
    return target.getvalue()
