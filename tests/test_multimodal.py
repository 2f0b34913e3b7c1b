"""The reader of pictures: packed questions, one pooled token, and the cells that words look at."""

import pytest
import torch
from one_device import check_one_device
from torch.testing import assert_close

from attnbook.attention import attend
from attnbook.multimodal import PictureReader, own_question, place_weight
from attnbook.training import count_parameters


def reader(**options):
    torch.manual_seed(0)
    sizes = {"num_words": 17, "length": 5, "num_answers": 19, "num_patches": 6, "patch_size": 4, "d_model": 22}
    return PictureReader(**(sizes | options)).double()


def inputs(b=3, q=7):
    torch.manual_seed(1)
    return torch.rand(b, 1, 8, 12, dtype=torch.float64), torch.randint(17, (b, q, 5))


def test_shapes_and_rows_of_weights():
    images, questions = inputs()
    logits, weights = reader()(images, questions, need_weights=True)
    assert logits.shape == (3, 7, 19)
    assert [layer.shape for layer in weights] == [(3, 7, 2, 5, 6)] * 2
    for layer in weights:
        assert_close(layer.sum(dim=-1), torch.ones(3, 7, 2, 5, dtype=torch.float64))
    plain, none = reader()(images, questions)
    assert_close(plain, logits)
    assert none == []


def test_packed_questions_are_answered_as_if_each_were_alone():
    model, (images, questions) = reader(), inputs()
    together, weights = model(images, questions, need_weights=True)
    for i in range(7):
        alone, its_weights = model(images, questions[:, i : i + 1], need_weights=True)
        assert_close(alone[:, 0], together[:, i])
        for packed, single in zip(weights, its_weights, strict=True):
            assert_close(single[:, 0], packed[:, i])


def test_pooled_has_the_same_parameters_and_nothing_to_choose():
    model, pooled = reader(), reader(pooled=True)
    assert count_parameters(model) == count_parameters(pooled)
    images, questions = inputs()
    assert_close(pooled.see(images), model.see(images).mean(dim=1, keepdim=True))
    _, weights = pooled(images, questions, need_weights=True)
    for layer in weights:
        assert_close(layer, torch.ones(3, 7, 2, 5, 1, dtype=torch.float64))


def test_patches_that_may_not_look_at_each_other_know_nothing_of_each_other():
    model, (images, _) = reader(), inputs()
    alone = torch.eye(6, dtype=torch.bool)
    changed = images.clone()
    changed[..., :4, :4] += 1  # patch 0
    assert_close(model.see(changed, alone)[:, 1:], model.see(images, alone)[:, 1:])
    assert (model.see(changed)[:, 1:] - model.see(images)[:, 1:]).abs().amin(dim=(0, 2)).max() > 0
    assert (model.see(changed, alone)[:, 0] - model.see(images, alone)[:, 0]).abs().max() > 0.01


def test_without_places_a_shuffled_picture_is_the_same_picture():
    model, (images, questions) = reader(), inputs()
    swapped = torch.cat([images[..., 4:], images[..., :4]], dim=-1)  # columns of patches move
    assert (model(swapped, questions)[0] - model(images, questions)[0]).abs().max() > 1e-3
    with torch.no_grad():
        model.patch_places.table.zero_()
    assert_close(model(swapped, questions)[0], model(images, questions)[0])


def test_own_question_by_hand_is_plain_attention_of_each():
    owner = torch.tensor([0, 0, 1, 1, 1])
    scores, values = torch.randn(5, 5, dtype=torch.float64), torch.randn(5, 3, dtype=torch.float64)
    output, _ = attend(scores, values, own_question(owner))
    assert_close(output[:2], attend(scores[:2, :2], values[:2])[0])
    assert_close(output[2:], attend(scores[2:, 2:], values[2:])[0])


def test_place_weight_by_hand():
    weights = torch.zeros(2, 1, 1, 2, 3)
    weights[0, 0, 0] = torch.tensor([[0.2, 0.3, 0.5], [0.1, 0.8, 0.1]])
    weights[1, 0, 0] = torch.tensor([[0.6, 0.4, 0.0], [1.0, 0.0, 0.0]])
    found = place_weight(weights, torch.tensor([[1], [0]]))
    assert_close(found[:, 0, 0], torch.tensor([[0.3, 0.8], [0.6, 1.0]]))


def test_bad_inputs():
    model, (images, questions) = reader(), inputs()
    with pytest.raises(ValueError, match=r"images should have shape \(b, 1, height, width\), got \(3, 8, 12\)"):
        model(images[:, 0], questions)
    with pytest.raises(ValueError, match=r"expected 6 patches, got 4 of \(3, 1, 8, 8\)"):
        model(images[..., :8], questions)
    with pytest.raises(ValueError, match=r"questions should have shape \(3, q, n\), got \(2, 7, 5\)"):
        model(images, questions[:2])
    with pytest.raises(ValueError, match="questions should lie between 0 and 16"):
        model(images, questions + 17)
    with pytest.raises(TypeError, match="questions should hold token numbers"):
        model(images, questions.double())
    with pytest.raises(ValueError, match=r"expected weights \(b, q, h, n, p\) and cells \(b, q\), got \(2, 3\)"):
        place_weight(torch.rand(2, 3), torch.zeros(2, 3).long())
    with pytest.raises(ValueError, match="num_heads should divide d_model"):
        reader(num_heads=3)
    with pytest.raises(ValueError, match="num_words should be at least 1, got 0"):
        reader(num_words=0)


@pytest.mark.parametrize("pooled", [False, True])
def test_one_device(pooled):
    images, questions = inputs()
    check_one_device(reader(pooled=pooled).float(), images.float(), questions)
    check_one_device(place_weight, torch.rand(2, 3, 5, 7, 11), torch.zeros(2, 3).long(), backward=False)
