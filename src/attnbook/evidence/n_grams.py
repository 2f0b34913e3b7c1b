"""Counting in place of learning: the yardsticks beside which a language model's bits per character mean something.

An n-gram model knows how often each character followed each n - 1 characters. Compressors are predictors too: what
they can foresee, they need not store.
"""

import bz2
import lzma
import math
from collections import Counter, defaultdict
from collections.abc import Callable

from attnbook._checks import check_count

Counts = dict[str, Counter[str]]  # context -> how often each character followed it


class NGrams:
    """Predict a character from the n - 1 before it, by interpolated Kneser-Ney smoothing.

        p(c | context) = (count(c) - D(count(c))) / total + (what the discounts took) / total · p(c | shorter context)

    The shorter contexts do not count how often c followed, but after how many *different* characters: after "lamb" or
    after "a" alone? Discounts are estimated for counts of 1, 2, and 3 or more. Below the single character lies the
    uniform distribution.

    Args:
        text: to count in.
        n: characters in a pattern, the predicted one included.
        alphabet: all characters that may come.
    Raises:
        ValueError: n is below 1, or the text has a character outside the alphabet or is shorter than n.
    Cost: O(len(text) · n) time and memory.
    Source: Kneser and Ney (1995); three discounts: Chen and Goodman (1999), section 3.

    >>> model = NGrams("abababac" * 9, n=3, alphabet="abc")
    >>> round(sum(model.probability("ba", c) for c in "abc"), 9)
    1.0
    >>> model.probability("ab", "a") > 0.9
    True
    """

    def __init__(self, text: str, n: int, alphabet: str) -> None:
        check_count("n", n)
        if strange := sorted(set(text) - set(alphabet)):
            raise ValueError(f"the alphabet should hold every character of the text, but not {''.join(strange)!r}")
        if len(text) < n:
            raise ValueError(f"the text should have at least n = {n} characters, got {len(text)}")
        self.n, self.alphabet = n, alphabet
        patterns = Counter(text[i : i + n] for i in range(len(text) - n + 1))
        self._levels: list[tuple[Counts, list[float]]] = []  # the longest context first
        for _ in range(n):
            self._levels.append((_by_context(patterns), _discounts(patterns)))
            patterns = Counter(pattern[1:] for pattern in patterns)  # each different pattern once
        self._levels.reverse()

    def probability(self, context: str, character: str) -> float:
        """How likely the character is after the context, of which the last n - 1 characters count."""
        p = 1 / len(self.alphabet)
        for length, (counts, discounts) in enumerate(self._levels):
            followers = counts.get(context[len(context) - length :]) if length <= len(context) else None
            if followers is None:
                break  # nor can any longer context have been seen
            taken = sum(discounts[min(count, 3)] for count in followers.values())
            count = followers[character]
            p = (count - discounts[min(count, 3)] + taken * p) / followers.total()
        return p

    def bits_per_character(self, text: str) -> float:
        """The mean surprise at each character, -log2 of its probability after all that come before it."""
        surprises = (math.log2(self.probability(text[max(0, i - self.n + 1) : i], c)) for i, c in enumerate(text))
        return -sum(surprises) / len(text)


def _by_context(patterns: Counter[str]) -> Counts:
    counts: Counts = defaultdict(Counter)
    for pattern, count in patterns.items():
        counts[pattern[:-1]][pattern[-1]] += count
    return dict(counts)


def _discounts(patterns: Counter[str]) -> list[float]:
    # D(0) = 0, and D(r) = r - (r + 1) · Y · n_{r+1} / n_r with Y = n_1 / (n_1 + 2 n_2), where n_r patterns occur r
    # times (Chen and Goodman, eq. 17). In a small text an n_r may be 0, or a D too small to leave anything for the
    # characters that never followed; then 1/2 or 1/10 will do.
    times = Counter(patterns.values())
    if not times[1] or not times[2]:
        return [0.0, 0.5, 0.5, 0.5]
    y = times[1] / (times[1] + 2 * times[2])
    each = [r - (r + 1) * y * times[r + 1] / times[r] if times[r] else 0.5 for r in (1, 2, 3)]
    return [0.0, *(max(discount, 0.1) for discount in each)]


def compressed_bits(train: str, test: str, compress: Callable[[bytes], bytes]) -> float:
    """Bits that a compressor adds for each character of `test` when it has just read `train`.

    >>> compressed_bits("abc" * 99, "abc" * 99, bz2.compress) < 0.5
    True
    """
    both, first = (len(compress(text.encode())) for text in (train + test, train))
    return 8 * (both - first) / len(test)


COMPRESSORS: dict[str, Callable[[bytes], bytes]] = {
    "bz2": bz2.compress,
    "xz": lambda data: lzma.compress(data, preset=9 | lzma.PRESET_EXTREME),
}
