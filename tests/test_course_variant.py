"""A course's own variant: other numbers and hidden tests than the public ones, the same ones whenever they are made."""

import contextlib
import csv
import io
import math
import re
import sys
from pathlib import Path

import nbformat
import pytest

from attnbook import exercises
from attnbook.exercises import WrongAnswer
from attnbook.exercises._varied import VARIED

ROOT = Path(__file__).parent.parent
SOURCES = sorted((ROOT / "notebooks/solutions").glob("*/*.ipynb"))
sys.path.insert(0, str(ROOT / "tools"))

import course_variant  # noqa: E402 (the folder holds scripts, not packages)
from course_variant import number, variant, write_source  # noqa: E402
from make_assignments import SourceError, student_version  # noqa: E402

SECRET = "a secret of this test"
VARIANTS = range(1, 60)

every_source = pytest.mark.parametrize("path", SOURCES, ids=lambda path: path.stem)
every_task = pytest.mark.parametrize("task", VARIED)


def made(path, secret=SECRET):
    return variant(nbformat.read(path, as_version=4), secret, path.stem)


def text(notebook):
    return "\n".join(cell.source for cell in notebook.cells)


def hidden_seeds(source):
    regions = re.findall("BEGIN HIDDEN TESTS(.+?)END HIDDEN TESTS", source, re.DOTALL)
    return [seed for region in regions for seed in re.findall(r"seed=(\d+)", region)]


def check(task, answer, number):
    with contextlib.redirect_stdout(io.StringIO()):
        getattr(exercises, f"check_{task}")(answer, variant=number)


# --- Numbers ---------------------------------------------------------------------------------------------------------


def test_some_chapters_have_calculations_whose_numbers_change():
    changed = [path.stem for path in SOURCES if "variant=" in text(made(path))]
    assert len(changed) >= 3


@every_task
def test_a_variant_knows_its_answer_and_its_mistakes(task):
    mine, fit = VARIED[task], [n for n in VARIANTS if VARIED[task].is_another(n)]
    assert mine.tells_apart(0)
    assert len(fit) > len(VARIANTS) / 4
    for n in fit:
        check(task, mine.answer(n), n)
        with pytest.raises(WrongAnswer):
            check(task, mine.answer(0), n)
        for says, mistake in mine.mistakes:
            numbers = mine.sheet.numbers(n)
            with pytest.raises(WrongAnswer, match=re.escape(says if isinstance(says, str) else says(*numbers))):
                check(task, mistake(*numbers), n)
    assert len({str(mine.words(n)) for n in fit}) > len(fit) / 2


def test_by_hand():
    # The numbers of variant 0 are printed; here are others, worked out with a pencil.
    read, weights, scaled = VARIED["last_state"], VARIED["weights"], VARIED["scaled"]
    assert read.right(5, (25, 0), (0, 25), (5, 5)) == pytest.approx((4.8, 8))  # (20, 0), (4, 20), (0.8 + 4, 4 + 4)
    assert weights.right(2, 5) == (0.25, 0.125, 0.625)
    assert scaled.right((1, 1, 0, 2), (2, 0, 5, 3), (0, 2, 0, -1)) == (4, 0)
    assert VARIED["multiplicative"].right((1, 2), (1, 0, 1), (0, 1, 0), ((1, 3, 0), (0, 1, 2))) == (5, 5)


def test_a_variant_in_which_a_mistake_comes_out_right_is_not_fit():
    two = VARIED["scaled"]
    same = type(two)("made-up", type(two.sheet)(two.sheet.printed, lambda draw: ((1, 1, 1, 1),) * 3, two.sheet.words),
                     two.right, *two.mistakes)  # fmt: skip
    del VARIED["made-up"]
    assert same.tells_apart(0)
    assert not same.tells_apart(1)  # keys that are alike cannot be taken for each other


# --- Assignments -----------------------------------------------------------------------------------------------------


@every_source
def test_a_variant_is_the_public_assignment_but_for_numbers(path):
    public, mine = nbformat.read(path, as_version=4), made(path)
    assert [c.id for c in mine.cells] == [c.id for c in public.cells]
    assert made(path) == mine
    other = text(made(path, "another secret"))
    seeds, others, known = (hidden_seeds(x) for x in (text(mine), other, text(public)))
    assert len(seeds) == len(others) == len(known) >= 2
    assert len({*seeds, *others, *known}) == 3 * len(seeds)
    varied = {task for task in VARIED if f"exercises.check_{task}(" in text(public)}
    for before, now in zip(public.cells, mine.cells, strict=True):
        if before.source != now.source:
            kind = "hidden" if "HIDDEN" in now.source else "numbers"
            assert kind == "hidden" or varied
            shape = re.sub(r"-?\d+(\.\d+)?|, variant=\d+", "#", now.source)
            if kind == "hidden":
                assert shape == re.sub(r"-?\d+(\.\d+)?", "#", before.source)
    for task in varied:
        assert VARIED[task].words(0)[-1] in text(public)
        assert VARIED[task].words(0)[-1] not in text(mine)


