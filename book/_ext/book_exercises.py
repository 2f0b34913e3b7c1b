"""The exercises on the website: the students' notebooks, with the solutions of their practice tasks folded in.

A page of exercises *is* the student's notebook, so that what it opens in Colab and what it hands out are that notebook
too. While it is read, the solution of each practice task is put under the learner's cell, from `notebooks/solutions`.
Of graded tasks, of hidden tests and of rubrics nothing is taken from there.

    ```{exercises}
    ```

lists all tasks of all assignments, and `{graders}` what their feedback made of the wrong answers that it was tried on.
"""

import json
import posixpath
import re
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path

import nbformat
from docutils import nodes
from nbformat import NotebookNode
from sphinx.application import Sphinx
from sphinx.util.docutils import SphinxDirective

STUDENTS, SOLUTIONS = "notebooks/exercises", "notebooks/solutions"
SCOREBOARD = "tests/wrong_answers/scoreboard.json"
HEADING = re.compile(
    r"## Task (?P<number>\d)\. (?P<title>.+)\n\n"
    r"\*(?P<kind>.+?) · (?:(?P<level>\w+) · )?(?P<minutes>\d+) minutes · (?P<points>\d+) points"
)
SOLVED = re.compile(r"### BEGIN (?:SOLUTION|HIDDEN TESTS)\n(.+?)### END", re.DOTALL)


@dataclass(frozen=True)
class Task:
    """A task as its heading tells it; `use` is "practice" or "graded"."""

    number: int
    title: str
    kind: str
    level: str
    minutes: int
    points: int
    use: str

    def what(self) -> str:
        return ", ".join([self.kind.lower(), self.level][: 2 if self.level else 1])


# --- What an assignment holds ----------------------------------------------------------------------------------------


def assignments(root: Path) -> dict[str, NotebookNode]:
    """The source notebook of each assignment that is handed out, by name."""
    names = sorted(path.stem for path in (root / STUDENTS).glob("*/*.ipynb"))
    return {name: nbformat.read(root / SOLUTIONS / name / f"{name}.ipynb", as_version=4) for name in names}


def by_task(cells: list[NotebookNode]) -> list[tuple[Task, list[NotebookNode]]]:
    """Each task with its cells, from its heading to the next one's."""
    found: list[tuple[Task, list[NotebookNode]]] = []
    for cell in cells:
        if heading := HEADING.match(cell.source):
            number, title, kind, level, minutes, points = heading.groups()
            (use,) = {"practice", "graded"} & set(cell.metadata.tags)
            found.append((Task(int(number), title, kind, level or "", int(minutes), int(points), use), []))
        if found:
            found[-1][1].append(cell)
    return found


def public_solutions(source: NotebookNode) -> dict[str, str]:
    """The solved cells of the practice tasks as Markdown, by the name of the cell."""
    cells = [cell for task, cells in by_task(source.cells) if task.use == "practice" for cell in cells]
    return {c.id: solution(c) for c in cells if c.metadata.get("nbgrader", {}).get("solution")}


def secrets(source: NotebookNode) -> Iterator[str]:
    """What must not be published: solutions of graded tasks, hidden tests and rubrics of all."""
    for task, cells in by_task(source.cells):
        for cell in cells:
            graded = cell.metadata.get("nbgrader", {})
            if cell.cell_type == "markdown" and graded.get("solution"):
                words, _, rubric = cell.source.partition("**Rubric.**")
                yield from [rubric, *([words] if task.use == "graded" else [])]
            elif task.use == "graded" or graded.get("grade"):
                yield from SOLVED.findall(cell.source) or ([cell.source] if graded.get("solution") else [])


def solution(cell: NotebookNode) -> str:
    """A solved cell as Markdown, without the marks for nbgrader, and without a rubric."""
    if cell.cell_type == "markdown":
        return cell.source.split("**Rubric.**")[0].strip()
    code = re.sub(r"^ *### (?:BEGIN|END) SOLUTION\n?", "", cell.source, flags=re.MULTILINE).rstrip()
    return f"```python\n{code}\n```"


# --- Pages -----------------------------------------------------------------------------------------------------------


