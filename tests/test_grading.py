"""An evening of grading: a hundred submissions, honest ones and others, and each gets what it has earned."""

import csv
import os
import re
import signal
import sqlite3
import subprocess
import sys
import time
import zipfile
from pathlib import Path

import nbformat
import pytest
import torch
from colab import as_colab_writes_it

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))
os.environ["PYTHONPATH"] = str(ROOT / "tools")  # for the processes that joblib and Dask start

from grading import __main__ as evening  # noqa: E402
from grading import intake, sandbox, wire  # noqa: E402
from grading.examine import grade  # noqa: E402
from grading.intake import IntakeError, collect  # noqa: E402
from grading.sandbox import DiedError, Limits, NoSandboxError, Session  # noqa: E402

ASSIGNMENT = "03_scores"  # tasks 1 and 2 of chapter 3, and its question in words
QUICK = Limits(call=5, whole=300)
HAND = "by-hand"
CODE = "scaled-dot-score"
SCALED = (2, 3)
MULTIPLICATIVE = (8, 6)


@pytest.fixture(scope="session", autouse=True)
def _sandbox():
    sandbox.require()  # no sandbox is a failure, and not a reason to skip


def small_source():
    notebook = nbformat.read(ROOT / "notebooks/solutions/03_score_functions/03_score_functions.ipynb", as_version=4)
    names = [cell.id for cell in notebook.cells]
    first = names[: names.index("test-scaled-dot-score") + 1]
    notebook.cells = [c for c in notebook.cells if c.id in [*first, "which-experiment"]]
    return notebook


SOURCE = nbformat.writes(small_source())


def student(hand="scaled = (2, 3)\nmultiplicative = (8, 6)", code="return q @ k.mT / q.shape[-1] ** 0.5", more=""):
    """A student's notebook: answers in numbers, the body of the function, a cell of their own before it."""
    notebook = evening.records.student_version(small_source())
    for cell in notebook.cells:
        if cell.id == HAND:
            cell.source = hand
        if cell.id == CODE:
            lines = "\n".join("    " + line for line in code.splitlines())
            cell.source = f"def scaled_dot_score(q, k):\n{lines}"
        if cell.id == "which-experiment":
            cell.source = "The one in which both are trained."
    if more:
        place = [c.id for c in notebook.cells].index(CODE)
        notebook.cells.insert(place, nbformat.v4.new_code_cell(more))
    return notebook


def text(notebook):
    return nbformat.writes(notebook).encode()


def without(name, notebook):
    notebook.cells = [cell for cell in notebook.cells if cell.id != name]
    return notebook


def with_source(name, source, notebook):
    next(cell for cell in notebook.cells if cell.id == name).source = source
    return notebook


def turned(notebook):
    notebook.cells.reverse()
    return notebook


COLAB = [{"locks": locks, "widgets": widgets} for locks in (True, False) for widgets in (True, False)]
WRONG = "return q @ k.mT"
FULL, NUMBERS, NOTHING = 5, 2, 0
CHEAT_CHECKS = """\
from attnbook import exercises
import attnbook.exercises._outcome as outcome
exercises.check_scaled_dot_score = lambda *args, **kwargs: print("Right: scaled_dot_score.")
exercises.WrongAnswer = type("WrongAnswer", (Exception,), {})
outcome.close = outcome.alike = lambda *args: True
import builtins
builtins.AssertionError = ValueError
"""
CHEAT_TORCH = "torch.allclose = torch.equal = torch.Tensor.allclose = lambda *args, **kwargs: True"
CHEAT_TENSOR = """\
class Anything(torch.Tensor):
    @classmethod
    def __torch_function__(cls, f, types, args=(), kwargs=None):
        return True if f is torch.allclose else super().__torch_function__(f, types, args, kwargs or {})
scaled_dot_score = lambda q, k: (q @ k.mT).as_subclass(Anything)
"""
CHEAT_MESSAGE = """\
import sys
wire = sys.modules["grading.wire"]
wire.json.dumps = lambda *args: "true"
"""
CHEAT_ANSWER = """\
from attnbook.exercises.score_functions import SCALED_DOT_SCORE
scaled_dot_score = SCALED_DOT_SCORE.right
"""
READ = """\
import glob
found = [path for place in {places} for path in glob.glob(place, recursive=True)]
print("FOUND", len(found), *found)
for path in found:
    print(open(path, "rb").read(40))
"""
WRITE = """\
for place in {places}:
    try:
        open(place, "w").write("changed")
        print("WROTE", place)
    except OSError as error:
        print(type(error).__name__)
"""
BOMB = """\
import os, threading
def split(depth):
    for _ in range(3):
        if depth and os.fork() == 0:
            split(depth - 1)
            os._exit(0)
split(4)
"""
BOUND_LOOP = "while True:\n    try:\n        while True: pass\n    except BaseException: pass"


