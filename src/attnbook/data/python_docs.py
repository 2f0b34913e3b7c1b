"""Python's own documentation: a real text that every Python carries, to train a language model on.

It is what `help("lambda")` prints, 79 topics in the module `pydoc_data.topics`. Long topics repeat short ones whole:
"compound" contains "while". So a paragraph counts only where it is met first, from the longest topic to the shortest,
and some topics are left empty. The text differs a little between versions of Python.
"""

import re
from dataclasses import dataclass
from functools import cache
from pydoc_data.topics import topics

import torch
from torch import Tensor

from attnbook._checks import check_count

HELD_OUT = ("calls", "comparisons", "execmodel", "global", "objects", "slicings")  # topics that no model is trained on
UNKNOWN = "\N{REPLACEMENT CHARACTER}"
CHARACTERS = UNKNOWN + "\n" + "".join(map(chr, range(32, 127)))  # fixed, so that a trained model fits every Python
_PLAIN = str.maketrans({"‘": "'", "’": "'", "“": '"', "”": '"', "–": "-", "—": "-", "…": "..."})
_NUMBER = {character: number for number, character in enumerate(CHARACTERS)}


@dataclass(frozen=True)
class PythonDocs:
    """The text, split by topic.

    Args:
        train: the topics to train on, one after the other.
        test: the topics that are held out. No paragraph of theirs stands in `train`.

    >>> docs = PythonDocs(train="The if statement", test="The while statement")
    >>> docs.test
    'The while statement'
    """

    train: str
    test: str


@cache
def load() -> PythonDocs:
    """Python's documentation, each paragraph once, with held-out topics.

    >>> docs = load()
    >>> 300_000 < len(docs.train) < 450_000, 20_000 < len(docs.test) < 60_000
    (True, True)
    """
    kept, seen = {}, set()
    for name in sorted(topics, key=lambda name: (-len(topics[name]), name)):
        paragraphs = []
        for paragraph in re.split(r"\n\s*\n", topics[name].translate(_PLAIN).strip("\n")):
            words = " ".join(paragraph.split())  # as it stands elsewhere, however it is indented
            if words and words not in seen:
                paragraphs.append(paragraph)
                seen.add(words)
        kept[name] = "\n\n".join(paragraphs) + "\n\n\n" if paragraphs else ""
    test = "".join(kept[name] for name in HELD_OUT if name in kept)
    return PythonDocs("".join(kept[name] for name in sorted(kept.keys() - set(HELD_OUT))), test)


def encode(text: str) -> Tensor:
    """The text's characters as numbers, int64, (n,); 0 for one that is not among CHARACTERS.

    >>> encode("a\\nb")
    tensor([67,  1, 68])
    >>> decode(encode("naïve"))
    'na�ve'
    """
    return torch.tensor([_NUMBER.get(character, 0) for character in text], dtype=torch.long)


def decode(tokens: Tensor) -> str:
    """The text that numbers (n,) stand for.

    Raises:
        ValueError: tokens has more than one axis.

    >>> decode(encode("def f():"))
    'def f():'
    """
    if tokens.dim() != 1:
        raise ValueError(f"tokens should have shape (n,), got {tuple(tokens.shape)}: decode one text at a time")
    return "".join(CHARACTERS[number] for number in tokens.tolist())


def windows(text: Tensor, n: int, generator: torch.Generator, size: int) -> Tensor:
    """Draw pieces of a text at random places.

    Args:
        text: tokens, (length,).
        n: tokens in each piece.
        generator: on the CPU; draws where they begin.
        size: how many, b.
    Returns:
        tokens, (b, n).
    Raises:
        ValueError: n or size is below 1, or the text is shorter than n.

    >>> windows(encode("abc"), 3, torch.Generator(), size=2)
    tensor([[67, 68, 69],
            [67, 68, 69]])
    """
    check_count("n", n)
    check_count("size", size)
    if len(text) < n:
        raise ValueError(f"the text should have at least n = {n} tokens, got {len(text)}")
    starts = torch.randint(len(text) - n + 1, (size,), generator=generator)
    return text[starts[:, None] + torch.arange(n)]
