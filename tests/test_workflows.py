"""The workflows, Binder's and the dev container's files: valid, without holes, and what they call and install exists.

They run elsewhere. What can be checked here is their form by GitHub's own schemas, and that each command, file and
version that they name is there.
"""

import datetime
import json
import os
import re
import subprocess
import sys
import tomllib
from importlib.resources import files
from pathlib import Path

import nbformat
import pytest
import yaml
from jsonschema.validators import validator_for
from packaging.requirements import Requirement

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import constraints  # noqa: E402 (the folder holds scripts, not packages)
import try_notebooks  # noqa: E402

WORKFLOWS = sorted((ROOT / ".github/workflows").glob("*.yml"))
SETTINGS = [*WORKFLOWS, ROOT / ".github/dependabot.yml", ROOT / ".github/zizmor.yml"]
BINDER = ROOT / ".binder/postBuild"
CONTAINER = ROOT / ".devcontainer/devcontainer.json"
TARGETS = set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE))
EXTRAS = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]

every_workflow = pytest.mark.parametrize("path", WORKFLOWS, ids=lambda path: path.stem)


def read(path):
    text = yaml.safe_load(path.read_text(encoding="utf-8"))
    # YAML takes a bare `on` for true, and a day for a date.
    plain = {key: str(value) if isinstance(value, datetime.date) else value for key, value in text.items()}
    return {"on" if key is True else key: value for key, value in plain.items()}


def steps(path):
    return [step for job in read(path)["jobs"].values() for step in job.get("steps", [])]


def commands(path):
    return "\n".join(step.get("run", "") for step in steps(path))


# --- Form ------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("schema", "paths"),
    [
        ("github-workflows", WORKFLOWS),
        ("dependabot", [ROOT / ".github/dependabot.yml"]),
        ("citation-file-format", [ROOT / "CITATION.cff"]),
    ],
)
def test_files_follow_their_schema_and_a_wrong_one_would_not(schema, paths):
    rules = json.loads(
        (files("check_jsonschema") / f"builtin_schemas/vendor/{schema}.json").read_text(encoding="utf-8")
    )
    check = validator_for(rules)(rules)
    for path in paths:
        assert [error.message for error in check.iter_errors(read(path))] == []
        assert not check.is_valid(read(path) | {"surprise": [1]})


def test_workflows_have_no_known_hole():
    done = subprocess.run([Path(sys.executable).with_name("zizmor"), "--offline", "--no-progress", ROOT],
                          capture_output=True, text=True, check=False)  # fmt: skip
    assert done.returncode == 0, done.stdout
    for path in WORKFLOWS:
        assert path.name in done.stderr  # it was looked at


@every_workflow
def test_a_workflow_may_read_and_only_a_job_that_needs_more_may_do_more(path):
    workflow = read(path)
    assert workflow["permissions"] == {"contents": "read"}
    granted = {name: job["permissions"] for name, job in workflow["jobs"].items() if "permissions" in job}
    allowed = {"pages": {"publish": {"contents": "write"}}, "rot": {"warn": {"issues": "write"}}}
    assert granted == allowed.get(path.stem, {})


@every_workflow
def test_actions_are_githubs_own_with_a_version_and_jobs_end(path):
    for job in read(path)["jobs"].values():
        assert "uses" in job or job["timeout-minutes"] <= 90
    for step in steps(path):
        assert "uses" not in step or re.fullmatch(r"actions/[a-z-]+@v\d+", step["uses"]), step


# --- What they name --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", [*WORKFLOWS, BINDER, CONTAINER], ids=lambda path: path.name)
def test_commands_and_files_that_are_named_exist(path):
    text = path.read_text(encoding="utf-8")
    lines = commands(path) if path in WORKFLOWS else text
    called = set(re.findall(r"\bmake ([a-z-]+)", lines))
    assert called <= TARGETS
    for name in re.findall(r"(?<![\w/$])(?:\.ci|tools|tests)/[\w./-]*\w|(?<= )\./\.github/\S+|requirements\.txt", text):
        assert (ROOT / name).exists(), name
    assert called or "uses:" in text or "pip install" in text


def test_tests_are_what_a_contributor_runs():
    assert "make test" in (ROOT / ".ci/run").read_text()
    assert commands(ROOT / ".github/workflows/test.yml").splitlines()[-1] == ".ci/run"
    assert os.access(ROOT / ".ci/run", os.X_OK)


def test_the_matrix_has_each_python_that_is_supported_and_each_set_of_versions():
    matrix = read(ROOT / ".github/workflows/matrix.yml")["jobs"]["notebooks"]["strategy"]["matrix"]
    assert matrix["python"] == ["3.11", "3.12", "3.13"]
    assert sorted(matrix["versions"]) == sorted(constraints.CONSTRAINTS)


