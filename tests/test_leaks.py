"""The leak test finds planted leaks of every kind, names the pairs, and gives no false alarm."""

import pytest
import torch
from torch import nn

from attnbook.attention import attend
from attnbook.leaks import future_leaks, influence, padding_leaks
from attnbook.masks import causal, padding, sliding_window
from attnbook.multihead import MultiHeadAttention
from attnbook.reach import reach
from attnbook.transformer import Encoder, EncoderLayer, LanguageModel

N, D = 5, 6
PAST = {(i, j) for i in range(N) for j in range(i + 1)}


@pytest.fixture(autouse=True)
def _seed():
    torch.manual_seed(0)


def vectors(*leading):
    return torch.randn(*leading, N, D)


def pairs(found):
    return {tuple(pair) for pair in found.nonzero().tolist()}


def test_by_hand():
    # Position 0 hears 1, position 1 hears 0 and 1, position 2 hears nobody but shows a constant, and 3 hears 2.
    links = torch.tensor([[0.0, 1, 0, 0], [1, 1, 0, 0], [0, 0, 0, 0], [0, 0, 5, 0]])
    model = lambda x: links @ x + 1  # noqa: E731
    x = torch.randn(3, 4, 2)
    assert torch.equal(influence(model, x), links > 0)
    assert future_leaks(model, x) == [(0, 1)]
    assert padding_leaks(model, x, length=1) == [(0, 1)]
    assert padding_leaks(model, x, length=2) == []


@pytest.mark.parametrize("layers", [1, 2, 3])
def test_layers_under_a_mask_reach_as_far_as_reach_says(layers):
    mask = causal(N) & sliding_window(N, 1)
    encoder = Encoder([EncoderLayer(MultiHeadAttention(D, 2)) for _ in range(layers)])
    assert torch.equal(influence(lambda x: encoder(x, mask), vectors()), reach(mask, layers))


class Recurrent(nn.Module):
    def __init__(self, both_ways):
        super().__init__()
        self.gru = nn.GRU(D, 7, batch_first=True, bidirectional=both_ways)

    def forward(self, x):
        return self.gru(x)


class OverTime(nn.Module):
    """Normalises each channel over the positions, as a BatchNorm1d or a LayerNorm on the wrong axis does."""

    def __init__(self, norm):
        super().__init__()
        self.norm = norm

    def forward(self, x):
        return self.norm(x.mT).mT


def forgets_the_diagonal(x):
    mask = torch.ones(N, N, dtype=torch.bool).tril(1)  # one too far
    return attend(x @ x.mT, x, mask)


def masks_after_the_softmax(x):
    return (x @ x.mT).softmax(dim=-1).tril() @ x


def conv(padding):
    layer = nn.Conv1d(D, 3, kernel_size=3, padding=padding)
    return lambda x: layer(x.mT)[..., :N].mT


ALL = {(i, j) for i in range(N) for j in range(i + 1, N)}
NEXT = {(i, i + 1) for i in range(N - 1)}
LEAKY = {
    "diagonal off by one": (forgets_the_diagonal, NEXT),
    "mask after the softmax": (masks_after_the_softmax, ALL),
    "no mask": (lambda x: attend(x @ x.mT, x), ALL),
    "bidirectional": (Recurrent(both_ways=True), ALL),
    "BatchNorm over time": (OverTime(nn.BatchNorm1d(D)), ALL),
    "LayerNorm over time": (OverTime(nn.LayerNorm(N)), ALL),
    "conv, same padding": (conv(1), NEXT),
}
TIGHT = {
    "causal attention": lambda x: attend(x @ x.mT, x, causal(N)),
    "recurrent": Recurrent(both_ways=False),
    "LayerNorm": nn.LayerNorm(D),
    "causal conv": conv(2),
}


@pytest.mark.parametrize(("model", "expected"), LEAKY.values(), ids=LEAKY.keys())
def test_every_planted_leak_is_found_and_named(model, expected):
    assert set(future_leaks(model, vectors(3))) == expected


@pytest.mark.parametrize("model", TIGHT.values(), ids=TIGHT.keys())
def test_no_false_alarm(model):
    for _ in range(3):
        assert future_leaks(model, vectors(3)) == []


def test_a_leak_to_another_sequence_of_the_batch_counts():
    assert future_leaks(lambda x: x + x.flip(0).roll(-1, dims=-2), vectors(2))  # each sequence shows the other's next
    assert future_leaks(lambda x: x + x.flip(0), vectors(2)) == []


def test_symmetry_does_not_hide_a_leak():
    # The sum over a normalised vector never moves, so a test by plain sums would find nothing.
    assert pairs(influence(nn.LayerNorm(D), vectors())) == {(i, i) for i in range(N)}


