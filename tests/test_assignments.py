"""The students' notebooks: up to date, locked, signed, and without a trace of what they should not hold."""

import json
import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import make_assignments  # noqa: E402 (the folder holds scripts, not packages)
from make_assignments import SourceError, replace_regions, student_text, student_version  # noqa: E402

SOURCES = sorted((ROOT / "notebooks/solutions").rglob("*.ipynb"))
STUDENTS = sorted((ROOT / "notebooks/exercises").rglob("*.ipynb"))
KINDS = ("By hand", "Write code", "Find the planted bug", "Predict, then measure", "Explain in words")

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)


def student_path(source):
    return ROOT / "notebooks/exercises" / source.parent.name / source.name


def cells(path):
    return nbformat.read(path, as_version=4).cells


def cell(source, kind="code", **graded):
    """A cell of a made-up assignment."""
    made = nbformat.v4.new_code_cell(source) if kind == "code" else nbformat.v4.new_markdown_cell(source)
    meta = {"grade": False, "grade_id": "one", "locked": False, "schema_version": 3, "solution": False, "task": False}
    made.metadata.nbgrader = nbformat.from_dict(meta | graded)
    return made


def student(*made):
    return student_version(nbformat.v4.new_notebook(cells=list(made))).cells


# --- The committed notebooks -----------------------------------------------------------------------------------------


def test_each_source_has_a_student_version_and_each_of_these_a_source():
    assert len(SOURCES) >= 3
    assert [student_path(path) for path in SOURCES] == STUDENTS
    assert all(path.stem == path.parent.name for path in SOURCES)  # as nbgrader has it, an assignment a folder


@every_source
def test_the_student_version_is_what_make_assignments_writes(path):
    assert student_path(path).read_text(encoding="utf-8") == student_text(path), "run make assignments"


@every_source
def test_nothing_of_a_solution_or_a_hidden_test_is_left(path):
    text = json.dumps(json.loads(student_path(path).read_text(encoding="utf-8")), ensure_ascii=False)
    assert not re.search(r"SOLUTION|HIDDEN|[Rr]ubric|seed=\d{3}", text)
    region = re.compile(r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.+?)### END", re.DOTALL)
    answered = [c.source for c in cells(path) if c.cell_type == "markdown" and c.metadata.nbgrader.solution]
    secret = "\n".join([*answered, *(found for c in cells(path) for found in region.findall(c.source))])
    shown = "\n".join(region.sub("", c.source) for c in cells(path) if c.source not in answered)
    # A solution may share a line with the planted bug that is handed out.
    lines = {line.strip() for line in secret.splitlines() if len(line.strip()) > 12 and line.strip() not in shown}
    assert len(lines) > 15
    assert not [line for line in lines if json.dumps(line, ensure_ascii=False)[1:-1] in text]


@every_source
def test_nbgrader_makes_the_same_of_it(path):
    pytest.importorskip("nbgrader", reason="nbgrader is in the extra attnbook[grading]")
    from nbgrader.converters.generate_assignment import GenerateAssignment

    notebook, resources = nbformat.read(path, as_version=4), {}
    left_out = {"IncludeHeaderFooter", "InstantiateTests", "SaveCells"}  # which need files or a gradebook
    for step in GenerateAssignment.preprocessors.default_args[0]:
        if step.__name__ not in left_out:
            notebook, resources = step().preprocess(notebook, resources)
    assert notebook == nbformat.read(student_path(path), as_version=4)


@every_source
def test_an_assignment_has_three_to_six_tasks_with_minutes_and_points(path):
    text = "\n".join(c.source for c in cells(path))
    tasks = re.findall(r"^\*(.+?) · (?:(\w+) · )?(\d+) minutes · (\d+) points", text, re.MULTILINE)
    assert 3 <= len(tasks) <= 6
    assert len(tasks) == len(re.findall(r"^## Task \d", text, re.MULTILINE))
    assert {kind for kind, *_ in tasks} <= set(KINDS)
    assert {"By hand", "Write code", "Find the planted bug", "Explain in words"} <= {kind for kind, *_ in tasks}
    assert {"routine", "medium", "hard"} <= {level for _, level, *_ in tasks}
    points = [c.metadata.nbgrader.points for c in cells(path) if c.metadata.get("nbgrader", {}).get("grade")]
    assert sum(points) == sum(int(p) for *_, p in tasks)
    statements = [c for c in cells(path) if c.source.startswith("## Task")]
    uses = [tag for c in statements for tag in c.metadata.tags]  # the website may show the solutions of the first kind
    assert len(uses) == len(statements)
    assert set(uses) == {"practice", "graded"}
    table = re.findall(r"^\| \d \| .+? \| (\d+) \| (\d+) \|$", text, re.MULTILINE)
    assert table == [(minutes, p) for *_, minutes, p in tasks]


