"""Needles in a haystack: where they stand, that questions have one answer, and that chance alone decides."""

import pytest
import torch

from attnbook.data import needles
from attnbook.data.needles import ASKED, BLANKS, CONTENTS, NAMES, NOTHING, QUESTIONS, distances, draw, spell

N = 149


def haystacks(size=7, n=N, needles=NAMES, seed=3):
    return draw(torch.Generator().manual_seed(seed), size, n, needles)


def test_blanks_hay_and_questions_stand_in_order():
    tokens, _, _ = haystacks()
    name, content = tokens.unbind(-1)
    assert tokens.shape == (7, N, 2)
    assert tokens.dtype == torch.int64
    blanks = torch.arange(NAMES + needles.KINDS_OF_HAY, needles.NUM_NAMES)
    assert torch.equal(name[:, :BLANKS], blanks.expand(7, -1))
    assert (content[:, :BLANKS] == NOTHING).all()
    assert (content[:, -QUESTIONS:] == ASKED).all()
    assert (name[:, -QUESTIONS:] < NAMES).all()
    middle = name[:, BLANKS:-QUESTIONS], content[:, BLANKS:-QUESTIONS]
    is_needle = middle[0] < NAMES
    assert (is_needle.sum(dim=1) == NAMES).all()
    assert torch.equal(middle[1] == NOTHING, ~is_needle)
    assert (middle[0] < NAMES + needles.KINDS_OF_HAY).all()


@pytest.mark.parametrize("number", [1, 5, NAMES])
def test_each_question_has_exactly_one_needle_and_its_content_is_the_answer(number):
    tokens, answers, places = haystacks(needles=number)
    for row, (cards, asked) in enumerate(zip(tokens, tokens[:, -QUESTIONS:, 0], strict=True)):
        for question, name in enumerate(asked.tolist()):
            (found,) = (cards[:-QUESTIONS, 0] == name).nonzero()[:, 0].tolist()
            assert found == places[row, question]
            assert cards[found, 1] == answers[row, question] < CONTENTS
        assert len(set(asked.tolist())) == min(number, QUESTIONS)


def test_the_shortest_haystack_is_full_of_needles():
    tokens, _, places = haystacks(size=3, n=BLANKS + NAMES + QUESTIONS)
    assert (tokens[:, BLANKS:-QUESTIONS, 0] < NAMES).all()
    assert (places.sort(dim=1).values == torch.arange(BLANKS, BLANKS + NAMES)).all()


def test_the_generator_alone_decides():
    assert all(torch.equal(a, b) for a, b in zip(haystacks(), haystacks(), strict=True))
    assert not torch.equal(haystacks()[0], haystacks(seed=4)[0])


def test_places_and_answers_are_spread_evenly():
    _, answers, places = haystacks(size=997)
    counts = answers.flatten().bincount(minlength=CONTENTS) / answers.numel()
    assert (counts - 1 / CONTENTS).abs().max() < 0.01
    middle = (BLANKS + N - QUESTIONS - 1) / 2
    assert (places.double().mean() - middle).abs() < 1
    # Where a question stands says nothing about its answer, its name or its place.
    assert (places.double().mean(dim=0) - middle).abs().max() < 5


def test_distances_by_hand():
    places = torch.tensor([[40] * QUESTIONS])
    assert distances(places, 100)[0, :2].tolist() == [28, 29]  # the first question stands at 68
    assert distances(places, 100)[0, -1] == 59


def test_cards_in_words():
    tokens, answers, places = haystacks(needles=5)
    cards = [spell(card) for card in tokens[0]]
    assert cards[0] == "_"
    assert cards.count(".") == N - BLANKS - QUESTIONS - 5
    question = cards[-1].removesuffix("=?")
    assert cards[places[0, -1]] == f"{question}={answers[0, -1]}"


def test_what_does_not_fit_is_refused():
    with pytest.raises(ValueError, match="needles should be at most the 32 names, for no two have the same; got 33"):
        haystacks(needles=33)
    with pytest.raises(ValueError, match=r"n should be at least 32 blanks \+ 7 needles \+ 32 questions, got 70"):
        haystacks(n=70, needles=7)
    with pytest.raises(ValueError, match="size should be at least 1, got 0"):
        haystacks(size=0)
    with pytest.raises(TypeError, match=r"needles should be a whole number, got 2\.0"):
        haystacks(needles=2.0)