def kinds(outside):
    """What is handed in, by kind: how many, a function of a number that makes it, its points, and what is said."""
    places = [f"{outside}/**/*", f"{Path.home()}/*", f"{ROOT}/notebooks/*", f"{ROOT}/tests/*", "/etc/passwd"]
    targets = [f"{outside}/sentinel", f"{ROOT}/README.md", f"{sandbox.LIBRARY}/scores.py", "/grading/wire.py", "/usr/x"]
    read, write = READ.format(places=places), WRITE.format(places=targets)
    right = ["return q @ k.mT / q.shape[-1] ** 0.5", "return (q @ k.transpose(-2, -1)) * q.shape[-1] ** -0.5",
             "return torch.einsum('...id,...jd->...ij', q, k) / q.shape[-1] ** 0.5",
             "return (q / q.shape[-1] ** 0.5) @ k.mT"]  # fmt: skip
    wrong = [WRONG, "return (q @ k.mT).softmax(-1)", "return q @ k.mT / q.shape[-1]", "return q @ k.T", "return None",
             "return k @ q.mT / q.shape[-1] ** 0.5", "return q.numpy()", "return 'right'"]  # fmt: skip
    bad = "scaled = (1, 1)\nmultiplicative = None"
    return {
        "right": (14, lambda i: student(code=right[i % 4]), FULL, "^graded$"),
        "partly": (14, lambda i: student(code=wrong[i % 8]), NUMBERS, "^graded$"),
        "wrong": (6, lambda i: student(hand=bad, code=wrong[i]), NOTHING, "^graded$"),
        "untouched": (1, lambda i: evening.records.student_version(small_source()), NOTHING, "^graded$"),
        "colab": (4, lambda i: as_colab_writes_it(student(code=right[i]), **COLAB[i]), FULL, "^graded$"),
        "loop-cell": (3, lambda i: student(more="while True: pass"), FULL, "a cell took longer than 5 seconds"),
        "loop-call": (3, lambda i: student(code="while True: pass"), NUMBERS, "an answer took longer than 5 s"),
        "loop-bound": (2, lambda i: student(more=BOUND_LOOP), FULL, "longer than (it may|5 seconds)"),
        "memory": (2, lambda i: student(code="x = bytearray(20 * 2**30)"), NUMBERS, "^graded$"),
        "memory-torch": (2, lambda i: student(more="x = torch.ones(20 * 2**30)"), FULL, "^graded$"),
        "exit-cell": (3, lambda i: student(more="import os; os._exit(0)"), FULL, "it ended Python from within"),
        "exit-call": (3, lambda i: student(code="import os; os._exit(0)"), NUMBERS, "test-scaled-dot-score: it ended"),
        "sys-exit": (2, lambda i: student(code="raise SystemExit"), NUMBERS, "^graded$"),
        "not-json": (3, lambda i: [b"{", b"\xff\xfe" * i, b"[1, 2]"][i], NOTHING, "the file is not a notebook"),
        "deep-json": (1, lambda i: b"[" * 200_000, NOTHING, "the file is not a notebook"),
        "no-cells": (1, lambda i: nbformat.v4.new_notebook(), NOTHING, "the notebook has 0 cells"),
        "no-answer": (2, lambda i: without(CODE, student()), NUMBERS, "missing: scaled-dot-score"),
        "no-tests": (2, lambda i: without("test-scaled-dot-score", student(code=WRONG)), NUMBERS, "missing: test-"),
        "turned": (2, lambda i: turned(student(code=right[i])), FULL, "another order"),
        "edited": (3, lambda i: with_source("test-scaled-dot-score", "1 + 1", student(code=WRONG)), NUMBERS, "changed"),
        "twice": (1, lambda i: student(more="def helper(x): return x", code=WRONG), NUMBERS, "^graded$"),
        "checks": (3, lambda i: student(code=WRONG, more=CHEAT_CHECKS), NUMBERS, "^graded$"),
        "allclose": (3, lambda i: student(code=WRONG, more=CHEAT_TORCH), NUMBERS, "^graded$"),
        "subclass": (2, lambda i: with_source(CODE, CHEAT_TENSOR, student()), NUMBERS, "^graded$"),
        "message": (2, lambda i: student(code=right[i], more=CHEAT_MESSAGE), FULL, "not one of ours"),
        "answers": (3, lambda i: with_source(CODE, CHEAT_ANSWER, student()), NOTHING + 2, "names the library"),
        "read": (4, lambda i: student(code=WRONG, more=read), NUMBERS, "^graded$"),
        "write": (4, lambda i: student(code=WRONG, more=write), NUMBERS, "^graded$"),
        "bomb": (3, lambda i: student(more=BOMB), FULL, "^graded$"),
        "network": (2, lambda i: student(code=WRONG, more=NETWORK), NUMBERS, "^graded$"),
    }  # fmt: skip


