"""The front page's explorer shows what chapter 2's translator does, and a page that asks for too much is refused."""

import sys
from pathlib import Path

import nbformat
import numpy as np
import pytest
import torch

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "book/_ext"))

from book_first_look import stored_examples  # noqa: E402 (the folder holds extensions of Sphinx, not a package)

from attnbook.data import number_words  # noqa: E402
from attnbook.evidence import translation  # noqa: E402

CHAPTER = ROOT / "notebooks/02_looking_back.ipynb"


def test_what_the_front_page_shows_is_what_the_translator_does():
    task = number_words.load()
    model = translation.load_translator(task)
    front_page = (ROOT / "book/index.md").read_text(encoding="utf-8")
    numbers = [int(number) for number in front_page.split(":numbers:")[1].splitlines()[0].split()]
    examples = stored_examples(CHAPTER)
    assert len(numbers) >= 3
    for number in numbers:
        with torch.no_grad():
            said, weights = translation.translate(model, task, [number])
        shown = examples[number]
        assert shown["target"] == said[0]
        assert shown["correct"]
        assert len(said[0]) <= 9  # the page's style sheet makes room for nine
        np.testing.assert_allclose(shown["weights"], weights[0, : len(said[0])], atol=1e-4)


def test_a_notebook_without_the_explorer_is_named(tmp_path):
    path = tmp_path / "empty.ipynb"
    nbformat.write(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1")]), path)
    with pytest.raises(ValueError, match=r"empty\.ipynb shows no alignment_explorer"):
        stored_examples(path)
