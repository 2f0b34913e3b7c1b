"""The printed book: some pages of it are printed, and each of the checks that the tool makes is shown a fault."""

import copy
import io
import re
import sys
from pathlib import Path

import pikepdf
import pytest
import yaml
from bs4 import BeautifulSoup

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import build_book  # noqa: E402 (the folder holds scripts)
import chromium  # noqa: E402
from pdf import __main__ as tool  # noqa: E402
from pdf import composing, gathering, printing  # noqa: E402
from pdf.answers import move_answers  # noqa: E402
from pdf.checking import complaints, read, squeezed  # noqa: E402
from pdf.lines import MARK, turns  # noqa: E402
from pdf.secrecy import secret_lines  # noqa: E402
from pdf.tags import MARK as TEX  # noqa: E402
from pdf.tags import flat, headings, structure  # noqa: E402

PAGES = ["book/index", "notebooks/05_why_sqrt_d", "notebooks/exercises/05_why_sqrt_d/05_why_sqrt_d", "book/references"]


@pytest.fixture(scope="module", autouse=True)
def _site():
    assert build_book.main() == 0


@pytest.fixture(scope="module")
def printed(tmp_path_factory):
    """Some pages as a PDF, and the HTML that it was printed from. The tool has looked through it already."""
    target = tmp_path_factory.mktemp("pdf") / "some-pages.pdf"
    assert tool.main(["--version", "1.2.0", "--to", str(target), *PAGES]) == 0
    book = BeautifulSoup((ROOT / "_build/pdf/some-pages.html").read_text(encoding="utf-8"), "html.parser")
    return target.read_bytes(), book


@pytest.fixture(scope="module")
def text(printed):
    return "\n".join(leaf.text for leaf in read(printed[0]))


def damaged(pdf, harm):
    """A PDF after `harm` was done to it."""
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as opened:
        harm(opened)
        opened.save(target)
    return target.getvalue()


# --- What a reader gets ----------------------------------------------------------------------------------------------


def test_it_has_a_title_page_contents_chapters_and_an_outline(printed):
    pdf, book = printed
    leaves = read(pdf)
    assert leaves[0].text.startswith("Paying Attention")
    assert "Version 1.2.0" in leaves[0].text
    assert leaves[1].text.startswith("Contents")
    rows = re.findall(r"(?m)^(5\. Why √d|Exercises for chapter 5: why √d|References) (\d+)$", leaves[1].text)
    assert [title for title, _ in rows] == ["5. Why √d", "Exercises for chapter 5: why √d", "References"]
    for title, number in rows:
        assert title in leaves[int(number) - 1].text[:200]  # as a running head and as the heading
        assert f"\n{number}\n" in leaves[int(number) - 1].text
    with pikepdf.open(io.BytesIO(pdf)) as opened, opened.open_outline() as outline:
        assert [item.title for item in outline.root] == [
            "Contents", "About this book", "How attention works", "Exercises", "Reference"
        ]  # fmt: skip
        assert [item.title for item in flat(outline.root)] == headings(book)


def test_it_says_who_wrote_it_and_speaks(printed):
    with pikepdf.open(io.BytesIO(printed[0])) as pdf:
        assert str(pdf.docinfo.Title) == "Paying Attention: A textbook on the attention mechanism"
        assert str(pdf.docinfo.Author) == "The Paying Attention authors"
        assert str(pdf.Root.Lang) == "en"
        assert pdf.is_linearized
        formulas = [str(element.Alt) for element in structure(pdf) if str(element.S) == "/Formula"]
        assert r"\sqrt d" in formulas
        assert not [tex for tex in formulas if TEX in tex]


def test_references_name_pages_and_lead_there(printed, text):
    with pikepdf.open(io.BytesIO(printed[0])) as pdf:
        numbers = {page.objgen: number for number, page in enumerate(pdf.pages, 1)}
        start = numbers[pdf.Root.Dests["/notebooks-05_why_sqrt_d"][0].objgen]
    assert f"Why √d (p. {start})" in text
    # What is not in this book is on the website.
    away = [link["href"] for link in printed[1].select('a[href*="02_looking_back"]')]
    assert away
    assert set(away) == {"https://paying-attention.github.io/paying-attention/1.2.0/notebooks/02_looking_back.html"}


def test_answers_are_at_the_end_and_nothing_is_said_that_only_a_screen_can_do(printed, text):
    assert re.search(r"Question 1\.", text)
    place = text.index("b. Right. √256 · 0.5 · 0.5 = 4.")
    assert text.index("16, since √256 = 16.") < text.index("Sources") < place
    for words in ("Open the answer", "are folded", "Open in Colab at the top of its page.", "%pip", "To read on paper"):
        assert words not in text
    assert not printed[1].select("details, button, audio, script, .only-dark, .headerlink")
    assert "Totryit:https://paying-attention.github.io/" in squeezed(text)


