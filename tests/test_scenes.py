"""The scenes: their pictures, questions and answers agree, and nothing of the test is in the training."""

import pytest
import torch

from attnbook.data import scenes
from attnbook.data.digits import digits, split
from attnbook.data.scenes import ANSWERS, CELLS, DIGITS, KINDS, NAMES, PLACES, RELATIONS, WORDS, draw, neighbour, unseen


def drawn(size=53, kinds=KINDS, seed=3, **options):
    return draw(torch.Generator().manual_seed(seed), size, kinds, **options)


def words_of(question):
    return [WORDS[word] for word in question.tolist()]


def test_each_answer_is_the_one_that_a_person_would_give():
    batch = drawn()
    assert batch.images.shape == (53, 1, 24, 24)
    assert batch.questions.shape == (53, 4, 3)
    for names, questions, answers, asked, found in zip(*batch[1:], strict=True):
        grid = [NAMES[name] for name in names.tolist()]
        for kind, question, answer, cell, there in zip(KINDS, questions, answers, asked, found, strict=True):
            first, middle, last = words_of(question)
            if kind == "where":
                assert (first, middle) == ("where", "is")
                assert ANSWERS[answer] == PLACES[grid.index(last)]
                assert cell == there == grid.index(last)
            elif kind == "what":
                assert (first, middle) == ("what", "at")
                assert ANSWERS[answer] == grid[PLACES.index(last)]
                assert cell == there == PLACES.index(last)
            else:
                assert first == "what"
                assert cell == grid.index(last)
                assert there == neighbour(int(cell), middle)
                assert ANSWERS[answer] == grid[there]


def test_neighbours_by_hand():
    # 0 1 2
    # 3 4 5
    # 6 7 8
    assert [neighbour(4, relation) for relation in ("left of", "right of", "above", "below")] == [3, 5, 1, 7]
    assert [neighbour(2, relation) for relation in ("left of", "right of", "above", "below")] == [1, None, None, 5]
    assert [neighbour(6, relation) for relation in ("left of", "right of", "above", "below")] == [None, 7, 3, None]


def test_a_quarter_of_the_pairs_is_kept_from_training_and_every_word_is_met():
    pairs = {(relation, digit) for relation in range(4) for digit in range(DIGITS)}
    kept = {pair for pair in pairs if unseen(*pair)}
    assert len(kept) == 10
    assert {digit for _, digit in kept} == set(range(DIGITS))
    batch = drawn(size=997, kinds=["relation", "unseen"])
    asked = [{(RELATIONS.index(middle), int(last)) for _, middle, last in map(words_of, questions)}
             for questions in batch.questions.unbind(1)]  # fmt: skip
    assert asked[1] == kept
    assert asked[0] == pairs - kept


def test_a_scene_shows_what_it_says_in_handwriting_of_its_part():
    images, labels = digits()
    for test, part in zip((False, True), split(labels), strict=True):
        batch = drawn(size=7, test=test)
        allowed = {(int(labels[i]), tuple(images[i].flatten().tolist())) for i in part.tolist()}
        for image, names in zip(batch.images[:, 0], batch.names, strict=True):
            assert len(set(names.tolist())) == CELLS
            for cell, name in enumerate(names.tolist()):
                row, column = divmod(cell, 3)
                pixels = image[8 * row : 8 * row + 8, 8 * column : 8 * column + 8]
                assert (name, tuple(pixels.flatten().tolist())) in allowed


def test_seeds():
    first, again, other = drawn(), drawn(), drawn(seed=5)
    assert all(torch.equal(a, b) for a, b in zip(first, again, strict=True))
    assert not torch.equal(first.images, other.images)


def test_a_question_alone_says_little():
    batch = drawn(size=2003, kinds=["relation"])
    by_question = {}
    for question, answer in zip(batch.questions[:, 0], batch.answers[:, 0].tolist(), strict=True):
        by_question.setdefault(scenes.spell(question), []).append(answer)
    best = sum(max(map(answers.count, set(answers))) for answers in by_question.values())
    assert best / 2003 < 0.25  # on these very questions; 1 in 9 on others


def test_bad_arguments():
    generator = torch.Generator()
    with pytest.raises(ValueError, match=r"kinds should be some of relation, unseen, where, what, got \['why'\]"):
        draw(generator, 2, ["why"])
    with pytest.raises(ValueError, match=r"kinds should be some of .* got \[\]"):
        draw(generator, 2, [])
    with pytest.raises(ValueError, match="size should be at least 1, got 0"):
        draw(generator, 0, KINDS)
