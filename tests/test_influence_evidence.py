"""The results behind chapter 9: all there, true, and found again by a model trained anew."""

import math

import pytest
import torch

from attnbook.data import number_words, planted_words
from attnbook.data.planted_words import deciding, verdict
from attnbook.evidence import (
    influence,
    influence_at_large,
    influence_bank,
    load_results,
    made_with,
    sinks,
    translation,
)
from attnbook.evidence.influence import KINDS, MEASURES, SEEDS, STEPS
from attnbook.pretrained import load_minilm

RUNS = load_results("influence")["runs"]
REVIEWS = [run for run in RUNS if run["part"] == "reviews"]


@pytest.fixture(scope="module")
def minilm():
    return load_minilm()


def found(kind, steps=STEPS):
    return [run for run in REVIEWS if (run["kind"], run["steps"]) == (kind, steps)]


def test_the_results_are_those_of_the_plan():
    planned = [(seed, kind, STEPS) for seed in SEEDS for kind in KINDS] + [(seed, "free", 0) for seed in SEEDS]
    assert sorted((run["seed"], run["kind"], run["steps"]) for run in REVIEWS) == sorted(planned)
    assert [run["part"] for run in RUNS[len(REVIEWS) :]] == ["translator", "MiniLM"]
    assert set(load_results("influence")["made_with"]) == set(made_with())


def test_what_the_chapter_says_of_the_reviewers():
    assert all(run["accuracy"] == 1 for kind in ("free", "uniform") for run in found(kind))
    assert sorted(run["found"]["weights"] for run in found("free"))[:2] == pytest.approx([0.59, 0.97])
    assert sorted(run["accuracy"] > 0.98 for run in found("hiding")) == [False, True, True, True, True]
    assert all(run["found"]["weights"] == 0 for run in found("hiding"))
    assert set(found("uniform")[0]["found"]) == set(MEASURES[3:])


def test_a_model_trained_anew_hides_and_is_right():
    torch.manual_seed(0)
    model = influence.build(0, "hiding")
    influence.train(model, 0, "hiding")
    facts = influence.facts(model.eval(), influence.held_out(20))
    assert facts["accuracy"] > 0.95
    assert facts["found"]["weights"] == 0
    assert facts["found"]["leave one out"] > 0.9


@pytest.mark.parametrize("kind", ["free", "hiding"])
def test_the_checkpoint_answers_every_choice_of_blanks(kind):
    model = influence.load_reviewer(kind)
    of_words, _ = influence.outputs(model)
    for review in influence.held_out(3):
        words = planted_words.encode([review])[0, 1:]
        gone = influence_bank.choices(len(review))
        tokens = torch.where(gone, planted_words.BLANK_TOKEN, words)
        truth = torch.tensor(
            [verdict([planted_words.BLANK if g else w for w, g in zip(review, row, strict=True)])
             for row in gone.tolist()]
        )  # fmt: skip
        with torch.no_grad():
            off = (of_words(tokens) - truth).abs()
        assert off[truth != 0.5].mean() < 0.05
        assert off[truth == 0.5].mean() < 0.25


def test_measures_of_a_model_by_their_definitions():
    model = influence.load_reviewer()
    review = influence.held_out(1)[0]
    measured = influence.measure(model, review)
    assert list(measured) == list(MEASURES)
    assert all(row.shape == (7,) for row in measured.values())
    tokens = planted_words.encode([review])
    with torch.no_grad():
        _, weights = model.encoder(model.positions(model.embed(tokens)), need_weights=True)
        whole = model(tokens).sigmoid().item()
        tokens[0, 4] = planted_words.BLANK_TOKEN
        without = model(tokens).sigmoid().item()
    torch.testing.assert_close(measured["weights"], weights[-1][0].mean(dim=0)[0, 1:])
    assert measured["leave one out"][3].item() == pytest.approx(whole - without, abs=1e-5)


def test_finds_and_chance_by_hand():
    decides = [False, False, True, False, True]
    assert influence.finds(torch.tensor([0.1, 0.0, -0.5, 0.2, 0.3]), decides)
    assert not influence.finds(torch.tensor([0.1, 0.4, -0.5, 0.2, 0.3]), decides)
    one, two = (
        ["the", "soup", "was", "so", "cold", "on", "monday"],
        ["the", "soup", "was", "not", "cold", "on", "monday"],
    )
    assert sum(deciding(one)) == 1
    assert influence.chance([one, two, two]) == pytest.approx((1 / 7 + 2 / 21) / 3)
    with pytest.raises(ValueError, match="expected one of 'free', 'uniform', 'hiding', got 'blind'"):
        influence.build(0, "blind")


def test_deleting_words():
    sentence = torch.tensor([5, 6, 7])
    gone = torch.tensor([[False, True, False], [True, True, False], [False, False, False]])
    assert influence_at_large.delete(sentence, gone).tolist() == [[5, 7, 0], [7, 0, 0], [5, 6, 7]]


def test_the_translators_results_are_those_of_its_checkpoint():
    task = number_words.load()
    (recorded,) = [run for run in RUNS if run["part"] == "translator"]
    again = influence_at_large.translator_facts(translation.load_translator(task), task)
    for name, number in again.items():
        assert number == pytest.approx(recorded[name], abs=0.01), name


def test_a_sink_is_needed_and_says_nothing(minilm):
    (recorded,) = [run for run in RUNS if run["part"] == "MiniLM"]
    texts = sinks.sentences_of_many_kinds()
    for table, places in sinks.sink_facts(minilm, texts).items():
        assert [sum(layer) for layer in zip(*places.values(), strict=True)] == pytest.approx([1.0] * 6)
        for place, row in places.items():
            assert row == pytest.approx(recorded["sinks"][table][place], abs=1e-3)
    hidden = sinks.hidden_facts(minilm, texts[:5])
    assert hidden["classifier"] < 0.8 < hidden["word"] < hidden["separator"] < hidden["borrowed"]


def test_of_two_sentences_the_first_is_one_token_a_word(minilm):
    for sentence, other in influence_at_large.PAIRS:
        assert minilm.tokenizer.encode(sentence).tokens[1:-1] == sentence.split()
        assert other != sentence


def test_the_banks_outputs_agree_with_its_measures():
    for example in influence_bank.load_examples():
        n, outputs = len(example["tokens"]), example["outputs"]
        assert len(outputs) == 2**n
        falls = [outputs[0] - outputs[2**i] for i in range(n)]
        assert example["measures"]["leave one out"] == pytest.approx(falls, abs=1e-4)
        assert all(math.isfinite(x) for row in example["measures"].values() for x in row)
