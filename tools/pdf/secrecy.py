"""The lines that no printed page may hold: those of graded solutions, hidden tests and rubrics."""

import json
import sys
from pathlib import Path

from pdf.checking import squeezed

sys.path.append(str(Path(__file__).resolve().parents[2] / "book/_ext"))
import book_exercises

SHORT = 12  # characters: what is as short as that may stand anywhere


def secret_lines(root: Path) -> set[str]:
    """These lines, without white space; what stands in a chapter, a task or a public solution too is no secret."""
    assignments = book_exercises.assignments(root).values()
    notebooks = [*root.glob("notebooks/*.ipynb"), *root.glob("notebooks/exercises/*/*.ipynb")]
    public = [text for source in assignments for text in book_exercises.public_solutions(source).values()]
    public += [path.read_text(encoding="utf-8") for path in root.glob("book/**/*.md")]
    for path in notebooks:
        public += ["".join(cell["source"]) for cell in json.loads(path.read_text(encoding="utf-8"))["cells"]]
    known = squeezed("\n".join(public))
    texts = [text for source in assignments for text in book_exercises.secrets(source)]
    lines = {squeezed(line) for text in texts for line in text.splitlines()}
    return {line for line in lines if len(line) > SHORT and line not in known}
