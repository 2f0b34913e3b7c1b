"""Readers that keep one state: the halving reader of chapter 1, step by step and as a table of weights."""

import random
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.exercises._varied import Sheet, Varied

# --- By hand: h_j = 1/4 h_{j-1} + 3/4 x_j on (4, 0), (0, 8), (-4, 4) -------------------------------------------------

Pair = tuple[float, float]
FRACTIONS = {4: "quarter", 5: "fifth", 8: "eighth"}


def _three_words(draw: random.Random) -> tuple[int, Pair, Pair, Pair]:
    """Of what share the reader keeps one, and three words that this divides."""
    n = draw.choice(list(FRACTIONS))
    words = [(n * draw.randint(-2, 2), n * draw.randint(-2, 2)) for _ in range(3)]
    return (n, *words)  # type: ignore[return-value] # three of them


def _states(words: Sequence[Pair], kept: float, new: float, first: Pair = (0, 0)) -> list[Pair]:
    states = [first]
    for x, y in words:
        states.append((kept * states[-1][0] + new * x, kept * states[-1][1] + new * y))
    return states


THREE_WORDS = Sheet(
    (4, (4, 0), (0, 8), (-4, 4)),
    _three_words,
    lambda n, x_1, x_2, x_3: [
        f"This one keeps a {FRACTIONS[n]}:",
        f"h_j = \\tfrac1{n}\\, h_{{j-1}} + \\tfrac{n - 1}{n}\\, x_j",
        f"$x_1 = {x_1}$, $x_2 = {x_2}$ and $x_3 = {x_3}$.",
    ],
)
LAST_STATE = Varied(
    "last_state",
    THREE_WORDS,
    lambda n, *words: _states(words, 1 / n, 1 - 1 / n)[-1],
    ("Old and new have changed places: it is the old state of which this reader keeps the smaller share.",
     lambda n, *words: _states(words, 1 - 1 / n, 1 / n)[-1]),
    ("The first state is not the first word: it begins from (0, 0), so the first word is scaled too.",
     lambda n, first, *words: _states(words, 1 / n, 1 - 1 / n, first)[-1]),
    ("One word too few: this is the state before the last word came.",
     lambda n, *words: _states(words, 1 / n, 1 - 1 / n)[-2]),
    ("The words were read from the last to the first: the first word of the sentence comes first.",
     lambda n, *words: _states(words[::-1], 1 / n, 1 - 1 / n)[-1]),
    ("The new word came in whole: it is scaled by its share, as the old state is.",
     lambda n, *words: _states(words, 1 / n, 1)[-1]),
    ("This is the plain mean of the words, in which every word counts alike: go word by word.",
     lambda n, *words: _states(words, 1, 1 / 3)[-1]),
)  # fmt: skip
FIRST_SHARE = Varied(
    "first_share",
    THREE_WORDS,
    lambda n, *words: (n - 1) / n**3,
    ("Old and new have changed places: the word comes in with the share of a new word.",
     lambda n, *words: (n - 1) ** 2 / n**3),
    ("That is what is left of the starting state: the first word comes in with the share of a new word.",
     lambda n, *words: 1 / n**3),
    ("Kept once too rarely: two words come behind the first.", lambda n, *words: (n - 1) / n**2),
    ("Kept once too often: only two words come behind the first.", lambda n, *words: (n - 1) / n**4),
    ("That is the last word's share: the first word has been scaled down since.", lambda n, *words: (n - 1) / n),
)  # fmt: skip


def check_last_state(answer: Any, variant: int = 0) -> None:
    """Check the last state that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_last_state((0.75, 6))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: last_state: One word too few: this is the state before the last word came.
    """
    LAST_STATE.check(answer, variant)


def check_first_share(answer: Any, variant: int = 0) -> None:
    """Check the share of the first word that was worked out by hand.

    A course of its own names its `variant` of the numbers; 0 are those that are printed.

    >>> check_first_share(3 / 4)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: first_share: That is the last word's share: the first word has been scaled \
down since.
    """
    FIRST_SHARE.check(answer, variant)


# --- A reader of many words ------------------------------------------------------------------------------------------


def _place_weights(n: int, keep: float) -> Tensor:
    place = torch.arange(n)
    behind = place[:, None] - place
    return torch.where(behind >= 0, (1 - keep) * torch.tensor(keep).double() ** behind.clamp(min=0), 0.0)


def _read(words: Tensor, keep: float) -> Tensor:
    return _place_weights(words.shape[-2], keep).to(words) @ words


def _loop(words: Tensor, old: float, new: float, start: Tensor | None = None) -> Tensor:
    """States of h = old · h + new · x, from a start; with None from the first word itself."""
    states, h = [], words[..., 0, :] if start is None else start
    for j in range(words.shape[-2]):
        h = h if start is None and j == 0 else old * h + new * words[..., j, :]
        states.append(h)
    return torch.stack(states, dim=-2)


def _from_zero(words: Tensor, old: float, new: float) -> Tensor:
    return _loop(words, old, new, torch.zeros_like(words[..., 0, :]))


