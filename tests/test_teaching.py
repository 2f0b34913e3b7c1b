"""The instructor's guide: its tables are read off the notebooks, and what it names is there."""

import re
import sys
from pathlib import Path

import nbformat
import pytest

ROOT = Path(__file__).parent.parent
sys.path.append(str(ROOT / "book/_ext"))

import book_teaching as teaching  # noqa: E402 (a folder of extensions, not a package)

GUIDE = (ROOT / "book/teaching.md").read_text(encoding="utf-8")


def lines_of(directive):
    return re.search(rf"```{{{directive}}}\n(.*?)\n```", GUIDE, re.DOTALL)[1].splitlines()


def cells(table):
    return [[cell.strip() for cell in row.strip("|").split(" | ")] for row in table.splitlines()[2:]]


def test_every_chapter_is_listed_with_its_own_minutes():
    rows = cells(teaching.chapter_times(ROOT))
    assert len(rows) == len(list((ROOT / "notebooks").glob("[0-9]*.ipynb")))
    first = nbformat.read(ROOT / "notebooks/01_fixed_vector.ipynb", as_version=4).cells[0].source
    assert f"Plan {rows[0][2]} minutes" in first


def test_six_weeks_take_every_chapter_once_and_the_minutes_of_the_notebooks():
    lines = lines_of("syllabus")
    numbers = [int(n) for line in lines for n in line.split(":")[1].split(",")]
    assert len(lines) == 6
    assert numbers == list(teaching.chapters(ROOT))
    *weeks, total = cells(teaching.syllabus(ROOT, lines))
    planned = [
        int(re.search(r"Plan (\d+) minutes", nbformat.read(path, as_version=4).cells[0].source)[1])
        for path in (ROOT / "notebooks").glob("[0-9]*.ipynb")
    ]
    headings = [
        re.findall(r"^\*.+ · (\d+) minutes · ", cell.source, re.MULTILINE)
        for path in (ROOT / "notebooks/exercises").glob("*/*.ipynb")
        for cell in nbformat.read(path, as_version=4).cells
        if cell.source.startswith("## Task ")
    ]
    assert int(total[2]) == sum(planned)
    assert int(total[3]) + int(total[4]) == sum(int(m) for found in headings for m in found)
    assert int(total[5]) == sum(int(week[5]) for week in weeks) == sum(map(int, total[2:5]))


def test_one_day_is_one_day():
    lines = lines_of("one-day")
    assert sum(int(line.split("|")[0]) for line in lines[1:]) == 480
    rows = cells(teaching.one_day(ROOT, lines))
    assert (rows[0][0], rows[-1][0]) == ("9:00", "17:00")


def test_objectives_are_practised_by_tasks_that_exist():
    lines = lines_of("objectives")
    assert teaching.objectives(ROOT, lines).count("a learner can") == len(lines)
    for line in lines:  # each task of a chapter that is named practises something
        named = {int(found["task"]) for found in teaching.TASKS.finditer(line.partition(":")[2])}
        assert named == {task.number for task in teaching.chapter(ROOT, line.partition(":")[0]).tasks}


@pytest.mark.parametrize(
    ("write", "line", "message"),
    [
        (teaching.syllabus, "1: 99", "no chapter '99'"),
        (teaching.objectives, "1: 9 -> 1", "no task 9"),
        (teaching.objectives, "1: 1 -> 9", "no objective 9"),
    ],
)
def test_what_is_not_there_is_an_error(write, line, message):
    with pytest.raises(ValueError, match=message):
        write(ROOT, [line])
