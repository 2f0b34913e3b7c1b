"""The committed results and the model that comes with them: all there, and true."""

import json

import pytest
import torch

from attnbook import evidence
from attnbook.data import number_words
from attnbook.evidence import load_results, made_with, save_results, translation
from attnbook.training import count_parameters

SETTING = ("kind", "width", "steps", "lr", "seed")
RUNS = load_results("translation")["runs"]


@pytest.fixture(scope="module")
def task():
    return number_words.load()


def row(**setting):
    (found,) = [run for run in RUNS if setting.items() <= run.items()]
    return found


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    defaults = {"steps": translation.STEPS, "lr": translation.LEARNING_RATE}
    planned = [tuple((defaults | arguments)[name] for name in SETTING) for arguments in translation.plan()]
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in SETTING) for run in RUNS) == sorted(planned)


def test_the_results_say_what_made_them():
    assert set(load_results("translation")["made_with"]) == set(made_with())


def test_the_committed_model_is_the_one_of_the_results(task):
    model = translation.load_translator(task)
    recorded = row(kind="attention", width=32, steps=600, lr=0.02, seed=0)
    assert count_parameters(model) == recorded["parameters"]
    accuracy = translation.accuracy_by_length(model, task)
    for length, share in accuracy.items():
        assert share == pytest.approx(recorded["accuracy"][str(length)], abs=0.011)  # one number in a hundred
    facts = translation.alignment_facts(model, task)
    assert facts == pytest.approx(recorded["alignment"], abs=1e-3)
    assert not model.training


def test_a_run_trained_anew_gives_what_the_results_say(task):
    recorded = row(kind="attention", width=32, steps=150, seed=0)
    model, again = translation.run(task, "attention", seed=0, width=32, steps=150)
    assert {name: again[name] for name in SETTING} == {name: recorded[name] for name in SETTING}
    others = [translation.overall(run) for run in RUNS if run["kind"] == "attention" and run["steps"] == 150]
    assert min(others) - 0.05 < translation.overall(again) < max(others) + 0.05
    assert again["alignment"]["crossed"] > 0.98
    with torch.no_grad():
        assert translation.loss(model, task.encode(task.test[9])).item() < 0.2


def test_alignment_facts_by_hand(task):
    # 23: twenty three -> drei und zwanzig. Drei looks at three, zwanzig one to the right of twenty.
    class Looks(torch.nn.Linear):
        def forward(self, source, target):
            weights = torch.tensor([[[0.3, 0.7], [0.5, 0.5], [0.4, 0.6], [0.9, 0.1]]])
            return None, weights

    small = number_words.NumberWords(task.source, task.target, [], {3: [23]})
    facts = translation.alignment_facts(Looks(1, 1), small)
    assert facts == {
        "links": 2, "right_word": 0.5, "one_left": 0, "one_right": 0.5, "crossings": 1, "crossed": 0,
        "weight_on_word": pytest.approx((0.7 + 0.4) / 2),
    }  # fmt: skip


def test_an_unknown_kind_is_refused(task):
    with pytest.raises(ValueError, match="expected one of 'fixed vector', 'attention', got 'Attention'"):
        translation.build(task, "Attention")


def test_results_are_written_as_they_are_read(tmp_path, monkeypatch):
    monkeypatch.setattr(evidence, "FOLDER", tmp_path)
    save_results("trial", [{"seed": 3, "accuracy": {"4": 0.5}}])
    assert load_results("trial") == {"made_with": made_with(), "runs": [{"seed": 3, "accuracy": {"4": 0.5}}]}
    assert json.loads((tmp_path / "trial.json").read_text())["runs"][0]["seed"] == 3
