"""A vocabulary: which number stands for which token."""

from collections.abc import Iterable, Sequence

import torch
from torch import Tensor

PAD, START, END = "<pad>", "<start>", "<end>"


class Vocabulary:
    """Number the tokens: 0 pads, 1 starts and 2 ends a sequence, and the others follow in alphabetical order.

    Args:
        tokens: strings, in any order and number.

    >>> vocabulary = Vocabulary(["two", "one", "two"])
    >>> vocabulary.encode([["one", "two"], ["two"]])
    tensor([[3, 4],
            [4, 0]])
    >>> vocabulary.decode([4, 3, 2, 2])
    ['two', 'one']
    """

    pad, start, end = 0, 1, 2

    def __init__(self, tokens: Iterable[str]) -> None:
        self.tokens = [PAD, START, END, *sorted(set(tokens))]
        self._number = {token: number for number, token in enumerate(self.tokens)}

    def __len__(self) -> int:
        return len(self.tokens)

    def encode(self, sequences: Sequence[Sequence[str]], *, frame: bool = False) -> Tensor:
        """Token numbers (b, n) of b sequences, short ones padded at their right; `frame` adds start and end.

        Raises:
            ValueError: a token is not in the vocabulary; the message names it.
        """
        unknown = {token for sequence in sequences for token in sequence} - self._number.keys()
        if unknown:
            raise ValueError(f"not in the vocabulary of {len(self)} tokens: {', '.join(sorted(unknown))}")
        rows = [[self._number[token] for token in sequence] for sequence in sequences]
        if frame:
            rows = [[self.start, *row, self.end] for row in rows]
        width = max(map(len, rows), default=0)
        padded = [row + [self.pad] * (width - len(row)) for row in rows]
        return torch.tensor(padded, dtype=torch.long).reshape(len(rows), width)

    def decode(self, numbers: Iterable[int]) -> list[str]:
        """The tokens up to the first end, without start and padding."""
        tokens = []
        for number in numbers:
            if number == self.end:
                break
            if number not in (self.pad, self.start):
                tokens.append(self.tokens[number])
        return tokens