def test_practice_solutions_are_in_it_and_graded_ones_are_not(text):
    solved = squeezed(text)
    assert "score_variance=8*2*9" in solved
    secrets = secret_lines(ROOT)
    assert len(secrets) > 300
    assert not [line for line in secrets if line in solved]


# --- Each check finds its fault --------------------------------------------------------------------------------------


def without_pictures(pdf):
    for page in pdf.pages:
        for name in list(page.resources.get("/XObject", {})):
            if page.resources.XObject[name].get("/Subtype") == "/Image":
                del page.resources.XObject[name]


def shifted(pdf):
    pdf.pages[5].contents_add(b"1 0 0 1 120 0 cm\n", prepend=True)


def with_an_empty_page(pdf):
    empty = pikepdf.Pdf.new()
    empty.add_blank_page(page_size=(595, 842))
    pdf.pages.insert(9, empty.pages[0])


def without_fonts(pdf):
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Dictionary) and "/FontFile2" in thing:
            del thing["/FontFile2"]


def with_a_foreign_font(pdf):
    for thing in pdf.objects:
        if isinstance(thing, pikepdf.Dictionary) and thing.get("/Type") == "/Font":
            thing.BaseFont = pikepdf.Name("/AAAAAA+Arial")


def without_a_place(pdf):
    del pdf.Root.Dests["/notebooks-05_why_sqrt_d--answer-1"]


def without_addresses(pdf):
    for page in pdf.pages:
        if "/Annots" in page:
            page.Annots = pikepdf.Array([note for note in page.Annots if "/A" not in note])


def without_language(pdf):
    del pdf.Root["/Lang"]


def with_silent_pictures(pdf):
    for element in structure(pdf):
        if str(element.S) in ("/Figure", "/Formula") and "/Alt" in element:
            del element["/Alt"]


def with_another_outline(pdf):
    with pdf.open_outline() as outline:
        outline.root[0].title = "ContentsContents"


FAULTS = {
    without_pictures: "pictures in the text, 0 on the pages",
    shifted: "page 6: outside the margins",
    with_an_empty_page: "page 10: nearly empty",
    without_fonts: "not embedded: ",
    with_a_foreign_font: "not the book's type: Arial",
    without_a_place: "a link leads nowhere: notebooks-05_why_sqrt_d--answer-1",
    without_addresses: "a link is missing: https://",
    without_language: "no language",
    with_silent_pictures: "/Formula in the text, 0 of",
    with_another_outline: "the outline does not list the headings",
}


def test_a_damaged_book_is_refused(printed):
    """All damage is done at once, since a look takes seconds; each has a complaint of its own."""
    pdf, book = printed
    assert complaints(pdf, book, set()) == []
    for harm in FAULTS:
        pdf = damaged(pdf, harm)
    found = "\n".join(complaints(pdf, book, set()))
    for fault in FAULTS.values():
        assert fault in found


def test_a_book_that_lacks_what_its_text_has_is_refused(printed):
    pdf, book = printed
    other = copy.deepcopy(book)
    other.select(".folio")[0].string = "999"
    other.find("math").append("ℵℵ")
    other.find("math").parent.append(BeautifulSoup('<a href="#nowhere">x</a>', "html.parser"))
    found = "\n".join(complaints(pdf, other, {squeezed("What random vectors of width d do to scores")}))
    for fault in ("page 999 is named for", "letters of formulas are missing", "a link is missing: nowhere",
                  "the contents do not say", "the text gives away: Whatrandomvectors"):  # fmt: skip
        assert fault in found


def chapter_of(body, tmp_path):
    path = tmp_path / "chapter.html"
    path.write_text(f'<html lang="en"><body><div class="chapter" id="a">{body}</div></body></html>', encoding="utf-8")
    return path


def test_a_wide_table_is_made_smaller_and_what_stays_too_wide_is_refused(tmp_path):
    wide = f"<table><tr>{'<td>number</td>' * 30}</tr></table>"
    path = chapter_of(wide, tmp_path)
    assert printing.print_book(path).startswith(b"%PDF")
    assert "zoom:" in path.read_text(encoding="utf-8")
    with pytest.raises(printing.PrintingError, match="wider than the page:\nchapter: PRE xxx"):
        printing.print_book(chapter_of(f"<pre style='width: max-content'>{'x' * 300}</pre>", tmp_path))


