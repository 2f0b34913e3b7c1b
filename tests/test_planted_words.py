"""Reviews with planted words: that their truth is what it says, for every choice of blanks."""

import pytest
import torch

from attnbook.data import planted_words
from attnbook.data.planted_words import (
    BLAME,
    BLANK,
    BLANK_TOKEN,
    DAYS,
    NOUNS,
    PLAIN,
    PRAISE,
    TELLING,
    TURNING,
    VOCABULARY,
    WORDS,
    N,
    deciding,
    draw,
    encode,
    verdict,
)


def reviews(size=997, seed=3):
    return draw(torch.Generator().manual_seed(seed), size)


def test_verdicts_by_hand():
    for text, chance in [
        ("the soup was not cold on monday", 1.0),
        ("the soup was so cold on monday", 0.0),
        ("we found the cook hardly kind today", 0.0),
        ("my friday bread was _ fresh again", 1.0),
        ("on sunday the waiter was never _", 0.5),
        ("_ _ _ _ _ _ _", 0.5),
    ]:
        assert verdict(text.split()) == chance, text


def test_two_words_decide_where_the_adverb_turns_and_one_where_it_does_not():
    for words in reviews():
        expected = [word in PRAISE + BLAME + TURNING for word in words]
        assert deciding(words) == expected
        assert sum(expected) == (2 if set(words) & set(TURNING) else 1)


def test_every_review_has_one_of_each_kind_and_as_many_words():
    for words in reviews():
        assert len(words) == WORDS
        for kind in (NOUNS, PRAISE + BLAME, TURNING + PLAIN):
            assert len(set(words) & set(kind)) == 1
        assert len(set(words) & set(DAYS)) <= 1  # one form says "today"
    assert set(TELLING) == set(PRAISE + BLAME + TURNING + PLAIN)


def test_half_are_good_and_no_other_word_tells():
    drawn = reviews()
    good = torch.tensor([verdict(words) for words in drawn])
    assert 0.45 < good.mean() < 0.55
    for word in (*NOUNS, *DAYS, "today", "again", "on"):
        share = good[[word in words for words in drawn]].mean()
        assert 0.35 < share < 0.65, word


def test_batches_blank_words_and_ask_for_the_verdict_of_the_rest():
    tokens, good = planted_words.batches(torch.Generator().manual_seed(5), 499)
    assert tokens.shape == (499, N)
    assert good.shape == (499,)
    blank = tokens == BLANK_TOKEN
    assert not blank[:, 0].any()
    assert abs(blank[:, 1:].float().mean() - planted_words.BLANKED) < 0.02
    coins = []
    for row, answer in zip(tokens[:, 1:].tolist(), good.tolist(), strict=True):
        chance = verdict([VOCABULARY.tokens[number] for number in row])
        if chance == 0.5:
            coins.append(answer)
        else:
            assert answer == chance
    assert len(coins) > 100
    assert 0.35 < sum(coins) / len(coins) < 0.65


def test_the_generator_alone_decides():
    assert reviews() == reviews()
    assert reviews() != reviews(seed=4)


def test_tokens():
    review = ["the", "soup", "was", "not", "cold", "on", "monday"]
    assert [VOCABULARY.tokens[number] for number in encode([review])[0]] == ["[CLS]", *review]
    assert VOCABULARY.tokens[BLANK_TOKEN] == BLANK


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="a review should have 7 words, got 3: the soup was"):
        encode([["the", "soup", "was"]])
    with pytest.raises(ValueError, match=r"not in the vocabulary of .* tokens: tasty"):
        encode([["the", "soup", "was", "very", "tasty", "on", "monday"]])
    with pytest.raises(ValueError, match="size should be at least 1, got 0"):
        reviews(size=0)
