"""The slides of each chapter: what becomes one, and every slide of every deck in a browser."""

import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "tools"))

from slides.__main__ import write  # noqa: E402 (the folder holds scripts)
from slides.cutting import cut  # noqa: E402

CHAPTERS = sorted((ROOT / "notebooks").glob("[0-9]*.ipynb"))
# Goes through a deck; tells of each slide what sticks out of it, and how small it had to be made.
WALK = """async () => {
    const found = [];
    const frame = () => new Promise((done) => requestAnimationFrame(() => requestAnimationFrame(done)));
    for (let number = 0; number < Reveal.getTotalSlides(); number++) {
        Reveal.slide(number);
        await frame();
        const slide = Reveal.getCurrentSlide(), explorer = slide.querySelector(".explorer-slide");
        for (let tries = 0; explorer?.querySelector(".explorer-still") && tries < 100; tries++)
            await new Promise((done) => setTimeout(done, 50));
        if (explorer) for (let settle = 0; settle < 3; settle++) await frame();
        const parts = [...slide.querySelectorAll(":scope > :not(aside), .content > *")];
        const boxes = parts.map((part) => part.getBoundingClientRect());
        const content = slide.querySelector(".content");
        found.push({
            number: number + 1,
            title: slide.querySelector("h1, h2").textContent,
            bottom: Math.max(...boxes.map((box) => box.bottom)),
            right: Math.max(...boxes.map((box) => box.right), content.getBoundingClientRect().left
                + content.scrollWidth * Number(content.style.zoom || 1)),
            zoom: Number(content.style.zoom || 1),
            explorer: Boolean(explorer),
            alive: !slide.querySelector(".explorer-still"),
            nameless: slide.querySelectorAll('img:not([alt]), img[alt=""]').length,
        });
    }
    return found;
}"""


def chapter(*cells):
    return nbformat.v4.new_notebook(cells=list(cells))


def text(source):
    return nbformat.v4.new_markdown_cell(source)


def shown(slide):
    return [piece.text for piece in slide.pieces]


def test_a_heading_begins_a_slide_and_prose_goes_into_the_notes():
    first, second = cut(chapter(text("# 1. A\n\nWhy is it so? Long prose.\n\nMore of it.\n\n## B\n\n$$x = y$$")))
    assert (first.title, shown(first)) == ("1. A", ["Why is it so?"])
    assert first.notes == ["Why is it so? Long prose.", "More of it."]
    assert (second.title, shown(second)) == ("B", ["$$x = y$$"])


def test_short_code_is_shown_and_long_code_imports_and_bare_asserts_are_not():
    code = ["x = 1", "\n".join(f"x{i} = 1" for i in range(15)), "import math", "assert x == 1"]
    slides = cut(chapter(text("# A\n\nB."), *map(nbformat.v4.new_code_cell, code)))
    assert [piece.text for slide in slides for piece in slide.pieces] == ["B.", "x = 1"]


def test_what_is_full_goes_on_under_the_same_heading():
    slides = cut(chapter(text("# A\n\n" + "\n".join(f"- point {i}" for i in range(30)))))
    assert [slide.title for slide in slides] == ["A", "A", "A"]
    assert [line for slide in slides for line in shown(slide)] == [f"- point {i}" for i in range(30)]


def test_a_number_of_a_list_is_no_sentence():
    (slide,) = cut(chapter(text("# A\n\n1. Do this. " + "And that. " * 40)))
    assert shown(slide) == ["1. Do this."]


def test_a_quiz_shows_its_choices_and_tells_the_speaker_which_is_right():
    quiz = "# A\n\n**Question 1.** Why?\n\n<details><summary>So</summary>\n\n**Right.** It is.\n\n</details>\n"
    quiz += "<details><summary>No</summary>\n\nIt is so.\n\n</details>"
    (slide,) = cut(chapter(text(quiz)))
    assert shown(slide) == ["**Question 1.** Why?", "- So", "- No"]
    assert slide.notes == ["*So* **Right.** It is.", "*No* It is so."]


def test_what_is_no_chapter_is_refused():
    with pytest.raises(ValueError, match="begins with '# '"):
        cut(chapter(text("Hello")))


@pytest.mark.parametrize("path", CHAPTERS, ids=lambda path: path.stem)
def test_a_chapter_gives_a_deck_that_a_lecture_can_hold(path):
    slides = cut(nbformat.read(path, as_version=4))
    assert 20 <= len(slides) <= 50
    assert slides[-1].title == "Quiz"
    assert any(piece.kind == "explorer" for slide in slides for piece in slide.pieces)


def test_a_chapter_that_is_not_there_is_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="99_nothing"):
        write(ROOT, tmp_path / "slides", [Path("notebooks/99_nothing.ipynb")])


def test_nothing_sticks_out_of_any_slide(tmp_path, browser, serve):
    """One browser for all decks: every explorer starts, no other host is asked, and nothing is made illegibly small."""
    counts = write(ROOT, tmp_path / "slides", CHAPTERS)
    address, faults = serve(tmp_path), []
    page = browser.new_context(viewport={"width": 1280, "height": 720}).new_page()
    page.on("console", lambda m: m.type in ("error", "warning") and faults.append(m.text))
    page.on("pageerror", lambda error: faults.append(str(error)))
    page.on("request", lambda r: r.url.startswith((address, "data:", "blob:")) or faults.append(r.url))
    page.on("response", lambda r: r.status >= 400 and faults.append(f"{r.url}: {r.status}"))
    for name, count in counts.items():
        page.goto(f"{address}/slides/{name}.html", wait_until="load")
        page.wait_for_function("window.Reveal?.isReady()")
        slides = page.evaluate(WALK)
        assert len(slides) == count
        for slide in slides:
            least = 0.4 if slide["explorer"] else 0.6
            if slide["bottom"] > 721 or slide["right"] > 1281 or slide["zoom"] < least or not slide["alive"]:
                faults.append(f"{name}: {slide}")
            if slide["nameless"]:
                faults.append(f"{name}: a picture without alt text: {slide}")
    assert not faults, "\n".join(faults)
    page.context.close()
