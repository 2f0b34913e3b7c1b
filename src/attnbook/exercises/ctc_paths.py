"""CTC: the probability of a string, summed over all ways to read it."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import ctc_loss
from torch.overrides import TorchFunctionMode

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case, Function
from attnbook.exercises._task import Mistake, Task


def _ctc(log_p: Tensor, string: Tensor) -> float:
    n, tokens = log_p.shape
    lengths = torch.tensor([n]), torch.tensor([len(string)])
    loss = ctc_loss(log_p[:, None], string[None], *lengths, blank=tokens - 1, reduction="sum")
    return -loss.item()


def _sum(ways: Tensor) -> Tensor:
    return ways.logsumexp(dim=0)


def _shifted(ways: Tensor, by: int) -> Tensor:
    return torch.cat([ways.new_full((min(by, len(ways)),), -torch.inf), ways[: max(len(ways) - by, 0)]])


def _other(
    skips: Callable[[Tensor, Tensor, Tensor], Tensor] = lambda here, before, blank: (here != blank) & (here != before),
    starts: slice = slice(0, 2),
    ends: slice = slice(-2, None),
    join: Callable[[Tensor], Tensor] = _sum,
    stays: Callable[[Tensor, Tensor], Tensor] = lambda path, blank: path == path,
    blank: int = -1,
    finish: Callable[[Tensor], Tensor] | None = None,
) -> Callable[[Tensor, Tensor], float]:
    """The sum over paths through blanks and tokens, with one rule otherwise."""

    def answer(log_p: Tensor, string: Tensor) -> float:
        gap = torch.tensor(blank % log_p.shape[1])
        path = torch.stack([gap.expand(len(string)), string], dim=1).flatten()  # _ 7 _ 3
        path = torch.cat([path, gap[None]])
        before = torch.cat([gap.expand(2), path[:-2]]) if len(path) > 1 else gap[None]
        may_skip, may_stay = skips(path, before, gap), stays(path, gap)
        ways = torch.full_like(log_p[0, path], -torch.inf)
        ways[starts] = log_p[0, path][starts]
        for row in log_p[1:, path]:
            skip = _shifted(ways, 2).masked_fill(~may_skip, -torch.inf)
            stay = ways.masked_fill(~may_stay, -torch.inf)
            ways = join(torch.stack([stay, _shifted(ways, 1), skip])) + row
        return (finish or join)(ways[ends]).item()

    return answer


def _no_blanks(log_p: Tensor, string: Tensor) -> float:
    ways = torch.full_like(log_p[0, string], -torch.inf)
    ways[:1] = log_p[0, string][:1]
    for row in log_p[1:, string]:
        ways = _sum(torch.stack([ways, _shifted(ways, 1)])) + row
    return ways[-1].item() if len(ways) else -torch.inf


def _strings(draw: Draw) -> list[Case]:
    def sound(n: int, tokens: int) -> Tensor:
        return draw.normal(n, tokens).log_softmax(dim=-1)

    m, n, tokens = 3, 7 + int(draw.whole(0, 2)), 5 + int(draw.whole(0, 2))
    different = draw.normal(tokens - 1).argsort()[:m]
    twice = torch.cat([different[:2], different[1:2], different[2:]])
    none = different[:0]
    return [
        Case("on a string without repeats", (sound(n, tokens), different)),
        Case("on a string with a repeat", (sound(n, tokens), twice), "What parts two equal tokens?"),
        Case("on a string of one token", (sound(n, tokens), different[:1])),
        Case("on one state", (sound(1, tokens), different[:1]), "One state can hold one token."),
        Case("on an empty string", (sound(n, tokens), none), "An empty string is read from blanks alone."),
        Case("on a string that needs more states than there are", (sound(4, tokens), twice),
             "A string that no path reads has probability 0, and the logarithm of that is -inf."),
        Case("on 700 states", (sound(700, tokens), twice),
             "A product of so many probabilities is smaller than the smallest number above 0: stay with logarithms "
             "from end to end."),
    ]  # fmt: skip


class _Watch(TorchFunctionMode):
    """See whether torch's own loss is called."""

    called = False

    def __torch_function__(self, func: Function, types: Any, args: tuple = (), kwargs: dict | None = None) -> Any:
        self.called = self.called or "ctc_loss" in getattr(func, "__name__", "")
        return func(*args, **(kwargs or {}))


