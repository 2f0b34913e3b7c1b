"""What is kept of a graded assignment: nbgrader's gradebook, feedback to read, tables for people and for the LMS."""

import csv
import io
import json
import os
import sys
import warnings
from pathlib import Path

import nbformat
from make_assignments import student_version
from nbformat import NotebookNode
from nbgrader.api import Gradebook, MissingEntry
from nbgrader.apps.api import NbGraderAPI
from nbgrader.coursedir import CourseDirectory
from nbgrader.preprocessors import SaveAutoGrades, SaveCells
from sqlalchemy.exc import SAWarning
from traitlets.config import Config

from grading.examine import Result
from grading.intake import write

CONFIG = """c = get_config()
# Written by make grade. Texts and outputs of students are shown without their scripts.
c.HTMLExporter.sanitize_html = True
c.CourseDirectory.root = {root!r}
"""


class Records:
    """One assignment in a course's folder."""

    def __init__(self, course: Path, assignment: str, source: Path) -> None:
        self.course, self.assignment, self.source = course, assignment, source
        # nbgrader calls a program that is installed beside Python.
        os.environ["PATH"] = os.pathsep.join([str(Path(sys.prefix) / "bin"), os.environ.get("PATH", "")])
        self.url = f"sqlite:///{course / 'gradebook.db'}"

    def prepare(self) -> None:
        """Lay out the folder as nbgrader has it, and enter the assignment's cells into the gradebook."""
        write(self.course / "nbgrader_config.py", CONFIG.format(root=str(self.course)).encode())
        write(self.course / "source" / self.assignment / f"{self.assignment}.ipynb", self.source.read_bytes())
        notebook = student_version(nbformat.read(self.source, as_version=4))
        warnings.simplefilter("ignore", SAWarning)  # about nbgrader's own objects
        with self._gradebook() as gradebook:
            gradebook.update_or_create_assignment(self.assignment)
        SaveCells().preprocess(notebook, self._resources(""))

    def add(self, student: str, name: str, result: Result) -> None:
        """Enter a result into the gradebook. Done twice, it is as done once."""
        with Gradebook(self.url) as gradebook:
            gradebook.update_or_create_student(student, last_name=name)
            gradebook.update_or_create_submission(self.assignment, student)
        notebook = nbformat.reads(result.notebook, as_version=4)
        text = nbformat.writes(notebook)
        write(self.course / "autograded" / student / self.assignment / f"{self.assignment}.ipynb", text.encode())
        SaveAutoGrades().preprocess(notebook, self._resources(student))
        with Gradebook(self.url) as gradebook:
            for cell, points in result.points.items():
                grade = gradebook.find_grade(cell, self.assignment, self.assignment, student)
                # What we counted, not what an output looks like to nbgrader.
                grade.auto_score = points
                grade.needs_manual_grade = points is None or grade.manual_score is not None
            gradebook.db.commit()

    def feedback(self, students: list[str]) -> list[str]:
        """Write everybody's feedback as HTML; those for whom there is none in the end.

        (One after the other with one exporter: to set it up takes longer than to write a page.)
        """
        config = Config()
        config.CourseDirectory.root = str(self.course)
        config.CourseDirectory.db_url = self.url
        config.HTMLExporter.sanitize_html = True
        NbGraderAPI(CourseDirectory(config=config), config=config).generate_feedback(self.assignment, force=True)
        pages = {s: self.course / "feedback" / s / self.assignment / f"{self.assignment}.html" for s in students}
        return [student for student, page in pages.items() if not page.exists()]

    def scores(self, student: str) -> tuple[dict[str, float | None], bool]:
        """Points by the name of the graded cell, those given by hand among them; whether some are still to be given."""
        with Gradebook(self.url) as gradebook:
            try:
                notebook = gradebook.find_submission_notebook(self.assignment, self.assignment, student)
            except MissingEntry:
                return {}, True
            waits = {g.cell.name for g in notebook.grades if g.auto_score is None and g.manual_score is None}
            return {g.cell.name: None if g.cell.name in waits else g.score for g in notebook.grades}, bool(waits)

    def _gradebook(self) -> Gradebook:
        """The gradebook, which is there whole or not at all."""
        path, unfinished = self.course / "gradebook.db", self.course / ".gradebook.db.unfinished"
        if not path.exists():
            unfinished.unlink(missing_ok=True)
            Gradebook(f"sqlite:///{unfinished}").close()
            unfinished.rename(path)
        return Gradebook(self.url)

    def _resources(self, student: str) -> dict:
        entry = {"notebook": self.assignment, "assignment": self.assignment, "student": student, "db_url": self.url}
        return {"nbgrader": entry}


def graded_cells(source: Path) -> dict[str, float]:
    """The points of each graded cell."""
    cells: list[NotebookNode] = nbformat.read(source, as_version=4).cells
    return {c.id: float(c.metadata.nbgrader.points) for c in cells if c.metadata.get("nbgrader", {}).get("grade")}


def tables(rows: list[dict], cells: dict[str, float], assignment: str) -> dict[str, bytes]:
    """The files of grades by name: one for people, and one in the form of each LMS that the students came from."""
    head = ["student", "name", "late", *cells, "points", "of", "to be graded by hand", "what happened"]
    people = [
        [r["student"], r["name"], "late" if r["late"] else "", *(_shown(r["scores"].get(c)) for c in cells),
         _shown(r["points"]), _shown(sum(cells.values())), "yes" if r["waits"] else "", r["said"]]
        for r in rows
    ]  # fmt: skip
    files = {"grades.csv": _csv(head, people)}
    head = ["Student", "ID", "SIS User ID", "SIS Login ID", "Section", assignment]
    canvas = [[r["name"], r["student"], "", "", "", _shown(r["points"])] for r in rows if r["lms"] == "canvas"]
    files |= {"canvas.csv": _csv(head, canvas)} if canvas else {}
    moodle = [[f"Participant {r['student']}", r["name"], _shown(r["points"])] for r in rows if r["lms"] == "moodle"]
    files |= {"moodle.csv": _csv(["Identifier", "Full name", "Grade"], moodle)} if moodle else {}
    return files


def _shown(points: float | None) -> str:
    return "" if points is None else f"{points:g}"


def _csv(head: list[str], rows: list[list[str]]) -> bytes:
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(head)
    # A spreadsheet would compute what begins so.
    writer.writerows([[f"'{x}" if x[:1] in ("=", "+", "@", "-", "\t") else x for x in row] for row in rows])
    return text.getvalue().encode()


def dump(result: Result, key: str) -> bytes:
    return json.dumps({"key": key} | vars(result)).encode()


def parse(text: bytes, key: str) -> Result | None:
    """The result that was kept, unless it is one of something else."""
    kept = json.loads(text)
    return Result(**kept) if kept.pop("key") == key else None
