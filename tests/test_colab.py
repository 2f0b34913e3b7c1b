"""Colab: what a student's notebook needs is there, and what Colab makes of it can be graded, by nbgrader alone too."""

import ast
import os
import re
import sys
import types
from importlib.metadata import packages_distributions
from pathlib import Path

import nbformat
import pytest
from colab import as_colab_writes_it
from packaging.requirements import Requirement

from attnbook.explorers import FadingMemoryExplorer

ROOT = Path(__file__).parent.parent
STUDENTS = sorted((ROOT / "notebooks/exercises").glob("*/*.ipynb"))
SOURCE = ROOT / "notebooks/solutions/03_score_functions/03_score_functions.ipynb"
sys.path.insert(0, str(ROOT / "tools"))

from make_assignments import student_version  # noqa: E402 (the folder holds scripts, not packages)

COLAB = {
    Requirement(line).name for line in (ROOT / "tests/colab_versions.txt").read_text().splitlines() if line[0] != "#"
}


# --- What it needs ---------------------------------------------------------------------------------------------------


def imported(code):
    """The modules that are imported when code is run: not what functions import when they are called."""
    waiting = list(ast.parse(code).body)
    while waiting:
        node = waiting.pop()
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from [node.module, *(f"{node.module}.{alias.name}" for alias in node.names)]
        elif not isinstance(node, ast.FunctionDef):
            waiting += ast.iter_child_nodes(node)


def needed(code):
    """The packages that code needs, its own imports and those of the library's modules that it imports."""
    seen, waiting, others = set(), list(imported(code)), set()
    while waiting:
        name = waiting.pop()
        top = name.split(".")[0]
        if top != "attnbook":
            others |= {top} - sys.stdlib_module_names
            continue
        parts = name.split(".")
        for n in range(1, len(parts) + 1):
            place = ROOT / "src" / "/".join(parts[:n])
            for path in (place.with_suffix(".py"), place / "__init__.py"):
                if path.exists() and path not in seen:
                    seen.add(path)
                    waiting += imported(path.read_text(encoding="utf-8"))
    return {packages_distributions()[name][0].lower().replace("_", "-") for name in others}


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
def test_colab_has_what_a_students_notebook_needs_or_its_one_cell_installs_it(path):
    code = [cell.source for cell in nbformat.read(path, as_version=4).cells if cell.cell_type == "code"]
    installing = [source for source in code if "pip install" in source]
    assert len(installing) == 1
    assert installing[0].count("%pip") == 1
    assert "--no-deps" in installing[0]  # so nothing of Colab's own is touched
    assert not re.search(r"\b(torch|numpy|upgrade|U)\b", installing[0].split("%pip")[1])
    installed = set(re.findall(r"[\w-]+", installing[0].split("--no-deps")[1].split('"')[0]))
    plain = "\n".join(re.sub(r"^(\s*)[%!].*", r"\1pass", source, flags=re.MULTILINE) for source in code)
    assert {"torch"} <= needed(plain) <= COLAB | installed


def test_needs_are_followed_through_the_library():
    assert needed("from attnbook import exercises") == {"numpy", "torch"} | needed("from attnbook import exercises")
    assert needed("import attnbook.plots") >= {"matplotlib"}
    assert needed("import json") == set()
    assert needed("def f():\n    import torch") == set()


def test_explorers_tell_colab_to_load_its_manager_of_widgets(monkeypatch):
    """Colab shows no widget of others without it; anywidget asks for it, and an explorer's HTML does not hide that."""
    url, asked = "https://example.org/manager.js", []
    colab = types.ModuleType("google.colab.output")
    colab.enable_custom_widget_manager = lambda: asked.append(True)
    colab._widgets = types.SimpleNamespace(_installed_url=url)
    monkeypatch.setitem(sys.modules, "google.colab.output", colab)
    data, metadata = FadingMemoryExplorer()._repr_mimebundle_()
    view = "application/vnd.jupyter.widget-view+json"
    assert asked == [True]
    assert data.keys() == {view, "text/html", "text/plain"}
    assert metadata[view]["colab"]["custom_widget_manager"]["url"] == url


# --- What it makes of a notebook -------------------------------------------------------------------------------------


def small():
    """Tasks 1 and 2 of chapter 3."""
    notebook = nbformat.read(SOURCE, as_version=4)
    notebook.cells = notebook.cells[: [c.id for c in notebook.cells].index("test-scaled-dot-score") + 1]
    return notebook


