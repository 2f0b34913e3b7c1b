"""What follows from the rows: ratios, growth, goals; and how they are told."""

from collections.abc import Iterator
from typing import Any

from peers import HEADS
from work import Group

from attnbook.measuring import growth_exponent, ratio

Row = dict[str, Any]
LONG = 4096  # growth is fitted from here on, where there are three lengths: shorter ones hide it by their overhead

# Group, length, peer, and how many times as long as ours it should take at least.
FASTER = [
    ("window, causal", 8192, "local-attention", 2.5),
    ("window, both sides", 8192, "local-attention", 2.0),
    ("window, causal, forward", 8192, "torch flex_attention", 1.3),
    ("Longformer's layer", 8192, "transformers Longformer", 6.0),
    ("BigBird's layer", 4096, "transformers BigBird", 3.0),
    ("Performer, both sides", 8192, "performer-pytorch", 2.0),
    ("Performer, causal", 1024, "performer-pytorch", 5.0),
]
SLOWEST_BLOCKWISE = 1.3  # times as long as torch's fused kernel
MOST_BLOCKWISE = 0.05  # of the bytes of dense attention's weights
LINEAR = [
    "window, causal",
    "window, both sides",
    "chunks",
    "block-sparse",
    "linear, both sides",
    "linear, causal",
    "Performer, both sides",
    "Performer, causal",
]
TIME_GROWTH, MEMORY_GROWTH = 1.15, 1.02


def ratios(rows: list[Row], groups: tuple[Group, ...]) -> list[Row]:
    """How many times as long as ours each other method takes: the rounds' median, and their quartiles."""
    found = []
    for group in groups:
        ours = group.methods[0].name
        for n in group.lengths:
            times = {row["method"]: row["seconds"] for row in _of(rows, group.name, n) if "seconds" in row}
            for other in times.keys() - {ours} if ours in times else ():
                median, low, high = ratio(times, other, ours)
                found.append(
                    {
                        "group": group.name,
                        "n": n,
                        "method": other,
                        "than": ours,
                        "times_as_long": median,
                        "low": low,
                        "high": high,
                        "rounds": len(times[other]),
                    }
                )
    order = [group.name for group in groups]
    return sorted(found, key=lambda row: (order.index(row["group"]), row["method"], row["n"]))


def growth(rows: list[Row], groups: tuple[Group, ...]) -> list[Row]:
    """The exponents p of time and memory, as n^p, with the lengths that they were fitted to."""
    found = []
    for group in groups:
        for method in group.methods:
            measured = [row for row in _of(rows, group.name) if row["method"] == method.name and "seconds" in row]
            long = [row for row in measured if row["n"] >= LONG]
            used = long if len(long) >= 3 else measured[-3:]
            if len(used) < 2:
                continue
            ns = [row["n"] for row in used]
            found.append(
                {
                    "group": group.name,
                    "method": method.name,
                    "lengths": ns,
                    "time": growth_exponent(ns, [min(row["seconds"]) for row in used]),
                    "memory": growth_exponent(ns, [row["peak_bytes"] for row in used]),
                }
            )
    return found


def goals(results: Row) -> list[Row]:
    """What we set out to reach, what was reached, and whether that is enough; of what was measured, at full length."""
    return [
        {"goal": text, "measured": None if measured is None else round(measured, 4), "wanted": wanted, "met": met}
        for text, measured, wanted, met in _goals(results)
    ]