@every_source
def test_the_source_is_stored_clean(path):
    assert not [c for c in cells(path) if c.cell_type == "code" and (c.outputs or c.execution_count)]
    nbformat.validate(nbformat.read(path, as_version=4))
    for c in cells(path):
        graded = c.metadata.get("nbgrader", {})
        assert c.id == graded.get("grade_id", c.id)
        if graded.get("grade") and c.cell_type == "code":
            assert c.source.startswith("exercises.check_")  # what a learner sees is feedback, not a bare assert
        if graded.get("grade") and c.cell_type == "markdown":
            assert "**Rubric.**" in c.source
        assert not re.search(r"^\s*(```\{|:::)|\{[a-z:-]+\}`", c.source, re.MULTILINE)  # plain Markdown


@every_source
def test_the_setup_cell_is_that_of_the_chapter(path):
    chapter = cells(ROOT / "notebooks" / path.name)
    setup = next(c.source for c in chapter if "find_spec" in c.source)
    assert setup in [c.source for c in cells(path)]


# --- The tool --------------------------------------------------------------------------------------------------------


def test_regions_are_replaced_with_their_indent():
    source = "def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION\n\nf()"
    assert replace_regions(source, "SOLUTION", "# here\nstop") == ("def f():\n    # here\n    stop\n\nf()", True)
    assert replace_regions("f()", "SOLUTION", "stop") == ("f()", False)
    assert replace_regions("a\n### BEGIN HIDDEN TESTS\nb\n### END HIDDEN TESTS", "HIDDEN TESTS", None) == ("a", True)


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("### BEGIN SOLUTION\nx = 1", "no END SOLUTION"),
        ("x = 1\n### END SOLUTION", "END SOLUTION without a BEGIN"),
        ("### BEGIN SOLUTION\n### BEGIN SOLUTION\n### END SOLUTION", "BEGIN SOLUTION twice"),
        ("### BEGIN HIDDEN TESTS\n### END HIDDEN TESTS", "hidden tests stand in a cell that is not graded"),
    ],
)
def test_a_source_that_would_leak_is_refused(source, message):
    with pytest.raises(SourceError, match=message):
        student(cell(source, solution=True))


def test_a_solution_outside_a_solution_cell_is_refused():
    with pytest.raises(SourceError, match="a solution stands in a cell that is not for one"):
        student(cell("### BEGIN SOLUTION\nx\n### END SOLUTION", locked=True))
    with pytest.raises(SourceError, match=r"grade_id should be unique, got \['one', 'one'\]"):
        student(cell("x", solution=True), cell("y", solution=True))


def test_cells_are_cleared_locked_and_signed():
    answer, test, text, words = student(
        cell("x = 1", solution=True, grade_id="a"),
        cell("check(x)", grade=True, locked=True, points=2, grade_id="b"),
        cell("Read this.", "markdown", locked=True, grade_id="c"),
        cell("My answer.", "markdown", grade=True, solution=True, points=3, grade_id="d"),
    )
    assert answer.source == make_assignments.CODE_STUB
    assert words.source == make_assignments.TEXT_STUB
    assert [c.metadata.get("editable", True) for c in (answer, test, text, words)] == [True, False, False, True]
    assert not any(c.metadata.deletable for c in (answer, test, text, words))
    sums = {c.metadata.nbgrader.checksum for c in (answer, test, text, words)}
    assert len(sums) == 4
    # By hand: md5 of "check(x)codeTrueFalseTrueb2.0".
    assert test.metadata.nbgrader.checksum == "081d8ae9733e0ca0cfbdf23e286d0e7a"


def test_the_tool_writes_removes_and_says_what_is_wrong(tmp_path, monkeypatch, capsys):
    sources, students = tmp_path / "solutions", tmp_path / "exercises"
    for name, value in (("ROOT", tmp_path), ("SOURCES", sources), ("STUDENTS", students)):
        monkeypatch.setattr(make_assignments, name, value)
    for folder in (sources / "new", students / "old"):
        folder.mkdir(parents=True)
    (students / "old/old.ipynb").write_text("{}")
    source = nbformat.v4.new_notebook(cells=[cell("x = 1", solution=True)])
    nbformat.write(source, sources / "new/new.ipynb")
    assert make_assignments.main() == 0
    assert not (students / "old/old.ipynb").exists()
    first = (students / "new/new.ipynb").read_bytes()
    assert make_assignments.main() == 0
    assert (students / "new/new.ipynb").read_bytes() == first
    source.cells[0].source = "### BEGIN SOLUTION"
    nbformat.write(source, sources / "new/new.ipynb")
    assert make_assignments.main() == 1
    assert "new.ipynb: no END SOLUTION" in capsys.readouterr().err
    assert (students / "new/new.ipynb").read_bytes() == first
