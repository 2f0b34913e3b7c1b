"""The results behind chapter 13: all there, and true."""

import pytest
import torch

from attnbook.data.spoken_digits import END, HELD_OUT, START, Utterance
from attnbook.evidence import load_results, made_with, speech
from attnbook.speech import Speller
from attnbook.training import count_parameters

RESULTS = load_results("speech")
RUNS = RESULTS["runs"]


@pytest.fixture(scope="module")
def stored():
    return speech.load_speller()


def found(kind):
    return [run for run in RUNS if run["kind"] == kind]


def test_the_results_are_those_of_the_plan():
    assert sorted((run["kind"], run["seed"]) for run in RUNS) == sorted((p["kind"], p["seed"]) for p in speech.plan())
    assert {run["steps"] for run in RUNS} == {speech.STEPS}
    assert set(RESULTS["made_with"]) == set(made_with())


@pytest.mark.parametrize("kind", speech.KINDS)
def test_every_row_is_whole(kind):
    for run in found(kind):
        assert run["parameters"] == count_parameters(speech.build(kind))
        for voices in ("held out", "heard"):
            assert [int(length) for length in run[voices]] == list(speech.LENGTHS)
        assert [float(noise) for noise in run["noise"]] == list(speech.NOISES)
        assert [float(pause) for pause in run["pause"]] == list(speech.PAUSES)
        assert ("alignment" in run) == (kind == "attention")


def test_the_stored_model_is_that_of_seed_0(stored):
    (recorded,) = [run for run in found("attention") if run["seed"] == 0]
    assert speech.CHECKPOINT.stat().st_size < 1_000_000
    for length in (2, 5):
        again = speech.right(stored, speech.spoken_strings(length))
        assert again == pytest.approx(recorded["held out"][str(length)], abs=0.04)  # half precision
    facts = speech.alignment_facts(stored, speech.spoken_strings(5))
    assert facts["inside"] > 2 * facts["chance"]
    assert facts["forwards_steps"] > 0.8


def test_a_model_trained_anew_for_a_short_while_learns():
    model = speech.build("CTC", seed=1)
    losses = speech.train(model, seed=1, steps=130)
    assert sum(losses[-10:]) / 10 < 0.5 * sum(losses[:10]) / 10


def test_alignment_facts_by_hand():
    # Two digits, said at states 1 to 2 and 4 to 5; the model looks at states 2 and 3.
    class Model(Speller):
        def __init__(self):
            torch.nn.Module.__init__(self)

        def forward(self, frames, lengths, target):
            weights = torch.zeros(1, target.shape[1], 9)
            weights[0, 0, 2], weights[0, 0, 1], weights[0, 1, 3], weights[0, 1, 5] = 0.75, 0.25, 0.75, 0.25
            return None, weights

    times = speech.state_times(9)
    assert times[:3].tolist() == [100, 500, 900]
    spans = torch.tensor([[300, 1100], [1500, 2300]])
    said = Utterance((4, 2), torch.randn(4000), spans, HELD_OUT[0])
    facts = speech.alignment_facts(Model(), [said])
    assert facts["inside"] == 0.5
    assert facts["weight_inside"] == pytest.approx((1 + 0.25) / 2)
    assert facts["chance"] == pytest.approx(0.2)
    assert facts["late"] == pytest.approx(1000 * ((900 - 700) + (1300 - 1900)) / 2 / 8000)
    assert (facts["forwards"], facts["forwards_steps"]) == (1, 1)


def test_loss_asks_for_each_digit_and_one_end():
    model = speech.build("attention")
    frames, lengths, tokens = speech.prepare(speech.spoken_strings(2)[:3])
    tokens = torch.cat([tokens, torch.full((3, 2), END)], dim=1)  # padding, as in a batch with longer strings
    logits, _ = model(frames, lengths, tokens[:, :-1])
    log_p = logits.log_softmax(dim=-1)
    wanted = [log_p[row, i, tokens[row, i + 1]] for row in range(3) for i in range(3)]
    torch.testing.assert_close(speech.loss(model, (frames, lengths, tokens)), -sum(wanted) / 9)
    assert tokens[0, 0] == START


def test_hard_strings_are_what_their_names_say():
    trials = speech.hard_strings()
    assert {len(set(x.digits)) for said in trials["repeated"].values() for x in said} == {1}
    for pause, said in trials["pause"].items():
        assert all((x.spans[2, 0] - x.spans[1, 1]).item() == round(8000 * float(pause)) for x in said)
    quiet, *_, loud = trials["noise"].values()
    assert loud[0].sound[:200].std() > 10 * quiet[0].sound[:200].std()


def test_unknown_kind():
    with pytest.raises(ValueError, match="expected one of 'attention', 'fixed vector', 'CTC', got 'RNN-T'"):
        speech.build("RNN-T")
