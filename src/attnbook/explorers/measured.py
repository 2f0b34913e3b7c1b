"""What was measured, in the units of the cost explorer's curves: the benchmark's results, scaled to one point."""

import statistics
from typing import Any

from attnbook import costs
from attnbook.evidence import load_results
from attnbook.explorers.bill import Model, bill

NAME = "Measured here"
MODEL = Model(512, 8, 8, 1, 2048, bytes_a_number=4, window=256, block=64, features=266)

# The benchmark's groups and methods, by the explorer's names.
_ROWS = {
    ("exact", "attnbook dense"): "dense",
    ("exact", "attnbook blockwise"): "exact",
    ("window, both sides", "attnbook"): "window",
    ("block-sparse", "attnbook"): "sparse",
    ("Performer, both sides", "attnbook"): "performer",
    ("linear, both sides", "attnbook"): "linear",
}


def measured_points(rows: list[dict[str, Any]] | None = None) -> list[dict[str, Any]]:
    """Times and peaks of a training step, scaled so that dense attention on its shortest text lies on its curve.

    A scaled time is how many operations dense attention does meanwhile on that text, which is short enough for caches.

    Args:
        rows: dicts with `group`, `method` and `n`, and either `seconds` of each round and `peak_bytes`, or why the row
            was left out; the committed results if None.
    Returns:
        dicts with `method`, `n`, `operations` and, but for the recurrent layer, `memory`.

    >>> row = {"group": "exact", "method": "attnbook dense", "n": 1024, "seconds": [2.0, 3.0, 2.5], "peak_bytes": 10}
    >>> point = measured_points([row])[0]
    >>> point["operations"] == bill(MODEL, "dense", 1024).operations
    True
    """
    rows = load_results("benchmarks")["rows"] if rows is None else rows
    found = {
        (_ROWS[row["group"], row["method"]], row["n"]): (statistics.median(row["seconds"]), row["peak_bytes"])
        for row in rows
        if (row["group"], row["method"]) in _ROWS and "seconds" in row
    }
    shortest = min(n for method, n in found if method == "dense")
    seconds, peak = found["dense", shortest]
    anchor = bill(MODEL, "dense", shortest)
    points = [
        {"method": method, "n": n, "operations": time / seconds * anchor.operations,
         "memory": memory / peak * anchor.memory}
        for (method, n), (time, memory) in found.items()
    ]  # fmt: skip
    return points + _recurrent_points(rows)


def _recurrent_points(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    # A layer of attention and a recurrent one were timed in turn, both with their projections. The curve shows what the
    # recurrent layer takes beyond those, so they are taken off again.
    times = {(row["method"], row["n"]): statistics.median(row["seconds"])
             for row in rows if row["group"] == "recurrent" and "seconds" in row}  # fmt: skip
    points = []
    for (method, n), seconds in times.items():
        if method == "torch GRU" and ("attnbook, weights stored", n) in times:
            projections = costs.projections(n, MODEL.d_model).operations
            layer = projections + bill(MODEL, "dense", n).operations
            own = seconds / times["attnbook, weights stored", n] * layer - projections
            points.append({"method": "recurrent", "n": n, "operations": own})
    return points
