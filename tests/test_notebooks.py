"""The chapters' form: run, checked, readable anywhere. (nbval runs them and compares what they print.)"""

import json
import re
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
PATHS = sorted((ROOT / "notebooks").glob("*.ipynb"))  # below lie the assignments: see test_assignments.py
NOT_COMPARED = {"nbval-ignore-output", "nbval-skip", "nbval-raises-exception"}

every_notebook = pytest.mark.parametrize("path", PATHS, ids=lambda path: path.stem)


def code_cells(path):
    return [cell for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]


def markdown_cells(path):
    return [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "markdown"]


def tags(cell):
    return set(cell.metadata.get("tags", []))


def test_there_are_chapters():
    assert [path.stem for path in PATHS][:2] == ["01_fixed_vector", "02_looking_back"]


@every_notebook
def test_is_a_valid_small_notebook(path):
    nbformat.validate(nbformat.read(path, as_version=4))
    assert path.stat().st_size < 1_500_000


@every_notebook
def test_was_run_from_top_to_bottom_without_an_error(path):
    # nbval passes a cell that was never executed without looking at it.
    cells = code_cells(path)
    assert [cell.execution_count for cell in cells] == list(range(1, len(cells) + 1))
    assert not [o for cell in cells for o in cell.outputs if o.output_type == "error"]


@every_notebook
def test_every_cell_that_nbval_does_not_compare_is_followed_by_an_assert(path):
    cells = code_cells(path)
    for number, cell in enumerate(cells):
        if tags(cell) & NOT_COMPARED:
            following = "".join(c.source for c in cells[number + 1 : number + 3])
            assert re.search(r"\bassert", following), f"no assert behind:\n{cell.source}"


def test_at_least_70_percent_of_the_text_outputs_are_compared_strictly():
    strict = []
    for path in PATHS:
        for cell in code_cells(path):
            texts = [o for o in cell.outputs if o.output_type == "stream" or "text/plain" in o.get("data", {})]
            pictures = [o for o in texts if "image/png" in o.get("data", {})]
            strict += [not tags(cell) & NOT_COMPARED] * (len(texts) - len(pictures))
    assert len(strict) >= 20
    assert sum(strict) >= 0.7 * len(strict), f"{sum(strict)} of {len(strict)}"


@every_notebook
def test_every_picture_has_alt_text(path):
    for cell in code_cells(path):
        if any("image/png" in output.get("data", {}) for output in cell.outputs):
            alt = cell.metadata.get("mystnb", {}).get("image", {}).get("alt", "")
            assert len(alt) > 30, f"no alt text for the picture of:\n{cell.source}"


@every_notebook
def test_prose_is_plain_markdown(path):
    # Colab and JupyterLab show neither MyST's directives and roles nor Sphinx's.
    for source in markdown_cells(path):
        assert not re.search(r"^\s*(```\{|:::)|\{[a-z:-]+\}`", source, re.MULTILINE), source


@every_notebook
def test_has_the_parts_of_a_chapter(path):
    headings = re.findall(r"^## (.+)$", "\n".join(markdown_cells(path)), re.MULTILINE)
    for part in ("By hand", "Break it", "What it costs", "Summary", "Quiz", "Exercises", "Sources"):
        assert any(part.lower() in heading.lower() for heading in headings), f"no section {part!r} in {headings}"


@every_notebook
def test_quizzes_explain_every_choice(path):
    quiz = "\n".join(markdown_cells(path)).split("## Quiz")[1].split("\n## ")[0]
    questions = re.split(r"^\*\*Question \d\.\*\* ", quiz, flags=re.MULTILINE)[1:]
    assert 3 <= len(questions) <= 5
    for question in questions:
        choices = re.findall(r"<details>\s*<summary>(.+?)</summary>(.+?)</details>", question, re.DOTALL)
        assert len(choices) >= 3, question
        assert sum(explanation.strip().startswith("**Right.**") for _, explanation in choices) == 1, question
        assert all(len(explanation.split()) >= 8 for _, explanation in choices), question


@every_notebook
def test_holds_nothing_of_the_machine_that_ran_it(path):
    text = json.dumps(json.loads(path.read_text()), ensure_ascii=False)
    assert not re.search(r"(/(home|root|Users|tmp|work)/|0x[0-9a-f]{8,})", text)
    assert "widget-view" not in text
