"""What must attention cost? Operations and bytes by formula, for one sequence of n tokens.

An operation is one multiplication or one addition of numbers. Only products of matrices are counted, as usual, since
nearly all operations are theirs: (n, d) · (d, m) takes 2 n d m. Each product asks for two more of its size in the
backward pass, so training takes three times the forward pass, unless a method computes something again.

d is the width of all heads together: h heads of d / h numbers take as many operations as one head of d.

| method           | operations, forward | backward          | numbers stored |
|------------------|---------------------|-------------------|----------------|
| `dense`          | 4 n² d              | 8 n² d            | h n²           |
| `blockwise`      | 4 n² d              | 10 n² d           | h n            |
| `sliding_window` | 4 n (2w + 1) d      | 8 n (2w + 1) d    | h n (2w + 1)   |
| `chunked`        | 4 n c d             | 8 n c d           | h n c          |
| `block_sparse`   | 4 n r c d           | 8 n r c d         | h n r c        |
| `performer`      | 8 n m d             | 12 n m d          | 2 h n m        |
| `linear`         | 4 n d² / h          | 8 n d² / h        | 2 n d          |
| `recurrent`      | 12 n d²             | 24 n d²           | 4 n d          |

Here a window reaches w keys to either side, c is the length of a chunk or block, r the number of blocks of keys that a
block of queries sees, m the number of random features; edges are left out, but not in the functions. The three
patterns are counted as they were first written, with the weights stored. `attnbook.efficient` computes them in tiles as
`blockwise` does, with 10 d operations a pair backward and h n numbers stored: `store_weights=False`.
"""

from dataclasses import dataclass

from attnbook._checks import check_count


@dataclass(frozen=True)
class Cost:
    """What a computation costs; costs add up.

    Attributes:
        operations: multiplications and additions in products of matrices.
        stored: bytes that it holds from one step to a later one, beyond inputs and output: the weights of plain
            attention, the features of a Performer. One copy is counted; at its peak, plain attention holds two
            (scores and weights), and three in training.
        moved: bytes that must pass between memory and processor, if each step reads its inputs and writes its result
            once, and a step's own work stays in the cache.

    >>> Cost(10, 4, 8) + Cost(1, 1, 1)
    Cost(operations=11, stored=5, moved=9)
    """

    operations: int
    stored: int
    moved: int

    def __add__(self, other: "Cost") -> "Cost":
        return Cost(self.operations + other.operations, self.stored + other.stored, self.moved + other.moved)

    def least_seconds(self, operations_a_second: float, bytes_a_second: float) -> float:
        """The least time it takes: all operations, or all bytes, at the machine's full speed, whichever is longer.

        Source: Williams, Waterman and Patterson (2009), "Roofline".

        >>> Cost(operations=600, stored=0, moved=100).least_seconds(300.0, 100.0)
        2.0
        """
        return max(self.operations / operations_a_second, self.moved / bytes_a_second)


def dense(n: int, d: int, num_heads: int = 1, *, training: bool = False, bytes_a_number: int = 4) -> Cost:
    """Plain attention, which stores a weight for each pair of a query and a key.

    Source: Vaswani et al. (2017), table 1.

    >>> dense(1000, 64).operations
    256000000
    """
    return _of_pairs(n * n, n, d, num_heads, training, bytes_a_number)


def blockwise(n: int, d: int, num_heads: int = 1, *, causal: bool = False, training: bool = False,
              bytes_a_number: int = 4) -> Cost:  # fmt: skip
    """The same attention block by block: it stores one number a row, and computes the scores again in training.

    Source: Dao et al. (2022), "FlashAttention", theorem 1 and appendix B.

    >>> blockwise(1000, 64).stored
    4000
    >>> dense(1000, 64).stored
    4000000
    """
    pairs = n * (n + 1) // 2 if causal else n * n
    return _of_pairs(pairs, n, d, num_heads, training, bytes_a_number, store_weights=False)


