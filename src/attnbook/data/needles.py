"""Needles in a haystack: a question at the end of a long sequence, and its answer somewhere far before.

A token is a card with two fields, a name and a content. Most cards are hay, with nothing on them to learn. A few are
needles: the card "name 7, content 12" is the answer to the question "name 7?" at the end. All needles look alike but
for their names, so a reader must compare names, and finding "the needle" is not enough.

    blanks (32)  |  hay, with the needles at random places  |  questions (32)

The blanks carry nothing, and no two are the same. A method may use them as crossroads (`masks.global_tokens`).
"""

import torch
from torch import Tensor

from attnbook._checks import check_count

NAMES = 32  # of needles
KINDS_OF_HAY = 32
CONTENTS = 16
BLANKS = 32  # how many stand at the front
QUESTIONS = 32  # how many stand at the end

# The numbers of a name: those of needles, then of hay, then of blanks. Those of a content: the answers, then these.
NUM_NAMES = NAMES + KINDS_OF_HAY + BLANKS
NOTHING, ASKED = CONTENTS, CONTENTS + 1
NUM_CONTENTS = CONTENTS + 2


def draw(generator: torch.Generator, size: int, n: int, needles: int = NAMES) -> tuple[Tensor, Tensor, Tensor]:
    """Draw haystacks with their questions and answers.

    Args:
        generator: on the CPU; all chance comes from it.
        size: how many haystacks, b.
        n: tokens in each, blanks and questions included.
        needles: how many needles each has, 1 to NAMES, with different names. The others are distractors for a question.
    Returns:
        tokens, int64, (b, n, 2): the numbers of name and content.
        answers, int64, (b, QUESTIONS): what each question asks for. With fewer needles than questions, questions recur.
        places, int64, (b, QUESTIONS): where the needle of each question stands.
    Raises:
        ValueError: there are more needles than names, or n is too short to hold them.

    >>> tokens, answers, places = draw(torch.Generator().manual_seed(0), size=3, n=128)
    >>> tokens.shape, answers.shape, places.shape
    (torch.Size([3, 128, 2]), torch.Size([3, 32]), torch.Size([3, 32]))
    >>> spell(tokens[0, places[0, 0]]), spell(tokens[0, -32])  # a needle and its question
    ('1=11', '1=?')
    """
    check_count("size", size)
    check_count("needles", needles)
    if needles > NAMES:
        raise ValueError(f"needles should be at most the {NAMES} names, for no two have the same; got {needles}")
    if n < BLANKS + needles + QUESTIONS:
        raise ValueError(f"n should be at least {BLANKS} blanks + {needles} needles + {QUESTIONS} questions, got {n}")
    name = NAMES + torch.randint(KINDS_OF_HAY, (size, n), generator=generator)
    content = torch.full((size, n), NOTHING)
    name[:, :BLANKS] = NAMES + KINDS_OF_HAY + torch.arange(BLANKS)

    names = _draw_different(generator, size, NAMES, needles)
    places = BLANKS + _draw_different(generator, size, n - BLANKS - QUESTIONS, needles)
    answers = torch.randint(CONTENTS, (size, needles), generator=generator)
    name.scatter_(1, places, names)
    content.scatter_(1, places, answers)

    asked = torch.arange(QUESTIONS) % needles
    name[:, -QUESTIONS:] = names[:, asked]
    content[:, -QUESTIONS:] = ASKED
    return torch.stack([name, content], dim=-1), answers[:, asked], places[:, asked]


def distances(places: Tensor, n: int) -> Tensor:
    """How far each question stands from its needle, (b, QUESTIONS), in a sequence of n tokens.

    >>> distances(torch.full((1, QUESTIONS), 90), 128)[0, :3]
    tensor([6, 7, 8])
    """
    return n - QUESTIONS + torch.arange(QUESTIONS, device=places.device) - places


def spell(token: Tensor) -> str:
    """A card in words: a needle 7=12, a question 7=?, hay "." and a blank "_".

    >>> spell(torch.tensor([7, 12])), spell(torch.tensor([7, ASKED])), spell(torch.tensor([NAMES, NOTHING]))
    ('7=12', '7=?', '.')
    """
    name, content = token.tolist()
    if name >= NAMES:
        return "." if name < NAMES + KINDS_OF_HAY else "_"
    return f"{name}=?" if content == ASKED else f"{name}={content}"


def _draw_different(generator: torch.Generator, size: int, number: int, count: int) -> Tensor:
    """For each of `size` rows, `count` different whole numbers below `number`, in random order."""
    return torch.rand(size, number, generator=generator).topk(count, dim=1).indices
