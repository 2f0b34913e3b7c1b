"""The library's reference: all that is public is there, with an example, and nothing else."""

import re
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path[:0] = [str(ROOT / "book/_ext"), str(ROOT / "tools")]

import book_api  # noqa: E402 (the two folders hold scripts, not packages)
import build_book  # noqa: E402


def documented(source):
    """Everything public, by its full name: functions, classes and their methods."""
    found = {}
    for _, names in book_api.load_library(source).values():
        for path, entry in names.items():
            found[path] = entry
            found |= {f"{path}.{name}": method for name, method in book_api.methods(entry).items()}
    return found


LIBRARY = documented(ROOT / "src")
NAMES = [path for path, entry in LIBRARY.items() if entry.is_class or not entry.parent.is_class]


def without_example(entries):
    return [path for path, entry in entries.items() if not book_api.text_and_example(entry)[1]]


@pytest.fixture(scope="module")
def pages():
    assert build_book.main() == 0
    return "".join(path.read_text() for path in sorted((ROOT / "_build/html/book/api").glob("*.html")))


def test_every_public_function_and_class_has_an_example_and_a_summary():
    assert len(NAMES) > 40
    assert without_example({path: LIBRARY[path] for path in NAMES}) == []
    for path in NAMES:
        summary = book_api.text_and_example(LIBRARY[path])[0].split("\n\n")[0]
        assert summary.endswith((".", "?", ":")), path


def test_a_function_without_example_is_found(tmp_path):
    package = tmp_path / "attnbook"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "planted.py").write_text(
        'def shown(x):\n    """Show.\n\n    >>> 1\n    1\n    """\n\n\n'
        'def bare(x):\n    """Say."""\n\n\ndef _hidden(x):\n    """Hide."""\n'
    )
    entries = documented(tmp_path)
    assert sorted(entries) == ["attnbook.planted.bare", "attnbook.planted.shown"]
    assert without_example(entries) == ["attnbook.planted.bare"]


@pytest.mark.parametrize("path", LIBRARY)
def test_every_public_name_stands_on_a_page_once(path, pages):
    assert len(re.findall(f'id="{re.escape(path)}"', pages)) == 1


def test_nothing_private_stands_on_a_page(pages):
    anchors = re.findall(r'id="(attnbook\.[\w.]+)"', pages)
    assert len(anchors) > len(NAMES)
    assert not [anchor for anchor in anchors if re.search(r"\._", anchor)]


def test_examples_are_highlighted_and_begin_with_their_import(pages):
    examples = len(re.findall(r'<div class="[^"]*highlight-pycon', pages))
    assert examples >= len(NAMES)
    assert "attnbook.scores" in re.sub(r"<[^>]*>", "", pages)
