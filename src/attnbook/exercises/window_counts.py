"""A window by hand: the pairs that it opens, and the layers that news needs to cross the whole text."""

import math
from typing import Any

from attnbook.exercises._varied import Sheet, Varied

# --- Pairs: a window of w = 4 on both sides, n = 30 tokens -----------------------------------------------------------


def _pairs(n: int, w: int) -> int:
    """Whole windows, less the places that stick out at the two borders: 1 + 2 + ... + w at each."""
    return n * (2 * w + 1) - w * (w + 1)


WINDOW_PAIRS = Varied(
    "window_pairs",
    Sheet(
        (30, 4),
        lambda draw: (draw.randint(25, 60), draw.choice([4, 6, 8])),
        lambda n, w: [
            f"Each of {n} tokens sees itself and {w} tokens on either side, as far as there are any. How many of the "
            f"{n * n:,} pairs"
        ],
    ),
    _pairs,
    ("Here every window is whole. The first token has no left side.", lambda n, w: n * (2 * w + 1)),
    ("The pairs of a token with itself are missing. A token sees itself.", lambda n, w: _pairs(n, w) - n),
    ("Every window is whole here, and no token sees itself.", lambda n, w: 2 * n * w),
    ("This is a window on one side alone.", lambda n, w: (_pairs(n, w) + n) // 2),
    ("One border is cut off. There are two.", lambda n, w: n * (2 * w + 1) - w * (w + 1) // 2),
    ("Too much is taken off at the borders: there the first token lacks w places, the next one w − 1, and so on.",
     lambda n, w: n * (2 * w + 1) - 2 * w * w),
    ("The borders are taken off twice.", lambda n, w: n * (2 * w + 1) - 2 * w * (w + 1)),
    ("Too little is taken off at the borders: only the outermost token is cut at each. Its neighbours lack some, too.",
     lambda n, w: n * (2 * w + 1) - 2 * w),
    ("Off by one: each border lacks 1 + 2 + ... + w places. The last summand is missing.",
     lambda n, w: n * (2 * w + 1) - w * (w - 1)),
    ("These are the tokens with a whole window. Those at the borders see fewer, but they see some.",
     lambda n, w: (n - 2 * w) * (2 * w + 1)),
    ("This is half the window: w counts one side.", lambda n, w: _pairs(n, w // 2)),
    ("These are the pairs that are hidden.", lambda n, w: n * n - _pairs(n, w)),
    ("Nothing is hidden here.", lambda n, w: n * n),
)  # fmt: skip

# --- Layers: from token 0 to token n - 1 -----------------------------------------------------------------------------


def _layers(n: int, step: float) -> int:
    return math.ceil((n - 1) / step)


WINDOW_LAYERS = Varied(
    "window_layers",
    Sheet(
        (500, 16),
        lambda draw: (draw.randint(300, 900), draw.choice([12, 16, 20, 24])),
        lambda n, w: [f"Another text has {n} tokens, and each layer a window of {w} on either side."],
    ),
    _layers,
    ("One layer too few: what is left over when the division stops needs a layer too.", lambda n, w: (n - 1) // w),
    ("One layer too many.", lambda n, w: _layers(n, w) + 1),
    ("This is the quotient. Layers are whole.", lambda n, w: (n - 1) / w),
    ("This is the quotient, and of a token too many: from the first to the last there are n − 1 steps.",
     lambda n, w: n / w),
    ("News travels on one side of the window alone, here it travels on both: each layer brings it half as far.",
     lambda n, w: _layers(n, 2 * w + 1)),
    ("News travels on one side of the window alone, here it travels on both: each layer brings it half as far.",
     lambda n, w: _layers(n, 2 * w)),
    ("News comes further in a layer: w tokens on a side, and the token itself does not count among them.",
     lambda n, w: _layers(n, w - 1)),
    ("The reach grows by the same number of tokens in each layer. It does not double.",
     lambda n, w: 1 + math.ceil(math.log2((n - 1) / w))),
    ("This is one step for each token. A layer carries news further than to the neighbour.", lambda n, w: n - 1),
    ("This is one step for each token, and one more. A layer carries news further.", lambda n, w: n),
)  # fmt: skip


def check_window_pairs(answer: Any, variant: int = 0) -> None:
    """Check the number of pairs that a window on both sides opens.

    >>> check_window_pairs(270)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: window_pairs: Here every window is whole. The first token has no left side.
    """
    WINDOW_PAIRS.check(answer, variant)


def check_window_layers(answer: Any, variant: int = 0) -> None:
    """Check the number of layers that news needs from the first token to the last.

    >>> check_window_layers(499)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: window_layers: This is one step for each token. A layer carries news further than \
to the neighbour.
    """
    WINDOW_LAYERS.check(answer, variant)
