"""The text for language models: in every Python, each paragraph once, no held-out topic in training."""

import re
from pydoc_data.topics import topics

import pytest
import torch

from attnbook.data import python_docs
from attnbook.data.python_docs import CHARACTERS, HELD_OUT, UNKNOWN, decode, encode, windows


@pytest.fixture(scope="module")
def docs():
    return python_docs.load()


def paragraphs(text):
    return [" ".join(p.split()) for p in re.split(r"\n\s*\n", text) if p.strip()]


def test_sizes_with_room_for_other_versions_of_python(docs):
    assert 300_000 < len(docs.train) < 450_000
    assert 0.05 < len(docs.test) / len(docs.train) < 0.15
    assert len(topics) > 70


def test_each_paragraph_stands_once_and_none_is_lost(docs):
    train, test = paragraphs(docs.train), paragraphs(docs.test)
    assert len(set(train + test)) == len(train) + len(test)
    plain = {
        ord(c): o for c, o in [("‘", "'"), ("’", "'"), ("“", '"'), ("”", '"'), ("–", "-"), ("—", "-"), ("…", "...")]
    }
    assert set(train + test) == {p for topic in topics.values() for p in paragraphs(topic.translate(plain))}
    # Without that, a fifth of the text would stand there twice.
    assert sum(map(len, topics.values())) > 1.15 * len(docs.train + docs.test)


def test_the_held_out_topics_are_there_and_long_passages_do_not_leak(docs):
    assert set(HELD_OUT) <= topics.keys()
    assert docs.test.startswith("Calls\n*****")
    for start in (
        "Comparisons\n",
        "Execution model\n",
        'The "global" statement\n',
        "Objects, values and types\n",
        "Slicings\n",
    ):
        assert f"\n{start}***" in docs.test
        assert f"{start}***" not in docs.train
    n = 80
    seen = {docs.train[i : i + n] for i in range(len(docs.train) - n + 1)}
    leaked = sum(docs.test[i : i + n] in seen for i in range(len(docs.test) - n + 1))
    assert leaked < 0.01 * len(docs.test)


def test_the_order_is_that_of_the_names(docs):
    starts = [
        docs.train.index(title) for title in ("Assignment statements\n***", "Lambdas\n***", "Special method names\n***")
    ]
    assert starts == sorted(starts)
    assert python_docs.load() is docs


def test_characters():
    assert len(CHARACTERS) == len(set(CHARACTERS)) == 97
    assert CHARACTERS[:3] == f"{UNKNOWN}\n "
    assert encode("\n ~").tolist() == [1, 2, 96]
    assert encode("").shape == (0,)


def test_nearly_all_characters_are_known(docs):
    tokens = encode(docs.train + docs.test)
    assert tokens.dtype == torch.int64
    assert (tokens == 0).float().mean() < 1e-4
    assert decode(encode(docs.test)) == docs.test.translate({ord(c): UNKNOWN for c in set(docs.test) - set(CHARACTERS)})


def test_windows():
    text = torch.arange(11)
    drawn = windows(text, 7, torch.Generator().manual_seed(0), size=200)
    assert drawn.shape == (200, 7)
    assert torch.equal(drawn - drawn[:, :1], torch.arange(7).expand(200, 7))
    assert set(drawn[:, 0].tolist()) == {0, 1, 2, 3, 4}  # every place, the last one too
    again = windows(text, 7, torch.Generator().manual_seed(0), size=200)
    assert torch.equal(again, drawn)


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: decode(torch.zeros(2, 3, dtype=torch.long)), r"tokens should have shape \(n,\), got \(2, 3\)"),
        (lambda: windows(encode("abc"), 5, torch.Generator(), 2), "at least n = 5 tokens, got 3"),
        (lambda: windows(encode("abc"), 0, torch.Generator(), 2), "n should be at least 1, got 0"),
        (lambda: windows(encode("abc"), 2, torch.Generator(), 0), "size should be at least 1, got 0"),
    ],
)
def test_bad_arguments(call, message):
    with pytest.raises(ValueError, match=message):
        call()
