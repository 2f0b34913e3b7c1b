"""Grade one submission: the student's cells in the sandbox, the tests of ours outside of it."""

import ast
import builtins
import contextlib
import copy
import io
import re
import time
from dataclasses import dataclass, field
from typing import Any

import nbformat
from IPython.core.inputtransformer2 import TransformerManager
from make_assignments import student_version
from nbformat import NotebookNode

from attnbook import exercises
from attnbook.exercises import WrongAnswer
from grading.remote import Remote, as_error
from grading.sandbox import DiedError, Limits, Session

LARGEST = 10 * 2**20  # bytes of a notebook
CELLS = 500
STARTS = 3  # a worker that died is started anew, without the cell that killed it
OURS = {"exercises"}  # names that mean in a test what they mean here, whatever the student made of them


@dataclass
class Result:
    """What became of a submission.

    Attributes:
        points: by the name of the test's cell; None where our own check failed, for a person to look at.
        notebook: the submission as graded: our cells, the student's answers, outputs of this run.
        notes: what a grader should know, in a few words each.
    """

    points: dict[str, float | None]
    notebook: str
    notes: list[str] = field(default_factory=list)


class NotGradedError(ValueError):
    """A submission that is not a notebook."""


def grade(submission: bytes, source: str, limits: Limits) -> Result:
    """Grade the bytes of a submission by the text of the assignment's source notebook.

    It needs no files, so that any machine of a cluster can do it.
    """
    solved = nbformat.reads(source, as_version=4)
    release = student_version(copy.deepcopy(solved)).cells
    tests = {cell.id: cell.source for cell in solved.cells if _is_test(cell)}
    notes: list[str] = []
    try:
        handed_in = read(submission)
    except NotGradedError as error:
        handed_in, notes = [], [f"nothing could be graded: {error}"]
    cells = merge(release, handed_in, notes)
    examiner = Examiner(cells, tests, limits, notes)
    examiner.points = {} if handed_in else dict.fromkeys(tests, 0.0)
    if handed_in:
        try:
            examiner.run()
        except Exception as error:  # a fault of ours stops nobody's grading
            notes.append(f"the grader itself failed, please look ({type(error).__name__}: {error})")
            examiner.points = dict.fromkeys(tests) | examiner.points
    notebook = nbformat.v4.new_notebook(cells=cells, metadata=solved.metadata)
    return Result(examiner.points, nbformat.writes(notebook), notes)


def read(submission: bytes) -> list[NotebookNode]:
    """The cells of a submission: kind, source and name, and nothing else of it."""
    if len(submission) > LARGEST:
        raise NotGradedError(f"the file is larger than {LARGEST // 2**20} MiB")
    try:
        notebook = nbformat.reads(submission.decode(), as_version=4)
        found = [
            (str(c.cell_type), c.source, dict(c.metadata.get("nbgrader", {})), c.get("id")) for c in notebook.cells
        ]
    except Exception as error:  # whatever a broken file brings about
        raise NotGradedError(f"the file is not a notebook ({type(error).__name__})") from None
    if not found or len(found) > CELLS or not all(isinstance(source, str) for _, source, _, _ in found):
        raise NotGradedError(f"the notebook has {len(found)} cells, or cells that are not text")
    cells = []
    for kind, text, graded, name in found:
        make = nbformat.v4.new_code_cell if kind == "code" else nbformat.v4.new_markdown_cell
        # In Colab cells lose their ids and keep nbgrader's entry.
        cells.append(make(text, metadata={"from": str(graded.get("grade_id", name))}))
    return cells


def merge(release: list[NotebookNode], handed_in: list[NotebookNode], notes: list[str]) -> list[NotebookNode]:
    """Our cells in our order, with the student's answers; a cell of their own stays behind the one that it followed."""
    ours = {cell.id: copy.deepcopy(cell) for cell in release}
    after: dict[str, list[NotebookNode]] = {"": []}
    order: list[str] = []
    last = ""
    for cell in handed_in:
        name = cell.metadata.pop("from")
        if name not in ours or name in order or ours[name].cell_type != cell.cell_type:
            after.setdefault(last, []).append(cell)
            continue
        order.append(name)
        last = name
        mine = ours[name]
        if "nbgrader" not in mine.metadata or mine.metadata.nbgrader.solution:
            if "attnbook" in cell.source and "attnbook" not in mine.source:
                notes.append(f"{name} names the library: is it the student's own answer?")
            mine.source = cell.source
        elif mine.source.strip() != cell.source.strip():
            notes.append(f"{name} was changed: ours was used")
    if handed_in:
        gone = [name for name, mine in ours.items() if name not in order and "nbgrader" in mine.metadata]
        notes += [f"missing: {', '.join(gone)}"] if gone else []
        notes += ["cells stood in another order"] if order != [name for name in ours if name in order] else []
    return after[""] + [cell for name, mine in ours.items() for cell in [mine, *after.get(name, [])]]


