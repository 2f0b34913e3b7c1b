"""The results behind chapter 14: all there, and true."""

import statistics

import pytest
import torch

from attnbook.evidence import graph, graph_tasks, load_results, made_with
from attnbook.evidence.graph_models import NodeClassifier, make_layer, spread_labels
from attnbook.graph import GraphAttentionV2

RUNS = load_results("graph")["runs"]


def found(task, **setting):
    return [run for run in RUNS if ({"task": task} | setting).items() <= run.items()]


def mean(runs, name="right"):
    return statistics.mean(run[name] for run in runs)


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    plan = graph.plan()
    assert len({str(arguments) for arguments in plan}) == len(plan) == len(RUNS)
    for arguments, run in zip(plan, RUNS, strict=True):
        assert arguments.items() <= run.items()
    assert set(load_results("graph")["made_with"]) == set(made_with())


def test_the_rate_is_the_best_of_those_tried():
    for (kind, skip), best in graph.BEST_RATE.items():
        by_rate = {lr: mean(found("rates", kind=kind, skip=skip, lr=lr), "validation") for lr in graph.RATES}
        assert by_rate[best] == max(by_rate.values()), (kind, skip, by_rate)


def test_look_ups_are_beyond_gat_and_easy_for_gatv2():
    for heads in graph.LOOK_UP_HEADS:
        assert all(run["first"] == 1 for run in found("look-ups", kind="GAT", num_heads=heads))
        assert max(run["right"] for run in found("look-ups", kind="GAT", num_heads=heads)) < 0.9
        assert min(run["right"] for run in found("look-ups", kind="GATv2", num_heads=heads)) > 0.99
    assert max(run["right"] for run in found("look-ups", kind="GAT", num_heads=1)) < 0.2


@pytest.mark.parametrize("seed", [11, 12])
def test_a_new_seed_says_the_same(seed):
    facts = {kind: graph_tasks.look_up_facts(graph_tasks.train_look_ups(kind, seed=seed)) for kind in ("GAT", "GATv2")}
    assert facts["GAT"]["first"] == 1
    assert facts["GAT"]["right"] < 0.3
    assert facts["GATv2"]["right"] > 0.99


def test_a_run_of_the_digits_repeats():
    arguments = graph.digits_run("GCN", 10, 0)
    run = graph.run(**arguments)
    (stored,) = found("digits", kind="GCN", strangers=10, seed=0, skip=False)
    assert run["right"] == pytest.approx(stored["right"], abs=0.02)
    assert run["homophily"] == pytest.approx(stored["homophily"], abs=1e-4)


def test_every_digit_has_its_place():
    drawn = graph_tasks.DigitGraph(strangers=3, seed=1)
    assert drawn.labels[drawn.known].bincount().tolist() == [10] * 10
    parts = torch.cat([drawn.known, drawn.validation, drawn.test])
    assert torch.equal(parts.sort().values, torch.arange(1797))
    assert len(drawn.validation) == 500
    assert drawn.edges[1].bincount().unique().tolist() == [9]
    even = torch.ones(2, drawn.edges.shape[1])
    assert graph_tasks.same_class(even, drawn) == pytest.approx(1)


def test_evenness_and_propagation_by_hand():
    edges = torch.tensor([[1, 2, 0], [0, 0, 1]])
    assert graph_tasks.evenness(torch.tensor([[0.5, 0.5, 1.0], [0.0, 1.0, 1.0]]), edges, 3) == pytest.approx(0.5)
    path = torch.tensor([[0, 1, 1, 2, 2, 3], [1, 0, 2, 1, 3, 2]])  # 0 - 1 - 2 - 3
    shares = spread_labels(path, torch.tensor([0, 0, 1, 1]), torch.tensor([0, 3]), classes=2, rounds=200)
    torch.testing.assert_close(shares[1:3, 1], torch.tensor([1 / 3, 2 / 3]))


def test_layers_and_checkpoint():
    with pytest.raises(ValueError, match="expected MLP, GCN, GAT, GATv2 or everyone, got 'GIN'"):
        make_layer("GIN", 3, 8, 2)
    with pytest.raises(ValueError, match="got 'digits' and 'MLP'"):
        graph.trained("digits", "MLP")
    x, edges = torch.rand(7, 64), torch.tensor([[1, 2], [0, 0]])
    for kind in (*graph.KINDS, "everyone"):
        for skip in (False, True):
            assert NodeClassifier(kind, 64, 10, depth=3, skip=skip)(x, edges)[0].shape == (7, 10)
    assert isinstance(graph.trained("digits", "GATv2").layers[0], GraphAttentionV2)
    drawn = graph_tasks.DigitGraph(graph.EXPLORED_STRANGERS, graph.EXPLORED_SEED)
    with torch.no_grad():
        logits, _ = graph.trained("digits", "GATv2")(drawn.x, drawn.edges)
    assert (logits.argmax(dim=1) == drawn.labels)[drawn.test].double().mean() > 0.8
    assert graph_tasks.look_up_facts(graph.trained("look-up", "GATv2"))["right"] > 0.99
