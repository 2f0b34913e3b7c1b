"""What the 72 heads of MiniLM look at, measured over many sentences: chapter 6.

Heads are tensors' axes (layer, head) here, counted from 0; `name` gives them the names of the text, counted from 1.
"""

import math
import random
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from attnbook.data.pronouns import PronounSentence
from attnbook.pretrained import SentenceEncoder

PATTERNS = ("previous", "next", "self", "same word", "[CLS]", "[SEP] and stops")
STOPS = (".", ",", "[SEP]")  # where a sentence or a part of it ends
MOST_TOKENS = 40  # of a sentence that a reader types: more would fit neither the screen nor the patience
ADJECTIVES = ("quiet", "old", "small", "young", "strange", "pretty", "lonely", "famous")
PHRASE_NOUNS = ("farmer", "teacher", "river", "house", "letter", "garden", "window", "child", "ship", "bridge")


@dataclass(frozen=True)
class Reading:
    """One sentence as the model reads it.

    Attributes:
        tokens: n strings, [CLS] first and [SEP] last.
        weights: of all heads, (num_layers, num_heads, n, n).
    """

    tokens: list[str]
    weights: Tensor


def read(model: SentenceEncoder, texts: Sequence[str]) -> list[Reading]:
    """Read texts and keep the weights of every head, the padding cut off.

    Args:
        model: from `load_minilm`.
        texts: the sentences.
    """
    tokens, mask = model.tokenize(texts)
    with torch.no_grad():
        _, layers = model(tokens, mask, need_weights=True)
    weights = torch.stack(layers, dim=1).cpu()  # (b, num_layers, num_heads, n, n)
    readings = []
    for row, encoding in zip(weights, model.tokenizer.encode_batch(list(texts)), strict=True):
        n = sum(encoding.attention_mask)
        readings.append(Reading(encoding.tokens[:n], row[..., :n, :n]))
    return readings


def name(layer: int, head: int) -> str:
    """A head's name, layer and head counted from 1.

    >>> name(0, 2)
    '1.3'
    """
    return f"{layer + 1}.{head + 1}"


def pattern_masks(tokens: list[str]) -> dict[str, Tensor]:
    """For each of PATTERNS the pairs (n, n) that belong to it: True where a token looks at such a place.

    >>> pattern_masks(["[CLS]", "no", ",", "no", "[SEP]"])["same word"][1].tolist()
    [False, False, False, True, False]
    """
    n = len(tokens)
    gap = torch.arange(n)[:, None] - torch.arange(n)  # (n_q, n_k): how far the key stands before the query
    same = torch.tensor([[a == b for b in tokens] for a in tokens])
    column = lambda names: torch.tensor([token in names for token in tokens]).expand(n, n)  # noqa: E731
    masks = (gap == 1, gap == -1, gap == 0, same & (gap != 0), column(("[CLS]",)), column(STOPS))
    return dict(zip(PATTERNS, masks, strict=True))


def shares(readings: Sequence[Reading]) -> dict[str, Tensor]:
    """For each of PATTERNS and each head, the share of a token's weight that goes there, (num_layers, num_heads).

    The mean is over all tokens but [CLS] and [SEP]; for "same word" over those whose word stands twice. The patterns
    overlap: the next token may be a full stop.
    """
    sums = {pattern: torch.zeros(readings[0].weights.shape[:2], dtype=torch.float64) for pattern in PATTERNS}
    counts = dict.fromkeys(PATTERNS, 0)
    for reading in readings:
        for pattern, mask in pattern_masks(reading.tokens).items():
            there = mask[1:-1]  # the queries that count
            asked = there.any(dim=-1) if pattern == "same word" else torch.ones(len(there), dtype=torch.bool)
            weight = (reading.weights[..., 1:-1, :].double() * there).sum(dim=-1)  # (num_layers, num_heads, n - 2)
            sums[pattern] += weight[..., asked].sum(dim=-1)
            counts[pattern] += int(asked.sum())
    return {pattern: sums[pattern] / counts[pattern] for pattern in PATTERNS}


def noun_phrases(num_adjectives: int, seed: int = 0) -> list[str]:
    """Sentences in which so many adjectives stand between a "the" and its noun.

    >>> noun_phrases(2)[0]
    'I remember the lonely famous farmer very well.'
    """
    chance = random.Random(seed)
    phrases = [" ".join([*chance.sample(ADJECTIVES, num_adjectives), noun]) for noun in PHRASE_NOUNS]
    return [f"I remember the {phrase} very well." for phrase in phrases]


def from_the_to(readings: Sequence[Reading], offset: int) -> Tensor:
    """The mean weight of each head from "the" to the token so many places behind it, (num_layers, num_heads)."""
    the = [reading.tokens.index("the") for reading in readings]
    rows = [reading.weights[..., i, i + offset] for reading, i in zip(readings, the, strict=True)]
    return torch.stack(rows).mean(dim=0)


def from_pronoun(readings: Sequence[Reading], sentences: Sequence[PronounSentence]) -> Tensor:
    """Each head's weight from the pronoun to the right noun and to the wrong one, (b, 2, num_layers, num_heads)."""
    rows = []
    for reading, sentence in zip(readings, sentences, strict=True):
        places = [reading.tokens.index(noun) for noun in sentence.nouns]
        row = reading.weights[..., reading.tokens.index(sentence.pronoun), places]  # (num_layers, num_heads, 2)
        rows.append(row[..., [sentence.right, 1 - sentence.right]].movedim(-1, 0))
    return torch.stack(rows)


def best_by_chance(right: int, trials: int, heads: int = 72) -> float:
    """How probable it is that the best of so many heads gets `right` of `trials` or more, if all of them toss coins.

    >>> round(best_by_chance(5, 7), 3), round(best_by_chance(57, 60), 3)
    (1.0, 0.0)
    """
    one = sum(math.comb(trials, k) for k in range(right, trials + 1)) / 2**trials
    return 1 - (1 - one) ** heads
