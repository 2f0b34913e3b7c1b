"""Patterns: masks put together from what sparse models let through, within the pattern explorer's reach."""

from dataclasses import asdict, dataclass
from functools import cache
from typing import Any

import torch
from torch import Tensor

from attnbook import masks
from attnbook._checks import between

LEAST_TOKENS, MOST_TOKENS = 8, 48
SEEDS, MOST_RANDOM = 6, 3


@dataclass(frozen=True)
class Pattern:
    """A sparse mask: whatever its window, its chunks, its global tokens or its random blocks let through.

    Args:
        n: tokens, 8 to 48.
        window: keys on either side, as in `masks.sliding_window`; n - 1 or more is all of them.
        dilation: distance from one key of the window to the next, 1 to 4.
        global_tokens: who sees everyone and is seen by everyone.
        chunks: whether all tokens of a block see one another.
        random: blocks of keys drawn for each block of queries, 0 to 3.
        block: tokens in a block, 2 to 8.
        seed: draws the random blocks, 0 to 5.
        causal: whether the future is hidden.
    Raises:
        ValueError: a number outside its range.
        TypeError: something that is not a whole number or a bool.

    >>> Pattern(8, window=1, global_tokens=(0,), causal=True).mask()[7].int().tolist()
    [1, 0, 0, 0, 0, 0, 1, 1]
    """

    n: int = 32
    window: int = 0
    dilation: int = 1
    global_tokens: tuple[int, ...] = ()
    chunks: bool = False
    random: int = 0
    block: int = 4
    seed: int = 0
    causal: bool = False

    def __post_init__(self) -> None:
        object.__setattr__(self, "global_tokens", tuple(sorted(set(self.global_tokens))))
        ranges = {"n": (LEAST_TOKENS, MOST_TOKENS), "window": (0, MOST_TOKENS - 1), "dilation": (1, 4),
                  "block": (2, 8), "random": (0, MOST_RANDOM), "seed": (0, SEEDS - 1)}  # fmt: skip
        for name, (least, most) in ranges.items():
            whole(name, getattr(self, name), least, most)
        for token in self.global_tokens:
            whole("global_tokens", token, 0, MOST_TOKENS - 1)
        for name in ("chunks", "causal"):
            if not isinstance(getattr(self, name), bool):
                raise TypeError(f"{name} should be True or False, got {getattr(self, name)!r}")

    def sources(self) -> dict[str, Tensor]:
        """The masks that make up the pattern, each (n, n)."""
        block_of = torch.arange(self.n) // self.block
        blocks = -(-self.n // self.block)
        found = {
            "window": masks.sliding_window(self.n, self.window, self.dilation),
            "chunk": (block_of[:, None] == block_of) & self.chunks,
            "global": masks.global_tokens(self.n, [token for token in self.global_tokens if token < self.n]),
            "random": masks.random_blocks(self.n, self.block, min(self.random, blocks), seed=self.seed),
        }
        return {name: mask & masks.causal(self.n) for name, mask in found.items()} if self.causal else found

    def mask(self) -> Tensor:
        """All of them together, bool, (n, n)."""
        return torch.stack(list(self.sources().values())).any(dim=0)

    def links_per_token(self, length: int) -> float:
        """At most how many links a token of a much longer sequence has, on average, with the same settings.

        A global token's own links, one to each token, are counted with those tokens.

        >>> Pattern(window=2, global_tokens=(0,)).links_per_token(4096)  # 2 · 2 + 1 and 2 · 1
        7.0
        """
        keys = -(-length // self.dilation)  # those of a window without end
        local: float
        if self.window < self.n - 1:
            local = self.window + 1 if self.causal else 2 * self.window + 1
        else:
            local = (keys + 1) / 2 if self.causal else keys
        chunk = (self.block - 1) / (1 + self.causal) if self.chunks else 0
        crossroads = (1 if self.causal else 2) * len(self.global_tokens)
        dense = (length + 1) / 2 if self.causal else length
        return float(min(local + chunk + crossroads + self.random * self.block, dense))


# What each is, and how it differs from a mask where each token sees only itself.
PRESETS: dict[str, tuple[str, dict[str, Any]]] = {
    "Dense": ("Every token sees every token: plain attention.", {"window": MOST_TOKENS - 1}),
    "Chunked": ("Each chunk by itself: nothing crosses over.", {"chunks": True, "block": 8}),
    "Sliding window": ("Neighbours only: far tokens are many layers away.", {"window": 2}),
    "Dilated": ("A window with gaps: wider, but some tokens never meet.", {"window": 2, "dilation": 3}),
    "Longformer": ("A window, and a global token through which all meet.", {"window": 2, "global_tokens": (0,)}),
    "BigBird": (
        "A window, global tokens, blocks drawn at random.",
        {"window": 2, "global_tokens": (0, 1), "random": 1, "block": 4},
    ),
    "Mistral": ("A window on the past, for writing left to right.", {"window": 4, "causal": True}),
}


@cache
def draws() -> list[list[str]]:
    """For each seed and each number of blocks from 0 up: the blocks drawn for each block, as digits in base 36.

    JavaScript cannot draw as torch does, so it reads the draws here. Of each block's three, a smaller draw takes the
    first ones. The draw depends on the number of blocks, and not on their size.

    >>> draws()[0][3]  # each of three blocks, in the order in which it sees the others
    '102210102'
    """
    most_blocks = -(-MOST_TOKENS // 2)
    return [[_draw(total, seed) for total in range(most_blocks + 1)] for seed in range(SEEDS)]


def _draw(total: int, seed: int) -> str:
    drawn = masks.draw_blocks(total, min(MOST_RANDOM, total), seed=seed)
    return "".join("0123456789abcdefghijklmnopqrstuvwxyz"[block] for block in drawn.flatten().tolist())


def settings(pattern: Pattern) -> dict:
    """A pattern as JSON holds it.

    >>> settings(Pattern(window=2))["window"]
    2
    """
    return {**asdict(pattern), "global_tokens": list(pattern.global_tokens)}


def read(settings: dict) -> Pattern:
    """The pattern of such settings, as the browser sends them.

    >>> read({"window": 2, "global_tokens": [0]}) == Pattern(window=2, global_tokens=(0,))
    True
    """
    try:
        return Pattern(**settings)
    except TypeError as error:
        raise TypeError(f"pattern should have the settings of a Pattern, got {settings!r}: {error}") from None


def whole(name: str, x: int, least: int, most: int) -> int:
    """x as a whole number from least to most, or an error that says why not.

    >>> whole("layers", 2, 1, 6)
    2
    """
    if not isinstance(x, int):
        raise TypeError(f"{name} should be a whole number, got {x!r}")
    return int(between(name, x, least, most))
