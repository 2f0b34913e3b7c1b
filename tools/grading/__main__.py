"""`make grade`: an evening's grading in one command, which may be broken off and called again."""

import argparse
import contextlib
import hashlib
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

import joblib
from course_variant import write_source
from make_assignments import SourceError
from tqdm import tqdm

from grading import records
from grading.examine import Result, grade
from grading.intake import IntakeError, collect, keep, write
from grading.sandbox import Limits, NoSandboxError, require

ROOT = Path(__file__).parents[2]
UNSAFE = (
    "WITHOUT A SANDBOX: what students handed in runs with all your rights. It can read your files and the gradebook, "
    "change its own grade, and use the network."
)


class Evening:
    """One assignment's submissions, from their files to the tables."""

    def __init__(self, source: Path, course: Path, limits: Limits) -> None:
        self.source, self.course, self.limits = source, course, limits
        self.assignment = source.stem
        self.records = records.Records(course, self.assignment, source)
        self.results = course / "results" / self.assignment
        self.about = self.results / "students.json"

    def take_in(self, place: Path) -> list[str]:
        """Take submissions in; what is to be said of them."""
        submissions, said = collect(place, self.assignment)
        known = self.students()
        for s in submissions:
            known[s.student] = {"name": s.name, "lms": s.lms, "late": s.late}
        said += keep(submissions, self.course, self.assignment)
        write(self.about, json.dumps(known, indent=1).encode())
        return said

    def students(self) -> dict[str, dict]:
        """What is known of each student, by id."""
        return json.loads(self.about.read_bytes()) if self.about.exists() else {}

    def submission(self, student: str) -> Path:
        return self.course / "submitted" / student / self.assignment / f"{self.assignment}.ipynb"

    def key(self, student: str) -> str:
        """Changes when the submission or the assignment does."""
        content = self.submission(student).read_bytes() + self.source.read_bytes()
        return hashlib.sha256(content).hexdigest()

    def kept(self, student: str) -> Result | None:
        """The result of an earlier run, if it is still one of what was handed in."""
        path = self.results / "by-student" / f"{student}.json"
        return records.parse(path.read_bytes(), self.key(student)) if path.exists() else None

    def examine(self, jobs: int, cluster: str = "") -> None:
        """Grade what has no result yet, or one that failed through us; each result is a file as soon as it is there."""
        kept = {s: self.kept(s) for s in self.students()}
        waiting = [s for s, result in kept.items() if result is None or None in result.points.values()]
        source = self.source.read_text(encoding="utf-8")
        tasks = (joblib.delayed(_named)(s, self.submission(s).read_bytes(), source, self.limits) for s in waiting)
        with _where(jobs, cluster):
            done = joblib.Parallel(return_as="generator_unordered")(tasks)
            for student, result in tqdm(done, total=len(waiting), unit="submission", desc=self.assignment):
                write(self.results / "by-student" / f"{student}.json", records.dump(result, self.key(student)))

    def record(self) -> None:
        """Enter into the gradebook the results that are not in it."""
        for student, about in self.students().items():
            result, mark = self.kept(student), self.results / "by-student" / f"{student}.recorded"
            if result is not None and not (mark.exists() and mark.read_text() == self.key(student)):
                self.records.add(student, about["name"], result)
                write(mark, self.key(student).encode())

    def report(self) -> list[dict]:
        """Write feedback and tables, where something changed since the last time; a row for each student."""
        cells, rows = records.graded_cells(self.source), []
        for student, about in self.students().items():
            scores, waits = self.records.scores(student)
            notes = getattr(self.kept(student), "notes", [])
            points = sum(x for x in scores.values() if x is not None)
            said = "; ".join([*(["late"] if about["late"] else []), *notes]) or "graded"
            rows.append(about | {"student": student, "scores": scores, "waits": waits, "points": points, "said": said})
        state = json.dumps([[row["student"], self.key(row["student"]), row["scores"]] for row in rows]).encode()
        mark = self.results / "feedback.state"
        if not (mark.exists() and mark.read_bytes() == state):
            print("Writing feedback ...")
            failed = self.records.feedback([row["student"] for row in rows])
            for row in rows:
                row["said"] += "; no feedback could be written" if row["student"] in failed else ""
            write(mark, state)
        for name, content in records.tables(rows, cells, self.assignment).items():
            write(self.course / "grades" / self.assignment / name, content)
        return rows


def _named(student: str, content: bytes, source: str, limits: Limits) -> tuple[str, Result]:
    return student, grade(content, source, limits)


@contextlib.contextmanager
def _where(jobs: int, cluster: str) -> Iterator[None]:
    """Let joblib work in processes of this machine, or on a cluster."""
    if not cluster:
        with joblib.parallel_config("loky", n_jobs=jobs):
            yield
        return
    from distributed import Client

    with Client(cluster) as client, joblib.parallel_config("dask", client=client):
        yield


def main(arguments: list[str] | None = None) -> int:
    parser = argparse.ArgumentParser(prog="make grade", description=__doc__)
    parser.add_argument("assignment")
    parser.add_argument("--from", dest="place", type=Path, help="a folder of submissions, or an LMS's zip")
    parser.add_argument("--course", type=Path, default=ROOT / "course", help="where all of it is kept")
    parser.add_argument("--sources", type=Path, default=ROOT / "notebooks/solutions")
    parser.add_argument("--jobs", type=int, default=os.cpu_count())
    parser.add_argument("--cluster", default="", help="address of a Dask scheduler")
    parser.add_argument("--seconds", type=float, default=Limits.call, help="for a cell or a call")
    parser.add_argument("--unsafe", action="store_true", help="grade without a sandbox")
    given = parser.parse_args(arguments)
    known = {path.stem: path for path in sorted(given.sources.glob("*/*.ipynb"))}
    if given.assignment not in known:
        print(f"there is no assignment {given.assignment!r}; there are {', '.join(known)}", file=sys.stderr)
        return 2
    limits = Limits(call=given.seconds, whole=20 * given.seconds, sandbox=not given.unsafe)
    try:
        course = given.course.resolve()
        evening = Evening(write_source(known[given.assignment], course), course, limits)
        if given.unsafe:
            print(UNSAFE, file=sys.stderr)
        else:
            require()
        said = evening.take_in(given.place) if given.place else []
        if not evening.students():
            raise IntakeError(f"nobody has handed in {given.assignment}: FROM= names a folder or an LMS's zip")
    except (IntakeError, NoSandboxError, SourceError) as error:
        print(error, file=sys.stderr)
        return 2
    print("\n".join(said), end="\n" if said else "")
    evening.records.prepare()
    evening.examine(given.jobs, given.cluster)
    evening.record()
    for row in evening.report():
        print(f"{row['student']:20} {row['points']:5g}  {row['said']}")
    print(f"Gradebook, feedback and tables: {evening.course}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
