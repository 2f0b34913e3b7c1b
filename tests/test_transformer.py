"""Layers and stacks against torch's, and the encoder-decoder: padding, the future, its caches, and that it learns."""

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import Tensor, nn
from torch.testing import assert_close

from attnbook.masks import causal, padding
from attnbook.multihead import MultiHeadAttention
from attnbook.transformer import Decoder, DecoderLayer, Encoder, EncoderLayer, Transformer
from attnbook.transformer.layers import FeedForward, Residual

B, N_Q, N_K, HEADS, D_HEAD, D_FF = 2, 5, 7, 3, 4, 17
D = HEADS * D_HEAD
SOURCE, TARGET = 11, 13


def random(*shape: int) -> Tensor:
    return torch.randn(*shape, dtype=torch.float64)


def load(mine: nn.Module, torchs: nn.Module) -> None:
    """Copy a torch layer's weights, which have other names and stack queries, keys and values, into ours."""
    if isinstance(mine, EncoderLayer):
        names = {"attention": "self_attn", "attention_residual.norm": "norm1", "network_residual.norm": "norm2"}
    else:
        names = {"self_attention": "self_attn", "self_residual.norm": "norm1", "network_residual.norm": "norm3"}
        names |= {"cross_attention": "multihead_attn", "cross_residual.norm": "norm2"}
    names |= {"network.expand": "linear1", "network.contract": "linear2"}
    for ours, theirs in names.items():
        part, source = mine.get_submodule(ours), torchs.get_submodule(theirs)
        if isinstance(part, MultiHeadAttention):
            source = MultiHeadAttention.from_torch(source)
        part.load_state_dict(source.state_dict())


def roughen(module: nn.Module) -> None:
    """Draw all parameters, for torch's zeros and ones would hide one that was lost."""
    for parameter in module.parameters():
        nn.init.normal_(parameter, std=0.5)