def sliding_window(n: int, d: int, num_heads: int, window: int, *, causal: bool = False, store_weights: bool = True,
                   training: bool = False, bytes_a_number: int = 4) -> Cost:  # fmt: skip
    """Each query sees itself and `window` keys on either side, or, if causal, on its left.

    Source: Beltagy, Peters and Cohan (2020), "Longformer", section 3.1.

    >>> sliding_window(1000, 64, 1, window=10).operations / dense(1000, 64).operations
    0.02089
    """
    check_count("window", window, least=0)
    window = min(window, max(n - 1, 0))
    on_one_side = n * window - window * (window + 1) // 2  # the first `window` queries see fewer
    pairs = n + on_one_side * (1 if causal else 2)
    return _of_pairs(pairs, n, d, num_heads, training, bytes_a_number, store_weights)


def chunked(n: int, d: int, num_heads: int, chunk: int, *, store_weights: bool = True, training: bool = False,
            bytes_a_number: int = 4) -> Cost:  # fmt: skip
    """Each chunk of the sequence attends within itself.

    >>> chunked(1000, 64, 1, chunk=250).operations / dense(1000, 64).operations
    0.25
    """
    check_count("chunk", chunk)
    pairs = n // chunk * chunk**2 + (n % chunk) ** 2
    return _of_pairs(pairs, n, d, num_heads, training, bytes_a_number, store_weights)


