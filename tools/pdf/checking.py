"""A printed book is looked through: what a reader would find broken is told, and the book is then not handed out."""

import io
import re
import unicodedata
from collections import Counter
from dataclasses import dataclass, field

import pikepdf
import pypdfium2
from bs4 import Tag
from pypdfium2 import raw

from pdf.tags import flat, headings, structure

FAMILIES = ("STIXGeneral", "STIXTwoMath", "DejaVuSans")  # also with -Bold, Mono and the like behind
MARGIN, SHEET = 56.7, (595.3, 841.9)  # points: 20 mm, and A4
HEAD, FOOT = 780.0, 60.0  # the text stands between them; above and below are running head and number
HEADING = 11.5  # points: larger type is a heading's
EMPTY = 0.2  # of a page's height; a chapter's last page may hold less
SCREEN_ONLY = ("A still picture", "This needs JavaScript", "Keep this book")


@dataclass
class Leaf:
    """What stands on a page: its text, what of it is set in the formulas' type, pictures, and how far down it goes."""

    text: str = ""
    formulas: str = ""
    pictures: int = 0
    lowest: float = HEAD
    ends_in_heading: bool = False
    outside: list[str] = field(default_factory=list)


def complaints(printed: bytes, book: Tag, secrets: set[str]) -> list[str]:
    """What is wrong with a printed book.

    Args:
        printed: the PDF.
        book: the HTML that it was printed from, with its page numbers.
        secrets: lines that must not be in it, without white space.
    """
    leaves = read(printed)
    with pikepdf.open(io.BytesIO(printed)) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}
        places = {name[1:]: numbers[place[0].objgen] for name, place in pdf.Root.Dests.items()}
        found = [*of_links(pdf, book, places), *of_fonts(pdf), *of_tags(pdf, book)]
    chapters = book.select("div.chapter")
    starts = [places[chapter["id"]] for chapter in chapters]
    ends = [*[start - 1 for start in starts[1:]], len(leaves)]
    for chapter, start, end in zip(chapters, starts, ends, strict=True):
        found += of_chapter(chapter, leaves[start - 1 : end], start)
    found += of_contents(book, leaves)
    text = squeezed("".join(leaf.text for leaf in leaves))
    found += [f"the text gives away: {secret[:60]}" for secret in sorted(secrets) if secret in text]
    return found


def squeezed(text: str) -> str:
    """A text without white space, and with letters of any style as plain ones."""
    plain = unicodedata.normalize("NFKC", text).replace("\ufffe", "-")  # so a hyphen is read at the end of a line
    return re.sub(r"[\s↪\u00ad\u2060-\u2064]", "", plain)


# --- Pages -----------------------------------------------------------------------------------------------------------


def read(printed: bytes) -> list[Leaf]:
    pdf = pypdfium2.PdfDocument(printed)
    return [read_page(pdf[number]) for number in range(len(pdf))]


def read_page(page: pypdfium2.PdfPage) -> Leaf:
    words = page.get_textpage()
    leaf = Leaf(text=words.get_text_range().replace("\r", ""))
    for thing in page.get_objects(textpage=words):
        left, bottom, right, top = thing.get_bounds()
        said = thing.extract() if thing.type == raw.FPDF_PAGEOBJ_TEXT else ""
        if thing.type == raw.FPDF_PAGEOBJ_IMAGE:
            leaf.pictures += 1
        elif not said.strip():
            continue
        if left < MARGIN - 3 or right > SHEET[0] - MARGIN + 3 or bottom < 20 or top > SHEET[1] - 20:
            leaf.outside.append(said or "a picture")
        if said and "Math" in thing.get_font().get_base_name():
            leaf.formulas += said
        if FOOT < bottom < HEAD and bottom < leaf.lowest - 1:
            leaf.lowest = bottom
            leaf.ends_in_heading = bool(said) and is_heading(thing)
    return leaf


def is_heading(text: pypdfium2.PdfTextObj) -> bool:
    size = text.get_font_size() * text.get_matrix().d
    return size > HEADING and "Bold" in text.get_font().get_base_name()


