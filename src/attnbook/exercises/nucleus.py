"""Drawing the next token from the few that are likely: the nucleus of a distribution."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _kept(probabilities: Tensor, p: float, descending: bool = True, shift: int = 0, least: int = 0) -> Tensor:
    """Which tokens are in the nucleus, with so many more: those before which less than p has been collected."""
    in_order, order = probabilities.sort(dim=-1, descending=descending)
    inside = in_order.cumsum(dim=-1) - in_order < p
    place = torch.arange(probabilities.shape[-1], device=probabilities.device)
    inside = place < (inside.sum(dim=-1, keepdim=True) + shift).clamp(min=least)
    return torch.zeros_like(inside).scatter(-1, order, inside)


def _softmax_of(logits: Tensor, kept: Tensor) -> Tensor:
    return logits.masked_fill(~kept, float("-inf")).softmax(dim=-1)


def _nucleus(logits: Tensor, p: float, temperature: float) -> Tensor:
    logits = logits / temperature
    return _softmax_of(logits, _kept(logits.softmax(dim=-1), p))


def _other(
    kept: Callable[[Tensor, float], Tensor] = _kept,
    finish: Callable[[Tensor, Tensor], Tensor] = _softmax_of,
    heat: Callable[[float], float] = lambda temperature: temperature,
) -> Callable[[Tensor, float, float], Tensor]:
    """The nucleus with one thing done otherwise."""

    def answer(logits: Tensor, p: float, temperature: float) -> Tensor:
        logits = logits / heat(temperature)
        return finish(logits, kept(logits.softmax(dim=-1), p))

    return answer


def _cold_choice(logits: Tensor, p: float, temperature: float) -> Tensor:
    return _softmax_of(logits / temperature, _kept(logits.softmax(dim=-1), p))


def _late(logits: Tensor, p: float, temperature: float) -> Tensor:
    return _nucleus(logits, p, 1.0) ** (1 / temperature)


def _sorted(logits: Tensor, p: float, temperature: float) -> Tensor:
    return _nucleus(logits, p, temperature).sort(dim=-1, descending=True).values


def _mask_in_order(logits: Tensor, p: float, temperature: float) -> Tensor:
    """The mask of the sorted tokens, laid on the tokens as they stand."""
    likely = (logits / temperature).softmax(dim=-1)
    return _softmax_of(logits / temperature, _kept(likely, p).sort(dim=-1, descending=True, stable=True).values)


def _as_they_stand(probabilities: Tensor, p: float) -> Tensor:
    return probabilities.cumsum(dim=-1) - probabilities < p


def _gathered(probabilities: Tensor, p: float) -> Tensor:
    in_order, order = probabilities.sort(dim=-1, descending=True)
    return (in_order.cumsum(dim=-1) - in_order < p).gather(-1, order)


def _down_the_rows(probabilities: Tensor, p: float) -> Tensor:
    in_order, order = probabilities.sort(dim=-1, descending=True)
    inside = in_order.cumsum(dim=0) - in_order < p
    return torch.zeros_like(inside).scatter(-1, order, inside)


def _one_for_all(probabilities: Tensor, p: float) -> Tensor:
    return _kept(probabilities.flatten(), p).view(probabilities.shape)


def _first_for_all(probabilities: Tensor, p: float) -> Tensor:
    return _kept(probabilities.reshape(-1, probabilities.shape[-1])[0], p).expand_as(probabilities)


def _same_number(probabilities: Tensor, p: float) -> Tensor:
    """As many of the likeliest as in the nucleus of the first row."""
    many = int(_kept(probabilities, p).reshape(-1, probabilities.shape[-1])[0].sum())
    return torch.zeros_like(probabilities, dtype=torch.bool).scatter(-1, probabilities.topk(many).indices, True)


def _zeros(logits: Tensor, kept: Tensor) -> Tensor:
    return (logits * kept).softmax(dim=-1)


def _unscaled(logits: Tensor, kept: Tensor) -> Tensor:
    return logits.softmax(dim=-1) * kept


def _of_logits(logits: Tensor, p: float, temperature: float) -> Tensor:
    in_order, order = (logits / temperature).sort(dim=-1, descending=True)
    inside = in_order.cumsum(dim=-1) - in_order < p
    return _softmax_of(logits / temperature, torch.zeros_like(inside).scatter(-1, order, inside))


def _even(logits: Tensor, kept: Tensor) -> Tensor:
    return kept.to(logits) / kept.sum(dim=-1, keepdim=True)


def _whole_sum(logits: Tensor, kept: Tensor) -> Tensor:
    likely = _unscaled(logits, kept)
    return likely / likely.sum()


def _nucleus_cases(draw: Draw) -> list[Case]:
    n, vocabulary, b = draw.sizes(3, least=5)
    vocabulary *= 3
    logits = 1.5 * draw.normal(n, vocabulary)
    whole = 1.5 * draw.normal(b, n, vocabulary)
    return [
        Case("with p = 0.6", (logits, 0.6, 1.0)),
        Case("with a temperature", (logits, 0.7, 2.0), "What is likely depends on the temperature."),
        Case("with a tiny p", (logits, 0.01, 1.0), "However small p is, the likeliest token stays."),
        Case("with p = 1", (logits, 1.0, 0.5), "Then nothing is hidden."),
        Case("for one text", (logits[0], 0.8, 1.0), "There may be no axis before the vocabulary's."),
        Case("with two axes in front", (whole, 0.8, 1.0), "Any axes may come before the vocabulary's: count from the "
             "end."),
    ]  # fmt: skip


CROSSING = "A token too few: the one with which the sum reaches p belongs to the nucleus, else it does not hold p."

NUCLEUS = Task(
    "nucleus",
    _nucleus,
    _nucleus_cases,
    (
        Mistake(CROSSING, _other(lambda likely, p: _kept(likely, p, shift=-1))),
        Mistake(CROSSING, _other(lambda likely, p: _kept(likely, p, shift=-1, least=1))),
        Mistake(CROSSING, _other(lambda likely, p: _kept(likely, p, shift=-1), _unscaled)),
        Mistake("A token too many: the nucleus is the smallest set that holds p.",
                _other(lambda likely, p: _kept(likely, p, shift=1))),
        Mistake("The least likely tokens were collected: sorted the other way round.",
                _other(lambda likely, p: _kept(likely, p, descending=False))),
        Mistake("The rows do not sum to 1: what is left after hiding was not made probabilities again.",
                _other(finish=_unscaled)),
        Mistake("Hidden logits became 0, and a logit of 0 is still a chance: e⁰ = 1.", _other(finish=_zeros)),
        Mistake("The softmax was taken of what are probabilities already; it wants logits.",
                _other(finish=lambda logits, kept: _softmax_of(logits.softmax(dim=-1), kept))),
        Mistake("The softmax was taken of what are probabilities already, hidden ones set to 0.",
                _other(finish=lambda logits, kept: _unscaled(logits, kept).softmax(dim=-1))),
        Mistake("The tokens have lost their places: the result stands in the order of likelihood.", _sorted),
        Mistake("The mask was made in the order of likelihood, and laid on the tokens as they stand in the vocabulary.",
                _mask_in_order),
        Mistake("The mask was brought back the wrong way: the mask at place i of the order is that of token order[i]; "
                "gather and scatter are each other's inverse.", _other(_gathered)),
        Mistake("Probabilities were summed over the rows. They should be summed within each, over the tokens.",
                _other(_down_the_rows)),
        Mistake("The tokens were collected as they stand in the vocabulary: begin with the likeliest.",
                _other(_as_they_stand)),
        Mistake("p was taken for the least probability of one token. It is for the sum of the likeliest.",
                _other(lambda likely, p: likely >= p)),
        Mistake("p was taken for a threshold below the likeliest token's probability, not for a sum.",
                _other(lambda likely, p: likely >= p * likely.amax(dim=-1, keepdim=True))),
        Mistake("The logits were multiplied by the temperature.", _other(heat=lambda temperature: 1 / temperature)),
        Mistake("Divided by the temperature twice.", _other(heat=lambda temperature: temperature**2)),
        Mistake("Logits were summed up to p. Probabilities should be: the softmax comes before the sum.",
                _of_logits),
        Mistake("What is left was divided by p. It holds p or a little more: divide by what it holds.",
                lambda logits, p, temperature: _other(finish=_unscaled)(logits, p, temperature) / p),
        Mistake("The temperature changes nothing.", _other(heat=lambda temperature: 1.0)),
        Mistake("The nucleus was chosen at temperature 1, and the temperature applied to what is left. It comes first.",
                _cold_choice),
        Mistake("The temperature comes last here, on the probabilities that are left. It comes first.", _late),
        Mistake("p changes nothing: no token is hidden.", _other(lambda likely, p: torch.ones_like(likely).bool())),
        Mistake("Only the likeliest token is left: this is the greedy choice.",
                _other(lambda likely, p: likely == likely.amax(dim=-1, keepdim=True))),
        Mistake("All rows share one sum: each text has a nucleus of its own.", _other(_one_for_all)),
        Mistake("The nucleus of the first row serves for all.", _other(_first_for_all)),
        Mistake("As many tokens are left in each row as in the first. That is top-k.", _other(_same_number)),
        Mistake("All tokens of the nucleus are equally likely here. They should keep their proportions.",
                _other(finish=_even)),
        Mistake("All rows together sum to 1. Each should.", _other(finish=_whole_sum)),
        Mistake("These are logarithms of probabilities.",
                _other(finish=lambda logits, kept: _softmax_of(logits, kept).log())),
        Mistake("These are logits, with −∞ where hidden. Probabilities are asked for.",
                _other(finish=lambda logits, kept: logits.masked_fill(~kept, float("-inf")))),
        Mistake("This is the mask of the nucleus. Probabilities are asked for.",
                _other(finish=lambda logits, kept: kept.to(logits))),
    ),
    returns=("the distribution",),
)  # fmt: skip


def check_nucleus(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check the probabilities of the likeliest tokens: nucleus(logits, p, temperature), (..., vocabulary).

    >>> check_nucleus(lambda logits, p, temperature: (logits / temperature).softmax(dim=-1))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: nucleus: p changes nothing: no token is hidden....
    """
    NUCLEUS.check(answer, seed)
