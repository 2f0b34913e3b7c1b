"""The longest text that memory holds: a cache by hand, then caches with windows beside a matrix of weights."""

from collections.abc import Callable
from typing import Any

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# --- By hand: 6 GiB for 24 layers, 16 heads, 4 of keys and values, 64 numbers wide, 2 bytes each ---------------------

TOKENS = by_hand(
    "tokens",
    262_144,
    ("All 16 heads are counted. Keys and values have 4.", 65_536),
    ("This is twice as many: keys *and* values wait, and a number of 16 bits takes two bytes.", 524_288),
    ("This is four times as many: keys *and* values wait, and a number of 16 bits takes two bytes.", 1_048_576),
    ("This is one layer's cache. There are 24.", 6_291_456),
    ("This is half as many: a number of 16 bits takes two bytes.", 131_072),
    ("These are bits for bytes: 16 bits are two bytes.", 32_768),
    ("A GiB is 2³⁰ bytes; a GB would be 10⁹.", 6 * 10**9 / 24_576),
    ("These are the bytes that one token takes. How often do they go into the memory?", 24_576),
)


def check_tokens(answer: Any) -> None:
    """Check how many tokens' keys and values fit into memory.

    >>> check_tokens(65_536)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: tokens: All 16 heads are counted. Keys and values have 4.
    """
    check_numbers(TOKENS, answer)


# --- Some layers have a window; one layer's matrix of weights lies beside the caches ---------------------------------


def _bytes(n: int, full: int, windowed: int, window: int, heads: int, kv_heads: int, d_head: int) -> int:
    kept = full * n + windowed * min(n, window)  # tokens, over all layers
    return 2 * (2 * kv_heads * d_head * kept + heads * n * n)


def _most(needs: Callable[[int], float], memory: int) -> int:
    """The largest n that needs no more than the memory."""
    n = 0
    while needs(n + 1) <= memory:
        n += 1
    return n


def _longest(memory: int, full: int, windowed: int, window: int, heads: int, kv_heads: int, d_head: int) -> int:
    return _most(lambda n: _bytes(n, full, windowed, window, heads, kv_heads, d_head), memory)


def _needs(needs: Callable[..., float]) -> Callable[..., int]:
    """The longest text if it needed other bytes: `needs` is told n and all that `_bytes` is told."""
    return lambda memory, *model: _most(lambda n: needs(n, *model), memory)


def _cache(n: int, full: int, windowed: int, window: int, h: int, g: int, d: int) -> int:
    return _bytes(n, full, windowed, window, 0, g, d)


def _caches_alone(memory: int, full: int, *model: int) -> int:
    # Where all layers have windows, the caches alone would allow a text of any length.
    return _needs(_cache)(memory, full, *model) if full else -1


def _power(memory: int, *model: int) -> int:
    n = 1
    while _bytes(2 * n, *model) <= memory:
        n *= 2
    return n


def _longest_cases(draw: Draw) -> list[Case]:
    full, windowed, kv_heads, shared, d_head = draw.sizes(5, least=3)
    windowed, d_head = windowed + 8, 8 * d_head
    model = (full, windowed, 40, kv_heads * shared, kv_heads, d_head)
    exact = _bytes(150, *model)
    return [
        Case("", (_bytes(190, *model) + 57, *model)),
        Case("with a text that fits to the byte", (exact, *model), "What fits to the last byte does fit."),
        Case("with one byte less", (exact - 1, *model), "Then the last token no longer fits."),
        Case("with a text shorter than the window", (_bytes(29, *model) + 5, *model),
             "A text shorter than the window does not fill it."),
        Case("with no full layer", (_bytes(170, 0, *model[1:]) + 9, 0, *model[1:]),
             "All layers may have windows: then the matrix of weights is what grows."),
        Case("with too little memory", (7, *model), "If no token fits, it is 0."),
    ]  # fmt: skip


LONGEST = Task(
    "longest",
    _longest,
    _longest_cases,
    (
        Mistake("One too many: this is the shortest text that does *not* fit.", lambda *x: _longest(*x) + 1),
        Mistake("One too few: a text that needs as much as there is fits.",
                lambda memory, *model: max(_longest(memory - 1, *model), 0)),
        Mistake("One too few: there is room for one more token.", lambda *x: max(_longest(*x) - 1, 0)),
        Mistake("The windows change nothing here: all layers keep the whole text.",
                _needs(lambda n, full, win, w, *x: _bytes(n, full + win, 0, w, *x))),
        Mistake("Layers with a window are not counted: they keep something, too.",
                _needs(lambda n, full, win, w, *x: _bytes(n, full, 0, w, *x))),
        Mistake("All layers have a window here. Some keep the whole text.",
                _needs(lambda n, full, win, w, *x: _bytes(n, 0, full + win, w, *x))),
        Mistake("The two kinds of layers have changed places.",
                _needs(lambda n, full, win, w, *x: _bytes(n, win, full, w, *x))),
        Mistake("A window is counted in full even where the text is shorter.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, 0, w, h, g, d) + 4 * g * d * win * w)),
        Mistake("The matrix of weights is missing: this is what the caches alone would allow.", _caches_alone),
        Mistake("The caches are missing: this is what the matrix of weights alone would allow.",
                _needs(lambda n, full, win, w, h, g, d: 2 * h * n * n)),
        Mistake("A matrix of weights is counted for every layer. One layer is computed at a time.",
                _needs(lambda n, full, win, w, h, g, d: (
                    _cache(n, full, win, w, h, g, d) + 2 * h * n * n * (full + win)))),
        Mistake("One head's matrix of weights is counted. All heads of the layer compute theirs together.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, win, w, 1, g, d))),
        Mistake("The matrix of weights has as many heads as there are of queries, not of keys.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, win, w, g, g, d))),
        Mistake("The caches have as many heads as there are of keys, not of queries.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, win, w, h, h, d))),
        Mistake("One head's cache is counted. There are kv_heads.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, win, w, h, 1, d))),
        Mistake("Keys alone are counted. Values wait, too.",
                _needs(lambda n, full, win, w, h, g, d: _cache(n, full, win, w, h, g, d) / 2 + 2 * h * n * n)),
        Mistake("Numbers were taken for bytes: each has two.",
                lambda memory, *model: _longest(2 * memory, *model)),
        Mistake("Four bytes a number are counted; here each has two.",
                lambda memory, *model: _longest(memory // 2, *model)),
        Mistake("Only powers of two were tried: between the last that fits and the next there is room.", _power),
        Mistake("The matrix of weights ends at the window here. The model computes all pairs, and hides some.",
                _needs(lambda n, full, win, w, h, g, d: (
                    _cache(n, full, win, w, h, g, d) + 2 * h * n * min(n, w)))),
        Mistake("The matrix of weights was counted with d_head numbers a pair. A weight is one number.",
                _needs(lambda n, full, win, w, h, g, d: _bytes(n, full, win, w, h * d, g, d))),
    ),
    returns=("the length",),
)  # fmt: skip


def check_longest(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the longest text: longest(memory, full, windowed, window, heads, kv_heads, d_head).

    >>> check_longest(lambda *x: _longest(*x) + 1)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: longest: One too many: this is the shortest text that does *not* fit....
    """
    LONGEST.check(answer, seed)