def test_a_heading_that_is_the_last_line_of_a_page_is_seen(tmp_path):
    faces = re.findall(r"@font-face {[^}]*STIXGeneral(?:Bol)?\.ttf[^}]*}", "\n".join(composing.faces()))
    body = f"<style>{' '.join(faces)} * {{ font-family: STIX General }}</style><p>text</p><h3>A heading</h3>"
    after = '<p style="break-before: page">text</p>'
    (last, _) = read(printing.print_book(chapter_of(f"{body}{after}", tmp_path)))
    assert last.ends_in_heading
    (whole, _) = read(printing.print_book(chapter_of(f"{body}<p>text</p>{after}", tmp_path)))
    assert not whole.ends_in_heading


# --- Its parts -------------------------------------------------------------------------------------------------------


def test_the_book_has_all_pages_of_the_contents_but_the_librarys():
    pages = [page for page, _ in gathering.listed_pages(ROOT)]
    toc = yaml.safe_load((ROOT / "_toc.yml").read_text(encoding="utf-8"))
    assert pages[0] == toc["root"]
    assert {path.stem for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")} <= {Path(page).name for page in pages}
    assert len([page for page in pages if "exercises/" in page]) == 15
    assert not [page for page in pages if page.startswith("book/api")]


def test_each_sentence_that_has_another_on_paper_is_on_some_page():
    pages = [path.read_text(encoding="utf-8") for path in (ROOT / "_build/html").rglob("*.html")]
    for words in gathering.WORDS:
        assert any(words in page for page in pages), words


def test_a_page_that_is_not_in_the_book_and_a_missing_chromium_are_told(monkeypatch, capsys, tmp_path):
    target = tmp_path / "book.pdf"
    assert tool.main(["--to", str(target), "notebooks/99_nothing"]) == 1
    assert "the book has no notebooks/99_nothing" in capsys.readouterr().err
    monkeypatch.setattr(chromium, "find", lambda: None)
    assert tool.main(["--to", str(target), "book/notation"]) == 1
    assert "apt-get install chromium" in capsys.readouterr().err
    assert not target.exists()


def test_a_broken_book_leaves_the_old_one(monkeypatch, capsys, tmp_path):
    target = tmp_path / "broken.pdf"
    target.write_bytes(b"old")
    monkeypatch.setattr(tool, "secret_lines", lambda root: {"Axes"})
    assert tool.main(["--to", str(target), "book/notation"]) == 1
    assert "the text gives away: Axes" in capsys.readouterr().err
    assert target.read_bytes() == b"old"


def test_long_lines_go_on_after_a_mark():
    assert turns("a = bb + cc", columns=6) == [4, 7]
    assert turns("short\nabcdefgh", columns=6) == [12]
    line = "x = " + "word " * 60
    cuts = turns(line)
    assert cuts
    for cut, before in zip(cuts, [0, *cuts], strict=False):
        assert len(line[before:cut]) + (len(MARK) if before else 0) <= 100
    assert 0 < len(line) - cuts[-1] <= 100


def test_folded_answers_move_and_folded_tables_open():
    page = BeautifulSoup(
        "<section><h1>A</h1><p><strong>Question 1.</strong> Why?</p>"
        "<details><summary>This.</summary><p>No.</p></details>"
        "<details><summary>That.</summary><p><strong>Right.</strong></p></details>"
        "<section><h2>Task 2. B</h2><details><summary>Solution</summary><pre>x</pre></details>"
        "<details><summary>Rows</summary><table></table></details></section></section>",
        "html.parser",
    )
    move_answers(page.section, "a")
    body = page.section
    assert [item.get_text() for item in body.select("ol.choices > li")] == ["This.", "That."]
    answers = body.select_one("section.answers")
    assert [p.get_text() for p in answers.select(".answer-to")] == ["Question 1", "Task 2. B"]
    assert [item.get_text() for item in answers.select("li")] == ["No.", "Right."]
    assert answers.pre.get_text() == "x"
    assert not body.find("details")
    assert not answers.find("table")
    targets = {link["href"].removeprefix("#") for link in body.select("a")}
    assert targets == {block["id"] for block in answers.select(".answer")}


def test_the_websites_address_is_what_the_configuration_says():
    config = {"repository": {"url": "https://github.com/ORG/NAME"}}
    assert tool.site_address(config, "dev") == "https://ORG.github.io/NAME/dev/"
    assert tool.site_address({**config, "html": {"baseurl": "https://example.org"}}, "dev") == "https://example.org/"
