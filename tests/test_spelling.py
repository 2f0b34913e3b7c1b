"""Spelling: a wrong word is found wherever readers would see it, and code and formulas are not taken for words."""

import doctest
import json
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "tools"))

import spelling  # noqa: E402 (the folder holds scripts, not packages)

PLACES = {
    "page.md": "# Heads\n\n- a [wieght](there.md) for each *key*\n",
    "table.md": "| symbol | meaning |\n| --- | --- |\n| $w$ | the wieght of a key |\n",
    "myst.md": ":::{note}\nThe wieght of a key, as {ref}`heads` has it.\n:::\n",
    "choice.md": "<details>\n<summary>the wieght</summary>\n\n**Right.** It sums to one.\n\n</details>\n",
    "cell.ipynb": {"cell_type": "markdown", "metadata": {}, "source": ["The wieght of a key.\n"]},
    "alt.ipynb": {
        "cell_type": "code",
        "metadata": {"mystnb": {"image": {"alt": "The wieght of each key."}}},
        "source": ["wieght = 1"],
    },
    "docstring.py": 'def f(x):\n    """The wieght of x."""\n',
    "message.py": 'raise ValueError(f"a wieght should be positive, got {x}")\n',
    "texts.js": 'const note = html("p", {}, `The wieght of ${name}`);\n',
}


@pytest.mark.parametrize("name", PLACES)
def test_a_wrong_word_is_found_where_readers_see_it(name, tmp_path):
    path, content = tmp_path / name, PLACES[name]
    path.write_text(content if isinstance(content, str) else json.dumps({"cells": [content]}))
    assert spelling.Dictionary().complaints(spelling.prose(path)) == {"wieght": "unknown"}


NO_WORDS = {
    "code.md": "```python\nwieght = 1\n```\n\nSet `wieght` to $wieght_1$.\n\n$$wieght$$\n\nhttps://example.org/wieght\n",
    "sources.md": "The end.\n\n## Sources\n- Wieght et al. (2014)\n",
    "names.py": 'def wieght(thing):\n    """The wieght, x_wieght.\n\n    >>> wieght(2)\n    "a wieght"\n    """\n',
    "code.js": '// the wieght\nconst wieght = model.get("wieght");\nshow(`two ${wieght} weights`);\n',
}


@pytest.mark.parametrize("name", NO_WORDS)
def test_code_formulas_and_sources_are_not_prose(name, tmp_path):
    path = tmp_path / name
    path.write_text(NO_WORDS[name])
    assert spelling.Dictionary().complaints(spelling.prose(path)) == {}


def test_the_books_own_words_are_listed_once_in_order_and_the_dictionary_lacks_them(tmp_path):
    words = [line for line in spelling.WORDS.read_text(encoding="utf-8").splitlines() if not line.startswith("#")]
    assert words == sorted(set(words), key=lambda word: (word.lower(), word))
    nothing = tmp_path / "words.txt"
    nothing.write_text("")
    english = spelling.Dictionary(nothing)
    assert [word for word in words if not english.complaint(word)] == []


def test_all_kinds_of_files_are_read():
    names = {path.relative_to(ROOT).as_posix() for path in spelling.files()}
    kept = {"README.md", "book/glossary.md", "notebooks/01_fixed_vector.ipynb", "src/attnbook/attention.py",
            "notebooks/solutions/01_fixed_vector/01_fixed_vector.ipynb", "src/attnbook/explorers/kit.js"}  # fmt: skip
    assert kept <= names
    assert not [name for name in names if name.startswith(spelling.LEFT_OUT)]


def test_the_examples_of_the_tool_itself():
    assert doctest.testmod(spelling) == (0, 5)
