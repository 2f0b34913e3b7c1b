"""The comparison with peers: it runs, and the committed results are whole, true to the plan, and say what they met."""

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest

from attnbook.evidence import FOLDER

ROOT = Path(__file__).parent.parent
sys.path.insert(0, str(ROOT / "benchmarks"))

import bench  # noqa: E402 (the folder holds scripts, no package)
import report  # noqa: E402
import running  # noqa: E402
from work import Group, Method  # noqa: E402

from attnbook.costs import Cost  # noqa: E402

RESULTS = json.loads((ROOT / "benchmarks/results.json").read_text())
GROUPS = {group.name: group for group in bench.groups()}
KEYS = [
    "about",
    "made_with",
    "setting",
    "machine",
    "groups",
    "rows",
    "ratios",
    "growth",
    "accuracy",
    "goals",
    "minutes",
]
EXACT = 2e-6  # relative error of float32 sums


def check(results, groups):
    """All that must hold of any results: every method at every length, measured or with the reason why not."""
    assert list(results) == KEYS
    assert [group["name"] for group in results["groups"]] == [group.name for group in groups]
    planned = [(group.name, method.name, n) for group in groups for n in group.lengths for method in group.methods]
    assert [(row["group"], row["method"], row["n"]) for row in results["rows"]] == planned
    for row in results["rows"]:
        if "left_out" in row:
            assert re.match("would take|no memory", row["left_out"])
        else:
            assert min(row["seconds"]) > 0
            assert row["peak_bytes"] > 0
            assert row["part_of_limit"] > 0
    for row in results["accuracy"]:
        counts_twice = row["method"] == "transformers BigBird" and row["n"] == 1024  # some keys; not at other lengths
        if not GROUPS[row["group"]].random and not counts_twice:
            assert row["error"] < EXACT, row
        assert row["trivial_error"] > 0.05, row
    checked = {(row["group"], row["method"], row["n"]) for row in results["accuracy"]}
    assert checked == {(group.name, method.name, n) for group in groups for method in group.methods
                       for n in group.checked_at}  # fmt: skip


# Does it run?


@pytest.fixture(scope="module")
def quick(tmp_path_factory):
    path = tmp_path_factory.mktemp("bench") / "results.json"
    command = [sys.executable, str(ROOT / "benchmarks/bench.py"), "--quick", "--output", str(path)]
    done = subprocess.run(command, capture_output=True, text=True, check=False, cwd=path.parent)
    assert done.returncode == 0, done.stderr
    return json.loads(path.read_text()), done.stdout


def test_a_quick_run_measures_all_but_what_needs_a_compiler(quick):
    results, _ = quick
    check(results, [bench.shorten(group) for group in GROUPS.values() if group.training])
    assert not [row for row in results["rows"] if "left_out" in row]
    assert results["setting"]["quick"]


def test_a_quick_run_leaves_the_results_alone(quick):
    assert json.loads((ROOT / "benchmarks/results.json").read_text()) == RESULTS


def test_a_run_prints_ratios_and_no_bare_seconds(quick):
    text = quick[1]
    assert text.index("Time of the others / ours") < text.index("Growth as n^p") < text.index("Goals")
    assert not re.search(r"\d (ms|s|seconds)\b", text)


# What was committed


def test_the_committed_results_are_whole():
    check(RESULTS, list(GROUPS.values()))
    assert not RESULTS["setting"]["quick"]


def test_the_chapters_read_the_same_results():
    assert (FOLDER / "benchmarks.json").read_bytes() == (ROOT / "benchmarks/results.json").read_bytes()


def test_the_committed_results_say_what_made_them():
    assert RESULTS["made_with"]["threads"] == 1
    assert {"torch", "local-attention", "performer-pytorch", "transformers"} <= set(RESULTS["made_with"]["packages"])
    assert RESULTS["machine"]["operations_a_second"] > RESULTS["machine"]["bytes_a_second"] > 1e8
    assert set(RESULTS["about"]) < set(KEYS)


def test_what_follows_is_computed_from_the_rows():
    groups = tuple(GROUPS.values())
    assert report.ratios(RESULTS["rows"], groups) == RESULTS["ratios"]
    assert report.growth(RESULTS["rows"], groups) == RESULTS["growth"]
    assert report.goals(RESULTS) == RESULTS["goals"]


def test_every_goal_was_measured():
    told = " ".join(goal["goal"] for goal in RESULTS["goals"])
    for group, n, peer, _ in report.FASTER:
        assert f"{group}, n = {n}: {peer}'s time / ours" in told
    for group in report.LINEAR:
        for name in ("time", "memory"):
            assert re.search(f"{re.escape(group)}, n = 4096 to 32768: exponent of {name}", told)
    assert len(RESULTS["goals"]) == len(report.FASTER) + 2 + 4 + 1 + 2 * len(report.LINEAR)


