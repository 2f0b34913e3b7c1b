"""The language model: it sees no future, its cache changes nothing but the cost, and it learns."""

import math
from itertools import pairwise

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from one_device import check_one_device
from torch import Tensor, nn
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.testing import assert_close
from torch.utils.flop_counter import FlopCounterMode

from attnbook.transformer import LanguageModel
from attnbook.transformer.language_model import choose

B, N, HEADS, LAYERS, D, VOCABULARY, MAX_LEN = 2, 7, 4, 3, 16, 19, 41
KINDS = {
    "learned": {"max_len": MAX_LEN},
    "rotary": {},
    "grouped": {"num_kv_heads": 2},
    "one key head": {"max_len": MAX_LEN, "num_kv_heads": 1},
}
every_kind = pytest.mark.parametrize("kind", KINDS)


def model(kind: str = "rotary", **options) -> LanguageModel:
    torch.manual_seed(0)
    made = LanguageModel(VOCABULARY, D, HEADS, LAYERS, **KINDS[kind], **options).double()
    nn.init.normal_(made.embed.weight)  # larger than a fresh model's, so that its predictions differ clearly
    return made


def text(seed: int = 0, n: int = N) -> Tensor:
    return torch.randint(VOCABULARY, (B, n), generator=torch.Generator().manual_seed(seed))


# What it predicts


@every_kind
def test_shapes_and_weights(kind) -> None:
    logits, weights = model(kind)(text(), need_weights=True)
    assert logits.shape == (B, N, VOCABULARY)
    assert [w.shape for w in weights] == [(B, HEADS, N, N)] * LAYERS
    assert all((w.triu(1) == 0).all() for w in weights)
    assert model(kind)(text())[1] == []
    assert_close(model(kind)(text())[0], logits)
    assert_close(model(kind)(text()[0])[0], logits[0])


def test_a_fresh_model_believes_nothing() -> None:
    torch.manual_seed(0)
    tokens = torch.randint(VOCABULARY, (11, 23))
    logits, _ = LanguageModel(VOCABULARY, D, HEADS, LAYERS)(tokens)
    loss = nn.functional.cross_entropy(logits[:, :-1].flatten(0, 1), tokens[:, 1:].flatten())
    assert loss.item() == pytest.approx(math.log(VOCABULARY), abs=0.05)


@every_kind
@given(seed=st.integers(0, 2**32), i=st.integers(0, N - 2))
@settings(max_examples=15, deadline=None)
def test_the_future_does_not_move_the_past_by_one_bit(kind, seed, i) -> None:
    network, tokens, other = model(kind), text(), text(seed)
    other[:, : i + 1] = tokens[:, : i + 1]
    assert torch.equal(network(tokens)[0][:, : i + 1], network(other)[0][:, : i + 1])


@every_kind
def test_one_layer_sees_the_order_of_the_past_by_its_positions_alone(kind) -> None:
    network, tokens = LanguageModel(VOCABULARY, D, HEADS, 1, **KINDS[kind]).double(), text()
    nn.init.normal_(network.embed.weight)
    swapped = tokens[:, [2, 1, 0, 3, 4, 5, 6]]
    last, last_swapped = (network(x)[0][:, -1] for x in (tokens, swapped))
    assert not torch.allclose(last, last_swapped, atol=1e-4)
    network.positions = None
    network.layers.layers[0].attention.rotary = False
    assert_close(network(tokens)[0][:, -1], network(swapped)[0][:, -1])


def test_it_learns_a_text_by_heart() -> None:
    torch.manual_seed(0)
    sentence = torch.randint(VOCABULARY, (1, 24))
    for kind in ("learned", "rotary"):
        network = model(kind).float()
        optimizer = torch.optim.Adam(network.parameters(), lr=3e-3)
        for _ in range(120):
            logits, _ = network(sentence[:, :-1])
            loss = nn.functional.cross_entropy(logits[0], sentence[0, 1:])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        assert torch.equal(network.generate(sentence[:, :2], 22), sentence)


