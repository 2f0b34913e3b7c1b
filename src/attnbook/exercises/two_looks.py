"""Words that look at patches: two looks by hand, what packing costs, and cross-attention to patches that are there."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.attention import scaled_dot_product_attention
from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# ruff: noqa: N803 (the arguments W_q, W_k and W_v are named as in the formula)

# --- By hand: a first look with scores ln 6, 0, 0; one to the right; then a look with scores 8 ln 2 times that --------

MOVED_PLACE = by_hand(
    "moved_place",
    (0, 3 / 4, 1 / 8),
    ("This is the place as the first look gave it. “Right of” has still to move it.", (3 / 4, 1 / 8, 1 / 8)),
    ("The place was moved to the left.", (1 / 8, 1 / 8, 0)),
    ("What leaves on the right came in again on the left. A picture has edges.", (1 / 8, 3 / 4, 1 / 8)),
    ("The powers of the first look are still to be divided by their sum.", (0, 6, 1)),
    ("This was divided by its sum again. A move does no such thing: what left the picture is lost.", (0, 6 / 7, 1 / 7)),
    ("This is a hard look: a softmax leaves something for the other patches.", (0, 1, 0)),
    ("Scores were used as weights: the softmax is missing.", (0, math.log(6), 0)),
    ("The powers of the scores are 6, 1 and 1, since e to the 0 is 1.", (0, 1, 0.0)),
    ("The place was moved by two.", (0, 0, 3 / 4)),
)  # fmt: skip

MILD = [math.exp(x) for x in (0, 3 / 4, 1 / 8)]  # the powers, if the scores are not multiplied

SECOND_LOOK = by_hand(
    "second_look",
    (1 / 67, 64 / 67, 2 / 67),
    ("The powers of e are still to be divided by their sum.", (1, 64, 2)),
    ("The scores were not multiplied by 8 ln 2.", tuple(power / sum(MILD) for power in MILD)),
    ("A score of 0 has the power 1, so that this patch gets some weight too.", (0, 64 / 66, 2 / 66)),
    ("This is the look from where the 4 is: move the place first.", (64 / 68, 2 / 68, 2 / 68)),
    ("This is the look after a move to the left.", (2 / 5, 2 / 5, 1 / 5)),
    ("This is the look after a move in which what leaves on the right comes in on the left.",
     (2 / 68, 64 / 68, 2 / 68)),
    ("Scores were used as weights: the softmax is missing.", (0, 6 * math.log(2), math.log(2))),
    ("Scores were used as weights, divided by their sum: the softmax is missing.", (0, 6 / 7, 1 / 7)),
    ("This is a hard look: a softmax leaves something for the other patches.", (0, 1, 0)),
)  # fmt: skip

# Five questions of 4 words, 49 patches; one layer among the patches, two layers of words.
PACKED_SCORES = by_hand(
    "packed_scores",
    49**2 + 2 * (20**2 + 20 * 49),
    ("The picture is encoded once, not once for each question.", 5 * (49**2 + 2 * (4**2 + 4 * 49))),
    ("The picture is encoded once, not once for each question.", 5 * 49**2 + 2 * (20**2 + 20 * 49)),
    ("There are two layers of words.", 49**2 + 20**2 + 20 * 49),
    ("The picture has one layer: it is not encoded again for each layer of the words.", 2 * (49**2 + 20**2 + 20 * 49)),
    ("The mask hides scores across questions after they were computed: count these too.",
     49**2 + 2 * (5 * 4**2 + 20 * 49)),
    ("The patches' scores among themselves are missing.", 2 * (20**2 + 20 * 49)),
    ("The words' scores among themselves are missing.", 49**2 + 2 * 20 * 49),
    ("The words' scores with the patches are missing.", 49**2 + 2 * 20**2),
    ("These are the scores of one question.", 49**2 + 2 * (4**2 + 4 * 49)),
    ("This is one stream, in which everything attends to everything.", 69**2),
    ("This is one stream, in which everything attends to everything.", 2 * 69**2),
    ("This is one stream, in which everything attends to everything.", 3 * 69**2),
)  # fmt: skip


def check_moved_place(answer: Any) -> None:
    """Check the place after the first look and the move: three numbers.

    >>> check_moved_place((3/4, 1/8, 1/8))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: moved_place: This is the place as the first look gave it. ...
    """
    check_numbers(MOVED_PLACE, answer)


def check_second_look(answer: Any) -> None:
    """Check the weights of the second look: three numbers.

    >>> check_second_look((1, 64, 2))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: second_look: The powers of e are still to be divided by their sum.
    """
    check_numbers(SECOND_LOOK, answer)


def check_packed_scores(answer: Any) -> None:
    """Check how many scores are computed for packed questions: a number.

    >>> check_packed_scores(2760)
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: packed_scores: The patches' scores among themselves are missing.
    """
    check_numbers(PACKED_SCORES, answer)


# --- Cross-attention -------------------------------------------------------------------------------------------------

Parts = tuple[Tensor, Tensor]


def _look(x: Tensor, y: Tensor, W_q: Tensor, W_k: Tensor, W_v: Tensor, there: Tensor) -> Parts:
    return scaled_dot_product_attention(x @ W_q, y @ W_k, y @ W_v, there.unsqueeze(-2))


def _other(root: Callable[..., float] | None = None, dim: int = -1, fill: float = -math.inf) -> Callable[..., Parts]:
    """The same with something else to divide by, another axis of the softmax, or another score where no patch is."""

    def look(x: Tensor, y: Tensor, W_q: Tensor, W_k: Tensor, W_v: Tensor, there: Tensor) -> Parts:
        scores = x @ W_q @ (y @ W_k).mT / (root or (lambda W_q, W_v, x: math.sqrt(W_q.shape[-1])))(W_q, W_v, x)
        weights = scores.masked_fill(~there.unsqueeze(-2), fill).softmax(dim=dim)
        return weights @ (y @ W_v), weights

    return look


def _hidden_later(x: Tensor, y: Tensor, W_q: Tensor, W_k: Tensor, W_v: Tensor, there: Tensor) -> Parts:
    _, weights = _look(x, y, W_q, W_k, W_v, torch.ones_like(there))
    weights = weights * there.unsqueeze(-2)
    return weights @ (y @ W_v), weights


def _without_values(x: Tensor, y: Tensor, W_q: Tensor, W_k: Tensor, W_v: Tensor, there: Tensor) -> Parts:
    _, weights = _look(x, y, W_q, W_k, W_v, torch.ones_like(there))
    return weights @ (y @ W_v * there.unsqueeze(-1)), weights


def _look_cases(draw: Draw) -> list[Case]:
    n, p, d, d_v, b = draw.sizes(5, least=3)
    d_x, d_y = 4, 6

    def inputs(*leading: int) -> tuple[Tensor, ...]:
        x, y = draw.normal(*leading, n, d_x), draw.normal(*leading, p, d_y)
        matrices = draw.normal(d_x, d), draw.normal(d_y, d), draw.normal(d_y, d_v)
        return x, y, *matrices, draw.mask(*leading, 1, p).squeeze(-2)

    x, y, *matrices, there = inputs()
    return [
        Case("with all patches there", (x, y, *matrices, torch.ones_like(there))),
        Case("with some patches missing", (x, y, *matrices, there), "What may a word look at where no patch is?"),
        Case("on a batch", inputs(b), "Each picture has missing patches of its own, for all words alike."),
    ]


NOT_HIDDEN = "`there` changes nothing: a word looks at patches that are not there."

LOOK_AT_PATCHES = Task(
    "look_at_patches",
    _look,
    _look_cases,
    (
        Mistake("The output and the weights have changed places: the output comes first.",
                lambda x, y, W_q, W_k, W_v, there: _look(x, y, W_q, W_k, W_v, there)[::-1]),
        Mistake(NOT_HIDDEN, lambda x, y, W_q, W_k, W_v, there: _look(x, y, W_q, W_k, W_v, torch.ones_like(there))),
        Mistake("`there` is the wrong way round: words look only at the patches that are missing.",
                lambda x, y, W_q, W_k, W_v, there: _other()(x, y, W_q, W_k, W_v, ~there)),
        Mistake("√d is missing: the weights are those of plain dot products.", _other(lambda W_q, W_v, x: 1)),
        Mistake("Divided by d, where its square root is meant.", _other(lambda W_q, W_v, x: W_q.shape[-1])),
        Mistake("Divided by the root of the words' width. d is the width of queries and keys.",
                _other(lambda W_q, W_v, x: math.sqrt(x.shape[-1]))),
        Mistake("Divided by the root of the values' width. d is the width of queries and keys.",
                _other(lambda W_q, W_v, x: math.sqrt(W_v.shape[-1]))),
        Mistake("Divided by the root of the number of words. d is the width of queries and keys.",
                _other(lambda W_q, W_v, x: math.sqrt(x.shape[-2]))),
        Mistake("The softmax runs over the words: each patch divides itself among them. Each word should divide its "
                "look among the patches, dim=-1.", _other(dim=-2)),
        Mistake("The score of a missing patch is set to 0, whose power is 1: it keeps some weight.", _other(fill=0)),
        Mistake("Missing patches were taken out after the softmax, so that the others no longer sum to 1.",
                _hidden_later),
        Mistake("Only the values of missing patches were taken out: they still get weight.", _without_values),
    ),
    returns=("the output", "weights"),
)  # fmt: skip


def check_look_at_patches(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check cross-attention of words to patches: look_at_patches(x, y, W_q, W_k, W_v, there), output and weights.

    >>> check_look_at_patches(lambda x, y, W_q, W_k, W_v, there: x)  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: look_at_patches: It should return 2 things, the output and weights...
    """
    LOOK_AT_PATCHES.check(answer, seed)
