"""The fading memory: what the last state of the smallest recurrent reader still holds of each word."""

from matplotlib.figure import Figure
from matplotlib.ticker import PercentFormatter
from traitlets import Bool, Float, Int, List, Unicode, validate

from attnbook._checks import between
from attnbook.explorers.explorer import Explorer, widget_code, widget_style
from attnbook.plots import QUIET, weight_bars

LEAST_KEPT, MOST_KEPT = 0.05, 0.95  # the ends of the slider
MOST_WORDS = 12
# 305,678,901: any shorter sentence is its beginning.
SENTENCE = ("three", "hundred", "five", "million", "six", "hundred", "seventy", "eight", "thousand", "nine", "hundred",
            "one")  # fmt: skip


class FadingMemoryExplorer(Explorer):
    """Lengthen the sentence, let the reader keep more or less, and see what is left of each word in its last state.

        h_j = keep · h_{j-1} + (1 − keep) · x_j,  h_0 = 0        share_j = (1 − keep) · keep^(n − j)

    Both ways, a second reader comes from the other end, and each has half of the state: a word has the mean of its
    two shares. What no word has, keep^n, is still the empty state that the reader began with.

    Args:
        words: how many words of the sentence are read, n.
        keep: the part of the old state that stays at each word, from 0.05 to 0.95.
        both_ways: whether a second reader comes from the end.
        sentence: 2 to 12 words.
    Raises:
        ValueError: a number outside its range, or a sentence that is too short or too long.
        TypeError: something that is not a number, a bool or strings.

    >>> FadingMemoryExplorer(words=3, keep=0.5).shares()
    [0.125, 0.25, 0.5]
    """

    words = Int().tag(sync=True)
    keep = Float().tag(sync=True)
    both_ways = Bool().tag(sync=True)
    sentence = List(Unicode()).tag(sync=True)

    name = "fading_memory_explorer"
    caption = "What the last state of the smallest recurrent reader holds of each word: only its place decides."
    _esm = widget_code(name)
    _css = widget_style(name)

    def __init__(
        self, words: int = 3, keep: float = 0.5, both_ways: bool = False, sentence: tuple[str, ...] = SENTENCE
    ) -> None:
        if not isinstance(both_ways, bool):
            raise TypeError(f"both_ways should be True or False, got {both_ways!r}")
        chosen = _sentence(sentence)
        super().__init__(words=_words(words, chosen), keep=_keep(keep), both_ways=both_ways, sentence=chosen)

    @validate("words")
    def _check_words(self, proposal: dict) -> int:
        return _words(proposal["value"], self.sentence)

    @validate("keep")
    def _check_keep(self, proposal: dict) -> float:
        return _keep(proposal["value"])

    @validate("sentence")
    def _check_sentence(self, proposal: dict) -> list[str]:
        sentence = _sentence(proposal["value"])
        _words(self.words, sentence)
        return sentence

    def shares(self) -> list[float]:
        """Each word's share of the last state. What is missing from 1 is still the empty state before the first."""
        shares = [(1 - self.keep) * self.keep**behind for behind in reversed(range(self.words))]
        if self.both_ways:  # to the reader from the end, the last word comes first
            return [(forward + backward) / 2 for forward, backward in zip(shares, reversed(shares), strict=True)]
        return shares

    def draw(self) -> Figure:
        figure = Figure(figsize=(7.2, 1.3 + 0.32 * (self.words + 1)), layout="constrained", facecolor="white")
        labels = [*self.sentence[: self.words], "empty start"]
        ax = weight_bars([*self.shares(), self.keep**self.words], labels, figure.subplots(), number=percent)
        ax.patches[-1].set_color(QUIET)  # it is no word
        ax.set_title(f"What is left of each word, read {self._ways}")
        ax.set_xlabel(f"share of the state, keep = {self.keep:g}")
        ax.xaxis.set_major_formatter(PercentFormatter(1))
        return figure

    def describe(self) -> str:
        words = zip(self.sentence, self.shares(), strict=False)
        return (
            f"Bars of what is left of each word in the last state of a reader that keeps {self.keep:g} of its state at "
            f"each word, and reads {self._ways}: {', '.join(f'{word} {percent(share)}' for word, share in words)}. "
            f"The empty start still has {percent(self.keep**self.words)}."
        )

    @property
    def _ways(self) -> str:
        return "both ways" if self.both_ways else "one way"

    def __repr__(self) -> str:
        return f"FadingMemoryExplorer(words={self.words}, keep={self.keep:g}, both_ways={self.both_ways})"


def percent(share: float) -> str:
    """A share in percent, with two decimals at most: 50%, 12.5%, 3.13%, < 0.01%. The JavaScript writes it likewise.

    >>> [percent(share) for share in (0.5, 0.125, 0.03125, 0.00001)]
    ['50%', '12.5%', '3.13%', '< 0.01%']
    """
    if share < 0.00005:
        return "< 0.01%"
    # A little more than 3.125 rounds up to 3.13 everywhere; the tie itself would round down here and up in JavaScript.
    return f"{100 * share + 1e-9:.2f}".rstrip("0").rstrip(".") + "%"


def _words(words: int, sentence: list[str]) -> int:
    if not isinstance(words, int):
        raise TypeError(f"words should be a whole number, got {words!r}")
    return int(between("words", words, 1, len(sentence)))


def _keep(keep: float) -> float:
    return between("keep", keep, LEAST_KEPT, MOST_KEPT)


def _sentence(sentence: tuple[str, ...]) -> list[str]:
    if isinstance(sentence, str) or not all(isinstance(word, str) for word in sentence):
        raise TypeError(f"sentence should be a tuple or list of words, got {sentence!r}")
    if not 2 <= len(sentence) <= MOST_WORDS:
        raise ValueError(f"sentence should have 2 to {MOST_WORDS} words, got {len(sentence)}: {list(sentence)}")
    return list(sentence)
