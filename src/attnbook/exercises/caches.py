"""Masks and caches: pairs that stay open, bytes that wait, and who may see what a cache holds."""

import random
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.costs import kv_cache_bytes
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises._varied import Sheet, Varied
from attnbook.masks import causal, padding

# --- By hand: causal and padding, m = 6 true tokens filled up to n = 9 -----------------------------------------------


def _open(m: int, n: int, ahead: int = 1) -> int:
    """Pairs under both masks; the first query sees `ahead` keys, the next one more."""
    return sum(min(row + ahead, m) for row in range(n))


OPEN_PAIRS = Varied(
    "open_pairs",
    Sheet(
        (6, 9),
        lambda draw: (m := draw.randint(4, 12), m + draw.randint(2, 6)),
        lambda m, n: [
            f"A text of {m} tokens is filled up to {n}, the filling at its end. Its mask is "
            f"`causal({n}) & padding(torch.tensor({m}), {n})`. How many of the {n * n} pairs",
        ],
    ),
    _open,
    ("This is the causal mask alone: filling is still among the keys.", lambda m, n: n * (n + 1) // 2),
    ("This is the padding mask alone: queries still see their future.", lambda m, n: m * n),
    ("Here the rows of filling are closed too. The mask hides filling as keys; its own rows stay.",
     lambda m, n: m * (m + 1) // 2),
    ("The diagonal is closed here. A token may see itself.", lambda m, n: _open(m, n, 0)),
    ("The diagonal is one place too far: a query sees the key behind it.", lambda m, n: _open(m, n, 2)),
    ("These are all pairs of two true tokens: queries still see their future, and filling asks too.",
     lambda m, n: m * m),
    ("These are the pairs that are hidden.", lambda m, n: n * n - _open(m, n)),
    ("Nothing is hidden here.", lambda m, n: n * n),
    ("Both masks are joined by `or` here: one that allows is not enough.",
     lambda m, n: n * (n + 1) // 2 + m * n - _open(m, n)),
)  # fmt: skip

# --- By hand: the cache of 6 layers with 5 heads of width 16, 2,000 tokens of 4 bytes a number -----------------------


def _shape(draw: random.Random) -> tuple[int, ...]:
    return (
        draw.choice([3, 5, 6, 7, 9, 10, 11, 12]),
        draw.choice([3, 5, 6, 7, 9, 10]),
        draw.choice([16, 24, 32, 48]),
        draw.choice([1500, 2000, 3000, 5000]),
    )


def _kept(layers: int, heads: int, width: int, n: int) -> int:
    return kv_cache_bytes(layers, heads, width, n, bytes_a_number=4)


CACHE_BYTES = Varied(
    "cache_bytes",
    Sheet(
        (6, 5, 16, 2000),
        _shape,
        lambda layers, heads, width, n: [
            f"A language model has {layers} layers. Each has {heads} heads of width {width},",
            f"A cache holds one text of {n:,} tokens,",
        ],
    ),
    _kept,
    ("This is half of it. Keys and values both wait, and a float32 has 32 bits.", lambda *shape: _kept(*shape) // 2),
    ("These are numbers. How many bytes does each take?", lambda *shape: _kept(*shape) // 4),
    ("These are numbers, and those of the keys (or of the values) alone.", lambda *shape: _kept(*shape) // 8),
    ("This is one layer's cache.", lambda _, *others: _kept(1, *others)),
    ("This is one head's cache.", lambda layers, _, *others: _kept(layers, 1, *others)),
    ("The heads are counted twice: the width is that of one head already.",
     lambda layers, heads, *others: _kept(layers, heads * heads, *others)),
    ("These are bits.", lambda *shape: _kept(*shape) * 8),
    ("The queries are counted too. Nobody asks an old query again.", lambda *shape: _kept(*shape) * 3 // 2),
    ("This is what one token leaves. There are more.", lambda layers, heads, width, _: _kept(layers, heads, width, 1)),
    ("The weights are counted too. They are used and forgotten; only keys and values wait.",
     lambda *shape: _kept(*shape) + shape[0] * shape[1] * shape[3] ** 2 * 4),
    ("These are the weights, a number for each pair of tokens. The keys and values wait.",
     lambda layers, heads, _, n: layers * heads * n * n * 4),
    ("These are thousands of bytes; bytes are asked for.", lambda *shape: _kept(*shape) / 1000),
    ("These are kilobytes; bytes are asked for.", lambda *shape: _kept(*shape) / 1024),
    ("These are megabytes; bytes are asked for.", lambda *shape: _kept(*shape) / 10**6),
)  # fmt: skip


def check_open_pairs(answer: Any, variant: int = 0) -> None:
    """Check the number of pairs that a causal and a padding mask leave open together.

    >>> check_open_pairs(45)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: open_pairs: This is the causal mask alone: filling is still among the keys.
    """
    OPEN_PAIRS.check(answer, variant)


def check_cache_bytes(answer: Any, variant: int = 0) -> None:
    """Check the bytes that the keys and values of a text take.

    >>> check_cache_bytes(960_000)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: cache_bytes: These are numbers, and those of the keys (or of the values) alone.
    """
    CACHE_BYTES.check(answer, variant)


# --- Texts of unequal length, filled up in front, whose earlier tokens lie in a cache --------------------------------


def _triangle(lengths: Tensor, n_q: int, n_k: int, ahead: int = 0) -> Tensor:
    """The causal mask, with the diagonal so many places too far."""
    return torch.ones(n_q, n_k, dtype=torch.bool, device=lengths.device).tril(n_k - n_q + ahead)


def _true(lengths: Tensor, n_k: int) -> Tensor:
    """The keys that are no filling, which stands in front: (b, 1, n_k)."""
    return padding(lengths, n_k).flip(-1)


def _cache_mask(lengths: Tensor, n_q: int, n_k: int) -> Tensor:
    return causal(n_q, n_k, device=lengths.device) & _true(lengths, n_k)


def _other(
    allowed: Callable[[Tensor, int, int], Tensor] = _triangle,
    true: Callable[[Tensor, int], Tensor] = _true,
) -> Callable[[Tensor, int, int], Tensor]:
    """The mask with another triangle, or other keys that count as true."""
    return lambda lengths, n_q, n_k: allowed(lengths, n_q, n_k) & true(lengths, n_k)


def _rows(lengths: Tensor, n_q: int, n_k: int) -> Tensor:
    """Filling hidden as queries in place of keys."""
    return _triangle(lengths, n_q, n_k) & _true(lengths, n_k)[..., n_k - n_q :].mT


def _cache_cases(draw: Draw) -> list[Case]:
    b, n_q, past = draw.sizes(3, least=3)
    n_k = n_q + past
    lengths = torch.cat([torch.tensor([n_k - 2, n_q - 1]), draw.whole(1, n_k - 1, b - 2)])
    ends = torch.cat([torch.tensor([n_k, 0]), draw.whole(1, n_k, b - 2)])
    return [
        Case("", (lengths, n_q, n_k)),
        Case("with one new token", (lengths, 1, n_k), "The newest token stands at the last key."),
        Case("with nothing in the cache", (lengths, n_k, n_k), "Then there are as many queries as keys."),
        Case("with a full and an empty text", (ends, n_q, n_k), "A length may be 0, and it may be n_k."),
        Case("on a batch of one", (lengths[:1], n_q, n_k), "A batch may hold one text."),
    ]


TOP_LEFT = "The triangle lies at the top left. The queries are the newest tokens: at which key does the first of them \
stand?"

CACHE_MASK = Task(
    "cache_mask",
    _cache_mask,
    _cache_cases,
    (
        Mistake(TOP_LEFT, _other(lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k, n_q - n_k))),
        Mistake("Off by one: a query sees one key of its future.",
                _other(lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k, 1))),
        Mistake("Off by one: a query does not see itself. It may.",
                _other(lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k, -1))),
        Mistake("The filling was looked for at the end; here it stands in front.", _other(true=padding)),
        Mistake("The filling is not hidden: lengths changes nothing.",
                lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k).expand(len(lengths), -1, -1)),
        Mistake("The future is not hidden: this is the padding mask alone.",
                lambda lengths, n_q, n_k: _true(lengths, n_k).expand(-1, n_q, -1)),
        Mistake("The future is not hidden: this is the padding mask alone, one row for all queries.",
                lambda lengths, n_q, n_k: _true(lengths, n_k)),
        Mistake("Turned around: True where a query may *not* attend.",
                lambda lengths, n_q, n_k: ~_cache_mask(lengths, n_q, n_k)),
        Mistake("A pair is open if one of the two masks allows it. Both must.",
                lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k) | _true(lengths, n_k)),
        Mistake("Only filling can be seen: one of the two masks is turned around.",
                _other(true=lambda lengths, n_k: ~_true(lengths, n_k))),
        Mistake("Only the future can be seen: one of the two masks is turned around.",
                _other(lambda lengths, n_q, n_k: ~_triangle(lengths, n_q, n_k))),
        Mistake("Queries see themselves and their future: the triangle is the other one.",
                _other(lambda lengths, n_q, n_k: ~_triangle(lengths, n_q, n_k, -1))),
        Mistake("Filling is hidden as queries, in rows. It should be hidden as keys.", _rows),
        Mistake("lengths was taken for the amount of filling. It counts the true tokens.",
                _other(true=lambda lengths, n_k: _true(n_k - lengths, n_k))),
        Mistake("One key of filling is left open, next to the true ones: off by one.",
                _other(true=lambda lengths, n_k: _true((lengths + 1).clamp(max=n_k), n_k))),
        Mistake("The first true token is hidden with the filling: off by one.",
                _other(true=lambda lengths, n_k: _true((lengths - 1).clamp(min=0), n_k))),
        Mistake("Filling is hidden in the cache alone. A short text has filling among the newest keys, too.",
                lambda lengths, n_q, n_k: _triangle(lengths, n_q, n_k) & _true(lengths.clamp(min=n_q), n_k)),
        Mistake("The length of the first text serves for all.",
                _other(true=lambda lengths, n_k: _true(lengths[:1].expand(len(lengths)), n_k))),
        Mistake("The length of the longest text serves for all.",
                _other(true=lambda lengths, n_k: _true(lengths.max().expand(len(lengths)), n_k))),
    ),
    returns=("the mask",),
)  # fmt: skip


def check_cache_mask(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a mask for new tokens behind a cache: cache_mask(lengths, n_q, n_k), bool, (b, n_q, n_k).

    >>> def longest(lengths, n_q, n_k):
    ...     return _cache_mask(lengths.max().expand(len(lengths)), n_q, n_k)
    >>> check_cache_mask(longest)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: cache_mask: The length of the longest text serves for all....
    """
    CACHE_MASK.check(answer, seed)
