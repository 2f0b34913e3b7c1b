"""Time our efficient attentions beside the packages that people install, in one process, in turn, on the same inputs.

make bench                              everything, some 15 minutes on a quiet machine
python benchmarks/bench.py --quick      short lengths, one round, no compiler: does it run?
"""

import argparse
import json
import platform
import time
from dataclasses import replace
from importlib import metadata
from pathlib import Path
from typing import Any

import accuracy
import layers
import methods
import peers
import report
import roofline
import torch
from running import Limits, run
from work import Group

from attnbook.evidence import made_with

ROOT = Path(__file__).parent.parent
# The second is for the chapters, which in Colab have the package alone.
RESULTS = [ROOT / "benchmarks/results.json", ROOT / "src/attnbook/evidence/benchmarks.json"]
PACKAGES = ["attnbook", "torch", "local-attention", "performer-pytorch", "transformers", "numpy"]
QUICK = Limits(rounds_seconds=0.0)
ABOUT = {
    "rows": "seconds of each round and most bytes held at once beyond the inputs, or why it was left out; operations "
    "and bytes_moved by formula (attnbook.costs), and part_of_limit, the least time for them / the best round",
    "ratios": "how many times as long as `than` a method takes, of the same rounds: median and quartiles",
    "growth": "p in n^p, fitted to the best rounds and to the bytes of these lengths",
    "accuracy": "|output - dense attention with the method's own mask| / |dense|; trivial_error: that of the mean of "
    "what may be seen; for random features the median of several draws",
    "goals": "what we set out to reach, and what was reached",
}


def groups() -> tuple[Group, ...]:
    """All that is compared, in the order of the report."""
    patterns = (
        methods.window(True),
        methods.window(False),
        methods.window_forward(),
        layers.longformer(),
        layers.bigbird(),
        methods.chunks(),
        methods.blocks(),
    )
    features = (methods.performer(False), methods.performer(True), methods.linear(False), methods.linear(True))
    return (*patterns, *features, methods.exact(), layers.recurrent())


def main() -> None:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--quick", action="store_true", help="short lengths, one round, no compiler")
    arguments.add_argument("--only", default="", help="measure only groups whose name contains this word, and put them "
                           "in the place of what was measured of them before")  # fmt: skip
    arguments.add_argument("--output", type=Path, help="write the results there instead")
    given = arguments.parse_args()
    torch.set_num_threads(1)
    chosen = tuple(group for group in groups() if given.only in group.name)
    results = measure(chosen, given.quick)
    print(report.tell(results))
    if given.only and not given.quick:
        results = merge(json.loads(RESULTS[0].read_text()), results)
    for path in [given.output] if given.output else RESULTS if not given.quick else []:
        path.write_text(json.dumps(results, indent=1) + "\n")


def measure(chosen: tuple[Group, ...], quick: bool) -> dict[str, Any]:
    """Run the groups, and put together what follows."""
    start = time.perf_counter()
    if quick:
        chosen = tuple(shorten(group) for group in chosen if group.training)  # the other needs a compiler
    speeds = roofline.machine(rounds=1 if quick else 7)
    rows = []
    for group in chosen:
        print(f"{group.name}: {group.about}", flush=True)
        rows += run(group, QUICK if quick else Limits(), lambda row: print(report.tell_row(row), flush=True))
    roofline.add_parts(rows, chosen, speeds)
    results = {
        "about": ABOUT,
        "made_with": _made_with(),
        "setting": _setting(quick),
        "machine": speeds,
        "groups": [_describe(group) for group in chosen],
        "rows": rows,
    }
    results["ratios"] = report.ratios(rows, chosen)
    results["growth"] = report.growth(rows, chosen)
    results["accuracy"] = _accuracy(chosen, quick)
    results["goals"] = report.goals(results)
    results["minutes"] = round((time.perf_counter() - start) / 60, 1)
    return results


def merge(old: dict[str, Any], new: dict[str, Any]) -> dict[str, Any]:
    """Old results, with the groups measured anew in their places. Ratios compare within a group, so within one run."""
    anew = {row["group"] for row in new["rows"]}
    merged = old | {"setting": new["setting"]}
    for part in ("rows", "accuracy"):
        merged[part] = [row for row in old[part] if row["group"] not in anew] + new[part]
    order = [group["name"] for group in old["groups"]]
    merged["rows"].sort(key=lambda row: order.index(row["group"]))
    merged["accuracy"].sort(key=lambda row: order.index(row["group"]))
    merged["ratios"] = report.ratios(merged["rows"], groups())
    merged["growth"] = report.growth(merged["rows"], groups())
    merged["goals"] = report.goals(merged)
    return merged


def _accuracy(chosen: tuple[Group, ...], quick: bool) -> list[dict[str, Any]]:
    draws = 1 if quick else accuracy.DRAWS
    found = []
    for group in chosen:
        for n in group.checked_at:
            for scale in (1.0, 0.5) if group.random else (1.0,):
                found += accuracy.errors(group, n, scale, draws)
    return found


def shorten(group: Group) -> Group:
    return replace(group, lengths=group.short_lengths, checked_at=group.checked_at[:1])


def _describe(group: Group) -> dict[str, Any]:
    methods = [{"name": method.name, "call": method.call, "note": method.note} for method in group.methods]
    described = {"name": group.name, "about": group.about, "training": group.training, "methods": methods}
    return described | ({"backward": peers.flex_backward()} if not group.training else {})


def _setting(quick: bool) -> dict[str, Any]:
    return {
        "quick": quick,
        "batch": 1,
        "heads": peers.HEADS,
        "d_head": peers.D_HEAD,
        "dtype": "float32",
        "inputs": "standard normal",
        "limits": vars(Limits()) if not quick else vars(QUICK),
    }


def _made_with() -> dict[str, Any]:
    return made_with() | {"packages": {name: metadata.version(name) for name in PACKAGES}, "processor": _processor()}


def _processor() -> str:
    info = Path("/proc/cpuinfo")
    names = (
        [line.split(":")[1].strip() for line in info.read_text().splitlines() if line.startswith("model name")]
        if (info.exists())
        else []
    )
    return names[0] if names else platform.processor()


if __name__ == "__main__":
    main()
