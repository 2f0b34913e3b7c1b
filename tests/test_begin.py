"""A new chapter, explorer and assignment: begun in a copy of the book, they pass the tests of the book's own.

What fails is one test, and it says what is still to write.
"""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import begin  # noqa: E402 (the folder holds scripts, not packages)

TITLE = 'A "new" topic, at last'
FREE = f"{max(int(path.name[:2]) for path in (ROOT / 'notebooks').glob('[0-9]*.ipynb')) + 1:02}"
NAME = f"{FREE}_new_topic"
FILES = [
    *("README.md", "_config.yml", "_toc.yml", "pyproject.toml"),
    *("src/attnbook/explorers", "src/attnbook/exercises", "tests"),
    *("tools/chromium.py", "tools/make_assignments.py", "tools/templates"),
    *("notebooks/ruff.toml", "notebooks/01_fixed_vector.ipynb", "notebooks/04_queries_keys_values.ipynb"),
    *(
        "notebooks/solutions/04_queries_keys_values",
        "notebooks/solutions/05_why_sqrt_d",
        "notebooks/exercises/ruff.toml",
    ),
    *("notebooks/exercises/04_queries_keys_values", "notebooks/exercises/05_why_sqrt_d"),
]


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_bytes() for p in folder.rglob("*")
            if p.is_file() and not {"__pycache__", ".ruff_cache"} & {*p.parts}}  # fmt: skip


def copied(copy):
    """A copy of the book with as much of it as is looked at here, the last chapter among it."""
    last = max(path.name for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"))
    for name in [*FILES, f"notebooks/{last}"]:
        (copy / name).parent.mkdir(parents=True, exist_ok=True)
        put = shutil.copytree if (ROOT / name).is_dir() else shutil.copy
        put(ROOT / name, copy / name)
    # The rest of the library is the installed one's.
    for path in (ROOT / "src/attnbook").iterdir():
        if not (copy / "src/attnbook" / path.name).exists() and path.name != "__pycache__":
            (copy / "src/attnbook" / path.name).symlink_to(path)
    return copy


@pytest.fixture(scope="module")
def book(tmp_path_factory):
    return copied(tmp_path_factory.mktemp("book"))


@pytest.fixture(scope="module")
def begun(tmp_path_factory):
    """A copy of the book with one of each begun; and what its files were before."""
    book = copied(tmp_path_factory.mktemp("begun"))
    before = contents(book)
    for arguments in (["chapter", NAME, TITLE], ["explorer", "two_keys"], ["exercise", NAME]):
        assert begin.main(arguments, book) == 0
    return book, before


def run(book, *arguments):
    environment = os.environ | {"PYTHONPATH": f"{book}/src:{book}/tools", "PYTHONDONTWRITEBYTECODE": "1"}
    command = [sys.executable, "-m", *arguments]
    done = subprocess.run(command, cwd=book, env=environment, capture_output=True, text=True, check=False)
    return done.returncode, done.stdout + done.stderr


def test_what_was_there_is_only_added_to(begun):
    book, before = begun
    after = contents(book)
    added = {
        f"notebooks/{NAME}.ipynb",
        f"notebooks/solutions/{NAME}/{NAME}.ipynb",
        f"notebooks/exercises/{NAME}/{NAME}.ipynb",
        f"tests/wrong_answers/ch{NAME}.py",
        "src/attnbook/exercises/new_topic.py",
        "tests/test_two_keys_explorer.py",
        *(f"src/attnbook/explorers/two_keys_explorer.{kind}" for kind in ("py", "js", "css")),
    }
    changed = {name for name in before if after[name] != before[name]}
    assert after.keys() - before.keys() == added
    assert changed == {"README.md", "_toc.yml", *(f"src/attnbook/{p}/__init__.py" for p in ("explorers", "exercises"))}
    for name in changed:
        assert set(before[name].splitlines()) <= set(after[name].splitlines())
    assert f"[{int(FREE)}. {TITLE}](notebooks/{NAME}.ipynb)" in after["README.md"].decode()
    assert re.search(rf"file: notebooks/\d\d_\w+\n +- file: notebooks/{NAME}\n", after["_toc.yml"].decode())
    for name in added:  # nothing of the template's own names is left
        assert not re.search(
            r"\bIdea|\bidea_|NN_|\bTITLE\b|\bNUMBER\b|(?<!new_)topic_|(?<!NEW_)TOPIC_", after[name].decode()
        )


def test_it_passes_the_linter(begun):
    book, _ = begun
    code, said = run(book, "ruff", "check", "notebooks", "src/attnbook/explorers/two_keys_explorer.py",
                     "src/attnbook/exercises/new_topic.py", "src/attnbook/exercises/__init__.py",
                     "src/attnbook/explorers/__init__.py", "tests/test_two_keys_explorer.py",
                     f"tests/wrong_answers/ch{NAME}.py")  # fmt: skip
    assert code == 0, said
    assert run(book, "ruff", "format", "--check", "notebooks", "tests/test_two_keys_explorer.py")[0] == 0


def test_it_passes_all_tests_but_the_one_that_says_what_is_to_write(begun):
    book, _ = begun
    tests = [
        f"tests/test_{name}.py" for name in ("notebooks", "assignments", "house", "exercises", "two_keys_explorer")
    ]
    doctests = ["src/attnbook/explorers/two_keys_explorer.py", "src/attnbook/exercises/new_topic.py"]
    # Of the five widths two will do here.
    which = f"({NAME} or new_topic or two_keys or left_to_write) and not 360 and not 660 and not 768"
    code, said = run(
        book, "pytest", "-q", "-p", "no:cacheprovider", "--doctest-modules", *tests, *doctests, "-k", which
    )
    assert code == 1
    failed = re.findall(r"^FAILED ([^\s\[]+)", said, re.MULTILINE)
    assert failed == ["tests/test_house.py::test_nothing_is_left_to_write"], said
    assert int(re.search(r"(\d+) passed", said)[1]) > 50
    for place in (f"notebooks/{NAME}.ipynb", f"notebooks/solutions/{NAME}/{NAME}.ipynb", "README.md",
                  "two_keys_explorer.py", "exercises/new_topic.py", f"wrong_answers/ch{NAME}.py"):  # fmt: skip
        assert re.search(rf"{re.escape(place)}: TO WRITE: \w", said), place


LAST = f"{int(FREE) - 1:02}"
BAD = [
    (["", "x"], "chapter, explorer or exercise"),
    (["chapter", ""], "two digits, _ and a topic in small letters, as 16_topic; got ''"),
    (["chapter", "16"], "two digits"),
    (["chapter", "16_Topic"], "two digits"),
    (["chapter", "../16_topic"], "two digits"),
    (["chapter", f"{LAST}_other"], f"the next free number is {FREE}"),
    (["chapter", "99_fixed_vector"], "there is a chapter about fixed_vector already"),
    (["explorer", "score_explorer"], "without _explorer"),
    (["explorer", "Score"], "small letters"),
    (["explorer", "score"], "score_explorer.py exists already"),
    (["exercise", "98_missing"], "begin it first, by make new-chapter NAME=98_missing"),
    (["exercise", "04_queries_keys_values"], "04_queries_keys_values.ipynb exists already"),
]


@pytest.mark.parametrize(("arguments", "message"), BAD)
def test_a_bad_name_is_refused_and_changes_nothing(book, arguments, message, capsys):
    before = contents(book)
    assert begin.main(arguments, book) == 1
    assert message in capsys.readouterr().err
    assert contents(book) == before