def _goals(results: Row) -> Iterator[tuple[str, float | None, str, bool]]:
    for group, n, peer, least in FASTER:
        for row in _find(results["ratios"], group=group, n=n, method=peer):
            measured = row["times_as_long"]
            yield f"{group}, n = {n}: {peer}'s time / ours", measured, f"at least {least}", measured >= least
    for row in _find(results["ratios"], group="exact", n=8192, method="torch SDPA"):
        slower = 1 / row["times_as_long"]
        wanted = f"at most {SLOWEST_BLOCKWISE}"
        yield "exact, n = 8192: blockwise's time / torch SDPA's", slower, wanted, slower <= SLOWEST_BLOCKWISE
    for row in _find(results["rows"], group="exact", n=8192, method="attnbook blockwise"):
        text, wanted = "exact, n = 8192: blockwise's memory / dense weights", f"at most {MOST_BLOCKWISE}"
        if "left_out" in row:
            yield text, None, wanted, False
        else:
            part = row["peak_bytes"] / (4 * HEADS * 8192**2)
            yield text, part, wanted, part <= MOST_BLOCKWISE
    for group in ("Performer, both sides", "Performer, causal"):
        for ours in _find(results["accuracy"], group=group, method="attnbook"):
            (theirs,) = _find(results["accuracy"], group=group, method="performer-pytorch", scale=ours["scale"])
            part = ours["error"] / theirs["error"]
            yield f"{group}, q and k × {ours['scale']}: our error / performer-pytorch's", part, "at most 1", part <= 1
    yield from _growth_goals(results["growth"])


def _growth_goals(rows: list[Row]) -> Iterator[tuple[str, float, str, bool]]:
    rows = [row for row in rows if row["lengths"][-1] > LONG]
    for row in _find(rows, group="exact", method="attnbook dense"):
        lengths = f"n = {row['lengths'][0]} to {row['lengths'][-1]}"
        yield f"dense, {lengths}: exponent of time", row["time"], "2.0 to 2.5", 2.0 <= round(row["time"], 2) <= 2.5
    for group in LINEAR:
        for row in _find(rows, group=group, method="attnbook"):
            lengths = f"n = {row['lengths'][0]} to {row['lengths'][-1]}"
            for name, most in [("time", TIME_GROWTH), ("memory", MEMORY_GROWTH)]:
                yield f"{group}, {lengths}: exponent of {name}", row[name], f"at most {most}", row[name] <= most


def _of(rows: list[Row], group: str, n: int | None = None) -> list[Row]:
    return [row for row in rows if row["group"] == group and n in (None, row["n"])]


def _find(rows: list[Row], **wanted: Any) -> list[Row]:
    return [row for row in rows if wanted.items() <= row.items()]


# In words


def tell_row(row: Row) -> str:
    start = f"  {row['group']:24} n {row['n']:6}  {row['method']:24}"
    if "left_out" in row:
        return f"{start} left out: {row['left_out']}"
    return f"{start} {row['peak_bytes'] / 2**20:8.1f} MiB, {len(row['seconds'])} rounds"


def tell(results: Row) -> str:
    lines = ["", "Time of the others / ours: median (quartiles)"]
    lines += [
        f"  {row['group']:24} n {row['n']:6}  {row['method']:24} {row['times_as_long']:7.2f} "
        f"({row['low']:.2f}-{row['high']:.2f})"
        for row in results["ratios"]
    ]
    lines += ["", "Growth as n^p: time, memory"]
    lines += [
        f"  {row['group']:24} {row['method']:24} {row['time']:5.2f} {row['memory']:5.2f}   "
        f"n = {row['lengths'][0]} to {row['lengths'][-1]}"
        for row in results["growth"]
    ]
    lines += ["", "Error against dense attention in float64, and that of the trivial average"]
    lines += [
        f"  {row['group']:24} {row['method']:24} n {row['n']:6} q, k × {row['scale']:<4} {row['error']:.1e}  "
        f"{row['trivial_error']:.1e}"
        for row in results["accuracy"]
    ]
    lines += ["", "Part of the machine's limit, at the longest length measured"]
    longest = {(row["group"], row["method"]): row for row in results["rows"] if "seconds" in row}
    lines += [
        f"  {row['group']:24} {row['method']:24} n {row['n']:6} {row['part_of_limit']:6.1%} ({row['bound']})"
        for row in longest.values()
    ]
    lines += ["", "Goals"]
    lines += [
        f"  {'met    ' if goal['met'] else 'NOT MET'} {goal['goal']}: "
        f"{'left out' if goal['measured'] is None else format(goal['measured'], '.2f')}, {goal['wanted']}"
        for goal in results["goals"]
    ]
    return "\n".join(lines)