# Generation and its cache


@every_kind
@pytest.mark.parametrize("options", [{}, {"temperature": 0.8, "seed": 3}, {"temperature": 1.5, "top_k": 5, "seed": 3}])
def test_cached_and_uncached_texts_are_identical(kind, options) -> None:
    network, prompt = model(kind), text()
    cached, uncached = (network.generate(prompt, 30, use_cache=use, **options) for use in (True, False))
    assert torch.equal(cached, uncached)
    assert torch.equal(cached[:, :N], prompt)
    assert cached.shape == (B, N + 30)
    assert len(cached.unique()) > 3  # or it would show little


@every_kind
@pytest.mark.parametrize("chunks", [[1] * N, [4, 1, 2]])
def test_cached_logits_equal_uncached(kind, chunks) -> None:
    network, tokens, caches = model(kind), text(), model(kind).new_caches()
    parts = [network(part, caches=caches)[0] for part in tokens.split(chunks, dim=1)]
    assert_close(torch.cat(parts, dim=1), network(tokens)[0])


def multiply_adds_for_each_token(use_cache: bool, num_tokens: int) -> list[int]:
    """Count the operations that each generated token takes, from the differences of ever longer texts."""
    network, totals = model(), []
    for n in range(num_tokens + 1):
        # The plain kernel consists of products that are counted one by one.
        with FlopCounterMode(display=False) as counter, sdpa_kernel(SDPBackend.MATH):
            network.generate(text(n=1), n, use_cache=use_cache)
        totals.append(counter.get_total_flops())
    return [after - before for before, after in pairwise(totals)]


def differences(numbers: list[int]) -> list[int]:
    return [after - before for before, after in pairwise(numbers)]


def test_the_cost_of_a_token_grows_linearly_with_the_cache_and_quadratically_without() -> None:
    cached, uncached = (multiply_adds_for_each_token(use, 6) for use in (True, False))
    # One more token to look at: a dot product and a weighted value for each layer and text, 2 operations a number.
    assert set(differences(cached)) == {LAYERS * B * 2 * 2 * D}
    assert set(differences(differences(uncached))) == {LAYERS * B * 2 * 2 * D * 2}  # t² has the second difference 2
    assert cached[0] == uncached[0]
    assert uncached[-1] > 5 * cached[-1]


def test_generation_leaves_dropout_out_and_the_mode_as_it_was() -> None:
    network, prompt = model(dropout=0.5), text()
    network.train()
    first, again = network.generate(prompt, 10), network.generate(prompt, 10)
    assert torch.equal(first, again)
    assert network.training
    network.eval()
    assert torch.equal(network.generate(prompt, 10), first)
    assert not network.training
    assert torch.equal(network.generate(prompt, 0), prompt)


def test_a_seed_draws_the_same_text_and_leaves_the_global_generator_alone() -> None:
    network, prompt, state = model(), text(), torch.get_rng_state()
    first, again, other = (network.generate(prompt, 20, temperature=2.0, seed=seed) for seed in (5, 5, 6))
    assert torch.equal(torch.get_rng_state(), state)
    assert torch.equal(first, again)
    assert not torch.equal(first, other)
    assert not torch.equal(network.generate(prompt, 20, temperature=2.0), network.generate(prompt, 20, temperature=2.0))


# Choosing


def test_choose_by_hand() -> None:
    logits = torch.tensor([[0.0, 3.0, 1.0], [5.0, 3.0, 1.0]])
    assert choose(logits).tolist() == [1, 0]
    assert choose(logits, temperature=1.0, top_k=1).tolist() == [1, 0]
    assert choose(logits, temperature=1e-3).tolist() == [1, 0]
    assert choose(logits[0], temperature=1e-3).item() == 1  # one row by itself, as a prompt (n,) has it