def test_what_flex_attention_says_about_gradients_is_recorded():
    (forward,) = [group for group in RESULTS["groups"] if not group["training"]]
    assert "does not support backward" in forward["backward"]


# How it decides


def rows_of(name, method, ns, seconds, peaks):
    return [{"group": name, "method": method, "n": n, "seconds": [s], "peak_bytes": p}
            for n, s, p in zip(ns, seconds, peaks, strict=True)]  # fmt: skip


def make_group(*methods, lengths):
    def build(n):
        return lambda q, k, v: q + k + v

    return Group("some", "of them", tuple(Method(m, "", build, lambda n, t: Cost(1, 1, 1)) for m in methods),
                 lengths=lengths)  # fmt: skip


def test_ratios_are_those_of_the_others_to_ours():
    group = make_group("ours", "theirs", lengths=(16, 32))
    rows = rows_of("some", "ours", [16, 32], [2.0, 4.0], [1, 1]) + rows_of("some", "theirs", [16], [6.0], [1])
    (row,) = report.ratios(rows, (group,))
    assert (row["method"], row["than"], row["n"], row["times_as_long"], row["rounds"]) == ("theirs", "ours", 16, 3.0, 1)


def test_growth_is_fitted_to_long_lengths_where_there_are_three():
    group = make_group("ours", lengths=())
    ns = [1024, 2048, 4096, 8192, 16384]
    rows = rows_of("some", "ours", ns, [9.0, 9.0, 1.0, 4.0, 16.0], [9, 9, 1, 2, 4])
    (row,) = report.growth(rows, (group,))
    assert (row["time"], row["memory"], row["lengths"]) == (2.0, 1.0, ns[2:])
    (row,) = report.growth(rows[:4], (group,))
    assert row["lengths"] == ns[1:4]


def test_what_would_take_too_much_is_left_out_and_says_why():
    group = make_group("ours", lengths=(16, 32, 64, 128))
    heads = running.HEADS * running.D_HEAD * 4  # bytes of q for each token; at the peak there are two like it
    told = []
    rows = running.run(group, running.Limits(memory_bytes=200 * heads, most_rounds=1), told.append)
    assert told == rows
    assert [row.get("peak_bytes") for row in rows] == [32 * heads, 64 * heads, 128 * heads, None]
    assert rows[3]["left_out"] == "would take 0 GiB, over 0 GiB"
    assert rows[3]["predicted_bytes"] == 256 * heads


def test_a_second_length_is_expected_to_take_four_times_as_much():
    group = make_group("ours", lengths=(16, 32))
    rows = running.run(group, running.Limits(call_seconds=0.0, most_rounds=1), lambda row: None)
    assert re.fullmatch(r"would take \d+ s a call, over 0 s", rows[1]["left_out"])
    assert rows[1]["predicted_bytes"] == 4 * rows[0]["peak_bytes"]


def test_no_memory_is_a_reason_and_another_error_is_none():
    def no_memory(n):
        raise RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes.\nmore")

    def broken(n):
        raise RuntimeError("shapes do not fit")

    def group(build):
        return Group("some", "", (Method("ours", "", build, lambda n, t: Cost(1, 1, 1)),), lengths=(16,))

    (row,) = running.run(group(no_memory), running.Limits(), lambda row: None)
    assert row["left_out"] == "no memory: DefaultCPUAllocator: can't allocate memory: you tried to allocate 9 bytes."
    with pytest.raises(RuntimeError, match="shapes do not fit"):
        running.run(group(broken), running.Limits(), lambda row: None)


def test_one_group_measured_again_takes_the_place_of_the_old():
    anew = {part: [row for row in RESULTS[part] if row["group"] == "exact"] for part in ("rows", "accuracy")}
    anew["rows"] = [
        row | {"seconds": [2 * s for s in row["seconds"]]} if "seconds" in row else row for row in anew["rows"]
    ]
    anew |= {"setting": RESULTS["setting"]}
    merged = bench.merge(RESULTS, anew)
    others = [row for row in RESULTS["rows"] if row["group"] != "exact"]
    assert [row for row in merged["rows"] if row["group"] != "exact"] == others
    assert [row for row in merged["rows"] if row["group"] == "exact"] == anew["rows"] != []
    assert merged["ratios"] == RESULTS["ratios"]  # all of the group took twice as long
    assert merged["goals"] == RESULTS["goals"]


def test_a_goal_that_was_left_out_is_not_met():
    rows = [
        {key: row[key] for key in ("group", "method", "n")} | {"left_out": "would take 99 s"}
        if (row["group"], row["n"]) == ("exact", 8192)
        else row
        for row in RESULTS["rows"]
    ]
    goals = report.goals(RESULTS | {"rows": rows})
    (memory,) = [goal for goal in goals if "blockwise's memory" in goal["goal"]]
    assert (memory["measured"], memory["met"]) == (None, False)
    assert "NOT MET exact, n = 8192: blockwise's memory / dense weights: left out" in report.tell(
        RESULTS | {"goals": goals}
    )