def read_notebook(app: Sphinx, docname: str, source: list[str]) -> None:
    """Fold solutions into a page of exercises, and let a notebook's links to notebooks lead to their pages."""
    if not docname.startswith("notebooks/"):
        return
    if docname.startswith(STUDENTS):
        source[0] = with_solutions(source[0], Path(app.srcdir, SOLUTIONS, docname.removeprefix(f"{STUDENTS}/")))
    theme = app.config.html_theme_options
    there = re.escape(f"{theme['repository_url']}/blob/{theme['repository_branch']}/")

    def page(link: re.Match) -> str:
        known = link["page"] in app.env.found_docs
        return f"]({posixpath.relpath(link['page'], posixpath.dirname(docname))}.ipynb)" if known else link[0]

    # In Colab only a full address leads out of a notebook.
    source[0] = re.sub(rf"\]\({there}(?P<page>[\w/]+)\.ipynb\)", page, source[0])


def with_solutions(student: str, source: Path) -> str:
    notebook, solved = nbformat.reads(student, as_version=4), nbformat.read(source.with_suffix(".ipynb"), as_version=4)
    solutions = public_solutions(solved)
    numbers = [str(task.number) for task, _ in by_task(solved.cells) if task.use == "practice"]
    cells = []
    for cell in notebook.cells:
        cells.append(cell)
        if cell.id in solutions:
            text = f"<details><summary>Solution</summary>\n\n{solutions[cell.id]}\n\n</details>"
            cells.append(nbformat.v4.new_markdown_cell(text, id=f"{cell.id}-solution"))
    notebook.cells = cells
    tasks = f"tasks {', '.join(numbers[:-1])} and {numbers[-1]}" if len(numbers) > 1 else f"task {numbers[0]}"
    cells[0].source += (
        f"\n\nOn this page the solutions of {tasks} are folded under the cells where yours would stand: try first. "
        "Courses grade the other tasks, whose solutions are not published. "
        "[A table lists the exercises of all chapters.](../../../book/exercises.md)"
    )
    return nbformat.writes(notebook)


# --- Tables ----------------------------------------------------------------------------------------------------------


class Exercises(SphinxDirective):
    """A section for each assignment with a table of its tasks."""

    def run(self) -> list[nodes.Node]:
        here = posixpath.dirname(self.env.docname)
        return [
            self.section(name, posixpath.relpath(f"{STUDENTS}/{name}/{name}.ipynb", here), notebook)
            for name, notebook in assignments(Path(self.env.srcdir)).items()
        ]

    def section(self, name: str, page: str, notebook: NotebookNode) -> nodes.section:
        title = re.match("# Exercises for (.+)", notebook.cells[0].source)[1]
        tasks = [task for task, _ in by_task(notebook.cells)]
        rows = [[f"{t.number}. {t.title}", t.what(), t.minutes, t.points, t.use] for t in tasks]
        minutes, points = sum(t.minutes for t in tasks), sum(t.points for t in tasks)
        section = nodes.section("", nodes.title("", title[0].upper() + title[1:]), ids=[f"exercises-{name}"])
        intro = f"[{len(tasks)} tasks]({page}), {minutes} minutes, {points} points."
        table = as_table(["task", "kind", "minutes", "points", "use"], rows)
        section += self.parse_text_to_nodes(f"{intro}\n\n{table}")
        return section


class Graders(SphinxDirective):
    """What the feedback made of the wrong answers: a table by chapters, and one by tasks folded under it."""

    def run(self) -> list[nodes.Node]:
        rows = json.loads(Path(self.env.srcdir, SCOREBOARD).read_text(encoding="utf-8"))
        by_chapter = [
            [int(re.search(r"\d+", chapter)[0]), *self.counts(list(group))]
            for chapter, group in groupby(rows, key=lambda row: row["chapter"])
        ]
        heads = ["wrong answers", "rejected", "named rightly"]
        everything = [f"**{x}**" for x in ["all", *self.counts(rows)]]
        chapters = as_table(["chapter", *heads], [*by_chapter, everything])
        tasks = as_table(["answer to", *heads], [[f"`{row['task']}`", *self.counts([row])] for row in rows])
        return self.parse_text_to_nodes(
            f"{chapters}\n\n<details><summary>Task by task</summary>\n\n{tasks}\n\n</details>"
        )

    @staticmethod
    def counts(rows: list[dict]) -> list[int]:
        return [sum(row[name] for row in rows) for name in ("answers", "rejected", "named")]


def as_table(heads: list[str], rows: list[list]) -> str:
    """A table in Markdown."""
    return "\n".join(f"| {' | '.join(map(str, row))} |" for row in [heads, ["---"] * len(heads), *rows])


def setup(app: Sphinx) -> dict[str, bool]:
    app.add_directive("exercises", Exercises)
    app.add_directive("graders", Graders)
    app.connect("source-read", read_notebook)
    return {"parallel_read_safe": True, "parallel_write_safe": True}
