"""From a folder, or an LMS's zip, to one notebook a student, under `submitted/`, where nbgrader looks for it.

Names in a zip are read, never followed: nothing is unpacked to a path that somebody else wrote.
"""

import re
import zipfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

LARGEST = 10 * 2**20  # bytes of a notebook

# doejane_LATE_4213_99871_03_score_functions-1.ipynb: name, late or not, the student's number, the file's, version
CANVAS = re.compile(r"(?P<name>[^_]+)_(?P<late>LATE_)?(?P<id>\d+)_\d+_(?P<file>.+?)(-(?P<version>\d+))?\.ipynb")
# Jane Doe_4213_assignsubmission_file_/03_score_functions.ipynb, or all of it in one name
MOODLE = re.compile(r"(?P<name>[^_/]+)_(?P<id>\d+)_assignsubmission_file_?/?(?P<file>[^/]*)\.ipynb")


class IntakeError(ValueError):
    """Nothing that could be graded."""


@dataclass(frozen=True)
class Submission:
    """A notebook that was handed in.

    Attributes:
        student: what the gradebook calls the student; letters, digits, and `_ . @ -`.
        name: the student's name as the LMS writes it.
        lms: "canvas", "moodle" or "" (a folder for each student).
        order: the later of two is the larger.
    """

    student: str
    name: str
    content: bytes
    origin: str
    lms: str = ""
    late: bool = False
    order: tuple = ()


def collect(place: Path, assignment: str) -> tuple[list[Submission], list[str]]:
    """The newest notebook of each student, and what is to be said of all other files.

    Raises:
        IntakeError: there is nothing at this place, or no notebook in it.
    """
    files = _in_zip if place.suffix.lower() == ".zip" else _in_folder
    if not place.exists():
        raise IntakeError(f"{place} does not exist: FROM should be a folder of submissions, or an LMS's zip")
    newest: dict[str, Submission] = {}
    said: list[str] = []
    for path, when, content in files(place):
        if isinstance(content, str):
            said.append(f"{path!r} was left aside: {content}")
            continue
        found = _recognise(path, when, content, assignment)
        if isinstance(found, str):
            said.append(f"{path!r} was left aside: {found}")
            continue
        other = newest.get(found.student)
        if other:
            older, found = sorted((other, found), key=lambda s: s.order)
            said.append(f"{found.student} handed in twice: {found.origin!r} is graded, {older.origin!r} is older")
        newest[found.student] = found
    if not newest:
        raise IntakeError("\n".join([f"there is no submission of {assignment} in {place}", *said]))
    return sorted(newest.values(), key=lambda s: s.student), said


def _in_zip(place: Path) -> Iterator[tuple[str, tuple, bytes | str]]:
    try:
        archive = zipfile.ZipFile(place)
    except (zipfile.BadZipFile, OSError) as error:
        raise IntakeError(f"{place} cannot be read as a zip: {error}") from None
    with archive:
        for info in archive.infolist():
            if info.is_dir() or info.filename.startswith("__MACOSX/"):
                continue
            content: bytes | str = "it is larger than a notebook may be"
            if (info.external_attr >> 16) & 0o170000 == 0o120000:
                content = "it is a link"
            elif info.filename.endswith(".ipynb"):
                try:
                    with archive.open(info) as file:  # what the zip says of sizes is not believed
                        read = file.read(LARGEST + 1)
                    content = read if len(read) <= LARGEST else content
                except Exception as error:  # encrypted, damaged, an unknown method
                    content = f"it cannot be read ({error})"
            else:
                content = "it is not a notebook"
            yield info.filename, info.date_time, content


def _in_folder(place: Path) -> Iterator[tuple[str, tuple, bytes | str]]:
    for path in sorted(place.rglob("*")):
        name = path.relative_to(place).as_posix()
        if path.is_symlink():
            yield name, (), "it is a link"
        elif path.is_dir() or any(part.startswith(".") for part in path.relative_to(place).parts):
            continue
        elif path.suffix != ".ipynb":
            yield name, (), "it is not a notebook"
        elif path.stat().st_size > LARGEST:
            yield name, (), "it is larger than a notebook may be"
        else:
            yield name, (path.stat().st_mtime,), path.read_bytes()


def _recognise(path: str, when: tuple, content: bytes, assignment: str) -> Submission | str:
    """Whose notebook it is, by its name; or why that cannot be said."""
    parts = PurePosixPath(path.replace("\\", "/")).parts
    if ".." in parts or path.startswith("/") or any(ord(c) < 32 for c in path):
        return "a path that leads elsewhere"
    moodle = MOODLE.fullmatch("/".join(parts[-2:])) or MOODLE.fullmatch(parts[-1])
    if moodle:
        return Submission(moodle["id"], moodle["name"], content, path, "moodle", order=when)
    canvas = CANVAS.fullmatch(parts[-1])
    if canvas:
        order = (int(canvas["version"] or 0), when)
        return Submission(canvas["id"], canvas["name"], content, path, "canvas", bool(canvas["late"]), order)
    # A folder for each student, as nbgrader has it (jane/03_score_functions/...), or a file for each.
    if len(parts) > 2 and parts[-2] != assignment:
        return f"it is in a folder {parts[-2]!r}, and {assignment} is graded"
    student = parts[0] if len(parts) > 1 else PurePosixPath(path).stem
    if not re.fullmatch(r"[\w@-][\w.@-]*", student, re.ASCII) or len(student) > 80:
        return "no student's id can be read in its name"
    if student == assignment:
        return "it does not say whose it is"
    return Submission(student, student, content, path, order=when)


def keep(submissions: list[Submission], course: Path, assignment: str) -> list[str]:
    """Write the notebooks to `submitted/`; an older one of the same student goes to `older/`, and nothing is lost."""
    said = []
    for submission in submissions:
        target = course / "submitted" / submission.student / assignment / f"{assignment}.ipynb"
        if target.exists():
            before = target.read_bytes()
            if before == submission.content:
                continue
            number = 1
            while (old := course / "older" / submission.student / f"{assignment}-{number}.ipynb").exists():
                number += 1
            old.parent.mkdir(parents=True, exist_ok=True)
            target.replace(old)
            said.append(f"{submission.student} handed in anew; what was there before is {old.relative_to(course)}")
        write(target, submission.content)
    return said


def write(path: Path, content: bytes) -> None:
    """Write a file whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    unfinished = path.with_name(f".{path.name}.unfinished")
    unfinished.write_bytes(content)
    unfinished.replace(path)
