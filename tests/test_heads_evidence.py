"""The results behind chapter 6: all there, and true; and what measures the heads of MiniLM."""

import math

import pytest
import torch

from attnbook.data import number_words
from attnbook.data.pronouns import PronounSentence
from attnbook.evidence import heads, heads_of_minilm, heads_pruned, load_results, made_with, translation
from attnbook.evidence.heads_of_minilm import PATTERNS, Reading, pattern_masks, read
from attnbook.pretrained import load_minilm
from attnbook.pruning import all_heads, attentions_in

SETTING = ("task", "look_ups", "num_heads", "steps", "lr", "seed")
DEFAULTS = {"look_ups": 0, "steps": heads.STEPS, "lr": heads.RATE}
RUNS = load_results("heads")["runs"]
PRUNED = load_results("heads_pruned")["runs"]


@pytest.fixture(scope="module")
def minilm():
    return load_minilm()


# One head or many


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned = [tuple((DEFAULTS | arguments)[name] for name in SETTING) for arguments in heads.plan()]
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in SETTING) for run in RUNS) == sorted(planned)
    for name in ("heads", "heads_pruned"):
        assert set(load_results(name)["made_with"]) == set(made_with())


def test_all_numbers_of_heads_have_the_same_parameters():
    for task, look_ups in {(run["task"], run["look_ups"]) for run in RUNS}:
        assert len({run["parameters"] for run in RUNS if (run["task"], run["look_ups"]) == (task, look_ups)}) == 1


def test_a_run_trained_anew_gives_what_the_results_say():
    again = heads.run("look-ups", num_heads=8, seed=1, look_ups=2)
    (recorded,) = [run for run in RUNS if all(run[name] == again[name] for name in SETTING)]
    assert again["right"] == pytest.approx(recorded["right"], abs=0.03)
    assert again["looks"] == pytest.approx(recorded["looks"], abs=0.15)


def test_cards_and_questions():
    cards, questions = heads.draw(torch.Generator().manual_seed(1), size=3, look_ups=4)
    assert cards.shape == (3, 16)
    assert questions.shape == (3, 16, 4)
    assert all(len(set(names)) == 4 for names in questions.flatten(0, 1).tolist())
    answers = heads.true_answers(torch.tensor([[5, 6, 7]]), torch.tensor([[[2, 0], [1, 2]]]))
    assert answers.tolist() == [[[7, 5], [6, 7]]]


def test_look_up_facts_of_a_model_that_knows():
    class Knows(torch.nn.Module):
        name, asked = torch.nn.Embedding(1, 1), range(2)

        def forward(self, cards, questions, need_weights):
            right = torch.nn.functional.one_hot(heads.true_answers(cards, questions), 8).double()
            right[..., 1, :] *= -1  # and is always wrong about the second card
            first, second = torch.nn.functional.one_hot(questions, 16).double().unbind(dim=2)
            return right, torch.stack([0.75 * first + 0.25 * second, 0.5 * first + 0.5 * second], dim=1)

    assert heads.look_up_facts(Knows()) == {"right": 0.5, "looks": [0.75, 0.5]}


def test_translated_right_is_the_accuracy_of_greedy_translations():
    task = number_words.load()
    model = heads.train_translator(task, num_heads=8, seed=0, steps=200)
    shares = translation.accuracy_by_length(model, task).values()
    assert 0 < heads.translated_right(model, task) < 1
    assert heads.translated_right(model, task) == pytest.approx(sum(shares) / len(shares), abs=1e-3)


# The heads of MiniLM


def test_readings_are_the_models_without_the_padding(minilm):
    texts = ["A cat sat.", "The old dog lay down beside it."]
    for reading, text in zip(read(minilm, texts), texts, strict=True):
        with torch.no_grad():
            _, layers = minilm(*minilm.tokenize([text]), need_weights=True)
        assert reading.weights.shape == (6, 12, len(reading.tokens), len(reading.tokens))
        torch.testing.assert_close(reading.weights, torch.cat(layers), atol=1e-5, rtol=1e-4)
    assert reading.tokens == ["[CLS]", "the", "old", "dog", "lay", "down", "beside", "it", ".", "[SEP]"]


