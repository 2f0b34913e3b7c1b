"""The digits: what scikit-learn carries, and splits of which any beginning is fair."""

import importlib.util

import pytest
import torch

from attnbook.data import digits as module
from attnbook.data.digits import digits, split


@pytest.fixture(scope="module")
def data():
    return digits()


def test_images_and_labels(data):
    images, labels = data
    assert images.shape == (1797, 8, 8)
    assert (images.dtype, labels.dtype) == (torch.float32, torch.int64)
    assert (images.min(), images.max()) == (0, 1)
    assert torch.equal(images * 16, (images * 16).round())  # counts of black pixels, 0 to 16
    assert labels.bincount().tolist() == [178, 182, 177, 183, 181, 182, 181, 179, 174, 180]
    assert (images[0] * 16)[0].tolist() == [0, 0, 5, 13, 9, 1, 0, 0]


def test_a_split_holds_each_example_once_and_each_class_its_share(data):
    _, labels = data
    train, test = split(labels, seed=3)
    assert torch.equal(torch.cat([train, test]).sort().values, torch.arange(1797))
    assert len(test) == 1797 // 5
    for part in (test, train, train[:50], train[:100], train[:400]):
        wanted = labels.bincount() * len(part) / len(labels)
        assert (labels[part].bincount(minlength=10) - wanted).abs().max() <= 1


def test_the_seed_changes_the_order_of_the_training_part_alone(data):
    _, labels = data
    (one, test), (other, same) = split(labels), split(labels, seed=1)
    assert torch.equal(test, same)
    assert not torch.equal(one, other)
    assert torch.equal(one.sort().values, other.sort().values)
    assert torch.equal(split(labels, seed=1)[0], other)


def test_rare_classes_keep_their_share():
    labels = torch.tensor([0] * 90 + [1] * 10)
    train, test = split(labels)
    assert labels[test].bincount().tolist() == [18, 2]
    assert labels[train[:40]].bincount().tolist() == [36, 4]


def test_bad_inputs():
    with pytest.raises(ValueError, match=r"labels should have shape \(n,\), got \(2, 3\)"):
        split(torch.zeros(2, 3))
    with pytest.raises(ValueError, match="seed should be at least 0, got -1"):
        split(torch.zeros(5), seed=-1)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match="pip install scikit-learn"):
        module.digits()