def test_the_weekly_run_tries_everything_and_tells_of_each_failure():
    jobs = read(ROOT / ".github/workflows/rot.yml")["jobs"]
    tried = set(jobs) - {"warn"}
    assert tried == {"test", "matrix", "links", "lighthouse"}
    assert set(jobs["warn"]["needs"]) == tried
    assert jobs["warn"]["if"] == "failure()"
    for name in ("test", "matrix"):
        assert "workflow_call" in read(ROOT / jobs[name]["uses"])["on"]
        assert f"needs.{name}.result" in jobs["warn"]["env"]["RESULTS"]


@pytest.mark.parametrize("path", [ROOT / "Makefile", BINDER], ids=lambda path: path.name)
def test_extras_that_are_installed_exist(path):
    named = re.findall(r"editable '?\.\[(.+?)\]", path.read_text())
    assert named
    assert all(set(names.split(",")) <= EXTRAS.keys() for names in named)


def test_binder_and_the_container_have_a_python_that_is_supported():
    assert (ROOT / ".binder/runtime.txt").read_text() == "python-3.11\n"
    container = json.loads(CONTAINER.read_text())
    assert ":3.11-" in container["image"]
    assert {"chromium", "bubblewrap"} == set(*[f["packages"].split(",") for f in container["features"].values()])
    assert os.access(BINDER, os.X_OK)


# --- The matrix ------------------------------------------------------------------------------------------------------


def test_colabs_versions_are_colabs_but_for_torch():
    ours = {(pin := Requirement(line)).name: pin.specifier for line in constraints.colab()}
    theirs = {(pin := Requirement(line)).name: pin.specifier for line in constraints.pins("tests/colab_versions.txt")}
    assert ours.keys() == theirs.keys()
    assert {name for name in ours if ours[name] != theirs[name]} == {"torch"}
    assert f"torch{ours['torch']}" in constraints.pinned()
    assert constraints.newest() == []


@pytest.mark.parametrize("arguments", [[], [""], ["oldest"], ["colab", "newest"]])
def test_unknown_versions_are_refused(arguments, capsys):
    assert constraints.main(arguments) == 1
    assert "one of pinned, colab, newest" in capsys.readouterr().err


def notebook(*cells):
    """A notebook of headings, code, and errors: "ValueError!" is a cell that was run and raised one."""
    made = []
    for text in cells:
        made.append(nbformat.v4.new_markdown_cell(text) if text[0] == "#" else nbformat.v4.new_code_cell(text))
        if text[-1] == "!":
            made[-1].outputs = [nbformat.v4.new_output("error", ename=text[:-1], evalue="why", traceback=[])]
    return nbformat.v4.new_notebook(cells=made)


def test_only_what_a_student_has_not_written_may_fail():
    run = notebook("1", "## Task 1", "NotImplementedError!", "NameError!", "WrongAnswer!", "ValueError!", "2")
    assert [line.split(": ", 1)[1] for line in try_notebooks.complaints(run, is_student=True)] == ["ValueError: why"]
    assert len(try_notebooks.complaints(run, is_student=False)) == 4
    early = notebook("NameError!", "## Task 1", "NameError!")  # the first one is before any task
    assert len(try_notebooks.complaints(early, is_student=True)) == 1


def test_a_notebook_is_run_to_its_end_and_left_as_it_was(tmp_path, capsys):
    path = tmp_path / "exercises/16_topic/16_topic.ipynb"
    path.parent.mkdir(parents=True)
    nbformat.write(notebook("import os", "## Task 1", "answer", "1 / 0", "os.mkdir('here')"), path)
    before = path.read_bytes()
    assert try_notebooks.main([str(path)]) == 1
    said = capsys.readouterr().out
    assert "ZeroDivisionError: division by zero" in said
    assert "NameError" not in said
    assert "0 of 1 notebooks run" in said
    assert (path.parent / "here").is_dir()
    assert path.read_bytes() == before


def test_a_cell_that_does_not_end_stops_its_own_notebook_alone(tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(try_notebooks, "CELL_SECONDS", 1)
    paths = [tmp_path / "slow.ipynb", tmp_path / "quick.ipynb"]
    for path, cell in zip(paths, ["import time; time.sleep(30)", "1"], strict=True):
        nbformat.write(notebook(cell), path)
    assert try_notebooks.main([str(path) for path in paths]) == 1
    said = capsys.readouterr().out
    assert "CellTimeoutError" in said
    assert "1 of 2 notebooks run" in said