@every_source
def test_students_get_the_numbers_and_neither_the_secret_nor_the_hidden_tests(path):
    released = student_version(made(path))
    assert SECRET not in nbformat.writes(released)
    assert not re.search(r"seed=\d{3}|HIDDEN|SOLUTION", text(released))
    assert set(re.findall(r"variant=\d+", text(released))) == set(re.findall(r"variant=\d+", text(made(path))))


@every_source
def test_the_course_s_solution_is_right_and_the_public_one_wrong_where_numbers_changed(path):
    mine, public = text(made(path)), text(nbformat.read(path, as_version=4))
    for task, chosen in re.findall(r"exercises\.check_(\w+)\(\w+, variant=(\d+)\)", mine):
        solution, printed = ({"math": math}, {"math": math})  # which the notebooks import
        exec(re.search(rf"^{task} = .+$", mine, re.MULTILINE)[0], solution)
        exec(re.search(rf"^{task} = .+$", public, re.MULTILINE)[0], printed)
        check(task, solution[task], int(chosen))
        with pytest.raises(WrongAnswer):
            check(task, printed[task], int(chosen))


def test_a_secret_gives_numbers_of_six_digits_and_another_one_others():
    numbers = [number(SECRET, i) for i in range(1000)]
    assert all(100_000 <= n < 1_000_000 for n in numbers)
    assert len(set(numbers)) > 990
    assert numbers == [number(SECRET, i) for i in range(1000)]
    assert number(SECRET, "a", "b") != number("other", "a", "b") != number("other", "ab")


# --- The command -----------------------------------------------------------------------------------------------------


def test_the_command_draws_a_secret_once_and_writes_the_same_again(tmp_path, capsys):
    course = tmp_path / "course"
    assert course_variant.main([str(course)]) == 0
    secret = course / "secret.txt"
    assert len(secret.read_text().strip()) == 32
    assert secret.stat().st_mode & 0o077 == 0
    assert "Keep it" in capsys.readouterr().out
    files = {path: path.read_bytes() for path in course.rglob("*") if path.is_file()}
    assert len(files) == 1 + 2 * len(SOURCES)
    assert course_variant.main([str(course)]) == 0
    assert "Keep it" not in capsys.readouterr().out
    assert {path: path.read_bytes() for path in course.rglob("*") if path.is_file()} == files
    assert secret.read_text().strip() not in "".join(t.decode() for p, t in files.items() if p != secret)


def test_an_evening_is_graded_by_the_courses_numbers(tmp_path, monkeypatch):
    monkeypatch.setenv("PYTHONPATH", str(ROOT / "tools"))  # for the processes that joblib starts
    from grading import __main__ as evening

    name, course = "03_scores", tmp_path / "course"
    small = nbformat.read(ROOT / "notebooks/solutions/03_score_functions/03_score_functions.ipynb", as_version=4)
    small.cells = small.cells[: [c.id for c in small.cells].index("test-scaled-dot-score") + 1]
    source = tmp_path / "sources" / name / f"{name}.ipynb"
    source.parent.mkdir(parents=True)
    nbformat.write(small, source)
    assert course_variant.main([str(course), "--sources", str(tmp_path / "sources")]) == 0
    handed_in = tmp_path / "in"
    handed_in.mkdir()
    (handed_in / "anna.ipynb").write_bytes((course / "source" / name / f"{name}.ipynb").read_bytes())
    (handed_in / "ben.ipynb").write_bytes(source.read_bytes())  # who found the public solutions
    arguments = [name, "--from", str(handed_in), "--course", str(course), "--sources", str(tmp_path / "sources")]
    assert evening.main([*arguments, "--jobs", "2"]) == 0
    with (course / "grades" / name / "grades.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    assert [rows[who]["points"] for who in ("anna", "ben")] == ["5", "3"]
    assert rows["ben"]["test-scaled"] == rows["ben"]["test-multiplicative"] == "0"
    assert "changed: ours was used" in rows["ben"]["what happened"]  # the tests in his notebook ask for other numbers
    page = (course / "feedback/ben" / name / f"{name}.html").read_text(encoding="utf-8")
    hidden = hidden_seeds((course / "source" / name / f"{name}.ipynb").read_text(encoding="utf-8"))
    assert hidden
    assert not [seed for seed in hidden if seed in page]


def test_without_a_secret_a_course_has_the_public_assignment(tmp_path):
    assert write_source(SOURCES[0], tmp_path) == SOURCES[0]
    (tmp_path / "secret.txt").write_text("short\n")
    with pytest.raises(SourceError, match="a secret of at least 8 characters, got 5"):
        write_source(SOURCES[0], tmp_path)


def test_numbers_that_are_not_in_the_text_are_told():
    path = next(path for path in SOURCES if path.stem == "03_score_functions")
    notebook = nbformat.read(path, as_version=4)
    cell = next(cell for cell in notebook.cells if cell.id == "task-1")
    cell.source = cell.source.replace("(1, 2, 0, -1)", "(1, 2, 0, 1)")
    with pytest.raises(SourceError, match=r"should stand in the assignment once, to be changed: .*\(1, 2, 0, -1\).* 0"):
        variant(notebook, SECRET, path.stem)