def encoder_layers(norm_first: bool) -> tuple[EncoderLayer, nn.TransformerEncoderLayer]:
    torch.manual_seed(0)
    torchs = nn.TransformerEncoderLayer(
        D, HEADS, D_FF, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    roughen(torchs)
    mine = EncoderLayer(MultiHeadAttention(D, HEADS), D_FF, norm_first=norm_first).double()
    load(mine, torchs)
    return mine, torchs


def small(dropout: float = 0.0) -> Transformer:
    torch.manual_seed(0)
    return Transformer(SOURCE, TARGET, D, HEADS, 2, dropout=dropout).double()


def sentences(seed: int = 0) -> tuple[Tensor, Tensor]:
    draw = torch.Generator().manual_seed(seed)
    source = torch.randint(1, SOURCE, (B, N_K), generator=draw)
    source[1, 4:] = 0
    return source, torch.randint(1, TARGET, (B, N_Q), generator=draw)


# Parts


def test_residual_by_hand() -> None:
    x, addition = torch.tensor([[1.0, 3.0]]), torch.tensor([[2.0, -2.0]])
    pre, post = (Residual(2, 0.0, norm_first, 0.0) for norm_first in (True, False))
    assert_close(pre.before(x), torch.tensor([[-1.0, 1.0]]))  # mean 2, deviation 1
    assert_close(pre.after(x, addition), torch.tensor([[3.0, 1.0]]))
    assert_close(post.before(x), x)
    assert_close(post.after(x, addition), torch.tensor([[1.0, -1.0]]))


def test_the_network_treats_each_token_alone() -> None:
    network, x = FeedForward(D, D_FF).double(), random(B, N_Q, D)
    assert network.expand.out_features == D_FF
    assert FeedForward(D).expand.out_features == 4 * D
    assert_close(network(x)[:, 2], network(x[:, 2]))


# Against torch


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_layer_equals_torch_forward_and_backward(norm_first) -> None:
    mine, torchs = encoder_layers(norm_first)
    x, mask = random(B, N_K, D).requires_grad_(), padding(torch.tensor([4, 7]), N_K)
    output, weights = mine(x, mask, need_weights=True)
    expected = torchs(x, src_key_padding_mask=~mask[:, 0])
    assert_close(output, expected)
    assert weights.shape == (B, HEADS, N_K, N_K)
    cotangent = random(*output.shape)
    assert_close(torch.autograd.grad(output, x, cotangent), torch.autograd.grad(expected, x, cotangent))


@pytest.mark.parametrize("norm_first", [True, False])
def test_decoder_layer_equals_torch_forward_and_backward(norm_first) -> None:
    torch.manual_seed(0)
    torchs = nn.TransformerDecoderLayer(
        D, HEADS, D_FF, dropout=0.0, activation="gelu", batch_first=True, norm_first=norm_first, dtype=torch.float64
    )
    roughen(torchs)
    mine = DecoderLayer(
        MultiHeadAttention(D, HEADS), MultiHeadAttention(D, HEADS), D_FF, norm_first=norm_first
    ).double()
    load(mine, torchs)
    x, source = random(B, N_Q, D).requires_grad_(), random(B, N_K, D).requires_grad_()
    mask = padding(torch.tensor([4, 7]), N_K)
    output, weights = mine(x, source, causal(N_Q), mask, need_weights=True)
    expected = torchs(x, source, ~causal(N_Q), memory_key_padding_mask=~mask[:, 0])
    assert_close(output, expected)
    assert [w.shape for w in weights] == [(B, HEADS, N_Q, N_Q), (B, HEADS, N_Q, N_K)]
    cotangent = random(*output.shape)
    theirs = torch.autograd.grad(expected, (x, source), cotangent)
    assert_close(torch.autograd.grad(output, (x, source), cotangent), theirs)


@pytest.mark.parametrize("norm_first", [True, False])
def test_encoder_equals_torch(norm_first) -> None:
    layers, theirs = zip(*(encoder_layers(norm_first) for _ in range(3)), strict=True)
    mine, x = Encoder(layers), random(B, N_K, D)
    norm = nn.LayerNorm(D).double() if norm_first else None
    torchs = nn.TransformerEncoder(theirs[0], 3, norm, enable_nested_tensor=False)
    mine.double()
    output, weights = mine(x, need_weights=True)
    assert_close(output, torchs(x))
    assert [w.shape for w in weights] == [(B, HEADS, N_K, N_K)] * 3
    assert_close(mine(x)[0], output)
    assert mine(x)[1] == []


# The encoder-decoder


def test_transformer_shapes_and_weights() -> None:
    source, target = sentences()
    logits, weights = small()(source, target, need_weights=True)
    assert logits.shape == (B, N_Q, TARGET)
    assert len(weights) == 2
    for own, of_source in weights:
        assert own.shape == (B, HEADS, N_Q, N_Q)
        assert of_source.shape == (B, HEADS, N_Q, N_K)
        assert (own.triu(1) == 0).all()
        assert (of_source[1, :, :, 4:] == 0).all()
        assert_close(of_source.sum(-1), torch.ones(B, HEADS, N_Q).double())


def test_padding_changes_nothing() -> None:
    model, (source, target) = small(), sentences()
    more = torch.cat([source, source.new_zeros(B, 3)], dim=1)
    assert_close(model(more, target)[0], model(source, target)[0])
    assert_close(model(source[1:, :4], target[1:])[0], model(source, target)[0][1:])


@given(seed=st.integers(0, 2**32), i=st.integers(0, N_Q - 2))
@settings(max_examples=20, deadline=None)
def test_the_future_does_not_move_the_past_by_one_bit(seed, i) -> None:
    model, (source, target), (_, other) = small(), sentences(), sentences(seed)
    other[:, : i + 1] = target[:, : i + 1]
    assert torch.equal(model(source, target)[0][:, : i + 1], model(source, other)[0][:, : i + 1])


def test_order_matters() -> None:
    model, (source, target) = small(), sentences()
    assert not torch.allclose(model(source[:1].flip(1), target[:1])[0], model(source[:1], target[:1])[0])


@pytest.mark.parametrize("end", [1, TARGET - 1])
def test_translate_is_greedy_and_its_caches_change_nothing(end) -> None:
    model, (source, _) = small(dropout=0.5), sentences()
    tokens, weights = model.translate(source, start=2, end=end, max_length=N_Q)
    assert model.training  # the mode comes back
    model.eval()
    read = torch.cat([source.new_full((B, 1), 2), tokens[:, :-1]], dim=1)
    logits, all_weights = model(source, read, need_weights=True)
    expected = logits.argmax(-1)
    for row, right in zip(tokens.tolist(), expected.tolist(), strict=True):
        stop = row.index(end) + 1 if end in row else len(row)
        assert row[:stop] == right[:stop]
        assert row[stop:] == [end] * (len(row) - stop)
    assert_close(weights, all_weights[-1][1].mean(1))


def test_a_translation_that_has_ended_is_filled_up_while_others_go_on() -> None:
    # The logits of each text are those of a table: the first text says 3, 4, 5, 6, 7, the second 6, 7, 8, 9, 10.
    class Counting(Transformer):
        def _decode(self, states, mask, target, **options):
            logits, weights = super()._decode(states, mask, target, **options)
            following = torch.where(target == 2, torch.tensor([[3], [6]]), target + 1)
            return nn.functional.one_hot(following, TARGET).double() + 0 * logits, weights

    model = Counting(SOURCE, TARGET, D, HEADS, 1).double()
    tokens, weights = model.translate(sentences()[0], start=2, end=7, max_length=N_Q)
    assert tokens.tolist() == [[3, 4, 5, 6, 7], [6, 7, 7, 7, 7]]
    assert weights.shape == (B, N_Q, N_K)


def test_translate_stops_when_all_have_ended() -> None:
    model, (source, _) = small(), sentences()
    likely = model.translate(source[:1], start=2, end=0, max_length=1)[0].item()
    tokens, weights = model.translate(source[:1], start=2, end=likely, max_length=50)
    assert tokens.tolist() == [[likely]]
    assert weights.shape == (1, 1, N_K)


def test_it_learns_to_reverse() -> None:
    torch.manual_seed(0)
    model = Transformer(8, 8, 32, 2, 1)
    optimizer = torch.optim.Adam(model.parameters(), lr=5e-3)
    draw = torch.Generator().manual_seed(0)
    for _ in range(150):
        source = torch.randint(2, 8, (32, 4), generator=draw)
        target = torch.cat([torch.ones(32, 1, dtype=torch.long), source.flip(1)], dim=1)  # token 1 starts
        logits, _ = model(source, target[:, :-1])
        loss = nn.functional.cross_entropy(logits.flatten(0, 1), target[:, 1:].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    new = torch.randint(2, 8, (200, 4), generator=draw)
    tokens, weights = model.translate(new, start=1, end=0, max_length=4)
    assert (tokens == new.flip(1)).all(dim=1).float().mean() > 0.95
    assert weights.mean(0).argmax(-1).tolist() == [3, 2, 1, 0]  # it looks from right to left


# Where it runs


def test_one_device() -> None:
    source, target = sentences()
    check_one_device(small(), source, target, need_weights=True)
    check_one_device(small(), source, target)
    mask = padding(torch.tensor([4, 7]), N_K)
    check_one_device(encoder_layers(False)[0], random(B, N_K, D), mask)
    # On `meta` no number says that all sentences have ended, so this one step only.
    check_one_device(lambda model, x: model._decode(*model.encode(x), x[:, :1])[0], small(), source)


def test_compiles_without_a_graph_break() -> None:
    model, (source, target) = Transformer(SOURCE, TARGET, D, HEADS, 1).double(), sentences()
    compiled = torch.compile(model, backend="aot_eager", fullgraph=True)
    assert_close(compiled(source, target)[0], model(source, target)[0])


def test_mixed_precision() -> None:
    model, (source, target) = small().float(), sentences()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = model(source, target)[0]
    assert_close(logits.float(), model(source, target)[0], atol=0.1, rtol=0.1)


# Bad inputs

TYPE, VALUE = TypeError, ValueError
MODEL, (X, Y), S = small(), sentences(), random(B, N_Q, D)
BAD = {
    "no layers": (lambda: Encoder([]), VALUE, "a stack needs at least one layer, got none"),
    "no decoder layers": (lambda: Decoder([]), VALUE, "a stack needs at least one layer, got none"),
    "number of layers": (lambda: Transformer(5, 5, 12, 3, 0), VALUE, "num_layers should be at least 1, got 0"),
    "heads": (lambda: Transformer(5, 5, 12, 5, 1), VALUE, "num_heads should divide d_model, got d_model 12"),
    "vocabulary": (lambda: Transformer(5, 0, 12, 3, 1), VALUE, "target_vocabulary should be at least 1, got 0"),
    "d_ff": (lambda: Transformer(5, 5, 12, 3, 1, -4), VALUE, "d_ff should be at least 1, got -4"),
    "odd width": (lambda: Transformer(5, 5, 9, 3, 1)(X % 5, Y % 5), VALUE, "the width should be even, .* got 9"),
    "source of numbers": (lambda: MODEL(X.float(), Y), TYPE, r"source should hold token numbers .* torch.float32"),
    "target of lists": (lambda: MODEL(X, Y.tolist()), TYPE, "target should be a torch tensor, got list"),
    "source beyond": (lambda: MODEL(X + 4, Y), VALUE, "source should lie between 0 and 10, got numbers from 4 to"),
    "target beyond": (lambda: MODEL(X, Y - 9), VALUE, "target should lie between 0 and 12, got numbers from -"),
    "no axis": (lambda: MODEL(X[0, 0], Y), VALUE, r"source should have shape \(\.\.\., n\), got \(\)"),
    "max_length": (lambda: MODEL.translate(X, 1, 2, 0), VALUE, "max_length should be at least 1, got 0"),
    "tokens' width": (
        lambda: MODEL.encoder(torch.ones(B, 5, 7).double()),
        VALUE,
        r"x .* \(\.\.\., n, 12\), got \(2, 5, 7\)",
    ),
    "tokens' dtype": (
        lambda: MODEL.encoder(torch.ones(B, 5, D)),
        TYPE,
        "one dtype, got torch.float32 and torch.float64",
    ),
    "caches": (lambda: MODEL.decoder(S, S, caches=[]), VALUE, "caches should hold one for each of the 2 layers, got 0"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
