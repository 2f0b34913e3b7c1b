"""The tables of the instructor's guide, read off the chapters and their assignments while the book is built.

    ```{chapter-times}
    ```

lists what each chapter needs and takes. `{syllabus}` has a line for each week, with the chapters' numbers behind a
colon; `{one-day}` begins with the hour, and has minutes, chapters and what is done in each line; `{objectives}` names a
chapter in each line, and for each task the objectives that it practises. A chapter, task or objective that is not there
is an error.
"""

import re
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import nbformat
from book_exercises import STUDENTS, Task, as_table, assignments, by_task
from docutils import nodes
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

OPENING = re.compile(
    r"# (?P<title>.+?)\n.+?After this chapter you can\n(?P<objectives>.+?)\n\n"
    r"You need (?P<needs>.+?)\. Plan (?P<minutes>\d+) minutes\. All cells together run (?P<run>[^:;]+? CPU cores)",
    re.DOTALL,
)
TASKS = re.compile(r"(?P<task>\d+) -> (?P<objectives>\d+(?:, \d+)*)")


@dataclass(frozen=True)
class Chapter:
    """A chapter as its opening and its assignment tell it; no tasks where no assignment is handed out."""

    name: str
    title: str
    objectives: tuple[str, ...]
    needs: str
    minutes: int
    run: str
    tasks: tuple[Task, ...]

    def exercise_minutes(self, use: str) -> int:
        return sum(task.minutes for task in self.tasks if task.use == use)


@cache
def chapters(root: Path) -> dict[int, Chapter]:
    """All chapters by their number.

    Raises:
        ValueError: a chapter's opening does not tell objectives, needs and minutes.
    """
    sources = assignments(root)
    found = {}
    for path in sorted((root / "notebooks").glob("[0-9]*.ipynb")):
        opening = OPENING.match(nbformat.read(path, as_version=4).cells[0].source)
        if not opening:
            raise ValueError(f"{path.name} does not begin with objectives, 'You need' and 'Plan ... minutes'")
        points = tuple(point.rstrip(";.") for point in re.split(r"\n?- ", opening["objectives"]) if point)
        tasks = tuple(task for task, _ in by_task(sources[path.stem].cells)) if path.stem in sources else ()
        run = opening["run"].removesuffix(" on two CPU cores").removeprefix("in ").removeprefix("for ")
        found[int(path.stem[:2])] = Chapter(
            path.stem, opening["title"], points, opening["needs"], int(opening["minutes"]), run, tasks
        )
    return found


def chapter(root: Path, number: str) -> Chapter:
    known = chapters(root)
    if not number.strip().isdigit() or int(number) not in known:
        raise ValueError(f"there is no chapter {number.strip()!r}; the chapters are {', '.join(map(str, known))}")
    return known[int(number)]


def chapter_times(root: Path) -> str:
    rows = []
    for c in chapters(root).values():
        practice, graded = (c.exercise_minutes(use) or "–" for use in ("practice", "graded"))
        points = sum(task.points for task in c.tasks) or "–"
        rows.append([f"[{c.title}](../notebooks/{c.name}.ipynb)", c.needs, c.minutes, c.run, practice, graded, points])
    heads = ["chapter", "needs", "reading, minutes", "running", "practice, minutes", "graded, minutes", "points"]
    return as_table(heads, rows)


def syllabus(root: Path, lines: list[str]) -> str:
    """A row for each week, with sums, and a last row of their sums."""
    rows, sums = [], [0, 0, 0]
    for line in lines:
        week, _, numbers = line.partition(":")
        named = [chapter(root, number) for number in numbers.split(",")]
        minutes = [sum(c.minutes for c in named)]
        minutes += [sum(c.exercise_minutes(use) for c in named) for use in ("practice", "graded")]
        sums = [a + b for a, b in zip(sums, minutes, strict=True)]
        rows.append([week, "; ".join(c.title for c in named), *minutes, sum(minutes)])
    rows.append(["**all**", "", *sums, sum(sums)])
    return as_table(["week", "chapters", "reading", "practice", "graded", "all, minutes"], rows)


def one_day(root: Path, lines: list[str]) -> str:
    """The first line is the hour of the beginning; each other is `minutes | chapters or - | what is done`."""
    hour, minute = map(int, lines[0].split(":"))
    clock, rows = 60 * hour + minute, []
    for line in lines[1:]:
        minutes, numbers, what = (part.strip() for part in line.split("|"))
        named = [chapter(root, number).title for number in numbers.split(",")] if numbers != "-" else []
        rows.append([f"{clock // 60}:{clock % 60:02}", minutes, "; ".join(named), what])
        clock += int(minutes)
    rows.append([f"{clock // 60}:{clock % 60:02}", "", "", "End"])
    return as_table(["time", "minutes", "chapters", "what is done"], rows)


def objectives(root: Path, lines: list[str]) -> str:
    """For each chapter a table of its objectives, with the tasks that practise them."""
    text = []
    for line in lines:
        number, _, rest = line.partition(":")
        c = chapter(root, number)
        practised: dict[int, list[int]] = {}
        for found in TASKS.finditer(rest):
            task = int(found["task"])
            if task not in {known.number for known in c.tasks}:
                raise ValueError(f"chapter {number}'s assignment has no task {task}")
            for objective in map(int, found["objectives"].split(",")):
                if not 1 <= objective <= len(c.objectives):
                    raise ValueError(f"chapter {number} has no objective {objective}")
                practised.setdefault(objective, []).append(task)
        rows = [
            [point, ", ".join(map(str, sorted(practised.get(i, [])))) or "quiz"]
            for i, point in enumerate(c.objectives, 1)
        ]
        link = f"[{c.title}](../{STUDENTS}/{c.name}/{c.name}.ipynb)"
        text.append(f"**{link}**\n\n{as_table(['a learner can', 'tasks'], rows)}")
    return "\n\n".join(text)


def directive(write: object, takes_lines: bool) -> type[SphinxDirective]:
    """A directive that puts the table of a function in its place."""

    class Table(SphinxDirective):
        has_content = takes_lines

        def run(self) -> list[nodes.Node]:
            self.env.note_reread()
            lines = [[line for line in self.content if line.strip()]] if takes_lines else []
            try:
                return self.parse_text_to_nodes(write(Path(self.env.srcdir), *lines))
            except ValueError as error:
                raise self.error(str(error)) from error

    return Table


def setup(app: Sphinx) -> dict[str, bool]:
    for name, write in [("syllabus", syllabus), ("one-day", one_day), ("objectives", objectives)]:
        app.add_directive(name, directive(write, True))
    app.add_directive("chapter-times", directive(chapter_times, False))
    return {"parallel_read_safe": True, "parallel_write_safe": True}
