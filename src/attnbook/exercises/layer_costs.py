"""What a layer costs: its operations, and the length at which the quadratic part is half of them."""

from collections.abc import Callable
from typing import Any

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# --- By hand: width 640, half as many heads of keys and values, a network that is twice as wide ----------------------

CROSSING = by_hand(
    "crossing",
    2240,
    ("Keys and values have half as many heads here, so their projections are half as large.", 2560),
    ("This is 6 d, the crossing of the chapter's layer. Here keys and values are narrower, and so is the network.",
     3840),
    ("The network is that of the chapter, four times as wide. Here it is twice as wide.", 3520),
    ("One projection is missing: there are those of queries, keys, values and the output.", 1920),
    ("The network has two matrices, one there and one back.", 1600),
    ("The projections were left out.", 1280),
    ("The network was left out.", 960),
    ("The quadratic part has two products: the scores and the averages.", 4480),
    ("Multiplications alone on one side, and additions too on the other. Count the same on both.", 1120),
    ("This is how often the width goes into it. A number of tokens is asked for.", 3.5),
)  # fmt: skip


def check_crossing(answer: Any) -> None:
    """Check the length at which a layer's quadratic part is half of its operations.

    >>> check_crossing(960)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: crossing: The network was left out.
    """
    check_numbers(CROSSING, answer)


# --- A decoder's layer with shared keys and values, and a gated network ----------------------------------------------


def _operations(
    n: int, d: int, heads: int, kv_heads: int, hidden: int, pairs: int, matrices: int = 3, part: str = ""
) -> int:
    parts = {
        "queries and output": 4 * n * d * d,
        "keys and values": 4 * n * d * d * kv_heads // heads,
        "attention": 4 * pairs * d,
        "network": 2 * matrices * n * d * hidden,
    }
    return sum(cost for name, cost in parts.items() if name != part)


def _pairs(n: int, causal: bool) -> int:
    return n * (n + 1) // 2 if causal else n * n


def _layer(n: int, d: int, heads: int, kv_heads: int, hidden: int, causal: bool) -> int:
    return _operations(n, d, heads, kv_heads, hidden, _pairs(n, causal))


def _other(
    matrices: int = 3, part: str = "", pairs: Callable[[int, bool], int] = _pairs
) -> Callable[[int, int, int, int, int, bool], int]:
    def answer(n: int, d: int, heads: int, kv_heads: int, hidden: int, causal: bool) -> int:
        return _operations(n, d, heads, kv_heads, hidden, pairs(n, causal), matrices, part)

    return answer


def _plus(
    more: Callable[[int, int, int, int, int, int], float],
) -> Callable[[int, int, int, int, int, bool], float]:
    """The right count and something else, which is told (n, d, heads, kv_heads, hidden, pairs)."""
    return lambda n, d, h, g, hidden, causal: (
        _layer(n, d, h, g, hidden, causal) + more(n, d, h, g, hidden, _pairs(n, causal))
    )


def _layer_cases(draw: Draw) -> list[Case]:
    n, kv_heads, shared, d_head, hidden = draw.sizes(5)
    heads, hidden = kv_heads * shared, 9 * hidden
    d = heads * d_head
    return [
        Case("", (7 * n, d, heads, kv_heads, hidden, False)),
        Case("with heads that share nothing", (7 * n, d, heads, heads, hidden, False), "Then keys are as wide as d."),
        Case("with the future skipped", (7 * n, d, heads, kv_heads, hidden, True), "A query meets itself, too."),
        Case("with one token", (1, d, heads, kv_heads, hidden, True), "One token meets itself."),
    ]


LAYER_OPERATIONS = Task(
    "layer_operations",
    _layer,
    _layer_cases,
    (
        Mistake("Multiplications alone are counted: each comes with an addition.", lambda *x: _layer(*x) / 2),
        Mistake("The heads share nothing here: keys and values have kv_heads heads only.",
                lambda n, d, h, g, *x: _layer(n, d, h, h, *x)),
        Mistake("Keys and values are counted at the width of one head. There are kv_heads of them.",
                lambda n, d, h, g, *x: _layer(n, d, h, 1, *x)),
        Mistake("The network has two matrices here. A gated one has three.", _other(matrices=2)),
        Mistake("The network has one matrix here. A gated one has three.", _other(matrices=1)),
        Mistake("The network is missing.", _other(part="network")),
        Mistake("The scores and averages are missing.", _other(part="attention")),
        Mistake("The projections of keys and values are missing.", _other(part="keys and values")),
        Mistake("The projections of queries and of the output are missing.", _other(part="queries and output")),
        Mistake("The projection of the output is missing.", _plus(lambda n, d, *x: -2 * n * d * d)),
        Mistake("Keys or values: the projection of one of the two is missing.",
                _plus(lambda n, d, h, g, *x: -2 * n * d * d * g / h)),
        Mistake("One product for each pair is missing: there are scores, and there are averages.",
                _plus(lambda n, d, h, g, hidden, pairs: -2 * pairs * d)),
        Mistake("Scores and averages are counted for each head at the full width d. All heads together are d wide.",
                _plus(lambda n, d, h, g, hidden, pairs: 4 * pairs * d * (h - 1))),
        Mistake("The scores and averages are counted at the width of one head.",
                _plus(lambda n, d, h, g, hidden, pairs: 4 * pairs * d / h - 4 * pairs * d)),
        Mistake("Shared keys were taken for less work in the scores. Each head of queries still meets every key.",
                _plus(lambda n, d, h, g, hidden, pairs: 4 * pairs * d * g / h - 4 * pairs * d)),
        Mistake("All pairs are counted whatever causal says.", _other(pairs=lambda n, causal: n * n)),
        Mistake("causal is turned around: the future is skipped where it should not be.",
                _other(pairs=lambda n, causal: _pairs(n, not causal))),
        Mistake("The causal pairs are exactly half of all here. The diagonal belongs to them, whole.",
                lambda n, d, h, g, hidden, causal: _layer(n, d, h, g, hidden, False) - 2 * n * n * d * causal),
        Mistake("The diagonal was left out: a query may meet itself.",
                _other(pairs=lambda n, causal: n * (n - 1) // 2 if causal else n * n)),
        Mistake("The causal half was taken of the whole layer. Only scores and averages are saved.",
                lambda n, d, h, g, hidden, causal: _layer(n, d, h, g, hidden, False) / (2 if causal else 1)),
        Mistake("This is the chapter's layer, 24 n d² + 4 n² d, whatever the network and the heads are.",
                lambda n, d, h, g, hidden, causal: 24 * n * d * d + 4 * _pairs(n, causal) * d),
        Mistake("This is the backward pass too: one forward pass is asked for.", lambda *x: 3 * _layer(*x)),
    ),
    returns=("the count",),
)  # fmt: skip


def check_layer_operations(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the operations of a layer: layer_operations(n, d, heads, kv_heads, hidden, causal).

    >>> check_layer_operations(_other(matrices=2))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: layer_operations: The network has two matrices here. A gated one has three....
    """
    LAYER_OPERATIONS.check(answer, seed)