def block_sparse(n: int, d: int, num_heads: int, block: int, *, window: int = 1, num_global: int = 1,
                 num_random: int = 3, store_weights: bool = True, training: bool = False,
                 bytes_a_number: int = 4) -> Cost:  # fmt: skip
    """Each block of queries sees its neighbours, the global blocks and some drawn at random; a global block sees all.

    Blocks that are seen for two reasons are counted twice, and so are neighbours beyond the ends.

    Source: Zaheer et al. (2020), "Big Bird", section 2 and appendix D.

    >>> 128**2 * block_sparse(8192, 64, 1, block=64).operations / dense(8192, 64).operations  # pairs of blocks
    1017.0
    """
    check_count("block", block)
    blocks = -(-n // block)  # n / block, rounded up
    seen = min(blocks, 2 * window + 1 + num_global + num_random)
    pairs = block * block * ((blocks - min(num_global, blocks)) * seen + min(num_global, blocks) * blocks)
    return _of_pairs(min(pairs, n * n), n, d, num_heads, training, bytes_a_number, store_weights)


def performer(n: int, d: int, num_heads: int, features: int, *, training: bool = False,
              bytes_a_number: int = 4) -> Cost:  # fmt: skip
    """Random features instead of the softmax: two products make them, two more use them.

    Source: Choromanski et al. (2020), section 2.

    >>> performer(1000, 64, 1, features=256).operations  # twice as many for twice the length
    131072000
    """
    check_count("features", features)
    one_product = 2 * n * features * d
    # The projection is drawn and not learned, so its products ask for one gradient each and the others for two.
    operations = one_product * (10 if training else 4)
    stored = 2 * num_heads * n * features
    return _cost(operations, n, d, num_heads, stored, 5 if training else 2, training, bytes_a_number)


def linear(n: int, d: int, num_heads: int = 1, *, training: bool = False, bytes_a_number: int = 4) -> Cost:
    """A similarity φ(q)·φ(k) with as many features as a head is wide: the keys are summed up once, for all queries.

    Source: Katharopoulos et al. (2020), section 3.2.

    >>> linear(1000, 64).operations
    16384000
    """
    if d % num_heads:
        raise ValueError(f"d should be a multiple of num_heads, got d {d} and num_heads {num_heads}")
    operations = 4 * n * d * (d // num_heads) * (3 if training else 1)
    return _cost(operations, n, d, num_heads, 2 * n * d, 5 if training else 2, training, bytes_a_number)


def recurrent(n: int, d: int, gates: int = 3, *, training: bool = False, bytes_a_number: int = 4) -> Cost:
    """A recurrent layer of d units: each gate multiplies the token and the state by a matrix (d, d).

    Args:
        gates: 3 in a GRU, 4 in an LSTM, 1 in a plain recurrent network.

    >>> recurrent(512, 512).operations == (projections(512, 512) + dense(512, 512)).operations
    True
    """
    check_count("gates", gates)
    times = 3 if training else 1
    matrices, vectors = 2 * gates * d * d, (2 + 2 * gates) * n * d
    return Cost(times * 4 * gates * n * d * d, (gates + 1) * n * d * bytes_a_number,
                times * (matrices + vectors) * bytes_a_number)  # fmt: skip


def projections(n: int, d: int, *, training: bool = False, bytes_a_number: int = 4) -> Cost:
    """What multi-head attention does besides: tokens to queries, keys and values, and the mixing of the heads.

    >>> projections(1000, 64).operations
    32768000
    """
    times = 3 if training else 1
    return Cost(times * 8 * n * d * d, 3 * n * d * bytes_a_number, times * 4 * (2 * n * d + d * d) * bytes_a_number)


def feed_forward(n: int, d: int, expansion: int = 4, *, training: bool = False, bytes_a_number: int = 4) -> Cost:
    """A transformer layer's feed-forward network, whose hidden layer is `expansion` times as wide.

    >>> feed_forward(1000, 64).operations / projections(1000, 64).operations
    2.0
    """
    times = 3 if training else 1
    hidden, matrices = expansion * n * d, 2 * expansion * d * d
    return Cost(times * 2 * n * matrices, hidden * bytes_a_number,
                times * (2 * n * d + 2 * hidden + matrices) * bytes_a_number)  # fmt: skip


def kv_cache_bytes(num_layers: int, num_kv_heads: int, d_head: int, n: int, bytes_a_number: int = 2) -> int:
    """What a language model keeps of a text of n tokens while it writes: a key and a value a token, layer and head.

    >>> kv_cache_bytes(num_layers=32, num_kv_heads=8, d_head=128, n=1)  # Llama-3-8B, one token
    131072
    """
    for name, value in [("num_layers", num_layers), ("num_kv_heads", num_kv_heads), ("d_head", d_head)]:
        check_count(name, value)
    check_count("n", n, least=0)
    return 2 * num_layers * num_kv_heads * d_head * n * bytes_a_number


def _of_pairs(pairs: int, n: int, d: int, num_heads: int, training: bool, bytes_a_number: int,
              store_weights: bool = True) -> Cost:  # fmt: skip
    # A score takes d multiplications and d additions, so does its share in the average: 4 d. In the backward pass the
    # weight's gradient takes 2 d, and so do its shares in the gradients of q, k and v.
    #   Forward, scores are written, read, weights written, read. Backward, the weights are read twice, their gradients
    # written and read, those of the scores written, and read twice.
    if store_weights:
        for_each_pair, stored, passes = (12, num_heads * pairs, 11) if training else (4, num_heads * pairs, 4)
    else:  # only the logarithm of each row's sum; from it the backward pass computes the scores again, 2 d more
        for_each_pair, stored, passes = (14, num_heads * n, 2) if training else (4, num_heads * n, 1)
    return _cost(for_each_pair * pairs * d, n, d, num_heads, stored, passes, training, bytes_a_number)


def _cost(operations: int, n: int, d: int, num_heads: int, stored: int, passes: int, training: bool,
          bytes_a_number: int) -> Cost:  # fmt: skip
    # `passes` says how often all that is stored is written or read. The inputs and the output pass once in the forward
    # pass, 4 n d numbers; and twice as many pass in the backward pass, as for each product.
    check_count("n", n, least=0)
    check_count("d", d)
    check_count("num_heads", num_heads)
    check_count("bytes_a_number", bytes_a_number)
    moved = (12 if training else 4) * n * d + passes * stored
    return Cost(operations, stored * bytes_a_number, moved * bytes_a_number)
