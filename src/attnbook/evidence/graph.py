"""Chapter 14: what attention over neighbours can express, and what it is worth on a graph with false friends."""

import time
from typing import Any

from safetensors.torch import load_file, save_file
from torch import nn

from attnbook.evidence import FOLDER, save_results
from attnbook.evidence.graph_models import NodeClassifier
from attnbook.evidence.graph_tasks import (
    LookUp,
    look_up_facts,
    propagate_digits,
    run_digits,
    run_karate,
    train_look_ups,
)

LOOK_UP_HEADS = (1, 2, 4, 8)
STRANGERS = (0, 3, 10, 20)  # drawn by lot, beside 5 true neighbours
RATES = (0.003, 0.01, 0.03)
KINDS = ("MLP", "GCN", "GAT", "GATv2")
DEPTHS = (1, 2, 4, 8, 16)
SEEDS = range(10)
# The best of RATES for each kind of layer, without a skip connection and with one, by validation with 10 strangers.
BEST_RATE = {
    ("MLP", False): 0.01,
    ("GCN", False): 0.01,
    ("GAT", False): 0.03,
    ("GATv2", False): 0.03,
    ("GCN", True): 0.003,
    ("GATv2", True): 0.003,
}


def run(task: str, **setting: Any) -> dict[str, Any]:
    """One run of the plan, and its row of the results file."""
    if task == "look-ups":
        facts: dict[str, Any] = look_up_facts(train_look_ups(**setting))
    elif task == "karate":
        facts = run_karate(**setting)
    elif setting["kind"] == "labels spread":
        facts = propagate_digits(setting["strangers"], setting["seed"])
    else:
        _, facts = run_digits(**setting)
    return {"task": task, **setting, **facts}


def plan() -> list[dict[str, Any]]:
    """Every run that chapter 14 quotes: `run`'s arguments."""
    look_ups = [
        {"task": "look-ups", "kind": kind, "num_heads": num_heads, "seed": seed}
        for kind in ("GAT", "GATv2")
        for num_heads in LOOK_UP_HEADS
        for seed in range(5)
    ]
    karate = [{"task": "karate", "kind": kind, "seed": seed} for kind in KINDS[1:] for seed in SEEDS]
    return look_ups + karate + rates() + digits_runs() + depths()


def rates() -> list[dict[str, Any]]:
    """The search for a learning rate, on splits of the digits that are used for nothing else."""
    return [
        {"task": "rates", "kind": kind, "strangers": 10, "seed": seed, "lr": lr, "skip": skip}
        for kind, skip in [*((kind, False) for kind in KINDS), ("GCN", True), ("GATv2", True)]
        for lr in RATES
        for seed in (100, 101, 102)
    ]


def digits_runs() -> list[dict[str, Any]]:
    """The comparison: four models without a skip connection on four graphs, and what else stands beside them."""
    plain = [digits_run(kind, strangers, seed) for strangers in STRANGERS for kind in KINDS for seed in SEEDS]
    skips = [
        digits_run(kind, strangers, seed, skip=True)
        for strangers in (0, 10)
        for kind in ("GCN", "GATv2")
        for seed in SEEDS
    ]
    spread = [
        {"task": "digits", "kind": "labels spread", "strangers": strangers, "seed": seed}
        for strangers in STRANGERS
        for seed in SEEDS
    ]
    everyone = [digits_run("everyone", 0, seed) for seed in range(3)]
    # The rates were chosen with 10 strangers. Without any, a lower one may suit attention better.
    slower = [digits_run(kind, 0, seed) | {"task": "slower", "lr": 0.01} for kind in ("GAT", "GATv2") for seed in SEEDS]
    return plain + skips + spread + everyone + slower


def digits_run(kind: str, strangers: int, seed: int, skip: bool = False) -> dict[str, Any]:
    """The arguments of one run of the comparison, at its kind's best rate."""
    lr = BEST_RATE.get((kind, skip), 0.01)
    return {"task": "digits", "kind": kind, "strangers": strangers, "seed": seed, "skip": skip, "lr": lr}


def depths() -> list[dict[str, Any]]:
    """Graph convolutions above one another, with a skip connection past each and without; no strangers."""
    return [
        {"task": "depth", "kind": "GCN", "strangers": 0, "seed": seed, "depth": depth, "skip": skip, "lr": 0.01}
        for skip in (False, True)
        for depth in DEPTHS
        for seed in range(3)
    ]


def recompute() -> None:
    """Train every run of the plan (some 20 minutes on one core), and write the results."""
    rows = []
    for arguments in plan():
        start = time.perf_counter()
        rows.append(run(**arguments))
        print(f"{arguments}: {rows[-1]['right']:.1%} right, {time.perf_counter() - start:.1f} s", flush=True)
    save_results("graph", rows)


# Trained models for the chapter's explorer

EXPLORED = ("GCN", "GAT", "GATv2")
EXPLORED_KEYS, EXPLORED_STRANGERS, EXPLORED_SEED = 6, 10, 0
CHECKPOINT = FOLDER / "graph.safetensors"


def train_checkpoint() -> None:
    """Train the explorer's six models (a third of a minute), three for look-up tables and three for digits."""
    models: dict[str, nn.Module] = {}
    for kind in EXPLORED:
        models[f"look-up {kind}"] = train_look_ups(kind, seed=EXPLORED_SEED, keys=EXPLORED_KEYS)
        arguments = digits_run(kind, EXPLORED_STRANGERS, EXPLORED_SEED)
        del arguments["task"]
        models[f"digits {kind}"], _ = run_digits(**arguments)
    save_file(
        {f"{name}.{key}": x.contiguous() for name, model in models.items() for key, x in model.state_dict().items()},
        CHECKPOINT,
    )


def trained(task: str, kind: str) -> LookUp | NodeClassifier:
    """One of the models of the checkpoint: for "look-up" or "digits", with GCN, GAT or GATv2 layers.

    >>> trained("digits", "GATv2").predict
    Linear(in_features=32, out_features=10, bias=True)
    """
    if task not in ("look-up", "digits") or kind not in EXPLORED:
        raise ValueError(f"expected look-up or digits, and one of {', '.join(EXPLORED)}, got {task!r} and {kind!r}")
    model = LookUp(kind, EXPLORED_KEYS) if task == "look-up" else NodeClassifier(kind, d_in=64, classes=10)
    start = f"{task} {kind}."
    state = load_file(CHECKPOINT)
    model.load_state_dict({name.removeprefix(start): x for name, x in state.items() if name.startswith(start)})
    return model.eval()
