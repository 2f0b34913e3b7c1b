"""Does each method compute what it says? Its output against dense attention with its own mask, in float64."""

import statistics
from typing import Any

import torch
from running import make_inputs
from torch import Tensor
from work import Attention, Group, expected, split_heads

DRAWS = 9  # of the random features


@torch.no_grad()
def errors(group: Group, n: int, scale: float = 1.0, draws: int = DRAWS) -> list[dict[str, Any]]:
    """The relative error of each method, |output - expected| / |expected|, over all numbers of the output.

    Beside it stands the error of the trivial average, which gives every key that may be seen the same weight: who does
    not beat it has learned nothing from q and k.

    Args:
        scale: multiplies q and k; small ones make plain attention nearly the trivial average.
        draws: how many draws of random features, where there are any; the error is their median.
    """
    inputs = [x.detach() for x in make_inputs(group, n)]
    if group.inputs == "heads":
        inputs[:2] = [x * scale for x in inputs[:2]]
    rows = []
    for method in group.methods:
        built = method.build(n)
        wanted, trivial = expected(group, method, built, tuple(inputs))
        again = [method.build(n, seed) for seed in range(1, draws)] if group.random else []
        found = sorted(_relative(_output(group, each, inputs), wanted) for each in [built, *again])
        row = {"group": group.name, "method": method.name, "n": n, "scale": scale, "error": statistics.median(found)}
        row["trivial_error"] = _relative(trivial, wanted)
        rows.append(row | ({"draws": draws, "least": found[0], "most": found[-1]} if group.random else {}))
    return rows


def _output(group: Group, built: Attention, inputs: list[Tensor]) -> Tensor:
    output = built(*inputs)
    return split_heads(output) if group.inputs == "tokens" else output


def _relative(x: Tensor, wanted: Tensor) -> float:
    return float((x - wanted).norm() / wanted.norm())
