"""The pronoun sentences, the expressions and the plain sentences: balanced, and what they promise."""

from collections import Counter

import pytest

from attnbook.data import pronouns
from attnbook.data.expressions import expressions
from attnbook.data.pronouns import KINDS, sentences
from attnbook.data.sentences import sentences as plain_sentences
from attnbook.pretrained import load_minilm

EACH_KIND = pytest.mark.parametrize("kind", KINDS)


@EACH_KIND
def test_whoever_points_by_place_or_by_habit_is_right_in_half(kind):
    drawn = sentences(kind, seed=5)
    assert len(drawn) == len({sentence.text for sentence in drawn}) == 60
    assert sum(sentence.right == 0 for sentence in drawn) == 30  # always the first noun; the second is the nearer one
    meant = Counter(sentence.nouns[sentence.right] for sentence in drawn)
    named = Counter(noun for sentence in drawn for noun in sentence.nouns)
    for noun, times in named.items():  # always the same noun of a pair
        assert meant[noun] == times / 2, noun
    assert {sum(s.family == family for s in drawn) for family in range(15)} == {4}
    assert max(s.family for s in drawn) == 14


@EACH_KIND
def test_the_text_holds_pronoun_and_nouns_once_each_and_in_order(kind):
    for sentence in sentences(kind):
        words = sentence.text.rstrip(".").split()
        places = [words.index(word) for word in (*sentence.nouns, sentence.pronoun)]
        assert places == sorted(places)
        assert all(words.count(word) == 1 for word in (*sentence.nouns, sentence.pronoun))
        assert "  " not in sentence.text
        assert sentence.text.endswith(".")
        assert not sentence.text.endswith(" .")


def test_two_sentences_of_a_family_differ_by_what_tells_alone():
    for kind, differing in (("gender", 1), ("number", 2), ("meaning", 1)):
        for first, second in zip(sentences(kind)[::2], sentences(kind)[1::2], strict=True):
            pairs = zip(first.text.split(), second.text.split(), strict=True)
            assert sum(a != b for a, b in pairs) == differing
            assert {first.right, second.right} == {0, 1}
            assert first.nouns == second.nouns


def test_grammar_by_hand():
    assert pronouns.NOUNS["gender"].split(",")[0].split() == ["queen", "uncle"]
    for sentence in sentences("gender"):
        if set(sentence.nouns) == {"queen", "uncle"}:
            assert sentence.nouns[sentence.right] == {"she": "queen", "he": "uncle"}[sentence.pronoun]
    for sentence in sentences("number"):
        assert (" were " in sentence.text) == (sentence.pronoun == "they")
        assert sentence.nouns[sentence.right].endswith("s") == (sentence.pronoun == "they")


def test_seeds():
    assert sentences("meaning", seed=1) == sentences("meaning", seed=1) != sentences("meaning", seed=2)
    with pytest.raises(ValueError, match="kind should be one of 'gender', 'number', 'meaning', got 'colour'"):
        sentences("colour")


def test_every_noun_and_pronoun_is_one_token_of_minilm():
    tokenizer = load_minilm().tokenizer
    words = {word for kind in KINDS for s in sentences(kind) for word in (*s.nouns, s.pronoun)}
    assert [word for word in sorted(words) if tokenizer.token_to_id(word) is None] == []


def test_expressions_share_no_word_with_their_meanings():
    rows = expressions()
    assert len(rows) == 48
    assert len({text for row in rows for text in row}) == 3 * 48
    small = {"a", "an", "the", "of", "in", "and", "out", "to", "on", "when"}
    for expression, meaning, _ in rows:
        assert not (set(expression.split()) & set(meaning.split())) - small, expression


def test_plain_sentences():
    assert len(set(plain_sentences())) == 60
    assert all(5 <= len(sentence.split()) <= 13 for sentence in plain_sentences())
    assert all(sentence[-1] in ".?" for sentence in plain_sentences())