def _read_cases(draw: Draw) -> list[Case]:
    n, d, b, c = draw.sizes(4)
    axes = "Words lie along the last axis but one, words[..., j, :], however many axes come before."
    return [
        Case("on one sentence", (draw.normal(n, d), 0.75)),
        Case("on a longer one that keeps less", (draw.normal(n + 4, d), 0.3), "Is `keep` used throughout?"),
        Case("on a single word", (draw.normal(1, d), 0.5), "A sentence may have one word."),
        Case("on a batch", (draw.normal(b, n, d), 0.6), axes),
        Case("on a batch of batches", (draw.normal(c, b, n, d), 0.6), axes),
    ]


READ = Task(
    "read",
    _read,
    _read_cases,
    (
        Mistake("`keep` is the share of the old state, and here it goes to the new word.",
                lambda words, keep: _from_zero(words, 1 - keep, keep)),
        Mistake("The first state is not the first word: the state begins as zeros, so the first word is scaled too.",
                lambda words, keep: _loop(words, keep, 1 - keep)),
        Mistake("The states stand one place too late: the first should already have read the first word.",
                lambda words, keep: torch.cat([torch.zeros_like(words[..., :1, :]),
                                               _read(words, keep)[..., :-1, :]], dim=-2)),
        Mistake("Only the last state came back: the task asks for the state after every word.",
                lambda words, keep: _read(words, keep)[..., -1, :]),
        Mistake("There is one state too many: the starting state was kept too.",
                lambda words, keep: torch.cat([torch.zeros_like(words[..., :1, :]), _read(words, keep)], dim=-2)),
        Mistake("There is one state too few, since the first word was left out: places count from 0.",
                lambda words, keep: _read(words[..., 1:, :], keep)),
        Mistake("There is one state too few, since the last word was left out.",
                lambda words, keep: _read(words[..., :-1, :], keep)),
        Mistake("It keeps a half, whatever `keep` says.", lambda words, keep: _read(words, 0.5)),
        Mistake("The new word comes in whole: its share is 1 - keep.",
                lambda words, keep: _from_zero(words, keep, 1.0)),
        Mistake("It reads from the last word to the first.",
                lambda words, keep: _read(words.flip(-2), keep)),
        Mistake("The loop runs over the first axis, which are the sentences where there is a batch. "
                "Words lie along the last axis but one.",
                lambda words, keep: _read(words.movedim(0, -2), keep).movedim(-2, 0)),
    ),
)  # fmt: skip


def check_read(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a reader: read(words, keep), words (..., n, d), gives the state after each word, (..., n, d).

    >>> check_read(lambda words, keep: words)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: read: What is returned differs most at ...
    """
    READ.check(answer, seed)


# --- The reader as a table of weights --------------------------------------------------------------------------------


def _place_cases(draw: Draw) -> list[Case]:
    n, m = draw.sizes(2, least=3)
    return [
        Case("", (n, 0.75)),
        Case("with less kept", (m, 0.2), "Is `keep` used throughout?"),
        Case("with nothing kept", (n, 0.0), "A reader that keeps nothing has the newest word alone, with weight 1."),
        Case("for one word", (1, 0.5), "A sentence may have one word."),
    ]


def _behind(n: int) -> Tensor:
    return (torch.arange(n)[:, None] - torch.arange(n)).double()


PLACE_WEIGHTS = Task(
    "place_weights",
    _place_weights,
    _place_cases,
    (
        Mistake("Rows and columns have changed places: row j holds the weights of the state after word j, which has "
                "read nothing behind j.", lambda n, keep: _place_weights(n, keep).T),
        Mistake("The share of a new word is missing: each word comes in with 1 - keep.",
                lambda n, keep: (keep ** _behind(n)).tril()),
        Mistake("Kept once too often: no word is behind the newest one, so it keeps its share whole.",
                lambda n, keep: (1 - keep) * (keep ** (_behind(n) + 1)).tril()),
        Mistake("The newest word is missing: the diagonal counts.", lambda n, keep: _place_weights(n, keep).tril(-1)),
        Mistake("A state has weight on words that come after it: it has not read them yet.",
                lambda n, keep: (1 - keep) * keep ** _behind(n).abs()),
        Mistake("The rows sum to 1, and they should not: a share of the starting state, zeros, is in each.",
                lambda n, keep: _place_weights(n, keep) / _place_weights(n, keep).sum(-1, keepdim=True)),
        Mistake("Shares have changed places: `keep` is what the old state keeps, 1 - keep what a new word gets.",
                lambda n, keep: _place_weights(n, 1 - keep)),
        Mistake("Every word that has been read has the same weight: it should shrink with each word behind it.",
                lambda n, keep: (1 - keep) * torch.ones(n, n).double().tril()),
        Mistake("The first word is not scaled here: the state begins as zeros, and not as the first word.",
                lambda n, keep: _loop(torch.eye(n).double(), keep, 1 - keep)),
    ),
)  # fmt: skip


def check_place_weights(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a reader's weights: place_weights(n, keep) gives the table (n, n) that makes states of words.

    >>> import torch
    >>> check_place_weights(lambda n, keep: torch.zeros(n, n))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: place_weights: The dtype of what is returned is torch.float32, ...
    """
    PLACE_WEIGHTS.check(answer, seed)