def _by_torch(answer: Function) -> str:
    with _Watch() as watch:
        answer(torch.zeros(4, 3, dtype=torch.float64).log_softmax(dim=-1), torch.tensor([0, 1]))
    return "ctc: This calls torch's own ctc_loss. The task asks you to sum the paths yourself." if watch.called else ""


CTC = Task(
    "ctc",
    _ctc,
    _strings,
    (
        Mistake("A blank is demanded between all tokens. Only equal ones need it.",
                _other(skips=lambda here, before, blank: here < 0)),
        Mistake("Between two equal tokens the blank may be left out here. Then they are read as one.",
                _other(skips=lambda here, before, blank: here != blank)),
        Mistake("A blank may be left out even where the path stands on one: from blank to blank it skips a token.",
                _other(skips=lambda here, before, blank: (here != before) | (here == blank))),
        Mistake("Here a path must begin with a blank. It may begin with the first token, too.",
                _other(starts=slice(0, 1))),
        Mistake("Here a path must begin with the first token. It may begin with a blank, too.",
                _other(starts=slice(1, 2))),
        Mistake("Here a path must end with a blank. It may end with the last token, too.",
                _other(ends=slice(-1, None))),
        Mistake("Here a path must end with the last token. It may end with a blank, too.", _other(ends=slice(-2, -1))),
        Mistake("Paths are counted that have not come to the string's end.", _other(ends=slice(None))),
        Mistake("This is the likeliest path alone. All paths that read the string are to be summed.",
                _other(join=lambda ways: ways.max(dim=0).values)),
        Mistake("At the end the likelier of two places is taken. Paths may end in either: their sum is meant.",
                _other(finish=lambda ways: ways.max(dim=0).values)),
        Mistake("Logarithms of the paths were added up, as if probabilities were multiplied.",
                _other(join=lambda ways: ways.masked_fill(ways.isinf(), 0).sum(dim=0))),
        Mistake("A token takes one state only here. It may go on for several: `7 7 3` reads 7 3.",
                _other(stays=lambda path, blank: path == blank)),
        Mistake("A blank takes one state only here. There may be several in a row.",
                _other(stays=lambda path, blank: path != blank)),
        Mistake("The first column was taken for the blank. It is the last.", _other(blank=0)),
        Mistake("There are no blanks in these paths.", _no_blanks),
        Mistake("This is the probability. Its logarithm is asked for.",
                lambda log_p, string: torch.tensor(_ctc(log_p, string), dtype=torch.float64).exp().item()),
        Mistake("The sign is turned: this is the loss, −ln p. The logarithm of the probability is asked for.",
                lambda log_p, string: -_ctc(log_p, string)),
        Mistake("This is divided by the string's length. The logarithm of the whole string's probability is asked for.",
                lambda log_p, string: _ctc(log_p, string) / max(len(string), 1)),
        Mistake("Divided by the number of states. The logarithm of the whole string's probability is asked for.",
                lambda log_p, string: _ctc(log_p, string) / len(log_p)),
    ),
    returns=("the logarithm of the probability",),
    one_device=False,  # its loop over the states is for the CPU
    beyond=_by_torch,
)  # fmt: skip


def check_ctc(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the log-probability of a string under CTC: ctc(log_p, string), one number; the last column is the blank.

    >>> check_ctc(lambda log_p, string: -_ctc(log_p, string))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: ctc: The sign is turned: this is the loss, −ln p. ...
    """
    CTC.check(answer, seed)
