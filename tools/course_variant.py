"""A course's own variant of the assignments, apart from the public one and its public solutions.

    python tools/course_variant.py course

In the course's folder, which git ignores, lies a secret. From it come the seeds of the hidden tests, and other numbers
for the calculations by hand that know how to change theirs (`attnbook.exercises._varied`); all other cells stay as they
are. The source of each assignment is written to `source/`, the students' version to `release/`, as nbgrader lays them
out. The same secret gives the same bytes, so `make grade` asks what was handed out.
"""

import argparse
import hashlib
import hmac
import re
import secrets
import sys
from pathlib import Path

import nbformat
from make_assignments import SOURCES, SourceError, student_text
from nbformat import NotebookNode

HIDDEN = re.compile(r"(?<=### BEGIN HIDDEN TESTS\n).+?(?=### END HIDDEN TESTS)", re.DOTALL)
CHECK = re.compile(r"^exercises\.check_(\w+)\((\w+)\)$", re.MULTILINE)
SECRET = "secret.txt"


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make assignments COURSE=...", description=__doc__.split("\n")[0])
    parser.add_argument("course", type=Path, help="the course's folder; without a secret in it, one is drawn")
    parser.add_argument("--sources", type=Path, default=SOURCES)
    given = parser.parse_args(arguments)
    secret = given.course / SECRET
    if not secret.exists():
        given.course.mkdir(parents=True, exist_ok=True)
        secret.touch(mode=0o600)
        secret.write_text(secrets.token_hex(16) + "\n")
        print(
            f"{secret}: drawn. Keep it: without it these assignments cannot be graded, and with it they can be solved."
        )
    for source in sorted(given.sources.glob("*/*.ipynb")):
        try:
            written = write_source(source, given.course)
        except SourceError as error:
            print(f"{source}: {error}", file=sys.stderr)
            return 1
        release = given.course / "release" / source.stem / source.name
        release.parent.mkdir(parents=True, exist_ok=True)
        release.write_text(student_text(written), encoding="utf-8")
        print(release)
    return 0


def write_source(source: Path, course: Path) -> Path:
    """Where the course's variant of an assignment lies, written anew; the public one where the course has no secret."""
    place = course / SECRET
    if not place.exists():
        return source
    secret = place.read_text(encoding="utf-8").strip()
    if len(secret) < 8:
        raise SourceError(f"{place} should hold a secret of at least 8 characters, got {len(secret)}")
    notebook = variant(nbformat.read(source, as_version=4), secret, source.stem)
    written = course / "source" / source.stem / source.name
    written.parent.mkdir(parents=True, exist_ok=True)
    written.write_text(nbformat.writes(notebook) + "\n", encoding="utf-8")
    return written


def variant(notebook: NotebookNode, secret: str, name: str) -> NotebookNode:
    """Give a source notebook a course's hidden tests and numbers.

    Raises:
        SourceError: a cell does not hold the printed numbers that were to change, or not once.
    """
    for cell in notebook.cells:
        count = iter(range(len(cell.source)))  # a cell may ask more than once
        cell.source = HIDDEN.sub(
            lambda hidden, cell=cell, count=count: re.sub(
                r"\bseed=\d+", lambda _: f"seed={number(secret, name, cell.id, next(count))}", hidden[0]
            ),
            cell.source,
        )
    return with_other_numbers(notebook, secret, name)


def number(secret: str, *about: object) -> int:
    """A number of six digits that nobody can foresee without the secret, and that does not give it away."""
    digest = hmac.digest(secret.encode(), repr(about).encode(), hashlib.sha256)
    return 100_000 + int.from_bytes(digest) % 900_000


def with_other_numbers(notebook: NotebookNode, secret: str, name: str) -> NotebookNode:
    from attnbook.exercises._varied import (
        VARIED,
    )  # torch takes seconds, which a book without a course need not wait for

    asked = [task for cell in notebook.cells for task, _ in CHECK.findall(cell.source) if task in VARIED]
    tries = (number(secret, name, "numbers", i) for i in range(1000))
    chosen = next(n for n in tries if all(VARIED[task].is_another(n) for task in asked))
    words = {old: new for t in asked for old, new in zip(VARIED[t].words(0), VARIED[t].words(chosen), strict=True)}
    words |= {f"\n{task} = ": f"\n{task} = {VARIED[task].answer(chosen)!r}" for task in asked}
    found = dict.fromkeys(words, 0)

    def other(printed: re.Match) -> str:
        start = printed["start"]
        found[start] += 1
        return words[start]

    for cell in notebook.cells:
        # In the text the numbers, in a solution all that stands behind the name.
        text, solution = [w for w in words if w[0] != "\n"], [w for w in words if w[0] == "\n"]
        places = (
            text
            if cell.cell_type == "markdown"
            else solution
            if cell.metadata.get("nbgrader", {}).get("solution")
            else []
        )
        if places:
            rest = ".*" if places is solution else ""
            cell.source = re.sub(rf"(?P<start>{'|'.join(map(re.escape, places))}){rest}", other, cell.source)
        cell.source = CHECK.sub(lambda c: f"{c[0][:-1]}, variant={chosen})" if c[1] in asked else c[0], cell.source)
    if missed := {repr(start): times for start, times in found.items() if times != 1}:
        raise SourceError(f"each of these should stand in the assignment once, to be changed: {missed}")
    return notebook


if __name__ == "__main__":
    sys.exit(main())
