"""Patches: against torch's unfold and a strided convolution, back again, and by hand."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import nn
from torch.testing import assert_close

from attnbook.patches import patches, unpatch

few_examples = settings(max_examples=30, deadline=None)


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def test_by_hand() -> None:
    # Two channels of 2 × 6 pixels, patches of 2 × 2: three in one row, the channels one after the other.
    image = torch.arange(24).view(2, 2, 6)
    assert patches(image, 2).tolist() == [
        [0, 1, 6, 7, 12, 13, 18, 19],
        [2, 3, 8, 9, 14, 15, 20, 21],
        [4, 5, 10, 11, 16, 17, 22, 23],
    ]


@given(size=st.integers(1, 4), c=st.integers(1, 3), rows=st.integers(1, 4), columns=st.integers(1, 4))
@few_examples
def test_equals_unfold_and_comes_back(size, c, rows, columns) -> None:
    images = random(5, c, rows * size, columns * size)
    cut = patches(images, size)
    assert torch.equal(cut, nn.functional.unfold(images, size, stride=size).transpose(1, 2))
    assert torch.equal(unpatch(cut, size, rows * size, columns * size), images)


def test_a_linear_layer_on_patches_is_a_strided_convolution() -> None:
    convolution = nn.Conv2d(2, 7, kernel_size=3, stride=3).double()
    images = random(5, 2, 6, 15)
    mine = nn.functional.linear(patches(images, 3), convolution.weight.flatten(1), convolution.bias)
    assert_close(mine, convolution(images).flatten(2).transpose(1, 2))


def test_any_leading_axes_and_types() -> None:
    images = random(2, 3, 1, 10, 15)
    assert patches(images, 5).shape == (2, 3, 6, 25)
    assert torch.equal(patches(images, 5)[1, 2], patches(images[1, 2], 5))
    assert torch.equal(unpatch(patches(images, 5), 5, 10, 15)[1, 2], images[1, 2])
    assert patches((images > 0)[0, 0], 5).dtype == torch.bool
    assert patches(images[:0], 5).shape == (0, 3, 6, 25)
    assert torch.equal(patches(images, 1)[0, 0, :, 0], images[0, 0, 0].flatten())  # limits: a pixel, the whole
    assert torch.equal(patches(images[..., :10], 10)[0, 0, 0], images[0, 0, 0, :, :10].flatten())


def test_gradients_flow_and_one_device() -> None:
    check_one_device(patches, random(2, 3, 4, 6), 2)
    check_one_device(unpatch, random(2, 6, 12), 2, 4, 6)
    assert torch.autograd.gradcheck(lambda x: patches(x, 2), random(3, 2, 4).requires_grad_())


def test_compiles_without_a_graph_break() -> None:
    images = random(2, 3, 4, 6)
    assert_close(torch.compile(patches, backend="aot_eager", fullgraph=True)(images, 2), patches(images, 2))


TYPE, VALUE = TypeError, ValueError
BAD = {
    "no channel": (lambda: patches(torch.ones(8, 8), 2), VALUE, r"\(\.\.\., c, height, width\), got \(8, 8\): give"),
    "height": (lambda: patches(torch.ones(1, 7, 8), 2), VALUE, "size should divide .* got size 2 for 7 × 8"),
    "width": (lambda: patches(torch.ones(1, 8, 9), 2), VALUE, "size should divide .* got size 2 for 8 × 9"),
    "no size": (lambda: patches(torch.ones(1, 8, 8), 0), VALUE, "size should be at least 1, got 0"),
    "half a size": (lambda: patches(torch.ones(1, 8, 8), 2.0), TYPE, r"size should be a whole number, got 2\.0"),
    "a list": (lambda: patches([[1.0]], 1), TYPE, "images should be a torch tensor, got list"),
    "number": (lambda: unpatch(torch.ones(5, 4), 2, 4, 6), VALUE, r"\(\.\.\., 6, c · 4\) .* 4 × 6, got \(5, 4\)"),
    "numbers": (lambda: unpatch(torch.ones(6, 5), 2, 4, 6), VALUE, r"\(\.\.\., 6, c · 4\) .* got \(6, 5\)"),
    "nothing": (lambda: unpatch(torch.ones(6, 0), 2, 4, 6), VALUE, r"\(\.\.\., 6, c · 4\) .* got \(6, 0\)"),
    "one axis": (lambda: unpatch(torch.ones(4), 2, 2, 2), VALUE, r"\(\.\.\., 1, c · 4\) .* got \(4,\)"),
    "other size": (lambda: unpatch(torch.ones(6, 4), 2, 4, 7), VALUE, "size should divide .* got size 2 for 4 × 7"),
    "no height": (lambda: unpatch(torch.ones(6, 4), 2, 0, 6), VALUE, "height should be at least 1, got 0"),
    "not a tensor": (lambda: unpatch([[1.0]], 1, 1, 1), TYPE, "x should be a torch tensor, got list"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