@pytest.mark.parametrize("temperature", [0.5, 1.0, 2.0])
@pytest.mark.parametrize("top_k", [None, 2])
def test_tokens_are_drawn_as_often_as_they_should(temperature, top_k) -> None:
    logits = torch.tensor([1.0, 0.0, 2.0, -1.0])
    weights = [math.exp(x / temperature) for x in logits.tolist()]
    if top_k:
        weights = [w if w >= sorted(weights)[-top_k] else 0.0 for w in weights]
    n = 40_000
    tokens = choose(logits.expand(2, n // 2, 4), temperature, top_k, torch.Generator().manual_seed(0))
    assert tokens.shape == (2, n // 2)
    shares = tokens.flatten().bincount(minlength=4) / n
    assert shares.tolist() == pytest.approx([w / sum(weights) for w in weights], abs=0.01)  # 4 standard errors


# Where it runs


@every_kind
def test_one_device(kind) -> None:
    check_one_device(model(kind), text(), need_weights=True)
    for options in ({}, {"temperature": 1.0, "top_k": 1}):  # with one to choose from, a GPU draws the same
        check_one_device(LanguageModel.generate, model(kind), text(), 3, backward=False, **options)


@pytest.mark.parametrize("kind", ["learned", "grouped"])
def test_compiles_without_a_graph_break(kind) -> None:
    network, tokens = LanguageModel(VOCABULARY, D, HEADS, 1, **KINDS[kind]).double(), text()
    assert_close(torch.compile(network, backend="aot_eager", fullgraph=True)(tokens)[0], network(tokens)[0])


def test_mixed_precision() -> None:
    network, tokens = model().float(), text()
    with torch.autocast("cpu", dtype=torch.bfloat16):
        logits = network(tokens)[0]
    assert_close(logits.float(), network(tokens)[0], atol=0.3, rtol=0.05)


# Bad inputs

TYPE, VALUE = TypeError, ValueError
MODEL, SHORT, X = model(), LanguageModel(VOCABULARY, D, HEADS, 1, max_len=9), text()
BAD = {
    "vocabulary": (lambda: LanguageModel(0, D, HEADS, 1), VALUE, "vocabulary should be at least 1, got 0"),
    "layers": (lambda: LanguageModel(5, D, HEADS, 0), VALUE, "num_layers should be at least 1, got 0"),
    "heads": (lambda: LanguageModel(5, D, 3, 1), VALUE, "num_heads should divide d_model, got d_model 16 and .* 3"),
    "max_len": (lambda: LanguageModel(5, D, HEADS, 1, 0), VALUE, "max_len should be at least 1, got 0"),
    "numbers": (lambda: MODEL(X.float()), TYPE, r"tokens should hold token numbers \(torch.int64\), got torch.float32"),
    "beyond": (lambda: MODEL(X + 9), VALUE, "tokens should lie between 0 and 18, got numbers from"),
    "too long": (lambda: SHORT(text(n=10)), VALUE, "there are 9 learned positions; .* needs 10"),
    "grows too long": (lambda: SHORT.generate(X, 4), VALUE, "there are 9 learned positions; .* needs 10"),
    "empty prompt": (lambda: MODEL.generate(X[:, :0], 3), VALUE, r"hold at least one token, got shape \(2, 0\)"),
    "negative tokens": (lambda: MODEL.generate(X, -1), VALUE, "num_tokens should be at least 0, got -1"),
    "cold": (lambda: MODEL.generate(X, 1, temperature=-1.0), VALUE, r"temperature should be 0 .* or more, got -1\.0"),
    "no choice": (
        lambda: MODEL.generate(X, 1, temperature=1.0, top_k=0),
        VALUE,
        "top_k should lie between 1 and .* 19",
    ),
    "too much choice": (lambda: choose(torch.ones(3), 1.0, 4), VALUE, "between 1 and the vocabulary's 3, got 4"),
    "caches": (lambda: MODEL(X, caches=MODEL.new_caches()[:2]), VALUE, "one for each of the 3 layers, got 2"),
}


@pytest.mark.parametrize(("call", "error", "message"), BAD.values(), ids=BAD.keys())
def test_bad_inputs(call, error, message) -> None:
    with pytest.raises(error, match=message):
        call()
