"""The yardsticks: probabilities that sum to 1, a calculation by hand, and what they find in Python's documentation."""

import math
import random
from collections import Counter

import pytest

from attnbook.data import python_docs
from attnbook.evidence.n_grams import COMPRESSORS, NGrams, compressed_bits

TEXT = "".join(random.Random(0).choices("abc de", [5, 4, 3, 2, 1, 5], k=499))


@pytest.mark.parametrize("n", [1, 2, 3, 5])
@pytest.mark.parametrize("context", ["", "a", "ab", " abca", "zz", "azb", "abcabcabc"])
def test_probabilities_sum_to_one_after_any_context(n, context):
    model = NGrams(TEXT, n, "abcdefz ")
    probabilities = [model.probability(context, character) for character in model.alphabet]
    assert min(probabilities) > 0
    assert sum(probabilities) == pytest.approx(1, abs=1e-12)


def test_one_gram_by_hand():
    # Counts: a 4, b 3, c 2, d 1, e 1. So n_1 = 2, n_2 = 1, n_3 = 1, n_4 = 1 and Y = 2 / (2 + 2) = 1/2.
    # D(1) = 1 - 2 Y n_2/n_1 = 1/2, D(2) = 2 - 3 Y n_3/n_2 = 1/2, D(3) = 3 - 4 Y n_4/n_3 = 1.
    # Taken from a to e: 1, 1, 1/2, 1/2 and 1/2.
    model = NGrams("aaaabbbccde", 1, "abcdefg")
    shared = 3.5 / 11 / 7
    for character, rest in [("a", 3), ("b", 2), ("c", 1.5), ("d", 0.5), ("e", 0.5), ("f", 0), ("g", 0)]:
        assert model.probability("", character) == pytest.approx(rest / 11 + shared)


def test_shorter_contexts_count_different_characters_before():
    # "x" comes often, but only after "y". "a" comes less often, after many. So in a new context "a" is likelier.
    text = "yx" * 50 + "baca daeafa" * 2
    model = NGrams(text, 2, "abcdefxyz ")
    counts = Counter(text)
    assert counts["x"] > 3 * counts["a"]
    assert model.probability("z", "a") > 2 * model.probability("z", "x")


def test_bits_are_the_mean_surprise():
    model = NGrams(TEXT, 3, "abcde ")
    text = "abca"
    surprise = [model.probability(text[max(0, i - 2) : i], text[i]) for i in range(4)]
    assert model.bits_per_character(text) == pytest.approx(-sum(map(math.log2, surprise)) / 4)


def test_a_regular_text_costs_nothing_and_a_random_one_its_entropy():
    assert NGrams("abc" * 400, 3, "abc").bits_per_character("abc" * 50) < 0.1
    chance = random.Random(1)
    coins = lambda k: "".join(chance.choices("ab", k=k))  # noqa: E731
    assert NGrams(coins(20_000), 3, "ab").bits_per_character(coins(2000)) == pytest.approx(1, abs=0.01)


@pytest.fixture(scope="module")
def docs():
    docs = python_docs.load()
    return tuple(python_docs.decode(python_docs.encode(text)) for text in (docs.train, docs.test))


def test_what_they_find_in_pythons_documentation(docs):
    train, test = docs
    bits = {n: NGrams(train, n, python_docs.CHARACTERS).bits_per_character(test) for n in (1, 3, 5)}
    assert bits[1] > bits[3] + 1 > bits[5] + 1.5
    assert bits[5] == pytest.approx(1.86, abs=0.08)
    assert compressed_bits(train, test, COMPRESSORS["bz2"]) == pytest.approx(1.80, abs=0.08)
    assert compressed_bits(train, test, COMPRESSORS["xz"]) == pytest.approx(2.00, abs=0.1)


def test_compressed_bits_by_hand():
    as_they_are = lambda data: data  # noqa: E731
    assert compressed_bits("abcde", "xyz", as_they_are) == 8
    assert compressed_bits("abcde", "äöü", as_they_are) == 16


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        (("abc", 0, "abc"), ValueError, "n should be at least 1, got 0"),
        (("abc", 2.0, "abc"), TypeError, r"n should be a whole number, got 2\.0"),
        (("abcd", 2, "ac"), ValueError, "hold every character of the text, but not 'bd'"),
        (("ab", 3, "ab"), ValueError, "at least n = 3 characters, got 2"),
    ],
)
def test_bad_arguments(arguments, error, message):
    with pytest.raises(error, match=message):
        NGrams(*arguments)
