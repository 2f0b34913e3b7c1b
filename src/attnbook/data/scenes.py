"""Scenes: nine handwritten digits on a grid, no two alike, and short questions about them whose answers are known.

    what | left of | 7        where | is | 7        what | at | top left

A question has three words. The first kind goes two ways at once, from a name to a place and from there to the
neighbour; the others go one way each, and a model can learn the parts from them. A quarter of the pairs of a relation
and a digit are never asked in training (*composition*): each word of them is known, and together they are new. Scenes
for testing are written with digits that no scene for training has.
"""

from collections.abc import Sequence
from functools import cache
from typing import NamedTuple

import torch
from torch import Tensor

from attnbook._checks import check_count
from attnbook.data.digits import digits, split

SIDE, CELL = 3, 8  # cells along a scene's side, pixels along a cell's
CELLS, DIGITS = SIDE**2, 10
PLACES = tuple(f"{row} {column}" for row in ("top", "middle", "bottom") for column in ("left", "centre", "right"))
STEPS = {"left of": (0, -1), "right of": (0, 1), "above": (-1, 0), "below": (1, 0)}  # rows down, columns right
RELATIONS = tuple(STEPS)
NAMES = tuple(map(str, range(DIGITS)))
WORDS = ("what", "where", "is", "at", *RELATIONS, *NAMES, *PLACES)
ANSWERS = (*NAMES, *PLACES)
LENGTH = 3  # words of a question
KINDS = ("relation", "unseen", "where", "what")


class Scenes(NamedTuple):
    """Pictures, questions and what is true of them. `asked` and `found` are cells, counted by rows from the top left.

    images (b, 1, 24, 24); names (b, 9), each cell's digit; questions (b, q, 3); answers (b, q), numbers in ANSWERS;
    asked (b, q), the cell that the question names; found (b, q), the cell of the answer.

    >>> draw(torch.Generator().manual_seed(0), 2, ["where"]).names.shape
    torch.Size([2, 9])
    """

    images: Tensor
    names: Tensor
    questions: Tensor
    answers: Tensor
    asked: Tensor
    found: Tensor


def unseen(relation: int, digit: int) -> bool:
    """Whether this pair never stands in a training question: one relation of each digit, by turns.

    >>> [digit for digit in range(DIGITS) if unseen(RELATIONS.index("left of"), digit)]
    [0, 4, 8]
    """
    return digit % len(RELATIONS) == relation


def draw(generator: torch.Generator, size: int, kinds: Sequence[str], *, test: bool = False) -> Scenes:
    """Draw scenes, and for each a question of each kind.

    Args:
        generator: on the CPU; all chance comes from it.
        size: how many scenes, b.
        kinds: "relation" (what left of 7), "unseen" (the same, of pairs kept from training), "where" or "what".
        test: whether to write with the digits that are kept for testing.
    Raises:
        ValueError: a kind is none of these, or there is none.

    >>> scenes = draw(torch.Generator().manual_seed(0), 1, ["relation", "where", "what"])
    >>> scenes.names.view(3, 3).tolist()
    [[7, 1, 5], [9, 0, 6], [8, 4, 3]]
    >>> for question, answer in zip(scenes.questions[0], scenes.answers[0]):
    ...     print(spell(question), "?", ANSWERS[answer])
    what right of 8 ? 4
    where is 5 ? top right
    what at top right ? 5
    """
    check_count("size", size)
    if not kinds or set(kinds) - set(KINDS):
        raise ValueError(f"kinds should be some of {', '.join(KINDS)}, got {list(kinds)}")
    names = torch.rand(size, DIGITS, generator=generator).topk(CELLS, dim=1).indices
    asked = torch.empty(size, len(kinds), dtype=torch.long)
    questions, found = torch.empty(size, len(kinds), LENGTH, dtype=torch.long), torch.empty_like(asked)
    for i, kind in enumerate(kinds):
        if kind in ("relation", "unseen"):
            asked[:, i], relation, found[:, i] = _related(generator, names, new=kind == "unseen")
            middle = WORDS.index(RELATIONS[0]) + relation
        else:
            asked[:, i] = found[:, i] = torch.randint(CELLS, (size,), generator=generator)
            middle = torch.full((size,), WORDS.index("is" if kind == "where" else "at"))
        first = torch.full((size,), WORDS.index("where" if kind == "where" else "what"))
        name = names.gather(1, asked[:, i : i + 1])[:, 0]
        last = WORDS.index(PLACES[0]) + asked[:, i] if kind == "what" else WORDS.index(NAMES[0]) + name
        questions[:, i] = torch.stack([first, middle, last], dim=-1)
    answers = torch.where(questions[..., 0] == WORDS.index("where"), DIGITS + found, names.gather(1, found))
    return Scenes(paint(generator, names, test=test), names, questions, answers, asked, found)


def paint(generator: torch.Generator, names: Tensor, *, test: bool = False) -> Tensor:
    """Write the digits names (b, 9) into scenes (b, 1, 24, 24), each time in a handwriting drawn by lot.

    >>> paint(torch.Generator().manual_seed(0), torch.arange(9)[None]).shape
    torch.Size([1, 1, 24, 24])
    """
    bank, sizes = _bank(test)
    lot = (torch.rand(names.shape, generator=generator) * sizes[names]).long()
    cells = bank[names, lot].unflatten(1, (SIDE, SIDE))  # (b, rows, columns, 8, 8)
    return cells.transpose(2, 3).flatten(3).flatten(1, 2).unsqueeze(1)  # (b, 1, rows · 8, columns · 8)


def neighbour(cell: int, relation: str) -> int | None:
    """The cell that lies so to a cell, or None beyond the edge.

    >>> neighbour(4, "left of"), neighbour(0, "above")
    (3, None)
    """
    (row, column), (down, right) = divmod(cell, SIDE), STEPS[relation]
    row, column = row + down, column + right
    return row * SIDE + column if 0 <= row < SIDE and 0 <= column < SIDE else None


def spell(question: Tensor) -> str:
    """A question (3,) in words.

    >>> spell(torch.tensor([WORDS.index(word) for word in ("what", "left of", "7")]))
    'what left of 7'
    """
    return " ".join(WORDS[word] for word in question.tolist())


def _related(generator: torch.Generator, names: Tensor, *, new: bool) -> tuple[Tensor, Tensor, Tensor]:
    # All pairs of neighbours, then for each scene one of those whose words are (or are not) kept from training. Every
    # scene has pairs of both sorts.
    pairs = torch.tensor([(cell, i, there) for cell in range(CELLS) for i, relation in enumerate(RELATIONS)
                          if (there := neighbour(cell, relation)) is not None])  # fmt: skip
    kept = torch.tensor([[unseen(i, digit) for digit in range(DIGITS)] for i in range(len(RELATIONS))])
    fits = kept[pairs[:, 1], names[:, pairs[:, 0]]] == new  # (b, pairs)
    chosen = pairs[torch.multinomial(fits.float(), 1, generator=generator)[:, 0]]
    return chosen[:, 0], chosen[:, 1], chosen[:, 2]


@cache
def _bank(test: bool) -> tuple[Tensor, Tensor]:
    """Handwritten digits by name, (10, most, 8, 8), and how many of each there are."""
    images, labels = digits()
    part = split(labels)[1 if test else 0]
    by_name = [images[part][labels[part] == digit] for digit in range(DIGITS)]
    return torch.nn.utils.rnn.pad_sequence(by_name, batch_first=True), torch.tensor([len(one) for one in by_name])
