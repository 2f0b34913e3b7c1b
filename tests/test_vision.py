"""The vision transformer: its parts put together by hand, what its positions are for, and bad input."""

import pytest
import torch
from one_device import check_one_device
from torch import nn
from torch.testing import assert_close

from attnbook.vision import VisionTransformer, position_similarity


def model(**options) -> VisionTransformer:
    torch.manual_seed(0)
    wide = {"channels": 2, "d_model": 14, "num_heads": 7, "num_layers": 3, "d_ff": 11} | options
    return VisionTransformer(15, 5, 3, **wide).double()


def random(*shape: int) -> torch.Tensor:
    return torch.randn(*shape, dtype=torch.float64)


IMAGES = random(5, 2, 15, 15)


def test_shapes() -> None:
    logits, weights = model()(IMAGES, need_weights=True)
    assert logits.shape == (5, 3)
    assert [layer.shape for layer in weights] == [(5, 7, 10, 10)] * 3
    assert model()(IMAGES)[1] == []
    assert_close(model()(IMAGES.view(5, 1, 2, 15, 15))[0][:, 0], logits)
    assert model()(IMAGES[:0])[0].shape == (0, 3)


def test_is_a_strided_convolution_a_class_token_and_torchs_encoder() -> None:
    mine = model()
    layers = [
        nn.TransformerEncoderLayer(14, 7, 11, 0.0, "gelu", batch_first=True, norm_first=True).double() for _ in range(3)
    ]
    with torch.no_grad():
        for theirs, layer in zip(layers, mine.encoder.layers, strict=True):
            attention = layer.attention
            projections = (attention.query, attention.key, attention.value)
            theirs.self_attn.in_proj_weight.copy_(torch.cat([p.weight for p in projections]))
            theirs.self_attn.in_proj_bias.copy_(torch.cat([p.bias for p in projections]))
            theirs.self_attn.out_proj.load_state_dict(attention.output.state_dict())
            theirs.linear1.load_state_dict(layer.network.expand.state_dict())
            theirs.linear2.load_state_dict(layer.network.contract.state_dict())
    kernel = mine.embed.weight.view(14, 2, 5, 5)
    x = nn.functional.conv2d(IMAGES, kernel, mine.embed.bias, stride=5).flatten(2).transpose(1, 2)
    x = torch.cat([mine.class_token.expand(5, 1, 14), x], dim=1) + mine.positions.table
    for theirs in layers:
        x = theirs(x)
    x = nn.functional.layer_norm(x, (14,))
    assert_close(mine(IMAGES)[0], mine.classify(x[:, 0]))


def test_tokens_by_hand() -> None:
    small = VisionTransformer(4, 2, 3, d_model=1, num_heads=1)
    with torch.no_grad():
        small.embed.weight.fill_(1)
        small.embed.bias.fill_(0)
        small.class_token.fill_(7)
        small.positions.table.copy_(torch.arange(5.0)[:, None] / 10)
    image = torch.arange(16.0).view(1, 4, 4)
    assert_close(small.tokens(image)[:, 0], torch.tensor([7.0, 10.1, 18.2, 42.3, 50.4]))


def test_without_positions_the_patches_are_a_bag() -> None:
    shuffled = IMAGES.view(5, 2, 3, 5, 15)[:, :, [2, 0, 1]].reshape(5, 2, 15, 15)  # rows of patches change places
    bag, ordered = model(positions=False), model()
    assert_close(bag(shuffled)[0], bag(IMAGES)[0])
    assert (ordered(shuffled)[0] - ordered(IMAGES)[0]).abs().max() > 1e-3


def test_position_similarity() -> None:
    mine = model()
    with torch.no_grad():
        mine.positions.table.zero_()
        mine.positions.table[0] = 100  # the class token's does not count
        mine.positions.table[1:] += 3  # nor what all share
        mine.positions.table[1, 0], mine.positions.table[2, 0] = 4, 2
    similarity = position_similarity(mine)
    assert similarity.shape == (9, 9)
    assert similarity[0, 1].item() == pytest.approx(-1)
    assert similarity[0, 0].item() == pytest.approx(1)
    with pytest.raises(ValueError, match="this one was built with positions=False"):
        position_similarity(model(positions=False))


def test_one_device() -> None:
    check_one_device(model(), IMAGES)
    check_one_device(model(), IMAGES, need_weights=True)
    check_one_device(position_similarity, model(), backward=False)


def test_mixed_precision_and_compiling() -> None:
    mine, images = model().float(), IMAGES.float()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        assert_close(mine(images)[0].float(), mine(images.float())[0].float(), atol=0.05, rtol=0.05)
    compiled = torch.compile(mine, backend="aot_eager", fullgraph=True)
    assert_close(compiled(images)[0], mine(images)[0])


TYPE, VALUE = TypeError, ValueError
BAD = {
    "patch": (lambda: VisionTransformer(8, 3, 10), VALUE, "patch_size should divide image_size, got 3 and .* 8"),
    "no patch": (lambda: VisionTransformer(8, 0, 10), VALUE, "patch_size should be at least 1, got 0"),
    "no image": (lambda: VisionTransformer(0, 1, 10), VALUE, "image_size should be at least 1, got 0"),
    "no class": (lambda: VisionTransformer(8, 2, 0), VALUE, "num_classes should be at least 1, got 0"),
    "no channel": (lambda: VisionTransformer(8, 2, 10, channels=0), VALUE, "channels should be at least 1, got 0"),
    "no layer": (lambda: VisionTransformer(8, 2, 10, num_layers=0), VALUE, "num_layers should be at least 1, got 0"),
    "heads": (lambda: VisionTransformer(8, 2, 10, num_heads=5), VALUE, "num_heads should divide d_model"),
    "size": (lambda: model()(IMAGES[..., :10]), VALUE, r"\(\.\.\., 2, 15, 15\), got \(5, 2, 15, 10\)"),
    "grey": (lambda: model()(IMAGES[:, 0]), VALUE, r"\(\.\.\., 2, 15, 15\), got \(5, 15, 15\)"),
    "dtype": (lambda: model()(IMAGES.float()), TYPE, "images and the module's parameters .* torch.float32 and"),
    "device": (lambda: model()(IMAGES.to("meta")), VALUE, "images and the module's parameters .* meta and cpu"),
    "a list": (lambda: model()([[0.0]]), TYPE, "images should be a torch tensor, got list"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
