"""The needle experiment: methods compute what their masks say, measures are right, results are the plan's."""

import pytest
import torch
from torch.testing import assert_close

from attnbook import costs
from attnbook.attention import scaled_dot_product_attention
from attnbook.data import needles
from attnbook.evidence import load_results, made_with, retrieval
from attnbook.evidence.retrieval import BLOCK, CHUNK, FEATURES, KINDS, LENGTH, WIDTH, WINDOW
from attnbook.training import count_parameters

RUNS = load_results("retrieval")["runs"]
N = 307  # no multiple of a block or a chunk
SPARSE = [kind for kind in KINDS if kind != "linear" and kind not in FEATURES]


@pytest.mark.parametrize("kind", SPARSE)
def test_each_method_is_attention_under_its_mask(kind):
    torch.manual_seed(3)
    q, k, v = torch.randn(3, 2, 5, N, 7, dtype=torch.float64)
    for method, pattern in zip(*KINDS[kind], strict=True):
        expected, _ = scaled_dot_product_attention(q, k, v, pattern(N))
        actual = scaled_dot_product_attention(q, k, v)[0] if method is None else method(q, k, v, mask=None)
        assert_close(actual, expected)


def test_the_masks_by_hand():
    pairs = {kind: [int(pattern(N).sum()) for pattern in KINDS[kind][1]] for kind in SPARSE}
    in_chunks = 2 * CHUNK**2 + (N - 2 * CHUNK) ** 2
    in_window = N + 2 * (N * WINDOW - WINDOW * (WINDOW + 1) // 2)
    assert pairs["dense"] == [N * N] * 2
    assert pairs["chunks"] == [in_chunks] * 2
    assert pairs["window"] == [in_window] * 2
    assert pairs["window, then dense"] == [in_window, N * N]
    for place, kind in ((range(N - 32, N), "window + global questions"), (range(32), "window + global blanks")):
        mask = KINDS[kind][1][0](N)
        assert mask[list(place)].all()
        assert mask[:, list(place)].all()
        assert pairs[kind][0] < pairs["window"][0] + 2 * 32 * N
    first, second = (pattern(N) for pattern in KINDS["BigBird"][1])
    assert (first != second).any()  # each layer draws blocks of its own
    assert first[:BLOCK].all()
    assert pairs["BigBird without random"][0] < pairs["BigBird"][0]


def test_all_kinds_start_from_the_same_parameters():
    readers = [retrieval.build(kind, seed=5) for kind in ("dense", "linear", "BigBird")]
    assert len({count_parameters(reader) for reader in readers}) == 1
    for parameters in zip(*(reader.parameters() for reader in readers), strict=True):
        assert torch.equal(parameters[0], parameters[1])
        assert torch.equal(parameters[0], parameters[2])


def test_an_unknown_kind_is_refused():
    with pytest.raises(ValueError, match=r"expected one of 'dense', 'chunks', .* got 'Dense'"):
        retrieval.build("Dense")


def test_training_follows_its_seed_and_the_stages():
    stages = ((101, 7, 3, 2), (131, 11, 2, 2), (151, 13, 2, 1))
    losses = [retrieval.train(retrieval.build("window"), seed, stages=stages) for seed in (0, 0, 1)]
    assert len(losses[0]) == 5
    assert len(retrieval.train(retrieval.build("window"), patience=7, stages=stages)) == 2 + 2 + 7
    assert losses[0] == pytest.approx(losses[1], rel=1e-5)
    assert losses[0] != pytest.approx(losses[2], rel=1e-3)


def test_answers_are_counted_against_the_places_of_their_needles():
    class Knows(retrieval.Reader):
        """Right about the needles in the first half, since it looks them up; wrong about the others."""

        def forward(self, tokens):
            asked = tokens[:, -needles.QUESTIONS :, 0]
            match = tokens[:, None, : -needles.QUESTIONS, 0] == asked[..., None]
            place = match.int().argmax(dim=-1)
            content = tokens[..., 1].gather(1, place)
            wrong = (content + 1) % needles.CONTENTS
            return torch.nn.functional.one_hot(torch.where(place < 70, content, wrong), needles.CONTENTS).float()

    right, places = retrieval.answers_right(Knows([None]), n=149, count=8)
    assert right.shape == places.shape == (8, needles.QUESTIONS)
    assert torch.equal(right, places < 70)
    assert 0.2 < right.float().mean() < 0.8


def test_links_needed_by_hand():
    n = 1009
    last = n - 1
    places = torch.full((1, needles.QUESTIONS), last)
    for steps, links in ((WINDOW, 1), (WINDOW + 1, 2), (2 * WINDOW, 2), (2 * WINDOW + 1, 3)):
        places[0, -1] = last - steps
        assert retrieval.links_needed("window", places, n)[0, -1] == links
        assert retrieval.links_needed("window + global questions", places, n)[0, -1] == 1
        assert retrieval.links_needed("window, then dense", places, n)[0, -1] == 1
        assert retrieval.links_needed("window + global blanks", places, n)[0, -1] == min(links, 2)


def test_operations_are_those_of_the_formulas():
    assert retrieval.operations("dense") == 2 * costs.dense(LENGTH, WIDTH, 2).operations
    assert retrieval.operations("window") == 2 * costs.sliding_window(LENGTH, WIDTH, 2, WINDOW).operations
    assert retrieval.operations("chunks") == 2 * costs.chunked(LENGTH, WIDTH, 2, CHUNK).operations
    assert retrieval.operations("Performer, 128 features") == 2 * costs.performer(LENGTH, WIDTH, 2, 128).operations
    assert retrieval.operations("linear") == 2 * costs.linear(LENGTH, WIDTH, 2).operations


def test_the_second_rate_is_taken_only_where_it_is_clearly_better():
    def row(lr, accuracy, **others):
        return {"kind": "dense", "lr": lr, "seed": 0, "patience": 1, "accuracy": accuracy} | others

    others = [row(0.003, 0.9, kind="linear"), row(0.003, 0.9, seed=1), row(0.003, 0.9, patience=4)]
    assert retrieval.best_rate([row(0.01, 0.5), row(0.003, 0.51), *others], "dense") == 0.01
    assert retrieval.best_rate([row(0.003, 0.53), *others, row(0.01, 0.5)], "dense") == 0.003


def test_the_results_are_those_of_the_plan_no_more_and_no_less():
    setting = ("kind", "lr", "patience", "seed")
    planned = sorted(tuple(({"patience": 1} | arguments)[name] for name in setting) for arguments in retrieval.plan())
    assert len(set(planned)) == len(planned)
    assert sorted(tuple(run[name] for name in setting) for run in RUNS) == planned
    assert set(load_results("retrieval")["made_with"]) == set(made_with())


def test_the_results_fit_the_models_that_they_name():
    for run in RUNS:
        assert run["parameters"] == count_parameters(retrieval.build(run["kind"]))
        shares, accuracies = run["share_of_links"], run["by_links"]
        assert sum(shares.values()) == pytest.approx(1)
        assert run["accuracy"] == pytest.approx(sum(shares[x] * (accuracies[x] or 0) for x in shares), abs=1e-5)