def test_patterns_and_shares_by_hand():
    tokens = ["[CLS]", "no", ",", "no", "[SEP]"]
    masks = pattern_masks(tokens)
    assert list(masks) == list(PATTERNS)
    rows = {pattern: mask[3].int().tolist() for pattern, mask in masks.items()}  # of the second "no"
    assert rows == {
        "previous": [0, 0, 1, 0, 0],
        "next": [0, 0, 0, 0, 1],
        "self": [0, 0, 0, 1, 0],
        "same word": [0, 1, 0, 0, 0],
        "[CLS]": [1, 0, 0, 0, 0],
        "[SEP] and stops": [0, 0, 1, 0, 1],
    }
    weights = torch.zeros(1, 2, 5, 5)
    weights[0, 0, 1:4, 0] = 1  # head 1: all words look at [CLS]
    weights[0, 1, 1] = torch.tensor([0, 0, 0, 0.5, 0.5])  # head 2: the first "no" at the second and at [SEP]
    weights[0, 1, 2] = torch.tensor([0.25, 0, 0.75, 0, 0])
    weights[0, 1, 3] = torch.tensor([0, 0.25, 0.5, 0.25, 0])
    found = {name: share[0].tolist() for name, share in heads_of_minilm.shares([Reading(tokens, weights)]).items()}
    assert found["[CLS]"] == pytest.approx([1, 0.25 / 3])
    assert found["previous"] == pytest.approx([1 / 3, 0.5 / 3])  # of "no", "," and "no": 0, 0, 0.5
    assert found["self"] == pytest.approx([0, 1 / 3])
    assert found["same word"] == pytest.approx([0, 0.375])  # the mean over the two "no" alone
    assert found["[SEP] and stops"] == pytest.approx([0, (0.5 + 0.75 + 0.5) / 3])


def test_pronouns_by_hand():
    sentence = PronounSentence("a dog saw cats as they ran", ("dog", "cats"), "they", right=1, family=0)
    weights = torch.arange(49.0).view(1, 1, 7, 7)
    to_right, to_wrong = heads_of_minilm.from_pronoun([Reading(sentence.text.split(), weights)], [sentence])[0]
    assert (to_right.item(), to_wrong.item()) == (5 * 7 + 3, 5 * 7 + 1)
    reading = Reading(["[CLS]", "the", "big", "dog"], torch.arange(16.0).view(1, 1, 4, 4))
    assert heads_of_minilm.from_the_to([reading, reading], offset=2).item() == 7


def test_noun_phrases_have_so_many_adjectives():
    for count in range(4):
        phrases = heads_of_minilm.noun_phrases(count)
        assert len(set(phrases)) == 10
        assert {len(phrase.split()) for phrase in phrases} == {6 + count}


def test_best_by_chance_by_hand():
    assert heads_of_minilm.best_by_chance(6, 7) == pytest.approx(1 - (1 - 8 / 128) ** 72)
    assert heads_of_minilm.best_by_chance(0, 7) == 1
    assert heads_of_minilm.best_by_chance(2, 2, heads=1) == pytest.approx(0.25)


# Pruned


def test_reciprocal_ranks_by_hand():
    meanings = torch.eye(3)
    expressions = torch.tensor([[0.9, 0.1, 0.2], [0.5, 0.1, 0.3], [0.3, 0.9, 0.5]])
    assert heads_pruned.reciprocal_ranks(torch.cat([expressions, meanings])).tolist() == pytest.approx(
        [1, 1 / 3, 1 / 2]
    )
    assert heads_pruned.moved(torch.eye(2), torch.tensor([[2.0, 0.0], [1.0, 1.0]])) == pytest.approx(
        (1 - math.sqrt(0.5)) / 2, abs=1e-6
    )


def test_the_pruned_models_are_all_there():
    ones = [row for row in PRUNED if row["order"] == "one" and row["model"] == "MiniLM"]
    assert sorted(row["head"] for row in ones) == [[layer, head] for layer in range(6) for head in range(12)]
    for name in (*heads_pruned.ORDERS, *(f"random {i}" for i in range(heads_pruned.RANDOM_ORDERS))):
        assert [row["silent"] for row in PRUNED if row["order"] == name] == list(range(0, 73, 6))
    for part in heads_pruned.TRANSLATOR_ATTENTIONS:
        rows = [row for row in PRUNED if row["model"] == "translator" and row["attention"] == part]
        assert [row["order"] for row in rows].count("one") == 3 * 8
        assert [row["order"] for row in rows].count("attention") == 3


def test_pruning_anew_gives_what_the_results_say(minilm):
    every = all_heads(attentions_in(minilm))
    full = heads_pruned.vectors(minilm)
    cases = {"least moved first": {0: [], 72: every}}
    for order, by_count in cases.items():
        for count, silent in by_count.items():
            (recorded,) = [row for row in PRUNED if (row["order"], row.get("silent")) == (order, count)]
            now = heads_pruned.vectors(minilm, silent)
            assert heads_pruned.reciprocal_ranks(now).mean().item() == pytest.approx(recorded["mrr"], abs=0.02)
            assert heads_pruned.moved(full, now) == pytest.approx(recorded["moved"], abs=1e-3)
    (recorded,) = [row for row in PRUNED if row.get("head") == [1, 3]]
    assert heads_pruned.moved(full, heads_pruned.vectors(minilm, [(1, 3)])) == pytest.approx(
        recorded["moved"], abs=1e-4
    )


def test_the_whole_translators_are_those_of_the_race():
    whole = [row["right"] for row in PRUNED if row["model"] == "translator" and row["order"] == "none"]
    raced = [r["right"] for r in RUNS if (r["task"], r["num_heads"]) == ("translation", heads_pruned.TRANSLATOR_HEADS)]
    assert whole == pytest.approx(raced, abs=0.02)
