"""Run notebooks as their readers will, and store nothing.

    python tools/try_notebooks.py NOTEBOOK...

In a chapter or a solution no cell may fail. In a student's notebook an answer that is not written yet stops its own
task, and nothing else: the cells before the first task must run, and after that only those errors may come which an
empty answer causes.
"""

import sys
import time
from pathlib import Path

import nbformat
from nbclient import NotebookClient
from nbclient.exceptions import CellTimeoutError, DeadKernelError
from nbformat import NotebookNode

CELL_SECONDS = 600
# The stub itself; a number by hand that is not there; a check, which says so; what rests on one of these.
NOT_WRITTEN = {"NotImplementedError", "NameError", "WrongAnswer"}


def main(arguments: list[str]) -> int:
    if not arguments:
        print("name the notebooks: python tools/try_notebooks.py notebooks/*.ipynb", file=sys.stderr)
        return 1
    failed = 0
    for path in map(Path, arguments):
        start = time.monotonic()
        complaints = attempt(path)
        print(f"{path}: {time.monotonic() - start:.0f} s", *complaints, sep="\n  ", flush=True)
        failed += bool(complaints)
    print(f"{len(arguments) - failed} of {len(arguments)} notebooks run")
    return 1 if failed else 0


def attempt(path: Path) -> list[str]:
    """Run a notebook in a kernel of its own; what went wrong, a line each."""
    notebook = nbformat.read(path, as_version=4)
    folder = {"metadata": {"path": path.resolve().parent}}
    try:
        NotebookClient(notebook, timeout=CELL_SECONDS, allow_errors=True, resources=folder).execute()
    except (CellTimeoutError, DeadKernelError) as error:  # the other notebooks have their turn all the same
        return [f"{type(error).__name__}: {error}"]
    return complaints(notebook, is_student=path.resolve().parent.parent.name == "exercises")


def complaints(notebook: NotebookNode, is_student: bool) -> list[str]:
    """The errors that should not be in a notebook that was run."""
    found, in_tasks = [], False
    for cell in notebook.cells:
        in_tasks = in_tasks or (cell.cell_type == "markdown" and cell.source.startswith("## Task"))
        allowed = NOT_WRITTEN if is_student and in_tasks else set()
        for output in cell.get("outputs", []):
            if output.output_type == "error" and output.ename not in allowed:
                found.append(f"{cell.id}: {output.ename}: {output.evalue}")
    return found


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
