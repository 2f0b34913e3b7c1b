"""The exercises on the built website: the practice solutions are there, folded; of the graded ones there is nothing."""

import json
import re
import sys
from functools import cache
from html import unescape
from pathlib import Path

import nbformat
import pytest
import yaml
from sphinx.search.en import SearchEnglish

ROOT = Path(__file__).parent.parent
SITE = ROOT / "_build/html"
sys.path[:0] = [str(ROOT / "book/_ext"), str(ROOT / "tools")]

import book_exercises  # noqa: E402 (the two folders hold scripts, not packages)
import build_book  # noqa: E402

ASSIGNMENTS = book_exercises.assignments(ROOT)
secrets = book_exercises.secrets
REPOSITORY = yaml.safe_load((ROOT / "_config.yml").read_text(encoding="utf-8"))["repository"]

every_assignment = pytest.mark.parametrize("name", ASSIGNMENTS)


@pytest.fixture(scope="module", autouse=True)
def _site():
    assert build_book.main() == 0


def page(name):
    return (SITE / f"notebooks/exercises/{name}/{name}.html").read_text(encoding="utf-8")


def text_of(html):
    """What a reader sees, line by line, of a page that may colour its code word by word."""
    return unescape(re.sub(r"<[^>]+>", "", re.sub(r"<math.*?</math>|<script.*?</script>", "", html, flags=re.DOTALL)))


def lines_of(text):
    return {line.strip() for line in text.splitlines() if len(line.strip()) > 12}


