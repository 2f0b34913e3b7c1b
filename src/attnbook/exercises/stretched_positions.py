"""Positions that were learned on one grid of patches, stretched to another."""

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate

from attnbook.exercises._draws import Draw
from attnbook.exercises._outcome import Case
from attnbook.exercises._task import Mistake, Task

Grid = tuple[int, int]


def _stretch(table: Tensor, old: Grid, new: Grid) -> Tensor:
    return torch.cat([table[:1], _patches(table[1:], old, new)])


def _patches(places: Tensor, old: Grid, new: Grid, mode: str = "bilinear", **how: Any) -> Tensor:
    """The patches' positions (n, d), on another grid."""
    grid = places.unflatten(0, old).movedim(-1, 0)[None]  # (1, d, rows, columns)
    how = how if mode in ("nearest", "area") else {"align_corners": False} | how
    return interpolate(grid, size=new, mode=mode, **how)[0].flatten(1).mT


def _other(mode: str = "bilinear", **how: Any) -> Callable[[Tensor, Grid, Grid], Tensor]:
    """The same with another way to stretch."""
    return lambda table, old, new: torch.cat([table[:1], _patches(table[1:], old, new, mode, **how)])


def _columns_first(table: Tensor, old: Grid, new: Grid) -> Tensor:
    return torch.cat([table[:1], _patches(table[1:], old[::-1], new)])


def _written_by_columns(table: Tensor, old: Grid, new: Grid) -> Tensor:
    found = _patches(table[1:], old, new).unflatten(0, new)
    return torch.cat([table[:1], found.transpose(0, 1).flatten(0, 1)])


def _in_a_row(table: Tensor, old: Grid, new: Grid) -> Tensor:
    row = interpolate(table[1:].mT[None], size=new[0] * new[1], mode="linear", align_corners=False)
    return torch.cat([table[:1], row[0].mT])


def _all_in_a_row(table: Tensor, old: Grid, new: Grid) -> Tensor:
    return interpolate(table.mT[None], size=1 + new[0] * new[1], mode="linear", align_corners=False)[0].mT


def _repeated(table: Tensor, old: Grid, new: Grid) -> Tensor:
    places = torch.arange(new[0] * new[1], device=table.device) % (old[0] * old[1])
    return torch.cat([table[:1], table[1:][places]])


def _filled(table: Tensor, old: Grid, new: Grid) -> Tensor:
    kept = table[: 1 + new[0] * new[1]]
    return torch.cat([kept, table.new_zeros(1 + new[0] * new[1] - len(kept), table.shape[1])])


def _scrambled(table: Tensor, old: Grid, new: Grid) -> Tensor:
    grid = table[1:].reshape(1, -1, *old)
    found = interpolate(grid, size=new, mode="bilinear", align_corners=False)
    return torch.cat([table[:1], found[0].flatten(1).mT])


def _scrambled_behind(table: Tensor, old: Grid, new: Grid) -> Tensor:
    grid = table[1:].unflatten(0, old).movedim(-1, 0)[None]
    found = interpolate(grid, size=new, mode="bilinear", align_corners=False)
    return torch.cat([table[:1], found.reshape(-1, table.shape[1])])


def _stretch_cases(draw: Draw) -> list[Case]:
    rows, columns, d = draw.sizes(3, least=3)
    rows, columns = rows % 6 + 2, columns % 6 + 3
    columns += rows == columns
    table = draw.normal(1 + rows * columns, d)
    larger, smaller = (2 * rows + 1, columns + 2), (rows - 1, columns - 1)
    return [
        Case("", (table, (rows, columns), larger)),
        Case("with a smaller grid", (table, (rows, columns), smaller), "The new grid may be smaller."),
        Case("with the same grid", (table, (rows, columns), (rows, columns)), "Then the table stays as it is."),
    ]


STRETCH = Task(
    "stretch",
    _stretch,
    _stretch_cases,
    (
        Mistake("The class token's position is missing. It has no place in the grid, and stays.",
                lambda table, old, new: _patches(table[1:], old, new)),
        Mistake("The class token's position stands last. It stays first.",
                lambda table, old, new: _stretch(table, old, new).roll(-1, 0)),
        Mistake("The last row was taken for the class token's. It is the first.",
                lambda table, old, new: torch.cat([_patches(table[:-1], old, new), table[-1:]])),
        Mistake("The last patch was left out, and the class token's position was taken for that of the first patch.",
                lambda table, old, new: torch.cat([table[:1], _patches(table[:-1], old, new)])),
        Mistake("The class token's position was set to zero. It stays as it was.",
                lambda table, old, new: torch.cat([torch.zeros_like(table[:1]), _patches(table[1:], old, new)])),
        Mistake("The class token's position was replaced by the mean of the patches'. It stays as it was.",
                lambda table, old, new: torch.cat([table[1:].mean(dim=0, keepdim=True),
                                                   _patches(table[1:], old, new)])),
        Mistake("The corners of the two grids were laid on each other (align_corners=True). The images' edges should "
                "be, and a patch's middle lies half a patch away from them.", _other(align_corners=True)),
        Mistake("Each new patch got the position of one old one. A mean of its neighbours is asked for.",
                _other("nearest")),
        Mistake("This is an average over areas. Asked for is bilinear.", _other("area")),
        Mistake("The old table was read on from its beginning, row after row. It should be stretched as a picture.",
                _repeated),
        Mistake("The old rows were kept as they come, and zeros put behind them. The table should be stretched as a "
                "picture.", _filled),
        Mistake("The whole old table stands before the new positions. Only its first row stays, the class token's.",
                lambda table, old, new: torch.cat([table, _patches(table[1:], old, new)])),
        Mistake("This is bicubic. Asked for is bilinear.", _other("bicubic")),
        Mistake("This smooths where the grid gets smaller (antialias). Plain bilinear is asked for.",
                _other(antialias=True)),
        Mistake("Rows and columns of the old grid have changed places.", _columns_first),
        Mistake("The new positions stand column by column. They should stand row by row.", _written_by_columns),
        Mistake("Rows and columns of the new grid have changed places.",
                lambda table, old, new: _stretch(table, old, new[::-1])),
        Mistake("The positions were stretched in one row. A patch also has neighbours above and below.", _in_a_row),
        Mistake("The whole table was stretched in one row, with the class token's position.", _all_in_a_row),
        Mistake("The d numbers of a position were torn apart: reshape does not move axes. A table of (n, d) becomes "
                "(rows, columns, d), and then d comes to the front.", _scrambled),
        Mistake("The d numbers of a position were torn apart on the way back: reshape does not move axes.",
                _scrambled_behind),
    ),
    returns=("the new table",),
)  # fmt: skip


def check_stretch(answer: Callable[..., Any], seed: int = 0) -> None:
    """Check positions for another grid: stretch(table, old, new), (1 + n, d) -> (1 + m, d).

    >>> check_stretch(lambda table, old, new: _patches(table[1:], old, new))  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    attnbook.exercises.WrongAnswer: stretch: The class token's position is missing....
    """
    STRETCH.check(answer, seed)
