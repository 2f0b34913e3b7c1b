"""The translation task: right German, fair splits, seeds."""

import random
import re

import pytest
import torch
from num2words import num2words

from attnbook.data import number_words
from attnbook.data.number_words import LARGEST, align, translate
from attnbook.data.vocabulary import Vocabulary

CHANCE = random.Random(0)
NUMBERS = [*range(130), 1000, 1001, 10**6, 2_000_001, 101_001_001, LARGEST] + [
    CHANCE.randrange(10 ** CHANCE.randint(3, 9)) for _ in range(1500)
]


@pytest.fixture(scope="module")
def task():
    return number_words.load(train=2000, test=13, seed=3)


def test_words_are_num2words_own():
    for number in NUMBERS:
        english, german = translate(number)
        assert english == re.sub("[-,]| and ", " ", num2words(number)).split()
        assert "".join(german) == num2words(number, lang="de").lower().replace(" ", "")


def test_german_by_hand():
    spelled = {
        0: "null",
        12: "zwölf",
        17: "sieb zehn",
        23: "drei und zwanzig",
        70: "siebzig",
        101: "ein hundert eins",
        1_030: "ein tausend dreißig",
        1_000_000: "eine million",
        21_000_000: "ein und zwanzig millionen",
    }
    assert {number: " ".join(translate(number)[1]) for number in spelled} == spelled


@pytest.mark.parametrize("number", [-1, LARGEST + 1, 10**12])
def test_numbers_out_of_range_are_refused(number):
    with pytest.raises(ValueError, match=f"from 0 to 999,999,999, got {number:,}"):
        translate(number)


@pytest.mark.parametrize("number", [3.0, "7", True])
def test_what_is_not_a_whole_number_is_refused(number):
    with pytest.raises(TypeError, match="expected a whole number, got"):
        translate(number)


def test_alignment_by_hand():
    # three hundred forty five thousand six hundred seventy eight
    # drei hundert fünf und vierzig tausend sechs hundert acht und siebzig
    assert align(345_678) == [0, 1, 3, None, 2, 4, 5, 6, 8, None, 7]
    assert align(16) == [0, 0]
    assert align(12) == [0]
    assert align(2_000_013) == [0, 1, 2, 2]


def test_alignment_links_words_that_mean_the_same():
    # The first letters tell the digit in both languages: fünf and fünfzig, five and fifty.
    german_stems = ["ei", "zw", "dr", "vi", "fü", "sech", "sieb", "ac", "ne"]
    english_stems = ["on", "tw", "th", "fo", "fi", "si", "se", "ei", "ni"]
    exceptions = {"und", "hundert", "tausend", "million", "millionen", "zehn", "elf", "zwölf", "null"}
    for number in NUMBERS:
        english, german = translate(number)
        for morpheme, link in zip(german, align(number), strict=True):
            assert (link is None) == (morpheme == "und")
            if morpheme in exceptions:
                continue
            (digit,) = [d for d, stem in enumerate(german_stems, 1) if morpheme.startswith(stem)]
            assert english[link].startswith(english_stems[digit - 1]), (number, morpheme, english[link])
            assert english[link] != "thousand"


def test_held_out_numbers_are_not_trained_on_and_have_their_length(task):
    held_out = {number for numbers in task.test.values() for number in numbers}
    assert not held_out & set(task.train)
    assert sorted(task.test) == list(range(4, 18))
    for length, numbers in task.test.items():
        assert len(set(numbers)) == len(numbers) == 13
        assert {len(translate(number)[1]) for number in numbers} == {length}


def test_the_seed_decides_the_draw_and_nothing_else_does(task):
    assert number_words.load(train=2000, test=13, seed=3).train == task.train
    other = number_words.load(train=50, test=2, seed=4)
    assert other.train != task.train[:50]
    assert other.source.tokens == task.source.tokens
    assert other.target.tokens == task.target.tokens


def test_every_word_below_a_billion_is_in_the_vocabulary(task):
    for number in NUMBERS:
        source, target = task.encode([number])
        assert task.source.decode(source[0].tolist()) == translate(number)[0]
        assert task.target.decode(target[0].tolist()) == translate(number)[1]


def test_batches_draw_training_pairs_by_the_generator(task):
    draw = task.batches(17)
    source, target = draw(torch.Generator().manual_seed(5))
    again, _ = draw(torch.Generator().manual_seed(5))
    assert torch.equal(source, again)
    assert len(source) == len(target) == 17
    trained = {tuple(translate(number)[1]) for number in task.train}
    assert all(tuple(task.target.decode(row)) in trained for row in target.tolist())
    assert (source != 0).any(dim=0).all()  # no column of padding alone
    assert (target[:, 0] == task.target.start).all()


def test_vocabulary_names_what_it_does_not_know():
    with pytest.raises(ValueError, match="not in the vocabulary of 5 tokens: three, zero"):
        Vocabulary(["one", "two"]).encode([["one", "zero"], ["three"]])


def test_vocabulary_frames_and_pads():
    assert Vocabulary(["a", "b"]).encode([["b"], ["a", "b"]], frame=True).tolist() == [[1, 4, 2, 0], [1, 3, 4, 2]]
    assert Vocabulary(["a"]).encode([]).shape == (0, 0)
