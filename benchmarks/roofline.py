"""The machine's two speeds, and what part of the limit that they set each method reaches."""

from typing import Any

import torch
from work import Group

from attnbook.measuring import time_in_turn

SIDE = 1024  # of the square matrices
NUMBERS = 2**24  # of the copied tensor: 64 MiB, more than most caches hold


def machine(rounds: int = 7) -> dict[str, Any]:
    """How fast it multiplies matrices, and how fast it copies: the best of some rounds, by torch, with its threads."""
    a, b = torch.randn(2, SIDE, SIDE)
    source, target = torch.randn(2, NUMBERS)
    times = time_in_turn({"product": lambda: a @ b, "copy": lambda: target.copy_(source)}, rounds)
    return {
        "operations_a_second": 2 * SIDE**3 / min(times["product"]),
        "bytes_a_second": 2 * 4 * NUMBERS / min(times["copy"]),
        "how": f"a float32 product of two {SIDE} × {SIDE} matrices; a copy of {NUMBERS * 4 // 2**20} MiB, read and "
        f"written; the best of {rounds}",
    }


def add_parts(rows: list[dict[str, Any]], groups: tuple[Group, ...], speeds: dict[str, Any]) -> None:
    """Write into each measured row what the work must cost, and what part of the machine's limit was reached."""
    methods = {(group.name, method.name): (group, method) for group in groups for method in group.methods}
    for row in rows:
        if "seconds" in row:
            group, method = methods[row["group"], row["method"]]
            cost = method.cost(row["n"], group.training)
            least = cost.least_seconds(speeds["operations_a_second"], speeds["bytes_a_second"])
            row["operations"], row["bytes_moved"] = cost.operations, cost.moved
            row["bound"] = "compute" if cost.operations / speeds["operations_a_second"] == least else "memory"
            row["part_of_limit"] = least / min(row["seconds"])