@cache
def published_sources():
    """All that the website is made of besides the solutions; a line that stands there is given away by nobody."""
    paths = [*ROOT.glob("notebooks/*.ipynb"), *ROOT.glob("notebooks/exercises/*/*.ipynb")]
    cells = ["".join(c["source"]) for path in paths for c in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    files = [*ROOT.glob("book/**/*.md"), *ROOT.glob("src/attnbook/explorers/*.js")]
    api = [text_of(path.read_text(encoding="utf-8")) for path in SITE.glob("book/api/*.html")]  # from docstrings
    solutions = [
        text for notebook in ASSIGNMENTS.values() for text in book_exercises.public_solutions(notebook).values()
    ]
    return "\n".join([*cells, *solutions, *api, *(path.read_text(encoding="utf-8") for path in files)])


@cache
def published():
    """Every text on the website, by file: as it stands, and as a reader sees it."""
    kinds = {".html", ".ipynb", ".js", ".json", ".md", ".txt", ".css", ".inv", ".xml"}
    found = {}
    for path in sorted(SITE.rglob("*")):
        if path.is_file() and (path.suffix in kinds or "_sources" in path.parts):
            text = path.read_bytes().decode(errors="replace")
            if path.suffix == ".ipynb":
                text += "\n".join("".join(c["source"]) for c in json.loads(text)["cells"])
            found[path.relative_to(SITE).as_posix()] = text + (text_of(text) if path.suffix == ".html" else "")
    return found


def test_there_is_a_page_for_each_assignment_and_a_table_of_all():
    assert len(ASSIGNMENTS) >= 6
    overview = (SITE / "book/exercises.html").read_text(encoding="utf-8")
    for name, notebook in ASSIGNMENTS.items():
        assert f'href="../notebooks/exercises/{name}/{name}.html"' in overview
        section = text_of(overview.split(f'id="exercises-{name}"')[1].split("</section>")[0])
        tasks = [task for task, _ in book_exercises.by_task(notebook.cells)]
        assert len(tasks) >= 3
        assert f"{sum(t.minutes for t in tasks)} minutes, {sum(t.points for t in tasks)} points" in section
        for task in tasks:
            row = [re.escape(str(x)) for x in (f"{task.number}. ", task.what(), task.minutes, task.points, task.use)]
            assert re.search(r"[^\d].*?\s*".join(row[:2]) + r"\s+" + r"\s+".join(row[2:]), section), task


@every_assignment
def test_nothing_of_a_graded_solution_a_hidden_test_or_a_rubric_is_published(name):
    secret = set().union(*(lines_of(text) for text in secrets(ASSIGNMENTS[name]))) - lines_of(published_sources())
    secret = {line for line in secret if line not in published_sources()}
    assert len(secret) > 10
    leaks = [(where, line) for where, text in published().items() for line in secret if line in text]
    assert not leaks
    marks = ("BEGIN SOLUTION", "HIDDEN TESTS", "Rubric.")
    assert not [(where, mark) for where, text in published().items() for mark in marks if mark in text]


def test_no_word_that_only_a_graded_solution_has_can_be_searched_for():
    def words(text):
        stemmer = SearchEnglish({})
        return {stemmer.stem(word.lower()) for word in stemmer.split(text) if len(word) > 3}

    mine = words("\n".join(text for notebook in ASSIGNMENTS.values() for text in secrets(notebook)))
    elsewhere = [
        text_of(text) for place, text in published().items() if place.endswith("html") and "exercises" not in place
    ]
    mine -= words("\n".join([published_sources(), *elsewhere]))  # what cells print is in the index too
    assert len(mine) > 20
    index = set(re.findall(r"[\w-]+", published()["searchindex.js"]))
    assert not mine & index


@every_assignment
def test_each_practice_solution_is_folded_under_its_cell(name):
    notebook, html = ASSIGNMENTS[name], page(name)
    solutions = book_exercises.public_solutions(notebook)
    folded = re.findall(r"<details><summary>Solution</summary>(.*?)</details>", html, re.DOTALL)
    assert len(folded) == len(solutions) >= 1
    tasks = {cell.id: task.use for task, cells in book_exercises.by_task(notebook.cells) for cell in cells}
    for shown, (cell, text) in zip(folded, solutions.items(), strict=True):
        assert tasks[cell] == "practice"
        if text.startswith("```"):
            said = text_of(shown)
            assert not [line for line in lines_of(text) - {"```python"} if line not in said]
    assert "SOLUTION" not in html


@every_assignment
def test_chapter_and_exercises_lead_to_each_other(name):
    chapter = SITE / f"notebooks/{name}.html"
    if not chapter.exists():  # an assignment may be there before its chapter
        assert not (ROOT / f"notebooks/{name}.ipynb").exists()
        return
    assert f'href="exercises/{name}/{name}.html"' in chapter.read_text(encoding="utf-8").split("<article")[1]
    assert f'href="../../{name}.html"' in page(name).split("<article")[1]
    # In Colab, too, where only a full address leads out of a notebook.
    address = f"{REPOSITORY['url']}/blob/{REPOSITORY['branch']}/notebooks"
    assert f"]({address}/exercises/{name}/{name}.ipynb)" in (ROOT / f"notebooks/{name}.ipynb").read_text()
    assert f"]({address}/{name}.ipynb)" in (ROOT / f"notebooks/exercises/{name}/{name}.ipynb").read_text()


@every_assignment
def test_a_page_hands_out_the_students_notebook(name):
    path = f"notebooks/exercises/{name}/{name}.ipynb"
    colab = REPOSITORY["url"].replace("https://", "https://colab.research.google.com/").replace("github.com", "github")
    assert f'href="{colab}/blob/{REPOSITORY["branch"]}/{path}"' in page(name)
    assert (SITE / "_sources" / path).read_bytes() == (ROOT / path).read_bytes()
    assert f'href="../../../_sources/{path}" download' in page(name)


def test_the_table_of_graders_is_that_of_the_results():
    rows = json.loads((ROOT / book_exercises.SCOREBOARD).read_text(encoding="utf-8"))
    shown = text_of((SITE / "book/exercises.html").read_text(encoding="utf-8").split('id="graders-graded"')[1])
    for row in rows:
        assert re.search(rf"\b{row['task']}\s+{row['answers']}\s+{row['rejected']}\s+{row['named']}\s", shown)
    sums = [sum(row[name] for row in rows) for name in ("answers", "rejected", "named")]
    assert re.search(r"\ball\s+" + r"\s+".join(map(str, sums)) + r"\s", shown)


# --- The extension ---------------------------------------------------------------------------------------------------


def made(use, source, kind="code", **graded):
    heading = nbformat.v4.new_markdown_cell("## Task 1. One\n\n*By hand · hard · 5 minutes · 2 points*")
    heading.metadata.tags = [use]
    cell = nbformat.v4.new_code_cell(source) if kind == "code" else nbformat.v4.new_markdown_cell(source)
    cell.metadata.nbgrader, cell.id = nbformat.from_dict({"solution": True} | graded), "answer"
    return nbformat.v4.new_notebook(cells=[heading, cell])


def test_only_practice_tasks_have_public_solutions_without_marks_and_rubrics():
    code = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION"
    assert book_exercises.public_solutions(made("practice", code)) == {
        "answer": "```python\ndef f():\n    return 1\n```"
    }
    words = made("practice", "Because.\n\n**Rubric.** One point.", "markdown")
    assert book_exercises.public_solutions(words) == {"answer": "Because."}
    assert book_exercises.public_solutions(made("graded", code)) == {}
    assert book_exercises.public_solutions(made("practice", code, solution=False)) == {}


def test_what_is_secret_is_known_as_such():
    code = "### BEGIN SOLUTION\nx = 1\n### END SOLUTION"
    assert list(secrets(made("graded", code))) == ["x = 1\n"]
    assert list(secrets(made("practice", code))) == []
    hidden = "check()\n### BEGIN HIDDEN TESTS\nmore()\n### END HIDDEN TESTS"
    assert list(secrets(made("practice", hidden, grade=True))) == ["more()\n"]
    assert list(secrets(made("practice", "Yes.**Rubric.** Two.", "markdown"))) == [" Two."]
    assert list(secrets(made("graded", "Yes.**Rubric.** Two.", "markdown"))) == [" Two.", "Yes."]
