"""The results behind chapter 12: all there, and true."""

import pytest
import torch
from torch.testing import assert_close

from attnbook.data.digits import split
from attnbook.evidence import load_results, made_with, vision
from attnbook.training import count_parameters

SETTING = ("kind", "seed", "size", "lr", "steps", "shifted", "shuffled", "judged_on")
DEFAULTS = {"size": 1438, "steps": vision.STEPS, "shifted": False, "shuffled": False, "judged_on": "test"}
RUNS = load_results("vision")["runs"]


def whole(arguments):
    rate = vision.RATE.get(arguments["kind"], vision.RATE["transformer"])
    return DEFAULTS | {"lr": rate} | arguments


def found(**setting):
    wanted = whole(setting)
    return [run["right"] for run in RUNS if wanted.items() <= run.items()]


def mean(**setting):
    rights = found(**setting)
    return sum(rights) / len(rights)


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    planned = [tuple(whole(arguments)[name] for name in SETTING) for arguments in vision.plan()]
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in SETTING) for run in RUNS) == sorted(planned)
    assert set(load_results("vision")["made_with"]) == set(made_with())


@pytest.mark.parametrize("kind", vision.RATE)
def test_each_has_the_best_of_the_rates_tried(kind):
    by_rate = {lr: mean(kind=kind, size=400, lr=lr, judged_on="held back") for lr in vision.RATES}
    assert vision.RATE[kind] == max(by_rate, key=by_rate.get)


@pytest.mark.parametrize("kind", vision.KINDS)
def test_parameters_are_as_recorded(kind):
    assert {run["parameters"] for run in RUNS if run["kind"] == kind} == {count_parameters(vision.KINDS[kind]())}


@pytest.mark.parametrize("kind", ["plain network", "convolution"])
def test_a_run_trained_anew_gives_what_the_results_say(kind):
    _, row = vision.run(kind, seed=1, size=100)
    others = found(kind=kind, size=100)
    assert len(others) == 3
    assert min(others) - 0.03 < row["right"] < max(others) + 0.03


def test_the_convolution_is_ahead_at_every_size():
    for size in vision.SIZES:
        assert min(found(kind="convolution", size=size)) > max(found(kind="transformer", size=size))


def test_the_checkpoint_knows_its_digits():
    images, labels = vision.load()
    _, test = split(labels)
    (recorded, *_) = found(kind="transformer", lr=vision.LONGER_RATE, steps=vision.LONGER)
    right = vision.share_right(vision.load_checkpoint(), images[test], labels[test])
    assert right == pytest.approx(recorded, abs=0.006)  # half precision may turn an image or two


def test_shifts_by_hand():
    image = torch.arange(6.0).view(1, 1, 2, 3).expand(2, 1, 2, 3)
    moved = vision.shift(image, down=torch.tensor([1, 0]), right=torch.tensor([0, -1]))
    assert moved[0, 0].tolist() == [[0, 0, 0], [0, 1, 2]]
    assert moved[1, 0].tolist() == [[1, 2, 0], [4, 5, 0]]
    colours = torch.randn(2, 3, 5, 7)
    nothing = torch.zeros(2, dtype=torch.long)
    assert torch.equal(vision.shift(colours, nothing, nothing), colours)


def test_shuffled_pixels_are_the_same_pixels():
    images = torch.arange(2 * 35.0).view(2, 1, 5, 7)
    shuffled = vision.shuffle_pixels(images)
    assert not torch.equal(shuffled, images)
    assert torch.equal(shuffled[0].flatten().sort().values, images[0].flatten())
    assert_close(shuffled[1] - shuffled[0], torch.full((1, 5, 7), 35.0))  # the same order for each


def test_moved_images_are_judged_in_four_directions():
    class SeesTheMiddle(torch.nn.Module):
        def forward(self, images):
            ink = images[:, 0, 1, 1]
            return torch.stack([1 - ink, ink], dim=1), []

    image = torch.zeros(1, 1, 3, 3)
    image[0, 0, 0, 1] = 1  # above the middle: it comes there when moved down
    assert vision.share_right_when_moved(SeesTheMiddle(), image, torch.tensor([1])) == 0.25
    assert vision.share_right(SeesTheMiddle(), image, torch.tensor([1])) == 0


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"expected one of 'transformer', 'convolution', .* got 'CNN'"):
        vision.run("CNN", seed=0)
