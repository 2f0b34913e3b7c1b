"""How far a head looks in an image: the mean distance of its weights."""

import math
from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task


def _apart(n: int, columns: int, like: Tensor, power: float = 2) -> Tensor:
    """Distances (n, n) between the places of a grid, in the norm of that power."""
    places = torch.arange(n, device=like.device)
    grid = torch.stack([places // columns, places % columns], dim=-1).to(like.dtype)
    return torch.linalg.vector_norm(grid[:, None] - grid, ord=power, dim=-1)


def _each(weights: Tensor, columns: int, power: float = 2) -> Tensor:
    """The mean distance of each query patch, (b, h, n)."""
    among = weights[..., 1:, 1:]
    among = among / among.sum(dim=-1, keepdim=True)
    return (among * _apart(among.shape[-1], columns, among, power)).sum(dim=-1)


def _look_distance(weights: Tensor, columns: int) -> Tensor:
    return _each(weights, columns).mean(dim=(0, 2))


def _unnormalised(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:]
    return (among * _apart(among.shape[-1], columns, among)).sum(dim=-1).mean(dim=(0, 2))


def _pooled(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:].mean(dim=0)
    apart = _apart(among.shape[-1], columns, among)
    return (among * apart).sum(dim=(-2, -1)) / among.sum(dim=(-2, -1))


def _image_pooled(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:].mean(dim=0)
    among = among / among.sum(dim=-1, keepdim=True)
    return (among * _apart(among.shape[-1], columns, among)).sum(dim=-1).mean(dim=-1)


def _largest(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:]
    apart = _apart(among.shape[-1], columns, among).expand_as(among)
    return apart.gather(-1, among.argmax(dim=-1, keepdim=True)).mean(dim=(0, 2, 3))


def _even(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:]
    return _apart(among.shape[-1], columns, among).mean().expand(weights.shape[1])


def _among_others(weights: Tensor, columns: int) -> Tensor:
    itself = torch.eye(weights.shape[-1], dtype=torch.bool, device=weights.device)
    return _look_distance(weights.masked_fill(itself, 0), columns)


def _from_class(weights: Tensor, columns: int) -> Tensor:
    """The class token's row alone, as if it stood at the first patch."""
    row = weights[..., 0, 1:]
    row = row / row.sum(dim=-1, keepdim=True)
    return (row * _apart(row.shape[-1], columns, row)[0]).sum(dim=-1).mean(dim=0)


def _with_class(weights: Tensor, columns: int) -> Tensor:
    """The class token as place 0 of the grid, all patches moved on by one."""
    return (weights * _apart(weights.shape[-1], columns, weights)).sum(dim=-1).mean(dim=(0, 2))


def _in_a_row(weights: Tensor, columns: int) -> Tensor:
    return _look_distance(weights, weights.shape[-1])


def _last_left_out(weights: Tensor, columns: int) -> Tensor:
    return _look_distance(weights.roll((1, 1), dims=(-2, -1)), columns)


def _turned(weights: Tensor, columns: int) -> Tensor:
    return _look_distance(weights, (weights.shape[-1] - 1) // columns)


def _over_queries(weights: Tensor, columns: int) -> Tensor:
    return _look_distance(weights.mT, columns)


def _squared(weights: Tensor, columns: int) -> Tensor:
    among = weights[..., 1:, 1:]
    among = among / among.sum(dim=-1, keepdim=True)
    return (among * _apart(among.shape[-1], columns, among) ** 2).sum(dim=-1).mean(dim=(0, 2))


def _look_distance_cases(draw: Draw) -> list[Case]:
    b, h, rows, columns = draw.sizes(4)
    rows, columns = rows % 5 + 2, columns % 5 + 3
    columns += rows == columns

    def inputs(count: int, rows: int, columns: int) -> tuple[Tensor, int]:
        n = rows * columns + 1
        return (2 * draw.normal(count, h, n, n)).softmax(dim=-1), columns

    return [
        Case("", inputs(b, rows, columns)),
        Case("with one image", inputs(1, rows, columns), "There may be one image."),
        Case("with patches in one row", inputs(b, 1, columns), "The image may be one row of patches."),
    ]


LOOK_DISTANCE = Task(
    "look_distance",
    _look_distance,
    _look_distance_cases,
    (
        Mistake("The weights on the class token are gone, and the rest was not brought back to a sum of 1.",
                _unnormalised),
        Mistake("The class token was taken for a patch: it has no place in the image, as query or as key.",
                _with_class),
        Mistake("The last patch was left out in place of the class token, which stands first.", _last_left_out),
        Mistake("Steps along rows and columns were counted. The distance is that of a straight line.",
                lambda weights, columns: _each(weights, columns, 1).mean(dim=(0, 2))),
        Mistake("The longer of the two ways, down or across, was taken. The distance is that of a straight line.",
                lambda weights, columns: _each(weights, columns, math.inf).mean(dim=(0, 2))),
        Mistake("Weights were put through a softmax once more. Divide each row by its sum.",
                lambda weights, columns: _look_distance(weights.exp(), columns)),
        Mistake("A patch's weight on itself was left out. It counts, with the distance 0.", _among_others),
        Mistake("This is the class token's row, as if it stood at the first patch. It has no place: the patches' rows "
                "are asked for.", _from_class),
        Mistake("These are squared distances: the root is missing.", _squared),
        Mistake("The patches were taken to stand in one row: columns changes nothing.", _in_a_row),
        Mistake("columns was taken for the number of rows. Row and column of a place follow from the length of a row.",
                _turned),
        Mistake("Queries and keys have changed places: a row holds a query's weights.", _over_queries),
        Mistake("The largest weight alone was followed. All weights count, each times its distance.", _largest),
        Mistake("The weights change nothing: this is the distance under even weights.", _even),
        Mistake("The queries do not count alike: each row should sum to 1 before the mean over queries.", _pooled),
        Mistake("The images were averaged before the rows were brought to a sum of 1. First each row of each image.",
                _image_pooled),
        Mistake("One number for all heads. One for each head is asked for.",
                lambda weights, columns: _each(weights, columns).mean()),
        Mistake("The mean over images is missing: (h,) is asked for.",
                lambda weights, columns: _each(weights, columns).mean(dim=-1)),
        Mistake("This is a number for each image; the mean over images and queries, for each head, is asked for.",
                lambda weights, columns: _each(weights, columns).mean(dim=(1, 2))),
        Mistake("The distances of a query's keys were added up over all queries: the mean over queries is asked for.",
                lambda weights, columns: _each(weights, columns).sum(dim=-1).mean(dim=0)),
    ),
    returns=("the mean distance",),
)  # fmt: skip


def check_look_distance(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check how far each head looks: look_distance(weights, columns), (b, h, 1 + n, 1 + n) -> (h,).

    >>> check_look_distance(lambda weights, columns: _each(weights, columns, 1).mean(dim=(0, 2)))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: look_distance: Steps along rows and columns were counted....
    """
    LOOK_DISTANCE.check(answer, seed)
