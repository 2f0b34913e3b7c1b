"""The results and the checkpoint behind chapter 7: all there, and true."""

import math

import pytest
import torch
from torch.nn.functional import cross_entropy

from attnbook.data import python_docs
from attnbook.evidence import language_model, load_results, made_with
from attnbook.evidence.language_model import Maskless
from attnbook.leaks import future_leaks
from attnbook.training import count_parameters

RUNS = load_results("language_model")["runs"]
TRAINED = [run for run in RUNS if "seed" in run]


@pytest.fixture(scope="module")
def docs():
    return python_docs.load()


def found(name, **setting):
    return [run for run in RUNS if ({"name": name} | setting).items() <= run.items()]


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned = [
        (a.get("kind", language_model.LanguageModel).__name__, a["seed"], a["steps"]) for a in language_model.plan()
    ]
    assert len(set(planned)) == len(planned)
    assert sorted((run["name"], run["seed"], run["steps"]) for run in TRAINED) == sorted(planned)
    counted = [run["n"] for run in found("n-gram")]
    assert counted == list(language_model.ORDERS)
    assert {run["name"] for run in RUNS} == {"LanguageModel", "Maskless", "n-gram", "bz2", "xz"}
    assert set(load_results("language_model")["made_with"]) == set(made_with())


def test_longer_training_is_better_and_without_the_mask_all_of_it_is_a_cheat():
    bits = [min(run["bits"] for run in found("LanguageModel", steps=steps)) for steps in language_model.STEPS]
    assert bits == sorted(bits, reverse=True)
    honest = [run["loss"] for run in found("LanguageModel", steps=language_model.MASKLESS_STEPS)]
    assert max(run["loss"] for run in found("Maskless")) < 0.5 * min(honest)


def test_the_kinds_differ_in_their_mask_alone():
    honest, cheat = language_model.build(3), language_model.build(3, Maskless)
    assert all(torch.equal(a, b) for a, b in zip(honest.parameters(), cheat.parameters(), strict=True))
    assert {run["parameters"] for run in TRAINED} == {count_parameters(honest)}
    tokens = torch.tensor([5, 3, 8, 2, 9])
    assert future_leaks(honest, tokens) == []
    assert len(future_leaks(cheat, tokens)) == 10


def test_surprises_are_those_of_each_character_after_those_before_it(docs):
    model, text = language_model.build(), docs.test[:43]
    tokens = python_docs.encode(text)
    with torch.no_grad():
        whole = cross_entropy(model(tokens[:-1])[0], tokens[1:], reduction="none") / math.log(2)
    surprises = language_model.surprises(model, text, context=64)
    torch.testing.assert_close(surprises, whole)
    # In pieces of 16 that overlap by 8: character 21 is the last but one of the piece that begins at 8.
    pieces = language_model.surprises(model, text, context=16)
    torch.testing.assert_close(pieces[:16], whole[:16])
    with torch.no_grad():
        logits, _ = model(tokens[8:24])
    torch.testing.assert_close(pieces[16:24], (cross_entropy(logits, tokens[9:25], reduction="none") / math.log(2))[8:])
    assert pieces.min() > 0  # none is left out
    assert language_model.bits_per_character(model, text, context=16) == pytest.approx(pieces.mean().item())


def test_the_checkpoint_is_small_and_beats_counting(docs):
    assert language_model.CHECKPOINT.stat().st_size < 1_000_000
    model = language_model.load_language_model()
    assert not model.training
    bits = language_model.bits_per_character(model, docs.test)
    assert bits < min(run["bits"] for run in found("LanguageModel")) - 0.2
    assert bits < found("n-gram", n=5)[0]["bits"]
    assert future_leaks(model, python_docs.encode("def f(x):")) == []


def test_trained_anew_it_gives_what_the_results_say(docs):
    steps = language_model.STEPS[0]
    (recorded,) = found("LanguageModel", seed=0, steps=steps)
    model, again = language_model.run(docs, seed=0, steps=steps)
    assert again["bits"] == pytest.approx(recorded["bits"], abs=0.15)
    assert again["parameters"] == recorded["parameters"]
    assert again["bits"] == language_model.bits_per_character(model, docs.test)


def test_the_checkpoint_is_trained_and_written_by_its_own_function(docs, tmp_path, monkeypatch):
    monkeypatch.setattr(language_model, "CHECKPOINT", tmp_path / "again.safetensors")
    monkeypatch.setattr(language_model, "CHECKPOINT_STEPS", 100)
    language_model.train_checkpoint()
    again = language_model.load_language_model()
    untrained = language_model.bits_per_character(language_model.build(), docs.test[:4000])
    bits = language_model.bits_per_character(again, docs.test[:4000])
    assert bits < untrained - 2
    assert bits > 2  # 100 steps are not 3,200
