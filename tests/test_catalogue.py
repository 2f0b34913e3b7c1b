"""The library of questions: every book can be asked for and read, and no request gives its title away."""

import re

import pytest
import torch

from attnbook.data.catalogue import BOOKS, ELSEWHERE, QUERIES, SUBJECTS, shares


def test_shares_by_hand_and_of_every_book():
    values = shares()
    assert values.shape == (16, 6)
    assert values.dtype == torch.float32
    bread = [book.title for book in BOOKS].index("Why Does Bread Rise?")
    assert values[bread].tolist() == pytest.approx([0, 0, 0.4, 0, 0.6, 0])
    torch.testing.assert_close(values.sum(dim=1), torch.ones(16))
    assert (values >= 0).all()


def test_every_book_names_known_subjects_has_one_main_subject_and_no_double():
    for book in BOOKS:
        assert book.tenths.keys() <= set(SUBJECTS)
        assert sum(book.tenths.values()) == 10
        *_, second, first = [0, *sorted(book.tenths.values())]
        assert first > second
    for texts in zip(*BOOKS, strict=True):
        if isinstance(texts[0], str):
            assert len(set(texts)) == len(BOOKS)
    assert {max(book.tenths, key=book.tenths.get) for book in BOOKS} == set(SUBJECTS)


def words(text):
    common = {"a", "the", "of", "is", "what", "that", "who", "into", "an", "do"}
    return set(re.findall("[a-z]+", text.lower())) - common


def test_a_request_or_a_content_does_not_repeat_its_title():
    # A look-up that compares words alone shall find nothing.
    for book in BOOKS:
        assert not words(book.request) & words(book.title), book
        assert not words(book.contents) & words(book.title), book


def test_titles_are_short_questions_and_contents_sentences():
    for book in BOOKS:
        assert book.title.endswith("?")
        assert len(book.title) <= 26  # one line of a phone
        assert book.contents.endswith(".")
        assert len(book.contents) <= 90
    assert len(set(QUERIES)) == len(QUERIES) == 21


@pytest.fixture(scope="module")
def minilm():
    return pytest.importorskip("attnbook.pretrained").load_minilm()


def test_requests_find_titles_better_than_contents(minilm):
    requests = minilm.encode([book.request for book in BOOKS])
    right = {}
    for name in ("title", "contents"):
        keys = minilm.encode([getattr(book, name) for book in BOOKS])
        right[name] = (requests @ keys.mT).argmax(dim=1).eq(torch.arange(len(BOOKS))).sum().item()
    assert right == {"title": 16, "contents": 12}


def test_what_is_asked_elsewhere_is_not_in_the_library(minilm):
    titles = minilm.encode([book.title for book in BOOKS])
    nearest = {text: (minilm.encode([text]) @ titles.mT).max().item()
               for text in (*ELSEWHERE, *(book.request for book in BOOKS))}  # fmt: skip
    assert max(nearest[text] for text in ELSEWHERE) < 0.2
    assert min(nearest[book.request] for book in BOOKS) > 0.4
