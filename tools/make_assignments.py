"""Write the students' notebooks from the sources, in nbgrader's format: no solutions, no hidden tests, locked cells.

nbgrader's `generate_assignment` does the same, and a test holds the two equal. This takes nothing but nbformat, so that
the notebooks can be made and compared wherever the book is built. The same source gives the same bytes.
"""

import hashlib
import sys
from pathlib import Path

import nbformat
from nbformat import NotebookNode

ROOT = Path(__file__).parent.parent
SOURCES, STUDENTS = ROOT / "notebooks/solutions", ROOT / "notebooks/exercises"
CODE_STUB = "# YOUR CODE HERE\nraise NotImplementedError()"
TEXT_STUB = "YOUR ANSWER HERE"


class SourceError(ValueError):
    """A source notebook that would not give a sound student version."""


def main() -> int:
    sources = sorted(SOURCES.glob("*/*.ipynb"))
    wanted = {STUDENTS / path.relative_to(SOURCES): path for path in sources}
    for stale in set(STUDENTS.glob("*/*.ipynb")) - wanted.keys():
        stale.unlink()
        print(f"{stale.relative_to(ROOT)}: removed, since it has no source")
    for path, source in wanted.items():
        try:
            text = student_text(source)
        except SourceError as error:
            print(f"{source.relative_to(ROOT)}: {error}", file=sys.stderr)
            return 1
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        print(path.relative_to(ROOT))
    return 0


def student_text(source: Path) -> str:
    """The student version of a source notebook, as the text of its file."""
    return nbformat.writes(student_version(nbformat.read(source, as_version=4))) + "\n"


def student_version(notebook: NotebookNode) -> NotebookNode:
    """Clear what students should not see, lock what they should not change, and sign what is graded.

    Raises:
        SourceError: a region of a solution or of hidden tests does not end, or stands in a cell of another kind; or two
            cells have one name.
    """
    names = [cell.metadata.nbgrader.grade_id for cell in notebook.cells if "nbgrader" in cell.metadata]
    if len(set(names)) < len(names):
        raise SourceError(f"grade_id should be unique, got {sorted(name for name in names if names.count(name) > 1)}")
    for cell in notebook.cells:
        graded = cell.metadata.get("nbgrader", {})
        clear_hidden_tests(cell, graded.get("grade", False))
        clear_solution(cell, graded.get("solution", False))
        if cell.cell_type == "code":
            cell.outputs, cell.execution_count = [], None
        if graded:
            lock(cell)
            graded.cell_type = cell.cell_type
            graded.checksum = checksum(cell)
    return notebook


def clear_solution(cell: NotebookNode, is_solution: bool) -> None:
    """Put a stub in the place of each marked region; in the place of the whole cell if none is marked."""
    stub = CODE_STUB if cell.cell_type == "code" else TEXT_STUB
    source, found = replace_regions(cell.source, "SOLUTION", stub)
    if found and not is_solution:
        raise SourceError(f"a solution stands in a cell that is not for one:\n{cell.source}")
    cell.source = stub if is_solution and not found else source


def clear_hidden_tests(cell: NotebookNode, is_graded: bool) -> None:
    """Take the hidden tests away."""
    source, found = replace_regions(cell.source, "HIDDEN TESTS", None)
    if found and not is_graded:
        raise SourceError(f"hidden tests stand in a cell that is not graded:\n{cell.source}")
    cell.source = source


def replace_regions(source: str, name: str, stub: str | None) -> tuple[str, bool]:
    """Replace what stands between `BEGIN name` and `END name` by a stub, indented alike; say whether there was any."""
    lines: list[str] = []
    inside = found = False
    for line in source.split("\n"):
        if f"BEGIN {name}" in line:
            if inside:
                raise SourceError(f"BEGIN {name} twice without an END between:\n{source}")
            inside = found = True
            if stub is not None:
                indent = line[: len(line) - len(line.lstrip())]
                lines += [indent + row for row in stub.split("\n")]
        elif f"END {name}" in line:
            if not inside:
                raise SourceError(f"END {name} without a BEGIN:\n{source}")
            inside = False
        elif not inside:
            lines.append(line)
    if inside:
        raise SourceError(f"no END {name}:\n{source}")
    return "\n".join(lines), found


def lock(cell: NotebookNode) -> None:
    """A cell for answers can be edited and not deleted; a test or a text of ours neither."""
    graded = cell.metadata.nbgrader
    if graded.solution or graded.grade or graded.locked:
        cell.metadata.deletable = False
        if not graded.solution:
            cell.metadata.editable = False


def checksum(cell: NotebookNode) -> str:
    """nbgrader's: by it the autograder knows an answer that was not touched, and a test that was."""
    graded = cell.metadata.nbgrader
    locked = not graded.solution and (graded.grade or graded.locked)
    parts = [cell.source, cell.cell_type, graded.grade, graded.solution, locked, graded.grade_id]
    if graded.grade:
        parts.append(float(graded.points))
    return hashlib.md5("".join(map(str, parts)).encode(), usedforsecurity=False).hexdigest()


if __name__ == "__main__":
    sys.exit(main())