NETWORK = "import socket\nsocket.create_connection(('1.1.1.1', 53), 1)\nprint('CONNECTED')"


def state_of(*places):
    """What must not change: names and contents."""
    files = [path for place in places for path in sorted(place.rglob("*")) if path.is_file()]
    return {path: path.read_bytes() for path in files}


@pytest.fixture(scope="module")
def graded(tmp_path_factory):
    """The whole evening, once: rows of the table by student, the kinds, the course's folder."""
    outside = tmp_path_factory.mktemp("outside")
    (outside / "sentinel").write_text("mine")
    (outside / "sources" / ASSIGNMENT).mkdir(parents=True)
    (outside / "sources" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_text(SOURCE, encoding="utf-8")
    made = kinds(outside)
    archive, course = outside / "canvas.zip", outside / "course"
    number = 0
    names = {}
    with zipfile.ZipFile(archive, "w") as file:
        for kind, (count, make, _, _) in made.items():
            for i in range(count):
                number += 1
                names[str(1000 + number)] = kind
                content = make(i)
                late = "LATE_" * (number == 1)
                name = f"{kind.replace('-', '')}{i}_{late}{1000 + number}_{7 * number}_{ASSIGNMENT}.ipynb"
                file.writestr(name, content if isinstance(content, bytes) else text(content))
    before = state_of(outside / "sources")
    arguments = [ASSIGNMENT, "--from", str(archive), "--course", str(course), "--sources", str(outside / "sources")]
    assert evening.main([*arguments, "--jobs", "2", "--seconds", "5"]) == 0
    assert state_of(outside / "sources") == before
    for path in (
        outside / "sentinel",
        ROOT / "README.md",
        sandbox.LIBRARY / "scores.py",
        ROOT / "tools/grading/wire.py",
    ):
        assert path.read_text(encoding="utf-8") != "changed"
    with (course / "grades" / ASSIGNMENT / "grades.csv").open() as file:
        rows = {row["student"]: row for row in csv.DictReader(file)}
    return rows, names, made, course, arguments


def test_a_hundred_submissions_each_get_what_they_have_earned_and_a_line(graded):
    rows, names, made, _, _ = graded
    assert len(rows) == len(names) == 100
    failures = []
    for student_id, kind in names.items():
        row, (_, _, points, said) = rows[student_id], made[kind]
        what = row["what happened"].removeprefix("late; ").replace("late", "graded")
        if float(row["points"]) != points or not re.search(said, what):
            failures.append((kind, row["points"], points, row["what happened"]))
    assert failures == []
    assert rows["1001"]["late"] == "late"


def test_nothing_was_found_written_or_reached(graded):
    _, names, _, course, _ = graded
    seen = 0
    for student_id, kind in names.items():
        if kind in ("read", "write", "network", "bomb"):
            seen += 1
            path = course / "autograded" / student_id / ASSIGNMENT / f"{ASSIGNMENT}.ipynb"
            cells = nbformat.read(path, as_version=4).cells
            done = str([cell.outputs for cell in cells if cell.cell_type == "code"])
            # What lies in the sandbox's own /tmp is thrown away; that nothing outside has changed `graded` has checked.
            assert not re.search(r"WROTE (?!/tmp\b)|CONNECTED|FOUND [1-9]", done)
            said = {"read": "FOUND 0", "write": "OSError", "network": "unreachable", "bomb": "not permitted"}[kind]
            assert said in done
    assert seen == 13


def test_the_gradebook_and_the_feedback_are_nbgraders(graded):
    rows, names, _, course, _ = graded
    with sqlite3.connect(course / "gradebook.db") as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT count(*) FROM submitted_assignment").fetchone() == (100,)
        assert base.execute("SELECT count(*) FROM grade").fetchone() == (400,)
    partly = next(s for s, kind in names.items() if kind == "partly")
    page = (course / "feedback" / partly / ASSIGNMENT / f"{ASSIGNMENT}.html").read_text()
    assert "looks as if √d were missing" in page
    assert "1307" not in page  # the seed of the hidden test
    assert len(list((course / "feedback").glob("*/*/*.html"))) == 100
    assert rows[partly]["to be graded by hand"] == "yes"  # the answer in words
    with (course / "grades" / ASSIGNMENT / "canvas.csv").open() as file:
        assert {row["ID"]: row[ASSIGNMENT] for row in csv.DictReader(file)}[partly] == "2"


def test_a_second_evening_grades_nothing_again_and_takes_in_grades_given_by_hand(graded, capsys):
    _, names, _, course, arguments = graded
    one = next(s for s, kind in names.items() if kind == "right")
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{course / 'gradebook.db'}") as gradebook:
        grade = gradebook.find_grade("which-experiment", ASSIGNMENT, ASSIGNMENT, one)
        grade.manual_score, grade.needs_manual_grade = 3, False
        gradebook.db.commit()
    results = course / "results" / ASSIGNMENT / "by-student"
    times = {path: path.stat().st_mtime_ns for path in results.glob("*.json")}
    night = evening.Evening(Path(arguments[6]) / ASSIGNMENT / f"{ASSIGNMENT}.ipynb", course, QUICK)
    night.examine(1)
    night.record()
    assert {path: path.stat().st_mtime_ns for path in results.glob("*.json")} == times
    night.records.feedback = lambda students: []
    row = next(row for row in night.report() if row["student"] == one)
    assert (row["points"], row["waits"]) == (8, False)


# --- Broken off, and on a cluster ------------------------------------------------------------------------------------


@pytest.fixture
def few(tmp_path):
    """Five honest submissions in a folder."""
    (tmp_path / "sources" / ASSIGNMENT).mkdir(parents=True)
    (tmp_path / "sources" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").write_text(SOURCE, encoding="utf-8")
    for i, name in enumerate(("anna", "ben", "chen", "dora")):
        path = tmp_path / "in" / name / f"{ASSIGNMENT}.ipynb"
        path.parent.mkdir(parents=True)
        path.write_bytes(text(student(code=WRONG if i % 2 else "return q @ k.mT / q.shape[-1] ** 0.5")))
    course = tmp_path / "course"
    return course, [ASSIGNMENT, "--from", str(tmp_path / "in"), "--course", str(course), "--sources",
                    str(tmp_path / "sources"), "--jobs", "1"]  # fmt: skip


def test_an_evening_that_is_broken_off_goes_on_where_it_was(few):
    course, arguments = few
    process = subprocess.Popen([sys.executable, "-m", "grading", *arguments], start_new_session=True,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)  # fmt: skip
    results = course / "results" / ASSIGNMENT / "by-student"
    until = time.monotonic() + 240
    while not list(results.glob("*.json")) and time.monotonic() < until:
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    done = {path: path.stat().st_mtime_ns for path in results.glob("*.json")}
    assert 1 <= len(done) < 4
    assert evening.main(arguments) == 0
    assert {path: path.stat().st_mtime_ns for path in done} == done
    with sqlite3.connect(course / "gradebook.db") as base:
        assert base.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert base.execute("SELECT count(*) FROM submitted_assignment").fetchone() == (4,)
        assert sorted(s for (s,) in base.execute("SELECT auto_score FROM grade") if s is not None) == [
            0,
            0,
            *[1] * 8,
            3,
            3,
        ]


def test_a_dask_cluster_grades_as_well(few):
    distributed = pytest.importorskip("distributed")
    course, arguments = few
    with distributed.LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster:
        assert evening.main([*arguments, "--cluster", cluster.scheduler_address]) == 0
    with (course / "grades" / ASSIGNMENT / "grades.csv").open() as file:
        assert [row["points"] for row in csv.DictReader(file)] == ["5", "2", "5", "2"]


# --- Intake ----------------------------------------------------------------------------------------------------------


def zipped(path, **files):
    with zipfile.ZipFile(path, "w") as archive:
        for name, content in files.items():
            archive.writestr(name, content)
    return path


def test_canvas_names_give_student_lateness_and_the_newest_version(tmp_path):
    place = zipped(tmp_path / "a.zip", **{
        "doejane_LATE_4213_991_03_scores-1.ipynb": b"new", "doejane_4213_990_03_scores.ipynb": b"old",
        "roe_4214_992_my_work.ipynb": b"x", "notes.txt": b"", "__MACOSX/._roe.ipynb": b"",
    })  # fmt: skip
    found, said = collect(place, ASSIGNMENT)
    assert [(s.student, s.name, s.late, s.content) for s in found] == [
        ("4213", "doejane", True, b"new"), ("4214", "roe", False, b"x")]  # fmt: skip
    assert len(said) == 2
    assert "4213 handed in twice: 'doejane_LATE_4213_991_03_scores-1.ipynb' is graded" in said[0]
    assert "'notes.txt' was left aside: it is not a notebook" in said[1]


def test_moodle_names_give_the_participant(tmp_path):
    place = zipped(tmp_path / "a.zip", **{
        "Jane Doe_77_assignsubmission_file_/03_scores.ipynb": b"x",
        "Ann_78_assignsubmission_file_03_scores.ipynb": b"y",
    })  # fmt: skip
    found, _ = collect(place, ASSIGNMENT)
    assert [(s.student, s.name, s.lms) for s in found] == [("77", "Jane Doe", "moodle"), ("78", "Ann", "moodle")]


def test_paths_in_a_zip_are_not_followed(tmp_path):
    link = zipfile.ZipInfo("eve.ipynb")
    link.external_attr = 0o120777 << 16
    with zipfile.ZipFile(tmp_path / "a.zip", "w") as archive:
        for name in ("../../evil.ipynb", "/etc/evil.ipynb", "..\\evil.ipynb", "good.ipynb", "a b$.ipynb", ".x.ipynb"):
            archive.writestr(name, b"x")
        archive.writestr(link, "/etc/passwd")
        archive.writestr("large.ipynb", b"0" * (intake.LARGEST + 1), zipfile.ZIP_DEFLATED)
    found, said = collect(tmp_path / "a.zip", ASSIGNMENT)
    assert [s.student for s in found] == ["good"]
    assert sum("a path that leads elsewhere" in line for line in said) == 3
    assert sum("no student's id" in line for line in said) == 2
    assert sum("it is a link" in line for line in said) == 1
    assert sum("larger than a notebook" in line for line in said) == 1


def test_a_new_submission_keeps_the_older_one(tmp_path):
    for content in (b"1", b"2", b"2", b"3"):
        intake.keep([intake.Submission("anna", "anna", content, "x")], tmp_path, ASSIGNMENT)
    assert (tmp_path / "submitted/anna" / ASSIGNMENT / f"{ASSIGNMENT}.ipynb").read_bytes() == b"3"
    assert [p.read_bytes() for p in sorted((tmp_path / "older/anna").iterdir())] == [b"1", b"2"]


def test_bad_input_is_told(tmp_path, capsys, monkeypatch):
    with pytest.raises(IntakeError, match="there is no submission of 03_scores in"):
        collect(tmp_path, ASSIGNMENT)
    with pytest.raises(IntakeError, match="does not exist: FROM should be"):
        collect(tmp_path / "none", ASSIGNMENT)
    (tmp_path / "a.zip").write_bytes(b"no zip")
    with pytest.raises(IntakeError, match="cannot be read as a zip"):
        collect(tmp_path / "a.zip", ASSIGNMENT)
    assert evening.main(["none"]) == 2
    assert "there is no assignment 'none'; there are 01_fixed_vector" in capsys.readouterr().err
    assert evening.main(["01_fixed_vector", "--course", str(tmp_path / "c")]) == 2
    assert "nobody has handed in 01_fixed_vector" in capsys.readouterr().err
    monkeypatch.setenv("PATH", "/nowhere")
    assert evening.main(["01_fixed_vector", "--course", str(tmp_path / "c")]) == 2
    assert "apt-get install bubblewrap" in capsys.readouterr().err


# --- Sandbox and wire ------------------------------------------------------------------------------------------------


def test_the_sandbox_holds_python_and_nothing_else():
    session = Session(QUICK, 120)
    try:
        look = "import os\nprint(*sorted(os.listdir('/')))\nprint(*sorted(os.environ))\nprint(os.listdir('/tmp'))"
        root, variables, temporary = session.ask(do="run", source=look, name="1")["printed"].splitlines()
        ours = {Path(place).parts[1] for place in (sys.prefix, sys.base_prefix, str(sandbox.LIBRARY))}
        assert set(root.split()) <= ours | {"bin", "dev", "etc", "grading", "lib", "lib64", "proc", "tmp", "usr"}
        assert not re.search("TOKEN|SECRET|PROXY|PASS", variables, re.IGNORECASE)
        # Where this checkout lies below /tmp, the way to its environment does too.
        below = {place.parts[2] for place in map(Path, (sys.prefix, sandbox.LIBRARY)) if place.parts[1] == "tmp"}
        assert temporary == str(sorted(below))
        for source, error in [("os.fork()", "PermissionError"), ("open('/grading/x', 'w')", "OSError"),
                              ("import subprocess; subprocess.run(['ls'])", "PermissionError"),
                              ("import attnbook.exercises.weights", "ModuleNotFoundError")]:  # fmt: skip
            assert session.ask(do="run", source=source, name="2")["error"]["type"] == error
        source = "import threading; t = threading.Thread(target=print); t.start(); t.join()"
        assert "error" not in session.ask(do="run", source=source, name="3")
    finally:
        session.close()


def test_a_message_that_is_none_of_ours_is_refused():
    def reader(content):
        parts = bytearray(content)

        def read(count):
            taken = bytes(parts[:count])
            del parts[:count]
            return taken

        return read

    value = {"a": [1, 2.5, (True, None)], "t": torch.arange(3.0), "long": 2**80}
    back = wire.unpack(reader(wire.pack(value, id)))
    assert back["a"] == [1, 2.5, (True, None)]
    assert torch.equal(back["t"], value["t"])
    assert type(back["long"]).__name__ == "int"
    assert isinstance(back["long"], wire.Other)
    for text_, body in [(b'{"tensor": "7"}', b""), (b"[", b""), (b'{"meta": [2], "dtype": "nn"}', b""), (b"1", b"x"),
                        (b"{}", b""), (b'{"pickle": 1}', b""), (b"[" * 100_000, b"")]:  # fmt: skip
        with pytest.raises(wire.WireError):
            wire.unpack(reader(wire.HEAD.pack(len(text_), len(body)) + text_ + body))
    with pytest.raises(wire.WireError, match="too large"):
        wire.unpack(reader(wire.HEAD.pack(2**31, 0)))
    with pytest.raises(wire.CannotCrossError, match="of type object"):
        wire.pack(object())


SOLUTIONS = sorted((ROOT / "notebooks/solutions").glob("*/*.ipynb"))


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_each_assignments_solution_gets_full_points_through_the_sandbox(path):
    source = path.read_text(encoding="utf-8")
    result = grade(source.encode(), source, Limits(call=60, whole=300))
    graded = [c for c in nbformat.reads(source, as_version=4).cells if c.metadata.get("nbgrader", {}).get("grade")]
    assert result.points == {c.id: c.metadata.nbgrader.points for c in graded if c.cell_type == "code"}


@pytest.mark.parametrize("path", SOLUTIONS, ids=lambda path: path.stem)
def test_each_assignment_untouched_gets_nothing_through_the_sandbox(path):
    source = path.read_text(encoding="utf-8")
    untouched = nbformat.writes(evening.records.student_version(nbformat.reads(source, as_version=4)))
    result = grade(untouched.encode(), source, Limits(call=60, whole=300))
    assert result.points
    assert set(result.points.values()) == {0}
    assert result.notes == []


def test_without_bubblewrap_it_refuses(monkeypatch):
    monkeypatch.setattr(sandbox.shutil, "which", lambda name: None)
    with pytest.raises(NoSandboxError, match="apt-get install bubblewrap"):
        sandbox.require()
    monkeypatch.undo()
    monkeypatch.setattr(sandbox, "_walls", lambda: ["bwrap", "--no-such-option"])
    with pytest.raises(NoSandboxError, match="cannot make a sandbox here"):
        sandbox.require()


def test_a_worker_that_does_not_answer_is_ended():
    session = Session(QUICK, 0.2)
    with pytest.raises(DiedError, match="ran longer than it may"):
        session.ask(do="run", source="while True: pass", name="1")
    assert session.process.returncode is not None