def of_chapter(chapter: Tag, leaves: list[Leaf], start: int) -> list[str]:
    name, found = chapter["id"], []
    for number, leaf in enumerate(leaves, start):
        found += [f"page {number}: outside the margins: {what}" for what in leaf.outside[:1]]
        found += [f"page {number}: says {words!r}" for words in SCREEN_ONLY if words in leaf.text]
        is_last = number == start + len(leaves) - 1
        if not is_last and (HEAD - leaf.lowest) / (HEAD - FOOT) < EMPTY:
            found.append(f"page {number}: nearly empty")
        if leaf.ends_in_heading:
            found.append(f"page {number}: ends with a heading")
    title = chapter.find(re.compile("h[12]"), class_=lambda names: names != "part").get_text()
    if squeezed(title) not in squeezed(leaves[0].text[:400]):
        found.append(f"page {start}: {title!r} does not begin there")
    pictures = len(chapter.find_all("img"))
    if pictures != (printed := sum(leaf.pictures for leaf in leaves)):
        found.append(f"{name}: {pictures} pictures in the text, {printed} on the pages")
    wanted = Counter(c for formula in chapter.find_all("math") for c in squeezed(formula.get_text()) if c.isalnum())
    there = Counter(c for leaf in leaves for c in squeezed(leaf.formulas))
    if missing := wanted - there:
        found.append(f"{name}: letters of formulas are missing: {dict(missing)}")
    return found


def of_contents(book: Tag, leaves: list[Leaf]) -> list[str]:
    """Whether the contents name each chapter with the page that bears its title."""
    pages = [leaf.text for leaf in leaves[:6] if leaf.text.startswith("Contents")]
    rows = {squeezed(line).replace(".", "") for text in pages for line in text.split("\n")}
    found = []
    for row in book.select(".contents li"):
        title, number = squeezed(row.select_one(".name").get_text()), row.select_one(".folio").get_text()
        if f"{title}{number}".replace(".", "") not in rows:
            found.append(f"the contents do not say that {title!r} is on page {number}")
        pages = [leaf.text for leaf in leaves[int(number) - 1 :][:1]] if number.isdecimal() else []
        if not pages or title not in squeezed(pages[0][:400]):
            found.append(f"{title!r} is not on page {number}")
    return found


# --- What a page does not show ---------------------------------------------------------------------------------------


def of_links(pdf: pikepdf.Pdf, book: Tag, places: dict[str, int]) -> list[str]:
    inner, outer = set(), set()
    for page in pdf.pages:
        for note in page.get("/Annots", []):
            if "/Dest" in note:
                inner.add(str(note.Dest).removeprefix("/"))
            elif "/A" in note and "/URI" in note.A:
                outer.add(str(note.A.URI))
    hrefs = {link["href"] for link in book.select("a[href]") if link.get_text(strip=True)}
    hrefs |= {f"{href}/" for href in hrefs if href.count("/") == 2}  # a host alone
    wanted = {href[1:] for href in hrefs if href.startswith("#")}
    found = [f"a link leads nowhere: {name}" for name in sorted(inner - places.keys())]
    found += [f"a link is missing: {name}" for name in sorted(wanted - inner)]
    found += [f"an address is not in the book: {uri}" for uri in sorted(outer - hrefs)]
    away = {href for href in hrefs if href.startswith("http") and href.count("/") > 2}
    found += [f"a link is missing: {uri}" for uri in sorted(away - outer)]
    for folio in book.select(".folio"):
        if folio.get_text() != str(places.get(folio["data-to"])):
            found.append(f"page {folio.get_text()} is named for {folio['data-to']}")
    return found


def of_fonts(pdf: pikepdf.Pdf) -> list[str]:
    """Whether all type is in the file, and is the book's own: another would differ from machine to machine."""
    found = set()
    for thing in pdf.objects:
        if not (isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == "/Font" and "/FontDescriptor" in thing):
            continue
        name = str(thing.get("/BaseFont", "?")).split("+")[-1]
        if not any(key.startswith("/FontFile") for key in thing.FontDescriptor):
            found.add(f"not embedded: {name}")
        if not name.removeprefix("/").startswith(FAMILIES):
            found.add(f"not the book's type: {name}")
    return sorted(found)


def of_tags(pdf: pikepdf.Pdf, book: Tag) -> list[str]:
    """Whether readers that speak find language, title, headings, and a text for each picture and formula."""
    kinds = Counter(str(element.S) for element in structure(pdf))
    spoken = Counter(str(element.S) for element in structure(pdf) if str(element.get("/Alt", "")))
    found = []
    if str(pdf.Root.get("/Lang", "")) != "en" or not pdf.Root.get("/MarkInfo", {}).get("/Marked"):
        found.append("the book has no language or no tags")
    for kind, wanted in (("/Figure", len(book.find_all("img"))), ("/Formula", len(book.find_all("math")))):
        if spoken[kind] != wanted:
            found.append(f"{wanted} {kind} in the text, {spoken[kind]} of {kinds[kind]} tags of it speak")
    with pdf.open_outline() as outline:
        listed = [item.title for item in flat(outline.root)]
    if listed != headings(book):
        found.append("the outline does not list the headings")
    return found
