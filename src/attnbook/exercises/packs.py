"""Masks of packed questions: among the words alone, and in one stream behind the patches of a picture."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task
from attnbook.masks import causal
from attnbook.multimodal import own_question


def _owner(lengths: Tensor) -> Tensor:
    return torch.arange(len(lengths), device=lengths.device).repeat_interleave(lengths)


def _packed(lengths: Tensor) -> Tensor:
    return own_question(_owner(lengths))


def _equal_cut(lengths: Tensor, length: Callable[[Tensor], int]) -> Tensor:
    """Where each question is taken to be as long as one of them."""
    return own_question(torch.arange(int(lengths.sum()), device=lengths.device) // length(lengths))


def _one_late(lengths: Tensor) -> Tensor:
    ends = lengths.cumsum(dim=0)
    return own_question(torch.searchsorted(ends, torch.arange(int(ends[-1]), device=lengths.device)))


def _one_early(lengths: Tensor) -> Tensor:
    places = torch.arange(int(lengths.sum()), device=lengths.device)
    return own_question(torch.searchsorted(lengths.cumsum(dim=0), places + 1, right=True))


def _unequal(draw: Draw, q: int) -> Tensor:
    """Lengths of q more questions than three, of which the first is neither the longest nor the shortest."""
    return torch.cat([torch.tensor([2, 4, 1]), draw.whole(1, 4, q)])


def _packed_cases(draw: Draw) -> list[Case]:
    q, n = draw.sizes(2, least=3)
    return [
        Case("with questions of one length", (torch.full((q,), n),)),
        Case("with questions of different lengths", (_unequal(draw, q),),
             "Each question may have a length of its own."),
        Case("with one question", (torch.tensor([n]),), "One question may read all of itself."),
        Case("with questions of one word", (torch.ones(q, dtype=torch.long),), "A word may always read itself."),
    ]  # fmt: skip


PACKED_MASK = Task(
    "packed_mask",
    _packed,
    _packed_cases,
    (
        Mistake("The first word of each question but the first one belongs to the question before it.", _one_late),
        Mistake("The last word of each question belongs to the question behind it.", _one_early),
        Mistake("Each question is taken to be as long as the first one.", lambda x: _equal_cut(x, lambda n: int(n[0]))),
        Mistake("Each question is taken to be as long as the longest one.",
                lambda x: _equal_cut(x, lambda n: int(n.max()))),
        Mistake("The mask is the wrong way round: True means that a word may attend.", lambda x: ~_packed(x)),
        Mistake("Words may read questions before their own, too.",
                lambda x: _owner(x)[:, None] >= _owner(x)),
        Mistake("Words may read questions behind their own, too.",
                lambda x: _owner(x)[:, None] <= _owner(x)),
        Mistake("Later words of the own question are hidden. In a question each word may read all others.",
                lambda x: _packed(x) & causal(int(x.sum()), device=x.device)),
        Mistake("Everything may attend to everything: nothing keeps the questions apart.",
                lambda x: torch.ones_like(_packed(x))),
        Mistake("A word may read itself and nothing else.",
                lambda x: torch.eye(int(x.sum()), dtype=torch.bool, device=x.device)),
        Mistake("A word may not read itself here. It may.",
                lambda x: _packed(x) & ~torch.eye(int(x.sum()), dtype=torch.bool, device=x.device)),
        Mistake("This has a row for each question. The mask has one for each word.",
                lambda x: torch.arange(len(x), device=x.device)[:, None] == _owner(x)),
    ),
    returns=("the mask",),
)  # fmt: skip


def check_packed_mask(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the mask of packed questions: packed_mask(lengths), (q,) -> (n, n), with n the sum of the lengths.

    >>> from attnbook.masks import causal
    >>> check_packed_mask(lambda lengths: causal(int(lengths.sum())))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: packed_mask: The mask is wrong at ...
    """
    PACKED_MASK.check(answer, seed)


# --- One stream ------------------------------------------------------------------------------------------------------


