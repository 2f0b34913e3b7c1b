"""Operations and bytes: by hand, by torch's counter, by the number of pairs that a mask allows."""

import pytest
import torch
from torch import nn
from torch.utils.flop_counter import FlopCounterMode, sdpa_backward_flop_count, sdpa_flop_count

from attnbook import costs, masks
from attnbook.attention import scaled_dot_product_attention
from attnbook.costs import Cost
from attnbook.measuring import peak_bytes
from attnbook.multihead import MultiHeadAttention

N, D, H = 53, 14, 2
FLOAT = 4  # bytes


def counted(call):
    with FlopCounterMode(display=False) as counter:
        call()
    return counter.get_total_flops()


def heads(n=N, d=D, num_heads=H, requires_grad=False):
    return [torch.randn(num_heads, n, d // num_heads, requires_grad=requires_grad) for _ in range(3)]


# By hand


def test_dense_by_hand() -> None:
    # Three tokens, one head of two numbers: nine scores of 2 multiplications and 2 additions, nine shares of the same.
    assert costs.dense(3, 2) == Cost(operations=72, stored=9 * FLOAT, moved=(4 * 6 + 4 * 9) * FLOAT)
    training = costs.dense(3, 2, training=True)
    assert training == Cost(operations=3 * 72, stored=9 * FLOAT, moved=(12 * 6 + 11 * 9) * FLOAT)


def test_blockwise_by_hand() -> None:
    assert costs.blockwise(3, 2) == Cost(72, 3 * FLOAT, (4 * 6 + 3) * FLOAT)
    assert costs.blockwise(3, 2, training=True) == Cost(14 * 9 * 2, 3 * FLOAT, (12 * 6 + 2 * 3) * FLOAT)
    assert costs.blockwise(3, 2, causal=True).operations == 4 * 6 * 2  # 1 + 2 + 3 pairs


def test_window_by_hand() -> None:
    # Five tokens, one on either side: 2 + 3 + 3 + 3 + 2 pairs; causal: 1 + 2 + 2 + 2 + 2.
    assert costs.sliding_window(5, 2, 1, window=1) == Cost(4 * 13 * 2, 13 * FLOAT, (4 * 10 + 4 * 13) * FLOAT)
    assert costs.sliding_window(5, 2, 1, window=1, causal=True).operations == 4 * 9 * 2


def test_patterns_in_tiles_store_a_number_a_row_and_compute_the_scores_again() -> None:
    tiled = costs.sliding_window(5, 2, 1, window=1, store_weights=False, training=True)
    assert tiled == Cost(14 * 13 * 2, 5 * FLOAT, (12 * 10 + 2 * 5) * FLOAT)
    everything = costs.blockwise(N, D, H, training=True)
    assert costs.sliding_window(N, D, H, N, store_weights=False, training=True) == everything
    assert costs.chunked(N, D, H, N, store_weights=False, training=True) == everything
    assert costs.block_sparse(N, D, H, 7, num_random=99, store_weights=False, training=True) == everything


def test_chunked_by_hand() -> None:
    assert costs.chunked(7, 2, 1, chunk=3).operations == 4 * (9 + 9 + 1) * 2


def test_block_sparse_by_hand() -> None:
    # Ten blocks of 4; one sees all ten, nine see their 3 neighbours, 1 global block and 2 drawn ones.
    cost = costs.block_sparse(40, 2, 1, block=4, window=1, num_global=1, num_random=2)
    assert cost.operations == 4 * (16 * (9 * 6 + 10)) * 2
    assert cost.stored == 16 * (9 * 6 + 10) * FLOAT


def test_performer_by_hand() -> None:
    # q and k (3, 2) times (2, 5), features (5, 3) times values (3, 2), features (3, 5) times sums (5, 2).
    assert costs.performer(3, 2, 1, features=5) == Cost(4 * 60, 2 * 15 * FLOAT, (4 * 6 + 2 * 30) * FLOAT)
    assert costs.performer(3, 2, 1, features=5, training=True).operations == (4 + 2 + 4) * 60


def test_linear_by_hand() -> None:
    # Two heads of 3: keys (3, 7) times values (7, 3), queries (7, 3) times sums (3, 3).
    assert costs.linear(7, 6, 2) == Cost(2 * 2 * (2 * 3 * 7 * 3), 2 * 7 * 6 * FLOAT, (4 * 42 + 2 * 84) * FLOAT)
    assert costs.linear(7, 6, 2, training=True).operations == 3 * costs.linear(7, 6, 2).operations


def test_a_key_value_cache_by_hand() -> None:
    assert costs.kv_cache_bytes(3, 2, 5, n=7) == 3 * 2 * 5 * 7 * 2 * 2  # key and value, 2 bytes a number
    assert costs.kv_cache_bytes(3, 2, 5, n=7, bytes_a_number=1) == 3 * 2 * 5 * 7 * 2
    assert costs.kv_cache_bytes(32, 32, 128, n=2**17) == 64 * 2**30  # Llama-2-7B at 131,072 tokens


# By torch's own counter


def test_dense_is_what_torch_counts() -> None:
    q, k, v = heads(requires_grad=True)
    assert counted(lambda: scaled_dot_product_attention(q, k, v)) == costs.dense(N, D, H).operations
    training = counted(lambda: scaled_dot_product_attention(q, k, v)[0].sum().backward())
    assert training == costs.dense(N, D, H, training=True).operations


def test_blockwise_is_what_torch_counts_for_a_fused_kernel() -> None:
    shape = torch.Size((1, H, N, D // H))
    forward = sdpa_flop_count(shape, shape, shape)
    assert costs.blockwise(N, D, H).operations == forward
    backward = sdpa_backward_flop_count(shape, shape, shape, shape)
    assert costs.blockwise(N, D, H, training=True).operations == forward + backward


@pytest.mark.parametrize(("kind", "gates"), [(nn.RNN, 1), (nn.GRU, 3), (nn.LSTM, 4)])
def test_recurrent_is_what_torch_counts(kind, gates) -> None:
    layer = kind(D, D, batch_first=True).to("meta")
    x = torch.empty(1, N, D, device="meta")
    assert counted(lambda: layer(x)) == costs.recurrent(N, D, gates).operations


def test_a_layer_is_what_torch_counts() -> None:
    attention, network = MultiHeadAttention(D, H), nn.Sequential(nn.Linear(D, 4 * D), nn.Linear(4 * D, D))
    x = torch.randn(N, D, requires_grad=True)
    cost = costs.projections(N, D) + costs.dense(N, D, H) + costs.feed_forward(N, D)
    assert (
        counted(lambda: network(attention(x, need_weights=True)[0])) == cost.operations == 24 * N * D**2 + 4 * N**2 * D
    )


# By masks


@pytest.mark.parametrize("window", [0, 1, 5, N - 1, N + 3])
def test_a_window_counts_the_pairs_of_its_mask(window) -> None:
    band = masks.sliding_window(N, window)
    assert costs.sliding_window(N, D, H, window).operations == 4 * int(band.sum()) * D
    causal = band & masks.causal(N)
    assert costs.sliding_window(N, D, H, window, causal=True).operations == 4 * int(causal.sum()) * D
    assert costs.sliding_window(N, D, H, window).stored == H * int(band.sum()) * FLOAT


@pytest.mark.parametrize("n", [0, 1, N])
def test_a_method_that_sees_all_is_plain_attention(n) -> None:
    dense = costs.dense(n, D, H, training=True)
    assert costs.sliding_window(n, D, H, N, training=True) == dense
    assert costs.chunked(n, D, H, N, training=True) == dense
    assert costs.block_sparse(n, D, H, 7, num_random=99, training=True) == dense


# By the allocator


def test_plain_attention_holds_two_copies_at_its_peak_and_three_in_training() -> None:
    n = 499
    q, k, v = heads(n, requires_grad=True)
    stored = costs.dense(n, D, H).stored
    with torch.no_grad():
        peak = peak_bytes(lambda: scaled_dot_product_attention(q, k, v))
    assert 2 <= peak / stored < 2.1
    training = peak_bytes(lambda: scaled_dot_product_attention(q, k, v)[0].sum().backward())
    assert 3 <= training / stored < 3.2


# Growth, and the machine


def test_recurrent_and_self_attention_cross_where_the_text_is_as_long_as_the_layer_is_wide() -> None:
    for n, cheaper in [(511, True), (512, False), (513, False)]:
        attention = costs.projections(n, 512) + costs.dense(n, 512)
        assert (attention.operations < costs.recurrent(n, 512).operations) == cheaper


@pytest.mark.parametrize(
    "cost",
    [
        lambda n, **options: costs.sliding_window(n, 64, 4, 16, **options),
        lambda n, **options: costs.chunked(n, 64, 4, 16, **options),
        lambda n, **options: costs.block_sparse(n, 64, 4, 16, num_global=0, **options),
        lambda n, **options: costs.performer(n, 64, 4, 16, **options),
        lambda n, **options: costs.linear(n, 64, 4, **options),
        lambda n, **options: costs.recurrent(n, 64, **options),
        lambda n, **options: costs.projections(n, 64, **options),
        lambda n, **options: costs.feed_forward(n, 64, **options),
    ],
)
def test_linear_methods_take_twice_for_twice_the_length(cost) -> None:
    for training in (False, True):
        once, twice = cost(2**14, training=training), cost(2**15, training=training)
        for name in ("operations", "stored", "moved"):
            assert 1.9 < getattr(twice, name) / getattr(once, name) <= 2.01
        half = cost(2**14, training=training, bytes_a_number=2)
        assert (2 * half.stored, 2 * half.moved) == (once.stored, once.moved)


def test_the_slower_of_two_speeds_decides() -> None:
    cost = Cost(operations=1200, stored=0, moved=100)
    assert cost.least_seconds(600.0, 1000.0) == 2.0
    assert cost.least_seconds(600.0, 10.0) == 10.0


# Bad inputs


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: costs.dense(-1, D), "n should be at least 0, got -1"),
        (lambda: costs.dense(N, 0), "d should be at least 1, got 0"),
        (lambda: costs.dense(N, D, 0), "num_heads should be at least 1, got 0"),
        (lambda: costs.dense(N, D, bytes_a_number=0), "bytes_a_number should be at least 1"),
        (lambda: costs.sliding_window(N, D, H, -1), "window should be at least 0, got -1"),
        (lambda: costs.chunked(N, D, H, 0), "chunk should be at least 1, got 0"),
        (lambda: costs.block_sparse(N, D, H, 0), "block should be at least 1, got 0"),
        (lambda: costs.performer(N, D, H, 0), "features should be at least 1, got 0"),
        (lambda: costs.linear(N, 7, 2), "d should be a multiple of num_heads, got d 7 and num_heads 2"),
        (lambda: costs.recurrent(N, D, 0), "gates should be at least 1, got 0"),
        (lambda: costs.kv_cache_bytes(0, 1, 1, 1), "num_layers should be at least 1, got 0"),
        (lambda: costs.kv_cache_bytes(1, 1, 1, -1), "n should be at least 0, got -1"),
    ],
)
def test_bad_numbers(call, message) -> None:
    with pytest.raises(ValueError, match=message):
        call()
