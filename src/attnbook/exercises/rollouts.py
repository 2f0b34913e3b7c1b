"""Weights followed through several layers: with the residual path, in the right order, and without the sink."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._by_hand import by_hand, check_numbers
from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

# --- By hand ---------------------------------------------------------------------------------------------------------

NO_RESIDUAL = "The residual path is missing: half of each token stays where it was."
WRONG_ORDER = "The layers are in the wrong order: the last layer's row averages the rows of the first."

ROLLED_OUT = by_hand(
    "rolled_out",
    (0.4, 0.15, 0.45),
    (NO_RESIDUAL, (0.6, 0.0, 0.4)),
    (WRONG_ORDER, (0.25, 0.15, 0.6)),
    ("This is the last layer alone, as it is drawn.", (0.0, 0.6, 0.4)),
    ("This is the last layer alone, with its residual path. What stood at the tokens by then?", (0.5, 0.3, 0.2)),
    ("This is the first layer alone, as it is drawn.", (0.0, 0.0, 1.0)),
    ("This is the first layer alone, with its residual path.", (0.5, 0.0, 0.5)),
    ("The halves are missing: this row sums to 4, and it should sum to 1.", (1.6, 0.6, 1.8)),
    ("One of the halves is missing: this row sums to 2, and it should sum to 1.", (0.8, 0.3, 0.9)),
    ("The residual path of the first layer is missing.", (0.3, 0.0, 0.7)),
    ("The residual path of the last layer is missing.", (0.3, 0.3, 0.4)),
    ("This is the mean of two rows. The last layer's row gives the weights of *all* rows of the first.",
     (0.5, 0.15, 0.35)),
    ("Two rows were multiplied place by place. The last layer's row averages the rows of the first.",
     (0.25, 0.0, 0.1)),
)  # fmt: skip


def check_rolled_out(answer: Any) -> None:
    """Check the rollout of token 1 through two layers.

    >>> check_rolled_out((0, 0.6, 0.4))
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: rolled_out: This is the last layer alone, as it is drawn.
    """
    check_numbers(ROLLED_OUT, answer)


# --- Rollout without the sink ----------------------------------------------------------------------------------------


def _renormalised(weights: Tensor) -> Tensor:
    """Weights (..., n, n) without those on token 0, each row summing to 1 again."""
    rest = torch.cat([torch.zeros_like(weights[..., :1]), weights[..., 1:]], dim=-1)
    return rest / rest.sum(dim=-1, keepdim=True)


def _dropped(weights: Tensor) -> Tensor:
    return torch.cat([torch.zeros_like(weights[..., :1]), weights[..., 1:]], dim=-1)


def _followed(weights: Tensor, kept: float) -> Tensor:
    return _product([_mixed(_renormalised(layer.mean(dim=0)), kept) for layer in weights])


def _mixed(weights: Tensor, kept: float) -> Tensor:
    identity = torch.eye(weights.shape[-1], dtype=weights.dtype, device=weights.device)
    return kept * identity + (1 - kept) * weights


def _product(layers: list[Tensor]) -> Tensor:
    total = layers[0]
    for layer in layers[1:]:
        total = layer @ total
    return total


def _each(change: Callable[[Tensor, float], Tensor]) -> Callable[[Tensor, float], Tensor]:
    """The product of layers (h, n, n) that were each changed to (n, n) otherwise."""
    return lambda weights, kept: _product([change(layer, kept) for layer in weights])


def _normalised_late(layer: Tensor, kept: float) -> Tensor:
    mixed = _dropped(_mixed(layer.mean(dim=0), kept))
    return mixed / mixed.sum(dim=-1, keepdim=True)


def _mixed_then_normalised(layer: Tensor, kept: float) -> Tensor:
    mixed = _mixed(_dropped(layer.mean(dim=0)), kept)
    return mixed / mixed.sum(dim=-1, keepdim=True)


def _without_row(layer: Tensor, kept: float) -> Tensor:
    mean = layer.mean(dim=0).clone()
    mean[0] = 0
    return _mixed(mean / mean.sum(dim=0), kept)


def _followed_cases(draw: Draw) -> list[Case]:
    layers, h, n = draw.sizes(3, least=3)

    def inputs(count: int, kept: float) -> tuple[Tensor, float]:
        return (2 * draw.normal(count, h, n, n)).softmax(dim=-1), kept

    return [
        Case("", inputs(layers, 0.3)),
        Case("with one layer", inputs(1, 0.6), "There may be one layer."),
        Case("with nothing kept", inputs(layers, 0.0), "Nothing may be kept of what stood there."),
    ]


FOLLOWED = Task(
    "followed",
    _followed,
    _followed_cases,
    (
        Mistake("The layers are multiplied in the wrong order. A row of the *last* layer averages the rows of what "
                "came before it.", lambda weights, kept: _followed(weights.flip(0), kept)),
        Mistake("The residual path is missing: kept changes nothing.",
                _each(lambda layer, kept: _renormalised(layer.mean(dim=0)))),
        Mistake("One half is kept, whatever kept says.", lambda weights, kept: _followed(weights, 0.5)),
        Mistake("The two shares have changed places: kept is that of the residual path.",
                lambda weights, kept: _followed(weights, 1 - kept)),
        Mistake("The sink is still there: weights on token 0 are followed, too.",
                _each(lambda layer, kept: _mixed(layer.mean(dim=0), kept))),
        Mistake("The sink's weights are gone, and the rest was not brought back to a sum of 1 in each layer.",
                _each(lambda layer, kept: _mixed(_dropped(layer.mean(dim=0)), kept))),
        Mistake("The sink was taken out of the product at the end. It should go in each layer, before the product.",
                lambda weights, kept: _renormalised(_product([_mixed(x.mean(dim=0), kept) for x in weights]))),
        Mistake("The sink was taken out after the residual path was mixed in, and its own path went with it.",
                _each(_normalised_late)),
        Mistake("The rows were normalised after the residual path was mixed in, which makes that path count for more: "
                "normalise the weights first.", _each(_mixed_then_normalised)),
        Mistake("Each head was renormalised before the mean. The task takes the mean over heads first.",
                _each(lambda layer, kept: _mixed(_renormalised(layer).mean(dim=0), kept))),
        Mistake("Rows were taken for columns: the weights that token 0 *receives* stand in column 0.",
                _each(_without_row)),
        Mistake("The heads were added up; their mean is asked for.",
                _each(lambda layer, kept: _mixed(_dropped(layer.sum(dim=0)), kept))),
        Mistake("The first head alone was followed.", _each(lambda layer, kept: _mixed(_renormalised(layer[0]), kept))),
        Mistake("The last layer alone is here.",
                lambda weights, kept: _mixed(_renormalised(weights[-1].mean(dim=0)), kept)),
        Mistake("This is the mean over layers. What a layer reads is what the layer before it has mixed: a product.",
                lambda weights, kept: torch.stack([_mixed(_renormalised(x.mean(dim=0)), kept) for x in weights]).mean(
                    dim=0)),
        Mistake("The layers are multiplied number by number; a product of matrices is meant.",
                lambda weights, kept: torch.stack([_mixed(_renormalised(x.mean(dim=0)), kept) for x in weights]).prod(
                    dim=0)),
        Mistake("The result is turned around: rows should be the tokens of the last layer.",
                lambda weights, kept: _followed(weights, kept).mT),
    ),
    returns=("the rollout",),
)  # fmt: skip


def check_followed(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check a rollout without the sink: followed(weights, kept), (L, h, n, n) -> (n, n).

    >>> check_followed(lambda weights, kept: _followed(weights.flip(0), kept))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: followed: The layers are multiplied in the wrong order....
    """
    FOLLOWED.check(answer, seed)