def handed_in(*, right, **options):
    notebook = student_version(small())
    answers = {
        "by-hand": "scaled = (2, 3)\nmultiplicative = (8, 6)",
        "scaled-dot-score": f"def scaled_dot_score(q, k):\n    return q @ k.mT{' / q.shape[-1] ** 0.5' * right}\n",
    }
    for cell in notebook.cells:
        cell.source = answers.get(cell.id, cell.source)
    notebook.cells.insert(4, nbformat.v4.new_code_cell("x = torch.ones(3)\n\nprint('mine')"))
    return as_colab_writes_it(notebook, **options)


@pytest.mark.parametrize("path", STUDENTS, ids=lambda path: path.stem)
@pytest.mark.parametrize("locks", [True, False])
def test_what_colab_wrote_is_a_notebook_in_which_our_cells_are_found(path, locks):
    written = nbformat.reads(as_colab_writes_it(nbformat.read(path, as_version=4), locks=locks).decode(), as_version=4)
    nbformat.validate(written)
    ours = {cell.id: cell for cell in nbformat.read(path, as_version=4).cells}
    found = {cell.metadata.nbgrader.grade_id: cell for cell in written.cells if "nbgrader" in cell.metadata}
    assert {n: (c.source, c.metadata.nbgrader) for n, c in found.items()} == {
        n: (c.source, c.metadata.nbgrader) for n, c in ours.items() if "nbgrader" in c.metadata
    }


@pytest.fixture(scope="module")
def _programs():
    """nbgrader calls a program that is installed beside Python."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("PATH", str(Path(sys.prefix) / "bin"), prepend=os.pathsep)
        yield


@pytest.fixture(scope="module")
def course(tmp_path_factory, _programs):
    """A course in which nbgrader itself has graded what came from Colab: its API, and who handed in what."""
    pytest.importorskip("nbgrader", reason="nbgrader is in the extra attnbook[grading]")
    from nbgrader.apps.api import NbGraderAPI
    from nbgrader.coursedir import CourseDirectory
    from traitlets.config import Config

    root = tmp_path_factory.mktemp("course")
    students = {
        "kept": handed_in(right=True), "unlocked": handed_in(right=True, locks=False),
        "bar": handed_in(right=True, widgets=True), "wrong": handed_in(right=False, locks=False, widgets=True),
    }  # fmt: skip
    (root / "source/scores").mkdir(parents=True)
    nbformat.write(small(), root / "source/scores/scores.ipynb")
    config = Config({"CourseDirectory": {"root": str(root), "db_url": f"sqlite:///{root / 'gradebook.db'}"}})
    api = NbGraderAPI(CourseDirectory(config=config), config=config)
    assert api.generate_assignment("scores")["success"]
    for name, content in students.items():
        (root / "submitted" / name / "scores").mkdir(parents=True)
        (root / "submitted" / name / "scores/scores.ipynb").write_bytes(content)
    return root, api, {name: api.autograde("scores", name) for name in students}


def test_nbgraders_own_autograder_accepts_what_colab_wrote(course):
    root, api, done = course
    assert {name: outcome["success"] for name, outcome in done.items()} == dict.fromkeys(done, True), done
    scores = {name: api.get_submission("scores", name)["score"] for name in done}
    assert scores == {"kept": 5, "unlocked": 5, "bar": 5, "wrong": 2}
    for name in done:
        cells = nbformat.read(root / "autograded" / name / "scores/scores.ipynb", as_version=4).cells
        assert "x = torch.ones(3)\n\nprint('mine')" in [cell.source for cell in cells]
        tests = [cell.source for cell in cells if cell.metadata.get("nbgrader", {}).get("grade")]
        assert tests == [
            c.source for c in small().cells if c.metadata.get("nbgrader", {}).get("grade")
        ]  # hidden ones too


def test_nbgraders_validation_accepts_what_colab_wrote(tmp_path):
    pytest.importorskip("nbgrader", reason="nbgrader is in the extra attnbook[grading]")
    from nbgrader.validator import Validator

    for right, failed in ((True, []), (False, ["exercises.check_scaled_dot_score(scaled_dot_score)"])):
        path = tmp_path / "scores.ipynb"
        path.write_bytes(handed_in(right=right, locks=False))
        results = Validator().validate(str(path))
        assert "type_changed" not in results
        assert "changed" not in results
        assert [cell["source"] for cell in results.get("failed", [])] == failed


def test_feedback_is_written_from_it(course):
    root, api, done = course
    for name in done:
        outcome = api.generate_feedback("scores", name)
        assert outcome["success"], outcome
    page = (root / "feedback/wrong/scores/scores.html").read_text(encoding="utf-8")
    assert "looks as if √d were missing" in page