def test_tokens_of_a_language_model_before_and_after_a_planted_mistake(monkeypatch):
    model = LanguageModel(vocabulary=11, d_model=8, num_heads=2, num_layers=2)
    tokens = torch.randint(11, (3, N))
    assert future_leaks(model, tokens) == []
    assert pairs(influence(model, tokens)) == PAST
    monkeypatch.setattr("attnbook.transformer.language_model.causal", lambda n, n_k, device: causal(n + 1)[1:, :n])
    # One place too far in each of two layers.
    assert set(future_leaks(model, tokens)) == {(i, j) for i, j in ALL if j <= i + 2}


def test_replacing_sees_what_gradients_do_not():
    table = torch.randn(7, 3)
    rounding = lambda x: table[x.argmax(dim=-1).roll(-1, dims=-1)]  # noqa: E731
    with pytest.raises(ValueError, match="no_grad"):
        influence(rounding, vectors())
    assert future_leaks(lambda tokens: table[tokens.roll(-1, dims=-1)], torch.tensor([0, 1, 2, 1, 0])) == [
        (i, i + 1) for i in range(4)
    ]


def test_a_token_that_looks_like_one_other_is_still_seen():
    table = torch.tensor([[1.0], [1.0], [2.0]])  # tokens 0 and 1 mean the same
    assert future_leaks(lambda tokens: table[tokens.roll(-1)], torch.tensor([0, 0, 1, 2])) == [(0, 1), (1, 2), (2, 3)]


def test_dropout_is_no_influence():
    model = LanguageModel(vocabulary=11, d_model=8, num_heads=2, num_layers=1, dropout=0.5).train()
    tokens = torch.randint(11, (N,))
    torch.manual_seed(1)
    state = torch.get_rng_state()
    assert future_leaks(model, tokens) == []
    assert model.training
    assert future_leaks(model, tokens, tolerance=0.0) == []
    torch.set_rng_state(state)
    assert pairs(influence(model.eval(), tokens)) == PAST


@pytest.mark.parametrize("length", [1, 3, N])
def test_padding(length):
    layer = EncoderLayer(MultiHeadAttention(D, 2))
    mask = padding(torch.tensor(length), N)
    assert padding_leaks(lambda x: layer(x, mask), vectors(), length) == []
    forgotten = {(i, j) for i in range(length) for j in range(length, N)}
    assert set(padding_leaks(layer, vectors(), length)) == forgotten


def test_rounding_of_a_fourier_transform_is_no_leak():
    kernel = torch.randn(N, 1)

    def long_convolution(x):  # a causal convolution, computed over all positions at once
        product = torch.fft.rfft(x, n=2 * N, dim=-2) * torch.fft.rfft(kernel, n=2 * N, dim=-2)
        return torch.fft.irfft(product, n=2 * N, dim=-2)[..., :N, :]

    assert future_leaks(long_convolution, vectors()) == []
    assert pairs(influence(long_convolution, vectors())) == PAST
    assert future_leaks(long_convolution, vectors(), tolerance=0.0)


def test_the_inputs_and_the_model_are_left_alone():
    model, x = MultiHeadAttention(D, 2), vectors()
    before = x.clone()
    with torch.no_grad():  # the caller's, which must not stop the test
        influence(lambda x: model(x), x)
    assert torch.equal(x, before)
    assert not x.requires_grad
    assert all(p.grad is None for p in model.parameters())


@pytest.mark.parametrize(
    ("model", "inputs", "error", "message"),
    [
        (lambda x: x[:3], vectors(), ValueError, r"a vector for each of the 5 positions, got \(3, 6\)"),
        (lambda x: x.sum(), vectors(), ValueError, r"a vector for each of the 5 positions, got \(\)"),
        (lambda x: x / 0, vectors(), ValueError, "the output should be finite"),
        (lambda x: x.argmax(-1), vectors(), TypeError, r"floating-point vectors \(..., n, d\), got torch.int64"),
        (lambda x: [x], vectors(), TypeError, "got list"),
        (lambda x: x.detach(), vectors(), ValueError, "was it computed under no_grad"),
        (nn.Embedding(9, 3), torch.full((3, N), 4), ValueError, r"at least two different ones, got \[4\] in \(3, 5\)"),
    ],
)
def test_bad_arguments(model, inputs, error, message):
    with pytest.raises(error, match=message):
        influence(model, inputs)


def test_a_negative_length():
    with pytest.raises(ValueError, match="length should be at least 0, got -1"):
        padding_leaks(nn.Identity(), vectors(), -1)
