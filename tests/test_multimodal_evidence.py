"""The results behind chapter 15: all there, and true."""

import pytest
import torch

from attnbook.data import scenes
from attnbook.evidence import load_results, made_with, multimodal
from attnbook.multimodal import place_weight
from attnbook.training import count_parameters

RESULTS = load_results("multimodal")
RUNS = RESULTS["runs"]
ARGUMENTS = ("variant", "seed", "steps", "lr")
DEFAULTS = {"steps": multimodal.STEPS, "lr": multimodal.RATE}


@pytest.fixture(scope="module")
def stored():
    return multimodal.load_reader()


def found(variant, **setting):
    wanted = {"variant": variant} | setting
    return [run for run in RUNS if wanted.items() <= run.items()]


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned = [tuple((DEFAULTS | arguments)[name] for name in ARGUMENTS) for arguments in multimodal.plan()]
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in ARGUMENTS) for run in RUNS) == sorted(planned)
    assert set(RESULTS["made_with"]) == set(made_with())


@pytest.mark.parametrize("variant", multimodal.VARIANTS)
def test_every_row_is_whole(variant):
    assert found(variant)
    for run in found(variant):
        assert run["parameters"] == count_parameters(multimodal.build(variant))
        assert set(run["right"]) == set(scenes.KINDS)
        assert len(run["curve"]) == run["steps"] // multimodal.EVERY
        assert run["curve"][-1] == run["right"]
        assert ("asked" in run) == ("found" in run) == (variant != "pooled")


def test_all_variants_begin_with_the_same_numbers():
    first, *others = (multimodal.build(variant, seed=3).state_dict() for variant in multimodal.VARIANTS)
    for other in others:
        assert all(torch.equal(first[name], other[name]) for name in first)


def test_the_stored_reader_is_that_of_its_run(stored):
    (recorded,) = found("cross", **(DEFAULTS | multimodal.STORED))
    assert multimodal.CHECKPOINT.stat().st_size < 200_000
    again = multimodal.facts(stored, "cross")
    assert again["right"] == pytest.approx(recorded["right"], abs=0.01)  # half precision may turn a few answers
    for name in ("asked", "found"):
        assert torch.tensor(again[name]).sub(torch.tensor(recorded[name])).abs().max() < 0.02


def test_the_exam_is_no_part_of_the_training():
    drawn = multimodal.exam()
    assert drawn.questions.shape == (multimodal.TESTED, 4, 3)
    # "relation" and "unseen" are asked with pairs that are, and are not, asked in training.
    for kind, kept in ((0, False), (1, True)):
        pairs = drawn.questions[:, kind, 1:] - torch.tensor([scenes.WORDS.index("left of"), scenes.WORDS.index("0")])
        assert {scenes.unseen(relation, digit) for relation, digit in pairs.tolist()} == {kept}
    assert "unseen" not in multimodal.TRAINED_ON + multimodal.HASTY
    assert len(multimodal.TRAINED_ON) == len(multimodal.HASTY)


def test_facts_are_those_of_the_models_own_answers(stored):
    drawn = multimodal.exam()
    with torch.no_grad():
        logits, weights = stored(drawn.images, drawn.questions, need_weights=True)
    facts = multimodal.facts(stored, "cross")
    right = sum(int(a) == int(b) for a, b in zip(logits[:, 2].argmax(dim=-1), drawn.answers[:, 2], strict=True))
    assert facts["right"]["where"] == right / multimodal.TESTED
    # By hand: the mean weight of a word on the cell, over the questions of the kind "relation".
    by_hand = sum(weights[0][i, 0, 1, 2, drawn.asked[i, 0]] for i in range(multimodal.TESTED)) / multimodal.TESTED
    assert facts["asked"][0][1][2] == pytest.approx(by_hand.item(), abs=1e-4)
    assert place_weight(weights[1], drawn.found).shape == (multimodal.TESTED, 4, 2, 3)


def test_what_each_variant_sees(stored):
    drawn = multimodal.exam()
    images, questions = drawn.images[:3], drawn.questions[:3]
    blank, _ = multimodal.answer(stored, "blank", images, questions)
    assert torch.equal(blank, stored(torch.zeros_like(images), questions)[0])
    apart, _ = multimodal.answer(stored, "apart", images, questions)
    assert torch.equal(apart, stored(images, questions, torch.eye(9, dtype=torch.bool))[0])
    assert not torch.equal(apart, multimodal.answer(stored, "cross", images, questions)[0])


def test_a_reader_trained_anew_for_a_short_while_learns_and_leaves_its_curve():
    model, curve = multimodal.build("cross", seed=1), []
    losses = multimodal.train(model, "cross", seed=1, steps=multimodal.EVERY + 10, curve=curve)
    assert len(curve) == 1
    assert set(curve[0]) == set(scenes.KINDS)
    assert sum(losses[-20:]) < 0.9 * sum(losses[:20])


def test_unknown_variant():
    with pytest.raises(ValueError, match="expected one of cross, pooled, blank, apart, hasty, got 'deaf'"):
        multimodal.build("deaf")
