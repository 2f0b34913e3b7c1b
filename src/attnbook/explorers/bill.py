"""The bill: what a method of attention costs within a real model, by the formulas of `attnbook.costs`."""

from collections.abc import Callable
from dataclasses import dataclass

from attnbook import costs
from attnbook._checks import check_count
from attnbook.costs import Cost, kv_cache_bytes

BYTES_A_NUMBER = (4, 2, 1)
LEAST_TOKENS, MOST_TOKENS = 2**6, 2**20
GLOBAL_BLOCKS = 2  # of the eight that a block sees in BigBird: itself, its two neighbours, two global, three drawn
METHODS = {
    "dense": "Dense",
    "exact": "Exact blocks",
    "window": "Sliding window",
    "sparse": "Block-sparse",
    "performer": "Performer",
    "linear": "Linear",
    "recurrent": "Recurrent",
}


@dataclass(frozen=True)
class Model:
    """The sizes of a transformer that decide what it costs.

    Args:
        d_model: width of a token.
        num_heads, num_kv_heads: heads of queries, and of keys and values.
        num_layers: number of layers.
        d_ff: width of the feed-forward networks' hidden layers.
        ff_matrices: 2, or 3 where a third matrix makes a gate for the hidden layer.
        bytes_a_number: 4, 2 or 1.
        window: keys on either side that a sliding window sees.
        block: tokens in a block of block-sparse attention.
        features: random features of a Performer's head.
    Raises:
        ValueError: a number is out of its range, or the heads do not divide.
        TypeError: a number is not whole.

    >>> Model(768, 12, 12, 12, 3072).d_head
    64
    """

    d_model: int
    num_heads: int
    num_kv_heads: int
    num_layers: int
    d_ff: int
    ff_matrices: int = 2
    bytes_a_number: int = 2
    window: int = 128
    block: int = 64
    features: int = 256

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            check_count(name, value)
        if self.d_model % self.num_heads:
            raise ValueError(f"num_heads should divide d_model, got {self.num_heads} and d_model {self.d_model}")
        if self.num_heads % self.num_kv_heads:
            raise ValueError(
                f"num_kv_heads should divide num_heads, got {self.num_kv_heads} and num_heads {self.num_heads}"
            )
        if self.ff_matrices not in (2, 3):
            raise ValueError(f"ff_matrices should be 2, or 3 with a gate, got {self.ff_matrices}")
        if self.bytes_a_number not in BYTES_A_NUMBER:
            raise ValueError(f"bytes_a_number should be 4, 2 or 1, got {self.bytes_a_number}")

    @property
    def d_head(self) -> int:
        return self.d_model // self.num_heads


# From the papers and model cards: Radford et al. (2019); Touvron et al. (2023), "Llama 2"; Llama Team (2024);
# Jiang et al. (2023), "Mistral 7B", table 1.
MODELS = {
    "GPT-2 small": Model(768, 12, 12, 12, 3072),
    "GPT-2 XL": Model(1600, 25, 25, 48, 6400),
    "Llama-2-7B": Model(4096, 32, 32, 32, 11008, 3),
    "Llama-2-70B": Model(8192, 64, 8, 80, 28672, 3),
    "Llama-3-8B": Model(4096, 32, 8, 32, 14336, 3),
    "Mistral-7B": Model(4096, 32, 8, 32, 14336, 3, window=4095),  # 4,096 keys with the query's own
}


@dataclass(frozen=True)
class Bill:
    """What a method costs in a model.

    Attributes:
        operations: of the method alone, in all layers: what is left when projections and networks are taken off.
        rest: operations of the projections and networks, in all layers.
        memory: bytes of one layer while it reads: what the method stores, weights or features, and its output.
        kept: bytes of all layers that stay from one written token to the next: the KV cache, or a state.

    >>> Bill(operations=1, rest=3, memory=0, kept=0).share
    0.25
    """

    operations: int
    rest: int
    memory: int
    kept: int

    @property
    def share(self) -> float:
        """The method's part of all operations."""
        return self.operations / (self.operations + self.rest)


def bill(model: Model, method: str, n: int) -> Bill:
    """What it costs to read n tokens. All pairs are counted, as for a text that is read in both directions.

    A recurrent layer takes the place of the projections too, so it is charged with what it costs beyond them. The
    sparse methods are those of `attnbook.efficient`, which store no weights.

    Raises:
        ValueError: there is no such method, or n is below 1.

    >>> round(bill(MODELS["Llama-2-7B"], "dense", 4096).share, 3)
    0.142
    """
    if method not in METHODS:
        raise ValueError(f"method should be one of {', '.join(METHODS)}, got {method!r}")
    check_count("n", n)
    cost = _method_cost(model, method, n)
    # (d, d) for the queries and for the mixing of heads; keys and values are narrower where heads share them.
    projections = costs.projections(n, model.d_model).operations
    projections = projections * (model.num_heads + model.num_kv_heads) // (2 * model.num_heads)
    network = 2 * n * model.ff_matrices * model.d_model * model.d_ff
    operations = cost.operations - (projections if method == "recurrent" else 0)
    layers = model.num_layers
    return Bill(
        operations=layers * operations,
        rest=layers * (projections + network),
        memory=cost.stored + n * model.d_model * model.bytes_a_number,
        kept=_kept_bytes(model, method, n),
    )


def _method_cost(model: Model, method: str, n: int) -> Cost:
    d, h, size = model.d_model, model.num_heads, model.bytes_a_number
    formulas: dict[str, Callable[[], Cost]] = {
        "dense": lambda: costs.dense(n, d, h, bytes_a_number=size),
        "exact": lambda: costs.blockwise(n, d, h, bytes_a_number=size),
        "window": lambda: costs.sliding_window(n, d, h, model.window, store_weights=False, bytes_a_number=size),
        "sparse": lambda: costs.block_sparse(
            n, d, h, model.block, num_global=GLOBAL_BLOCKS, store_weights=False, bytes_a_number=size
        ),
        "performer": lambda: costs.performer(n, d, h, model.features, bytes_a_number=size),
        "linear": lambda: costs.linear(n, d, h, bytes_a_number=size),
        "recurrent": lambda: costs.recurrent(n, d, bytes_a_number=size),
    }
    return formulas[method]()


def _kept_bytes(model: Model, method: str, n: int) -> int:
    if method in ("dense", "exact", "window", "sparse"):
        seen = min(n, model.window + 1) if method == "window" else n
        return kv_cache_bytes(model.num_layers, model.num_kv_heads, model.d_head, seen, model.bytes_a_number)
    # Sums over all tokens so far: of features times values, and of the features; or a recurrent layer's state.
    features = {"performer": model.features, "linear": model.d_head}
    numbers = model.d_model if method == "recurrent" else model.num_heads * features[method] * (model.d_head + 1)
    return model.num_layers * numbers * model.bytes_a_number


def first_length(condition: Callable[[int], bool]) -> int | None:
    """The length at which a condition begins to hold, or None if that is past 2^20.

    It is found by halving. Where whole blocks make a condition flicker, it is one of its beginnings.

    >>> first_length(lambda n: n * n >= 2**20)
    1024
    """
    if not condition(MOST_TOKENS):
        return None
    low, high = 0, MOST_TOKENS
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if condition(middle) else (middle, high)
    return high