def _stream(p: int, lengths: Tensor, words: Callable[[Tensor], Tensor] | None = None) -> Tensor:
    """Patches, then words: the rows of the words as they should be, or with other rules among the words."""
    n = int(lengths.sum())
    among = words(lengths) if words else _packed(lengths) & causal(n, device=lengths.device)
    mask = torch.ones(p + n, p + n, dtype=torch.bool, device=lengths.device)
    mask[:p, p:] = False
    mask[p:, p:] = among
    return mask


def _stream_mask(p: int, lengths: Tensor) -> Tensor:
    return _stream(p, lengths)


def _changed(rows: str, columns: str, value: bool) -> Callable[[int, Tensor], Tensor]:
    """The right mask with one of its four parts all True or all False; "patches" or "words" name its rows, columns."""

    def mask(p: int, lengths: Tensor) -> Tensor:
        part = {"patches": slice(None, p), "words": slice(p, None)}
        made = _stream(p, lengths)
        made[part[rows], part[columns]] = value
        return made

    return mask


def _causal_patches(p: int, lengths: Tensor) -> Tensor:
    made = _stream(p, lengths)
    made[:p, :p] = causal(p, device=lengths.device)
    return made


def _words_first(p: int, lengths: Tensor) -> Tensor:
    return _stream(p, lengths).roll((-p, -p), dims=(0, 1))


def _stream_cases(draw: Draw) -> list[Case]:
    p, q, n = draw.sizes(3, least=3)
    return [
        Case("with one question", (p, torch.tensor([n]))),
        Case("with questions of different lengths", (p, _unequal(draw, q)),
             "Two questions must not read each other."),
        Case("with one patch", (1, torch.tensor([2, 3])), "A picture may be one patch."),
    ]  # fmt: skip


STREAM_MASK = Task(
    "stream_mask",
    _stream_mask,
    _stream_cases,
    (
        Mistake("Patches may read words here: what a patch holds would depend on what is asked.",
                _changed("patches", "words", True)),
        Mistake("Words may not look at the patches.", _changed("words", "patches", False)),
        Mistake("Patches read only patches before themselves. A picture has no order in time.", _causal_patches),
        Mistake("Patches read nothing at all, not even each other.", _changed("patches", "patches", False)),
        Mistake("This is one causal text of patches and words: patches may read all patches, and a word only its own "
                "question.", lambda p, lengths: causal(p + int(lengths.sum()), device=lengths.device)),
        Mistake("Words may read earlier questions too.",
                lambda p, x: _stream(p, x, lambda x: causal(int(x.sum()), device=x.device))),
        Mistake("Words may read later words of their own question.", lambda p, x: _stream(p, x, _packed)),
        Mistake("Words may read all words, of all questions.", _changed("words", "words", True)),
        Mistake("Words may not read words at all.", _changed("words", "words", False)),
        Mistake("Words read only words behind themselves, and not those before.",
                lambda p, x: _stream(p, x, lambda x: _packed(x) & causal(int(x.sum()), device=x.device).mT)),
        Mistake("A word may not read itself here. It may.",
                lambda p, x: _stream(p, x, lambda x: _packed(x) & ~causal(int(x.sum()), device=x.device).mT)),
        Mistake("Rows and columns have changed places: a row says what one token may attend to.",
                lambda p, x: _stream(p, x).mT),
        Mistake("The words stand before the patches. Patches come first.", _words_first),
        Mistake("The mask is the wrong way round: True means that a token may attend.",
                lambda p, x: ~_stream(p, x)),
        Mistake("These are the rows of the words alone. The patches have rows too.",
                lambda p, x: _stream(p, x)[p:]),
        Mistake("Everything may attend to everything.",
                lambda p, x: torch.ones_like(_stream(p, x))),
    ),
    returns=("the mask",),
)  # fmt: skip


def check_stream_mask(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the mask of one stream: stream_mask(p, lengths), (p + n, p + n), patches first, with n words behind them.

    >>> import torch
    >>> from attnbook.masks import causal
    >>> check_stream_mask(lambda p, lengths: causal(p + int(lengths.sum())))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: stream_mask: This is one causal text of patches and words...
    """
    STREAM_MASK.check(answer, seed)