def _is_test(cell: NotebookNode) -> bool:
    graded = cell.metadata.get("nbgrader", {})
    return cell.cell_type == "code" and bool(graded.get("grade")) and not graded.get("solution")


class Examiner:
    """Goes through a merged notebook: runs cells in the sandbox, and asks what the tests ask."""

    def __init__(self, cells: list[NotebookNode], tests: dict[str, str], limits: Limits, notes: list[str]) -> None:
        self.cells, self.tests, self.limits, self.notes = cells, tests, limits, notes
        self.points: dict[str, float | None] = {}
        self.deadly: set[int] = set()  # places of cells that ended the worker
        self.place = 0

    def run(self) -> None:
        """Give points for every test."""
        left = self.limits.whole
        for _ in range(STARTS):
            if left <= 0:
                break
            session = None
            try:
                session = Session(self.limits, left)
                self._go_through(session)
                break
            except DiedError as died:
                if session is None:
                    raise RuntimeError(f"a sandbox did not start: {died}") from None
                self._blame(str(died))
            finally:
                if session:
                    left = session.ends - time.monotonic()
                    session.close()
        for cell in self.cells:
            if _is_test(cell) and cell.id not in self.points:
                self._fail(cell, "It was not reached: what came before ended the run.")

    def _go_through(self, session: Session) -> None:
        for place, cell in enumerate(self.cells):
            self.place = place
            if cell.cell_type != "code" or self.place in self.deadly:
                continue
            if cell.id in self.tests:
                if cell.id not in self.points:
                    self._test(session, cell)
            else:
                code = TransformerManager().transform_cell(cell.source)
                reply = session.ask(do="run", source=code, name=str(self.place + 1))
                cell.outputs = _printed(reply, self.limits.call)
                if "OutOfTimeError" in str(reply.get("error", {}).get("type")):
                    self.notes.append(f"a cell took longer than {self.limits.call:g} seconds")

    def _test(self, session: Session, cell: NotebookNode) -> None:
        code = self.tests[cell.id]
        said = io.StringIO()
        try:
            names = self._names(session, code)
            with contextlib.redirect_stdout(said):
                exec(compile(code, cell.id, "exec"), names)
        except DiedError:
            raise
        except (WrongAnswer, NameError) as error:
            self._fail(cell, str(error), type(error).__name__)
            if "TimeoutError" in str(error):
                self.notes.append(f"{cell.id}: an answer took longer than {self.limits.call:g} seconds")
        except BaseException as error:
            self._fail(cell, f"Our check failed, so a person will look at it ({type(error).__name__}: {error}).")
            self.points[cell.id] = None
            self.notes.append(f"{cell.id}: our check failed ({type(error).__name__}), please look")
        else:
            self.points[cell.id] = float(cell.metadata.nbgrader.points)
            cell.outputs = [nbformat.v4.new_output("stream", name="stdout", text=said.getvalue())]

    def _names(self, session: Session, code: str) -> dict[str, Any]:
        """The names that a test uses: ours, and the student's answers, fetched."""
        names: dict[str, Any] = {"exercises": exercises}
        used = {node.id for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Name)}
        for name in used - OURS - set(dir(builtins)):
            reply = session.ask(lambda number: Remote(session, number), do="get", name=name)
            if "value" in reply:
                names[name] = reply["value"]
        return names

    def _fail(self, cell: NotebookNode, words: str, kind: str = "NotRun") -> None:
        self.points[cell.id] = 0.0
        cell.outputs = [nbformat.v4.new_output("error", ename=kind, evalue=words, traceback=words.splitlines())]

    def _blame(self, how: str) -> None:
        """Note the cell that ended the worker; if it is a test, it has failed."""
        cell = self.cells[self.place]
        self.deadly.add(self.place)
        self.notes.append(f"{cell.id if cell.id in self.tests else f'cell {self.place + 1}'}: {how}")
        if cell.id in self.tests:
            self._fail(cell, f"While your function was called, {how}.")
        else:
            cell.outputs = [nbformat.v4.new_output("error", ename="Ended", evalue=how, traceback=[how])]


def _printed(reply: dict, seconds: float) -> list[NotebookNode]:
    """What a cell printed and the error that it raised, as outputs of plain text."""
    outputs = []
    if isinstance(reply.get("printed"), str) and reply["printed"]:
        outputs.append(nbformat.v4.new_output("stream", name="stdout", text=reply["printed"][:10_000]))
    if isinstance(reply.get("error"), dict):
        error = as_error(reply["error"], seconds)
        lines = re.sub(r"\x1b", "", f"{type(error).__name__}: {error}").splitlines()
        outputs.append(nbformat.v4.new_output("error", ename=type(error).__name__, evalue=str(error), traceback=lines))
    return outputs
